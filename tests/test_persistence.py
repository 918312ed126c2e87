"""Elimination keeps the diffusion tensor exactly, merging within a tolerance; images keep their sign."""

from dataclasses import replace

import numpy as np
import pytest

from lattice.graph import Edges, SiteGraph, edge_orbits
from lattice.persistence import Crowding, eliminate, relative_change, simplify
from lattice.symmetry import Action
from structures.units import BOLTZMANN

CELL = np.diag([10.0, 11.0, 12.0])
TEMPERATURES = np.array([200.0, 300.0, 500.0])
BETA = 1 / (BOLTZMANN * TEMPERATURES)


def graph_of(frac, energy, hops, orbit=None):
    """A network without symmetry; hops are (a, b, image, saddle, weight)."""
    frac, energy = np.array(frac, float), np.array(energy, float)
    n = len(energy)
    action = Action(np.eye(3, dtype=int)[None], np.arange(n)[None], np.zeros((1, n, 3), int))
    a, b, image, saddle, weight = zip(*hops, strict=True)
    log_conductance = np.log(np.array(weight, float))[:, None] - np.outer(saddle, BETA)
    edges = Edges.collect(np.array(a), np.array(b), np.array(image), np.arange(len(a)), log_conductance)
    members = tuple(((i, (0, 0, 0)),) for i in range(n))
    numbers = np.arange(n) if orbit is None else np.array(orbit)
    return SiteGraph(frac, energy, numbers, members, action, edges, np.array(saddle, float), -np.outer(energy, BETA))


def loose(graph):
    """No two ions fit on one site."""
    return Crowding(CELL, graph.frac, graph.energy, 100.0, 0.0, np.eye(3))


def reduced(graph, crowding, barrier=0.05, tolerance=0.3):
    return simplify(graph, crowding, TEMPERATURES, barrier=barrier, tolerance=tolerance)


def random_frames(graph, rng):
    """The same crystal with every site moved to a random cell: positions and images change, the physics does not."""
    shift = rng.integers(-3, 4, (graph.n_sites, 3))
    a, b = graph.edges.a, graph.edges.b
    image = graph.edges.image + shift[b] - shift[a]
    edges = Edges.collect(a, b, image, graph.edges.level, graph.edges.log_conductance)
    members = tuple(((i, (0, 0, 0)),) for i in range(graph.n_sites))
    return replace(graph, frac=graph.frac - shift, members=members, edges=edges)


def satellites():
    """Two deep sites with shallow satellites on them, one in the next cell, crossing in three directions."""
    frac = [[0.1, 0.1, 0.1], [0.95, 0.1, 0.1], [0.5, 0.5, 0.5], [0.5, 0.65, 0.5]]
    hops = [
        (0, 1, (-1, 0, 0), -0.13, 1),
        (2, 3, (0, 0, 0), -0.14, 2),
        (0, 2, (0, 0, 0), 0.3, 1),
        (1, 2, (1, 0, 0), 0.25, 1),
        (1, 2, (0, 0, 0), 0.35, 1),
        (3, 2, (0, 1, 0), 0.4, 1),
        (2, 2, (0, 0, 1), 0.45, 1),
    ]
    return graph_of(frac, [-0.2, -0.17, -0.22, -0.18], hops)


@pytest.mark.parametrize("seed", range(4))
def test_satellites_are_merged_with_the_right_images(seed):
    """image' = image + offset_b - offset_a: no hop grows by more than the clusters, percolation and D stay.

    A wrong sign makes hops of several cells and changes both.
    """
    graph = random_frames(satellites(), np.random.default_rng(seed))
    merged, notes = reduced(graph, loose(graph))
    assert merged.n_sites == 2
    assert len(notes) == 3
    np.testing.assert_array_equal(merged.percolation(), graph.percolation())
    hop = (merged.frac[merged.edges.b] + merged.edges.image - merged.frac[merged.edges.a]) @ CELL
    assert np.linalg.norm(hop, axis=1).max() < 13.0
    for n in range(3):
        D, before = merged.diffusivity(CELL, n), graph.diffusivity(CELL, n)
        np.testing.assert_allclose(D, before, rtol=2e-3, atol=1e-9 * before.max())
    for site, members in enumerate(merged.members):
        cells = np.array([graph.frac[i] + image for i, image in members])
        assert np.linalg.norm((cells - merged.frac[site]) @ CELL, axis=1).max() < 2.0
    assert sorted(sorted(i for i, _ in m) for m in merged.members) == [[0, 1], [2, 3]]
    total = np.logaddexp.reduce(graph.log_partition, axis=0)
    np.testing.assert_allclose(np.logaddexp.reduce(merged.log_partition, axis=0), total, rtol=1e-14)


def test_a_pair_that_is_left_before_it_equilibrates_stays():
    """Exits 0.01 eV above the saddle inside a pair make that saddle a part of the path; 0.2 eV above they do not.

    In series the resistances exp(E/kT) of both saddles add: what merging takes for nothing is exp(-gap/kT).
    """
    for gap, n_sites in ((0.01, 2), (0.2, 1)):
        hops = [(0, 1, (0, 0, 0), -0.17, 1), (0, 1, (-1, 0, 0), -0.17 + gap, 1)]
        graph = graph_of([[0.3, 0.5, 0.5], [0.4, 0.5, 0.5]], [-0.2, -0.2], hops)
        after, notes = reduced(graph, loose(graph), barrier=0.04, tolerance=0.05)
        assert after.n_sites == n_sites
        if n_sites == 1:
            change = after.diffusivity(CELL, 2)[0, 0] / graph.diffusivity(CELL, 2)[0, 0] - 1
            assert change == pytest.approx(np.exp(-gap * BETA[2]), rel=1e-9)
            assert f"{100 * change:+.2g} % at 500 K, tolerance 5 %" in notes[-1]


@pytest.mark.parametrize(("tolerance", "n_sites"), [(0.3, 1), (0.1, 2)])
def test_merging_goes_only_as_far_as_the_tolerance(tolerance, n_sites):
    """A double well whose exits lie 1.5 kT (500 K) above the saddle inside it: merging adds exp(-1.5) = 22 % to D."""
    gap = 1.5 / BETA[2]
    hops = [(0, 1, (0, 0, 0), -0.17, 1), (0, 1, (-1, 0, 0), -0.17 + gap, 1)]
    graph = graph_of([[0.3, 0.5, 0.5], [0.4, 0.5, 0.5]], [-0.2, -0.2], hops)
    assert reduced(graph, loose(graph), barrier=0.04, tolerance=tolerance)[0].n_sites == n_sites


def test_every_direction_counts_for_the_tolerance():
    """Fast hops along x and y hide what merging two wells does along z unless each direction is judged by itself.

    Along z the resistances of both saddles add: merging multiplies D_zz by 1 + C_z / C_in, here by two.
    """
    inside = -0.2 + 1.2 / BETA[2]
    hops = [(0, 1, (0, 0, 0), inside, 1.0), (0, 1, (0, 0, -1), inside + 1.05 / BETA[2], np.exp(1.05))]
    hops += [(k, k, image, -0.1, 1e4) for k in (0, 1) for image in ((1, 0, 0), (0, 1, 0))]
    graph = graph_of([[0.5, 0.5, 0.4], [0.5, 0.5, 0.6]], [-0.2, -0.2], hops)
    before = graph.diffusivity(CELL, 2)
    assert before[0, 0] > 100 * before[2, 2] > 0
    assert relative_change(before, before + np.diag([0.0, 0.0, before[2, 2]])) == pytest.approx(1.0)
    assert reduced(graph, loose(graph), barrier=0.06, tolerance=0.3)[0].n_sites == 2
    assert reduced(graph, loose(graph), barrier=0.06, tolerance=1.5)[0].n_sites == 1


def test_equally_deep_members_share_their_mean_position():
    """A double well across the cell boundary becomes one site in its middle."""
    hops = [(0, 1, (-1, 0, 0), -0.19, 1), (0, 1, (0, 0, 0), 0.2, 1), (0, 0, (0, 1, 0), 0.2, 1)]
    graph = graph_of([[0.05, 0.5, 0.5], [0.95, 0.5, 0.5]], [-0.2, -0.2], hops)
    merged, _ = reduced(graph, loose(graph))
    np.testing.assert_allclose(merged.frac, [[0.0, 0.5, 0.5]], atol=1e-12)
    assert sorted(merged.edges.image.tolist()) == [[0, 1, 0], [1, 0, 0]]


def test_a_shallow_chain_through_the_crystal_is_not_merged():
    """Contracting it would put infinitely many cells into one site."""
    hops = [(0, 1, (0, 0, 0), -0.18, 1), (0, 1, (-1, 0, 0), -0.18, 1)]
    graph = graph_of([[0.0, 0.5, 0.5], [0.5, 0.5, 0.5]], [-0.2, -0.2], hops, orbit=[0, 0])
    assert reduced(graph, loose(graph))[0].n_sites == 2


def test_basins_with_room_for_two_ions_stay_apart():
    """Two equal wells 5 Å apart: one site if the second ion costs 0.5 eV, two if it costs nothing."""
    hops = [(0, 1, (0, 0, 0), -0.19, 1), (0, 1, (-1, 0, 0), 0.2, 1)]
    graph = graph_of([[0.0, 0.5, 0.5], [0.5, 0.5, 0.5]], [-0.2, -0.2], hops)
    for coupling, n_sites in ((25.0, 1), (0.0, 2)):
        crowding = Crowding(CELL, graph.frac, graph.energy, 3.0, coupling, 10 * np.eye(3))
        assert reduced(graph, crowding)[0].n_sites == n_sites


def hub():
    """Four deep sites around a shallow one with unlike saddles; one of them also in the next cell."""
    frac = [[0.5, 0.5, 0.5], [0.2, 0.5, 0.5], [0.8, 0.5, 0.5], [0.5, 0.2, 0.5], [0.5, 0.5, 0.1]]
    hops = [(0, k, (0, 0, 0), e, w) for k, e, w in ((1, 0.0, 1), (2, 0.01, 3), (3, 0.0, 1), (4, 0.03, 2))]
    hops += [(0, 4, (0, 0, 1), 0.0, 1), (1, 2, (-1, 0, 0), 0.1, 1), (3, 3, (0, 1, 0), 0.15, 1)]
    return graph_of(frac, [-0.02, -0.3, -0.3, -0.25, -0.3], hops)


@pytest.mark.parametrize("seed", range(3))
def test_a_hub_is_eliminated_exactly(seed):
    """Graph transformation keeps flux and weight, and so D, at any temperature and for any saddles.

    C_ij = C_i C_j / Σ C, Z_i + Z C_i / Σ C; returns to the same site vanish, the one into the next cell stays.
    """
    graph = random_frames(hub(), np.random.default_rng(seed))
    after = eliminate(graph, graph.orbit == 0)
    assert after.n_sites == 4
    assert [0, 0, 1] in after.edges.image[after.edges.a == after.edges.b].tolist()
    for n in range(3):
        before = graph.diffusivity(CELL, n)
        np.testing.assert_allclose(after.diffusivity(CELL, n), before, rtol=1e-10, atol=1e-13 * before.max())
    np.testing.assert_allclose(after.percolation(), graph.percolation())
    C = np.exp([0.0, np.log(3) - 0.01 * BETA[0], 0.0, np.log(2) - 0.03 * BETA[0], 0.0])
    edges = after.edges
    between = (edges.a == 0) & (edges.b == 1) & (after.level_energy[edges.level] < 0.1)
    assert np.exp(edges.log_conductance[between, 0]).sum() == pytest.approx(C[0] * C[1] / C.sum())


def test_a_transient_hub_is_eliminated_and_a_heavy_one_is_not():
    """The hub of the test above holds next to nothing; with a partition function like its neighbours' it is a site."""
    graph = hub()
    after, notes = reduced(graph, loose(graph), tolerance=1e-9)
    assert after.n_sites == 4
    assert all(len(members) == 1 for members in after.members)
    assert notes[0].startswith("eliminated by graph transformation: 1 basins")
    heavy = graph.log_partition.copy()
    heavy[0] = heavy[1]
    assert reduced(replace(graph, log_partition=heavy), loose(graph), tolerance=1e-9)[0].n_sites == 5


def test_edges_from_a_site_to_itself_vanish_and_parallel_ones_add_up():
    edges = Edges.collect(
        np.array([1, 0, 1, 1, 1]),
        np.array([0, 1, 1, 1, 1]),
        np.array([[1, 0, 0], [-1, 0, 0], [0, 0, 0], [0, -1, 0], [0, 1, 0]]),
        np.zeros(5, int),
        np.log([[1.0], [2.0], [5.0], [0.25], [0.5]]),
    )
    assert edges.a.tolist() == [0, 1]
    assert edges.image.tolist() == [[-1, 0, 0], [0, 1, 0]]
    np.testing.assert_allclose(edges.log_conductance, np.log([[3.0], [0.75]]))


def test_edge_orbits_follow_the_operations():
    """Two sites exchanged by a mirror: their hops along y are one orbit, the hop between them another."""
    rotations = np.array([np.eye(3, dtype=int), np.diag([-1, 1, 1])])
    image = np.zeros((2, 2, 3), int)
    image[1, :, 0] = -1
    action = Action(rotations, np.array([[0, 1], [1, 0]]), image)
    edges = Edges.collect(
        np.array([0, 1, 0]),
        np.array([0, 1, 1]),
        np.array([[0, 1, 0], [0, 1, 0], [0, 0, 0]]),
        np.array([0, 0, 1]),
        np.zeros((3, 1)),
    )
    orbit = edge_orbits(edges, action)
    by_ends = {(a, b): o for a, b, o in zip(edges.a.tolist(), edges.b.tolist(), orbit.tolist(), strict=True)}
    assert by_ends[0, 0] == by_ends[1, 1] != by_ends[0, 1]
