"""Settings of a deck that would waste computing time, each with what to write instead."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from lattice.screening import as_tensor
from runs.deck import Deck
from runs.lone_ion_memory import lone_ion
from runs.model import Model
from runs.plan import Condition
from runs.task import Setting
from runs.trial_run import Trial
from structures.units import BOLTZMANN, COULOMB

BLOCK_MEMORIES = 12.0  # memory times in a block that the conductivity is taken from: two lags, the short one of six
FEWEST_BLOCKS = 8  # in all replicas of a condition together, below which nothing converges
FEW_REPLICAS = 4
FEW_TEMPERATURES = 3
HOPS_PER_SAMPLE = 10
LARGEST_SHARE = 0.5  # of a task's time that equilibration may take


def warnings(model: Model, setting: Setting, trials: Sequence[Trial], slots: int) -> Iterator[str]:
    """Yield what is wasteful in a deck or in the number of ranks and threads, one line each.

    Parameters
    ----------
    model : Model
    setting : Setting
    trials : sequence of Trial
    slots : int
        Tasks at a time, on all ranks.
    """
    yield from _of_blocks(setting, trials)
    yield from _of_supercell(model)
    yield from _of_numbers(model.deck)
    yield from _of_equilibration(model.deck, trials)
    for trial in trials:
        if trial.hop_rate == 0.0:
            yield f"{trial.condition.key}: no hop is open, all its tasks end without a result"
    if slots > len(model.tasks):
        yield f"{len(model.tasks)} tasks leave {slots - len(model.tasks)} of {slots} threads without work"


def _of_blocks(setting: Setting, trials: Sequence[Trial]) -> Iterator[str]:
    """Yield the conditions whose tasks are too short for the memory of their slowest ion."""
    deck = setting.deck
    for trial in trials:
        name, memory = slowest_memory(setting, trial.condition)
        block, simulated = BLOCK_MEMORIES * memory, trial.simulated_seconds(deck)
        blocks = deck.scan.replicas * simulated / block if block > 0 else math.inf
        if blocks < FEWEST_BLOCKS:
            needed = deck.kmc.events * FEWEST_BLOCKS / blocks
            yield (
                f"{trial.condition.key}: a task simulates {simulated:.2g} s, and {name} alone remembers its way for "
                f"{memory:.2g} s: {blocks:.2g} blocks of {BLOCK_MEMORIES:g} such times in all replicas, expected at "
                f"least {FEWEST_BLOCKS}; write [kmc] events = {_round_up(needed)} or more, or more replicas"
            )


def slowest_memory(setting: Setting, condition: Condition) -> tuple[str, float]:
    """Name and memory time, s, of the mobile ion of a condition that remembers longest, see `lone_ion`."""
    network, T = setting.lattice_at(condition.temperature).network, condition.temperature
    names = [species.name for species in network.species]
    times = [(lone_ion(network, names.index(name), T, setting.deck.rates.factor).memory, name)
             for name, count in condition.loading.mobile.items() if count]  # fmt: skip
    longest, name = max(times, default=(0.0, ""))
    return name, longest


def _of_supercell(model: Model) -> Iterator[str]:
    """Yield the loadings whose ions see their own periodic images through what screens them."""
    deck, network = model.deck, model.network
    cell = network.cell * np.array(deck.lattice.repeats)[:, None]
    across = float(1 / np.linalg.norm(np.linalg.inv(cell), axis=0).max())
    volume = abs(float(np.linalg.det(cell)))
    eps_r = float(np.trace(as_tensor(network.permittivity))) / 3
    charges = {species.name: species.charge for species in network.species}
    hottest = deck.scan.temperatures[-1]
    for loading in model.loadings:
        length = screening_length(loading.counts, charges, eps_r, volume, hottest)
        if across < 2 * length:
            repeats = [math.ceil(n * 2 * length / across) for n in deck.lattice.repeats]
            yield (
                f"{loading.key}: the supercell is {across:.0f} Å across at its narrowest, less than twice the "
                f"screening length of {length:.0f} Å of so few ions; write [lattice] repeats = {repeats} or more"
            )


def screening_length(
    counts: Mapping[str, int], charges: Mapping[str, float], eps_r: float, volume: float, temperature: float
) -> float:
    """Debye length of ions in a volume, Å: 1/λ² = 4π k_e Σ n q² / (eps_r kT).

    Parameters
    ----------
    counts, charges : Mapping of str to number
        Ions and charge, e, by species.
    eps_r : float
    volume : float, Å³
    temperature : float, K
    """
    density = sum(count * charges[name] ** 2 for name, count in counts.items()) / volume
    return math.sqrt(eps_r * BOLTZMANN * temperature / (4 * math.pi * COULOMB * density)) if density else math.inf


def _of_numbers(deck: Deck) -> Iterator[str]:
    kmc, scan = deck.kmc, deck.scan
    if kmc.samples * HOPS_PER_SAMPLE > kmc.events:
        yield (
            f"[kmc] samples: {kmc.samples} samples of {kmc.events} hops are closer than {HOPS_PER_SAMPLE} hops; "
            f"write at most {kmc.events // HOPS_PER_SAMPLE}"
        )
    if scan.replicas < FEW_REPLICAS:
        yield f"[scan] replicas: intervals from {scan.replicas} replicas are wide; write {FEW_REPLICAS} or more"
    if 1 < len(scan.temperatures) < FEW_TEMPERATURES:
        yield (
            f"[scan] temperatures: {len(scan.temperatures)} of them give no activation energy; "
            f"write {FEW_TEMPERATURES} or more"
        )


def _of_equilibration(deck: Deck, trials: Sequence[Trial]) -> Iterator[str]:
    total = sum(trial.task_seconds(deck) for trial in trials)
    share = sum(trial.equilibration_seconds(deck) for trial in trials) / total if total > 0 else 0.0
    if share > LARGEST_SHARE:
        yield (
            f"[kmc] equilibration_sweeps: equilibration takes {100 * share:.0f} % of the time of a task; more events "
            "in fewer replicas would use it better"
        )


def _round_up(events: float) -> str:
    """Two digits, as a deck writes a large number."""
    unit = 10 ** max(0, math.floor(math.log10(events)) - 1)
    return f"{math.ceil(events / unit * (1 - 1e-9)) * unit:_}"
