"""All coefficients of paths whose answers are known: coverage of the intervals, edge cases, what is said to lack."""

from dataclasses import replace

import numpy as np
import pytest
from pairs import COUNT, D_TRUE, L_TRUE, STEP, correlated
from synthetic import record

from analysis.displacements import Displacements
from analysis.point import transport_at
from analysis.statistics import Interval, NotConverged
from analysis.transport import transport
from structures.units import conductivity_S_per_cm

PER_SLOPE = conductivity_S_per_cm(1.0, 2.0e4, 300.0) / STEP
TRUTH = {
    "sigma": L_TRUE.sum() * PER_SLOPE,
    "H_R": (COUNT * D_TRUE).sum() / L_TRUE.sum(),
    "sigma_NE": (COUNT * D_TRUE).sum() * PER_SLOPE,
    "D*(A)": D_TRUE[0] / STEP * 1e-16,
    "D*(B)": D_TRUE[1] / STEP * 1e-16,
    "D_J": L_TRUE.sum() / COUNT.sum() / STEP * 1e-16,
    "t(A)": L_TRUE[0].sum() / L_TRUE.sum(),
}


def intervals(data):
    found = transport(data)
    return {
        "sigma": found.value,
        "H_R": found.haven_ratio,
        "sigma_NE": found.nernst_einstein,
        "D*(A)": found.tracer_diffusivity[0],
        "D*(B)": found.tracer_diffusivity[1],
        "D_J": found.charge_diffusivity,
        "t(A)": Interval(*(found.columns[f"t(A){end}"] for end in ("", " lo", " hi"))),
    }


def shares_covered(n_runs, **options):
    found = [intervals(correlated(run, **options)) for run in range(n_runs)]
    return {
        name: np.mean([one[name].lo <= truth <= one[name].hi for one in found]).item() for name, truth in TRUTH.items()
    }


@pytest.mark.sample
def test_intervals_cover():
    """40 sets at 95 %: a share below 0.79 has a chance below 1e-4."""
    shares = shares_covered(40)
    assert min(shares.values()) > 0.79, shares


@pytest.mark.validation
@pytest.mark.parametrize("options", [{"n_replicas": 6}, {"n_replicas": 3}, {"n_replicas": 4, "jitter": 5.0}])
def test_coverage_on_many_sets(options):
    """400 sets, standard error 1.1 %: 92 to 98 % are asked for; the largest of seven may lie half an error above.

    What sigma has above 95 % comes from the profile over slow relaxations, which widens the interval by design.
    """
    shares = shares_covered(400, **options)
    assert min(shares.values()) >= 0.92, f"shares covered, asked for 0.92 to 0.98: {shares}"
    assert max(shares.values()) <= 0.985, f"shares covered, asked for 0.92 to 0.98: {shares}"


def test_a_row_holds_all_numbers_and_a_picture_shows_the_parts():
    found = transport(correlated(1))
    frame = found.to_frame()
    assert len(frame) == 1
    assert frame["sigma (S/cm)"][0] == found.value.value
    parts = frame["sigma(A) (S/cm)"] + frame["sigma(B) (S/cm)"] + 2 * frame["sigma(A,B) (S/cm)"]
    assert parts[0] == pytest.approx(found.value.value)
    assert frame["sigma_NE lo (S/cm)"][0] < frame["sigma_NE (S/cm)"][0] < frame["sigma_NE hi (S/cm)"][0]
    assert found.plot().get_ylabel() == "σ  (S / cm)"


def test_a_single_replica_has_no_interval_of_what_replicas_decide():
    """sigma and t from its own time origins; D*, Nernst-Einstein and the Haven ratio not."""
    found = transport(correlated(2, n_replicas=1))
    assert np.isfinite(found.value.hi)
    assert np.isfinite(found.columns["t(A) hi"])
    for none in (found.tracer_diffusivity[0], found.nernst_einstein, found.haven_ratio):
        assert np.isfinite(none.value)
        assert np.isnan(none.hi)


def test_zero_displacement_is_zero_and_says_so():
    found = transport(correlated(3, scale=0.0))
    assert found.value.value == 0
    assert np.isnan(found.haven_ratio.value)
    assert found.statements == ("pair: sigma = 0: no ion moved; add runs 4 times as long",)
    assert found.not_converged[0].longer == 4


def test_own_arrays_in_which_nothing_moved_are_not_called_blocked():
    """Arrays cannot tell whether a hop is open."""
    found = transport(Displacements.from_arrays(np.zeros((2, 50, 3, 3)), **(OWN | {"charges": {"Li+": 1}})))
    assert found.value.value == 0
    assert [lack.reason for lack in found.not_converged] == ["no ion moved"]
    assert not any("blocked" in line for line in found.statements)


OWN = {"time_step_s": 1e-12, "species": ["Li+"] * 3, "volume_A3": 1000.0, "temperature_K": 300.0}


def test_species_without_charge_conduct_nothing():
    """D* is that of the walk, 0.5 Å² per step; sigma and D_J are zero, and a line says why."""
    path = np.cumsum(np.random.default_rng(1).normal(size=(4, 400, 30, 3)), axis=1)
    given = OWN | {"charges": {"Li+": 0}, "species": ["Li+"] * 30}
    found = transport(Displacements.from_arrays(path, **given))
    assert found.value.value == found.charge_diffusivity.value == found.nernst_einstein.value == 0
    assert found.tracer_diffusivity[0].value == pytest.approx(0.5e-4, rel=0.2)
    assert np.isnan(found.haven_ratio.value)
    assert found.statements == ("sigma = 0: what moves carries no charge",)


def test_all_blocked_is_zero_and_says_so():
    data = correlated(3)
    values = {name: getattr(data, name) for name in data.__slots__} | {"blocked": (True,) * data.n_replicas}
    found = transport(Displacements(**values))
    assert found.value.value == 0
    assert found.statements == ("pair: sigma = 0: blocked: no hop is open",)
    assert set(found.columns) == set(transport(data).columns)


def test_a_record_without_samples_gives_a_row_that_says_what_it_lacks():
    ions = {"Li+": (4, 0.0)}
    empty = record(1.0, 300.0, 0, ions=ions)
    none = {name: getattr(empty, name)[:1] for name in ("time", "displacement", "events", "energy")}
    found = transport_at([replace(empty, **none)])
    assert found.row["sigma (S/cm)"] == 0
    assert any("blocked" in line for line in found.statements)


def test_what_is_lacking_is_said_in_numbers():
    """One replica of 140 steps has too few blocks; as many as are said, and again as many, know sigma better."""
    short = transport(correlated(5, n_replicas=1, n_steps=140))
    assert short.not_converged
    lack = short.not_converged[0]
    assert lack.estimate == short.value
    assert lack.replicas > 0
    assert f"{lack.replicas} more replica" in str(lack)
    assert any(lack.to_add in line for line in short.statements)
    longer = transport(correlated(5, n_replicas=2 * (1 + lack.replicas), n_steps=140))
    assert longer.slope.dof > short.slope.dof


def test_not_converged_can_be_raised_and_carries_the_estimate():
    with pytest.raises(NotConverged, match=r"sigma \(S/cm\): 2 \(1 to 4\) not converged: few; runs 4 times") as caught:
        raise NotConverged("sigma (S/cm)", Interval(2.0, 1.0, 4.0), "few", longer=4.0)
    assert caught.value.estimate.value == 2
    assert "1 more replica and" in NotConverged("q", Interval(1, 1, 1), "r", replicas=1, longer=2.0).to_add
