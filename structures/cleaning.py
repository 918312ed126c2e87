"""What belongs to the framework: overlaps are refused, guests and counter-ions are taken out."""

from __future__ import annotations

from collections import Counter, deque

import numpy as np
from numpy.typing import NDArray

from structures.crystal import Crystal, Pairs, bonds, connected, formula, pairs_within
from structures.errors import InputError

NEAREST_ATOMS = 0.5  # Å; nothing in a crystal is closer, so such atoms are images of one


def refuse_overlaps(crystal: Crystal) -> None:
    """Refuse a crystal in which two atoms are nearer than 0.5 Å.

    Raises
    ------
    InputError
        With the labels of the closest pair and its distance.
    """
    pairs = pairs_within(crystal, NEAREST_ATOMS)
    if len(pairs):
        k = int(np.argmin(pairs.distance))
        raise InputError(
            f"atoms {crystal.labels[pairs.a[k]]} and {crystal.labels[pairs.b[k]]} are {pairs.distance[k]:.3f} Å apart; "
            f"expected at least {NEAREST_ATOMS} Å between fully occupied atoms"
        )


def remove_guests(crystal: Crystal) -> tuple[Crystal, tuple[str, ...]]:
    """Keep what is bonded to its own periodic images; molecules and free ions go.

    Returns
    -------
    framework : Crystal
    lines : tuple of str
        Formula and number of everything that was taken out.

    Raises
    ------
    InputError
        If nothing is left: the crystal is made of molecules.
    """
    bond = bonds(crystal)
    component = connected(len(crystal), bond.a, bond.b)
    periodic = _periodic_components(component, bond)
    kept = np.isin(component, periodic)
    guests = Counter(
        formula(np.array(crystal.symbols)[component == number])
        for number in range(int(component.max()) + 1)
        if number not in periodic
    )
    if not kept.any():
        found = ", ".join(f"{count} {name}" for name, count in sorted(guests.items()))
        raise InputError(f"structure must hold a framework bonded through the crystal; found only molecules: {found}")
    lines = tuple(f"guests removed from the cell: {count} {name}" for name, count in sorted(guests.items()))
    return crystal.select(kept), lines


def _periodic_components(component: NDArray[np.int64], bond: Pairs) -> list[int]:
    """Components in which a closed walk along bonds ends in another cell.

    Every atom gets the cell it is reached in; a bond that disagrees with it closes a walk with a lattice translation.
    """
    n_atoms = len(component)
    order = np.argsort(bond.a, kind="stable")
    start = np.searchsorted(bond.a[order], np.arange(n_atoms + 1))
    offset = np.zeros((n_atoms, 3), dtype=np.int64)
    reached = np.zeros(n_atoms, dtype=np.bool_)
    for seed in range(n_atoms):
        if reached[seed]:
            continue
        reached[seed] = True
        queue = deque([seed])
        while queue:
            atom = queue.popleft()
            for k in order[start[atom] : start[atom + 1]]:
                other = int(bond.b[k])
                if not reached[other]:
                    reached[other] = True
                    offset[other] = offset[atom] + bond.image[k]
                    queue.append(other)
    wrapped = (offset[bond.a] + bond.image != offset[bond.b]).any(axis=1)
    return [int(number) for number in np.unique(component[bond.a[wrapped]])]
