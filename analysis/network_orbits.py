"""One line for every orbit of sites and of hops: what a table, a page and a tooltip say about it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lattice.labels import site_coordination
from lattice.network import PoreNetwork

ROOM_TEMPERATURE = 298.15  # K
GIVEN = "†"  # marks numbers of the user on pages and in pictures


@dataclass(frozen=True, slots=True)
class SiteOrbit:
    """Symmetry-equivalent sites.

    Attributes
    ----------
    orbit, species : int
    label : str
    count : int
        Per cell.
    energy, above_deepest : float, eV
    width : float, Å
    coordination : str
        Framework atoms around it that attract the ion; empty if the framework is unknown.
    overridden : bool
        The energy was given by the user.
    """

    orbit: int
    species: int
    label: str
    count: int
    energy: float
    above_deepest: float
    width: float
    coordination: str
    overridden: bool


@dataclass(frozen=True, slots=True)
class HopOrbit:
    """Symmetry-equivalent hops, without direction.

    Attributes
    ----------
    orbit, species : int
    origin, target : int
        Site orbits of both ends, the lower number first.
    count : int
        Pairs of sites per cell.
    length : float, Å
    saddle : float, eV
        Above the deepest site of the species.
    barrier, back : float, eV
        From the origin and from the target.
    prefactor, back_prefactor : float
        From the origin and from the target; 1/s, or multiples of the attempt frequency.
    overridden : bool
        The barrier or the prefactor was given by the user.
    """

    orbit: int
    species: int
    origin: int
    target: int
    count: int
    length: float
    saddle: float
    barrier: float
    back: float
    prefactor: float
    back_prefactor: float
    overridden: bool

    @property
    def from_deeper(self) -> float:
        """Barrier counted from the deeper end, not below zero, eV."""
        return max(self.barrier, self.back, 0.0)


@dataclass(frozen=True, eq=False, slots=True)
class SpeciesSummary:
    """What a network holds of one ion.

    Attributes
    ----------
    name : str
    sites, site_orbits, hops : int
        Per cell; hops without direction.
    deepest : float, eV
        Energy of the deepest site; nan without sites.
    crossing : (3,) float64, eV
        Above the deepest site, at which a path crosses the crystal in 1, 2 and 3 directions; nan where none does.
    """

    name: str
    sites: int
    site_orbits: int
    hops: int
    deepest: float
    crossing: NDArray[np.float64]


def species_summaries(network: PoreNetwork) -> list[SpeciesSummary]:
    """Summaries of all ions, in the order of the network."""
    deepest = deepest_sites(network)
    summaries = []
    for index, species in enumerate(network.species):
        mine = network.site_species == index
        summaries.append(
            SpeciesSummary(
                name=species.name,
                sites=int(mine.sum()),
                site_orbits=len(np.unique(network.site_orbit[mine])),
                hops=int(mine[network.hop_origin].sum()) // 2,
                deepest=float(deepest[index]),
                crossing=np.asarray(network.percolation[index] - deepest[index]),
            )
        )
    return summaries


def crossing_text(level: float) -> str:
    """Energy at which the crystal is crossed, in words where it is not."""
    return f"{level:.3f}" if np.isfinite(level) else "never"


def display_temperature(network: PoreNetwork) -> float:
    """Room temperature, or the nearest one at which the rates of the network are known, K."""
    return float(np.clip(ROOM_TEMPERATURE, network.temperatures[0], network.temperatures[-1]))


def site_orbits(network: PoreNetwork) -> list[SiteOrbit]:
    """Sites by orbit, in the order of the orbit numbers."""
    deepest = deepest_sites(network)
    orbits, first, count = np.unique(network.site_orbit, return_index=True, return_counts=True)
    around = _coordination(network, first)
    return [
        SiteOrbit(
            orbit=int(orbit),
            species=int(network.site_species[site]),
            label=network.site_label[site],
            count=int(n),
            energy=float(network.site_energy[site]),
            above_deepest=float(network.site_energy[site] - deepest[network.site_species[site]]),
            width=float(network.site_width[site]),
            coordination=text,
            overridden=bool(network.site_overridden[site]),
        )
        for orbit, site, n, text in zip(orbits, first, count, around, strict=True)
    ]


def hop_orbits(network: PoreNetwork, temperature: float | None = None) -> list[HopOrbit]:
    """Hops by orbit, in the order of the orbit numbers.

    Parameters
    ----------
    network : PoreNetwork
    temperature : float, K, optional
        Of the prefactors; `display_temperature` by default.

    Raises
    ------
    ValueError
        If the rates of the network are not known at the temperature.
    """
    deepest = deepest_sites(network)
    prefactor = network.rates(display_temperature(network) if temperature is None else temperature).prefactor
    length = np.linalg.norm(network.hop_vector, axis=1)
    ends = network.site_orbit[network.hop_origin], network.site_orbit[network.hop_target]
    order = np.lexsort((np.arange(len(length)), ends[1], ends[0], network.hop_orbit))
    orbits, first, count = np.unique(network.hop_orbit[order], return_index=True, return_counts=True)
    rows = []
    for orbit, hop, n in zip(orbits, order[first], count, strict=True):
        a, b = network.hop_origin[hop], network.hop_target[hop]
        saddle, species = network.hop_saddle[hop], network.site_species[a]
        rows.append(
            HopOrbit(
                orbit=int(orbit),
                species=int(species),
                origin=int(network.site_orbit[a]),
                target=int(network.site_orbit[b]),
                count=int(n) // 2,
                length=float(length[hop]),
                saddle=float(saddle - deepest[species]),
                barrier=float(saddle - network.site_energy[a]),
                back=float(saddle - network.site_energy[b]),
                prefactor=float(prefactor[hop]),
                back_prefactor=float(prefactor[network.hop_reverse[hop]]),
                overridden=bool(network.hop_overridden[hop]),
            )
        )
    return rows


def deepest_sites(network: PoreNetwork) -> NDArray[np.float64]:
    """Energy of the deepest site of every species, nan for one without sites, (n_species,), eV."""
    lowest = np.full(len(network.species), np.inf)
    np.minimum.at(lowest, network.site_species, network.site_energy)
    return np.where(np.isfinite(lowest), lowest, np.nan)


def hop_barriers(network: PoreNetwork) -> NDArray[np.float64]:
    """Barrier of every hop counted from the deeper of its ends, not below zero, (n_hops,), eV."""
    lower = np.minimum(network.site_energy[network.hop_origin], network.site_energy[network.hop_target])
    return np.asarray(np.maximum(network.hop_saddle - lower, 0.0))


def _coordination(network: PoreNetwork, sites: NDArray[np.integer]) -> list[str]:
    """First coordination shell of some sites, as `lattice.labels` describes it."""
    return [
        site_coordination(
            network, network.site_frac[[site]], charge=network.species[network.site_species[site]].charge
        )[0]
        for site in sites
    ]
