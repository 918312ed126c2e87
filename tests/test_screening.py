"""Permittivity as a number or a tensor: what is accepted, and what it does to a cell."""

import numpy as np
import pytest

from lattice.screening import (
    as_tensor,
    describe,
    is_isotropic,
    screened_cell,
    screened_inverse,
    screening_factor,
    unscreened,
)
from structures.errors import InputError

TENSOR = np.array([[10.0, 1.0, 0.0], [1.0, 8.0, 0.5], [0.0, 0.5, 5.0]])


def test_a_number_three_numbers_and_a_matrix_are_one_tensor():
    assert as_tensor(5).tolist() == as_tensor([5, 5, 5]).tolist() == as_tensor(5 * np.eye(3)).tolist()
    assert as_tensor((10, 8, 5)).tolist() == np.diag([10.0, 8.0, 5.0]).tolist()
    assert as_tensor(TENSOR).tolist() == TENSOR.tolist()
    assert not as_tensor(TENSOR).flags.writeable


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (10, "10"),
        ([7.25, 7.25, 7.25], "7.25"),
        ((10, 10, 5), "diag(10, 10, 5)"),
        (TENSOR, "[[10, 1, 0], [1, 8, 0.5], [0, 0.5, 5]]"),
    ],
)
def test_it_is_described_as_shortly_as_possible(value, text):
    assert describe(value) == text
    assert is_isotropic(as_tensor(value)) == (text[0].isdigit())


def test_screening_takes_the_tensor_out_of_a_coulomb_energy():
    """|r'|² = r·eps⁻¹ r for r' = eps^(-1/2) r; a number gives 1/(eps r)."""
    cell = np.array([[4.0, 0.0, 0.0], [1.0, 5.0, 0.0], [0.3, 0.2, 6.0]])
    shrunk = screened_cell(cell, TENSOR)
    assert shrunk @ shrunk.T == pytest.approx(cell @ np.linalg.inv(TENSOR) @ cell.T, abs=1e-12)
    assert shrunk @ unscreened(TENSOR) == pytest.approx(cell, abs=1e-12)
    assert screening_factor(TENSOR) == pytest.approx(1 / np.sqrt(np.linalg.det(TENSOR)))
    vector = np.array([[0.3, -2.0, 1.1], [4.0, 0.0, 0.0]])
    assert screened_inverse(vector, 10.0) == pytest.approx(0.1 / np.linalg.norm(vector, axis=1))
    exact = (np.linalg.det(TENSOR) * np.einsum("ri,ij,rj->r", vector, np.linalg.inv(TENSOR), vector)) ** -0.5
    assert screened_inverse(vector, TENSOR) == pytest.approx(exact)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (0.5, "permittivity must lie between 1 and 10000 in every direction; got 0.5"),
        ([10, 10, 0.2], "got principal values 0.2, 10, 10"),
        ([[2.0, 1.9, 0.0], [1.9, 2.0, 0.0], [0.0, 0.0, 2.0]], "got principal values 0.1, 2, 3.9"),
        ([[2.0, 0.5, 0.0], [0.4, 2.0, 0.0], [0.0, 0.0, 2.0]], "symmetric tensor; got 0.5 in row 1, column 2 and 0.4"),
        ([10, 10], r"must be 1, 3 or 3x3 numbers; got an array of shape \(2,\)"),
        ([[1, 2], [3]], "must be 1, 3 or 3x3 numbers"),
        ("ten", "must be 1, 3 or 3x3 numbers; got 'ten'"),
        (np.nan, "must be finite"),
    ],
)
def test_what_is_no_permittivity_is_refused(value, message):
    with pytest.raises(InputError, match=message):
        as_tensor(value)
