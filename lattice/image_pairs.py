"""Pairs of points in a crystal that lie near each other, through all periodic images."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray


def image_pairs(
    cell: NDArray[np.float64], frac: NDArray[np.float64], limit: NDArray[np.float64] | float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Find all pairs of points, periodic images included, nearer than their limit; complete in any cell.

    Parameters
    ----------
    cell : (3, 3) float64, Å
    frac : (n_points, 3) float64
    limit : (n_points, n_points) float64 or float, Å
        Symmetric.

    Returns
    -------
    links : (n_pairs, 5) int64
        a, b and the cell of b when a is in the home cell. Every pair once: a < b, or a == b and the image's first
        non-zero entry is positive. Sorted.
    distance : (n_pairs,) float64, Å
    """
    a, b = np.triu_indices(len(frac))
    offset = frac[b] - frac[a]
    nearer = np.broadcast_to(np.asarray(limit, np.float64), (len(frac), len(frac)))[a, b]
    heights = 1.0 / np.linalg.norm(np.linalg.inv(cell), axis=0)
    span = np.ptp(frac, axis=0) if len(frac) else np.zeros(3)
    reach = np.floor(nearer.max(initial=0.0) / heights + span).astype(int)
    links, distances = [np.zeros((0, 5), np.int64)], [np.zeros(0)]
    for image in product(*(range(-n, n + 1) for n in reach)):
        distance = np.linalg.norm((offset + np.array(image)) @ cell, axis=1)
        near = distance < nearer
        if image <= (0, 0, 0):
            near &= a != b
        found = np.flatnonzero(near)
        links.append(np.column_stack([a[found], b[found], np.tile(image, (len(found), 1))]).astype(np.int64))
        distances.append(distance[found])
    rows = np.concatenate(links)
    order = np.lexsort(rows.T[::-1])
    return rows[order], np.concatenate(distances)[order]


def both_ways(links: NDArray[np.int64]) -> NDArray[np.int64]:
    """Links (n, 5) and their reverses, in this order, (2n, 5)."""
    return np.concatenate([links, np.column_stack([links[:, 1], links[:, 0], -links[:, 2:]])])
