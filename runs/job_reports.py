"""What a run says while it works: bars and lines on the terminal, and its log of events."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager

from rich.console import Console, RenderableType

from runs.events import EventLog
from runs.folder import ResultsFolder
from runs.progress import Reporter, TaskLines, reporter
from runs.ranks import Ranks
from runs.run_request import RunRequest
from runs.text_tables import output_console


class JobReports:
    """The voice of one process; of several, the first one shows results and progress, all tell of what went wrong.

    Parameters
    ----------
    request : RunRequest
    ranks : Ranks
    """

    def __init__(self, request: RunRequest, ranks: Ranks) -> None:
        self._ranks = ranks
        self._quiet = request.quiet or not ranks.is_first
        self.console = output_console() if request.tables else Console(quiet=True)
        self._remarks = output_console(stderr=True)
        name = f"rank {ranks.rank}" if ranks.size > 1 else ""
        verbose = request.verbose and not request.quiet
        self._lines = TaskLines(self._remarks, quiet=request.quiet, verbose=verbose, name=name)
        self._log: EventLog | None = None

    def show(self, report: Callable[[], Iterable[RenderableType]]) -> None:
        """Print results; they are made by the first process alone."""
        if self._ranks.is_first and not self.console.quiet:
            for part in report():
                self.console.print(part)

    def say(self, text: str) -> None:
        """Print a remark of this process; any thread may call."""
        self._remarks.print(f"mofkmc: {text}", markup=False, highlight=False, soft_wrap=True)

    def say_once(self, text: str) -> None:
        """Print a remark that all processes have in common."""
        if self._ranks.is_first:
            self.say(text)

    def note(self, text: str) -> None:
        """Print what is good to know and nothing to worry about."""
        if not self._quiet:
            self.say(text)

    @contextmanager
    def progress(self) -> Iterator[Reporter]:
        """Yield the reporter of a stage."""
        with reporter(self._remarks, quiet=self._quiet) as report:
            follow = self._log is not None and self._ranks.is_first
            yield self._log.following(report) if follow and self._log is not None else report

    def open_log(self, folder: ResultsFolder, threads: int, until: ExitStack) -> None:
        """Begin the log of events in a folder that is ours."""
        self._log = until.enter_context(EventLog(folder.path, self._ranks.rank))
        self._log.begin(ranks=self._ranks.size, threads=threads)

    def task(self, event: str, key: str, reason: str = "") -> None:
        """Tell of a task that begins or ends."""
        if self._log is not None:
            self._log(event, key, reason)
        self._lines(event, key, reason)

    def checkpoint(self, key: str, fraction: float) -> None:
        """Tell of a task that has kept its state; any thread may call."""
        if self._log is not None:
            self._log("checkpoint", key, fraction=round(fraction, 6))
        self._lines("checkpoint", key)

    def end(self, reason: str, status: int) -> None:
        """Write the end of the run into the log."""
        if self._log is not None:
            if reason:
                self._log("stop", reason=reason)
            self._log("end", status=status)
            if self._log.fault:
                self.say(f"the log of events ended early: {self._log.fault}")
