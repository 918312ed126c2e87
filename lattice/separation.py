"""Slow down hops that are in equilibrium long before anything crosses the crystal.

Ions that rattle among the sites of one ring or cage make nearly all events of a simulation and no transport. Below
the level at which a site's surroundings first reach around the cell all motion is local. Saddles more than `separation`
below that level are raised to it minus `separation`: energies, and with them all equilibrium averages, stay exact, and
a local hop is still exp(separation / kT) times faster than the crossing it prepares. A. Chatterjee and A. F. Voter,
J. Chem. Phys. 132, 194101 (2010).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lattice.graph import SiteGraph
from lattice.percolation import PeriodicForest


def separate(graph: SiteGraph, separation: float) -> tuple[SiteGraph, tuple[str, ...]]:
    """Raise the saddles of hops that are fast against every crossing of the crystal.

    Parameters
    ----------
    graph : SiteGraph
    separation : float, eV

    Returns
    -------
    graph : SiteGraph
    notes : tuple of str
    """
    limit = crossing_levels(graph)[graph.edges.level] - separation
    raised = np.flatnonzero(graph.saddle < limit)
    if not raised.size:
        return graph, ()
    energy = graph.level_energy.copy()
    energy[graph.edges.level[raised]] = limit[raised]
    levels = len(np.unique(graph.edges.level[raised]))
    line = f"local hops slowed to {separation:g} eV below the crossing of the crystal: {levels} orbits"
    return graph.with_edges(graph.edges, energy), (line,)


def crossing_levels(graph: SiteGraph) -> NDArray[np.float64]:
    """Energy at which the sites that each saddle connects are first part of a path around the cell, (n_levels,), eV.

    Infinite for levels without edges, or without such a path.
    """
    crossing = np.full(len(graph.level_energy), np.inf)
    forest = PeriodicForest.of_size(graph.n_sites)
    a, b, image = graph.edges.a.tolist(), graph.edges.b.tolist(), graph.edges.image.tolist()
    waiting: set[int] = set()
    for level in np.argsort(graph.level_energy, kind="stable"):
        for n in np.flatnonzero(graph.edges.level == level).tolist():
            u, v, w = image[n]
            forest.join(a[n], b[n], (u, v, w))
            waiting.add(n)
        done = {n for n in waiting if forest.rank(forest.find(a[n])[0])}
        for n in done:
            crossing[graph.edges.level[n]] = graph.level_energy[level]
        waiting -= done
    return crossing
