"""Pictures of conductivity and impedance against frequency."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes

from analysis.plot_style import INK, MUTED, finish, new_axes

if TYPE_CHECKING:
    from analysis.impedance import Impedance
    from analysis.spectra import Spectrum

REAL, IMAGINARY = "#2f6db5", "#cf4a3c"
SIZE = (6.4, 4.4)
FLOOR = 1e-4  # of the largest value: what lies below is not drawn


def draw_spectrum(spectrum: Spectrum, ax: Axes | None = None) -> Axes:
    """Draw both parts of sigma on logarithmic scales; outside the resolved range on grey."""
    ax = new_axes(SIZE) if ax is None else ax
    f = spectrum.frequency
    highest = max(float(spectrum.sigma.real.max()), spectrum.dc.value)
    if highest > 0:
        for name, colour, part in (("σ′", REAL, np.real), ("σ″", IMAGINARY, np.imag)):
            value, lo, hi = (part(x) for x in (spectrum.sigma, spectrum.lo, spectrum.hi))
            floor = FLOOR * highest
            shown = value > floor
            if np.isfinite(hi).any():
                ax.fill_between(f, np.maximum(lo, floor), np.maximum(hi, floor), color=colour, alpha=0.18, linewidth=0)
            ax.plot(f[shown], value[shown], color=colour, linewidth=1.6, label=name)
        if np.isfinite(spectrum.high_frequency):
            ax.axhline(spectrum.high_frequency, color=MUTED, linewidth=0.9, linestyle=":", label="σ$_∞$, all hops")
        ax.set_xscale("log")
        ax.set_yscale("log")
        ax.set_xlim(f[f > 0].min(), f.max())
        _shade_outside(ax, spectrum)
        top = np.nanmax([highest, spectrum.high_frequency])
        ax.set_ylim(bottom=max(highest * FLOOR, ax.get_ylim()[0]), top=3 * top)
        ax.legend(frameon=False, fontsize=8, loc="best")
    ax.set_xlabel("f  (Hz)")
    ax.set_ylabel("σ  (S / cm)")
    ax.set_title(_title(spectrum.label, spectrum.direction, spectrum.converged), fontsize=9, color=INK, loc="left")
    finish(ax)
    return ax


def draw_nyquist(found: Impedance, ax: Axes | None = None) -> Axes:
    """Draw -Z'' against Z' on equal scales, with R read from the curve."""
    ax = new_axes(SIZE) if ax is None else ax
    unit, name = _ohm(found)
    Z = found.Z / unit
    known = found.frequency <= found.resolved[1] * (1 + 1e-9)
    ax.plot(Z.real, -Z.imag, color=REAL, linewidth=1.2, linestyle=":")
    ax.plot(Z.real[known], -Z.imag[known], color=REAL, linewidth=1.6)
    for power in range(int(np.ceil(np.log10(found.frequency[0]))), int(np.log10(found.frequency[-1])) + 1):
        near = int(np.abs(np.log10(found.frequency) - power).argmin())
        ax.plot(Z.real[near], -Z.imag[near], "o", color=REAL, markersize=3)
    width = 1.8 * (found.R_bulk / unit if np.isfinite(found.R_bulk) else float(Z.real.max()))
    if np.isfinite(found.R_bulk):
        text = f"R = {found.R_bulk / unit:.3g} {name}, σ = l/(R S) = {found.sigma:.3g} S/cm"
        ax.plot(found.R_bulk / unit, 0, "v", color=IMAGINARY, markersize=7, label=text, clip_on=False, zorder=4)
        ax.legend(frameon=False, fontsize=8, loc="upper left")
    ax.set_xlim(0, width)
    ax.set_ylim(0, 0.62 * width)
    _say_apex(ax, found, (0.28, 0.03))  # under the arc
    ax.set_aspect("equal")
    ax.set_xlabel(f"Z′  ({name})")
    ax.set_ylabel(f"−Z″  ({name})")
    ax.set_title(
        "\n".join(part for part in (found.label, found.cell.description) if part), fontsize=8.5, color=INK, loc="left"
    )
    finish(ax)
    return ax


def draw_bode(found: Impedance, ax: Axes | None = None) -> Axes:
    """Draw |Z| and, on a second scale, the phase against frequency."""
    ax = new_axes(SIZE) if ax is None else ax
    ax.plot(found.frequency, np.abs(found.Z), color=REAL, linewidth=1.5)
    if found.frequency[-1] > found.resolved[1]:
        ax.axvspan(max(found.resolved[1], found.frequency[0]), found.frequency[-1], color=MUTED, alpha=0.1, linewidth=0)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlabel("f  (Hz)")
    ax.set_ylabel("|Z|  (Ω)", color=REAL)
    ax.set_title(
        "\n".join(part for part in (found.label, found.cell.description) if part), fontsize=8.5, color=INK, loc="left"
    )
    finish(ax)
    phase = ax.twinx()
    phase.plot(found.frequency, -np.degrees(np.angle(found.Z)), color=IMAGINARY, linewidth=1.5)
    phase.set_ylim(-2, 92)
    phase.set_yticks([0, 30, 60, 90])
    _say_apex(phase, found, (0.5, 0.84))
    phase.set_ylabel("−phase  (°)", color=IMAGINARY)
    phase.spines["top"].set_visible(False)
    phase.tick_params(labelsize=8.5, colors=INK)
    return ax


def _say_apex(ax: Axes, found: Impedance, place: tuple[float, float]) -> None:
    """Write into the plot that the apex of the arc is not among the frequencies that are known."""
    if found.apex_statement:
        text = f"apex at {found.apex:.2g} Hz:\nextrapolated, σ is\nresolved up to {found.resolved[1]:.2g} Hz"
        ax.text(*place, text, transform=ax.transAxes, ha="center", va="bottom", fontsize=7.5, color=IMAGINARY)


def _ohm(found: Impedance) -> tuple[float, str]:
    """Choose the unit in which the resistance is a number of few digits."""
    size = found.R_bulk if np.isfinite(found.R_bulk) else float(found.Z.real.max())
    for unit, name in ((1e6, "MΩ"), (1e3, "kΩ"), (1.0, "Ω")):
        if size >= unit:
            return unit, name
    return 1e-3, "mΩ"


def _title(label: str, detail: str, converged: bool) -> str:
    return ", ".join(part for part in (label, detail, "" if converged else "not converged (~)") if part)


def _shade_outside(ax: Axes, spectrum: Spectrum) -> None:
    left, right = ax.get_xlim()
    low, high = spectrum.resolved
    for start, end in ((left, min(low, right)), (max(high, left), right)):
        if end > start:
            ax.axvspan(start, end, color=MUTED, alpha=0.08, linewidth=0)
