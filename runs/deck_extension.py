"""More tasks for a deck: its text with more replicas, loadings or temperatures and otherwise as it was written."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from typing import Any

from runs.deck import Deck
from runs.deck_file import DeckFile, parse_deck
from runs.deck_lines import statement_of
from structures.errors import InputError

LISTS = ("exchange_fractions", "molarities_mol_per_L", "temperatures_C", "temperatures_K", "fields_V_per_cm")
COUNTS = ("replicas", "most_replicas", "refine_loadings")
# Keys that a deck need not have already.
NEW = ("most_replicas", "sigma_relative_error", "refine", "refine_loadings", "fields_V_per_cm")
KEYS = ("replicas", *LISTS, "sigma_relative_error", "most_replicas", "refine_loadings")
Additions = Mapping[str, tuple[float, ...]]


def extended(file: DeckFile, additions: Additions) -> DeckFile:
    """Return the deck with more replicas, or with further values in the lists of its scan.

    Parameters
    ----------
    file : DeckFile
    additions : Mapping of str to tuple of float
        Keys of [scan]. The values of lists are added to those there are; the others have one, which is the new one.

    Raises
    ------
    InputError
        If the deck has no such key or asks for more already, or the new deck is wrong.
    """
    text = file.text
    for name, values in additions.items():
        own = getattr(file.deck.scan, name)
        if own is None and name not in NEW:
            raise InputError(f"--extend {name}: expected a key of [scan] in {file.path.name}, found none")
        if name not in LISTS:
            less = own is not None and (values[0] > own if name == "sigma_relative_error" else values[0] < own)
            if less:
                most = "at most" if name == "sigma_relative_error" else "at least"
                raise InputError(f"--extend {name}: expected {most} the {own} of {file.path.name}, found {values[0]:g}")
            value = "true" if name == "refine" else _number(values[0])
            text = _with_value(file, text, name, value) if values[0] != own else text
        elif new := [value for value in dict.fromkeys(values) if value not in own]:
            kept = tomllib.loads(text)["scan"].get(name, ())
            text = _with_value(file, text, name, f"[{', '.join(map(_number, (*kept, *new)))}]")
    return file if text == file.text else parse_deck(file.path, text)


def no_smaller(file: DeckFile, other: Deck, keys: Iterable[str]) -> DeckFile:
    """Return the deck extended by what another one has more in some keys of [scan].

    Raises
    ------
    InputError
        As `extended`.
    """
    additions = {}
    for name in keys:
        own, value = getattr(file.deck.scan, name), getattr(other.scan, name)
        if name in LISTS:
            additions[name] = value
        elif value is not None and (own is None or (value < own) == (name == "sigma_relative_error")):
            additions[name] = (value,)
    return extended(file, additions)


def _with_value(file: DeckFile, text: str, name: str, value: str) -> str:
    """Replace the value of a key of [scan], or write the key behind the replicas if there is none.

    A comment behind it on the same line stays.
    """
    expected: dict[str, Any] = tomllib.loads(text)
    expected["scan"][name] = tomllib.loads(f"x = {value}")["x"]
    lines = text.split("\n")
    if (found := statement_of(text, ("scan", name))) is not None:
        first, statement = found
        comment = re.search(r"[ \t]*#[^\n]*$", statement.rstrip("\n")) if statement.count("\n") == 1 else None
        written = f"{statement.partition('=')[0].rstrip()} = {value}{comment[0] if comment else ''}"
        lines[first - 1 : first - 1 + statement.count("\n")] = [written]
    elif name in NEW and (replicas := statement_of(text, ("scan", "replicas"))) is not None:
        first, statement = replicas
        lines.insert(first - 1 + statement.count("\n"), f"{name} = {value}")
    made = "\n".join(lines)
    if tomllib.loads(made) == expected:
        return made
    raise InputError(
        f"{file.path.name}: expected a table [scan] with a line that begins with '{name} =', which --extend can "
        "change; found it written in another way"
    )


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)
