"""What ranks cost: weak scaling, hand-out and files of short tasks, and what would limit 10,000 ranks and 1e6 tasks.

python tests/benchmarks/bench_ranks.py results/ni_mof/network.h5 [--ranks 2] [--tasks 8] [--repeats 3]

The machine should be idle. One run under mpirun measures the same tasks on one rank alone and on all ranks at once.
"""

from __future__ import annotations

import argparse
import heapq
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from cases import in_equilibrium

from kmc.simulation import Simulation
from kmc.trajectory import TaskLabel, read_task, task_record, write_task
from lattice.network import PoreNetwork
from lattice.supercell import replicate
from runs.ranks import Ranks, ending_together, find_ranks
from runs.schedule import Watch, run_all

TEMPERATURE = 298.15
SECONDS = 1.0  # of a task
MANY_RANKS, MANY_TASKS = 10_000, 1_000_000


def silent(stage: str, fraction: float, detail: str = "") -> None:
    """Show nothing."""


def one_task(simulation: Simulation, n_events: int, path: Path, watch: Watch) -> None:
    """Simulate, with a return to Python as often as in a run, and write the file."""
    begin, state = time.perf_counter(), simulation.state.copy()
    mine = Simulation(simulation.lattice, state, temperature=TEMPERATURE)
    until = n_events / mine.estimate_rate(2_000)
    samples = mine.run(until, 1000, progress=lambda text, fraction: watch.advance(fraction))
    label = TaskLabel(path.stem, 1, 0.5, "x", 0, "network", "deck")
    write_task(path, task_record(mine, samples, label), state=state)
    one_task.seconds.append(time.perf_counter() - begin)


one_task.seconds = []


@dataclass(frozen=True)
class Spent:
    """What some tasks took: s on the wall, s of processor on all ranks, s on the wall of one task on average."""

    wall: float
    processor: float
    task: float


def campaign(ranks: Ranks, simulation: Simulation, n_tasks: int, n_events: int, folder: Path) -> Spent:
    """Run so many tasks on each rank."""
    jobs = {
        f"task {i}": lambda watch, i=i: one_task(simulation, n_events, folder / f"{i}.h5", watch)
        for i in range(n_tasks * ranks.size)
    }
    ranks.barrier()
    one_task.seconds.clear()
    begin, processor = time.perf_counter(), time.process_time()
    outcome = run_all(jobs, threads=1, stage="tasks", report=silent, ranks=ranks)
    wall, processor = time.perf_counter() - begin, time.process_time() - processor
    assert not outcome.failures, outcome.failures
    seconds = [value for part in ranks.gather_all(one_task.seconds) for value in part]
    return Spent(wall, sum(ranks.gather_all(processor)), float(np.mean(seconds)))


def draw_seconds(ranks: Ranks, n: int = 20_000) -> float:
    """Time of one draw from the counter while all ranks draw as fast as they can, s, as the counter sees it."""
    counter = ranks.counter()
    ranks.barrier()
    begin = time.perf_counter()
    while counter() < n:
        pass
    took = time.perf_counter() - begin
    ranks.barrier()
    counter.close()
    return took / n


def measure(options: argparse.Namespace) -> None:
    """Measure what is measured under mpirun, and print it on the first rank."""
    ranks = find_ranks()
    lattice = replicate(PoreNetwork.load(options.network), (3, 3, 3), share=ranks.shared)
    simulation = in_equilibrium(lattice, 0.5)
    simulation.step(1000)
    begin = time.perf_counter()
    n_events = max(5_000, int(SECONDS * simulation.step(30_000) / (time.perf_counter() - begin)))
    n_events = ranks.broadcast(n_events)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(ranks.broadcast(name))
        alone, every = [], []
        for _ in range(options.repeats):
            one = ranks.on_first(lambda: campaign(Ranks(), simulation, options.tasks, n_events, folder))
            alone.append(one)
            every.append(campaign(ranks, simulation, options.tasks, n_events, folder))
        draw = draw_seconds(ranks)
        if ranks.is_first:
            both = list(zip(alone, every, strict=True))
            wall = np.array([one.wall / all_.wall for one, all_ in both])
            processor = np.array([ranks.size * one.processor / all_.processor for one, all_ in both])
            beside = np.array([one.wall / options.tasks / one.task - 1 for one in alone])
            task = alone[-1].task
            print(
                f"{options.tasks} tasks of {task:.2f} s a rank, {n_events} hops each, on one rank and on {ranks.size}: "
                f"efficiency {np.median(wall):.3f} ({wall.min():.3f} to {wall.max():.3f}) on the wall, "
                f"{np.median(processor):.3f} ({processor.min():.3f} to {processor.max():.3f}) in processor time"
            )
            print(f"hand-out on one rank: {100 * np.median(beside):.2f} % of the run time beside the tasks")
            print(f"draw: {1e6 * draw:.2f} µs each when {ranks.size} ranks do nothing else")
            print_files(simulation, n_events, folder, task)
            print_many(draw)
        ranks.barrier()


def print_files(simulation: Simulation, n_events: int, folder: Path, task: float) -> None:
    """Time and size of the file of a task, and what 1e6 of them mean."""
    one_task(simulation, n_events, folder / "one.h5", Watch(threading.Event(), lambda fraction: None))
    record = read_task(folder / "one.h5")
    write = _best(lambda: write_task(folder / "one.h5", record, state=simulation.state))
    read = _best(lambda: read_task(folder / "one.h5"))
    size = (folder / "one.h5").stat().st_size
    print(
        f"file of a task: {size / 1024:.0f} KiB, written and made safe in {1e3 * write:.1f} ms "
        f"({100 * write / task:.2f} % of a task of {task:.1f} s), read in {1e3 * read:.1f} ms"
    )
    entries = 20_000
    crowd = folder / "crowd"
    crowd.mkdir()
    create = _best(lambda: [(crowd / f"{i}").touch() for i in range(entries)], 1) / entries
    listed = _best(lambda: [entry.name for entry in os.scandir(crowd)]) / entries
    start = _best(lambda: subprocess.run([sys.executable, "-c", "import kmc.simulation, runs.task"], check=True), 2)
    print(
        f"{MANY_TASKS:,} tasks: {MANY_TASKS * size / 2**30:.0f} GiB, {MANY_TASKS * create:.0f} s of one metadata "
        f"server at {1e6 * create:.0f} µs a file, {MANY_TASKS * listed:.1f} s to list, "
        f"{MANY_TASKS * read / 60:.0f} min for one rank to read; start of a worker {start:.2f} s"
    )


def print_many(draw: float) -> None:
    """Simulate the hand-out at many ranks with the measured time of a draw, and with slower ones."""
    rng = np.random.default_rng(2)
    tasks = 100.0 * rng.lognormal(-0.125, 0.5, MANY_TASKS)  # s; a mean of 100 s
    print(f"{MANY_RANKS:,} ranks, {MANY_TASKS:,} tasks of 100 s (50 % spread), by simulation:")
    print(f"  each rank its share beforehand:         efficiency {dealt(tasks, MANY_RANKS):.4f}")
    ordered = np.sort(tasks)[::-1]
    for words, order, seconds in (
        ("drawn in any order, as measured:       ", tasks, draw),
        ("drawn longest first, as measured:      ", ordered, draw),
        ("drawn longest first, 50 µs a draw:     ", ordered, 50e-6),
        ("drawn longest first, 10 ms a draw:     ", ordered, 10e-3),
    ):
        efficiency, first, busy = handed_out(order, MANY_RANKS, seconds)
        print(
            f"  {words} efficiency {efficiency:.4f}, the last rank begins after {first:.2g} s, "
            f"counter busy {100 * busy:.2g} % of the time"
        )


def dealt(tasks: np.ndarray, n_ranks: int) -> float:
    """Efficiency if every rank has its share beforehand."""
    longest = tasks[: len(tasks) // n_ranks * n_ranks].reshape(-1, n_ranks).sum(axis=0).max()
    return float(tasks.sum() / n_ranks / longest)


def handed_out(tasks: np.ndarray, n_ranks: int, draw: float) -> tuple[float, float, float]:
    """Simulate ranks that draw task after task from one counter that serves them one by one.

    Parameters
    ----------
    tasks : (n,) float64, s
        In the order of the numbers.
    n_ranks : int
    draw : float, s
        That the counter needs for one.

    Returns
    -------
    tuple of float
        Efficiency, time when the last rank gets its first task, s, and the busy share of the counter.
    """
    idle = [0.0] * n_ranks
    counter = first = 0.0
    for number, seconds in enumerate(tasks.tolist()):
        counter = max(counter, idle[0]) + draw
        if number < n_ranks:
            first = counter
        heapq.heapreplace(idle, counter + seconds)
    end = max(idle)
    return float(tasks.sum() / n_ranks / end), first, len(tasks) * draw / end


def _best(call: Callable[[], object], times: int = 5) -> float:
    seconds = []
    for _ in range(times):
        begin = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - begin)
    return min(seconds)


def main() -> None:
    """Start the measurement under mpirun."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network")
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--tasks", type=int, default=8, help="on each rank")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--started", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.started:
        with ending_together():
            measure(options)
        return
    mpirun = str(Path(sys.executable).parent / "mpirun")
    call = [mpirun, "-n", str(options.ranks), sys.executable, *sys.argv, "--started"]
    sys.exit(subprocess.run(call).returncode)


if __name__ == "__main__":
    main()
