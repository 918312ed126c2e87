"""Activation energies of printed conductivities, and those of a run between the same temperatures."""

import numpy as np
import pytest

from analysis.measured_energies import PAPER_WINDOWS_C, measured_energies
from analysis.statistics import Interval
from analysis.temperature_laws import Arrhenius, temperature_laws
from structures.units import BOLTZMANN

T = np.array([233.15, 263.15, 298.15, 373.15])


def run(energies):
    """sigma T = exp(-E_a / kT) at the exchange fractions and energies given."""
    fits = []
    for E_a in energies.values():
        sigma = np.exp(-E_a / (BOLTZMANN * T)) / T
        intervals = [Interval(v, v / 1.1, v * 1.1) for v in sigma]
        fits.append(temperature_laws(T.tolist(), intervals, windows_C=PAPER_WINDOWS_C))
    return Arrhenius("x", np.array(list(energies)), tuple(fits), ())


def test_printed_values_give_these_energies():
    """k ln(sigma_2 / sigma_1) / (1/T_1 - 1/T_2); pristine, 25 to 100 °C: 0.126 eV, not the printed 0.19 or 0.14."""
    table = measured_energies("ni_mof").set_index(["sample", "window (C)"])
    pristine, best = table.loc[("Ni-MOF", "10 to 100")], table.loc[("Li@Ni-MOF-2", "10 to 100")]
    assert pristine["E_a from printed sigma (eV)"] == pytest.approx(0.1256, abs=1e-4)
    assert pristine["printed E_a (eV)"] == "0.19; 0.14"
    assert best["E_a from printed sigma (eV)"] == pytest.approx(0.0782, abs=1e-4)
    cold = table.loc[("Li@Ni-MOF-2", "-40 to 10")]
    assert cold["printed E_a (eV)"] == "0.14"
    assert np.isnan(cold["E_a from printed sigma (eV)"])
    assert table["computed E_a (eV)"].isna().all()


def test_computed_energy_is_between_the_same_temperatures_and_loadings():
    """Pristine is a loading of the run; x = 0.0759 lies half-way between two, where E_a is their mean.

    ln sigma instead of ln(sigma T) takes k ln(T_2/T_1) / (1/T_1 - 1/T_2) off.
    """
    less = BOLTZMANN * np.log(T[3] / T[2]) / (1 / T[2] - 1 / T[3])
    computed = run({0.0: 0.30, 0.0509: 0.24, 0.1009: 0.20})
    table = measured_energies("ni_mof", computed).set_index(["sample", "window (C)"])
    pristine, best = table.loc[("Ni-MOF", "10 to 100")], table.loc[("Li@Ni-MOF-2", "10 to 100")]
    assert pristine["computed E_a (eV)"] == pytest.approx(0.30 - less, abs=1e-9)
    assert best["computed E_a (eV)"] == pytest.approx(0.22 - less, abs=1e-5)
    assert best["computed lo (eV)"] < 0.22 - less < best["computed hi (eV)"]
    assert (
        best["computed hi (eV)"] - best["computed lo (eV)"]
        < pristine["computed hi (eV)"] - pristine["computed lo (eV)"]
    )


def test_no_number_outside_the_run():
    computed = run({0.05: 0.24, 0.06: 0.20})
    table = measured_energies("ni_mof", computed)
    assert table["computed E_a (eV)"].isna().all()


def test_a_window_without_two_printed_conductivities_has_the_energy_of_the_window_of_the_run():
    """From -40 to 10 °C the paper prints an energy and one sigma: the run has 233.15 and 263.15 K there.

    ln sigma instead of ln(sigma T) takes k ln(T_2/T_1) / (1/T_1 - 1/T_2) off; x = 0.0759 is half-way.
    """
    less = BOLTZMANN * np.log(T[1] / T[0]) / (1 / T[0] - 1 / T[1])
    table = measured_energies("ni_mof", run({0.0509: 0.24, 0.1009: 0.20})).set_index(["sample", "window (C)"])
    cold, warm = table.loc[("Li@Ni-MOF-2", "-40 to 10")], table.loc[("Li@Ni-MOF-2", "10 to 100")]
    assert np.isnan(cold["from (K)"])
    assert cold["computed E_a (eV)"] == pytest.approx(0.22 - less, abs=1e-5)
    assert cold["computed lo (eV)"] < 0.22 - less < cold["computed hi (eV)"]
    assert [cold["computed from (K)"], cold["computed to (K)"]] == [T[0], T[1]]
    assert [warm["computed from (K)"], warm["computed to (K)"]] == [warm["from (K)"], warm["to (K)"]]
