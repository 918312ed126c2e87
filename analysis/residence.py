"""How long ions stay, and which hops they make how often and in vain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from analysis.occupation import ROOM_TEMPERATURE, conditions, orbit_sites, told
from analysis.statistics import LEVEL, Interval, ratio_interval, t_interval
from kmc.trajectory import TaskRecord
from lattice.network import PoreNetwork
from structures.errors import InputError
from structures.units import CELSIUS_ZERO

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


@dataclass(frozen=True, slots=True)
class OrbitResidence:
    """Stays on the sites of one orbit at one loading and temperature.

    Attributes
    ----------
    composition, temperature : float
    species : str
    orbit : int
    label : str
    time : Interval, s
        Time that ions spent there over the hops that they left with, hops to and fro included. Infinite, with a lower
        end, where ions were and none left; nan where none was.
    departures : int
        In all replicas.
    replicas : int
    """

    composition: float
    temperature: float
    species: str
    orbit: int
    label: str
    time: Interval
    departures: int
    replicas: int


@dataclass(frozen=True, slots=True)
class OrbitHops:
    """Hops of one orbit, both directions, at one loading and temperature.

    Attributes
    ----------
    composition, temperature : float
    species : str
    orbit : int
        Of the hops.
    ends : tuple of str
        Label and orbit of the sites at both ends.
    length : float, Å
    hops : int
        In all replicas.
    share : float
        Of all hops of the species.
    rate : Interval, 1/s
        Per ion of the species.
    back : Interval
        Share of the hops that undid the last hop of the same ion; nan without hops.
    replicas : int
    """

    composition: float
    temperature: float
    species: str
    orbit: int
    ends: tuple[str, str]
    length: float
    hops: int
    share: float
    rate: Interval
    back: Interval
    replicas: int


@dataclass(frozen=True, eq=False, slots=True)
class Residence:
    """Residence times of all orbits at all loadings and temperatures of a run.

    Attributes
    ----------
    composition_name : str
    orbits : tuple of OrbitResidence
        By loading, temperature, orbit.
    statements : tuple of str
        What is left out and why.
    """

    composition_name: str
    orbits: tuple[OrbitResidence, ...]
    statements: tuple[str, ...]

    @property
    def value(self) -> NDArray[np.float64]:
        """Residence times, in the order of `orbits`, s."""
        return np.array([row.time.value for row in self.orbits])

    @property
    def interval(self) -> tuple[Interval, ...]:
        """Their 95 % intervals."""
        return tuple(row.time for row in self.orbits)

    def to_frame(self) -> pd.DataFrame:
        """One row per loading, temperature and orbit."""
        import pandas as pd

        return pd.DataFrame([
            {
                self.composition_name: row.composition,
                "T (K)": row.temperature,
                "species": row.species,
                "orbit": row.orbit,
                "label": row.label,
                "residence time (s)": row.time.value,
                "residence time lo (s)": row.time.lo,
                "residence time hi (s)": row.time.hi,
                "departures": row.departures,
                "replicas": row.replicas,
            }
            for row in self.orbits
        ])  # fmt: skip

    def plot(self, ax: Axes | None = None, *, composition: float | None = None) -> Axes:
        """Draw the residence time of every orbit against 1000/T at the loading nearest to one, by default the first.

        Parameters
        ----------
        ax : Axes, optional
        composition : float, optional
        """
        from analysis.palette import orbit_colour
        from analysis.plot_style import MARKER, finish, new_axes, place_legend

        ax = new_axes((6.8, 4.4)) if ax is None else ax
        loadings = sorted({row.composition for row in self.orbits})
        x = loadings[0] if composition is None else min(loadings, key=lambda c: abs(c - composition))
        for orbit in sorted({row.orbit for row in self.orbits}):
            rows = [r for r in self.orbits if (r.orbit, r.composition) == (orbit, x) and np.isfinite(r.time.value)]
            if not rows:
                continue
            value, lo, hi = (np.array([getattr(r.time, end) for r in rows]) for end in ("value", "lo", "hi"))
            error = np.nan_to_num(np.array([value - lo, hi - value]), posinf=0.0)
            style = {"color": orbit_colour(orbit), "label": f"{rows[0].species}  {rows[0].label} ({orbit})", **MARKER}
            ax.errorbar([1e3 / r.temperature for r in rows], value, yerr=error, fmt="o-", linewidth=1.1, **style)
        ax.set_yscale("log")
        ax.set_xlabel("1000 / T  (1/K)")
        ax.set_ylabel("mean stay  (s)")
        finish(ax)
        place_legend(ax, *ax.get_legend_handles_labels(), title=f"site (orbit), {self.composition_name} = {x:.3g}")
        return ax


@dataclass(frozen=True, eq=False, slots=True)
class HopCounts:
    """Hops of all orbits at all loadings and temperatures of a run.

    Attributes
    ----------
    composition_name : str
    orbits : tuple of OrbitHops
        By loading, temperature, orbit.
    statements : tuple of str
    """

    composition_name: str
    orbits: tuple[OrbitHops, ...]
    statements: tuple[str, ...] = ()

    @property
    def value(self) -> NDArray[np.float64]:
        """Back-hop shares, in the order of `orbits`."""
        return np.array([row.back.value for row in self.orbits])

    @property
    def interval(self) -> tuple[Interval, ...]:
        """Their 95 % intervals."""
        return tuple(row.back for row in self.orbits)

    def to_frame(self) -> pd.DataFrame:
        """One row per loading, temperature and orbit of hops."""
        import pandas as pd

        return pd.DataFrame([
            {
                self.composition_name: row.composition,
                "T (K)": row.temperature,
                "species": row.species,
                "hop orbit": row.orbit,
                "from": row.ends[0],
                "to": row.ends[1],
                "length (angstrom)": row.length,
                "hops": row.hops,
                "share of hops": row.share,
                "hops per ion (1/s)": row.rate.value,
                "hops per ion lo (1/s)": row.rate.lo,
                "hops per ion hi (1/s)": row.rate.hi,
                "back-hop share": row.back.value,
                "back-hop share lo": row.back.lo,
                "back-hop share hi": row.back.hi,
                "replicas": row.replicas,
            }
            for row in self.orbits
        ])  # fmt: skip

    def plot(
        self, ax: Axes | None = None, *, composition: float | None = None, temperature: float = ROOM_TEMPERATURE
    ) -> Axes:
        """Draw bars of the hops per ion and second of every orbit, pale those that undid the last hop of the ion.

        Parameters
        ----------
        ax : Axes, optional
        composition : float, optional
            The nearest loading is shown; by default the first.
        temperature : float, K
        """
        from analysis.plot_style import MUTED, SPECIES, finish, new_axes

        loadings = sorted({row.composition for row in self.orbits})
        x = loadings[0] if composition is None else min(loadings, key=lambda c: abs(c - composition))
        T = min({row.temperature for row in self.orbits}, key=lambda t: abs(t - temperature))
        rows = [r for r in self.orbits if (r.composition, r.temperature) == (x, T) and r.hops]
        ax = new_axes((6.8, 1.2 + 0.22 * len(rows))) if ax is None else ax
        names = list(dict.fromkeys(row.species for row in rows))
        for place, row in enumerate(rows):
            colour = SPECIES[names.index(row.species) % len(SPECIES)]
            ax.barh(place, row.rate.value, color=colour, alpha=0.3, height=0.75)
            ax.barh(place, row.rate.value * (1.0 - row.back.value), color=colour, height=0.75)
        ax.set_yticks(range(len(rows)), [f"{row.species}  {row.ends[0]} – {row.ends[1]}" for row in rows], fontsize=7)
        ax.invert_yaxis()
        ax.set_xscale("log")
        ax.set_xlabel("hops per ion  (1/s); pale: those that undid the one before")
        ax.set_title(f"{self.composition_name} = {x:.3g}, {T - CELSIUS_ZERO:.0f} °C", fontsize=9, color=MUTED)
        finish(ax)
        return ax


def residence(records: Sequence[TaskRecord], network: PoreNetwork) -> Residence:
    """Mean residence time of every site orbit: time spent over departures, with an interval over replicas.

    Where fewer than two replicas saw departures the ends are those of a Poisson number of departures.

    Parameters
    ----------
    records : sequence of TaskRecord
    network : PoreNetwork
        Of the run.

    Raises
    ------
    InputError
        As `analysis.occupation.occupation`.
    """
    known, statements = told(records, network)
    rows = []
    for group in conditions(known):
        first, n_cells = group[0], group[0].volume / network.volume
        for orbit, sites in orbit_sites(network):
            if not first.species_count[network.site_species[sites[0]]]:
                continue
            stay = np.array([r.site_occupation[sites].sum() * n_cells * r.time[-1] for r in group])
            left = np.array([r.site_departures[sites].sum() for r in group])
            rows.append(
                OrbitResidence(
                    composition=first.composition,
                    temperature=first.temperature,
                    species=network.species[network.site_species[sites[0]]].name,
                    orbit=orbit,
                    label=network.site_label[sites[0]],
                    time=_mean_stay(stay, left),
                    departures=int(left.sum()),
                    replicas=len(group),
                )
            )
    return Residence(known[0].composition_name, tuple(rows), statements)


def hop_counts(records: Sequence[TaskRecord], network: PoreNetwork) -> HopCounts:
    """Hops by orbit with the share that went back at once, with intervals over replicas.

    Parameters
    ----------
    records : sequence of TaskRecord
    network : PoreNetwork
        Of the run.

    Raises
    ------
    InputError
        If there is no record, or one is of another network.
    """
    if not records:
        raise InputError("records: expected at least one complete task; found none")
    n_orbits = int(network.hop_orbit.max(initial=-1)) + 1
    for record in records:
        if len(record.hop_orbit_events) != n_orbits:
            raise InputError(
                f"{record.key}: expected the {n_orbits} hop orbits of network {network.name}; "
                f"found {len(record.hop_orbit_events)}"
            )
    orbits, hops = np.unique(network.hop_orbit, return_index=True)
    described = [(int(orbit), _describe(network, int(hop))) for orbit, hop in zip(orbits, hops, strict=True)]
    rows = [row for group in conditions(records) for row in _hop_rows(group, described)]
    return HopCounts(records[0].composition_name, tuple(rows))


def _hop_rows(group: Sequence[TaskRecord], described: Sequence[tuple[int, dict[str, Any]]]) -> list[OrbitHops]:
    events = np.array([r.hop_orbit_events for r in group])
    returns = np.array([r.hop_orbit_returns for r in group])
    first, time = group[0], np.array([r.time[-1] for r in group])
    count = dict(zip(first.species_names, first.species_count.tolist(), strict=True))
    total = dict.fromkeys(count, 0)
    for orbit, text in described:
        total[text["species"]] += int(events[:, orbit].sum())
    rows = []
    for orbit, text in described:
        made, ions = events[:, orbit], count[text["species"]]
        if not ions:
            continue
        rows.append(
            OrbitHops(
                composition=first.composition,
                temperature=first.temperature,
                orbit=orbit,
                **text,
                hops=int(made.sum()),
                share=float(made.sum() / max(total[text["species"]], 1)),
                rate=t_interval(made / (time * ions)),
                back=ratio_interval(returns[:, orbit], made),
                replicas=len(group),
            )
        )
    return rows


def _describe(network: PoreNetwork, hop: int) -> dict[str, Any]:
    """Say of which ion a hop is, between which sites it leads, and how far, Å."""
    ends = sorted((int(network.site_orbit[s]), s) for s in (network.hop_origin[hop], network.hop_target[hop]))
    first, second = (f"{network.site_label[site]} ({orbit})" for orbit, site in ends)
    return {
        "species": network.species[network.site_species[network.hop_origin[hop]]].name,
        "ends": (first, second),
        "length": float(np.linalg.norm(network.hop_vector[hop])),
    }


def _mean_stay(stay: NDArray[np.float64], left: NDArray[np.int64]) -> Interval:
    """Time spent over departures; replicas are the unit where at least two of them saw any."""
    total, departures = float(stay.sum()), int(left.sum())
    if not total > 0.0:
        return Interval(*[float("nan")] * 3)
    if departures and np.count_nonzero(left) > 1:
        return ratio_interval(stay, left)
    low, high = 0.5 - LEVEL / 2, 0.5 + LEVEL / 2
    most = float(stats.chi2.ppf(high, 2 * departures + 2)) / 2
    least = float(stats.chi2.ppf(low, 2 * departures)) / 2 if departures else 0.0
    value, hi = (total / n if n else float("inf") for n in (departures, least))
    return Interval(value, total / most, hi)
