"""One task from its key to its file: place, equilibrate, run, keep a checkpoint now and then, write."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kmc.placement import place_ions
from kmc.simulation import Progress, Simulation
from kmc.state import State
from kmc.trajectory import Checkpoint, Provenance, TaskLabel, task_record, write_task
from lattice.network import ATTEMPT_FREQUENCY
from lattice.separation import separate
from lattice.supercell import Lattice
from runs.deck import Deck
from runs.deck_changes import settings_checksum
from runs.deck_file import DeckFile
from runs.faults import fault_line, writing
from runs.folder import ResultsFolder
from runs.plan import Condition, Task
from runs.schedule import HaltError, StoppedError, Watch, one_thread
from runs.seeds import stream

_PILOT_SHARE = 20  # a pilot makes one hop for so many hops of a task
_PILOT_LEAST, _PILOT_MOST = 2000, 200_000


@dataclass(frozen=True, eq=False, slots=True)
class Setting:
    """What all tasks of a calculation share; nothing in it changes.

    Attributes
    ----------
    file : DeckFile
    lattice : Lattice
    network_hash : str
    settings : str
        Checksum of all values of the deck that decide numbers.
    """

    file: DeckFile
    lattice: Lattice
    network_hash: str
    settings: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "settings", settings_checksum(self.file.deck))

    @property
    def deck(self) -> Deck:
        """The deck's tables."""
        return self.file.deck

    def lattice_at(self, temperature: float) -> Lattice:
        """Give the lattice with its local hops slowed as the deck asks; all arrays but the saddles are shared."""
        separation = self.deck.kmc.separation_kT
        if separation is None:
            return self.lattice
        return replace(self.lattice, network=separate(self.lattice.network, separation, temperature))

    def field(self, condition: Condition) -> NDArray[np.float64]:
        """Give the electric field of a condition, (3,), V/Å."""
        return condition.field_vector(self.lattice.network.cell)

    def label(self, task: Task) -> TaskLabel:
        """Give what tells a task from all others."""
        return TaskLabel(
            key=task.key,
            seed=self.deck.scan.seed,
            composition=task.condition.loading.value,
            composition_name=task.condition.loading.name,
            replica=task.replica,
            network_hash=self.network_hash,
            deck=self.file.text,
            settings=self.settings,
        )


def _say_nothing(text: str) -> None:
    """Keep a remark to oneself."""


def _tell_nobody(key: str, fraction: float) -> None:
    """Keep a checkpoint to oneself."""


@dataclass(frozen=True, eq=False, slots=True)
class Workplace:
    """Where the tasks of one process leave their files, and who hears of it.

    Attributes
    ----------
    folder : ResultsFolder
    say : callable
        Told in one line of files that cannot be used; any thread may call.
    kept : callable
        Told of each checkpoint: key of the task and fraction done; any thread may call.
    hosts, ranks, threads : int
        See Provenance.
    """

    folder: ResultsFolder
    say: Callable[[str], None] = _say_nothing
    kept: Callable[[str, float], None] = _tell_nobody
    hosts: int = 1
    ranks: int = 1
    threads: int = 1


def simulated_time(setting: Setting, condition: Condition, watch: Watch) -> float:
    """Choose the physical time of all replicas of one condition, so that each makes about the deck's number of hops.

    A short run with random numbers of its own measures hops per second. Where no ion can hop the time is that of the
    wanted hops at 1e12 /s, and the result is a blocked run.

    Returns
    -------
    float, s
    """
    wanted = setting.deck.kmc.events
    hops = min(max(wanted // _PILOT_SHARE, _PILOT_LEAST), _PILOT_MOST)
    first, second = _two_parts(watch, setting, condition, hops)
    simulation = _start(setting, condition, stream(setting.deck.scan.seed, f"pilot {condition.key}"), first, watch)
    rate = simulation.estimate_rate(hops, progress=second)
    return wanted / (rate if rate > 0 else ATTEMPT_FREQUENCY)


def run_task(setting: Setting, task: Task, until: float, workplace: Workplace, watch: Watch) -> Path:
    """Simulate one replica, from its checkpoint if there is one, and write its file.

    Equilibration has no checkpoint: it is repeated, with the same random numbers, until the clock has started.

    Parameters
    ----------
    setting : Setting
    task : Task
    until : float, s
        Physical time to simulate.
    workplace : Workplace
    watch : Watch

    Returns
    -------
    Path
        The file; it appears only when it is complete.

    Raises
    ------
    StoppedError
        If the user wants to stop; what was reached is in a checkpoint.
    HaltError
        If a file cannot be written; checkpoints written before are as they were.
    """
    begun, label = time.monotonic(), setting.label(task)
    checkpoints = workplace.folder.checkpoints(label, workplace.say)
    first, second = _two_parts(watch, setting, task.condition, setting.deck.kmc.events)
    last, before, parts = checkpoints.newest(), 0.0, 1
    simulation = _continued(setting, task, until, last, workplace.say, watch)
    if last is not None and simulation is not None:
        sampler, before, parts = last.sampler, last.seconds, last.parts + 1
    else:
        simulation = _start(setting, task.condition, stream(setting.deck.scan.seed, task.key), first, watch)
        sampler = simulation.begin(until, setting.deck.kmc.samples, frame_every=setting.deck.output.frames_every)

    def keep() -> None:
        seconds = before + time.monotonic() - begun
        now = Checkpoint(label, simulation.conditions, simulation.state, sampler, seconds, parts)
        with _halting():
            checkpoints.keep(now)
        workplace.kept(task.key, now.fraction)

    try:
        while not simulation.advance(sampler, seconds=60.0 * setting.deck.output.checkpoint_minutes, progress=second):
            keep()
    except StoppedError:
        keep()
        raise
    samples, path = simulation.finish(sampler), workplace.folder.task(task.key)
    seconds = before + time.monotonic() - begun
    provenance = Provenance(seconds, parts, workplace.hosts, workplace.ranks, workplace.threads)
    record = task_record(simulation, samples, label)
    with _halting(), writing(path):
        write_task(path, record, state=simulation.state, frames=samples.frames, provenance=provenance)
        checkpoints.remove()
    return path


def _continued(
    setting: Setting, task: Task, until: float, kept: Checkpoint | None, say: Callable[[str], None], watch: Watch
) -> Simulation | None:
    """Make the simulation that goes on from a checkpoint; None if there is none that fits."""
    if kept is None:
        return None
    T, factor, field = task.condition.temperature, setting.deck.rates.factor, setting.field(task.condition)
    conditions = kept.conditions
    found = conditions.temperature, conditions.attempt_frequency, float(kept.sampler.time[-1])
    if found != (T, factor, until) or not np.array_equal(conditions.field, field):
        say(f"{task.key}: its checkpoint is of other conditions and is left out")
        return None
    try:
        return _simulation(setting, task.condition, kept.state, watch.threads)
    except ValueError as error:
        say(f"{task.key}: its checkpoint cannot be used and is left out: {error}")
        return None


@contextmanager
def _halting() -> Iterator[None]:
    """End the whole run where a file cannot be written: the next one could not be either.

    Raises
    ------
    HaltError
    """
    try:
        yield
    except OSError as error:
        raise HaltError(fault_line(error)) from error


def _two_parts(watch: Watch, setting: Setting, condition: Condition, hops: int) -> tuple[Progress, Progress]:
    """Return the progress functions of equilibration and hops, which share one bar by the number of their moves."""
    moves = setting.deck.kmc.equilibration_sweeps * sum(condition.loading.counts.values())
    share = moves / (moves + hops)
    watch.advance(0.0)
    return (
        lambda text, fraction: watch.advance(share * fraction),
        lambda text, fraction: watch.advance(share + (1.0 - share) * fraction),
    )


def placed_simulation(
    setting: Setting, condition: Condition, rng: np.random.Generator, threads: Callable[[], int] = one_thread
) -> Simulation:
    """Make the simulation of a condition with its ions placed at random, not yet in equilibrium."""
    loading, T = condition.loading, condition.temperature
    state = place_ions(setting.lattice, loading.counts, rng, temperature=T, frozen=loading.frozen)
    return _simulation(setting, condition, state, threads)


def _simulation(setting: Setting, condition: Condition, state: State, threads: Callable[[], int]) -> Simulation:
    T, factor = condition.temperature, setting.deck.rates.factor
    field = setting.field(condition)
    lattice = setting.lattice_at(T)
    superbasins = setting.deck.kmc.superbasins
    return Simulation(
        lattice,
        state,
        temperature=T,
        attempt_frequency=factor,
        field=field,
        threads=threads,
        superbasins=superbasins,
    )


def _start(
    setting: Setting, condition: Condition, rng: np.random.Generator, progress: Progress, watch: Watch
) -> Simulation:
    """Place the ions and bring them to equilibrium."""
    simulation = placed_simulation(setting, condition, rng, watch.threads)
    simulation.equilibrate(setting.deck.kmc.equilibration_sweeps, progress=progress)
    return simulation
