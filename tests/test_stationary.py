"""Exact minima and saddle points, complete under symmetry and in connectivity."""

from dataclasses import replace

import numpy as np
import pytest
from landscapes import Cosines, cubic_group

from lattice import stationary
from lattice.basins import find_basins, find_faces, grid_stencil
from lattice.descent import descend, descend_to_minima
from lattice.symmetry import SpaceGroup

NO_SYMMETRY = (np.zeros((0, 3, 3), int), np.zeros((0, 3)))


def found(landscape, operations=NO_SYMMETRY, *, below=10.0, keep=None):
    shape = landscape.energy.shape
    stencil = grid_stencil(landscape.cell, shape)
    basins = find_basins(landscape.energy, stencil, below=below)
    faces = find_faces(basins, stencil)
    if keep is not None:
        chosen = keep(faces)
        names = ("a", "b", "image", "point", "cell_image", "energy", "lowest")
        faces = replace(faces, **{name: getattr(faces, name)[chosen] for name in names})
    group = SpaceGroup.from_operations(landscape.cell, *operations)
    return stationary.find_stationary_points(landscape, basins, faces, group, below=below)


def test_isotropic_cosines():
    """-(cos x + cos y + cos z): one minimum at -3, three index-1 saddles at -1 exactly, percolation in 3D at -1."""
    graph = found(Cosines(n=48)).graph
    np.testing.assert_allclose(graph.energy, [-3.0], atol=1e-12)
    np.testing.assert_allclose(graph.saddle, [-1.0, -1.0, -1.0], atol=1e-12)
    assert sorted(graph.edges.image.tolist()) == [[0, 0, 1], [0, 1, 0], [1, 0, 0]]
    np.testing.assert_allclose(graph.percolation(), -1.0, atol=1e-12)


def test_anisotropic_shifted_cosines():
    """Off the grid points: percolation -1.25, -0.75, 0.25 to the last digits after refinement."""
    graph = found(Cosines((1.0, 0.5, 0.25), (0.013, 0.371, 0.789))).graph
    np.testing.assert_allclose(graph.frac, [[0.013, 0.371, 0.789]], atol=1e-7)
    np.testing.assert_allclose(graph.percolation(), [-1.25, -0.75, 0.25], atol=1e-10)


def test_hops_lost_on_the_grid_come_back_by_symmetry():
    """Of the three equivalent saddles the grid offers one; the 48 operations of the cube restore the others."""

    def only_x(faces):
        return (faces.image == [1, 0, 0]).all(axis=1)

    graph = found(Cosines(), cubic_group(), keep=only_x).graph
    assert sorted(graph.edges.image.tolist()) == [[0, 0, 1], [0, 1, 0], [1, 0, 0]]
    np.testing.assert_array_equal(graph.edges.log_conductance, 0.0)
    assert len(set(graph.edges.level)) == 1


def test_a_saddle_that_does_not_refine_is_kept_where_it_is_needed(monkeypatch):
    """With all refinements to index 1 failing, the lowest grid contacts still connect the crystal, at grid energies."""
    exact = stationary.refine

    def failing(surface, frac, index, max_move):
        points, energy, ok = exact(surface, frac, index, max_move)
        return points, energy, ok & (index == 0)

    monkeypatch.setattr(stationary, "refine", failing)
    landscape = Cosines((1.0, 0.5, 0.25), (0.013, 0.371, 0.789))
    result = found(landscape)
    grid_error = 0.5 * landscape.wave**2 * landscape.spacing**2
    np.testing.assert_allclose(result.graph.percolation(), [-1.25, -0.75, 0.25], atol=grid_error)
    assert any("kept with the energy of the grid: 3 orbits" in note for note in result.notes)


def test_a_false_minimum_of_the_grid_is_dissolved(monkeypatch):
    """A noise dip on the grid has no minimum of the potential: its basin joins the one its descent ends in."""
    landscape = Cosines((1.0, 0.5, 0.25))
    landscape.energy = landscape.energy.copy()
    landscape.energy[6, 3, 2] -= 0.4
    result = found(landscape)
    assert result.graph.n_sites == 1
    assert len(result.basin_site) == 2
    assert result.basin_site.tolist() == [0, 0]
    np.testing.assert_allclose(result.graph.percolation(), [-1.25, -0.75, 0.25], atol=1e-10)


def test_basins_know_the_cell_of_their_site():
    """Eight wells, half translations apart, just inside the cell's upper faces: grid minima at 0 belong to cell -1."""
    landscape = Cosines((1.0, 0.5, 0.25), (0.495, 0.49, 0.0), periods=2)
    landscape.energy[12, 12, 0] -= 1e-6  # the representative is not the first grid point
    halves = np.array([[i, j, k] for i in (0, 0.5) for j in (0, 0.5) for k in (0, 0.5)])
    result = found(landscape, (np.array([np.eye(3, dtype=int)] * 8), halves))
    assert result.graph.n_sites == len(result.basin_site) == 8
    n = landscape.energy.shape[0]
    stencil = grid_stencil(landscape.cell, (n, n, n))
    basins = find_basins(landscape.energy, stencil, below=10.0)
    gap = result.graph.frac[result.basin_site] + result.basin_image - basins.frac(basins.minima)
    assert np.abs(gap).max() <= 0.5 / n
    assert (result.basin_image == -1).any()
    np.testing.assert_allclose(result.graph.percolation(), [-1.25, -0.75, 0.25], atol=1e-9)


@pytest.mark.parametrize("cell", [(0, 0, 0), (2, -1, 0)])
def test_descent_stays_in_its_image(cell):
    """From inside the basin of an image of the minimum the flow ends in that image, not in the home cell."""
    landscape = Cosines((1.0, 0.5, 0.25))
    end, stationary_point = descend(landscape, np.array([[0.31, -0.42, 0.2]]) + cell)
    assert stationary_point.all()
    np.testing.assert_allclose(end[0], cell, atol=1e-4)


def test_descent_on_a_mirror_plane_splits_evenly():
    """From the index-2 point (1/2, 1/2, 0) the flow along x = 1/2 ends on a saddle, from which both sides are equal."""
    landscape = Cosines()
    ends = descend_to_minima(landscape, np.array([[0.5, 0.49, 0.0]]))[0]
    assert sorted(np.rint(p).astype(int).tolist() for p, _ in ends) == [[0, 0, 0], [1, 0, 0]]
    assert [share for _, share in ends] == [0.5, 0.5]


def test_a_stiff_saddle_between_grid_points_is_counted_once():
    """Halfway between grid points the grid passes ½ K (h/2)² = 0.16 eV below a saddle point of curvature -20 eV/Å².

    Kept beside the refined saddle such a contact would be a second, lower way over the same ridge.
    """
    potential = Cosines(amplitude=(4.6, 4.6, 4.6), shift=(1 / 48, 0.0, 0.0), periods=2)
    network = found(potential, below=0.0)
    assert network.saddle_refined.all()
    assert len(network.graph.edges) == 3 * 8
