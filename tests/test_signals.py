"""Signals and time limits ask a run to end and do nothing else."""

import os
import signal
import time

import pytest

from runs import signals
from runs.signals import StopRequest, stop_by_signals, time_left


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (signal.SIGINT, "interrupted"),
        (signal.SIGTERM, "stopped by SIGTERM"),
        (signal.SIGUSR1, "stopped by SIGUSR1"),
    ],
)
@pytest.mark.parametrize("at_once", [False, True])
def test_a_signal_leaves_its_name_and_the_handlers_come_back(number, reason, at_once):
    before, stop, went_on = signal.getsignal(number), StopRequest(), False
    try:
        with stop_by_signals(stop, at_once=at_once):
            assert not stop.reason()
            os.kill(os.getpid(), number)
            time.sleep(0)
            went_on = True
    except KeyboardInterrupt:
        assert at_once
    assert went_on is not at_once
    assert stop.reason() == reason
    assert signal.getsignal(number) == before


def test_the_first_reason_counts():
    stop = StopRequest()
    stop.ask("stopped by SIGTERM")
    stop.ask("interrupted")
    assert stop.reason() == "stopped by SIGTERM"


def test_a_time_limit_is_counted_by_a_clock_that_nobody_sets(monkeypatch):
    """The day's clock goes back by an hour meanwhile."""
    now = [100.0]
    monkeypatch.setattr(signals.time, "monotonic", lambda: now[0])
    stop = StopRequest(50.0)
    monkeypatch.setattr(signals.time, "time", lambda: -3600.0)
    now[0] = 149.9
    assert not stop.reason()
    now[0] = 150.0
    assert stop.reason() == "time limit reached"


@pytest.mark.parametrize(
    ("given", "end", "expected"),
    [
        (None, None, None),
        (85800.0, None, 85800.0),
        (None, 3600.0, 3480.0),
        (None, 100.0, 90.0),
        (60.0, 3600.0, 60.0),
        (7200.0, 3600.0, 3480.0),
        (None, -5.0, None),
        (None, "UNLIMITED", None),
        (None, 1e10, None),
    ],
)
def test_the_limit_that_comes_first_counts(monkeypatch, given, end, expected):
    """The batch system's end is left two minutes for the last checkpoints, and a tenth of a short job."""
    monkeypatch.setattr(signals.time, "time", lambda: 1e9)
    environment = {}
    if end is not None:
        environment["SLURM_JOB_END_TIME"] = end if isinstance(end, str) else f"{1e9 + end:.0f}"
    assert time_left(given, environment)[0] == expected
