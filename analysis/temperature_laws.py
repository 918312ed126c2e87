"""Which law the conductivity follows with temperature: one Arrhenius line, two with a break, or VFT; and windows.

The laws are fitted to the same ln(sigma T) and compared by AICc (Burnham and Anderson, Model Selection and Multimodel
Inference, 2002). Prefactor and activation energy of a fit are strongly correlated, and both change together along a
series of compositions (Meyer and Neldel, 1937): what is reported beside E_a is therefore sigma at one temperature,
not the prefactor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.arrhenius import (
    MIN_TEMPERATURES,
    Activation,
    Conductivities,
    broken_line,
    broken_line_fit,
    fitted_line,
    line_fit,
    usable_conductivities,
    vft_fit,
)
from analysis.profile_fit import ProfileFit
from analysis.statistics import Interval
from structures.units import BOLTZMANN, CELSIUS_ZERO

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from analysis.point import Point

REFERENCE_C = 25.0
SUPPORTED = 2.0  # a law with fewer parameters is preferred to one whose AICc is lower by no more
EDGE_K = 0.02  # a temperature this near to the end of a window lies in it
Window = tuple[float, float]


@dataclass(frozen=True, eq=False, slots=True)
class Law:
    """A fitted law of the temperature.

    Attributes
    ----------
    name : str
        "one line", "two lines" or "VFT".
    parameters : dict of str to Interval
        Name with unit to value; an end that the data do not bound is nan.
    sigma_reference : Interval, S/cm
        At the reference temperature.
    chi2 : float
    n_parameters : int
    aicc : float
        χ² + 2k + 2k(k+1)/(n-k-1) of k parameters and n observations; infinite if these are too few.
    adequate : bool
        False if the points deviate by more than their intervals allow; all intervals are then widened by the scatter.
    theta : float
        Non-linear parameter of the best fit.
    coefficient : (k,) float64
        The linear ones.
    """

    name: str
    parameters: dict[str, Interval]
    sigma_reference: Interval
    chi2: float
    n_parameters: int
    aicc: float
    adequate: bool
    theta: float
    coefficient: NDArray[np.float64]

    def sigma(self, temperature: ArrayLike) -> NDArray[np.float64]:
        """Conductivity of the best fit at temperatures in K, S/cm."""
        T = np.asarray(temperature, dtype=np.float64)
        return np.asarray(np.exp(_weights(self.name, T, np.asarray(self.theta)) @ self.coefficient) / T)


@dataclass(frozen=True, slots=True)
class WindowEnergy:
    """Activation energy of the temperatures of one window.

    Attributes
    ----------
    low, high : float, K
        The window.
    activation : Activation
        `straight` says nothing where there are two temperatures only.
    """

    low: float
    high: float
    activation: Activation


@dataclass(frozen=True, eq=False, slots=True)
class TemperatureLaws:
    """Laws of one composition.

    Attributes
    ----------
    label : str
        "x = 0.5"; begins every statement.
    temperature : (n,) float64, K
        That entered, ascending.
    sigma : tuple of n Interval, S/cm
    activation : Activation or None
        Of one line through all temperatures; None if there are fewer than 3.
    laws : tuple of Law
        All that the temperatures allow.
    windows : tuple of WindowEnergy
        As asked for.
    reference : float, K
    statements : tuple of str
        What is missing, not bounded or extrapolated, and what to add.
    """

    label: str
    temperature: NDArray[np.float64]
    sigma: tuple[Interval, ...]
    activation: Activation | None
    laws: tuple[Law, ...]
    windows: tuple[WindowEnergy, ...]
    reference: float
    statements: tuple[str, ...]

    @property
    def preferred(self) -> Law | None:
        """The law with the fewest parameters among those whose AICc exceeds the least one by no more than 2."""
        return preferred_law(self.laws)

    @property
    def sigma_reference(self) -> Interval:
        """Conductivity at the reference temperature by the preferred law, S/cm."""
        law = self.preferred
        return law.sigma_reference if law else Interval(*[float("nan")] * 3)

    def to_frame(self) -> pd.DataFrame:
        """One row per law: χ², number of parameters, ΔAICc, Akaike weight, sigma at the reference, parameters."""
        import pandas as pd

        least = min((law.aicc for law in self.laws), default=0.0)
        delta = np.array([0.0 if law.aicc == least else law.aicc - least for law in self.laws])
        weight = np.exp(-0.5 * delta)
        rows = []
        for law, d, w in zip(self.laws, delta, weight / weight.sum(), strict=True):
            row: dict[str, Any] = {"law": law.name, "preferred": law is self.preferred, "chi2": law.chi2}
            row |= {"parameters": law.n_parameters, "delta AICc": float(d), "Akaike weight": float(w)}
            row |= _columns(f"sigma({self.reference:.2f} K) (S/cm)", law.sigma_reference)
            for name, value in law.parameters.items():
                row |= _columns(name, value)
            rows.append(row)
        return pd.DataFrame(rows)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw log10(sigma T) against 1000/T with intervals, every law, and the break with its interval."""
        from analysis.plot_style import MARKER, MUTED, colours, finish, new_axes, place_legend

        ax = new_axes((6.8, 4.6)) if ax is None else ax
        _draw_points(ax, self, color="#22252b", label=self.label, **MARKER)
        for colour, law in zip(colours(len(self.laws)), self.laws, strict=True):
            _draw_law(ax, self, law, color=colour, label=law.name)
            at = law.parameters.get("break (K)")
            if at is not None:
                ax.axvspan(*_ends_of(at, self.temperature), color=MUTED, alpha=0.12, linewidth=0)
        ax.set(yscale="log", xlabel="1000 / T  (1/K)", ylabel="σT  (S K / cm)")
        finish(ax)
        place_legend(ax, *ax.get_legend_handles_labels())
        return ax


@dataclass(frozen=True, eq=False, slots=True)
class Arrhenius:
    """Temperature dependence of every composition of a run.

    Attributes
    ----------
    composition_name : str
    composition : (n,) float64
    fits : tuple of n TemperatureLaws
    statements : tuple of str
    """

    composition_name: str
    composition: NDArray[np.float64]
    fits: tuple[TemperatureLaws, ...]
    statements: tuple[str, ...]

    @property
    def E_a(self) -> tuple[Interval, ...]:  # noqa: N802
        """Activation energy of ln(sigma T) of one line through all temperatures, eV; nan where there is none."""
        nothing = Interval(*[float("nan")] * 3)
        return tuple(fit.activation.E_a if fit.activation else nothing for fit in self.fits)

    @property
    def value(self) -> NDArray[np.float64]:
        """The activation energies without their intervals, (n,), eV."""
        return np.array([E_a.value for E_a in self.E_a])

    @property
    def interval(self) -> tuple[Interval, ...]:
        """The same as `E_a`."""
        return self.E_a

    def to_frame(self) -> pd.DataFrame:
        """One row per composition: E_a in both forms, sigma at the reference, the preferred law and its parameters."""
        import pandas as pd

        rows = []
        for x, fit in zip(self.composition, self.fits, strict=True):
            row: dict[str, Any] = {self.composition_name: float(x), "temperatures": len(fit.temperature)}
            law = fit.preferred
            if fit.activation is not None and law is not None:
                row |= _columns("E_a (eV)", fit.activation.E_a)
                row |= _columns("E_a(ln sigma) (eV)", fit.activation.E_a_ln_sigma)
                row |= {"straight": fit.activation.straight, "law": law.name}
                row |= _columns(f"sigma({fit.reference:.2f} K) (S/cm)", fit.sigma_reference)
                for name, value in law.parameters.items() if law.name != "one line" else ():
                    row |= _columns(name, value)
            rows.append(row)
        return pd.DataFrame(rows)

    def laws_frame(self) -> pd.DataFrame:
        """One row per composition and law, with ΔAICc."""
        return self._stacked([fit.to_frame() for fit in self.fits])

    def windows_frame(self) -> pd.DataFrame:
        """One row per composition and window: E_a in both forms."""
        import pandas as pd

        return self._stacked([pd.DataFrame([_window_row(w) for w in fit.windows]) for fit in self.fits])

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw log10(sigma T) against 1000/T of all compositions, each with its preferred law."""
        from analysis.plot_style import MARKER, colours, finish, new_axes, place_legend

        ax = new_axes((6.8, 4.9)) if ax is None else ax
        for colour, fit in zip(colours(len(self.fits)), self.fits, strict=True):
            law, label = fit.preferred, fit.label
            if law is not None and fit.activation is not None:
                _draw_law(ax, fit, law, color=colour)
                E_a = fit.activation.E_a
                label += f"   {E_a.value:.3f} ({E_a.lo:.3f} to {E_a.hi:.3f}) eV"
            _draw_points(ax, fit, color=colour, label=label, **MARKER)
        ax.set(yscale="log", xlabel="1000 / T  (1/K)", ylabel="σT  (S K / cm)")
        finish(ax)
        place_legend(ax, *ax.get_legend_handles_labels(), title="E$_a$ of ln(σT), one line, 95 %")
        return ax

    def _stacked(self, tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
        import pandas as pd

        for x, table in zip(self.composition, tables, strict=True):
            table.insert(0, self.composition_name, float(x))
        full = [table for table in tables if len(table)]
        return pd.concat(full, ignore_index=True) if full else pd.DataFrame()


def arrhenius(
    points: Sequence[Point], name: str, *, windows_C: Sequence[Window] = (), reference_C: float = REFERENCE_C
) -> Arrhenius:
    """Fit the temperature dependence of every composition of a run.

    Parameters
    ----------
    points : sequence of Point
        As `analysis.point.transport_at` returns them.
    name : str
        Of the composition, "x" or "M".
    windows_C : sequence of (float, float), °C
        Windows to fit on their own, (-40, 10) and (10, 100) for instance.
    reference_C : float, °C
    """
    compositions = sorted({p.composition for p in points})
    fits: list[TemperatureLaws] = []
    for composition in compositions:
        at = sorted((p for p in points if p.composition == composition), key=lambda p: p.temperature)
        fit = temperature_laws(
            [p.temperature for p in at],
            [p.sigma for p in at],
            dof=[p.dof for p in at],
            observations=sum(len(p.sigma_replica) for p in at),
            windows_C=windows_C,
            reference_C=reference_C,
            label=f"{name} = {composition:.3g}",
        )
        fits.append(fit)
    return Arrhenius(name, np.array(compositions), tuple(fits), tuple(_said_of_all(name, fits)))


def _said_of_all(name: str, fits: Sequence[TemperatureLaws]) -> list[str]:
    """Give the statements of all compositions, each once with the compositions that it holds for."""
    said: dict[str, list[str]] = {}
    for fit in fits:
        for line in fit.statements:
            said.setdefault(line.removeprefix(f"{fit.label}: "), []).append(fit.label.removeprefix(f"{name} = "))
    return [f"{name} = {', '.join(of)}: {line}" for line, of in said.items()]


def temperature_laws(
    temperature: Sequence[float],
    sigma: Sequence[Interval],
    *,
    dof: ArrayLike | None = None,
    observations: int | None = None,
    windows_C: Sequence[Window] = (),
    reference_C: float = REFERENCE_C,
    label: str = "sigma",
) -> TemperatureLaws:
    """Fit all laws that the temperatures allow, and the windows asked for.

    Parameters
    ----------
    temperature : sequence of float, K
    sigma : sequence of Interval, S/cm
        Those without an interval above zero are left out.
    dof : (n,) array_like, optional
        Degrees of freedom of each sigma.
    observations : int, optional
        Independent values of sigma behind the points, replicas at all temperatures; n of AICc. Their number is that of
        the temperatures if not given.
    windows_C : sequence of (float, float), °C
    reference_C : float, °C
    label : str

    Raises
    ------
    ValueError
        If a window is empty or upside down.
    """
    data = usable_conductivities(temperature, sigma, dof=dof)
    T = data.temperature
    kept = tuple(s for _, s in sorted(zip(temperature, sigma, strict=True), key=lambda p: p[0]) if s.log_error > 0)
    reference = CELSIUS_ZERO + reference_C
    said, found = [], np.unique(T).size
    if len(kept) < len(sigma):
        said.append(f"{label}: {len(sigma) - len(kept)} temperatures without an interval of sigma left out")
    activation: Activation | None = None
    laws: list[Law] = []
    if found < MIN_TEMPERATURES:
        lacks = MIN_TEMPERATURES - found
        said.append(f"{label}: no E_a: sigma has an interval at {found} temperatures; add {lacks} or more")
    else:
        activation = fitted_line(data)
        laws, missing = _fitted_laws(data, reference, observations or T.size)
        if not activation.straight:
            missing.append("ln(sigma T) is not straight in 1/T within its intervals")
        best = preferred_law(laws)
        if best is not None and best.n_parameters > 2:
            missing.append(f"{best.name} describe{'s' if best.name == 'VFT' else ''} ln(sigma T) better than one line")
        said += [f"{label}: {line}" for line in missing]
        if not (T[0] - EDGE_K <= reference <= T[-1] + EDGE_K):
            said.append(f"{label}: sigma at {reference_C:g} °C is extrapolated from {T[0]:g} to {T[-1]:g} K")
    windows, missing = window_energies(data, windows_C)
    said += [f"{label}: {line}" for line in missing]
    return TemperatureLaws(label, T, kept, activation, tuple(laws), windows, reference, tuple(said))


def preferred_law(laws: Sequence[Law]) -> Law | None:
    """Choose the law with the fewest parameters among those whose AICc exceeds the least one by no more than 2."""
    if not laws:
        return None
    least = min(law.aicc for law in laws)
    within = [law for law in laws if not law.aicc > least + SUPPORTED]
    return min(within, key=lambda law: (law.n_parameters, law.aicc))


def window_energies(data: Conductivities, windows_C: Sequence[Window]) -> tuple[tuple[WindowEnergy, ...], list[str]]:
    """Activation energy in each window by a line through its temperatures, and what is missing.

    Two temperatures give a slope with the interval of its ends, without a test of straightness.

    Raises
    ------
    ValueError
        If a window is empty or upside down.
    """
    found, said = [], []
    for low_C, high_C in windows_C:
        if not low_C < high_C:
            raise ValueError(f"a window must go from a lower to a higher temperature; got {low_C:g} to {high_C:g} °C")
        low, high = low_C + CELSIUS_ZERO, high_C + CELSIUS_ZERO
        inside = (low - EDGE_K <= data.temperature) & (data.temperature <= high + EDGE_K)
        here = f"{low_C:g} to {high_C:g} °C"
        n = np.unique(data.temperature[inside]).size
        if n < 2:
            said.append(f"{here}: no E_a: {n} of its temperatures has an interval of sigma; two are the least")
            continue
        if n < MIN_TEMPERATURES:
            said.append(f"{here}: E_a from two temperatures, nothing tests whether the law is straight between them")
        part = Conductivities(data.temperature[inside], data.log_sigma[inside], data.error[inside])
        found.append(WindowEnergy(low, high, fitted_line(part)))
    return tuple(found), said


def _fitted_laws(data: Conductivities, reference: float, n: int) -> tuple[list[Law], list[str]]:
    """One line, two lines and VFT as far as there are temperatures for them, and what is missing or not bounded."""
    line = line_fit(data)
    laws = [_law("one line", line, {"E_a (eV)": line.interval([0.0, 1.0])}, reference, n)]
    said = []
    try:
        fit = broken_line_fit(data)
    except ValueError as lack:
        said.append(str(lack))
    else:
        at = fit.theta_interval
        names = {"E_a above break (eV)": [0.0, 1.0, 0.0], "E_a below break (eV)": [0.0, 0.0, 1.0]}
        values = {name: fit.interval(c) for name, c in names.items()}
        plain = broken_line_fit(data, times_T=False)
        values |= {name.replace("E_a", "E_a(ln sigma)"): plain.interval(c) for name, c in names.items()}
        kelvin = [float(1 / (BOLTZMANN * b)) for b in (at.value, at.hi, at.lo)]
        laws.append(_law("two lines", fit, values | {"break (K)": Interval(*kelvin)}, reference, n))
        if np.isnan(kelvin).any():
            said.append("the break of two lines is not bounded by the temperatures; add some beyond it")
    try:
        fit = vft_fit(data)
    except ValueError as lack:
        said.append(str(lack))
    else:
        values = {"T_0 (K)": fit.theta_interval, "B (eV)": fit.interval([0.0, 1.0])}
        if reference > fit.theta.max():
            apparent = np.stack([np.zeros_like(fit.theta), (reference / (reference - fit.theta)) ** 2], axis=-1)
            values[f"E_a at {reference:.2f} K (eV)"] = fit.interval(apparent)
        laws.append(_law("VFT", fit, values, reference, n))
    return laws, said


def _law(name: str, fit: ProfileFit, parameters: dict[str, Interval], reference: float, n: int) -> Law:
    at = Interval(*[float("nan")] * 3)
    if name != "VFT" or reference > fit.theta.max():
        at = fit.interval(_weights(name, np.asarray(reference), fit.theta))
    k, chi2 = fit.n_parameters, float(fit.chi2.min())
    return Law(
        name=name,
        parameters=parameters,
        sigma_reference=Interval(*(float(np.exp(v)) / reference for v in (at.value, at.lo, at.hi))),
        chi2=chi2,
        n_parameters=k,
        aicc=chi2 + 2 * k + 2 * k * (k + 1) / (n - k - 1) if n > k + 1 else float("inf"),
        adequate=fit.adequate,
        theta=float(fit.theta[fit.best]),
        coefficient=fit.coefficient[fit.best],
    )


def _weights(name: str, T: NDArray[np.float64], theta: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights of the linear coefficients in ln(sigma T) at T; T and theta broadcast, (..., k)."""
    T, theta = np.broadcast_arrays(T, theta)
    if name == "two lines":
        return broken_line(1 / (BOLTZMANN * T), theta)
    inverse = -1 / (BOLTZMANN * (T - theta if name == "VFT" else T))
    return np.stack([np.ones_like(inverse), inverse], axis=-1)


def _columns(name: str, value: Interval) -> dict[str, float]:
    """Value and ends under "name (unit)", "name lo (unit)", "name hi (unit)"."""
    stem, unit = name.rsplit(" (", 1)
    return {name: value.value, f"{stem} lo ({unit}": value.lo, f"{stem} hi ({unit}": value.hi}


def _window_row(window: WindowEnergy) -> dict[str, Any]:
    fit = window.activation
    row: dict[str, Any] = {"T low (K)": window.low, "T high (K)": window.high, "temperatures": fit.n_temperatures}
    row |= _columns("E_a (eV)", fit.E_a) | _columns("E_a(ln sigma) (eV)", fit.E_a_ln_sigma)
    return row | {"straight": fit.straight if fit.n_temperatures >= MIN_TEMPERATURES else None}


def _draw_points(ax: Axes, fit: TemperatureLaws, **style: Any) -> None:
    T = fit.temperature
    value, lo, hi = (np.array([getattr(s, end) for s in fit.sigma]) for end in ("value", "lo", "hi"))
    ax.errorbar(1e3 / T, value * T, yerr=[(value - lo) * T, (hi - value) * T], fmt="o", **style)


def _draw_law(ax: Axes, fit: TemperatureLaws, law: Law, **style: Any) -> None:
    T = 1 / np.linspace(1 / fit.temperature[-1], 1 / fit.temperature[0], 200)
    ax.plot(1e3 / T, law.sigma(T) * T, linewidth=1.3, alpha=0.8, **style)


def _ends_of(at: Interval, T: NDArray[np.float64]) -> tuple[float, float]:
    """Give the ends of the break on the axis of 1000/T; the end of the data where it is not bounded."""
    lo, hi = (end if np.isfinite(end) else edge for end, edge in ((at.lo, T[0]), (at.hi, T[-1])))
    return 1e3 / hi, 1e3 / lo
