"""Draws from a density over the unit cube, and its integral, by importance sampling that adapts.

A first set of points fills the cube; every further set comes from normal kernels around likely points of the set
before, mixed with the uniform density so that no region is ruled out, and is weighted by the ratio of the densities
(Cappé, Guillin, Marin and Robert, J. Comput. Graph. Stat. 13, 907 (2004)). The power of the density with which kernels
are chosen rises to one as fast as enough points carry weight.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Array = NDArray[np.float64]

N_POINTS = 4096  # of a set; a power of two, as the points that fill the cube ask for
MOST_SETS = 12
ENOUGH = 1000.0  # draws of equal weight that a set must amount to
_KERNELS = 400
_UNIFORM = 0.1  # share of the uniform density
_LEAST_WIDTH = 1e-4


@dataclass(frozen=True, eq=False, slots=True)
class Sample:
    """Weighted draws.

    Attributes
    ----------
    draws : (n, p) float64
        Within the unit cube.
    weight : (n,) float64
        Sums to one.
    log_evidence : float
        Logarithm of the integral of the density over the cube.
    """

    draws: Array
    weight: Array
    log_evidence: float

    @property
    def effective(self) -> float:
        """Draws of equal weight that would be as good."""
        return float(1 / (self.weight**2).sum())

    def thinned(self, n: int, rng: np.random.Generator) -> Sample:
        """Return at most n of the draws, chosen by weight on an even comb; one chosen twice has twice the weight."""
        comb = (np.arange(n) + rng.random()) / n
        total = np.cumsum(self.weight)
        count = np.bincount(np.searchsorted(total / total[-1], comb), minlength=len(self.weight))
        kept = np.flatnonzero(count)
        return Sample(self.draws[kept], count[kept] / n, self.log_evidence)


def sample_box(log_density: Callable[[Array], Array], p: int, rng: np.random.Generator) -> Sample:
    """Sample a density over the unit cube of p dimensions.

    Parameters
    ----------
    log_density : callable
        (n, p) float64 to (n,) float64; finite.
    p : int
        May be zero: then there is one draw.
    rng : numpy.random.Generator
    """
    if p == 0:
        return Sample(np.zeros((1, 0)), np.ones(1), float(log_density(np.zeros((1, 0)))[0]))
    points = stats.qmc.Sobol(p, rng=rng).random(N_POINTS)
    log_target, log_source = log_density(points), np.zeros(N_POINTS)
    for _ in range(MOST_SETS):
        made = _weighted(points, log_target, log_source)
        if made.effective >= ENOUGH:
            break
        power = _power(log_target, log_source)
        guide = _weighted(points, power * log_target, log_source)
        points, log_source = _proposed(guide, rng)
        log_target = np.full(N_POINTS, -np.inf)
        inside = ((points >= 0) & (points <= 1)).all(axis=1)
        log_target[inside] = log_density(points[inside])
    made = _weighted(points, log_target, log_source)
    kept = made.weight > 0
    return Sample(made.draws[kept], made.weight[kept], made.log_evidence)


def _weighted(points: Array, log_target: Array, log_source: Array) -> Sample:
    log_weight = log_target - log_source
    top = float(log_weight.max())
    weight = np.exp(log_weight - top)
    return Sample(points, weight / weight.sum(), top + float(np.log(weight.mean())))


def _power(log_target: Array, log_source: Array) -> float:
    """Largest power of the density, up to one, at which a tenth of the points carry weight."""
    low, high = 0.0, 1.0
    for _ in range(30):
        middle = 0.5 * (low + high)
        finite = np.isfinite(log_target)
        log_weight = middle * log_target[finite] - log_source[finite]
        weight = np.exp(log_weight - log_weight.max())
        effective = weight.sum() ** 2 / (weight**2).sum()
        low, high = (middle, high) if effective > 0.1 * len(log_target) else (low, middle)
    return 1.0 if high > 0.999 else max(low, 1e-3)


def _proposed(guide: Sample, rng: np.random.Generator) -> tuple[Array, Array]:
    """Points from kernels around weighted points and from the whole cube, and the logarithm of their density."""
    p = guide.draws.shape[1]
    centred = guide.draws - guide.weight @ guide.draws
    covariance = (guide.weight[:, None] * centred).T @ centred
    width = _KERNELS ** (-1 / (p + 4))
    kernel = covariance * width**2 + np.diag(np.full(p, _LEAST_WIDTH**2))
    centres = guide.draws[rng.choice(len(guide.draws), size=_KERNELS, p=guide.weight)]
    root = np.linalg.cholesky(kernel)
    points = centres[rng.integers(_KERNELS, size=N_POINTS)] + rng.normal(size=(N_POINTS, p)) @ root.T
    anywhere = rng.random(N_POINTS) < _UNIFORM
    points[anywhere] = rng.random((int(anywhere.sum()), p))
    scaled, at = np.linalg.solve(root, centres.T).T, np.linalg.solve(root, points.T).T
    density = np.zeros(N_POINTS)
    norm = (2 * np.pi) ** (-p / 2) / np.prod(np.diag(root)) / _KERNELS
    for part in np.array_split(np.arange(N_POINTS), 8):
        apart = ((at[part, None, :] - scaled[None, :, :]) ** 2).sum(axis=2)
        density[part] = norm * np.exp(-0.5 * apart).sum(axis=1)
    uniform = ((points >= 0) & (points <= 1)).all(axis=1)
    return points, np.log((1 - _UNIFORM) * density + _UNIFORM * uniform + 1e-300)
