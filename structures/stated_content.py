"""What a CIF says it holds, by its formula and by the names it uses, against the atoms that it lists.

Published formulas count solvent that was never refined, and hydrogens that were never placed, so most differences are
statements and no faults. A list of atoms that was cut off differs in the same way, hence each is a warning; without
carbon, or without any metal of the formula, nothing is left that could be meant.
"""

from __future__ import annotations

from collections.abc import Mapping

from structures.cif_atoms import formula_content
from structures.cif_symmetry import Operations
from structures.cif_text import Block, as_number
from structures.crystal import Crystal, is_metal
from structures.disorder import Occupation
from structures.errors import WARNING, InputError

_AGREES = 0.02  # of the atoms of an element; formulas are rounded
_NAMED = (
    "_atom_site_aniso_label",
    "_geom_bond_atom_site_label_1",
    "_geom_bond_atom_site_label_2",
    "_geom_angle_atom_site_label_2",
)


def matches_formula(block: Block, crystal: Crystal, occupation: Occupation) -> bool:
    """Whether the cell holds the formula of the file, once or times Z, hydrogens not counted."""
    given, found = formula_content(block), _content(crystal, occupation)
    return bool(given) and any(_same_content(found, given, times, "H") for times in (_units(block), 1.0))


def content_lines(block: Block, crystal: Crystal, occupation: Occupation, operations: Operations) -> list[str]:
    """Say where the atoms listed are not those that the file speaks of.

    Raises
    ------
    InputError
        If the symmetry is lost and the asymmetric unit alone is left, or carbon or all metals of the formula are.
    """
    return [*_formula_lines(block, crystal, occupation, operations), *_names_lines(block)]


def _formula_lines(block: Block, crystal: Crystal, occupation: Occupation, operations: Operations) -> list[str]:
    given, found = formula_content(block), _content(crystal, occupation)
    if not given:
        return []
    stated = "_cell_formula_units_z" in block.values
    times = {_units(block), 1.0} if stated else {1.0, *(_whole(found.get(s, 0.0) / n) for s, n in given.items())}
    if any(_same_content(found, given, units) for units in times):
        return []
    metals = [symbol for symbol in given if is_metal(symbol)]
    units = _units(block)
    if not stated and metals:
        units = _whole(found.get(metals[0], 0.0) / given[metals[0]])
    text = " ".join(f"{symbol}{count:.5g}" for symbol, count in sorted(found.items()))
    written = f"{block.first('_chemical_formula_sum')}, Z {units:g}"
    less = [s for s, n in given.items() if s != "H" and found.get(s, 0.0) < 0.75 * n * units]
    if operations.assumed and less:
        raise InputError(
            f"{block.file} must give its symmetry: without it the cell holds {text}, less than its formula, {written}"
        )
    lost = ["C"] if "C" in given and "C" not in found else []
    lost += metals if not any(symbol in found for symbol in metals) else []
    if lost:
        raise InputError(
            f"{block.file} must list all its atoms: the cell holds {text} and no {' and no '.join(lost)}, its formula "
            f"is {written}; is the file whole?"
        )
    if any(_same_content(found, given, n, "H") for n in times):
        return [f"the cell holds {text} by its occupancies, the file says {written}; the atoms count"]
    short = [s for s, n in given.items() if s != "H" and n * units - found.get(s, 0.0) > max(0.5, _AGREES * n * units)]
    why = "more atoms than stated"
    if short:
        missing = ", ".join(f"{found.get(s, 0.0):.5g} of {given[s] * units:.5g} {s}" for s in short)
        why = f"only {missing}: solvent that was not refined, or a list of atoms that is not whole"
    return [f"{WARNING}the cell holds {text} by its occupancies, the file says {written}; the atoms count ({why})"]


def _names_lines(block: Block) -> list[str]:
    """Atoms that have bonds or displacement parameters in the file but no place."""
    listed = set(block.column("_atom_site_label"))
    named = [name for tag in _NAMED for name in block.column(tag) if name and name not in listed]
    names = list(dict.fromkeys(named)) if listed else []
    if not names:
        return []
    some = ", ".join(names[:6]) + (f", ... ({len(names)})" if len(names) > 6 else "")
    return [f"{WARNING}atoms that the file speaks of are not in its list: {some}; taken out, or lost"]


def _units(block: Block) -> float:
    return as_number(block.first("_cell_formula_units_z")) or 1.0


def _whole(ratio: float) -> float:
    return float(max(1, round(ratio)))


def _content(crystal: Crystal, occupation: Occupation) -> dict[str, float]:
    total: dict[str, float] = {}
    for symbol, weight in zip(crystal.symbols, occupation.occupancy, strict=True):
        total[symbol] = total.get(symbol, 0.0) + float(weight)
    return total


def _same_content(found: Mapping[str, float], given: Mapping[str, float], times: float, without: str = "") -> bool:
    elements = ({*found, *given}) - {without}
    return all(
        abs(found.get(e, 0.0) - times * given.get(e, 0.0)) <= max(0.5, _AGREES * found.get(e, 0.0)) for e in elements
    )
