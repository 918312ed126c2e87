"""Basins of attraction and the faces between them."""

import numpy as np
import pytest
from landscapes import Cosines, cubic_group

from lattice.basins import find_basins, find_faces, grid_stencil, reachable_moments
from lattice.percolation import grid_percolation, network_percolation


def test_one_well_per_cell_touches_its_own_images():
    """-(cos x + cos y + cos z) has one minimum; across the faces of its cube it meets its images at -1."""
    landscape = Cosines(n=48)
    stencil = grid_stencil(landscape.cell, (48, 48, 48))
    basins = find_basins(landscape.energy, stencil, below=10.0)
    faces = find_faces(basins, stencil)
    assert basins.minima.tolist() == [0]
    assert basins.minimum_energy.tolist() == [-3.0]
    assert (basins.label == 0).all()
    axes = np.abs(faces.image).sum(axis=1) == 1
    assert axes.sum() == 3
    np.testing.assert_allclose(faces.energy[axes], -1.0, atol=1e-9)


def test_every_point_descends_to_the_minimum_of_its_image():
    """The image of a point is the cell of the minimum it falls to: half of the points next to a wall fall outwards."""
    landscape = Cosines(shift=(0.1, 0.6, 0.9))
    n = landscape.energy.shape[0]
    basins = find_basins(landscape.energy, grid_stencil(landscape.cell, (n, n, n)), below=10.0)
    minimum = basins.frac(basins.minima)[0]
    offset = minimum + basins.image - basins.frac(np.arange(n**3))
    assert np.abs(offset).max() <= 0.5 + 1e-9


@pytest.mark.parametrize("seed", range(5))
def test_basins_and_faces_keep_the_percolation_of_the_grid(seed):
    """Watershed transform: the lowest passes between basins connect exactly what the grid connects."""
    energy = np.random.default_rng(seed).random((5, 7, 6))
    stencil = grid_stencil(np.eye(3), (5, 7, 6))
    basins = find_basins(energy, stencil, below=2.0)
    faces = find_faces(basins, stencil)
    network = network_percolation(len(basins.minima), faces.a, faces.b, faces.image, faces.energy)
    assert len(basins.minima) > 3
    np.testing.assert_array_equal(network, grid_percolation(energy, stencil, below=2.0))


def test_two_channels_through_one_face_are_two_candidates():
    """A wall at x = 1/2 with holes at y = 0 (0.8) and y = 1/2 (0.6): both are lowest on the face to (1, 0, 0)."""
    n = 24
    x, y, z = np.meshgrid(*[2 * np.pi * np.arange(n) / n] * 3, indexing="ij")
    wall = np.sin(x / 2) ** 2
    energy = -np.cos(x) + wall * (0.5 - 0.5 * np.cos(2 * y) + 0.1 * np.cos(y))
    energy += -0.3 * np.cos(y) * (1 - wall) - 0.3 * np.cos(z)
    stencil = grid_stencil(10 * np.eye(3), (n, n, n))
    basins = find_basins(energy, stencil, below=5.0)
    faces = find_faces(basins, stencil)
    assert len(basins.minima) == 1
    across = (faces.image == [1, 0, 0]).all(axis=1)
    found = {tuple(f) for f in basins.frac(faces.point[across]).tolist()}
    assert {(0.5, 0.0, 0.0), (0.5, 0.5, 0.0)} <= found
    np.testing.assert_allclose(faces.energy[across & faces.lowest], 0.6, atol=1e-9)


def test_plateaus_make_no_loops():
    """On a constant grid the total order (energy, number) leaves exactly one basin."""
    basins = find_basins(np.zeros((4, 4, 4)), grid_stencil(np.eye(3), (4, 4, 4)), below=1.0)
    assert basins.minima.tolist() == [0]
    assert (basins.label == 0).all()


def test_stencil_is_closed_under_the_point_group():
    """In a hexagonal cell a 60° turn takes the 26 neighbours out of themselves; all images have to be added."""
    cell = 10 * np.array([[1, 0, 0], [-0.5, np.sqrt(0.75), 0], [0, 0, 1]])
    turn = np.array([[1, -1, 0], [1, 0, 0], [0, 0, 1]])
    turns = np.array([np.linalg.matrix_power(turn, n) for n in range(6)])
    stencil = grid_stencil(cell, (20, 20, 20), turns)
    offsets = {tuple(o) for o in stencil.offsets.tolist()}
    assert len(grid_stencil(cell, (20, 20, 20)).offsets) == 26
    assert {tuple(o) for o in (stencil.offsets @ turn.T).tolist()} <= offsets
    assert len(grid_stencil(np.eye(3), (8, 8, 8), cubic_group()[0]).offsets) == 26


def test_a_harmonic_well_has_the_width_of_its_level_set():
    """The points with E - E0 < h in a well k r²/2 fill a ball of radius sqrt(2 h / k): its moments follow."""
    landscape = Cosines(n=40, side=10.0)
    basins = find_basins(landscape.energy, grid_stencil(landscape.cell, (40, 40, 40)), below=10.0)
    h = 0.05
    radius = np.sqrt(2 * h) / landscape.wave
    moments = reachable_moments(basins, landscape.cell, np.array([-3.0 + h]))
    assert moments[0, 0] * 0.25**3 == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.25)
    assert np.sqrt(moments[0, 4] / moments[0, 0]) == pytest.approx(np.sqrt(0.6) * radius, rel=0.1)
    np.testing.assert_allclose(moments[0, 1:4], 0.0, atol=1e-9)


def test_a_grid_too_small_for_its_stencil_is_refused():
    with pytest.raises(ValueError, match="at least 3 points"):
        grid_stencil(np.eye(3), (2, 5, 5))
