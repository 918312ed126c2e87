"""The loading at which the conductivity is largest, with an interval, all maxima, and what the scan cannot tell.

Near a maximum ln sigma of the loading is fitted by a quartic over the points above half of that maximum; a parabola
through the whole scan would be pulled off by its tails, and a cubic is off by as much as its own error where the curve
is steeper on one side. Where the scan has too few such points for a fit, the interval
reaches to the neighbours of the highest one. The interval comes from a bootstrap over replicas that repeats
the choice of the maximum, of its points, and of the fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from analysis.statistics import LEVEL, Interval, normal_quantile, resampled_means

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

Edge = Literal["", "at least", "at most"]
SIGNIFICANT_DIP = 2.5  # standard errors by which a minimum must lie below both of its maxima
FEWEST_POINTS = 4  # for a fit
HIGHEST_DEGREE = 4
DEPTHS = (2.0, 1.6, 1.35, 1.2, 1.1, 1.05)  # points above the maximum over this are fitted
ADEQUATE = 0.05  # probability of a larger χ² by chance
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
    intervals : tuple of Interval
        Loading of each of `maxima`, from the bootstrap samples that have one between the same minima.
    shares : tuple of float
        Share of bootstrap samples in which each of `maxima` is the highest.
    scan : (n_loadings,) float64
    sigma : (n_loadings,) float64
        Mean over replicas.
    log_error : (n_loadings,) float64
        Standard errors of its logarithm.
    """

    loading: Interval
    edge: Edge
    edge_share: float
    maxima: tuple[Maximum, ...]
    minima: tuple[float, ...]
    best_set: tuple[float, ...]
    intervals: tuple[Interval, ...] = ()
    shares: tuple[float, ...] = ()
    scan: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    sigma: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    log_error: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))

    @property
    def near_edge(self) -> bool:
        """Tell whether the scan may end before the highest maximum."""
        return self.edge != "" or self.edge_share > NEAR_EDGE

    def to_frame(self) -> pd.DataFrame:
        """One row per maximum, with the interval of its loading and how often a bootstrap sample has it highest."""
        import pandas as pd

        best = set(self.best_set)
        bounds = [-np.inf, *self.minima, np.inf]
        rows: list[dict[str, Any]] = []
        for k, (maximum, interval, share) in enumerate(zip(self.maxima, self.intervals, self.shares, strict=True)):
            among = any(bounds[k] < x < bounds[k + 1] for x in best)
            rows.append({
                "loading": maximum.loading,
                "loading lo": interval.lo,
                "loading hi": interval.hi,
                "sigma (S/cm)": maximum.sigma,
                "edge": maximum.edge,
                "share highest": share,
                "not below the best": among,
            })  # fmt: skip
        return pd.DataFrame(rows)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw sigma of the scan with intervals, loadings not below the best filled, and where each maximum may lie."""
        from analysis.plot_style import MARKER, MUTED, colours, finish, new_axes

        ax = new_axes((6.0, 4.2)) if ax is None else ax
        colour = colours(1)[0]
        factor = np.exp(normal_quantile() * self.log_error)
        errors = [self.sigma * (1 - 1 / factor), self.sigma * (factor - 1)]
        style = MARKER | {"markerfacecolor": "white", "markeredgecolor": colour, "markeredgewidth": 1.1}
        ax.errorbar(self.scan, self.sigma, yerr=errors, fmt="o-", color=colour, linewidth=1.0, **style)
        among = np.isin(self.scan, self.best_set)
        ax.plot(self.scan[among], self.sigma[among], "o", color=colour, markersize=5.5, zorder=3)
        for maximum, interval in zip(self.maxima, self.intervals, strict=True):
            ax.axvspan(interval.lo, interval.hi, color=MUTED, alpha=0.15, linewidth=0)
            ax.axvline(maximum.loading, color=MUTED, linewidth=0.9, linestyle=":" if maximum.edge else "-")
        ax.set(yscale="log", xlabel="loading", ylabel="σ  (S / cm)")
        finish(ax)
        return ax


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
    search = _adequate_search(x, error, np.log(mean))
    maxima, minima = search.maxima(np.log(mean))
    drawn = [search.maxima(y)[0] for y in np.log(samples)]
    best, highest = _highest(maxima), [_highest(found) for found in drawn]
    bounds = [-np.inf, *minima, np.inf]
    return Optimum(
        loading=_spanned(best, highest, level),
        edge=best.edge,
        edge_share=float(np.mean([m.edge != "" for m in highest])),
        maxima=tuple(maxima),
        minima=tuple(minima),
        best_set=tuple(float(v) for v in x[_not_below_best(np.log(mean), np.log(samples), level)]),
        intervals=tuple(
            _spanned(m, [d for found in drawn for d in found if lo <= d.loading <= hi], level)
            for m, (lo, hi) in zip(maxima, pairwise(bounds), strict=True)
        ),
        shares=tuple(float(np.mean([lo < m.loading <= hi for m in highest])) for lo, hi in pairwise(bounds)),
        scan=x,
        sigma=mean,
        log_error=error,
    )


def _highest(maxima: Sequence[Maximum]) -> Maximum:
    return max(maxima, key=lambda m: m.sigma)


def _spanned(found: Maximum, drawn: Sequence[Maximum], level: float) -> Interval:
    """Give the loading of a maximum with the quantiles of where bootstrap samples have it."""
    lo = np.quantile([found.lo, *(m.lo for m in drawn)], 0.5 - level / 2)
    hi = np.quantile([found.hi, *(m.hi for m in drawn)], 0.5 + level / 2)
    return Interval(found.loading, float(min(lo, found.loading)), float(max(hi, found.loading)))


def _adequate_search(x: NDArray[np.float64], error: NDArray[np.float64], y: NDArray[np.float64]) -> _Search:
    """Search over the most points around each maximum that the fits go through within the errors."""
    for depth in DEPTHS:
        search = _Search(x, error, depth)
        if search.adequate(y):
            break
    return search


class _Search:
    """Search for maxima of many curves on one scan; the fits are linear in the curve and kept as matrices.

    Parameters
    ----------
    x : (n,) float64
    error : (n,) float64
        Standard errors of ln sigma.
    depth : float
        Points above a maximum divided by this are fitted; by its square where these are too few.
    """

    def __init__(self, x: NDArray[np.float64], error: NDArray[np.float64], depth: float) -> None:
        self._x, self._error, self._depth = x, np.maximum(error, 1e-12), depth
        self._fits: dict[tuple[int, int], tuple[NDArray[np.float64], NDArray[np.float64]]] = {}

    def maxima(self, y: NDArray[np.float64]) -> tuple[list[Maximum], list[float]]:
        """Maxima of ln sigma, (n,) float64, and the loadings of the minima between them."""
        peaks, dips = _peaks_and_dips(y, self._error)
        bounds = [0, *dips, len(y) - 1]
        found = [self._fitted_maximum(y, peak, bounds[k], bounds[k + 1]) for k, peak in enumerate(peaks)]
        return found, [float(self._x[d]) for d in dips]

    def adequate(self, y: NDArray[np.float64]) -> bool:
        """Tell whether the fits around all maxima inside the scan go through the points within their errors."""
        peaks, dips = _peaks_and_dips(y, self._error)
        bounds = [0, *dips, len(y) - 1]
        for k, peak in enumerate(peaks):
            lo, hi = self._window(y, peak, bounds[k], bounds[k + 1])
            dof = hi - lo - _degree(lo, hi) if hi - lo + 1 >= FEWEST_POINTS else 0
            if 0 < peak < len(y) - 1 and dof > 0:
                curve = np.interp(self._x[lo : hi + 1], *self._curve(y, lo, hi))
                chi2 = float((((y[lo : hi + 1] - curve) / self._error[lo : hi + 1]) ** 2).sum())
                if stats.chi2.sf(chi2, dof) < ADEQUATE:
                    return False
        return True

    def _window(self, y: NDArray[np.float64], peak: int, first: int, last: int) -> tuple[int, int]:
        """First and last of the points around `peak` that are fitted."""
        lo = hi = peak
        for depth in (self._depth, self._depth**2):
            above = y > y[peak] - np.log(depth)
            while lo > first and above[lo - 1]:
                lo -= 1
            while hi < last and above[hi + 1]:
                hi += 1
            if hi - lo + 1 > FEWEST_POINTS:
                break
        return lo, hi

    def _fitted_maximum(self, y: NDArray[np.float64], peak: int, first: int, last: int) -> Maximum:
        """Maximum of the local fit to the points around `peak` above half of it, from the index `first` to `last`.

        A quartic needs five points, a parabola four. With fewer the maximum is the highest point, and it
        may lie anywhere between the neighbours of that point. Where the highest point is an end of the scan, that end
        is the maximum: a fit that turns over before it would be led by the curvature of lower points.
        """
        x = self._x
        lo, hi = self._window(y, peak, first, last)
        end = float(x[peak])
        if hi - lo + 1 < FEWEST_POINTS:
            neighbours = float(x[max(peak - 1, 0)]), float(x[min(peak + 1, len(x) - 1)])
            return Maximum(end, float(np.exp(y[peak])), _edge(end, x), *neighbours)
        grid, curve = self._curve(y, lo, hi)
        top = int(curve.argmax())
        at = float(grid[top])
        if _edge(end, x):
            return Maximum(end, float(np.exp(y[peak])), _edge(end, x), min(at, end), max(at, end))
        return Maximum(at, float(np.exp(curve[top])), _edge(at, x), at, at)

    def _curve(self, y: NDArray[np.float64], lo: int, hi: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Fine grid of loadings from the point lo to the point hi, and the fit to these points there."""
        if (lo, hi) not in self._fits:
            x, weight = self._x[lo : hi + 1], 1 / self._error[lo : hi + 1]
            grid = np.linspace(x[0], x[-1], FINE + 1)
            points, fine = (np.vander((2 * v - x[0] - x[-1]) / (x[-1] - x[0]), _degree(lo, hi) + 1) for v in (x, grid))
            self._fits[lo, hi] = grid, fine @ np.linalg.pinv(points * weight[:, None]) * weight
        grid, matrix = self._fits[lo, hi]
        return grid, np.asarray(matrix @ y[lo : hi + 1])


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


def _degree(lo: int, hi: int) -> int:
    """Degree of the polynomial for the points lo to hi: four where there are five or more, two for four."""
    return HIGHEST_DEGREE if hi - lo >= HIGHEST_DEGREE else 2


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
