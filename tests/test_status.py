"""How far a run is, read from its folder alone while it goes on and afterwards."""

import json
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from small_run import write_small_run

from runs.cli import main
from runs.events import Event, EventLog, events_file
from runs.folder import ResultsFolder
from runs.status_job import last_call, read_status

KEYS = ("x0.5000_T300.00K_r00", "x1.0000_T300.00K_r00", "x0.5000_T300.00K_r01", "x1.0000_T300.00K_r01")


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """Folder of a run of four tasks that is done."""
    place = tmp_path_factory.mktemp("finished")
    deck = write_small_run(place)
    assert CliRunner().invoke(main, ["run", str(deck), "--output", str(place / "results"), "-q"]).exit_code == 0
    return place / "results"


@pytest.fixture
def folder(finished, tmp_path) -> Path:
    """A copy of it that may be changed."""
    return Path(shutil.copytree(finished, tmp_path / "results"))


def status(folder: Path, *options: str) -> Result:
    return CliRunner().invoke(main, ["status", str(folder), *options])


def contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in (folder, *folder.rglob("*"))
    }


def test_a_finished_run(finished):
    """All tasks and the conductivity with its interval; the folder is only read."""
    before = contents(finished)
    result = status(finished)
    assert result.exit_code == 0, result.output
    for words in (": all done", "4 of 4 tasks finished", "hops a second on each thread", "Conductivity with 95 %"):
        assert words in result.output
    assert "Conductivity" not in status(finished, "--brief").output
    assert contents(finished) == before
    found = read_status(finished)
    assert (found.finished, found.begun, found.failed, found.ended) == (KEYS, {}, {}, "ended with status 0")
    assert found.hops_per_second > 1000


def write_log(folder: Path, rank: int, *entries: tuple[float, str, dict]) -> None:
    """Write a log whose events are so many seconds old."""
    lines = []
    for age, name, values in entries:
        at = datetime.fromtimestamp(time.time() - age, UTC).isoformat()
        lines.append(json.dumps({"time": at, "event": name, "rank": rank, **values}))
    events_file(folder, rank).write_text("\n".join(lines) + "\n")


def test_a_run_that_goes_on(folder):
    """One task is under way on each of two ranks; half of all was done in 60 s."""
    for key in KEYS[2:]:
        (folder / "tasks" / f"{key}.h5").unlink()
    run, stage = {"ranks": 2, "threads": 1}, "tasks"
    write_log(
        folder, 0, (9000, "run", {"ranks": 9, "threads": 9}), (8000, "end", {"status": 0}), (100, "run", run),
        (90, "started", {"task": KEYS[2]}), (60, "progress", {"stage": stage, "fraction": 0.0}),
        (30, "progress", {"stage": stage, "fraction": 0.25}), (0, "progress", {"stage": stage, "fraction": 0.5}),
    )  # fmt: skip
    write_log(
        folder, 1, (99, "run", run), (80, "started", {"task": KEYS[3]}),
        (20, "checkpoint", {"task": KEYS[3], "fraction": 0.4}),
    )  # fmt: skip
    with ResultsFolder(folder).lock.held(print, print):
        before = contents(folder)
        found, shown = read_status(folder), status(folder)
        assert contents(folder) == before
    assert found.finished == KEYS[:2]
    assert found.begun == {KEYS[2]: 0.0, KEYS[3]: 0.4}
    assert (found.ranks, found.threads, found.stage, found.ended) == (2, 1, "tasks: 50 %", "")
    assert found.seconds_left == pytest.approx(60, abs=5)
    for words in ("running on 2 ranks of 1 thread, process", "2 of 4 tasks finished, 2 under way", f"{KEYS[3]}: 40 %"):
        assert words in shown.output
    assert "Conductivity with 95 %" in shown.output


def test_a_run_that_was_stopped_and_has_checkpoints(tmp_path):
    """A time limit that is over at once leaves no task; the same command is offered."""
    deck = write_small_run(tmp_path, ("events = 20_000", "events = 3_000_000"))
    options = ["--output", str(tmp_path / "results"), "--threads", "1", "--time-limit", "1.5s", "-q"]
    assert CliRunner().invoke(main, ["run", str(deck), *options]).exit_code == 0
    found = read_status(tmp_path / "results")
    assert found.ended == "time limit reached"
    assert found.holder == ""
    assert found.seconds_left is None
    shown = status(tmp_path / "results", "--brief").output
    assert "not running, time limit reached" in shown
    assert "the same command as before goes on from here" in shown
    assert f"{len(found.finished)} of 4 tasks finished" in shown
    for key, fraction in found.begun.items():
        assert 0 < fraction <= 1  # a task that has come to its end keeps its state before its file
        assert key in shown
    assert found.hops_per_second > 1000


def test_failures_have_their_reason_until_they_are_repeated(folder):
    (folder / "tasks" / f"{KEYS[1]}.h5").unlink()
    with EventLog(folder) as log:
        log.begin(ranks=1, threads=1)
        log("started", KEYS[1])
        log("failed", KEYS[1], "OSError: No space left on device")
    assert f"{KEYS[1]}: OSError: No space left" in status(folder, "--brief").output
    assert "3 of 4 tasks finished, 1 failed" in status(folder, "--brief").output
    with EventLog(folder) as log:
        log.begin(ranks=1, threads=1)
    assert read_status(folder).failed == {}
    assert "ended without a word" in status(folder, "--brief").output


def test_damaged_files_do_not_stop_it(folder):
    """They are left out of the results, and counted where they were set aside."""
    path = folder / "tasks" / f"{KEYS[0]}.h5"
    path.write_bytes(path.read_bytes()[:-100])
    (folder / "tasks" / f"{KEYS[1]}.h5").rename(folder / "tasks" / f"{KEYS[1]}.h5.damaged")
    result = status(folder)
    assert result.exit_code == 0, result.output
    assert "1 damaged files set aside" in result.output
    assert f"{KEYS[0]}.h5 left out" in result.output


@pytest.mark.parametrize(
    ("remove", "words"),
    [("deck.toml", "no deck.toml in it"), ("network.h5", "come to its first task"), ("", "no such folder")],
)
def test_what_is_no_run_is_refused(folder, remove, words):
    if remove:
        (folder / remove).unlink()
    else:
        shutil.rmtree(folder)
    result = status(folder)
    assert result.exit_code == 2
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_without_a_log_the_files_tell_it(folder):
    for path in folder.glob("events*"):
        path.unlink()
    found = read_status(folder)
    assert found.finished == KEYS
    assert (found.ranks, found.threads, found.ended) == (0, 0, "")


def test_a_clock_that_was_set_back_does_not_hide_the_last_call(folder):
    """The lines of one rank follow each other whatever their times."""
    write_log(folder, 0, (-1e6, "run", {"ranks": 9, "threads": 9}), (-1e6, "end", {"status": 1}),
              (100, "run", {"ranks": 1, "threads": 2}))  # fmt: skip
    found = read_status(folder)
    assert (found.ranks, found.threads, found.ended) == (1, 2, "")


def test_the_last_call_is_that_of_the_first_rank_and_of_those_that_began_with_it():
    """Three ranks two days ago, two since a minute; clocks of nodes differ by seconds."""

    def event(seconds: float, name: str, rank: int, task: str = "") -> Event:
        return Event(seconds, name, rank, task, {})

    day = 86400.0
    old = [event(rank * 0.1, "run", rank) for rank in range(3)] + [event(5, "started", 2, "a")]
    new = [event(2 * day - 3, "run", 1), event(2 * day - 1, "started", 1, "b"), event(2 * day, "run", 0)]
    assert last_call([*old, *new]) == tuple(new)
    assert last_call([]) == ()
