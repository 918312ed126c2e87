"""Good CIFs, broken CIFs, and an independent reading of them."""

import re
import warnings
from collections import Counter
from unittest.mock import patch

import numpy as np
from cifs import NET, cif, wide_net
from published_frameworks import FRAMEWORKS, primitive, structure
from pymatgen.core import Composition
from pymatgen.io.cif import CifParser

from structures.library import library_cif

_WIDE, _WIDE_CELL = wide_net(2)
_GARBAGE = (
    "?",
    ".",
    "0",
    "-1",
    "1e9",
    "nan",
    "1e400",
    "'",
    '"',
    ";",
    "#",
    "loop_",
    "data_",
    "_",
    "é",
    "\x00",
    "0.5(",
    "",
)

_OCCUPANCY = "_atom_site_occupancy"
_EXTREMES = ("0", "0.0", "1000000", "9" * 310, f"0.{'0' * 310}1")

SMALL_SEEDS = {
    "net": cif(),
    "formula": cif(head="_chemical_formula_sum 'Cd0 O3 Zn1'\n_chemical_formula_weight 113.4"),
    "two groups of one oxygen": cif(
        (*NET[:1], "O1 O 0.5 0 0 0.6 1 -0.2", "O9 O 0.5 0.03 0.02 0.4 2 -0.2", *NET[2:]), operations=("x,y,z",)
    ),
    "guests": cif(
        (*_WIDE, "Na1 Na 0.5 0.5 0.5 1 . 1", "Ow O 0.30 0.31 0.32 0.5 . 0", "Cl1 Cl 0.7 0.7 0.6 1 . -1"),
        cell=_WIDE_CELL,
        head="_chemical_name_common 'a net with \"guests\"'\n_cell_volume 474.552",
    ),
    "symmetry and quotes": cif(
        ("Zn1 Zn 0 0 0 1 . 0.6", "O1 O 0.5 0 0 1 . -0.2", "N1 N 0.5 0.5 0.42 0.5 -1 0"),
        operations=("x,y,z", "z,x,y", "y,z,x", "-x,-y,-z", "-z,-x,-y", "-y,-z,-x"),
        head="_symmetry_space_group_name_H-M   'P -3'\n_publ_section_title\n;\n text with 'a quote\n;\n_note \"it's\"",
    ),
    "name only": cif(operations=None, head="_symmetry_space_group_name_H-M 'P m m m'\n_symmetry_Int_Tables_number 47"),
    "hexagonal": cif(
        ("Zn1 Zn 0 0 0 1 . 0", "O1 O 0.5 0 0 1 . 0", "O2 O 0 0 0.5 1 . 0"),
        cell=("3.9000(5)", "3.9000(5)", "3.8(1)", "90.0", "90.0", "120.0"),
        operations=("x,y,z", "-y,x-y,z", "-x+y,-x,z", "-x,-y,-z", "y,-x+y,-z", "x-y,x,-z"),
    ),
}
SEEDS = SMALL_SEEDS | {name: library_cif(name).read_text() for name in ("mof5", "ni_pacs_sym", "ni_pacs_disordered")}


def published(name, *, one_by_one=False):
    """Text of a published framework: asymmetric unit with formula and group, or its primitive cell atom by atom."""
    unit, made = FRAMEWORKS[name], primitive(name) if one_by_one else structure(name)
    count = Counter(site.specie.symbol for site in made)
    if one_by_one:
        atoms = [(site.specie.symbol, *site.frac_coords) for site in sorted(made, key=lambda site: site.specie.symbol)]
        cell, head, operations = made.lattice.parameters, "", ("x,y,z",)
    else:
        atoms = [row[:4] for row in unit.atoms]
        formula = " ".join(f"{symbol}{n}" for symbol, n in sorted(count.items()))
        head = f"_chemical_formula_sum '{formula}'\n_space_group_name_H-M_alt '{unit.group}'"
        cell, operations = unit.cell, None
    rows = [f"{row[0]}{k} {row[0]} {' '.join(f'{x:.6f}' for x in row[1:])}" for k, row in enumerate(atoms, 1)]
    return cif(rows, cell=cell, operations=operations, head=head, columns="label type_symbol fract_x fract_y fract_z")


def mutated(text, rng):
    """Text after one to three changes of the kinds that happen to files."""
    changes = (
        _byte,
        _drop_line,
        _repeat_line,
        _swap_values,
        _swap_lines,
        _digit,
        _glued_number,
        _drop_character,
        _value,
        _cut,
        _column,
    )
    for _ in range(rng.integers(1, 4)):
        text = changes[rng.integers(len(changes))](text, rng)
    return text


def _lines(text, rng):
    lines = text.split("\n")
    return lines, int(rng.integers(len(lines)))


def _byte(text, rng):
    k = int(rng.integers(len(text) + 1))
    return text[:k] + chr(int(rng.integers(0, 256))) + text[k + 1 :]


def _drop_line(text, rng):
    lines, k = _lines(text, rng)
    return "\n".join(lines[:k] + lines[k + 1 :])


def _repeat_line(text, rng):
    lines, k = _lines(text, rng)
    return "\n".join([*lines[: k + 1], *lines[k:]])


def _swap_lines(text, rng):
    lines, k = _lines(text, rng)
    j = int(rng.integers(len(lines)))
    lines[k], lines[j] = lines[j], lines[k]
    return "\n".join(lines)


def _numbers(text):
    return list(re.finditer(r"(?<=\s)-?\d+\.?\d*(\(\d+\))?(?=\s)", text))


def _swap_values(text, rng):
    found = _numbers(text)
    if len(found) < 2:
        return text
    one, other = sorted(rng.choice(len(found), 2, replace=False))
    a, b = found[one], found[other]
    return text[: a.start()] + b.group() + text[a.end() : b.start()] + a.group() + text[b.end() :]


def _digit(text, rng):
    found = [k for k, c in enumerate(text) if c.isdigit()]
    if not found:
        return text
    k = found[int(rng.integers(len(found)))]
    return text[:k] + str(int(rng.integers(10))) + text[k + 1 :]


def _glued_number(text, rng):
    """A number that touches a letter, as in formulas, labels and operations, becomes an extreme one."""
    found = list(re.finditer(r"(?<=[A-Za-z])\d+\.?\d*", text))
    if not found:
        return text
    number = found[int(rng.integers(len(found)))]
    return text[: number.start()] + _EXTREMES[int(rng.integers(len(_EXTREMES)))] + text[number.end() :]


def _drop_character(text, rng):
    k = int(rng.integers(len(text) + 1))
    return text[:k] + text[k + 1 :]


def _value(text, rng):
    found = list(re.finditer(r"\S+", text))
    if not found:
        return text
    word = found[int(rng.integers(len(found)))]
    return text[: word.start()] + _GARBAGE[int(rng.integers(len(_GARBAGE)))] + text[word.end() :]


def _cut(text, rng):
    return text[: int(rng.integers(len(text) // 2, len(text) + 1))]


def _column(text, rng):
    """A column of the atoms lost with its tag, or one of the two alone."""
    tags = re.findall(r"_atom_site_\S+", text)
    rows = text.split("\n")
    start = next((k for k, row in enumerate(rows) if tags and row.strip() == tags[-1]), None)
    if start is None:
        return text
    column, which = int(rng.integers(len(tags))), int(rng.integers(3))
    if which != 1:
        for k in range(start + 1, len(rows)):
            words = rows[k].split()
            rows[k] = " ".join(words[:column] + words[column + 1 :])
    if which != 2:
        rows.remove(next(row for row in rows if row.strip() == tags[column]))
    return "\n".join(rows)


def independent_reading(path):
    """Cell parameters and sites (element, place, occupancy) by pymatgen, None where it cannot read the file.

    It takes an unknown occupancy for 0 and not for the 1 of the dictionary, and 0 for 1e-8, so little that it holds
    the atom for any other; both are set right.
    """
    text = re.sub(r"[^\t\r\n -~]", "~", path.read_bytes().decode("utf-8", errors="replace"))
    with warnings.catch_warnings(), patch.object(Composition, "amount_tolerance", 1e-10):
        warnings.simplefilter("ignore")
        try:
            parser = CifParser.from_str(text, occupancy_tolerance=1e6, site_tolerance=1e-3)
            for block in parser._cif.data.values():
                known = [value if value not in (".", "?") else "1" for value in block.data.get(_OCCUPANCY, ())]
                block.data.update({_OCCUPANCY: known} if known else {})
            structure = parser.parse_structures(primitive=False, check_occu=False, on_error="ignore")[0]
        except Exception:  # it fails in many ways
            return None
    sites = [
        ("H" if kind.symbol == "D" else kind.symbol, site.frac_coords, float(occupancy))
        for site in structure
        for kind, occupancy in site.species.items()
        if occupancy > 1e-6
    ]
    return structure.lattice.parameters, sites


def disagreement(content, reading, *, fewer=False, more=False, labels=False):
    """Difference between what was read and an independent reading in words, empty if there is none.

    With `fewer` atoms of the independent reading may be lacking, with `more` it may lack some; the others must agree.
    With `labels` the elements come from labels, where Ca may be a carbon: only places and occupancies are compared.
    """
    parameters, sites = reading
    crystal = content.crystal
    lengths = np.linalg.norm(crystal.cell, axis=1)
    cosines = [crystal.cell[i] @ crystal.cell[j] / lengths[i] / lengths[j] for i, j in ((1, 2), (0, 2), (0, 1))]
    found = (*lengths, *np.degrees(np.arccos(cosines)))
    if np.abs(np.array(found) - parameters).max() > 1e-2:
        return f"cell {found} and {parameters}"
    symbols = crystal.symbols
    if labels:
        symbols, sites = ["atom"] * len(symbols), [("atom", frac, value) for _, frac, value in sites]
    mine, theirs = set(symbols), {symbol for symbol, _, _ in sites}
    if (mine - theirs and not more) or (theirs - mine and not fewer):
        return f"elements {sorted(mine)} and {sorted(theirs)}"
    for symbol in mine & theirs:
        atoms = np.array([k for k, s in enumerate(symbols) if s == symbol])
        places = np.array([frac for s, frac, _ in sites if s == symbol])
        occupancy = np.array([value for s, _, value in sites if s == symbol])
        gap, own = _distances(crystal.frac_coords[atoms], places, crystal), _distances(places, places, crystal)
        farthest = max(0.0 if more else gap.min(axis=1).max(), 0.0 if fewer else gap.min(axis=0).max())
        if farthest > 0.06:
            return f"{symbol} atoms are {farthest:.3f} Å apart"
        weight = content.occupation.occupancy[atoms]
        for k in range(len(places)):
            near, given = weight[gap[:, k] < 0.06].sum(), occupancy[own[k] < 0.06].sum()
            if (near or not fewer) and abs(near - min(given, near if given > 1 else given)) > 0.011:
                return f"occupancy of {symbol} {near:.3f} and {given:.3f}"
    return ""


def _distances(one, other, crystal):
    step = one[:, None] - other
    return np.linalg.norm((step - np.round(step)) @ crystal.cell, axis=-1)
