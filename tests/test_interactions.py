"""Interactions of the ions switched off one by one."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from decks import deck_of, faults
from random_network import random_network
from small_run import write_small_run

from kmc.placement import place_ions
from kmc.simulation import Simulation
from lattice.exclusions import exclusions, without_contacts
from lattice.near_pairs import exclusion_set
from runs.assumptions import footnotes, interaction_lines
from runs.check_tables import size_lines
from runs.deck_file import read_deck
from runs.job import build_lattice
from runs.model import Model, build_model
from runs.task import Setting, placed_simulation
from structures.units import BOLTZMANN

OFF = "[interactions]\ncoulomb = false\nexclusions = false\n"


def model_of(folder: Path, switches: str, *changes: tuple[str, str]) -> Model:
    path = write_small_run(folder, ("[lattice]\n", f"{switches}[lattice]\n"), *changes)
    return build_model(read_deck(path), lambda what, fraction: None)


def said(model: Model) -> str:
    return "\n".join(interaction_lines(model))


@pytest.mark.parametrize("energies", ["auto", "table", "meshes"])
def test_without_charge_and_size_an_ion_leaves_to_every_free_neighbour_at_the_rate_of_a_lone_one(tmp_path, energies):
    """Sum of the rates of an ion: free neighbours times nu exp(-E_b/kT), whatever the other ions are."""
    changes = (("[kmc]\n", f'[kmc]\nenergies = "{energies}"\n'),)
    model = model_of(tmp_path, OFF, *changes)
    assert not model.on_meshes
    assert model.memory(4) == 0
    assert any("each ion with the framework alone" in line for line in size_lines(model, 1))
    lattice, loading = build_lattice(model, 1), model.loadings[0]
    state = place_ions(lattice, loading.counts, np.random.default_rng(2), temperature=300.0)
    rates, _ = Simulation(lattice, state, temperature=300.0, attempt_frequency=1e12).mover_rates()
    expected = []
    for site in state.ion_site:
        hops = slice(lattice.hop_offset[site], lattice.hop_offset[site + 1])
        barrier = 0.20 if lattice.site_species[site] == 0 else 0.25
        free = int((state.occupant[lattice.hop_target[hops]] < 0).sum())
        expected.append(free * 1e12 * np.exp(-barrier / (BOLTZMANN * 300.0)))
    np.testing.assert_allclose(rates, expected, rtol=1e-9)
    assert len(set(np.round(expected))) > 2


def test_each_switch_is_one_of_its_own(tmp_path):
    """Ions without charge keep their radii, ions without radii their charge."""
    wide = '[species."Li+"]\ncontact_radius_A = 5.5\n'
    both = model_of(tmp_path, wide)
    uncharged = model_of(tmp_path, wide + "[interactions]\ncoulomb = false\n")
    sizeless = model_of(tmp_path, wide + "[interactions]\nexclusions = false\n")
    assert (both.interaction, uncharged.interaction, sizeless.interaction) == ("coulomb", None, "coulomb")
    assert len(both.network.exclusion_a) == len(uncharged.network.exclusion_a) > 0 == len(sizeless.network.exclusion_a)


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_sites_on_top_of_each_other_stay_exclusive(shift):
    """B- on top of A+, or across the border of the cell, is one place that both ions never fill."""
    network = random_network()
    frac = (network.site_frac + shift * (0.99 - network.site_frac[0])) % 1.0
    a, b, image = exclusions(network.cell, frac, np.full(len(frac), 0.6))
    network = replace(network, site_frac=frac, exclusion_a=a, exclusion_b=b, exclusion_image=image)
    freed = without_contacts(network)
    (pair,) = {tuple(sorted(link[:2])) for link in exclusion_set(freed)}
    assert pair == (0, 12)
    assert len(freed.exclusion_a) == 2 < len(network.exclusion_a)
    assert "(1 pairs), stays" in freed.provenance[-1]
    assert f"switched off: {len(network.exclusion_a) // 2 - 1} pairs of sites" in freed.provenance[-1]


def test_what_is_switched_off_is_said_with_every_result(tmp_path):
    model = model_of(tmp_path, OFF)
    assert "Coulomb energies between the ions are switched off" in said(model)
    assert "contact exclusions are switched off" in said(model)
    assert "Coulomb and exclusions between the ions switched off" in footnotes(model)[1]
    plain = model_of(tmp_path, "")
    assert (said(plain), len(footnotes(plain))) == ("", 1)


def test_frozen_ions_find_their_equilibrium_with_all_others_and_stay_there(tmp_path):
    """Placed one after the other, then moved like the mobile ones until the clock starts, and pinned from then on."""
    frozen = ("[kmc]\n", '[composition.treatment]\n"Me2NH2+" = "frozen"\n[kmc]\n')
    model = model_of(tmp_path, "", frozen)
    setting = Setting(model.file, build_lattice(model, 1), model.network.content_hash)
    simulation = placed_simulation(setting, model.conditions[0], np.random.default_rng(3))
    pinned = ~simulation.state.mobile
    placed = simulation.state.ion_site.copy()
    simulation.equilibrate(20)
    begun = simulation.state.ion_site.copy()
    simulation.step(500)
    after = simulation.state.ion_site
    assert pinned.sum() == (~pinned).sum() == 4
    assert (placed != begun)[pinned].any()
    np.testing.assert_array_equal(after[pinned], begun[pinned])
    assert (after != begun)[~pinned].any()


def test_ions_that_stand_still_or_are_smeared_out_are_in_the_footnote(tmp_path):
    treatment = ("[kmc]\n", '[composition.treatment]\n"Me2NH2+" = "background"\n[kmc]\n')
    assert footnotes(model_of(tmp_path, "", treatment))[1] == "with Me2NH2+ background"


def test_switches_are_checked(tmp_path):
    (line,) = faults(tmp_path, ("[lattice]\n", '[interactions]\ncoulomb = "no"\n[lattice]\n'))
    assert line == 'deck.toml: [interactions] coulomb: expected true or false, found "no"'
    (line,) = faults(tmp_path, ("[lattice]\n", "[interactions]\ncolomb = false\n[lattice]\n"))
    assert line == "deck.toml: [interactions] unknown key colomb; did you mean coulomb?"
    pair = '[[pair]]\nspecies = ["Li+", "Li+"]\nbelow_A = 4\nenergy_eV = 1\n'
    (line,) = faults(tmp_path, ("[lattice]\n", f"[interactions]\ncoulomb = false\n{pair}[lattice]\n"))
    assert "[[pair]] 1: expected no energies of pairs, which replace Coulomb energies, where coulomb = false" in line
    assert deck_of(tmp_path).deck.interactions.coulomb is True
