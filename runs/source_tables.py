"""What the papers print, and where they disagree with themselves, as tables."""

from __future__ import annotations

import math
from collections.abc import Iterator

from rich.console import RenderableType

from analysis.experiments import assumed_exchanges, materials, measurements, paper
from runs.text_tables import TextTable, listing


def source_part(material: str) -> Iterator[RenderableType]:
    """Yield what is assumed of the samples of a shipped material and the checks of its paper; nothing for others."""
    if material not in materials():
        return
    if lines := assumed_exchanges(material):
        yield listing("Assumed of the samples", lines)
    from analysis.elemental import elemental_table
    from analysis.source_checks import source_checks
    from structures.errors import InputError

    checks = [one for one in source_checks() if one.material == material]
    if checks:
        made = TextTable(
            "The paper against itself: printed values stay as they are",
            ("~quantity", "~printed", "~worked out again", "<verdict", "~statement"),
        )
        for one in checks:
            made.add_row(one.quantity, one.printed, one.recomputed, one.verdict, one.statement)
        yield made
    try:
        rows = elemental_table(material).to_dict("records")
    except InputError:
        return
    found = TextTable(
        "Defects that each ratio of elements alone would take",
        ("<ratio", "ideal", "found", "+interval", "missing nodes", "+interval", "excess linkers", "+interval",
         "~statement"),
    )  # fmt: skip
    for row in rows:
        found.add_row(str(row["ratio"]), f"{row['ideal']:.3g}", *(
            text for name in ("found", "missing nodes", "excess linkers") for text in
            (_number(row[name]), _ends(row[f"{name} lo"], row[f"{name} hi"]))
        ), str(row["statement"]))  # fmt: skip
    found.caption = "intervals from the rounding of the printed percentages alone"
    yield found


def measured_part(material: str) -> RenderableType:
    """List every figure of a paper."""
    made = TextTable(f"Measured: {paper(material)}", ("<of", "x", "<quantity", "<at", "measured", "<unit", "~remark"))
    for row in measurements(material).to_dict("records"):
        made.add_row(str(row["of"]), _number(row["x"]), str(row["quantity"]), str(row["at"]),
                     _number(row["measured"]), str(row["unit"]), str(row["remark"]))  # fmt: skip
    return made


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.3g}"


def _ends(low: float, high: float) -> str:
    return "" if math.isnan(low) else f"{low:.3g} - {high:.3g}"
