"""Pictures of what a run tells besides sigma and E_a: Haven ratio, diffusivities, measured beside computed values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from analysis.plot_style import AXIS_NAME, INK, MARKER, MUTED, SPECIES, colours, finish, new_axes, place_legend
from structures.units import CELSIUS_ZERO

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from analysis.campaign import Analysis


def haven(analysis: Analysis, ax: Axes | None = None) -> Axes:
    """Draw the Haven ratio against the loading, one line for each temperature; what is not converged is hollow."""
    ax = new_axes((6.8, 4.0)) if ax is None else ax
    name, table = analysis.composition_name, analysis.conductivity
    temperatures = sorted(table["T (K)"].unique())
    apart = 0.008 * float(np.ptp(table[name]))  # of points at the same loading
    for k, colour in reversed(list(enumerate(colours(len(temperatures))))):
        T = temperatures[k]
        rows = table[(table["T (K)"] == T) & (table["H_R"] > 0)].sort_values(name)
        shift = apart * (k - (len(temperatures) - 1) / 2)
        _points(
            ax, rows[name] + shift, rows, "H_R", colour, label=f"{T - CELSIUS_ZERO:.0f} °C", sure=rows["H_R converged"]
        )
    ax.axhline(1.0, color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)), zorder=0)
    ax.set_yscale("log")
    low, high = ax.get_ylim()
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high > 10 * low else (1, 1.2, 1.5, 2, 3, 4, 5, 6, 7, 8)))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())
    ax.set_xlabel(AXIS_NAME.get(name, name))
    ax.set_ylabel("Haven ratio  σ$_{NE}$ / σ")
    finish(ax)
    place_legend(ax, *ax.get_legend_handles_labels())
    return ax


def diffusion(analysis: Analysis, temperature: float, ax: Axes | None = None) -> Axes:
    """Draw D* of every species and D_J against the loading at one temperature (K)."""
    ax = new_axes((6.8, 4.0)) if ax is None else ax
    name = analysis.composition_name
    table = analysis.conductivity
    table = table[table["T (K)"] == temperature].sort_values(name)
    species = [column[2:-1] for column in map(str, table) if column.startswith("n(")]
    for k, ion in enumerate(species):
        rows = table[table[f"D*({ion}) (cm2/s)"] > 0]
        _points(
            ax, rows[name], rows, f"D*({ion})", SPECIES[k % len(SPECIES)], unit="(cm2/s)", label=f"D* {ion}",
            sure=rows[f"D*({ion}) converged"],
        )  # fmt: skip
    rows = table[table["D_J (cm2/s)"] > 0]
    _points(ax, rows[name], rows, "D_J", INK, unit="(cm2/s)", label="D$_J$ of the charge", sure=rows["converged"])
    ax.set_yscale("log")
    ax.set_xlabel(AXIS_NAME.get(name, name))
    ax.set_ylabel("diffusivity  (cm² / s)")
    finish(ax)
    place_legend(ax, *ax.get_legend_handles_labels(), title=f"{temperature - CELSIUS_ZERO:.0f} °C")
    return ax


def transference(table: pd.DataFrame, name: str, temperature: float = 298.15, ax: Axes | None = None) -> Axes:
    """Draw the transference numbers of every ion against the loading at the temperature nearest to one.

    Lines: electrical; diamonds: steady-state, what a cell whose electrodes exchange that ion measures.

    Parameters
    ----------
    table : DataFrame
        As `Run.transference().to_frame()` gives it.
    name : str
        Of the loading.
    temperature : float, K
    ax : Axes, optional
    """
    ax = new_axes((6.8, 4.0)) if ax is None else ax
    T = min(table["T (K)"].unique(), key=lambda t: abs(t - temperature))
    for k, ion in enumerate(dict.fromkeys(table["species"])):
        rows = table[(table["T (K)"] == T) & (table["species"] == ion)].sort_values(name)
        for column, style, kind in (
            ("t", {"fmt": "o-", "linewidth": 1.1}, "electrical"),
            ("t steady", {"fmt": "D", "alpha": 0.6}, "steady state"),
        ):
            known = rows[np.isfinite(rows[column])]
            value, lo, hi = (known[f"{column}{end}"].to_numpy(dtype=np.float64) for end in ("", " lo", " hi"))
            if not value.size:
                continue
            error = np.nan_to_num([value - lo, hi - value])
            look: dict[str, Any] = {**MARKER, **style, "color": SPECIES[k % len(SPECIES)]}
            ax.errorbar(known[name], value, yerr=error, label=f"{ion}, {kind}", **look)
    ax.axhline(0.0, color=MUTED, linewidth=0.9, zorder=0)
    ax.axhline(1.0, color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)), zorder=0)
    ax.set_xlabel(AXIS_NAME.get(name, name))
    ax.set_ylabel("transference number")
    finish(ax)
    place_legend(ax, *ax.get_legend_handles_labels(), title=f"{T - CELSIUS_ZERO:.0f} °C")
    return ax


def compared(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw computed over measured conductivities of every sample with their intervals; `table` is of `comparison`."""
    rows = table[np.isfinite(table["computed/measured"])].reset_index(drop=True)
    ax = new_axes((6.8, 1.2 + 0.3 * max(len(rows), 3))) if ax is None else ax
    places = -np.arange(len(rows), dtype=np.float64)
    ratio = rows["computed/measured"].to_numpy(dtype=np.float64)
    down = np.nan_to_num(ratio - rows["ratio lo"].to_numpy(dtype=np.float64))
    up = np.nan_to_num(rows["ratio hi"].to_numpy(dtype=np.float64) - ratio)
    ax.errorbar(ratio, places, xerr=[np.minimum(down, 0.999 * ratio), up], fmt="o", color=SPECIES[0], **MARKER)
    ax.axvline(1.0, color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)), zorder=0)
    ax.set_xscale("log")
    ax.set_yticks(
        places,
        [f"{row['sample']}, {row['T (K)'] - CELSIUS_ZERO:.0f} °C" for _, row in rows.iterrows()],
    )
    ax.set_xlabel("σ computed / σ measured")
    finish(ax)
    ax.set_ylim(-len(rows) + 0.4, 0.6)
    return ax


def _points(
    ax: Axes,
    x: pd.Series,
    rows: pd.DataFrame,
    name: str,
    colour: Any,
    *,
    label: str,
    sure: pd.Series,
    unit: str = "",
) -> None:
    """Points with their intervals joined by a line; those that are not sure are hollow."""
    value, lo, hi = (
        rows[f"{text} {unit}".strip()].to_numpy(dtype=np.float64) for text in (name, f"{name} lo", f"{name} hi")
    )
    if not value.size:
        return
    error = [np.minimum(np.nan_to_num(value - lo), 0.999 * value), np.nan_to_num(hi - value)]
    ax.errorbar(x, value, yerr=error, fmt="o-", color=colour, linewidth=1.1, label=label, **MARKER)
    hollow = ~sure.to_numpy(dtype=bool)
    ax.plot(
        x[hollow],
        value[hollow],
        "o",
        markersize=4.5,
        markerfacecolor="white",
        markeredgecolor=colour,
        zorder=3,
    )
