"""How much of a run was flicker: hops that went back at once, by orbit."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from rich.console import RenderableType

from analysis.campaign import Run
from runs.text_tables import TextTable

MOST_ORBITS = 8


def flicker_part(run: Run) -> Iterator[RenderableType]:
    """Yield the most frequent orbits of hops with the share of them that the same ion took back at once."""
    if run.network is None:
        return
    table = run.hop_counts().to_frame()
    total = int(table["hops"].sum()) if len(table) else 0
    if not total:
        return
    table["back"] = np.where(table["hops"] > 0, table["hops"] * table["back-hop share"], 0.0)
    names = ["species", "hop orbit", "from", "to", "length (angstrom)"]
    sums = table.groupby(names, sort=False)[["hops", "back"]].sum().reset_index()
    spread = table[table["hops"] > 0].groupby("hop orbit")["back-hop share"].agg(["min", "max"])
    sums = sums.sort_values("hops", ascending=False)
    made = TextTable(
        "Flicker: hops that the same ion took back at once, over all loadings and temperatures",
        ("<species", "<from", "<to", "Å", "% of all hops", "% back at once", "+least to most"),
    )
    for row in sums.head(MOST_ORBITS).to_dict("records"):
        if not row["hops"]:
            break
        low, high = spread.loc[row["hop orbit"]]
        made.add_row(
            str(row["species"]),
            str(row["from"]),
            str(row["to"]),
            f"{row['length (angstrom)']:.1f}",
            f"{100 * row['hops'] / total:.1f}",
            f"{100 * row['back'] / row['hops']:.0f}",
            f"({100 * low:.0f} to {100 * high:.0f})",
        )
    rest = sums.iloc[MOST_ORBITS:]
    more = f" {len(rest)} more orbits make {100 * rest['hops'].sum() / total:.1f} % of the hops." if len(rest) else ""
    made.caption = (
        f"{100 * sums['back'].sum() / total:.0f} % of all hops went back at once.{more} All: hops.csv of `analyse`."
    )
    yield made
