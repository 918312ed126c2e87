"""What `mofkmc plan` does: say what a deck will take before it is run."""

from __future__ import annotations

import heapq
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from lattice.memory import available_memory
from lattice.supercell import memory_of_tables, table_bytes
from runs.check_tables import task_lines
from runs.deck_file import DeckFile
from runs.job import build_lattice
from runs.model import Model, build_model
from runs.plan import Condition, without_field
from runs.plan_warnings import warnings
from runs.planned_precision import planned_precision, precision_part
from runs.progress import duration, reporter
from runs.task import Setting
from runs.text_tables import TextTable, listing, output_console
from runs.trial_run import Trial, some_conditions, try_conditions
from structures.units import CELSIUS_ZERO

_FILE_OVERHEAD = 60_000  # bytes of an HDF5 file and of the deck in it


def plan_job(file: DeckFile, *, ranks: int, threads: int) -> None:
    """Print tasks, memory, storage, time and warnings; the network is built if the cache does not hold it."""
    console = output_console()
    with reporter(output_console(stderr=True)) as report:
        model = build_model(file, report)
        setting = Setting(file, build_lattice(model, 1), model.network.content_hash)
        trials = try_conditions(setting, some_conditions(without_field(model.conditions)), report)
    console.print(listing("Size", tuple(size_lines(model, trials, ranks, threads))))
    console.print(trial_table(model, trials))
    console.print(listing("Time", tuple(time_lines(model, trials, ranks, threads))))
    scan = file.deck.scan
    console.print(precision_part(planned_precision(setting, trials), scan.sigma_relative_error, scan.ceiling))
    found = tuple(warnings(model, setting, trials, ranks * threads))
    console.print(listing("Warnings", found) if found else "\nNo warnings.")


def size_lines(model: Model, trials: Sequence[Trial], ranks: int, threads: int) -> Iterator[str]:
    """Say how many tasks there are and what memory and storage they need."""
    repeats = model.deck.lattice.repeats
    first, *others = task_lines(model)
    yield f"tasks: {first}"
    yield from (line[:1].lower() + line[1:] for line in others)
    n_ions = sorted(sum(loading.counts.values()) for loading in model.loadings)
    ions = f"{n_ions[0]} ions" if n_ions[0] == n_ions[-1] else f"{n_ions[0]} to {n_ions[-1]} ions"
    yield f"supercell: {model.n_sites:,} sites, {ions}"
    running = min(threads, len(model.tasks))
    table, together = table_bytes(model.network, repeats), memory_of_tables(model.network, repeats, running)
    if model.on_meshes:
        yield "memory: no table of pairs, the Coulomb energies come from meshes"
    else:
        yield (
            f"memory: {size(together)} for a rank of {running} {'task' if running == 1 else 'tasks'} at a time, of "
            f"which the ranks of one node share {size(table)}, the Coulomb table{_for_the_program()} "
            f"({size(available_memory())} are free here)"
        )
    one = max(trial.file_bytes for trial in trials) + _FILE_OVERHEAD
    kept = 2 * max(trial.checkpoint_bytes for trial in trials) + _FILE_OVERHEAD
    slots = min(ranks * threads, len(model.tasks))
    yield (
        f"storage: at most {size(one * model.most_tasks)}, {size(one)} a task; while it runs {size(kept * slots)} for "
        "checkpoints"
    )


def trial_table(model: Model, trials: Sequence[Trial]) -> TextTable:
    """Speed and length of the tasks that were tried."""
    name = "mol/L" if model.loadings[0].name == "M" else "x"
    made = TextTable(
        "Measured on one core of this machine",
        (name, "T, °C", "ions", "hops a second", "time of a task", "of it equilibration", "simulated, s"),
        keys=2,
    )
    for trial in trials:
        condition, total = trial.condition, trial.task_seconds(model.deck)
        made.add_row(
            f"{condition.loading.value:.3f}",
            f"{condition.temperature - CELSIUS_ZERO:.0f}",
            str(sum(condition.loading.counts.values())),
            f"{1 / trial.hop_s:,.0f}" if trial.hop_s > 0 else "blocked",
            duration(total) if total >= 1 else f"{total:.2f} s",
            f"{100 * trial.equilibration_seconds(model.deck) / total:.0f} %",
            f"{trial.simulated_seconds(model.deck):.2g}",
        )
    return made


def time_lines(model: Model, trials: Sequence[Trial], ranks: int, threads: int) -> Iterator[str]:
    """Say how long the tasks take on so many ranks and threads, and on more and fewer of them."""
    pilots = [_seconds(model, condition, trials, events=1 / 20) for condition in model.conditions]
    tasks = [_seconds(model, task.condition, trials) for task in model.tasks]
    yield f"all tasks one after the other: {duration(sum(pilots) + sum(tasks))}"
    here = wall_seconds(pilots, ranks * threads) + wall_seconds(tasks, ranks * threads)
    end = datetime.now().astimezone() + timedelta(seconds=here)
    yield (
        f"on {ranks} {'rank' if ranks == 1 else 'ranks'} of {threads} {'thread' if threads == 1 else 'threads'}: "
        f"{duration(here)}, begun now until {end:%a %d %b %H:%M}"
    )
    others = {ranks * threads * factor for factor in (2, 8, 32)} | {len(tasks)}
    times = [(n, wall_seconds(pilots, n) + wall_seconds(tasks, n)) for n in sorted(others) if n <= len(tasks)]
    if times:
        yield "on more cores: " + ", ".join(f"{duration(seconds)} on {n}" for n, seconds in times)
    yield "where each thread has a core to itself that is as fast as this one; the pore network is there already"


def wall_seconds(tasks: Sequence[float], slots: int) -> float:
    """Time until the last of some tasks ends that are handed out longest first to so many slots, s.

    Parameters
    ----------
    tasks : sequence of float, s
    slots : int
    """
    ends = [0.0] * min(slots, len(tasks))
    for seconds in sorted(tasks, reverse=True):
        heapq.heapreplace(ends, ends[0] + seconds)
    return max(ends, default=0.0)


def _for_the_program() -> str:
    taken = program_memory()
    return f"; and some {size(taken)} for the program itself" if taken else ""


def program_memory() -> int:
    """Memory that this process has taken so far, bytes: programs and network; 0 where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def size(n_bytes: float) -> str:
    """Give bytes as a user reads them."""
    for unit, factor in (("GiB", 2.0**30), ("MiB", 2.0**20)):
        if n_bytes >= factor:
            return f"{n_bytes / factor:.1f} {unit}"
    return f"{n_bytes / 2**10:.0f} KiB"


def _seconds(model: Model, condition: Condition, trials: Sequence[Trial], events: float = 1.0) -> float:
    """Time of a task like the trial that is nearest in loading, with a share of its hops, s."""
    x = condition.loading.value
    nearest = min(trials, key=lambda trial: abs(trial.condition.loading.value - x))
    whole, fixed = nearest.task_seconds(model.deck), nearest.setup_s + nearest.equilibration_seconds(model.deck)
    return fixed + events * (whole - fixed)
