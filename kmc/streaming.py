"""The engine with tables: every event updates the factors of all sites, or of the neighbours where ranges are short.

With few ions the rates of all are kept; with many, bounds on them that are made anew only where other ions have changed
much. Both are exact.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from kmc import kernels
from kmc.crew import Crew, one_thread
from kmc.kernels import FORBIDDEN, LARGEST_EXPONENT, Sampler, Sites, Tables
from kmc.state import State
from kmc.tables import Conditions, prepare_tables, workspace
from kmc.thinning import largest_changes
from lattice.supercell import Lattice
from structures.errors import InputError

RECOUNT_EVERY = 2**17  # events
FEWEST_HOPS = 1000  # of all mobile ions together, from which on bounds cost less than rates
_LARGEST_DRIFT = 1e-6  # eV


class Streaming:
    """Tables of a lattice at one temperature, and the workspace of one state; exact to rounding.

    Parameters
    ----------
    lattice : Lattice
        With its interaction in a table.
    state : State
        Taken over and changed in place.
    conditions : Conditions
    recount_every : int, optional
        Events between two full recounts of the site factors; it decides the last bits of a trajectory.
    tables : Tables, optional
        Of another simulation of this lattice under these conditions.
    threads : callable
        Gives the number of threads that may share the work on one event, see Crew.
    bounds : bool, optional
        Whether to keep bounds on the rates of the ions instead of the rates, see `kernels.Changes`; by default where
        there are many ions. It decides the random numbers of a trajectory, not the statistics.

    Raises
    ------
    InputError
        If energies over kT leave the range of floating-point numbers.
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
        tables: Tables | None = None,
        threads: Callable[[], int] = one_thread,
        bounds: bool | None = None,
    ) -> None:
        self.lattice, self.state, self.conditions, self._threads = lattice, state, conditions, threads
        self.largest_drift = _LARGEST_DRIFT
        self.tables = tables or prepare_tables(lattice, conditions, recount_every or RECOUNT_EVERY)
        if tables is None and lattice.table.is_dense and (_many_hops(lattice, state) if bounds is None else bounds):
            self.tables = self.tables._replace(changes=largest_changes(lattice, self.tables.twice_kT))
        fresh = state.site_factor.size == 0
        if fresh:
            state.site_factor = np.ones(lattice.n_sites)
        thinning = self._new_thinning()
        known = thinning[np.isfinite(thinning)]
        if (
            fresh
            or state.thinning.size != thinning.size
            or (state.thinning[thinning.size - known.size :] != known).any()
        ):
            state.thinning = thinning
            state.next_time = np.nan  # it may be the time of a trial, and has no memory
        self.ions = workspace(state, self.tables)
        self._crew = Crew(self.tables, self.ions, threads)
        if fresh:
            self.settle(np.zeros(1))
        elif tables is None and not self.drift() < _LARGEST_DRIFT:
            raise ValueError(
                f"state must come from this lattice and temperature; its site energies differ by {self.drift():.2g} eV"
            )
        self._measure_acceptance()

    def on(self, state: State) -> Streaming:
        """Give the engine of another state under the same conditions."""
        return Streaming(self.lattice, state, self.conditions, tables=self.tables, threads=self._threads)

    @property
    def sites(self) -> Sites:
        """Sites of the supercell."""
        return self.tables.sites

    @property
    def n_orbits(self) -> int:
        """Orbits of the network's hops."""
        return int(self.tables.hops.orbit.max(initial=-1)) + 1

    @property
    def clock(self) -> NDArray[np.float64]:
        """Time and time of the next hop, (2,), s."""
        return self.ions.clock

    @property
    def events(self) -> NDArray[np.int64]:
        """Hops made so far, (1,)."""
        return self.ions.events

    def equilibrate(
        self, n_trials: int, accepted: NDArray[np.int64], drift: NDArray[np.float64], rng: np.random.Generator
    ) -> int:
        """Make so many Metropolis moves; `accepted`, (1,), and `drift`, (1,) eV, are changed in place."""
        self.state.thinning[:1] = np.nan
        return self._crew.run(kernels.equilibrate, accepted, drift, n_trials, rng)

    def settle(self, drift: NDArray[np.float64]) -> None:
        """Recount the factors of all sites; `drift`, (1,) eV, is changed in place.

        Raises
        ------
        InputError
            If site energies over kT leave the range of floating-point numbers.
        """
        largest = kernels.rebuild(self.tables, self.ions, drift)
        if not largest < LARGEST_EXPONENT:
            raise InputError(
                f"site energies must lie within {LARGEST_EXPONENT:g} x 2kT of their mean; "
                f"got {largest:.0f} x 2kT at {self.conditions.temperature:g} K"
            )
        self._measure_acceptance()

    def _new_thinning(self) -> NDArray[np.float64]:
        """Give what `State.thinning` holds before it is measured, with nan for what is not known yet."""
        if self.tables.changes.cost.size:
            conditions = self.conditions.attempt_frequency, *self.conditions.field, self.tables.changes.stretch
            return np.concatenate([np.full(2 * int(self.state.mobile.sum()), np.nan), conditions])
        return np.full(0 if self.lattice.table.is_dense else 2, np.nan)

    def _measure_acceptance(self) -> None:
        """Enter the share of trials that would be hops, once: it decides how events are drawn from now on."""
        if not self.lattice.table.is_dense and np.isnan(self.state.thinning[:1]).any():
            self.state.thinning[:] = kernels.acceptance(self.tables, self.ions), 0.0

    def advance(self, sampler: Sampler, last_event: int, rng: np.random.Generator) -> int:
        """Run to the last sample or an event count, see `kernels.advance`; `sampler` is changed in place."""
        return self._crew.run(kernels.advance, sampler, last_event, rng)

    def keep(self) -> None:
        """Bring the state up to date: its arrays are those of the engine."""

    def energy(self) -> float:
        """Energy of the configuration, Σ F_i + ½ Σ_{i≠j} e_ij, from the kept site energies, eV."""
        return float(kernels.configuration_energy(self.tables, self.ions))

    def drift(self) -> float:
        """Largest difference between a kept site energy and its recount, eV."""
        recount = kernels.interaction_energy(self.tables.interaction, self.state.ion_site)
        return float(np.abs(recount - self.site_interaction()).max(initial=0.0))

    def site_interaction(self) -> NDArray[np.float64]:
        """Energy V of an ion on every site with all ions, as it is kept, (n_sites,), eV; q φ_j for Coulomb."""
        reference = self.state.reference[self.tables.sites.species]
        free_energy = np.tile(self.tables.sites.energy, self.lattice.n_cells)
        with np.errstate(divide="ignore"):  # a factor that went down to zero is found by `drift`
            factor = np.abs(self.state.site_factor) / np.where(self.state.blocked > 1, FORBIDDEN, 1.0)
            return np.asarray(reference - self.tables.twice_kT * np.log(factor) - free_energy)

    def mover_rates(self) -> tuple[NDArray[np.float64], float]:
        """Rate of leaving its site of every mobile ion, (n_movers,), and their sum, 1/s."""
        movers = self.ions.movers
        kernels.enter_sites(self.tables, self.ions)
        total = kernels.renew_rates(self.tables.hops, self.ions.configuration, movers, None)
        return movers.tree[: len(movers.ion)].copy(), float(total)


def _many_hops(lattice: Lattice, state: State) -> bool:
    """Whether bounds cost less than the rates of all hops of the mobile ions, by the mean degree of a species."""
    network = lattice.network
    degree = np.bincount(network.hop_origin, minlength=network.n_sites)
    hops = np.bincount(network.site_species, weights=degree) / np.maximum(np.bincount(network.site_species), 1)
    return float(hops[state.ion_species[state.mobile]].sum()) >= FEWEST_HOPS
