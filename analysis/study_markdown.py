"""Tables of a study for a page of text: samples and the steps between them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from analysis.study_samples import CALIBRATED

_EXPONENTS = str.maketrans("-", "−")


def samples_markdown(samples: pd.DataFrame) -> str:
    """Measured values beside computed ones, one row each; those that parameters were fitted to are "fitted".

    Parameters
    ----------
    samples : DataFrame
        Of `analysis.study_samples.sample_table`.
    """
    rows, previous = [], None
    for row in _records(samples):
        sample = ", ".join(part for part in (row["sample"], row["note"]) if isinstance(part, str) and part)
        unit = row["unit"] if isinstance(row["unit"], str) else ""
        found = _with_ends(row, "computed")
        apart = row["computed/measured or difference"]
        sign = "× " if row["quantity"].startswith("sigma") else "+" if apart >= 0 else ""
        agrees = row["agrees"] if isinstance(row["agrees"], str) else ""
        rows.append((
            sample if sample != previous else "",
            row["quantity"].replace("sigma", "σ"),
            f"{_number(row['measured'])} {unit}".strip(),
            found or "none",
            sign + _number(apart) if found and math.isfinite(apart) else "",
            "fitted" if row["status"] == CALIBRATED else agrees if found else "",
            row["why"] if isinstance(row["why"], str) else "",
        ))  # fmt: skip
        previous = sample
    heads = ("sample", "quantity", "measured", "computed (95 %)", "off by", "agrees", "why not")
    return _table(heads, rows)


def steps_markdown(steps: pd.DataFrame) -> str:
    """Ratios of conductivities from sample to sample, of `analysis.study_steps.step_table`."""
    rows = [
        (
            f"{row['from']} to {row['to']}",
            f"{row['x from']:.3g} to {row['x to']:.3g}",
            _number(row["measured"]),
            _with_ends(row, "computed"),
            f"{_number(row['next lo'])}–{_number(row['next hi'])}",
            f"{_number(row['lowest'])}–{_number(row['highest'])} of {row['sets']}",
        )
        for row in _records(steps)
    ]
    return _table(
        ("σ at 25 °C from", "x computed", "measured", "computed (95 %)", "next set (95 %)", "single sets"), rows
    )


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def _with_ends(row: dict[str, Any], name: str) -> str:
    value, lo, hi = row[name], row[f"{name} lo"], row[f"{name} hi"]
    if not math.isfinite(value):
        return ""
    return (
        f"{_number(value)} ({_number(lo)}–{_number(hi)})" if math.isfinite(lo) and math.isfinite(hi) else _number(value)
    )


def _number(value: float) -> str:
    """Two digits, as they are written by hand."""
    if not math.isfinite(value):
        return "open"
    if value == 0 or 1e-2 <= abs(value) < 1e4:
        return f"{value:.2g}".translate(_EXPONENTS)
    digits, exponent = f"{value:.1e}".split("e")
    return f"{digits}e{int(exponent)}".translate(_EXPONENTS).replace("e−", "e-")


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (heads, ["---"] * len(heads), *rows)) + "\n"
