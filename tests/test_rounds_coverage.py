"""Coverage of the interval of sigma of a run that adds replicas until sigma is known well enough."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from gaussian_paths import gaussian_path

from analysis.conductivity import collective_slope
from analysis.statistics import Interval
from runs.rounds import judge

SIGMA, TARGET, MOST, FIRST = 1.0, 0.12, 96, 4


def extended(rng: np.random.Generator, amplitude: tuple[float, ...], rate: tuple[float, ...]) -> tuple[Interval, int]:
    """Add replicas of known slope round by round as `judge` asks for; the last slope and the number of rounds."""
    paths, wanted, rounds = [], FIRST, 0
    while wanted > len(paths):
        paths += [
            gaussian_path(rng, 400, 1.0, diffusion=SIGMA, amplitude=amplitude, rate=rate)
            for _ in range(wanted - len(paths))
        ]
        found, rounds = collective_slope(paths, 1.0), rounds + 1
        row = {"replicas": len(paths), "blocked replicas": 0, "converged": found.converged}
        wanted = judge(SimpleNamespace(row=row, sigma=found.slope), TARGET, MOST).wanted
    return found.slope, rounds


@pytest.mark.validation
@pytest.mark.parametrize(("amplitude", "rate"), [((), ()), ((20.0,), (0.1,))])
def test_stopping_when_sigma_is_known_keeps_its_interval(amplitude, rate):
    """200 runs of plain diffusion, and 200 with a to-and-fro of ten samples on top: at least 90 % of 95 % cover sigma.

    Stopping on a small error favours small estimates of the error. The chance that 200 runs of true coverage 95 % give
    fewer than 180 is 0.3 %. The mean of the estimates is off by no more than a quarter of the target.
    """
    rng = np.random.default_rng(11)
    runs = [extended(rng, amplitude, rate) for _ in range(200)]
    covered = sum(slope.lo <= SIGMA <= slope.hi for slope, _ in runs)
    bias = float(np.mean([slope.value for slope, _ in runs])) / SIGMA - 1
    assert np.mean([rounds > 1 for _, rounds in runs]) > 0.5
    assert covered >= 180
    assert abs(bias) < TARGET / 4
