"""Intervals: t over replicas, χ² of mean squares, weighted straight lines, bootstrap.

Every function that draws random numbers takes its generator; none keeps one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """A number with the ends of its confidence interval.

    Attributes
    ----------
    value : float
    lo, hi : float
        nan where the data allow no interval.
    """

    value: float
    lo: float
    hi: float

    def scaled(self, factor: float) -> Interval:
        """Return the same interval in another unit."""
        return Interval(self.value * factor, self.lo * factor, self.hi * factor)

    @property
    def log_error(self) -> float:
        """Standard error of the logarithm, from the width of the interval at the default level."""
        if not (self.value > 0 and self.lo > 0 and np.isfinite(self.hi)):
            return float("nan")
        return float(np.log(self.hi / self.lo) / (2 * normal_quantile()))


class NotConverged(ValueError):  # noqa: N818
    """What the data cannot carry: the estimate as it stands, why, and what to add.

    Results keep these as statements; `raise` one where the number alone would mislead.

    Parameters
    ----------
    quantity : str
        "sigma (S/cm)"; opens the line.
    estimate : Interval
    reason : str
    replicas : int
        How many more replicas are expected to mend it; 0 if none do.
    longer : float
        By what factor every replica is to be longer; 1 if length is not what lacks.
    """

    quantity: str
    estimate: Interval
    reason: str
    replicas: int
    longer: float

    def __init__(
        self, quantity: str, estimate: Interval, reason: str, *, replicas: int = 0, longer: float = 1.0
    ) -> None:
        super().__init__(quantity, estimate, reason)
        self.quantity, self.estimate, self.reason = quantity, estimate, reason
        self.replicas, self.longer = replicas, longer

    def __str__(self) -> str:
        ends = f" ({self.estimate.lo:.3g} to {self.estimate.hi:.3g})" if np.isfinite(self.estimate.hi) else ""
        return f"{self.quantity}: {self.estimate.value:.3g}{ends} not converged: {self.reason}; {self.to_add}"

    @property
    def to_add(self) -> str:
        """What to add, in words."""
        more = f"{self.replicas} more replica{'s' * (self.replicas != 1)}" if self.replicas else ""
        long = f"runs {self.longer:.2g} times as long" if self.longer > 1 else ""
        return " and ".join(part for part in (more, long) if part) or "more data of this kind do not help"


def normal_quantile(level: float = LEVEL) -> float:
    """Half-width of the central interval of the normal distribution, in standard deviations."""
    return float(stats.norm.ppf(0.5 + level / 2))


def t_interval(values: ArrayLike, level: float = LEVEL) -> Interval:
    """Mean of independent replicas with Student's interval.

    Parameters
    ----------
    values : (n_replicas,) array_like
        One number per replica.
    level : float

    Returns
    -------
    Interval
        Without ends for a single replica.

    Raises
    ------
    ValueError
        If there is no replica.
    """
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or x.size == 0:
        raise ValueError(f"values must hold at least one replica in one dimension; got shape {x.shape}")
    mean = float(x.mean())
    if x.size == 1:
        return Interval(mean, float("nan"), float("nan"))
    half = float(stats.t.ppf(0.5 + level / 2, x.size - 1) * x.std(ddof=1) / np.sqrt(x.size))
    return Interval(mean, mean - half, mean + half)


def chi2_interval(mean_square: float, dof: float, level: float = LEVEL) -> Interval:
    """Interval of a variance known from a mean of `dof` independent squares of a normal variable.

    Parameters
    ----------
    mean_square : float
    dof : float
        Degrees of freedom; need not be whole (Satterthwaite, Biometrics Bulletin 2, 110 (1946)).
    level : float

    Raises
    ------
    ValueError
        If `dof` is not positive or the mean square is negative.
    """
    if not dof > 0 or mean_square < 0:
        raise ValueError(f"mean_square must not be negative and dof must be positive; got {mean_square}, {dof}")
    upper, lower = stats.chi2.ppf([0.5 + level / 2, 0.5 - level / 2], dof)
    hi = mean_square * dof / lower if lower > 0 else float("inf")
    return Interval(mean_square, float(mean_square * dof / upper), float(hi))


def ratio_interval(numerator: ArrayLike, denominator: ArrayLike, level: float = LEVEL) -> Interval:
    """Ratio of two means over the same replicas, with their correlation kept.

    The logarithm of the ratio is linearised in the two means, so each replica contributes one residual, and Student's
    interval is taken over these residuals. A bootstrap over few replicas is no substitute: it cannot leave their range,
    which for three replicas holds the true ratio in 75 % of the cases.

    Parameters
    ----------
    numerator, denominator : (n_replicas,) array_like
    level : float

    Returns
    -------
    Interval
        nan where the denominator is not positive; without ends where the ratio is not, or for a single replica.
    """
    a, b = np.asarray(numerator, dtype=np.float64), np.asarray(denominator, dtype=np.float64)
    nan = float("nan")
    if not b.mean() > 0:
        return Interval(nan, nan, nan)
    ratio = float(a.mean() / b.mean())
    if ratio <= 0 or a.size < 2:
        return Interval(ratio, nan, nan)
    log_ratio = t_interval(a / a.mean() - b / b.mean(), level)
    return Interval(ratio, ratio * float(np.exp(log_ratio.lo)), ratio * float(np.exp(log_ratio.hi)))


def resampled_means(
    values: NDArray[np.float64], scale: NDArray[np.float64], n_bootstrap: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Bootstrap of the means over replicas at several settings, by residuals.

    The relative residuals of all settings, each in units of its setting's `scale`, form one pool from which the
    replicas of every setting are drawn: three replicas at ten settings give thirty residuals instead of three. They are
    widened by sqrt(R/(R-1)), which makes their variance unbiased (Davison and Hinkley, Bootstrap Methods, 1997), and by
    the ratio of Student's to the normal quantile for the residuals there are (Hesterberg, Am. Stat. 69, 371 (2015)).

    Parameters
    ----------
    values : (n_settings, n_replicas) float64
        Positive means over replicas; nan where a setting has fewer replicas.
    scale : (n_settings,) float64
        Relative spread of one replica at each setting, up to a common factor.
    n_bootstrap : int
    rng : numpy.random.Generator

    Returns
    -------
    (n_bootstrap, n_settings) float64
    """
    count = np.isfinite(values).sum(axis=1)
    mean = np.nanmean(values, axis=1)
    dof = int((count - 1).sum())
    if dof < 1:
        raise ValueError(f"bootstrap over replicas needs at least 2 at one setting; got {int(count.max())}")
    student = float(stats.t.ppf(0.5 + LEVEL / 2, dof)) / normal_quantile()
    widening = student * np.sqrt(count / np.maximum(count - 1, 1))
    residual = (values / mean[:, None] - 1) * (widening / scale)[:, None]
    pool = residual[np.isfinite(residual) & (count > 1)[:, None]]
    means = np.empty((n_bootstrap, len(mean)))
    for k, n in enumerate(count):
        drawn = pool[rng.integers(pool.size, size=(n_bootstrap, int(n)))].mean(axis=1)
        means[:, k] = mean[k] * np.maximum(1 + scale[k] * drawn, 0.02)
    return means
