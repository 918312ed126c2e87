"""The Ewald potential against lattice sums known to twelve digits, VERIFICATION §1."""

import numpy as np
import pytest
from pymatgen.analysis.ewald import EwaldSummation
from pymatgen.core import Lattice as CrystalLattice
from pymatgen.core import Structure

from lattice import ewald
from lattice.ewald import EwaldPotential, coincident_pairs
from structures.errors import InputError
from structures.units import COULOMB

TRICLINIC = np.array([[5.1, 0.0, 0.0], [1.9, 6.3, 0.0], [-2.2, 1.4, 4.4]])
TENSOR = np.array([[12.0, 1.5, -0.5], [1.5, 4.0, 0.8], [-0.5, 0.8, 2.0]])


@pytest.mark.parametrize(
    ("point", "psi"),
    [
        ((0, 0, 0), -2.837297479481),
        ((1 / 2, 0, 0), -0.095932304940),
        ((1 / 2, 1 / 2, 0), -0.582521531544),
        ((1 / 2, 1 / 2, 1 / 2), -0.801935970028),
        ((1 / 4, 0, 0), 1.305934570507),
        ((1 / 3, 1 / 3, 1 / 3), -0.593485439181),
    ],
)
def test_potential_in_a_cube(point, psi):
    """psi scales as 1/L."""
    assert EwaldPotential(np.eye(3)).at(np.array([point]))[0] == pytest.approx(psi, abs=1e-12)
    assert EwaldPotential(7 * np.eye(3)).at(np.array([point]))[0] == pytest.approx(psi / 7, abs=1e-12)


@pytest.mark.parametrize(
    ("cations", "anions", "nearest", "madelung"),
    [
        ([(0, 0, 0), (0, 0.5, 0.5), (0.5, 0, 0.5), (0.5, 0.5, 0)], (0.5, 0.5, 0.5), 0.5, 1.747564594633),
        ([(0, 0, 0)], (0.5, 0.5, 0.5), np.sqrt(3) / 2, 1.762674773071),
        ([(0, 0, 0), (0, 0.5, 0.5), (0.5, 0, 0.5), (0.5, 0.5, 0)], (0.25, 0.25, 0.25), np.sqrt(3) / 4, 1.638055053389),
    ],
    ids=["NaCl", "CsCl", "zincblende"],
)
@pytest.mark.parametrize("repeats", [(1, 1, 1), (2, 1, 3)])
def test_madelung_constants(cations, anions, nearest, madelung, repeats):
    """Energy per ion pair is -M/r0, from the table of the cell and of any supercell."""
    frac = np.concatenate([cations, np.add(cations, anions)])
    charge = np.repeat([1.0, -1.0], len(cations))
    psi = EwaldPotential(5.0 * np.diag(repeats)).table(frac, repeats)
    energy = 0.5 * np.einsum("a,aijkb,b->", charge, psi, charge) / len(cations)
    assert energy == pytest.approx(-madelung / (5.0 * nearest), abs=1e-12)


def test_any_triclinic_cell_agrees_with_pymatgen():
    """Total energy of random neutral charges in a skewed cell, in eV."""
    rng = np.random.default_rng(5)
    frac, charge = rng.random((6, 3)), np.array([1.0, 2.0, -1.5, -0.5, 1.0, -2.0])
    psi = EwaldPotential(TRICLINIC).table(frac, (1, 1, 1))[:, 0, 0, 0, :]
    crystal = Structure(CrystalLattice(TRICLINIC), ["H"] * 6, frac, site_properties={"charge": charge})
    crystal.add_oxidation_state_by_site(charge.tolist())
    expected = EwaldSummation(crystal, acc_factor=20.0).total_energy
    assert 0.5 * charge @ psi @ charge * EwaldSummation.CONV_FACT == pytest.approx(expected, rel=1e-11)
    assert pytest.approx(EwaldSummation.CONV_FACT, rel=1e-8) == COULOMB


def test_the_table_is_the_potential_at_every_offset(monkeypatch):
    """psi[a, n, b] is psi at f_b + n - f_a; a pair the other way round has the same bits; threads change nothing."""
    repeats = (2, 3, 1)
    frac = np.random.default_rng(2).random((4, 3))
    potential = EwaldPotential(TRICLINIC * np.array(repeats)[:, None])
    monkeypatch.setattr(ewald, "available_cores", lambda: 2)
    psi = potential.table(frac, repeats)
    for n in np.ndindex(*repeats):
        back = tuple(-np.array(n) % repeats)
        for a in range(4):
            expected = potential.at((frac + n - frac[a]) / repeats)
            assert psi[(a, *n)] == pytest.approx(expected, abs=1e-12)
            assert (psi[(a, *n)] == psi[(slice(None), *back, a)]).all()
    monkeypatch.setattr(ewald, "available_cores", lambda: 1)
    assert (psi == potential.table(frac, repeats)).all()


def test_every_image_counts_in_a_long_thin_cell():
    """The potential does not depend on which of the equivalent cells describes the crystal."""
    skewed = np.array([[1.0, 0, 0], [3.0, 1.0, 0], [-2.0, 4.0, 1.0]])
    point = np.array([0.3, 0.1, 0.45])
    in_skewed = point @ np.linalg.inv(skewed)
    assert EwaldPotential(skewed).at(in_skewed[None])[0] == pytest.approx(
        EwaldPotential(np.eye(3)).at(point[None])[0], abs=1e-11
    )


def test_sites_that_coincide_lose_the_bare_coulomb_energy_of_their_pair():
    """Between sites 0.3 Å apart psi - 1/r is kept, which tends to psi(0) as they merge."""
    cell = 8.0 * np.eye(3)
    frac = np.array([[0.2, 0.2, 0.2], [0.2, 0.2, 0.2 + 0.3 / 8], [0.2, 0.2, 0.2]])
    potential = EwaldPotential(cell)
    psi = potential.table(frac, (1, 1, 1))[:, 0, 0, 0, :]
    assert psi[0, 1] == pytest.approx(potential.at(frac[1:2] - frac[0:1])[0] - 1 / 0.3, abs=1e-12)
    assert psi[0, 2] == pytest.approx(psi[0, 0], abs=1e-12)


def test_coincident_pairs_are_found_through_the_boundary():
    frac = np.array([[0.99, 0.5, 0.5], [0.01, 0.5, 0.5], [0.3, 0.5, 0.5]])
    found = {tuple(pair) for pair in coincident_pairs(frac, 5.0 * np.eye(3)).tolist()}
    assert found == {(0, 1, 1, 0, 0)}
    with pytest.raises(InputError, match="meets its"):
        coincident_pairs(frac, np.diag([0.4, 5.0, 5.0]))


def test_a_flat_cell_is_refused():
    with pytest.raises(ValueError, match="cell must span a volume"):
        EwaldPotential(np.array([[1.0, 0, 0], [0, 1.0, 0], [1.0, 1.0, 0]]))


def test_a_unit_tensor_times_a_number_is_that_number():
    points = np.random.default_rng(8).random((20, 3))
    vacuum = EwaldPotential(TRICLINIC).at(points)
    for eps in (10.0, [10.0] * 3, 10.0 * np.eye(3)):
        assert EwaldPotential(TRICLINIC, eps).at(points) == pytest.approx(vacuum / 10.0, abs=1e-13)


def test_the_potential_in_an_anisotropic_medium_against_plane_waves():
    """The same tensor from -∇·(eps ∇φ) = 4π(ρ - mean) wave by wave, φ_k = 4π/(V k·eps k), in the real cell.

    The charge is smeared to exp(-k·eps k/4a²), which is not seen beyond eps^(-1/2) r = 6/a but by the mean of φ.
    """
    points = np.array([[0.5, 0.5, 0.5], [0.3, 0.1, 0.4], [0.0, 0.45, 0.0], [0.21, -0.3, 0.4]])
    volume, a = np.linalg.det(TRICLINIC), 8.0
    reciprocal = 2 * np.pi * np.linalg.inv(TRICLINIC).T
    integers = np.stack(np.meshgrid(*[np.arange(-60, 61)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    k = integers[np.any(integers != 0, axis=1)] @ reciprocal
    square = np.einsum("ki,ij,kj->k", k, TENSOR, k)
    near = square < (12 * a) ** 2
    k, square = k[near], square[near]
    weight = 4 * np.pi / volume * np.exp(-square / (4 * a * a)) / square
    expected = np.cos(points @ TRICLINIC @ k.T) @ weight - np.pi / (a * a * volume)
    assert EwaldPotential(TRICLINIC, TENSOR).at(points) == pytest.approx(expected, abs=1e-11)


def test_a_rotated_cell_in_a_rotated_medium_has_the_same_potential():
    rotation = np.linalg.qr(np.random.default_rng(4).normal(size=(3, 3)))[0]
    frac = np.random.default_rng(6).random((4, 3))
    turned = EwaldPotential(TRICLINIC @ rotation.T, rotation @ TENSOR @ rotation.T).table(frac, (2, 1, 1))
    assert turned == pytest.approx(EwaldPotential(TRICLINIC, TENSOR).table(frac, (2, 1, 1)), abs=1e-12)


def test_a_charge_near_by_sees_the_bare_screened_charge():
    """psi - det(eps)^(-1/2)/|eps^(-1/2) r| tends to the potential of the images, in every direction."""
    potential = EwaldPotential(TRICLINIC, TENSOR)
    images = potential.at(np.zeros((1, 3)))[0]
    for vector in 1e-3 * np.eye(3):
        bare = 1 / np.sqrt(np.linalg.det(TENSOR) * vector @ np.linalg.inv(TENSOR) @ vector)
        found = potential.at((vector @ np.linalg.inv(TRICLINIC))[None])[0]
        assert found - bare == pytest.approx(images, abs=1e-6)


def test_sites_coincide_by_their_distance_and_not_by_their_screened_one():
    """Of two sites 0.45 and 0.6 Å away, 0.15 and 0.2 Å in the screened cell, only the first loses the bare energy."""
    frac = np.array([[0.1, 0.2, 0.3], [0.1 + 0.45 / 8, 0.2, 0.3], [0.1 + 0.6 / 8, 0.2, 0.3]])
    potential = EwaldPotential(8.0 * np.eye(3), [9.0, 4.0, 1.0])
    psi = potential.table(frac, (1, 1, 1))[0, 0, 0, 0]
    at = potential.at(frac - frac[0])
    assert psi[1] == pytest.approx(at[1] - 1 / np.sqrt(36.0) / (0.45 / 3), abs=1e-12)
    assert psi[2] == pytest.approx(at[2], abs=1e-12)
