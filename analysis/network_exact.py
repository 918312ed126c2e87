"""Diffusivity of a single ion on a periodic network."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lattice.diffusivity import lone_ion_diffusivity
from lattice.network import PoreNetwork
from structures.units import BOLTZMANN


def single_particle_diffusivity(
    network: PoreNetwork, species_index: int, temperature: float, attempt_frequency: float | None = None
) -> NDArray[np.float64]:
    """Diffusion tensor of one ion alone on the network, see `lattice.diffusivity`, with the rates of the engine.

    Parameters
    ----------
    network : PoreNetwork
    species_index : int
        Into `network.species`.
    temperature : float, K
    attempt_frequency : float, optional
        Multiplies the rates, as in the engine; by default 1e12 /s if they are relative to it, else 1.

    Returns
    -------
    (3, 3) float64, Å²/s

    Raises
    ------
    ValueError
        If the index is no species of the network or the temperature is not positive.
    """
    if not 0 <= species_index < len(network.species):
        raise ValueError(f"species_index must lie in [0, {len(network.species)}); got {species_index}")
    if not temperature > 0:
        raise ValueError(f"temperature must be positive; got {temperature} K")
    sites = np.flatnonzero(network.site_species == species_index)
    once = np.arange(len(network.hop_origin)) < network.hop_reverse
    hops = np.flatnonzero(once & (network.site_species[network.hop_origin] == species_index))
    if not len(sites):
        return np.zeros((3, 3))
    kT = BOLTZMANN * temperature
    rates = network.rates(temperature)
    origin, target = network.hop_origin[hops], network.hop_target[hops]
    log_partition = -rates.free_energy / kT
    # the engine's rates: a hop is never faster than its prefactor
    top = network.site_energy[[origin, target]].max(axis=0)
    barrier = np.maximum(network.hop_saddle[hops], top) - network.site_energy[origin]
    log_conductance = np.log(rates.prefactor[hops]) - barrier / kT + log_partition[origin]
    D = lone_ion_diffusivity(
        origin - sites[0], target - sites[0], network.hop_vector[hops], log_conductance, log_partition[sites]
    )
    return np.asarray(D * (network.rate_factor if attempt_frequency is None else attempt_frequency))
