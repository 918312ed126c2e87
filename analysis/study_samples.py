"""Every measured value of a sample beside the computed one, with why they differ as far as the study can tell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from analysis.agreement import ASSUMED_ERRORS, Agreement, Error, agreement
from analysis.experiments import NEAR_K, ROOM, measured, measured_activation, measured_transference
from analysis.statistics import Interval
from analysis.study import TELLING, Asked, StudiedRun, nearest_loading, pooled
from structures.units import CELSIUS_ZERO

CALIBRATED, PREDICTED, STATED = "calibrated", "predicted", "nothing fitted"
# widest intervals that tell anything: largest over least sigma, eV, share of the current
TELLS = {"sigma": TELLING, "E_a": 0.1, "t_Li": 0.5}
MeasuredValue = tuple[Asked, float]


def measured_values(material: str, sample: str) -> list[MeasuredValue]:
    """List what was measured of a sample, in the order in which it is reported."""
    sigma = [(Asked("sigma", m.temperature, m.temperature), m.sigma) for m in measured(material) if m.sample == sample]
    E_a = [(Asked("E_a", m.lowest, m.highest), m.E_a) for m in measured_activation(material) if m.sample == sample]
    t = [(Asked("t_Li", ROOM, ROOM), m.t_Li) for m in measured_transference(material) if m.sample == sample]
    return [*sorted(sigma, key=lambda one: one[0].low), *E_a, *t]


def exchange_of(material: str, sample: str) -> float | None:
    """Exchange fraction of a sample where the paper gives it."""
    return next((point.exchange for point in measured(material) if point.sample == sample), None)


def measured_error(material: str, sample: str, asked: Asked) -> Error:
    """Return the standard error of a measured value: the printed one of a conductivity, or what is assumed."""
    if asked.kind == "sigma":
        printed = next((p.relative_error for p in measured(material) if p.sample == sample), 0.0)
        if printed > 0:
            return Error(printed, relative=True, assumed=False)
    return ASSUMED_ERRORS[asked.kind]


def sample_table(
    material: str,
    samples: Sequence[tuple[str, str, Sequence[StudiedRun]]],
    targets: Sequence[tuple[str, float]] = (),
    variations: Sequence[pd.DataFrame] = (),
) -> pd.DataFrame:
    """Put every measured value beside the computed one.

    Parameters
    ----------
    material : str
    samples : sequence of (str, str, runs)
        Name of the sample, what is different in the model of it, and the runs that simulate it.
    targets : sequence of (str, float)
        Sample and temperature, °C, of the measured conductivities that parameters were fitted to.
    variations : sequence of DataFrame
        Of `analysis.study.variation_table`, of the same framework; they tell which assumption would move a value how
        far.

    Returns
    -------
    DataFrame
        sample, note, x as simulated, quantity, unit, measured, computed with its interval, status (calibrated,
        predicted, nothing fitted), agrees (yes, no, too wide to tell), ratio or difference, distance in standard
        errors, how it was compared, why.
    """
    rows = []
    for sample, note, runs in samples:
        exchange = exchange_of(material, sample)
        x = nearest_loading(runs[0].run, exchange)
        for asked, value in measured_values(material, sample):
            found = pooled(runs, asked, x)
            fitted = (
                not note
                and asked.kind == "sigma"
                and any(one == sample and abs(celsius + CELSIUS_ZERO - asked.low) <= NEAR_K for one, celsius in targets)
            )
            status = STATED if not runs[0].calibrated else CALIBRATED if fitted else PREDICTED
            error = measured_error(material, sample, asked)
            beside = agreement(value, found, error, logarithmic=asked.is_positive, unit=asked.unit)
            apart = beside.factor.value if asked.is_positive else beside.difference.value
            rows.append({
                "sample": sample,
                "note": note,
                "x": x,
                "quantity": asked.name,
                "unit": asked.unit,
                "measured": value,
                "computed": found.value,
                "computed lo": found.lo,
                "computed hi": found.hi,
                "status": status,
                "agrees": verdict(beside, asked),
                "computed/measured or difference": apart,
                "z": beside.z,
                "compared": beside.words,
                "why": "" if beside.agrees is not False else reason(asked, value, found, x, note, variations),
            })  # fmt: skip
    return pd.DataFrame(rows)


def verdict(beside: Agreement, asked: Asked) -> str:
    """Say whether both agree: yes, no, or that the computed interval is too wide to tell; empty without one."""
    if beside.agrees is None or not beside.agrees:
        return "" if beside.agrees is None else "no"
    return "too wide to tell" if too_wide(beside.computed, asked) else "yes"


def too_wide(found: Interval, asked: Asked) -> bool:
    """Whether an interval is so wide that it tells nothing."""
    if asked.is_positive:
        return not found.lo > 0 or found.hi / found.lo > TELLS[asked.kind]
    return not found.hi - found.lo <= TELLS[asked.kind]


def reason(asked: Asked, value: float, found: Interval, x: float, note: str, variations: Sequence[pd.DataFrame]) -> str:
    """Say which of the variations would bring a computed value to the measured one, or that none does.

    Changes are taken from the loading of the variations nearest to that of the sample, and only those that are known to
    be one and within the width that tells anything, of the same temperature or window. They are those of one thing at a
    time; what was fitted is not fitted again, so that the conductivity at room temperature is said along with an energy
    or a transference number.
    """
    if note:
        return "its model was not varied"
    at, through, asked_of, unknown = [], [], 0, 0
    for table in variations:
        same = table[table["quantity"] == asked.name]
        if same.empty:
            continue
        off = (same["loading"] - x).abs()
        for row in same[off == off.min()].to_dict("records"):
            asked_of += 1
            to, lo, hi = (
                found.value * row[f"change{end}"] if asked.is_positive else found.value + row[f"change{end}"]
                for end in ("", " lo", " hi")
            )
            wide = too_wide(Interval(to, lo, hi), asked)
            unknown += wide
            if wide or not row["significant"]:
                continue
            name = f"{row['varied']} {row['to']}{_besides(table, row, asked)}"
            if lo <= value <= hi:
                at.append(name)
            elif math.isfinite(to) and (to > value) == (found.value < value):
                through.append(f"{name} goes beyond, to {to:.2g}")
    if at:
        return f"reached by a variation alone: {'; '.join(at)}"
    if through:
        return f"between this model and a variation: {'; '.join(through)}"
    if not asked_of:
        where = "at this temperature" if asked.low == asked.high else "in this window"
        return f"nothing was varied {where}" if variations else ""
    return "no variation alone is known to reach it" + (
        f"; {unknown} of {asked_of} are too uncertain to tell" if unknown else ""
    )


def _besides(table: pd.DataFrame, row: Any, asked: Asked) -> str:
    """Say what a variation does to the conductivity at room temperature, where something else is asked."""
    if asked.kind == "sigma":
        return ""
    same = (table[["varied", "to", "loading"]] == [row["varied"], row["to"], row["loading"]]).all(axis=1)
    moved = table[same & (table["quantity"] == Asked("sigma").name)]["change"]
    return f" (σ at 25 °C × {moved.iloc[0]:.2g})" if len(moved) and math.isfinite(moved.iloc[0]) else ""
