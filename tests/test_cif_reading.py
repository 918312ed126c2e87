"""CIFs as they are: what is mended, what is chosen, what is refused, and that it is said."""

import time
from collections import Counter

import numpy as np
import pytest
from cifs import COLUMNS, MOF5, NET, cif, same_framework, write

from structures.cif import load_framework
from structures.errors import InputError
from structures.library import library_cif
from structures.source import read_source
from structures.symmetry import symmetrise

LIBRARY_TEXT = library_cif("mof5").read_text()
OPERATIONS = "loop_\n_symmetry" + LIBRARY_TEXT.split("loop_\n_symmetry")[1].split("loop_\n_atom")[0]
NAME = "_symmetry_space_group_name_H-M 'F m -3 m'\n"
NUMBER = "_symmetry_Int_Tables_number 225\n"


@pytest.fixture(scope="module")
def mof5():
    return load_framework("mof5", charges=MOF5)


def said(framework, text):
    return any(text in line for line in framework.provenance)


def content(tmp_path, text):
    """Atoms of the cell before anything is taken out, by element, and the lines."""
    found = read_source(write(tmp_path, text))
    return Counter(found.crystal.symbols), found.lines


def test_report(mof5):
    """Formula, formula units, density, net charge, smallest distance with its atoms, cell, group."""
    assert said(mof5, "424 atoms, 8 x C24H12O13Zn4, density 0.5933 g/cm3")
    assert said(mof5, "net charge of the framework 0 e per formula unit, no charged guest was found")
    assert said(mof5, "nearest atoms of the framework: C3-H1 0.927 Å")
    assert said(mof5, "space group Fm-3m (225), 192 operations")
    assert said(mof5, "nets in the cell: 1 bonded in 3 directions")


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("'F m -3 m'", "'F m -3 m", "1 unterminated quotes of the file were closed"),
        ("25.832", "25.832(12)", ""),
        ("0.29340", "0.29340(6)", ""),
        (OPERATIONS, "", "no operations in the file: those of F m -3 m from name F m -3 m, number 225"),
        (NAME + NUMBER + OPERATIONS, NAME, "no operations in the file: those of F m -3 m from name F m -3 m"),
        (NAME + NUMBER + OPERATIONS, NUMBER, "no operations in the file: those of F m -3 m from number 225"),
        ("'F m -3 m'", "'P 1'", "lists operations of another; the list counts"),
        (" '-y,x,z'\n", "", "lists 191 of the 192 operations of its group; the rest was added"),
        ("17237.493", "16000", "_cell_volume 16000 Å3 of the file is not that of its cell"),
        ("_atom_site_type_symbol", "_atom_site_other", "elements were read from the labels"),
        (" 0.05380", " −0.05380", "read as minus signs"),
        ("data_MOF-5", "", "no data_ line"),
        (" H1   H ", " Q1 . . . . 1\n H1   H ", "atoms without coordinates left out: Q1"),
        (" H1   H ", " W1 O 0.5 0.5 0.5 0.0\n H1   H ", "atoms of occupancy 0 left out: W1"),
        (" O1   O ", " N1   O ", "labels that contradict the element given, which counts: N1 is O"),
        (" H1   H ", " H1   D ", ""),
        ("'C192 H96 O104 Zn32'", "'C24 H12 O13 Zn4'", ""),
        ("'C192 H96 O104 Zn32'", "'C24 H14 N2 O13 Zn4'", "the cell holds C192 H96 O104 Zn32 by its occupancies"),
    ],
)
def test_same_crystal_from_a_sloppy_file(tmp_path, mof5, old, new, line):
    """Whatever is mended, the framework is that of the good file, and the line says what was done."""
    assert old in LIBRARY_TEXT
    framework = load_framework(write(tmp_path, LIBRARY_TEXT.replace(old, new)), charges=MOF5)
    assert same_framework(mof5, framework) == ""
    assert said(framework, line)


def test_lost_symmetry_is_refused_by_the_formula(tmp_path):
    """Neither operations nor a name: the asymmetric unit alone is not the crystal."""
    text = LIBRARY_TEXT.replace(OPERATIONS, "").replace(NAME, "").replace(NUMBER, "")
    with pytest.raises(InputError, match="must give its symmetry: without it the cell holds"):
        load_framework(write(tmp_path, text), charges=MOF5)


def test_no_symmetry_is_p1(tmp_path):
    framework = load_framework(write(tmp_path, cif(operations=None)))
    assert said(framework, "the file gives no symmetry at all: P 1 assumed")
    assert len(framework.symbols) == 4


def test_an_unknown_name_without_operations_is_refused(tmp_path):
    text = cif(operations=None, head="_symmetry_space_group_name_H-M 'X 99'")
    with pytest.raises(InputError, match=r"one of the International Tables .* got name X 99"):
        load_framework(write(tmp_path, text))


def test_first_block_with_atoms(tmp_path):
    text = "data_global\n_publ_author 'A. N.'\n" + cif(name="one") + cif(name="two")
    _, lines = content(tmp_path, text)
    assert "block one taken, the first of 2 with atoms (left out: two)" in lines


def test_first_block_with_a_framework(tmp_path):
    """A block of solvent gives way to the next one; where all are molecules the first one is named."""
    water = ("O1 O 0 0 0 1 . 0", "H1 H 0.25 0 0 1 . 0", "H2 H -0.06 0.24 0 1 . 0")
    solvent = cif(water, name="solvent")
    framework = load_framework(write(tmp_path, solvent + cif(name="mof")))
    assert len(framework.symbols) == 4
    assert said(framework, "block mof taken, number 2 of 2 with atoms (left out: solvent); those before it hold no")
    with pytest.raises(InputError, match="found only molecules: 1 H2O"):
        load_framework(write(tmp_path, solvent + cif((*water[:2],), name="again")))


def test_values_of_several_words_without_quotes(tmp_path):
    """Older programs write the name of P 1 without quotes."""
    framework = load_framework(write(tmp_path, cif(head="_symmetry_space_group_name_H-M    P 1")))
    assert len(framework.symbols) == 4
    assert said(framework, "without quotes were taken together: _symmetry_space_group_name_H-M")
    with pytest.raises(InputError, match="cannot be read as a CIF"):
        load_framework(write(tmp_path, cif(head="_one two\nthree four")))


def test_hexagonal_and_rhombohedral_axes_are_one_crystal(tmp_path):
    """R-3m: 12 operations on rhombohedral axes, 36 on hexagonal ones, by list, name with and without axes."""
    a, alpha = 6.0, 75.0
    metric = a * a * (np.eye(3) + np.cos(np.radians(alpha)) * (1 - np.eye(3)))
    to_hexagonal = np.array([[1, -1, 0], [0, 1, -1], [1, 1, 1]])
    hexagonal = to_hexagonal @ metric @ to_hexagonal.T
    ah, ch = np.sqrt(hexagonal[0, 0]), np.sqrt(hexagonal[2, 2])
    frac = np.array([[0.1, 0.1, 0.1], [0.0, 0.5, 0.5]])
    moved = frac @ np.linalg.inv(to_hexagonal)
    rows = [["Zn1 Zn", "O1 O"], frac, moved]
    cells = [(a, a, a, alpha, alpha, alpha), (f"{ah:.8f}", f"{ah:.8f}", f"{ch:.8f}", 90, 90, 120)]
    found = []
    for cell, positions, name in (
        (cells[0], rows[1], "R -3 m"),
        (cells[0], rows[1], "R -3 m:R"),
        (cells[1], rows[2], "R -3 m"),
        (cells[1], rows[2], "R-3m :H"),
        (cells[1], rows[2], "R -3 m H"),
    ):
        atoms = [f"{label} {x:.9f} {y:.9f} {z:.9f} 1 . 0" for label, (x, y, z) in zip(rows[0], positions, strict=True)]
        text = cif(atoms, cell=cell, operations=None, head=f"_symmetry_space_group_name_H-M '{name}'")
        counts, _ = content(tmp_path, text)
        found.append((name, counts["Zn"], counts["O"]))
    assert found == [
        ("R -3 m", 2, 3),
        ("R -3 m:R", 2, 3),
        ("R -3 m", 6, 9),
        ("R-3m :H", 6, 9),
        ("R -3 m H", 6, 9),
    ]


def test_axes_that_do_not_belong_to_the_operations_are_refused(tmp_path):
    text = LIBRARY_TEXT.replace("_cell_length_b 25.832", "_cell_length_b 26.832")
    with pytest.raises(
        InputError, match=r"the cell must fit its symmetry operations; 25\.832, 26\.832, .* strained by"
    ):
        load_framework(write(tmp_path, text), charges=MOF5)


def test_axes_with_a_rounding_error_are_made_symmetric(tmp_path):
    text = LIBRARY_TEXT.replace("_cell_length_b 25.832", "_cell_length_b 25.835")
    framework = load_framework(write(tmp_path, text), charges=MOF5)
    assert said(framework, "made symmetric, a, b, c = 25.8330, 25.8330, 25.8330 Å")


def test_non_standard_settings_are_one_crystal(tmp_path):
    """P 1 21/n 1 is P 1 21/c 1 with other axes: a' = a, c' = a + c."""
    cell = np.array([[7.0, 0, 0], [0, 8.0, 0], [-2.0, 0, 9.0]])
    frac = np.array([[0.12, 0.23, 0.31], [0.33, 0.05, 0.44], [0.6, 0.4, 0.1]])
    change = np.array([[1, 0, 0], [0, 1, 0], [1, 0, 1]])
    rows = ("Zn1 Zn", "O1 O", "Cd1 Cd")

    def text(axes, positions, name):
        lengths = np.linalg.norm(axes, axis=1)
        beta = np.degrees(np.arccos(axes[0] @ axes[2] / lengths[0] / lengths[2]))
        atoms = [f"{row} {x:.9f} {y:.9f} {z:.9f} 1 . 0" for row, (x, y, z) in zip(rows, positions, strict=True)]
        cell = (*(f"{length:.9f}" for length in lengths), 90, f"{beta:.9f}", 90)
        return cif(atoms, cell=cell, operations=None, head=f"_space_group_name_H-M_alt '{name}'")

    one = read_source(write(tmp_path, text(cell, frac, "P 1 21/c 1"), "one.cif")).crystal
    other = read_source(
        write(tmp_path, text(change @ cell, frac @ np.linalg.inv(change), "P 21/n"), "other.cif")
    ).crystal
    kinds = np.unique(one.symbols, return_inverse=True)[1]
    first, second = (symmetrise(c.cell, c.frac_coords, kinds, choice="conventional") for c in (one, other))
    assert first.space_group == second.space_group == "P2_1/c (14)"
    assert first.cell == pytest.approx(second.cell, abs=1e-6)
    step = first.frac_coords - second.frac_coords
    assert np.abs(step - np.round(step)).max() < 1e-6


def test_choice_of_origin_that_fits(tmp_path):
    """F d -3 m by name alone: the formula tells which of its two origins is meant, the name does not."""
    atoms = ("Si1 Si 0.125 0.125 0.125 1 . 0", "O1 O 0 0 0 1 . 0")
    text = cif(atoms, cell=(7.16, 7.16, 7.16, 90, 90, 90), operations=None, head="_space_group_name_H-M_alt 'F d -3 m'")
    formula = "_chemical_formula_sum 'Si O2'\n_cell_formula_units_Z 8\n_cell_length_a"
    counts, lines = content(tmp_path, text.replace("_cell_length_a", formula))
    assert counts == {"Si": 8, "O": 16}
    assert any("of two choices of origin the one that fits" in line for line in lines)
    with pytest.raises(InputError, match="two choices of origin and both would do"):
        content(tmp_path, text)


def test_an_unknown_occupancy_is_whole(tmp_path):
    """The default of the dictionary; it is said."""
    text = cif((NET[0].replace(" 1 .", " ? ."), *NET[1:]))
    framework = load_framework(write(tmp_path, text))
    assert len(framework.symbols) == 4
    assert "atoms without an occupancy taken as whole: Zn1" in framework.provenance
    assert not any("without an occupancy" in line for line in load_framework(write(tmp_path, cif())).provenance)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (cif(operations=("x,y,z", "x,x,z")), "rotation or its inverse; got x,x,z"),
        (cif(operations=("x,y,z", "x+1/7,y,z")), "must look like x,y,z"),
        (cif(operations=("x,y,z", "x+1/24,y,z", "x,y+1/24,z")), "form a group of at most 192"),
        (cif(operations=None, head="_symmetry_space_group_name_H-M 'P m m n'\n_symmetry_Int_Tables_number 47"),
         "name and number of one space group .*; got name P m m n, number 47"),
        (cif(cell=(3.9, 3.9, "x", 90, 90, 90)), "_cell_length_c must be a number; got x"),
        (cif(cell=(3.9, 3.9, 0.01, 90, 90, 90)), "cell lengths from 1 to 1000"),
        (cif(cell=(3.9, 3.9, 1e5, 90, 90, 90)), "cell lengths from 1 to 1000"),
        (cif(cell=(3.9, 3.9, 3.9, 90, 90, 200)), "positive lengths and a volume"),
        (cif(cell=(3.9, 3.9, 3.9, 60, 60, 119.9)), "faces of the cell at least 1 Å apart"),
        (cif(NET, head="_cell_length_a 4.1"), "_cell_length_a must be given once"),
        (cif(NET, columns=COLUMNS.replace("occupancy", "fract_z")), "_atom_site_fract_z must be given once"),
        (cif((*NET, "X1 Xx 0.5 0.5 0.5 1 . 0")), "must have an element symbol; got Xx"),
        (cif((*NET, "N1 N 1e9 0.5 0.5 1 . 0")), "must be near the cell"),
        (cif((*NET, "N1 N 0.5 0.5 0.5 1.7 . 0")), r"occupancy of atom N1 must lie in \[0, 1\]"),
        (cif((*NET, *(f"N{k} N 0.5 0.5 {k / 40} 1 . 0" for k in range(40)))), "at least 2 Å³"),
        (cif((*NET, "N1 N 0.5 0.5")), "Wrong number of values in loop"),
        (cif((*NET, "N1 N 0.5( 0.5 0.5 1 . 0")), r"x of atom N1 must be a number; got 0\.5\("),
        (cif((*NET, "N1 N 0.5 0.5 0.5 é 1 0")), "occupancy of atom N1 must be a number; got ~"),
        (cif([f"{row.rsplit(maxsplit=3)[0]} 0.3 {k} 0" for k, row in enumerate(NET, 1)]), "only molecules"),
        (cif(columns=COLUMNS.replace("fract", "Cartn")), "_atom_site_Cartn_x alone"),
        ("data_x\n_cell_length_a 3\nloop_\n_atom_site_fract_x\n_atom_site_label\n0.1\n", "Wrong number of values"),
    ],
)  # fmt: skip
def test_refused_in_one_line(tmp_path, text, message):
    with pytest.raises(InputError, match=message) as caught:
        load_framework(write(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_only_molecules_says_why(tmp_path):
    """A net without its edges along all axes: atoms without places, and a formula that has more."""
    rows = (NET[0], *(row.replace(" 0.5 ", " . ").replace(" 0.5 1", " . 1") for row in NET[1:]))
    with pytest.raises(
        InputError, match=r"only molecules: 1 Zn; perhaps because: atoms without coordinates left out: O1"
    ):
        load_framework(write(tmp_path, cif(rows)))
    chain = cif(
        ("Zn1 Zn 0 0 0 1 . 0", "O1 O 0.2 0 0 1 . 0"), cell=(9, 9, 9, 90, 90, 90), head="_chemical_formula_sum 'Zn O4'"
    )
    with pytest.raises(InputError, match=r"perhaps because: .*more atoms \(the list has 1 of 4 O\); operations of sym"):
        load_framework(write(tmp_path, chain))


def test_a_cell_in_other_units_is_refused_at_once(tmp_path):
    """Lengths in nm: no search among the atoms before their number is compared with the volume."""
    text = library_cif("mof5").read_text()
    before = time.perf_counter()
    with pytest.raises(
        InputError, match=r"at least 2 Å³; got \d+ atoms or more in a cell of 17\.2 Å³: are its lengths"
    ):
        load_framework(write(tmp_path, text.replace("25.832", "2.5832")))
    assert time.perf_counter() - before < 5


@pytest.mark.parametrize("distance", [0.2, 0.7, 1.1])
def test_atoms_on_top_of_each_other_are_named(tmp_path, distance):
    """A second Zn where a Zn is: no bond is shorter than 0.65 of the radii."""
    atoms = (*NET, f"Zn9 Zn 0.5 {distance / 3.9:.6f} 0 1 . 0")
    with pytest.raises(InputError, match=rf"atoms (O1|Zn9) and (O1|Zn9) are {distance:.3f} Å apart"):
        load_framework(write(tmp_path, cif(atoms)))


def test_elements_of_the_formula_decide_what_a_label_means(tmp_path):
    """ "Ca" without a type is an alpha carbon where the formula has carbon and no calcium."""
    columns = "label fract_x fract_y fract_z"
    atoms = ("Zn1 0 0 0", "O1 0.5 0 0", "O2 0 0.5 0", "Ca 0 0 0.5")
    counts, _ = content(tmp_path, cif(atoms, columns=columns, head="_chemical_formula_sum 'Zn O2 C'"))
    assert counts == {"Zn": 1, "O": 2, "C": 1}
    counts, lines = content(tmp_path, cif(atoms, columns=columns))
    assert counts["Ca"] == 1
    assert any("read from the labels" in line for line in lines)


def test_tags_of_other_dialects(tmp_path):
    """Dots for underscores, upper case, a Hall symbol."""
    text = cif(operations=None, head="_space_group.name_Hall '-P 1'").replace("_atom_site_fract_", "_atom_site.FRACT_")
    counts, lines = content(tmp_path, text)
    assert counts == {"Zn": 1, "O": 3}
    assert any("those of P -1 from Hall -P 1" in line for line in lines)


def test_large_cells_take_seconds(tmp_path):
    """A primitive cell of 3,392 atoms without symmetry, with noise: one pass over neighbours, none over all pairs."""
    framework = load_framework("mof5", charges=MOF5)
    rng = np.random.default_rng(6)
    rows = []
    for shift in np.ndindex(2, 2, 2):
        for k, (symbol, xyz) in enumerate(zip(framework.symbols, framework.frac_coords, strict=True)):
            x, y, z = (xyz + shift) / 2 + rng.normal(scale=0.02 / 51.7, size=3)
            rows.append(f"{symbol}{k} {symbol} {x:.6f} {y:.6f} {z:.6f} 1 . 0")
    path = write(tmp_path, cif(rows, cell=(51.664,) * 3 + (90, 90, 90)))
    start = time.perf_counter()
    large = load_framework(path, charges=MOF5)
    assert len(large.symbols) == 3392
    assert large.formula_units == 64
    assert time.perf_counter() - start < 30
