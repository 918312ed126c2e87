"""Simulation of large charged lattices whose cost per event does not grow with the number of sites."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kmc import multilevel_kernels as kernels
from kmc.multilevel import ACCURACIES, charges, make_fields, pair_window, plan_levels, window_shape
from kmc.multilevel_kernels import ARITY, MOVER, N_COUNTERS, TRIALS, VIOLATIONS, Model, UnitHops, Walkers
from kmc.state import State
from kmc.tables import Conditions
from kmc.thinning import Allowance, choose_blocks, make_bounds, pair_shape
from lattice.ewald import EwaldPotential
from lattice.ewald_sum import potential_of_charges
from lattice.near_pairs import PairOverride
from lattice.supercell import Lattice
from structures.errors import InputError
from structures.units import COULOMB

TOLERANCE = 1e-4  # eV, of the energy of every hop
_MARGIN = 5.5  # standard deviations of the measured errors that must lie within the tolerance
_CHECKED_IONS = 48
_BLOCK = 2**15  # events between two returns to Python


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


class MultilevelSimulation:
    """Kinetic Monte Carlo with energies from a hierarchy of meshes and events by thinning.

    The dynamics is exact for the energies that are kept; these differ from the full Ewald sum by less than a tolerance,
    which is measured: at the start, every `check_every` events and whenever `check` is called.

    Parameters
    ----------
    lattice : Lattice
        Without an interaction of its own (`replicate(..., interaction=None)`): the Coulomb energies of its permittivity
        are added here.
    state : State
        Taken over and changed in place.
    temperature : float, K
    attempt_frequency : float, optional
        As in Simulation.
    field : (3,) float64, V/Å
    pair_overrides : sequence of PairOverride
    tolerance : float, eV
        Of the energy of every hop.
    allowance : Allowance
        Of the thinning; decides the speed, not the result.
    check_every : int
        Events between two comparisons with the full sum.

    Raises
    ------
    InputError
        If the tolerance cannot be reached, or the supercell suits no mesh.
    """

    def __init__(
        self,
        lattice: Lattice,
        state: State,
        *,
        temperature: float,
        attempt_frequency: float | None = None,
        field: ArrayLike = (0.0, 0.0, 0.0),
        pair_overrides: Sequence[PairOverride] = (),
        tolerance: float = TOLERANCE,
        allowance: Allowance | None = None,
        accuracy: int | None = None,
        check_every: int = 2**20,
    ) -> None:
        self.lattice, self.state, self.tolerance = lattice, state, tolerance
        factor = lattice.network.rate_factor if attempt_frequency is None else attempt_frequency
        self.conditions = Conditions(temperature, factor, np.asarray(field, np.float64))
        self.errors: list[EnergyErrors] = []
        self._allowance = allowance or Allowance()
        self._overrides, self._check_every = tuple(pair_overrides), check_every
        self._rates = lattice.network.rates(temperature)
        for attempt in range(len(ACCURACIES)) if accuracy is None else (accuracy,):
            self._prepare(attempt)
            found = self.check()
            if accuracy is not None or _MARGIN * found.rms < tolerance:
                break
        else:
            raise InputError(f"hop energies could not be kept within {tolerance:g} eV; rms error {found.rms:.2g} eV")

    def _prepare(self, accuracy: int) -> None:
        lattice, state, conditions = self.lattice, self.state, self.conditions
        reach, self.levels = plan_levels(lattice, accuracy)
        self.reach = reach
        twice_kT, n_movers = 2.0 * conditions.kT, int(state.mobile.sum())
        contact = max((override.below for override in self._overrides), default=0.0)
        grouping = choose_blocks(lattice, self._allowance, twice_kT, n_movers, contact)
        _, wide = pair_shape(lattice, grouping)
        shape = np.maximum(window_shape(lattice, reach), wide)
        energy, self._changed = pair_window(lattice, shape, self._overrides)
        fields = make_fields(lattice, reach, self.levels, energy, self._changed, state.n_ions / lattice.n_sites)
        self._own_field, self._own_energy = _own(lattice, energy)
        first = np.searchsorted(lattice.network.hop_origin, np.arange(lattice.network.n_sites + 1)).astype(np.int64)
        moving_species = np.unique(state.ion_species[state.mobile])
        mobile = np.isin(lattice.network.site_species, moving_species) & (np.diff(first) > 0)
        self._model = Model(
            repeats=np.array(lattice.repeats, np.int64),
            twice_kT=twice_kT,
            fields=fields,
            hops=self._unit_hops(first),
            bounds=make_bounds(lattice, energy, mobile, self._allowance, grouping, twice_kT, self.tolerance),
            exclusion_offset=lattice.exclusion_offset,
            exclusion_site=lattice.exclusion_site,
        )
        self._walkers = _walkers(lattice, state, self._model)
        kernels.place_all(self._model, self._walkers)
        kernels.renew_all(self._model, self._walkers)
        self._refuse_overflow()

    def _unit_hops(self, first: NDArray[np.int64]) -> UnitHops:
        """Constants of the hops of one cell; barriers are counted between energies, fields hold free energies."""
        network, conditions, rates = self.lattice.network, self.conditions, self._rates
        twice_kT, origin, target = 2.0 * conditions.kT, network.hop_origin, network.hop_target
        work = charges(self.lattice)[origin] * (network.hop_vector @ conditions.field)
        entropy = rates.free_energy - network.site_energy
        free = rates.free_energy[target] - rates.free_energy[origin]
        shift = (self._own_field + work + entropy[target] - entropy[origin]) / twice_kT
        kra = network.hop_saddle - 0.5 * (network.site_energy[origin] + network.site_energy[target])
        top = conditions.attempt_frequency * rates.prefactor
        exclusions = {
            (int(a), int(b), *(int(n) for n in image))
            for a, b, image in zip(network.exclusion_a, network.exclusion_b, network.exclusion_image, strict=True)
        }
        links = zip(origin.tolist(), target.tolist(), network.hop_image.tolist(), strict=True)
        own = np.array([(a, b, *image) in exclusions for a, b, image in links], np.int64)
        linear, square = top * np.exp(shift - kra / conditions.kT), top * np.exp(2.0 * shift)
        return UnitHops(
            first=first,
            place=np.column_stack([network.hop_image, target, own]).astype(np.int64),
            rate=np.column_stack([-free / twice_kT, top, linear, square]).astype(np.float64),
            orbit=network.hop_orbit,
            reverse=network.hop_reverse,
        )

    def equilibrate(self, sweeps: int) -> float:
        """Bring all ions to equilibrium by so many Metropolis moves per ion to any site; share of accepted moves."""
        network, trials = self.lattice.network, int(sweeps) * self.state.n_ions
        first = np.searchsorted(network.site_species, np.arange(len(network.species) + 1)).astype(np.int64)
        self.state.ion_last_hop[:] = -1
        self._walkers.clock[1] = np.nan
        accepted = kernels.equilibrate(
            self._model, self._walkers, self._rates.free_energy, first, self.state.ion_species, trials, self.state.rng
        )
        kernels.renew_all(self._model, self._walkers)
        self._refuse_overflow()
        self._hand_back()
        return accepted / trials if trials else 0.0

    def step(self, n_events: int = 1) -> int:
        """Make so many hops; fewer if no hop is open any more."""
        before = int(self._walkers.events[0])
        self.advance(math.inf, before + n_events)
        return int(self._walkers.events[0]) - before

    def advance(self, until: float, last_event: int | None = None) -> int:
        """Run to a time, s, or an event count; DONE, PAUSED or BLOCKED of the kernels.

        Raises
        ------
        FloatingPointError
            If the energies leave their tolerance.
        """
        last = np.iinfo(np.int64).max if last_event is None else last_event
        events, status = self._walkers.events, kernels.PAUSED
        try:
            while status == kernels.PAUSED and events[0] < last:
                block = min(last, int(events[0]) + _BLOCK)
                before = int(events[0])
                status = int(kernels.advance(self._model, self._walkers, until, block, self.state.rng))
                self._refuse_overflow()
                if before // self._check_every != int(events[0]) // self._check_every:
                    self._refuse_errors(self.check())
        finally:
            self._hand_back()
        return status

    def check(self, n_ions: int = _CHECKED_IONS, seed: int | None = None) -> EnergyErrors:
        """Compare ΔE of the hops of some ions with the full Ewald sum; their own field is taken out of both."""
        lattice, state, network = self.lattice, self.state, self.lattice.network
        rng = np.random.default_rng(int(self._walkers.events[0]) if seed is None else seed)
        repeats, q = np.array(lattice.repeats), charges(lattice)
        first, hops = self._model.hops.first, self._model.hops
        movers = np.flatnonzero(state.mobile)
        ions = rng.choice(movers, min(n_ions, len(movers)), replace=False) if len(movers) else movers
        cell = self._walkers.cell
        place = (cell[:, :3] + network.site_frac[cell[:, 3]]) / repeats
        here, there, kept = [], [], []
        for ion in ions.tolist():
            a = int(cell[ion, 3])
            change = kernels.hop_energies(self._model, self._walkers, self._own_field, ion)
            for h in range(first[a], first[a + 1]):
                target = np.array([*((cell[ion, :3] + hops.place[h, :3]) % repeats), hops.place[h, 3]])
                site = int(
                    ((target[0] * repeats[1] + target[1]) * repeats[2] + target[2]) * network.n_sites + target[3]
                )
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
        own = EwaldPotential(lattice.cell, lattice.permittivity).at(points[len(old) :] - points[: len(old)])
        own -= EwaldPotential(lattice.cell, lattice.permittivity).at(np.zeros((1, 3)))[0]
        charge = q[old[:, 3]]
        exact = COULOMB * charge * (potential - charge * own)
        exact += self._changed_energy(new, old) - self._changed_energy(old, old)
        error = np.abs(np.array(kept) - exact)
        found = EnergyErrors(len(error), float(error.max()), float(np.sqrt((error**2).mean())))
        self.errors.append(found)
        return found

    def _changed_energy(self, places: NDArray[np.int64], movers: NDArray[np.int64]) -> NDArray[np.float64]:
        """Energy by overrides of near pairs of an ion on the places, the movers themselves left out, eV."""
        total = np.zeros(len(places))
        if not self._changed.any():
            return total
        repeats, n = np.array(self.lattice.repeats), self.lattice.network.n_sites
        shape = np.array(self._changed.shape[1:4])
        links = np.argwhere(self._changed != 0.0)
        for k, (place, mover) in enumerate(zip(places, movers, strict=True)):
            for a, *offset, b in links[links[:, 0] == place[3]].tolist():
                signed = np.where(2 * np.array(offset) > shape, np.array(offset) - shape, offset)
                c = (place[:3] + signed) % repeats
                if (c == mover[:3]).all() and b == mover[3]:
                    continue
                if self.state.occupant[((c[0] * repeats[1] + c[1]) * repeats[2] + c[2]) * n + b] >= 0:
                    total[k] += self._changed[(a, *offset, b)]
        return total

    def energy(self) -> float:
        """Energy of the configuration, Σ F_i + ½ Σ_{i≠j} e_ij, from the kept fields, eV."""
        return float(
            kernels.configuration_energy(self._model, self._walkers, self._rates.free_energy, self._own_energy)
        )

    def positions(self) -> NDArray[np.float64]:
        """Unwrapped places of all ions, (n_ions, 3), Å."""
        cell = self._walkers.cell
        frac = cell[:, :3] + self.lattice.network.site_frac[cell[:, 3]]
        return np.asarray(frac @ self.lattice.network.cell + self.state.ion_image @ self.lattice.cell)

    @property
    def counters(self) -> dict[str, int]:
        """Trials, renewed bounds, those of them by blocks, and rates above their bound (to be none)."""
        names = ("trials", "renewals", "far_renewals", "violations")
        return dict(zip(names, (int(n) for n in self._walkers.counters), strict=True))

    @property
    def acceptance(self) -> float:
        """Share of the trials that were hops."""
        return float(self._walkers.events[0]) / max(int(self._walkers.counters[TRIALS]), 1)

    @property
    def orbit_hops(self) -> NDArray[np.int64]:
        """Hops by orbit, and those that undid the ion's last one, (2, n_orbits)."""
        return self._walkers.orbit_hops

    def _refuse_overflow(self) -> None:
        if kernels.largest_values(self._model.fields).max() > 0.5:
            raise FloatingPointError(
                "the potential of the ions leaves the range of the fields; they are too unevenly placed"
            )

    def _refuse_errors(self, found: EnergyErrors) -> None:
        if found.worst > self.tolerance or self._walkers.counters[VIOLATIONS]:
            raise FloatingPointError(
                f"hop energies must be within {self.tolerance:g} eV of the full sum and rates below their bounds; "
                f"got {found.worst:.2g} eV and {self._walkers.counters[VIOLATIONS]} rates above"
            )

    def _hand_back(self) -> None:
        self.state.time, self.state.next_time = (float(t) for t in self._walkers.clock)
        self.state.n_events = int(self._walkers.events[0])


def _own(lattice: Lattice, energy: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """e_ij - e_ii of every hop of a cell and e_ii of every sublattice, eV."""
    network = lattice.network
    own = np.array([energy[a, 0, 0, 0, a] for a in range(network.n_sites)])
    place = network.hop_image % np.array(energy.shape[1:4])
    field = energy[network.hop_origin, place[:, 0], place[:, 1], place[:, 2], network.hop_target]
    return field - own[network.hop_origin], own


def _walkers(lattice: Lattice, state: State, model: Model) -> Walkers:
    """Share the arrays of a state with the kernels and allocate their workspace."""
    movers = np.flatnonzero(state.mobile).astype(np.int32)
    cells, sublattice = np.divmod(state.ion_site.astype(np.int64), lattice.network.n_sites)
    place = np.full((state.n_ions, 8), -1, np.int32)
    place[:, :4] = np.column_stack([*np.unravel_index(cells, lattice.repeats), sublattice])
    place[movers, MOVER] = np.arange(len(movers))
    sizes = [-(-max(len(movers), 1) // ARITY) * ARITY]
    while sizes[-1] > ARITY:
        sizes.append(-(-(sizes[-1] // ARITY) // ARITY) * ARITY)
    sizes.append(1)
    blocks = tuple(int(n) for n in model.bounds.blocks)
    n_orbits = int(model.hops.orbit.max(initial=-1)) + 1
    return Walkers(
        site=state.ion_site,
        cell=place,
        occupant=state.occupant,
        blocked=state.blocked,
        image=state.ion_image,
        last_hop=state.ion_last_hop,
        mover=movers,
        tree=np.zeros(sum(sizes)),
        tree_first=np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64),
        used=np.zeros(len(movers)),
        head=np.full(math.prod(blocks), -1, np.int32),
        block_used=np.zeros(math.prod(blocks), np.uint16),
        left=np.zeros(1, np.int64),
        rate=np.zeros(max(int(np.diff(model.hops.first).max(initial=0)), 1)),
        clock=np.array([state.time, np.nan]),  # the bounds are new: a time drawn before is drawn again
        events=np.array([state.n_events], np.int64),
        orbit_hops=np.zeros((2, n_orbits), np.int64),
        counters=np.zeros(N_COUNTERS, np.int64),
    )
