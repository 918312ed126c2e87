"""`mofkmc calibrate` on listed sites whose conductivity is known in closed form, and everything it refuses.

One ion hops on a simple cubic lattice, hard cores only, with a barrier E and the attempt frequency nu:
sigma = c (1 - c) N/(N-1) · nu exp(-E/kT) a² q² / (V kT) for N sites per supercell volume N a³, so that a measured
sigma fixes nu exactly.
"""

import json
import math
import re

import numpy as np
import pandas as pd
import pytest
import tomlkit
from click.testing import CliRunner

import analysis.experiments
from runs.assumptions import footnotes
from runs.calibrate_plan import mobile_ions, plan_calibration, relation_of
from runs.calibrate_points import bracket
from runs.calibrate_record import signature
from runs.calibrate_writing import posterior_draws
from runs.cli import main
from runs.deck_changes import differences, settings_checksum
from runs.deck_file import SHIPPED_DECKS, parse_deck, read_deck
from runs.opened_run import open_results
from structures.errors import InputError
from structures.units import BOLTZMANN

A, BARRIER, CELSIUS = 4.0, 0.2, 25.0
SITES = f"""
name: simple cubic
cell_A: [{A}, {A}, {A}]
space_group: Pm-3m
framework_charge_e: -0.5
sites:
  - {{label: A, species: Li+, frac: [0, 0, 0], energy_eV: 0.0}}
  - {{label: B, species: Na+, frac: [0.5, 0.5, 0.5], energy_eV: 0.0}}
hops:
  - {{from: A, to: A, max_distance_A: {A}, barrier_eV: {BARRIER}}}
  - {{from: B, to: B, max_distance_A: {A}, barrier_eV: {BARRIER}}}
"""
DECK = """
[structure]
sites = "sites.yaml"
[species."Li+"]
contact_radius_A = 0.1
[species."Na+"]
contact_radius_A = 0.1
[landscape]
permittivity = 1000
[interactions]
coulomb = false
[rates]
model = "attempt_frequency"
attempt_frequency_Hz = 1e12
[lattice]
repeats = [4, 4, 4]
[composition]
kind = "exchange"
entering = "Li+"
leaving = "Na+"
[kmc]
events = 3000
equilibration_sweeps = 20
samples = 100
[scan]
exchange_fractions = [0, 1]
temperatures_C = [0, 25]
replicas = 4
[output]
plots = false
compare_with = "ni_mof"
[calibrate]
points = 4
[[calibrate.parameter]]
key = "rates.attempt_frequency_Hz"
range = [1e10, 1e14]
scale = "log"
[[calibrate.target]]
sample = "One"
temperature_C = 25
"""
PAPER = "paper = 'invented'\n[[sample]]\nname = 'One'\nexchange = 1.0\nsigma_25C_S_per_cm = {sigma}\n"
E_SQUARED_PER_EV_A = 1.602176634e-19 * 1e8 / 1.0  # e²/(eV Å s) in S/cm: e [C] per 1e-8 cm


def exact(nu):
    """Conductivity of half-filled hard cores, S/cm."""
    kT, N, n = BOLTZMANN * (CELSIUS + 273.15), 64, 32
    D = nu * math.exp(-BARRIER / kT) * A**2 * (N - n) / (N - 1)  # of the charge, Å²/s
    return n / (N * A**3) * D / kT * E_SQUARED_PER_EV_A


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A deck, its sites, and measurements of an invented material in place of those that are shipped."""
    (tmp_path / "sites.yaml").write_text(SITES)
    (tmp_path / "deck.toml").write_text(DECK)
    measure(tmp_path, monkeypatch, PAPER.format(sigma=exact(3e12)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def measure(folder, monkeypatch, text):
    """Let the material ni_mof have other measurements."""
    (folder / "paper.toml").write_text("[ni_mof]\n" + text.replace("[[sample]]", "[[ni_mof.sample]]"))
    monkeypatch.setattr(analysis.experiments, "REFERENCE", folder / "paper.toml")
    monkeypatch.setattr("runs.deck_checks.MEASURED_WITH", {"ni_mof": ("exchange", "Li+", "Na+")})


def calibrate(folder, *arguments, status=0):
    ended = CliRunner().invoke(main, ["calibrate", str(folder / "deck.toml"), "--threads", "1", *arguments])
    assert ended.exit_code == status, ended.output
    return ended.output


def test_an_attempt_frequency_is_found_from_one_simulation(folder):
    """Sigma is proportional to it: one run tells everything, and the interval is that of both errors."""
    said = calibrate(folder)
    out = folder / "results" / "deck_calibration"
    (row,) = pd.read_csv(out / "parameters.csv").to_dict("records")
    assert row["lo"] < 3e12 < row["hi"]
    assert row["identified"] == "yes"
    assert len(pd.read_csv(out / "points.csv")) == 1
    assert "proportional to rates.attempt_frequency_Hz" in re.sub(r"\s+", " ", said)
    deck = read_deck(out / "calibrated.toml").deck
    assert deck.rates.factor == pytest.approx(row["value"], rel=1e-3)
    assert deck.calibrate is None
    assert deck.calibrated.parameter[0].interval == pytest.approx((row["lo"], row["hi"]), rel=1e-3)
    draws = posterior_draws(out, 200, seed=3)
    assert draws == posterior_draws(out, 200, seed=3)
    values = np.log([draw["rates.attempt_frequency_Hz"] for draw in draws])
    assert values.std() == pytest.approx(math.log(row["hi"] / row["lo"]) / 3.92, rel=0.25)
    assert with_posterior_of(out, 3e12) > 0.001


def with_posterior_of(out, value):
    """Posterior weight on the far side of a value, the smaller one."""
    table = pd.read_csv(out / "posterior.csv")
    below = table.loc[table["rates.attempt_frequency_Hz"] < value, "weight"].sum()
    return min(below, 1 - below)


@pytest.mark.validation
@pytest.mark.sample
def test_the_calibrated_deck_says_so_wherever_results_are_shown(folder, monkeypatch):
    monkeypatch.setattr("runs.compare_job.source_part", lambda material: ())  # knows the real measurements only
    calibrate(folder)
    (folder / "results" / "deck_calibration" / "calibrated.toml").rename(folder / "fitted.toml")
    text = (folder / "fitted.toml").read_text().replace("../../sites.yaml", "sites.yaml")
    (folder / "fitted.toml").write_text(text)
    runner = CliRunner()
    said = [
        runner.invoke(main, ["check", "fitted.toml", "--no-trial"]).output,
        runner.invoke(main, ["run", "fitted.toml", "--threads", "1", "--set", "scan.replicas=2"]).output,
        runner.invoke(main, ["compare", "results/fitted", "--csv", "c.csv"]).output,
    ]
    check, run, compare = (re.sub(r"\s+", " ", part) for part in said)
    assert "rates.attempt_frequency_Hz" in check
    assert "One" in check
    assert "Assumptions (rates.attempt_frequency_Hz calibrated to sigma of One at 25 °C, all else predicted)" in run
    assert "nothing is calibrated" not in run
    assert "calibrated where marked" in compare
    assert pd.read_csv("c.csv")["standing"].tolist() == ["calibrated"]
    notes = footnotes(open_results(folder / "results" / "fitted").model)
    assert notes[-1].startswith("calibrated (rates.attempt_frequency_Hz = ")
    assert "not calibrated" not in " ".join(notes)
    remarks = (folder / "results" / "fitted" / "remarks.txt").read_text()
    assert "calibration: rates.attempt_frequency_Hz = " in remarks
    report = runner.invoke(main, ["report", "results/fitted"])
    assert report.exit_code == 0, report.output
    page = (folder / "results" / "fitted" / "report.html").read_text()
    assert "rates.attempt_frequency_Hz calibrated to sigma of One" in page
    assert "<td>calibrated</td>" in page or ">calibrated<" in page


def test_a_value_changed_after_the_fit_is_no_fitted_one(folder):
    from runs.calibrated import calibrated_lines, calibration_note
    from runs.deck_override import with_values

    calibrate(folder)
    file = read_deck(folder / "results" / "deck_calibration" / "calibrated.toml")
    assert not any("changed" in line for line in calibrated_lines(file.deck))
    other = with_values(file, {"rates.attempt_frequency_Hz": 5e11})
    assert any("here changed to 5e+11" in line for line in calibrated_lines(other.deck))
    assert calibration_note(file.deck).startswith("calibrated (rates.attempt_frequency_Hz = ")


@pytest.mark.validation
@pytest.mark.sample
def test_an_interrupted_calibration_goes_on_with_the_same_points(folder, monkeypatch):
    """The points are those of an undisturbed one, and what was finished is not run again."""
    with_barrier = DECK.replace("replicas = 4", "replicas = 2").replace(
        "[[calibrate.target]]",
        "[[calibrate.parameter]]\nkey = 'species.\"Li+\".contact_radius_A'\nrange = [0.1, 0.4]\n[[calibrate.target]]",
    )
    (folder / "deck.toml").write_text(with_barrier)
    calibrate(folder, "--output", "whole")
    ran = []
    from runs import calibrate_job

    whole_run = calibrate_job.whole_run

    def until_the_third(file, request):
        ran.append(request.output.name)
        if len(ran) == 3:
            raise KeyboardInterrupt
        return whole_run(file, request)

    monkeypatch.setattr(calibrate_job, "whole_run", until_the_third)
    calibrate(folder, "--output", "broken", status=130)
    calibrate(folder, "--output", "broken")
    assert ran == ["p001", "p002", "p003", "p003", "p004"]
    for name in ("points.csv", "posterior.csv", "parameters.csv", "calibrated.toml"):
        assert (folder / "broken" / name).read_bytes() == (folder / "whole" / name).read_bytes()
    ran.clear()
    calibrate(folder, "--output", "broken")  # again: nothing is simulated
    assert ran == []


def test_another_deck_does_not_go_on_in_the_folder(folder):
    calibrate(folder, "--output", "out")
    assert "expected the calibration of this deck" in calibrate(
        folder, "--output", "out", "--set", "scan.replicas=3", status=2
    )
    calibrate(folder, "--output", "out", "--set", "scan.replicas=3", "--force")
    assert len(json.loads((folder / "out" / "points.json").read_text())["sets"]) == 1
    (folder / "mine").mkdir()
    (folder / "mine" / "thesis.tex").write_text("all of it")
    assert "expected a new folder" in calibrate(folder, "--output", "mine", "--force", status=2)
    assert (folder / "mine" / "thesis.tex").is_file()


def test_what_the_measurement_does_not_fix_is_said(folder):
    """Conductivity does not depend on a contact radius below half the distance of the sites."""
    text = DECK.replace(
        "[[calibrate.target]]",
        "[[calibrate.parameter]]\nkey = 'species.\"Li+\".contact_radius_A'\nrange = [0.1, 0.4]\n[[calibrate.target]]",
    )
    (folder / "deck.toml").write_text(text)
    said = re.sub(r"\s+", " ", calibrate(folder))
    assert 'species."Li+".contact_radius_A is not identified by these measurements' in said
    rows = pd.read_csv(folder / "results" / "deck_calibration" / "parameters.csv").set_index("key")
    assert rows.loc['species."Li+".contact_radius_A', "identified"] == "no"
    assert rows.loc["rates.attempt_frequency_Hz", "identified"] == "yes"


def test_a_measurement_out_of_reach_is_said_to_be(folder, monkeypatch):
    measure(folder, monkeypatch, PAPER.format(sigma=exact(1e18)))
    said = re.sub(r"\s+", " ", calibrate(folder))
    assert "no set of parameters in the ranges reproduces the targets" in said
    assert "only bounded from below" in said


def test_choices_are_compared_by_their_evidence(folder):
    """Na+ in place of Li+ as the mass: no influence, so that neither is preferred; and the posterior holds both."""
    text = DECK.replace(
        "[[calibrate.target]]",
        "[[calibrate.parameter]]\nkey = 'species.\"Li+\".mass_amu'\nvalues = [6, 7]\n[[calibrate.target]]",
    )
    (folder / "deck.toml").write_text(text)
    said = re.sub(r"\s+", " ", calibrate(folder))
    assert "the measurements do not decide between the choices" in said
    out = folder / "results" / "deck_calibration"
    assert pd.read_csv(out / "choices.csv")["probability"].sum() == pytest.approx(1.0)
    assert {draw['species."Li+".mass_amu'] for draw in posterior_draws(out, 100)} == {6.0, 7.0}


def test_relations_are_those_of_the_ions_that_hop(folder):
    file = read_deck(folder / "deck.toml")
    by_ion = plan_of(
        file, 'rates.attempt_frequency_Hz."Li+"', 'rates.attempt_frequency_Hz."Na+"', "landscape.permittivity"
    )
    ranges = by_ion.ranges
    mixed, pure = relation_of(by_ion.file, ranges, 0.5), relation_of(by_ion.file, ranges, 0.0)
    assert (mixed.own, mixed.scale, mixed.ratios) == ((2,), 0, (1,))
    assert (pure.own, pure.scale, pure.ratios) == ((2,), 1, ())
    one = plan_of(file, 'rates.attempt_frequency_Hz."Li+"')
    assert relation_of(one.file, one.ranges, 0.5).own == (0,)
    assert relation_of(one.file, one.ranges, 0.0) == relation_of(one.file, (), 0.0)
    assert mobile_ions(file.deck, 1.0) == ["Li+"]


def test_prefactors_of_the_user_end_the_proportionality(folder):
    text = SITES.replace("barrier_eV: 0.2}", "barrier_eV: 0.2, prefactor_Hz: 1.0e+12}")
    (folder / "sites.yaml").write_text(text)
    file = read_deck(folder / "deck.toml")
    assert relation_of(file, plan_calibration(file).ranges, 1.0).scale is None


def plan_of(file, *keys):
    """Plan of a fit of these parameters."""
    document = tomlkit.parse(file.text)
    document["calibrate"]["parameter"] = [
        {"key": key, "range": [1e10, 1e14] if "Hz" in key else [4.0, 40.0], "scale": "log"} for key in keys
    ]
    return plan_calibration(parse_deck(file.path, tomlkit.dumps(document)))


def test_the_shipped_deck_fits_two_numbers_to_two_measurements():
    """Of the material's own measurements; both parameters have to be simulated, and a quick fit is a smaller one."""
    file = read_deck(SHIPPED_DECKS / "ni_mof_calibration.toml")
    plan, quick = plan_calibration(file), plan_calibration(file, quick=True)
    assert [target.sigma for target in plan.targets] == [2.19e-4, 1.28e-3]
    assert [target.exchange for target in plan.targets] == [0.0, 0.0759]
    assert all(relation.own == (0, 1) for relation in plan.relations)
    assert quick.points < plan.points
    assert quick.file.deck.scan.replicas < file.deck.scan.replicas
    one_charge = plan_calibration(read_deck(SHIPPED_DECKS / "papers" / "one_charge.toml"))
    assert [target.exchange for target in one_charge.targets] == [0.0, pytest.approx(2 * 0.0759)]


def test_a_sample_may_have_another_exchange_fraction_than_in_its_paper(folder):
    """The exchange fraction of a target may be given; other ones make another calibration."""
    file, one = read_deck(folder / "deck.toml"), 'sample = "One"\n'
    (folder / "other.toml").write_text(DECK.replace(one, f"{one}exchange = 0.9\n"))
    other = read_deck(folder / "other.toml")
    assert signature(plan_calibration(file)) != signature(plan_calibration(other))
    (folder / "wrong.toml").write_text(DECK.replace(one, f"{one}exchange = 9\n"))
    with pytest.raises(InputError, match=r"target\]\] 1, exchange: expected 0 to 1, found 9"):
        read_deck(folder / "wrong.toml")


def test_loadings_around_that_of_a_sample():
    from analysis.calibration import Target

    target = Target("S", 0.0759, 298.15, 1e-3, 0.1)
    (low, a), (high, b) = bracket(target, [0, 8 / 108, 9 / 108, 1])
    assert (low, high) == (8 / 108, 9 / 108)
    assert a * low + b * high == pytest.approx(0.0759)
    assert bracket(Target("S", 0.0, 298.15, 1e-3, 0.1), [0, 0.5, 1]) == ((0.0, 1.0),)
    with pytest.raises(InputError, match=r"expected loadings around x = 0\.0759"):
        bracket(target, [0.5, 1.0])


NU = 'key = "rates.attempt_frequency_Hz"'
RANGE = "range = [1e10, 1e14]"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (NU, 'key = "rates.frequency"', "unknown key frequency"),
        (NU, 'key = "permittivity"', "expected the name of a table and a key"),
        (NU, 'key = "structure.sites"', "expected a key that holds a number, found structure.sites"),
        (NU, 'key = "scan.seed"', "expected a number of the model, in one of [structure]"),
        (NU, 'key = "rates.model"', "expected a key that holds a number"),
        (RANGE, "range = [1e3, 1e14]", "range: 1000 is not possible: [rates] attempt_frequency_Hz"),
        (RANGE, "range = [1e14, 1e10]", "expected a lower and a higher value"),
        (RANGE, "range = [-1, 1]", 'expected positive values for scale = "log"'),
        (RANGE, "", "expected either range or values, found neither"),
        (RANGE, f"{RANGE}\nvalues = [1e10, 1e12]", "expected either range or values, found both"),
        (RANGE, "values = [1e12]", "expected at least two to choose from"),
        (RANGE, "values = [1e12, 1e12]", "expected different ones"),
        (RANGE, 'range = ["a", 1]', "[[calibrate.parameter]] 1, range"),
        (
            "[[calibrate.target]]",
            f"[[calibrate.parameter]]\n{NU}\n{RANGE}\n[[calibrate.target]]",
            "expected every key once",
        ),
        ('sample = "One"', 'sample = "Two"', "expected one of One (ni_mof), found Two"),
        (
            "temperature_C = 25\n",
            "temperature_C = 30\n",
            "expected one of 25, at which a conductivity of One is printed",
        ),
        ('compare_with = "ni_mof"', 'compare_with = "nothing"', "compare_with: expected the material"),
        ("points = 4", "points = 1", "[calibrate] points"),
        ("points = 4", "measured_relative_error = 0", "measured_relative_error"),
        ("points = 4", "pints = 4", "unknown key pints; did you mean points?"),
        (DECK[DECK.index("[calibrate]") :], "", "expected a table [calibrate]"),
        (
            '[[calibrate.target]]\nsample = "One"\ntemperature_C = 25\n',
            '[[calibrate.target]]\nsample = "One"\ntemperature_C = 25\n' * 2,
            "expected every measurement once",
        ),
        ("attempt_frequency_Hz = 1e12\n", "attempt_frequency_Hz = 1e11\n", None),
    ],
)
def test_bad_input_is_one_line(folder, old, new, words):
    """What, where, expected, found; nothing is computed and nothing is left behind."""
    assert old in DECK
    text = DECK.replace(old, new, 1)
    if words is None:  # a factor by ion that would take away the one of all ions
        text = text.replace(NU, "key = 'rates.attempt_frequency_Hz.\"Li+\"'")
        words = "expected [rates] attempt_frequency_Hz to be a table by ion, found 1e+11 for all ions"
    (folder / "deck.toml").write_text(text)
    said = calibrate(folder, status=2)
    assert words in said
    assert len(said.strip().splitlines()) == 1
    assert not (folder / "results").exists()


def test_every_set_of_parameters_has_random_numbers_of_its_own(folder):
    """A parameter without any influence: the same numbers at every set would make errors that never average out."""
    text = DECK.replace('key = "rates.attempt_frequency_Hz"', "key = 'species.\"Li+\".contact_radius_A'")
    (folder / "deck.toml").write_text(text.replace('range = [1e10, 1e14]\nscale = "log"', "range = [0.1, 0.4]"))
    calibrate(folder, "-q")
    table = pd.read_csv(folder / "results" / "deck_calibration" / "points.csv")
    assert table["ln sigma One 25 C"].nunique() == len(table) == 4


def test_what_is_or_was_fitted_changes_no_number_of_a_run(folder):
    """A finished run goes on when only these tables of its deck change."""
    file = read_deck(folder / "deck.toml")
    plain = parse_deck(file.path, DECK[: DECK.index("[calibrate]")])
    assert settings_checksum(file.deck) == settings_checksum(plain.deck)
    assert not differences(file.deck, plain.deck)
