"""A deck based on another one: the values of both, the own ones first."""

import pytest
from decks import DECK

from runs.deck_file import DeckError, read_deck
from runs.deck_override import with_values


def write(folder, name, text):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_what_a_deck_does_not_say_is_that_of_its_base(tmp_path):
    base = write(tmp_path, "base.toml", DECK)
    mine = write(
        tmp_path, "mine.toml", '# mine\nbase = "base.toml"\n[scan]\nreplicas = 5\n[structure.charges]\nNi = 1\n'
    )
    file, plain = read_deck(mine), read_deck(base)
    assert file.name == "mine"
    assert file.deck == with_values(plain, {"scan.replicas": 5, "structure.charges.Ni": 1}).deck
    assert file.text.startswith("# mine\n")


def test_the_whole_deck_needs_its_base_no_longer(tmp_path):
    """The copy in a results folder is read again from there."""
    write(tmp_path, "base.toml", DECK)
    mine = write(tmp_path, "mine.toml", 'base = "base.toml"\n[scan]\nreplicas = 5\n')
    whole = read_deck(mine)
    copy = read_deck(write(tmp_path / "elsewhere", "deck.toml", whole.text))
    assert copy.deck == whole.deck
    assert copy.text == whole.text


def test_bases_can_have_bases_in_other_folders(tmp_path):
    """A path in a base is one from the folder of the base."""
    write(tmp_path / "a", "first.toml", DECK.replace('"ni_pacs_sym"', '"my.cif"'))
    write(tmp_path / "a" / "b", "second.toml", 'base = "../first.toml"\n[scan]\nreplicas = 3\nseed = 4\n')
    mine = write(tmp_path / "c", "third.toml", 'base = "../a/b/second.toml"\n[scan]\nreplicas = 5\n')
    file = read_deck(mine)
    assert (file.deck.scan.replicas, file.deck.scan.seed) == (5, 4)
    assert file.cif.endswith("my.cif")
    assert (mine.parent / file.cif).resolve() == (tmp_path / "a" / "my.cif").resolve()


def test_a_shipped_structure_stays_a_name(tmp_path):
    write(tmp_path, "base.toml", DECK)
    file = read_deck(write(tmp_path / "sub", "mine.toml", 'base = "../base.toml"\n'))
    assert file.deck.structure.cif == "ni_pacs_sym"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('base = "other.toml"\n', "mine.toml:1: base: expected a deck, found no file"),
        ("\nbase = 5\n", "mine.toml:2: base: expected the path of a deck, found 5"),
        ('base = "mine.toml"\n', "found mine.toml again"),
        ('base = "base.toml"\n[scan]\n\nreplicas = 1\n', "mine.toml:4: [scan] replicas: expected 2 to 100000"),
        ('base = "base.toml"\n[landscape]\neps_r = 1\n', "mine.toml:3: [landscape] unknown key eps_r"),
        ('base = "broken.toml"\n', "broken.toml:2: expected TOML"),
    ],
)
def test_faults_are_shown_where_they_are(tmp_path, text, words):
    write(tmp_path, "base.toml", DECK)
    write(tmp_path, "broken.toml", "a = 1\nb =\n")
    with pytest.raises(DeckError) as caught:
        read_deck(write(tmp_path, "mine.toml", text))
    assert words in str(caught.value)


@pytest.mark.parametrize("text", ['"base" = "base.toml"\n', "[base]\nx = 1\n", "base.x = 1\n"])
def test_a_base_that_is_written_in_another_way_is_no_crash(tmp_path, text):
    write(tmp_path, "base.toml", DECK)
    mine = write(tmp_path, "mine.toml", text)
    if "base.toml" in text:
        assert read_deck(mine).deck == read_deck(tmp_path / "base.toml").deck
    else:
        with pytest.raises(DeckError, match=r"mine.toml:1: base: expected the path of a deck"):
            read_deck(mine)
