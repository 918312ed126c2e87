"""Transference numbers: electrical, steady-state, and those of a measurement after Bruce, Vincent and Evans.

Electrical: t_i = Σ_j sigma_ij / sigma, the share of the current in a field without gradients; it may leave 0 to 1 where
species drag each other. Steady-state: electrodes that exchange species i alone let gradients stop all others, and what
is left of the current is [sigma_ii - Σ_jk sigma_ij (sigma_oo^-1)_jk sigma_ki] / sigma with j, k over the other mobile
species; for two species (sigma_LL - sigma_LD²/sigma_DD) / sigma. A cell with such electrodes measures the latter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from analysis.conductivity import LONGER
from analysis.displacements import Displacements
from analysis.onsager import PairSlopes, orientation_mean, pair_slopes
from analysis.statistics import Interval, normal_quantile
from structures.errors import InputError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

LARGE_VOLTAGE = 0.025  # kT/e at room temperature, V


@dataclass(frozen=True, eq=False, slots=True)
class Transference:
    """Transference numbers of all species at one composition and temperature.

    Attributes
    ----------
    species_names : tuple of str
    electrical : tuple of Interval
        They sum to 1; without ends where a partner may move and was not seen to.
    steady_state : tuple of Interval
        Of cells whose electrodes exchange that species alone, within 0 to 1; nan if the slopes of the others are not
        those of a motion.
    statements : tuple of str
    """

    species_names: tuple[str, ...]
    electrical: tuple[Interval, ...]
    steady_state: tuple[Interval, ...]
    statements: tuple[str, ...]

    def to_frame(self) -> pd.DataFrame:
        """Return one row per species."""
        import pandas as pd

        return pd.DataFrame(
            {
                "species": name,
                "t": own.value,
                "t lo": own.lo,
                "t hi": own.hi,
                "t steady": steady.value,
                "t steady lo": steady.lo,
                "t steady hi": steady.hi,
            }
            for name, own, steady in zip(self.species_names, self.electrical, self.steady_state, strict=True)
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw both kinds of every species with their intervals."""
        from analysis.transport_pictures import bars

        labels = [f"{name}\n{kind}" for name in self.species_names for kind in ("electrical", "steady state")]
        pairs = [t for both in zip(self.electrical, self.steady_state, strict=True) for t in both]
        return bars(labels, np.array([[t.value, t.lo, t.hi] for t in pairs]), "transference number", ax)


def transference(data: Displacements) -> Transference:
    """Transference numbers with intervals that keep the correlation of numerator and denominator.

    Parameters
    ----------
    data : Displacements
    """
    _, _, slopes = pair_slopes(data)
    return transference_of(data, slopes)


def transference_of(data: Displacements, slopes: PairSlopes | None) -> Transference:
    """Transference numbers from slopes that are known already; nan everywhere for `None`."""
    names, nan = data.species_names, float("nan")
    none, zero = Interval(nan, nan, nan), Interval(0.0, nan, nan)
    if slopes is None:
        return Transference(names, (none,) * len(names), (none,) * len(names), (*data.statements, _still(data)))
    charged = data.moves & (data.charge != 0)
    moved = charged & np.any([path.any(axis=(0, 2)) for path in data.collective], axis=0)
    said = list(data.statements)
    if alone := int(moved.sum()) == 1:
        known = 1.0 if charged.sum() == 1 else nan
        own = steady = tuple(Interval(1.0, known, known) if one else zero for one in moved)
    else:
        own = tuple(slopes.interval(_share(i)) if one else zero for i, one in enumerate(moved))
        steady = tuple(_steady(slopes, i, moved) if one else zero for i, one in enumerate(moved))
    if (charged & ~moved).any():
        still = ", ".join(name for name, one in zip(names, charged & ~moved, strict=True) if one)
        what = f"t({names[int(moved.argmax())]}) = 1 without an interval" if alone else "its share is unknown"
        said.append(
            f"{data.label}: {still} not seen to move: {what}; add runs {LONGER:.2g} times as long".removeprefix(": ")
        )
    return Transference(names, own, steady, tuple(said))


def _share(i: int) -> Callable[[NDArray[np.float64]], float]:
    def electrical(slopes: NDArray[np.float64]) -> float:
        sigma = orientation_mean(slopes)
        return float(sigma[i].sum() / sigma.sum())

    return electrical


def _steady(slopes: PairSlopes, i: int, moved: NDArray[np.bool_]) -> Interval:
    """Steady-state number 1 - rho², with rho the correlation of the other species with the total.

    Errors propagate in Fisher's artanh(rho), which keeps the ends within 0 to 1. A rho of 1 or more, which noise in the
    slopes allows, makes the number zero.
    """
    others = np.flatnonzero(moved & (np.arange(len(moved)) != i))
    z = slopes.interval(lambda L: _fisher(_correlation(L, others)))
    if np.isfinite(z.value):
        near, far = _sizes(z)
        return Interval(*(float(1 / np.cosh(at) ** 2) for at in (z.value, far, near)))
    rho = slopes.interval(lambda L: _correlation(L, others))
    if np.isnan(rho.value):
        return rho
    return Interval(0.0, 0.0 if np.isfinite(rho.lo) else rho.lo, max(1 - _sizes(rho)[0] ** 2, 0.0))


def _fisher(rho: float) -> float:
    return float(np.arctanh(rho)) if abs(rho) < 1 else float("nan")


def _sizes(interval: Interval) -> tuple[float, float]:
    """Smallest and largest absolute value in an interval; nan without ends."""
    ends = sorted((abs(interval.lo), abs(interval.hi)))
    return (0.0 if interval.lo < 0 < interval.hi else ends[0]), ends[1]


def _correlation(slopes: NDArray[np.float64], others: NDArray[np.intp]) -> float:
    """Correlation of the charge displacement of some species, as well as they explain it, with the total.

    What is left where these may not flow is sigma - w·(sigma_oo^-1)·w with w_j = Σ_k sigma_jk, the Schur complement of
    the module's head, written with the total. Of one other species the sign is kept.
    """
    sigma = orientation_mean(slopes)
    among, total = sigma[np.ix_(others, others)], float(sigma.sum())
    if not (np.linalg.eigvalsh(among)[0] > 0 and total > 0):
        return float("nan")
    with_total = sigma[others].sum(axis=1)
    size = float(np.sqrt(with_total @ np.linalg.solve(among, with_total) / total))
    return float(np.copysign(size, with_total[0])) if len(others) == 1 else size


def _still(data: Displacements) -> str:
    return f"{data.label}: no transference number: no charge moved".removeprefix(": ")


@dataclass(frozen=True, slots=True)
class Polarisation:
    """A cell of two electrodes that exchange one species, polarised by a constant voltage.

    Attributes
    ----------
    voltage : float, V
        Small against kT/e.
    initial_current, steady_current : float, A
    initial_resistance, steady_resistance : float, ohm
        Of the interfaces, from impedance before and after; resistances of areas go with current densities.
    """

    voltage: float
    initial_current: float
    steady_current: float
    initial_resistance: float
    steady_resistance: float


def bruce_vincent_evans(measured: Polarisation, errors: Polarisation | None = None) -> Interval:
    """Transference number of the species that both electrodes exchange, I_s (V - I_0 R_0) / [I_0 (V - I_s R_s)].

    P. G. Bruce, J. Evans, C. A. Vincent, Solid State Ionics 28-30, 918 (1988). It is the steady-state number of
    `transference`, and equals the electrical one only where ions do not drag each other.

    Parameters
    ----------
    measured : Polarisation
    errors : Polarisation, optional
        Standard errors of the five numbers, independent of each other; without them the interval has no ends.

    Returns
    -------
    Interval
        95 %, by linear propagation.

    Raises
    ------
    InputError
        If a number cannot be measured: currents and voltage not of one sign, a negative resistance or error, an
        interface that takes the whole voltage, a voltage above kT/e.
    """
    V, I_0, I_s = measured.voltage, measured.initial_current, measured.steady_current
    R_0, R_s = measured.initial_resistance, measured.steady_resistance
    numbers = np.array([V, I_0, I_s, R_0, R_s])
    if not np.isfinite(numbers).all() or not V > 0 or not I_0 > 0 or not I_s > 0 or R_0 < 0 or R_s < 0:
        raise InputError(
            "polarisation: expected a positive voltage and currents and resistances that are not negative; "
            f"found {V:g} V, {I_0:g} A, {I_s:g} A, {R_0:g} ohm, {R_s:g} ohm"
        )
    if V > LARGE_VOLTAGE:
        raise InputError(f"voltage: expected one below kT/e, {LARGE_VOLTAGE} V, for a linear cell; found {V:g} V")
    for current, resistance, when in ((I_0, R_0, "initial"), (I_s, R_s, "steady")):
        if not current * resistance < V:
            raise InputError(
                f"{when} current and resistance: expected less than the voltage {V:g} V over the interfaces; "
                f"found {current * resistance:g} V"
            )
    before, after = V - I_0 * R_0, V - I_s * R_s
    t = I_s * before / (I_0 * after)
    nan = float("nan")
    if errors is None:
        return Interval(t, nan, nan)
    spread = np.array([errors.voltage, errors.initial_current, errors.steady_current])
    spread = np.append(spread, [errors.initial_resistance, errors.steady_resistance])
    if not np.isfinite(spread).all() or (spread < 0).any():
        raise InputError(f"errors: expected numbers that are not negative; found {spread.tolist()}")
    slope = t * np.array([1 / before - 1 / after, -V / (I_0 * before), V / (I_s * after), -I_0 / before, I_s / after])
    half = normal_quantile() * float(np.sqrt(((slope * spread) ** 2).sum()))
    return Interval(t, t - half, t + half)
