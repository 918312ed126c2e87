"""A deck that is extended: more of its scan, and nothing else."""

import pytest
from decks import DECK, deck_of

from runs.deck_extension import extended
from runs.deck_file import read_deck
from structures.errors import InputError


@pytest.mark.parametrize(
    ("written", "additions", "read"),
    [
        ("replicas = 2", {"replicas": (16,)}, "replicas = 16"),
        ("  replicas=2 # of each", {"replicas": (16,)}, "  replicas = 16 # of each"),
        ("replicas = 2", {"replicas": (2,)}, "replicas = 2"),
        ("replicas = 2\n# replicas = 9", {"replicas": (3,)}, "replicas = 3\n# replicas = 9"),
        ("replicas = 2\nseed = 5", {"temperatures_C": (25, 60)}, "temperatures_C = [-40, 25, 100, 60]"),
        ("replicas = 2", {"exchange_fractions": (0.1, 0.1)}, "exchange_fractions = [0, 0.5, 1, 0.1]"),
    ],
)
def test_an_extended_deck_has_more_tasks_and_is_otherwise_as_it_was_written(tmp_path, written, additions, read):
    file = deck_of(tmp_path, ("replicas = 2", written))
    more = extended(file, additions)
    assert read in more.text
    before, after = file.deck.scan.model_dump(), more.deck.scan.model_dump()
    for name, values in additions.items():
        own = before.pop(name)
        assert after.pop(name) == (max(*values, own) if name == "replicas" else tuple(dict.fromkeys((*own, *values))))
    assert before == after
    assert more.text.count("\n") == file.text.count("\n")
    assert extended(more, additions) is more


def test_a_list_over_several_lines_is_extended_too(tmp_path):
    file = deck_of(tmp_path, ("[0, 0.5, 1]", "[\n  0, # none\n  0.5,\n  1,\n]"))
    more = extended(file, {"exchange_fractions": (0.25,)})
    assert more.deck.scan.exchange_fractions == (0, 0.5, 1, 0.25)
    assert more.deck.scan.temperatures == file.deck.scan.temperatures


@pytest.mark.parametrize(
    ("additions", "words"),
    [
        ({"replicas": (1,)}, "--extend replicas: expected at least the 2 of deck.toml, found 1"),
        ({"temperatures_K": (300,)}, "--extend temperatures_K: expected a key of [scan] in deck.toml, found none"),
        ({"replicas": (1e9,)}, "deck.toml:34: [scan] replicas: expected 2 to 100000, found 1e+09"),
        ({"exchange_fractions": (2,)}, "[scan] exchange_fractions, item 4: expected 0 to 1, found 2"),
    ],
)
def test_what_cannot_be_extended(tmp_path, additions, words):
    file = deck_of(tmp_path)
    with pytest.raises(InputError) as caught:
        extended(file, additions)
    assert words in str(caught.value)


def test_a_scan_in_one_line_cannot_be_extended(tmp_path):
    """Rather a refusal than a deck that means something else."""
    table = DECK[DECK.index("[scan]") : DECK.index("[output]")]
    inline = "scan = {exchange_fractions = [0], temperatures_C = [25], replicas = 2}\n"
    (tmp_path / "deck.toml").write_text(inline + DECK.replace(table, ""))
    with pytest.raises(InputError, match="found it written in another way"):
        extended(read_deck(tmp_path / "deck.toml"), {"replicas": (3,)})
