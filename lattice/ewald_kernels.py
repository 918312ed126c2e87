"""Jitted Ewald sums over the pairs of sublattices of a supercell; every array is allocated by the caller."""

import math

import numpy as np
from numba import njit

COINCIDENCE = 0.5  # Å, the bare 1/r between different sites nearer than this is left out of the table
REACH = 5.9  # erfc(5.9) = 7e-17, exp(-5.9²) = 8e-16


@njit(cache=True, nogil=True, error_model="numpy")
def _length_square(dx, dy, dz, matrix):
    """Square of the length of a vector times a symmetric matrix."""
    x = matrix[0, 0] * dx + matrix[0, 1] * dy + matrix[0, 2] * dz
    y = matrix[1, 0] * dx + matrix[1, 1] * dy + matrix[1, 2] * dz
    z = matrix[2, 0] * dx + matrix[2, 1] * dy + matrix[2, 2] * dz
    return x * x + y * y + z * z


@njit(cache=True, nogil=True, error_model="numpy")
def potential_at(point, cell, translations, waves, weights, alpha, background, unscreened, core):
    """Potential in 1/Å at a fractional point with coordinates in [-1/2, 1/2]; see lattice/ewald.py.

    Parameters
    ----------
    point : (3,) float64
    cell : (3, 3) float64, Å
    translations : (n_translations, 3) float64, Å
    waves : (n_waves, 3) float64
        2π times the integer wave vectors of one half space.
    weights : (n_waves,) float64, 1/Å
        (8π/V) exp(-k²/4α²)/k².
    alpha : float, 1/Å
    background : float, 1/Å
    unscreened : (3, 3) float64
        From the coordinates of the cell to real ones; symmetric.
    core : float, Å
        The bare 1/r of images nearer than this in real coordinates is left out.
    """
    x = point[0] * cell[0, 0] + point[1] * cell[1, 0] + point[2] * cell[2, 0]
    y = point[0] * cell[0, 1] + point[1] * cell[1, 1] + point[2] * cell[2, 1]
    z = point[0] * cell[0, 2] + point[1] * cell[1, 2] + point[2] * cell[2, 2]
    total = background
    reach = REACH * REACH / (alpha * alpha)
    shortest = core * core
    for n in range(len(translations)):
        dx, dy, dz = x + translations[n, 0], y + translations[n, 1], z + translations[n, 2]
        square = dx * dx + dy * dy + dz * dz
        # screening shortens every vector, so that few real lengths have to be computed
        if square < shortest and _length_square(dx, dy, dz, unscreened) < shortest:
            r = math.sqrt(square)
            total -= math.erf(alpha * r) / r if r > 1e-9 else 2.0 * alpha / math.sqrt(math.pi)
        elif square < reach:
            r = math.sqrt(square)
            total += math.erfc(alpha * r) / r
    for k in range(len(waves)):
        total += weights[k] * math.cos(waves[k, 0] * point[0] + waves[k, 1] * point[1] + waves[k, 2] * point[2])
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def fill_rows(a, frac, repeats, cell, translations, waves, weights, alpha, background, unscreened, psi):
    """Fill psi[a, n, b] and its mirror psi[b, -n, a] for b >= a; `psi` is modified in place."""
    n1, n2, n3 = repeats[0], repeats[1], repeats[2]
    point = np.empty(3)
    for b in range(a, len(frac)):
        for c1 in range(n1):
            for c2 in range(n2):
                for c3 in range(n3):
                    m1, m2, m3 = (n1 - c1) % n1, (n2 - c2) % n2, (n3 - c3) % n3
                    if a == b and (c1 * n2 + c2) * n3 + c3 > (m1 * n2 + m2) * n3 + m3:
                        continue
                    point[0] = (frac[b, 0] - frac[a, 0] + c1) / n1
                    point[1] = (frac[b, 1] - frac[a, 1] + c2) / n2
                    point[2] = (frac[b, 2] - frac[a, 2] + c3) / n3
                    for i in range(3):
                        point[i] -= np.rint(point[i])
                    value = potential_at(
                        point, cell, translations, waves, weights, alpha, background, unscreened, COINCIDENCE
                    )
                    psi[a, c1, c2, c3, b] = value
                    psi[b, m1, m2, m3, a] = value


@njit(cache=True, nogil=True, error_model="numpy")
def fill_window(frac, repeats, cell, translations, waves, weights, alpha, background, unscreened, psi):
    """Fill psi[a, offset modulo d, b] for all cell offsets of a window, in place, 1/Å."""
    size, point = psi.shape, np.empty(3)
    for a in range(size[0]):
        for x1 in range(size[1]):
            for x2 in range(size[2]):
                for x3 in range(size[3]):
                    for b in range(size[4]):
                        d1 = x1 - size[1] if 2 * x1 > size[1] else x1
                        d2 = x2 - size[2] if 2 * x2 > size[2] else x2
                        d3 = x3 - size[3] if 2 * x3 > size[3] else x3
                        point[0] = (frac[b, 0] - frac[a, 0] + d1) / repeats[0]
                        point[1] = (frac[b, 1] - frac[a, 1] + d2) / repeats[1]
                        point[2] = (frac[b, 2] - frac[a, 2] + d3) / repeats[2]
                        for i in range(3):
                            point[i] -= np.rint(point[i])
                        psi[a, x1, x2, x3, b] = potential_at(
                            point, cell, translations, waves, weights, alpha, background, unscreened, COINCIDENCE
                        )
