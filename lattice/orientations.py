"""Orientations over which a rigid ion is averaged, closed under the point group of the crystal.

A set of rotations serves as a quadrature of the average over all orientations. It is spread evenly by a repulsion among
all copies of its representatives, those by the crystal's operations (from the left) and those by the operations that
map the ion onto itself (from the right): the points of the Thomson problem, on the rotation group instead of a sphere.
Because the set is closed, the averaged energy has the full symmetry of the crystal.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from structures.species import Bead

MOST_ORIENTATIONS = 6000  # by default; what is left out is measured by Landscape.orientation_error
LEAST_ORIENTATIONS = 600  # rotations of an ion without symmetry, about 30° apart; fewer where the ion has some
LEAST_DISTINCT = 200  # times the rotations that map an ion onto itself: the peaks beside a wall are as sharp for it
BEAD_STEP = 0.5  # Å, that the outermost bead moves from one orientation to the next

_LEAST = 60
_SAME = 1e-3  # Å
_AXIS_FOLD = 24  # of the axis of a linear ion
_STEPS = 200
_PAIRS = 200_000_000  # forces at most: fewer steps for more orientations
_FEWEST_STEPS = 20

Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False, slots=True)
class Orientations:
    """Quadrature over the orientations of a rigid ion.

    Attributes
    ----------
    positions : (n_orientations, n_beads, 3) float64, Å
        Cartesian, from the centre of mass.
    weights : (n_orientations,) float64
        They sum to one.
    representatives : int
        Orientations from which the crystal's operations make the others.
    """

    positions: Float
    weights: Float
    representatives: int


def default_number(beads: Sequence[Bead]) -> int:
    """Rotations over which an ion is averaged unless the user says otherwise, counted without symmetry.

    The rotation group has the volume 8π² in rad³: steps of an angle a need 8π²/a³ rotations. Here a is `BEAD_STEP` by
    the longest lever arm, the distance from the centre of mass to the outermost bead that feels anything; there are at
    least 600, and 200 for each rotation that maps the ion onto itself, but at most 6000, because the cost grows.

    Error of F at 300 K in MOF-5 (eps_r = 10) against at least 60000 rotations, root mean square (largest) in meV, near
    the minima and elsewhere up to 0.25 eV above the deepest:

    ============= ========= ======== =========== =========
    ion           rotations distinct near minima elsewhere
    ============= ========= ======== =========== =========
    TFSI-         600       336      16 (55)     16 (59)
    TFSI-         29223     14832    0.5 (2.4)   0.3 (1.5)
    rigid-PF6-    600       72       1.1 (6.5)   14 (71)
    rigid-PF6-    2617      120      0.4 (2.6)   5.9 (27)
    rigid-Me2NH2+ 600       336      0.1 (0.5)   0.3 (1.6)
    rigid-Me2NH2+ 1605      816      0.1 (0.5)   0.1 (0.6)
    ============= ========= ======== =========== =========

    Over 400 points up to 0.25 eV above the deepest, rigid-PF6- errs by 1.2 (13) with 2617 rotations and by 0.3 (1.8)
    with 4800, of which 216 are distinct; BF4- by 1.3 (15) with 1733 and by 0.8 (9) with 2400.
    """
    felt = [bead for bead in beads if bead.charge != 0 or bead.lj_epsilon > 0]
    longest = max((math.hypot(*bead.position) for bead in felt), default=0.0)
    if longest == 0.0:
        return LEAST_ORIENTATIONS
    wanted = math.ceil(8.0 * math.pi**2 * (longest / BEAD_STEP) ** 3)
    proper = int((np.linalg.det(body_symmetry(*_body(felt))) > 0).sum())
    return min(max(wanted, LEAST_ORIENTATIONS, LEAST_DISTINCT * proper), MOST_ORIENTATIONS)


def closed_orientations(beads: Sequence[Bead], rotations: Float, number: int | None = None) -> Orientations:
    """Spread the orientations of a rigid ion evenly, closed under a point group.

    An ion that is not its own mirror image is averaged over both hands if the group has mirrors.

    Parameters
    ----------
    beads : sequence of Bead
    rotations : (n_operations, 3, 3) float64
        Orthogonal matrices of the crystal's point group, x' = R x.
    number : int, optional
        Rotations of an ion without symmetry, `default_number` if left out; an ion that n rotations map onto itself
        needs n times fewer, but not fewer than 60.
    """
    body, kinds = _body(beads)
    if not body.any():
        return Orientations(np.zeros((1, len(beads), 3)), np.ones(1), 1)
    number = default_number(beads) if number is None else number
    own = body_symmetry(body, kinds)
    group = unique_matrices(np.asarray(rotations, np.float64))
    proper = own[np.linalg.det(own) > 0]
    both_inverted = any(np.allclose(g, -np.eye(3)) for g in group) and any(np.allclose(m, -np.eye(3)) for m in own)
    copies_of_each = len(group) // (2 if both_inverted else 1)
    n_representatives = math.ceil(max(number / len(proper), min(number, _LEAST)) / copies_of_each)
    turns = _spread(group, own, n_representatives)
    n_representatives = len(turns)
    positions, weights = [], []
    for turn in turns:
        copies = body @ np.transpose(group @ turn, (0, 2, 1))
        kept = _distinct(copies, kinds)
        positions.append(copies[kept])
        weights.append(np.full(len(kept), 1.0 / (len(kept) * n_representatives)))
    return Orientations(np.concatenate(positions), np.concatenate(weights), n_representatives)


def bead_kinds(beads: Sequence[Bead]) -> tuple[tuple[Bead, ...], NDArray[np.int64]]:
    """Beads with different interactions, and for every bead the number of the one that feels the same, (n_beads,)."""
    parameters = [(bead.charge, bead.lj_epsilon, bead.lj_sigma) for bead in beads]
    different = list(dict.fromkeys(parameters))
    kinds = tuple(beads[parameters.index(found)] for found in different)
    return kinds, np.array([different.index(found) for found in parameters], np.int64)


def _body(beads: Sequence[Bead]) -> tuple[Float, NDArray[np.int64]]:
    """Positions of the beads, (n_beads, 3) Å, and their kinds."""
    return np.array([bead.position for bead in beads], dtype=np.float64), bead_kinds(beads)[1]


def unique_matrices(matrices: Float) -> Float:
    """Drop repeated matrices, (n, 3, 3)."""
    _, first = np.unique(np.round(matrices.reshape(-1, 9), 6) + 0.0, axis=0, return_index=True)
    return np.asarray(matrices[np.sort(first)])


def body_symmetry(body: Float, kinds: NDArray[np.int64]) -> Float:
    """Orthogonal matrices that map a rigid body onto itself, bead on bead of the same kind, (n, 3, 3).

    The axis of a linear body counts as 24-fold.

    Parameters
    ----------
    body : (n_beads, 3) float64, Å
    kinds : (n_beads,) int64
    """
    far = int(np.linalg.norm(body, axis=1).argmax())
    away = np.linalg.norm(np.cross(body, body[far]), axis=1)
    side = int(away.argmax())
    if away[side] < _SAME * np.linalg.norm(body[far]):
        return _linear_symmetry(body, kinds, body[far])
    frame = _frame(body[far], body[side])
    found = []
    for a in np.flatnonzero(kinds == kinds[far]):
        for b in np.flatnonzero(kinds == kinds[side]):
            same_length = abs(np.linalg.norm(body[a]) - np.linalg.norm(body[far])) < _SAME
            if a == b or not same_length or np.linalg.norm(np.cross(body[a], body[b])) < _SAME:
                continue
            for hand in (1.0, -1.0):
                matrix = _frame(body[a], body[b]).T @ np.diag([1.0, 1.0, hand]) @ frame
                if _maps_onto_itself(body, kinds, matrix):
                    found.append(matrix)
    return unique_matrices(np.array(found))


def _linear_symmetry(body: Float, kinds: NDArray[np.int64], axis: Float) -> Float:
    frame = _frame(axis, np.roll(axis, 1) + np.array([0.3, 0.5, 0.7]))
    angles = 2.0 * np.pi * np.arange(_AXIS_FOLD) / _AXIS_FOLD
    found = []
    for angle in angles:
        turn = np.array([[1, 0, 0], [0, math.cos(angle), -math.sin(angle)], [0, math.sin(angle), math.cos(angle)]])
        for along in (1.0, -1.0):
            for hand in (1.0, -1.0):
                matrix = frame.T @ turn @ np.diag([along, 1.0, hand]) @ frame
                if _maps_onto_itself(body, kinds, matrix):
                    found.append(matrix)
    return unique_matrices(np.array(found))


def _frame(first: Float, second: Float) -> Float:
    """Right-handed orthonormal axes in rows, the first along `first`, the second in the plane of both."""
    x = first / np.linalg.norm(first)
    y = second - (second @ x) * x
    y /= np.linalg.norm(y)
    return np.array([x, y, np.cross(x, y)])


def _maps_onto_itself(body: Float, kinds: NDArray[np.int64], matrix: Float) -> bool:
    distance = np.linalg.norm((body @ matrix.T)[:, None] - body[None], axis=2)
    nearest = distance.argmin(axis=1)
    matched = distance[np.arange(len(body)), nearest] < _SAME
    return bool(matched.all() and (kinds[nearest] == kinds).all() and len(set(nearest.tolist())) == len(body))


def _distinct(copies: Float, kinds: NDArray[np.int64]) -> NDArray[np.int64]:
    """Numbers of the orientations that differ from all before them as sets of beads."""
    kept: list[int] = []
    seen: set[bytes] = set()
    for n, positions in enumerate(np.round(copies / _SAME)):
        order = np.lexsort((*(positions + 0.0).T, kinds))
        key = (positions[order] + 0.0).tobytes()
        if key not in seen:
            seen.add(key)
            kept.append(n)
    return np.array(kept)


def _spread(group: Float, own: Float, n: int) -> Float:
    """Find about n representative rotations, (n, 3, 3), that fill the group evenly together with their copies g R m.

    They repel each other: the energy is Σ 1/(1 - (p·q)²) over the unit quaternions p of the representatives and q of
    all copies. A few start from a spiral, and n are returned. More start from a fundamental domain of a denser spiral
    and move less; very many are left there.
    """
    hand_g, hand_m = np.linalg.det(group), np.linalg.det(own)
    same = hand_g[:, None] * hand_m[None, :] > 0  # both mirror, or neither: g R m = (-g) R (-m)
    left = _quaternions(group * hand_g[:, None, None])[np.nonzero(same)[0]]
    right = _quaternions(own * hand_m[:, None, None])[np.nonzero(same)[1]]
    steps = min(_STEPS, _PAIRS // (n**2 * len(left)))
    points = _spiral(n) if steps == _STEPS else _fundamental(n, left, right)
    if steps < _FEWEST_STEPS:
        return _matrices(points)
    energy, force = _repulsion(points, left, right)
    step = 0.1
    for _ in range(steps):
        longest = np.linalg.norm(force, axis=1).max()
        if step < 1e-4 or longest < 1e-9:
            break
        trial = points + step * force / longest
        trial /= np.linalg.norm(trial, axis=1)[:, None]
        new_energy, new_force = _repulsion(trial, left, right)
        if new_energy < energy:
            points, energy, force, step = trial, new_energy, new_force, min(1.2 * step, 0.2)
        else:
            step *= 0.5
    return _matrices(points)


def _fundamental(n: int, left: Float, right: Float) -> Float:
    """About n unit quaternions of a spiral in one Dirichlet domain of the group, from which their copies fill the rest.

    It holds the points that are nearer to a centre without symmetry than all their copies.
    """
    centre = np.array([0.83, 0.41, -0.29, 0.17])
    images = _product(_product(left, centre[None]), right)
    images *= np.sign(images[:, :1])  # p and -p are one rotation
    images = np.unique(np.round(images, 9), axis=0)
    points = _spiral(n * len(images))
    nearness = np.abs(points @ images.T).max(axis=1)
    return np.asarray(points[np.abs(points @ centre) > nearness - 1e-9])


def _repulsion(points: Float, left: Float, right: Float) -> tuple[float, Float]:
    """Energy of quaternions (n, 4) among all copies, and the forces (n, 4) along the unit sphere."""
    copies = _product(_product(left[:, None], points[None]), right[:, None])
    cosine = np.einsum("ia,cka->ick", points, copies)
    apart = np.maximum(1.0 - cosine**2, 1e-9)
    itself = np.eye(len(points), dtype=bool)[:, None, :] & (apart < 1e-6)
    strength = np.where(itself, 0.0, cosine / apart**2)
    force = -np.einsum("ick,cka->ia", strength, copies)
    force -= np.einsum("ia,ia->i", force, points)[:, None] * points
    return float(np.where(itself, 0.0, 1.0 / apart).sum()), force


def _matrices(quaternions: Float) -> Float:
    return np.asarray(Rotation.from_quat(quaternions, scalar_first=True).as_matrix())


def _quaternions(rotations: Float) -> Float:
    return np.asarray(Rotation.from_matrix(rotations).as_quat(scalar_first=True))


def _product(p: Float, q: Float) -> Float:
    """Hamilton product of quaternions, scalar part first, along the last axis."""
    scalar = p[..., :1] * q[..., :1] - (p[..., 1:] * q[..., 1:]).sum(axis=-1, keepdims=True)
    vector = p[..., :1] * q[..., 1:] + q[..., :1] * p[..., 1:] + np.cross(p[..., 1:], q[..., 1:])
    return np.concatenate([scalar, vector], axis=-1)


def _spiral(n: int) -> Float:
    """Place unit quaternions along a super-Fibonacci spiral, (n, 4). M. Alexa, Proc. CVPR (2022), p. 8291."""
    s = np.arange(n) + 0.5
    r, R = np.sqrt(s / n), np.sqrt(1.0 - s / n)
    alpha, beta = 2.0 * np.pi * s / math.sqrt(2.0), 2.0 * np.pi * s / 1.533751168755204288118041
    return np.stack([R * np.sin(beta), r * np.sin(alpha), r * np.cos(alpha), R * np.cos(beta)], axis=1)
