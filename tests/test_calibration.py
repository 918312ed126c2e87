"""A fit against models with a known answer: the true values lie in the intervals, and what is unknown is said.

The invented conductivities are ln sigma = ln f - E/(eps) + ..., with a factor f that sigma is proportional to.
"""

import math

import numpy as np
import pytest

from analysis.calibration import (
    Range,
    Relation,
    Target,
    first_points,
    fit_parameters,
    likelihood_of,
    next_points,
    probabilities,
)

SCREENING, FRICTION = Range("eps", 4, 40, log=True), Range("f", 1e-3, 1.0, log=True)
RANGES = (SCREENING, FRICTION)
SCALED = Relation(own=(0,), scale=1)


def log_sigma(values, which=0):
    """Two conductivities that fall with 1/eps, the second one more steeply, both proportional to f."""
    eps, f = values[:, 0], values[:, 1]
    return np.log(f) - 6.0 - (20.0, 45.0)[which] / eps


def target(sigma, error=0.1, name="A"):
    return Target(name, 0.0, 298.15, sigma, error)


def values_of(points, ranges=RANGES):
    return np.column_stack([given.values(points[:, k]) for k, given in enumerate(ranges)])


def fitted(truth, rng, *, n_targets=2, n=16, noise=0.15, error=0.1, relation=SCALED, model=log_sigma, ranges=RANGES):
    """Measure once, simulate with noise in two rounds, fit."""
    exact = [model(np.array([truth]), which=j)[0] for j in range(n_targets)]
    targets = [target(math.exp(y + error * rng.normal()), error) for y in exact]
    relations = [relation] * n_targets
    points = first_points(len(ranges), n // 2, rng)
    logs = np.zeros((0, n_targets))
    while True:
        new = values_of(points[len(logs) :], ranges)
        clean = np.column_stack([model(new, which=j) for j in range(n_targets)])
        logs = np.vstack([logs, clean + noise * rng.normal(size=clean.shape)])
        made = likelihood_of(ranges, targets, relations, points, logs, np.full(logs.shape, noise))
        if len(points) >= n:
            return fit_parameters(made, rng)
        points = np.vstack([points, next_points(made, n // 4, rng)])


@pytest.mark.validation
@pytest.mark.sample
def test_the_true_values_lie_in_the_intervals():
    truth = (12.0, 0.05)
    fit = fitted(truth, np.random.default_rng(5))
    for value, profile in zip(truth, fit.profiles, strict=True):
        assert profile.lo < value < profile.hi
        assert profile.identified == "yes"
        low, median, high = fit.quantiles(fit.profiles.index(profile), (0.005, 0.5, 0.995))
        assert low < value < high
        assert profile.lo < median < profile.hi
    assert fit.reproduces
    assert (fit.dof, math.isnan(fit.p_value)) == (0, True)
    assert fit.chi2 < 0.5


@pytest.mark.validation
def test_one_measurement_of_two_parameters_gives_a_ridge_and_no_values():
    """All sets on ln f = c + 20/eps fit: each parameter alone is only bounded, and both go against each other."""
    fit = fitted((12.0, 0.05), np.random.default_rng(4), n_targets=1, noise=0.03)
    assert fit.profiles[0].identified == "only bounded from below"  # at small eps no f within its range is enough
    assert fit.profiles[1].identified == "only bounded from below"  # at the largest eps it may be smallest
    assert fit.correlation()[0, 1] < -0.8


@pytest.mark.validation
def test_a_parameter_without_influence_is_not_identified():
    ranges = (*RANGES, Range("g", 0.0, 1.0))
    points = first_points(3, 12, np.random.default_rng(1))
    logs = np.column_stack([log_sigma(values_of(points, ranges), j) for j in range(2)])
    relation = Relation(own=(0, 2), scale=1)
    targets = [target(math.exp(v)) for v in (log_sigma(np.array([[12.0, 0.05]]), j)[0] for j in range(2))]
    made = likelihood_of(ranges, targets, [relation] * 2, points, logs, np.full(logs.shape, 0.02))
    fit = fit_parameters(made, np.random.default_rng(2))
    assert fit.profiles[2].identified == "no"
    assert (fit.profiles[2].lo, fit.profiles[2].hi) == (0.0, 1.0)


def test_targets_out_of_reach_are_said_to_be():
    """The second conductivity is never larger than the first, and is measured ten times as large."""
    points = first_points(2, 12, np.random.default_rng(1))
    logs = np.column_stack([log_sigma(values_of(points), j) for j in range(2)])
    targets = [target(1e-5), target(1e-4)]
    made = likelihood_of(RANGES, targets, [SCALED] * 2, points, logs, np.full(logs.shape, 0.05))
    fit = fit_parameters(made, np.random.default_rng(2))
    assert not fit.reproduces
    assert fit.chi2 > 50


@pytest.mark.validation
def test_more_targets_than_parameters_test_the_model():
    """A third measurement that contradicts the first two is seen in p; one that agrees is not."""
    points = first_points(2, 12, np.random.default_rng(1))
    logs = np.column_stack([log_sigma(values_of(points), j) for j in (0, 1, 0)])
    exact = [math.exp(log_sigma(np.array([[12.0, 0.05]]), j)[0]) for j in (0, 1, 0)]
    for factor, reproduced in ((1.05, True), (3.0, False)):
        targets = [target(exact[0]), target(exact[1]), target(factor * exact[2])]
        made = likelihood_of(RANGES, targets, [SCALED] * 3, points, logs, np.full(logs.shape, 0.02))
        fit = fit_parameters(made, np.random.default_rng(2))
        assert fit.dof == 1
        assert (fit.p_value > 0.05) == reproduced
        assert fit.reproduces == reproduced


def test_ratios_and_scales_are_exact():
    """sigma = a (1 + 3 b/a): the surface depends on b/a alone, and a factor on both is a factor on sigma."""
    ranges = (Range("a", 0.01, 1, log=True), Range("b", 0.01, 1, log=True))
    relation = Relation(own=(), scale=0, ratios=(1,))
    points = first_points(2, 14, np.random.default_rng(5))
    values = values_of(points, ranges)
    logs = np.log(values[:, :1] + 3 * values[:, 1:])
    made = likelihood_of(ranges, [target(1.0)], [relation], points, logs, np.full(logs.shape, 0.01))
    there = np.array([[0.2, 0.1], [0.04, 0.02]])
    u = np.column_stack([given.coordinates(there[:, k]) for k, given in enumerate(ranges)])
    mean, _ = made.computed(u)
    assert mean[:, 0] == pytest.approx(np.log(there[:, 0] + 3 * there[:, 1]), abs=0.05)
    assert mean[0, 0] - mean[1, 0] == pytest.approx(math.log(5.0), abs=1e-9)
    assert relation.simulated == 1


def test_a_scale_alone_takes_one_simulation():
    """sigma = f · 2e-3 is known from a single point: f = measured / 2e-3."""
    ranges = (Range("f", 1e-3, 1.0, log=True),)
    made = likelihood_of(
        ranges, [target(1e-4)], [Relation((), scale=0)], np.array([[1.0]]), np.log([[2e-3]]), np.array([[0.01]])
    )
    (profile,) = fit_parameters(made, np.random.default_rng(1)).profiles
    assert profile.best == pytest.approx(0.05, rel=0.01)
    assert math.log(profile.hi / profile.lo) == pytest.approx(2 * 1.96 * 0.1, rel=0.15)


def test_the_choice_that_fits_has_the_evidence():
    """Two models, one of which gives the measurement where the prior is; odds are those of the mean likelihoods."""
    ranges = (Range("k", 0.0, 1.0),)
    points = np.linspace(0, 1, 7)[:, None]
    fits = []
    for shift in (0.0, 4.0):
        logs = -5 + shift + 1.0 * points
        made = likelihood_of(ranges, [target(math.exp(-4.5))], [Relation((0,))], points, logs, np.full((7, 1), 0.01))
        fits.append(fit_parameters(made, np.random.default_rng(1)))
    assert probabilities(fits)[0] > 0.999
    assert math.exp(fits[0].sample.log_evidence) == pytest.approx(1.0, rel=0.05)  # ∫ N(y; k - 5, 0.1) dk, all inside


def test_points_fill_the_cube_and_go_where_the_posterior_is():
    rng = np.random.default_rng(1)
    first = first_points(2, 16, rng)
    assert sorted(np.floor(16 * first[:, 0])) == list(range(16))
    logs = np.column_stack([log_sigma(values_of(first), j) for j in range(2)])
    truth = np.array([[12.0, 0.05]])
    targets = [target(math.exp(log_sigma(truth, j)[0])) for j in range(2)]
    made = likelihood_of(RANGES, targets, [SCALED] * 2, first, logs, np.full(logs.shape, 0.1))
    more = next_points(made, 6, rng)
    assert np.median(made.chi2(more)) < 15 < np.median(made.chi2(rng.random((200, 2))))
    assert len(np.unique(more, axis=0)) == 6


@pytest.mark.validation
@pytest.mark.parametrize(
    ("n_targets", "n", "noise"), [(2, 12, 0.15), (2, 24, 0.3), (3, 16, 0.1)], ids=["short", "noisy", "three"]
)
def test_intervals_of_calibrations_cover_the_truth(n_targets, n, noise):
    """120 invented campaigns with true values drawn from the prior: 95 % intervals hold them in at least 90 %."""

    def model(values, which=0):
        return log_sigma(values, which % 2) + (0.3 * np.sin(4 / values[:, 0]) if which else 0.0)

    hits, middle = [], []
    for seed in range(120):
        rng = np.random.default_rng([seed, n])
        truth = [float(given.values(rng.random())) for given in RANGES]
        fit = fitted(truth, rng, n_targets=n_targets, n=n, noise=noise, model=model)
        hits.append([p.lo <= v <= p.hi for p, v in zip(fit.profiles, truth, strict=True)])
        ends = [fit.quantiles(k, (0.025, 0.975)) for k in range(2)]
        middle.append([lo <= v <= hi for (lo, hi), v in zip(ends, truth, strict=True)])
    for found in (np.mean(hits, axis=0), np.mean(middle, axis=0)):
        assert (found >= 0.90).all(), (np.mean(hits, axis=0), np.mean(middle, axis=0))


def test_two_explanations_are_two_ranges():
    """ln sigma = -6 + 8 (u - 0.4)²: a measured -5.68 is reached at u = 0.2 and at u = 0.6, and not between."""
    ranges = (Range("k", 0.0, 1.0),)
    points = np.linspace(0, 1, 15)[:, None]
    logs = -6 + 8 * (points - 0.4) ** 2
    made = likelihood_of(
        ranges, [target(math.exp(-5.68), 0.05)], [Relation((0,))], points, logs, np.full((15, 1), 0.01)
    )
    fit = fit_parameters(made, np.random.default_rng(1))
    (low, high) = fit.profiles[0].parts
    assert low[0] < 0.2 < low[1] < 0.3 < 0.5 < high[0] < 0.6 < high[1]
    assert fit.shares(0) == pytest.approx([0.5, 0.5], abs=0.1)
    assert (fit.profiles[0].lo, fit.profiles[0].hi) == (low[0], high[1])
