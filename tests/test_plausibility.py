"""Structures that are read without a fault and yet are no framework, or not a whole one."""

import numpy as np
import pytest
from cif_oracle import published
from cifs import NET, cif, wide_net, write
from published_frameworks import FRAMEWORKS

from structures.cif import load_framework
from structures.crystal import Crystal
from structures.errors import WARNING, InputError
from structures.guests import Guest
from structures.library import LIBRARY
from structures.plausibility import doubts, refuse_overlaps
from structures.vacancies import missing_partners

INORGANIC = f"{WARNING}the framework holds no carbon: no metal-organic framework"
CHAIN = ("Zn1 Zn 0 0 0 1 . 0", "O1 O 0.5 0 0 1 . 0")


def warnings_of(source):
    return [line for line in load_framework(source).provenance if line.startswith(WARNING)]


def crystal_of(symbols, places, edge=12.0):
    """Atoms at places in Å in a cube."""
    labels = tuple(f"{symbol}{k}" for k, symbol in enumerate(symbols, 1))
    frac = np.array(places, dtype=float) / edge
    return Crystal(np.eye(3) * edge, frac, tuple(symbols), labels, np.zeros(len(symbols)))


@pytest.mark.parametrize("name", LIBRARY)
def test_the_library_is_beyond_doubt(name):
    assert warnings_of(name) == []


@pytest.mark.parametrize("name", FRAMEWORKS)
@pytest.mark.parametrize("one_by_one", [False, True])
def test_published_frameworks_are_beyond_doubt(tmp_path, name, one_by_one):
    assert warnings_of(write(tmp_path, published(name, one_by_one=one_by_one))) == []


def test_warnings_come_first(tmp_path):
    """Behind the name of the file, before everything that was mended or chosen."""
    provenance = load_framework(write(tmp_path, cif(CHAIN))).provenance
    assert [line.startswith(WARNING) for line in provenance[:5]] == [False, True, True, True, False]
    assert "bonded in 1 direction only" in provenance[1]
    assert (
        provenance[2] == f"{WARNING}metals lack neighbours, solvent taken off or atoms lost: 1 x Zn1 with 2 neighbours"
    )
    assert provenance[3] == INORGANIC


@pytest.mark.parametrize(
    ("pair", "distance", "fits"),
    [("C C", 1.10, True), ("C C", 1.00, False), ("N N", 1.10, True), ("Zn O", 1.8, True), ("Zn O", 1.35, False),
     ("U O", 1.77, True), ("V O", 1.58, True), ("Al O", 1.65, True), ("Ce O", 2.12, True), ("Mo Mo", 2.06, True),
     ("Zn Zn", 2.3, True), ("Zn Zn", 1.8, False), ("C H", 0.8, True), ("C H", 0.4, False)],
)  # fmt: skip
def test_the_least_distance_is_that_of_the_bond(pair, distance, fits):
    """Triple bonds, U=O, V=O and Mo-Mo are short for their radii; as short between others is an overlap."""
    crystal = crystal_of(pair.split(), [[0, 0, 0], [distance, 0, 0]])
    if fits:
        refuse_overlaps(crystal)
    else:
        with pytest.raises(InputError, match=f"{distance:.3f} Å apart; expected at least"):
            refuse_overlaps(crystal)


def test_carbon_with_five_bonds_is_refused():
    """A solvent atom 1.5 Å from a tetrahedral carbon; the boron of a carborane does not count."""
    ends = 1.5 * np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(3)
    places = [[5, 5, 5], *(ends + 5), [5 + 1.5, 5, 5]]
    with pytest.raises(InputError, match=r"carbon C1 must have at most four bonds; got 5 \(.*O6 1\.50 Å.*solvent on"):
        doubts(crystal_of([*"CCCCCO"], places, 8.0), (3,), (), 0)
    assert doubts(crystal_of([*"CCCCCB"], places, 8.0), (3,), (), 0) == []


def test_solvent_above_a_flat_carbon():
    """Three bonds in a plane and a fourth on top: no hybridisation has that."""
    angle = np.radians([0, 120, 240])
    plane = 1.4 * np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1)
    crystal = crystal_of([*"CCCCO"], [[5, 5, 5], *(plane + 5), [5, 5, 6.45]], 8.0)
    assert doubts(crystal, (3,), (), 0) == [
        f"{WARNING}flat carbon with a fourth neighbour, perhaps solvent on the wall: 1 x C1-O5 1.45 Å"
    ]


def test_hydrogens_that_only_some_atoms_have():
    crystal = crystal_of([*"CH"], [[0, 0, 0], [1.09, 0, 0]], 4.0)
    assert doubts(crystal, (3,), (), 0) == []
    assert "the file has hydrogens on carbon (1) but 4 had to be added" in doubts(crystal, (3,), (), 4)[0]


def test_density():
    """MOF-399, the lightest, has 0.126 g/cm3: less than 0.08 is no framework, less than 0.2 is worth a word."""
    with pytest.raises(InputError, match=r"density of at least 0\.08 g/cm3; got 0\.0[01]\d g/cm3 from 2 atoms"):
        doubts(crystal_of([*"CC"], [[0, 0, 0], [1.4, 0, 0]], 15.0), (3,), (), 0)
    assert "density 0.1" in doubts(crystal_of([*"CC"], [[0, 0, 0], [1.4, 0, 0]], 6.0), (3,), (), 0)[0]


def test_pieces_with_metal_in_the_pores():
    """Ions and aqua ions are guests; a cluster is what a broken net leaves."""
    crystal = crystal_of([*"CC"], [[0, 0, 0], [1.4, 0, 0]], 4.0)
    guests = (Guest("Na", 2), Guest("H12MgO6", 1), Guest("C8H11N5", 1))
    assert doubts(crystal, (3,), guests, 0) == []
    assert (
        "complexes or parts of a broken net: 1 C6O13Zn4" in doubts(crystal, (3,), (*guests, Guest("C6O13Zn4", 1)), 0)[0]
    )


def test_a_lost_atom_breaks_the_symmetry_of_the_rest(tmp_path):
    """The wide net without one oxygen on an edge: the operations of its other atoms lead to an empty place."""
    atoms, cell = wide_net()
    whole = load_framework(write(tmp_path, cif(atoms, cell=cell)))
    crystal = Crystal(whole.cell, whole.frac_coords, whole.symbols, whole.symbols, whole.charges)
    assert missing_partners(crystal) == []
    oxygen = crystal.symbols.index("O")
    lines = missing_partners(crystal.select(np.arange(len(crystal)) != oxygen))
    assert len(lines) == 1
    assert "takes 1 O to places where no atom is" in lines[0]
    rows = [row for row in atoms if not row.startswith("O01 ")]
    assert any("bonded" in line or "takes 1 O" in line for line in warnings_of(write(tmp_path, cif(rows, cell=cell))))


@pytest.mark.parametrize(
    ("formula", "line"),
    [
        ("Zn O3", ""),
        ("'Zn O3 H2'", ""),
        ("'Zn O4 H2'", "only 3 of 4 O: solvent that was not refined, or a list of atoms that is not whole"),
        ("'C3 H7 N O4 Zn'", None),
        ("'Cd O3'", None),
    ],
)
def test_formula_of_the_file(tmp_path, formula, line):
    """Less than stated is a warning, no carbon or no metal of the formula a refusal, hydrogen alone neither."""
    path = write(tmp_path, cif(NET, head=f"_chemical_formula_sum {formula}"))
    if line is None:
        with pytest.raises(
            InputError, match=r"must list all its atoms: the cell holds O3 Zn1 and no (C|Cd), its formula"
        ):
            load_framework(path)
    else:
        found = [text for text in warnings_of(path) if text != INORGANIC]
        assert [line in text for text in found] == ([True] if line else [])


def test_names_without_atoms(tmp_path):
    """Bonds of an atom that the list does not have."""
    bonds = "loop_\n_geom_bond_atom_site_label_1\n_geom_bond_atom_site_label_2\nZn1 O1\nO1 C7\n"
    assert "the file speaks of are not in its list: C7" in warnings_of(write(tmp_path, cif(NET) + bonds))[0]


def test_a_file_that_ends_within_a_number(tmp_path):
    text = cif(NET)
    assert warnings_of(write(tmp_path, text)) == [INORGANIC]
    assert (
        "ends within the list of atoms and without a line end, as if it were cut off after -0"
        in warnings_of(write(tmp_path, text[:-3]))[0]
    )
