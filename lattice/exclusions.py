"""Pairs of sites too close to be occupied together."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray


def exclusions(
    cell: NDArray[np.float64], frac: NDArray[np.float64], radius: NDArray[np.float64]
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    """Find all pairs of sites, periodic images included, nearer than the sum of their contact radii.

    Parameters
    ----------
    cell : (3, 3) float64, Å
    frac : (n_sites, 3) float64
    radius : (n_sites,) float64, Å
        Contact radius of the species that each site belongs to.

    Returns
    -------
    a, b : (n_pairs,) int32
        Both directions of every pair; sorted.
    image : (n_pairs, 3) int32
        Cell of b when a is in the home cell. A site never excludes itself, but may exclude its own periodic image.
    """
    contact = radius[:, None] + radius[None, :]
    offset = frac[None, :] - frac[:, None]
    heights = 1.0 / np.linalg.norm(np.linalg.inv(cell), axis=0)
    span = np.ptp(frac, axis=0) if len(frac) else np.zeros(3)
    reach = np.floor(2.0 * radius.max(initial=0.0) / heights + span).astype(int)
    found = [np.zeros((0, 5), np.int64)]
    for image in product(*(range(-n, n + 1) for n in reach)):
        near = np.linalg.norm((offset + np.array(image)) @ cell, axis=2) < contact
        if not any(image):
            np.fill_diagonal(near, False)
        pairs = np.argwhere(near)
        found.append(np.column_stack([pairs, np.broadcast_to(np.array(image), (len(pairs), 3))]))
    rows = np.concatenate(found)
    ordered: NDArray[np.int32] = rows[np.lexsort(rows.T[::-1])].astype(np.int32)
    return ordered[:, 0], ordered[:, 1], ordered[:, 2:5]
