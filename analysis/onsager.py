"""Onsager coefficients sigma_ij = q_i q_j <ΔR_i · ΔR_j> / (6 V kT t): what each species carries, and with which other.

All of them are slopes between the same two lags over the same time origins as the conductivity, so that they add up to
it exactly, and so do the Cartesian components. Cross terms and functions of several coefficients get Student's interval
over pieces of the replicas, each long against the lags, in which all coefficients are measured together: correlations
between them are kept. Where replicas differ by more than their pieces do, the replicas are the pieces.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from analysis.conductivity import collective_lags
from analysis.displacements import Displacements
from analysis.lags import Lags
from analysis.statistics import LEVEL, Interval
from structures.units import conductivity_S_per_cm

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

PIECE = 4  # long lags in a piece of a replica: pieces then are independent of each other to within a tenth
DIFFERENT = 0.05  # probability below which replicas differ by more than their pieces
STEP = 1e-4  # relative, of a numerical derivative

Matrix = NDArray[np.float64]


@dataclass(frozen=True, eq=False, slots=True)
class PairSlopes:
    """Two-lag slopes of the products of charge displacements of all species along all Cartesian axes.

    Attributes
    ----------
    mean : (n_species, 3, n_species, 3) float64, S/cm
        Over all time origins of all replicas; symmetric.
    piece : (n_pieces, n_species, 3, n_species, 3) float64, S/cm
        Of every piece of a replica.
    weight : (n_pieces,) float64
        Share of the time origins.
    replica : (n_pieces,) int64
    """

    mean: NDArray[np.float64]
    piece: NDArray[np.float64]
    weight: NDArray[np.float64]
    replica: NDArray[np.int64]

    @property
    def species(self) -> Matrix:
        """sigma_ij, the mean over orientations, (n_species, n_species), S/cm."""
        return orientation_mean(self.mean)

    def interval(self, function: Callable[[NDArray[np.float64]], float]) -> Interval:
        """Return a smooth function of the slopes with Student's interval over pieces, by linear error propagation.

        Parameters
        ----------
        function : callable
            From (n_species, 3, n_species, 3), S/cm, to a number.
        """
        value, nan = float(function(self.mean)), float("nan")
        about = np.tensordot(self.weight, self.piece, axes=1)
        shift = np.array([_derivative(function, self.mean, one - about) for one in self.piece])
        share, weight = self.weight * shift, self.weight
        if _replicas_differ(shift, weight, self.replica):
            share = np.bincount(self.replica, weights=share)
            weight = np.bincount(self.replica, weights=weight).astype(np.float64)
        n = len(share)
        if n < 2 or not np.isfinite(value) or not np.isfinite(share).all():
            return Interval(value, nan, nan)
        # Σ e² has the expectation Σ w² s² (1 - w) for pieces of variance s²
        error = np.sqrt(float((share**2).sum()) / float(1 - (weight**2).sum()))
        half = float(stats.t.ppf(0.5 + LEVEL / 2, 1 / float((weight**2).sum()) - 1) * error)
        return Interval(value, value - half, value + half)


@dataclass(frozen=True, eq=False, slots=True)
class OnsagerMatrix:
    """Conductivities sigma_ij between species i and j; sigma is the sum over both.

    Attributes
    ----------
    species_names : tuple of str
    sigma : (n_species, n_species) float64, S/cm
        Mean over orientations.
    interval : tuple of tuples of Interval, S/cm
        Without ends where a species does not move.
    tensor : (n_species, n_species, 3, 3) float64, S/cm
    short, long : float, s
        The lags of the slopes.
    statements : tuple of str
    """

    species_names: tuple[str, ...]
    sigma: Matrix
    interval: tuple[tuple[Interval, ...], ...]
    tensor: NDArray[np.float64]
    short: float
    long: float
    statements: tuple[str, ...]

    def to_frame(self) -> pd.DataFrame:
        """Return one row per pair of species."""
        import pandas as pd

        return pd.DataFrame(
            {
                "species i": a,
                "species j": b,
                "sigma_ij (S/cm)": self.interval[i][j].value,
                "sigma_ij lo (S/cm)": self.interval[i][j].lo,
                "sigma_ij hi (S/cm)": self.interval[i][j].hi,
                "correlation": _correlation(self.sigma, i, j),
            }
            for i, a in enumerate(self.species_names)
            for j, b in enumerate(self.species_names[: i + 1])
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the coefficients of all pairs with their intervals."""
        from analysis.transport_pictures import bars

        frame = self.to_frame()
        labels = [a if a == b else f"{b}, {a}" for a, b in zip(frame["species i"], frame["species j"], strict=True)]
        values = frame[["sigma_ij (S/cm)", "sigma_ij lo (S/cm)", "sigma_ij hi (S/cm)"]].to_numpy(dtype=np.float64)
        return bars(labels, values, "σ$_{ij}$  (S / cm)", ax)


def onsager_matrix(data: Displacements) -> OnsagerMatrix:
    """Onsager coefficients of all pairs of species with intervals that keep their correlation.

    Parameters
    ----------
    data : Displacements

    Returns
    -------
    OnsagerMatrix
    """
    step, lags, slopes = pair_slopes(data)
    n, said = len(data.species_names), list(data.statements)
    nan = float("nan")
    if slopes is None:
        said.append(f"{data.label}: sigma_ij = 0: no charge moved".removeprefix(": "))
        zero = Interval(0.0, nan, nan)
        empty = np.zeros((n, n, 3, 3))
        return OnsagerMatrix(data.species_names, empty[:, :, 0, 0], ((zero,) * n,) * n, empty, nan, nan, tuple(said))
    mean = slopes.mean
    interval = tuple(
        tuple(
            slopes.interval(lambda L, i=i, j=j: float(np.trace(L[i, :, j]) / 3))  # type: ignore[misc]
            if data.moves[i] and data.moves[j]
            else Interval(0.0, nan, nan)
            for j in range(n)
        )
        for i in range(n)
    )
    short = lags.short * step
    return OnsagerMatrix(
        data.species_names, slopes.species, interval, mean.swapaxes(1, 2), short, short * lags.ratio, tuple(said)
    )


def pair_slopes(data: Displacements, lags: Lags | None = None) -> tuple[float, Lags, PairSlopes | None]:
    """Slopes of all products of charge displacements between two lags, in pieces of the replicas.

    Parameters
    ----------
    data : Displacements
    lags : Lags, optional
        In steps of the common grid; those of the total charge displacement if not given.

    Returns
    -------
    step : float, s
        Of the common grid.
    lags : Lags
    slopes : PairSlopes or None
        None if no charge moved or no replica is as long as the lags.
    """
    step, paths = data.on_common_grid()
    paths = [path * data.charge[:, None] for path in paths]
    lags = collective_lags([path.sum(axis=1) for path in paths]) if lags is None else lags
    short, long = round(lags.short), round(lags.short) * lags.ratio
    enough = [path for path in paths if len(path) > long]
    if not enough or not any(path.any() for path in paths):
        return step, lags, None
    piece, origins, replica = [], [], []
    for number, path in enumerate(enough):
        n_origins = len(path) - long
        edges = np.linspace(0, n_origins, max(n_origins // (PIECE * long), 1) + 1).astype(np.int64)
        for begin, end in pairwise(edges.tolist()):
            piece.append(_products(path, long, begin, end) - _products(path, short, begin, end))
            origins.append(end - begin)
            replica.append(number)
    unit = conductivity_S_per_cm(1.0, data.volume, data.temperature) / (2 * (long - short) * step)
    weight = np.array(origins) / sum(origins)
    mean = _pooled_products(enough, long) - _pooled_products(enough, short)
    return step, lags, PairSlopes(unit * mean, unit * np.array(piece), weight, np.array(replica))


def orientation_mean(slopes: NDArray[np.float64]) -> Matrix:
    """Mean over orientations of (..., n_species, 3, n_species, 3): a third of the trace of each pair."""
    return np.asarray(np.trace(slopes, axis1=-3, axis2=-1) / 3)


def _products(path: NDArray[np.float64], lag: int, begin: int, end: int) -> NDArray[np.float64]:
    """Mean products of displacements over one lag, time origins `begin` to `end`."""
    moved = path[begin + lag : end + lag] - path[begin:end]
    flat = moved.reshape(len(moved), -1)
    n = path.shape[1]
    return np.asarray((flat.T @ flat / len(flat)).reshape(n, 3, n, 3))


def _pooled_products(paths: Sequence[NDArray[np.float64]], lag: int) -> NDArray[np.float64]:
    """Mean products of displacements over one lag and all time origins of all replicas."""
    origins = np.array([len(path) - lag for path in paths], dtype=np.float64)
    products = [_products(path, lag, 0, len(path) - lag) for path in paths]
    return np.asarray(np.tensordot(origins / origins.sum(), products, axes=1))


def _derivative(
    function: Callable[[NDArray[np.float64]], float], mean: NDArray[np.float64], along: NDArray[np.float64]
) -> float:
    size = float(np.abs(along).max())
    if size == 0:
        return 0.0
    h = STEP * float(np.abs(mean).max()) / size if mean.any() else STEP
    return (function(mean + h * along) - function(mean - h * along)) / (2 * h)


def _replicas_differ(shift: NDArray[np.float64], weight: NDArray[np.float64], replica: NDArray[np.int64]) -> bool:
    """Tell whether the means of replicas scatter by more than their pieces allow, by an F test."""
    n, groups = len(shift), int(replica.max()) + 1
    if groups < 2 or n == groups:
        return False
    mean = np.bincount(replica, weights=weight * shift) / np.bincount(replica, weights=weight)
    count = np.bincount(replica)
    between = float((count * (mean - np.average(shift, weights=weight)) ** 2).sum()) / (groups - 1)
    within = float(((shift - mean[replica]) ** 2).sum()) / (n - groups)
    return bool(stats.f.sf(between / max(within, 1e-300), groups - 1, n - groups) < DIFFERENT)


def _correlation(sigma: Matrix, i: int, j: int) -> float:
    product = sigma[i, i] * sigma[j, j]
    return float(sigma[i, j] / np.sqrt(product)) if product > 0 else float("nan")
