"""The engine with meshes and thinning: its energies against the full Ewald sum, its dynamics against the exact engine.

Small supercells are made to use meshes by a density of sites that puts only part of them within the reach of level 0.
"""

import numpy as np
import pytest
from lattices import ion, network_of
from replicas import z_score
from scipy import stats

from kmc import multilevel, thinning
from kmc import multilevel_kernels as kernels
from kmc.multilevel import TOLERANCE, Multilevel
from kmc.multilevel_plan import pair_window
from kmc.placement import place_ions
from kmc.rates import exclusion_counts, open_hops
from kmc.simulation import Simulation
from kmc.thinning import Allowance
from kmc.trajectory import Checkpoint, TaskLabel, read_checkpoint, write_checkpoint
from lattice.ewald import EwaldPotential
from lattice.ewald_sum import potential_of_charges
from lattice.supercell import replicate
from structures.units import BOLTZMANN

T = 300.0  # K
CUBIC = [(1, 0, 0), (0, 1, 0), (0, 0, 1)]


def cubic(saddle=0.3):
    """Simple cubic, 3 Å, eps_r = 10."""
    bonds = [(0, 0, image) for image in CUBIC]
    return network_of(3.0 * np.eye(3), np.zeros((1, 3)), bonds, saddle=saddle, permittivity=10.0)


def two_species():
    """A skewed cell of three points for ions of charge +1 and -2, with hops of two lengths, clipped and not."""
    cell = np.array([[6.0, 0.0, 0.0], [1.0, 7.0, 0.0], [0.5, -1.0, 8.0]])
    frac = np.array([[0.0, 0.0, 0.0], [0.4, 0.1, 0.2], [0.3, 0.6, 0.7]])
    bonds = [(0, 1, (0, 0, 0)), (1, 2, (0, 0, 0)), (2, 0, (0, 1, 1)), (0, 0, (1, 0, 0)), (1, 1, (0, 1, 0))]
    return network_of(
        cell, frac, bonds, site_energy=np.array([0.0, 0.05, 0.02]), saddle=np.array([0.3, 0.1, 0.25, 0.4, 0.12]),
        species=(ion("A+"), ion("B-", -2.0)), rates=(1.0, 0.5), permittivity=np.diag([8.0, 10.0, 12.0]),
    )  # fmt: skip


def large(network, repeats):
    return replicate(network, repeats, interaction="untabulated coulomb")


def start(lattice, counts, *, seed=1, **options):
    state = place_ions(lattice, counts, np.random.default_rng(seed), temperature=T)
    return Simulation(lattice, state, temperature=T, **options)


def kept_rates(simulation):
    return simulation.engine.mover_rates()[0]


@pytest.fixture(scope="module")
def gas():
    simulation = start(large(cubic(), (20, 20, 20)), {"A": 160})
    simulation.equilibrate(3)
    simulation.step(2000)
    return simulation


@pytest.fixture(scope="module")
def salt():
    lattice = large(two_species(), (8, 8, 8))
    simulation = start(lattice, {"A+": 24, "B-": 12}, field=(2e-3, -1e-3, 5e-4))
    simulation.equilibrate(3)
    simulation.step(2000)
    return simulation


def test_the_direct_sum_is_that_of_the_pair_potential():
    """Σ q_j psi(r - r_j) over all charges, own images included, in a skewed cell and an anisotropic medium."""
    rng = np.random.default_rng(3)
    cell = np.array([[9.0, 0.0, 0.0], [2.0, 8.0, 0.0], [-1.0, 1.5, 11.0]])
    eps_r = np.diag([2.0, 3.0, 5.0])
    frac, charge = rng.random((7, 3)), rng.normal(size=7)
    points = np.concatenate([rng.random((4, 3)), frac[:2]])
    ewald = EwaldPotential(cell, eps_r)
    expected = [sum(q * ewald.at((p - f)[None])[0] for f, q in zip(frac, charge, strict=True)) for p in points]
    np.testing.assert_allclose(potential_of_charges(cell, eps_r, frac, charge, points), expected, atol=1e-10)


@pytest.mark.parametrize("name", ["gas", "salt"])
def test_every_site_energy_is_that_of_the_full_ewald_sum(name, request):
    """All sites of the supercell against the dense table, one ion's own row against its pair energies."""
    simulation = request.getfixturevalue(name)
    lattice, state = simulation.lattice, simulation.state
    full = replicate(lattice.network, lattice.repeats)
    expected = sum(full.interaction.row(int(site)) for site in state.ion_site)
    kept = simulation.site_interaction()
    error = kept - expected
    assert len(simulation.engine.model.fields.unit) > 1
    assert np.abs(error).max() < 2e-4
    first, unit = lattice.hop_offset, np.repeat(np.arange(lattice.n_sites), np.diff(lattice.hop_offset))
    assert len(first) == lattice.n_sites + 1
    assert np.abs(error[lattice.hop_target] - error[unit]).max() < TOLERANCE


@pytest.mark.parametrize("name", ["gas", "salt"])
def test_fields_occupants_and_bounds_equal_their_recount(name, request):
    """The values are whole numbers, so that thousands of hops leave no difference; no rate is above its bound."""
    simulation = request.getfixturevalue(name)
    engine, state = simulation.engine, simulation.state
    simulation.step(1000)
    kept = engine.model.fields.value.copy()
    assert (kept == engine.on(state).model.fields.value).all()
    assert (state.blocked == exclusion_counts(simulation.lattice, state.ion_site)).all()
    assert (np.flatnonzero(state.occupant >= 0) == np.sort(state.ion_site)).all()
    assert engine.counters["violations"] == 0
    assert (kept_rates(simulation) <= engine.bounds() * (1 + 1e-9)).all()
    walkers = engine._walkers
    assert np.isclose(walkers.tree[walkers.tree_first[-1]], engine.bounds().sum(), rtol=1e-12)


@pytest.mark.parametrize(("repeats", "n_meshes"), [((54, 54, 27), 2), ((12, 12, 3), 1), ((24, 24, 24), 1)])
def test_fields_after_many_hops_equal_their_recount_in_slabs_too(repeats, n_meshes):
    """Rows of hops that reach around the whole crystal, past the end of a line, and back; both signs of a row."""
    lattice = large(cubic(saddle=0.1), repeats)
    simulation = start(lattice, {"A": lattice.n_sites // 50})
    simulation.step(3000)
    engine, fields = simulation.engine, simulation.engine.model.fields
    assert len(fields.width) == 1 + n_meshes
    assert set(np.sign(fields.hop_row + 0.5)) == {-1.0, 1.0}
    kept = fields.value.copy()
    kernels.place_all(engine.model, engine._walkers)
    assert (kept == fields.value).all()
    assert engine.check().worst < TOLERANCE


@pytest.mark.parametrize("most", [0, 2**22])
@pytest.mark.parametrize(("network", "repeats"), [(cubic(), (11, 12, 10)), (two_species(), (7, 6, 6))])
def test_no_hop_far_away_changes_more_than_its_bound(network, repeats, most, monkeypatch):
    """Against the full Ewald sum of the four ends, for all pairs of hops and all offsets of cells."""
    monkeypatch.setattr(thinning, "_LARGEST_TABLE", most)
    lattice, twice_kT, allowance = large(network, repeats), 2 * BOLTZMANN * T, Allowance(far=20.0)
    grouping = thinning.Blocks(np.array([2, 1, 2]), np.array([1, 1, 1]))
    shape = np.array(lattice.repeats)
    energy, _ = pair_window(lattice, shape, ())
    bounds = thinning.make_bounds(lattice, energy, np.ones(network.n_sites, bool), allowance, grouping, twice_kT, 0.0)
    blocks, n_checked = bounds.blocks, 0
    far = bounds.far.reshape(-1, blocks[2], *blocks)[:, 0] / kernels.SPENT * allowance.far * twice_kT
    assert most == 0 or len(far) > 2
    offsets = np.array(list(np.ndindex(*lattice.repeats)))
    for u, v in np.ndindex(len(network.hop_origin), len(network.hop_origin)):
        a, b, image = network.hop_origin[u], network.hop_target[u], network.hop_image[u]
        c, d, other = network.hop_origin[v], network.hop_target[v], network.hop_image[v]

        def pair(i, j, shift):
            return energy[(i, *((offsets + shift) % shape).T, j)]

        change = np.abs(pair(b, d, other - image) - pair(b, c, -image) - pair(a, d, other) + pair(a, c, 0))
        for source in np.ndindex(2, 1, 2):  # the place of the cell of u in the block 0
            block = [bounds.block_of[k, (offsets[:, k] + source[k]) % shape[k]] for k in range(3)]
            bound = far[(bounds.hop_class[u], *block)]
            checked = (bound > 0) & (bound < 0.49 * allowance.far * twice_kT)
            n_checked += checked.sum()
            assert (change[checked] <= bound[checked]).all(), (u, v, (change[checked] / bound[checked]).max())
    assert n_checked > 1000


@pytest.mark.parametrize("name", ["gas", "salt"])
def test_rates_are_those_of_the_plain_reference(name, request):
    """Leaving rates from the kept fields against kmc.rates on the full table, within what the tolerance allows."""
    simulation = request.getfixturevalue(name)
    state = simulation.state
    full = replicate(simulation.lattice.network, simulation.lattice.repeats)
    hops = open_hops(full, state, simulation.conditions)
    expected = np.bincount(hops.ion, weights=hops.rate, minlength=state.n_ions)
    found = kept_rates(simulation)
    np.testing.assert_allclose(found, expected, rtol=TOLERANCE / simulation.conditions.kT)
    assert simulation.drift() < TOLERANCE


def test_thinning_draws_waiting_times_and_hops_of_the_true_rates():
    """From one state: the first hop's time is exponential with the total rate, its ion drawn by the rates."""
    lattice = large(cubic(saddle=0.1), (12, 12, 12))
    simulation = start(lattice, {"A": 8})
    loose = Allowance(near=0.8, far=0.6)
    simulation.engine = Multilevel(lattice, simulation.state, simulation.conditions, allowance=loose)
    hops = open_hops(replicate(lattice.network, lattice.repeats), simulation.state, simulation.conditions)
    total = hops.rate.sum()
    expected = np.bincount(hops.ion, weights=hops.rate, minlength=8) / total
    engine = simulation.engine
    walkers, times, ions = engine._walkers, [], np.zeros(8)  # of these, only arrays that are never made anew are used
    sites, cells = walkers.site.copy(), walkers.cell.copy()
    for _ in range(2000):
        begin = float(walkers.clock[0])
        simulation.step(1)
        times.append(float(walkers.clock[0]) - begin)
        moved = int(np.flatnonzero(walkers.site != sites)[0])
        ions[moved] += 1
        kernels.relocate(engine.model, walkers, moved, *(int(c) for c in cells[moved, :4]), -1)
        engine._fill_blocks()
        kernels.renew_all(engine.model, engine._walkers)
    assert stats.kstest(times, "expon", args=(0, 1 / total)).pvalue > 1e-3
    assert stats.chisquare(ions, expected * ions.sum()).pvalue > 1e-3


@pytest.mark.validation
def test_diffusivities_are_those_of_the_exact_engine():
    """D_J, D*, hop rate and energy at 10,648 sites and 213 ions against the rejection-free engine, over replicas."""
    block, n_blocks, found = 2e-8, 40, {"exact": [], "multilevel": []}
    lattices = {
        "exact": replicate(cubic(), (22, 22, 22)),
        "multilevel": large(cubic(), (22, 22, 22)),
    }
    for name, stream in [(n, s) for n in found for s in range(16)]:
        rng = np.random.default_rng([stream, len(name)])
        state = place_ions(lattices[name], {"A": 213}, rng, temperature=T)
        simulation = Simulation(lattices[name], state, temperature=T)
        simulation.equilibrate(30)
        place, events, time = simulation.positions(), state.n_events, state.time
        collective, begin = [], place
        for _ in range(n_blocks):
            simulation.run(block, 1)
            now = simulation.positions()
            collective.append(((now - place).sum(axis=0) ** 2).mean() / 2 / block / 213)
            place = now
        elapsed = state.time - time
        tracer = ((place - begin) ** 2).mean() / 2 / elapsed
        found[name].append((np.mean(collective), tracer, (state.n_events - events) / elapsed, simulation.energy()))
    exact, multilevel = np.array(found["exact"]), np.array(found["multilevel"])
    for k in range(4):
        error = np.sqrt(exact[:, k].var(ddof=1) / 16 + multilevel[:, k].var(ddof=1) / 16)
        assert abs(exact[:, k].mean() - multilevel[:, k].mean()) < 3.5 * error, (k, exact[:, k], multilevel[:, k])
    assert abs(z_score(multilevel[:, 2], exact[:, 2].mean())) < 6


def test_energy_is_that_of_the_full_table(gas):
    full = replicate(gas.lattice.network, gas.lattice.repeats)
    pairs = sum(
        full.interaction.row(int(s))[gas.state.ion_site].sum() - full.interaction.row(int(s))[s]
        for s in gas.state.ion_site
    )
    assert gas.energy() == pytest.approx(0.5 * pairs, abs=160 * 1e-4)


def test_a_run_in_parts_and_from_its_checkpoint_has_the_same_bits(tmp_path):
    """Samples, correlators, site times and final state of one run, and of its parts that each begin from a file."""
    lattice = large(two_species(), (6, 6, 6))

    def begun():
        simulation = start(lattice, {"A+": 10, "B-": 5}, seed=4, recount_every=700)
        simulation.equilibrate(5)
        until = 3000 / simulation.estimate_rate(500)
        return simulation, simulation.begin(until, 40, frame_every=8)

    whole, sampler = begun()
    assert whole.advance(sampler)
    expected = whole.finish(sampler)
    parts, sampler = begun()
    label = TaskLabel("key", 1, 0.5, "x", 0, "hash", "deck")
    while not parts.advance(sampler, 333):
        write_checkpoint(tmp_path / "kept.h5", Checkpoint(label, parts.conditions, parts.state, sampler))
        kept = read_checkpoint(tmp_path / "kept.h5")
        parts = Simulation(lattice, kept.state, temperature=T, recount_every=700)
        sampler = kept.sampler
    found = parts.finish(sampler)
    for name in ("displacement", "events", "energy", "msd", "hop_orbit_returns", "site_occupation", "drift"):
        assert np.array_equal(getattr(found, name), getattr(expected, name), equal_nan=True), name
    assert (found.frames.site == expected.frames.site).all()
    for name, array in whole.state.arrays().items():
        assert np.array_equal(array, parts.state.arrays()[name]), name
    assert found.drift < TOLERANCE
    assert found.site_occupation.sum() * lattice.n_cells == pytest.approx(15)


def test_blocks_that_fill_up_get_more_slots_and_no_bit_changes(monkeypatch):
    lattice, runs = large(cubic(), (6, 6, 6)), []
    for slots in (1, 64):
        monkeypatch.setattr(multilevel, "_SLOTS", slots)
        simulation = start(lattice, {"A": 12}, seed=6)
        first = len(simulation.engine._walkers.tenant)
        simulation.step(3000)
        walkers = simulation.engine._walkers
        assert (len(walkers.tenant) > first) == (slots == 1)
        assert walkers.held.sum() == 12
        assert walkers.held.max() < len(walkers.tenant) // len(walkers.held)
        simulation.engine.keep()
        runs.append(simulation.state.arrays())
    for name, array in runs[0].items():
        assert np.array_equal(array, runs[1][name]), name


def test_a_blocked_state_is_a_result():
    lattice = large(cubic(), (6, 6, 6))
    simulation = start(lattice, {"A": 216})
    samples = simulation.run(1e-9, 5)
    assert samples.blocked
    assert samples.events[-1] == 0


def test_ions_of_a_large_supercell_take_sites_by_their_energies():
    """Dilute: the Boltzmann distribution of the site energies; full: every site gets its ion."""
    network = two_species()
    lattice = large(network, (16, 16, 16))
    state = place_ions(lattice, {"A+": 400}, np.random.default_rng(5), temperature=T)
    mine = np.flatnonzero(network.site_species == 0)
    weight = np.exp(-network.rates(T).free_energy[mine] / (BOLTZMANN * T))
    count = np.bincount(state.ion_site % network.n_sites, minlength=network.n_sites)[mine]
    assert stats.chisquare(count, 400 * weight / weight.sum()).pvalue > 1e-3
    full = place_ions(lattice, {"A+": len(mine) * lattice.n_cells}, np.random.default_rng(5), temperature=T)
    assert (np.sort(full.ion_site) == np.flatnonzero(np.isin(lattice.site_species, 0))).all()


def test_what_an_engine_with_a_table_has_left_is_not_taken_over(gas):
    """Bounds of another kind stand where the accuracy would."""
    state = gas.state.copy()
    state.thinning, state.next_time = np.array([7.98e11, 0.0, np.nan]), state.time + 1e-12
    simulation = Simulation(gas.lattice, state, temperature=T)
    assert np.isnan(simulation.engine.clock[1])
    assert simulation.step(20) == 20


def test_bounds_under_other_allowances_are_computed_anew(gas):
    gas.engine.keep()
    kept = gas.state.thinning.copy()
    found = []
    for near in (kept[2], kept[2] + 0.1):
        state = gas.state.copy()
        state.thinning[2] = near
        found.append(Multilevel(gas.lattice, state, gas.conditions))
    same, other = found
    assert (same.bounds() == gas.engine.bounds()).all()
    assert np.isnan(other.clock[1])
    assert (other.bounds() != same.bounds()).any()
    rates, _ = other.mover_rates()
    assert (other.bounds() > rates * 4.0).all()
