"""Conductivity from the charge displacement: sigma_ij = <ΔP_i · ΔP_j> / (6 V kT t), D_J and the Haven ratio."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from analysis.lags import Growth, Lags, choose_lags, lag_grid, pooled_msd
from analysis.slow_relaxation import profile_interval
from analysis.statistics import Interval, chi2_interval, normal_quantile

ENOUGH_BLOCKS = 20
ENOUGH_DOF = 20.0
LONGER = 4.0  # times that runs are to be lengthened where a relaxation does not end within them


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
    chi2 : Interval
        What the interval would be if no relaxation were slower than the lags.
    more_replicas : int
        Expected to bring the degrees of freedom and the blocks to what is asked for; 0 if they are.
    longer : float
        By what factor the runs are to be longer for the relaxations to end within them; 1 if they do.
    """

    slope: Interval
    replica: NDArray[np.float64]
    blocks: int
    dof: float
    short: float
    long: float
    converged: bool
    statement: str
    chi2: Interval
    more_replicas: int = 0
    longer: float = 1.0


def block_displacements(path: NDArray[np.float64], lag: int) -> NDArray[np.float64]:
    """Displacements over non-overlapping blocks of one lag, (n_blocks, 3), of a path (n_samples, 3)."""
    return np.asarray(np.diff(path[::lag], axis=0))


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
    stride = max(longest // 16, 1)
    components = anisotropic_components(np.concatenate([block_displacements(path, stride) for path in paths]))
    return choose_lags(
        lags.astype(np.float64),
        pooled_msd(paths, lags),
        durations=[float(len(path) - 1) for path in paths],
        components=components,
        longest=longest / 2,
    )


def collective_slope(
    paths: Sequence[NDArray[np.float64]], step: float, *, lags: Lags | None = None, relaxations: bool = True
) -> CollectiveSlope:
    """Growth of the mean square charge displacement with a χ² interval.

    Parameters
    ----------
    paths : sequence of (n_samples, 3) float64, e Å
        Unwrapped charge displacement of each replica on one time grid.
    step : float, s
        Of that grid.
    lags : Lags, optional
        In samples; chosen from the data if not given.
    relaxations : bool
        Whether the interval is to hold what relaxations slower than the lags may hide.

    Notes
    -----
    The mean squares at both lags run over all time origins. The degrees of freedom are those of the variance that
    normal displacements with the measured mean squares have (`Growth.slope_variance`), about 4 per long lag and
    replica of plain diffusion. They are fewer where to-and-fro motion is left in the lags, where the components
    differ, where the squares scatter more than those of a normal variable (few hops per lag), and where replicas
    differ by more than their variances allow. A replica that never moves beside others that do always counts as
    differing.

    A relaxation that takes a good part of a run bends the mean square too little to be seen and still adds to its
    slope. So where the power of the steps shows one, the interval of χ² is widened to hold all that `profile_interval`
    cannot exclude, most of it below the estimate, and the degrees of freedom are those of the wider one.
    """
    lags = collective_lags(paths) if lags is None else lags
    short, long = round(lags.short), round(lags.short) * lags.ratio
    enough = [path for path in paths if len(path) > long]
    blocks = [block_displacements(path, long) for path in enough]
    n_blocks = sum(len(block) for block in blocks)
    nan = float("nan")
    times = (short * step, long * step)
    if n_blocks == 0 or not any(np.abs(path).max() > 0 for path in paths):
        statement = "no charge moved" if n_blocks else "run too short for one block"
        value = Interval(0.0 if n_blocks else nan, nan, nan)
        return CollectiveSlope(value, np.full(len(paths), value.value), n_blocks, 0.0, *times, False, statement, value)
    replica = np.array([two_lag_rise([path], short, long) for path in enough]) / (6 * (long - short))
    origins = np.array([len(path) - long for path in enough], dtype=np.float64)
    per_sample = two_lag_rise(enough, short, long) / (6 * (long - short))
    variance, inflation, agree = _variance(enough, blocks, replica, origins / origins.sum(), lags)
    rate, spread = per_sample / step, np.sqrt(variance) / step
    dof = 2 * rate**2 / spread**2 if rate > 0 else 0.0
    if dof > 1:
        interval = chi2_interval(rate, dof)
    else:
        interval = Interval(max(rate, 0.0), 0.0, max(rate, 0.0) + normal_quantile() * float(spread))
    components = anisotropic_components(np.concatenate(blocks))
    chi2, slow = interval, None
    if relaxations:
        slow = profile_interval(paths, short, components=components, inflation=inflation)
    if slow is not None:
        interval = Interval(interval.value, min(interval.lo, slow.lo / step), max(interval.hi, slow.hi / step))
        dof = min(dof, 2 / interval.log_error**2 if interval.lo > 0 else 1.0)
    unresolved = not lags.resolved or (slow is not None and slow.slow)
    reasons = [
        text
        for text, bad in (
            ("slope still falls at the longest lag", not lags.resolved),
            ("part of the motion relaxes as slowly as the runs are long", lags.resolved and unresolved),
            (f"only {n_blocks} block{'s' * (n_blocks != 1)}", n_blocks < ENOUGH_BLOCKS),
            (f"only {dof:.0f} effective degree{'s' * (round(dof) != 1)} of freedom", dof < ENOUGH_DOF),
            ("replicas disagree", not agree),
        )
        if bad
    ]
    lack = max(ENOUGH_DOF / max(dof, 1.0), ENOUGH_BLOCKS / n_blocks, inflation if not agree else 1.0)
    return CollectiveSlope(
        interval,
        replica / step,
        n_blocks,
        dof,
        *times,
        converged=not reasons,
        statement="; ".join(reasons),
        chi2=chi2,
        more_replicas=int(np.ceil((lack - 1) * len(paths) - 1e-9)),
        longer=LONGER if unresolved else 1.0,
    )


def two_lag_rise(paths: Sequence[NDArray[np.float64]], short: int, long: int) -> float:
    """Mean square displacement over the long lag minus that over the short one, all time origins."""
    at_short, at_long = pooled_msd(paths, np.array([short, long]))
    return float(at_long - at_short)


def _variance(
    paths: Sequence[NDArray[np.float64]],
    blocks: Sequence[NDArray[np.float64]],
    replica: NDArray[np.float64],
    weight: NDArray[np.float64],
    lags: Lags,
) -> tuple[float, float, bool]:
    """Variance of K per sample, its ratio to that of normal displacements, and whether the replicas agree."""
    short, long = round(lags.short), round(lags.short) * lags.ratio
    displacement = np.concatenate(blocks)
    components, n_blocks = anisotropic_components(displacement), len(displacement)
    grid = lag_grid(short)
    msd = pooled_msd(paths, grid)
    rate = max(float(weight @ replica), 1e-3 * float(msd[-1]) / (6 * short))
    growth = Growth(grid.astype(np.float64), msd, float(short), rate)
    length = {len(path): growth.slope_variance(short, long, len(path) - 1.0) for path in paths}
    own = np.array([length[len(path)] for path in paths]) / components
    normal = float(weight**2 @ own)
    square = (displacement**2).sum(axis=1)
    if n_blocks >= ENOUGH_BLOCKS:
        excess = float(square.var(ddof=1)) - 2 * float(square.mean()) ** 2 / components
        per_block = max(excess, 0.0) * ((1 - 1 / lags.ratio) / (6 * (long - short))) ** 2
        own = own + per_block / np.array([len(block) for block in blocks])
    pooled = float(weight**2 @ own)
    if len(blocks) < 2:
        return pooled, pooled / normal, True
    disagreement = float(((replica - weight @ replica) ** 2 / own).sum())
    still = any(not np.abs(path).max() > 0 for path in paths)
    agree = not still and bool(stats.chi2.sf(disagreement, len(blocks) - 1) > 0.002)
    pooled *= 1.0 if agree else max(disagreement / (len(blocks) - 1), 1.0)
    return pooled, pooled / normal, agree


def widened(part: Interval, whole: CollectiveSlope) -> Interval:
    """Interval of χ² of a part of a slope, widened as that of the whole is for the relaxations it may hide."""
    if not whole.chi2.lo > 0 or not np.isfinite(whole.chi2.hi):
        return part
    return Interval(part.value, part.lo * whole.slope.lo / whole.chi2.lo, part.hi * whole.slope.hi / whole.chi2.hi)
