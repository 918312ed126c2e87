"""Radial distribution of the ions: how often two of them are at a distance, against ions strewn at random."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from analysis.frames import Trajectory, same_kind
from analysis.statistics import LEVEL
from structures.errors import InputError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

BIN = 0.25  # Å
_AT_ONCE = 2**20  # pairs whose distances are in memory together


@dataclass(frozen=True, eq=False, slots=True)
class RadialDistribution:
    """Pair correlations of all kinds of ions of one loading and temperature.

    Attributes
    ----------
    pairs : (n_pairs,) tuple of (str, str)
        Species; a kind of a single ion has no pair with itself.
    distance : (n_bins,) float64, Å
        Middles of the bins. Up to half the smallest height of the supercell, beyond which images count.
    value, lo, hi : (n_pairs, n_bins) float64
        g(r), one where ions do not feel each other or the crystal, with its 95 % interval over replicas (nan for one).
        A pair of like ions is counted against N (N - 1) / 2 pairs, so that g of random ions is one in a small box too.
    neighbours : (n_pairs, n_bins) float64
        Ions of the second kind around one of the first up to the outer edge of the bin.
    frames : int
        In all replicas.
    replicas : int
    """

    pairs: tuple[tuple[str, str], ...]
    distance: NDArray[np.float64]
    value: NDArray[np.float64]
    lo: NDArray[np.float64]
    hi: NDArray[np.float64]
    neighbours: NDArray[np.float64]
    frames: int
    replicas: int

    def to_frame(self) -> pd.DataFrame:
        """One row per pair and bin."""
        import pandas as pd

        return pd.concat([
            pd.DataFrame({
                "pair": f"{a} - {b}",
                "r (angstrom)": self.distance,
                "g": self.value[k],
                "g lo": self.lo[k],
                "g hi": self.hi[k],
                "neighbours": self.neighbours[k],
            })
            for k, (a, b) in enumerate(self.pairs)
        ], ignore_index=True)  # fmt: skip

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw g(r) of every pair with its interval."""
        from analysis.plot_style import MUTED, SPECIES, finish, new_axes, place_legend

        ax = new_axes((6.8, 4.2)) if ax is None else ax
        for k, (a, b) in enumerate(self.pairs):
            colour = SPECIES[k % len(SPECIES)]
            ax.plot(self.distance, self.value[k], color=colour, linewidth=1.3, label=f"{a} – {b}")
            ax.fill_between(self.distance, self.lo[k], self.hi[k], color=colour, alpha=0.2, linewidth=0)
        ax.axhline(1.0, color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)), zorder=0)
        ax.set_xlabel("distance  (Å)")
        ax.set_ylabel("g(r)")
        ax.set_xlim(0.0, float(self.distance[-1]))
        ax.set_ylim(0.0, None)
        finish(ax)
        place_legend(ax, *ax.get_legend_handles_labels())
        return ax


def radial_distribution(
    trajectories: Sequence[Trajectory], *, bin_A: float = BIN, most_frames: int = 200
) -> RadialDistribution:  # fmt: skip
    """Histogram of the nearest-image distances of all pairs, over frames and replicas.

    Parameters
    ----------
    trajectories : sequence of Trajectory
        Replicas of one loading and temperature.
    bin_A : float, Å
    most_frames : int
        Of each replica, evenly spaced.

    Raises
    ------
    InputError
        If there is no replica or no pair of ions, or the replicas differ.
    """
    first = same_kind(trajectories)
    edges = bin_edges(first.cell, bin_A)
    members = [np.flatnonzero(first.ion_species == p) for p in range(len(first.species_names))]
    pairs = species_pairs(members)
    if not pairs:
        raise InputError(f"{first.name}: expected at least two ions; found {first.n_ions}")
    counts, frames = np.zeros((len(trajectories), len(pairs), len(edges) - 1)), 0
    for replica, trajectory in enumerate(trajectories):
        chosen, seen = evenly(trajectory.n_frames, most_frames), 0
        for block in trajectory.blocks():
            for place in block[[k - seen for k in chosen if seen <= k < seen + len(block)]]:
                frac = place @ np.linalg.inv(first.cell)
                for k, (a, b) in enumerate(pairs):
                    found = pair_histogram(frac[members[a]], frac[members[b]], first.cell, edges, alike=a == b)
                    counts[replica, k] += found / len(chosen)
            seen += len(block)
        frames += len(chosen)
    ideal = np.array([random_pairs(members, a, b, edges, first.volume) for a, b in pairs])
    per_ion = counts.mean(axis=0).cumsum(axis=1) / np.array([len(members[a]) for a, _ in pairs])[:, None]
    value, lo, hi = over_replicas(counts / ideal)
    return RadialDistribution(
        pairs=tuple((first.species_names[a], first.species_names[b]) for a, b in pairs),
        distance=(edges[1:] + edges[:-1]) / 2,
        value=value,
        lo=lo,
        hi=hi,
        neighbours=per_ion,
        frames=frames,
        replicas=len(trajectories),
    )


def bin_edges(cell: NDArray[np.float64], width: float) -> NDArray[np.float64]:
    """Edges of bins from 0 to at most half the smallest height of a cell, Å.

    Within that distance the nearest image is the one that rounding of fractional coordinates finds: each of them is at
    most the distance over a height.

    Raises
    ------
    InputError
        If no bin fits.
    """
    reach = 0.5 / float(np.linalg.norm(np.linalg.inv(cell), axis=0).max())
    if not 0.0 < width <= reach:
        raise InputError(f"bin_A: expected a width above 0 and up to {reach:.3g} Å, half a height; found {width}")
    return np.asarray(width * np.arange(int(reach / width * (1 + 1e-12)) + 1))


def bin_of(distance: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.int64]:
    """Bins of distances; one that is an edge but for rounding, as in crystals, belongs to the upper bin."""
    return np.asarray(distance / edges[1] + 1e-9).astype(np.int64)


def species_pairs(members: Sequence[NDArray[np.intp]]) -> list[tuple[int, int]]:
    """Pairs of kinds of ions of which there is a pair of ions."""
    kinds = combinations_with_replacement(range(len(members)), 2)
    return [(a, b) for a, b in kinds if len(members[a]) and len(members[b]) > (a == b)]


def evenly(n: int, most: int) -> list[int]:
    """At most so many evenly spaced numbers below n."""
    step = max(1, -(-n // most))
    return list(range(0, n, step))


def pair_histogram(
    here: NDArray[np.float64],
    there: NDArray[np.float64],
    cell: NDArray[np.float64],
    edges: NDArray[np.float64],
    *,
    alike: bool,
) -> NDArray[np.int64]:
    """Ordered pairs of points by their nearest-image distance, (n_bins,).

    Parameters
    ----------
    here, there : (n, 3), (m, 3) float64
        Fractional coordinates.
    cell : (3, 3) float64, Å
    edges : (n_bins + 1,) float64, Å
        Even, from zero.
    alike : bool
        Both are the same ions: none is paired with itself.
    """
    total, n_bins = np.zeros(len(edges) - 1, np.int64), len(edges) - 1
    together = max(1, _AT_ONCE // max(len(there), 1))
    for first in range(0, len(here), together):
        step = there[None, :, :] - here[first : first + together, None, :]
        step -= np.rint(step)
        distance = np.sqrt(((step @ cell) ** 2).sum(axis=2))
        if alike:
            rows = np.arange(len(distance))
            distance[rows, first + rows] = np.inf
        place = bin_of(distance[distance < edges[-1]], edges)
        total += np.bincount(place, minlength=n_bins)[:n_bins]
    return total


def random_pairs(
    members: Sequence[NDArray[np.intp]], a: int, b: int, edges: NDArray[np.float64], volume: float
) -> NDArray[np.float64]:
    """Ordered pairs expected in every bin if the ions were strewn at random, (n_bins,)."""
    shell = 4.0 / 3.0 * np.pi * np.diff(edges**3)
    return np.asarray(len(members[a]) * (len(members[b]) - (a == b)) * shell / volume)


def over_replicas(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Mean over the first axis and both ends of Student's interval, not below zero; without ends for one replica."""
    mean, n = values.mean(axis=0), len(values)
    if n == 1:
        return mean, np.full_like(mean, np.nan), np.full_like(mean, np.nan)
    half = stats.t.ppf(0.5 + LEVEL / 2, n - 1) * values.std(axis=0, ddof=1) / np.sqrt(n)
    return mean, np.maximum(mean - half, 0.0), mean + half
