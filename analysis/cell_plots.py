"""Pictures of what a separator costs a cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from analysis.plot_style import INK, MUTED, finish, new_axes
from analysis.separators import Separator, characteristics, loss_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

OHMIC, STEADY = "#2f6db5", "#cf4a3c"
SIZE = (6.4, 4.4)
N_CURRENTS = 60


def default_currents(separator: Separator, n: int = N_CURRENTS) -> np.ndarray:
    """Spread current densities up to twice the limiting one, in mA/cm²; up to 10 mA/cm² where there is none."""
    i_lim = characteristics(separator)["limiting current (mA/cm2)"].value
    top = 2 * i_lim if np.isfinite(i_lim) else 10.0
    return np.geomspace(top * 5e-4, top, n)


def draw_losses(separator: Separator, ax: Axes | None = None) -> Axes:
    """Draw the voltage lost at the start and in the steady state against the current density, and where it ends."""
    ax = new_axes(SIZE) if ax is None else ax
    i_lim = characteristics(separator)["limiting current (mA/cm2)"]
    currents = default_currents(separator)
    if np.isfinite(i_lim.value):
        near = i_lim.value * (1 - np.geomspace(0.3, 1e-4, 30))
        currents = np.sort(np.concatenate((currents, near)))
    table = loss_table(separator, currents)
    for name, colour, label in (
        ("ohmic", OHMIC, "at the start: i L / σ"),
        ("steady", STEADY, "in the steady state"),
    ):
        value, lo, hi = (table[f"{name}{end} (mV)"].to_numpy(dtype=np.float64) for end in ("", " lo", " hi"))
        fine = np.isfinite(value)
        if np.isfinite(lo).any():
            ceiling = np.nanmax(value[fine]) * 10
            ax.fill_between(currents, lo, np.minimum(hi, ceiling), color=colour, alpha=0.16, linewidth=0,
                            where=(np.isfinite(lo) & ~np.isnan(hi)).tolist())  # fmt: skip
        ax.plot(currents[fine], value[fine], color=colour, linewidth=1.6, label=label)
    if np.isfinite(i_lim.value):
        span = f" ({i_lim.lo:.3g} to {i_lim.hi:.3g})" if np.isfinite(i_lim.lo) else ""
        text = f"limiting current {i_lim.value:.3g}{span} mA/cm²"
        ax.axvline(i_lim.value, color=INK, linewidth=1.0, linestyle="--", label=text)
        if np.isfinite(i_lim.lo):
            ax.axvspan(i_lim.lo, min(i_lim.hi, currents[-1]), color=MUTED, alpha=0.12, linewidth=0)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlim(currents[0], currents[-1])
    top = table[["ohmic (mV)", "steady (mV)"]].replace(np.inf, np.nan).max().max()
    ax.set_ylim(0.7 * float(table["ohmic (mV)"].min()), 3 * float(top))
    ax.set_xlabel("i  (mA / cm²)")
    ax.set_ylabel("voltage lost in the separator  (mV)")
    title = f"{separator.thickness_cm * 1e4:g} µm, σ = {separator.sigma.value:.3g} S/cm, t = {separator.t_Li.value:.2g}"
    ax.set_title(f"{separator.label}: {title}".removeprefix(": "), fontsize=9, color=INK, loc="left")
    ax.legend(frameon=False, fontsize=8, loc="upper left")
    finish(ax)
    return ax
