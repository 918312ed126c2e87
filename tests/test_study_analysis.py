"""Results of several runs side by side: pooling, changes, and what they say of a measured value."""

import math

import numpy as np
import pandas as pd
import pytest

from analysis.statistics import Interval
from analysis.study import Asked, change, over_draws, over_realisations, sharpness_lines
from analysis.study_samples import measured_values, reason
from structures.units import CELSIUS_ZERO

SIGMA = Asked("sigma")
ENERGY = Asked("E_a", CELSIUS_ZERO - 40, CELSIUS_ZERO + 10)


def test_quantities_are_named_as_experiments_name_them():
    assert SIGMA.name == "sigma, 25 °C"
    assert ENERGY.name == "E_a, −40 to 10 °C"
    assert [asked.name for asked, _ in measured_values("ni_mof", "Li@Ni-MOF-2")] == [
        "sigma, −40 °C",
        "sigma, 25 °C",
        "sigma, 100 °C",
        "E_a, 10 to 100 °C",
        "E_a, −40 to 10 °C",
        "t_Li, 25 °C",
    ]


def test_realisations_are_the_unit_of_replication():
    """Three realisations of known scatter: Student's interval with two degrees of freedom, 4.303 s/√3."""
    found = over_realisations([Interval(v, v - 0.01, v + 0.01) for v in (1.0, 2.0, 3.0)])
    assert found.value == 2
    assert found.hi - found.value == pytest.approx(4.3027 / math.sqrt(3), rel=1e-4)
    single = Interval(1, 0.9, 1.1)
    assert over_realisations([single]) is single
    assert math.isnan(over_realisations([Interval(math.nan, 0, 1)]).value)


def test_draws_of_parameters_widen_a_prediction_as_they_should():
    """The interval from draws holds the next draw in 95 % of all cases, also with few draws."""
    rng = np.random.default_rng(4)
    held = 0
    for _ in range(400):
        *draws, following = np.exp(rng.normal(0, 0.7, 6))
        best = Interval(1.0, 0.95, 1.05)
        found = over_draws(best, [Interval(v, v, v) for v in draws], SIGMA)
        held += found.lo <= following <= found.hi
    assert 0.92 < held / 400 < 0.98
    assert over_draws(best, [], SIGMA) is best


def test_a_change_is_a_ratio_of_conductivities_and_a_difference_of_energies():
    ratio = change(Interval(4, 4 / 1.1, 4 * 1.1), Interval(2, 2 / 1.2, 2 * 1.2), SIGMA)
    assert ratio.value == 2
    assert math.log(ratio.hi / 2) == pytest.approx(math.hypot(math.log(1.1), math.log(1.2)))
    difference = change(Interval(0.3, 0.27, 0.33), Interval(0.2, 0.16, 0.24), ENERGY)
    assert (difference.value, difference.hi) == (pytest.approx(0.1), pytest.approx(0.15))
    assert math.isnan(change(Interval(0, 0, 1), Interval(2, 1, 3), SIGMA).value)


@pytest.fixture
def variations():
    rows = [
        ("eps_r", "20", "sigma, 25 °C", 30.0),
        ("spacing", "0.15", "sigma, 25 °C", 1.1),
        ("eps_r", "20", "E_a", -0.1),
    ]
    return [
        pd.DataFrame(
            [
                {"varied": a, "to": b, "quantity": c, "loading": x, "change": by}
                for a, b, c, by in rows
                for x in (0.0, 0.5)
            ]
        )
    ]


def test_a_disagreement_is_explained_by_the_variations_that_reach_the_measured_value(variations):
    said = reason(SIGMA, 1e-3, Interval(1e-4, 5e-5, 2e-4), 0.1, variations)
    assert said == "within the assumptions, eps_r 20: 0.003"
    said = reason(SIGMA, 1e-2, Interval(1e-4, 5e-5, 2e-4), 0.1, variations)
    assert said == "no variation alone reaches it, 0.00011 to 0.003"
    assert reason(SIGMA, 1e-2, Interval(1e-4, 5e-5, 2e-4), 0.1, []) == ""


def test_sharpness_names_the_nearest_scan():
    table = pd.DataFrame(
        {
            "eps_r": [5, 20],
            "x*": [0.1, 1.0],
            "sigma(0.2)/sigma(0.1)": [0.9, 2.0],
            "sigma(0.2)/sigma(0.1) lo": [0.8, 1.5],
            "sigma(0.2)/sigma(0.1) hi": [1.0, 2.5],
        }
    )
    (line,) = sharpness_lines(table, {0.1: 4e-3, 0.2: 1e-3})
    assert line.startswith("sigma(0.2)/sigma(0.1): 0.25 measured; within the interval of 0 of 2 scans; nearest 0.9")
    assert line.endswith("with eps_r 5")
