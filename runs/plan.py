"""All tasks of a deck and the keys that name them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from runs.composition import Loading
from runs.deck import Scan
from structures.errors import InputError

CM_PER_A = 1e-8


@dataclass(frozen=True, slots=True)
class Condition:
    """One loading at one temperature, and in one electric field; its replicas share one time grid.

    Attributes
    ----------
    loading : Loading
    temperature : float, K
    field : float, V/cm
        Along `axis`.
    axis : str
        Direction of a lattice vector, a, b or c, or a Cartesian one, x, y or z; empty without a field.
    """

    loading: Loading
    temperature: float
    field: float = 0.0
    axis: str = ""

    @property
    def key(self) -> str:
        """Text such as "x0.5000_T298.15K", with a field "x0.5000_T298.15K_Ea1.000e5"."""
        in_field = f"_E{self.axis}{self.field:.3e}".replace("e+0", "e") if self.field else ""
        return f"{self.loading.key}_T{self.temperature:.2f}K{in_field}"

    def field_vector(self, cell: NDArray[np.float64]) -> NDArray[np.float64]:
        """Field, (3,), V/Å.

        Parameters
        ----------
        cell : (3, 3) float64, Å
            Lattice vectors as rows.
        """
        if not self.field:
            return np.zeros(3)
        along = cell["abc".index(self.axis)] if self.axis in "abc" else np.eye(3)["xyz".index(self.axis)]
        return np.asarray(self.field * CM_PER_A * along / np.linalg.norm(along))


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
    """Every loading at every temperature, first all of them without a field, then in each field.

    Raises
    ------
    InputError
        If two of them are so close that their keys are the same text.
    """
    conditions = tuple(
        Condition(loading, T, field, scan.field_along if field else "")
        for field in (0.0, *sorted(scan.fields_V_per_cm))
        for loading in loadings
        for T in scan.temperatures
    )
    for key, times in Counter(condition.key for condition in conditions).items():
        if times > 1:
            raise InputError(
                "[scan] expected loadings 0.0001, temperatures 0.01 K and fields a thousandth apart, found "
                f"{times} tasks named {key}"
            )
    return conditions


def without_field(conditions: Sequence[Condition]) -> tuple[Condition, ...]:
    """Give the conditions without an electric field."""
    return tuple(condition for condition in conditions if not condition.field)


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
