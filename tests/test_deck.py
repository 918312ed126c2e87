"""A deck is either right, or every fault in it is named in one line with what was expected and what was found."""

import re

import numpy as np
import pytest
from decks import DECK, changed, deck_of, faults

from runs.deck import Deck
from runs.deck_file import DeckError, find_deck, read_deck
from runs.deck_keys import tables_in
from runs.deck_species import deck_species
from structures.errors import InputError
from structures.library import library_cif
from structures.species import SHIPPED_SPECIES


def test_a_good_deck_is_read(tmp_path):
    """Temperatures come out in K, defaults are filled in, a shipped species takes the deck's value and says so."""
    file = deck_of(tmp_path)
    assert file.deck.scan.temperatures == (233.15, 298.15, 373.15)
    assert file.deck.landscape.cutoff_A == 12
    assert file.deck.treatment("Li+") == "mobile"
    li, ammonium = deck_species(file.deck)
    assert li is SHIPPED_SPECIES["Li+"]
    assert ammonium.contact_radius == 2.7
    assert "contact_radius_A = 2.7" in ammonium.source


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (
            "persistence_kT = 2.5",
            "persistence_kT = 300",
            "deck.toml: [landscape] persistence_kT: expected 0 to 20 kT, found 300",
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
        ("replicas = 2", "replicas = 1", "deck.toml: [scan] replicas: expected 2 to 100000, found 1"),
        ("replicas = 2", "", "deck.toml: [scan] replicas: expected a value of 2 to 100000, found none"),
        (
            "replicas = 2",
            "replicas = true",
            "deck.toml: [scan] replicas: expected a whole number of 2 to 100000, found true",
        ),
        ('"exchange"', '"swap"', 'deck.toml: [composition] kind: expected "exchange" or "salt", found "swap"'),
        (
            'leaving = "Me2NH2+"',
            'leaving = "X+"',
            f"deck.toml: [composition] expected {', '.join(SHIPPED_SPECIES)} or a table [species.\"X+\"], found 'X+'",
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
            "contact_radius_A = 2.7",
            "lj_sigma_A = 0.46",
            'deck.toml: [species."Me2NH2+"] lj_sigma_A: expected 0.5 to 12 Å, found 0.46; '
            "0.46 is probably nm, write 4.6 Å",
        ),
        (
            "contact_radius_A",
            "contact_radius",
            'deck.toml: [species."Me2NH2+"] unknown key contact_radius; did you mean contact_radius_A?',
        ),
        (
            '[species."Me2NH2+"]',
            '[species."X+"]',
            'deck.toml: [species."X+"] expected all values of an ion that is not shipped, missing: '
            "charge, mass_amu, lj_epsilon_eV, lj_sigma_A (or beads)",
        ),
        (
            '[species."Me2NH2+"]\ncontact_radius_A = 2.7',
            '[species."Li+"]\ncharge = 0',
            'deck.toml: [species."Li+"] charge must not be zero; got 0',
        ),
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


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("spacing_A = 0.2", "spacing_A = 5", "spacing_A = 5"),
        ("spacing_A = 0.2", "spacing = 0.2", "spacing = 0.2"),
        ("Ni = 1.2", "Ni = 120", "Ni = 120"),
        ("Ni = 1.2", 'Ni = "two"', 'Ni = "two"'),
        ("replicas = 2", "", "[scan]"),
        ("[landscape]", "[landscap]", "[landscap]"),
        ("[0, 0.5, 1]", "[\n  0,  # ]\n  0.5,\n\n  7,\n]", "exchange_fractions = ["),
        ("replicas = 2", 'seed = """\n[kmc]\nevents = 3\n"""\nreplicas = 1', "replicas = 1"),
        ("contact_radius_A = 2.7", "charge = 9", "charge = 9"),
        ("contact_radius_A = 2.7", "beads = [\n  {name = 3},\n]", "beads = ["),
        ('[species."Me2NH2+"]\ncontact_radius_A = 2.7', "species.X = {charge = 9}", "species.X = {charge = 9}"),
        ("events = 2000", "# events = 1\n'events' = 10", "'events' = 10"),
        ("[0, 0.5, 1]", "[0.5, 0.5]", "exchange_fractions = [0.5, 0.5]"),
        ('leaving = "Me2NH2+"', 'leaving = "Li+"', "[composition]"),
        ("[kmc]", '[composition.treatment]\n"Na+" = "frozen"\n[kmc]', "[composition.treatment]"),
        ("[kmc]", '[composition.treatment]\n"Li+" = "moving"\n[kmc]', '"Li+" = "moving"'),
        ("[kmc]", "[[pair]]\nbelow_A = 3\n[[pair]]\nbelow_A = 300\n[kmc]", "below_A = 300"),
        ("[kmc]", '[[pair]]\nbelow_A = 3\nenergy_eV = 1\n[[override.site]]\nspecies = "K+"\n[kmc]', "[[pair]]"),
    ],
)
def test_a_fault_names_the_line_of_its_key_or_table(tmp_path, old, new, line):
    """Whatever else is wrong with the deck, one fault points to this line of the file."""
    text = changed((old, new)).splitlines()
    with pytest.raises(DeckError) as caught:
        deck_of(tmp_path, (old, new))
    numbers = [int(found) for found in re.findall(r"^deck\.toml:(\d+): ", str(caught.value), re.MULTILINE)]
    assert line in [text[number - 1] for number in numbers]
    assert len(numbers) == len([line for line in str(caught.value).splitlines() if "expected this table" not in line])


def test_a_key_of_the_other_kind_of_composition_is_not_offered_again(tmp_path):
    found = faults(tmp_path, ('kind = "exchange"', 'kind = "salt"'))
    assert 'deck.toml: [composition] entering: expected no such key where kind is "salt"' in found
    assert not any("did you mean" in line for line in found)


def test_all_faults_come_at_once(tmp_path):
    """Four tables are wrong, four lines come back."""
    lines = faults(
        tmp_path,
        ("net_charge = -2", "net_charge = 40"),
        ("permittivity = 10", "permittivity = 0"),
        ("repeats = [3, 3, 3]", "repeats = [3, 3]"),
        ("events = 2000", 'events = "many"'),
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
    lines = faults(tmp_path, ("[kmc]\n", f"[composition.treatment]\n{treatment}\n[kmc]\n"))
    assert words in lines[0]


def test_what_is_not_toml_is_refused_in_one_line(tmp_path):
    for name, content in (("broken", b"[structure\n"), ("binary", b"\xff\xfe"), ("empty", b"")):
        path = tmp_path / f"{name}.toml"
        path.write_bytes(content)
        with pytest.raises(DeckError) as caught:
            read_deck(path)
        assert f"{name}.toml" in str(caught.value).splitlines()[0]
    path.write_text(changed(("replicas = 2", "replicas = 2 x")))
    with pytest.raises(DeckError, match=r"^empty\.toml:34: expected TOML, found: [^\n]*\(at line 34, column 14\)$"):
        read_deck(path)


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
    assert deck_of(home).cif == str(library_cif("ni_pacs_sym"))
    (home / "ni_pacs_sym").write_text("data_mine")
    assert deck_of(home).cif == str(home / "ni_pacs_sym")
    assert deck_of(home, ("ni_pacs_sym", "sub/my.cif")).cif == str(home / "sub" / "my.cif")


@pytest.mark.parametrize("name", ["ni_mof", "mof5"])
def test_the_shipped_decks_are_right(name):
    deck = read_deck(find_deck(name)[0]).deck
    assert len(deck.scan.temperatures) >= 4
    assert deck.scan.temperatures[0] == pytest.approx(233.15)
    assert deck.scan.temperatures[-1] == pytest.approx(373.15)
    assert deck.landscape.spacing_A == 0.2


def test_every_key_says_what_it_is():
    """`mofkmc check` prints the description of every key."""
    tables = [table for field in Deck.model_fields.values() for table in tables_in(field.annotation)]
    for table in tables:
        tables += [inner for field in table.model_fields.values() for inner in tables_in(field.annotation)]
        for name, field in table.model_fields.items():
            assert field.description, name
    assert {"Bead", "SiteOverride", "HopOverride", "PairTable", "Rates"} <= {table.__name__ for table in tables}


def test_a_byte_order_mark_is_no_fault(tmp_path):
    """Editors on Windows begin a file with one."""
    (tmp_path / "bom.toml").write_text(DECK, "utf-8-sig")
    assert read_deck(tmp_path / "bom.toml").text == DECK


def test_a_whole_number_may_be_written_as_a_power_of_ten(tmp_path):
    """TOML reads 1e6 as a float."""
    deck = deck_of(tmp_path, ("events = 2000", "events = 1e6"), ("[3, 3, 3]", "[3.0, 3, 3]")).deck
    assert (deck.kmc.events, type(deck.kmc.events)) == (1_000_000, int)
    assert deck.lattice.repeats == (3, 3, 3)
    (line,) = faults(tmp_path, ("events = 2000", "events = 2000.5"))
    assert line == "deck.toml: [kmc] events: expected a whole number of 1000 to 1e+11 hops, found 2000.5"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("persistence_kT = 2.5", "merge_barrier_eV = 0.05", "unknown key merge_barrier_eV; write persistence_kT"),
        ("events = 2000", "events = 2000\nattempt_frequency_Hz = 1e12", "it belongs in [rates]"),
    ],
)
def test_a_key_of_another_name_or_place_is_named(tmp_path, old, new, words):
    (line,) = faults(tmp_path, (old, new))
    assert words in line


@pytest.mark.parametrize("seed", range(4))
def test_a_deck_with_changed_bytes_is_right_or_refused_in_lines(tmp_path, seed):
    """Lines dropped, doubled or swapped, characters changed: never anything but a deck or a DeckError."""
    rng, path, refused = np.random.default_rng(seed), tmp_path / "deck.toml", 0
    original = find_deck(("ni_mof", "mof5")[seed % 2])[0].read_text(encoding="utf-8")
    for _ in range(60):
        lines = original.split("\n")
        at, other = rng.integers(len(lines), size=2)
        kind = rng.integers(4)
        if kind == 0:
            del lines[at]
        elif kind == 1:
            lines.insert(other, lines[at])
        elif kind == 2:
            lines[at], lines[other] = lines[other], lines[at]
        text = "\n".join(lines)
        if kind == 3:
            place = int(rng.integers(len(text)))
            text = text[:place] + str(rng.choice(list("[]{}\"'=.,#\n01-x\\é"))) + text[place + 1 :]
        path.write_text(text, encoding="utf-8")
        try:
            read_deck(path)
        except DeckError as error:
            refused += 1
            for line in str(error).split("\n"):
                found = re.match(r"deck\.toml(?::(\d+))?: .*(expected|unknown|must)", line)
                assert found, line
                assert found[1] is None or 1 <= int(found[1]) <= text.count("\n") + 1
    assert refused > 5
