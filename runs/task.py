"""One task from its key to its file: place, equilibrate, run, write."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from kmc.placement import place_ions
from kmc.simulation import Progress, Simulation
from kmc.trajectory import TaskLabel, task_record, write_task
from lattice.network import ATTEMPT_FREQUENCY
from lattice.separation import separate
from lattice.supercell import Lattice
from runs.deck import Deck
from runs.deck_file import DeckFile
from runs.plan import Condition, Task
from runs.schedule import Watch
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
    """

    file: DeckFile
    lattice: Lattice
    network_hash: str

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
    simulation = _start(setting, condition, stream(setting.deck.scan.seed, f"pilot {condition.key}"), first)
    rate = simulation.estimate_rate(hops, progress=second)
    return wanted / (rate if rate > 0 else ATTEMPT_FREQUENCY)


def run_task(setting: Setting, task: Task, until: float, path: Path, watch: Watch) -> Path:
    """Simulate one replica and write its file.

    Parameters
    ----------
    setting : Setting
    task : Task
    until : float, s
        Physical time to simulate.
    path : Path
        Appears only when it is complete.
    watch : Watch
    """
    first, second = _two_parts(watch, setting, task.condition, setting.deck.kmc.events)
    simulation = _start(setting, task.condition, stream(setting.deck.scan.seed, task.key), first)
    samples = simulation.run(
        until,
        setting.deck.kmc.samples,
        frame_every=setting.deck.output.frames_every,
        progress=second,
    )
    label = TaskLabel(
        key=task.key,
        seed=setting.deck.scan.seed,
        composition=task.condition.loading.value,
        composition_name=task.condition.loading.name,
        replica=task.replica,
        network_hash=setting.network_hash,
        deck=setting.file.text,
    )
    write_task(path, task_record(simulation, samples, label), state=simulation.state, frames=samples.frames)
    return path


def _two_parts(watch: Watch, setting: Setting, condition: Condition, hops: int) -> tuple[Progress, Progress]:
    """Return the progress functions of equilibration and hops, which share one bar by the number of their moves."""
    moves = setting.deck.kmc.equilibration_sweeps * sum(condition.loading.counts.values())
    share = moves / (moves + hops)
    watch.advance(0.0)
    return (
        lambda text, fraction: watch.advance(share * fraction),
        lambda text, fraction: watch.advance(share + (1.0 - share) * fraction),
    )


def _start(setting: Setting, condition: Condition, rng: np.random.Generator, progress: Progress) -> Simulation:
    """Place the ions and bring them to equilibrium."""
    loading, deck = condition.loading, setting.deck
    state = place_ions(setting.lattice, loading.counts, rng, temperature=condition.temperature, frozen=loading.frozen)
    simulation = Simulation(
        setting.lattice_at(condition.temperature),
        state,
        temperature=condition.temperature,
        attempt_frequency=deck.rates.factor,
    )
    simulation.equilibrate(deck.kmc.equilibration_sweeps, progress=progress)
    return simulation
