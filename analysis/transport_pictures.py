"""Pictures of the transport coefficients at one composition and temperature."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from analysis.plot_style import MARKER, MUTED, SPECIES, finish, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def bars(labels: Sequence[str], values: NDArray[np.float64], name: str, ax: Axes | None = None) -> Axes:
    """Draw numbers side by side with their intervals.

    Parameters
    ----------
    labels : sequence of n str
    values : (n, 3) float64
        Number and both ends, nan where there are none.
    name : str
        Of the axis, with the unit.
    ax : Axes, optional
    """
    ax = new_axes((1.6 + 0.9 * max(len(labels), 3), 3.6)) if ax is None else ax
    place = np.arange(len(labels), dtype=np.float64)
    down, up = np.nan_to_num(values[:, 0] - values[:, 1]), np.nan_to_num(values[:, 2] - values[:, 0])
    finite = np.isfinite(values[:, 0])
    ax.errorbar(
        place[finite], values[finite, 0], yerr=[down[finite], np.where(np.isfinite(up), up, 0)[finite]], fmt="o",
        color=SPECIES[0], **MARKER,
    )  # fmt: skip
    ax.axhline(0.0, color=MUTED, linewidth=0.9, zorder=0)
    ax.set_xticks(place, list(labels))
    ax.set_xlim(-0.6, len(labels) - 0.4)
    ax.set_ylabel(name)
    finish(ax)
    return ax
