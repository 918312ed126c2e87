"""One process without a launcher, and what launchers tell; several processes are in test_mpi.py."""

import os
import subprocess
import sys

import numpy as np
import pytest

from runs import ranks
from runs.ranks import Ranks, ending_together, find_ranks, launched, speaks, status_of
from structures.cores import available_cores
from structures.errors import InputError

VARIABLES = {name for pair in ranks._LAUNCHERS for name in pair if name} | {"MPI4PY_LIBMPI"}


@pytest.fixture
def environment(monkeypatch):
    """No launcher, and nothing found yet."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(ranks, "_started", [])
    return monkeypatch


def test_without_a_launcher_there_is_one_rank_and_no_mpi(environment):
    """A laptop without MPI never notices, and a thousand tests need not start it."""
    assert launched() is None
    assert speaks()
    only = find_ranks()
    assert (only.rank, only.size, only.on_node, only.is_first) == (0, 1, 1, True)
    assert only.cores == available_cores()
    assert len(only.hosts) == 1
    assert find_ranks() is only


def test_importing_the_program_does_not_import_mpi():
    code = (
        "import kmc.simulation, runs.cli, runs.schedule, sys; print([m for m in sys.modules if m.startswith('mpi4py')])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout == "[]\n", result.stderr


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"PMI_SIZE": "4", "PMI_RANK": "3"}, (4, 3)),  # mpich, srun --mpi=pmi2
        ({"OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "1", "PMIX_RANK": "1"}, (2, 1)),  # Open MPI
        ({"SLURM_STEP_NUM_TASKS": "8", "SLURM_PROCID": "0"}, (8, 0)),  # srun
        ({"SLURM_NTASKS": "8", "SLURM_PROCID": "0"}, None),  # a batch script, which runs once
        ({"PMIX_RANK": "2"}, (0, 2)),  # of an unknown number
        ({"PMI_SIZE": "2", "PMI_RANK": "0", "SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0"}, (2, 0)),  # in a step
        ({"PMI_SIZE": "many", "PMI_RANK": "0"}, None),
    ],
)
def test_what_launchers_say(environment, given, found):
    for name, value in given.items():
        environment.setenv(name, value)
    assert launched() == found
    assert speaks() == (found is None or found[1] == 0)


@pytest.mark.parametrize(
    ("given", "versions"),
    [
        ({"PMI_RANK": "0"}, []),  # mpirun of MPICH, srun --mpi=pmi2
        ({"OMPI_COMM_WORLD_SIZE": "2", "PMIX_RANK": "0"}, ["40", "40"]),
        ({"PMIX_RANK": "0"}, ["40", "40", "12", "12"]),  # srun --mpi=pmix
        ({"PMIX_RANK": "0", "MPI4PY_LIBMPI": "mine.so.3"}, ["3"]),
    ],
)
def test_the_libraries_of_the_launchers_mpi_come_first(environment, given, versions):
    """Of Open MPI before those of MPICH; what the user has set stays."""
    environment.setattr(os, "environ", dict(given))
    ranks._prefer_the_launchers_mpi()
    found = os.environ.get("MPI4PY_LIBMPI", "").split(os.pathsep)
    assert [name.rpartition(".so.")[2] for name in found if name] == versions


def test_a_launcher_of_one_process_needs_no_mpi(environment):
    environment.setenv("PMI_SIZE", "1")
    environment.setenv("PMI_RANK", "0")
    assert type(find_ranks()) is Ranks


def test_what_a_single_rank_tells_itself():
    only = Ranks()
    assert only.broadcast("value") == "value"
    assert only.gather_all(3) == [3]
    assert (only.any(True), only.any(False)) == (True, False)
    assert only.arrive()()
    only.barrier()
    assert only.on_first(lambda: 5) == only.together(lambda: 5) == 5
    tables = only.shared(lambda: {"a": np.zeros(3)})
    with pytest.raises(ValueError, match="read-only"):
        tables["a"][0] = 1.0
    counter = only.counter()
    assert [counter() for _ in range(4)] == [0, 1, 2, 3]
    assert not counter.stopped()
    counter.stop()
    assert counter.stopped()
    assert [counter.done(2), counter.done(3)] == [2, 5]
    counter.close()
    assert only.counter()() == 0


def test_a_single_rank_raises_what_went_wrong():
    def fail() -> None:
        raise InputError("too small")

    for build in (Ranks().on_first, Ranks().together, Ranks().shared):
        with pytest.raises(InputError, match="too small"):
            build(fail)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InputError("wrong"), 2),
        (OSError(28, "full"), 2),
        (RuntimeError(), 1),
        (KeyboardInterrupt(), 130),
        (SystemExit(), 0),
        (SystemExit(7), 7),
        (SystemExit("text"), 1),
    ],
)
def test_every_error_has_a_status(error, status):
    assert status_of(error) == status


class Crew(Ranks):
    """Two ranks that write down how they end."""

    def __init__(self) -> None:
        super().__init__()
        self.size, self.ends = 2, []

    def leave(self) -> None:
        self.ends.append("leave")

    def abandon(self, status: int) -> None:
        self.ends.append(status)


def test_how_ranks_end(environment, capsys):
    """In order, by an exit without an error, by one whose reason is told already, and by an error that is not."""
    crew = Crew()
    environment.setattr(ranks, "_started", [crew])
    with ending_together():
        pass
    for code in (0, 2):
        with pytest.raises(SystemExit), ending_together():
            raise SystemExit(code)
    assert capsys.readouterr().err == ""
    with pytest.raises(SystemExit) as end, ending_together():
        raise ValueError("a surprise")
    assert end.value.code == 1
    assert crew.ends == ["leave", "leave", 2, 1]
    printed = capsys.readouterr().err
    assert printed.startswith("rank 0 of 2:\nTraceback")
    assert "ValueError: a surprise" in printed


def test_one_rank_alone_ends_as_any_program(environment):
    with pytest.raises(ValueError, match="a surprise"), ending_together():
        raise ValueError("a surprise")
