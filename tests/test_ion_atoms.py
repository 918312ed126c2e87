"""Atoms of the mobile ions."""

import numpy as np
import pytest
from ase.build import molecule
from ase.io import write
from lattices import ion

from lattice.ion_atoms import ion_atoms, roomiest_orientation
from structures.errors import InputError
from structures.species import SHIPPED_SPECIES


def test_a_metal_ion_is_one_atom_of_its_element():
    for name in ("Li+", "Mg2+", "Zn2+"):
        atoms = ion_atoms(SHIPPED_SPECIES[name])
        assert atoms.symbols == (name[:2],)
        assert atoms.charges.sum() == SHIPPED_SPECIES[name].charge


@pytest.mark.parametrize("name", sorted(SHIPPED_SPECIES))
def test_every_shipped_ion_has_atoms_that_make_up_its_mass_and_charge(name):
    species = SHIPPED_SPECIES[name]
    atoms = ion_atoms(species)
    assert atoms.masses.sum() == pytest.approx(species.mass, abs=0.1)
    assert atoms.charges.sum() == pytest.approx(species.charge)
    np.testing.assert_allclose(atoms.centre(atoms.positions), 0, atol=1e-12)


def test_dimethylammonium_has_bonds_of_the_right_length():
    """N-H 1.01 to 1.03, C-H 1.09, N-C 1.46 Å; all other distances are longer than 1.55 Å."""
    atoms = ion_atoms(SHIPPED_SPECIES["Me2NH2+"])
    assert sorted(atoms.symbols) == [*"CC", *"HHHHHHHH", "N"]
    distance = np.linalg.norm(atoms.positions[:, None] - atoms.positions, axis=-1)
    pairs = sorted(
        (distance[i, j], "".join(sorted(atoms.symbols[i] + atoms.symbols[j]))) for i in range(11) for j in range(i)
    )
    assert [kind for _, kind in pairs[:10]] == ["HN"] * 2 + ["CH"] * 6 + ["CN"] * 2
    assert pairs[10][0] > 1.55


def test_atoms_from_a_file(tmp_path):
    write(tmp_path / "ion.xyz", molecule("NH3"))
    atoms = ion_atoms(ion("bead+"), tmp_path / "ion.xyz")
    assert atoms.symbols == ("N", "H", "H", "H")
    np.testing.assert_allclose(atoms.centre(atoms.positions), 0, atol=1e-12)


def test_unknown_atoms_are_asked_for(tmp_path):
    with pytest.raises(InputError, match=r"--ion-atoms bead\+=FILE.xyz"):
        ion_atoms(ion("bead+"))
    with pytest.raises(InputError, match="does not exist"):
        ion_atoms(ion("bead+"), tmp_path / "none.xyz")
    (tmp_path / "bad.xyz").write_text("not a number\n")
    with pytest.raises(InputError, match=r"bad.xyz raises") as refusal:
        ion_atoms(ion("bead+"), tmp_path / "bad.xyz")
    assert "\n" not in str(refusal.value)


def test_a_linear_ion_lies_down_between_two_plates(tmp_path):
    """Two carbon atoms above and below: an N2 stick turns to the plane between them."""
    write(tmp_path / "ion.xyz", molecule("N2"))
    atoms = ion_atoms(ion("bead+"), tmp_path / "ion.xyz")
    plates = np.array([[0.0, 0.0, 1.8], [0.0, 0.0, -1.8]])
    placed = roomiest_orientation(atoms, np.zeros(3), plates, np.full(2, 0.76))
    along = placed[1] - placed[0]
    assert abs(along[2]) < 0.2 * np.linalg.norm(along)
    np.testing.assert_allclose(np.linalg.norm(along), np.linalg.norm(atoms.positions[1] - atoms.positions[0]))
