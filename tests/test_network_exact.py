"""One ion on a periodic network: closed forms of VERIFICATION §4."""

from dataclasses import replace

import numpy as np
import pytest
from lattices import TEMPERATURE, chain, face_centred, network_of, simple_cubic, square

from analysis.network_exact import single_particle_diffusivity
from kmc.placement import place_ions
from kmc.simulation import Simulation
from lattice.supercell import replicate


def test_perfect_lattices():
    """tr D = z a² w / 2: per axis 1 on the square and the simple cubic lattice; 6 in total on fcc, z = 12."""
    assert np.allclose(single_particle_diffusivity(simple_cubic(), 0, TEMPERATURE, 1.0), np.eye(3))
    assert np.allclose(single_particle_diffusivity(square(), 0, TEMPERATURE, 1.0), np.diag([1.0, 1.0, 0.0]))
    assert np.trace(single_particle_diffusivity(face_centred(), 0, TEMPERATURE, 1.0)) == pytest.approx(6)


def test_chain_with_any_energies_and_barriers():
    """D = L² / [(Σ p_i)(Σ 1 / (p_i w_{i,i+1}))], with p w = exp(-E_saddle / kT)."""
    rng = np.random.default_rng(1)
    energy = rng.uniform(0, 3, 7)
    saddle = np.maximum(energy, np.roll(energy, -1)) + rng.uniform(0, 4, 7)
    found = single_particle_diffusivity(chain(energy, saddle), 0, TEMPERATURE, 1.0)
    expected = 7**2 / (np.exp(-energy).sum() * np.exp(saddle).sum())
    assert found[0, 0] == pytest.approx(expected, rel=1e-10)
    assert np.allclose(found - np.diag([found[0, 0], 0, 0]), 0)


def test_random_traps_in_three_dimensions():
    """All saddles equal, site energies random: D = exp(-E_saddle) / <exp(-E)> in any dimension, kT = 1."""
    n = 3
    points = np.array([[i, j, k] for i in range(n) for j in range(n) for k in range(n)])
    index = {tuple(p): s for s, p in enumerate(points)}
    bonds = []
    for s, p in enumerate(points):
        for axis in range(3):
            q = p.copy()
            q[axis] += 1
            bonds.append((s, index[tuple(q % n)], tuple(q // n)))
    energy = np.random.default_rng(2).uniform(-2, 0, n**3)
    network = network_of(n * np.eye(3), points / n, bonds, site_energy=energy, saddle=1.0)
    found = single_particle_diffusivity(network, 0, TEMPERATURE, 1.0)
    assert np.allclose(found, np.eye(3) * np.exp(-1.0) / np.exp(-energy).mean())


def test_barriers_over_a_wide_range_keep_their_digits():
    """Barriers of 0 and 30 kT in alternation: the harmonic mean of the conductances."""
    saddle = np.array([0.0, 30.0, 0.0, 30.0])
    found = single_particle_diffusivity(chain(np.zeros(4), saddle), 0, TEMPERATURE, 1.0)
    assert found[0, 0] == pytest.approx(16 / (4 * np.exp(saddle).sum()), rel=1e-6)


def test_a_closed_cage_does_not_diffuse():
    cage = network_of(np.eye(3), np.array([[0.0, 0, 0], [0.3, 0, 0]]), [(0, 1, (0, 0, 0))])
    assert np.allclose(single_particle_diffusivity(cage, 0, TEMPERATURE, 1.0), 0, atol=1e-15)


def test_the_factor_on_the_rates_follows_from_where_they_come_from():
    """Relative to an attempt frequency they are multiplied with 1e12 /s, from the landscape with nothing."""
    relative = simple_cubic()
    D = single_particle_diffusivity(relative, 0, TEMPERATURE)
    assert D[0, 0] == pytest.approx(1e12)
    absolute = replace(relative, rate_model="flux_tst")
    assert single_particle_diffusivity(absolute, 0, TEMPERATURE)[0, 0] == pytest.approx(1.0)
    state = place_ions(replicate(absolute, (3, 3, 3)), {"A": 1}, np.random.default_rng(0), temperature=TEMPERATURE)
    simulation = Simulation(replicate(absolute, (3, 3, 3)), state, temperature=TEMPERATURE)
    assert simulation.mover_rates()[1] == pytest.approx(6.0)


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="species_index"):
        single_particle_diffusivity(square(), 1, 300.0)
    with pytest.raises(ValueError, match="temperature"):
        single_particle_diffusivity(square(), 0, 0.0)
