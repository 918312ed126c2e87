"""Energy of a rigid ion at arbitrary points of a framework: few near atoms exactly, everything else from a mesh.

A pair function f(x) of the squared distance x = r² is split at a matching distance s into its Taylor polynomial T in
x - s, which continues f smoothly down to x = 0, and the rest f - T for x < s. The smooth part, summed over all atoms,
is a periodic function without structure on the scale of the mesh: quintic B-splines reproduce it to 1e-8 eV (its first
six derivatives are continuous). The near part is a sum over about twenty atoms. The Coulomb potential is split in the
same way in the screened coordinates of lattice/screening.py; its smooth part comes from an Ewald sum.
The idea is that of particle-mesh and multilevel summation: R. D. Skeel, I. Tezcan, D. J. Hardy, J. Comput. Chem. 23,
673 (2002).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray
from scipy.ndimage import correlate1d, maximum_filter, minimum_filter, spline_filter
from scipy.spatial import cKDTree
from scipy.special import erf

from lattice import field_kernels, probe_kernels
from lattice.field_grid import (
    EWALD_EXPONENT,
    GridOrbits,
    Shape,
    grid_orbits,
    grid_shape,
    scatter_atoms,
    screened,
    share_out,
    smooth_potential,
)
from lattice.orientations import Orientations, bead_kinds
from lattice.probe_kernels import BLOCKED, HOPELESS, TABLE_ERROR
from lattice.screening import screened_cell, screening_factor
from lattice.uff import uff_parameters
from structures.framework import Framework
from structures.species import Bead, Species
from structures.units import BOLTZMANN, COULOMB

MATCHING_DISTANCE = 5.0  # Å
MESH_SPACING = 0.2  # Å
_DEGREE = 6  # of the Taylor polynomials
_BIN = 2.5  # Å
_WORTH = 100  # energies of beads; fewer take less time than to start a thread

Float = NDArray[np.float64]


class ProbeField(NamedTuple):
    """Everything that the energy of a bead of each kind needs."""

    cell: NDArray[np.float64]  # (3, 3) Å
    inverse: NDArray[np.float64]  # (3, 3) 1/Å, Cartesian rows to fractional ones
    screen: NDArray[np.float64]  # (3, 3) eps^(-1/2), symmetric
    meshes: NDArray[np.float64]  # (n_kinds, n1, n2, n3) eV, B-spline coefficients of the smooth part
    bins: NDArray[np.int64]  # (3,)
    start: NDArray[np.int64]  # (n_bins + 1,)
    atoms: NDArray[np.float64]  # (n_entries, 4): place in Å near the bin of the home cell, charge in eV Å/e
    element: NDArray[np.int64]  # (n_entries,)
    bead_charge: NDArray[np.float64]  # (n_kinds,) e
    tables: NDArray[np.float64]  # (n_kinds, n_elements, 9): a, b of a/x⁶ - b/x³, polynomial in x - lj_square
    coulomb: NDArray[np.float64]  # (7,) polynomial in x' - coulomb_square that goes with 1/sqrt(x')
    lj_square: float  # Å²
    coulomb_square: float  # Å², in the screened coordinates


class Body(NamedTuple):
    """Orientations of a rigid ion."""

    shifts: NDArray[np.float64]  # (n_orientations, n_beads, 3) fractional, beads nearest to the centre first
    kinds: NDArray[np.int64]  # (n_beads,)
    log_weights: NDArray[np.float64]  # (n_orientations,) logarithms of weights that sum to one


@dataclass(frozen=True, eq=False, slots=True)
class BeadTable:
    """Energies of single beads on the mesh, and how well they can be interpolated.

    Attributes
    ----------
    energy : (n_kinds, n1, n2, n3) float32, eV
    doubt : (n_kinds, n1, n2, n3) uint8
        n where the interpolation in the cell above each point errs by up to `TABLE_ERROR` 2^n, or `BLOCKED`, inside an
        atom.
    """

    energy: NDArray[np.float32]
    doubt: NDArray[np.uint8]

    @classmethod
    def of(cls, energy: NDArray[np.float32]) -> BeadTable:
        """Table of energies that are capped at `HOPELESS`.

        The error of cubic interpolation in the middle of a cell is 3/128 of the fourth difference along each axis.
        """
        doubt = np.zeros(energy.shape, np.uint8)
        for grid, found in zip(energy, doubt, strict=True):
            bend = np.zeros_like(grid)
            for axis in range(3):
                bend += np.abs(correlate1d(grid, (1, -4, 6, -4, 1), axis=axis, mode="wrap"))
            error = 3 / 128 * maximum_filter(bend, size=2, origin=-1, mode="wrap")
            found[:] = np.ceil(np.log2(np.maximum(error / TABLE_ERROR, 1.0)))
            found[minimum_filter(grid, size=2, origin=-1, mode="wrap") >= HOPELESS] = BLOCKED
        return cls(energy, doubt)


@dataclass(frozen=True, eq=False, slots=True)
class Probe:
    """A rigid ion in a framework.

    Attributes
    ----------
    field : ProbeField
    body : Body
    """

    field: ProbeField
    body: Body

    def with_orientations(self, beads: tuple[Bead, ...], turned: Orientations) -> Probe:
        """Return the same ion, of these beads, averaged over other orientations."""
        return Probe(self.field, _body(beads, turned, self.field.inverse))

    def free_energy(self, frac: Float, temperatures: Float) -> Float:
        """Orientation-averaged energy at fractional points, (n_temperatures, m) eV."""
        points = np.ascontiguousarray(frac, dtype=np.float64).reshape(-1, 3)
        betas = _betas(temperatures)
        found = np.empty((len(betas), len(points)))

        def share(first: int, last: int) -> None:
            part = np.empty((len(betas), last - first))
            probe_kernels.free_energies(points[first:last], self.field, self.body, betas, part)
            found[:, first:last] = part

        share_out(share, len(points), parts_per_core=4, least=self._least)
        return found

    def tabulated_free_energy(self, frac: Float, temperature: float, table: BeadTable) -> Float:
        """Orientation-averaged energy at fractional points, (m,) eV, with most beads from a table."""
        points = np.ascontiguousarray(frac, dtype=np.float64).reshape(-1, 3)
        beta = float(_betas(temperature)[0])
        found = np.empty(len(points))

        def share(first: int, last: int) -> None:
            part = slice(first, last)
            probe_kernels.tabulated_free_energies(
                points[part], table.energy, table.doubt, self.field, self.body, beta, found[part]
            )

        share_out(share, len(points), parts_per_core=4, least=self._least)
        return found

    @property
    def _least(self) -> int:
        """Points that are worth a thread."""
        return 1 + _WORTH // self.body.shifts[..., 0].size

    def bead(self, kind: int) -> Probe:
        """Return a single bead of one kind."""
        return Probe(self.field, Body(np.zeros((1, 1, 3)), np.array([kind]), np.zeros(1)))

    def derivatives(self, frac: Float, temperature: float) -> tuple[Float, Float, Float]:
        """Orientation-averaged energy (m,), Cartesian gradient (m, 3) and Hessian (m, 3, 3) in eV and Å."""
        points = np.array(frac, dtype=np.float64, order="C").reshape(-1, 3)
        energy, gradient, hessian = (np.empty((len(points), *tail)) for tail in ((), (3,), (3, 3)))
        beta = float(_betas(temperature)[0])

        def share(first: int, last: int) -> None:
            part = slice(first, last)
            probe_kernels.free_energy_derivatives(
                points[part], self.field, self.body, beta, energy[part], gradient[part], hessian[part]
            )

        share_out(share, len(points), least=self._least)
        return energy, gradient, hessian

    def contact_energy(self, frac: Float, temperature: float) -> float:
        """Lennard-Jones energy with the atoms nearer than the matching distance, averaged over orientations, eV."""
        point = np.array(frac, dtype=np.float64).reshape(3)
        field, body = self.field, self.body
        energies = np.empty(len(body.log_weights))
        probe_kernels.orientation_energies(point, field, body, energies)
        above = (energies - energies.min()) * _betas(temperature)[0]
        weights = np.exp(body.log_weights - above)
        likely = np.flatnonzero(weights > 1e-6 * weights.max())
        contacts = [
            sum(self._contact(point + s, k) for s, k in zip(body.shifts[o], body.kinds, strict=True)) for o in likely
        ]
        return float(np.average(contacts, weights=weights[likely]))

    def _contact(self, point: Float, kind: int) -> float:
        """Lennard-Jones energy of one bead with the near atoms, eV."""
        field = self.field
        inside = point - np.floor(point)
        number = np.ravel_multi_index(
            tuple(np.minimum((inside * field.bins).astype(int), field.bins - 1)), tuple(field.bins)
        )
        near = slice(field.start[number], field.start[number + 1])
        x = ((inside @ field.cell - field.atoms[near, :3]) ** 2).sum(axis=1)
        close = x < field.lj_square
        i6 = 1.0 / np.maximum(x[close], probe_kernels.CORE_SQUARED) ** 3
        a, b = field.tables[kind, field.element[near][close], :2].T
        return float(((a * i6 - b) * i6).sum())


def prepare_probe(
    framework: Framework, species: Species, permittivity: Float, cutoff: float, turned: Orientations
) -> Probe:
    """Tabulate what the energy of a species at any point needs.

    Parameters
    ----------
    framework : Framework
    species : Species
    permittivity : (3, 3) float64
    cutoff : float, Å
        Of the Lennard-Jones terms.
    turned : Orientations
        Of the beads of `species`.
    """
    kinds, _ = bead_kinds(species.beads)
    elements = tuple(dict.fromkeys(framework.symbols))
    element = np.array([elements.index(symbol) for symbol in framework.symbols])
    eigenvalues = np.linalg.eigvalsh(permittivity)
    lj_square = min(MATCHING_DISTANCE, cutoff) ** 2
    coulomb_square = MATCHING_DISTANCE**2 / float(eigenvalues[0])
    reach = MATCHING_DISTANCE * math.sqrt(float(eigenvalues[-1] / eigenvalues[0]))
    pairs = np.array([pair_parameters(elements, kind, cutoff) for kind in kinds])
    tables = np.zeros((len(kinds), len(elements), 3 + _DEGREE))
    tables[:, :, :2] = pairs[:, :, :2]
    tables[:, :, 2:] = -_lennard_jones_taylor(pairs[:, :, 0], pairs[:, :, 1], lj_square)
    charge = framework.charges * (COULOMB * screening_factor(permittivity))
    start, entry, place, bins = _near_atoms(framework, reach)
    field = ProbeField(
        cell=np.array(framework.cell),
        inverse=np.ascontiguousarray(np.linalg.inv(framework.cell)),
        screen=np.ascontiguousarray(screened_cell(np.eye(3), permittivity)),
        meshes=_meshes(framework, kinds, pairs[:, element], permittivity, (lj_square, coulomb_square, cutoff)),
        bins=bins,
        start=start,
        atoms=np.column_stack([place, charge[entry]]),
        element=np.ascontiguousarray(element[entry]),
        bead_charge=np.array([kind.charge for kind in kinds]),
        tables=tables,
        coulomb=-_power_taylor(-0.5, coulomb_square),
        lj_square=lj_square,
        coulomb_square=coulomb_square,
    )
    return Probe(field, _body(species.beads, turned, field.inverse))


def _body(beads: tuple[Bead, ...], turned: Orientations, inverse: Float) -> Body:
    _, kind_of = bead_kinds(beads)
    central_first = np.argsort(np.linalg.norm(turned.positions[0], axis=1), kind="stable")
    shifts = turned.positions[:, central_first] @ inverse
    shifts[np.abs(shifts) < 1e-12] = 0.0
    return Body(np.ascontiguousarray(shifts), kind_of[central_first], np.log(turned.weights))


def pair_parameters(symbols: tuple[str, ...], bead: Bead, cutoff: float) -> Float:
    """Return a, b, c, d of a/r¹² - b/r⁶ + c r² + d between a bead and every atom, (n_atoms, 4).

    Lorentz-Berthelot rules; energy and force vanish at the cut-off.
    """
    epsilon, sigma = uff_parameters(symbols)
    epsilon = np.sqrt(epsilon * bead.lj_epsilon)
    sigma = 0.5 * (sigma + bead.lj_sigma)
    a, b = 4.0 * epsilon * sigma**12, 4.0 * epsilon * sigma**6
    c = 6.0 * a / cutoff**14 - 3.0 * b / cutoff**8
    d = -7.0 * a / cutoff**12 + 4.0 * b / cutoff**6
    return np.ascontiguousarray(np.stack([a, b, c, d], axis=1))


def _betas(temperatures: float | Float) -> Float:
    return np.asarray(1.0 / (BOLTZMANN * np.atleast_1d(np.asarray(temperatures, np.float64))))


def _power_taylor(power: float, square: float) -> Float:
    """Coefficients of the Taylor polynomial of x^power in x - square, (7,), ascending."""
    found, factor = np.empty(_DEGREE + 1), 1.0
    for n in range(_DEGREE + 1):
        found[n] = factor * square ** (power - n)
        factor *= (power - n) / (n + 1)
    return found


def _lennard_jones_taylor(a: Float, b: Float, square: float) -> Float:
    """Coefficients of the Taylor polynomials of a/x⁶ - b/x³ in x - square, (..., 7)."""
    return np.asarray(a[..., None] * _power_taylor(-6.0, square) - b[..., None] * _power_taylor(-3.0, square))


def _near_atoms(
    framework: Framework, reach: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], Float, NDArray[np.int64]]:
    """List the atoms that any point of a bin of the cell can have within `reach`.

    Returns
    -------
    start : (n_bins + 1,) int64
    atom : (n_entries,) int64
    place : (n_entries, 3) float64, Å
    bins : (3,) int64
    """
    inverse = np.linalg.inv(framework.cell)
    heights = 1.0 / np.linalg.norm(inverse, axis=0)
    bins = np.maximum(1, np.ceil(heights / _BIN)).astype(np.int64)
    half = 0.5 * float(
        np.linalg.norm((np.indices((2, 2, 2)).reshape(3, -1).T * 2 - 1) / bins @ framework.cell, axis=1).max()
    )
    frac = framework.frac_coords - np.floor(framework.frac_coords)
    margin = (reach + half) / heights
    low, high = np.floor(-margin - 1.0).astype(int), np.ceil(margin + 1.0).astype(int)
    atoms, places = [], []
    for image in np.indices(tuple(high - low + 1)).reshape(3, -1).T + low:
        moved = frac + image
        inside = ((moved > -margin) & (moved < 1.0 + margin)).all(axis=1)
        atoms.append(np.flatnonzero(inside))
        places.append(moved[inside] @ framework.cell)
    atom, place = np.concatenate(atoms), np.concatenate(places)
    centres = (np.indices(tuple(bins)).reshape(3, -1).T + 0.5) / bins @ framework.cell
    lists = cKDTree(place).query_ball_point(centres, reach + half, return_sorted=True)
    start = np.zeros(len(lists) + 1, np.int64)
    np.cumsum([len(found) for found in lists], out=start[1:])
    entry = np.concatenate([np.asarray(found, np.int64) for found in lists])
    return start, atom[entry], place[entry], bins


def _meshes(
    framework: Framework,
    kinds: tuple[Bead, ...],
    pairs: Float,
    permittivity: Float,
    distances: tuple[float, float, float],
) -> Float:
    """B-spline coefficients of the smooth energy of every kind of bead, (n_kinds, n1, n2, n3) eV.

    Parameters
    ----------
    pairs : (n_kinds, n_atoms, 4) float64
    distances : (lj_square Å², coulomb_square Å² in screened coordinates, cutoff Å)
    """
    lj_square, coulomb_square, cutoff = distances
    shape = grid_shape(framework, MESH_SPACING)
    orbits = grid_orbits(framework, shape)
    potential = _smooth_coulomb(framework, shape, permittivity, coulomb_square, orbits)
    meshes = np.empty((len(kinds), *shape))
    for kind, mesh, pair in zip(kinds, meshes, pairs, strict=True):
        mesh[:] = kind.charge * potential
        if kind.lj_epsilon > 0:
            taylor = _lennard_jones_taylor(pair[:, 0], pair[:, 1], lj_square)
            taylor[:, 0] += pair[:, 2] * lj_square + pair[:, 3]
            taylor[:, 1] += pair[:, 2]
            parameters = np.column_stack([pair, np.full(len(pair), lj_square), taylor])
            scatter_atoms(mesh, framework, parameters, cutoff, field_kernels.SMOOTH_LENNARD_JONES, orbits)
        mesh[:] = spline_filter(mesh, order=5, mode="grid-wrap")
    return meshes


def _smooth_coulomb(
    framework: Framework, shape: Shape, permittivity: Float, coulomb_square: float, orbits: GridOrbits
) -> Float:
    """Potential of the framework without its short-ranged part, (n1, n2, n3) V."""
    medium = screened(framework, permittivity)
    distance = math.sqrt(coulomb_square)
    alpha = EWALD_EXPONENT / distance
    potential = smooth_potential(medium, shape, alpha)
    parameters = np.empty((len(framework.charges), 3 + field_kernels.POLYNOMIAL_DEGREE))
    parameters[:, 0], parameters[:, 1] = framework.charges, coulomb_square
    parameters[:, 2:] = _unsmeared(alpha, coulomb_square)
    scatter_atoms(potential, medium, parameters, distance, field_kernels.POLYNOMIAL, orbits)
    potential *= COULOMB * screening_factor(permittivity)
    return potential


def _unsmeared(alpha: float, square: float) -> Float:
    """Taylor polynomial of 1/r less erf(alpha r)/r as a polynomial in z = 2 r²/square - 1, (25,); exact to 1e-11/Å."""
    degree = field_kernels.POLYNOMIAL_DEGREE
    z = np.cos(np.pi * (np.arange(200) + 0.5) / 200)
    x = 0.5 * (z + 1.0) * square
    taylor = np.polynomial.polynomial.polyval(x - square, _power_taylor(-0.5, square))
    values = taylor - erf(alpha * np.sqrt(x)) / np.sqrt(x)
    return np.asarray(chebyshev.cheb2poly(chebyshev.chebfit(z, values, degree)))
