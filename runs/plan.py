"""All tasks of a deck and the keys that name them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from runs.composition import Loading
from runs.deck import Scan
from structures.errors import InputError


@dataclass(frozen=True, slots=True)
class Condition:
    """One loading at one temperature; its replicas share one time grid.

    Attributes
    ----------
    loading : Loading
    temperature : float, K
    """

    loading: Loading
    temperature: float

    @property
    def key(self) -> str:
        """Text such as "x0.5000_T298.15K"."""
        return f"{self.loading.key}_T{self.temperature:.2f}K"


@dataclass(frozen=True, slots=True)
class Task:
    """One replica of one condition: the unit that is computed, stored and repeated.

    Attributes
    ----------
    condition : Condition
    replica : int
    """

    condition: Condition
    replica: int

    @property
    def key(self) -> str:
        """Text such as "x0.5000_T298.15K_r03": file name and source of the random stream."""
        return f"{self.condition.key}_r{self.replica:02d}"


def plan_conditions(loadings: Sequence[Loading], scan: Scan) -> tuple[Condition, ...]:
    """Every loading at every temperature.

    Raises
    ------
    InputError
        If two of them are so close that their keys are the same text.
    """
    conditions = tuple(Condition(loading, T) for loading in loadings for T in scan.temperatures)
    for key, times in Counter(condition.key for condition in conditions).items():
        if times > 1:
            raise InputError(
                f"[scan] expected loadings 0.0001 and temperatures 0.01 K apart, found {times} tasks named {key}"
            )
    return conditions


def plan_tasks(
    conditions: Sequence[Condition], replicas: int, more: Mapping[str, int] = MappingProxyType({})
) -> tuple[Task, ...]:
    """Every replica of every condition; first replicas come first, so that an interrupted run is a coarser whole.

    Parameters
    ----------
    conditions : sequence of Condition
    replicas : int
        Of each.
    more : Mapping of str to int, optional
        Replicas of the conditions, by key, that have more.
    """
    counts = {condition.key: max(replicas, more.get(condition.key, 0)) for condition in conditions}
    return tuple(
        Task(condition, replica)
        for replica in range(max(counts.values(), default=0))
        for condition in conditions
        if replica < counts[condition.key]
    )
