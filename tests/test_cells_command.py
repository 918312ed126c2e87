"""`mofkmc cells`: from options, from the papers, from a run; mistakes are one line."""

from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result
from small_run import write_small_run

from runs.cli import main

GIVEN = ("--sigma", "1.28e-3", "--t-li", "0.76", "--thickness-um", "300")


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["cells", *(str(argument) for argument in arguments)])


def test_from_options(tmp_path):
    result = call(*GIVEN, "--salt-mol-per-L", 1, "--current-mA-per-cm2", 0.1, "--output", tmp_path / "o")
    assert result.exit_code == 0, result.output
    row = pd.read_csv(tmp_path / "o" / "cells.csv").iloc[0]
    assert row["ohmic (mV)"] == pytest.approx(2.34375)
    assert (tmp_path / "o" / "cells.png").stat().st_size > 10_000
    assert "limiting current (mA/cm2)" in result.output
    assert "dilute 1:1 salt" in result.output


def test_intervals_of_options_and_both_ions(tmp_path):
    result = call("--sigma", "1e-3,8e-4,1.3e-3", "--t-li", "0.4,0.3,0.5", "--thickness-um", 100, "--salt-mol-per-L", 1,
                  "--D-li", 1e-7, "--D-anion", 3e-7, "--current-mA-per-cm2", 1, "--output", tmp_path)  # fmt: skip
    assert result.exit_code == 0, result.output
    row = pd.read_csv(tmp_path / "cells.csv").iloc[0]
    assert row["ohmic lo (mV)"] < row["ohmic (mV)"] == 10 < row["ohmic hi (mV)"]
    assert "1.5e-07" in result.output


def test_beside_the_cells_of_a_paper(tmp_path):
    result = call("--sigma", "1e-3", "--t-li", "0.4", "--salt-mol-per-L", 1, "--experiment", "mof5",
                  "--areal-mAh-per-cm2", 0.5, "--output", tmp_path)  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "mof5 LTO" in result.output
    assert len(pd.read_csv(tmp_path / "cells_rates.csv")) == 11
    assert len(pd.read_csv(tmp_path / "cells_onset.csv")) == 2


def test_a_measured_sample(tmp_path):
    result = call("--experiment", "ni_mof", "--sample", "Li@Ni-MOF-2", "--output", tmp_path)
    assert result.exit_code == 0, result.output
    table = pd.read_csv(tmp_path / "cells_overpotential.csv")
    assert table[table["separator"] == "Li@Ni-MOF-2"]["ohmic (mV)"].tolist() == pytest.approx([2.34375] * 2)
    assert "300 µm and 2.01 cm²" in result.output


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("small")
    deck = write_small_run(folder, ("exchange_fractions = [0.5, 1]", "exchange_fractions = [0.5]"))
    result = CliRunner().invoke(main, ["run", str(deck), "--output", str(folder / "run"), "--quiet"])
    assert result.exit_code == 0, result.output
    return folder / "run"


def test_from_a_run(made, tmp_path):
    result = call(made, "--thickness-um", 100, "--temperature-C", 27, "--output", tmp_path)
    assert result.exit_code == 0, result.output
    row = pd.read_csv(tmp_path / "cells.csv").iloc[0]
    assert row["ohmic lo (mV)"] < row["ohmic (mV)"] < row["ohmic hi (mV)"]
    assert "counter-ions" in result.output


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "--thickness-um: expected the thickness of the separator"),
        (("--thickness-um", 300), "--sigma and --t-li: expected a value"),
        (("--thickness-um", 300, "--sigma", "1e-3"), "--t-li: expected a value"),
        ((*GIVEN, "--D-salt", "1e-7"), "--D-salt: expected --salt-mol-per-L with it"),
        ((*GIVEN, "--salt-mol-per-L", 1, "--D-li", 1e-7), "--D-li: expected both of --D-li and --D-anion"),
        ((*GIVEN, "--salt-mol-per-L", 1, "--exchange", 0.1), "salt and exchange: expected one of them"),
        ((*GIVEN, "--loading", 1), "--loading: expected the FOLDER of a run"),
        ((*GIVEN, "--experiment", "mof-5"), "--experiment: expected one of ni_mof, mof5"),
        ((*GIVEN, "--sample", "Li@Ni-MOF-2"), "--sigma: expected none with --sample"),
        (("--experiment", "ni_mof", "--sample", "x"), "sample: expected one with printed sigma"),
        (("--experiment", "ni_mof", "--sample", "Ni-MOF", "--temperature-C", 60), "--temperature-C: expected 25"),
        (("nowhere", "--thickness-um", 1), "nowhere: expected the folder of a run; found none"),
        (("--sigma", "1e-3", "--t-li", "1.2", "--thickness-um", 1), "t_Li: expected a number from 0 to 1; found 1.2"),
    ],
)
def test_mistakes_are_one_line(tmp_path, options, said):
    result = call(*options, "--output", tmp_path / "none")
    assert result.exit_code == 2, result.output
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("mofkmc: ")]
    assert said in line
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--sigma", "1e-3,2e-3", "expected VALUE or VALUE,LO,HI"),
        ("--sigma", "abc", "expected VALUE or VALUE,LO,HI"),
        ("--sigma", "-1e-3", "expected a value above 0"),
        ("--t-li", "0.5,0.6,0.7", "within its interval"),
        ("--thickness-um", "-3", "expected a number above 0"),
        ("--current-mA-per-cm2", "0", "expected a number above 0"),
        ("--porosity", "0", "0"),
        ("--tortuosity", "0.5", "0.5"),
    ],
)
def test_wrong_values_of_options(option, value, said):
    result = call(*GIVEN, option, value)
    assert result.exit_code == 2
    assert said in result.stderr


def test_help_has_examples():
    result = call("--help")
    assert result.exit_code == 0
    assert result.output.count("mofkmc cells") >= 5
