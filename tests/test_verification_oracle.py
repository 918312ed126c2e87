"""The exact master equation of tests/exact.py gives the closed forms and the printed numbers of VERIFICATION.md."""

import numpy as np
import pytest
from exact import (
    contact_pairs,
    coulomb_pairs,
    diffusivities,
    ewald_potential,
    master_equation,
    supercell,
)
from lattices import (
    BARRIER,
    body_centred,
    chain,
    diamond,
    face_centred,
    honeycomb,
    ion,
    ring,
    simple_cubic,
    square,
)

NU = np.exp(BARRIER)


def test_ewald_sum_in_a_unit_cube():
    """Tinfoil values of VERIFICATION §1; the origin is the field of a charge's own images."""
    points = np.array([[0, 0, 0], [0.5, 0, 0], [0.5, 0.5, 0], [0.5, 0.5, 0.5], [0.25, 0, 0], [1 / 3, 1 / 3, 1 / 3]])
    exact = [-2.837297479481, -0.095932304940, -0.582521531544, -0.801935970028, 1.305934570507, -0.593485439181]
    np.testing.assert_allclose(ewald_potential(np.eye(3), points), exact, atol=2e-12)


@pytest.mark.parametrize(
    ("network", "repeats", "dimensions", "correlation"),
    [
        (ring(), (6, 1, 1), 1, 1 / 5),
        (honeycomb(), (2, 2, 1), 2, 10 / 22),
        (honeycomb(), (3, 3, 1), 2, 20 / 52),
        (diamond(), (2, 2, 2), 3, 17 / 31),
        (square(), (3, 3, 1), 2, 7 / 11),
        (square(), (4, 4, 1), 2, 17 / 31),
        (simple_cubic(), (3, 3, 3), 3, 34 / 47),
        (body_centred(), (3, 3, 3), 3, 71 / 91),
        (face_centred(), (3, 3, 3), 3, 367 / 443),
    ],
)
def test_one_vacancy(network, repeats, dimensions, correlation):
    """D_J = z/(2d(N-1)), the tracer's is smaller by the correlation factor f = H_R."""
    cells = supercell(network, repeats)
    N, z = len(cells.position), len(network.hop_origin) / network.n_sites
    found = diffusivities(cells, N - 1, dimensions=dimensions)
    assert found.collective == pytest.approx(z / (2 * dimensions * (N - 1)), rel=1e-9)
    assert found.tracer / found.collective == pytest.approx(correlation, rel=1e-9)


@pytest.mark.parametrize(
    ("network", "repeats", "dimensions", "n", "tracer"),
    [
        (square(), (3, 3, 1), 2, 2, 0.83928571),
        (square(), (3, 3, 1), 2, 3, 0.68595506),
        (square(), (3, 3, 1), 2, 4, 0.54137091),
        (square(), (3, 3, 1), 2, 5, 0.40698569),
        (square(), (4, 4, 1), 2, 4, 0.72717885),
        (simple_cubic(), (3, 3, 3), 3, 3, 0.90874579),
    ],
)
def test_hard_core_tracer(network, repeats, dimensions, n, tracer):
    cells = supercell(network, repeats)
    found = diffusivities(cells, n, dimensions=dimensions)
    N = len(cells.position)
    assert found.tracer == pytest.approx(tracer, abs=6e-9)
    assert found.collective == pytest.approx((N - n) / (N - 1), rel=1e-10)


def test_single_file_tracer_is_the_collective_over_n():
    cells = supercell(ring(), (7, 1, 1))
    found = diffusivities(cells, 3, dimensions=1)
    assert found.tracer == pytest.approx(found.collective / 3, rel=1e-9)


@pytest.mark.parametrize(
    ("u", "n", "collective", "tracer"),
    [(2.0, 4, 0.61327831, 0.51274621), (1.0, 4, 0.78266974, 0.69220325)],
)
def test_nearest_neighbour_repulsion(u, n, collective, tracer):
    cells = supercell(square(saddle=BARRIER), (4, 4, 1))
    found = diffusivities(cells, n, dimensions=2, pairs=contact_pairs(cells, 1.0, u), nu=NU)
    assert found.collective == pytest.approx(collective, abs=6e-9)
    assert found.tracer == pytest.approx(tracer, abs=6e-9)
    assert max(found.collective, found.tracer) < found.uncorrelated


def test_loading_curve():
    """n D_J / 16 at u = 2, n = 1…8, and symmetric under n -> 16 - n; D_J never exceeds D_unc."""
    printed = np.array([0.0625, 0.110551, 0.141561, 0.153320, 0.143027, 0.105329, 0.054395, 0.011346])
    cells = supercell(square(saddle=BARRIER), (4, 4, 1))
    pairs = contact_pairs(cells, 1.0, 2.0)
    curve = np.zeros(8)
    for n in range(1, 9):
        gas = master_equation(cells, [(0, n)], pairs=pairs, nu=NU)
        L = gas.transport()[0]
        curve[n - 1] = L[0, 0] / 16
        assert L[0, 0] <= gas.uncorrelated()[0, 0] * (1 + 1e-9)
    np.testing.assert_allclose(curve, printed, atol=6e-7)
    holes = master_equation(cells, [(0, 13)], pairs=pairs, nu=NU).transport()[0]
    assert holes[0, 0] / 16 == pytest.approx(curve[2], rel=1e-9)


def test_coulomb_lattice_gas():
    cells = supercell(simple_cubic(saddle=BARRIER), (3, 3, 3))
    pairs = coulomb_pairs(cells, 1.0)
    found = diffusivities(cells, 3, pairs=pairs, nu=NU)
    assert found.collective == pytest.approx(0.93263955, abs=6e-9)
    assert found.tracer == pytest.approx(0.91835754, abs=6e-9)
    gas = master_equation(cells, [(0, 3)], pairs=pairs, nu=NU)
    assert gas.probability @ gas.energy == pytest.approx(-0.25934137, abs=6e-9)


def test_one_cation_one_anion():
    """sigma / sigma_NE compares Σ q_i q_j L_ij with Σ q_i² L_ii, the tracer diffusivities of the same run."""
    salt = simple_cubic(saddle=BARRIER, species=[ion("cation"), ion("anion", -1.0)])
    cells = supercell(salt, (3, 3, 3))
    for bjerrum_length, ratio in ((1.0, 0.99072913), (4.0, 0.97529672)):
        pairs = coulomb_pairs(cells, bjerrum_length)
        L, _ = master_equation(cells, [(0, 1), (1, 1)], pairs=pairs, nu=NU).transport()
        assert 1 - (L[0, 3] + L[3, 0]) / (L[0, 0] + L[3, 3]) == pytest.approx(ratio, abs=6e-9)


@pytest.mark.parametrize(
    ("counts", "L_AA", "L_AB", "L_BB"),
    [((2, 2), 1.03848274, 0.02115173, 0.12288483), ((3, 2), 1.24422289, 0.02557771, 0.09744223)],
)
def test_two_species(counts, L_AA, L_AB, L_BB):
    """Σ_i L_ij / w_i = n_j W with W = (N - n)/(N - 1)."""
    cells = supercell(square(species=[ion("A"), ion("B")], rates=(1.0, 0.1)), (3, 3, 1))
    L, _ = master_equation(cells, [(0, counts[0]), (1, counts[1])]).transport()
    assert L[0, 0] == pytest.approx(L_AA, abs=6e-9)
    assert L[0, 3] == pytest.approx(L_AB, abs=6e-9)
    assert L[3, 3] == pytest.approx(L_BB, abs=6e-9)
    W = (9 - sum(counts)) / 8
    assert L[0, 0] + L[3, 0] / 0.1 == pytest.approx(counts[0] * W, rel=1e-9)


def test_drift_in_a_field():
    """u = 2, 4×4, n = 4: v/ε is D_J at ε → 0 and 0.61360133 at ε = 0.1; hard core: v = 2 sinh(ε/2) W."""
    cells = supercell(square(saddle=BARRIER), (4, 4, 1))
    pairs = contact_pairs(cells, 1.0, 2.0)
    for field, mobility in ((0.1, 0.61360133), (1e-3, 0.61327831)):
        gas = master_equation(cells, [(0, 4)], pairs=pairs, nu=NU, force=np.array([field, 0, 0]))
        assert gas.drift()[0, 0] / 4 / field == pytest.approx(mobility, abs=5e-8)
    free = master_equation(cells, [(0, 4)], nu=NU, force=np.array([0.7, 0, 0]))
    assert free.drift()[0, 0] / 4 == pytest.approx(2 * np.sinh(0.35) * 12 / 15, rel=1e-8)


def test_one_ion_on_a_chain():
    """D = L² / [(Σ p_i) (Σ 1/(p_i w_{i,i+1}))], p_i = exp(-E_i), w = exp(E_i - E_saddle)."""
    rng = np.random.default_rng(3)
    energy, saddle = rng.uniform(0, 2, 6), rng.uniform(3, 5, 6)
    cells = supercell(chain(energy, saddle), (1, 1, 1))
    L, _ = master_equation(cells, [(0, 1)]).transport()
    exact = 36 / (np.exp(-energy).sum() * np.exp(saddle).sum())
    assert L[0, 0] == pytest.approx(exact, rel=1e-9)


def test_blocks_outlast_the_transient():
    """What the block estimates of the engine leave out, <ΔR²>/2t - (D + C/t), is below 1e-4 of C/t."""
    plane = supercell(square(saddle=BARRIER), (4, 4, 1))
    cubic = supercell(simple_cubic(saddle=BARRIER), (3, 3, 3))
    salt = supercell(simple_cubic(saddle=BARRIER, species=[ion("cation"), ion("anion", -1.0)]), (3, 3, 3))
    unlike = supercell(square(species=[ion("A"), ion("B")], rates=(1.0, 0.1)), (3, 3, 1))
    for cells, groups, pairs, nu, block in (
        (plane, [(0, 1), (0, 3)], contact_pairs(plane, 1.0, 2.0), NU, 10.0),
        (cubic, [(0, 1), (0, 2)], coulomb_pairs(cubic, 1.0), NU, 4.0),
        (salt, [(0, 1), (1, 1)], coulomb_pairs(salt, 4.0), NU, 6.0),
        (unlike, [(0, 2), (1, 2)], None, 1.0, 10.0),
    ):
        assert master_equation(cells, groups, pairs=pairs, nu=nu).memory(block) < 1e-4
