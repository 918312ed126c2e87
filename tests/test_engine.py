"""The event loop against a plain-Python twin, full recounts, detailed balance and Boltzmann's distribution."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from lattices import TEMPERATURE as UNIT_TEMPERATURE
from lattices import chain, ion, ring, square
from random_network import TEMPERATURE, random_network
from reference_kmc import collides, reference_kmc, total_energy
from scipy import stats

from kmc import kernels, rates
from kmc.placement import place_ions
from kmc.rates import exclusion_counts, interaction_energy, open_hops
from kmc.sampling import N_LAGS
from kmc.simulation import Simulation
from kmc.tables import Conditions
from lattice.supercell import PairEnergies, replicate
from structures.errors import InputError

COUNTS = {"A+": 4, "B-": 4, "C2+": 2}
FIELD = (2e-3, -1e-3, 5e-4)  # V/Å, some 0.01 eV per hop
NETWORK = random_network()


def lattice_of(interaction):
    if interaction == "pairs":
        pairs = PairEnergies.within(NETWORK, 3.0, lambda r, charges: 0.1 * charges / r * np.exp(-r))
        return replicate(NETWORK, (2, 2, 2), interaction=pairs)
    return replicate(NETWORK, (2, 2, 2), interaction="coulomb" if interaction == "coulomb" else None)


LATTICES = {name: lattice_of(name) for name in ("coulomb", "pairs", "none")}


def start(name="coulomb", *, seed=1, field=FIELD, frozen=(), **options):
    rng = np.random.default_rng(seed)
    state = place_ions(LATTICES[name], COUNTS, rng, temperature=TEMPERATURE, frozen=frozen)
    return Simulation(LATTICES[name], state, temperature=TEMPERATURE, field=field, **options)


def assert_same_state(a, b):
    for name, array in a.arrays().items():
        assert (array == b.arrays()[name]).all(), name
    assert (a.time, a.n_events) == (b.time, b.n_events)
    assert a.next_time == b.next_time or (np.isnan(a.next_time) and np.isnan(b.next_time))
    assert a.rng.bit_generator.state == b.rng.bit_generator.state


@pytest.mark.parametrize(
    ("name", "recount_every"), [("coulomb", 2**17), ("coulomb", 13), ("pairs", 13), ("none", 2**17)]
)
def test_the_trajectory_is_that_of_the_plain_reference(name, recount_every):
    """Same random numbers, same ions, sites, images and times, over 150 events in one call; one species is frozen."""
    simulation = start(name, frozen=("C2+",), recount_every=recount_every)
    twin = simulation.state.copy()
    image, last, events, returns = np.zeros((10, 3), int), {}, {}, {}
    for time, ion_, site, hop, wrap in reference_kmc(simulation.lattice, twin, simulation.conditions, 150):
        twin.ion_site[ion_], twin.time = site, time
        image[ion_] += wrap
        orbit = NETWORK.hop_orbit[hop]
        events[orbit] = events.get(orbit, 0) + 1
        returns[orbit] = returns.get(orbit, 0) + (last.get(ion_) == NETWORK.hop_reverse[hop])
        last[ion_] = hop
    sampler = simulation.begin(1.0, 1)
    assert not simulation.advance(sampler, 150)

    assert simulation.state.n_events == 150
    assert (simulation.state.ion_site == twin.ion_site).all()
    assert (simulation.state.ion_image == image).all()
    assert simulation.state.time == pytest.approx(twin.time, rel=1e-9)
    assert simulation.state.rng.random() == twin.rng.random()
    assert (simulation.state.ion_species[sorted(last)] != 2).all()
    for counter, expected in zip(sampler.orbit_hops, (events, returns), strict=True):
        assert {int(k): int(counter[k]) for k in np.flatnonzero(counter)} == {k: v for k, v in expected.items() if v}
    assert sum(returns.values()) > 10


@pytest.mark.parametrize("name", LATTICES)
def test_everything_kept_equals_its_recount_after_every_event(name):
    """Site energies, rates, exclusion counts, occupants and the total energy, VERIFICATION §9."""
    simulation = start(name)
    lattice, state = simulation.lattice, simulation.state
    for _ in range(150):
        assert simulation.step() == 1
        assert simulation.site_interaction() == pytest.approx(interaction_energy(lattice, state.ion_site), abs=1e-12)
        rates_kept, total = simulation.mover_rates()
        hops = open_hops(lattice, state, simulation.conditions)
        expected = np.bincount(hops.ion, weights=hops.rate, minlength=state.n_ions)
        assert rates_kept == pytest.approx(expected, rel=1e-10)
        assert total == pytest.approx(hops.rate.sum(), rel=1e-10)
        assert (state.blocked == exclusion_counts(lattice, state.ion_site)).all()
        assert (np.flatnonzero(state.occupant >= 0) == np.sort(state.ion_site)).all()
        assert (state.occupant[state.ion_site] == np.arange(state.n_ions)).all()
        sites = state.ion_site.tolist()
        assert not any(collides(lattice, sites, ion_) for ion_ in range(state.n_ions))
        energy = total_energy(lattice, sites, TEMPERATURE)
        assert simulation.energy() == pytest.approx(energy, abs=1e-12)
        assert rates.total_energy(lattice, state.ion_site, TEMPERATURE) == pytest.approx(energy, abs=1e-12)


@pytest.mark.parametrize("name", ["coulomb", "pairs"])
def test_hops_cost_the_difference_of_total_energies_and_obey_detailed_balance(name):
    """ΔE to 1e-12 eV; forward over backward rate is exp((q E·d - ΔE)/kT), clipped at either end or not."""
    simulation = start(name, seed=4)
    lattice, state, kT = simulation.lattice, simulation.state, simulation.conditions.kT
    clipped = set()
    for _ in range(4):
        simulation.step(25)
        hops = open_hops(lattice, state, simulation.conditions)
        before = total_energy(lattice, state.ion_site.tolist(), TEMPERATURE)
        for ion_, hop, delta, rate in zip(hops.ion, hops.hop, hops.free_energy, hops.rate, strict=True):
            site, target = int(state.ion_site[ion_]), int(lattice.hop_target[hop])
            unit = hop % len(NETWORK.hop_origin)
            charge = NETWORK.species[state.ion_species[ion_]].charge
            work = charge * NETWORK.hop_vector[unit] @ FIELD
            moved = state.copy()
            moved.ion_site[ion_] = target
            after = total_energy(lattice, moved.ion_site.tolist(), TEMPERATURE)
            assert delta + work == pytest.approx(after - before, abs=1e-12)

            moved = state.copy()
            moved.site_factor = np.zeros(0)
            moved.occupant[[site, target]] = [-1, ion_]
            moved.ion_site[ion_] = target
            moved.blocked[:] = exclusion_counts(lattice, moved.ion_site)
            back = open_hops(lattice, moved, simulation.conditions)
            k = (back.ion == ion_) & (back.hop % len(NETWORK.hop_origin) == NETWORK.hop_reverse[unit])
            assert k.sum() == 1
            assert rate / back.rate[k][0] == pytest.approx(np.exp(-delta / kT), rel=1e-9)
            there, here = 1e12 * NETWORK.rates(TEMPERATURE).prefactor[[unit, NETWORK.hop_reverse[unit]]]
            clipped.add("top" if np.isclose(rate, there) else "ΔE" if np.isclose(back.rate[k][0], here) else "KRA")
    assert clipped == {"top", "ΔE", "KRA"}


def test_one_call_and_many_calls_have_the_same_bits():
    """Pausing after any event, pickling through a copy, or running in a second thread changes nothing."""
    for name in LATTICES:
        whole, parts, copied, threaded = (start(name, recount_every=31) for _ in range(4))
        whole.step(200)
        for n in (1, 2, 60, 37, 100):
            parts.step(n)
        copied.step(77)
        copied = Simulation(LATTICES[name], copied.state.copy(), temperature=TEMPERATURE, field=FIELD, recount_every=31)
        copied.step(123)
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda simulation: simulation.step(200), (threaded, start(name, seed=2))))
        for other in (parts, copied, threaded):
            assert_same_state(whole.state, other.state)


def test_a_run_goes_on_from_its_state_with_the_same_bits():
    """The hop that was drawn when a run ended is the next one to happen."""
    whole, resumed = start(), start()
    first = whole.run(3e-10, 50)
    second = whole.run(2e-10, 10)
    assert resumed.run(3e-10, 50).events[-1] == first.events[-1] > 100
    assert resumed.state.time == 3e-10 < resumed.state.next_time
    resumed = Simulation(resumed.lattice, resumed.state.copy(), temperature=TEMPERATURE, field=FIELD)
    third = resumed.run(2e-10, 10)
    for name in ("time", "displacement", "events", "energy", "msd", "hop_orbit_events", "hop_orbit_returns"):
        assert (getattr(second, name) == getattr(third, name)).all(), name
    assert_same_state(whole.state, resumed.state)


def test_reversing_every_hop_returns_to_the_start():
    """Sites, images and exclusion counts exactly; the site factors to rounding."""
    simulation = start()
    state, tables = simulation.state, simulation.engine.tables
    begin, path = state.copy(), []
    for _ in range(300):
        before = state.ion_site.copy()
        simulation.step()
        (moved,) = np.flatnonzero(state.ion_site != before)
        path.append((int(moved), int(before[moved]), int(state.ion_last_hop[moved])))
    for moved, old, unit in reversed(path):
        here = int(state.ion_site[moved])
        hop = int(simulation.lattice.hop_offset[here]) + int(
            NETWORK.hop_reverse[unit] - np.searchsorted(NETWORK.hop_origin, here % NETWORK.n_sites)
        )
        assert simulation.lattice.hop_target[hop] == old
        state.ion_image[moved] += simulation.lattice.hop_wrap[hop]
        kernels._relocate(
            tables.interaction, tables.exclusions, simulation.engine.ions.configuration, moved, here, old, None
        )  # fmt: skip
    for name in ("ion_site", "ion_image", "occupant", "blocked"):
        assert (getattr(state, name) == getattr(begin, name)).all(), name
    assert (np.sign(state.site_factor) == np.sign(begin.site_factor)).all()
    assert np.log(np.abs(state.site_factor)) == pytest.approx(np.log(np.abs(begin.site_factor)), abs=1e-11)


def test_samples_are_of_the_state_that_holds_at_their_time():
    """Displacement, hops and energy on the grid from the reference's list of events."""
    simulation = start(seed=6)
    lattice, twin = simulation.lattice, simulation.state.copy()
    samples = simulation.run(4e-11, 20, frame_every=5)
    sites, place, begin = twin.ion_site.copy(), twin.ion_site.copy(), simulation.lattice.position[twin.ion_site]
    moved, event, expected = np.zeros((10, 3)), 0, []
    grid = iter(samples.time)
    t = next(grid)
    for time, ion_, site, hop, _ in reference_kmc(lattice, twin, simulation.conditions, int(samples.events[-1]) + 1):
        while t is not None and t < time:
            summed = [moved[twin.ion_species == p].sum(axis=0) for p in range(3)]
            expected.append((summed, event, total_energy(lattice, place.tolist(), TEMPERATURE), place.copy()))
            t = next(grid, None)
        moved[ion_] += NETWORK.hop_vector[hop]
        place[ion_] = site
        event += 1
    assert samples.events[-1] > 20
    assert len(expected) == 21
    displacement, events, energy, places = zip(*expected, strict=True)
    assert samples.displacement == pytest.approx(np.array(displacement), abs=1e-10)
    assert samples.events.tolist() == list(events)
    assert samples.energy == pytest.approx(np.array(energy), abs=1e-12)
    assert (samples.frames.site == np.array(places)[::5]).all()
    unwrapped = lattice.position[samples.frames.site] + samples.frames.image @ lattice.cell
    assert (unwrapped - begin).sum(axis=1) == pytest.approx(samples.displacement[::5].sum(axis=1), abs=1e-10)
    assert (sites == samples.frames.site[0]).all()


def test_correlators_are_mean_squares_over_all_origins():
    """Level l averages over every 2^l-th origin; compared with the frames of the same run."""
    simulation = start(seed=8)
    samples = simulation.run(2e-10, 300, frame_every=1)
    lattice, step = simulation.lattice, samples.time[1]
    place = lattice.position[samples.frames.site] + samples.frames.image @ lattice.cell
    lags = np.rint(samples.lag / step).astype(int)
    assert lags[:N_LAGS].tolist() == list(range(1, N_LAGS + 1))
    assert (np.diff(lags) > 0).all()
    assert lags[-1] >= 128
    for k, lag in enumerate(lags):
        stride = 1 if lag <= N_LAGS else 2 ** int(np.ceil(np.log2(lag / N_LAGS)))
        square_ = (place[lag::stride] - place[:-lag:stride]) ** 2
        assert samples.origins[k] == len(square_)
        for p in range(3):
            expected = square_[:, simulation.state.ion_species == p].mean(axis=(0, 1))
            assert samples.msd[k, p] == pytest.approx(expected, rel=1e-10)


def test_a_species_without_ions_has_no_mean_square():
    state = place_ions(LATTICES["none"], {"A+": 2}, np.random.default_rng(0), temperature=TEMPERATURE)
    samples = Simulation(LATTICES["none"], state, temperature=TEMPERATURE).run(1e-11, 5)
    assert np.isnan(samples.msd[:, 1:]).all()
    assert np.isfinite(samples.msd[:, 0]).all()


def occupation_p_value(frames, energies):
    """χ² of the histogram of the sets of occupied points against Boltzmann's weights, energies by set in kT."""
    sets, counts = np.unique(np.sort(frames, axis=1), axis=0, return_counts=True)
    observed = {tuple(s): c for s, c in zip(sets.tolist(), counts, strict=True)}
    weights = np.exp(-np.array(list(energies.values())))
    expected = weights / weights.sum() * len(frames)
    assert set(observed) <= set(energies)
    assert expected.min() > 5
    return stats.chisquare([observed.get(s, 0) for s in energies], expected).pvalue


@pytest.fixture(scope="module")
def small_cell():
    """Two like charges on a ring of six points of unequal energy, and the energy of each of the 15 configurations."""
    network = chain(
        np.array([0.0, 1.0, 0.3, 0.7, 0.1, 0.5]), np.array([1.5, 0.6, 2.0, 0.8, 0.9, 3.0]), permittivity=20.0
    )
    lattice = replicate(network, (1, 1, 1))
    energies = {(i, j): total_energy(lattice, [i, j], UNIT_TEMPERATURE) for i in range(6) for j in range(i + 1, 6)}
    return lattice, energies


def test_time_spent_in_each_configuration_is_boltzmanns(small_cell):
    """Clipped KRA rates; samples far apart in time, VERIFICATION §6."""
    lattice, energies = small_cell
    state = place_ions(lattice, {"A": 2}, np.random.default_rng(11), temperature=UNIT_TEMPERATURE)
    simulation = Simulation(lattice, state, temperature=UNIT_TEMPERATURE, attempt_frequency=1.0)
    samples = simulation.run(60 * 6000.0, 6000, frame_every=1)
    correlation = np.corrcoef(samples.energy[:-1], samples.energy[1:])[0, 1]
    assert abs(correlation) < 0.06
    assert occupation_p_value(samples.frames.site, energies) > 1e-3


def test_equilibration_gives_boltzmanns_distribution(small_cell):
    """Independent of the barriers: one of them is out of reach of the clock."""
    lattice, energies = small_cell
    state = place_ions(lattice, {"A": 2}, np.random.default_rng(12), temperature=UNIT_TEMPERATURE)
    simulation = Simulation(lattice, state, temperature=UNIT_TEMPERATURE)
    frames = []
    for _ in range(3000):
        accepted = simulation.equilibrate(15)
        frames.append(state.ion_site.copy())
    assert 0.1 < accepted < 0.9
    assert simulation.drift() < 1e-12
    assert state.time == 0.0
    assert occupation_p_value(np.array(frames), energies) > 1e-3


def test_equilibration_respects_exclusions_and_keeps_the_recount():
    simulation = start(recount_every=17)
    for _ in range(50):
        simulation.equilibrate(2)
        state = simulation.state
        assert (state.blocked == exclusion_counts(simulation.lattice, state.ion_site)).all()
        assert (state.blocked[state.ion_site] == 1).all()  # forbidden by its own ion and by no other
        sites = state.ion_site.tolist()
        assert not any(collides(simulation.lattice, sites, ion_) for ion_ in range(state.n_ions))
        assert (simulation.lattice.site_species[state.ion_site] == state.ion_species).all()
        assert simulation.drift() < 1e-12


def test_equilibration_counts_its_moves_across_kernel_calls(monkeypatch):
    """In calls of seven trials each, the factors are still rebuilt every 13 moves: the same bits as in one call."""
    whole, parts = start(recount_every=13), start(recount_every=13)
    accepted = whole.equilibrate(40)
    assert accepted * 400 > 26
    fractions = []
    monkeypatch.setattr("kmc.simulation._Pace.moves", lambda self: 7)
    assert parts.equilibrate(40, progress=lambda text, fraction: fractions.append(fraction)) == accepted
    assert_same_state(whole.state, parts.state)
    assert fractions == pytest.approx(np.minimum(7 * np.arange(1, 59), 400) / 400)


def test_site_factors_that_went_wrong_are_noticed():
    """Out of range: the same error from equilibration and events. One that drifted: found by the recount."""
    for go_on in (lambda s: s.equilibrate(10), lambda s: s.step(10)):
        simulation = start()
        simulation.state.site_factor[:] = np.inf
        with pytest.raises(FloatingPointError, match="site factors left the range of floating-point numbers"):
            go_on(simulation)
    for wrong in (1.0001, 0.0):
        for go_on in (lambda s: s.equilibrate(0), lambda s: s.run(1e-12, 2)):
            simulation = start(recount_every=13)
            simulation.state.site_factor[np.flatnonzero(simulation.state.occupant < 0)[-1]] *= wrong
            with pytest.raises(FloatingPointError, match="must be within 1e-06 eV of their recount; got"):
                go_on(simulation)


def test_whoever_watches_can_stop_between_two_kernels(monkeypatch):
    """Fractions rise to one; an error out of the callback leaves a state from which the run goes on."""
    monkeypatch.setattr("kmc.simulation._Pace.moves", lambda self: 20)
    simulation, twin = start(), start()
    seen = []
    simulation.estimate_rate(90, progress=lambda text, fraction: seen.append(fraction))
    assert seen == pytest.approx([20 / 90, 40 / 90, 60 / 90, 80 / 90, 1.0])

    def stop(text, fraction):
        if fraction > 0.5:
            raise InterruptedError

    sampler = simulation.begin(2e-10, 30)
    with pytest.raises(InterruptedError):
        simulation.advance(sampler, progress=stop)
    assert 15 < sampler.next_sample[0] < 31
    assert simulation.advance(sampler)
    assert (simulation.finish(sampler).displacement == twin.run(2e-10, 30).displacement).all()
    assert_same_state(simulation.state, twin.state)


def test_a_sampler_of_other_ions_or_with_samples_missing_is_refused():
    simulation = start()
    state = place_ions(LATTICES["coulomb"], {"A+": 2}, np.random.default_rng(0), temperature=TEMPERATURE)
    other = Simulation(LATTICES["coulomb"], state, temperature=TEMPERATURE).begin(1e-9, 3)
    with pytest.raises(ValueError, match=r"sampler must be of this simulation with start of shape \(10, 3\); got"):
        simulation.advance(other)
    with pytest.raises(ValueError, match="run must have all its 4 samples; got 0"):
        simulation.finish(simulation.begin(1e-9, 3))


def test_the_engine_imports_nothing_heavy():
    """A thousand processes pay for every import."""
    heavy = "pymatgen", "ase", "matplotlib", "pandas", "mpi4py", "click", "rich", "pydantic"
    code = f"import sys, kmc.simulation, kmc.trajectory; print(sorted(sys.modules.keys() & set({heavy})))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"


def test_a_state_without_an_open_hop_is_a_result():
    """A full ring: the run comes to its end, nothing has moved and the record says blocked."""
    lattice = replicate(ring(), (5, 1, 1), interaction=None)
    state = place_ions(lattice, {"A": 5}, np.random.default_rng(0), temperature=300.0)
    simulation = Simulation(lattice, state, temperature=300.0)
    assert simulation.step(10) == 0
    assert simulation.estimate_rate(10) == 0.0
    samples = simulation.run(1e-9, 4)
    assert samples.blocked
    assert samples.events.tolist() == [0] * 5
    assert (samples.displacement == 0).all()
    assert state.time == 1e-9


def test_no_ions_at_all_are_blocked_too():
    state = place_ions(LATTICES["coulomb"], {}, np.random.default_rng(0), temperature=TEMPERATURE)
    simulation = Simulation(LATTICES["coulomb"], state, temperature=TEMPERATURE)
    assert simulation.equilibrate(5) == 0.0
    samples = simulation.run(1e-9, 3)
    assert samples.blocked
    assert (samples.energy == 0).all()


def test_the_own_image_blocks_the_way_round_a_cell_one_site_wide():
    """On (4, 1, 1) squares an ion hops along x only; its y neighbour is itself."""
    lattice = replicate(square(), (4, 1, 1), interaction=None)
    state = place_ions(lattice, {"A": 1}, np.random.default_rng(0), temperature=300.0)
    simulation = Simulation(lattice, state, temperature=300.0)
    rates_kept, total = simulation.mover_rates()
    assert total == rates_kept[0] == 2e12
    displacement = simulation.run(1e-9, 10).displacement
    assert np.abs(displacement[:, 0, 0]).max() > 4
    assert (displacement[:, 0, 1] == 0).all()


def test_the_estimate_of_the_rate_leaves_the_state_alone():
    """A free particle hops twice per unit of time on a ring; the estimate has its own random numbers."""
    lattice = replicate(ring(), (5, 1, 1), interaction=None)
    state = place_ions(lattice, {"A": 1}, np.random.default_rng(0), temperature=300.0)
    simulation = Simulation(lattice, state, temperature=300.0, attempt_frequency=1.0)
    before = state.copy()
    rate = simulation.estimate_rate(10_000)
    assert rate == simulation.estimate_rate(10_000) == pytest.approx(2.0, abs=4 * 2.0 / 100)
    assert_same_state(before, state)


def test_a_field_changes_the_forward_to_backward_ratio():
    """Γ+/Γ- = exp(q E a/kT) on a ring, for either sign of charge; kT = 1 eV."""
    for charge in (1.0, -2.0):
        lattice = replicate(ring(species=(ion("A", charge),), saddle=30.0), (5, 1, 1), interaction=None)
        state = place_ions(lattice, {"A": 1}, np.random.default_rng(0), temperature=UNIT_TEMPERATURE)
        conditions = Conditions(UNIT_TEMPERATURE, 1.0, np.array([0.3, 5.0, 0.0]))
        hops = open_hops(lattice, state, conditions)
        x = lattice.network.hop_vector[hops.hop % 2, 0]
        ratio = hops.rate[x > 0][0] / hops.rate[x < 0][0]
        assert ratio == pytest.approx(np.exp(0.3 * charge), rel=1e-9)


def test_a_state_of_another_temperature_or_lattice_is_refused():
    simulation = start()
    simulation.step(10)
    with pytest.raises(ValueError, match="must come from this lattice and temperature"):
        Simulation(simulation.lattice, simulation.state.copy(), temperature=2 * TEMPERATURE)
    with pytest.raises(ValueError, match="must come from this lattice"):
        Simulation(LATTICES["pairs"], simulation.state.copy(), temperature=TEMPERATURE)
    with pytest.raises(ValueError, match="state must have 5 sites"):
        Simulation(replicate(ring(), (5, 1, 1)), simulation.state, temperature=TEMPERATURE)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"temperature": 0.0}, "temperature must be positive; got 0.0"),
        ({"temperature": np.nan}, "temperature must be positive; got nan"),
        ({"temperature": 300.0, "attempt_frequency": -1.0}, "attempt_frequency must be positive"),
        ({"temperature": 300.0, "field": (0, 1)}, r"field must have shape \(3,\)"),
        ({"temperature": 0.3}, "temperature must be within those of the network, 200 to 20000 K; got 0.3 K"),
        ({"temperature": 300.0, "field": (100.0, 0, 0)}, "field and barriers must stay within some 300 kT"),
    ],
)
def test_conditions_that_make_no_sense(options, text):
    state = place_ions(LATTICES["coulomb"], COUNTS, np.random.default_rng(0), temperature=TEMPERATURE)
    with pytest.raises(ValueError, match=text):
        Simulation(LATTICES["coulomb"], state, **options)


def test_pair_energies_that_no_factor_can_hold_are_refused():
    """At 300 K exp(-e/2kT) leaves the range of the factors beyond some 11 eV."""
    touching = PairEnergies([0], [0], [[1, 0, 0]], [20.0])
    lattice = replicate(ring(), (4, 1, 1), interaction=touching)
    state = place_ions(lattice, {"A": 1}, np.random.default_rng(0), temperature=300.0)
    with pytest.raises(InputError, match="pair energies must lie below 220 x 2kT; got 20 eV at 300 K"):
        Simulation(lattice, state, temperature=300.0)


@pytest.mark.parametrize("until", [0.0, -1.0, np.inf, np.nan])
def test_a_run_needs_a_positive_time(until):
    with pytest.raises(InputError, match="until must be a positive time"):
        start().run(until, 10)
