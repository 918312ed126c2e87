"""The engine that passes over flicker: hops to and fro inside a superbasin are solved, not made one by one.

A superbasin is a set of configurations, of one ion or of several that flicker together, between which hops are so
fast that many are made before anything else happens. They are found on the fly, from the present configuration over the
lowest saddles ahead, and left through the exact solution of the Markov chain of all of them; the rates of all other
ions in every configuration are among its ways out, so that the dynamics is exact for any interaction and no ion is
taken to stand still that does not. See kmc/superbasin_kernels.py for the formulas.

Whether a superbasin is used is therefore a question of cost alone: it is where more hops are expected inside than
finding and solving it costs, 12 for each of its n configurations and 0.005 n³. There are 64 of these at most, of up to
6 ions, and fewer where rounding would show in the solution. Where three in turn are not worth it, the engine makes
ordinary hops, as kmc/streaming.py does, and looks again after 256 of them, 512, and so on. With many ions that flicker
at the same time and feel each other everywhere, the configurations of all of them together are too many: the engine
then says that nothing was passed over. Between superbasins the rates of all ions are kept, whatever their number.

Where ions have no energies with each other and only stand in each other's way, as they do without Coulomb energies,
each ion has a clock of its own. It is passed over as long as it is alone in a superbasin of a lone ion, whatever the
others do, until it tries to leave or somebody tries to come where it could be; then its place is drawn. The gain does
not fall with the number of ions. Two ions in one such superbasin hop one by one; where fewer than 12 hops are passed
over for each try to hop, over 2^15 of them, the engine makes ordinary hops for a while.

Positions at sample times are drawn from the exact distribution, and legs end there. The time on each site and the hops
made inside enter with their means between the two ends of each leg, and so do hops that go back at once: means over a
run are exact, but for passages with ends of a probability below 1e-10, whose hops are left out. The event count
includes the hops that were passed over; superbasins with more than 1e15 of them in a passage are not used. The chance
that an ion's next hop goes back is that of the rates when it has arrived; where several ions flicker together, others
may change these before.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kmc import kernels as common
from kmc import superbasin_kernels as kernels
from kmc.crew import one_thread
from kmc.kernels import DONE, PAUSED, Sampler, Sites
from kmc.state import State
from kmc.streaming import Streaming
from kmc.superbasin_kernels import (
    MEMBERS,
    MISSES,
    NEXT,
    SLOT,
    SLOTS,
    STATES,
    USED,
    WAKE,
    Book,
    Chains,
    Clocks,
    Ground,
    Room,
    Scratch,
    Statistics,
    Walk,
)
from kmc.tables import Conditions, hop_constants
from lattice.supercell import InteractionTable, Lattice
from structures.errors import InputError

_PATIENCE = 2  # superbasins in vain before the engine rests
_FIRST_REST, _LONGEST_REST = 2**7, 2**18  # events
_FIRST_REST_APART, _LONGEST_REST_APART = 2**17, 2**24


@dataclass(frozen=True, slots=True)
class Flicker:
    """What superbasins have done for a run.

    Attributes
    ----------
    legs : int
        Passages through a superbasin.
    found, in_vain : int
        Superbasins that were solved and kept, and those that were not worth it.
    skipped : float
        Hops that were passed over.
    events : int
        All hops, those passed over included.
    """

    legs: int
    found: int
    in_vain: int
    skipped: float
    events: int

    @property
    def share(self) -> float:
        """Share of the hops that were passed over."""
        return self.skipped / self.events if self.events else 0.0

    @property
    def line(self) -> str:
        """Say it in one line."""
        if not self.legs:
            return f"superbasins: none was worth it, {self.in_vain} looked at"
        return (
            f"superbasins: {100 * self.share:.4g} % of the hops were passed over in {self.legs:,} legs of "
            f"{self.skipped / self.legs:,.0f} hops; {self.found:,} superbasins solved, {self.in_vain:,} not worth it"
        )


class Superbasins:
    """Streaming with superbasins, for one state.

    Parameters
    ----------
    lattice : Lattice
        With its interaction in a table.
    state : State
        Taken over and changed in place.
    conditions : Conditions
    recount_every : int, optional
        See Streaming.
    threads : callable
        See Streaming.
    parent : Superbasins, optional
        Another simulation of this lattice under these conditions.

    Raises
    ------
    InputError
        If the interaction is not tabulated, or energies over kT leave the range of floating-point numbers.
    ValueError
        If the state does not belong to this lattice and temperature.
    """

    def __init__(
        self,
        lattice: Lattice,
        state: State,
        conditions: Conditions,
        *,
        recount_every: int | None = None,
        threads: Callable[[], int] = one_thread,
        parent: Superbasins | None = None,
    ) -> None:
        if not isinstance(lattice.interaction, InteractionTable):
            raise InputError("superbasins need the energies of the ions in a table; got energies from meshes")
        self.lattice, self.state, self.conditions = lattice, state, conditions
        if parent is None:
            self.plain = Streaming(
                lattice, state, conditions, recount_every=recount_every, threads=threads, bounds=False
            )
            self._ground = _ground(lattice, conditions, self.plain.sites)
        else:
            self.plain, self._ground = parent.plain.on(state), parent._ground
        self.largest_drift = self.plain.largest_drift
        self._stale = False
        self._walk = Walk(
            site=state.ion_site,
            occupant=state.occupant,
            blocked=state.blocked,
            image=state.ion_image,
            last_hop=state.ion_last_hop,
            mover=np.flatnonzero(state.mobile).astype(np.int32),
            clock=self.plain.clock,
            events=self.plain.events,
        )
        n_movers, table = len(self._walk.mover), lattice.table
        self._scratch = _scratch(self._ground, lattice.n_sites, state.n_ions, n_movers)
        self._room = _room()
        self._clocks: Clocks | None = None
        if state.n_ions == 1 or not (table.is_dense or len(table.pair_site)):
            self._chains, basin = _lone_superbasins(self._ground, lattice)
            self._clocks = _clocks(self._ground, lattice, n_movers, basin)
        else:
            self._chains = _empty_chains(self._ground, SLOTS, state.n_ions)
        self._book = self._restored()

    def on(self, state: State) -> Superbasins:
        """Give the engine of another state under the same conditions."""
        return Superbasins(self.lattice, state, self.conditions, parent=self)

    @property
    def sites(self) -> Sites:
        """Sites of the supercell."""
        return self.plain.sites

    @property
    def n_orbits(self) -> int:
        """Orbits of the network's hops."""
        return self.plain.n_orbits

    @property
    def clock(self) -> NDArray[np.float64]:
        """Time, and time of the next hop or of the end of the leg, (2,), s."""
        return self.plain.clock

    @property
    def events(self) -> NDArray[np.int64]:
        """Hops so far, those passed over with their expected number, (1,)."""
        return self.plain.events

    @property
    def flicker(self) -> Flicker:
        """What superbasins have done since the state began."""
        legs, found, in_vain, skipped, *_ = self._book.tally.tolist()
        return Flicker(int(legs), int(found), int(in_vain), skipped, int(self.events[0]))

    def equilibrate(
        self, n_trials: int, accepted: NDArray[np.int64], drift: NDArray[np.float64], rng: np.random.Generator
    ) -> int:
        """Make so many Metropolis moves; `accepted`, (1,), and `drift`, (1,) eV, are changed in place."""
        return self.plain.equilibrate(n_trials, accepted, drift, rng)

    def settle(self, drift: NDArray[np.float64]) -> None:
        """Recount after moves without hops, see Streaming; legs that were under way are given up."""
        self._book.course[SLOT] = -1
        if self._clocks is not None:
            self._clocks.slot[:] = -1
        self.plain.settle(drift)
        self.keep()

    def end_legs(self, sampler: Sampler, rng: np.random.Generator) -> None:
        """Put all ions where they are at this time; they go on from there as they would have, for legs have no memory.

        `sampler` takes the hops and stays of the legs so far, and is changed in place. Only ions with clocks of their
        own can be in legs here.
        """
        if self._clocks is None or self._clocks.slot.max(initial=-1) < 0:
            return
        ground, walk, counts, now = self._ground, self._walk, _statistics(sampler), float(self.clock[0])
        kernels.end_all(ground, walk, self._chains, self._room, self._clocks, self._book, counts, now, rng)
        self.clock[1], self._stale = np.nan, True

    def advance(self, sampler: Sampler, last_event: int, rng: np.random.Generator) -> int:
        """Run to the last sample or an event count; DONE, PAUSED or BLOCKED. `sampler` is changed in place.

        A leg may take the event count beyond `last_event`.

        Raises
        ------
        InputError
            If there are more hops than can be counted.
        """
        events, course, n_samples, taken = self.events, self._book.course, len(sampler.time), sampler.next_sample
        if not len(self._walk.mover) or (self._clocks is not None and self._clocks.basin.max(initial=-1) < 0):
            return self.plain.advance(sampler, last_event, rng)
        while True:
            if events[0] < course[WAKE]:
                status = self.plain.advance(sampler, min(last_event, int(course[WAKE])), rng)
                if status == PAUSED and events[0] >= course[WAKE]:
                    self.clock[1] = np.nan  # it may be the time of a trial, and has no memory
                if status != PAUSED or events[0] >= last_event:
                    return status
            self._stale = True
            until = sampler.begin + sampler.time[taken[0]] if taken[0] < n_samples else math.inf
            status = self._pass_over(sampler, until, last_event, rng)
            if events[0] >= kernels.MOST_HOPS:
                raise InputError(
                    f"a run must have fewer than 2^62 = {kernels.MOST_HOPS:.2g} hops, those passed over by superbasins "
                    f"included; got as many by {self.clock[0]:.3g} s; simulate for a shorter time"
                )
            if status == kernels.LOOK:
                self._look()
            elif status == DONE:
                state, energy = self.state, self._energy()
                common.record(
                    self.sites, state.ion_site, state.ion_image, state.ion_species, int(events[0]), energy, sampler
                )
                if taken[0] == n_samples:
                    return DONE
            else:
                return status

    def _pass_over(self, sampler: Sampler, until: float, last_event: int, rng: np.random.Generator) -> int:
        ground, walk, chains, book = self._ground, self._walk, self._chains, self._book
        counts = _statistics(sampler)
        if self._clocks is None:
            return int(
                kernels.advance(ground, walk, chains, self._room, self._scratch, book, counts, until, last_event, rng)
            )
        return int(
            kernels.advance_apart(ground, walk, chains, self._room, self._clocks, book, counts, until, last_event, rng)
        )

    def _look(self) -> None:
        """Find a superbasin around the present configuration, or go without for one hop or for many.

        Where ions have clocks of their own, too few hops were passed over: go without.
        """
        course, tally, slot = self._book.course, self._book.tally, int(self._book.course[NEXT])
        if self._clocks is not None:
            course[MISSES] += 1
            course[WAKE] = self.events[0] + min(_FIRST_REST_APART << int(min(course[MISSES], 20)), _LONGEST_REST_APART)
            self._refresh()
            return
        if kernels.build(self._ground, self.state.ion_site, self._walk.mover, self._chains, slot, self._scratch):
            tally[kernels.BUILT] += 1
            course[NEXT], course[USED], course[MISSES] = (slot + 1) % SLOTS, max(course[USED], slot + 1), 0
            return
        tally[kernels.IN_VAIN] += 1
        course[MISSES] += 1
        if course[MISSES] > _PATIENCE:
            course[WAKE] = self.events[0] + min(_FIRST_REST << int(min(course[MISSES] - _PATIENCE, 20)), _LONGEST_REST)
            self._refresh()
        else:
            course[kernels.PLAIN] = 1

    def keep(self) -> None:
        """Bring the state up to date, so that it is all that a restart needs."""
        if self._stale:
            self._refresh()
        more: tuple[NDArray[Any], ...] = (self._chains.start[: int(self._book.course[USED])].ravel(),)
        if self._clocks is not None:
            n = len(self._clocks.slot)
            more = (
                self._clocks.since,
                self._clocks.slot,
                self._clocks.state,
                self._clocks.due[len(self._clocks.due) // 2 :][:n],
            )
        parts = (*(part.ravel() for part in self._book), *more)
        self.state.superbasins = np.concatenate(parts).astype(np.float64)

    def energy(self) -> float:
        """Energy of the configuration, Σ F_i + ½ Σ_{i≠j} e_ij, eV."""
        return self.plain.energy()

    def drift(self) -> float:
        """Largest difference between a kept site energy and its recount, eV."""
        return self.plain.drift()

    def site_interaction(self) -> NDArray[np.float64]:
        """Energy V of an ion on every site with all ions, (n_sites,), eV; q φ_j for Coulomb."""
        return self.plain.site_interaction()

    def mover_rates(self) -> tuple[NDArray[np.float64], float]:
        """Rate of leaving its site of every mobile ion, (n_movers,), and their sum, 1/s."""
        return self.plain.mover_rates()

    def _energy(self) -> float:
        return float(kernels.configuration_energy(self._ground, self.state.ion_site, self._scratch))

    def _refresh(self) -> None:
        """Compute the factors of the plain engine from the places that the legs have left the ions in."""
        self.plain.settle(np.zeros(1))
        self._stale = False

    def _restored(self) -> Book:
        """Give the books of an earlier part of the run, and find its superbasins again from where it found them.

        Raises
        ------
        ValueError
            If they are of another lattice or number of ions.
        """
        shapes = (kernels.N_COURSE,), (kernels.N_TALLY,), (2, self.n_orbits), (self.lattice.network.n_sites,), (1,)
        kept, n = self.state.superbasins, self.state.n_ions
        if kept.size == 0:
            kept = np.zeros(sum(math.prod(shape) for shape in shapes))
            kept[SLOT] = -1
        *parts, rest = np.split(kept, np.cumsum([math.prod(shape) for shape in shapes]))
        used, clocks = int(kept[USED]), self._clocks
        expected = used * n if clocks is None else 4 * len(clocks.slot)
        if parts[-1].size != 1 or len(rest) not in (expected, 0):
            raise ValueError(f"state must hold the superbasins of {n} ions of this lattice; got others")
        course, *others = (part.reshape(shape) for part, shape in zip(parts, shapes, strict=True))
        if clocks is None:
            for slot, start in enumerate(rest.reshape(used, n).astype(np.int32)):
                kernels.build(self._ground, start, self._walk.mover, self._chains, slot, self._scratch)
        elif len(rest):
            since, place, state, due = rest.reshape(4, -1)
            clocks.since[:], clocks.slot[:], clocks.state[:] = since, place.astype(np.int64), state.astype(np.int64)
            for m, time in enumerate(due):
                kernels.set_due(clocks.due, m, time)
            kernels.own_all(self._ground, self._walk, self._chains, clocks)
        else:
            self.clock[1] = np.nan
        return Book(course.astype(np.int64), *others)


def _statistics(sampler: Sampler) -> Statistics:
    return Statistics(sampler.orbit_hops, sampler.arrival, sampler.site_time, sampler.departures)


def _ground(lattice: Lattice, conditions: Conditions, sites: Sites) -> Ground:
    """Give energies and hop constants of a lattice as the kernels take them."""
    network, table = lattice.network, lattice.table
    origin, target = network.hop_origin, lattice.hop_target[: len(network.hop_origin)]
    rows = [table.row(a) for a in range(network.n_sites)]
    own_field = np.array([rows[a][b] - rows[a][a] for a, b in zip(origin, target, strict=True)], np.float64)
    offset, excluded = lattice.exclusion_offset, lattice.exclusion_site
    own = np.array([b in excluded[offset[a] : offset[a + 1]] for a, b in zip(origin, target, strict=True)], np.int64)
    first = np.searchsorted(origin, np.arange(network.n_sites + 1)).astype(np.int64)
    n_sublattices, site = network.n_sites, np.arange(lattice.n_sites)
    cell = np.unravel_index(site // n_sublattices, lattice.repeats)
    return Ground(
        repeats=np.array(lattice.repeats, np.int64),
        cell=np.column_stack([*cell, site % n_sublattices]).astype(np.int32),
        energy=table.dense.reshape(n_sublattices, lattice.n_sites if table.is_dense else 0),
        pair_offset=table.pair_offset,
        pair_site=table.pair_site,
        pair_energy=table.pair_energy,
        exclusion_offset=lattice.exclusion_offset,
        exclusion_site=lattice.exclusion_site,
        free_energy=sites.energy,
        own_energy=sites.own_energy,
        hop=lattice.hop_offset,
        hop_target=lattice.hop_target,
        first=first,
        target=np.column_stack([network.hop_image, network.hop_target]).astype(np.int64),
        rate=np.column_stack(hop_constants(network, conditions, own_field)).astype(np.float64),
        own=own,
        orbit=network.hop_orbit,
        reverse=network.hop_reverse,
        width=int(np.diff(first).max(initial=1)),
        twice_kT=2.0 * conditions.kT,
    )


def _lone_superbasins(ground: Ground, lattice: Lattice) -> tuple[Chains, NDArray[np.int64]]:
    """Solve the superbasins of an ion alone that share no site, and give slot and place in it by site of a cell."""
    n = lattice.network.n_sites
    chains, basin = _empty_chains(ground, n, 1), np.full((n, 2), -1)
    scratch, alone, slot = _scratch(ground, lattice.n_sites, 1, 1), np.zeros(1, np.int32), 0
    for a in range(n):
        if basin[a, 0] < 0 and kernels.build(ground, np.full(1, a, np.int32), alone, chains, slot, scratch):
            members = chains.place[slot, : chains.size[slot, 0], 0, 3]
            if len(set(members.tolist())) == len(members) and (basin[members, 0] < 0).all():
                basin[members] = np.column_stack([np.full(len(members), slot), np.arange(len(members))])
                slot += 1
    return chains, basin


def _clocks(ground: Ground, lattice: Lattice, n_movers: int, basin: NDArray[np.int64]) -> Clocks:
    origin, target = lattice.network.hop_origin, ground.target[:, 3]
    own_field = np.array(
        [
            lattice.table.row(a)[b] - lattice.table.row(a)[a]
            for a, b in zip(origin, lattice.hop_target[: len(origin)], strict=True)
        ]
    )
    x = np.exp((ground.free_energy[origin] - ground.free_energy[target] - own_field) / ground.twice_kT)
    top, linear, square = ground.rate.T
    rate = np.minimum(top, np.minimum(square * x, linear) * x)
    rate[lattice.hop_target[: len(origin)] == origin] = 0.0
    width = 1
    while width < n_movers:
        width *= 2
    return Clocks(
        since=np.zeros(n_movers),
        slot=np.full(n_movers, -1),
        state=np.zeros(n_movers, np.int64),
        due=np.full(2 * width, np.inf),
        basin=basin,
        owner=np.full(lattice.n_sites, -1, np.int32),
        rate=rate,
        again=np.zeros(n_movers, np.int64),
    )


def _empty_chains(ground: Ground, n_slots: int, n_ions: int) -> Chains:
    return Chains(
        size=np.zeros((n_slots, 3), np.int64),
        member=np.zeros((n_slots, MEMBERS), np.int64),
        place=np.zeros((n_slots, STATES, MEMBERS, 4), np.int64),
        key=np.zeros((n_slots, STATES), np.uint64),
        edge=np.zeros((n_slots, kernels.EDGES, 4), np.int64),
        inside=np.zeros((n_slots, kernels.EDGES, 2)),
        rate=np.zeros((n_slots, STATES, MEMBERS, ground.width)),
        out=np.zeros((n_slots, STATES)),
        root=np.zeros((n_slots, STATES)),
        whole=np.zeros((n_slots, STATES)),
        decay=np.zeros((n_slots, STATES)),
        mode=np.zeros((n_slots, STATES, STATES)),
        hops=np.zeros((n_slots, STATES)),
        start=np.zeros((n_slots, n_ions), np.int32),
    )


def _scratch(ground: Ground, n_sites: int, n_ions: int, n_movers: int) -> Scratch:
    return Scratch(
        site=np.zeros(n_ions, np.int32),
        blocked=np.zeros(n_sites, np.int16),
        energy=np.zeros(n_sites),
        rate=np.zeros((STATES, n_movers * ground.width)),
        ahead=np.zeros((STATES, n_movers * ground.width)),
        place=np.zeros((STATES, MEMBERS, 4), np.int64),
        member=np.zeros(n_movers, np.int64),
    )


def _room() -> Room:
    return Room(
        weight=np.zeros(STATES),
        fading=np.zeros(STATES),
        both=np.zeros((STATES, STATES)),
        half=np.zeros((STATES, STATES)),
        stay=np.zeros(STATES),
        hops=np.zeros(kernels.EDGES),
    )
