"""Threads that share the work on one event: no number depends on them, and they are used where they help."""

from concurrent.futures import Future, ThreadPoolExecutor, wait
from types import SimpleNamespace

import numpy as np
import pytest
from test_engine import LATTICES, TEMPERATURE, assert_same_state, start

from kmc import crew, kernels
from kmc.crew import Crew
from kmc.simulation import Simulation
from kmc.streaming import Streaming

N_SITES = LATTICES["coulomb"].n_sites


@pytest.fixture
def small_shares(monkeypatch):
    """Threads are of use from three sites on."""
    monkeypatch.setattr(crew, "SITES_PER_THREAD", 3)


def assert_same_run(threads, whole, parts=1):
    """Equilibrate and sample, in parts of so many threads each, every part in a Simulation of its own."""
    simulation = start(threads=lambda: threads, recount_every=31)
    assert simulation.equilibrate(30) == whole[0]
    sampler = simulation.begin(whole[2].time[-1], len(whole[2].time) - 1, frame_every=1)
    for part in range(1, parts):
        simulation.advance(sampler, 200)
        state = simulation.state.copy()
        simulation = Simulation(
            LATTICES["coulomb"], state, temperature=TEMPERATURE, field=simulation.conditions.field,
            recount_every=31, threads=lambda n=threads + part: n,
        )  # fmt: skip
    assert simulation.advance(sampler)
    samples = simulation.finish(sampler)
    for name in ("displacement", "energy", "events", "msd", "site_occupation"):
        assert (getattr(samples, name) == getattr(whole[2], name)).all(), name
    assert (samples.frames.site == whole[2].frames.site).all()
    assert_same_state(simulation.state, whole[1])


@pytest.fixture(scope="module")
def whole():
    """Share of accepted moves, state at the end, samples: of one thread."""
    simulation = start(recount_every=31)
    accepted = simulation.equilibrate(30)
    samples = simulation.run(1.5e-9, 40, frame_every=1)
    assert simulation.state.n_events > 1000
    return accepted, simulation.state, samples


@pytest.mark.parametrize("threads", [2, 3, 7])
def test_the_bits_do_not_depend_on_the_number_of_threads(small_shares, whole, threads):
    """Every part of an event is the same products and sums, whoever does it; 4 rows and 10 ions, unevenly divided."""
    assert_same_run(threads, whole)


def test_nor_on_restarts_with_other_numbers_of_threads(small_shares, whole):
    assert_same_run(1, whole, parts=4)


def test_nor_on_other_simulations_at_the_same_time(small_shares, whole):
    """Three simulations of two to three threads each, more than there are cores."""
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda n: assert_same_run(n, whole), (2, 3, 2)))


def test_parts_of_helpers_that_never_come_are_done_all_the_same(small_shares, whole, monkeypatch):
    """Nobody waits for a thread that has not begun."""
    pools = []

    class Lazy:
        def __init__(self, most, **options):
            pools.append(most)

        def submit(self, *work):
            done = Future()
            done.set_result(None)
            return done

    monkeypatch.setattr(crew, "ThreadPoolExecutor", Lazy)
    assert_same_run(4, whole)
    assert pools


def test_a_helper_that_finds_its_part_taken_leaves_it():
    """The factors are multiplied once: a helper that comes late waits for the next job, or for the end."""
    ions = start().engine.ions
    interaction, hops = start().engine.tables.interaction, start().engine.tables.hops
    team = kernels.Team(2, np.zeros(2 * kernels.LINE, np.int64), np.arange(10, dtype=np.uint32))
    kernels._move_together(team.words, 2, ions.configuration.factor, interaction, 1, 5)
    assert team.words[[0, kernels.LINE, kernels.LINE + kernels._DONE]].tolist() == [1, 1, 1]
    before = ions.configuration.factor.copy()
    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(kernels.help_with_events, team, interaction, hops, ions.configuration, ions.movers, 1)
        assert not wait([late], 0.2).done
        team.words[0] = kernels.STOP
        late.result(10)
    assert (ions.configuration.factor == before).all()
    twin = start().state.site_factor
    kernels._move_charge(twin, interaction, 1, 5, 0, 1)
    assert (twin == before).all()


def sizes(engine, threads, n_calls=1, clock=None):
    """Threads that a crew lets each of its kernels have; `clock` gives the jobs per second with so many."""
    found, now = [], SimpleNamespace(s=0.0)

    def kernel(tables, ions, team):
        found.append(1 if team is None else team.size)
        if team is not None:
            now.s += 0.1
            team.words[0] = 1000 * clock(team.size) if clock else 0
        return kernels.DONE

    crew_ = Crew(engine.tables, engine.ions, threads)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(crew, "time", SimpleNamespace(perf_counter=lambda: now.s))
        for _ in range(n_calls):
            assert crew_.run(kernel) == kernels.DONE
    return found


def test_threads_share_an_event_only_where_each_has_enough_sites(monkeypatch):
    """And never where the energies of pairs are listed, or a run has one core for every task."""
    engine = start().engine
    assert sizes(engine, lambda: 8) == [1]  # as it is
    for per_thread, threads, expected in (
        (N_SITES // 2, 8, 2),
        (N_SITES // 4, 3, 3),
        (N_SITES // 2 + 1, 8, 1),
        (1, 1, 1),
    ):
        monkeypatch.setattr(crew, "SITES_PER_THREAD", per_thread)
        assert sizes(engine, lambda n=threads: n) == [expected]
    for name in ("pairs", "none"):
        assert sizes(start(name).engine, lambda: 8) == [1]


def test_the_number_of_threads_follows_what_is_free(small_shares):
    free = iter([1, 3, 2, 1])
    assert sizes(start().engine, lambda: next(free), 4) == [1, 3, 2, 1]


def test_helpers_that_do_not_help_go_and_are_tried_again(small_shares):
    """After 8 kernels one without, three times as fast, and so on; until a trial with helpers turns out faster."""
    speed = {3: iter([10] * 9 + [100] * 1000), 1: iter([30] * 1000)}
    found = sizes(start().engine, lambda: 3, 40, lambda size: next(speed[size]))
    assert found == [3] * 8 + [1] * 9 + [3] + [1] * 16 + [3] * 6


def test_while_helpers_help_trials_without_them_become_rare(small_shares):
    found = sizes(start().engine, lambda: 3, 3000, lambda size: size)
    trials = np.flatnonzero(np.array(found) == 1)
    assert trials[:4].tolist() == [8, 25, 58, 123]
    assert np.diff(trials).max() == 257


def test_a_kernel_that_fails_leaves_no_helper_behind(small_shares):
    """Helpers spin: one that nobody stops would keep its core busy."""
    engine, seen = start().engine, []

    def kernel(tables, ions, team):
        seen.append(team)
        raise InterruptedError

    crew_ = Crew(engine.tables, engine.ions, lambda: 3)
    with pytest.raises(InterruptedError):
        crew_.run(kernel)
    assert seen[0].words[0] == kernels.STOP
    assert crew_._pool.submit(int).result(10) == 0  # the threads are free


def test_the_estimate_of_the_rate_is_the_same(small_shares):
    assert start(threads=lambda: 3).estimate_rate(500) == start().estimate_rate(500)


def test_an_engine_keeps_its_threads_for_other_states(small_shares):
    simulation = start(threads=lambda: 3)
    other = simulation.engine.on(simulation.state.copy())
    assert isinstance(other, Streaming)
    assert sizes(other, other._threads) == [3]
