"""A surface through simulated points, with an error everywhere: a Gaussian process over straight planes.

y(u) = h(u)·β + f(u) + r(u) + noise. h is a constant, with enough points also every coordinate, β has a flat prior; f
has the Matérn 5/2 covariance with a length of its own along every coordinate; r is roughness, independent from place to
place, because a network may change abruptly with a parameter; the noise of each point is known. Lengths, size of f and
roughness maximise the restricted likelihood (β integrated out) times wide priors; their logarithms are then drawn from
the curvature there, and mean and variance are those of the mixture, so that what few points cannot tell about them is
part of the error (Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, sections 2.7 and 5.4).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky, solve_triangular
from scipy.optimize import minimize

Array = NDArray[np.float64]

N_DRAWS = 12  # of lengths, size and roughness
FOR_PLANE = 3  # points beyond those that a plane takes, from which on one is fitted
_LENGTH, _LENGTH_SPREAD = 0.8, 0.7  # of the unit coordinates, and of its logarithm: wide priors
_SIZE, _SIZE_SPREAD = 0.5, 1.0  # of f, as a share of the spread of the values
_ROUGH, _ROUGH_SPREAD = 0.03, 1.2  # in units of y, a logarithm: roughness of some per cent
_SMOOTH = 1e-6
_STEP = 0.05  # of logarithms, in finite differences


@dataclass(frozen=True, eq=False, slots=True)
class Surrogate:
    """The surface.

    Attributes
    ----------
    place : (n, d) float64
        Coordinates of the points, each within 0 to 1.
    value : (n,) float64
    noise : (n,) float64
        Standard errors of the values.
    draws : (n_draws, d + 2) float64
        Logarithms of the lengths, of the size of f and of the roughness.
    """

    place: Array
    value: Array
    noise: Array
    draws: Array
    _processes: tuple[_Process, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        made = (_process(self.place, self.value, self.noise, draw) for draw in self.draws)
        object.__setattr__(self, "_processes", tuple(made))

    def __call__(self, places: Array) -> tuple[Array, Array]:
        """Mean and variance of what a simulation without noise would give.

        Parameters
        ----------
        places : (m, d) float64

        Returns
        -------
        mean, variance : (m,) float64
        """
        found = [process.predict(self.place, places) for process in self._processes]
        means, variances = (np.array(part) for part in zip(*found, strict=True))
        return means.mean(axis=0), variances.mean(axis=0) + means.var(axis=0)

    @property
    def roughness(self) -> float:
        """Scatter from place to place that the noise of the points does not explain."""
        return float(np.exp(np.median(self.draws[:, -1])))

    def left_out(self) -> tuple[Array, Array]:
        """Each point against the surface through all others: difference, and the standard deviation expected of it.

        Returns
        -------
        difference, error : (n,) float64
            nan where too few points are left.
        """
        n = len(self.value)
        difference, error = np.full(n, np.nan), np.full(n, np.nan)
        for k in range(n if n > 2 else 0):
            rest = np.arange(n) != k
            part = Surrogate(self.place[rest], self.value[rest], self.noise[rest], self.draws)
            mean, variance = part(self.place[k : k + 1])
            difference[k] = self.value[k] - mean[0]
            error[k] = np.sqrt(variance[0] + self.noise[k] ** 2)
        return difference, error

    def with_point(self, place: Array) -> Surrogate:
        """Return the surface with its own value at a further place, as if simulated there; its variance changes."""
        mean, _ = self(place[None, :])
        return Surrogate(
            np.vstack([self.place, place]),
            np.append(self.value, mean),
            np.append(self.noise, np.median(self.noise)),
            self.draws,
        )


def fit_surrogate(place: Array, value: Array, noise: Array) -> Surrogate:
    """Fit a surface to points.

    Parameters
    ----------
    place : (n, d) float64
        Within 0 to 1; d may be zero, for a number that depends on nothing.
    value : (n,) float64
    noise : (n,) float64
        Standard errors, positive.

    Raises
    ------
    ValueError
        If there is no point, or a number is not finite or a standard error not positive.
    """
    if not len(value):
        raise ValueError("a surface needs at least one point; got none")
    if not (np.isfinite(place).all() and np.isfinite(value).all() and np.isfinite(noise).all() and (noise > 0).all()):
        raise ValueError("places, values and standard errors of a surface must be finite, and the errors positive")
    d = place.shape[1]
    if d == 0:  # one place only, so that there is no roughness from place to place
        return Surrogate(place, value, noise, np.array([[0.0, np.log(_SMOOTH)]]))
    centre, spread = _prior(value, d)

    def cost(theta: Array) -> float:
        return _restricted(place, value, noise, theta) + 0.5 * float((((theta - centre) / spread) ** 2).sum())

    starts = [centre, centre + np.r_[np.full(d, -0.8), 0.0, 0.5]]
    tries = [minimize(cost, start, method="L-BFGS-B", bounds=_bounds(centre, spread)) for start in starts]
    best = np.asarray(min(tries, key=lambda found: float(found.fun)).x, dtype=np.float64)
    covariance = np.linalg.inv(_curvature(cost, best, spread))
    rng = np.random.default_rng(len(value))
    draws = rng.multivariate_normal(best, covariance, size=N_DRAWS - 1, method="eigh")
    draws = np.clip(draws, centre - 3 * spread, centre + 3 * spread)
    return Surrogate(place, value, noise, np.vstack([best, draws]))


def _prior(value: Array, d: int) -> tuple[Array, Array]:
    """Centre and spread of the logarithms of lengths, size and roughness."""
    size = max(_SIZE * float(value.std()), 0.05)
    centre = np.r_[np.full(d, np.log(_LENGTH)), np.log(size), np.log(_ROUGH)]
    return centre, np.r_[np.full(d, _LENGTH_SPREAD), _SIZE_SPREAD, _ROUGH_SPREAD]


def _bounds(centre: Array, spread: Array) -> list[tuple[float, float]]:
    return [(c - 3 * s, c + 3 * s) for c, s in zip(centre, spread, strict=True)]


def _curvature(cost: object, best: Array, spread: Array) -> Array:
    """Second derivatives of the cost, at least those of the prior, so that no direction is free."""
    call, n = cost, len(best)
    steps = _STEP * np.eye(n)
    hessian = np.empty((n, n))
    for i in range(n):
        for j in range(i, n):
            value = sum(
                a * b * call(best + a * steps[i] + b * steps[j])  # type: ignore[operator]
                for a in (1, -1)
                for b in (1, -1)
            )
            hessian[i, j] = hessian[j, i] = value / (4 * (_STEP) ** 2)
    prior = np.diag(spread**-2)
    values, vectors = np.linalg.eigh(hessian - prior)
    return np.asarray((vectors * np.maximum(values, 0.0)) @ vectors.T + prior)


def _basis(place: Array, n: int) -> Array:
    """Give a constant, and with enough points every coordinate."""
    d = place.shape[1]
    planes = place if n >= d + 1 + FOR_PLANE else place[:, :0]
    return np.hstack([np.ones((len(place), 1)), planes])


def _covariance(a: Array, b: Array, theta: Array) -> Array:
    """Matérn 5/2 between places, (len(a), len(b)); zero without coordinates."""
    d = a.shape[1]
    if d == 0:
        return np.zeros((len(a), len(b)))
    squared = np.zeros((len(a), len(b)))
    for k in range(d):
        squared += ((a[:, k, None] - b[None, :, k]) / np.exp(theta[k])) ** 2
    squared *= 5.0
    r = np.sqrt(squared)
    return np.asarray(np.exp(2 * theta[d]) * (1 + r + squared / 3) * np.exp(-r))


def _factors(place: Array, noise: Array, theta: Array) -> tuple[Array, Array, Array]:
    """Cholesky factor of the covariance of the values, the basis, and the factor of the covariance of β."""
    K = _covariance(place, place, theta) + np.diag(noise**2 + np.exp(2 * theta[-1]))
    L = cholesky(K, lower=True)
    H = _basis(place, len(place))
    LH = solve_triangular(L, H, lower=True)
    return L, H, cholesky(LH.T @ LH, lower=True)


def _restricted(place: Array, value: Array, noise: Array, theta: Array) -> float:
    """Minus the logarithm of the likelihood with β integrated out."""
    try:
        L, H, A = _factors(place, noise, theta)
    except np.linalg.LinAlgError:
        return 1e10
    z = solve_triangular(L, value, lower=True)
    w = solve_triangular(A, solve_triangular(L, H, lower=True).T @ z, lower=True)
    return float(0.5 * (z @ z - w @ w) + np.log(np.diag(L)).sum() + np.log(np.diag(A)).sum())


@dataclass(frozen=True, eq=False, slots=True)
class _Process:
    """The process at given lengths, size and roughness, with what every prediction needs.

    Attributes
    ----------
    theta : (d + 2,) float64
    inverse : (n, n) float64
        Of the Cholesky factor of the covariance of the values.
    weight : (n,) float64
        Of the covariances with the points, in the mean.
    beta : (h,) float64
    basis : (n, h) float64
        Covariance of the values applied to the basis, from the left and inverted.
    spread : (h, h) float64
        Root of the covariance of beta.
    """

    theta: Array
    inverse: Array
    weight: Array
    beta: Array
    basis: Array
    spread: Array

    def predict(self, place: Array, places: Array) -> tuple[Array, Array]:
        """Mean and variance at other places."""
        d = place.shape[1]
        cross = _covariance(place, places, self.theta)
        H = _basis(places, len(place))
        half = self.inverse @ cross
        left = self.spread @ (H - cross.T @ self.basis).T
        size = np.exp(2 * self.theta[d]) if d else 0.0
        variance = size + np.exp(2 * self.theta[-1]) - (half**2).sum(axis=0) + (left**2).sum(axis=0)
        return H @ self.beta + cross.T @ self.weight, np.maximum(variance, 1e-12)


def _process(place: Array, value: Array, noise: Array, theta: Array) -> _Process:
    L, H, A = _factors(place, noise, theta)
    inverse = solve_triangular(L, np.eye(len(L)), lower=True)
    Ky, KH = inverse.T @ (inverse @ value), inverse.T @ (inverse @ H)
    spread = solve_triangular(A, np.eye(len(A)), lower=True)
    beta = spread.T @ (spread @ (H.T @ Ky))
    return _Process(theta, inverse, Ky - KH @ beta, beta, KH, spread)
