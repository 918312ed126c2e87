"""Pictures of a fit to measurements: profiles of the likelihood, pairs of parameters, measured beside computed."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from numpy.typing import NDArray
from scipy import stats

from analysis.calibration import Fit, Profile, Range
from analysis.plot_style import INK, MARKER, MUTED, SPECIES, finish, new_figure
from analysis.statistics import LEVEL, normal_quantile
from structures.units import CELSIUS_ZERO

TOP = 12.0  # of the deviance that is drawn
DECADES = 3.0  # over which a logarithmic axis has its numbers as powers
LABEL = 9
_WIDTH = 3.1  # inches of a panel
_SHOWN = 1500  # draws of a pair


def profiles(fit: Fit) -> Figure:
    """Deviance along every parameter over its range, with the level of the 95 % interval and the interval shaded."""
    n = len(fit.profiles)
    figure = new_figure((_WIDTH * n + 0.6, 2.9))
    for k, (profile, given) in enumerate(zip(fit.profiles, fit.likelihood.ranges, strict=True)):
        ax = figure.add_subplot(1, n, k + 1)
        _draw_profile(ax, profile, given)
        if k == 0:
            ax.set_ylabel("−2 ln(L / L$_{max}$)", fontsize=LABEL)
    figure.subplots_adjust(wspace=0.32, bottom=0.2)
    return figure


def _draw_profile(ax: Axes, profile: Profile, given: Range) -> None:
    for low, high in profile.parts:
        ax.axvspan(low, high, color=SPECIES[0], alpha=0.13, linewidth=0)
    ax.axhline(float(stats.chi2.ppf(LEVEL, 1)), color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)))
    ax.plot(profile.value, np.minimum(profile.deviance, 2 * TOP), color=SPECIES[0], linewidth=1.5)
    ax.plot([profile.best], [0.0], "o", color=SPECIES[0], **_plain(), clip_on=False)
    _scale(ax, "x", given)
    ax.set_ylim(0, TOP)
    ax.set_xlabel(given.key, fontsize=LABEL)
    said = "identified" if profile.identified == "yes" else "not identified"
    ends = " and ".join(f"{low:.3g} to {high:.3g}" for low, high in profile.parts)
    ax.set_title(f"{said}: {ends}", fontsize=8.5, color=INK)
    finish(ax)


def _scale(ax: Axes, axis: Literal["x", "y"], given: Range) -> None:
    """Give an axis the range and scale of a prior, with plain numbers."""
    if given.log:
        (ax.set_xscale if axis == "x" else ax.set_yscale)("log")
        along, decades = getattr(ax, f"{axis}axis"), math.log10(given.high / given.low)
        along.set_major_locator(LogLocator(subs=(1, 2, 5) if decades < DECADES else (1,)))
        along.set_minor_formatter(NullFormatter())
        if decades < DECADES:
            along.set_major_formatter(FuncFormatter(lambda value, place: f"{value:g}"))
    (ax.set_xlim if axis == "x" else ax.set_ylim)(given.low, given.high)


def _plain() -> dict[str, Any]:
    return {key: value for key, value in MARKER.items() if key.startswith("marker")}


def pairs(fit: Fit, simulated: NDArray[np.float64]) -> Figure:
    """Draws of the posterior for every pair of parameters, over their ranges, with the sets that were simulated.

    Parameters
    ----------
    fit : Fit
    simulated : (n, p) float64
        Coordinates.
    """
    ranges, p = fit.likelihood.ranges, len(fit.likelihood.ranges)
    figure = new_figure((_WIDTH * (p - 1) + 0.8, _WIDTH * (p - 1) + 0.4))
    rng = np.random.default_rng(1)
    chosen = rng.choice(len(fit.sample.draws), size=_SHOWN, p=fit.sample.weight)
    draws, found = fit.sample.draws[chosen], fit.correlation()
    for i in range(1, p):
        for j in range(i):
            ax = figure.add_subplot(p - 1, p - 1, (i - 1) * (p - 1) + j + 1)
            x, y = ranges[j], ranges[i]
            ax.plot(
                x.values(draws[:, j]), y.values(draws[:, i]), ".", color=SPECIES[0], markersize=2, alpha=0.35,
                label="posterior",
            )  # fmt: skip
            ax.plot(
                x.values(simulated[:, j]), y.values(simulated[:, i]), "+", color=INK, markersize=5, label="simulated"
            )
            at = float(x.values(fit.best[j])), float(y.values(fit.best[i]))
            ax.plot(*([value] for value in at), "o", color=SPECIES[1], **_plain(), label="most likely")
            _scale(ax, "x", x)
            _scale(ax, "y", y)
            ax.set_title(f"correlation {found[i, j]:+.2f}", fontsize=8.5, color=INK)
            if i == p - 1:
                ax.set_xlabel(x.key, fontsize=LABEL)
            if j == 0:
                ax.set_ylabel(y.key, fontsize=LABEL)
            finish(ax)
    figure.axes[0].legend(fontsize=7.5, frameon=False, loc="best")
    figure.subplots_adjust(wspace=0.3, hspace=0.35, bottom=0.15)
    return figure


def targets(fit: Fit) -> Figure:
    """Measured conductivities of the targets beside computed ones at the most likely parameters, with their errors."""
    found = fit.likelihood
    mean, variance = found.computed(fit.best[None, :])
    z = normal_quantile()
    figure = new_figure((1.5 * len(found.targets) + 2.2, 3.1))
    ax = figure.add_subplot()
    for j, target in enumerate(found.targets):
        for shift, log, error, colour, label in (
            (-0.1, math.log(target.sigma), target.error, INK, "measured"),
            (0.1, float(mean[0, j]), math.sqrt(float(variance[0, j])), SPECIES[0], "computed"),
        ):
            sigma, reach = math.exp(log), math.exp(z * error)
            ends = [[sigma - sigma / reach], [sigma * reach - sigma]]
            ax.errorbar([j + shift], [sigma], yerr=ends, fmt="o", color=colour, **MARKER, label=label if j == 0 else "")
    ax.set_yscale("log")
    ax.set_xlim(-0.6, len(found.targets) - 0.4)
    names = [f"{t.sample}\n{t.temperature - CELSIUS_ZERO:.0f} °C" for t in found.targets]
    ax.set_xticks(range(len(names)), names)
    ax.set_ylabel("σ  (S / cm)")
    finish(ax)
    ax.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure
