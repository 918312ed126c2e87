"""A few seconds of simulation, from which the time and the storage of a whole deck are told in advance."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kmc.simulation import Simulation
from runs.deck import Deck
from runs.plan import Condition
from runs.progress import Reporter
from runs.seeds import stream
from runs.task import Setting, placed_simulation

TRIAL_SECONDS = 2.0
_MOST_CONDITIONS = 5
_EQUILIBRATION_SHARE = 0.4  # of the time of one condition
_FIRST_MOVES, _FIRST_HOPS = 20, 500


@dataclass(frozen=True, slots=True)
class Trial:
    """What a short run of one condition has shown.

    Attributes
    ----------
    condition : Condition
    setup_s : float, s
        From nothing to the first move: tables, placement.
    move_s : float, s
        One trial move of the equilibration.
    hop_s : float, s
        One hop; nan if the state was blocked.
    hop_rate : float, 1/s
        Hops per simulated second; 0 if the state was blocked.
    file_bytes : int
        Of a task's file; frames uncompressed.
    checkpoint_bytes : int
    """

    condition: Condition
    setup_s: float
    move_s: float
    hop_s: float
    hop_rate: float
    file_bytes: int
    checkpoint_bytes: int

    def task_seconds(self, deck: Deck) -> float:
        """Wall time of one task of this condition on a core of this machine, s."""
        hops = deck.kmc.events * self.hop_s if np.isfinite(self.hop_s) else 0.0
        return self.setup_s + self.equilibration_seconds(deck) + hops

    def equilibration_seconds(self, deck: Deck) -> float:
        """Part of it that is equilibration, s."""
        return deck.kmc.equilibration_sweeps * sum(self.condition.loading.counts.values()) * self.move_s

    def simulated_seconds(self, deck: Deck) -> float:
        """Physical time of one task, s; infinite if nothing hops."""
        return deck.kmc.events / self.hop_rate if self.hop_rate > 0 else np.inf


def some_conditions(conditions: Sequence[Condition]) -> list[Condition]:
    """Conditions that stand for all: evenly spread loadings, the coldest and the hottest of their temperatures in turn.

    Parameters
    ----------
    conditions : sequence of Condition
        By loading, then by temperature, both ascending.
    """
    loadings = list(dict.fromkeys(condition.loading.value for condition in conditions))
    chosen = np.unique(np.linspace(0, len(loadings) - 1, _MOST_CONDITIONS).round().astype(int))
    found = []
    for turn, index in enumerate(chosen):
        same = [condition for condition in conditions if condition.loading.value == loadings[index]]
        found.append(same[-1 if turn % 2 else 0])
    return found


def try_conditions(
    setting: Setting, conditions: Sequence[Condition], report: Reporter, *, seconds: float = TRIAL_SECONDS
) -> list[Trial]:
    """Run each condition for its share of some seconds, after what has to be compiled is compiled.

    Parameters
    ----------
    setting : Setting
    conditions : sequence of Condition
    report : Reporter
    seconds : float, s
        Of all together; setting up a simulation comes on top.
    """
    stage = f"Trial runs of {seconds:g} s"
    report(stage, 0.0)
    _try(setting, conditions[0], 0.0)
    trials = []
    for number, condition in enumerate(conditions, 1):
        trials.append(_try(setting, condition, seconds / len(conditions)))
        report(stage, number / len(conditions))
    return trials


def _try(setting: Setting, condition: Condition, seconds: float) -> Trial:
    deck, begin = setting.deck, time.perf_counter()
    simulation = placed_simulation(setting, condition, stream(deck.scan.seed, f"trial {condition.key}"))
    setup, state = time.perf_counter() - begin, simulation.state
    move = _equilibrate(simulation, deck.kmc.equilibration_sweeps, _EQUILIBRATION_SHARE * seconds)
    first_event, first_time = state.n_events, state.time
    hop = _hop(simulation, (1 - _EQUILIBRATION_SHARE) * seconds)
    hops, elapsed = state.n_events - first_event, state.time - first_time
    file_bytes, checkpoint_bytes = _sizes(simulation, deck)
    return Trial(
        condition=condition,
        setup_s=setup,
        move_s=move,
        hop_s=hop,
        hop_rate=hops / elapsed if hops and elapsed > 0 else 0.0,
        file_bytes=file_bytes,
        checkpoint_bytes=checkpoint_bytes,
    )


def _equilibrate(simulation: Simulation, most_sweeps: int, seconds: float) -> float:
    """Equilibrate for so long, at most as long as a task does; return the time of one trial move, s."""
    made, spent, sweeps = 0, 0.0, max(1, _FIRST_MOVES // max(simulation.state.n_ions, 1))
    while True:
        begin = time.perf_counter()
        simulation.equilibrate(sweeps)
        spent += time.perf_counter() - begin
        made += sweeps
        left = min(most_sweeps - made, int(sweeps * (seconds - spent) / max(spent, 1e-6)))
        if spent >= seconds or left < 1:
            return spent / (made * max(simulation.state.n_ions, 1))
        sweeps = min(left, 4 * sweeps)


def _hop(simulation: Simulation, seconds: float) -> float:
    """Hop for so long; return the time of one hop, s, or nan if no hop is open."""
    made, spent, n_events = 0, 0.0, _FIRST_HOPS
    while True:
        begin = time.perf_counter()
        now = simulation.step(n_events)
        spent += time.perf_counter() - begin
        made += now
        if now < n_events or spent >= seconds:
            return spent / made if made else float("nan")
        n_events = max(1, min(4 * n_events, int(made * (seconds - spent) / max(spent, 1e-6)) + 1))


def _sizes(simulation: Simulation, deck: Deck) -> tuple[int, int]:
    """Bytes of the arrays in the file of a task and in a checkpoint."""
    sampler = simulation.begin(1.0, deck.kmc.samples, frame_every=deck.output.frames_every)
    arrays = {name: value.nbytes for name, value in sampler._asdict().items() if isinstance(value, np.ndarray)}
    state = sum(array.nbytes for array in simulation.state.arrays().values())
    series = ("time", "displacement", "events", "energy", "orbit_hops", "frame_site", "frame_image")
    return state + sum(arrays[name] for name in series), state + sum(arrays.values())
