"""What is wrong with the keys of a deck, in one line each: where, what was expected, what was found, what was meant."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic_core import ErrorDetails

from runs.deck import Deck
from runs.deck_keys import Table, field_extra, tables_in

# Keys that have another name or place than a user may expect.
_ELSEWHERE = {
    (
        "landscape",
        "merge_barrier_eV",
    ): "write persistence_kT, a multiple of kT at the lowest temperature (2.5 is usual)",
    ("landscape", "eps_r"): "write permittivity",
    ("kmc", "attempt_frequency_Hz"): 'it belongs in [rates], beside model = "attempt_frequency"',
}
_WITH_LISTS = ("override", "calibrate", "calibrated")  # tables of lists of tables
_LONGEST = 80  # characters of a value that are shown
# What pydantic asks for, in the words of the deck.
_IN_WORDS = {
    "a valid integer": "a whole number",
    "a valid number": "a number",
    "a valid string": "text in quotes",
    "a valid boolean": "true or false",
    "a valid list": "a list",
    "a valid dictionary": "a table",
}


def fault_line(details: ErrorDetails, root: type[Table] = Deck) -> str:
    """One line of text for one pydantic error in a file of the tables that `root` declares."""
    where, of_kind = list(details["loc"]), ""
    if where[:1] == ["composition"] and where[1:2] and where[1] in ("exchange", "salt"):
        of_kind = str(where.pop(1))
    kind, found = details["type"], details["input"]
    if kind == "extra_forbidden":
        return _unknown_key(where, of_kind, root)
    place = _place(where)
    if kind == "missing" and isinstance(found, Mapping):
        wanted = "this table" if len(where) == 1 else f"a value{_range(where, root)}"
        return f"{place}: expected {wanted}, found none"
    if kind == "missing":
        return f"{_place(where[:-1])}: expected more values, found {shown(found)}"
    if kind.startswith("union_tag"):
        found_kind = found.get("kind") if isinstance(found, Mapping) else None
        return f'[composition] kind: expected "exchange" or "salt", found {shown(found_kind)}'
    if kind == "range":
        return f"{place}{details['msg']}"
    if kind == "expected":
        return f"{place}: expected {details['msg']}, found {shown(found)}"
    wanted = _wanted(details["msg"])
    return f"{place}: expected {wanted}{_range(where, root) if 'number' in wanted else ''}, found {shown(found)}"


def _range(where: list[str | int], root: type[Table]) -> str:
    """Range and unit of a key, or of the numbers in its list; empty if it has none."""
    while where and isinstance(where[-1], int):
        where = where[:-1]
    for extra in _extras(where, root):
        limits = f" {extra['within'][0]:g} to {extra['within'][1]:g}" if extra.get("within") else ""
        if limits or extra.get("unit"):
            return f"{' of' if limits else ' in'}{limits} {extra.get('unit', '')}".rstrip()
    return ""


def _wanted(message: str) -> str:
    plain = message.removeprefix("Input should be ").replace("tuple", "list")
    return next((words for beginning, words in _IN_WORDS.items() if plain.startswith(beginning)), plain)


def _tables(where: list[str | int], root: type[Table]) -> list[type[Table]]:
    """Tables that may declare the last of these names."""
    found: list[type[Table]] = [root]
    for part in where[:-1]:
        declaring = [table for table in found if part in table.model_fields]
        if declaring:
            found = [t for table in declaring for t in tables_in(table.model_fields[str(part)].annotation)]
    return found


def _extras(where: list[str | int], root: type[Table]) -> list[dict[str, Any]]:
    return [field_extra(table, str(where[-1])) for table in _tables(where, root)]


def _place(where: list[str | int]) -> str:
    """Table and key as they stand in the file: `[scan] replicas`, `[[override.site]] 2, energy_eV`."""
    if len(where) == 1:
        return f"[{where[0]}]"
    head, rest = _table_name(where)
    return f"{head} {'.'.join(_numbered(rest))}".rstrip()


def _table_name(where: list[str | int]) -> tuple[str, list[str | int]]:
    """Heading of the table of a key, and what of the place is left."""
    if where[0] == "species":
        return f'[species."{where[1]}"]', where[2:]
    if where[0] in _WITH_LISTS and len(where) > 2 and isinstance(where[2], int):
        return f"[[{where[0]}.{where[1]}]] {where[2] + 1},", where[3:]
    if isinstance(where[1], int):
        return f"[[{where[0]}]] {where[1] + 1},", where[2:]
    return f"[{where[0]}]", where[1:]


def _numbered(parts: list[str | int]) -> list[str]:
    """Name the parts of a key, counting from one: beads.2.charge."""
    return [str(part + 1) if isinstance(part, int) else part for part in parts]


def _unknown_key(where: list[str | int], of_kind: str, root: type[Table]) -> str:
    name = str(where[-1])
    if len(where) == 1:
        return f"unknown table [{name}]{_nearest(name, root.model_fields, '[{}]')}"
    head, rest = _table_name(where)
    known = {known_name: None for table in _tables(where, root) for known_name in table.model_fields}
    if name in known:  # of the other kind
        return f'{head} {name}: expected no such key where kind is "{of_kind}"'
    instead = _ELSEWHERE.get((str(where[0]), name))
    hint = f"; {instead}" if instead else _nearest(name, known)
    inside = f"{'.'.join(_numbered(rest[:-1]))}: " if rest[:-1] else ""
    return f"{head} {inside}unknown key {name}{hint}"


def _nearest(name: str, known: Iterable[str], shape: str = "{}") -> str:
    """Name the closest valid key, or list all of them."""
    names = list(known)
    folded = {candidate.lower(): candidate for candidate in names}
    close = difflib.get_close_matches(name.lower(), folded, n=1, cutoff=0.5)
    if close:
        return f"; did you mean {shape.format(folded[close[0]])}?"
    return f"; expected one of {', '.join(shape.format(candidate) for candidate in names)}"


def shown(found: Any) -> str:
    """Print a value of the deck as the deck writes it."""
    if isinstance(found, Mapping):
        return "a table"
    if isinstance(found, tuple) and any(isinstance(item, Mapping) for item in found):
        return "a list of tables"
    if isinstance(found, tuple):
        return f"[{', '.join(shown(item) for item in found)}]"
    if isinstance(found, bool):
        return str(found).lower()
    text = json.dumps(found, ensure_ascii=False) if isinstance(found, str) else str(found)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ..."
