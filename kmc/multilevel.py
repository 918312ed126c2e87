"""Levels of the Coulomb energy of a large supercell: an exact row nearby, splines on coarser and coarser meshes beyond.

With Gaussian splittings α_1 > α_2 > ... the potential of an ion is

    psi = near + Σ_l g_l,   g_l = [erf(α_l r) - erf(α_{l+1} r)]/r,   g_last = psi - erfc(α_last r)/r,

and every g_l is represented by cubic splines on a mesh with spacing A/α_l; what a row of level l leaves out lies beyond
X/α_{l+1}, where erfc is small. `near` is the difference between psi, from the Ewald sum, and what the meshes give, so
that pairs within X/α_1 have no error at all. Meshes are commensurate with the cells and repeat after a few of them, so
that the rows of all ions are tabulated. Number of entries of a row: some 4π/3 (2X/A)³ per level, whatever the size.
U. Essmann et al., J. Chem. Phys. 103, 8577 (1995); D. J. Hardy et al., J. Chem. Theory Comput. 11, 766 (2015).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy import fft, special

from kmc.multilevel_kernels import Fields, near_rows
from lattice.ewald import EwaldPotential
from lattice.near_pairs import PairOverride, override_near_pairs
from lattice.screening import screened_cell, screening_factor
from lattice.supercell import Lattice
from structures.errors import InputError
from structures.units import COULOMB

ACCURACIES = ((0.60, 3.2), (0.52, 3.4), (0.45, 3.6), (0.38, 3.9))  # (A, X), each better than the one before
_NEAR_SITES = 4500  # within the reach of level 0, at the first accuracy
_LONGEST_PERIOD = 8  # cells
_MOST_ENTRIES = 10**8  # of all rows
_MOST_HOP_ENTRIES = 3 * 10**7  # of all differences of rows


@dataclass(frozen=True, slots=True)
class Level:
    """One mesh: nodes along each axis, its α, and how far its rows reach (inf: everywhere)."""

    nodes: tuple[int, int, int]
    alpha: float
    reach: float


def charges(lattice: Lattice) -> NDArray[np.float64]:
    """Charge of the ion of every sublattice, (n_sublattices,), e."""
    network = lattice.network
    return np.array([species.charge for species in network.species], np.float64)[network.site_species]


def plan_levels(lattice: Lattice, accuracy: int = 0) -> tuple[float, tuple[Level, ...]]:
    """Choose the reach of level 0, Å in the screened cell, and the meshes with the fewest entries per row."""
    A, X = ACCURACIES[accuracy]
    repeats = lattice.repeats
    cell = screened_cell(lattice.cell, lattice.permittivity)
    lengths = np.linalg.norm(cell, axis=1)
    volume = float(abs(np.linalg.det(cell)))
    spacing = A / X * (3.0 * _NEAR_SITES * volume / (4.0 * math.pi * lattice.n_sites)) ** (1.0 / 3.0)

    def entries(reach: float, nodes: tuple[int, ...]) -> float:
        count = float(math.prod(nodes))
        return min(count, count * 4.0 / 3.0 * math.pi * reach**3 / volume)

    @cache
    def best(nodes: tuple[int, int, int], period: tuple[int, int, int]) -> tuple[float, tuple[Level, ...]]:
        alpha = A / max(n / m for n, m in zip(lengths, nodes, strict=True))
        choice: tuple[float, tuple[Level, ...]] = (float(math.prod(nodes)), (Level(nodes, alpha, math.inf),))
        seen = set()
        for ratio in (2.0, 2.5, 3.0, 4.0, 5.0):
            coarse = _nodes(repeats, lengths, ratio * A / alpha * 1.001, period)
            if coarse in seen or math.prod(coarse) >= 0.7 * math.prod(nodes):
                continue
            seen.add(coarse)
            beyond = best(coarse, _period(repeats, coarse))
            reach = X / beyond[1][0].alpha
            cost = entries(reach, nodes) + beyond[0] + 400.0  # of the splines of one more level
            if cost < choice[0]:
                choice = (cost, (Level(nodes, alpha, reach), *beyond[1]))
        return choice

    finest = _nodes(repeats, lengths, 1.06 * spacing, (1, 1, 1))
    levels = best(finest, _period(repeats, finest))[1]
    return X / levels[0].alpha, levels


def _period(repeats: Sequence[int], nodes: Sequence[int]) -> tuple[int, int, int]:
    p1, p2, p3 = (n // math.gcd(n, m) for n, m in zip(repeats, nodes, strict=True))
    return p1, p2, p3


def _nodes(
    repeats: tuple[int, int, int], lengths: NDArray[np.float64], spacing: float, period: tuple[int, int, int]
) -> tuple[int, int, int]:
    """Fewest nodes along each axis with at most this spacing, a short period, and a multiple of the period given."""
    found = []
    for n, length, before in zip(repeats, lengths, period, strict=True):
        m = max(1, math.ceil(length / spacing))
        while (n // math.gcd(n, m)) % before or n // math.gcd(n, m) > _LONGEST_PERIOD:
            m += 1
            if m > 64 * n:
                raise InputError(f"no mesh fits {n} cells; use repeats with small factors")
        found.append(m)
    return found[0], found[1], found[2]


def window_shape(lattice: Lattice, reach: float) -> NDArray[np.int64]:
    """Cells that a window of cell offsets must span to hold all sites within `reach` (screened Å) of a site, (3,).

    Odd, or the whole supercell.
    """
    cell = screened_cell(lattice.network.cell, lattice.permittivity)
    heights = 1.0 / np.linalg.norm(np.linalg.inv(cell), axis=0)
    span = np.ptp(lattice.network.site_frac, axis=0)
    half = np.floor(reach / heights + span).astype(np.int64)
    return np.asarray(np.minimum(2 * half + 1, np.array(lattice.repeats)), np.int64)


def pair_window(
    lattice: Lattice, shape: NDArray[np.int64], overrides: Sequence[PairOverride]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Energies of pairs in a window of cell offsets, and the part of them by overrides, eV.

    Returns
    -------
    energy, changed : (n_sublattices, d1, d2, d3, n_sublattices) float64
        [a, offset modulo d, b]; offsets beyond d/2 are negative ones.
    """
    network, q = lattice.network, charges(lattice)
    ewald = EwaldPotential(lattice.cell, lattice.permittivity)
    energy = ewald.window(network.site_frac, lattice.repeats, (int(shape[0]), int(shape[1]), int(shape[2])))
    energy *= COULOMB * q[:, None, None, None, None] * q
    changed = np.zeros_like(energy)
    override_near_pairs(changed, network, lattice.permittivity, overrides)
    return energy + changed, changed


def make_fields(
    lattice: Lattice,
    reach: float,
    levels: tuple[Level, ...],
    energy: NDArray[np.float64],
    changed: NDArray[np.float64],
    filling: float,
) -> Fields:
    """Rows of all levels.

    Parameters
    ----------
    lattice : Lattice
    reach : float
        Of level 0, screened Å.
    levels : tuple of Level
    energy, changed : (n_sublattices, d1, d2, d3, n_sublattices) float64, eV
        Of pairs, holding at least the window of `reach`, and the part of overrides; see `pair_window`.
    filling : float
        Ions per site.
    """
    repeats, network, q = np.array(lattice.repeats, np.int64), lattice.network, charges(lattice)
    n_sublattices = network.n_sites
    sizes = np.array([lattice.repeats, *(level.nodes for level in levels)], np.int64)
    width = np.array([n_sublattices, *(1 for _ in levels)], np.int64)
    common = np.lcm.reduce([_period(lattice.repeats, level.nodes) for level in levels], axis=0)
    period = np.tile(common, (len(sizes), 1)).astype(np.int64)
    step = sizes * period // repeats
    runs, data, unit = [], [], np.zeros(len(sizes))
    run_count = []
    near = _near_runs(lattice, reach, np.array(energy.shape[1:4]))
    for phase in product(*(range(p) for p in period[0])):
        shifted = near.copy()
        shifted[:, :3] += np.array(phase)
        runs.append(shifted)
    per_sublattice = np.concatenate(runs)
    near_cells = int(near[:, 3].sum())
    n_near = n_sublattices * int(period[0].prod())
    entries = n_near * near_cells * n_sublattices
    if entries > _MOST_ENTRIES:
        raise InputError(
            f"the rows of {lattice.repeats} cells would need {entries:.2g} numbers; use repeats with small factors"
        )
    runs = [per_sublattice] * n_sublattices
    run_count = [np.full(n_near, len(near))]
    lengths = [np.concatenate(runs)[:, 3] * n_sublattices]
    meshes = _Meshes(lattice, levels)
    sources = [meshes.rows(a, phase) for a in range(n_sublattices) for phase in product(*(range(p) for p in common))]
    for number, level in enumerate(levels, start=1):
        found = [source[number - 1] for source in sources]
        unit[number] = _unit([values for _, values in found], filling * lattice.n_sites / math.prod(level.nodes))
        for run, values in found:
            runs.append(run)
            lengths.append(run[:, 3])
            run_count.append(np.array([len(run)]))
            data.append(np.rint(values / unit[number]).astype(np.int32))
    run = np.concatenate(runs)
    length = np.concatenate(lengths).astype(np.int64)
    n_rows = n_sublattices * period.prod(axis=1)
    longest = int(repeats.max())
    node, weight = _splines(lattice, sizes)
    counts = np.arange(longest)
    fields = Fields(
        value=np.zeros(int((sizes.prod(axis=1) * width).sum()), np.int32),
        first=np.concatenate([[0], np.cumsum(sizes.prod(axis=1) * width)]).astype(np.int64),
        size=sizes,
        width=width,
        unit=unit,
        anchor=np.ascontiguousarray(counts // period[:, :, None] * step[:, :, None], np.int32),
        phase=np.ascontiguousarray(counts % period[:, :, None], np.int32),
        period=period,
        first_row=np.concatenate([[0], np.cumsum(n_rows)]).astype(np.int64),
        first_run=np.concatenate([[0], np.cumsum(np.concatenate(run_count))]).astype(np.int64),
        run=run.astype(np.int32),
        run_data=np.concatenate([[0], np.cumsum(length)[:-1]]).astype(np.int64),
        data=np.concatenate([np.zeros(entries, np.int32), *data]),
        hop_first_run=np.zeros(1, np.int64),
        hop_run=np.zeros((0, 4), np.int32),
        hop_run_data=np.zeros(0, np.int64),
        hop_data=np.zeros(0, np.int32),
        node=node,
        weight=weight,
        charge=q,
    )
    rows = np.empty(entries)
    near_rows(fields, energy, repeats, rows)
    table = rows.reshape(n_sublattices, int(common.prod()), near_cells, n_sublattices)
    _balance(lattice, fields, sources, near, energy_sum(lattice, changed), table)
    unit[0] = _unit(list(rows.reshape(n_near, -1)), filling)
    fields.data[:entries] = np.rint(rows / unit[0])
    return _with_hop_rows(lattice, fields)


def _with_hop_rows(lattice: Lattice, fields: Fields) -> Fields:
    """Add the differences of the rows of both ends of every hop, unless they take too much memory.

    One pass over them instead of two halves the cost of an event.
    """
    network, period, n_levels = lattice.network, fields.period[0], len(fields.width)
    mean_row = len(fields.data) / (len(fields.first_run) - 1)
    if 1.2 * mean_row * n_levels * len(network.hop_origin) * int(period.prod()) > _MOST_HOP_ENTRIES:
        return fields
    step = fields.size * fields.period // np.array(lattice.repeats)
    runs, data = [], []
    for a, b, image in zip(network.hop_origin, network.hop_target, network.hop_image.astype(np.int64), strict=True):
        for phase in product(*(range(p) for p in period)):
            cycle, there = np.divmod(np.array(phase) + image, period)
            for level in range(n_levels):
                old = _row(fields, level, int(a), np.array(phase))
                new = _row(fields, level, int(b), there)
                new[0][:, :3] += cycle * step[level]
                run, values = _difference_row(old, new, int(fields.width[level]))
                runs.append(run)
                data.append(values)
    run = np.concatenate(runs)
    width = np.tile(fields.width, len(runs) // n_levels)
    length = run[:, 3].astype(np.int64) * np.repeat(width, [len(r) for r in runs])
    return fields._replace(
        hop_first_run=np.concatenate([[0], np.cumsum([len(r) for r in runs])]).astype(np.int64),
        hop_run=run.astype(np.int32),
        hop_run_data=np.concatenate([[0], np.cumsum(length)[:-1]]).astype(np.int64),
        hop_data=np.concatenate(data),
    )


def _row(
    fields: Fields, level: int, sublattice: int, phase: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    period = fields.period[level]
    row = int(fields.first_row[level] + np.ravel_multi_index((sublattice, *phase), (len(fields.charge), *period)))
    runs = slice(fields.first_run[row], fields.first_run[row + 1])
    first = int(fields.run_data[runs][0])
    count = int(fields.run[runs, 3].sum() * fields.width[level])
    return fields.run[runs].astype(np.int64), fields.data[first : first + count]


def _difference_row(
    old: tuple[NDArray[np.int64], NDArray[np.int32]], new: tuple[NDArray[np.int64], NDArray[np.int32]], width: int
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Row `new` less row `old`, on the runs that hold both."""
    start = np.minimum(old[0][:, :3].min(axis=0), new[0][:, :3].min(axis=0))
    ends = [np.column_stack([r[:, :2] + 1, r[:, 2] + r[:, 3]]).max(axis=0) for r in (old[0], new[0])]
    shape = np.maximum(*ends) - start
    box, inside = np.zeros((*shape, width), np.int32), np.zeros(shape, bool)
    for sign, (runs, values) in ((-1, old), (1, new)):
        line = np.repeat(runs[:, :3] - start, runs[:, 3], axis=0)
        line[:, 2] += np.arange(len(line)) - np.repeat(np.cumsum(runs[:, 3]) - runs[:, 3], runs[:, 3])
        place = tuple(line.T)
        box[place] += sign * values.reshape(-1, width)
        inside[place] = True
    union = _runs(inside, start)
    line = np.repeat(union[:, :3] - start, union[:, 3], axis=0)
    line[:, 2] += np.arange(len(line)) - np.repeat(np.cumsum(union[:, 3]) - union[:, 3], union[:, 3])
    return union, box[tuple(line.T)].ravel()


def energy_sum(lattice: Lattice, changed: NDArray[np.float64]) -> NDArray[np.float64]:
    """Energy of an ion on sublattice b with ions on all sites of sublattice a, (a, b), eV: Ewald sums of one cell."""
    network, q = lattice.network, charges(lattice)
    psi = EwaldPotential(network.cell, lattice.permittivity).window(network.site_frac, (1, 1, 1), (1, 1, 1))
    return np.asarray(psi[:, 0, 0, 0, :] * COULOMB * q[:, None] * q + changed.sum(axis=(1, 2, 3)))


def _balance(
    lattice: Lattice,
    fields: Fields,
    sources: list[list[tuple[NDArray[np.int64], NDArray[np.float64]]]],
    near: NDArray[np.int64],
    exact: NDArray[np.float64],
    table: NDArray[np.float64],
) -> None:
    """Make the rows of all ions of a sublattice add up to the exact sum, in place.

    The errors of the splines depend on where a site lies within its mesh: those of single pairs are tiny, but with the
    mean density of ions they add up to a periodic potential. Its negative is spread over the rows of level 0.
    `table`: (n_sublattices, phases, near cells, n_sublattices) eV.
    """
    period, n = fields.period[0], len(fields.charge)
    phases = np.array(list(product(*(range(p) for p in period))))
    offsets = np.concatenate([[(i, j, k + m) for m in range(length)] for i, j, k, length in near])
    target = (phases[:, None, :] + offsets) % period
    index = (target[..., 0] * period[1] + target[..., 1]) * period[2] + target[..., 2]
    for a in range(n):
        total = np.zeros((len(phases), n))
        np.add.at(total, index, table[a])
        for level in range(1, len(fields.width)):
            step = fields.size[level] * period // np.array(lattice.repeats)
            folded = np.zeros(step)
            for runs, values in (source[level - 1] for source in sources[a * len(phases) : (a + 1) * len(phases)]):
                line = np.repeat(runs[:, :3], runs[:, 3], axis=0)
                line[:, 2] += np.arange(len(line)) - np.repeat(np.cumsum(runs[:, 3]) - runs[:, 3], runs[:, 3])
                np.add.at(folded, tuple((line % step).T), values)
            place = (phases[:, None, :] + lattice.network.site_frac) * (fields.size[level] / np.array(lattice.repeats))
            low, weight = _cubic(place)
            for i, j, k in product(range(4), repeat=3):
                node = (low + np.array([i - 1, j - 1, k - 1])) % step
                both = weight[..., 0, i] * weight[..., 1, j] * weight[..., 2, k]
                total += fields.charge * both * folded[node[..., 0], node[..., 1], node[..., 2]]
        table[a] -= ((total - exact[a]) / len(offsets))[index]


def _unit(rows: Sequence[NDArray[np.float64]], sources: float) -> float:
    """Choose the unit of the whole numbers of a level: 2³¹ of it are far beyond its values."""
    largest = max(float(np.abs(row).max()) for row in rows)
    mean = max(abs(float(row.sum())) for row in rows) * sources
    spread = math.sqrt(max(float((row**2).sum()) for row in rows) * sources)
    return (10.0 * largest + 4.0 * mean + 50.0 * spread) / 2**31


def _near_runs(lattice: Lattice, reach: float, window: NDArray[np.int64]) -> NDArray[np.int64]:
    """Find the runs of cell offsets along the third axis that hold sites within `reach`, (n_runs, 4)."""
    cell = screened_cell(lattice.network.cell, lattice.permittivity)
    shape = np.minimum(window_shape(lattice, reach), window)
    axes = [np.arange(n) - n // 2 for n in shape]
    offset = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).astype(np.float64)
    frac = lattice.network.site_frac
    inside = np.zeros(shape, bool)
    for difference in np.unique((frac[None, :] - frac[:, None]).reshape(-1, 3).round(9), axis=0):
        inside |= np.linalg.norm((offset + difference) @ cell, axis=-1) <= reach
    for axis, n in enumerate(shape):  # an axis within reach of both ends is taken whole
        if n == lattice.repeats[axis]:
            inside |= inside.any(axis=axis, keepdims=True) & (2.0 * reach >= np.linalg.norm(cell[axis]) * (n - 1))
    return _runs(inside, np.array([axis[0] for axis in axes]))


def _runs(inside: NDArray[np.bool_], start: NDArray[np.int64]) -> NDArray[np.int64]:
    """First to last true entry of every line along the third axis, (n_runs, 4), offsets counted from `start`."""
    i, j = np.nonzero(inside.any(axis=2))
    line = inside[i, j]
    low = line.argmax(axis=1)
    high = inside.shape[2] - line[:, ::-1].argmax(axis=1)
    return np.column_stack([i + start[0], j + start[1], low + start[2], high - low])


class _Meshes:
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
                runs = _runs(np.ones(level.nodes, bool), np.zeros(3, np.int64))
                values = coefficient.ravel()
            else:
                inside = self._distances(source, level) <= level.reach
                coefficient = np.where(inside, coefficient, 0.0)
                nodes = np.array(level.nodes)
                runs = _runs(np.roll(inside, nodes // 2, axis=(0, 1, 2)), -(nodes // 2))
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
        low, weights = _cubic(np.arange(m) * (n / m))
        matrix = np.zeros((m, n))
        for q in range(4):
            np.add.at(matrix, (np.arange(m), (low - 1 + q) % n), weights[:, q])
        value = np.moveaxis(np.tensordot(matrix, value, axes=(1, axis)), 0, axis)
    return value


def _cubic(place: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
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


def _splines(lattice: Lattice, sizes: NDArray[np.int64]) -> tuple[NDArray[np.uint32], NDArray[np.float64]]:
    """Nodes around every site along each axis, as places in the values of all levels, and their weights."""
    frac, n_sublattices = lattice.network.site_frac, lattice.network.n_sites
    longest = max(lattice.repeats)
    node = np.zeros((len(sizes), 3, longest * n_sublattices, 4), np.uint32)
    weight = np.zeros(node.shape)
    first = n_sublattices * lattice.n_cells
    for level, nodes in enumerate(sizes[1:], start=1):
        stride = (nodes[1] * nodes[2], nodes[2], 1)
        for axis, n in enumerate(lattice.repeats):
            place = ((np.arange(n)[:, None] + frac[:, axis]) * (nodes[axis] / n)).ravel()
            low, weights = _cubic(place)
            around = (low[:, None] + np.arange(-1, 3)) % nodes[axis] * stride[axis]
            node[level, axis, : len(place)] = around + (first if axis == 0 else 0)
            weight[level, axis, : len(place)] = weights
        first += int(nodes.prod())
    return node, weight
