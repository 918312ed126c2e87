"""Jitted loop that divides a patch of a surface among the minima in it."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def _root(parent, p):
    """Find the minimum that stands for p's; the path to it is halved, `parent` modified in place."""
    while parent[p] != p:
        parent[p] = parent[parent[p]]
        p = parent[p]
    return p


@njit(cache=True, nogil=True)
def share_of_descent(order, energy, neighbour, conductance, stationary, origin):
    """Share of the steepest descent from every point that ends in the minimum of one of them.

    A point hands its descent on to its lower neighbours in proportion to the slope towards them times the edge of the
    cell that it crosses, which leaves no trace of the directions of the lattice: M. Yu and D. R. Trinkle, J. Chem.
    Phys. 134, 064111 (2011). A minimum of the lattice that is none of the potential joins the one it meets first.

    Parameters
    ----------
    order : (n,) int64
        Points in ascending energy.
    energy : (n,) float64, eV
    neighbour : (n, 8) int64
        -1 where the energy is not known.
    conductance : (8,) float64
        Edge over distance; 0 for the diagonals, which serve only where none of the others is lower.
    stationary : (n,) bool
        Whether the potential has a minimum in the point's cell.
    origin : int

    Returns
    -------
    share : (n,) float64, from 0 to 1
    """
    n = len(order)
    parent = np.full(n, -1, np.int64)
    lowest = np.zeros(n, np.bool_)
    real = np.zeros(n, np.bool_)
    for p in order:
        first = -1
        open_end = False
        for m in range(8):
            q = neighbour[p, m]
            if q < 0:
                open_end = True
                continue
            if parent[q] < 0:
                continue
            root = _root(parent, q)
            if first < 0:
                first = root
            elif root != first and not (real[first] and real[root]):
                keep, drop = (root, first) if real[root] else (first, root)
                parent[drop] = keep
                first = keep
        if first < 0:
            lowest[p] = True
            real[p] = open_end or stationary[p] or p == origin
            parent[p] = p
        else:
            parent[p] = first
    home = _root(parent, origin)
    share = np.zeros(n)
    done = np.zeros(n, np.bool_)
    for p in order:
        if lowest[p]:
            share[p] = 1.0 if _root(parent, p) == home else 0.0
        else:
            flow = total = diagonal = 0.0
            count = 0
            for m in range(8):
                q = neighbour[p, m]
                if q < 0 or not done[q]:
                    continue
                slope = conductance[m] * (energy[p] - energy[q])
                flow += slope * share[q]
                total += slope
                diagonal += share[q]
                count += 1
            share[p] = flow / total if total > 0.0 else diagonal / count
        done[p] = True
    return share
