"""Atoms that are missing from an otherwise symmetric list.

A file that lists every atom of its cell repeats each by the symmetry of the crystal. Where a part of the list is lost
the operations are still those of one of its elements, and they take some atoms to places where nothing is.
"""

from __future__ import annotations

import warnings
from collections import Counter

import numpy as np
import spglib
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from structures.crystal import Crystal, wrap
from structures.errors import WARNING

_PRECISION = 0.1  # Å, of the operations of one element
_SAME = 0.4  # Å between an atom and the image of its partner
_EMPTY = 1.0  # Å around a place where an atom should be
_MOST = 0.75  # of the atoms have a partner
_MAX_OPERATIONS = 48
_MAX_ATOMS = 150  # of the element that gives the operations; the search grows with their square


def missing_partners(crystal: Crystal) -> list[str]:
    """Warn of atoms without a partner under an operation that maps most others; hydrogens do not count.

    Parameters
    ----------
    crystal : Crystal
        All atoms of a cell that were listed one by one.
    """
    heavy = crystal.select([symbol != "H" for symbol in crystal.symbols])
    symbols, (tree, owner) = np.array(heavy.symbols), _surroundings(heavy)
    best: tuple[float, Counter[str]] = (_MOST, Counter())
    for element, count in Counter(heavy.symbols).items():
        if not 2 <= count <= _MAX_ATOMS:
            continue
        for rotation, translation in _operations(heavy.cell, heavy.frac_coords[symbols == element]):
            moved = wrap(heavy.frac_coords @ rotation.T + translation)
            share, lost = _unmatched(moved @ heavy.cell, symbols, tree, owner)
            if lost and share > best[0]:
                best = (share, lost)
    if not best[1]:
        return []
    names = ", ".join(f"{n} {symbol}" for symbol, n in sorted(best[1].items()))
    return [
        f"{WARNING}an operation that maps {100 * best[0]:.0f} % of the atoms takes {names} to places where no atom is: "
        "atoms may be lost"
    ]


def _operations(
    cell: NDArray[np.float64], frac: NDArray[np.float64]
) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Operations of one element alone without the identity, a sample where there are many."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            found = spglib.get_symmetry((cell, frac, [1] * len(frac)), symprec=_PRECISION)
        except Exception:  # nothing is found where nothing can be
            return []
    if found is None:
        return []
    last = len(found["rotations"]) - 1
    chosen = np.unique(np.linspace(1, last, min(last, _MAX_OPERATIONS)).astype(int))
    return [(found["rotations"][k], found["translations"][k]) for k in chosen]


def _surroundings(crystal: Crystal) -> tuple[cKDTree, NDArray[np.int64]]:
    """Tree of the atoms in and around the cell, Å, and the atom of which each is an image."""
    shifts = np.stack(np.meshgrid(*[(-1, 0, 1)] * 3), axis=-1).reshape(-1, 1, 3)
    frac = (wrap(crystal.frac_coords) + shifts).reshape(-1, 3)
    heights = 1.0 / np.linalg.norm(np.linalg.inv(crystal.cell), axis=0)
    near = np.flatnonzero((np.abs(frac - 0.5) < 0.5 + 2 * _EMPTY / heights).all(axis=1))
    return cKDTree(frac[near] @ crystal.cell), near % len(crystal)


def _unmatched(
    moved: NDArray[np.float64], symbols: NDArray[np.str_], tree: cKDTree, owner: NDArray[np.int64]
) -> tuple[float, Counter[str]]:
    """Share of atoms with a partner of their element, and by element those that come to lie where nothing is."""
    distance, index = tree.query(moved)
    matched = (distance < _SAME) & (symbols[owner[index]] == symbols)
    return float(matched.mean()), Counter(symbols[distance > _EMPTY].tolist())
