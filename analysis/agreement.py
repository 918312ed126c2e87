"""Whether a measured and a computed value agree, by how much they differ, and how to say it.

Errors that a paper does not print are assumed, and named as such: those of the last digit and of repeated measurements
of pressed pellets and membranes, not of the model.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from analysis.statistics import Interval, normal_quantile

NAN = float("nan")
Status = Literal["calibrated", "predicted"]


@dataclass(frozen=True, slots=True)
class Error:
    """Standard error of a measured value.

    Attributes
    ----------
    size : float
        As a share of the value if `relative`.
    relative : bool
    assumed : bool
        Not printed with the value.
    """

    size: float
    relative: bool = False
    assumed: bool = True


ASSUMED_ERRORS = {
    "sigma": Error(0.1, relative=True),  # thickness, area and arcs of a pressed membrane
    "E_a": Error(0.01),  # eV; the last printed digit
    "t_Li": Error(0.02),  # two digits are printed
    "overpotential": Error(5.0),  # mV; read off a curve
    "discharge capacity": Error(0.02, relative=True),
}


@dataclass(frozen=True, slots=True)
class Agreement:
    """A measured beside a computed value.

    Attributes
    ----------
    measured : Interval
        95 %, from its standard error.
    computed : Interval
    agrees : bool or None
        Whether the 95 % intervals overlap; None where there is no computed interval.
    factor : Interval
        Computed over measured, with the errors of both; nan unless both are positive.
    difference : Interval
        Computed minus measured.
    z : float
        Distance in standard errors of both, each from the end that faces the other; of logarithms where these were
        compared.
    words : str
    """

    measured: Interval
    computed: Interval
    agrees: bool | None
    factor: Interval
    difference: Interval
    z: float
    words: str


def measured_interval(value: float, error: Error, *, logarithmic: bool = False) -> Interval:
    """Give a measured value its 95 % interval; symmetric in the logarithm if asked for."""
    size = error.size * abs(value) if error.relative else error.size
    half = normal_quantile() * size
    if not logarithmic:
        return Interval(value, value - half, value + half)
    stretch = math.exp(half / value)
    return Interval(value, value / stretch, value * stretch)


def agreement(
    measured: float, computed: Interval, error: Error, *, logarithmic: bool = False, unit: str = ""
) -> Agreement:
    """Compare a measured with a computed value.

    Parameters
    ----------
    measured : float
    computed : Interval
        95 %.
    error : Error
        Of the measured value.
    logarithmic : bool
        Compare logarithms, as conductivities ask for; both values positive. A computed zero with an upper end is
        compared by the difference.
    unit : str
        For the words.

    Returns
    -------
    Agreement
    """
    by_log = logarithmic and measured > 0 and computed.value > 0
    ours = measured_interval(measured, error, logarithmic=by_log)
    both = measured > 0 and computed.value > 0
    known = all(math.isfinite(end) for end in (computed.value, computed.lo, computed.hi))
    agrees = ours.lo <= computed.hi and computed.lo <= ours.hi if known else None
    factor = _combined(_logs(ours), _logs(computed), exponentiated=True) if both else Interval(NAN, NAN, NAN)
    difference = _combined(ours, computed)
    z = _distance(_logs(ours), _logs(computed)) if by_log else _distance(ours, computed)
    found = Agreement(ours, computed, agrees, factor, difference, z, "")
    return Agreement(ours, computed, agrees, factor, difference, z, _words(found, error, by_log=by_log, unit=unit))


def status_words(status: Status, of: str = "") -> str:
    """Say whether a computed value was fitted to: "calibrated to sigma(25 °C)" or "predicted"."""
    return f"{status} to {of}" if status == "calibrated" and of else status


def _words(found: Agreement, error: Error, *, by_log: bool, unit: str) -> str:
    if found.agrees is None:
        return "no computed interval to compare"
    kind = "assumed" if error.assumed else "printed"
    size = f"{100 * error.size:g} %" if error.relative else f"{error.size:g} {unit}".rstrip()
    basis = f"95 % intervals, {kind} error of the measured value {size}"
    if by_log:
        times = found.factor.value
        apart = f"{times:.2g} times the measured value" if times >= 1 else f"1/{1 / times:.2g} of the measured value"
    else:
        apart = f"{abs(found.difference.value):.2g} {unit}".rstrip() + (
            " above the measured value" if found.difference.value >= 0 else " below the measured value"
        )
    if found.agrees:
        return f"agrees: {apart} ({basis})"
    return f"does not agree: {apart}, {abs(found.z):.1f} standard errors apart ({basis})"


def _logs(number: Interval) -> Interval:
    """Logarithms of a number and its ends; an end at or below zero is infinitely far."""
    value, lo, hi = (math.log(end) if end > 0 else -math.inf if end <= 0 else NAN for end in
                     (number.value, number.lo, number.hi))  # fmt: skip
    return Interval(value, lo, hi)


def _combined(measured: Interval, computed: Interval, *, exponentiated: bool = False) -> Interval:
    """Subtract measured from computed with the half-widths that add up in square; of logarithms the ratio."""
    apart = computed.value - measured.value
    down = math.hypot(computed.value - computed.lo, measured.hi - measured.value)
    up = math.hypot(computed.hi - computed.value, measured.value - measured.lo)
    if not exponentiated:
        return Interval(apart, apart - down, apart + up)
    return Interval(math.exp(apart), math.exp(apart - down), math.exp(apart + up))


def _distance(measured: Interval, computed: Interval) -> float:
    """Difference over the standard error of both on the sides that face each other."""
    apart = computed.value - measured.value
    if apart >= 0:
        error = math.hypot(computed.value - computed.lo, measured.hi - measured.value) / normal_quantile()
    else:
        error = math.hypot(computed.hi - computed.value, measured.value - measured.lo) / normal_quantile()
    return apart / error if error > 0 else NAN
