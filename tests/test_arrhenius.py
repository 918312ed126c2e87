"""E_a of an exact Arrhenius law."""

import numpy as np
import pytest

from analysis.arrhenius import activation_energy, log_bias
from analysis.statistics import Interval, chi2_interval
from structures.units import BOLTZMANN

T = np.array([233.15, 273.15, 298.15, 333.15, 373.15])


def law(E_a):
    return 1e-3 * (300 / T) * np.exp(-E_a / BOLTZMANN * (1 / T - 1 / 300))


def exact(values):
    return [Interval(v, v / 1.1, v * 1.1) for v in values]


def test_exact_law_and_the_two_forms():
    """d ln sigma / d(1/kT) = -E_a + <kT>: the form of the experiments is lower by about kT."""
    fit = activation_energy(T.tolist(), exact(law(0.25)))
    assert fit.E_a.value == pytest.approx(0.25, abs=1e-9)
    assert fit.straight
    assert fit.E_a.value - fit.E_a_ln_sigma.value == pytest.approx(BOLTZMANN * 300, rel=0.1)


def test_interval_covers():
    """sigma as a mean of 150 squares at each of 5 temperatures; 400 runs, band of 4 standard errors."""
    inside = 0
    for run in range(400):
        rng = np.random.default_rng([41, run])
        sigma = [chi2_interval(float(v * rng.chisquare(150) / 150), 150) for v in law(0.3)]
        fit = activation_energy(T.tolist(), sigma)
        inside += fit.E_a.lo <= 0.3 <= fit.E_a.hi
    assert abs(inside / 400 - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 400) + 0.005


def test_few_degrees_of_freedom_do_not_bias_the_activation_energy():
    """<ln χ²_6/6> = -0.18: with 6 at the two lowest temperatures E_a came out 10 meV too high, 4 standard errors."""
    dof = np.array([6, 6, 200, 200, 200])
    E_a = []
    for run in range(400):
        rng = np.random.default_rng([42, run])
        sigma = [Interval(v, v / 1.3, v * 1.3) for v in law(0.3) * rng.chisquare(dof) / dof]
        E_a.append(activation_energy(T.tolist(), sigma, dof=dof).E_a.value)
    assert np.mean(E_a) == pytest.approx(0.3, abs=4 * np.std(E_a) / np.sqrt(400))
    assert np.mean(E_a) == pytest.approx(0.3, abs=0.006)


def test_mean_of_the_logarithm_of_chi2():
    """-1/dof for many, and the sample mean for few."""
    assert log_bias(1000) == pytest.approx(-1e-3, rel=1e-2)
    sample = np.log(np.random.default_rng(7).chisquare(4, size=100000) / 4)
    assert log_bias(4) == pytest.approx(sample.mean(), abs=0.01)


def test_a_bend_is_flagged_and_widens_the_interval():
    bent = np.where(T < 290, law(0.35), law(0.15))
    fit = activation_energy(T.tolist(), [Interval(v, v / 1.02, v * 1.02) for v in bent])
    assert not fit.straight
    assert fit.E_a.hi - fit.E_a.lo > 0.1


def test_two_temperatures_are_refused():
    """Points without an interval do not count."""
    sigma = [*exact(law(0.2)[:2]), Interval(0.0, np.nan, np.nan)]
    with pytest.raises(ValueError, match="3 temperatures or more; got 2"):
        activation_energy(T[:3].tolist(), sigma)
