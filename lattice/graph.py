"""Sites and undirected edges of one species while the network is being built."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lattice.diffusivity import lone_ion_diffusivity
from lattice.percolation import Image, network_percolation
from lattice.symmetry import Action

IntArray = NDArray[np.int64]
Links = tuple[NDArray[np.integer], NDArray[np.integer], NDArray[np.integer]]


@dataclass(frozen=True, eq=False, slots=True)
class Edges:
    """Undirected edges, each stored once: a < b, or a == b and the image's first non-zero entry is positive.

    Attributes
    ----------
    a, b : (n_edges,) int64
    image : (n_edges, 3) int64
        Cell of b when a is in the home cell.
    level : (n_edges,) int64
        Symmetry-distinct saddle point that the edge passes.
    log_conductance : (n_edges, n_temperatures) float64
        ln C, C_ij = Z_i k_ij = C_ji: parallel channels add.
    """

    a: IntArray
    b: IntArray
    image: IntArray
    level: IntArray
    log_conductance: NDArray[np.float64]

    @classmethod
    def collect(
        cls, a: IntArray, b: IntArray, image: IntArray, level: IntArray, log_conductance: NDArray[np.float64]
    ) -> Edges:
        """Orient and sort edges, add the conductances of equal ones, drop those from a site to itself in place."""
        sign = np.sign(image[:, 0] * 4 + np.sign(image[:, 1]) * 2 + np.sign(image[:, 2]))
        flip = (a > b) | ((a == b) & (sign < 0))
        key = np.column_stack(
            [np.where(flip, b, a), np.where(flip, a, b), np.where(flip[:, None], -image, image), level]
        )
        real = (key[:, 0] != key[:, 1]) | key[:, 2:5].any(axis=1)
        unique, inverse = np.unique(key[real], axis=0, return_inverse=True)
        total = log_sum(log_conductance[real], inverse.reshape(-1), len(unique))
        return cls(unique[:, 0], unique[:, 1], unique[:, 2:5], unique[:, 5], total)

    def __len__(self) -> int:
        """Count the edges."""
        return len(self.a)

    def only(self, keep: NDArray[np.bool_]) -> Edges:
        """Edges where `keep` (n_edges,) is true."""
        return Edges(self.a[keep], self.b[keep], self.image[keep], self.level[keep], self.log_conductance[keep])

    def plus(self, other: Edges) -> Edges:
        """Both sets together."""
        return Edges.collect(
            np.concatenate([self.a, other.a]),
            np.concatenate([self.b, other.b]),
            np.concatenate([self.image, other.image]),
            np.concatenate([self.level, other.level]),
            np.concatenate([self.log_conductance, other.log_conductance]),
        )

    def relabelled(self, site: IntArray, image: IntArray) -> Edges:
        """Edges between new sites, where old site i in the home cell is new site `site[i]` in cell `image[i]`."""
        moved = self.image + image[self.b] - image[self.a]
        return Edges.collect(site[self.a], site[self.b], moved, self.level, self.log_conductance)


@dataclass(frozen=True, eq=False, slots=True)
class SiteGraph:
    """Network of one species.

    Attributes
    ----------
    frac : (n_sites, 3) float64, in [0, 1)
    energy : (n_sites,) float64, eV
        Of the deepest member.
    orbit : (n_sites,) int64
    members : tuple of tuple of (int, (int, int, int))
        Basins that a site stands for, by number in the first graph, and their cells when the site is in the home cell.
    action : Action
        What the symmetry operations do to the sites.
    edges : Edges
    level_energy : (n_levels,) float64, eV
    log_partition : (n_sites, n_temperatures) float64
        ln Z of every site.
    """

    frac: NDArray[np.float64]
    energy: NDArray[np.float64]
    orbit: IntArray
    members: tuple[tuple[tuple[int, Image], ...], ...]
    action: Action
    edges: Edges
    level_energy: NDArray[np.float64]
    log_partition: NDArray[np.float64]

    @property
    def n_sites(self) -> int:
        """Number of sites in the cell."""
        return len(self.energy)

    @property
    def saddle(self) -> NDArray[np.float64]:
        """Energy of the saddle of every edge, (n_edges,), eV."""
        return np.asarray(self.level_energy[self.edges.level])

    def percolation(self) -> NDArray[np.float64]:
        """Energies at which hops cross the crystal in 1, 2, 3 directions, (3,), eV."""
        return network_percolation(self.n_sites, self.edges.a, self.edges.b, self.edges.image, self.saddle)

    def escape(self) -> NDArray[np.float64]:
        """Energy of the lowest saddle of every site, (n_sites,), eV; infinite where there is none."""
        lowest = np.full(self.n_sites, np.inf)
        np.minimum.at(lowest, self.edges.a, self.saddle)
        np.minimum.at(lowest, self.edges.b, self.saddle)
        return lowest

    def restricted(self, keep: NDArray[np.bool_]) -> SiteGraph:
        """Only the sites where `keep` (n_sites,) is true; whole orbits have to go together."""
        number = np.cumsum(keep) - 1
        inside = keep[self.edges.a] & keep[self.edges.b]
        kept = self.edges.only(inside)
        action = Action(self.action.rotations, number[self.action.site[:, keep]], self.action.image[:, keep])
        return SiteGraph(
            self.frac[keep],
            self.energy[keep],
            self.orbit[keep],
            tuple(m for m, k in zip(self.members, keep, strict=True) if k),
            action,
            Edges.collect(number[kept.a], number[kept.b], kept.image, kept.level, kept.log_conductance),
            self.level_energy,
            self.log_partition[keep],
        )

    def permuted(self, order: IntArray, orbit: IntArray) -> SiteGraph:
        """Return the same graph with site `order[n]` as number n and the orbits (n_sites,) renumbered."""
        number = np.argsort(order)
        image = np.zeros((self.n_sites, 3), np.int64)
        return SiteGraph(
            self.frac[order],
            self.energy[order],
            orbit[order],
            tuple(self.members[n] for n in order),
            Action(self.action.rotations, number[self.action.site[:, order]], self.action.image[:, order]),
            self.edges.relabelled(number, image),
            self.level_energy,
            self.log_partition[order],
        )

    def with_edges(self, edges: Edges, level_energy: NDArray[np.float64]) -> SiteGraph:
        """Return the same sites with other edges."""
        return replace(self, edges=edges, level_energy=level_energy)

    def with_rates(self, log_partition: NDArray[np.float64], level_conductance: NDArray[np.float64]) -> SiteGraph:
        """Return the same graph with partition functions and conductances at some temperatures.

        Parameters
        ----------
        log_partition : (n_sites, n_temperatures) float64
        level_conductance : (n_levels, n_temperatures) float64
            ln C of one passage over each saddle point; the edges hold the logarithm of how many there are.
        """
        conductance = self.edges.log_conductance + level_conductance[self.edges.level]
        return replace(self, edges=replace(self.edges, log_conductance=conductance), log_partition=log_partition)

    def diffusivity(self, cell: NDArray[np.float64], temperature: int) -> NDArray[np.float64]:
        """Diffusion tensor of a lone ion at one of the temperatures, (3, 3), Å² times the unit of the rates."""
        edges = self.edges
        vector = (self.frac[edges.b] + edges.image - self.frac[edges.a]) @ cell
        return lone_ion_diffusivity(
            edges.a, edges.b, vector, edges.log_conductance[:, temperature], self.log_partition[:, temperature]
        )


def log_sum(values: NDArray[np.float64], group: IntArray, n_groups: int) -> NDArray[np.float64]:
    """Logarithm of the sum of exp(values) in every group, column by column.

    Parameters
    ----------
    values : (n, n_columns) float64
    group : (n,) int64
        Group of each row; none may be empty.
    n_groups : int
    """
    top = np.full((n_groups, values.shape[1]), -np.inf)
    np.maximum.at(top, group, values)
    total = np.zeros_like(top)
    np.add.at(total, group, np.exp(values - top[group]))
    return np.asarray(top + np.log(total))


@dataclass(frozen=True, eq=False, slots=True)
class DirectedHops:
    """Both directions of undirected edges.

    Attributes
    ----------
    origin, target : (n_hops,) int64
    image : (n_hops, 3) int64
        Cell of the target when the origin is in the home cell.
    edge : (n_hops,) int64
        The edge that each hop follows.
    reverse : (n_hops,) int64
        The hop that follows it the other way.
    """

    origin: IntArray
    target: IntArray
    image: IntArray
    edge: IntArray
    reverse: IntArray


def directed_hops(
    a: IntArray, b: IntArray, image: IntArray, saddle: NDArray[np.float64], orbit: IntArray
) -> DirectedHops:
    """Hops over edges in both directions, sorted by origin, target, image, saddle and orbit.

    Parameters
    ----------
    a, b : (n_edges,) int64
    image : (n_edges, 3) int64
        Cell of b when a is in the home cell.
    saddle : (n_edges,) float64, eV
    orbit : (n_edges,) int64
    """
    n = len(a)
    origin, target, cell = np.concatenate([a, b]), np.concatenate([b, a]), np.concatenate([image, -image])
    order = np.lexsort((np.tile(orbit, 2), np.tile(saddle, 2), *cell.T[::-1], target, origin))
    reverse = np.argsort(order)[np.where(order < n, order + n, order - n)]
    return DirectedHops(origin[order], target[order], cell[order], np.where(order < n, order, order - n), reverse)


def species_percolation(
    site_species: NDArray[np.integer], links: Links, saddle: NDArray[np.float64], n_species: int
) -> NDArray[np.float64]:
    """Energies at which the hops of every species cross the crystal in 1, 2, 3 directions, (n_species, 3), eV.

    Parameters
    ----------
    site_species : (n_sites,) int
    links : (origin (n_hops,), target (n_hops,), image (n_hops, 3))
        In one direction or both.
    saddle : (n_hops,) float64, eV
    n_species : int
    """
    origin, target, image = links
    energies = np.empty((n_species, 3))
    for species in range(n_species):
        mine = site_species[origin] == species
        energies[species] = network_percolation(
            len(site_species), origin[mine], target[mine], image[mine], saddle[mine]
        )
    return energies


def edge_copies(action: Action, a: int, b: int, image: Image) -> tuple[IntArray, IntArray, IntArray]:
    """Images of one edge under every operation: a', b' (n_operations,) and image (n_operations, 3)."""
    turned = action.rotations @ np.array(image)
    return action.site[:, a], action.site[:, b], turned + action.image[:, b] - action.image[:, a]


def edge_orbits(edges: Edges, action: Action) -> IntArray:
    """Symmetry class of every edge, taken without direction, numbered by first appearance; (n_edges,) int64.

    Raises
    ------
    ValueError
        If the image of an edge is no edge.
    """
    table = {key: n for n, key in enumerate(_keys(edges))}
    orbit = np.full(len(edges), -1, np.int64)
    found = 0
    for n in range(len(edges)):
        if orbit[n] >= 0:
            continue
        u, v, w = (int(x) for x in edges.image[n])
        a, b, image = edge_copies(action, int(edges.a[n]), int(edges.b[n]), (u, v, w))
        count = len(a)
        copies = Edges.collect(a, b, image, np.full(count, edges.level[n]), np.zeros((count, 1)))
        for key in _keys(copies):
            if key not in table:
                raise ValueError(f"every image of a hop must be a hop; the image {key} of hop {n} is none")
            orbit[table[key]] = found
        found += 1
    return orbit


def _keys(edges: Edges) -> list[tuple[int, ...]]:
    return [tuple(row) for row in np.column_stack([edges.a, edges.b, edges.image, edges.level]).tolist()]
