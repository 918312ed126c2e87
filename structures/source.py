"""What a user hands over as a structure: a file, the name of a shipped one, a pymatgen Structure or ASE Atoms."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from structures.cif_atoms import formula_content, read_cell, read_sites, volume_line
from structures.cif_symmetry import Operations, read_operations, symmetric_cell
from structures.cif_text import Block, as_number, read_block
from structures.cleaning import refuse_overlaps
from structures.crystal import Crystal, formula
from structures.disorder import Occupation
from structures.errors import InputError
from structures.in_memory import IDENTITY, check_sites, fingerprint, sites_of_atoms, sites_of_structure
from structures.library import LIBRARY, library_cif
from structures.sites import Site, check_cell, expand

if TYPE_CHECKING:
    from pymatgen.core import Structure

Source: TypeAlias = "str | Path | Structure | Atoms"
_AGREES = 0.02  # of the atoms of an element; formulas are rounded


@dataclass(frozen=True, eq=False, slots=True)
class Content:
    """All atoms of a cell as the source gives them.

    Attributes
    ----------
    name : str
    crystal : Crystal
    occupation : Occupation
    lines : tuple of str
        Source and everything mended or chosen in reading it, for the provenance.
    """

    name: str
    crystal: Crystal
    occupation: Occupation
    lines: tuple[str, ...]


def read_source(source: Source) -> Content:
    """Return the atoms of a source.

    Raises
    ------
    InputError
        If it is nothing that can be read as a crystal.
    """
    if isinstance(source, str | Path):
        return _read_file(_find(source))
    if isinstance(source, Atoms):
        return _from_memory("ASE Atoms", *sites_of_atoms(source))
    pymatgen = sys.modules.get("pymatgen.core")
    if pymatgen is not None and isinstance(source, pymatgen.IStructure):
        return _from_memory("pymatgen Structure", *sites_of_structure(source))
    raise InputError(
        f"structure must be a CIF file, a shipped name, a pymatgen Structure or ASE Atoms; got {type(source).__name__}"
    )


def _from_memory(kind: str, cell: NDArray[np.float64], sites: list[Site]) -> Content:
    check_sites(kind, sites)
    check_cell(kind, cell)
    digest = fingerprint(cell, sites)
    crystal, occupation, lines = expand(kind, cell, sites, IDENTITY)
    name = formula(site.symbol for site in sites)
    return Content(name, crystal, occupation, (f"structure: {kind} {name}, sha256 of its content {digest}", *lines))


def _find(path: str | Path) -> Path:
    source = Path(path)
    if source.is_file():
        return source
    if str(path) in LIBRARY:
        return library_cif(str(path))
    if source.is_dir():
        raise InputError(f"structure must be a CIF file; {source} is a folder")
    raise InputError(f"structure must be a CIF file or one of {', '.join(LIBRARY)}; {source} does not exist")


def _read_file(path: Path) -> Content:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path.name} cannot be opened: {error.strerror}") from error
    block, mended = read_block(path.name, raw)
    cell = read_cell(block)
    check_cell(path.name, cell)
    sites, remarks = read_sites(block)
    candidates = read_operations(block, cell)
    operations = candidates[0] if len(candidates) == 1 else _choose_origin(block, cell, sites, candidates)
    cell, strained = symmetric_cell(path.name, cell, operations)
    crystal, occupation, doubled = expand(path.name, cell, sites, operations)
    lines = [
        f"structure: {path.name}, sha256 {hashlib.sha256(raw).hexdigest()}",
        *mended,
        *operations.lines,
        *strained,
        *volume_line(block, cell),
        *remarks,
        *doubled,
        *_formula_line(block, crystal, occupation, operations),
    ]
    origin = block.column("_audit_creation_method")
    if any(origin):
        lines.append("origin: " + " ".join(origin))
    return Content(path.stem, crystal, occupation, tuple(lines))


def _choose_origin(
    block: Block, cell: NDArray[np.float64], sites: list[Site], candidates: tuple[Operations, ...]
) -> Operations:
    """Return the one choice of origin with which atoms do not overlap and the formula is right."""
    possible = []
    for operations in candidates:
        try:
            fitted, _ = symmetric_cell(block.file, cell, operations)
            crystal, occupation, _ = expand(block.file, fitted, sites, operations)
            refuse_overlaps(crystal.select(~occupation.partial))
        except InputError:
            continue
        possible.append((operations, _matches_formula(block, crystal, occupation)))
    right = [operations for operations, matches in possible if matches] or [operations for operations, _ in possible]
    if len(right) != 1:
        raise InputError(
            f"{block.file} must list its symmetry operations: its space group has two choices of origin and "
            f"{'both' if right else 'neither'} would do ({candidates[0].lines[0]})"
        )
    line = f"{right[0].lines[0]}; of two choices of origin the one that fits"
    return Operations(right[0].rotations, right[0].translations, (line,))


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


def _matches_formula(block: Block, crystal: Crystal, occupation: Occupation) -> bool:
    """Whether the cell holds the formula of the file, once or times Z."""
    given, found = formula_content(block), _content(crystal, occupation)
    units = as_number(block.first("_cell_formula_units_z")) or 1.0
    return bool(given) and any(_same_content(found, given, times, "H") for times in (units, 1.0))


def _formula_line(block: Block, crystal: Crystal, occupation: Occupation, operations: Operations) -> list[str]:
    """Say if the atoms are not those of the formula; refuse an asymmetric unit whose symmetry is lost.

    Solvent that was not refined, and missing hydrogens, are the usual reasons; they do not change the ratio of metals.
    """
    given, found = formula_content(block), _content(crystal, occupation)
    if not given:
        return []
    units = as_number(block.first("_cell_formula_units_z")) or 1.0
    if any(_same_content(found, given, times) for times in (units, 1.0)):
        return []
    text = " ".join(f"{symbol}{count:.5g}" for symbol, count in sorted(found.items()))
    written = f"{block.first('_chemical_formula_sum')}, Z {units:g}"
    heavy = {symbol: times for symbol, times in given.items() if symbol != "H"}
    short = [s for s, n in heavy.items() if found.get(s, 0.0) < 0.75 * n * units]
    if operations.assumed and short:
        raise InputError(
            f"{block.file} must give its symmetry: without it the cell holds {text}, less than its formula, {written}"
        )
    return [f"the cell holds {text} by its occupancies, the file says {written}; the atoms count"]
