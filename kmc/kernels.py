"""Every jitted function of the engine: interaction factors, rates, the event loop, sampling and equilibration.

The rate nu exp(-E_b/kT), E_b = max(0, ΔE, E_KRA + ΔE/2), is nu min(1, r², K r) with r = exp(-ΔE/2kT) and
K = exp(-E_KRA/kT).
The engine keeps the factor g_j = exp(-(F_j + V_j - reference)/2kT) of every site, V_j being the energy on site j with
all ions, so that r = c g_j/g_i without an exponential: c = exp((e_ij - e_ii)/2kT + q E·d/2kT) takes out the ion's own
field and adds the external one. An executed hop multiplies g by a row of tabulated factors exp(-e/2kT) and divides it
by another.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

DONE, PAUSED, BLOCKED, OVERFLOW = 0, 1, 2, 3


class Tables(NamedTuple):
    """What does not change: the lattice with energies and factors at one temperature.

    Hop constants belong to the hops of the network; hop h of site i is the network's hop h + site_unit[i].
    """

    repeats: NDArray[np.int64]  # (3,)
    site_cell: NDArray[np.int32]  # (n_sites, 4): cell coordinates and sublattice
    site_species: NDArray[np.int32]  # (n_sites,)
    site_energy: NDArray[np.float64]  # (n_sublattices,) eV, free energy at the temperature
    own_energy: NDArray[np.float64]  # (n_sublattices,) eV, of an ion with its own images
    position: NDArray[np.float64]  # (n_sites, 3) Å
    supercell: NDArray[np.float64]  # (3, 3) Å
    dense_energy: NDArray[np.float64]  # (n_sublattices, n_sites or 0) eV
    dense_factor: NDArray[np.float64]  # the same shape, exp(-energy/2kT)
    pair_offset: NDArray[np.int64]  # (n_sites + 1,)
    pair_site: NDArray[np.int32]  # (n_pairs,)
    pair_energy: NDArray[np.float64]  # (n_pairs,) eV
    pair_factor: NDArray[np.float64]  # (n_pairs,) exp(-energy/2kT)
    hop_offset: NDArray[np.int64]  # (n_sites + 1,)
    hop_target: NDArray[np.int32]  # (n_hops,)
    hop_wrap: NDArray[np.int8]  # (n_hops, 3)
    site_unit: NDArray[np.int64]  # (n_sites,)
    hop_own: NDArray[np.int32]  # (n_unit_hops,) 1 if the origin excludes the target, else 0
    hop_shift: NDArray[np.float64]  # (n_unit_hops,) c
    hop_barrier: NDArray[np.float64]  # (n_unit_hops,) K
    hop_attempt: NDArray[np.float64]  # (n_unit_hops,) 1/s
    hop_orbit: NDArray[np.int32]  # (n_unit_hops,)
    hop_reverse: NDArray[np.int64]  # (n_unit_hops,)
    exclusion_offset: NDArray[np.int64]  # (n_sites + 1,)
    exclusion_site: NDArray[np.int32]  # (n_exclusions,)
    species_first: NDArray[np.int64]  # (n_species + 1,) first sublattice of each species
    twice_kT: float  # noqa: N815
    rebuild_every: int


class Ions(NamedTuple):
    """What changes: the arrays of a State, and workspace that can be recomputed from them."""

    occupant: NDArray[np.int32]  # (n_sites,)
    blocked: NDArray[np.int32]  # (n_sites,)
    species: NDArray[np.int32]  # (n_ions,)
    site: NDArray[np.int32]  # (n_ions,)
    image: NDArray[np.int32]  # (n_ions, 3)
    last_hop: NDArray[np.int32]  # (n_ions,)
    factor: NDArray[np.float64]  # (n_sites,)
    reference: NDArray[np.float64]  # (n_species,) eV
    movers: NDArray[np.int32]  # (n_movers,) ions that hop
    mover_of: NDArray[np.int32]  # (n_ions,) its place in movers, or -1
    mover_rate: NDArray[np.float64]  # (n_movers,) 1/s, workspace
    mover_stamp: NDArray[np.int64]  # (n_movers,) event at which the rate was last renewed, workspace
    clock: NDArray[np.float64]  # (2,) s: time, next_time
    counter: NDArray[np.int64]  # (1,) events
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


@njit(cache=True, nogil=True, error_model="numpy")
def _add_row(energy, row, origin, repeats, n_sublattices):
    """Add the energies with an ion on a site of cell `origin` to every site; `energy` is modified in place."""
    n1, n2, n3 = repeats[0], repeats[1], repeats[2]
    for c1 in range(n1):
        for c2 in range(n2):
            for c3 in range(n3):
                offset = (((c1 - origin[0]) % n1) * n2 + (c2 - origin[1]) % n2) * n3 + (c3 - origin[2]) % n3
                here = energy[((c1 * n2 + c2) * n3 + c3) * n_sublattices :][:n_sublattices]
                there = row[offset * n_sublattices :][:n_sublattices]
                for b in range(n_sublattices):
                    here[b] += there[b]


@njit(cache=True, nogil=True, error_model="numpy")
def _move_charge(factor, table, old, new, repeats, n_sublattices):
    """Multiply every site's factor by that of an ion on `new` and divide by that of one on `old`, in place.

    Parameters
    ----------
    factor : (n_sites,) float64
    table : (n_sublattices, n_sites) float64
        exp(-e/2kT) by sublattice of the ion and cell offset of the other site.
    old, new : (4,) int32
        Cell coordinates and sublattice.
    """
    n1, n2, n3 = repeats[0], repeats[1], repeats[2]
    onto, away = table[new[3]], table[old[3]]
    low, high = min(old[2], new[2]), max(old[2], new[2])
    for c1 in range(n1):
        for c2 in range(n2):
            plane = (c1 * n2 + c2) * n3
            old_plane = (((c1 - old[0]) % n1) * n2 + (c2 - old[1]) % n2) * n3
            new_plane = (((c1 - new[0]) % n1) * n2 + (c2 - new[1]) % n2) * n3
            for part in range(3):  # runs of cells along c3 in which neither row wraps
                first = 0 if part == 0 else (low if part == 1 else high)
                last = low if part == 0 else (high if part == 1 else n3)
                if last > first:
                    length = (last - first) * n_sublattices
                    here = factor[(plane + first) * n_sublattices :][:length]
                    gain = onto[(new_plane + (first - new[2]) % n3) * n_sublattices :][:length]
                    loss = away[(old_plane + (first - old[2]) % n3) * n_sublattices :][:length]
                    for k in range(length):
                        here[k] *= gain[k] / loss[k]


@njit(cache=True, nogil=True, error_model="numpy")
def interaction_energy(tables, site):
    """Energy on every site with all ions, V_j, from the ions' places alone, (n_sites,), eV."""
    energy = np.zeros(len(tables.site_cell))
    n_sublattices = len(tables.site_energy)
    for ion in range(len(site)):
        s = site[ion]
        if tables.dense_energy.size > 0:
            cell = tables.site_cell[s]
            _add_row(energy, tables.dense_energy[cell[3]], cell, tables.repeats, n_sublattices)
        else:
            for p in range(tables.pair_offset[s], tables.pair_offset[s + 1]):
                energy[tables.pair_site[p]] += tables.pair_energy[p]
    return energy


@njit(cache=True, nogil=True, error_model="numpy")
def rebuild(tables, ions, compare):
    """Compute every site's factor afresh, record the drift of the old ones and return the largest |exponent|.

    Parameters
    ----------
    tables : Tables
    ions : Ions
        `factor`, `reference` and `drift` are modified in place.
    compare : bool
        Whether there are old factors.
    """
    energy = interaction_energy(tables, ions.site)
    n_species = len(ions.reference)
    mean, sites = np.zeros(n_species), np.zeros(n_species)
    for j in range(len(energy)):
        energy[j] += tables.site_energy[tables.site_cell[j, 3]]
        p = tables.site_species[j]
        mean[p] += energy[j]
        sites[p] += 1.0
        if compare:
            kept = ions.reference[p] - tables.twice_kT * math.log(ions.factor[j])
            drift = abs(kept - energy[j])
            if not drift <= ions.drift[0]:
                ions.drift[0] = drift
    for p in range(n_species):
        ions.reference[p] = mean[p] / sites[p] if sites[p] > 0.0 else 0.0
    largest = 0.0
    for j in range(len(energy)):
        exponent = (ions.reference[tables.site_species[j]] - energy[j]) / tables.twice_kT
        largest = max(largest, abs(exponent))
        ions.factor[j] = math.exp(exponent)
    return largest


@njit(cache=True, nogil=True, error_model="numpy")
def _relocate(tables, ions, ion, old, new):
    """Move an ion and bring occupants, exclusion counts and factors up to date; `ions` is modified in place."""
    blocked, factor = ions.blocked, ions.factor
    ions.occupant[old] = -1
    ions.occupant[new] = ion
    ions.site[ion] = new
    blocked[old] -= 1
    blocked[new] += 1
    for e in range(tables.exclusion_offset[old], tables.exclusion_offset[old + 1]):
        blocked[tables.exclusion_site[e]] -= 1
    for e in range(tables.exclusion_offset[new], tables.exclusion_offset[new + 1]):
        blocked[tables.exclusion_site[e]] += 1
    if tables.dense_factor.size > 0:
        cells = tables.site_cell
        _move_charge(factor, tables.dense_factor, cells[old], cells[new], tables.repeats, len(tables.site_energy))
    else:
        for p in range(tables.pair_offset[old], tables.pair_offset[old + 1]):
            factor[tables.pair_site[p]] /= tables.pair_factor[p]
        for p in range(tables.pair_offset[new], tables.pair_offset[new + 1]):
            factor[tables.pair_site[p]] *= tables.pair_factor[p]


@njit(cache=True, nogil=True, error_model="numpy")
def _hop_rate(ratio, shift, barrier, attempt):
    """Rate nu min(1, r², K r) of a hop between factors of the given ratio, 1/s."""
    r = shift * ratio
    slow = barrier * r
    fast = r * r
    slow = fast if fast < slow else slow
    return attempt * (slow if slow < 1.0 else 1.0)


@njit(cache=True, nogil=True, error_model="numpy")
def _mover_rate(site, factor, blocked, hop_offset, hop_target, site_unit, own, shift, barrier, attempt):
    """Total rate of the hops from `site` that are open, 1/s."""
    inverse = 1.0 / factor[site]
    unit = site_unit[site]
    rate = 0.0
    for h in range(hop_offset[site], hop_offset[site + 1]):
        u = h + unit
        target = hop_target[h]
        open_attempt = attempt[u] if blocked[target] == own[u] else 0.0
        rate += _hop_rate(factor[target] * inverse, shift[u], barrier[u], open_attempt)
    return rate


@njit(cache=True, nogil=True, error_model="numpy")
def renew_rates(tables, ions):
    """Rate of every mover and their sum in this order, 1/s; `ions.mover_rate` is modified in place."""
    factor, blocked, site, movers, mover_rate = ions.factor, ions.blocked, ions.site, ions.movers, ions.mover_rate
    hop_offset, hop_target, site_unit, own = tables.hop_offset, tables.hop_target, tables.site_unit, tables.hop_own
    shift, barrier, attempt = tables.hop_shift, tables.hop_barrier, tables.hop_attempt
    total = 0.0
    for m in range(len(movers)):
        rate = _mover_rate(
            site[movers[m]], factor, blocked, hop_offset, hop_target, site_unit, own, shift, barrier, attempt
        )
        mover_rate[m] = rate
        total += rate
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def _renew_around(tables, ions, changed):
    """Renew the rates of movers on the site `changed` or with a hop to it, once per event."""
    occupant, stamp, event = ions.occupant, ions.mover_stamp, ions.counter[0]
    for h in range(tables.hop_offset[changed] - 1, tables.hop_offset[changed + 1]):
        site = changed if h < tables.hop_offset[changed] else tables.hop_target[h]
        if occupant[site] >= 0:
            m = ions.mover_of[occupant[site]]
            if m >= 0 and stamp[m] != event:
                stamp[m] = event
                ions.mover_rate[m] = _mover_rate(
                    site, ions.factor, ions.blocked, tables.hop_offset, tables.hop_target, tables.site_unit,
                    tables.hop_own, tables.hop_shift, tables.hop_barrier, tables.hop_attempt,
                )  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy")
def _renew_rates_nearby(tables, ions, old, new):
    """Renew the rates that a short-ranged hop from `old` to `new` can have changed and return the sum of all, 1/s."""
    for site in (old, new):
        _renew_around(tables, ions, site)
        for e in range(tables.exclusion_offset[site], tables.exclusion_offset[site + 1]):
            _renew_around(tables, ions, tables.exclusion_site[e])
        for p in range(tables.pair_offset[site], tables.pair_offset[site + 1]):
            _renew_around(tables, ions, tables.pair_site[p])
    total = 0.0
    for m in range(len(ions.mover_rate)):
        total += ions.mover_rate[m]
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def _choose(tables, ions, x):
    """Mover and hop at the place `x` of the running sum of all rates; never one of zero rate.

    The sum over the movers runs in the order of `renew_rates`, so that x below the total always meets a mover.
    """
    mover_rate = ions.mover_rate
    chosen, below = -1, 0.0
    for m in range(len(mover_rate)):
        if mover_rate[m] > 0.0:
            chosen = m
            if x < below + mover_rate[m]:
                break
        below += mover_rate[m]
    x -= below
    site = ions.site[ions.movers[chosen]]
    inverse = 1.0 / ions.factor[site]
    hop, below = -1, 0.0
    for h in range(tables.hop_offset[site], tables.hop_offset[site + 1]):
        u = h + tables.site_unit[site]
        target = tables.hop_target[h]
        if ions.blocked[target] == tables.hop_own[u]:
            rate = _hop_rate(
                ions.factor[target] * inverse, tables.hop_shift[u], tables.hop_barrier[u], tables.hop_attempt[u]
            )
            if rate > 0.0:
                hop = h
                below += rate
                if x < below:
                    break
    return ions.movers[chosen], hop


@njit(cache=True, nogil=True, error_model="numpy")
def _execute(tables, ions, ion, hop):
    """Make a hop and count it; `ions` is modified in place. Returns the site that was left."""
    old, new = ions.site[ion], tables.hop_target[hop]
    unit = hop + tables.site_unit[old]
    for axis in range(3):
        ions.image[ion, axis] += tables.hop_wrap[hop, axis]
    _relocate(tables, ions, ion, old, new)
    orbit, last = tables.hop_orbit[unit], ions.last_hop[ion]
    ions.orbit_events[orbit] += 1
    if last >= 0 and tables.hop_reverse[last] == unit:
        ions.orbit_returns[orbit] += 1
    ions.last_hop[ion] = unit
    ions.counter[0] += 1
    return old


@njit(cache=True, nogil=True, error_model="numpy")
def positions(tables, ions):
    """Unwrapped places of all ions, from integers, (n_ions, 3), Å."""
    place = np.empty((len(ions.site), 3))
    for ion in range(len(place)):
        for axis in range(3):
            place[ion, axis] = tables.position[ions.site[ion], axis]
            for k in range(3):
                place[ion, axis] += ions.image[ion, k] * tables.supercell[k, axis]
    return place


@njit(cache=True, nogil=True, error_model="numpy")
def configuration_energy(tables, ions):
    """Energy of the configuration from the kept factors, Σ F + ½ Σ_{i≠j} e_ij, eV."""
    energy = 0.0
    for ion in range(len(ions.site)):
        site = ions.site[ion]
        sublattice = tables.site_cell[site, 3]
        both = ions.reference[ions.species[ion]] - tables.twice_kT * math.log(ions.factor[site])
        energy += 0.5 * (both + tables.site_energy[sublattice] - tables.own_energy[sublattice])
    return energy


@njit(cache=True, nogil=True, error_model="numpy")
def _correlate(sampler, index, place, species):
    """Enter sample `index` into the correlators: level l holds every 2^l-th sample, lags are counted in its stride."""
    history, square, origins = sampler.history, sampler.square, sampler.origins
    n_levels, width = history.shape[0], history.shape[1]
    entry = index
    for level in range(n_levels):
        history[level, entry % width] = place
        shortest = 1 if level == 0 else width // 2 + 1
        for lag in range(shortest, min(width - 1, entry) + 1):
            before = history[level, (entry - lag) % width]
            origins[level, lag] += 1
            for ion in range(len(place)):
                for axis in range(3):
                    step = place[ion, axis] - before[ion, axis]
                    square[level, lag, species[ion], axis] += step * step
        if entry % 2 == 1:
            break
        entry //= 2


@njit(cache=True, nogil=True, error_model="numpy")
def _record(tables, ions, sampler):
    """Write one sample of the present configuration; `sampler` is modified in place."""
    index = sampler.next_sample[0]
    place = positions(tables, ions)
    for ion in range(len(place)):
        for axis in range(3):
            sampler.displacement[index, ions.species[ion], axis] += place[ion, axis] - sampler.start[ion, axis]
    sampler.events[index] = ions.counter[0] - sampler.first_event[0]
    sampler.energy[index] = configuration_energy(tables, ions)
    _correlate(sampler, index, place, ions.species)
    if sampler.frame_every > 0 and index % sampler.frame_every == 0:
        sampler.frame_site[index // sampler.frame_every] = ions.site
        sampler.frame_image[index // sampler.frame_every] = ions.image
    sampler.next_sample[0] += 1


@njit(cache=True, nogil=True, error_model="numpy")
def advance(tables, ions, sampler, last_event, rng):
    """Run hops until the last sample is taken or the event count reaches `last_event`; rejection-free and exact.

    Two random numbers make an event: the first its time, drawn as soon as the state before it is known and kept in the
    clock, the second its ion and hop. A sample at t is of the state that holds at t.
    Bortz, Kalos, Lebowitz, J. Comput. Phys. 17, 10 (1975); Gillespie, J. Comput. Phys. 22, 403 (1976).

    Parameters
    ----------
    tables : Tables
    ions : Ions
        Modified in place.
    sampler : Sampler
        Modified in place; without sample times only `last_event` and a blocked state end the loop.
    last_event : int
    rng : numpy.random.Generator

    Returns
    -------
    status : DONE, PAUSED at `last_event`, BLOCKED (no hop is open, no sample is due) or OVERFLOW (factors out of range)
    """
    clock, counter = ions.clock, ions.counter
    n_samples = len(sampler.time)
    short_ranged = tables.dense_factor.size == 0
    total = renew_rates(tables, ions)
    ions.mover_stamp[:] = -1
    while counter[0] < last_event:
        if not total < np.inf:
            return OVERFLOW
        if np.isnan(clock[1]):
            clock[1] = clock[0] - math.log1p(-rng.random()) / total if total > 0.0 else np.inf
        while sampler.next_sample[0] < n_samples and sampler.time[sampler.next_sample[0]] < clock[1]:
            _record(tables, ions, sampler)
        if n_samples > 0 and sampler.next_sample[0] == n_samples:
            clock[0] = sampler.time[n_samples - 1]
            return DONE
        if clock[1] == np.inf:
            return BLOCKED
        ion, hop = _choose(tables, ions, rng.random() * total)
        old = _execute(tables, ions, ion, hop)
        clock[0], clock[1] = clock[1], np.nan
        if counter[0] % tables.rebuild_every == 0:
            rebuild(tables, ions, True)
            total = renew_rates(tables, ions)
        elif short_ranged:
            total = _renew_rates_nearby(tables, ions, old, ions.site[ion])
        else:
            total = renew_rates(tables, ions)
    return PAUSED


@njit(cache=True, nogil=True, error_model="numpy")
def _excludes(tables, site, other):
    """Whether an ion on `site` forbids `other`."""
    for e in range(tables.exclusion_offset[site], tables.exclusion_offset[site + 1]):
        if tables.exclusion_site[e] == other:
            return True
    return False


@njit(cache=True, nogil=True, error_model="numpy")
def _pair_energy(tables, site, other):
    """Energy of an ion on `site` with an ion on `other`, its own images where they are the same, eV."""
    if tables.dense_energy.size > 0:
        here, there, n = tables.site_cell[site], tables.site_cell[other], tables.repeats
        cell = (((there[0] - here[0]) % n[0]) * n[1] + (there[1] - here[1]) % n[1]) * n[2] + (there[2] - here[2]) % n[2]
        return tables.dense_energy[here[3], cell * len(tables.site_energy) + there[3]]
    for p in range(tables.pair_offset[site], tables.pair_offset[site + 1]):
        if tables.pair_site[p] == other:
            return tables.pair_energy[p]
    return 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def equilibrate(tables, ions, n_trials, rng):
    """Metropolis Monte Carlo: a random ion to a random site of its species, accepted with min(1, exp(-ΔE/kT)).

    The stationary distribution is Boltzmann's whatever the barriers between the sites, because both directions are
    proposed equally often. N. Metropolis et al., J. Chem. Phys. 21, 1087 (1953).

    Parameters
    ----------
    tables : Tables
    ions : Ions
        Modified in place; images and clock stay.
    n_trials : int
    rng : numpy.random.Generator

    Returns
    -------
    accepted : int
    """
    n_sublattices, n_ions = len(tables.site_energy), len(ions.site)
    n_cells = len(tables.site_cell) // n_sublattices
    accepted = 0
    for _ in range(n_trials):
        ion = int(rng.random() * n_ions)
        species = ions.species[ion]
        first, width = tables.species_first[species], tables.species_first[species + 1] - tables.species_first[species]
        place = int(rng.random() * (n_cells * width))
        old, new = ions.site[ion], place // width * n_sublattices + first + place % width
        u = rng.random()
        if new == old or ions.blocked[new] > 1 or (ions.blocked[new] == 1 and not _excludes(tables, old, new)):
            continue
        own_field = (_pair_energy(tables, old, new) - _pair_energy(tables, old, old)) / tables.twice_kT
        r = ions.factor[new] / ions.factor[old] * math.exp(own_field)
        if u < r * r:
            _relocate(tables, ions, ion, old, new)
            accepted += 1
            if accepted % tables.rebuild_every == 0:
                rebuild(tables, ions, True)
    return accepted
