"""Energies of pairs of ions too near for continuum screening.

Below about 4 Å there is no medium between two ions, and q q k_e/(eps_r r) is not their energy. An override gives the
energy of all pairs of two species nearer than a distance. It replaces the screened Coulomb term of the one image that
is near; what both ions have with all farther images and with the background stays, so that an override that equals the
Coulomb term changes nothing. The energies of the ions with the framework are in the site energies and stay as well.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lattice.image_pairs import both_ways, image_pairs
from lattice.network import PoreNetwork
from lattice.screening import screened_inverse
from structures.errors import InputError
from structures.units import COULOMB


@dataclass(frozen=True, slots=True)
class PairOverride:
    """Energy of two ions nearer than a distance.

    Several overrides of the same two species with different distances are steps: the innermost one counts.

    Attributes
    ----------
    species : (str, str)
        Names, in either order; may be the same.
    below : float, Å
    energy : float, eV
        Of the pair, instead of q q k_e/(eps_r r).

    Raises
    ------
    InputError
        If the distance is not positive or the energy is not finite.
    """

    species: tuple[str, str]
    below: float
    energy: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.below) and self.below > 0):
            raise InputError(f"pair override {self.name}: the distance must be positive; got {self.below} Å")
        if not math.isfinite(self.energy):
            raise InputError(f"pair override {self.name}: the energy must be finite; got {self.energy} eV")

    @property
    def name(self) -> str:
        """Both species, as printed."""
        return f"{self.species[0]} with {self.species[1]}"


@dataclass(frozen=True, eq=False, slots=True)
class _NearPairs:
    """Pairs of sites that one override reaches, in both directions: a, b, image of b; and their Coulomb energies."""

    links: NDArray[np.int64]
    coulomb: NDArray[np.float64]


def override_near_pairs(
    table: NDArray[np.float64],
    network: PoreNetwork,
    permittivity: NDArray[np.float64],
    overrides: Sequence[PairOverride],
) -> None:
    """Replace the Coulomb energies of near pairs in a table.

    Parameters
    ----------
    table : (n_sites, n1, n2, n3, n_sites) float64, eV
        Modified in place. It stays equal to its mirror image to the last bit.
    network : PoreNetwork
    permittivity : (3, 3) float64
    overrides : sequence of PairOverride

    Raises
    ------
    InputError
        If an override names an unknown species, is given twice, reaches no pair of sites that may be occupied
        together, or reaches two images of one pair in this supercell.
    """
    repeats = np.array(table.shape[1:4])
    for override, near in zip(overrides, _reached(network, permittivity, overrides), strict=True):
        folded = np.concatenate([near.links[:, :2], near.links[:, 2:] % repeats], axis=1)
        _refuse_two_images(override, network, folded, repeats)
        a, b, n1, n2, n3 = folded.T
        table[a, n1, n2, n3, b] += override.energy - near.coulomb


def pair_override_lines(
    network: PoreNetwork, permittivity: NDArray[np.float64], overrides: Sequence[PairOverride]
) -> tuple[str, ...]:
    """Return one printable line for every override: what it replaces, and how often.

    Raises
    ------
    InputError
        As `override_near_pairs`, supercell apart.
    """
    lines = []
    for override, near in zip(overrides, _reached(network, permittivity, overrides), strict=True):
        low, high = near.coulomb.min(), near.coulomb.max()
        span = f"{low:.3f} eV" if f"{low:.3f}" == f"{high:.3f}" else f"{low:.3f} to {high:.3f} eV"
        lines.append(
            f"override: {override.name} nearer than {override.below:g} Å: {override.energy:g} eV instead of the "
            f"screened Coulomb energy of the near image, {span}; {len(near.links) // 2} pairs of sites per cell"
        )
    return tuple(lines)


def exclusion_set(network: PoreNetwork) -> set[tuple[int, ...]]:
    """Exclusions as (a, b, image of b)."""
    rows = np.column_stack([network.exclusion_a, network.exclusion_b, network.exclusion_image])
    return {tuple(row) for row in rows.tolist()}


def _reached(
    network: PoreNetwork, permittivity: NDArray[np.float64], overrides: Sequence[PairOverride]
) -> list[_NearPairs]:
    """Find the pairs that may be occupied together and to which each override applies, in the order given."""
    if not overrides:
        return []
    kinds = [_kinds(network, override) for override in overrides]
    _refuse_twice(overrides)
    links, distance = image_pairs(network.cell, network.site_frac, max(override.below for override in overrides))
    excluded = exclusion_set(network)
    allowed = np.array([tuple(link) not in excluded for link in links.tolist()], dtype=bool)
    links, distance = links[allowed], distance[allowed]
    pair = np.sort(network.site_species[links[:, :2]], axis=1)
    owner = np.full(len(links), -1)
    for n in sorted(range(len(overrides)), key=lambda n: -overrides[n].below):
        owner[(pair == kinds[n]).all(axis=1) & (distance < overrides[n].below)] = n
    charge = np.array([species.charge for species in network.species])[network.site_species]
    reached = []
    for n, override in enumerate(overrides):
        mine = both_ways(links[owner == n])
        if not len(mine):
            raise InputError(_nothing_reached(override, distance[(pair == kinds[n]).all(axis=1)]))
        a, b = mine[:, 0], mine[:, 1]
        # both directions of a pair from the first one, so that they get the same bits
        forward = mine[: len(mine) // 2]
        vector = (network.site_frac[forward[:, 1]] + forward[:, 2:] - network.site_frac[forward[:, 0]]) @ network.cell
        coulomb = COULOMB * charge[a] * charge[b] * np.tile(screened_inverse(vector, permittivity), 2)
        reached.append(_NearPairs(mine, coulomb))
    return reached


def _kinds(network: PoreNetwork, override: PairOverride) -> NDArray[np.int64]:
    names = [species.name for species in network.species]
    for name in override.species:
        if name not in names:
            raise InputError(f"pair override {override.name}: species must be among {', '.join(names)}; got {name}")
    return np.sort([names.index(name) for name in override.species])


def _refuse_twice(overrides: Sequence[PairOverride]) -> None:
    count = Counter((*sorted(override.species), override.below) for override in overrides)
    (first, second, below), number = count.most_common(1)[0]
    if number > 1:
        raise InputError(f"pair override {first} with {second} below {below:g} Å must be given once; got {number}")


def _nothing_reached(override: PairOverride, distance: NDArray[np.float64]) -> str:
    what = (
        f"pair override {override.name} below {override.below:g} Å must reach two sites that may be occupied together"
    )
    if (distance < override.below).any():
        return f"{what}; all such pairs are nearer than the distance of another override"
    return f"{what}; there are none so near"


def _refuse_two_images(
    override: PairOverride, network: PoreNetwork, folded: NDArray[np.int64], repeats: NDArray[np.int64]
) -> None:
    own = (folded[:, 0] == folded[:, 1]) & ~folded[:, 2:].any(axis=1)
    unique, count = np.unique(folded, axis=0, return_counts=True)
    if own.any():
        a, b = folded[own][0, :2].tolist()
        what = f"site {a} lies nearer than {override.below:g} Å to its own image"
    elif (count > 1).any():
        a, b = unique[count > 1][0, :2].tolist()
        what = f"sites {a} and {b} lie nearer than {override.below:g} Å through {count.max()} images"
    else:
        return
    heights = 1.0 / np.linalg.norm(np.linalg.inv(network.cell), axis=0)
    enough = tuple(int(n) for n in np.maximum(repeats, np.ceil(2.0 * override.below / heights)))
    raise InputError(
        f"supercell {tuple(repeats.tolist())} is too small for the pair override {override.name}: {what}; "
        f"repeats of {enough} are enough"
    )
