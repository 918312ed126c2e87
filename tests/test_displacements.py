"""What every estimator takes: sums, squares and units of known paths, and one line for each fault."""

import numpy as np
import pytest
from synthetic import record

from analysis.displacements import Displacements, mean_products
from structures.errors import InputError

GIVEN = {"time_step_s": 1e-12, "species": ["Li+", "Cl-", "Li+"], "charges": {"Li+": 1, "Cl-": -1}}
GIVEN |= {"volume_A3": 1000.0, "temperature_K": 300.0}


def paths(n_replicas=2, n_frames=50, n_ions=3):
    return np.cumsum(np.random.default_rng(1).normal(size=(n_replicas, n_frames, n_ions, 3)), axis=1)


def test_sums_and_squares_of_arrays():
    """Collective displacement and mean squares by direct loops over ions and time origins."""
    found = Displacements.from_arrays(paths(), **GIVEN)
    assert found.species_names == ("Li+", "Cl-")
    assert found.charge.tolist() == [1, -1]
    assert found.count.tolist() == [2, 1]
    moved = paths()[1] - paths()[1][0]
    assert np.allclose(found.collective[1][:, 0], moved[:, 0] + moved[:, 2])
    assert np.allclose(found.collective[1][:, 1], moved[:, 1])
    for lag in (1, 7, 48):
        delta = moved[lag:, [0, 2]] - moved[:-lag, [0, 2]]
        assert np.allclose(found.msd[1][lag - 1, 0], (delta**2).mean(axis=(0, 1)))
        assert np.allclose(found.msd_cross[1][lag - 1, 0, 1], (delta[:, :, 0] * delta[:, :, 2]).mean())
    assert np.allclose(found.lag[0], 1e-12 * np.arange(1, 50))
    assert not found.collective[0].flags.writeable


def test_ions_in_several_transforms_give_the_same(monkeypatch):
    whole = mean_products(paths()[0], np.eye(3))
    monkeypatch.setattr("analysis.displacements.IONS_AT_ONCE", 1)
    assert np.allclose(mean_products(paths()[0], np.eye(3)), whole)


def test_squares_far_from_the_origin_keep_their_digits():
    """A path 10⁶ Å away: positions are taken from the first frame before they are squared."""
    assert np.allclose(mean_products(paths()[0] + 1e6, np.eye(3)), mean_products(paths()[0], np.eye(3)), rtol=1e-7)


def test_replicas_of_different_length_and_a_single_one():
    found = Displacements.from_arrays([paths()[0], paths()[1][:20]], **GIVEN)
    assert [len(t) for t in found.time] == [50, 20]
    assert Displacements.from_arrays(paths()[0], **GIVEN).n_replicas == 1


def test_replicas_that_stand_still_are_named_but_not_called_blocked():
    still = Displacements.from_arrays([paths()[0], np.zeros((50, 3, 3))], **GIVEN)
    assert still.blocked == (False, False)
    assert still.statements == ("no ion moved in 1 of 2 replicas",)


def test_records_become_displacements_and_blocked_ones_zeros():
    ions = {"Li+": (4, 2.0), "Me2NH2+": (0, 0.0)}
    records = [record(1.0, 300.0, r, ions=ions) for r in range(2)]
    records.append(record(1.0, 300.0, 2, ions={"Li+": (4, 0.0), "Me2NH2+": (0, 0.0)}))
    found = Displacements.from_records(records)
    assert found.blocked == (False, False, True)
    assert not found.collective[2].any()
    assert np.array_equal(found.collective[0], records[0].displacement)
    assert (found.msd[0][:, 1] == 0).all()
    assert found.moves.tolist() == [True, False]
    assert found.statements == ("x = 1, 300 K: 1 of 3 replicas blocked, counted as zero: not ergodic",)


def with_nan():
    path = paths()[0]
    path[3, 1, 2] = np.nan
    return path


def wrapped():
    """A walk of 60 Å in a box of 10 Å."""
    return np.mod(paths(1, 500)[0], 10.0)


@pytest.mark.parametrize(
    ("positions", "change", "message"),
    [
        (with_nan(), {}, "finite numbers; found .*nan.* at frame 3, ion 1"),
        (paths()[0][:, :2], {}, r"shape \(n_frames, 3, 3\) for 3 species names; found \(50, 2, 3\)"),
        ("abc", {}, r"positions: expected numbers of shape \(n_frames, 3, 3\) or one more axis; found 'abc'"),
        ([[[1.0, 2.0], [3.0]]], {}, "positions: expected numbers of shape"),
        (paths()[0][:2], {}, "at least 3 frames; found 2"),
        (wrapped(), {}, "expected unwrapped positions"),
        ([], {}, "at least one replica"),
        (paths(), {"time_step_s": 0.0}, "positive time in s; found 0"),
        (paths(), {"charges": {"Li+": 1}}, "found none for Cl-"),
        (paths(), {"charges": [1, -1]}, "each of 3 ions; found 2"),
        (paths(), {"charges": [1, -1, 2]}, "one for all Li"),
        (paths(), {"volume_A3": -1.0}, "positive number in Å³; found -1"),
        (paths(), {"temperature_K": float("nan")}, "positive number in K; found nan"),
        (paths(), {"cell": np.eye(2)}, r"cell must have shape \(3, 3\)"),
    ],
)
def test_each_fault_has_its_line(positions, change, message):
    with pytest.raises(InputError, match=message) as caught:
        Displacements.from_arrays(positions, **(GIVEN | change))
    assert "\n" not in str(caught.value)


def test_an_ion_that_rattles_between_two_places_is_not_called_wrapped():
    path = np.zeros((40, 3, 3))
    path[::2, 0, 0] = 2.5
    assert Displacements.from_arrays(path, **GIVEN).n_replicas == 1


def test_records_that_are_no_replicas_of_each_other_are_refused():
    ions = {"Li+": (4, 2.0)}
    with pytest.raises(InputError, match=r"replicas of one temperature; found 300.0, 320.0"):
        Displacements.from_records([record(1.0, T, 0, ions=ions) for T in (300.0, 320.0)])
    with pytest.raises(InputError, match="at least one complete task"):
        Displacements.from_records([])


def test_times_that_are_not_uniform_are_refused():
    found = Displacements.from_arrays(paths(), **GIVEN)
    values = {name: getattr(found, name) for name in found.__slots__}
    skewed = (found.time[0], np.where(np.arange(50) == 7, 0.5e-12, 0) + found.time[1])
    with pytest.raises(InputError, match="time of replica 1: expected equal steps"):
        Displacements(**(values | {"time": skewed}))
