"""Shapes of rigid ions from their bond lengths and angles: positions of the beads about the centre of mass."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Float = NDArray[np.float64]

_TETRAHEDRON = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / math.sqrt(3.0)
_OCTAHEDRON = np.concatenate([np.eye(3), -np.eye(3)])


def tetrahedral(bond: float) -> Float:
    """Place an atom at the origin and four around it, (5, 3) Å."""
    return np.concatenate([np.zeros((1, 3)), bond * _TETRAHEDRON])


def octahedral(bond: float) -> Float:
    """Place an atom at the origin and six around it, (7, 3) Å."""
    return np.concatenate([np.zeros((1, 3)), bond * _OCTAHEDRON])


def bent_with_two(bond: float, angle: float, side_bond: float, side_angle: float) -> Float:
    """Place an atom with two neighbours in the plane y = 0 and two others in the plane x = 0, as in (CH3)2NH2+.

    Parameters
    ----------
    bond, side_bond : float, Å
    angle, side_angle : float, degrees
        Between the two equal bonds.

    Returns
    -------
    (5, 3) float64, Å
        The atom at the origin, the two neighbours, the two others.
    """
    half, side = math.radians(angle) / 2.0, math.radians(side_angle) / 2.0
    x, down = bond * math.sin(half), -bond * math.cos(half)
    y, up = side_bond * math.sin(side), side_bond * math.cos(side)
    return np.array([[0, 0, 0], [x, 0, down], [-x, 0, down], [0, y, up], [0, -y, up]], dtype=np.float64)


def bistriflimide() -> Float:
    """Trans conformer (symmetry C2) of (CF3SO2)2N-: N, then S, O, O, C, F, F, F of either half, (15, 3) Å.

    Bond lengths and angles of J. N. Canongia Lopes and A. A. H. Pádua, J. Phys. Chem. B 108, 16893 (2004), the two
    oxygen atoms placed by their angles with N and C, the CF3 groups staggered. Both dihedral angles S-N-S-C are 90°,
    close to those of the trans conformer, the lowest in energy.
    """
    half = math.radians(125.6) / 2.0
    nitrogen = np.zeros(3)
    sulfur = 1.570 * np.array([math.sin(half), 0.0, -math.cos(half)])
    other = sulfur * (-1.0, 1.0, 1.0)
    carbon = _next_atom(sulfur, nitrogen, other, 1.818, 103.5, 90.0)
    oxygen = _two_between(sulfur, nitrogen, carbon, 1.437, 113.6, 102.6)
    fluorine = [_next_atom(carbon, sulfur, nitrogen, 1.323, 111.7, dihedral) for dihedral in (180.0, 60.0, -60.0)]
    one = np.array([sulfur, *oxygen, carbon, *fluorine])
    return np.concatenate([nitrogen[None], one, one * (-1.0, -1.0, 1.0)])


def centred(positions: ArrayLike, masses: Sequence[float]) -> Float:
    """Positions relative to the centre of mass, (n, 3) Å."""
    points, weights = np.asarray(positions, np.float64), np.asarray(masses, np.float64)
    return np.asarray(points - weights @ points / weights.sum())


def _next_atom(at: Float, bonded: Float, beyond: Float, bond: float, angle: float, dihedral: float) -> Float:
    """Atom bound to `at`, from its angle with `bonded` and its dihedral angle with `beyond`, in degrees."""
    back = (bonded - at) / np.linalg.norm(bonded - at)
    normal = np.cross(beyond - bonded, back)
    normal /= np.linalg.norm(normal)
    theta, phi = math.radians(angle), math.radians(dihedral)
    side = math.cos(phi) * np.cross(back, normal) + math.sin(phi) * normal
    return np.asarray(at + bond * (math.cos(theta) * back + math.sin(theta) * side))


def _two_between(at: Float, first: Float, second: Float, bond: float, angle: float, other: float) -> list[Float]:
    """Two atoms bound to `at` on both sides of the plane with `first` and `second`, from their angles with these."""
    u, v = ((neighbour - at) / np.linalg.norm(neighbour - at) for neighbour in (first, second))
    overlap = float(u @ v)
    cosines = np.array([math.cos(math.radians(angle)), math.cos(math.radians(other))])
    a, b = np.linalg.solve([[1.0, overlap], [overlap, 1.0]], cosines)
    normal = np.cross(u, v) / np.linalg.norm(np.cross(u, v))
    plane = a * u + b * v
    height = math.sqrt(1.0 - plane @ plane)
    return [at + bond * (plane + sign * height * normal) for sign in (1.0, -1.0)]
