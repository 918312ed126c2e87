"""Energies at which an ion can first cross the crystal, on the grid and on the network.

Both use a union-find in which every member carries the lattice translation between itself and the root of its tree; a
contact within one tree whose translations do not cancel closes a loop around the periodic cell. The number of
independent directions is the rank of all such loops together (the number of essential one-dimensional classes of the
sublevel set in the language of persistent homology). Newman and Ziff, Phys. Rev. E 64, 016706 (2001).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lattice import basin_kernels
from lattice.basins import Stencil, ascending_order

Image = tuple[int, int, int]


def grid_percolation(energy: NDArray[np.float64], stencil: Stencil, *, below: float) -> NDArray[np.float64]:
    """Lowest energies at which the grid is crossed in one, two and three independent directions.

    Parameters
    ----------
    energy : (n1, n2, n3) float64, eV
    stencil : Stencil
        Which points touch.
    below : float, eV
        Points at or above it are impassable.

    Returns
    -------
    (3,) float64, eV
        nan where no path below `below` crosses.
    """
    flat = np.ascontiguousarray(energy).reshape(-1)
    percolation = np.full(3, np.nan)
    parent = np.full(flat.size, -1, np.int32)
    shift = np.zeros((flat.size, 3), np.int32)
    shape = np.array(energy.shape, np.int64)
    basin_kernels.percolate(ascending_order(flat, below), flat, shape, stencil.offsets, parent, shift, percolation)
    return percolation


@dataclass(slots=True)
class PeriodicForest:
    """Union-find over the sites of a periodic network; every member knows its translation to its root.

    Attributes
    ----------
    parent : list of int
    shift : list of (int, int, int)
        Cell of the parent when the member is in the home cell.
    loops : dict of int to list of (int, int, int)
        Independent translations of the loops that close around the cell, by root.
    """

    parent: list[int]
    shift: list[Image]
    loops: dict[int, list[Image]] = field(default_factory=dict)

    @classmethod
    def of_size(cls, n_sites: int) -> PeriodicForest:
        """Every site alone."""
        return cls(list(range(n_sites)), [(0, 0, 0)] * n_sites)

    def find(self, site: int) -> tuple[int, Image]:
        """Root of the site's tree and the root's cell when the site is in the home cell."""
        path = []
        while self.parent[site] != site:
            path.append(site)
            site = self.parent[site]
        root, total = site, (0, 0, 0)
        for member in reversed(path):
            step = self.shift[member]
            total = (total[0] + step[0], total[1] + step[1], total[2] + step[2])
            self.parent[member], self.shift[member] = root, total
        return root, total

    def join(self, a: int, b: int, image: Image) -> bool:
        """Connect a in the home cell with b in cell `image`.

        Returns
        -------
        bool
            Whether anything changed: two trees became one, or one tree crosses the crystal in a new direction.
        """
        root_a, s = self.find(a)
        root_b, t = self.find(b)
        gap = (s[0] - image[0] - t[0], s[1] - image[1] - t[1], s[2] - image[2] - t[2])
        if root_a == root_b:
            return gap != (0, 0, 0) and self._add_loop(root_a, gap)
        self.parent[root_b], self.shift[root_b] = root_a, gap
        for loop in self.loops.pop(root_b, []):
            self._add_loop(root_a, loop)
        return True

    def _add_loop(self, root: int, loop: Image) -> bool:
        known = self.loops.setdefault(root, [])
        if len(known) == 3 or independent_directions([*known, loop]) == len(known):
            return False
        known.append(loop)
        return True

    def rank(self, root: int) -> int:
        """Independent directions in which the tree under `root` crosses the crystal."""
        return len(self.loops.get(root, []))


def independent_directions(loops: list[Image]) -> int:
    """Rank of a set of lattice translations, by elimination in whole numbers."""
    rows, rank = list(loops), 0
    for axis in range(3):
        pivot = next((n for n in range(rank, len(rows)) if rows[n][axis]), None)
        if pivot is None:
            continue
        rows[rank], rows[pivot] = rows[pivot], rows[rank]
        u, v, w = rows[rank]
        for n in range(rank + 1, len(rows)):
            (x, y, z), p, q = rows[n], rows[rank][axis], rows[n][axis]
            rows[n] = p * x - q * u, p * y - q * v, p * z - q * w
        rank += 1
    return rank


def network_percolation(
    n_sites: int,
    a: NDArray[np.integer],
    b: NDArray[np.integer],
    image: NDArray[np.integer],
    saddle: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Lowest energies at which hops cross the crystal in one, two and three independent directions.

    Parameters
    ----------
    n_sites : int
    a, b : (n_hops,) int
        Ends; one direction of each hop is enough.
    image : (n_hops, 3) int
        Cell of b when a is in the home cell.
    saddle : (n_hops,) float64, eV

    Returns
    -------
    (3,) float64, eV
        nan where no path crosses.
    """
    forest = PeriodicForest.of_size(n_sites)
    percolation = np.full(3, np.nan)
    rank = 0
    for hop in np.argsort(saddle, kind="stable"):
        u, v, w = (int(x) for x in image[hop])
        if not forest.join(int(a[hop]), int(b[hop]), (u, v, w)):
            continue
        grown = independent_directions([loop for known in forest.loops.values() for loop in known])
        percolation[rank:grown] = saddle[hop]
        rank = grown
        if rank == 3:
            break
    return percolation


def components(
    n_sites: int, a: NDArray[np.integer], b: NDArray[np.integer], image: NDArray[np.integer]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find the connected part of every site and the number of directions in which that part crosses the crystal.

    Parameters
    ----------
    n_sites, a, b, image : as in `network_percolation`

    Returns
    -------
    part : (n_sites,) int64
        Number of the part; parts are numbered by their first site.
    dimensions : (n_sites,) int64
        0 for a closed pocket.
    """
    forest = PeriodicForest.of_size(n_sites)
    for site_a, site_b, (u, v, w) in zip(a.tolist(), b.tolist(), image.tolist(), strict=True):
        forest.join(site_a, site_b, (u, v, w))
    roots = [forest.find(site)[0] for site in range(n_sites)]
    number = {root: i for i, root in enumerate(dict.fromkeys(roots))}
    rank = {root: forest.rank(root) for root in number}
    return np.array([number[r] for r in roots], np.int64), np.array([rank[r] for r in roots], np.int64)
