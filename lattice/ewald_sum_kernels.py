"""Jitted parts of the direct Ewald sum of many charges; see lattice/ewald_sum.py."""

import math

import numpy as np
from numba import njit


@njit(cache=True, nogil=True, error_model="numpy")
def near_part(cell, frac, charge, points, alpha, reach):
    """Σ q erfc(αr)/r over the nearest images within `reach`, at most half the smallest height of the cell, (m,)."""
    potential = np.zeros(len(points))
    for p in range(len(points)):
        for n in range(len(frac)):
            x, y, z = points[p, 0] - frac[n, 0], points[p, 1] - frac[n, 1], points[p, 2] - frac[n, 2]
            x, y, z = x - np.rint(x), y - np.rint(y), z - np.rint(z)
            dx = x * cell[0, 0] + y * cell[1, 0] + z * cell[2, 0]
            dy = x * cell[0, 1] + y * cell[1, 1] + z * cell[2, 1]
            dz = x * cell[0, 2] + y * cell[1, 2] + z * cell[2, 2]
            square = dx * dx + dy * dy + dz * dz
            if square < reach * reach:
                r = math.sqrt(square)
                if r > 1e-9:
                    potential[p] += charge[n] * math.erfc(alpha * r) / r
                else:
                    potential[p] -= charge[n] * 2.0 * alpha / math.sqrt(math.pi)
    return potential


@njit(cache=True, nogil=True, error_model="numpy")
def _phases(frac, axis, largest):
    """exp(2πi h x) for h = 0 ... largest, (largest + 1, n)."""
    phases = np.empty((largest + 1, len(frac)), np.complex128)
    for n in range(len(frac)):
        angle = 2.0 * math.pi * frac[n, axis]
        for h in range(largest + 1):
            phases[h, n] = complex(math.cos(h * angle), math.sin(h * angle))
    return phases


@njit(cache=True, nogil=True, error_model="numpy")
def _phase(table, h):
    return table[h] if h >= 0 else np.conj(table[-h])


@njit(cache=True, nogil=True, error_model="numpy")
def smooth_part(reciprocal, frac, charge, points, alpha, largest, volume, reach):
    """(4π/V) Σ_{k≠0} exp(-k²/4α²)/k² S(k) exp(-ik·r) with S(k) = Σ q exp(ik·r), (m,)."""
    a1, a2, a3 = _phases(frac, 0, largest[0]), _phases(frac, 1, largest[1]), _phases(frac, 2, largest[2])
    p1, p2, p3 = _phases(points, 0, largest[0]), _phases(points, 1, largest[1]), _phases(points, 2, largest[2])
    potential, cutoff = np.zeros(len(points)), (2.0 * alpha * reach) ** 2
    for h in range(largest[0] + 1):
        for k in range(-largest[1], largest[1] + 1):
            if h == 0 and k < 0:
                continue
            both = charge * a1[h] * _phase(a2, k)
            both_there = np.conj(p1[h] * _phase(p2, k))
            for m in range(-largest[2], largest[2] + 1):
                if h == 0 and k == 0 and m <= 0:
                    continue
                kx = h * reciprocal[0, 0] + k * reciprocal[1, 0] + m * reciprocal[2, 0]
                ky = h * reciprocal[0, 1] + k * reciprocal[1, 1] + m * reciprocal[2, 1]
                kz = h * reciprocal[0, 2] + k * reciprocal[1, 2] + m * reciprocal[2, 2]
                square = kx * kx + ky * ky + kz * kz
                if square < cutoff:
                    re, im, third = 0.0, 0.0, a3[abs(m)]
                    sign = 1.0 if m >= 0 else -1.0
                    for n in range(len(both)):
                        c, s = third[n].real, sign * third[n].imag
                        re += both[n].real * c - both[n].imag * s
                        im += both[n].real * s + both[n].imag * c
                    weight = 8.0 * math.pi / volume * math.exp(-square / (4.0 * alpha * alpha)) / square
                    there = p3[abs(m)]
                    for p in range(len(points)):
                        c, s = there[p].real, -sign * there[p].imag
                        cos = both_there[p].real * c - both_there[p].imag * s
                        sin = both_there[p].real * s + both_there[p].imag * c
                        potential[p] += weight * (re * cos - im * sin)
    return potential
