"""Direct Ewald sum of many charges at a few points: the reference for every faster way to the same potential.

The convention is that of lattice/ewald.py (conducting boundary, neutralising background, a charge does not act on its
own place but its images do), the splitting another: the real-space part reaches half the supercell, the reciprocal part
goes through the structure factor of all charges.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lattice import ewald_sum_kernels
from lattice.screening import screened_cell, screening_factor
from structures.checks import as_array

_REACH = 4.7  # erfc(4.7) = 3e-11


def potential_of_charges(
    cell: NDArray[np.float64],
    permittivity: ArrayLike,
    frac: NDArray[np.float64],
    charge: NDArray[np.float64],
    points: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Potential of periodic charges in a neutralising background at some points, (m,), e/Å.

    Parameters
    ----------
    cell : (3, 3) float64, Å
    permittivity : float, (3,) or (3, 3) array_like
    frac : (n, 3) float64
        Fractional places of the charges.
    charge : (n,) float64, e
    points : (m, 3) float64
        Fractional; at the place of a charge its own bare potential is left out.
    """
    frac = as_array(frac, "frac", np.float64, (None, 3))
    charge = as_array(charge, "charge", np.float64, (len(frac),))
    points = as_array(points, "points", np.float64, (None, 3))
    cell = screened_cell(as_array(cell, "cell", np.float64, (3, 3)), permittivity)
    heights = 1.0 / np.linalg.norm(np.linalg.inv(cell), axis=0)
    volume = float(abs(np.linalg.det(cell)))
    reach = 0.5 * float(heights.min())
    alpha = _REACH / reach
    potential = ewald_sum_kernels.near_part(cell, frac, charge, points, alpha, reach)
    reciprocal = 2.0 * math.pi * np.linalg.inv(cell).T
    largest = np.floor(2.0 * alpha * _REACH * np.linalg.norm(cell, axis=1) / (2.0 * math.pi)).astype(np.int64)
    potential += ewald_sum_kernels.smooth_part(reciprocal, frac, charge, points, alpha, largest, volume, _REACH)
    potential -= math.pi / (alpha**2 * volume) * charge.sum()
    return np.asarray(potential * screening_factor(permittivity))
