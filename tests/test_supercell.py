"""The replicated network: hops, exclusions, energies of pairs, and what is refused."""

import dataclasses

import numpy as np
import pytest
from lattices import ion, simple_cubic, square
from random_network import random_network

import lattice.supercell
from lattice.ewald import EwaldPotential
from lattice.supercell import PairEnergies, replicate, table_bytes
from structures.errors import InputError
from structures.units import COULOMB

REPEATS = (2, 3, 2)


@pytest.fixture(scope="module")
def network():
    return random_network()


@pytest.fixture(scope="module")
def repeated(network):
    return replicate(network, REPEATS)


def excluding(network, links):
    """Give the network the exclusions (a, b, image) and their reverses."""
    rows = np.array([(a, b, *m) for a, b, m in links] + [(b, a, *np.negative(m)) for a, b, m in links])
    return dataclasses.replace(
        network, exclusion_a=rows[:, 0], exclusion_b=rows[:, 1], exclusion_image=rows[:, 2:]
    )  # fmt: skip


def test_a_hop_ends_where_its_vector_points(network, repeated):
    """Position of the target plus the wrapped supercell vectors is the position of the origin plus the hop vector."""
    origin = np.repeat(np.arange(repeated.n_sites), np.diff(repeated.hop_offset))
    unit = np.tile(np.arange(len(network.hop_origin)), repeated.n_cells)
    end = repeated.position[repeated.hop_target] + repeated.hop_wrap @ repeated.cell
    assert end == pytest.approx(repeated.position[origin] + network.hop_vector[unit], abs=1e-10)
    assert (repeated.site_species[origin] == repeated.site_species[repeated.hop_target]).all()
    assert repeated.volume == pytest.approx(abs(np.linalg.det(repeated.cell)))


def test_an_exclusion_holds_both_ways_and_at_its_distance(network, repeated):
    pairs = {
        (i, int(j))
        for i in range(repeated.n_sites)
        for j in repeated.exclusion_site[slice(*repeated.exclusion_offset[i : i + 2])]
    }
    assert len(pairs) == len(network.exclusion_a) * repeated.n_cells
    assert all((j, i) in pairs for i, j in pairs)
    frac = repeated.position @ np.linalg.inv(repeated.cell)
    for i, j in pairs:
        step = frac[j] - frac[i]
        assert np.linalg.norm((step - np.rint(step)) @ repeated.cell) < 1.2


def test_the_pair_table_is_the_coulomb_energy_of_every_two_sites(network, repeated):
    """q_a q_b k_e psi(r_b - r_a)/eps_r from positions alone, coinciding sites apart."""
    charge = np.array([s.charge for s in network.species])[repeated.site_species]
    potential = EwaldPotential(repeated.cell)
    frac = repeated.position @ np.linalg.inv(repeated.cell)
    for site in (0, 5, 40, repeated.n_sites - 1):
        step = frac - frac[site]
        apart = np.linalg.norm((step - np.rint(step)) @ repeated.cell, axis=1) > 0.5
        apart[site] = True
        expected = COULOMB / 60.0 * charge[site] * charge * potential.at(step)
        assert repeated.interaction.row(site)[apart] == pytest.approx(expected[apart], abs=1e-12)


def test_the_permittivity_of_the_ions_can_differ_from_the_network(network, repeated):
    other = replicate(network, REPEATS, permittivity=120.0)
    assert other.interaction.dense == pytest.approx(repeated.interaction.dense / 2, abs=1e-12)
    assert other.permittivity.tolist() == (120.0 * np.eye(3)).tolist()
    with pytest.raises(InputError, match="permittivity must lie between 1 and 10000 in every direction; got 0"):
        replicate(network, REPEATS, permittivity=0.0)


def test_a_permittivity_tensor_screens_by_direction(network):
    """The table holds q q k_e psi with the psi of the medium; a unit tensor times a number is that number."""
    tensor = np.array([[9.0, 2.0, 0.0], [2.0, 5.0, 1.0], [0.0, 1.0, 3.0]])
    lattice = replicate(network, REPEATS, permittivity=tensor)
    charge = np.array([s.charge for s in network.species])[lattice.site_species]
    frac = lattice.position @ np.linalg.inv(lattice.cell)
    step = frac - frac[40]
    apart = np.linalg.norm((step - np.rint(step)) @ lattice.cell, axis=1) > 0.5
    expected = COULOMB * charge[40] * charge * EwaldPotential(lattice.cell, tensor).at(step)
    assert lattice.interaction.row(40)[apart] == pytest.approx(expected[apart], abs=1e-12)
    as_number, as_matrix = (replicate(network, REPEATS, permittivity=eps) for eps in (7.0, 7.0 * np.eye(3)))
    assert as_matrix.interaction.dense == pytest.approx(as_number.interaction.dense, abs=1e-12)


def test_pair_energies_reach_both_ways_and_add_up_over_images():
    """Two cells wide, the neighbours to the left and right are one site and count twice."""
    bonds = PairEnergies(np.zeros(2), np.zeros(2), np.array([(1, 0, 0), (0, 1, 0)]), np.array([0.3, 0.1]))
    row = replicate(square(), (2, 3, 1), interaction=bonds).interaction.row(0)
    assert row == pytest.approx([0.0, 0.1, 0.1, 0.6, 0.0, 0.0])


def test_pair_energies_within_a_cutoff_follow_distance_and_charge():
    """On a cubic lattice there are three pairs per site at 1 and six at sqrt(2)."""
    network = simple_cubic(species=(ion("A"), ion("B", -2.0)))
    pairs = PairEnergies.within(network, 1.5, lambda r, charges: charges / r)
    links, energy = pairs.both_ways()
    assert len(energy) == 4 * 18  # pairs of different species at no distance exclude each other
    same = network.site_species[links[:, 0]] == network.site_species[links[:, 1]]
    assert sorted(set(np.round(energy[~same], 6))) == pytest.approx([-2.0, -1.414214])
    assert sorted(set(np.round(energy[same], 6))) == pytest.approx([0.707107, 1.0, 2.828427, 4.0])


def test_a_pair_given_twice_is_refused():
    with pytest.raises(ValueError, match=r"a pair must be given once.*\(0, 0\), image \(-1, 0, 0\), twice"):
        PairEnergies(np.zeros(2), np.zeros(2), np.array([(1, 0, 0), (-1, 0, 0)]), np.ones(2))


@pytest.mark.parametrize("repeats", [(0, 1, 1), (2, 2), (1.5, 1, 1)])
def test_repeats_are_positive_integers(repeats):
    with pytest.raises(InputError, match="repeats must be three integers of at least 1"):
        replicate(square(), repeats)


def test_an_ion_must_not_meet_its_own_exclusion_image():
    """A site that excludes its neighbour in the next cell needs two cells along that direction."""
    crowded = excluding(square(), [(0, 0, (1, 0, 0)), (0, 0, (0, 1, 0))])
    with pytest.raises(InputError, match=r"\(3, 1, 1\) is too small.*exclusion image.*\(3, 2, 1\) are enough"):
        replicate(crowded, (3, 1, 1))
    assert replicate(crowded, (3, 2, 1)).exclusion_site.reshape(6, 3)[0].tolist() == [1, 2, 4]


def test_a_short_ranged_energy_must_not_reach_the_own_image():
    bond = PairEnergies(np.zeros(1), np.zeros(1), np.array([(1, 0, 0)]), np.ones(1))
    with pytest.raises(InputError, match=r"pair energy image.*\(2, 3, 1\) are enough"):
        replicate(square(), (1, 3, 1), interaction=bond)


def test_a_table_that_does_not_fit_is_refused_with_both_numbers(network, monkeypatch):
    assert table_bytes(network, (3, 3, 3)) == 17 * 17 * 27 * 8
    monkeypatch.setattr(lattice.supercell, "available_memory", lambda: 2**30)
    with pytest.raises(InputError, match=r"needs 7\.7 GiB .* of 1 simultaneous task; 1\.0 GiB of memory are available"):
        replicate(network, (100, 100, 100))


def test_every_simultaneous_task_needs_two_tables_of_its_own(network, monkeypatch):
    """The factors of an ion that comes and of one that goes, and a byte for two hops, every site and cell."""
    n_places = (network.n_sites + 1) * int(np.prod(REPEATS))
    enough = 7 * table_bytes(network, REPEATS) + 3 * len(network.hop_origin) // 2 * n_places
    monkeypatch.setattr(lattice.supercell, "available_memory", lambda: enough)
    replicate(network, REPEATS, tasks=3)
    monkeypatch.setattr(lattice.supercell, "available_memory", lambda: enough - 1)
    with pytest.raises(InputError, match="of 3 simultaneous tasks"):
        replicate(network, REPEATS, tasks=3)
    replicate(network, REPEATS, interaction=None, tasks=4)


def test_the_table_can_be_one_that_another_process_has_built(network):
    """`share` decides what is built and returns what is used; the lattice keeps no copy."""
    elsewhere = replicate(network, REPEATS).interaction.dense
    calls = []

    def share(build):
        calls.append(build)
        return {"dense": elsewhere}

    assert replicate(network, REPEATS, share=share).interaction.dense is elsewhere
    assert (calls[0]()["dense"] == elsewhere).all()


def test_coinciding_sites_must_exclude_each_other(network):
    gone = dataclasses.replace(
        network,
        exclusion_a=np.zeros(0),
        exclusion_b=np.zeros(0),
        exclusion_image=np.zeros((0, 3)),
    )
    with pytest.raises(InputError, match=r"nearer than 0.5 Å must exclude each other; 0 and 12"):
        replicate(gone, REPEATS)
    replicate(gone, REPEATS, interaction=None)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"repeats": (0, 3, 2)}, "repeats must be three integers of at least 1"),
        ({"repeats": (3, 2, 2)}, r"dense must have shape \(17, 3, 2, 2, 17\)"),
        ({"permittivity": 0.0}, "permittivity must lie between 1 and 10000"),
        ({"hop_offset": lambda a: a + 1}, "hop_offset must rise from 0"),
        ({"hop_offset": lambda a: a[:-1]}, "hop_offset must rise from 0"),
        ({"hop_target": lambda a: a + 300}, r"hop_target must lie in \[0, 204\)"),
        ({"hop_target": lambda a: a.astype(np.int64)}, "hop_target must be a contiguous array of int32"),
        ({"hop_wrap": lambda a: a[:-1]}, "hop_wrap must be a contiguous array of int8 of shape"),
        ({"exclusion_site": lambda a: -1 - a}, r"exclusion_site must lie in \[0, 204\)"),
        ({"exclusion_offset": lambda a: np.insert(a, 1, 0)}, "exclusion_offset must be for 204 sites; got 205"),
    ],
)
def test_a_lattice_that_does_not_fit_together_is_refused(repeated, changes, message):
    changed = {name: made(getattr(repeated, name)) if callable(made) else made for name, made in changes.items()}
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(repeated, **changed)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dense": lambda a: a[:, :, :, :, :-1]}, "dense must be a contiguous array"),
        ({"dense": lambda a: np.full_like(a, np.nan)}, "dense must be finite"),
        ({"pair_offset": lambda a: a[:-1]}, "a table or a list of pairs"),
        ({"pair_energy": lambda a: np.zeros(1)}, "pair_energy must be a contiguous array of float64"),
    ],
)
def test_an_interaction_table_that_does_not_fit_together_is_refused(repeated, changes, message):
    table = repeated.interaction
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(table, **{name: made(getattr(table, name)) for name, made in changes.items()})
