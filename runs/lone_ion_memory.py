"""How a lone ion moves, exactly: at once, after it has forgotten where it has come from, and how long that takes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csc_matrix, diags
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import splu

from lattice.network import PoreNetwork
from structures.units import BOLTZMANN


@dataclass(frozen=True, slots=True)
class LoneIon:
    """Motion of one ion alone on the network.

    Attributes
    ----------
    at_once : float, Å²/s
        A sixth of the mean square of its hops times their rate: what it would diffuse if it forgot at every hop.
    at_last : float, Å²/s
        Its diffusivity.
    memory : float, s
        Mean decay time of the drift correlations; 0 if it forgets at every hop.
    """

    at_once: float
    at_last: float
    memory: float


def lone_ion(network: PoreNetwork, species_index: int, temperature: float, rate_factor: float) -> LoneIon:
    """Motion of one ion alone on the network.

    With W the rate matrix, b_i = Σ_j w_ij d_ij the drift from site i and <...> the mean over the equilibrium, the
    correlation <b(0)·b(t)> = <b·exp(Wt) b> is a sum of falling exponentials. Its mean decay time is
    ∫ t <b·b(t)> dt / ∫ <b·b(t)> dt = <x·x> / <b·x>, where -W x = b and <x> = 0 in every connected part, and
    the diffusivity is <Σ_j w_ij d_ij²> / 6 - <b·x> / 3.

    Parameters
    ----------
    network : PoreNetwork
    species_index : int
    temperature : float, K
    rate_factor : float
        Multiplies the rates of the network.
    """
    sites = np.flatnonzero(network.site_species == species_index)
    hops = np.flatnonzero(network.site_species[network.hop_origin] == species_index)
    if not len(hops):
        return LoneIon(0.0, 0.0, 0.0)
    kT, rates = BOLTZMANN * temperature, network.rates(temperature)
    origin, target = network.hop_origin[hops], network.hop_target[hops]
    top = network.site_energy[[origin, target]].max(axis=0)
    barrier = np.maximum(network.hop_saddle[hops], top) - network.site_energy[origin]
    weight = np.exp(-(rates.free_energy[sites] - rates.free_energy[sites].min()) / kT)
    rate = rate_factor * rates.prefactor[hops] * np.exp(-barrier / kT)
    a, b = origin - sites[0], target - sites[0]
    flow = weight[a] * rate
    drift = np.zeros((len(sites), 3))
    np.add.at(drift, a, flow[:, None] * network.hop_vector[hops])
    shift = _balanced(a, b, flow, drift, weight)
    total = float((drift * shift).sum())
    scale = float((flow[:, None] * network.hop_vector[hops] ** 2).sum())
    total = total if total > 1e-12 * scale else 0.0
    memory = float((weight[:, None] * shift**2).sum()) / total if total else 0.0
    at_last = max(scale / 6 - total / 3, 0.0)
    return LoneIon(scale / 6 / float(weight.sum()), at_last / float(weight.sum()), memory)


def _balanced(
    a: NDArray[np.integer],
    b: NDArray[np.integer],
    flow: NDArray[np.float64],
    drift: NDArray[np.float64],
    weight: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Solve Σ_j C_ij (x_i - x_j) = drift_i, (n_sites, 3), with weighted mean 0 in every connected part."""
    n_sites = len(weight)
    links = coo_matrix((flow, (a, b)), shape=(n_sites, n_sites)).tocsr()
    links.setdiag(0.0)
    _, part = connected_components(links, directed=False)
    _, fixed = np.unique(part, return_index=True)
    free = np.setdiff1d(np.arange(n_sites), fixed)
    shift = np.zeros((n_sites, 3))
    if free.size:
        leaving = np.asarray(links.sum(axis=1)).ravel()
        scale = diags(1.0 / np.sqrt(leaving[free]))
        matrix = csc_matrix(scale @ (diags(leaving[free]) - links[free][:, free]) @ scale)
        shift[free] = scale @ splu(matrix).solve(scale @ drift[free])
    mean = np.stack([np.bincount(part, weight * shift[:, k]) for k in range(3)], axis=1)
    return np.asarray(shift - (mean / np.bincount(part, weight)[:, None])[part])
