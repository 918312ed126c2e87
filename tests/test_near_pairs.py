"""Energies of near pairs in place of their screened Coulomb energies."""

import dataclasses

import numpy as np
import pytest
from lattices import ion, simple_cubic
from random_network import random_network

from lattice.near_pairs import PairOverride, pair_override_lines
from lattice.supercell import PairEnergies, replicate
from structures.errors import InputError
from structures.units import COULOMB

REPEATS = (3, 4, 3)
TENSOR = np.array([[9.0, 2.0, 0.0], [2.0, 5.0, 1.0], [0.0, 1.0, 3.0]])


def wide_cubic(**options):
    """Neighbours 4 Å apart."""
    network = simple_cubic(**options)
    return dataclasses.replace(network, cell=4.0 * np.eye(3))


def test_only_pairs_of_both_species_nearer_than_the_distance_change():
    """Every other energy keeps its bits, a near one changes by the given energy minus q q k_e/(eps r) of one image."""
    network = random_network()
    override = PairOverride(("C2+", "A+"), below=3.0, energy=0.07)
    plain = replicate(network, REPEATS, permittivity=TENSOR)
    changed = replicate(network, REPEATS, permittivity=TENSOR, pair_overrides=[override])
    charge = np.array([s.charge for s in network.species])[plain.site_species]
    frac = plain.position @ np.linalg.inv(plain.cell)
    reached = 0
    for site in range(network.n_sites):
        step = frac - frac[site]
        vector = (step - np.rint(step)) @ plain.cell
        near = (np.linalg.norm(vector, axis=1) < 3.0) & (charge * charge[site] == 2.0)
        near[plain.exclusion_site[slice(*plain.exclusion_offset[site : site + 2])]] = False
        square = np.einsum("ri,ij,rj->r", vector[near], np.linalg.inv(TENSOR), vector[near])
        bare = 1 / np.sqrt(np.linalg.det(TENSOR) * square)
        before, after = plain.interaction.row(site), changed.interaction.row(site)
        assert after[near] == pytest.approx(before[near] + 0.07 - COULOMB * 2.0 * bare, abs=1e-12)
        assert (after[~near] == before[~near]).all()
        reached += near.sum()
    assert reached > 20
    table = changed.interaction.dense
    for n in np.ndindex(*REPEATS):
        back = tuple(-np.array(n) % REPEATS)
        assert (table[(slice(None), *n)] == table[(slice(None), *back)].T).all()


def test_an_override_that_equals_the_coulomb_energy_changes_nothing():
    network = wide_cubic(permittivity=10.0)
    same = PairOverride(("A", "A"), below=4.5, energy=COULOMB / 10.0 / 4.0)
    plain, changed = replicate(network, (4, 4, 4)), replicate(network, (4, 4, 4), pair_overrides=[same])
    assert changed.interaction.dense == pytest.approx(plain.interaction.dense, abs=1e-15)


def test_the_innermost_of_several_distances_counts():
    network = wide_cubic(permittivity=10.0)
    steps = [PairOverride(("A", "A"), 6.0, 0.2), PairOverride(("A", "A"), 4.5, 0.9)]
    images = replicate(network, (4, 4, 4)).interaction.dense[0, :, :, :, 0]
    energy = replicate(network, (4, 4, 4), pair_overrides=steps).interaction.dense[0, :, :, :, 0]
    assert energy[1, 0, 0] - images[1, 0, 0] == pytest.approx(0.9 - COULOMB / 40.0)
    assert energy[1, 3, 0] - images[1, 3, 0] == pytest.approx(0.2 - COULOMB / 40.0 / np.sqrt(2))
    assert energy[1, 1, 1] == images[1, 1, 1]
    assert energy[0, 0, 0] == images[0, 0, 0]


def test_what_an_override_replaces_is_printed():
    override = PairOverride(("A", "A"), 6.0, 0.2)
    line = (
        "nearer than 6 Å: 0.2 eV instead of the screened Coulomb energy of the near image, 0.255 to 0.360 eV; 9 pairs"
    )
    network = wide_cubic(permittivity=10.0)
    assert line in pair_override_lines(network, network.permittivity, [override])[0]
    assert pair_override_lines(network, network.permittivity, []) == ()


@pytest.mark.parametrize(
    ("overrides", "repeats", "message"),
    [
        ([("A", "A", 4.5, 0.1)], (2, 4, 4), r"sites 0 and 0 lie nearer than 4.5 Å through 2 images; repeats of \(3,"),
        ([("A", "A", 4.5, 0.1)], (1, 4, 4), "site 0 lies nearer than 4.5 Å to its own image"),
        ([("A", "B", 3.9, 0.1)], (4, 4, 4), "must reach two sites that may be occupied together; there are none"),
        ([("A", "A", 4.5, 0.1), ("A", "A", 4.6, 0.1)], (4, 4, 4), "nearer than the distance of another override"),
        ([("A", "A", 4.5, 0.1), ("A", "A", 4.5, 0.2)], (4, 4, 4), "A with A below 4.5 Å must be given once; got 2"),
        ([("A", "Na+", 4.5, 0.1)], (4, 4, 4), "species must be among A, B; got Na+"),
    ],
)
def test_overrides_that_do_not_fit_are_refused(overrides, repeats, message):
    network = wide_cubic(species=[ion("A"), ion("B", -1.0)], permittivity=10.0)
    with pytest.raises(InputError, match=message):
        replicate(network, repeats, pair_overrides=[PairOverride((a, b), r, e) for a, b, r, e in overrides])


def test_numbers_out_of_range_and_other_interactions_are_refused():
    with pytest.raises(InputError, match="distance must be positive; got 0"):
        PairOverride(("A", "A"), 0.0, 0.1)
    with pytest.raises(InputError, match="energy must be finite; got nan"):
        PairOverride(("A", "A"), 3.0, np.nan)
    network = wide_cubic(permittivity=10.0)
    bonds = PairEnergies.within(network, 4.5, lambda r, charges: charges / r)
    with pytest.raises(InputError, match="overrides of near pairs replace Coulomb energies"):
        replicate(network, (4, 4, 4), interaction=bonds, pair_overrides=[PairOverride(("A", "A"), 4.5, 0.1)])
