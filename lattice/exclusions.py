"""Pairs of sites too close to be occupied together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lattice.ewald_kernels import COINCIDENCE
from lattice.image_pairs import both_ways, image_pairs
from lattice.network import PoreNetwork


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


def without_contacts(network: PoreNetwork) -> PoreNetwork:
    """Drop the exclusions that come from contact radii.

    Sites of two ions nearer than 0.5 Å, for which no pair energy is tabulated, are one place and stay exclusive.
    """
    a, b = network.exclusion_a, network.exclusion_b
    apart = (network.site_frac[b] + network.exclusion_image - network.site_frac[a]) @ network.cell
    kept = np.linalg.norm(apart, axis=1) < COINCIDENCE
    line = (
        f"contact exclusions are switched off: {(~kept).sum() // 2} pairs of sites per cell, which the contact radii "
        f"of the ions forbid, may be occupied together; one ion on a site, and on sites nearer than {COINCIDENCE:g} Å "
        f"({kept.sum() // 2} pairs), stays"
    )
    return replace(
        network,
        exclusion_a=a[kept],
        exclusion_b=b[kept],
        exclusion_image=network.exclusion_image[kept],
        provenance=(*network.provenance, line),
    )
