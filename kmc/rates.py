"""Energies and rates of one configuration in plain NumPy: the twin of the kernels that the tests hold them against.

The engine never calls it. It computes everything from the ions' places alone, and says each formula once as it is
written in a paper.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kmc.state import State
from kmc.tables import Conditions
from lattice.supercell import Lattice


@dataclass(frozen=True, eq=False, slots=True)
class OpenHops:
    """Every hop that can happen in one configuration.

    Attributes
    ----------
    ion : (n_open,) int64
    hop : (n_open,) int64
        Of the lattice.
    free_energy : (n_open,) float64, eV
        Change of the free energy by the hop, field included.
    rate : (n_open,) float64, 1/s
    """

    ion: NDArray[np.int64]
    hop: NDArray[np.int64]
    free_energy: NDArray[np.float64]
    rate: NDArray[np.float64]


def exclusion_counts(lattice: Lattice, ion_site: NDArray[np.int32]) -> NDArray[np.int16]:
    """Count the ions that forbid each site, its occupant and those that exclude it, (n_sites,)."""
    counts = np.bincount(ion_site, minlength=lattice.n_sites)
    for site in ion_site:
        counts[lattice.exclusion_site[lattice.exclusion_offset[site] : lattice.exclusion_offset[site + 1]]] += 1
    return counts.astype(np.int16)


def interaction_energy(lattice: Lattice, ion_site: NDArray[np.int32]) -> NDArray[np.float64]:
    """Energy V on every site with all ions, (n_sites,), eV."""
    energy = np.zeros(lattice.n_sites)
    for site in ion_site:
        energy += lattice.table.row(int(site))
    return energy


def total_energy(lattice: Lattice, ion_site: NDArray[np.int32], temperature: float) -> float:
    """Energy of a configuration, Σ F_i + ½ Σ_{i≠j} e_ij, eV."""
    free_energy = np.tile(lattice.network.rates(temperature).free_energy, lattice.n_cells)
    own = sum(lattice.table.row(int(site))[site] for site in ion_site)
    pairs = interaction_energy(lattice, ion_site)[ion_site].sum() - own
    return float(free_energy[ion_site].sum() + 0.5 * pairs)


def open_hops(lattice: Lattice, state: State, conditions: Conditions) -> OpenHops:
    """List the hops of all mobile ions into sites that are free, with the change of the free energy and the rate.

    ΔE = E_j - E_i + V_j - V_i - (e_ij - e_ii) - q E·d; the rate is nu_ij exp(-E_b/kT) with
    E_b = max(0, ΔE, E_KRA + ΔE/2) and E_KRA the saddle above the mean of both ends.
    """
    network, kT = lattice.network, conditions.kT
    lone = network.rates(conditions.temperature)
    entropy = lone.free_energy - network.site_energy
    charge = np.array([species.charge for species in network.species])
    first = np.searchsorted(network.hop_origin, np.arange(network.n_sites))
    level = np.tile(network.site_energy, lattice.n_cells) + interaction_energy(lattice, state.ion_site)
    counts = exclusion_counts(lattice, state.ion_site)
    ions, hops, energies, rates = [], [], [], []
    for ion in np.flatnonzero(state.mobile).tolist():
        site = int(state.ion_site[ion])
        row = lattice.table.row(site)
        excluded = set(lattice.exclusion_site[lattice.exclusion_offset[site] : lattice.exclusion_offset[site + 1]])
        for hop in range(lattice.hop_offset[site], lattice.hop_offset[site + 1]):
            target = int(lattice.hop_target[hop])
            if counts[target] - (target in excluded) > 0:
                continue
            unit = first[site % network.n_sites] + hop - lattice.hop_offset[site]
            work = charge[state.ion_species[ion]] * conditions.field @ network.hop_vector[unit]
            delta = level[target] - level[site] - (row[target] - row[site]) - work
            ends = [network.hop_origin[unit], network.hop_target[unit]]
            barrier = max(0.0, delta, network.hop_saddle[unit] - network.site_energy[ends].mean() + delta / 2)
            ions.append(ion)
            hops.append(hop)
            energies.append(delta + entropy[ends[1]] - entropy[ends[0]])
            rates.append(conditions.attempt_frequency * lone.prefactor[unit] * np.exp(-barrier / kT))
    return OpenHops(np.array(ions, int), np.array(hops, int), np.array(energies), np.array(rates))
