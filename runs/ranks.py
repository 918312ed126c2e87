"""The processes of one calculation: a single one, or as many as a launcher such as mpirun has started.

One rank without a launcher is the same code as many: `Ranks` is the calculation with one process, `MpiRanks` the one
with several. Only the main thread of a process may call their methods.
"""

from __future__ import annotations

import os
import socket
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from runs.exit_status import COMPLETE, INCOMPLETE, INTERRUPTED, REFUSED
from structures.cores import available_cores
from structures.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

Value = TypeVar("Value")
Tables = dict[str, "NDArray[Any]"]

# (number of processes, number of this process) as launchers tell them, the innermost launcher first
_LAUNCHERS = (
    ("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"),
    ("PMI_SIZE", "PMI_RANK"),
    ("SLURM_STEP_NUM_TASKS", "SLURM_PROCID"),  # of srun; a batch script itself has no step
    ("", "PMIX_RANK"),  # says which, and not of how many
)
_OPEN_MPI, _MPICH = "libmpi.so.40", "libmpi.so.12"
_started: list[Ranks] = []  # what find_ranks has found: MPI starts once in a process and ends once


class Counter:
    """Gives 0, 1, 2, ...: each number to one of the ranks that ask; and what else they tell each other meanwhile.

    The ranks make it together, use it at different times, and close it together.
    """

    def __init__(self) -> None:
        self._next = 0
        self._done = 0
        self._stop = False

    def __call__(self) -> int:
        """Return the next number that no rank has had."""
        self._next += 1
        return self._next - 1

    def stop(self) -> None:
        """Ask all ranks to stop."""
        self._stop = True

    def stopped(self) -> bool:
        """Whether any rank has asked all to stop."""
        return self._stop

    def done(self, amount: int) -> int:
        """Add to the amount of work done and return that of all ranks so far."""
        self._done += amount
        return self._done

    def close(self) -> None:
        """End the use of the counter; all ranks call it."""


class Ranks:
    """The only process of a calculation.

    Attributes
    ----------
    rank : int
        Number of this process; the first one, 0, prints and writes.
    size : int
        Number of processes.
    on_node : int
        Number of those that share this process's memory.
    cores : int
        Threads that this process may keep busy; cores that several processes may use are divided among them.
    hosts : tuple of str
        Names of the machines, each once.
    """

    def __init__(self) -> None:
        self.rank = 0
        self.size = 1
        self.on_node = 1
        self.cores = available_cores()
        self.hosts: tuple[str, ...] = (socket.gethostname(),)

    @property
    def is_first(self) -> bool:
        """Whether this is the process that prints and writes."""
        return self.rank == 0

    def counter(self) -> Counter:
        """Make a counter that all ranks draw from; all ranks call this."""
        return Counter()

    def broadcast(self, value: Value) -> Value:
        """Return the first rank's value on every rank."""
        return value

    def gather_all(self, value: Value) -> list[Value]:
        """Return the values of all ranks, in the order of the ranks, on every rank."""
        return [value]

    def any(self, flag: bool) -> bool:
        """Whether the flag of at least one rank is true."""
        return any(self.gather_all(flag))

    def arrive(self) -> Callable[[], bool]:
        """Say that this rank has come so far; what is returned tells whether all ranks have."""
        return lambda: True

    def barrier(self) -> None:
        """Wait until all ranks have come so far."""

    def together(self, build: Callable[[], Value]) -> Value:
        """Return what every rank builds for itself; where it fails on one it fails on all.

        Raises
        ------
        Exception
            That of the first rank with one, on that rank.
        SystemExit
            On the others, with the status that goes with it: one rank has said everything.
        """
        return build()

    def on_first(self, build: Callable[[], Value]) -> Value:
        """Return on every rank what the first one builds; errors as in `together`."""
        return build()

    def shared(self, build: Callable[[], Tables]) -> Tables:
        """Return arrays that every rank needs and none changes, one copy on each node; errors as in `together`.

        Parameters
        ----------
        build : callable
            Called by one rank of every node.

        Returns
        -------
        dict of str to ndarray
            Read-only.
        """
        return freeze(build())

    def leave(self) -> None:
        """Wait for the others and end the use of MPI; the last thing a rank does."""

    def abandon(self, status: int) -> None:
        """Leave because of an error: with the others if they do the same at this time, or end the whole job."""


def launched() -> tuple[int, int] | None:
    """Return the number of processes and that of this one as a launcher has set them; None without a launcher.

    A launcher that does not tell the number of processes counts as one of 0 processes.
    """
    for size, rank in _LAUNCHERS:
        number = os.environ.get(rank, "")
        total = os.environ.get(size, "") if size else "0"
        if number.isdigit() and total.isdigit():
            return int(total), int(number)
    return None


def speaks() -> bool:
    """Whether what all processes have to say is for this one to say: the first of its launcher, or the only one."""
    found = launched()
    return found is None or found[1] == 0


def find_ranks() -> Ranks:
    """Find the other processes of the calculation, if a launcher has started more than this one.

    Raises
    ------
    InputError
        If there is a launcher but no MPI, or one that does not find the other processes, on the first process.
    SystemExit
        On the others.
    """
    if _started:
        return _started[0]
    found = launched()
    ranks = Ranks() if found is None or found[0] == 1 else _mpi_ranks(*found)
    _started.append(ranks)
    return ranks


def _mpi_ranks(size: int, rank: int) -> Ranks:
    if sys.platform == "linux":
        _prefer_the_launchers_mpi()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of mpi4py, about what is refused below
            from runs.mpi_ranks import MpiRanks, library, world_size
    except (ImportError, RuntimeError) as error:  # no mpi4py, or none of the MPI libraries it knows
        _refuse(size, rank, f"mpi4py finds no MPI library ({str(error).splitlines()[0]})")
    if size and world_size() != size:
        _refuse(size, rank, f"its MPI, {library()}, found {world_size()}")
    return MpiRanks()


def _prefer_the_launchers_mpi() -> None:
    """Tell mpi4py which libraries go with the launcher; those of another MPI would end the process."""
    libraries = [f"{sys.prefix}/lib/{_OPEN_MPI}", _OPEN_MPI]
    if "OMPI_COMM_WORLD_SIZE" in os.environ:
        os.environ.setdefault("MPI4PY_LIBMPI", os.pathsep.join(libraries))
    elif "PMIX_RANK" in os.environ and "PMI_RANK" not in os.environ:  # few builds of MPICH know PMIx
        os.environ.setdefault("MPI4PY_LIBMPI", os.pathsep.join([*libraries, f"{sys.prefix}/lib/{_MPICH}", _MPICH]))


def _refuse(size: int, rank: int, reason: str) -> None:
    if rank != 0:
        raise SystemExit(REFUSED)
    srun = "`srun --mpi=pmi2` for MPICH or `srun --mpi=pmix` for Open MPI, " if "SLURM_STEP_ID" in os.environ else ""
    raise InputError(
        f"expected the {size or 'several'} processes that the launcher has started to find each other, but {reason}; "
        f"use {srun}the mpirun that belongs to this MPI, or set MPI4PY_LIBMPI to the libmpi.so of the launcher"
    )


def status_of(error: BaseException) -> int:
    """Exit status that an exception means."""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else INCOMPLETE if error.code else COMPLETE
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    return REFUSED if isinstance(error, (InputError, OSError, MemoryError)) else INCOMPLETE


@contextmanager
def ending_together() -> Iterator[None]:
    """Let all ranks end when one fails: the outermost block of the program.

    A rank that leaves with an error while the others go on prints its traceback, unless it ends by SystemExit and has
    said why, and ends the whole job with its status; MPI alone would wait for it for ever.
    """
    try:
        yield
    except BaseException as error:
        ranks, status = _started[0] if _started else Ranks(), status_of(error)
        if status == COMPLETE:
            ranks.leave()
        elif ranks.size > 1:
            if not isinstance(error, SystemExit):
                lines = traceback.format_exception(error)  # in one piece: other ranks may write too
                sys.stderr.write(f"rank {ranks.rank} of {ranks.size}:\n{''.join(lines)}")
            ranks.abandon(status)
            raise SystemExit(status) from None
        raise
    if _started:
        _started[0].leave()


def freeze(tables: Mapping[str, NDArray[Any]]) -> Tables:
    """Return the arrays, no longer to be changed."""
    for table in tables.values():
        table.flags.writeable = False
    return dict(tables)
