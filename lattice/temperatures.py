"""Quantities that depend on temperature, tabulated at a few temperatures and interpolated between them."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from structures.errors import InputError
from structures.units import BOLTZMANN

_NODES = (16, 400)  # at least, at most
_MARGIN = 0.1  # by which a single temperature is widened to a range


def temperature_nodes(lowest: float, highest: float, n_nodes: int | None = None) -> NDArray[np.float64]:
    """Temperatures at which to tabulate: Chebyshev-Lobatto points in 1/kT, ascending, both ends included.

    ln Z(1/kT) is analytic, so that polynomials through these points converge exponentially: L. N. Trefethen,
    Approximation Theory and Approximation Practice, SIAM (2013), chapter 8.

    Parameters
    ----------
    lowest, highest : float, K
        A single temperature is widened by a tenth to both sides.
    n_nodes : int, optional
        At least 2; by default one for every 1/eV of 1/kT, 16 at least and 400 at most. Channels 0.5 eV apart then cost
        less than 1e-4 of ln Z.

    Returns
    -------
    (n_nodes,) float64, K

    Raises
    ------
    ValueError
        If the temperatures are not positive or out of order, or there are fewer than two nodes.
    """
    if not 0 < lowest <= highest < math.inf:
        raise ValueError(f"temperatures must be positive and ascending; got {lowest:g} to {highest:g} K")
    if n_nodes is not None and n_nodes < 2:
        raise ValueError(f"n_nodes must be at least 2; got {n_nodes}")
    if highest / lowest < 1.0 + _MARGIN:
        lowest, highest = lowest * (1.0 - _MARGIN), highest * (1.0 + _MARGIN)
    cold, hot = 1.0 / lowest, 1.0 / highest
    if n_nodes is None:
        n_nodes = min(max(math.ceil((cold - hot) / BOLTZMANN), _NODES[0]), _NODES[1])
    beta = 0.5 * (cold + hot) + 0.5 * (cold - hot) * np.cos(np.pi * np.arange(n_nodes) / (n_nodes - 1))
    nodes = 1.0 / beta
    nodes[0], nodes[-1] = lowest, highest
    return nodes


def interpolate(nodes: NDArray[np.float64], values: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """Value at one temperature of the polynomial in 1/kT through the tabulated ones, by the barycentric formula.

    J.-P. Berrut and L. N. Trefethen, SIAM Rev. 46, 501 (2004).

    Parameters
    ----------
    nodes : (n_nodes,) float64, K
    values : (n, n_nodes) float64
    temperature : float, K

    Returns
    -------
    (n,) float64

    Raises
    ------
    InputError
        If the temperature lies outside the nodes.
    """
    if not nodes[0] * (1.0 - 1e-9) <= temperature <= nodes[-1] * (1.0 + 1e-9):
        span = f"{nodes[0]:g} K" if len(nodes) == 1 else f"{nodes[0]:g} to {nodes[-1]:g} K"
        raise InputError(f"temperature must be within those of the network, {span}; got {temperature:g} K")
    beta, at = 1.0 / (BOLTZMANN * nodes), 1.0 / (BOLTZMANN * temperature)
    step = at - beta
    near = int(np.abs(step).argmin())
    if abs(step[near]) < 1e-13 * at or len(nodes) == 1:
        return np.asarray(values[:, near])
    gaps = (beta[:, None] - beta[None, :]) / np.ptp(beta)
    np.fill_diagonal(gaps, 1.0)
    weight = 1.0 / gaps.prod(axis=1) / step
    return np.asarray((values * (weight / weight.sum())).sum(axis=1))  # not a product: equal rows give equal bits
