"""What is said while a run goes on: bars, lines, and the log of events that other programs read."""

import io
import json
import time
from pathlib import Path

import pytest
from rich.console import Console

from runs import events, progress
from runs.events import EventLog, events_file, read_events
from runs.progress import TaskLines, duration, silent


@pytest.fixture
def clock(monkeypatch) -> list[float]:
    """Seconds that have passed, to be set."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def piped() -> Console:
    return Console(file=io.StringIO(), width=100)


def lines(console: Console) -> list[str]:
    return console.file.getvalue().splitlines()


def test_a_pipe_gets_a_line_a_minute_and_nothing_for_what_is_over_at_once(clock):
    """A stage of 1 s says nothing; one of 130 s speaks at 60 and 120 s with the time left, and at its end."""
    console = piped()
    with progress.reporter(console) as report:
        report("quick", 0.0)
        clock[0] = 1.0
        report("quick", 1.0)
        for second in range(131):
            clock[0] = 1.0 + second
            report("slow", second / 130)
    assert lines(console) == [
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


def test_quiet_shows_nothing(clock):
    console = piped()
    with progress.reporter(console, quiet=True) as report:
        for second in range(200):
            clock[0] = second
            report("slow", second / 200)
    assert lines(console) == []


HISTORY = [
    (0, "started", "a"),
    (0, "started", "b"),
    (60, "checkpoint", "a"),
    (90, "finished", "a"),
    (95, "failed", "b"),
]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ["a finished after 1 min 30 s", "b failed after 1 min 35 s: disk full"]),
        ({"quiet": True}, ["b failed after 1 min 35 s: disk full"]),
        (
            {"verbose": True, "name": "rank 3"},
            [
                "a started (rank 3)",
                "b started (rank 3)",
                "a kept its state (rank 3)",
                "a finished after 1 min 30 s (rank 3)",
                "b failed after 1 min 35 s: disk full (rank 3)",
            ],
        ),
    ],
)
def test_a_batch_log_has_a_line_for_each_task(clock, options, expected):
    console = piped()
    tell = TaskLines(console, **options)
    for second, event, task in HISTORY:
        clock[0] = second
        tell(event, task, "disk full" if event == "failed" else "")
    assert lines(console) == expected


def test_a_terminal_with_bars_has_lines_for_failures_only(clock):
    console = Console(file=io.StringIO(), width=100, force_terminal=True, color_system=None)
    tell = TaskLines(console)
    for second, event, task in HISTORY:
        clock[0] = second
        tell(event, task)
    assert lines(console) == ["b failed after 1 min 35 s"]


def test_very_short_tasks_share_a_line(clock):
    """Ten tasks a second for 2.5 s: a line at once and one a second later, which counts the others."""
    console = piped()
    tell = TaskLines(console)
    for number in range(25):
        clock[0] = number / 10
        tell("finished", f"t{number}")
    tell("failed", "t25", "disk full")
    clock[0] = 3.5
    tell("finished", "t26")
    assert lines(console) == [
        "t0 finished",
        "t10 finished, and 9 before it",
        "t20 finished, and 9 before it",
        "t25 failed: disk full",
        "t26 finished, and 4 before it",
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(12.4, "12 s"), (185, "3 min 5 s"), (7800, "2 h 10 min"), (172800 + 3 * 3600, "2 d 3 h"), (0.2, "0 s")],
)
def test_times_are_written_as_a_user_reads_them(seconds, text):
    assert duration(seconds) == text


def test_every_event_is_a_line_of_json_that_is_there_at_once(tmp_path):
    """Also read while the log is open; each rank has a file of its own, and reading puts them together by time."""
    with EventLog(tmp_path) as first, EventLog(tmp_path, rank=3) as other:
        first.begin(ranks=4, threads=2)
        other("started", "x0.5_T300K_r00")
        first("failed", "x1_T300K_r00", "Å: disk full\u2028\n2nd line")
        found = read_events(tmp_path)
    assert [(event.name, event.rank, event.task) for event in found] == [
        ("run", 0, ""),
        ("started", 3, "x0.5_T300K_r00"),
        ("failed", 0, "x1_T300K_r00"),
    ]
    assert found[0].values["ranks"] == 4
    assert found[2].values["reason"] == "Å: disk full\u2028\n2nd line"
    assert abs(found[0].time - time.time()) < 60
    assert {path.name for path in tmp_path.iterdir()} == {"events.jsonl", "events.rank03.jsonl"}
    for line in events_file(tmp_path).read_text(encoding="utf-8").rstrip("\n").split("\n"):
        assert {"time", "event", "rank", "host"} <= json.loads(line).keys()


def test_a_finished_task_has_its_time(tmp_path, clock):
    with EventLog(tmp_path) as log:
        log("started", "a")
        clock[0] = 2.5
        log("checkpoint", "a", fraction=0.25)
        clock[0] = 7.0
        log("finished", "a")
    found = {event.name: event.values for event in read_events(tmp_path)}
    assert found["finished"]["seconds"] == 7.0
    assert found["checkpoint"]["fraction"] == 0.25


def test_a_line_that_a_kill_has_torn_spoils_no_other(tmp_path):
    with EventLog(tmp_path) as log:
        log("run")
    with events_file(tmp_path).open("a") as file:
        file.write('{"time": "2026-01-01T00:00:00Z", "event": "fini')
    with EventLog(tmp_path) as log:
        log("end", status=0)
    assert [event.name for event in read_events(tmp_path)] == ["run", "end"]


@pytest.mark.parametrize(
    "line", ["{}", "[]", "3", '{"time": 4, "event": "x", "rank": 0}', '{"time": "no", "event": "x", "rank": 0}']
)
def test_lines_of_other_programs_are_left_out(tmp_path, line):
    events_file(tmp_path).write_text(line + "\n")
    assert read_events(tmp_path) == []


def test_a_log_that_cannot_be_written_ends_and_says_why(tmp_path, monkeypatch):
    """Logging is no reason to lose a run on a full disk."""
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    monkeypatch.setattr(events, "events_file", lambda folder, rank: full)
    with EventLog(tmp_path) as log:
        log("run")
        log("started", "a")
    assert log.fault == "No space left on device"


def test_a_folder_that_is_not_there_has_no_log(tmp_path):
    with EventLog(tmp_path / "nowhere") as log:
        log("run")
    assert log.fault == "No such file or directory"
    assert read_events(tmp_path / "nowhere") == []


def test_progress_is_logged_now_and_then(tmp_path, clock):
    """A stage of 35 s in steps of 1 s: at its begin, every 10 s and at its end; the screen gets every step."""
    shown = []
    with EventLog(tmp_path) as log:
        report = log.following(lambda stage, fraction, detail="": shown.append(fraction))
        for second in range(36):
            clock[0] = second
            report("jobs", second / 35)
    assert len(shown) == 36
    assert [event.values["fraction"] for event in read_events(tmp_path)] == pytest.approx(
        [0, 10 / 35, 20 / 35, 30 / 35, 1.0], abs=1e-6
    )


def test_silence(capsys):
    silent("stage", 0.5, "detail")
    assert capsys.readouterr().out == ""
