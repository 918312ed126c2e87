"""Landscapes of a few plane waves in any cell, whose partition functions and fluxes are known."""

import numpy as np
from scipy.special import ive

from lattice.basins import find_basins, find_faces, grid_stencil
from lattice.stationary import find_stationary_points
from lattice.symmetry import SpaceGroup
from structures.units import BOLTZMANN

CUBIC = np.eye(3, dtype=int)
ROTATED = np.array([[1, 1, 0], [-1, 1, 0], [0, 0, 1]])  # faces at 45° to the axes of the grid
SKEW = np.array([[2, 1, 0], [0, 2, 1], [1, 0, 2]])  # no face along any


class Waves:
    """E = -Σ A_k cos(2 pi m_k · (f - shift)) with integer m_k, in the cell with the lattice vectors `cell` in rows."""

    def __init__(self, cell, waves, amplitude, *, shift=(0.0, 0.0, 0.0), spacing=0.2):
        self.cell, self.waves = np.asarray(cell, float), np.asarray(waves)
        self.amplitude, self.shift = np.asarray(amplitude, float), np.asarray(shift, float)
        self.wall = 100.0
        shape = np.ceil(np.linalg.norm(self.cell, axis=1) / spacing - 1e-9).astype(int)
        frac = np.stack(np.meshgrid(*(np.arange(n) / n for n in shape), indexing="ij"), axis=-1)
        self.energy = self.derivatives(frac.reshape(-1, 3))[0].reshape(shape)
        self.spacing = float((np.linalg.norm(self.cell, axis=1) / shape).max())

    temperature = 300.0

    def free_energy(self, frac, temperatures):
        return np.tile(self.derivatives(frac)[0], (len(temperatures), 1))

    def derivatives(self, frac):
        phase = 2 * np.pi * (np.asarray(frac) - self.shift) @ self.waves.T
        k = 2 * np.pi * np.linalg.inv(self.cell) @ self.waves.T
        even, odd = self.amplitude * np.cos(phase), self.amplitude * np.sin(phase)
        return -even.sum(axis=1), odd @ k.T, np.einsum("mw,iw,jw->mij", even, k, k)


class SimpleCubic(Waves):
    """E = -Σ A_k cos(2 pi x_k / a), one well per a³, in a cell with the vectors a · `multiple` in rows."""

    def __init__(self, amplitude, *, a=4.0, multiple=CUBIC, shift=(0.0, 0.0, 0.0), spacing=0.2):
        self.a = a
        super().__init__(a * multiple, multiple.T, amplitude, shift=shift, spacing=spacing)

    def log_partition(self, temperatures):
        """Z = a³ Π I0(A_k / kT), (n_T,)."""
        return 3 * np.log(self.a) + sum(log_bessel(A, temperatures) for A in self.amplitude)

    def log_face(self, axis, temperatures):
        """Q = a² exp(-A_axis / kT) Π I0(A_k / kT) of the other two, (n_T,)."""
        others = sum(log_bessel(A, temperatures) for A in np.delete(self.amplitude, axis))
        return 2 * np.log(self.a) - self.amplitude[axis] / (BOLTZMANN * temperatures) + others

    def saddle_energy(self, axis):
        return 2 * self.amplitude[axis] - self.amplitude.sum()


def log_bessel(amplitude, temperatures):
    """Logarithm of I0(A / kT), the mean of exp(A cos x / kT)."""
    x = amplitude / (BOLTZMANN * temperatures)
    return np.log(ive(0, x)) + x


def network(landscape, translations=(), *, below=50.0):
    """Basins of the grid and stationary points under the given translations."""
    energy = np.round(landscape.energy, 9)
    stencil = grid_stencil(landscape.cell, energy.shape)
    basins = find_basins(energy, stencil, below=below)
    rotations = np.array([np.eye(3, dtype=int)] * len(translations)).reshape(-1, 3, 3)
    group = SpaceGroup.from_operations(landscape.cell, rotations, np.array(translations).reshape(-1, 3))
    return basins, find_stationary_points(landscape, basins, find_faces(basins, stencil), group, below=below)
