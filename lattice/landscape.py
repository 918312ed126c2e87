"""The energy of one probe ion in the framework, on a grid of the cell and at any point."""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import scipy.fft
from numpy.typing import ArrayLike, NDArray

from lattice import field_kernels
from lattice.field_kernels import IonField
from lattice.uff import uff_parameters
from structures.cores import available_cores
from structures.errors import InputError
from structures.framework import Framework
from structures.species import Species
from structures.units import COULOMB

DEFAULT_WALL = 5.0  # eV, far above any site that an ion visits

_EWALD_EXPONENT = 4.8  # alpha * cut-off = k cut-off / (2 alpha); exp(-4.8²) = 1e-10 of the sum is left out
_GRID_EWALD_CUTOFF = 5.0  # Å, balances the scattered part against the structure factor
_LARGEST_DENOMINATOR = 12  # of the translations of a space group

Float = NDArray[np.float64]
Shape = tuple[int, int, int]


@dataclass(frozen=True, eq=False, slots=True)
class Landscape:
    """Energy of one ion of a species in the empty framework.

    Attributes
    ----------
    cell : (3, 3) float64, Å
        Lattice vectors in rows.
    species : Species
    permittivity : float
    energy : (n1, n2, n3) float64, eV
        At the fractional coordinates (i/n1, j/n2, k/n3), capped at `wall`. Read-only.
    wall : float, eV
    field : IonField
        What the energy at any point is computed from.
    """

    cell: Float
    species: Species
    permittivity: float
    energy: Float
    wall: float
    field: IonField

    @property
    def spacing(self) -> float:
        """Longest step of the grid along a lattice vector, Å."""
        return float((np.linalg.norm(self.cell, axis=1) / self.energy.shape).max())

    def derivatives(self, frac: ArrayLike) -> tuple[Float, Float, Float]:
        """Energy, gradient and Hessian at any points, without the cap.

        Parameters
        ----------
        frac : (m, 3) float64

        Returns
        -------
        energy : (m,) float64, eV
        gradient : (m, 3) float64, eV/Å
            Cartesian.
        hessian : (m, 3, 3) float64, eV/Å²
        """
        points = np.array(frac, dtype=np.float64, order="C").reshape(-1, 3)
        energy, gradient, hessian = (np.empty((len(points), *tail)) for tail in ((), (3,), (3, 3)))
        field_kernels.point_derivatives(points, self.field, energy, gradient, hessian)
        return energy, gradient, hessian


def compute_landscape(
    framework: Framework,
    species: Species,
    *,
    permittivity: float,
    spacing: float = 0.2,
    cutoff: float = 12.0,
    wall: float = DEFAULT_WALL,
    potential: Float | None = None,
) -> Landscape:
    """Energy of one ion in the framework, q Φ / eps_r plus the Lennard-Jones terms of all atoms.

    The framework's parameters are those of UFF; mixed ones follow the Lorentz-Berthelot rules. Each pair term is
    shifted so that energy and force vanish at the cut-off: S. D. Stoddard and J. Ford, Phys. Rev. A 8, 1504 (1973).

    Parameters
    ----------
    framework : Framework
    species : Species
    permittivity : float
        eps_r that screens the framework's potential.
    spacing : float, Å
        No step of the grid is longer.
    cutoff : float, Å
        Of the Lennard-Jones terms; it may exceed the cell.
    wall : float, eV
        Cap of the energies on the grid.
    potential : (n1, n2, n3) float64, V, optional
        `framework_potential(framework, grid_shape(framework, spacing))`, where several species share it.

    Raises
    ------
    InputError
        If a number is out of range or an element has no UFF parameters.
    """
    for name, value in (("permittivity", permittivity), ("cutoff", cutoff)):
        if not (math.isfinite(value) and value > 0):
            raise InputError(f"{name} must be positive; got {value:g}")
    shape = grid_shape(framework, spacing)
    if potential is None:
        potential = framework_potential(framework, shape)
    elif potential.shape != shape:
        raise ValueError(f"potential must have shape {shape}; got {potential.shape}")
    pairs = _pair_parameters(framework, species, cutoff)
    energy = potential * (species.charge / permittivity)
    scatter_atoms(energy, framework, pairs, cutoff, field_kernels.LENNARD_JONES)
    np.minimum(energy, wall, out=energy)
    energy.flags.writeable = False
    field = _ion_field(framework, pairs, species.charge * COULOMB / permittivity, cutoff)
    return Landscape(framework.cell, species, permittivity, energy, wall, field)


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


def framework_potential(framework: Framework, shape: Shape) -> Float:
    """Electrostatic potential of the framework's charges on a grid, tinfoil boundary, zero on average.

    A net charge is neutralised by a uniform background. Ewald sum: the screened part is scattered from the atoms to the
    grid, the smooth part is the Fourier transform of the exact structure factor.

    Parameters
    ----------
    framework : Framework
    shape : tuple of 3 int

    Returns
    -------
    (n1, n2, n3) float64, V
    """
    alpha = _EWALD_EXPONENT / _GRID_EWALD_CUTOFF
    rows, _, indices, coefficients, background = _reciprocal_part(framework, alpha)
    waves = np.zeros(shape, dtype=np.complex128)
    # vectors beyond the grid's own alias onto it, which at the grid points is exact
    np.add.at(waves, tuple((indices % shape).T), coefficients)
    waves = scipy.fft.ifftn(waves, norm="forward", overwrite_x=True, workers=available_cores())
    potential = np.ascontiguousarray(waves.real)
    del waves, rows
    parameters = np.zeros((len(framework.charges), 4))
    parameters[:, 0] = framework.charges
    parameters[:, 1] = alpha
    scatter_atoms(potential, framework, parameters, _GRID_EWALD_CUTOFF, field_kernels.COULOMB)
    potential += background
    potential *= COULOMB
    return potential


def scatter_atoms(values: Float, framework: Framework, parameters: Float, cutoff: float, kind: int) -> None:
    """Scatter a pair function of all atoms to a grid, see `field_kernels.scatter`; `values` is modified in place."""
    steps = framework.cell / np.array(values.shape)[:, None]
    factor = np.ascontiguousarray(np.linalg.cholesky(steps[::-1] @ steps[::-1].T).T)
    frac = np.array(framework.frac_coords)
    planes = np.linspace(0, len(values), available_cores() + 1).astype(int).tolist()

    def share(part: int) -> None:
        field_kernels.scatter(values, frac, parameters, factor, cutoff, planes[part], planes[part + 1], kind)

    with ThreadPoolExecutor(len(planes) - 1) as pool:
        list(pool.map(share, range(len(planes) - 1)))


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


def _pair_parameters(framework: Framework, species: Species, cutoff: float) -> Float:
    """Return a, b, c, d of a/r¹² - b/r⁶ + c r² + d between the ion and every atom, (n_atoms, 4)."""
    epsilon, sigma = uff_parameters(framework.symbols)
    epsilon = np.sqrt(epsilon * species.lj_epsilon)
    sigma = 0.5 * (sigma + species.lj_sigma)
    a, b = 4.0 * epsilon * sigma**12, 4.0 * epsilon * sigma**6
    c = 6.0 * a / cutoff**14 - 3.0 * b / cutoff**8
    d = -7.0 * a / cutoff**12 + 4.0 * b / cutoff**6
    return np.ascontiguousarray(np.stack([a, b, c, d], axis=1))


def _ion_field(framework: Framework, pairs: Float, coupling: float, cutoff: float) -> IonField:
    """Prepare the sums at arbitrary points; `coupling` is q k_e / eps_r in eV Å."""
    alpha = _EWALD_EXPONENT / cutoff
    cell = np.array(framework.cell)
    rows, top, _, coefficients, background = _reciprocal_part(framework, alpha)
    reach = np.floor(cutoff * np.linalg.norm(np.linalg.inv(cell), axis=0) + 0.5).astype(int)
    images = np.indices(2 * reach + 1).reshape(3, -1).T - reach
    corners = (np.indices((2, 2, 2)).reshape(3, -1).T - 0.5) @ cell
    shifts = images @ cell
    near = np.linalg.norm(shifts, axis=1) <= cutoff + np.linalg.norm(corners, axis=1).max()
    return IonField(
        cell=cell,
        reciprocal=2.0 * math.pi * np.ascontiguousarray(np.linalg.inv(cell).T),
        frac=np.array(framework.frac_coords),
        charge=coupling * framework.charges,
        pairs=pairs,
        shifts=np.ascontiguousarray(shifts[near]),
        cutoff=float(cutoff),
        alpha=alpha,
        background=coupling * background,
        rows=rows,
        top=top,
        coefficients=coupling * coefficients,
    )


class _Reciprocal(NamedTuple):
    rows: NDArray[np.int64]  # (n_rows + 1, 4): h, k, first l, offset
    top: NDArray[np.int64]  # (3,) largest index
    indices: NDArray[np.int64]  # (n_vectors, 3)
    coefficients: NDArray[np.complex128]  # (n_vectors,) e/Å
    background: float  # e/Å


def _reciprocal_part(framework: Framework, alpha: float) -> _Reciprocal:
    """Return Φ(x)/k_e = Re Σ C(h) exp(2 pi i h·x) + background of the smooth part, over one of each pair ±h."""
    reciprocal = np.asarray(2.0 * math.pi * np.linalg.inv(framework.cell).T, dtype=np.float64)
    largest = 2.0 * alpha * _EWALD_EXPONENT
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
    field_kernels.structure_factor(total, np.array(framework.frac_coords), np.array(framework.charges), rows, top)
    coefficients = total * (8.0 * math.pi / framework.volume * np.exp(-k2 / (4.0 * alpha**2)) / k2)
    background = -math.pi * float(framework.charges.sum()) / (alpha**2 * framework.volume)
    return _Reciprocal(rows, top, indices, coefficients, background)


def _half_space(top: NDArray[np.int64], reciprocal: Float, largest: float) -> Iterator[NDArray[np.int64]]:
    """Yield the indices of one of each pair ±k with |k| <= largest in lexical order, plane by plane."""
    kl = np.indices((2 * top[1] + 1, 2 * top[2] + 1)).reshape(2, -1).T - top[1:]
    for h in range(int(top[0]) + 1):
        plane = np.column_stack([np.full(len(kl), h), kl])
        inside = ((plane @ reciprocal) ** 2).sum(axis=1) <= largest**2
        if h == 0:
            inside &= (kl[:, 0] > 0) | ((kl[:, 0] == 0) & (kl[:, 1] > 0))
        yield plane[inside]
