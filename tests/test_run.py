"""A whole run on a small network: the same files for any number of threads, and readable after an interruption."""

import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result
from decks import write_deck
from lattices import ion, simple_cubic
from small_run import digests

from analysis.campaign import Analysis
from kmc.kernels import Team
from kmc.trajectory import read_task
from runs import job, network_source, schedule, task
from runs.cli import main
from runs.deck_file import read_deck
from runs.folder import ResultsFolder
from runs.model import build_model
from runs.seeds import stream
from structures.errors import InputError


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run the deck on a cubic network with half of the sites of either ion free: 27 sites for 13 ions."""
    made = simple_cubic(species=(ion("Li+"), ion("Me2NH2+")), rates=(1.0, 0.5), permittivity=10.0)
    made = replace(made, cell=10 * made.cell, framework_charge=-13 / 27, accessible_volume=500.0)
    made = replace(made, hop_saddle=made.hop_saddle * 0.02 + 0.1)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(network_source, "load_framework", lambda *args, **options: SimpleNamespace(provenance=()))
    monkeypatch.setattr(network_source, "cached_network", lambda *args, **options: made)
    write_deck(tmp_path)

    def call(*arguments: str) -> Result:
        return CliRunner().invoke(main, ["run", "deck.toml", *arguments])

    return call


def test_a_run_gives_the_same_bits_for_one_and_two_threads_and_writes_its_tables(run):
    """Streams come from seed and task key alone; 3 loadings × 3 temperatures × 2 replicas = 18 tasks."""
    one = run("--output", "one", "--threads", "1")
    assert one.exit_code == 0, one.output
    two = run("--output", "two", "--threads", "2")
    assert two.exit_code == 0, two.output
    assert digests(Path("one")) == digests(Path("two"))
    assert len(digests(Path("one"))) == 18
    for name in ("deck.toml", "summary.csv", "activation.csv", "optimum.csv", "remarks.txt"):
        assert (Path("one") / name).read_bytes() == (Path("two") / name).read_bytes()
    assert (Path("one") / "network.h5").is_file()
    for words in ("Conductivity with 95 % intervals", "Optimum loading", "Measured beside computed", "not calibrated"):
        assert words in one.stdout
    assert max(len(line) for line in one.stdout.splitlines()) <= 100

    write_deck(Path(), ("[scan]", "[scan]\nseed = 2"))
    assert run("--output", "three").exit_code == 0
    assert not set(digests(Path("three")).values()) & set(digests(Path("one")).values())


@pytest.mark.validation
def test_threads_without_a_task_share_the_events_of_the_others(run, monkeypatch):
    """The only trial run and the last of three tasks get both threads; the files are the same."""
    write_deck(Path(), ("[0, 0.5, 1]", "[0.5]"), ("[-40, 25, 100]", "[25]"), ("replicas = 2", "replicas = 3"))
    monkeypatch.setattr("kmc.crew.SITES_PER_THREAD", 10)
    sizes = []
    monkeypatch.setattr("kmc.crew.Team", lambda *parts: sizes.append(parts[0]) or Team(*parts))
    for name, threads in (("one", "1"), ("two", "2")):
        result = run("--output", name, "--threads", threads)
        assert result.exit_code == 0, result.output
        assert (2 in sizes) == (threads == "2")
    assert digests(Path("one")) == digests(Path("two"))
    assert len(digests(Path("one"))) == 3


def test_a_stopped_run_goes_on_with_the_same_command_to_the_same_bits(run, monkeypatch):
    """SIGTERM comes when five task files are there; each of them is complete."""
    assert run("--output", "whole").exit_code == 0
    real_write = task.write_task

    def write(path, *args, **options):
        real_write(path, *args, **options)
        if len(list(Path("results/deck/tasks").glob("*.h5"))) == 5:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.5)

    monkeypatch.setattr(task, "write_task", write)
    stopped = run("--threads", "1")
    assert stopped.exit_code == 0, stopped.output
    kept = sorted(Path("results/deck/tasks").iterdir())
    assert len(kept) == 5
    assert f"mofkmc: stopped by SIGTERM; {len(kept)} tasks are finished and stay readable" in stopped.stderr
    assert stopped.stderr.rstrip().endswith(": resume with the same command")
    assert not Path("results/deck/summary.csv").exists()
    before = digests(Path("results/deck"))
    for path in kept:
        assert read_task(path).key == path.stem
    again = run("--threads", "2")
    assert again.exit_code == 0, again.output
    assert f"results/deck: going on, {len(kept)} of 18 tasks are finished" in again.stderr
    assert before.items() <= digests(Path("results/deck")).items() == digests(Path("whole")).items()
    for name in ("summary.csv", "activation.csv", "optimum.csv", "remarks.txt", "deck.toml"):
        assert (Path("results/deck") / name).read_bytes() == (Path("whole") / name).read_bytes()
    assert not list(Path("results/deck/checkpoints").glob("*"))
    assert not Path("results/deck/run.lock").exists()


def test_ctrl_c_keeps_the_finished_tasks_and_says_so(run, monkeypatch):
    real_write = task.write_task

    def write(path, *args, **options):
        real_write(path, *args, **options)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.5)

    monkeypatch.setattr(task, "write_task", write)
    result = run("--threads", "1")
    assert result.exit_code == 130
    assert "mofkmc: interrupted; 1 task is finished and stays readable" in result.stderr


def test_a_failed_task_is_named_and_the_others_are_analysed(run, monkeypatch):
    """The same command tries it again."""
    real_record = task.task_record

    def record(simulation, samples, label):
        if label.key == "x0.4615_T298.15K_r01":
            raise FloatingPointError("site energies drifted")
        return real_record(simulation, samples, label)

    monkeypatch.setattr(task, "task_record", record)
    result = run()
    assert result.exit_code == 1
    assert "mofkmc: x0.4615_T298.15K_r01 failed: FloatingPointError: site energies drifted" in result.stderr
    assert len(list(Path("results/deck/tasks").glob("*.h5"))) == 17
    assert Path("results/deck/summary.csv").exists()
    monkeypatch.setattr(task, "task_record", real_record)
    assert run().exit_code == 0
    assert len(list(Path("results/deck/tasks").glob("*.h5"))) == 18


def test_a_full_disk_ends_the_run_in_one_line_and_it_can_go_on(run, monkeypatch):
    """No further task is computed for nothing."""
    assert run("--output", "whole").exit_code == 0
    real_write, tried = task.write_task, []

    def write(path, *args, **options):
        if len(list(Path("results/deck/tasks").glob("*.h5"))) == 4:
            tried.append(path)
            raise OSError(28, "No space left on device")
        real_write(path, *args, **options)

    monkeypatch.setattr(task, "write_task", write)
    result = run("--threads", "1")
    assert result.exit_code == 1
    (path,) = tried
    assert result.stderr.splitlines()[-2:] == [
        f"mofkmc: {path.stem} failed: {path}: No space left on device",
        f"mofkmc: {path}: No space left on device; 4 tasks are finished and stay readable in "
        f"{path.parent}: resume with the same command",
    ]
    monkeypatch.setattr(task, "write_task", real_write)
    assert run().exit_code == 0
    assert digests(Path("results/deck")) == digests(Path("whole"))


def test_an_interrupt_after_the_last_task_counts_all_of_them(run, monkeypatch):
    """During the analysis nothing is unfinished any more."""

    def interrupt(folder):
        raise KeyboardInterrupt

    monkeypatch.setattr("analysis.campaign.open_run", interrupt)
    result = run()
    assert result.exit_code == 130
    tasks = Path("results/deck/tasks")
    assert result.stderr.splitlines()[-1] == (
        f"mofkmc: interrupted; 18 tasks are finished and stay readable in {tasks}: resume with the same command"
    )


def test_a_disk_that_fills_up_at_the_end_loses_no_result(run, monkeypatch):
    """The tables come on the screen all the same, then the file and the reason in one line."""

    def full(self, folder):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Analysis, "write_tables", full)
    result = run()
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1] == "mofkmc: results/deck: No space left on device"
    assert "Conductivity with 95 % intervals" in result.stdout
    assert len(list(Path("results/deck/tasks").glob("*.h5"))) == 18


def test_tables_are_on_disk_before_anything_is_printed(run, monkeypatch):
    """Whatever goes wrong while printing."""

    def fail(*args, **options):
        raise InputError("no report")
        yield

    monkeypatch.setattr("runs.result_tables.result_report", fail)
    assert run().exit_code == 2
    assert {"summary.csv", "remarks.txt"} <= {path.name for path in Path("results/deck").iterdir()}


def test_results_come_with_what_limits_them(run):
    """What was measured is not what is computed, and hops that are no rare jumps are counted."""
    write_deck(Path(), ("[kmc]", "[kmc]\nseparation_kT = 3"))
    result = run()
    assert result.exit_code == 0, result.output
    printed = " ".join(result.stdout.split())
    assert "measured on MOF : PTFE = 9 : 1 by mass, soaked in 1 M LiPF6 in EC/DEC" in printed
    assert "a ratio near 1 is no validation" in printed
    assert "not bounded: repeat one loading without separation_kT" in printed
    assert "hops longer than 5 Å: Li+ 3 of 3 orbits (100.0 % of its hops), Me2NH2+ 3 of 3 orbits" in printed
    assert printed.index("Optimum loading") < printed.index("Written to")


@pytest.mark.parametrize("job_of", ["pilot", "task"])
def test_equilibration_and_hops_share_one_bar_and_both_stop_at_once(run, tmp_path, job_of):
    """20 sweeps of 13 ions are 260 moves; the bar stands at 260/(260 + hops) when the clock starts."""
    made = build_model(read_deck(Path("deck.toml")), lambda *given: None)
    setting = task.Setting(made.file, job.build_lattice(made, 1), made.network.content_hash)
    folder = ResultsFolder(tmp_path / "results")
    folder.tasks.mkdir(parents=True)
    workplace = task.Workplace(folder)
    seen: list[float] = []

    def do(watch: schedule.Watch) -> object:
        if job_of == "pilot":
            return task.simulated_time(setting, made.conditions[0], watch)
        return task.run_task(setting, made.tasks[0], 1e-9, workplace, watch)

    do(schedule.Watch(threading.Event(), seen.append))
    assert seen[0] == 0.0
    assert seen == sorted(seen)
    assert any(fraction == pytest.approx(260 / 2260) for fraction in seen)
    assert seen[-1] > 0.99

    stop = threading.Event()
    with pytest.raises(schedule.StoppedError):
        do(schedule.Watch(stop, lambda fraction: stop.set() if fraction > 0 else None))


def test_a_pilot_of_a_long_run_is_short(run, monkeypatch):
    """A twentieth of 1e9 hops would take longer than many a campaign."""
    write_deck(Path(), ("events = 2000", "events = 1_000_000_000"))
    made = build_model(read_deck(Path("deck.toml")), lambda *given: None)
    setting = task.Setting(made.file, job.build_lattice(made, 1), made.network.content_hash)
    asked: list[int] = []
    monkeypatch.setattr(task.Simulation, "estimate_rate", lambda self, n, progress: asked.append(n) or 1e12)
    until = task.simulated_time(setting, made.conditions[0], schedule.Watch(threading.Event(), lambda fraction: None))
    assert asked == [200_000]
    assert until == pytest.approx(1e-3)


def test_a_task_can_be_repeated_from_its_key():
    """The stream of a task is that of its key, whatever ran before."""
    first = stream(3, "x0.5000_T298.15K_r00").bit_generator.state
    stream(3, "x0.5000_T298.15K_r01").random(1000)
    assert stream(3, "x0.5000_T298.15K_r00").bit_generator.state == first
