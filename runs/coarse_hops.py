"""Hops for which rare jumps between well-defined sites are a coarse picture: very long ones, and very low barriers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lattice.network import PoreNetwork
from structures.units import BOLTZMANN, CELSIUS_ZERO

LONG_HOP = 5.0  # Å
LOW_BARRIER = 2.0  # kT; below it an ion crosses again before it has come to rest


def coarse_hop_line(network: PoreNetwork, temperature: float, events: NDArray[np.int64]) -> str:
    """Say how many hop orbits are coarse, and what share of the hops of their species was made over them.

    Parameters
    ----------
    network : PoreNetwork
    temperature : float, K
        The highest one of the scan, where barriers are lowest in kT.
    events : (n_orbits,) int64
        Hops made by orbit; empty if none were counted.

    Returns
    -------
    str
        Empty if no hop is coarse.
    """
    length = np.linalg.norm(network.hop_vector, axis=1)
    barrier = network.hop_saddle - network.site_energy[network.hop_origin]
    kinds = (
        (f"longer than {LONG_HOP:g} Å", length > LONG_HOP),
        (
            f"over less than {LOW_BARRIER:g} kT from the higher end at {temperature - CELSIUS_ZERO:.0f} °C",
            barrier < LOW_BARRIER * BOLTZMANN * temperature,
        ),
    )
    parts = []
    for name, coarse in kinds:
        found = [_of_species(network, index, coarse, events) for index in range(len(network.species))]
        if any(found):
            parts.append(f"{name}: {', '.join(text for text in found if text)}")
    return f"warning: hopping is a coarse picture of hops {'; '.join(parts)}" if parts else ""


def _of_species(network: PoreNetwork, index: int, coarse: NDArray[np.bool_], events: NDArray[np.int64]) -> str:
    mine = network.site_species[network.hop_origin] == index
    orbits, marked = np.unique(network.hop_orbit[mine]), np.unique(network.hop_orbit[mine & coarse])
    if not len(marked):
        return ""
    made = int(events[orbits].sum()) if len(events) else 0
    share = f" ({100 * events[marked].sum() / made:.1f} % of its hops)" if made else ""
    return f"{network.species[index].name} {len(marked)} of {len(orbits)} orbits{share}"
