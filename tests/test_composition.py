"""Whole ions from fractions and molarities; the framework's charge is balanced exactly or the deck is refused."""

import io
from dataclasses import replace

import numpy as np
import pytest
from lattices import ion, simple_cubic
from rich.console import Console

from lattice.network import PoreNetwork
from runs.check_tables import loading_part
from runs.composition import loadings, possible_loadings, rounding_remark, uptake_line
from runs.deck import Deck
from structures.errors import InputError
from structures.species import Species
from structures.units import AVOGADRO

LI, AMMONIUM, PF6 = ion("Li+"), ion("Me2NH2+"), ion("PF6-", -1.0)


def deck_of(composition: dict[str, object], scan: dict[str, object], repeats: tuple[int, int, int] = (3, 3, 3)) -> Deck:
    return Deck.model_validate(
        {
            "structure": {"cif": "mof5"},
            "landscape": {"permittivity": 10},
            "lattice": {"repeats": repeats},
            "composition": composition,
            "kmc": {"events": 1000},
            "scan": {"temperatures_K": (300.0,), "replicas": 2, **scan},
        }
    )


def exchange(fractions: tuple[float, ...], **options: object) -> Deck:
    composition = {"kind": "exchange", "entering": "Li+", "leaving": "Me2NH2+", **options}
    return deck_of(composition, {"exchange_fractions": fractions})


def salt(molarities: tuple[float, ...], **options: object) -> Deck:
    composition = {"kind": "salt", "cation": "Li+", "anion": "PF6-", **options}
    return deck_of(composition, {"molarities_mol_per_L": molarities})


def charged(charge: float = -1.0) -> PoreNetwork:
    return replace(simple_cubic(species=(LI, AMMONIUM)), framework_charge=charge)


def test_fractions_become_whole_ions_that_balance_the_framework():
    """27 cells of charge -1: 27 ions; x = 0.5 asks for 13.5 and gets 14 (round half to even), said as 14/27."""
    found = loadings(exchange((0.0, 0.5, 1.0)), charged())
    assert [loading.counts["Li+"] for loading in found] == [0, 14, 27]
    assert all(sum(loading.counts.values()) == 27 for loading in found)
    assert found[1].value == pytest.approx(14 / 27)
    assert rounding_remark(found[1]) == "asked for 0.5"
    assert rounding_remark(found[0]) == ""
    assert found[1].key == "x0.5185"


def test_loadings_that_round_to_the_same_ions_are_computed_once():
    found = loadings(exchange((0.5, 0.51, 0.9)), charged())
    assert [loading.counts["Li+"] for loading in found] == [14, 24]
    assert rounding_remark(found[0]) == "asked for 0.5, 0.51; computed once"


def test_a_molarity_becomes_whole_pairs_of_the_accessible_volume():
    """1 mol/L in V Å³ holds V · 1e-27 L · N_A pairs."""
    volume = 1000.0
    network = replace(simple_cubic(species=(LI, PF6)), accessible_volume=volume)
    (found,) = loadings(salt((1.0,)), network)
    expected = round(27 * volume * 1e-27 * AVOGADRO)
    assert found.counts == {"Li+": expected, "PF6-": expected}
    assert found.value == pytest.approx(expected / (27 * volume * 1e-27 * AVOGADRO))


def test_a_molarity_says_which_volume_it_refers_to():
    """The volume of a helium probe, larger than that of any ion."""
    network = replace(simple_cubic(species=(LI, PF6)), accessible_volume=1000.0)
    console = Console(file=io.StringIO(), width=200)
    console.print(loading_part(loadings(salt((1.0,)), network), network))
    assert "helium can occupy (probe radius 1.32 Å), 1000 Å³ per cell" in console.file.getvalue()
    console.print(loading_part(loadings(exchange((0.5,)), charged()), charged()))
    assert console.file.getvalue().count("helium") == 1


def test_a_salt_of_unequal_charges_is_neutral():
    network = replace(simple_cubic(species=(ion("Mg2+", 2.0), PF6)), accessible_volume=500.0)
    (found,) = loadings(salt((1.0,), cation="Mg2+"), network)
    assert found.counts["PF6-"] == 2 * found.counts["Mg2+"] > 0


def test_a_salt_that_rounds_to_nothing_says_how_many_cells_it_needs():
    """0.01 mol/L in 100 Å³ per cell: half a pair needs 0.5 / 6.022e-4 = 831 cells."""
    network = replace(simple_cubic(species=(LI, PF6)), accessible_volume=100.0)
    with pytest.raises(InputError, match=r"found 0\.016 pairs at 0\.01 mol/L in 27 cells; at least 831 cells"):
        loadings(salt((0.01,)), network)


def test_treatments_decide_who_is_placed_and_who_moves():
    (found,) = loadings(exchange((0.5,), treatment={"Me2NH2+": "background"}), charged())
    assert found.counts == {"Li+": 14}
    assert found.background == {"Me2NH2+": 13}
    (found,) = loadings(exchange((0.5,), treatment={"Me2NH2+": "frozen"}), charged())
    assert found.counts == {"Li+": 14, "Me2NH2+": 13}
    assert found.mobile == {"Li+": 14}


def soaked(molarity: float = 1.0, anion: str = "PF6-", fractions: tuple[float, ...] = (0.0, 0.2, 0.4)) -> Deck:
    return exchange(fractions, uptake={"anion": anion, "mol_per_L": molarity})


def pores(*ions: Species, volume: float = 1000.0) -> PoreNetwork:
    return replace(simple_cubic(species=ions or (LI, AMMONIUM, PF6)), framework_charge=-1.0, accessible_volume=volume)


def test_salt_in_the_pores_comes_on_top_of_the_counter_ions():
    """x = 0, 5/27 and 11/27 of 27 counter-ions, and 27 · 1000 Å³ · 1 mol/L = 16.26 pairs, 16 of them, at each."""
    pairs = round(27 * 1000.0 * 1e-27 * AVOGADRO)
    found = loadings(soaked(), pores())
    assert pairs == 16
    assert [loading.counts for loading in found] == [
        {"Li+": n + pairs, "Me2NH2+": 27 - n, "PF6-": pairs} for n in (0, 5, 11)
    ]
    assert [loading.value for loading in found] == [0.0, 5 / 27, 11 / 27]
    assert [loading.key for loading in found] == ["x0.0000", "x0.1852", "x0.4074"]
    said = uptake_line(soaked(), pores())
    assert "16 Li+ and 16 PF6- in the supercell besides the counter-ions, 0.984 mol/L (1 asked for)" in said
    assert uptake_line(exchange((0.5,)), charged()) == ""


def test_salt_of_unequal_charges_keeps_the_supercell_neutral():
    """Mg2+ and PF6- counter-balance as 1 : 2; the framework is balanced by Mg2+ and Zn2+."""
    magnesium, zinc = ion("Mg2+", 2.0), ion("Zn2+", 2.0)
    deck = deck_of(
        {"kind": "exchange", "entering": "Mg2+", "leaving": "Zn2+", "uptake": {"anion": "PF6-", "mol_per_L": 0.2}},
        {"exchange_fractions": (0.0, 1.0)},
    )
    network = replace(pores(magnesium, zinc, PF6), framework_charge=-2.0 / 3.0)
    assert [loading.counts for loading in loadings(deck, network)] == [
        {"Mg2+": 3, "Zn2+": 9, "PF6-": 6},
        {"Mg2+": 12, "Zn2+": 0, "PF6-": 6},
    ]


def test_an_uptake_of_nothing_is_none():
    (found,) = loadings(soaked(0.0, fractions=(0.5,)), pores())
    assert found.counts == {"Li+": 14, "Me2NH2+": 13, "PF6-": 0}


def test_loadings_that_can_be_asked_for_hold_the_salt_too():
    """27 sites for each ion and 16 pairs: no more than 11 of 27 counter-ions are Li+."""
    assert possible_loadings(soaked(fractions=(0.0,)), pores()) == pytest.approx([n / 27 for n in range(12)])


def test_all_ions_of_a_soaked_framework_can_be_smeared_out_or_frozen():
    deck = exchange(
        (0.0,), uptake={"anion": "PF6-", "mol_per_L": 1.0}, treatment={"Me2NH2+": "frozen", "PF6-": "background"}
    )
    (found,) = loadings(deck, pores())
    assert (found.counts, found.background) == ({"Li+": 16, "Me2NH2+": 27}, {"PF6-": 16})
    assert found.mobile == {"Li+": 16}


@pytest.mark.parametrize(
    ("deck", "network", "words"),
    [
        (exchange((0.5,)), charged(0.0), "expected a framework whose charge Li\\+ balances, found \\+0 e"),
        (exchange((0.5,)), charged(+1.0), "expected a framework whose charge Li\\+ balances, found \\+1 e"),
        (
            exchange((0.5,)),
            charged(-0.3),
            "expected a framework charge that whole ions of \\+1 e balance, found -8.1 e",
        ),
        (soaked(anion="Na+"), pores(LI, AMMONIUM, ion("Na+")), r"uptake.anion: expected an ion of the opposite charge"),
        (
            soaked(0.02),
            pores(),
            r"uptake.mol_per_L: expected at least one formula unit of salt .* found 0\.33;",
        ),
        (soaked(2.0), pores(), r"x = 0: expected at most 27 Li\+, one per site of the supercell, found 33"),
        (exchange((1.0,)), charged(-2.0), "expected at most 27 Li\\+, one per site of the supercell, found 54"),
        (exchange((0.0,), treatment={"Me2NH2+": "frozen"}), charged(), "x = 0: expected at least one mobile ion"),
        (salt((1.0,)), replace(simple_cubic(species=(LI, PF6)), framework_charge=-1.0), "expected a neutral framework"),
        (
            salt((1.0,), anion="Me2NH2+"),
            simple_cubic(species=(LI, AMMONIUM)),
            "expected a positive cation and a negative anion",
        ),
    ],
)
def test_what_cannot_be_balanced_or_placed_is_refused(deck, network, words):
    with pytest.raises(InputError, match=words):
        loadings(deck, network)


def test_rounding_never_loses_an_ion():
    """Over all fractions the two counts sum to the counter-ions of the supercell."""
    fractions = tuple(np.linspace(0, 1, 57).tolist())
    assert {sum(loading.counts.values()) for loading in loadings(exchange(fractions), charged())} == {27}
