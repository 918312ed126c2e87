"""Every jitted function of the multilevel engine: fields on meshes, bounds of rates, and the event loop by thinning.

The energy of site j with all ions is V_j = near_j + q_j Σ_l Σ_n B_l(r_j - r_n) c_l,n: `near` is kept for all sites,
c_l are coefficients of cubic splines on meshes that become coarser with the level. An ion adds one tabulated row to
every level, so that the fields are a function of the ions' places alone; they are whole numbers of a small unit and
never drift. See kmc/multilevel_plan.py for the levels.

An event is drawn by thinning: every ion has a bound that its leaving rate cannot exceed before it is renewed, an ion is
drawn by its bound and hops if a uniform number below the bound lies below its true rate. The times between the trials
have the total of the bounds as their rate. Lewis, Shedler, Nav. Res. Logist. Q. 26, 403 (1979).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from kmc.kernels import ARITY, BLOCKED, DONE, PAUSED

SPENT = 2**15  # the allowance of a block
ROOM = 4  # hops between two looks at all blocks, at least
STRETCH = 256  # blocks whose largest use is found at once
GHOSTS = 3  # copies of the first nodes of a line of a mesh, behind its end: the four around a site are side by side
VECTOR = 8  # numbers of a line that are added at once
LARGEST_EXPONENT = 300.0
MOVER, SLOT = 4, 5  # columns of Walkers.cell

U1, U2, U3, U4, U5, U6, U7, U8 = (np.uint64(k) for k in range(1, 9))  # steps of places without a sign

TRIALS, RENEWALS, FAR_RENEWALS, VIOLATIONS, N_COUNTERS = 0, 1, 2, 3, 4

jit = njit(cache=True, nogil=True, error_model="numpy")
# Without counting the users of arrays, see kmc/kernels.py; these allocate nothing, and hand arrays to each other alone.
hot = njit(cache=True, nogil=True, error_model="numpy", _nrt=False)
inlined = njit(cache=True, nogil=True, error_model="numpy", _nrt=False, forceinline=True)


class Fields(NamedTuple):
    """Level 0: energy on every site with the ions near it; the others: splines of the potential on meshes."""

    value: NDArray[np.int32]  # all levels one after the other
    first: NDArray[np.int64]  # (n_levels + 1,)
    size: NDArray[np.int64]  # (n_levels, 3) cells, or nodes
    width: NDArray[np.int64]  # (n_levels,) numbers per cell or node: the sublattices on level 0, else 1
    line: NDArray[np.int64]  # (n_levels,) numbers of one line along the third axis; see GHOSTS, last level: and VECTOR
    unit: NDArray[np.float64]  # (n_levels,) eV
    anchor: NDArray[np.int32]  # (n_levels, 3, longest) by cell: where the row of its ions is counted from
    phase: NDArray[np.int32]  # (n_levels, 3, longest) place of the cell in the period of cells and nodes
    period: NDArray[np.int64]  # (n_levels, 3) cells
    first_row: NDArray[np.int64]  # (n_levels + 1,)
    first_run: NDArray[np.int64]  # (n_rows + 1,) runs of row, (sublattice, phase) in C order
    run: NDArray[np.int32]  # (n_runs, 4): offset along each axis from the anchor, and length
    run_data: NDArray[np.int64]  # (n_runs,) first entry of `data`
    data: NDArray[np.int32]
    hop_row: NDArray[
        np.int32
    ]  # (n_hops,) row of the hop, of the new place less the old; or -1 - the row of its reverse
    hop_first_run: NDArray[np.int64]  # (n_levels * n_hop_rows * n_phases + 1,)
    hop_run: NDArray[np.int32]  # as `run`, around the anchor of the old place; may be empty. The last
    # level has one run for all of its lines, each with its first entries once more behind its end
    hop_run_data: NDArray[np.int64]  # first entries in `hop_near` for level 0, in `hop_mesh` for the others
    hop_near: NDArray[np.int32]
    hop_mesh: NDArray[np.int16] | NDArray[np.int32]
    node: NDArray[np.uint32]  # (n_levels, 3, longest * n_sublattices, 4) places in `value` of the nodes around a site,
    # along the third axis only the first of them is used
    weight: NDArray[np.float64]  # the same shape
    charge: NDArray[np.float64]  # (n_sublattices,) e


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
    limit: float  # eV, the part of the allowance for hops nearby
    pair: NDArray[np.float32]  # (n_hops, d1, d2, d3, n_sublattices) eV, by cell of the other ion; inf: renew at once
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
    used: NDArray[np.float32]  # (n_slots,) eV, of the allowance for hops nearby; `pair` makes up for the rounding
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


@inlined
def _fold(c, n):
    """Cell coordinate modulo the supercell; hops reach less than one supercell away."""
    return c + n if c < 0 else (c - n if c >= n else c)


@inlined
def _add_line(value, place, data, entry, length, sign):
    """Add entries, times `sign`, to numbers side by side; eight are loaded before they are stored, so as one vector."""
    for _ in range(length >> 3):
        v0, v1 = value[place] + sign * data[entry], value[place + U1] + sign * data[entry + U1]
        v2, v3 = value[place + U2] + sign * data[entry + U2], value[place + U3] + sign * data[entry + U3]
        v4, v5 = value[place + U4] + sign * data[entry + U4], value[place + U5] + sign * data[entry + U5]
        v6, v7 = value[place + U6] + sign * data[entry + U6], value[place + U7] + sign * data[entry + U7]
        value[place], value[place + U1], value[place + U2], value[place + U3] = v0, v1, v2, v3
        value[place + U4], value[place + U5], value[place + U6], value[place + U7] = v4, v5, v6, v7
        place, entry = place + U8, entry + U8
    for _ in range(length & 7):
        value[place] += sign * data[entry]
        place, entry = place + U1, entry + U1


@hot
def _add_runs(value, data, run, run_data, first_run, last_run, start, width, n, stride, anchor, sign):
    """Add the runs of one row, times `sign`, to the values of one level around an anchor, in place.

    `n`, `anchor`: three numbers each; `stride`: numbers of a line, its ghosts with it. Plain indices without a sign:
    views and tests for negative ones would cost more than the sums.
    """
    n1, n2, n3 = n
    a1, a2, a3 = anchor
    end, sign = n3 * width, np.int32(sign)
    for r in range(first_run, last_run):
        x1, x2, x3 = a1 + run[r, 0], a2 + run[r, 1], a3 + run[r, 2]
        x1 += n1 if x1 < 0 else (-n1 if x1 >= n1 else 0)
        x2 += n2 if x2 < 0 else (-n2 if x2 >= n2 else 0)
        x3 += n3 if x3 < 0 else (-n3 if x3 >= n3 else 0)
        length, entry = np.int64(run[r, 3]), np.uint64(run_data[r])
        line = start + (x1 * n2 + x2) * stride
        inside = min(length, n3 - x3)
        _add_line(value, np.uint64(line + x3 * width), data, entry, inside * width, sign)
        if inside < length:
            _add_line(value, np.uint64(line), data, entry + np.uint64(inside * width), (length - inside) * width, sign)
        if inside < length or x3 < GHOSTS:
            for k in range(stride - end):
                value[np.uint64(line + end + k)] = value[np.uint64(line + k)]


@hot
def _add_lines(value, data, entry, start, n, stride, anchor, sign):
    """Add the row of a hop on the last mesh, times `sign`, to its values around an anchor, in place: it has no end.

    Its lines go on with their first entries, so that from every entry on there is a whole vector.
    """
    n1, n2, n3 = n
    a1, a2, a3 = anchor
    for x1 in range(n1):
        o1 = _fold(x1 - a1, n1) * n2
        for x2 in range(n2):
            there = entry + (o1 + _fold(x2 - a2, n2)) * (n3 + VECTOR - 1)
            here = start + (x1 * n2 + x2) * stride
            for x3 in range(0, stride, VECTOR):
                source = np.uint64(there + _fold(x3 - a3, n3))
                _add_line(value, np.uint64(here + x3), data, source, VECTOR, np.int32(sign))


@hot
def add_rows(fields, first_level, last_level, c1, c2, c3, sublattice, sign):
    """Add the rows of an ion in a cell, times `sign`, to the values of some levels, in place."""
    value, data, run, run_data, first_run = fields.value, fields.data, fields.run, fields.run_data, fields.first_run
    size, period, anchor, phase, width = fields.size, fields.period, fields.anchor, fields.phase, fields.width
    line = fields.line
    for level in range(first_level, last_level):
        row = (sublattice * period[level, 0] + phase[level, 0, c1]) * period[level, 1] + phase[level, 1, c2]
        row = fields.first_row[level] + row * period[level, 2] + phase[level, 2, c3]
        n = (size[level, 0], size[level, 1], size[level, 2])
        around = (np.int64(anchor[level, 0, c1]), np.int64(anchor[level, 1, c2]), np.int64(anchor[level, 2, c3]))
        first, last, start = first_run[row], first_run[row + 1], fields.first[level]
        _add_runs(value, data, run, run_data, first, last, start, width[level], n, line[level], around, sign)


@inlined
def _plane(value, p0, p1, p2, p3, weight):
    """Sum four lines of a mesh times their weights, at four nodes side by side: in steps of one vector."""
    w0, w1, w2, w3 = weight
    s0 = (w0 * value[p0] + w1 * value[p1]) + (w2 * value[p2] + w3 * value[p3])
    s1 = (w0 * value[p0 + U1] + w1 * value[p1 + U1]) + (w2 * value[p2 + U1] + w3 * value[p3 + U1])
    s2 = (w0 * value[p0 + U2] + w1 * value[p1 + U2]) + (w2 * value[p2 + U2] + w3 * value[p3 + U2])
    s3 = (w0 * value[p0 + U3] + w1 * value[p1 + U3]) + (w2 * value[p2 + U3] + w3 * value[p3 + U3])
    return s0, s1, s2, s3


@inlined
def _four(array, level, axis, place):
    return (
        array[level, axis, place, 0],
        array[level, axis, place, 1],
        array[level, axis, place, 2],
        array[level, axis, place, 3],
    )


@inlined
def _splines(value, unit, node, weight, i1, i2, i3):
    """Potential of all levels but the first at a place along each axis, eV/e: tensor product of four splines each."""
    potential = 0.0
    for level in range(1, len(unit)):
        first, across, along = (
            np.uint64(node[level, 2, i3, 0]),
            _four(weight, level, 1, i2),
            _four(weight, level, 0, i1),
        )
        l0, l1, l2, l3 = _four(node, level, 1, i2)
        l0, l1, l2, l3 = first + np.uint64(l0), first + np.uint64(l1), first + np.uint64(l2), first + np.uint64(l3)
        p = np.uint64(node[level, 0, i1, 0])
        a0, a1, a2, a3 = _plane(value, p + l0, p + l1, p + l2, p + l3, across)
        p = np.uint64(node[level, 0, i1, 1])
        b0, b1, b2, b3 = _plane(value, p + l0, p + l1, p + l2, p + l3, across)
        p = np.uint64(node[level, 0, i1, 2])
        c0, c1, c2, c3 = _plane(value, p + l0, p + l1, p + l2, p + l3, across)
        p = np.uint64(node[level, 0, i1, 3])
        d0, d1, d2, d3 = _plane(value, p + l0, p + l1, p + l2, p + l3, across)
        w0, w1, w2, w3 = along
        t0, t1 = (w0 * a0 + w1 * b0) + (w2 * c0 + w3 * d0), (w0 * a1 + w1 * b1) + (w2 * c1 + w3 * d1)
        t2, t3 = (w0 * a2 + w1 * b2) + (w2 * c2 + w3 * d2), (w0 * a3 + w1 * b3) + (w2 * c3 + w3 * d3)
        w0, w1, w2, w3 = _four(weight, level, 2, i3)
        potential += unit[level] * ((w0 * t0 + w1 * t1) + (w2 * t2 + w3 * t3))
    return potential


@hot
def mesh_potential(fields, c1, c2, c3, sublattice):
    """Potential of all levels but the first on a site, eV/e."""
    n = len(fields.charge)
    i1, i2, i3 = np.uint64(c1 * n + sublattice), np.uint64(c2 * n + sublattice), np.uint64(c3 * n + sublattice)
    return _splines(fields.value, fields.unit, fields.node, fields.weight, i1, i2, i3)


@hot
def site_energy(fields, site, c1, c2, c3, sublattice):
    """Energy V of an ion on a site with all ions, eV."""
    near = fields.unit[0] * fields.value[site]
    return near + fields.charge[sublattice] * mesh_potential(fields, c1, c2, c3, sublattice)


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
        t1, t2, t3 = _fold(c1 + place[h, 0], n1), _fold(c2 + place[h, 1], n2), _fold(c3 + place[h, 2], n3)
        site = np.uint64(((t1 * n2 + t2) * n3 + t3) * n + place[h, 3])
        rate[0, h - first] = 1.0 if blocked[site] == place[h, 4] else 0.0
        rate[1, h - first] = unit[0] * value[site]
    i1, i2, i3 = np.uint64(c1 * n + a), np.uint64(c2 * n + a), np.uint64(c3 * n + a)
    here += q * _splines(value, unit, node, weight, i1, i2, i3)
    total, bound = 0.0, 0.0
    for h in range(first, last):
        if rate[0, h - first] > 0.0:
            t1, t2, t3 = _fold(c1 + place[h, 0], n1), _fold(c2 + place[h, 1], n2), _fold(c3 + place[h, 2], n3)
            b = place[h, 3]
            i1, i2, i3 = np.uint64(t1 * n + b), np.uint64(t2 * n + b), np.uint64(t3 * n + b)
            there = rate[1, h - first] + q * _splines(value, unit, node, weight, i1, i2, i3)
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
    block_of, blocks, reach, pair, limit = bounds.block_of, bounds.blocks, bounds.reach, bounds.pair, bounds.limit
    held, place, used, tree, tree_first = walkers.held, walkers.place, walkers.used, walkers.tree, walkers.tree_first
    blocked, rate, renewals, slots = walkers.blocked, walkers.rate, 0, len(walkers.used) // len(held)
    b1, b2, b3 = np.int64(block_of[0, c1]), np.int64(block_of[1, c2]), np.int64(block_of[2, c3])
    s1, s2, s3 = bounds.pair_shift[0] - c1, bounds.pair_shift[1] - c2, bounds.pair_shift[2] - c3
    for o1 in range(reach[0, 0], reach[0, 1] + 1):
        x1 = _fold(b1 + o1, blocks[0])
        for o2 in range(reach[1, 0], reach[1, 1] + 1):
            x2 = (x1 * blocks[1] + _fold(b2 + o2, blocks[1])) * blocks[2]
            for o3 in range(reach[2, 0], reach[2, 1] + 1):
                block = x2 + _fold(b3 + o3, blocks[2])
                for s in range(np.uint64(block * slots), np.uint64(block * slots + held[block])):
                    e1, e2, e3, b = cell_of(place, s)
                    total = used[s] + pair[hop, _fold(e1 + s1, n1), _fold(e2 + s2, n2), _fold(e3 + s3, n3), b]
                    if total > limit and s != own:
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


@hot
def _renew_blocks(evaluation, walkers, most_used):
    """Renew the ions of all blocks that have used more than that of their allowance, or half of it."""
    fields, hops, constants = evaluation
    used, held, place, slots = walkers.block_used, walkers.held, walkers.place, len(walkers.used) // len(walkers.held)
    tree, tree_first, blocked, rate = walkers.tree, walkers.tree_first, walkers.blocked, walkers.rate
    renewals, largest, limit = 0, np.int64(0), max(SPENT // 2, most_used)
    for start in range(0, len(used), STRETCH):
        end, top = min(start + STRETCH, len(used)), np.uint16(0)
        for block in range(np.uint64(start), np.uint64(end)):
            top = max(top, used[block])
        if top >= limit:
            top = np.uint16(0)
            for block in range(start, end):
                if used[block] >= limit:
                    used[block] = 0
                    for s in range(block * slots, block * slots + held[block]):
                        e1, e2, e3, b = cell_of(place, s)
                        _, bound = evaluate(fields, hops, blocked, rate, constants, e1, e2, e3, b)
                        _set_bound(tree, tree_first, np.int64(walkers.tenant[s]), bound)
                        walkers.used[s] = 0.0
                        renewals += 1
                top = max(top, used[block])
        largest = max(largest, np.int64(top))
    walkers.left[0] = SPENT - largest
    return renewals


@hot
def _add_hop(fields, hop_row, c1, c2, c3, sign):
    """Add the rows of a hop from a cell, or with the other sign those of its reverse to it, to all levels, in place."""
    value, run, run_data, size, anchor = fields.value, fields.hop_run, fields.hop_run_data, fields.size, fields.anchor
    phase, period, n_levels = fields.phase, fields.period, len(fields.width)
    row = (hop_row * period[0, 0] + phase[0, 0, c1]) * period[0, 1] + phase[0, 1, c2]
    row = (row * period[0, 2] + phase[0, 2, c3]) * n_levels
    for level in range(n_levels):
        n = (size[level, 0], size[level, 1], size[level, 2])
        around = (np.int64(anchor[level, 0, c1]), np.int64(anchor[level, 1, c2]), np.int64(anchor[level, 2, c3]))
        first, last = fields.hop_first_run[row + level], fields.hop_first_run[row + level + 1]
        start, width, line = fields.first[level], fields.width[level], fields.line[level]
        if level == 0:
            _add_runs(value, fields.hop_near, run, run_data, first, last, start, width, n, line, around, sign)
        elif level < n_levels - 1:
            _add_runs(value, fields.hop_mesh, run, run_data, first, last, start, width, n, line, around, sign)
        else:
            _add_lines(value, fields.hop_mesh, run_data[first], start, n, line, around, sign)


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
            _add_hop(fields, row, c1, c2, c3, 1)
        else:
            _add_hop(fields, -1 - row, t1, t2, t3, -1)
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
    f1, f2, f3 = _fold(t1, repeats[0]), _fold(t2, repeats[1]), _fold(t3, repeats[2])
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
        t1, t2, t3 = _fold(c[0] + place[h, 0], n[0]), _fold(c[1] + place[h, 1], n[1]), _fold(c[2] + place[h, 2], n[2])
        b = place[h, 3]
        there = ((t1 * n[1] + t2) * n[2] + t3) * len(model.fields.charge) + b
        change[h - first] = site_energy(model.fields, there, t1, t2, t3, b) - here - own_field[h]
    return change


@jit
def near_rows(fields, energy, repeats, rows):
    """Energy of every pair of the runs of level 0 less what the meshes give, eV; `rows` is modified in place.

    `fields.value` must be zero, and is again.
    """
    p1, p2, p3 = fields.period[0, 0], fields.period[0, 1], fields.period[0, 2]
    window, n_levels, n = energy.shape, len(fields.width), len(fields.charge)
    row = 0
    for a in range(n):
        for c1 in range(p1):
            for c2 in range(p2):
                for c3 in range(p3):
                    s1, s2, s3 = c1 % repeats[0], c2 % repeats[1], c3 % repeats[2]
                    add_rows(fields, 1, n_levels, s1, s2, s3, a, 1)
                    for r in range(fields.first_run[row], fields.first_run[row + 1]):
                        t1, t2 = fields.run[r, 0], fields.run[r, 1]
                        entry = fields.run_data[r]
                        for t3 in range(fields.run[r, 2], fields.run[r, 2] + fields.run[r, 3]):
                            for b in range(n):
                                there = mesh_potential(fields, t1 % repeats[0], t2 % repeats[1], t3 % repeats[2], b)
                                pair = energy[a, (t1 - c1) % window[1], (t2 - c2) % window[2], (t3 - c3) % window[3], b]
                                rows[entry] = pair - fields.charge[b] * there
                                entry += 1
                    add_rows(fields, 1, n_levels, s1, s2, s3, a, -1)
                    row += 1


@hot
def place_all(model, walkers):
    """Compute the fields of all ions from their places, in place."""
    fields = model.fields
    fields.value[:] = 0
    for ion in range(len(walkers.cell)):
        c1, c2, c3, a = cell_of(walkers.cell, ion)
        add_rows(fields, 0, len(fields.width), c1, c2, c3, a, 1)


@jit
def largest_values(fields):
    """Largest |value| of every level in parts of what a whole number can hold, (n_levels,)."""
    largest = np.zeros(len(fields.width))
    for level in range(len(largest)):
        for k in range(fields.first[level], fields.first[level + 1]):
            largest[level] = max(largest[level], abs(np.float64(fields.value[k])) / 2.0**31)
    return largest


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
