"""g(r) and van Hove functions against closed forms of free walkers and of the lattice gas."""

from itertools import product

import numpy as np
import pytest
from framed_run import CUBIC, write_framed_task
from scipy import special, stats

from analysis.frames import Trajectory
from analysis.radial_distribution import pair_histogram, radial_distribution
from analysis.van_hove import van_hove
from structures.errors import InputError

SKEWED = np.array([[6.0, 0.0, 0.0], [-2.9, 5.2, 0.0], [1.0, 2.0, 7.0]])


def arrays(positions, species=None, cell=SKEWED, time_step=1.0):
    species = species or ["A"] * positions.shape[1]
    return Trajectory.from_arrays(
        positions, time_step_s=time_step, species=species, charges=np.ones(len(species)), cell_A=cell, temperature_K=300
    )


def hops(tmp_path, n, counts, **options):
    return [
        Trajectory.from_task(write_framed_task(tmp_path / f"r{k}.h5", counts=counts, seed=k, **options), CUBIC)
        for k in range(n)
    ]


def score(values, exact):
    return (np.mean(values) - exact) / (np.std(values, ddof=1) / np.sqrt(len(values)))


def test_distances_are_those_of_the_nearest_of_all_images():
    """In a skewed cell, against a search through 7³ images, positions far outside the cell; like and unlike ions."""
    rng = np.random.default_rng(2)
    frac = rng.uniform(-3, 3, (12, 3))
    images = np.array(list(product(range(-9, 10), repeat=3)))
    edges = 0.25 * np.arange(10)  # to 2.25 Å; half the smallest height is 2.5 Å
    nearest = np.array([
        [np.linalg.norm((b - a + images) @ SKEWED, axis=1).min() for b in frac] for a in frac
    ])  # fmt: skip
    expected = np.histogram(nearest[:5, 5:], edges)[0]
    assert expected.sum() > 5
    assert (pair_histogram(frac[:5], frac[5:], SKEWED, edges, alike=False) == expected).all()
    np.fill_diagonal(nearest, np.inf)
    assert (pair_histogram(frac, frac, SKEWED, edges, alike=True) == np.histogram(nearest, edges)[0]).all()


def test_many_pairs_are_counted_in_parts(monkeypatch):
    rng = np.random.default_rng(2)
    frac, edges = rng.random((30, 3)), 0.25 * np.arange(11)
    whole = pair_histogram(frac, frac, SKEWED, edges, alike=True)
    monkeypatch.setattr("analysis.radial_distribution._AT_ONCE", 70)
    assert (pair_histogram(frac, frac, SKEWED, edges, alike=True) == whole).all()


def test_neighbours_of_a_full_lattice(tmp_path):
    """6, 12 and 8 at 1, √2 and √3; nobody can hop."""
    (full,) = hops(tmp_path, 1, {"Li+": 216}, n_samples=2)
    found = radial_distribution([full], bin_A=0.1)
    assert found.pairs == (("Li+", "Li+"),)
    assert [found.neighbours[0][round(10 * r)] for r in (0.9, 1.1, 1.5, 1.8)] == pytest.approx([0, 6, 18, 26])
    assert found.distance[-1] <= 3.0
    assert np.isnan(found.lo).all()


def test_random_points_have_g_of_one():
    """Few of them in a small box too: pairs are N (N - 1)."""
    rng = np.random.default_rng(1)
    runs = [arrays(rng.random((400, 5, 3)) @ SKEWED, ["A", "A", "A", "B", "B"]) for _ in range(8)]
    found = radial_distribution(runs, bin_A=0.5, most_frames=400)
    assert found.pairs == (("A", "A"), ("A", "B"), ("B", "B"))
    assert (found.frames, found.replicas) == (3200, 8)
    beyond = found.distance > 1
    scores = (found.value - 1)[:, beyond] / ((found.hi - found.lo) / (2 * stats.t.ppf(0.975, 7)))[:, beyond]
    assert np.abs(scores).max() < 5
    ball = 4 / 3 * np.pi * (found.distance[-1] + 0.25) ** 3
    assert found.neighbours[:, -1] == pytest.approx(np.array([2, 2, 1]) * ball / abs(np.linalg.det(SKEWED)), rel=0.1)


def test_one_walker_alone_stays_and_spreads_as_a_continuous_time_random_walk(tmp_path):
    """It is in place with [e^(-2t) I0(2t)]³, and 3<r⁴>/5<r²>² - 1 = 1/(10 t) for rate 1 in each direction."""
    runs = hops(tmp_path, 8, {"Li+": 1}, step=0.25, n_samples=2000)
    found = van_hove(runs, lags_s=[0.25, 1.0], bin_A=0.5, most_origins=2000)
    assert found.lag == pytest.approx([0.25, 1.0])
    assert found.pairs == ()
    for k, t in enumerate(found.lag):
        half = (found.self_hi - found.self_lo)[0, k, 0] / 2 / stats.t.ppf(0.975, 7)
        exact = (np.exp(-2 * t) * special.i0(2 * t)) ** 3
        assert abs(found.self_part[0, k, 0] * 0.5 - exact) < 4 * half * 0.5
        alpha = found.non_gaussian[0][k]
        assert abs(alpha.value - 0.1 / t) < 4 * (alpha.hi - alpha.lo) / 2 / stats.t.ppf(0.975, 7)
        assert alpha.hi - alpha.lo < 0.15
    assert 0.98 < found.self_part[0, 0].sum() * 0.5 < 1


def test_self_and_distinct_part_add_up_to_the_lattice_gas(tmp_path):
    """Occupation numbers of a hard-core gas diffuse like one particle: <n_0(0) n_0(t)> = ρ² + c (P_0(t) - 1/S)."""
    n, size = 60, 216
    runs = hops(tmp_path, 12, {"Li+": n}, step=0.4, n_samples=200)
    ratio = []
    for run in runs:
        found = van_hove([run], lags_s=[0.4], bin_A=0.5, most_origins=200)
        shell = 4 / 3 * np.pi * 0.5**3
        ratio.append(found.self_part[0, 0, 0] * 0.5 + found.distinct[0, 0, 0] * (n - 1) / size * shell)
    k = 2 * np.pi * np.arange(6) / 6
    back = (np.exp(-2 * 0.4 * (1 - np.cos(k))).mean()) ** 3
    density = n / size
    exact = density + (1 - density) * size / (size - 1) * (back - 1 / size)
    assert abs(score(ratio, exact)) < 4
    assert exact > 1.2 * back


def test_ions_that_never_move():
    place = np.broadcast_to(np.random.default_rng(1).random((6, 3)) @ SKEWED, (20, 6, 3))
    found = van_hove([arrays(place)], bin_A=0.5)
    assert found.self_part[0, :, 0] == pytest.approx(1 / 0.5)
    assert not found.self_part[0, :, 1:].any()
    assert all(np.isnan(alpha.value) for alpha in found.non_gaussian[0])
    still = radial_distribution([arrays(place)], bin_A=0.5).value
    assert found.distinct[0, 0] == pytest.approx(still[0])


def test_blocks_do_not_matter(monkeypatch):
    walk = arrays(np.random.default_rng(3).normal(size=(50, 4, 3)).cumsum(axis=0))
    whole = van_hove([walk]), radial_distribution([walk], most_frames=13)
    monkeypatch.setattr("analysis.frames.BLOCK", 24 * 4 * 3)
    parts = van_hove([walk]), radial_distribution([walk], most_frames=13)
    np.testing.assert_array_equal(whole[0].self_part, parts[0].self_part)
    np.testing.assert_array_equal(whole[0].distinct, parts[0].distinct)
    np.testing.assert_array_equal(whole[1].value, parts[1].value)
    assert whole[1].frames == 13


def test_tables_and_pictures():
    rng = np.random.default_rng(1)
    walks = [arrays(rng.normal(size=(40, 5, 3)).cumsum(axis=0), ["A", "A", "A", "B", "C"]) for _ in range(2)]
    g, moved = radial_distribution(walks), van_hove(walks)
    assert set(g.to_frame()["pair"]) == {"A - A", "A - B", "A - C", "B - C"}
    assert {"r (angstrom)", "g", "g lo", "g hi", "neighbours"} <= set(g.to_frame())
    table = moved.to_frame()
    assert {"part", "ions", "lag (s)", "r (angstrom)", "value", "lo", "hi"} <= set(table)
    assert set(table[table["part"] == "self"]["ions"]) == {"A", "B", "C"}
    for ax, text in (
        (g.plot(), "g(r)"),
        (moved.plot(species="B"), "4πr² G$_s$(r, t) of B  (1/Å)"),
        (moved.plot(distinct=True), "G$_d$(r, t) / ρ of A"),
    ):
        assert ax.get_ylabel() == text
    with pytest.raises(InputError, match="expected one of A, B, C with enough ions; found B"):
        moved.plot(species="B", distinct=True)


@pytest.mark.parametrize(
    ("estimate", "line"),
    [
        (lambda walk: radial_distribution([walk], bin_A=9.0), "bin_A: expected a width above 0 and up to 2.5"),
        (lambda walk: van_hove([walk], lags_s=[40.0]), r"lags_s: expected 1 to 39 s; found \[40.0\]"),
        (lambda walk: van_hove([walk], lags_s=[0.1]), "lags_s: expected 1 to 39 s"),
        (lambda walk: van_hove([arrays(np.zeros((1, 2, 3)))]), "expected at least 2 frames; found 1"),
        (lambda walk: radial_distribution([arrays(np.zeros((4, 1, 3)))]), "expected at least two ions; found 1"),
        (lambda walk: van_hove([]), "expected at least one run with frames"),
        (lambda walk: van_hove([walk, arrays(walk.positions(), time_step=2.0)]), "a frame every 1 s; found 2 s"),
    ],
)
def test_what_cannot_be_computed_is_refused_in_one_line(estimate, line):
    walk = arrays(np.zeros((40, 3, 3)))
    with pytest.raises(InputError, match=line) as refused:
        estimate(walk)
    assert "\n" not in str(refused.value)
