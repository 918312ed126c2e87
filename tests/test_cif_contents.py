"""What is in the crystal: disorder, guests and their charges, missing hydrogens, structures from memory."""

from collections import Counter

import numpy as np
import pytest
from ase import Atoms
from cifs import MOF5, NET, cif, same_framework, wide_net, write
from pymatgen.core import Lattice, Structure

from structures.charges import atom_classes
from structures.cif import load_framework
from structures.cleaning import clean
from structures.crystal import Crystal, bonds
from structures.errors import WARNING, InputError
from structures.guests import IONS, Guest, charge_of_guests, guest_charge
from structures.hydrogens import C_H, N_H, add_hydrogens
from structures.library import library_cif
from structures.source import read_source

WIDE, WIDE_CELL = wide_net()
WIDE_CHARGES = {"Zn": 0.9, "O": -0.7}  # Zn7O9
CENTRE = np.full(3, 5.85)
LIBRARY_TEXT = library_cif("mof5").read_text()


def said(framework, text):
    return any(text in line for line in framework.provenance)


def guest(symbols, places, *, occupancy=1.0, group="."):
    """Lines of a guest, places in Å from the centre of the wide net."""
    frac = (np.array(places) + CENTRE) / WIDE_CELL[0]
    return tuple(
        f"{symbol}g{k} {symbol} {x:.8f} {y:.8f} {z:.8f} {occupancy} {group} 0"
        for k, (symbol, (x, y, z)) in enumerate(zip(symbols, frac, strict=True))
    )


def wide(tmp_path, *guests, net_charge=None, operations=("x,y,z",)):
    """Framework of the wide net with guests; EQeq where the charges do not fit the table."""
    text = cif((*WIDE, *(line for lines in guests for line in lines)), cell=WIDE_CELL, operations=operations)
    return load_framework(write(tmp_path, text), net_charge=net_charge)


def ring_text(*rows):
    """MOF-5 with other lines for the C and H of its ring."""
    text = LIBRARY_TEXT.replace("_occupancy\n", "_occupancy\n_atom_site_disorder_group\n")
    return text.replace(" 1.0\n", " 1.0 .\n").split(" C3 ")[0] + "".join(f"{row}\n" for row in rows)


TETRAHEDRON = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(3)


@pytest.mark.parametrize(
    ("symbols", "places", "formula", "charge"),
    [
        (("O",), [[0, 0, 0]], "O", 0),
        (("O", "H", "H"), [[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]], "H2O", 0),
        (("Na",), [[0, 0, 0]], "Na", 1),
        (("Cl",), [[0, 0, 0]], "Cl", -1),
        (("N", *"HHHH"), [[0, 0, 0], *(1.02 * TETRAHEDRON)], "H4N", 1),
        (("Cl", *"OOOO"), [[0, 0, 0], *(1.44 * TETRAHEDRON)], "ClO4", -1),
        (("B", *"FFFF"), [[0, 0, 0], *(1.39 * TETRAHEDRON)], "BF4", -1),
        (("P", *"FFFFFF"), [[0, 0, 0], *(1.59 * np.vstack([np.eye(3), -np.eye(3)]))], "F6P", -1),
        (("Xe",), [[0, 0, 0]], "Xe", 0),
    ],
)
def test_guests_leave_their_charge_behind(tmp_path, symbols, places, formula, charge):
    """The framework has minus the charge of what was in its pores."""
    framework = wide(tmp_path, guest(symbols, places))
    assert Counter(framework.symbols) == {"Zn": 7, "O": 9}
    assert f"guests removed from the cell: 1 {formula}" in framework.provenance
    assert framework.net_charge == pytest.approx(-charge)
    assert framework.charges.sum() == pytest.approx(-charge)
    if charge:
        assert said(framework, f"charged guests removed: 1 {formula} ({charge:+d}); they leave {-charge:g} e")


def test_dimethylammonium_with_and_without_hydrogens(tmp_path):
    """C2H8N is a cation; C2N may be one, and that is said rather than guessed."""
    heavy = [[0, 0, 0], [1.25, 0.8, 0], [-1.25, 0.8, 0]]
    bare = wide(tmp_path, guest("NCC", heavy))
    assert bare.net_charge == 0
    assert said(bare, "guests of doubtful charge: C2N as neutral (dimethylammonium, dimethylamine or acetonitrile")
    chosen = wide(tmp_path, guest("NCC", heavy), net_charge=-1)
    assert chosen.net_charge == pytest.approx(-1)
    assert guest_charge("C2H8N") == (1, "")


def test_net_charge_that_disagrees_with_the_guests(tmp_path):
    framework = wide(tmp_path, guest(("Na",), [[0, 0, 0]]), net_charge=-2)
    assert framework.net_charge == pytest.approx(-2)
    assert said(framework, "the guests removed would leave -1 e per formula unit, not the -2 e given")
    half = guest(("Na",), [[0, 0, 0]], occupancy=0.5)
    assert said(wide(tmp_path, half), f"{WARNING}this is no whole charge per formula unit (-0.5 e, nearest -1 or 0)")
    assert not said(wide(tmp_path, half, net_charge=-1), "no whole charge")


@pytest.mark.parametrize(
    ("formula", "charge", "doubt"), [("NaO6", 1, True), ("H12MgO6", 2, False), ("NaO8", 1, True), ("Na2O6", 0, True)]
)
def test_a_metal_ion_keeps_its_charge_in_water(formula, charge, doubt):
    """A metal ion with its water is one guest; without hydrogens the count is said to be doubtful."""
    found, remark = guest_charge(formula)
    assert (found, bool(remark)) == (charge, doubt)


@pytest.mark.parametrize("count", [4, 6])
def test_fragments_with_open_valences_may_be_the_linker(tmp_path, count):
    """C6H4 and benzene: a ring that lacks two bonds is no solvent."""
    angle = np.radians(60 * np.arange(6))
    ring = np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1)
    carried = 2.48 * ring[[k for k in range(6) if count == 6 or k % 3]]
    framework = wide(tmp_path, guest("CCCCCC" + count * "H", [*(1.39 * ring), *carried]))
    line = f"{WARNING}guests with open valences, part of the framework's linker?: 1 C6H4; atoms may be lost"
    assert (line in framework.provenance) == (count == 4)


def test_charges_of_guests_are_per_formula_unit():
    """Three Na+ and one Cl- on two formula units: -1 e each; three Na+ alone make -1.5 e, which is said."""
    net, lines = charge_of_guests([Guest("Na", 3), Guest("Cl", 1), Guest("H2O", 7)], 2)
    assert net == -1
    assert len(lines) == 1
    net, lines = charge_of_guests([Guest("Na", 3)], 2)
    assert net == -1.5
    assert lines[1].startswith(f"{WARNING}this is no whole charge per formula unit (-1.5 e, nearest -2 or -1)")
    assert "(-0.6 e, nearest -1)" in charge_of_guests([Guest("Na", 0.6)], 1)[1][1]
    assert charge_of_guests([Guest("H2O", 4)], 2) == (0, [])
    assert {IONS[name] for name in ("Li", "C2H8N", "C4H12N", "C8H20N", "H3O", "H4N")} == {1}
    assert {IONS[name] for name in ("NO3", "BF4", "F6P", "ClO4", "HO", "I")} == {-1}


def test_a_table_that_ignores_the_guests_is_told_why(tmp_path):
    text = cif((*WIDE, *guest(("Na",), [[0, 0, 0]])), cell=WIDE_CELL)
    with pytest.raises(InputError, match=r"expected -1 e; .*\(charged guests removed: 1 Na \(\+1\).*give net_charge"):
        load_framework(write(tmp_path, text), charges=WIDE_CHARGES)


def test_alkali_on_the_wall_is_a_guest(tmp_path):
    """Li 1.9 Å from one O: the net holds without it. In LiO chains it is the framework."""
    place = np.array([[1.95, 1.9, 0.0]]) - CENTRE
    framework = wide(tmp_path, guest(("Li",), place))
    assert Counter(framework.symbols) == {"Zn": 7, "O": 9}
    assert said(framework, "Li taken as guests: the framework holds together without them")
    assert framework.net_charge == pytest.approx(-1)
    chain = tuple(row.replace("Zn", "Li") for row in NET)
    assert Counter(load_framework(write(tmp_path, cif(chain))).symbols)["Li"] == 1


def test_guests_that_cannot_be_ordered_do_not_stop_a_good_framework(tmp_path):
    """Three half atoms in a heap, one of them full: removed with the sum of their occupancies."""
    heap = (*guest("OO", [[0, 0, 0], [0.5, 0, 0]]), *guest("C", [[0.3, 0.3, 0]], occupancy=0.5))
    framework = wide(tmp_path, heap)
    assert Counter(framework.symbols) == {"Zn": 7, "O": 9}
    assert said(framework, "guests removed from the cell")


def test_half_occupied_ions_are_counted_once(tmp_path):
    """Na of occupancy 1/2 beside a mirror plane: two places, one ion."""
    framework = wide(tmp_path, guest(("Na",), [[0, 0, 0.6]], occupancy=0.5), operations=("x,y,z", "x,y,-z"))
    assert "guests removed from the cell: 1 Na" in framework.provenance
    assert framework.net_charge == pytest.approx(-1)


@pytest.mark.parametrize(("height", "occupancy", "count"), [(2.0, 0.25, 0.5), (2.0, 0.1, 0.2), (0.6, 0.25, 0.5)])
def test_ions_of_low_occupancy_are_counted_by_it(tmp_path, height, occupancy, count):
    """A quarter of a Na+ on each of two places, far apart or in each other's way, is half a charge, not none."""
    ion = guest(("Na",), [[0, 0, height]], occupancy=occupancy)
    framework = wide(tmp_path, ion, operations=("x,y,z", "x,y,-z"))
    assert f"guests removed from the cell: {count} Na" in framework.provenance
    assert framework.net_charge == pytest.approx(-count)
    assert said(framework, f"counted by their occupancies: {count} Na")


def test_disordered_dabco(tmp_path):
    """DMOF-1, Zn2(bdc)2(dabco): three of eight ethylene places on a four-fold axis; its hydrogens fit none of them.

    Places from Dybtsev, Chun, Kim, Angew. Chem. Int. Ed. 43, 5033 (2004). The formula is C22 H20 N2 O8 Zn2; the three
    ethylenes are as far from each other as eight directions permit, 135, 135 and 90 degrees.
    """
    columns = "label type_symbol fract_x fract_y fract_z occupancy disorder_group"
    atoms = (
        "Zn1 Zn 0.5 0.5 0.15006 1 .",
        "O1 O 0.31767 0.4838 0.11543 0.5 .",
        "C1 C 0.2648 0.5 0 1 .",
        "C2 C 0.1275 0.5 0 1 .",
        "C3 C 0.06334 0.5 -0.1219 1 .",
        "H3 H 0.1058 0.5 -0.2070 1 .",
        "N1 N 0.5 0.5 0.3659 1 .",
        "C1T C 0.4131 0.4131 0.4201 0.38 1",
        "C1T' C 0.5 0.3771 0.4194 0.38 2",
        "H1T H 0.405 0.353 0.391 0.5 .",
        "H2T H 0.5 0.326 0.393 0.5 .",
    )
    cell = (10.9288, 10.9288, 9.6084, 90, 90, 90)
    head = "_symmetry_space_group_name_H-M 'P 4/m m m'\n_chemical_formula_sum 'C22 H20 N2 O8 Zn2'"
    text = cif(atoms, cell=cell, operations=None, head=head, columns=columns)
    framework = load_framework(write(tmp_path, text))
    assert Counter(framework.symbols) == {"C": 22, "H": 20, "N": 2, "O": 8, "Zn": 2}
    assert said(framework, "disorder: hydrogens H1T, H2T fit no arrangement; left out, to be put back by geometry")
    assert not any(line.startswith("warning") for line in framework.provenance)
    crystal = Crystal(framework.cell, framework.frac_coords, framework.symbols, framework.symbols, framework.charges)
    bond = bonds(crystal)
    around = [bond.b[bond.a == k] for k, symbol in enumerate(crystal.symbols) if symbol == "N"]
    assert [sorted(crystal.symbols[b] for b in near) for near in around] == [["C", "C", "C", "Zn"]] * 2
    nitrogen = crystal.symbols.index("N")
    step = crystal.frac_coords[[b for b in around[0] if crystal.symbols[b] == "C"]] - crystal.frac_coords[nitrogen]
    flat = ((step - np.round(step)) @ crystal.cell) * (np.linalg.norm(crystal.cell, axis=1) > 10)
    angles = sorted(
        float(np.degrees(np.arccos(u @ v / np.linalg.norm(u) / np.linalg.norm(v))))
        for k, u in enumerate(flat) for v in flat[k + 1 :]
    )  # fmt: skip
    assert angles == pytest.approx([90, 135, 135], abs=1.5)


@pytest.mark.parametrize("images", [2, 4])
def test_overlapping_rings_leave_one(tmp_path, images):
    """Ring turned about its axis by several angles, each on both sides of the mirror: 2 or 4 images, one is kept.

    Ring C at distance r of the axis: (x, y) = (1/4, 1/4) + (cos t, -sin t) of a direction in the plane normal to it.
    """
    rows, share = [], 1 / images
    for k in range(images // 2):
        angle = np.radians(12.0 + 14 * k)
        for name, along, radius in (("C", 0.0269, 1.2020), ("H", 0.0448, 2.0061)):
            # the ring lies along (1, -1, 0), the turn leads to (1, 1, 0)
            flat, up = radius * np.cos(angle), radius * np.sin(angle)
            x = 0.25 + (flat + up) / np.sqrt(2) / 25.832
            y = 0.25 + (-flat + up) / np.sqrt(2) / 25.832
            rows.append(f"{name}{3 + k} {name} {x:.6f} {y:.6f} {along} {share:.4f} -{k + 1}")
    framework = load_framework(write(tmp_path, ring_text(*rows)), charges=MOF5)
    assert Counter(framework.symbols) == {"Zn": 32, "O": 104, "C": 192, "H": 96}
    carbon = framework.frac_coords[[c == "C-H" for c in framework.atom_classes]]
    step = carbon[:, None] - carbon
    gap = np.linalg.norm((step - np.round(step)) @ framework.cell, axis=-1)
    sides = gap[(gap > 0.01) & (gap < 3)].reshape(len(carbon), -1)
    assert sides.shape[1] == 3  # each carbon sees the three others of one flat ring
    assert np.sort(sides, axis=1) == pytest.approx(np.tile([1.39, 2.40, 2.78], (len(carbon), 1)), abs=0.02)


def test_split_metal_site(tmp_path):
    """Zn 0.6 / 0.4 in two places 0.4 Å apart: the first one, everywhere."""
    split = (" Zn1 Zn 0.2934 0.2066 0.2066 0.6 1", " Zn2 Zn 0.3020 0.1980 0.1980 0.4 2")
    rows = [*ring_text(" C3 C 0.2829 0.2171 0.0269 1.0 .", " H1 H 0.3049 0.1951 0.0448 1.0 .").splitlines()]
    start = next(k for k, row in enumerate(rows) if row.startswith(" Zn1"))
    framework = load_framework(write(tmp_path, "\n".join([*rows[:start], *split, *rows[start + 1 :]])), charges=MOF5)
    assert Counter(framework.symbols) == {"Zn": 32, "O": 104, "C": 192, "H": 96}
    assert said(framework, "x Zn1 / Zn2; chosen: Zn1 at")
    assert len(framework.rotations) == 192


@pytest.mark.parametrize("label", ["O9", "O"])
def test_labels_do_not_tell_what_was_chosen(tmp_path, label):
    """A water on Zn that is there once in ten is dropped: the framework is that of the average, whatever its names.

    Where every oxygen is called O, those of the framework are not what was chosen.
    """
    atoms = [row.replace(row.split()[0], "O") if label == "O" and row.startswith("O") else row for row in WIDE]
    text = cif((*atoms, f"{label} O 0.12 0.12 0 0.1 . 0"), cell=WIDE_CELL)
    content = read_source(write(tmp_path, text))
    cleaned = clean(content.crystal, content.occupation)
    assert Counter(cleaned.crystal.symbols) == {"Zn": 7, "O": 9}
    assert not cleaned.chosen


def test_disorder_that_loses_a_quarter_of_the_carbon_is_refused(tmp_path):
    """Images of a ring so placed that they look bonded to each other: no part of a ring, and never a wrong success."""
    rows = [
        f"C{k} C {0.25 + (f + u) / np.sqrt(2) / 25.832:.6f} {0.25 + (u - f) / np.sqrt(2) / 25.832:.6f} 0.0269 0.25 -{k}"
        for k, (f, u) in enumerate(((1.166, 0.291), (0.972, 0.706)), 3)
    ]
    with pytest.raises(InputError, match=r"disorder of C3, C4 cannot be resolved: .* C kept where the occupancies add"):
        load_framework(write(tmp_path, ring_text(*rows)), charges=MOF5)


def molecule(symbols, places, extra=()):
    """A molecule alone in a large cell, as a crystal."""
    frac = (np.array(places) + 8) / 16
    names = tuple(f"{symbol}{k}" for k, symbol in enumerate(symbols))
    return Crystal(np.eye(3) * 16, frac, tuple(symbols), names, np.zeros(len(symbols)))


def hydrogens_of(crystal):
    """Hydrogens added to each heavy atom, the angles they make, and the lines."""
    full, lines = add_hydrogens(crystal)
    bond = bonds(full)
    count = Counter(int(a) for a, b in zip(bond.a, bond.b, strict=True) if full.symbols[b] == "H")
    length = {round(float(d), 6) for a, b, d in zip(bond.a, bond.b, bond.distance, strict=True)
              if "H" in (full.symbols[a], full.symbols[b])}  # fmt: skip
    assert {full.symbols[a] for a in count} <= {"C", "N"}
    return [count[k] for k in range(len(crystal))], length, lines


def ring(n, radius, symbols):
    angle = 2 * np.pi * np.arange(n) / n
    return molecule(symbols, np.stack([radius * np.cos(angle), radius * np.sin(angle), 0 * angle], axis=1))


def test_aromatic_hydrogens():
    """Benzene without hydrogens gets six in its plane, pointing outwards."""
    full, lines = add_hydrogens(ring(6, 1.39, "CCCCCC"))
    assert Counter(full.symbols) == {"C": 6, "H": 6}
    places = full.frac_coords[6:] * 16 - 8
    assert np.linalg.norm(places, axis=1) == pytest.approx(1.39 + C_H)
    assert np.abs(places[:, 2]).max() < 1e-9
    assert lines == ("missing hydrogens added: 6 (1 as sp2 C-H on C0, 1 as sp2 C-H on C1, 1 as sp2 C-H on C2, 1 as sp2 "
                     "C-H on C3, 1 as sp2 C-H on C4, 1 as sp2 C-H on C5; C-H 1.089, N-H 1.015 Å)",)  # fmt: skip


def test_pyridine_nitrogen_gets_none():
    counts, length, _ = hydrogens_of(ring(6, 1.38, "NCCCCC"))
    assert counts == [0, 1, 1, 1, 1, 1]
    assert length == {C_H}


def test_azole_nitrogen_is_reported():
    """Which N of an imidazole carries the hydrogen is not in the positions."""
    counts, _, lines = hydrogens_of(ring(5, 1.15, "NCNCC"))
    assert counts == [0, 1, 0, 1, 1]
    assert any("nitrogen of a five-membered ring" in line for line in lines)


def test_amide_and_aniline_nitrogen():
    """Formanilide-like C-NH-C(=O) gets one N-H; an NH2 on a flat carbon gets two in its plane."""
    amide = molecule("NCCO", [[0, 0, 0], [1.21, 0.7, 0], [-1.16, 0.67, 0], [-1.16, 1.9, 0]])
    counts, length, _ = hydrogens_of(amide)
    assert counts[0] == 1
    assert N_H in length
    angle = np.radians([60, 180, 300])
    aniline = molecule("CNCC", np.array([[0, 0, 0], *([[1.37 * np.cos(a), 1.40 * np.sin(a), 0] for a in angle])]))
    full, _ = add_hydrogens(aniline)
    added = full.frac_coords[[s == "H" and full.labels[k] == "H(N1)" for k, s in enumerate(full.symbols)]] * 16 - 8
    assert len(added) == 2
    assert np.abs(added[:, 2]).max() < 1e-9


def test_tetrahedral_carbon():
    """Propane without hydrogens: CH3, CH2, CH3 with angles of 109.5 degrees at the ends."""
    half = np.radians(112 / 2)
    chain = molecule("CCC", [[-1.53 * np.sin(half), -1.53 * np.cos(half), 0], [0, 0, 0],
                             [1.53 * np.sin(half), -1.53 * np.cos(half), 0]])  # fmt: skip
    counts, length, _ = hydrogens_of(chain)
    assert counts == [3, 2, 3]
    assert length == {C_H}
    full, _ = add_hydrogens(chain)
    methyl = full.frac_coords[[label == "H(C0)" for label in full.labels]] - full.frac_coords[0]
    unit = methyl / np.linalg.norm(methyl, axis=1)[:, None]
    assert (unit @ unit.T)[np.triu_indices(3, 1)] == pytest.approx(-1 / 3)


def test_linear_carbon_and_nitrile_get_none():
    counts, _, _ = hydrogens_of(molecule("CCCN", [[-1.46, 0, 0], [0, 0, 0], [1.2, 0, 0], [1.2 + 1.16, 0, 0]]))
    assert counts[1:] == [0, 0, 0]


def test_oxygen_is_reported_never_completed():
    water_on_metal = molecule(("Zn", "O"), [[0, 0, 0], [2.1, 0, 0]])
    counts, _, lines = hydrogens_of(water_on_metal)
    assert counts == [0, 0]
    assert lines == ("hydrogens in doubt, none added: terminal O on a metal: oxide, hydroxide or water (1 O1)",)


def test_hydrogens_of_the_library_are_found_again(tmp_path):
    """MOF-5 without its hydrogens gets the same 96 back, 1.089 Å from C, within 0.2 Å of the ones taken out."""
    rows = [row for row in LIBRARY_TEXT.splitlines() if not row.startswith(" H1")]
    framework = load_framework(write(tmp_path, "\n".join(rows)), charges=MOF5)
    whole = load_framework("mof5", charges=MOF5)
    assert framework.atom_classes.count("H") == 96
    assert said(framework, "missing hydrogens added: 96 (96 as sp2 C-H on C3")
    old, new = (f.frac_coords[[s == "H" for s in f.symbols]] for f in (whole, framework))
    step = old[:, None] - new
    assert np.linalg.norm((step - np.round(step)) @ whole.cell, axis=-1).min(axis=1).max() < 0.2
    assert whole.atom_classes.count("C-H") == framework.atom_classes.count("C-H")


def test_complete_frameworks_get_nothing():
    for name in ("mof5", "ni_pacs_sym", "ni_pacs_disordered"):
        content = read_source(name)
        crystal = clean(content.crystal, content.occupation).crystal
        assert len(add_hydrogens(crystal)[0]) == len(crystal)


def test_structure_and_atoms_in_memory(tmp_path):
    """The same crystal from a file, from pymatgen and from ASE; the provenance holds a hash of the content."""
    path = write(tmp_path, cif())
    first = load_framework(path)
    structure = Structure(
        Lattice.cubic(3.9), ["Zn", "O", "O", "O"], [[0, 0, 0], [0.5, 0, 0], [0, 0.5, 0], [0, 0, 0.5]],
        site_properties={"charge": [0.6, -0.2, -0.2, -0.2]},
    )  # fmt: skip
    atoms = Atoms("ZnO3", scaled_positions=structure.frac_coords, cell=np.eye(3) * 3.9, pbc=True,
                  charges=[0.6, -0.2, -0.2, -0.2])  # fmt: skip
    for source, kind in ((structure, "pymatgen Structure"), (atoms, "ASE Atoms")):
        framework = load_framework(source)
        assert same_framework(first, framework) == ""
        assert framework.provenance[0].startswith(f"structure: {kind} O3Zn, sha256 of its content ")
        assert len(framework.provenance[0].split()[-1]) == 64
    moved = structure.copy()
    moved.translate_sites([0], [1e-6, 0, 0])
    assert load_framework(moved).provenance[0] != load_framework(structure).provenance[0]


def test_disordered_structure_in_memory():
    """A site of 0.7 Zn and 0.3 Cd is Zn; a label charge table reaches the sites."""
    structure = Structure(
        Lattice.cubic(3.9), [{"Zn": 0.7, "Cd": 0.3}, "O", "O", "O"],
        [[0, 0, 0], [0.5, 0, 0], [0, 0.5, 0], [0, 0, 0.5]],
    )  # fmt: skip
    framework = load_framework(structure, charges={"Zn1": 0.6, "O": -0.2})
    assert Counter(framework.symbols) == {"Zn": 1, "O": 3}
    assert said(framework, "disorder: 1 x Zn1 / Cd1")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (Atoms("ZnO", positions=[[0, 0, 0], [2, 0, 0]], cell=[4, 4, 4]), "periodic with a cell in three directions"),
        (Atoms("Zn", positions=[[0, 0, 0]], pbc=True), "cell of rank 0"),
        (Atoms(cell=[4, 4, 4], pbc=True), "ASE Atoms must hold atoms"),
        (Atoms("X", positions=[[0, 0, 0]], cell=[4, 4, 4], pbc=True), "must have an element"),
        (Atoms("Zn", positions=[[np.nan, 0, 0]], cell=[4, 4, 4], pbc=True), "must be finite"),
        (3.14, "a pymatgen Structure or ASE Atoms; got float"),
        ([1, 2], "got list"),
    ],
)
def test_objects_that_are_no_crystal_are_refused(source, message):
    with pytest.raises(InputError, match=message):
        load_framework(source)


def test_classes_follow_added_hydrogens():
    full, _ = add_hydrogens(ring(6, 1.39, "CCCCCC"))
    assert set(atom_classes(full)) == {"C-H", "H"}
