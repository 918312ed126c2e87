"""Quadrature of exp(-E/kT) around a minimum and over the plane through a saddle point, on the continuous potential.

The trapezoidal rule on a lattice of its own, aligned with the normal modes and fine enough for the narrowest of them,
converges exponentially for such integrands: L. N. Trefethen and J. A. C. Weideman, SIAM Rev. 56, 385 (2014). The points
grow outwards from the stationary point, so that none is computed where nothing counts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lattice.descent import Potential
from lattice.transition_state_kernels import share_of_descent
from structures.units import BOLTZMANN

STEPS_PER_WIDTH = 1.0  # of a normal mode's standard deviation at the lowest kT; the error is 2 exp(-2 pi²)
LONGEST_STEP = 0.25  # Å, in a basin
LONGEST_STEP_IN_PLANE = 0.12  # Å, resolves the edge of the region too
LARGEST_RATIO = 2.5  # of the two steps in a plane
REACH = 10.0  # Å, a region that reaches further has no edge
NEGLIGIBLE = 1e-3  # share at which a region ends

_SPAN = 1 << 12  # more than the number of steps within `REACH` of the origin
# neighbours of a point in a plane, each before its opposite
_RING = np.array([(-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (1, 1), (-1, 1), (1, -1)])
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
    belongs: Callable[[Float], NDArray[np.bool_]],
) -> Quadrature:
    """Points of a basin around its minimum.

    Parameters
    ----------
    landscape : FreeEnergy
    minimum : (3,) float64
        Fractional.
    temperatures : (n_T,) float64, K
        Ascending; the lattice resolves the first.
    ceiling : float, eV
        Points at or above it are left out.
    belongs : callable
        Which of some points (m, 3), fractional, lie in the basin, (m,) bool.
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
        near = belongs(minimum + index @ vectors) & (np.linalg.norm(index * step, axis=1) < REACH)
        index = index[near]
        energy, exponent = _energies(landscape, minimum + index @ vectors, temperatures)
        low = energy < ceiling
        parts.append(Quadrature(energy[low], exponent[low], np.full(int(low.sum()), float(step.prod()))))
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
    patch = _Patch(landscape, saddle, axes[:, 1:] * step, temperatures)
    front = np.zeros((1, 2), np.int64)
    while len(front):
        patch.add(front)
        share = patch.share_of_origin()
        inside = (share > NEGLIGIBLE) & (patch.energy < patch.energy[0] + depth) & patch.within_reach()
        front = patch.unknown_around(inside)
    return Quadrature(patch.energy[inside], patch.exponent[inside], step.prod() * share[inside])


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


class _Patch:
    """The points of a plane that are known so far; the first is the origin."""

    def __init__(self, landscape: FreeEnergy, origin: Float, vectors: Float, temperatures: Float) -> None:
        self._landscape, self._origin, self._temperatures = landscape, origin, temperatures
        self._vectors = vectors  # (3, 2) Å, in columns
        self._to_frac = np.linalg.inv(landscape.cell)
        self._step = np.linalg.norm(vectors, axis=0)
        gap = np.linalg.norm(_RING @ vectors.T, axis=1)
        self._conductance = np.concatenate([self._step[[1, 1, 0, 0]] / gap[:4], np.zeros(4)])
        half = np.ceil(REACH / self._step).astype(np.int64) + 1
        self._centre = half
        self._number = np.full(2 * half + 1, -1, np.int64)
        self._index = np.zeros((0, 2), np.int64)
        self._neighbour = np.zeros((0, 8), np.int64)
        self._stationary = np.zeros(0, bool)
        self._examined = np.zeros(0, bool)
        self.energy = np.zeros(0)
        self.exponent = np.zeros((0, len(temperatures)))

    def add(self, index: Int) -> None:
        """Compute the energy at more points, (m, 2) steps from the origin."""
        known = len(self.energy)
        number = np.arange(known, known + len(index))
        self._number[tuple((index + self._centre).T)] = number
        neighbour = self._around(index)
        self._neighbour = np.concatenate([self._neighbour, neighbour])
        for m in range(8):
            found = neighbour[:, m] >= 0
            self._neighbour[neighbour[found, m], m ^ 1] = number[found]
        energy, exponent = _energies(self._landscape, self._frac(index), self._temperatures)
        self._index = np.concatenate([self._index, index])
        self._stationary = np.concatenate([self._stationary, np.zeros(len(index), bool)])
        self._examined = np.concatenate([self._examined, np.zeros(len(index), bool)])
        self.energy = np.concatenate([self.energy, energy])
        self.exponent = np.concatenate([self.exponent, exponent])

    def share_of_origin(self) -> Float:
        """Share of the descent within the plane that ends in the origin's minimum, (m,)."""
        self._examine_minima()
        order = np.argsort(self.energy, kind="stable")
        shares = share_of_descent(order, self.energy, self._neighbour, self._conductance, self._stationary, 0)
        return np.asarray(shares)

    def within_reach(self) -> NDArray[np.bool_]:
        """Points no further than `REACH` from the origin, (m,)."""
        return np.asarray(np.linalg.norm(self._index * self._step, axis=1) < REACH)

    def unknown_around(self, inside: NDArray[np.bool_]) -> Int:
        """Neighbours of some points that are not known yet, (m, 2)."""
        place, side = np.nonzero(self._neighbour[inside] < 0)
        return np.unique(self._index[inside][place] + _RING[side], axis=0)

    def _around(self, index: Int) -> Int:
        place = index[:, None] + _RING + self._centre
        inside = ((place >= 0) & (place < self._number.shape)).all(axis=2)
        place = np.where(inside[:, :, None], place, 0)
        return np.where(inside, self._number[place[:, :, 0], place[:, :, 1]], -1)

    def _frac(self, index: Int) -> Float:
        return np.asarray(self._origin + index @ self._vectors.T @ self._to_frac)

    def _examine_minima(self) -> None:
        """Find out which minima of the lattice are minima of the plane: Newton's step ends within one lattice step."""
        lower = self.energy[self._neighbour] < self.energy[:, None]
        enclosed = (self._neighbour >= 0).all(axis=1) & ~lower.any(axis=1)
        new = np.flatnonzero(enclosed & ~self._examined)
        if not new.size:
            return
        self._examined[new] = True
        _, gradient, hessian = self._landscape.derivatives(self._frac(self._index[new]))
        slope = gradient @ self._vectors
        curvature = self._vectors.T @ hessian @ self._vectors
        convex = (curvature[:, 0, 0] > 0) & (np.linalg.det(curvature) > 0)
        curvature[~convex] = np.eye(2)
        newton = np.linalg.solve(curvature, slope[:, :, None])[:, :, 0]
        self._stationary[new] = convex & (np.abs(newton) <= 1.0).all(axis=1)
