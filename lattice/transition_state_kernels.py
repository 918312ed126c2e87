"""Jitted loops that follow the steepest descent on a function known on a lattice."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

UNDECIDED, HOME, OTHER, STOPPED = 0, 1, 2, 3

_STRIDE = 0.5  # lattice steps between two evaluations
_CAPTURE = 0.5  # lattice steps from the home minimum at which a descent has arrived
_AT_REST = 1e-4  # lattice steps; a shorter move ends a descent
_BELOW = -1e-3  # a descent that comes so far below the home minimum does not end there
_MOST_MOVES = 1000


@njit(cache=True, nogil=True)
def _difference(value, i, j, di, dj):
    """First derivative per lattice step, of the fourth order where the function is known far enough."""
    near = 0.5 * (value[i + di, j + dj] - value[i - di, j - dj])
    far = 0.25 * (value[i + 2 * di, j + 2 * dj] - value[i - 2 * di, j - 2 * dj])
    return near if math.isnan(far) else (4.0 * near - far) / 3.0


@njit(cache=True, nogil=True)
def _hermite(t, basis):
    """Hermite's cubics of the values and the slopes at 0 and 1, with two derivatives, into `basis` (3, 4)."""
    square = t * t
    basis[0, 1] = square * (3.0 - 2.0 * t)
    basis[0, 0] = 1.0 - basis[0, 1]
    basis[0, 2] = t * (1.0 - t) ** 2
    basis[0, 3] = square * (t - 1.0)
    basis[1, 1] = 6.0 * t * (1.0 - t)
    basis[1, 0] = -basis[1, 1]
    basis[1, 2] = (1.0 - t) * (1.0 - 3.0 * t)
    basis[1, 3] = t * (3.0 * t - 2.0)
    basis[2, 1] = 6.0 - 12.0 * t
    basis[2, 0] = -basis[2, 1]
    basis[2, 2] = 6.0 * t - 4.0
    basis[2, 3] = 6.0 * t - 2.0


@njit(cache=True, nogil=True)
def _fill(value, i, j, table):
    """Values, slopes and mixed derivatives at the corners of a cell into `table` (4, 4), in the order of `_hermite`."""
    for a in range(2):
        for b in range(2):
            p, q = i + a, j + b
            table[a, b] = value[p, q]
            table[a + 2, b] = _difference(value, p, q, 1, 0)
            table[a, b + 2] = _difference(value, p, q, 0, 1)
            cross = value[p + 1, q + 1] - value[p + 1, q - 1] - value[p - 1, q + 1] + value[p - 1, q - 1]
            table[a + 2, b + 2] = 0.25 * cross


@njit(cache=True, nogil=True)
def _reach(slope, curvature, time):
    """Displacement of x' = -slope - curvature x from x = 0."""
    if abs(curvature * time) < 1e-8:
        return -slope * time
    return slope * math.expm1(-curvature * time) / curvature


@njit(cache=True, nogil=True)
def _descent(value, owner, step, home, place, work):
    """Follow one descent from `place` (2,), which is modified in place, and return what became of it."""
    x_basis, y_basis, table = work
    stride = _STRIDE * min(step[0], step[1])
    for _ in range(_MOST_MOVES):
        if math.hypot((place[0] - home[0]) * step[0], (place[1] - home[1]) * step[1]) < _CAPTURE * min(
            step[0], step[1]
        ):
            return HOME
        i, j = math.floor(place[0]), math.floor(place[1])
        if i < 3 or j < 3 or i + 4 >= value.shape[0] or j + 4 >= value.shape[1]:
            return OTHER
        # on the edge between two cells the descent goes on in the lower one
        if place[0] == i and not value[i + 1, j] <= value[i - 1, j]:
            i -= 1
        if place[1] == j and not value[i, j + 1] <= value[i, j - 1]:
            j -= 1
        first = owner[i, j]
        if (
            first == owner[i + 1, j]
            and first == owner[i, j + 1]
            and first == owner[i + 1, j + 1]
            and first != UNDECIDED
        ):
            return first
        _hermite(place[0] - i, x_basis)
        _hermite(place[1] - j, y_basis)
        _fill(value, i, j, table)
        height = gx = gy = hxx = hxy = hyy = 0.0
        for a in range(4):
            for b in range(4):
                height += x_basis[0, a] * y_basis[0, b] * table[a, b]
                gx += x_basis[1, a] * y_basis[0, b] * table[a, b]
                gy += x_basis[0, a] * y_basis[1, b] * table[a, b]
                hxx += x_basis[2, a] * y_basis[0, b] * table[a, b]
                hxy += x_basis[1, a] * y_basis[1, b] * table[a, b]
                hyy += x_basis[0, a] * y_basis[2, b] * table[a, b]
        if math.isnan(height):
            return UNDECIDED
        if height < _BELOW:
            return OTHER
        gx, gy = gx / step[0], gy / step[1]
        hxx, hxy, hyy = hxx / step[0] ** 2, hxy / (step[0] * step[1]), hyy / step[1] ** 2
        turn = 0.5 * math.atan2(2.0 * hxy, hxx - hyy)
        c, s = math.cos(turn), math.sin(turn)
        half = math.hypot(0.5 * (hxx - hyy), hxy)
        high, low = 0.5 * (hxx + hyy) + half, 0.5 * (hxx + hyy) - half
        time = stride / max(math.hypot(gx, gy), 1e-30)
        if low < 0.0:
            time = min(time, -1.0 / low)
        along = _reach(c * gx + s * gy, high, time)
        across = _reach(c * gy - s * gx, low, time)
        if math.hypot(along, across) < _AT_REST * min(step[0], step[1]):
            return STOPPED
        place[0] += (c * along - s * across) / step[0]
        place[1] += (s * along + c * across) / step[1]
    return STOPPED


@njit(cache=True, nogil=True)
def descend_on_lattice(value, owner, step, home, places, settle):
    """Follow the steepest descent from several places to see which of them end in the home minimum.

    Between the points of the lattice the function is Hermite's bicubic polynomial of each cell. Each move is the flow
    of its local quadratic model, which neither zigzags across a narrow valley nor crawls along it. A descent that
    enters a cell with four corners of one owner ends there.

    Parameters
    ----------
    value : (n1, n2) float64
        0 at the home minimum and of the order of 1 around it, nan where it is not known.
    owner : (n1, n2) int8
        `HOME`, `OTHER` or `UNDECIDED`; modified in place where `settle`.
    step : (2,) float64, Å
        Of the lattice.
    home : (2,) float64
        Place of the home minimum in lattice steps.
    places : (m, 2) float64
        Starts in lattice steps, in ascending order of the function where `settle`; the ends on return.
    settle : bool
        Whether the starts are points of the lattice, which get their owners at once.

    Returns
    -------
    fate : (m,) int8
        `HOME`, `OTHER`, `STOPPED` at another stationary point, or `UNDECIDED` where the descent leaves what is known:
        it can be taken up again from its end.
    """
    work = (np.empty((3, 4)), np.empty((3, 4)), np.empty((4, 4)))
    fate = np.empty(len(places), np.int8)
    for m in range(len(places)):
        i, j = int(places[m, 0]), int(places[m, 1])
        fate[m] = _descent(value, owner, step, home, places[m], work)
        if settle and (fate[m] == HOME or fate[m] == OTHER):
            owner[i, j] = fate[m]
    return fate
