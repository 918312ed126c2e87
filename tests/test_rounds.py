"""Rounds of a run: what the finished tasks ask for, the same whoever computes them and however often interrupted."""

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from small_run import digests, write_small_run
from synthetic import record
from test_mpi import mpirun

from analysis.point import transport_at
from runs import task
from runs.cli import main
from runs.composition import possible_loadings
from runs.deck_file import read_deck
from runs.model import build_model
from runs.rounds import Growth, Verdict, growth_of, judge, precision_lines, wanted_replicas
from runs.status_job import read_status

RESULTS = Path("results/deck")
ROUNDS = ("replicas = 2", "replicas = 2\nsigma_relative_error = 0.05\nmost_replicas = 7")
SHORT = ("events = 20_000", "events = 5_000")


def run(*arguments: str) -> Result:
    """Run the deck in the present folder."""
    return CliRunner().invoke(main, ["run", "deck.toml", "--threads", "1", *arguments])


@pytest.fixture(scope="module")
def complete(tmp_path_factory) -> Path:
    """Deck, sites and a finished run in `results/deck`: two conditions, of 2, 4 and 7 replicas in three rounds."""
    folder = tmp_path_factory.mktemp("rounds")
    write_small_run(folder, ROUNDS, SHORT)
    with pytest.MonkeyPatch.context() as here:
        here.chdir(folder)
        result = run()
        assert result.exit_code == 0, result.output
        assert result.stderr.count("more tasks: sigma is not yet known to 5 % at 2 of 2 loadings") == 2
        assert "7 replicas: there are to be 7 replicas at most" in " ".join(result.stdout.split())
    return folder


@pytest.fixture
def here(complete, tmp_path, monkeypatch) -> dict[str, str]:
    """A copy of it in the present folder; the checksums of its tasks."""
    folder = shutil.copytree(complete, tmp_path / "here")
    monkeypatch.chdir(folder)
    return digests(folder / "results/deck")


@pytest.mark.parametrize(
    ("replicas", "error", "most", "wanted"),
    [(4, 0.08, 100, 4), (4, 0.1, 100, 4), (10, 0.12, 100, 16), (4, 0.4, 100, 8), (4, 0.4, 6, 6), (4, math.inf, 100, 8),
     (6, 0.4, 6, 6), (8, 0.4, 6, 8)],
)  # fmt: skip
def test_an_error_falls_with_the_square_root_of_the_replicas(replicas, error, most, wanted):
    """10 replicas at 12 % need 10 × 1.44 for 10 %, a tenth more to be sure; no round more than doubles them."""
    assert (wanted_replicas(replicas, error, 0.1, most) if error > 0.1 else replicas) == wanted


def test_a_condition_is_judged_by_its_conductivity():
    """Of plain diffusion 600 samples in 8 replicas know sigma to better than 50 %, and 2 do not know it to 2 %."""
    records = [record(0.5, 300, k, ions={"Li+": (2, 1.0)}) for k in range(8)]
    good = judge(transport_at(records), 0.5, 100)
    assert (good.replicas, good.wanted, good.why) == (8, 8, "")
    assert 0.02 < good.error < 0.5
    two = transport_at(records[:2])
    assert (judge(two, 0.02, 100).wanted, judge(two, 0.02, 100).why) == (4, "")
    assert judge(two, 0.02, 2).why == "there are to be 2 replicas at most"
    assert not judge(two, None, 100).goes_on


def test_nothing_is_added_where_nothing_can_move():
    blocked = [record(0.5, 300, k, ions={"Li+": (2, 0.0)}) for k in range(2)]
    found = judge(transport_at(blocked), 0.1, 100)
    assert (found.wanted, found.why) == (2, "no hop is open in any replica")


def test_what_was_decided_is_kept_to_the_last_bit():
    growth = Growth({"a": 4}, (1 / 3,), {"a": Verdict(2, 0.1 + 0.2, 4), "b": Verdict(2, math.inf, 2, "why")})
    assert growth_of(json.loads(json.dumps(growth.record()))) == growth
    assert growth_of({}) == Growth()


def test_threads_change_nothing(here):
    two = CliRunner().invoke(main, ["run", "deck.toml", "--output", "two", "--threads", "2"])
    assert two.exit_code == 0, two.output
    assert len(here) == 14
    assert digests(Path("two")) == here
    for name in ("summary.csv", "rounds.json", "remarks.txt"):
        assert (Path("two") / name).read_bytes() == (RESULTS / name).read_bytes()


@pytest.mark.validation
def test_ranks_change_nothing(here):
    result = mpirun(2, "-m", "runs.cli", "run", "deck.toml", "--output", "ranks", "--threads", "1")
    assert result.returncode == 0, result.stderr
    assert result.stderr.count("more tasks") == 2
    assert digests(Path("ranks")) == here
    assert (Path("ranks") / "rounds.json").read_bytes() == (RESULTS / "rounds.json").read_bytes()


@pytest.mark.parametrize("after", [2, 13, *(pytest.param(n, marks=pytest.mark.validation) for n in (4, 5, 8, 14))])
def test_a_stop_in_any_round_goes_on_to_the_same_tasks(here, monkeypatch, after):
    """4 tasks are of the deck, 4 of the first round, 6 of the second; and the end of a round counts as in it."""
    real_write = task.write_task

    def write(path, *args, **options):
        real_write(path, *args, **options)
        if len(list(Path("again/tasks").glob("*.h5"))) == after:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.3)

    monkeypatch.setattr(task, "write_task", write)
    stopped = run("--output", "again")
    assert stopped.exit_code == 0, stopped.output
    assert len(list(Path("again/tasks").glob("*.h5"))) == after
    found = read_status(Path("again"))
    assert len(found.finished) == after
    assert len(found.planned) in ({4} if after < 4 else {4, 8} if after == 4 else {8} if after < 8 else {8, 14})
    monkeypatch.setattr(task, "write_task", real_write)
    again = run("--output", "again")
    assert again.exit_code == 0, again.output
    assert digests(Path("again")) == here
    assert (Path("again") / "rounds.json").read_bytes() == (RESULTS / "rounds.json").read_bytes()


@pytest.mark.parametrize("damage", ["gone", "bit", "foreign"])
def test_a_lost_record_of_the_rounds_is_made_again(here, damage):
    """And what of the tasks is lost is computed again, nothing else."""
    kept = (RESULTS / "rounds.json").read_text()
    if damage == "gone":
        (RESULTS / "rounds.json").unlink()
    else:
        (RESULTS / "rounds.json").write_text(kept.replace('": 7', '": 6') if damage == "bit" else '{"added": []}')
    lost = RESULTS / "tasks/x0.5000_T300.00K_r05.h5"
    lost.unlink()
    others = {path: path.stat().st_mtime_ns for path in (RESULTS / "tasks").glob("*.h5")}
    assert run().exit_code == 0
    assert digests(RESULTS) == here
    assert (RESULTS / "rounds.json").read_text() == kept
    assert {path: path.stat().st_mtime_ns for path in others} == others


@pytest.mark.validation
@pytest.mark.parametrize("kills", [3, 30])
def test_a_run_killed_in_its_rounds_goes_on_to_the_same_bits(tmp_path, kills):
    """With kill -9, while rounds add replicas, then loadings, beside tasks in a field."""
    lines = "replicas = 2\nsigma_relative_error = 0.05\nmost_replicas = 4\nrefine = true\nrefine_loadings = 2"
    write_small_run(
        tmp_path, ("repeats = [2, 2, 2]", "repeats = [3, 3, 2]"), ("[0.5, 1]", "[0, 0.5, 1]"), SHORT,
        ("replicas = 2", f"{lines}\nfields_V_per_cm = [1e5]"),
    )  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": ":".join(part for part in sys.path if part)}
    program = Path(__file__).with_name("kill_runs.py")
    done = subprocess.run(
        [sys.executable, "-W", "error", program, "deck.toml", ".", str(kills), "1"],
        env=environment, cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["identical"]
    assert found["left"] == []
    assert found["write"] + found["moment"] == kills
    assert len(digests(tmp_path / "whole")) == 5 * 4 + 5 * 2
    kept = {path.read_text() for path in tmp_path.glob("*/rounds.json")}
    assert len(kept) == 1


def test_a_finished_run_is_not_run_again(here):
    result = run()
    assert result.exit_code == 0, result.output
    assert "going on, 14 of 14 tasks are finished" in result.stderr
    assert "more tasks" not in result.stderr


def test_a_failed_task_holds_up_its_own_condition_alone(here, monkeypatch):
    """The same command tries it again, and comes to the same tasks."""
    real_record = task.task_record

    def fail(simulation, samples, label):
        if label.key == "x0.5000_T300.00K_r01":
            raise FloatingPointError("site energies drifted")
        return real_record(simulation, samples, label)

    monkeypatch.setattr(task, "task_record", fail)
    assert run("--output", "again").exit_code == 1
    names = sorted(path.stem for path in Path("again/tasks").glob("*.h5"))
    assert names == ["x0.5000_T300.00K_r00", *(f"x1.0000_T300.00K_r{k:02d}" for k in range(7))]
    monkeypatch.setattr(task, "task_record", real_record)
    assert run("--output", "again").exit_code == 0
    assert digests(Path("again")) == here


def test_a_higher_limit_is_an_extension(here):
    """Nothing is computed again; the deck with the lower one goes on with the higher."""
    text = Path("deck.toml").read_text()
    Path("deck.toml").write_text(text.replace("most_replicas = 7", "most_replicas = 9"))
    refused = run()
    assert refused.exit_code == 2
    assert "[scan] most_replicas: 7 before, 9 now" in refused.stderr
    Path("deck.toml").write_text(text)
    result = run("--extend", "most_replicas=9")
    assert result.exit_code == 0, result.output
    found = digests(RESULTS, deck=False)
    assert len(found) == 18
    shutil.rmtree(RESULTS)
    assert run("--extend", "most_replicas=9").exit_code == 0
    assert digests(RESULTS, deck=False).keys() == found.keys()
    assert found.items() <= digests(RESULTS, deck=False).items()


def test_rounds_for_a_run_that_had_none(tmp_path, monkeypatch):
    """A key that the deck does not have yet is written behind its replicas."""
    monkeypatch.chdir(tmp_path)
    write_small_run(tmp_path, SHORT)
    assert run().exit_code == 0
    assert not (RESULTS / "rounds.json").exists()
    result = run("--extend", "sigma_relative_error=0.05", "--extend", "most_replicas=3")
    assert result.exit_code == 0, result.output
    assert "4 of 4 tasks are finished" in result.stderr
    assert len(digests(RESULTS)) == 6
    assert "replicas = 2\nmost_replicas = 3\nsigma_relative_error = 0.05\n" in (RESULTS / "deck.toml").read_text()


def test_a_fork_takes_over_the_rounds_too(here):
    """Only the target differs: all tasks that the new deck asks for are there."""
    Path("deck.toml").write_text(Path("deck.toml").read_text().replace("most_replicas = 7", "most_replicas = 6"))
    result = run("--fork", "fork")
    assert result.exit_code == 0, result.output
    assert len(digests(Path("fork"))) == 12
    assert digests(Path("fork")).items() <= here.items()


REFINED = (
    ("repeats = [2, 2, 2]", "repeats = [3, 3, 2]"),
    ("replicas = 2", "replicas = 2\nrefine = true\nrefine_loadings = 3"),
    ("[0.5, 1]", "[0, 0.33, 0.67, 1]"),
    SHORT,
)


def test_loadings_are_added_where_the_largest_conductivity_may_be(tmp_path, monkeypatch):
    """Of 18 whole ions; two in the first round, one in the second; an interruption between them changes nothing."""
    monkeypatch.chdir(tmp_path)
    write_small_run(tmp_path, *REFINED)
    whole = run()
    assert whole.exit_code == 0, whole.output
    added = json.loads((RESULTS / "rounds.json").read_text())["added"]["loadings"]
    assert len(added) == len(set(added)) == 3
    assert all((18 * x) == pytest.approx(round(18 * x)) and x not in (0, 6 / 18, 12 / 18, 1) for x in added)
    assert whole.stderr.count("more tasks near the largest sigma, at x0.") == 2
    assert len(digests(RESULTS)) == 14
    assert "x0.3333" in whole.stdout or "0.333" in whole.stdout
    real_write = task.write_task

    def write(path, *args, **options):
        real_write(path, *args, **options)
        if len(list(Path("again/tasks").glob("*.h5"))) == 11:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.3)

    monkeypatch.setattr(task, "write_task", write)
    assert "stopped by SIGTERM; 11 tasks" in run("--output", "again").stderr
    assert len(read_status(Path("again")).planned) == 12
    assert run("--output", "again").exit_code == 0
    assert digests(Path("again")) == digests(RESULTS)
    assert len(read_status(Path("again")).planned) == 14


def test_loadings_that_whole_ions_make(tmp_path):
    """18 counter-ions have 19 fractions, all of which find sites; with frozen Me2NH2+ nothing moves at x = 0."""
    for treatment, fewest in (("", 0), ('[composition.treatment]\n"Me2NH2+" = "frozen"\n', 1)):
        path = write_small_run(tmp_path, *REFINED, ("[0, 0.33", "[0.1, 0.33"), ("[kmc]", f"{treatment}[kmc]"))
        model = build_model(read_deck(path), lambda *said: None)
        found = possible_loadings(model.deck, model.network)
        assert found == tuple(k / 18 for k in range(fewest, 19))


def test_a_status_tells_how_well_sigma_is_known(here):
    shown = CliRunner().invoke(main, ["status", str(RESULTS), "--brief"]).output
    assert "14 of 14 tasks finished" in shown
    assert "sigma is known to 5 % (standard error, as asked) at 0 of 2 loadings and temperatures" in shown


def test_lines_name_what_falls_short(here):
    verdicts = {"a": Verdict(4, 0.03, 4), "b": Verdict(7, 0.08, 7, "the end"), "c": Verdict(2, math.inf, 2, "blocked")}
    lines = list(precision_lines(Growth(verdicts=verdicts, loadings=(0.25,)), read_deck(Path("deck.toml")).deck.scan))
    assert lines == [
        "loadings added near the largest sigma: 0.25",
        "sigma is known to 5 % (standard error, as asked) at 1 of 3 loadings and temperatures, with 2 to 7 replicas",
        "b: 8 % with 7 replicas: the end",
        "c: no standard error with 2 replicas: blocked",
    ]
