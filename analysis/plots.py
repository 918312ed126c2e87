"""Pictures: Arrhenius, conductivity against loading, and the network in three dimensions.

Functions named after a picture draw on the axes they are given, or on new ones, and return them; `save_*` write a PNG.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import Normal, Stroke
from mpl_toolkits.mplot3d import Axes3D  # type: ignore[import-untyped]
from mpl_toolkits.mplot3d.art3d import Line3DCollection  # type: ignore[import-untyped]
from numpy.typing import NDArray

from analysis.campaign import Analysis
from analysis.drawn_framework import drawn_framework
from analysis.experiments import measured
from analysis.network_orbits import GIVEN, hop_barriers
from analysis.palette import BARRIERS, barrier_scale, orbit_colour
from analysis.plot_style import (
    AXIS_NAME,
    INK,
    MARKER,
    MUTED,
    Colour,
    colours,
    finish,
    new_axes,
    new_figure,
    place_legend,
    save_figure,
)
from lattice.network import PoreNetwork
from structures.units import BOLTZMANN, CELSIUS_ZERO

BARRIER = LinearSegmentedColormap.from_list("barrier", BARRIERS)
BOND = "#a3a9b6"
LEGEND_ROWS = 12
# on the axes of the cell, readable over lines
NOTE: dict[str, Any] = {
    "fontsize": 8,
    "color": INK,
    "ha": "center",
    "va": "center",
    "zorder": 10,
    "path_effects": [Stroke(linewidth=2.5, foreground="white"), Normal()],
}
CORE = 0.8  # width of the line inside a hop with a number of the user
STUB = 0.3  # length drawn at either end of a hop that leaves the cell, as a share of the hop
BAND = 9.0  # points, height of the shade of an optimum


def arrhenius(analysis: Analysis, ax: Axes | None = None) -> Axes:
    """Draw log10(sigma T) against 1000/T with intervals, and the fitted line of each composition.

    Parameters
    ----------
    analysis : Analysis
    ax : Axes, optional
    """
    ax = new_axes((6.8, 4.9)) if ax is None else ax
    name, table = analysis.composition_name, analysis.conductivity
    compositions = sorted(table[name].unique())
    for colour, composition in zip(colours(len(compositions)), compositions, strict=True):
        rows = table[(table[name] == composition) & (table["sigma (S/cm)"] > 0)].sort_values("T (K)")
        if rows.empty:
            continue
        T = rows["T (K)"].to_numpy(dtype=np.float64)
        sigma, down, up = _with_errors(rows)
        label = f"{name} = {composition:.3g}"
        fit = _row_of(analysis.activation, name, composition)
        if fit is not None:
            half = (fit["E_a hi (eV)"] - fit["E_a lo (eV)"]) / 2
            label += f"   {fit['E_a (eV)']:.3f} ± {half:.3f} eV"
            line_T = 1 / np.linspace(1 / T.max(), 1 / T.min(), 50)
            ax.plot(
                1e3 / line_T,
                np.exp(fit["ln A (S K/cm)"] - fit["E_a (eV)"] / (BOLTZMANN * line_T)),
                color=colour,
                linewidth=1.3,
                alpha=0.75,
            )
        ax.errorbar(
            1e3 / T,
            sigma * T,
            yerr=[down * T, up * T],
            fmt="o",
            color=colour,
            **MARKER,
            label=label,
        )
    ax.set_yscale("log")
    ax.set_xlabel("1000 / T  (1/K)")
    ax.set_ylabel("σT  (S K / cm)")
    finish(ax)
    _celsius_axis(ax, sorted(table["T (K)"].unique()))
    place_legend(ax, *ax.get_legend_handles_labels(), title="E$_a$ of ln(σT), 95 %")
    return ax


def loading(analysis: Analysis, ax: Axes | None = None, *, material: str | None = None) -> Axes:
    """Draw sigma against loading per temperature, with intervals, optima and the measured points at 25 °C.

    Parameters
    ----------
    analysis : Analysis
    ax : Axes, optional
    material : str, optional
        Section of the reference file whose points are drawn, "ni_mof".
    """
    ax = new_axes((6.8, 4.6)) if ax is None else ax
    name, table = analysis.composition_name, analysis.conductivity
    temperatures = sorted(table["T (K)"].unique())
    for colour, T in reversed(list(zip(colours(len(temperatures)), temperatures, strict=True))):
        rows = table[(table["T (K)"] == T) & (table["sigma (S/cm)"] > 0)].sort_values(name)
        if rows.empty:
            continue
        x = rows[name].to_numpy(dtype=np.float64)
        sigma, down, up = _with_errors(rows)
        ax.errorbar(
            x,
            sigma,
            yerr=[down, up],
            fmt="o-",
            color=colour,
            linewidth=1.1,
            **MARKER,
            label=f"{T - CELSIUS_ZERO:.0f} °C",
        )
        best = _row_of(analysis.optimum, "T (K)", T)
        if best is not None:
            _mark_optimum(ax, name, best, colour)
    points = [p for p in measured(material) if p.exchange is not None] if material and name == "x" else []
    at_25 = [p for p in points if abs(p.temperature - 298.15) < 0.5]
    if at_25:
        ax.plot(
            [p.exchange or 0.0 for p in at_25],
            [p.sigma for p in at_25],
            linestyle="none",
            marker="*",
            markersize=11,
            color=INK,
            markeredgecolor="white",
            markeredgewidth=0.7,
            zorder=5,
            label="measured, 25 °C",
        )
    ax.set_yscale("log")
    ax.set_xlabel(AXIS_NAME.get(name, name))
    ax.set_ylabel("σ  (S / cm)")
    finish(ax)
    handles, labels = ax.get_legend_handles_labels()
    order = sorted(range(len(labels)), key=lambda k: labels[k].startswith("measured"))
    handles, labels = [handles[k] for k in order], [labels[k] for k in order]
    if not analysis.optimum.empty:
        shade = Line2D([], [], color="#d5d8de", linewidth=7, marker="v", markersize=7)
        shade.set_markerfacecolor("white")
        shade.set_markeredgecolor(MUTED)
        handles.append(shade)
        labels.append("optimum, 95 %\n(sideways: a bound)")
    place_legend(ax, handles, labels)
    return ax


def network(pores: PoreNetwork, species_index: int = 0, ax: Axes3D | None = None) -> Axes3D:
    """Draw the sites of one species by orbit, its hops coloured by their barrier, the framework and the cell.

    Hops that leave the cell are drawn at both of their ends as short, faded stubs. The colours of the barriers have one
    scale for all species. Sites whose energy the user has given have a dark rim, such hops a dark core.

    Parameters
    ----------
    pores : PoreNetwork
    species_index : int
    ax : Axes3D, optional
    """
    if ax is None:
        ax = new_figure((6.2, 5.8)).add_subplot(projection="3d")
    sites = np.flatnonzero(pores.site_species == species_index)
    hops = np.flatnonzero(np.isin(pores.hop_origin, sites) & (pores.hop_reverse > np.arange(len(pores.hop_origin))))
    position = pores.site_frac @ pores.cell
    _draw_cell(ax, pores.cell)
    _draw_framework(ax, pores)
    if hops.size:
        _draw_hops(ax, pores, hops, position)
    handles = []
    for orbit in np.unique(pores.site_orbit[sites]):
        members = sites[pores.site_orbit[sites] == orbit]
        colour = orbit_colour(int(orbit))
        first = members[0]
        given = pores.site_overridden[first]
        rim = {"edgecolors": INK if given else "white", "linewidths": 1.4 if given else 0.6}
        ax.scatter(*position[members].T, s=70, c=colour, depthshade=False, zorder=5, **rim)
        relative = pores.site_energy[first] - pores.site_energy[sites].min()
        text = f"{len(members)} × {pores.site_label[first]}  +{1e3 * relative:.0f} meV{GIVEN if given else ''}"
        handles.append(Line2D([], [], linestyle="none", marker="o", markersize=6, color=colour, label=text))
    _frame_cell(ax, pores.cell)
    ax.set_title(f"{pores.species[species_index].name}   {len(sites)} sites per cell", fontsize=11, color=INK, pad=2)
    if len(handles) > LEGEND_ROWS:
        rest = Line2D([], [], linestyle="none", label=f"and {len(handles) - LEGEND_ROWS + 1} more orbits")
        handles = [*handles[: LEGEND_ROWS - 1], rest]
    if pores.site_overridden[sites].any() or pores.hop_overridden[hops].any():
        handles.append(Line2D([], [], color=INK, linewidth=CORE, label=f"{GIVEN} given by the user, not computed"))
    if handles:
        ax.legend(
            handles=handles,
            fontsize=7.6,
            frameon=False,
            loc="upper center",
            bbox_to_anchor=(0.5, 0.0),
            ncols=1 if len(handles) < 5 else 2,
            handletextpad=0.2,
        )
    return ax


def save_arrhenius(analysis: Analysis, path: Path | str, *, footnote: Sequence[str] = ()) -> None:
    """Write the Arrhenius picture as PNG, with the assumptions below it."""
    ax = arrhenius(analysis)
    save_figure(ax.figure, path, footnote)


def save_loading(
    analysis: Analysis, path: Path | str, *, material: str | None = None, footnote: Sequence[str] = ()
) -> None:
    """Write the picture of sigma against loading as PNG, with the assumptions below it."""
    ax = loading(analysis, material=material)
    save_figure(ax.figure, path, footnote)


def save_network(pores: PoreNetwork, path: Path | str, *, footnote: Sequence[str] = ()) -> None:
    """Write the network of every species, side by side, as PNG or SVG."""
    save_figure(network_figure(pores), path, footnote)


def network_figure(pores: PoreNetwork) -> Figure:
    """Draw the network of every species, side by side."""
    n = len(pores.species)
    figure = new_figure((6.4 * n, 6.2))
    for index in range(n):
        ax = figure.add_axes((index / n, 0.1, 0.88 / n, 0.86), projection="3d")
        network(pores, index, ax)
    figure.suptitle(pores.name, fontsize=12.5, color=INK, x=0.5, y=1.03)
    return figure


def _celsius_axis(ax: Axes, temperatures: Sequence[float]) -> None:
    """Name the temperatures in °C along the top."""
    top = ax.secondary_xaxis("top")
    top.set_xticks([1e3 / T for T in temperatures], [f"{T - CELSIUS_ZERO:.0f}" for T in temperatures])
    top.tick_params(colors=MUTED, labelsize=7.8)
    top.spines["top"].set_visible(False)
    top.set_xlabel("T (°C)", fontsize=8.2, color=MUTED)


def _mark_optimum(ax: Axes, name: str, best: pd.Series, colour: Colour) -> None:
    """Shade the interval of the optimum, or point outwards where the scan only bounds it."""
    sigma = float(best["sigma (S/cm)"])
    ends = [float(best[f"{name}* lo"]), float(best[f"{name}* hi"])]
    ax.plot(ends, [sigma, sigma], color=colour, alpha=0.25, linewidth=BAND, solid_capstyle="butt", zorder=1)
    marker = {"at least": ">", "at most": "<"}.get(str(best["edge"]), "v")
    ax.plot(
        best[f"{name}*"],
        sigma,
        marker=marker,
        markersize=7,
        markerfacecolor="white",
        markeredgecolor=colour,
        markeredgewidth=1.4,
        zorder=4,
    )


def _with_errors(rows: pd.DataFrame) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Conductivities and the lengths of their intervals downwards and upwards; zero where there is none."""
    sigma = rows["sigma (S/cm)"].to_numpy(dtype=np.float64)
    down = np.nan_to_num(sigma - rows["sigma lo (S/cm)"].to_numpy(dtype=np.float64))
    up = np.nan_to_num(rows["sigma hi (S/cm)"].to_numpy(dtype=np.float64) - sigma)
    return sigma, np.minimum(down, 0.999 * sigma), up


def _row_of(table: pd.DataFrame, column: str, value: float) -> pd.Series | None:
    if table.empty:
        return None
    rows = table[table[column] == value]
    return None if rows.empty else rows.iloc[0]


def _draw_cell(ax: Axes3D, cell: NDArray[np.float64]) -> None:
    """Edges of the cell, and the lengths of its vectors at the edges that leave the origin."""
    corners = np.array(list(product((0, 1), repeat=3)))
    edges = [(a @ cell, b @ cell) for k, a in enumerate(corners) for b in corners[k + 1 :] if np.abs(a - b).sum() == 1]
    ax.add_collection3d(Line3DCollection(edges, colors=MUTED, linewidths=0.8, alpha=0.6))
    for name, vector in zip("abc", cell, strict=True):
        length = float(np.linalg.norm(vector))
        ax.text(*(1.05 * vector), f"$\\bf{{{name}}}$ {length:.2f} Å", **NOTE)
    ax.text(*(-0.04 * cell.sum(axis=0)), "0", **NOTE)


def _draw_framework(ax: Axes3D, pores: PoreNetwork) -> None:
    if not pores.framework_symbols:
        return
    drawn = drawn_framework(pores)
    start = drawn.place[drawn.bond_copy]
    segments = np.stack([start, start + drawn.bond_half], axis=1)
    inside = ~drawn.outside[drawn.bond_copy]
    for chosen, alpha in ((inside, 0.75), (~inside, 0.3)):
        if not chosen.any():
            continue
        ax.add_collection3d(
            Line3DCollection(list(segments[chosen]), colors=BOND, linewidths=0.8, alpha=alpha, zorder=1)
        )


def _draw_hops(ax: Axes3D, pores: PoreNetwork, hops: NDArray[np.int64], position: NDArray[np.float64]) -> None:
    """Lines along the hops; colour by the barrier seen from the lower end."""
    origin, target = pores.hop_origin[hops], pores.hop_target[hops]
    barriers = hop_barriers(pores)
    top, ticks = barrier_scale(float(barriers.max()))
    barrier, norm = barriers[hops], Normalize(0.0, top)
    vector = pores.hop_vector[hops]
    inside = (pores.hop_image[hops] == 0).all(axis=1)
    for start, step, chosen, alpha, width in (
        (position[origin], vector, inside, 0.95, 2.2),
        (position[origin], STUB * vector, ~inside, 0.5, 1.2),
        (position[target], -STUB * vector, ~inside, 0.5, 1.2),
    ):
        segments = np.stack([start[chosen], start[chosen] + step[chosen]], axis=1)
        if len(segments):
            colours = BARRIER(norm(barrier[chosen]))
            lines = Line3DCollection(list(segments), colors=colours, linewidths=width, alpha=alpha, zorder=3)
            ax.add_collection3d(lines)
        given = segments[pores.hop_overridden[hops][chosen]]
        if len(given):
            ax.add_collection3d(Line3DCollection(list(given), colors=INK, linewidths=CORE, zorder=4))
    place = ax.inset_axes((1.03, 0.28, 0.022, 0.42))
    bar = ax.figure.colorbar(ScalarMappable(norm, BARRIER), cax=place, ticks=list(ticks))
    bar.set_label("barrier from the deeper end (eV)", fontsize=8, color=INK)
    bar.ax.tick_params(labelsize=7.5, colors=INK)
    bar.outline.set_visible(False)


def _frame_cell(ax: Axes3D, cell: NDArray[np.float64]) -> None:
    """Equal scales around the cell, no axes."""
    corners = np.array(list(product((0, 1), repeat=3))) @ cell
    low, high = corners.min(axis=0), corners.max(axis=0)
    ax.set_xlim(low[0], high[0])
    ax.set_ylim(low[1], high[1])
    ax.set_zlim(low[2], high[2])
    extent = high - low
    ax.set_box_aspect(tuple(extent), zoom=1.7 * float(extent.max() / np.linalg.norm(extent)))
    ax.set_proj_type("persp", focal_length=0.6)
    ax.view_init(elev=16, azim=-68)
    ax.computed_zorder = False
    ax.set_axis_off()
