"""Parameters of a model fitted to measured conductivities: likelihood, posterior, profiles, and what stays unknown.

ln sigma of the model at every target is a surface through simulated points (`analysis.surrogate`), known with an error.
The likelihood of a set of parameters is that of independent measurements whose logarithms have a normal error; the
error of the surface, which holds that of the simulations, is added to it in square. The prior is uniform over the
stated ranges on the stated scales (Kennedy and O'Hagan, J. R. Stat. Soc. B 63, 425 (2001), without their term for an
inadequate model: how far the model can be from the data is told by chi2, not hidden in the errors).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from analysis.posterior_sampling import Sample, sample_box
from analysis.statistics import LEVEL
from analysis.surrogate import Surrogate, fit_surrogate

Array = NDArray[np.float64]

ADEQUATE = 0.05  # probability of a larger chi2 by chance, below which the targets count as not reproduced
FLATTENED = 0.5  # power of the likelihood from which further points are drawn
_CANDIDATES = 64  # of further points
_COARSE, _FINE = 41, 81  # places of a profile, over the range and where the posterior is
_ROUNDS, _TRIES = 12, 8  # of the search for the best other parameters


@dataclass(frozen=True, slots=True)
class Range:
    """A parameter and its prior: uniform from low to high, in the value or in its logarithm.

    Attributes
    ----------
    key : str
    low, high : float
    log : bool
    """

    key: str
    low: float
    high: float
    log: bool = False

    def values(self, coordinate: Array) -> Array:
        """Values at coordinates from 0 to 1."""
        low, high = self._ends
        found = low + (high - low) * np.asarray(coordinate)
        return np.asarray(np.exp(found) if self.log else found)

    def coordinates(self, value: Array | float) -> Array:
        """Coordinates of values."""
        low, high = self._ends
        scaled = np.log(value) if self.log else np.asarray(value, dtype=np.float64)
        return np.asarray((scaled - low) / (high - low))

    @property
    def _ends(self) -> tuple[float, float]:
        return (math.log(self.low), math.log(self.high)) if self.log else (self.low, self.high)


@dataclass(frozen=True, slots=True)
class Target:
    """A measured conductivity that is fitted.

    Attributes
    ----------
    sample : str
    exchange : float
    temperature : float, K
    sigma : float, S/cm
    error : float
        Standard error of ln sigma.
    """

    sample: str
    exchange: float
    temperature: float
    sigma: float
    error: float


@dataclass(frozen=True, slots=True)
class Relation:
    """How the conductivity at a target depends on the parameters, as far as it is known exactly.

    Attributes
    ----------
    own : tuple of int
        Parameters on which it depends in a way that has to be simulated.
    scale : int or None
        Parameter that all rates there are proportional to, together with those of `ratios`.
    ratios : tuple of int
        Parameters of which only the ratio to that of `scale` has to be simulated.
    """

    own: tuple[int, ...]
    scale: int | None = None
    ratios: tuple[int, ...] = ()

    @property
    def simulated(self) -> int:
        """Coordinates of the surface."""
        return len(self.own) + len(self.ratios)

    def places(self, ranges: Sequence[Range], points: Array) -> Array:
        """Coordinates of the surface, (n, simulated), of sets of parameters, (n, p)."""
        columns = [points[:, k] for k in self.own]
        for k in self.ratios:
            a, b = ranges[k], ranges[self.scale or 0]
            ratio = np.log(a.values(points[:, k])) - self.shift(ranges, points)
            low, high = math.log(a.low / b.high), math.log(a.high / b.low)
            columns.append((ratio - low) / (high - low))
        return np.column_stack(columns) if columns else np.zeros((len(points), 0))

    def shift(self, ranges: Sequence[Range], points: Array) -> Array:
        """Give what is added to ln sigma because the conductivity is proportional to a parameter, (n,)."""
        if self.scale is None:
            return np.zeros(len(points))
        return np.log(ranges[self.scale].values(points[:, self.scale]))


@dataclass(frozen=True, eq=False, slots=True)
class Likelihood:
    """Likelihood of sets of parameters, as coordinates from 0 to 1.

    Attributes
    ----------
    ranges : tuple of Range
    targets : tuple of Target
    relations : tuple of Relation
    surfaces : tuple of Surrogate
        One for every target.
    """

    ranges: tuple[Range, ...]
    targets: tuple[Target, ...]
    relations: tuple[Relation, ...]
    surfaces: tuple[Surrogate, ...]

    def computed(self, points: Array) -> tuple[Array, Array]:
        """Ln sigma of the model at every target and the variance of what is known of it, both (n, n_targets)."""
        means, variances = [], []
        for relation, surface in zip(self.relations, self.surfaces, strict=True):
            mean, variance = surface(relation.places(self.ranges, points))
            means.append(mean + relation.shift(self.ranges, points))
            variances.append(variance)
        return np.column_stack(means), np.column_stack(variances)

    def chi2(self, points: Array) -> Array:
        """Sum over the targets of the squared difference in units of its error, (n,)."""
        difference, variance = self._against(points)
        return np.asarray((difference**2 / variance).sum(axis=1))

    def __call__(self, points: Array) -> Array:
        """Logarithm of the likelihood, (n,)."""
        difference, variance = self._against(points)
        return np.asarray(-0.5 * (difference**2 / variance + np.log(2 * np.pi * variance)).sum(axis=1))

    def _against(self, points: Array) -> tuple[Array, Array]:
        mean, variance = self.computed(points)
        measured = np.log([target.sigma for target in self.targets])
        return mean - measured, variance + np.array([target.error for target in self.targets]) ** 2


@dataclass(frozen=True, eq=False, slots=True)
class Profile:
    """Likelihood along one parameter, all others at their best.

    Attributes
    ----------
    key : str
    value : (n,) float64
    deviance : (n,) float64
        Twice the logarithm by which the likelihood is below its largest.
    best, lo, hi : float
        Most likely value and the 95 % interval.
    at_low, at_high : bool
        The end of the interval is that of the prior: the data do not bound the parameter there.
    parts : tuple of (float, float)
        Separate ranges that the interval consists of; what lies between them is excluded.
    """

    key: str
    value: Array
    deviance: Array
    best: float
    lo: float
    hi: float
    at_low: bool
    at_high: bool
    parts: tuple[tuple[float, float], ...]

    @property
    def identified(self) -> str:
        """What the data tell: "yes", "no", "only separate ranges", "only bounded from above" or "... from below"."""
        if self.at_low and self.at_high:
            return "no"
        if len(self.parts) > 1:
            return "only separate ranges"
        if self.at_low:
            return "only bounded from above"
        return "only bounded from below" if self.at_high else "yes"


@dataclass(frozen=True, eq=False, slots=True)
class Fit:
    """Everything about the parameters at one choice of those that have only a few values.

    Attributes
    ----------
    likelihood : Likelihood
    sample : Sample
        Of the posterior.
    best : (p,) float64
        Most likely coordinates.
    profiles : tuple of Profile
    """

    likelihood: Likelihood
    sample: Sample
    best: Array
    profiles: tuple[Profile, ...]

    @property
    def chi2(self) -> float:
        """Least chi2 in the ranges."""
        return float(self.likelihood.chi2(self.best[None, :])[0])

    @property
    def dof(self) -> int:
        """Targets less parameters; none or less: as many numbers as parameters, which tests nothing."""
        return len(self.likelihood.targets) - len(self.likelihood.ranges)

    @property
    def p_value(self) -> float:
        """Probability of a larger chi2 by chance; nan where there are as many parameters as targets."""
        return float(stats.chi2.sf(self.chi2, self.dof)) if self.dof > 0 else float("nan")

    @property
    def reproduces(self) -> bool:
        """Whether some set of parameters in the ranges gives the targets within their errors."""
        return bool(stats.chi2.sf(self.chi2, max(self.dof, 1)) >= ADEQUATE)

    @property
    def values(self) -> dict[str, float]:
        """Most likely values."""
        ranges = self.likelihood.ranges
        return {r.key: float(r.values(u)) for r, u in zip(ranges, self.best, strict=True)}

    def correlation(self) -> Array:
        """Correlations of the parameters in the posterior, on the scales of their ranges, (p, p)."""
        draws, weight = self.sample.draws, self.sample.weight
        centred = draws - weight @ draws
        covariance = (weight[:, None] * centred).T @ centred
        size = np.sqrt(np.maximum(np.diag(covariance), 1e-300))
        return np.asarray(covariance / np.outer(size, size))

    def shares(self, k: int) -> list[float]:
        """Posterior probabilities of the separate ranges of a parameter, each up to the middle of the next gap."""
        values = self.likelihood.ranges[k].values(self.sample.draws[:, k])
        parts = self.profiles[k].parts
        middles = [0.5 * (a[1] + b[0]) for a, b in pairwise(parts)]
        of_part = np.digitize(values, middles)
        return [float(self.sample.weight[of_part == n].sum()) for n in range(len(parts))]

    def quantiles(self, k: int, levels: Sequence[float]) -> list[float]:
        """Quantiles of a parameter in the posterior."""
        order = np.argsort(self.sample.draws[:, k])
        total = np.cumsum(self.sample.weight[order])
        found = np.interp(levels, total / total[-1], self.sample.draws[order, k])
        return [float(v) for v in self.likelihood.ranges[k].values(found)]


def likelihood_of(
    ranges: Sequence[Range], targets: Sequence[Target], relations: Sequence[Relation], points: Array, log_sigma: Array,
    error: Array,
) -> Likelihood:  # fmt: skip
    """Fit the surfaces to what was simulated.

    Parameters
    ----------
    ranges, targets, relations : sequences
    points : (n, p) float64
        Coordinates of the sets of parameters.
    log_sigma, error : (n, n_targets) float64
        Ln sigma and its standard error; nan where a simulation gave none.

    Raises
    ------
    ValueError
        If a target has no number at all.
    """
    surfaces = []
    for j, relation in enumerate(relations):
        known = np.isfinite(log_sigma[:, j]) & np.isfinite(error[:, j])
        if not known.any():
            raise ValueError(f"{targets[j].sample}: expected a conductivity from at least one set of parameters")
        at = points[known]
        reduced = log_sigma[known, j] - relation.shift(ranges, at)
        surfaces.append(fit_surrogate(relation.places(ranges, at), reduced, np.maximum(error[known, j], 1e-3)))
    return Likelihood(tuple(ranges), tuple(targets), tuple(relations), tuple(surfaces))


def fit_parameters(likelihood: Likelihood, rng: np.random.Generator) -> Fit:
    """Sample the posterior, and profile the likelihood along every parameter."""
    p = len(likelihood.ranges)
    sample = sample_box(likelihood, p, rng)
    best = sample.draws[int(likelihood(sample.draws).argmax())]
    lines = [_profile(likelihood, sample, k, rng) for k in range(p)]
    candidates = np.vstack([best[None, :], *(points for _, points, _ in lines)])
    heights = likelihood(candidates)
    best, top = candidates[int(heights.argmax())], float(heights.max())
    profiles = tuple(
        _interval(likelihood.ranges[k], at, 2 * (top - height), float(best[k]))
        for k, (at, _, height) in enumerate(lines)
    )
    return Fit(likelihood, sample, best, profiles)


def _profile(likelihood: Likelihood, sample: Sample, k: int, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Places along a parameter, the best sets of parameters there and their likelihoods.

    At every place the search begins from likely draws with this one parameter changed and takes random steps, which
    shrink, from the best found so far.
    """
    draws, weight = sample.draws, sample.weight
    inside = draws[weight > weight.max() * 1e-6, k]
    ends = max(inside.min() - 0.02, 0.0), min(inside.max() + 0.02, 1.0)
    at = np.unique(np.r_[np.linspace(0, 1, _COARSE), np.linspace(*ends, _FINE)])
    n, p = len(at), draws.shape[1]
    chosen = draws[rng.choice(len(draws), size=_TRIES, p=weight)]
    nearest = draws[np.abs(draws[:, k][None, :] - at[:, None]).argmin(axis=1)]
    found = np.concatenate([nearest[:, None, :], np.repeat(chosen[None, :, :], n, axis=0)], axis=1)
    best, height = _best_of(likelihood, found, at, k)
    if p == 1:
        return at, best, height
    step = np.maximum(np.sqrt(weight @ (draws - weight @ draws) ** 2), 0.01)
    for size in np.geomspace(2.0, 0.01, _ROUNDS):
        moves = size * step * rng.normal(size=(n, _TRIES, p))
        tried = np.concatenate([best[:, None, :], np.clip(best[:, None, :] + moves, 0, 1)], axis=1)
        best, height = _best_of(likelihood, tried, at, k)
    return at, best, height


def _best_of(likelihood: Likelihood, tried: Array, at: Array, k: int) -> tuple[Array, Array]:
    """Best of several sets of parameters, (n, m, p), at each of n places along the parameter k."""
    tried[:, :, k] = at[:, None]
    n, m, p = tried.shape
    height = likelihood(tried.reshape(n * m, p)).reshape(n, m)
    first = height.argmax(axis=1)
    return tried[np.arange(n), first], height[np.arange(n), first]


def _interval(given: Range, at: Array, deviance: Array, best: float) -> Profile:
    """Find the interval: where the deviance is below its limit, up to the ends of the prior where it stays so."""
    limit = float(stats.chi2.ppf(LEVEL, 1))
    inside = np.flatnonzero(deviance <= limit)
    inside = inside if len(inside) else np.array([deviance.argmin()])
    parts = []
    for run in np.split(inside, np.flatnonzero(np.diff(inside) > 1) + 1):
        first, last = int(run[0]), int(run[-1])
        lo = float(at[0]) if first == 0 else _crossing(at, deviance, first, first - 1, limit)
        hi = float(at[-1]) if last == len(at) - 1 else _crossing(at, deviance, last, last + 1, limit)
        lo, hi = (min(lo, best), max(hi, best)) if at[first] <= best <= at[last] else (lo, hi)
        parts.append((float(given.values(np.array(lo))), float(given.values(np.array(hi)))))
    value = float(given.values(np.array(best)))
    low, high = min(parts[0][0], value), max(parts[-1][1], value)
    at_ends = bool(inside[0] == 0), bool(inside[-1] == len(at) - 1)
    return Profile(given.key, given.values(at), np.maximum(deviance, 0.0), value, low, high, *at_ends, tuple(parts))


def _crossing(at: Array, deviance: Array, inside: int, outside: int, limit: float) -> float:
    share = (limit - deviance[inside]) / max(deviance[outside] - deviance[inside], 1e-12)
    return float(at[inside] + np.clip(share, 0, 1) * (at[outside] - at[inside]))


def probabilities(fits: Sequence[Fit]) -> Array:
    """Posterior probabilities of choices that were equally likely before, from their evidences."""
    evidence = np.array([fit.sample.log_evidence for fit in fits])
    found = np.exp(evidence - evidence.max())
    return np.asarray(found / found.sum())


def first_points(dimensions: int, n: int, rng: np.random.Generator) -> Array:
    """Places that fill the unit cube evenly, (n, dimensions); the one for a single point is its centre."""
    if dimensions == 0 or n == 1:
        return np.full((n, dimensions), 0.5)
    cubes = [stats.qmc.LatinHypercube(dimensions, rng=rng).random(n) for _ in range(64)]
    return np.asarray(max(cubes, key=_least_distance))


def _least_distance(points: Array) -> float:
    apart = ((points[:, None, :] - points[None, :, :]) ** 2).sum(axis=2)
    return float(apart[np.triu_indices(len(points), 1)].min())


def next_points(likelihood: Likelihood, n: int, rng: np.random.Generator) -> Array:
    """Places for further simulations: likely ones, one after the other where the surfaces are known least.

    Parameters
    ----------
    likelihood : Likelihood
    n : int
    rng : numpy.random.Generator

    Returns
    -------
    (n, p) float64
    """
    p = len(likelihood.ranges)
    flat = sample_box(_flattened(likelihood), p, rng)
    candidates = np.unique(flat.draws[rng.choice(len(flat.draws), size=_CANDIDATES, p=flat.weight)], axis=0)
    chosen: list[Array] = []
    current = likelihood
    for _ in range(n):
        _, variance = current.computed(candidates)
        errors = np.array([target.error for target in current.targets])
        pick = candidates[int((variance / (variance + errors**2)).sum(axis=1).argmax())]
        candidates = candidates[(candidates != pick).any(axis=1)]
        chosen.append(pick)
        surfaces = tuple(
            surface.with_point(relation.places(current.ranges, pick[None, :])[0])
            for relation, surface in zip(current.relations, current.surfaces, strict=True)
        )
        current = Likelihood(current.ranges, current.targets, current.relations, surfaces)
    return np.array(chosen).reshape(n, p)


def _flattened(likelihood: Likelihood) -> Callable[[Array], Array]:
    return lambda points: FLATTENED * likelihood(points)
