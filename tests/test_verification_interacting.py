"""Interacting lattice gases with rates nu exp(-(E_KRA + ΔE/2)/kT), VERIFICATION §6.

Exact values come from the master equation of the same cell; tests/test_verification_oracle.py holds it against the
printed numbers, and shows that the blocks used here outlast the transient, so that <ΔR²>/2dt = D + C/t.
"""

import numpy as np
import pytest
from exact import contact_pairs, coulomb_pairs, diffusivities, master_equation, supercell
from lattices import BARRIER, TEMPERATURE, honeycomb, ion, simple_cubic, square
from replicas import assert_ladder, diffusivity_scores, run_replicas, z_score
from scipy import stats

from kmc.placement import place_ions
from kmc.simulation import Simulation
from lattice.supercell import PairEnergies, replicate
from structures.units import COULOMB

NU = np.exp(BARRIER)
BLOCK = 10.0


def neighbours(network, u):
    """Repulsion u between nearest neighbours, whatever their charges."""
    return PairEnergies.within(network, 1.01, lambda distance, charges: u + 0.0 * distance)


def repulsive_square(u, saddle):
    network = square(saddle=saddle)
    cells = supercell(network, (4, 4, 1))
    return replicate(network, (4, 4, 1), interaction=neighbours(network, u)), cells, contact_pairs(cells, 1.0, u)


@pytest.mark.parametrize("u", [2.0, 1.0])
def test_nearest_neighbour_repulsion(u):
    lattice, cells, pairs = repulsive_square(u, BARRIER)
    exact = diffusivities(cells, 4, dimensions=2, pairs=pairs, nu=NU)
    found = run_replicas(lattice, {"A": 4}, block=BLOCK, n_blocks=400, seed=int(60 + u), nu=NU)
    assert_ladder(list(diffusivity_scores(found, exact, 4, 2)))


@pytest.mark.parametrize(
    "loadings",
    [
        pytest.param((3, 8), id="few"),
        pytest.param(tuple(range(1, 16)), marks=[pytest.mark.validation, pytest.mark.sample], id="all"),
    ],
)
def test_loading_ladder(loadings):
    """n D_J / 16 at u = 2: two maxima around the ordered half filling, symmetric under n -> 16 - n."""
    lattice, cells, pairs = repulsive_square(2.0, BARRIER)
    scores = []
    for n in loadings:
        L, C = master_equation(cells, [(0, n)], pairs=pairs, nu=NU).transport()
        found = run_replicas(lattice, {"A": n}, block=BLOCK, n_blocks=250, seed=600 + n, nu=NU)
        scores.append(z_score(found.collective[:, 0, 0, :2].mean(axis=1), L[0, 0] + C[0, 0] / BLOCK))
    assert_ladder(scores)


@pytest.mark.parametrize("saddle", [0.0, 1.0])
def test_clipped_barriers(saddle):
    """E_KRA = 0 is Metropolis and 1 kT is partly clipped: other diffusivities than the symmetric law's 0.61327831."""
    lattice, cells, pairs = repulsive_square(2.0, saddle)
    nu = np.exp(saddle)
    exact = diffusivities(cells, 4, dimensions=2, pairs=pairs, nu=nu)
    found = run_replicas(lattice, {"A": 4}, block=BLOCK, n_blocks=300, seed=66, nu=nu)
    assert_ladder(list(diffusivity_scores(found, exact, 4, 2)))
    if saddle == 0.0:
        assert abs(z_score(found.collective[:, 0, 0, :2].mean(axis=1) / 4, 0.61327831)) > 4


def test_coulomb_lattice_gas():
    """Three like charges in a neutralising background on 27 sites at a Bjerrum length of one hop."""
    network = simple_cubic(saddle=BARRIER)
    cells = supercell(network, (3, 3, 3))
    pairs = coulomb_pairs(cells, 1.0)
    exact = diffusivities(cells, 3, pairs=pairs, nu=NU)
    gas = master_equation(cells, [(0, 3)], pairs=pairs, nu=NU)
    lattice = replicate(network, (3, 3, 3), permittivity=COULOMB)
    found = run_replicas(lattice, {"A": 3}, block=4.0, n_blocks=800, seed=67, nu=NU)
    energy = z_score(found.energy, gas.probability @ gas.energy)
    assert_ladder([*diffusivity_scores(found, exact, 3, 3), energy])


@pytest.mark.parametrize(("bjerrum_length", "n_blocks", "n_replicas"), [(1.0, 800, 16), (4.0, 1600, 32)])
def test_one_cation_one_anion(bjerrum_length, n_blocks, n_replicas):
    """Attraction slows each ion and makes them move together: sigma < sigma_NE.

    sigma / sigma_NE is 0.99072913 at l_B = 1 and 0.97529672 at l_B = 4, where the engine must tell it from 1. It is
    judged as sigma - h sigma_NE, which has the mean zero if h is the exact ratio.
    """
    salt = simple_cubic(saddle=BARRIER, species=[ion("cation"), ion("anion", -1.0)])
    cells = supercell(salt, (3, 3, 3))
    gas = master_equation(cells, [(0, 1), (1, 1)], pairs=coulomb_pairs(cells, bjerrum_length), nu=NU)
    L, C = gas.transport()
    block = 6.0
    exact = (L + C / block).reshape(2, 3, 2, 3)[:, 0, :, 0]
    lattice = replicate(salt, (3, 3, 3), permittivity=COULOMB / bjerrum_length)
    found = run_replicas(
        lattice, {"cation": 1, "anion": 1}, block=block, n_blocks=n_blocks, seed=68, n_replicas=n_replicas, nu=NU
    )
    mean = found.collective.mean(axis=-1)
    charge = np.array([1.0, -1.0])
    sigma, sigma_NE = np.einsum("rij,i,j->r", mean, charge, charge), mean[:, 0, 0] + mean[:, 1, 1]
    ratio = charge @ exact @ charge / np.trace(exact)
    scores = [
        z_score(sigma, charge @ exact @ charge),
        z_score(sigma_NE, np.trace(exact)),
        z_score(found.energy, gas.probability @ gas.energy),
    ]
    assert_ladder(scores)
    assert abs(z_score(sigma - ratio * sigma_NE, 0.0)) < 4
    if bjerrum_length == 4.0:
        assert z_score(sigma - sigma_NE, 0.0) < -4


def repulsive_plane():
    lattice, cells, pairs = repulsive_square(2.0, BARRIER)
    return lattice, cells, pairs, 8, 2


def charged_cube():
    network = simple_cubic(saddle=BARRIER)
    cells = supercell(network, (3, 3, 3))
    return replicate(network, (3, 3, 3), permittivity=COULOMB / 4.0), cells, coulomb_pairs(cells, 4.0), 3, 3


@pytest.mark.parametrize(("gas", "clearly"), [(repulsive_plane, [0, 1]), (charged_cube, [1])])
def test_memory_only_slows(gas, clearly):
    """D_J ≤ D_unc and D* ≤ D_unc: hops of length 1 at the rate k make D_unc = k / 2dn, and some of them are undone.

    Both by more than 4 sigma where neighbours repel at half filling; three charges in a cube push each other so evenly
    that only D* falls that far below.
    """
    lattice, cells, pairs, n, dimensions = gas()
    found = run_replicas(lattice, {"A": n}, block=BLOCK, n_blocks=400, seed=69, nu=NU)
    uncorrelated = found.event_rate / (2 * dimensions * n)
    exact = np.trace(master_equation(cells, [(0, n)], pairs=pairs, nu=NU).uncorrelated()) / (dimensions * n)
    assert abs(z_score(uncorrelated, exact)) < 4
    collective = found.collective[:, 0, 0, :dimensions].mean(axis=1) / n
    tracer = found.tracer[:, 0, 0, :dimensions].mean(axis=1)
    below = np.array([z_score(D - uncorrelated, 0.0) for D in (collective, tracer)])
    assert (below < 4).all(), below
    assert (below[clearly] < -4).all(), below


def two_level_honeycomb():
    """Eight sites of two energies with repulsion between neighbours: 56 configurations of three ions."""
    network = honeycomb(site_energy=np.array([0.0, 0.7]), saddle=BARRIER)
    cells = supercell(network, (2, 2, 1))
    gas = master_equation(cells, [(0, 3)], pairs=contact_pairs(cells, 1.0, 1.0), nu=NU)
    return replicate(network, (2, 2, 1), interaction=neighbours(network, 1.0)), gas


def p_value(sites, gas):
    """Of the χ² test of independent configurations, (n, n_ions) sites, against exp(-E/kT)."""
    occupied = np.zeros((len(sites), gas.occupied.shape[1]), bool)
    np.put_along_axis(occupied, sites, True, axis=1)
    bits = 1 << np.arange(occupied.shape[1])
    code = {c: k for k, c in enumerate((gas.occupied @ bits).tolist())}
    seen = np.bincount([code[c] for c in (occupied @ bits).tolist()], minlength=len(code))
    return stats.chisquare(seen, gas.probability * len(sites)).pvalue


def test_equilibrium_histogram_of_the_event_loop():
    """Configurations at far apart times occur like exp(-E/kT): residence times, not events, are the weights."""
    lattice, gas = two_level_honeycomb()
    interval = 9 * gas.relaxation_time()
    n = 20_000
    state = place_ions(lattice, {"A": 3}, np.random.default_rng(5), temperature=TEMPERATURE)
    simulation = Simulation(lattice, state, temperature=TEMPERATURE, attempt_frequency=NU)
    frames = simulation.run(n * interval, n, frame_every=1).frames
    assert 1e-3 < p_value(frames.site[1:], gas) < 1 - 1e-3


def test_equilibrium_histogram_of_the_metropolis_moves():
    lattice, gas = two_level_honeycomb()
    state = place_ions(lattice, {"A": 3}, np.random.default_rng(6), temperature=TEMPERATURE)
    simulation = Simulation(lattice, state, temperature=TEMPERATURE, attempt_frequency=NU)
    sites = np.empty((4000, 3), int)
    for k in range(len(sites)):
        simulation.equilibrate(30)
        sites[k] = state.ion_site
    assert 1e-3 < p_value(sites, gas) < 1 - 1e-3
