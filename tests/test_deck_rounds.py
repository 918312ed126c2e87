"""Keys of a deck for rounds, fields and windows of temperature: what contradicts is named in one line each."""

import re

import pytest
from decks import changed, write_deck
from small_run import SMALL_DECK

from runs.cli_options import extend_option
from runs.deck_changes import is_part_of, settings_checksum
from runs.deck_extension import extended
from runs.deck_file import DeckError, parse_deck, read_deck
from structures.errors import InputError


def with_keys(tmp_path, lines: str, old: str = "replicas = 2"):
    """Read the deck with further keys behind one of its lines."""
    return read_deck(write_deck(tmp_path, (old, f"{old}\n{lines}")))


def test_what_is_left_out_is_chosen(tmp_path):
    plain = read_deck(write_deck(tmp_path)).deck.scan
    assert (plain.ceiling, plain.further_loadings, plain.fields_V_per_cm) == (2, 0, ())
    scan = with_keys(tmp_path, "sigma_relative_error = 0.1\nrefine = true").deck.scan
    assert (scan.ceiling, scan.further_loadings) == (20, 6)
    scan = with_keys(
        tmp_path, "sigma_relative_error = 0.1\nmost_replicas = 5\nrefine = true\nrefine_loadings = 2"
    ).deck.scan
    assert (scan.ceiling, scan.further_loadings) == (5, 2)


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        ("sigma_relative_error = 10", "sigma_relative_error: expected 0.005 to 1, found 10"),
        ("most_replicas = 5", "most_replicas: expected a key sigma_relative_error, whose limit this is; found none"),
        ("sigma_relative_error = 0.1\nmost_replicas = 1", "most_replicas: expected 2 to 1e+06, found 1"),
        ("refine_loadings = 5", "refine_loadings: expected refine = true, whose limit this is; found refine = false"),
        ("refine = 1", "refine: expected true or false, found 1"),
        ("sigma_relativ_error = 0.1", "unknown key sigma_relativ_error; did you mean sigma_relative_error?"),
        ("fields_V_per_cm = [0]", "fields_V_per_cm, item 1: expected 1 to 1e+09 V/cm, found 0"),
        ("fields_V_per_cm = [1e5, 1e5]", "fields_V_per_cm: expected different values, found [100000.0, 100000.0]"),
        ('field_along = "d"', "field_along: expected 'a', 'b', 'c', 'x', 'y' or 'z', found \"d\""),
    ],
)
def test_faults_of_the_scan(tmp_path, lines, fault):
    with pytest.raises(DeckError) as caught:
        with_keys(tmp_path, lines)
    (line,) = str(caught.value).splitlines()
    assert re.sub(r"^deck\.toml:\d+: \[scan\] ", "", line) == fault


def test_fewer_replicas_than_there_are_and_too_few_loadings(tmp_path):
    lines = "sigma_relative_error = 0.1\nmost_replicas = 3\nrefine = true"
    with pytest.raises(DeckError) as caught:
        read_deck(write_deck(tmp_path, ("replicas = 2", f"replicas = 4\n{lines}"), ("[0, 0.5, 1]", "[0, 1]")))
    first, second = str(caught.value).splitlines()
    assert first.endswith("most_replicas: expected at least the 4 replicas that every task begins with, found 3")
    assert "[scan] exchange_fractions: expected at least 3 values for refine = true" in second


@pytest.mark.parametrize(
    ("windows", "fault"),
    [
        ("[[-40, 25], [25, 100]]", ""),
        ("[[25, -40]]", "windows_C, item 1: expected a lower and a higher temperature, found [25, -40]"),
        (
            "[[-40, 100], [30, 100]]",
            "windows_C, item 2: expected at least 2 temperatures of the scan between 30 and 100",
        ),
        ("[[1, 2, 3]]", "windows_C"),
        ("[1, 2]", "windows_C"),
    ],
)
def test_windows_of_temperature(tmp_path, windows, fault):
    """The scan has -40, 25 and 100 °C; no number depends on the windows."""
    if not fault:
        file = with_keys(tmp_path, f"windows_C = {windows}", "plots = false")
        assert file.deck.output.windows_C == ((-40, 25), (25, 100))
        assert settings_checksum(file.deck) == settings_checksum(read_deck(write_deck(tmp_path)).deck)
        return
    with pytest.raises(DeckError) as caught:
        with_keys(tmp_path, f"windows_C = {windows}", "plots = false")
    assert all(
        line.startswith("deck.toml:") and "[output] windows_C" in line for line in str(caught.value).splitlines()
    )
    assert fault in str(caught.value)


@pytest.mark.parametrize(
    ("before", "now", "part"),
    [
        ("", "sigma_relative_error = 0.1", True),
        ("sigma_relative_error = 0.1", "", False),
        ("sigma_relative_error = 0.1", "sigma_relative_error = 0.05", True),
        ("sigma_relative_error = 0.05", "sigma_relative_error = 0.1", False),
        ("sigma_relative_error = 0.1\nmost_replicas = 8", "sigma_relative_error = 0.1\nmost_replicas = 6", False),
        ("", "refine = true", True),
        ("refine = true", "refine = true\nrefine_loadings = 9", True),
        ("refine = true", "", False),
        ("", "fields_V_per_cm = [1e5]", True),
        ("fields_V_per_cm = [1e5]", "fields_V_per_cm = [2e5, 1e5]", True),
        ("fields_V_per_cm = [1e5]", 'fields_V_per_cm = [1e5]\nfield_along = "c"', False),
        ("", 'field_along = "c"', True),
    ],
)
def test_a_deck_that_asks_for_no_less_is_an_extension(tmp_path, before, now, part):
    """And no number of a task that is there depends on these keys."""
    old, new = with_keys(tmp_path, before).deck, with_keys(tmp_path, now).deck
    assert is_part_of(old, new) == part
    assert settings_checksum(old) == settings_checksum(new)


@pytest.mark.parametrize(
    ("option", "line"),
    [
        ("sigma_relative_error=0.1", "sigma_relative_error = 0.1"),
        ("refine_loadings=4", "refine_loadings = 4"),
        ("refine_loadings=4", "refine = true"),
        ("fields_V_per_cm=1e5,2e5", "fields_V_per_cm = [100000, 200000]"),
    ],
)
def test_keys_that_a_deck_need_not_have_are_written_behind_its_replicas(tmp_path, option, line):
    file = read_deck(write_deck(tmp_path))
    found = extended(file, extend_option(None, None, (option,)))
    assert line in found.text.splitlines()
    assert set(found.text.splitlines()) - set(file.text.splitlines()) <= {line, "refine = true", "refine_loadings = 4"}


def test_less_than_there_is_cannot_be_asked_for(tmp_path):
    file = with_keys(tmp_path, "sigma_relative_error = 0.1\nmost_replicas = 8")
    for additions, words in (
        ({"sigma_relative_error": (0.2,)}, "expected at most the 0.1 of deck.toml, found 0.2"),
        ({"most_replicas": (6.0,)}, "expected at least the 8 of deck.toml, found 6"),
    ):
        with pytest.raises(InputError, match=words):
            extended(file, additions)


def test_a_small_deck_is_read(tmp_path):
    """The deck of the tests of whole runs, with all of these keys."""
    text = changed(
        ("replicas = 2", "replicas = 2\nrefine = true\nfields_V_per_cm = [1e5]"),
        ("[0.5, 1]", "[0, 0.5, 1]"),
        text=SMALL_DECK,
    )
    assert parse_deck(tmp_path / "deck.toml", text).deck.scan.refine
