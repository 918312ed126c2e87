"""Spectra of paths whose K(ω) is known."""

import numpy as np
import pytest
from gaussian_paths import TEMPERATURE, VOLUME, displacements, gaussian_path

from analysis.relaxations import Relaxations, periodograms, response_matrix
from analysis.spectra import conductivity_spectrum
from structures.errors import InputError
from structures.units import conductivity_S_per_cm

UNIT = conductivity_S_per_cm(1.0, VOLUME, TEMPERATURE)
MOTION = {"diffusion": 2.0, "amplitude": (20.0, 6.0), "rate": (0.5, 4.0)}
EXACT = Relaxations(2.0, np.array([0.5, 4.0]), np.array([20.0, 6.0]), 0.0)


def paths(n, n_steps, step, seed=0, **motion):
    rng = np.random.default_rng(seed)
    return [gaussian_path(rng, n_steps, step, **(motion or MOTION)) for _ in range(n)]


def test_expected_power_is_that_of_the_covariance_matrix():
    """Σ_nm s_n c(n - m) s_m with c from the second difference of M, for every wave number, slow and fast rates."""
    n, step, rate = 23, 0.1, np.array([0.05, 0.7, 30.0])
    power = periodograms([np.zeros((n + 1, 1))], step)
    lag = step * np.arange(-1, n + 1)

    def by_matrix(mean_square, wave):
        m = mean_square(np.abs(lag))
        c = 0.5 * (m[2:] + m[:-2] - 2 * m[1:-1])
        matrix = c[np.abs(np.subtract.outer(np.arange(n), np.arange(n)))]
        sine = np.sin(np.pi * wave / n * (np.arange(n) + 0.5))
        return 2 / n * sine @ matrix @ sine

    found = power.expected(rate)
    for b, waves in enumerate(power.wave):
        columns = [
            lambda t: 2 * t,
            *(lambda t, r=r: -np.expm1(-r * t) for r in rate),
            lambda t: (t > 0).astype(float),
        ]
        wanted = [np.mean([by_matrix(column, wave) for wave in waves]) for column in columns]
        np.testing.assert_allclose(found[b], wanted, rtol=1e-9)


def test_power_of_paths_is_the_expected_one():
    """Mean over 400 paths, each bin within 4 standard errors of a χ² mean; to and fro far above the diffusion."""
    step, motion = 0.3, {"diffusion": 0.01, "amplitude": (50.0,), "rate": (2.0,)}
    power = periodograms(paths(400, 200, step, **motion), step)
    wanted = power.expected(np.array([2.0])) @ [0.01, 50.0, 0.0]
    score = (power.power.mean(axis=0) / wanted - 1) / np.sqrt(2 / (400 * 3 * power.ordinates))
    assert np.abs(score).max() < 4


def test_spectrum_of_known_motion():
    data = displacements(paths(6, 8000, 0.2), 0.2)
    found = conductivity_spectrum(data)
    omega = np.array([0.01, 0.1, 0.4, 1.2])
    target = EXACT.response(omega) * UNIT
    error = found.drawn_at(omega / (2 * np.pi))
    value = found.at(omega / (2 * np.pi))
    for part in (np.real, np.imag):
        assert (np.abs(part(value - target)) < 4 * part(error).std(axis=0)).all()
    assert np.abs(value[1:] / target[1:] - 1).max() < 0.1
    assert found.dc.lo < 2 * UNIT < found.dc.hi
    assert found.converged
    assert found.statements == ()


def test_real_and_imaginary_part_obey_kramers_and_kronig():
    """sigma''(ω) = (2ω/π) P∫ (sigma'(u) - sigma'(ω)) / (u² - ω²) du, integrated numerically over a measured fit."""
    found = conductivity_spectrum(displacements(paths(3, 1000, 0.2), 0.2), n_bootstrap=0)
    parameters = found.parameters / UNIT
    parameters[-1] = 0.0  # what is faster than all samples has no loss at finite frequencies
    at = 2 * np.pi * found.frequency[::9]
    u = np.geomspace(1e-6, 1e6, 60_001)

    def sigma(omega):
        return response_matrix(omega, found.rate) @ parameters

    for omega in at:
        difference = sigma(u).real - sigma(np.array([omega])).real
        with np.errstate(divide="ignore", invalid="ignore"):
            integrand = np.where(np.abs(u / omega - 1) < 1e-9, 0.0, difference / (u**2 - omega**2)) * u
        imaginary = 2 * omega / np.pi * np.trapezoid(integrand, np.log(u))
        assert imaginary == pytest.approx(float(sigma(np.array([omega])).imag[0]), rel=2e-3)


def test_diffusion_alone_is_flat():
    """Without relaxations sigma is the mean square step, within its χ² error and a chance relaxation."""
    walk = paths(6, 1000, 0.5, diffusion=3.0)
    found = conductivity_spectrum(displacements(walk, 0.5, charge=2.0))
    assert found.dc.value / UNIT == pytest.approx(4 * 3.0, rel=0.1)
    assert found.dc.lo < 4 * 3.0 * UNIT < found.dc.hi
    np.testing.assert_allclose(found.sigma.real, found.dc.value, rtol=0.1)


def test_a_short_run_beside_a_long_one_widens_the_range():
    """Close samples give λ = 40, which the long runs alone cannot see; the long runs give the limit at zero."""
    motion = {"diffusion": 1.0, "amplitude": (4.0, 1.0), "rate": (0.3, 40.0)}
    long, short = paths(6, 2000, 0.5, 1, **motion), paths(6, 2000, 0.005, 2, **motion)
    both = conductivity_spectrum(displacements([*long, *short], [0.5] * 6 + [0.005] * 6))
    alone = conductivity_spectrum(displacements(long, 0.5))
    omega = np.array([0.02, 0.3, 5.0, 40.0])
    target = Relaxations(1.0, np.array([0.3, 40.0]), np.array([4.0, 1.0]), 0.0).response(omega) * UNIT
    np.testing.assert_allclose(both.at(omega / (2 * np.pi)).real, target.real, rtol=0.15)
    assert both.resolved[1] == pytest.approx(100 * alone.resolved[1])
    assert both.resolved[0] == pytest.approx(alone.resolved[0])


def test_replicas_that_differ_are_not_averaged_silently():
    """A blocked replica beside moving ones: sigma counts it as zero, its interval spans both, and a line says so."""
    walk = paths(3, 600, 0.5, diffusion=3.0)
    still = np.zeros_like(walk[0])
    found = conductivity_spectrum(displacements([*walk, still], 0.5, blocked=[False] * 3 + [True]))
    assert found.dc.value / UNIT == pytest.approx(0.75 * 3.0, rel=0.15)
    assert found.dc.hi > 3.0 * UNIT
    assert not found.converged
    assert any("replicas differ" in line and "more replicas" in line for line in found.statements)


def test_slow_relaxation_is_said():
    """λ T = 10: the plateau lies below the frequencies of the run."""
    slow = paths(8, 2000, 0.1, diffusion=0.05, amplitude=(400.0,), rate=(0.05,))
    found = conductivity_spectrum(displacements(slow, 0.1))
    assert not found.converged
    assert "x = 0.5, 300 K: sigma at zero frequency" in found.statements[0]
    assert "4 times as long" in found.statements[0]


def test_nothing_moved():
    found = conductivity_spectrum(displacements([np.zeros((100, 3))] * 2, 1.0, blocked=[True, True]))
    assert not found.sigma.any()
    assert np.isnan(found.dc.hi)
    assert "no charge moved" in found.statements[-1]
    assert len(found.to_frame()) == len(found.frequency)
    found.plot()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_steps": 20}, "at least 32 steps; found 20"),
        ({"field": (0.01, 0, 0)}, "without a field"),
        ({"direction": (0, 0, 0)}, "vector of 3"),
        ({"direction": (1, 0)}, "vector of 3"),
        ({"frequency": [-1.0]}, "not negative"),
        ({"frequency": [np.nan]}, "finite"),
    ],
)
def test_what_is_refused(change, message):
    data = displacements(paths(2, change.get("n_steps", 50), 1.0), 1.0, field=change.get("field", (0, 0, 0)))
    options = {name: value for name, value in change.items() if name in ("direction", "frequency")}
    with pytest.raises(InputError, match=message):
        conductivity_spectrum(data, **options)


def test_one_replica_is_enough():
    found = conductivity_spectrum(displacements(paths(1, 4000, 0.2), 0.2))
    assert found.dc.lo < 2 * UNIT < found.dc.hi


def test_table_and_picture():
    found = conductivity_spectrum(displacements(paths(3, 500, 0.2), 0.2), high_frequency=30 * UNIT)
    table = found.to_frame()
    assert list(table.columns) == [
        "f (Hz)",
        *(f"sigma{p}{end} (S/cm)" for p in ("'", "''") for end in ("", " lo", " hi")),
        "resolved",
    ]
    assert (table["sigma' lo (S/cm)"] <= table["sigma' (S/cm)"]).all()
    assert (table["sigma' (S/cm)"] <= table["sigma' hi (S/cm)"]).all()
    assert 0 < table["resolved"].sum() < len(table)
    ax = found.plot()
    assert ax.get_xlabel() == "f  (Hz)"
    assert "σ$_∞$, all hops" in ax.get_legend_handles_labels()[1]


def test_same_seed_same_bits():
    data = displacements(paths(3, 300, 0.2), 0.2)
    one, two = conductivity_spectrum(data, n_bootstrap=20), conductivity_spectrum(data, n_bootstrap=20)
    assert np.array_equal(one.draws, two.draws)


@pytest.mark.validation
@pytest.mark.parametrize(
    ("amplitude", "rate"),
    [((), ()), ((20.0,), (0.5,)), ((200.0,), (0.3,)), ((5.0, 5.0, 10.0, 20.0), (3.0, 0.8, 0.2, 0.06))],
    ids=["diffusion", "one relaxation", "strong", "broad"],
)
def test_coverage(amplitude, rate):
    """Nominal 95 % intervals of both parts at five frequencies and of the limit at zero, 3 replicas of 1000 samples.

    They are meant to be no less than nominal at any frequency; joined with their mirror image they are a little more.
    """
    exact = Relaxations(1.0, np.array(rate), np.array(amplitude), 0.0)
    omega = np.array([0.003, 0.01, 0.03, 0.1, 0.25])
    target, inside = exact.response(omega) * UNIT, []
    for seed in range(200):
        walk = paths(3, 1000, 1.0, [9, seed], diffusion=1.0, amplitude=amplitude, rate=rate)
        found = conductivity_spectrum(displacements(walk, 1.0), frequency=omega / (2 * np.pi), n_bootstrap=100)
        parts = [(f(found.lo) <= f(target)) & (f(target) <= f(found.hi)) for f in (np.real, np.imag)]
        inside.append([found.dc.lo <= UNIT <= found.dc.hi, *parts[0], *parts[1]])
    coverage = np.mean(inside, axis=0)
    assert coverage.min() > 0.90, coverage
    assert coverage.mean() > 0.94, coverage
