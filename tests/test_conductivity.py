"""K of <|ΔP|²> = 6 (K t + C): unbiased, covered by its interval, and honest where the data do not suffice."""

import numpy as np
import pytest
from scipy.signal import lfilter
from synthetic import walk

from analysis.conductivity import anisotropic_components, collective_slope
from analysis.displacements import common_grid
from analysis.lags import Growth

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


@pytest.mark.validation
@pytest.mark.parametrize("model", MODELS)
def test_coverage_on_many_runs(model):
    """1000 runs, standard error 0.7 %: 92 to 98 % and an unbiased mean; half a percent more is let pass above.

    Intervals hold what slow relaxations may hide, also where there are none, so that they are wide by design.
    """
    truth = np.mean(MODELS[model]["diffusivity"])
    found = list(intervals(1000, model))
    share = share_covered(found, truth)
    assert 0.92 <= share <= 0.985, f"share covered {share:.4f}, asked for 0.92 to 0.98"
    assert np.mean([r.slope.value for r in found]) == pytest.approx(truth, rel=0.06)


def relaxing(rng, n_steps, modes):
    """Plain diffusion, K = 1, and Ornstein-Uhlenbeck motion of amplitude C and relaxation time for each of `modes`."""
    path = walk(rng, n_steps, (1, 1, 1))
    for amplitude, time in modes:
        decay = np.exp(-1 / time)
        kicks = rng.normal(size=(n_steps + 1, 3)) * np.sqrt(amplitude * (1 - decay**2))
        kicks[0] /= np.sqrt(1 - decay**2)
        path = path + lfilter([1], [1, -decay], kicks, axis=0)
    return path - path[0]


ONE_TIME = ((10.0, 3.0),)
MANY_TIMES = ((1.0, 0.5), (0.3, 2.0), (0.8, 8.0), (2.5, 32.0))


def relaxing_slopes(n_runs, modes, n_steps):
    for run in range(n_runs):
        rng = np.random.default_rng([22, run])
        yield collective_slope([relaxing(rng, n_steps, modes) for _ in range(4)], 1.0)


@pytest.mark.validation
@pytest.mark.parametrize(("modes", "n_steps", "least"), [(ONE_TIME, 2000, 0.92), (MANY_TIMES, 1000, 0.87)])
def test_relaxation_of_finite_time_is_waited_for(modes, n_steps, least):
    """The slow tail of four times between half a step and 32 leaves a bias of less than half of a standard error."""
    found = list(relaxing_slopes(300, modes, n_steps))
    assert least <= share_covered(found, 1.0) <= 0.99
    value = np.array([r.slope.value for r in found])
    assert abs(value.mean() - 1) < 0.5 * value.std()


# amplitude and time in units of the run; the slope of its beginning is too large by amplitude / time
SLOW = {"a 25th, weak": (0.3, 25), "a 25th": (5.0, 25), "a 12th, weak": (0.3, 12), "a 12th": (5.0, 12)}


def slow_slopes(n_runs, strength, per_run, n_steps=400):
    for run in range(n_runs):
        rng = np.random.default_rng([26, run])
        time = n_steps / per_run
        yield collective_slope([relaxing(rng, n_steps, [(strength * time, time)]) for _ in range(6)], 1.0)


@pytest.mark.parametrize("case", SLOW)
def test_relaxation_of_a_good_part_of_a_run_is_in_the_interval(case):
    """30 runs at 95 %: a share below 0.76 has a chance below 1e-4. Without the profile the last case covers 5 %."""
    assert share_covered(slow_slopes(30, *SLOW[case]), 1.0) > 0.76


@pytest.mark.validation
@pytest.mark.parametrize("case", SLOW)
def test_coverage_with_slow_relaxations(case):
    found = list(slow_slopes(300, *SLOW[case]))
    assert share_covered(found, 1.0) >= 0.88
    if SLOW[case] == (5.0, 12):
        assert np.mean([r.converged for r in found]) < 0.2


@pytest.mark.parametrize("modes", [ONE_TIME, MANY_TIMES])
def test_longer_runs_give_more_degrees_of_freedom(modes):
    """Six times the data: the median over 8 runs, and no long run much poorer than the median of the short ones."""
    short, long = ([2 / r.chi2.log_error**2 for r in relaxing_slopes(8, modes, n)] for n in (500, 3000))
    assert np.median(long) > 1.7 * np.median(short)
    assert min(long) > 0.8 * np.median(short)


def test_late_lags_are_not_chosen_by_chance():
    """8 replicas of 1000 steps of plain diffusion: never a lag so long that fewer than 150 blocks remain."""
    for run in range(30):
        rng = np.random.default_rng([23, run])
        assert collective_slope([walk(rng, 1000, (1, 1, 1)) for _ in range(8)], 1.0).blocks > 150


@pytest.mark.parametrize("jitter", [0.0, 5.0])
def test_variance_of_a_slope_over_all_time_origins(jitter):
    """Growth.slope_variance against the scatter of 3000 walks of one component, standard error 2.6 %."""
    rng = np.random.default_rng(24)
    n, short, long, runs = 200, 4, 12, 1000
    lag = np.arange(1.0, 5.0)
    growth = Growth(lag, 6 * (lag + jitter), 4.0, 1.0)
    found = []
    for _ in range(runs):
        path = walk(rng, n, (1, 1, 1), jitter=jitter)
        rise = ((path[long:] - path[:-long]) ** 2).mean(axis=0) - ((path[short:] - path[:-short]) ** 2).mean(axis=0)
        found.append(rise / (2 * (long - short)))
    assert np.var(found) == pytest.approx(growth.slope_variance(short, long, n), rel=0.11)


def test_one_replica_that_never_moves_counts_and_widens_the_interval():
    """K is the mean over replicas, the still one included."""
    rng = np.random.default_rng(25)
    moving = [walk(rng, 500, (1, 1, 1)) for _ in range(3)]
    without, found = collective_slope(moving, 1.0), collective_slope([*moving, np.zeros((501, 3))], 1.0)
    assert found.slope.value == pytest.approx(0.75, rel=0.3)
    assert found.slope.hi / found.slope.lo > 2 * without.slope.hi / without.slope.lo
    assert "replicas disagree" in found.statement
    assert not found.converged


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
