"""Jobs handed out to threads: order, failures, stops; several ranks are in test_mpi.py."""

import contextlib
import os
import signal
import threading
import time

import pytest

from runs import schedule
from runs.schedule import HaltError, StoppedError, Watch, run_all


def silent(stage: str, fraction: float, detail: str = "") -> None:
    """Show nothing."""


@pytest.mark.parametrize("threads", [1, 2, 7])
def test_results_come_in_the_order_of_the_jobs(threads):
    jobs = {f"job {i}": (lambda watch, i=i: i * i) for i in range(20)}
    outcome = run_all(jobs, threads=threads, stage="squares", report=silent)
    assert list(outcome.results.items()) == [(f"job {i}", i * i) for i in range(20)]
    assert outcome.failures == {}
    assert not outcome.interrupted


def test_jobs_begin_in_their_order_so_that_the_longest_can_come_first():
    begun: list[str] = []
    jobs = {key: (lambda watch, key=key: begun.append(key)) for key in "dacb"}
    run_all(jobs, threads=1, stage="jobs", report=silent)
    assert begun == ["d", "a", "c", "b"]


def test_threads_without_a_job_are_offered_to_the_running_ones(bounded):
    """Seven threads: one for each of seven jobs, three for each of the last two, all for the last, one at a stop."""
    offered, meet, two, last = {}, threading.Barrier(7), threading.Barrier(2), threading.Event()

    def job(watch: Watch, number: int) -> None:
        if number < 7:
            meet.wait(10)
            offered[number] = watch.threads()
            meet.wait(10)
        if number < 6:
            return
        two.wait(10)
        while watch.threads() != 3:
            time.sleep(0.01)
        two.wait(10)
        if number == 7:
            while watch.threads() != 7:
                time.sleep(0.01)
            last.set()
            with contextlib.suppress(StoppedError):
                while True:
                    watch.advance(0.5)
            offered["stopped"] = watch.threads()

    jobs = {str(n): (lambda watch, n=n: job(watch, n)) for n in range(8)}
    reason = lambda: "enough" if last.is_set() else ""  # noqa: E731
    run_all(jobs, threads=7, stage="jobs", report=silent, stop_reason=reason)
    assert offered == dict.fromkeys([*range(7), "stopped"], 1)


def test_no_jobs_are_no_work():
    outcome = run_all({}, threads=3, stage="nothing", report=silent)
    assert (outcome.results, outcome.failures, outcome.interrupted) == ({}, {}, False)


def test_a_job_that_fails_is_recorded_and_the_others_go_on():
    def fail(watch: Watch) -> int:
        raise OSError("disk full\nsecond line")

    jobs = {"a": lambda watch: 1, "b": fail, "c": lambda watch: 3}
    outcome = run_all(jobs, threads=1, stage="jobs", report=silent)
    assert outcome.results == {"a": 1, "c": 3}
    assert outcome.failures == {"b": "OSError: disk full"}


def test_a_fault_that_no_job_survives_ends_them_all():
    """The one that found it has failed, the one after it is not begun."""

    def fail(watch: Watch) -> int:
        raise HaltError("no space left")

    outcome = run_all({"a": lambda watch: 1, "b": fail, "c": lambda watch: 3}, threads=1, stage="jobs", report=silent)
    assert outcome.results == {"a": 1}
    assert outcome.failures == {"b": "no space left"}
    assert outcome.interrupted
    assert outcome.reason == "no space left"


def test_a_reason_to_stop_reaches_running_jobs_and_is_kept():
    """The reason is there from 0.3 s on; a job of 20 s ends within the next 0.2 s and one kernel."""
    begin = time.monotonic()

    def long(watch: Watch) -> str:
        while time.monotonic() - begin < 20:
            watch.advance(0.5)
            time.sleep(0.01)
        return "never told to stop"

    def reason() -> str:
        return "time limit" if time.monotonic() - begin > 0.3 else ""

    events: list[tuple[str, str, str]] = []
    outcome = run_all(
        {"quick": lambda watch: 1, "long": long, "late": lambda watch: 3},
        threads=1,
        stage="jobs",
        report=silent,
        stop_reason=reason,
        tell=lambda *event: events.append(event),
    )
    assert time.monotonic() - begin < 2
    assert (outcome.results, outcome.interrupted, outcome.reason) == ({"quick": 1}, True, "time limit")
    assert events == [
        ("started", "quick", ""),
        ("finished", "quick", ""),
        ("started", "long", ""),
        ("stopped", "long", ""),
    ]


def test_an_interrupt_stops_running_jobs_at_their_next_report_and_keeps_finished_ones(monkeypatch):
    """Ctrl-C arrives while one job is done, one runs and one waits."""
    stopped, real_wait = threading.Event(), schedule.wait
    calls: list[int] = []

    def slow(watch: Watch) -> str:
        try:
            while True:
                watch.advance(0.5)
        except StoppedError:
            stopped.set()
            raise

    def interrupting_wait(running, **options):
        calls.append(len(calls))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real_wait(running, **options)

    monkeypatch.setattr(schedule, "wait", interrupting_wait)
    jobs = {"quick": lambda watch: "done", "slow": slow, "late": lambda watch: "done"}
    outcome = run_all(jobs, threads=1, stage="jobs", report=silent)
    assert outcome.interrupted
    assert stopped.is_set()
    assert outcome.results == {"quick": "done"}
    assert outcome.failures == {}


def test_ctrl_c_again_and_again_changes_nothing():
    """Real signals: the first one stops the jobs, the others come while the pool waits for the one that still runs."""
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)

    def stubborn(watch: Watch) -> str:
        deadline = time.monotonic() + 20
        time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)
        try:
            while time.monotonic() < deadline:
                watch.advance(0.5)
                time.sleep(0.001)
        except StoppedError:
            for _ in range(3):
                time.sleep(0.05)
                os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.05)
            return "finished all the same"
        return "never told to stop"

    try:
        jobs = {"quick": lambda watch: "done", "stubborn": stubborn, "late": lambda watch: "done"}
        outcome = run_all(jobs, threads=1, stage="jobs", report=silent)
    finally:
        signal.signal(signal.SIGINT, previous)
    assert outcome.interrupted
    assert outcome.results == {"quick": "done", "stubborn": "finished all the same"}
    assert outcome.failures == {}


def test_progress_never_falls_and_ends_at_one():
    seen: list[float] = []

    def report(stage: str, fraction: float, detail: str = "") -> None:
        seen.append(fraction)

    def job(watch: Watch) -> None:
        for step in range(5):
            watch.advance(step / 5)
            time.sleep(0.02)

    run_all({str(i): job for i in range(4)}, threads=1, stage="jobs", report=report)
    assert seen[0] == 0.0
    assert seen[-1] == 1.0
    assert seen == sorted(seen)
    assert len(set(seen)) > 2
