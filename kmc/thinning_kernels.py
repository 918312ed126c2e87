"""Jitted loops over the pairs of sublattices that prepare the bounds of kmc/thinning.py."""

import math

import numpy as np
from numba import njit

jit = njit(cache=True, nogil=True, error_model="numpy")
inlined = njit(cache=True, nogil=True, error_model="numpy", forceinline=True)


@jit
def fill_pairs(first, target, image, mobile, energy, pair):
    """Largest change of ΔE of the hops of an ion by a hop, for every hop of a cell and place of the ion, eV.

    The change of ΔE of v by u is e(u, v) - e(u, 0) - e(0, v) + e(0, 0) between the ends of both hops.

    Parameters
    ----------
    first : (n_sublattices + 1,) int64
    target : (n_hops,) int64
    image : (n_hops, 3) int64
    mobile : (n_sublattices,) bool
    energy : (n_sublattices, w1, w2, w3, n_sublattices) float64, eV
        By cell offset modulo w.
    pair : (n_hops, d1, d2, d3, n_sublattices) float32, eV
        Modified in place; the offset is counted from -(d // 2).
    """
    size, w1, w2, w3 = pair.shape, energy.shape[1], energy.shape[2], energy.shape[3]
    for a in range(len(mobile)):
        for h in range(first[a], first[a + 1]):
            to = target[h]
            for x1 in range(size[1]):
                for x2 in range(size[2]):
                    for x3 in range(size[3]):
                        d1, d2, d3 = x1 - size[1] // 2, x2 - size[2] // 2, x3 - size[3] // 2
                        e1, e2, e3 = d1 - image[h, 0], d2 - image[h, 1], d3 - image[h, 2]
                        for b in range(len(mobile)):
                            if not mobile[b] or not mobile[a]:
                                continue
                            origin = energy[to, e1 % w1, e2 % w2, e3 % w3, b] - energy[a, d1 % w1, d2 % w2, d3 % w3, b]
                            largest = 0.0
                            for g in range(first[b], first[b + 1]):
                                i1, i2, i3, c = image[g, 0], image[g, 1], image[g, 2], target[g]
                                end = energy[to, (e1 + i1) % w1, (e2 + i2) % w2, (e3 + i3) % w3, c]
                                end -= energy[a, (d1 + i1) % w1, (d2 + i2) % w2, (d3 + i3) % w3, c]
                                largest = max(largest, abs(end - origin))
                            pair[h, x1, x2, x3, b] = largest * 1.0001


@jit
def encode_changes(offset, target, difference, allowance, steps, code):
    """Largest change of ΔE of the hops from every site by one hop, in parts of an allowance, in code.

    Code c stands for at most 2**((c - 255)/steps), the last one for all that may exceed the allowance.

    Parameters
    ----------
    offset : (n_sites + 1,) int64
    target : (n_hops,) integers
        Of the hops of every site.
    difference : (n_sites,) float64, eV
        By which the hop changes the energy on every site.
    allowance : float, eV
    steps : int
        Codes for a factor of two.
    code : (n_sites,) uint8
        Modified in place.
    """
    for site in range(len(code)):
        largest = 0.0
        for k in range(offset[site], offset[site + 1]):
            largest = max(largest, abs(difference[target[k]] - difference[site]))
        share = largest * (1.0 + 1e-9) / allowance
        code[site] = 0 if share == 0.0 else np.uint8(min(255, max(0, 255 + math.ceil(steps * math.log2(share)))))


@inlined
def _nearest(f1, f2, f3, supercell, images):
    """Nearest image of a place, fractional, and its distance squared, Å²."""
    nearest, x, y, z = np.inf, 0.0, 0.0, 0.0
    f1, f2, f3 = f1 - np.rint(f1), f2 - np.rint(f2), f3 - np.rint(f3)
    for k in range(len(images)):
        g1, g2, g3 = f1 + images[k, 0], f2 + images[k, 1], f3 + images[k, 2]
        p = g1 * supercell[0, 0] + g2 * supercell[1, 0] + g3 * supercell[2, 0]
        q = g1 * supercell[0, 1] + g2 * supercell[1, 1] + g3 * supercell[2, 1]
        r = g1 * supercell[0, 2] + g2 * supercell[1, 2] + g3 * supercell[2, 2]
        if p * p + q * q + r * r < nearest:
            nearest, x, y, z = p * p + q * q + r * r, p, q, r
    return x, y, z, nearest


@jit
def pair_changes(first, hops, first_other, others, charge, vector, frac, repeats, supercell, images, change):
    """Largest change of ΔE of one hop by another with 1/r between the nearest images of their origins, e²/Å.

    Infinite where two ends meet.

    Parameters
    ----------
    first, first_other : (n_sublattices + 1,) int64
    hops, others : (n,) int64
        By sublattice of their origin; places in `charge` and `vector`.
    charge : (n_hops,) float64, e
        Of the ion that hops, without its sign.
    vector : (n_hops, 3) float64, Å
    frac : (n_sublattices, 3) float64
    repeats : (3,) int64
    supercell : (3, 3) float64, Å
    images : (n_images, 3) float64
    change : (r1, r2, r3) float64
        By the offset of the cell of the other hop; modified in place.
    """
    n = len(frac)
    for x1 in range(repeats[0]):
        for x2 in range(repeats[1]):
            for x3 in range(repeats[2]):
                for a in range(n):
                    for b in range(n):
                        if first[a] == first[a + 1] or first_other[b] == first_other[b + 1]:
                            continue
                        f1 = (frac[b, 0] - frac[a, 0] + x1) / repeats[0]
                        f2 = (frac[b, 1] - frac[a, 1] + x2) / repeats[1]
                        f3 = (frac[b, 2] - frac[a, 2] + x3) / repeats[2]
                        x, y, z, square = _nearest(f1, f2, f3, supercell, images)
                        for i in range(first[a], first[a + 1]):
                            u = hops[i]
                            u1, u2, u3 = vector[u, 0], vector[u, 1], vector[u, 2]
                            for j in range(first_other[b], first_other[b + 1]):
                                v = others[j]
                                v1, v2, v3 = x + vector[v, 0], y + vector[v, 1], z + vector[v, 2]
                                both = 1.0 / math.sqrt((v1 - u1) ** 2 + (v2 - u2) ** 2 + (v3 - u3) ** 2)
                                one = 1.0 / math.sqrt((x - u1) ** 2 + (y - u2) ** 2 + (z - u3) ** 2)
                                other = 1.0 / math.sqrt(v1**2 + v2**2 + v3**2)
                                four = charge[u] * charge[v] * abs((both - one) - (other - 1.0 / math.sqrt(square)))
                                change[x1, x2, x3] = max(change[x1, x2, x3], np.inf if math.isnan(four) else four)


@jit
def cell_distances(frac, repeats, supercell, images, distance):
    """Smallest distance between sites of two cells by their offset modulo the supercell; `distance` changes."""
    for x1 in range(repeats[0]):
        for x2 in range(repeats[1]):
            for x3 in range(repeats[2]):
                smallest = np.inf
                for a in range(len(frac)):
                    for b in range(len(frac)):
                        f1 = (frac[b, 0] - frac[a, 0] + x1) / repeats[0]
                        f2 = (frac[b, 1] - frac[a, 1] + x2) / repeats[1]
                        f3 = (frac[b, 2] - frac[a, 2] + x3) / repeats[2]
                        smallest = min(smallest, _nearest(f1, f2, f3, supercell, images)[3])
                distance[x1, x2, x3] = math.sqrt(smallest)
