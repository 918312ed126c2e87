"""The deck that a command was given the name of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from structures.errors import InputError

if TYPE_CHECKING:
    from runs.deck_file import DeckFile


def named_deck(
    given: str, additions: Mapping[str, tuple[float, ...]] | None = None, values: Mapping[str, Any] | None = None
) -> DeckFile:
    """Find and read a deck, put other values in it, and see that its files are there; says if it is a shipped one.

    Parameters
    ----------
    given : str
        Path, or name of a shipped deck.
    additions : Mapping of str to tuple of float, optional
        See `runs.deck_extension.extended`.
    values : Mapping of str to value, optional
        See `runs.deck_override.with_values`.

    Raises
    ------
    InputError
        If there is no such deck, or it is wrong.
    """
    from runs.deck_extension import extended
    from runs.deck_file import check_files, find_deck, read_deck
    from runs.deck_override import with_values
    from runs.study import is_study

    path, remark = find_deck(given)
    if is_study(path):
        raise InputError(f"{given}: expected a deck, found a study; `mofkmc check {given}` tells what it asks for")
    file = extended(with_values(read_deck(path), values or {}), additions or {})
    check_files(file)
    if remark:
        click.echo(f"mofkmc: {remark}", err=True)
    return file
