"""A separator with what is known of its transport, and what it costs a cell, with intervals.

The formulas are in `analysis.cells`. Intervals come from draws of the inputs, each independent of the others: sigma and
the diffusivity log-normal, the transference number normal in its logit, with the widths of their intervals.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis import cells
from analysis.cells import Salt
from analysis.statistics import LEVEL, Interval, normal_quantile
from analysis.transport import with_ends
from structures.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

N_DRAWS = 1000
SEED = 1899
LEAST_SHARE = 1e-3  # of a number whose interval reaches zero
NEAREST_TO_ENDS = 1e-6  # of 0 and 1, where the logit of a transference number is taken
Array = NDArray[np.float64]
Kind = Literal["salt", "counter-ions", "single ion", "small currents"]
DESCRIPTION: dict[Kind, str] = {
    "salt": "dilute 1:1 salt (Nernst and Planck, activity coefficients constant), sigma in proportion to the local "
    "concentration, t and D constant",
    "counter-ions": "two kinds of counter-ions of a fixed charge, independent of each other; electrodes exchange Li+ "
    "alone, so the others pile up where it is taken up; no free salt",
    "single ion": "Li+ alone moves: the ohmic drop is all, and no current is limiting",
    "small currents": "no salt concentration given: i L / (sigma t) in the steady state, good for currents far below "
    "an unknown limiting one",
}


@dataclass(frozen=True, slots=True)
class Separator:
    """A slab between two electrodes that exchange Li+ alone.

    Attributes
    ----------
    thickness_cm, area_cm2 : float
    sigma : Interval, S/cm
    t_Li : Interval
        Share of the current that Li+ carries where the concentration is even.
    salt_mol_per_L : float or None
        Dissolved 1:1 salt per litre of the volume that sigma refers to.
    D_salt : Interval or None, cm²/s
        Salt (ambipolar) diffusivity; from sigma and t by Nernst and Einstein if not given.
    exchange : float or None
        Share of Li+ among the counter-ions of a fixed charge, where there is no salt.
    counter_ions_mol_per_L : float or None
        All of these counter-ions; only times need it.
    porosity, tortuosity : float
        1 unless sigma and D are those of what fills the pores. They are never guessed: ohmic drop goes with
        tortuosity / porosity, the limiting current with porosity / tortuosity, Sand's time with porosity² / tortuosity.
    T : float, K
    label : str
    origin : tuple of str
        Where the numbers come from.

    Raises
    ------
    InputError
        One line with what was expected and found.
    """

    thickness_cm: float
    area_cm2: float
    sigma: Interval
    t_Li: Interval  # noqa: N815
    salt_mol_per_L: float | None = None  # noqa: N815
    D_salt: Interval | None = None
    exchange: float | None = None
    counter_ions_mol_per_L: float | None = None  # noqa: N815
    porosity: float = 1.0
    tortuosity: float = 1.0
    T: float = cells.ROOM
    label: str = ""
    origin: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            central = value.value if isinstance(value, Interval) else value
            if isinstance(central, float | int) and not (np.isfinite(central) and central > 0):
                raise InputError(f"{field.name}: expected a finite number above 0; found {central:g}")
            if isinstance(value, Interval) and not value.lo <= value.value <= value.hi and not np.isnan(value.lo):
                raise InputError(f"{field.name}: expected {value.value:g} within its interval; found {value.lo:g} to "
                                 f"{value.hi:g}")  # fmt: skip
        for name, least, most in (("t_Li", 0, 1), ("exchange", 0, 1), ("porosity", 0, 1), ("tortuosity", 1, np.inf)):
            value = getattr(self, name)
            central = value.value if isinstance(value, Interval) else value
            if central is not None and not least <= central <= most:
                span = f"from {least} to {most}" if np.isfinite(most) else f"of at least {least}"
                raise InputError(f"{name}: expected a number {span}; found {central:g}")
        if self.salt_mol_per_L is not None and self.exchange is not None:
            raise InputError("salt and exchange: expected one of them, a dissolved salt or counter-ions; found both")

    @property
    def kind(self) -> Kind:
        """What polarises."""
        if self.t_Li.value == 1 or self.exchange == 1:
            return "single ion"
        if self.salt_mol_per_L is not None:
            return "salt"
        return "small currents" if self.exchange is None else "counter-ions"

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What the numbers rest on, one line each."""
        kind = self.kind
        found = [*self.origin, DESCRIPTION[kind]]
        if kind == "salt" and self.D_salt is None:
            found.append("salt diffusivity 2 t (1 - t) sigma kT / (e F c), as sigma and t have it in an ideal salt; "
                         "the limiting current then does not depend on the concentration")  # fmt: skip
        if kind == "counter-ions":
            found.append("Sand's time with the interdiffusivity at the initial shares" if self.counter_ions_mol_per_L
                         else "no times: they need the concentration of the counter-ions")  # fmt: skip
        if self.porosity == self.tortuosity == 1:
            found.append("sigma and D are taken as those of the whole slab; if they are those of a crystal or a liquid "
                         "in its pores, ohmic drop x tortuosity/porosity, limiting current x porosity/tortuosity, "
                         "Sand's time x porosity^2/tortuosity")  # fmt: skip
        else:
            found.append(f"porosity {self.porosity:g} and tortuosity {self.tortuosity:g} as given")
        return (*found, "even thickness, no convection; interfaces, charge transfer and electrodes are left out")

    def draws(self, n: int = N_DRAWS, seed: int = SEED) -> Draws:
        """Central values and n draws of sigma, t and D after them."""
        rng = np.random.default_rng(seed)
        normal = rng.standard_normal((3, n))
        sigma = _log_normal(self.sigma, normal[0]) / self.tortuosity
        t = _logit_normal(self.t_Li, normal[1])
        D = np.full(n + 1, np.nan)
        if self.kind == "salt" and self.salt_mol_per_L is not None:
            if self.D_salt is None:
                D = cells.nernst_einstein_diffusivity(sigma, t, self.salt_mol_per_L * 1e-3, self.T)
            else:
                D = _log_normal(self.D_salt, normal[2]) / self.tortuosity
        elif self.kind == "counter-ions" and self.counter_ions_mol_per_L is not None and self.exchange is not None:
            D = cells.exchange_diffusivity(sigma, t, self.exchange, self.counter_ions_mol_per_L * 1e-3, self.T)
        return Draws(self, sigma, t, D)


@dataclass(frozen=True, eq=False, slots=True)
class Draws:
    """Inputs of a separator, the central ones first, per area and length of its pores.

    Attributes
    ----------
    separator : Separator
    sigma : (n + 1,) float64, S/cm
    t : (n + 1,) float64
    D : (n + 1,) float64, cm²/s
        nan where nothing is known of it.
    """

    separator: Separator
    sigma: Array
    t: Array
    D: Array

    @property
    def salt(self) -> Salt:
        """What polarises as a dilute salt; for counter-ions the Li+ among them, for Sand's time alone."""
        one = self.separator
        c = one.salt_mol_per_L or (one.counter_ions_mol_per_L or np.nan) * (one.exchange or np.nan)
        return Salt(c * 1e-3, self.D, self.t)

    def limiting_current(self) -> Array:
        """(n + 1,) A/cm²; infinite where there is none, nan where it is not known."""
        one = self.separator
        kind, L = one.kind, one.thickness_cm
        if kind == "salt":
            return np.asarray(one.porosity * cells.limiting_current(self.salt, L))
        if kind == "counter-ions" and one.exchange is not None:
            return np.asarray(
                one.porosity * cells.exchange_limiting_current(self.sigma, self.t, one.exchange, L, one.T)
            )
        return np.full(len(self.sigma), np.inf if kind == "single ion" else np.nan)

    def ohmic(self, i: ArrayLike) -> Array:
        """Drop before anything polarises, (..., n + 1) V, at current densities (...) A/cm²."""
        return cells.ohmic_drop(self._in_pores(i), self.sigma, self.separator.thickness_cm)

    def steady(self, i: ArrayLike) -> Array:
        """Voltage in the steady state, (..., n + 1) V; infinite where there is none."""
        one, within = self.separator, self._in_pores(i)
        L = one.thickness_cm
        if one.kind == "salt":
            return cells.steady_voltage(within, self.sigma, self.salt, L, one.T)
        if one.kind == "counter-ions" and one.exchange is not None:
            return cells.exchange_voltage(within, self.sigma, self.t, one.exchange, L, one.T)
        if one.kind == "single ion":
            return self.ohmic(i)
        return np.asarray(self.ohmic(i) / self.t)

    def sand(self, i: ArrayLike) -> Array:
        """Sand's time, (..., n + 1) s; nan where nothing is known."""
        if self.separator.kind == "single ion":
            return np.asarray(np.inf * np.ones_like(self._in_pores(i) * self.sigma))
        return cells.sand_time(self._in_pores(i), self.salt)

    def transition(self, i: ArrayLike) -> Array:
        """Time until Li+ runs out at one electrode, (..., n + 1) s: infinite up to the limiting current."""
        if self.separator.kind == "salt":
            return cells.transition_time(self._in_pores(i), self.salt, self.separator.thickness_cm)
        if self.separator.kind == "single ion":
            return self.sand(i)
        i = np.asarray(i, np.float64)[..., None]
        return np.asarray(np.where(i <= self.limiting_current(), np.inf, self.sand(i[..., 0])))

    def current_of_transition(self, seconds: float) -> Array:
        """Give the current densities with which Li+ runs out at one electrode after this time, (n + 1,) A/cm²."""
        return self._above_limit(
            lambda salt, L: cells.current_of_transition(seconds, salt, L),
            lambda salt: np.sqrt(cells.sand_time(1.0, salt) / seconds),
        )

    def current_that_passes(self, charge: float) -> Array:
        """Largest current densities that pass a charge, C/cm², before Li+ runs out, (n + 1,) A/cm²."""
        within = charge / self.separator.porosity
        return self._above_limit(
            lambda salt, L: cells.current_that_passes(within, salt, L),
            lambda salt: cells.sand_time(1.0, salt) / within,
        )

    def _above_limit(self, of_slab: Callable[[Salt, float], Array], of_sand: Callable[[Salt], Array]) -> Array:
        """Currents of a salt in a slab, of counter-ions by Sand's time but not below the limiting current."""
        one = self.separator
        if one.kind == "salt":
            return one.porosity * of_slab(self.salt, one.thickness_cm)
        if one.kind == "counter-ions":
            return np.maximum(one.porosity * of_sand(self.salt), self.limiting_current())
        return self.limiting_current()

    def relaxation(self) -> Array:
        """Slowest relaxation of a gradient, (n + 1,) s."""
        return cells.relaxation_time(self.D, self.separator.thickness_cm)

    def _in_pores(self, i: ArrayLike) -> Array:
        return np.asarray(i, np.float64)[..., None] / self.separator.porosity


def interval_of(drawn: Array) -> Interval:
    """First of the numbers, with the central 95 % of the others; no ends where they are all the same or not known."""
    value, rest = float(drawn[0]), drawn[1:]
    if np.isnan(value) or len(rest) < 2 or (rest == rest[0]).all():
        return Interval(value, float("nan"), float("nan"))
    lo, hi = np.quantile(rest, [0.5 - LEVEL / 2, 0.5 + LEVEL / 2], method="nearest")
    return Interval(value, float(lo), float(hi))


def characteristics(separator: Separator) -> dict[str, Interval]:
    """Numbers of a separator that do not depend on the current, by name with unit."""
    drawn = separator.draws()
    area = separator.thickness_cm / drawn.sigma / separator.porosity
    return {
        "resistance (ohm cm2)": interval_of(area),
        "resistance (ohm)": interval_of(area / separator.area_cm2),
        "limiting current (mA/cm2)": interval_of(1e3 * drawn.limiting_current()),
        "salt diffusivity (cm2/s)": interval_of(drawn.D),
        "relaxation time (s)": interval_of(drawn.relaxation()),
    }


def loss_table(separator: Separator, currents_mA_per_cm2: ArrayLike) -> pd.DataFrame:
    """Tabulate what a separator costs at current densities.

    Returns
    -------
    DataFrame
        i (mA/cm2); "ohmic (mV)" at the start, "steady (mV)" when gradients stand, "concentration (mV)" their
        difference, "i / i_lim", "Sand time (s)" and "transition time (s)", each with lo and hi. Steady voltages are
        infinite from the limiting current on, and transition times up to it.
    """
    import pandas as pd

    currents = np.atleast_1d(np.asarray(currents_mA_per_cm2, np.float64))
    if currents.ndim != 1 or not len(currents) or not (np.isfinite(currents) & (currents > 0)).all():
        raise InputError("current: expected numbers above 0 in mA/cm2")
    drawn = separator.draws()
    rows = []
    for i in currents:
        ohmic, steady = drawn.ohmic(i * 1e-3), drawn.steady(i * 1e-3)
        row = {"i (mA/cm2)": float(i)}
        for name, unit, values in (
            ("ohmic", "mV", 1e3 * ohmic),
            ("concentration", "mV", 1e3 * (steady - ohmic)),
            ("steady", "mV", 1e3 * steady),
            ("i / i_lim", "", i * 1e-3 / drawn.limiting_current()),
            ("Sand time", "s", drawn.sand(i * 1e-3)),
            ("transition time", "s", drawn.transition(i * 1e-3)),
        ):
            row |= with_ends(name, unit, interval_of(values))
        rows.append(row)
    return pd.DataFrame(rows)


def _log_normal(number: Interval, normal: Array) -> Array:
    """Draw a positive number; one whose interval reaches zero from a normal distribution, cut off a little above it."""
    error = number.log_error
    if np.isfinite(number.hi) and number.lo <= 0:
        spread = (number.hi - number.value) / normal_quantile()
        drawn = np.maximum(number.value + spread * normal, LEAST_SHARE * number.value)
    else:
        drawn = number.value * np.exp((0.0 if np.isnan(error) else error) * normal)
    return np.concatenate(([number.value], drawn))


def _logit_normal(t: Interval, normal: Array) -> Array:
    if not 0 < t.value < 1 or not (np.isfinite(t.lo) and np.isfinite(t.hi)):
        return np.full(len(normal) + 1, t.value)
    ends = np.clip([t.lo, t.value, t.hi], NEAREST_TO_ENDS, 1 - NEAREST_TO_ENDS)
    low, at, high = np.log(ends / (1 - ends))
    drawn = at + (high - low) / (2 * normal_quantile()) * normal
    return np.concatenate(([t.value], 1 / (1 + np.exp(-drawn))))
