"""Choice of the levels of the Coulomb energy of a large supercell: how far the exact rows reach, which meshes follow.

With Gaussian splittings α_1 > α_2 > ... the potential of an ion is

    psi = near + Σ_l g_l,   g_l = [erf(α_l r) - erf(α_{l+1} r)]/r,   g_last = psi - erfc(α_last r)/r,

and every g_l is represented by cubic splines on a mesh with spacing A/α_l; what a row of level l leaves out lies beyond
X/α_{l+1}, where erfc is small. `near` is the difference between psi, from the Ewald sum, and what the meshes give, so
that pairs within X/α_1 have no error at all. Meshes are commensurate with the cells and repeat after a few of them, so
that the rows of all ions are tabulated. Number of entries of a row: some 4π/3 (2X/A)³ per level, whatever the size.
U. Essmann et al., J. Chem. Phys. 103, 8577 (1995); D. J. Hardy et al., J. Chem. Theory Comput. 11, 766 (2015).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from lattice.ewald import EwaldPotential
from lattice.near_pairs import PairOverride, override_near_pairs
from lattice.screening import screened_cell
from lattice.supercell import Lattice
from structures.errors import InputError
from structures.units import COULOMB

# (A, X), each better than the one before.
ACCURACIES = ((0.66, 3.1), (0.60, 3.2), (0.52, 3.4), (0.45, 3.6), (0.38, 3.9))
_NEAR_SITES = (1500, 2200, 3300, 5000, 7500, 11000)  # within the reach of level 0: what is tried
_LEVEL = 4000.0  # what the splines of one more level cost, in entries of a row
_LONGEST_PERIOD = 8  # cells


@dataclass(frozen=True, slots=True)
class Level:
    """One mesh: nodes along each axis, its α, and how far its rows reach (inf: everywhere)."""

    nodes: tuple[int, int, int]
    alpha: float
    reach: float


def charges(lattice: Lattice) -> NDArray[np.float64]:
    """Charge of the ion of every sublattice, (n_sublattices,), e."""
    network = lattice.network
    return np.array([species.charge for species in network.species], np.float64)[network.site_species]


def plan_levels(lattice: Lattice, accuracy: int = 0) -> tuple[float, tuple[Level, ...]]:
    """Choose the reach of level 0, Å in the screened cell, and the meshes with the fewest entries per row."""
    A, X = ACCURACIES[accuracy]
    repeats = lattice.repeats
    cell = screened_cell(lattice.cell, lattice.permittivity)
    lengths = np.linalg.norm(cell, axis=1)
    volume = float(abs(np.linalg.det(cell)))

    def entries(reach: float, nodes: tuple[int, ...]) -> float:
        count = float(math.prod(nodes))
        return min(count, count * 4.0 / 3.0 * math.pi * reach**3 / volume)

    @cache
    def best(nodes: tuple[int, int, int], period: tuple[int, int, int]) -> tuple[float, tuple[Level, ...]]:
        alpha = A / max(n / m for n, m in zip(lengths, nodes, strict=True))
        choice: tuple[float, tuple[Level, ...]] = (float(math.prod(nodes)), (Level(nodes, alpha, math.inf),))
        seen = set()
        for ratio in (2.0, 2.5, 3.0, 4.0, 5.0):
            coarse = _nodes(repeats, lengths, ratio * A / alpha * 1.001, period)
            if coarse in seen or math.prod(coarse) >= 0.7 * math.prod(nodes):
                continue
            seen.add(coarse)
            beyond = best(coarse, period_of(repeats, coarse))
            reach = X / beyond[1][0].alpha
            cost = entries(reach, nodes) + beyond[0] + _LEVEL
            if cost < choice[0]:
                choice = (cost, (Level(nodes, alpha, reach), *beyond[1]))
        return choice

    found: dict[tuple[int, int, int], float] = {}
    for sites in _NEAR_SITES:
        reach = (3.0 * sites * volume / (4.0 * math.pi * lattice.n_sites)) ** (1.0 / 3.0)
        finest = _nodes(repeats, lengths, A / X * reach, (1, 1, 1))
        reach = X / A * max(n / m for n, m in zip(lengths, finest, strict=True))
        near = min(float(lattice.n_sites), 4.0 / 3.0 * math.pi * reach**3 * lattice.n_sites / volume)
        found[finest] = near + best(finest, period_of(repeats, finest))[0]
    finest = min(found, key=lambda nodes: found[nodes])
    levels = best(finest, period_of(repeats, finest))[1]
    return X / levels[0].alpha, levels


def period_of(repeats: Sequence[int], nodes: Sequence[int]) -> tuple[int, int, int]:
    """Cells along each axis after which cells and nodes meet again."""
    p1, p2, p3 = (n // math.gcd(n, m) for n, m in zip(repeats, nodes, strict=True))
    return p1, p2, p3


def _nodes(
    repeats: tuple[int, int, int], lengths: NDArray[np.float64], spacing: float, period: tuple[int, int, int]
) -> tuple[int, int, int]:
    """Fewest nodes along each axis with at most this spacing, a short period, and a multiple of the period given."""
    found = []
    for n, length, before in zip(repeats, lengths, period, strict=True):
        m = max(1, math.ceil(length / spacing))
        while (n // math.gcd(n, m)) % before or n // math.gcd(n, m) > _LONGEST_PERIOD:
            m += 1
            if m > 64 * n:
                raise InputError(f"no mesh fits {n} cells; use repeats with small factors")
        found.append(m)
    return found[0], found[1], found[2]


def window_shape(lattice: Lattice, reach: float) -> NDArray[np.int64]:
    """Cells that a window of cell offsets must span to hold all sites within `reach` (screened Å) of a site, (3,).

    Odd, or the whole supercell.
    """
    cell = screened_cell(lattice.network.cell, lattice.permittivity)
    heights = 1.0 / np.linalg.norm(np.linalg.inv(cell), axis=0)
    span = np.ptp(lattice.network.site_frac, axis=0)
    half = np.floor(reach / heights + span).astype(np.int64)
    return np.asarray(np.minimum(2 * half + 1, np.array(lattice.repeats)), np.int64)


def pair_window(
    lattice: Lattice, shape: NDArray[np.int64], overrides: Sequence[PairOverride]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Energies of pairs in a window of cell offsets, and the part of them by overrides, eV.

    Returns
    -------
    energy, changed : (n_sublattices, d1, d2, d3, n_sublattices) float64
        [a, offset modulo d, b]; offsets beyond d/2 are negative ones.
    """
    network, q = lattice.network, charges(lattice)
    ewald = EwaldPotential(lattice.cell, lattice.permittivity)
    energy = ewald.window(network.site_frac, lattice.repeats, (int(shape[0]), int(shape[1]), int(shape[2])))
    energy *= COULOMB * q[:, None, None, None, None] * q
    changed = np.zeros_like(energy)
    override_near_pairs(changed, network, lattice.permittivity, overrides)
    return energy + changed, changed


def energy_sum(lattice: Lattice, changed: NDArray[np.float64]) -> NDArray[np.float64]:
    """Energy of an ion on sublattice b with ions on all sites of sublattice a, (a, b), eV: Ewald sums of one cell."""
    network, q = lattice.network, charges(lattice)
    psi = EwaldPotential(network.cell, lattice.permittivity).window(network.site_frac, (1, 1, 1), (1, 1, 1))
    return np.asarray(psi[:, 0, 0, 0, :] * COULOMB * q[:, None] * q + changed.sum(axis=(1, 2, 3)))
