"""Atoms that are missing from an otherwise symmetric list.

A file that lists every atom of its cell repeats each by the symmetry of the crystal. Where a part of the list is lost
the operations are still those of one of its elements; they take some atoms to places where nothing is, and the
neighbours of those atoms to others that lack a bond. Where a hydrogen takes the place of a group, or a group points
another way, no bond is lacking.
"""

from __future__ import annotations

import warnings
from collections import Counter
from dataclasses import dataclass

import numpy as np
import spglib
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from structures.crystal import Crystal, bonds, connected, wrap
from structures.errors import WARNING

_PRECISION = 0.1  # Å, of the operations of one element
_SAME = 0.4  # Å between an atom and the image of its partner
_EMPTY = 1.0  # Å around a place where an atom should be
_MOST = 0.75  # of the atoms have a partner
_MAX_OPERATIONS = 48
_MAX_ATOMS = 150  # of the element that gives the operations; the search grows with their square


@dataclass(frozen=True, eq=False, slots=True)
class _Net:
    """Atoms besides hydrogen and the bonds among them.

    Attributes
    ----------
    atoms : Crystal
    a, b : (n_bonds,) int64
        Each bond in both directions.
    degree : (n_atoms,) int64
        Bonds of each atom, those to hydrogen included.
    bare : bool
        Whether no carbon carries a hydrogen.
    """

    atoms: Crystal
    a: NDArray[np.int64]
    b: NDArray[np.int64]
    degree: NDArray[np.int64]
    bare: bool


def missing_partners(crystal: Crystal) -> list[str]:
    """Warn of atoms without a partner under an operation that maps most others; hydrogens do not count.

    Parameters
    ----------
    crystal : Crystal
        All atoms of a cell that were listed one by one.
    """
    net = _heavy_net(crystal)
    heavy, symbols, (tree, owner) = net.atoms, np.array(net.atoms.symbols), _surroundings(net.atoms)
    best: tuple[float, Counter[str]] = (_MOST, Counter())
    for element, count in Counter(heavy.symbols).items():
        if not 2 <= count <= _MAX_ATOMS:
            continue
        for rotation, translation in _operations(heavy.cell, heavy.frac_coords[symbols == element]):
            distance, index = tree.query(wrap(heavy.frac_coords @ rotation.T + translation) @ heavy.cell)
            matched = (distance < _SAME) & (symbols[owner[index]] == symbols)
            share, empty = float(matched.mean()), distance > _EMPTY
            if share > best[0] and empty.any():
                lost = empty & _at_broken_bonds(net, matched, owner[index])
                best = (share, Counter(symbols[lost].tolist())) if lost.any() else best
    if not best[1]:
        return []
    names = ", ".join(f"{n} {symbol}" for symbol, n in sorted(best[1].items()))
    return [
        f"{WARNING}an operation that maps {100 * best[0]:.0f} % of the atoms takes {names} to places where no atom is: "
        "atoms may be lost"
    ]


def _heavy_net(crystal: Crystal) -> _Net:
    bond, symbols = bonds(crystal), np.array(crystal.symbols)
    heavy = symbols != "H"
    number = np.cumsum(heavy) - 1
    among = bond.select(heavy[bond.a] & heavy[bond.b])
    return _Net(
        atoms=crystal.select(heavy),
        a=number[among.a],
        b=number[among.b],
        degree=np.bincount(bond.a, minlength=len(crystal))[heavy],
        bare=not ((symbols[bond.a] == "C") & (symbols[bond.b] == "H")).any(),
    )


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


def _at_broken_bonds(net: _Net, matched: NDArray[np.bool_], partner: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Atoms without a partner in pieces that end at an atom whose partner has fewer bonds, (n_atoms,).

    So do pieces that end nowhere. Without hydrogens a group with one bond to a non-metal may stand for one.
    """
    a, b, n_atoms = net.a, net.b, len(matched)
    inside, edge = ~matched[a] & ~matched[b], ~matched[a] & matched[b]
    piece = connected(n_atoms, a[inside], b[inside])
    of_edge, end = piece[a[edge]], b[edge]
    broken = net.degree[partner[end]] < net.degree[end]
    if net.bare:
        broken &= (np.bincount(of_edge, minlength=n_atoms)[of_edge] > 1) | net.atoms.metals[end]
    return ~matched & (np.isin(piece, of_edge[broken]) | ~np.isin(piece, of_edge))
