"""Energy of a probe ion: Ewald sums against exact values and an independent sum, Lennard-Jones against brute force."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from lattice import field_grid as field_grid_module
from lattice.ewald import EwaldPotential
from lattice.field_grid import grid_shape, smooth_potential
from lattice.landscape import compute_landscape
from lattice.uff import UFF, uff_parameters
from structures.errors import InputError
from structures.framework import Framework
from structures.species import SHIPPED_SPECIES, Species
from structures.units import COULOMB, KCAL_PER_MOL

LI = Species("Li+", 1.0, 6.94, 0.025 * KCAL_PER_MOL, 2.18, 0.76, "test")
TRICLINIC = np.array([[4.1, 0.0, 0.0], [1.1, 5.0, 0.0], [-0.7, 0.9, 6.2]])
IDENTITY = (np.eye(3, dtype=int)[None], np.zeros((1, 3)))
CUBIC_ROTATIONS = np.array(
    [
        np.diag(signs)[list(order)]
        for signs in product((1, -1), repeat=3)
        for order in ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))
    ]
)


def crystal(cell, symbols, frac, charges, symmetry=IDENTITY):
    charges = np.asarray(charges, dtype=float)
    return Framework(
        name="crystal",
        cell=cell,
        symbols=tuple(symbols),
        frac_coords=frac,
        charges=charges,
        atom_classes=tuple(symbols),
        formula_units=1,
        net_charge=float(charges.sum()),
        rotations=symmetry[0],
        translations=symmetry[1],
        provenance=(),
    )


def four_atoms():
    rng = np.random.default_rng(3)
    return crystal(TRICLINIC, ("Zn", "O", "C", "H"), rng.random((4, 3)), (1.3, -1.1, 0.2, -0.7))


def rock_salt():
    """Eight ions in a cube of 5.6 Å, face-centred."""
    half = np.array([(0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 0)]) / 2
    symmetry = (np.tile(CUBIC_ROTATIONS, (4, 1, 1)), np.repeat(half, len(CUBIC_ROTATIONS), axis=0))
    frac = np.concatenate([half, half + 0.5]) % 1.0
    return crystal(5.6 * np.eye(3), ["Na"] * 4 + ["Cl"] * 4, frac, [1.0] * 4 + [-1.0] * 4, symmetry)


def potential_on_grid(framework, shape, permittivity=1.0):
    """Φ(r) = k_e Σ q_j psi(r - r_j), with the psi of the engine's pair table: one convention for all ions, V."""
    points = np.indices(shape).reshape(3, -1).T / shape
    psi = EwaldPotential(framework.cell, permittivity)
    atoms = zip(framework.charges, framework.frac_coords, strict=True)
    return COULOMB * sum(charge * psi.at(points - atom) for charge, atom in atoms).reshape(shape)


@pytest.mark.parametrize("shape", [(6, 8, 10), (5, 7, 9), (3, 4, 2)])
def test_smooth_potential_is_the_sum_over_waves(shape):
    """Σ q erf(alpha r)/r = (4 pi/V) Σ exp(-k²/4 alpha²)/k² Σ q exp(ik·(r - r_j)), at the points of any grid."""
    framework, alpha = four_atoms(), 0.9
    h = np.array(list(product(range(-8, 9), repeat=3)))
    k2 = ((h @ np.linalg.inv(TRICLINIC).T * 2 * np.pi) ** 2).sum(axis=1)
    h, k2 = h[k2 > 0], k2[k2 > 0]
    gap = np.indices(shape).reshape(3, -1).T[:, None] / shape - framework.frac_coords
    waves = np.einsum("pah,a->ph", np.cos(2 * np.pi * gap @ h.T), framework.charges)
    expected = 4 * np.pi / framework.volume * waves @ (np.exp(-k2 / (4 * alpha**2)) / k2)
    expected -= np.pi * framework.charges.sum() / (alpha**2 * framework.volume)
    assert smooth_potential(framework, shape, alpha).ravel() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("spacing", [0.5, 0.37])
def test_energy_of_a_bare_charge_is_its_charge_times_the_screened_potential(spacing):
    """The landscape reads its smooth part from a mesh and adds near atoms; Ewald's sum splits in another way."""
    framework = four_atoms()
    charge_only = Species("q", -1.5, 1.0, 0.0, 2.0, 1.0, "test")
    landscape = compute_landscape(framework, charge_only, permittivity=2.0, spacing=spacing)
    exact = potential_on_grid(framework, landscape.energy.shape) * (-1.5 / 2.0)
    away = np.abs(exact) < 20.0
    points = np.argwhere(away) / exact.shape
    energy, _, _ = landscape.derivatives(points)
    assert energy == pytest.approx(exact[away], abs=2e-7)
    low = away & (exact < landscape.wall)
    assert landscape.energy[low] == pytest.approx(exact[low], abs=2e-7)


def test_lennard_jones_against_a_sum_over_all_images():
    """Lorentz-Berthelot, zero energy and zero force at a cut-off of several cells (Stoddard and Ford 1973)."""
    framework = crystal(TRICLINIC, ("Zn", "O"), [[0.1, 0.2, 0.3], [0.7, 0.6, 0.9]], [0.0, 0.0])
    cutoff = 9.0
    landscape = compute_landscape(framework, LI, permittivity=1.0, spacing=0.9, cutoff=cutoff, wall=100.0)
    epsilon, sigma = uff_parameters(framework.symbols)
    epsilon, sigma = np.sqrt(epsilon * LI.lj_epsilon), (sigma + LI.lj_sigma) / 2
    images = np.array(list(product(range(-6, 7), repeat=3)))
    for index in product(*(range(n) for n in landscape.energy.shape)):
        expected = 0.0
        for atom in range(2):
            delta = (np.array(index) / landscape.energy.shape - framework.frac_coords[atom] + images) @ TRICLINIC
            r = np.linalg.norm(delta, axis=1)
            s, at_cutoff = sigma[atom] / r[r < cutoff], sigma[atom] / cutoff
            value = s**12 - s**6 - (at_cutoff**12 - at_cutoff**6)
            slope = -6 * at_cutoff**12 + 3 * at_cutoff**6  # d/d(r/cutoff)², force zero
            value -= slope * ((r[r < cutoff] / cutoff) ** 2 - 1)
            expected += 4 * epsilon[atom] * value.sum()
        assert landscape.energy[index] == pytest.approx(min(expected, 100.0), abs=1e-8)


def test_gradient_and_hessian_against_finite_differences():
    landscape = compute_landscape(four_atoms(), LI, permittivity=3.0, spacing=0.5, cutoff=8.0)
    rng = np.random.default_rng(0)
    points = rng.random((400, 3))
    points = points[landscape.derivatives(points)[0] < landscape.wall][:40]
    to_frac = np.linalg.inv(TRICLINIC)
    h = 1e-4
    _, gradient, hessian = landscape.derivatives(points)
    for axis in range(3):
        shift = h * to_frac[axis]
        up_energy, up_gradient, _ = landscape.derivatives(points + shift)
        down_energy, down_gradient, _ = landscape.derivatives(points - shift)
        assert gradient[:, axis] == pytest.approx((up_energy - down_energy) / (2 * h), rel=1e-5, abs=1e-5)
        assert hessian[:, axis] == pytest.approx((up_gradient - down_gradient) / (2 * h), rel=1e-4, abs=1e-4)


def test_energy_is_periodic():
    landscape = compute_landscape(four_atoms(), LI, permittivity=3.0, spacing=0.6)
    points, images = np.random.default_rng(1).random((20, 3)), np.array([3, -2, 7])
    for one, other in zip(landscape.derivatives(points), landscape.derivatives(points + images), strict=True):
        assert other == pytest.approx(one, rel=1e-9, abs=1e-9)


def test_equivalent_grid_points_have_equal_energies():
    """The grid is commensurate with the space group: the permuted and shifted grid is the grid."""
    landscape = compute_landscape(rock_salt(), LI, permittivity=5.0, spacing=0.3)
    energy, n = landscape.energy, landscape.energy.shape[0]
    assert energy.transpose(1, 2, 0) == pytest.approx(energy, abs=1e-9)
    assert np.roll(energy, (n // 2, n // 2, 0), (0, 1, 2)) == pytest.approx(energy, abs=1e-9)


def test_energies_do_not_depend_on_the_number_of_threads(monkeypatch):
    results = []
    for threads in (1, 3):
        monkeypatch.setattr(field_grid_module, "available_cores", lambda n=threads: n)
        results.append(compute_landscape(four_atoms(), LI, permittivity=5.0, spacing=0.4).energy)
    assert np.array_equal(*results)


def test_a_fine_grid_of_one_bead_is_exact():
    """A table of bead energies saves nothing where one bead is all there is, however many points the grid has."""
    landscape = compute_landscape(four_atoms(), LI, permittivity=5.0, spacing=0.11)
    shape = landscape.energy.shape
    points = np.random.default_rng(0).integers(0, shape, (500, 3))
    exact = landscape.derivatives(points / shape)[0]
    assert landscape.energy[tuple(points.T)] == pytest.approx(np.minimum(exact, landscape.wall), abs=1e-12)


def test_the_wall_caps_the_grid_and_nothing_else():
    landscape = compute_landscape(four_atoms(), LI, permittivity=5.0, spacing=0.4, wall=2.0)
    assert landscape.energy.max() == 2.0
    assert landscape.energy.min() < 2.0
    on_an_atom, _, _ = landscape.derivatives(four_atoms().frac_coords)
    assert (on_an_atom > 1e3).all()
    assert not landscape.energy.flags.writeable


@pytest.mark.parametrize(
    ("lengths", "spacing", "symmetry", "expected"),
    [
        ((1.0, 2.0, 3.0), 0.1, IDENTITY, (10, 20, 30)),
        ((1.1, 2.2, 3.3), 0.1, IDENTITY, (12, 24, 35)),  # 11, 22 and 33 have the prime factor 11
        ((5.6, 5.6, 5.6), 0.2, (CUBIC_ROTATIONS, np.zeros((48, 3))), (28, 28, 28)),
        ((5.0, 5.0, 8.0), 0.2, ([[[0, -1, 0], [1, -1, 0], [0, 0, 1]]], [[0, 0, 1 / 3]]), (25, 25, 42)),
        ((5.0, 5.0, 5.0), 0.2, ([np.eye(3)] * 2, [[0, 0, 0], [0.25, 0.5, 0.7391]]), (28, 28, 25)),
    ],
)
def test_grid_shape(lengths, spacing, symmetry, expected):
    """Mixed axes agree, translations are whole steps, an arbitrary origin is left out, primes are at most 7."""
    framework = crystal(np.diag(lengths), ("H",), [[0.0, 0.0, 0.0]], [0.0], symmetry)
    assert grid_shape(framework, spacing) == expected


def test_uff_parameters():
    """Table 1 of Rappé et al. (1992): x_I = 2^(1/6) sigma."""
    epsilon, sigma = uff_parameters(("Zn", "O"))
    assert epsilon == pytest.approx(np.array([0.124, 0.060]) * KCAL_PER_MOL)
    assert sigma * 2 ** (1 / 6) == pytest.approx([2.763, 3.5])
    assert len(UFF) == 103


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"permittivity": 0.0}, "permittivity must lie between 1 and 10000 in every direction; got 0"),
        ({"temperature": 0.0}, "temperature must be positive; got 0"),
        ({"orientations": 0}, "orientations must be at least 1; got 0"),
        ({"spacing": -0.2}, "spacing must be positive; got -0.2"),
        ({"cutoff": float("nan")}, "cutoff must be positive; got nan"),
    ],
)
def test_numbers_out_of_range(change, message):
    with pytest.raises(InputError, match=message):
        compute_landscape(four_atoms(), LI, **({"permittivity": 5.0, "spacing": 0.5} | change))


def test_an_element_without_parameters():
    framework = crystal(TRICLINIC, ("X",), [[0.0, 0.0, 0.0]], [0.0])
    with pytest.raises(InputError, match=r"element must be one of the force field UFF .* got X"):
        compute_landscape(framework, LI, permittivity=5.0)


def test_orientation_error_is_the_change_of_energy_differences():
    """Against five times as many orientations, evaluated by a second landscape; it shrinks with their number."""
    ion = SHIPPED_SPECIES["rigid-Me2NH2+"]
    settings = {"permittivity": 4.0, "spacing": 1.0}
    points = np.random.default_rng(5).random((200, 3))
    coarse, fine, finest = (compute_landscape(rock_salt(), ion, orientations=n, **settings) for n in (60, 300, 600))
    points = points[np.argsort(fine.free_energy(points, [300.0])[0])[:20]]
    change = (fine.free_energy(points, [300.0]) - coarse.free_energy(points, [300.0]))[0]
    error = coarse.orientation_error(points)
    assert error == pytest.approx(change.max() - change.min(), abs=1e-9)
    assert 0 < finest.orientation_error(points) < error


def test_an_ion_of_one_bead_has_no_orientation_error():
    landscape = compute_landscape(four_atoms(), LI, permittivity=4.0, spacing=1.0)
    assert landscape.orientation_error([[0.1, 0.2, 0.3], [0.5, 0.5, 0.5]]) == 0.0
