"""Tracer diffusivity D* from the time-averaged mean square displacement of every replica."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.displacements import Displacements
from analysis.lags import Lags, choose_lags
from analysis.statistics import Interval, t_interval

LONGEST_SHARE = 0.3
COMPONENTS = 3.0  # of one replica: ions that block each other are not independent of each other


@dataclass(frozen=True, eq=False, slots=True)
class Diffusivity:
    """Tracer diffusivity of one species.

    Attributes
    ----------
    value : Interval, Å²/s
        Zero without ends if no ion of the species moved.
    replica : (n_replicas,) float64, Å²/s
    short, long : float, s
        The lags of the slope.
    converged : bool
        The slope no longer falls at the longest lag that the runs support.
    """

    value: Interval
    replica: NDArray[np.float64]
    short: float
    long: float
    converged: bool


def tracer_diffusivity(
    lag: Sequence[NDArray[np.float64]], msd: Sequence[NDArray[np.float64]], durations: Sequence[float]
) -> Diffusivity:
    """Two-lag slope D* = [M(t_2) - M(t_1)] / 6 (t_2 - t_1) of each replica, with Student's interval over replicas.

    The lags are the same for all replicas and chosen from their mean M, see `choose_lags`: t_1 is beyond the time that
    ions spend hopping to and fro, t_2 at most 0.3 of the shortest run, where the average still has many origins.
    Whether the slope still falls is judged by the scatter of its fall between replicas: ions of one replica hinder each
    other and carry the same statistical weight only if they were independent.

    Parameters
    ----------
    lag : sequence of (n_lags,) float64, s
        One per replica, ascending.
    msd : sequence of (n_lags, 3) float64, Å²
        Per Cartesian component, averaged over ions and time origins.
    durations : sequence of float, s
        Length of each replica.
    """
    nan = float("nan")
    totals = [np.concatenate([[0.0], m.sum(axis=1)[t > 0]]) for t, m in zip(lag, msd, strict=True)]
    lags = [np.concatenate([[0.0], t[t > 0]]) for t in lag]
    if not any((m > 0).any() for m in totals):
        return Diffusivity(Interval(0.0, nan, nan), np.zeros(len(msd)), nan, nan, True)
    finest = max(float(t[1]) for t in lags)
    reach = min(float(t[-1]) for t in lags)
    grid = finest * 2.0 ** (np.arange(2 * int(np.log2(max(reach / finest, 1.0))) + 1) / 2)
    each = np.array([np.interp(grid, t, m) for t, m in zip(lags, totals, strict=True)])
    longest = min(LONGEST_SHARE * min(durations), float(grid[-1]))
    chosen = choose_lags(
        grid, each.mean(axis=0), durations=durations, components=COMPONENTS, longest=longest, each=each
    )
    replica = np.array([_slope(t, m, chosen) for t, m in zip(lags, totals, strict=True)])
    value = t_interval(replica)
    value = Interval(value.value, float(np.maximum(value.lo, min(value.value, 0.0))), value.hi)  # D* is not negative
    return Diffusivity(value, replica, chosen.short, chosen.long, chosen.resolved)


def tracer_of(data: Displacements, species: int) -> Diffusivity:
    """Tracer diffusivity of one species over all replicas, those that could not move included."""
    return tracer_diffusivity(data.lag, [msd[:, species] for msd in data.msd], data.duration.tolist())


def _slope(lag: NDArray[np.float64], msd: NDArray[np.float64], chosen: Lags) -> float:
    """Slope / 6 between the two lags; M is linear between the lags recorded to within its curvature."""
    short, long = np.interp([chosen.short, chosen.long], lag, msd)
    return float((long - short) / (6 * (chosen.long - chosen.short)))
