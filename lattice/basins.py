"""From an energy grid to basins of attraction and the faces between them.

Every point below a ceiling descends along the steepest of the edges to its neighbours until it reaches a minimum; it
carries the lattice translation of that minimum, so that basins may be larger than the cell. Two basins touch on a
face; the points of a face that have no lower neighbour on the same face are the candidates for saddle points.
The total order of the points is (energy, number), so that plateaus cannot make loops. Equal points can still fall to
different sides: that is repaired by the symmetry of the crystal later (lattice/symmetry.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from lattice import basin_kernels


@dataclass(frozen=True, eq=False, slots=True)
class Stencil:
    """Offsets from a grid point to its neighbours.

    Attributes
    ----------
    offsets : (n_neighbours, 3) int64
    distances : (n_neighbours,) float64, Å
    """

    offsets: NDArray[np.int64]
    distances: NDArray[np.float64]


def grid_stencil(
    cell: NDArray[np.float64], shape: tuple[int, int, int], rotations: NDArray[np.int64] | None = None
) -> Stencil:
    """Return the 26 nearest neighbours in index space and, with rotations, everything they are turned into.

    On a skewed cell the 26 neighbours lack the symmetry of the crystal; closing them under the point group restores it.

    Parameters
    ----------
    cell : (3, 3) float64, Å
    shape : tuple of 3 int
    rotations : (n_operations, 3, 3) int64, optional
        Fractional point operations; those that do not map the grid onto itself are left out.

    Raises
    ------
    ValueError
        If the grid has fewer than 3 points along a direction.
    """
    if min(shape) < 3:
        raise ValueError(f"energy grid must have at least 3 points in each direction; got {shape}")
    offsets = {o for o in product((-1, 0, 1), repeat=3) if any(o)}
    n = np.array(shape)
    for rotation in np.unique(rotations, axis=0) if rotations is not None else ():
        turned = rotation * n[:, None] / n[None, :]
        if np.allclose(turned, np.rint(turned)):
            image = np.rint(np.array(sorted(offsets)) @ turned.T).astype(int)
            offsets |= {(int(x), int(y), int(z)) for x, y, z in image[(np.abs(image) < n).all(axis=1)]}
    array = np.array(sorted(offsets), np.int64)
    return Stencil(array, np.linalg.norm((array / n) @ cell, axis=1))


def ascending_order(flat: NDArray[np.float64], below: float) -> NDArray[np.int64]:
    """Numbers of the points with an energy under `below`, by (energy, number); (n_below,) int64."""
    points = np.flatnonzero(flat < below)
    return points[np.argsort(flat[points], kind="stable")].astype(np.int64)


@dataclass(frozen=True, eq=False, slots=True)
class Basins:
    """Basins of attraction of an energy grid, numbered in ascending energy of their minima.

    Attributes
    ----------
    energy : (n1, n2, n3) float64, eV
    order : (n_below,) int64
        Points under the ceiling by (energy, number).
    label : (n_points,) int32
        Basin of every point, -1 above the ceiling.
    image : (n_points, 3) int32
        Cell of the minimum that a point in the home cell descends to.
    minima : (n_basins,) int64
        Numbers of the lowest points.
    """

    energy: NDArray[np.float64]
    order: NDArray[np.int64]
    label: NDArray[np.int32]
    image: NDArray[np.int32]
    minima: NDArray[np.int64]

    @property
    def minimum_energy(self) -> NDArray[np.float64]:
        """Energy of the lowest point of every basin, (n_basins,), eV."""
        return np.asarray(self.energy.reshape(-1)[self.minima])

    def frac(self, points: NDArray[np.integer]) -> NDArray[np.float64]:
        """Fractional coordinates of grid points, (n, 3)."""
        index = np.stack(np.unravel_index(points, self.energy.shape), axis=1)
        return np.asarray(index / np.array(self.energy.shape))


@dataclass(frozen=True, eq=False, slots=True)
class Faces:
    """Candidates for saddle points: lowest points of the faces between basins, ascending in energy.

    Attributes
    ----------
    a, b : (n,) int32
        Basins on both sides, a <= b.
    image : (n, 3) int32
        Cell of b's minimum when a's minimum is in the home cell.
    point : (n,) int64
        Upper end of the contact.
    cell_image : (n, 3) int32
        Cell of the point when a's minimum is in the home cell.
    energy : (n,) float64, eV
    lowest : (n,) bool
        Whether it is the lowest contact of its (a, b, image).
    """

    a: NDArray[np.int32]
    b: NDArray[np.int32]
    image: NDArray[np.int32]
    point: NDArray[np.int64]
    cell_image: NDArray[np.int32]
    energy: NDArray[np.float64]
    lowest: NDArray[np.bool_]


def find_basins(energy: NDArray[np.float64], stencil: Stencil, *, below: float) -> Basins:
    """Assign every point under `below` (eV) to a basin by steepest descent.

    Parameters
    ----------
    energy : (n1, n2, n3) float64, eV
    stencil : Stencil
    below : float, eV
        Points at or above it belong to no basin.
    """
    energy = np.ascontiguousarray(energy)
    flat = energy.reshape(-1)
    order = ascending_order(flat, below)
    label = np.full(flat.size, -1, np.int32)
    image = np.zeros((flat.size, 3), np.int32)
    shape = np.array(energy.shape, np.int64)
    minima = basin_kernels.assign_basins(order, flat, shape, stencil.offsets, 1.0 / stencil.distances, label, image)
    return Basins(energy, order, label, image, minima)


def find_faces(basins: Basins, stencil: Stencil) -> Faces:
    """Lowest points of all faces; parallel channels between two basins appear as several points of one face."""
    flat = basins.energy.reshape(-1)
    shape = np.array(basins.energy.shape, np.int64)
    records = basin_kernels.collect_faces(basins.order, flat, shape, stencil.offsets, basins.label, basins.image)
    key = _face_keys(records, len(basins.minima))
    rank = np.full(flat.size, -1, np.int32)
    rank[basins.order] = np.arange(basins.order.size)
    start = np.full(flat.size, -1, np.int32)
    start[records[::-1, 5]] = np.arange(len(records))[::-1]
    candidate = basin_kernels.lowest_on_faces(records, key, rank, shape, stencil.offsets, start)
    chosen = records[candidate]
    lowest = np.zeros(len(chosen), bool)
    lowest[np.unique(key[candidate], return_index=True)[1]] = True
    return Faces(
        a=chosen[:, 0],
        b=chosen[:, 1],
        image=chosen[:, 2:5],
        point=chosen[:, 5].astype(np.int64),
        cell_image=chosen[:, 6:9],
        energy=flat[chosen[:, 5]],
        lowest=lowest,
    )


def _face_keys(records: NDArray[np.int32], n_basins: int) -> NDArray[np.int64]:
    """One number per (a, b, image)."""
    if not len(records):
        return np.zeros(0, np.int64)
    reach = int(np.abs(records[:, 2:5]).max())
    base = 2 * reach + 1
    key = records[:, 0].astype(np.int64) * n_basins + records[:, 1]
    for column in (2, 3, 4):
        key = key * base + records[:, column] + reach
    return key


def reachable_moments(basins: Basins, cell: NDArray[np.float64], ceiling: NDArray[np.float64]) -> NDArray[np.float64]:
    """Measure the part of every basin under a ceiling of its own (n_basins,), eV; see `basin_kernels.basin_moments`."""
    shape = np.array(basins.energy.shape, np.int64)
    flat = basins.energy.reshape(-1)
    return np.asarray(
        basin_kernels.basin_moments(
            basins.label, basins.image, flat, basins.minima, ceiling, shape, np.ascontiguousarray(cell)
        )
    )
