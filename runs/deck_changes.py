"""What a change of the deck means for results that are there: nothing, more tasks, or other numbers."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runs.deck import Deck
from runs.deck_file import DeckFile

# Keys and tables without an influence on any number of a task ...
_FREE = ("output.plots", "output.compare_with", "output.windows_C", "output.checkpoint_minutes")
_FREE_TABLES = ("calibrate", "calibrated")
# ... and those that say which tasks there are; the network, which they also decide, has a checksum of its own.
_TASKS = (
    "scan.exchange_fractions",
    "scan.molarities_mol_per_L",
    "scan.temperatures_C",
    "scan.temperatures_K",
    "scan.fields_V_per_cm",
    "scan.field_along",
    "scan.replicas",
    "scan.sigma_relative_error",
    "scan.most_replicas",
    "scan.refine",
    "scan.refine_loadings",
)


def settings_checksum(deck: Deck) -> str:
    """Checksum of all values that decide the numbers of a task, besides its key; values left at their default count
    as left out.
    """  # noqa: D205
    values = {name: value for name, value in _values(deck, everything=False).items() if name not in (*_FREE, *_TASKS)}
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def differences(before: Deck, now: Deck) -> dict[str, tuple[Any, Any]]:
    """Keys whose values differ, as "table.key", with both values; keys that no number depends on are left out."""
    old, new = _values(before), _values(now)
    return {
        name: (old.get(name), new.get(name))
        for name in dict.fromkeys((*old, *new))
        if old.get(name) != new.get(name) and name not in _FREE
    }


def difference_lines(changes: Mapping[str, tuple[Any, Any]]) -> list[str]:
    """One line for each key: what it was and what it is."""
    return [f"{_as_key(name)}: {_shown(before)} before, {_shown(now)} now" for name, (before, now) in changes.items()]


def input_checksums(file: DeckFile) -> dict[str, str]:
    """SHA-256 of every file that the deck names, by key."""
    structure = file.deck.structure
    named = {f"[landscape] cube, {ion}": file.beside(at) for ion, at in file.deck.landscape.cube.items()}
    if structure.cif is not None:
        named["[structure] cif"] = Path(file.cif)
    if structure.sites is not None:
        named["[structure] sites"] = file.beside(structure.sites)
    return {key: hashlib.sha256(path.read_bytes()).hexdigest() for key, path in named.items() if path.is_file()}


def is_part_of(smaller: Deck, larger: Deck) -> bool:
    """Whether every task of one deck is a task of the other, with the same numbers, and it asks for no less."""
    less, more = smaller.scan, larger.scan
    return (
        settings_checksum(smaller) == settings_checksum(larger)
        and (less.exchange_fractions is None) == (more.exchange_fractions is None)
        and set(less.requested) <= set(more.requested)
        and set(less.temperatures) <= set(more.temperatures)
        and set(less.fields_V_per_cm) <= set(more.fields_V_per_cm)
        and (less.field_along == more.field_along or not less.fields_V_per_cm)
        and less.replicas <= more.replicas
        and (more.sigma_relative_error or math.inf) <= (less.sigma_relative_error or math.inf)
        and less.ceiling <= more.ceiling
        and less.further_loadings <= more.further_loadings
    )


def _values(deck: Deck, *, everything: bool = True) -> dict[str, Any]:
    """Values of a deck by "table.key"."""
    found: dict[str, Any] = {}

    def enter(name: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                enter(f"{name}.{key}" if name else str(key), inner)
        else:
            found[name] = value

    enter("", deck.model_dump(mode="json", exclude_defaults=not everything, exclude=set(_FREE_TABLES)))
    return found


def _as_key(name: str) -> str:
    table, _, key = name.partition(".")
    return f"[{table}] {key}" if key else f"[{table}]"


def _shown(value: Any) -> str:
    return "left out" if value is None else json.dumps(value, ensure_ascii=False)
