"""Events drawn by thinning where ions interact with few others: which runs do, and the same dynamics as with rates."""

import numpy as np
import pytest
from lattices import TEMPERATURE as UNIT_TEMPERATURE
from lattices import ring, simple_cubic, square
from random_network import TEMPERATURE, random_network
from reference_kmc import pair_energies, reference_kmc

from kmc.kernels import BLOCKED, MOST_NULLS, SMALLEST_ACCEPTANCE
from kmc.placement import place_ions
from kmc.rates import exclusion_counts, interaction_energy, open_hops
from kmc.simulation import Simulation
from kmc.tables import Conditions, _ceilings
from lattice.supercell import PairEnergies, replicate
from structures.units import BOLTZMANN

NETWORK = random_network()
COUNTS = {"A+": 30, "B-": 20, "C2+": 12}


def repulsion(network, energy, within=1.01):
    return PairEnergies.within(network, within, lambda distance, charges: np.full_like(distance, energy))


def cubic(n, energy=0.0, repeats=(4, 4, 4), **options):
    network = simple_cubic(**options)
    lattice = replicate(network, repeats, interaction=repulsion(network, energy) if energy else None)
    state = place_ions(lattice, {"A": n}, np.random.default_rng(2), temperature=UNIT_TEMPERATURE)
    return Simulation(lattice, state, temperature=UNIT_TEMPERATURE, attempt_frequency=1.0)


def test_most_trials_must_be_hops():
    """Hard core: the acceptance is the mean share of free neighbours; dense fillings and Coulomb keep rates."""
    simulation = cubic(6)
    lattice, state = simulation.lattice, simulation.state
    free = (state.occupant[lattice.hop_target.reshape(-1, 6)[state.ion_site]] < 0).mean()
    assert state.thinning == pytest.approx([free, 0.0], rel=1e-8)
    assert cubic(62).state.thinning[0] < SMALLEST_ACCEPTANCE
    charged = replicate(NETWORK, (2, 2, 2))
    state = place_ions(charged, {"A+": 2}, np.random.default_rng(0), temperature=TEMPERATURE)
    assert Simulation(charged, state, temperature=TEMPERATURE).state.thinning.size == 0


@pytest.mark.parametrize(("energy", "saddle", "regimes"), [(0.7, 30.0, {0, 1}), (3.0, 0.4, {0, 2}), (-0.4, 2.0, {0})])
def test_the_trajectory_is_that_of_the_plain_reference(energy, saddle, regimes):
    """kT = 1 eV; ions without neighbours, those that others push, those that cannot be faster, those attracted."""
    network = square(saddle=saddle)
    lattice = replicate(network, (4, 5, 1), interaction=repulsion(network, energy))
    state = place_ions(lattice, {"A": 6}, np.random.default_rng(3), temperature=UNIT_TEMPERATURE)
    simulation = Simulation(lattice, state, temperature=UNIT_TEMPERATURE, attempt_frequency=1.0)
    assert state.thinning[0] > SMALLEST_ACCEPTANCE
    twin, seen, pair = state.copy(), set(), np.array(pair_energies(lattice))
    whole = Simulation(lattice, state.copy(), temperature=UNIT_TEMPERATURE, attempt_frequency=1.0)
    ceilings = simulation.engine.tables.ceilings
    for time, ion, site, _, _ in reference_kmc(lattice, twin.copy(), simulation.conditions, 200):
        V = pair[np.ix_(twin.ion_site, twin.ion_site)].sum(axis=1)
        linear = ceilings.most[1, 0] * np.exp(V / 2.0) < ceilings.most[2, 0]
        seen |= set(np.where(V <= 1e-9, 0, np.where(linear, 1, 2)).tolist())
        twin.ion_site[ion] = site
        assert simulation.step() == 1
        assert (state.ion_site == twin.ion_site).all()
        assert state.time == pytest.approx(time, rel=1e-9)
    assert seen == regimes
    assert whole.step(200) == 200  # bounds renewed one by one
    assert (whole.state.ion_site == state.ion_site).all()
    assert whole.state.time == state.time


@pytest.mark.parametrize("pairs", [False, True])
def test_everything_kept_equals_its_recount_where_cells_are_inside_too(pairs):
    """Steps within the supercell and tables at its faces: places, images, exclusion counts, energies, rates."""
    energies = PairEnergies.within(NETWORK, 3.0, lambda r, charges: 0.1 * charges / r * np.exp(-r)) if pairs else None
    lattice = replicate(NETWORK, (4, 3, 5), interaction=energies)
    state = place_ions(lattice, COUNTS, np.random.default_rng(1), temperature=TEMPERATURE)
    simulation = Simulation(lattice, state, temperature=TEMPERATURE, recount_every=1000)
    tables = simulation.engine.tables
    assert 0 < tables.hops.inside.sum() < lattice.n_cells
    assert state.thinning[0] > SMALLEST_ACCEPTANCE
    inside, n_inside = np.repeat(tables.hops.inside, NETWORK.n_sites), 0
    for _ in range(300):
        before, sites = simulation.positions(), state.ion_site.copy()
        simulation.step()
        (moved,) = np.flatnonzero(state.ion_site != sites)
        n_inside += inside[sites[moved]]
        step = NETWORK.hop_vector[state.ion_last_hop[moved]]
        assert simulation.positions()[moved] - before[moved] == pytest.approx(step, abs=1e-9)
    assert 15 < n_inside < 285
    assert (state.blocked == exclusion_counts(lattice, state.ion_site)).all()
    assert (state.occupant[state.ion_site] == np.arange(state.n_ions)).all()
    assert simulation.site_interaction() == pytest.approx(interaction_energy(lattice, state.ion_site), abs=1e-12)
    kept, total = simulation.mover_rates()
    hops = open_hops(lattice, state, simulation.conditions)
    assert kept == pytest.approx(np.bincount(hops.ion, weights=hops.rate, minlength=state.n_ions), rel=1e-10)
    assert total == pytest.approx(hops.rate.sum(), rel=1e-10)


def test_no_rate_is_above_its_ceiling():
    """Over the configurations of a run, hop by hop."""
    energies = PairEnergies.within(NETWORK, 3.0, lambda r, charges: 0.1 * charges / r * np.exp(-r))
    lattice = replicate(NETWORK, (2, 2, 2), interaction=energies)
    state = place_ions(lattice, {"A+": 4, "B-": 4, "C2+": 2}, np.random.default_rng(1), temperature=TEMPERATURE)
    simulation = Simulation(lattice, state, temperature=TEMPERATURE, field=(2e-3, -1e-3, 5e-4))
    ceilings, tightest = simulation.engine.tables.ceilings, 0.0
    first = np.searchsorted(NETWORK.hop_origin, np.arange(NETWORK.n_sites))
    for _ in range(100):
        simulation.step(3)
        hops = open_hops(lattice, state, simulation.conditions)
        V = interaction_energy(lattice, state.ion_site)[state.ion_site]
        for ion, hop, rate in zip(hops.ion, hops.hop, hops.rate, strict=True):
            a, column = state.ion_site[ion] % NETWORK.n_sites, hop - lattice.hop_offset[state.ion_site[ion]]
            assert NETWORK.hop_origin[first[a] + column] == a
            X = np.exp(V[ion] / (2.0 * BOLTZMANN * TEMPERATURE))
            at_rest, linear, top = ceilings.running[:, a, column] - (
                ceilings.running[:, a, column - 1] if column else 0.0
            )
            tightest = max(tightest, rate / (at_rest if X <= 1.0 else min(linear * X, top)))
    assert 0.9 < tightest < 1.0 + 1e-9


def test_a_configuration_in_which_nothing_moves_ends_the_trials():
    """A full ring that is drawn from by thinning all the same: after MOST_NULLS trials it is found to be blocked."""
    lattice = replicate(ring(), (5, 1, 1), interaction=None)
    state = place_ions(lattice, {"A": 5}, np.random.default_rng(0), temperature=UNIT_TEMPERATURE)
    simulation = Simulation(lattice, state, temperature=UNIT_TEMPERATURE, attempt_frequency=1.0)
    state.thinning[:] = 1.0, MOST_NULLS - 10
    assert simulation.engine.advance(simulation._sampler(np.zeros(0)), 10, state.rng) == BLOCKED
    assert state.thinning.tolist() == [0.0, 0.0]
    assert state.n_events == 0


def test_times_between_hops_do_not_depend_on_how_they_are_drawn():
    """A ring with one vacancy, rates 1: the mean time between hops is 1/2, within 4 standard errors, for both ways."""
    for acceptance in (0.0, 1.0):
        lattice = replicate(ring(), (8, 1, 1), interaction=None)
        state = place_ions(lattice, {"A": 7}, np.random.default_rng(5), temperature=UNIT_TEMPERATURE)
        simulation = Simulation(lattice, state, temperature=UNIT_TEMPERATURE, attempt_frequency=1.0)
        state.thinning[0] = acceptance
        assert simulation.step(20_000) == 20_000
        assert state.thinning[0] == acceptance
        assert state.time / 20_000 == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(20_000))


def test_ceilings_hold_where_attractions_exceed_what_an_exponential_can():
    """Six neighbours at -400 kT each: the largest rates are those of hops without a barrier, and nothing overflows."""
    network = simple_cubic()
    attraction = repulsion(network, -400 * BOLTZMANN * UNIT_TEMPERATURE)
    lattice = replicate(network, (4, 4, 4), interaction=attraction)
    ceilings = _ceilings(lattice, Conditions(UNIT_TEMPERATURE, 1.0, np.zeros(3)))
    assert ceilings.most[0] == pytest.approx(6.0)
    assert ceilings.common == pytest.approx(6.0)
