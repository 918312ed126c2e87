"""What clusters do to a run, and that the same command goes on to the same bits."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from small_run import digests, write_small_run

from lattice.network import PoreNetwork
from runs import task
from runs.cli import main
from runs.lock import FolderLock


def run(*arguments: str) -> Result:
    """Run the deck in the present folder."""
    return CliRunner().invoke(main, ["run", "deck.toml", "--threads", "1", *arguments])


@pytest.fixture(scope="module")
def complete(tmp_path_factory):
    """Deck, sites and a finished run in `results/deck`."""
    folder = tmp_path_factory.mktemp("complete")
    write_small_run(folder)
    with pytest.MonkeyPatch.context() as here:
        here.chdir(folder)
        result = run()
        assert result.exit_code == 0, result.output
    return folder


@pytest.fixture
def here(complete, tmp_path, monkeypatch):
    """A copy of it to damage, in the present folder; what it holds when nothing is damaged."""
    folder = shutil.copytree(complete, tmp_path / "here")
    monkeypatch.chdir(folder)
    return digests(folder / "results/deck")


RESULTS = Path("results/deck")


def refused(result: Result) -> list[str]:
    """Lines of a refusal."""
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    return result.stderr.splitlines()


def kill_runs(folder: Path, kills: int, events: str) -> dict[str, object]:
    """Kill runs so often in a process of its own and let them go on."""
    write_small_run(folder, ("20_000", events))
    environment = {**os.environ, "PYTHONPATH": ":".join(part for part in sys.path if part)}
    done = subprocess.run(
        [sys.executable, "-W", "error", Path(__file__).with_name("kill_runs.py"), "deck.toml", ".", str(kills), "1"],
        env=environment, cwd=folder, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_a_run_that_is_killed_goes_on_to_the_same_bits(tmp_path):
    found = kill_runs(tmp_path, 4, "20_000")
    assert found["identical"]
    assert found["left"] == []
    assert found["write"] + found["moment"] == 4


@pytest.mark.validation
def test_a_run_killed_fifty_times_goes_on_to_the_same_bits(tmp_path):
    """At random moments and in the middle of writes; some tasks went on from a checkpoint."""
    found = kill_runs(tmp_path, 50, "150_000")
    assert found["identical"]
    assert found["left"] == []
    assert found["write"] >= 15
    assert found["moment"] >= 15
    assert found["continued"] >= 10


@pytest.mark.parametrize("damage", ["bit", "cut", "empty", "zeros", "another task"])
def test_a_damaged_task_file_is_set_aside_and_computed_again(here, damage):
    paths = sorted((RESULTS / "tasks").glob("*.h5"))
    path, content = paths[1], bytearray(paths[1].read_bytes())
    if damage == "bit":
        content[len(content) // 3] ^= 4
    damaged = {"bit": bytes(content), "cut": content[: len(content) // 2], "empty": b"", "zeros": bytes(len(content)),
               "another task": paths[0].read_bytes()}[damage]  # fmt: skip
    path.write_bytes(damaged)
    result = run()
    assert result.exit_code == 0, result.output
    (line,) = (line for line in result.stderr.splitlines() if "set aside" in line)
    assert line.startswith(f"mofkmc: {path}: ")
    assert line.endswith(f"; set aside as {path.name}.damaged, the task is computed again")
    assert "results/deck: going on, 3 of 4 tasks are finished" in result.stderr
    assert digests(RESULTS) == here
    assert path.with_name(f"{path.name}.damaged").read_bytes() == damaged


@pytest.mark.parametrize("file", ["network.h5", "begun.json", "times.json", "summary.csv", "deck.toml"])
def test_flipped_bits_in_any_other_file_are_no_traceback_and_change_no_number(here, file):
    """One task is computed again after each; a deck that reads otherwise now is refused."""
    path, rng = RESULTS / file, np.random.default_rng(len(file))
    whole = path.read_bytes()
    for _ in range(4):
        content = np.frombuffer(whole, np.uint8).copy()
        content[rng.integers(len(content))] ^= 1 << int(rng.integers(8))
        path.write_bytes(content.tobytes())
        gone = sorted((RESULTS / "tasks").glob("*.h5"))[0]
        gone.unlink()
        result = run()
        assert "Traceback" not in result.output
        assert result.exit_code == 0 or (file in ("deck.toml", "begun.json") and result.exit_code == 2), result.output
        path.write_bytes(whole)
        assert run().exit_code == 0
        assert digests(RESULTS) == here


def test_a_damaged_network_is_built_again_and_said(here):
    """The checksum of its bytes tells."""
    path = RESULTS / "network.h5"
    path.write_bytes(path.read_bytes()[:-100])
    result = run()
    assert result.exit_code == 0
    (line,) = (line for line in result.stderr.splitlines() if "network" in line)
    assert line.startswith(f"mofkmc: {path}: must end in its checksum")
    assert line.endswith("; the network is built again")
    assert digests(RESULTS) == here
    assert PoreNetwork.load(path).n_sites > 0


def test_files_from_the_future_are_as_good(here, monkeypatch):
    """The clock was set back by years after they were written; a lock among them."""
    (RESULTS / "run.lock").write_text("{")
    for path in RESULTS.rglob("*"):
        os.utime(path, (4e9, 4e9))
    sorted((RESULTS / "tasks").glob("*.h5"))[2].unlink()
    assert run().exit_code == 0
    assert digests(RESULTS) == here
    assert not (RESULTS / "run.lock").exists()


def test_the_second_run_in_a_folder_is_refused_and_names_the_first(here):
    held = FolderLock(RESULTS).held(print, print)
    with held:
        for options in ([], ["--force"]):
            (line,) = refused(run(*options))
            assert f"found process {os.getpid()} on " in line
    assert digests(RESULTS) == here


def test_a_run_taken_over_stops(here, monkeypatch):
    """Somebody removed the lock of a run that stood still."""
    monkeypatch.setattr("runs.lock._HEARTBEAT_SECONDS", 0.01)
    real_write = task.write_task

    def write(path, *given, **options):
        real_write(path, *given, **options)
        (RESULTS / "run.lock").unlink(missing_ok=True)
        time.sleep(0.6)

    monkeypatch.setattr(task, "write_task", write)
    for path in (RESULTS / "tasks").glob("*.h5"):
        path.unlink()
    result = run()
    assert result.exit_code == 0
    assert f"mofkmc: {RESULTS}/run.lock was removed; 1 task is finished" in result.stderr
    monkeypatch.setattr(task, "write_task", real_write)
    assert run().exit_code == 0
    assert digests(RESULTS) == here


def test_a_changed_deck_is_refused_and_a_fork_takes_over_what_is_the_same(here):
    """One loading is added and one left out: half of the tasks are the same."""
    write_small_run(Path(), ("[0.5, 1]", "[0, 0.5]"))
    assert refused(run()) == [
        "mofkmc: results/deck: expected what its calculation was begun with, found a change",
        "mofkmc:   [scan] exchange_fractions: [0.5, 1.0] before, [0.0, 0.5] now",
        "mofkmc: give --fork DIR to begin another folder with what is the same taken over, --output DIR, or --force to "
        "replace the results",
    ]
    result = run("--fork", "fork")
    assert result.exit_code == 0, result.output
    assert "mofkmc: fork: 2 of 4 tasks taken over from results/deck" in result.stderr
    fork = digests(Path("fork"))
    assert len(fork) == 4
    assert {key: value for key, value in fork.items() if key in here} == {
        key: value for key, value in here.items() if "x0.5" in key
    }
    assert digests(RESULTS) == here
    assert run("--output", "afresh").exit_code == 0
    assert digests(Path("afresh"), deck=False) == digests(Path("fork"), deck=False)
    assert run("--fork", "fork").exit_code == 0, "the same command again"


def test_a_fork_takes_over_nothing_that_has_another_number(here):
    write_small_run(Path(), ("events = 20_000", "events = 21_000"))
    result = run("--fork", "fork")
    assert result.exit_code == 0, result.output
    assert "mofkmc: fork: 0 of 4 tasks taken over from results/deck" in result.stderr
    assert not set(digests(Path("fork")).values()) & set(here.values())


def test_an_extension_computes_nothing_again(here):
    """The files that are there are not touched; with the new ones they are those of a larger deck."""
    before = {path: path.stat().st_mtime_ns for path in (RESULTS / "tasks").glob("*.h5")}
    result = run("--extend", "replicas=4")
    assert result.exit_code == 0, result.output
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert len(digests(RESULTS)) == 8
    again = run()
    assert again.exit_code == 0
    assert "results/deck: going on, 8 of 8 tasks are finished" in again.stderr
    write_small_run(Path(), ("replicas = 2", "replicas = 4"))
    assert run("--output", "larger").exit_code == 0
    assert digests(Path("larger"), deck=False) == digests(RESULTS, deck=False)
    assert run().exit_code == 0, "the deck that the folder was extended to"


def test_a_time_limit_keeps_the_state_of_running_tasks(here):
    """Three hundred times the hops, stopped after a second again and again, are the same bits as in one go."""
    write_small_run(Path(), ("20_000", "6_000_000"), ("[0.5, 1]", "[1]"))
    assert run("--output", "whole").exit_code == 0
    stops = 0
    while "time limit reached" in (result := run("--output", "parts", "--time-limit", "0:00:01")).stderr:
        assert result.exit_code == 0
        assert "resume with the same command" in result.stderr
        stops += 1
        assert stops < 100
    assert result.exit_code == 0, result.output
    assert stops > 0
    assert digests(Path("parts")) == digests(Path("whole"))


def test_a_signal_while_nothing_is_there_yet_ends_the_program(tmp_path, monkeypatch):
    """SIGTERM while the network is built: status 0, the same command begins."""
    monkeypatch.chdir(tmp_path)
    write_small_run(tmp_path)

    def build(*given, **options):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(10)

    monkeypatch.setattr("runs.job.build_model", build)
    result = run()
    assert result.exit_code == 0
    assert result.stderr == "mofkmc: stopped by SIGTERM; no task has begun: resume with the same command\n"
    assert not Path("results").exists()


@pytest.fixture
def small_disk(tmp_path):
    """A file system of its own, and how to change its size."""
    place = tmp_path / "disk"
    place.mkdir()

    def resize(options: str) -> bool:
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], capture_output=True)
        return done.returncode == 0

    if os.geteuid() != 0 or not resize("size=64k"):
        pytest.skip("only the administrator mounts file systems")
    try:
        yield place, resize
    finally:
        subprocess.run(["umount", place], check=True)


def test_a_disk_that_is_full_at_any_moment_ends_the_run_in_a_line_and_it_goes_on_with_more_room(here, small_disk):
    """The disk grows by 16 kB at a time, until all fits: every file of the run meets the end of the disk once."""
    place, resize = small_disk
    results, refusals = place / "results", 0
    for size in range(16, 1000, 16):
        assert resize(f"remount,size={size}k")
        result = run("--output", str(results))
        assert "Traceback" not in result.output
        if result.exit_code == 0:
            break
        refusals += 1
        assert result.exit_code in (1, 2), result.output
        assert "No space left on device" in result.stderr
        assert not list(place.rglob("*.part"))
    assert refusals > 3
    assert digests(results) == here


def test_a_read_only_file_system_is_refused_in_a_line(here, small_disk):
    place, resize = small_disk
    assert resize("remount,size=10m")
    assert run("--output", str(place / "results")).exit_code == 0
    assert resize("remount,ro")
    (line,) = refused(run("--output", str(place / "results")))
    assert line == (
        f"mofkmc: {place}/results: expected a folder that can be written, found: Read-only file system "
        f"({place}/results)"
    )
    resize("remount,rw")
