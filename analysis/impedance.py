"""Impedance of a slab between two electrodes, Z(ω) = l / (S (sigma(ω) + iω ε_0 ε_∞)) + Z_electrodes.

sigma(ω) of the ions comes from `analysis.spectra`. What a measurement has on top, grain boundaries and contacts, is no
part of the model. E. Barsoukov, J. R. Macdonald (eds.), Impedance Spectroscopy, 2nd ed., Wiley (2005).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.relaxations import joined
from analysis.statistics import LEVEL, Interval, NotConverged
from structures.errors import InputError
from structures.units import VACUUM_PERMITTIVITY

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

NAN = float("nan")
F_PER_CM = VACUUM_PERMITTIVITY * 1e-2  # permittivity of the vacuum, F/cm
PER_DECADE = 20
BELOW_TURN = 10.0  # how far below the turn from arc to spike the spike counts as straight
CLOSED = 0.05  # rad by which the current leads, below which there is no spike
OPEN = 0.5  # and above which an arc is open
DEFAULT_DECADES = 3.0  # above and below the frequency of the bulk arc


class HasConductivity(Protocol):
    """What an impedance is computed from, a Spectrum for instance."""

    @property
    def label(self) -> str:
        """What it is of."""

    @property
    def dc(self) -> Interval:
        """Limit at zero frequency, S/cm."""

    @property
    def resolved(self) -> tuple[float, float]:
        """Range of frequencies that it is known in, Hz."""

    def at(self, frequency_Hz: ArrayLike) -> NDArray[np.complex128]:
        """Conductivity at frequencies in Hz, S/cm."""

    def drawn_at(self, frequency_Hz: ArrayLike) -> NDArray[np.complex128]:
        """Conductivity of every bootstrap draw, (n_draws, n), S/cm."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A slab between two equal electrodes.

    Attributes
    ----------
    thickness_cm : float
    area_cm2 : float
    eps_inf : float
        Relative permittivity of everything but the ions.
    capacitance_F_per_cm2 : float or None
        Of each of the two electrodes, in series with the slab; None for electrodes that do not block. With an exponent
        below 1 it is the constant of a constant-phase element, F s^(n-1) / cm².
    exponent : float
        n of Z = 1 / (Q (iω)^n); 1 is a capacitor.

    Raises
    ------
    InputError
        If a value is not positive, or the exponent not between 0 and 1.
    """

    thickness_cm: float
    area_cm2: float
    eps_inf: float
    capacitance_F_per_cm2: float | None = None  # noqa: N815
    exponent: float = 1.0

    def __post_init__(self) -> None:
        for name, unit in (("thickness_cm", "cm"), ("area_cm2", "cm²"), ("eps_inf", "units of that of the vacuum")):
            value = getattr(self, name)
            if not (np.isfinite(value) and value > 0):
                raise InputError(f"{name}: expected a positive number in {unit}; found {value}")
        capacitance = self.capacitance_F_per_cm2
        if capacitance is not None and not (np.isfinite(capacitance) and capacitance > 0):
            raise InputError(f"capacitance_F_per_cm2: expected a positive number or none; found {capacitance}")
        if not 0 < self.exponent <= 1:
            raise InputError(f"exponent: expected a number above 0 and up to 1; found {self.exponent}")

    @property
    def description(self) -> str:
        """One line for a plot."""
        electrodes = "electrodes do not block"
        if self.capacitance_F_per_cm2 is not None:
            kind = "F/cm²" if self.exponent == 1 else f"F s^(n−1)/cm², n = {self.exponent:g}"
            electrodes = f"two electrodes of {self.capacitance_F_per_cm2:g} {kind}"
        return f"{self.thickness_cm:g} cm, {self.area_cm2:g} cm², ε∞ = {self.eps_inf:g}, {electrodes}"

    def impedance(self, sigma: NDArray[np.complex128], omega: NDArray[np.float64]) -> NDArray[np.complex128]:
        """Z in Ω.

        Parameters
        ----------
        sigma : (..., n) complex128, S/cm
        omega : (n,) float64, rad/s
        """
        bulk = self.thickness_cm / (self.area_cm2 * (sigma + 1j * omega * F_PER_CM * self.eps_inf))
        if self.capacitance_F_per_cm2 is None:
            return np.asarray(bulk)
        return np.asarray(bulk + 2 / (self.capacitance_F_per_cm2 * self.area_cm2 * (1j * omega) ** self.exponent))


@dataclass(frozen=True, eq=False, slots=True)
class Impedance:
    """Impedance against frequency.

    Attributes
    ----------
    label : str
    cell : Cell
    frequency : (n,) float64, Hz
        Ascending.
    Z : (n,) complex128, Ω
    lo, hi : (n,) complex128, Ω
        95 % of the bootstrap, of the real and the imaginary part; nan where there is none.
    R_bulk : float, Ω
        Read from the curve as from a measured one, see `bulk_resistance`; nan if the frequencies do not show it.
    sigma : float, S/cm
        l / (R_bulk S).
    apex : float, Hz
        Where -Z'' of the bulk is largest among the frequencies.
    resolved : tuple of 2 float, Hz
        Of the spectrum; sigma is extrapolated beyond.
    statements : tuple of str
    """

    label: str
    cell: Cell
    frequency: NDArray[np.float64]
    Z: NDArray[np.complex128]
    lo: NDArray[np.complex128]
    hi: NDArray[np.complex128]
    R_bulk: float
    sigma: float
    apex: float
    resolved: tuple[float, float]
    statements: tuple[str, ...]

    @property
    def apex_statement(self) -> str:
        """Say that the arc's apex is extrapolated; empty if it is not."""
        if self.apex <= self.resolved[1] * (1 + 1e-9):
            return ""
        return (
            f"the apex of the arc, at {self.apex:.3g} Hz, lies above {self.resolved[1]:.3g} Hz, up to which the "
            "samples resolve sigma: the form of the arc is extrapolated, its width is not"
        )

    def to_frame(self) -> pd.DataFrame:
        """One row per frequency; units in the column names."""
        import pandas as pd

        table = {"f (Hz)": self.frequency}
        for name, part in (("Z'", np.real), ("Z''", np.imag)):
            for end, values in (("", self.Z), (" lo", self.lo), (" hi", self.hi)):
                table[f"{name}{end} (ohm)"] = part(values)
        return pd.DataFrame(table | {"|Z| (ohm)": np.abs(self.Z), "phase (deg)": np.degrees(np.angle(self.Z))})

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the Nyquist plot, -Z'' against Z' on equal scales."""
        from analysis.spectrum_plots import draw_nyquist

        return draw_nyquist(self, ax)

    def plot_bode(self, ax: Axes | None = None) -> Axes:
        """Draw |Z| and, on a second scale, the phase against frequency."""
        from analysis.spectrum_plots import draw_bode

        return draw_bode(self, ax)


def impedance(spectrum: HasConductivity, cell: Cell, *, frequency_Hz: ArrayLike | None = None) -> Impedance:
    """Compute Nyquist and Bode plots of a cell filled with the electrolyte.

    Parameters
    ----------
    spectrum : Spectrum
    cell : Cell
    frequency_Hz : (n,) array_like, Hz, optional
        Positive. By default from three decades above the frequency of the bulk arc, sigma / (2π ε_0 ε_∞), to three
        below it and below that at which the electrodes take over, and at least to the lowest that is resolved.

    Raises
    ------
    InputError
        If nothing conducts or a frequency is not positive.
    """
    if not spectrum.dc.value > 0:
        raise InputError(f"impedance: expected a conductivity above zero at zero frequency; found {spectrum.dc.value}")
    frequency = _default_frequencies(spectrum, cell) if frequency_Hz is None else _ascending(frequency_Hz)
    omega = 2 * np.pi * frequency
    Z = cell.impedance(spectrum.at(frequency), omega)
    drawn = spectrum.drawn_at(frequency)
    lo = hi = np.full(len(Z), complex(NAN, NAN))
    if len(drawn):
        with np.errstate(divide="ignore", invalid="ignore"):
            each = cell.impedance(drawn, omega)
        low, high = 0.5 - LEVEL / 2, 0.5 + LEVEL / 2
        lo, hi = (
            joined(*(np.quantile(part(each), level, axis=0) for part in (np.real, np.imag))) for level in (low, high)
        )
    bulk = replace(cell, capacitance_F_per_cm2=None).impedance(spectrum.at(frequency), omega)
    said = []
    if frequency[-1] > spectrum.resolved[1] * (1 + 1e-9):
        said.append(f"sigma is extrapolated above {spectrum.resolved[1]:.3g} Hz, which the samples do not resolve")
    try:
        R = bulk_resistance(frequency, Z)
    except NotConverged as lacking:
        R = NAN
        said.append(str(lacking))
    return Impedance(
        label=spectrum.label,
        cell=cell,
        frequency=frequency,
        Z=Z,
        lo=lo,
        hi=hi,
        R_bulk=R,
        sigma=cell.thickness_cm / (R * cell.area_cm2),
        apex=float(frequency[bulk.imag.argmin()]),
        resolved=spectrum.resolved,
        statements=tuple(said),
    )


def bulk_resistance(frequency_Hz: ArrayLike, Z: ArrayLike) -> float:
    """Resistance of the bulk read from a Nyquist plot, measured or computed, Ω.

    Where the arc of the bulk turns into the spike of blocking electrodes (least phase), the spike is continued
    as a straight line to the real axis, which that of a constant-phase element in series meets at R. Without a spike
    it is the real part at the low end of a closed arc.

    Parameters
    ----------
    frequency_Hz : (n,) array_like, Hz
        In any order.
    Z : (n,) complex array_like, Ω

    Raises
    ------
    InputError
        If the arrays differ in length, are shorter than 4, or hold numbers that are not finite.
    NotConverged
        If the frequencies end before the arc closes; with the resistance at the lowest one.
    """
    f, Z = np.asarray(frequency_Hz, np.float64), np.asarray(Z, np.complex128)
    if f.ndim != 1 or f.shape != Z.shape or len(f) < 4 or not (np.isfinite(f).all() and np.isfinite(Z).all()):
        raise InputError(f"Z: expected at least 4 finite impedances, one per frequency; found {Z.shape} for {f.shape}")
    order = np.argsort(f)
    f, Z = f[order], Z[order]
    lag = -np.angle(Z)
    turn = int(lag.argmin())  # where the spike ends and the arc begins
    if lag[turn] > OPEN:
        unknown = Interval(float(Z[turn].real), NAN, NAN)
        raise NotConverged("R (ohm)", unknown, "the frequencies end before the arc of the bulk closes")
    if lag[0] < CLOSED or turn == 0:
        return float(Z[turn].real)
    spike = np.flatnonzero(f <= f[turn] / BELOW_TURN)
    spike = spike if len(spike) >= 2 else np.arange(turn + 1)
    x, y, weight = Z.real[spike], -Z.imag[spike], np.abs(Z[spike]) ** -2.0  # errors in proportion to |Z|
    mean_x, mean_y = np.average(x, weights=weight), np.average(y, weights=weight)
    lean = (weight * (x - mean_x) * (y - mean_y)).sum() / (weight * (y - mean_y) ** 2).sum()
    return float(mean_x - lean * mean_y)


def _default_frequencies(spectrum: HasConductivity, cell: Cell) -> NDArray[np.float64]:
    """Cover the arc of the bulk and what the electrodes do, on a logarithmic scale."""
    sigma = spectrum.dc.value
    arc = sigma / (2 * np.pi * F_PER_CM * cell.eps_inf)
    low = arc
    if cell.capacitance_F_per_cm2 is not None:  # where both impedances are equal
        ratio = 2 * sigma / (cell.capacitance_F_per_cm2 * cell.thickness_cm)
        low = min(arc, ratio ** (1 / cell.exponent) / (2 * np.pi))
    low, high = min(low / 10**DEFAULT_DECADES, spectrum.resolved[0]), arc * 10**DEFAULT_DECADES
    return np.geomspace(low, high, int(np.ceil(PER_DECADE * np.log10(high / low))) + 1)


def _ascending(frequency_Hz: ArrayLike) -> NDArray[np.float64]:
    frequency = np.sort(np.atleast_1d(np.asarray(frequency_Hz, np.float64)))
    if frequency.ndim != 1 or len(frequency) < 4 or not (np.isfinite(frequency) & (frequency > 0)).all():
        raise InputError("frequency_Hz: expected at least 4 positive frequencies in Hz")
    return frequency
