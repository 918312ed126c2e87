"""From the deck's tables [calibrate] to what is fitted, to what, and which of it needs no simulation."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from analysis.calibration import Range, Relation, Target
from analysis.experiments import MeasuredConductivity, measured
from lattice.network import ATTEMPT_FREQUENCY
from runs.deck import Deck, Exchange
from runs.deck_calibrate import Calibrate, FittedParameter
from runs.deck_file import DeckFile
from runs.deck_override import names_of, with_values
from structures.errors import InputError
from structures.units import CELSIUS_ZERO

TABLES = ("structure", "species", "landscape", "rates", "composition")  # that hold numbers of the model
NEAR_K = 0.06  # of the temperature of a measurement
QUICK_POINTS, QUICK_SHARE = 10, 3  # of a quick calibration: sets of parameters; replicas and hops of each are so few
_FACTORS = {"friction": 1.0, "attempt_frequency_Hz": ATTEMPT_FREQUENCY}  # keys of [rates] and what those left out have


@dataclass(frozen=True, eq=False, slots=True)
class CalibrationPlan:
    """What is fitted to what.

    Attributes
    ----------
    file : DeckFile
        With fewer replicas and hops where the calibration is quick.
    ranges : tuple of Range
    choices : tuple of Mapping of str to float
        Values of the parameters that have only a few, all combinations; one that is empty if there are none.
    targets : tuple of Target
    relations : tuple of Relation
        One for every target.
    points : int
        Sets of parameters of each choice.
    quick : bool
    """

    file: DeckFile
    ranges: tuple[Range, ...]
    choices: tuple[Mapping[str, float], ...]
    targets: tuple[Target, ...]
    relations: tuple[Relation, ...]
    points: int
    quick: bool

    @property
    def table(self) -> Calibrate:
        """The deck's table [calibrate]."""
        found = self.file.deck.calibrate
        assert found is not None
        return found

    @property
    def material(self) -> str:
        """Whose measurements these are."""
        return self.file.deck.output.compare_with

    @property
    def simulated(self) -> bool:
        """Whether any parameter has to be simulated; if not, one set of them tells everything."""
        return any(relation.simulated for relation in self.relations)


def plan_calibration(file: DeckFile, *, quick: bool = False) -> CalibrationPlan:
    """Find out what is fitted to what.

    Raises
    ------
    InputError
        With one line for everything in the deck's table that cannot be fitted.
    """
    table = file.deck.calibrate
    if table is None:
        raise InputError(
            f"{file.path.name}: expected a table [calibrate] with what is fitted to what, found none; "
            "`mofkmc init ni_mof_calibration` prints an example"
        )
    faults = [*_of_measurements(file.deck), *(line for n, p in enumerate(table.parameter) for line in _of_key(file, n))]
    if faults:
        raise InputError(file.located(faults))
    ranges = tuple(Range(p.key, *p.range, log=p.scale == "log") for p in table.parameter if p.range is not None)
    choices = tuple(
        dict(zip((p.key for p in table.choices), values, strict=True))
        for values in product(*(p.values or () for p in table.choices))
    )
    targets = tuple(_targets(file.deck, table))
    relations = tuple(relation_of(file, ranges, target.exchange) for target in targets)
    total = min(table.points, QUICK_POINTS) if quick else table.points
    each = math.ceil(total / len(choices)) if any(relation.simulated for relation in relations) else 1
    return CalibrationPlan(_quicker(file) if quick else file, ranges, choices, targets, relations, each, quick)


def _quicker(file: DeckFile) -> DeckFile:
    scan, kmc = file.deck.scan, file.deck.kmc
    values: dict[str, Any] = {
        "scan.replicas": max(scan.replicas // QUICK_SHARE, 3),
        "kmc.events": max(kmc.events // QUICK_SHARE, 1000),
        "scan.sigma_relative_error": None,
        "scan.most_replicas": None,
    }
    return with_values(file, values)


def _of_measurements(deck: Deck) -> Iterator[str]:
    """Yield the targets that were not measured."""
    table, material = deck.calibrate, deck.output.compare_with
    if material == "nothing":
        yield '[output] compare_with: expected the material whose measurements are fitted to, found "nothing"'
        return
    if not isinstance(deck.composition, Exchange):
        yield (
            f'[composition] kind: expected "exchange", because measurements are fitted to at their exchange fraction; '
            f'found "{deck.composition.kind}"'
        )
        return
    known = measured(material)
    for number, target in enumerate(table.target if table else (), 1):
        where = f"[[calibrate.target]] {number}"
        of_sample = [point for point in known if point.sample == target.sample]
        if not of_sample:
            names = ", ".join(dict.fromkeys(point.sample for point in known)) or "none"
            yield f"{where}, sample: expected one of {names} ({material}), found {target.sample}"
        elif not (at := [p for p in of_sample if _same(p, target.temperature_C)]):
            there = ", ".join(f"{point.temperature - CELSIUS_ZERO:g}" for point in of_sample)
            yield (
                f"{where}, temperature_C: expected one of {there}, at which a conductivity of {target.sample} is "
                f"printed, found {target.temperature_C:g}"
            )
        elif at[0].exchange is None and target.exchange is None:
            yield f"{where}, sample: expected one with an exchange fraction, found {target.sample} without"


def _same(point: MeasuredConductivity, celsius: float) -> bool:
    return abs(point.temperature - CELSIUS_ZERO - celsius) < NEAR_K


def _targets(deck: Deck, table: Calibrate) -> Iterator[Target]:
    known = measured(deck.output.compare_with)
    for target in table.target:
        point = next(p for p in known if p.sample == target.sample and _same(p, target.temperature_C))
        error = point.relative_error or table.measured_relative_error
        exchange = point.exchange if target.exchange is None else target.exchange
        yield Target(point.sample, float(exchange or 0.0), point.temperature, point.sigma, error)


def _of_key(file: DeckFile, number: int) -> Iterator[str]:
    """Yield what is wrong with the key of a parameter, or with its values."""
    given: FittedParameter = file.deck.calibrate.parameter[number]  # type: ignore[union-attr]
    where = f"[[calibrate.parameter]] {number + 1}"
    try:
        names = names_of(given.key)
    except InputError as error:
        yield f"{where}, key: {error}"
        return
    if names[0] not in TABLES:
        known = ", ".join(f"[{name}]" for name in TABLES)
        yield f"{where}, key: expected a number of the model, in one of {known}, found {given.key}"
        return
    found = value_of(file, names)
    if isinstance(found, bool | str | list | tuple | Mapping):
        yield f"{where}, key: expected a key that holds a number, found {given.key} = {_shown(found)}"
        return
    if fault := _of_factor(file, names):
        yield f"{where}, key: {fault}"
        return
    for value in given.range or given.values or ():
        try:
            with_values(file, {given.key: value})
        except InputError as error:
            name = "range" if given.range is not None else "values"
            said = str(error).splitlines()[0].removeprefix(f"{file.path.name}:").lstrip("0123456789: ")
            yield f"{where}, {name}: {value:g} is not possible: {said}"
            return


def _of_factor(file: DeckFile, names: tuple[str, ...]) -> str:
    """Say that a factor by ion would take away one that holds for all."""
    if len(names) != 3 or names[0] != "rates" or names[1] not in _FACTORS:
        return ""
    held = value_of(file, names[:2])
    usual = _FACTORS[names[1]]
    if isinstance(held, int | float) and held != usual:
        return f"expected [rates] {names[1]} to be a table by ion, found {held:g} for all ions"
    return ""


def value_of(file: DeckFile, names: tuple[str, ...]) -> Any:
    """Value of a key in the text of a deck, else its default; None where there is neither."""
    content: Any = tomllib.loads(file.text)
    for name in names:
        content = content.get(name) if isinstance(content, Mapping) else None
    if content is not None:
        return content
    declared: Any = file.deck
    for name in names:
        declared = declared.get(name) if isinstance(declared, Mapping) else getattr(declared, name, None)
    return declared


def _shown(found: Any) -> str:
    if isinstance(found, Mapping):
        return "a table"
    return (
        "a list" if isinstance(found, list | tuple) else str(found).lower() if found in (True, False) else f'"{found}"'
    )


def relation_of(file: DeckFile, ranges: tuple[Range, ...], exchange: float) -> Relation:
    """Find what of the dependence of sigma at an exchange fraction is exact.

    A factor on all rates multiplies sigma. So does one on the rates of an ion where no other moves; where several move
    and each has a factor that is fitted, only ratios of them matter beside that. The factor of an ion that is not there
    or does not move has no influence: frozen or not, equilibrium does not depend on it. None of this is exact where the
    user has set prefactors of single hops.
    """
    everything = tuple(range(len(ranges)))
    deck = file.deck
    common = [k for k in everything if _factor(ranges[k].key, deck) == ""]
    of_ion = {ion: k for k in everything if (ion := _factor(ranges[k].key, deck))}
    mobile = mobile_ions(deck, exchange)
    without = tuple(k for ion, k in of_ion.items() if ion not in mobile)
    if _sets_prefactors(file):
        return Relation(tuple(k for k in everything if k not in without))
    own = tuple(k for k in everything if k not in common and k not in of_ion.values())
    active = [of_ion[ion] for ion in mobile if ion in of_ion]
    if common:
        return Relation((*own, *active), scale=common[0])
    if active and len(active) == len(mobile):
        return Relation(own, scale=active[0], ratios=tuple(active[1:]))
    return Relation((*own, *active))


def _factor(key: str, deck: Deck) -> str | None:
    """Ion whose rates a key multiplies, empty for all ions; None for keys that do something else."""
    names = names_of(key)
    wanted = "attempt_frequency_Hz" if deck.rates.model == "attempt_frequency" else "friction"
    if names[:2] != ("rates", wanted):
        return None
    return names[2] if len(names) > 2 else ""


def mobile_ions(deck: Deck, exchange: float) -> list[str]:
    """Ions that hop at an exchange fraction."""
    composition = deck.composition
    assert isinstance(composition, Exchange)
    salt = composition.uptake is not None and composition.uptake.mol_per_L > 0
    there = {
        composition.entering: exchange > 0 or salt,
        composition.leaving: exchange < 1,
    }
    names = [name for name in composition.species if there.get(name, salt)]
    return [name for name in names if deck.treatment(name) == "mobile"]


def _sets_prefactors(file: DeckFile) -> bool:
    """Whether the user has set prefactors of single hops, in the deck or in a list of sites."""
    if any(hop.prefactor_Hz is not None for hop in file.deck.override.hop):
        return True
    sites = file.deck.structure.sites
    return sites is not None and "prefactor_Hz" in file.beside(sites).read_text(encoding="utf-8", errors="replace")
