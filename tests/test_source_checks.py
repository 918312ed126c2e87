"""Figures of the papers against each other: closed forms for what can be worked out again."""

import math

import pytest

from analysis.experiments import MeasuredConductivity
from analysis.source_checks import energies_from_printed, li_mass_percent, slope, source_checks, source_table
from structures.units import BOLTZMANN


def test_slope_gives_back_the_energy_of_an_arrhenius_law():
    points = [MeasuredConductivity("s", None, T, 0.3 * math.exp(-0.2 / (BOLTZMANN * T)) / T) for T in (250.0, 350.0)]
    assert slope(*points, with_T=True) == pytest.approx(0.2)
    shift = BOLTZMANN * math.log(350 / 250) / (1 / 250 - 1 / 350)
    assert slope(*points) == pytest.approx(0.2 - shift)


def test_energies_between_printed_conductivities():
    table = energies_from_printed().set_index(["sample", "from (C)", "to (C)"])["E_a of ln sigma (eV)"]
    assert table[("Ni-MOF", 25.0, 100.0)] == pytest.approx(0.1256, abs=1e-4)
    assert table[("Li@Ni-MOF-2", 25.0, 100.0)] == pytest.approx(0.0782, abs=1e-4)
    assert table[("Li@Ni-MOF-2-140d", -40.0, 25.0)] == pytest.approx(0.342, abs=1e-3)
    assert len(table) == 6


def test_li_in_the_mass_of_the_formula():
    """0.1518 Li+ of 6.94 g/mol in 1519.6 g/mol with 6 DMF; all cations Li+ without solvent: 13.88 in 1008.7."""
    assert li_mass_percent(0.0759) == pytest.approx(100 * 0.1518 * 6.94 / 1519.6, rel=1e-4)
    assert li_mass_percent(1.0, dmf=0.0) == pytest.approx(100 * 13.88 / 1008.7, rel=1e-4)
    assert li_mass_percent(0.0) == 0.0


def test_what_the_papers_say_twice_differently_is_found():
    by = {(one.material, one.quantity): one for one in source_checks()}
    assert by["ni_mof", "E_a of Ni-MOF, 10 to 100 °C"].verdict == "inconsistent"
    assert "0.19 (text) or 0.14 (Table 1)" in by["ni_mof", "E_a of Ni-MOF, 10 to 100 °C"].printed
    assert "damaged" in by["ni_mof", "E_a of Ni-MOF, -40 to 10 °C"].statement
    assert by["ni_mof", "E_a of Li@Ni-MOF-2, 10 to 100 °C"].verdict == "consistent"
    assert by["ni_mof", "one percentage with two values"].printed == "65.4 or 66 %"
    assert by["ni_mof", "Li by mass of Li@Ni-MOF-2"].verdict == "consistent"
    assert by["mof5", "C : O : Zn by EDS"].recomputed.startswith("18 : 5.75 : 1")
    assert "39 %" in by["mof5", "missing nodes or excess linkers by EDS"].statement
    assert by["mof5", "capacity of LTO, 0.2C"].statement.startswith("20 %")
    table = source_table()
    assert len(table) == len(by)
    assert set(table["verdict"]) == {"consistent", "inconsistent", "cannot be decided"}
