"""What a user starts from: shipped decks, also with every key that they leave out, and scripts of batch systems."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from runs.deck import Deck
from runs.deck_file import SHIPPED_DECKS, read_deck, shipped_decks
from runs.deck_keys import Table, field_extra, tables_in
from runs.deck_lines import ends_of_tables, lines_of_keys

_SCRIPTS = Path(__file__).parent / "batch"
_WIDTH = 116


def batch_scripts() -> tuple[str, ...]:
    """Names of the scripts for batch systems."""
    return tuple(sorted(path.stem for path in _SCRIPTS.glob("*.sh")))


def batch_script(name: str) -> str:
    """Return the text of a script, one of `batch_scripts`."""
    return (_SCRIPTS / f"{name}.sh").read_text(encoding="utf-8")


def templates() -> tuple[str, ...]:
    """Names of the decks to start from."""
    return tuple(path.stem for path in shipped_decks())


def deck_template(name: str, *, every_key: bool = False) -> str:
    """Return the text of a shipped deck, valid and commented.

    Parameters
    ----------
    name : str
        One of `templates`.
    every_key : bool
        Also the keys that it leaves out, as comments with unit, range and meaning, at the end of their tables.
    """
    file = read_deck(SHIPPED_DECKS / f"{name}.toml")
    if not every_key:
        return file.text
    lines = file.text.rstrip("\n").split("\n")
    places, ends = lines_of_keys(file.text), ends_of_tables(file.text)
    after: dict[int, list[str]] = {}
    unused: list[str] = []
    for name, tables in _tables(file.deck):
        missing = [
            line for table in tables for key in table.model_fields if (name, key) not in places
            for line in _comment(key, table.model_fields[key], field_extra(table, key))
        ]  # fmt: skip
        if missing and (name,) in ends:
            after[ends[name,]] = ["", f"# Keys of [{name}] that are left out here:", *missing]
        elif missing:
            unused += ["", *_heading(name, tables), *missing]
    made = []
    for number, line in enumerate(lines, 1):
        made += [line, *after.get(number, [])]
    return "\n".join([*made, *unused]) + "\n"


def _tables(deck: Deck) -> Iterator[tuple[str, list[type[Table]]]]:
    """Yield the tables of a deck with what declares their keys; of alternatives the one that the deck has."""
    for name, field in Deck.model_fields.items():
        value = getattr(deck, name)
        if name == "override":
            yield from ((f"{name}.{key}", tables_in(inner.annotation)) for key, inner in _inner(field))
        else:
            yield name, [type(value)] if isinstance(value, Table) else tables_in(field.annotation)


def _inner(field: FieldInfo) -> list[tuple[str, FieldInfo]]:
    (table,) = tables_in(field.annotation)
    return list(table.model_fields.items())


def _heading(name: str, tables: list[type[Table]]) -> list[str]:
    several = name == "pair" or name.startswith("override")
    shape = '[species."NAME"]' if name == "species" else f"[[{name}]]" if several else f"[{name}]"
    return [f"# {shape}", f"#     {(tables[0].__doc__ or '').splitlines()[0]}"]


def _comment(key: str, field: FieldInfo, extra: dict[str, Any]) -> Iterator[str]:
    """Yield a key as comment: its default, unit, range and meaning."""
    unit, within = extra.get("unit", ""), extra.get("within")
    limits = f"{within[0]:g} to {within[1]:g}" if within else ""
    about = " ".join(part for part in (limits, unit) if part)
    default = "" if field.is_required() or field.default in (None, {}, ()) else f" {_toml(field.default)}"
    yield f"# {key} ={default}"
    yield from _wrapped(f"#     {about + ': ' if about else ''}{field.description}")


def _wrapped(text: str) -> Iterator[str]:
    line = ""
    for word in text.split(" "):
        if line and len(line) + 1 + len(word) > _WIDTH:
            yield line
            line = f"#     {word}"
        else:
            line = f"{line} {word}" if line else word
    yield line


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return f'"{value}"' if isinstance(value, str) else f"{value:g}"
