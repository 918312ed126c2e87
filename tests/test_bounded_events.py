"""Events drawn from bounds that hold within an allowance, in large lattices with a table: as exact as with rates."""

import numpy as np
import pytest
from lattices import TEMPERATURE as UNIT_TEMPERATURE
from lattices import ring
from random_network import TEMPERATURE
from reference_kmc import reference_kmc
from test_engine import COUNTS, FIELD, LATTICES, NETWORK, assert_same_state

from kmc import streaming
from kmc.placement import place_ions
from kmc.rates import open_hops
from kmc.simulation import Simulation
from kmc.trajectory import Checkpoint, TaskLabel, read_checkpoint, write_checkpoint
from lattice.supercell import replicate

LATTICE = LATTICES["coulomb"]


@pytest.fixture(autouse=True)
def bounds_everywhere(monkeypatch):
    """Bounds are kept for any number of ions."""
    monkeypatch.setattr(streaming, "FEWEST_HOPS", 1)


def start(*, seed=1, frozen=(), **options):
    state = place_ions(LATTICE, COUNTS, np.random.default_rng(seed), temperature=TEMPERATURE, frozen=frozen)
    return Simulation(LATTICE, state, temperature=TEMPERATURE, field=FIELD, **options)


def test_bounds_are_kept_where_there_are_many_ions(monkeypatch):
    """By the number of hops that ions of a species have on the mean, not by where they are."""
    degree = np.bincount(NETWORK.hop_origin, minlength=NETWORK.n_sites)
    hops = sum(COUNTS[s.name] * degree[NETWORK.site_species == k].mean() for k, s in enumerate(NETWORK.species))
    for fewest, kept in ((hops - 1e-9, 2 * sum(COUNTS.values())), (hops + 1e-9, 0)):
        monkeypatch.setattr(streaming, "FEWEST_HOPS", fewest)
        assert start().state.thinning.size == kept


@pytest.mark.parametrize("recount_every", [2**17, 13])
def test_the_trajectory_is_that_of_the_plain_reference(recount_every):
    """Same random numbers, ions, sites and times over 150 events in one call; one species is frozen."""
    simulation = start(frozen=("C2+",), recount_every=recount_every)
    twin = simulation.state.copy()
    for time, ion, site, _, _ in reference_kmc(LATTICE, twin, simulation.conditions, 150, bounds=True):
        twin.ion_site[ion], twin.time = site, time
    assert simulation.step(150) == 150
    assert (simulation.state.ion_site == twin.ion_site).all()
    assert simulation.state.time == pytest.approx(twin.time, rel=1e-9)
    assert simulation.state.rng.random() == twin.rng.random()


def test_no_rate_is_above_its_bound_and_bounds_are_not_wide():
    """After every hop; rates and their bounds by the plain recount, and the share of trials that are hops."""
    simulation = start(seed=4)
    state, engine, seen = simulation.state, simulation.engine, []
    n = state.n_ions
    for _ in range(300):
        simulation.step()
        hops = open_hops(LATTICE, state, simulation.conditions)
        rate = np.bincount(hops.ion, weights=hops.rate, minlength=n)
        bound, used = state.thinning[:n], state.thinning[n:]
        assert (rate <= bound * (1.0 + 1e-9)).all()
        assert (bound <= rate * engine.tables.changes.stretch**4).all()  # twice the allowance, squared at most
        assert ((used >= 0.0) & (used <= 1.0)).all()
        seen.append(rate.sum() / bound.sum())
    assert 0.3 < np.mean(seen) < 0.95


def test_a_rate_above_its_bound_ends_the_run():
    simulation = start()
    simulation.step(10)
    simulation.state.thinning[: simulation.state.n_ions] *= 1e-3
    with pytest.raises(FloatingPointError, match="below their bounds"):
        simulation.step(10)


def test_a_run_in_parts_and_from_its_checkpoint_has_the_same_bits(tmp_path):
    """Bounds, what is used of the allowances and the time of the next trial belong to the state."""
    whole, parts = start(recount_every=31), start(recount_every=31)
    for simulation in (whole, parts):
        simulation.equilibrate(20)
    samples = whole.run(1e-9, 20)
    sampler = parts.begin(1e-9, 20)
    label = TaskLabel("key", 1, 0.5, "x", 0, "hash", "deck")
    for n_events in (1, 17, 40, 3):
        parts.advance(sampler, n_events)
        write_checkpoint(tmp_path / "kept.h5", Checkpoint(label, parts.conditions, parts.state, sampler))
        kept = read_checkpoint(tmp_path / "kept.h5")
        parts, sampler = (
            Simulation(LATTICE, kept.state, temperature=TEMPERATURE, field=FIELD, recount_every=31),
            kept.sampler,
        )
    assert parts.advance(sampler)
    assert (parts.finish(sampler).displacement == samples.displacement).all()
    assert_same_state(parts.state, whole.state)
    assert whole.state.n_events > 200


def test_rates_asked_for_in_between_change_nothing():
    """The tree of the workspace holds rates then, and bounds again when the run goes on."""
    one, other = start(), start()
    for _ in range(5):
        one.step(20)
        one.mover_rates()
        other.step(20)
    other.mover_rates()
    assert_same_state(one.state, other.state)


def test_waiting_times_and_hops_are_those_of_the_true_rates():
    """From one configuration, many times: the mean time and the shares of the hops, within 4.5 standard errors."""
    simulation = start(seed=2)
    first = simulation.state.copy()
    hops = open_hops(LATTICE, first, simulation.conditions)
    total, n = hops.rate.sum(), 4000
    engine, times, seen = simulation.engine, np.empty(n), {}
    rng = np.random.default_rng(7)
    for k in range(n):
        state = first.copy()
        state.rng, state.next_time = rng, np.nan
        one = engine.on(state)
        begin = float(one.clock[0])
        one.advance(simulation._sampler(np.zeros(0)), state.n_events + 1, rng)
        times[k] = one.clock[0] - begin
        (moved,) = np.flatnonzero(state.ion_site != first.ion_site)
        seen[int(moved)] = seen.get(int(moved), 0) + 1
    assert times.mean() * total == pytest.approx(1.0, abs=4.5 / np.sqrt(n))
    assert (times**2).mean() * total**2 / 2.0 == pytest.approx(1.0, abs=4.5 * np.sqrt(5.0 / n))
    share = np.bincount(hops.ion, weights=hops.rate, minlength=first.n_ions) / total
    for ion, p in enumerate(share):
        assert seen.get(ion, 0) / n == pytest.approx(p, abs=4.5 * np.sqrt(p * (1.0 - p) / n) + 1e-12)


def test_threads_change_no_bit(monkeypatch):
    monkeypatch.setattr("kmc.crew.SITES_PER_THREAD", 3)
    one, three = start(), start(threads=lambda: 3)
    for simulation in (one, three):
        simulation.step(300)
    assert_same_state(one.state, three.state)


def test_a_blocked_state_is_a_result():
    """A full ring of charges: no bound, no trial, time stands at the end."""
    lattice = replicate(ring(), (5, 1, 1))
    state = place_ions(lattice, {"A": 5}, np.random.default_rng(0), temperature=UNIT_TEMPERATURE)
    simulation = Simulation(lattice, state, temperature=UNIT_TEMPERATURE, attempt_frequency=1.0)
    assert state.thinning.size == 10
    samples = simulation.run(10.0, 5)
    assert samples.blocked
    assert state.n_events == 0
