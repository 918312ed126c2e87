"""A deck with other values: the text changes where it must and nowhere else."""

import difflib

import pytest
from click.testing import CliRunner
from decks import deck_of, write_deck

from runs.cli import main
from runs.deck_override import names_of, with_values
from structures.errors import InputError


def test_only_the_lines_of_the_values_change(tmp_path):
    file = deck_of(tmp_path, ("permittivity = 10", "permittivity = 10  # of everything else"))
    other = with_values(file, {"landscape.permittivity": 5, "scan.temperatures_C": (25, 60), "structure.charges.Ni": 1})
    before, after = file.text.splitlines(), other.text.splitlines()
    changed = [line for line in difflib.ndiff(before, after) if line[0] in "+-"]
    assert sorted(changed) == sorted(
        [
            "- permittivity = 10  # of everything else",
            "+ permittivity = 5  # of everything else",
            "- temperatures_C = [-40, 25, 100]",
            "+ temperatures_C = [25, 60]",
            "- Ni = 1.2",
            "+ Ni = 1",
        ]
    )
    assert other.deck.landscape.permittivity == 5
    assert other.deck.scan.temperatures == (298.15, 333.15)
    assert other.path == file.path


def test_no_value_is_the_same_deck(tmp_path):
    file = deck_of(tmp_path)
    assert with_values(file, {}) is file
    assert with_values(file, {"landscape.permittivity": 10.0}).deck == file.deck


def test_tables_that_are_missing_are_made_and_keys_are_taken_out(tmp_path):
    file = deck_of(tmp_path)
    other = with_values(
        file,
        {'composition.treatment."Me2NH2+"': "frozen", 'species."Li+".mass_amu': 6, "rates.attempt_frequency_Hz": None},
    )
    assert other.deck.treatment("Me2NH2+") == "frozen"
    assert other.deck.species["Li+"].mass_amu == 6
    assert other.deck.species["Me2NH2+"].contact_radius_A == 2.7
    assert other.deck.rates.attempt_frequency_Hz is None


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"landscape": 5}, "landscape: expected the name of a table and a key"),
        ({"a b.c": 5}, "a b.c: expected the name of a table and a key"),
        ({"x = 1\ny.z": 5}, "expected the name of a table and a key"),
        ({"landscape.permitivity": 5}, "[landscape] unknown key permitivity; did you mean permittivity?"),
        ({"landscape.permittivity": 1e9}, "[landscape] permittivity"),
        ({"scan.replicas": "many"}, '[scan] replicas: expected a whole number of 2 to 100000, found "many"'),
        ({"scan.temperatures_C.first": 5}, "scan.temperatures_C.first: expected a key of a table, found a list"),
    ],
)
def test_values_that_make_no_deck(tmp_path, values, words):
    file = deck_of(tmp_path)
    with pytest.raises(InputError) as caught:
        with_values(file, values)
    assert words in str(caught.value)


def test_a_name_in_quotation_marks_may_hold_dots_and_signs():
    assert names_of('rates.friction."Li+"') == ("rates", "friction", "Li+")
    assert names_of('a."b.c"') == ("a", "b.c")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("landscape.permittivity", "expected KEY=VALUE"),
        ("landscape.permittivity=", "expected KEY=VALUE"),
        ("landscape.permittivity=abc", "[landscape] permittivity"),
        ("scan.replicas=[", "[scan] replicas"),
    ],
)
def test_wrong_values_on_the_command_line_end_in_one_line(tmp_path, given, words):
    ended = CliRunner().invoke(main, ["check", str(write_deck(tmp_path)), "--no-trial", "--set", given])
    assert ended.exit_code == 2
    assert words in ended.output
    assert "Traceback" not in ended.output


def test_a_value_on_the_command_line_is_that_of_the_run(tmp_path):
    twice = ["--set", "kmc.samples=30", "--set", "kmc.samples=40"]
    ended = CliRunner().invoke(main, ["check", str(write_deck(tmp_path)), "--no-trial", *twice])
    assert ended.exit_code == 2
    assert "expected kmc.samples once" in ended.output
