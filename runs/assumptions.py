"""What the numbers of a calculation rest on, one line for each choice, in five groups."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from rich.console import RenderableType
from rich.text import Text

from analysis.network_exact import single_particle_diffusivity
from lattice.near_pairs import pair_override_lines
from lattice.network import PoreNetwork
from lattice.rate_models import RATE_MODELS
from lattice.screening import describe
from lattice.separation import separate
from runs.calibrated import calibrated_lines, calibration_note, calibration_statement
from runs.coarse_hops import coarse_hop_line
from runs.composition import molarity_line, uptake_line
from runs.deck import Deck, Exchange, Salt
from runs.deck_calibrate import Calibrated
from runs.deck_checks import defects_of
from runs.model import Model
from runs.text_tables import listing
from structures.framework import Framework

if TYPE_CHECKING:
    from kmc.trajectory import TaskRecord

CALIBRATION = "calibration"
GROUPS = ("structure", "charges", "landscape", "rates", "kinetic Monte Carlo")
_ABOUT_RATES = ("short-lived basins removed", "and kept, because", "warning: ", "five times as many orientations")
_ABOUT_CHARGES = ("charge", "net charge", "EQeq", "the table overrides")
ABOVE_TST = (
    "above 1 it has no meaning as crossings that return: more than transition-state theory allows, a sign that "
    "barriers or entropy are wrong, which it only makes up for"
)
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
    calibrated : Calibrated or None
        What is fitted to measurements.
    """

    groups: Mapping[str, tuple[str, ...]]
    log: tuple[str, ...]
    calibrated: Calibrated | None = None

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
        yield Text(f"\nAssumptions ({calibration_statement(self.calibrated)})", style="bold")
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
    groups["rates"] += [line for line in (rates_line(deck), separation_line(model), coarse) if line]
    groups["kinetic Monte Carlo"] += [*_of_simulation(model), *superbasin_lines(model, records)]
    groups[CALIBRATION] = list(calibrated_lines(deck))
    made = {group: tuple(dict.fromkeys(lines)) for group, lines in groups.items()}
    return Assumptions(made, tuple(log), deck.calibrated)


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


def rates_line(deck: Deck) -> str:
    """Say where the prefactors come from, and what the rates are multiplied with."""
    rates = deck.rates
    proportional = "" if rates.of_ions else "sigma is proportional to it"
    if rates.model == "attempt_frequency":
        hops = "" if rates.of_ions else " for every hop; "
        return f"attempt frequency {factors_text(deck)}{hops}{proportional}"
    said = ", ".join(filter(None, (f"friction factor {factors_text(deck)}", proportional)))
    above = max(rates.of_ions.values(), default=rates.factor) > 1.0
    return f"{RATE_MODELS[rates.model]}; {said}{f'; {ABOVE_TST}' if above else ''}"


def factors_text(deck: Deck) -> str:
    """Give the friction factor, or the attempt frequency with its unit, of all ions or of each."""
    rates = deck.rates
    unit = " /s" if rates.model == "attempt_frequency" else ""
    if not rates.of_ions:
        return f"{rates.factor:g}{unit}"
    return ", ".join(f"{rates.of_ions.get(ion, rates.factor):g}{unit} for {ion}" for ion in deck.composition.species)


def interaction_lines(model: Model) -> Iterator[str]:
    """Say which interactions of the ions are switched off, and what becomes of ions that attract each other then."""
    switches, network = model.deck.interactions, model.network
    if not switches.coulomb:
        yield (
            "Coulomb energies between the ions are switched off: each feels the framework, neutralised by a uniform "
            "background, and no other ion; the result is not that of a real electrolyte"
        )
    if not switches.exclusions:
        yield (
            "contact exclusions are switched off: ions may be as near to each other as their sites are; one ion per "
            "site stays"
        )
    if switches.coulomb and not switches.exclusions and len({ion.charge > 0 for ion in network.species}) > 1:
        yield (
            "without contact exclusions ions of opposite charge attract each other at distances that no real ones "
            "reach: pairs may hold together far too strongly"
        )


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
    yield from interaction_lines(model)
    if model.on_meshes:
        yield (
            "energies between the ions from meshes: those of hops are within 1e-4 eV of the full Ewald sum, which is "
            "measured at the start, every 2^20 hops and at the end of each task; a task that exceeds it fails"
        )
    if said := uptake_line(deck, model.network):
        yield said
    if said or isinstance(deck.composition, Salt):
        yield molarity_line(model.network)
    yield from pair_override_lines(model.network, model.network.permittivity, model.pair_overrides)
    yield SCOPE.replace("perfect crystal", "crystal with these defects") if defects_of(deck).any else SCOPE


def superbasin_lines(model: Model, records: Sequence[TaskRecord]) -> Iterator[str]:
    """Say how much of the hops superbasins have passed over, at least and at most of a task."""
    if not model.deck.kmc.superbasins:
        return
    shares = [100.0 * record.passed_over / max(int(record.events[-1]), 1) for record in records]
    if max(shares, default=0.0) > 0.0:
        least, most = f"{min(shares):.4g}", f"{max(shares):.4g}"
        yield (
            f"superbasins have passed over {least if least == most else f'{least} to {most}'} % of the hops of a task; "
            "these count with their expected number, and the dynamics is exact"
        )
    else:
        yield (
            "superbasins have passed over no hops: nowhere were more to be expected, before an ion leaves or any other "
            "that it feels hops, than the solution costs; all hops were made one by one"
        )


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
    fitted = [] if deck.calibrated is None else [parameter.key for parameter in deck.calibrated.parameter]
    eps_r = f"eps_r = {describe(deck.landscape.permittivity)}"
    assumed = f"charges assumed, {eps_r}" if "landscape.permittivity" in fitted else f"charges and {eps_r} assumed"
    structure = f"{model.network.name}, {assumed}"
    rates = deck.rates
    if rates.model == "attempt_frequency":
        kinetics = f"attempt frequency {factors_text(deck)}"
    else:
        kinetics = f"{rates.model.replace('_tst', ' TST')}, friction factor {factors_text(deck)}"
    varied = [f"with {'; '.join(variations(deck))}"] if variations(deck) else []
    note = calibration_note(deck)
    first = f"kinetic Monte Carlo, {structure}, {kinetics}"
    return [first, *varied, note] if fitted else [f"{first}; {note}", *varied]


def variations(deck: Deck) -> tuple[str, ...]:
    """Name in a few words each what makes a run another one than mobile counter-ions that feel each other."""
    switches, composition = deck.interactions, deck.composition
    off = [what for what, on in (("Coulomb", switches.coulomb), ("exclusions", switches.exclusions)) if not on]
    salt = composition.uptake if isinstance(composition, Exchange) else None
    said = [f"{salt.mol_per_L:g} mol/L of {composition.species[0]} {salt.anion} taken up"] if salt else []
    said += [f"{' and '.join(off)} between the ions switched off"] if off else []
    treated = [(name, deck.treatment(name)) for name in composition.species]
    return (*said, *(f"{name} {how}" for name, how in treated if how != "mobile"))
