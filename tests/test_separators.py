"""Separators with intervals: draws against linear propagation, kinds of polarisation, cells of the papers, runs."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from pairs import L_TRUE, correlated

from analysis.cells import FARADAY, nernst_einstein_diffusivity
from analysis.displacements import Displacements
from analysis.measured_cells import (
    geometry,
    largest_loadings,
    measured_cells,
    measured_separator,
    onset_table,
    overpotential_shares,
    rate_table,
)
from analysis.onsager import onsager_matrix
from analysis.separators import Separator, characteristics, loss_table
from analysis.separators_of_run import separator_of_run
from analysis.statistics import Interval, normal_quantile
from structures.errors import InputError
from structures.units import BOLTZMANN, IONS_PER_A3_AT_1_MOL_PER_L

NAN = float("nan")
KT = BOLTZMANN * 298.15


def known(value, error=0.0):
    """A number with the 95 % interval of a standard error of its logarithm."""
    half = np.exp(normal_quantile() * error)
    return Interval(value, value / half, value * half) if error else Interval(value, NAN, NAN)


def separator(**changes):
    plain = {"sigma": known(1e-3), "t_Li": known(0.4), "salt_mol_per_L": 1.0}
    return Separator(**{"thickness_cm": 0.1, "area_cm2": 0.75, **plain, **changes})


def test_errors_propagate():
    """i_lim = 4 t sigma kT / (e L) with errors 0.1 and 0.05 of the logarithms; the ohmic drop has that of sigma."""
    t = Interval(0.4, *1 / (1 + 1.5 * np.exp(np.array([1, -1]) * normal_quantile() * 0.05 / 0.6)))
    one = separator(sigma=known(1e-3, 0.1), t_Li=t)
    i_lim = characteristics(one)["limiting current (mA/cm2)"]
    assert i_lim.value == pytest.approx(1e3 * 4 * 0.4 * 1e-3 * KT / 0.1)
    assert i_lim.log_error == pytest.approx(np.hypot(0.1, 0.05), rel=0.06)
    row = loss_table(one, [0.1]).iloc[0]
    assert np.log(row["ohmic hi (mV)"] / row["ohmic lo (mV)"]) / 2 / normal_quantile() == pytest.approx(0.1, rel=0.06)
    assert row["steady lo (mV)"] < row["steady (mV)"] < row["steady hi (mV)"]
    assert row["concentration (mV)"] == pytest.approx(row["steady (mV)"] - row["ohmic (mV)"])


def test_a_known_diffusivity_takes_the_place_of_that_of_nernst_and_einstein():
    own = nernst_einstein_diffusivity(1e-3, 0.4, 1e-3)
    same = loss_table(separator(D_salt=known(float(own))), [0.1, 1.0])
    assert same.equals(loss_table(separator(), [0.1, 1.0]))
    half = characteristics(separator(D_salt=known(float(own) / 2)))
    assert half["limiting current (mA/cm2)"].value == pytest.approx(2e3 * 0.4 * 1e-3 * KT / 0.1)


def test_above_the_limiting_current_there_is_a_time_and_no_steady_voltage():
    table = loss_table(separator(), [0.1, 5.0])
    assert table["transition time (s)"].tolist()[0] == np.inf
    assert table["steady (mV)"].tolist()[1] == np.inf
    assert table["transition time (s)"][1] == pytest.approx(table["Sand time (s)"][1], rel=1e-5)


def test_pores_and_detours():
    """Ohmic drop with tortuosity/porosity, limiting current with its inverse, Sand's time with porosity²/tortuosity."""
    plain, inner = separator(), separator(porosity=0.5, tortuosity=3.0)
    first, second = (loss_table(one, [8.0]).iloc[0] for one in (plain, inner))
    assert second["ohmic (mV)"] == pytest.approx(6 * first["ohmic (mV)"])
    assert second["Sand time (s)"] == pytest.approx(first["Sand time (s)"] * 0.25 / 3)
    limits = [characteristics(one)["limiting current (mA/cm2)"].value for one in (plain, inner)]
    assert limits[1] == pytest.approx(limits[0] / 6)
    assert "porosity 0.5 and tortuosity 3 as given" in inner.assumptions
    assert any("tortuosity/porosity" in line for line in plain.assumptions)


def test_kinds():
    assert separator().kind == "salt"
    assert separator(t_Li=known(1.0)).kind == "single ion"
    assert separator(salt_mol_per_L=None).kind == "small currents"
    few = separator(salt_mol_per_L=None, exchange=0.1)
    assert few.kind == "counter-ions"
    row = loss_table(separator(salt_mol_per_L=None), [0.1]).iloc[0]
    assert row["steady (mV)"] == pytest.approx(row["ohmic (mV)"] / 0.4)
    assert np.isnan(row["i / i_lim"])
    single = loss_table(separator(t_Li=known(1.0)), [0.1]).iloc[0]
    assert single["concentration (mV)"] == 0
    assert single["transition time (s)"] == np.inf
    timed = loss_table(replace(few, counter_ions_mol_per_L=2.0), [0.01, 5.0])
    assert timed["transition time (s)"][0] == np.inf
    assert timed["transition time (s)"][1] == timed["Sand time (s)"][1]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sigma": known(-1.0)}, "sigma: expected a finite number above 0; found -1"),
        ({"sigma": Interval(1.0, 2.0, 3.0)}, "sigma: expected 1 within its interval; found 2 to 3"),
        ({"t_Li": known(1.2)}, "t_Li: expected a number from 0 to 1; found 1.2"),
        ({"tortuosity": 0.5}, "tortuosity: expected a number of at least 1; found 0.5"),
        ({"exchange": 0.1}, "salt and exchange: expected one of them"),
        ({"thickness_cm": np.nan}, "thickness_cm: expected a finite number above 0"),
    ],
)
def test_what_is_no_separator_is_refused(changes, said):
    with pytest.raises(InputError, match=said):
        separator(**changes)


def test_overpotential_of_the_paper():
    """0.1 mA/cm² · 300 µm / 1.28e-3 S/cm = 2.34 mV of 140; with t = 0.76 the steady state has 1/t of it, nearly."""
    table = overpotential_shares()
    best = table[(table["separator"] == "Li@Ni-MOF-2") & (table["polarises"] == "salt")].iloc[0]
    assert best["ohmic (mV)"] == pytest.approx(0.1 * 0.03 / 1.28e-3)
    assert best["ohmic share"] == pytest.approx(0.0167, abs=1e-4)
    assert best["steady (mV)"] == pytest.approx(best["ohmic (mV)"] / 0.76, rel=1e-3)
    assert best["rest (mV)"] == pytest.approx(140 - best["steady (mV)"])
    assert set(table["separator"]) >= {"Ni-MOF", "Li@Ni-MOF-1", "Li@Ni-MOF-3", "Li@Ni-MOF-2-140d"}
    bare = table[table["separator"] == "Li@Ni-MOF-3"].iloc[0]
    assert bare["polarises"] == "t_Li not printed"
    assert np.isnan(bare["steady (mV)"])
    assert bare["ohmic share"] == pytest.approx(0.1 * 0.03 / 4.03e-4 / 140)


def test_cells_of_the_papers():
    assert geometry("mof5") == pytest.approx((0.1, np.pi / 4 * 0.967**2))
    assert geometry("ni_mof") == pytest.approx((0.03, np.pi / 4 * 1.6**2))
    lto, graphite = measured_cells("mof5")
    (lfp,) = measured_cells("ni_mof")
    assert [rate.mA_per_g for rate in lto.rates] == [35, 87.5, 175, 525, 875, 1750]
    assert [rate.mA_per_g for rate in graphite.rates] == [200, 400, 600, 800, 1000]
    assert (lfp.name, lfp.full, lfp.rates[-1].mA_per_g) == ("ni_mof LFP", 140.11, 340)
    with pytest.raises(InputError, match="Li@Ni-MOF-2, Ni-MOF of ni_mof; found Li@Ni-MOF-1"):
        measured_separator("ni_mof", "Li@Ni-MOF-1")


def test_what_gets_through_at_the_rates():
    """i · transition time per gram, above the limiting current; all of it below."""
    lto, one = measured_cells("mof5")[0], separator()
    table = rate_table(lto, one, [0.1, 1.0])
    low, high = (table[table["areal (mAh/cm2)"] == areal].set_index("rate") for areal in (0.1, 1.0))
    assert (low["transport (mAh/g)"] == 210).all()
    assert low.loc["10C", "share of loss"] == 0
    row = high.loc["10C"]
    assert row["i (mA/cm2)"] == pytest.approx(1750 / 210)
    assert row["transport (mAh/g)"] == pytest.approx(1750 * row["transition time (s)"] / 3600)
    assert row["share of loss"] == pytest.approx((210 - row["transport (mAh/g)"]) / (210 - 0.8))
    assert np.isnan(high.loc["0.2C", "share of loss"])
    assert not high.loc["5C", "loading possible"]


@pytest.mark.parametrize("inner", [{}, {"porosity": 0.5, "tortuosity": 1.5}])
def test_onset_and_largest_loading_are_where_the_table_turns(inner):
    lto, one = measured_cells("mof5")[0], separator(**inner)
    onset = onset_table(lto, one, [1.0]).iloc[0]
    fast = replace(lto, rates=(lto.rates[0], replace(lto.rates[1], mA_per_g=onset["capacity lost (mA/g)"] * 1.001)))
    slow = replace(lto, rates=(lto.rates[0], replace(lto.rates[1], mA_per_g=onset["capacity lost (mA/g)"] * 0.999)))
    through = [rate_table(cell, one, [1.0])["transport (mAh/g)"][1] for cell in (fast, slow)]
    assert through[0] < 210
    assert through[1] == 210
    most = largest_loadings(lto, one).set_index("rate").loc["5C", "areal at most (mAh/cm2)"]
    allowed = [rate_table(lto, one, [most * f]).set_index("rate").loc["5C", "loading possible"] for f in (0.99, 1.01)]
    assert allowed == [True, False]
    assert onset["no steady state (mA/g)"] == pytest.approx(
        characteristics(one)["limiting current (mA/cm2)"].value * 210
    )


def run_of(names, **changes):
    data = correlated(1, n_steps=3000)
    values = {name: getattr(data, name) for name in data.__slots__} | {"species_names": names} | changes
    return SimpleNamespace(folder=Path("run"), displacements=lambda *_: Displacements(**values))


def test_separator_of_a_run_with_a_salt():
    """Small currents see i L / (sigma t_steady) exactly, whatever the coefficients; D is that of the matrix."""
    run = run_of(("Li+", "PF6-"))
    one = separator_of_run(run, 1.0, 300.0, thickness_cm=0.1, area_cm2=1.0)
    sigma = onsager_matrix(run.displacements()).sigma
    assert one.kind == "salt"
    assert one.salt_mol_per_L == pytest.approx(8 / 2e4 / IONS_PER_A3_AT_1_MOL_PER_L)
    assert one.t_Li.value == pytest.approx(sigma[0].sum() / sigma.sum())
    per = 2 * BOLTZMANN * 300 / (FARADAY * one.salt_mol_per_L * 1e-3)
    assert one.D_salt is not None
    assert one.D_salt.value == pytest.approx(per * np.linalg.det(sigma) / sigma.sum())
    truth = per * np.linalg.det(L_TRUE) / L_TRUE.sum() ** 2 * one.sigma.value
    assert one.D_salt.lo < truth < one.D_salt.hi
    row = loss_table(one, [1e-6]).iloc[0]
    steady = (sigma[0, 0] - sigma[0, 1] ** 2 / sigma[1, 1]) / sigma.sum()
    assert row["ohmic (mV)"] / row["steady (mV)"] == pytest.approx(steady, rel=1e-6)


def test_separator_of_a_run_with_counter_ions():
    cations = run_of(("Li+", "Me2NH2+"), charge=np.array([1.0, 1.0]))
    one = separator_of_run(cations, 0.5, 300.0, thickness_cm=0.1, area_cm2=1.0)
    assert one.kind == "counter-ions"
    assert one.exchange == 0.5
    assert one.counter_ions_mol_per_L == pytest.approx(16 / 2e4 / IONS_PER_A3_AT_1_MOL_PER_L)
    with pytest.raises(InputError, match=r"expected mobile Li\+"):
        separator_of_run(run_of(("Na+", "PF6-")), 0.5, 300.0, thickness_cm=0.1, area_cm2=1.0)
