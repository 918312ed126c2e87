"""A first path for a hop: short, and clear of the framework.

The centre of the ion takes the cheapest way through a grid on which the cost of a place grows steeply where framework
atoms are touched, and the path is then pulled straight and pushed out of soft spheres by a nudged elastic band of its
own. In a framework most of the straight line may run through a wall, where pair-potential interpolations fail.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any, ClassVar

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.mep import NEB
from ase.optimize import LBFGS
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.csgraph import dijkstra

from lattice.atomistic import AtomisticCell
from lattice.ion_atoms import GENERIC, radii_of

Float = NDArray[np.float64]

LENGTH_PER_IMAGE = 1.5  # Å of path
_STEP = 0.4  # Å between grid points
_MARGIN = 4.5  # Å that a path may leave the box around the straight line
_EXPONENT = 12
_CLEARANCE = 1.3  # of the sum of covalent radii: farther atoms do not push
_SPRING = 0.1  # eV/Å²
_KICK = 0.2  # Å by which the middle of a band is moved off the symmetry elements
_BLOCK = 2000


def first_path(cell: AtomisticCell, start: Float, end: Float, at_least: int) -> list[Atoms]:
    """Structures between two relaxed ones.

    The atoms of the ion move with its centre, their places about it and the framework are interpolated linearly.

    Parameters
    ----------
    cell : AtomisticCell
    start, end : (n_atoms, 3) float64, Å
        The ion not wrapped.
    at_least : int
        Images between the ends; more where the path is longer than 1.5 Å for each.

    Returns
    -------
    list of Atoms
        Both ends included.
    """
    ion = cell.n_framework
    ends = cell.ion.centre(start[ion:]), cell.ion.centre(end[ion:])
    wall, names = cell.around(np.linspace(*ends, 20), 2 * _MARGIN)
    contact = cell.ion.girth + radii_of(names)
    way = _cheapest_way(*ends, wall, contact)
    n = max(at_least, int(np.ceil(_arc(way)[-1] / LENGTH_PER_IMAGE)))
    share = np.linspace(0.0, 1.0, n + 2)[:, None, None]
    across = _KICK * np.sin(np.pi * share[:, 0]) * _across(ends[1] - ends[0])
    centres = _cleared(_resampled(way, n + 2) + across, wall, _CLEARANCE * contact)
    positions = (1 - share) * start + share * end
    positions[:, ion:] += (centres - cell.ion.centre(positions[:, ion:]))[:, None]
    return [cell.structure(p[ion:], p[:ion]) for p in positions]


def _cheapest_way(start: Float, end: Float, wall: Float, contact: Float) -> Float:
    """Path that minimises ∫ 1 + Σ (contact / distance)^12 dl, on a grid along the straight line, (n, 3), Å."""
    axis = end - start
    length = float(np.linalg.norm(axis))
    if length < _STEP or not len(wall):
        return np.array([start, end])
    n = round(length / _STEP)
    step, margin = length / n, round(_MARGIN * n / length)
    along = np.arange(-margin, n + margin + 1)
    beside = np.arange(-margin, margin + 1)
    grid = np.stack(np.meshgrid(along, beside, beside, indexing="ij"), axis=-1)
    points = start + step * grid @ _frame(axis / length)
    cost = _cost(points.reshape(-1, 3), wall, contact).reshape(points.shape[:3])
    number = np.arange(cost.size).reshape(cost.shape)
    first, last = int(number[margin, margin, margin]), int(number[margin + n, margin, margin])
    _, before = dijkstra(_neighbour_costs(cost, number), directed=False, indices=first, return_predecessors=True)
    way = [last]
    while way[-1] != first:
        way.append(int(before[way[-1]]))
    return np.asarray(points.reshape(-1, 3)[way[::-1]])


def _cost(points: Float, wall: Float, contact: Float) -> Float:
    cost = np.ones(len(points))
    for begin in range(0, len(points), _BLOCK):
        block = slice(begin, begin + _BLOCK)
        distance = np.linalg.norm(points[block, None] - wall, axis=-1)
        cost[block] += ((contact / np.maximum(distance, 0.2 * contact)) ** _EXPONENT).sum(axis=1)
    return cost


def _neighbour_costs(cost: Float, number: NDArray[np.int64]) -> csr_matrix:
    """Cost of the steps between each grid point and its 26 neighbours, each pair once."""
    a, b, step = (np.concatenate(part) for part in zip(*_pairs(cost, number), strict=True))
    return coo_matrix((step, (a, b)), shape=(cost.size, cost.size)).tocsr()


def _pairs(cost: Float, number: NDArray[np.int64]) -> Iterator[tuple[Any, Any, Any]]:
    for shift in product((-1, 0, 1), repeat=3):
        if shift <= (0, 0, 0):
            continue
        here = tuple(slice(max(0, -s), n - max(0, s)) for s, n in zip(shift, cost.shape, strict=True))
        there = tuple(slice(max(0, s), n - max(0, -s)) for s, n in zip(shift, cost.shape, strict=True))
        step = 0.5 * (cost[here] + cost[there]) * np.linalg.norm(shift)
        yield number[here].ravel(), number[there].ravel(), step.ravel()


def _cleared(path: Float, wall: Float, contact: Float) -> Float:
    """Push a path (n_images, 3) out of spheres around the wall atoms, ends apart, and keep it short."""
    if not len(wall):
        return path
    images = [Atoms("X", point[None]) for point in path]
    for image in images:
        image.calc = _SoftSpheres(wall, contact)
    with LBFGS(NEB(images, k=_SPRING, method="improvedtangent"), logfile=None) as optimiser:
        optimiser.run(fmax=0.01, steps=200)
    return np.array([image.positions[0] for image in images])


class _SoftSpheres(Calculator):  # type: ignore[misc]
    """Energy Σ (1 - d/contact)² (eV) of the atoms that are nearer than their contact distance."""

    implemented_properties: ClassVar[list[str]] = ["energy", "forces"]

    def __init__(self, wall: Float, contact: Float) -> None:
        super().__init__()
        self._wall, self._contact = wall, contact

    def calculate(
        self, atoms: Atoms | None = None, properties: Any = ("energy",), system_changes: Any = all_changes
    ) -> None:
        """Compute energy and forces of the one atom that stands for the ion."""
        super().calculate(atoms, properties, system_changes)
        difference = self.atoms.positions[0] - self._wall
        distance = np.maximum(np.linalg.norm(difference, axis=1), 1e-6)
        overlap = np.maximum(0.0, 1.0 - distance / self._contact)
        push = 2.0 * overlap / (self._contact * distance) @ difference
        self.results = {"energy": float((overlap**2).sum()), "forces": push[None]}


def _frame(axis: Float) -> Float:
    """Three unit vectors in rows at right angles, the first one given."""
    second = _across(axis)
    return np.array([axis, second, np.cross(axis, second)])


def _across(direction: Float) -> Float:
    """Return a unit vector at right angles to a direction and along no symmetry element."""
    length = float(direction @ direction)
    across = GENERIC - (GENERIC @ direction / length * direction if length > 0 else 0.0)
    return np.asarray(across / np.linalg.norm(across))


def _arc(path: Float) -> Float:
    """Length of a path up to each point, (n,), Å."""
    return np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])


def _resampled(path: Float, n: int) -> Float:
    """Points at equal distances along a path, (n, 3), Å."""
    arc = _arc(path)
    where = np.linspace(0.0, arc[-1], n)
    return np.column_stack([np.interp(where, arc, path[:, k]) for k in range(3)])
