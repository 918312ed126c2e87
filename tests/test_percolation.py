"""Percolation energies on grids and networks."""

from itertools import product

import numpy as np
import pytest
from landscapes import Cosines
from persistence_library import compare_with_library
from scipy.ndimage import label

from lattice.basins import grid_stencil
from lattice.percolation import components, grid_percolation, independent_directions, network_percolation


def brute_force_percolation(energy, copies=7):
    """Fill copies of the cell up to a rising level; a point joined to its own copy has closed a loop."""
    tiled, middle, n = np.tile(energy, (copies,) * 3), copies // 2, np.array(energy.shape)
    cells = np.array(list(product(range(copies), repeat=3)))
    found = []
    for level in np.sort(energy.ravel()):
        cluster = label(tiled <= level, structure=np.ones((3, 3, 3)))[0]
        loops = [np.zeros((1, 3), int)]
        for point in np.argwhere(energy <= level):
            at_copies = cluster[tuple((point + n * cells).T)]
            loops.append(cells[at_copies == cluster[tuple(point + n * middle)]] - middle)
        rank = np.linalg.matrix_rank(np.concatenate(loops))
        found += [level] * (rank - len(found))
    return found


@pytest.mark.parametrize("seed", range(4))
def test_grid_percolation_equals_brute_force(seed):
    """A rough potential of all different levels, dearer along y and dearest along z."""
    energy = np.random.default_rng(seed).permutation(60).reshape(3, 4, 5) + np.linspace(0, 0.5, 60).reshape(3, 4, 5)
    energy[:, 1] += 20.0
    energy[:, :, 2] += 50.0
    found = grid_percolation(energy, grid_stencil(np.eye(3), (3, 4, 5)), below=1000.0)
    assert len(set(found)) == 3
    np.testing.assert_array_equal(found, brute_force_percolation(energy))


@pytest.mark.validation
@pytest.mark.parametrize("seed", range(10))
def test_grid_percolation_equals_persistent_homology(seed):
    """E_1D, E_2D, E_3D are the births of the essential classes of H1 of the sublevel sets of the torus (gudhi).

    The persistence of the minima is that of H0.
    """
    energy = np.random.default_rng(seed).random((5, 6, 7))
    _, n_minima = compare_with_library(energy, np.eye(3), 2.0)
    assert n_minima > 0


def test_cosine_landscape_is_crossed_at_its_saddles():
    landscape = Cosines((1.0, 0.5, 0.25))
    stencil = grid_stencil(landscape.cell, (24, 24, 24))
    np.testing.assert_allclose(grid_percolation(landscape.energy, stencil, below=5.0), [-1.25, -0.75, 0.25], atol=1e-9)


def test_a_wall_stops_paths():
    """A plane of impassable points leaves two directions."""
    energy = np.random.default_rng(1).random((6, 6, 6))
    energy[:, :, 3] = 5.0
    found = grid_percolation(energy, grid_stencil(np.eye(3), (6, 6, 6)), below=5.0)
    assert np.isfinite(found).tolist() == [True, True, False]


def test_a_path_may_need_several_cells_to_close():
    """A helix that moves on by one cell along y after two cells along x crosses in one direction, (2, 1, 0)."""
    a, b = np.array([0, 1, 1]), np.array([1, 0, 1])
    image = np.array([[0, 0, 0], [2, 1, 0], [0, 0, 0]])
    found = network_percolation(2, a, b, image, np.array([0.1, 0.3, 0.0]))
    np.testing.assert_array_equal(found, [0.3, np.nan, np.nan])


def test_components_know_the_directions_they_cross():
    """A closed pocket (0, 1), a channel (2) and a layer (3, 4) in one cell."""
    a, b = np.array([0, 2, 3, 4, 3]), np.array([1, 2, 4, 3, 3])
    image = np.array([[1, 0, 0], [0, 0, 1], [0, 0, 0], [0, 1, 0], [1, 0, 0]])
    part, dimensions = components(5, a, b, image)
    assert part.tolist() == [0, 0, 1, 2, 2]
    assert dimensions.tolist() == [0, 0, 1, 2, 2]


def test_independent_directions_are_the_rank():
    rng = np.random.default_rng(5)
    for _ in range(300):
        loops = [tuple(row) for row in rng.integers(-2, 3, (int(rng.integers(1, 5)), 3)).tolist()]
        assert independent_directions(loops) == np.linalg.matrix_rank(np.array(loops))
    assert independent_directions([]) == 0
    assert independent_directions([(1, 0, 0), (10**12, 1, 0), (10**12, 1, 1)]) == 3
