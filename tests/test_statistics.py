"""Intervals cover the truth as often as they say; bands are ± 4 standard errors of a binomial share."""

import numpy as np
import pytest

from analysis.statistics import (
    Interval,
    chi2_interval,
    ratio_interval,
    resampled_means,
    t_interval,
)


def coverage(n_runs, interval_of, truth):
    inside = 0
    for run in range(n_runs):
        found = interval_of(np.random.default_rng([11, run]))
        inside += found.lo <= truth <= found.hi
    return inside / n_runs


def band(n_runs, share=0.95):
    return 4 * np.sqrt(share * (1 - share) / n_runs)


def test_t_interval_of_three_replicas_covers():
    share = coverage(1000, lambda rng: t_interval(5 + rng.normal(size=3)), 5)
    assert abs(share - 0.95) < band(1000)


def test_t_interval_of_one_replica_has_no_ends_and_of_none_is_refused():
    assert np.isnan(t_interval([2.0]).lo)
    with pytest.raises(ValueError, match="at least one replica"):
        t_interval([])


def test_chi2_interval_of_mean_squares_covers():
    """The mean of 30 squares of normal variables is χ² with 30 degrees of freedom."""
    share = coverage(1000, lambda rng: chi2_interval(float((rng.normal(size=30) ** 2).mean()), 30), 1)
    assert abs(share - 0.95) < band(1000)
    with pytest.raises(ValueError, match="dof"):
        chi2_interval(1.0, 0.0)


def test_ratio_keeps_the_correlation_of_its_parts():
    """Numerator and denominator proportional: the ratio is exact however large their common noise is."""
    common = np.exp(np.random.default_rng(1).normal(size=5))
    found = ratio_interval(3 * common, common)
    assert found.value == pytest.approx(3)
    assert found.hi - found.lo < 1e-12
    share = coverage(
        1000, lambda rng: ratio_interval(2 * (1 + 0.1 * rng.normal(size=4)), 1 + 0.2 * rng.normal(size=4)), 2
    )
    assert abs(share - 0.95) < band(1000) + 0.01


def test_ratio_without_a_positive_denominator_is_nan():
    assert np.isnan(ratio_interval([1.0, 1.0], [0.0, 0.0]).value)


def test_bootstrap_of_means_has_the_spread_of_the_mean():
    """The mean of R = 4 replicas of 10 % spread scatters by 5 %, at every setting."""
    rng = np.random.default_rng(2)
    values = np.array([[1.0], [50.0]] * 50) * (1 + 0.1 * rng.normal(size=(100, 4)))
    relative = resampled_means(values, np.ones(100), 400, rng).std(axis=0) / values.mean(axis=1)
    assert relative.mean() == pytest.approx(0.05, rel=0.1)
    with pytest.raises(ValueError, match="at least 2"):
        resampled_means(values[:, :1], np.ones(100), 10, rng)


def test_log_error_is_nan_without_an_interval_above_zero():
    assert np.isnan(Interval(1.0, 0.0, 2.0).log_error)
    assert Interval(1.0, np.exp(-0.196), np.exp(0.196)).log_error == pytest.approx(0.1, rel=1e-3)
