"""Orientations of rigid ions: symmetry of bodies, closure under the crystal, quality as a quadrature."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from lattice.orientations import body_symmetry, closed_orientations, default_number
from structures.species import SHIPPED_SPECIES, Bead

CUBIC = np.array(
    [
        np.diag(signs)[list(order)]
        for signs in product((1.0, -1.0), repeat=3)
        for order in ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))
    ]
)
PROPER = CUBIC[np.linalg.det(CUBIC) > 0]
IDENTITY = np.eye(3)[None]


def body(name):
    beads = SHIPPED_SPECIES[name].beads
    names = [bead.name for bead in beads]
    return np.array([bead.position for bead in beads]), np.array([names.index(n) for n in names])


@pytest.mark.parametrize(
    ("name", "order", "proper"),
    [("rigid-PF6-", 48, 24), ("BF4-", 24, 12), ("NH4+", 24, 12), ("rigid-Me2NH2+", 4, 2), ("TFSI-", 2, 2)],
)
def test_point_groups_of_the_shipped_ions(name, order, proper):
    """O_h, T_d, T_d, C_2v, C_2, whatever the body's orientation."""
    points, kinds = body(name)
    turn = Rotation.random(rng=np.random.default_rng(2)).as_matrix()
    found = body_symmetry(points @ turn.T, kinds)
    assert len(found) == order
    assert (np.linalg.det(found) > 0).sum() == proper


@pytest.mark.parametrize("group", [IDENTITY, PROPER, CUBIC], ids=["1", "432", "m-3m"])
@pytest.mark.parametrize("name", ["rigid-PF6-", "BF4-", "rigid-Me2NH2+", "TFSI-"])
def test_the_set_is_closed_and_the_same_from_every_side(name, group):
    """Every operation maps the set of orientations, as sets of beads, onto itself with its weights."""
    beads = SHIPPED_SPECIES[name].beads
    _, kinds = body(name)
    turned = closed_orientations(beads, group, 100)
    assert turned.weights.sum() == pytest.approx(1.0)

    def keys(positions):
        rounded = np.round(positions, 5) + 0.0
        return [tuple(map(tuple, p[np.lexsort((*p.T, kinds))])) for p in rounded]

    weight = dict(zip(keys(turned.positions), turned.weights, strict=True))
    assert len(weight) == len(turned.weights)  # no orientation twice
    for g in group[:: max(1, len(group) // 6)]:
        image = dict(zip(keys(turned.positions @ g.T), turned.weights, strict=True))
        assert image == pytest.approx(weight)


def test_more_orientations_integrate_better():
    """The mean of a function of angular momentum up to 4 over all rotations is known: here zero.

    The tensor <n_i n_j n_k n_l> of a bond of the ion is (δδ + δδ + δδ)/15.
    """
    beads = SHIPPED_SPECIES["rigid-Me2NH2+"].beads
    delta = np.eye(3)
    exact = np.einsum("ij,kl->ijkl", delta, delta)
    exact = (exact + exact.transpose(0, 2, 1, 3) + exact.transpose(0, 3, 2, 1)) / 15.0
    errors = []
    for number in (60, 600):
        turned = closed_orientations(beads, IDENTITY, number)
        n = turned.positions[:, 1] - turned.positions[:, 0]
        n /= np.linalg.norm(n, axis=1)[:, None]
        errors.append(np.abs(np.einsum("w,wi,wj,wk,wl->ijkl", turned.weights, n, n, n, n) - exact).max())
    assert errors[1] < 0.004
    assert errors[0] < 0.05
    assert errors[1] < errors[0]


def test_a_linear_ion_and_a_single_bead():
    dumbbell = (Bead("N", (0, 0, 1.2), -0.5, 0.01, 3.0), Bead("N", (0, 0, -1.2), -0.5, 0.01, 3.0))
    turned = closed_orientations(dumbbell, CUBIC, 600)
    directions = turned.positions[:, 0] / 1.2
    assert np.einsum("w,wi,wj->ij", turned.weights, directions, directions) == pytest.approx(np.eye(3) / 3, abs=1e-12)
    cosine = np.abs(directions @ directions.T) - np.eye(len(directions))
    assert cosine.max() < 1.0 - 1e-6  # an orientation and its reverse are one
    alone = closed_orientations(SHIPPED_SPECIES["Li+"].beads, CUBIC, 600)
    assert alone.positions.shape == (1, 1, 3)


@pytest.mark.parametrize(
    ("name", "number"), [("Li+", 600), ("NH4+", 2400), ("rigid-PF6-", 4800), ("rigid-Me2NH2+", 1605), ("TFSI-", 6000)]
)
def test_long_ions_get_more_orientations(name, number):
    """8π²/a³ rotations of the angle a = 0.5 Å by the longest arm, here 1.37 and 3.59 Å; 600 to 6000.

    At least 200 for each of the 12 rotations of a tetrahedron and the 24 of an octahedron.
    """
    assert default_number(SHIPPED_SPECIES[name].beads) == pytest.approx(number, rel=0.03)


def test_a_bead_that_feels_nothing_is_no_arm():
    beads = SHIPPED_SPECIES["NH4+"].beads
    assert default_number((*beads, Bead("M", (0.0, 9.0, 0.0), 0.0, 0.0, 1.0))) == default_number(beads)


@pytest.mark.parametrize(("group", "number"), [(IDENTITY, 12000), (CUBIC, 60000)], ids=["1", "m-3m"])
def test_many_orientations_fill_the_group_evenly(group, number):
    """Too many to repel each other: a fundamental domain and its copies, about as many as asked for.

    The mean of the tensor <n_i n_j n_k n_l> of both N-S bonds, which the ion's own symmetry exchanges, is that of all
    rotations, see above.
    """
    turned = closed_orientations(SHIPPED_SPECIES["TFSI-"].beads, group, number)
    assert len(turned.weights) == pytest.approx(number / 2, rel=0.1)
    assert turned.weights.sum() == pytest.approx(1.0)
    delta = np.eye(3)
    exact = np.einsum("ij,kl->ijkl", delta, delta)
    exact = (exact + exact.transpose(0, 2, 1, 3) + exact.transpose(0, 3, 2, 1)) / 15.0
    n = turned.positions[:, [1, 8]] - turned.positions[:, :1]
    n /= np.linalg.norm(n, axis=2)[:, :, None]
    mean = np.einsum("w,wbi,wbj,wbk,wbl->ijkl", turned.weights, n, n, n, n, optimize=True) / 2.0
    assert mean == pytest.approx(exact, abs=1e-3)
