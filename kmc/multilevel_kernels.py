"""Jitted functions of the multilevel engine: rates and their bounds, and the event loop by thinning.

An event is drawn by thinning: every ion has a bound that its leaving rate cannot exceed before it is renewed, an ion is
drawn by its bound and hops if a uniform number below the bound lies below its true rate. The times between the trials
have the total of the bounds as their rate. Lewis, Shedler, Nav. Res. Logist. Q. 26, 403 (1979).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kmc.kernels import ARITY, BLOCKED, DONE, PAUSED
from kmc.multilevel_fields import Fields, add_hop, add_rows, fold, hot, inlined, jit, site_energy, splines

SPENT = 2**15  # the allowance of a block
ROOM = 4  # hops between two looks at all blocks, at least
STRETCH = 256  # blocks whose largest use is found at once
LARGEST_EXPONENT = 300.0
MOVER, SLOT = 4, 5  # columns of Walkers.cell

TRIALS, RENEWALS, FAR_RENEWALS, VIOLATIONS, N_COUNTERS = 0, 1, 2, 3, 4


class UnitHops(NamedTuple):
    """Hops of one cell; nu w min(1, r², K r) = min(top, min(square x, linear) x), x = exp(-Δ(F + V)/2kT)."""

    first: NDArray[np.int64]  # (n_sublattices + 1,)
    place: NDArray[np.int64]  # (n_hops, 5) image of the target, its sublattice, 1 if the origin excludes it, else 0
    rate: NDArray[np.float64]  # (n_hops, 4) -ΔF/2kT and top, linear, square in 1/s
    orbit: NDArray[np.int32]  # (n_hops,)
    reverse: NDArray[np.int64]  # (n_hops,)


class Bounds(NamedTuple):
    """How much a hop can change ΔE of the hops of other ions: ion by ion nearby, by blocks of cells farther away."""

    stretch: float  # factor exp(allowance/2kT) between x at a renewal and its bound
    cost: NDArray[np.float32]  # (256,) parts of the allowance for hops nearby; inf: renew at once
    pair: NDArray[np.uint8]  # (n_hops, d1, d2, d3, n_sublattices) place in `cost`, by cell of the other ion
    pair_shift: NDArray[np.int64]  # (3,) added to the difference of cells, modulo the supercell
    block_of: NDArray[np.int32]  # (3, longest) by cell
    blocks: NDArray[np.int64]  # (3,)
    reach: NDArray[np.int64]  # (3, 2) offsets of the blocks nearby, from, to
    far: NDArray[np.uint16]  # (n_classes * b3 * n_blocks,) by third place of the block and block offset, the third one
    # counted from the place 0; in parts of the allowance; 0 nearby
    far_largest: NDArray[np.int64]  # (n_classes,)
    hop_class: NDArray[np.int32]  # (n_hops,)


class Model(NamedTuple):
    """What does not change during a simulation, but for the values of the fields."""

    repeats: NDArray[np.int64]  # (3,)
    twice_kT: float  # noqa: N815  # eV
    fields: Fields
    hops: UnitHops
    bounds: Bounds
    exclusion_offset: NDArray[np.int64]  # (n_sites + 1,)
    exclusion_site: NDArray[np.int32]


class Walkers(NamedTuple):
    """What changes: the arrays of a State, and workspace."""

    site: NDArray[np.int32]  # (n_ions,)
    cell: NDArray[np.int32]  # (n_ions, 8): cell coordinates, sublattice, mover and its slot
    occupant: NDArray[np.int32]  # (n_sites,)
    blocked: NDArray[np.int16]  # (n_sites,)
    image: NDArray[np.int32]  # (n_ions, 3)
    last_hop: NDArray[np.int32]  # (n_ions,)
    mover: NDArray[np.int32]  # (n_movers,) ion
    tree: NDArray[np.float64]  # bounds of the movers, 1/s, and above them the sums of every ARITY of a level
    tree_first: NDArray[np.int64]  # (n_tree_levels,) the leaves first
    held: NDArray[np.int32]  # (n_blocks,) mobile ions in the block, in the first of its slots; less than its slots
    place: NDArray[np.int16]  # (n_slots, 4) cell coordinates and sublattice; the slots of a block are side by side
    tenant: NDArray[np.int32]  # (n_slots,) mover
    used: NDArray[np.float32]  # (n_slots,) of the allowance for hops nearby
    block_used: NDArray[np.uint16]  # (n_blocks,) of the allowance for hops far away
    left: NDArray[np.int64]  # (1,) what a block may still use for certain
    rate: NDArray[np.float64]  # (2, largest number of hops of a site) scratch: rates, 1/s, and energies, eV
    clock: NDArray[np.float64]  # (2,) s: time, next_time
    events: NDArray[np.int64]  # (1,)
    counters: NDArray[np.int64]  # (N_COUNTERS,)


class Statistics(NamedTuple):
    """What is counted at every hop; arrays of a Sampler, see kmc/kernels.py."""

    orbit_hops: NDArray[np.int64]  # (2, n_orbits): all hops, and those that undid the ion's last one
    arrival: NDArray[np.float64]  # (n_ions,) s
    site_time: NDArray[np.float64]  # (n_sublattices,) s, stays that have ended
    departures: NDArray[np.int64]  # (n_sublattices,)


@jit
def site_energies(model, n_sites):
    """Energy V on every site with all ions, (n_sites,), eV."""
    energy, n, repeats = np.empty(n_sites), len(model.fields.charge), model.repeats
    for site in range(n_sites):
        c, b = site // n, site % n
        c1, c2, c3 = c // (repeats[1] * repeats[2]), c // repeats[2] % repeats[1], c % repeats[2]
        energy[site] = site_energy(model.fields, site, c1, c2, c3, b)
    return energy


@hot
def evaluate(fields_here, hops_here, blocked, rate, constants, c1, c2, c3, a):
    """Leaving rate of an ion in a cell on sublattice a, and the bound on it; rate[0] becomes those of its hops, 1/s.

    Takes what `evaluation` has unpacked. What lies far apart in memory is read first, so that the waits overlap.
    """
    value, unit, node, weight, charge = fields_here
    first_hop, place, constant = hops_here
    n1, n2, n3, inverse, stretch = constants
    n, q, first, last = len(charge), charge[a], first_hop[a], first_hop[a + 1]
    here = unit[0] * value[np.uint64(((c1 * n2 + c2) * n3 + c3) * n + a)]
    for h in range(first, last):
        t1, t2, t3 = fold(c1 + place[h, 0], n1), fold(c2 + place[h, 1], n2), fold(c3 + place[h, 2], n3)
        site = np.uint64(((t1 * n2 + t2) * n3 + t3) * n + place[h, 3])
        rate[0, h - first] = 1.0 if blocked[site] == place[h, 4] else 0.0
        rate[1, h - first] = unit[0] * value[site]
    i1, i2, i3 = np.uint64(c1 * n + a), np.uint64(c2 * n + a), np.uint64(c3 * n + a)
    here += q * splines(value, unit, node, weight, i1, i2, i3)
    total, bound = 0.0, 0.0
    for h in range(first, last):
        if rate[0, h - first] > 0.0:
            t1, t2, t3 = fold(c1 + place[h, 0], n1), fold(c2 + place[h, 1], n2), fold(c3 + place[h, 2], n3)
            b = place[h, 3]
            i1, i2, i3 = np.uint64(t1 * n + b), np.uint64(t2 * n + b), np.uint64(t3 * n + b)
            there = rate[1, h - first] + q * splines(value, unit, node, weight, i1, i2, i3)
            exponent = constant[h, 0] + (here - there) * inverse
            x = math.exp(min(max(exponent, -LARGEST_EXPONENT), LARGEST_EXPONENT))
            rate[0, h - first] = min(constant[h, 1], min(constant[h, 3] * x, constant[h, 2]) * x)
            total += rate[0, h - first]
            x *= stretch
            bound += min(constant[h, 1], min(constant[h, 3] * x, constant[h, 2]) * x)
    return total, bound


@hot
def evaluation(model):
    """Unpack what `evaluate` takes."""
    f, h, n = model.fields, model.hops, model.repeats
    constants = (n[0], n[1], n[2], 1.0 / model.twice_kT, model.bounds.stretch)
    return (f.value, f.unit, f.node, f.weight, f.charge), (h.first, h.place, h.rate), constants


@inlined
def _set_bound(tree, tree_first, mover, bound):
    """Enter a bound into the tree: every sum above it is formed anew from its ARITY parts, so that none drifts."""
    tree[mover] = bound
    place = np.uint64(mover)
    for level in range(1, len(tree_first)):
        place >>= np.uint64(3)
        t = np.uint64(tree_first[level - 1]) + (place << np.uint64(3))
        total = (tree[t] + tree[t + np.uint64(1)]) + (tree[t + np.uint64(2)] + tree[t + np.uint64(3)])
        more = (tree[t + np.uint64(4)] + tree[t + np.uint64(5)]) + (tree[t + np.uint64(6)] + tree[t + np.uint64(7)])
        tree[np.uint64(tree_first[level]) + place] = total + more


@inlined
def _draw(tree, tree_first, x):
    """Mover at the place x below the total bound; never one of bound zero."""
    place = 0
    for level in range(len(tree_first) - 2, -1, -1):
        first = tree_first[level] + place * ARITY
        chosen = -1
        for k in range(ARITY):
            part = tree[first + k]
            if part > 0.0:
                chosen = k
                if x < part:
                    break
                x -= part
        place = place * ARITY + chosen
    return place


@inlined
def _block(block_of, blocks, c1, c2, c3):
    return (block_of[0, c1] * blocks[1] + block_of[1, c2]) * blocks[2] + block_of[2, c3]


@inlined
def _settle(walkers, ion, slot, used):
    """Give a slot to a mobile ion."""
    cell, place = walkers.cell, walkers.place
    place[slot, 0], place[slot, 1], place[slot, 2], place[slot, 3] = cell_of(cell, ion)
    walkers.tenant[slot], walkers.used[slot], cell[ion, SLOT] = cell[ion, MOVER], used, slot


@inlined
def _enter_block(walkers, ion, block):
    """Give the first free slot of a block to a mobile ion."""
    slots = len(walkers.tenant) // len(walkers.held)
    _settle(walkers, ion, block * slots + walkers.held[block], 0.0)
    walkers.held[block] += 1


@inlined
def _leave_block(walkers, ion, block):
    """Give the slot of an ion to the one in the last slot of its block."""
    slots, freed = len(walkers.tenant) // len(walkers.held), np.int64(walkers.cell[ion, SLOT])
    walkers.held[block] -= 1
    last = block * slots + walkers.held[block]
    _settle(walkers, np.int64(walkers.mover[walkers.tenant[last]]), freed, walkers.used[last])


@inlined
def cell_of(cell, ion):
    """Cell coordinates and sublattice of an ion, or of the one in a slot, as 64-bit numbers."""
    return np.int64(cell[ion, 0]), np.int64(cell[ion, 1]), np.int64(cell[ion, 2]), np.int64(cell[ion, 3])


@hot
def sum_bounds(walkers):
    """Form all sums of the tree of bounds anew."""
    tree = walkers.tree
    for m in range(0, len(walkers.mover), ARITY):
        _set_bound(tree, walkers.tree_first, m, tree[m])


@hot
def mover_rates(model, walkers, rates):
    """Leaving rate of every mover, 1/s; `rates`, (n_movers,), is modified in place."""
    fields, hops, constants = evaluation(model)
    for m in range(len(rates)):
        c1, c2, c3, a = cell_of(walkers.cell, walkers.mover[m])
        rates[m], _ = evaluate(fields, hops, walkers.blocked, walkers.rate, constants, c1, c2, c3, a)


@hot
def renew_all(model, walkers):
    """Renew the bounds of all movers."""
    fields, hops, constants = evaluation(model)
    tree = walkers.tree
    walkers.used[:] = 0.0
    walkers.block_used[:] = 0
    walkers.left[0] = SPENT
    tree[:] = 0.0
    for m in range(len(walkers.mover)):
        ion = walkers.mover[m]
        c1, c2, c3, a = cell_of(walkers.cell, ion)
        _, tree[m] = evaluate(fields, hops, walkers.blocked, walkers.rate, constants, c1, c2, c3, a)
    sum_bounds(walkers)


@hot
def _renew_nearby(bounds, evaluation, walkers, hop, c1, c2, c3, own):
    """Charge the ions around a hop from a cell with what it can have changed, and renew those that have used up all.

    The ion in slot `own` is left out: it has hopped.
    """
    fields, hops, (n1, n2, n3, inverse, stretch) = evaluation
    constants = (n1, n2, n3, inverse, stretch)
    block_of, blocks, reach, pair, cost = bounds.block_of, bounds.blocks, bounds.reach, bounds.pair, bounds.cost
    held, place, used, tree, tree_first = walkers.held, walkers.place, walkers.used, walkers.tree, walkers.tree_first
    blocked, rate, renewals, slots = walkers.blocked, walkers.rate, 0, len(walkers.used) // len(held)
    b1, b2, b3 = np.int64(block_of[0, c1]), np.int64(block_of[1, c2]), np.int64(block_of[2, c3])
    s1, s2, s3 = bounds.pair_shift[0] - c1, bounds.pair_shift[1] - c2, bounds.pair_shift[2] - c3
    for o1 in range(reach[0, 0], reach[0, 1] + 1):
        x1 = fold(b1 + o1, blocks[0])
        for o2 in range(reach[1, 0], reach[1, 1] + 1):
            x2 = (x1 * blocks[1] + fold(b2 + o2, blocks[1])) * blocks[2]
            for o3 in range(reach[2, 0], reach[2, 1] + 1):
                block = x2 + fold(b3 + o3, blocks[2])
                for s in range(np.uint64(block * slots), np.uint64(block * slots + held[block])):
                    e1, e2, e3, b = cell_of(place, s)
                    code = pair[hop, fold(e1 + s1, n1), fold(e2 + s2, n2), fold(e3 + s3, n3), b]
                    total = used[s] + cost[code]
                    if total > 1.0 and s != own:
                        _, bound = evaluate(fields, hops, blocked, rate, constants, e1, e2, e3, b)
                        _set_bound(tree, tree_first, np.int64(walkers.tenant[s]), bound)
                        total = 0.0
                        renewals += 1
                    used[s] = total
    return renewals


@hot
def _renew_far(bounds, evaluation, walkers, hop, c1, c2, c3):
    """Charge all blocks farther away with what a hop can have changed there, and renew those that have used up much.

    The blocks are looked at only when the next hop could take the worst of them beyond its allowance; all that have no
    room left for ROOM more hops of the worst kind are renewed then.
    """
    used, more, n = walkers.block_used, bounds.far, bounds.blocks
    b1, b2, b3 = bounds.block_of[0, c1], bounds.block_of[1, c2], bounds.block_of[2, c3]
    plane, kind = n[1] * n[2], np.int64(bounds.hop_class[hop])
    table, low, high = (kind * n[2] + b3) * n[0] * plane, b2 * n[2], plane - b2 * n[2]
    for x1 in range(n[0]):
        o1 = x1 - b1 if x1 >= b1 else x1 - b1 + n[0]
        place, source = np.uint64(x1 * plane + low), np.uint64(table + o1 * plane)
        for k in range(np.uint64(high)):
            used[place + k] += more[source + k]
        place, source = np.uint64(x1 * plane), np.uint64(table + o1 * plane + high)
        for k in range(np.uint64(low)):
            used[place + k] += more[source + k]
    left, most = walkers.left, np.int64(0)
    left[0] -= bounds.far_largest[kind]
    for k in range(len(bounds.far_largest)):
        most = max(most, bounds.far_largest[k])
    return _renew_blocks(evaluation, walkers, SPENT - ROOM * most) if left[0] < most else 0


@inlined
def _renew_block(evaluation, walkers, block):
    """Renew the ions of a block, and return how many they are."""
    fields, hops, constants = evaluation
    place, blocked, rate, slots = walkers.place, walkers.blocked, walkers.rate, len(walkers.used) // len(walkers.held)
    walkers.block_used[block] = 0
    for s in range(block * slots, block * slots + walkers.held[block]):
        e1, e2, e3, b = cell_of(place, s)
        _, bound = evaluate(fields, hops, blocked, rate, constants, e1, e2, e3, b)
        _set_bound(walkers.tree, walkers.tree_first, np.int64(walkers.tenant[s]), bound)
        walkers.used[s] = 0.0
    return walkers.held[block]


@hot
def _renew_blocks(evaluation, walkers, most_used):
    """Renew the ions of all blocks that have used more than that of their allowance, or half of it."""
    used, renewals, largest, limit = walkers.block_used, 0, np.int64(0), max(SPENT // 2, most_used)
    for start in range(0, len(used), STRETCH):
        end, top = min(start + STRETCH, len(used)), np.uint16(0)
        for block in range(np.uint64(start), np.uint64(end)):
            top = max(top, used[block])
        if top >= limit:
            top = np.uint16(0)
            for block in range(start, end):
                if used[block] >= limit:
                    renewals += _renew_block(evaluation, walkers, block)
                top = max(top, used[block])
        largest = max(largest, np.int64(top))
    walkers.left[0] = SPENT - largest
    return renewals


@hot
def relocate(model, walkers, ion, t1, t2, t3, sublattice, hop):
    """Move an ion, by a hop of the network or (-1) anywhere; fields, occupants and counts are kept, slots are not."""
    repeats, fields, n_levels = model.repeats, model.fields, len(model.fields.width)
    cell, old = walkers.cell, np.int64(walkers.site[ion])
    new = ((t1 * repeats[1] + t2) * repeats[2] + t3) * len(fields.charge) + sublattice
    c1, c2, c3, a = cell_of(cell, ion)
    if hop >= 0 and len(fields.hop_near) > 0:
        row = np.int64(fields.hop_row[hop])
        if row >= 0:
            add_hop(fields, row, c1, c2, c3, 1)
        else:
            add_hop(fields, -1 - row, t1, t2, t3, -1)
    else:
        add_rows(fields, 0, n_levels, c1, c2, c3, a, -1)
        add_rows(fields, 0, n_levels, t1, t2, t3, sublattice, 1)
    cell[ion, 0], cell[ion, 1], cell[ion, 2], cell[ion, 3] = t1, t2, t3, sublattice
    walkers.occupant[old], walkers.occupant[new], walkers.site[ion] = -1, ion, new
    walkers.blocked[old] -= 1
    walkers.blocked[new] += 1
    for e in range(model.exclusion_offset[old], model.exclusion_offset[old + 1]):
        walkers.blocked[model.exclusion_site[e]] -= 1
    for e in range(model.exclusion_offset[new], model.exclusion_offset[new + 1]):
        walkers.blocked[model.exclusion_site[e]] += 1


@hot
def _hop(model, walkers, statistics, mover, hop):
    """Carry out a hop and enter it into the ion's image and the statistics, in place.

    Returns True if the block that the ion is in now has no slot left.
    """
    ion, place, repeats = np.int64(walkers.mover[mover]), model.hops.place, model.repeats
    c1, c2, c3, a = cell_of(walkers.cell, ion)
    t1, t2, t3 = c1 + place[hop, 0], c2 + place[hop, 1], c3 + place[hop, 2]
    f1, f2, f3 = fold(t1, repeats[0]), fold(t2, repeats[1]), fold(t3, repeats[2])
    walkers.image[ion, 0] += (t1 - f1) // repeats[0]
    walkers.image[ion, 1] += (t2 - f2) // repeats[1]
    walkers.image[ion, 2] += (t3 - f3) // repeats[2]
    relocate(model, walkers, ion, f1, f2, f3, place[hop, 3], hop)
    orbit, last = model.hops.orbit[hop], walkers.last_hop[ion]
    statistics.orbit_hops[0, orbit] += 1
    if last >= 0 and model.hops.reverse[last] == hop:
        statistics.orbit_hops[1, orbit] += 1
    statistics.site_time[a] += walkers.clock[0] - statistics.arrival[ion]
    statistics.departures[a] += 1
    statistics.arrival[ion] = walkers.clock[0]
    walkers.last_hop[ion] = hop
    walkers.events[0] += 1
    block_of, blocks = model.bounds.block_of, model.bounds.blocks
    before, after = _block(block_of, blocks, c1, c2, c3), _block(block_of, blocks, f1, f2, f3)
    if before == after:
        _settle(walkers, ion, np.int64(walkers.cell[ion, SLOT]), 0.0)
    else:
        _leave_block(walkers, ion, before)
        _enter_block(walkers, ion, after)
    return walkers.held[after] == len(walkers.tenant) // len(walkers.held)


@inlined
def _choose(rate, n_hops, x):
    """Hop at the place x of the running sum of the rates of an ion; never one of rate zero."""
    chosen = -1
    for k in range(n_hops):
        if rate[k] > 0.0:
            chosen = k
            if x < rate[k]:
                break
            x -= rate[k]
    return chosen


@hot
def advance(model, walkers, statistics, until, last_event, rng):
    """Run to a time or an event count; the dynamics is exact for the energies that the fields hold.

    A trial at the total bound B takes three random numbers: its time, its ion, and its place below the ion's bound. The
    time is drawn as soon as the state before it is known and kept in the clock.

    `walkers` and `statistics` are modified in place. Returns DONE at `until`, PAUSED at `last_event` or when a block
    has no slot left, or BLOCKED (no hop is open).
    """
    clock, events, counters, used, full = walkers.clock, walkers.events, walkers.counters, walkers.used, False
    tree, tree_first, rate, blocked, cell = (
        walkers.tree,
        walkers.tree_first,
        walkers.rate,
        walkers.blocked,
        walkers.cell,
    )
    ion_of, bounds, unpacked = walkers.mover, model.bounds, evaluation(model)
    fields, hops, constants = unpacked
    first_hop = model.hops.first
    while events[0] < last_event and not full:
        total = tree[tree_first[-1]]
        if np.isnan(clock[1]):
            clock[1] = clock[0] - math.log1p(-rng.random()) / total if total > 0.0 else np.inf
        if clock[1] > until:
            clock[0] = until
            return DONE
        if clock[1] == np.inf:
            return BLOCKED
        clock[0], clock[1] = clock[1], np.nan
        mover = _draw(tree, tree_first, rng.random() * total)
        counters[TRIALS] += 1
        ion, bound = np.int64(ion_of[mover]), tree[mover]
        x = rng.random() * bound
        c1, c2, c3, a = cell_of(cell, ion)
        leaving, fresh = evaluate(fields, hops, blocked, rate, constants, c1, c2, c3, a)
        if leaving > bound * (1.0 + 1e-9):
            counters[VIOLATIONS] += 1
        if x < leaving:
            hop = first_hop[a] + _choose(rate[0], first_hop[a + 1] - first_hop[a], x)
            full = _hop(model, walkers, statistics, mover, hop)
            t1, t2, t3, b = cell_of(cell, ion)
            _, fresh = evaluate(fields, hops, blocked, rate, constants, t1, t2, t3, b)
            counters[RENEWALS] += _renew_nearby(bounds, unpacked, walkers, hop, c1, c2, c3, np.uint64(cell[ion, SLOT]))
            counters[FAR_RENEWALS] += _renew_far(bounds, unpacked, walkers, hop, c1, c2, c3)
        _set_bound(tree, tree_first, mover, fresh)
        used[cell[ion, SLOT]] = 0.0
    return PAUSED


@hot
def configuration_energy(model, walkers, free_energy, own_energy):
    """Energy of the configuration from the kept fields, Σ F + ½ Σ_{i≠j} e_ij, eV; both arrays by sublattice."""
    energy = 0.0
    for ion in range(len(walkers.site)):
        c1, c2, c3, a = cell_of(walkers.cell, ion)
        kept = site_energy(model.fields, np.int64(walkers.site[ion]), c1, c2, c3, a)
        energy += free_energy[a] + 0.5 * (kept - own_energy[a])
    return energy


@jit
def hop_energies(model, walkers, own_field, ion):
    """ΔE of the hops of one ion from the kept fields, V_j - V_i - (e_ij - e_ii), (hops of its site,), eV."""
    c, place, n = cell_of(walkers.cell, ion), model.hops.place, model.repeats
    first, last = model.hops.first[c[3]], model.hops.first[c[3] + 1]
    change = np.empty(last - first)
    here = site_energy(model.fields, np.int64(walkers.site[ion]), c[0], c[1], c[2], c[3])
    for h in range(first, last):
        t1, t2, t3 = fold(c[0] + place[h, 0], n[0]), fold(c[1] + place[h, 1], n[1]), fold(c[2] + place[h, 2], n[2])
        b = place[h, 3]
        there = ((t1 * n[1] + t2) * n[2] + t3) * len(model.fields.charge) + b
        change[h - first] = site_energy(model.fields, there, t1, t2, t3, b) - here - own_field[h]
    return change


@hot
def place_all(model, walkers):
    """Compute the fields of all ions from their places, in place."""
    fields = model.fields
    fields.value[:] = 0
    for ion in range(len(walkers.cell)):
        c1, c2, c3, a = cell_of(walkers.cell, ion)
        add_rows(fields, 0, len(fields.width), c1, c2, c3, a, 1)


@jit
def _excludes(model, site, other):
    for e in range(model.exclusion_offset[site], model.exclusion_offset[site + 1]):
        if model.exclusion_site[e] == other:
            return True
    return False


@jit
def equilibrate(model, walkers, free_energy, first, species, n_trials, rng):
    """Metropolis Monte Carlo: a random ion to a random site of its species, accepted with min(1, exp(-ΔE/kT)).

    The ion is taken out of the fields, so that the energies of both places are those with all others. Slots and bounds
    are not kept; give the ions slots and call `renew_all` afterwards. `first`: (n_species + 1,) sublattices; returns
    the accepted moves.
    N. Metropolis et al., J. Chem. Phys. 21, 1087 (1953).
    """
    fields, repeats, n = model.fields, model.repeats, len(model.fields.charge)
    n_levels, accepted = len(fields.width), 0
    for _ in range(n_trials):
        ion = int(rng.random() * len(walkers.site))
        p = species[ion]
        t1, t2 = int(rng.random() * repeats[0]), int(rng.random() * repeats[1])
        t3 = int(rng.random() * repeats[2])
        b = first[p] + int(rng.random() * (first[p + 1] - first[p]))
        u = rng.random()
        new, old = ((t1 * repeats[1] + t2) * repeats[2] + t3) * n + b, np.int64(walkers.site[ion])
        count = walkers.blocked[new]
        if new == old or count > 1 or (count == 1 and not _excludes(model, old, new)):
            continue
        c = cell_of(walkers.cell, ion)
        add_rows(fields, 0, n_levels, c[0], c[1], c[2], c[3], -1)
        change = site_energy(fields, new, t1, t2, t3, b) + free_energy[b]
        change -= site_energy(fields, old, c[0], c[1], c[2], c[3]) + free_energy[c[3]]
        add_rows(fields, 0, n_levels, c[0], c[1], c[2], c[3], 1)
        if u < math.exp(min(0.0, -2.0 * change / model.twice_kT)):
            relocate(model, walkers, ion, t1, t2, t3, b, -1)
            accepted += 1
    return accepted
