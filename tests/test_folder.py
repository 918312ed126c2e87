"""A results folder is begun, continued, refused, forked or extended; one process at a time works in it."""

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from threading import Barrier, Timer

import pytest
from small_run import SMALL_DECK, write_small_run

from runs import lock
from runs.deck_changes import is_part_of, settings_checksum
from runs.deck_extension import extended
from runs.deck_file import read_deck
from runs.folder import ResultsFolder
from runs.lock import FolderLock
from structures.errors import InputError


@pytest.fixture
def begun(tmp_path, monkeypatch):
    """A folder with a calculation in it, and its deck."""
    monkeypatch.chdir(tmp_path)
    file = read_deck(write_small_run(tmp_path))
    folder = ResultsFolder(Path("results"))
    folder.begin(folder.decide(file), "abc")
    return folder, file


def changed_deck(*changes):
    return read_deck(write_small_run(Path(), *changes))


def nothing(text):
    """Hear nothing."""


def test_a_new_folder_is_begun_and_the_same_deck_continues_it(begun):
    folder, file = begun
    folder.check(nothing)
    found = folder.decide(file)
    assert (found.file, found.continued, found.extended) == (file, True, ())
    assert not ResultsFolder(Path("other")).decide(file).continued
    assert not ResultsFolder(Path("results"), force=True).decide(file).continued
    folder.begin(found, "abc")
    assert folder.deck.read_text().endswith(file.text)


@pytest.mark.parametrize(
    "changes",
    [
        [("[kmc]", "# a remark\n[kmc]  ")],
        [("events = 20_000", "events = 2e4")],
        [("samples = 100", "samples = 100\nseparation_kT = 5"), ("\nseparation_kT = 5", "")],
        [("[scan]", "[scan]\nseed = 1")],
        [("plots = false", "plots = true")],
        [("plots = false", "plots = false\ncheckpoint_minutes = 1")],
    ],
)
def test_what_changes_no_number_is_no_change(begun, changes):
    """Remarks, spaces, how a number is written, a default spelt out, plots and the time between checkpoints."""
    folder, file = begun
    new = changed_deck(*changes)
    assert settings_checksum(new.deck) == settings_checksum(file.deck)
    assert folder.decide(new).continued


def test_a_deck_that_has_changed_is_refused_with_every_difference(begun):
    """The folder stays as it was; what an extension could do is offered only where it could."""
    folder, _ = begun
    before = folder.deck.read_bytes()
    new = changed_deck(("20_000", "40_000"), ("[300]", "[300, 350]"), ("repeats = [2", "repeats = [3"))
    with pytest.raises(InputError) as caught:
        folder.decide(new)
    assert str(caught.value).splitlines() == [
        "results: expected what its calculation was begun with, found a change",
        "  [lattice] repeats: [2, 2, 2] before, [3, 2, 2] now",
        "  [kmc] events: 20000 before, 40000 now",
        "  [scan] temperatures_K: [300.0] before, [300.0, 350.0] now",
        "give --fork DIR to begin another folder with what is the same taken over, --output DIR, or --force to "
        "replace the results",
    ]
    assert folder.deck.read_bytes() == before
    with pytest.raises(InputError, match=r"(?s)replicas: 2 before, 3 now.*give --extend to add these tasks, --fork"):
        folder.decide(changed_deck(("replicas = 2", "replicas = 3")))
    with pytest.raises(InputError, match=r"replicas: 2 before, 3 now\n.*give --fork"):
        folder.decide(changed_deck(("replicas = 2", "replicas = 3"), ("[0.5, 1]", "[0.5]")))


def test_an_input_file_that_has_changed_is_refused(begun):
    folder, file = begun
    Path("sites.yaml").write_text(Path("sites.yaml").read_text() + "# another energy\n")
    with pytest.raises(InputError, match=r"\[structure\] sites: sha256 \w{12}\.\.\. before, \w{12}\.\.\. now"):
        folder.decide(file)


def test_a_network_that_has_changed_is_refused(begun):
    folder, file = begun
    with pytest.raises(InputError, match=r"pore network: sha256 abc\.\.\. before, abd\.\.\. now"):
        folder.begin(folder.decide(file), "abd")


def test_an_extended_folder_goes_on_with_and_without_the_option(begun):
    folder, file = begun
    larger = changed_deck(("replicas = 2", "replicas = 16"))
    assert is_part_of(file.deck, larger.deck)
    assert not is_part_of(larger.deck, file.deck)
    found = folder.decide(larger, {"replicas": (16,)})
    assert found.continued
    folder.begin(found, "abc")
    assert "replicas = 16" in folder.deck.read_text()
    for given, extend in ((file, ()), (larger, ()), (larger, ("replicas",))):
        found = folder.decide(given, extend)
        assert found.continued
        assert found.file.deck.scan.replicas == 16
        assert found.file.path == given.path
        assert found.file.text == larger.text
    with pytest.raises(InputError, match="exchange_fractions"):
        folder.decide(changed_deck(("[0.5, 1]", "[0.5]")))


def test_a_folder_is_extended_again_and_keeps_what_it_was_extended_by(begun):
    """Each call names only what is new, of the same key or of another one."""
    folder, file = begun
    for additions, replicas, fractions in (
        ({"replicas": (16,)}, 16, (0.5, 1)),
        ({"exchange_fractions": (0.25,)}, 16, (0.5, 1, 0.25)),
        ({"exchange_fractions": (0.75,)}, 16, (0.5, 1, 0.25, 0.75)),
        ({"replicas": (20,)}, 20, (0.5, 1, 0.25, 0.75)),
        ({"replicas": (3,)}, 20, (0.5, 1, 0.25, 0.75)),
    ):
        found = folder.decide(extended(file, additions), additions)
        assert found.continued
        assert found.file.deck.scan.replicas == replicas
        assert set(found.file.deck.scan.exchange_fractions) == set(fractions)
        folder.begin(found, "abc")
        assert folder.decide(file).file.deck.scan == found.file.deck.scan


@pytest.mark.parametrize(
    ("file", "content"),
    [("deck.toml", b"# A copy of the input deck, kept by mofkmc beside its results.\n[structure\n"),
     ("begun.json", b"{"), ("begun.json", b"[]"), ("times.json", b"\xff")],
)  # fmt: skip
def test_damaged_records_are_no_traceback(begun, file, content):
    """A deck that cannot be read is refused; the rest is made again."""
    folder, deck = begun
    (folder.path / file).write_bytes(content)
    if file == "deck.toml":
        with pytest.raises(InputError, match="found one that this version cannot read"):
            folder.decide(deck)
    else:
        folder.begin(folder.decide(deck), "abc")
        assert folder.read_times("s", "n") == {}


def test_times_come_back_to_the_last_bit_and_only_to_the_same_calculation(begun):
    folder, _ = begun
    times = {"a": 0.1 + 0.2, "b": 1e-300, "c": 3.0}
    folder.write_times(times, "s", "n")
    assert folder.read_times("s", "n") == times
    assert folder.read_times("s", "m") == folder.read_times("t", "n") == {}
    text = folder.times.read_text()
    folder.times.write_text(text.replace("0.30000000000000004", "0.30000000000000005").replace("3.0", "3.5"))
    assert folder.read_times("s", "n") == {}


def test_a_folder_that_is_not_ours_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    foreign = Path("foreign")
    foreign.mkdir()
    ResultsFolder(foreign).check(nothing)
    (foreign / "thesis.tex").write_text("mine")
    with pytest.raises(InputError, match="expected a new output folder, found one that is in use; give --force"):
        ResultsFolder(foreign).check(nothing)
    with pytest.raises(InputError, match="--force replaces only results of mofkmc"):
        ResultsFolder(foreign, force=True).check(nothing)
    (foreign / "deck.toml").write_text(SMALL_DECK)
    with pytest.raises(InputError, match="found one that is in use"):
        ResultsFolder(foreign).check(nothing)


def test_a_folder_that_cannot_be_written_is_refused_in_one_line():
    """Of the system, where even the administrator writes nothing."""
    if not Path("/proc/self").is_dir():
        pytest.skip("no file system that refuses every writer")
    with pytest.raises(InputError, match=r"^/proc/results: expected a folder that can be written, found: .* \(/proc"):
        ResultsFolder(Path("/proc/results")).check(nothing)


def test_forks_are_of_runs_and_into_other_folders(begun):
    folder, _ = begun
    ResultsFolder(Path("fork")).check_for_fork(folder)
    with pytest.raises(InputError, match="--fork: expected another folder than that of the run, found results"):
        ResultsFolder(Path("results")).check_for_fork(folder)
    with pytest.raises(InputError, match="--fork: expected the results of a run in nowhere, found none"):
        ResultsFolder(Path("fork")).check_for_fork(ResultsFolder(Path("nowhere")))


def test_what_a_kill_leaves_is_cleared_and_a_half_made_folder_is_new(begun):
    folder, file = begun
    for place in (folder.path, folder.tasks):
        (place / ".x.h5.host-1-2.part").write_bytes(b"half")
    folder.begin(folder.decide(file), "abc")
    assert not list(folder.path.rglob("*.part"))
    young = ResultsFolder(Path("young"))
    young.path.mkdir()
    (young.path / lock.LOCK).write_text("")
    (young.path / ".deck.toml.host-1-2.part").write_text("[struc")
    os.utime(young.path / lock.LOCK, (1, 1))
    young.check(nothing)
    assert not young.decide(file).continued


def test_a_replaced_calculation_leaves_nothing_behind(begun):
    """Tasks, checkpoints, logs and records of the earlier one; foreign files stay."""
    folder, _ = begun
    (folder.path / "checkpoints").mkdir()
    old = [folder.path / "checkpoints" / "x.h5", folder.task("x"), folder.tasks / "y.h5.damaged", folder.times,
           folder.path / "events.jsonl", folder.path / "events.rank01.jsonl", folder.path / "summary.csv"]  # fmt: skip
    for path in (*old, folder.path / "notes.txt"):
        path.write_text("old")
    new = changed_deck(("20_000", "40_000"))
    forced = replace(folder, force=True)
    forced.check(nothing)
    forced.begin(forced.decide(new), "abd")
    assert not [path for path in old if path.exists()]
    assert (folder.path / "notes.txt").read_text() == "old"
    assert folder.decide(new).continued


def holder(**changes):
    """Give this process as it would write itself into a lock, or another one."""
    return replace(lock._this_process(), **changes)


def write_lock(folder, found):
    folder.mkdir(exist_ok=True)
    path = folder / lock.LOCK
    new = folder / ".new"
    new.write_text(json.dumps(asdict(found)))
    return new.replace(path)


def take(folder):
    """Take the lock and give it back; return the remarks."""
    said = []
    with FolderLock(folder).held(said.append, nothing):
        assert FolderLock(folder).holder().pid == os.getpid()
    assert not list(folder.iterdir())
    return said


def test_the_second_of_two_processes_is_refused_and_names_the_first(tmp_path):
    code = "import sys; from pathlib import Path; from runs.lock import FolderLock\n"
    code += "with FolderLock(Path(sys.argv[1])).held(print, print): print('held', flush=True); sys.stdin.read()"
    environment = {**os.environ, "PYTHONPATH": ":".join(part for part in sys.path if part), "SLURM_JOB_ID": "4711"}
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          env=environment) as first:  # fmt: skip
        assert first.stdout.readline() == b"held\n"
        with pytest.raises(InputError, match=rf"found process {first.pid} on .*, job 4711, since .* at work"):
            take(tmp_path)
        with pytest.raises(InputError, match="expected a folder in which nothing else runs"):
            ResultsFolder(tmp_path).check(nothing)
        first.kill()
        first.wait()
        (said,) = take(tmp_path)
        assert f"process {first.pid} on" in said
        assert "ended without a word; going on from what it left" in said


@pytest.mark.parametrize(
    ("changes", "age", "is_held"),
    [
        ({}, 0, True),
        ({}, 1e6, True),  # this very process, however long its heart stood still
        ({"process_started": "1"}, 0, False),  # another one of the same number
        ({"pid": 2**22 + 1}, 0, False),
        ({"machine": "before the machine started again"}, 0, True),
        ({"machine": "before the machine started again"}, 600, False),
        ({"host": "elsewhere"}, 100, True),
        ({"host": "elsewhere"}, 301, False),
        ({"host": "elsewhere"}, -100, True),
        ({"host": "elsewhere"}, -3600, False),  # the clock went back, and no heartbeat came since
        ({"host": "elsewhere", "machine": ""}, 10, True),
    ],
)
def test_a_lock_is_held_by_a_living_process_or_by_its_heartbeat(tmp_path, monkeypatch, changes, age, is_held):
    """A process on another machine gives its next sign of life while one waits for it."""
    path = write_lock(tmp_path / "run", holder(**changes))
    moment = time.time() - age
    os.utime(path, (moment, moment))
    before = path.parent.stat().st_mtime_ns
    assert (FolderLock(path.parent).holder(look_only=True) is not None) == is_held
    assert path.parent.stat().st_mtime_ns == before, "something was written"
    if is_held:
        assert FolderLock(path.parent).holder() == holder(**changes, token=FolderLock(path.parent).holder().token)
        monkeypatch.setattr(lock.time, "sleep", lambda seconds: os.utime(path))
        with pytest.raises(InputError, match="at work"):
            take(path.parent)
        assert path.exists()
    else:
        assert FolderLock(path.parent).holder() is None
        assert len(take(path.parent)) == 1


@pytest.mark.parametrize("given_back", [False, True])
def test_a_job_that_is_started_again_elsewhere_waits_until_the_first_one_is_known_to_be_dead(
    tmp_path, monkeypatch, given_back
):
    """Its last heartbeat is ten seconds old: none follows, or the lock is given back after a while."""
    path = write_lock(tmp_path, holder(host="elsewhere"))
    os.utime(path, (time.time() - 10,) * 2)
    monkeypatch.setattr(lock, "_LOOK_SECONDS", 0.01)
    monkeypatch.setattr(lock, "_SILENT_SECONDS", 300 if given_back else 10.3)
    begin, said = time.monotonic(), []
    if given_back:
        Timer(0.2, path.unlink).start()
    FolderLock(tmp_path).refuse_other(said.append)
    assert time.monotonic() - begin >= 0.1
    (line,) = said
    assert "on elsewhere" in line
    assert "waiting up to" in line
    assert len(take(tmp_path)) == (not given_back)


@pytest.mark.parametrize("content", ["", "{", '{"host": "x"}', "[]"])
def test_a_lock_that_was_never_written_to_the_end_is_no_obstacle_for_long(tmp_path, content):
    path = tmp_path / lock.LOCK
    path.write_text(content)
    assert FolderLock(tmp_path).holder().host == "an unknown host"
    os.utime(path, (1, 1))
    assert take(tmp_path) == []


def test_the_heart_beats_and_notices_when_somebody_else_takes_over(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "_HEARTBEAT_SECONDS", 0.01)
    path, lost = tmp_path / lock.LOCK, []
    with FolderLock(tmp_path).held(nothing, lost.append):
        os.utime(path, (1, 1))
        for _ in range(500):
            time.sleep(0.01)
            if path.stat().st_mtime > 1:
                break
        assert path.stat().st_mtime > time.time() - 100
        assert not lost
        other = holder(host="elsewhere", token="another")
        write_lock(tmp_path, other)
        for _ in range(500):
            time.sleep(0.01)
            if lost:
                break
    assert lost == [f"{tmp_path} was taken over by {other}"]
    assert path.exists(), "the lock of the other one"


def test_of_many_who_find_a_stale_lock_one_takes_it(tmp_path):
    together, done = Barrier(8), Barrier(8)

    def attempt(number):
        together.wait()
        with ExitStack() as held:
            try:
                held.enter_context(FolderLock(tmp_path).held(nothing, nothing))
                won = True
            except InputError:
                won = False
            done.wait()
            return won

    for _ in range(20):
        write_lock(tmp_path, holder(pid=2**22 + 1))
        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(attempt, range(8))) == 1
        assert not list(tmp_path.iterdir())


def test_who_dies_while_taking_over_is_overtaken(tmp_path):
    """The lock of a dead process, that of a dead one who was about to replace it, and so on."""
    for number in range(3):
        write_lock(tmp_path, holder(pid=2**22 + 1, token="0"))
        for heir in range(number):
            text = json.dumps(asdict(holder(pid=2**22 + 2, token=str(heir + 1))))
            (tmp_path / f".run.lock.{heir}.part").write_text(text)
        assert len(take(tmp_path)) == 1
    write_lock(tmp_path, holder(pid=2**22 + 1, token="0"))
    (tmp_path / ".run.lock.0.part").write_text(json.dumps(asdict(holder())))
    with pytest.raises(InputError, match=f"process {os.getpid()} on .* at work"):
        take(tmp_path)
