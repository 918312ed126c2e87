"""Tasks, their keys, their random streams, and the threads that run them."""

import io
import os
import signal
import threading
import time

import numpy as np
import pytest
from rich.console import Console

from runs import progress
from runs.composition import Loading
from runs.deck import Scan
from runs.plan import plan_conditions, plan_tasks
from runs.schedule import StoppedError, Watch, run_all
from runs.seeds import stream
from structures.errors import InputError

SCAN = Scan.model_validate({"exchange_fractions": (0.0, 0.5), "temperatures_C": (25.0, -40.0), "replicas": 3})


def loading(x: float) -> Loading:
    return Loading("x", x, (x,), {"Li+": 1}, (), {})


def test_every_combination_is_one_task_with_a_readable_key():
    """2 loadings × 2 temperatures × 3 replicas; the first replica of everything comes before any second one."""
    tasks = plan_tasks(plan_conditions([loading(0.0), loading(0.5)], SCAN), SCAN.replicas)
    keys = [task.key for task in tasks]
    assert len(set(keys)) == len(keys) == 12
    assert keys[0] == "x0.0000_T233.15K_r00"
    assert "x0.5000_T298.15K_r02" in keys
    assert [task.replica for task in tasks] == [0] * 4 + [1] * 4 + [2] * 4


def test_two_tasks_of_one_name_are_refused():
    """Their files and their random numbers would be the same."""
    with pytest.raises(InputError, match=r"found 2 tasks named x0\.5000_T233\.15K"):
        plan_conditions([loading(0.5), loading(0.50001)], SCAN)


def test_a_stream_depends_on_seed_and_key_alone():
    first = stream(1, "x0.5000_T298.15K_r00").random(4)
    assert (first == stream(1, "x0.5000_T298.15K_r00").random(4)).all()
    others = [stream(2, "x0.5000_T298.15K_r00"), stream(1, "x0.5000_T298.15K_r01"), stream(1, "")]
    assert all((first != other.random(4)).all() for other in others)


def test_streams_are_not_correlated():
    """Means of 100 streams scatter like 1/sqrt(12 n): z of the grand mean and χ² of the single ones."""
    n, streams = 1000, 100
    means = np.array([stream(7, f"task {i}").random(n).mean() for i in range(streams)])
    z = (means - 0.5) * np.sqrt(12 * n)
    assert abs(z.sum() / np.sqrt(streams)) < 4
    assert abs((z**2).sum() - streams) < 4 * np.sqrt(2 * streams)


def silent(stage: str, fraction: float) -> None:
    """Show nothing."""


@pytest.mark.parametrize("threads", [1, 2, 7])
def test_results_come_in_the_order_of_the_jobs(threads):
    jobs = {f"job {i}": (lambda watch, i=i: i * i) for i in range(20)}
    outcome = run_all(jobs, threads=threads, stage="squares", report=silent)
    assert list(outcome.results.items()) == [(f"job {i}", i * i) for i in range(20)]
    assert outcome.failures == {}
    assert not outcome.interrupted


def test_a_job_that_fails_is_recorded_and_the_others_go_on():
    def fail(watch: Watch) -> int:
        raise OSError("disk full\nsecond line")

    jobs = {"a": lambda watch: 1, "b": fail, "c": lambda watch: 3}
    outcome = run_all(jobs, threads=1, stage="jobs", report=silent)
    assert outcome.results == {"a": 1, "c": 3}
    assert outcome.failures == {"b": "OSError: disk full"}


def test_an_interrupt_stops_running_jobs_at_their_next_report_and_keeps_finished_ones(monkeypatch):
    """Ctrl-C arrives while one job is done, one runs and one waits."""
    running, stopped = threading.Event(), threading.Event()

    def quick(watch: Watch) -> str:
        return "done"

    def slow(watch: Watch) -> str:
        running.set()
        try:
            while True:
                watch.advance(0.5)
        except StoppedError:
            stopped.set()
            raise

    def interrupting_wait(pending, **options):
        running.wait(10)
        raise KeyboardInterrupt

    monkeypatch.setattr("runs.schedule.wait", interrupting_wait)
    outcome = run_all({"quick": quick, "slow": slow, "late": quick}, threads=1, stage="jobs", report=silent)
    assert outcome.interrupted
    assert stopped.is_set()
    assert outcome.results == {"quick": "done"}
    assert outcome.failures == {}


def test_ctrl_c_again_and_again_changes_nothing(monkeypatch):
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


def test_a_pipe_gets_a_line_a_minute_and_nothing_for_what_is_over_at_once(monkeypatch):
    """A stage of 1 s says nothing; one of 130 s speaks at 60 and 120 s with the time left, and at its end."""
    clock = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    console = Console(file=io.StringIO(), width=100)
    with progress.reporter(console) as report:
        report("quick", 0.0)
        clock[0] = 1.0
        report("quick", 1.0)
        for second in range(131):
            clock[0] = 1.0 + second
            report("slow", second / 130)
    assert console.file.getvalue().splitlines() == [
        "slow: 46 %, about 1 min 10 s left",
        "slow: 92 %, about 10 s left",
        "slow: done in 2 min 10 s",
    ]


def test_a_terminal_gets_bars(monkeypatch):
    monkeypatch.setattr(progress, "QUIET_SECONDS", 0.0)
    console = Console(file=io.StringIO(), width=100, force_terminal=True)
    with progress.reporter(console) as report:
        report("Pore network", 0.2, "potential")
        time.sleep(0.05)
        report("Pore network", 0.5, "saddles")
        time.sleep(0.15)
    assert "Pore network: saddles" in console.file.getvalue()
    assert "50 %" in console.file.getvalue()


def test_progress_never_falls_and_ends_at_one():
    seen: list[float] = []
    lock = threading.Lock()

    def report(stage: str, fraction: float) -> None:
        with lock:
            seen.append(fraction)

    def job(watch: Watch) -> None:
        for step in range(5):
            watch.advance(step / 5)

    run_all({str(i): job for i in range(4)}, threads=1, stage="jobs", report=report)
    assert seen[0] == 0.0
    assert seen[-1] == 1.0
    assert seen == sorted(seen)
