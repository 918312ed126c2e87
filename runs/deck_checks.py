"""Keys that are right by themselves and contradict each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from runs.deck import Deck, Exchange
from runs.deck_calibrate import calibration_faults
from runs.deck_faults import shown
from runs.deck_species import ion_of_deck
from structures.errors import InputError
from structures.units import CELSIUS_ZERO

if TYPE_CHECKING:
    from structures.missing import Defects

# Composition that the measured values of a material are about: kind, and the two ions in the order of the deck.
MEASURED_WITH = {"ni_mof": ("exchange", "Li+", "Me2NH2+"), "mof5": ("salt", "Li+", "PF6-")}

FEWEST_LOADINGS = 3  # between which a maximum can be looked for
FEWEST_IN_WINDOW = 2
_EDGE_K = 0.02  # a temperature so near to the end of a window lies in it


def contradictions(deck: Deck) -> Iterator[str]:
    """Yield one line for everything that is wrong although every key is right by itself."""
    yield from _of_structure(deck)
    yield from _of_rates(deck)
    yield from _of_overrides(deck)
    yield from _of_scan(deck)
    yield from _of_rounds(deck)
    yield from _of_windows(deck)
    yield from _of_composition(deck)
    if deck.kmc.superbasins and deck.kmc.energies == "meshes":
        yield '[kmc] energies: expected "table" or "auto", because superbasins = true needs a table; found "meshes"'
    if deck.calibrate is not None:
        yield from calibration_faults(deck.calibrate)
    for name in dict.fromkeys((*deck.species, *deck.composition.species)):
        try:
            ion_of_deck(name, deck.species.get(name))
        except InputError as error:
            yield str(error)


def _of_structure(deck: Deck) -> Iterator[str]:
    structure = deck.structure
    if structure.charge_source == "table" and not structure.charges:
        yield '[structure] charge_source: expected a table [structure.charges] for "table", found none'
    names = deck.composition.species
    for name in deck.landscape.cube:
        if name not in names:
            yield f"[landscape] cube: expected one of {', '.join(names)}, found {name!r}"
    if structure.cif is None and structure.sites is None:
        yield "[structure] cif: expected a CIF, or else sites, found neither"
    if structure.sites is not None:
        yield from _of_site_list(deck)
    yield from _of_defects(deck)


def _of_defects(deck: Deck) -> Iterator[str]:
    """Yield what stands in the way of missing nodes and linkers."""
    structure = deck.structure
    if not structure.model_fields_set & {"missing_nodes", "missing_linkers", "defect_cell", "defect_seed"}:
        return
    from structures.missing import Defects

    try:
        missing = defects_of(deck)
    except InputError as error:
        yield f"[structure] {error}"
        return
    if missing == Defects(seed=missing.seed):
        return
    key = "defect_cell" if not missing.any else "missing_nodes" if missing.missing_nodes else "missing_linkers"
    if structure.sites is not None:
        yield f"[structure] {key}: expected no such key, because sites gives the sites of one cell of one crystal"
    if deck.landscape.cube:
        names = ", ".join(deck.landscape.cube)
        yield f"[structure] {key}: expected no such key, because the cube of {names} is of one cell of one crystal"


def defects_of(deck: Deck) -> Defects:
    """Return what a deck says is missing in the crystal.

    Raises
    ------
    InputError
    """
    from structures.missing import Defects

    structure = deck.structure
    return Defects(structure.missing_nodes, structure.missing_linkers, structure.defect_cell, structure.defect_seed)


def _of_site_list(deck: Deck) -> Iterator[str]:
    """Yield what asks for a landscape although sites and hops are given."""
    if deck.landscape.cube:
        yield "[landscape] cube: expected no such key, because [structure] sites replaces the landscape"
    if deck.rates.model != "attempt_frequency":
        yield (
            f'[rates] model: expected "attempt_frequency", because [structure] sites gives the barriers; '
            f"found {shown(deck.rates.model)}"
        )


def _of_rates(deck: Deck) -> Iterator[str]:
    rates = deck.rates
    if rates.model == "attempt_frequency" and rates.friction is not None:
        yield (
            '[rates] friction: expected no such key, because model is "attempt_frequency"; '
            "multiply attempt_frequency_Hz instead"
        )
    if rates.model != "attempt_frequency" and rates.attempt_frequency_Hz is not None:
        yield (
            f'[rates] attempt_frequency_Hz: expected no such key, because model is "{rates.model}", which takes '
            'prefactors from the landscape; leave it out, or write model = "attempt_frequency"'
        )
    for name in ("friction", "attempt_frequency_Hz"):
        given = getattr(rates, name)
        for ion in given if isinstance(given, dict) else ():
            if ion not in deck.composition.species:
                yield f"[rates] {name}: expected ions among {', '.join(deck.composition.species)}, found {ion!r}"


def _of_overrides(deck: Deck) -> Iterator[str]:
    names = deck.composition.species
    for number, site in enumerate(deck.override.site, 1):
        where = f"[[override.site]] {number}"
        yield from _unknown_ion(where, site.species, names)
        if (site.orbit is None) == (site.label is None):
            yield f"{where}: expected either orbit or label, found {'neither' if site.orbit is None else 'both'}"
    for number, hop in enumerate(deck.override.hop, 1):
        where = f"[[override.hop]] {number}"
        yield from _unknown_ion(where, hop.species, names)
        if (hop.orbit is None) == (hop.labels is None):
            yield f"{where}: expected either orbit or labels, found {'neither' if hop.orbit is None else 'both'}"
        if hop.barrier_eV is None and hop.prefactor_Hz is None:
            yield f"{where}: expected barrier_eV, prefactor_Hz or both, found neither"
    if deck.pair and not deck.interactions.coulomb:
        yield "[[pair]] 1: expected no energies of pairs, which replace Coulomb energies, where coulomb = false"
    for number, pair in enumerate(deck.pair, 1):
        for name in pair.species:
            yield from _unknown_ion(f"[[pair]] {number}", name, names)


def _unknown_ion(where: str, name: str, names: tuple[str, ...]) -> Iterator[str]:
    if name not in names:
        yield f"{where}, species: expected one of {', '.join(names)}, found {name!r}"


def _of_scan(deck: Deck) -> Iterator[str]:
    scan, composition = deck.scan, deck.composition
    if (scan.temperatures_C is None) == (scan.temperatures_K is None):
        found = "neither" if scan.temperatures_C is None else "both"
        yield f"[scan] expected either temperatures_C or temperatures_K, found {found}"
    exchange = isinstance(composition, Exchange)
    wanted, other = ("exchange_fractions", "molarities_mol_per_L")[:: 1 if exchange else -1]
    if getattr(scan, wanted) is None:
        yield f'[scan] {wanted}: expected a list, because [composition] kind is "{composition.kind}"; found none'
    if getattr(scan, other) is not None:
        yield f'[scan] {other}: expected no such key, because [composition] kind is "{composition.kind}"'
    for name in ("exchange_fractions", "molarities_mol_per_L", "temperatures_C", "temperatures_K", "fields_V_per_cm"):
        values = getattr(scan, name)
        if values == () and name != "fields_V_per_cm":
            yield f"[scan] {name}: expected at least one value, found an empty list"
        elif values is not None and len(set(values)) < len(values):
            yield f"[scan] {name}: expected different values, found {list(values)}"


def _of_rounds(deck: Deck) -> Iterator[str]:
    """Yield what limits tasks that nothing asks for."""
    scan = deck.scan
    if scan.most_replicas is not None and scan.sigma_relative_error is None:
        yield "[scan] most_replicas: expected a key sigma_relative_error, whose limit this is; found none"
    if scan.most_replicas is not None and scan.most_replicas < scan.replicas:
        yield (
            f"[scan] most_replicas: expected at least the {scan.replicas} replicas that every task begins with, "
            f"found {scan.most_replicas}"
        )
    if scan.refine_loadings is not None and not scan.refine:
        yield "[scan] refine_loadings: expected refine = true, whose limit this is; found refine = false"
    if scan.refine and 0 < len(scan.requested) < FEWEST_LOADINGS:
        name = "exchange_fractions" if scan.exchange_fractions is not None else "molarities_mol_per_L"
        yield (
            f"[scan] {name}: expected at least {FEWEST_LOADINGS} values for refine = true, which looks for a maximum "
            f"between them; found {len(scan.requested)}"
        )


def _of_windows(deck: Deck) -> Iterator[str]:
    """Yield the windows of temperature in which no activation energy can be fitted."""
    for number, (low, high) in enumerate(deck.output.windows_C, 1):
        where = f"[output] windows_C, item {number}"
        if not low < high:
            yield f"{where}: expected a lower and a higher temperature, found [{low:g}, {high:g}]"
            continue
        inside = sum(low - _EDGE_K <= T - CELSIUS_ZERO <= high + _EDGE_K for T in deck.scan.temperatures)
        if inside < FEWEST_IN_WINDOW:
            yield (
                f"{where}: expected at least {FEWEST_IN_WINDOW} temperatures of the scan between {low:g} and {high:g} "
                f"°C, found {inside}"
            )


def _of_composition(deck: Deck) -> Iterator[str]:
    composition = deck.composition
    names = composition.species
    if twice := next((name for name in names if names.count(name) > 1), None):
        yield f"[composition] expected {['two', 'three'][len(names) - 2]} different species, found {twice} twice"
    for name in composition.treatment:
        if name not in composition.species:
            yield f"[composition.treatment] expected one of {', '.join(composition.species)}, found {name!r}"
    if all(deck.treatment(name) != "mobile" for name in composition.species):
        yield "[composition.treatment] expected at least one mobile species, found none"
    material = deck.output.compare_with
    if material != "nothing" and (composition.kind, *names[:2]) != MEASURED_WITH[material]:
        kind, first, second = MEASURED_WITH[material]
        yield (
            f'[output] compare_with: expected "nothing", because {material} was measured with {kind} of {first} and '
            f"{second} and the deck has {composition.kind} of {' and '.join(composition.species)}; "
            f"found {shown(material)}"
        )
