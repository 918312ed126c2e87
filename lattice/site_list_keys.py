"""Values of a YAML mapping, each checked, with the line in every error."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from ruamel.yaml.comments import CommentedMap, CommentedSeq

from structures.errors import InputError

_SHOWN = 40  # characters of a value in an error

_Made = TypeVar("_Made")


class Entry:
    """One mapping of a YAML file.

    Parameters
    ----------
    file : str
        Name of the file.
    where : str
        Path to the mapping in the file, such as "hops[2]"; empty for the whole file.
    content : CommentedMap
    """

    def __init__(self, file: str, where: str, content: CommentedMap) -> None:
        self.file = file
        self.where = where
        self._content = content

    def line(self, key: str = "") -> int:
        """Line of a key, or of the mapping, from 1."""
        if key in self._content and (place := (self._content.lc.data or {}).get(key)):
            return int(place[0]) + 1
        return int(self._content.lc.line) + 1  # also of a key that another mapping has handed on

    def fault(self, key: str, expected: str, found: object) -> InputError:
        """Error about one key."""
        path = f"{self.where}.{key}" if self.where else key
        return InputError(f"{self.file}, line {self.line(key)}: {path} must be {expected}; got {found}")

    def blamed(self, made: Callable[[], _Made]) -> _Made:
        """Make something from this mapping; an error gets its file and line."""
        try:
            return made()
        except InputError as error:
            raise InputError(f"{self.file}, line {self.line()}: {error}") from error

    def has(self, key: str) -> bool:
        """Whether the key is there."""
        return key in self._content

    def only(self, keys: Sequence[str]) -> None:
        """Refuse any other key.

        Raises
        ------
        InputError
        """
        for key in self._content:
            if key not in keys:
                near = difflib.get_close_matches(str(key), keys, n=1)
                meant = f"; did you mean {near[0]}?" if near else ""
                whose = f"keys of {self.where}" if self.where else "keys"
                raise InputError(
                    f"{self.file}, line {self.line(key)}: {whose} must be among {', '.join(keys)}; got {key}{meant}"
                )

    def value(self, key: str) -> Any:
        """Value of a key that must be there.

        Raises
        ------
        InputError
        """
        if key not in self._content or self._content[key] is None:
            raise self.fault(key, "given", "nothing")
        return self._content[key]

    def text(self, key: str) -> str:
        """Text, or a number as text.

        Raises
        ------
        InputError
        """
        value = self.value(key)
        if isinstance(value, bool) or not isinstance(value, str | int | float) or not str(value).strip():
            raise self.fault(key, "text", value)
        return str(value)

    def is_whole(self, key: str) -> bool:
        """Whether the value is an integer."""
        value = self.value(key)
        return isinstance(value, int) and not isinstance(value, bool)

    def number(self, key: str, default: float | None = None) -> float:
        """Finite number.

        Raises
        ------
        InputError
        """
        if default is not None and not self.has(key):
            return default
        return self._number(key, self.value(key))

    def numbers(self, key: str, count: int) -> list[float]:
        """So many finite numbers.

        Raises
        ------
        InputError
        """
        return self.numbers_in(key, self.sequence(key), count)

    def numbers_in(self, key: str, values: Sequence[Any], count: int) -> list[float]:
        """Finite numbers of a sequence under a key.

        Raises
        ------
        InputError
        """
        if len(values) != count:
            raise self.fault(key, f"{count} numbers", f"{len(values)} values")
        return [self._number(key, value) for value in values]

    def whole_numbers(self, key: str, count: int) -> list[int]:
        """So many integers.

        Raises
        ------
        InputError
        """
        values = self.numbers(key, count)
        if any(value != int(value) or abs(value) > 1000 for value in values):
            raise self.fault(key, "whole numbers", values)
        return [int(value) for value in values]

    def sequence(self, key: str) -> CommentedSeq:
        """List.

        Raises
        ------
        InputError
        """
        value = self.value(key)
        if not isinstance(value, CommentedSeq):
            raise self.fault(key, "a list", value)
        return value

    def entry(self, key: str) -> Entry:
        """Nested mapping.

        Raises
        ------
        InputError
        """
        value = self.value(key)
        if not isinstance(value, CommentedMap):
            raise self.fault(key, "a mapping of keys to values", value)
        return Entry(self.file, f"{self.where}.{key}" if self.where else key, value)

    def entries(self, key: str) -> list[Entry]:
        """List of mappings, numbered from 1 in messages.

        Raises
        ------
        InputError
        """
        found = []
        for number, value in enumerate(self.sequence(key), 1):
            if not isinstance(value, CommentedMap):
                raise self.fault(key, "a list of mappings", value)
            found.append(Entry(self.file, f"{key}[{number}]", value))
        return found

    def _number(self, key: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.fault(key, "a number", value)
        if not abs(value) <= sys.float_info.max:
            raise self.fault(key, "a finite number", f"{str(value)[:_SHOWN]}")
        return float(value)
