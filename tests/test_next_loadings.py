"""Loadings to add around the best one, from optima of known curves."""

import numpy as np
import pytest

from analysis.loading import Maximum, Optimum, optimum_loading
from analysis.next_loadings import propose_loadings
from analysis.statistics import Interval

SCAN = np.linspace(0, 1, 6)


def scanned(curve, x=SCAN, *, spread=0.03, seed=1):
    rng = np.random.default_rng(seed)
    values = curve(x)[:, None] * (1 + spread * rng.normal(size=(len(x), 4)))
    return optimum_loading(x, values, rng=rng, n_bootstrap=200)


def peak(at, width=0.25):
    return lambda x: np.exp(-(((x - at) / width) ** 2))


def test_new_loadings_lie_around_the_maximum():
    """A maximum at 0.33 between 0.2 and 0.4: the two gaps around the highest point are halved first."""
    new = propose_loadings(scanned(peak(0.33)), SCAN, 2)
    assert new == pytest.approx((0.3, 0.5))


def test_one_more_at_a_time_gives_the_same_as_all_at_once():
    found = scanned(peak(0.33))
    one_by_one = ()
    for _ in range(5):
        one_by_one += propose_loadings(found, [*SCAN, *one_by_one], 1)
    assert sorted(one_by_one) == pytest.approx(propose_loadings(found, SCAN, 5))


def test_order_of_what_is_done_does_not_matter():
    found = scanned(peak(0.33))
    assert propose_loadings(found, SCAN[::-1], 4) == propose_loadings(found, SCAN, 4)


def test_whole_ions_only_and_none_twice():
    """Of 20 ions two steps of 0.05 lie in each gap of 0.2; when all of them are taken there is nothing left."""
    allowed = np.arange(21) / 20
    new = propose_loadings(scanned(peak(0.33)), SCAN, 100, allowed=allowed)
    assert set(new) <= set(allowed)
    assert not set(new) & set(SCAN)
    assert {0.25, 0.3, 0.35} <= set(new) or {0.3, 0.35, 0.45} <= set(new)
    assert max(new) < 0.8
    assert propose_loadings(scanned(peak(0.33)), allowed, 3, allowed=allowed) == ()


def test_both_of_two_equal_maxima_are_looked_at():
    """Maxima at 0.2 and 0.8 that differ by less than their errors: loadings on both sides of the dip."""
    two = Optimum(
        loading=Interval(0.2, 0.15, 0.27),
        edge="",
        edge_share=0.0,
        maxima=(Maximum(0.2, 1.0, "", 0.2, 0.2), Maximum(0.8, 0.98, "", 0.8, 0.8)),
        minima=(0.5,),
        best_set=(0.2, 0.8),
    )
    new = propose_loadings(two, np.linspace(0, 1, 11), 4)
    assert new == pytest.approx((0.15, 0.25, 0.75, 0.85))


def test_a_maximum_significantly_below_the_best_is_left_alone():
    two = Optimum(
        loading=Interval(0.2, 0.15, 0.27),
        edge="",
        edge_share=0.0,
        maxima=(Maximum(0.2, 1.0, "", 0.2, 0.2), Maximum(0.8, 0.5, "", 0.8, 0.8)),
        minima=(0.5,),
        best_set=(0.2,),
    )
    assert max(propose_loadings(two, np.linspace(0, 1, 11), 8)) < 0.35


def test_a_scan_that_ends_before_its_maximum_is_extended_within_its_bounds():
    """Rising up to 2 M: next is twice the length of the scan or the bound before it; without a bound none is beyond."""
    x = np.array([0.25, 0.5, 1.0, 2.0])
    rising = scanned(lambda c: c**1.5, x)
    assert max(propose_loadings(rising, x, 1, limits=(0.0, 3.0))) == 3.0
    assert max(propose_loadings(rising, x, 1, limits=(0.0, 10.0))) == 3.75
    assert max(propose_loadings(rising, x, 1, allowed=np.arange(1, 100) / 8)) == 3.75
    assert propose_loadings(rising, x, 1) == (1.5,)
    inner = scanned(peak(0.5), SCAN)
    assert max(propose_loadings(inner, SCAN, 6, limits=(-5.0, 5.0))) < 1.0


def test_several_temperatures_are_taken_together():
    """Maxima at 0.2 and at 0.8: each gets its share."""
    new = propose_loadings([scanned(peak(0.2)), scanned(peak(0.8))], SCAN, 4)
    assert new == pytest.approx((0.1, 0.3, 0.7, 0.9))


def test_refinement_narrows_the_interval():
    """VERIFICATION: sigma ∝ x(1-x) has its maximum at 1/2; four more loadings, the same spread of the replicas."""
    curve = lambda x: (x + 1e-3) * (1.001 - x)  # noqa: E731
    x = np.array([0.0, 0.35, 0.8, 1.0])
    coarse = scanned(curve, x)
    finer_x = np.union1d(x, propose_loadings(coarse, x, 4))
    fine = scanned(curve, finer_x)
    assert fine.loading.lo <= 0.5 <= fine.loading.hi
    assert fine.loading.hi - fine.loading.lo < 0.6 * (coarse.loading.hi - coarse.loading.lo)


@pytest.mark.parametrize(
    ("done", "n", "message"),
    [([0.5], 1, "two finite"), ([0.0, np.nan], 1, "finite"), (SCAN, -1, "negative")],
)
def test_what_makes_no_sense_is_refused(done, n, message):
    with pytest.raises(ValueError, match=message):
        propose_loadings(scanned(peak(0.33)), done, n)
