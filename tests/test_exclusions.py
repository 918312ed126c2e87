"""Contact exclusions through periodic images."""

import numpy as np

from lattice.exclusions import exclusions


def test_exclusions_equal_brute_force_in_a_skewed_cell():
    """All images within three cells, pair by pair; both directions, and a site's own image in a thin cell."""
    cell = np.array([[4.0, 0.0, 0.0], [2.5, 6.0, 0.0], [-1.5, 2.0, 7.0]])
    rng = np.random.default_rng(3)
    frac, radius = rng.random((6, 3)), rng.choice([1.0, 2.1], 6)
    a, b, image = exclusions(cell, frac, radius)
    found = {(int(i), int(j), *map(int, n)) for i, j, n in zip(a, b, image, strict=True)}
    expected = set()
    for i in range(6):
        for j in range(6):
            for n in np.ndindex(9, 9, 9):
                shift = np.array(n) - 4
                distance = np.linalg.norm((frac[j] + shift - frac[i]) @ cell)
                if 0 < distance < radius[i] + radius[j]:
                    expected.add((i, j, *shift.tolist()))
    assert found == expected
    assert len(found) == len(a)
    assert any(i == j for i, j, *_ in found)
    assert {(j, i, -u, -v, -w) for i, j, u, v, w in found} == found


def test_no_sites_no_exclusions():
    a, b, image = exclusions(np.eye(3), np.zeros((0, 3)), np.zeros(0))
    assert a.shape == b.shape == (0,)
    assert image.shape == (0, 3)
