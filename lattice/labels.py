"""Names of sites from the framework atoms around them, and what coordinates them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from lattice.network import PoreNetwork
from lattice.symmetry import SpaceGroup
from structures.crystal import Crystal, bonds, is_metal
from structures.framework import Framework
from structures.species import Species

COORDINATION = 3.5  # Å, farthest neighbour of a small ion
GAP = 2.0  # Å, added to the contact radius of a large ion
CENTRE_ORDER = 4  # operations that leave a cage centre where it is
SHELL = 1.3  # neighbours up to so many times the nearest distance are one coordination shell
SHELL_SEARCH = 4.5  # Å, beyond it nothing coordinates an ion

_SAME_DISTANCE = 0.05  # Å
_OPEN_ANGLE = 60.0  # degrees between a ligand and the site, seen from a metal that is open towards the site
_RING = 5  # atoms of an aromatic ring at least
_RING_SPREAD = 0.4  # Å, between the nearest and the farthest of them
_RING_RADIUS = 1.6  # Å, from their centre


def site_labels(
    framework: Framework, frac: NDArray[np.float64], species: Species, group: SpaceGroup
) -> tuple[str, ...]:
    """Name of the nearest framework atom that attracts the ion.

    Atoms count up to 3.5 Å, or 2 Å beyond the contact radius of a large ion. A donor atom is named by what it is bonded
    to ("carboxylate-O", "water-O", "cyano-N"), a metal "open Zn" if no ligand of it stands between, and the face of a
    ring of carbon or nitrogen atoms "aromatic ring". Where none of opposite charge is so near, the nearest atom names
    the site ("near C-H"); without any it is in the "pore", or at a "cage centre" if at least four symmetry operations
    leave it in place.

    Parameters
    ----------
    framework : Framework
    frac : (n_sites, 3) float64
    species : Species
    group : SpaceGroup
    """
    reach = max(COORDINATION, species.contact_radius + GAP)
    attracts = framework.charges * species.charge < 0
    chemistry = _Chemistry.of(framework)
    labels = []
    for point in frac:
        distance = nearest_distances(framework, point)
        best = np.where(attracts, distance, np.inf)
        if best.min(initial=np.inf) <= reach:
            labels.append(chemistry.name(int(best.argmin()), point))
        elif distance.min(initial=np.inf) <= reach:
            labels.append(f"near {chemistry.names[int(distance.argmin())]}")
        else:
            fixed = group.distance(group.images(point) - point) < 0.1
            labels.append("cage centre" if fixed.sum() >= CENTRE_ORDER else "pore")
    return tuple(labels)


def site_coordination(
    structure: PoreNetwork | Framework, frac: NDArray[np.float64], *, charge: float = 1.0
) -> list[str]:
    """First coordination shell of places in the pores, such as "2 O at 2.10 Å, 1 N at 2.31 Å".

    Atoms that attract the ion count, from the nearest one up to 1.3 times its distance. Where the framework has no
    charges, non-metals other than hydrogen attract a cation, metals and hydrogen an anion.

    Parameters
    ----------
    structure : PoreNetwork or Framework
    frac : (n_points, 3) float64
    charge : float, e
        Of the ion; only the sign counts.

    Returns
    -------
    list of str
        "none within 4.5 Å" where nothing is so near, empty text where the atoms are unknown.
    """
    if isinstance(structure, PoreNetwork):
        symbols, atoms, charges = structure.framework_symbols, structure.framework_frac, structure.framework_charges
    else:
        symbols, atoms, charges = structure.symbols, structure.frac_coords, structure.charges
    if not len(symbols):
        return [""] * len(frac)
    donates = np.array([not is_metal(symbol) and symbol != "H" for symbol in symbols])
    attracts = charges * charge < 0 if np.any(charges) else donates == (charge > 0)
    chosen = np.flatnonzero(attracts)
    texts = []
    for point in frac:
        atom, vector = _around(structure.cell, atoms[chosen], point, SHELL_SEARCH)
        distance = np.linalg.norm(vector, axis=1)
        shell = distance <= SHELL * distance.min(initial=np.inf)
        texts.append(_shell_text([symbols[k] for k in chosen[atom[shell]]], distance[shell]))
    return texts


def nearest_distances(framework: Framework, point: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance from a fractional point to the nearest periodic image of every atom, (n_atoms,), Å.

    Exact up to half of the smallest height of the cell in any cell whose basis is reduced.
    """
    gap = framework.frac_coords - point
    gap -= np.rint(gap)
    shifts = np.array(list(product((-1, 0, 1), repeat=3)))
    return np.asarray(np.linalg.norm((gap[:, None] + shifts) @ framework.cell, axis=2).min(axis=1))


def _shell_text(symbols: Sequence[str], distance: NDArray[np.float64]) -> str:
    """Say how many atoms of each element there are and how far, nearest first; like distances together."""
    if not len(symbols):
        return f"none within {SHELL_SEARCH:g} Å"
    runs: list[tuple[str, list[float]]] = []
    for k in np.argsort(distance, kind="stable"):
        open_run = next(
            (run for run in runs if run[0] == symbols[k] and distance[k] - run[1][0] < _SAME_DISTANCE), None
        )
        if open_run is None:
            runs.append((symbols[k], [float(distance[k])]))
        else:
            open_run[1].append(float(distance[k]))
    return ", ".join(f"{len(at)} {symbol} at {np.mean(at):.2f} Å" for symbol, at in runs)


def _around(
    cell: NDArray[np.float64], atoms: NDArray[np.float64], point: NDArray[np.float64], limit: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """All images of atoms within a distance of a point: numbers (m,) and vectors from the point (m, 3), Å."""
    gap = atoms - point
    gap -= np.rint(gap)
    heights = 1.0 / np.linalg.norm(np.linalg.inv(cell), axis=0)
    reach = np.floor(limit / heights + 0.5).astype(int)
    shifts = np.array(list(product(*(range(-n, n + 1) for n in reach))))
    vector = (gap[:, None] + shifts) @ cell
    atom, image = np.nonzero(np.linalg.norm(vector, axis=2) <= limit)
    return atom, vector[atom, image]


@dataclass(frozen=True, eq=False, slots=True)
class _Chemistry:
    """Framework atoms with the vectors of their bonds.

    Attributes
    ----------
    framework : Framework
    names : (n_atoms,) tuple of str
    bonds : (n_atoms,) tuple of (n, 3) float64 arrays, Å
        From each atom to its bonded neighbours.
    """

    framework: Framework
    names: tuple[str, ...]
    bonds: tuple[NDArray[np.float64], ...]

    @classmethod
    def of(cls, framework: Framework) -> _Chemistry:
        frac, symbols = framework.frac_coords, framework.symbols
        pairs = bonds(Crystal(framework.cell, frac, symbols, symbols, framework.charges))
        vector = (frac[pairs.b] + pairs.image - frac[pairs.a]) @ framework.cell
        order = np.argsort(pairs.a, kind="stable")
        cuts = np.searchsorted(pairs.a[order], np.arange(1, len(symbols)))
        near = [Counter(symbols[b] for b in rows) for rows in np.split(pairs.b[order], cuts)]
        # class names beyond the bare element say more than bonds do
        names = [
            _donor_name(symbol, around) if role == symbol else role
            for symbol, role, around in zip(symbols, framework.atom_classes, near, strict=True)
        ]
        return cls(framework, tuple(names), tuple(np.split(vector[order], cuts)))

    def name(self, atom: int, point: NDArray[np.float64]) -> str:
        """Name of a site from the atom that attracts it most."""
        symbol = self.framework.symbols[atom]
        if is_metal(symbol) and self._is_open(atom, point):
            return f"open {symbol}"
        if symbol in ("C", "N") and self._faces_ring(point):
            return "aromatic ring"
        return self.names[atom]

    def _is_open(self, metal: int, point: NDArray[np.float64]) -> bool:
        """Whether no ligand of the metal stands towards the point."""
        towards = -_nearest_vector(self.framework.cell, self.framework.frac_coords[metal], point)
        ligands = self.bonds[metal]
        along = ligands @ towards / np.maximum(np.linalg.norm(ligands, axis=1) * np.linalg.norm(towards), 1e-9)
        return bool((along < np.cos(np.radians(_OPEN_ANGLE))).all())

    def _faces_ring(self, point: NDArray[np.float64]) -> bool:
        """Whether the nearest carbon and nitrogen atoms are all atoms of one ring, equally far."""
        ring = np.array([symbol in ("C", "N") for symbol in self.framework.symbols])
        _, vector = _around(self.framework.cell, self.framework.frac_coords[ring], point, SHELL_SEARCH)
        distance = np.linalg.norm(vector, axis=1)
        near = vector[distance <= distance.min(initial=np.inf) + _RING_SPREAD]
        return len(near) >= _RING and bool(np.linalg.norm(near - near.mean(axis=0), axis=1).max() < _RING_RADIUS)


def _nearest_vector(
    cell: NDArray[np.float64], atom: NDArray[np.float64], point: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Vector from a point to the nearest image of an atom, (3,), Å."""
    gap = atom - point
    shifts = np.array(list(product((-1, 0, 1), repeat=3)))
    vectors = (gap - np.rint(gap) + shifts) @ cell
    return np.asarray(vectors[np.linalg.norm(vectors, axis=1).argmin()])


def _donor_name(symbol: str, around: Counter[str]) -> str:
    """Name of an atom by the elements bonded to it."""
    metals = sum(count for other, count in around.items() if is_metal(other))
    if symbol == "O":
        if around["H"]:
            return "water-O" if around["H"] > 1 else "hydroxyl-O"
        if metals == 2 and metals == around.total():
            return "mu2-O"
        oxyanions = (("P", "phosphonate-O"), ("S", "sulfonate-O"), ("N", "nitro-O"), ("Si", "silicate-O"))
        by_group = next((name for other, name in oxyanions if around[other]), "")
        return by_group or ("ether-O" if around["C"] == 2 else "O")
    if symbol == "N":
        if around["H"]:
            return "amine-N"
        return "cyano-N" if around["C"] == 1 and around.total() - metals == 1 else "N"
    return symbol
