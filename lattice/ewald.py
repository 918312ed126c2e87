"""Ewald potential of a unit charge in a periodic cell, for every pair of sublattices of a supercell.

psi(r) is the potential at r of a unit charge at the origin and all its periodic images in a neutralising uniform
background, under conducting ("tinfoil") boundary conditions, in 1/Å:

    psi(r) = Σ_n erfc(α|r + n|)/|r + n| + (4π/V) Σ_{k≠0} exp(-k²/4α²)/k² cos(k·r) - π/(α² V),

and psi(0) leaves out the charge itself: it is the potential of its own images, -2.837297/L in a cube. In a medium the
sums run in the screened cell, see lattice/screening.py.
P. P. Ewald, Ann. Phys. 369, 253 (1921); Allen, Tildesley, Computer Simulation of Liquids, 2nd ed. (2017), ch. 6.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lattice import ewald_kernels
from lattice.ewald_kernels import COINCIDENCE, REACH
from lattice.image_pairs import image_pairs
from lattice.screening import screened_cell, screening_factor, unscreened
from structures.checks import as_array
from structures.cores import available_cores
from structures.errors import InputError

_SPLIT = 2.2  # alpha V^(1/3), between sqrt(pi) and 2 sqrt(pi): a cosine is cheaper than an erfc


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
    permittivity : float, (3,) or (3, 3) array_like
        Number or tensor eps_r of the medium; psi is the potential in it.

    Raises
    ------
    ValueError
        If the cell has no volume.
    InputError
        If the permittivity is none.
    """

    def __init__(self, cell: NDArray[np.float64], permittivity: ArrayLike = 1.0) -> None:
        cell = as_array(cell, "cell", np.float64, (3, 3))
        self.cell = screened_cell(cell, permittivity)  # all sums run in it
        volume = float(abs(np.linalg.det(self.cell)))
        if volume == 0.0:
            raise ValueError("cell must span a volume; got three vectors in a plane")
        self._factor = screening_factor(permittivity)
        self._unscreened = unscreened(permittivity)
        self._alpha = _SPLIT / volume ** (1.0 / 3.0)
        half_diagonal = 0.5 * float(np.linalg.norm(self.cell, axis=1).sum())
        self._translations = _lattice_points(self.cell, REACH / self._alpha + half_diagonal) @ self.cell
        reciprocal = np.asarray(2.0 * np.pi * np.linalg.inv(self.cell).T, np.float64)
        integers = _lattice_points(reciprocal, 2.0 * self._alpha * REACH)
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
        fixed = (self.cell, self._translations, self._waves, self._weights, self._alpha, self._background)
        found = [ewald_kernels.potential_at(p, *fixed, self._unscreened, 1e-9) for p in points - np.rint(points)]
        return np.array(found, np.float64) * self._factor

    def table(self, frac: NDArray[np.float64], repeats: tuple[int, int, int]) -> NDArray[np.float64]:
        """Potential between every two sublattices of a supercell at every cell offset, computed on all cores.

        Parameters
        ----------
        frac : (n_sites, 3) float64
            In the small cell; `self.cell` is the supercell.
        repeats : tuple of int
            The supercell is so many small cells along its vectors.

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
            self._background, self._unscreened, psi,
        )  # fmt: skip

        def fill(a: int) -> None:
            ewald_kernels.fill_rows(a, *fixed)

        with ThreadPoolExecutor(available_cores()) as pool:
            list(pool.map(fill, range(n_sites)))
        psi *= self._factor
        return psi

    def window(
        self, frac: NDArray[np.float64], repeats: tuple[int, int, int], shape: tuple[int, int, int]
    ) -> NDArray[np.float64]:
        """Part of `table` around the offset 0, without the memory of the whole.

        Parameters
        ----------
        frac, repeats
            As for `table`.
        shape : tuple of int
            Cell offsets along each axis, an odd number or all.

        Returns
        -------
        psi : (n_sites, d1, d2, d3, n_sites) float64, 1/Å
            psi[a, n mod d, b] as in `table`, for offsets n from -d/2 to d/2.
        """
        frac = as_array(frac, "frac", np.float64, (None, 3))
        psi = np.empty((len(frac), *shape, len(frac)))
        ewald_kernels.fill_window(
            frac, np.array(repeats), self.cell, self._translations, self._waves, self._weights, self._alpha,
            self._background, self._unscreened, psi,
        )  # fmt: skip
        psi *= self._factor
        return psi


def coincident_pairs(frac: NDArray[np.float64], cell: NDArray[np.float64]) -> NDArray[np.int64]:
    """Pairs of sites, periodic images included, nearer than `COINCIDENCE`, each once, (m, 5): a, b, image of b.

    Raises
    ------
    InputError
        If a site lies that near to its own image: the cell is degenerate.
    """
    found, _ = image_pairs(cell, frac, COINCIDENCE)
    own = found[:, 0] == found[:, 1]
    if own.any():
        site = found[own][0, 0]
        raise InputError(f"lattice vectors must be longer than {COINCIDENCE} Å; site {site} meets its image")
    return found
