"""Separators against closed forms and against the diffusion equation, solved numerically here."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

from analysis.cells import (
    FARADAY,
    Salt,
    ambipolar_diffusivity,
    current_of_transition,
    current_that_passes,
    exchange_diffusivity,
    exchange_limiting_current,
    exchange_voltage,
    limiting_current,
    nernst_einstein_diffusivity,
    ohmic_drop,
    relaxation_time,
    sand_time,
    steady_voltage,
    transition_time,
)
from structures.units import BOLTZMANN

KT = BOLTZMANN * 298.15
L = 0.03
SALT = Salt(c=1e-3, D=2e-7, t=0.4)


def dry_face(salt, i, length, n=200):
    """Time at which the concentration at the face vanishes, by finite volumes; None if it does not."""
    h = length / n
    flux = i * (1 - salt.t) / FARADAY

    def rhs(_, c):
        j = np.concatenate(([flux], -salt.D * np.diff(c) / h, [flux]))
        return (j[:-1] - j[1:]) / h

    def face(_, c):
        return c[-1] - flux * h / (2 * salt.D)

    face.terminal = True
    end = 4 * length**2 / salt.D
    band = np.diag(np.ones(n)) + np.diag(np.ones(n - 1), 1) + np.diag(np.ones(n - 1), -1)
    found = solve_ivp(
        rhs, (0, end), np.full(n, salt.c), method="BDF", events=face, rtol=1e-7, atol=1e-12, jac_sparsity=band
    )
    return found.t_events[0][0] if len(found.t_events[0]) else None, found.y[:, -1]


def test_ambipolar_diffusivity_and_einstein_agree():
    """sigma = F² c (D+ + D-) / RT and t = D+ / (D+ + D-) give back 2 D+ D- / (D+ + D-)."""
    plus, minus, c = 3e-7, 5e-7, 1.2e-3
    sigma = FARADAY * c * (plus + minus) / KT
    assert nernst_einstein_diffusivity(sigma, plus / (plus + minus), c) == pytest.approx(
        ambipolar_diffusivity(plus, minus), rel=1e-12
    )


def test_sand_time_is_a_constant_times_the_inverse_square_of_the_current():
    i = np.geomspace(1e-4, 1, 7)
    constant = i * np.sqrt(sand_time(i, SALT))
    assert constant == pytest.approx(FARADAY * SALT.c * np.sqrt(np.pi * SALT.D) / (2 * (1 - SALT.t)), rel=1e-14)


def test_currents_of_a_time_and_of_a_charge_undo_the_transition_time():
    i = limiting_current(SALT, L) * np.array([1.01, 1.5, 3.3, 40.0])
    time = transition_time(i, SALT, L)
    assert current_of_transition(time, SALT, L) == pytest.approx(i, rel=1e-5)
    assert current_that_passes(i * time, SALT, L) == pytest.approx(i, rel=1e-5)
    assert current_that_passes(1e9, SALT, L) == pytest.approx(limiting_current(SALT, L))


def test_transition_time_approaches_that_of_sand_and_diverges_at_the_limiting_current():
    i = limiting_current(SALT, L) * np.array([0.5, 1.0, 1 + 1e-9, 3.0, 30.0])
    time = transition_time(i, SALT, L)
    assert np.isinf(time[:2]).all()
    assert time[2] == pytest.approx(-np.log(np.pi**2 / 8 * 1e-9) * relaxation_time(SALT.D, L), rel=1e-6)
    assert time[3:] == pytest.approx(sand_time(i[3:], SALT), rel=2e-6)
    around = limiting_current(SALT, L) * np.linspace(1.02, 8, 3000)
    logs = np.log(transition_time(around, SALT, L))
    assert (np.diff(logs) < 0).all()
    assert np.abs(np.diff(logs, 2)[100:]).max() < 1e-4  # the two expressions join


@pytest.mark.parametrize("u", [1.05, 1.6, 3.0])
def test_transition_time_is_that_of_the_diffusion_equation(u):
    """Finite volumes: below i_lim the profile becomes straight, above it the face runs dry at this time."""
    i = u * float(limiting_current(SALT, L))
    time, _ = dry_face(SALT, i, L)
    assert transition_time(i, SALT, L) == pytest.approx(time, rel=2e-3)


def test_steady_profile_is_that_of_the_diffusion_equation():
    i = 0.8 * float(limiting_current(SALT, L))
    time, c = dry_face(SALT, i, L)
    assert time is None
    n = len(c)
    straight = SALT.c * (1 + 0.8 * (1 - (2 * np.arange(n) + 1) / n))
    assert c == pytest.approx(straight, rel=1e-4)


def test_steady_voltage_of_an_ideal_salt():
    """4 (kT/e) artanh(i / i_lim), of which i L / (sigma t) is the slope at zero; none from i_lim on."""
    sigma, t, c = 1.28e-3, 0.76, 1e-3
    salt = Salt(c, nernst_einstein_diffusivity(sigma, t, c), t)
    i_lim = float(limiting_current(salt, L))
    assert i_lim == pytest.approx(4 * t * sigma * KT / L, rel=1e-12)
    u = np.array([1e-12, 1e-3, 0.5, 0.999])
    assert steady_voltage(u * i_lim, sigma, salt, L) == pytest.approx(4 * KT * np.arctanh(u), rel=1e-9)
    assert steady_voltage(1e-9, sigma, salt, L) == pytest.approx(ohmic_drop(1e-9, sigma, L) / t, rel=1e-6)
    assert np.isinf(steady_voltage([i_lim, 2 * i_lim], sigma, salt, L)).all()


def test_steady_voltage_is_the_work_along_the_profile():
    """Without Nernst and Einstein: ∫ i dz / sigma(c) with sigma ~ c, and 2 kT (1 - t) ln(c_0 / c_L)."""
    sigma, u, n = 3e-4, 0.7, 20001
    i = u * float(limiting_current(SALT, L))
    c = 1 + u * (1 - 2 * np.linspace(0, 1, n))
    work = np.trapezoid(i / (sigma * c), dx=L / (n - 1)) + 2 * KT * (1 - SALT.t) * np.log(c[0] / c[-1])
    assert steady_voltage(i, sigma, SALT, L) == pytest.approx(work, rel=1e-7)


def test_a_single_ion_conductor_has_the_ohmic_drop_only():
    single = Salt(1e-3, 2e-7, 1.0)
    assert np.isinf(limiting_current(single, L))
    assert np.isinf(sand_time(1.0, single))
    assert np.isinf(transition_time(1.0, single, L))
    assert steady_voltage(0.1, 1e-3, single, L) == pytest.approx(0.1 * L / 1e-3)
    assert exchange_voltage(0.1, 1e-3, 1.0, 1.0, L) == pytest.approx(0.1 * L / 1e-3)
    assert np.isinf(exchange_limiting_current(1e-3, 1.0, 1.0, L))


def exchange_profile(i, sigma, t, x, n=4001):
    """Shares of Li+ across a slab of fixed charge, and the voltage, from the flux equations alone.

    d c_2 / dz = K c_2 (others do not flow: the field drives what the gradient returns), c_1 + c_2 = 1, mean 1 - x.
    """
    K = i * L * x / (KT * sigma * t)
    z = np.linspace(0, 1, n)

    def mean(first):
        return np.trapezoid(first * np.exp(K * z), z) - (1 - x)

    others = brentq(mean, 1e-12, 1.0) * np.exp(K * z)
    li = 1 - others
    return li, KT * (np.log(others[-1] / others[0]) + np.log(li[0] / li[-1]))


def test_counter_ions_that_pile_up():
    """Voltage and limiting current of two counter-ions against the profile; i L / (sigma t) at small currents."""
    sigma, t, x = 1.28e-3, 0.3, 0.2
    i_lim = float(exchange_limiting_current(sigma, t, x, L))
    li, voltage = exchange_profile(0.6 * i_lim, sigma, t, x)
    assert exchange_voltage(0.6 * i_lim, sigma, t, x, L) == pytest.approx(voltage, rel=1e-6)
    assert exchange_profile(i_lim, sigma, t, x)[0][-1] == pytest.approx(0, abs=1e-6)
    assert li.min() > 0
    assert exchange_voltage(1e-9, sigma, t, x, L) == pytest.approx(1e-9 * L / (sigma * t), rel=1e-5)
    assert np.isinf(exchange_voltage(1.0001 * i_lim, sigma, t, x, L))


def test_few_li_among_the_counter_ions_are_like_a_dilute_salt_with_supporting_ions():
    """For x -> 0 the limiting current is 2 F D c / ((1 - t) L) with the interdiffusivity and c = x X."""
    sigma, t, x, X = 1.28e-3, 0.3, 1e-5, 2e-3
    D = exchange_diffusivity(sigma, t, x, X)
    expected = 2 * FARADAY * D * x * X / ((1 - t) * L)
    assert exchange_limiting_current(sigma, t, x, L) == pytest.approx(expected, rel=1e-4)
