"""What a notebook gets: frozen numbers with intervals, tables and pictures; files of several runs are refused."""

from dataclasses import FrozenInstanceError, replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from synthetic import arrhenius_diffusivity, record

import analysis
from analysis import results
from analysis.campaign import Run, analyse
from structures.errors import InputError


def records(temperatures=(250.0, 300.0, 350.0), loadings=(0.25, 0.5, 0.75)):
    return tuple(
        record(x, T, r, ions={"Li+": (round(8 * x), arrhenius_diffusivity(T, 0.2, 4.0 * (1.1 - x)))}, n_steps=300)
        for x in loadings
        for T in temperatures
        for r in range(3)
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return Run(tmp_path_factory.mktemp("run"), records(), None, "", ())


@pytest.mark.parametrize("name", ["conductivity", "haven_ratio", "arrhenius", "optimum"])
def test_numbers_table_and_picture_agree(run, name):
    result = getattr(run, name)()
    table = result.to_frame()
    assert len(result.value) == len(result.interval) == len(table) > 0
    np.testing.assert_array_equal(table[{"arrhenius": "E_a (eV)"}.get(name) or result.name], result.value)
    for value, interval in zip(result.value, result.interval, strict=True):
        assert interval.value == value
        assert interval.lo <= value <= interval.hi
    assert result.plot().get_xlabel()


def test_results_cannot_be_changed(run):
    result = run.conductivity()
    with pytest.raises(FrozenInstanceError):
        result.value = np.zeros(1)
    with pytest.raises(ValueError, match="read-only"):
        result.value[0] = 0
    frame = result.to_frame()
    frame.loc[:, "sigma (S/cm)"] = 0.0
    assert (run.conductivity().to_frame()["sigma (S/cm)"] > 0).all()


def test_a_spectrum_is_that_of_the_best_loading_unless_asked_for(run):
    spectrum = run.spectrum()
    assert spectrum.interval.lo < spectrum.value < spectrum.interval.hi
    assert "300 K" in spectrum.label
    assert run.spectrum(0.25, 350.0).label != spectrum.label


def test_the_best_loading_is_one_with_a_conductivity(monkeypatch):
    """A run too short for a block has no sigma, which is not the largest; where nothing has one, any loading does."""
    table = pd.DataFrame({"x": [0.1, 0.5, 0.9], "T (K)": 300.0, "sigma (S/cm)": [1e-4, 2e-4, np.nan]})
    monkeypatch.setattr(results, "analysis_of", lambda run: SimpleNamespace(conductivity=table))
    assert results.best_loading(None, 310.0) == 0.5
    table["sigma (S/cm)"] = np.nan
    assert results.best_loading(None, 310.0) in {0.1, 0.5, 0.9}


def test_transference_numbers_of_all_loadings(run):
    """One kind of ion carries everything."""
    found = run.transference()
    assert (found.value == 1).all()
    assert set(found.to_frame()["species"]) == {"Li+"}


def test_a_picture_is_drawn_on_the_axes_given(run):
    from matplotlib.figure import Figure

    axes = Figure().add_subplot()
    assert run.arrhenius().plot(axes) is axes


def test_what_cannot_be_computed_is_an_empty_result_with_a_reason(tmp_path):
    lone = Run(tmp_path, records(temperatures=(300.0,), loadings=(0.5,)), None, "", ())
    assert np.isnan(lone.arrhenius().value).all()
    assert any("no E_a" in line for line in lone.arrhenius().statements)
    assert len(lone.optimum().value) == 0
    assert any("no optimum" in line for line in lone.optimum().statements)


def test_the_package_hands_out_what_notebooks_need():
    assert analysis.open_run.__name__ == "open_run"
    assert analysis.Displacements.__name__ == "Displacements"
    with pytest.raises(AttributeError, match="no attribute 'open'"):
        _ = analysis.open


@pytest.mark.parametrize(
    "change", [{"settings": "other"}, {"network_hash": "other"}, {"composition_name": "M"}, {"rate_model": "flux_tst"}]
)
def test_files_of_several_runs_are_refused(change):
    mixed = [*records()[:4], replace(records()[4], **change)]
    with pytest.raises(InputError, match=f"the tasks of one run, all of one {next(iter(change))}"):
        analyse(mixed)


def test_a_task_that_is_there_twice_counts_once():
    once, twice = analyse(records()), analyse([*records(), records()[0]])
    assert once.conductivity.equals(twice.conductivity)
    assert any("a second file of replica 0" in line for line in twice.statements)


def test_missing_temperatures_are_named():
    found = analyse([r for r in records() if not (r.composition == 0.5 and r.temperature > 260)])
    assert "no finished task at 300, 350 K for x = 0.5" in found.statements
