"""Tables of the deck about a fit to measurements: which numbers are fitted to what, and which have been."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from runs.deck_keys import Table, Whole
from runs.deck_keys import key as declare

FEWEST_POINTS, MOST_POINTS = 4, 1000
MOST_RANGES = 4
Known = Literal["yes", "no", "only separate ranges", "only bounded from above", "only bounded from below", "chosen"]


class FittedParameter(Table):
    """A number of the deck that is fitted."""

    key: str = declare('the number: table and key with dots, "landscape.permittivity" or \'rates.friction."Li+"\'')
    range: tuple[float, float] | None = declare(
        "least and largest value; all between are equally likely before the fit, on the scale below", default=None
    )
    scale: Literal["linear", "log"] = declare(
        "whether equal steps or equal factors are equally likely; log for what is uncertain by factors",
        default="linear",
    )
    values: tuple[float, ...] | None = declare(
        "a few values in place of a range, such as two charges: each is fitted by itself and their evidence compared",
        default=None,
    )


class FittedTarget(Table):
    """A measured conductivity that is fitted to."""

    sample: str = declare("name of the sample, as the material of [output] compare_with has it")
    temperature_C: float = declare("temperature of the measurement", unit="°C", within=(-220, 1200))  # noqa: N815
    exchange: float | None = declare(
        "exchange fraction of the sample; left out: that of its paper, which assumes a charge of the framework",
        within=(0, 1),
        default=None,
    )


class Calibrate(Table):
    """Numbers of the deck that `mofkmc calibrate` fits to measured conductivities."""

    points: Whole = declare(
        "sets of parameters that are simulated: the first half fills the ranges evenly, the others are drawn where the "
        "measurements leave them likely",
        within=(FEWEST_POINTS, MOST_POINTS),
        default=24,
    )
    measured_relative_error: float = declare(
        "standard error of a measured conductivity, as a share of it, where its paper prints none",
        within=(0.001, 3),
        default=0.1,
    )
    parameter: tuple[FittedParameter, ...] = declare(
        "what is fitted: tables [[calibrate.parameter]] with key and range"
    )
    target: tuple[FittedTarget, ...] = declare(
        "what it is fitted to: tables [[calibrate.target]] with sample and temperature_C"
    )

    @property
    def ranges(self) -> tuple[FittedParameter, ...]:
        """Parameters with a range."""
        return tuple(given for given in self.parameter if given.range is not None)

    @property
    def choices(self) -> tuple[FittedParameter, ...]:
        """Parameters with a few values."""
        return tuple(given for given in self.parameter if given.values is not None)


class CalibratedParameter(Table):
    """A number of the deck that has been fitted."""

    key: str = declare("the number: table and key with dots")
    value: float = declare("most likely value")
    interval: tuple[float, float] | None = declare("95 % interval from the profile likelihood", default=None)
    parts: tuple[tuple[float, float], ...] = declare(
        "separate ranges that the interval consists of, where there are several", default=()
    )
    prior: tuple[float, ...] = declare("range, or values, that the fit allowed")
    identified: Known = declare("whether the measurements fix it; chosen: one of a few values")


class CalibratedTarget(Table):
    """A measured conductivity that numbers of the deck have been fitted to."""

    sample: str = declare("name of the sample")
    temperature_C: float = declare("temperature of the measurement", unit="°C", within=(-220, 1200))  # noqa: N815


class Calibrated(Table):
    """Numbers of the deck that have been fitted to measurements; `mofkmc calibrate` writes this table."""

    material: str = declare("whose measurements, as in [output] compare_with")
    fit: str = declare("how well the fit reproduces them", default="")
    parameter: tuple[CalibratedParameter, ...] = declare("what has been fitted")
    target: tuple[CalibratedTarget, ...] = declare("what it has been fitted to")


def calibration_faults(table: Calibrate) -> Iterator[str]:
    """Yield what contradicts itself in the table."""
    if not table.parameter:
        yield "[calibrate] parameter: expected at least one table [[calibrate.parameter]], found none"
    if not table.target:
        yield "[calibrate] target: expected at least one table [[calibrate.target]], found none"
    for number, given in enumerate(table.parameter, 1):
        where = f"[[calibrate.parameter]] {number}"
        if (given.range is None) == (given.values is None):
            yield f"{where}: expected either range or values, found {'neither' if given.range is None else 'both'}"
        if given.range is not None:
            yield from _of_range(where, given.range, given.scale)
        if given.values is not None:
            yield from _of_values(where, given.values)
        if any(other.key == given.key for other in table.parameter[: number - 1]):
            yield f"{where}, key: expected every key once, found {given.key} again"
    if len(table.ranges) > MOST_RANGES:
        yield f"[calibrate] parameter: expected at most {MOST_RANGES} with a range, found {len(table.ranges)}"
    for number, target in enumerate(table.target, 1):
        if target in table.target[: number - 1]:
            found = f"{target.sample} at {target.temperature_C:g} °C again"
            yield f"[[calibrate.target]] {number}: expected every measurement once, found {found}"


def _of_range(where: str, given: Sequence[float], scale: str) -> Iterator[str]:
    low, high = given
    if not low < high:
        yield f"{where}, range: expected a lower and a higher value, found [{low:g}, {high:g}]"
    elif scale == "log" and low <= 0:
        yield f'{where}, range: expected positive values for scale = "log", found {low:g}'


def _of_values(where: str, given: Sequence[float]) -> Iterator[str]:
    if len(given) < 2:
        yield f"{where}, values: expected at least two to choose from, found {len(given)}"
    elif len(set(given)) < len(given):
        yield f"{where}, values: expected different ones, found {list(given)}"
