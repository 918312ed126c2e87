"""D* of ions whose walks are known."""

import numpy as np
import pytest
from synthetic import LAGS, tracer_msd, walk

from analysis.diffusion import tracer_diffusivity


def estimates(n_runs, *, jitter, n_replicas=4, n_ions=6, n_steps=600):
    for run in range(n_runs):
        rng = np.random.default_rng([31, run])
        msd = []
        for _ in range(n_replicas):
            paths = np.array([walk(rng, n_steps, (1.5, 1.0, 0.5), jitter=jitter) for _ in range(n_ions)])
            msd.append(tracer_msd(paths))
        yield tracer_diffusivity([LAGS * 1.0] * n_replicas, msd, [float(n_steps)] * n_replicas)


@pytest.mark.parametrize("jitter", [0.0, 10.0])
def test_interval_covers(jitter):
    """40 runs at 95 %: a share below 0.79 has a chance below 1e-4. To-and-fro motion adds 10 Å² and no diffusion."""
    assert np.mean([d.value.lo <= 1 <= d.value.hi for d in estimates(40, jitter=jitter)]) > 0.79


@pytest.mark.validation
@pytest.mark.parametrize("jitter", [0.0, pytest.param(10.0, marks=pytest.mark.sample)])
def test_coverage_on_many_runs(jitter):
    found = list(estimates(600, jitter=jitter))
    assert 0.92 <= np.mean([d.value.lo <= 1 <= d.value.hi for d in found]) <= 0.98
    assert np.mean([d.value.value for d in found]) == pytest.approx(1, abs=0.02)


def test_ions_that_move_together_raise_no_false_alarm():
    """20 ions on one common walk are one path: with errors for 20 the slope would fall by chance in most runs."""
    flagged = 0
    for run in range(40):
        rng = np.random.default_rng([32, run])
        msd = [tracer_msd(walk(rng, 600, (1, 1, 1))[None].repeat(20, axis=0)) for _ in range(4)]
        flagged += not tracer_diffusivity([LAGS * 1.0] * 4, msd, [600.0] * 4).converged
    assert flagged <= 4


def test_a_slope_that_falls_to_the_end_is_flagged():
    """To-and-fro motion of 60 Å² that forgets itself in 60 of 600 steps, in 8 replicas of 40 ions."""
    rng = np.random.default_rng(33)
    decay = np.exp(-1 / 60)
    msd = []
    for _ in range(8):
        shift = np.zeros((40, 601, 3))
        shift[:, 0] = rng.normal(size=(40, 3)) * np.sqrt(60)
        kicks = rng.normal(size=shift.shape) * np.sqrt(60 * (1 - decay**2))
        for t in range(1, 601):
            shift[:, t] = decay * shift[:, t - 1] + kicks[:, t]
        msd.append(tracer_msd(np.array([walk(rng, 600, (0.1, 0.1, 0.1)) for _ in range(40)]) + shift))
    assert not tracer_diffusivity([LAGS * 1.0] * 8, msd, [600.0] * 8).converged


def test_ions_that_stay_have_zero_without_an_interval():
    found = tracer_diffusivity([LAGS * 1.0] * 2, [np.zeros((len(LAGS), 3))] * 2, [600.0] * 2)
    assert found.value.value == 0
    assert np.isnan(found.value.hi)
