"""Independent jobs on all threads of all ranks; the kernels release the interpreter's lock.

The jobs are handed out one by one by a counter that all ranks share, so that no rank has to manage the others.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Generic, TypeVar

from runs.progress import Reporter
from runs.ranks import Ranks

Result = TypeVar("Result")

_LOOK_UP_SECONDS = 0.2
_HOST_SECONDS = 0.01  # the first rank looks up more often: some networks move one-sided messages only while it does
_LOOKS_PER_SECOND = 5000  # of all ranks together at the first one's numbers
_PARTS = 1_000_000  # of a job, for the progress of all ranks in whole numbers
_ARRIVAL_SECONDS = 0.005

INTERRUPTED_BY_USER = "interrupted"


class StoppedError(Exception):
    """A job ended early because the user asked for it."""


class HaltError(Exception):
    """A job found what no other job can survive, such as a full disk: it fails, and no further one is begun."""


def one_thread() -> int:
    """Leave a job to its own thread."""
    return 1


class Watch:
    """What one job knows of the outside: whether to stop, whom to tell how far it is, how many threads are free for it.

    Attributes
    ----------
    threads : callable
        Gives the number of threads that the job may use now, its own included.
    """

    def __init__(
        self, stop: threading.Event, advance: Callable[[float], None], threads: Callable[[], int] = one_thread
    ) -> None:
        self._stop = stop
        self._advance = advance
        self.threads = threads

    @property
    def stopping(self) -> bool:
        """Whether the job is asked to end."""
        return self._stop.is_set()

    def advance(self, fraction: float) -> None:
        """Report the fraction of the job that is done.

        Raises
        ------
        StoppedError
            If the user wants to stop; a job calls this between two kernels, when nothing is half done.
        """
        if self._stop.is_set():
            raise StoppedError
        self._advance(fraction)


Job = Callable[[Watch], Result]


@dataclass(slots=True)
class Outcome(Generic[Result]):
    """What became of a set of jobs.

    Attributes
    ----------
    results : dict
        Of the jobs that this rank has finished, by key, in the order of the jobs.
    failures : dict of str to str
        Reason in one line, by key; of all ranks.
    interrupted : bool
        Somebody stopped the rest.
    reason : str
        Why, as the first rank that knows puts it; empty if nobody did.
    """

    results: dict[str, Result] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    interrupted: bool = False
    reason: str = ""


def no_stop() -> str:
    """Give no reason to stop."""
    return ""


def tell_nobody(what: str, key: str, reason: str) -> None:
    """Keep an event to oneself."""


def run_all(
    jobs: Mapping[str, Job[Result]],
    *,
    threads: int,
    stage: str,
    report: Reporter,
    ranks: Ranks | None = None,
    stop_reason: Callable[[], str] = no_stop,
    tell: Callable[[str, str, str], None] = tell_nobody,
) -> Outcome[Result]:
    """Run every job on one thread of one rank; one that fails is recorded and the others go on.

    A reason to stop on any rank, or Ctrl-C, stops all jobs of all ranks at their next kernel return. When no jobs are
    left to begin, free threads are offered to those that run, see `Watch`.

    Parameters
    ----------
    jobs : Mapping of str to callable
        The same on every rank, begun in this order. Each is called with its own `Watch`.
    threads : int
        Of this rank.
    stage : str
        Name of the work in the progress display.
    report : Reporter
        Shows the progress of all ranks; called on the first one only.
    ranks : Ranks, optional
        By default this process alone.
    stop_reason : callable
        Gives a text as soon as this rank has a reason to stop; asked every 0.2 s.
    tell : callable
        Told of each job of this rank, in the main thread: "started", "finished", "failed" or "stopped", key, reason.
    """
    ranks = ranks or Ranks()
    speak = report if ranks.is_first else _silent
    shift: _Shift[Result] = _Shift(jobs, max(1, threads), ranks, stop_reason, tell)
    speak(stage, 0.0)
    try:
        while shift.goes_on():
            speak(stage, min(shift.look(), 0.999))
    except KeyboardInterrupt:
        shift.stop(INTERRUPTED_BY_USER)
    finally:
        shift.wind_down()
    everyone_is_here = ranks.arrive()
    while not everyone_is_here():
        speak(stage, min(shift.look(), 0.999))
        time.sleep(_ARRIVAL_SECONDS)
    outcome = shift.outcome()
    if not outcome.interrupted:
        speak(stage, 1.0)
    return outcome


class _Shift(Generic[Result]):
    """The work of one rank: its threads, its jobs, and what became of them."""

    def __init__(
        self,
        jobs: Mapping[str, Job[Result]],
        threads: int,
        ranks: Ranks,
        stop_reason: Callable[[], str],
        tell: Callable[[str, str, str], None],
    ) -> None:
        self._jobs, self._threads, self._ranks, self._stop_reason, self._tell = jobs, threads, ranks, stop_reason, tell
        self._counter = ranks.counter()
        self._pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="mofkmc")
        self._to_draw = True
        self._keys = list(jobs)
        self._running: dict[Future[Result | Exception], str] = {}
        self._results: dict[str, Result] = {}
        self._failures: dict[str, str] = {}
        self._fraction: dict[str, float] = {}
        self._stop = threading.Event()
        self._reason = ""
        self._look_every = max(_LOOK_UP_SECONDS, ranks.size / _LOOKS_PER_SECOND)
        self._pause = _HOST_SECONDS if ranks.is_first and ranks.size > 1 else self._look_every
        self._looked = time.monotonic()
        self._done = 0  # parts of jobs that the other ranks know of
        self._done_by_all = 0

    def goes_on(self) -> bool:
        """Draw a job for every idle thread and wait a moment; whether there is still work."""
        while self._to_draw and len(self._running) < self._threads:
            number = self._counter()
            if number < len(self._keys):
                self._begin(self._keys[number])
            else:
                self._to_draw = False
        if self._running:
            finished, _ = wait(self._running, timeout=self._pause, return_when=FIRST_COMPLETED)
            for future in finished:
                self._end(future)
        return bool(self._running) or self._to_draw

    def look(self) -> float:
        """Hear of a stop, pass one on, and tell how far this rank is; return the fraction done by all ranks."""
        now = time.monotonic()
        if now - self._looked >= self._look_every:
            self._looked = now
            if not self._reason and (reason := self._stop_reason()):
                self.stop(reason)
            if not self._stop.is_set() and self._counter.stopped():
                self._halt()
            done = int(_PARTS * sum(self._fraction.values()))
            self._done_by_all = self._counter.done(done - self._done)
            self._done = done
        return self._done_by_all / (_PARTS * max(len(self._keys), 1))

    def stop(self, reason: str) -> None:
        """Stop the jobs of all ranks."""
        self._reason = self._reason or reason
        self._counter.stop()
        self._halt()

    def wind_down(self) -> None:
        """Wait until the running jobs have seen the stop; one more Ctrl-C has nothing to add."""
        self._halt()
        for future in list(self._running):
            while not future.done():
                # not ThreadPoolExecutor.shutdown: a thread whose join is interrupted counts as ended in Python 3.11
                with suppress(KeyboardInterrupt):
                    future.exception()
            self._end(future)
        self._pool.shutdown(wait=False)

    def outcome(self) -> Outcome[Result]:
        """Collect what became of the jobs; all ranks call it at the same time."""
        everywhere = self._ranks.gather_all((self._failures, self._reason))
        self._counter.close()
        failures = {key: reason for failed, _ in everywhere for key, reason in failed.items()}
        reason = next((reason for _, reason in everywhere if reason), "")
        return Outcome(
            results={key: self._results[key] for key in self._keys if key in self._results},
            failures={key: failures[key] for key in self._keys if key in failures},
            interrupted=bool(reason),
            reason=reason,
        )

    def _halt(self) -> None:
        self._stop.set()
        self._to_draw = False

    def _threads_of_a_job(self) -> int:
        """Share the threads among the running jobs when no other jobs need them; any thread may call."""
        if self._to_draw or self._stop.is_set():
            return 1
        return max(1, self._threads // max(1, len(self._running)))

    def _begin(self, key: str) -> None:
        self._tell("started", key, "")
        self._fraction[key] = 0.0
        watch = Watch(self._stop, partial(self._fraction.__setitem__, key), self._threads_of_a_job)
        self._running[self._pool.submit(_guarded, self._jobs[key], watch)] = key

    def _end(self, future: Future[Result | Exception]) -> None:
        key, result = self._running.pop(future), future.result()
        if isinstance(result, StoppedError):
            self._tell("stopped", key, "")
            return
        self._fraction[key] = 1.0
        if isinstance(result, Exception):
            halting = isinstance(result, HaltError)
            reason = str(result) if halting else f"{type(result).__name__}: {result}"
            self._failures[key] = reason.splitlines()[0]
            self._tell("failed", key, self._failures[key])
            if halting:
                self.stop(self._failures[key])
        else:
            self._results[key] = result
            self._tell("finished", key, "")


def _guarded(job: Job[Result], watch: Watch) -> Result | Exception:
    """Return what the job raises: its reason belongs into the results, and the other jobs go on."""
    try:
        return job(watch)
    except Exception as error:  # a failure of any kind is a result of this job
        return error


def _silent(stage: str, fraction: float, detail: str = "") -> None:
    """Show nothing."""
