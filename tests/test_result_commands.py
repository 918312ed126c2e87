"""`analyse`, `report`, `compare` and `export` on a run that has been made, and on what is no run."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from small_run import write_small_run

from analysis.campaign import open_run
from runs.cli import main
from structures.errors import InputError


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("small")
    deck = write_small_run(
        folder, ("samples = 100", "samples = 200"), ("plots = false", "plots = false\nframes_every = 2")
    )
    result = call("run", deck, "--output", folder / "run", "--quiet")
    assert result.exit_code == 0, result.output
    return folder / "run"


@pytest.fixture
def run(made, tmp_path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "run"))


def refused(result: Result) -> str:
    assert result.exit_code == 2, result.output
    assert isinstance(result.exception, SystemExit)
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("mofkmc: ")]
    return line


def test_analyse_finds_the_numbers_of_the_run_again(made, run):
    for table in run.glob("*.csv"):
        table.unlink()
    result = call("analyse", run)
    assert result.exit_code == 0, result.output
    for table in ("summary.csv", "activation.csv", "optimum.csv"):
        assert (run / table).read_bytes() == (made / table).read_bytes()
    names = {path.name for path in run.iterdir()}
    assert {
        f"{name}.{form}" for name in ("arrhenius", "loading", "haven", "diffusion") for form in ("png", "svg")
    } <= names
    assert pd.read_csv(run / "statistics.csv")["replicas"].tolist() == [2, 2]
    remarks = (run / "remarks.txt").read_text()
    assert set((made / "remarks.txt").read_text().splitlines()) <= set(remarks.splitlines())
    assert "Conductivity with 95 % intervals" in result.output


@pytest.fixture(scope="module")
def stray(tmp_path_factory) -> Path:
    """A task on another network, where ions of one kind have one more orbit of hops."""
    folder = tmp_path_factory.mktemp("other")
    deck = write_small_run(folder, ("exchange_fractions = [0.5, 1]", "exchange_fractions = [0.5]"))
    sites = folder / "sites.yaml"
    sites.write_text(sites.read_text().replace("max_distance_A: 6.5", "max_distance_A: 8.6"))
    result = call("run", deck, "--output", folder / "run", "--quiet")
    assert result.exit_code == 0, result.output
    return sorted((folder / "run" / "tasks").glob("*.h5"))[0]


def test_a_task_of_another_run_among_the_tasks_is_refused(run, stray):
    shutil.copy(stray, run / "tasks" / "a-stray.h5")
    for command in ("analyse", "report", "compare"):
        line = refused(call(command, run))
        assert "expected the tasks of one run, all of one network_hash; found" in line
        assert str(run / "tasks") in line
    with pytest.raises(InputError, match="expected the tasks of one run"):
        open_run(run)


def test_analyse_writes_elsewhere_and_touches_nothing(run, tmp_path):
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    assert call("analyse", run, "--output", tmp_path / "there" / "deeper", "--no-plots").exit_code == 0
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before
    assert not list((tmp_path / "there" / "deeper").glob("*.png"))
    assert (tmp_path / "there" / "deeper" / "summary.csv").is_file()


def test_a_run_under_way_is_analysed_with_what_there_is(run):
    sorted((run / "tasks").glob("*.h5"))[0].unlink()
    result = call("analyse", run, "--no-plots")
    assert result.exit_code == 0, result.output
    assert "3 of 4 tasks are finished" in result.stderr


def test_report_is_written_beside_the_results_or_where_it_is_asked_for(run, tmp_path):
    assert call("report", run).exit_code == 0
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "Ion transport in body-centred cubic" in page
    assert "Where they are" in page
    assert "from frames" in page
    assert call("report", run, "--output", tmp_path / "mine.html").exit_code == 0
    assert (tmp_path / "mine.html").read_text(encoding="utf-8") == page


def test_compare_prints_ratios(run, tmp_path):
    figures = tmp_path / "mine.toml"
    figures.write_text('[[sample]]\nname = "pellet"\nexchange = 0.75\nsigma_27C_S_per_cm = 1e-3\n')
    result = call("compare", run, "--experiment", figures, "--csv", tmp_path / "c.csv")
    assert result.exit_code == 0, result.output
    assert "pellet" in result.output
    table = pd.read_csv(tmp_path / "c.csv")
    assert table["ratio lo"][0] < table["computed/measured"][0] < table["ratio hi"][0]
    assert np.sign(table["z"][0]) == np.sign(np.log(table["computed/measured"][0]))


@pytest.mark.parametrize(("form", "ending"), [("h5md", ".h5md"), ("xyz", ".xyz"), ("npz", ".npz")])
def test_frames_are_exported(run, form, ending):
    result = call("export", run, "--format", form, "--task", "x0.5000_T300.00K_r00")
    assert result.exit_code == 0, result.output
    assert [path.name for path in (run / f"{form}_frames").iterdir()] == [f"x0.5000_T300.00K_r00{ending}"]


def test_a_run_without_frames_says_how_to_get_them(run, tmp_path):
    deck = write_small_run(tmp_path)
    assert call("run", deck, "--output", tmp_path / "bare", "--quiet").exit_code == 0
    assert "frames_every" in refused(call("export", tmp_path / "bare"))
    assert not (tmp_path / "bare" / "h5md_frames").exists()


def test_what_is_no_run_is_refused_in_one_line(run, tmp_path):
    (tmp_path / "file").write_text("x")
    for command in ("analyse", "report", "export"):
        assert "expected the folder of a run" in refused(call(command, tmp_path / "nowhere"))
        assert "expected the folder of a run" in refused(call(command, tmp_path / "file"))
        assert "found none" in refused(call(command, tmp_path))
    assert "expected a folder" in refused(call("analyse", run, "--output", tmp_path / "file"))
    assert "found a folder" in refused(call("report", run, "--output", tmp_path))
    assert "found no" in refused(call("report", run, "--output", tmp_path / "none" / "r.html"))
    assert "--experiment: expected one of ni_mof, mof5" in refused(call("compare", run))
    assert "expected one of ni_mof" in refused(call("compare", run, "--experiment", "ni-mof"))
    assert "--task: expected one of x0.5000_T300.00K_r00" in refused(call("export", run, "--task", "x"))


def test_damaged_and_foreign_files_are_left_out_with_a_line(run):
    task = sorted((run / "tasks").glob("*.h5"))[0]
    task.write_bytes(task.read_bytes()[:5000])
    (run / "tasks" / "foreign.h5").write_text("no HDF5")
    (run / "network.h5").write_bytes(b"\x89HDF damaged")
    (run / "deck.toml").write_text("no deck")
    result = call("analyse", run, "--no-plots")
    assert result.exit_code == 0, result.output
    remarks = (run / "remarks.txt").read_text()
    for name in (task.name, "foreign.h5", "network.h5"):
        assert f"{name} left out: " in remarks
    assert "the deck in the folder is not used" in result.stderr
    assert call("report", run).exit_code == 0


def test_tasks_of_another_run_are_refused(run, tmp_path):
    deck = write_small_run(tmp_path, ("permittivity = 30", "permittivity = 40"))
    assert call("run", deck, "--output", tmp_path / "other", "--quiet").exit_code == 0
    stray = sorted((tmp_path / "other" / "tasks").glob("*.h5"))[0]
    shutil.copy(stray, run / "tasks" / "stray.h5")
    assert "expected the tasks of one run" in refused(call("analyse", run))
