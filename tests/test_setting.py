"""The chosen setting of centred space groups: its operations map its atoms, in the primitive cell too."""

import warnings

import numpy as np
import pytest
import spglib
from scipy.spatial import cKDTree

from structures.symmetry import symmetrise

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    TYPES = [spglib.get_spacegroup_type(hall) for hall in range(1, 531)]
RHOMBOHEDRAL = (146, 148, 155, 160, 161, 166, 167)
CENTRED = (5, 8, 9, 12, 15, 20, 21, 35, 38, 41, 63, 65, 67, 70, 72, *RHOMBOHEDRAL, 214, 225, 227)


def random_crystal(number: int, seed: int):
    """Three general orbits in a cell that the group allows: cell, fractional coordinates, kinds."""
    halls = [h for h, kind in enumerate(TYPES, 1) if kind.number == number]
    if number in RHOMBOHEDRAL:
        halls = [h for h in halls if TYPES[h - 1].choice == "H"]
    operations = spglib.get_symmetry_from_database(halls[0])
    rng = np.random.default_rng(1000 * seed + number)
    metric = rng.normal(size=(3, 3))
    metric = metric @ metric.T + 9.0 * np.eye(3)
    metric = np.mean([r.T @ metric @ r for r in operations["rotations"]], axis=0)
    orbits = [(operations["rotations"] @ x + operations["translations"]) % 1.0 for x in rng.random((3, 3))]
    return 4.0 * np.linalg.cholesky(metric), np.vstack(orbits), np.repeat(np.arange(3), [len(o) for o in orbits])


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("choice", ["conventional", "primitive"])
@pytest.mark.parametrize("number", CENTRED)
def test_operations_map_the_atoms_and_the_density_stays(number, choice):
    cell, frac, kinds = random_crystal(number, seed=1)
    crystal = symmetrise(cell, frac, kinds, choice=choice)
    tree = cKDTree(crystal.frac_coords % 1.0, boxsize=1.0)
    for rotation, translation in zip(crystal.rotations, crystal.translations, strict=True):
        distance, index = tree.query((crystal.frac_coords @ rotation.T + translation) % 1.0)
        assert distance.max() < 1e-6
        assert (crystal.kinds[index] == crystal.kinds).all()
    before, after = len(frac) / np.linalg.det(cell), len(crystal.kinds) / np.linalg.det(crystal.cell)
    assert after == pytest.approx(before, rel=1e-6)
