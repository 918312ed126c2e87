"""Measured figures, and computed ones beside them with their intervals; files of the user are checked."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.experiments import (
    REFERENCE,
    assumed_exchanges,
    compared_transference,
    comparison,
    materials,
    measured,
    measured_activation,
    measured_transference,
    measurements,
    paper,
)
from structures.errors import InputError


def computed(error: float = 0.1) -> pd.DataFrame:
    """Sigma T exact in x (exponential) and 1/T (Arrhenius); 95 % intervals of one standard error of the logarithm."""
    rows = []
    for x in (0, 0.1, 0.5):
        for T in (250.0, 290.0, 373.15):
            half = stats.norm.ppf(0.975) * error
            value = sigma(x, T)
            rows.append(
                {
                    "x": x,
                    "T (K)": T,
                    "sigma (S/cm)": value,
                    "sigma lo (S/cm)": value * np.exp(-half),
                    "sigma hi (S/cm)": value * np.exp(half),
                }
            )
    return pd.DataFrame(rows)


def sigma(x: float, T: float) -> float:
    return 0.3 * np.exp(2 * x - 2000 / T) / T


def test_measured_points_of_the_paper():
    rows = measured("ni_mof")
    at_25 = {r.sample: r for r in rows if r.temperature == 298.15}
    assert at_25["Li@Ni-MOF-2"].sigma == 1.28e-3
    assert at_25["Li@Ni-MOF-2"].exchange == 0.0759
    assert {r.temperature for r in rows if r.sample == "Ni-MOF"} == {243.15, 298.15, 373.15}
    assert measured("mof5") == ()
    assert sorted(r.E_a for r in measured_activation("ni_mof") if r.sample == "Ni-MOF") == [0.14, 0.19, 0.26]
    assert [(t.sample, t.t_Li) for t in measured_transference("ni_mof")] == [("Ni-MOF", 0.57), ("Li@Ni-MOF-2", 0.76)]
    assert materials()[:2] == ("ni_mof", "mof5")
    with pytest.raises(InputError, match="expected one of ni_mof, mof5"):
        measured("ni-mof")


def test_comparison_interpolates_between_computed_points():
    """What is exact in x and 1/T is interpolated exactly; outside of the computed points there is nothing."""
    table = comparison("ni_mof", computed()).set_index(["sample", "T (K)"])
    row = table.loc[("Li@Ni-MOF-2", 298.15)]
    assert row["computed (S/cm)"] == pytest.approx(sigma(0.0759, 298.15))
    assert row["computed/measured"] == pytest.approx(sigma(0.0759, 298.15) / 1.28e-3)
    outside = ("Li@Ni-MOF-2", 233.15)
    assert table.loc[outside, ["computed (S/cm)", "ratio lo", "ratio hi", "z"]].isna().all()


def test_a_sample_without_an_exchange_fraction_has_that_of_the_one_it_was(tmp_path):
    """After 140 days Li@Ni-MOF-2 is compared at the x it began with, and the table says so."""
    table = comparison("ni_mof", computed()).set_index(["sample", "T (K)"])
    old, fresh = table.loc[("Li@Ni-MOF-2-140d", 298.15)], table.loc[("Li@Ni-MOF-2", 298.15)]
    assert old["computed (S/cm)"] == fresh["computed (S/cm)"]
    assert (old["x of"], fresh["x of"]) == ("Li@Ni-MOF-2", "")
    (line,) = assumed_exchanges("ni_mof")
    assert line.startswith("Li@Ni-MOF-2-140d: no exchange fraction")
    path = tmp_path / "mine.toml"
    path.write_text('[[sample]]\nname = "a"\nexchange = 0.1\n[[sample]]\nname = "ab"\nsigma_25C_S_per_cm = 1e-3\n')
    assert measured(str(path))[0].exchange is None


def test_every_measured_figure_is_listed():
    mof5, ni = measurements("mof5"), measurements("ni_mof")
    assert set(mof5["of"]) == {"LTO cell", "graphite cell", "powder"}
    assert mof5[mof5["at"] == "10C"]["measured"].tolist() == [0.8]
    assert set(ni["quantity"]) == {"sigma", "E_a", "t_Li", "discharge capacity", "overpotential"}
    assert len(ni[ni["quantity"] == "sigma"]) == len(measured("ni_mof")) == 11
    assert ni[ni["of"] == "Li@Ni-MOF-2-140d"]["remark"].unique().tolist() == ["x of Li@Ni-MOF-2 assumed"]


def test_no_figure_of_the_papers_has_been_changed():
    """The file as it was transcribed: a changed value would make every comparison another one."""
    digest = hashlib.sha256(REFERENCE.read_bytes()).hexdigest()
    assert digest == "befd5936cac0c9935b417bde4d4590ffa11822b395124268758dedfb9233d838"


def test_interval_and_z_follow_from_those_of_the_points():
    """At a computed point the error is that of the point; halfway between two in 1/T it is 1/sqrt(2) of it."""
    table = comparison("ni_mof", computed()).set_index(["sample", "T (K)"])
    at_point = table.loc[("Ni-MOF", 373.15)]
    assert at_point["ratio hi"] / at_point["ratio lo"] == pytest.approx(np.exp(2 * stats.norm.ppf(0.975) * 0.1))
    assert at_point["z"] == pytest.approx(np.log(at_point["computed/measured"]) / 0.1)
    between = table.loc[("Li@Ni-MOF-2", 373.15)]
    share = 0.0759 / 0.1
    assert between["z"] == pytest.approx(
        np.log(between["computed/measured"]) / (0.1 * np.hypot(share, 1 - share)), rel=1e-6
    )


@pytest.mark.parametrize(("computed_t", "end"), [(0.95, 0.90), (0.40, 0.55)])
def test_z_of_a_transference_number_takes_the_end_that_faces_the_measurement(tmp_path, computed_t, end):
    """Intervals within 0 to 1 are not symmetric: below the value where the measured one is lower, and above."""
    path = tmp_path / "mine.toml"
    path.write_text('paper = "p"\n[[sample]]\nname = "a"\nexchange = 0.1\nt_Li = 0.7\n')
    row = {"species": "Li+", "x": 0.1, "T (K)": 298.15, "t steady": computed_t}
    ends = {"t steady lo": min(end, computed_t - 0.01), "t steady hi": max(end, computed_t + 0.01)}
    found = compared_transference(str(path), pd.DataFrame([row | ends])).iloc[0]
    assert found["z"] == pytest.approx((computed_t - 0.7) / (abs(computed_t - end) / stats.norm.ppf(0.975)))


def test_without_an_interval_there_is_a_ratio_but_no_z():
    row = comparison("ni_mof", computed().assign(**{"sigma lo (S/cm)": np.nan})).iloc[0]
    assert np.isfinite(row["computed/measured"])
    assert np.isnan([row["z"], row["ratio lo"]]).all()


def test_figures_of_the_user_with_their_error(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(
        'paper = "our notebook"\n[[sample]]\nname = "pellet 3"\nexchange = 0.1\nsigma_17C_S_per_cm = 1e-3\n'
        "relative_error = 0.3\nt_Li = 0.5\n"
    )
    (row,) = comparison(str(path), computed()).to_dict("records")
    assert row["T (K)"] == 290.15
    assert row["z"] == pytest.approx(np.log(row["computed/measured"]) / np.hypot(0.3, 0.1), rel=0.01)
    assert paper(str(path)) == "our notebook"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[sample]]\nexchange = 0.1\n", "expected a name in .* number 1"),
        ('[[sample]]\nname = "a"\nsigma_25C_S_per_cm = -1e-3\n', "expected a conductivity in S/cm, found -0.001"),
        ('[[sample]]\nname = "a"\nsigma_25C_S_per_cm = "1e-3"\n', "expected a conductivity in S/cm"),
        ('[[sample]]\nname = "a"\nsigma_25C_S_per_cm = nan\n', "expected a conductivity in S/cm, found nan"),
        ('[[sample]]\nname = "a"\nexchange = 7.6\n', "expected a number from 0 to 1, found 7.6"),
        ("sample = 3\n", "expected tables"),
        ("paper = 'p'\n", "expected tables .* found none"),
        ("not toml", "expected TOML"),
    ],
)
def test_wrong_figures_of_the_user_are_one_line(tmp_path, text, said):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=said) as raised:
        comparison(str(path), computed())
    assert str(raised.value).startswith(str(path))
    assert "\n" not in str(raised.value)
    with pytest.raises(InputError, match="No such file"):
        measured(str(tmp_path / "none.toml"))
