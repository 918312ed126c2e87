"""One small deck for all tests of what a user writes, and how to change it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from runs.deck_file import DeckError, DeckFile, read_deck

DECK = """
[structure]
cif = "ni_pacs_sym"
cell = "primitive"
net_charge = -2
[structure.charges]
Ni = 1.2
O = -0.7
C = 0.06
H = 0.1
N = -0.3
[species."Me2NH2+"]
contact_radius_A = 2.7
[landscape]
permittivity = 10
spacing_A = 0.2
persistence_kT = 2.5
[rates]
model = "attempt_frequency"
attempt_frequency_Hz = 1e12
[lattice]
repeats = [3, 3, 3]
[composition]
kind = "exchange"
entering = "Li+"
leaving = "Me2NH2+"
[kmc]
events = 2000
equilibration_sweeps = 20
samples = 100
[scan]
exchange_fractions = [0, 0.5, 1]
temperatures_C = [-40, 25, 100]
replicas = 2
[output]
plots = false
compare_with = "ni_mof"
"""


def changed(*changes: tuple[str, str], text: str = DECK) -> str:
    """Return the deck with each text replaced by another; it must be there."""
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return text


def write_deck(folder: Path, *changes: tuple[str, str]) -> Path:
    """Write the deck with some changes to `deck.toml` in a folder."""
    path = folder / "deck.toml"
    path.write_text(changed(*changes), encoding="utf-8")
    return path


def deck_of(folder: Path, *changes: tuple[str, str]) -> DeckFile:
    """Write the deck with some changes and read it."""
    return read_deck(write_deck(folder, *changes))


def faults(folder: Path, *changes: tuple[str, str]) -> list[str]:
    """Lines of the refusal, without the numbers of the lines in the deck."""
    with pytest.raises(DeckError) as caught:
        deck_of(folder, *changes)
    return [re.sub(r"^deck\.toml:\d+: ", "deck.toml: ", line) for line in str(caught.value).splitlines()]
