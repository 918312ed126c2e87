"""Ions onto sites: one after the other with the Boltzmann weight of every free site."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
from numpy.typing import NDArray

from kmc.state import State
from lattice.supercell import InteractionTable, Lattice
from structures.errors import InputError
from structures.units import BOLTZMANN

_TRIES = 100  # to find a free site at random before all sites are looked at


def place_ions(
    lattice: Lattice,
    counts: Mapping[str, int],
    rng: np.random.Generator,
    *,
    temperature: float,
    frozen: Collection[str] = (),
) -> State:
    """Draw a starting configuration that respects all exclusions.

    The ions come in random order; each takes a free site with the Boltzmann weight of its energy among those already
    placed, or of the site's own energy where the interaction is not tabulated. When none is free, the ions that forbid
    one of the least forbidden sites give way and are placed again.

    Parameters
    ----------
    lattice : Lattice
    counts : mapping of species name to number of ions in the supercell
    rng : numpy.random.Generator
        Becomes the generator of the state.
    temperature : float, K
    frozen : collection of species names
        Their ions do not hop.

    Raises
    ------
    InputError
        If a name or number makes no sense, there are more ions than sites, or no way was found to fit all.
    """
    if not temperature > 0:
        raise InputError(f"temperature must be positive; got {temperature}")
    names = [species.name for species in lattice.network.species]
    for name in (*counts, *frozen):
        if name not in names:
            raise InputError(f"species must be one of {', '.join(names)}; got {name}")
    site_species = lattice.site_species
    for name, count in counts.items():
        available = int((site_species == names.index(name)).sum())
        if count < 0 or int(count) != count:
            raise InputError(f"number of {name} must be a whole number from 0; got {count}")
        if count > available:
            raise InputError(f"more ions than sites: {count} {name} on {available} sites of the supercell")
    numbers = np.array([int(counts.get(name, 0)) for name in names])
    ion_species = np.repeat(np.arange(len(names), dtype=np.int32), numbers)
    filling = _Filling(lattice, temperature, rng)
    filling.fill(ion_species)
    ion_site = np.concatenate([np.zeros(0, np.int32), *(filling.sites_of(p) for p in range(len(names)))])
    occupant = np.full(lattice.n_sites, -1, np.int32)
    occupant[ion_site] = np.arange(len(ion_site))
    is_frozen = np.array([name in frozen for name in names])
    return State(
        occupant=occupant,
        blocked=filling.blocked,
        ion_species=ion_species,
        mobile=~is_frozen[ion_species],
        ion_site=ion_site.astype(np.int32),
        ion_image=np.zeros((len(ion_site), 3), np.int32),
        ion_last_hop=np.full(len(ion_site), -1, np.int32),
        site_factor=np.zeros(0),
        reference=np.zeros(len(names)),
        time=0.0,
        next_time=np.nan,
        n_events=0,
        rng=rng,
    )


class _Filling:
    """A configuration in the making: which sites are taken, how many ions forbid each, and the energy on it."""

    def __init__(self, lattice: Lattice, temperature: float, rng: np.random.Generator) -> None:
        self._lattice, self._rng = lattice, rng
        self._kT = BOLTZMANN * temperature
        self._species_sites = [np.flatnonzero(lattice.site_species == p) for p in range(len(lattice.network.species))]
        self._energy = np.tile(lattice.network.rates(temperature).free_energy, lattice.n_cells)
        self._by_rejection = not isinstance(lattice.interaction, InteractionTable)
        self._taken = np.zeros(lattice.n_sites, dtype=bool)
        self.blocked = np.zeros(lattice.n_sites, np.int16)

    def sites_of(self, species: int) -> NDArray[np.int32]:
        """Taken sites of a species in ascending order."""
        sites = self._species_sites[species]
        return sites[self._taken[sites]].astype(np.int32)

    def fill(self, ion_species: NDArray[np.int32]) -> None:
        """Place one ion for every entry."""
        pending = self._rng.permutation(ion_species).tolist()
        patience, most = 1000 + 100 * len(pending), 0
        while pending:
            species = pending.pop()
            if self._by_rejection and (site := self._drawn(species)) >= 0:
                self._change(site, +1)
                continue
            sites = self._species_sites[species]
            free = sites[self.blocked[sites] == 0]
            if free.size == 0:
                patience -= 1
                if patience < 0:
                    raise InputError(
                        f"the exclusions leave no room for {len(ion_species)} ions in the supercell: "
                        f"at most {most} were placed"
                    )
                fewest = sites[self.blocked[sites] == self.blocked[sites].min()]
                free = self._rng.choice(fewest, 1)
                pending = [*self._evict(int(free[0])), *pending]
            weight = np.exp(-(self._energy[free] - self._energy[free].min()) / self._kT)
            self._change(int(self._rng.choice(free, p=weight / weight.sum())), +1)
            most = max(most, len(ion_species) - len(pending))

    def _drawn(self, species: int) -> int:
        """Draw a free site of a species by the weight of its energy alone; -1 if many tries have found none."""
        n_sublattices = self._lattice.network.n_sites
        mine = np.flatnonzero(self._lattice.network.site_species == species)
        weight = np.exp(-(self._energy[mine] - self._energy[mine].min()) / self._kT)
        below = np.cumsum(weight) / weight.sum()
        for _ in range(_TRIES):
            b = int(mine[min(int(np.searchsorted(below, self._rng.random(), side="right")), len(mine) - 1)])
            site = int(self._rng.integers(self._lattice.n_cells)) * n_sublattices + b
            if self.blocked[site] == 0:
                return site
        return -1

    def _excluded(self, site: int) -> NDArray[np.int32]:
        offset = self._lattice.exclusion_offset
        return self._lattice.exclusion_site[offset[site] : offset[site + 1]]

    def _evict(self, site: int) -> list[int]:
        """Remove the ions that forbid `site`; their species."""
        removed = [int(other) for other in (site, *self._excluded(site)) if self._taken[other]]
        for other in removed:
            self._change(other, -1)
        return [int(species) for species in self._lattice.site_species[removed]]

    def _change(self, site: int, sign: int) -> None:
        self._taken[site] = sign > 0
        self.blocked[site] += sign
        self.blocked[self._excluded(site)] += sign
        if isinstance(self._lattice.interaction, InteractionTable):
            self._energy += sign * self._lattice.interaction.row(site)
