"""One ion on a periodic network, VERIFICATION §4: D = ½ Σ p_i w_ij d dᵀ - Σ p_i b_i x_iᵀ with -W x = b."""

import numpy as np
import pytest
from exact import master_equation, supercell
from lattices import chain, network_of
from replicas import assert_ladder, run_replicas, z_score

from lattice.supercell import replicate

COMPONENTS = [(0, 0), (1, 1), (2, 2)]


def scores_of(network, repeats, *, n_blocks, seed):
    """z of the diffusion tensor's diagonal where there is motion, and the exact tensor."""
    gas = master_equation(supercell(network, (1, 1, 1)), [(0, 1)])
    D, C = gas.transport()
    block = 10 * gas.relaxation_time()
    lattice = replicate(network, repeats, interaction=None)
    found = run_replicas(lattice, {"A": 1}, block=block, n_blocks=n_blocks, seed=seed)
    exact = D + C / block
    scores = []
    for axis in np.flatnonzero(np.diag(D) > 1e-9 * D.max()):
        scores.append(z_score(found.tracer[:, 0, 0, axis], exact[axis, axis]))
    return scores, D


def test_chain_of_random_barriers_and_depths():
    """D = L² / [(Σ p_i) (Σ 1/(p_i w_{i,i+1}))]."""
    rng = np.random.default_rng(4)
    energy, saddle = rng.uniform(0, 1.5, 6), rng.uniform(2, 4, 6)
    scores, D = scores_of(chain(energy, saddle), (2, 1, 1), n_blocks=600, seed=41)
    assert D[0, 0] == pytest.approx(36 / (np.exp(-energy).sum() * np.exp(saddle).sum()), rel=1e-9)
    assert_ladder(scores)


def test_random_barriers():
    """Equal sites: D = a² / <1/Γ>."""
    saddle = np.random.default_rng(5).uniform(0, 3, 8)
    scores, D = scores_of(chain(np.zeros(8), saddle), (2, 1, 1), n_blocks=600, seed=42)
    assert D[0, 0] == pytest.approx(1 / np.exp(saddle).mean(), rel=1e-9)
    assert_ladder(scores)


def test_random_traps():
    """Every hop starts with the depth of its own site: D = D0 / (1 - x + x exp(E/kT)) in any dimension."""
    points = [(i, j, k) for i in range(3) for j in range(3) for k in range(3)]
    number = {p: n for n, p in enumerate(points)}
    bonds = []
    for p in points:
        for axis in range(3):
            q = list(p)
            q[axis] += 1
            image = tuple(int(v == 3) for v in q)
            bonds.append((number[p], number[tuple(v % 3 for v in q)], image))
    deep = np.zeros(27)
    deep[np.random.default_rng(6).choice(27, 8, replace=False)] = -1.5
    network = network_of(3.0 * np.eye(3), np.array(points) / 3, bonds, site_energy=deep, saddle=0.0)
    scores, D = scores_of(network, (1, 1, 1), n_blocks=400, seed=43)
    np.testing.assert_allclose(D, np.eye(3) / (19 / 27 + 8 / 27 * np.exp(1.5)), atol=1e-12)
    assert_ladder(scores)


def test_anisotropic_network_in_a_triclinic_cell():
    cell = np.array([[4.0, 0.0, 0.0], [1.0, 5.0, 0.0], [-0.5, 1.5, 6.0]])
    frac = np.array([[0.1, 0.2, 0.3], [0.6, 0.5, 0.4], [0.3, 0.8, 0.9]])
    bonds = [
        (0, 1, (0, 0, 0)),
        (1, 0, (1, 0, 0)),
        (0, 2, (0, 0, -1)),
        (1, 2, (0, 0, 0)),
        (2, 0, (0, 1, 0)),
        (2, 2, (1, 0, 0)),
    ]
    network = network_of(
        cell, frac, bonds, site_energy=np.array([0.0, 0.5, 1.0]), saddle=np.array([1.5, 2.0, 2.5, 1.8, 3.0, 2.2])
    )
    scores, D = scores_of(network, (2, 2, 2), n_blocks=600, seed=44)
    assert (np.linalg.eigvalsh(D) > 0).all()
    assert_ladder(scores)
