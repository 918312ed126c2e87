"""Quadrature of exp(-E/kT) around a minimum and over the plane through a saddle point, on the continuous potential.

The trapezoidal rule on a lattice of its own, aligned with the normal modes and fine enough for the narrowest of them,
converges exponentially for such integrands: L. N. Trefethen and J. A. C. Weideman, SIAM Rev. 56, 385 (2014). The points
grow outwards from the stationary point, so that none is computed where nothing counts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Protocol

import numpy as np
from ase.geometry.minkowski_reduction import minkowski_reduce
from numpy.typing import NDArray

from lattice.descent import Potential, descend, descend_to_minima
from lattice.transition_state_kernels import HOME, OTHER, STOPPED, UNDECIDED, descend_on_lattice
from structures.units import BOLTZMANN

STEPS_PER_WIDTH = 1.0  # of a normal mode's standard deviation at the lowest kT; the error is 2 exp(-2 pi²)
LONGEST_STEP = 0.25  # Å, in a basin
DEEP = 20.0  # kT above a minimum; exp(-20) of a partition function is left out
LONGEST_STEP_IN_PLANE = 0.12  # Å, resolves the edge of the region too
LARGEST_RATIO = 2.5  # of the two steps in a plane
SINGULAR = 1e-6  # eV/Å², no curvature
STRAY = 2.0  # spacings of the grid, within which a minimum may have been refined out of its own basin
REACH = 10.0  # Å, a region that reaches further has no edge

TRIES = 4  # how often a descent may leave the known points of a plane, each time by two lattice steps or more

_SPAN = 1 << 12  # more than the number of steps within `REACH` of the origin
_RING = np.array([(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j])
_SURROUNDINGS = np.array([(i, j) for i in range(-2, 3) for j in range(-2, 3)])
# places in the cell of a point, on no straight line of the lattice: multiples of the golden section
_SAMPLES = np.stack([(np.arange(16) + 0.5) / 16, (np.arange(16) * 0.6180339887498949 + 0.25) % 1.0], axis=1) - 0.5
# sums of the shortest vectors of a lattice, among which are all that count
_WAVES = np.array([w for w in product(range(-2, 3), repeat=3) if any(w)])
_SAME = 0.1  # lattice steps between the ends of two descents that are taken for one
_FACES = np.concatenate([np.eye(3, dtype=np.int64), -np.eye(3, dtype=np.int64)])

Float = NDArray[np.float64]
Int = NDArray[np.int64]


class FreeEnergy(Potential, Protocol):
    """What transition state theory needs of a landscape."""

    @property
    def energy(self) -> Float:
        """Energy or free energy on the grid, (n1, n2, n3), eV."""

    @property
    def temperature(self) -> float:
        """Temperature in K that the grid and the derivatives belong to."""

    def free_energy(self, frac: Float, temperatures: Float, /) -> Float:
        """Energy at points (m, 3) and temperatures in K, (n_T, m), eV."""


@dataclass(frozen=True, eq=False, slots=True)
class Quadrature:
    """Energies and weights of the points.

    Attributes
    ----------
    energy : (m,) float64, eV
        At the temperature of the landscape's grid.
    exponent : (m, n_T) float64
        F/kT at the temperatures that were asked for.
    weight : (m,) float64, Å³ in a basin, Å² in a plane
    """

    energy: Float
    exponent: Float
    weight: Float


def basin_core(
    landscape: FreeEnergy,
    minimum: Float,
    temperatures: Float,
    *,
    ceiling: float,
    share: Callable[[Float], Float],
) -> Quadrature:
    """Points of a basin around its minimum.

    Parameters
    ----------
    landscape : FreeEnergy
    minimum : (3,) float64
        Fractional.
    temperatures : (n_T,) float64, K
        Ascending; the lattice resolves the first, and its size grows with the ratio of both ends to the power 3/2.
    ceiling : float, eV
        Points at or above it are left out, and those `DEEP` kT above the minimum at every temperature.
    share : callable
        Part of some points (m, 3), fractional, that belongs to the basin, (m,), from 0 to 1.
    """
    _, _, hessian = landscape.derivatives(minimum[None])
    curvature, axes = np.linalg.eigh(hessian[0])
    step = _steps(curvature, temperatures, LONGEST_STEP)
    vectors = (axes * step).T @ np.linalg.inv(landscape.cell)
    parts: list[Quadrature] = []
    known = np.zeros(0, np.int64)
    front = _key(np.zeros((1, 3), np.int64))
    while front.size:
        known = np.concatenate([known, front])
        index = _index(front)
        part = share(minimum + index @ vectors)
        distance = np.linalg.norm(index * step, axis=1)
        near = ((part > 0.0) & (distance < REACH)) | (distance < STRAY * landscape.spacing)
        index, part = index[near], part[near]
        energy, exponent = _energies(landscape, minimum + index @ vectors, temperatures)
        if not parts:
            origin = energy[0], exponent[0]
        height = np.minimum(exponent - origin[1], (energy - origin[0])[:, None] / (BOLTZMANN * temperatures))
        low = (energy < ceiling) & (height.min(axis=1, initial=np.inf) < DEEP)
        parts.append(Quadrature(energy[low], exponent[low], step.prod() * part[low]))
        front = np.setdiff1d(_key((index[low][:, None] + _FACES).reshape(-1, 3)), known)
    energy, exponent, weight = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("energy", "exponent", "weight")
    )
    return Quadrature(energy, exponent, weight)


def saddle_plane(landscape: FreeEnergy, saddle: Float, temperatures: Float, *, depth: float) -> Quadrature:
    """Points of the plane through a saddle point and normal to its unstable mode, as far as they belong to it.

    To the saddle point belongs what descends to it within the plane: the region ends where another saddle point of the
    plane, a channel of its own, takes over, so that no point counts for two channels of one plane.

    Parameters
    ----------
    landscape : FreeEnergy
    saddle : (3,) float64
        Fractional.
    temperatures : (n_T,) float64, K
        Ascending; the lattice resolves the first.
    depth : float, eV
        Points so far above the saddle point are left out.
    """
    _, _, hessian = landscape.derivatives(saddle[None])
    curvature, axes = np.linalg.eigh(hessian[0])
    step = _steps(curvature[1:], temperatures, LONGEST_STEP_IN_PLANE)
    step = np.minimum(step, LARGEST_RATIO * step.min())
    patch = _Patch(landscape, saddle, axes[:, 1:], step, temperatures, depth)
    patch.grow()
    share = patch.share_of_centre()
    inside = share > 0.0
    return Quadrature(patch.energy[inside], patch.exponent[inside], step.prod() * share[inside])


def aliasing(steps: Float, hessian: Float, kT: float) -> float:
    """Largest relative error of the sum of a Gaussian exp(-½ x·H x / kT) over a lattice, for any place of its centre.

    By Poisson's formula it is Σ exp(-½ kT k·H⁻¹ k) over the waves k ≠ 0 of the lattice, of which the shortest in this
    metric count. A stiff mode that is oblique to the lattice may make them sums and differences of those along its
    axes.

    Parameters
    ----------
    steps : (3, 3) float64, Å
        Of the lattice, in rows.
    hessian : (3, 3) float64, eV/Å²
    kT : float, eV

    Returns
    -------
    float
        Infinite where the Hessian is not positive definite.
    """
    curvature, axes = np.linalg.eigh(hessian)
    if curvature[0] <= SINGULAR:
        return np.inf
    waves = 2.0 * np.pi * np.linalg.inv(steps).T @ (axes / np.sqrt(curvature))
    waves = _WAVES @ minkowski_reduce(waves)[0]
    return float(np.exp(-0.5 * kT * (waves**2).sum(axis=1)).sum())


def _energies(landscape: FreeEnergy, frac: Float, temperatures: Float) -> tuple[Float, Float]:
    """Energy at the temperature of the grid, (m,) eV, and F/kT, (m, n_T)."""
    values = landscape.free_energy(frac, np.append(temperatures, landscape.temperature))
    return values[-1], values[:-1].T / (BOLTZMANN * temperatures)


def _steps(curvature: Float, temperatures: Float, longest: float) -> Float:
    """Lattice steps along normal modes, Å."""
    width = np.sqrt(BOLTZMANN * temperatures[0] / np.maximum(curvature, 1e-9))
    return np.asarray(np.minimum(STEPS_PER_WIDTH * width, longest))


def _key(index: Int) -> Int:
    """One number per row of three lattice indices."""
    place = index + _SPAN // 2
    return np.asarray((place[:, 0] * _SPAN + place[:, 1]) * _SPAN + place[:, 2])


def _index(key: Int) -> Int:
    """Lattice indices of keys, (m, 3)."""
    return np.stack([key // _SPAN**2, key // _SPAN % _SPAN, key % _SPAN], axis=1) - _SPAN // 2


def _around(places: Float | Int, offsets: Int) -> Int:
    """Lattice points around places (m, 2), (m', 2)."""
    return np.asarray((np.floor(places).astype(np.int64)[:, None] + offsets).reshape(-1, 2))


class _Plane:
    """A potential within the plane through a point and normal to a direction."""

    def __init__(self, landscape: FreeEnergy, axes: Float) -> None:
        self.cell, self.spacing = landscape.cell, landscape.spacing
        self._landscape = landscape
        self._projector = axes @ axes.T

    def derivatives(self, frac: Float) -> tuple[Float, Float, Float]:
        energy, gradient, hessian = self._landscape.derivatives(frac)
        return energy, gradient @ self._projector, self._projector @ hessian @ self._projector


class _Patch:
    """The points of a plane that are known so far, and which of them descend to the minimum in its centre.

    The descents are followed on an interpolation between the points, and where they come to rest away from the centre,
    further on the potential itself.
    """

    def __init__(
        self, landscape: FreeEnergy, saddle: Float, axes: Float, step: Float, temperatures: Float, depth: float
    ) -> None:
        self._landscape, self._temperatures, self._step, self._depth = landscape, temperatures, step, depth
        self._plane = _Plane(landscape, axes)
        self._to_cartesian = (axes * step).T  # (2, 3), Å
        self._to_frac = self._to_cartesian @ np.linalg.inv(landscape.cell)
        minima = descend_to_minima(self._plane, saddle[None])[0]
        self._origin = minima[0][0] if minima else saddle
        # indices count from a corner of a square that holds all within reach
        self._centre = np.ceil(REACH / step).astype(np.int64) + 6
        self._value = np.full(2 * self._centre + 1, np.nan)
        self._owner = np.full(2 * self._centre + 1, UNDECIDED, np.int8)
        self._rest: dict[tuple[int, int], int] = {}
        self._index = np.zeros((0, 2), np.int64)
        self.energy = np.zeros(0)
        self.exponent = np.zeros((0, len(temperatures)))

    def grow(self) -> None:
        """Find all points that belong to the centre, ring by ring."""
        self._add(self._centre[None])
        self._owner[tuple(self._centre)] = HOME
        tries = np.zeros(self._owner.shape, np.int8)
        front = self._centre + _RING
        wanted = front
        while len(front):
            self._add(wanted)
            front = front[(self._owner[tuple(front.T)] == UNDECIDED) & self._counts(front)]
            front = front[np.argsort(self._value[tuple(front.T)], kind="stable")]
            fate, ends = self._fates(front.astype(np.float64), settle=True)
            self._owner[tuple(front.T)] = fate
            tries[tuple(front.T)] += 1
            again = (fate == UNDECIDED) & (tries[tuple(front.T)] < TRIES)
            ring = _around(front[fate == HOME], _RING)
            wanted = np.concatenate([ring, _around(ends[again], _SURROUNDINGS)])
            front = self._distinct(np.concatenate([ring, front[again]]))
        unsettled = self._index[(self._owner[tuple(self._index.T)] == UNDECIDED) & self._counts(self._index)]
        self._owner[tuple(unsettled.T)] = OTHER

    def share_of_centre(self) -> Float:
        """Part of the cell around each point that descends to the centre, (m,)."""
        owner = self._owner[tuple(self._index.T)]
        share = (owner == HOME).astype(np.float64)
        around = self._owner[tuple(np.moveaxis(self._index[:, None] + _RING, 2, 0))]
        beside = np.where(owner == HOME, OTHER, HOME)[:, None] == around
        edge = np.flatnonzero((owner != UNDECIDED) & beside.any(axis=1))
        if edge.size:
            places = (self._index[edge][:, None] + _SAMPLES).reshape(-1, 2)
            fate, ends = self._fates(places, settle=False)
            for _ in range(TRIES):
                left = np.flatnonzero(fate == UNDECIDED)
                self._add(_around(ends[left], _SURROUNDINGS))
                fate[left], ends[left] = self._fates(ends[left], settle=False)
            share[edge] = (fate == HOME).reshape(len(edge), -1).mean(axis=1)
        return np.append(share, np.zeros(len(self.energy) - len(share)))

    def _counts(self, index: Int) -> NDArray[np.bool_]:
        near = np.linalg.norm((index - self._centre) * self._step, axis=1) < REACH
        return np.asarray(near & (self._value[tuple(index.T)] < np.arctan(1.0)))

    def _distinct(self, index: Int) -> Int:
        """Points of (m, 2) without repetition, in lexical order."""
        columns = int(2 * self._centre[1] + 1)
        keys = np.unique(index[:, 0] * columns + index[:, 1])
        return np.stack([keys // columns, keys % columns], axis=1)

    def _add(self, index: Int) -> None:
        """Compute the energy at those points of (m, 2) that are not known."""
        index = self._distinct(index[np.isnan(self._value[tuple(index.T)])])
        if not len(index):
            return
        frac = self._origin + (index - self._centre) @ self._to_frac
        energy, exponent = _energies(self._landscape, frac, self._temperatures)
        self._index = np.concatenate([self._index, index])
        self.energy = np.concatenate([self.energy, energy])
        self.exponent = np.concatenate([self.exponent, exponent])
        # steepest descent is the same on every rising function of the energy; this one is smooth at the walls of a pore
        self._value[tuple(index.T)] = np.arctan((energy - self.energy[0]) / self._depth)

    def _fates(self, places: Float, *, settle: bool) -> tuple[NDArray[np.int8], Float]:
        """Owners (m,) and ends of the descents from places (m, 2), `UNDECIDED` where they leave what is known."""
        ends = places.copy()
        home = self._centre.astype(np.float64)
        fate: NDArray[np.int8] = descend_on_lattice(self._value, self._owner, self._step, home, ends, settle)
        stopped = np.flatnonzero(fate == STOPPED)
        if stopped.size:
            fate[stopped] = self._fates_at_rest(ends[stopped])
        return fate, ends

    def _fates_at_rest(self, places: Float) -> NDArray[np.int8]:
        """Owners (m,) of the descents that came to rest on the interpolation away from the centre, at (m, 2)."""
        tags = [(int(i), int(j)) for i, j in np.rint(places / _SAME)]
        new = sorted(set(tags) - self._rest.keys())
        if new:
            frac = self._origin + (_SAME * np.array(new) - self._centre) @ self._to_frac
            _, gradient, hessian = self._landscape.derivatives(frac)
            move = np.linalg.pinv(self._to_cartesian @ hessian @ self._to_cartesian.T)
            move = np.einsum("mij,mj->mi", move, gradient @ self._to_cartesian.T)
            self._rest.update(dict.fromkeys(new, OTHER))
            spurious = np.flatnonzero((np.abs(move) > 1.0).any(axis=1))
            ends = descend(self._plane, frac[spurious])[0]
            distance = np.linalg.norm((ends - self._origin) @ self._landscape.cell, axis=1)
            self._rest.update({new[k]: HOME for k in spurious[distance < 0.5 * self._step.min()]})
        return np.array([self._rest[tag] for tag in tags], np.int8)
