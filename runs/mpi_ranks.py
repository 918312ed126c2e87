"""The processes that an MPI launcher has started. Imported only then: loading mpi4py starts MPI."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import mpi4py
import numpy as np

mpi4py.rc.thread_level = "funneled"
from mpi4py import MPI  # noqa: E402

from runs.ranks import Counter, Ranks, Tables, Value, freeze, status_of  # noqa: E402

_PATIENCE = 0.005  # s between two looks whether the others have come; a rank that waits leaves its core to others
_LAST_CALL = 1.0  # s that a rank with an error waits for the others to come to the same end
_SHARED_MEMORY = Path("/dev/shm")
_NEXT, _STOP, _DONE = range(3)


def world_size() -> int:
    """Return the number of processes that MPI has found."""
    return MPI.COMM_WORLD.size


def library() -> str:
    """Name of the MPI library in use."""
    return MPI.Get_library_version().splitlines()[0].strip().rstrip("\0")


class MpiCounter(Counter):
    """Numbers in the memory of the first rank that every rank reads and changes without its help.

    MPI-3.1, chapter 11 (one-sided communication); Fetch_and_op is atomic.
    """

    def __init__(self, comm: MPI.Intracomm) -> None:
        self._window = MPI.Win.Allocate(8 * 3 if comm.rank == 0 else 0, disp_unit=8, comm=comm)
        if comm.rank == 0:
            np.frombuffer(cast(Any, self._window.tomemory()), np.int64)[:] = 0
        comm.Barrier()
        self._window.Lock_all()

    def _add(self, slot: int, amount: int) -> int:
        """Add to a number and return what it was before."""
        before = np.zeros(1, np.int64)
        self._window.Fetch_and_op(np.array([amount], np.int64), before, 0, slot, op=MPI.SUM)
        self._window.Flush(0)
        return int(before[0])

    def __call__(self) -> int:
        """Return the next number that no rank has had."""
        return self._add(_NEXT, 1)

    def stop(self) -> None:
        """Ask all ranks to stop."""
        self._add(_STOP, 1)

    def stopped(self) -> bool:
        """Whether any rank has asked all to stop."""
        return self._add(_STOP, 0) > 0

    def done(self, amount: int) -> int:
        """Add to the amount of work done and return that of all ranks so far."""
        return self._add(_DONE, amount) + amount

    def close(self) -> None:
        """End the use of the counter; all ranks call it."""
        self._window.Unlock_all()
        self._window.Free()


class MpiRanks(Ranks):
    """The processes of MPI's world."""

    def __init__(self) -> None:
        self._world = MPI.COMM_WORLD.Dup()
        self._exit = MPI.COMM_WORLD.Dup()
        self._node = cast(MPI.Intracomm, self._world.Split_type(MPI.COMM_TYPE_SHARED))
        self._windows: list[MPI.Win] = []  # as long as the program runs: arrays look into them
        self._ending = False
        self._gone = False  # all have said that they leave
        self.rank, self.size = self._world.rank, self._world.size
        self.on_node = self._node.size
        self.cores = _share_of_cores(self._node)
        self.hosts = tuple(sorted(set(self._world.allgather(MPI.Get_processor_name()))))

    def counter(self) -> Counter:
        """Make a counter that all ranks draw from; all ranks call this."""
        self.barrier()
        return MpiCounter(self._world)

    def broadcast(self, value: Value) -> Value:
        """Return the first rank's value on every rank."""
        self.barrier()
        return self._world.bcast(value)  # type: ignore[no-any-return]

    def gather_all(self, value: Value) -> list[Value]:
        """Return the values of all ranks, in the order of the ranks, on every rank."""
        self.barrier()
        return self._world.allgather(value)

    def arrive(self) -> Callable[[], bool]:
        """Say that this rank has come so far; what is returned tells whether all ranks have."""
        return self._world.Ibarrier().Test

    def barrier(self) -> None:
        """Wait until all ranks have come so far."""
        _wait(self._world.Ibarrier())

    def together(self, build: Callable[[], Value]) -> Value:
        """Return what every rank builds for itself; where it fails on one it fails on all, see Ranks."""
        value, error = self._tried(build)
        self._end_with_the_first(error)
        return value  # type: ignore[return-value]

    def on_first(self, build: Callable[[], Value]) -> Value:
        """Return on every rank what the first one builds; errors as in `together`."""
        value, error = self._tried(build) if self.is_first else (None, None)
        self._end_with_the_first(error)
        return self.broadcast(value)  # type: ignore[return-value]

    def shared(self, build: Callable[[], Tables]) -> Tables:
        """Return arrays that every rank needs and none changes, one copy on each node; errors as in `together`."""
        first = self._node.rank == 0
        tables, error = self._tried(build) if first else (None, None)
        self._end_with_the_first(error)
        layout = self._node.bcast({name: (t.shape, t.dtype) for name, t in tables.items()} if tables else None)
        starts, size = _starts(layout)
        if not self._node.bcast(_fits(size) if first else None):
            return freeze(tables if tables is not None else build())
        window = MPI.Win.Allocate_shared(size if first else 0, disp_unit=1, comm=self._node)
        self._windows.append(window)
        memory = cast(Any, window.Shared_query(0)[0])
        views = {}
        for name, (shape, dtype) in layout.items():
            views[name] = np.ndarray(shape, dtype, buffer=memory, offset=starts[name])
            if tables is not None:
                views[name][...] = tables[name]
        self._node.Barrier()
        return freeze(views)

    def leave(self) -> None:
        """Wait for the others and end the use of MPI; the last thing a rank does."""
        self._gone = self._gone or _wait(self._exit.Ibarrier())

    def abandon(self, status: int) -> None:
        """Leave because of an error: with the others if they do the same at this time, or end the whole job."""
        sys.stdout.flush()
        sys.stderr.flush()
        self._gone = self._gone or _wait(self._exit.Ibarrier(), seconds=_LAST_CALL)
        if not self._gone:
            MPI.COMM_WORLD.Abort(status)

    def _tried(self, build: Callable[[], Value]) -> tuple[Value | None, Exception | None]:
        try:
            return build(), None
        except Exception as error:  # whatever it is, the other ranks must hear of it
            if self._ending:
                raise  # they have, inside `build`, and wait for nobody any more
            return None, error

    def _end_with_the_first(self, error: Exception | None) -> None:
        """Raise on all ranks if there is an error on any."""
        failed = [(rank, status) for rank, status in enumerate(self.gather_all(error and status_of(error))) if status]
        if failed:
            self._ending = True
            rank, status = failed[0]
            raise error if error is not None and rank == self.rank else SystemExit(status)


def _wait(arrival: MPI.Request, seconds: float = np.inf) -> bool:
    """Wait, at most so long, without keeping the core busy; whether all have come."""
    deadline = time.monotonic() + seconds
    while not arrival.Test():
        if time.monotonic() > deadline:
            return False
        time.sleep(_PATIENCE)
    return True


def _share_of_cores(node: MPI.Comm) -> int:
    """Threads for this rank: every core that it may use counts one over the number of ranks that may use it."""
    mine = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))
    every = node.allgather(mine)
    return max(1, int(sum(1 / sum(core in other for other in every) for core in mine) + 1e-9))


def _starts(layout: dict[str, tuple[tuple[int, ...], np.dtype[Any]]]) -> tuple[dict[str, int], int]:
    """Byte at which each array begins, on a cache line of its own, and the bytes of all."""
    starts, size = {}, 0
    for name, (shape, dtype) in layout.items():
        starts[name] = size
        size += -(-int(np.prod(shape)) * dtype.itemsize // 64) * 64
    return starts, max(size, 64)


def _fits(size: int) -> bool:
    """Whether the shared memory of this machine has room; a container often has 64 MiB."""
    if not _SHARED_MEMORY.is_dir() or shutil.disk_usage(_SHARED_MEMORY).free > size:
        return True
    sys.stderr.write(
        f"mofkmc: {MPI.Get_processor_name()}: {_SHARED_MEMORY} has no room for tables of {size / 2**20:.0f} MiB; "
        "every rank keeps a copy of its own\n"
    )
    return False
