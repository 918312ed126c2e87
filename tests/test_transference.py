"""Transference numbers of paths with a known Onsager matrix, and of measured currents."""

import numpy as np
import pytest
from pairs import L_TRUE, correlated

from analysis.displacements import Displacements
from analysis.transference import Polarisation, bruce_vincent_evans, transference
from structures.errors import InputError

T_A = L_TRUE[0].sum() / L_TRUE.sum()
STEADY_A = (L_TRUE[0, 0] - L_TRUE[0, 1] ** 2 / L_TRUE[1, 1]) / L_TRUE.sum()


def test_numbers_are_those_of_the_matrix():
    """Long paths: t_A = 1.4 / 1.8, in the steady state 1.64 / 1.8; the electrical ones sum to 1."""
    found = transference(correlated(1, n_steps=40_000))
    for t, truth in ((found.electrical[0], T_A), (found.steady_state[0], STEADY_A)):
        error = (t.hi - t.lo) / 3.92
        assert error < 0.025
        assert abs(t.value - truth) < 4 * error
    assert sum(t.value for t in found.electrical) == pytest.approx(1, abs=1e-12)
    frame = found.to_frame()
    assert frame["species"].tolist() == ["A", "B"]
    assert frame["t lo"][0] < frame["t"][0] < frame["t hi"][0]
    assert found.plot().get_ylabel() == "transference number"


def covered(n_runs, **options):
    inside = np.zeros(4)
    for run in range(n_runs):
        found = transference(correlated(run, **options))
        pairs = zip((*found.electrical, *found.steady_state), (T_A, 1 - T_A, STEADY_A, STEADY_B), strict=True)
        inside += [t.lo <= truth <= t.hi for t, truth in pairs]
    return inside / n_runs


STEADY_B = (L_TRUE[1, 1] - L_TRUE[0, 1] ** 2 / L_TRUE[0, 0]) / L_TRUE.sum()


@pytest.mark.sample
def test_intervals_cover():
    """60 runs at 95 %: a share below 0.83 has a chance below 1e-4."""
    assert covered(60).min() > 0.83


@pytest.mark.validation
@pytest.mark.parametrize("options", [{}, {"n_replicas": 3}, {"n_replicas": 1, "n_steps": 2000}, {"jitter": 5.0}])
def test_coverage_on_many_runs(options):
    shares = covered(500, **options)
    assert shares.min() >= 0.92, shares
    assert shares.max() <= 0.98, shares


def test_the_correlation_of_both_species_with_the_total_is_kept():
    """Species that always move together carry fixed shares, however few data there are."""
    data = correlated(2, n_steps=200)
    values = {name: getattr(data, name) for name in data.__slots__}
    together = tuple(path[:, :1] * np.array([1.0, -0.25])[:, None] for path in data.collective)
    found = transference(Displacements(**(values | {"collective": together})))
    assert found.electrical[0].value == pytest.approx(0.8)
    assert found.electrical[0].hi - found.electrical[0].lo < 1e-6


def of_matrix(L, run, n_steps=300, n_replicas=4):
    """Paths of two species whose charge displacements have the Onsager matrix `L`."""
    data = correlated(run, n_steps=n_steps, n_replicas=n_replicas)
    turn = np.linalg.cholesky(L) @ np.linalg.inv(np.linalg.cholesky(L_TRUE))
    turn = turn * data.charge[:, None] * data.charge
    values = {name: getattr(data, name) for name in data.__slots__}
    return Displacements(**(values | {"collective": tuple(turn @ path for path in data.collective)}))


MATRICES = {  # steady-state number of A
    0.50: [[1.0, 0.0], [0.0, 1.0]],
    0.95: [[4.0, -0.3], [-0.3, 0.668894]],
    1.00: [[2.0, -0.5], [-0.5, 0.5]],
    0.05: [[0.5, 0.45], [0.45, 0.5]],
}


@pytest.mark.parametrize("t", MATRICES)
def test_steady_state_intervals_stay_in_their_range(t):
    """t_ss = 1 - rho², with rho the correlation of the other species with the total: never outside 0 to 1."""
    L = np.array(MATRICES[t])
    assert (L[0, 0] - L[0, 1] ** 2 / L[1, 1]) / L.sum() == pytest.approx(t, abs=1e-4)
    for run in range(10):
        for number in transference(of_matrix(L, run, n_steps=130, n_replicas=1)).steady_state:
            assert 0 <= number.lo <= number.value <= number.hi <= 1


@pytest.mark.validation
@pytest.mark.parametrize("t", [0.50, 0.95])
def test_steady_state_intervals_cover(t):
    """200 sets at 95 %: 0.90 and 0.99 are each 3 standard errors away."""
    found = [transference(of_matrix(np.array(MATRICES[t]), run)).steady_state[0] for run in range(200)]
    share = np.mean([number.lo <= t <= number.hi for number in found])
    assert 0.90 <= share <= 0.99, share


def test_a_partner_that_is_not_seen_to_move_is_named():
    """B may move but did not: nothing bounds its share."""
    data = correlated(3)
    values = {name: getattr(data, name) for name in data.__slots__}
    still = tuple(path * np.array([1.0, 0.0])[:, None] for path in data.collective)
    found = transference(Displacements(**(values | {"collective": still})))
    for numbers in (found.electrical, found.steady_state):
        assert [t.value for t in numbers] == [1, 0]
        assert np.isnan(numbers[0].lo)
    assert "pair: B not seen to move: t(A) = 1 without an interval; add runs 4 times as long" in found.statements


def test_one_mobile_species_carries_everything():
    data = correlated(3)
    values = {name: getattr(data, name) for name in data.__slots__}
    found = transference(Displacements(**(values | {"mobile": np.array([True, False])})))
    assert found.electrical[0].value == found.steady_state[0].value == 1
    assert found.electrical[1].value == 0


def test_nothing_moved_has_no_transference_number():
    found = transference(correlated(4, scale=0.0))
    assert np.isnan(found.electrical[0].value)
    assert any("no charge moved" in line for line in found.statements)


CELL = Polarisation(
    voltage=0.01, initial_current=2e-5, steady_current=1e-5, initial_resistance=100.0, steady_resistance=120.0
)


def test_bruce_vincent_evans():
    """I_s (V - I_0 R_0) / [I_0 (V - I_s R_s)] = 0.5 · 0.008 / 0.0088; without interfaces the ratio of the currents."""
    assert bruce_vincent_evans(CELL).value == pytest.approx(0.5 * 0.008 / 0.0088)
    assert np.isnan(bruce_vincent_evans(CELL).hi)
    bare = Polarisation(0.01, 2e-5, 1e-5, 0.0, 0.0)
    assert bruce_vincent_evans(bare).value == pytest.approx(0.5)


def test_a_cell_of_known_coefficients_measures_the_steady_state_number():
    """Ohm's law before, gradients that stop species B after; the interfaces take their part of the voltage."""
    R_bulk, R_interface, V = 1 / L_TRUE.sum(), 0.2, 0.01
    I_0 = V / (R_bulk + R_interface)
    I_s = V / (1 / (STEADY_A * L_TRUE.sum()) + R_interface)
    assert bruce_vincent_evans(Polarisation(V, I_0, I_s, R_interface, R_interface)).value == pytest.approx(STEADY_A)


def test_errors_of_the_measurement_propagate():
    """Against the scatter of 20 000 cells drawn with the errors, standard error of that scatter 0.5 %."""
    errors = Polarisation(1e-4, 3e-7, 2e-7, 3.0, 2.0)
    rng = np.random.default_rng(7)
    fields = ("voltage", "initial_current", "steady_current", "initial_resistance", "steady_resistance")
    drawn = [
        bruce_vincent_evans(
            Polarisation(**{name: rng.normal(getattr(CELL, name), getattr(errors, name)) for name in fields})
        ).value
        for _ in range(20_000)
    ]
    found = bruce_vincent_evans(CELL, errors)
    assert (found.hi - found.lo) / (2 * 1.96) == pytest.approx(np.std(drawn), rel=0.03)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"voltage": 0.1}, "expected one below kT/e"),
        ({"steady_current": -1e-5}, "expected a positive voltage"),
        ({"initial_resistance": 600.0}, "initial current and resistance: expected less than the voltage"),
        ({"voltage": float("nan")}, "found nan V"),
    ],
)
def test_what_cannot_be_measured_is_refused(change, message):
    values = {name: getattr(CELL, name) for name in CELL.__slots__} | change
    with pytest.raises(InputError, match=message):
        bruce_vincent_evans(Polarisation(**values))
