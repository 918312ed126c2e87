"""Draws and evidence against densities whose integrals are known."""

import numpy as np
import pytest

from analysis.posterior_sampling import ENOUGH, Sample, sample_box


@pytest.mark.parametrize(("p", "width"), [(1, 0.003), (2, 0.01), (3, 0.02), (4, 0.03)])
def test_a_narrow_peak_is_found_whole(p, width):
    """Evidence (2π)^(p/2) s^p; mean and spread of the draws are those of the peak."""
    found = sample_box(lambda u: -0.5 * (((u - 0.4) / width) ** 2).sum(axis=1), p, np.random.default_rng(p))
    assert found.log_evidence == pytest.approx(p * np.log(width * np.sqrt(2 * np.pi)), abs=0.1)
    mean = found.weight @ found.draws
    assert mean == pytest.approx(np.full(p, 0.4), abs=0.15 * width)
    assert np.sqrt(found.weight @ (found.draws - mean) ** 2) == pytest.approx(np.full(p, width), rel=0.1)
    assert found.effective > ENOUGH


def test_a_ridge_across_the_cube_keeps_its_ends():
    """u + 2v = 1.2 within 0.02: u from 0 to 1 evenly, evidence s √(2π) / 2."""
    found = sample_box(lambda u: -0.5 * ((u[:, 0] + 2 * u[:, 1] - 1.2) / 0.02) ** 2, 2, np.random.default_rng(1))
    assert np.exp(found.log_evidence) == pytest.approx(0.01 * np.sqrt(2 * np.pi), rel=0.08)
    u = found.draws[:, 0]
    assert found.weight[u < 0.1].sum() == pytest.approx(0.1, abs=0.03)
    assert found.weight[u > 0.9].sum() == pytest.approx(0.1, abs=0.03)


def test_two_peaks_have_their_shares():
    def two(u):
        peaks = [share * np.exp(-0.5 * ((u - at) / 0.01) ** 2).prod(axis=1) for at, share in ((0.1, 1.0), (0.8, 3.0))]
        return np.log(sum(peaks) + 1e-300)

    found = sample_box(two, 2, np.random.default_rng(2))
    assert found.weight[found.draws[:, 0] > 0.5].sum() == pytest.approx(0.75, abs=0.05)


def test_nothing_to_draw_is_one_draw():
    found = sample_box(lambda u: np.full(len(u), -3.0), 0, np.random.default_rng(1))
    assert (found.draws.shape, found.log_evidence) == ((1, 0), -3.0)


def test_thinning_keeps_weights():
    draws = np.arange(4.0)[:, None]
    thin = Sample(draws, np.array([0.5, 0.3, 0.2, 0.0]), 0.0).thinned(100, np.random.default_rng(1))
    assert thin.draws[:, 0].tolist() == [0.0, 1.0, 2.0]
    assert thin.weight == pytest.approx([0.5, 0.3, 0.2], abs=0.011)
