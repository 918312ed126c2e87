"""How many nodes or linkers a framework can lose before it falls apart.

Pieces are put back one at a time in the reverse of the random order in which a seed takes them out, and a union-find
follows which of them hang together and in how many directions they cross the crystal: M. E. J. Newman and R. M. Ziff,
Phys. Rev. E 64, 016706 (2001). One pass gives every fraction of one realisation; realisations are those of
`structures.defects.with_defects` with the same cell and seed.

On a net of nodes and straight linkers, missing nodes are site percolation and missing linkers bond percolation. In a
periodic cell of equal sides the chance that a net is still bonded through in some direction is universal at the
threshold, 0.460 in three dimensions, with corrections that fall off fast: J. Wang et al., Phys. Rev. E 87, 052107
(2013). The fraction at which it has that value is the estimate of the threshold of the infinite crystal.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from analysis.statistics import LEVEL, Interval, t_interval
from lattice.percolation import PeriodicForest
from structures.defects import removal_order
from structures.errors import InputError
from structures.framework import Framework
from structures.missing import Kind
from structures.pieces import Pieces, repeated_pieces, split

if TYPE_CHECKING:
    from pandas import DataFrame

BONDED_AT_THRESHOLD = 0.460  # chance to cross in at least one direction, periodic cube


@dataclass(frozen=True, eq=False, slots=True)
class DefectPercolation:
    """What is left of a framework against the number of pieces that are missing.

    Attributes
    ----------
    kind : {"node", "linker"}
    pieces : str
        What the perfect cell holds, "8 nodes Zn4O, 24 linkers C8H4O4".
    cell : (int, int, int)
    seeds : (n_seeds,) tuple of int
    fractions : (n_fractions,) float64
        Asked for.
    directions : (n_seeds, n_pieces + 1) int64
        In how many directions what is left is bonded through the crystal, by the number of pieces that are missing.
    largest : (n_seeds, n_pieces + 1) float64
        Share of the largest piece among the atoms that are left.
    """

    kind: Kind
    pieces: str
    cell: tuple[int, int, int]
    seeds: tuple[int, ...]
    fractions: NDArray[np.float64]
    directions: NDArray[np.int64]
    largest: NDArray[np.float64]

    @property
    def n_pieces(self) -> int:
        """Pieces of this kind in the perfect cell."""
        return int(self.directions.shape[1]) - 1

    @property
    def missing(self) -> NDArray[np.int64]:
        """Pieces that the fractions round to, (n_fractions,)."""
        return np.floor(self.fractions * self.n_pieces + 0.5).astype(np.int64)

    @property
    def apart_at(self) -> NDArray[np.float64]:
        """Fraction at which each realisation is no longer bonded through in any direction, (n_seeds,)."""
        lost = (self.directions == 0).argmax(axis=1)
        return np.asarray((lost - 0.5) / self.n_pieces)

    def bonded(self, directions: int) -> list[Interval]:
        """Share of the realisations bonded in so many directions or more, by fraction, with Wilson's interval."""
        found = []
        for number in self.missing:
            there = int((self.directions[:, number] >= directions).sum())
            ends = stats.binomtest(there, len(self.seeds)).proportion_ci(LEVEL, method="wilson")
            found.append(Interval(there / len(self.seeds), float(ends.low), float(ends.high)))
        return found

    def largest_share(self) -> list[Interval]:
        """Share of the atoms left that the largest piece has, mean over realisations, by fraction."""
        return [t_interval(self.largest[:, number]) for number in self.missing]

    def threshold(self) -> Interval:
        """Fraction at which the infinite crystal falls apart, from this cell, with the interval of order statistics."""
        return quantile_interval(self.apart_at, 1.0 - BONDED_AT_THRESHOLD)

    @property
    def statement(self) -> str:
        """The threshold in one line."""
        found = self.threshold()
        low, high = np.quantile(self.apart_at, [0.025, 0.975])
        size = " x ".join(map(str, self.cell))
        ends = (
            f"{found.lo:.3f} to {found.hi:.3f}" if math.isfinite(found.lo) else "too few realisations for an interval"
        )
        return (
            f"missing {self.kind}s: the crystal falls apart at a missing fraction of {found.value:.3f} ({ends}), where "
            f"{100 * BONDED_AT_THRESHOLD:.0f} % of the cells are bonded through in some direction, as large periodic "
            f"cells of equal sides are at the threshold; single cells of {size} with {self.n_pieces} {self.kind}s do "
            f"between {low:.3f} and {high:.3f} (95 % of {len(self.seeds)} realisations)"
        )

    def to_frame(self) -> DataFrame:
        """Table by fraction, the ends of 95 % intervals in columns of their own."""
        from pandas import DataFrame

        columns: dict[str, ArrayLike] = {
            "fraction": self.fractions,
            f"missing_{self.kind}s": self.missing,
            "of": np.full(len(self.fractions), self.n_pieces),
            "realisations": np.full(len(self.fractions), len(self.seeds)),
        }
        for name, found in (
            ("largest_share", self.largest_share()),
            *((f"bonded_{n}D", self.bonded(n)) for n in (1, 2, 3)),
        ):
            columns[name] = [one.value for one in found]
            columns[f"{name}_lo"] = [one.lo for one in found]
            columns[f"{name}_hi"] = [one.hi for one in found]
        return DataFrame(columns)


def percolation_of_defects(
    framework: Framework,
    kind: Kind,
    fractions: Sequence[float],
    cell: tuple[int, int, int],
    seeds: Sequence[int],
) -> DefectPercolation:
    """Take nodes or linkers out of a framework at random and see what is left of it; no energies are computed.

    Parameters
    ----------
    framework : Framework
        One cell of the perfect crystal.
    kind : {"node", "linker"}
    fractions : sequence of float
        Missing, from 0 to 1.
    cell : (int, int, int)
        Cells along a, b and c in which the choice is made.
    seeds : sequence of int
        One realisation each.

    Raises
    ------
    InputError
        If a fraction is out of range, there are no seeds, or nodes or linkers have no end.
    """
    return percolation_of_pieces(repeated_pieces(split(framework), cell), kind, fractions, cell, seeds)


def percolation_of_pieces(
    pieces: Pieces, kind: Kind, fractions: Sequence[float], cell: tuple[int, int, int], seeds: Sequence[int]
) -> DefectPercolation:
    """Do what `percolation_of_defects` does for pieces that are known already."""
    asked = np.asarray(fractions, dtype=np.float64)
    if not (asked.ndim == 1 and ((asked >= 0) & (asked <= 1)).all()):
        raise InputError(f"fractions: expected numbers from 0 to 1; got {list(fractions)}")
    if not len(seeds) or min(seeds) < 0:
        raise InputError(f"seeds: expected at least one whole number, 0 or more; got {list(seeds)}")
    if not len(pieces.numbers(kind)):
        raise InputError(f"expected {kind}s in the framework; found {pieces.counted()}")
    graph = _Graph.of(pieces)
    passes = [graph.put_back(removal_order(pieces, kind, seed)) for seed in seeds]
    return DefectPercolation(
        kind=kind,
        pieces=pieces.counted(),
        cell=cell,
        seeds=tuple(seeds),
        fractions=asked,
        directions=np.array([directions[::-1] for directions, _ in passes]),
        largest=np.array([largest[::-1] for _, largest in passes]),
    )


def quantile_interval(values: NDArray[np.float64], share: float, level: float = LEVEL) -> Interval:
    """Quantile of independent values with the interval between two of them that a binomial count gives.

    H. A. David and H. N. Nagaraja, Order Statistics (Wiley, 2003), section 7.1. Without ends where the values are too
    few for the level.
    """
    ordered, n = np.sort(values), len(values)
    low = int(stats.binom.ppf(0.5 - level / 2, n, share)) - 1
    high = int(stats.binom.ppf(0.5 + level / 2, n, share))
    value = float(np.quantile(ordered, share))
    if low < 0 or high >= n:
        return Interval(value, math.nan, math.nan)
    return Interval(value, float(ordered[low]), float(ordered[high]))


@dataclass(frozen=True, eq=False, slots=True)
class _Graph:
    """Neighbours of every piece, each once, and its atoms."""

    neighbours: list[list[tuple[int, tuple[int, int, int]]]]
    atoms: list[int]

    @classmethod
    def of(cls, pieces: Pieces) -> _Graph:
        rows = np.column_stack([pieces.of_atom[pieces.inner], pieces.of_atom[pieces.outer], pieces.shift])
        neighbours: list[list[tuple[int, tuple[int, int, int]]]] = [[] for _ in range(len(pieces))]
        for a, b, x, y, z in np.unique(rows, axis=0).tolist():
            neighbours[a].append((b, (x, y, z)))
        return cls(neighbours, np.bincount(pieces.of_atom, minlength=len(pieces)).tolist())

    def put_back(self, order: NDArray[np.int64]) -> tuple[list[int], list[float]]:
        """Directions and share of the largest part with none of some pieces there, one, two ... all.

        Parameters
        ----------
        order : (n,) int64
            In which they were taken out; the last one comes back first.
        """
        n_pieces = len(self.atoms)
        forest, size = PeriodicForest.of_size(n_pieces), list(self.atoms)
        there = np.ones(n_pieces, np.bool_)
        there[order] = False
        present = there.tolist()
        rank, largest, total = 0, 1, 0
        directions: list[int] = []
        shares: list[float] = []
        stay = [n for n in range(n_pieces) if present[n]]
        for piece in (*stay, -1, *order[::-1].tolist()):
            if piece >= 0:
                present[piece] = True
                total += self.atoms[piece]
                largest = max(largest, self.atoms[piece])
                for other, image in self.neighbours[piece]:
                    if present[other]:
                        rank, largest = self._join(forest, size, (piece, other, image), rank, largest)
            if piece < 0 or len(directions):
                directions.append(rank)
                shares.append(largest / total if total else 1.0)
        return directions, shares

    @staticmethod
    def _join(
        forest: PeriodicForest,
        size: list[int],
        bond: tuple[int, int, tuple[int, int, int]],
        rank: int,
        largest: int,
    ) -> tuple[int, int]:
        """Connect two pieces; give the most directions and the atoms of the largest part so far."""
        a, b, image = bond
        first, second = forest.find(a)[0], forest.find(b)[0]
        if not forest.join(a, b, image):
            return rank, largest
        root = forest.find(a)[0]
        if first != second:
            size[root] = size[first] + size[second]
        return max(rank, forest.rank(root)), max(largest, size[root])
