"""A deck is either right, or every fault in it is named in one line with what was expected and what was found."""

from pathlib import Path

import pytest

from runs.deck import Deck
from runs.deck_file import DeckError, DeckFile, deck_species, find_deck, read_deck
from structures.errors import InputError
from structures.library import library_cif
from structures.species import SHIPPED_SPECIES

GOOD = """
[structure]
cif = "ni_pacs_sym"
cell = "primitive"
net_charge = -2
[structure.charges]
Ni = 1.2
[species."Me2NH2+"]
lj_sigma_A = 4.6
[landscape]
permittivity = 10
spacing_A = 0.2
merge_barrier_eV = 0.05
[lattice]
repeats = [3, 3, 3]
[composition]
kind = "exchange"
entering = "Li+"
leaving = "Me2NH2+"
[kmc]
attempt_frequency_Hz = 1e12
events = 10_000
[scan]
exchange_fractions = [0, 0.5, 1]
temperatures_C = [-40, 25, 100]
replicas = 4
[output]
plots = false
compare_with = "ni_mof"
"""


def deck_of(folder: Path, text: str) -> DeckFile:
    path = folder / "deck.toml"
    path.write_text(text, encoding="utf-8")
    return read_deck(path)


def faults(folder: Path, *changes: tuple[str, str]) -> list[str]:
    text = GOOD
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    with pytest.raises(DeckError) as caught:
        deck_of(folder, text)
    return str(caught.value).splitlines()


def test_a_good_deck_is_read(tmp_path):
    """Temperatures come out in K, defaults are filled in, a shipped species takes the deck's value and says so."""
    file = deck_of(tmp_path, GOOD)
    assert file.deck.scan.temperatures == (233.15, 298.15, 373.15)
    assert file.deck.landscape.cutoff_A == 12
    assert file.deck.treatment("Li+") == "mobile"
    li, ammonium = deck_species(file.deck)
    assert li is SHIPPED_SPECIES["Li+"]
    assert ammonium.lj_sigma == 4.6
    assert "lj_sigma_A = 4.6" in ammonium.source


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (
            "merge_barrier_eV = 0.05",
            "merge_barrier_eV = 300",
            "deck.toml: [landscape] merge_barrier_eV: expected 0 to 0.5 eV, found 300; "
            "300 is probably meV, write 0.3 eV",
        ),
        ("spacing_A = 0.2", "spacing_A = 5", "deck.toml: [landscape] spacing_A: expected 0.05 to 0.5 Å, found 5"),
        (
            "temperatures_C = [-40, 25, 100]",
            "temperatures_K = [300, 0]",
            "deck.toml: [scan] temperatures_K, item 2: expected 50 to 1500 K, found 0; "
            "0 is probably °C, write 273.15 K",
        ),
        (
            "temperatures_C = [-40, 25, 100]",
            "temperatures_C = [-300]",
            "deck.toml: [scan] temperatures_C, item 1: expected -220 to 1200 °C, found -300",
        ),
        ("[0, 0.5, 1]", "[0, 1.5]", "deck.toml: [scan] exchange_fractions, item 2: expected 0 to 1, found 1.5"),
        ("[0, 0.5, 1]", "[-0.1]", "deck.toml: [scan] exchange_fractions, item 1: expected 0 to 1, found -0.1"),
        ("[0, 0.5, 1]", "[nan]", "deck.toml: [scan] exchange_fractions, item 1: expected 0 to 1, found nan"),
        (
            "spacing_A = 0.2",
            "spacing = 0.2",
            "deck.toml: [landscape] unknown key spacing; did you mean spacing_A?",
        ),
        ("[landscape]", "[landscap]", "deck.toml: unknown table [landscap]; did you mean [landscape]?"),
        ("replicas = 4", "replicas = 1", "deck.toml: [scan] replicas: expected 2 to 100000 tasks, found 1"),
        ("replicas = 4", "", "deck.toml: [scan] replicas: expected a value in tasks, found none"),
        ("replicas = 4", "replicas = true", "deck.toml: [scan] replicas: expected a valid integer, found True"),
        ('"exchange"', '"swap"', 'deck.toml: [composition] kind: expected "exchange" or "salt", found "swap"'),
        (
            'leaving = "Me2NH2+"',
            'leaving = "Na+"',
            "deck.toml: [composition] expected Li+, Me2NH2+, PF6- or a table [species.\"Na+\"], found 'Na+'",
        ),
        (
            'leaving = "Me2NH2+"',
            'leaving = "Li+"',
            "deck.toml: [composition] expected two different species, found Li+ twice",
        ),
        (
            "temperatures_C = [-40, 25, 100]",
            "",
            "deck.toml: [scan] expected either temperatures_C or temperatures_K, found neither",
        ),
        (
            "exchange_fractions = [0, 0.5, 1]",
            "molarities_mol_per_L = [1]",
            "deck.toml: [scan] exchange_fractions: expected a list, "
            'because [composition] kind is "exchange"; found none',
        ),
        (
            "[0, 0.5, 1]",
            "[0.5, 0.5]",
            "deck.toml: [scan] exchange_fractions: expected different values, found [0.5, 0.5]",
        ),
        (
            "lj_sigma_A = 4.6",
            "lj_sigma_A = 0.46",
            'deck.toml: [species."Me2NH2+"] lj_sigma_A: expected 0.5 to 12 Å, found 0.46; '
            "0.46 is probably nm, write 4.6 Å",
        ),
        ("lj_sigma_A", "lj_sigma", 'deck.toml: [species."Me2NH2+"] unknown key lj_sigma; did you mean lj_sigma_A?'),
        (
            '[species."Me2NH2+"]',
            '[species."Na+"]',
            'deck.toml: [species."Na+"] expected all values of an ion that is not shipped, missing: '
            "charge, mass_amu, lj_epsilon_eV, contact_radius_A",
        ),
        ("lj_sigma_A = 4.6", "charge = 0", "deck.toml: species Me2NH2+: charge must not be zero"),
        (
            'entering = "Li+"\nleaving = "Me2NH2+"',
            'entering = "Me2NH2+"\nleaving = "Li+"',
            'deck.toml: [output] compare_with: expected "nothing", because ni_mof was measured with exchange of Li+ '
            'and Me2NH2+ and the deck has exchange of Me2NH2+ and Li+; found "ni_mof"',
        ),
        (
            'kind = "exchange"\nentering = "Li+"\nleaving = "Me2NH2+"',
            'kind = "salt"\ncation = "Li+"\nanion = "PF6-"',
            'deck.toml: [output] compare_with: expected "nothing", because ni_mof was measured with exchange of Li+ '
            'and Me2NH2+ and the deck has salt of Li+ and PF6-; found "ni_mof"',
        ),
    ],
)
def test_each_fault_has_its_line(tmp_path, old, new, line):
    assert line in faults(tmp_path, (old, new))


def test_all_faults_come_at_once(tmp_path):
    """Four tables are wrong, four lines come back."""
    lines = faults(
        tmp_path,
        ("net_charge = -2", "net_charge = 40"),
        ("permittivity = 10", "permittivity = 0"),
        ("repeats = [3, 3, 3]", "repeats = [3, 3]"),
        ("events = 10_000", 'events = "many"'),
    )
    assert len(lines) == 4
    assert [line.split("[")[1].split("]")[0] for line in lines] == ["structure", "landscape", "lattice", "kmc"]


@pytest.mark.parametrize(
    ("treatment", "words"),
    [
        ('"Na+" = "frozen"', "expected one of Li+, Me2NH2+, found 'Na+'"),
        ('"Li+" = "frozen"\n"Me2NH2+" = "background"', "expected at least one mobile species, found none"),
        ('"Li+" = "moving"', "expected 'mobile', 'frozen' or 'background', found \"moving\""),
    ],
)
def test_treatments_are_checked(tmp_path, treatment, words):
    lines = faults(tmp_path, ("[kmc]", f"[composition.treatment]\n{treatment}\n[kmc]"))
    assert words in lines[0]


def test_what_is_not_toml_is_refused_in_one_line(tmp_path):
    for name, content in (("broken", b"[structure\n"), ("binary", b"\xff\xfe"), ("empty", b"")):
        path = tmp_path / f"{name}.toml"
        path.write_bytes(content)
        with pytest.raises(DeckError) as caught:
            read_deck(path)
        assert f"{name}.toml" in str(caught.value).splitlines()[0]


def test_a_shipped_deck_is_found_by_its_bare_name_and_a_missing_one_is_refused(tmp_path, monkeypatch):
    """A mistyped path must not run another deck; a folder of the same name is no deck."""
    monkeypatch.chdir(tmp_path)
    for given in ("ni_mof", "ni_mof.toml"):
        path, remark = find_deck(given)
        assert path.is_file()
        assert remark is not None
        assert str(path) in remark
    for given in ("nothing.toml", "nowhere/deep/mof5.toml", "nowhere/mof5", "./mof5.toml", "mof5.cif"):
        with pytest.raises(InputError, match="no such file"):
            find_deck(given)
    (tmp_path / "ni_mof").mkdir()
    assert find_deck("ni_mof")[1] is not None
    (tmp_path / "mine").mkdir()
    with pytest.raises(InputError, match="found a folder"):
        find_deck("mine")


def test_a_cif_is_looked_for_beside_the_deck_before_it_is_a_shipped_name(tmp_path, monkeypatch):
    """Where the program is started does not matter."""
    elsewhere, home = tmp_path / "elsewhere", tmp_path / "home"
    elsewhere.mkdir()
    home.mkdir()
    monkeypatch.chdir(elsewhere)
    (elsewhere / "ni_pacs_sym").write_text("data_wrong")
    assert deck_of(home, GOOD).cif == str(library_cif("ni_pacs_sym"))
    (home / "ni_pacs_sym").write_text("data_mine")
    assert deck_of(home, GOOD).cif == str(home / "ni_pacs_sym")
    assert deck_of(home, GOOD.replace("ni_pacs_sym", "sub/my.cif")).cif == str(home / "sub" / "my.cif")


@pytest.mark.parametrize("name", ["ni_mof", "mof5"])
def test_the_shipped_decks_are_right(name):
    deck = read_deck(find_deck(name)[0]).deck
    assert len(deck.scan.temperatures) >= 4
    assert deck.scan.temperatures[0] == pytest.approx(233.15)
    assert deck.scan.temperatures[-1] == pytest.approx(373.15)
    assert deck.landscape.spacing_A == 0.2


def test_every_key_says_what_it_is():
    """`mofkmc check` prints the description of every key."""
    for table in Deck.model_fields.values():
        for part in getattr(table.annotation, "__args__", (table.annotation,)):
            for name, field in getattr(part, "model_fields", {}).items():
                assert field.description, name


def test_a_byte_order_mark_is_no_fault(tmp_path):
    """Editors on Windows begin a file with one."""
    (tmp_path / "bom.toml").write_text(GOOD, "utf-8-sig")
    assert read_deck(tmp_path / "bom.toml").text == GOOD
