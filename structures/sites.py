"""From the atoms that are listed to all atoms of the cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from structures.cif_symmetry import Operations
from structures.crystal import Crystal, pairs_within, wrap
from structures.disorder import FULL_OCCUPANCY, Occupation
from structures.errors import InputError

SAME_PLACE = 0.05  # Å; images nearer than this are one atom on a special position, written with few decimals
LENGTHS = (1.0, 1000.0)  # Å, of the axes
_HEIGHT = 1.0  # Å between faces of the cell; nothing that exists is thinner
_VOLUME = 2.0  # Å³ per whole atom; diamond has 5.7, solid hydrogen under pressure 2
MAX_ATOMS = 30_000
_MAX_COPIES = 2_000_000


@dataclass(frozen=True, slots=True)
class Site:
    """An atom as it is listed.

    Attributes
    ----------
    label, symbol : str
    frac : tuple of float, (3,)
    occupancy : float
    charge : float, e
    assembly, group : str
        Of disorder, empty if none.
    """

    label: str
    symbol: str
    frac: tuple[float, float, float]
    occupancy: float = 1.0
    charge: float = 0.0
    assembly: str = ""
    group: str = ""

    @property
    def partial(self) -> bool:
        """Whether it is only sometimes there."""
        return self.occupancy < FULL_OCCUPANCY or bool(self.group)


def check_cell(name: str, cell: NDArray[np.float64]) -> None:
    """Refuse a cell that no crystal has.

    Raises
    ------
    InputError
        If a length is outside 1 to 1000 Å or the cell is flat.
    """
    lengths = np.linalg.norm(cell, axis=1)
    volume = float(abs(np.linalg.det(cell)))
    found = ", ".join(f"{value:g}" for value in lengths)
    if not np.isfinite(cell).all() or lengths.min() < LENGTHS[0] or lengths.max() > LENGTHS[1]:
        raise InputError(f"{name} must have cell lengths from {LENGTHS[0]:g} to {LENGTHS[1]:g} Å; got {found}")
    areas = np.linalg.norm(np.cross(cell[[1, 2, 0]], cell[[2, 0, 1]]), axis=1)
    if volume < _HEIGHT * areas.max():
        raise InputError(
            f"{name} must have faces of the cell at least {_HEIGHT:g} Å apart; got a volume of {volume:.3g} Å³ with "
            f"lengths {found} Å"
        )


def expand(
    name: str, cell: NDArray[np.float64], sites: Sequence[Site], operations: Operations
) -> tuple[Crystal, Occupation, tuple[str, ...]]:
    """All atoms of the cell: each site moved onto its special position, then copied by the operations.

    Parameters
    ----------
    name : str
        Of the structure, for messages.
    cell : (3, 3) float64, Å
    sites : sequence of Site
    operations : Operations

    Returns
    -------
    crystal : Crystal
    occupation : Occupation
    lines : tuple of str

    Raises
    ------
    InputError
        If there are too many atoms, or more than fit into the cell.
    """
    if len(sites) > MAX_ATOMS or len(sites) * len(operations) > _MAX_COPIES:
        raise InputError(
            f"{name} must have at most {MAX_ATOMS} atoms and {_MAX_COPIES} symmetry copies; got {len(sites)} atoms "
            f"and {len(operations)} operations"
        )
    orbits = [_orbit(cell, np.array(site.frac), operations) for site in sites]
    count = np.array([len(orbit) for orbit in orbits])
    weight = float(count @ np.array([site.occupancy for site in sites]))
    volume = float(abs(np.linalg.det(cell)))
    largest: dict[str, float] = {}  # sites that repeat another leave at least the larger one of their element
    for site, copies in zip(sites, count, strict=True):
        largest[site.symbol] = max(float(copies) * site.occupancy, largest.get(site.symbol, 0.0))
    _refuse_crowd(name, sum(largest.values()), volume)
    distinct, lines = _without_doubles(cell, sites, orbits)
    if len(distinct) < len(sites):
        kept = set(distinct)
        weight = float(sum(count[k] * sites[k].occupancy for k in kept))
    _refuse_crowd(name, weight, volume)
    if count[distinct].sum() > MAX_ATOMS:
        raise InputError(f"{name} must have at most {MAX_ATOMS} atoms in the cell; got {count[distinct].sum()}")
    site_of = np.repeat(distinct, count[distinct]).astype(np.int64)
    owner = [sites[int(k)] for k in site_of]
    crystal = Crystal(
        cell=cell,
        frac_coords=np.vstack([orbits[k] for k in distinct]),
        symbols=tuple(site.symbol for site in owner),
        labels=tuple(site.label for site in owner),
        charges=np.array([site.charge for site in owner]),
    )
    occupation = Occupation(
        occupancy=np.array([site.occupancy for site in owner]),
        assembly=tuple(site.assembly for site in owner),
        group=tuple(site.group for site in owner),
        site=site_of,
        images=_images([orbits[k] for k in distinct], operations)
        if any(site.partial for site in owner)
        else np.arange(len(owner))[None],
    )
    return crystal, occupation, lines


def _refuse_crowd(name: str, weight: float, volume: float) -> None:
    if weight > volume / _VOLUME:
        raise InputError(
            f"{name} must leave each atom at least {_VOLUME:g} Å³; got {weight:.0f} atoms or more in a cell of "
            f"{volume:.1f} Å³: are its lengths in Å?"
        )


def _orbit(cell: NDArray[np.float64], position: NDArray[np.float64], operations: Operations) -> NDArray[np.float64]:
    """Distinct copies of one site, (n, 3), the first its own place.

    Moving onto one symmetry element can bring it nearer to another, hence the repetition.
    """
    if len(operations) == 1:
        return np.array([position % 1.0])
    for _ in range(3):
        step = operations.rotations @ position + operations.translations - position
        step -= np.round(step)
        fixed = np.linalg.norm(step @ cell, axis=1) < SAME_PLACE
        position = position + step[fixed].mean(axis=0)
    copies = (operations.rotations @ position + operations.translations) % 1.0
    step = copies[:, None] - copies
    step -= np.round(step)
    near = np.linalg.norm(step @ cell, axis=-1) < SAME_PLACE
    return np.asarray(copies[~np.tril(near, -1).any(axis=1)])


def _without_doubles(
    cell: NDArray[np.float64], sites: Sequence[Site], orbits: Sequence[NDArray[np.float64]]
) -> tuple[list[int], tuple[str, ...]]:
    """Sites that do not repeat an earlier one: same element in the same place, whole or together more than whole."""
    frac = np.vstack(orbits)
    owner = np.repeat(np.arange(len(sites)), [len(orbit) for orbit in orbits])
    symbols = tuple(sites[int(k)].symbol for k in owner)
    pairs = pairs_within(Crystal(cell, frac, symbols, symbols, np.zeros(len(owner))), SAME_PLACE)
    distance: dict[tuple[int, int], float] = {}
    for a, b, gap in zip(owner[pairs.a], owner[pairs.b], pairs.distance, strict=True):
        distance[int(a), int(b)] = min(float(gap), distance.get((int(a), int(b)), SAME_PLACE))
    dropped: dict[int, str] = {}
    for first, second in sorted(distance):
        one, other = sites[first], sites[second]
        same = one.symbol == other.symbol and (one.assembly, one.group) == (other.assembly, other.group)
        whole = not (one.partial or other.partial) or one.occupancy + other.occupancy > 2 - FULL_OCCUPANCY
        if first < second and first not in dropped and same and whole:
            dropped[second] = f"{other.label} {distance[first, second]:.3f} Å from {one.label}"
    kept = [k for k in range(len(sites)) if k not in dropped]
    if not dropped:
        return kept, ()
    names = ", ".join(dropped[k] for k in sorted(dropped)[:4]) + (", ..." if len(dropped) > 4 else "")
    atoms = "1 atom listed twice was" if len(dropped) == 1 else f"{len(dropped)} atoms listed twice were"
    return kept, (f"{atoms} taken once: {names}",)


def _images(orbits: Sequence[NDArray[np.float64]], operations: Operations) -> NDArray[np.int64]:
    """Atom to which each operation takes each atom, (n_operations, n_atoms)."""
    columns, start = [], 0
    for orbit in orbits:
        moved = wrap(np.einsum("gij,kj->gki", operations.rotations, orbit) + operations.translations[:, None])
        columns.append(cKDTree(wrap(orbit), boxsize=1.0).query(moved)[1] + start)
        start += len(orbit)
    return np.hstack(columns).astype(np.int64)
