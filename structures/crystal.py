"""Atoms of one cell, and who is near whom through the periodic images."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np
from ase.data import atomic_masses, atomic_numbers, covalent_radii
from ase.formula import Formula
from ase.neighborlist import primitive_neighbor_list
from numpy.typing import ArrayLike, NDArray

from structures.checks import as_array
from structures.units import AVOGADRO

BOND_TOLERANCE = 0.4  # Å beyond the sum of covalent radii, the convention of the Cambridge Structural Database
_STRETCHED = 0.3  # Å, between non-metals; at 1.9 Å images of a disordered ring are apart, C-C bonds end at 1.8 Å
_NON_METALS = frozenset("H He B C N O F Ne Si P S Cl Ar Ge As Se Br Kr Te I Xe At Rn".split())
ALKALI = frozenset("Li Na K Rb Cs".split())


def wrap(frac: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fractional coordinates in [0, 1), values within 1e-9 below 1 taken as 0."""
    return np.asarray(np.maximum(frac - np.floor(frac + 1e-9), 0.0))


def is_metal(symbol: str) -> bool:
    """Whether an element is a metal; metalloids are not."""
    return symbol not in _NON_METALS


@dataclass(frozen=True, eq=False, slots=True)
class Crystal:
    """Atoms of one cell before they are a framework.

    Attributes
    ----------
    cell : (3, 3) float64, Å
        Lattice vectors in rows.
    frac_coords : (n_atoms, 3) float64
    symbols : (n_atoms,) tuple of str
    labels : (n_atoms,) tuple of str
        Site labels of the CIF; symmetric copies share one.
    charges : (n_atoms,) float64, e
        What the CIF gives, zero where it gives none.
    radii : (n_atoms,) float64, Å
        Covalent radii; Cordero et al., Dalton Trans. 2832 (2008).
    metals : (n_atoms,) bool
        Which atoms are metals.
    """

    cell: NDArray[np.float64]
    frac_coords: NDArray[np.float64]
    symbols: tuple[str, ...]
    labels: tuple[str, ...]
    charges: NDArray[np.float64]
    radii: NDArray[np.float64] = field(init=False, repr=False)
    metals: NDArray[np.bool_] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        n_atoms = len(self.symbols)
        for name, shape in (("cell", (3, 3)), ("frac_coords", (n_atoms, 3)), ("charges", (n_atoms,))):
            object.__setattr__(self, name, as_array(getattr(self, name), name, np.float64, shape))
        radii = [covalent_radii[atomic_numbers[symbol]] for symbol in self.symbols]
        metals = [is_metal(symbol) for symbol in self.symbols]
        object.__setattr__(self, "radii", as_array(radii, "radii", np.float64, (n_atoms,)))
        object.__setattr__(self, "metals", as_array(metals, "metals", np.bool_, (n_atoms,)))

    def __len__(self) -> int:
        return len(self.symbols)

    def select(self, atoms: ArrayLike) -> Crystal:
        """Return the crystal of some of the atoms, given by index or mask."""
        index = np.arange(len(self))[np.asarray(atoms)]
        return replace(
            self,
            frac_coords=self.frac_coords[index],
            symbols=tuple(self.symbols[i] for i in index),
            labels=tuple(self.labels[i] for i in index),
            charges=self.charges[index],
        )


@dataclass(frozen=True, eq=False, slots=True)
class Pairs:
    """Pairs of atoms, each in both directions: b in the cell at `image`, seen from a.

    Attributes
    ----------
    a, b : (n_pairs,) int64
    image : (n_pairs, 3) int64
    distance : (n_pairs,) float64, Å
    """

    a: NDArray[np.int64]
    b: NDArray[np.int64]
    image: NDArray[np.int64]
    distance: NDArray[np.float64]

    def select(self, mask: NDArray[np.bool_]) -> Pairs:
        """Return the pairs where the mask is true."""
        return Pairs(self.a[mask], self.b[mask], self.image[mask], self.distance[mask])

    def __len__(self) -> int:
        return len(self.a)


def pairs_within(crystal: Crystal, cutoff: float) -> Pairs:
    """All pairs of atoms nearer than `cutoff` (Å), an atom and its own images included."""
    if not len(crystal):
        none = np.empty(0, dtype=np.int64)
        return Pairs(none, none, none.reshape(0, 3), np.empty(0))
    a, b, image, distance = primitive_neighbor_list(
        "ijSd", (True, True, True), crystal.cell, crystal.frac_coords, cutoff, use_scaled_positions=True
    )
    return Pairs(np.asarray(a, np.int64), np.asarray(b, np.int64), np.asarray(image, np.int64), np.asarray(distance))


def bonds(crystal: Crystal) -> Pairs:
    """Pairs that share a bond: nearer than the sum of covalent radii + 0.4 Å (non-metals 0.3 Å), two metals never."""
    pairs = pairs_within(crystal, 2 * float(crystal.radii.max(initial=0.0)) + BOND_TOLERANCE)
    return pairs.select(bonded(crystal, pairs))


def bonded(crystal: Crystal, pairs: Pairs) -> NDArray[np.bool_]:
    """Whether the atoms of each pair share a bond, (n_pairs,)."""
    radii, metal = crystal.radii, crystal.metals
    a, b = pairs.a, pairs.b
    limit = radii[a] + radii[b] + np.where(metal[a] | metal[b], BOND_TOLERANCE, _STRETCHED)
    return np.asarray((pairs.distance < limit) & ~(metal[a] & metal[b]))


def connected(n_nodes: int, a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.int64]:
    """Component number of every node of a graph, numbered by their first node, (n_nodes,)."""
    root = np.arange(n_nodes)
    while True:
        lowest = root.copy()
        np.minimum.at(lowest, a, root[b])
        np.minimum.at(lowest, b, root[a])
        lowest = lowest[lowest]
        if (lowest == root).all():
            return np.unique(root, return_inverse=True)[1].astype(np.int64)
        root = lowest


@dataclass(frozen=True, eq=False, slots=True)
class Nets:
    """Connected parts of a periodic graph.

    Attributes
    ----------
    part : (n_nodes,) int64
        Parts are numbered by their first node.
    offset : (n_nodes, 3) int64
        Cell in which a walk along edges reaches the node from the first one of its part, which is in the home cell.
    directions : (n_parts,) int64
        Independent directions in which a part is connected to its own images, 0 for a finite one.
    """

    part: NDArray[np.int64]
    offset: NDArray[np.int64]
    directions: NDArray[np.int64]


def nets(n_nodes: int, a: NDArray[np.int64], b: NDArray[np.int64], image: NDArray[np.int64]) -> Nets:
    """Parts of a periodic graph: an edge that disagrees with the cells of its ends closes a walk with a translation.

    Parameters
    ----------
    n_nodes : int
    a, b : (n_edges,) int64
        Every edge in both directions.
    image : (n_edges, 3) int64
        Cell of b when a is in the home cell.
    """
    part = connected(n_nodes, a, b)
    order = np.argsort(a, kind="stable")
    start = np.searchsorted(a[order], np.arange(n_nodes + 1)).tolist()
    target, step = b[order].tolist(), image[order]
    offset = np.zeros((n_nodes, 3), dtype=np.int64)
    reached = [False] * n_nodes
    for seed in range(n_nodes):
        if reached[seed]:
            continue
        reached[seed] = True
        queue = deque([seed])
        while queue:
            node = queue.popleft()
            for k in range(start[node], start[node + 1]):
                other = target[k]
                if not reached[other]:
                    reached[other] = True
                    offset[other] = offset[node] + step[k]
                    queue.append(other)
    closure = offset[a] + image - offset[b]
    wrapped = closure.any(axis=1)
    directions = np.zeros(int(part.max(initial=-1)) + 1, dtype=np.int64)
    for number in np.unique(part[a[wrapped]]):
        mine = np.unique(closure[wrapped & (part[a] == number)], axis=0)
        directions[number] = np.linalg.matrix_rank(mine)
    return Nets(part, offset, directions)


def density(cell: NDArray[np.float64], symbols: Iterable[str]) -> float:
    """Mass of the atoms of a cell over its volume, g/cm3; the axes may be left-handed."""
    mass = sum(float(atomic_masses[atomic_numbers[symbol]]) for symbol in symbols)
    return mass / abs(float(np.linalg.det(cell))) / AVOGADRO * 1e24


def formula(symbols: Iterable[str]) -> str:
    """Chemical formula in Hill order."""
    return str(Formula.from_list(list(symbols)).format("hill"))
