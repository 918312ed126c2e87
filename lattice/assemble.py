"""The networks of several species as one PoreNetwork: order, directed hops, labels, exclusions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lattice.basins import Basins, reachable_moments
from lattice.exclusions import exclusions
from lattice.graph import Edges, IntArray, SiteGraph, directed_hops, edge_orbits
from lattice.labels import site_labels
from lattice.network import PoreNetwork
from lattice.rate_models import RateModel
from lattice.screening import as_tensor
from lattice.stationary import Stationary
from lattice.symmetry import SpaceGroup
from structures.framework import Framework
from structures.species import Species
from structures.units import BOLTZMANN

WIDTH_ENERGY = 2.0 * BOLTZMANN * 300.0  # eV
WIDE = 5.0  # Å, above it a site is a coarse picture


@dataclass(frozen=True, eq=False, slots=True)
class SpeciesNetwork:
    """Sites and hops of one species, in their final order.

    Attributes
    ----------
    species : Species
    graph : SiteGraph
    label : tuple of str
    width : (n_sites,) float64, Å
    notes : tuple of str
    """

    species: Species
    graph: SiteGraph
    label: tuple[str, ...]
    width: NDArray[np.float64]
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Pores:
    """Geometry of the empty framework.

    Attributes
    ----------
    accessible_volume : float, Å³
    largest_cavity : float, Å
    limiting_diameter : float, Å
    """

    accessible_volume: float
    largest_cavity: float
    limiting_diameter: float


@dataclass(frozen=True, eq=False, slots=True)
class RateTables:
    """What the rates of all species have in common.

    Attributes
    ----------
    model : RateModel
    temperatures : (n_temperatures,) float64, K
    """

    model: RateModel
    temperatures: NDArray[np.float64]


def describe_sites(
    framework: Framework,
    species: Species,
    graph: SiteGraph,
    stationary: Stationary,
    basins: Basins,
    group: SpaceGroup,
    notes: tuple[str, ...],
) -> SpeciesNetwork:
    """Put the sites in order and add labels, widths and partition data."""
    graph = in_order(graph)
    first = np.unique(graph.orbit, return_index=True)[1]
    names = site_labels(framework, graph.frac[first], species, group)
    width = site_widths(graph, stationary, basins, group.cell)
    wide = [f"{names[o]} ({width[i]:.1f} Å)" for o, i in enumerate(first) if width[i] > WIDE]
    if wide:
        notes += (f"warning: hopping is a coarse picture of sites wider than {WIDE:g} Å: {', '.join(wide)}",)
    return SpeciesNetwork(
        species=species,
        graph=graph,
        label=tuple(names[o] for o in graph.orbit),
        width=width,
        notes=notes,
    )


def in_order(graph: SiteGraph) -> SiteGraph:
    """Sort orbits by energy, size and position, and the sites of an orbit by position."""
    rounded = np.round(graph.frac, 6) % 1.0
    by_position = np.lexsort((rounded[:, 2], rounded[:, 1], rounded[:, 0]))
    place = np.argsort(by_position)
    orbits = np.unique(graph.orbit)
    size = {o: int((graph.orbit == o).sum()) for o in orbits}
    lead = {o: int(place[graph.orbit == o].min()) for o in orbits}
    energy = {o: round(float(graph.energy[graph.orbit == o].min()), 6) for o in orbits}
    ranked = sorted(orbits, key=lambda o: (energy[o], size[o], lead[o]))
    rank = {o: n for n, o in enumerate(ranked)}
    orbit = np.array([rank[o] for o in graph.orbit], np.int64)
    return graph.permuted(np.lexsort((place, orbit)), orbit)


def site_widths(
    graph: SiteGraph, stationary: Stationary, basins: Basins, cell: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Diameter of the ball with the gyration radius of the region within 2 kT (300 K) of each minimum, (n_sites,), Å.

    Averaged over the sites of an orbit. A ball of diameter d has the gyration radius d/2 · sqrt(3/5).
    """
    site = np.full(stationary.graph.n_sites, -1)
    shift = np.zeros((stationary.graph.n_sites, 3))
    for number, members in enumerate(graph.members):
        for basin, image in members:
            site[basin], shift[basin] = number, image
    placed = stationary.basin_site >= 0
    owner = np.where(placed, site[stationary.basin_site], -1)
    ceiling = np.where(owner >= 0, graph.energy[owner] + WIDTH_ENERGY, -np.inf)
    moments = reachable_moments(basins, cell, ceiling)
    sums = np.zeros((graph.n_sites, 5))
    for k in np.flatnonzero(owner >= 0):
        cell_of_site = stationary.basin_image[k] - shift[stationary.basin_site[k]]
        offset = (basins.frac(basins.minima[k : k + 1])[0] - graph.frac[owner[k]] - cell_of_site) @ cell
        n, first, second = moments[k, 0], moments[k, 1:4], moments[k, 4]
        sums[owner[k], 0] += n
        sums[owner[k], 1:4] += n * offset + first
        sums[owner[k], 4] += n * offset @ offset + 2.0 * offset @ first + second
    count = np.maximum(sums[:, 0], 1.0)
    gyration = np.sqrt(np.maximum(sums[:, 4] / count - ((sums[:, 1:4] / count[:, None]) ** 2).sum(axis=1), 0.0))
    known = np.bincount(graph.orbit, weights=sums[:, 0] > 0)
    mean = np.bincount(graph.orbit, weights=gyration * (sums[:, 0] > 0)) / np.maximum(known, 1.0)
    return np.asarray(2.0 * np.sqrt(5.0 / 3.0) * mean[graph.orbit])


def assemble(
    framework: Framework,
    networks: list[SpeciesNetwork],
    *,
    permittivity: ArrayLike,
    rates: RateTables,
    pores: Pores,
    provenance: tuple[str, ...],
) -> PoreNetwork:
    """Join the networks of all species."""
    counts = [network.graph.n_sites for network in networks]
    starts = np.cumsum([0, *counts])
    frac = np.concatenate([network.graph.frac for network in networks])
    radius = np.repeat([network.species.contact_radius for network in networks], counts)
    a, b, image = exclusions(framework.cell, frac, radius)
    edges = _joined(networks, starts)
    hops = directed_hops(edges.a, edges.b, edges.image, edges.saddle, edges.orbit)
    first_orbit = np.cumsum([0, *(network.graph.orbit.max() + 1 for network in networks)])
    return PoreNetwork(
        name=framework.name,
        cell=framework.cell,
        framework_symbols=framework.symbols,
        framework_frac=framework.frac_coords,
        framework_charges=framework.charges,
        framework_charge=framework.net_charge,
        permittivity=as_tensor(permittivity),
        species=tuple(network.species for network in networks),
        site_species=np.repeat(np.arange(len(networks), dtype=np.int32), counts),
        site_frac=frac,
        site_energy=np.concatenate([network.graph.energy for network in networks]),
        site_orbit=np.concatenate([n.graph.orbit + o for n, o in zip(networks, first_orbit, strict=False)]),
        site_label=tuple(label for network in networks for label in network.label),
        site_width=np.concatenate([network.width for network in networks]),
        site_overridden=np.zeros(len(frac), bool),
        site_log_partition=np.concatenate([by_orbit(n.graph.log_partition, n.graph.orbit) for n in networks]),
        hop_origin=hops.origin.astype(np.int32),
        hop_target=hops.target.astype(np.int32),
        hop_image=hops.image.astype(np.int32),
        hop_saddle=edges.saddle[hops.edge],
        hop_overridden=np.zeros(len(hops.edge), bool),
        hop_log_conductance=edges.log_conductance[hops.edge],
        hop_orbit=edges.orbit[hops.edge].astype(np.int32),
        hop_reverse=hops.reverse,
        exclusion_a=a,
        exclusion_b=b,
        exclusion_image=image,
        rate_model=rates.model,
        temperatures=rates.temperatures,
        percolation=np.array([network.graph.percolation() for network in networks]),
        accessible_volume=pores.accessible_volume,
        largest_cavity=pores.largest_cavity,
        limiting_diameter=pores.limiting_diameter,
        provenance=provenance,
    )


@dataclass(frozen=True, eq=False, slots=True)
class _Joined:
    """Edges of all species, the sites numbered through; shapes as in `Edges`."""

    a: IntArray
    b: IntArray
    image: IntArray
    saddle: NDArray[np.float64]
    log_conductance: NDArray[np.float64]
    orbit: IntArray


def _joined(networks: list[SpeciesNetwork], starts: IntArray) -> _Joined:
    parts = []
    n_orbits = 0
    for network, start in zip(networks, starts, strict=False):
        edges, saddle = network.graph.edges, network.graph.saddle
        ranked = ranked_orbits(edges, network.graph)
        conductance = by_orbit(edges.log_conductance, ranked)
        parts.append((edges.a + start, edges.b + start, edges.image, saddle, conductance, ranked + n_orbits))
        n_orbits += int(ranked.max(initial=-1)) + 1
    return _Joined(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def by_orbit(values: NDArray[np.float64], orbit: IntArray) -> NDArray[np.float64]:
    """Give all members of an orbit the values of its first one: equal but for rounding, now to the bit."""
    first, inverse = np.unique(orbit, return_index=True, return_inverse=True)[1:]
    return np.asarray(values[first[inverse]])


def ranked_orbits(edges: Edges, graph: SiteGraph) -> IntArray:
    """Orbit of every edge, numbered by ascending saddle energy and then by the first edge, (n_edges,) int64."""
    orbit = edge_orbits(edges, graph.action)
    first = np.unique(orbit, return_index=True)[1]
    rank = np.empty(len(first), np.int64)
    rank[np.lexsort((first, np.round(graph.saddle[first], 9)))] = np.arange(len(first))
    return rank[orbit]
