"""One simulation: tables at a temperature, a state, and the event loop in between."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kmc import kernels
from kmc.crew import one_thread
from kmc.kernels import Sampler
from kmc.multilevel import Multilevel
from kmc.sampling import Frames, Samples, empty_sampler, mean_square_displacement, site_occupation, time_grid
from kmc.state import State, species_counts
from kmc.streaming import Streaming
from kmc.superbasins import Flicker, Superbasins
from kmc.tables import Conditions
from lattice.supercell import Lattice, UntabulatedCoulomb

_KERNEL_SECONDS = 0.1  # between two returns to Python, where a run can be stopped
_FIRST_MOVES, _MOST_MOVES = 8, 2**24
_SAMPLES = 64  # of a kernel: while nothing hops there can be any number of them between two events
_NO_TIMES = np.zeros(0)

Progress = Callable[[str, float], None]


class _Pace:
    """How many moves a kernel may make before it returns, by the speed of those before; no number depends on it."""

    def __init__(self) -> None:
        self._moves = _FIRST_MOVES
        self._begun = time.monotonic()

    def moves(self) -> int:
        """Give the moves of the next kernel, which begins now."""
        self._begun = time.monotonic()
        return self._moves

    def done(self, moves: int) -> None:
        """Take the time since then into account; a first call that had to be compiled slows the pace for a while."""
        seconds = max(time.monotonic() - self._begun, 1e-9)
        if moves >= self._moves or seconds > _KERNEL_SECONDS:  # else the samples or the end have cut it short
            fitting = min(moves * _KERNEL_SECONDS / seconds, 8.0 * self._moves, _MOST_MOVES)
            self._moves = max(1, int(fitting))


class Simulation:
    """Kinetic Monte Carlo of ions on a lattice at one temperature.

    The interaction that the lattice has got decides on the engine: with a table, or a list of neighbours, it is that of
    kmc/streaming.py, exact to rounding, which is rejection-free with few ions and draws from bounds on the rates with
    many, or with a list where most trials become hops; without, it is the one of kmc/multilevel.py, whose energies are
    within a tolerance of the full Ewald sum.

    Parameters
    ----------
    lattice : Lattice
    state : State
        Taken over and changed in place.
    temperature : float, K
    attempt_frequency : float, optional
        Multiplies all rates of the network, see Conditions; by default 1e12 /s if they are relative to it, else 1.
    field : (3,) float64, V/Å
        Uniform external field; it lowers ΔE of a hop d by q E·d.
    recount_every : int, optional
        Events between two full recounts of the energies, or comparisons with the full sum; by default 2**17 and 2**20.
        With a table it decides the last bits of a trajectory.
    threads : callable
        Gives the number of threads that may share the work on one event, asked every 0.1 s; it decides no number. Only
        the engine with tables uses more than one, in large lattices, see `kmc.crew.Crew`.
    superbasins : bool
        Pass over hops to and fro inside sets of configurations that are rarely left, by the engine of
        kmc/superbasins.py: exact for any tabulated interaction. The hops passed over are counted with their expected
        number, so that `step` and `advance` may make more hops than they were asked for.

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
        attempt_frequency: float | None = None,
        field: ArrayLike = (0.0, 0.0, 0.0),
        recount_every: int | None = None,
        threads: Callable[[], int] = one_thread,
        superbasins: bool = False,
    ) -> None:
        self.lattice, self.state = lattice, state
        factor = lattice.network.rate_factor if attempt_frequency is None else attempt_frequency
        self.conditions = Conditions(temperature, factor, np.asarray(field, np.float64))
        if len(state.occupant) != lattice.n_sites:
            raise ValueError(f"state must have {lattice.n_sites} sites like the lattice; got {len(state.occupant)}")
        self.engine: Multilevel | Streaming | Superbasins
        if superbasins:
            self.engine = Superbasins(lattice, state, self.conditions, recount_every=recount_every, threads=threads)
        elif isinstance(lattice.interaction, UntabulatedCoulomb):
            self.engine = Multilevel(lattice, state, self.conditions, recount_every=recount_every)
        else:
            self.engine = Streaming(lattice, state, self.conditions, recount_every=recount_every, threads=threads)

    def equilibrate(self, sweeps: int, *, progress: Progress | None = None) -> float:
        """Bring all ions, frozen ones included, to equilibrium by Metropolis moves to any site; the clock stands still.

        The result has the Boltzmann distribution of the temperature (without the field) whatever the barriers.

        Parameters
        ----------
        sweeps : int
            Trial moves per ion.
        progress : callable, optional
            Called between kernels with a text and the fraction done.

        Returns
        -------
        float
            Share of accepted moves.

        Raises
        ------
        FloatingPointError
            If the kept site energies drift away from their recount.
        """
        trials = int(sweeps) * self.state.n_ions
        accepted, drift = np.zeros(1, np.int64), np.zeros(1)
        self._end_legs()
        self.state.ion_last_hop[:] = -1
        self.engine.clock[1] = np.nan
        self._hand_back()
        made, pace = 0, _Pace()
        while made < trials:
            n_trials = min(pace.moves(), trials - made)
            status = self.engine.equilibrate(n_trials, accepted, drift, self.state.rng)
            _refuse_overflow(status)
            pace.done(n_trials)
            made += n_trials
            if progress is not None:
                progress("equilibration", made / trials)
        self.engine.settle(drift)
        self._refuse_drift(float(drift[0]))
        return float(accepted[0]) / trials if trials else 0.0

    def step(self, n_events: int = 1) -> int:
        """Make so many hops without sampling; the number made is smaller if no hop is open any more."""
        before = self.state.n_events
        self.advance(self._sampler(_NO_TIMES), n_events)
        self._end_legs()
        return self.state.n_events - before

    def estimate_rate(self, n_events: int, *, progress: Progress | None = None) -> float:
        """Hops per second, measured on so many hops of a copy; 0 if the copy is blocked before.

        The copy has random numbers of its own and the state stays as it is: the length of a run that is chosen by this
        number neither depends on the run nor moves its starting point.
        """
        copy = self.state.copy()
        copy.rng = np.random.Generator(self.state.rng.bit_generator.jumped())  # type: ignore[attr-defined]
        copy.next_time = np.nan
        engine, first, made = self.engine.on(copy), copy.n_events, 0
        for _ in _blocks(engine, self._sampler(_NO_TIMES), first + n_events, copy.rng):
            made = int(engine.events[0]) - first
            if progress is not None:
                progress("rate", made / n_events)
        elapsed = float(engine.clock[0]) - copy.time
        return made / elapsed if made >= n_events and elapsed > 0.0 else 0.0

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
            Called between kernels with a text and the fraction done.

        Raises
        ------
        InputError
            If the time or the number of samples is not positive.
        FloatingPointError
            If the kept site energies drift away from their recount.
        """
        sampler = self.begin(until, n_samples, frame_every=frame_every)
        self.advance(sampler, progress=progress)
        return self.finish(sampler)

    def begin(self, until: float, n_samples: int, *, frame_every: int = 0) -> Sampler:
        """Start a run, see `run`, that `advance` takes further in parts.

        State and sampler together are a checkpoint: stored with `kmc.trajectory.write_checkpoint` after any part, they
        go on in another Simulation as if nothing had been in between, to the last bit.
        """
        times = time_grid(until, n_samples)
        self._end_legs()
        return self._sampler(times, frame_every)

    def advance(
        self,
        sampler: Sampler,
        n_events: int | None = None,
        *,
        seconds: float = np.inf,
        progress: Progress | None = None,
    ) -> bool:
        """Take a run further by so many hops, or for so long, or to its end; the sampler is changed in place.

        Parameters
        ----------
        sampler : Sampler
        n_events : int, optional
        seconds : float, s
            Of the clock on the wall; at least one kernel runs.
        progress : callable, optional
            Called between kernels with a text and the fraction of the samples taken; what it raises stops the run,
            which can be taken further nevertheless.

        Returns
        -------
        bool
            Whether all samples are taken.

        Raises
        ------
        ValueError
            If the sampler does not belong to this simulation.
        """
        fresh = self._sampler(_NO_TIMES)
        for name in ("start", "orbit_hops", "site_time"):
            here, given = getattr(fresh, name).shape, getattr(sampler, name).shape
            if here != given:
                raise ValueError(f"sampler must be of this simulation with {name} of shape {here}; got {given}")
        n_times = len(sampler.time)
        if 0 < n_times == sampler.next_sample[0]:
            return True
        last = np.iinfo(np.int64).max if n_events is None else self.state.n_events + n_events
        end = time.monotonic() + seconds
        try:
            for _ in _blocks(self.engine, sampler, last, self.state.rng):
                if progress is not None:
                    progress("events", float(sampler.next_sample[0]) / max(n_times, 1))
                if time.monotonic() >= end:
                    break
        finally:
            self._hand_back()
        return bool(sampler.next_sample[0] == n_times)

    def finish(self, sampler: Sampler) -> Samples:
        """Give what a run has measured.

        Raises
        ------
        ValueError
            If samples are missing.
        FloatingPointError
            If the kept site energies drift away from their recount.
        """
        taken, wanted = int(sampler.next_sample[0]), len(sampler.time)
        if taken < wanted:
            raise ValueError(f"run must have all its {wanted} samples; got {taken}")
        drift = max(float(sampler.drift[0]), self.drift())
        self._refuse_drift(drift)
        lag, msd, origins = mean_square_displacement(sampler, species_counts(self.state, sampler.displacement.shape[1]))
        frames = Frames(sampler.frame_every, sampler.frame_site, sampler.frame_image)
        return Samples(
            time=sampler.time,
            displacement=sampler.displacement,
            events=sampler.events,
            energy=sampler.energy,
            lag=lag,
            msd=msd,
            origins=origins,
            hop_orbit_events=sampler.orbit_hops[0],
            hop_orbit_returns=sampler.orbit_hops[1],
            site_occupation=site_occupation(sampler, self.engine.sites, self.state),
            site_departures=sampler.departures,
            drift=drift,
            blocked=bool(self.state.next_time == np.inf),
            frames=frames if sampler.frame_every > 0 else None,
        )

    @property
    def flicker(self) -> Flicker | None:
        """What superbasins have done since the state began; None without them."""
        return self.engine.flicker if isinstance(self.engine, Superbasins) else None

    def positions(self) -> NDArray[np.float64]:
        """Unwrapped places of all ions, (n_ions, 3), Å.

        With superbasins, ions in legs stand where these began in the middle of a run, as their energy does; not after
        `step` and `run`.
        """
        return np.asarray(kernels.positions(self.engine.sites, self.state.ion_site, self.state.ion_image))

    def energy(self) -> float:
        """Energy of the configuration, Σ F_i + ½ Σ_{i≠j} e_ij, from the kept site energies, eV."""
        return self.engine.energy()

    def site_interaction(self) -> NDArray[np.float64]:
        """Energy V of an ion on every site with all ions, as it is kept, (n_sites,), eV; q φ_j for Coulomb."""
        return self.engine.site_interaction()

    def mover_rates(self) -> tuple[NDArray[np.float64], float]:
        """Rate of leaving its site of every mobile ion, (n_movers,), and their sum, 1/s."""
        return self.engine.mover_rates()

    def drift(self) -> float:
        """Largest difference between a kept energy and its recount, eV; see the engine for which energies."""
        return self.engine.drift()

    def _sampler(self, time: NDArray[np.float64], frame_every: int = 0) -> Sampler:
        return empty_sampler(time, self.engine.sites, self.engine.n_orbits, self.state, frame_every=frame_every)

    def _refuse_drift(self, drift: float) -> None:
        largest = self.engine.largest_drift
        if not drift < largest:
            raise FloatingPointError(f"energies must be within {largest:g} eV of their recount; got {drift:g}")

    def _end_legs(self) -> None:
        """Put ions that superbasins have taken along where they are now; their hops until now enter no sampler."""
        if isinstance(self.engine, Superbasins):
            self.engine.end_legs(self._sampler(_NO_TIMES), self.state.rng)
            self._hand_back()

    def _hand_back(self) -> None:
        self.engine.keep()
        self.state.time, self.state.next_time = (float(t) for t in self.engine.clock)
        self.state.n_events = int(self.engine.events[0])


def _blocks(
    engine: Multilevel | Streaming | Superbasins, sampler: Sampler, last_event: int, rng: np.random.Generator
) -> Iterator[int]:
    """Run to the end of the samples or to an event count, and give the kernel's status every now and then."""
    status, pace = kernels.PAUSED, _Pace()
    while status == kernels.PAUSED and engine.events[0] < last_event:
        first = int(engine.events[0])
        near = sampler._replace(time=sampler.time[: int(sampler.next_sample[0]) + _SAMPLES])
        status = engine.advance(near, min(last_event, first + pace.moves()), rng)
        _refuse_overflow(status)
        pace.done(int(engine.events[0]) - first)
        if status == kernels.DONE and len(near.time) < len(sampler.time):
            status = kernels.PAUSED
        yield status


def _refuse_overflow(status: int) -> None:
    if status == kernels.OVERFLOW:
        raise FloatingPointError("site factors left the range of floating-point numbers between two recounts")
    if status == kernels.ABOVE:
        raise FloatingPointError("rates must stay below their bounds; got one above")
