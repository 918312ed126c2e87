"""Every jitted function of the engine: interaction factors, rates, the event loop, sampling and equilibration.

The rate nu w exp(-E_b/kT), E_b = max(0, ΔE, E_KRA + ΔE/2), is nu w min(1, r², K r) with r = exp(-ΔE/2kT) and
K = exp(-E_KRA/kT).
The engine keeps the factor g_j = exp(-(F_j + V_j - reference)/2kT) of every site, V_j being the energy on site j with
all ions, so that r = c g_j/g_i without an exponential: c = exp((e_ij - e_ii)/2kT + q E·d/2kT) takes out the ion's own
field and adds the external one. An executed hop multiplies g by a row of tabulated factors exp(-e/2kT) and divides it
by another.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

DONE, PAUSED, BLOCKED, OVERFLOW = 0, 1, 2, 3

jit = njit(cache=True, nogil=True, error_model="numpy")


@jit
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


@jit
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


@jit
def interaction_energy(interaction, site):
    """Energy on every site with all ions, V_j, from the ions' places alone, (n_sites,), eV."""
    energy = np.zeros(len(interaction.cell))
    n_sublattices = len(interaction.energy)
    for ion in range(len(site)):
        s = site[ion]
        if interaction.energy.size > 0:
            cell = interaction.cell[s]
            _add_row(energy, interaction.energy[cell[3]], cell, interaction.repeats, n_sublattices)
        else:
            for p in range(interaction.pair_offset[s], interaction.pair_offset[s + 1]):
                energy[interaction.pair_site[p]] += interaction.pair_energy[p]
    return energy


@jit
def rebuild(sites, energy, twice_kT, factor, reference, drift):
    """Compute every site's factor from its energy, record the drift of the old one and return the largest |exponent|.

    Parameters
    ----------
    sites : Sites
    energy : (n_sites,) float64, eV
        With all ions. The sites' own energies are added in place.
    twice_kT : float, eV
    factor : (n_sites,) float64
        Modified in place; zero where there is no old one.
    reference : (n_species,) float64, eV
        Mean energy of the sites of each species, modified in place.
    drift : (1,) float64, eV
        Modified in place.
    """
    n_species = len(reference)
    mean, number = np.zeros(n_species), np.zeros(n_species)
    for j in range(len(energy)):
        energy[j] += sites.energy[sites.sublattice[j]]
        p = sites.species[j]
        mean[p] += energy[j]
        number[p] += 1.0
        if factor[j] != 0.0:
            change = abs(reference[p] - twice_kT * math.log(factor[j]) - energy[j])
            if not change <= drift[0]:
                drift[0] = change
    for p in range(n_species):
        reference[p] = mean[p] / number[p] if number[p] > 0.0 else 0.0
    largest = 0.0
    for j in range(len(energy)):
        exponent = (reference[sites.species[j]] - energy[j]) / twice_kT
        largest = max(largest, abs(exponent))
        factor[j] = math.exp(exponent)
    return largest


@jit
def _relocate(interaction, exclusions, configuration, ion, old, new):
    """Move an ion and bring occupants, exclusion counts and factors up to date; `configuration` changes in place."""
    blocked, factor = configuration.blocked, configuration.factor
    configuration.occupant[old] = -1
    configuration.occupant[new] = ion
    configuration.site[ion] = new
    blocked[old] -= 1
    blocked[new] += 1
    for e in range(exclusions.offset[old], exclusions.offset[old + 1]):
        blocked[exclusions.site[e]] -= 1
    for e in range(exclusions.offset[new], exclusions.offset[new + 1]):
        blocked[exclusions.site[e]] += 1
    if interaction.factor.size > 0:
        cell = interaction.cell
        _move_charge(factor, interaction.factor, cell[old], cell[new], interaction.repeats, len(interaction.factor))
    else:
        for p in range(interaction.pair_offset[old], interaction.pair_offset[old + 1]):
            factor[interaction.pair_site[p]] /= interaction.pair_factor[p]
        for p in range(interaction.pair_offset[new], interaction.pair_offset[new + 1]):
            factor[interaction.pair_site[p]] *= interaction.pair_factor[p]


@jit
def _leaving_rate(site, factor, blocked, hops):
    """Total rate of the hops from `site` that are open, 1/s; unsigned indices spare the test for negative ones."""
    target, own, top, linear, square = hops.target, hops.own, hops.top, hops.linear, hops.square
    inverse = 1.0 / factor[site]
    first, unit = np.uint64(hops.first[site]), np.uint64(hops.unit[site])
    rate = 0.0
    for k in range(np.uint64(hops.degree[site])):
        there = target[first + k]
        ratio = factor[there] * inverse
        slope, limit = square[unit + k] * ratio, linear[unit + k]
        hop, limit = (slope if slope < limit else limit) * ratio, top[unit + k]
        hop = hop if hop < limit else limit
        rate += hop if blocked[there] == own[unit + k] else 0.0
    return rate


@jit
def renew_rates(hops, configuration, movers):
    """Rate of every mover and their sum in this order, 1/s; `movers.rate` is modified in place."""
    site, factor, blocked, ion, rate = (
        configuration.site, configuration.factor, configuration.blocked, movers.ion, movers.rate
    )  # fmt: skip
    total = 0.0
    for m in range(len(ion)):
        rate[m] = _leaving_rate(np.uint64(site[ion[m]]), factor, blocked, hops)
        total += rate[m]
    return total


@jit
def _renew_around(hops, configuration, movers, changed, event):
    """Renew, once per event, the rates of the movers on the site `changed` and on the sites with a hop to it."""
    for k in range(-1, np.int64(hops.degree[changed])):
        site = changed if k < 0 else np.int64(hops.target[hops.first[changed] + k])
        if configuration.occupant[site] >= 0:
            m = movers.of_ion[configuration.occupant[site]]
            if m >= 0 and movers.renewed[m] != event:
                movers.renewed[m] = event
                movers.rate[m] = _leaving_rate(np.uint64(site), configuration.factor, configuration.blocked, hops)


@jit
def _renew_rates_nearby(tables, configuration, movers, old, new, event):
    """Renew the rates that a short-ranged hop from `old` to `new` can have changed and return the sum of all, 1/s."""
    interaction, exclusions, hops = tables.interaction, tables.exclusions, tables.hops
    for site in (old, new):
        _renew_around(hops, configuration, movers, site, event)
        for e in range(exclusions.offset[site], exclusions.offset[site + 1]):
            _renew_around(hops, configuration, movers, np.int64(exclusions.site[e]), event)
        for p in range(interaction.pair_offset[site], interaction.pair_offset[site + 1]):
            _renew_around(hops, configuration, movers, np.int64(interaction.pair_site[p]), event)
    total = 0.0
    for m in range(len(movers.rate)):
        total += movers.rate[m]
    return total


@jit
def _choose(hops, configuration, movers, x):
    """Ion and hop at the place `x` of the running sum of all rates; never one of zero rate.

    The sum over the movers runs in the order of `renew_rates`, so that x below the total always meets a mover.

    Returns
    -------
    ion, k : int
        The k-th hop from the ion's site.
    """
    rate = movers.rate
    chosen, below = -1, 0.0
    for m in range(len(rate)):
        if rate[m] > 0.0:
            chosen = m
            if x < below + rate[m]:
                break
        below += rate[m]
    ion = np.int64(movers.ion[chosen])
    site = configuration.site[ion]
    x -= below
    inverse = 1.0 / configuration.factor[site]
    chosen, below = -1, 0.0
    for k in range(np.int64(hops.degree[site])):
        unit, target = hops.unit[site] + k, hops.target[hops.first[site] + k]
        if configuration.blocked[target] == hops.own[unit]:
            ratio = configuration.factor[target] * inverse
            hop = min(min(hops.square[unit] * ratio, hops.linear[unit]) * ratio, hops.top[unit])
            if hop > 0.0:
                chosen = k
                below += hop
                if x < below:
                    break
    return ion, chosen


@jit
def _count_hop(hops, ions, ion, old, k):
    """Enter the k-th hop from `old` into the ion's image and the statistics; `ions` is modified in place."""
    hop, unit = np.int64(hops.first[old]) + k, np.int64(hops.unit[old]) + k
    for axis in range(3):
        ions.image[ion, axis] += hops.wrap[hop, axis]
    orbit, last = hops.orbit[unit], ions.last_hop[ion]
    ions.orbit_events[orbit] += 1
    if last >= 0 and hops.reverse[last] == unit:
        ions.orbit_returns[orbit] += 1
    ions.last_hop[ion] = unit
    ions.events[0] += 1


@jit
def positions(sites, site, image):
    """Unwrapped places of all ions, from integers, (n_ions, 3), Å."""
    place = np.empty((len(site), 3))
    for ion in range(len(place)):
        for axis in range(3):
            place[ion, axis] = sites.position[site[ion], axis]
            for k in range(3):
                place[ion, axis] += image[ion, k] * sites.supercell[k, axis]
    return place


@jit
def configuration_energy(sites, configuration, species, reference, twice_kT):
    """Energy of the configuration from the kept factors, Σ F + ½ Σ_{i≠j} e_ij, eV."""
    energy = 0.0
    for ion in range(len(configuration.site)):
        site = configuration.site[ion]
        sublattice = sites.sublattice[site]
        both = reference[species[ion]] - twice_kT * math.log(configuration.factor[site])
        energy += 0.5 * (both + sites.energy[sublattice] - sites.own_energy[sublattice])
    return energy


@jit
def _correlate(history, square, origins, index, place, species):
    """Enter sample `index` into the correlators: level l holds every 2^l-th sample, lags are counted in its stride."""
    n_levels, width = history.shape[0], history.shape[1]
    entry = index
    for level in range(n_levels):
        now = history[level, entry % width]
        for ion in range(len(place)):
            for axis in range(3):
                now[ion, axis] = place[ion, axis]
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


@jit
def _record(tables, ions, sampler):
    """Write one sample of the present configuration; `sampler` is modified in place."""
    index, site = sampler.next_sample[0], ions.configuration.site
    place = positions(tables.sites, site, ions.image)
    for ion in range(len(place)):
        for axis in range(3):
            sampler.displacement[index, ions.species[ion], axis] += place[ion, axis] - sampler.start[ion, axis]
    sampler.events[index] = ions.events[0] - sampler.first_event[0]
    sampler.energy[index] = configuration_energy(
        tables.sites, ions.configuration, ions.species, ions.reference, tables.twice_kT
    )
    _correlate(sampler.history, sampler.square, sampler.origins, index, place, ions.species)
    if sampler.frame_every > 0 and index % sampler.frame_every == 0:
        frame = index // sampler.frame_every
        for ion in range(len(place)):
            sampler.frame_site[frame, ion] = site[ion]
            for axis in range(3):
                sampler.frame_image[frame, ion, axis] = ions.image[ion, axis]
    sampler.next_sample[0] += 1


@jit
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
    interaction, exclusions, hops = tables.interaction, tables.exclusions, tables.hops
    configuration, movers, clock, events = ions.configuration, ions.movers, ions.clock, ions.events
    n_samples = len(sampler.time)
    short_ranged = interaction.factor.size == 0
    total = renew_rates(hops, configuration, movers)
    movers.renewed[:] = -1
    while events[0] < last_event:
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
        ion, k = _choose(hops, configuration, movers, rng.random() * total)
        old = np.int64(configuration.site[ion])
        new = np.int64(hops.target[hops.first[old] + k])
        _relocate(interaction, exclusions, configuration, ion, old, new)
        _count_hop(hops, ions, ion, old, k)
        clock[0], clock[1] = clock[1], np.nan
        if events[0] % tables.rebuild_every == 0:
            energy = interaction_energy(interaction, configuration.site)
            rebuild(tables.sites, energy, tables.twice_kT, configuration.factor, ions.reference, ions.drift)
            total = renew_rates(hops, configuration, movers)
        elif short_ranged:
            total = _renew_rates_nearby(tables, configuration, movers, old, new, events[0])
        else:
            total = renew_rates(hops, configuration, movers)
    return PAUSED


@jit
def _excludes(exclusions, site, other):
    """Whether an ion on `site` forbids `other`."""
    for e in range(exclusions.offset[site], exclusions.offset[site + 1]):
        if exclusions.site[e] == other:
            return True
    return False


@jit
def _pair_energy(interaction, site, other):
    """Energy of an ion on `site` with an ion on `other`, its own images where they are the same, eV."""
    if interaction.energy.size > 0:
        here, there, n = interaction.cell[site], interaction.cell[other], interaction.repeats
        cell = (((there[0] - here[0]) % n[0]) * n[1] + (there[1] - here[1]) % n[1]) * n[2] + (there[2] - here[2]) % n[2]
        return interaction.energy[here[3], cell * len(interaction.energy) + there[3]]
    for p in range(interaction.pair_offset[site], interaction.pair_offset[site + 1]):
        if interaction.pair_site[p] == other:
            return interaction.pair_energy[p]
    return 0.0


@jit
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
    sites, interaction, exclusions, configuration = (
        tables.sites,
        tables.interaction,
        tables.exclusions,
        ions.configuration,
    )
    n_sublattices, n_ions = len(sites.energy), len(ions.species)
    n_cells = len(sites.species) // n_sublattices
    accepted = 0
    for _ in range(n_trials):
        ion = int(rng.random() * n_ions)
        species = ions.species[ion]
        first, width = sites.first[species], sites.first[species + 1] - sites.first[species]
        place = int(rng.random() * (n_cells * width))
        old, new = np.int64(configuration.site[ion]), place // width * n_sublattices + first + place % width
        u = rng.random()
        count = configuration.blocked[new]
        if new == old or count > 1 or (count == 1 and not _excludes(exclusions, old, new)):
            continue
        own_field = (_pair_energy(interaction, old, new) - _pair_energy(interaction, old, old)) / tables.twice_kT
        r = configuration.factor[new] / configuration.factor[old] * math.exp(own_field)
        if u < r * r:
            _relocate(interaction, exclusions, configuration, ion, old, new)
            accepted += 1
            if accepted % tables.rebuild_every == 0:
                energy = interaction_energy(interaction, configuration.site)
                rebuild(sites, energy, tables.twice_kT, configuration.factor, ions.reference, ions.drift)
    return accepted
