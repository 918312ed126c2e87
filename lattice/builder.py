"""From a framework to the pore network of the ions in it: the stage as one readable function."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lattice.assemble import Pores, RateTables, SpeciesNetwork, assemble, describe_sites
from lattice.basins import Stencil, find_basins, find_faces, grid_stencil
from lattice.cache import cache_file, default_cache_dir, load_cached, store
from lattice.cavities import accessible_volume, largest_cavity, limiting_diameter
from lattice.cube import CubeLandscape, landscape_from_cube
from lattice.graph import SiteGraph
from lattice.landscape import DEFAULT_TEMPERATURE, Landscape, compute_landscape
from lattice.network import PoreNetwork
from lattice.percolation import components, grid_percolation
from lattice.persistence import Crowding, simplify
from lattice.rate_models import RATE_MODELS, RateModel
from lattice.screening import as_tensor, describe, symmetry_in_medium
from lattice.stationary import Stationary, find_stationary_points
from lattice.symmetry import SpaceGroup
from lattice.temperatures import temperature_nodes
from lattice.transition_state import saddle_conductance, site_partition
from structures.errors import WARNING, InputError
from structures.framework import Framework
from structures.species import Species
from structures.units import BOLTZMANN

Progress = Callable[[str, float], None]

THERMAL_WINDOW = 8.0  # kT at the highest temperature; exp(-8) of a partition function is left out
CONTACT_ENERGY = 1.0  # eV, an ion whose best place costs more repulsion than this does not fit
CHECKED_POINTS = 100  # sites and saddles at most at which the error of the orientations is seen
TEMPERATURES = (50.0, 1500.0)  # K, as in decks


@dataclass(frozen=True, slots=True)
class LandscapeSettings:
    """How the network is found.

    Attributes
    ----------
    permittivity : float, or 3 or 3x3 of them
        eps_r that screens the framework's potential, and the ions among each other; kept as a 3x3 tensor.
    spacing : float, Å
        Of the energy grid, at most.
    cutoff : float, Å
        Of the Lennard-Jones terms.
    temperatures : (float, float), K
        Lowest and highest one at which rates are wanted, within `TEMPERATURES`.
    rate_model : {"flux_tst", "harmonic_tst", "attempt_frequency"}
        Where prefactors and free energies come from, see lattice/transition_state.py.
    persistence_kT : float
        Basins that are left over a barrier lower than this many kT at the lowest temperature are eliminated or merged
        where that keeps the slow dynamics.
    tolerance : float
        Largest relative change of the diffusion tensor of a lone ion by that.
    orientations : int, optional
        Of ions of several beads, see lattice/orientations.py.
    window : float, eV
        Sites and saddles are searched up to this far, and at least 8 kT, above the energy at which the crystal is
        crossed.
    percolation_dimensions : int
        Directions that every species must be able to cross. 0 accepts one that is shut in and keeps its closed pockets.

    Raises
    ------
    InputError
        If a value is out of range.
    """

    permittivity: ArrayLike
    spacing: float = 0.2
    cutoff: float = 12.0
    temperatures: tuple[float, float] = (200.0, 500.0)
    rate_model: RateModel = "flux_tst"
    persistence_kT: float = 2.5  # noqa: N815
    tolerance: float = 0.05
    orientations: int | None = None
    window: float = 0.3
    percolation_dimensions: int = 3

    def __post_init__(self) -> None:
        tensor = tuple(tuple(row) for row in as_tensor(self.permittivity).tolist())
        object.__setattr__(self, "permittivity", tensor)
        if self.rate_model not in RATE_MODELS:
            raise InputError(f"rate_model must be one of {', '.join(RATE_MODELS)}; got {self.rate_model}")
        lowest, highest = self.temperatures
        if not TEMPERATURES[0] <= lowest <= highest <= TEMPERATURES[1]:
            raise InputError(
                f"temperatures must ascend between {TEMPERATURES[0]:g} and {TEMPERATURES[1]:g} K; "
                f"got {lowest:g} to {highest:g} K"
            )
        for name, low, high, unit in (
            ("spacing", 0.02, 1.0, " Å"),
            ("cutoff", 3.0, 100.0, " Å"),
            ("persistence_kT", 0.0, 20.0, ""),
            ("tolerance", 0.0, 1.0, ""),
            ("window", 0.0, 5.0, " eV"),
            ("percolation_dimensions", 0, 3, ""),
        ):
            value = getattr(self, name)
            if not (math.isfinite(value) and low <= value <= high):
                raise InputError(f"{name} must lie between {low:g} and {high:g}{unit}; got {value:g}")


def build_network(
    framework: Framework,
    species: Sequence[Species],
    settings: LandscapeSettings,
    *,
    cubes: Mapping[str, str | Path] | None = None,
    energies: dict[str, NDArray[np.float64]] | None = None,
    progress: Progress | None = None,
) -> PoreNetwork:
    """Sites, hops, saddles and exclusions of all species in one cell of a framework.

    Parameters
    ----------
    framework : Framework
    species : sequence of Species
    settings : LandscapeSettings
    cubes : mapping of str to path, optional
        Gaussian cube files with the energies of ions, by the name of the species; the others are computed.
    energies : dict, optional
        Takes up the energies on the grid, (n1, n2, n3) float64 in eV, that were computed, by the name of the species.
    progress : callable (stage, fraction done), optional

    Raises
    ------
    InputError
        If a species fits nowhere or does not cross the crystal in enough directions, or a file does not fit.
    """
    names = [ion.name for ion in species]
    if not names or len(set(names)) < len(names):
        raise InputError(f"species must be different ions, at least one; got {', '.join(names) or 'none'}")
    report = progress or _silent
    framework = symmetry_in_medium(framework, settings.permittivity)
    group = SpaceGroup.of(framework)
    temperatures = temperature_nodes(*settings.temperatures)
    networks, sources = [], []
    for n, ion in enumerate(species):
        share = 0.9 / len(species)
        report(f"energies of {ion.name}", n * share)
        landscape = ion_landscape(framework, ion, settings, (cubes or {}).get(ion.name))
        if energies is not None and ion.name not in (cubes or {}):
            energies[ion.name] = landscape.energy
        sources.append(_landscape_line(landscape, settings))
        report(f"network of {ion.name}", (n + 0.4) * share)
        networks.append(_species_network(framework, landscape, settings, group, temperatures))
    report("pore geometry", 0.9)
    pores = Pores(accessible_volume(framework), largest_cavity(framework), limiting_diameter(framework))
    network = assemble(
        framework,
        networks,
        permittivity=settings.permittivity,
        rates=RateTables(settings.rate_model, temperatures),
        pores=pores,
        provenance=(*framework.provenance, *sources, _simplification_line(settings), *_remarks(networks)),
    )
    report("network", 1.0)
    return network


def percolation_energies(
    framework: Framework, species: Sequence[Species], settings: LandscapeSettings
) -> NDArray[np.float64]:
    """Energies at which ions first cross the crystal above their lowest one, from the grid alone: a quick comparison.

    Parameters
    ----------
    framework : Framework
    species : sequence of Species
    settings : LandscapeSettings

    Returns
    -------
    (n_species, 3) float64, eV
        In 1, 2 and 3 directions; nan where the crystal is not crossed below the wall.
    """
    framework = symmetry_in_medium(framework, settings.permittivity)
    group = SpaceGroup.of(framework)
    energies = []
    for ion in species:
        landscape = ion_landscape(framework, ion, settings)
        energy, stencil = _grid(landscape, group)
        energies.append(grid_percolation(energy, stencil, below=landscape.wall) - energy.min())
    return np.array(energies)


def ion_landscape(
    framework: Framework, species: Species, settings: LandscapeSettings, cube: str | Path | None = None
) -> Landscape | CubeLandscape:
    """Energies of one ion as the settings ask for them, computed or from a cube file.

    An ion of several beads is averaged over its orientations at 300 K, or the wanted temperature nearest to it.
    """
    framework = symmetry_in_medium(framework, settings.permittivity)
    if cube is not None:
        return landscape_from_cube(cube, framework, species, permittivity=np.array(settings.permittivity))
    lowest, highest = settings.temperatures
    return compute_landscape(
        framework,
        species,
        permittivity=settings.permittivity,
        spacing=settings.spacing,
        cutoff=settings.cutoff,
        orientations=settings.orientations,
        temperature=min(max(DEFAULT_TEMPERATURE, lowest), highest),
    )


def cached_network(
    framework: Framework,
    species: Sequence[Species],
    settings: LandscapeSettings,
    *,
    cubes: Mapping[str, str | Path] | None = None,
    energies: dict[str, NDArray[np.float64]] | None = None,
    cache_dir: str | Path | None = None,
    progress: Progress | None = None,
) -> PoreNetwork:
    """Network of `build_network`, read from the cache if the same one was built by the same code before.

    A cache that is damaged or cannot be written costs time, never a result. What comes from it leaves `energies` empty.

    Parameters
    ----------
    framework, species, settings, cubes, energies, progress : as in `build_network`
    cache_dir : path, optional
        Instead of `lattice.cache.default_cache_dir()`.
    """
    folder = Path(cache_dir) if cache_dir is not None else default_cache_dir()
    path = cache_file(folder, framework, species, settings, cubes or {})
    network = load_cached(path)
    if network is None:
        if path.exists() and progress:
            progress("network in the cache is damaged and is built again", 0.0)
        network = build_network(framework, species, settings, cubes=cubes, energies=energies, progress=progress)
        store(path, network)
    elif progress:
        progress("network from the cache", 1.0)
    return network


def _silent(stage: str, fraction: float) -> None:
    """Report nothing."""


def _grid(landscape: Landscape | CubeLandscape, group: SpaceGroup) -> tuple[NDArray[np.float64], Stencil]:
    """Give the energies on the grid, equal for symmetric points to the last digit, and the steps between points."""
    n1, n2, n3 = landscape.energy.shape
    return np.round(landscape.energy, 9), grid_stencil(landscape.cell, (n1, n2, n3), group.rotations)


def _species_network(
    framework: Framework,
    landscape: Landscape | CubeLandscape,
    settings: LandscapeSettings,
    group: SpaceGroup,
    temperatures: NDArray[np.float64],
) -> SpeciesNetwork:
    species = landscape.species
    _require_room(framework, landscape)
    energy, stencil = _grid(landscape, group)
    crossing = grid_percolation(energy, stencil, below=landscape.wall)
    _require_directions(species, crossing, settings)
    window = max(settings.window, THERMAL_WINDOW * BOLTZMANN * settings.temperatures[1])
    ceiling = min(float(np.fmax(crossing, energy.min()).max()) + window, landscape.wall)
    basins = find_basins(energy, stencil, below=ceiling)
    faces = find_faces(basins, stencil)
    stationary = find_stationary_points(landscape, basins, faces, group, below=ceiling)
    doubts: list[str] = []
    model = settings.rate_model
    rated = stationary.graph.with_rates(
        site_partition(landscape, basins, stationary, temperatures, model=model, notes=doubts),
        saddle_conductance(landscape, stationary, species.mass, temperatures, model=model, notes=doubts),
    )
    connected, pockets = _without_pockets(rated)
    _require_directions(species, connected.percolation(), settings)
    crowding = Crowding.of(species, stationary.graph, framework.cell, settings.permittivity)
    graph, reductions = connected, tuple[str, ...]()
    if np.isfinite(connected.percolation()).any():
        graph, reductions = simplify(
            connected,
            crowding,
            temperatures,
            barrier=settings.persistence_kT * BOLTZMANN * settings.temperatures[0],
            tolerance=settings.tolerance,
        )
    notes = (
        *_orientation_line(landscape, stationary),
        _crossing_line(crossing, connected),
        *stationary.notes,
        *doubts,
        *pockets,
        *reductions,
    )
    return describe_sites(framework, species, graph, stationary, basins, group, notes)


def _require_room(framework: Framework, landscape: Landscape | CubeLandscape) -> None:
    """Refuse an ion that even its best place presses against the walls."""
    species, shape = landscape.species, landscape.energy.shape
    best = np.array(np.unravel_index(int(landscape.energy.argmin()), shape)) / np.array(shape)
    if landscape.energy.min() >= landscape.wall or landscape.contact_energy(best) > CONTACT_ENERGY:
        raise InputError(
            f"{species.name} fits nowhere in {framework.name}: the largest cavity is {largest_cavity(framework):.1f} Å "
            f"wide; the ion's diameter is {species.diameter:.1f} Å, its contact diameter "
            f"{2 * species.contact_radius:.1f} Å"
        )


def _require_directions(species: Species, crossing: NDArray[np.float64], settings: LandscapeSettings) -> None:
    found = int(np.isfinite(crossing).sum())
    if found < settings.percolation_dimensions:
        accept = f"; percolation_dimensions = {found} would accept that"
        raise InputError(
            f"{species.name} crosses the crystal in {found or 'no'} {'direction' if found == 1 else 'directions'}; "
            f"expected at least {settings.percolation_dimensions}{accept}"
        )


def _without_pockets(graph: SiteGraph) -> tuple[SiteGraph, tuple[str, ...]]:
    """Drop the sites from which no path leads across the crystal, unless there are no others."""
    part, dimensions = components(graph.n_sites, graph.edges.a, graph.edges.b, graph.edges.image)
    closed = dimensions == 0
    if not closed.any():
        return graph, ()
    if closed.all():
        where = f"{len(part)} basins in closed pockets, {len(np.unique(part))} in number"
        return graph, (f"{WARNING}blocked: no path crosses the crystal ({where}): diffusivity and sigma are 0",)
    line = f"closed pockets left out: {len(np.unique(part[closed]))} with {int(closed.sum())} basins"
    return graph.restricted(~closed), (line,)


def _orientation_line(landscape: Landscape | CubeLandscape, stationary: Stationary) -> tuple[str, ...]:
    """Say how far sites and saddles of an ion of several beads move with five times as many orientations."""
    if landscape.n_orientations == 1:
        return ()
    first = np.unique(stationary.graph.orbit, return_index=True)[1]
    points = np.concatenate([stationary.graph.frac[first], stationary.saddle_frac])
    seen = points[np.unique(np.linspace(0, len(points) - 1, CHECKED_POINTS).astype(int))]
    return (
        "five times as many orientations change the energies of sites and saddles against each other by up to "
        f"{landscape.orientation_error(seen):.3f} eV at {len(seen)} of {len(points)} points; the setting orientations "
        "asks for more",
    )


def _crossing_line(grid: NDArray[np.float64], graph: SiteGraph) -> str:
    pairs = zip(grid, graph.percolation(), strict=True)
    levels = ", ".join(f"E_{n}D {a:.4f} / {b:.4f}" for n, (a, b) in enumerate(pairs, 1))
    return f"percolation energies on the grid / refined: {levels} eV"


def _landscape_line(landscape: Landscape | CubeLandscape, settings: LandscapeSettings) -> str:
    """Say where the energies of one ion come from."""
    parts = landscape.notes
    if isinstance(landscape, Landscape):
        points = "x".join(map(str, landscape.energy.shape))
        computed = (
            f"q Phi / eps_r + Lennard-Jones, eps_r {describe(settings.permittivity)}, grid {points}, spacing "
            f"{settings.spacing:g} Å or less, cut-off {settings.cutoff:g} Å, atoms UFF, Lorentz-Berthelot"
        )
        parts = (computed, *parts)
    return f"landscape of {landscape.species.name}: {'; '.join(parts)}"


def _simplification_line(settings: LandscapeSettings) -> str:
    return (
        f"basins left over less than {settings.persistence_kT:g} kT at {settings.temperatures[0]:g} K are eliminated "
        "or merged where that keeps the slow dynamics; sites and saddles up to "
        f"{settings.window:g} eV above the percolation energy"
    )


def _remarks(networks: list[SpeciesNetwork]) -> tuple[str, ...]:
    lines = []
    for network in networks:
        name = network.species.name
        lines.append(f"{name}: {network.species.source}")
        lines += [f"{name}: {note}" for note in network.notes]
    return tuple(lines)
