"""Jitted loops over grid points, atoms and reciprocal vectors; every array is allocated by the caller.

A field is scattered from the atoms to the grid one row (third axis) at a time. With the steps of the grid in the order
(third, second, first) and the Cholesky factor U of their Gram matrix, the distance between a grid point and an atom is

    r² = (U00 w + U01 v + U02 u)² + (U11 v + U12 u)² + (U22 u)²

for offsets u, v, w along the first, second and third axis, so the part of a row inside the cut-off is known beforehand
and the inner loop has neither a branch nor a periodic wrap.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

COULOMB = 0
LENNARD_JONES = 1
SURFACE_DISTANCE = 2

_CORE_SQUARED = 1e-2  # Å², below it no energy matters and 1/r is kept finite


class IonField(NamedTuple):
    """Everything that `point_derivatives` needs; Coulomb terms are scaled by q k_e / eps_r."""

    cell: NDArray[np.float64]  # (3, 3) Å
    reciprocal: NDArray[np.float64]  # (3, 3) 1/Å, rows times 2 pi
    frac: NDArray[np.float64]  # (n_atoms, 3)
    charge: NDArray[np.float64]  # (n_atoms,) eV Å
    pairs: NDArray[np.float64]  # (n_atoms, 4): a, b, c, d of a/r¹² - b/r⁶ + c r² + d
    shifts: NDArray[np.float64]  # (n_images, 3) Å
    cutoff: float  # Å
    alpha: float  # 1/Å
    background: float  # eV
    rows: NDArray[np.int64]  # (n_rows + 1, 4)
    top: NDArray[np.int64]  # (3,)
    coefficients: NDArray[np.complex128]  # (n_vectors,) eV


@njit(cache=True, nogil=True, error_model="numpy")
def _lennard_jones_row(row, start, centre, step, rest, parameters):
    """Add a/r¹² - b/r⁶ + c r² + d to `row`, whose first point has index `start`."""
    a, b, c, d = parameters
    for m in range(row.size):
        t = step * (start + m - centre)
        r2 = max(rest + t * t, _CORE_SQUARED)
        inverse = 1.0 / r2
        i6 = inverse * inverse * inverse
        row[m] += (a * i6 - b) * i6 + c * r2 + d


@njit(cache=True, nogil=True, error_model="numpy")
def _coulomb_row(row, start, centre, step, rest, parameters):
    """Add q erfc(alpha r)/r to `row`."""
    charge, alpha = parameters[0], parameters[1]
    for m in range(row.size):
        t = step * (start + m - centre)
        r = math.sqrt(max(rest + t * t, _CORE_SQUARED))
        row[m] += charge * math.erfc(alpha * r) / r


@njit(cache=True, nogil=True, error_model="numpy")
def _distance_row(row, start, centre, step, rest, parameters):
    """Lower `row` to the distance from the sphere of one atom."""
    radius = parameters[0]
    for m in range(row.size):
        t = step * (start + m - centre)
        row[m] = min(row[m], math.sqrt(rest + t * t) - radius)


@njit(cache=True, nogil=True, error_model="numpy")
def _scatter_row(row, start, stop, centre, step, rest, parameters, kind):
    """Scatter one atom to the points start <= k < stop of a periodic row."""
    n = row.size
    k = start
    while k < stop:
        wrapped = k % n
        length = min(n - wrapped, stop - k)
        part = row[wrapped : wrapped + length]
        if kind == LENNARD_JONES:
            _lennard_jones_row(part, float(k), centre, step, rest, parameters)
        elif kind == COULOMB:
            _coulomb_row(part, float(k), centre, step, rest, parameters)
        else:
            _distance_row(part, float(k), centre, step, rest, parameters)
        k += length


@njit(cache=True, nogil=True, error_model="numpy")
def scatter(values, frac, parameters, factor, cutoff, first, last, kind):
    """Scatter a pair function of all atoms and their images to the planes first <= i < last of a grid.

    The order of additions at a point depends on the atoms alone, so the planes can be shared among threads.

    Parameters
    ----------
    values : (n1, n2, n3) float64
        Modified in place.
    frac : (n_atoms, 3) float64
    parameters : (n_atoms, 4) float64
        (a, b, c, d), (q, alpha, 0, 0) or (radius, 0, 0, 0).
    factor : (3, 3) float64, Å
        U of the module text.
    cutoff : float, Å
    first, last : int
    kind : int
        LENNARD_JONES, COULOMB or SURFACE_DISTANCE.
    """
    n1, n2, n3 = values.shape
    step = factor[0, 0]
    for atom in range(frac.shape[0]):
        p1, p2, p3 = frac[atom, 0] * n1, frac[atom, 1] * n2, frac[atom, 2] * n3
        reach = cutoff / factor[2, 2]
        for i in range(math.ceil(p1 - reach), math.floor(p1 + reach) + 1):
            plane = i % n1
            if plane < first or plane >= last:
                continue
            u = i - p1
            left = max(cutoff * cutoff - (factor[2, 2] * u) ** 2, 0.0)
            middle = p2 - factor[1, 2] * u / factor[1, 1]
            reach2 = math.sqrt(left) / factor[1, 1]
            for j in range(math.ceil(middle - reach2), math.floor(middle + reach2) + 1):
                v = j - p2
                rest = (factor[2, 2] * u) ** 2 + (factor[1, 1] * v + factor[1, 2] * u) ** 2
                half = math.sqrt(max(cutoff * cutoff - rest, 0.0)) / step
                centre = p3 - (factor[0, 1] * v + factor[0, 2] * u) / step
                start, stop = math.ceil(centre - half), math.floor(centre + half) + 1
                _scatter_row(values[plane, j % n2], start, stop, centre, step, rest, parameters[atom], kind)


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


@njit(cache=True, nogil=True)
def _reciprocal_sum(moments, x, rows, top, coefficients, tables):
    """Sum Re(C e), Im(C e) h, Re(C e) h h over all vectors, e = exp(2 pi i h·x).

    `moments` (10,): value; h, k, l; hh, kk, ll, kl, hl, hk. Overwritten.
    """
    t1, t2, t3 = tables
    _phases(t1, x[0])
    _phases(t2, x[1])
    _phases(t3, x[2])
    moments[:] = 0.0
    for r in range(rows.shape[0] - 1):
        h, k, first, begin = float(rows[r, 0]), float(rows[r, 1]), rows[r, 2], rows[r, 3]
        shared = t1[rows[r, 0] + top[0]] * t2[rows[r, 1] + top[1]]
        a0, a1, a2, b0, b1 = 0.0, 0.0, 0.0, 0.0, 0.0
        for m in range(rows[r + 1, 3] - begin):
            term = coefficients[begin + m] * t3[first + m + top[2]] * shared
            index = float(first + m)
            a0 += term.real
            a1 += term.real * index
            a2 += term.real * index * index
            b0 += term.imag
            b1 += term.imag * index
        moments[0] += a0
        moments[1] += h * b0
        moments[2] += k * b0
        moments[3] += b1
        moments[4] += h * h * a0
        moments[5] += k * k * a0
        moments[6] += a2
        moments[7] += k * a1
        moments[8] += h * a1
        moments[9] += h * k * a0


@njit(cache=True, nogil=True, error_model="numpy")
def _pair_sum(moments, x, cell, shifts, cutoff, frac, charge, alpha, pairs):
    """Sum value, gradient and Hessian of the screened Coulomb and Lennard-Jones terms within the cut-off.

    `moments` (10,): value; x, y, z; xx, yy, zz, yz, xz, xy in Cartesian axes. Overwritten.
    """
    moments[:] = 0.0
    slope = 2.0 * alpha / math.sqrt(math.pi)
    for atom in range(frac.shape[0]):
        f0 = x[0] - frac[atom, 0]
        f1 = x[1] - frac[atom, 1]
        f2 = x[2] - frac[atom, 2]
        f0 -= np.rint(f0)
        f1 -= np.rint(f1)
        f2 -= np.rint(f2)
        base0 = f0 * cell[0, 0] + f1 * cell[1, 0] + f2 * cell[2, 0]
        base1 = f0 * cell[0, 1] + f1 * cell[1, 1] + f2 * cell[2, 1]
        base2 = f0 * cell[0, 2] + f1 * cell[1, 2] + f2 * cell[2, 2]
        for s in range(shifts.shape[0]):
            d0, d1, d2 = base0 + shifts[s, 0], base1 + shifts[s, 1], base2 + shifts[s, 2]
            r2 = d0 * d0 + d1 * d1 + d2 * d2
            if r2 > cutoff * cutoff:
                continue
            r2 = max(r2, _CORE_SQUARED)
            r = math.sqrt(r2)
            inverse = 1.0 / r2
            gauss = charge[atom] * slope * math.exp(-alpha * alpha * r2)
            b0 = charge[atom] * math.erfc(alpha * r) / r
            b1 = (b0 + gauss) * inverse
            b2 = (3.0 * b1 + 2.0 * alpha * alpha * gauss) * inverse
            i6 = inverse * inverse * inverse
            a, b = pairs[atom, 0] * i6 * i6, pairs[atom, 1] * i6
            first = 2.0 * ((3.0 * b - 6.0 * a) * inverse + pairs[atom, 2]) - b1
            second = (168.0 * a - 48.0 * b) * inverse * inverse + b2
            moments[0] += b0 + a - b + pairs[atom, 2] * r2 + pairs[atom, 3]
            moments[1] += first * d0
            moments[2] += first * d1
            moments[3] += first * d2
            moments[4] += first + second * d0 * d0
            moments[5] += first + second * d1 * d1
            moments[6] += first + second * d2 * d2
            moments[7] += second * d1 * d2
            moments[8] += second * d0 * d2
            moments[9] += second * d0 * d1


@njit(cache=True, nogil=True, error_model="numpy")
def _symmetric(moments, out):
    """Unpack moments 4 ... 9 into a symmetric (3, 3) matrix, overwritten."""
    for i in range(3):
        out[i, i] = moments[4 + i]
    out[1, 2] = out[2, 1] = moments[7]
    out[0, 2] = out[2, 0] = moments[8]
    out[0, 1] = out[1, 0] = moments[9]


@njit(cache=True, nogil=True, error_model="numpy")
def point_derivatives(points, field, energy, gradient, hessian):
    """Energy, gradient and Hessian of one ion at arbitrary points.

    Parameters
    ----------
    points : (m, 3) float64
        Fractional.
    field : IonField
    energy : (m,) float64, eV
        Overwritten, as are the next two.
    gradient : (m, 3) float64, eV/Å
    hessian : (m, 3, 3) float64, eV/Å²
    """
    cell, reciprocal, frac, charge, pairs, shifts, cutoff, alpha, background, rows, top, coefficients = field
    tables = (
        np.empty(2 * top[0] + 1, np.complex128),
        np.empty(2 * top[1] + 1, np.complex128),
        np.empty(2 * top[2] + 1, np.complex128),
    )
    moments, waves = np.empty(10), np.empty(10)
    indexed = np.empty((3, 3))
    for p in range(points.shape[0]):
        x = points[p]
        _pair_sum(moments, x, cell, shifts, cutoff, frac, charge, alpha, pairs)
        _reciprocal_sum(waves, x, rows, top, coefficients, tables)
        energy[p] = moments[0] + waves[0] + background
        _symmetric(moments, hessian[p])
        _symmetric(waves, indexed)
        for i in range(3):
            gradient[p, i] = moments[1 + i]
            for k in range(3):
                gradient[p, i] -= waves[1 + k] * reciprocal[k, i]
                for j in range(3):
                    for m in range(3):
                        hessian[p, i, j] -= indexed[k, m] * reciprocal[k, i] * reciprocal[m, j]
