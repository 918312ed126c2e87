"""From a TOML file to a deck: everything that is wrong with it at once, one line each."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from runs.deck import Deck
from runs.deck_checks import contradictions
from runs.deck_faults import fault_line
from runs.deck_lines import line_of, lines_of_keys
from runs.faults import unreadable
from structures.errors import InputError
from structures.library import LIBRARY, library_cif

SHIPPED_DECKS = Path(__file__).parent / "decks"


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
        The whole deck, copied into every result: the file as it was written, put over the one that it is based on.
    deck : Deck
    written : str
        The file alone where it is based on another one.
    """

    name: str
    path: Path
    text: str
    deck: Deck
    written: str = ""

    @property
    def cif(self) -> str:
        """The CIF as `load_framework` takes it: a path from the deck's folder, or else the name of a shipped one."""
        given = self.deck.structure.cif or ""
        beside = self.beside(given)
        if given in LIBRARY and not beside.is_file():
            return str(library_cif(given))
        return str(beside)

    def located(self, faults: Iterable[str]) -> str:
        """Begin every fault with the file and the line of its key, as compilers do."""
        return located(self.path.name, self.written or self.text, faults)

    def beside(self, given: str) -> Path:
        """File that a path in the deck means: one from the deck's folder."""
        return self.path.parent / given


def shipped_decks() -> tuple[Path, ...]:
    """Decks to start from that come with mofkmc; a study and what belongs to it is none."""
    return tuple(
        path for path in sorted(SHIPPED_DECKS.glob("*.toml")) if "study" not in parse_toml(path, read_text(path))
    )


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
    shipped = {file.stem: file for file in sorted(SHIPPED_DECKS.rglob("*.toml"))}
    if path.stem in shipped and given in (path.stem, f"{path.stem}.toml"):
        path = shipped[path.stem]
        return path, f"no file {given}: using the deck that comes with mofkmc, {path}"
    names = ", ".join(shipped)
    found = "a folder" if path.is_dir() else "no such file"
    raise InputError(f"{given}: expected a TOML deck or the name of a shipped one ({names}), found {found}")


def read_deck(path: Path) -> DeckFile:
    """Read and check a deck.

    Raises
    ------
    DeckError
        With one line for every fault in the file.
    """
    return parse_deck(path, read_text(path))


def read_text(path: Path) -> str:
    """Read a TOML file.

    Raises
    ------
    DeckError
        If it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "bytes that are not UTF-8 text"
        raise DeckError(f"{path}: expected a readable TOML file, found: {reason}") from None


def parse_toml(path: Path, text: str) -> dict[str, Any]:
    """Parse the text of a file.

    Raises
    ------
    DeckError
        With the line where it is not TOML.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"\(at line (\d+),", str(error))
        raise DeckError(f"{path.name}{f':{line[1]}' if line else ''}: expected TOML, found: {error}") from None


def parse_deck(path: Path, text: str) -> DeckFile:
    """Check the text of a deck that stands, or is thought to stand, in this file.

    Raises
    ------
    DeckError
        With one line for every fault in it, or in the deck that it is based on.
    """
    data, whole = parse_toml(path, text), text
    if "base" in data:
        from runs.deck_base import put_over_base

        whole = put_over_base(path, text)
        data = parse_toml(path, whole)
    try:
        deck = Deck.model_validate(to_tuples(data))
    except ValidationError as error:
        faults = [fault_line(details) for details in error.errors()]
        raise DeckError(located(path.name, text, faults)) from None
    if faults := list(contradictions(deck)):
        raise DeckError(located(path.name, text, faults))
    return DeckFile(name=path.stem, path=path, text=whole, deck=deck, written="" if whole == text else text)


def check_files(file: DeckFile) -> None:
    """Refuse a deck that names files which cannot be read, before anything is computed.

    Raises
    ------
    DeckError
        With one line for each.
    """
    structure, cubes = file.deck.structure, file.deck.landscape.cube
    named = [(f"[landscape] cube, {ion}: expected a Gaussian cube file", file.beside(at)) for ion, at in cubes.items()]
    if structure.sites is not None:
        named.append(("[structure] sites: expected a YAML list of sites", file.beside(structure.sites)))
    if structure.cif is not None:
        what = f"[structure] cif: expected a CIF or the name of a shipped structure ({', '.join(LIBRARY)})"
        named.append((what, Path(file.cif)))
    faults = [f"{what}, found {fault}: {path}" for what, path in named if (fault := unreadable(path))]
    if faults:
        raise DeckError(file.located(faults))


def located(file_name: str, text: str, faults: Iterable[str]) -> str:
    """Begin every fault in a deck with the name of its file and, where it names a key or table, the line of it."""
    lines = lines_of_keys(text)
    found = ((line_of(fault, lines), fault) for fault in dict.fromkeys(faults))
    return "\n".join(f"{file_name}{'' if line is None else f':{line}'}: {fault}" for line, fault in found)


def to_tuples(value: Any) -> Any:
    """Give the lists of TOML as tuples, which tables of a deck hold."""
    if isinstance(value, Mapping):
        return {name: to_tuples(item) for name, item in value.items()}
    return tuple(to_tuples(item) for item in value) if isinstance(value, list) else value
