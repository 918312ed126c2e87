"""Rows of spline coefficients: the smooth parts of the potential of one ion on the meshes of all levels."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy import fft, special

from kmc.multilevel_plan import Level, charges
from lattice.screening import screened_cell, screening_factor
from lattice.supercell import Lattice
from structures.units import COULOMB


class Meshes:
    """Rows of spline coefficients of all meshes.

    The samples of a mesh are psi - erfc(α_l r)/r less what the coarser meshes give at its nodes, so that it mends their
    errors within its reach.
    """

    def __init__(self, lattice: Lattice, levels: tuple[Level, ...]) -> None:
        self._levels = levels
        self._cell = screened_cell(lattice.cell, lattice.permittivity)
        self._frac, self._repeats = lattice.network.site_frac, np.array(lattice.repeats)
        self._scale = COULOMB * screening_factor(lattice.permittivity) * charges(lattice)
        self._inverse = [_inverse_spline(level.nodes) for level in levels]

    def rows(self, sublattice: int, phase: tuple[int, ...]) -> list[tuple[NDArray[np.int64], NDArray[np.float64]]]:
        """Compute the row of an ion on every mesh: runs, from the start of its period, and coefficients, eV/e."""
        source = (self._frac[sublattice] + np.array(phase)) / self._repeats
        found: list[tuple[NDArray[np.int64], NDArray[np.float64]]] = []
        coarser: list[NDArray[np.float64]] = []
        for number in range(len(self._levels) - 1, -1, -1):
            level = self._levels[number]
            sample = self._smooth(source, level.nodes)
            if coarser:
                sample += self._difference(source, level)
            for coefficient in coarser:
                sample -= _interpolated(coefficient, level.nodes)
            coefficient = fft.irfftn(fft.rfftn(sample) * self._inverse[number], s=sample.shape)
            if not coarser:
                runs = runs_of(np.ones(level.nodes, bool), np.zeros(3, np.int64))
                values = coefficient.ravel()
            else:
                inside = self._distances(source, level) <= level.reach
                coefficient = np.where(inside, coefficient, 0.0)
                nodes = np.array(level.nodes)
                runs = runs_of(np.roll(inside, nodes // 2, axis=(0, 1, 2)), -(nodes // 2))
                centred = np.roll(coefficient, nodes // 2, axis=(0, 1, 2))
                places = runs + np.array([*(nodes // 2), 0])
                values = np.concatenate([centred[i, j, k : k + n] for i, j, k, n in places])
            coarser.append(coefficient)
            found.insert(0, (runs, values * self._scale[sublattice]))
        return found

    def _offsets(self, source: NDArray[np.float64], level: Level) -> NDArray[np.float64]:
        """From the source to the nearest images of all nodes, fractional, (m1, m2, m3, 3)."""
        axes = [np.arange(m) / m - s for m, s in zip(level.nodes, source, strict=True)]
        return np.stack(np.meshgrid(*(axis - np.rint(axis) for axis in axes), indexing="ij"), axis=-1)

    def _images(self, reach: float) -> list[tuple[int, int, int]]:
        """Images that can lie within reach; the wrapped one alone if the reach is below half the cell's heights."""
        heights = 1.0 / np.linalg.norm(np.linalg.inv(self._cell), axis=0)
        most = [0 if reach <= 0.5 * h else math.ceil(reach / h + 0.5) for h in heights]
        return [(i, j, k) for i, j, k in product(*(range(-n, n + 1) for n in most))]

    def _distances(self, source: NDArray[np.float64], level: Level) -> NDArray[np.float64]:
        offset = self._offsets(source, level)
        found = [np.linalg.norm((offset + np.array(n)) @ self._cell, axis=-1) for n in self._images(level.reach)]
        return np.asarray(np.min(found, axis=0))

    def _difference(self, source: NDArray[np.float64], level: Level) -> NDArray[np.float64]:
        """Σ [erf(α_l r) - erf(α_last r)]/r over the images, at all nodes."""
        inner, outer = level.alpha, self._levels[-1].alpha
        offset, total = self._offsets(source, level), np.zeros(level.nodes)
        reach = 4.3 / outer
        for n in self._images(reach):
            r = np.linalg.norm((offset + np.array(n)) @ self._cell, axis=-1)
            near = r < reach
            safe = np.maximum(r[near], 1e-9)
            total[near] += (special.erfc(outer * safe) - special.erfc(inner * safe)) / safe
        return total

    def _smooth(self, source: NDArray[np.float64], nodes: tuple[int, int, int]) -> NDArray[np.float64]:
        """(4π/V) Σ_k exp(-k²/4α²)/k² exp(ik·r) - π/α²V with the last α, at the nodes of a mesh.

        Waves beyond those of the mesh are folded back onto it.
        """
        alpha, volume = self._levels[-1].alpha, float(abs(np.linalg.det(self._cell)))
        reciprocal = 2.0 * np.pi * np.linalg.inv(self._cell).T
        largest = 2.0 * alpha * 5.2 * np.linalg.norm(self._cell, axis=1) / (2.0 * np.pi)
        waves = [np.arange(-math.ceil(w), math.ceil(w) + 1) for w in largest]
        k = sum(
            (w[tuple(slice(None) if a == axis else None for a in range(3))][..., None] * reciprocal[axis])
            for axis, w in enumerate(waves)
        )
        square = (np.asarray(k) ** 2).sum(axis=-1)
        square[square == 0.0] = np.inf
        weight = 4.0 * np.pi / volume * np.exp(-square / (4.0 * alpha**2)) / square
        spectrum: NDArray[np.complex128] = weight.astype(np.complex128)
        for axis, w in enumerate(waves):
            turn = np.exp(-2j * np.pi * w * source[axis])
            spectrum = np.moveaxis(spectrum, axis, 0) * turn[:, None, None]
            folded = np.zeros((nodes[axis], *spectrum.shape[1:]), np.complex128)
            for index, part in zip(w % nodes[axis], spectrum, strict=True):
                folded[index] += part
            spectrum = np.moveaxis(folded, 0, axis)
        smooth = fft.ifftn(spectrum).real * math.prod(nodes)
        return np.asarray(smooth - np.pi / (alpha**2 * volume))


def _interpolated(coefficient: NDArray[np.float64], nodes: tuple[int, int, int]) -> NDArray[np.float64]:
    """Value of a spline on one mesh at the nodes of another."""
    value = coefficient
    for axis, (m, n) in enumerate(zip(nodes, coefficient.shape, strict=True)):
        low, weights = cubic(np.arange(m) * (n / m))
        matrix = np.zeros((m, n))
        for q in range(4):
            np.add.at(matrix, (np.arange(m), (low - 1 + q) % n), weights[:, q])
        value = np.moveaxis(np.tensordot(matrix, value, axes=(1, axis)), 0, axis)
    return value


def cubic(place: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Node below every place and the weights of the four cubic splines around it, (n,) and (n, 4)."""
    low = np.floor(place + 1e-12).astype(np.int64)
    f = place - low
    weights = [(1 - f) ** 3, 3 * f**3 - 6 * f**2 + 4, -3 * f**3 + 3 * f**2 + 3 * f + 1, f**3]
    return low, np.stack(weights, axis=-1) / 6


def _inverse_spline(nodes: tuple[int, int, int]) -> NDArray[np.float64]:
    """One over the Fourier transform of the cubic spline at the nodes, in the shape of rfftn."""
    factor = [(2.0 + np.cos(2.0 * np.pi * np.arange(m) / m)) / 3.0 for m in nodes]
    product_of_axes = factor[0][:, None, None] * factor[1][None, :, None] * factor[2][None, None, : nodes[2] // 2 + 1]
    return np.asarray(1.0 / product_of_axes)


def splines(
    lattice: Lattice, sizes: NDArray[np.int64], line: NDArray[np.int64], first: NDArray[np.int64]
) -> tuple[NDArray[np.uint32], NDArray[np.float64]]:
    """Nodes around every site along each axis, as places in the values of all levels, and their weights.

    `sizes`, `line`, `first` as in `Fields`. Those along the third axis run on into the copies behind the end of a line.
    """
    frac, n_sublattices = lattice.network.site_frac, lattice.network.n_sites
    longest = max(lattice.repeats)
    node = np.zeros((len(sizes), 3, longest * n_sublattices, 4), np.uint32)
    weight = np.zeros(node.shape)
    for level, nodes in enumerate(sizes[1:], start=1):
        length = (nodes[0], nodes[1], line[level])
        stride = (length[1] * length[2], length[2], 1)
        for axis, n in enumerate(lattice.repeats):
            place = ((np.arange(n)[:, None] + frac[:, axis]) * (nodes[axis] / n)).ravel()
            low, weights = cubic(place)
            lowest = (low[:, None] - 1) % nodes[axis]
            around = (lowest + np.arange(4)) % length[axis] * stride[axis]
            node[level, axis, : len(place)] = around + (first[level] if axis == 0 else 0)
            weight[level, axis, : len(place)] = weights
    return node, weight


def runs_of(inside: NDArray[np.bool_], start: NDArray[np.int64]) -> NDArray[np.int64]:
    """First to last true entry of every line along the third axis, (n_runs, 4), offsets counted from `start`."""
    i, j = np.nonzero(inside.any(axis=2))
    line = inside[i, j]
    low = line.argmax(axis=1)
    high = inside.shape[2] - line[:, ::-1].argmax(axis=1)
    return np.column_stack([i + start[0], j + start[1], low + start[2], high - low])
