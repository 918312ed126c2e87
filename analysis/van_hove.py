"""Van Hove functions: how far one ion gets in a time, and where the others are then.

L. Van Hove, Phys. Rev. 95, 249 (1954).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from analysis.frames import Trajectory, same_kind
from analysis.radial_distribution import (
    BIN,
    bin_edges,
    bin_of,
    evenly,
    over_replicas,
    pair_histogram,
    random_pairs,
    species_pairs,
)
from analysis.statistics import Interval, t_interval
from structures.errors import InputError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_LAGS = 6  # by default, in powers of a number
_LONGEST = 4  # share of a run up to which they reach, inverse


@dataclass(frozen=True, eq=False, slots=True)
class VanHove:
    """Self and distinct part at some lags, for one loading and temperature.

    Attributes
    ----------
    species : (n_species,) tuple of str
        Kinds of which there are ions.
    pairs : (n_pairs,) tuple of (str, str)
    lag : (n_lags,) float64, s
    distance : (n_bins,) float64, Å
        Middles of the bins.
    self_part, self_lo, self_hi : (n_species, n_lags, n_bins) float64, 1/Å
        4 π r² G_s(r, t), the probability density of the distance that an ion has covered; what went farther than the
        last bin is not shown, and 1 minus the integral.
    distinct, distinct_lo, distinct_hi : (n_pairs, n_lags, n_bins) float64
        G_d(r, t) over the density of the second kind: that of another ion at a distance r from where an ion was a time
        t before; g(r) for t = 0.
    non_gaussian : (n_species,) tuple of (n_lags,) tuple of Interval
        3 <r⁴> / 5 <r²>² - 1: zero for diffusion, large while few ions hop; nan where none moved.
    replicas : int
    """

    species: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...]
    lag: NDArray[np.float64]
    distance: NDArray[np.float64]
    self_part: NDArray[np.float64]
    self_lo: NDArray[np.float64]
    self_hi: NDArray[np.float64]
    distinct: NDArray[np.float64]
    distinct_lo: NDArray[np.float64]
    distinct_hi: NDArray[np.float64]
    non_gaussian: tuple[tuple[Interval, ...], ...]
    replicas: int

    def to_frame(self) -> pd.DataFrame:
        """One row per part, kind or pair of ions, lag and bin."""
        import pandas as pd

        tables = []
        for part, unit, names, arrays in (
            ("self", "4 pi r2 Gs (1/angstrom)", self.species, (self.self_part, self.self_lo, self.self_hi)),
            ("distinct", "Gd/density", [" - ".join(p) for p in self.pairs],
             (self.distinct, self.distinct_lo, self.distinct_hi)),
        ):  # fmt: skip
            for k, name in enumerate(names):
                for j, lag in enumerate(self.lag):
                    value, lo, hi = (array[k, j] for array in arrays)
                    row = {"part": part, "quantity": unit, "ions": name, "lag (s)": lag, "r (angstrom)": self.distance}
                    tables.append(pd.DataFrame({**row, "value": value, "lo": lo, "hi": hi}))
        return pd.concat(tables, ignore_index=True)

    def plot(self, ax: Axes | None = None, *, species: str | None = None, distinct: bool = False) -> Axes:
        """Draw one part for one kind of ion, with itself for the distinct part, a line for every lag.

        The first bin is left out: ions that stayed, or another that took the same site, would dwarf the rest.

        Parameters
        ----------
        ax : Axes, optional
        species : str, optional
            By default the first.
        distinct : bool

        Raises
        ------
        InputError
            If there is none such.
        """
        from analysis.plot_style import MUTED, colours, finish, new_axes, place_legend

        name = self.species[0] if species is None else species
        known: Sequence[object] = self.pairs if distinct else self.species
        wanted: object = (name, name) if distinct else name
        if wanted not in known:
            raise InputError(f"species: expected one of {', '.join(self.species)} with enough ions; found {name}")
        ax = new_axes((6.8, 4.2)) if ax is None else ax
        value = (self.distinct if distinct else self.self_part)[known.index(wanted)]
        width = 2.0 * float(self.distance[0])
        for colour, lag, line in zip(colours(len(self.lag)), self.lag, value, strict=True):
            label = f"{lag:.2g} s" + ("" if distinct else f", {line[0] * width:.0%} in place")
            ax.plot(self.distance[1:], line[1:], color=colour, linewidth=1.3, label=label)
        ax.set_xlabel("distance  (Å)")
        ax.set_ylabel(f"G$_d$(r, t) / ρ of {name}" if distinct else f"4πr² G$_s$(r, t) of {name}  (1/Å)")
        if distinct:
            ax.axhline(1.0, color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)), zorder=0)
        ax.set_xlim(0.0, float(self.distance[-1]))
        ax.set_ylim(0.0, None)
        finish(ax)
        place_legend(ax, *ax.get_legend_handles_labels(), title="lag")
        return ax


def van_hove(
    trajectories: Sequence[Trajectory],
    *,
    lags_s: Sequence[float] | None = None,
    bin_A: float = BIN,
    most_origins: int = 60,
) -> VanHove:
    """Histograms of displacements and of distances between an ion then and others later, over origins and replicas.

    Parameters
    ----------
    trajectories : sequence of Trajectory
        Replicas of one loading and temperature.
    lags_s : sequence of float, s, optional
        Rounded to frames; by default six from one frame to a quarter of the shortest run.
    bin_A : float, Å
    most_origins : int
        Times from which displacements are counted, of each replica; only the positions there are kept in memory.

    Raises
    ------
    InputError
        If there is no replica, the replicas differ, no ion is there, or a lag is shorter than a frame or longer than
        a run.
    """
    first = same_kind(trajectories)
    lags = _whole_lags(trajectories, lags_s)
    edges = bin_edges(first.cell, bin_A)
    members = [np.flatnonzero(first.ion_species == p) for p in range(len(first.species_names))]
    present = [p for p, ions in enumerate(members) if len(ions)]
    if not present:
        raise InputError(f"{first.name}: expected ions; found none")
    pairs = species_pairs(members)
    shape = len(trajectories), len(lags), len(edges) - 1
    alone, apart = np.zeros((len(present), *shape)), np.zeros((len(pairs), *shape))
    moments = np.zeros((2, len(present), *shape[:2]))
    for replica, trajectory in enumerate(trajectories):
        for lag, start, end, weight in _displaced(trajectory, lags, most_origins):
            square = ((end - start) ** 2).sum(axis=1)
            place = np.minimum(bin_of(np.sqrt(square), edges), shape[2])
            for k, p in enumerate(present):
                found = np.bincount(place[members[p]], minlength=shape[2])[: shape[2]]
                alone[k, replica, lag] += weight * found / (len(members[p]) * edges[1])
                moved = square[members[p]]
                moments[:, k, replica, lag] += weight * np.array([moved.mean(), (moved**2).mean()])
            before, after = (x @ np.linalg.inv(first.cell) for x in (start, end))
            for k, (a, b) in enumerate(pairs):
                found = pair_histogram(before[members[a]], after[members[b]], first.cell, edges, alike=a == b)
                apart[k, replica, lag] += weight * found / random_pairs(members, a, b, edges, first.volume)
    selves, others = (over_replicas(np.moveaxis(array, 1, 0)) for array in (alone, apart))
    return VanHove(
        tuple(first.species_names[p] for p in present),
        tuple((first.species_names[a], first.species_names[b]) for a, b in pairs),
        np.asarray(lags * first.time_step, np.float64),
        (edges[1:] + edges[:-1]) / 2,
        *selves,
        *others,
        tuple(tuple(_non_gaussian(*m) for m in np.moveaxis(moments[:, k], 2, 0)) for k in range(len(present))),
        len(trajectories),
    )


def _non_gaussian(square: NDArray[np.float64], fourth: NDArray[np.float64]) -> Interval:
    """3 <r⁴> / 5 <r²>² - 1 from <r²> and <r⁴> of every replica, (n_replicas,); the logarithm linearised in both."""
    if not square.mean() > 0.0:
        return Interval(*[float("nan")] * 3)
    ratio = 3.0 * float(fourth.mean()) / (5.0 * float(square.mean()) ** 2)
    spread = t_interval(fourth / fourth.mean() - 2.0 * square / square.mean())
    half = spread.hi - spread.value
    return Interval(ratio - 1.0, ratio * float(np.exp(-half)) - 1.0, ratio * float(np.exp(half)) - 1.0)


def _whole_lags(trajectories: Sequence[Trajectory], lags_s: Sequence[float] | None) -> NDArray[np.int64]:
    """Lags in frames, ascending."""
    step, shortest = trajectories[0].time_step, min(t.n_frames for t in trajectories)
    for other in trajectories[1:]:
        if not np.isclose(other.time_step, step, rtol=1e-9):
            raise InputError(f"{other.name}: expected a frame every {step:g} s; found {other.time_step:g} s")
    if shortest < 2:
        raise InputError(f"{trajectories[0].name}: expected at least 2 frames; found {shortest}")
    if lags_s is None:
        return np.unique(np.rint(np.geomspace(1, max(1, shortest // _LONGEST), _LAGS)).astype(np.int64))
    lags = np.unique(np.rint(np.asarray(lags_s, np.float64) / step).astype(np.int64))
    if not (len(lags) and lags[0] >= 1 and lags[-1] < shortest):
        raise InputError(f"lags_s: expected {step:.3g} to {step * (shortest - 1):.3g} s; found {list(lags_s)}")
    return lags


def _displaced(
    trajectory: Trajectory, lags: NDArray[np.int64], most_origins: int
) -> Iterator[tuple[int, NDArray[np.float64], NDArray[np.float64], float]]:
    """Give number of the lag, positions (n_ions, 3) at an origin and a lag later, and 1 / number of origins."""
    n_frames = trajectory.n_frames
    origins = evenly(n_frames - int(lags[0]), most_origins)
    weight = [1.0 / sum(origin + lag < n_frames for origin in origins) for lag in lags]
    wanted, kept, frame = set(origins), dict[int, NDArray[np.float64]](), 0
    for block in trajectory.blocks():
        for place in block:
            for number, lag in enumerate(lags.tolist()):
                if frame - lag in kept:
                    yield number, kept[frame - lag], place, weight[number]
            kept.pop(frame - int(lags[-1]), None)
            if frame in wanted:
                kept[frame] = place.copy()
            frame += 1
