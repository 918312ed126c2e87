"""The engine for large charged lattices: energies from a hierarchy of meshes, events by thinning.

The cost of an event does not grow with the number of sites. The dynamics is exact for the energies that are kept; how
far these are from the full Ewald sum is measured at the start and while it runs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kmc import kernels as common
from kmc import multilevel_kernels as kernels
from kmc.kernels import DONE, PAUSED, Sampler, Sites
from kmc.multilevel_fields import largest_values
from kmc.multilevel_kernels import MOVER, N_COUNTERS, SLOT, TRIALS, Model, Statistics, UnitHops, Walkers
from kmc.multilevel_plan import ACCURACIES, Level, charges, pair_window, plan_levels, window_shape
from kmc.multilevel_rows import make_fields
from kmc.state import State
from kmc.tables import Conditions, empty_tree, hop_constants, site_tables
from kmc.thinning import Allowance, choose_blocks, make_bounds, pair_shape
from lattice.ewald import EwaldPotential
from lattice.ewald_sum import potential_of_charges
from lattice.supercell import Lattice, UntabulatedCoulomb
from structures.errors import InputError
from structures.units import COULOMB

TOLERANCE = 1e-4  # eV, of the energy of every hop
RECOUNT_EVERY = 2**20  # events
_MARGIN = 5.5  # standard deviations of the measured errors that must lie within the tolerance
_ROUNDING = 0.07  # of the tolerance, for the rounding errors of a mesh
_CHECKED_IONS = 48
_KEPT = 4  # numbers before the bounds that say what they are of: accuracy and allowances
_SLOTS = 8  # for the mobile ions of a block, at first


@dataclass(frozen=True, slots=True)
class EnergyErrors:
    """Energies of hops as they are kept, against the full Ewald sum.

    Attributes
    ----------
    n_hops : int
        Compared.
    worst, rms : float, eV
    """

    n_hops: int
    worst: float
    rms: float


@dataclass(frozen=True, eq=False, slots=True)
class Prepared:
    """What the simulations of one lattice under the same conditions share.

    Attributes
    ----------
    accuracy : int
        Place in ACCURACIES.
    reach : float
        Of the exact rows, Å in the screened cell.
    levels : tuple of Level
    model : Model
        The values of its fields are those of no ion.
    own_field : (n_hops,) float64, eV
        e_ij - e_ii of the hops of a cell.
    overridden : (n_sublattices, d1, d2, d3, n_sublattices) float64, eV
        Part of the pair energies by overrides, by cell offset modulo d.
    """

    accuracy: int
    reach: float
    levels: tuple[Level, ...]
    model: Model
    own_field: NDArray[np.float64]
    overridden: NDArray[np.float64]


class Multilevel:
    """Meshes and thinning for one state.

    Parameters
    ----------
    lattice : Lattice
        With an interaction of UntabulatedCoulomb.
    state : State
        Taken over and changed in place.
    conditions : Conditions
    tolerance : float, eV
        Of the energy of every hop.
    allowance : Allowance
        Of the thinning; decides the speed and the random numbers used, not the statistics.
    recount_every : int, optional
        Events between two comparisons with the full sum.
    accuracy : int, optional
        Place in ACCURACIES; by default the first whose measured errors suffice.
    prepared : Prepared, optional
        Of another simulation of this lattice under these conditions.

    Raises
    ------
    InputError
        If the tolerance cannot be reached, or the supercell suits no mesh.
    """

    def __init__(
        self,
        lattice: Lattice,
        state: State,
        conditions: Conditions,
        *,
        tolerance: float = TOLERANCE,
        allowance: Allowance | None = None,
        recount_every: int | None = None,
        accuracy: int | None = None,
        prepared: Prepared | None = None,
    ) -> None:
        self.lattice, self.state, self.conditions = lattice, state, conditions
        self.largest_drift, self._check_every = tolerance, recount_every or RECOUNT_EVERY
        self._allowance = allowance or Allowance()
        self.sites: Sites = site_tables(lattice, conditions.temperature, _own_energy(lattice))
        self.n_orbits = int(lattice.network.hop_orbit.max(initial=-1)) + 1
        if prepared is not None:
            self._begin(prepared)
            return
        if state.thinning.size > _KEPT and tuple(state.thinning[:2]) in ACCURACIES:
            accuracy = ACCURACIES.index(tuple(state.thinning[:2]))
        else:
            state.thinning = np.zeros(0)  # what another engine has left
        for attempt in range(len(ACCURACIES)) if accuracy is None else (accuracy,):
            self._begin(self._prepare(attempt))
            found = self.check()
            if accuracy is not None or _MARGIN * found.rms < tolerance:
                return
        raise InputError(f"hop energies could not be kept within {tolerance:g} eV; rms error {found.rms:.2g} eV")

    def on(self, state: State) -> Multilevel:
        """Give the engine of another state under the same conditions."""
        return Multilevel(
            self.lattice,
            state,
            self.conditions,
            tolerance=self.largest_drift,
            allowance=self._allowance,
            recount_every=self._check_every,
            prepared=self.prepared,
        )

    @property
    def clock(self) -> NDArray[np.float64]:
        """Time and time of the next trial, (2,), s."""
        return self._walkers.clock

    @property
    def events(self) -> NDArray[np.int64]:
        """Hops made so far, (1,)."""
        return self._walkers.events

    def _prepare(self, accuracy: int) -> Prepared:
        lattice, state, conditions = self.lattice, self.state, self.conditions
        network, interaction = lattice.network, lattice.interaction
        overrides = interaction.pair_overrides if isinstance(interaction, UntabulatedCoulomb) else ()
        reach, levels = plan_levels(lattice, accuracy)
        twice_kT, n_movers = 2.0 * conditions.kT, int(state.mobile.sum())
        contact = max((override.below for override in overrides), default=0.0)
        grouping = choose_blocks(lattice, self._allowance, twice_kT, n_movers, contact)
        _, wide = pair_shape(lattice, grouping)
        shape = np.maximum(window_shape(lattice, reach), wide)
        energy, overridden = pair_window(lattice, shape, overrides)
        filling, rounding = state.n_ions / lattice.n_sites, _ROUNDING * self.largest_drift
        fields = make_fields(lattice, reach, levels, energy, overridden, filling, rounding)
        own_field = _own_field(lattice, energy)
        first = np.searchsorted(network.hop_origin, np.arange(network.n_sites + 1)).astype(np.int64)
        mobile = np.isin(network.site_species, np.unique(state.ion_species[state.mobile])) & (np.diff(first) > 0)
        model = Model(
            repeats=np.array(lattice.repeats, np.int64),
            twice_kT=twice_kT,
            fields=fields,
            hops=self._unit_hops(first, own_field),
            bounds=make_bounds(lattice, energy, mobile, self._allowance, grouping, twice_kT, self.largest_drift),
            exclusion_offset=lattice.exclusion_offset,
            exclusion_site=lattice.exclusion_site,
        )
        return Prepared(accuracy, reach, levels, model, own_field, overridden)

    def _begin(self, prepared: Prepared) -> None:
        """Put the ions into the fields, and take over or compute the bounds."""
        self.prepared, state = prepared, self.state
        fields = prepared.model.fields
        self.model = prepared.model._replace(fields=fields._replace(value=np.zeros_like(fields.value)))
        self._walkers = _walkers(self.lattice, state, self.model)
        kernels.place_all(self.model, self._walkers)
        self._fill_blocks()
        kernels.renew_all(self.model, self._walkers)
        if state.thinning.size and tuple(state.thinning[2:_KEPT]) == (self._allowance.near, self._allowance.far):
            self._take_bounds(state.thinning[_KEPT:])
        else:
            self._walkers.clock[1] = np.nan  # the bounds are new: a time drawn before is drawn again
        self._refuse_overflow()

    def _take_bounds(self, kept: NDArray[np.float64]) -> None:
        """Take over the bounds that an earlier part of the run has left.

        Raises
        ------
        ValueError
            If they are of another number of ions or blocks.
        """
        walkers, n = self._walkers, len(self._walkers.mover)
        if len(kept) != 2 * n + len(walkers.block_used) + 1:
            raise ValueError(f"state must hold the bounds of {n} mobile ions of this lattice; got others")
        walkers.tree[:n], walkers.left[0] = kept[:n], int(kept[-1])
        walkers.used[self._slots()] = kept[n : 2 * n]
        walkers.block_used[:] = kept[2 * n : -1]
        kernels.sum_bounds(walkers)

    def _unit_hops(self, first: NDArray[np.int64], own_field: NDArray[np.float64]) -> UnitHops:
        network, conditions = self.lattice.network, self.conditions
        free_energy = self.sites.energy
        links = np.column_stack([network.hop_origin, network.hop_target, network.hop_image])
        excluded = np.column_stack([network.exclusion_a, network.exclusion_b, network.exclusion_image])
        exclusions = set(map(tuple, excluded.tolist()))
        own = np.array([tuple(link) in exclusions for link in links.tolist()], np.int64)
        top, linear, square = hop_constants(network, conditions, own_field)
        difference = free_energy[network.hop_origin] - free_energy[network.hop_target]
        return UnitHops(
            first=first,
            place=np.column_stack([network.hop_image, network.hop_target, own]).astype(np.int64),
            rate=np.column_stack([difference / (2.0 * conditions.kT), top, linear, square]).astype(np.float64),
            orbit=network.hop_orbit,
            reverse=network.hop_reverse,
        )

    def equilibrate(
        self, n_trials: int, accepted: NDArray[np.int64], drift: NDArray[np.float64], rng: np.random.Generator
    ) -> int:
        """Make so many Metropolis moves; `accepted`, (1,), is changed in place."""
        sites = self.sites
        accepted[0] += kernels.equilibrate(
            self.model, self._walkers, sites.energy, sites.first, self.state.ion_species, n_trials, rng
        )
        self._refuse_overflow()
        return DONE

    def settle(self, drift: NDArray[np.float64]) -> None:
        """Compute the bounds for places that ions have reached without hops; `drift`, (1,) eV, is changed in place."""
        self._fill_blocks()
        kernels.renew_all(self.model, self._walkers)
        self.clock[1] = np.nan
        drift[0] = max(drift[0], self.check().worst)
        self.keep()

    def advance(self, sampler: Sampler, last_event: int, rng: np.random.Generator) -> int:
        """Run to the last sample or an event count; DONE, PAUSED or BLOCKED. `sampler` is changed in place.

        Raises
        ------
        FloatingPointError
            If a rate was above its bound.
        """
        n_samples, taken = len(sampler.time), sampler.next_sample
        statistics = Statistics(sampler.orbit_hops, sampler.arrival, sampler.site_time, sampler.departures)
        status = PAUSED
        while self.events[0] < last_event:
            walkers = self._walkers
            if walkers.held.max(initial=0) * len(walkers.held) == len(walkers.tenant):
                self._fill_blocks()
                walkers = self._walkers
            until = sampler.begin + sampler.time[taken[0]] if taken[0] < n_samples else math.inf
            check_at = (int(walkers.events[0]) // self._check_every + 1) * self._check_every
            status = int(kernels.advance(self.model, walkers, statistics, until, min(last_event, check_at), rng))
            if status == PAUSED and walkers.events[0] == check_at:
                self._refuse_overflow()
                sampler.drift[0] = max(sampler.drift[0], self.check().worst)
            if status == DONE:
                n_events = int(walkers.events[0])
                common.record(self.sites, self.state.ion_site, self.state.ion_image, self.state.ion_species,
                              n_events, self.energy(), sampler)  # fmt: skip
                if taken[0] == n_samples:
                    break
                status = PAUSED
            elif status == common.BLOCKED:
                break
        if violations := self.counters["violations"]:
            raise FloatingPointError(f"rates must stay below their bounds; got {violations} above")
        return status

    def keep(self) -> None:
        """Bring the state up to date, so that it is all that a restart needs."""
        walkers, n = self._walkers, len(self._walkers.mover)
        used = walkers.used[self._slots()]
        kept = (*ACCURACIES[self.prepared.accuracy], self._allowance.near, self._allowance.far)
        parts = (kept, walkers.tree[:n], used, walkers.block_used, walkers.left)
        self.state.thinning = np.concatenate(parts).astype(np.float64)

    def energy(self) -> float:
        """Energy of the configuration, Σ F_i + ½ Σ_{i≠j} e_ij, from the kept fields, eV."""
        return float(kernels.configuration_energy(self.model, self._walkers, self.sites.energy, self.sites.own_energy))

    def drift(self) -> float:
        """Largest difference found between kept energies of hops and the full Ewald sum, eV."""
        return self.check().worst

    def site_interaction(self) -> NDArray[np.float64]:
        """Energy V of an ion on every site with all ions, as it is kept, (n_sites,), eV."""
        return np.asarray(kernels.site_energies(self.model, self.lattice.n_sites))

    def mover_rates(self) -> tuple[NDArray[np.float64], float]:
        """Rate of leaving its site of every mobile ion, (n_movers,), and their sum, 1/s."""
        rates = np.zeros(len(self._walkers.mover))
        kernels.mover_rates(self.model, self._walkers, rates)
        return rates, float(rates.sum())

    def bounds(self) -> NDArray[np.float64]:
        """Bound on the rate of every mobile ion, (n_movers,), 1/s."""
        return self._walkers.tree[: len(self._walkers.mover)].copy()

    @property
    def counters(self) -> dict[str, int]:
        """Trials, renewed bounds, those of them by blocks, and rates above their bound (to be none)."""
        names = ("trials", "renewals", "far_renewals", "violations")
        return dict(zip(names, (int(n) for n in self._walkers.counters), strict=True))

    @property
    def acceptance(self) -> float:
        """Share of the trials that were hops."""
        return float(self.events[0]) / max(int(self._walkers.counters[TRIALS]), 1)

    def check(self, n_ions: int = _CHECKED_IONS) -> EnergyErrors:
        """Compare ΔE of the hops of some ions with the full Ewald sum; their own field is taken out of both."""
        lattice, state, network = self.lattice, self.state, self.lattice.network
        rng = np.random.default_rng(int(self.events[0]))
        repeats, q = np.array(lattice.repeats), charges(lattice)
        first, hops = self.model.hops.first, self.model.hops
        movers = np.flatnonzero(state.mobile)
        ions = rng.choice(movers, min(n_ions, len(movers)), replace=False) if len(movers) else movers
        cell = self._walkers.cell
        place = (cell[:, :3] + network.site_frac[cell[:, 3]]) / repeats
        here, there, kept = [], [], []
        for ion in ions.tolist():
            a = int(cell[ion, 3])
            change = kernels.hop_energies(self.model, self._walkers, self.prepared.own_field, ion)
            for h in range(first[a], first[a + 1]):
                target = np.array([*((cell[ion, :3] + hops.place[h, :3]) % repeats), hops.place[h, 3]])
                site = int(np.ravel_multi_index(tuple(target[:3]), lattice.repeats) * network.n_sites + target[3])
                if state.blocked[site] == hops.place[h, 4]:
                    here.append(cell[ion, :4])
                    there.append(target)
                    kept.append(float(change[h - first[a]]))
        if not kept:
            return EnergyErrors(0, 0.0, 0.0)
        old, new = np.array(here, np.int64), np.array(there, np.int64)
        ends = np.concatenate([old, new])
        points = (ends[:, :3] + network.site_frac[ends[:, 3]]) / repeats
        potential = potential_of_charges(lattice.cell, lattice.permittivity, place, q[cell[:, 3]], points)
        potential = potential[len(old) :] - potential[: len(old)]
        ewald = EwaldPotential(lattice.cell, lattice.permittivity)
        own = ewald.at(points[len(old) :] - points[: len(old)]) - ewald.at(np.zeros((1, 3)))[0]
        charge = q[old[:, 3]]
        exact = COULOMB * charge * (potential - charge * own)
        exact += self._overridden(new, old) - self._overridden(old, old)
        error = np.abs(np.array(kept) - exact)
        return EnergyErrors(len(error), float(error.max()), float(np.sqrt((error**2).mean())))

    def _overridden(self, places: NDArray[np.int64], movers: NDArray[np.int64]) -> NDArray[np.float64]:
        """Energy by overrides of near pairs of an ion on the places, the movers themselves left out, eV."""
        total, changed = np.zeros(len(places)), self.prepared.overridden
        if not changed.any():
            return total
        repeats, n = np.array(self.lattice.repeats), self.lattice.network.n_sites
        shape = np.array(changed.shape[1:4])
        links = np.argwhere(changed != 0.0)
        for k, (place, mover) in enumerate(zip(places, movers, strict=True)):
            for a, *offset, b in links[links[:, 0] == place[3]].tolist():
                signed = np.where(2 * np.array(offset) > shape, np.array(offset) - shape, offset)
                c = (place[:3] + signed) % repeats
                if (c == mover[:3]).all() and b == mover[3]:
                    continue
                if self.state.occupant[((c[0] * repeats[1] + c[1]) * repeats[2] + c[2]) * n + b] >= 0:
                    total[k] += changed[(a, *offset, b)]
        return total

    def _slots(self) -> NDArray[np.int32]:
        """Slot of every mobile ion, (n_movers,)."""
        return np.asarray(self._walkers.cell[self._walkers.mover, SLOT])

    def _fill_blocks(self) -> None:
        """Give every mobile ion a slot in the block that it is in, and every block at least one slot to spare."""
        walkers, bounds, movers = self._walkers, self.model.bounds, self._walkers.mover
        places = [row[c] for row, c in zip(bounds.block_of, walkers.cell[movers, :3].T, strict=True)]
        block = np.ravel_multi_index(places, tuple(bounds.blocks))
        held = np.bincount(block, minlength=len(walkers.block_used))
        slots = max(_SLOTS, 2 ** int(held.max()).bit_length())
        order = np.argsort(block, kind="stable")
        slot = np.empty(len(movers), np.int32)
        slot[order] = block[order] * slots + np.arange(len(movers)) - np.repeat(np.cumsum(held) - held, held)
        tenant, used = np.zeros(len(held) * slots, np.int32), np.zeros(len(held) * slots, np.float32)
        place = np.zeros((len(held) * slots, 4), np.int16)
        tenant[slot], used[slot] = np.arange(len(movers)), walkers.used[self._slots()]
        place[slot] = walkers.cell[movers, :4]
        walkers.cell[movers, SLOT] = slot
        self._walkers = walkers._replace(held=held.astype(np.int32), place=place, tenant=tenant, used=used)

    def _refuse_overflow(self) -> None:
        if largest_values(self.model.fields).max() > 0.5:
            raise FloatingPointError(
                "the potential of the ions leaves the range of the fields; they are too unevenly placed"
            )


def _own_energy(lattice: Lattice) -> NDArray[np.float64]:
    """Energy of an ion with its own images, (n_sublattices,), eV; the same on every site of one species."""
    own = EwaldPotential(lattice.cell, lattice.permittivity).at(np.zeros((1, 3)))[0]
    return np.asarray(COULOMB * charges(lattice) ** 2 * own)


def _own_field(lattice: Lattice, energy: NDArray[np.float64]) -> NDArray[np.float64]:
    """e_ij - e_ii of every hop of a cell, eV."""
    network = lattice.network
    own = np.array([energy[a, 0, 0, 0, a] for a in range(network.n_sites)])
    place = network.hop_image % np.array(energy.shape[1:4])
    field = energy[network.hop_origin, place[:, 0], place[:, 1], place[:, 2], network.hop_target]
    return np.asarray(field - own[network.hop_origin])


def _walkers(lattice: Lattice, state: State, model: Model) -> Walkers:
    """Share the arrays of a state with the kernels and allocate their workspace."""
    movers = np.flatnonzero(state.mobile).astype(np.int32)
    cells, sublattice = np.divmod(state.ion_site.astype(np.int64), lattice.network.n_sites)
    place = np.full((state.n_ions, 8), -1, np.int32)
    place[:, :4] = np.column_stack([*np.unravel_index(cells, lattice.repeats), sublattice])
    place[movers, MOVER], place[movers, SLOT] = np.arange(len(movers)), 0
    tree, tree_first = empty_tree(len(movers))
    blocks = tuple(int(n) for n in model.bounds.blocks)
    return Walkers(
        site=state.ion_site,
        cell=place,
        occupant=state.occupant,
        blocked=state.blocked,
        image=state.ion_image,
        last_hop=state.ion_last_hop,
        mover=movers,
        tree=tree,
        tree_first=tree_first,
        held=np.zeros(math.prod(blocks), np.int32),
        place=np.zeros((1, 4), np.int16),
        tenant=np.zeros(1, np.int32),
        used=np.zeros(1, np.float32),
        block_used=np.zeros(math.prod(blocks), np.uint16),
        left=np.zeros(1, np.int64),
        rate=np.zeros((2, max(int(np.diff(model.hops.first).max(initial=0)), 1))),
        clock=np.array([state.time, state.next_time]),
        events=np.array([state.n_events], np.int64),
        counters=np.zeros(N_COUNTERS, np.int64),
    )
