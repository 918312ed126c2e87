"""Every jitted function of the engine: interaction factors, rates, the event loop, sampling and equilibration.

A rate nu w exp(-E_b/kT), E_b = max(0, ΔE, E_KRA + ΔE/2), is nu w min(1, r², K r), r = exp(-ΔE/2kT), K = exp(-E_KRA/kT).
The engine keeps the factor g_j = exp(-(F_j + V_j - reference)/2kT) of every site, V_j being the energy on site j with
all ions, so that r = c g_j/g_i without an exponential: c = exp((e_ij - e_ii)/2kT + q E·d/2kT) takes out the ion's own
field and adds the external one. An executed hop multiplies g by a row of tabulated exp(-e/2kT) and divides by another.

Whether a site is open is kept in its factor: +g where no ion forbids it, -g where exactly one does, -g/2**700 where
more do. Multiplications leave sign and power of two alone, and a rate needs one number per site.

The types that the kernels take are here too, because numba's disk cache does not notice an edit in another file.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np
from numba import njit
from numpy.typing import NDArray

from kmc.atomics import exchange, give_way, load, pause, store

DONE, PAUSED, BLOCKED, OVERFLOW, CROWDED, ABOVE = 0, 1, 2, 3, 4, 5
LARGEST_EXPONENT = 220.0  # of a factor, whose size stays between 2**-318 and 2**318
FORBIDDEN = 2.0**-700  # of the factor of a site that more than one ion forbids
AT_REST = 1.0 + 1e-9  # largest exp(V/2kT) of an ion that nobody repels, with room for rounding
SMALLEST_ACCEPTANCE = 0.1  # of trials: below, keeping all rates costs less
MOST_NULLS = 1000  # trials in a row without a hop, after which rates are kept
ARITY = 8  # branches of the tree of rates; one cache line
LINE, _DONE = 16, 8  # words between those that different threads write, two cache lines; half of it
STOP = -1  # in place of the number of a job
_MOVE, _RATES = 0, 1  # jobs that threads share
_PATIENCE = 2**10  # looks at a word before a thread lets others have its core
_MOST_LOOKS = 2**22  # after which a helper without work goes

numba.config.SLP_VECTORIZE = 1  # the processor then computes the four hops of a group side by side

jit = njit(cache=True, nogil=True, error_model="numpy")
# In the loops over events nothing is allocated, and the users of an array need not be counted, which would cost more
# than the arithmetic; nor are the parts of all arrays, hundreds of words, handed over at a call that is in line.
hot = njit(cache=True, nogil=True, error_model="numpy", _nrt=False)
inlined = njit(cache=True, nogil=True, error_model="numpy", _nrt=False, forceinline=True)


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
    """Energies of pairs of ions, factors exp(-energy/2kT) and their inverse; the dense or the listed ones are empty."""

    repeats: NDArray[np.int64]  # (3,)
    cell: NDArray[np.int32]  # (n_sites, 4): cell coordinates and sublattice
    energy: NDArray[np.float64]  # (n_sublattices, n_sites or 0) eV, by cell offset and sublattice of the other site
    gain: NDArray[np.float64]  # the same shape, the factor of an ion that comes
    loss: NDArray[np.float64]  # the same shape, that of an ion that goes
    pair_offset: NDArray[np.int64]  # (n_sites + 1,)
    pair_site: NDArray[np.int32]  # (n_pairs,)
    pair_energy: NDArray[np.float64]  # (n_pairs of a cell,) eV
    pair_factor: NDArray[np.float64]  # (n_pairs of a cell,)
    pair_step: NDArray[np.int64]  # (n_pairs of a cell,) from the number of a site inside to that of its neighbour
    inside: NDArray[np.bool_]  # (n_cells,) whose pairs do not cross the faces of the supercell


class Exclusions(NamedTuple):
    """Sites that an ion forbids, its own apart."""

    offset: NDArray[np.int64]  # (n_sites + 1,)
    site: NDArray[np.int32]  # (n_exclusions,)


class Hops(NamedTuple):
    """Hops by origin and their constants, nu w min(1, r², K r) = min(top, min(square x, linear) x) with x = g_j/g_i.

    Where the origin forbids the target, and the factor of the target is negative for that reason alone, `linear` is
    negative: linear x is positive for open hops and negative for forbidden ones; where x holds FORBIDDEN its square
    vanishes.

    The k-th hop of site i is number first[i] + k of the supercell and unit[i] + k of the network. The constants of the
    sites of one cell are rows of groups of four hops, filled up with hops of rate zero so that all sites of a species
    have the same number of them: the loop over the hops of an ion then has a length that the processor can foresee,
    and four of them go side by side.
    """

    first: NDArray[np.uint32]  # (n_sites,)
    unit: NDArray[np.uint32]  # (n_sites,)
    degree: NDArray[np.uint32]  # (n_sites,) number of hops
    target: NDArray[np.uint32]  # (n_hops,)
    wrap: NDArray[np.int8]  # (n_hops, 3)
    step: NDArray[np.int64]  # (n_unit_hops,) from the number of a site inside to that of its target
    inside: NDArray[np.bool_]  # (n_cells,) whose hops do not cross the faces of the supercell: reading `target` and
    # `wrap` of a large lattice takes longer than an event without
    constant: NDArray[np.float64]  # (n_sublattices * width * 3,) 1/s, by group: square (nu w c²), linear (nu w K c or
    # its negative), and top (nu w), four numbers each
    width: int  # columns of a row, four for each group
    groups: NDArray[np.uint64]  # (n_species,) groups that the sites of a species use
    orbit: NDArray[np.int32]  # (n_unit_hops,)
    reverse: NDArray[np.int64]  # (n_unit_hops,)


class Ceilings(NamedTuple):
    """Rates that the hops of an ion cannot exceed, whatever is free; empty where every ion interacts with all.

    With X = exp(V_i/2kT) of the energy V_i of the ion with the others and V_j >= L_j, which is V_j with all those
    present that attract, the x = g_j/g_i of `Hops` is at most X exp((F_i - F_j - L_j)/2kT).
    """

    running: NDArray[
        np.float64
    ]  # (3, n_sublattices, width) 1/s, running sums over the hops of a site, inf behind them:
    # of the largest rates for X <= AT_REST, of those of `linear` x over X, and of `top`
    most: NDArray[np.float64]  # (3, n_sublattices) 1/s, the last of the sums
    common: float  # 1/s, the smallest most[0] of a site with hops


class Changes(NamedTuple):
    """How far a hop can change ΔE of the hops of any other ion; empty where rates are kept, see kmc/thinning.py."""

    row: NDArray[np.int64]  # (n_unit_hops,) of `code`, or -1 less the row of the reverse hop: from the cell of its new
    # place a hop changes what its reverse does
    code: NDArray[np.uint8]  # (n_rows, n_places) by row, and the place of the other ion seen from the hop: first the
    # sites of a box of cells, then all cells, each with the largest code of its sites
    box: NDArray[np.int64]  # (2, 3) cells along each axis, and those of them before the cell of the hop
    cost: NDArray[np.float64]  # (256,) by code, in parts of the allowance; inf where an ion is to be renewed at once
    stretch: float  # exp(allowance/2kT): how far x = g_j/g_i of a hop may exceed that of which its ion's bound was made


class Tables(NamedTuple):
    """What does not change during a simulation."""

    sites: Sites
    interaction: Interaction
    exclusions: Exclusions
    hops: Hops
    ceilings: Ceilings
    changes: Changes
    twice_kT: float  # noqa: N815  # eV
    rebuild_every: int


class Configuration(NamedTuple):
    """Where the ions are and what follows from it for every site; arrays of a State."""

    site: NDArray[np.int32]  # (n_ions,)
    occupant: NDArray[np.int32]  # (n_sites,)
    blocked: NDArray[np.int16]  # (n_sites,)
    factor: NDArray[np.float64]  # (n_sites,) with the sign and the power of two that tell whether the site is open


class Movers(NamedTuple):
    """Ions that hop, where their hops lead, and the tree of their rates, or of their bounds; workspace.

    The tree's first level holds the number of every mover, each further one the sums of ARITY neighbours, the last the
    total; every level is filled up with zeros to whole groups. A sum is always made anew of its terms: it cannot drift.
    """

    ion: NDArray[np.int32]  # (n_movers,)
    of_ion: NDArray[np.int32]  # (n_ions,) place in `ion`, or -1
    site: NDArray[np.uint32]  # (n_movers,)
    row: NDArray[np.uint32]  # (n_movers,) where the constants of its hops begin
    target: NDArray[np.uint32]  # (n_movers * width,) the site itself where a row is filled up
    groups: NDArray[np.uint64]  # (n_movers,) groups of four columns in use
    tree: NDArray[np.float64]  # 1/s
    level: NDArray[np.int64]  # (n_levels,) where each level of the tree begins
    renewed: NDArray[np.int64]  # (n_movers,) event at which the rate was computed
    cell: NDArray[np.uint32]  # (5, n_movers) cell coordinates and `_place_numbers`, for bounds with allowances
    there: NDArray[np.uint32]  # (n_movers,) its place in the codes of a hop


class Ions(NamedTuple):
    """What changes: the arrays of a State, and workspace."""

    configuration: Configuration
    movers: Movers
    species: NDArray[np.int32]  # (n_ions,)
    image: NDArray[np.int32]  # (n_ions, 3)
    last_hop: NDArray[np.int32]  # (n_ions,)
    reference: NDArray[np.float64]  # (n_species,) eV
    clock: NDArray[np.float64]  # (2,) s: time, next_time
    events: NDArray[np.int64]  # (1,)
    thinning: NDArray[np.float64]  # (2,) acceptance of trials, 0 to keep rates instead; trials in a row without a hop;
    # or (2 n_movers + 5,) bounds, 1/s, nan to make them anew, what is used of the allowances, and the conditions


class Team(NamedTuple):
    """Threads that share the jobs of an event which grow with the lattice: factors, and rates where they are kept.

    Each job is cut into parts, of which every thread has one of its own. `words` begins with the number of the job,
    what is to be done, and two arguments; line p holds the number of the last job whose part p somebody has taken, and
    half a line on that of the last job whose part p is done.
    """

    size: int  # threads
    words: NDArray[np.int64]  # (size LINE,)
    order: NDArray[np.uint32]  # (n_movers,) part by part those near each other: a thread reads what it has written


class Sampler(NamedTuple):
    """What a run has measured so far: with the State all that is needed to go on with it; see kmc/sampling.py."""

    begin: float  # s on the simulation's clock
    first_event: int
    time: NDArray[np.float64]  # (n_samples,) s from the start of the run
    next_sample: NDArray[np.int64]  # (1,)
    start: NDArray[np.float64]  # (n_ions, 3) Å
    displacement: NDArray[np.float64]  # (n_samples, n_species, 3) Å
    events: NDArray[np.int64]  # (n_samples,)
    energy: NDArray[np.float64]  # (n_samples,) eV
    history: NDArray[np.float64]  # (n_levels, n_lags + 1, n_ions, 3) Å, ring buffers
    square: NDArray[np.float64]  # (n_levels, n_lags + 1, n_species, 3) Å², sums over origins and ions
    origins: NDArray[np.int64]  # (n_levels, n_lags + 1)
    orbit_hops: NDArray[np.int64]  # (2, n_orbits): all hops, and those that undid the ion's last one
    arrival: NDArray[np.float64]  # (n_ions,) s on the simulation's clock; `begin` for an ion that has not hopped
    site_time: NDArray[np.float64]  # (n_sublattices,) s, stays that have ended, over all cells
    departures: NDArray[np.int64]  # (n_sublattices,)
    drift: NDArray[np.float64]  # (1,) eV, the worst found by a rebuild
    frame_every: int
    frame_site: NDArray[np.int32]  # (n_frames, n_ions)
    frame_image: NDArray[np.int32]  # (n_frames, n_ions, 3)


@hot
def _move_charge(factor, interaction, old, new, part, n_parts):
    """Multiply the factors of sites by those of an ion on site `new` and divide by those of one on `old`, in place.

    A row of cells runs along the third vector of the supercell; only one of `n_parts` equal parts of the rows changes.
    """
    cell, repeats, onto, away = interaction.cell, interaction.repeats, interaction.gain, interaction.loss
    n, zero = np.uint64(len(onto)), np.uint64(0)
    n1, n2, n3 = np.uint64(repeats[0]), np.uint64(repeats[1]), np.uint64(repeats[2])
    old1, old2, old3, a = np.uint64(cell[old, 0]), np.uint64(cell[old, 1]), np.uint64(cell[old, 2]), cell[old, 3]
    new1, new2, new3, b = np.uint64(cell[new, 0]), np.uint64(cell[new, 1]), np.uint64(cell[new, 2]), cell[new, 3]
    n_rows = repeats[0] * repeats[1] if onto.size > 0 else 0
    row, end = np.uint64(n_rows * part // n_parts), np.uint64(n_rows * (part + 1) // n_parts)
    c1, c2, here = row // n2, row % n2, row * n3 * n
    for _ in range(row, end):
        gain1, loss1 = c1 - new1 + (n1 if c1 < new1 else zero), c1 - old1 + (n1 if c1 < old1 else zero)
        gain2 = (gain1 * n2 + c2 - new2 + (n2 if c2 < new2 else zero)) * n3
        loss2 = (loss1 * n2 + c2 - old2 + (n2 if c2 < old2 else zero)) * n3
        first = zero
        for last in (min(old3, new3), max(old3, new3), n3):  # runs of cells in which neither row wraps
            gain = (gain2 + first - new3 + (n3 if first < new3 else zero)) * n
            loss = (loss2 + first - old3 + (n3 if first < old3 else zero)) * n
            length = (last - first) * n
            for k in range(length):
                factor[here + k] *= onto[b, gain + k] * away[a, loss + k]
            here += length
            first = last
        c2 += np.uint64(1)
        if c2 == n2:
            c1, c2 = c1 + np.uint64(1), zero


@jit
def _offset(interaction, site, other):
    """First column of the cell of `other` in the dense row of an ion on `site`."""
    here, there, n = interaction.cell[site], interaction.cell[other], interaction.repeats
    cell = (((there[0] - here[0]) % n[0]) * n[1] + (there[1] - here[1]) % n[1]) * n[2] + (there[2] - here[2]) % n[2]
    return cell * len(interaction.energy)


@jit
def interaction_energy(interaction, site):
    """Energy on every site with all ions, V_j, from the ions' places alone, (n_sites,), eV."""
    energy, n_sublattices = np.zeros(len(interaction.cell)), len(interaction.energy)
    for s in site:
        if interaction.energy.size > 0:
            row = interaction.energy[interaction.cell[s, 3]]
            for first in range(0, len(energy), n_sublattices):
                there = row[_offset(interaction, s, first) :]
                for b in range(n_sublattices):
                    energy[first + b] += there[b]
        else:
            for p in range(interaction.pair_offset[s], interaction.pair_offset[s + 1]):
                energy[interaction.pair_site[p]] += interaction.pair_energy[p % len(interaction.pair_energy)]
    return energy


@jit
def _pair_energy(interaction, site, other):
    """Energy of an ion on `site` with an ion on `other`, its own images where they are the same, eV."""
    if interaction.energy.size > 0:
        here, there = interaction.cell[site, 3], interaction.cell[other, 3]
        return interaction.energy[here, _offset(interaction, site, other) + there]
    for p in range(interaction.pair_offset[site], interaction.pair_offset[site + 1]):
        if interaction.pair_site[p] == other:
            return interaction.pair_energy[p % len(interaction.pair_energy)]
    return 0.0


@jit
def plain_factor(factor, site):
    """Factor of a site whether it is open or not."""
    size = abs(factor[site])
    return size / FORBIDDEN if size < math.sqrt(FORBIDDEN) else size


@jit
def _openness(blocked):
    """Sign and power of two of the factor of a site that so many ions forbid."""
    return 1.0 if blocked == 0 else (-1.0 if blocked == 1 else -FORBIDDEN)


@jit
def rebuild(tables, ions, drift):
    """Compute the factor of every site from the ions' places and return the largest |exponent|.

    The factors and `reference`, now the mean energy of the sites of each species, are modified in place; `drift`, (1,)
    eV, is raised in place to the largest change of a site's energy.
    """
    sites, twice_kT, factor, reference = tables.sites, tables.twice_kT, ions.configuration.factor, ions.reference
    blocked = ions.configuration.blocked
    energy = interaction_energy(tables.interaction, ions.configuration.site)
    mean, number = np.zeros(len(reference)), np.zeros(len(reference))
    for j in range(len(energy)):
        energy[j] += sites.energy[sites.sublattice[j]]
        p = sites.species[j]
        mean[p] += energy[j]
        number[p] += 1.0
        change = abs(reference[p] - twice_kT * math.log(plain_factor(factor, j)) - energy[j])
        if not change <= drift[0]:
            drift[0] = change
    for p in range(len(reference)):
        reference[p] = mean[p] / number[p] if number[p] > 0.0 else 0.0
    largest = 0.0
    for j in range(len(energy)):
        exponent = (reference[sites.species[j]] - energy[j]) / twice_kT
        largest = max(largest, abs(exponent))
        factor[j] = math.exp(exponent) * _openness(blocked[j])
    return largest


@inlined
def _move_neighbours(factor, interaction, old, new):
    """Do the same where the energies of pairs are listed; those of one cell stand for all cells."""
    pair_site, pair_step, pair_factor = interaction.pair_site, interaction.pair_step, interaction.pair_factor
    for site, comes in ((np.uint64(old), False), (np.uint64(new), True)):
        first, last, place, inside = _pairs(interaction, site)
        for p in range(first, last):
            there = site + np.uint64(pair_step[p]) if inside else np.uint64(pair_site[place + p])
            factor[there] = factor[there] * pair_factor[p] if comes else factor[there] / pair_factor[p]


@inlined
def _pairs(interaction, site):
    """First and last pair of a site in the list of one cell, where that of its cell begins, whether it is inside."""
    n_sublattices = np.uint32(len(interaction.energy))
    cell = np.uint32(site) // n_sublattices
    a = np.uint64(np.uint32(site) - cell * n_sublattices)
    first, last = np.uint64(interaction.pair_offset[a]), np.uint64(interaction.pair_offset[a + np.uint64(1)])
    return first, last, np.uint64(cell) * np.uint64(len(interaction.pair_factor)), interaction.inside[cell]


@inlined
def _forbid(configuration, site, count):
    """Let `count` more ions forbid a site; `configuration` changes in place."""
    before = configuration.blocked[site]
    after = before + count
    configuration.blocked[site] = after
    least = min(before, after)
    change = FORBIDDEN if count > 0 else 1.0 / FORBIDDEN
    configuration.factor[site] *= -1.0 if least == 0 else (change if least == 1 else 1.0)


@inlined
def _forbid_around(exclusions, configuration, site, count):
    """Let `count` more ions stand on a site and forbid those that it excludes; `configuration` changes in place."""
    _forbid(configuration, site, count)
    if len(exclusions.site) > 0:
        for e in range(exclusions.offset[site], exclusions.offset[site + np.uint64(1)]):
            _forbid(configuration, np.uint64(exclusions.site[e]), count)


@inlined
def _relocate(interaction, exclusions, configuration, ion, old, new, team):
    """Move an ion and bring occupants, exclusion counts and factors up to date; `configuration` changes in place."""
    configuration.occupant[old] = -1
    configuration.occupant[new] = ion
    configuration.site[ion] = new
    _forbid_around(exclusions, configuration, np.uint64(old), -1)
    _forbid_around(exclusions, configuration, np.uint64(new), 1)
    if interaction.gain.size > 0:
        if team is None:
            _move_charge(configuration.factor, interaction, old, new, 0, 1)
        else:
            _move_together(team.words, team.size, configuration.factor, interaction, old, new)
    elif len(interaction.pair_site) > 0:
        _move_neighbours(configuration.factor, interaction, old, new)


@inlined
def _enter_site(hops, movers, m, site, sublattice):
    """Write down where a mover is and where its hops lead; `movers` changes in place."""
    movers.site[m], movers.row[m] = site, 3 * hops.width * sublattice
    for k in range(np.uint32(4) * movers.groups[m]):
        movers.target[m * hops.width + k] = hops.target[hops.first[site] + k] if k < hops.degree[site] else site


@jit
def enter_sites(tables, ions):
    """Write down for every mover where it is and where its hops lead; `ions.movers` changes in place."""
    movers, hops, sites = ions.movers, tables.hops, tables.sites
    for m in range(np.uint64(len(movers.ion))):
        site = ions.configuration.site[movers.ion[m]]
        movers.groups[m] = hops.groups[sites.species[site]]
        _enter_site(hops, movers, m, site, sites.sublattice[site])


@inlined
def _rate(constant, at, ratio):
    """Rate of the hop whose constants begin `at`, for x = g_j/g_i, 0 if it is forbidden, 1/s."""
    square, linear, top = constant[at], constant[at + np.uint64(4)], constant[at + np.uint64(8)]
    hop = min(min(square * (ratio * ratio), linear * ratio), top)
    return 0.0 if hop <= 0.0 else hop


@inlined
def _hop_rate(constant, factor, target, place, at, inverse):
    """Rate of the hop to the site in `place` of `target`, 1/s; `inverse`: -1/g_i."""
    return _rate(constant, at, factor[target[place]] * inverse)


@hot
def _renew_rate(hops, configuration, movers, m):
    """Total rate of mover `m` into the tree, 1/s; unsigned indices spare the test for negative ones."""
    constant, factor, target = hops.constant, configuration.factor, movers.target
    place, at, rate = m * np.uint64(hops.width), np.uint64(movers.row[m]), 0.0
    inverse = -1.0 / factor[movers.site[m]]
    for _ in range(movers.groups[m]):
        one = _hop_rate(constant, factor, target, place, at, inverse)
        two = _hop_rate(constant, factor, target, place + np.uint64(1), at + np.uint64(1), inverse)
        three = _hop_rate(constant, factor, target, place + np.uint64(2), at + np.uint64(2), inverse)
        four = _hop_rate(constant, factor, target, place + np.uint64(3), at + np.uint64(3), inverse)
        rate += (one + three) + (two + four)
        place += np.uint64(4)
        at += np.uint64(12)
    movers.tree[m] = rate


@inlined
def _add_group(tree, lower, upper, group):
    """Sum of one group of a level of the tree into the next level."""
    first = np.uint64(lower) + np.uint64(group) * np.uint64(ARITY)
    total = 0.0
    for k in range(np.uint64(ARITY)):
        total += tree[first + k]
    tree[np.uint64(upper) + np.uint64(group)] = total


@hot
def _add_groups(tree, level, n):
    """Form all sums of a tree with `n` leaves and return the total."""
    for up in range(1, len(level)):
        n = (n + ARITY - 1) // ARITY
        for group in range(n):
            _add_group(tree, level[up - 1], level[up], group)
    return tree[level[-1]]


@inlined
def _set_leaf(tree, level, m, number):
    """Enter a number into the tree and renew the sums that hold it."""
    if tree[m] != number:
        tree[m] = number
        for up in range(1, len(level)):
            m >>= np.uint64(3)
            _add_group(tree, level[up - 1], level[up], m)


@hot
def _renew_some(hops, configuration, movers, order, part, n_parts):
    """Rates of one of `n_parts` equal parts of the movers in this order, 1/s; `movers.tree` is modified in place."""
    n = len(order)
    for k in range(np.uint64(n * part // n_parts), np.uint64(n * (part + 1) // n_parts)):
        _renew_rate(hops, configuration, movers, np.uint64(order[k]))


@hot
def renew_rates(hops, configuration, movers, team):
    """Rate of every mover and their sum, 1/s; `movers.tree` is modified in place."""
    tree, level, n = movers.tree, movers.level, len(movers.ion)
    if team is None:
        for m in range(np.uint64(n)):
            _renew_rate(hops, configuration, movers, m)
    else:
        _renew_together(team.words, team.size, team.order, hops, configuration, movers)
    return _add_groups(tree, level, n)


@hot
def _move_together(words, size, factor, interaction, old, new):
    """Do what `_move_charge` does with all threads; parts that no helper has begun in time are done here."""
    job = _begin(words, _MOVE, old, new)
    for part in range(size):
        if _take(words, part, job):
            _move_charge(factor, interaction, old, new, part, size)
            words[part * LINE + _DONE] = job
    _wait_for_all(words, size, job)


@hot
def _renew_together(words, size, order, hops, configuration, movers):
    """Renew the rates of all movers with all threads; parts that no helper has begun in time are done here."""
    job = _begin(words, _RATES, 0, 0)
    for part in range(size):
        if _take(words, part, job):
            _renew_some(hops, configuration, movers, order, part, size)
            words[part * LINE + _DONE] = job
    _wait_for_all(words, size, job)


@hot
def _begin(words, what, one, two):
    """Tell all threads of the next job, and return its number."""
    job = words[0] + 1
    words[1], words[2], words[3] = what, one, two
    store(words, 0, job)
    return job


@hot
def _take(words, part, job):
    """Whether a part of a job is still there to be done, and is the caller's from now on; the first part always is."""
    return part == 0 or (load(words, part * LINE) == job - 1 and exchange(words, part * LINE, job - 1, job))


@hot
def _wait_for_all(words, size, job):
    for part in range(size):
        looks = 0
        while load(words, part * LINE + _DONE) != job:
            looks = _wait(looks)


@hot
def _wait(looks):
    """Spend a moment until the next look at a word, and count it."""
    if looks < _PATIENCE:
        pause()
    else:
        give_way()
    return looks + 1


@hot
def help_with_events(team, interaction, hops, configuration, movers, part):
    """Do part `part` of every job from now on, until the team stops or there has been nothing to do for long.

    A job is the helper's once it has taken its part: until that part is done no other job can begin.
    """
    words, size, order, factor = team.words, team.size, team.order, configuration.factor
    seen, looks = np.int64(0), 0
    while looks < _MOST_LOOKS:
        job = load(words, 0)
        if job == STOP:
            return
        if job == seen:
            looks = _wait(looks)
        else:
            seen, looks = job, 0
            if _take(words, part, job):
                if words[1] == _MOVE:
                    _move_charge(factor, interaction, words[2], words[3], part, size)
                else:
                    _renew_some(hops, configuration, movers, order, part, size)
                store(words, part * LINE + _DONE, job)


@hot
def _renew_around(hops, configuration, movers, changed, event):
    """Renew, once per event, the rates of the movers on the site `changed` and on the sites with a hop to it."""
    tree, level = movers.tree, movers.level
    for k in range(-1, np.int64(hops.degree[changed])):
        site = changed if k < 0 else np.int64(hops.target[hops.first[changed] + k])
        if configuration.occupant[site] >= 0:
            m = movers.of_ion[configuration.occupant[site]]
            if m >= 0 and movers.renewed[m] != event:
                movers.renewed[m] = event
                _renew_rate(hops, configuration, movers, np.uint64(m))
                group = m
                for up in range(1, len(level)):
                    group //= ARITY
                    _add_group(tree, level[up - 1], level[up], group)


@hot
def _renew_rates_nearby(tables, configuration, movers, old, new, event):
    """Renew the rates that a short-ranged hop from `old` to `new` can have changed and return the sum of all, 1/s."""
    interaction, exclusions, hops = tables.interaction, tables.exclusions, tables.hops
    for site in (old, new):
        _renew_around(hops, configuration, movers, site, event)
        for e in range(exclusions.offset[site], exclusions.offset[site + 1]):
            _renew_around(hops, configuration, movers, np.int64(exclusions.site[e]), event)
        for p in range(interaction.pair_offset[site], interaction.pair_offset[site + 1]):
            _renew_around(hops, configuration, movers, np.int64(interaction.pair_site[p]), event)
    return movers.tree[movers.level[-1]]


@inlined
def _choose_mover(tree, level, x):
    """Mover at the place `x` of the running sum of all rates, and what is left of x; never one of zero rate.

    From the root of the tree down, in every group the first member whose running sum exceeds what is left of x; the
    last one with a rate where rounding leaves none.
    """
    m = 0
    for up in range(len(level) - 2, -1, -1):
        first, chosen = level[up] + m * ARITY, 0
        for k in range(ARITY):
            rate = tree[first + k]
            if rate > 0.0:
                chosen = k
                if x < rate:
                    break
                x -= rate
        m = m * ARITY + chosen
    return m, x


@inlined
def _choose_hop(hops, configuration, movers, m, x):
    """Column of the hop of mover `m` at the place `x` of the running sum of its rates; never of zero rate."""
    place, at, inverse = (
        m * np.uint64(hops.width),
        np.uint64(movers.row[m]),
        -1.0 / configuration.factor[movers.site[m]],
    )
    k, chosen, n = np.uint64(0), np.uint64(0), np.uint64(4) * movers.groups[m]
    while k < n and x >= 0.0:
        of_group = at + np.uint64(12) * (k // np.uint64(4)) + k % np.uint64(4)
        hop = _hop_rate(hops.constant, configuration.factor, movers.target, place + k, of_group, inverse)
        chosen = k if hop > 0.0 else chosen
        x -= hop
        k += np.uint64(1)
    return chosen


@inlined
def _count_hop(hops, ions, orbit_hops, ion, unit):
    """Enter a hop, by its number in the network, into the statistics, which are modified in place."""
    orbit, last = hops.orbit[unit], ions.last_hop[ion]
    orbit_hops[0, orbit] += 1
    orbit_hops[1, orbit] += np.int64(last >= 0) * np.int64(hops.reverse[np.uint64(max(last, 0))] == unit)
    ions.last_hop[ion] = unit
    ions.events[0] += 1


@inlined
def _cross(image, wrap, ion, hop):
    """Enter a hop of the lattice into the ion's image, in place."""
    for axis in range(3):
        image[ion, axis] += wrap[hop, axis]


@inlined
def _end_stay(sampler, ion, sublattice, now):
    """Enter the time that an ion has spent on the site that it leaves; `sampler` is modified in place."""
    sampler.site_time[sublattice] += now - sampler.arrival[ion]
    sampler.departures[sublattice] += 1
    sampler.arrival[ion] = now


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
def configuration_energy(tables, ions):
    """Energy of the configuration from the kept factors, Σ F + ½ Σ_{i≠j} e_ij, eV."""
    sites, configuration, energy = tables.sites, ions.configuration, 0.0
    for ion in range(len(configuration.site)):
        site = configuration.site[ion]
        sublattice = sites.sublattice[site]
        both = ions.reference[ions.species[ion]] - tables.twice_kT * math.log(plain_factor(configuration.factor, site))
        energy += 0.5 * (both + sites.energy[sublattice] - sites.own_energy[sublattice])
    return energy


@jit
def _correlate(history, square, origins, index, place, species):
    """Enter sample `index` into the correlators: level l holds every 2^l-th sample, lags are counted in its stride."""
    n_levels, width = history.shape[0], history.shape[1]
    entry = index
    for level in range(n_levels):
        for ion in range(len(place)):  # by element: assigning whole arrays takes seconds to compile
            for axis in range(3):
                history[level, entry % width, ion, axis] = place[ion, axis]
        shortest = 1 if level == 0 else width // 2 + 1
        for lag in range(shortest, min(width - 1, entry) + 1):
            before = (entry - lag) % width
            origins[level, lag] += 1
            for ion in range(len(place)):
                for axis in range(3):
                    step = place[ion, axis] - history[level, before, ion, axis]
                    square[level, lag, species[ion], axis] += step * step
        if entry % 2 == 1:
            break
        entry //= 2


@jit
def record(sites, site, image, species, n_events, energy, sampler):
    """Write one sample of the present places of all ions; `sampler` is modified in place."""
    index = sampler.next_sample[0]
    place = positions(sites, site, image)
    for ion in range(len(place)):
        for axis in range(3):
            sampler.displacement[index, species[ion], axis] += place[ion, axis] - sampler.start[ion, axis]
    sampler.events[index] = n_events - sampler.first_event
    sampler.energy[index] = energy
    _correlate(sampler.history, sampler.square, sampler.origins, index, place, species)
    if sampler.frame_every > 0 and index % sampler.frame_every == 0:
        frame = index // sampler.frame_every
        for ion in range(len(site)):
            sampler.frame_site[frame, ion] = site[ion]
            for axis in range(3):
                sampler.frame_image[frame, ion, axis] = image[ion, axis]
    sampler.next_sample[0] += 1


@jit
def advance(tables, ions, sampler, last_event, rng, team):
    """Run hops until the last sample is taken or the event count reaches `last_event`; exact.

    A sample at t is of the state that holds at t. In large lattices with a table events are drawn by `_follow_bounds`;
    where ions interact with few others and most trials are hops, by `_try_hops`; else by `_make_hops`.

    `ions` and `sampler` are modified in place; without sample times only `last_event` and a blocked state end the loop.
    A `team`, or None, changes nothing but the time that it takes.
    Returns DONE, PAUSED at `last_event`, BLOCKED (no hop is open, no sample is due), OVERFLOW (factors out of range) or
    ABOVE (a rate beyond its bound).
    """
    clock, events, taken, n_samples = ions.clock, ions.events, sampler.next_sample, len(sampler.time)
    movers, bounded = ions.movers, len(tables.changes.cost) > 0
    enter_sites(tables, ions)
    if bounded:
        take_bounds(tables, ions)
    result, status, bare = PAUSED, CROWDED, bare_factors(tables, ions.reference)
    while result == PAUSED and events[0] < last_event:
        thinned = not bounded and ions.thinning[0] > SMALLEST_ACCEPTANCE
        if status != DONE and not bounded:  # the numbers in the tree are those of other factors
            bare = bare_factors(tables, ions.reference)
            if thinned:
                enter_bounds(tables, ions, bare)
            else:
                renew_rates(tables.hops, ions.configuration, movers, team)
        until = sampler.begin + sampler.time[taken[0]] if taken[0] < n_samples else np.inf
        rebuild_at = (events[0] // tables.rebuild_every + 1) * tables.rebuild_every
        end = min(last_event, rebuild_at)
        if bounded:
            status = _follow_bounds(tables, ions, sampler, until, end, rng, team)
        elif thinned:
            status = _try_hops(tables, ions, sampler, bare, until, end, rng)
        else:
            status = _make_hops(tables, ions, sampler, until, end, rng, team)
        if status == OVERFLOW or status == ABOVE:
            result = status
        elif status == CROWDED:
            ions.thinning[:] = 0.0
            enter_sites(tables, ions)
        elif status == PAUSED and events[0] == rebuild_at:
            if not rebuild(tables, ions, sampler.drift) < LARGEST_EXPONENT:
                result = OVERFLOW
        elif status == DONE and until == np.inf:
            result = BLOCKED
        elif status == DONE:
            energy = configuration_energy(tables, ions)
            record(tables.sites, ions.configuration.site, ions.image, ions.species, events[0], energy, sampler)
            if taken[0] == n_samples:
                clock[0] = until
                result = DONE
    if bounded:
        n = len(movers.ion)
        ions.thinning[:n] = movers.tree[:n]
    return result


@inlined
def _carry_out(tables, ions, sampler, m, k, now, team):
    """Let mover `m` make the hop in column `k`: places, factors, statistics; all change in place.

    Returns the hop's number in the network and the site that it leaves, or a negative number where a factor has left
    the range.
    """
    hops, configuration, movers = tables.hops, ions.configuration, ions.movers
    ion, old = movers.ion[m], np.int64(movers.site[m])
    hop, unit = np.int64(hops.first[old]) + k, np.int64(hops.unit[old]) + k
    new = np.int64(hops.target[hop])
    if configuration.blocked[new] > 1:
        return np.int64(-1), old
    _end_stay(sampler, ion, tables.sites.sublattice[old], now)
    _relocate(tables.interaction, tables.exclusions, configuration, ion, old, new, team)
    _enter_site(hops, movers, m, new, tables.sites.sublattice[new])
    if not math.sqrt(FORBIDDEN) < -configuration.factor[new] < np.inf:
        return np.int64(-1), old
    _count_hop(hops, ions, sampler.orbit_hops, ion, unit)
    _cross(ions.image, hops.wrap, ion, hop)
    return unit, old


@hot
def _make_hops(tables, ions, sampler, until, last_event, rng, team):
    """Run hops until a time or an event count, with the rates of all ions in the tree; rejection-free.

    Two random numbers make an event: the first its time, drawn as soon as the state before it is known and kept in the
    clock, the second its ion and hop.
    Bortz, Kalos, Lebowitz, J. Comput. Phys. 17, 10 (1975); Gillespie, J. Comput. Phys. 22, 403 (1976).

    Returns DONE where nothing happens until then, PAUSED at `last_event`, or OVERFLOW.
    """
    interaction, hops = tables.interaction, tables.hops
    configuration, movers, clock, events = ions.configuration, ions.movers, ions.clock, ions.events
    total = movers.tree[movers.level[-1]]
    movers.renewed[:] = -1
    while events[0] < last_event:
        if not total >= 0.0:
            return OVERFLOW
        if np.isnan(clock[1]):
            clock[1] = clock[0] + rng.standard_exponential() / total if total > 0.0 else np.inf
        if clock[1] > until or clock[1] == np.inf:
            return DONE
        m, x = _choose_mover(movers.tree, movers.level, rng.random() * total)
        m = np.uint64(m)
        k = np.int64(_choose_hop(hops, configuration, movers, m, x))
        unit, old = _carry_out(tables, ions, sampler, m, k, clock[1], team)
        if unit < 0:
            return OVERFLOW
        clock[0], clock[1] = clock[1], np.nan
        if interaction.gain.size == 0:
            total = _renew_rates_nearby(tables, configuration, movers, old, np.int64(movers.site[m]), events[0])
        elif events[0] < last_event:
            total = renew_rates(hops, configuration, movers, team)
    return PAUSED


@hot
def _rate_and_bound(hops, configuration, movers, m, stretch):
    """Total rate of mover `m`, and what it can become while ΔE of its hops stays within the allowance, 1/s."""
    constant, factor, target = hops.constant, configuration.factor, movers.target
    place, at, rate, bound = m * np.uint64(hops.width), np.uint64(movers.row[m]), 0.0, 0.0
    inverse = -1.0 / factor[movers.site[m]]
    for _ in range(movers.groups[m]):
        for k in range(np.uint64(4)):
            x = factor[target[place + k]] * inverse
            rate += _rate(constant, at + k, x)
            bound += _rate(constant, at + k, x * stretch)
        place += np.uint64(4)
        at += np.uint64(12)
    return rate, bound


@inlined
def _place_numbers(interaction, box, c1, c2, c3, b):
    """Give the number of a site among those of a box, and of its cell among all cells."""
    n = interaction.repeats
    site = ((c1 * box[0, 1] + c2) * box[0, 2] + c3) * len(interaction.energy) + b
    return np.uint32(site), np.uint32((c1 * n[1] + c2) * n[2] + c3)


@hot
def _enter_cell(interaction, box, movers, m):
    """Write down the cell of a mover and both numbers of its place; `movers` changes in place."""
    c1, c2, c3, b = interaction.cell[movers.site[m]]
    movers.cell[0, m], movers.cell[1, m], movers.cell[2, m] = c1, c2, c3
    movers.cell[3, m], movers.cell[4, m] = _place_numbers(interaction, box, c1, c2, c3, b)


@hot
def take_bounds(tables, ions):
    """Bounds of all movers into the tree: those of before, or new ones; `ions` changes in place."""
    movers, thinning, n = ions.movers, ions.thinning, np.uint64(len(ions.movers.ion))
    fresh = n > 0 and np.isnan(thinning[0])
    for m in range(n):
        _enter_cell(tables.interaction, tables.changes.box, movers, m)
        if fresh:
            _, thinning[m] = _rate_and_bound(tables.hops, ions.configuration, movers, m, tables.changes.stretch)
            thinning[n + m] = 0.0
        movers.tree[m] = thinning[m]
    _add_groups(movers.tree, movers.level, len(movers.ion))
    if fresh:
        ions.clock[1] = np.nan  # drawn from another sum of bounds; the waiting times have no memory


@hot
def _spend_allowances(tables, ions, unit, old, new):
    """Charge every mover with what a hop can have changed, and renew those whose allowance does not cover it.

    The ion that has hopped is among these, since the site that it left is open to it. The numbers of places are linear
    in the cell: seen from the hop an ion has the difference of two, plus that of a whole supercell along every axis on
    which it wraps, modulo 2**32.
    """
    row = tables.changes.row[unit]
    row, seen_from = (np.uint64(row), old) if row >= 0 else (np.uint64(-1 - row), new)
    interaction, hops, movers, used = tables.interaction, tables.hops, ions.movers, ions.thinning
    code, cost, stretch, box = tables.changes.code, tables.changes.cost, tables.changes.stretch, tables.changes.box
    n, first, cell, there = interaction.repeats, interaction.cell[seen_from], movers.cell, movers.there
    c1, c2, c3 = (first[0] - box[1, 0]) % n[0], (first[1] - box[1, 1]) % n[1], (first[2] - box[1, 2]) % n[2]
    near, far = _place_numbers(interaction, box, c1, c2, c3, 0)
    far -= np.uint32(box[0, 0] * box[0, 1] * box[0, 2] * len(interaction.energy))
    near1, far1 = _place_numbers(interaction, box, n[0], 0, 0, 0)
    near2, far2 = _place_numbers(interaction, box, 0, n[1], 0, 0)
    near3, far3 = _place_numbers(interaction, box, 0, 0, n[2], 0)
    n1, n2, n3, zero = np.uint32(n[0]), np.uint32(n[1]), np.uint32(n[2]), np.uint32(0)
    w1, w2, w3 = np.uint32(box[0, 0]), np.uint32(box[0, 1]), np.uint32(box[0, 2])
    o1, o2, o3, n_movers = np.uint32(c1), np.uint32(c2), np.uint32(c3), np.uint64(len(there))
    for m in range(n_movers):
        x1, x2, x3 = cell[0, m], cell[1, m], cell[2, m]
        wraps1, wraps2, wraps3 = x1 < o1, x2 < o2, x3 < o3
        inside = np.uint32(np.uint32(cell[3, m] - near) + (near1 if wraps1 else zero))
        inside = np.uint32(np.uint32(inside + (near2 if wraps2 else zero)) + (near3 if wraps3 else zero))
        outside = np.uint32(np.uint32(cell[4, m] - far) + (far1 if wraps1 else zero))
        outside = np.uint32(np.uint32(outside + (far2 if wraps2 else zero)) + (far3 if wraps3 else zero))
        x1 = np.uint32(np.uint32(x1 - o1) + (n1 if wraps1 else zero))
        x2 = np.uint32(np.uint32(x2 - o2) + (n2 if wraps2 else zero))
        x3 = np.uint32(np.uint32(x3 - o3) + (n3 if wraps3 else zero))
        there[m] = inside if (x1 < w1) & (x2 < w2) & (x3 < w3) else outside
    for m in range(n_movers):
        used[n_movers + m] += cost[code[row, there[m]]]
    for m in range(n_movers):
        if used[n_movers + m] > 1.0:
            _, bound = _rate_and_bound(hops, ions.configuration, movers, m, stretch)
            _set_leaf(movers.tree, movers.level, m, bound)
            used[n_movers + m] = 0.0


@hot
def _follow_bounds(tables, ions, sampler, until, last_event, rng, team):
    """Run hops until a time or an event count by thinning, with a bound on the rate of every ion; as exact as the rest.

    A bound holds while ΔE of no hop of its ion moves by more than the allowance; every hop uses up what it can change
    at most, and only the bounds of ions whose allowance does not cover that are made anew. The times between trials
    have the sum of the bounds as their rate; a place below that sum names an ion, which hops if what is left of the
    place lies below its rate. Lewis, Shedler, Nav. Res. Logist. Q. 26, 403 (1979).

    Returns what `_make_hops` does, or ABOVE.
    """
    hops, configuration, movers, clock, events = tables.hops, ions.configuration, ions.movers, ions.clock, ions.events
    tree, level, used, n = movers.tree, movers.level, ions.thinning, np.uint64(len(movers.ion))
    while events[0] < last_event:
        total = tree[level[-1]]
        if not total >= 0.0:
            return OVERFLOW
        if np.isnan(clock[1]):
            clock[1] = clock[0] + rng.standard_exponential() / total if total > 0.0 else np.inf
        if clock[1] > until or clock[1] == np.inf:
            return DONE
        clock[0], clock[1] = clock[1], np.nan
        chosen, x = _choose_mover(tree, level, rng.random() * total)
        m = np.uint64(chosen)
        rate, bound = _rate_and_bound(hops, configuration, movers, m, tables.changes.stretch)
        if rate > tree[m] * AT_REST:
            return ABOVE
        if x < rate:
            k = np.int64(_choose_hop(hops, configuration, movers, m, x))
            unit, old = _carry_out(tables, ions, sampler, m, k, clock[0], team)
            if unit < 0:
                return OVERFLOW
            _enter_cell(tables.interaction, tables.changes.box, movers, m)
            _spend_allowances(tables, ions, unit, old, np.int64(movers.site[m]))
        else:
            _set_leaf(tree, level, m, bound)
            used[n + m] = 0.0
    return PAUSED


@jit
def bare_factors(tables, reference):
    """Factor of a site whose V is 0, exp(-(F - reference)/2kT), (n_sublattices,)."""
    sites, bare = tables.sites, np.ones(len(tables.sites.energy))
    for p in range(len(reference)):
        for a in range(sites.first[p], sites.first[p + 1]):
            bare[a] = math.exp((reference[p] - sites.energy[a]) / tables.twice_kT)
    return bare


@inlined
def _ceiling(most, a, X):
    """Bound on the rate of an ion on sublattice `a`, 1/s; which of the running sums it is from, the factor on them."""
    if X <= AT_REST:
        return most[np.uint64(0), a], np.uint64(0), 1.0
    linear, top = X * most[np.uint64(1), a], most[np.uint64(2), a]
    if linear < top:
        return linear, np.uint64(1), X
    return top, np.uint64(2), 1.0


@inlined
def _excess(ceilings, bare, factor, site):
    """Part of the bound on the rate of the ion on a site above what all have in common, 1/s."""
    a = np.uint64(np.uint32(site) % np.uint32(len(bare)))
    bound, _, _ = _ceiling(ceilings.most, a, bare[a] / abs(factor[site]))
    return max(bound - ceilings.common, 0.0)


@hot
def enter_bounds(tables, ions, bare):
    """Excess of the bound of every mover into the tree, and their sum, 1/s; `ions.movers.tree` changes in place."""
    movers, configuration = ions.movers, ions.configuration
    for m in range(np.uint64(len(movers.ion))):
        site = np.uint64(configuration.site[movers.ion[m]])
        movers.tree[m] = _excess(tables.ceilings, bare, configuration.factor, site)
    return _add_groups(movers.tree, movers.level, len(movers.ion))


@jit
def acceptance(tables, ions):
    """Share of the trials of `_try_hops` that would be hops in this configuration."""
    common = len(ions.movers.ion) * tables.ceilings.common
    bound = common + enter_bounds(tables, ions, bare_factors(tables, ions.reference))
    enter_sites(tables, ions)
    rate = renew_rates(tables.hops, ions.configuration, ions.movers, None)
    return rate / bound if bound > 0.0 else 0.0


@inlined
def _renew_bounds_around(tables, configuration, movers, bare, site):
    """Renew the bounds of the ions that interact with one on a site."""
    interaction, factor, occupant = tables.interaction, configuration.factor, configuration.occupant
    first, last, place, inside = _pairs(interaction, site)
    for p in range(first, last):
        there = site + np.uint64(interaction.pair_step[p]) if inside else np.uint64(interaction.pair_site[place + p])
        if factor[there] < 0.0 and occupant[there] >= 0:
            m = movers.of_ion[np.uint64(occupant[there])]
            if m >= 0:
                _set_leaf(movers.tree, movers.level, np.uint64(m), _excess(tables.ceilings, bare, factor, there))


@hot
def _try_hops(tables, ions, sampler, bare, until, last_event, rng):
    """Run hops until a time or an event count by thinning, without keeping any rate; as exact as `_make_hops`.

    Every ion has a bound b that its rate cannot exceed where it stands. The times between trials have the sum of the
    bounds as their rate. A place below that sum names an ion, a hop and a place below the ceiling of the hop: if it
    lies below the rate, the hop happens. With b = common + excess the ion follows from a division where the place lies
    below the sum of the common parts, above it from the tree of the excesses.
    Lewis, Shedler, Nav. Res. Logist. Q. 26, 403 (1979).

    Returns, beside what `_make_hops` does, CROWDED after MOST_NULLS trials in a row without a hop.
    """
    interaction, hops, ceilings, running = tables.interaction, tables.hops, tables.ceilings, tables.ceilings.running
    configuration, movers, clock, events = ions.configuration, ions.movers, ions.clock, ions.events
    site, factor, nulls, tree, level = (
        configuration.site,
        configuration.factor,
        ions.thinning,
        movers.tree,
        movers.level,
    )
    n_sublattices, width = np.uint32(len(bare)), np.uint64(running.shape[2])
    n_hops, columns, n = np.uint64(len(hops.orbit)), np.uint64(hops.width), np.uint64(len(movers.ion))
    orbit_hops, common = sampler.orbit_hops, n * ceilings.common
    while events[0] < last_event:
        total = common + tree[level[-1]]
        if not total >= 0.0:
            return OVERFLOW
        if np.isnan(clock[1]):
            clock[1] = clock[0] + rng.standard_exponential() / total if total > 0.0 else np.inf
        if clock[1] > until or clock[1] == np.inf:
            return DONE
        clock[0], clock[1] = clock[1], np.nan
        x = rng.random() * total
        if x < common:
            m = min(np.uint64(x / ceilings.common), n - np.uint64(1))
            x -= m * ceilings.common
        else:
            chosen, x = _choose_mover(tree, level, x - common)
            m, x = np.uint64(chosen), x + ceilings.common
        ion = np.uint64(movers.ion[m])
        old = np.uint64(site[ion])
        cell = np.uint32(old) // n_sublattices
        a = np.uint64(np.uint32(old) - cell * n_sublattices)
        _, row, X = _ceiling(ceilings.most, a, bare[a] / abs(factor[old]))
        x, k = x / X, np.uint64(0)
        for j in range(width):
            k += np.uint64(x >= running[row, a, j])
        rate, new, unit = 0.0, old, np.uint64(hops.unit[a]) + k
        hop, inside = np.uint64(cell) * n_hops + unit, hops.inside[cell]
        if k < hops.degree[a]:
            x -= running[row, a, k - np.uint64(1)] if k > 0 else 0.0
            new = old + np.uint64(hops.step[unit]) if inside else np.uint64(hops.target[hop])
            at = np.uint64(3) * columns * a + np.uint64(12) * (k // np.uint64(4)) + k % np.uint64(4)
            rate = _rate(hops.constant, at, -factor[new] / factor[old])
        if not x * X < rate:
            nulls[1] += 1.0
            if nulls[1] >= MOST_NULLS:
                return CROWDED
            continue
        if configuration.blocked[new] > 1:
            return OVERFLOW
        nulls[1] = 0.0
        _end_stay(sampler, ion, a, clock[0])
        _relocate(interaction, tables.exclusions, configuration, ion, old, new, None)
        if not math.sqrt(FORBIDDEN) < -factor[new] < np.inf:
            return OVERFLOW
        _count_hop(hops, ions, orbit_hops, ion, unit)
        if not inside:
            _cross(ions.image, hops.wrap, ion, hop)
        _set_leaf(tree, level, m, _excess(ceilings, bare, factor, new))
        if len(interaction.pair_site) > 0:
            _renew_bounds_around(tables, configuration, movers, bare, old)
            _renew_bounds_around(tables, configuration, movers, bare, new)
    return PAUSED


@jit
def _excludes(exclusions, site, other):
    """Whether an ion on `site` forbids `other`."""
    for e in range(exclusions.offset[site], exclusions.offset[site + 1]):
        if exclusions.site[e] == other:
            return True
    return False


@jit
def equilibrate(tables, ions, accepted, drift, n_trials, rng, team):
    """Metropolis Monte Carlo: a random ion to a random site of its species, accepted with min(1, exp(-ΔE/kT)).

    The stationary distribution is Boltzmann's whatever the barriers between the sites, because both directions are
    proposed equally often. N. Metropolis et al., J. Chem. Phys. 21, 1087 (1953).

    `ions`, but for images and clock, `accepted` and `drift` are modified in place; `accepted`, (1,), counts the moves
    over all calls and decides when the factors are rebuilt. Returns DONE or OVERFLOW (factors out of range).
    """
    sites, interaction, exclusions = tables.sites, tables.interaction, tables.exclusions
    configuration, n_ions, n_sublattices = ions.configuration, len(ions.species), len(sites.energy)
    n_cells = len(sites.species) // n_sublattices
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
        r = abs(configuration.factor[new] / configuration.factor[old]) * math.exp(own_field)
        if not r < np.inf:
            return OVERFLOW
        if u < r * r:
            _relocate(interaction, exclusions, configuration, ion, old, new, team)
            accepted[0] += 1
            if accepted[0] % tables.rebuild_every == 0 and not rebuild(tables, ions, drift) < LARGEST_EXPONENT:
                return OVERFLOW
    return DONE
