"""Conductivity at a frequency, sigma(ω) = sigma_0 + Σ g iω / (λ + iω), from the collective displacement of the charge.

Time goes as exp(+iωt): the imaginary part of sigma is positive and adds sigma''/ω to the permittivity. The fit, see
`analysis.relaxations`, obeys the relations of Kramers and Kronig at every frequency.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from analysis.conductivity import anisotropic_components, block_displacements
from analysis.displacements import Displacements
from analysis.relaxations import FASTEST, Periodograms, PowerModel, Relaxations, joined, periodograms, response_matrix
from analysis.statistics import LEVEL, Interval, NotConverged
from structures.errors import InputError
from structures.units import conductivity_S_per_cm

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from kmc.trajectory import TaskRecord
    from lattice.network import PoreNetwork

SEED = 20257
N_BOOTSTRAP = 200
LEAST_STEPS = 32
PARTS = 32  # of a replica, between which the mean square step is compared
PER_DECADE = 12
HIGHEST = 0.3  # ω times the spacing of the samples, up to which the spectrum is known
BELOW = 0.1  # how far below the inverse length of the runs the table begins
THIRDS = 3  # of the bins of frequency, in each of which replicas are compared
CHANCE = 0.001
WIDE = 0.25  # standard error of ln sigma at which more data are asked for

Arrays = tuple[NDArray[np.float64], ...]


@dataclass(frozen=True, eq=False, slots=True)
class Spectrum:
    """Conductivity against frequency, with 95 % intervals.

    Attributes
    ----------
    label : str
        "x = 0.5, 300 K".
    direction : str
        "mean of all directions" or the unit vector.
    frequency : (n,) float64, Hz
        Ascending.
    sigma : (n,) complex128, S/cm
    lo, hi : (n,) complex128, S/cm
        Ends of the intervals of the real and of the imaginary part; nan where there are none.
    dc : Interval, S/cm
        Limit at zero frequency.
    high_frequency : float, S/cm
        Limit at infinite frequency, from the count of all hops; nan where it is not known.
    resolved : tuple of 2 float, Hz
        Between half a period per run and what the samples can follow. Below it sigma is extrapolated as constant.
    rate : (n_rates,) float64, 1/s
        λ of the relaxations.
    parameters : (n_rates + 2,) float64, S/cm and S s/cm
        sigma_0, 2 g/λ of every relaxation, and that of all that is faster than the samples.
    draws : (n_draws, n_rates + 2) float64
        The parameters of the bootstrap.
    not_converged : tuple of NotConverged
    statements : tuple of str
        What was left out, what the result lacks, and what to add.
    """

    label: str
    direction: str
    frequency: NDArray[np.float64]
    sigma: NDArray[np.complex128]
    lo: NDArray[np.complex128]
    hi: NDArray[np.complex128]
    dc: Interval
    high_frequency: float
    resolved: tuple[float, float]
    rate: NDArray[np.float64]
    parameters: NDArray[np.float64]
    draws: NDArray[np.float64]
    not_converged: tuple[NotConverged, ...]
    statements: tuple[str, ...]

    @property
    def value(self) -> float:
        """Conductivity at zero frequency, S/cm."""
        return self.dc.value

    @property
    def interval(self) -> Interval:
        """The same with its ends."""
        return self.dc

    @property
    def converged(self) -> bool:
        """Whether the data carry the result."""
        return not self.not_converged

    def at(self, frequency: ArrayLike) -> NDArray[np.complex128]:
        """Conductivity at any frequencies, S/cm; constant below the resolved range, extrapolated above it."""
        return np.asarray(response_matrix(_omega(frequency), self.rate) @ self.parameters)

    def drawn_at(self, frequency: ArrayLike) -> NDArray[np.complex128]:
        """Conductivity of every bootstrap draw, (n_draws, n), S/cm."""
        return np.asarray(self.draws @ response_matrix(_omega(frequency), self.rate).T)

    def to_frame(self) -> pd.DataFrame:
        """One row per frequency; units in the column names."""
        import pandas as pd

        table = {"f (Hz)": self.frequency}
        for name, part in (("sigma'", np.real), ("sigma''", np.imag)):
            for end, values in (("", self.sigma), (" lo", self.lo), (" hi", self.hi)):
                table[f"{name}{end} (S/cm)"] = part(values)
        low, high = self.resolved
        inside = (self.frequency >= low * (1 - 1e-9)) & (self.frequency <= high * (1 + 1e-9))
        return pd.DataFrame({**table, "resolved": inside})

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw both parts of the conductivity against frequency, with their intervals."""
        from analysis.spectrum_plots import draw_spectrum

        return draw_spectrum(self, ax)


def conductivity_spectrum(
    data: Displacements,
    *,
    direction: ArrayLike | None = None,
    frequency: ArrayLike | None = None,
    high_frequency: float = float("nan"),
    rng: np.random.Generator | None = None,
    n_bootstrap: int = N_BOOTSTRAP,
) -> Spectrum:
    """Fit the spectrum of the charge displacement P = Σ q_i r_i of all replicas together.

    Replicas may differ in time step and length: a short run with close samples beside a long one widens the range.

    Parameters
    ----------
    data : Displacements
    direction : (3,) array_like, optional
        Of field and current, Cartesian; without it the mean of all directions.
    frequency : (n,) array_like, Hz, optional
        Of the table; by default twelve per decade over the resolved range and one decade below.
    high_frequency : float, S/cm, optional
        Limit at infinite frequency, see `instantaneous_conductivity`; only kept and drawn.
    rng : numpy.random.Generator, optional
    n_bootstrap : int

    Returns
    -------
    Spectrum

    Raises
    ------
    InputError
        If no replica has 32 steps, the runs were made in a field, or the direction is no vector.

    Notes
    -----
    Intervals are those of a bootstrap in which every replica is drawn anew: its power at each frequency is χ²
    distributed about the fit, as for any sum of many ions; a factor for each third of the frequencies adds what the
    mean square step varies by along the run beyond that (few hops per sample, bursts of them), and what the replicas
    differ by if that is more than chance. Each draw is fitted with its own choice of relaxations. The
    interval joins the percentiles with their mirror image on a logarithmic scale, because an estimate may lie at the
    limit of a vanishing relaxation; that of the imaginary part begins at zero where no relaxation is significant.
    """
    if data.field.any():
        raise InputError(f"spectrum: expected runs without a field; found {data.field.tolist()} V/Å")
    axis = None if direction is None else _unit(direction)
    samples, short = _samples(data, axis)
    said = [f"{data.label}: {short} replicas of under {LEAST_STEPS} steps left out".removeprefix(": ")] if short else []
    model = PowerModel.of([s.periodograms for s in samples])
    fit = model.fit(*_pooled(samples))
    draws, agree = _draws(model, fit, samples, n_bootstrap, np.random.default_rng(SEED) if rng is None else rng)

    duration = max(s.periodograms.step * s.periodograms.length for s in samples)
    step = min(s.periodograms.step for s in samples)
    resolved = (0.5 / duration, HIGHEST / (2 * np.pi * step))
    at = _table_frequencies(resolved) if frequency is None else _checked_frequency(frequency)
    unit = conductivity_S_per_cm(1.0, data.volume, data.temperature)
    fit, draws = fit.scaled(unit), draws * unit
    sigma, lo, hi = _with_band(fit, draws, 2 * np.pi * at, step)
    if not model.has_any(*_pooled(samples)):
        lo = joined(lo.real, np.minimum(lo.imag, 0.0))
    _, low, high = _with_band(fit, draws, np.zeros(1), step)
    dc = Interval(fit.diffusion, float(low[0].real), float(high[0].real))
    falls = model.has_slower(*_pooled(samples))
    lacks = _lacks(dc, fit, data.n_replicas, agree=agree, falls=falls)
    return Spectrum(
        label=data.label,
        direction="mean of all directions" if axis is None else f"along ({', '.join(f'{x:.3g}' for x in axis)})",
        frequency=at,
        sigma=sigma,
        lo=lo,
        hi=hi,
        dc=dc,
        high_frequency=high_frequency,
        resolved=resolved,
        rate=model.rate,
        parameters=fit.parameters,
        draws=draws,
        not_converged=tuple(lacks),
        statements=(*data.statements, *said, *(f"{data.label}: {lack}".removeprefix(": ") for lack in lacks)),
    )


def instantaneous_conductivity(records: Sequence[TaskRecord], network: PoreNetwork) -> float:
    """Limit of the conductivity at infinite frequency, sigma_∞ = Σ_hops q² d² / (6 V kT t), S/cm.

    Parameters
    ----------
    records : sequence of TaskRecord
        Replicas of one composition and temperature.
    network : PoreNetwork
        Whose hops they count by orbit.
    """
    charge = np.array([s.charge for s in network.species])[network.site_species[network.hop_origin]]
    square = charge**2 * (network.hop_vector**2).sum(axis=1)
    of_orbit = np.bincount(network.hop_orbit, square) / np.maximum(np.bincount(network.hop_orbit), 1)
    total = sum(float(r.hop_orbit_events @ of_orbit[: len(r.hop_orbit_events)]) for r in records)
    duration = sum(float(r.time[-1]) for r in records)
    if not duration > 0:
        return float("nan")
    return conductivity_S_per_cm(total / (6 * duration), records[0].volume, records[0].temperature)


@dataclass(frozen=True, eq=False, slots=True)
class _Replicas:
    """Replicas of one time step and length.

    Attributes
    ----------
    periodograms : Periodograms
    components : (n_bins,) float64
        Independent Cartesian components at each frequency, 1 to 3.
    bursts : float
        Relative variance of the power of one replica beyond that of normal steps: hops come one by one and in bursts.
    """

    periodograms: Periodograms
    components: NDArray[np.float64]
    bursts: float

    @classmethod
    def of(cls, paths: Sequence[NDArray[np.float64]], step: float) -> _Replicas:
        power = periodograms(paths, step)
        components = np.full(len(power.ordinates), float(paths[0].shape[1]))
        if paths[0].shape[1] == 3:
            strides = np.unique(np.geomspace(1, max(power.length // 16, 1), 6).astype(int))
            at = [anisotropic_components(np.concatenate([block_displacements(p, s) for p in paths])) for s in strides]
            components = np.interp(np.log(np.pi / (power.omega * step)), np.log(strides), at)
        return cls(power, components, _bursts(paths, power, float(components[-1])))

    @property
    def n_replicas(self) -> int:
        return len(self.periodograms.power)

    @property
    def freedom(self) -> NDArray[np.float64]:
        """Independent real numbers in each bin of one replica."""
        return self.periodograms.ordinates * self.components

    @property
    def third(self) -> NDArray[np.int64]:
        """Which third of the bins each belongs to."""
        n = len(self.components)
        return np.arange(n) * THIRDS // n


@dataclass(frozen=True, eq=False, slots=True)
class _Spread:
    """What the replicas of one group differ by beyond χ²: relative variance of each third of the frequencies."""

    variance: NDArray[np.float64]
    disagree: bool


def _samples(data: Displacements, axis: NDArray[np.float64] | None) -> tuple[list[_Replicas], int]:
    """Group the charge displacements, e Å, of the replicas that are long enough; how many are not."""
    runs = []
    for time, path in zip(data.time, data.collective, strict=True):
        if len(path) > LEAST_STEPS:
            charge = np.einsum("tsd,s->td", path, data.charge * data.moves)
            runs.append((float(time[-1] / (len(time) - 1)), charge if axis is None else charge @ axis[:, None]))
    if not runs:
        longest = max(len(path) for path in data.collective) - 1
        raise InputError(f"spectrum: expected replicas of at least {LEAST_STEPS} steps; found {longest} at most")
    return [_Replicas.of(group, step) for step, group in _alike(runs)], data.n_replicas - len(runs)


def _alike(
    runs: Sequence[tuple[float, NDArray[np.float64]]],
) -> list[tuple[float, list[NDArray[np.float64]]]]:
    """Put runs of one time step and length together."""
    groups: dict[tuple[int, str], tuple[float, list[NDArray[np.float64]]]] = {}
    for step, path in runs:
        groups.setdefault((len(path), f"{step:.9e}"), (step, []))[1].append(path)
    return list(groups.values())


def _bursts(paths: Sequence[NDArray[np.float64]], power: Periodograms, components: float) -> float:
    """Relative variance of the mean square step of one replica, from its parts, less that of normal steps."""
    part = power.length // PARTS
    square = np.array([(np.diff(path[: PARTS * part + 1], axis=0) ** 2).sum(axis=1) for path in paths])
    if not square.any():
        return 0.0
    mean = square.reshape(-1, part).mean(axis=1)
    level = power.power.mean(axis=0) * power.ordinates
    normal = 2 / components * float((level**2 / power.ordinates).sum() / level.sum() ** 2)
    return max(float(mean.var(ddof=1) / mean.mean() ** 2) / PARTS - normal, 0.0)


def _pooled(samples: Sequence[_Replicas]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean power of all replicas in each bin, and the independent real numbers behind it."""
    power = np.concatenate([s.periodograms.power.mean(axis=0) for s in samples])
    return power, np.concatenate([s.n_replicas * s.freedom for s in samples])


def _spread(samples: Sequence[_Replicas], expected: NDArray[np.float64]) -> list[_Spread]:
    """Compare the replicas of each group with each other in thirds of the frequencies."""
    found, first = [], 0
    for one in samples:
        n = len(one.components)
        relative = one.periodograms.power / expected[first : first + n]
        first += n
        variance, disagree = np.zeros(THIRDS), False
        for part in range(THIRDS):
            inside = one.third == part
            if one.n_replicas < 2 or not inside.any():
                continue
            freedom = one.freedom[inside]
            level = relative[:, inside] @ freedom / freedom.sum()
            by_chance = 2 / float(freedom.sum()) + one.bursts
            normal = np.cbrt(level) / np.sqrt(by_chance / 9)  # of unit variance (Wilson and Hilferty, PNAS 17, 684)
            if stats.chi2.sf(((normal - normal.mean()) ** 2).sum(), one.n_replicas - 1) < CHANCE:
                disagree, variance[part] = True, max(float(level.var(ddof=1)) - by_chance, 0.0)
        found.append(_Spread(variance + one.bursts, disagree))
    return found


def _draws(
    model: PowerModel, fit: Relaxations, samples: Sequence[_Replicas], n_draws: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], bool]:
    """Parameters of replicas drawn anew, (n_draws, n_rates + 2), and whether the replicas agree."""
    draws = np.zeros((n_draws if fit.parameters.any() else 0, len(fit.parameters)))
    if not fit.parameters.any():
        return draws, True
    expected, weight = model.power(fit), _pooled(samples)[1]
    spread = _spread(samples, expected)
    for k in range(n_draws):
        draws[k] = model.fit(_drawn_power(samples, spread, expected, rng), weight, expected).parameters
    return draws, not any(one.disagree for one in spread)


def _drawn_power(
    samples: Sequence[_Replicas],
    spread: Sequence[_Spread],
    expected: NDArray[np.float64],
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Mean power of replicas drawn anew."""
    drawn, first = [], 0
    for one, apart in zip(samples, spread, strict=True):
        n, half = len(one.components), one.freedom / 2
        power = rng.gamma(half, 1 / half, size=(one.n_replicas, n))
        level = np.ones((one.n_replicas, THIRDS))
        for part in np.flatnonzero(apart.variance > 0):
            v = float(apart.variance[part])
            level[:, part] = rng.gamma(1 / v, v, size=one.n_replicas)
        drawn.append((power * level[:, one.third]).mean(axis=0) * expected[first : first + n])
        first += n
    return np.concatenate(drawn)


def _with_band(
    fit: Relaxations, draws: NDArray[np.float64], omega: NDArray[np.float64], step: float
) -> tuple[NDArray[np.complex128], NDArray[np.complex128], NDArray[np.complex128]]:
    """K(ω) with the ends of the intervals of its two parts.

    What relaxes between two samples adds to the imaginary part alone; what it may add to the real part, if it is no
    faster than the fastest rate of the fit, widens the interval upwards.
    """
    matrix = response_matrix(omega, fit.rate)
    value = matrix @ fit.parameters
    if not len(draws):
        missing = joined(np.full(len(omega), np.nan), np.full(len(omega), np.nan))
        return value, missing, missing
    drawn = draws @ matrix.T
    unseen = 0.5 * fit.jump * omega**2 * step / FASTEST
    ends = [_mirrored(part(value), part(drawn)) for part in (np.real, np.imag)]
    return value, joined(ends[0][0], ends[1][0]), joined(ends[0][1] + unseen, ends[1][1])


def _mirrored(
    value: NDArray[np.float64], drawn: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Percentiles, joined with their mirror image about the estimate on a logarithmic scale."""
    low, high = np.quantile(drawn, [0.5 - LEVEL / 2, 0.5 + LEVEL / 2], axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        mirror_low = np.where(value > 0, value**2 / high, 0.0)
        mirror_high = np.where(value > 0, value**2 / low, 0.0)
    return np.minimum(low, np.nan_to_num(mirror_low)), np.maximum(high, np.where(value > 0, mirror_high, 0.0))


def _lacks(dc: Interval, fit: Relaxations, n_replicas: int, *, agree: bool, falls: bool) -> list[NotConverged]:
    """Say why the limit at zero frequency is not carried by the data, and what to add."""
    name = "sigma at zero frequency (S/cm)"
    if not dc.value > 0:
        if not fit.parameters.any():
            return [NotConverged(name, dc, "no charge moved", longer=10.0)]
        return [NotConverged(name, dc, "all motion seen is to and fro", longer=10.0)]
    found = []
    if falls:
        found.append(NotConverged(name, dc, "sigma still falls at the longest times seen", longer=4.0))
    if not agree:
        reason = "replicas differ by more than chance"
        found.append(NotConverged(name, dc, reason, replicas=max(n_replicas, 8 - n_replicas), longer=4.0))
    error = dc.log_error if np.isfinite(dc.log_error) else 1.0
    if error > WIDE and not found:
        more = int(np.ceil(n_replicas * ((error / WIDE) ** 2 - 1)))
        found.append(NotConverged(name, dc, "its interval is wide", replicas=more))
    return found


def _table_frequencies(resolved: tuple[float, float]) -> NDArray[np.float64]:
    low, high = BELOW * resolved[0], resolved[1]
    return np.geomspace(low, high, int(np.ceil(PER_DECADE * np.log10(high / low))) + 1)


def _omega(frequency: ArrayLike) -> NDArray[np.float64]:
    return 2 * np.pi * _checked_frequency(frequency)


def _checked_frequency(frequency: ArrayLike) -> NDArray[np.float64]:
    frequency = np.atleast_1d(np.asarray(frequency, np.float64))
    if frequency.ndim != 1 or not len(frequency) or not (np.isfinite(frequency) & (frequency >= 0)).all():
        raise InputError("frequency: expected frequencies in Hz, not negative and finite, in one dimension")
    return frequency


def _unit(direction: ArrayLike) -> NDArray[np.float64]:
    vector = np.asarray(direction, np.float64)
    if vector.shape != (3,) or not np.isfinite(vector).all() or not vector.any():
        raise InputError(f"direction: expected a vector of 3 Cartesian components; found {vector.tolist()}")
    return vector / np.linalg.norm(vector)
