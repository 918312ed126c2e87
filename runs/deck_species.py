"""From the species tables of a deck to ions: shipped ones, shipped ones with other values, and ions of the user."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from runs.deck import Deck, SpeciesTable
from structures.errors import InputError
from structures.species import SHIPPED_SPECIES, Bead, Species

_FIELDS = {
    "charge": "charge",
    "mass_amu": "mass",
    "lj_epsilon_eV": "lj_epsilon",
    "lj_sigma_A": "lj_sigma",
    "beads": "beads",
    "contact_radius_A": "contact_radius",
}
_SINGLE_BEAD = ("lj_epsilon_eV", "lj_sigma_A")
_NEEDED = ("mass_amu", "contact_radius_A")


def deck_species(deck: Deck) -> tuple[Species, ...]:
    """Return the ions of the composition, shipped values overridden by the deck's."""
    return tuple(ion_of_deck(name, deck.species.get(name)) for name in deck.composition.species)


def ion_of_deck(name: str, table: SpeciesTable | None) -> Species:
    """Return the ion of a name: shipped, or as its table in the deck says.

    Raises
    ------
    InputError
        If it is neither shipped nor given whole, or its values do not go together.
    """
    shipped = SHIPPED_SPECIES.get(name)
    if table is None:
        if shipped is not None:
            return shipped
        known = ", ".join(SHIPPED_SPECIES)
        raise InputError(f'[composition] expected {known} or a table [species."{name}"], found {name!r}')
    ion = _unscaled(name, shipped, table)
    return ion if table.size_factor in (None, 1.0) else resized(ion, table.size_factor, table.source)


def resized(ion: Species, factor: float, source: str) -> Species:
    """Return the ion with all its lengths multiplied: Lennard-Jones diameters, places of beads, contact radius."""
    beads = []
    for bead in ion.beads:
        x, y, z = (factor * length for length in bead.position)
        beads.append(replace(bead, lj_sigma=factor * bead.lj_sigma, position=(x, y, z)))
    remark = f"all lengths times {factor:g} by the {source}, contact radius {factor * ion.contact_radius:.3g} Å"
    return Species(
        name=ion.name,
        charge=ion.charge,
        mass=ion.mass,
        contact_radius=factor * ion.contact_radius,
        source=f"{ion.source}; {remark}",
        beads=beads,
    )


def _unscaled(name: str, shipped: Species | None, table: SpeciesTable) -> Species:
    given = {key: getattr(table, key) for key in _FIELDS if getattr(table, key) is not None}
    if "beads" in given:
        _refuse_both_shapes(name, given)
        given["beads"] = tuple(
            Bead(bead.name, bead.position_A, bead.charge, bead.lj_epsilon_eV, bead.lj_sigma_A)
            for bead in table.beads or ()
        )
        given.setdefault("charge", round(sum(bead.charge for bead in given["beads"]), 9))
    elif shipped is None:
        _require_whole(name, given)
    if shipped is None and (missing := [key for key in _NEEDED if key not in given]):
        raise _incomplete(name, missing)
    values = {_FIELDS[key]: value for key, value in given.items()}
    try:
        if shipped is None:
            return Species(name=name, source=table.source, **values)
        return _changed(shipped, table, values) if values else shipped
    except InputError as error:
        fault = str(error).removeprefix(f"species {name}: ").removeprefix(f"species {name}, ")
        raise InputError(f'[species."{name}"] {fault}') from None


def _changed(shipped: Species, table: SpeciesTable, values: dict[str, Any]) -> Species:
    told = {key: getattr(table, key) for key, field in _FIELDS.items() if field in values}
    parts = [
        f"{len(table.beads or ())} beads" if key == "beads" else f"{key} = {value:g}"
        for key, value in told.items()
        if value is not None
    ]
    return replace(shipped, source=f"{shipped.source}; changed by the {table.source}: {', '.join(parts)}", **values)


def _refuse_both_shapes(name: str, given: dict[str, Any]) -> None:
    beside = [key for key in _SINGLE_BEAD if key in given]
    if not given["beads"]:
        raise InputError(f'[species."{name}"] beads: expected at least one bead, found an empty list')
    if beside:
        raise InputError(
            f'[species."{name}"] {" and ".join(beside)}: expected no such key beside beads, each of which has its own'
        )


def _require_whole(name: str, given: dict[str, Any]) -> None:
    """Refuse an ion of the user without charge, mass, shape or radius."""
    needed = ("charge", "mass_amu", *_SINGLE_BEAD, "contact_radius_A")
    if missing := [key for key in needed if key not in given]:
        raise _incomplete(name, missing)


def _incomplete(name: str, missing: list[str]) -> InputError:
    alternative = " (or beads)" if set(missing) >= set(_SINGLE_BEAD) else ""
    return InputError(
        f'[species."{name}"] expected all values of an ion that is not shipped, '
        f"missing: {', '.join(missing)}{alternative}"
    )
