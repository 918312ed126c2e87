"""Percolation of LiFePO4 on its bond-valence site energy, VERIFICATION §10: every step from grid to refined network."""

import numpy as np
import pytest
from scipy.special import erfc

from lattice.basins import find_basins, find_faces, grid_stencil
from lattice.field_grid import first_copies
from lattice.percolation import grid_percolation
from lattice.stationary import find_stationary_points
from lattice.symmetry import SpaceGroup

CELL = np.diag([10.3290, 6.0065, 4.6908])
CUTOFF = 10.0
ATOMS = {
    "Fe": [(0.28222, 0.25, 0.97472)],
    "P": [(0.09486, 0.25, 0.41820)],
    "O": [(0.09678, 0.25, 0.74279), (0.45710, 0.25, 0.20602), (0.16558, 0.04646, 0.28478)],
}
CHARGE_AND_RADIUS = {"Fe": (2.0 / np.sqrt(2 * 4), 1.32), "P": (5.0 / np.sqrt(2 * 3), 1.07)}
PNMA = [  # x, y, z; -x+1/2, -y, z+1/2; -x, y+1/2, -z; x+1/2, -y+1/2, -z+1/2; and their inverses
    (np.diag(sign * np.array(axes)), np.array(shift))
    for sign in (1, -1)
    for axes, shift in (
        ((1, 1, 1), (0, 0, 0)), ((-1, -1, 1), (0.5, 0, 0.5)), ((-1, 1, -1), (0, 0.5, 0)), ((1, -1, -1), (0.5, 0.5, 0.5))
    )
]  # fmt: skip


def morse(r):
    """Li-O: value and two derivatives."""
    e = np.exp(1.937984 * (1.940013 - r))
    well, slope = 0.5 * 0.98816, 1.937984
    return well * ((e - 1) ** 2 - 1), -2 * well * slope * (e - 1) * e, 2 * well * slope**2 * (2 * e - 1) * e


def screened(r, charge, radius):
    """Li-Fe and Li-P: 14.4 z/sqrt(n n') erfc(r/s)/r, value and two derivatives."""
    s = 0.74 * (1.28 + radius)
    value, gauss = 14.4 * charge * erfc(r / s) / r, 14.4 * charge * 2 / np.sqrt(np.pi) / s * np.exp(-((r / s) ** 2))
    first = -(value + gauss) / r
    return value, first, -2 * first / r + 2 * gauss / s**2


class BondValence:
    """Energy of Li+ in FePO4 at any point, and on a grid whose steps are about `spacing`."""

    def __init__(self, spacing):
        self.cell = CELL
        self.points = {}
        shifts = np.array(list(np.ndindex(5, 7, 9))) - (2, 3, 4)
        for kind, given in ATOMS.items():
            images = np.concatenate([[R @ f + t for R, t in PNMA] for f in given]) % 1.0
            frac = np.unique(np.round(images, 9), axis=0)
            points = ((frac[:, None] + shifts).reshape(-1, 3)) @ CELL
            gap = np.maximum(np.maximum(-points, points - np.diag(CELL)), 0.0)
            self.points[kind] = points[np.linalg.norm(gap, axis=1) < CUTOFF]
        shape = tuple(2 * int(np.ceil(length / spacing / 2)) for length in np.diag(CELL))
        rotations, translations = map(np.array, zip(*PNMA, strict=True))
        own, copy = np.unique(first_copies((rotations, translations), shape), return_inverse=True)
        frac = np.stack(np.unravel_index(own, shape), axis=1) / shape
        self.energy = np.round(self.derivatives(frac)[0], 9)[copy].reshape(shape)
        self.spacing = float((np.diag(CELL) / shape).max())

    def derivatives(self, frac):
        parts = [self._derivatives(part) for part in np.array_split(frac, len(frac) // 1000 + 1)]
        return tuple(np.concatenate(each) for each in zip(*parts, strict=True))

    def _derivatives(self, frac):
        energy, gradient, hessian = np.zeros(len(frac)), np.zeros((len(frac), 3)), np.zeros((len(frac), 3, 3))
        for kind, points in self.points.items():
            d = ((frac - np.floor(frac)) @ CELL)[:, None] - points
            r = np.maximum(np.linalg.norm(d, axis=2), 0.3)
            value, first, second = morse(r) if kind == "O" else screened(r, *CHARGE_AND_RADIUS[kind])
            inside = r < CUTOFF
            radial, along = inside * first / r, inside * (second - first / r) / r**2
            energy += (inside * value).sum(axis=1)
            gradient += np.einsum("mn,mni->mi", radial, d)
            hessian += np.einsum("mn,mni,mnj->mij", along, d, d, optimize=True)
            hessian += radial.sum(axis=1)[:, None, None] * np.eye(3)
        return energy, gradient, hessian


@pytest.mark.validation
@pytest.mark.parametrize(("spacing", "on_the_grid"), [(0.3, 0.483), (0.2, 0.440), (0.1, 0.436), (0.05, 0.433)])
def test_lithium_crosses_lifepo4_over_0_4316_ev(spacing, on_the_grid):
    """E_1D above the lowest minimum, refined: the same from every grid; unrefined it depends on the grid."""
    potential = BondValence(spacing)
    stencil = grid_stencil(CELL, potential.energy.shape)
    crossing = grid_percolation(potential.energy, stencil, below=potential.energy.min() + 5.0)
    assert crossing[0] - potential.energy.min() == pytest.approx(on_the_grid, abs=0.01)
    if spacing == 0.1:
        assert crossing[1] - potential.energy.min() == pytest.approx(3.597, abs=2e-3)
        assert crossing[2] - potential.energy.min() == pytest.approx(3.601, abs=0.03)  # moves so far with the grid
    ceiling = crossing[0] + 0.2
    basins = find_basins(potential.energy, stencil, below=ceiling)
    group = SpaceGroup.from_operations(CELL, *map(np.array, zip(*PNMA, strict=True)))
    graph = find_stationary_points(potential, basins, find_faces(basins, stencil), group, below=ceiling).graph
    assert graph.percolation()[0] - graph.energy.min() == pytest.approx(0.4316, abs=1e-4)
