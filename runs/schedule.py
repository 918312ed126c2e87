"""Independent jobs on all cores by threads; the kernels release the interpreter's lock."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from runs.progress import Reporter

Result = TypeVar("Result")
_LOOK_UP_SECONDS = 0.2


class StoppedError(Exception):
    """A job ended early because the user asked for it."""


class Watch:
    """What one job knows of the outside: whether to stop, and whom to tell how far it is."""

    def __init__(self, stop: threading.Event, advance: Callable[[float], None]) -> None:
        self._stop = stop
        self._advance = advance

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
        Of the finished jobs, by key, in the order of the jobs.
    failures : dict of str to str
        Reason in one line, by key.
    interrupted : bool
        The user stopped the rest.
    """

    results: dict[str, Result] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    interrupted: bool = False


def run_all(jobs: Mapping[str, Job[Result]], *, threads: int, stage: str, report: Reporter) -> Outcome[Result]:
    """Run every job; one that fails is recorded and the others go on; Ctrl-C stops all at their next kernel return.

    Parameters
    ----------
    jobs : Mapping of str to callable
        Each is called with its own `Watch`.
    threads : int
    stage : str
        Name of the work in the progress display.
    report : Reporter
    """
    stop = threading.Event()
    fractions = dict.fromkeys(jobs, 0.0)
    lock = threading.Lock()

    def advance(key: str, fraction: float) -> None:
        with lock:
            fractions[key] = fraction
            done = sum(fractions.values()) / len(fractions)
        report(stage, min(done, 0.999))

    def watch(key: str) -> Watch:
        return Watch(stop, lambda fraction: advance(key, fraction))

    outcome: Outcome[Result] = Outcome()
    report(stage, 0.0)
    pool = ThreadPoolExecutor(max_workers=max(1, threads), thread_name_prefix="mofkmc")
    futures: dict[str, Future[Result | Exception]] = {}
    try:
        for key, job in jobs.items():
            futures[key] = pool.submit(_guarded, job, watch(key))
        pending = set(futures.values())
        while pending:
            _, pending = wait(pending, timeout=_LOOK_UP_SECONDS, return_when=FIRST_COMPLETED)
    except KeyboardInterrupt:
        outcome.interrupted = True
    finally:
        stop.set()
        _wind_down(futures.values())
        pool.shutdown(wait=False)
    for key, future in futures.items():
        if future.cancelled():
            continue
        result = future.result()
        if isinstance(result, StoppedError):
            continue
        if isinstance(result, Exception):
            outcome.failures[key] = f"{type(result).__name__}: {result}".splitlines()[0]
        else:
            outcome.results[key] = result
    if not outcome.interrupted:
        report(stage, 1.0)
    return outcome


def _wind_down(futures: Collection[Future[Result | Exception]]) -> None:
    """Drop what has not begun and wait until running jobs have seen the stop; one more Ctrl-C has nothing to add."""
    for future in reversed(list(futures)):
        future.cancel()
    for future in futures:
        while not future.done():
            # not ThreadPoolExecutor.shutdown: a thread whose join is interrupted counts as ended in Python 3.11
            with suppress(KeyboardInterrupt):
                future.exception()


def _guarded(job: Job[Result], watch: Watch) -> Result | Exception:
    """Return what the job raises: its reason belongs into the results, and the other jobs go on."""
    try:
        result = job(watch)
    except Exception as error:  # a failure of any kind is a result of this job
        return error
    with suppress(StoppedError):  # what is finished counts
        watch.advance(1.0)
    return result
