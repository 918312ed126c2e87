"""Conductivity from the charge displacement: sigma_ij = <ΔP_i · ΔP_j> / (6 V kT t), D_J and the Haven ratio."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from analysis.displacements import Lags, choose_lags, lag_grid, pooled_msd, relative_variance
from analysis.statistics import Interval, chi2_interval, normal_quantile

ENOUGH_BLOCKS = 20
ENOUGH_DOF = 20.0


@dataclass(frozen=True, eq=False, slots=True)
class CollectiveSlope:
    """Growth of a mean square collective displacement, <|ΔP|²> = 6 (K t + C).

    Attributes
    ----------
    slope : Interval
        K; unit of P squared per time. Zero without ends if nothing moved.
    replica : (n_replicas,) float64
        K of each replica.
    blocks : int
        Non-overlapping blocks of all replicas.
    dof : float
        Effective degrees of freedom of the interval.
    short, long : float
        The two lags, unit of the time step.
    converged : bool
        The relaxation is shorter than the blocks, the blocks are many enough, and the replicas agree.
    statement : str
        Why there is no interval or no convergence; empty otherwise.
    """

    slope: Interval
    replica: NDArray[np.float64]
    blocks: int
    dof: float
    short: float
    long: float
    converged: bool
    statement: str


def common_grid(
    times: Sequence[NDArray[np.float64]], paths: Sequence[NDArray[np.float64]]
) -> tuple[float, list[NDArray[np.float64]]]:
    """Put replicas on the coarsest of their time grids; the state at t is the one that holds at t.

    Parameters
    ----------
    times : sequence of (n_samples,) float64, s
        Uniform, from 0.
    paths : sequence of (n_samples, ...) float64

    Returns
    -------
    step : float, s
    paths : list of (n_samples, ...) float64
    """
    steps = [float(t[-1] / (len(t) - 1)) for t in times]
    step = max(steps)
    resampled = []
    for own, t, path in zip(steps, times, paths, strict=True):
        wanted = np.arange(int(t[-1] / step * (1 + 1e-9)) + 1) * (step / own)
        resampled.append(path[np.minimum((wanted + 1e-6).astype(np.int64), len(path) - 1)])
    return step, resampled


def block_sums(path: NDArray[np.float64], short: int, ratio: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the displacements over the long lag of non-overlapping blocks, and the squares the short lag leaves.

    Parameters
    ----------
    path : (n_samples, 3) float64
    short, ratio : int

    Returns
    -------
    displacement : (n_blocks, 3) float64
    square : (n_blocks,) float64
        |ΔP(long)|² minus the mean |ΔP(short)|² within the block; its mean is 6 K (long - short).
    """
    points = path[::short]
    n_blocks = (len(points) - 1) // ratio
    increments = np.diff(points[: n_blocks * ratio + 1], axis=0).reshape(n_blocks, ratio, 3)
    displacement = increments.sum(axis=1)
    return displacement, (displacement**2).sum(axis=1) - (increments**2).sum(axis=(1, 2)) / ratio


def anisotropic_components(displacement: NDArray[np.float64]) -> float:
    """Effective number of Cartesian components, (tr Σ)² / tr Σ², between 1 and 3 (Satterthwaite).

    Parameters
    ----------
    displacement : (n_blocks, 3) float64
        Their covariance is Σ, whose sampling noise is taken out of tr Σ².
    """
    n = len(displacement)
    covariance = displacement.T @ displacement / n
    trace, square = float(np.trace(covariance)), float((covariance**2).sum())
    if trace == 0:
        return 3.0
    unbiased = (n * square - trace**2) * n / ((n - 1) * (n + 2)) if n > 2 else trace**2 / 3
    return float(np.clip(trace**2 / max(unbiased, 1e-300), 1.0, 3.0))


def collective_lags(paths: Sequence[NDArray[np.float64]]) -> Lags:
    """Choose the lags, in samples, for charge displacements of several replicas, each (n_samples, 3)."""
    longest = max(len(path) for path in paths) - 1
    lags = lag_grid(longest)
    observed = float(sum(len(path) - 1 for path in paths))
    msd = pooled_msd(paths, lags)
    stride = max(longest // 16, 1)
    components = anisotropic_components(np.concatenate([np.diff(path[::stride], axis=0) for path in paths]))
    return choose_lags(lags.astype(np.float64), msd, observed=observed, components=components, longest=longest / 2)


def collective_slope(paths: Sequence[NDArray[np.float64]], step: float, *, lags: Lags | None = None) -> CollectiveSlope:
    """Growth of the mean square charge displacement with a χ² interval over blocks.

    Parameters
    ----------
    paths : sequence of (n_samples, 3) float64, e Å
        Unwrapped charge displacement of each replica on one time grid.
    step : float, s
        Of that grid.
    lags : Lags, optional
        In samples; chosen from the data if not given.

    Returns
    -------
    CollectiveSlope

    Notes
    -----
    The degrees of freedom are 3 per block for plain diffusion with long blocks. They are fewer where to-and-fro motion
    is left in the blocks, where the components differ, where the squares scatter more than those of a normal variable
    (few hops per block), and where replicas differ by more than their blocks allow.
    """
    lags = collective_lags(paths) if lags is None else lags
    short = round(lags.short)
    blocks = [block_sums(path, short, lags.ratio) for path in paths if len(path) > short * lags.ratio]
    n_blocks = sum(len(square) for _, square in blocks)
    nan = float("nan")
    times = (short * step, short * lags.ratio * step)
    if n_blocks == 0 or not any(np.abs(path).max() > 0 for path in paths):
        statement = "no charge moved" if n_blocks else "run too short for one block"
        value = Interval(0.0 if n_blocks else nan, nan, nan)
        return CollectiveSlope(value, np.full(len(paths), value.value), n_blocks, 0.0, *times, False, statement)
    width = 6 * (lags.ratio - 1) * short * step
    replica = np.array([square.mean() for _, square in blocks]) / width
    square = np.concatenate([square for _, square in blocks])
    rate = float(square.mean()) / width
    variance, agree = _variance(blocks, rate * step, short, lags.ratio)
    spread = np.sqrt(variance) / width
    dof = 2 * rate**2 / spread**2 if rate > 0 else 0.0
    reasons = [
        text
        for text, bad in (
            ("slope still falls at the longest lag", not lags.resolved),
            (f"only {n_blocks} blocks", n_blocks < ENOUGH_BLOCKS),
            (f"only {dof:.0f} effective degrees of freedom", dof < ENOUGH_DOF),
            ("replicas disagree", not agree),
        )
        if bad
    ]
    if dof > 1:
        interval = chi2_interval(rate, dof)
    else:
        interval = Interval(max(rate, 0.0), 0.0, max(rate, 0.0) + normal_quantile() * float(spread))
    return CollectiveSlope(interval, replica, n_blocks, dof, *times, not reasons, "; ".join(reasons))


def _variance(
    blocks: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]], rate: float, short: int, ratio: int
) -> tuple[float, bool]:
    """Variance of the mean of the block squares, and whether the replicas agree; `rate` is K per sample."""
    displacement = np.concatenate([d for d, _ in blocks])
    square = np.concatenate([s for _, s in blocks])
    n_blocks, components = len(square), anisotropic_components(displacement)
    total = float((displacement**2).sum(axis=1).mean())
    slope = max(rate, 1e-3 * total / (6 * short * ratio))
    offset = max(total / 6 - slope * short * ratio, 0.0)
    mean = 6 * slope * short * (ratio - 1)
    per_block = relative_variance(slope, offset, short, ratio, 1.0) * mean**2 / components
    if n_blocks >= ENOUGH_BLOCKS:
        without_neighbours = per_block * _own_share(slope, offset, short, ratio)
        per_block *= max(1.0, float(square.var(ddof=1)) / without_neighbours)
    if len(blocks) < 2:
        return per_block / n_blocks, True
    excess = sum(len(s) * (s.mean() - square.mean()) ** 2 for _, s in blocks) / per_block
    agree = bool(stats.chi2.sf(excess, len(blocks) - 1) > 0.002)
    return per_block * (1.0 if agree else excess / (len(blocks) - 1)) / n_blocks, agree


def _own_share(slope: float, offset: float, short: int, ratio: int) -> float:
    """Share of a block's own variance in the variance that counts the covariance with its neighbours."""
    full = relative_variance(slope, offset, short, ratio, 1.0) * (2 * slope * short * (ratio - 1)) ** 2
    return 1 - 4 * ((1 - 1 / ratio) * offset) ** 2 / full
