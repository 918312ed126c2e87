"""Threads that share the work on one event of a large lattice; no number depends on them.

Every event multiplies the factor of every site and, where rates are kept, renews that of every ion. With helpers both
are cut into parts, see `kernels.Team`. They spin while they wait, because an event lasts some microseconds and a thread
that sleeps takes longer than that to wake up; so they live only as long as one call of a kernel.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kmc import kernels
from kmc.kernels import LINE, STOP, Ions, Tables, Team

SITES_PER_THREAD = 10_000  # below, waiting for each other takes longer than the work that is saved
_LONG_ENOUGH = 0.02  # s that a kernel must run for its speed to be compared
_FIRST_TRIAL, _RAREST_TRIAL = 8, 256  # kernels between two comparisons


def one_thread() -> int:
    """Leave every event to one thread."""
    return 1


class Crew:
    """Runs kernels with as many threads as are free and of use to a lattice.

    Now and then a kernel runs without helpers, and goes on so while it is faster, for instance because other programs
    use the cores. The threads of several crews do not know of each other.

    Parameters
    ----------
    tables : Tables
    ions : Ions
    threads : callable
        Gives the number of threads that may be used now, this one included.
    """

    def __init__(self, tables: Tables, ions: Ions, threads: Callable[[], int]) -> None:
        self._tables, self._ions, self._threads = tables, ions, threads
        dense = tables.interaction.gain.size > 0  # else an event changes few sites
        self._most = len(tables.sites.species) // SITES_PER_THREAD if dense else 1
        self._pool: ThreadPoolExecutor | None = None
        self._together = True
        self._speed = {True: 0.0, False: 0.0}  # jobs per second, with helpers and without
        self._kernels_left, self._period = _FIRST_TRIAL, _FIRST_TRIAL

    def run(self, kernel: Callable[..., int], *arguments: Any) -> int:
        """Call a kernel with the tables, the ions, these arguments and a team, and return its status."""
        size = min(self._threads(), self._most)
        if size < 2:
            return int(kernel(self._tables, self._ions, *arguments, None))
        self._kernels_left -= 1
        trial = self._kernels_left < 0
        size = size if self._together != trial else 1
        team = Team(size, np.zeros(size * LINE, np.int64), self._order(size))
        helpers: list[Future[None]] = []
        begun = time.perf_counter()
        try:
            for part in range(1, team.size):
                helpers.append(self._helper(team, part))
            status = int(kernel(self._tables, self._ions, *arguments, team))
            self._compare(team, trial, time.perf_counter() - begun)
        finally:
            team.words[0] = STOP
            wait(helpers)
        return status

    def _order(self, size: int) -> NDArray[np.uint32]:
        """Movers by part: equal numbers of neighbours in each, which have gone apart a little when the kernel ends."""
        site = self._ions.configuration.site[self._ions.movers.ion]
        part = np.empty(len(site), np.int64)
        part[np.argsort(site, kind="stable")] = np.arange(len(site)) * size // max(len(site), 1)
        return np.argsort(part, kind="stable").astype(np.uint32)

    def _helper(self, team: Team, part: int) -> Future[None]:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._most, thread_name_prefix="mofkmc-event")
        work = self._tables.interaction, self._tables.hops, self._ions.configuration, self._ions.movers
        return self._pool.submit(partial(kernels.help_with_events, team, *work, part))

    def _compare(self, team: Team, trial: bool, seconds: float) -> None:
        """Keep the speed of a kernel, jobs per second, and after a trial decide how the next ones run."""
        if seconds < _LONG_ENOUGH:
            return
        self._speed[team.size > 1] = float(team.words[0]) / seconds
        if trial:
            faster = self._speed[True] > self._speed[False]
            self._period = min(2 * self._period, _RAREST_TRIAL) if faster == self._together else _FIRST_TRIAL
            self._together, self._kernels_left = faster, self._period
