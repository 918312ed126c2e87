"""Measured figures of the literature, and computed ones beside them."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from structures.units import CELSIUS_ZERO

REFERENCE = Path(__file__).parent / "reference" / "experiments.toml"
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
    """

    sample: str
    exchange: float | None
    temperature: float
    sigma: float


@dataclass(frozen=True, slots=True)
class MeasuredActivation:
    """One measured activation energy, from ln sigma between two temperatures (K), in eV."""

    sample: str
    exchange: float | None
    lowest: float
    highest: float
    E_a: float


def paper(material: str) -> str:
    """Where the figures of `material` come from."""
    return str(_section(material)["paper"])


def specimen(material: str) -> str:
    """Name what was measured and what it was soaked in, in the words of the data file; empty if it says nothing."""
    section = _section(material)
    return str(section.get("membrane", {}).get("composition", section.get("electrolyte", "")))


def measured(material: str) -> tuple[MeasuredConductivity, ...]:
    """Conductivities measured for `material` ("ni_mof"); empty if its paper gives none.

    Raises
    ------
    ValueError
        If there is no such material.
    """
    rows = []
    for sample in _section(material).get("sample", []):
        for key, value in sample.items():
            if match := _SIGMA_KEY.fullmatch(key):
                T = _kelvin(match[1], match[2])
                rows.append(MeasuredConductivity(sample["name"], sample.get("exchange"), T, float(value)))
    return tuple(rows)


def measured_activation(material: str) -> tuple[MeasuredActivation, ...]:
    """Activation energies measured for `material`; two rows where a paper prints two values for one range."""
    rows = []
    for sample in _section(material).get("sample", []):
        for key, value in sample.items():
            if match := _ACTIVATION_KEY.fullmatch(key):
                low, high = _kelvin(match[1], match[2]), _kelvin(None, match[3])
                rows.append(MeasuredActivation(sample["name"], sample.get("exchange"), low, high, float(value)))
    return tuple(rows)


def comparison(material: str, conductivity: pd.DataFrame) -> pd.DataFrame:
    """Measured conductivities beside computed ones.

    ln(sigma T) is interpolated linearly in x and in 1/T between the computed points; outside them there is no number.

    Parameters
    ----------
    material : str
    conductivity : DataFrame
        Columns "x", "T (K)", "sigma (S/cm)", as `analyse` returns it.

    Returns
    -------
    DataFrame
        sample, x, T (K), measured (S/cm), computed (S/cm), computed/measured.
    """
    rows = []
    for point in measured(material):
        computed = float("nan")
        if point.exchange is not None and "x" in conductivity:
            computed = _interpolated(conductivity, point.exchange, point.temperature)
        rows.append(
            {
                "sample": point.sample,
                "x": np.nan if point.exchange is None else point.exchange,
                "T (K)": point.temperature,
                "measured (S/cm)": point.sigma,
                "computed (S/cm)": computed,
                "computed/measured": computed / point.sigma,
            }
        )
    return pd.DataFrame(rows)


def _interpolated(conductivity: pd.DataFrame, x: float, temperature: float) -> float:
    """Sigma at (x, T) from the computed points, S/cm; nan outside them."""
    usable = conductivity[conductivity["sigma (S/cm)"] > 0]
    at_x, inverse = [], []
    for T, group in usable.groupby("T (K)"):
        ordered = group.sort_values("x")
        log = np.log(ordered["sigma (S/cm)"].to_numpy() * float(str(T)))
        at_x.append(np.interp(x, ordered["x"].to_numpy(), log, left=np.nan, right=np.nan))
        inverse.append(1 / float(str(T)))
    if not inverse:
        return float("nan")
    order = np.argsort(inverse)
    known = np.asarray(inverse)[order]
    wanted = 1 / temperature
    if not known[0] * (1 - 1e-9) <= wanted <= known[-1] * (1 + 1e-9):
        return float("nan")
    value = np.interp(wanted, known, np.asarray(at_x)[order])
    return float(np.exp(value) / temperature)


def _kelvin(minus: str | None, celsius: str) -> float:
    return round(CELSIUS_ZERO + (-float(celsius) if minus else float(celsius)), 2)


def _section(material: str) -> dict[str, Any]:
    with REFERENCE.open("rb") as file:
        sections = tomllib.load(file)
    known = [name for name, section in sections.items() if isinstance(section, dict)]
    if material not in known:
        raise ValueError(f"material must be one of {', '.join(known)}; got {material!r}")
    return dict(sections[material])
