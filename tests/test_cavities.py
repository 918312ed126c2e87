"""Pore geometry against spheres that are known in closed form, and MOF-5 against the literature."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lattice.cavities import (
    PROBE_RADIUS,
    accessible_volume,
    largest_cavity,
    limiting_diameter,
    surface_distance,
    van_der_waals_radii,
)
from structures.cif import load_framework
from structures.errors import InputError
from structures.framework import Framework
from structures.library import library_cif

CARBON = 1.70  # Å, Bondi
HYDROGEN = 1.20  # Å


def crystal(cell, symbols, frac):
    n = len(symbols)
    return Framework(
        "crystal", cell, tuple(symbols), frac, np.zeros(n), tuple(symbols), 1, 0.0, [np.eye(3)], [[0, 0, 0]], ()
    )


HEXAGONAL = np.array([[6.0, 0.0, 0.0], [-3.0, 3.0 * math.sqrt(3.0), 0.0], [0.0, 0.0, 7.0]])


@pytest.mark.parametrize(
    ("framework", "distance"),
    [
        (crystal(8.0 * np.eye(3), "C", [[0.1, 0.2, 0.3]]), 4.0 * math.sqrt(3.0)),
        (crystal(40.0 * np.eye(3), "C", [[0.1, 0.2, 0.3]]), 20.0 * math.sqrt(3.0)),
        (crystal(HEXAGONAL, "C", [[0.0, 0.0, 0.0]]), math.sqrt(6.0**2 / 3.0 + 7.0**2 / 4.0)),
        (crystal(10.0 * (1 - np.eye(3)) / 2, "C", [[0.0, 0.0, 0.0]]), 5.0),
    ],
    ids=["cubic", "wide", "hexagonal", "fcc primitive cell"],
)
def test_largest_sphere_between_equal_atoms(framework, distance):
    """Its centre is the deepest hole of the lattice, off the grid."""
    spacing = 1.0 if framework.volume > 1e4 else 0.3
    assert largest_cavity(framework, spacing=spacing) == pytest.approx(2.0 * (distance - CARBON), abs=1e-6)


def test_largest_sphere_between_unequal_atoms():
    """Between square layers of C and of H, 3 Å wide and 4.5 Å apart, it touches four atoms of both.

    A sphere of radius R at height z above the C layer: (R + 1.7)² = 4.5 + z², (R + 1.2)² = 4.5 + (4.5 - z)².
    """
    framework = crystal(np.diag([3.0, 3.0, 9.0]), "CH", [[0.0, 0.0, 0.0], [0.0, 0.0, 0.5]])
    z = np.linspace(1.0, 4.0, 3_000_001)
    radius = np.minimum(np.sqrt(4.5 + z**2) - CARBON, np.sqrt(4.5 + (4.5 - z) ** 2) - HYDROGEN).max()
    assert largest_cavity(framework, spacing=0.3) == pytest.approx(2.0 * radius, abs=1e-5)


def test_largest_sphere_beats_every_grid_point_of_a_disordered_crystal():
    rng = np.random.default_rng(4)
    framework = crystal(np.array([[7.0, 0, 0], [2.0, 8.0, 0], [-1.0, 1.5, 9.0]]), "CHOCHO", rng.random((6, 3)))
    diameter = largest_cavity(framework, spacing=0.4)
    best = surface_distance(framework, van_der_waals_radii(framework.symbols), 0.1).max()
    assert 2.0 * best <= diameter + 1e-6
    assert diameter <= 2.0 * (best + 0.05 * math.sqrt(3.0))


@pytest.mark.parametrize(
    ("framework", "window"),
    [
        (crystal(8.0 * np.eye(3), "C", [[0.1, 0.2, 0.3]]), 4.0 * math.sqrt(2.0)),
        (crystal(10.0 * (1 - np.eye(3)) / 2, "C", [[0.0, 0.0, 0.0]]), 5.0 * math.sqrt(2.0 / 3.0)),
        (crystal(8.0 * np.eye(3), "CC", [[0.1, 0.2, 0.3], [0.6, 0.7, 0.8]]), 3.0 * math.sqrt(2.0)),
    ],
    ids=["square of the simple lattice", "triangle of the face-centred one", "triangle of the body-centred one"],
)
def test_limiting_diameter_is_the_circle_through_the_atoms_of_the_window(framework, window):
    """Circumradius: a/√2 of a square, a/√3 of a triangle, 3√2/8 a of the body-centred lattice's triangle."""
    for spacing in (0.4, 0.25):
        assert limiting_diameter(framework, spacing=spacing) == pytest.approx(2.0 * (window - CARBON), abs=1e-5)


def test_limiting_diameter_of_a_window_of_unequal_atoms_does_not_depend_on_the_grid():
    rng = np.random.default_rng(1)
    framework = crystal(np.array([[9.0, 0, 0], [2.0, 9.0, 0], [-1.0, 1.5, 10.0]]), "CHOCHO", rng.random((6, 3)))
    coarse, fine = (limiting_diameter(framework, spacing=spacing) for spacing in (0.4, 0.2))
    assert coarse == pytest.approx(fine, abs=1e-5)
    assert coarse < largest_cavity(framework)


def test_nothing_crosses_a_dense_crystal():
    assert limiting_diameter(crystal(2.2 * np.eye(3), "C", [[0.0, 0.0, 0.0]])) == 0.0


def test_volume_around_one_sphere_is_fully_accessible():
    """A probe rolls over the whole surface of a lone sphere: V = a³ - (4/3) pi R³."""
    framework = crystal(10.0 * np.eye(3), "C", [[0.21, 0.32, 0.43]])
    expected = 1000.0 - 4.0 / 3.0 * math.pi * CARBON**3
    assert accessible_volume(framework) == pytest.approx(expected, rel=2e-3)


def test_a_probe_does_not_enter_the_neck_between_two_atoms():
    """Two spheres of radius R at a distance d: the probe leaves the ring-shaped crevice around the neck empty.

    Volume inside the rolling-probe surface: the two spheres up to the circles of contact, plus the solid of revolution
    under the probe's arc, integrated numerically.
    """
    d = 4.0
    framework = crystal(16.0 * np.eye(3), "CC", [[0.5, 0.5, 0.5 - d / 32], [0.5, 0.5, 0.5 + d / 32]])
    height = math.sqrt((CARBON + PROBE_RADIUS) ** 2 - (d / 2) ** 2)  # of the probe's centre above the axis
    contact = d / 2 * PROBE_RADIUS / (CARBON + PROBE_RADIUS)  # |z| of the circles of contact
    z = np.linspace(0.0, d / 2 + CARBON, 400_001)
    saddle = height - np.sqrt(np.maximum(PROBE_RADIUS**2 - z**2, 0.0))
    sphere = np.sqrt(np.maximum(CARBON**2 - (z - d / 2) ** 2, 0.0))
    profile = np.where(z < contact, saddle, sphere)
    excluded = 2.0 * np.trapezoid(math.pi * profile**2, z)
    geometric = 2.0 * 4.0 / 3.0 * math.pi * CARBON**3
    assert excluded > 1.05 * geometric
    volume = framework.volume - accessible_volume(framework, spacing=0.15)
    assert volume == pytest.approx(excluded, rel=0.02)


def test_a_dense_crystal_has_no_room():
    framework = crystal(2.5 * np.eye(3), "C", [[0.0, 0.0, 0.0]])
    assert largest_cavity(framework) == pytest.approx(2.0 * (1.25 * math.sqrt(3.0) - CARBON), abs=1e-6)
    assert accessible_volume(framework) == 0.0
    assert largest_cavity(crystal(1.9 * np.eye(3), "C", [[0.0, 0.0, 0.0]])) == 0.0


def test_mof5():
    """Largest cavity about 15 Å, window about 8 Å, void fraction about 0.8 (H. Li et al., Nature 402, 276 (1999))."""
    framework = load_framework(library_cif("mof5"), charges={"Zn": 1.3, "O": -0.4, "C": 0.0, "H": 0.0})
    assert largest_cavity(framework) == pytest.approx(15.076, abs=0.01)
    assert limiting_diameter(framework) == pytest.approx(7.902, abs=0.001)
    assert accessible_volume(framework) / framework.volume == pytest.approx(0.79, abs=0.01)


def test_an_element_without_a_radius():
    with pytest.raises(InputError, match="element must have a van der Waals radius; got Lr"):
        van_der_waals_radii(("C", "Lr"))
