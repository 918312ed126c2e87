"""What the numbers of a calculation rest on, one line for each choice, in five groups."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from rich.console import RenderableType

from analysis.network_exact import single_particle_diffusivity
from lattice.near_pairs import pair_override_lines
from lattice.network import PoreNetwork
from lattice.rate_models import RATE_MODELS
from lattice.screening import describe
from lattice.separation import separate
from runs.coarse_hops import coarse_hop_line
from runs.composition import molarity_line
from runs.deck import Rates, Salt
from runs.model import Model
from runs.text_tables import listing
from structures.framework import Framework

if TYPE_CHECKING:
    from kmc.trajectory import TaskRecord

GROUPS = ("structure", "charges", "landscape", "rates", "kinetic Monte Carlo")
_ABOUT_RATES = ("short-lived basins removed", "and kept, because", "warning: ", "five times as many orientations")
_ABOUT_CHARGES = ("charge", "net charge", "EQeq", "the table overrides")
SCOPE = "ion transport inside one perfect crystal: no grain boundaries, no interfaces, no motion of solvent"


@dataclass(frozen=True, slots=True)
class Assumptions:
    """Choices by group, and what the builder of the network did on the way.

    Attributes
    ----------
    groups : Mapping of str to tuple of str
        By the names of `GROUPS`.
    log : tuple of str
        Steps of the builder; too many to print.
    """

    groups: Mapping[str, tuple[str, ...]]
    log: tuple[str, ...]

    @property
    def lines(self) -> tuple[str, ...]:
        """Everything, each line with the name of its group."""
        named = [
            line if line.startswith(f"{group}: ") else f"{group}: {line}"
            for group, lines in self.groups.items()
            for line in lines
        ]
        return (*named, *(f"network: {line}" for line in self.log))

    def report(self) -> Iterator[RenderableType]:
        """Yield one list for each group."""
        yield "\n[bold]Assumptions (nothing is calibrated to a measurement)[/bold]"
        for group, lines in self.groups.items():
            if lines:
                yield listing(heading(group), lines)
        if self.log:
            yield f"\nHow the network was simplified, {len(self.log)} lines: remarks.txt"


def heading(group: str) -> str:
    """Begin the name of a group with a capital; those inside, as in Monte Carlo, stay."""
    return group[:1].upper() + group[1:]


def assumptions(model: Model, records: Sequence[TaskRecord]) -> Assumptions:
    """Collect the choices of a calculation: structure, charges, landscape, rates, kinetic Monte Carlo."""
    deck = model.deck
    groups, log = network_assumptions(model.network, model.framework)
    groups["landscape"].append(screening_line(model))
    events = np.sum([record.hop_orbit_events for record in records], axis=0, dtype=np.int64).reshape(-1)
    coarse = coarse_hop_line(model.network, deck.scan.temperatures[-1], events)
    groups["rates"] += [line for line in (rates_line(deck.rates), separation_line(model), coarse) if line]
    groups["kinetic Monte Carlo"] += _of_simulation(model)
    return Assumptions({group: tuple(dict.fromkeys(lines)) for group, lines in groups.items()}, tuple(log))


def network_assumptions(network: PoreNetwork, framework: Framework | None) -> tuple[dict[str, list[str]], list[str]]:
    """Sort the provenance of a network into the groups, and what was done to each ion's network on the way."""
    groups: dict[str, list[str]] = {group: [] for group in GROUPS}
    log = []
    sources = {f"{ion.name}: {ion.source}" for ion in network.species}
    of_framework = set() if framework is None else set(framework.provenance)
    for line in network.provenance:
        if line in of_framework:
            groups["charges" if is_about_charges(line) else "structure"].append(line)
        elif line in sources or not line.startswith(tuple(f"{ion.name}: " for ion in network.species)):
            groups["rates" if line.startswith("rates") else "landscape"].append(line)
        elif any(text in line for text in _ABOUT_RATES):
            groups["rates"].append(line)
        else:
            log.append(line)
    return groups, log


def is_about_charges(line: str) -> bool:
    """Whether a line of the provenance of a framework is about its charges."""
    return line.startswith(_ABOUT_CHARGES)


def screening_line(model: Model) -> str:
    """Say what the permittivity screens; what screens the energies of a file is up to its author."""
    table = model.deck.landscape
    files = ", ".join(table.cube)
    said = (
        f"eps_r {describe(table.permittivity)} screens all Coulomb energies, between ions and with the framework alike"
    )
    return (
        f"{said}, except in the landscape of {files}: what screens the energies of a file is not known"
        if files
        else said
    )


def rates_line(rates: Rates) -> str:
    """Say where the prefactors come from, and what all rates are multiplied with."""
    if rates.model == "attempt_frequency":
        return f"attempt frequency {rates.factor:g} /s for every hop; sigma is proportional to it"
    return f"{RATE_MODELS[rates.model]}; friction factor {rates.factor:g}, sigma is proportional to it"


def separation_line(model: Model) -> str:
    """Say how far local hops were slowed down, and what that does to one ion alone on the network, exactly."""
    separation, network = model.deck.kmc.separation_kT, model.network
    if separation is None:
        return ""
    loss = 0.0
    for T in model.deck.scan.temperatures:
        slow = separate(network, separation, T)
        for n in range(len(network.species)):
            D = [np.trace(single_particle_diffusivity(pores, n, T)) for pores in (slow, network)]
            loss = max(loss, abs(D[0] / D[1] - 1))
    return (
        f"local hops are slowed down to {separation:g} kT below the crossing of the crystal; equilibrium stays exact; "
        f"the diffusivity of one ion alone changes by {100 * loss:.1f} % at most; with many ions the change is larger "
        "and not bounded: repeat one loading without separation_kT to see it"
    )


def _of_simulation(model: Model) -> Iterator[str]:
    deck = model.deck
    yield ", ".join(f"{name} is {deck.treatment(name)}" for name in deck.composition.species)
    yield supercell_line(model)
    if model.on_meshes:
        yield (
            "energies between the ions from meshes: those of hops are within 1e-4 eV of the full Ewald sum, which is "
            "measured at the start, every 2^20 hops and at the end of each task; a task that exceeds it fails"
        )
    if isinstance(deck.composition, Salt):
        yield molarity_line(model.network)
    yield from pair_override_lines(model.network, model.network.permittivity, model.pair_overrides)
    yield SCOPE


def supercell_line(model: Model) -> str:
    """Say how large the simulated crystal is; periodic images of few ions in a narrow one falsify all results."""
    repeats, network = model.deck.lattice.repeats, model.network
    cell = network.cell * np.array(repeats)[:, None]
    width = 1 / np.linalg.norm(np.linalg.inv(cell), axis=0).max()
    ions = sorted(sum(loading.counts.values()) for loading in model.loadings)
    numbers = f"{ions[0]} to {ions[-1]}" if ions[0] < ions[-1] else f"{ions[0]}"
    return (
        f"supercell of {' x '.join(map(str, repeats))} cells, {width:.0f} Å across at its narrowest, {numbers} ions; "
        "what a larger one would change is not assessed: repeat one loading with more cells"
    )


def footnotes(model: Model) -> list[str]:
    """Return the assumptions that belong under every picture, short."""
    deck = model.deck
    structure = f"{model.network.name}, charges and eps_r = {describe(deck.landscape.permittivity)} assumed"
    rates = deck.rates
    if rates.model == "attempt_frequency":
        kinetics = f"attempt frequency {rates.factor:g} /s"
    else:
        kinetics = f"{rates.model.replace('_tst', ' TST')}, friction factor {rates.factor:g}"
    return [f"kinetic Monte Carlo, {structure}, {kinetics}; not calibrated"]
