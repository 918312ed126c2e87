"""Tasks that a run adds to those of its deck: replicas until sigma is known well enough, loadings near its maximum.

A round is decided when the tasks of the one before are finished, by their files alone: whoever has computed them, in
whatever order and however often interrupted, a run comes to the same tasks. What was decided is kept in rounds.json;
where that is lost, the files say the same again.

A condition stops when its stated error is small, which favours errors that came out small. Of 200 invented runs that
stop at 12 %, after one round to six, the 95 % interval holds sigma in 188 of plain diffusion and in 195 with a
to-and-fro of ten samples; the mean of sigma is 2 % too high, a sixth of the error asked for (test_rounds_coverage.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from kmc.placement import place_ions
from runs.composition import Loading, loadings, possible_loadings
from runs.folder import ResultsFolder
from runs.model import Model
from runs.plan import Task, plan_conditions, plan_tasks
from runs.ranks import Ranks
from runs.seeds import stream
from structures.errors import InputError

if TYPE_CHECKING:
    from analysis.point import Point
    from kmc.trajectory import TaskRecord
    from runs.deck import Scan
    from runs.task import Setting

# What reads and analyses the files of tasks is imported where it is called: a run without rounds does without.

_LOADINGS_PER_ROUND = 2  # the next ones then lie better
_MOST_GROWTH = 2  # times the replicas of a condition in one round: an error known from few of them is not known well
_MARGIN = 1.1  # on the replicas that the error asks for, so that one round usually is enough


@dataclass(frozen=True, slots=True)
class Verdict:
    """How well sigma of one loading and temperature is known, and what follows.

    Attributes
    ----------
    replicas : int
        That were looked at.
    error : float
        Relative standard error of sigma; infinite if the data give none.
    wanted : int
        Replicas to have; those that were looked at if there are to be no more.
    why : str
        Why there are to be no more although sigma is not known as well as asked; empty otherwise.
    """

    replicas: int
    error: float
    wanted: int
    why: str = ""

    @property
    def goes_on(self) -> bool:
        """Whether there are to be more replicas."""
        return self.wanted > self.replicas


@dataclass(frozen=True, slots=True)
class Growth:
    """What a run has added to the tasks of its deck so far.

    Attributes
    ----------
    replicas : Mapping of str to int
        Of the conditions that have more than the deck asks for, by key.
    loadings : tuple of float
        In the order in which they were added.
    verdicts : Mapping of str to Verdict
        Of the conditions whose tasks were finished when the last round was decided, by key.
    """

    replicas: Mapping[str, int] = field(default_factory=dict)
    loadings: tuple[float, ...] = ()
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        """Give what JSON can hold."""
        return {
            "replicas": dict(self.replicas),
            "loadings": list(self.loadings),
            "verdicts": {
                key: [v.replicas, v.error if math.isfinite(v.error) else None, v.wanted, v.why]
                for key, v in self.verdicts.items()
            },
        }


def growth_of(record: Mapping[str, Any]) -> Growth:
    """Give what `Growth.record` was made of; nothing was added if there is no record."""
    return Growth(
        {str(key): int(n) for key, n in record.get("replicas", {}).items()},
        tuple(map(float, record.get("loadings", ()))),
        {
            str(key): Verdict(int(n), math.inf if error is None else float(error), int(wanted), str(why))
            for key, (n, error, wanted, why) in record.get("verdicts", {}).items()
        },
    )


def grown(model: Model, growth: Growth) -> Model:
    """Add to a model, as its deck gives it, what the rounds so far have added.

    Raises
    ------
    InputError
        If there is no such loading.
    """
    if not (growth.replicas or growth.loadings):
        return model
    scan = model.deck.scan
    found = loadings(model.deck, model.network, growth.loadings)
    conditions = plan_conditions(found, scan)
    tasks = plan_tasks(conditions, scan.replicas, growth.replicas)
    return replace(model, loadings=found, conditions=conditions, tasks=tasks)


def has_rounds(scan: Scan) -> bool:
    """Whether a run may add tasks to those of its deck."""
    return scan.sigma_relative_error is not None or scan.refine


def next_growth(
    model: Model, setting: Setting, growth: Growth, points: Mapping[str, Point], folder: ResultsFolder, ranks: Ranks
) -> tuple[Growth, dict[str, Point]]:
    """Decide what a run is to add when all tasks so far that can be finished are.

    Conditions with a task that has failed stay as they are. Loadings are added once every sigma is known as well as
    it is going to be.

    Parameters
    ----------
    model : Model
        With what was added so far.
    setting : Setting
    growth : Growth
    points : Mapping of str to Point
        What was found before, by key of the condition; not found again for as many replicas.
    folder : ResultsFolder
    ranks : Ranks
        All of them call this; they share the files that have to be read.

    Returns
    -------
    Growth
        With the same replicas and loadings if there is nothing to add.
    dict of str to Point
        Of all conditions whose tasks are finished.
    """
    scan, by_key = model.deck.scan, tasks_by_condition(model.tasks)
    points = points_of(model, by_key, points, folder, ranks)
    verdicts = {key: judge(point, scan.sigma_relative_error, scan.ceiling) for key, point in points.items()}
    decided = replace(growth, verdicts=verdicts)
    if more := {key: verdict.wanted for key, verdict in verdicts.items() if verdict.goes_on}:
        return replace(decided, replicas={**growth.replicas, **more}), points
    n = min(scan.further_loadings - len(growth.loadings), _LOADINGS_PER_ROUND)
    if n > 0 and len(points) == len(by_key):
        new = ranks.on_first(lambda: next_loadings(model, setting, list(points.values()), n))
        decided = replace(decided, loadings=(*growth.loadings, *new))
    return decided, points


def points_of(
    model: Model, by_key: Mapping[str, Sequence[Task]], known: Mapping[str, Point], folder: ResultsFolder, ranks: Ranks
) -> dict[str, Point]:
    """Analyse all conditions whose tasks are finished; every rank a part of those that are not known yet."""
    from analysis.point import transport_at

    same = {key: point for key, point in known.items() if point.row["replicas"] == len(by_key[key])}
    mine = {}
    for key in [key for key in by_key if key not in same][ranks.rank :: ranks.size]:
        if (records := finished_records(folder, by_key[key])) is not None:
            mine[key] = transport_at(records, model.network)
    found = same | {key: point for part in ranks.gather_all(mine) for key, point in part.items()}
    return {key: found[key] for key in by_key if key in found}


def next_loadings(model: Model, setting: Setting, points: Sequence[Point], n: int) -> tuple[float, ...]:
    """Choose loadings where the largest sigma of any temperature may be; none if the data tell no such place.

    Parameters
    ----------
    model : Model
    setting : Setting
    points : sequence of Point
    n : int
        Of loadings at most.
    """
    from analysis.campaign import optimum_at
    from analysis.next_loadings import propose_loadings

    optima = []
    for temperature in sorted({point.temperature for point in points}):
        same = [point for point in points if point.temperature == temperature]
        with suppress(ValueError):  # without a conductivity at three loadings
            optima.append(optimum_at(sorted(same, key=lambda point: point.composition)))
    done, deck = [loading.value for loading in model.loadings], model.deck
    allowed = possible_loadings(deck, model.network)
    limits = (0.0, 1.0) if model.loadings[0].name == "x" else None
    proposed = propose_loadings(optima, done, n, allowed=allowed, limits=limits) if optima else ()
    there = {loading.key for loading in model.loadings}
    new = [loading for loading in loadings(deck, model.network, proposed) if loading.key not in there]
    return tuple(loading.value for loading in new if _has_room(setting, loading))


def _has_room(setting: Setting, loading: Loading) -> bool:
    """Whether the ions of a loading find room at the highest temperature."""
    rng = stream(setting.deck.scan.seed, f"room for {loading.key}")
    try:
        place_ions(setting.lattice, loading.counts, rng, temperature=setting.deck.scan.temperatures[-1])
    except InputError:
        return False
    return True


def round_line(before: Model, now: Model, growth: Growth) -> str:
    """Say what a round adds and why."""
    n = len(now.tasks) - len(before.tasks)
    more = f"{n} more {'task' if n == 1 else 'tasks'}"
    old = {loading.key for loading in before.loadings}
    if new := [loading.key for loading in now.loadings if loading.key not in old]:
        return f"{more} near the largest sigma, at {', '.join(new)}"
    wide, target = sum(verdict.goes_on for verdict in growth.verdicts.values()), now.deck.scan.sigma_relative_error
    return (
        f"{more}: sigma is not yet known to {100 * (target or 0.0):g} % at {wide} of "
        f"{len(growth.verdicts)} loadings and temperatures"
    )


def tasks_by_condition(tasks: Iterable[Task]) -> dict[str, list[Task]]:
    """Sort the tasks without an electric field by the key of their condition, replicas ascending."""
    found: dict[str, list[Task]] = {}
    for task in tasks:
        if task.condition.field:
            continue
        found.setdefault(task.condition.key, []).append(task)
    return found


def finished_records(folder: ResultsFolder, tasks: Sequence[Task]) -> list[TaskRecord] | None:
    """Read the files of tasks; None if one of them is not there or cannot be read."""
    from kmc.trajectory import read_task

    try:
        return [read_task(folder.task(task.key)) for task in tasks]
    except (InputError, OSError):
        return None


def judge(point: Point, target: float | None, most: int) -> Verdict:
    """Say how well sigma of one condition is known, and how many replicas of it there are to be.

    Parameters
    ----------
    point : Point
    target : float or None
        Relative standard error of sigma to reach; None asks for nothing.
    most : int
        Replicas that there may be.
    """
    n, error = int(point.row["replicas"]), point.sigma.log_error
    error = error if math.isfinite(error) else math.inf
    if target is None:
        return Verdict(n, error, n)
    if point.row["blocked replicas"] == n:
        return Verdict(n, error, n, "no hop is open in any replica")
    if error <= target:
        why = "" if point.row["converged"] else "sigma is not converged, and more replicas need not mend that"
        return Verdict(n, error, n, why)
    wanted = wanted_replicas(n, error, target, most)
    return Verdict(n, error, wanted, "" if wanted > n else f"there are to be {most} replicas at most")


def wanted_replicas(replicas: int, error: float, target: float, most: int) -> int:
    """Replicas that bring a standard error, which falls with their square root, to its target; or a part of the way.

    Parameters
    ----------
    replicas : int
        That the error is from.
    error, target : float
    most : int
    """
    needed = math.ceil(_MARGIN * replicas * (error / target) ** 2) if math.isfinite(error) else math.inf
    return max(replicas, int(min(needed, _MOST_GROWTH * replicas, most)))


def precision_lines(growth: Growth, scan: Scan) -> Iterator[str]:
    """Say how well sigma is known after the last round, and name the conditions where that is not as well as asked."""
    target, verdicts = scan.sigma_relative_error, growth.verdicts
    if growth.loadings:
        yield f"loadings added near the largest sigma: {', '.join(f'{value:.4g}' for value in growth.loadings)}"
    if target is None or not verdicts:
        return
    reached = sum(verdict.error <= target for verdict in verdicts.values())
    counts = sorted(verdict.replicas for verdict in verdicts.values())
    extent = f"{counts[0]}" if counts[0] == counts[-1] else f"{counts[0]} to {counts[-1]}"
    yield (
        f"sigma is known to {100 * target:g} % (standard error, as asked) at {reached} of {len(verdicts)} loadings and "
        f"temperatures, with {extent} replicas"
    )
    for key, verdict in verdicts.items():
        if verdict.why:
            error = f"{100 * verdict.error:.3g} %" if math.isfinite(verdict.error) else "no standard error"
            yield f"{key}: {error} with {verdict.replicas} replicas: {verdict.why}"
