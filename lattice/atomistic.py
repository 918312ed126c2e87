"""One ion in a supercell of the framework, as atoms."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np
from ase import Atoms
from ase.constraints import FixAtoms
from ase.data import atomic_numbers
from ase.geometry import minkowski_reduce
from numpy.typing import ArrayLike, NDArray

from lattice.ion_atoms import IonAtoms
from lattice.network import PoreNetwork
from structures.errors import InputError

Relax = Literal["ions", "all"]
Repeats = tuple[int, int, int]


@dataclass(frozen=True, eq=False, slots=True)
class AtomisticCell:
    """A periodic supercell of the framework that holds one ion, whose atoms come last.

    Attributes
    ----------
    unit_cell : (3, 3) float64, Å
        Of the network.
    repeats : tuple of 3 int
    symbols : (n_unit,) tuple of str
        Framework atoms of one unit cell.
    frac : (n_unit, 3) float64
        In the unit cell.
    charges : (n_unit,) float64, e
    ion : IonAtoms
    relax : "ions" or "all"
        Which atoms may move; the cell never does.
    """

    unit_cell: NDArray[np.float64]
    repeats: Repeats
    symbols: tuple[str, ...]
    frac: NDArray[np.float64]
    charges: NDArray[np.float64]
    ion: IonAtoms
    relax: Relax

    @classmethod
    def of_network(cls, network: PoreNetwork, ion: IonAtoms, repeats: Repeats, relax: Relax) -> AtomisticCell:
        """Take the framework from a network.

        Raises
        ------
        InputError
            If an atom is no element.
        """
        unknown = sorted({symbol for symbol in network.framework_symbols if symbol not in atomic_numbers})
        if unknown:
            raise InputError(f"framework atoms must be elements; got {', '.join(unknown)}")
        frac, charges = network.framework_frac, network.framework_charges
        return cls(network.cell, repeats, network.framework_symbols, frac, charges, ion, relax)

    @property
    def n_framework(self) -> int:
        """Framework atoms in the supercell."""
        return len(self.symbols) * int(np.prod(self.repeats))

    @property
    def n_atoms(self) -> int:
        """Atoms in the supercell with the ion."""
        return self.n_framework + len(self.ion)

    @property
    def total_charge(self) -> float:
        """Charge of the supercell with the ion, e."""
        return float(self.charges.sum() * np.prod(self.repeats) + self.ion.charges.sum())

    @property
    def free(self) -> NDArray[np.int64]:
        """Numbers of the atoms that may move."""
        return np.arange(self.n_framework if self.relax == "ions" else 0, self.n_atoms)

    @property
    def framework(self) -> NDArray[np.float64]:
        """Unrelaxed framework atoms of the supercell, (n_framework, 3), Å; the cells in C order, atoms fastest."""
        cells = np.stack(np.meshgrid(*[np.arange(n) for n in self.repeats], indexing="ij"), axis=-1).reshape(-1, 1, 3)
        return np.asarray((cells + self.frac).reshape(-1, 3) @ self.unit_cell)

    def structure(self, ion: ArrayLike, framework: NDArray[np.float64] | None = None) -> Atoms:
        """Return the ASE structure with the ion's atoms at given places.

        Its total charge stands in `info["charge"]`, the partial charges are the initial charges: calculators that need
        them find them there.

        Parameters
        ----------
        ion : (n_ion, 3) array_like, Å
            Not wrapped into the cell.
        framework : (n_framework, 3) float64, Å, optional
            Default unrelaxed.
        """
        n_cells = int(np.prod(self.repeats))
        atoms = Atoms(
            symbols=[*self.symbols * n_cells, *self.ion.symbols],
            positions=np.concatenate([self.framework if framework is None else framework, np.asarray(ion)]),
            cell=np.array(self.repeats)[:, None] * self.unit_cell,
            pbc=True,
            info={"charge": self.total_charge},
        )
        atoms.set_initial_charges(np.concatenate([np.tile(self.charges, n_cells), self.ion.charges]))
        if self.relax == "ions" and self.n_framework:
            atoms.set_constraint(FixAtoms(range(self.n_framework)))
        return atoms

    def expanded(self, free: NDArray[np.float64]) -> NDArray[np.float64]:
        """All positions (..., n_atoms, 3) from those of the atoms that may move, (..., n_free, 3), Å."""
        if self.relax == "all":
            return free
        framework = np.broadcast_to(self.framework, (*free.shape[:-2], self.n_framework, 3))
        return np.concatenate([framework, free], axis=-2)

    def centre(self, positions: NDArray[np.float64]) -> NDArray[np.float64]:
        """Centre of mass of the ion in (n_atoms, 3) positions, relative to the framework's drift, (3,), Å."""
        drift = np.zeros(3)
        if self.n_framework:
            drift = (positions[: self.n_framework] - self.framework).mean(axis=0)
        return np.asarray(self.ion.centre(positions[self.n_framework :]) - drift)

    def translated(self, positions: NDArray[np.float64], image: ArrayLike) -> NDArray[np.float64]:
        """Move the ion and the distortion around it to another unit cell.

        Parameters
        ----------
        positions : (n_atoms, 3) float64, Å
        image : (3,) int
            In unit cells.
        """
        shift = np.asarray(image, np.int64)
        moved = positions.copy()
        moved[self.n_framework :] += shift @ self.unit_cell
        if self.n_framework:
            distortion = (positions[: self.n_framework] - self.framework).reshape(*self.repeats, len(self.symbols), 3)
            rolled = np.roll(distortion, shift, axis=(0, 1, 2)).reshape(-1, 3)
            moved[: self.n_framework] = self.framework + rolled
        return moved

    def around(self, points: ArrayLike, radius: float) -> tuple[NDArray[np.float64], tuple[str, ...]]:
        """Framework atoms of the perfect crystal near any of some points.

        Parameters
        ----------
        points : (n_points, 3) array_like, Å
        radius : float, Å

        Returns
        -------
        positions : (n, 3) float64, Å
        symbols : (n,) tuple of str
        """
        points = np.asarray(points, np.float64).reshape(-1, 3)
        if not self.symbols:
            return np.zeros((0, 3)), ()
        reach = radius * np.linalg.norm(np.linalg.inv(self.unit_cell), axis=0)
        frac = points @ np.linalg.inv(self.unit_cell)
        lowest = np.floor(frac.min(axis=0) - reach - self.frac.max(axis=0)).astype(int)
        highest = np.ceil(frac.max(axis=0) + reach - self.frac.min(axis=0)).astype(int)
        found, names = [np.zeros((0, 3))], list[str]()
        for image in product(*(range(a, b + 1) for a, b in zip(lowest, highest, strict=True))):
            atoms = (self.frac + image) @ self.unit_cell
            near = (np.linalg.norm(atoms[:, None] - points, axis=-1) < radius).any(axis=1)
            found.append(atoms[near])
            names.extend(self.symbols[i] for i in np.flatnonzero(near))
        return np.concatenate(found), tuple(names)


def image_distance(cell: NDArray[np.float64]) -> float:
    """Shortest lattice vector, Å."""
    reduced, _ = minkowski_reduce(cell)
    return float(np.linalg.norm(reduced, axis=1).min())


def fewest_repeats(cell: NDArray[np.float64], distance: float) -> Repeats:
    """Smallest supercell in which periodic images are at least `distance` Å apart.

    Of supercells of one size the one with the widest distance is taken.
    """
    height = 1.0 / np.linalg.norm(np.linalg.inv(cell), axis=0)
    most = [max(1, int(np.ceil(distance / h))) for h in height]  # with these every image is far enough
    a, b, c = (range(1, n + 1) for n in most)
    every: list[Repeats] = sorted(product(a, b, c), key=lambda n: n[0] * n[1] * n[2])
    widest = {n: image_distance(np.array(n)[:, None] * cell) for n in every}
    size = next(n[0] * n[1] * n[2] for n in every if widest[n] >= distance * (1 - 1e-9))
    return max((n for n in every if n[0] * n[1] * n[2] == size), key=lambda n: widest[n])
