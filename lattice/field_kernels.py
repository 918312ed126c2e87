"""Jitted loops over grid points, atoms and reciprocal vectors; every array is allocated by the caller.

A field is scattered from the atoms to the grid one row (third axis) at a time. With the steps of the grid in the order
(third, second, first) and the Cholesky factor U of their Gram matrix, the distance between a grid point and an atom is

    r² = (U00 w + U01 v + U02 u)² + (U11 v + U12 u)² + (U22 u)²

for offsets u, v, w along the first, second and third axis, so the part of a row inside the cut-off is known beforehand
and the inner loop has neither a branch nor a periodic wrap.
"""

import math

import numpy as np
from numba import njit

SURFACE_DISTANCE = 0
SMOOTH_LENNARD_JONES = 1
POLYNOMIAL = 2
POLYNOMIAL_DEGREE = 24

_BLOCK = 8  # points


@njit(cache=True, nogil=True, error_model="numpy")
def _distance_row(row, first, step, rest, ramp, parameters):
    """Lower `row` to the distance from the sphere of one atom."""
    radius = parameters[0]
    for m in range(row.size):
        t = first + step * ramp[m]
        row[m] = min(row[m], math.sqrt(rest + t * t) - radius)


@njit(cache=True, nogil=True, error_model="numpy")
def _lennard_jones_row(row, first, step, rest, ramp, farthest, parameters):
    """Add a/r¹² - b/r⁶ + c r² + d to `row`."""
    a, b, c, d = parameters[0], parameters[1], parameters[2], parameters[3]
    for m in range(row.size):
        t = first + step * ramp[m]
        r2 = min(rest + t * t, farthest)
        inverse = 1.0 / r2
        i6 = inverse * inverse * inverse
        row[m] += (a * i6 - b) * i6 + c * r2 + d


@njit(cache=True, nogil=True, error_model="numpy")
def _smooth_lennard_jones_row(row, first, step, rest, ramp, farthest, parameters):
    """Add the Lennard-Jones terms to `row`, and a polynomial in r² - s where r² is less than s."""
    a, b, c, d, square = parameters[0], parameters[1], parameters[2], parameters[3], parameters[4]
    p0, p1, p2, p3 = parameters[5], parameters[6], parameters[7], parameters[8]
    p4, p5, p6 = parameters[9], parameters[10], parameters[11]
    for m in range(row.size):
        t = first + step * ramp[m]
        r2 = min(rest + t * t, farthest)
        u = min(r2 - square, 0.0)
        inner = p0 + u * (p1 + u * (p2 + u * (p3 + u * (p4 + u * (p5 + u * p6)))))
        inverse = 1.0 / max(r2, square)
        i6 = inverse * inverse * inverse
        outer = (a * i6 - b) * i6 + c * r2 + d
        row[m] += inner if r2 < square else outer


@njit(cache=True, nogil=True, error_model="numpy")
def _polynomial_row(row, first, step, rest, ramp, parameters):
    """Add a charge times a polynomial in z = 2 r²/s - 1 to `row`: q, s, then the coefficients, ascending.

    Horner's scheme five coefficients at a time: written out, it becomes vector instructions over the points.
    """
    charge, scale = parameters[0], 2.0 / parameters[1]
    work = np.zeros(row.size)
    for n in range(22, 1, -5):
        p0, p1, p2 = parameters[n], parameters[n + 1], parameters[n + 2]
        p3, p4 = parameters[n + 3], parameters[n + 4]
        for m in range(row.size):
            t = first + step * ramp[m]
            z = min((rest + t * t) * scale - 1.0, 1.0)
            work[m] = ((((work[m] * z + p4) * z + p3) * z + p2) * z + p1) * z + p0
    for m in range(row.size):
        row[m] += charge * work[m]


@njit(cache=True, nogil=True, error_model="numpy")
def _atoms_of_plane(plane, shape, frac, factor, cutoff, atoms, geometry):
    """List the atoms, images included, that reach a plane: number; u, centre and reach along the second axis."""
    n1, n2 = shape[0], shape[1]
    reach = cutoff / factor[2, 2]
    count = 0
    for atom in range(frac.shape[0]):
        p1, p2 = frac[atom, 0] * n1, frac[atom, 1] * n2
        i = plane + n1 * math.ceil((p1 - reach - plane) / n1)
        while i <= p1 + reach:
            u = i - p1
            atoms[count] = atom
            geometry[count, 0] = u
            geometry[count, 1] = p2 - factor[1, 2] * u / factor[1, 1]
            geometry[count, 2] = math.sqrt(max(cutoff * cutoff - (factor[2, 2] * u) ** 2, 0.0)) / factor[1, 1]
            count += 1
            i += n1
    return count


@njit(cache=True, nogil=True, error_model="numpy")
def _fold(buffer, row, margin, kind):
    """Bring what an unwrapped row has collected into the periodic one."""
    n = row.size
    k = n - margin % n if margin % n else 0
    for m in range(buffer.size):
        if kind == SURFACE_DISTANCE:
            row[k] = min(row[k], buffer[m])
        else:
            row[k] += buffer[m]
        k += 1
        if k == n:
            k = 0


@njit(cache=True, nogil=True, error_model="numpy")
def scatter(values, frac, parameters, factor, cutoff, rows, kind):
    """Scatter a pair function of all atoms and their images to some rows of a grid.

    The order of additions at a point depends on the atoms alone, so the rows can be shared among threads. They are
    filled in whole blocks of points, for the sake of vector instructions; beyond the cut-off every function is taken at
    the cut-off, where it vanishes.

    Parameters
    ----------
    values : (n1, n2, n3) float64
        Modified in place.
    frac : (n_atoms, 3) float64
    parameters : (n_atoms, n_parameters) float64
        (radius), (a, b, c, d, s and 7 coefficients) or (q, s and 25 coefficients), in the order of the kinds.
    factor : (3, 3) float64, Å
        U of the module text.
    cutoff : float, Å
    rows : (n_rows, 2) int64
        Indices along the first and the second axis, those of a plane together.
    kind : int
        SURFACE_DISTANCE, SMOOTH_LENNARD_JONES or POLYNOMIAL.
    """
    n1, n2, n3 = values.shape
    step, farthest = factor[0, 0], cutoff * cutoff
    margin = math.ceil(cutoff / step) + 1
    buffer = np.empty(n3 + 2 * margin + _BLOCK)
    ramp = np.arange(buffer.size).astype(np.float64)
    most = frac.shape[0] * (2 * math.ceil(cutoff / factor[2, 2] / n1) + 2)
    atoms, geometry = np.empty(most, np.int64), np.empty((most, 3))
    count, listed = 0, -1
    for n in range(rows.shape[0]):
        plane, line = rows[n, 0], rows[n, 1]
        if plane != listed:
            count, listed = _atoms_of_plane(plane, values.shape, frac, factor, cutoff, atoms, geometry), plane
        buffer[:] = np.inf if kind == SURFACE_DISTANCE else 0.0
        for c in range(count):
            u, middle, reach, atom = geometry[c, 0], geometry[c, 1], geometry[c, 2], atoms[c]
            j = line + n2 * math.ceil((middle - reach - line) / n2)
            while j <= middle + reach:
                v = j - frac[atom, 1] * n2
                rest = (factor[2, 2] * u) ** 2 + (factor[1, 1] * v + factor[1, 2] * u) ** 2
                half = math.sqrt(max(farthest - rest, 0.0)) / step
                centre = frac[atom, 2] * n3 - (factor[0, 1] * v + factor[0, 2] * u) / step
                centre -= n3 * math.floor(centre / n3)
                start = math.ceil(centre - half)
                length = (math.floor(centre + half) - start) // _BLOCK * _BLOCK + _BLOCK
                row = buffer[start + margin : start + margin + length]
                along = step * (start - centre)
                if kind == SMOOTH_LENNARD_JONES and rest > parameters[atom, 4]:
                    _lennard_jones_row(row, along, step, rest, ramp, farthest, parameters[atom])
                elif kind == SMOOTH_LENNARD_JONES:
                    _smooth_lennard_jones_row(row, along, step, rest, ramp, farthest, parameters[atom])
                elif kind == POLYNOMIAL:
                    _polynomial_row(row, along, step, rest, ramp, parameters[atom])
                else:
                    _distance_row(row, along, step, rest, ramp, parameters[atom])
                j += n2
        _fold(buffer, values[plane, line], margin, kind)


@njit(cache=True, nogil=True)
def _phases(table, x):
    """Fill table[m] = exp(2 pi i m x) for m = -top ... top; `table` has 2 top + 1 entries."""
    top = table.size // 2
    for m in range(table.size):
        angle = 2.0 * math.pi * (m - top) * x
        table[m] = complex(math.cos(angle), math.sin(angle))


@njit(cache=True, nogil=True)
def structure_factor(total, frac, charge, rows, top):
    """Add Σ_j q_j exp(-2 pi i h·x_j) of every reciprocal vector to `total`.

    Parameters
    ----------
    total : (n_vectors,) complex128
        Modified in place.
    frac : (n_atoms, 3) float64
    charge : (n_atoms,) float64, e
    rows : (n_rows, 4) int64
        (h, k, first l, offset of the row in `total`), closed by a last row that holds the number of vectors.
    top : (3,) int64
        Largest |h|, |k|, |l|.
    """
    t1 = np.empty(2 * top[0] + 1, np.complex128)
    t2 = np.empty(2 * top[1] + 1, np.complex128)
    t3 = np.empty(2 * top[2] + 1, np.complex128)
    for atom in range(frac.shape[0]):
        _phases(t1, -frac[atom, 0])
        _phases(t2, -frac[atom, 1])
        _phases(t3, -frac[atom, 2])
        for r in range(rows.shape[0] - 1):
            shared = charge[atom] * t1[rows[r, 0] + top[0]] * t2[rows[r, 1] + top[1]]
            begin, end = rows[r, 3], rows[r + 1, 3]
            part = total[begin:end]
            phase = t3[rows[r, 2] + top[2] :]
            for m in range(part.size):
                part[m] += shared * phase[m]


@njit(cache=True, nogil=True, error_model="numpy")
def grid_orbits(first, shape, rotations, shifts):
    """Give every grid point the number of the first of its symmetric copies.

    Parameters
    ----------
    first : (n_points,) int32 or int64
        Filled with -1 and overwritten.
    shape : (3,) int64
    rotations : (n_operations, 3, 3) int64
        In steps of the grid.
    shifts : (n_operations, 3) int64
    """
    n1, n2, n3 = shape
    point = 0
    for i in range(n1):
        for j in range(n2):
            for k in range(n3):
                if first[point] < 0:
                    for g in range(rotations.shape[0]):
                        R = rotations[g]
                        u = (R[0, 0] * i + R[0, 1] * j + R[0, 2] * k + shifts[g, 0]) % n1
                        v = (R[1, 0] * i + R[1, 1] * j + R[1, 2] * k + shifts[g, 1]) % n2
                        w = (R[2, 0] * i + R[2, 1] * j + R[2, 2] * k + shifts[g, 2]) % n3
                        first[(u * n2 + v) * n3 + w] = point
                    first[point] = point
                point += 1
