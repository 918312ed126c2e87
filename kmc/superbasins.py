"""The engine that passes over flicker: hops to and fro inside a superbasin are solved, not made one by one.

A superbasin is a set of configurations, of one ion or of several that flicker together, between which hops are so
fast that many are made before anything else happens. They are found on the fly, from the present configuration over the
lowest saddles ahead, and left through the exact solution of the Markov chain of all of them; the rates of all other
ions in every configuration are among its ways out, so that the dynamics is exact for any interaction and no ion is
taken to stand still that does not. See kmc/superbasin_kernels.py for the formulas.

Whether a superbasin is used is therefore a question of cost alone: it is where more hops are expected inside than
finding and solving it costs, 12 for each of its n configurations and 0.005 n³. There are 64 of these at most, of up to
6 ions. Where three in turn are not worth it, the engine makes ordinary hops, as kmc/streaming.py does, and looks again
after 256 of them, 512, and so on. With many ions that flicker at the same time and feel each other everywhere, the
configurations of all of them together are too many: the engine then says that nothing was passed over, and is as fast
as without.

Positions at sample times are drawn from the exact distribution, and legs end there. The time on each site and the hops
made inside enter with their means between the two ends of each leg, and so do hops that go back at once: means over a
run are exact, and the event count includes the hops that were passed over. The chance that an ion's next hop goes back
is that of the rates when it has arrived; where several ions flicker together, others may change these before.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kmc import kernels as common
from kmc import superbasin_kernels as kernels
from kmc.crew import one_thread
from kmc.kernels import DONE, PAUSED, Sampler, Sites
from kmc.state import State
from kmc.streaming import Streaming
from kmc.superbasin_kernels import (
    BUILT,
    EDGES,
    IN_VAIN,
    LOOK,
    MEMBERS,
    MISSES,
    N_COURSE,
    N_TALLY,
    NEXT,
    PLAIN,
    SLOT,
    SLOTS,
    STATES,
    USED,
    WAKE,
    Book,
    Chains,
    Ground,
    Scratch,
    Statistics,
    Walk,
)
from kmc.tables import Conditions, hop_constants
from lattice.supercell import InteractionTable, Lattice
from structures.errors import InputError

_PATIENCE = 2  # superbasins in vain before the engine rests
_FIRST_REST, _LONGEST_REST = 2**7, 2**18  # events


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
            self.plain = Streaming(lattice, state, conditions, recount_every=recount_every, threads=threads)
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
        self._chains = _empty_chains(self._ground, state.n_ions)
        self._scratch = _scratch(self._ground, lattice.n_sites, state.n_ions, len(self._walk.mover))
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
        legs, found, in_vain, skipped, _ = self._book.tally.tolist()
        return Flicker(int(legs), int(found), int(in_vain), skipped, int(self.events[0]))

    def equilibrate(
        self, n_trials: int, accepted: NDArray[np.int64], drift: NDArray[np.float64], rng: np.random.Generator
    ) -> int:
        """Make so many Metropolis moves; `accepted`, (1,), and `drift`, (1,) eV, are changed in place."""
        return self.plain.equilibrate(n_trials, accepted, drift, rng)

    def settle(self, drift: NDArray[np.float64]) -> None:
        """Recount after moves without hops, see Streaming; a leg that was under way is given up."""
        self._book.course[SLOT] = -1
        self.plain.settle(drift)
        self.keep()

    def advance(self, sampler: Sampler, last_event: int, rng: np.random.Generator) -> int:
        """Run to the last sample or an event count; DONE, PAUSED or BLOCKED. `sampler` is changed in place.

        A leg may take the event count beyond `last_event`.
        """
        events, course, n_samples, taken = self.events, self._book.course, len(sampler.time), sampler.next_sample
        statistics = Statistics(sampler.orbit_hops, sampler.arrival, sampler.site_time, sampler.departures)
        while True:
            if events[0] < course[WAKE]:
                status = self.plain.advance(sampler, min(last_event, int(course[WAKE])), rng)
                if status != PAUSED or events[0] >= last_event:
                    return status
            self._stale = True
            until = sampler.begin + sampler.time[taken[0]] if taken[0] < n_samples else math.inf
            status = int(
                kernels.advance(
                    self._ground,
                    self._walk,
                    self._chains,
                    self._scratch,
                    self._book,
                    statistics,
                    until,
                    last_event,
                    rng,
                )
            )
            if status == LOOK:
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

    def _look(self) -> None:
        """Find a superbasin around the present configuration, or go without for one hop or for many."""
        course, tally, slot = self._book.course, self._book.tally, int(self._book.course[NEXT])
        if kernels.build(self._ground, self.state.ion_site, self._walk.mover, self._chains, slot, self._scratch):
            tally[BUILT] += 1
            course[NEXT], course[USED], course[MISSES] = (slot + 1) % SLOTS, max(course[USED], slot + 1), 0
            return
        tally[IN_VAIN] += 1
        course[MISSES] += 1
        if course[MISSES] > _PATIENCE:
            course[WAKE] = self.events[0] + min(_FIRST_REST << int(min(course[MISSES] - _PATIENCE, 20)), _LONGEST_REST)
            self._refresh()
        else:
            course[PLAIN] = 1

    def keep(self) -> None:
        """Bring the state up to date, so that it is all that a restart needs."""
        if self._stale:
            self._refresh()
        book, used = self._book, int(self._book.course[USED])
        parts = (*(part.ravel() for part in book), self._chains.start[:used].ravel())
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
        shapes = (N_COURSE,), (N_TALLY,), (2, self.n_orbits), (self.lattice.network.n_sites,), (1,)
        kept, n = self.state.superbasins, self.state.n_ions
        if kept.size == 0:
            kept = np.zeros(sum(math.prod(shape) for shape in shapes))
            kept[SLOT] = -1
        *parts, starts = np.split(kept, np.cumsum([math.prod(shape) for shape in shapes]))
        used = int(kept[USED])
        if len(starts) != used * n or parts[-1].size != 1:
            raise ValueError(f"state must hold the superbasins of {n} ions of this lattice; got others")
        course, *others = (part.reshape(shape) for part, shape in zip(parts, shapes, strict=True))
        book = Book(course.astype(np.int64), *others)
        for slot, start in enumerate(starts.reshape(used, n).astype(np.int32)):
            kernels.build(self._ground, start, self._walk.mover, self._chains, slot, self._scratch)
        return book


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
        first=first,
        target=np.column_stack([network.hop_image, network.hop_target]).astype(np.int64),
        rate=np.column_stack(hop_constants(network, conditions, own_field)).astype(np.float64),
        own=own,
        orbit=network.hop_orbit,
        reverse=network.hop_reverse,
        width=int(np.diff(first).max(initial=1)),
        twice_kT=2.0 * conditions.kT,
    )


def _empty_chains(ground: Ground, n_ions: int) -> Chains:
    return Chains(
        size=np.zeros((SLOTS, 3), np.int64),
        member=np.zeros((SLOTS, MEMBERS), np.int64),
        place=np.zeros((SLOTS, STATES, MEMBERS, 4), np.int64),
        key=np.zeros((SLOTS, STATES), np.uint64),
        edge=np.zeros((SLOTS, EDGES, 4), np.int64),
        inside=np.zeros((SLOTS, EDGES, 2)),
        rate=np.zeros((SLOTS, STATES, MEMBERS, ground.width)),
        out=np.zeros((SLOTS, STATES)),
        root=np.zeros((SLOTS, STATES)),
        whole=np.zeros((SLOTS, STATES)),
        decay=np.zeros((SLOTS, STATES)),
        mode=np.zeros((SLOTS, STATES, STATES)),
        hops=np.zeros((SLOTS, STATES)),
        start=np.zeros((SLOTS, n_ions), np.int32),
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
