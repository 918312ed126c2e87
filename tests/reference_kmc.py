"""Rejection-free kinetic Monte Carlo in plain Python: ΔE is a difference of two total energies, nothing is kept."""

from __future__ import annotations

import functools
import math

import numpy as np

from kmc.rates import Conditions
from kmc.state import State
from lattice.supercell import Lattice


@functools.cache
def pair_energies(lattice: Lattice) -> list[list[float]]:
    """Energy of every two sites, eV."""
    return [lattice.interaction.row(site).tolist() for site in range(lattice.n_sites)]


def total_energy(lattice: Lattice, sites: list[int], temperature: float) -> float:
    """Energies of the sites and of every pair, eV."""
    free_energy, pair = lattice.network.rates(temperature).free_energy, pair_energies(lattice)
    pairs = sum(pair[sites[i]][sites[j]] for i in range(len(sites)) for j in range(i))
    return pairs + sum(free_energy[s % lattice.network.n_sites] for s in sites)


def collides(lattice: Lattice, sites: list[int], ion: int) -> bool:
    """Whether an ion is on a site that another one occupies or forbids."""
    mine = lattice.exclusion_site[slice(*lattice.exclusion_offset[sites[ion] : sites[ion] + 2])].tolist()
    return any(s == sites[ion] or s in mine for k, s in enumerate(sites) if k != ion)


def reference_kmc(lattice: Lattice, state: State, conditions: Conditions, n_events: int):
    """Yield (time, ion, site, hop of the network, wrap) after every event, with the state's random numbers."""
    network, kT, rng = lattice.network, conditions.kT, state.rng
    lone, E, vectors = network.rates(conditions.temperature), network.site_energy, network.hop_vector
    entropy = lone.free_energy - E
    sites, time = state.ion_site.tolist(), state.time
    for _ in range(n_events):
        before, events = total_energy(lattice, sites, conditions.temperature), []
        for ion in np.flatnonzero(state.mobile).tolist():
            cell, a = divmod(sites[ion], network.n_sites)
            for hop in np.flatnonzero(network.hop_origin == a).tolist():
                reached = np.array(np.unravel_index(cell, lattice.repeats)) + network.hop_image[hop]
                wrap, folded = np.divmod(reached, lattice.repeats)
                b = int(network.hop_target[hop])
                target = int(np.ravel_multi_index(folded, lattice.repeats)) * network.n_sites + b
                after = [*sites[:ion], target, *sites[ion + 1 :]]
                if target == sites[ion] or collides(lattice, after, ion):
                    continue
                charge = network.species[network.site_species[a]].charge
                work = charge * float(conditions.field @ vectors[hop])
                delta = total_energy(lattice, after, conditions.temperature) - before - work + entropy[a] - entropy[b]
                barrier = max(0.0, delta, network.hop_saddle[hop] - (E[a] + E[b]) / 2 + delta / 2)
                rate = conditions.attempt_frequency * lone.prefactor[hop] * math.exp(-barrier / kT)
                events.append((rate, ion, target, hop, wrap))
        total = sum(event[0] for event in events)
        time += -math.log1p(-rng.random()) / total
        x = rng.random() * total
        for rate, ion, target, hop, wrap in events:  # noqa: B007
            x -= rate
            if x < 0:
                break
        sites[ion] = target
        yield time, ion, target, hop, wrap
