"""What test_mpi.py starts on several ranks: mpirun -n 2 python tests/rank_programs.py NAME [ARGUMENTS]."""

from __future__ import annotations

import json
import os
import sys
import time

import numpy as np

from runs.ranks import Ranks, ending_together, find_ranks
from runs.schedule import HaltError, StoppedError, Watch, run_all
from structures.errors import InputError


def silent(stage: str, fraction: float, detail: str = "") -> None:
    """Show nothing."""


def say(ranks: Ranks, **found: object) -> None:
    """Print what a rank has found as one line, in one system call: lines of several ranks must not mix."""
    os.write(1, (json.dumps({"rank": ranks.rank, "size": ranks.size, **found}) + "\n").encode())


def hand_out(ranks: Ranks, n_jobs: str) -> None:
    """Tell which jobs each rank has done; one of them fails."""

    def job(watch: Watch, number: int) -> int:
        time.sleep(0.01)
        if number == 1:
            raise OSError("one that fails")
        return number

    jobs = {str(i): (lambda watch, i=i: job(watch, i)) for i in range(int(n_jobs))}
    shown: list[float] = []
    outcome = run_all(jobs, threads=2, stage="jobs", report=lambda s, f, d="": shown.append(f), ranks=ranks)
    again = run_all(jobs, threads=1, stage="jobs", report=silent, ranks=ranks)
    say(ranks, done=sorted(outcome.results.values()), again=sorted(again.results.values()), failures=outcome.failures)
    assert bool(shown) == ranks.is_first
    assert shown == sorted(shown)
    assert not shown or shown[-1] == 1.0


def talk(ranks: Ranks) -> None:
    """Use every collective once."""
    values = ranks.gather_all(ranks.rank**2)
    built = ranks.on_first(lambda: {"by": ranks.rank})
    told = ranks.broadcast(f"from {ranks.rank}")
    flags = ranks.any(ranks.rank == ranks.size - 1), ranks.any(False)
    calls: list[int] = []

    def build() -> dict[str, np.ndarray]:
        calls.append(1)
        return {"a": np.arange(12.0).reshape(3, 4), "b": np.array([7, 8], np.int32), "none": np.zeros((0, 3))}

    tables = ranks.shared(build)
    writeable = any(table.flags.writeable for table in tables.values())
    sums = [float(table.sum()) for table in tables.values()]
    shapes = [list(table.shape) for table in tables.values()]
    builds = sum(ranks.gather_all(len(calls)))
    say(ranks, values=values, built=built, told=told, flags=flags, builds=builds, writeable=writeable)
    say(ranks, sums=sums, shapes=shapes, cores=ranks.cores, on_node=ranks.on_node, hosts=ranks.hosts)


def stop(ranks: Ranks, how: str) -> None:
    """Let the last rank end what would take a minute."""
    begin = time.monotonic()
    last = ranks.rank == ranks.size - 1

    def job(watch: Watch) -> None:
        try:
            while time.monotonic() - begin < 60:
                watch.advance(0.5)
                time.sleep(0.02)
                if how == "full" and last and time.monotonic() - begin > 0.5:
                    raise HaltError("no space left")
        except StoppedError:
            say(ranks, kept=True)
            raise

    def reason() -> str:
        return "time limit" if how == "limit" and last and time.monotonic() - begin > 0.5 else ""

    jobs = {str(i): job for i in range(10)}
    outcome = run_all(jobs, threads=1, stage="jobs", report=silent, ranks=ranks, stop_reason=reason)
    say(ranks, reason=outcome.reason, failures=outcome.failures, seconds=time.monotonic() - begin)


def fail(ranks: Ranks, how: str) -> None:
    """End in one of the ways that must not leave anybody waiting."""
    last = ranks.rank == ranks.size - 1
    if how == "alone":
        if last:
            raise ValueError("only the last rank has this")
        ranks.barrier()
    if how == "alone_at_work":
        if last:
            raise ValueError("only the last rank has this")
        time.sleep(60)
    if how == "killed":
        if last:
            os.kill(os.getpid(), 9)
        ranks.barrier()
    if how == "first":
        ranks.on_first(lambda: refuse("the deck"))
    if how == "together":
        ranks.together(lambda: refuse("the deck"))
    if how == "shared":
        ranks.shared(lambda: refuse("the tables"))
    if how == "nested":
        ranks.together(lambda: ranks.shared(lambda: refuse("the tables")))
    if how == "one_of_all":
        ranks.together(lambda: refuse("this machine") if last else None)


def refuse(what: str) -> dict[str, np.ndarray]:
    """Find a fault of the user's."""
    raise InputError(f"{what} does not fit")


def idle(ranks: Ranks) -> None:
    """Wait for the first rank, which is busy for a second; tell how busy the waiting was."""
    begin = time.process_time()
    ranks.on_first(lambda: time.sleep(1.0))
    say(ranks, busy=time.process_time() - begin)


def run(ranks: Ranks, deck: str, output: str) -> None:
    """Run a deck; tell which packages that is not done without each rank has imported."""
    from runs.cli import main as program

    try:
        program(["run", deck, "--output", output, "--threads", "1"], standalone_mode=False)
    finally:
        say(ranks, imported=sorted({name.partition(".")[0] for name in sys.modules}))


def build(ranks: Ranks, deck: str, output: str) -> None:
    """Run a deck whose network takes a minute; say when it is being built."""
    import runs.job
    from runs.cli import main as program

    def slow(*given: object, **options: object) -> None:
        say(ranks, building=True)
        time.sleep(60)

    runs.job.build_model = slow
    program(["run", deck, "--output", output], standalone_mode=False)


def main(name: str, *arguments: str) -> None:
    """Find the ranks and run one of the programs; print what is wrong as the command line does."""
    with ending_together():
        try:
            globals()[name](find_ranks(), *arguments)
        except InputError as error:
            os.write(2, f"mofkmc: {error}\n".encode())
            raise SystemExit(2) from None


if __name__ == "__main__":
    main(*sys.argv[1:])
