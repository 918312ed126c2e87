"""Merging and elimination keep percolation and slow dynamics; images keep their sign."""

import numpy as np
import pytest

from lattice.graph import Edges, SiteGraph, edge_orbits
from lattice.persistence import Crowding, eliminate, simplify
from lattice.symmetry import Action

CELL = np.diag([10.0, 11.0, 12.0])
T = 1 / (8.617333262e-5 * 300.0)


def graph_of(frac, energy, hops, orbit=None):
    """A network without symmetry; hops are (a, b, image, saddle, weight)."""
    frac, energy = np.array(frac, float), np.array(energy, float)
    n = len(energy)
    action = Action(np.eye(3, dtype=int)[None], np.arange(n)[None], np.zeros((1, n, 3), int))
    a, b, image, saddle, weight = zip(*hops, strict=True)
    edges = Edges.collect(np.array(a), np.array(b), np.array(image), np.arange(len(a)), np.array(weight, float))
    members = tuple(((i, (0, 0, 0)),) for i in range(n))
    numbers = np.arange(n) if orbit is None else np.array(orbit)
    return SiteGraph(frac, energy, numbers, members, action, edges, np.array(saddle, float))


def loose(graph):
    """No two ions fit on one site."""
    return Crowding(CELL, graph.frac, graph.energy, 100.0, 0.0)


def diffusivity(graph, beta, basins=None):
    """Z D of one ion: D = ½ Σ p w d dᵀ - Σ p b xᵀ with -W x = b, the p not divided by their sum."""
    edges = graph.edges
    origin, target = np.concatenate([edges.a, edges.b]), np.concatenate([edges.b, edges.a])
    image = np.concatenate([edges.image, -edges.image])
    d = (graph.frac[target] + image - graph.frac[origin]) @ CELL
    conductance = np.tile(edges.weight * np.exp(-beta * graph.saddle), 2)
    n = graph.n_sites
    drift = np.zeros((n, 3))
    np.add.at(drift, origin, conductance[:, None] * d)
    laplace = np.zeros((n, n))
    np.add.at(laplace, (origin, target), conductance)
    np.add.at(laplace, (origin, origin), -conductance)
    x = -np.linalg.pinv(laplace) @ drift
    return 0.5 * np.einsum("h,hi,hj->ij", conductance, d, d) - drift.T @ x


def random_frames(graph, rng):
    """The same crystal with every site moved to a random cell: positions and images change, the physics does not."""
    shift = rng.integers(-3, 4, (graph.n_sites, 3))
    a, b = graph.edges.a, graph.edges.b
    image = graph.edges.image + shift[b] - shift[a]
    edges = Edges.collect(a, b, image, graph.edges.level, graph.edges.weight)
    members = tuple(((i, (0, 0, 0)),) for i in range(graph.n_sites))
    return SiteGraph(graph.frac - shift, graph.energy, graph.orbit, members, graph.action, edges, graph.level_energy)


def satellites():
    """Two deep sites with shallow satellites on them, one in the next cell, crossing in three directions."""
    frac = [[0.1, 0.1, 0.1], [0.95, 0.1, 0.1], [0.5, 0.5, 0.5], [0.5, 0.65, 0.5]]
    hops = [
        (0, 1, (-1, 0, 0), -0.02, 1),
        (2, 3, (0, 0, 0), -0.01, 2),
        (0, 2, (0, 0, 0), 0.3, 1),
        (1, 2, (1, 0, 0), 0.25, 1),
        (1, 2, (0, 0, 0), 0.35, 1),
        (3, 2, (0, 1, 0), 0.4, 1),
        (2, 2, (0, 0, 1), 0.45, 1),
    ]
    return graph_of(frac, [-0.2, -0.04, -0.22, -0.03], hops)


@pytest.mark.parametrize("seed", range(4))
def test_satellites_are_merged_with_the_right_images(seed):
    """image' = image + offset_b - offset_a: no hop grows by more than the clusters, percolation and D stay.

    A wrong sign makes hops of several cells and changes both.
    """
    graph = random_frames(satellites(), np.random.default_rng(seed))
    merged, notes = simplify(graph, loose(graph), merge_barrier=0.05)
    assert merged.n_sites == 2
    assert len(notes) == 2
    np.testing.assert_array_equal(merged.percolation(), graph.percolation())
    hop = (merged.frac[merged.edges.b] + merged.edges.image - merged.frac[merged.edges.a]) @ CELL
    assert np.linalg.norm(hop, axis=1).max() < 13.0
    np.testing.assert_allclose(diffusivity(merged, T), diffusivity(graph, T), rtol=1e-3, atol=1e-9)
    for site, members in enumerate(merged.members):
        cells = np.array([graph.frac[i] + image for i, image in members])
        assert np.linalg.norm((cells - merged.frac[site]) @ CELL, axis=1).max() < 2.0
    assert sorted(sorted(i for i, _ in m) for m in merged.members) == [[0, 1], [2, 3]]


def test_a_pair_that_is_left_before_it_equilibrates_stays():
    """Exits 0.01 eV above the saddle inside a pair make that saddle a part of the path; 0.06 eV above they do not."""
    for gap, n_sites in ((0.01, 2), (0.06, 1)):
        hops = [(0, 1, (0, 0, 0), -0.17, 1), (0, 1, (-1, 0, 0), -0.17 + gap, 1)]
        graph = graph_of([[0.3, 0.5, 0.5], [0.4, 0.5, 0.5]], [-0.2, -0.2], hops)
        assert simplify(graph, loose(graph), merge_barrier=0.04)[0].n_sites == n_sites


def test_equally_deep_members_share_their_mean_position():
    """A double well across the cell boundary becomes one site in its middle."""
    hops = [(0, 1, (-1, 0, 0), -0.19, 1), (0, 1, (0, 0, 0), 0.2, 1), (0, 0, (0, 1, 0), 0.2, 1)]
    graph = graph_of([[0.05, 0.5, 0.5], [0.95, 0.5, 0.5]], [-0.2, -0.2], hops)
    merged, _ = simplify(graph, loose(graph), merge_barrier=0.05)
    np.testing.assert_allclose(merged.frac, [[0.0, 0.5, 0.5]], atol=1e-12)
    assert sorted(merged.edges.image.tolist()) == [[0, 1, 0], [1, 0, 0]]


def test_a_shallow_chain_through_the_crystal_is_not_merged():
    """Contracting it would put infinitely many cells into one site."""
    hops = [(0, 1, (0, 0, 0), -0.18, 1), (0, 1, (-1, 0, 0), -0.18, 1)]
    graph = graph_of([[0.0, 0.5, 0.5], [0.5, 0.5, 0.5]], [-0.2, -0.2], hops, orbit=[0, 0])
    assert simplify(graph, loose(graph), merge_barrier=0.05)[0].n_sites == 2


def test_basins_with_room_for_two_ions_stay_apart():
    """Two equal wells 5 Å apart: one site if the second ion costs 0.5 eV, two if it costs nothing."""
    hops = [(0, 1, (0, 0, 0), -0.19, 1), (0, 1, (-1, 0, 0), 0.2, 1)]
    graph = graph_of([[0.0, 0.5, 0.5], [0.5, 0.5, 0.5]], [-0.2, -0.2], hops)
    for repulsion, n_sites in ((2.5, 1), (0.0, 2)):
        crowding = Crowding(CELL, graph.frac, graph.energy, 3.0, repulsion)
        assert simplify(graph, crowding, merge_barrier=0.05)[0].n_sites == n_sites


def hub():
    """Four deep sites around a shallow one, all saddles equal; one of them also in the next cell."""
    frac = [[0.5, 0.5, 0.5], [0.2, 0.5, 0.5], [0.8, 0.5, 0.5], [0.5, 0.2, 0.5], [0.5, 0.5, 0.1]]
    hops = [(0, k, (0, 0, 0), 0.0, w) for k, w in ((1, 1), (2, 3), (3, 1), (4, 2))]
    hops += [(0, 4, (0, 0, 1), 0.0, 1), (1, 2, (-1, 0, 0), 0.1, 1), (3, 3, (0, 1, 0), 0.15, 1)]
    graph = graph_of(frac, [-0.02, -0.3, -0.3, -0.25, -0.3], hops)
    return graph.with_edges(graph.edges, graph.level_energy)


@pytest.mark.parametrize("seed", range(3))
def test_a_hub_is_eliminated_exactly(seed):
    """Graph transformation keeps the flux, Z D with Z the partition function, at any temperature.

    Weights are w_i w_j / Σ w; returns to the same site vanish, the one through the hub into the next cell stays.
    """
    graph = random_frames(hub(), np.random.default_rng(seed))
    reduced = eliminate(graph, graph.orbit == 0)
    assert reduced.n_sites == 4
    assert [0, 0, 1] in reduced.edges.image[reduced.edges.a == reduced.edges.b].tolist()
    for beta in (10.0, T, 60.0):
        np.testing.assert_allclose(diffusivity(reduced, beta), diffusivity(graph, beta), rtol=1e-9, atol=1e-12)
    total = reduced.edges.weight[reduced.level_energy[reduced.edges.level] == 0.0].sum()
    w = np.array([1, 3, 1, 2, 1])
    assert total == pytest.approx((w.sum() ** 2 - (w**2).sum()) / 2 / w.sum())


def test_a_hub_is_never_merged_into_a_neighbour():
    """The reduction of a shallow site between several deep ones is its elimination."""
    graph = hub()
    reduced, notes = simplify(graph, loose(graph), merge_barrier=0.05)
    assert reduced.n_sites == 4
    assert all(len(members) == 1 for members in reduced.members)
    assert notes[0].startswith("hubs eliminated")


def test_a_hub_with_unequal_saddles_stays():
    graph = hub()
    energy = graph.level_energy.copy()
    energy[0] += 0.01
    graph = graph.with_edges(graph.edges, energy)
    assert simplify(graph, loose(graph), merge_barrier=0.05)[0].n_sites == 5


def test_edges_from_a_site_to_itself_vanish_and_parallel_ones_add_up():
    edges = Edges.collect(
        np.array([1, 0, 1, 1, 1]),
        np.array([0, 1, 1, 1, 1]),
        np.array([[1, 0, 0], [-1, 0, 0], [0, 0, 0], [0, -1, 0], [0, 1, 0]]),
        np.zeros(5, int),
        np.array([1.0, 2.0, 5.0, 0.25, 0.5]),
    )
    assert edges.a.tolist() == [0, 1]
    assert edges.image.tolist() == [[-1, 0, 0], [0, 1, 0]]
    assert edges.weight.tolist() == [3.0, 0.75]


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
        np.ones(3),
    )
    orbit = edge_orbits(edges, action)
    by_ends = {(a, b): o for a, b, o in zip(edges.a.tolist(), edges.b.tolist(), orbit.tolist(), strict=True)}
    assert by_ends[0, 0] == by_ends[1, 1] != by_ends[0, 1]
