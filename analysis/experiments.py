"""Measured figures of the literature, and computed ones beside them."""

from __future__ import annotations

import math
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.statistics import normal_quantile
from structures.errors import InputError
from structures.units import CELSIUS_ZERO

REFERENCE = Path(__file__).parent / "reference" / "experiments.toml"
ROOM = 298.15  # K
NEAR_K = 0.5  # outside of the temperatures of a run that still counts as at the last of them
_SIGMA_KEY = re.compile(r"sigma_(minus)?(\d+)C_S_per_cm")
_ACTIVATION_KEY = re.compile(r"E_a_(minus)?(\d+)_to_(\d+)C_eV\w*")


@dataclass(frozen=True, slots=True)
class MeasuredConductivity:
    """One measured point.

    Attributes
    ----------
    sample : str
    exchange : float or None
        Exchange fraction x where the paper gives it.
    temperature : float, K
    sigma : float, S/cm
    relative_error : float
        Standard error as a share of sigma; zero where the paper prints none.
    exchange_of : str
        Sample whose exchange fraction is assumed, where the paper gives none for this one; empty otherwise.
    """

    sample: str
    exchange: float | None
    temperature: float
    sigma: float
    relative_error: float = 0.0
    exchange_of: str = ""


@dataclass(frozen=True, slots=True)
class MeasuredActivation:
    """One measured activation energy, from ln sigma between two temperatures (K), in eV."""

    sample: str
    exchange: float | None
    lowest: float
    highest: float
    E_a: float


@dataclass(frozen=True, slots=True)
class MeasuredTransference:
    """Transference number of Li+, measured at room temperature."""

    sample: str
    exchange: float | None
    t_Li: float  # noqa: N815


def materials() -> tuple[str, ...]:
    """Names of the materials with measured figures that come with the program."""
    with REFERENCE.open("rb") as file:
        return tuple(name for name, section in tomllib.load(file).items() if isinstance(section, dict))


def paper(material: str) -> str:
    """Where the figures of `material` come from."""
    return str(section(material).get("paper", material))


def specimen(material: str) -> str:
    """Name what was measured and what it was soaked in, in the words of the data file; empty if it says nothing."""
    about = section(material)
    return str(about.get("membrane", {}).get("composition", about.get("electrolyte", "")))


def measured(material: str) -> tuple[MeasuredConductivity, ...]:
    """Conductivities measured for `material`; empty if its paper gives none.

    Parameters
    ----------
    material : str
        "ni_mof", "mof5", or the path of a TOML file of the same layout: `paper = "..."` and tables [[sample]] with
        `name`, `exchange`, `sigma_25C_S_per_cm`, `sigma_minus40C_S_per_cm`, `E_a_10_to_100C_eV`, `t_Li`,
        `relative_error`.

    Raises
    ------
    InputError
        If there is no such material, or a file does not hold what it should.
    """
    rows = []
    for sample in _samples(material):
        for key, value in sample.items():
            if match := _SIGMA_KEY.fullmatch(key):
                T = _kelvin(match[1], match[2])
                error = float(sample.get("relative_error", 0.0))
                x, of = _exchange(sample, material)
                rows.append(MeasuredConductivity(sample["name"], x, T, float(value), error, of))
    return tuple(rows)


def measured_at(material: str, temperature: float = ROOM) -> dict[float, float]:
    """Conductivities measured at one temperature (K), S/cm, by exchange fraction, ascending; empty for no material.

    The largest counts where there are several of one composition.
    """
    found: dict[float, float] = {}
    for point in measured(material) if material else ():
        if point.exchange is not None and abs(point.temperature - temperature) <= NEAR_K:
            found[point.exchange] = max(point.sigma, found.get(point.exchange, 0.0))
    return dict(sorted(found.items()))


def measured_transference(material: str) -> tuple[MeasuredTransference, ...]:
    """Transference numbers measured for `material`."""
    return tuple(
        MeasuredTransference(sample["name"], _exchange(sample, material)[0], float(sample["t_Li"]))
        for sample in _samples(material)
        if "t_Li" in sample
    )


def measured_activation(material: str) -> tuple[MeasuredActivation, ...]:
    """Activation energies measured for `material`; two rows where a paper prints two values for one range."""
    rows = []
    for sample in _samples(material):
        for key, value in sample.items():
            if match := _ACTIVATION_KEY.fullmatch(key):
                low, high = _kelvin(match[1], match[2]), _kelvin(None, match[3])
                x = _exchange(sample, material)[0]
                rows.append(MeasuredActivation(sample["name"], x, low, high, float(value)))
    return tuple(rows)


def assumed_exchanges(material: str) -> tuple[str, ...]:
    """Say for which samples the exchange fraction of another one is assumed, one line each."""
    lines = [
        f"{point.sample}: no exchange fraction is given, that of {point.exchange_of} ({point.exchange:g}) is assumed"
        for point in measured(material)
        if point.exchange_of
    ]
    return tuple(dict.fromkeys(lines))


def measurements(material: str) -> pd.DataFrame:
    """Every figure that was measured on samples or cells of a material, one row each.

    Returns
    -------
    DataFrame
        of (sample or cell), x, quantity, at (temperature, window, rate or current), measured, unit, remark.
    """
    rows: list[dict[str, Any]] = []

    def add(of: str, x: float | None, quantity: str, at: str, value: float, unit: str, remark: str = "") -> None:
        number = float("nan") if x is None else x
        rows.append({"of": of, "x": number, "quantity": quantity, "at": at, "measured": value, "unit": unit,
                     "remark": remark})  # fmt: skip

    for point in measured(material):
        remark = f"x of {point.exchange_of} assumed" if point.exchange_of else ""
        add(point.sample, point.exchange, "sigma", _celsius(point.temperature), point.sigma, "S/cm", remark)
    for energy in measured_activation(material):
        window = f"{_celsius(energy.lowest)} to {_celsius(energy.highest)}"
        add(energy.sample, energy.exchange, "E_a", window, energy.E_a, "eV")
    for share in measured_transference(material):
        add(share.sample, share.exchange, "t_Li", _celsius(ROOM), share.t_Li, "")
    for name, part in section(material).items():
        for key, value in part.items() if isinstance(part, dict) else ():
            if key.endswith("discharge_capacity_mAh_per_g") and isinstance(value, dict):
                cell = key.removesuffix("discharge_capacity_mAh_per_g").strip("_") or name.removesuffix("_cell")
                for rate, capacity in value.items():
                    add(f"{cell} cell", None, "discharge capacity", rate, float(capacity), "mAh/g")
        if isinstance(part, dict) and "symmetric_Li_overpotential_mV" in part:
            at = f"{part['symmetric_Li_current_mA_per_cm2']:g} mA/cm2"
            add("symmetric Li cell", None, "overpotential", at, float(part["symmetric_Li_overpotential_mV"]), "mV")
    for element, percent in section(material).get("eds_atomic_percent", {}).items():
        add("powder", None, f"{element} by EDS", "", float(percent), "atomic %")
    return pd.DataFrame(rows, columns=["of", "x", "quantity", "at", "measured", "unit", "remark"])


def comparison(material: str, conductivity: pd.DataFrame) -> pd.DataFrame:
    """Measured conductivities beside computed ones.

    ln(sigma T) is interpolated linearly in x and in 1/T between the computed points; outside them there is no number.
    The interval of the ratio and z = ln(computed/measured) / (standard error of the logarithm) come from the interval
    of the computed conductivity and the printed error of the measured one, where there is one. They tell whether the
    statistics of the simulation could explain a difference, not whether the model is right.

    Parameters
    ----------
    material : str
        As for `measured`.
    conductivity : DataFrame
        Columns "x", "T (K)", "sigma (S/cm)", "sigma lo (S/cm)", "sigma hi (S/cm)", as `analyse` returns it.

    Returns
    -------
    DataFrame
        sample, x, T (K), measured (S/cm), computed (S/cm), computed/measured, ratio lo, ratio hi, z, "x of": the sample
        whose exchange fraction is assumed, where this one has none of its own.
    """
    rows = []
    for point in measured(material):
        log_computed, error = float("nan"), float("nan")
        if point.exchange is not None and "x" in conductivity:
            log_computed, error = _interpolated(conductivity, point.exchange, point.temperature)
        error = math.hypot(error, point.relative_error)
        log_ratio, reach = log_computed - math.log(point.sigma), normal_quantile() * error
        rows.append(
            {
                "sample": point.sample,
                "x": np.nan if point.exchange is None else point.exchange,
                "T (K)": point.temperature,
                "measured (S/cm)": point.sigma,
                "computed (S/cm)": math.exp(log_computed),
                "computed/measured": math.exp(log_ratio),
                "ratio lo": math.exp(log_ratio - reach),
                "ratio hi": math.exp(log_ratio + reach),
                "z": log_ratio / error if error > 0 else np.nan,
                "x of": point.exchange_of,
            }
        )
    return pd.DataFrame(rows)


def compared_transference(material: str, table: pd.DataFrame, ion: str = "Li+") -> pd.DataFrame:
    """Transference numbers measured at room temperature beside computed steady-state ones at the nearest loading.

    Parameters
    ----------
    material : str
    table : DataFrame
        As `Run.transference().to_frame()` gives it, over exchange fractions.
    ion : str

    Returns
    -------
    DataFrame
        sample, measured t, computed t with lo and hi, z from the end that faces the measured value, and the loading and
        temperature that it is of.
    """
    rows: list[dict[str, Any]] = []
    if "x" not in table or ion not in set(table["species"]):
        return pd.DataFrame(rows)
    mine = table[table["species"] == ion]
    for point in measured_transference(material):
        if point.exchange is None:
            continue
        off = (mine["T (K)"] - ROOM).abs() + (mine["x"] - point.exchange).abs()
        near = mine.loc[(mine["T (K)"] - ROOM).abs() == (mine["T (K)"] - ROOM).abs().min()]
        row = near.loc[off[near.index].idxmin()]
        value, lo, hi = (float(row[f"t steady{end}"]) for end in ("", " lo", " hi"))
        facing = value - lo if value > point.t_Li else hi - value
        error = facing / normal_quantile()
        rows.append(
            {
                "sample": point.sample,
                "measured t": point.t_Li,
                "computed t": value,
                "computed t lo": lo,
                "computed t hi": hi,
                "z": (value - point.t_Li) / error if error > 0 else np.nan,
                "x": float(row["x"]),
                "T (K)": float(row["T (K)"]),
            }
        )
    return pd.DataFrame(rows)


def _interpolated(conductivity: pd.DataFrame, x: float, temperature: float) -> tuple[float, float]:
    """Ln sigma at (x, T) from the computed points, sigma in S/cm, and its standard error; nan outside of them."""
    nan = float("nan")
    usable = conductivity[conductivity["sigma (S/cm)"] > 0]
    inverse, log, error = [], [], []
    for T, group in usable.groupby("T (K)"):
        ordered = group.sort_values("x")
        logs = np.log(ordered["sigma (S/cm)"].to_numpy(dtype=np.float64) * float(str(T)))
        weights = _weights(ordered["x"].to_numpy(dtype=np.float64), x)
        if weights is None:
            continue
        inverse.append(1 / float(str(T)))
        log.append(float(weights @ logs))
        error.append(_error_of(weights, _log_errors(ordered)))
    order = np.argsort(inverse)
    weights = _weights(np.asarray(inverse)[order], 1 / temperature, beyond=NEAR_K / temperature)
    if weights is None:
        return nan, nan
    value = float(weights @ np.asarray(log)[order])
    return value - math.log(temperature), _error_of(weights, np.asarray(error)[order])


def _weights(known: NDArray[np.float64], wanted: float, *, beyond: float = 1e-9) -> NDArray[np.float64] | None:
    """Weights of linear interpolation between ascending places; None outside by more than a share of the last one."""
    if not len(known) or not known[0] * (1 - beyond) - 1e-12 <= wanted <= known[-1] * (1 + beyond) + 1e-12:
        return None
    return np.array([np.interp(wanted, known, row) for row in np.eye(len(known))])


def _log_errors(rows: pd.DataFrame) -> NDArray[np.float64]:
    """Take the standard errors of ln sigma from the intervals; nan where there is none."""
    lo, hi = (rows[f"sigma {end} (S/cm)"].to_numpy(dtype=np.float64) for end in ("lo", "hi"))
    with np.errstate(invalid="ignore", divide="ignore"):
        error = np.log(hi / lo) / (2 * normal_quantile())
    return np.asarray(np.where(np.isfinite(error), error, np.nan))


def _error_of(weights: NDArray[np.float64], errors: NDArray[np.float64]) -> float:
    used = weights > 0
    return float(np.sqrt(((weights[used] * errors[used]) ** 2).sum()))


def _celsius(temperature: float) -> str:
    return f"{temperature - CELSIUS_ZERO:.0f} °C"


def _exchange(sample: dict[str, Any], material: str) -> tuple[float | None, str]:
    """Exchange fraction of a sample, or that of the sample it was made of and that one's name.

    "Li@Ni-MOF-2-140d" is Li@Ni-MOF-2 after 140 days: a name that goes on after a hyphen is that of the same material.
    """
    if "exchange" in sample:
        return float(sample["exchange"]), ""
    of = [one for one in _samples(material) if "exchange" in one and sample["name"].startswith(f"{one['name']}-")]
    if not of:
        return None, ""
    longest = max(of, key=lambda one: len(one["name"]))
    return float(longest["exchange"]), str(longest["name"])


def _kelvin(minus: str | None, celsius: str) -> float:
    return round(CELSIUS_ZERO + (-float(celsius) if minus else float(celsius)), 2)


def _samples(material: str) -> list[dict[str, Any]]:
    """List the samples of a material, each value of a kind that can be compared.

    Raises
    ------
    InputError
    """
    samples = section(material).get("sample", [])
    if not isinstance(samples, list) or not all(isinstance(sample, dict) for sample in samples):
        raise InputError(f"{material}: expected tables [[sample]], found {type(samples).__name__}")
    for n, sample in enumerate(samples, 1):
        name = sample.get("name")
        if not isinstance(name, str):
            raise InputError(f"{material}: expected a name in [[sample]] number {n}, found {name!r}")
        for key, value in sample.items():
            number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
            if _SIGMA_KEY.fullmatch(key) and not (number and value > 0):
                raise InputError(f"{material}: {name}, {key}: expected a conductivity in S/cm, found {value!r}")
            if key in ("exchange", "t_Li", "relative_error") and not (number and 0 <= value <= 1):
                raise InputError(f"{material}: {name}, {key}: expected a number from 0 to 1, found {value!r}")
            if _ACTIVATION_KEY.fullmatch(key) and not number:
                raise InputError(f"{material}: {name}, {key}: expected an energy in eV, found {value!r}")
    return samples


def section(material: str) -> dict[str, Any]:
    """Everything about a material: a table of the shipped file, or the whole of a file of the user.

    Raises
    ------
    InputError
        If there is no such material, or its file is no TOML with samples.
    """
    if material in materials():
        with REFERENCE.open("rb") as file:
            return dict(tomllib.load(file)[material])
    if not material.endswith(".toml"):
        known = ", ".join(materials())
        raise InputError(f"experiment: expected one of {known}, or a TOML file of that layout; found {material!r}")
    try:
        found = tomllib.loads(Path(material).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{material}: expected a TOML file of measured values, found: {error.strerror}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{material}: expected TOML, found: {str(error).splitlines()[0]}") from None
    if not found.get("sample"):
        raise InputError(
            f"{material}: expected tables [[sample]] with name, exchange and sigma_25C_S_per_cm, found none"
        )
    return found
