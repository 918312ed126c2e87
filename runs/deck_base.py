"""A deck that is another one with some values changed: `base = "other.toml"` above its tables."""

from __future__ import annotations

import os
import re
from collections.abc import MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runs.deck_file import DeckError, parse_toml, read_text

if TYPE_CHECKING:
    import tomlkit

_DEEPEST = 8  # decks based on each other


def put_over_base(path: Path, text: str) -> str:
    """Return the whole deck: the text of its base with the values of this one.

    Tables are merged key by key; lists and [[tables]] are replaced. Paths in the base are turned so that they lead to
    the same files from the folder of the deck.

    Parameters
    ----------
    path : Path
        Of the deck; its base is looked for from its folder.
    text : str

    Raises
    ------
    DeckError
        If a base is not there, is no TOML, or leads back to a deck that is based on it.
    """
    import tomlkit

    chain: list[tuple[Path, str]] = [(path, text)]
    while (base := parse_toml(*chain[-1]).get("base")) is not None:
        last = chain[-1][0]
        if not isinstance(base, str):
            raise DeckError(
                f"{last.name}:{_line_of_base(chain[-1][1])}: base: expected the path of a deck, found {base!r}"
            )
        following = last.parent / base
        if not following.is_file():
            raise DeckError(
                f"{last.name}:{_line_of_base(chain[-1][1])}: base: expected a deck, found no file {following}"
            )
        if len(chain) == _DEEPEST or following.resolve() in {file.resolve() for file, _ in chain}:
            raise DeckError(f"{last.name}: base: expected decks that end in one without a base, found {base} again")
        chain.append((following, read_text(following)))
    whole = tomlkit.parse(chain[-1][1])
    for file, own in reversed(chain[:-1]):
        _turn_paths(whole, os.path.relpath(chain[-1][0].parent, file.parent))
        changes = tomlkit.parse(own)
        del changes["base"]
        _merge(whole, changes)
        chain.pop()
    above = text.split("\n")[: _line_of_base(text) - 1]
    heading = "\n".join(line for line in above if line.startswith("#"))
    note = f"# What is not said there is as in {parse_toml(path, text)['base']}:"
    return f"{heading}\n{note}\n\n{tomlkit.dumps(whole)}"


def _line_of_base(text: str) -> int:
    """Line on which a deck names its base, the first one where it does so in another way than usual."""
    return next((n for n, line in enumerate(text.split("\n"), 1) if re.match(r"\s*base\s*=", line)), 1)


def _merge(whole: MutableMapping[str, Any], changes: MutableMapping[str, Any]) -> None:
    """Put values over those of a table, in place."""
    for name, value in changes.items():
        if isinstance(value, MutableMapping) and isinstance(whole.get(name), MutableMapping):
            _merge(whole[name], value)
        else:
            whole[name] = value


def _turn_paths(whole: tomlkit.TOMLDocument, folder: str) -> None:
    """Lead relative paths of structures, sites and cubes through a folder, in place; shipped names stay."""
    from structures.library import LIBRARY

    structure = whole.get("structure", {})
    for name in ("cif", "sites"):
        given = structure.get(name)
        if isinstance(given, str) and given not in LIBRARY:
            structure[name] = str(Path(folder) / given)
    cubes = whole.get("landscape", {}).get("cube", {})
    for ion, given in cubes.items():
        cubes[ion] = str(Path(folder) / given)
