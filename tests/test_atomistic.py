"""The supercell of atoms that a calculator sees."""

import numpy as np
import pytest

from lattice.atomistic import AtomisticCell, fewest_repeats, image_distance
from lattice.ion_atoms import IonAtoms

LITHIUM = IonAtoms(("Li",), np.zeros((1, 3)), np.ones(1), "Li+")
HEXAGONAL = np.array([[8.0, 0.0, 0.0], [-4.0, 8.0 * np.sqrt(0.75), 0.0], [0.0, 0.0, 5.0]])


def carbon_cell(cell: np.ndarray, repeats=(2, 1, 3), relax="all") -> AtomisticCell:
    frac = np.array([[0.1, 0.2, 0.3], [0.7, 0.9, 0.5]])
    return AtomisticCell(cell, repeats, ("C", "O"), frac, np.array([0.5, -1.0]), LITHIUM, relax)


def test_the_smallest_supercell_whose_images_are_far_enough():
    """A hexagonal cell of 8 Å has rows 6.9 Å apart, but its nearest images are 8 Å away: no doubling along a and b."""
    assert fewest_repeats(HEXAGONAL, 8.0) == (1, 1, 2)
    assert fewest_repeats(np.diag([3.0, 9.0, 4.0]), 8.0) == (3, 1, 2)
    assert image_distance(np.array([[10.0, 0, 0], [9.0, 3.0, 0], [0, 0, 8.0]])) == pytest.approx(np.sqrt(10))


def test_structure_charges_and_constraint():
    cell = carbon_cell(HEXAGONAL, relax="ions")
    atoms = cell.structure([[1.0, 2.0, 3.0]])
    assert len(atoms) == cell.n_atoms == 13
    assert atoms.info["charge"] == pytest.approx(6 * -0.5 + 1)
    assert atoms.get_initial_charges().sum() == pytest.approx(-2.0)
    assert atoms.constraints[0].index.tolist() == list(range(12))
    np.testing.assert_allclose(atoms.cell[2], [0, 0, 15.0])
    assert not carbon_cell(HEXAGONAL).structure([[1.0, 2.0, 3.0]]).constraints


@pytest.mark.parametrize("image", [(1, 0, 0), (0, 0, -1), (3, 2, 4)])
def test_a_translated_structure_is_the_same_crystal(image):
    """The ion and a random distortion moved by a lattice vector: all distances of the periodic crystal stay."""
    cell = carbon_cell(HEXAGONAL)
    rng = np.random.default_rng(1)
    atoms = cell.structure([[1.0, 2.0, 3.0]])
    positions = atoms.positions + 0.2 * rng.normal(size=(cell.n_atoms, 3))
    moved = cell.translated(positions, image)
    before, after = (cell.structure(p[-1:], p[:-1]).get_all_distances(mic=True) for p in (positions, moved))
    np.testing.assert_allclose(np.sort(after[-1]), np.sort(before[-1]), atol=1e-9)
    np.testing.assert_allclose(np.sort(after.ravel()), np.sort(before.ravel()), atol=1e-9)
    np.testing.assert_allclose(moved[-1] - positions[-1], np.array(image) @ HEXAGONAL)


def test_the_centre_does_not_follow_a_drift_of_the_crystal():
    cell = carbon_cell(HEXAGONAL)
    positions = cell.structure([[1.0, 2.0, 3.0]]).positions + np.array([0.3, -0.2, 0.1])
    np.testing.assert_allclose(cell.centre(positions), [1.0, 2.0, 3.0], atol=1e-12)


def test_atoms_around_a_point_against_a_count_over_many_cells():
    cell = carbon_cell(HEXAGONAL)
    points = np.array([[1.0, 2.0, 3.0], [-9.0, 4.0, 20.0]])
    found, names = cell.around(points, 6.0)
    images = np.stack(np.meshgrid(*[np.arange(-8, 9)] * 3, indexing="ij"), axis=-1).reshape(-1, 1, 3)
    every = ((cell.frac + images) @ HEXAGONAL).reshape(-1, 3)
    near = (np.linalg.norm(every[:, None] - points, axis=-1) < 6.0).any(axis=1)
    assert len(found) == len(names) == near.sum() > 10
    assert len(np.unique(np.round(found, 6), axis=0)) == len(found)


def test_expanded_positions_of_the_atoms_that_move():
    for relax in ("ions", "all"):
        cell = carbon_cell(HEXAGONAL, relax=relax)
        positions = cell.structure([[1.0, 2.0, 3.0]]).positions
        np.testing.assert_array_equal(cell.expanded(positions[None, cell.free]), positions[None])
