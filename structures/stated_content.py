"""What a CIF says it holds, by its formula and by the names it uses, against the atoms that it lists.

Published formulas count solvent that was never refined, and hydrogens that were never placed, so most differences are
statements and no faults. A list of atoms that was cut off differs in the same way, hence each is a warning; without
carbon, or without any metal of the formula, nothing is left that could be meant.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import inf, log

from structures.cif_atoms import formula_content
from structures.cif_symmetry import Operations
from structures.cif_text import Block, as_number
from structures.crystal import Crystal, is_metal
from structures.disorder import Occupation
from structures.errors import WARNING, InputError
from structures.sites import MAX_ATOMS

_AGREES = 0.02  # of the atoms of an element; formulas are rounded
_NAMED = (
    "_atom_site_aniso_label",
    "_geom_bond_atom_site_label_1",
    "_geom_bond_atom_site_label_2",
    "_geom_angle_atom_site_label_1",
    "_geom_angle_atom_site_label_2",
    "_geom_angle_atom_site_label_3",
)


@dataclass(frozen=True, slots=True)
class Stated:
    """What a file says of its content beyond the list of atoms.

    Attributes
    ----------
    lines : tuple of str
        For the provenance.
    short : mapping of str to str
        Elements besides hydrogen of which the cell holds fewer than the formula, with both counts in words.
    spare_hydrogens : float
        Hydrogens in the cell by the formula that are not listed; without a formula any number.
    """

    lines: tuple[str, ...] = ()
    short: Mapping[str, str] = field(default_factory=dict)
    spare_hydrogens: float = inf


def matches_formula(block: Block, crystal: Crystal, occupation: Occupation) -> bool:
    """Whether the cell holds the formula of the file, once or times Z, hydrogens not counted."""
    given, found = formula_content(block), _content(crystal, occupation)
    return bool(given) and any(_same_content(found, given, times, "H") for times in (_units(block) or 1.0, 1.0))


def stated_content(block: Block, crystal: Crystal, occupation: Occupation, operations: Operations) -> Stated:
    """Say where the atoms listed are not those that the file speaks of.

    Raises
    ------
    InputError
        If the symmetry is lost and the asymmetric unit alone is left, or carbon or all metals of the formula are.
    """
    by_formula = _by_formula(block, crystal, occupation, operations)
    return Stated((*by_formula.lines, *_names_lines(block)), by_formula.short, by_formula.spare_hydrogens)


def _by_formula(block: Block, crystal: Crystal, occupation: Occupation, operations: Operations) -> Stated:
    given, found = formula_content(block), _content(crystal, occupation)
    if not given:
        return Stated()
    stated = _units(block)
    times = {stated, 1.0} if stated else {1.0, *(_whole(found.get(s, 0.0) / n) for s, n in given.items())}
    units = _best_multiple(found, given, times)
    spare = units * given.get("H", 0.0) - found.get("H", 0.0)
    if any(_same_content(found, given, n) for n in times):
        return Stated(spare_hydrogens=spare)
    metals = [symbol for symbol in given if is_metal(symbol)]
    text = " ".join(f"{symbol}{count:.5g}" for symbol, count in sorted(found.items()))
    written = f"{block.first('_chemical_formula_sum')}, Z {stated or units:g}"
    if units != (stated or units):
        written += ", the formula being that of the cell"
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
        return Stated(
            (f"the cell holds {text} by its occupancies, the file says {written}; the atoms count",),
            spare_hydrogens=spare,
        )
    beyond = {s: n * units - found.get(s, 0.0) for s, n in {**dict.fromkeys(found, 0.0), **given}.items() if s != "H"}
    differs = [s for s, n in beyond.items() if abs(n) > max(0.5, _AGREES * found.get(s, 0.0))]
    short = {s: f"{found.get(s, 0.0):.5g} of {given[s] * units:.5g} {s}" for s in differs if beyond[s] > 0}
    why = []
    if len(short) < len(differs):
        why.append(f"the formula lacks {' '.join(f'{s}{-beyond[s]:.5g}' for s in sorted(differs) if s not in short)}")
    if short:
        missing = ", ".join(short.values())
        why.append(f"only {missing}: solvent that was not refined, or a list of atoms that is not whole")
    line = f"the cell holds {text} by its occupancies, the file says {written}; the atoms count ({'; '.join(why)})"
    return Stated((WARNING + line,), short, spare)


def _best_multiple(found: Mapping[str, float], given: Mapping[str, float], times: Iterable[float]) -> float:
    """Return the number of formulas in the cell by which its elements, hydrogen aside, are nearest to their counts."""

    def apart(units: float) -> float:
        both = [s for s in given if s in found and s != "H"]
        return sum(abs(log(found[s] / (units * given[s]))) for s in both)

    return min(sorted(times, reverse=True), key=apart)


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
    """Return the formula units in the cell by the file, 0 if it gives no number that can be."""
    number = as_number(block.first("_cell_formula_units_z")) or 0.0
    return number if 0 < number <= MAX_ATOMS else 0.0


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
