"""Jitted loops over the points of a periodic energy grid: percolation, basins, faces, widths.

Grid points are numbered in C order. A stencil holds the offsets to the neighbours of a point; no offset may reach
further than one whole cell. An image (u, v, w) is the lattice translation of a cell.
"""

from __future__ import annotations

import numpy as np
from numba import njit

RECORD = 9  # columns of a face record: a, b, image of b (3), point, image of the point's cell (3)


@njit(cache=True, nogil=True)
def _indices(p, grid):
    """Return the place (i, j, k) of point p along the axes of a grid of (n1, n2, n3) points."""
    n2, n3 = grid[1], grid[2]
    return p // (n2 * n3), (p // n3) % n2, p % n3


@njit(cache=True, nogil=True)
def _neighbour(place, offsets, m, grid):
    """Wrap the point at offset m from (i, j, k) into the cell: its number, and the image (u, v, w) it lay in."""
    n1, n2, n3 = grid
    x, y, z = place[0] + offsets[m, 0], place[1] + offsets[m, 1], place[2] + offsets[m, 2]
    u = -1 if x < 0 else (1 if x >= n1 else 0)
    v = -1 if y < 0 else (1 if y >= n2 else 0)
    w = -1 if z < 0 else (1 if z >= n3 else 0)
    return ((x - u * n1) * n2 + (y - v * n2)) * n3 + z - w * n3, u, v, w


@njit(cache=True, nogil=True)
def _extend_rank(basis, rank, u, v, w):
    """Rank of the loop vectors seen so far after adding (u, v, w); `basis` (3, 3) int64 is modified in place."""
    if rank == 1:
        cx = basis[0, 1] * w - basis[0, 2] * v
        cy = basis[0, 2] * u - basis[0, 0] * w
        cz = basis[0, 0] * v - basis[0, 1] * u
        if cx == 0 and cy == 0 and cz == 0:
            return rank
    elif rank == 2:
        cx = basis[0, 1] * basis[1, 2] - basis[0, 2] * basis[1, 1]
        cy = basis[0, 2] * basis[1, 0] - basis[0, 0] * basis[1, 2]
        cz = basis[0, 0] * basis[1, 1] - basis[0, 1] * basis[1, 0]
        if cx * u + cy * v + cz * w == 0:
            return rank
    elif rank == 3:
        return rank
    basis[rank, 0] = u
    basis[rank, 1] = v
    basis[rank, 2] = w
    return rank + 1


@njit(cache=True, nogil=True)
def _find(parent, shift, p):
    """Root of p's tree; afterwards p hangs on it directly and `shift[p]` is the image of the root seen from p."""
    root = p
    s0 = s1 = s2 = 0
    while parent[root] != root:
        s0 += shift[root, 0]
        s1 += shift[root, 1]
        s2 += shift[root, 2]
        root = parent[root]
    while parent[p] != root and p != root:
        above = parent[p]
        t0, t1, t2 = shift[p, 0], shift[p, 1], shift[p, 2]
        parent[p] = root
        shift[p, 0] = s0
        shift[p, 1] = s1
        shift[p, 2] = s2
        s0 -= t0
        s1 -= t1
        s2 -= t2
        p = above
    return root


@njit(cache=True, nogil=True)
def percolate(order, energy, shape, offsets, parent, shift, percolation):
    """Energies at which the points below a rising level first form loops around the cell in 1, 2, 3 directions.

    Union-find in which every point carries the image of its parent (Newman and Ziff, Phys. Rev. E 64, 016706, 2001).

    Parameters
    ----------
    order : (n_below,) int64
        Points in ascending energy.
    energy : (n_points,) float64, eV
    shape : (3,) int64
    offsets : (n_neighbours, 3) int64
    parent : (n_points,) int32, all -1
    shift : (n_points, 3) int32
        Both are workspace, modified in place.
    percolation : (3,) float64, eV
        Modified in place; entries that are not reached keep their value.
    """
    grid = (shape[0], shape[1], shape[2])
    size = np.zeros(len(energy), np.int32)
    basis = np.zeros((3, 3), np.int64)
    rank = 0
    for p in order:
        parent[p] = p
        size[p] = 1
        place = _indices(p, grid)
        for m in range(len(offsets)):
            q, u, v, w = _neighbour(place, offsets, m, grid)
            if parent[q] < 0:
                continue
            root_p, root_q = _find(parent, shift, p), _find(parent, shift, q)
            d0 = shift[p, 0] - u - shift[q, 0]
            d1 = shift[p, 1] - v - shift[q, 1]
            d2 = shift[p, 2] - w - shift[q, 2]
            if root_p == root_q:
                if d0 != 0 or d1 != 0 or d2 != 0:
                    grown = _extend_rank(basis, rank, d0, d1, d2)
                    if grown > rank:
                        percolation[rank] = energy[p]
                        rank = grown
                        if rank == 3:
                            return
            elif size[root_p] >= size[root_q]:
                parent[root_q] = root_p
                size[root_p] += size[root_q]
                shift[root_q, 0] = d0
                shift[root_q, 1] = d1
                shift[root_q, 2] = d2
            else:
                parent[root_p] = root_q
                size[root_q] += size[root_p]
                shift[root_p, 0] = -d0
                shift[root_p, 1] = -d1
                shift[root_p, 2] = -d2


@njit(cache=True, nogil=True)
def assign_basins(order, energy, shape, offsets, inverse_distance, label, image):
    """Follow steepest descent from every point to a point without lower neighbour.

    Parameters
    ----------
    order : (n_below,) int64
        Points by (energy, number), ascending.
    energy : (n_points,) float64, eV
    shape : (3,) int64
    offsets, inverse_distance : (n_neighbours, 3) int64, (n_neighbours,) float64, 1/Å
    label : (n_points,) int32, all -1
        Basin of each point. Modified in place.
    image : (n_points, 3) int32
        Cell of the minimum that the point in the home cell descends to. Modified in place.

    Returns
    -------
    minima : (n_basins,) int64
        Lowest point of each basin; basins are numbered in ascending energy.
    """
    grid = (shape[0], shape[1], shape[2])
    minima = np.empty(1024, np.int64)
    n_basins = 0
    for p in order:
        place = _indices(p, grid)
        steepest = -1.0
        to = -1
        to_u = to_v = to_w = 0
        for m in range(len(offsets)):
            q, u, v, w = _neighbour(place, offsets, m, grid)
            if label[q] >= 0:
                slope = (energy[p] - energy[q]) * inverse_distance[m]
                if slope > steepest:
                    steepest = slope
                    to = q
                    to_u, to_v, to_w = u, v, w
        if to < 0:
            if n_basins == len(minima):
                larger = np.empty(2 * n_basins, np.int64)
                larger[:n_basins] = minima
                minima = larger
            minima[n_basins] = p
            label[p] = n_basins
            n_basins += 1
        else:
            label[p] = label[to]
            image[p, 0] = image[to, 0] + to_u
            image[p, 1] = image[to, 1] + to_v
            image[p, 2] = image[to, 2] + to_w
    return minima[:n_basins].copy()


@njit(cache=True, nogil=True)
def collect_faces(order, energy, shape, offsets, label, image):
    """Record every pair of basins that touch at a point, once per point: the point is the upper end of the contact.

    Returns
    -------
    records : (n_records, 9) int32
        a, b, image of b's minimum seen from a's (a < b, or a == b and the image's first non-zero entry is positive),
        the point, and the cell in which the point lies when a's minimum is in the home cell. Ascending energy.
    """
    grid = (shape[0], shape[1], shape[2])
    records = np.empty((4096, RECORD), np.int32)
    n_records = 0
    row = np.empty(RECORD, np.int32)
    for p in order:
        place = _indices(p, grid)
        first = n_records
        for m in range(len(offsets)):
            q, u, v, w = _neighbour(place, offsets, m, grid)
            if label[q] < 0 or energy[q] > energy[p] or (energy[q] == energy[p] and q > p):
                continue
            a, b = label[p], label[q]
            d0 = image[q, 0] + u - image[p, 0]
            d1 = image[q, 1] + v - image[p, 1]
            d2 = image[q, 2] + w - image[p, 2]
            if a == b and d0 == 0 and d1 == 0 and d2 == 0:
                continue
            flip = a > b or (a == b and (d0 < 0 or (d0 == 0 and (d1 < 0 or (d1 == 0 and d2 < 0)))))
            row[0] = b if flip else a
            row[1] = a if flip else b
            row[5] = p
            sign = -1 if flip else 1
            row[2], row[3], row[4] = sign * d0, sign * d1, sign * d2
            row[6] = -image[p, 0] - (d0 if flip else 0)
            row[7] = -image[p, 1] - (d1 if flip else 0)
            row[8] = -image[p, 2] - (d2 if flip else 0)
            seen = False
            for r in range(first, n_records):
                seen = True
                for c in range(RECORD):
                    if records[r, c] != row[c]:
                        seen = False
                        break
                if seen:
                    break
            if seen:
                continue
            if n_records == len(records):
                larger = np.empty((2 * n_records, RECORD), np.int32)
                larger[:n_records] = records
                records = larger
            records[n_records] = row
            n_records += 1
    return records[:n_records].copy()


@njit(cache=True, nogil=True)
def lowest_on_faces(records, key, rank, shape, offsets, start):
    """Mark the records that have no lower neighbour on their own face.

    Parameters
    ----------
    records : (n_records, 9) int32
        From `collect_faces`, in ascending energy of their points.
    key : (n_records,) int64
        Equal for records of the same a, b and image.
    rank : (n_points,) int32
        Place of a point in the ascending order of energies.
    shape : (3,) int64
    offsets : (n_neighbours, 3) int64
    start : (n_points,) int32
        First record of a point, or -1; the records of a point are adjacent.

    Returns
    -------
    lowest : (n_records,) bool
    """
    grid = (shape[0], shape[1], shape[2])
    lowest = np.ones(len(records), np.bool_)
    for r in range(len(records)):
        p = np.int64(records[r, 5])
        place = _indices(p, grid)
        for m in range(len(offsets)):
            q, u, v, w = _neighbour(place, offsets, m, grid)
            if start[q] < 0 or rank[q] > rank[p]:
                continue
            s = start[q]
            while s < len(records) and records[s, 5] == q:
                if (
                    key[s] == key[r]
                    and records[s, 6] == records[r, 6] + u
                    and records[s, 7] == records[r, 7] + v
                    and records[s, 8] == records[r, 8] + w
                ):
                    lowest[r] = False
                    break
                s += 1
            if not lowest[r]:
                break
    return lowest


@njit(cache=True, nogil=True)
def basin_moments(label, image, energy, minima, ceiling, shape, cell):
    """Measure the part of every basin below a ceiling of its own: number of points, mean and mean square position.

    Parameters
    ----------
    label, image, energy : as in `assign_basins`
    minima : (n_basins,) int64
    ceiling : (n_basins,) float64, eV
    shape : (3,) int64
    cell : (3, 3) float64, Å

    Returns
    -------
    moments : (n_basins, 5) float64
        Number of points, then the sums of x, y, z (Å) and of x² + y² + z² (Å²), measured from the basin's lowest point.
    """
    grid = (shape[0], shape[1], shape[2])
    moments = np.zeros((len(minima), 5))
    for p in range(len(label)):
        a = label[p]
        if a < 0 or energy[p] > ceiling[a]:
            continue
        place, lowest = _indices(p, grid), _indices(minima[a], grid)
        f1 = (place[0] - lowest[0]) / grid[0] - image[p, 0]
        f2 = (place[1] - lowest[1]) / grid[1] - image[p, 1]
        f3 = (place[2] - lowest[2]) / grid[2] - image[p, 2]
        moments[a, 0] += 1.0
        for c in range(3):
            x = f1 * cell[0, c] + f2 * cell[1, c] + f3 * cell[2, c]
            moments[a, 1 + c] += x
            moments[a, 4] += x * x
    return moments
