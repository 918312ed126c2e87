"""Where every ion is, when, and what the next random number will be: all that a restart needs."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(eq=False, slots=True)
class State:
    """Configuration, clock and random generator of one simulation; changed in place by the engine.

    Attributes
    ----------
    occupant : (n_sites,) int32
        Ion on the site, or -1.
    blocked : (n_sites,) int16
        Number of ions that forbid the site: its own occupant and every ion that excludes it.
    ion_species : (n_ions,) int32
        Index into the network's species; ions are sorted by it.
    mobile : (n_ions,) bool
        Frozen ions interact and exclude but do not hop.
    ion_site : (n_ions,) int32
    ion_image : (n_ions, 3) int32
        Supercell translations, so that unwrapped positions are exact.
    ion_last_hop : (n_ions,) int32
        The network's hop that the ion made last, or -1.
    site_factor : (n_sites,) float64
        exp(-(F + V - reference)/2kT) with the site's free energy F and its energy V with all ions: the potential at
        every site in the form that the rates need. Empty until a Simulation prepares it; part of the state because
        its last bits depend on the history. Its sign and a power of two tell whether the site is open, see
        kmc/kernels.py.
    reference : (n_species,) float64, eV
    thinning : (any,) float64
        What events drawn by thinning need, part of the state because the random numbers of the next events depend on
        it: on meshes, and with a table and many ions, the bounds on the rates of all ions, how much of their
        allowances is used, and with a table what the bounds were made for; with short-range interactions the
        acceptance and the last trials in a row without a hop, (2,). Empty otherwise.
    superbasins : (any,) float64
        Where superbasins were found, the present one, and what remains of expected numbers of hops, see
        kmc/superbasins.py. Empty without them.
    time : float, s
    next_time : float, s
        Time of the next hop when it is already drawn, else nan.
    n_events : int
    rng : numpy.random.Generator
    """

    occupant: NDArray[np.int32]
    blocked: NDArray[np.int16]
    ion_species: NDArray[np.int32]
    mobile: NDArray[np.bool_]
    ion_site: NDArray[np.int32]
    ion_image: NDArray[np.int32]
    ion_last_hop: NDArray[np.int32]
    site_factor: NDArray[np.float64]
    reference: NDArray[np.float64]
    time: float
    next_time: float
    n_events: int
    rng: np.random.Generator
    thinning: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    superbasins: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))

    @property
    def n_ions(self) -> int:
        """Ions of all species, frozen ones included."""
        return len(self.ion_site)

    def copy(self) -> State:
        """Return an independent copy; its generator continues with the same numbers."""
        return State(**{f.name: copy.deepcopy(getattr(self, f.name)) for f in fields(self)})

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return every array of the state by its name."""
        return {f.name: getattr(self, f.name) for f in fields(self) if isinstance(getattr(self, f.name), np.ndarray)}


def species_counts(state: State, n_species: int) -> NDArray[np.int64]:
    """Ions of every species, (n_species,)."""
    return np.bincount(state.ion_species, minlength=n_species)
