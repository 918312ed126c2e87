"""Orbits of points under the space group: representatives, exact positions, complete sets of copies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from structures.crystal import wrap
from structures.errors import InputError
from structures.framework import Framework

SAME_POINT = 0.1  # Å, refined points closer than this are one point
EXACT = 1e-3  # Å, images of a symmetrised point agree this well


@dataclass(frozen=True, eq=False, slots=True)
class SpaceGroup:
    """Symmetry operations x' = R x + t of a crystal, one per coset of the lattice translations.

    Attributes
    ----------
    cell : (3, 3) float64, Å
    rotations : (n_operations, 3, 3) int64
    translations : (n_operations, 3) float64
        The identity is the first operation.
    """

    cell: NDArray[np.float64]
    rotations: NDArray[np.int64]
    translations: NDArray[np.float64]

    @classmethod
    def of(cls, framework: Framework) -> SpaceGroup:
        """Operations of the framework's cell, the identity first, each once."""
        return cls.from_operations(framework.cell, framework.rotations, framework.translations)

    @classmethod
    def from_operations(
        cls, cell: NDArray[np.float64], rotations: NDArray[np.int64], translations: NDArray[np.float64]
    ) -> SpaceGroup:
        """Sort and deduplicate the operations; without any, the identity alone."""
        identity = np.eye(3, dtype=np.int64)[None], np.zeros((1, 3))
        R = np.concatenate([identity[0], np.asarray(rotations, np.int64).reshape(-1, 3, 3)])
        t = wrap(np.concatenate([identity[1], np.asarray(translations, np.float64).reshape(-1, 3)]))
        key = np.concatenate([R.reshape(len(R), 9), np.rint(t * 1e4).astype(np.int64) % 10_000], axis=1)
        keep = np.sort(np.unique(key, axis=0, return_index=True)[1])
        return cls(np.asarray(cell, np.float64), R[keep], t[keep])

    def __len__(self) -> int:
        """Order of the group modulo lattice translations."""
        return len(self.rotations)

    def images(self, frac: NDArray[np.float64]) -> NDArray[np.float64]:
        """All images of one point, (n_operations, 3), not wrapped."""
        return np.asarray(self.rotations @ frac + self.translations)

    def distance(self, difference: NDArray[np.float64]) -> NDArray[np.float64]:
        """Length in Å of fractional differences modulo the lattice; exact when it is small against the cell."""
        return np.asarray(np.linalg.norm((difference - np.rint(difference)) @ self.cell, axis=-1))

    def symmetrise(self, frac: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Move a point onto the special position it nearly occupies.

        Returns
        -------
        point : (3,) float64, in [0, 1)
        orbit : (n, 3) float64, in [0, 1)
            The point first, then its distinct copies; n divides the order of the group.

        Raises
        ------
        InputError
            If the operations do not form a group.
        """
        for tolerance in (SAME_POINT, SAME_POINT / 3, SAME_POINT / 10, EXACT):
            point = wrap(np.asarray(frac, np.float64))
            for _ in range(2):
                gap = self.images(point) - point
                fixed = self.distance(gap) < tolerance
                point = point + (gap - np.rint(gap))[fixed].mean(axis=0)
            point = wrap(point)
            images = wrap(self.images(point))
            stabiliser = int((self.distance(images - point) < EXACT).sum())
            _, first = np.unique(self._first_equal(images), return_index=True)
            if len(first) * stabiliser == len(self) and self.distance(images[first] - point).min() < EXACT:
                return point, np.concatenate([point[None], images[first][self.distance(images[first] - point) > EXACT]])
        raise InputError(
            f"symmetry operations of the framework must form a group; {len(self)} operations take the point "
            f"{np.round(point, 4).tolist()} to {len(first)} places, {stabiliser} leave it where it is: "
            "give the structure in a standard setting of its space group"
        )

    def _first_equal(self, points: NDArray[np.float64]) -> NDArray[np.int64]:
        """For each point the number of the first point that coincides with it modulo the lattice."""
        coincide = self.distance(points[:, None] - points[None, :]) < EXACT
        return np.asarray(coincide.argmax(axis=1))


def grid_representatives(
    points: NDArray[np.int64], shape: tuple[int, int, int], group: SpaceGroup
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pick one grid point of every set of symmetric copies.

    Parameters
    ----------
    points : (m,) int64
        Numbers of grid points in C order.
    shape : tuple of 3 int
    group : SpaceGroup
        Images that fall between grid points are rounded.

    Returns
    -------
    chosen : (k,) int64
        Positions in `points`, ascending: the first point of each set.
    belongs : (m,) int64
        Position in `chosen` of each point's representative.
    """
    n = np.array(shape)
    frac = np.stack(np.unravel_index(points, shape), axis=1) / n
    lowest = np.full(len(points), np.iinfo(np.int64).max)
    for R, t in zip(group.rotations, group.translations, strict=True):
        index = np.rint((frac @ R.T + t) * n).astype(np.int64) % n
        lowest = np.minimum(lowest, np.ravel_multi_index(tuple(index.T), shape))
    _, first, inverse = np.unique(lowest, return_index=True, return_inverse=True)
    by_first = np.argsort(first)
    place = np.empty(len(first), np.int64)
    place[by_first] = np.arange(len(first))
    return first[by_first], place[inverse]


@dataclass(frozen=True, eq=False, slots=True)
class Orbits:
    """Complete sets of symmetric copies of points.

    Attributes
    ----------
    frac : (n_points, 3) float64, in [0, 1)
        The representative of an orbit is the first of its points; orbits are adjacent.
    orbit : (n_points,) int64
    """

    frac: NDArray[np.float64]
    orbit: NDArray[np.int64]

    @property
    def representatives(self) -> NDArray[np.int64]:
        """First point of each orbit, (n_orbits,)."""
        return np.unique(self.orbit, return_index=True)[1]


def complete_orbits(frac: NDArray[np.float64], group: SpaceGroup) -> tuple[Orbits, NDArray[np.int64]]:
    """Symmetrise points, drop those that copy an earlier one, and add all copies of the rest.

    Parameters
    ----------
    frac : (m, 3) float64
    group : SpaceGroup

    Returns
    -------
    orbits : Orbits
    belongs : (m,) int64
        Orbit of every point given.
    """
    members = np.zeros((0, 3))
    orbit = np.zeros(0, np.int64)
    belongs = np.empty(len(frac), np.int64)
    for m, raw in enumerate(frac):
        point, copies = group.symmetrise(raw)
        gap = group.distance(members - point) if len(members) else np.zeros(0)
        if gap.size and gap.min() < SAME_POINT:
            belongs[m] = orbit[gap.argmin()]
            continue
        belongs[m] = orbit[-1] + 1 if orbit.size else 0
        members = np.concatenate([members, copies])
        orbit = np.concatenate([orbit, np.full(len(copies), belongs[m])])
    return Orbits(members, orbit), belongs


def locate(
    frac: NDArray[np.float64], members: NDArray[np.float64], group: SpaceGroup, *, within: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find the member at every point modulo the lattice.

    Parameters
    ----------
    frac : (m, 3) float64
        Not wrapped.
    members : (n, 3) float64, in [0, 1)
    within : float, Å

    Returns
    -------
    index : (m,) int64
        -1 where no member is near.
    image : (m, 3) int64
        Cell of the member.
    """
    index = np.full(len(frac), -1, np.int64)
    image = np.zeros((len(frac), 3), np.int64)
    for m, point in enumerate(frac):
        gap = group.distance(members - point)
        nearest = int(gap.argmin()) if gap.size else 0
        if gap.size and gap[nearest] < within:
            index[m] = nearest
            image[m] = np.rint(point - members[nearest])
    return index, image


@dataclass(frozen=True, eq=False, slots=True)
class Action:
    """How the operations permute sites: operation g takes site i in cell n to `site[g, i]` in cell R n + `image[g, i]`.

    Attributes
    ----------
    rotations : (n_operations, 3, 3) int64
    site : (n_operations, n_sites) int64
    image : (n_operations, n_sites, 3) int64
    """

    rotations: NDArray[np.int64]
    site: NDArray[np.int64]
    image: NDArray[np.int64]


def site_action(frac: NDArray[np.float64], group: SpaceGroup) -> Action:
    """Permutation of complete orbits by every operation.

    Parameters
    ----------
    frac : (n_sites, 3) float64, in [0, 1)

    Raises
    ------
    ValueError
        If the image of a site is no site.
    """
    tree = cKDTree(np.minimum(frac, np.nextafter(1.0, 0.0)), boxsize=1.0)
    site = np.empty((len(group), len(frac)), np.int64)
    image = np.empty((len(group), len(frac), 3), np.int64)
    for g, (R, t) in enumerate(zip(group.rotations, group.translations, strict=True)):
        moved = frac @ R.T + t
        _, nearest = tree.query(np.minimum(wrap(moved), np.nextafter(1.0, 0.0)))
        gap = moved - frac[nearest]
        off = group.distance(gap)
        if off.size and off.max() > SAME_POINT:
            raise ValueError(f"every image of a site must be a site; operation {g} misses one by {off.max():.3f} Å")
        site[g], image[g] = nearest, np.rint(gap)
    return Action(group.rotations, site, image)
