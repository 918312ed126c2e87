"""Which sites the ions use: mean number of ions on a site of every orbit, exact in time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from analysis.statistics import Interval, t_interval
from kmc.trajectory import TaskRecord
from lattice.network import PoreNetwork
from structures.errors import InputError
from structures.units import BOLTZMANN, CELSIUS_ZERO

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

ROOM_TEMPERATURE = 298.15  # K


@dataclass(frozen=True, slots=True)
class OrbitOccupation:
    """The ions on the sites of one orbit at one loading and temperature.

    Attributes
    ----------
    composition, temperature : float
    species : str
    orbit : int
    label : str
    sites : int
        Per cell of the network.
    occupation : Interval
        Mean number of ions on one site.
    share : Interval
        Of the ions of the species; nan without ions.
    alone : float
        The share if no ion met another: Boltzmann's.
    replicas : int
    """

    composition: float
    temperature: float
    species: str
    orbit: int
    label: str
    sites: int
    occupation: Interval
    share: Interval
    alone: float
    replicas: int


@dataclass(frozen=True, eq=False, slots=True)
class Occupation:
    """Occupation of all orbits at all loadings and temperatures of a run.

    Attributes
    ----------
    composition_name : str
    orbits : tuple of OrbitOccupation
        By loading, temperature, orbit.
    statements : tuple of str
        What is left out and why.
    """

    composition_name: str
    orbits: tuple[OrbitOccupation, ...]
    statements: tuple[str, ...]

    @property
    def value(self) -> NDArray[np.float64]:
        """Occupations, in the order of `orbits`."""
        return np.array([row.occupation.value for row in self.orbits])

    @property
    def interval(self) -> tuple[Interval, ...]:
        """Their 95 % intervals."""
        return tuple(row.occupation for row in self.orbits)

    def at(self, composition: float, temperature: float) -> tuple[OrbitOccupation, ...]:
        """Orbits at the loading and temperature nearest to those given."""
        place = min(
            ((row.composition, row.temperature) for row in self.orbits),
            key=lambda p: (abs(p[0] - composition), abs(p[1] - temperature)),
        )
        return tuple(row for row in self.orbits if (row.composition, row.temperature) == place)

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
                "sites per cell": row.sites,
                "occupation": row.occupation.value,
                "occupation lo": row.occupation.lo,
                "occupation hi": row.occupation.hi,
                "share of ions": row.share.value,
                "share lo": row.share.lo,
                "share hi": row.share.hi,
                "share of an ion alone": row.alone,
                "replicas": row.replicas,
            }
            for row in self.orbits
        ])  # fmt: skip

    def plot(self, ax: Axes | None = None, *, temperature: float = ROOM_TEMPERATURE) -> Axes:
        """Draw the occupation of every orbit against the loading at the temperature nearest to one.

        Parameters
        ----------
        ax : Axes, optional
        temperature : float, K
        """
        from analysis.palette import orbit_colour
        from analysis.plot_style import AXIS_NAME, MARKER, finish, new_axes, place_legend

        ax = new_axes((6.8, 4.4)) if ax is None else ax
        T = min({row.temperature for row in self.orbits}, key=lambda t: abs(t - temperature))
        for orbit in sorted({row.orbit for row in self.orbits}):
            rows = [row for row in self.orbits if (row.orbit, row.temperature) == (orbit, T)]
            value, lo, hi = (np.array([getattr(r.occupation, end) for r in rows]) for end in ("value", "lo", "hi"))
            error = np.nan_to_num(np.array([value - lo, hi - value]))
            label = f"{rows[0].species}  {rows[0].label} ({orbit})"
            style = {"color": orbit_colour(orbit), "label": label, **MARKER}
            ax.errorbar([r.composition for r in rows], value, yerr=error, fmt="o-", linewidth=1.1, **style)
        ax.set_xlabel(AXIS_NAME.get(self.composition_name, self.composition_name))
        ax.set_ylabel("ions per site")
        ax.set_ylim(0.0, None)
        finish(ax)
        place_legend(ax, *ax.get_legend_handles_labels(), title=f"site (orbit), {T - CELSIUS_ZERO:.0f} °C")
        return ax


def occupation(records: Sequence[TaskRecord], network: PoreNetwork) -> Occupation:
    """Average the occupation of the sites over orbits and replicas, with Student's interval over replicas.

    Parameters
    ----------
    records : sequence of TaskRecord
    network : PoreNetwork
        Of the run.

    Raises
    ------
    InputError
        If no record tells the occupation, or a record is of another network.
    """
    known, statements = told(records, network)
    rows: list[OrbitOccupation] = []
    for group in conditions(known):
        first = group[0]
        each = np.array([r.site_occupation for r in group])
        n_cells = first.volume / network.volume
        alone = _shares_alone(network, first.temperature)
        for orbit, sites in orbit_sites(network):
            p = int(network.site_species[sites[0]])
            found = _bounded(t_interval(each[:, sites].mean(axis=1)))
            ions = float(first.species_count[p])
            rows.append(
                OrbitOccupation(
                    composition=first.composition,
                    temperature=first.temperature,
                    species=network.species[p].name,
                    orbit=orbit,
                    label=network.site_label[sites[0]],
                    sites=len(sites),
                    occupation=found,
                    share=found.scaled(len(sites) * n_cells / ions if ions else float("nan")),
                    alone=float(alone[sites].sum()),
                    replicas=len(group),
                )
            )
    return Occupation(known[0].composition_name, tuple(rows), statements)


def told(records: Sequence[TaskRecord], network: PoreNetwork) -> tuple[list[TaskRecord], tuple[str, ...]]:
    """Give the records that tell how long ions stayed where, and what is said of the others.

    Raises
    ------
    InputError
        If there is none, or a record is of another network.
    """
    known = [r for r in records if len(r.site_occupation)]
    if not known:
        raise InputError(
            "records: expected tasks that tell the occupation of sites; found "
            + ("files of an older version; run them again" if records else "no task")
        )
    for record in known:
        if len(record.site_occupation) != network.n_sites:
            raise InputError(
                f"{record.key}: expected the {network.n_sites} sites of network {network.name}; "
                f"found {len(record.site_occupation)}"
            )
    left = len(records) - len(known)
    return known, (f"{left} tasks of an older version do not tell where ions stayed",) if left else ()


def conditions(records: Sequence[TaskRecord]) -> Iterator[list[TaskRecord]]:
    """Replicas of each loading, temperature and field, in ascending order."""
    ordered = sorted(records, key=lambda r: (r.composition, r.temperature, tuple(r.field), r.replica))
    for _, group in groupby(ordered, key=lambda r: (r.composition, r.temperature, tuple(r.field))):
        yield list(group)


def orbit_sites(network: PoreNetwork) -> list[tuple[int, NDArray[np.intp]]]:
    """Site orbits with their sites."""
    return [(int(orbit), np.flatnonzero(network.site_orbit == orbit)) for orbit in np.unique(network.site_orbit)]


def _shares_alone(network: PoreNetwork, temperature: float) -> NDArray[np.float64]:
    """Boltzmann's share of every site for an ion of its species alone, (n_sites,)."""
    log_weight = -network.rates(temperature).free_energy / (BOLTZMANN * temperature)
    share = np.zeros(network.n_sites)
    for p in np.unique(network.site_species):
        mine = network.site_species == p
        weight = np.exp(log_weight[mine] - log_weight[mine].max())
        share[mine] = weight / weight.sum()
    return share


def _bounded(interval: Interval) -> Interval:
    """Cut an interval of an occupation off at none and one ion."""
    return Interval(interval.value, *(float(np.clip(end, 0.0, 1.0)) for end in (interval.lo, interval.hi)))
