"""Sampling on a uniform grid of physical time, and multiple-tau correlators that run along with the simulation.

The correlators hold the sampled positions of every ion in levels whose stride doubles (decimated, not averaged, so that
every entry is an exact mean square displacement): level 0 gives the lags 1 ... n_lags in steps of the grid, each higher
level the upper half of that range in its own stride. J. Ramírez et al., J. Chem. Phys. 133, 154103 (2010).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kmc.kernels import Sampler, Tables, positions
from kmc.state import State
from structures.errors import InputError

N_LAGS = 16


@dataclass(frozen=True, eq=False, slots=True)
class Frames:
    """Sites and supercell translations of every ion at every `every`-th sample.

    Attributes
    ----------
    every : int
    site : (n_frames, n_ions) int32
    image : (n_frames, n_ions, 3) int32
    """

    every: int
    site: NDArray[np.int32]
    image: NDArray[np.int32]


@dataclass(frozen=True, eq=False, slots=True)
class Samples:
    """What one run measured.

    Attributes
    ----------
    time : (n_samples + 1,) float64, s
        Uniform, from 0 at the start of the run.
    displacement : (n_samples + 1, n_species, 3) float64, Å
        Sum over the ions of a species of their unwrapped displacement since the start.
    events : (n_samples + 1,) int64
        Hops since the start.
    energy : (n_samples + 1,) float64, eV
    lag : (n_lags,) float64, s
    msd : (n_lags, n_species, 3) float64, Å²
        Mean over the ions of a species and all time origins, per Cartesian component; nan for a species without ions.
    origins : (n_lags,) int64
        Number of time origins in the mean.
    hop_orbit_events, hop_orbit_returns : (n_orbits,) int64
        Hops by orbit of the network's hops, and those of them that undid the last hop of the same ion.
    site_occupation : (n_sublattices,) float64
        Mean number of ions on each site of the network's cell, over the whole time and all cells of the supercell.
    site_departures : (n_sublattices,) int64
        Hops from each of these sites, in all cells.
    drift : float, eV
        Largest difference between the kept energy of a site and its full recount.
    blocked : bool
        Whether the run ended in a state without an open hop.
    frames : Frames or None
    """

    time: NDArray[np.float64]
    displacement: NDArray[np.float64]
    events: NDArray[np.int64]
    energy: NDArray[np.float64]
    lag: NDArray[np.float64]
    msd: NDArray[np.float64]
    origins: NDArray[np.int64]
    hop_orbit_events: NDArray[np.int64]
    hop_orbit_returns: NDArray[np.int64]
    site_occupation: NDArray[np.float64]
    site_departures: NDArray[np.int64]
    drift: float
    blocked: bool
    frames: Frames | None


def time_grid(until: float, n_samples: int) -> NDArray[np.float64]:
    """Give the sampling times k until / n_samples for k = 0 ... n_samples, s.

    Raises
    ------
    InputError
        If the duration is not positive and finite or there is no sample.
    """
    if not (np.isfinite(until) and until > 0):
        raise InputError(f"until must be a positive time in s; got {until}")
    if n_samples < 1:
        raise InputError(f"n_samples must be at least 1; got {n_samples}")
    return until * (np.arange(n_samples + 1) / n_samples)


def empty_sampler(time: NDArray[np.float64], tables: Tables, state: State, *, frame_every: int = 0) -> Sampler:
    """Allocate the arrays that the event loop fills from the present state on.

    Parameters
    ----------
    time : (n_times,) float64, s
        From now; may be empty.
    tables : Tables
    state : State
    frame_every : int
        Keep the ions' places at every so many samples; 0 keeps none.
    """
    n_times, n_ions, n_species = len(time), state.n_ions, len(tables.sites.first) - 1
    n_orbits = int(tables.hops.orbit.max(initial=-1)) + 1
    n_levels = 1
    while (n_times - 1) >> n_levels > N_LAGS // 2:
        n_levels += 1
    n_frames = -(-n_times // frame_every) if frame_every > 0 else 0
    return Sampler(
        begin=state.time,
        first_event=state.n_events,
        time=time,
        next_sample=np.zeros(1, np.int64),
        start=positions(tables.sites, state.ion_site, state.ion_image),
        displacement=np.zeros((n_times, n_species, 3)),
        events=np.zeros(n_times, np.int64),
        energy=np.zeros(n_times),
        history=np.zeros((n_levels, N_LAGS + 1, n_ions, 3)),
        square=np.zeros((n_levels, N_LAGS + 1, n_species, 3)),
        origins=np.zeros((n_levels, N_LAGS + 1), np.int64),
        orbit_hops=np.zeros((2, n_orbits), np.int64),
        arrival=np.full(n_ions, state.time),
        site_time=np.zeros(len(tables.sites.energy)),
        departures=np.zeros(len(tables.sites.energy), np.int64),
        drift=np.zeros(1),
        frame_every=frame_every,
        frame_site=np.zeros((n_frames, n_ions), np.int32),
        frame_image=np.zeros((n_frames, n_ions, 3), np.int32),
    )


def site_occupation(sampler: Sampler, tables: Tables, state: State) -> NDArray[np.float64]:
    """Mean number of ions on each site of the network's cell, (n_sublattices,), exact in time.

    Parameters
    ----------
    sampler : Sampler
        Of a run that is complete.
    tables : Tables
    state : State
        At its end.
    """
    n_sublattices, until = len(tables.sites.energy), float(sampler.time[-1])
    lasting = sampler.begin + until - sampler.arrival
    sublattice = tables.sites.sublattice[state.ion_site]
    stays = sampler.site_time + np.bincount(sublattice, lasting, n_sublattices)
    return np.asarray(stays * (n_sublattices / len(tables.sites.species)) / until)


def mean_square_displacement(
    sampler: Sampler, counts: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Lags (L,) s, mean square displacements (L, n_species, 3) Å² and their origins (L,) from the filled correlators.

    Parameters
    ----------
    sampler : Sampler
    counts : (n_species,) int64
        Ions of every species.
    """
    level, lag = np.nonzero(sampler.origins)
    origins = sampler.origins[level, lag]
    weight = origins[:, None] * counts.astype(np.float64)
    weight[:, counts == 0] = np.nan
    msd = sampler.square[level, lag] / weight[:, :, None]
    return np.asarray(sampler.time[1] * (lag * 2**level), np.float64), msd, origins
