"""Interval of a diffusion constant when part of the motion may relax as slowly as the runs are long.

Between two lags of a few steps the slope of a mean square can be known to a few percent and yet be wrong: to-and-fro
motion that takes a tenth of a run hardly bends it. What it hides is at low frequencies, of which a run has few. So
where the best description of the power of the steps, S(ω) = 2 K_0 + non-negative relaxations of any rate
(`analysis.relaxations`), holds a relaxation that is not over at the lags, the interval is that of K_0 by the profile of
Whittle's likelihood: all values for which some set of relaxations describes the periodograms nearly as well as the best
one does (S. S. Wilks, Ann. Math. Stat. 9, 60 (1938)).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from analysis.relaxations import Periodograms, periodograms
from analysis.statistics import LEVEL

LEAST_STEPS = 24
RATES_PER_DECADE = 4
SLOWEST = (12.0, 6.0)  # rate per length of a run that is always admitted, and where the data ask for it
EVIDENCE = 2.0  # that they ask: by how much the deviance falls, as for one more parameter (Akaike)
LEFT = 2.0  # rate times lag of a relaxation that is over at the lag but for exp(-2)
NOTICED = 0.02  # fall of the deviance that is none but for rounding
ROUNDS = 12
TOLERANCE = 1e-4
FASTEST = 3.0  # per step
FARTHEST = 1e3  # ends are sought within this factor of the estimate


@dataclass(frozen=True, slots=True)
class SlowInterval:
    """Ends of K_0 per step.

    Attributes
    ----------
    best, lo, hi : float
    slow : bool
        Whether the data ask for a relaxation slower than a twelfth of a run.
    """

    best: float
    lo: float
    hi: float
    slow: bool


def profile_interval(
    paths: Sequence[NDArray[np.float64]], short: float, *, components: float, inflation: float = 1.0
) -> SlowInterval | None:
    """Interval of the slope K_0 of <|ΔP|²> / 6 at long times, if relaxations are seen that are slower than a lag.

    Parameters
    ----------
    paths : sequence of (n_samples, 3) float64
        One per replica, one time grid; cut to the shortest that is at least half of the longest.
    short : float
        The lag, in steps.
    components : float
        Independent components of each.
    inflation : float
        Variance of the power beyond that of normal displacements, as a factor.

    Returns
    -------
    SlowInterval or None
        None if there are none, if the paths have fewer than 24 steps, or if nothing moves.
    """
    longest = max(len(path) for path in paths)
    kept = [path for path in paths if 2 * len(path) >= longest]
    length = min(len(path) for path in kept)
    if length <= LEAST_STEPS or not any(path.any() for path in kept):
        return None
    found = periodograms([path[:length] for path in kept], 1.0)
    power = found.power.mean(axis=0)
    weight = found.ordinates * len(kept) * components / inflation
    over = _Profile.of(found, power, weight, min(LEFT / short, FASTEST)).minimum()[1]
    profiles = [_Profile.of(found, power, weight, slowest / (length - 1)) for slowest in SLOWEST]
    (usual, at_usual), (slower, at_slower) = ((profile, profile.minimum()) for profile in profiles)
    if over - min(at_usual[1], at_slower[1]) < NOTICED:
        return None
    slow = bool(at_usual[1] - at_slower[1] > EVIDENCE)
    profile, (best, least) = (slower, at_slower) if slow else (usual, at_usual)
    return SlowInterval(best, *profile.ends(best, least + float(stats.chi2.ppf(LEVEL, 1))), slow)


@dataclass(frozen=True, eq=False, slots=True)
class _Profile:
    """Deviance of the best relaxations for a given K_0."""

    diffusing: NDArray[np.float64]
    relaxing: NDArray[np.float64]
    power: NDArray[np.float64]
    weight: NDArray[np.float64]

    @classmethod
    def of(
        cls, found: Periodograms, power: NDArray[np.float64], weight: NDArray[np.float64], slowest: float
    ) -> _Profile:
        n = int(np.ceil(RATES_PER_DECADE * np.log10(FASTEST / slowest))) + 1
        design = found.expected(np.geomspace(slowest, FASTEST, n))
        relaxing = design[:, 1:] / np.maximum(design[:, 1:].mean(axis=0), 1e-300)
        return cls(design[:, 0], relaxing, power, weight)

    def deviance(self, K_0: float) -> float:
        """Twice the negative logarithm of the likelihood; each round weights by the power that the last expects."""
        offset, root = K_0 * self.diffusing, np.sqrt(self.weight)
        floor = 1e-9 * float(self.power.max())
        expected = np.maximum(self.power, offset + 0.03 * float(self.power.mean()))
        least = np.inf
        for _ in range(ROUNDS):
            error = expected / root
            x, _ = optimize.nnls(self.relaxing / error[:, None], (self.power - offset) / error, maxiter=2000)
            fitted = np.maximum(self.relaxing @ x + offset, floor)
            least = min(least, float(self.weight @ (np.log(fitted) + self.power / fitted)))
            if float(np.abs(fitted / expected - 1).max()) < TOLERANCE:
                break
            expected = fitted
        return least

    def minimum(self) -> tuple[float, float]:
        """Best K_0 and its deviance."""
        few = float(np.average(self.power[:4], weights=self.weight[:4])) / float(self.diffusing[0])
        grid = few * np.geomspace(0.05, 4.0, 10)
        values = [self.deviance(K_0) for K_0 in (0.0, *grid)]
        at = int(np.argmin(values))
        grid = np.array([0.0, *grid])
        found = optimize.minimize_scalar(
            self.deviance,
            bounds=(grid[max(at - 1, 0)], grid[min(at + 1, len(grid) - 1)]),
            method="bounded",
            options={"xatol": 1e-3 * few},
        )
        return (float(found.x), float(found.fun)) if found.fun < values[at] else (float(grid[at]), values[at])

    def ends(self, best: float, level: float) -> tuple[float, float]:
        """Where the deviance passes `level` on either side of the best K_0."""

        def above(K_0: float) -> float:
            return self.deviance(K_0) - level

        lo = 0.0
        if best > 0 and above(0.0) > 0:
            lo = float(optimize.brentq(above, 0.0, best, xtol=2e-3 * best))
        unit = best if best > 0 else float(self.power.mean()) / float(self.diffusing[0])
        outside, inside = 1.2 * unit, best
        while above(outside) < 0 and outside < FARTHEST * unit:
            outside, inside = 2 * outside, outside
        return lo, float(optimize.brentq(above, inside, outside, xtol=2e-3 * unit)) if above(outside) > 0 else outside
