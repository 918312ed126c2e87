"""Ions that a deck defines, of one bead or of several."""

import pytest
from decks import deck_of, faults

from runs.deck_species import deck_species
from structures.species import SHIPPED_SPECIES

BEADS = """[species."CN-"]
mass_amu = 26
contact_radius_A = 1.9
beads = [
  {name = "C", position_A = [0, 0, -0.6], charge = -0.4, lj_epsilon_eV = 0.003, lj_sigma_A = 3.5},
  {name = "N", position_A = [0, 0, 0.6], charge = -0.6, lj_epsilon_eV = 0.003, lj_sigma_A = 3.3},
]
"""
SALT = (
    ('kind = "exchange"\nentering = "Li+"\nleaving = "Me2NH2+"', 'kind = "salt"\ncation = "Li+"\nanion = "CN-"'),
    ("exchange_fractions = [0, 0.5, 1]", "molarities_mol_per_L = [1]"),
    ('compare_with = "ni_mof"', ""),
)
OWN = '[species."Me2NH2+"]\ncontact_radius_A = 2.7\n'


def test_an_ion_of_the_user_has_all_its_beads(tmp_path):
    """Its charge is the sum of the charges of its beads where it is not given."""
    cyanide = deck_species(deck_of(tmp_path, *SALT, (OWN, BEADS)).deck)[1]
    assert cyanide.charge == -1.0
    assert [bead.position for bead in cyanide.beads] == [(0, 0, -0.6), (0, 0, 0.6)]
    assert [bead.lj_sigma for bead in cyanide.beads] == [3.5, 3.3]
    assert cyanide.source == "deck"


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("mass_amu = 26", "", '[species."CN-"] expected all values of an ion that is not shipped, missing: mass_amu'),
        (
            "mass_amu = 26",
            "mass_amu = 26\nlj_sigma_A = 3",
            '[species."CN-"] lj_sigma_A: expected no such key beside beads, each of which has its own',
        ),
        ("mass_amu = 26", "mass_amu = 26\ncharge = 1", "charges of the beads must sum to 1 e; got -1"),
        (
            "lj_sigma_A = 3.3",
            "lj_sigma_A = 0.33",
            '[species."CN-"] beads.2.lj_sigma_A: expected 0.5 to 12 Å, found 0.33',
        ),
        ("lj_sigma_A = 3.3", "sigma_A = 3.3", '[species."CN-"] beads.2: unknown key sigma_A; did you mean lj_sigma_A?'),
        ("[0, 0, 0.6]", "[0, 0.6]", '[species."CN-"] beads.2.position_A: expected more values, found [0, 0.6]'),
        ("charge = -0.6, ", "", '[species."CN-"] beads.2.charge: expected a value of -4 to 4 e, found none'),
    ],
)
def test_beads_are_checked(tmp_path, old, new, line):
    beads = BEADS.replace(old, new)
    assert beads != BEADS
    assert any(line in fault for fault in faults(tmp_path, *SALT, (OWN, beads)))


def test_a_size_factor_makes_the_whole_ion_larger(tmp_path):
    """One number for a study of the size: diameters, places of beads and contact radius, on top of other changes."""
    size = ("contact_radius_A = 2.7", "contact_radius_A = 2.5\nsize_factor = 0.9")
    scaled = deck_species(deck_of(tmp_path, size).deck)[1]
    shipped = SHIPPED_SPECIES["Me2NH2+"]
    assert scaled.lj_sigma == pytest.approx(0.9 * shipped.lj_sigma)
    assert scaled.contact_radius == pytest.approx(0.9 * 2.5)
    assert (scaled.lj_epsilon, scaled.charge, scaled.mass) == (shipped.lj_epsilon, 1.0, shipped.mass)
    assert scaled.source.endswith("all lengths times 0.9 by the deck, contact radius 2.25 Å")
    rigid = ('leaving = "Me2NH2+"', 'leaving = "rigid-Me2NH2+"')
    table = (OWN, '[species."rigid-Me2NH2+"]\nsize_factor = 1.2\n')
    scaled = deck_species(deck_of(tmp_path, rigid, table, ('compare_with = "ni_mof"', "")).deck)[1]
    shipped = SHIPPED_SPECIES["rigid-Me2NH2+"]
    assert scaled.diameter == pytest.approx(1.2 * shipped.diameter)
    for bead, before in zip(scaled.beads, shipped.beads, strict=True):
        assert bead.position == pytest.approx([1.2 * x for x in before.position])
        assert (bead.charge, bead.lj_epsilon) == (before.charge, before.lj_epsilon)


def test_a_size_factor_of_one_changes_nothing_and_a_wild_one_is_refused(tmp_path):
    one = deck_of(tmp_path, ("contact_radius_A = 2.7", "size_factor = 1")).deck
    assert deck_species(one)[1] == SHIPPED_SPECIES["Me2NH2+"]
    (line,) = faults(tmp_path, ("contact_radius_A = 2.7", "size_factor = 2"))
    assert line == 'deck.toml: [species."Me2NH2+"] size_factor: expected 0.7 to 1.3, found 2'


def test_a_shipped_ion_of_several_beads_has_no_single_diameter(tmp_path):
    name = next(ion.name for ion in SHIPPED_SPECIES.values() if len(ion.beads) > 1)
    (line,) = faults(tmp_path, (OWN, f'[species."{name}"]\nlj_sigma_A = 4\n'))
    assert line.startswith(f'deck.toml: [species."{name}"] lj_sigma must be given bead by bead')
