"""Mean squares of displacements and the two lags between which they grow diffusively.

M(t) of a reversible process is 2 d (K t + Σ c_k (1 - exp(-λ_k t))) with c_k >= 0: ions that hop to and fro add a
constant C = Σ c_k to M once that motion has relaxed. K is the slope between two lags t_1 and t_2 = r t_1 beyond it;
the constant drops out of the difference, and what the relaxation has left at t_1 decays with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

RATIOS = (2, 3, 4, 6, 8, 12, 16)
PROBE_RATIO = 3
PROBE_BLOCKS = 24
MIN_BLOCKS = 8
FALL = 2.5  # standard errors that the slope must fall by, at the largest of all longer lags, to count
SAFETY = 6
BALANCE = 20.0
FEW_REPLICAS = 3
FINENESS = 16  # points per short lag where the variance is integrated


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


@dataclass(frozen=True, eq=False, slots=True)
class Growth:
    """Mean square displacement M(t) as measured up to one lag, and a straight line of known slope beyond it.

    Attributes
    ----------
    lag : (n_lags,) float64
        Ascending and positive; the first is the spacing of the samples.
    msd : (n_lags,) float64
        Summed over the three Cartesian components.
    start : float
        Where the line begins.
    rate : float
        Its K; M grows by 6 K per unit of time.
    """

    lag: NDArray[np.float64]
    msd: NDArray[np.float64]
    start: float
    rate: float

    def at(self, t: NDArray[np.float64]) -> NDArray[np.float64]:
        """Mean square displacement of one Cartesian component at the lags `t` of either sign."""
        t = np.abs(t)
        measured = np.interp(np.minimum(t, self.start), self.lag, self.msd) * np.minimum(t / self.lag[0], 1)
        return np.asarray(measured / 3 + 2 * self.rate * np.maximum(t - self.start, 0))

    def slope_variance(self, short: float, long: float, duration: float) -> float:
        """Variance of K from two lags and all time origins of one run, for one Cartesian component.

        For normal displacements with the autocovariance that M implies, c_ab(q) = ½ [M(q + b) + M(q - a) - M(q)
        - M(q + b - a)] between the displacement over the lag a from time 0 and that over b from time q, the mean
        over N origins of the square over b minus that over a has the variance 2/N Σ_q (1 - |q|/N) [c_aa² + c_bb² -
        c_ab² - c_ba²] (Wick's theorem). For plain diffusion that is up to a third less than with
        non-overlapping blocks.

        Parameters
        ----------
        short, long : float
        duration : float
            Of the run; infinite variance if shorter than `long`.
        """
        step = max(float(self.lag[0]), short / FINENESS)
        origins = duration - long + step
        if origins <= 0:
            return float("inf")
        q: NDArray[np.float64] = np.multiply(step, np.arange(int(long / step + 0.5) + 1), dtype=np.float64)
        shape = np.where(q > 0, 2.0, 1.0) * np.maximum(1 - q / origins, 0) * step / origins
        at_q, beyond, before = self.at(q), long - short, short - long
        to_long = 0.5 * (self.at(q + long) + self.at(q - long)) - at_q
        to_short = 0.5 * (self.at(q + short) + self.at(q - short)) - at_q
        cross = 0.5 * (self.at(q + long) + self.at(q - short) - at_q - self.at(q + beyond))
        other = 0.5 * (self.at(q + short) + self.at(q - long) - at_q - self.at(q + before))
        total = 2 * float((shape * (to_long**2 + to_short**2 - cross**2 - other**2)).sum())
        return max(total, 0.0) / (2 * (long - short)) ** 2


def choose_lags(
    lag: NDArray[np.float64],
    msd: NDArray[np.float64],
    *,
    durations: Sequence[float],
    components: float,
    longest: float,
    each: NDArray[np.float64] | None = None,
) -> Lags:
    """Choose the two lags of a slope from data pooled over replicas.

    1. The slope s_k between lag t_k and 3 t_k is compared with that at every longer lag. The
       first t_k whose slope falls to none of them by more than 2.5 standard errors marks the end of the relaxation: a
       test at one standard error would find a fall by chance among so many lags. The error is that of normal
       displacements whose M is straight beyond t_k, for lags of at least 24 blocks, or the scatter of s_k - s_l
       between replicas, at the same probability, where `each` gives them.
    2. Six times that lag is the earliest short lag allowed, or t_k itself if M is straight from the first lag on.
    3. A tail of the relaxation too weak to be seen can still bias a slope at short lags by more than its small error.
       A tail t^-p with p = ½ and the error (t / observed)^½ balance at t ~ observed^½: the short lag is at least
       (observed * sample spacing / 20)^½.
    4. Among the allowed pairs the one with the least expected variance is taken, which makes lags longer where
       to-and-fro motion hides the diffusion.

    Parameters
    ----------
    lag : (n_lags,) float64
        Ascending and positive; the first is the spacing of the samples.
    msd : (n_lags,) float64
        Summed over the Cartesian components, pooled over replicas.
    durations : sequence of float
        Length of every replica, same unit as `lag`.
    components : float
        Independent components per replica (3 for a collective displacement).
    longest : float
        Longest lag to use.
    each : (n_replicas, n_lags) float64, optional
        The mean square displacement of every replica; used if there are 3 or more.
    """
    observed = float(sum(durations))
    scattered = each is not None and len(each) >= FEW_REPLICAS
    probe = lag[(PROBE_RATIO * lag <= min(longest, lag[-1]) * (1 + 1e-9)) & np.isfinite(msd)]
    if not scattered:
        probe = probe[observed >= PROBE_BLOCKS * PROBE_RATIO * probe]
    if not probe.size:
        return Lags(float(lag[0]), 2, resolved=False)
    slope = _probed(lag, msd, probe)
    if each is not None and scattered:
        paired = np.array([_probed(lag, one, probe) for one in each])
        straight = [_falls_by_chance(paired, k) for k in range(len(probe))]
    else:
        straight = [_falls_within_error(lag, msd, probe, slope, k, durations, components) for k in range(len(probe))]
    straight[-1] = True
    first = straight.index(True)
    growth = Growth(lag, msd, float(probe[first]), max(float(slope[first]), 1e-9 * float(msd[-1] / lag[-1])))
    relaxes = first > 0 or msd[0] / lag[0] > 6 * growth.rate * (1 + _start_error(growth, durations, components))
    earliest = max(probe[first] * (SAFETY if relaxes else 1), np.sqrt(observed * lag[0] / BALANCE))
    resolved = first < len(probe) - 2 or len(probe) <= 2
    return _least_variance(growth, min(earliest, probe[-1]), durations, longest, resolved=resolved)


def _probed(lag: NDArray[np.float64], msd: NDArray[np.float64], probe: NDArray[np.float64]) -> NDArray[np.float64]:
    """Slope K between every probe lag and three times that lag."""
    rise = np.interp(PROBE_RATIO * probe, lag, msd) - np.interp(probe, lag, msd)
    return np.asarray(rise / (6 * probe * (PROBE_RATIO - 1)))


def _falls_by_chance(paired: NDArray[np.float64], k: int) -> bool:
    """Tell whether the slope at k is within the scatter between replicas of all later ones; (n_replicas, n_probes)."""
    fall = paired[:, k : k + 1] - paired[:, k + 1 :]
    n = len(paired)
    allowed = stats.t.isf(stats.norm.sf(FALL), n - 1) * fall.std(axis=0, ddof=1) / np.sqrt(n)
    return bool((fall.mean(axis=0) <= allowed).all()) and paired[:, k].mean() > 0


def _falls_within_error(
    lag: NDArray[np.float64],
    msd: NDArray[np.float64],
    probe: NDArray[np.float64],
    slope: NDArray[np.float64],
    k: int,
    durations: Sequence[float],
    components: float,
) -> bool:
    """Tell whether no later slope lies below the one at k by more than its error if M is straight from k on."""
    if slope[k] <= 0:
        return False
    growth = Growth(lag, msd, float(probe[k]), float(slope[k]))
    for later, found in zip(probe[k + 1 :], slope[k + 1 :], strict=True):
        if found < slope[k]:
            variance = pooled_variance(growth, float(later), PROBE_RATIO * float(later), durations) / components
            if slope[k] - found > FALL * np.sqrt(variance):
                return False
    return True


def _start_error(growth: Growth, durations: Sequence[float], components: float) -> float:
    """Relative error, FALL standard errors, of the slope at the start of the line."""
    variance = pooled_variance(growth, growth.start, PROBE_RATIO * growth.start, durations) / components
    return FALL * float(np.sqrt(variance)) / growth.rate


def pooled_variance(growth: Growth, short: float, long: float, durations: Sequence[float]) -> float:
    """Variance of K of one component from all replicas, each weighted by its number of time origins."""
    weight = np.maximum(np.asarray(durations) - long, 0)
    if not weight.any():
        return float("inf")
    weight = weight / weight.sum()
    alone = {d: growth.slope_variance(short, long, d) for d in set(durations)}
    return float(sum(w**2 * alone[d] for w, d in zip(weight, durations, strict=True) if w > 0))


def _least_variance(
    growth: Growth, earliest: float, durations: Sequence[float], longest: float, *, resolved: bool
) -> Lags:
    """Return the pair of lags, the short one from `earliest` on, whose slope has the least expected variance."""
    allowed = growth.lag[growth.lag >= earliest * (1 - 1e-9)]
    best, best_variance = Lags(float(allowed[0]), 2, resolved=resolved), np.inf
    for short in allowed:
        for ratio in RATIOS:
            long = ratio * float(short)
            if long > longest * (1 + 1e-9) or sum(durations) < MIN_BLOCKS * long:
                break
            variance = pooled_variance(growth, float(short), long, durations)
            if variance < best_variance:
                best, best_variance = Lags(float(short), ratio, resolved=resolved), variance
    return best
