"""Slow down hops that are in equilibrium long before anything crosses the crystal.

Ions that rattle among the sites of one ring or cage make nearly all events of a simulation and no transport. Below
the level at which a site's surroundings first reach around the cell all motion is local. Saddles more than a separation
below that level are raised to it minus the separation: site energies, and with them all equilibrium averages and
detailed balance, stay exact, and a local hop is still exp(separation / kT) times faster than the crossing it prepares.
A. Chatterjee and A. F. Voter, J. Chem. Phys. 132, 194101 (2010).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lattice.network import PoreNetwork
from lattice.percolation import PeriodicForest


def separate(network: PoreNetwork, separation: float) -> PoreNetwork:
    """Raise the saddles of hops that are fast against every crossing of the crystal.

    Parameters
    ----------
    network : PoreNetwork
    separation : float, eV
        A fixed multiple of kT slows the same rattles by the same share of a crossing at every temperature.

    Raises
    ------
    ValueError
        If the separation is not positive.
    """
    if not separation > 0:
        raise ValueError(f"separation must be positive; got {separation:g} eV")
    limit = crossing_levels(network) - separation
    return replace(
        network, hop_saddle=np.where(np.isfinite(limit), np.maximum(network.hop_saddle, limit), network.hop_saddle)
    )


def crossing_levels(network: PoreNetwork) -> NDArray[np.float64]:
    """Energy at which the sites that each hop connects are first part of a path around the cell, (n_hops,), eV.

    Infinite for a hop in a part of the network that never crosses the crystal.
    """
    crossing = np.full(len(network.hop_saddle), np.inf)
    forest = PeriodicForest.of_size(network.n_sites)
    origin, target, image = network.hop_origin.tolist(), network.hop_target.tolist(), network.hop_image.tolist()
    waiting: set[int] = set()
    for level in np.unique(network.hop_saddle):
        for hop in np.flatnonzero(network.hop_saddle == level).tolist():
            u, v, w = image[hop]
            forest.join(origin[hop], target[hop], (u, v, w))
            waiting.add(hop)
        done = {hop for hop in waiting if forest.rank(forest.find(origin[hop])[0])}
        crossing[list(done)] = level
        waiting -= done
    return crossing
