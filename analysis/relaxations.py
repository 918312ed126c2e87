"""Diffusion and relaxations of a collective displacement, from the power spectrum of its steps.

The mean square of one component of a reversible process is M(t) = 2 K_0 t + Σ a_k (1 - exp(-λ_k t)) with a_k >= 0. Its
steps are a stationary series whose power spectrum is linear in K_0 and a_k, so that both follow from a non-negative
fit, and every such fit obeys the relations of Kramers and Kronig. Estimates of the power at different frequencies are
independent of each other, which those of M at different lags are far from: the fit is Whittle's likelihood (Ark. Mat.
2, 423 (1953)) with the exact expectation of the power for a series of finite length (as A. M. Sykulski et al.,
Biometrika 106, 251 (2019)). The power is that of a sine transform: sines vanish at both ends, so that the to and fro
of the ions there, which may exceed their diffusion, does not leak into the low frequencies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft, optimize

RATES_PER_DECADE = 6
BINS_PER_DECADE = 12
POINTS_PER_BIN = 9  # at which the expected power of a wide bin is averaged
FASTEST = 10.0  # per sample; what relaxes faster has no rate that samples could tell
SLOWEST = 30.0  # per series; what is slower is not told from diffusion
EVIDENCE = 1.0  # of twice the logarithm of the likelihood
SIGNIFICANT = 6.0  # the same, for what is claimed
SAFETY = 2.0
ROUNDS = 30
TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False, slots=True)
class Periodograms:
    """Power of the steps of several series of one time step and length, averaged over bins of frequency.

    Attributes
    ----------
    step : float, s
    length : int
        Steps of each series, N.
    power : (n_series, n_bins) float64
        Mean of (2/N) (Σ_n ΔP_n sin(θ (n + ½)))², θ = π k / N, over components and the wave numbers k of a bin; the unit
        of P squared.
    ordinates : (n_bins,) float64
        Wave numbers in each bin.
    wave : (n_bins, n_points) int64
        Wave numbers that stand for the bin.
    """

    step: float
    length: int
    power: NDArray[np.float64]
    ordinates: NDArray[np.float64]
    wave: NDArray[np.int64]

    @property
    def omega(self) -> NDArray[np.float64]:
        """Mean angular frequency of every bin, (n_bins,) rad/s."""
        return np.asarray(np.pi * self.wave.mean(axis=1) / (self.length * self.step))

    def expected(self, rate: NDArray[np.float64]) -> NDArray[np.float64]:
        """Power of unit K_0 (the first column), of unit a at every rate, and at an infinite one (the last column).

        The steps of a relaxation have the autocovariance c(0) = a (1 - ρ), c(m) = -½ a (1 - ρ)² ρ^(m-1) with
        ρ = exp(-λ dt). The expected power is Σ_m c(m) [(1 - |m|/N) cos θm + sin(θ|m|) / (N sin θ)].

        Parameters
        ----------
        rate : (n_rates,) float64, 1/s

        Returns
        -------
        (n_bins, n_rates + 2) float64
        """
        decay, n = np.append(np.exp(-rate * self.step), 0.0), self.length
        theta = (np.pi * self.wave / n)[:, :, None]
        sign = np.where(self.wave % 2, -1.0, 1.0)[:, :, None]
        turn = np.exp(-1j * theta)
        z = decay * turn
        fejer = turn / (1 - z) * (1 - (1 - decay**n * sign) / (n * (1 - z)))
        ends = -(turn * (1 - decay ** (n - 1) * sign * turn.conj()) / (1 - z)).imag / (n * np.sin(theta))
        relaxing = (1 - decay) - (1 - decay) ** 2 * (fejer.real + ends).mean(axis=1)
        return np.column_stack([np.full(len(self.wave), 2 * self.step), np.maximum(relaxing, 0.0)])


@dataclass(frozen=True, eq=False, slots=True)
class Relaxations:
    """M(t) = 2 K_0 t + Σ a_k (1 - exp(-λ_k t)) + a_∞ of one component.

    Attributes
    ----------
    diffusion : float
        K_0.
    rate : (n_rates,) float64, 1/s
        λ_k, ascending.
    amplitude : (n_rates,) float64
        a_k.
    jump : float
        a_∞, of what relaxes between two samples.
    """

    diffusion: float
    rate: NDArray[np.float64]
    amplitude: NDArray[np.float64]
    jump: float

    @property
    def parameters(self) -> NDArray[np.float64]:
        """K_0, the amplitudes and a_∞ in the order of the columns of `Periodograms.expected`."""
        return np.concatenate([[self.diffusion], self.amplitude, [self.jump]])

    def scaled(self, factor: float) -> Relaxations:
        """Return the same in another unit of the square of the displacement."""
        return Relaxations(self.diffusion * factor, self.rate, self.amplitude * factor, self.jump * factor)

    def mean_square(self, t: NDArray[np.float64]) -> NDArray[np.float64]:
        """Mean square displacement M of one component at positive times."""
        relaxed = -np.expm1(-np.multiply.outer(t, self.rate)) @ self.amplitude
        return np.asarray(2 * self.diffusion * t + relaxed + self.jump)

    def response(self, omega: NDArray[np.float64]) -> NDArray[np.complex128]:
        """Half the Fourier transform of the second derivative of M: K(ω) = K_0 + Σ g_k iω / (λ_k + iω), g = a λ / 2.

        Parameters
        ----------
        omega : (n,) float64, rad/s
        """
        return np.asarray(response_matrix(omega, self.rate) @ self.parameters)


def response_matrix(omega: NDArray[np.float64], rate: NDArray[np.float64]) -> NDArray[np.complex128]:
    """K(ω) of unit K_0, of unit a at every rate and at an infinite one, (n, n_rates + 2)."""
    iw = 1j * np.asarray(omega, np.float64)[:, None]
    return np.column_stack([np.ones(len(iw)), 0.5 * rate * iw / (rate + iw), 0.5 * iw])


def joined(real: NDArray[np.float64], imaginary: NDArray[np.float64]) -> NDArray[np.complex128]:
    """Complex numbers of two parts, either of which may be infinite."""
    whole = np.empty(np.shape(real), np.complex128)
    whole.real, whole.imag = real, imaginary
    return whole


def periodograms(series: Sequence[NDArray[np.float64]], step: float) -> Periodograms:
    """Periodograms of displacements that have one time step and length.

    Parameters
    ----------
    series : sequence of (length + 1, n_components) float64
    step : float, s
    """
    steps = np.diff(np.array(series), axis=1)
    length = steps.shape[1]
    sines = fft.dst(steps, type=2, axis=1)[:, :-1] / 2  # the last, of the highest wave number, has another norm
    power = (sines**2).mean(axis=2) * (2 / length)
    edge = _bin_edges(length - 1)
    ordinates = np.diff(edge)
    share = (np.arange(POINTS_PER_BIN) + 0.5) / POINTS_PER_BIN
    wave = 1 + edge[:-1, None] + np.floor(share * ordinates[:, None]).astype(np.int64)
    binned = np.add.reduceat(power, edge[:-1], axis=1) / ordinates
    return Periodograms(step, length, binned, ordinates.astype(np.float64), wave)


@dataclass(frozen=True, eq=False, slots=True)
class PowerModel:
    """What the periodograms of several groups of series expect of every rate that they can tell.

    Attributes
    ----------
    rate : (n_rates,) float64, 1/s
        Ascending.
    design : (n_bins, n_rates + 2) float64
        `Periodograms.expected` of all groups, one below the other.
    slower : (n_bins, n_slower) float64
        Those of slower rates, from three per length of the longest series on.
    """

    rate: NDArray[np.float64]
    design: NDArray[np.float64]
    slower: NDArray[np.float64]

    @classmethod
    def of(cls, groups: Sequence[Periodograms]) -> PowerModel:
        """Take all rates from fifteen per length of the longest series to ten per sample of the finest."""
        longest = max(g.step * g.length for g in groups)
        low = SLOWEST / longest
        high = FASTEST / min(g.step for g in groups)
        n = int(np.ceil(RATES_PER_DECADE * np.log10(high / low))) + 1 if high > low else 0
        rate = np.geomspace(low, high, n) if n else np.zeros(0)
        below = np.geomspace(SLOWEST / 10, SLOWEST, RATES_PER_DECADE, endpoint=False) / longest
        slower = np.concatenate([g.expected(below)[:, 1:-1] for g in groups])
        return cls(rate, np.concatenate([g.expected(rate) for g in groups]), slower)

    def fit(
        self, power: NDArray[np.float64], weight: NDArray[np.float64], start: NDArray[np.float64] | None = None
    ) -> Relaxations:
        """Fit K_0 and the amplitudes, none negative, with no slower relaxation than the data ask for.

        A relaxation near the length of the series can take up any chance dip of the power at low frequencies, and K_0
        would come out too low. So the slowest rates are left out as long as twice the logarithm of the likelihood
        stays within 1 of the best; rates down to half of the slowest that is needed then come back, as a safety.

        Parameters
        ----------
        power : (n_bins,) float64
            Mean over the series.
        weight : (n_bins,) float64
            Independent real numbers behind each.
        start : (n_bins,) float64, optional
            Expected power to begin with.
        """
        n = len(self.rate)
        if not power.any():
            return Relaxations(0.0, self.rate, np.zeros(n), 0.0)
        fits = {0: _Fit.of(self.design, power, weight, start)}
        best = fits[0].deviance
        enough, too_few = 0, n + 1  # slowest rates that can be left out; the deviance grows with their number
        while too_few - enough > 1:
            left_out = (enough + too_few) // 2
            fits[left_out] = _Fit.of(self._columns(left_out), power, weight, fits[enough].expected)
            if fits[left_out].deviance <= best + EVIDENCE:
                enough = left_out
            else:
                too_few = left_out
        slowest = enough
        if 0 < enough < n:
            slowest = int(np.searchsorted(self.rate, self.rate[enough] / SAFETY * (1 - 1e-9)))
            fits[slowest] = _Fit.of(self._columns(slowest), power, weight, fits[enough].expected)
        x = fits[slowest].x
        return Relaxations(float(x[0]), self.rate, np.append(np.zeros(slowest), x[1:-1]), float(x[-1]))

    def has_any(self, power: NDArray[np.float64], weight: NDArray[np.float64]) -> bool:
        """Whether the power asks for any relaxation beside diffusion."""
        if not power.any():
            return False
        alone = _Fit.of(self.design[:, :1], power, weight)
        return alone.deviance - _Fit.of(self.design, power, weight).deviance > SIGNIFICANT

    def has_slower(self, power: NDArray[np.float64], weight: NDArray[np.float64]) -> bool:
        """Whether the power asks for a relaxation slower than all rates: K_0 then is that of a higher plateau."""
        if not power.any():
            return False
        known = _Fit.of(self.design, power, weight)
        more = _Fit.of(np.column_stack([self.design, self.slower]), power, weight, known.expected)
        return known.deviance - more.deviance > SIGNIFICANT

    def power(self, relaxations: Relaxations) -> NDArray[np.float64]:
        """Power that the periodograms expect, (n_bins,)."""
        return np.asarray(self.design @ relaxations.parameters)

    def _columns(self, slowest: int) -> NDArray[np.float64]:
        return np.delete(self.design, np.s_[1 : 1 + slowest], axis=1)


@dataclass(frozen=True, eq=False, slots=True)
class _Fit:
    """Whittle's likelihood at its maximum: parameters, expected power, Σ weight (ln S + power / S)."""

    x: NDArray[np.float64]
    expected: NDArray[np.float64]
    deviance: float

    @classmethod
    def of(
        cls,
        design: NDArray[np.float64],
        power: NDArray[np.float64],
        weight: NDArray[np.float64],
        start: NDArray[np.float64] | None = None,
    ) -> _Fit:
        """Minimise the deviance over x >= 0 with S = design x.

        Each round is a non-negative least-squares fit whose weights come from the power that the last one expects
        (Fisher's scoring); where it comes to rest, the gradient of the likelihood vanishes.
        """
        scale = np.maximum(design.mean(axis=0), 1e-300)
        columns, root = design / scale, np.sqrt(weight)
        least = 1e-9 * float(power.max())
        mean = float(np.average(power, weights=weight))
        expected = np.maximum(power, 0.03 * mean) if start is None else start
        x = np.zeros(len(scale))
        for _ in range(ROUNDS):
            error = expected / root
            x, _ = optimize.nnls(columns / error[:, None], power / error, maxiter=100 * len(scale))
            fitted = np.maximum(columns @ x, least)
            change = float(np.abs(fitted / expected - 1).max())
            expected = fitted
            if change < TOLERANCE:
                break
        deviance = float(weight @ (np.log(expected) + power / expected))
        return cls(x / scale, expected, deviance)


def _bin_edges(n: int) -> NDArray[np.int64]:
    """Edges of bins of one wave number each as long as they are wide, then equal on a logarithmic scale."""
    edges = [0]
    ratio = 10 ** (1 / BINS_PER_DECADE)
    while edges[-1] < n:
        edges.append(min(max(int(edges[-1] * ratio), edges[-1] + 1), n))
    if len(edges) > 2 and edges[-1] - edges[-2] < (edges[-2] - edges[-3]) / 2:
        del edges[-2]
    return np.array(edges)
