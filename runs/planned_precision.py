"""How well sigma will be known from a deck: its analysis, applied to invented runs that move as lone ions do."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich.console import Group, RenderableType
from rich.text import Text
from scipy.signal import lfilter

from runs.lone_ion_memory import LoneIon, lone_ion
from runs.plan import Condition
from runs.seeds import stream
from runs.task import Setting
from runs.text_tables import TextTable
from runs.trial_run import Trial
from structures.units import CELSIUS_ZERO

_INVENTED = 15  # runs, of whose errors quantiles are taken
_LIKELY = (0.2, 0.8)  # quantiles: one run in five knows sigma less well than the second tells
_MOST_REPLICAS, _MOST_SAMPLES = 24, 4000  # of an invented run; more narrow the error by their square root
_Z = 1.96


@dataclass(frozen=True, slots=True)
class Precision:
    """What a condition will tell of sigma at best.

    Attributes
    ----------
    condition : Condition
    replicas : int
    error : float
        Relative standard error of sigma that four runs in five stay below; infinite if there will be none.
    least : float
        That one run in five stays below.
    """

    condition: Condition
    replicas: int
    error: float
    least: float

    def replicas_for(self, target: float) -> float:
        """Replicas that bring the error to its target; infinite if there is none."""
        return math.ceil(self.replicas * (self.error / target) ** 2) if math.isfinite(self.error) else math.inf


def planned_precision(setting: Setting, trials: Sequence[Trial]) -> list[Precision]:
    """Estimate the error of sigma of the conditions that were tried, from their hops a second and the deck's numbers.

    The charge is thought to be carried by ions that move as each would alone: it diffuses at last with Σ n q² D, and
    begins faster by what their to-and-fro hops add, which they forget within their memory time. Ions that hinder each
    other relax more slowly, so the error is one at best.
    """
    deck, found = setting.deck, []
    for trial in trials:
        least = error = math.inf
        if trial.hop_rate > 0:
            step = trial.simulated_seconds(deck) / deck.kmc.samples
            rng = stream(deck.scan.seed, f"precision {trial.condition.key}")
            least, error = expected_errors(
                charge_motions(setting, trial.condition), deck.scan.replicas, deck.kmc.samples, step, rng
            )
        found.append(Precision(trial.condition, deck.scan.replicas, error, least))
    return found


def charge_motions(setting: Setting, condition: Condition) -> list[LoneIon]:
    """Motions of the charge of all mobile ions of each species, e² Å²/s, if each moved as it does alone."""
    network, T = setting.lattice_at(condition.temperature).network, condition.temperature
    names = [species.name for species in network.species]
    made = []
    for name, count in condition.loading.mobile.items():
        if not count:
            continue
        index = names.index(name)
        alone, weight = (
            lone_ion(network, index, T, setting.deck.rates.factor),
            count * network.species[index].charge ** 2,
        )
        made.append(LoneIon(weight * alone.at_once, weight * alone.at_last, alone.memory))
    return made


def expected_errors(
    motions: Sequence[LoneIon], replicas: int, samples: int, step: float, rng: np.random.Generator
) -> tuple[float, float]:
    """Relative standard error that the analysis will find: what one and what four of five invented runs stay below.

    Parameters
    ----------
    motions : sequence of LoneIon
        Independent parts of the charge displacement.
    replicas, samples : int
    step : float, s
        Between samples.
    rng : numpy.random.Generator
    """
    from analysis.conductivity import collective_slope

    fewer, shorter = min(replicas, _MOST_REPLICAS), min(samples, _MOST_SAMPLES)
    scale = math.sqrt(fewer * shorter / (replicas * samples))
    errors = []
    for _ in range(_INVENTED):
        paths = [sum(_path(motion, shorter, step, rng) for motion in motions) for _ in range(fewer)]
        error = collective_slope([np.asarray(path) for path in paths], step).slope.log_error
        errors.append(error if math.isfinite(error) else math.inf)
    low, high = np.quantile(errors, _LIKELY, method="higher")
    return scale * float(low), scale * float(high)


def _path(motion: LoneIon, samples: int, step: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Invent a displacement, (samples + 1, 3): a walk, and a bounded to-and-fro of the memory time on top of it."""
    steps = rng.normal(size=(samples, 3)) * math.sqrt(2 * motion.at_last * step)
    path = np.concatenate([np.zeros((1, 3)), np.cumsum(steps, axis=0)])
    if motion.memory > 0 and motion.at_once > motion.at_last:
        variance, kept = (motion.at_once - motion.at_last) * motion.memory, math.exp(-step / motion.memory)
        kicks = rng.normal(size=(samples + 1, 3)) * math.sqrt(variance)
        kicks[1:] *= math.sqrt(1 - kept**2)
        shift = lfilter([1.0], [1.0, -kept], kicks, axis=0)
        path += shift - shift[0]
    return path


def precision_part(found: Sequence[Precision], target: float | None, most: int) -> RenderableType:
    """Give the error of sigma and its interval for the conditions that were tried.

    Parameters
    ----------
    found : sequence of Precision
    target : float or None
        Relative standard error that the deck asks for.
    most : int
        Replicas that the deck allows.
    """
    name = "mol/L" if found[0].condition.loading.name == "M" else "x"
    wanted = () if target is None else (f"replicas for {100 * target:g} %",)
    made = TextTable(
        "Planned precision of sigma, at best",
        (name, "T, °C", "replicas", "standard error", "95 % interval, sigma x", *wanted),
        keys=2,
    )
    for one in found:
        row = [
            f"{one.condition.loading.value:.3f}",
            f"{one.condition.temperature - CELSIUS_ZERO:.0f}",
            str(one.replicas),
        ]
        if math.isfinite(one.error):
            span = f"{100 * one.least:.0f} - {100 * one.error:.0f} %"
            row += [span, f"{math.exp(-_Z * one.error):.2f} - {math.exp(_Z * one.error):.2f}"]
        else:
            row += ["none", ""]
        if target is not None:
            needed = one.replicas_for(target)
            row.append(f"{max(needed, 2):.0f}" if needed <= most else f"more than {most}")
        made.add_row(*row)
    note = (
        "From hops a second measured here and ions that move as each would alone. Three of five such runs end within "
        "the range of the error, one above it; interval and replicas are for its upper end. Ions that hinder each "
        "other make the interval wider, up to some three times."
    )
    return Group(made, Text(note))
