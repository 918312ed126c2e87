"""Sums over the atoms of a framework on a grid: the grid, the smooth potential, scattered pair functions."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import scipy.fft
from numpy.typing import ArrayLike, NDArray

from lattice import field_kernels
from lattice.screening import screened_cell
from structures.cores import available_cores
from structures.errors import InputError
from structures.framework import Framework

EWALD_EXPONENT = 4.8  # alpha * cut-off = k cut-off / (2 alpha); exp(-4.8²) = 1e-10 of the sum is left out

_LARGEST_DENOMINATOR = 12  # of the translations of a space group

Float = NDArray[np.float64]
Shape = tuple[int, int, int]


def grid_shape(framework: Framework, spacing: float) -> Shape:
    """Smallest grid that the symmetry operations map onto itself, with fast Fourier lengths.

    Axes that a rotation mixes get equal numbers of points, and every translation is a whole number of steps. A
    translation that belongs to an arbitrary choice of origin (denominator above 12) fits no grid and is left out.

    Parameters
    ----------
    framework : Framework
    spacing : float, Å
        No step is longer.

    Raises
    ------
    InputError
        If `spacing` is not positive.
    """
    if not (math.isfinite(spacing) and spacing > 0):
        raise InputError(f"spacing must be positive; got {spacing:g} Å")
    mixed = (framework.rotations != 0).any(axis=0) | np.eye(3, dtype=bool)
    mixed = np.linalg.matrix_power((mixed | mixed.T).astype(np.int64), 3) > 0
    needed = np.linalg.norm(framework.cell, axis=1) / spacing * (1.0 - 1e-12)
    divisor = [_common_denominator(framework.translations[:, axis]) for axis in range(3)]
    counts = []
    for axis in range(3):
        together = np.flatnonzero(mixed[axis])
        step = math.lcm(*(divisor[other] for other in together))
        multiples = math.ceil(needed[together].max() / step)
        while not _is_smooth(multiples * step):
            multiples += 1
        counts.append(multiples * step)
    return counts[0], counts[1], counts[2]


def screened(framework: Framework, permittivity: ArrayLike) -> Framework:
    """Return the framework in the coordinates eps^(-1/2) r."""
    return replace(framework, cell=screened_cell(framework.cell, permittivity))


def smooth_potential(framework: Framework, shape: Shape, alpha: float) -> Float:
    """Potential of the charges smeared to Gaussians, Σ q erf(alpha r)/r over all images and a background.

    Parameters
    ----------
    framework : Framework
    shape : tuple of 3 int
    alpha : float, 1/Å

    Returns
    -------
    (n1, n2, n3) float64, e/Å
    """
    indices, coefficients = _reciprocal_part(framework, alpha)
    half = shape[2] // 2 + 1
    waves = np.zeros((shape[0], shape[1], half), dtype=np.complex128)
    for vectors, values in ((indices, coefficients), (-indices, coefficients.conj())):
        # vectors beyond the grid's own alias onto it, which at the grid points is exact
        inside = vectors % shape
        kept = inside[:, 2] < half
        np.add.at(waves, tuple(inside[kept].T), 0.5 * values[kept])
    potential = scipy.fft.irfftn(waves, s=shape, norm="forward", overwrite_x=True, workers=available_cores())
    background = -math.pi * float(framework.charges.sum()) / (alpha**2 * framework.volume)
    return np.asarray(potential + background)


class GridOrbits(NamedTuple):
    """Points of a grid that symmetry makes equal."""

    first: NDArray[np.int64]  # (n_points,) number of the first copy of every point
    rows: NDArray[np.int64]  # (n_rows, 2) rows of the grid that hold the first copy of a point


def grid_orbits(framework: Framework, shape: Shape) -> GridOrbits:
    """Sort the points of a grid by the operations of a framework."""
    first = first_copies((framework.rotations, framework.translations), shape)
    needed = np.zeros(shape[0] * shape[1], bool)
    needed[first[first == np.arange(len(first))] // shape[2]] = True
    return GridOrbits(first, np.stack(np.unravel_index(np.flatnonzero(needed), shape[:2]), axis=1))


def scatter_atoms(
    values: Float, framework: Framework, parameters: Float, cutoff: float, kind: int, orbits: GridOrbits
) -> None:
    """Scatter a pair function of all atoms to a grid, see `field_kernels.scatter`; `values` is modified in place.

    Only rows with the first copy of a point are computed; the other points copy.
    """
    shape = values.shape
    steps = framework.cell / np.array(shape)[:, None]
    factor = np.ascontiguousarray(np.linalg.cholesky(steps[::-1] @ steps[::-1].T).T)
    frac = np.array(framework.frac_coords)
    rows = orbits.rows

    def share(begin: int, end: int) -> None:
        field_kernels.scatter(values, frac, parameters, factor, cutoff, rows[begin:end], kind)

    share_out(share, len(rows))
    if len(rows) < shape[0] * shape[1]:
        values[:] = values.ravel()[orbits.first].reshape(shape)


def first_copies(symmetry: tuple[NDArray[np.int64], Float], shape: tuple[int, ...]) -> NDArray[np.int64]:
    """For every grid point the number of the first of its symmetric copies on the grid, (n_points,)."""
    n = np.array(shape)
    rotations, translations = symmetry
    turned = rotations * n[:, None] / n[None, :]
    shifts = translations * n
    fits = (np.abs(turned - np.rint(turned)) < 1e-6).all(axis=(1, 2)) & (np.abs(shifts - np.rint(shifts)) < 1e-6).all(
        axis=1
    )
    first = np.full(int(n.prod()), -1, np.int32 if n.prod() < 2**31 else np.int64)
    field_kernels.grid_orbits(first, n, np.rint(turned[fits]).astype(np.int64), np.rint(shifts[fits]).astype(np.int64))
    return np.asarray(first)


def _common_denominator(translations: Float) -> int:
    """Return the smallest number of steps per cell of which every crystallographic translation is a multiple."""
    fractions = (Fraction(float(t)).limit_denominator(_LARGEST_DENOMINATOR) for t in translations)
    return math.lcm(*(f.denominator for f, t in zip(fractions, translations, strict=True) if abs(float(f) - t) < 1e-4))


def _is_smooth(number: int) -> bool:
    """Whether a number has no prime factor above 7."""
    for prime in (2, 3, 5, 7):
        while number % prime == 0:
            number //= prime
    return number == 1


def _reciprocal_part(framework: Framework, alpha: float) -> tuple[NDArray[np.int64], NDArray[np.complex128]]:
    """Return h and C(h) of Σ q erf(alpha r)/r = Re Σ C(h) exp(2 pi i h·x), over one of each pair ±h."""
    reciprocal = np.asarray(2.0 * math.pi * np.linalg.inv(framework.cell).T, dtype=np.float64)
    largest = 2.0 * alpha * EWALD_EXPONENT
    top = np.floor(largest * np.linalg.norm(framework.cell, axis=1) / (2.0 * math.pi)).astype(np.int64)
    indices = np.concatenate(list(_half_space(top, reciprocal, largest)))
    k2 = ((indices @ reciprocal) ** 2).sum(axis=1)
    new_row = np.ones(len(indices), dtype=bool)
    new_row[1:] = (np.diff(indices[:, :2], axis=0) != 0).any(axis=1)
    starts = np.flatnonzero(new_row)
    rows = np.zeros((len(starts) + 1, 4), dtype=np.int64)
    rows[:-1, :3] = indices[starts]
    rows[:, 3] = np.append(starts, len(indices))
    total = np.zeros(len(indices), dtype=np.complex128)
    frac, charges = np.array(framework.frac_coords), np.array(framework.charges)

    def share(first: int, last: int) -> None:
        field_kernels.structure_factor(total, frac, charges, np.ascontiguousarray(rows[first : last + 1]), top)

    share_out(share, len(starts))
    return indices, total * (8.0 * math.pi / framework.volume * np.exp(-k2 / (4.0 * alpha**2)) / k2)


def share_out(work: Callable[[int, int], None], number: int, *, parts_per_core: int = 1, least: int = 1) -> None:
    """Call `work(first, last)` for consecutive parts of `number` things, of `least` or more, on all cores."""
    parts = max(1, min(number // least, available_cores() * parts_per_core))
    if parts == 1:
        return work(0, number)
    bounds = np.linspace(0, number, parts + 1).astype(int).tolist()
    with ThreadPoolExecutor(min(parts, available_cores())) as pool:
        list(pool.map(work, bounds[:-1], bounds[1:]))
    return None


def _half_space(top: NDArray[np.int64], reciprocal: Float, largest: float) -> Iterator[NDArray[np.int64]]:
    """Yield the indices of one of each pair ±k with |k| <= largest in lexical order, plane by plane."""
    kl = np.indices((2 * top[1] + 1, 2 * top[2] + 1)).reshape(2, -1).T - top[1:]
    for h in range(int(top[0]) + 1):
        plane = np.column_stack([np.full(len(kl), h), kl])
        inside = ((plane @ reciprocal) ** 2).sum(axis=1) <= largest**2
        if h == 0:
            inside &= (kl[:, 0] > 0) | ((kl[:, 0] == 0) & (kl[:, 1] > 0))
        yield plane[inside]
