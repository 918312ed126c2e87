"""The few numbers that a report begins with, each with its interval and the reason to believe it or not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from analysis.campaign import Analysis
from analysis.experiments import comparison
from analysis.page_numbers import celsius, fixed, of_row, powered, seconds
from analysis.page_parts import Markup

REFERENCE = 298.15  # K
NAME = {"x": "x", "M": "mol/L"}


@dataclass(frozen=True, slots=True)
class Card:
    """A number, what it is, and why it may be believed."""

    label: str
    number: str
    unit: str
    reason: str


def summary_cards(analysis: Analysis, material: str) -> str:
    """HTML of the cards."""
    found = [card for card in _cards(analysis, material) if card is not None]
    return "\n".join(
        f'<div class="card"><h3>{escape(card.label)}</h3><p class="number">{card.number}'
        f' <span class="unit">{escape(card.unit)}</span></p><p class="note">{escape(card.reason)}</p></div>'
        for card in found
    )


def reference_temperature(analysis: Analysis) -> float:
    """Room temperature, or that of the run that is nearest to it, K."""
    return float(min(analysis.conductivity["T (K)"].unique(), key=lambda T: abs(T - REFERENCE)))


def best_row(analysis: Analysis, T: float) -> dict[str, Any] | None:
    """Row of the loading with the largest conductivity at a temperature; None where nothing moved."""
    at = analysis.conductivity[analysis.conductivity["T (K)"] == T]
    at = at[at["sigma (S/cm)"] > 0]
    return None if at.empty else _record(at.sort_values("sigma (S/cm)").iloc[-1])


def _cards(analysis: Analysis, material: str) -> Iterator[Card | None]:
    T = reference_temperature(analysis)
    name, warm = analysis.composition_name, f"{celsius(T)} °C"
    best = best_row(analysis, T)
    if best is None:
        yield Card("Conductivity", "0", "S/cm", f"nothing moved at {warm}")
        return
    place = f"{NAME.get(name, name)} = {best[name]:.3g}"
    loadings = analysis.conductivity[name].nunique()
    kind = "largest σ of the scan" if loadings > 1 else "σ"
    yield Card(
        f"{kind}, {warm}, {place}",
        powered(*of_row(best, "sigma", "S/cm"), converged=best["converged"]),
        "S/cm",
        f"{_count(best['replicas'], 'replica')}, {_count(best['blocks'], 'block')} of {seconds(best['block (s)'])}"
        + ("" if best["converged"] else "; not converged, see the remarks"),
    )
    yield _optimum(analysis, T)
    yield _activation(analysis, best[name], place)
    yield Card(
        f"Haven ratio, {warm}, {place}",
        fixed(*of_row(best, "H_R"), digits=2, converged=best["H_R converged"]),
        "",
        "σ from Nernst-Einstein over σ: above 1 the ions hinder the current of each other, below 1 they help it",
    )
    yield _measured(analysis, material)


def _optimum(analysis: Analysis, T: float) -> Card | None:
    table, name = analysis.optimum, analysis.composition_name
    rows = table[table["T (K)"] == T] if len(table) else table
    if not len(rows):
        return None
    row = _record(rows.iloc[0])
    label = f"Best loading {name}*, {celsius(T)} °C"
    number = fixed(*of_row(row, f"{name}*"), digits=3)
    if row["edge"]:
        return Card(label, Markup(f"{row['edge']} {number}"), "", "the scan ends there: a bound and not an optimum")
    several = " ".join(f"maxima at {row['maxima']}" for _ in range(1) if ";" in row["maxima"])
    doubt = f"at the edge in {100 * row['edge share']:.0f} % of the bootstrap samples" if row["near edge"] else ""
    reason = "; ".join(text for text in (several, doubt, f"not below the best: {row['not below best']}") if text)
    return Card(label, number, "", reason)


def _activation(analysis: Analysis, loading: float, place: str) -> Card | None:
    table, name = analysis.activation, analysis.composition_name
    rows = table[table[name] == loading] if len(table) else table
    if not len(rows):
        return None
    row = _record(rows.iloc[0])
    straight = (
        "straight in 1/T within the intervals" if row["straight"] else "not straight in 1/T: the interval is wider"
    )
    return Card(
        f"E_a of ln(σT), {place}",
        fixed(*of_row(row, "E_a", "eV"), digits=3),
        "eV",
        f"{row['temperatures']} temperatures, {straight}",
    )


def _measured(analysis: Analysis, material: str) -> Card | None:
    """Compare the measured point that the scan covers with the highest conductivity at room temperature."""
    if not material:
        return None
    table = comparison(material, analysis.conductivity)
    if not len(table):
        return None
    known = table[np.isfinite(table["computed/measured"]) & ((table["T (K)"] - REFERENCE).abs() < 0.5)]
    if not len(known):
        return None
    row = _record(known.sort_values("measured (S/cm)").iloc[-1])
    return Card(
        f"Computed / measured, {row['sample']}, 25 °C",
        powered(row["computed/measured"], row["ratio lo"], row["ratio hi"]),
        "",
        f"measured {row['measured (S/cm)']:.2e} S/cm, computed {row['computed (S/cm)']:.2e} S/cm; nothing is fitted",
    )


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"


def _record(row: pd.Series) -> dict[str, Any]:
    return {str(key): value for key, value in row.items()}
