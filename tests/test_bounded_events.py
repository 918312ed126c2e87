"""Events drawn from bounds that hold within an allowance, in large lattices with a table: as exact as with rates."""

import numpy as np
import pytest
from lattices import TEMPERATURE as UNIT_TEMPERATURE
from lattices import ring
from random_network import TEMPERATURE, random_network
from reference_kmc import Bounds, reference_kmc
from test_engine import COUNTS, FIELD, LATTICES, NETWORK, assert_same_state

from kmc import streaming, thinning
from kmc.placement import place_ions
from kmc.rates import open_hops
from kmc.simulation import Simulation, _blocks
from kmc.trajectory import Checkpoint, TaskLabel, read_checkpoint, write_checkpoint
from lattice.supercell import replicate

LATTICE = LATTICES["coulomb"]
WEAK = replicate(random_network(permittivity=600.0), (2, 2, 2))  # where energies alone would not renew an opened ion
BOXED = replicate(random_network(permittivity=600.0), (2, 6, 5))  # where the sites of cells farther away share a code
ONE = replicate(random_network(permittivity=600.0), (1, 1, 1))


@pytest.fixture(autouse=True)
def bounds_everywhere(monkeypatch):
    """Bounds are kept for any number of ions."""
    monkeypatch.setattr(streaming, "FEWEST_HOPS", 1)


def start(*, seed=1, frozen=(), lattice=LATTICE, counts=COUNTS, **options):
    state = place_ions(lattice, counts, np.random.default_rng(seed), temperature=TEMPERATURE, frozen=frozen)
    return Simulation(lattice, state, temperature=TEMPERATURE, field=FIELD, **options)


def test_bounds_are_kept_where_there_are_many_ions(monkeypatch):
    """By the number of hops that ions of a species have on the mean, not by where they are."""
    degree = np.bincount(NETWORK.hop_origin, minlength=NETWORK.n_sites)
    hops = sum(COUNTS[s.name] * degree[NETWORK.site_species == k].mean() for k, s in enumerate(NETWORK.species))
    for fewest, kept in ((hops - 1e-9, 2 * sum(COUNTS.values()) + 5), (hops + 1e-9, 0)):
        monkeypatch.setattr(streaming, "FEWEST_HOPS", fewest)
        assert start().state.thinning.size == kept


def test_ions_for_which_a_hop_opens_a_site_are_renewed_at_once():
    """Those that reach the old place or one that it excluded, found one by one; in WEAK nothing else does it."""
    simulation = start(lattice=WEAK)
    changes, network, n, repeats = simulation.engine.tables.changes, WEAK.network, WEAK.network.n_sites, WEAK.repeats
    targets = [set(WEAK.hop_target[slice(*WEAK.hop_offset[s : s + 2])].tolist()) for s in range(WEAK.n_sites)]
    assert (changes.box == [repeats, np.array(repeats) // 2]).all()
    marked, by_place, by_exclusion = np.zeros(changes.code.shape, bool), 0, 0
    for h, a in enumerate(network.hop_origin.tolist()):
        row, seen_from = int(changes.row[h]), np.zeros(3, int)
        if row < 0:
            row, seen_from = -1 - row, network.hop_image[h]
        excluded = set(WEAK.exclusion_site[slice(*WEAK.exclusion_offset[a : a + 2])].tolist())
        for site in range(WEAK.n_sites):
            if targets[site] & {a, *excluded}:
                offset = np.array(np.unravel_index(site // n, repeats)) - seen_from
                cell = np.ravel_multi_index((offset + changes.box[1]) % repeats, repeats)
                for place in (cell * n + site % n, WEAK.n_sites + cell):
                    assert changes.code[row, place] == 255
                    marked[row, place] = True
                by_place += a in targets[site]
                by_exclusion += a not in targets[site]
    assert by_place > 1000
    assert by_exclusion > 500
    assert (changes.code == 255).sum() < 1.1 * marked.sum()


@pytest.mark.parametrize(
    ("lattice", "recount_every", "nearby", "box"),
    [
        (LATTICE, 2**17, None, LATTICE.repeats),
        (LATTICE, 13, None, LATTICE.repeats),
        (WEAK, 2**17, None, WEAK.repeats),
        (BOXED, 2**17, None, (2, 5, 3)),
        (BOXED, 2**17, 2.0, (1, 1, 1)),
    ],
)
def test_the_trajectory_is_that_of_the_plain_reference(monkeypatch, lattice, recount_every, nearby, box):
    """Same random numbers, ions, sites, times, bounds and used allowances over 150 events; one species is frozen."""
    if nearby is not None:
        monkeypatch.setattr(thinning, "_NEARBY", nearby)  # beyond any code: only the cell of the hop is in the box
    simulation = start(frozen=("C2+",), lattice=lattice, recount_every=recount_every)
    twin, bounds = simulation.state.copy(), Bounds(simulation.engine.tables.changes.box)
    assert tuple(bounds.box[0]) == box
    for time, ion, site, _, _ in reference_kmc(lattice, twin, simulation.conditions, 150, bounds=bounds):
        twin.ion_site[ion], twin.time = site, time
    assert simulation.step(150) == 150
    n = len(bounds.bound)
    assert (simulation.state.ion_site == twin.ion_site).all()
    assert simulation.state.time == pytest.approx(twin.time, rel=1e-9)
    assert simulation.state.rng.random() == twin.rng.random()
    assert simulation.state.thinning[:n] == pytest.approx(bounds.bound, rel=1e-6)
    assert simulation.state.thinning[n : 2 * n] == pytest.approx(bounds.used, abs=1e-9)
    assert max(bounds.used) > 0.0


@pytest.mark.parametrize(
    ("lattice", "counts"),
    [(LATTICE, COUNTS), (WEAK, {"A+": 24, "B-": 20, "C2+": 12}), (BOXED, COUNTS), (ONE, {"A+": 2, "C2+": 1})],
)
def test_no_rate_is_above_its_bound_and_bounds_are_not_wide(lattice, counts):
    """After every hop; rates and their bounds by the plain recount, and the share of trials that are hops."""
    simulation = start(seed=4, lattice=lattice, counts=counts)
    state, seen = simulation.state, []
    n = state.n_ions
    for _ in range(300):
        simulation.step()
        hops = open_hops(lattice, state, simulation.conditions)
        rate = np.bincount(hops.ion, weights=hops.rate, minlength=n)
        bound, used = state.thinning[:n], state.thinning[n : 2 * n]
        assert (rate <= bound * (1.0 + 1e-9)).all()
        assert ((used >= 0.0) & (used <= 1.0)).all()
        seen.append(rate.sum() / bound.sum())
    assert 0.3 < np.mean(seen) < 0.95


def test_a_rate_above_its_bound_ends_the_run():
    simulation = start()
    simulation.step(10)
    simulation.state.thinning[: simulation.state.n_ions] *= 1e-3
    with pytest.raises(FloatingPointError, match="below their bounds"):
        simulation.step(10)


def test_a_run_in_parts_and_from_its_checkpoint_has_the_same_bits(tmp_path, monkeypatch):
    """Bounds, what is used of the allowances and the time of the next trial belong to the state."""
    monkeypatch.setattr("kmc.simulation._SAMPLES", 3)  # kernels end at samples, with a trial already drawn
    drawn = 0
    whole, parts = start(recount_every=31), start(recount_every=31)
    for simulation in (whole, parts):
        simulation.equilibrate(20)
    samples = whole.run(1e-9, 600)
    sampler = parts.begin(1e-9, 600)
    label = TaskLabel("key", 1, 0.5, "x", 0, "hash", "deck")
    for n_events in (1, 17, 40, 3, 5, 7, 2, 9):
        parts.advance(sampler, n_events)
        while not np.isfinite(parts.state.next_time) and sampler.next_sample[0] < 600:
            next(_blocks(parts.engine, sampler, 2**40, parts.state.rng))
            parts._hand_back()
        drawn += np.isfinite(parts.state.next_time)
        write_checkpoint(tmp_path / "kept.h5", Checkpoint(label, parts.conditions, parts.state, sampler))
        kept = read_checkpoint(tmp_path / "kept.h5")
        parts = Simulation(LATTICE, kept.state, temperature=TEMPERATURE, field=FIELD, recount_every=31)
        sampler = kept.sampler
    assert drawn > 3
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
    simulation.step(50)  # allowances are used in part
    n_ions = simulation.state.n_ions
    assert simulation.state.thinning[n_ions : 2 * n_ions].max() > 0.5
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
        hop = int(moved), int(state.ion_site[moved])
        seen[hop] = seen.get(hop, 0) + 1
    assert times.mean() * total == pytest.approx(1.0, abs=4.5 / np.sqrt(n))
    assert (times**2).mean() * total**2 / 2.0 == pytest.approx(1.0, abs=4.5 * np.sqrt(5.0 / n))
    share: dict = {}
    for ion, hop, rate in zip(hops.ion.tolist(), hops.hop.tolist(), hops.rate.tolist(), strict=True):
        key = ion, int(LATTICE.hop_target[hop])
        share[key] = share.get(key, 0.0) + rate / total
    assert set(seen) <= set(share)
    for key, p in share.items():
        assert seen.get(key, 0) / n == pytest.approx(p, abs=4.5 * np.sqrt(p * (1.0 - p) / n) + 1.0 / n)


@pytest.mark.parametrize("options", [{"attempt_frequency": 2e12}, {"field": (5e-2, 0.0, 0.0)}])
def test_bounds_of_other_conditions_are_made_anew(options):
    """And the time of a trial is drawn again: it was that of other bounds."""
    simulation = start()
    simulation.run(1e-10, 3)
    state = simulation.state.copy()
    assert np.isfinite(state.next_time)
    other = Simulation(LATTICE, state, **{"temperature": TEMPERATURE, "field": FIELD, **options})
    assert np.isnan(state.thinning[0])
    assert np.isnan(state.next_time)
    other.step(50)
    hops, n = open_hops(LATTICE, state, other.conditions), state.n_ions
    assert (np.bincount(hops.ion, weights=hops.rate, minlength=n) <= state.thinning[:n] * (1.0 + 1e-9)).all()


def test_the_time_of_a_trial_is_not_that_of_a_hop(monkeypatch):
    """A state with bounds in an engine without, and the other way round."""
    simulation = start()
    simulation.run(1e-10, 3)
    assert np.isfinite(simulation.state.next_time)
    monkeypatch.setattr(streaming, "FEWEST_HOPS", 10**9)
    plain = Simulation(LATTICE, simulation.state.copy(), temperature=TEMPERATURE, field=FIELD)
    assert plain.state.thinning.size == 0
    assert np.isnan(plain.state.next_time)
    plain.run(1e-10, 3)
    assert np.isfinite(plain.state.next_time)
    monkeypatch.setattr(streaming, "FEWEST_HOPS", 1)
    back = Simulation(LATTICE, plain.state.copy(), temperature=TEMPERATURE, field=FIELD)
    assert np.isnan(back.state.next_time)


def test_moves_without_hops_make_the_bounds_anew():
    simulation = start()
    simulation.step(40)
    simulation.equilibrate(5)
    assert np.isnan(simulation.state.thinning[0])
    simulation.step(40)
    hops, n = open_hops(LATTICE, simulation.state, simulation.conditions), simulation.state.n_ions
    rate = np.bincount(hops.ion, weights=hops.rate, minlength=n)
    assert (rate <= simulation.state.thinning[:n] * (1.0 + 1e-9)).all()


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
    assert state.thinning.size == 15
    samples = simulation.run(10.0, 5)
    assert samples.blocked
    assert state.n_events == 0
