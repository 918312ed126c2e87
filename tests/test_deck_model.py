"""What a deck says of crystal, charges, permittivity, rates and overrides."""

import pytest
from decks import deck_of, faults

from runs.deck import Rates


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("4", 4.0),
        ("[4, 4, 9]", (4, 4, 9)),
        ("[[4, 0, 1], [0, 4, 0], [1, 0, 9]]", ((4, 0, 1), (0, 4, 0), (1, 0, 9))),
    ],
)
def test_the_permittivity_is_a_number_or_a_tensor(tmp_path, value, read):
    assert deck_of(tmp_path, ("permittivity = 10", f"permittivity = {value}")).deck.landscape.permittivity == read


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("0", ": must lie between 1 and 10000 in every direction; got 0"),
        ("[4, 4, 0.5]", ": must lie between 1 and 10000 in every direction; got principal values 0.5, 4, 4"),
        ("[[4, 9, 0], [9, 4, 0], [0, 0, 9]]", "got principal values -5, 9, 13"),
        ("[4, 4]", ": must be 1, 3 or 3x3 numbers; got an array of shape (2,)"),
        (
            "[[4, 1, 0], [0, 4, 0], [0, 0, 9]]",
            "must be a symmetric tensor; got 1 in row 1, column 2 and 0 in row 2, column 1",
        ),
        ("[4, [4], 4]", "must be 1, 3 or 3x3 numbers; got (4, (4,), 4)"),
        ('"ten"', 'found "ten"'),
        ("true", ": expected a number, 3 numbers along x, y, z, or a symmetric 3 x 3 tensor, found true"),
        ("[nan, 1, 1]", "must be finite; got [nan, 1.0, 1.0]"),
    ],
)
def test_what_is_no_permittivity_is_refused_in_one_line(tmp_path, value, words):
    """The principal values of (4 9; 9 4) are 13 and -5."""
    (line,) = faults(tmp_path, ("permittivity = 10", f"permittivity = {value}"))
    assert line.startswith("deck.toml: [landscape] permittivity")
    assert words in line


RATES = 'model = "attempt_frequency"\nattempt_frequency_Hz = 1e12'


@pytest.mark.parametrize(
    ("rates", "factor"),
    [
        ('model = "flux_tst"', 1.0),
        ('model = "harmonic_tst"\nfriction = 0.2', 0.2),
        ('model = "attempt_frequency"', 1e12),
        ('model = "attempt_frequency"\nattempt_frequency_Hz = 5e12', 5e12),
        ("", 1.0),
    ],
)
def test_every_rate_model_has_its_factor(tmp_path, rates, factor):
    """A friction factor for rates in 1/s, an attempt frequency for rates relative to one; flux TST by default."""
    assert deck_of(tmp_path, (RATES, rates)).deck.rates.factor == factor
    assert Rates().model == "flux_tst"


@pytest.mark.parametrize(
    ("rates", "words"),
    [
        ('model = "attempt_frequency"\nfriction = 0.5', "[rates] friction: expected no such key"),
        ('model = "flux_tst"\nattempt_frequency_Hz = 1e12', "[rates] attempt_frequency_Hz: expected no such key"),
        ('model = "flux_tst"\nfriction = 2e3', "[rates] friction: expected 1e-06 to 1000, found 2000"),
        ('model = "tst"', "expected 'flux_tst', 'harmonic_tst' or 'attempt_frequency', found \"tst\""),
        (
            'model = "attempt_frequency"\nattempt_frequency_Hz = 1',
            "expected 1e+09 to 1e+16 1/s, found 1; 1 is probably THz, write 1e+12 1/s",
        ),
    ],
)
def test_rates_that_cannot_be(tmp_path, rates, words):
    (line,) = faults(tmp_path, (RATES, rates))
    assert words in line


OVERRIDES = """[[override.site]]
species = "Li+"
label = "N"
energy_eV = 0.1
[[override.hop]]
species = "Li+"
labels = ["N", "mu-O"]
barrier_eV = 0.3
[[override.hop]]
species = "Me2NH2+"
orbit = 4
prefactor_Hz = 1e12
[[pair]]
species = ["Li+", "Li+"]
below_A = 3.5
energy_eV = 0.4
[kmc]
"""


def test_overrides_are_read(tmp_path):
    deck = deck_of(tmp_path, ("[kmc]\n", OVERRIDES)).deck
    assert [site.label for site in deck.override.site] == ["N"]
    assert [(hop.labels, hop.orbit) for hop in deck.override.hop] == [(("N", "mu-O"), None), (None, 4)]
    assert deck.pair[0].below_A == 3.5


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ('label = "N"', "", "[[override.site]] 1: expected either orbit or label, found neither"),
        ('label = "N"', 'label = "N"\norbit = 1', "[[override.site]] 1: expected either orbit or label, found both"),
        ("barrier_eV = 0.3", "", "[[override.hop]] 1: expected barrier_eV, prefactor_Hz or both, found neither"),
        ("orbit = 4", "", "[[override.hop]] 2: expected either orbit or labels, found neither"),
        ("orbit = 4", "orbit = -1", "[[override.hop]] 2, orbit: expected 0 to 1e+06, found -1"),
        (
            "barrier_eV = 0.3",
            "barrier_eV = 300",
            "[[override.hop]] 1, barrier_eV: expected 0 to 20 eV, found 300; 300 is probably meV, write 0.3 eV",
        ),
        ("energy_eV = 0.1", "energy = 0.1", "[[override.site]] 1, unknown key energy; did you mean energy_eV?"),
        ('["Li+", "Li+"]', '["Li+", "Na+"]', "[[pair]] 1, species: expected one of Li+, Me2NH2+, found 'Na+'"),
        ("below_A = 3.5", "", "[[pair]] 1, below_A: expected a value of 0.1 to 30 Å, found none"),
    ],
)
def test_overrides_are_checked(tmp_path, old, new, line):
    lines = faults(tmp_path, ("[kmc]\n", OVERRIDES), (old, new))
    assert f"deck.toml: {line}" in lines


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            "permittivity = 10",
            'permittivity = 10\ncube = {"K+" = "k.cube"}',
            "[landscape] cube: expected one of Li+, Me2NH2+",
        ),
        (
            "permittivity = 10",
            'permittivity = 10\ncube = {"Li+" = "li.cube"}',
            "[landscape] cube: expected no such key, because [structure] sites replaces",
        ),
        (
            "net_charge = -2",
            'net_charge = -2\ncharge_source = "ddec"',
            "'auto', 'table', 'cif' or 'eqeq', found \"ddec\"",
        ),
    ],
)
def test_sources_are_checked(tmp_path, old, new, words):
    sites = (('cif = "ni_pacs_sym"', 'sites = "sites.yaml"'),) if "sites" in words else ()
    assert any(words in line for line in faults(tmp_path, *sites, (old, new)))


def test_a_crystal_comes_from_a_cif_or_a_list_of_sites(tmp_path):
    assert faults(tmp_path, ('cif = "ni_pacs_sym"', "")) == [
        "deck.toml: [structure] cif: expected a CIF, or else sites, found neither"
    ]


def test_given_barriers_have_an_attempt_frequency(tmp_path):
    sites = ('cif = "ni_pacs_sym"', 'sites = "sites.yaml"')
    assert deck_of(tmp_path, sites).deck.structure.sites == "sites.yaml"
    (line,) = faults(tmp_path, sites, (RATES, 'model = "harmonic_tst"'))
    assert line.startswith('deck.toml: [rates] model: expected "attempt_frequency"')


def test_a_charge_source_without_its_table(tmp_path):
    table = "[structure.charges]\nNi = 1.2\nO = -0.7\nC = 0.06\nH = 0.1\nN = -0.3\n"
    (line,) = faults(tmp_path, (table, ""), ("net_charge = -2", 'charge_source = "table"'))
    assert "expected a table [structure.charges]" in line
