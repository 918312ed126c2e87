"""How all pictures look: colours, points with intervals, axes, legends, and the file formats."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure, SubFigure
from matplotlib.legend import Legend

from structures.files import whole_file

DPI = 200
NARROW = 5.0  # inches; below it a legend goes under its axes
INK = "#22252b"
MUTED = "#7a808c"
SEQUENCE = LinearSegmentedColormap.from_list("loading", ["#2b2d6e", "#5a4fa8", "#b0508f", "#e2695f", "#eda93b"])
SPECIES = ("#2f6db5", "#cf4a3c", "#86b52f", "#8c62c4", "#e3a72f", "#45b3dc")
AXIS_NAME = {"x": "exchange fraction x", "M": "molarity (mol/L)"}  # of a loading
# of points with their intervals
MARKER: dict[str, Any] = {
    "markersize": 4.5,
    "markeredgecolor": "white",
    "markeredgewidth": 0.5,
    "elinewidth": 1.1,
    "capsize": 2,
}

Colour = tuple[float, float, float, float]


def new_figure(size: tuple[float, float]) -> Figure:
    """Make a figure that belongs to no window; size in inches."""
    figure = Figure(figsize=size, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def new_axes(size: tuple[float, float]) -> Axes:
    """Make the only axes of a new figure; size in inches."""
    return new_figure(size).add_subplot()


def colours(n: int, colormap: Colormap = SEQUENCE) -> list[Colour]:
    """Colours in even steps of a map."""
    return [colormap(k) for k in (np.linspace(0, 1, n) if n > 1 else [0.4])]


def finish(ax: Axes) -> None:
    """Take away what is no data: frame lines on two sides, strong ticks; lay a pale grid behind."""
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        ax.spines[side].set_color(MUTED)
    ax.tick_params(which="both", colors=INK, labelsize=8.5)
    ax.grid(visible=True, which="major", color="#e6e8ec", linewidth=0.7)
    ax.set_axisbelow(True)


def place_legend(ax: Axes, handles: Sequence[Artist], labels: Sequence[str], *, title: str = "") -> Legend | None:
    """Put the legend beside the axes, or under them where the figure is narrow; None without entries."""
    if not handles:
        return None
    narrow = ax.get_figure(root=True).get_size_inches()[0] < NARROW  # type: ignore[union-attr]
    place: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1.01, 1.0), "labelspacing": 0.7}
    if narrow:
        columns = 2 if max(map(len, labels)) < 22 else 1
        place = {"loc": "upper left", "bbox_to_anchor": (-0.05, -0.16), "ncols": columns, "labelspacing": 0.5}
    legend = ax.legend(
        handles, labels, title=title or None, alignment="left", fontsize=8, title_fontsize=8.2, frameon=False, **place
    )
    legend.get_title().set_color(INK)
    return legend


def save_figure(figure: Figure | SubFigure, path: Path | str, footnote: Sequence[str] = ()) -> None:
    """Write a figure as PNG or SVG by the ending of the name, cropped to what is on it, with small lines of text below.

    Parameters
    ----------
    figure : Figure or SubFigure
    path : Path or str
        Ends in .png or .svg.
    footnote : sequence of str
    """
    path = Path(path)
    if footnote:
        figure.text(0.01, -0.02, "\n".join(footnote), fontsize=6.6, color=MUTED, va="top", ha="left", wrap=False)
    with whole_file(path) as temporary:
        temporary.write_bytes(figure_bytes(figure, path.suffix.removeprefix(".").lower() or "png"))


def figure_bytes(figure: Figure | SubFigure, form: str) -> bytes:
    """Bytes of a figure as "png" or "svg", the same for the same picture."""
    metadata = {"Date": None} if form == "svg" else {"Software": None}
    with rc_context({"svg.hashsalt": "mofkmc", "svg.fonttype": "path"}), io.BytesIO() as buffer:
        figure.figure.savefig(buffer, format=form, dpi=DPI, bbox_inches="tight", pad_inches=0.12, metadata=metadata)
        return buffer.getvalue()
