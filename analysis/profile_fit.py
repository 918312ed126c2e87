"""Weighted least squares with one parameter that enters non-linearly, and intervals from the profile likelihood.

At a given value of that parameter, θ, the law is linear in the others, y = A(θ) β, so that its χ² and the mean and
error of any c(θ)·β are known in closed form. The profile likelihood of c·β is then the least, over θ, of
χ²(θ) + (c·β - c·β(θ))² / s²(θ), and its interval the union of the intervals that every θ leaves
(Murphy and van der Vaart, J. Am. Stat. Assoc. 95, 449 (2000)).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from analysis.statistics import LEVEL, Interval, normal_quantile

N_GRID = 241
N_ZOOM = 12
RESOLVED = 40  # grid points inside the interval of θ
ADEQUATE = 0.05  # probability of a larger χ² by chance

Design = Callable[[NDArray[np.float64]], NDArray[np.float64]]


@dataclass(frozen=True, eq=False, slots=True)
class ProfileFit:
    """A law fitted at every value of its non-linear parameter.

    Attributes
    ----------
    theta : (n_theta,) float64
        The parameter; one value for a law that is linear.
    chi2 : (n_theta,) float64
    coefficient : (n_theta, k) float64
    covariance : (n_theta, k, k) float64
        From the errors of the points.
    n_points : int
    n_parameters : int
        The non-linear one included.
    at_span : (bool, bool)
        The interval of θ is cut off by the lower or upper end of what was allowed.
    level : float
    """

    theta: NDArray[np.float64]
    chi2: NDArray[np.float64]
    coefficient: NDArray[np.float64]
    covariance: NDArray[np.float64]
    n_points: int
    n_parameters: int
    at_span: tuple[bool, bool]
    level: float

    @property
    def best(self) -> int:
        """Index of the least χ²."""
        return int(self.chi2.argmin())

    @property
    def adequate(self) -> bool:
        """False if χ² is exceeded by chance in fewer than 5 % of the cases; every interval is then widened by it."""
        dof = self.n_points - self.n_parameters
        return dof < 1 or bool(stats.chi2.sf(self.chi2.min(), dof) > ADEQUATE)

    @property
    def allowance(self) -> float:
        """How much χ² may exceed its least value inside an interval."""
        return _allowance(float(self.chi2.min()), self.n_points - self.n_parameters, self.level)

    def interval(self, weight: ArrayLike) -> Interval:
        """Profile-likelihood interval of c·β.

        Parameters
        ----------
        weight : (k,) or (n_theta, k) array_like
            c, which may depend on θ.
        """
        c = np.broadcast_to(np.asarray(weight, dtype=np.float64), self.coefficient.shape)
        value = (c * self.coefficient).sum(axis=1)
        variance = np.einsum("ti,tij,tj->t", c, self.covariance, c)
        left = self.allowance - (self.chi2 - self.chi2.min())
        inside = left >= 0
        half = np.sqrt(np.where(inside, left * variance, 0.0))
        lo, hi = (value - half)[inside].min(), (value + half)[inside].max()
        return Interval(float(value[self.best]), float(lo), float(hi))

    @property
    def theta_interval(self) -> Interval:
        """Profile-likelihood interval of θ; an end is nan where the data do not bound it."""
        inside = self.theta[self.chi2 - self.chi2.min() <= self.allowance]
        nan = float("nan")
        lo = nan if self.at_span[0] else float(inside.min())
        hi = nan if self.at_span[1] else float(inside.max())
        return Interval(float(self.theta[self.best]), lo, hi)


def profile_fit(
    design: Design, y: ArrayLike, error: ArrayLike, *, span: tuple[float, float] | None = None, level: float = LEVEL
) -> ProfileFit:
    """Fit y = A(θ) β at the values of θ that the data allow.

    Parameters
    ----------
    design : callable
        θ, (n_theta,), to A, (n_theta, n_points, k).
    y : (n_points,) array_like
    error : (n_points,) array_like
        Standard errors of y.
    span : (float, float), optional
        Ends of θ; a law without one, called with zero, if not given.
    level : float

    Raises
    ------
    ValueError
        If an error is not positive and finite, or there are fewer points than parameters.
    """
    y, error = np.asarray(y, dtype=np.float64), np.asarray(error, dtype=np.float64)
    if not ((error > 0) & np.isfinite(error)).all():
        raise ValueError(f"errors must be positive and finite; got {error.tolist()}")
    theta = np.zeros(1) if span is None else np.linspace(*span, N_GRID)
    n_parameters = design(theta).shape[2] + (span is not None)
    if y.size < n_parameters:
        raise ValueError(f"a law of {n_parameters} parameters needs as many points; got {y.size}")
    at_span = (False, False)
    dof = y.size - n_parameters
    for _ in range(N_ZOOM):
        chi2, coefficient, covariance = _weighted(design(theta), y, error)
        if span is None:
            break
        inside = np.flatnonzero(chi2 - chi2.min() <= _allowance(float(chi2.min()), dof, level))
        first, last = int(inside[0]), int(inside[-1])
        at_span = theta[first] <= span[0], theta[last] >= span[1]
        if last - first >= RESOLVED:
            break
        theta = np.linspace(theta[max(first - 1, 0)], theta[min(last + 1, len(theta) - 1)], N_GRID)
    return ProfileFit(theta, chi2, coefficient, covariance, y.size, n_parameters, at_span, level)


def _allowance(chi2: float, dof: int, level: float) -> float:
    """Square of the normal quantile, or of Student's times χ²/dof where the points scatter more than their errors."""
    if dof < 1 or stats.chi2.sf(chi2, dof) > ADEQUATE:
        return normal_quantile(level) ** 2
    return float(stats.t.ppf(0.5 + level / 2, dof)) ** 2 * chi2 / dof


def _weighted(
    A: NDArray[np.float64], y: NDArray[np.float64], error: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """χ² (n_theta,), coefficients (n_theta, k) and their covariance (n_theta, k, k) of linear fits."""
    scaled, z = A / error[:, None], y / error
    norm = np.maximum(np.sqrt((scaled**2).sum(axis=1)), np.finfo(float).tiny)
    inverse = np.linalg.pinv(scaled / norm[:, None, :]) / norm[:, :, None]
    beta = inverse @ z
    residual = z - np.einsum("tnk,tk->tn", scaled, beta)
    return (residual**2).sum(axis=1), beta, inverse @ inverse.transpose(0, 2, 1)
