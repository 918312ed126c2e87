"""The geometry of the pores: the largest sphere between the atoms and the volume that a solvent can fill."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import scipy.fft
from ase.data import atomic_numbers, vdw_alvarez, vdw_radii
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter
from scipy.optimize import linprog

from lattice.basins import Stencil, find_basins, find_faces, grid_stencil
from lattice.field_grid import grid_orbits, grid_shape, scatter_atoms
from lattice.field_kernels import SURFACE_DISTANCE
from lattice.percolation import grid_percolation
from structures.errors import InputError
from structures.framework import Framework

PROBE_RADIUS = 1.32  # Å, helium: half its Lennard-Jones diameter of 2.64 Å

_FIRST_REACH = 10.0  # Å
_SPACING = 0.25  # Å
_STEP = 0.5  # Å, along each axis
_SAME_WINDOW = 0.005  # Å, windows that differ less are not told apart
_FINEST = 1_000_000  # points of the finest grid
_RADIUS_TOLERANCE = 1e-7  # Å, that of the linear programs

Float = NDArray[np.float64]


def largest_cavity(framework: Framework, *, spacing: float = _SPACING) -> float:
    """Diameter of the largest sphere that fits between the van der Waals spheres of the atoms.

    The best grid points are improved by sequential linear programs. The distance to an atom is convex, so its
    linearisation is a lower bound and every program enlarges the sphere, until it touches the atoms that hold it.

    Parameters
    ----------
    framework : Framework
    spacing : float, Å
        Of the grid that the search starts from.

    Returns
    -------
    float, Å
        Zero where the atoms leave no room.

    Raises
    ------
    InputError
        If an element has no van der Waals radius.
    """
    radii = van_der_waals_radii(framework.symbols)
    distance, error = _clearance(framework, radii, spacing)
    best = (distance == maximum_filter(distance, size=3, mode="wrap")) & (distance >= distance.max() - error)
    # of symmetry-equivalent points, which agree to rounding, one is enough
    _, first = np.unique(np.round(distance[best], 6), return_index=True)
    starts = np.argwhere(best)[first] / distance.shape
    return 2.0 * max(0.0, *(_largest_sphere(framework, radii, start) for start in starts))


def limiting_diameter(framework: Framework, *, spacing: float = _SPACING) -> float:
    """Diameter of the largest sphere that can cross the crystal in at least one direction, the pore-limiting diameter.

    It is that of a window: a sphere that three atoms hold in their plane. The crossing of a grid tells it to a step of
    the grid, and hardly from above; of the windows so wide the narrowest is taken, after the grid has been refined as
    long as several are in question.

    Parameters
    ----------
    framework : Framework
    spacing : float, Å
        Of the grid that the search starts from.

    Returns
    -------
    float, Å
        Zero where no sphere crosses.

    Raises
    ------
    InputError
        If an element has no van der Waals radius.
    """
    radii = van_der_waals_radii(framework.symbols)
    while True:
        distance, error = _clearance(framework, radii, spacing)
        n1, n2, n3 = distance.shape
        stencil = grid_stencil(framework.cell, (n1, n2, n3), framework.rotations)
        depth = np.round(-distance, 9)
        crossing = -float(grid_percolation(depth, stencil, below=error)[0])
        if not math.isfinite(crossing):
            return 0.0
        windows = _windows(framework, radii, depth, stencil, crossing, error)
        if len(windows) <= 1 or windows[-1] - windows[0] < _SAME_WINDOW or depth.size > _FINEST:
            return 2.0 * max(0.0, windows[0] if len(windows) else crossing)
        spacing /= 1.5


def _windows(
    framework: Framework, radii: Float, depth: Float, stencil: Stencil, crossing: float, error: float
) -> list[float]:
    """Radii of the windows that may limit the crossing of a grid at a radius, ascending, Å."""
    basins = find_basins(depth, stencil, below=error - crossing)
    faces = find_faces(basins, stencil)
    near = np.flatnonzero(np.abs(faces.energy + crossing) <= error)
    known: dict[tuple[float, ...], list[float]] = {}
    found = [t for k in near for t in _held_spheres(framework, radii, basins.frac(faces.point[[k]])[0], error, known)]
    # a step of the grid across a window can miss its middle, where the sphere is narrower: in second order of the step
    step = float(stencil.distances.max())
    dip = step**2 / (8.0 * (crossing + float(radii.min())))
    return [float(t) for t in np.unique(np.round(found, 6)) if crossing - dip <= t <= crossing + error]


def accessible_volume(framework: Framework, *, probe_radius: float = PROBE_RADIUS, spacing: float = _SPACING) -> float:
    """Volume of the cell that a spherical probe can cover without overlap with the atoms.

    The probe-occupiable volume, not that of the probe's centre: among the geometric definitions it is the one that
    agrees with the pore volume from the uptake of a fluid, which is what a molarity in the pores refers to. D. Ongari
    et al., Langmuir 33, 14529 (2017). Closed pockets count if the probe fits.

    Parameters
    ----------
    framework : Framework
    probe_radius : float, Å
    spacing : float, Å

    Returns
    -------
    float, Å³

    Raises
    ------
    InputError
        If an element has no van der Waals radius.
    """
    distance = surface_distance(framework, van_der_waals_radii(framework.symbols), spacing)
    centres = distance >= probe_radius
    # the outermost of the grid's centres lie half a step inside their region on average
    step = float((np.linalg.norm(framework.cell, axis=1) / distance.shape).max())
    ball = _ball(framework, distance.shape, probe_radius + 0.5 * step)
    product = scipy.fft.rfftn(centres.astype(np.float64)) * scipy.fft.rfftn(ball)
    covered = (scipy.fft.irfftn(product, s=distance.shape) > 0.5) & (distance > 0.0)
    return float(covered.mean()) * framework.volume


def van_der_waals_radii(symbols: tuple[str, ...]) -> Float:
    """Van der Waals radius of every atom, (n_atoms,) Å.

    A. Bondi, J. Phys. Chem. 68, 441 (1964) and M. Mantina et al., J. Phys. Chem. A 113, 5806 (2009) as collected by
    ASE; elements missing there from S. Alvarez, Dalton Trans. 42, 8617 (2013).

    Raises
    ------
    InputError
        If an element has no van der Waals radius.
    """
    radii = np.empty(len(symbols))
    for atom, symbol in enumerate(symbols):
        number = atomic_numbers[symbol]
        table = [t[number] for t in (vdw_radii, vdw_alvarez.vdw_radii) if number < len(t) and math.isfinite(t[number])]
        if not table:
            raise InputError(f"element must have a van der Waals radius; got {symbol}")
        radii[atom] = table[0]
    return radii


def surface_distance(framework: Framework, radii: Float, spacing: float) -> Float:
    """Distance from every grid point to the nearest atom's sphere, negative inside, (n1, n2, n3) Å."""
    shape = grid_shape(framework, spacing)
    orbits = grid_orbits(framework, shape)
    parameters = np.zeros((len(radii), 4))
    parameters[:, 0] = radii
    reach = _FIRST_REACH
    while True:
        distance = np.full(shape, np.inf)
        scatter_atoms(distance, framework, parameters, reach, SURFACE_DISTANCE, orbits)
        # an atom out of reach could only be the nearest where all others are farther than this
        if distance.max() <= reach - radii.max():
            return distance
        reach *= 1.5


def _clearance(framework: Framework, radii: Float, spacing: float) -> tuple[Float, float]:
    """Distances of `surface_distance`, and by how much that of any point can differ from the nearest of the grid, Å."""
    distance = surface_distance(framework, radii, spacing)
    steps = framework.cell / np.array(distance.shape)[:, None]
    return distance, 0.5 * float(np.linalg.norm(steps, axis=1).sum())  # it changes by at most one Å per Å


def _ball(framework: Framework, shape: tuple[int, ...], radius: float) -> Float:
    """Return one at the grid points within a radius of the origin (with periodic images), zero elsewhere."""
    ball = np.zeros(shape)
    steps = framework.cell / np.array(shape)[:, None]
    reach = np.floor(radius * np.linalg.norm(np.linalg.inv(steps), axis=0)).astype(int)
    points = np.indices(2 * reach + 1).reshape(3, -1).T - reach
    points = points[np.linalg.norm(points @ steps, axis=1) <= radius]
    ball[tuple((points % shape).T)] = 1.0
    return ball


def _largest_sphere(framework: Framework, radii: Float, start: Float) -> float:
    """Return the radius of the locally largest sphere near a fractional starting point, Å."""
    centre = start @ framework.cell
    radius = -math.inf
    while True:
        offsets, gaps = _neighbours(framework, radii, centre)
        if gaps.min() <= radius + _RADIUS_TOLERANCE:
            return max(radius, float(gaps.min()))
        radius = float(gaps.min())
        # maximise t subject to gap_j - u_j · step >= t, u_j the direction to atom j
        directions = offsets / np.linalg.norm(offsets, axis=1)[:, None]
        program = linprog(
            [0.0, 0.0, 0.0, -1.0],
            A_ub=np.column_stack([directions, np.ones(len(gaps))]),
            b_ub=gaps,
            bounds=[(-_STEP, _STEP)] * 3 + [(None, None)],
        )
        centre = centre + program.x[:3]


def _neighbours(framework: Framework, radii: Float, centre: Float) -> tuple[Float, Float]:
    """Return vectors (n, 3) to the atoms that a step can meet and the distances (n,) of their spheres, Å."""
    inverse = np.linalg.inv(framework.cell)
    base = framework.frac_coords - centre @ inverse
    base -= np.rint(base)
    nearest = float((np.linalg.norm(base @ framework.cell, axis=1) - radii).min())
    # both the move of the centre and the growth of the sphere are at most sqrt(3) steps
    margin = nearest + 2.0 * math.sqrt(3.0) * _STEP
    images = np.floor((margin + radii.max()) * np.linalg.norm(inverse, axis=0) + 0.5).astype(int)
    shifts = np.indices(2 * images + 1).reshape(3, -1).T - images
    offsets = ((base[:, None, :] + shifts) @ framework.cell).reshape(-1, 3)
    gaps = np.linalg.norm(offsets, axis=1) - np.repeat(radii, len(shifts))
    return offsets[gaps <= margin], gaps[gaps <= margin]


def _held_spheres(
    framework: Framework, radii: Float, start: Float, error: float, known: dict[tuple[float, ...], list[float]]
) -> list[float]:
    """Radii of the spheres near a fractional point that three atoms hold in their plane, Å.

    A sphere touches the three, its centre lies in the triangle of the points of contact, and no other atom is nearer.
    Points that agree in the distances of their atoms are copies of one; `known` keeps what was found for them.
    """
    offsets, gaps = _neighbours(framework, radii, start @ framework.cell)
    sizes = np.linalg.norm(offsets, axis=1) - gaps
    near = np.flatnonzero(gaps <= gaps.min() + 4.0 * error)
    near = near[np.argsort(gaps[near], kind="stable")]
    key = tuple(np.round(gaps[near], 5))
    if key not in known:
        triples = np.array(list(combinations(near.tolist(), 3)), np.int64).reshape(-1, 3)
        known[key] = _held_by_three(offsets[triples], sizes[triples], offsets, sizes, error)
    return known[key]


def _held_by_three(centres: Float, radii: Float, atoms: Float, atom_radii: Float, reach: float) -> list[float]:
    """Radii of the spheres that triples of atoms hold in their planes, those near the origin and free of other atoms.

    With the centre x = A + p e1 + q e2 and the radius t, |x - c_i|² = (t + R_i)² for i = 1, 2, 3; the differences are
    linear in p and q, which leaves a quadratic equation for t (the problem of Apollonius).

    Parameters
    ----------
    centres, radii : (n, 3, 3), (n, 3) float64, Å
    atoms, atom_radii : (m, 3), (m,) float64, Å
        All atoms around.
    reach : float, Å
        Largest distance of the centre from the origin.
    """
    b, c = centres[:, 1] - centres[:, 0], centres[:, 2] - centres[:, 0]
    length = np.linalg.norm(b, axis=1)
    e1 = b / np.maximum(length, 1e-9)[:, None]
    along = np.einsum("ni,ni->n", c, e1)
    e2 = c - along[:, None] * e1
    height = np.linalg.norm(e2, axis=1)
    flat = (length > 1e-6) & (height > 1e-6)
    e2 = e2 / np.maximum(height, 1e-9)[:, None]
    height, length = np.maximum(height, 1e-9), np.maximum(length, 1e-9)
    R = radii
    # p = p0 + p1 t, q = q0 + q1 t from the differences of the three equations
    p0 = (length**2 - R[:, 1] ** 2 + R[:, 0] ** 2) / (2.0 * length)
    p1 = (R[:, 0] - R[:, 1]) / length
    q0 = (along**2 + height**2 - R[:, 2] ** 2 + R[:, 0] ** 2 - 2.0 * along * p0) / (2.0 * height)
    q1 = (R[:, 0] - R[:, 2] - along * p1) / height
    # p² + q² = (t + R_1)²
    a2 = p1**2 + q1**2 - 1.0
    a1 = 2.0 * (p0 * p1 + q0 * q1 - R[:, 0])
    a0 = p0**2 + q0**2 - R[:, 0] ** 2
    root = np.sqrt(np.maximum(a1**2 - 4.0 * a2 * a0, 0.0))
    found = []
    for sign in (1.0, -1.0):
        t = np.where(np.abs(a2) > 1e-12, (-a1 + sign * root) / np.where(np.abs(a2) > 1e-12, 2.0 * a2, 1.0), -a0 / a1)
        x = centres[:, 0] + (p0 + p1 * t)[:, None] * e1 + (q0 + q1 * t)[:, None] * e2
        good = flat & (a1**2 >= 4.0 * a2 * a0) & (t + R.min(axis=1) > 0) & (np.linalg.norm(x, axis=1) <= 2.0 * reach)
        for n in np.flatnonzero(good):
            free = (np.linalg.norm(atoms - x[n], axis=1) - atom_radii).min() >= t[n] - _RADIUS_TOLERANCE
            if free and _surrounds(centres[n] - x[n]):
                found.append(float(t[n]))
    return found


def _surrounds(directions: Float) -> bool:
    """Whether the origin lies in the triangle of three unit vectors of one plane, its sides included."""
    unit = directions / np.linalg.norm(directions, axis=1)[:, None]
    angles = unit @ unit.T
    # the largest gap between directions around the origin is at most half a turn
    turns = np.arccos(np.clip([angles[0, 1], angles[1, 2], angles[2, 0]], -1.0, 1.0))
    return bool(turns.sum() > 2.0 * np.pi - 1e-4)
