"""A surface through noisy points: exact where it must be, and with errors that hold what they promise."""

import numpy as np
import pytest

from analysis.surrogate import fit_surrogate


def curved(u):
    """ln sigma as it depends on a screening and a ratio of rates."""
    return -8 + 5 * u[:, 0] + 1.5 * np.log(0.05 + u[:, 1]) * (0.5 + u[:, 0])


def test_without_coordinates_it_is_the_weighted_mean():
    """Σ y/s² over Σ 1/s², if the roughness is small beside the errors."""
    value, noise = np.array([1.0, 2.0, 4.0]), np.array([1.0, 0.5, 2.0])
    mean, variance = fit_surrogate(np.zeros((3, 0)), value, noise)(np.zeros((2, 0)))
    weight = noise**-2
    assert mean == pytest.approx(np.full(2, weight @ value / weight.sum()), abs=0.05)
    assert variance == pytest.approx(np.full(2, 1 / weight.sum()), rel=0.15)


def test_a_plane_without_noise_is_found_and_continued():
    rng = np.random.default_rng(1)
    place = rng.random((12, 2))

    def plane(u):
        return 3 - 4 * u[:, 0] + 2 * u[:, 1]

    found = fit_surrogate(place, plane(place), np.full(12, 1e-3))
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    mean, variance = found(corners)
    assert np.abs(mean - plane(corners)).max() < 0.1
    assert (np.abs(mean - plane(corners)) < 4 * np.sqrt(variance)).all()


def test_it_goes_through_exact_points_and_is_surer_there():
    place = np.linspace(0, 1, 9)[:, None]
    value = np.sin(6 * place[:, 0])
    found = fit_surrogate(place, value, np.full(9, 0.01))
    mean, variance = found(np.vstack([place, place[:-1] + 1 / 16]))
    assert mean[:9] == pytest.approx(value, abs=0.05)
    assert mean[9:] == pytest.approx(np.sin(6 * (place[:-1, 0] + 1 / 16)), abs=0.15)
    assert variance[:9].mean() < variance[9:].mean()


def test_a_further_point_takes_away_variance_and_nothing_else():
    rng = np.random.default_rng(2)
    place = rng.random((8, 2))
    found = fit_surrogate(place, curved(place), np.full(8, 0.1))
    there = np.array([[0.95, 0.05]])
    more = found.with_point(there[0])
    assert more(there)[1][0] < found(there)[1][0]
    assert more(there)[0] == pytest.approx(found(there)[0], abs=0.05)


def test_points_without_errors_or_none_at_all_are_refused():
    with pytest.raises(ValueError, match="at least one point"):
        fit_surrogate(np.zeros((0, 1)), np.zeros(0), np.zeros(0))
    with pytest.raises(ValueError, match="errors positive"):
        fit_surrogate(np.zeros((1, 1)), np.zeros(1), np.zeros(1))


@pytest.mark.validation
@pytest.mark.parametrize("n", [8, 16, 30])
def test_its_errors_hold_what_they_promise(n):
    """Of places that were not simulated 95 % lie within 1.96 standard errors; so do points that are left out."""
    rng, inside, left = np.random.default_rng(n), [], []
    for _ in range(25):
        place, noise = rng.random((n, 2)), rng.uniform(0.05, 0.3, n)
        found = fit_surrogate(place, curved(place) + noise * rng.normal(size=n), noise)
        there = rng.random((300, 2))
        mean, variance = found(there)
        inside.append((np.abs(mean - curved(there)) < 1.96 * np.sqrt(variance)).mean())
        difference, error = found.left_out()
        left.append((difference / error) ** 2)
    assert 0.90 < np.mean(inside) < 0.995
    assert 0.6 < np.sqrt(np.mean(left)) < 1.3
