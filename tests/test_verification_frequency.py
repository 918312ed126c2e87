"""Conductivity at a frequency from the engine, VERIFICATION §8.

Alternating rates w1, w2 on a line: K_0 = 2 w1 w2 / (w1 + w2), K_∞ = (w1 + w2) / 2, λ = 2 (w1 + w2) and
K(ω) = K_∞ - (K_∞ - K_0) / (1 + iω/λ). Hard-core ions: the current responds as that of a lone ion times n W.
"""

from types import SimpleNamespace

import numpy as np
import pytest
from lattices import BARRIER, TEMPERATURE, chain, ion

from analysis.displacements import Displacements
from analysis.spectra import conductivity_spectrum, instantaneous_conductivity
from kmc.placement import place_ions
from kmc.simulation import Simulation
from lattice.supercell import replicate
from structures.units import conductivity_S_per_cm

W1, W2, CHARGE = 1.0, 6.0, 2.0
LAMBDA = 2 * (W1 + W2)
SITES = 8


def exact(omega):
    at_zero, at_once = 2 * W1 * W2 / (W1 + W2), (W1 + W2) / 2
    return at_once - (at_once - at_zero) / (1 + 1j * omega / LAMBDA)


def measured(n_ions, *, step, n_samples, n_replicas, seed):
    """Charge displacements of replicas of the chain as the analysis takes them."""
    saddle = BARRIER - np.log(np.resize([W1, W2], SITES))
    lattice = replicate(chain(np.zeros(SITES), saddle, species=[ion("A", CHARGE)]), (1, 1, 1), interaction=None)
    time, paths, hops = [], [], 0
    for stream in np.random.SeedSequence(seed).spawn(n_replicas):
        state = place_ions(lattice, {"A": n_ions}, np.random.default_rng(stream), temperature=TEMPERATURE)
        simulation = Simulation(lattice, state, temperature=TEMPERATURE, attempt_frequency=np.exp(BARRIER))
        simulation.equilibrate(100)
        samples = simulation.run(step * n_samples, n_samples)
        time.append(samples.time)
        paths.append(samples.displacement)
        hops += int(samples.events[-1])
    lags = [t[1:2] for t in time]
    data = Displacements(
        species_names=("A",),
        charge=np.array([CHARGE]),
        count=np.array([n_ions]),
        mobile=np.array([True]),
        volume=lattice.volume,
        temperature=TEMPERATURE,
        time=tuple(time),
        collective=tuple(paths),
        lag=tuple(lags),
        msd=tuple(np.zeros((1, 1, 3)) for _ in lags),
        blocked=(False,) * n_replicas,
        cell=None,
        field=np.zeros(3),
    )
    return data, hops


@pytest.mark.parametrize("n_ions", [1, 4])
def test_alternating_chain(n_ions):
    """Both parts of sigma(ω) at four frequencies up to λ, and the limit at zero, in units of their own errors."""
    data, _ = measured(n_ions, step=0.02, n_samples=8000, n_replicas=24, seed=80 + n_ions)
    found = conductivity_spectrum(data, direction=(1, 0, 0))
    factor = n_ions * (SITES - n_ions) / (SITES - 1)
    unit = conductivity_S_per_cm(CHARGE**2, data.volume, data.temperature) * factor
    omega = LAMBDA * np.array([0.03, 0.2, 0.5, 1.0])
    drawn = found.drawn_at(omega / (2 * np.pi))
    value, target = found.at(omega / (2 * np.pi)), exact(omega) * unit
    for part in (np.real, np.imag):
        scores = (part(value) - part(target)) / part(drawn).std(axis=0)
        assert np.abs(scores).max() < 4, scores
        assert np.abs(part(value) / part(target) - 1)[2:].max() < 0.1
    assert found.dc.lo < exact(0).real * unit < found.dc.hi
    assert found.dc.hi / found.dc.lo < 2
    assert found.converged
    # the same at the limit of high frequency would be wrong by a factor of two
    assert found.sigma.real.max() > 1.2 * found.dc.value


def test_limit_of_high_frequency_from_the_count_of_hops():
    """K_∞ = (w1 + w2) / 2 per ion times the share of open hops, (N - n) / (N - 1); a third of it as mean of directions.

    The number of hops of 24 replicas has a relative error of about 1 / sqrt(hops).
    """
    n_ions = 4
    data, hops = measured(n_ions, step=0.02, n_samples=500, n_replicas=24, seed=90)
    network = chain(np.zeros(SITES), BARRIER - np.log(np.resize([W1, W2], SITES)), species=[ion("A", CHARGE)])
    counted = SimpleNamespace(
        hop_orbit_events=hops * np.eye(int(network.hop_orbit.max()) + 1)[0],
        time=np.array([0.0, sum(t[-1] for t in data.time)]),
        volume=data.volume,
        temperature=data.temperature,
    )
    unit = conductivity_S_per_cm(CHARGE**2, data.volume, data.temperature)
    wanted = n_ions * (SITES - n_ions) / (SITES - 1) * (W1 + W2) / 2 / 3
    assert instantaneous_conductivity([counted], network) / unit == pytest.approx(wanted, rel=4 / np.sqrt(hops))


def test_mean_over_directions_is_a_third_of_a_chain():
    data, _ = measured(1, step=0.02, n_samples=2000, n_replicas=8, seed=85)
    along = conductivity_spectrum(data, direction=(2, 0, 0), n_bootstrap=0)
    mean = conductivity_spectrum(data, n_bootstrap=0)
    np.testing.assert_allclose(mean.at(along.frequency), along.sigma / 3, rtol=3e-3)
    across = conductivity_spectrum(data, direction=(0, 1, 0))
    assert not across.sigma.any()
    assert not across.converged
