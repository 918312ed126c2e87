"""Orbits under the space group."""

import numpy as np
import pytest
from landscapes import cubic_group

from lattice.symmetry import SpaceGroup, complete_orbits, grid_representatives, locate, site_action
from structures.crystal import wrap
from structures.errors import InputError


@pytest.fixture
def cubic():
    return SpaceGroup.from_operations(10 * np.eye(3), *cubic_group())


@pytest.mark.parametrize(
    ("point", "multiplicity"),
    [((0.1, 0.23, 0.37), 48), ((0.2, 0.2, 0.2), 8), ((0.3, 0.0, 0.0), 6), ((0.5, 0.5, 0.0), 3), ((0.5, 0.5, 0.5), 1)],
)
def test_multiplicities_of_the_wyckoff_positions_of_pm3m(cubic, point, multiplicity):
    _, orbit = cubic.symmetrise(np.array(point))
    assert len(orbit) == multiplicity


def test_a_point_near_a_special_position_is_moved_onto_it(cubic):
    point, orbit = cubic.symmetrise(np.array([0.2004, 0.1997, 0.2002]))
    assert len(orbit) == 8
    np.testing.assert_allclose(point, point[0])


def test_one_copy_of_an_orbit_is_enough(cubic):
    """Three of eight copies, two of them slightly displaced, give the one complete orbit."""
    given = np.array([[0.2, 0.2, 0.2], [0.8, 0.2005, 0.2], [0.2, 0.8, 0.7997]])
    orbits, belongs = complete_orbits(given, cubic)
    assert len(orbits.frac) == 8
    assert belongs.tolist() == [0, 0, 0]


def test_action_is_a_permutation_that_keeps_unwrapped_positions(cubic):
    orbits, _ = complete_orbits(np.array([[0.1, 0.23, 0.37], [0.5, 0.0, 0.0]]), cubic)
    action = site_action(orbits.frac, cubic)
    for g in range(len(cubic)):
        assert sorted(action.site[g]) == list(range(51))
        moved = orbits.frac @ cubic.rotations[g].T + cubic.translations[g]
        np.testing.assert_allclose(orbits.frac[action.site[g]] + action.image[g], moved, atol=1e-9)


def test_incomplete_orbits_are_refused(cubic):
    with pytest.raises(ValueError, match="every image of a site must be a site"):
        site_action(np.array([[0.2, 0.2, 0.2]]), cubic)


def test_grid_representatives_pick_the_first_of_each_set(cubic):
    shape = (10, 10, 10)
    points = np.array([np.ravel_multi_index(p, shape) for p in [(9, 0, 0), (1, 0, 0), (0, 5, 5), (0, 0, 9), (5, 0, 5)]])
    chosen, belongs = grid_representatives(points, shape, cubic)
    assert chosen.tolist() == [0, 2]
    assert belongs.tolist() == [0, 0, 1, 0, 1]


def test_locate_tells_the_cell(cubic):
    members = np.array([[0.98, 0.5, 0.5], [0.1, 0.1, 0.1]])
    index, image = locate(np.array([[-0.019, 0.5, 1.5], [0.4, 0.4, 0.4]]), members, cubic, within=0.1)
    assert index.tolist() == [0, -1]
    assert image[0].tolist() == [-1, 0, 1]


def test_centring_translations_count_as_operations():
    """I-centring doubles every general position; duplicates and a missing identity do no harm."""
    translations = np.array([[0.5, 0.5, 0.5], [0.5, 0.5, 0.5]])
    group = SpaceGroup.from_operations(10 * np.eye(3), np.array([np.eye(3, dtype=int)] * 2), translations)
    assert len(group) == 2
    assert len(group.symmetrise(np.array([0.1, 0.2, 0.3]))[1]) == 2


def test_wrap_takes_rounding_below_one_as_zero():
    assert wrap(np.array([1.0 - 1e-12, -1e-12, 0.25, -0.25])).tolist() == [0.0, 0.0, 0.25, 0.75]


def test_operations_that_are_no_group_are_refused():
    """Two of the four rotations about an axis: the copies of a point on it do not add up."""
    quarter = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]])
    group = SpaceGroup.from_operations(
        10 * np.eye(3), np.array([quarter, np.diag([1, -1, -1])]), np.array([[0, 0, 0], [0, 0.5, 0.0]])
    )
    with pytest.raises(InputError, match=r"must form a group; 3 operations take the point \[.*\] to"):
        group.symmetrise(np.array([0.1, 0.25, 0.0]))
