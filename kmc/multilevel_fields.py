"""Jitted functions for the fields of the multilevel engine: rows of ions and hops, and energies from splines.

The energy of site j with all ions is V_j = near_j + q_j Σ_l Σ_n B_l(r_j - r_n) c_l,n: `near` is kept for all sites,
c_l are coefficients of cubic splines on meshes that become coarser with the level. An ion adds one tabulated row to
every level, so that the fields are a function of the ions' places alone; they are whole numbers of a small unit and
never drift. See kmc/multilevel_plan.py for the levels.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

GHOSTS = 3  # copies of the first nodes of a line of a mesh, behind its end: the four around a site are side by side
VECTOR = 8  # numbers of a line that are added at once
U1, U2, U3, U4, U5, U6, U7, U8 = (np.uint64(k) for k in range(1, 9))  # steps of places without a sign

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
    run: NDArray[np.int16]  # (n_runs, 4): offset along each axis from the anchor, and length
    row_data: NDArray[np.int64]  # (n_rows + 1,) first entry of `data`, where the runs of a row follow one another
    data: NDArray[np.int32]
    hop_row: NDArray[np.int32]  # (n_hops,) row of the hop, new place less old; or -1 less the row of its reverse
    hop_first_run: NDArray[np.int64]  # (n_levels * n_hop_rows * n_phases + 1,)
    hop_run: NDArray[np.int16]  # as `run`, around the anchor of the old place; may be empty, and is on the last level
    hop_row_data: NDArray[np.int64]  # (n_levels * n_hop_rows * n_phases,) first entry of `hop_near` for level 0, of
    # `hop_mesh` for the others
    hop_near: NDArray[np.int32]
    hop_mesh: NDArray[np.int16] | NDArray[np.int32]  # of the last level all lines, which go on with their first entries
    node: NDArray[np.uint32]  # (n_levels, 3, longest * n_sublattices, 4) places in `value` of the nodes around a site,
    # along the third axis only the first of them is used
    weight: NDArray[np.float64]  # the same shape
    charge: NDArray[np.float64]  # (n_sublattices,) e


@inlined
def fold(c, n):
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
def _add_runs(value, data, entry, run, first_run, last_run, start, width, n, stride, anchor, sign):
    """Add the runs of one row, times `sign`, to the values of one level around an anchor, in place.

    `n`, `anchor`: three numbers each; `stride`: numbers of a line, its ghosts with it. Plain indices without a sign:
    views and tests for negative ones would cost more than the sums.
    """
    n1, n2, n3 = n
    a1, a2, a3 = anchor
    end, sign, entry = n3 * width, np.int32(sign), np.uint64(entry)
    for r in range(first_run, last_run):
        x1, x2, x3 = a1 + run[r, 0], a2 + run[r, 1], a3 + run[r, 2]
        x1 += n1 if x1 < 0 else (-n1 if x1 >= n1 else 0)
        x2 += n2 if x2 < 0 else (-n2 if x2 >= n2 else 0)
        x3 += n3 if x3 < 0 else (-n3 if x3 >= n3 else 0)
        length = np.int64(run[r, 3])
        line = start + (x1 * n2 + x2) * stride
        inside = min(length, n3 - x3)
        _add_line(value, np.uint64(line + x3 * width), data, entry, inside * width, sign)
        if inside < length:
            _add_line(value, np.uint64(line), data, entry + np.uint64(inside * width), (length - inside) * width, sign)
        entry += np.uint64(length * width)
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
        o1 = fold(x1 - a1, n1) * n2
        for x2 in range(n2):
            there = entry + (o1 + fold(x2 - a2, n2)) * (n3 + VECTOR - 1)
            here = start + (x1 * n2 + x2) * stride
            for x3 in range(0, stride, VECTOR):
                source = np.uint64(there + fold(x3 - a3, n3))
                _add_line(value, np.uint64(here + x3), data, source, VECTOR, np.int32(sign))


@hot
def add_rows(fields, first_level, last_level, c1, c2, c3, sublattice, sign):
    """Add the rows of an ion in a cell, times `sign`, to the values of some levels, in place."""
    value, data, run, row_data, first_run = fields.value, fields.data, fields.run, fields.row_data, fields.first_run
    size, period, anchor, phase, width = fields.size, fields.period, fields.anchor, fields.phase, fields.width
    line = fields.line
    for level in range(first_level, last_level):
        row = (sublattice * period[level, 0] + phase[level, 0, c1]) * period[level, 1] + phase[level, 1, c2]
        row = fields.first_row[level] + row * period[level, 2] + phase[level, 2, c3]
        n = (size[level, 0], size[level, 1], size[level, 2])
        around = (np.int64(anchor[level, 0, c1]), np.int64(anchor[level, 1, c2]), np.int64(anchor[level, 2, c3]))
        first, last, start = first_run[row], first_run[row + 1], fields.first[level]
        _add_runs(value, data, row_data[row], run, first, last, start, width[level], n, line[level], around, sign)


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
    """Give the four nodes around a place along one axis, or their weights."""
    one, two = array[level, axis, place, 0], array[level, axis, place, 1]
    return one, two, array[level, axis, place, 2], array[level, axis, place, 3]


@inlined
def splines(value, unit, node, weight, i1, i2, i3):
    """Potential of all levels but the first at a place along each axis, eV/e: tensor product of four splines each."""
    potential = 0.0
    for level in range(1, len(unit)):
        first = np.uint64(node[level, 2, i3, 0])
        across, along = _four(weight, level, 1, i2), _four(weight, level, 0, i1)
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
    return splines(fields.value, fields.unit, fields.node, fields.weight, i1, i2, i3)


@hot
def site_energy(fields, site, c1, c2, c3, sublattice):
    """Energy V of an ion on a site with all ions, eV."""
    near = fields.unit[0] * fields.value[site]
    return near + fields.charge[sublattice] * mesh_potential(fields, c1, c2, c3, sublattice)


@hot
def add_hop(fields, hop_row, c1, c2, c3, sign):
    """Add the rows of a hop from a cell, or with the other sign those of its reverse to it, to all levels, in place."""
    value, run, size, anchor = fields.value, fields.hop_run, fields.size, fields.anchor
    phase, period, n_levels = fields.phase, fields.period, len(fields.width)
    row = (hop_row * period[0, 0] + phase[0, 0, c1]) * period[0, 1] + phase[0, 1, c2]
    row = (row * period[0, 2] + phase[0, 2, c3]) * n_levels
    for level in range(n_levels):
        n = (size[level, 0], size[level, 1], size[level, 2])
        around = (np.int64(anchor[level, 0, c1]), np.int64(anchor[level, 1, c2]), np.int64(anchor[level, 2, c3]))
        first, last = fields.hop_first_run[row + level], fields.hop_first_run[row + level + 1]
        start, width, line = fields.first[level], fields.width[level], fields.line[level]
        entry = fields.hop_row_data[row + level]
        if level == 0:
            _add_runs(value, fields.hop_near, entry, run, first, last, start, width, n, line, around, sign)
        elif level < n_levels - 1:
            _add_runs(value, fields.hop_mesh, entry, run, first, last, start, width, n, line, around, sign)
        else:
            _add_lines(value, fields.hop_mesh, entry, start, n, line, around, sign)


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
                    entry = fields.row_data[row]
                    for r in range(fields.first_run[row], fields.first_run[row + 1]):
                        t1, t2 = np.int64(fields.run[r, 0]), np.int64(fields.run[r, 1])
                        first = np.int64(fields.run[r, 2])
                        for t3 in range(first, first + fields.run[r, 3]):
                            for b in range(n):
                                there = mesh_potential(fields, t1 % repeats[0], t2 % repeats[1], t3 % repeats[2], b)
                                pair = energy[a, (t1 - c1) % window[1], (t2 - c2) % window[2], (t3 - c3) % window[3], b]
                                rows[entry] = pair - fields.charge[b] * there
                                entry += 1
                    add_rows(fields, 1, n_levels, s1, s2, s3, a, -1)
                    row += 1


@jit
def largest_values(fields):
    """Largest |value| of every level in parts of what a whole number can hold, (n_levels,)."""
    largest = np.zeros(len(fields.width))
    for level in range(len(largest)):
        for k in range(fields.first[level], fields.first[level + 1]):
            largest[level] = max(largest[level], abs(np.float64(fields.value[k])) / 2.0**31)
    return largest
