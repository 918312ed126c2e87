"""Superbasins against the matrix exponential, exact transport coefficients, and the same runs hop by hop."""

import time
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from decks import deck_of, faults
from exact import coulomb_pairs, diffusivities, master_equation, supercell
from lattices import TEMPERATURE, network_of, simple_cubic
from replicas import assert_ladder, diffusivity_scores, run_replicas, z_score
from scipy import stats
from scipy.linalg import expm

from kmc import kernels as common
from kmc import superbasin_kernels as kernels
from kmc.kernels import BLOCKED
from kmc.placement import place_ions
from kmc.rates import open_hops
from kmc.simulation import Simulation
from kmc.state import State
from kmc.trajectory import Checkpoint, TaskLabel, read_checkpoint, write_checkpoint
from lattice.supercell import PairEnergies, replicate
from structures.errors import InputError

CAGE = np.array([[0.3, 0.3, 0.3], [0.7, 0.7, 0.3], [0.7, 0.3, 0.7], [0.3, 0.7, 0.7]])
PAIRS = [(i, j, (0, 0, 0)) for i in range(4) for j in range(i + 1, 4)]
GATES = [(1, 0, (1, 0, 0)), (1, 0, (0, 1, 0)), (2, 0, (0, 0, 1))]
ENERGY = np.array([0.0, 0.3, 0.6, 0.9])  # kT
BJERRUM = 1.0  # Å


def cages(gate, n_sites=4, inside=1.0, **options):
    """Cages of up to four sites with hops between all of them, and higher saddles, in kT, to the next cages."""
    bonds = [bond for bond in PAIRS if max(bond[:2]) < n_sites] + GATES[: 3 if n_sites > 2 else 2]
    saddle = np.where(np.arange(len(bonds)) < n_sites * (n_sites - 1) // 2, inside, gate)
    options = {"site_energy": ENERGY[:n_sites], **options}
    return network_of(np.diag([4.0, 4.0, 4.0]), CAGE[:n_sites], bonds, saddle=saddle, **options)


def lattice_of(network, repeats, coulomb):
    permittivity = 14.399645 / BJERRUM  # kT is 1 eV
    return replicate(network, repeats, interaction="coulomb" if coulomb else None, permittivity=permittivity)


def start(lattice, n_ions, *, seed=1, superbasins=True, **options):
    state = place_ions(lattice, {"A": n_ions}, np.random.default_rng(seed), temperature=TEMPERATURE)
    options = {"attempt_frequency": 1.0, "superbasins": superbasins, **options}
    return Simulation(lattice, state, temperature=TEMPERATURE, **options)


class Solved:
    """A superbasin as the engine has it, beside its rates from the plain twin of the kernels, and the state there."""

    def __init__(self, lattice, n_ions, **options):
        simulation = start(lattice, n_ions, **options)
        engine, state = simulation.engine, simulation.state
        self.chains, self.room = engine._chains, engine._room
        assert kernels.build(engine._ground, state.ion_site, engine._walk.mover, self.chains, 0, engine._scratch)
        self.n, members, self.n_edges = self.chains.size[0].tolist()
        self.rate, self.out = np.zeros((self.n, self.n)), np.zeros(self.n)
        sites = []
        for c in range(self.n):
            there = state.copy()
            for g in range(members):
                ion = int(engine._walk.mover[self.chains.member[0, g]])
                *away, b = self.chains.place[0, c, g].tolist()
                cell = (engine._ground.cell[state.ion_site[ion], :3] + away) % np.array(lattice.repeats)
                there.ion_site[ion] = np.ravel_multi_index(tuple(cell), lattice.repeats) * lattice.network.n_sites + b
            sites.append(tuple(there.ion_site))
        assert len(set(sites)) == self.n
        for c, places in enumerate(sites):
            there.ion_site[:] = places
            hops = open_hops(lattice, there, simulation.conditions)
            for ion, hop, rate in zip(hops.ion, hops.hop, hops.rate, strict=True):
                after = list(places)
                after[ion] = int(lattice.hop_target[hop])
                if tuple(after) in sites:
                    self.rate[c, sites.index(tuple(after))] += rate
                else:
                    self.out[c] += rate
        self.generator = self.rate - np.diag(self.rate.sum(axis=1) + self.out)

    def drawn(self, start, t, leaving, n=5000):
        """Distribution of the drawn configuration, to 1/n."""
        draws = [kernels.place_at(self.chains, self.room, 0, start, t, leaving, (k + 0.5) / n) for k in range(n)]
        return np.bincount(draws, minlength=self.n) / n


LONE = lattice_of(cages(7.0), (3, 3, 3), coulomb=True)
TWO = lattice_of(cages(9.0, 3), (2, 2, 2), coulomb=True)
DENSE = lattice_of(cages(4.0), (2, 2, 2), coulomb=False)


def neighbours(network, repeats):
    """Repulsion of neighbours nearer than 3 Å, listed pair by pair."""
    pairs = PairEnergies.within(network, 3.0, lambda r, charges: 1.5 / r)
    return replicate(network, repeats, interaction=pairs)


def exclusive(network):
    """One ion per cage."""
    a, b = np.array([(i, j) for i in range(4) for j in range(4) if i != j]).T
    return replace(network, exclusion_a=a, exclusion_b=b, exclusion_image=np.zeros((12, 3)))


MANY = lattice_of(exclusive(cages(6.0)), (3, 3, 3), coulomb=False)


LISTED = neighbours(cages(9.0, 3), (2, 2, 2))
SOLVED = {"one ion": (LONE, 1), "two ions with Coulomb": (TWO, 2), "two ions with listed pairs": (LISTED, 2)}


@pytest.fixture(scope="module", params=SOLVED)
def solved(request):
    lattice, n_ions = SOLVED[request.param]
    return Solved(lattice, n_ions, seed=3)


def test_the_rates_of_a_superbasin_are_those_of_all_its_configurations(solved):
    """Hops inside, and out of it by any ion, from the plain twin; the sites of the cages are all found."""
    assert solved.n == (4 if solved.chains.size[0, 1] == 1 else 9)
    found = np.zeros_like(solved.rate)
    for e in range(solved.n_edges):
        i, j, *_ = solved.chains.edge[0, e]
        found[i, j] += solved.chains.inside[0, e, 0]
    assert found == pytest.approx(solved.rate, rel=1e-9)
    assert solved.chains.out[0, : solved.n] == pytest.approx(solved.out, rel=1e-9)


def test_the_time_of_leaving_is_that_of_the_matrix_exponential(solved):
    """S(t) = Σ_j exp(Wt)_sj at the drawn time is the random number that it was drawn with."""
    for s in range(solved.n):
        for survival in (1 - 1e-5, 0.9, 0.5, 1e-3, 1e-9):
            t = kernels.time_to_leave(solved.chains, 0, s, survival)
            assert expm(solved.generator * t)[s].sum() == pytest.approx(survival, rel=1e-8)


def test_where_it_leaves_and_where_it_is_are_those_of_the_matrix_exponential(solved):
    """Weights exp(WT)_sj a_j of leaving from j at T, and exp(Wt)_sj of being in j at t without leaving."""
    for t in (0.1, 1.0, 30.0, 3e4):
        P = expm(solved.generator * t)[0]
        assert solved.drawn(0, t, False) == pytest.approx(P / P.sum(), abs=4e-4)
        assert solved.drawn(0, t, True) == pytest.approx(P * solved.out / (P @ solved.out), abs=4e-4)


def test_stays_and_hops_between_two_ends_are_those_of_the_bridge(solved):
    """∫ P_si(u) P_je(t - u) du / P_se(t) by quadrature; the stays add up to t."""
    for t, end in ((0.7, 1), (9.0, 2), (500.0, 0)):
        kernels.between(solved.chains, solved.room, 0, 0, end, t)
        stay, hops = solved.room.stay[: solved.n], solved.room.hops
        nodes, weights = np.polynomial.legendre.leggauss(32)
        P = [expm(solved.generator * u) for u in (nodes + 1) * t / 2]
        if t < 10.0:  # later the nodes are too far apart for the ends
            both = sum(w * t / 2 * np.outer(a[0], b[:, end]) for w, a, b in zip(weights, P, P[::-1], strict=True))
            both /= expm(solved.generator * t)[0, end]
            assert stay == pytest.approx(np.diag(both), rel=1e-7)
            for e in range(solved.n_edges):
                i, j, *_ = solved.chains.edge[0, e]
                assert hops[e] == pytest.approx(solved.chains.inside[0, e, 0] * both[i, j], rel=1e-7)
        assert stay.sum() == pytest.approx(t, rel=1e-9)


def pair_of_sites(gate):
    """Two equal sites and one ion; it leaves each with 2 exp(-gate)."""
    return start(lattice_of(cages(gate, 2, site_energy=np.zeros(2)), (3, 3, 1), coulomb=False), 1)


def is_built(engine):
    return kernels.build(engine._ground, engine.state.ion_site, engine._walk.mover, engine._chains, 0, engine._scratch)


@pytest.mark.parametrize("gate", [5.0, 15.0, 30.0, 35.0])
def test_a_rate_far_below_all_others_keeps_its_digits(gate):
    """The survival is exp(-a t), for a down to 10^-15 of the rate inside."""
    engine = pair_of_sites(gate).engine
    assert is_built(engine)
    slowest = kernels.time_to_leave(engine._chains, 0, 0, np.exp(-1.0))
    assert slowest * 2 * np.exp(-gate) == pytest.approx(1.0, rel=1e-9)


@pytest.mark.parametrize(("link", "way_out"), [(5.0, 12.0), (10.0, 20.0), (30.0, 42.0), (33.0, 43.0), (15.0, 30.0)])
def test_a_superbasin_whose_slow_modes_mix_is_not_used(link, way_out):
    """0 = 1 - 2 = 3, left from its ends: times of leaving as by rational numbers, of fewer sites if need be."""
    fractions = np.array([[x, 0.5, 0.5] for x in (0.1, 0.3, 0.6, 0.8)])
    bonds = [(0, 1, (0, 0, 0)), (2, 3, (0, 0, 0)), (1, 2, (0, 0, 0)), (3, 0, (1, 0, 0))]
    saddle = np.array([1.0, 1.0, link, way_out])
    chain = network_of(np.diag([8.0, 5.0, 5.0]), fractions, bonds, saddle=saddle, site_energy=np.zeros(4))
    engine = start(lattice_of(chain, (4, 1, 1), coulomb=False), 1).engine
    assert is_built(engine)
    chains = engine._chains
    n, _, n_edges = chains.size[0].tolist()
    found = (chains.whole[0, :n] * chains.mode[0, :n, :n] / chains.decay[0, :n]).sum(axis=1) / chains.root[0, :n]
    assert found == pytest.approx(exact_times(chains, n, n_edges), rel=1e-9)


def exact_times(chains, n, n_edges):
    """Mean times of leaving a superbasin by elimination in rational numbers."""
    rows = [[Fraction(0)] * n + [Fraction(1)] for _ in range(n)]
    for i in range(n):
        rows[i][i] = Fraction(float(chains.out[0, i]))
    for (i, j, *_), (rate, _) in zip(chains.edge[0, :n_edges], chains.inside[0, :n_edges], strict=True):
        rows[i][i] += Fraction(float(rate))
        rows[i][j] -= Fraction(float(rate))
    for k in range(n):
        for i in range(n):
            if i != k and rows[i][k]:
                factor = rows[i][k] / rows[k][k]
                rows[i] = [x - factor * y if y else x for x, y in zip(rows[i], rows[k], strict=True)]
    return [float(rows[i][n] / rows[i][i]) for i in range(n)]


def test_status_codes_are_not_those_of_the_plain_engine():
    """The kernels of both give them to the same caller."""
    codes = (common.DONE, common.PAUSED, common.BLOCKED, common.OVERFLOW)
    assert codes == (kernels.DONE, kernels.PAUSED, kernels.BLOCKED, kernels.OVERFLOW) == (0, 1, 2, 3)
    assert kernels.LOOK not in (*codes, common.CROWDED)


def test_hops_that_cannot_be_counted():
    """More than 10^15 in a passage are not passed over; a run ends before 2^62."""
    assert is_built(pair_of_sites(34.0).engine)
    assert not is_built(pair_of_sites(37.0).engine)
    with pytest.raises(InputError, match=r"2\^62 .* shorter time"):
        pair_of_sites(34.0).run(1e21, 4)


def exact_samples(gate=7.0):
    simulation = start(LONE, 1)
    return simulation, simulation.run(2e4, 50)


def test_hops_and_stays_count_with_their_means():
    """Flux π_i k_ij of every orbit and Boltzmann's occupation, far beyond what single hops could show."""
    simulation, samples = exact_samples()
    assert simulation.engine.flicker.share > 0.99
    kT_weight = np.exp(-ENERGY)
    kT_weight /= kT_weight.sum()
    assert samples.site_occupation == pytest.approx(kT_weight / 27, rel=5e-3)
    assert samples.site_occupation.sum() == pytest.approx(1 / 27, rel=1e-12)
    inside = 2 * np.exp(-1.0) / np.exp(-ENERGY).sum() * samples.time[-1]
    assert samples.hop_orbit_events[:6] == pytest.approx(inside, rel=5e-3)
    assert samples.events[-1] == pytest.approx(samples.hop_orbit_events.sum(), abs=10)
    assert samples.site_departures.sum() == pytest.approx(samples.events[-1], abs=10)
    back = samples.hop_orbit_returns[:6].sum() / samples.hop_orbit_events[:6].sum()
    assert back == pytest.approx(1 / 3, abs=3e-3)


def assert_same(a: State, b: State):
    for name, array in a.arrays().items():
        assert np.array_equal(array, b.arrays()[name], equal_nan=True), name
    assert (a.time, a.n_events) == (b.time, b.n_events)
    assert np.array_equal(a.next_time, b.next_time, equal_nan=True)
    assert a.rng.bit_generator.state == b.rng.bit_generator.state


@pytest.mark.parametrize(
    ("lattice", "n_ions", "until"), [(LONE, 1, 3e4), (TWO, 2, 2e4), (DENSE, 9, 300.0), (MANY, 9, 3000.0)]
)
def test_a_run_in_parts_or_from_a_file_has_the_same_bits(lattice, n_ions, until, tmp_path):
    """Interrupted in the middle of legs, of rests, and between them."""
    whole, parts = start(lattice, n_ions), start(lattice, n_ions)
    expected = whole.run(until, 30)
    sampler, done = parts.begin(until, 30), False
    path, label = tmp_path / "part.h5", TaskLabel("a", 1, 0.0, "x", 0, "", "")
    for n in range(1000):
        if done:
            break
        done = parts.advance(sampler, 1 + 40 * n)
        write_checkpoint(path, Checkpoint(label, parts.conditions, parts.state, sampler))
        kept = read_checkpoint(path)
        parts = Simulation(lattice, kept.state, temperature=TEMPERATURE, attempt_frequency=1.0, superbasins=True)
        sampler = kept.sampler
    assert n > 5
    found = parts.finish(sampler)
    for name in ("displacement", "events", "energy", "msd", "hop_orbit_events", "site_occupation", "site_departures"):
        assert np.array_equal(getattr(expected, name), getattr(found, name), equal_nan=True), name
    assert_same(whole.state, parts.state)


def test_where_nothing_is_gained_the_trajectory_is_that_of_the_plain_engine():
    """Looking takes no random numbers."""
    lattice = replicate(simple_cubic(), (5, 5, 5), interaction=None)
    with_, without = (start(lattice, 20, superbasins=superbasins) for superbasins in (True, False))
    for simulation in (with_, without):
        simulation.step(3000)
    assert (with_.state.ion_site == without.state.ion_site).all()
    assert with_.state.time == pytest.approx(without.state.time, rel=1e-12)
    assert with_.engine.flicker.legs == 0
    assert "none was worth it" in with_.engine.flicker.line


@pytest.mark.parametrize(("lattice", "n_ions"), [(LONE, 1), (TWO, 2)])
def test_the_rate_that_fixes_simulated_times_is_that_of_all_hops(lattice, n_ions):
    """Hops per second, those that are passed over included, as without superbasins."""
    rates = [start(lattice, n_ions, superbasins=on).estimate_rate(200_000) for on in (True, False)]
    assert rates[0] == pytest.approx(rates[1], rel=0.1)


def test_everything_kept_equals_its_recount():
    simulation = start(TWO, 2)
    for _ in range(30):
        simulation.step(2000)
        assert simulation.drift() < 1e-12
        state = simulation.state
        counts = np.bincount(state.ion_site, minlength=TWO.n_sites)
        assert (state.blocked == counts).all()
        assert (state.occupant[state.ion_site] == np.arange(2)).all()
    assert simulation.engine.flicker.legs > 10


def test_a_cage_without_a_way_out_and_a_blocked_lattice():
    """Ions that cannot leave flicker on hop by hop; a full lattice has no hop."""
    closed = lattice_of(cages(900.0), (1, 1, 1), coulomb=False)
    samples = start(closed, 1).run(300.0, 10)
    assert samples.events[-1] > 50
    full = start(closed, 4)
    assert full.step() == 0
    assert full.engine.advance(full._sampler(np.zeros(0)), 10, full.state.rng) == BLOCKED


@pytest.mark.parametrize("n_ions", [31, 32])
def test_tries_in_vain_come_to_an_end(n_ions):
    """All cages full, or but one site: the plain engine takes over, and finds that no hop is open."""
    lattice = lattice_of(cages(6.0), (2, 2, 2), coulomb=False)
    simulation = start(lattice, n_ions)
    assert (simulation.engine._clocks.basin[:, 0] >= 0).all()
    if n_ions == 32:
        assert simulation.step() == 0
        assert simulation.run(10.0, 2).blocked
        return
    assert simulation.step(100_000) >= 100_000
    assert (simulation.state.blocked == np.bincount(simulation.state.ion_site, minlength=32)).all()
    assert not simulation.run(10.0, 2).blocked


@pytest.mark.parametrize("lattice", [TWO, LISTED, MANY], ids=["dense", "listed", "none"])
def test_frozen_ions_have_no_superbasins(lattice):
    state = place_ions(lattice, {"A": 2}, np.random.default_rng(1), temperature=TEMPERATURE)
    state.mobile[:] = False
    simulation = Simulation(lattice, state, temperature=TEMPERATURE, attempt_frequency=1.0, superbasins=True)
    samples = simulation.run(10.0, 2)
    assert samples.blocked
    assert samples.events.tolist() == [0, 0, 0]
    assert simulation.step() == 0


def test_a_run_takes_nothing_of_the_legs_before_it():
    """Stays and hops after `step`, and after a part of a run that is given up, are those of the run: 9 ions, its time.

    Legs of 10^4 s in runs of 50 s.
    """
    simulation = start(lattice_of(exclusive(cages(11.0)), (3, 3, 3), coulomb=False), 9)
    simulation.step(1000)
    assert simulation.run(50.0, 10).site_occupation.sum() * 27 == pytest.approx(9, rel=1e-12)
    simulation.advance(simulation.begin(1e6, 10), 1000)
    samples = simulation.run(50.0, 10)
    assert samples.site_occupation.sum() * 27 == pytest.approx(9, rel=1e-12)
    assert samples.events[-1] == pytest.approx(samples.hop_orbit_events.sum(), abs=12)
    inside = 9 * 2 * np.exp(-1.0) / np.exp(-ENERGY).sum() * 6 * 50.0
    assert samples.events[-1] == pytest.approx(inside, rel=0.2)


def test_ions_are_where_they_are_after_steps():
    """Boltzmann's weights, but for the ion that hopped last: into 0, 1 or 2 by 3, 2 and 1 of the six ways in."""
    simulation = start(MANY, 9)
    simulation.equilibrate(100)
    found = np.zeros(4)
    for _ in range(600):
        simulation.step(2000)
        assert (simulation.engine._clocks.slot < 0).all()
        found += np.bincount(simulation.state.ion_site % 4, minlength=4)
    expected = (8 * np.exp(-ENERGY) / np.exp(-ENERGY).sum() + np.array([3, 2, 1, 0]) / 6) / 9
    assert found / found.sum() == pytest.approx(expected, abs=0.03)


def test_energies_from_meshes_are_refused():
    lattice = replicate(cages(4.0), (3, 3, 3), interaction="untabulated coulomb")
    state = place_ions(lattice, {"A": 3}, np.random.default_rng(0), temperature=TEMPERATURE)
    with pytest.raises(InputError, match="table"):
        Simulation(lattice, state, temperature=TEMPERATURE, superbasins=True)


def test_a_deck_with_meshes_is_refused(tmp_path):
    (line,) = faults(tmp_path, ("samples = 100", 'samples = 100\nsuperbasins = true\nenergies = "meshes"'))
    assert "[kmc] energies" in line
    assert deck_of(tmp_path, ("samples = 100", "samples = 100\nsuperbasins = true")).deck.kmc.superbasins


def test_many_ions_with_clocks_of_their_own_keep_to_what_is_allowed():
    """Counts, occupants and exclusions after parts of a run; the mean hops of all orbits are the flux of a lone ion.

    One ion per cage of equal cages: a cage is taken with c = n/N, an ion in it is on a site with Boltzmann's weight.
    """
    simulation = start(MANY, 9)
    simulation.equilibrate(100)
    samples = simulation.run(1e4, 100)
    assert simulation.flicker.share > 0.98
    assert simulation.drift() < 1e-12
    state = simulation.state
    assert (state.occupant[state.ion_site] == np.arange(9)).all()
    assert len(set((state.ion_site // 4).tolist())) == 9
    Z = np.exp(-ENERGY).sum()
    assert samples.site_occupation == pytest.approx(np.exp(-ENERGY) / Z / 3, rel=2e-3)
    assert samples.hop_orbit_events[:6] == pytest.approx(9 * 2 * np.exp(-1.0) / Z * samples.time[-1], rel=2e-3)
    through = 9 * 2 * np.exp(-6.0) / Z * (1 - 8 / 26) * samples.time[-1]
    assert (samples.hop_orbit_events[6:] - through) / np.sqrt(through) == pytest.approx(0.0, abs=4.0)


def test_no_two_ions_meet_in_a_cage_that_one_of_them_flickers_in():
    """Four ions in eight cages without exclusions beside their sites, looked at often."""
    lattice = lattice_of(cages(6.0), (2, 2, 2), coulomb=False)
    simulation = start(lattice, 4)
    begun = simulation.positions()
    for _ in range(300):
        simulation.run(200.0, 1)
        state = simulation.state
        assert len(set(state.ion_site.tolist())) == 4
        assert (state.blocked == np.bincount(state.ion_site, minlength=lattice.n_sites)).all()
    assert simulation.flicker.legs > 500
    assert np.abs(simulation.positions() - begun).max() > 8.0


def exact_means(lattice, n_ions):
    """D_J, D* and the transients of one species, the mean energy, and ions by site of a cell, kT."""
    cells = supercell(lattice.network, lattice.repeats)
    pairs = coulomb_pairs(cells, BJERRUM) if lattice.table.is_dense else None
    gas = master_equation(cells, [(0, n_ions)], pairs=pairs)
    occupied = (gas.probability @ gas.occupied).reshape(-1, lattice.network.n_sites).mean(axis=0)
    return diffusivities(cells, n_ions, pairs=pairs), float(gas.probability @ gas.energy), occupied


NETWORKS = {
    "one ion, 10^3 hops inside for each that leaves": (lattice_of(cages(7.3), (2, 2, 2), True), 1, 2e4, 400),
    "two ions with Coulomb": (TWO, 2, 2e5, 100),
    "three ions with Coulomb": (lattice_of(cages(11.0, 3), (2, 1, 1), True), 3, 1e6, 40),
    "hard core, three ions": (lattice_of(cages(6.0), (2, 2, 1), False), 3, 5e3, 100),
    "one ion per cage": (lattice_of(exclusive(cages(8.0)), (2, 2, 1), False), 3, 4e4, 300),
}


@pytest.mark.validation
@pytest.mark.parametrize("name", NETWORKS)
def test_transport_and_populations_are_those_of_the_master_equation(name):
    """D_J, D*, mean energy and occupation of every site by linear algebra on all configurations."""
    lattice, n_ions, block, n_blocks = NETWORKS[name]
    exact, energy, occupied = exact_means(lattice, n_ions)
    found = run_replicas(lattice, {"A": n_ions}, block=block, n_blocks=n_blocks, seed=11, superbasins=True)
    scores = [*diffusivity_scores(found, exact, n_ions, 3), z_score(found.energy, energy)]
    stays = []
    for seed in range(16):
        simulation = start(lattice, n_ions, seed=100 + seed)
        simulation.equilibrate(200)
        stays.append(simulation.run(block * 10, 10).site_occupation)
        assert simulation.flicker.share > (0.1 if name == "hard core, three ions" else 0.9)
    scores += [z_score(np.array(stays)[:, b], occupied[b]) for b in range(lattice.network.n_sites - 1)]
    assert_ladder(scores)


@pytest.mark.validation
@pytest.mark.parametrize("excluded", [True, False])
def test_many_ions_move_as_they_do_hop_by_hop(excluded):
    """27 cages, 12 ions: D_J, D* and hops of each kind and those at once undone, against runs of the plain engine."""
    network = cages(6.0)
    lattice = lattice_of(exclusive(network) if excluded else network, (3, 3, 3), coulomb=False)
    means = []
    for superbasins in (True, False):
        rows = []
        for seed in range(12):
            simulation = start(lattice, 12, seed=seed + 50 * superbasins, superbasins=superbasins)
            simulation.equilibrate(200)
            samples = simulation.run(2e5, 100)
            step = np.diff(samples.displacement[:, 0], axis=0)
            events, returns = samples.hop_orbit_events, samples.hop_orbit_returns
            rows.append([(step**2).sum(axis=1).mean(), samples.msd[0, 0].sum(), *events, *(returns[:6] / events[:6]),
                         *samples.site_departures, *samples.site_occupation[:-1]])  # fmt: skip
        means.append(np.array(rows))
    a, b = means
    scores = [stats.ttest_ind(a[:, k], b[:, k], equal_var=False) for k in range(a.shape[1])]
    z = np.array([np.sign(s.statistic) * stats.norm.isf(s.pvalue / 2) for s in scores])
    assert np.abs(z).max() < 4, z.round(2)


@pytest.mark.validation
def test_physical_time_per_second_rises_fiftyfold():
    """10^3 hops inside for each that leaves; medians of five, in turn."""
    lattice = NETWORKS["one ion, 10^3 hops inside for each that leaves"][0]
    speed = {True: [], False: []}
    for _ in range(5):
        for superbasins, until in ((True, 1e8), (False, 5e5)):
            simulation = start(lattice, 1, superbasins=superbasins)
            simulation.step(10_000)
            begun = time.process_time()
            simulation.run(until, 10)
            speed[superbasins].append(until / (time.process_time() - begun))
    assert np.median(speed[True]) > 50 * np.median(speed[False]), speed
