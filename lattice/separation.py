"""Slow down hops that are in equilibrium long before anything crosses the crystal.

Ions that rattle among the sites of one ring or cage make nearly all events of a simulation and no transport. Above
the conductance at which a site's surroundings first reach around the cell all motion is local. Saddles of hops that
exceed that conductance by more than a factor exp(separation) are raised until they exceed it by just that: partition
functions, and with them all equilibrium averages and detailed balance, stay exact, and a local hop is still
exp(separation) times faster than the crossing it prepares.
A. Chatterjee and A. F. Voter, J. Chem. Phys. 132, 194101 (2010).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lattice.network import PoreNetwork
from lattice.percolation import PeriodicForest
from lattice.temperatures import interpolate
from structures.units import BOLTZMANN


def separate(network: PoreNetwork, separation_kT: float, temperature: float) -> PoreNetwork:
    """Raise the saddles of hops that are fast against every crossing of the crystal.

    Parameters
    ----------
    network : PoreNetwork
    separation_kT : float
        In multiples of kT: the same rattles are slowed by the same share of a crossing at every temperature.
    temperature : float, K

    Returns
    -------
    PoreNetwork
        With rates at this temperature only.

    Raises
    ------
    ValueError
        If the separation is not positive.
    """
    if not separation_kT > 0:
        raise ValueError(f"separation must be positive; got {separation_kT:g} kT")
    conductance = interpolate(network.temperatures, network.hop_log_conductance, temperature)
    partition = interpolate(network.temperatures, network.site_log_partition, temperature)
    limit = crossing_levels(network, conductance) + separation_kT
    slowed = np.where(np.isfinite(limit), np.minimum(conductance, limit), conductance)
    return replace(
        network,
        temperatures=np.array([temperature]),
        site_log_partition=partition[:, None],
        hop_log_conductance=slowed[:, None],
        hop_saddle=network.hop_saddle + BOLTZMANN * temperature * (conductance - slowed),
    )


def crossing_levels(network: PoreNetwork, conductance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Conductance at which the sites that each hop connects are first part of a path around the cell, (n_hops,), ln C.

    Hops are opened from the highest conductance down. Minus infinity for a hop in a part of the network that never
    crosses the crystal.

    Parameters
    ----------
    network : PoreNetwork
    conductance : (n_hops,) float64
        ln C at one temperature.
    """
    crossing = np.full(len(conductance), -np.inf)
    forest = PeriodicForest.of_size(network.n_sites)
    origin, target, image = network.hop_origin.tolist(), network.hop_target.tolist(), network.hop_image.tolist()
    waiting: set[int] = set()
    levels, level_of = np.unique(-conductance, return_inverse=True)
    for number, level in enumerate(levels):
        for hop in np.flatnonzero(level_of == number).tolist():
            u, v, w = image[hop]
            forest.join(origin[hop], target[hop], (u, v, w))
            waiting.add(hop)
        done = {hop for hop in waiting if forest.rank(forest.find(origin[hop])[0])}
        crossing[list(done)] = -level
        waiting -= done
    return crossing
