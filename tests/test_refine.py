"""Newton refinement on energies whose stationary points are known, and on an Ewald plus Lennard-Jones landscape."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
import pytest
from scipy.ndimage import minimum_filter

from lattice.landscape import compute_landscape
from lattice.refine import refine
from structures.framework import Framework
from structures.species import SHIPPED_SPECIES

STEP = 2 * np.pi / 48


@dataclass
class Cosines:
    """E = -Σ a_i cos(x_i - s_i) in a cube of 2 pi Å; stationary where every x_i - s_i is 0 or pi."""

    amplitude: np.ndarray
    shift: np.ndarray
    cell = 2 * np.pi * np.eye(3)

    def derivatives(self, frac):
        angle = frac @ self.cell - self.shift
        hessian = np.zeros((len(angle), 3, 3))
        hessian[:, range(3), range(3)] = self.amplitude * np.cos(angle)
        return -(self.amplitude * np.cos(angle)).sum(axis=1), self.amplitude * np.sin(angle), hessian


ISOTROPIC = Cosines(np.ones(3), np.zeros(3))
ANISOTROPIC = Cosines(np.array([0.25, 0.5, 1.0]), np.array([0.013, 0.29, 0.171]))


def around(points, radius, n=30):
    """Guesses at a distance `radius` (Å) in random directions."""
    rng = np.random.default_rng(5)
    direction = rng.normal(size=(len(points) * n, 3))
    direction *= radius / np.linalg.norm(direction, axis=1)[:, None]
    return np.repeat(points, n, axis=0), direction


@pytest.mark.parametrize("surface", [ISOTROPIC, ANISOTROPIC])
@pytest.mark.parametrize("steps", [0.0, 0.5, 1.5])
def test_minima_and_saddles_of_cosines(surface, steps):
    """Minimum -Σ a; index-1 saddles -Σ a + 2 a_i: -1 three times, or -1.25, -0.75 and 0.25."""
    minimum, energy, ok = refine(surface, surface.shift[None] / (2 * np.pi) + steps * STEP / 2 / np.pi, 0, 3 * STEP)
    assert ok.all()
    assert energy == pytest.approx(-surface.amplitude.sum(), abs=1e-9)
    assert minimum[0] * 2 * np.pi == pytest.approx(surface.shift, abs=1e-6)

    exact = surface.shift + np.pi * np.eye(3)
    points, offset = around(exact, steps * STEP)
    saddle, energy, ok = refine(surface, (points + offset) / (2 * np.pi), 1, 3 * STEP)
    assert ok.all()
    assert saddle * 2 * np.pi == pytest.approx(points, abs=1e-6)
    assert energy == pytest.approx(np.repeat(2 * surface.amplitude - surface.amplitude.sum(), 30), abs=1e-9)


def test_points_stay_near_their_guess_and_are_not_wrapped():
    image = np.array([[3.0, -2.0, 5.0]])
    frac, _, ok = refine(ISOTROPIC, image + 0.01, 0, 0.5)
    assert ok.all()
    assert frac == pytest.approx(image, abs=1e-7)


@pytest.mark.parametrize(
    ("guess", "index", "reason"),
    [
        ([np.pi, np.pi, np.pi], 0, "a maximum: the gradient vanishes, the Hessian has index 3"),
        ([np.pi, 0.0, 0.0], 0, "a saddle"),
        ([0.0, 0.0, 0.0], 1, "a minimum"),
        ([np.pi, np.pi, 0.0], 1, "a point of index 2"),
        ([1.0, 0.0, 0.0], 0, "a minimum farther than max_move"),
        ([np.pi - 1.0, 0.0, 0.0], 1, "a saddle farther than max_move"),
    ],
)
def test_what_is_rejected(guess, index, reason):
    _, _, ok = refine(ISOTROPIC, np.array([guess]) / (2 * np.pi), index, 0.5)
    assert not ok.any(), reason


def test_good_and_bad_guesses_do_not_disturb_each_other():
    guesses = np.array([[0.1, 0.0, 0.0], [np.pi, 0.0, 0.0], [-0.05, 0.1, 0.02]]) / (2 * np.pi)
    frac, energy, ok = refine(ISOTROPIC, guesses, 0, 0.5)
    assert ok.tolist() == [True, False, True]
    for k in range(3):
        alone = refine(ISOTROPIC, guesses[k : k + 1], 0, 0.5)
        assert np.array_equal(alone[0][0], frac[k])
        assert alone[1][0] == energy[k]


def test_no_guesses():
    frac, energy, ok = refine(ISOTROPIC, np.empty((0, 3)), 1, 0.5)
    assert (frac.shape, energy.shape, ok.shape) == ((0, 3), (0,), (0,))


def open_cube():
    """Charged oxygen and hydrogen atoms around an empty cube of 7.3 Å, without symmetry."""
    rng = np.random.default_rng(2)
    corners = np.array(list(product((0.0, 0.5), repeat=3))) + 0.03 * rng.normal(size=(8, 3))
    charges = np.array([-0.4, 0.4, 0.4, -0.4, 0.4, -0.4, -0.4, 0.4])
    symbols = tuple("O" if q < 0 else "H" for q in charges)
    return Framework("cube", 7.3 * np.eye(3), symbols, corners, charges, symbols, 1, 0.0, [np.eye(3)], [[0, 0, 0]], ())


def test_refined_minima_do_not_depend_on_the_grid():
    """Grids of 0.3 and 0.2 Å give the same minima to 1e-9 eV, though their lowest points differ by meV."""
    results = []
    for spacing in (0.3, 0.2):
        landscape = compute_landscape(open_cube(), SHIPPED_SPECIES["Li+"], permittivity=5.0, spacing=spacing)
        lowest = (landscape.energy == minimum_filter(landscape.energy, 3, mode="wrap")) & (landscape.energy < 0.5)
        guesses = np.argwhere(lowest) / landscape.energy.shape
        _, energy, ok = refine(landscape, guesses, 0, 2 * landscape.spacing)
        results.append((np.unique(np.round(energy[ok], 9)), landscape.energy.min()))
    (coarse, lowest_coarse), (fine, lowest_fine) = results
    assert coarse.min() == pytest.approx(fine.min(), abs=2e-9)
    assert abs(lowest_coarse - lowest_fine) > 1e-5
    assert np.isin(coarse, fine).mean() > 0.5


def test_saddles_of_a_landscape_are_found_from_a_grid_step_away():
    """35 saddles in 390 Å³: from 0.2 Å off in any direction more than nine searches in ten find theirs."""
    landscape = compute_landscape(open_cube(), SHIPPED_SPECIES["Li+"], permittivity=5.0, spacing=0.3)
    low = np.argwhere(landscape.energy < landscape.energy.min() + 0.6)[::7] / landscape.energy.shape
    frac, energy, ok = refine(landscape, low, 1, 1.5)
    _, first = np.unique(np.round(energy[ok], 6), return_index=True)
    saddles, energies = frac[ok][first], energy[ok][first]
    assert len(saddles) >= 3
    points, offset = around(saddles @ landscape.cell, 0.2, n=10)
    found, energy, ok = refine(landscape, (points + offset) @ np.linalg.inv(landscape.cell), 1, 0.6)
    same = ok & (np.abs(energy - np.repeat(energies, 10)) < 1e-9)
    assert same.mean() > 0.9
    assert np.linalg.norm(found[same] @ landscape.cell - points[same], axis=1).max() < 1e-4
