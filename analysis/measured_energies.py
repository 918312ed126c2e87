"""Measured activation energies worked out again from the printed conductivities, and computed ones beside them.

The energies that papers print come from all points of a curve, of which they print few, or from other windows: between
two printed conductivities there is one slope, and the computed one is taken between the same two temperatures. Where a
window has no two of them, the computed energy is that of all temperatures of the run in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from analysis.experiments import MeasuredConductivity, measured, measured_activation
from analysis.statistics import normal_quantile
from analysis.temperature_laws import EDGE_K, Arrhenius, TemperatureLaws
from structures.units import BOLTZMANN, CELSIUS_ZERO

if TYPE_CHECKING:
    import pandas as pd

NAN = float("nan")
Energy = tuple[float, float, tuple[float, float]]  # eV, standard error, and the temperatures in K it lies between
PAPER_WINDOWS_C = ((-40.0, 10.0), (10.0, 100.0), (-40.0, 100.0))


def measured_energies(
    material: str, computed: Arrhenius | None = None, *, windows_C: Sequence[tuple[float, float]] = PAPER_WINDOWS_C
) -> pd.DataFrame:
    """Activation energies of ln sigma in windows: printed, from the printed conductivities, and computed.

    Parameters
    ----------
    material : str
        "ni_mof".
    computed : Arrhenius, optional
        Of a run over exchange fractions; its preferred law of each loading is taken at the two temperatures of the
        printed values, or its own line in the window if it was asked for, and interpolated linearly in the loading. No
        number outside the loadings of the run, nor more than 0.02 K outside its temperatures.
    windows_C : sequence of (float, float), °C

    Returns
    -------
    DataFrame
        One row per sample and window with two printed conductivities or a printed energy. "from (K)" and "to (K)" are
        the outermost printed temperatures in the window, "computed from (K)" and "computed to (K)" those between which
        the computed energy was taken.
    """
    import pandas as pd

    rows = []
    points, printed = measured(material), measured_activation(material)
    for sample in dict.fromkeys(p.sample for p in points):
        mine = sorted((p for p in points if p.sample == sample), key=lambda p: p.temperature)
        for low, high in windows_C:
            ends = CELSIUS_ZERO + low - EDGE_K, CELSIUS_ZERO + high + EDGE_K
            inside = [p for p in mine if ends[0] <= p.temperature <= ends[1]]
            said = [
                a.E_a
                for a in printed
                if a.sample == sample and abs(a.lowest - ends[0]) < 0.1 and abs(a.highest - ends[1]) < 0.1
            ]
            if len(inside) < 2 and not said:
                continue
            x = NAN if mine[0].exchange is None else mine[0].exchange
            T = (inside[0].temperature, inside[-1].temperature) if len(inside) > 1 else (NAN, NAN)
            value, error, of = _between(computed, x, *T) if len(inside) > 1 else _in_window(computed, x, low, high)
            half = normal_quantile() * error
            rows.append({
                "sample": sample,
                "x": x,
                "window (C)": f"{low:g} to {high:g}",
                "printed E_a (eV)": "; ".join(f"{E_a:g}" for E_a in said),
                "from (K)": T[0],
                "to (K)": T[1],
                "E_a from printed sigma (eV)": _slope(inside[0], inside[-1]) if len(inside) > 1 else NAN,
                "computed E_a (eV)": value,
                "computed lo (eV)": value - half,
                "computed hi (eV)": value + half,
                "computed from (K)": of[0],
                "computed to (K)": of[1],
            })  # fmt: skip
    return pd.DataFrame(rows)


def _slope(first: MeasuredConductivity, last: MeasuredConductivity) -> float:
    """E_a of sigma = A exp(-E_a / kT) through two points, eV."""
    return float(BOLTZMANN * np.log(last.sigma / first.sigma) / (1 / first.temperature - 1 / last.temperature))


def _between(computed: Arrhenius | None, x: float, low: float, high: float) -> Energy:
    """E_a of ln sigma by the preferred laws between two temperatures at a loading; nan outside the run."""
    fits = {} if computed is None else {k: fit for k, fit in enumerate(computed.fits) if _spans(fit, low, high)}
    value, error = _at(computed, x, {k: _chord(fit, low, high) for k, fit in fits.items()})
    return value, error, (low, high) if np.isfinite(value) else (NAN, NAN)


def _in_window(computed: Arrhenius | None, x: float, low_C: float, high_C: float) -> Energy:
    """E_a of ln sigma of all temperatures of a window, °C, at a loading; nan where the run has no line there."""
    energies: dict[int, tuple[float, float]] = {}
    of: list[float] = []
    for k, fit in enumerate(() if computed is None else computed.fits):
        for window in fit.windows:
            ends = window.low - CELSIUS_ZERO, window.high - CELSIUS_ZERO
            if np.allclose(ends, (low_C, high_C), rtol=0, atol=EDGE_K):
                E_a = window.activation.E_a_ln_sigma
                energies[k] = E_a.value, (E_a.hi - E_a.lo) / (2 * normal_quantile())
                of += [T for T in fit.temperature.tolist() if window.low - EDGE_K <= T <= window.high + EDGE_K]
    value, error = _at(computed, x, energies)
    return value, error, (min(of), max(of)) if np.isfinite(value) else (NAN, NAN)


def _at(computed: Arrhenius | None, x: float, energies: Mapping[int, tuple[float, float]]) -> tuple[float, float]:
    """Interpolate energies and their standard errors, by place of the loading, to one loading."""
    if computed is None or not energies or not np.isfinite(x):
        return NAN, NAN
    known = np.array(list(energies), dtype=np.int64)
    at = computed.composition[known]
    if not at[0] <= x <= at[-1]:
        return NAN, NAN
    right = min(int(np.searchsorted(at, x)), len(at) - 1)
    left = max(right - 1, 0) if at[right] > x else right
    share = (x - at[left]) / (at[right] - at[left]) if right > left else 1.0
    ends = [energies[int(known[k])] for k in (left, right)]
    if right == left:
        return ends[0]
    value = (1 - share) * ends[0][0] + share * ends[1][0]
    return float(value), float(np.hypot((1 - share) * ends[0][1], share * ends[1][1]))


def _spans(fit: TemperatureLaws, low: float, high: float) -> bool:
    T = fit.temperature
    return fit.preferred is not None and bool(T[0] - EDGE_K <= low and high <= T[-1] + EDGE_K)


def _chord(fit: TemperatureLaws, low: float, high: float) -> tuple[float, float]:
    """Slope of the preferred law between two temperatures, with the relative error of the one-line E_a."""
    law, line = fit.preferred, fit.activation
    if law is None or line is None:
        return NAN, NAN
    first, last = law.sigma([low, high])
    E_a = BOLTZMANN * np.log(last / first) / (1 / low - 1 / high)
    return float(E_a), float((line.E_a.hi - line.E_a.lo) / (2 * normal_quantile()))
