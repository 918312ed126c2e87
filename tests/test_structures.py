"""Crystal structures: what the shipped CIFs hold, how disorder and guests are resolved, and what is refused."""

import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from cifs import MOF5

from structures.charges import atom_classes, balance
from structures.cif import load_framework
from structures.crystal import Crystal, bonds
from structures.errors import InputError
from structures.framework import Framework
from structures.library import LIBRARY, library_cif
from structures.symmetry import symmetrise

NI_MOF = {
    "Ni": 1.0,
    "mu-O": -0.95,
    "carboxylate-O": -0.55,
    "carboxylate-C": 0.57,
    "C": -0.016,
    "C-H": -0.1,
    "N": -0.3,
    "H": 0.12,
}

# a cubic net of Zn-O-Zn edges, 1.95 Å, with room for a guest in the middle of the cell
NET = """data_net
_cell_length_a 3.9
_cell_length_b 3.9
_cell_length_c 3.9
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
loop_
_symmetry_equiv_pos_as_xyz
{operations}
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
_atom_site_disorder_group
_atom_site_charge
Zn1 Zn 0 0 0 1 . 0.6
O1 O 0.5 0 0 1 . -0.2
O2 O 0 0.5 0 1 . -0.2
O3 O 0 0 0.5 1 . -0.2
{atoms}
"""
IDENTITY = "'x,y,z'"


def net(tmp_path, atoms="", operations=IDENTITY):
    path = tmp_path / "net.cif"
    path.write_text(NET.format(atoms=atoms, operations=operations))
    return path


@pytest.fixture(scope="module")
def mof5() -> Framework:
    return load_framework("mof5", charges=MOF5)


@pytest.fixture(scope="module")
def ni_mof() -> Framework:
    return load_framework("ni_pacs_sym", charges=NI_MOF, net_charge=-2, cell="primitive")


@pytest.fixture(scope="module")
def ordered() -> Framework:
    return load_framework("ni_pacs_disordered", charges=NI_MOF, net_charge=-2)


def cell_parameters(cell):
    lengths = np.linalg.norm(cell, axis=1)
    cosines = [cell[i] @ cell[j] / (lengths[i] * lengths[j]) for i, j in ((1, 2), (0, 2), (0, 1))]
    return (*lengths, *np.degrees(np.arccos(cosines)))


def test_mof5_conventional_cell(mof5):
    """Zn4O(C8H4O4)3, Z = 8, Fm-3m: 48 point operations times four centrings."""
    assert len(mof5.symbols) == 424
    assert mof5.formula_units == 8
    assert len(mof5.rotations) == 192
    assert cell_parameters(mof5.cell) == pytest.approx((25.832,) * 3 + (90,) * 3)
    assert Counter(mof5.atom_classes) == {
        "Zn": 32,
        "mu-O": 8,
        "carboxylate-O": 96,
        "carboxylate-C": 48,
        "C": 48,
        "C-H": 96,
        "H": 96,
    }


def test_ni_mof_primitive_cell_is_hexagonal(ni_mof):
    """Half of the C-centred cell: 2 x [Ni3(mu3-O)(C8H4O4)3(C20H14N4)], 180 atoms, charge -4."""
    assert cell_parameters(ni_mof.cell) == pytest.approx((16.8999, 16.8999, 15.1126, 90, 90, 120), abs=1e-4)
    assert Counter(ni_mof.symbols) == {"Ni": 6, "H": 52, "C": 88, "N": 8, "O": 26}
    assert Counter(ni_mof.atom_classes)["mu-O"] == 2
    assert (ni_mof.formula_units, ni_mof.net_charge) == (2, -4)
    assert any("not a refined structure" in line for line in ni_mof.provenance)


def test_conventional_cell_of_the_ordered_model():
    framework = load_framework("ni_pacs_sym", charges=NI_MOF, net_charge=-2)
    assert cell_parameters(framework.cell) == pytest.approx((16.8999, 29.2714, 15.1126, 90, 90, 90), abs=1e-4)
    assert (len(framework.symbols), framework.formula_units, framework.net_charge) == (360, 4, -8)


def test_disordered_ligand_gets_one_nitrogen_per_ring(ordered):
    """Of three places on each central ring one holds N and two C-H; the N bonds to two C and to no H.

    The content of the cell is that of the ordered model, and so is the environment of every atom.
    """
    assert Counter(ordered.symbols) == {"Ni": 6, "H": 52, "C": 88, "N": 8, "O": 26}
    crystal = Crystal(
        ordered.cell, ordered.frac_coords, ordered.symbols, ordered.symbols, np.zeros(len(ordered.symbols))
    )
    bond = bonds(crystal)
    around = [Counter() for _ in ordered.symbols]
    for a, b in zip(bond.a, bond.b, strict=True):
        around[a][ordered.symbols[b]] += 1
    nitrogen = Counter(tuple(sorted(n.items())) for s, n in zip(ordered.symbols, around, strict=True) if s == "N")
    assert nitrogen == {(("C", 2), ("Ni", 1)): 6, (("C", 2),): 2}
    assert all(
        sum(n.values()) == {"C": 3, "H": 1}[s] for s, n in zip(ordered.symbols, around, strict=True) if s in "CH"
    )
    assert any("2 x N2 / C8+H8, one of 3 equal arrangements" in line for line in ordered.provenance)
    again = load_framework("ni_pacs_disordered", charges=NI_MOF, net_charge=-2)
    assert (again.frac_coords == ordered.frac_coords).all()


def test_chosen_ordering_is_the_ordered_model(ordered, ni_mof):
    """The choice that keeps most symmetry is the shipped Cmcm model: all N-N distances agree.

    Averaging over the three orientations moved the ring atoms by up to 0.02 Å; another ordering differs by Å.
    """

    def distances(framework):
        frac = framework.frac_coords[[s == "N" for s in framework.symbols]]
        images = np.stack(np.meshgrid(*[(-1, 0, 1)] * 3), axis=-1).reshape(-1, 1, 1, 3)
        step = frac[:, None] - frac + images
        return np.sort(np.linalg.norm(step @ framework.cell, axis=-1).min(axis=0), axis=None)

    assert len(ordered.rotations) == len(ni_mof.rotations) == 8
    assert np.abs(distances(ordered) - distances(ni_mof)).max() < 0.05


@pytest.mark.parametrize("name", ["mof5", "ni_mof", "ordered"])
def test_operations_map_atoms_onto_atoms_of_the_same_charge(name, request):
    """Every operation permutes the atoms, to 1e-8 Å, and leaves the metric of the lattice as it is."""
    framework = request.getfixturevalue(name)
    metric = framework.cell @ framework.cell.T
    for rotation, translation in zip(framework.rotations, framework.translations, strict=True):
        assert np.abs(rotation.T @ metric @ rotation - metric).max() < 1e-10
        image = framework.frac_coords @ rotation.T + translation
        target = np.full(len(image), -1)
        for start in range(0, len(image), 64):
            step = image[start : start + 64, None] - framework.frac_coords
            distance = np.linalg.norm((step - np.round(step)) @ framework.cell, axis=-1)
            target[start : start + 64] = np.argmin(distance, axis=1)
            assert distance.min(axis=1).max() < 1e-8
        assert len(set(target)) == len(target)
        assert (framework.charges[target] == framework.charges).all()
    assert framework.charges.sum() == pytest.approx(framework.net_charge, abs=1e-9)
    assert np.abs(framework.translations * 24 - np.round(framework.translations * 24)).max() == 0


@pytest.mark.parametrize("choice", ["given", "conventional", "primitive"])
def test_noisy_positions_are_averaged_over_the_operations(choice):
    """Rock salt with noise of 0.001 Å and an origin anywhere: every atom is fixed by 48 operations after averaging."""
    rng = np.random.default_rng(5)
    corner = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    frac = np.vstack([corner, corner + 0.5]) + rng.normal(scale=1e-3 / 5.6, size=(8, 3)) + np.array([0.11, 0.23, 0.37])
    crystal = symmetrise(np.eye(3) * 5.6, frac, np.repeat([0, 1], 4), choice=choice)
    n_atoms = 2 if choice == "primitive" else 8
    assert (len(crystal.kinds), len(crystal.rotations)) == (n_atoms, 24 * n_atoms)
    image = np.einsum("gij,kj->gki", crystal.rotations, crystal.frac_coords) + crystal.translations[:, None]
    step = image[:, :, None] - crystal.frac_coords
    distance = np.linalg.norm((step - np.round(step)) @ crystal.cell, axis=-1)
    assert distance.min(axis=2).max() < 1e-8


def test_guests_are_removed_and_named(tmp_path):
    """A molecule has no bond into another cell; the net has. Li+ is a guest too."""
    guest = "H1 H 0.5 0.5 0.4 1 . 0\nH2 H 0.5 0.5 0.59 1 . 0"
    framework = load_framework(net(tmp_path, guest))
    assert Counter(framework.symbols) == {"Zn": 1, "O": 3}
    assert "guests removed from the cell: 1 H2" in framework.provenance
    framework = load_framework(net(tmp_path, "Li1 Li 0.5 0.5 0.5 1 . 0"))
    assert "guests removed from the cell: 1 Li" in framework.provenance


def test_molecule_crystal_is_refused(tmp_path):
    path = tmp_path / "water.cif"
    text = NET.split("Zn1 Zn")[0].format(operations=IDENTITY)
    path.write_text(text + "O1 O 0 0 0 1 . 0\nH1 H 0.25 0 0 1 . 0\nH2 H -0.06 0.24 0 1 . 0\n")
    with pytest.raises(InputError, match="found only molecules: 1 H2O"):
        load_framework(path)


def test_one_image_of_a_split_atom_is_kept(tmp_path):
    """A half-occupied Li beside a mirror plane has two images 0.39 Å apart; one of them is there at a time.

    As Li is a guest it is counted by the line of its removal.
    """
    framework = load_framework(net(tmp_path, "Li1 Li 0.5 0.5 0.45 0.5 . 0", "'x,y,z'\n'x,y,-z'"))
    assert "guests removed from the cell: 1 Li" in framework.provenance
    assert any("one of 2 equal arrangements" in line for line in framework.provenance)


def test_larger_occupancy_wins_between_alternatives(tmp_path):
    """Two alternatives of 0.7 and 0.3 in one place: the first is kept, whole, and nothing of the second."""
    atoms = "N1 N 0.5 0.5 0.45 0.3 2 0\nF1 F 0.5 0.5 0.5 0.7 1 0\nH1 H 0.5 0.5 0.7 0.3 2 0"
    framework = load_framework(net(tmp_path, atoms))
    assert "guests removed from the cell: 1 F" in framework.provenance


def test_mirror_disordered_molecule_keeps_its_parts_together(tmp_path):
    """CO on a mirror plane across its bond, group -1: the images C..O overlap head to tail, one CO stays."""
    atoms = "C9 C 0.5 0.5 0.36 0.5 -1 0\nO9 O 0.5 0.5 0.65 0.5 -1 0"
    framework = load_framework(net(tmp_path, atoms, "'x,y,z'\n'x,y,-z'"))
    assert "guests removed from the cell: 1 CO" in framework.provenance


def mof5_with_ring(tmp_path, carbon, hydrogen):
    """MOF-5 with other lines for the C and H of its ring."""
    text = library_cif("mof5").read_text().replace("_occupancy\n", "_occupancy\n_atom_site_disorder_group\n")
    head = text.replace(" 1.0\n", " 1.0 .\n").split(" C3 ")[0]
    path = tmp_path / "ring.cif"
    path.write_text(head + carbon + hydrogen)
    return path


def test_ring_twisted_off_its_mirror_is_one_whole_ring(tmp_path):
    """Two images of a ring turned out of its mirror either way: one flat ring is kept on each linker."""
    path = mof5_with_ring(tmp_path, "C3 C 0.29435 0.2351 0.0269 0.5 -1\n", "H1 H 0.3230 0.2266 0.0448 0.5 -1\n")
    framework = load_framework(path, charges=MOF5)
    assert Counter(framework.symbols) == {"Zn": 32, "O": 104, "C": 192, "H": 96}
    ring = framework.frac_coords[[c == "C-H" for c in framework.atom_classes]]
    step = ring[:, None] - ring
    distance = np.linalg.norm((step - np.round(step)) @ framework.cell, axis=-1)
    sides = np.unique(np.round(distance[(distance > 0) & (distance < 3)], 2))
    assert sides == pytest.approx([1.39, 2.42, 2.79], abs=0.01)  # a rectangle: edge, width and diagonal of one plane


def test_alternatives_that_nothing_tells_apart_are_refused(tmp_path):
    """Two half-occupied rings without disorder groups, near enough to look bonded: the ipso C would have five bonds."""
    carbon = "C3 C 0.2829 0.2171 0.0269 0.5 .\nC4 C 0.2829 0.2829 0.0269 0.5 .\n"
    with pytest.raises(InputError, match=r"disorder around C2 cannot be resolved: .* 5 atoms \(C1, C3, C4\)"):
        load_framework(mof5_with_ring(tmp_path, carbon, ""), charges=MOF5)


def test_unresolvable_disorder_names_atoms_and_distance(tmp_path):
    with pytest.raises(InputError, match=r"disorder of (O1|N1) and (O1|N1) cannot be resolved: .* 0\.390 Å"):
        load_framework(net(tmp_path, "N1 N 0.5 0.1 0 0.5 . 0"))


def test_overlapping_full_atoms_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"atoms (O1|O9) and (O1|O9) are 0\.390 Å apart"):
        load_framework(net(tmp_path, "O9 O 0.5 0.1 0 1 . 0"))


def test_atoms_listed_twice_are_taken_once(tmp_path):
    framework = load_framework(net(tmp_path, "O9 O 0.5 0.001 0 1 . 0"))
    assert Counter(framework.symbols) == {"Zn": 1, "O": 3}
    assert "1 atom listed twice was taken once: O9 0.004 Å from O1" in framework.provenance


def test_charges_of_the_file(tmp_path):
    framework = load_framework(net(tmp_path))
    charge = dict(zip(framework.symbols, framework.charges, strict=True))
    assert charge == pytest.approx({"Zn": 0.6, "O": -0.2})
    assert len(framework.rotations) == 48


def test_rounded_charges_of_equivalent_atoms_become_equal(tmp_path):
    """Charges of one orbit that differ in the fourth place must not break the symmetry of the net."""
    path = net(tmp_path)
    path.write_text(path.read_text().replace("0.5 0 0 1 . -0.2", "0.5 0 0 1 . -0.2003"))
    framework = load_framework(path)
    assert len(framework.rotations) == 48
    assert len(set(framework.charges)) == 2


def test_charge_sources_that_are_not_there_are_refused():
    with pytest.raises(InputError, match="expected a table of charges"):
        load_framework("mof5", charge_source="table")
    with pytest.raises(InputError, match="_atom_site_charge is missing or zero"):
        load_framework("mof5", charge_source="cif")


def test_class_wins_over_element(tmp_path):
    """In MOF-5 the key "C" is the class of the ipso carbon and the element of every other carbon."""
    table = {key: value for key, value in MOF5.items() if not key.startswith("C-")}
    framework = load_framework("mof5", charges={**table, "carboxylate-O": -0.539 - 12 * 0.092 / 12}, cell="primitive")
    charge = dict(zip(framework.atom_classes, framework.charges, strict=True))
    assert charge["C-H"] == charge["C"] != charge["carboxylate-C"]


def test_charge_table_errors_name_the_nearest_class():
    with pytest.raises(InputError, match=r"carboxilate-O matches no atom; .*nearest carboxylate-O"):
        load_framework("mof5", charges={**MOF5, "carboxilate-O": -0.5})
    with pytest.raises(InputError, match=r"found none for H \(96 atoms\)"):
        load_framework("mof5", charges={k: v for k, v in MOF5.items() if k != "H"})


def test_net_charge_must_balance():
    """A residual of rounding is spread; a table that is off by 2 e per formula unit, or by 0.2 e, is wrong."""
    with pytest.raises(InputError, match=r"formula unit: expected -2 e; the charges sum to 0\.010 e"):
        load_framework("mof5", charges=MOF5, net_charge=-2)
    with pytest.raises(InputError, match=r"expected 0 e; the charges sum to 0\.200 e"):
        balance(np.array([0.5, -0.3]), 0.0)
    charges, line = balance(np.array([0.5, -0.48]), 0.0)
    assert charges == pytest.approx([0.49, -0.49])
    assert "-0.01000 e per atom" in line


def test_the_sum_of_the_charges_is_that_of_a_formula_unit():
    """Four atoms in two formula units sum to -4.04 e: -2.02 e where -2 e is expected, 0.01 e per atom."""
    charges, line = balance(np.array([-1.01, -1.01, -1.01, -1.01]), -2.0, 2)
    assert charges == pytest.approx(-np.ones(4))
    assert "they sum to -2.0200 e per formula unit, expected -2 e: shifted by +0.01000 e per atom" in line


def test_carboxylate_needs_two_oxygens():
    """An aldehyde group has one O on its C: no carboxylate."""
    frac = np.array([[0, 0, 0], [0.12, 0, 0], [-0.055, 0.095, 0]])
    crystal = Crystal(np.eye(3) * 10, frac, ("C", "O", "H"), ("C", "O", "H"), np.zeros(3))
    assert atom_classes(crystal) == ("C-H", "O", "H")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("  \n", "the file is empty"),
        ("PK\x03\x04 no crystal", "found none"),
        ("data_x\n_cell_length_a 5\n", "found none"),
        (NET.split("Zn1")[0].format(operations=IDENTITY) + "Zn1 Zn 0 0\n", "net.cif"),
        (NET.split("Zn1")[0].format(operations=IDENTITY) + "Zn1 Zn a 0 0 1 . 0\n", "x of atom Zn1 must be a number"),
        (NET.split("Zn1")[0].format(operations=IDENTITY) + "Zn1 Zn 0 0 0 7 . 0\n", r"occupancy of atom Zn1 .* got 7"),
        (NET.split("Zn1")[0].format(operations=IDENTITY) + "Q1 Qq 0 0 0 1 . 0\n", "element symbol; got Qq"),
        (NET.format(atoms="", operations=IDENTITY).replace("_a 3.9", "_a 'x"), "net.cif"),
        (NET.format(atoms="", operations=IDENTITY).replace("_a 3.9", "_a 0"), "net.cif"),
        (NET.format(atoms="", operations="'x,y,w'"), "net.cif"),
    ],
)
def test_unreadable_file_is_one_line(tmp_path, text, message):
    path = tmp_path / "net.cif"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        load_framework(path)
    assert "\n" not in str(caught.value)


def test_missing_file_and_unknown_name(tmp_path):
    with pytest.raises(InputError, match=r"absent\.cif does not exist"):
        load_framework(tmp_path / "absent.cif")
    with pytest.raises(InputError, match="is a folder"):
        load_framework(tmp_path)
    with pytest.raises(InputError, match="nearest: mof5"):
        library_cif("mof-5")
    assert LIBRARY == ("mof5", "ni_pacs_disordered", "ni_pacs_sym")


def test_readers_are_not_loaded_with_the_data_types():
    """A thousand ranks import the engine; pymatgen costs each of them seconds."""
    code = "import structures.framework, structures.species, structures.library, sys; print('pymatgen' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
