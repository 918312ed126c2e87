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
    """The interval holds the truth in 95 % of all cases: parameters scatter by 0.7, each result has an error of 0.3."""
    rng = np.random.default_rng(4)

    def seen(truth):
        value = math.exp(truth + rng.normal(0, 0.3))
        return Interval(value, value * math.exp(-1.96 * 0.3), value * math.exp(1.96 * 0.3))

    held = 0
    for _ in range(600):
        truth, *others = rng.normal(0, 0.7, 7)
        found = over_draws(seen(0.0), [seen(other) for other in others], SIGMA)
        held += found.lo <= math.exp(truth) <= found.hi
    assert 0.92 < held / 600 < 0.985


def test_draws_never_make_a_prediction_surer():
    """Draws that agree by chance leave the interval of the run; without draws it is that one."""
    best = Interval(1.0, 0.5, 2.0)
    assert over_draws(best, [], SIGMA) is best
    same = over_draws(best, [Interval(v, v / 2, v * 2) for v in (1.0, 1.01, 0.99)], SIGMA)
    assert (same.lo, same.hi) == (pytest.approx(0.5), pytest.approx(2.0))
    at_zero = over_draws(Interval(1.0, 0.0, 2.0), [Interval(v, v / 1.1, v * 1.1) for v in (0.3, 1, 3)], SIGMA)
    assert at_zero.lo == 0
    assert at_zero.hi > 2
    share = over_draws(Interval(0.5, 0.3, 0.7), [Interval(v, v, v) for v in (0.1, 0.5, 0.9)], Asked("t_Li"))
    assert (share.lo, share.hi) == (0, 1)


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
                {"varied": a, "to": b, "quantity": c, "loading": x}
                | {"change": by, "change lo": by / 1.5, "change hi": by * 1.5}
                for a, b, c, by in rows
                for x in (0.0, 0.5)
            ]
        )
    ]


def test_a_disagreement_is_explained_by_the_variations_that_reach_the_measured_value(variations):
    found = Interval(1e-4, 5e-5, 2e-4)
    assert reason(SIGMA, 2.5e-3, found, 0.1, variations) == "within the interval of a variation alone: eps_r 20"
    said = reason(SIGMA, 1e-3, found, 0.1, variations)
    assert said == "between this model and a variation: eps_r 20 goes beyond, to 0.003"
    assert reason(SIGMA, 1e-2, found, 0.1, variations) == "no variation alone reaches it"
    assert reason(SIGMA, 1e-2, found, 0.1, []) == ""


def test_sharpness_counts_what_tells_something_and_asks_for_all_at_once():
    name = "sigma(0.2)/sigma(0.1)"
    next_ = "sigma(0.3)/sigma(0.2)"
    table = pd.DataFrame(
        {
            "eps_r": [5, 20, 40],
            "x*": [0.1, 1.0, 0.2],
            name: [3.0, 2.0, 4.0],
            f"{name} lo": [2.0, 1.5, 0.1],
            f"{name} hi": [5.0, 2.5, 90.0],
            next_: [0.9, 0.3, 0.3],
            f"{next_} lo": [0.8, 0.2, 0.01],
            f"{next_} hi": [1.0, 0.5, 5.0],
        }
    )
    rise, fall, both = sharpness_lines(table, {0.1: 1e-3, 0.2: 4e-3, 0.3: 1e-3})
    assert rise.startswith(
        f"{name}: 4 measured; so in 1 of 3 scans, excluded in 1; nearest 4 (0.1 to 90) with eps_r 40"
    )
    assert fall.startswith(f"{next_}: 0.25 measured; so in 1 of 3 scans, excluded in 1")
    assert both == "all of them at once: like the measured values in 0 scans, not excluded in 1 of 3"
