"""Numbers with their intervals as HTML: 5.9 (3.6–11.8) × 10⁻⁷."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from html import escape
from typing import Any

from analysis.page_parts import Markup
from structures.units import CELSIUS_ZERO

NOT_CONVERGED = "~"
_MINUS = str.maketrans("-", "−")


def powered(value: float, lo: float = math.nan, hi: float = math.nan, *, converged: bool = True) -> Markup:
    """Write a number of any size with the interval to the same power of ten."""
    if not math.isfinite(value):
        return Markup("–")
    mark = "" if converged else NOT_CONVERGED
    if value == 0:
        return Markup(f"0{mark}")
    exponent = math.floor(math.log10(abs(value)))
    if -2 <= exponent <= 3:
        digits = max(0, 1 - exponent)
        return Markup(f"{_plain(value, digits)}{mark}{_ends(lo, hi, digits)}")
    scale = 10.0**exponent
    ends = _ends(lo / scale, hi / scale, 1)
    return Markup(f"{_plain(value / scale, 1)}{mark}{ends} × 10<sup>{str(exponent).translate(_MINUS)}</sup>")


def fixed(
    value: float, lo: float = math.nan, hi: float = math.nan, *, digits: int = 3, converged: bool = True
) -> Markup:
    """Write a number with so many digits behind the point."""
    if not math.isfinite(value):
        return Markup("–")
    return Markup(f"{_plain(value, digits)}{'' if converged else NOT_CONVERGED}{_ends(lo, hi, digits)}")


def of_row(row: Mapping[str, Any], name: str, unit: str = "") -> tuple[float, float, float]:
    """Value and ends of a quantity in a row of a table, nan where it has none."""
    found = [row.get(f"{text} ({unit})" if unit else text, math.nan) for text in (name, f"{name} lo", f"{name} hi")]
    return float(found[0]), float(found[1]), float(found[2])


def celsius(T: float) -> str:
    """Write a temperature, K, in whole °C."""
    return _plain(T - CELSIUS_ZERO, 0)


def seconds(value: float) -> str:
    """Write a time with the unit that suits it: 12 ns."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6), ("ns", 1e-9), ("ps", 1e-12)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value * 1e15:.3g} fs"


def superscripts(text: str) -> Markup:
    """Escape a text; the charge of an ion stands high in it: Me2NH2⁺, PF6⁻."""
    return Markup(re.sub(r"(?<=\w)-(?=[\s,:)]|$)", "⁻", escape(text).replace("+", "⁺")))


def _plain(value: float, digits: int) -> str:
    text = f"{value:,.{digits}f}"
    return (text if float(text.replace(",", "")) else text.lstrip("-")).translate(_MINUS)


def _ends(lo: float, hi: float, digits: int) -> str:
    if math.isnan(lo) or math.isnan(hi):
        return ""
    upper = "∞" if math.isinf(hi) else _plain(hi, digits)
    return f' <span class="ends">({_plain(lo, digits)}–{upper})</span>'
