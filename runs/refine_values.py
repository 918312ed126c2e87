"""New energies of a refined network: from the calculator's scale to that of the network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from lattice.elastic_band import Band
from lattice.network import PoreNetwork
from lattice.overrides import HopOverride, SiteOverride, override_network
from runs.refine_calculations import Calculations, Outcome
from runs.refine_plan import SpeciesPlan

SAME_ENERGY = 0.01  # eV, by which symmetric copies of a site may differ without a word
_ROUNDING = 1e-9  # eV


@dataclass(frozen=True, eq=False, slots=True)
class RefinedOrbit:
    """Old and new energy of one site orbit or one hop orbit.

    Attributes
    ----------
    species : int
    orbit : int
    member : int
        The site or hop that was computed.
    old, new : float, eV
        Site energy or saddle energy on the network's scale; equal if the old one stays.
    outcome : Outcome
    remark : str
        What the reader should know: why the old value stays, or what is odd about the new one.
    """

    species: int
    orbit: int
    member: int
    old: float
    new: float
    outcome: Outcome
    remark: str

    @property
    def refined(self) -> bool:
        """Whether the new value counts."""
        return not self.outcome.problem

    @property
    def barrierless(self) -> bool:
        """Whether the new value of a hop is that of its higher end, as no image lies above it."""
        return self.refined and self.outcome.part is not None and _no_saddle(self.outcome.part)


@dataclass(frozen=True, eq=False, slots=True)
class Refinement:
    """A refined network beside the old one.

    Attributes
    ----------
    old, new : PoreNetwork
    sites, hops : tuple of RefinedOrbit
        By orbit.
    """

    old: PoreNetwork
    new: PoreNetwork
    sites: tuple[RefinedOrbit, ...]
    hops: tuple[RefinedOrbit, ...]

    @property
    def complete(self) -> bool:
        """Whether every calculation counts."""
        return all(orbit.refined for orbit in (*self.sites, *self.hops))


def refined_network(network: PoreNetwork, calculations: Calculations, lines: tuple[str, ...]) -> Refinement:
    """Put the results on the network's scale and into the network.

    For each ion the lowest of the refined sites keeps the energy that the lowest of these sites had. A hop without a
    new saddle keeps its kinetically resolved barrier: its saddle moves with the mean of both ends.

    Parameters
    ----------
    lines : tuple of str
        Provenance.
    """
    sites: list[RefinedOrbit] = []
    hops: list[RefinedOrbit] = []
    for plan in calculations.plans:
        mine = tuple(_site_orbits(network, plan, calculations))
        sites.extend(mine)
        hops.extend(_hop_orbits(network, plan, calculations, mine))
    new = _with_energies(network, sites, hops)
    kept = tuple(
        f"refine: {network.species[orbit.species].name} {kind} orbit {orbit.orbit} keeps its old value: {orbit.remark}"
        for kind, orbits in (("site", sites), ("hop", hops))
        for orbit in orbits
        if not orbit.refined
    )
    new = replace(new, provenance=(*new.provenance, *lines, *kept))
    return Refinement(network, new, tuple(sites), tuple(hops))


def _scale(network: PoreNetwork, plan: SpeciesPlan, calculations: Calculations) -> float:
    """Energy (eV) to be added to those of the calculator; nan if no site of this ion was refined."""
    good = [site for site in plan.sites if not calculations.sites[site].problem]
    if not good:
        return float("nan")
    lowest = min(_energy(calculations.sites[site]) for site in good)
    return float(network.site_energy[good].min()) - lowest


def _energy(outcome: Outcome) -> float:
    """Highest energy of a path, or the one of a relaxed site, eV."""
    return float("nan") if outcome.part is None else float(outcome.part.energies.max())


def _site_orbits(network: PoreNetwork, plan: SpeciesPlan, calculations: Calculations) -> Iterator[RefinedOrbit]:
    scale = _scale(network, plan, calculations)
    for orbit in np.unique(network.site_orbit[list(plan.sites)]):
        members = [site for site in plan.sites if network.site_orbit[site] == orbit]
        good = [site for site in members if not calculations.sites[site].problem]
        site = min(good, key=lambda s: _energy(calculations.sites[s]), default=members[0])
        outcome, old = calculations.sites[site], float(network.site_energy[site])
        energies = [_energy(calculations.sites[s]) for s in good]
        remark = outcome.problem or outcome.remark
        if good and max(energies) - min(energies) > SAME_ENERGY:
            spread = f"symmetric copies differ by {max(energies) - min(energies):.3f} eV; the lowest is taken"
            remark = "; ".join(filter(None, (spread, outcome.remark)))
        new = energies and min(energies) + scale
        yield RefinedOrbit(plan.species, int(orbit), site, old, new or old, outcome, remark)


def _hop_orbits(
    network: PoreNetwork, plan: SpeciesPlan, calculations: Calculations, sites: tuple[RefinedOrbit, ...]
) -> Iterator[RefinedOrbit]:
    scale = _scale(network, plan, calculations)
    new_energy = {orbit.orbit: orbit.new for orbit in sites}
    for hop in plan.hops:
        outcome = calculations.hops[hop]
        ends = [int(end[hop]) for end in (network.hop_origin, network.hop_target)]
        tops = [new_energy[int(network.site_orbit[end])] for end in ends]
        old = float(network.hop_saddle[hop])
        saddle = old - float(network.site_energy[ends].mean()) + float(np.mean(tops))
        remark = outcome.problem
        if not outcome.problem and outcome.part is not None:
            saddle = _energy(outcome) + scale
            remark = _oddities(outcome)
        yield RefinedOrbit(plan.species, int(network.hop_orbit[hop]), hop, old, max(saddle, *tops), outcome, remark)


def _oddities(outcome: Outcome) -> str:
    part, remarks = outcome.part, [outcome.remark] if outcome.remark else []
    if part is not None and _no_saddle(part):
        remarks.append("no image above the higher end, which is taken for the saddle")
    elif part is not None and part.valleys:
        remarks.append(
            f"the path passes {part.valleys} {'minimum' if part.valleys == 1 else 'minima'} between the ends"
        )
    return "; ".join(remarks)


def _no_saddle(part: Band) -> bool:
    return len(part.energies) > 1 and part.top in (0, len(part.energies) - 1)


def _with_energies(network: PoreNetwork, sites: list[RefinedOrbit], hops: list[RefinedOrbit]) -> PoreNetwork:
    names = [species.name for species in network.species]
    energy = network.site_energy.copy()
    overrides: list[SiteOverride | HopOverride] = []
    for orbit in sites:
        if orbit.refined:
            energy[network.site_orbit == orbit.orbit] = orbit.new
            overrides.append(SiteOverride(names[orbit.species], orbit.new, orbit=orbit.orbit))
    for orbit in hops:
        if orbit.refined or abs(orbit.new - orbit.old) > _ROUNDING:
            deeper = min(float(energy[end[orbit.member]]) for end in (network.hop_origin, network.hop_target))
            barrier = max(0.0, orbit.new - deeper)
            overrides.append(HopOverride(names[orbit.species], orbit=orbit.orbit, barrier=barrier))
    new = override_network(network, overrides)
    kept = np.isin(network.hop_orbit, [orbit.orbit for orbit in hops if not orbit.refined])
    return replace(new, hop_overridden=np.where(kept, network.hop_overridden, new.hop_overridden))
