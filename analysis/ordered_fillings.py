"""Loadings at which the ions order: deep minima of sigma, orbits that are full or empty, superlattice peaks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analysis.statistics import Interval, normal_quantile
from structures.errors import InputError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from analysis.campaign import Run
    from analysis.loading import Optimum
    from analysis.occupation import Occupation, OrbitOccupation
    from analysis.structure_factor import StructureFactor

FULL = 0.1  # an orbit whose occupation is this near to 0 or 1 counts as empty or full
NO_DIP = Interval(*[float("nan")] * 3)


@dataclass(frozen=True, eq=False, slots=True)
class OrderedFilling:
    """What speaks for order at one loading.

    Attributes
    ----------
    loading : float
    temperature : float, K
    dip : Interval
        Factor by which sigma lies below the lower of the maxima on both sides; nan at no significant minimum.
    full, empty : tuple of str
        Site orbits of species all of whose orbits are one or the other: "Li+ carboxylate-O (3)".
    peak : StructureFactor or None
        The one with the highest superlattice peak, if that is an ordered one.
    """

    loading: float
    temperature: float
    dip: Interval
    full: tuple[str, ...]
    empty: tuple[str, ...]
    peak: StructureFactor | None

    @property
    def signs(self) -> tuple[str, ...]:
        """What speaks for order, in words."""
        found = []
        if np.isfinite(self.dip.value):
            found.append(f"sigma {self.dip.value:.3g} ({self.dip.lo:.3g} to {self.dip.hi:.3g}) times below its maxima")
        if self.full:
            found.append(f"full: {', '.join(self.full)}; empty: {', '.join(self.empty) or 'none'}")
        if self.peak is not None:
            at = ", ".join(f"{component:.3g}" for component in self.peak.peak_vector)
            of = self.peak.species
            found.append(f"superlattice peak of {of} at ({at}), order parameter {self.peak.order_parameter:.2f}")
        return tuple(found)

    @property
    def statement(self) -> str:
        """One line for the remarks."""
        return f"{self.loading:.3g}, {self.temperature:g} K: ordered filling: {'; '.join(self.signs)}"


@dataclass(frozen=True, eq=False, slots=True)
class OrderedFillings:
    """Ordered fillings of a run at one temperature.

    Attributes
    ----------
    temperature : float, K
    optimum : Optimum
        Of the scan over the loadings.
    fillings : tuple of OrderedFilling
        Ascending in the loading.
    structure : mapping of float to sequence of StructureFactor
        By loading, one per species; empty without frames.
    statements : tuple of str
    """

    temperature: float
    optimum: Optimum
    fillings: tuple[OrderedFilling, ...]
    structure: Mapping[float, Sequence[StructureFactor]]
    statements: tuple[str, ...]

    def to_frame(self) -> pd.DataFrame:
        """One row per loading with a sign of order."""
        import pandas as pd

        return pd.DataFrame([
            {
                "T (K)": f.temperature,
                "loading": f.loading,
                "dip": f.dip.value,
                "dip lo": f.dip.lo,
                "dip hi": f.dip.hi,
                "full": "; ".join(f.full),
                "empty": "; ".join(f.empty),
                "order parameter": f.peak.order_parameter if f.peak else float("nan"),
                "h k l": " ".join(f"{c:.3g}" for c in f.peak.peak_vector) if f.peak else "",
            }
            for f in self.fillings
        ])  # fmt: skip

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw sigma of the scan with a line at every ordered filling."""
        from analysis.plot_style import INK

        ax = self.optimum.plot(ax)
        for filling in self.fillings:
            ax.axvline(filling.loading, color=INK, linewidth=1.2, linestyle="--")
        return ax


def ordered_fillings(
    optimum: Optimum,
    temperature: float,
    *,
    occupation: Occupation | None = None,
    structure: Mapping[float, Sequence[StructureFactor]] | None = None,
) -> tuple[OrderedFilling, ...]:
    """Give the loadings of a scan with a sign of order.

    Parameters
    ----------
    optimum : Optimum
        Of the scan at one temperature.
    temperature : float, K
    occupation : Occupation, optional
        Of the same run.
    structure : mapping of float to sequence of StructureFactor, optional
        By loading, one per species, from frames.

    Returns
    -------
    tuple of OrderedFilling
        Ascending in the loading. Sites that differ much in energy are full or empty without interactions too: that sign
        alone says that the filling is commensurate, not why.
    """
    found = []
    for loading in optimum.scan:
        x = float(loading)
        dip = _dip(optimum, x) if x in optimum.minima else NO_DIP
        full, empty = _full_and_empty(_rows(occupation, x, temperature))
        ordered = [s for s in (structure or {}).get(x, ()) if s.ordered]
        peak = max(ordered, key=lambda s: s.order_parameter, default=None)
        if np.isfinite(dip.value) or full or peak is not None:
            found.append(OrderedFilling(x, temperature, dip, full, empty, peak))
    return tuple(found)


def fillings_of_run(run: Run, temperature: float) -> OrderedFillings:
    """Look for order at every loading of a run, at its temperature nearest to one in K.

    Raises
    ------
    InputError
        If the loadings allow no optimum, see `optimum_loading`.
    """
    from analysis.campaign import optimum_at
    from analysis.occupation import occupation
    from analysis.results import analysis_of
    from analysis.structure_factor import structure_factor

    points = analysis_of(run).points
    T = min({p.temperature for p in points}, key=lambda t: abs(t - temperature))
    at = sorted((p for p in points if p.temperature == T), key=lambda p: p.composition)
    if max(len(p.sigma_replica) for p in at) < 2:
        raise InputError(
            f"ordered fillings at {T:g} K: expected two replicas or more at one loading at least, from which the depth "
            "of a minimum gets its error; found one at each"
        )
    try:
        optimum = optimum_at(at)
    except ValueError as lack:
        raise InputError(f"ordered fillings at {T:g} K: {lack}") from None
    said: list[str] = []
    sites: Occupation | None = None
    try:
        if run.network is not None:
            sites = occupation(run.records, run.network)
    except InputError as lack:
        said.append(f"ordered fillings without the occupation of sites: {lack}")
    structure: dict[float, list[StructureFactor]] = {}
    for loading in optimum.scan:
        try:
            replicas = run.trajectories(float(loading), T)
            ions = zip(replicas[0].species_names, replicas[0].count, strict=True)
            structure[float(loading)] = [structure_factor(replicas, name) for name, n in ions if n]
        except InputError as lack:
            said.append(f"ordered fillings without structure factors: {lack}")
            break
    found = ordered_fillings(optimum, T, occupation=sites, structure=structure)
    return OrderedFillings(T, optimum, found, structure, (*said, *(f.statement for f in found)))


def _dip(optimum: Optimum, loading: float) -> Interval:
    """Factor between the lower of the two maxima beside a minimum and the minimum."""
    k = optimum.minima.index(loading)
    lower = min(optimum.maxima[k : k + 2], key=lambda m: m.sigma)
    at, top = (int(np.abs(optimum.scan - x).argmin()) for x in (loading, lower.loading))
    log_ratio = float(np.log(optimum.sigma[top] / optimum.sigma[at]))
    half = normal_quantile() * float(np.hypot(optimum.log_error[top], optimum.log_error[at]))
    return Interval(*(float(np.exp(v)) for v in (log_ratio, log_ratio - half, log_ratio + half)))


def _rows(occupation: Occupation | None, loading: float, temperature: float) -> tuple[OrbitOccupation, ...]:
    if occupation is None:
        return ()
    rows = occupation.at(loading, temperature)
    return rows if rows and np.isclose(rows[0].composition, loading) else ()


def _full_and_empty(rows: Sequence[OrbitOccupation]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Orbits of the species whose every orbit is full or empty, one at least full."""
    full: list[str] = []
    empty: list[str] = []
    for species in dict.fromkeys(row.species for row in rows):
        mine = [row for row in rows if row.species == species]
        filled = [row for row in mine if row.occupation.value > 1 - FULL]
        if filled and all(row in filled or row.occupation.value < FULL for row in mine):
            full += [_name(row) for row in filled]
            empty += [_name(row) for row in mine if row not in filled]
    return tuple(full), tuple(empty)


def _name(row: OrbitOccupation) -> str:
    return f"{row.species} {row.label} ({row.orbit})"
