"""Pictures of a study: how sharp the maxima of its scans are, and how far each assumption moves a result."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis.experiments import ROOM, measured_at
from analysis.plot_style import AXIS_NAME, INK, MARKER, MUTED, colours, finish, new_axes, new_figure, place_legend
from structures.units import CELSIUS_ZERO

MOST_CURVES = 8  # that can be told apart in one picture


def scan_panels(table: pd.DataFrame, *, material: str = "", temperature: float = ROOM) -> Axes:
    """Draw what `scans` draws; where two things are varied in many scans, one panel for each value of the second.

    Returns the last of the panels.
    """
    labels = varied(table)
    if len(labels) < 2 or len(table.groupby(labels, sort=False)) <= MOST_CURVES:
        return scans(table, material=material, temperature=temperature)
    panels = list(table.groupby(labels[-1], sort=False))
    figure = new_figure((2.4 + 2.3 * len(panels), 4.2))
    axes: list[Axes] = list(figure.subplots(1, len(panels), sharey=True))
    for ax, (value, rows) in zip(axes, panels, strict=True):
        scans(rows, ax, material=material, temperature=temperature, legend=ax is axes[-1])
        said = f"{value:g}" if isinstance(value, float) else str(value)
        ax.set_title(f"{labels[-1]} {said}", fontsize=9, color=INK)
        if ax is not axes[0]:
            ax.set_ylabel("")
    return axes[-1]


def varied(table: pd.DataFrame) -> list[str]:
    """Labels of which a table of curves holds more than one value."""
    labels = list(table.columns[: list(table.columns).index("sigma (S/cm)") - 1])
    return [str(label) for label in labels if table[label].nunique(dropna=False) > 1]


def scans(
    table: pd.DataFrame,
    ax: Axes | None = None,
    *,
    material: str = "",
    temperature: float = ROOM,
    legend: bool = True,
) -> Axes:
    """Draw sigma of every scan against the loading, with intervals, and the measured points.

    Parameters
    ----------
    table : DataFrame
        Of `analysis.study.curve_table`.
    ax : Axes, optional
    material : str
        Whose measured conductivities are drawn; empty for none.
    temperature : float, K
        Of the table.
    legend : bool
        Whether to put one beside the axes.
    """
    ax = new_axes((7.2, 4.8)) if ax is None else ax
    name, labels = str(table.columns[list(table.columns).index("sigma (S/cm)") - 1]), varied(table)
    found = list(table.groupby(labels, sort=False, dropna=False)) if labels else [((), table)]
    for colour, (values, rows) in zip(colours(len(found)), found, strict=True):
        moved = rows[rows["sigma (S/cm)"] > 0].sort_values(name)
        sigma, lo, hi = (moved[f"sigma{end} (S/cm)"].to_numpy(dtype=np.float64) for end in ("", " lo", " hi"))
        error = np.nan_to_num(np.array([sigma - lo, hi - sigma]))
        text = ", ".join(f"{label} {value}" for label, value in zip(labels, values, strict=True))
        ax.errorbar(moved[name], sigma, yerr=error, fmt="o-", color=colour, linewidth=1.2, label=text, **MARKER)
    points = measured_at(material, temperature)
    if points:
        ax.plot(list(points), list(points.values()), "D", color=INK, markersize=6, label="measured", zorder=5)
    ax.set_yscale("log")
    ax.set_xlabel(AXIS_NAME.get(name, name))
    ax.set_ylabel(f"σ at {temperature - CELSIUS_ZERO:.0f} °C  (S / cm)")
    finish(ax)
    if legend:
        place_legend(ax, *ax.get_legend_handles_labels())
    return ax


def changes(table: pd.DataFrame, quantity: str, ax: Axes | None = None) -> Axes:
    """Draw by how much every variation changes a quantity, with intervals; one colour for each loading.

    Parameters
    ----------
    table : DataFrame
        Of `analysis.study.variation_table`.
    quantity : str
        As in its column "quantity".
    ax : Axes, optional
    """
    rows = table[table["quantity"] == quantity]
    names = list(dict.fromkeys((rows["varied"] + "  " + rows["to"]).tolist()))
    loadings = sorted(rows["loading"].unique())
    if ax is None:
        ax = new_axes((7.2, 1.4 + 0.34 * len(names)))
    is_ratio = bool((rows["compared by"] == "ratio").all())
    for k, (colour, x) in enumerate(zip(colours(len(loadings)), loadings, strict=True)):
        mine = rows[rows["loading"] == x]
        place = [names.index(f"{a}  {b}") + 0.18 * (k - (len(loadings) - 1) / 2) for a, b in
                 zip(mine["varied"], mine["to"], strict=True)]  # fmt: skip
        value, lo, hi = (mine[f"change{end}"].to_numpy(dtype=np.float64) for end in ("", " lo", " hi"))
        error = np.nan_to_num(np.array([value - lo, hi - value]))
        ax.errorbar(value, place, xerr=error, fmt="o", color=colour, label=f"loading {x:.3g}", **MARKER)
    ax.axvline(1 if is_ratio else 0, color=MUTED, linewidth=1)
    if is_ratio:
        ax.set_xscale("log")
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_xlabel(f"{'ratio' if is_ratio else 'difference'} of {quantity} to the unchanged model")
    finish(ax)
    place_legend(ax, *ax.get_legend_handles_labels())
    return ax


def optimum_map(table: pd.DataFrame, rows: str, columns: str, ax: Axes | None = None) -> Axes:
    """Draw the best loading over two things that are varied; bounds of the scan are hatched and marked ≥ or ≤.

    Parameters
    ----------
    table : DataFrame
        Of `analysis.study.scan_table`.
    rows, columns : str
        Two of its labels.
    ax : Axes, optional
    """
    across, down = list(dict.fromkeys(table[columns])), list(dict.fromkeys(table[rows]))
    if ax is None:
        ax = new_axes((1.8 + 1.1 * len(across), 1.6 + 0.7 * len(down)))
    value = np.full((len(down), len(across)), np.nan)
    for _, row in table.iterrows():
        i, j = down.index(row[rows]), across.index(row[columns])
        value[i, j] = row["x*"]
        lo, hi = row["x* lo"], row["x* hi"]
        ends = f"\n{lo:.2g} to {hi:.2g}" if math.isfinite(lo) and math.isfinite(hi) else ""
        text = (
            "no maximum" if not math.isfinite(row["x*"]) else f"{row['x*']:.2g}{' (end)' if row['bound'] else ''}{ends}"
        )
        ax.text(j, i, text, ha="center", va="center", fontsize=8, color=INK)
    ax.imshow(value, cmap="YlOrBr", vmin=0, vmax=1.6, aspect="auto")
    ax.set_xticks(range(len(across)), [str(label) for label in across])
    ax.set_yticks(range(len(down)), [str(label) for label in down])
    ax.set_xlabel(columns)
    ax.set_ylabel(rows)
    ax.set_title("x* at 25 °C with its 95 % interval; (end): largest at an end of the scan", fontsize=9, color=INK)
    return ax
