"""The energy of one probe ion in the framework, on a grid of the cell and at any point."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lattice.field_grid import first_copies, grid_shape
from lattice.orientations import closed_orientations, default_number
from lattice.probe import BeadTable, Probe, prepare_probe
from lattice.probe_kernels import HOPELESS
from lattice.screening import as_tensor, is_isotropic, symmetry_in_medium
from structures.errors import InputError
from structures.framework import Framework
from structures.species import Species

DEFAULT_WALL = 5.0  # eV, far above any site that an ion visits
DEFAULT_TEMPERATURE = 300.0  # K, at which orientations are averaged

_PAYS = 4  # times as many energies of beads as in a table of them, above it the table pays
_CHUNK = 1_000_000  # grid points at a time
_FINER = 5  # times as many orientations, to see the error of those used

Float = NDArray[np.float64]
Shape = tuple[int, int, int]


@dataclass(frozen=True, eq=False, slots=True)
class Landscape:
    """Energy of one ion of a species in the empty framework.

    For an ion of several beads it is the free energy F(r) = -kT ln <exp(-U/kT)> over the orientations at one
    temperature, r its centre of mass. Its charges meet the framework's potential where they are; towards other ions the
    engine takes it as one charge at its centre.

    Attributes
    ----------
    cell : (3, 3) float64, Å
        Lattice vectors in rows.
    species : Species
    permittivity : float or (3, 3) float64
        As it was given.
    energy : (n1, n2, n3) float64, eV
        At the fractional coordinates (i/n1, j/n2, k/n3), capped at `wall`. Read-only. Of an ion of one bead as exact
        as at any point; of an ion of several it may come from a table of single beads, and then errs by up to 5e-5 eV
        a bead (`probe_kernels.TABLE_ERROR`).
    wall : float, eV
    probe : Probe
        What the energy at any point is computed from.
    temperature : float, K
        Without effect on an ion of one bead.
    symmetry : (rotations (n, 3, 3) int64, translations (n, 3) float64)
    notes : tuple of str
    orientations : int
        Asked for, counted without symmetry.
    """

    cell: Float
    species: Species
    permittivity: float | Float
    energy: Float
    wall: float
    probe: Probe
    temperature: float
    symmetry: tuple[NDArray[np.int64], Float]
    notes: tuple[str, ...] = ()
    orientations: int = 1

    @property
    def spacing(self) -> float:
        """Longest step of the grid along a lattice vector, Å."""
        return float((np.linalg.norm(self.cell, axis=1) / self.energy.shape).max())

    @property
    def n_orientations(self) -> int:
        """How many orientations are averaged, 1 for an ion of one bead."""
        return len(self.probe.body.log_weights)

    def derivatives(self, frac: ArrayLike) -> tuple[Float, Float, Float]:
        """Energy, gradient and Hessian at any points, without the cap.

        Parameters
        ----------
        frac : (m, 3) float64

        Returns
        -------
        energy : (m,) float64, eV
        gradient : (m, 3) float64, eV/Å
            Cartesian.
        hessian : (m, 3, 3) float64, eV/Å²
        """
        return self.probe.derivatives(np.asarray(frac, np.float64), self.temperature)

    def free_energy(self, frac: ArrayLike, temperatures: ArrayLike) -> Float:
        """Energy without the cap at any points and temperatures, (n_temperatures, m) eV.

        Parameters
        ----------
        frac : (m, 3) float64
        temperatures : (n_temperatures,) float64, K
        """
        return self.probe.free_energy(np.asarray(frac, np.float64), np.asarray(temperatures, np.float64))

    def orientation_error(self, frac: ArrayLike) -> float:
        """Change, under five times as many orientations, of the energy differences between points, eV.

        Parameters
        ----------
        frac : (m, 3) float64
            Sites and saddles.

        Returns
        -------
        float
            The largest change between any two of them; 0 for an ion of one bead.
        """
        points = np.asarray(frac, np.float64).reshape(-1, 3)
        if self.n_orientations == 1 or len(points) < 2:
            return 0.0
        rotations = _cartesian(self.cell, self.symmetry[0])
        finer = closed_orientations(self.species.beads, rotations, _FINER * self.orientations)
        level = np.array([self.temperature])
        energies = self.probe.with_orientations(self.species.beads, finer).free_energy(points, level)
        return float(np.ptp(energies - self.probe.free_energy(points, level)))

    def contact_energy(self, frac: ArrayLike) -> float:
        """Lennard-Jones energy of the ion at a point with the atoms within 5 Å, eV: positive where it is squeezed."""
        return self.probe.contact_energy(np.asarray(frac, np.float64), self.temperature)


def compute_landscape(
    framework: Framework,
    species: Species,
    *,
    permittivity: ArrayLike,
    spacing: float = 0.2,
    cutoff: float = 12.0,
    wall: float = DEFAULT_WALL,
    orientations: int | None = None,
    temperature: float = DEFAULT_TEMPERATURE,
) -> Landscape:
    """Energy of one ion in the framework: charges in its screened potential plus the Lennard-Jones terms of all atoms.

    The framework's parameters are those of UFF; mixed ones follow the Lorentz-Berthelot rules. Each pair term is
    shifted so that energy and force vanish at the cut-off: S. D. Stoddard and J. Ford, Phys. Rev. A 8, 1504 (1973).

    Parameters
    ----------
    framework : Framework
    species : Species
    permittivity : float, (3,) or (3, 3) array_like
        eps_r that screens the framework's potential.
    spacing : float, Å
        No step of the grid is longer.
    cutoff : float, Å
        Of the Lennard-Jones terms; it may exceed the cell.
    wall : float, eV
        Cap of the energies on the grid.
    orientations : int, optional
        Over which an ion of several beads is averaged, counted without symmetry; if left out,
        `lattice.orientations.default_number`.
    temperature : float, K
        Of that average.

    Raises
    ------
    InputError
        If a number is out of range or an element has no UFF parameters.
    """
    for name, value in (("cutoff", cutoff), ("temperature", temperature)):
        if not (math.isfinite(value) and value > 0):
            raise InputError(f"{name} must be positive; got {value:g}")
    tensor = as_tensor(permittivity)
    framework = symmetry_in_medium(framework, tensor)
    number = default_number(species.beads) if orientations is None else orientations
    if number < 1:
        raise InputError(f"orientations must be at least 1; got {number}")
    shape = grid_shape(framework, spacing)
    turned = closed_orientations(species.beads, _cartesian(framework.cell, framework.rotations), number)
    probe = prepare_probe(framework, species, tensor, cutoff, turned)
    symmetry = framework.rotations, framework.translations
    energy = _free_energy_grid(probe, symmetry, shape, temperature, wall)
    notes: tuple[str, ...] = ()
    if len(species.beads) > 1:
        notes = (f"average at {temperature:g} K over {len(turned.weights)} orientations of {len(species.beads)} beads",)
    given = float(tensor[0, 0]) if is_isotropic(tensor) else tensor
    return Landscape(framework.cell, species, given, energy, wall, probe, temperature, symmetry, notes, number)


def _free_energy_grid(
    probe: Probe, symmetry: tuple[NDArray[np.int64], Float], shape: Shape, temperature: float, wall: float
) -> Float:
    """Free energies on the grid, computed at one of every set of symmetric points; read-only."""
    first = first_copies(symmetry, shape)
    own = np.flatnonzero(first == np.arange(len(first)))
    turned = probe.body.shifts[..., 0]
    pays = len(turned) > 1 and len(first) * turned.size > _PAYS * probe.field.meshes.size
    table = _bead_table(probe, symmetry) if pays else None
    values = np.empty(len(own))
    for begin in range(0, len(own), _CHUNK):
        part = slice(begin, begin + _CHUNK)
        points = np.stack(np.unravel_index(own[part], shape), axis=1) / np.array(shape)
        if table is None:
            found = probe.free_energy(points, np.array([temperature]))[0]
        else:
            found = probe.tabulated_free_energy(points, temperature, table)
        np.minimum(found, wall, out=values[part])
    place = np.zeros(len(first), first.dtype)
    place[own] = np.arange(len(own))
    grid = values[place[first]].reshape(shape)
    grid.flags.writeable = False
    return grid


def _bead_table(probe: Probe, symmetry: tuple[NDArray[np.int64], Float]) -> BeadTable:
    """Energies of the ion's beads on the mesh of its field."""
    n_kinds, n1, n2, n3 = probe.field.meshes.shape
    energy = np.empty((n_kinds, n1, n2, n3), np.float32)
    for kind in range(n_kinds):
        energy[kind] = _free_energy_grid(probe.bead(kind), symmetry, (n1, n2, n3), DEFAULT_TEMPERATURE, HOPELESS)
    return BeadTable.of(energy)


def _cartesian(cell: Float, rotations: NDArray[np.int64]) -> Float:
    """Point parts of the symmetry operations as orthogonal matrices, (n_operations, 3, 3)."""
    to_rows = cell.T  # r = cell^T f
    return np.asarray(to_rows @ rotations @ np.linalg.inv(to_rows))
