"""A study runs every deck that its file names, once, and puts the results side by side."""

import json
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from small_run import write_small_run

from runs import study_tables
from runs.cli import main
from runs.deck_file import SHIPPED_DECKS
from runs.study import is_study, members_of, read_study
from structures.errors import InputError

STUDY = """
[study]
title = "Two frequencies"
material = "measured.toml"
[study.set]
"scan.replicas" = 3
[study.quick]
"kmc.events" = 2000
[[run]]
name = "half"
deck = "deck.toml"
role = "sample"
sample = "mine"
set = { "scan.exchange_fractions" = [0.5], "scan.temperatures_K" = [280, 300, 330] }
[[run]]
name = "scan"
deck = "deck.toml"
role = "scan"
[[run.vary]]
name = "frequency"
key = "rates.attempt_frequency_Hz"
values = [1e12, 1e11]
quick = [1e11]
[[run.vary]]
name = "second ion"
[run.vary.choices]
mobile = {}
frozen = { 'composition.treatment."Me2NH2+"' = "frozen" }
[[run]]
name = "alone"
deck = "deck.toml"
role = "reference"
[[run]]
name = "one_by_one"
deck = "deck.toml"
role = "variation"
against = "alone"
together = false
[[run.vary]]
name = "frequency"
key = "rates.attempt_frequency_Hz"
values = [2e12, 5e11]
[[run.vary]]
name = "eps_r"
key = "landscape.permittivity"
values = [10]
quick = []
"""

MEASURED = """
paper = "nobody"
[[sample]]
name = "mine"
exchange = 0.5
sigma_27C_S_per_cm = 1e-3
"""


def write_study(folder: Path, text: str = STUDY, *changes: tuple[str, str]) -> Path:
    write_small_run(folder)
    (folder / "measured.toml").write_text(MEASURED, encoding="utf-8")
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    path = folder / "study.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_what_is_varied_together_gives_all_combinations_and_else_one_thing_at_a_time(tmp_path):
    members = members_of(read_study(write_study(tmp_path)))
    assert [member.name for member in members] == [
        "half/run",
        "scan/frequency-1000000000000.0_second-ion-mobile",
        "scan/frequency-1000000000000.0_second-ion-frozen",
        "scan/frequency-100000000000.0_second-ion-mobile",
        "scan/frequency-100000000000.0_second-ion-frozen",
        "alone/run",
        "one_by_one/frequency-2000000000000.0",
        "one_by_one/frequency-500000000000.0",
        "one_by_one/eps_r-10",
    ]
    last = members[4].file.deck
    assert last.rates.attempt_frequency_Hz == 1e11
    assert last.treatment("Me2NH2+") == "frozen"
    assert {member.file.deck.scan.replicas for member in members} == {3}


def test_quick_keeps_what_it_names_and_changes_what_it_says(tmp_path):
    members = members_of(read_study(write_study(tmp_path)), quick=True)
    assert len(members) == 6
    assert {member.file.deck.kmc.events for member in members} == {2000}


def test_an_empty_table_takes_a_key_out(tmp_path):
    changes = (
        "values = [10]\nquick = []",
        'values = [10]\n[[run.vary]]\nname = "f"\n[run.vary.choices]\nusual = { "rates.attempt_frequency_Hz" = {} }',
    )
    members = members_of(read_study(write_study(tmp_path, STUDY, changes)))
    assert members[-1].file.deck.rates.attempt_frequency_Hz is None


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('role = "reference"', 'role = "refrence"', "[[run]] 3, role: expected"),
        ('against = "alone"', 'against = "lone"', "[[run]] 4, against: expected the name of another run, found 'lone'"),
        ('name = "alone"', 'name = "scan"', "name: expected a name of its own"),
        ("together = false", "togehter = false", "[[run]] 4, unknown key togehter; did you mean together?"),
        ("values = [10]\n", "", "[[run]] 4, vary, 2: expected either key and values, or choices, found key"),
        ("quick = [1e11]", "quick = [1e10]", "quick: expected some of the values or choices, found [10000000000.0]"),
        ("values = [10]", "values = [0.1]", "one_by_one: deck.toml:5: [landscape] permittivity"),
        (
            'deck = "deck.toml"\nrole = "reference"',
            'deck = "dock.toml"\nrole = "reference"',
            "alone: dock.toml: expected a TOML deck",
        ),
        ('role = "reference"', 'role = "reference"\nparameters = "calibrated"', "expected a table [calibration]"),
        ('role = "reference"', 'role = "reference"\ndraws = 3', 'draws: expected parameters = "calibrated" beside it'),
        ('sample = "mine"', "", "[[run]] 1, sample: expected the name of a measured sample, found none"),
        ('sample = "mine"', 'sample = "yours"', "half, sample: expected one of mine, found 'yours'"),
        ('sample = "mine"', 'sample = "mine"\ncells = "mof6"', "half, cells: experiment: expected one of"),
        ('name = "alone"', 'name = ".."', "name: expected a name of its own"),
        ('name = "alone"', 'name = "calibration"', "name: expected a name of its own"),
        ("values = [1e12, 1e11]", "values = [1e11, 100e9]", "values: expected different ones"),
        ('name = "second ion"', 'name = "frequency"', "vary: expected different names"),
    ],
)
def test_every_fault_is_one_line_before_anything_runs(tmp_path, old, new, words):
    study = write_study(tmp_path, STUDY, (old, new))
    ended = CliRunner().invoke(main, ["run", str(study), "--output", str(tmp_path / "out")])
    assert ended.exit_code == 2, ended.output
    assert words in ended.output.replace("\n", " ")
    assert "Traceback" not in ended.output
    assert not (tmp_path / "out").exists()


def test_options_of_decks_are_refused(tmp_path):
    study, deck = write_study(tmp_path), str(tmp_path / "deck.toml")
    for given, words in (
        ([str(study), "--set", "scan.replicas=3"], "expected no --extend, --set or --fork with a study"),
        ([deck, "--quick"], "--quick: expected a study"),
    ):
        ended = CliRunner().invoke(main, ["run", *given])
        assert ended.exit_code == 2
        assert words in ended.output


def test_the_shipped_study_is_right():
    """All decks that result are read and checked, quick or not."""
    path = SHIPPED_DECKS / "papers.toml"
    assert is_study(path)
    assert not is_study(SHIPPED_DECKS / "ni_mof.toml")
    study = read_study(path)
    quick, whole = (members_of(study, quick=quick) for quick in (True, False))
    assert {member.run.name for member in quick} <= {member.run.name for member in whole}
    assert len({member.name for member in whole}) == len(whole) > len(quick)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A study that was run once, and again with nothing left to do."""
    folder = tmp_path_factory.mktemp("study")
    path = write_study(folder)
    first = CliRunner().invoke(main, ["run", str(path), "--quick", "--output", str(folder / "out")])
    assert first.exit_code == 0, first.output
    times = {file: file.stat().st_mtime_ns for file in (folder / "out").rglob("*.h5")}
    again = CliRunner().invoke(main, ["run", str(path), "--quick", "--output", str(folder / "out")])
    assert again.exit_code == 0, again.output
    assert {file: file.stat().st_mtime_ns for file in (folder / "out").rglob("*.h5")} == times
    return folder, path, first, again


def test_the_same_command_computes_nothing_twice(finished):
    folder, _, first, again = finished
    assert "1 of 6: half/run" in first.output
    assert "half/run" not in again.output
    states = json.loads((folder / "out" / "study.json").read_text())
    assert {state["status"] for state in states.values()} == {"complete"}


def test_status_tells_how_far_a_study_is(finished):
    folder, *_ = finished
    ended = CliRunner().invoke(main, ["status", str(folder / "out")])
    assert ended.exit_code == 0
    assert ended.output.strip() == "Two frequencies: 6 complete"


def test_the_tables_hold_what_the_runs_give(finished):
    folder, *_ = finished
    out = folder / "out"
    samples = pd.read_csv(out / "samples.csv")
    row = samples[samples["quantity"] == "sigma, 27 °C"].iloc[0]
    summary = pd.read_csv(out / "half" / "run" / "summary.csv")
    at = summary[(summary["T (K)"] - 300.15).abs() < 0.5].iloc[0]
    assert row["computed"] == pytest.approx(at["sigma (S/cm)"])
    assert row["measured"] == 1e-3
    assert row["status"] == "nothing fitted"
    scan = pd.read_csv(out / "scan.csv")
    assert set(scan["second ion"]) == {"mobile", "frozen"}
    change = pd.read_csv(out / "one_by_one.csv")
    doubled = change[
        (change["to"] == 2e12) & (change["loading"] == 1) & change["quantity"].str.startswith("sigma")
    ].iloc[0]
    assert doubled["change lo"] < 2 < doubled["change hi"]
    for name in ("scan.png", "scan_map.png"):
        assert (out / name).stat().st_size > 10_000


def test_only_what_was_varied_on_its_own_framework_explains_a_sample(finished, monkeypatch):
    folder, path, *_ = finished
    study = read_study(path)
    members, given = members_of(study, quick=True), []
    monkeypatch.setattr(
        study_tables, "sample_table", lambda material, samples, targets, by: given.append(len(by)) or pd.DataFrame()
    )
    for framework in (study_tables._framework, lambda member: member.run.name):
        monkeypatch.setattr(study_tables, "_framework", framework)
        study_tables.study_results(study, folder / "out", members, {}, ())
    assert given == [1, 0]


def test_what_changes_in_the_file_is_computed_again_and_nothing_else(finished):
    folder, path, *_ = finished
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('set = { "scan', 'set = { "kmc.samples" = 90, "scan'), encoding="utf-8")
    command = ["run", str(path), "--quick", "--output", str(folder / "out")]
    ended = CliRunner().invoke(main, command)
    assert ended.exit_code == 2
    assert "found other decks for 1 of its runs, half/run the first" in ended.output.replace("\n", " ")
    path.write_text(text.replace("values = [2e12, 5e11]", "values = [3e12, 5e11]"), encoding="utf-8")
    ended = CliRunner().invoke(main, command)
    assert ended.exit_code == 0, ended.output
    assert "one_by_one/frequency-3000000000000.0" in ended.output
    assert "one_by_one/frequency-500000000000.0:" not in ended.output
    path.write_text(text, encoding="utf-8")


def test_a_refused_run_is_a_result_and_the_others_go_on(tmp_path):
    """At x = 0 with the second ion frozen nothing can move."""
    refused = ('"Me2NH2+"\' = "frozen" }', '"Me2NH2+"\' = "frozen", "scan.exchange_fractions" = [0] }')
    study = write_study(tmp_path, STUDY, refused)
    ended = CliRunner().invoke(main, ["run", str(study), "--quick", "--output", str(tmp_path / "out")])
    assert ended.exit_code == 1, ended.output
    states = json.loads((tmp_path / "out" / "study.json").read_text())
    of_status = {state["status"]: name for name, state in states.items()}
    assert of_status["refused"] == "scan/frequency-100000000000.0_second-ion-frozen"
    assert list(states.values())[-1]["status"] == "complete"
    assert "expected at least one mobile ion" in ended.output


def test_a_time_limit_ends_a_study_and_the_same_command_goes_on(tmp_path):
    """What is complete by then is in the tables."""
    study = write_study(tmp_path)
    command = ["run", str(study), "--quick", "--output", str(tmp_path / "out")]
    first = CliRunner().invoke(main, [*command, "--time-limit", "1s"])
    assert first.exit_code == 0, first.output
    assert "resume with the same command" in first.output
    for _ in range(5):
        ended = CliRunner().invoke(main, [*command, "--time-limit", "3s"])
        assert ended.exit_code == 0, ended.output
        if "resume with the same command" not in ended.output:
            break
        if " 0 of 6 runs" not in ended.output:
            assert "have not begun: the tables are a part" in ended.output
    assert CliRunner().invoke(main, command).exit_code == 0
    assert len(pd.read_csv(tmp_path / "out" / "scan.csv")) == 2


def test_a_folder_of_something_else_is_refused(tmp_path):
    study = write_study(tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("precious")
    ended = CliRunner().invoke(main, ["run", str(study), "--output", str(tmp_path / "out")])
    assert ended.exit_code == 2
    assert "expected a new folder or that of a study" in ended.output
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_a_study_that_is_none(tmp_path):
    path = tmp_path / "study.toml"
    path.write_text("[study]\n")
    with pytest.raises(InputError, match=r"study.toml:1: \[study\] title: expected"):
        read_study(path)
