"""Structures that are read without a fault and yet are no framework, or not a whole one."""

import re

import numpy as np
import pytest
from cif_oracle import published
from cifs import NET, cif, wide_net, write
from published_frameworks import FRAMEWORKS, primitive

from structures.cif import load_framework
from structures.crystal import Crystal, bonds, connected, density
from structures.errors import WARNING, InputError
from structures.guests import Guest
from structures.library import LIBRARY, library_cif
from structures.plausibility import doubts, refuse_lost_atoms, refuse_overlaps
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


def test_a_formula_that_is_the_content_of_the_cell(tmp_path):
    """The shipped CIFs state Z and the atoms of the whole cell; a guest leaves the framework comparable."""
    rows = "".join(f"Xe{k} Xe {x} 0.5 0.5 1.0\n" for k, x in enumerate((0.5, 0.0)))
    text = library_cif("mof5").read_text()
    (line,) = warnings_of(write(tmp_path, f"{text.rstrip()}\n{rows}"))
    assert line.endswith("Z 8, the formula being that of the cell; the atoms count (the formula lacks Xe8)")
    assert "only" not in line


def test_lost_oxygen_is_no_aldehyde(tmp_path):
    """Half of the carboxylate O of MOF-5: refused by the formula, without it a warning and no hydrogen on C1."""
    text = library_cif("mof5").read_text()
    row = next(line for line in text.splitlines() if line.split()[:1] == ["O2"])
    half = text.replace(row, row.removesuffix("1.0") + "0.5")
    with pytest.raises(
        InputError, match=r"not whole: it has 56 of 104 O of the formula, and metals lack .*lacks an ox"
    ):
        load_framework(write(tmp_path, half))
    no_formula = re.sub("_chemical_formula_sum.*\n", "", half)
    framework = load_framework(write(tmp_path, no_formula))
    assert any("carboxylate carbon that lacks an oxygen" in line for line in warnings_of(tmp_path / "test.cif"))
    assert not any("hydrogens added" in line for line in framework.provenance)


def test_a_short_formula_needs_damage():
    """Solvent that was not refined is no fault, nor are hydrogens for which the formula has room."""
    angle = np.radians([0, 120, 240])
    ring = 1.4 * np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1)
    crystal = crystal_of([*"CCCCH"], [[5, 5, 5], *(ring + 5), [7.4, 5.4, 5]])
    refuse_lost_atoms(crystal, {"C": "4 of 9 C"}, 0.0)
    refuse_lost_atoms(crystal, {"O": "0 of 3 O"}, 2.0)
    refuse_lost_atoms(crystal.select(np.arange(4)), {"C": "4 of 9 C"}, 2.0)
    with pytest.raises(InputError, match="it has 4 of 9 C of the formula, and 2 hydrogens more than the formula"):
        refuse_lost_atoms(crystal, {"C": "4 of 9 C"}, 2.0)


def test_density():
    """MOF-399, the lightest, has 0.126 g/cm3: less than 0.08 is no framework, less than 0.2 is worth a word."""
    with pytest.raises(InputError, match=r"density of at least 0\.08 g/cm3; got 0\.0[01]\d g/cm3 from 2 atoms"):
        doubts(crystal_of([*"CC"], [[0, 0, 0], [1.4, 0, 0]], 15.0), (3,), (), 0)
    assert "density 0.1" in doubts(crystal_of([*"CC"], [[0, 0, 0], [1.4, 0, 0]], 6.0), (3,), (), 0)[0]
    left = np.diag([3.9, 3.9, -3.9])
    # 12.011 g/mol in 59.319 Å3
    assert density(left, ["C"]) == pytest.approx(12.011 / 59.319 / 0.602214076, rel=1e-4)


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
    said = warnings_of(write(tmp_path, cif(rows, cell=cell)))
    assert (
        f"{WARNING}an operation that maps 93 % of the atoms takes 1 O to places where no atom is: atoms may be lost"
    ) in said


GROUPS = {  # steps in Å along the C-H bond, along the ring and out of its plane
    "NH2": (("N", 1.36, 0, 0), ("H", 1.87, 0.87, 0), ("H", 1.87, -0.87, 0)),
    "Br": (("Br", 1.90, 0, 0),),
    "OMe": (("O", 1.36, 0, 0), ("C", 2.08, 1.24, 0), ("H", 3.16, 1.10, 0), ("H", 1.8, 1.8, 0.9), ("H", 1.8, 1.8, -0.9)),
    "NO2": (("N", 1.47, 0, 0), ("O", 2.08, 0, 1.06), ("O", 2.08, 0, -1.06)),
}


def with_groups(group, rng):
    """MOF-5 listed atom by atom, one hydrogen of each linker replaced by a group."""
    made = primitive("MOF-5")
    symbols = [site.specie.symbol for site in made]
    crystal = Crystal(made.lattice.matrix, made.frac_coords, tuple(symbols), tuple(symbols), np.zeros(len(made)))
    bond = bonds(crystal)
    step = (crystal.frac_coords[bond.b] + bond.image - crystal.frac_coords[bond.a]) @ crystal.cell
    name = np.array(symbols)
    ring = (name[bond.a] == "C") & (name[bond.b] == "C")
    linker = connected(len(crystal), bond.a[ring], bond.b[ring])
    to_hydrogen = np.flatnonzero((name[bond.a] == "C") & (name[bond.b] == "H"))
    carries = np.isin(np.arange(len(crystal)), bond.a[to_hydrogen])
    frac, lost = [*crystal.frac_coords], []
    for number in np.unique(linker[bond.a[to_hydrogen]]):
        k = rng.choice(to_hydrogen[linker[bond.a[to_hydrogen]] == number])
        carbon, out = bond.a[k], step[k] / np.linalg.norm(step[k])
        along = step[np.flatnonzero((bond.a == carbon) & carries[bond.b] & ring)[0]]
        along = along - (along @ out) * out
        along /= np.linalg.norm(along)
        axes = np.array([out, along, np.cross(out, along)])
        for symbol, *steps in GROUPS[group]:
            symbols.append(symbol)
            frac.append(crystal.frac_coords[carbon] + np.array(steps) @ axes @ np.linalg.inv(crystal.cell))
        lost.append(bond.b[k])
    whole = Crystal(crystal.cell, np.array(frac), tuple(symbols), tuple(symbols), np.zeros(len(symbols)))
    return whole.select(~np.isin(np.arange(len(symbols)), lost))


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_in_place_of_a_hydrogen_is_no_lost_atom(group):
    """One group per linker breaks the symmetry of MOF-5; nothing is missing where the partner carries a hydrogen.

    Where the group was cut off the list nothing is in its place: the partner has a bond less.
    """
    for seed in range(3):
        crystal = with_groups(group, np.random.default_rng(seed))
        assert missing_partners(crystal) == []
        assert missing_partners(crystal.select([symbol != "H" for symbol in crystal.symbols])) == []
        (line,) = missing_partners(crystal.select(np.arange(len(crystal)) < len(crystal) - len(GROUPS[group])))
        assert re.search(rf"takes .*\b\d+ {GROUPS[group][0][0]}\b.* to places where no atom is", line)


@pytest.mark.parametrize(
    ("formula", "line"),
    [
        ("Zn O3", ""),
        ("'Zn O3 H2'", ""),
        ("'Zn O4 H2'", "only 3 of 4 O: solvent that was not refined, or a list of atoms that is not whole"),
        ("'C3 H7 N O4 Zn'", None),
        ("'Cd O3'", None),
        ("'Zn0 O3'", "(the formula lacks Zn1)"),
        ("'Zn O3'\n_cell_formula_units_Z 4", ""),
        ("'Zn O2'\n_cell_formula_units_Z 4", "(the formula lacks O1)"),
        ("'Zn O5'\n_cell_formula_units_Z 8", "(only 3 of 5 O: solvent"),
        ("'C0 H4 Zn O3'", ""),
        ("'Zn O0'", "(the formula lacks O3)"),
        ("Zn0", ""),
        (f"'Zn O0.{'0' * 310}1'", ""),
        (f"'Zn O{'9' * 400}'", ""),
    ],
)
def test_formula_of_the_file(tmp_path, formula, line):
    """Less than stated is a warning, no carbon or no metal of the formula a refusal, hydrogen alone neither.

    A count of zero says that the element is not there; a formula with an absurd one says nothing.
    """
    path = write(tmp_path, cif(NET, head=f"_chemical_formula_sum {formula}"))
    if line is None:
        with pytest.raises(
            InputError, match=r"must list all its atoms: the cell holds O3 Zn1 and no (C|Cd), its formula"
        ):
            load_framework(path)
    else:
        found = [text for text in warnings_of(path) if text != INORGANIC]
        assert [line in text for text in found] == ([True] if line else [])


@pytest.mark.parametrize(
    "loop",
    [
        "_geom_bond_atom_site_label_1\n_geom_bond_atom_site_label_2\nZn1 O1\nO1 C7\n",
        *(
            "\n".join(f"_geom_angle_atom_site_label_{k}" for k in (1, 2, 3)) + f"\n{atoms}\n"
            for atoms in ("C7 Zn1 O1", "Zn1 C7 O1", "O1 Zn1 C7")
        ),
    ],
)
def test_names_without_atoms(tmp_path, loop):
    """Bonds and angles of an atom that the list does not have."""
    assert "the file speaks of are not in its list: C7" in warnings_of(write(tmp_path, f"{cif(NET)}loop_\n{loop}"))[0]


def test_a_file_that_ends_within_a_number(tmp_path):
    text = cif(NET)
    assert warnings_of(write(tmp_path, text)) == [INORGANIC]
    assert (
        "ends within the list of atoms and without a line end, as if it were cut off after -0"
        in warnings_of(write(tmp_path, text[:-3]))[0]
    )
