"""Measured beside computed values: factor, difference, z and words."""

import math

import numpy as np
import pytest

from analysis.agreement import ASSUMED_ERRORS, Error, agreement, measured_interval, status_words
from analysis.statistics import Interval, normal_quantile

Q = normal_quantile()


def of_log(value, error):
    return Interval(value, value * math.exp(-Q * error), value * math.exp(Q * error))


def test_factor_and_z_of_logarithms():
    """Standard errors 0.1 and 0.2 of ln add up to sqrt(0.05)."""
    found = agreement(1e-3, of_log(2e-3, 0.2), Error(0.1, relative=True), logarithmic=True, unit="S/cm")
    both = math.hypot(0.1, 0.2)
    assert found.z == pytest.approx(math.log(2) / both)
    assert found.factor.value == pytest.approx(2)
    assert [found.factor.lo, found.factor.hi] == pytest.approx([2 * math.exp(-Q * both), 2 * math.exp(Q * both)])
    assert not found.agrees
    assert found.words == (
        "does not agree: 2 times the measured value, 3.1 standard errors apart "
        "(95 % intervals, assumed error of the measured value 10 %)"
    )
    below = agreement(1e-3, of_log(5e-4, 0.2), Error(0.1, relative=True), logarithmic=True)
    assert below.z == pytest.approx(-math.log(2) / both)
    assert "1/2 of the measured value" in below.words


@pytest.mark.parametrize(("value", "agrees"), [(0.17, True), (0.196, False), (0.05, False)])
def test_intervals_that_overlap_agree(value, agrees):
    """0.14 ± 0.0196 reaches 0.1596; the computed interval is ± 0.02."""
    found = agreement(0.14, Interval(value, value - 0.02, value + 0.02), Error(0.01), unit="eV")
    assert found.agrees is agrees
    assert found.difference.value == pytest.approx(value - 0.14)
    assert found.z == pytest.approx((value - 0.14) / math.hypot(0.01, 0.02 / Q))


def test_the_facing_end_counts():
    """Of an interval that is wide away from the measured value the narrow side decides."""
    found = agreement(0.76, Interval(0.9, 0.89, 1.0), Error(0.0001))
    assert not found.agrees
    assert found.z == pytest.approx(0.14 / (0.01 / Q), rel=1e-3)


def test_no_interval_no_verdict():
    found = agreement(1e-3, Interval(1e-3, np.nan, np.nan), ASSUMED_ERRORS["sigma"], logarithmic=True)
    assert found.agrees is None
    assert "no computed interval" in found.words
    nothing = agreement(1e-3, Interval(0.0, 0.0, 2e-3), ASSUMED_ERRORS["sigma"], logarithmic=True)
    assert nothing.agrees
    assert math.isnan(nothing.factor.value)


def test_measured_interval_covers_as_it_says():
    rng = np.random.default_rng(1)
    drawn = 1e-3 * np.exp(0.1 * rng.standard_normal(4000))
    lo, hi = np.array(
        [(i.lo, i.hi) for i in (measured_interval(v, Error(0.1, relative=True), logarithmic=True) for v in drawn)]
    ).T
    assert np.mean((lo < 1e-3) & (hi > 1e-3)) == pytest.approx(0.95, abs=0.014)


def test_status():
    assert status_words("calibrated", "sigma(25 °C)") == "calibrated to sigma(25 °C)"
    assert status_words("predicted") == "predicted"
