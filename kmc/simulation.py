"""One simulation: tables at a temperature, a state, and the event loop in between."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kmc import kernels
from kmc.rates import Conditions
from kmc.sampling import Frames, Samples, empty_sampler, mean_square_displacement, time_grid
from kmc.state import State, species_counts
from kmc.tables import LARGEST_EXPONENT, Ions, Sampler, prepare_tables, workspace
from lattice.supercell import Lattice
from structures.errors import InputError

REBUILD_EVERY = 2**17  # events between two full recounts of the site factors
_BLOCK = 2**16  # events between two returns to Python
_LARGEST_DRIFT = 1e-6  # eV

Progress = Callable[[str, float], None]


class Simulation:
    """Rejection-free kinetic Monte Carlo of ions on a lattice at one temperature.

    Parameters
    ----------
    lattice : Lattice
    state : State
        Taken over and changed in place.
    temperature : float, K
    attempt_frequency : float, 1/s
    field : (3,) float64, V/Å
        Uniform external field; it lowers ΔE of a hop d by q E·d.
    rebuild_every : int
        Events between two full recounts; it decides the last bits of a trajectory.

    Raises
    ------
    InputError
        If a condition makes no sense, or energies over kT leave the range of floating-point numbers.
    ValueError
        If the state does not belong to this lattice and temperature.
    """

    def __init__(
        self,
        lattice: Lattice,
        state: State,
        *,
        temperature: float,
        attempt_frequency: float = 1e12,
        field: ArrayLike = (0.0, 0.0, 0.0),
        rebuild_every: int = REBUILD_EVERY,
    ) -> None:
        self.lattice, self.state = lattice, state
        self.conditions = Conditions(temperature, attempt_frequency, np.asarray(field, np.float64))
        if len(state.occupant) != lattice.n_sites:
            raise ValueError(f"state must have {lattice.n_sites} sites like the lattice; got {len(state.occupant)}")
        self._tables = prepare_tables(lattice, self.conditions, rebuild_every)
        self._n_species = len(lattice.network.species)
        fresh = state.site_factor.size == 0
        if fresh:
            state.site_factor = np.zeros(lattice.n_sites)
        self._ions = workspace(state, self._tables)
        if fresh:
            self._rebuild()
        elif not self.drift() < _LARGEST_DRIFT:
            raise ValueError(
                f"state must come from this lattice and temperature; its site energies differ by {self.drift():.2g} eV"
            )

    def equilibrate(self, sweeps: int) -> float:
        """Bring all ions, frozen ones included, to equilibrium by Metropolis moves to any site; the clock stands still.

        The result has the Boltzmann distribution of the temperature (without the field) whatever the barriers.

        Parameters
        ----------
        sweeps : int
            Trial moves per ion.

        Returns
        -------
        float
            Share of accepted moves.
        """
        trials = int(sweeps) * self.state.n_ions
        accepted = 0
        self._ions.clock[1] = np.nan
        for first in range(0, trials, 16 * _BLOCK):
            count = min(16 * _BLOCK, trials - first)
            accepted += kernels.equilibrate(self._tables, self._ions, count, self.state.rng)
        self.state.ion_last_hop[:] = -1
        self._rebuild()
        self._hand_back()
        return accepted / trials if trials else 0.0

    def step(self, n_events: int = 1) -> int:
        """Make so many hops without sampling; the number made is smaller if no hop is open any more."""
        before = self.state.n_events
        nothing = empty_sampler(np.zeros(0), np.zeros((self.state.n_ions, 3)), self._n_species)
        self._advance(self._ions, nothing, before + n_events)
        return self.state.n_events - before

    def estimate_rate(self, n_events: int) -> float:
        """Hops per second, measured on so many hops of a copy; 0 if the copy is blocked before.

        The copy has random numbers of its own and the state stays as it is: the length of a run that is chosen by this
        number neither depends on the run nor moves its starting point.
        """
        copy = self.state.copy()
        copy.rng = np.random.Generator(self.state.rng.bit_generator.jumped())  # type: ignore[attr-defined]
        copy.next_time = np.nan
        ions = workspace(copy, self._tables)
        nothing = empty_sampler(np.zeros(0), np.zeros((copy.n_ions, 3)), self._n_species)
        status = self._loop(ions, nothing, copy.n_events + n_events, copy.rng)
        elapsed = float(ions.clock[0]) - copy.time
        return 0.0 if status == kernels.BLOCKED or elapsed <= 0.0 else n_events / elapsed

    def run(self, until: float, n_samples: int, *, frame_every: int = 0, progress: Progress | None = None) -> Samples:
        """Simulate for a physical time and sample on a uniform grid; a sample is of the state that holds at its time.

        Parameters
        ----------
        until : float, s
            From now.
        n_samples : int
            Intervals of the grid; there is one sample more.
        frame_every : int
            Keep the places of all ions at every so many samples; 0 keeps none.
        progress : callable, optional
            Called with a text and the fraction done.

        Raises
        ------
        InputError
            If the time or the number of samples is not positive.
        FloatingPointError
            If the kept site energies drift away from their recount.
        """
        grid = time_grid(until, n_samples)
        start = kernels.positions(self._tables.sites, self.state.ion_site, self.state.ion_image)
        sampler = empty_sampler(
            self.state.time + grid,
            start,
            self._n_species,
            first_event=self.state.n_events,
            frame_every=frame_every,
        )
        for counter in (self._ions.orbit_events, self._ions.orbit_returns, self._ions.drift):
            counter[:] = 0
        self._advance(self._ions, sampler, np.iinfo(np.int64).max, progress)
        drift = max(float(self._ions.drift[0]), self.drift())
        if not drift < _LARGEST_DRIFT:
            raise FloatingPointError(
                f"site energies must stay within {_LARGEST_DRIFT:g} eV of their recount; got {drift:g}"
            )
        counts = species_counts(self.state, self._n_species)
        lag, msd, origins = mean_square_displacement(sampler, until / n_samples, counts)
        return Samples(
            time=grid,
            displacement=sampler.displacement,
            events=sampler.events,
            energy=sampler.energy,
            lag=lag,
            msd=msd,
            origins=origins,
            hop_orbit_events=self._ions.orbit_events.copy(),
            hop_orbit_returns=self._ions.orbit_returns.copy(),
            drift=drift,
            blocked=bool(self.state.next_time == np.inf),
            frames=Frames(frame_every, sampler.frame_site, sampler.frame_image) if frame_every > 0 else None,
        )

    def positions(self) -> NDArray[np.float64]:
        """Unwrapped places of all ions, (n_ions, 3), Å."""
        return np.asarray(kernels.positions(self._tables.sites, self.state.ion_site, self.state.ion_image))

    def energy(self) -> float:
        """Energy of the configuration, Σ F_i + ½ Σ_{i≠j} e_ij, from the kept site energies, eV."""
        return float(
            kernels.configuration_energy(
                self._tables.sites,
                self._ions.configuration,
                self.state.ion_species,
                self.state.reference,
                self._tables.twice_kT,
            )
        )

    def site_interaction(self) -> NDArray[np.float64]:
        """Energy V of an ion on every site with all ions, as it is kept, (n_sites,), eV; q φ_j for Coulomb."""
        reference = self.state.reference[self._tables.sites.species]
        free_energy = np.tile(self._tables.sites.energy, self.lattice.n_cells)
        return np.asarray(reference - self._tables.twice_kT * np.log(self.state.site_factor) - free_energy)

    def mover_rates(self) -> tuple[NDArray[np.float64], float]:
        """Rate of leaving its site of every mobile ion, (n_movers,), and their sum, 1/s."""
        total = kernels.renew_rates(self._tables.hops, self._ions.configuration, self._ions.movers)
        return self._ions.movers.rate.copy(), float(total)

    def drift(self) -> float:
        """Largest difference between a kept site energy and its recount, eV."""
        recount = kernels.interaction_energy(self._tables.interaction, self.state.ion_site)
        return float(np.abs(recount - self.site_interaction()).max(initial=0.0))

    def _rebuild(self) -> None:
        state, tables = self.state, self._tables
        energy = kernels.interaction_energy(tables.interaction, state.ion_site)
        largest = kernels.rebuild(
            tables.sites, energy, tables.twice_kT, state.site_factor, state.reference, self._ions.drift
        )
        if not largest < LARGEST_EXPONENT:
            raise InputError(
                f"site energies must lie within {LARGEST_EXPONENT:g} x 2kT of their mean; "
                f"got {largest:.0f} x 2kT at {self.conditions.temperature:g} K"
            )

    def _advance(self, ions: Ions, sampler: Sampler, last_event: int, progress: Progress | None = None) -> None:
        self._loop(ions, sampler, last_event, self.state.rng, progress)
        self._hand_back()

    def _loop(
        self, ions: Ions, sampler: Sampler, last_event: int, rng: np.random.Generator, progress: Progress | None = None
    ) -> int:
        while True:
            block = min(last_event, int(ions.events[0]) + _BLOCK)
            status = int(kernels.advance(self._tables, ions, sampler, block, rng))
            if status == kernels.OVERFLOW:
                raise FloatingPointError("site factors left the range of floating-point numbers between two recounts")
            if progress is not None:
                progress("events", float(sampler.next_sample[0]) / max(len(sampler.time), 1))
            if status != kernels.PAUSED or ions.events[0] >= last_event:
                return status

    def _hand_back(self) -> None:
        self.state.time, self.state.next_time = (float(t) for t in self._ions.clock)
        self.state.n_events = int(self._ions.events[0])
