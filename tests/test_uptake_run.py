"""A framework that has taken up salt, from the deck to every table: three ions, of which x counts two."""

import pandas as pd
import pytest
from click.testing import CliRunner
from small_run import SITES, write_small_run

from analysis import open_run
from runs.cli import main

ANION = "  - {label: C, species: PF6-, frac: [0.25, 0.25, 0.25], energy_eV: -0.5}\nhops:\n"
HOPS = "  - {from: C, to: C, max_distance_A: 6.5, barrier_eV: 0.22}\n"
UPTAKE = ('leaving = "Me2NH2+"', 'leaving = "Me2NH2+"\nuptake = { anion = "PF6-", mol_per_L = 0.5 }')


@pytest.fixture(scope="module")
def soaked(tmp_path_factory):
    """Eight counter-ions and four pairs of salt: 0.5 mol/L of eight cells of 12 Å is 4.16 of them."""
    folder = tmp_path_factory.mktemp("soaked")
    fewer = ("exchange_fractions = [0.5, 1]", "exchange_fractions = [0, 0.5]")
    path = write_small_run(folder, UPTAKE, fewer)
    (folder / "sites.yaml").write_text(SITES.replace("hops:\n", ANION) + HOPS, encoding="utf-8")
    ended = CliRunner().invoke(main, ["run", str(path), "--output", str(folder / "out"), "--threads", "1"])
    assert ended.exit_code == 0, ended.output
    return folder / "out", " ".join(ended.stdout.split())


def test_tables_hold_all_three_ions_and_x_counts_the_counter_ions(soaked):
    folder, _ = soaked
    table = pd.read_csv(folder / "summary.csv")
    assert table["x"].tolist() == [0.0, 0.5]
    assert table[["n(Li+)", "n(Me2NH2+)", "n(PF6-)"]].to_numpy().tolist() == [[4, 8, 4], [8, 4, 4]]


def test_shares_of_the_current_are_known_without_any_exchange(soaked):
    """Li+ of the salt carries current at x = 0; the three shares are all of it, a steady-state one is within 0 to 1."""
    folder, _ = soaked
    frame = open_run(folder).transference().to_frame()
    pristine = frame[frame["x"] == 0.0].set_index("species")
    assert pristine["t"].sum() == pytest.approx(1.0)
    assert 0 < pristine.loc["Li+", "t steady"] < 1
    assert set(pristine.index) == {"Li+", "Me2NH2+", "PF6-"}


def test_the_salt_is_stated_with_the_results(soaked):
    folder, printed = soaked
    assert "salt taken up: 4 Li+ and 4 PF6- in the supercell besides the counter-ions, 0.48 mol/L (0.5 asked" in printed
    assert "Li+ is mobile, Me2NH2+ is mobile, PF6- is mobile" in printed
    assert "x counts the counter-ions alone" in (folder / "remarks.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "command", ["status", *(pytest.param(name, marks=pytest.mark.validation) for name in ("analyse", "report"))]
)
def test_every_command_takes_three_ions(soaked, command):
    folder, _ = soaked
    ended = CliRunner().invoke(main, [command, str(folder)])
    assert ended.exit_code == 0, ended.output
    if command == "report":
        page = next(folder.glob("*.html")).read_text(encoding="utf-8")
        assert "0.5 mol/L of Li+ PF6- taken up" in page
        assert "steady-state, PF6⁻" in page


def test_wrong_uptakes_are_refused_in_one_line(tmp_path):
    for given, words in (
        ('{ anion = "PF6-" }', "[composition] uptake.mol_per_L: expected a value of 0 to 30 mol/L, found none"),
        ('{ anion = "PF6-", mol_per_L = 100 }', "[composition] uptake.mol_per_L: expected 0 to 30 mol/L, found 100"),
        ('{ anion = "Li+", mol_per_L = 1 }', "[composition] expected three different species, found Li+ twice"),
        ('{ anion = "X-", mol_per_L = 1 }', "or a table [species.\"X-\"], found 'X-'"),
        ('{ salt = "LiPF6", mol_per_L = 1 }', "[composition] uptake: unknown key salt"),
        ("1.0", "[composition] uptake: expected a table, found 1.0"),
    ):
        changes = (UPTAKE[0], f"{UPTAKE[0]}\nuptake = {given}")
        ended = CliRunner().invoke(main, ["check", str(write_small_run(tmp_path, changes)), "--no-trial"])
        assert ended.exit_code == 2
        assert words in ended.output
        assert "Traceback" not in ended.output
