"""The arrays as the kernels take them: what is fixed at one temperature, what changes, and what samples."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kmc.rates import Conditions
from kmc.state import State
from lattice.supercell import Lattice, cell_coordinates
from structures.errors import InputError

LARGEST_EXPONENT = 300.0  # of a factor; products of two must stay below exp(709)


class Sites(NamedTuple):
    """Sites of the supercell at one temperature."""

    species: NDArray[np.int32]  # (n_sites,)
    sublattice: NDArray[np.int32]  # (n_sites,)
    energy: NDArray[np.float64]  # (n_sublattices,) eV, free energy
    own_energy: NDArray[np.float64]  # (n_sublattices,) eV, of an ion with its own images
    position: NDArray[np.float64]  # (n_sites, 3) Å
    supercell: NDArray[np.float64]  # (3, 3) Å
    first: NDArray[np.int64]  # (n_species + 1,) first sublattice of each species


class Interaction(NamedTuple):
    """Energies of pairs of ions and their factors exp(-energy/2kT); the dense ones or the listed ones are empty."""

    repeats: NDArray[np.int64]  # (3,)
    cell: NDArray[np.int32]  # (n_sites, 4): cell coordinates and sublattice
    energy: NDArray[np.float64]  # (n_sublattices, n_sites or 0) eV, by cell offset and sublattice of the other site
    factor: NDArray[np.float64]  # the same shape
    pair_offset: NDArray[np.int64]  # (n_sites + 1,)
    pair_site: NDArray[np.int32]  # (n_pairs,)
    pair_energy: NDArray[np.float64]  # (n_pairs,) eV
    pair_factor: NDArray[np.float64]  # (n_pairs,)


class Exclusions(NamedTuple):
    """Sites that an ion forbids, its own apart."""

    offset: NDArray[np.int64]  # (n_sites + 1,)
    site: NDArray[np.int32]  # (n_exclusions,)


class Hops(NamedTuple):
    """Hops by origin and their constants, nu w min(1, r², K r) = min(top, min(square x, linear) x) with x = g_j/g_i.

    The constants belong to the hops of the network: the k-th hop of site i has number first[i] + k in the supercell
    and unit[i] + k in the network.
    """

    first: NDArray[np.uint32]  # (n_sites,)
    unit: NDArray[np.uint32]  # (n_sites,)
    degree: NDArray[np.uint32]  # (n_sites,) number of hops
    target: NDArray[np.uint32]  # (n_hops,)
    wrap: NDArray[np.int8]  # (n_hops, 3)
    own: NDArray[np.int16]  # (n_unit_hops,) 1 if the origin excludes the target, else 0
    top: NDArray[np.float64]  # (n_unit_hops,) 1/s, nu w
    linear: NDArray[np.float64]  # (n_unit_hops,) 1/s, nu w K c
    square: NDArray[np.float64]  # (n_unit_hops,) 1/s, nu w c²
    orbit: NDArray[np.int32]  # (n_unit_hops,)
    reverse: NDArray[np.int64]  # (n_unit_hops,)


class Tables(NamedTuple):
    """What does not change during a simulation."""

    sites: Sites
    interaction: Interaction
    exclusions: Exclusions
    hops: Hops
    twice_kT: float  # noqa: N815  # eV
    rebuild_every: int


class Configuration(NamedTuple):
    """Where the ions are and what follows from it for every site; arrays of a State."""

    site: NDArray[np.int32]  # (n_ions,)
    occupant: NDArray[np.int32]  # (n_sites,)
    blocked: NDArray[np.int16]  # (n_sites,)
    factor: NDArray[np.float64]  # (n_sites,)


class Movers(NamedTuple):
    """Ions that hop, and their rates; workspace."""

    ion: NDArray[np.int32]  # (n_movers,)
    of_ion: NDArray[np.int32]  # (n_ions,) place in `ion`, or -1
    rate: NDArray[np.float64]  # (n_movers,) 1/s
    renewed: NDArray[np.int64]  # (n_movers,) event at which the rate was computed


class Ions(NamedTuple):
    """What changes: the arrays of a State, workspace and counters."""

    configuration: Configuration
    movers: Movers
    species: NDArray[np.int32]  # (n_ions,)
    image: NDArray[np.int32]  # (n_ions, 3)
    last_hop: NDArray[np.int32]  # (n_ions,)
    reference: NDArray[np.float64]  # (n_species,) eV
    clock: NDArray[np.float64]  # (2,) s: time, next_time
    events: NDArray[np.int64]  # (1,)
    drift: NDArray[np.float64]  # (1,) eV, the worst found by a rebuild
    orbit_events: NDArray[np.int64]  # (n_orbits,)
    orbit_returns: NDArray[np.int64]  # (n_orbits,)


class Sampler(NamedTuple):
    """Samples on a grid of times, and multiple-tau correlators; see kmc/sampling.py."""

    time: NDArray[np.float64]  # (n_samples,) s on the simulation's clock
    next_sample: NDArray[np.int64]  # (1,)
    start: NDArray[np.float64]  # (n_ions, 3) Å
    first_event: NDArray[np.int64]  # (1,)
    displacement: NDArray[np.float64]  # (n_samples, n_species, 3) Å
    events: NDArray[np.int64]  # (n_samples,)
    energy: NDArray[np.float64]  # (n_samples,) eV
    history: NDArray[np.float64]  # (n_levels, n_lags + 1, n_ions, 3) Å, ring buffers
    square: NDArray[np.float64]  # (n_levels, n_lags + 1, n_species, 3) Å², sums over origins and ions
    origins: NDArray[np.int64]  # (n_levels, n_lags + 1)
    frame_every: int
    frame_site: NDArray[np.int32]  # (n_frames, n_ions)
    frame_image: NDArray[np.int32]  # (n_frames, n_ions, 3)


def workspace(state: State, tables: Tables) -> Ions:
    """Hand the arrays of a state over in the kernels' form; all but the scalars are shared with it."""
    movers = np.flatnonzero(state.mobile).astype(np.int32)
    mover_of = np.full(state.n_ions, -1, np.int32)
    mover_of[movers] = np.arange(len(movers))
    n_orbits = int(tables.hops.orbit.max(initial=-1)) + 1
    return Ions(
        configuration=Configuration(state.ion_site, state.occupant, state.blocked, state.site_factor),
        movers=Movers(movers, mover_of, np.zeros(len(movers)), np.zeros(len(movers), np.int64)),
        species=state.ion_species,
        image=state.ion_image,
        last_hop=state.ion_last_hop,
        reference=state.reference,
        clock=np.array([state.time, state.next_time]),
        events=np.array([state.n_events], np.int64),
        drift=np.zeros(1),
        orbit_events=np.zeros(n_orbits, np.int64),
        orbit_returns=np.zeros(n_orbits, np.int64),
    )


def prepare_tables(lattice: Lattice, conditions: Conditions, rebuild_every: int) -> Tables:
    """Energies, factors and hop constants of a lattice at one temperature, as the kernels take them.

    Raises
    ------
    InputError
        If a pair of ions has an energy beyond the range of exp(-e/2kT).
    """
    network, interaction = lattice.network, lattice.interaction
    S, twice_kT = network.n_sites, 2.0 * conditions.kT
    free_energy = network.site_free_energy(conditions.temperature)
    dense = interaction.dense.reshape(S, S * int(np.prod(interaction.dense.shape[1:4])))
    strongest = max(np.abs(dense).max(initial=0.0), np.abs(interaction.pair_energy).max(initial=0.0))
    if not strongest / twice_kT < LARGEST_EXPONENT:
        raise InputError(
            f"pair energies must lie below {LARGEST_EXPONENT:g} x 2kT; got {strongest:.3g} eV at "
            f"{conditions.temperature:g} K"
        )
    return Tables(
        sites=_sites(lattice, free_energy),
        interaction=Interaction(
            repeats=np.array(lattice.repeats, np.int64),
            cell=_cells(lattice),
            energy=dense,
            factor=np.exp(-dense / twice_kT),
            pair_offset=interaction.pair_offset,
            pair_site=interaction.pair_site,
            pair_energy=interaction.pair_energy,
            pair_factor=np.exp(-interaction.pair_energy / twice_kT),
        ),
        exclusions=Exclusions(lattice.exclusion_offset, lattice.exclusion_site),
        hops=_hops(lattice, conditions, free_energy),
        twice_kT=twice_kT,
        rebuild_every=rebuild_every,
    )


def _cells(lattice: Lattice) -> NDArray[np.int32]:
    cells = np.repeat(cell_coordinates(lattice.repeats), lattice.network.n_sites, axis=0)
    sublattice = np.tile(np.arange(lattice.network.n_sites), lattice.n_cells)
    return np.column_stack([cells, sublattice]).astype(np.int32)


def _sites(lattice: Lattice, free_energy: NDArray[np.float64]) -> Sites:
    network = lattice.network
    own_energy = np.array([lattice.interaction.row(a)[a] for a in range(network.n_sites)])
    return Sites(
        species=lattice.site_species,
        sublattice=np.tile(np.arange(network.n_sites, dtype=np.int32), lattice.n_cells),
        energy=free_energy,
        own_energy=own_energy,
        position=lattice.position,
        supercell=lattice.cell,
        first=np.searchsorted(network.site_species, np.arange(len(network.species) + 1)).astype(np.int64),
    )


def _hops(lattice: Lattice, conditions: Conditions, free_energy: NDArray[np.float64]) -> Hops:
    """Give the hop constants; the hops of the first cell stand for those of all cells."""
    network, twice_kT = lattice.network, 2.0 * conditions.kT
    origin, target = network.hop_origin, lattice.hop_target[: len(network.hop_origin)]
    forbidden = [lattice.exclusion_site[slice(*lattice.exclusion_offset[a : a + 2])] for a in range(network.n_sites)]
    rows = [lattice.interaction.row(a) for a in range(network.n_sites)]
    own_field = np.array([rows[i][j] - rows[i][i] for i, j in zip(origin, target, strict=True)])
    charge = np.array([species.charge for species in network.species])[network.site_species]
    work = charge[origin] * (network.hop_vector @ conditions.field)
    shift = (own_field + work) / twice_kT
    kra = network.hop_saddle - 0.5 * (free_energy[origin] + free_energy[network.hop_target])
    attempt = conditions.attempt_frequency * network.hop_weight
    with np.errstate(over="ignore"):
        linear, square = attempt * np.exp(shift - kra / conditions.kT), attempt * np.exp(2.0 * shift)
    if not (np.isfinite(linear).all() and np.isfinite(square).all()):
        raise InputError(
            f"field and barriers must stay within some 300 kT; got {np.abs(work).max():.3g} eV of work and "
            f"E_KRA down to {kra.min():.3g} eV at {conditions.temperature:g} K"
        )
    unit = np.searchsorted(origin, np.arange(network.n_sites))
    return Hops(
        first=lattice.hop_offset[:-1].astype(np.uint32),
        unit=np.tile(unit, lattice.n_cells).astype(np.uint32),
        degree=np.diff(lattice.hop_offset).astype(np.uint32),
        target=lattice.hop_target.astype(np.uint32),
        wrap=lattice.hop_wrap,
        own=np.array([j in forbidden[i] for i, j in zip(origin, target, strict=True)], np.int16),
        top=attempt,
        linear=linear,
        square=square,
        orbit=network.hop_orbit,
        reverse=network.hop_reverse,
    )
