"""Rigid ions of several beads and tensors of the permittivity, against sums over all images and finite differences."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from test_landscape import CUBIC_ROTATIONS, LI, TRICLINIC, crystal, four_atoms, potential_on_grid, rock_salt

from lattice.ewald import EwaldPotential
from lattice.landscape import compute_landscape
from lattice.orientations import closed_orientations
from lattice.probe import BeadTable, prepare_probe
from lattice.probe_kernels import BLOCKED, HOPELESS, TABLE_ERROR
from lattice.uff import uff_parameters
from structures.species import SHIPPED_SPECIES, Bead, Species
from structures.units import BOLTZMANN, COULOMB

BENT = Species(
    "bent+",
    1.0,
    20.0,
    contact_radius=1.0,
    source="test",
    beads=[
        Bead("A", (0.1, 0.0, 0.2), 0.7, 0.003, 2.4),
        Bead("B", (0.5, 0.3, -0.4), -0.2, 0.002, 2.0),
        Bead("H", (-0.6, -0.3, 0.2), 0.5, 0.0, 0.0),
    ],
)
CUTOFF = 8.0


def bead_energies(framework, species, positions, point, permittivity):
    """U of every orientation by sums over all images: psi of lattice/ewald.py, shifted Lennard-Jones terms."""
    psi = EwaldPotential(framework.cell)
    images = np.array(list(product(range(-4, 5), repeat=3)))
    epsilon, sigma = uff_parameters(framework.symbols)
    inverse = np.linalg.inv(framework.cell)
    energies = np.zeros(len(positions))
    for o, shape in enumerate(positions):
        for bead, place in zip(species.beads, shape, strict=True):
            frac = point + place @ inverse
            for n, atom in enumerate(framework.frac_coords):
                energies[o] += (
                    bead.charge * framework.charges[n] * COULOMB / permittivity * psi.at((frac - atom)[None])[0]
                )
                depth, size = np.sqrt(epsilon[n] * bead.lj_epsilon), 0.5 * (sigma[n] + bead.lj_sigma)
                r = np.linalg.norm((frac - atom + images) @ framework.cell, axis=1)
                s, edge = size / r[r < CUTOFF], size / CUTOFF
                value = s**12 - s**6 - (edge**12 - edge**6)
                value += (6 * edge**12 - 3 * edge**6) * ((r[r < CUTOFF] / CUTOFF) ** 2 - 1)
                energies[o] += 4 * depth * value.sum()
    return energies


def test_free_energy_is_the_boltzmann_mean_over_the_orientations():
    """F = -kT ln <exp(-U/kT)>, U from sums over all images; at every temperature."""
    framework = four_atoms()
    landscape = compute_landscape(framework, BENT, permittivity=4.0, spacing=0.5, cutoff=CUTOFF, orientations=60)
    turned = closed_orientations(BENT.beads, np.eye(3)[None], 60)
    assert landscape.n_orientations == len(turned.weights) == 60
    best = np.argsort(landscape.energy.ravel())[:400:100]
    points = np.stack(np.unravel_index(best, landscape.energy.shape), axis=1) / landscape.energy.shape
    for point, index in zip(points, best, strict=True):
        U = bead_energies(framework, BENT, turned.positions, point, 4.0)
        expected = {}
        for T in (150.0, 300.0, 900.0):
            kT = BOLTZMANN * T
            expected[T] = U.min() - kT * np.log((turned.weights * np.exp(-(U - U.min()) / kT)).sum())
        found = landscape.free_energy(point[None], list(expected))[:, 0]
        assert found == pytest.approx(list(expected.values()), abs=2e-7)
        assert landscape.energy.flat[index] == pytest.approx(expected[300.0], abs=2e-7)


def test_a_grid_from_a_table_of_bead_energies_errs_by_less_than_it_says():
    """Many orientations are read from the table; against all of them computed, at every point below the wall."""
    landscape = compute_landscape(four_atoms(), BENT, permittivity=4.0, spacing=0.3, cutoff=CUTOFF, orientations=100)
    points = np.indices(landscape.energy.shape).reshape(3, -1).T / landscape.energy.shape
    exact = landscape.free_energy(points, [300.0])[0]
    low = exact < landscape.wall
    error = np.abs(landscape.energy.ravel() - exact)[low]
    assert 0 < error.max() < 3 * TABLE_ERROR
    assert (landscape.energy.ravel()[~low] == landscape.wall).all()


def test_the_doubt_of_a_table_bounds_its_error():
    """Cubic Lagrange interpolation of waves in the middle of the cells, written out; cells inside an atom."""
    x = 2 * np.pi * np.stack(np.indices((24, 20, 28))) / np.array([24, 20, 28])[:, None, None, None]
    middle = x + np.pi / np.array([24, 20, 28])[:, None, None, None]
    waves = [0.1 * (np.sin(n * g[0]) + np.cos(g[1]) * np.sin(g[2])) for g in (x, middle) for n in (1, 2, 4)]
    table = BeadTable.of(np.array(waves[:3], np.float32))
    for grid, exact, doubt in zip(waves[:3], waves[3:], table.doubt, strict=True):
        found = grid
        for axis in range(3):
            found = sum(w * np.roll(found, 1 - k, axis) for k, w in enumerate((-1 / 16, 9 / 16, 9 / 16, -1 / 16)))
        error = np.abs(found - exact)
        assert (error < 1.1 * TABLE_ERROR * 2.0**doubt).all()
        assert error.max() > TABLE_ERROR * 2.0 ** (doubt.max() - 2.0)
    capped = np.zeros((1, 9, 9, 9), np.float32)
    capped[0, 3:5, 3:6, 8] = capped[0, 3:5, 3:6, 0] = HOPELESS
    assert np.argwhere(BeadTable.of(capped).doubt[0] == BLOCKED).tolist() == [[3, 3, 8], [3, 4, 8]]


def test_derivatives_of_the_free_energy():
    """<∇U> and <∇∇U> - cov(∇U)/kT against finite differences."""
    landscape = compute_landscape(
        four_atoms(), BENT, permittivity=4.0, spacing=0.5, cutoff=CUTOFF, orientations=60, temperature=900.0
    )
    points = np.argwhere(landscape.energy < landscape.energy.min() + 1.0)[::7][:25] / landscape.energy.shape + 0.01
    inverse, h = np.linalg.inv(TRICLINIC), 1e-4
    energy, gradient, hessian = landscape.derivatives(points)
    assert energy == pytest.approx(landscape.free_energy(points, [900.0])[0], abs=1e-10)
    for axis in range(3):
        up_energy, up_gradient, _ = landscape.derivatives(points + h * inverse[axis])
        down_energy, down_gradient, _ = landscape.derivatives(points - h * inverse[axis])
        assert gradient[:, axis] == pytest.approx((up_energy - down_energy) / (2 * h), rel=1e-5, abs=1e-5)
        assert hessian[:, axis] == pytest.approx((up_gradient - down_gradient) / (2 * h), rel=1e-4, abs=1e-3)
    assert hessian == pytest.approx(hessian.transpose(0, 2, 1), rel=1e-9, abs=1e-9)


def test_the_average_has_the_symmetry_of_the_crystal():
    """An ion without any symmetry in rock salt: symmetric points have one energy off the grid too."""
    landscape = compute_landscape(rock_salt(), BENT, permittivity=5.0, spacing=0.5, cutoff=6.0, orientations=100)
    point = np.array([0.21, 0.33, 0.06])
    images = np.concatenate([CUBIC_ROTATIONS @ point, CUBIC_ROTATIONS @ point + [0.5, 0.5, 0.0]])
    energy, gradient, _ = landscape.derivatives(images)
    assert energy == pytest.approx(energy[0], abs=1e-9)
    assert np.linalg.norm(gradient, axis=1) == pytest.approx(np.linalg.norm(gradient[0]), rel=1e-8)
    n = landscape.energy.shape[0]
    assert landscape.energy.transpose(1, 2, 0) == pytest.approx(landscape.energy, abs=1e-12)
    assert np.roll(landscape.energy, (n // 2, n // 2, 0), (0, 1, 2)) == pytest.approx(landscape.energy, abs=1e-12)


def test_a_molecule_of_one_place_is_the_single_bead():
    """Two beads on top of each other, half a charge each: every orientation is the same ion of one bead."""
    framework = four_atoms()
    point = [(0.0, 0.0, 0.0)] * 2
    halves = [Bead(name, place, 0.5, e, 2.2) for name, place, e in zip("AB", point, (0.003, 0.0), strict=True)]
    double = Species("double+", 1.0, 7.0, contact_radius=1.0, source="test", beads=halves)
    single = Species("single+", 1.0, 7.0, 0.003, 2.2, 1.0, "test")
    grids = [compute_landscape(framework, ion, permittivity=5.0, spacing=0.5).energy for ion in (double, single)]
    assert grids[0] == pytest.approx(grids[1], abs=1e-10)


def test_contact_energy_is_the_repulsion_of_the_best_orientations():
    framework = four_atoms()
    landscape = compute_landscape(framework, LI, permittivity=5.0, spacing=0.5, cutoff=5.0)
    point = np.array(np.unravel_index(landscape.energy.argmin(), landscape.energy.shape)) / landscape.energy.shape
    psi = EwaldPotential(TRICLINIC)
    electric = sum(
        q * COULOMB / 5.0 * psi.at((point - atom)[None])[0]
        for q, atom in zip(framework.charges, framework.frac_coords, strict=True)
    )
    # the terms within 5 Å, without the shift of the cut-off
    lennard_jones = landscape.energy.min() - electric
    assert landscape.contact_energy(point) == pytest.approx(lennard_jones, abs=0.02)


def test_a_scalar_is_a_tensor():
    """eps_r times the unit matrix, through the code for tensors, which knows no shortcut: 1e-10 eV."""
    framework = four_atoms()
    turned = closed_orientations(LI.beads, np.eye(3)[None])
    points = np.random.default_rng(5).random((200, 3))
    scalar, tensor = (
        prepare_probe(framework, LI, np.asarray(eps), 8.0, turned).derivatives(points, 300.0)
        for eps in (np.diag([6.0, 6.0, 6.0]), np.diag([6.0, 6.0, 6.0 + 1e-13]))
    )
    low = scalar[0] < 5.0
    assert tensor[0][low] == pytest.approx(scalar[0][low], abs=1e-10)
    exact = potential_on_grid(framework, (12, 15, 18), [4.0, 6.0, 9.0])
    ion = Species("q", 1.0, 1.0, 0.0, 2.0, 1.0, "test")
    found = compute_landscape(framework, ion, permittivity=[4.0, 6.0, 9.0], spacing=0.4)
    energy, _, _ = found.derivatives(np.indices(exact.shape).reshape(3, -1).T / exact.shape)
    gap = np.indices(exact.shape).reshape(3, -1).T[:, None] / exact.shape - framework.frac_coords
    away = (np.linalg.norm((gap - np.rint(gap)) @ TRICLINIC, axis=2) > 0.5).all(axis=1)  # of the cores
    assert energy[away] == pytest.approx(exact.ravel()[away], abs=1e-6)


def test_tensor_against_the_sum_over_a_block_of_rock_salt():
    """phi = Σ q / sqrt(det eps · r·eps^-1 r), Evjen's weights at the faces of the block: no moment up to the second.

    H. M. Evjen, Phys. Rev. 39, 675 (1932).
    """
    epsilon = np.array([[4.0, 1.0, 0.0], [1.0, 6.0, -0.5], [0.0, -0.5, 9.0]])
    framework = rock_salt()
    ion = Species("q", 1.0, 1.0, 0.0, 2.0, 1.0, "test")
    landscape = compute_landscape(framework, ion, permittivity=epsilon, spacing=0.5)
    corner = landscape.energy[1, 2, 3], landscape.derivatives(np.array([[1, 2, 3]]) / landscape.energy.shape)[0][0]
    assert corner[0] == pytest.approx(corner[1], abs=1e-9)  # cubic operations do not keep the tensor
    half, N = 2.8, 24
    index = np.arange(-N, N + 1)
    weight = np.where(np.abs(index) == N, 0.5, 1.0)
    places = np.stack(np.meshgrid(index, index, index, indexing="ij"), axis=-1).reshape(-1, 3)
    charges = (-1.0) ** places.sum(axis=1) * np.einsum("i,j,k->ijk", weight, weight, weight).ravel()
    for point in np.array([[0.9, 1.1, 1.3], [1.4, 1.4, 1.4], [0.3, 1.9, 0.8]]):
        r = point - places * half
        phi = (charges / np.sqrt(np.linalg.det(epsilon) * np.einsum("ni,ij,nj->n", r, np.linalg.inv(epsilon), r))).sum()
        energy, gradient, _ = landscape.derivatives((point / 5.6)[None])
        assert energy[0] == pytest.approx(COULOMB * phi, abs=1e-6)
        step = 1e-4 * np.eye(3)[0]
        up, down = (landscape.derivatives(((point + s) / 5.6)[None])[0][0] for s in (step, -step))
        assert gradient[0, 0] == pytest.approx((up - down) / 2e-4, rel=1e-5)


def test_a_supercell_has_the_same_energies():
    framework = four_atoms()
    double = crystal(
        TRICLINIC * [[2], [1], [1]],
        framework.symbols * 2,
        np.concatenate([(framework.frac_coords + np.array([n, 0, 0])) / [2, 1, 1] for n in (0, 1)]),
        np.tile(framework.charges, 2),
    )
    points = np.random.default_rng(8).random((200, 3))
    one, two = (compute_landscape(f, LI, permittivity=3.0, spacing=0.5) for f in (framework, double))
    energy = one.derivatives(points)[0]
    low = energy < 5.0
    assert two.derivatives(points / [2, 1, 1])[0][low] == pytest.approx(energy[low], abs=2e-7)


@pytest.mark.parametrize("name", ["rigid-PF6-", "rigid-Me2NH2+"])
def test_shipped_molecules_have_finite_energies(name):
    framework = crystal(9.0 * np.eye(3), ("Zn", "O"), [[0, 0, 0], [0.22, 0, 0]], (1.0, -1.0))
    landscape = compute_landscape(framework, SHIPPED_SPECIES[name], permittivity=10.0, spacing=0.9, orientations=60)
    assert np.isfinite(landscape.energy).all()
    assert landscape.energy.max() == landscape.wall
    assert landscape.energy.min() < 0.0
    assert "orientations" in landscape.notes[0]
