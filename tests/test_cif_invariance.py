"""One crystal, one framework: however it is turned, moved, repeated, cut or labelled."""

import gemmi
import numpy as np
import pytest
from ase import Atoms
from cifs import MOF5, same_framework
from pymatgen.core import Structure

from structures.cif import load_framework
from structures.source import read_source
from structures.symmetry import symmetrise


def rewritten(cell, frac, kinds, rng, *, repeat=(1, 1, 1)):
    """The same crystal in other axes of its lattice, turned, moved, repeated and in another order."""
    change = np.eye(3, dtype=int)[rng.permutation(3)]
    for _ in range(4):
        i, j = rng.choice(3, 2, replace=False)
        change[i] += rng.choice([-1, 1]) * change[j]
    if np.linalg.det(change) < 0:
        change = -change
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    turn *= np.linalg.det(turn)
    frac = frac @ np.linalg.inv(change) + rng.uniform(size=3)
    frac = np.vstack([(frac + shift) / repeat for shift in np.ndindex(*repeat)]) % 1
    order = rng.permutation(len(frac))
    repeated = np.tile(kinds, int(np.prod(repeat)))
    return (change @ cell @ turn) * np.array(repeat)[:, None], frac[order], repeated[order]


def atoms_of(framework):
    return Atoms(framework.symbols, scaled_positions=framework.frac_coords, cell=framework.cell, pbc=True)


def crystal_of_group(number, rng):
    """Two general positions of a space group in a random cell of its system."""
    operations = list(gemmi.find_spacegroup_by_number(number).operations())
    rotations = np.array([operation.rot for operation in operations]) / 24
    translations = np.array([operation.tran for operation in operations]) / 24
    axes = np.diag(rng.uniform(6, 9, 3)) + rng.normal(scale=0.8, size=(3, 3))
    metric = np.mean([r.T @ axes @ axes.T @ r for r in rotations], axis=0)
    cell = np.linalg.cholesky(metric)
    while True:
        frac = np.vstack([rotations @ rng.uniform(size=3) + translations for _ in range(2)]) % 1
        step = frac[:, None] - frac
        gap = np.linalg.norm((step - np.round(step)) @ cell, axis=-1) + 10 * np.eye(len(frac))
        if gap.min() > 0.1:  # not within the tolerance of a special position
            return cell, frac, np.repeat([0, 1], len(rotations))


def assert_one_setting(number, rng, trials):
    cell, frac, kinds = crystal_of_group(number, rng)
    for choice in ("conventional", "primitive"):
        first = symmetrise(cell, frac, kinds, choice=choice)
        for trial in range(trials):
            repeat = ((1, 1, 1), (2, 1, 1), (1, 1, 2))[trial % 3]
            again = symmetrise(*rewritten(cell, frac, kinds, rng, repeat=repeat), choice=choice)
            assert np.abs(again.cell - first.cell).max() < 1e-6
            assert (again.kinds == first.kinds).all()
            step = again.frac_coords[:, None] - first.frac_coords
            gap = np.linalg.norm((step - np.round(step)) @ first.cell, axis=-1)
            gap[again.kinds[:, None] != first.kinds] = np.inf
            assert gap.min(axis=1).max() < 1e-5
            assert len(again.rotations) == len(first.rotations)


@pytest.mark.parametrize("number", [1, 2, 4, 8, 14, 18, 36, 62, 76, 86, 91, 146, 155, 166, 176, 194, 205, 221])
def test_setting_does_not_depend_on_how_the_crystal_is_written(number):
    """Axes, origin and order of atoms of a space group are free within its normaliser; one of them is chosen."""
    assert_one_setting(number, np.random.default_rng(number), trials=2)


@pytest.mark.validation
def test_setting_of_every_space_group():
    rng = np.random.default_rng(230)
    for number in range(1, 231):
        assert_one_setting(number, rng, trials=2)


def test_mirror_images_are_told_apart():
    """P2_1 with two chiral arrangements: the hand of a crystal is not a matter of its setting."""
    cell, frac, kinds = crystal_of_group(4, np.random.default_rng(3))
    mirrored = symmetrise(cell, -frac, kinds, choice="conventional")
    first = symmetrise(cell, frac, kinds, choice="conventional")
    step = mirrored.frac_coords[:, None] - first.frac_coords
    assert np.linalg.norm((step - np.round(step)) @ first.cell, axis=-1).min(axis=1).max() > 0.1


def test_primitive_and_conventional_cell_are_one_crystal():
    """MOF-5: a quarter of the atoms, the same density, the same operations but for the centring."""
    whole, small = load_framework("mof5", charges=MOF5), load_framework("mof5", charges=MOF5, cell="primitive")
    assert (len(whole.symbols), len(small.symbols)) == (424, 106)
    assert (len(whole.rotations), len(small.rotations)) == (192, 48)
    assert whole.volume == pytest.approx(4 * small.volume)
    assert same_framework(whole, load_framework(atoms_of(small), charges=MOF5)) == ""


@pytest.mark.parametrize("repeat", [(1, 1, 1), (2, 1, 1)])
def test_rotation_translation_supercell_and_order_of_a_framework(repeat):
    framework = load_framework("mof5", charges=MOF5, cell="primitive")
    numbers = atoms_of(framework).numbers
    cell, frac, numbers = rewritten(
        framework.cell, framework.frac_coords, numbers, np.random.default_rng(7), repeat=repeat
    )
    atoms = Atoms(numbers=numbers, scaled_positions=frac, cell=cell, pbc=True)
    assert same_framework(framework, load_framework(atoms, charges=MOF5, cell="primitive")) == ""


@pytest.mark.parametrize("kind", ["atoms", "structure"])
def test_a_left_handed_cell_is_the_same_crystal(kind):
    """Axes may form a left-handed set: every atom stays where it is, and the crystal is not mirrored."""
    cell = np.array([[3.9, 0.0, 0.0], [0.0, 4.0, 0.0], [0.0, 0.3, -4.2]])
    frac = np.array([[0.0, 0.0, 0.0], [0.5, 0.02, 0.04], [0.03, 0.5, 0.0], [0.0, 0.05, 0.5]])
    left = Atoms("ZnO3", scaled_positions=frac, cell=cell, pbc=True)
    right = Atoms("ZnO3", positions=left.positions, cell=cell * [[1.0], [1.0], [-1.0]], pbc=True)
    source = left if kind == "atoms" else Structure(cell, ["Zn", "O", "O", "O"], frac)
    crystal = read_source(source).crystal
    assert np.linalg.det(crystal.cell) > 0
    step = (crystal.frac_coords @ crystal.cell - left.positions) @ np.linalg.inv(cell)
    assert np.abs(step - np.round(step)).max() < 1e-12
    charges = {"Zn": 0.6, "O": -0.2}
    framework = load_framework(source, charges=charges)
    assert same_framework(load_framework(right, charges=charges), framework) == ""
    mirrored = Atoms("ZnO3", scaled_positions=frac, cell=np.linalg.cholesky(cell @ cell.T), pbc=True)
    assert same_framework(load_framework(mirrored, charges=charges), framework)
    assert any("left-handed" in line for line in framework.provenance)


def test_computed_charges_of_a_supercell(tmp_path):
    """EQeq depends on the crystal alone: equal in the primitive cell, moved and turned, and in a double cell."""
    framework = load_framework("mof5", cell="primitive")
    cell, frac, numbers = rewritten(
        framework.cell, framework.frac_coords, atoms_of(framework).numbers, np.random.default_rng(8), repeat=(1, 2, 1)
    )
    atoms = Atoms(numbers=numbers, scaled_positions=frac, cell=cell, pbc=True)
    assert same_framework(framework, load_framework(atoms, cell="primitive")) == ""
