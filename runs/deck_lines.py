"""On which line of a deck a fault is: the TOML reader of Python keeps no places, so the text is read line by line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

Path = tuple[str | int, ...]

# How faults name their place, see `deck_faults`: "[table] key, item 2: ...", "[[table]] 2, key: ...".
_TABLE = re.compile(r"(?:unknown table )?\[{1,2}([^\[\]]+)\]{1,2}")
_END_OF_PLACE = re.compile(r"; |\bexpected\b|\bfound\b")


def lines_of_keys(text: str) -> dict[Path, int]:
    """Line of every table and key, counted from 1; entries of `[[table]]` are numbered from 0.

    A statement ends at the first line that makes it valid TOML by itself, so that lists and texts over several lines
    are read as what they are.

    Parameters
    ----------
    text : str
        Valid TOML.
    """
    found: dict[Path, int] = {}
    entries: dict[Path, int] = {}  # number of the last entry of every [[table]]
    table: Path = ()
    for line, statement in _statements(text):
        if not statement.lstrip().startswith("["):
            for path in _paths(tomllib.loads(statement)):
                found.setdefault(table + path, line)
            continue
        names = next(path for path in _paths(tomllib.loads(statement), leaves_only=True))
        is_list = statement.lstrip().startswith("[[")
        table = ()
        for depth, name in enumerate(names, 1):
            table = (*table, name)
            if is_list and depth == len(names):
                entries[table] = entries.get(table, -1) + 1
            if table in entries:
                found.setdefault(table, line)
                table = (*table, entries[table])
        found.setdefault(table, line)
    return found


def line_of(fault: str, lines: Mapping[Path, int]) -> int | None:
    """Line that a fault is about: that of its key, else of its table; None if it names neither, or what is not there.

    Parameters
    ----------
    fault : str
        Begins with the place as it stands in the file, such as "[scan] replicas: expected ...".
    lines : Mapping
        See `lines_of_keys`.
    """
    table = _TABLE.match(fault)
    if table is None:
        return None
    try:
        path = next(_paths(tomllib.loads(f"[{table[1]}]"), leaves_only=True))
    except tomllib.TOMLDecodeError:
        return None
    for word in re.split(r"[\s.,:]+", _END_OF_PLACE.split(fault[table.end() :])[0]):
        inner = (*path, int(word) - 1 if word.isdecimal() else word)
        path = inner if inner in lines else path
    return next((lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in lines), None)


def ends_of_tables(text: str) -> dict[Path, int]:
    """Line of the last key that stands under the heading of each table; the heading itself where there is none.

    Parameters
    ----------
    text : str
        Valid TOML.
    """
    ends: dict[Path, int] = {}
    table: Path = ()
    for line, statement in _statements(text):
        if statement.lstrip().startswith("["):
            table = next(_paths(tomllib.loads(statement), leaves_only=True))
        ends[table] = line + statement.count("\n") - 1
    return ends


def statement_of(text: str, path: Path) -> tuple[int, str] | None:
    """Line and text of the statement of a key in a table of the file; None if it has none of its own.

    Parameters
    ----------
    text : str
        Valid TOML.
    path : tuple of str
        Table and key.
    """
    line = lines_of_keys(text).get(path)
    for first, statement in _statements(text):
        if first == line and not statement.lstrip().startswith("[") and tomllib.loads(statement).keys() == {path[-1]}:
            return first, statement
    return None


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Yield every statement with the number of its first line."""
    gathered, begun = "", 0
    for number, line in enumerate(text.split("\n"), 1):
        if not gathered:
            begun = number
        gathered += line + "\n"
        try:
            content = tomllib.loads(gathered)
        except tomllib.TOMLDecodeError:
            continue
        if content:
            yield begun, gathered
        gathered = ""


def _paths(content: Any, *, leaves_only: bool = False) -> Iterator[Path]:
    """Yield the path of every key, in inline tables and lists too."""
    items = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for name, value in items:
        inner = [] if leaves_only and not isinstance(value, dict) else list(_paths(value, leaves_only=leaves_only))
        if not (leaves_only and inner):
            yield (name,)
        yield from ((name, *path) for path in inner)
