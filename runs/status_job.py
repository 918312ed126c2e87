"""What `mofkmc status` does: read the folder of a run, whoever works there, and say how far it is."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from analysis.campaign import open_run
from kmc.trajectory import read_progress, read_provenance, read_task
from lattice.network import PoreNetwork
from runs.checkpoint import FOLDER as CHECKPOINTS
from runs.checkpoint import checkpoint_files
from runs.composition import loadings
from runs.deck_changes import settings_checksum
from runs.deck_file import DeckError, read_deck
from runs.events import Event, read_events
from runs.folder import ResultsFolder
from runs.plan import plan_conditions, plan_tasks
from runs.progress import duration
from runs.result_tables import conductivity_table, optimum_part
from runs.rounds import growth_of, precision_lines
from runs.text_tables import listing, output_console
from structures.errors import InputError

_SAMPLED = 50  # files that are read for the speed, and for how far tasks under way are
_SHOWN = 12  # tasks under way, and reasons of failures, that are printed


@dataclass(frozen=True, slots=True)
class RunStatus:
    """How far a run is.

    Attributes
    ----------
    planned, finished : tuple of str
        Keys of tasks; those of the deck and of the rounds so far, and those of them that have their file.
    precision : tuple of str
        How well sigma was known when the last round was decided, and what was added.
    begun : Mapping of str to float
        Fraction done of the tasks that have begun and not ended, by key.
    failed : Mapping of str to str
        Reason by key, of tasks that have failed since the run was last started.
    damaged : tuple of str
        Files that were set aside.
    holder : str
        Who works in the folder; empty if nobody does.
    ranks, threads : int
        Of the last start; 0 if it is not known.
    ended : str
        How the last call ended; empty while it goes on, or if it ended without a word.
    stage : str
        What is being done, with its fraction.
    seconds_left : float or None, s
        Until all is done; None if it cannot be told.
    hops_per_second : float or None
        Of one thread.
    """

    planned: tuple[str, ...]
    precision: tuple[str, ...]
    finished: tuple[str, ...]
    begun: Mapping[str, float]
    failed: Mapping[str, str]
    damaged: tuple[str, ...]
    holder: str
    ranks: int
    threads: int
    ended: str
    stage: str
    seconds_left: float | None
    hops_per_second: float | None


def status_job(path: Path, *, brief: bool = False) -> None:
    """Print how far a run is, and unless it is to be brief the results of its finished tasks.

    Raises
    ------
    InputError
        If the folder is not that of a run, or the run has not come to its first task.
    """
    status, console = read_status(path), output_console()
    console.print(f"{path}: {_headline(status)}", style="bold", markup=False, soft_wrap=True)
    for line in status_lines(status):
        console.print(f"- {line}", markup=False, soft_wrap=True)
    if status.begun:
        title = "Under way" if status.holder else "Kept their state"
        console.print(listing(title, _some([f"{key}: {100 * part:.0f} %" for key, part in status.begun.items()])))
    if status.failed:
        console.print(listing("Failed", tuple(_some([f"{key}: {reason}" for key, reason in status.failed.items()]))))
    if brief or not status.finished:
        return
    analysis = open_run(path).analyse()
    console.print(conductivity_table(analysis))
    console.print(optimum_part(analysis))
    if analysis.statements:
        console.print(listing("Remarks", _some(analysis.statements)))


def read_status(path: Path) -> RunStatus:
    """Read how far a run is; nothing in its folder is touched.

    Raises
    ------
    InputError
        As `status_job`.
    """
    folder = ResultsFolder(path)
    planned, precision = _planned(folder)
    there = {file.stem: file for file in folder.tasks.glob("*.h5")}
    finished = tuple(key for key in planned if key in there)
    holder = folder.lock.holder(look_only=True)
    call = last_call(read_events(path))
    begun = _begun(folder, set(planned) - set(finished), call, holder is not None)
    failed = {e.task: str(e.values.get("reason", "")) for e in call if e.name == "failed" and e.task not in there}
    start = next((event.values for event in call if event.name == "run"), {})
    stage, fraction, left = _progress(call) if holder else ("", 0.0, None)
    newest = sorted((there[key] for key in finished), key=_modified)[-_SAMPLED:]
    return RunStatus(
        planned=planned,
        precision=precision,
        finished=finished,
        begun=begun,
        failed=failed,
        damaged=tuple(sorted(file.name for file in path.glob("*/*.damaged*"))),
        holder="" if holder is None else str(holder),
        ranks=int(start.get("ranks", 0)),
        threads=int(start.get("threads", 0)),
        ended=_ending(call),
        stage=f"{stage}: {100 * fraction:.0f} %" if stage else "",
        seconds_left=left,
        hops_per_second=_speed(newest, [file for key in begun for file in _checkpoints(folder, key)][:_SAMPLED]),
    )


def last_call(events: Sequence[Event]) -> tuple[Event, ...]:
    """Events since every rank has last begun, by time."""
    calls: dict[int, list[Event]] = {}
    for event in events:
        if event.name == "run":
            calls[event.rank] = []
        if event.rank in calls:
            calls[event.rank].append(event)
    first = calls[0][0].time if 0 in calls else 0.0
    current = (call for rank, call in calls.items() if rank == 0 or call[0].time >= first - 3600.0)
    return tuple(sorted((event for call in current for event in call), key=lambda event: event.time))


def status_lines(status: RunStatus) -> Iterator[str]:
    """Say how many tasks are done, how fast, and how long the rest takes."""
    parts = [f"{len(status.finished):,} of {len(status.planned):,} tasks finished"]
    if status.begun:
        parts.append(f"{len(status.begun):,} {'under way' if status.holder else 'kept their state'}")
    if status.failed:
        parts.append(f"{len(status.failed):,} failed")
    if status.damaged:
        parts.append(f"{len(status.damaged):,} damaged files set aside")
    yield ", ".join(parts)
    yield from status.precision
    if status.holder and status.stage:
        yield status.stage
    if status.hops_per_second is not None:
        slots = status.ranks * status.threads
        busy = min(slots, max(len(status.begun), 1)) if status.holder else 0
        together = f", {busy * status.hops_per_second:,.0f} together" if busy > 1 else ""
        yield f"{status.hops_per_second:,.0f} hops a second on each thread, equilibration included{together}"
    if status.seconds_left is not None:
        end = datetime.now().astimezone() + timedelta(seconds=status.seconds_left)
        yield f"about {duration(status.seconds_left)} left, until {end:%a %d %b %H:%M}"
    elif not status.holder and len(status.finished) < len(status.planned):
        yield "the same command as before goes on from here"


def _headline(status: RunStatus) -> str:
    if status.holder:
        ranks = f"{status.ranks} rank{'s' if status.ranks != 1 else ''}"
        threads = f"{status.threads} thread{'s' if status.threads != 1 else ''}"
        return f"running on {ranks} of {threads}, {status.holder}" if status.ranks else f"running, {status.holder}"
    if len(status.finished) == len(status.planned):
        return "all done"
    return f"not running{f', {status.ended}' if status.ended else ', its last call ended without a word'}"


def _some(lines: Sequence[str]) -> list[str]:
    rest = len(lines) - _SHOWN
    return [*lines[:_SHOWN], f"and {rest} more"] if rest > 0 else list(lines)


def _planned(folder: ResultsFolder) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Keys of all tasks of a run as it is planned so far, and what its rounds have shown."""
    if not folder.deck.is_file():
        found = "no such folder" if not folder.path.exists() else "no deck.toml in it"
        raise InputError(f"{folder.path}: expected the folder of a run, found {found}")
    try:
        deck = read_deck(folder.deck).deck
    except DeckError as error:
        raise InputError(f"{folder.deck}: expected the deck of a run, found: {str(error).splitlines()[0]}") from None
    if not folder.network.is_file():
        raise InputError(
            f"{folder.path}: expected a run that has come to its first task, found no {folder.network.name}"
        )
    network = PoreNetwork.load(folder.network)
    growth = growth_of(folder.read_rounds(settings_checksum(deck), network.content_hash))
    conditions = plan_conditions(loadings(deck, network, growth.loadings), deck.scan)
    keys = tuple(task.key for task in plan_tasks(conditions, deck.scan.replicas, growth.replicas))
    return keys, tuple(precision_lines(growth, deck.scan))


def _begun(folder: ResultsFolder, unfinished: set[str], call: Sequence[Event], running: bool) -> dict[str, float]:
    """Tasks under way, or those that have kept their state, with the largest fraction that is known of each."""
    fraction = dict.fromkeys(() if running else folder.tasks_with_checkpoint() & unfinished, 0.0)
    for event in call if running else ():
        if event.name == "started" and event.task in unfinished:
            fraction[event.task] = 0.0
        elif event.name == "checkpoint" and event.task in fraction:
            fraction[event.task] = max(fraction[event.task], float(event.values.get("fraction", 0.0)))
        elif event.name in ("failed", "finished", "stopped"):
            fraction.pop(event.task, None)
    for key in sorted(fraction)[:_SAMPLED]:
        for file in _checkpoints(folder, key):
            with suppress(InputError, OSError):
                fraction[key] = max(fraction[key], read_progress(file)[0])
    return dict(sorted(fraction.items()))


def _progress(call: Sequence[Event]) -> tuple[str, float, float | None]:
    """Stage of the first rank, its fraction, and the seconds left by the speed since the stage began."""
    spoken = [event for event in call if event.name == "progress"]
    if not spoken:
        return "", 0.0, None
    stage = str(spoken[-1].values.get("stage", ""))
    same = [(event.time, float(event.values.get("fraction", 0.0))) for event in spoken
            if event.values.get("stage") == stage]  # fmt: skip
    (begin, first), (last, fraction) = same[0], same[-1]
    if fraction <= first or last <= begin:
        return stage, fraction, None
    left = (1 - fraction) * (last - begin) / (fraction - first) - (time.time() - last)
    return stage, fraction, max(0.0, left)


def _ending(call: Sequence[Event]) -> str:
    """How the last call ended, in words; empty if it did not say."""
    said = [event for event in call if event.rank == 0 and event.name in ("stop", "end")]
    if not said:
        return ""
    reason = next((str(event.values["reason"]) for event in said if event.values.get("reason")), "")
    return reason or f"ended with status {said[-1].values.get('status', '?')}"


def _checkpoints(folder: ResultsFolder, key: str) -> tuple[Path, Path]:
    return checkpoint_files(folder.path / CHECKPOINTS, key)


def _speed(finished: Sequence[Path], under_way: Sequence[Path]) -> float | None:
    """Hops a second of one thread, from the files of finished tasks, or else from checkpoints; None without any."""
    hops, seconds = 0, 0.0
    for file in finished:
        with suppress(InputError, OSError):
            spent = float(read_provenance(file)["seconds"])
            hops, seconds = hops + int(read_task(file).events[-1]), seconds + spent
    for file in () if finished else under_way:
        with suppress(InputError, OSError):
            _, made, spent = read_progress(file)
            hops, seconds = hops + made, seconds + spent
    return hops / seconds if seconds > 0 else None


def _modified(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0
