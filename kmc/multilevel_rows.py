"""Tables of the rows that an ion adds to every level, in whole numbers of a small unit; see kmc/multilevel_plan.py."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from kmc.multilevel_fields import GHOSTS, VECTOR, Fields, near_rows
from kmc.multilevel_meshes import Meshes, cubic, runs_of, splines
from kmc.multilevel_plan import Level, charges, energy_sum, period_of, window_shape
from kmc.tables import shared_rows
from lattice.screening import screened_cell
from lattice.supercell import Lattice
from structures.errors import InputError

_MOST_ENTRIES = 10**8  # of all rows
_MOST_HOP_ENTRIES = 3 * 10**7  # of all differences of rows


def make_fields(
    lattice: Lattice,
    reach: float,
    levels: tuple[Level, ...],
    energy: NDArray[np.float64],
    changed: NDArray[np.float64],
    filling: float,
    rounding: float,
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
    rounding : float, eV
        What the rounding errors of the rows of all ions on a mesh may add up to for an ion.
    """
    repeats, network, q = np.array(lattice.repeats, np.int64), lattice.network, charges(lattice)
    n_sublattices = network.n_sites
    sizes = np.array([lattice.repeats, *(level.nodes for level in levels)], np.int64)
    if sizes.max() > np.iinfo(np.int16).max:
        raise InputError(f"repeats {lattice.repeats}: expected at most 32,767 cells and nodes along an axis")
    width = np.array([n_sublattices, *(1 for _ in levels)], np.int64)
    line = sizes[:, 2] * width + np.array([0, *(GHOSTS for _ in levels)])
    line[-1] = -(-line[-1] // VECTOR) * VECTOR
    first = np.concatenate([[0], np.cumsum(sizes[:, 0] * sizes[:, 1] * line)]).astype(np.int64)
    common = np.lcm.reduce([period_of(lattice.repeats, level.nodes) for level in levels], axis=0)
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
    row_length = [np.full(n_near, near_cells * n_sublattices)]
    meshes = Meshes(lattice, levels)
    sources = [meshes.rows(a, phase) for a in range(n_sublattices) for phase in product(*(range(p) for p in common))]
    for number, level in enumerate(levels, start=1):
        found = [source[number - 1] for source in sources]
        smallest = _unit([values for _, values in found], filling * lattice.n_sites / math.prod(level.nodes))
        n_ions = max(1.0, filling * lattice.n_sites * len(found[0][1]) / math.prod(level.nodes))
        unit[number] = max(smallest, rounding / np.abs(q).max() * math.sqrt(12.0 / n_ions))
        for run, values in found:
            runs.append(run)
            row_length.append(np.array([len(values)]))
            run_count.append(np.array([len(run)]))
            data.append(np.rint(values / unit[number]).astype(np.int32))
    run = np.concatenate(runs)
    n_rows = n_sublattices * period.prod(axis=1)
    longest = int(repeats.max())
    node, weight = splines(lattice, sizes, line, first)
    counts = np.arange(longest)
    fields = Fields(
        value=np.zeros(int(first[-1]), np.int32),
        first=first,
        size=sizes,
        width=width,
        line=line,
        unit=unit,
        anchor=np.ascontiguousarray(counts // period[:, :, None] * step[:, :, None], np.int32),
        phase=np.ascontiguousarray(counts % period[:, :, None], np.int32),
        period=period,
        first_row=np.concatenate([[0], np.cumsum(n_rows)]).astype(np.int64),
        first_run=np.concatenate([[0], np.cumsum(np.concatenate(run_count))]).astype(np.int64),
        run=run.astype(np.int16),
        row_data=np.concatenate([[0], np.cumsum(np.concatenate(row_length))]).astype(np.int64),
        data=np.concatenate([np.zeros(entries, np.int32), *data]),
        hop_row=np.zeros(0, np.int32),
        hop_first_run=np.zeros(1, np.int64),
        hop_run=np.zeros((0, 4), np.int16),
        hop_row_data=np.zeros(0, np.int64),
        hop_near=np.zeros(0, np.int32),
        hop_mesh=np.zeros(0, np.int16),
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
    mean_row = np.diff(fields.row_data[fields.first_row]) / np.diff(fields.first_row)
    hop_row, tabulated = shared_rows(network.hop_reverse)
    if (1.2 * mean_row[:-1].sum() + 1.5 * mean_row[-1]) * len(tabulated) * period.prod() > _MOST_HOP_ENTRIES:
        return fields
    step = fields.size * fields.period // np.array(lattice.repeats)
    runs: list[NDArray[np.int64]] = []
    near: list[NDArray[np.int32]] = []
    mesh: list[NDArray[np.int32]] = []
    for hop in tabulated:
        a, b, image = network.hop_origin[hop], network.hop_target[hop], network.hop_image[hop].astype(np.int64)
        for phase in product(*(range(p) for p in period)):
            cycle, there = np.divmod(np.array(phase) + image, period)
            for level in range(n_levels - 1):
                old = _row(fields, level, int(a), np.array(phase))
                new = _row(fields, level, int(b), there)
                new[0][:, :3] += cycle * step[level]
                run, values = _difference_row(old, new, fields.size[level], int(fields.width[level]))
                runs.append(run)
                (near if level == 0 else mesh).append(values)
            lines = _difference_lines(fields, (int(a), np.array(phase)), (int(b), there), cycle * step[-1])
            runs.append(np.zeros((0, 4), np.int64))
            mesh.append(lines)
    on_mesh, row_data = np.concatenate(mesh), np.empty((len(near), n_levels), np.int64)
    row_data[:, 0] = np.cumsum([len(row) for row in near]) - [len(row) for row in near]
    row_data[:, 1:] = (np.cumsum([len(row) for row in mesh]) - [len(row) for row in mesh]).reshape(len(near), -1)
    fits = np.abs(on_mesh).max() <= np.iinfo(np.int16).max
    return fields._replace(
        hop_row=hop_row.astype(np.int32),
        hop_first_run=np.concatenate([[0], np.cumsum([len(r) for r in runs])]).astype(np.int64),
        hop_run=np.concatenate(runs).astype(np.int16),
        hop_row_data=row_data.ravel(),
        hop_near=np.concatenate(near),
        hop_mesh=on_mesh.astype(np.int16) if fits else on_mesh,
    )


def _difference_lines(
    fields: Fields,
    old: tuple[int, NDArray[np.int64]],
    new: tuple[int, NDArray[np.int64]],
    shift: NDArray[np.int64],
) -> NDArray[np.int32]:
    """Row of one (sublattice, phase) on the last mesh, shifted, less that of another; see `hop_mesh` of Fields."""
    level, nodes = len(fields.width) - 1, fields.size[-1]
    away, comes = (_row(fields, level, *place)[1].reshape(nodes) for place in (old, new))
    difference = np.roll(comes, shift, axis=(0, 1, 2)) - away
    return difference[:, :, np.arange(nodes[2] + VECTOR - 1) % nodes[2]].ravel()


def _row(
    fields: Fields, level: int, sublattice: int, phase: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    period = fields.period[level]
    row = int(fields.first_row[level] + np.ravel_multi_index((sublattice, *phase), (len(fields.charge), *period)))
    runs = slice(fields.first_run[row], fields.first_run[row + 1])
    return fields.run[runs].astype(np.int64), fields.data[slice(*fields.row_data[row : row + 2])]


def _places(runs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Every place of some runs, one run after the other, (n, 3)."""
    place = np.repeat(runs[:, :3], runs[:, 3], axis=0)
    place[:, 2] += np.arange(len(place)) - np.repeat(np.cumsum(runs[:, 3]) - runs[:, 3], runs[:, 3])
    return place


def _difference_row(
    old: tuple[NDArray[np.int64], NDArray[np.int32]],
    new: tuple[NDArray[np.int64], NDArray[np.int32]],
    size: NDArray[np.int64],
    width: int,
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Row `new` less row `old`, on the runs that hold both; places are those of a level of this size, modulo it."""
    start = np.minimum(old[0][:, :3].min(axis=0), new[0][:, :3].min(axis=0))
    ends = [np.column_stack([r[:, :2] + 1, r[:, 2] + r[:, 3]]).max(axis=0) for r in (old[0], new[0])]
    shape = np.minimum(np.maximum(*ends) - start, size)
    box, inside = np.zeros((*shape, width), np.int32), np.zeros(shape, bool)
    for sign, (runs, values) in ((-1, old), (1, new)):
        place = tuple(((_places(runs) - start) % size).T)
        box[place] += sign * values.reshape(-1, width)
        inside[place] = True
    union = runs_of(inside, np.zeros(3, np.int64))
    union = union[np.argsort(-union[:, 3], kind="stable")]  # the processor foresees loops of the same length
    values = box[tuple(_places(union).T)].ravel()
    union[:, :3] = (union[:, :3] + start) % size
    return union, values


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
    offsets = _places(near)
    target = (phases[:, None, :] + offsets) % period
    index = (target[..., 0] * period[1] + target[..., 1]) * period[2] + target[..., 2]
    for a in range(n):
        total = np.zeros((len(phases), n))
        np.add.at(total, index, table[a])
        for level in range(1, len(fields.width)):
            step = fields.size[level] * period // np.array(lattice.repeats)
            folded = np.zeros(step)
            for runs, values in (source[level - 1] for source in sources[a * len(phases) : (a + 1) * len(phases)]):
                np.add.at(folded, tuple((_places(runs) % step).T), values)
            place = (phases[:, None, :] + lattice.network.site_frac) * (fields.size[level] / np.array(lattice.repeats))
            low, weight = cubic(place)
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
    return runs_of(inside, np.array([axis[0] for axis in axes]))
