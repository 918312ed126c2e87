"""Steepest descent on the continuous potential: to which minimum does a point belong."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lattice.refine import Surface

STEP = 0.1  # Å, longest move between two evaluations
FORCE = 1e-5  # eV/Å, a point with a smaller gradient is stationary
MAX_STEPS = 600
GROWTH = 3.0  # largest exponent by which a falling direction may grow within one step


class Potential(Surface, Protocol):
    """What this package needs of a landscape to find its stationary points."""

    @property
    def spacing(self) -> float:
        """Longest step of the grid, Å."""
        ...


def descend(potential: Potential, frac: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Follow -grad E to a stationary point.

    Each step is the exact gradient flow of the local quadratic model, cut at `STEP`: it neither overshoots in narrow
    valleys nor crawls along them, and ends in Newton steps. A start on a mirror plane can end on a saddle in it.

    Parameters
    ----------
    potential : Potential
    frac : (m, 3) float64
        Not wrapped into the cell, neither here nor in the result: the end tells which periodic image was reached.

    Returns
    -------
    end : (m, 3) float64
    stationary : (m,) bool
        False where the gradient was still above 1e-5 eV/Å after 600 steps.
    """
    end = np.array(frac, dtype=np.float64)
    stationary = np.zeros(len(end), bool)
    inverse_cell = np.linalg.inv(potential.cell)
    active = np.arange(len(end))
    for _ in range(MAX_STEPS):
        if not active.size:
            break
        _, gradient, hessian = potential.derivatives(end[active])
        rest = np.linalg.norm(gradient, axis=1) < FORCE
        stationary[active[rest]] = True
        moving = ~rest
        active = active[moving]
        if active.size:
            end[active] += _flow_step(gradient[moving], hessian[moving]) @ inverse_cell
    return end, stationary


def _flow_step(gradient: NDArray[np.float64], hessian: NDArray[np.float64]) -> NDArray[np.float64]:
    """Displacement of the flow x' = -g - H x from x = 0 until |x| = STEP or its end, (m, 3), Å."""
    curvature, axes = np.linalg.eigh(hessian)
    force = -np.einsum("mji,mj->mi", axes, gradient)
    falling = np.maximum(-curvature[:, 0], 1e-9)
    stiffest = np.maximum(np.abs(curvature).max(axis=1), 1e-9)
    low = np.log(1e-9 / stiffest)
    high = np.log(np.minimum(GROWTH / falling, 1e9))

    def displacement(log_time: NDArray[np.float64]) -> NDArray[np.float64]:
        tau = np.exp(log_time)[:, None]
        x = curvature * tau
        small = np.abs(x) < 1e-8
        reach = np.where(small, tau, -np.expm1(-x) / np.where(small, 1.0, curvature))
        return np.asarray(force * reach)

    for _ in range(40):
        middle = 0.5 * (low + high)
        short = np.linalg.norm(displacement(middle), axis=1) < STEP
        low = np.where(short, middle, low)
        high = np.where(short, high, middle)
    return np.asarray(np.einsum("mij,mj->mi", axes, displacement(low)))


def descend_to_minima(
    potential: Potential, frac: NDArray[np.float64], *, depth: int = 3
) -> list[list[tuple[NDArray[np.float64], float]]]:
    """Minima below each point and the share of the descent that reaches each.

    A descent inside a mirror plane that ends on a saddle point splits evenly to both sides of the plane.

    Parameters
    ----------
    potential : Potential
    frac : (m, 3) float64
    depth : int
        How many such splits may follow each other.

    Returns
    -------
    list, one per point, of lists of (unwrapped fractional position of a minimum, share)
        The list of a point whose descent does not converge is empty.
    """
    ends, stationary = descend(potential, frac)
    _, _, hessian = potential.derivatives(ends) if len(ends) else (None, None, np.zeros((0, 3, 3)))
    curvature, axes = np.linalg.eigh(hessian)
    saddle = stationary & (curvature[:, 0] < -1e-6)
    minima: list[list[tuple[NDArray[np.float64], float]]] = [
        [(end, 1.0)] if good else [] for end, good in zip(ends, stationary & ~saddle, strict=True)
    ]
    split = np.flatnonzero(saddle)
    if split.size and depth:
        push = 0.5 * STEP * axes[split, :, 0] @ np.linalg.inv(potential.cell)
        both = descend_to_minima(potential, np.concatenate([ends[split] + push, ends[split] - push]), depth=depth - 1)
        for k, point in enumerate(split):
            minima[point] = [(end, 0.5 * share) for half in (both[k], both[k + split.size]) for end, share in half]
    return minima
