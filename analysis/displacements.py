"""Mean squares of displacements and the two lags between which they grow diffusively.

M(t) of a reversible process is 2 d (K t + Σ c_k (1 - exp(-λ_k t))) with c_k >= 0: ions that hop to and fro add a
constant C = Σ c_k to M once that motion has relaxed. K is the slope between two lags t_1 and t_2 = r t_1 beyond it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RATIOS = (2, 3, 4, 6, 8, 12, 16, 24, 32)
PROBE_RATIO = 3
PROBE_BLOCKS = 24
MIN_BLOCKS = 8
MAX_INCREMENTS = 600
SAFETY = 4


def lag_grid(longest: int) -> NDArray[np.int64]:
    """Whole lags 1, 2, 3, 4, 6, 8, 12, 16, ... up to `longest`."""
    powers = 2 ** np.arange(max(longest, 1).bit_length())
    grid = np.unique(np.concatenate([powers, 3 * powers]))
    return grid[grid <= longest].astype(np.int64)


def pooled_msd(paths: Sequence[NDArray[np.float64]], lags: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean square displacement over all time origins and all replicas.

    Parameters
    ----------
    paths : sequence of (n_samples, 3) float64
        One per replica; lengths may differ.
    lags : (n_lags,) int64, samples

    Returns
    -------
    (n_lags,) float64
        nan where no replica is long enough.
    """
    msd = np.full(len(lags), np.nan)
    for k, lag in enumerate(lags):
        squares = [((path[lag:] - path[:-lag]) ** 2).sum(axis=1) for path in paths if len(path) > lag]
        if squares:
            msd[k] = np.concatenate(squares).mean()
    return msd


@dataclass(frozen=True, slots=True)
class Lags:
    """Two lags between which a mean square displacement grows linearly.

    Attributes
    ----------
    short : float
        In the unit of the lags given.
    ratio : int
        The long lag is `ratio * short`.
    resolved : bool
        False if the slope had not stopped falling at the longest lag that the data support.
    """

    short: float
    ratio: int
    resolved: bool

    @property
    def long(self) -> float:
        """The long lag."""
        return self.short * self.ratio


def relative_variance(slope: float, offset: float, short: float, ratio: int, blocks: float) -> float:
    """Variance of a two-lag slope relative to its square, for one Cartesian component.

    With x the increments over the short lag, the slope is the mean over blocks of `ratio` increments of
    xᵀ A x, A = 1 1ᵀ - I / ratio. Normal increments of variance g_0 = 2 (slope * short + offset) and of covariance
    g_1 = -offset with their neighbours (diffusion plus relaxed to-and-fro motion) give 2 tr(AΓAΓ) per block and the
    covariance with the next block.

    Parameters
    ----------
    slope, offset : float
        M / (2 d) = slope * t + offset.
    short : float
    ratio : int
    blocks : float
        Number of blocks.
    """
    form = np.ones((ratio, ratio)) - np.eye(ratio) / ratio
    gamma = 2 * (slope * short + offset) * np.eye(ratio)
    gamma -= offset * (np.eye(ratio, k=1) + np.eye(ratio, k=-1))
    product = form @ gamma
    within = 2 * float((product * product.T).sum())
    between = 2 * ((1 - 1 / ratio) * offset) ** 2
    mean = 2 * slope * short * (ratio - 1)
    return (within + 2 * between) / (max(blocks, 1e-300) * mean**2) if mean > 0 else float("inf")


def choose_lags(
    lag: NDArray[np.float64], msd: NDArray[np.float64], *, observed: float, components: float, longest: float
) -> Lags:
    """Choose the two lags of a slope from data pooled over replicas.

    1. The slope s_k between lag t_k and 3 t_k is compared with that at every longer lag of at least 24 blocks. The
       first t_k whose slope exceeds none of them by more than one standard error marks the end of the relaxation; four
       times that lag is the earliest short lag allowed, or t_k itself if no relaxation is seen at all.
    2. A relaxation too weak to be seen can still bias a slope at short lags by more than their small error, so the
       short lag is at least 1/600 of the time observed.
    3. Among the allowed pairs the one with the least expected variance is taken, which makes blocks longer where
       to-and-fro motion hides the diffusion.

    Parameters
    ----------
    lag : (n_lags,) float64
        Ascending and positive.
    msd : (n_lags,) float64
        Summed over the Cartesian components.
    observed : float
        Total time of all replicas, same unit as `lag`.
    components : float
        Independent components that each observe for that time (3 for a collective displacement).
    longest : float
        Longest lag to use.
    """
    usable = np.isfinite(msd) & (PROBE_RATIO * lag <= min(longest, lag[-1]) * (1 + 1e-9))
    blocks = observed / (PROBE_RATIO * lag)
    usable &= blocks >= PROBE_BLOCKS
    if not usable.any():
        return Lags(float(lag[0]), 2, resolved=False)
    probe = lag[usable]
    m_short, m_long = np.interp(probe, lag, msd), np.interp(PROBE_RATIO * probe, lag, msd)
    width = 6 * probe * (PROBE_RATIO - 1)
    slope = (m_long - m_short) / width
    error = m_long / width * np.sqrt(2 / (components * blocks[usable]))
    first = next(k for k in range(len(probe)) if (slope[k] - slope[k + 1 :] <= error[k + 1 :]).all())
    earliest = max(probe[first] * (1 if first == 0 else SAFETY), observed / MAX_INCREMENTS)
    rate = max(float(slope[first]), 0.0)
    offset = max(float(m_short[first] / 6 - rate * probe[first]), 0.0)
    resolved = first < len(probe) - 2 or len(probe) <= 2
    return _least_variance(lag, min(earliest, probe[-1]), rate, offset, observed, longest, resolved=resolved)


def _least_variance(
    lag: NDArray[np.float64],
    earliest: float,
    rate: float,
    offset: float,
    observed: float,
    longest: float,
    *,
    resolved: bool,
) -> Lags:
    """Return the pair of lags, the short one from `earliest` on, whose slope has the least expected variance."""
    allowed = lag[lag >= earliest * (1 - 1e-9)]
    best, best_variance = Lags(float(allowed[0]), 2, resolved=resolved), np.inf
    for short in allowed:
        for ratio in RATIOS:
            count = observed / (ratio * short)
            if ratio * short > longest * (1 + 1e-9) or count < MIN_BLOCKS:
                continue
            variance = relative_variance(rate, offset, float(short), ratio, count)
            if variance < best_variance:
                best, best_variance = Lags(float(short), ratio, resolved=resolved), variance
    return best
