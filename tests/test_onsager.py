"""Onsager coefficients of Gaussian paths with a known covariance between species: units, sums, coverage."""

import numpy as np
import pytest
from pairs import L_TRUE, correlated

from analysis.conductivity import collective_lags, collective_slope
from analysis.onsager import onsager_matrix, pair_slopes
from structures.units import conductivity_S_per_cm


def test_matrix_adds_up_to_the_conductivity():
    """The sum over species and the mean over axes are those of the charge displacement, to rounding."""
    data = correlated(1)
    step, paths = data.on_common_grid()
    charge = [(path * data.charge[:, None]).sum(axis=1) for path in paths]
    whole = collective_slope(charge, step, lags=collective_lags(charge))
    found = onsager_matrix(data)
    per_K = conductivity_S_per_cm(1.0, data.volume, data.temperature)
    assert found.sigma.sum() == pytest.approx(whole.slope.value * per_K, rel=1e-12)
    assert np.allclose(np.trace(found.tensor, axis1=2, axis2=3) / 3, found.sigma)
    assert np.allclose(found.sigma, found.sigma.T)
    assert found.short == whole.short


def test_frame_has_one_row_per_pair_and_a_picture():
    found = onsager_matrix(correlated(2))
    frame = found.to_frame()
    assert list(zip(frame["species i"], frame["species j"], strict=True)) == [("A", "A"), ("B", "A"), ("B", "B")]
    assert frame["correlation"][1] == pytest.approx(found.sigma[0, 1] / np.sqrt(found.sigma[0, 0] * found.sigma[1, 1]))
    assert found.plot().get_ylabel().endswith("(S / cm)")


def shares_covered(n_runs, **options):
    inside = np.zeros((2, 2))
    for run in range(n_runs):
        data = correlated(run, **options)
        truth = L_TRUE * conductivity_S_per_cm(1.0, data.volume, data.temperature) / 1e-9
        found = onsager_matrix(data).interval
        inside += [[found[i][j].lo <= truth[i, j] <= found[i][j].hi for j in range(2)] for i in range(2)]
    return inside / n_runs


def test_intervals_cover():
    """40 runs at 95 %: a share below 0.79 has a chance below 1e-4; the cross term has the sign of its charges."""
    assert shares_covered(40).min() > 0.79


@pytest.mark.validation
@pytest.mark.parametrize("options", [{}, {"n_replicas": 3}, {"n_replicas": 1, "n_steps": 2000}, {"jitter": 10.0}])
def test_coverage_on_many_runs(options):
    shares = shares_covered(500, **options)
    assert shares.min() >= 0.92, shares
    assert shares.max() <= 0.98, shares


def test_replicas_that_differ_are_the_pieces():
    """One replica ten times as fast: the interval is at least that of the four replicas."""
    data = correlated(3)
    values = {name: getattr(data, name) for name in data.__slots__}
    fast = tuple(path * (3.2 if k == 0 else 1) for k, path in enumerate(data.collective))
    _, _, alike = pair_slopes(data)
    _, _, mixed = pair_slopes(type(data)(**(values | {"collective": fast})))
    total = lambda L: np.trace(L.sum(axis=(0, 2))) / 3  # noqa: E731
    one, other = alike.interval(total), mixed.interval(total)
    assert (other.hi - other.lo) / other.value > 3 * (one.hi - one.lo) / one.value


def test_nothing_moved_is_zero_with_a_statement():
    found = onsager_matrix(correlated(4, scale=0.0))
    assert not found.sigma.any()
    assert any("no charge moved" in line for line in found.statements)
