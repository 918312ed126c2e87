"""Pairs of sites too close to be occupied together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lattice.image_pairs import both_ways, image_pairs


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
    links = both_ways(image_pairs(cell, frac, radius[:, None] + radius[None, :])[0])
    ordered: NDArray[np.int32] = links[np.lexsort(links.T[::-1])].astype(np.int32)
    return ordered[:, 0], ordered[:, 1], ordered[:, 2:5]
