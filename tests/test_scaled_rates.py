"""Factors on the rates of single ions, from the deck to the engine."""

import numpy as np
import pytest
from decks import deck_of, faults
from random_network import TEMPERATURE, random_network
from small_run import write_small_run

from analysis.network_exact import single_particle_diffusivity
from kmc.placement import place_ions
from kmc.simulation import Simulation
from lattice.scaled_rates import scale_rates
from lattice.supercell import replicate
from runs.assumptions import factors_text, rates_line
from runs.deck_file import read_deck
from runs.model import build_model
from structures.errors import InputError

RATES = 'model = "attempt_frequency"\nattempt_frequency_Hz = 1e12'


def say_nothing(what: str, fraction: float) -> None:
    """Report nothing."""


def test_rates_of_one_ion_are_multiplied_and_nothing_else_changes():
    """D of an ion alone is proportional to its rates; free energies, saddles and the other ions stay."""
    network = random_network()
    scaled = scale_rates(network, {"A+": 0.25, "C2+": 40.0}, what="friction factor")
    ratio = [
        np.trace(single_particle_diffusivity(scaled, p, TEMPERATURE))
        / np.trace(single_particle_diffusivity(network, p, TEMPERATURE))
        for p in range(3)
    ]
    np.testing.assert_allclose(ratio, [0.25, 1.0, 40.0], rtol=1e-12)
    for name in ("hop_saddle", "site_energy", "site_log_partition", "percolation", "exclusion_a"):
        np.testing.assert_array_equal(getattr(scaled, name), getattr(network, name), strict=True)
    assert scaled.provenance[-1] == (
        "rates: the prefactors of this network contain the friction factor, 0.25 for A+, 40 for C2+"
    )


def test_every_rate_of_the_engine_follows():
    """Among other ions, with clipped barriers, in a field: rate of leaving of each ion times the factor of its kind."""
    network = random_network()
    found = []
    for factors in ({}, {"A+": 0.25, "B-": 3.0}):
        lattice = replicate(scale_rates(network, factors), (2, 2, 2))
        rng = np.random.default_rng(5)
        state = place_ions(lattice, {"A+": 6, "B-": 6, "C2+": 3}, rng, temperature=TEMPERATURE)
        rates, _ = Simulation(lattice, state, temperature=TEMPERATURE, field=(1e-3, 0, 0)).mover_rates()
        found.append((state.ion_species, rates))
    (species, plain), (_, scaled) = found
    np.testing.assert_allclose(scaled, np.array([0.25, 3.0, 1.0])[species] * plain, rtol=1e-11)
    assert (plain > 0).any()


def test_no_factor_gives_the_same_network_and_a_wrong_one_none():
    network = random_network()
    assert scale_rates(network, {"A+": 1.0, "Na+": 0.5}) is network
    with pytest.raises(InputError, match=r"friction factor of A\+ must be positive; got -1"):
        scale_rates(network, {"A+": -1.0}, what="friction factor")


@pytest.mark.parametrize("given", ["3e12", '{"Li+" = 3e12, "Me2NH2+" = 2e10}', '{"Me2NH2+" = 2e10}'])
def test_attempt_frequencies_of_a_deck_reach_the_ions_of_a_list_of_sites(tmp_path, given):
    """k = nu exp(-E_b/kT), whether one nu is the factor of the run or each is in the network."""
    frequency = {"3e12": (3e12, 3e12), '{"Me2NH2+" = 2e10}': (1e12, 2e10)}.get(given, (3e12, 2e10))
    path = write_small_run(tmp_path, ("attempt_frequency_Hz = 1e12", f"attempt_frequency_Hz = {given}"))
    model = build_model(read_deck(path), say_nothing)
    factor, network = model.deck.rates.factor, model.network
    prefactor = factor * network.rates(300.0).prefactor
    kind = network.site_species[network.hop_origin]
    np.testing.assert_allclose(prefactor, np.array(frequency)[kind], rtol=1e-9)


def test_prefactors_given_for_single_hops_stay_what_they_are(tmp_path):
    """In 1/s, whatever the attempt frequency of their ion."""
    text = '[[override.hop]]\nspecies = "Me2NH2+"\norbit = 1\nprefactor_Hz = 7e11\n[kmc]\n'
    frequency = ("attempt_frequency_Hz = 1e12", 'attempt_frequency_Hz = {"Me2NH2+" = 2e10}')
    model = build_model(read_deck(write_small_run(tmp_path, frequency, ("[kmc]\n", text))), say_nothing)
    prefactor = model.deck.rates.factor * model.network.rates(300.0).prefactor
    given = model.network.hop_overridden
    np.testing.assert_allclose(prefactor[given], 7e11, rtol=1e-9)
    np.testing.assert_allclose(prefactor[~given], 1e12, rtol=1e-9)


def test_what_a_deck_says_of_its_factors(tmp_path):
    """A factor above one is no friction, and the program says so."""
    table = deck_of(tmp_path, (RATES, 'friction = {"Me2NH2+" = 0.01}')).deck
    assert (table.rates.factor, table.rates.of_ions) == (1.0, {"Me2NH2+": 0.01})
    assert factors_text(table) == "1 for Li+, 0.01 for Me2NH2+"
    assert "no meaning" not in rates_line(table)
    assert "proportional" not in rates_line(table)
    for friction in ("20", '{"Li+" = 20}'):
        said = rates_line(deck_of(tmp_path, (RATES, f"friction = {friction}")).deck)
        assert "above 1 it has no meaning as crossings that return: more than transition-state theory allows" in said
    frequency = deck_of(tmp_path, ("attempt_frequency_Hz = 1e12", 'attempt_frequency_Hz = {"Li+" = 5e12}')).deck
    assert rates_line(frequency) == "attempt frequency 5e+12 /s for Li+, 1e+12 /s for Me2NH2+"


@pytest.mark.parametrize(
    ("friction", "line"),
    [
        ("2000", "[rates] friction: expected 1e-06 to 1000, found 2000"),
        ('{"Li+" = 0}', "[rates] friction Li+: expected 1e-06 to 1000, found 0"),
        ('{"K+" = 0.1}', "[rates] friction: expected ions among Li+, Me2NH2+, found 'K+'"),
        ("{}", '[rates] friction: expected a number, or a table of numbers by ion such as {"Li+" = 1}, found a table'),
        ('{"Li+" = "low"}', "expected a number, or a table of numbers by ion"),
        ('"low"', 'such as {"Li+" = 1}, found "low"'),
        ("true", 'such as {"Li+" = 1}, found true'),
        ("[1, 2]", 'such as {"Li+" = 1}, found [1, 2]'),
    ],
)
def test_factors_that_cannot_be_are_refused_in_one_line(tmp_path, friction, line):
    (found,) = faults(tmp_path, (RATES, f"friction = {friction}"))
    assert line in found
