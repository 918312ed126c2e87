"""Results of several runs side by side: pooling, changes, and what they say of a measured value."""

import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from analysis import study, study_plots, study_steps
from analysis.statistics import Interval
from analysis.study import (
    Asked,
    StudiedRun,
    change,
    change_over_realisations,
    over_draws,
    over_realisations,
    pooled,
    sharpness_lines,
    significance_lines,
)
from analysis.study_samples import measured_values, reason, too_wide
from analysis.study_steps import step_table
from structures.units import CELSIUS_ZERO

SIGMA = Asked("sigma")
SIGMA_COLUMNS = ("sigma (S/cm)", "sigma lo (S/cm)", "sigma hi (S/cm)")
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
    found = over_realisations([Interval(v, v - 0.01, v + 0.01) for v in (1.0, 2.0, 3.0)], ENERGY)
    assert found.value == 2
    assert found.hi - found.value == pytest.approx(4.3027 / math.sqrt(3), rel=1e-4)
    share = over_realisations([Interval(v, v, v) for v in (0.7, 0.9, 0.98)], Asked("t_Li"))
    assert (share.lo > 0.4, share.hi) == (True, 1)
    single = Interval(1, 0.9, 1.1)
    assert over_realisations([single], SIGMA) is single
    assert math.isnan(over_realisations([Interval(math.nan, 0, 1)], SIGMA).value)


def test_a_conductivity_over_realisations_is_never_below_zero():
    """Logarithms of 1, 10, 100: mean ln 10, scatter ln 10; with a realisation without a path, down to zero."""
    found = over_realisations([Interval(v, v, v) for v in (1.0, 10.0, 100.0)], SIGMA)
    assert found.value == pytest.approx(10)
    assert math.log(found.hi / 10) == pytest.approx(4.3027 / math.sqrt(3) * math.log(10), rel=1e-4)
    blocked = over_realisations([Interval(v, v, v) for v in (0.0, 1.0, 5.0)], SIGMA)
    assert (blocked.value, blocked.lo) == (2, 0)


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


def test_changes_are_compared_realisation_by_realisation(monkeypatch):
    """A factor of two shows in three realisations that differ a hundredfold; one without a partner stays out."""
    scale = {1: 1.0, 2: 10.0, 3: 100.0, 4: 7.0}
    monkeypatch.setattr(study, "computed", lambda run, asked, loading: Interval(run, run / 1.1, run * 1.1))
    before = [StudiedRun("a", {}, by, realisation=n) for n, by in scale.items()]
    after = [StudiedRun("b", {}, by * 2, realisation=n) for n, by in scale.items() if n < 4]

    def changed(runs, against, asked):
        return change_over_realisations(runs, against, pooled(runs, asked), pooled(against, asked), asked)

    found = changed(after, before, SIGMA)
    assert (found.value, found.lo, found.hi) == (pytest.approx(2), pytest.approx(2), pytest.approx(2))
    blocked = [StudiedRun("b", {}, one.run * (one.realisation != 2), realisation=one.realisation) for one in after]
    unsure = changed(blocked, before, SIGMA)
    assert unsure.value == pytest.approx(np.mean([2, 0, 200]) / math.exp(np.mean(np.log(list(scale.values())))))
    assert not unsure.lo > 0
    lower = [StudiedRun("c", {}, one.run / 2, realisation=one.realisation) for one in before]
    difference = changed(lower, before, Asked("t_Li"))
    assert (difference.value, difference.hi - difference.value) == (
        pytest.approx(-np.mean(list(scale.values())) / 2),
        pytest.approx(3.1824 * np.std(list(scale.values()), ddof=1) / 2 / 2, rel=1e-4),
    )
    single = changed(after[:1], before[:1], SIGMA)
    assert math.log(single.hi / 2) == pytest.approx(math.sqrt(2) * math.log(1.1))


@pytest.fixture
def variations():
    rows = [
        ("eps_r", "20", "sigma, 25 °C", 30.0, 1.5),
        ("spacing", "0.15", "sigma, 25 °C", 1.1, 1.5),
        ("charges", "EQeq", "sigma, 25 °C", 30.0, 10.0),
        ("eps_r", "20", ENERGY.name, -0.1, -0.02),
        ("supercell", "4 x 4 x 4", "sigma, 25 °C", 1.0, math.nan),
    ]
    changes = [(a, b, c, *_ends(c, by, room)) for a, b, c, by, room in rows]
    names = ("varied", "to", "quantity", "change", "change lo", "change hi", "significant")
    return [pd.DataFrame([dict(zip(names, row, strict=True)) | {"loading": x} for row in changes for x in (0.0, 0.5)])]


def _ends(quantity, by, room):
    if quantity == ENERGY.name:
        return by, by + room, by - room, True
    return by, by / room, by * room, bool(by / room > 1)


def test_a_disagreement_is_explained_by_the_variations_that_reach_the_measured_value(variations):
    """Not by one that is not known to change anything, nor by one whose interval holds everything."""
    found = Interval(1e-4, 5e-5, 2e-4)
    assert reason(SIGMA, 2.5e-3, found, 0.1, "", variations) == "reached by a variation alone: eps_r 20"
    said = reason(SIGMA, 1e-3, found, 0.1, "", variations)
    assert said == "between this model and a variation: eps_r 20 goes beyond, to 0.003"
    said = "no variation alone is known to reach it; 2 of 4 are too uncertain to tell"
    assert reason(SIGMA, 1e-2, found, 0.1, "", variations) == said
    assert reason(SIGMA, 1e-2, found, 0.1, "", []) == ""
    assert reason(SIGMA, 1e-2, found, 0.1, "1 mol/L", variations) == "its model was not varied"
    whole = Asked("E_a", CELSIUS_ZERO - 40, CELSIUS_ZERO + 100)
    assert reason(whole, 0.1, found, 0.1, "", variations) == "nothing was varied in this window"
    cold = Asked("sigma", CELSIUS_ZERO - 30, CELSIUS_ZERO - 30)
    assert reason(cold, 1e-2, found, 0.1, "", variations) == "nothing was varied at this temperature"


def test_what_explains_an_energy_says_what_it_does_to_the_conductivity(variations):
    said = reason(ENERGY, 0.15, Interval(0.25, 0.24, 0.26), 0.1, "", variations)
    assert said == "reached by a variation alone: eps_r 20 (σ at 25 °C × 30)"


def test_intervals_that_tell_nothing():
    assert too_wide(Interval(1, 0.3, 3.1), SIGMA)
    assert not too_wide(Interval(1, 0.5, 3.1), SIGMA)
    assert too_wide(Interval(1, 0, 1), SIGMA)
    assert too_wide(Interval(0.2, 0.1, 0.21), ENERGY)
    assert too_wide(Interval(math.nan, math.nan, math.nan), ENERGY)


def test_variations_are_counted_beside_what_chance_would_give(variations):
    assert significance_lines(variations[0]) == [
        "eps_r 20: 4 of 4 quantities, 0.2 expected by chance",
        "spacing 0.15: 0 of 2 quantities, 0.1 expected by chance",
        "charges EQeq: 2 of 2 quantities, 0.1 expected by chance",
    ]


def test_steps_are_ratios_at_the_same_parameters(monkeypatch):
    """What all samples share with a set of parameters drops out; soaked samples and those of no loading stay out."""
    scale = {0: 1.0, 1: 50.0, 2: 0.02, 3: 4.0}
    factor = {"a": dict.fromkeys(scale, 1.0), "b": {0: 2.0, 1: 2.0, 2: 4.0, 3: 1.0}}
    monkeypatch.setattr(study_steps, "exchange_of", lambda material, sample: {"a": 0.0, "b": 0.1, "c": None}[sample])
    monkeypatch.setattr(study_steps, "nearest_loading", lambda run, x: x + 0.001)

    def of_run(run, asked, loading):
        value = scale[run.draw] * factor[run.sample][run.draw]
        return Interval(value, value / 2, value * 2)

    made = [SimpleNamespace(sample=s, sigma=v, temperature=298.15) for s, v in (("a", 1e-4), ("b", 3e-4))]
    monkeypatch.setattr(study_steps, "measured", lambda material: made)

    def runs(sample):
        return [StudiedRun(sample, {}, SimpleNamespace(sample=sample, draw=draw), draw) for draw in scale]

    monkeypatch.setattr(study_steps, "computed", of_run)
    table = step_table("any", [("b", "", runs("b")), ("a", "", runs("a")), ("a", "soaked", runs("b")), ("c", "", [])])
    (row,) = table.to_dict("records")
    assert (row["from"], row["to"], row["sets"]) == ("a", "b", 4)
    assert (row["x from"], row["x to"]) == (pytest.approx(0.001), pytest.approx(0.101))
    assert row["measured"] == pytest.approx(3)
    assert row["computed"] == pytest.approx(2)
    scatter = math.sqrt(2 / 3) * math.log(2)
    assert math.log(row["computed hi"] / 2) == pytest.approx(3.1824 * scatter / 2, rel=1e-4)
    assert math.log(row["next hi"] / 2) == pytest.approx(3.1824 * scatter * math.sqrt(1.25), rel=1e-4)
    assert (row["lowest"], row["highest"]) == (pytest.approx(1), pytest.approx(4))


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


@pytest.mark.parametrize(("n_ratios", "n_panels"), [(2, 1), (3, 3)])
def test_many_curves_are_drawn_in_panels(n_ratios, n_panels):
    """Four values of one thing in each panel of the other; one legend."""
    rows = [
        {"eps_r": e, "ratio": float(10**r), "x": x, **dict.fromkeys(SIGMA_COLUMNS, 1e-3 * e * (r + 1))}
        for e in (5, 10, 20, 40)
        for r in range(n_ratios)
        for x in (0.0, 0.5, 1.0)
    ]
    last = study_plots.scan_panels(pd.DataFrame(rows), material="ni_mof")
    panels = last.figure.axes
    assert len(panels) == n_panels
    assert [ax.get_legend() is not None for ax in panels] == [False] * (n_panels - 1) + [True]
    assert all(len(ax.containers) == (4 if n_panels > 1 else 8) for ax in panels)
    assert n_panels == 1 or panels[1].get_title() == "ratio 10"
