"""Several ranks under a real mpirun (the one of the wheel `mpich`): what one rank does, many do."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from decks import changed
from small_run import SMALL_DECK, digests

PROGRAMS = Path(__file__).parent / "rank_programs.py"
RANKS = [1, 2, 3, 4]

SITES = """
name: two cubic nets
cell_A: [4.0, 4.0, 4.0]
space_group: Pm-3m
framework_charge_e: -1
sites:
  - {label: A, species: Li+, frac: [0, 0, 0], energy_eV: -1.5}
  - {label: B, species: Na+, frac: [0.5, 0.5, 0.5], energy_eV: -1.5}
hops:
  - {from: A, to: A, max_distance_A: 4.0, barrier_eV: 0.30, prefactor_Hz: 5.0e+12}
  - {from: B, to: B, max_distance_A: 4.0, barrier_eV: 0.30, prefactor_Hz: 1.0e+12}
"""

DECK = changed(
    ("permittivity = 30", "permittivity = 10"),
    ("[2, 2, 2]", "[3, 3, 3]"),
    ("Me2NH2+", "Na+"),
    ("20_000", "100_000"),
    ("[0.5, 1]", "[0.3, 0.6]"),
    ("temperatures_K = [300]", "temperatures_C = [-40, 25, 100]"),
    text=SMALL_DECK,
)


def on_ranks(ranks: int, *command: object) -> list[str]:
    """Return the command line that runs a command of this Python on so many ranks."""
    launcher = Path(sys.executable).parent / "mpirun"
    assert launcher.exists(), "the extra `test` of mofkmc installs the wheel `mpich` with its mpirun"
    return [str(launcher), "-n", str(ranks), sys.executable, *map(str, command)]


def mpirun(ranks: int, *command: object, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command of this Python on so many ranks."""
    call = on_ranks(ranks, *command)
    return subprocess.run(call, capture_output=True, text=True, timeout=100, env={**os.environ, **(env or {})})


def said(result: subprocess.CompletedProcess[str]) -> list[dict]:
    """What the ranks have printed, in their order."""
    assert result.returncode == 0, result.stderr
    return sorted(map(json.loads, result.stdout.splitlines()), key=lambda line: line["rank"])


@pytest.mark.parametrize("ranks", RANKS)
@pytest.mark.parametrize("n_jobs", [2, 25])
def test_every_job_is_done_once_by_one_of_the_ranks(ranks, n_jobs):
    """Also when there are fewer jobs than ranks; every rank knows of the job that failed; a second list begins anew."""
    lines = said(mpirun(ranks, PROGRAMS, "hand_out", n_jobs))
    assert [line["size"] for line in lines] == [ranks] * ranks
    good = sorted({*range(n_jobs)} - {1})
    assert sorted(number for line in lines for number in line["done"]) == good
    assert sorted(number for line in lines for number in line["again"]) == good
    assert all(line["failures"] == {"1": "OSError: one that fails"} for line in lines)
    if n_jobs == 25:
        assert all(line["done"] for line in lines)


@pytest.mark.parametrize("ranks", [1, 3])
def test_what_ranks_tell_each_other(ranks):
    lines = said(mpirun(ranks, PROGRAMS, "talk"))
    first, second = lines[::2], lines[1::2]
    assert len(first) == len(second) == ranks
    for line in (line for line in lines if "values" in line):
        assert line["values"] == [rank**2 for rank in range(ranks)]
        assert (line["built"], line["told"], line["flags"]) == ({"by": 0}, "from 0", [True, False])
        assert (line["builds"], line["writeable"]) == (1, False)
    for line in (line for line in lines if "sums" in line):
        assert line["sums"] == [66.0, 15.0, 0.0]
        assert line["shapes"] == [[3, 4], [2], [0, 3]]
        assert (line["on_node"], len(line["hosts"])) == (ranks, 1)
        assert line["cores"] == max(1, len(os.sched_getaffinity(0)) // ranks)


def test_a_node_without_shared_memory_has_a_copy_on_every_rank(tmp_path):
    """Two ranks on two nodes, as far as MPI can tell: one build on each."""
    lines = said(mpirun(2, PROGRAMS, "talk", env={"MPIR_CVAR_NOLOCAL": "1"}))
    assert {line["builds"] for line in lines if "values" in line} == {2}
    assert {line["on_node"] for line in lines if "sums" in line} == {1}
    assert all(line["sums"] == [66.0, 15.0, 0.0] for line in lines if "sums" in line)


@pytest.mark.parametrize(("how", "reason"), [("limit", "time limit"), ("full", "no space left")])
def test_a_stop_on_one_rank_stops_all(how, reason):
    """After 0.5 s; the jobs of the other ranks see it 0.2 s later, can keep what they have, and all know the reason."""
    lines = said(mpirun(3, PROGRAMS, "stop", how))
    ends = [line for line in lines if "reason" in line]
    assert [line["reason"] for line in ends] == [reason] * 3
    assert max(line["seconds"] for line in ends) < 3
    assert len([line for line in lines if "kept" in line]) == (3 if how == "limit" else 2)
    assert all(len(line["failures"]) == (how == "full") for line in ends)


@pytest.mark.parametrize("how", ["alone", "alone_at_work", "killed"])
def test_a_rank_that_fails_alone_ends_the_job(how):
    """Within 3 s, with its traceback and a status, though the others wait for it or work on."""
    begin = time.monotonic()
    result = mpirun(3, PROGRAMS, "fail", how)
    assert result.returncode != 0
    assert time.monotonic() - begin < 3 + 2  # of it 2 s for Python to start
    if how != "killed":
        assert "rank 2 of 3:" in result.stderr
        assert "ValueError: only the last rank has this" in result.stderr
        assert result.stderr.count("Traceback") == 1


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("first", "the deck"),
        ("together", "the deck"),
        ("shared", "the tables"),
        ("nested", "the tables"),
        ("one_of_all", "this machine"),
    ],
)
def test_a_fault_in_the_input_is_told_once_and_ends_all_ranks(how, words):
    result = mpirun(3, PROGRAMS, "fail", how)
    assert result.returncode == 2
    assert [line for line in result.stderr.splitlines() if line] == [f"mofkmc: {words} does not fit"]


def test_ranks_that_wait_leave_their_cores_to_the_others():
    """MPI itself waits by asking all the time: a second of waiting would be a second of work."""
    lines = said(mpirun(2, PROGRAMS, "idle"))
    assert max(line["busy"] for line in lines) < 0.3


def test_a_launcher_of_another_mpi_is_refused_with_the_reason():
    """`srun --mpi=none` starts 4 processes that find themselves alone; only one of them says so."""
    for rank, lines in ((0, 1), (3, 0)):
        result = subprocess.run(
            [sys.executable, PROGRAMS, "talk"],
            capture_output=True,
            text=True,
            env={**os.environ, "SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": str(rank)},
        )
        assert result.returncode == 2
        assert result.stdout == ""
        assert len(result.stderr.splitlines()) == lines
        if lines:
            assert "expected the 4 processes that the launcher has started" in result.stderr
            assert "found 1; use the mpirun that belongs to this MPI" in result.stderr


def test_an_mpi_that_cannot_be_loaded_is_named(tmp_path):
    result = subprocess.run(
        [sys.executable, PROGRAMS, "talk"],
        capture_output=True,
        text=True,
        env={**os.environ, "PMI_SIZE": "2", "PMI_RANK": "0", "MPI4PY_LIBMPI": str(tmp_path / "libmpi.so")},
    )
    assert result.returncode == 2
    assert "mpi4py finds no MPI library" in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.fixture(scope="module")
def scan(tmp_path_factory) -> Path:
    """A folder with the deck and, in `one`, what a single process makes of it."""
    folder = tmp_path_factory.mktemp("scan")
    (folder / "deck.toml").write_text(DECK)
    (folder / "sites.yaml").write_text(SITES)
    call = [sys.executable, "-m", "runs.cli", "run", folder / "deck.toml", "--output", folder / "one", "--threads", "2"]
    result = subprocess.run(call, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert len(digests(folder / "one")) == 12
    return folder


def run_scan(scan: Path, ranks: int, name: str) -> list[str]:
    return on_ranks(ranks, "-m", "runs.cli", "run", scan / "deck.toml", "--output", scan / name, "--threads", 1)


@pytest.mark.parametrize("ranks", [pytest.param(n, marks=pytest.mark.validation if n in (2, 3) else ()) for n in RANKS])
def test_the_data_are_the_same_for_any_number_of_ranks(scan, ranks):
    """Streams come from seed and task key alone; the results are printed once."""
    result = subprocess.run(run_scan(scan, ranks, f"{ranks} ranks"), capture_output=True, text=True, timeout=200)
    assert result.returncode == 0, result.stderr
    assert digests(scan / f"{ranks} ranks") == digests(scan / "one")
    assert result.stdout.count("Conductivity with 95 % intervals") == 1
    for name in ("summary.csv", "activation.csv", "optimum.csv"):
        assert (scan / f"{ranks} ranks" / name).read_bytes() == (scan / "one" / name).read_bytes()


def test_only_the_first_rank_imports_what_reads_crystals_and_analyses(scan):
    """A thousand ranks pay for each import; pymatgen alone takes two seconds."""
    result = mpirun(2, PROGRAMS, "run", scan / "deck.toml", scan / "imports")
    found = [json.loads(line) for line in result.stdout.splitlines() if line.startswith('{"rank"')]
    first, worker = (set(line["imported"]) for line in sorted(found, key=lambda line: line["rank"]))
    assert {"pandas", "ase"} <= first
    assert not {"pandas", "ase", "pymatgen", "gemmi", "spglib", "matplotlib"} & worker


def interrupted(scan: Path, name: str, end: Callable[[subprocess.Popen[str]], None]) -> subprocess.Popen[str]:
    """Start the deck on two ranks and end it in some way as soon as two tasks are finished."""
    job = subprocess.Popen(
        run_scan(scan, 2, name), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    deadline = time.monotonic() + 100
    while len(digests(scan / name)) < 2:
        assert job.poll() is None, job.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.01)
    end(job)
    return job


def goes_on(scan: Path, name: str) -> None:
    """Go on with three ranks and end where the single process did."""
    before = digests(scan / name)
    assert len(before) < 12
    assert subprocess.run(run_scan(scan, 3, name), capture_output=True, timeout=200).returncode == 0
    assert digests(scan / name) == digests(scan / "one")


@pytest.mark.validation
def test_a_batch_system_that_ends_the_job_loses_nothing(scan):
    """The launcher passes the signal on; all ranks keep what they have, one says how to go on, and the status is 0."""
    job = interrupted(scan, "ended", lambda job: job.terminate())
    said = job.communicate(timeout=100)[1]
    assert job.returncode == 0, said
    assert said.count("resume with the same command") == 1
    goes_on(scan, "ended")


def test_a_job_that_is_ended_before_its_first_task_ends_at_once(scan):
    """While the first rank builds the network and the others wait for it; there is nothing to keep."""
    call = on_ranks(2, PROGRAMS, "build", scan / "deck.toml", scan / "early")
    job = subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert "building" in job.stdout.readline()
    begin = time.monotonic()
    job.terminate()
    said = job.communicate(timeout=50)[1]
    assert time.monotonic() - begin < 5
    assert (job.returncode, said) == (
        0,
        "mofkmc: stopped by SIGTERM; no task has begun: resume with the same command\n",
    )


def test_a_rank_that_is_killed_ends_the_job_and_the_rest_goes_on(scan):
    def kill_one(job: subprocess.Popen[str]) -> None:
        found = subprocess.run(["pgrep", "-g", str(job.pid), "-f", "runs.cli run"], capture_output=True, text=True)
        os.kill(max(map(int, found.stdout.split())), signal.SIGKILL)

    job = interrupted(scan, "killed", kill_one)
    begin = time.monotonic()
    job.communicate(timeout=100)
    assert job.returncode != 0
    assert time.monotonic() - begin < 3
    goes_on(scan, "killed")
