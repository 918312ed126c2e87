"""One choice of axes and origin for one crystal.

A space group leaves axes and origin open up to its normaliser: Fm-3m has two equal origins, Pmmm six orders of its
axes, P1 any origin. Programs take what the input suggests, so that a file and its supercell end in different places.
Here the choice follows from the crystal alone: the shortest axes, in ascending order where the group permits, then the
origin and orientation with the largest value of a fixed generic function of the atoms. Mirror images stay apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

from structures.crystal import wrap

_STEPS = 24  # origins that a normaliser makes equal differ by multiples of 1/24 of the axes
_MAX_INDEX = 5  # of structure factors in the generic function; 135 is the first to tell the origins of Fm-3c apart
_TOLERANCE = 1e-6

Matrix = NDArray[np.float64]


def choose_setting(
    cell: Matrix, frac: Matrix, kinds: NDArray[np.int64], rotations: NDArray[np.int64], translations: Matrix
) -> tuple[Matrix, Matrix]:
    """Cell and positions in the chosen setting, in which the operations are the same.

    Parameters
    ----------
    cell : (3, 3) float64, Å
        Standard cell of the space group.
    frac : (n_atoms, 3) float64
    kinds : (n_atoms,) int64
    rotations : (n_operations, 3, 3) int64
    translations : (n_operations, 3) float64

    Returns
    -------
    cell : (3, 3) float64, Å
    frac : (n_atoms, 3) float64, in [0, 1)
    """
    first: dict[bytes, Matrix] = {}
    for rotation, translation in zip(rotations, translations, strict=True):
        first.setdefault(rotation.tobytes(), translation)
    centring = translations[(rotations == np.eye(3, dtype=np.int64)).all(axis=(1, 2))]
    point = np.array([np.frombuffer(key, dtype=np.int64).reshape(3, 3) for key in first])
    shift = np.array(list(first.values()))

    polar = point.mean(axis=0)
    references = frac[kinds == _rarest(kinds)] if np.abs(polar).max() > 1e-9 else np.zeros((1, 3))
    candidates: list[tuple[NDArray[np.int64], NDArray[np.int64], Matrix]] = []
    for changes in _by_length(_normalising(point), cell @ cell.T):
        for change in _without_copies(changes, point):
            turn = np.rint(np.linalg.inv(change)).astype(np.int64).T  # x' = turn x
            if not _same_centring(centring @ turn.T, centring):
                continue  # obverse to reverse, C to A
            along = -(references @ turn.T) @ polar.T
            origins = _origins(turn, point, shift, centring, polar)
            candidates += [(change, turn, origin + step) for origin in origins for step in along]
        if candidates:
            break
    turns = np.array([turn for _, turn, _ in candidates])
    best = _largest(turns, np.array([origin for _, _, origin in candidates]), frac, kinds)
    change, turn, origin = candidates[best]
    return change @ cell, wrap(frac @ turn.T + origin)


@cache
def _unimodular() -> NDArray[np.int64]:
    """Return changes of axes of determinant 1: small combinations, and larger ones in the plane of monoclinic cells."""
    matrices = np.array(list(product((-1, 0, 1), repeat=9)), dtype=np.int64).reshape(-1, 3, 3)
    plane = np.zeros((7**4 * 2, 3, 3), dtype=np.int64)
    for k, (p, q, r, s, b) in enumerate(product(*[range(-3, 4)] * 4, (-1, 1))):
        plane[k] = ((p, 0, q), (0, b, 0), (r, 0, s))
    matrices = np.unique(np.vstack([matrices, plane]), axis=0)
    return np.asarray(matrices[np.rint(np.linalg.det(matrices)) == 1])


def _normalising(point: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return changes of axes, new axes in rows, in which the point operations have the same matrices as a set."""
    changes = _unimodular()
    moved = np.rint(np.linalg.inv(changes)).astype(np.int64).transpose(0, 2, 1)
    back = changes.transpose(0, 2, 1)
    code = 7 ** np.arange(9)
    known = point.reshape(-1, 9) @ code
    fits = np.ones(len(changes), dtype=np.bool_)
    for rotation in point:
        index = np.flatnonzero(fits)
        image = moved[index] @ rotation @ back[index]
        fits[index] = np.isin(image.reshape(-1, 9) @ code, known) & (np.abs(image) <= 1).all(axis=(1, 2))
    return np.asarray(changes[fits])


def _by_length(changes: NDArray[np.int64], metric: Matrix) -> Iterator[NDArray[np.int64]]:
    """Yield changes of axes in groups of one resulting metric: the shortest axes first, then in ascending order."""
    metrics = changes @ metric @ changes.transpose(0, 2, 1)
    squares = np.diagonal(metrics, axis1=1, axis2=2)
    keys = [squares.sum(axis=1), *squares.T, metrics[:, 1, 2], metrics[:, 0, 2], metrics[:, 0, 1]]
    left = np.ones(len(changes), dtype=np.bool_)
    while left.any():
        group = np.flatnonzero(left)
        for key in keys:
            group = group[key[group] <= key[group].min() + _TOLERANCE * np.trace(metric)]
        yield changes[group]
        left[group] = False


def _without_copies(changes: NDArray[np.int64], point: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Return changes of axes that differ by more than an operation of the group."""
    known = {rotation.tobytes() for rotation in point}
    kept: list[NDArray[np.int64]] = []
    for change in changes:
        back = np.rint(np.linalg.inv(change)).astype(np.int64)
        if not any(np.ascontiguousarray((other @ back).T).tobytes() in known for other in kept):
            kept.append(change)
    return kept


def _rarest(kinds: NDArray[np.int64]) -> int:
    values, counts = np.unique(kinds, return_counts=True)
    return int(values[np.argmin(counts)])


@cache
def _grid() -> Matrix:
    axis = np.arange(_STEPS) / _STEPS
    return np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)


def _same_centring(moved: Matrix, centring: Matrix) -> bool:
    """Whether two sets of centring translations are the same."""
    gap = moved[:, None] - centring
    together = np.asarray((np.abs(gap - np.round(gap)) < 1e-6).all(axis=2))
    return all(row.any() for row in together)


def _origins(
    turn: NDArray[np.int64], point: NDArray[np.int64], shift: Matrix, centring: Matrix, polar: Matrix
) -> Matrix:
    """Return moves of the origin that, with a change of axes, keep the group, none along a polar direction."""
    grid = _grid()
    grid = grid[(np.abs(grid @ polar.T) < 1e-9).all(axis=1)]
    back = np.rint(np.linalg.inv(turn)).astype(np.int64)
    for rotation, translation in zip(point, shift, strict=True):
        image = turn @ rotation @ back
        target = shift[int(np.flatnonzero((point == image).all(axis=(1, 2)))[0])]
        miss = grid @ (np.eye(3) - image).T + turn @ translation - target
        gap = miss[:, None] - centring
        grid = grid[(np.abs(gap - np.round(gap)) < 1e-6).all(axis=2).any(axis=1)]
    return np.asarray(grid)


def _largest(turns: NDArray[np.int64], origins: Matrix, frac: Matrix, kinds: NDArray[np.int64]) -> int:
    """Return the setting with the largest generic function of the atoms, the first of equals.

    The function is a sum of structure factors with fixed arbitrary amplitudes and phases; a structure factor in a new
    setting is an old one times a phase, F'(h) = exp(2 pi i h.w) F(Q^T h).
    """
    box = np.arange(-_MAX_INDEX, _MAX_INDEX + 1)
    index = np.stack(np.meshgrid(box, box, box, indexing="ij"), axis=-1).reshape(-1, 3)
    golden = np.array([0.7548776662, 0.5698402910, 0.8191725134])
    amplitude = np.exp(2j * np.pi * (np.arange(len(index)) * golden[0] % 1)) / (1.0 + (index**2).sum(axis=1))
    amplitude *= 1.0 + np.arange(len(index)) * golden[1] % 1
    weight = 1.0 + kinds * golden[2] % 1
    distinct, which = np.unique(turns, axis=0, return_inverse=True)
    old = np.unique((index @ distinct).reshape(-1, 3), axis=0)
    factors = np.concatenate([weight @ np.exp(2j * np.pi * (frac @ h.T)) for h in np.array_split(old, 16)])
    number_of = {tuple(h): k for k, h in enumerate(old.tolist())}
    scores = np.empty(len(turns))
    for number, turn in enumerate(distinct):
        here = amplitude * factors[[number_of[tuple(h)] for h in (index @ turn).tolist()]]
        mine = np.flatnonzero(which.reshape(-1) == number)
        scores[mine] = (np.exp(2j * np.pi * (origins[mine] @ index.T)) @ here).real
    scale = float(np.abs(factors).max() * np.abs(amplitude).sum())
    return int(np.argmax(scores >= scores.max() - _TOLERANCE * scale))
