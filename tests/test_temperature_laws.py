"""One line, two lines, VFT and windows on laws that are known."""

import numpy as np
import pytest
from synthetic import arrhenius_diffusivity, record

from analysis.experiments import measured
from analysis.point import transport_at
from analysis.statistics import Interval, chi2_interval
from analysis.temperature_laws import arrhenius, temperature_laws
from structures.units import BOLTZMANN, CELSIUS_ZERO

T = 1 / np.linspace(1 / 233.15, 1 / 373.15, 9)
BREAK = 283.15
E_HOT, E_COLD = 0.14, 0.26


def one_line(T, E_a=0.3):
    return 1e-3 * np.exp(-E_a / BOLTZMANN * (1 / T - 1 / 300)) * 300 / T


def two_lines(T):
    """E_HOT above the break, E_COLD below it, continuous; 0.05 S K/cm there."""
    beta = 1 / BOLTZMANN * (1 / T - 1 / BREAK)
    return 0.05 * np.exp(-np.where(beta < 0, E_HOT, E_COLD) * beta) / T


def vft(T, T_0=180.0, B=0.05):
    return 30.0 * np.exp(-B / (BOLTZMANN * (T - T_0))) / T


def exact(values, factor=1.02):
    return [Interval(v, v / factor, v * factor) for v in values]


def sampled(values, dof, rng):
    return [chi2_interval(float(v * rng.chisquare(dof) / dof), dof) for v in values]


def by_name(fit):
    return {law.name: law for law in fit.laws}


def test_exact_break_and_both_energies():
    law = by_name(temperature_laws(T.tolist(), exact(two_lines(T))))["two lines"]
    assert law.chi2 == pytest.approx(0.0, abs=1e-4)
    assert law.parameters["E_a above break (eV)"].value == pytest.approx(E_HOT, abs=1e-3)
    assert law.parameters["E_a below break (eV)"].value == pytest.approx(E_COLD, abs=1e-3)
    at = law.parameters["break (K)"]
    assert at.value == pytest.approx(BREAK, abs=1.0)
    assert at.lo < BREAK < at.hi
    below = law.parameters["E_a below break (eV)"].value - law.parameters["E_a(ln sigma) below break (eV)"].value
    assert below == pytest.approx(BOLTZMANN * 255, rel=0.1)


def test_exact_vft_and_its_apparent_energy():
    """E_a(T) = B T² / (T - T_0)²."""
    law = by_name(temperature_laws(T.tolist(), exact(vft(T))))["VFT"]
    assert law.parameters["T_0 (K)"].value == pytest.approx(180.0, abs=0.5)
    assert law.parameters["B (eV)"].value == pytest.approx(0.05, rel=5e-3)
    apparent = 0.05 * (298.15 / (298.15 - 180.0)) ** 2
    assert law.parameters["E_a at 298.15 K (eV)"].value == pytest.approx(apparent, rel=3e-3)
    assert law.sigma(T) == pytest.approx(vft(T), rel=1e-3)


@pytest.mark.parametrize(("curve", "name"), [(one_line, "one line"), (two_lines, "two lines"), (vft, "VFT")])
def test_the_law_that_made_the_data_is_preferred(curve, name):
    fit = temperature_laws(T.tolist(), exact(curve(T)), observations=36)
    assert fit.preferred.name == name
    assert fit.sigma_reference.value == pytest.approx(curve(298.15), rel=2e-3)
    assert fit.sigma_reference.lo < curve(298.15) < fit.sigma_reference.hi
    table = fit.to_frame().set_index("law")
    assert table.loc[name, "preferred"]
    assert table["delta AICc"].min() == 0.0
    assert table["Akaike weight"].sum() == pytest.approx(1.0)
    assert any("better than one line" in line for line in fit.statements) == (name != "one line")


def test_one_line_is_seldom_taken_for_a_broken_one():
    """Two more parameters lower χ² by more than 2 Δk + 2 in few of the cases; 100 sets, 60 degrees of freedom."""
    names = []
    for run in range(100):
        rng = np.random.default_rng([43, run])
        fit = temperature_laws(T.tolist(), sampled(one_line(T), 60, rng), dof=np.full(9, 60), observations=36)
        names.append(fit.preferred.name)
    assert names.count("one line") >= 85


def test_sigma_at_the_reference_is_sharper_than_the_prefactor():
    """Extrapolated to 1/T = 0 the interval is wider than within the data by many times: Meyer-Neldel."""
    sigma = sampled(one_line(T), 60, np.random.default_rng(2))
    fit = temperature_laws(T.tolist(), sigma)
    inside = fit.sigma_reference
    assert inside.lo < one_line(298.15) < inside.hi
    E_a = fit.activation.E_a
    assert np.log(inside.hi / inside.lo) < 0.2 * (E_a.hi - E_a.lo) / (BOLTZMANN * 290)


def test_windows_of_the_user():
    """Each window sees one of the two lines; the border counts in both."""
    celsius = np.array([-40, -25, -10, 10, 40, 70, 100.0])
    kelvin = celsius + CELSIUS_ZERO
    fit = temperature_laws(kelvin.tolist(), exact(two_lines(kelvin)), windows_C=[(-40, 10), (10, 100)])
    cold, hot = fit.windows
    assert (cold.activation.n_temperatures, hot.activation.n_temperatures) == (4, 4)
    assert cold.activation.E_a.value == pytest.approx(E_COLD, abs=1e-9)
    assert hot.activation.E_a.value == pytest.approx(E_HOT, abs=1e-9)


def test_windows_with_few_temperatures_say_so():
    celsius = np.array([-40, -10, 25, 100.0])
    kelvin = (celsius + CELSIUS_ZERO).tolist()
    fit = temperature_laws(kelvin, exact(one_line(np.array(kelvin))), windows_C=[(-40, 10), (30, 110)], label="x = 0")
    assert [w.activation.n_temperatures for w in fit.windows] == [2]
    assert fit.windows[0].activation.E_a.value == pytest.approx(0.3, abs=1e-9)
    assert any(line.startswith("x = 0: -40 to 10 °C: E_a from two temperatures") for line in fit.statements)
    assert any("30 to 110 °C: no E_a: 1 of its temperatures" in line for line in fit.statements)
    with pytest.raises(ValueError, match="lower to a higher temperature"):
        temperature_laws(kelvin, exact(one_line(np.array(kelvin))), windows_C=[(10, -40)])


def test_the_printed_values_of_the_paper_in_one_window():
    """Ni-MOF, 25 and 100 °C: ln(5.85e-4 / 2.19e-4) k / (1/298.15 - 1/373.15) = 0.1256 eV; printed 0.19, 0.14."""
    points = [p for p in measured("ni_mof") if p.sample == "Ni-MOF"]
    fit = temperature_laws([p.temperature for p in points], exact([p.sigma for p in points]), windows_C=[(10, 100)])
    assert fit.windows[0].activation.E_a_ln_sigma.value == pytest.approx(0.1256, abs=1e-3)


def test_few_temperatures_fit_what_they_allow_and_say_what_is_missing():
    three = temperature_laws(T[::4].tolist(), exact(one_line(T[::4])))
    assert [law.name for law in three.laws] == ["one line"]
    assert any("two windows with a break need 5" in line for line in three.statements)
    two = temperature_laws(T[:2].tolist(), exact(one_line(T[:2])), label="x = 1")
    assert two.activation is None
    assert two.preferred is None
    assert np.isnan(two.sigma_reference.value)
    assert "x = 1: no E_a: sigma has an interval at 2 temperatures; add 1 or more" in two.statements
    assert two.to_frame().empty
    nothing = temperature_laws(T.tolist(), [Interval(0.0, np.nan, np.nan)] * 9)
    assert nothing.activation is None


def test_what_is_outside_the_data_is_called_extrapolated():
    hot = np.array([320.0, 340.0, 360.0, 380.0])
    fit = temperature_laws(hot.tolist(), exact(one_line(hot)))
    assert any("extrapolated from 320 to 380 K" in line for line in fit.statements)
    assert fit.sigma_reference.value == pytest.approx(one_line(298.15), rel=1e-6)
    assert np.isnan(
        by_name(temperature_laws(hot.tolist(), exact(vft(hot)), reference_C=-50))["VFT"].sigma_reference.value
    )


def test_a_break_that_the_data_do_not_bound_has_an_open_end():
    rng = np.random.default_rng(5)
    fit = temperature_laws(T.tolist(), sampled(one_line(T), 30, rng))
    at = by_name(fit)["two lines"].parameters["break (K)"]
    assert np.isnan(at.lo) or np.isnan(at.hi)
    assert any("not bounded" in line for line in fit.statements)


class Value:
    """What `arrhenius` takes of a point."""

    def __init__(self, composition, temperature, sigma):
        self.composition, self.temperature, self.sigma = composition, temperature, sigma
        self.dof, self.sigma_replica = 60.0, (sigma.value,) * 4


def test_a_run_gives_a_table_and_a_picture():
    points = [Value(x, t, s) for x in (0.2, 0.6) for t, s in zip(T, exact(two_lines(T) * (1 + x)), strict=True)]
    points.append(Value(0.9, 300.0, Interval(1e-3, 9e-4, 1.1e-3)))
    run = arrhenius(points, "x", windows_C=[(-40, 10), (10, 100)])
    table = run.to_frame().set_index("x")
    assert list(table.index) == [0.2, 0.6, 0.9]
    assert table.loc[0.6, "law"] == "two lines"
    assert table.loc[0.6, "E_a below break (eV)"] == pytest.approx(E_COLD, abs=1e-3)
    assert np.isnan(table.loc[0.9, "E_a (eV)"])
    assert np.isnan(run.E_a[2].value)
    assert {"sigma(298.15 K) (S/cm)", "sigma(298.15 K) lo (S/cm)"} <= set(table)
    assert len(run.laws_frame()) == 6
    assert len(run.windows_frame()) == 4
    assert any(line.startswith("x = 0.9: no E_a") for line in run.statements)
    axes = run.plot()
    assert len(axes.lines) >= 2
    assert run.fits[0].plot(axes) is axes


@pytest.mark.validation
@pytest.mark.parametrize("dof", [30, 100, 400])
@pytest.mark.parametrize("at", [260.0, BREAK, 310.0])
def test_coverage_of_two_windows(dof, at):
    """Nominal 95 % intervals of both energies, the break and sigma at 25 °C, 300 sets each: 92 to 98 %."""
    beta_b = 1 / (BOLTZMANN * at)
    beta = 1 / (BOLTZMANN * T)
    truth = np.exp(np.where(beta < beta_b, E_HOT, E_COLD) * (beta_b - beta)) / T
    reference = 1 / (BOLTZMANN * 298.15)
    at_25 = np.exp((E_HOT if reference < beta_b else E_COLD) * (beta_b - reference)) / 298.15
    inside = []
    for run in range(300):
        rng = np.random.default_rng([44, run])
        fit = temperature_laws(T.tolist(), sampled(truth, dof, rng), dof=np.full(9, dof))
        law = by_name(fit)["two lines"]
        wanted = {"E_a above break (eV)": E_HOT, "E_a below break (eV)": E_COLD, "break (K)": at}
        found = [(law.parameters[name], value) for name, value in wanted.items()] + [(law.sigma_reference, at_25)]
        inside.append([not i.lo > value and not i.hi < value for i, value in found])
    share = np.mean(inside, axis=0)
    assert ((share >= 0.92) & (share <= 0.98)).all(), share


@pytest.mark.validation
@pytest.mark.parametrize("dof", [30, 200])
def test_coverage_of_vft(dof):
    """T_0, B, E_a and sigma at 25 °C, 300 sets each: 92 to 98 %."""
    truth = {"T_0 (K)": 180.0, "B (eV)": 0.05, "E_a at 298.15 K (eV)": 0.05 * (298.15 / 118.15) ** 2}
    inside = []
    for run in range(300):
        rng = np.random.default_rng([45, run])
        law = by_name(temperature_laws(T.tolist(), sampled(vft(T), dof, rng), dof=np.full(9, dof)))["VFT"]
        found = [(law.parameters[name], value) for name, value in truth.items()]
        found.append((law.sigma_reference, vft(298.15)))
        inside.append([not i.lo > value and not i.hi < value for i, value in found])
    share = np.mean(inside, axis=0)
    assert ((share >= 0.92) & (share <= 0.98)).all(), share


@pytest.mark.validation
@pytest.mark.parametrize("dof", [(20, 20, 20, 20), (60, 60, 60, 60), (8, 12, 40, 100), (300, 300, 300, 300)])
def test_coverage_of_one_window(dof):
    """E_a and sigma at 25 °C from four temperatures, 400 sets each: 92 to 98 %."""
    four = np.array([233.15, 263.15, 298.15, 373.15])
    inside = []
    for run in range(400):
        rng = np.random.default_rng([46, run])
        sigma = [chi2_interval(float(v * rng.chisquare(n) / n), n) for v, n in zip(one_line(four), dof, strict=True)]
        fit = temperature_laws(four.tolist(), sigma, dof=dof, reference_C=0.0)
        at = by_name(fit)["one line"].sigma_reference
        inside.append([fit.activation.E_a.lo <= 0.3 <= fit.activation.E_a.hi, at.lo <= one_line(273.15) <= at.hi])
    share = np.mean(inside, axis=0)
    assert ((share >= 0.92) & (share <= 0.98)).all(), share


@pytest.mark.validation
def test_coverage_from_displacements():
    """The whole chain, from ions that walk at random with 0.2 eV, 200 runs of 3 replicas: 92 to 98 %."""
    four = np.array([250.0, 280.0, 320.0, 370.0])
    inside = []
    for run in range(200):
        points = []
        for t in four:
            ions = {"Li+": (2, arrhenius_diffusivity(t, 0.2, 1.0))}
            points.append(transport_at([record(0.5, t, k, ions=ions, n_steps=300, seed=run) for k in range(3)]))
        (fit,) = arrhenius(points, "x").fits
        inside.append(fit.activation.E_a.lo <= 0.2 <= fit.activation.E_a.hi)
    assert 0.92 <= np.mean(inside) <= 0.98
