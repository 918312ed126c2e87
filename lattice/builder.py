"""From a framework to the pore network of the ions in it: the stage as one readable function."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lattice.assemble import Pores, SpeciesNetwork, assemble, describe_sites
from lattice.basins import find_basins, find_faces, grid_stencil
from lattice.cache import cache_file, default_cache_dir, load_cached, store
from lattice.cavities import accessible_volume, largest_cavity
from lattice.graph import SiteGraph
from lattice.landscape import Landscape, compute_landscape, framework_potential, grid_shape
from lattice.network import PoreNetwork
from lattice.percolation import components, grid_percolation
from lattice.persistence import Crowding, simplify
from lattice.stationary import find_stationary_points
from lattice.symmetry import SpaceGroup
from structures.errors import InputError
from structures.framework import Framework
from structures.species import Species

Progress = Callable[[str, float], None]

CONTACT_ENERGY = 1.0  # eV, an ion whose best place costs more repulsion than this does not fit


@dataclass(frozen=True, slots=True)
class LandscapeSettings:
    """How the network is found.

    Attributes
    ----------
    permittivity : float
        eps_r that screens the framework's potential, and the ions among each other.
    spacing : float, Å
        Of the energy grid, at most.
    cutoff : float, Å
        Of the Lennard-Jones terms.
    merge_barrier : float, eV
        Basins that are left over a lower barrier are merged or eliminated where that keeps the slow dynamics.
    window : float, eV
        Sites and saddles are searched up to this far above the energy at which the crystal is crossed.
    percolation_dimensions : int
        Directions that every species must be able to cross.

    Raises
    ------
    InputError
        If a value is out of range.
    """

    permittivity: float
    spacing: float = 0.2
    cutoff: float = 12.0
    merge_barrier: float = 0.05
    window: float = 0.3
    percolation_dimensions: int = 3

    def __post_init__(self) -> None:
        for name, low, high, unit in (
            ("permittivity", 1.0, 1e4, ""),
            ("spacing", 0.02, 1.0, " Å"),
            ("cutoff", 3.0, 100.0, " Å"),
            ("merge_barrier", 0.0, 1.0, " eV"),
            ("window", 0.0, 5.0, " eV"),
            ("percolation_dimensions", 1, 3, ""),
        ):
            value = getattr(self, name)
            if not (math.isfinite(value) and low <= value <= high):
                raise InputError(f"{name} must lie between {low:g} and {high:g}{unit}; got {value:g}")


def build_network(
    framework: Framework,
    species: Sequence[Species],
    settings: LandscapeSettings,
    *,
    progress: Progress | None = None,
) -> PoreNetwork:
    """Sites, hops, saddles and exclusions of all species in one cell of a framework.

    Parameters
    ----------
    framework : Framework
    species : sequence of Species
    settings : LandscapeSettings
    progress : callable (stage, fraction done), optional

    Raises
    ------
    InputError
        If a species fits nowhere or does not cross the crystal in enough directions.
    """
    names = [ion.name for ion in species]
    if not names or len(set(names)) < len(names):
        raise InputError(f"species must be different ions, at least one; got {', '.join(names) or 'none'}")
    report = progress or _silent
    report("electrostatic potential", 0.0)
    group = SpaceGroup.of(framework)
    potential = framework_potential(framework, grid_shape(framework, settings.spacing))
    networks = []
    for n, ion in enumerate(species):
        report(f"network of {ion.name}", 0.15 + 0.75 * n / len(species))
        networks.append(_species_network(framework, ion, settings, potential, group))
    report("pore geometry", 0.9)
    pores = Pores(accessible_volume(framework), largest_cavity(framework))
    network = assemble(
        framework,
        networks,
        permittivity=settings.permittivity,
        pores=pores,
        provenance=(*framework.provenance, *_choices(settings, potential.shape), *_remarks(networks)),
    )
    report("network", 1.0)
    return network


def cached_network(
    framework: Framework,
    species: Sequence[Species],
    settings: LandscapeSettings,
    *,
    cache_dir: str | Path | None = None,
    progress: Progress | None = None,
) -> PoreNetwork:
    """Network of `build_network`, read from the cache if the same one was built by the same code before.

    A cache that is damaged or cannot be written costs time, never a result.

    Parameters
    ----------
    framework, species, settings, progress : as in `build_network`
    cache_dir : path, optional
        Instead of `lattice.cache.default_cache_dir()`.
    """
    folder = Path(cache_dir) if cache_dir is not None else default_cache_dir()
    path = cache_file(folder, framework, species, settings)
    network = load_cached(path)
    if network is None:
        if path.exists() and progress:
            progress("network in the cache is damaged and is built again", 0.0)
        network = build_network(framework, species, settings, progress=progress)
        store(path, network)
    elif progress:
        progress("network from the cache", 1.0)
    return network


def _silent(stage: str, fraction: float) -> None:
    """Report nothing."""


def _species_network(
    framework: Framework,
    species: Species,
    settings: LandscapeSettings,
    potential: NDArray[np.float64],
    group: SpaceGroup,
) -> SpeciesNetwork:
    landscape = compute_landscape(
        framework,
        species,
        permittivity=settings.permittivity,
        spacing=settings.spacing,
        cutoff=settings.cutoff,
        potential=potential,
    )
    _require_room(framework, landscape, potential)
    energy = np.round(landscape.energy, 9)
    n1, n2, n3 = energy.shape
    stencil = grid_stencil(framework.cell, (n1, n2, n3), group.rotations)
    crossing = grid_percolation(energy, stencil, below=landscape.wall)
    _require_directions(species, crossing, settings)
    ceiling = min(float(np.nanmax(crossing)) + settings.window, landscape.wall)
    basins = find_basins(energy, stencil, below=ceiling)
    faces = find_faces(basins, stencil)
    stationary = find_stationary_points(landscape, basins, faces, group, below=ceiling)
    connected, pockets = _without_pockets(stationary.graph)
    _require_directions(species, connected.percolation(), settings)
    crowding = Crowding.of(species, stationary.graph, framework.cell, settings.permittivity)
    graph, reductions = simplify(connected, crowding, merge_barrier=settings.merge_barrier)
    notes = (_crossing_line(crossing, connected), *stationary.notes, *pockets, *reductions)
    return describe_sites(framework, species, graph, stationary, basins, group, notes)


def _require_room(framework: Framework, landscape: Landscape, potential: NDArray[np.float64]) -> None:
    """Refuse an ion that even its best place presses against the walls."""
    species = landscape.species
    best = int(landscape.energy.argmin())
    repulsion = landscape.energy.flat[best] - potential.flat[best] * species.charge / landscape.permittivity
    if landscape.energy.flat[best] >= landscape.wall or repulsion > CONTACT_ENERGY:
        raise InputError(
            f"{species.name} fits nowhere in {framework.name}: the largest cavity is {largest_cavity(framework):.1f} Å "
            f"wide; the ion's Lennard-Jones diameter is {species.lj_sigma:.1f} Å, its contact diameter "
            f"{2 * species.contact_radius:.1f} Å"
        )


def _require_directions(species: Species, crossing: NDArray[np.float64], settings: LandscapeSettings) -> None:
    found = int(np.isfinite(crossing).sum())
    if found < settings.percolation_dimensions:
        accept = f"; percolation_dimensions = {found} would accept that" if found else ""
        least = settings.percolation_dimensions
        raise InputError(f"{species.name} percolates in {found} dimensions; expected at least {least}{accept}")


def _without_pockets(graph: SiteGraph) -> tuple[SiteGraph, tuple[str, ...]]:
    """Drop the sites from which no path leads across the crystal."""
    part, dimensions = components(graph.n_sites, graph.edges.a, graph.edges.b, graph.edges.image)
    closed = dimensions == 0
    if not closed.any():
        return graph, ()
    line = f"closed pockets left out: {len(np.unique(part[closed]))} with {int(closed.sum())} basins"
    return graph.restricted(~closed), (line,)


def _crossing_line(grid: NDArray[np.float64], graph: SiteGraph) -> str:
    pairs = zip(grid, graph.percolation(), strict=True)
    levels = ", ".join(f"E_{n}D {a:.4f} / {b:.4f}" for n, (a, b) in enumerate(pairs, 1))
    return f"percolation energies on the grid / refined: {levels} eV"


def _choices(settings: LandscapeSettings, shape: tuple[int, ...]) -> tuple[str, ...]:
    return (
        f"landscape: q Phi / eps_r + Lennard-Jones, eps_r {settings.permittivity:g}, grid {'x'.join(map(str, shape))}, "
        f"spacing {settings.spacing:g} Å or less, cut-off {settings.cutoff:g} Å, atoms UFF, Lorentz-Berthelot",
        f"basins left over less than {settings.merge_barrier:g} eV are merged or eliminated where that keeps the slow "
        f"dynamics; sites and saddles up to {settings.window:g} eV above the percolation energy",
    )


def _remarks(networks: list[SpeciesNetwork]) -> tuple[str, ...]:
    lines = []
    for network in networks:
        name = network.species.name
        lines.append(f"{name}: {network.species.source}")
        lines += [f"{name}: {note}" for note in network.notes]
    return tuple(lines)
