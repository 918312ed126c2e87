"""Every jitted function of the superbasins: how they are found, left, and what has happened in them.

A superbasin is a set of configurations that differ by the places of a few ions, the others standing. While it lasts it
is a Markov chain with rates k_ij between its configurations and a_i out of them, by any ion: nothing is left out, and
the interaction can be any. Detailed balance, π_i k_ij = π_j k_ji, makes its generator symmetric,

    S_ij = -k_ij sqrt(π_i/π_j),  S_ii = Σ_j k_ij + a_i,  S x_m = λ_m x_m,  λ_m = Σ_i<j π_i k_ij (x_i/√π_i - x_j/√π_j)²
                                                                             + Σ_i a_i x_i²,

and with P_ij(t) = sqrt(π_j/π_i) Σ_m x_mi x_mj exp(-λ_m t) for being in j after t and nowhere else before: the time of
leaving has the survival Σ_j P_sj(t), the configuration left from at T the weights P_se(T) a_e, that at a time without
leaving before P_se(t), and between s and e, d apart, the mean number of hops i → j is k_ij ∫ P_si(t) P_je(d - t) dt
/ P_se(d). The sum of squares gives λ of a vector without a difference of rates: a single slow λ keeps its digits where
an ion leaves 10^15 times more slowly than it hops. The vectors have absolute errors: of two slow modes, λ_0 has the
relative error (ε |S|)²/(λ_0 λ_1), ε = 1e-16. A superbasin is used only where the mean times of leaving agree to 1e-9
with an elimination that subtracts nothing. M. A. Novotny, Phys. Rev. Lett. 74, 1 (1995); B. Puchala et al., J. Chem.
Phys. 132, 134104 (2010). Ions that only stand in each other's way have a clock each: T. Opplestrup et al., Phys. Rev.
Lett. 97, 230602 (2006).

Energies are recounted from the ions' places wherever they are needed, and nothing drifts.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from kmc.kernels import BLOCKED, DONE, OVERFLOW, PAUSED

LOOK = 10  # for a superbasin
STATES, MEMBERS, EDGES, SLOTS = 64, 6, 1024, 32  # most of them
SLOT, STATE, MISSES, NEXT, USED, WAKE, PLAIN, N_COURSE = 0, 1, 2, 3, 4, 5, 6, 7
LEGS, BUILT, IN_VAIN, SKIPPED, SINGLE, SKIPPED_THEN, SINGLE_THEN, N_TALLY = 0, 1, 2, 3, 4, 5, 6, 7
WINDOW = 2**15  # tries, those in vain included, between two looks at what legs have passed over
PAYS, _SOLVING = 12.0, 0.005  # hops that a configuration costs, and those of the solution over the number of them cubed
_FADED = 1e-18  # modes that are over
_WIDEST = 30.0  # of the logarithms of equilibrium weights
_UNLIKELY = 1e-10  # ways between two configurations that rounding decides
_AGREES = 1e-9  # mean times of leaving by modes and by elimination, relative
_MOST_OF_A_PASSAGE = 1e15  # hops expected inside
MOST_HOPS = 2**62  # of all that are counted

jit = njit(cache=True, nogil=True, error_model="numpy")
hot = njit(cache=True, nogil=True, error_model="numpy", _nrt=False)  # allocates nothing, and counts no users of arrays


class Ground(NamedTuple):
    """A lattice at one temperature."""

    repeats: NDArray[np.int64]  # (3,)
    cell: NDArray[np.int32]  # (n_sites, 4): cell coordinates and sublattice
    energy: NDArray[np.float64]  # (n_sublattices, n_sites or 0) eV, of an ion of the first cell with one anywhere
    pair_offset: NDArray[np.int64]  # (n_sites + 1,)
    pair_site: NDArray[np.int32]  # (n_pairs,)
    pair_energy: NDArray[np.float64]  # (n_pairs of a cell,) eV
    exclusion_offset: NDArray[np.int64]  # (n_sites + 1,)
    exclusion_site: NDArray[np.int32]  # (n_exclusions,)
    free_energy: NDArray[np.float64]  # (n_sublattices,) eV
    own_energy: NDArray[np.float64]  # (n_sublattices,) eV, of an ion with its own images
    hop: NDArray[np.int64]  # (n_sites + 1,) hops of the supercell
    hop_target: NDArray[np.int32]  # (hops of the supercell,)
    first: NDArray[np.int64]  # (n_sublattices + 1,) hops of the network's cell
    target: NDArray[np.int64]  # (n_hops, 4) cells away, and sublattice
    rate: NDArray[np.float64]  # (n_hops, 3) 1/s: top, linear and square of min(top, min(square x, linear) x)
    own: NDArray[np.int64]  # (n_hops,) whether the origin excludes the target
    orbit: NDArray[np.int32]  # (n_hops,)
    reverse: NDArray[np.int64]  # (n_hops,)
    width: int  # most hops of a site
    twice_kT: float  # noqa: N815  # eV


class Walk(NamedTuple):
    """Arrays of a State, and the clock and the counter of the engine."""

    site: NDArray[np.int32]  # (n_ions,)
    occupant: NDArray[np.int32]  # (n_sites,)
    blocked: NDArray[np.int16]  # (n_sites,)
    image: NDArray[np.int32]  # (n_ions, 3)
    last_hop: NDArray[np.int32]  # (n_ions,)
    mover: NDArray[np.int32]  # (n_movers,)
    clock: NDArray[np.float64]  # (2,) s: time, and time of the next hop or of leaving the superbasin
    events: NDArray[np.int64]  # (1,)


class Chains(NamedTuple):
    """Superbasins that are kept; the first index of every array is their slot."""

    size: NDArray[np.int64]  # (SLOTS, 3): configurations, members, edges
    member: NDArray[np.int64]  # (SLOTS, MEMBERS) places in Walk.mover
    place: NDArray[np.int64]  # (SLOTS, STATES, MEMBERS, 4) cells away from the first configuration, and sublattice
    key: NDArray[np.uint64]  # (SLOTS, STATES) of the places of all ions
    edge: NDArray[np.int64]  # (SLOTS, EDGES, 4) from, to, member and hop of the network
    inside: NDArray[np.float64]  # (SLOTS, EDGES, 2) 1/s, and the chance that this ion's next hop goes back
    rate: NDArray[np.float64]  # (SLOTS, STATES, MEMBERS, width) 1/s, all hops of the members
    out: NDArray[np.float64]  # (SLOTS, STATES) 1/s, by any ion
    root: NDArray[np.float64]  # (SLOTS, STATES) square root of the equilibrium weight
    whole: NDArray[np.float64]  # (SLOTS, STATES) by mode, its sum over the square roots of the weights
    decay: NDArray[np.float64]  # (SLOTS, STATES) 1/s, ascending
    mode: NDArray[np.float64]  # (SLOTS, STATES, STATES) configuration, mode
    hops: NDArray[np.float64]  # (SLOTS, STATES) expected inside before leaving
    start: NDArray[np.int32]  # (SLOTS, n_ions) places from which the superbasin was found: all others follow


class Scratch(NamedTuple):
    """Workspace."""

    site: NDArray[np.int32]  # (n_ions,)
    blocked: NDArray[np.int16]  # (n_sites,)
    energy: NDArray[np.float64]  # (n_sites,) eV
    rate: NDArray[np.float64]  # (STATES, n_movers width) 1/s
    ahead: NDArray[np.float64]  # the same, of hops out of the configurations found so far
    place: NDArray[np.int64]  # (STATES, MEMBERS, 4)
    member: NDArray[np.int64]  # (n_movers,) place among the members, or -1


class Clocks(NamedTuple):
    """Ions that only stand in each other's way: each has the time of its next try, or is in a superbasin until then."""

    since: NDArray[np.float64]  # (n_movers,) s, when it entered its superbasin
    slot: NDArray[np.int64]  # (n_movers,) superbasin, or -1
    state: NDArray[np.int64]  # (n_movers,) where in it it was then
    due: NDArray[np.float64]  # (2 n,) s, a tree of the earliest of two; times of the movers from n on, a power of two
    basin: NDArray[np.int64]  # (n_sublattices, 2) superbasin of a lone ion and the configuration in it, or -1
    owner: NDArray[np.int32]  # (n_sites,) mover in the superbasin that the site belongs to, or -1
    rate: NDArray[np.float64]  # (n_hops,) 1/s, of an ion with nobody in its way
    again: NDArray[np.int64]  # (n_movers,) workspace


class Room(NamedTuple):
    """Workspace of a leg."""

    weight: NDArray[np.float64]  # (STATES,)
    fading: NDArray[np.float64]  # (STATES,) by mode
    both: NDArray[np.float64]  # (STATES, STATES)
    half: NDArray[np.float64]  # (STATES, STATES)
    stay: NDArray[np.float64]  # (STATES,) s
    hops: NDArray[np.float64]  # (EDGES,)


class Book(NamedTuple):
    """What a restart needs besides the places of the ions, and what has been done."""

    course: NDArray[np.int64]  # (N_COURSE,) slot and configuration of the present leg, and when to look again
    tally: NDArray[np.float64]  # (N_TALLY,)
    orbit: NDArray[np.float64]  # (2, n_orbits) parts of hops not yet counted
    departure: NDArray[np.float64]  # (n_sublattices,)
    event: NDArray[np.float64]  # (1,)


class Statistics(NamedTuple):
    """Arrays of a Sampler."""

    orbit_hops: NDArray[np.int64]
    arrival: NDArray[np.float64]
    site_time: NDArray[np.float64]
    departures: NDArray[np.int64]


@hot
def _mix(ion, a, b, c, d):
    """Give a number that stands for an ion in a place; sums of them for a configuration."""
    z = np.uint64(ion) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(0x2545F4914F6CDD1D)
    for part in (a, b, c, d):
        z = (z ^ np.uint64(part)) * np.uint64(0xBF58476D1CE4E5B9)
        z ^= z >> np.uint64(29)
    z = (z ^ (z >> np.uint64(32))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@hot
def _key(ground, site):
    """Key of a configuration; that of a single ion is the same in every cell."""
    key = np.uint64(0)
    for ion in range(len(site)):
        a = ground.cell[site[ion], 3]
        key += _mix(ion, np.int64(a if len(site) == 1 else site[ion]), 0, 0, 0)
    return key


@hot
def _moved(ground, site, d1, d2, d3, sublattice):
    """Site so many cells away."""
    n, cell = ground.repeats, ground.cell[site]
    c1, c2, c3 = (cell[0] + d1) % n[0], (cell[1] + d2) % n[1], (cell[2] + d3) % n[2]
    return ((c1 * n[1] + c2) * n[2] + c3) * len(ground.free_energy) + sublattice


@hot
def _add_ion(ground, site, sign, energy, blocked):
    """Add an ion to, or take it from, the energies and exclusion counts of all sites, in place."""
    for e in range(ground.exclusion_offset[site], ground.exclusion_offset[site + 1]):
        blocked[ground.exclusion_site[e]] += sign
    blocked[site] += sign
    if ground.energy.size == 0:
        for p in range(ground.pair_offset[site], ground.pair_offset[site + 1]):
            energy[ground.pair_site[p]] += sign * ground.pair_energy[p % len(ground.pair_energy)]
        return
    n1, n2, n3, n = ground.repeats[0], ground.repeats[1], ground.repeats[2], len(ground.energy)
    cell, row, here = ground.cell[site], ground.energy[ground.cell[site, 3]], 0
    for c1 in range(n1):
        for c2 in range(n2):
            first = (((c1 - cell[0]) % n1) * n2 + (c2 - cell[1]) % n2) * n3
            for c3 in range(n3):
                there = (first + (c3 - cell[2]) % n3) * n
                for b in range(n):
                    energy[here + b] += sign * row[there + b]
                here += n


@hot
def _recount(ground, places, site, blocked, energy):
    """Energies and exclusion counts of all sites from the ions' places alone; the last three are modified in place."""
    for j in range(len(energy)):
        energy[j] = 0.0
        blocked[j] = 0
    for ion in range(len(places)):
        site[ion] = places[ion]
        _add_ion(ground, np.int64(places[ion]), 1, energy, blocked)


@hot
def configuration_energy(ground, places, scratch):
    """Energy of a configuration, Σ F + ½ Σ_{i≠j} e_ij, eV; `scratch` is modified in place."""
    _recount(ground, places, scratch.site, scratch.blocked, scratch.energy)
    energy = 0.0
    for s in places:
        a = ground.cell[s, 3]
        energy += ground.free_energy[a] + 0.5 * (scratch.energy[s] - ground.own_energy[a])
    return energy


@hot
def _hop_rates(ground, mover, scratch, rate):
    """Rates of all hops of all movers in the configuration of `scratch`, by mover and column, 1/s; in place."""
    site, blocked, energy, width, twice_kT = (
        scratch.site,
        scratch.blocked,
        scratch.energy,
        ground.width,
        ground.twice_kT,
    )
    cell, free, all_first, target, to = ground.cell, ground.free_energy, ground.first, ground.target, ground.hop_target
    constant, own, start = ground.rate, ground.own, ground.hop
    for column in range(len(rate)):
        rate[column] = 0.0
    for m in range(len(mover)):
        here = np.int64(site[mover[m]])
        a = np.int64(cell[here, 3])
        level, first, first_to = free[a] + energy[here], all_first[a], start[here]
        for h in range(first, all_first[a + 1]):
            there = np.int64(to[first_to + h - first])
            if blocked[there] - own[h] == 0 and there != here:
                x = math.exp((level - free[target[h, 3]] - energy[there]) / twice_kT)
                rate[m * width + h - first] = min(constant[h, 0], min(constant[h, 2] * x, constant[h, 1]) * x)


@hot
def _find_state(identity, n, wanted):
    for c in range(n):
        if identity[c] == wanted:
            return c
    return -1


@hot
def find_chain(chains, used, key):
    """Slot and configuration of a superbasin with this configuration in it; -1 and 0 if none is kept."""
    for slot in range(used):
        for state in range(chains.size[slot, 0]):
            if chains.key[slot, state] == key:
                return slot, state
    return -1, 0


@hot
def _sum(rate):
    total = 0.0
    for k in range(len(rate)):
        total += rate[k]
    return total


@hot
def _largest(rate):
    k = 0
    for other in range(len(rate)):
        if rate[other] > rate[k]:
            k = other
    return k


@hot
def _copy(source, target):
    for k in range(len(source)):
        target[k] = source[k]


@hot
def _go_to(ground, start, mover, members, n_members, place, scratch):
    """Bring the places, energies and counts of `scratch` to those of a configuration of the members, in place."""
    for g in range(n_members):
        ion = mover[members[g]]
        there = _moved(ground, start[ion], place[g, 0], place[g, 1], place[g, 2], place[g, 3])
        here = np.int64(scratch.site[ion])
        if here != there:
            _add_ion(ground, here, -1, scratch.energy, scratch.blocked)
            _add_ion(ground, there, 1, scratch.energy, scratch.blocked)
            scratch.site[ion] = there


@hot
def _link(ground, members, n_members, n, n_edges, scratch, identity, edge):
    """Enter the hops between configuration n and those before it, and take them from the hops ahead, in place.

    Returns the number of edges; a hop for which there is no room stays one that leaves the set.
    """
    width, ahead, place = ground.width, scratch.ahead, scratch.place
    for g in range(n_members):
        m, here = members[g], place[n, g]
        first = ground.first[here[3]]
        for h in range(first, ground.first[here[3] + 1]):
            column = m * width + h - first
            if ahead[n, column] > 0.0 and n_edges + 2 <= EDGES:
                c = _find_state(identity, n, _identity_after(ground, identity[n], m, here, h))
                reverse = ground.reverse[h]
                if c >= 0:
                    edge[n_edges, 0], edge[n_edges, 1], edge[n_edges, 2], edge[n_edges, 3] = n, c, g, h
                    n_edges += 1
                    edge[n_edges, 0], edge[n_edges, 1], edge[n_edges, 2], edge[n_edges, 3] = c, n, g, reverse
                    n_edges += 1
                    ahead[n, column] = 0.0
                    ahead[c, m * width + reverse - ground.first[ground.target[h, 3]]] = 0.0
    return n_edges


@hot
def _identity_after(ground, identity, m, here, hop):
    """Give the number of the configuration that a hop of a mover from `here` leads to."""
    t = ground.target[hop]
    there = _mix(m, here[0] + t[0], here[1] + t[1], here[2] + t[2], t[3])
    return identity - _mix(m, here[0], here[1], here[2], here[3]) + there


@jit
def _explore(ground, start, mover, scratch, members, weight, edge, most):
    """Find `most` configurations, one after the other over the lowest saddle ahead, and the hops between them.

    The next configuration is the one that the largest equilibrium flux π_i k_ij out of those found so far leads to, as
    water would spread. In equilibrium n of them have Σ π_i k_ij / Σ π_i a_i hops inside for every one that leaves.

    Returns the numbers of configurations, members and edges of the set with most hops for its size. `scratch`,
    `members`, `weight` and `edge` are modified in place.
    """
    width, rate, ahead, place = ground.width, scratch.rate, scratch.ahead, scratch.place
    identity, best = np.zeros(STATES, np.uint64), np.zeros(STATES, np.int64)
    for m in range(len(mover)):
        scratch.member[m] = -1
    _recount(ground, start, scratch.site, scratch.blocked, scratch.energy)
    _hop_rates(ground, mover, scratch, rate[0])
    _copy(rate[0], ahead[0])
    weight[0], best[0] = 1.0, _largest(ahead[0])
    n, n_members, n_edges, all_flux, inside = 1, 0, 0, _sum(rate[0]), 0.0
    chosen, score = (1, 0, 0), 0.0
    while n < most:
        c, largest = -1, 0.0
        for i in range(n):
            if not ahead[i, best[i]] > 0.0:
                best[i] = _largest(ahead[i])
            if weight[i] * ahead[i, best[i]] > largest:
                c, largest = i, weight[i] * ahead[i, best[i]]
        if c < 0:
            break
        column = best[c]
        m, g = column // width, scratch.member[column // width]
        if g < 0 and n_members == MEMBERS:
            ahead[c, column] = 0.0
            best[c] = _largest(ahead[c])
            continue
        if g < 0:
            g, scratch.member[m], members[n_members] = n_members, n_members, m
            n_members += 1
            for i in range(n):
                for axis in range(4):
                    place[i, g, axis] = 0 if axis < 3 else ground.cell[start[mover[m]], 3]
        hop = ground.first[place[c, g, 3]] + column - m * width
        identity[n] = _identity_after(ground, identity[c], m, place[c, g], hop)
        if _find_state(identity, n, identity[n]) >= 0:
            ahead[c, column] = 0.0
            continue
        for i in range(n_members):
            for axis in range(4):
                place[n, i, axis] = place[c, i, axis]
        for axis in range(4):
            place[n, g, axis] = ground.target[hop, axis] + (place[c, g, axis] if axis < 3 else 0)
        _go_to(ground, start, mover, members, n_members, place[n], scratch)
        _hop_rates(ground, mover, scratch, rate[n])
        back = rate[n, m * width + ground.reverse[hop] - ground.first[ground.target[hop, 3]]]
        weight[n] = weight[c] * rate[c, column] / back if back > 0.0 else np.inf
        if not math.exp(-_WIDEST) < weight[n] < math.exp(_WIDEST):
            ahead[c, column] = 0.0
            continue
        _copy(rate[n], ahead[n])
        before = n_edges
        n_edges = _link(ground, members, n_members, n, n_edges, scratch, identity, edge)
        best[n] = _largest(ahead[n])
        n += 1
        all_flux += weight[n - 1] * _sum(rate[n - 1])
        for e in range(before, n_edges):
            inside += weight[edge[e, 0]] * _rate_of(ground, members, place, rate, edge[e])
        hops = inside / max(all_flux - inside, 1e-15 * all_flux)
        if hops / n > score:
            score, chosen = hops / n, (n, n_members, n_edges)
    return chosen


@hot
def _rate_of(ground, members, place, rate, edge):
    """Rate of the hop of an edge, 1/s."""
    c, g = edge[0], edge[2]
    return rate[c, members[g] * ground.width + edge[3] - ground.first[place[c, g, 3]]]


@jit
def build(ground, start, mover, chains, slot, scratch):
    """Find a superbasin around a configuration, and solve it; whether it is worth it from there.

    It is if more hops are expected inside than finding and solving it costs, counted in hops that could be made
    instead: PAYS for each of its n configurations and _SOLVING n³. Where the solution cannot be trusted, half as many
    configurations are tried. `chains` and `scratch` are modified in place.
    """
    most = STATES
    while most >= 2:
        n = _build(ground, start, mover, chains, slot, scratch, most)
        if n >= 0:
            return n > 0
        most = -n // 2
    return False


@jit
def _build(ground, start, mover, chains, slot, scratch, most):
    """Find and solve a superbasin of `most` configurations at most.

    Returns the number of them, 0 if it is not worth it, or minus the number if the solution must not be used.
    """
    weight, edge, members = np.zeros(STATES), np.zeros((EDGES, 4), np.int64), np.zeros(MEMBERS, np.int64)
    n, n_members, n_edges = _explore(ground, start, mover, scratch, members, weight, edge, most)
    chains.size[slot, 0] = 0
    if n < 2:
        return 0
    width, rate, ahead, place = ground.width, scratch.rate, scratch.ahead, scratch.place
    _copy(start, chains.start[slot])
    _copy(members, chains.member[slot])
    _copy(edge.ravel(), chains.edge[slot].ravel())
    _copy(place.ravel(), chains.place[slot].ravel())
    for c in range(n):
        chains.root[slot, c] = math.sqrt(weight[c])
        _copy(rate[c], ahead[c])
        for g in range(n_members):
            for k in range(width):
                chains.rate[slot, c, g, k] = rate[c, members[g] * width + k]
    for e in range(n_edges):
        c, to, g, hop = edge[e, 0], edge[e, 1], edge[e, 2], edge[e, 3]
        reverse = ground.reverse[hop] - ground.first[ground.target[hop, 3]]
        forth, back, leaving = _rate_of(ground, members, place, rate, edge[e]), chains.rate[slot, to, g], 0.0
        for k in range(width):
            leaving += back[k]
        chains.inside[slot, e, 0], chains.inside[slot, e, 1] = forth, back[reverse] / leaving
        ahead[c, members[g] * width + hop - ground.first[place[c, g, 3]]] = 0.0
        if not abs(weight[c] * forth - weight[to] * back[reverse]) < 1e-6 * weight[c] * forth:
            return 0
    leaves = False
    for c in range(n):
        chains.out[slot, c] = _sum(ahead[c])
        leaves = leaves or chains.out[slot, c] > 0.0
    if not leaves:
        return 0
    if not _solve(chains, slot, n, n_edges):
        return -n
    if chains.hops[slot, 0] < PAYS * n + _SOLVING * n**3:
        return 0
    whole = _key(ground, start)
    for c in range(n):
        key = whole
        for g in range(n_members):
            ion, p = mover[members[g]], place[c, g]
            there, a = _moved(ground, start[ion], p[0], p[1], p[2], p[3]), ground.cell[start[ion], 3]
            alone = len(start) == 1
            key += _mix(ion, np.int64(p[3] if alone else there), 0, 0, 0)
            key -= _mix(ion, np.int64(a if alone else start[ion]), 0, 0, 0)
        chains.key[slot, c] = key
    chains.size[slot, 0], chains.size[slot, 1], chains.size[slot, 2] = n, n_members, n_edges
    return n


@jit
def _solve(chains, slot, n, n_edges):
    """Modes and decays of a superbasin, and the hops expected inside from each of its configurations; in place.

    Returns False where it must not be used: where the mean time of leaving from some configuration is not that without
    rounding, because slow modes have mixed, or where more hops are expected than can be counted one by one.
    """
    root, out, edge, inside = chains.root[slot], chains.out[slot], chains.edge[slot], chains.inside[slot]
    generator = np.zeros((n, n))
    for i in range(n):
        generator[i, i] = out[i]
    for e in range(n_edges):
        i, j, k = edge[e, 0], edge[e, 1], inside[e, 0]
        generator[i, i] += k
        generator[i, j] -= 0.5 * k * root[i] / root[j]
        generator[j, i] -= 0.5 * k * root[i] / root[j]
    _, mode = np.linalg.eigh(generator)
    decay, whole = np.zeros(n), np.zeros(n)
    for m in range(n):
        for i in range(n):
            decay[m] += out[i] * mode[i, m] ** 2
            whole[m] += root[i] * mode[i, m]
        for e in range(n_edges):
            i, j, k = edge[e, 0], edge[e, 1], inside[e, 0]
            decay[m] += 0.5 * k * (mode[i, m] - root[i] / root[j] * mode[j, m]) ** 2
    order = np.argsort(decay, kind="mergesort")
    for m in range(n):
        chains.decay[slot, m], chains.whole[slot, m] = decay[order[m]], whole[order[m]]
        for i in range(n):
            chains.mode[slot, i, m] = mode[i, order[m]]
    time, hops = _means(out, edge, inside, n, n_edges)
    for i in range(n):
        chains.hops[slot, i], mean = hops[i], 0.0
        for m in range(n):
            mean += chains.whole[slot, m] * chains.mode[slot, i, m] / chains.decay[slot, m]
        if not abs(mean / root[i] - time[i]) < _AGREES * time[i] or not hops[i] < _MOST_OF_A_PASSAGE:
            return False
    return True


@jit
def _means(out, edge, inside, n, n_edges):
    """Mean time before leaving and mean number of hops inside, from each configuration.

    Configurations are eliminated one by one and their rates handed on to those left, without a subtraction: the
    relative error is a few n³ roundings whatever the rates. W. K. Grassmann, M. I. Taksar and D. P. Heyman, Oper. Res.
    33, 1107 (1985).
    """
    rate, leaving, time, hops, total = np.zeros((n, n)), out[:n].copy(), np.ones(n), np.zeros(n), np.zeros(n)
    for e in range(n_edges):
        rate[edge[e, 0], edge[e, 1]] += inside[e, 0]
        hops[edge[e, 0]] += inside[e, 0]
    for last in range(n - 1, -1, -1):
        total[last] = leaving[last]
        for j in range(last):
            total[last] += rate[last, j]
        for i in range(last):
            share = rate[i, last] / total[last]
            leaving[i] += share * leaving[last]
            time[i] += share * time[last]
            hops[i] += share * hops[last]
            for j in range(last):
                rate[i, j] += share * rate[last, j] if j != i else 0.0
    for i in range(n):
        for j in range(i):
            time[i] += rate[i, j] * time[j]
            hops[i] += rate[i, j] * hops[j]
        time[i] /= total[i]
        hops[i] /= total[i]
    return time, hops


@hot
def _survival(chains, slot, start, t):
    """Probability of not having left before t, and the rate of its decrease."""
    mode, whole, decay = chains.mode[slot, start], chains.whole[slot], chains.decay[slot]
    stays, leaves = 0.0, 0.0
    for m in range(chains.size[slot, 0]):
        share = whole[m] * mode[m] * math.exp(-decay[m] * t)
        stays += share
        leaves += decay[m] * share
    return stays / chains.root[slot, start], leaves / chains.root[slot, start]


@hot
def time_to_leave(chains, slot, start, survival):
    """Time at which the probability of not having left has come down to `survival`, by Newton's method, s."""
    wanted, low, high = math.log(survival), 0.0, np.inf
    t = -wanted / chains.decay[slot, 0]
    for _ in range(100):
        stays, leaves = _survival(chains, slot, start, t)
        error = math.log(stays) - wanted if stays > 0.0 else -np.inf
        if error > 0.0:
            low = t
        else:
            high = t
        after = t + error * stays / leaves if stays > 0.0 and leaves > 0.0 else np.inf
        if abs(after - t) <= 1e-12 * t:
            return after
        if not low < after < high:
            after = 0.5 * (low + high) if high < np.inf else 2.0 * t
        t = after
    return t


@hot
def _fading(chains, slot, t, fading):
    """Modes exp(-λ t) over that of the slowest, in place, and the number of those first that are not over."""
    n, decay, alive = chains.size[slot, 0], chains.decay[slot], 0
    slowest = decay[0]
    for m in range(n):
        fading[m] = math.exp((slowest - decay[m]) * t)
        if fading[m] > _FADED:
            alive = m + 1
    return alive


@hot
def place_at(chains, room, slot, start, t, leaving, x):
    """Draw the configuration at t without leaving before, and the one left from then if `leaving`; x is uniform."""
    n, mode, root, out = chains.size[slot, 0], chains.mode[slot], chains.root[slot], chains.out[slot]
    weight, fading, total = room.weight, room.fading, 0.0
    alive = _fading(chains, slot, t, fading)
    for m in range(alive):
        fading[m] *= mode[start, m]
    for j in range(n):
        weight[j] = 0.0
        for m in range(alive):
            weight[j] += fading[m] * mode[j, m]
        weight[j] = max(weight[j] * root[j] * (out[j] if leaving else 1.0), 0.0)
        total += weight[j]
    x *= total
    chosen = start
    for j in range(n):
        if weight[j] > 0.0:
            chosen = j
            if x < weight[j]:
                break
            x -= weight[j]
    return chosen


@hot
def between(chains, room, slot, start, end, t):
    """Mean time in each configuration, s, and mean number of hops by each edge, between two configurations t apart.

    Without leaving: ∫ P_si(u) P_ie(t - u) du / P_se(t) and k_ij ∫ P_si(u) P_je(t - u) du / P_se(t); `room.stay` and
    `room.hops` are modified in place. Ways too unlikely to be told from rounding get half of the time at either end and
    no hops.
    """
    n, n_edges = chains.size[slot, 0], chains.size[slot, 2]
    mode, root, decay, fading = chains.mode[slot], chains.root[slot], chains.decay[slot], room.fading
    edge, inside, both, half, stay, hops = (
        chains.edge[slot],
        chains.inside[slot],
        room.both,
        room.half,
        room.stay,
        room.hops,
    )
    alive, slowest, chance = _fading(chains, slot, t, fading), decay[0], 0.0
    for m in range(alive):
        chance += mode[start, m] * mode[end, m] * fading[m]
    for i in range(n):
        stay[i] = 0.0
    for e in range(n_edges):
        hops[e] = 0.0
    if not chance > _UNLIKELY:
        stay[start] += 0.5 * t
        stay[end] += 0.5 * t
        return
    for m in range(n):
        for k in range(n if m < alive else alive):
            apart = decay[k] - decay[m]
            if abs(apart) * t < 1e-3:
                mean = t * math.exp((slowest - 0.5 * (decay[k] + decay[m])) * t) * (1.0 + (apart * t) ** 2 / 24.0)
            else:
                mean = (fading[m] - fading[k]) / apart
            both[m, k] = mode[start, m] * mean * mode[end, k] / chance
    for i in range(n):
        for k in range(n):
            half[i, k] = 0.0
        for m in range(n):
            for k in range(n if m < alive else alive):
                half[i, k] += mode[i, m] * both[m, k]
        for k in range(n):
            stay[i] += half[i, k] * mode[i, k]
    for e in range(n_edges):
        i, j = edge[e, 0], edge[e, 1]
        for k in range(n):
            hops[e] += half[i, k] * mode[j, k]
        hops[e] = max(hops[e] * inside[e, 0] * root[i] / root[j], 0.0)


@hot
def _count(part, count, at, more):
    """Add to a number of hops, whole ones at once and parts when they have come to a whole one; both in place.

    From MOST_HOPS on nothing is added: the run has to end.
    """
    part[at] += more
    whole = math.floor(part[at])
    part[at] -= whole
    if count[at] < MOST_HOPS:
        count[at] += np.int64(whole)


@hot
def _enter(ground, walk, chains, book, statistics, slot, state, shift, now):
    """Begin a leg: stays of the members so far end in the books, and their next hop back is counted as expected.

    `shift` is added to the members: superbasins of a lone ion serve all ions.
    """
    for g in range(chains.size[slot, 1]):
        ion = walk.mover[chains.member[slot, g] + shift]
        a = np.int64(ground.cell[walk.site[ion], 3])
        statistics.site_time[a] += now - statistics.arrival[ion]
        statistics.arrival[ion] = now
        last, leaving = np.int64(walk.last_hop[ion]), _sum(chains.rate[slot, state, g])
        if last >= 0 and leaving > 0.0:
            hop = ground.reverse[last]
            there = ground.hop_target[ground.hop[walk.site[ion]] + hop - ground.first[a]]
            if walk.blocked[there] - ground.own[hop] == 0:
                back = chains.rate[slot, state, g, hop - ground.first[a]] / leaving
                _count(book.orbit[1], statistics.orbit_hops[1], ground.orbit[last], back)
        walk.last_hop[ion] = -1
    book.tally[LEGS] += 1.0


@hot
def _leave(ground, walk, chains, room, book, statistics, slot, start, shift, since, end, now):
    """End a leg in a configuration: mean stays and hops since its start, and the places of the members; in place."""
    n, n_members, stay, hops, all_hops = chains.size[slot, 0], chains.size[slot, 1], room.stay, room.hops, 0.0
    edge, inside, place, member = chains.edge[slot], chains.inside[slot], chains.place[slot], chains.member[slot]
    between(chains, room, slot, start, end, now - since)
    for e in range(chains.size[slot, 2]):
        orbit = ground.orbit[edge[e, 3]]
        _count(book.orbit[0], statistics.orbit_hops[0], orbit, hops[e])
        _count(book.orbit[1], statistics.orbit_hops[1], orbit, hops[e] * inside[e, 1])
        _count(book.departure, statistics.departures, place[edge[e, 0], edge[e, 2], 3], hops[e])
        all_hops += hops[e]
    _count(book.event, walk.events, 0, all_hops)
    book.tally[SKIPPED] += all_hops
    for g in range(n_members):
        ion = walk.mover[member[g] + shift]
        for i in range(n):
            statistics.site_time[place[i, g, 3]] += stay[i]
        statistics.arrival[ion] = now
        walk.occupant[walk.site[ion]] = -1
        _exclude(ground, walk, walk.site[ion], -1)
    for g in range(n_members):
        ion = walk.mover[member[g] + shift]
        before, after = place[start, g], place[end, g]
        _step(ground, walk, ion, after[0] - before[0], after[1] - before[1], after[2] - before[2], after[3])


@hot
def _exclude(ground, walk, site, count):
    walk.blocked[site] += count
    for e in range(ground.exclusion_offset[site], ground.exclusion_offset[site + 1]):
        walk.blocked[ground.exclusion_site[e]] += count


@hot
def _step(ground, walk, ion, d1, d2, d3, sublattice):
    """Put an ion that has been taken off its site onto one so many cells away; `walk` is modified in place."""
    cell, n = ground.cell[walk.site[ion]], ground.repeats
    walk.image[ion, 0] += (cell[0] + d1) // n[0]
    walk.image[ion, 1] += (cell[1] + d2) // n[1]
    walk.image[ion, 2] += (cell[2] + d3) // n[2]
    there = _moved(ground, walk.site[ion], d1, d2, d3, sublattice)
    walk.site[ion], walk.occupant[there] = there, ion
    _exclude(ground, walk, there, 1)


@hot
def _hop(ground, walk, statistics, column, now):
    """Carry out a hop and enter it into the statistics, in place."""
    m, width = column // ground.width, ground.width
    ion = np.int64(walk.mover[m])
    a = np.int64(ground.cell[walk.site[ion], 3])
    hop = ground.first[a] + column - m * width
    statistics.site_time[a] += now - statistics.arrival[ion]
    statistics.departures[a] += 1
    statistics.arrival[ion] = now
    orbit, last = ground.orbit[hop], walk.last_hop[ion]
    statistics.orbit_hops[0, orbit] += 1
    if last >= 0 and ground.reverse[last] == hop:
        statistics.orbit_hops[1, orbit] += 1
    walk.last_hop[ion] = hop
    walk.events[0] += 1
    walk.occupant[walk.site[ion]] = -1
    _exclude(ground, walk, walk.site[ion], -1)
    t = ground.target[hop]
    _step(ground, walk, ion, t[0], t[1], t[2], t[3])


@hot
def _choose(rate, x):
    """Place x of the running sum of rates; never one of rate zero."""
    chosen = -1
    for k in range(len(rate)):
        if rate[k] > 0.0:
            chosen = k
            if x < rate[k]:
                break
            x -= rate[k]
    return chosen


@hot
def advance(ground, walk, chains, room, scratch, book, statistics, until, last_event, rng):
    """Run to a time or an event count by legs through superbasins; exact for any interaction.

    A leg takes three random numbers: when it ends, where, and by which hop; at `until` it is given up, and the
    configuration of that time drawn. Hops inside count with their expected number.

    All but `ground` and `scratch` are modified in place. Returns DONE at `until`, PAUSED at `last_event`, BLOCKED (no
    hop is open), LOOK (the configuration is in no superbasin that is kept, and no ordinary hop is allowed) or OVERFLOW
    (no rate is left where one was).
    """
    clock, course, rate = walk.clock, book.course, scratch.rate[0]
    while walk.events[0] < last_event:
        if np.isnan(clock[1]):
            course[SLOT], course[STATE] = find_chain(chains, course[USED], _key(ground, walk.site))
            if course[SLOT] >= 0:
                _enter(ground, walk, chains, book, statistics, course[SLOT], course[STATE], 0, clock[0])
                survival = 1.0 - rng.random()
                clock[1] = clock[0] + time_to_leave(chains, course[SLOT], course[STATE], survival)
            elif course[PLAIN] == 0:
                return LOOK
            else:
                course[PLAIN] = 0
                total = _all_rates(ground, walk, scratch, chains, -1, 0)
                clock[1] = clock[0] - math.log1p(-rng.random()) / total if total > 0.0 else np.inf
        slot, now = course[SLOT], min(clock[1], until)
        leaving, end = clock[1] <= until, 0
        if slot >= 0:
            end = place_at(chains, room, slot, course[STATE], now - clock[0], leaving, rng.random())
            _leave(ground, walk, chains, room, book, statistics, slot, course[STATE], 0, clock[0], end, now)
            clock[1], course[SLOT] = np.nan, -1
        if not leaving:
            clock[0] = until
            return DONE
        if now == np.inf:
            return BLOCKED
        total = _all_rates(ground, walk, scratch, chains, slot, end)
        column = _choose(rate, rng.random() * total)
        if column < 0:
            return OVERFLOW
        _hop(ground, walk, statistics, column, now)
        book.tally[SINGLE] += 1.0
        clock[0], clock[1] = now, np.nan
    return PAUSED


@hot
def _all_rates(ground, walk, scratch, chains, slot, state):
    """Rates of all hops but those inside the superbasin that the ions leave, into `scratch`, and their sum, 1/s."""
    rate = scratch.rate[0]
    _recount(ground, walk.site, scratch.site, scratch.blocked, scratch.energy)
    _hop_rates(ground, walk.mover, scratch, rate)
    if slot >= 0:
        for e in range(chains.size[slot, 2]):
            if chains.edge[slot, e, 0] == state:
                g, hop = chains.edge[slot, e, 2], chains.edge[slot, e, 3]
                origin = chains.place[slot, state, g, 3]
                rate[chains.member[slot, g] * ground.width + hop - ground.first[origin]] = 0.0
    return _sum(rate)


@hot
def set_due(due, m, t):
    """Set the time of a mover and of all branches of the tree above it, in place."""
    k = len(due) // 2 + m
    due[k] = t
    while k > 1:
        k //= 2
        due[k] = min(due[2 * k], due[2 * k + 1])


@hot
def _earliest(due):
    """Mover whose time comes first."""
    k = 1
    while k < len(due) // 2:
        k = 2 * k if due[2 * k] <= due[2 * k + 1] else 2 * k + 1
    return k - len(due) // 2


@hot
def _own(ground, walk, chains, clocks, m, slot, state, owner):
    """Let the sites of a superbasin with mover `m` in this configuration of it belong to `owner`, in place."""
    here, at = np.int64(walk.site[walk.mover[m]]), chains.place[slot, state, 0]
    for c in range(chains.size[slot, 0]):
        p = chains.place[slot, c, 0]
        clocks.owner[_moved(ground, here, p[0] - at[0], p[1] - at[1], p[2] - at[2], p[3])] = owner


@hot
def own_all(ground, walk, chains, clocks):
    """Find out which sites belong to whom, in place."""
    for site in range(len(clocks.owner)):
        clocks.owner[site] = -1
    for m in range(len(walk.mover)):
        if clocks.slot[m] >= 0:
            _own(ground, walk, chains, clocks, m, clocks.slot[m], clocks.state[m], m)


@hot
def _is_free(ground, walk, chains, clocks, m, slot, state):
    """Whether no other ion is, or could come without notice, where it closes a site of the superbasin."""
    here, at, free = np.int64(walk.site[walk.mover[m]]), chains.place[slot, state, 0], True
    _exclude(ground, walk, here, -1)
    for c in range(chains.size[slot, 0]):
        p = chains.place[slot, c, 0]
        site = _moved(ground, here, p[0] - at[0], p[1] - at[1], p[2] - at[2], p[3])
        free = free and walk.blocked[site] == 0 and clocks.owner[site] < 0
        if free:
            for e in range(ground.exclusion_offset[site], ground.exclusion_offset[site + 1]):
                free = free and clocks.owner[ground.exclusion_site[e]] < 0
    _exclude(ground, walk, here, 1)
    return free


@hot
def _begin(ground, walk, chains, clocks, book, statistics, m, now, rng):
    """Draw the time of a mover: of its next try, or of leaving the superbasin where it has one to itself; in place."""
    a = np.int64(ground.cell[walk.site[walk.mover[m]], 3])
    slot, state = clocks.basin[a, 0], clocks.basin[a, 1]
    u = 1.0 - rng.random()
    if slot >= 0 and _is_free(ground, walk, chains, clocks, m, slot, state):
        clocks.slot[m], clocks.state[m], clocks.since[m] = slot, state, now
        _own(ground, walk, chains, clocks, m, slot, state, m)
        _enter(ground, walk, chains, book, statistics, slot, state, m, now)
        set_due(clocks.due, m, now + time_to_leave(chains, slot, state, u))
        return
    clocks.slot[m], total = -1, 0.0
    for h in range(ground.first[a], ground.first[a + 1]):
        total += clocks.rate[h]
    set_due(clocks.due, m, now - math.log(u) / total if total > 0.0 else np.inf)


@hot
def _end(ground, walk, chains, room, clocks, book, statistics, m, now, leaving, rng):
    """End the leg of a mover: draw where it is, and put it there; in place. Returns the configuration."""
    slot, state = clocks.slot[m], clocks.state[m]
    _own(ground, walk, chains, clocks, m, slot, state, -1)
    end = place_at(chains, room, slot, state, now - clocks.since[m], leaving, rng.random())
    _leave(ground, walk, chains, room, book, statistics, slot, state, m, clocks.since[m], end, now)
    clocks.slot[m] = -1
    return end


@hot
def _try_hop(ground, walk, chains, clocks, slot, state, m, x):
    """Choose a hop of a mover, out of its superbasin if it leaves one, at the place x of the running sum of rates."""
    a = np.int64(ground.cell[walk.site[walk.mover[m]], 3])
    first, last, chosen, total = ground.first[a], ground.first[a + 1], -1, 0.0
    for turn in range(2):
        x *= total if turn == 1 else 1.0
        for h in range(first, last):
            rate = clocks.rate[h]
            if slot >= 0:
                for e in range(chains.size[slot, 2]):
                    if chains.edge[slot, e, 0] == state and chains.edge[slot, e, 3] == h:
                        rate = 0.0
            if turn == 0:
                total += rate
            elif rate > 0.0:
                chosen = h
                if x < rate:
                    break
                x -= rate
    return chosen


@hot
def _still_back(ground, chains, book, statistics, slot, state):
    """Count the hop back that an ion may still make after it has tried to leave in vain; in place.

    The last hop to configuration i came from j with π_j k_ji = π_i k_ij over the sum of these, and the next one leads
    there with k_ij over the sum of all rates.
    """
    edge, inside, all_rates, within = chains.edge[slot], chains.inside[slot], _sum(chains.rate[slot, state, 0]), 0.0
    for e in range(chains.size[slot, 2]):
        within += inside[e, 0] if edge[e, 0] == state else 0.0
    for e in range(chains.size[slot, 2]):
        if edge[e, 0] == state:
            back = inside[e, 0] ** 2 / (within * all_rates)
            _count(book.orbit[1], statistics.orbit_hops[1], ground.orbit[edge[e, 3]], back)


@hot
def advance_apart(ground, walk, chains, room, clocks, book, statistics, until, last_event, rng):
    """Run to a time or an event count where ions only stand in each other's way, each by a clock of its own; exact.

    An ion tries its hops whether they are open or not; a try into a site that is taken or excluded does nothing. Ions
    in superbasins that belong to the site of a try, or exclude it, are first put where they are at that time. All but
    `ground` are modified in place. Returns DONE at `until`, PAUSED at `last_event`, BLOCKED, OVERFLOW, or LOOK where
    fewer than PAYS hops were passed over for each try, as where nothing is open and tries come to nothing.
    """
    clock, due, again, tally = walk.clock, clocks.due, clocks.again, book.tally
    if np.isnan(clock[1]):
        for m in range(len(walk.mover)):
            clocks.slot[m] = -1
        own_all(ground, walk, chains, clocks)
        for m in range(len(walk.mover)):
            _begin(ground, walk, chains, clocks, book, statistics, m, clock[0], rng)
        clock[1] = due[1]
    while walk.events[0] < last_event:
        if due[1] > until:
            end_all(ground, walk, chains, room, clocks, book, statistics, until, rng)
            for m in range(len(walk.mover)):
                if again[m] >= 0:
                    _begin(ground, walk, chains, clocks, book, statistics, m, until, rng)
            clock[0], clock[1] = until, due[1]
            return DONE
        if due[1] == np.inf:
            return BLOCKED
        now = due[1]
        m = _earliest(due)
        slot, state, n_again = clocks.slot[m], 0, 1
        if slot >= 0:
            state = _end(ground, walk, chains, room, clocks, book, statistics, m, now, True, rng)
        here = np.int64(walk.site[walk.mover[m]])
        hop = _try_hop(ground, walk, chains, clocks, slot, state, m, rng.random())
        if hop < 0:
            return OVERFLOW
        there = np.int64(ground.hop_target[ground.hop[here] + hop - ground.first[ground.cell[here, 3]]])
        again[0] = m
        for e in range(ground.exclusion_offset[there] - 1, ground.exclusion_offset[there + 1]):
            site = there if e < ground.exclusion_offset[there] else np.int64(ground.exclusion_site[e])
            other = np.int64(clocks.owner[site])
            if other >= 0:
                _end(ground, walk, chains, room, clocks, book, statistics, other, now, False, rng)
                again[n_again] = other
                n_again += 1
        if walk.blocked[there] - ground.own[hop] == 0 and there != here:
            _hop(ground, walk, statistics, m * ground.width + hop - ground.first[ground.cell[here, 3]], now)
        elif slot >= 0:
            _still_back(ground, chains, book, statistics, slot, state)
        for k in range(n_again):
            _begin(ground, walk, chains, clocks, book, statistics, again[k], now, rng)
        clock[0], clock[1] = now, due[1]
        tally[SINGLE] += 1.0
        if tally[SINGLE] >= tally[SINGLE_THEN] + WINDOW:
            worth_it = tally[SKIPPED] - tally[SKIPPED_THEN] > PAYS * (tally[SINGLE] - tally[SINGLE_THEN])
            tally[SKIPPED_THEN], tally[SINGLE_THEN] = tally[SKIPPED], tally[SINGLE]
            if not worth_it:
                end_all(ground, walk, chains, room, clocks, book, statistics, now, rng)
                clock[1] = np.nan
                return LOOK
            book.course[MISSES] = 0
    return PAUSED


@hot
def end_all(ground, walk, chains, room, clocks, book, statistics, now, rng):
    """Put all ions where they are at a time, and write down which of them have left their superbasins; in place."""
    for m in range(len(walk.mover)):
        clocks.again[m] = clocks.slot[m]
        if clocks.slot[m] >= 0:
            _end(ground, walk, chains, room, clocks, book, statistics, m, now, False, rng)
