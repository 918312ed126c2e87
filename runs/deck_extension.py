"""More tasks for a deck: its text with more replicas, loadings or temperatures and otherwise as it was written."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from typing import Any

from runs.deck_file import DeckFile, parse_deck
from runs.deck_lines import statement_of
from structures.errors import InputError

LISTS = ("exchange_fractions", "molarities_mol_per_L", "temperatures_C", "temperatures_K")
KEYS = ("replicas", *LISTS)
Additions = Mapping[str, tuple[float, ...]]


def extended(file: DeckFile, additions: Additions) -> DeckFile:
    """Return the deck with more replicas, or with further values in the lists of its scan.

    Parameters
    ----------
    file : DeckFile
    additions : Mapping of str to tuple of float
        Keys of [scan]. `replicas` is the new number of them; the values of the others are added to those there are.

    Raises
    ------
    InputError
        If the deck has no such key or more replicas already, or the new deck is wrong.
    """
    text = file.text
    for name, values in additions.items():
        own = getattr(file.deck.scan, name)
        if own is None:
            raise InputError(f"--extend {name}: expected a key of [scan] in {file.path.name}, found none")
        if name == "replicas":
            if values[0] < own:
                raise InputError(
                    f"--extend replicas: expected at least the {own} of {file.path.name}, found {values[0]:g}"
                )
            text = _with_value(file, text, name, _number(values[0]))
        elif new := [value for value in dict.fromkeys(values) if value not in own]:
            kept = tomllib.loads(text)["scan"][name]
            text = _with_value(file, text, name, f"[{', '.join(map(_number, (*kept, *new)))}]")
    return file if text == file.text else parse_deck(file.path, text)


def _with_value(file: DeckFile, text: str, name: str, value: str) -> str:
    """Replace the value of a key of [scan]; a comment behind it on the same line stays."""
    expected: dict[str, Any] = tomllib.loads(text)
    expected["scan"][name] = tomllib.loads(f"x = {value}")["x"]
    found = statement_of(text, ("scan", name))
    if found is not None:
        first, statement = found
        comment = re.search(r"[ \t]*#[^\n]*$", statement.rstrip("\n")) if statement.count("\n") == 1 else None
        written = f"{statement.partition('=')[0].rstrip()} = {value}{comment[0] if comment else ''}\n"
        lines = text.split("\n")
        changed = [*lines[: first - 1], written.rstrip("\n"), *lines[first - 1 + statement.count("\n") :]]
        made = "\n".join(changed)
        if tomllib.loads(made) == expected:
            return made
    raise InputError(
        f"{file.path.name}: expected a table [scan] with a line that begins with '{name} =', which --extend can "
        "change; found it written in another way"
    )


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)
