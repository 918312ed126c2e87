"""A task that is stopped anywhere goes on from its checkpoint to the same bits."""

import threading
from dataclasses import replace

import h5py
import pytest
from small_run import digests, write_small_run

import kmc.simulation
from kmc.trajectory import read_checkpoint, read_provenance
from runs import task
from runs.checkpoint import Checkpoints
from runs.deck_file import read_deck
from runs.folder import ResultsFolder
from runs.job import build_lattice
from runs.model import build_model
from runs.schedule import HaltError, StoppedError, Watch
from structures.hdf5 import seal

UNTIL = 3e-7  # s, some thousand hops


@pytest.fixture(scope="module")
def calculation(tmp_path_factory):
    """Tasks and what they share."""
    path = write_small_run(tmp_path_factory.mktemp("deck"), ("plots = false", "plots = false\nframes_every = 7"))
    model = build_model(read_deck(path), lambda *given: None)
    return model.tasks, task.Setting(model.file, build_lattice(model, 1), model.network.content_hash)


@pytest.fixture
def short_kernels(monkeypatch):
    """Kernels of 50 moves."""
    monkeypatch.setattr("kmc.simulation._Pace.moves", lambda self: 50)


def workplace_in(folder):
    """Give a workplace in a new folder, and the remarks and checkpoints that it will hear of."""
    said, kept = [], []
    results = ResultsFolder(folder)
    results.tasks.mkdir(parents=True)
    return task.Workplace(results, said.append, lambda key, fraction: kept.append(fraction)), said, kept


def run(calculation, workplace, stop_at=None, number=1):
    """Run one task, and stop it when it is so far."""
    tasks, setting = calculation
    stop = threading.Event()

    def advance(fraction):
        if stop_at is not None and fraction >= stop_at:
            stop.set()

    return task.run_task(setting, tasks[number], UNTIL, workplace, Watch(stop, advance))


def test_a_task_stopped_again_and_again_gives_the_same_file(calculation, tmp_path, short_kernels):
    """Stopped during equilibration, whose moves leave nothing, then four times between two kernels of the run."""
    whole, *_ = workplace_in(tmp_path / "whole")
    run(calculation, whole)
    parts, said, kept = workplace_in(tmp_path / "parts")
    for number, stop_at in enumerate((0.001, 0.2, 0.3, 0.301, 0.9)):
        with pytest.raises(StoppedError):
            run(calculation, parts, stop_at)
        assert len(kept) == number
    assert kept == sorted(kept)
    assert 0 < kept[0]
    assert kept[-1] < 1
    path = run(calculation, parts)
    assert digests(tmp_path / "parts") == digests(tmp_path / "whole")
    assert not said
    found = read_provenance(path)
    assert (found["parts"], found["threads"]) == (5, 1)
    assert not list((tmp_path / "parts" / "checkpoints").iterdir())


def test_checkpoints_come_by_the_clock_on_the_wall(calculation, tmp_path, short_kernels, monkeypatch):
    """Every kernel seems to last four minutes: of 5-minute intervals one passes with every second kernel."""
    clock = [0.0]

    class Clock:
        monotonic = staticmethod(lambda: clock[0])

    advance = kmc.simulation.kernels.advance

    def slow(*given):
        clock[0] += 240.0
        return advance(*given)

    monkeypatch.setattr(kmc.simulation, "time", Clock)
    monkeypatch.setattr(kmc.simulation.kernels, "advance", slow)
    workplace, _, kept = workplace_in(tmp_path / "run")
    run(calculation, workplace)
    assert len(kept) == pytest.approx(clock[0] / 480.0, abs=1)
    assert len(kept) > 10


@pytest.fixture
def stopped(calculation, tmp_path, short_kernels):
    """A task with two checkpoints, the second one newer."""
    workplace, said, _ = workplace_in(tmp_path / "stopped")
    for stop_at in (0.3, 0.6):
        with pytest.raises(StoppedError):
            run(calculation, workplace, stop_at)
    label = calculation[1].label(calculation[0][1])
    return Checkpoints(tmp_path / "stopped" / "checkpoints", label, said.append), workplace, said


def test_the_newer_of_two_checkpoints_counts_and_the_older_one_is_replaced(calculation, stopped):
    """What the clock of the machine said when they were written does not matter."""
    checkpoints, workplace, said = stopped
    older, newer = (read_checkpoint(path) for path in checkpoints.files)
    assert older.fraction < newer.fraction
    assert checkpoints.newest().fraction == newer.fraction
    with pytest.raises(StoppedError):
        run(calculation, workplace, 0.9)
    third, second = (read_checkpoint(path) for path in checkpoints.files)
    assert second.fraction == newer.fraction < third.fraction
    assert not said


def test_the_files_are_written_in_turn(stopped):
    """Each leaves the one before as it was."""
    checkpoints = stopped[0]
    checkpoint = checkpoints.newest()
    for seconds, path in zip((1.0, 2.0, 3.0, 4.0), (*checkpoints.files, *checkpoints.files), strict=True):
        other = next(file for file in checkpoints.files if file != path)
        before = other.read_bytes()
        checkpoints.keep(replace(checkpoint, seconds=seconds))
        assert read_checkpoint(path).seconds == seconds
        assert other.read_bytes() == before


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "other task", "other settings", "of nothing"])
def test_what_is_damaged_is_set_aside_and_the_older_one_goes_on(calculation, stopped, tmp_path, damage):
    checkpoints, workplace, said = stopped
    newer = checkpoints.files[1]
    content = newer.read_bytes()
    if damage.startswith("other"):
        with h5py.File(newer, "r+") as file:
            file.attrs["task" if damage == "other task" else "settings"] = "x"
        seal(newer)
    else:
        middle = len(content) // 2
        newer.write_bytes({
            "cut": content[:middle],
            "flipped": content[:middle] + bytes([content[middle] ^ 16]) + content[middle + 1 :],
            "empty": b"",
            "of nothing": bytes(len(content)),
        }[damage])  # fmt: skip
    assert checkpoints.newest().fraction == read_checkpoint(checkpoints.files[0]).fraction
    assert len(said) == 1
    assert said[0].startswith(f"{newer}: ")
    assert said[0].endswith(f"; set aside as {newer.name}.damaged, going on from the one before it")
    assert "\n" not in said[0]
    assert not newer.exists()
    whole, *_ = workplace_in(tmp_path / "whole")
    run(calculation, whole)
    run(calculation, workplace)
    assert digests(tmp_path / "stopped") == digests(tmp_path / "whole")


def test_where_no_checkpoint_is_left_the_task_begins_again(calculation, stopped, tmp_path):
    checkpoints, workplace, said = stopped
    for path in checkpoints.files:
        path.write_bytes(b"x")
    whole, *_ = workplace_in(tmp_path / "whole")
    run(calculation, whole)
    assert read_provenance(run(calculation, workplace))["parts"] == 1
    assert len(said) == 2
    assert digests(tmp_path / "stopped") == digests(tmp_path / "whole")


def test_a_checkpoint_of_another_simulated_time_is_left_out(calculation, stopped):
    _, workplace, said = stopped
    tasks, setting = calculation
    path = task.run_task(setting, tasks[1], UNTIL / 2, workplace, Watch(threading.Event(), lambda fraction: None))
    assert said == [f"{tasks[1].key}: its checkpoint is of other conditions and is left out"]
    assert read_provenance(path)["parts"] == 1


def test_a_checkpoint_that_cannot_be_written_halts_the_run_and_the_ones_before_stay(calculation, stopped, monkeypatch):
    """The disk is full; the newer checkpoint is not touched."""
    checkpoints, workplace, _ = stopped
    before = [path.read_bytes() for path in checkpoints.files]

    def full(path, checkpoint):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("kmc.trajectory.write_checkpoint", full)
    with pytest.raises(HaltError, match=r"checkpoints/.*\.h5: No space left on device"):
        run(calculation, workplace, 0.8)
    assert [path.read_bytes() for path in checkpoints.files] == before


def test_a_task_file_that_cannot_be_written_leaves_the_checkpoints(calculation, stopped, monkeypatch):
    checkpoints, workplace, _ = stopped

    def full(path, *given, **options):
        raise OSError(122, "Disk quota exceeded")

    monkeypatch.setattr(task, "write_task", full)
    with pytest.raises(HaltError, match=r"tasks/.*\.h5: Disk quota exceeded"):
        run(calculation, workplace)
    assert all(path.exists() for path in checkpoints.files)
