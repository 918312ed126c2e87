"""Independent jobs on all cores by threads; the kernels release the interpreter's lock."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
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


def available_cores() -> int:
    """Return the number of cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


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
    with ThreadPoolExecutor(max_workers=max(1, threads), thread_name_prefix="mofkmc") as pool:
        futures = {key: pool.submit(_guarded, job, watch(key)) for key, job in jobs.items()}
        pending: set[Future[Result | Exception]] = set(futures.values())
        try:
            while pending:
                _, pending = wait(pending, timeout=_LOOK_UP_SECONDS, return_when=FIRST_COMPLETED)
        except KeyboardInterrupt:
            outcome.interrupted = True
            stop.set()
            for future in pending:
                future.cancel()
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


def _guarded(job: Job[Result], watch: Watch) -> Result | Exception:
    """Return what the job raises: its reason belongs into the results, and the other jobs go on."""
    try:
        result = job(watch)
        watch.advance(1.0)
    except Exception as error:  # a failure of any kind is a result of this job
        return error
    return result
