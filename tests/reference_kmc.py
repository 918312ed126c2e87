"""Kinetic Monte Carlo in plain Python: ΔE is a difference of two total energies, nothing is kept."""

from __future__ import annotations

import functools
import math
from itertools import accumulate

import numpy as np

from kmc.kernels import AT_REST, SMALLEST_ACCEPTANCE
from kmc.rates import Conditions
from kmc.state import State
from kmc.thinning import CHANGE
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


def reference_kmc(lattice: Lattice, state: State, conditions: Conditions, n_events: int, *, bounds=None):
    """Yield (time, ion, site, hop of the network, wrap) after every event, with the state's random numbers.

    `bounds`: by trials with these, as large lattices with a table do.
    """
    sites, time = state.ion_site.tolist(), state.time
    if bounds is not None:
        choose = bounds.draw
    else:
        thinned = state.thinning.size > 0 and state.thinning[0] > SMALLEST_ACCEPTANCE
        choose = _by_thinning if thinned else _rejection_free
    for _ in range(n_events):
        waiting, (_, ion, target, hop, wrap) = choose(lattice, state, conditions, sites)
        time += waiting
        sites[ion] = target
        yield time, ion, target, hop, wrap


def _hops(lattice: Lattice, conditions: Conditions, sites: list[int], ion: int, lowered: float = 0.0):
    """Yield (rate, ion, target, hop of the network, wrap) for every hop of an ion, of rate 0 if it is not open.

    `lowered`: eV, by which ΔE counts as less than it is.
    """
    network, kT = lattice.network, conditions.kT
    lone, E, vectors = network.rates(conditions.temperature), network.site_energy, network.hop_vector
    entropy = lone.free_energy - E
    before = total_energy(lattice, sites, conditions.temperature)
    cell, a = divmod(sites[ion], network.n_sites)
    for hop in np.flatnonzero(network.hop_origin == a).tolist():
        reached = np.array(np.unravel_index(cell, lattice.repeats)) + network.hop_image[hop]
        wrap, folded = np.divmod(reached, lattice.repeats)
        b = int(network.hop_target[hop])
        target = int(np.ravel_multi_index(folded, lattice.repeats)) * network.n_sites + b
        after = [*sites[:ion], target, *sites[ion + 1 :]]
        rate = 0.0
        if target != sites[ion] and not collides(lattice, after, ion):
            charge = network.species[network.site_species[a]].charge
            work = charge * float(conditions.field @ vectors[hop])
            delta = total_energy(lattice, after, conditions.temperature) - before - work + entropy[a] - entropy[b]
            delta -= lowered
            barrier = max(0.0, delta, network.hop_saddle[hop] - (E[a] + E[b]) / 2 + delta / 2)
            rate = conditions.attempt_frequency * lone.prefactor[hop] * math.exp(-barrier / kT)
        yield rate, ion, target, hop, wrap


def _rejection_free(lattice: Lattice, state: State, conditions: Conditions, sites: list[int]):
    """Waiting time and event by the rates of all hops."""
    events = [e for ion in np.flatnonzero(state.mobile).tolist() for e in _hops(lattice, conditions, sites, ion)]
    events = [e for e in events if e[0] > 0.0]
    total = sum(event[0] for event in events)
    waiting = state.rng.standard_exponential() / total
    x = state.rng.random() * total
    for event in events:
        x -= event[0]
        if x < 0:
            break
    return waiting, event


def _ceilings(lattice: Lattice, conditions: Conditions, site: int, stress: float) -> list[float]:
    """Largest rates of the hops from a site when the ion's energy with the others is 2 kT ln `stress`.

    At the target the ion meets nobody but those that would attract it.
    """
    network, kT, pair = lattice.network, conditions.kT, pair_energies(lattice)
    lone, E = network.rates(conditions.temperature), network.site_energy
    a, shapes = site % network.n_sites, []
    for hop in np.flatnonzero(network.hop_origin == a).tolist():
        b = int(network.hop_target[hop])
        charge = network.species[network.site_species[a]].charge
        target = int(lattice.hop_target[lattice.hop_offset[site] + len(shapes)])
        attraction = sum(min(pair[target][s], 0.0) for s in range(lattice.n_sites) if s != site)
        delta = E[b] - E[a] + attraction - charge * float(conditions.field @ network.hop_vector[hop])
        kra = network.hop_saddle[hop] - (E[a] + E[b]) / 2
        top = conditions.attempt_frequency * lone.prefactor[hop]
        linear = top * math.exp(-(kra + delta / 2) / kT)
        at_rest = min(top, linear * AT_REST, top * math.exp(-delta / kT) * AT_REST**2)
        shapes.append((at_rest, linear * stress, top))
    at_rest, linear, top = (list(kind) for kind in zip(*shapes, strict=True)) if shapes else ([], [], [])
    if stress <= AT_REST:
        return at_rest
    return linear if sum(linear) < sum(top) else top


def _by_thinning(lattice: Lattice, state: State, conditions: Conditions, sites: list[int]):
    """Waiting time and event by trials: what all ions have in common, then by ion what its bound has above that."""
    pair, kT, network = pair_energies(lattice), conditions.kT, lattice.network
    movers = np.flatnonzero(state.mobile).tolist()
    ceilings = []
    for ion in movers:
        repulsion = sum(pair[sites[ion]][s] for k, s in enumerate(sites) if k != ion)
        ceilings.append(_ceilings(lattice, conditions, sites[ion], math.exp(repulsion / (2 * kT))))
    common = min(sum(_ceilings(lattice, conditions, a, 1.0)) for a in np.unique(network.hop_origin).tolist())
    excess = [max(sum(ceiling) - common, 0.0) for ceiling in ceilings]
    total, waiting = len(movers) * common + sum(excess), 0.0
    while True:
        waiting += state.rng.standard_exponential() / total
        x = state.rng.random() * total
        if x < len(movers) * common:
            m, x = int(x / common), x % common
        else:
            x -= len(movers) * common
            m = next(k for k, most in enumerate(accumulate(excess)) if x < most)
            x += common - sum(excess[:m])
        for ceiling, event in zip(ceilings[m], _hops(lattice, conditions, sites, movers[m]), strict=True):
            if x < ceiling:
                if x < event[0]:
                    return waiting, event
                break
            x -= ceiling


def _bound(lattice: Lattice, conditions: Conditions, sites: list[int], ion: int) -> float:
    """Rate of an ion if ΔE of its hops were less by the allowance, and by what the engine allows for rounding."""
    lowered = 2.0 * conditions.kT * CHANGE + 2e-5
    return sum(event[0] for event in _hops(lattice, conditions, sites, ion, lowered))


class Bounds:
    """Trials from a bound on the rate of every ion, which holds while its allowance covers what others change.

    `box`, (2, 3): cells, and those of them before the cell of a hop, where an allowance is charged site by site.
    """

    def __init__(self, box: np.ndarray) -> None:
        self.box = box
        self.bound: list[float] = []
        self.used: list[float] = []

    def draw(self, lattice: Lattice, state: State, conditions: Conditions, sites: list[int]):
        """Waiting time and event; what the event changes is charged to all ions."""
        movers = np.flatnonzero(state.mobile).tolist()
        if not self.bound:
            self.bound = [_bound(lattice, conditions, sites, ion) for ion in movers]
            self.used = [0.0] * len(movers)
        waiting = 0.0
        while True:
            waiting += state.rng.standard_exponential() / sum(self.bound)
            x = state.rng.random() * sum(self.bound)
            m = next(k for k, most in enumerate(accumulate(self.bound)) if x < most)
            x -= sum(self.bound[:m])
            for event in _hops(lattice, conditions, sites, movers[m]):
                if x < event[0]:
                    self._charge(lattice, conditions, sites, movers, event)
                    return waiting, event
                x -= event[0]
            self.bound[m], self.used[m] = _bound(lattice, conditions, sites, movers[m]), 0.0

    def _charge(self, lattice: Lattice, conditions: Conditions, sites: list[int], movers: list[int], event) -> None:
        _, ion, new, hop, _ = event
        old, repeats, n = sites[ion], lattice.repeats, lattice.network.n_sites
        after = [*sites[:ion], new, *sites[ion + 1 :]]
        seen_from = old if lattice.network.hop_reverse[hop] >= hop else new
        for m, other in enumerate(movers):
            cells = [np.array(np.unravel_index(site // n, repeats)) for site in (after[other], seen_from)]
            inside = ((cells[0] - cells[1] + self.box[1]) % repeats < self.box[0]).all()
            first = after[other] // n * n
            sharing = [after[other]] if inside else range(first, first + n)
            cost = max(self._cost(lattice, conditions, old, new, here) for here in sharing)
            self.used[m] += cost
            if self.used[m] > 1.0:
                self.bound[m], self.used[m] = _bound(lattice, conditions, after, other), 0.0

    def _cost(self, lattice: Lattice, conditions: Conditions, old: int, new: int, here: int) -> float:
        """Part of the allowance that a hop can use up for an ion on a site."""
        pair, freed = pair_energies(lattice), {old, new}  # by the hop or by its reverse
        for end in (old, new):
            freed.update(lattice.exclusion_site[slice(*lattice.exclusion_offset[end : end + 2])].tolist())
        ends = lattice.hop_target[slice(*lattice.hop_offset[here : here + 2])].tolist()
        change = max((abs(pair[new][t] - pair[old][t] - pair[new][here] + pair[old][here]) for t in ends), default=0.0)
        share = change * (1.0 + 1e-9) / (2.0 * conditions.kT * CHANGE)
        code = max(0, 255 + math.ceil(16 * math.log2(share))) if share > 0.0 else 0
        return math.inf if code >= 255 or freed & set(ends) else 2.0 ** ((code - 255) / 16)
