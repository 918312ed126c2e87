"""Activation energies in windows of temperature that the deck asks for, as experiments often give them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from runs.text_tables import TextTable
from structures.units import CELSIUS_ZERO

if TYPE_CHECKING:
    from analysis.campaign import Analysis


def windows_part(analysis: Analysis, windows_C: Sequence[tuple[float, float]]) -> Iterator[TextTable]:
    """Yield one table with E_a of every loading in every window; nothing without windows.

    Parameters
    ----------
    analysis : Analysis
    windows_C : sequence of (float, float), °C
    """
    from analysis.temperature_laws import arrhenius

    if not windows_C:
        return
    name = analysis.composition_name
    laws = arrhenius(analysis.points, name, windows_C=windows_C)
    made = TextTable(
        "Activation energy in windows of temperature, eV, with 95 % intervals",
        ("mol/L" if name == "M" else name, "T, °C", "temperatures", "E_a", "+interval", "E_a of ln sigma", "+interval"),
        keys=2,
    )
    previous = None
    for row in laws.windows_frame().to_dict("records"):
        first = row[name] != previous
        if first and previous is not None:
            made.add_section()
        ends = [round(row[f"T {end} (K)"] - CELSIUS_ZERO, 2) for end in ("low", "high")]
        made.add_row(
            f"{row[name]:.3f}" if first else "",
            f"{ends[0]:g} to {ends[1]:g}",
            str(row["temperatures"]),
            *_energy(row, "E_a"),
            *_energy(row, "E_a(ln sigma)"),
        )
        previous = row[name]
    made.caption = "E_a from ln(sigma T) and from ln sigma against 1/kT."
    yield made


def _energy(row: Mapping[Any, Any], name: str) -> tuple[str, str]:
    value, lo, hi = (row[f"{name}{end} (eV)"] for end in ("", " lo", " hi"))
    if value != value:
        return "none", ""
    return f"{value:.3f}", f"{lo:.3f} - {hi:.3f}" if lo == lo and hi == hi else ""
