"""Diffusivity of a single ion on a periodic network by linear algebra."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from lattice.network import PoreNetwork
from structures.units import BOLTZMANN


def single_particle_diffusivity(
    network: PoreNetwork, species_index: int, temperature: float, attempt_frequency: float = 1e12
) -> NDArray[np.float64]:
    """Diffusion tensor of one ion alone on the network.

    With p the Boltzmann weights of the sites and c_ij = p_i w_ij = c_ji the conductances of the hops, D is the minimum
    over site shifts u of ½ Σ c_ij (d_ij + u_j - u_i)(d_ij + u_j - u_i)ᵀ, where d_ij is the hop vector: at the minimum
    the shifted hops carry no drift from any site. Equal to
    ½ Σ p w d dᵀ - Σ p b xᵀ with the drift b = Σ_j w d and -W x = b.

    Parameters
    ----------
    network : PoreNetwork
    species_index : int
        Into `network.species`.
    temperature : float, K
    attempt_frequency : float, 1/s

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
    hops = np.flatnonzero(network.site_species[network.hop_origin] == species_index)
    if sites.size == 0 or hops.size == 0:
        return np.zeros((3, 3))
    beta = 1 / (BOLTZMANN * temperature)
    energy = network.site_free_energy(temperature)
    lowest = energy[sites].min()
    origin, target = network.hop_origin[hops], network.hop_target[hops]
    top = np.maximum(np.maximum(energy[origin], energy[target]), network.hop_saddle[hops])
    conductance = network.hop_weight[hops] * np.exp(-beta * (top - lowest))
    vector = network.hop_vector[hops]
    i, j = origin - sites[0], target - sites[0]
    shift = _equilibrium_shift(i, j, conductance, vector, sites.size)
    moved = vector + shift[j] - shift[i]
    partition = np.exp(-beta * (energy[sites] - lowest)).sum()
    return np.asarray(0.5 * attempt_frequency / partition * (moved.T * conductance) @ moved)


def _equilibrium_shift(
    origin: NDArray[np.integer],
    target: NDArray[np.integer],
    conductance: NDArray[np.float64],
    vector: NDArray[np.float64],
    n_sites: int,
) -> NDArray[np.float64]:
    """Site shifts (n_sites, 3), Å, that cancel the drift; one site of each connected part stays where it is."""
    laplacian = np.zeros((n_sites, n_sites))
    np.add.at(laplacian, (origin, target), -conductance)
    np.fill_diagonal(laplacian, 0.0)
    np.fill_diagonal(laplacian, -laplacian.sum(axis=1))
    drift = np.zeros((n_sites, 3))
    np.add.at(drift, origin, conductance[:, None] * vector)
    graph = coo_matrix((np.ones(len(origin)), (origin, target)), shape=(n_sites, n_sites))
    _, part = connected_components(graph, directed=False)
    _, fixed = np.unique(part, return_index=True)
    free = np.setdiff1d(np.arange(n_sites), fixed)
    shift = np.zeros((n_sites, 3))
    if free.size:
        scale = 1 / np.sqrt(laplacian[free, free])
        matrix = laplacian[np.ix_(free, free)] * scale[:, None] * scale
        shift[free] = np.linalg.solve(matrix, drift[free] * scale[:, None]) * scale[:, None]
    return shift
