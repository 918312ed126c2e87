# mypy: allow-untyped-defs, allow-untyped-decorators, allow-untyped-calls
"""Ewald potential of a unit charge in a periodic cell, for every pair of sublattices of a supercell.

psi(r) is the potential at r of a unit charge at the origin and all its periodic images in a neutralising uniform
background, under conducting ("tinfoil") boundary conditions, in 1/Å:

    psi(r) = Σ_n erfc(α|r + n|)/|r + n| + (4π/V) Σ_{k≠0} exp(-k²/4α²)/k² cos(k·r) - π/(α² V),

and psi(0) leaves out the charge itself: it is the potential of its own images, -2.837297/L in a cube.
P. P. Ewald, Ann. Phys. 369, 253 (1921); Allen, Tildesley, Computer Simulation of Liquids, 2nd ed. (2017), ch. 6.
"""

from __future__ import annotations

import math
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numba import njit
from numpy.typing import NDArray

from structures.checks import as_array
from structures.errors import InputError

COINCIDENCE = 0.5  # Å
_REACH = 5.9  # erfc(5.9) = 7e-17, exp(-5.9²) = 8e-16
_SPLIT = 2.2  # alpha V^(1/3), between sqrt(pi) and 2 sqrt(pi): a cosine is cheaper than an erfc


@njit(cache=True, nogil=True, error_model="numpy")
def _potential_at(point, cell, translations, waves, weights, alpha, background, core):
    """Potential in 1/Å at a fractional point with coordinates in [-1/2, 1/2]; see the module's formula.

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
    core : float, Å
        The bare 1/r of images nearer than this is left out.
    """
    x = point[0] * cell[0, 0] + point[1] * cell[1, 0] + point[2] * cell[2, 0]
    y = point[0] * cell[0, 1] + point[1] * cell[1, 1] + point[2] * cell[2, 1]
    z = point[0] * cell[0, 2] + point[1] * cell[1, 2] + point[2] * cell[2, 2]
    total = background
    reach = _REACH * _REACH / (alpha * alpha)
    for n in range(len(translations)):
        dx, dy, dz = x + translations[n, 0], y + translations[n, 1], z + translations[n, 2]
        square = dx * dx + dy * dy + dz * dz
        if square < core * core:
            r = math.sqrt(square)
            total -= math.erf(alpha * r) / r if r > 1e-9 else 2.0 * alpha / math.sqrt(math.pi)
        elif square < reach:
            r = math.sqrt(square)
            total += math.erfc(alpha * r) / r
    for k in range(len(waves)):
        total += weights[k] * math.cos(waves[k, 0] * point[0] + waves[k, 1] * point[1] + waves[k, 2] * point[2])
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def _fill_rows(a, frac, repeats, cell, translations, waves, weights, alpha, background, psi):
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
                    value = _potential_at(point, cell, translations, waves, weights, alpha, background, COINCIDENCE)
                    psi[a, c1, c2, c3, b] = value
                    psi[b, m1, m2, m3, a] = value


def _lattice_points(cell: NDArray[np.float64], reach: float) -> NDArray[np.float64]:
    """Integer combinations of the rows of `cell` that may lie within `reach`, (n, 3) float64, the origin included."""
    heights = 1.0 / np.linalg.norm(np.linalg.inv(cell), axis=0)
    n = np.floor(reach / heights).astype(int)
    grid = np.stack(np.meshgrid(*(np.arange(-m, m + 1) for m in n), indexing="ij"), axis=-1).reshape(-1, 3)
    return np.asarray(grid[np.linalg.norm(grid @ cell, axis=1) <= reach], np.float64)


class EwaldPotential:
    """The potential psi of a unit charge in one periodic cell of any shape.

    Parameters
    ----------
    cell : (3, 3) float64, Å
        Lattice vectors in rows.

    Raises
    ------
    ValueError
        If the cell has no volume.
    """

    def __init__(self, cell: NDArray[np.float64]) -> None:
        self.cell = as_array(cell, "cell", np.float64, (3, 3))
        volume = float(abs(np.linalg.det(self.cell)))
        if volume == 0.0:
            raise ValueError("cell must span a volume; got three vectors in a plane")
        self._alpha = _SPLIT / volume ** (1.0 / 3.0)
        half_diagonal = 0.5 * float(np.linalg.norm(self.cell, axis=1).sum())
        self._translations = _lattice_points(self.cell, _REACH / self._alpha + half_diagonal) @ self.cell
        reciprocal = 2.0 * np.pi * np.linalg.inv(self.cell).T
        integers = _lattice_points(reciprocal, 2.0 * self._alpha * _REACH)
        positive = (integers > 0) & (np.cumsum(integers != 0, axis=1) == 1)
        integers = integers[positive.any(axis=1)]  # one of each pair k, -k
        square = ((integers @ reciprocal) ** 2).sum(axis=1)
        self._waves = 2.0 * np.pi * integers
        self._weights = 8.0 * np.pi / volume * np.exp(-square / (4.0 * self._alpha**2)) / square
        self._background = -np.pi / (self._alpha**2 * volume)

    def at(self, frac: NDArray[np.float64]) -> NDArray[np.float64]:
        """Potential at fractional points away from the charge, (m,), 1/Å; at a lattice point that of the other images.

        Parameters
        ----------
        frac : (m, 3) float64
            Relative to the charge.
        """
        points = as_array(frac, "frac", np.float64, (None, 3))
        fixed = (self.cell, self._translations, self._waves, self._weights, self._alpha, self._background, 1e-9)
        return np.array([_potential_at(point, *fixed) for point in points - np.rint(points)])

    def table(
        self, frac: NDArray[np.float64], repeats: tuple[int, int, int], threads: int | None = None
    ) -> NDArray[np.float64]:
        """Potential between every two sublattices of a supercell at every cell offset.

        Parameters
        ----------
        frac : (n_sites, 3) float64
            In the small cell; `self.cell` is the supercell.
        repeats : tuple of int
            The supercell is so many small cells along its vectors.
        threads : int, optional
            The result does not depend on it.

        Returns
        -------
        psi : (n_sites, n1, n2, n3, n_sites) float64, 1/Å
            psi[a, n, b] for b in the cell n away from a's; psi[a, 0, a] is the potential of the own images. It equals
            psi[b, -n, a] to the last bit. Where two different sites coincide (nearer than 0.5 Å) the bare 1/r of that
            pair is left out.
        """
        frac = as_array(frac, "frac", np.float64, (None, 3))
        n_sites = len(frac)
        psi = np.empty((n_sites, *repeats, n_sites))
        fixed = (
            frac, np.array(repeats), self.cell, self._translations, self._waves, self._weights, self._alpha,
            self._background, psi,
        )  # fmt: skip
        with ThreadPoolExecutor(threads or os.cpu_count()) as pool:
            list(pool.map(lambda a: _fill_rows(a, *fixed), range(n_sites)))
        return psi


def coincident_pairs(
    frac: NDArray[np.float64], cell: NDArray[np.float64], distance: float = COINCIDENCE
) -> NDArray[np.int64]:
    """Pairs of sites, periodic images included, that lie nearer than `distance`, (m, 5): a, b, image of b.

    Raises
    ------
    InputError
        If a site lies nearer than that to its own image: the cell is degenerate.
    """
    difference = frac[None, :, :] - frac[:, None, :]
    nearest = -np.rint(difference)
    pairs = []
    for step in np.stack(np.meshgrid(*[(-1, 0, 1)] * 3, indexing="ij"), axis=-1).reshape(-1, 3):
        image = nearest + step
        close = np.linalg.norm((difference + image) @ cell, axis=-1) < distance
        a, b = np.nonzero(close)
        pairs.append(np.column_stack([a, b, image[a, b].astype(np.int64)]))
    found = np.concatenate(pairs)
    own = (found[:, 0] == found[:, 1]) & (found[:, 2:] != 0).any(axis=1)
    if own.any():
        raise InputError(f"lattice vectors must be longer than {distance} Å; site {found[own][0, 0]} meets its image")
    return np.asarray(found[found[:, 0] != found[:, 1]])
