"""Networks and simulations that the benchmarks share; they need no file but those that come with the project."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from kmc.placement import place_ions
from kmc.simulation import Simulation
from kmc.state import State
from lattice.network import PoreNetwork
from lattice.supercell import Lattice
from runs.deck_file import find_deck, read_deck
from runs.network_source import source_of_deck
from structures.species import SHIPPED_SPECIES, Species
from structures.units import BOLTZMANN

ROOM_TEMPERATURE = 298.15  # K


def simple_cubic(barrier: float = 0.3, *, spacing: float = 3.0, permittivity: float = 10.0) -> PoreNetwork:
    """One species of charge +1 that hops between nearest neighbours of a simple cubic lattice; eV and Å."""
    images = np.concatenate([np.eye(3, dtype=int), -np.eye(3, dtype=int)])
    temperatures = np.array([200.0, 20000.0])
    return PoreNetwork(
        name="simple cubic", cell=spacing * np.eye(3), framework_symbols=(), framework_frac=np.zeros((0, 3)),
        framework_charges=np.zeros(0), framework_charge=0.0, permittivity=np.float64(permittivity),
        species=(Species("A+", 1.0, mass=7.0, lj_epsilon=0.0, lj_sigma=1.0, contact_radius=0.1, source="benchmark"),),
        site_species=np.zeros(1), site_frac=np.zeros((1, 3)), site_energy=np.zeros(1), site_orbit=np.zeros(1),
        site_label=("point",), site_width=np.zeros(1), site_overridden=np.zeros(1, bool),
        site_log_partition=np.zeros((1, 2)), hop_origin=np.zeros(6), hop_target=np.zeros(6), hop_image=images,
        hop_saddle=np.full(6, barrier), hop_overridden=np.zeros(6, bool),
        hop_log_conductance=np.tile(-barrier / (BOLTZMANN * temperatures), (6, 1)), hop_orbit=np.zeros(6),
        hop_reverse=np.array([3, 4, 5, 0, 1, 2]), exclusion_a=np.zeros(0), exclusion_b=np.zeros(0),
        exclusion_image=np.zeros((0, 3)), rate_model="attempt_frequency", temperatures=temperatures,
        percolation=np.zeros((1, 3)), accessible_volume=spacing**3, largest_cavity=1.0, limiting_diameter=1.0,
        provenance=("benchmark",),
    )  # fmt: skip


def ni_mof(*species: str, spacing: float | None = None) -> PoreNetwork:
    """Every basin of the Ni-MOF a site: the shipped deck's structure, charges and landscape without elimination."""
    source = source_of_deck(read_deck(find_deck("ni_mof")[0]))
    settings = replace(source.settings, persistence_kT=0.0, spacing=spacing or source.settings.spacing)
    source = replace(source, species=tuple(SHIPPED_SPECIES[name] for name in species), settings=settings)
    return source.network(source.framework(), lambda what, fraction: None)


def saddles_above_ends(network: PoreNetwork, height: float) -> PoreNetwork:
    """Move every saddle to so many eV above the higher one of its two sites; prefactors stay."""
    ends = np.maximum(network.site_energy[network.hop_origin], network.site_energy[network.hop_target])
    shift = ends + height - network.hop_saddle
    conductance = network.hop_log_conductance - np.outer(shift, 1.0 / (BOLTZMANN * network.temperatures))
    return replace(network, hop_saddle=ends + height, hop_log_conductance=conductance)


def scattered(lattice: Lattice, counts: Sequence[int], rng: np.random.Generator) -> State:
    """So many ions of every species on random sites that no other ion forbids, whatever the energies.

    Placing them one by one with their energies would take long in large supercells.

    Raises
    ------
    ValueError
        If the exclusions leave no room.
    """
    occupant, blocked = np.full(lattice.n_sites, -1, np.int32), np.zeros(lattice.n_sites, np.int16)
    taken: list[int] = []
    for species, count in enumerate(counts):
        first = len(taken)
        for site in rng.permutation(np.flatnonzero(lattice.site_species == species)).tolist():
            if len(taken) == first + count:
                break
            if blocked[site] == 0:
                taken.append(site)
                blocked[site] += 1
                blocked[lattice.exclusion_site[slice(*lattice.exclusion_offset[site : site + 2])]] += 1
        if len(taken) < first + count:
            raise ValueError(f"exclusions must leave room for {count} ions; got {len(taken) - first}")
    n_ions = len(taken)
    occupant[taken] = np.arange(n_ions)
    return State(
        occupant=occupant, blocked=blocked, ion_species=np.repeat(np.arange(len(counts)), counts).astype(np.int32),
        mobile=np.ones(n_ions, bool), ion_site=np.array(taken, np.int32), ion_image=np.zeros((n_ions, 3), np.int32),
        ion_last_hop=np.full(n_ions, -1, np.int32), site_factor=np.zeros(0),
        reference=np.zeros(len(lattice.network.species)), time=0.0, next_time=np.nan, n_events=0, rng=rng,
    )  # fmt: skip


def in_equilibrium(lattice: Lattice, share: float, *, sweeps: int = 20) -> Simulation:
    """Ions of every species that take up this share of the framework's charge each, at room temperature.

    What is missing to neutrality is a uniform background.
    """
    count = round(share * abs(lattice.network.framework_charge) * lattice.n_cells)
    counts = {species.name: count for species in lattice.network.species}
    state = place_ions(lattice, counts, np.random.default_rng(1), temperature=ROOM_TEMPERATURE)
    simulation = Simulation(lattice, state, temperature=ROOM_TEMPERATURE)
    simulation.equilibrate(sweeps)
    return simulation
