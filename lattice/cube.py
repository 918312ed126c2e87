"""Gaussian cube files: a landscape that another program has computed, and ours for other programs.

Lengths are in bohr, or in Å where the number of points is negative, as the format has it. The format has no place for
the unit of the values; it is read from the two lines of comment ("eV" or "hartree"), where ours is written.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TextIO

import numpy as np
from ase.data import atomic_numbers
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import affine_transform, spline_filter

from lattice import probe_kernels
from lattice.field_grid import first_copies, grid_shape
from lattice.landscape import DEFAULT_TEMPERATURE, DEFAULT_WALL
from structures.errors import InputError
from structures.files import whole_file
from structures.framework import Framework
from structures.species import Species
from structures.units import BOHR, HARTREE

SOFTENING = 0.5  # eV, above which repulsion is interpolated by its logarithm
_CELL_TOLERANCE = 2e-3  # relative, of the lengths and products of lattice vectors
_ATOM_TOLERANCE = 0.2  # Å
_EVEN = 1e-6  # eV; energies that differ by less have no sites
_LARGEST = 2_000_000_000  # values
_MOST_ATOMS = 1_000_000
_CHUNK = 1 << 20  # characters at a time
_UNITS = {"ev": 1.0, "hartree": HARTREE}

Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False, slots=True)
class Cube:
    """What a cube file holds.

    Attributes
    ----------
    path : Path
    comment : str
    origin : (3,) float64, Å
    steps : (3, 3) float64, Å
        In rows.
    numbers : (n_atoms,) int64
        Atomic numbers.
    positions : (n_atoms, 3) float64, Å
    values : (n1, n2, n3) float64
    """

    path: Path
    comment: str
    origin: Float
    steps: Float
    numbers: NDArray[np.int64]
    positions: Float
    values: Float


@dataclass(frozen=True, eq=False, slots=True)
class CubeLandscape:
    """Energy of one ion from a file, interpolated by periodic quintic splines; a stand-in for `Landscape`.

    The splines are those of u = s asinh((E - E_min) / s): a polynomial cannot follow repulsion that grows by orders of
    magnitude between two points, or ends at a cap, and would swing in the sites beside it.

    Attributes
    ----------
    cell : (3, 3) float64, Å
    species : Species
    permittivity : float or (3, 3) float64
        Of the ions among each other; the energies of the file contain what screens them.
    energy : (n1, n2, n3) float64, eV
        Capped at `wall`. Read-only.
    wall : float, eV
    lowest : float, eV
        Energy on the grid that u counts from.
    mesh : (n1, n2, n3) float64, eV
        B-spline coefficients of u.
    notes : tuple of str
    temperature : float, K
        Nominal: the energy is the same at all.
    """

    cell: Float
    species: Species
    permittivity: float | Float
    energy: Float
    wall: float
    lowest: float
    mesh: Float
    notes: tuple[str, ...] = ()
    temperature: float = DEFAULT_TEMPERATURE

    @property
    def spacing(self) -> float:
        """Longest step of the grid along a lattice vector, Å."""
        return float((np.linalg.norm(self.cell, axis=1) / self.energy.shape).max())

    @property
    def n_orientations(self) -> int:
        """One: what an energy from a file is an average of is up to its author."""
        return 1

    def derivatives(self, frac: ArrayLike) -> tuple[Float, Float, Float]:
        """Energy (m,), Cartesian gradient (m, 3) and Hessian (m, 3, 3) at fractional points (m, 3), eV and Å."""
        points = np.array(frac, dtype=np.float64, order="C").reshape(-1, 3)
        u, gradient, hessian = (np.empty((len(points), *tail)) for tail in ((), (3,), (3, 3)))
        inverse = np.ascontiguousarray(np.linalg.inv(self.cell))
        probe_kernels.spline_derivatives(self.mesh, points, inverse, u, gradient, hessian)
        slope, bend = np.cosh(u / SOFTENING), np.sinh(u / SOFTENING) / SOFTENING
        hessian = slope[:, None, None] * hessian + bend[:, None, None] * gradient[:, :, None] * gradient[:, None, :]
        return _hardened(u, self.lowest), slope[:, None] * gradient, hessian

    def free_energy(self, frac: ArrayLike, temperatures: ArrayLike) -> Float:
        """Energy at any points, the same for all temperatures, (n_temperatures, m) eV."""
        return np.tile(self.derivatives(frac)[0], (np.size(temperatures), 1))

    def orientation_error(self, frac: ArrayLike) -> float:  # noqa: ARG002, RUF100
        """Zero: an energy from a file is not averaged here."""
        return 0.0

    def contact_energy(self, frac: ArrayLike) -> float:  # noqa: ARG002, RUF100
        """Zero: a file does not say which part of the energy is repulsion."""
        return 0.0


def read_cube(path: str | Path) -> Cube:
    """Read a Gaussian cube file of one data set.

    Raises
    ------
    InputError
        If the file cannot be read or is not such a file.
    """
    path = Path(path)
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return _parse(path, file)
    except FileNotFoundError:
        found = "no such file"
    except IsADirectoryError:
        found = "a folder"
    except OSError as error:
        found = f"one that cannot be read: {(error.strerror or type(error).__name__).lower()}"
    except _NotACubeError as error:
        found = str(error)
    raise InputError(f"{path}: expected a Gaussian cube file, found {found}")


class _NotACubeError(Exception):
    """What was found in place of a part of the file."""


def _parse(path: Path, file: TextIO) -> Cube:
    lines = list(islice(file, 6))
    if len(lines) < 6:
        raise _NotACubeError(f"the end of the file in its head, after {len(lines)} of 6 lines")
    n_atoms, *origin = _row(lines[2], 4, "the number of atoms and the origin")
    rows = [_row(line, 4, "a number of points and a step") for line in lines[3:6]]
    counts = [row[0] for row in rows]
    grid = " x ".join(f"{abs(n):g}" for n in counts)
    if not all(n and n.is_integer() for n in counts) or math.prod(map(abs, counts)) > _LARGEST:
        raise _NotACubeError(f"a grid of {grid} points")
    if not n_atoms.is_integer() or abs(n_atoms) > _MOST_ATOMS:
        raise _NotACubeError(f"{n_atoms:g} as its number of atoms")
    unit = 1.0 if counts[0] < 0 else BOHR
    steps = unit * np.array([row[1:] for row in rows])
    if abs(np.linalg.det(steps)) == 0:
        raise _NotACubeError("three steps that span no volume")
    many = abs(int(n_atoms))
    rest = list(islice(file, many))
    if len(rest) < many:
        raise _NotACubeError(f"the end of the file in place of atom {len(rest) + 1}")
    atoms = np.array([_row(line, 5, "an atom") for line in rest]).reshape(-1, 5)
    if n_atoms < 0:
        (sets,) = _row(file.readline(), 1, "the number of data sets")
        if sets != 1:
            raise _NotACubeError(f"{sets:g} data sets in one file; one is expected")
    values = _values(file)
    expected = math.prod(abs(int(n)) for n in counts)
    if values.size != expected:
        raise _NotACubeError(f"{values.size} values in place of the {expected} of its grid, {grid}")
    n1, n2, n3 = (abs(int(n)) for n in counts)
    numbers, places = atoms[:, 0].astype(np.int64), unit * atoms[:, 2:]
    comment = f"{lines[0].strip()} {lines[1].strip()}"
    return Cube(path, comment, unit * np.array(origin), steps, numbers, places, values.reshape(n1, n2, n3))


def _row(line: str, count: int, what: str) -> list[float]:
    """First numbers of a line of the head."""
    try:
        numbers = [float(word) for word in line.split()[:count]]
    except ValueError:
        numbers = []
    if len(numbers) < count or not all(map(math.isfinite, numbers)):
        raise _NotACubeError(f"{line.strip()[:40]!r} in place of {what}")
    return numbers


def _values(file: TextIO) -> Float:
    """Numbers in the rest of a file, a bounded number of them as words at a time."""
    parts: list[Float] = [np.zeros(0)]
    cut = ""  # a word that may go on in the next chunk
    while text := file.read(_CHUNK):
        words = f"{cut}{text}".split()
        cut = "" if text[-1].isspace() else words.pop()
        parts.append(_numbers(words, sum(map(len, parts))))
    parts.append(_numbers(cut.split(), sum(map(len, parts))))
    return np.concatenate(parts)


def _numbers(words: list[str], before: int) -> Float:
    try:
        return np.array(words, dtype=np.float64)
    except ValueError:
        for n, word in enumerate(words, before + 1):
            try:
                float(word)
            except ValueError:
                raise _NotACubeError(f"{word[:40]!r} in place of value {n} of the grid") from None
        raise


def write_cube(path: str | Path, framework: Framework, energy: Float, comment: str) -> None:
    """Write energies in eV on a grid of the framework's cell, with its atoms; the file appears whole or not at all.

    Parameters
    ----------
    path : path
    framework : Framework
    energy : (n1, n2, n3) float64, eV
    comment : str
        One line.
    """
    steps = framework.cell / np.array(energy.shape)[:, None] / BOHR
    lines = [comment.replace("\n", " "), "energy of the ion in eV, lengths in bohr; third index fastest"]
    lines.append(f"{len(framework.symbols):5d} {0:12.6f} {0:12.6f} {0:12.6f}")
    lines += [f"{n:5d} {v[0]:14.9f} {v[1]:14.9f} {v[2]:14.9f}" for n, v in zip(energy.shape, steps, strict=True)]
    places = framework.frac_coords @ framework.cell / BOHR
    for symbol, charge, (x, y, z) in zip(framework.symbols, framework.charges, places, strict=True):
        lines.append(f"{atomic_numbers[symbol]:5d} {charge:12.6f} {x:12.6f} {y:12.6f} {z:12.6f}")
    with whole_file(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
        for row in energy.reshape(-1, energy.shape[2]):
            text = [f"{value:14.7e}" for value in row]
            file.write("\n".join(" ".join(text[k : k + 6]) for k in range(0, len(text), 6)) + "\n")


def landscape_from_cube(
    cube: str | Path | Cube,
    framework: Framework,
    species: Species,
    *,
    permittivity: float | Float = 1.0,
    wall: float = DEFAULT_WALL,
) -> CubeLandscape:
    """Landscape of an ion from a cube file of its energy in the framework.

    The values are brought to a grid that the symmetry of the framework maps onto itself and averaged over symmetric
    points.

    Parameters
    ----------
    cube : path or Cube
        The comment must name the unit of the values.
    framework : Framework
        Whose cell, and whose atoms if the file has any, must be those of the file.
    species : Species
    permittivity : float or (3, 3) float64
        Of the ions among each other.
    wall : float, eV
        Cap of the energies above the lowest one.

    Raises
    ------
    InputError
        If the file cannot be read or does not fit the framework.
    """
    cube = cube if isinstance(cube, Cube) else read_cube(cube)
    values, offset = _fitting_values(cube, framework)
    lowest = float(values.min())
    u = _on_own_grid(_softened(values, lowest), framework, offset)
    u, uneven = _symmetrised(u, framework, lowest, wall)
    energy = np.minimum(_hardened(u, lowest), lowest + wall)
    energy.flags.writeable = False
    found = "x".join(map(str, values.shape))
    notes = (
        f"energies from {cube.path.name}, {found} points, on {'x'.join(map(str, u.shape))}; "
        f"symmetric points differed by {uneven:.4f} eV at most",
    )
    mesh = np.asarray(spline_filter(u, order=5, mode="grid-wrap"), np.float64)
    return CubeLandscape(framework.cell, species, permittivity, energy, lowest + wall, lowest, mesh, notes)


def _softened(energy: Float, lowest: float) -> Float:
    """Energies as u, nearly the same for a few tenths of an eV and logarithmic above."""
    return np.asarray(SOFTENING * np.arcsinh((energy - lowest) / SOFTENING))


def _hardened(u: Float, lowest: float) -> Float:
    """Energies of u."""
    return np.asarray(lowest + SOFTENING * np.sinh(u / SOFTENING))


def check_cube(path: str | Path, framework: Framework) -> Cube:
    """Read a cube file and refuse what `landscape_from_cube` would refuse, without the work of interpolating it.

    Raises
    ------
    InputError
    """
    cube = read_cube(path)
    _fitting_values(cube, framework)
    return cube


def _fitting_values(cube: Cube, framework: Framework) -> tuple[Float, Float]:
    """Energies in eV at (i/n + offset) in a cell of the framework, and the offset (3,)."""
    scale = _unit(cube)
    n1, n2, n3 = _periodic_shape(cube, framework)
    values = cube.values[:n1, :n2, :n3]
    if scale != 1.0:
        values = values * scale
    _check_values(cube.path, values)
    return values, np.asarray(cube.origin @ np.linalg.inv(cube.steps * np.array([[n1], [n2], [n3]])))


def _unit(cube: Cube) -> float:
    """Value of the unit in eV, as the comment says."""
    named = [name for name in _UNITS if re.search(rf"\b{name}s?\b", cube.comment, re.IGNORECASE)]
    if len(named) != 1:
        raise InputError(
            f"{cube.path}: expected the unit of the values, eV or hartree, in the first two lines, "
            f"found {cube.comment.strip()!r}"
        )
    return _UNITS[named[0]]


def _periodic_shape(cube: Cube, framework: Framework) -> tuple[int, int, int]:
    """Numbers of points in the cell, a repeated last point left out; refuse another cell or other atoms."""
    shape = np.array(cube.values.shape)
    expected = framework.cell @ framework.cell.T
    size = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    for inside in (shape, shape - 1):
        cell = cube.steps * inside[:, None]
        if (np.abs(cell @ cell.T - expected) <= 2.0 * _CELL_TOLERANCE * size).all():
            _check_atoms(cube, cell, framework)
            n1, n2, n3 = (int(n) for n in inside)
            return n1, n2, n3
    lengths = np.linalg.norm(cube.steps * shape[:, None], axis=1)
    own = np.linalg.norm(framework.cell, axis=1)
    raise InputError(
        f"{cube.path}: expected the cell of {framework.name}, lengths {_text(own)} Å and its angles, found lengths "
        f"{_text(lengths)} Å: compute the energies in the cell that mofkmc writes, or load it with its own cell"
    )


def _check_atoms(cube: Cube, cell: Float, framework: Framework) -> None:
    """Refuse a file whose atoms are not the framework's: another origin or other axes would move all sites."""
    if not len(cube.numbers):
        return
    frac = cube.positions @ np.linalg.inv(cell)
    for symbol, place in zip(framework.symbols, framework.frac_coords, strict=True):
        gap = frac[cube.numbers == atomic_numbers[symbol]] - place
        gap -= np.rint(gap)
        nearest = float(np.linalg.norm(gap @ framework.cell, axis=1).min()) if len(gap) else math.inf
        if nearest > _ATOM_TOLERANCE:
            found = f"the nearest {nearest:.2f} Å away" if len(gap) else "none of that element"
            raise InputError(
                f"{cube.path}: expected an atom {symbol} at {_text(place)} as in {framework.name}, found {found}: "
                "compute the energies in the cell that mofkmc writes"
            )


def _check_values(path: Path, values: Float) -> None:
    bad = int((~np.isfinite(values)).sum())
    if bad:
        raise InputError(f"{path}: expected finite energies, found {bad} not finite")
    if np.ptp(values) < _EVEN:
        raise InputError(f"{path}: expected energies that make sites, found {values.min():g} eV at all points")
    if min(values.shape) < 6:
        raise InputError(
            f"{path}: expected at least 6 points in each direction, found {' x '.join(map(str, values.shape))}"
        )


def _on_own_grid(values: Float, framework: Framework, offset: Float) -> Float:
    """Bring values at (i/n + offset) to the grid points of the framework, by splines where they differ."""
    spacing = float((np.linalg.norm(framework.cell, axis=1) / values.shape).max())
    shape = grid_shape(framework, spacing)
    steps = offset * values.shape
    if shape == values.shape and np.abs(steps - np.rint(steps)).max() < 1e-4:
        return np.asarray(np.roll(values, tuple(np.rint(steps).astype(int)), axis=(0, 1, 2)))
    finer = affine_transform(
        spline_filter(values, order=5, mode="grid-wrap"),
        np.array(values.shape) / shape,
        -steps,
        shape,
        order=5,
        mode="grid-wrap",
        prefilter=False,
    )
    return np.asarray(finer, np.float64)


def _symmetrised(u: Float, framework: Framework, lowest: float, wall: float) -> tuple[Float, float]:
    """Average over symmetric points, and the largest deviation from the average of an energy under the wall, eV."""
    n1, n2, n3 = u.shape
    first = first_copies((framework.rotations, framework.translations), (n1, n2, n3))
    flat = u.reshape(-1)
    total = np.bincount(first, flat, minlength=len(flat))
    number = np.bincount(first, minlength=len(flat))
    mean = (total / np.maximum(number, 1))[first]
    energy = _hardened(mean, lowest)
    low = energy < lowest + wall
    uneven = float(np.abs(_hardened(flat, lowest) - energy)[low].max()) if low.any() else 0.0
    return mean.reshape(u.shape), uneven


def _text(numbers: Float) -> str:
    return ", ".join(f"{x:.4g}" for x in numbers)
