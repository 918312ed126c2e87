"""The easiest paths through a crystal, against the percolation energies and against a search by hand."""

import numpy as np
import pytest
from lattices import chain, honeycomb, network_of, simple_cubic
from random_network import CELL, random_network

from analysis.percolating_path import percolating_paths
from lattice.percolation import network_percolation


def assert_consistent(network, path):
    """Every hop begins where the last one ended; the end is the beginning in another cell."""
    assert (network.hop_origin[path.hops] == path.sites[:-1]).all()
    assert (network.hop_target[path.hops] == path.sites[1:]).all()
    assert path.sites[0] == path.sites[-1]
    assert path.energy[0] == path.energy.min()
    assert path.position[-1] - path.position[0] == pytest.approx(path.translation @ network.cell)
    assert np.diff(path.position, axis=0) == pytest.approx(network.hop_vector[path.hops])
    assert tuple(network.hop_image[path.hops].sum(axis=0)) == path.translation


def random_bonds(seed):
    """Six points in a skewed cell, ten bonds to other points or cells, saddles all different."""
    rng = np.random.default_rng(seed)
    bonds = []
    while len(bonds) < 10:
        i, j, *image = (int(x) for x in (*rng.integers(6, size=2), *rng.integers(-1, 2, size=3)))
        known = {(a, b, c) for a, b, c in bonds} | {(b, a, tuple(-x for x in c)) for a, b, c in bonds}
        if (i != j or any(image)) and (i, j, tuple(image)) not in known:
            bonds.append((i, j, tuple(image)))
    return network_of(CELL, rng.random((6, 3)), bonds, site_energy=rng.random(6), saddle=1 + rng.random(10))


@pytest.mark.parametrize("network", [random_network(), *(random_bonds(seed) for seed in range(20))])
def test_highest_saddles_are_the_percolation_energies(network):
    """In each independent direction of random networks, for each ion."""
    for species in range(len(network.species)):
        mine = network.site_species[network.hop_origin] == species
        exact = network_percolation(
            network.n_sites, network.hop_origin[mine], network.hop_target[mine], network.hop_image[mine],
            network.hop_saddle[mine],
        )  # fmt: skip
        deepest = network.site_energy[network.site_species == species].min()
        paths = percolating_paths(network, species)
        assert len(paths) == np.isfinite(exact).sum()
        for path, energy in zip(paths, exact, strict=False):
            assert_consistent(network, path)
            assert path.crossing == pytest.approx(energy - deepest)
        for n in range(1, len(paths) + 1):
            assert np.linalg.matrix_rank([path.translation for path in paths[:n]]) == n


def test_a_detour_over_lower_saddles_is_taken_and_no_other():
    """Two ways around a cell: a short one over 3 kT, a long one over 2 kT, and a third, longer one over 1.9 kT."""
    frac = np.array([[0.0, 0.0, 0.0], [0.5, 0.0, 0.0], [0.5, 0.3, 0.0], [0.5, 0.45, 0.0]])
    bonds = [
        (0, 1, (0, 0, 0)),
        (1, 0, (1, 0, 0)),
        (0, 2, (0, 0, 0)),
        (2, 0, (1, 0, 0)),
        (0, 3, (0, 0, 0)),
        (3, 0, (1, 0, 0)),
    ]
    network = network_of(np.eye(3) * 6, frac, bonds, saddle=np.array([3.0, 3.0, 2.0, 2.0, 1.9, 2.0]))
    (path,) = percolating_paths(network)
    assert path.sites.tolist() in ([0, 2, 0], [3, 0, 3])
    assert (path.crossing, abs(path.translation[0])) == (2.0, 1)
    assert path.length.sum() == pytest.approx(2 * np.hypot(3.0, 1.8)), "the shorter of those over no more than 2 kT"


def test_textbook_lattices():
    (along,) = percolating_paths(chain(np.array([0.5, 0.0, 1.0]), np.array([2.0, 2.5, 3.0])))
    assert along.crossing == 3.0
    assert along.energy.tolist() == [0.0, 1.0, 0.5, 0.0]
    assert sorted(along.saddle) == [2.0, 2.5, 3.0]
    assert along.length == pytest.approx(np.ones(3))
    cubic = percolating_paths(simple_cubic())
    assert sorted(tuple(np.abs(path.translation)) for path in cubic) == [(0, 0, 1), (0, 1, 0), (1, 0, 0)]
    assert len(percolating_paths(honeycomb())) == 2


def test_what_nothing_crosses_has_no_path():
    closed = network_of(np.eye(3) * 6, np.array([[0.0, 0.0, 0.0], [0.5, 0.0, 0.0]]), [(0, 1, (0, 0, 0))])
    assert percolating_paths(closed) == ()


def test_table_and_pictures():
    from analysis.plots import network as draw

    pores = random_network()
    path = percolating_paths(pores)[0]
    table = path.to_frame()
    assert len(table) == len(path.hops)
    assert {"from", "to", "length (angstrom)", "saddle (eV)", "barrier (eV)"} <= set(table)
    ax = path.plot()
    assert ax.get_title() == f"A+ along [{' '.join(map(str, path.translation))}]: {path.crossing:.3f} eV"
    drawn = draw(pores, 0)
    lines = len(drawn.lines)
    assert path.draw_in_network(drawn) is drawn
    assert len(drawn.lines) == lines + 2 * len(path.hops)
