"""Diffusion of a lone ion on a periodic network by linear algebra."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csc_matrix
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import splu

IntArray = NDArray[np.integer]


def lone_ion_diffusivity(
    a: IntArray,
    b: IntArray,
    vector: NDArray[np.float64],
    log_conductance: NDArray[np.float64],
    log_partition: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Diffusion tensor of one ion that hops between sites.

    With Z_i the partition functions of the sites and C_ij = Z_i k_ij = C_ji the conductances of the hops, D is the
    minimum over site shifts u of Σ C_ij (d_ij + u_j - u_i)(d_ij + u_j - u_i)ᵀ / Σ Z, where the first sum goes over
    every hop once and d_ij is its vector: at the minimum the shifted hops carry no drift from any site. Equal to
    ½ Σ p w d dᵀ - Σ p b xᵀ with p = Z / Σ Z, the drift b = Σ_j w d and -W x = b.

    Parameters
    ----------
    a, b : (n_hops,) int
        Ends of every hop, each hop listed once.
    vector : (n_hops, 3) float64, Å
        From a to b.
    log_conductance : (n_hops,) float64
        ln C.
    log_partition : (n_sites,) float64
        ln Z.

    Returns
    -------
    (3, 3) float64, Å² times the unit of C / Z
    """
    if not len(a):
        return np.zeros((3, 3))
    top = log_partition.max()
    conductance = np.exp(log_conductance - top)
    shift = _equilibrium_shift(a, b, conductance, vector, len(log_partition))
    moved = vector + shift[b] - shift[a]
    return np.asarray((moved.T * conductance) @ moved / np.exp(log_partition - top).sum())


def _equilibrium_shift(
    a: IntArray, b: IntArray, conductance: NDArray[np.float64], vector: NDArray[np.float64], n_sites: int
) -> NDArray[np.float64]:
    """Site shifts (n_sites, 3), Å, that cancel the drift; one site of each connected part stays where it is."""
    links = coo_matrix((conductance, (a, b)), shape=(n_sites, n_sites))
    links = (links + links.T).tocsr()
    links.setdiag(0.0)
    drift = np.zeros((n_sites, 3))
    np.add.at(drift, a, conductance[:, None] * vector)
    np.add.at(drift, b, -conductance[:, None] * vector)
    _, part = connected_components(links, directed=False)
    _, fixed = np.unique(part, return_index=True)
    free = np.setdiff1d(np.arange(n_sites), fixed)
    shift = np.zeros((n_sites, 3))
    if free.size:
        total = np.asarray(links.sum(axis=1)).ravel()[free]
        scale = 1.0 / np.sqrt(total)
        inner = links[free][:, free].multiply(scale[:, None]).multiply(scale)
        matrix = csc_matrix(-inner + coo_matrix((np.ones(free.size), (np.arange(free.size),) * 2)))
        shift[free] = splu(matrix).solve(drift[free] * scale[:, None]) * scale[:, None]
    return shift
