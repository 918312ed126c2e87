"""Diffusion and relaxations of a collective displacement, from the periodogram of its steps.

The mean square of one component of a reversible process is M(t) = 2 K_0 t + Σ a_k (1 - exp(-λ_k t)) with a_k >= 0. Its
steps are a stationary series whose power spectrum is linear in K_0 and a_k, so that both follow from a non-negative fit,
and every such fit obeys the relations of Kramers and Kronig. Estimates of the power at different frequencies are
independent of each other, which those of M at different lags are far from: the fit is Whittle's likelihood (Ark. Mat.
2, 423 (1953)) with the expected periodogram of a series of finite length, ends included (A. M. Sykulski et al.,
Biometrika 106, 251 (2019)).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

RATES_PER_DECADE = 8
BINS_PER_DECADE = 12
POINTS_PER_BIN = 9  # at which the expected power of a wide bin is averaged
FASTEST = 3.0  # per sample; what relaxes faster has no rate that samples could tell
SLOWEST = 6.0  # radians per segment
ITERATIONS = 40
TOLERANCE = 1e-7


@dataclass(frozen=True, eq=False, slots=True)
class Periodograms:
    """Power of the steps of several series of one time step and length, averaged over bins of frequency.

    Attributes
    ----------
    step : float, s
    length : int
        Steps of each series.
    power : (n_series, n_bins) float64
        Mean of |Σ_n ΔP_n exp(-iθn)|² / length, over components and the frequencies of a bin; the unit of P squared.
    ordinates : (n_bins,) float64
        Real numbers behind each of them, per component.
    angle : (n_bins, n_points) float64
        Angles θ per step that stand for the bin.
    """

    step: float
    length: int
    power: NDArray[np.float64]
    ordinates: NDArray[np.float64]
    angle: NDArray[np.float64]

    def expected(self, rate: NDArray[np.float64]) -> NDArray[np.float64]:
        """Power of unit K_0 (the first column), of unit a at every rate, and at an infinite one (the last column).

        Parameters
        ----------
        rate : (n_rates,) float64, 1/s

        Returns
        -------
        (n_bins, n_rates + 2) float64
        """
        decay = np.append(np.exp(-rate * self.step), 0.0)
        turn = np.exp(-1j * self.angle)[:, :, None]
        z = decay * turn
        ends = (1 - decay**self.length) / (self.length * (1 - z))  # the angles are whole turns over the series
        correlated = (turn / (1 - z) * (1 - ends)).real.mean(axis=1)
        relaxing = (1 - decay) - (1 - decay) ** 2 * correlated
        return np.column_stack([np.full(len(self.angle), 2 * self.step), np.maximum(relaxing, 0.0)])


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
        return response_matrix(omega, self.rate) @ np.concatenate(
            [[self.diffusion], self.amplitude, [self.jump]]
        )


def response_matrix(omega: NDArray[np.float64], rate: NDArray[np.float64]) -> NDArray[np.complex128]:
    """K(ω) of unit K_0, of unit a at every rate and at an infinite one, (n, n_rates + 2)."""
    iw = 1j * np.asarray(omega, np.float64)[:, None]
    return np.column_stack([np.ones(len(iw)), 0.5 * rate * iw / (rate + iw), 0.5 * iw])


def rate_grid(groups: Sequence[Periodograms]) -> NDArray[np.float64]:
    """Rates that the longest and the finest of the series can tell, 1/s."""
    low = SLOWEST / max(g.step * g.length for g in groups)
    high = FASTEST / min(g.step for g in groups)
    n = max(int(np.ceil(RATES_PER_DECADE * np.log10(high / low))), 1) if high > low else 0
    return np.geomspace(low, high, n + 1) if n else np.zeros(0)


def periodograms(series: Sequence[NDArray[np.float64]], step: float) -> Periodograms:
    """Periodograms of displacements that have one time step and length.

    Parameters
    ----------
    series : sequence of (length + 1, n_components) float64
    step : float, s
    """
    steps = np.diff(np.array(series), axis=1)
    length = steps.shape[1]
    transform = np.fft.rfft(steps, axis=1)
    power = (transform.real**2 + transform.imag**2).mean(axis=2) / length
    ordinate = np.full(power.shape[1], 2.0)
    ordinate[0] = 1.0
    if length % 2 == 0:
        ordinate[-1] = 1.0
    edge = _bin_edges(power.shape[1])
    weight = np.add.reduceat(ordinate, edge[:-1])
    binned = np.add.reduceat(power * ordinate, edge[:-1], axis=1) / weight
    share = (np.arange(POINTS_PER_BIN) + 0.5) / POINTS_PER_BIN
    inside = edge[:-1, None] + np.floor(share * np.diff(edge)[:, None]).astype(np.int64)
    return Periodograms(step, length, binned, weight, 2 * np.pi * inside / length)


def fit_relaxations(
    groups: Sequence[Periodograms],
    rate: NDArray[np.float64],
    counts: Sequence[NDArray[np.float64]] | None = None,
    expected: Sequence[NDArray[np.float64]] | None = None,
) -> Relaxations:
    """Fit K_0 and the amplitudes of given rates, none negative, at the maximum of Whittle's likelihood.

    Each round is a non-negative least-squares fit whose weights come from the power that the last one expects
    (Fisher's scoring); where it converges the gradient of the likelihood vanishes.

    Parameters
    ----------
    groups : sequence of Periodograms
    rate : (n_rates,) float64, 1/s
    counts : sequence of (n_series,) float64, optional
        How many times each series counts; once if left out.
    expected : sequence of (n_bins, n_rates + 2) float64, optional
        `Periodograms.expected` of the rates, where it is at hand.
    """
    expected = [g.expected(rate) for g in groups] if expected is None else expected
    counts = [np.ones(len(g.power)) for g in groups] if counts is None else counts
    used = [k for k, n in enumerate(counts) if n.sum() > 0]
    design = np.concatenate([expected[k] for k in used])
    power = np.concatenate([counts[k] @ groups[k].power / counts[k].sum() for k in used])
    weight = np.concatenate([groups[k].ordinates * counts[k].sum() for k in used])
    x = _most_likely(design, power, weight)
    return Relaxations(float(x[0]), rate, x[1:-1], float(x[-1]))


def _most_likely(
    design: NDArray[np.float64], power: NDArray[np.float64], weight: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Non-negative x that minimises Σ weight (ln S + power / S) with S = design x."""
    if not power.any():
        return np.zeros(design.shape[1])
    scale = design.mean(axis=0)
    scale[scale == 0] = 1.0
    columns = design / scale
    floor = 1e-9 * power.max()
    expected = np.maximum(power, 1e-2 * float(np.average(power, weights=weight)))
    for _ in range(ITERATIONS):
        error = expected / np.sqrt(weight)
        x, _ = optimize.nnls(columns / error[:, None], power / error, maxiter=50 * len(scale))
        fitted = np.maximum(columns @ x, floor)
        change = np.abs(fitted / expected - 1).max()
        expected = fitted
        if change < TOLERANCE:
            break
    return np.asarray(x / scale)


def _bin_edges(n: int) -> NDArray[np.int64]:
    """Edges of bins of one frequency each as long as they are wide, then equal on a logarithmic scale."""
    edges = [0, 1]
    ratio = 10 ** (1 / BINS_PER_DECADE)
    while edges[-1] < n:
        edges.append(min(max(int(edges[-1] * ratio), edges[-1] + 1), n))
    if len(edges) > 2 and edges[-1] - edges[-2] < (edges[-2] - edges[-3]) / 2:
        del edges[-2]
    return np.array(edges)
