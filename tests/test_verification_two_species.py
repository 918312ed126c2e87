"""Two hard-core species with different hop rates on a 3×3 square lattice, VERIFICATION §5.

Σ_i L_ij / w_i = n_j W holds for blocks of any length, because Σ_i R_i / w_i has no bias in any configuration.
"""

import numpy as np
import pytest
from exact import master_equation, supercell
from lattices import ion, square
from replicas import assert_ladder, run_replicas, z_score

from lattice.supercell import replicate

RATES = np.array([1.0, 0.1])
BLOCK = 10.0


@pytest.mark.parametrize("counts", [(2, 2), (3, 2)])
def test_onsager_matrix(counts):
    network = square(species=[ion("A"), ion("B")], rates=RATES)
    L, C = master_equation(supercell(network, (3, 3, 1)), [(0, counts[0]), (1, counts[1])]).transport()
    exact = (L + C / BLOCK).reshape(2, 3, 2, 3)[:, 0, :, 0]
    lattice = replicate(network, (3, 3, 1), interaction=None)
    found = (
        run_replicas(lattice, dict(zip("AB", counts, strict=True)), block=BLOCK, n_blocks=900, seed=50 + counts[0])
        .collective[..., :2]
        .mean(axis=-1)
    )
    W = (9 - sum(counts)) / 8
    sum_rule = found / RATES[:, None]
    assert_ladder([z_score(found[:, i, j], exact[i, j]) for i, j in ((0, 0), (0, 1), (1, 1))])
    assert_ladder([z_score(sum_rule[:, :, j].sum(axis=1), counts[j] * W) for j in (0, 1)])
    assert z_score(found[:, 0, 1], 0.0) > 4
