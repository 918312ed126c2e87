"""Hundreds of broken CIFs: one line of error or the right crystal, in bounded time.

A success is right if an independent reader finds the same cell and atoms in the broken text, or if the change does not
matter (the atoms are those of the whole file). Only what that reader cannot read is left to the provenance, which must
then name what was mended.
What leaves the reader must then be kept: framework, guests and dropped alternatives add up to it.

A file cut off at any byte is refused, or gives the framework of the whole file, or a warning that the latter has not.
"""

from collections import Counter
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from ase.formula import Formula
from cif_oracle import SEEDS, SMALL_SEEDS, disagreement, independent_reading, mutated, published
from cifs import write
from published_frameworks import FRAMEWORKS

import structures.cif
from structures.charges import ChargeAssignment
from structures.cif import load_framework
from structures.errors import WARNING, InputError
from structures.source import read_source

# lines that name what the independent reader stumbles over, where it has atoms too many or lacks some, and where the
# elements are a matter of opinion
UNREAD = (
    "the CIF has no _atom_site_label",
    "the file has no data_ line",
    "the file gives no symmetry at all",
    "unterminated quotes of the file were closed",
    "values of several words without quotes",
    "the file ends inside a text field",
    "atoms without coordinates left out",
)
FEWER = ("atoms without coordinates left out", "dummy atoms left out")
MORE = ("atoms without an element, which was read from the label", "operations of its group; the rest was added")
LABELS = ("elements were read from the labels",)


@pytest.fixture
def cheap_charges(monkeypatch):
    """Charges are not what is tested here: the same on every atom."""

    def even(crystal, classes, orbits, formula_units, *, table, source, net_charge, balance_on):
        charges = np.full(len(crystal), net_charge * formula_units / len(crystal))
        return ChargeAssignment(charges, "table", (), ())

    monkeypatch.setattr(structures.cif, "assign_charges", even)


@cache
def whole(name, folder):
    """Reading of an unbroken seed."""
    return read_source(write(folder, SEEDS[name], "whole.cif"))


def same_atoms(one, other):
    if len(one.crystal) != len(other.crystal) or np.abs(one.crystal.cell - other.crystal.cell).max() > 1e-3:
        return False
    for symbol in set(one.crystal.symbols) | set(other.crystal.symbols):
        a, b = ([k for k, s in enumerate(c.crystal.symbols) if s == symbol] for c in (one, other))
        if len(a) != len(b):
            return False
        step = one.crystal.frac_coords[a][:, None] - other.crystal.frac_coords[b]
        gap = np.linalg.norm((step - np.round(step)) @ one.crystal.cell, axis=-1)
        nearest = gap.argmin(axis=1)
        if gap.min(axis=1).max() > 0.01:
            return False
        if np.abs(one.occupation.occupancy[a] - other.occupation.occupancy[b][nearest]).max() > 1e-3:
            return False
    return True


def assert_nothing_lost(content, framework):
    """Framework and guests are the atoms that were read, less alternatives, plus hydrogens that are announced."""
    lines = framework.provenance
    if any(line.startswith(("disorder", "guests, disorder", "guests are too")) for line in lines):
        return
    scale = abs(np.linalg.det(content.crystal.cell)) / framework.volume
    found = Counter({symbol: count * scale for symbol, count in Counter(framework.symbols).items()})
    for line in lines:
        if line.startswith("guests removed from the cell: "):
            count, name = line.rsplit(" ", 2)[-2:]
            for symbol, times in Formula(name).count().items():
                found[symbol] += float(count) * times
        if line.startswith("missing hydrogens added: "):
            found["H"] -= int(line.split()[3])
    read = Counter(content.crystal.symbols)
    assert {s: round(n, 3) for s, n in found.items() if round(n, 3)} == dict(read)


def wrong_reading(content, good, reading):
    """What is wrong with the reading of a broken file in words, empty if nothing is."""
    if same_atoms(content, good):
        return ""
    lines = set(content.lines[1:]) - set(good.lines[1:])

    def said(texts):
        return any(text in line for line in lines for text in texts)

    if reading is None:
        return "" if said(UNREAD) else "read without a word what another reader cannot read"
    return disagreement(content, reading, fewer=said(FEWER), more=said(MORE), labels=said(LABELS))


def assert_error_or_right(name, text, folder):
    path = write(folder, text.encode("utf-8", errors="surrogateescape"))
    try:
        framework = load_framework(path)
    except InputError as error:
        message = str(error)
        assert message
        assert "\n" not in message
        assert len(message) < 700
        return False
    content, good = read_source(path), whole(name, folder.parent)
    assert_nothing_lost(content, framework)
    assert wrong_reading(content, good, independent_reading(path)) == ""
    return True


@pytest.mark.parametrize("name", SEEDS)
def test_seeds_are_good_and_the_oracle_knows_them(tmp_path, name, cheap_charges):
    path = write(tmp_path, SEEDS[name])
    content = read_source(path)
    assert disagreement(content, independent_reading(path)) == ""
    assert_nothing_lost(content, load_framework(path))


def test_the_oracle_sees_a_wrong_reading(tmp_path):
    """It must be able to fail: another coordinate, another element, a lost atom."""
    content = read_source(write(tmp_path, SEEDS["net"]))
    for old, new in (
        ("O1 O 0.5 0 0", "O1 O 0.5 0.1 0"),
        ("O1 O", "N1 N"),
        ("O1 O 0.5 0 0 1 . -0.2\n", ""),
        ("_a 3.9", "_a 3.8"),
    ):
        other = write(tmp_path, SEEDS["net"].replace(old, new), "other.cif")
        assert disagreement(content, independent_reading(other))


def test_a_mended_file_excuses_no_moved_atom(tmp_path):
    """A quote that was closed, and what else is said of a broken file, is no licence for another place."""
    good = read_source(write(tmp_path, SEEDS["symmetry and quotes"]))
    path = write(tmp_path, SEEDS["symmetry and quotes"].replace("'x,y,z'", "'x,y,z").replace("0.42 0.5", "0.40 0.5"))
    content, reading = read_source(path), independent_reading(path)
    assert any("quotes of the file were closed" in line for line in content.lines)
    assert wrong_reading(content, good, reading) == ""
    moved = replace(content, crystal=replace(content.crystal, frac_coords=content.crystal.frac_coords * 0.98))
    assert "apart" in wrong_reading(moved, good, reading)
    plain = replace(moved, lines=good.lines)
    assert wrong_reading(plain, good, None) == "read without a word what another reader cannot read"


@pytest.mark.parametrize("seed", range(40))
def test_broken_small_files(tmp_path, seed, cheap_charges, bounded):
    rng = np.random.default_rng(seed)
    name = sorted(SMALL_SEEDS)[seed % len(SMALL_SEEDS)]
    assert_error_or_right(name, mutated(SEEDS[name], rng), tmp_path)


WHOLE = {
    "mof5": lambda: SEEDS["mof5"],
    "ni_pacs_sym": lambda: SEEDS["ni_pacs_sym"],
    "ni_pacs_disordered": lambda: SEEDS["ni_pacs_disordered"],
    **{name: (lambda name=name: published(name)) for name in FRAMEWORKS},
    **{f"{name} in P 1": (lambda name=name: published(name, one_by_one=True)) for name in ("MIL-53(Fe)", "Mg-MOF-74")},
}


def warned(path):
    """Atoms of each element per volume of a file, and its warnings; None if it is refused."""
    try:
        framework = load_framework(path)
    except InputError:
        return None
    content = {symbol: n / framework.volume for symbol, n in Counter(framework.symbols).items()}
    return content, {line for line in framework.provenance if line.startswith(WARNING)}


def assert_cut_is_seen(name, places, folder):
    """Cut a file at a share of its bytes behind the first tag of an atom."""
    text = WHOLE[name]()
    content, warnings = warned(write(folder, text))
    start = text.index("_atom_site_")
    for place in places:
        found = warned(write(folder, text[: start + int(place * (len(text) - start))]))
        if found is not None and not found[1] - warnings:
            assert found[0] == pytest.approx(content, rel=1e-6), f"cut at {place}"


@pytest.mark.parametrize("name", WHOLE)
def test_a_file_cut_off_is_no_framework(tmp_path, name, cheap_charges, bounded):
    assert_cut_is_seen(name, (0.35, 0.6, 0.75, 0.9, 0.97), tmp_path)


@pytest.mark.validation
@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("part", range(4))
def test_a_file_cut_off_anywhere(tmp_path, name, part, cheap_charges, bounded):
    rng = np.random.default_rng([part, len(name)])
    assert_cut_is_seen(name, rng.random(12), tmp_path)


@pytest.mark.validation
@pytest.mark.parametrize(
    "seed", [pytest.param(k, marks=[pytest.mark.sample] if k % 6 == 0 else []) for k in range(1000, 1360)]
)
def test_broken_files(tmp_path, seed, cheap_charges, bounded):
    rng = np.random.default_rng(seed)
    name = sorted(SEEDS)[seed % len(SEEDS)]
    assert_error_or_right(name, mutated(SEEDS[name], rng), tmp_path)
