"""K of <|ΔP|²> = 6 (K t + C): unbiased, covered by its interval, and honest where the data do not suffice."""

import numpy as np
import pytest
from synthetic import walk

from analysis.conductivity import anisotropic_components, collective_slope, common_grid

MODELS = {
    "plain diffusion": {"diffusivity": (1.0, 1.0, 1.0)},
    "to-and-fro motion": {"diffusivity": (1.0, 1.0, 1.0), "jitter": 20.0},
    "anisotropic": {"diffusivity": (3.0, 0.03, 0.03)},
    "anisotropic with to-and-fro motion": {"diffusivity": (2.0, 1.0, 0.0), "jitter": 8.0},
}


def intervals(n_runs, model, n_replicas=4, n_steps=500):
    for run in range(n_runs):
        rng = np.random.default_rng([21, run])
        paths = [walk(rng, n_steps, **MODELS[model]) for _ in range(n_replicas)]
        yield collective_slope(paths, 1.0)


def share_covered(found, truth):
    return np.mean([r.slope.lo <= truth <= r.slope.hi for r in found])


@pytest.mark.parametrize("model", MODELS)
def test_interval_covers(model):
    """60 runs at 95 %: a share below 0.83 has a chance below 1e-4."""
    assert share_covered(intervals(60, model), np.mean(MODELS[model]["diffusivity"])) > 0.83


@pytest.mark.sample
@pytest.mark.validation
@pytest.mark.parametrize("model", MODELS)
def test_coverage_on_many_runs(model):
    """1000 runs: between 92 and 98 %, and an unbiased mean."""
    truth = np.mean(MODELS[model]["diffusivity"])
    found = list(intervals(1000, model))
    assert 0.92 <= share_covered(found, truth) <= 0.985
    assert np.mean([r.slope.value for r in found]) == pytest.approx(truth, rel=0.06)


@pytest.mark.validation
def test_relaxation_of_finite_time_is_waited_for():
    """To-and-fro motion of C = 10 K that forgets itself in 3 steps (Ornstein-Uhlenbeck), 2000 steps per replica."""
    found = []
    for run in range(300):
        rng = np.random.default_rng([22, run])
        paths = []
        for _ in range(4):
            kicks = rng.normal(size=(2001, 3)) * np.sqrt(10 * (1 - np.exp(-2 / 3)))
            shift = np.zeros((2001, 3))
            shift[0] = rng.normal(size=3) * np.sqrt(10)
            for t in range(1, 2001):
                shift[t] = np.exp(-1 / 3) * shift[t - 1] + kicks[t]
            paths.append(walk(rng, 2000, (1, 1, 1)) + shift - shift[0])
        found.append(collective_slope(paths, 1.0))
    assert 0.92 <= share_covered(found, 1.0) <= 0.99


def test_a_short_block_would_be_wrong_by_the_to_and_fro_motion():
    """At one step <|ΔP|²>/6t is K + C = 21 K; the slope between lags is K."""
    found = list(intervals(20, "to-and-fro motion"))
    assert np.mean([r.slope.value for r in found]) == pytest.approx(1, abs=0.3)


def test_motion_that_goes_nowhere_is_not_converged():
    rng = np.random.default_rng(3)
    found = collective_slope([walk(rng, 300, (0, 0, 0), jitter=50.0) for _ in range(3)], 1.0)
    assert not found.converged
    assert found.statement
    assert found.slope.lo < 0.2 * found.slope.hi


def test_nothing_moved_is_zero_without_an_interval():
    found = collective_slope([np.zeros((100, 3))] * 2, 1.0)
    assert found.slope.value == 0
    assert np.isnan(found.slope.hi)
    assert found.statement == "no charge moved"


def test_replicas_that_disagree_widen_the_interval():
    """Conductivities that differ from replica to replica by a factor of 9 are no one conductivity."""
    rng = np.random.default_rng(4)
    paths = [walk(rng, 500, (D, D, D)) for D in (0.2, 1.8, 0.2, 1.8)]
    found = collective_slope(paths, 1.0)
    assert "replicas disagree" in found.statement
    assert found.slope.hi / found.slope.lo > 3


def test_few_large_hops_leave_fewer_degrees_of_freedom():
    """300 hops in all blocks: the number of hops alone scatters by 6 %, whatever the number of blocks."""
    rng = np.random.default_rng(5)
    hops = (rng.random((4, 5000)) < 0.015)[..., None] * rng.choice([-1.0, 1.0], size=(4, 5000, 3))
    found = collective_slope([np.concatenate([np.zeros((1, 3)), np.cumsum(h, axis=0)]) for h in hops], 1.0)
    assert found.slope.hi / found.slope.lo > np.exp(2 * 1.96 * 0.055)


def test_effective_components():
    """(tr Σ)² / tr Σ² is 3 when isotropic, 1 on a line, whatever the direction of the line."""
    rng = np.random.default_rng(6)
    isotropic = rng.normal(size=(2000, 3))
    line = rng.normal(size=(2000, 1)) * np.array([1.0, 2.0, -0.5])
    assert anisotropic_components(isotropic) == pytest.approx(3, abs=0.05)
    assert anisotropic_components(line) == pytest.approx(1, abs=0.05)


def test_replicas_of_different_length_share_one_grid():
    fine, coarse = np.arange(0, 101) * 0.5, np.arange(0, 31) * 1.0
    step, paths = common_grid([fine, coarse], [fine[:, None], coarse[:, None]])
    assert step == 1.0
    assert np.allclose(paths[0][:, 0], np.arange(51))
    assert np.allclose(paths[1][:, 0], coarse)
