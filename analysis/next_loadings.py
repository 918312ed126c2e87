"""The loadings to compute next, so that the best one is known better."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.loading import Optimum

Span = tuple[float, float]
SAME = 1e-9  # share of the scan within which two loadings are one


def propose_loadings(
    optimum: Optimum | Sequence[Optimum],
    done: ArrayLike,
    n: int,
    *,
    allowed: ArrayLike | None = None,
    limits: Span | None = None,
) -> tuple[float, ...]:
    """Choose loadings that narrow the interval of the best one.

    The open region of an optimum is the interval of the best loading and, around every maximum that is not
    significantly below the best, the gaps to the neighbouring loadings. The widest gap between known loadings that
    reaches into the open region of any optimum is halved, until there are `n` new loadings or nothing is left to halve.
    A scan that may end before its maximum first gets a new end.

    Parameters
    ----------
    optimum : Optimum or sequence of Optimum
        Of one temperature or of several; their open regions are taken together.
    done : (n_done,) array_like
        Loadings that are computed or under way, in any order.
    n : int
        Of new loadings at most.
    allowed : (n_allowed,) array_like, optional
        Loadings that can be realised, such as whole ions in the supercell; all numbers if not given.
    limits : (float, float), optional
        Physical bounds, such as 0 and 1 of an exchange fraction. A scan whose maximum is at its end is extended up to
        them, by its own length at most; the ends of `allowed` if not given, or else of the scan.

    Returns
    -------
    tuple of float
        Ascending, none of them in `done`; fewer than `n` if there are no more. The same for the same arguments.

    Raises
    ------
    ValueError
        If `n` is negative, fewer than two loadings are done, or a loading is not finite.
    """
    known = np.unique(np.asarray(done, dtype=np.float64))
    choice = None if allowed is None else np.unique(np.asarray(allowed, dtype=np.float64))
    if n < 0:
        raise ValueError(f"n must not be negative; got {n}")
    if known.size < 2 or not np.isfinite(known).all():
        raise ValueError(f"done must hold at least two finite loadings; got {known.tolist()}")
    if choice is not None and not np.isfinite(choice).all():
        raise ValueError(f"allowed must hold finite loadings; got {choice.tolist()}")
    optima = [optimum] if isinstance(optimum, Optimum) else list(optimum)
    spans = [span for found in optima for span in _open_regions(found, known)]
    lowest, highest = _reach(optima, known, choice, limits)
    spans += [(lowest, known[0])] if lowest < known[0] else []
    spans += [(known[-1], highest)] if highest > known[-1] else []
    points = np.union1d(known, [end for end in (highest, lowest) if end not in known][:n])
    while points.size < known.size + n:
        new = _widest_half(points, spans, choice)
        if new is None:
            break
        points = np.union1d(points, new)
    return tuple(float(x) for x in np.setdiff1d(points, known))


def _open_regions(optimum: Optimum, known: NDArray[np.float64]) -> list[Span]:
    """Where the best loading may be: its interval, and the surroundings of every maximum among the best."""
    spans = [(optimum.loading.lo, optimum.loading.hi)]
    for maximum in optimum.maxima:
        nearest = int(np.abs(known - maximum.loading).argmin())
        around = known[max(nearest - 1, 0)], known[min(nearest + 1, len(known) - 1)]
        if any(around[0] <= x <= around[1] for x in optimum.best_set):
            spans.append((float(around[0]), float(around[1])))
    return spans


def _reach(
    optima: Sequence[Optimum], known: NDArray[np.float64], choice: NDArray[np.float64] | None, limits: Span | None
) -> Span:
    """Lowest and highest loading that a new one may have."""
    first, last = float(known[0]), float(known[-1])
    inside = np.array([first, last]) if choice is None else choice
    if limits is None:
        limits = float(inside.min(initial=first)), float(inside.max(initial=last))
    span = max(limits[0], 2 * first - last), min(limits[1], 2 * last - first)
    if choice is not None:
        within = choice[(span[0] <= choice) & (choice <= span[1])]
        span = float(within.min(initial=first)), float(within.max(initial=last))
    down = any(o.near_edge and o.loading.lo <= first for o in optima)
    up = any(o.near_edge and o.loading.hi >= last for o in optima)
    return min(first, span[0]) if down else first, max(last, span[1]) if up else last


def _widest_half(
    points: NDArray[np.float64], spans: Sequence[Span], choice: NDArray[np.float64] | None
) -> float | None:
    """Middle of the widest gap that reaches into a span, or the allowed loading nearest to it; None if none is left."""
    slack = SAME * float(points[-1] - points[0])
    for k in np.argsort(-np.diff(points), kind="stable"):
        a, b = float(points[k]), float(points[k + 1])
        if not any(a < hi and b > lo for lo, hi in spans):
            continue
        middle = 0.5 * (a + b)
        if choice is None:
            return middle if b - a > 4 * slack else None
        free = choice[(a + slack < choice) & (choice < b - slack)]
        if free.size:
            return float(free[np.abs(free - middle).argmin()])
    return None
