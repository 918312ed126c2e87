"""A deck with other values for some of its keys: its text rewritten and checked again, comments kept."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from runs.deck_file import DeckFile, parse_deck
from structures.errors import InputError

if TYPE_CHECKING:
    from tomlkit.items import AbstractTable


def with_values(file: DeckFile, values: Mapping[str, Any]) -> DeckFile:
    """Return the deck with other values.

    Parameters
    ----------
    file : DeckFile
    values : Mapping of str to value
        By dotted keys as TOML writes them, 'landscape.permittivity' or 'rates.friction."Li+"'; None takes the key out.
        A key of a table in place of a number makes it a table.

    Raises
    ------
    InputError
        If a key is none, or leads into a list; and with one line for every fault in the deck that results.
    """
    import tomlkit

    if not values:
        return file
    document = tomlkit.parse(file.text)
    for key, value in values.items():
        *tables, name = names_of(key)
        table: AbstractTable | tomlkit.TOMLDocument = document
        for depth, inner in enumerate(tables, 1):
            found = table.get(inner)
            if isinstance(found, list):
                raise InputError(f"{key}: expected a key of a table, found a list at {'.'.join(tables[:depth])}")
            if not isinstance(found, dict):
                table[inner] = tomlkit.inline_table() if depth > 1 else tomlkit.table()
            table = table[inner]
        if value is None:
            table.pop(name, None)
        else:
            table[name] = _plain(value)
    return parse_deck(file.path, tomlkit.dumps(document))


def names_of(key: str) -> tuple[str, ...]:
    """Names in a dotted key; 'rates.friction."Li+"' gives three.

    Raises
    ------
    InputError
        If TOML would not take it as the place of one key.
    """
    try:
        content: Any = tomllib.loads(f"{key} = 0")
    except tomllib.TOMLDecodeError:
        content = {}
    names: list[str] = []
    while isinstance(content, dict) and len(content) == 1:
        name, content = next(iter(content.items()))
        names.append(name)
    if content != 0 or len(names) < 2:
        raise InputError(
            f"{key}: expected the name of a table and a key, with a dot between them, such as landscape.permittivity; "
            'names with signs stand in quotation marks, rates.friction."Li+"'
        )
    return tuple(names)


def _plain(value: Any) -> Any:
    """Give tuples as the lists of TOML."""
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, tuple | list) else value
