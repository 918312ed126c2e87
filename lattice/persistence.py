"""Remove basins that are left too quickly to be sites of their own, one symmetry orbit at a time.

A basin whose lowest saddle lies less than `barrier` above it makes most of the events of a simulation and little of the
transport. Two reductions remove it; both act on whole orbits, so that no symmetry is lost:

- Elimination: a transient basin, which holds little weight beside its neighbours, is replaced by hops past it with the
  conductances C_i C_j / Σ C (graph transformation: Wales, Int. Rev. Phys. Chem. 25, 237 (2006); the star-mesh transform
  of resistor networks), and its weight goes to the neighbours in the shares C_i / Σ C in which they are reached. The
  diffusion tensor of a lone ion stays exactly what it was, at every temperature.
- Merging: the hops over its lowest saddle are contracted, and the partition functions add. The clusters must be finite;
  they must be in internal equilibrium, so that either every internal barrier seen from the deepest member is below
  `barrier`, or one deepest member carries shallow satellites; at most one member may have other exits less than kT
  above the internal saddle, because the others would be left before they equilibrate; and there must be no room for two
  ions, because a site holds one.

Merging takes the resistance inside a cluster for nothing. It is undone where the diffusion tensor of a lone ion would
leave a tolerance around the one that it had in the beginning. A basin that fits neither reduction stays a site.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from lattice.graph import Edges, IntArray, SiteGraph, log_sum
from lattice.percolation import Image, PeriodicForest
from lattice.screening import as_tensor, screened_inverse
from lattice.symmetry import Action
from structures.crystal import wrap
from structures.species import Species
from structures.units import BOLTZMANN, COULOMB

EQUAL = 1e-6  # eV
SECOND_ION = 10.0  # kT at the highest temperature; a second ion that costs more is never there
NO_MOTION = 1e-12  # of the largest component of a diffusion tensor
TRANSIENT = 0.1  # largest weight of an eliminated basin beside all its neighbours
MOST_NEIGHBOURS = 12  # an eliminated basin with n neighbours leaves n (n - 1) / 2 hops


@dataclass(frozen=True, eq=False, slots=True)
class Limits:
    """What may be removed.

    Attributes
    ----------
    barrier : float, eV
        Basins with a lower escape barrier are candidates, shortest-lived first.
    exit_gap : float, eV
        kT at the highest temperature, see above.
    tolerance : float
        Largest relative change of the diffusion tensor of a lone ion in any direction.
    diffusivity : tuple of (3, 3) float64 arrays
        Of the network with all basins, at the lowest and the highest temperature.
    """

    barrier: float
    exit_gap: float
    tolerance: float
    diffusivity: tuple[NDArray[np.float64], NDArray[np.float64]]

    def changes(self, graph: SiteGraph, cell: NDArray[np.float64]) -> tuple[float, float]:
        """Relative changes of the diffusion tensor at the lowest and the highest temperature, with their signs."""
        lowest, highest = (
            relative_change(D, graph.diffusivity(cell, n)) for n, D in zip((0, -1), self.diffusivity, strict=True)
        )
        return lowest, highest


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
    coupling : float, eV Å
        q² k_e
    permittivity : (3, 3) float64
    """

    cell: NDArray[np.float64]
    frac: NDArray[np.float64]
    energy: NDArray[np.float64]
    contact: float
    coupling: float
    permittivity: NDArray[np.float64]

    @classmethod
    def of(cls, species: Species, basins: SiteGraph, cell: NDArray[np.float64], permittivity: ArrayLike) -> Crowding:
        """Hard contact and screened Coulomb repulsion of a species."""
        coupling = species.charge**2 * COULOMB
        return cls(cell, basins.frac, basins.energy, 2.0 * species.contact_radius, coupling, as_tensor(permittivity))

    def second_ion(self, members: tuple[tuple[int, Image], ...]) -> float:
        """Lowest energy of two ions on the members above that of two far apart on the deepest member, eV."""
        basin = np.array([number for number, _ in members])
        frac = self.frac[basin] + np.array([image for _, image in members])
        energy = self.energy[basin] - self.energy[basin].min()
        a, b = np.triu_indices(len(basin), k=1)
        vector = (frac[a] - frac[b]) @ self.cell
        apart = np.linalg.norm(vector, axis=1) >= max(self.contact, EQUAL)
        cost = (energy[a] + energy[b])[apart] + self.coupling * screened_inverse(vector[apart], self.permittivity)
        return float(cost.min(initial=np.inf))


def simplify(
    graph: SiteGraph, crowding: Crowding, temperatures: NDArray[np.float64], *, barrier: float, tolerance: float
) -> tuple[SiteGraph, tuple[str, ...]]:
    """Eliminate and merge short-lived basins until none is left that can be.

    Parameters
    ----------
    graph : SiteGraph
    crowding : Crowding
    temperatures : (n_temperatures,) float64, K
        Those of the graph's partition functions, ascending.
    barrier : float, eV
        Basins with a lower escape barrier are candidates, shortest-lived first.
    tolerance : float
        Largest relative change of the diffusion tensor of a lone ion in any direction, at the lowest and the highest
        temperature.

    Returns
    -------
    graph : SiteGraph
    notes : tuple of str
        One line for each orbit that went, and one with the change of the diffusion tensor.

    Raises
    ------
    ValueError
        If the percolation energies changed, which no reduction may do.
    """
    cell = crowding.cell
    reference = graph.diffusivity(cell, 0), graph.diffusivity(cell, -1)
    limits = Limits(barrier, BOLTZMANN * float(temperatures[-1]), tolerance, reference)
    reduced, notes, refused = graph, [], set[frozenset[int]]()
    while True:
        step = _first_reduction(reduced, crowding, limits, refused)
        if step is None:
            break
        reduced, note = step
        notes.append(note)
    before, after = graph.percolation(), reduced.percolation()
    if not np.allclose(before, after, rtol=0.0, atol=1e-5, equal_nan=True):
        raise ValueError(f"percolation energies must not change by merging; got {after} eV after {before} eV")
    left = int((reduced.escape() - reduced.energy < barrier).sum())
    if left:
        notes.append(f"left over less than {barrier:.3f} eV and kept, because neither reduction fits: {left} sites")
    if reduced is graph:
        return graph, tuple(notes)
    pairs = zip(limits.changes(reduced, cell), temperatures[[0, -1]], strict=True)
    line = (
        f"short-lived basins removed (barrier below {barrier:.3f} eV): {graph.n_sites} basins to {reduced.n_sites} "
        "sites; percolation energies unchanged; D of a lone ion changed by "
        + ", ".join(f"{100 * change:+.2g} % at {T:.0f} K" for change, T in pairs)
        + f", tolerance {100 * tolerance:g} %"
    )
    return reduced, (*notes, line)


def relative_change(before: NDArray[np.float64], after: NDArray[np.float64]) -> float:
    """Largest relative change of a diffusion tensor in any direction in which there was motion before, with its sign.

    The eigenvalue farthest from zero of D^(-1/2) D' D^(-1/2) - 1 on the range of D.
    """
    values, axes = np.linalg.eigh(before)
    moving = values > NO_MOTION * max(values[-1], 0.0)
    if not moving.any():
        return 0.0
    scaled = axes[:, moving] / np.sqrt(values[moving])
    changes = np.linalg.eigvalsh(scaled.T @ after @ scaled) - 1.0
    return float(changes[np.abs(changes).argmax()])


def _first_reduction(
    graph: SiteGraph, crowding: Crowding, limits: Limits, refused: set[frozenset[int]]
) -> tuple[SiteGraph, str] | None:
    """Remove the shortest-lived orbit that can go; what cannot be merged is added to `refused`, in place."""
    barrier = graph.escape() - graph.energy
    representatives = np.unique(graph.orbit, return_index=True)[1]
    shallow = [int(site) for site in representatives if barrier[site] < limits.barrier]
    for site in sorted(shallow, key=lambda s: (round(float(barrier[s]), 9), s)):
        orbit = int(graph.orbit[site])
        what = (
            f"{int((graph.orbit == orbit).sum())} basins at {graph.energy[site]:.3f} eV, barrier {barrier[site]:.3f} eV"
        )
        if _is_transient(graph, orbit):
            return eliminate(graph, graph.orbit == orbit), f"eliminated by graph transformation: {what}"
        content = frozenset(basin for basin, _ in graph.members[site])
        if content in refused:
            continue
        merged = _merge(graph, orbit, crowding, limits)
        if merged is not None:
            return merged, f"merged into neighbours: {what}"
        refused.add(content)
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
    """

    number: IntArray
    cell: IntArray


def _merge(graph: SiteGraph, orbit: int, crowding: Crowding, limits: Limits) -> SiteGraph | None:
    for contracted in _attempts(graph, orbit, limits.barrier):
        clusters = _clusters(graph, contracted)
        if clusters is None:
            break  # larger sets of edges are infinite too
        if _equilibrates(graph, orbit, clusters, contracted, limits):
            merged = contract(graph, clusters)
            grown = clusters.number[graph.orbit == orbit]
            crowded = any(crowding.second_ion(merged.members[c]) <= SECOND_ION * limits.exit_gap for c in grown)
            if not crowded and max(map(abs, limits.changes(merged, crowding.cell))) <= limits.tolerance:
                return merged
    return None


def _attempts(graph: SiteGraph, orbit: int, barrier: float) -> Iterator[NDArray[np.bool_]]:
    """Yield sets of edges to contract: over the lowest saddle of the orbit, then all below a rising level around it."""
    edges, saddle, mine = graph.edges, graph.saddle, graph.orbit == orbit
    touches = mine[edges.a] | mine[edges.b]
    level = saddle[touches].min()
    yield touches & (saddle < level + EQUAL)
    top = graph.energy[mine][0] + barrier
    while level < top:
        below = saddle < level + EQUAL
        links = coo_matrix((np.ones(below.sum()), (edges.a[below], edges.b[below])), shape=(graph.n_sites,) * 2)
        part = connected_components(links, directed=False)[1]
        around = np.isin(part, part[mine])
        yield below & around[edges.a]
        leaving = saddle[around[edges.a] != around[edges.b]]
        level = leaving.min(initial=np.inf)


def _clusters(graph: SiteGraph, contracted: NDArray[np.bool_]) -> Clusters | None:
    """Group the sites that the contracted edges connect; None if a group meets a periodic image of itself."""
    edges = graph.edges.only(contracted)
    involved, ends = np.unique(np.concatenate([edges.a, edges.b]), return_inverse=True)
    forest = PeriodicForest.of_size(len(involved))
    for a, b, (u, v, w) in zip(*ends.reshape(2, -1).tolist(), edges.image.tolist(), strict=True):
        forest.join(a, b, (u, v, w))
        if forest.loops:
            return None
    found = [forest.find(site) for site in range(len(involved))]
    root, cell = np.arange(graph.n_sites), np.zeros((graph.n_sites, 3), np.int64)
    root[involved] = involved[[r for r, _ in found]]
    cell[involved] = [(-u, -v, -w) for _, (u, v, w) in found]
    return Clusters(np.unique(root, return_inverse=True)[1].astype(np.int64), cell)


def _equilibrates(
    graph: SiteGraph, orbit: int, clusters: Clusters, contracted: NDArray[np.bool_], limits: Limits
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
    fast = inner - deepest < limits.barrier
    star = (n_deepest == 1) & (foreign == 0)

    exit_saddle = np.full(graph.n_sites, np.inf)
    for end in (graph.edges.a, graph.edges.b):
        np.minimum.at(exit_saddle, end[~contracted], graph.saddle[~contracted])
    early = exit_saddle < inner[clusters.number] + limits.exit_gap
    ports = np.bincount(clusters.number, weights=early, minlength=n)
    return bool(((size == 1) | ((fast | star) & (ports <= 1))).all())


def contract(graph: SiteGraph, clusters: Clusters) -> SiteGraph:
    """Replace each cluster by one site at its deepest member, or at the mean of equally deep ones.

    Parameters
    ----------
    graph : SiteGraph
    clusters : Clusters
        Closed under the symmetry operations.
    """
    n = int(clusters.number.max()) + 1
    first = np.unique(clusters.number, return_index=True)[1]
    frac, energy, cell = graph.frac[first], graph.energy[first], clusters.cell.copy()
    members = [graph.members[site] for site in first]
    for c in np.flatnonzero(np.bincount(clusters.number) > 1):
        sites = np.flatnonzero(clusters.number == c)
        energy[c] = graph.energy[sites].min()
        deep = sites[graph.energy[sites] < energy[c] + EQUAL]
        centre = (graph.frac[deep] + cell[deep]).mean(axis=0)
        frac[c] = wrap(centre)
        cell[sites] -= np.rint(centre - frac[c]).astype(np.int64)
        members[c] = tuple((i, _sum(image, cell[site])) for site in sites.tolist() for i, image in graph.members[site])
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
        log_partition=log_sum(graph.log_partition, clusters.number, n),
    )


def _sum(image: Image, cell: IntArray) -> Image:
    return image[0] + int(cell[0]), image[1] + int(cell[1]), image[2] + int(cell[2])


def orbits_of(action: Action) -> IntArray:
    """Orbit of every site under the operations, numbered by first appearance, (n_sites,) int64."""
    return np.unique(action.site.min(axis=0), return_inverse=True)[1].astype(np.int64)


def _is_transient(graph: SiteGraph, orbit: int) -> bool:
    """Whether the basins of an orbit hold little weight beside their neighbours, which are few and are other basins."""
    site = int(np.flatnonzero(graph.orbit == orbit)[0])
    edges = graph.edges
    touches = (edges.a == site) | (edges.b == site)
    neighbours = np.unique(np.where(edges.a == site, edges.b, edges.a)[touches])
    if not 0 < touches.sum() <= MOST_NEIGHBOURS or (graph.orbit[neighbours] == orbit).any():
        return False
    around = log_sum(graph.log_partition[neighbours], np.zeros(len(neighbours), np.int64), 1)[0]
    return bool((graph.log_partition[site] - around <= math.log(TRANSIENT)).all())


def eliminate(graph: SiteGraph, hub: NDArray[np.bool_]) -> SiteGraph:
    """Replace sites that touch no other of the same kind by hops past them.

    A hop i - hub - j gets the conductance C_i C_j / Σ C and the higher one of both saddles. Returns to the same site
    and cell are no hops; returns to a periodic image are. The partition function of the hub goes to its neighbours in
    the shares C_i / Σ C, which keeps both the flux and the total weight, and so the diffusion tensor.

    Parameters
    ----------
    graph : SiteGraph
    hub : (n_sites,) bool
        A whole orbit.
    """
    edges, n_temperatures = graph.edges, graph.log_partition.shape[1]
    past: list[tuple[IntArray, IntArray, IntArray, IntArray, NDArray[np.float64]]] = []
    receivers, gains = [np.arange(graph.n_sites)], [graph.log_partition]
    for site in np.flatnonzero(hub):
        out, back = edges.a == site, edges.b == site
        target = np.concatenate([edges.b[out], edges.a[back]])
        cell = np.concatenate([edges.image[out], -edges.image[back]])
        level = np.concatenate([edges.level[out], edges.level[back]])
        conductance = np.concatenate([edges.log_conductance[out], edges.log_conductance[back]])
        share = conductance - log_sum(conductance, np.zeros(len(target), np.int64), 1)
        i, j = np.triu_indices(len(target), k=1)
        higher = np.where(graph.level_energy[level[i]] >= graph.level_energy[level[j]], level[i], level[j])
        past.append((target[i], target[j], cell[j] - cell[i], higher, conductance[i] + share[j]))
        receivers.append(target)
        gains.append(graph.log_partition[site] + share)
    partition = log_sum(np.concatenate(gains), np.concatenate(receivers), graph.n_sites)
    a, b, image, level, conductance = (np.concatenate(column) for column in zip(*past, strict=True))
    kept = edges.only(~(hub[edges.a] | hub[edges.b]))
    beyond = Edges.collect(a, b, image, level, conductance.reshape(-1, n_temperatures))
    return replace(graph, edges=kept.plus(beyond), log_partition=partition).restricted(~hub)
