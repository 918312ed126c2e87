"""What a user starts from: decks with all their keys, and scripts that start mpirun as their batch system expects."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner
from slurm_node import missing, one_node
from small_run import digests, write_small_run

from runs.cli import main
from runs.deck import Deck
from runs.deck_file import read_deck
from runs.deck_keys import tables_in
from runs.init_job import batch_script, batch_scripts, templates
from runs.status_job import read_status


def init(*arguments: str) -> str:
    result = CliRunner().invoke(main, ["init", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.parametrize("name", templates())
def test_a_template_is_a_valid_deck_that_explains_itself(tmp_path, name):
    """The deck as it is shipped; with every key the same values, and each key of every table in it or as a comment."""
    (tmp_path / "my.toml").write_text(init(name), encoding="utf-8")
    deck = read_deck(tmp_path / "my.toml").deck
    full = init(name, "--every-key")
    assert tomllib.loads(full) == tomllib.loads(init(name))
    assert init(name).count("#") >= 10
    for field, described in Deck.model_fields.items():
        value = getattr(deck, field)
        for table in [type(value)] if field == "composition" else tables_in(described.annotation):
            for key in table.model_fields:
                assert re.search(rf"^(# )?{key} =|^# \[\[?{field}\.{key}\]|^\[{field}\.{key}", full, re.MULTILINE), key


def test_a_key_of_the_template_is_right_when_its_comment_sign_is_taken_away(tmp_path):
    """It stands in its own table, whatever sub-tables follow."""
    full = init("ni_mof", "--every-key")
    for line in ('charge_source = "auto"', "frames_every = 0", "checkpoint_minutes = 5"):
        assert f"# {line}\n" in full
        full = full.replace(f"# {line}\n", f"{line}\n")
    (tmp_path / "my.toml").write_text(full, encoding="utf-8")
    assert read_deck(tmp_path / "my.toml").deck.output.checkpoint_minutes == 5


@pytest.mark.parametrize(
    ("arguments", "words"),
    [((), "found none"), (("slurn",), "found slurn"), (("slurm", "--every-key"), "one of mof5, ni_mof")],
)
def test_an_unknown_template_is_refused_with_the_names_of_all(arguments, words):
    result = CliRunner().invoke(main, ["init", *arguments])
    assert result.exit_code == 2
    assert words in result.stderr


def run_script(folder: Path, name: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a script with an mpirun that prints how it was called."""
    programs = folder / "bin"
    programs.mkdir()
    (programs / "mpirun").write_text('#!/bin/bash\necho "$NUMBA_NUM_THREADS: $*"; exit 7\n')
    (programs / "mpirun").chmod(0o755)
    script = folder / f"{name}.sh"
    script.write_text(init(name), encoding="utf-8")
    path = f"{programs}:{os.environ['PATH']}"
    return subprocess.run(
        ["bash", script, *arguments], env={"PATH": path, **environment}, cwd=folder, capture_output=True, text=True
    )


@pytest.mark.parametrize(
    ("name", "arguments", "environment", "command"),
    [
        ("slurm", ["a b.toml", "--quiet"], {"SLURM_NTASKS": "64", "SLURM_CPUS_PER_TASK": "2"},
         "2: -n 64 mofkmc run --threads 2 a b.toml --quiet"),
        ("slurm_array", ["a.toml", "b.toml"], {"SLURM_NTASKS": "8", "SLURM_ARRAY_TASK_ID": "2"},
         "1: -n 8 mofkmc run --threads 1 b.toml"),
        ("pbs", [], {"DECK": "a.toml", "OPTIONS": "--extend replicas=9"},
         "1: -n 3 mofkmc run --threads 1 --time-limit 23:55:00 --extend replicas=9 a.toml"),
        ("lsf", [], {"LSB_DJOB_NUMPROC": "5", "DECK": "a.toml"}, "1: -n 5 mofkmc run a.toml --threads 1"),
    ],
)  # fmt: skip
def test_a_script_becomes_mpirun(tmp_path, name, arguments, environment, command):
    """With the ranks and threads of its job; its status is that of mpirun, which gets the signals of the script."""
    nodes = tmp_path / "nodes"
    nodes.write_text("node1\nnode1\nnode2\n")
    done = run_script(tmp_path, name, *arguments, PBS_NODEFILE=str(nodes), **environment)
    assert (done.stdout, done.returncode) == (command + "\n", 7), done.stderr


@pytest.mark.parametrize("number", ["0", "3"])
def test_an_array_that_is_larger_than_its_decks_is_refused(tmp_path, number):
    done = run_script(tmp_path, "slurm_array", "a.toml", "b.toml", SLURM_ARRAY_TASK_ID=number)
    assert done.returncode == 2
    assert "expected --array=1-2" in done.stderr


@pytest.mark.parametrize("name", batch_scripts())
def test_a_script_asks_for_a_signal_in_time_and_ends_as_mpirun(name):
    """What `exec` replaces the script with is what the batch system sends its signals to."""
    text = batch_script(name)
    assert text.startswith("#!/bin/bash\n")
    assert text.rstrip().splitlines()[-1].startswith("exec mpirun ")
    wanted = {"slurm": "#SBATCH --signal=B:USR1@120", "slurm_array": "#SBATCH --signal=B:USR1@120",
              "pbs": "--time-limit 23:55:00", "lsf": "#BSUB -wa USR1"}  # fmt: skip
    assert wanted[name] in text
    assert set(wanted) == set(batch_scripts())
    assert subprocess.run(["bash", "-n"], input=text, text=True, check=False).returncode == 0


@pytest.mark.slurm
@pytest.mark.skipif(bool(missing()), reason=f"a cluster of one node cannot be started: {missing()}")
def test_a_job_of_slurm_that_meets_its_time_limit_and_is_requeued_gives_the_same_bits(tmp_path):
    """Work for 80 s on two ranks, in jobs of two minutes that get their signal between 30 and 60 s after the start."""
    trial = write_small_run(tmp_path, ("events = 20_000", "events = 500_000"))
    assert CliRunner().invoke(main, ["run", str(trial), "--output", str(tmp_path / "trial"), "-q"]).exit_code == 0
    speed = read_status(tmp_path / "trial").hops_per_second
    deck = write_small_run(tmp_path, ("events = 20_000", f"events = {round(speed * 80 * 2 / 4)}"))
    script = batch_script("slurm")
    for old, new in (
        ("--nodes=2", "--nodes=1"),
        ("--ntasks-per-node=32", "--ntasks-per-node=2"),
        ("--time=24:00:00", "--time=2"),
        ("USR1@120", "USR1@60"),
    ):
        assert old in script
        script = script.replace(old, new)
    (tmp_path / "slurm.sh").write_text(script)
    results, log = tmp_path / "results", tmp_path / "job.log"
    endings = []
    with one_node() as node:
        said = node.call("sbatch", "--chdir", tmp_path, "--output", log, "slurm.sh", deck, "--output", results)
        job = said.split()[-1]
        for _ in range(6):
            state = node.wait(job, 400)
            found = read_status(results)
            endings.append((state, found.ended, len(found.finished), len(found.begun)))
            if len(found.finished) == 4:
                break
            node.call("scontrol", "requeue", job)
    assert len(endings) > 1, endings
    assert all(ending[:2] == ("COMPLETED", "stopped by SIGUSR1") for ending in endings[:-1]), log.read_text()
    assert any(ending[3] for ending in endings[:-1])
    assert endings[-1][:3] == ("COMPLETED", "ended with status 0", 4), log.read_text()
    assert "resume with the same command" in log.read_text()
    undisturbed = [
        sys.executable,
        "-m",
        "runs.cli",
        "run",
        deck,
        "--output",
        tmp_path / "undisturbed",
        "--threads",
        "2",
    ]
    subprocess.run(list(map(str, undisturbed)), check=True, capture_output=True)
    assert digests(results) == digests(tmp_path / "undisturbed")


@pytest.mark.slurm
@pytest.mark.skipif(bool(missing()), reason=f"a cluster of one node cannot be started: {missing()}")
def test_srun_starts_the_ranks_without_mpirun(tmp_path):
    """With the interface of their MPI they find each other every time; without it they say what to do."""
    deck = write_small_run(tmp_path, ("events = 20_000", "events = 2_000"))
    run = [sys.executable, "-m", "runs.cli", "run", deck, "--threads", "1", "-q", "--output"]

    def srun(mpi: str, name: str) -> subprocess.CompletedProcess[str]:
        command = ["srun", "-n", "2", "--kill-on-bad-exit=1", f"--mpi={mpi}", *run, tmp_path / name]
        return subprocess.run(list(map(str, command)), env=dict(node.environment), capture_output=True, text=True)

    subprocess.run([*map(str, run), str(tmp_path / "alone")], check=True, capture_output=True)
    with one_node() as node:
        for number in range(5):
            done = srun("pmi2", f"pmi2 {number}")
            assert done.returncode == 0, done.stderr
            assert digests(tmp_path / f"pmi2 {number}") == digests(tmp_path / "alone")
        assert read_status(tmp_path / "pmi2 0").ranks == 2
        refused = srun("none", "none")
    assert refused.returncode == 2
    assert "but its MPI, MPICH" in refused.stderr
    assert "found 1; use `srun --mpi=pmi2` for MPICH or" in refused.stderr
    assert not (tmp_path / "none").exists()
