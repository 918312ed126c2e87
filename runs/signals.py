"""When a run has to end early: Ctrl-C, the signals of a batch system, or a time limit.

A handler only leaves a mark. The jobs look for it between two kernels and keep what they have, and the same command
goes on from there.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType

from runs.schedule import INTERRUPTED_BY_USER

SPARE_SECONDS = 120.0  # left for the last checkpoints before the batch system ends the job
_SPARE_SHARE = 0.1  # of a job so short that this is less
_FARTHEST_END = 366 * 86400.0  # s; no job is that long
_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name))


class StopRequest:
    """Whether and why a run has to end early; any thread may ask.

    Parameters
    ----------
    seconds : float, optional
        From now on until the run asks itself to end.
    limit : str
        Which limit this is, for the message.
    """

    def __init__(self, seconds: float | None = None, limit: str = "time limit reached") -> None:
        self._reason = ""
        self._deadline = None if seconds is None else time.monotonic() + seconds
        self._limit = limit

    def ask(self, reason: str) -> None:
        """Ask the run to end; the first reason counts."""
        self._reason = self._reason or reason

    def reason(self) -> str:
        """Give the reason as part of a sentence, such as "stopped by SIGTERM"; empty as long as there is none."""
        if self._deadline is not None and time.monotonic() >= self._deadline:
            self.ask(self._limit)
        return self._reason


@contextmanager
def stop_by_signals(stop: StopRequest, *, at_once: bool) -> Iterator[None]:
    """Let Ctrl-C, SIGTERM and SIGUSR1 ask the run to end while the block lasts.

    Outside the main thread, where Python runs no handlers, the block is as it would be without.

    Parameters
    ----------
    stop : StopRequest
    at_once : bool
        Leave the block by a KeyboardInterrupt: for work that has nothing to keep and never looks.
    """

    def handle(number: int, frame: FrameType | None) -> None:
        stop.ask(INTERRUPTED_BY_USER if number == signal.SIGINT else f"stopped by {signal.Signals(number).name}")
        if at_once:
            raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {}
    try:
        for number in _SIGNALS:
            before[number] = signal.signal(number, handle)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)


def time_left(time_limit: float | None, environment: Mapping[str, str] = os.environ) -> tuple[float | None, str]:
    """Give the seconds until a run has to end, None without a limit, and the name of the limit that comes first.

    Parameters
    ----------
    time_limit : float or None, s
        Of the user; it is taken as it is.
    environment : Mapping
        `SLURM_JOB_END_TIME` in it, s since 1970, is the end of the job, before which `SPARE_SECONDS` are left.
    """
    limits = [] if time_limit is None else [(time_limit, "time limit reached")]
    try:
        end = float(environment.get("SLURM_JOB_END_TIME", "nan"))
    except ValueError:
        end = float("nan")
    left = end - time.time()
    if 0.0 < left < _FARTHEST_END:
        limits.append((left - min(SPARE_SECONDS, _SPARE_SHARE * left), "the job's time limit is near"))
    return min(limits, default=(None, ""))
