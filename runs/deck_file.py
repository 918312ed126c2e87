"""From a TOML file to a deck: everything that is wrong with it at once, one line each."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from runs.deck import MEASURED_WITH, Deck, Exchange, SpeciesTable, field_extra
from structures.errors import InputError
from structures.library import LIBRARY, library_cif
from structures.species import SHIPPED_SPECIES, Species

SHIPPED_DECKS = Path(__file__).parent / "decks"
_SPECIES_KEYS = {
    "charge": "charge",
    "mass_amu": "mass",
    "lj_epsilon_eV": "lj_epsilon",
    "lj_sigma_A": "lj_sigma",
    "contact_radius_A": "contact_radius",
}


class DeckError(InputError):
    """A deck that cannot be run; its text has one line per fault."""


@dataclass(frozen=True, slots=True)
class DeckFile:
    """A deck that has been read and checked.

    Attributes
    ----------
    name : str
        File name without its ending; names the output folder.
    path : Path
    text : str
        The file as it was written, copied into every result.
    deck : Deck
    """

    name: str
    path: Path
    text: str
    deck: Deck

    @property
    def cif(self) -> str:
        """The CIF as `load_framework` takes it: a path from the deck's folder, or else the name of a shipped one."""
        given = self.deck.structure.cif
        beside = self.path.parent / given
        if given in LIBRARY and not beside.is_file():
            return str(library_cif(given))
        return str(beside)


def find_deck(given: str) -> tuple[Path, str | None]:
    """Return the file that `given` means, and a remark if it is a shipped one.

    A bare name, with or without its ending, stands for a shipped deck where there is no such file; a path never does.

    Raises
    ------
    InputError
        If there is neither a file of this name nor a shipped deck.
    """
    path = Path(given)
    if path.exists() and not path.is_dir():
        return path, None
    shipped = SHIPPED_DECKS / f"{path.stem}.toml"
    if given in (shipped.stem, shipped.name) and shipped.exists():
        return shipped, f"no file {given}: using the deck that comes with mofkmc, {shipped}"
    names = ", ".join(sorted(p.stem for p in SHIPPED_DECKS.glob("*.toml")))
    found = "a folder" if path.is_dir() else "no such file"
    raise InputError(f"{given}: expected a TOML deck or the name of a shipped one ({names}), found {found}")


def read_deck(path: Path) -> DeckFile:
    """Read and check a deck.

    Raises
    ------
    DeckError
        With one line for every fault in the file.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        data = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "bytes that are not UTF-8 text"
        raise DeckError(f"{path}: expected a readable TOML file, found: {reason}") from None
    except tomllib.TOMLDecodeError as error:
        raise DeckError(f"{path.name}: expected TOML, found: {error}") from None
    try:
        deck = Deck.model_validate(_lists_to_tuples(data))
    except ValidationError as error:
        faults = [_fault(details) for details in error.errors()]
        raise DeckError(_lines(path.name, faults)) from None
    if faults := list(_contradictions(deck)):
        raise DeckError(_lines(path.name, faults))
    return DeckFile(name=path.stem, path=path, text=text, deck=deck)


def deck_species(deck: Deck) -> tuple[Species, ...]:
    """Return the two ions of the composition, shipped values overridden by the deck's."""
    return tuple(_species(name, deck.species.get(name)) for name in deck.composition.species)


def _species(name: str, table: SpeciesTable | None) -> Species:
    shipped = SHIPPED_SPECIES.get(name)
    given = {} if table is None else {field: getattr(table, field) for field in _SPECIES_KEYS}
    given = {field: value for field, value in given.items() if value is not None}
    if shipped is not None and (table is None or not given):
        return shipped
    if shipped is not None and table is not None:
        changed = ", ".join(f"{field} = {value:g}" for field, value in given.items())
        values: dict[str, Any] = {_SPECIES_KEYS[field]: value for field, value in given.items()}
        return replace(shipped, source=f"{shipped.source}; changed by the {table.source}: {changed}", **values)
    missing = [field for field in _SPECIES_KEYS if field not in given]
    if table is None:
        known = ", ".join(SHIPPED_SPECIES)
        raise InputError(f'[composition] expected {known} or a table [species."{name}"], found {name!r}')
    if missing:
        raise InputError(
            f'[species."{name}"] expected all values of an ion that is not shipped, missing: {", ".join(missing)}'
        )
    return Species(name=name, source=table.source, **{_SPECIES_KEYS[field]: value for field, value in given.items()})


def _contradictions(deck: Deck) -> Iterable[str]:
    """Yield what is wrong although every key is right by itself."""
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
    for name in ("exchange_fractions", "molarities_mol_per_L", "temperatures_C", "temperatures_K"):
        values = getattr(scan, name)
        if values == ():
            yield f"[scan] {name}: expected at least one value, found an empty list"
        elif values is not None and len(set(values)) < len(values):
            yield f"[scan] {name}: expected different values, found {list(values)}"
    if composition.species[0] == composition.species[1]:
        yield f"[composition] expected two different species, found {composition.species[0]} twice"
    for name in composition.treatment:
        if name not in composition.species:
            yield f"[composition.treatment] expected one of {', '.join(composition.species)}, found {name!r}"
    if all(deck.treatment(name) != "mobile" for name in composition.species):
        yield "[composition.treatment] expected at least one mobile species, found none"
    material = deck.output.compare_with
    if material != "nothing" and (composition.kind, *composition.species) != MEASURED_WITH[material]:
        kind, first, second = MEASURED_WITH[material]
        yield (
            f'[output] compare_with: expected "nothing", because {material} was measured with {kind} of {first} and '
            f"{second} and the deck has {composition.kind} of {' and '.join(composition.species)}; "
            f"found {_shown(material)}"
        )
    for name in (*deck.species, *composition.species):
        try:
            _species(name, deck.species.get(name))
        except InputError as error:
            yield str(error)


def _lines(file_name: str, faults: Iterable[str]) -> str:
    return "\n".join(f"{file_name}: {fault}" for fault in dict.fromkeys(faults))


def _lists_to_tuples(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _lists_to_tuples(item) for name, item in value.items()}
    return tuple(_lists_to_tuples(item) for item in value) if isinstance(value, list) else value


def _fault(details: ErrorDetails) -> str:
    """One line of text for one pydantic error."""
    where = [str(part) for part in details["loc"]]
    if where[:1] == ["composition"] and where[1:2] and where[1] in ("exchange", "salt"):
        del where[1]
    kind, found = details["type"], details["input"]
    if kind == "extra_forbidden":
        return _unknown_key(where)
    model, place = _place(where)
    if kind == "missing" and isinstance(found, Mapping):
        unit = field_extra(model, where[-1]).get("unit") if model else ""
        wanted = "this table" if len(where) == 1 else f"a value in {unit}" if unit else "a value"
        return f"{place}: expected {wanted}, found none"
    if kind == "missing":
        return f"{place.rpartition('.')[0]}: expected more values, found {_shown(found)}"
    if kind.startswith("union_tag"):
        found_kind = found.get("kind") if isinstance(found, Mapping) else None
        return f'[composition] kind: expected "exchange" or "salt", found {_shown(found_kind)}'
    if kind == "range":
        return f"{place}{details['msg']}"
    expected = details["msg"].removeprefix("Input should be ").replace("tuple", "list")
    return f"{place}: expected {expected}, found {_shown(found)}"


def _place(where: list[str]) -> tuple[type[BaseModel] | None, str]:
    """Return the table that declares the key, and "[table] key" for the message."""
    if len(where) == 1:
        return None, f"[{where[0]}]"
    if where[0] == "species":
        return SpeciesTable, f'[species."{where[1]}"] ' + ".".join(where[2:])
    annotation = Deck.model_fields[where[0]].annotation
    tables = [table for table in (annotation, *get_args(annotation)) if isinstance(table, type)]
    declaring = [table for table in tables if issubclass(table, BaseModel) and where[1] in table.model_fields]
    return (declaring[0] if declaring else None), f"[{where[0]}] " + ".".join(where[1:])


def _unknown_key(where: list[str]) -> str:
    name = where[-1]
    if len(where) == 1:
        return f"unknown table [{name}]{_nearest(name, Deck.model_fields, '[{}]')}"
    known: dict[str, Any] = {}
    if where[0] == "species":
        known |= SpeciesTable.model_fields
    else:
        annotation = Deck.model_fields[where[0]].annotation
        for table in (annotation, *get_args(annotation)):
            known |= table.model_fields if isinstance(table, type) and issubclass(table, BaseModel) else {}
    table_name = f'species."{where[1]}"' if where[0] == "species" else where[0]
    return f"[{table_name}] unknown key {name}{_nearest(name, known)}"


def _nearest(name: str, known: Iterable[str], shape: str = "{}") -> str:
    """Name the closest valid key, or list all of them."""
    names = list(known)
    folded = {candidate.lower(): candidate for candidate in names}
    close = difflib.get_close_matches(name.lower(), folded, n=1, cutoff=0.5)
    if close:
        return f"; did you mean {shape.format(folded[close[0]])}?"
    return f"; expected one of {', '.join(shape.format(candidate) for candidate in names)}"


def _shown(found: Any) -> str:
    if isinstance(found, Mapping):
        return "a table"
    return f'"{found}"' if isinstance(found, str) else str(list(found) if isinstance(found, tuple) else found)
