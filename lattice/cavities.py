"""The geometry of the pores: the largest sphere between the atoms and the volume that a solvent can fill."""

from __future__ import annotations

import math

import numpy as np
import scipy.fft
from ase.data import atomic_numbers, vdw_alvarez, vdw_radii
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter
from scipy.optimize import linprog

from lattice.field_kernels import SURFACE_DISTANCE
from lattice.landscape import grid_shape, scatter_atoms
from structures.errors import InputError
from structures.framework import Framework

PROBE_RADIUS = 1.32  # Å, helium: half its Lennard-Jones diameter of 2.64 Å

_FIRST_REACH = 10.0  # Å
_SPACING = 0.25  # Å
_STEP = 0.5  # Å, along each axis
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
    distance = surface_distance(framework, radii, spacing)
    steps = framework.cell / np.array(distance.shape)[:, None]
    error = 0.5 * np.linalg.norm(steps, axis=1).sum()  # the distance changes by at most one Å per Å
    best = (distance == maximum_filter(distance, size=3, mode="wrap")) & (distance >= distance.max() - error)
    # of symmetry-equivalent points, which agree to rounding, one is enough
    _, first = np.unique(np.round(distance[best], 6), return_index=True)
    starts = np.argwhere(best)[first] / distance.shape
    return 2.0 * max(0.0, *(_largest_sphere(framework, radii, start) for start in starts))


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
    parameters = np.zeros((len(radii), 4))
    parameters[:, 0] = radii
    reach = _FIRST_REACH
    while True:
        distance = np.full(shape, np.inf)
        scatter_atoms(distance, framework, parameters, reach, SURFACE_DISTANCE)
        # an atom out of reach could only be the nearest where all others are farther than this
        if distance.max() <= reach - radii.max():
            return distance
        reach *= 1.5


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
