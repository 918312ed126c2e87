"""What a user hands over as a structure: a file, the name of a shipped one, a pymatgen Structure or ASE Atoms."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from structures.cif_atoms import read_cell, read_sites, volume_line
from structures.cif_symmetry import Operations, read_operations, symmetric_cell
from structures.cif_text import Block, read_blocks
from structures.crystal import Crystal, formula
from structures.disorder import Occupation
from structures.errors import InputError
from structures.in_memory import IDENTITY, check_sites, fingerprint, sites_of_atoms, sites_of_structure
from structures.library import LIBRARY, library_cif
from structures.plausibility import refuse_overlaps
from structures.sites import Site, check_cell, expand
from structures.stated_content import Stated, matches_formula, stated_content

if TYPE_CHECKING:
    from pymatgen.core import Structure

Source: TypeAlias = "str | Path | Structure | Atoms"


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
    one_by_one : bool
        Whether every atom of the cell is listed, none made by symmetry.
    stated : Stated
        What the file says of its content besides.
    """

    name: str
    crystal: Crystal
    occupation: Occupation
    lines: tuple[str, ...]
    one_by_one: bool = False
    stated: Stated = field(default_factory=Stated)


def read_source(source: Source) -> Content:
    """Return the atoms of a source, of a file with several crystals those of the first; see `read_contents`."""
    return next(read_contents(source))


def read_contents(source: Source) -> Iterator[Content]:
    """Yield the atoms of a source, one content for each crystal of a file.

    Raises
    ------
    InputError
        If it is nothing that can be read as a crystal.
    """
    pymatgen = sys.modules.get("pymatgen.core")
    if isinstance(source, str | Path):
        yield from _read_file(_find(source))
    elif isinstance(source, Atoms):
        yield _from_memory("ASE Atoms", *sites_of_atoms(source))
    elif pymatgen is not None and isinstance(source, pymatgen.IStructure):
        yield _from_memory("pymatgen Structure", *sites_of_structure(source))
    else:
        kind = type(source).__name__
        raise InputError(f"structure must be a CIF file, a shipped name, a pymatgen Structure or ASE Atoms; got {kind}")


def _from_memory(kind: str, cell: NDArray[np.float64], sites: list[Site]) -> Content:
    check_sites(kind, sites)
    check_cell(kind, cell)
    digest = fingerprint(cell, sites)
    turned = []
    if np.linalg.det(cell) < 0:
        cell = -cell
        sites = [replace(site, frac=(-site.frac[0], -site.frac[1], -site.frac[2])) for site in sites]
        turned.append("the axes of the cell are left-handed: all three were reversed, the atoms stay where they are")
    crystal, occupation, lines = expand(kind, cell, sites, IDENTITY)
    name = formula(site.symbol for site in sites)
    origin = f"structure: {kind} {name}, sha256 of its content {digest}"
    return Content(name, crystal, occupation, (origin, *turned, *lines), one_by_one=True)


def _find(path: str | Path) -> Path:
    source = Path(path)
    if source.is_file():
        return source
    if str(path) in LIBRARY:
        return library_cif(str(path))
    if source.is_dir():
        raise InputError(f"structure must be a CIF file; {source} is a folder")
    raise InputError(f"structure must be a CIF file or one of {', '.join(LIBRARY)}; {source} does not exist")


def _read_file(path: Path) -> Iterator[Content]:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path.name} cannot be opened: {error.strerror}") from error
    blocks, mended = read_blocks(path.name, raw)
    for number, block in enumerate(blocks):
        others = [other.name for other in blocks if other is not block]
        names = ", ".join(others[:3]) + (", ..." if len(others) > 3 else "")
        place = "the first" if number == 0 else f"number {number + 1}"
        which = f"block {block.name} taken, {place} of {len(blocks)} with atoms (left out: {names})"
        if number:
            which += "; those before it hold no framework"
        yield _read_block(path, raw, block, [*mended, *([which] if others else [])])


def _read_block(path: Path, raw: bytes, block: Block, mended: list[str]) -> Content:
    cell = read_cell(block)
    check_cell(path.name, cell)
    sites, remarks = read_sites(block)
    candidates = read_operations(block, cell)
    operations = candidates[0] if len(candidates) == 1 else _choose_origin(block, cell, sites, candidates)
    cell, strained = symmetric_cell(path.name, cell, operations)
    crystal, occupation, doubled = expand(path.name, cell, sites, operations)
    stated = stated_content(block, crystal, occupation, operations)
    lines = [
        f"structure: {path.name}, sha256 {hashlib.sha256(raw).hexdigest()}",
        *mended,
        *operations.lines,
        *strained,
        *volume_line(block, cell),
        *remarks,
        *doubled,
        *stated.lines,
    ]
    origin = block.column("_audit_creation_method")
    if any(origin):
        lines.append("origin: " + " ".join(origin))
    return Content(path.stem, crystal, occupation, tuple(lines), len(operations) == 1, stated)


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
        possible.append((operations, matches_formula(block, crystal, occupation)))
    right = [operations for operations, matches in possible if matches] or [operations for operations, _ in possible]
    if len(right) != 1:
        raise InputError(
            f"{block.file} must list its symmetry operations: its space group has two choices of origin and "
            f"{'both' if right else 'neither'} would do ({candidates[0].lines[0]})"
        )
    line = f"{right[0].lines[0]}; of two choices of origin the one that fits"
    return Operations(right[0].rotations, right[0].translations, (line,))
