"""Gaussian cube files: a round trip, a landscape known in closed form, and files that do not fit."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from landscapes import Cosines, cubic_group

from lattice import cube
from lattice.cube import check_cube, landscape_from_cube, read_cube, write_cube
from structures.errors import InputError
from structures.framework import Framework
from structures.species import SHIPPED_SPECIES
from structures.units import BOHR, HARTREE

LI = SHIPPED_SPECIES["Li+"]


def framework(side=6.0, symmetry=None, frac=(0.5, 0.5, 0.5)):
    rotations, translations = symmetry or (np.eye(3, dtype=int)[None], np.zeros((1, 3)))
    return Framework("box", side * np.eye(3), ("O",), [frac], [0.0], ("O",), 1, 0.0, rotations, translations, ())


def test_energies_come_back(tmp_path):
    """-Σ A cos: energy, gradient and Hessian of the file's landscape are those of the formula."""
    exact = Cosines(amplitude=(0.4, 0.3, 0.5), shift=(0.1, 0.0, 0.2), n=40)
    path = tmp_path / "ion.cube"
    write_cube(path, framework(), exact.energy, "a test")
    landscape = landscape_from_cube(path, framework(), LI)
    assert landscape.energy == pytest.approx(exact.energy, abs=1e-7)
    assert landscape.spacing == pytest.approx(exact.spacing)
    points = np.random.default_rng(0).random((100, 3))
    for found, expected in zip(landscape.derivatives(points), exact.derivatives(points), strict=True):
        assert found == pytest.approx(expected, abs=2e-5)
    assert landscape.free_energy(points, [200.0, 400.0])[1] == pytest.approx(landscape.derivatives(points)[0])


def test_hartree_origin_and_a_repeated_last_point(tmp_path):
    """The same energies in hartree, from a grid that starts off the origin and repeats its first planes at the end."""
    exact = Cosines(amplitude=(0.5, 0.6, 0.7), n=36)
    origin = np.array([0.05, 0.1, 0.0])
    axis = np.arange(37) / 36
    points = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3) + origin
    values = exact.derivatives(points)[0].reshape(37, 37, 37) / HARTREE
    step = 6.0 / 36 / BOHR
    head = ["test", "values in Hartree", "1 " + " ".join(f"{x:.9f}" for x in origin * 6.0 / BOHR)]
    head += [f"37 {step * a:.9f} {step * b:.9f} {step * c:.9f}" for a, b, c in np.eye(3)]
    head += [f"8 0.0 {3 / BOHR:.6f} {3 / BOHR:.6f} {3 / BOHR:.6f}"]
    path = tmp_path / "ion.cube"
    path.write_text("\n".join(head) + "\n" + "\n".join(f"{v:.12e}" for v in values.ravel()))
    landscape = landscape_from_cube(path, framework(), LI)
    points = np.random.default_rng(0).random((100, 3))
    assert landscape.derivatives(points)[0] == pytest.approx(exact.derivatives(points)[0], abs=1e-6)
    n = landscape.energy.shape
    grid = np.indices(n).reshape(3, -1).T / n
    assert landscape.energy.ravel() == pytest.approx(exact.derivatives(grid)[0], abs=1e-6)


def test_noise_is_averaged_over_symmetric_points(tmp_path):
    exact = Cosines(n=24)
    noisy = exact.energy + 0.01 * np.random.default_rng(3).normal(size=exact.energy.shape)
    path = tmp_path / "ion.cube"
    write_cube(path, framework(), noisy, "noise")
    landscape = landscape_from_cube(path, framework(symmetry=cubic_group()), LI)
    assert landscape.energy.transpose(1, 2, 0) == pytest.approx(landscape.energy, abs=1e-12)
    point = np.array([0.13, 0.27, 0.4])
    energies = landscape.derivatives(cubic_group()[0] @ point)[0]
    assert energies == pytest.approx(energies[0], abs=1e-10)
    assert "symmetric points differed by 0.0" in landscape.notes[0]


def test_the_wall_is_soft_in_the_splines_and_hard_on_the_grid(tmp_path):
    """A repulsion of 1e6 eV next to the sites must not make the splines swing there."""
    n, side = 48, 9.6
    axis = np.minimum(np.arange(n), n - np.arange(n)) * side / n
    r = np.sqrt(axis[:, None, None] ** 2 + axis[None, :, None] ** 2 + axis[None, None, :] ** 2)
    energy = 0.1 * ((3.0 / np.maximum(r, 0.3)) ** 12 - 2.0 * (3.0 / np.maximum(r, 0.3)) ** 6)
    path = tmp_path / "ion.cube"
    write_cube(path, framework(side, frac=(0.0, 0.0, 0.0)), energy, "wall")
    landscape = landscape_from_cube(path, framework(side, frac=(0.0, 0.0, 0.0)), LI)
    assert landscape.energy.max() == landscape.wall == pytest.approx(energy.min() + 5.0)
    radius = np.linspace(2.6, 4.5, 40)
    found = landscape.derivatives(radius[:, None] * np.array([0.6, 0.8, 0.0]) / side)[0]
    expected = 0.1 * ((3.0 / radius) ** 12 - 2.0 * (3.0 / radius) ** 6)
    assert found == pytest.approx(expected, abs=4e-3)


@pytest.mark.parametrize("step", [0.2, 0.25])
def test_sites_beside_a_capped_wall(tmp_path, step):
    """Li+ beside an O as in a framework, sigma 2.65 Å, in a field that draws it near: the file ends at 5 eV.

    E = 4 e ((s/r)^12 - (s/r)^6) - q / r; its minimum lies 0.6 Å from places of 5 eV. Every site of a file that this
    program writes is beside such a cap.
    """
    side = 9.6
    n = round(side / step)
    axis = np.minimum(np.arange(n), n - np.arange(n)) * side / n
    r = np.sqrt(axis[:, None, None] ** 2 + axis[None, :, None] ** 2 + axis[None, None, :] ** 2)

    def energy(r):
        return 4 * 0.002 * ((2.65 / r) ** 12 - (2.65 / r) ** 6) - 1.0 / r

    path = tmp_path / "ion.cube"
    field = energy(np.maximum(r, 0.3))
    write_cube(path, framework(side, frac=(0.0, 0.0, 0.0)), np.minimum(field, field.min() + 5.0), "capped")
    landscape = landscape_from_cube(path, framework(side, frac=(0.0, 0.0, 0.0)), LI)
    radius = np.linspace(2.0, 3.5, 40)
    place = radius[:, None] * np.array([0.6, 0.48, 0.64])
    assert landscape.derivatives(place / side)[0] == pytest.approx(energy(radius), abs=3e-3)
    _, slope, bend = (found[10] for found in landscape.derivatives(place / side))
    for k in range(3):
        moved = [landscape.derivatives((place[10] + h * np.eye(3)[k]) / side) for h in (1e-4, -1e-4)]
        assert (moved[0][0] - moved[1][0])[0] / 2e-4 == pytest.approx(slope[k], abs=1e-5)
        assert ((moved[0][1] - moved[1][1]) / 2e-4)[0] == pytest.approx(bend[k], abs=1e-4)


def changed(tmp_path, edit):
    path = tmp_path / "ion.cube"
    write_cube(path, framework(), Cosines(n=12).energy, "a test")
    path.write_text(edit(path.read_text()))
    return path


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda t: t[: len(t) // 2], r"found \d+ values in place of the 1728 of its grid, 12 x 12 x 12$"),
        (lambda t: "", "found the end of the file in its head, after 0 of 6 lines"),
        (lambda t: "\n".join([*t.split("\n")[:6], ""]), "found the end of the file in place of atom 1"),
        (lambda t: t.replace("  12 ", "  xx ", 1), "found 'xx .*' in place of a number of points and a step"),
        (lambda t: t.replace("  12 ", "999999 ", 3), "found a grid of 999999 x 999999 x 999999 points"),
        (lambda t: t.replace("    1 ", " 1.5 ", 1), r"found 1\.5 as its number of atoms"),
        (lambda t: t.replace("-3.0000000e+00", "-3,0", 1), "found '-3,0' in place of value 1 of the grid"),
        (lambda t: t.replace(" in eV", ""), "expected the unit of the values, eV or hartree, in the first two lines"),
        (lambda t: t.replace("-3.0000000e+00", "nan", 1), "expected finite energies, found 1 not finite"),
        (lambda t: t.replace("    8 ", "    7 ", 1), "expected an atom O at .* found none of that element"),
    ],
)
def test_files_that_are_refused(tmp_path, edit, message):
    with pytest.raises(InputError, match=message):
        landscape_from_cube(changed(tmp_path, edit), framework(), LI)


def test_another_cell_and_other_places_of_the_atoms(tmp_path):
    path = changed(tmp_path, lambda t: t)
    with pytest.raises(InputError, match=r"expected the cell of box, lengths 6\.5, 6\.5, 6\.5 Å"):
        landscape_from_cube(path, framework(6.5), LI)
    with pytest.raises(InputError, match=r"an atom O at 0\.25, 0\.5, 0\.5 as in box, found the nearest 1\.50 Å away"):
        landscape_from_cube(path, framework(frac=(0.25, 0.5, 0.5)), LI)
    with pytest.raises(InputError, match=r"none\.cube: expected a Gaussian cube file, found no such file"):
        read_cube(tmp_path / "none.cube")


def test_energies_without_sites_are_refused_at_once(tmp_path):
    path = tmp_path / "ion.cube"
    for energy in (np.zeros((12, 12, 12)), 0.3 + 1e-7 * np.random.default_rng(0).random((12, 12, 12))):
        write_cube(path, framework(), energy, "flat")
        with pytest.raises(InputError, match=r"expected energies that make sites, found 0(\.3)? eV at all points"):
            check_cube(path, framework())


def test_a_checked_file_is_read_once(tmp_path, monkeypatch):
    """Words that the end of a chunk cuts are whole, and the landscape takes what the check has read."""
    monkeypatch.setattr(cube, "_CHUNK", 101)
    energy = Cosines(n=12).energy
    path = tmp_path / "ion.cube"
    write_cube(path, framework(), energy, "a test")
    checked = check_cube(path, framework())
    assert checked.values == pytest.approx(energy, abs=1e-7)
    path.unlink()
    found = landscape_from_cube(checked, framework(), LI)
    assert found.energy == pytest.approx(np.minimum(energy, found.wall), abs=1e-7)


def test_reading_takes_little_more_than_the_values(tmp_path, monkeypatch):
    """A word of Python per value would take ten times as much as the value."""
    monkeypatch.setattr(cube, "_CHUNK", 10_000)
    path = tmp_path / "ion.cube"
    write_cube(path, framework(), np.random.default_rng(0).random((50, 50, 50)), "noise")
    tracemalloc.start()
    values = read_cube(path).values
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * values.nbytes
