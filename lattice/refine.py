"""Newton refinement of minima and saddles on the continuous energy."""

from __future__ import annotations

from typing import Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

Float = NDArray[np.float64]

GRADIENT_TOLERANCE = 1e-7  # eV/Å, an energy error of 1e-12 eV at a curvature of 0.01 eV/Å²
CURVATURE_TOLERANCE = 1e-6  # eV/Å², flatter directions count as neither up nor down

_FIRST_TRUST = 0.1  # Å
_LARGEST_TRUST = 0.2  # Å
_STEPS = 100


class Surface(Protocol):
    """A periodic energy with derivatives; `Landscape` is one."""

    @property
    def cell(self) -> Float:
        """Lattice vectors in rows, (3, 3), Å."""

    def derivatives(self, frac: Float, /) -> tuple[Float, Float, Float]:
        """Energy (m,), Cartesian gradient (m, 3) and Hessian (m, 3, 3) in eV and Å."""


def refine(
    surface: Surface, frac: ArrayLike, index: Literal[0, 1], max_move: float
) -> tuple[Float, Float, NDArray[np.bool_]]:
    """Move guesses to the nearby stationary points with `index` directions of descent.

    Eigenvector following: downhill along every eigenvector of the Hessian, for a saddle uphill along the lowest one
    (C. J. Cerjan and W. H. Miller, J. Chem. Phys. 75, 2800 (1981); step lengths: D. J. Wales, J. Chem. Phys. 101, 3750
    (1994)). The trust radius follows the agreement of the predicted change of the energy with the actual one.
    Close to the stationary point the steps are Newton's. A saddle search that fails is repeated uphill along the second
    eigenvector while the energy is convex.

    Parameters
    ----------
    surface : Surface
    frac : (m, 3) float64
    index : {0, 1}
        0 for minima, 1 for saddles.
    max_move : float, Å
        Longest distance between a guess and its stationary point.

    Returns
    -------
    frac : (m, 3) float64
        Not wrapped into the cell: close to the guess.
    energy : (m,) float64, eV
    ok : (m,) bool
        Whether the gradient vanishes, the Hessian has the right index and the point is near its guess.
    """
    start = np.array(frac, dtype=np.float64).reshape(-1, 3)
    found, energy, ok = _follow(surface, start, index, max_move, convex_mode=0)
    lost = np.flatnonzero(~ok)
    if index > 0 and lost.size:
        found[lost], energy[lost], ok[lost] = _follow(surface, start[lost], index, max_move, convex_mode=1)
    return found, energy, ok


def _follow(
    surface: Surface, start: Float, index: int, max_move: float, *, convex_mode: int
) -> tuple[Float, Float, NDArray[np.bool_]]:
    """Search once from every point, see `refine`; where the energy is convex, uphill is eigenvector `convex_mode`."""
    to_frac = np.linalg.inv(surface.cell)
    move = np.zeros_like(start)
    trust = np.full(len(start), _FIRST_TRUST)
    energy, gradient, hessian = surface.derivatives(start)
    active = np.flatnonzero(_gradient_norm(gradient) > GRADIENT_TOLERANCE)
    for _ in range(_STEPS):
        if active.size == 0:
            break
        step, predicted = _step(gradient[active], hessian[active], trust[active], index, convex_mode)
        trial = move[active] + step
        new_energy, new_gradient, new_hessian = surface.derivatives(start[active] + trial @ to_frac)
        change = new_energy - energy[active]
        trust[active] = _new_trust(trust[active], step, change, predicted)
        # a minimum is never left uphill; rounding of the energy is not uphill
        taken = (change <= 1e-9) | (index > 0)
        moved = active[taken]
        move[moved] = trial[taken]
        energy[moved] = new_energy[taken]
        gradient[moved] = new_gradient[taken]
        hessian[moved] = new_hessian[taken]
        lost = np.linalg.norm(move[active], axis=1) > 2.0 * max_move
        active = active[(_gradient_norm(gradient[active]) > GRADIENT_TOLERANCE) & ~lost]
    curvature = np.linalg.eigvalsh(hessian)
    ok = _gradient_norm(gradient) <= GRADIENT_TOLERANCE
    ok &= (curvature[:, :index] < -CURVATURE_TOLERANCE).all(axis=1)
    ok &= (curvature[:, index:] > CURVATURE_TOLERANCE).all(axis=1)
    ok &= np.linalg.norm(move, axis=1) <= max_move
    return start + move @ to_frac, energy, ok


def _gradient_norm(gradient: Float) -> Float:
    return np.asarray(np.linalg.norm(gradient, axis=1))


def _step(gradient: Float, hessian: Float, trust: Float, index: int, convex_mode: int) -> tuple[Float, Float]:
    """Return Cartesian steps within the trust radius, (m, 3) Å, and the energy changes they predict, (m,) eV."""
    curvature, vectors = np.linalg.eigh(hessian)
    slope = np.einsum("mji,mj->mi", vectors, gradient)
    step = -2.0 * slope / (np.abs(curvature) + np.sqrt(curvature**2 + 4.0 * slope**2) + 1e-300)
    if index > 0:
        uphill = np.where(curvature[:, 0] > 0, convex_mode, 0)
        step[np.arange(len(step)), uphill] *= -1.0
    length = np.linalg.norm(step, axis=1)
    step *= np.minimum(1.0, trust / np.maximum(length, 1e-300))[:, None]
    predicted = (slope * step + 0.5 * curvature * step**2).sum(axis=1)
    return np.einsum("mij,mj->mi", vectors, step), predicted


def _new_trust(trust: Float, step: Float, change: Float, predicted: Float) -> Float:
    """Halve the radius where the quadratic model failed, widen it where it held and the step used it up."""
    error = np.abs(change - predicted)
    scale = np.abs(predicted) + 1e-10
    used = np.linalg.norm(step, axis=1) > 0.99 * trust
    factor = np.where(error > 0.75 * scale, 0.5, np.where((error < 0.25 * scale) & used, 1.5, 1.0))
    return np.asarray(np.minimum(np.minimum(trust, np.linalg.norm(step, axis=1) * 2.0 + 1e-6) * factor, _LARGEST_TRUST))
