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
        They sum to 1.
    steady_state : tuple of Interval
        Of cells whose electrodes exchange that species alone; nan if the others do not all move measurably.
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
    n, moves, nan = len(data.species_names), data.moves, float("nan")
    statements = data.statements
    none, zero = Interval(nan, nan, nan), Interval(0.0, nan, nan)
    if slopes is None:
        return Transference(data.species_names, (none,) * n, (none,) * n, (*statements, _still(data)))
    if moves.sum() == 1:
        alone = tuple(Interval(1.0, 1.0, 1.0) if moving else zero for moving in moves)
        return Transference(data.species_names, alone, alone, statements)
    own = tuple(slopes.interval(_share(i)) if moves[i] else zero for i in range(n))
    steady = tuple(slopes.interval(_steady(i, moves)) if moves[i] else zero for i in range(n))
    return Transference(data.species_names, own, steady, statements)


def _share(i: int) -> Callable[[NDArray[np.float64]], float]:
    def electrical(slopes: NDArray[np.float64]) -> float:
        sigma = orientation_mean(slopes)
        return float(sigma[i].sum() / sigma.sum())

    return electrical


def _steady(i: int, moves: NDArray[np.bool_]) -> Callable[[NDArray[np.float64]], float]:
    others = np.flatnonzero(moves & (np.arange(len(moves)) != i))

    def steady_state(slopes: NDArray[np.float64]) -> float:
        sigma = orientation_mean(slopes)
        among = sigma[np.ix_(others, others)]
        if not np.linalg.eigvalsh(among)[0] > 0:
            return float("nan")
        left = sigma[i, i] - sigma[i, others] @ np.linalg.solve(among, sigma[others, i])
        return float(left / sigma.sum())

    return steady_state


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
