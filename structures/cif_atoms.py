"""The atom loop of a CIF, line by line, and the cell parameters."""

from __future__ import annotations

import math
import re
from collections import Counter

import numpy as np
from ase.data import atomic_numbers
from numpy.typing import NDArray

from structures.cif_text import Block, as_number
from structures.errors import InputError
from structures.sites import MAX_ATOMS, Site

_AXES = ("a", "b", "c")
_ANGLES = ("alpha", "beta", "gamma")
_COUNTS = (1e-4, 1e6)  # of an element in a formula; outside is a slip of the pen


def read_cell(block: Block) -> NDArray[np.float64]:
    """Lattice vectors in rows, Å, a along x and b in the xy plane.

    Raises
    ------
    InputError
        If a length or an angle is missing, is no number, or they span no volume.
    """
    lengths = [_cell_number(block, f"_cell_length_{axis}") for axis in _AXES]
    angles = [_cell_number(block, f"_cell_angle_{angle}") for angle in _ANGLES]
    found = ", ".join(f"{value:g}" for value in (*lengths, *angles))
    cos_alpha, cos_beta, cos_gamma = np.cos(np.radians(angles))
    square = 1 - cos_alpha**2 - cos_beta**2 - cos_gamma**2 + 2 * cos_alpha * cos_beta * cos_gamma
    if min(lengths) <= 0 or min(angles) <= 0 or max(angles) >= 180 or square <= 1e-12:
        raise InputError(f"{block.file} must give a cell with positive lengths and a volume; got {found}")
    metric = np.array([[1, cos_gamma, cos_beta], [cos_gamma, 1, cos_alpha], [cos_beta, cos_alpha, 1]])
    cell = np.linalg.cholesky(metric) * np.array(lengths)[:, None]
    cell[np.abs(cell) < 1e-10] = 0.0
    return np.asarray(cell)


def volume_line(block: Block, cell: NDArray[np.float64]) -> list[str]:
    """Say if the volume of the file is that of another cell."""
    given, volume = as_number(block.first("_cell_volume")), float(np.linalg.det(cell))
    if given is None or abs(given - volume) <= 2e-3 * volume:
        return []
    return [f"_cell_volume {given:g} Å3 of the file is not that of its cell, {volume:.2f} Å3; the cell counts"]


def read_sites(block: Block) -> tuple[list[Site], list[str]]:
    """Atoms of the loop with a line for everything left out or guessed.

    Raises
    ------
    InputError
        If a column is too short, a value is no number, an occupancy is absurd or an element is unknown.
    """
    rows = len(block.column("_atom_site_fract_x"))
    if rows > MAX_ATOMS:
        raise InputError(f"{block.file} must list at most {MAX_ATOMS} atoms; got {rows}")
    columns = {
        key: _column(block, key, rows)
        for key in ("label", "type_symbol", "fract_x", "fract_y", "fract_z", "occupancy", "charge",
                    "disorder_assembly", "disorder_group", "calc_flag")
    }  # fmt: skip
    left_out: dict[str, list[str]] = {}
    lines: list[str] = []
    elements = _formula_elements(block)
    typed = "_atom_site_type_symbol" in block.values
    if not typed:
        lines.append("the CIF has no _atom_site_type_symbol: elements were read from the labels")
    if "_atom_site_occupancy" not in block.values:
        lines.append("the CIF has no _atom_site_occupancy: every atom was taken as whole")
    if "_atom_site_label" not in block.values:
        lines.append("the CIF has no _atom_site_label: atoms are named by their elements")
    guessed, unknown = list[str](), list[str]()
    sites, contradictions = [], Counter[str]()
    for row in range(rows):
        value = {key: column[row] for key, column in columns.items()}
        name = value["label"] or value["type_symbol"] or f"number {row + 1}"
        xyz = tuple(value[f"fract_{axis}"] for axis in "xyz")
        if value["calc_flag"].lower() == "dum":
            left_out.setdefault("dummy atoms", []).append(name)
            continue
        if not all(xyz):
            left_out.setdefault("atoms without coordinates", []).append(name)
            continue
        site = _site(block, value, name, elements)
        if site.occupancy == 0:
            left_out.setdefault("atoms of occupancy 0", []).append(name)
            continue
        if typed and not value["type_symbol"]:
            guessed.append(name)
        if "_atom_site_occupancy" in block.values and not value["occupancy"]:
            unknown.append(name)
        said = _symbol_of(value["label"], ())
        if typed and said and said != site.symbol and not value["label"].startswith(site.symbol):
            contradictions[f"{value['label']} is {site.symbol}"] += 1
        sites.append(site)
    lines += [f"{what} left out: {_names(names)}" for what, names in left_out.items()]
    if guessed:
        lines.append(f"atoms without an element, which was read from the label: {_names(guessed)}")
    if unknown:
        lines.append(f"atoms without an occupancy taken as whole: {_names(unknown)}")
    if contradictions:
        lines.append(f"labels that contradict the element given, which counts: {_names(list(contradictions))}")
    if not sites:
        raise InputError(f"{block.file} must hold atoms; found none")
    return sites, lines


def formula_content(block: Block) -> dict[str, float]:
    """Atoms in _chemical_formula_sum by element, none with a count of zero; empty if it cannot be read or is absurd."""
    text = block.first("_chemical_formula_sum")
    parts = re.findall(r"([A-Z][a-z]?)(\d+\.?\d*|\.\d+)?", text)
    if not parts or re.sub(r"[A-Z][a-z]?(\d+\.?\d*|\.\d+)?|\s", "", text):
        return {}
    content: dict[str, float] = {}
    for symbol, number in parts:
        element = "H" if symbol == "D" else symbol
        content[element] = content.get(element, 0.0) + float(number or 1)
    content = {element: number for element, number in content.items() if number}
    return content if all(_COUNTS[0] <= number <= _COUNTS[1] for number in content.values()) else {}


def _names(names: list[str]) -> str:
    return ", ".join(names[:4]) + (f", ... ({len(names)})" if len(names) > 4 else "")


def _cell_number(block: Block, tag: str) -> float:
    text = block.first(tag)
    if not text:
        raise InputError(f"{block.file} must give the lattice parameters; found no {tag}")
    value = as_number(text)
    if value is None or not math.isfinite(value):
        raise InputError(f"{block.file}: {tag} must be a number; got {text[:40]}")
    return value


def _column(block: Block, key: str, rows: int) -> tuple[str, ...]:
    values = block.column(f"_atom_site_{key}") or ("",) * rows
    if len(values) != rows:
        raise InputError(f"{block.file}: _atom_site_{key} must have {rows} entries; got {len(values)}")
    return values


def _site(block: Block, value: dict[str, str], name: str, elements: frozenset[str]) -> Site:
    def number(key: str, what: str, default: float) -> float:
        text = value[key]
        found = as_number(text) if text else default
        if found is None or not math.isfinite(found):
            raise InputError(f"{block.file}: {what} of atom {name} must be a number; got {text[:40]}")
        return found

    text = value["type_symbol"] or value["label"]
    symbol = _symbol_of(text, () if value["type_symbol"] else elements)
    if not symbol:
        raise InputError(f"{block.file}: atom {name} must have an element symbol; got {text[:40] or 'nothing'}")
    occupancy = number("occupancy", "occupancy", 1.0)
    if not 0 <= occupancy <= 1.001:
        raise InputError(f"{block.file}: occupancy of atom {name} must lie in [0, 1]; got {occupancy:g}")
    x, y, z = (number(f"fract_{axis}", axis, math.nan) for axis in "xyz")
    if max(abs(x), abs(y), abs(z)) > 1000:
        raise InputError(f"{block.file}: fractional coordinates of atom {name} must be near the cell; got {x:g} {y:g} "
                         f"{z:g}")  # fmt: skip
    return Site(
        label=name,
        symbol=symbol,
        frac=(x, y, z),
        occupancy=min(occupancy, 1.0),
        charge=number("charge", "charge", 0.0),
        assembly=value["disorder_assembly"],
        group=value["disorder_group"],
    )


def _symbol_of(text: str, elements: frozenset[str] | tuple[str, ...]) -> str:
    """Element at the start of a label or type symbol; where the formula is known only its elements count."""
    letters = re.match(r"[A-Za-z]*", text)
    start = letters.group(0) if letters else ""
    found = [s for s in (start[:2].capitalize(), start[:1].upper()) if s == "D" or atomic_numbers.get(s, 0) > 0]
    symbols = ["H" if s == "D" else s for s in found]
    return next((s for s in symbols if s in elements), symbols[0] if symbols else "")


def _formula_elements(block: Block) -> frozenset[str]:
    return frozenset(formula_content(block))
