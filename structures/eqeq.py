"""Charge equilibration of a periodic crystal: EQeq, Wilmer, Kim, Snurr, J. Phys. Chem. Lett. 3, 2506 (2012).

Energy. The energy of an atom is a parabola through two measured ionization energies around its charge centre c,

    E_i(Q) = chi_i Q + J_i Q² / 2,   J = I_(c+1) - I_c,   chi = (I_(c+1) + I_c) / 2 - c J,

so that its slope at Q = c is the mean of both energies (Rappé, Goddard, J. Phys. Chem. 95, 3358 (1991) for c = 0). Two
atoms a distance R apart interact with (lambda k / 2) Q_i Q_j [1/R + o(R)], k = e² / (4 pi epsilon_0), lambda = 1.2,
where the orbital overlap term is

    o(R) = exp(-a² R²) (2 a - a² R - 1/R),   a = sqrt(J_i J_j) / k,

which takes the bracket to 2 a where two atoms coincide and vanishes beyond a few Å. The charges make the sum over all
pairs of atoms and images smallest at a given total charge: linear equations.

Periodic sum. 1/R over all images by Ewald's method with conducting surroundings (Allen, Tildesley, Computer Simulation
of Liquids, 2nd ed. (2017), ch. 6),

    gamma_ij = sum_R erfc(alpha R) / R - delta_ij 2 alpha / sqrt(pi)
               + (4 pi / V) sum_(k != 0) exp(-k² / 4 alpha²) / k² cos(k r_ij).

A uniform background neutralises the cell. Its term, -pi / (alpha² V) for every pair, adds a constant at a given total
charge and moves no charge: a charged framework is as well-posed as a neutral one, in a cell of any size.

Symmetry. Equivalent atoms have equal charges. The energy is made smallest under that condition, so that the unknowns
are one charge per orbit and the matrix holds sums over pairs of orbits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.spatial import cKDTree
from scipy.special import erfc

from structures.crystal import Crystal
from structures.eqeq_parameters import EQEQ_PARAMETERS
from structures.errors import InputError
from structures.units import COULOMB

DIELECTRIC_STRENGTH = 1.2  # lambda of the paper
MAX_UNKNOWNS = 8000  # the four matrices that are alive at once take 2 GB
_COUPLING = DIELECTRIC_STRENGTH * COULOMB / 2.0  # eV Å
_REACH = 4.6  # erfc(4.6) = 8e-11, exp(-4.6²) = 6e-10
_LONGEST_CUTOFF = 24.0  # Å, bounds the list of pairs
_SAME_ATOM = 1e-6  # Å
_ATOMS_AT_ONCE = 256
_WAVES_AT_ONCE = 256


@dataclass(frozen=True, eq=False, slots=True)
class _Atoms:
    """Slope and curvature of every atom's energy, and the group whose charge it shares.

    Attributes
    ----------
    chi, hardness : (n_atoms,) float64, eV
    group : (n_atoms,) int64
    size : (n_groups,) float64
        Atoms of each group.
    """

    chi: NDArray[np.float64]
    hardness: NDArray[np.float64]
    group: NDArray[np.int64]
    size: NDArray[np.float64]


def elements_without_parameters(symbols: tuple[str, ...]) -> tuple[str, ...]:
    """Elements that EQeq cannot treat, each once, sorted."""
    return tuple(sorted(set(symbols) - set(EQEQ_PARAMETERS)))


def eqeq_charges(
    crystal: Crystal,
    orbits: NDArray[np.int64],
    net_charge: float,
    *,
    fixed: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Charges that make the EQeq energy of the crystal smallest at a given total charge.

    Parameters
    ----------
    crystal : Crystal
        Its own charges are not used.
    orbits : (n_atoms,) int64
        Atoms equivalent by symmetry share a number.
    net_charge : float, e
        Of the cell.
    fixed : (n_atoms,) float64, e, optional
        Charges that are given, nan where the charge is free.

    Returns
    -------
    (n_atoms,) float64, e
        They sum to `net_charge`; equal on atoms of one orbit (where `fixed` does not part them).

    Raises
    ------
    InputError
        If an element has no parameters, there are more than 8000 unknown charges, no charge is free although the given
        ones do not sum to `net_charge`, or the energy has no minimum.
    """
    missing = elements_without_parameters(crystal.symbols)
    if missing:
        raise InputError(f"EQeq charges: expected elements with measured ionization energies; found {missing[0]}")
    given = np.full(len(crystal), np.nan) if fixed is None else np.asarray(fixed, np.float64)
    atoms = _grouped(crystal.symbols, orbits, given)
    n_groups = len(atoms.size)
    if n_groups > MAX_UNKNOWNS:
        raise InputError(
            f"EQeq charges: expected at most {MAX_UNKNOWNS} symmetry-distinct atoms; found {n_groups}, whose equations "
            f"need {4 * n_groups**2 * 8 / 1e9:.1f} GB: give a table of charges or a CIF with charges"
        )
    first = np.unique(atoms.group, return_index=True)[1]
    charge = given[first]
    free = np.isnan(charge)
    curvature = _COUPLING * _interaction(crystal, atoms)
    curvature[np.diag_indices(n_groups)] += atoms.size * atoms.hardness[first]
    slope = atoms.size * atoms.chi[first]
    slope += curvature[:, ~free] @ charge[~free]
    rest = net_charge - float(atoms.size[~free] @ charge[~free])
    if free.any():
        charge[free] = _minimum(curvature[np.ix_(free, free)], slope[free], atoms.size[free], rest)
    elif abs(rest) > 1e-6:
        raise InputError(
            f"charges: every atom has one and they sum to {net_charge - rest:g} e; expected {net_charge:g} e",
            about="charges",
        )
    return np.asarray(charge[atoms.group])


def _grouped(symbols: tuple[str, ...], orbits: NDArray[np.int64], given: NDArray[np.float64]) -> _Atoms:
    """Parameters of the atoms, and groups: atoms of one element and orbit that are all free or given one charge."""
    centre, low, high = np.array([EQEQ_PARAMETERS[symbol] for symbol in symbols]).T
    hardness = high - low
    element = np.unique(symbols, return_inverse=True)[1]
    key = np.column_stack([orbits, element, np.isnan(given), np.nan_to_num(given)])
    _, group, size = np.unique(key, axis=0, return_inverse=True, return_counts=True)
    return _Atoms((high + low) / 2.0 - centre * hardness, hardness, group.astype(np.int64), size.astype(np.float64))


def _minimum(
    curvature: NDArray[np.float64], slope: NDArray[np.float64], size: NDArray[np.float64], total: float
) -> NDArray[np.float64]:
    """Minimum of x·A·x/2 + b·x over charges x of groups with size·x = total, (n_groups,).

    With x = y / sqrt(size) the condition fixes the part of y along u = sqrt(size) / |sqrt(size)|; the rest of y lies in
    the plane normal to u, where the matrix must be positive definite for a minimum.
    """
    root = np.sqrt(size)
    u = root / np.linalg.norm(root)
    A = curvature / np.outer(root, root)
    b = slope / root
    along = total / float(np.linalg.norm(root)) * u
    push = b + A @ along
    Au = A @ u
    A -= np.outer(u, Au)
    A -= np.outer(Au - u * (u @ Au), u)
    A += np.outer(u, u) * (1.0 + np.trace(A) / len(A))
    try:
        factor = cho_factor(A, overwrite_a=True)
    except LinAlgError as error:
        raise InputError(
            "EQeq charges: the energy of this crystal has no minimum, atoms that are too near or too soft attract more "
            "and more charge; give a table of charges or a CIF with charges"
        ) from error
    across = -cho_solve(factor, push)
    across -= u * (u @ across)
    return np.asarray((along + across) / root)


def _interaction(crystal: Crystal, atoms: _Atoms) -> NDArray[np.float64]:
    """1/R + o(R) summed over the pairs of atoms of two groups and their images, (n_groups, n_groups), 1/Å."""
    softest = float(atoms.hardness.min()) / COULOMB
    cutoff = max(_best_cutoff(crystal, len(atoms.size)), _REACH / softest)
    alpha = _REACH / cutoff
    total = _long_range(crystal, atoms, alpha)
    total[np.diag_indices(len(total))] -= atoms.size * 2.0 * alpha / math.sqrt(math.pi)
    _add_short_range(total, crystal, atoms, cutoff)
    return np.asarray((total + total.T) / 2.0)


def _best_cutoff(crystal: Crystal, n_groups: int) -> float:
    """Real-space cut-off (Å) at which both Ewald sums take about as long, measured per term; 24 Å at most.

    n² (4 pi/3) cutoff³ / V pairs of 200 ns; (V / 12 pi²) (2 alpha reach)³ waves, each n phases of 40 ns and n_groups²
    products of 0.4 ns.
    """
    n, volume = len(crystal), abs(float(np.linalg.det(crystal.cell)))
    per_pair, per_wave = 200.0, 40.0 * n + 0.4 * n_groups**2
    waves = volume * (2.0 * _REACH**2) ** 3 / (12.0 * math.pi**2)  # times cutoff^-3
    sixth = waves * per_wave / (per_pair * n**2 * 4.0 * math.pi / (3.0 * volume))
    return float(min(sixth ** (1.0 / 6.0), _LONGEST_CUTOFF))


def _add_short_range(total: NDArray[np.float64], crystal: Crystal, atoms: _Atoms, cutoff: float) -> None:
    """Add erfc(alpha R)/R + o(R) of every pair nearer than `cutoff` (Å) to its groups; `total` is modified in place."""
    home = crystal.frac_coords % 1.0
    around, atom = _with_images(home, crystal.cell, cutoff)
    tree = cKDTree(around @ crystal.cell)
    for start in range(0, len(home), _ATOMS_AT_ONCE):
        block = cKDTree(home[start : start + _ATOMS_AT_ONCE] @ crystal.cell)
        found = block.sparse_distance_matrix(tree, cutoff, output_type="ndarray")
        found = found[found["v"] > _SAME_ATOM]
        i, j, R = found["i"] + start, atom[found["j"]], found["v"]
        a = np.sqrt(atoms.hardness[i] * atoms.hardness[j]) / COULOMB
        term = erfc(_REACH / cutoff * R) / R + np.exp(-((a * R) ** 2)) * (2.0 * a - a**2 * R - 1.0 / R)
        np.add.at(total, (atoms.group[i], atoms.group[j]), term)


def _with_images(
    home: NDArray[np.float64], cell: NDArray[np.float64], reach: float
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Fractional points (n, 3) of the cell and of all images within `reach` (Å) of it, and their atoms (n,)."""
    margin = reach * np.linalg.norm(np.linalg.inv(cell), axis=0)
    steps = [np.arange(-math.ceil(m), math.ceil(m) + 1) for m in margin]
    points, atoms = [], []
    for image in np.stack(np.meshgrid(*steps, indexing="ij"), axis=-1).reshape(-1, 3):
        moved = home + image
        near = ((moved >= -margin) & (moved <= 1.0 + margin)).all(axis=1)
        points.append(moved[near])
        atoms.append(np.flatnonzero(near))
    return np.concatenate(points), np.concatenate(atoms)


def _long_range(crystal: Crystal, atoms: _Atoms, alpha: float) -> NDArray[np.float64]:
    """Sum over the waves k != 0 of (4 pi/V) exp(-k²/4 alpha²)/k² S_A(k)* S_B(k), (n_groups, n_groups), 1/Å."""
    n_groups = len(atoms.size)
    waves, weights = _waves(crystal.cell, alpha)
    total = np.zeros((n_groups, n_groups))
    order = np.argsort(atoms.group, kind="stable")
    starts = np.searchsorted(atoms.group[order], np.arange(n_groups))
    frac = crystal.frac_coords[order]
    for start in range(0, len(waves), _WAVES_AT_ONCE):
        block = slice(start, start + _WAVES_AT_ONCE)
        phase = 2.0 * np.pi * (frac @ waves[block].T)
        for part in (np.cos(phase), np.sin(phase)):
            factor = np.add.reduceat(part, starts, axis=0) * np.sqrt(weights[block])
            total += factor @ factor.T
    return total


def _waves(cell: NDArray[np.float64], alpha: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Integer wave vectors of one half space, (n, 3), and their weights (8 pi/V) exp(-k²/4 alpha²)/k², (n,), 1/Å."""
    longest = 2.0 * alpha * _REACH
    reciprocal = 2.0 * np.pi * np.linalg.inv(cell).T
    reach = np.floor(longest * np.linalg.norm(cell, axis=1) / (2.0 * np.pi)).astype(int)
    axes = (np.arange(0, reach[0] + 1), np.arange(-reach[1], reach[1] + 1), np.arange(-reach[2], reach[2] + 1))
    integers = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    square = ((integers @ reciprocal) ** 2).sum(axis=1)
    h, k, m = integers.T
    half = (h > 0) | ((h == 0) & ((k > 0) | ((k == 0) & (m > 0))))
    keep = half & (square <= longest**2)
    integers, square = integers[keep], square[keep]
    volume = abs(float(np.linalg.det(cell)))
    return integers.astype(np.float64), 8.0 * np.pi / volume * np.exp(-square / (4.0 * alpha**2)) / square
