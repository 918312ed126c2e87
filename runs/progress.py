"""What the user sees while waiting: bars with a remaining time on a terminal, otherwise a line a minute and a task."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

QUIET_SECONDS = 2.0  # a stage that is over sooner is not mentioned
LINE_SECONDS = 60.0
TASK_SECONDS = 1.0
_EVENTS = {
    "started": "started",
    "checkpoint": "kept its state",
    "finished": "finished",
    "failed": "failed",
    "stopped": "stopped",
}


class Reporter(Protocol):
    """Shows how far a stage has come."""

    def __call__(self, stage: str, fraction: float, detail: str = "") -> None:
        """Report that `fraction` (0 to 1) of the named stage is done; any thread may call."""


def part_of(report: Reporter, stage: str) -> Callable[[str, float], None]:
    """Return the progress function of a lower package, whose texts become details of one stage."""
    return lambda detail, fraction: report(stage, fraction, detail)


def silent(stage: str, fraction: float, detail: str = "") -> None:
    """Show nothing."""


@contextmanager
def reporter(console: Console, *, quiet: bool = False) -> Iterator[Reporter]:
    """Yield the reporter that suits the console; what it drew is cleared or finished at the end."""
    if quiet:
        yield silent
    elif console.is_terminal:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=28),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=console) as progress:
            yield _Bars(progress)
    else:
        yield _Lines(console)


class TaskLines:
    """A line for each task that ends; with `verbose` also for one that begins or keeps its state; any thread may call.

    On a terminal, where bars show the same, finished tasks get a line with `verbose` only. Tasks that follow each other
    within a second share one.

    Parameters
    ----------
    console : Console
        The one that the reporter uses.
    quiet, verbose : bool
    name : str
        Of this process among others, at the end of every line.
    """

    def __init__(self, console: Console, *, quiet: bool = False, verbose: bool = False, name: str = "") -> None:
        self._console, self._verbose, self._name = console, verbose, name
        shown = {"failed"} if quiet or console.is_terminal else {"failed", "finished"}
        self._shown = shown | {"finished", "started", "checkpoint", "stopped"} if verbose else shown
        self._started: dict[str, float] = {}
        self._spoken, self._unspoken = -TASK_SECONDS, 0
        self._lock = threading.Lock()

    def __call__(self, event: str, task: str, reason: str = "") -> None:
        """Tell of an event as `runs.events` names it."""
        with self._lock:
            now = time.monotonic()
            if event == "started":
                self._started[task] = now
            took = ""
            if event in ("finished", "failed", "stopped"):
                begun = self._started.pop(task, None)
                took = "" if begun is None else f" after {duration(now - begun)}"
            if event not in self._shown:
                return
            if event == "finished" and not self._verbose and now - self._spoken < TASK_SECONDS:
                self._unspoken += 1
                return
            text, more = f"{task} {_EVENTS[event]}{took}{f': {reason}' if reason else ''}", ""
            if event == "finished":
                more = f", and {self._unspoken} before it" if self._unspoken else ""
                self._spoken, self._unspoken = now, 0
            whose = f" ({self._name})" if self._name else ""
            self._console.print(text + more + whose, markup=False, highlight=False, soft_wrap=True)


class _Bars:
    """One bar for each stage that lasts."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._bars: dict[str, TaskID] = {}
        self._lock = threading.Lock()

    def __call__(self, stage: str, fraction: float, detail: str = "") -> None:
        with self._lock:
            if stage not in self._bars:
                bar = self._bars[stage] = self._progress.add_task(stage, total=1.0, visible=False)
                timer = threading.Timer(QUIET_SECONDS, self._show, [bar])
                timer.daemon = True
                timer.start()
            text = f"{stage}: {detail}" if detail and fraction < 1.0 else stage
            self._progress.update(self._bars[stage], completed=fraction, description=text)

    def _show(self, bar: TaskID) -> None:
        if not next(task.finished for task in self._progress.tasks if task.id == bar):
            self._progress.update(bar, visible=True)


class _Lines:
    """A line a minute, and one at the end of a stage that lasted."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._started: dict[str, float] = {}
        self._spoken: dict[str, float] = {}
        self._finished: set[str] = set()
        self._lock = threading.Lock()

    def __call__(self, stage: str, fraction: float, detail: str = "") -> None:
        with self._lock:
            now = time.monotonic()
            begun = self._started.setdefault(stage, now)
            if fraction >= 1.0 and stage not in self._finished:
                self._finished.add(stage)
                if now - begun >= QUIET_SECONDS:
                    self._say(f"{stage}: done in {duration(now - begun)}")
            elif fraction < 1.0 and now - self._spoken.setdefault(stage, begun) >= LINE_SECONDS:
                self._spoken[stage] = now
                left = f", about {duration((now - begun) * (1 - fraction) / fraction)} left" if fraction > 0 else ""
                self._say(f"{stage}: {100 * fraction:.0f} %{left}")

    def _say(self, text: str) -> None:
        self._console.print(text, highlight=False, soft_wrap=True)


def duration(seconds: float) -> str:
    """Give a time as a user reads it: "12 s", "3 min 5 s", "2 h 10 min", "4 d 3 h"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours >= 48:
        return f"{hours // 24} d {hours % 24} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
