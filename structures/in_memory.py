"""Structures that are already in memory: a pymatgen Structure, ASE Atoms."""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from structures.cif_symmetry import Operations
from structures.errors import InputError
from structures.sites import Site

if TYPE_CHECKING:
    from ase import Atoms
    from pymatgen.core import Structure

IDENTITY = Operations(np.eye(3)[None], np.zeros((1, 3)), ())


def sites_of_structure(structure: Structure) -> tuple[NDArray[np.float64], list[Site]]:
    """Cell and sites of a pymatgen Structure; the elements that share a place are alternatives.

    Raises
    ------
    InputError
        If it holds something that is no element.
    """
    cell = np.array(structure.lattice.matrix, dtype=np.float64)
    charges = structure.site_properties.get("charge") or [None] * len(structure)
    sites = []
    for number, (place, charge) in enumerate(zip(structure, charges, strict=True)):
        label = str(getattr(place, "label", None) or place.species_string)
        shared = len(place.species) > 1
        for k, (kind, occupancy) in enumerate(place.species.items()):
            symbol = "H" if kind.symbol == "D" else str(kind.symbol)
            sites.append(
                Site(
                    label=f"{symbol}{number + 1}" if shared else label,
                    symbol=symbol,
                    frac=_triple(place.frac_coords),
                    occupancy=float(occupancy),
                    charge=float(charge or 0.0),
                    assembly=f"site {number + 1}" if shared else "",
                    group=str(k + 1) if shared else "",
                )
            )
    return cell, sites


def sites_of_atoms(atoms: Atoms) -> tuple[NDArray[np.float64], list[Site]]:
    """Cell and sites of ASE Atoms, with the occupancies that ASE's CIF reader leaves in `info`.

    Raises
    ------
    InputError
        If they are not periodic in three directions.
    """
    if not atoms.pbc.all() or atoms.cell.rank < 3:
        raise InputError(
            f"ASE Atoms must be periodic with a cell in three directions; got pbc {atoms.pbc.tolist()}, cell of rank "
            f"{atoms.cell.rank}"
        )
    cell = np.array(atoms.cell.array, dtype=np.float64)
    charges = atoms.get_initial_charges()
    labels = atoms.arrays.get("atom_site_labels")
    occupancies = atoms.info.get("occupancy") or {}
    kinds = atoms.arrays.get("spacegroup_kinds")
    sites = []
    for number, (symbol, frac) in enumerate(
        zip(atoms.get_chemical_symbols(), atoms.get_scaled_positions(wrap=False), strict=True)
    ):
        label = str(labels[number]) if labels is not None else f"{symbol}{number + 1}"
        shares = {symbol: 1.0}
        if kinds is not None:
            shares = occupancies.get(str(int(kinds[number])), occupancies.get(int(kinds[number]), shares))
        for k, (element, occupancy) in enumerate(shares.items()):
            sites.append(
                Site(
                    label=label if len(shares) == 1 else f"{element}{number + 1}",
                    symbol=str(element),
                    frac=_triple(frac),
                    occupancy=float(occupancy),
                    charge=float(charges[number]),
                    assembly=f"site {number + 1}" if len(shares) > 1 else "",
                    group=str(k + 1) if len(shares) > 1 else "",
                )
            )
    return cell, sites


def check_sites(kind: str, sites: list[Site]) -> None:
    """Refuse what no crystal has, with the place.

    Raises
    ------
    InputError
        If there are no atoms, or coordinates or occupancies are not finite or absurd.
    """
    if not sites:
        raise InputError(f"{kind} must hold atoms; found none")
    for site in sites:
        if not all(math.isfinite(x) and abs(x) < 1000 for x in site.frac):
            raise InputError(f"{kind}: coordinates of atom {site.label} must be finite; got {site.frac}")
        if not 0 < site.occupancy <= 1.001:
            raise InputError(f"{kind}: occupancy of atom {site.label} must lie in (0, 1]; got {site.occupancy:g}")
        if site.symbol == "X" or not math.isfinite(site.charge):
            raise InputError(f"{kind}: atom {site.label} must have an element and a finite charge")


def fingerprint(cell: NDArray[np.float64], sites: list[Site]) -> str:
    """Return the sha256 of cell, elements, positions, occupancies and charges as given."""
    rows = [" ".join(f"{x:.10f}" for x in cell.ravel())]
    for s in sites:
        numbers = " ".join(f"{x:.10f}" for x in (*s.frac, s.occupancy, s.charge))
        rows.append(f"{s.label} {s.symbol} {numbers} {s.assembly} {s.group}")
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()


def _triple(values: Any) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in values)
    return x, y, z
