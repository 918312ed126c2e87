"""Partial charges of the framework: chemical classes of atoms, charge tables, balance against the net charge."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from difflib import get_close_matches

import numpy as np
from numpy.typing import NDArray

from structures.crystal import Crystal, bonds, is_metal
from structures.errors import InputError

MAX_SPREAD = 0.02  # e, between equivalent atoms of a file with rounded charges
MAX_RESIDUAL = 0.1  # e per formula unit; a larger misfit is a wrong table or a wrong net charge, not rounding


def atom_classes(crystal: Crystal) -> tuple[str, ...]:
    """Chemical role of every atom, from its bonds through the periodic images.

    Returns
    -------
    tuple of str, (n_atoms,)
        "mu-O" is an O on three metals or more; "carboxylate-C" a C with two O, and these O are "carboxylate-O";
        "C-H" a C with an H. Everything else has its element's symbol.
    """
    bond = bonds(crystal)
    neighbours: list[list[int]] = [[] for _ in crystal.symbols]
    for a, b in zip(bond.a, bond.b, strict=True):
        neighbours[a].append(int(b))
    around = [Counter(crystal.symbols[j] for j in near) for near in neighbours]
    classes = list(crystal.symbols)
    for atom, symbol in enumerate(crystal.symbols):
        if symbol == "O" and sum(n for other, n in around[atom].items() if is_metal(other)) >= 3:
            classes[atom] = "mu-O"
        elif symbol == "C" and around[atom]["O"] == 2:
            classes[atom] = "carboxylate-C"
        elif symbol == "C" and around[atom]["H"]:
            classes[atom] = "C-H"
    for atom, symbol in enumerate(crystal.symbols):
        if symbol == "O" and any(classes[j] == "carboxylate-C" for j in neighbours[atom]):
            classes[atom] = "carboxylate-O"
    return tuple(classes)


def charges_from_table(
    table: Mapping[str, float], classes: Sequence[str], symbols: Sequence[str]
) -> NDArray[np.float64]:
    """Charge of every atom by its class, or by its element where the class has none.

    Parameters
    ----------
    table : mapping of str to float, e
        Keys are atom classes or element symbols.
    classes, symbols : (n_atoms,) sequence of str

    Returns
    -------
    (n_atoms,) float64, e

    Raises
    ------
    InputError
        If a key matches no atom, an atom gets no charge or a charge is not finite.
    """
    valid = sorted({*classes, *symbols})
    for key, charge in table.items():
        if key not in valid:
            near = get_close_matches(key, valid, n=1, cutoff=0.3)
            hint = f", nearest {near[0]}" if near else ""
            raise InputError(f"charges: {key} matches no atom; expected one of {', '.join(valid)}{hint}")
        if not math.isfinite(charge):
            raise InputError(f"charges: {key} must be a finite number of e; got {charge}")
    missing = Counter(c for c, s in zip(classes, symbols, strict=True) if c not in table and s not in table)
    if missing:
        name, count = missing.most_common(1)[0]
        near = get_close_matches(name, list(table), n=1, cutoff=0.3)
        hint = f" (nearest in the table: {near[0]})" if near else ""
        raise InputError(f"charges: expected a value for every atom class; found none for {name} ({count} atoms){hint}")
    return np.array([table.get(c, table.get(s, math.nan)) for c, s in zip(classes, symbols, strict=True)])


def charges_from_file(crystal: Crystal, orbits: NDArray[np.int64]) -> NDArray[np.float64]:
    """Charges that the CIF gives, made equal on equivalent atoms where they differ by rounding only.

    Parameters
    ----------
    crystal : Crystal
    orbits : (n_atoms,) int64
        Atoms equivalent by symmetry share a number.

    Raises
    ------
    InputError
        If the CIF has no charges.
    """
    charges = crystal.charges.copy()
    if not charges.any():
        raise InputError(
            "charges: the CIF has none (_atom_site_charge missing or zero); expected a [structure.charges] table, "
            "a value in e for every atom class"
        )
    for orbit in np.unique(orbits):
        members = orbits == orbit
        if np.ptp(charges[members]) <= MAX_SPREAD:
            charges[members] = charges[members].mean()
    return charges


def balance(charges: NDArray[np.float64], net_charge: float, formula_units: int = 1) -> tuple[NDArray[np.float64], str]:
    """Charges that sum to the net charge exactly: a residual of rounding is spread evenly over all atoms.

    Parameters
    ----------
    charges : (n_atoms,) float64, e
    net_charge : float, e
        Of one formula unit.
    formula_units : int
        In the cell of these atoms.

    Returns
    -------
    charges : (n_atoms,) float64, e
    line : str
        What was done, for the provenance.

    Raises
    ------
    InputError
        If the residual exceeds 0.1 e per formula unit.
    """
    total = float(charges.sum()) / formula_units
    if not abs(net_charge - total) <= MAX_RESIDUAL * (1 + 1e-9):
        raise InputError(
            f"net charge of a formula unit: expected {net_charge:g} e; the charges sum to {total:.3f} e and at most "
            f"{MAX_RESIDUAL} e is spread over the atoms: change the charges or the net charge"
        )
    shift = (net_charge - total) * formula_units / len(charges)
    balanced = charges + shift
    line = f"they sum to {total:.4f} e per formula unit, expected {net_charge:g} e: shifted by {shift:+.5f} e per atom"
    return balanced, line
