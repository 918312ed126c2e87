"""Merge or eliminate basins that are left too quickly to be sites of their own, one symmetry orbit at a time.

A basin whose lowest saddle lies less than `merge_barrier` above it makes most of the events of a simulation and little
of the transport. Two reductions remove it where they keep the slow dynamics:

- Merging: the hops over its lowest saddle are contracted. The clusters must be finite; they must be in internal
  equilibrium, so that either every internal barrier seen from the deepest member is below `merge_barrier`, or one
  deepest member carries shallow satellites; at most one member may have other exits less than kT (300 K) above the
  internal saddle, because the others would be left before they equilibrate; and there must be no room for two ions,
  because a site holds one.
- Elimination: a hub, a shallow basin between several deep ones whose saddles are all equal, is replaced by hops between
  its neighbours with weights w_i w_j / Σ w, exact for the flux at every temperature (graph transformation: Wales, Int.
  Rev. Phys. Chem. 25, 237 (2006)). What is neglected is the time spent on the hub, a share of the order of
  exp(-2 merge_barrier / kT) because hubs are that much shallower than their neighbours.

A basin that fits neither stays a site.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lattice.graph import Edges, IntArray, SiteGraph
from lattice.percolation import Image, PeriodicForest
from lattice.symmetry import Action, wrap
from structures.species import Species
from structures.units import BOLTZMANN, COULOMB

EQUAL = 1e-6  # eV
EXIT_GAP = 300.0 * BOLTZMANN  # eV, an internal saddle this far below the exits adds at most 15 % to their resistance
SECOND_ION = 0.25  # eV, ten kT at 300 K; a second ion that costs more is never there


@dataclass(frozen=True, eq=False, slots=True)
class Crowding:
    """What it costs to have two ions of one species on the basins of one site.

    Attributes
    ----------
    cell : (3, 3) float64, Å
    frac : (n_basins, 3) float64
    energy : (n_basins,) float64, eV
        Of all basins, in the numbering of `SiteGraph.members`.
    contact : float, Å
        Two ions never come closer.
    repulsion : float, eV Å
        q² k_e / eps_r
    """

    cell: NDArray[np.float64]
    frac: NDArray[np.float64]
    energy: NDArray[np.float64]
    contact: float
    repulsion: float

    @classmethod
    def of(cls, species: Species, basins: SiteGraph, cell: NDArray[np.float64], permittivity: float) -> Crowding:
        """Hard contact and screened Coulomb repulsion of a species."""
        repulsion = species.charge**2 * COULOMB / permittivity
        return cls(cell, basins.frac, basins.energy, 2.0 * species.contact_radius, repulsion)

    def second_ion(self, members: tuple[tuple[int, Image], ...]) -> float:
        """Lowest energy of two ions on the members above that of two far apart on the deepest member, eV."""
        basin = np.array([number for number, _ in members])
        frac = self.frac[basin] + np.array([image for _, image in members])
        energy = self.energy[basin] - self.energy[basin].min()
        a, b = np.triu_indices(len(basin), k=1)
        distance = np.linalg.norm((frac[a] - frac[b]) @ self.cell, axis=1)
        cost = energy[a] + energy[b] + self.repulsion / np.maximum(distance, EQUAL)
        return float(cost[distance >= self.contact].min(initial=np.inf))


def simplify(graph: SiteGraph, crowding: Crowding, *, merge_barrier: float) -> tuple[SiteGraph, tuple[str, ...]]:
    """Merge and eliminate short-lived basins until none is left that can be.

    Parameters
    ----------
    graph : SiteGraph
    crowding : Crowding
    merge_barrier : float, eV
        Basins with a lower escape barrier are candidates, shortest-lived first.

    Returns
    -------
    graph : SiteGraph
    notes : tuple of str
        One line for each orbit that went.

    Raises
    ------
    ValueError
        If the percolation energies changed, which no reduction may do.
    """
    before = graph.percolation()
    notes: list[str] = []
    while True:
        step = _first_reduction(graph, crowding, merge_barrier)
        if step is None:
            break
        graph, note = step
        notes.append(note)
    after = graph.percolation()
    if not np.allclose(before, after, rtol=0.0, atol=1e-5, equal_nan=True):
        raise ValueError(f"percolation energies must not change by merging; got {after} eV after {before} eV")
    return graph, tuple(notes)


def _first_reduction(graph: SiteGraph, crowding: Crowding, merge_barrier: float) -> tuple[SiteGraph, str] | None:
    barrier = graph.escape() - graph.energy
    representatives = np.unique(graph.orbit, return_index=True)[1]
    shallow = [int(site) for site in representatives if barrier[site] < merge_barrier]
    for site in sorted(shallow, key=lambda s: (round(float(barrier[s]), 9), s)):
        orbit = int(graph.orbit[site])
        what = (
            f"{int((graph.orbit == orbit).sum())} basins at {graph.energy[site]:.3f} eV, barrier {barrier[site]:.3f} eV"
        )
        merged = _merge(graph, orbit, crowding, merge_barrier)
        if merged is not None:
            return merged, f"merged into neighbours: {what}"
        eliminated = _eliminate(graph, orbit, merge_barrier)
        if eliminated is not None:
            return eliminated, f"hubs eliminated by graph transformation: {what}"
    return None


@dataclass(frozen=True, eq=False, slots=True)
class Clusters:
    """Groups of sites to be merged.

    Attributes
    ----------
    number : (n_sites,) int64
        Cluster of each site; sites that stay alone are clusters of one.
    cell : (n_sites, 3) int64
        Cell of the site when its cluster's root is in the home cell.
    finite : bool
        No cluster meets a periodic image of itself.
    """

    number: IntArray
    cell: IntArray
    finite: bool


def _merge(graph: SiteGraph, orbit: int, crowding: Crowding, merge_barrier: float) -> SiteGraph | None:
    for contracted in _attempts(graph, orbit, merge_barrier):
        clusters = _clusters(graph, contracted)
        if clusters.finite and _equilibrates(graph, orbit, clusters, contracted, merge_barrier):
            merged = contract(graph, clusters)
            grown = clusters.number[graph.orbit == orbit]
            if all(crowding.second_ion(merged.members[c]) > SECOND_ION for c in grown):
                return merged
    return None


def _attempts(graph: SiteGraph, orbit: int, merge_barrier: float) -> Iterator[NDArray[np.bool_]]:
    """Yield sets of edges to contract: over the lowest saddle of the orbit, then all below a rising level around it."""
    saddle = graph.saddle
    touches = (graph.orbit[graph.edges.a] == orbit) | (graph.orbit[graph.edges.b] == orbit)
    lowest = saddle[touches].min()
    yield touches & (saddle < lowest + EQUAL)
    top = graph.energy[graph.orbit == orbit][0] + merge_barrier
    for level in np.unique(saddle[(saddle >= lowest) & (saddle < top)]):
        below = saddle < level + EQUAL
        clusters = _clusters(graph, below)
        around = np.isin(clusters.number, clusters.number[graph.orbit == orbit])
        yield below & around[graph.edges.a]


def _clusters(graph: SiteGraph, contracted: NDArray[np.bool_]) -> Clusters:
    forest = PeriodicForest.of_size(graph.n_sites)
    edges = graph.edges.only(contracted)
    for a, b, (u, v, w) in zip(edges.a.tolist(), edges.b.tolist(), edges.image.tolist(), strict=True):
        forest.join(a, b, (u, v, w))
    found = [forest.find(site) for site in range(graph.n_sites)]
    _, number = np.unique([root for root, _ in found], return_inverse=True)
    return Clusters(number.astype(np.int64), -np.array([s for _, s in found], np.int64), not forest.loops)


def _equilibrates(
    graph: SiteGraph, orbit: int, clusters: Clusters, contracted: NDArray[np.bool_], merge_barrier: float
) -> bool:
    """Whether the sites of every cluster stay in equilibrium with each other while the cluster is occupied."""
    n = clusters.number.max() + 1
    deepest = np.full(n, np.inf)
    np.minimum.at(deepest, clusters.number, graph.energy)
    inner = np.full(n, -np.inf)
    np.maximum.at(inner, clusters.number[graph.edges.a[contracted]], graph.saddle[contracted])
    size = np.bincount(clusters.number, minlength=n)

    is_deepest = graph.energy < deepest[clusters.number] + EQUAL
    n_deepest = np.bincount(clusters.number, weights=is_deepest, minlength=n)
    foreign = np.bincount(clusters.number, weights=~is_deepest & (graph.orbit != orbit), minlength=n)
    fast = inner - deepest < merge_barrier
    star = (n_deepest == 1) & (foreign == 0)

    exit_saddle = np.full(graph.n_sites, np.inf)
    for end in (graph.edges.a, graph.edges.b):
        np.minimum.at(exit_saddle, end[~contracted], graph.saddle[~contracted])
    early = exit_saddle < inner[clusters.number] + EXIT_GAP
    ports = np.bincount(clusters.number, weights=early, minlength=n)
    return bool(((size == 1) | ((fast | star) & (ports <= 1))).all())


def contract(graph: SiteGraph, clusters: Clusters) -> SiteGraph:
    """Replace each cluster by one site at its deepest member, or at the mean of equally deep ones.

    Parameters
    ----------
    graph : SiteGraph
    clusters : Clusters
        Finite, and closed under the symmetry operations.
    """
    n = int(clusters.number.max()) + 1
    frac, energy = np.empty((n, 3)), np.empty(n)
    cell = clusters.cell.copy()
    members: list[tuple[tuple[int, Image], ...]] = []
    first = np.unique(clusters.number, return_index=True)[1]
    for c in range(n):
        sites = np.flatnonzero(clusters.number == c)
        energy[c] = graph.energy[sites].min()
        deep = sites[graph.energy[sites] < energy[c] + EQUAL]
        centre = (graph.frac[deep] + cell[deep]).mean(axis=0)
        frac[c] = wrap(centre)
        cell[sites] -= np.rint(centre - frac[c]).astype(np.int64)
        members.append(
            tuple((i, _sum(image, cell[site])) for site in sites.tolist() for i, image in graph.members[site])
        )
    moved = graph.action.site[:, first]
    image = graph.action.rotations @ cell[first].T
    action = Action(
        graph.action.rotations,
        clusters.number[moved],
        image.transpose(0, 2, 1) + graph.action.image[:, first] - cell[moved],
    )
    return SiteGraph(
        frac=frac,
        energy=energy,
        orbit=orbits_of(action),
        members=tuple(members),
        action=action,
        edges=graph.edges.relabelled(clusters.number, -cell),
        level_energy=graph.level_energy,
    )


def _sum(image: Image, cell: IntArray) -> Image:
    return image[0] + int(cell[0]), image[1] + int(cell[1]), image[2] + int(cell[2])


def orbits_of(action: Action) -> IntArray:
    """Orbit of every site under the operations, numbered by first appearance, (n_sites,) int64."""
    return np.unique(action.site.min(axis=0), return_inverse=True)[1].astype(np.int64)


def _eliminate(graph: SiteGraph, orbit: int, merge_barrier: float) -> SiteGraph | None:
    edges, saddle = graph.edges, graph.saddle
    a_hub, b_hub = graph.orbit[edges.a] == orbit, graph.orbit[edges.b] == orbit
    touches = a_hub | b_hub
    if (a_hub & b_hub).any() or np.ptp(saddle[touches]) > EQUAL:
        return None
    neighbours = np.where(a_hub, edges.b, edges.a)[touches]
    hub_energy = graph.energy[graph.orbit == orbit][0]
    if hub_energy - graph.energy[neighbours].max() < 2.0 * merge_barrier:
        return None
    return eliminate(graph, graph.orbit == orbit)


def eliminate(graph: SiteGraph, hub: NDArray[np.bool_]) -> SiteGraph:
    """Replace sites that touch no other of the same kind, and whose saddles are all equal, by hops past them.

    A hop i - hub - j gets the weight w_i w_j / Σ w and the common saddle. Returns to the same site and cell are no
    hops; returns to a periodic image are.

    Parameters
    ----------
    graph : SiteGraph
    hub : (n_sites,) bool
        A whole orbit.
    """
    edges = graph.edges
    touches = hub[edges.a] | hub[edges.b]
    level = len(graph.level_energy)
    a, b, image, weight = [], [], [], []
    for site in np.flatnonzero(hub):
        out, back = edges.a == site, edges.b == site
        target = np.concatenate([edges.b[out], edges.a[back]])
        cell = np.concatenate([edges.image[out], -edges.image[back]])
        w = np.concatenate([edges.weight[out], edges.weight[back]])
        one, other = np.triu_indices(len(target), k=1)
        a.append(target[one])
        b.append(target[other])
        image.append(cell[other] - cell[one])
        weight.append(w[one] * w[other] / w.sum())
    ends = np.concatenate(a)
    past = Edges.collect(
        ends, np.concatenate(b), np.concatenate(image), np.full(len(ends), level), np.concatenate(weight)
    )
    energies = np.append(graph.level_energy, graph.saddle[touches].max())
    return graph.with_edges(edges.only(~touches).plus(past), energies).restricted(~hub)
