"""The loading at which the conductivity is largest, with an interval, all maxima, and what the scan cannot tell.

Near a maximum ln sigma of the loading is fitted by a cubic over the points above half of that maximum; a parabola
through the whole scan would be pulled off by its tails. Where the scan has too few such points for a fit, the interval
reaches to the neighbours of the highest one. The interval comes from a bootstrap over replicas that repeats
the choice of the maximum, of its points, and of the fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.statistics import LEVEL, Interval, resampled_means

Edge = Literal["", "at least", "at most"]
SIGNIFICANT_DIP = 2.5  # standard errors by which a minimum must lie below both of its maxima
FEWEST_POINTS = 4  # for a fit
FINE = 400
NEAR_EDGE = 0.025  # share of bootstrap samples


@dataclass(frozen=True, slots=True)
class Maximum:
    """A local maximum of the conductivity.

    Attributes
    ----------
    loading : float
    sigma : float
        Of the fit at that loading; unit of the data.
    edge : "", "at least" or "at most"
        The highest point is the upper or lower end of the scan, so that the loading is a bound.
    lo, hi : float
        What the spacing of the scan leaves open: the loading twice where a fit interpolates, else its neighbours; at
        an end of the scan from the maximum of the fit to that end.
    """

    loading: float
    sigma: float
    edge: Edge
    lo: float
    hi: float


@dataclass(frozen=True, eq=False, slots=True)
class Optimum:
    """The largest conductivity of a scan over loadings.

    Attributes
    ----------
    loading : Interval
        Of the highest maximum.
    edge : "", "at least" or "at most"
        As in `Maximum`, for the highest one.
    edge_share : float
        Share of bootstrap samples in which the highest maximum lies at an end of the scan.
    maxima : tuple of Maximum
        In the order of the loading, separated by minima significantly below both.
    minima : tuple of float
        Loadings of these minima.
    best_set : tuple of float
        Loadings of the scan whose conductivity is not significantly below the best.
    """

    loading: Interval
    edge: Edge
    edge_share: float
    maxima: tuple[Maximum, ...]
    minima: tuple[float, ...]
    best_set: tuple[float, ...]

    @property
    def near_edge(self) -> bool:
        """Tell whether the scan may end before the highest maximum."""
        return self.edge != "" or self.edge_share > NEAR_EDGE


def optimum_loading(
    loading: ArrayLike,
    sigma: Sequence[ArrayLike],
    *,
    rng: np.random.Generator,
    relative_error: ArrayLike | None = None,
    n_bootstrap: int = 400,
    level: float = LEVEL,
) -> Optimum:
    """Find the maxima of sigma(loading) and the interval of the highest one.

    Parameters
    ----------
    loading : (n_loadings,) array_like
        Ascending.
    sigma : sequence of (n_replicas,) array_like
        Conductivity of every replica at each loading; replica numbers may differ.
    rng : numpy.random.Generator
    relative_error : (n_loadings,) array_like, optional
        Relative standard error of the mean at each loading, where something better than the scatter of the replicas is
        known. The scatter of all loadings taken together is used otherwise.
    n_bootstrap : int
    level : float

    Raises
    ------
    ValueError
        If there are fewer than 3 loadings, they do not ascend, no loading has two replicas, or a mean is not positive.
    """
    x = np.asarray(loading, dtype=np.float64)
    if x.size < 3 or (np.diff(x) <= 0).any():
        raise ValueError(f"an optimum needs at least 3 ascending loadings; got {x.tolist()}")
    values = np.full((x.size, max(np.size(s) for s in sigma)), np.nan)
    for row, s in zip(values, sigma, strict=True):
        row[: np.size(s)] = s
    mean = np.nanmean(values, axis=1)
    if not (mean > 0).all():
        lowest = int(mean.argmin())
        raise ValueError(f"an optimum needs positive conductivities; got {mean[lowest]:g} at loading {x[lowest]:g}")
    count = np.isfinite(values).sum(axis=1)
    scale = np.ones(x.size) if relative_error is None else np.asarray(relative_error) * np.sqrt(count)
    samples = resampled_means(values, scale, n_bootstrap, rng)
    error = np.log(samples).std(axis=0)
    maxima, minima = find_maxima(x, mean, error)
    best = max(maxima, key=lambda m: m.sigma)
    drawn = [max(find_maxima(x, s, error)[0], key=lambda m: m.sigma) for s in samples]
    lo = np.quantile([best.lo, *(m.lo for m in drawn)], 0.5 - level / 2)
    hi = np.quantile([best.hi, *(m.hi for m in drawn)], 0.5 + level / 2)
    interval = Interval(best.loading, float(min(lo, best.loading)), float(max(hi, best.loading)))
    return Optimum(
        loading=interval,
        edge=best.edge,
        edge_share=float(np.mean([m.edge != "" for m in drawn])),
        maxima=tuple(maxima),
        minima=tuple(minima),
        best_set=tuple(float(v) for v in x[_not_below_best(np.log(mean), np.log(samples), level)]),
    )


def find_maxima(
    x: NDArray[np.float64], sigma: NDArray[np.float64], error: NDArray[np.float64]
) -> tuple[list[Maximum], list[float]]:
    """Maxima of sigma(x) and the minima between them.

    Parameters
    ----------
    x, sigma : (n,) float64
    error : (n,) float64
        Standard errors of ln sigma.

    Returns
    -------
    maxima : list of Maximum
    minima : list of float
    """
    y = np.log(sigma)
    peaks, dips = _peaks_and_dips(y, error)
    bounds = [0, *dips, len(x) - 1]
    maxima = [_fitted_maximum(x, y, error, peak, bounds[k], bounds[k + 1]) for k, peak in enumerate(peaks)]
    return maxima, [float(x[d]) for d in dips]


def _peaks_and_dips(y: NDArray[np.float64], error: NDArray[np.float64]) -> tuple[list[int], list[int]]:
    """Find the maxima that significant minima separate, and these minima, as indices.

    The shallowest dip is filled first, the lower of its two peaks goes with it, until all that is left is significant:
    the zero-dimensional persistence of the scan in units of its errors.
    """
    padded = np.concatenate([[-np.inf], y, [-np.inf]])
    peaks = [k for k in range(len(y)) if padded[k] < y[k] >= padded[k + 2]]
    dips = [a + int(y[a : b + 1].argmin()) for a, b in pairwise(peaks)]
    while dips:
        depth = [
            min((y[p] - y[d]) / np.hypot(max(error[p], 1e-12), error[d]) for p in (peaks[k], peaks[k + 1]))
            for k, d in enumerate(dips)
        ]
        k = int(np.argmin(depth))
        if depth[k] >= SIGNIFICANT_DIP:
            break
        del peaks[k if y[peaks[k]] < y[peaks[k + 1]] else k + 1]
        del dips[k]
    return peaks, dips


def _fitted_maximum(
    x: NDArray[np.float64], y: NDArray[np.float64], error: NDArray[np.float64], peak: int, first: int, last: int
) -> Maximum:
    """Maximum of the local fit to the points around `peak` above half of it, between the indices `first` and `last`.

    A cubic needs five points, a parabola four; where half of the maximum leaves fewer, a quarter bounds them. With
    fewer still the maximum is the highest point, and it may lie anywhere between the neighbours of that point.
    Where the highest point is an end of the scan, that end is the maximum: a fit that turns over before it would be led
    by the curvature of lower points.
    """
    lo = hi = peak
    for depth in (2.0, 4.0):
        above = y > y[peak] - np.log(depth)
        while lo > first and above[lo - 1]:
            lo -= 1
        while hi < last and above[hi + 1]:
            hi += 1
        if hi - lo + 1 > FEWEST_POINTS:
            break
    if hi - lo + 1 < FEWEST_POINTS:
        neighbours = float(x[max(peak - 1, 0)]), float(x[min(peak + 1, len(x) - 1)])
        return Maximum(float(x[peak]), float(np.exp(y[peak])), _edge(x[peak], x), *neighbours)
    points = slice(lo, hi + 1)
    degree = min(3, hi - lo - 1)
    fit = np.polynomial.Polynomial.fit(x[points], y[points], degree, w=1 / np.maximum(error[points], 1e-12))
    grid = np.linspace(x[lo], x[hi], FINE + 1)
    curve = fit(grid)
    top = int(curve.argmax())
    at, end = float(grid[top]), float(x[peak])
    if _edge(end, x):
        return Maximum(end, float(np.exp(y[peak])), _edge(end, x), min(at, end), max(at, end))
    return Maximum(at, float(np.exp(curve[top])), _edge(at, x), at, at)


def _edge(at: float, x: NDArray[np.float64]) -> Edge:
    return "at most" if at == x[0] else "at least" if at == x[-1] else ""


def _not_below_best(y: NDArray[np.float64], samples: NDArray[np.float64], level: float) -> NDArray[np.bool_]:
    """Tell which loadings no other beats significantly (Hsu, Multiple Comparisons, 1996, ch. 4), (n,) bool.

    The critical value is the quantile, over bootstrap samples, of the largest advantage that noise alone gives any
    loading over the truly best one, in units of the error of their difference; the best one is then in the set with
    at least the probability `level`.
    """
    noise = samples - samples.mean(axis=0)
    difference = noise[:, :, None] - noise[:, None, :]
    error = np.maximum(difference.std(axis=0), 1e-12)
    worst = (difference / error).max(axis=1)
    critical = np.quantile(worst, level, axis=0)
    advantage = ((y[:, None] - y[None, :]) / error).max(axis=0)
    return np.asarray(advantage <= critical)
