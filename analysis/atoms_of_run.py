"""The atoms that other programs see in a run: its ions, one atom each, and the framework that holds them."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from ase.cell import Cell
from ase.data import atomic_numbers, chemical_symbols
from numpy.typing import NDArray

from analysis.frames import Trajectory
from lattice.network import PoreNetwork
from lattice.supercell import cell_coordinates

_CENTRE = {"TFSI": "N"}  # where the name of the ion does not spell its central atom
_LIGANDS = ("H", "C", "O", "F")  # outer atoms of ions such as NH4+, PF6- and ClO4-


@dataclass(frozen=True, eq=False, slots=True)
class AtomsOfRun:
    """Ions first, in their order in the run, then the atoms of the framework.

    Attributes
    ----------
    numbers : (n_atoms,) int32
        Atomic numbers; an ion of several atoms stands as its central one, 0 if its name tells none.
    charges : (n_atoms,) float64, e
    kinds : (n_atoms,) tuple of str
        Species of an ion, "framework" for the rest.
    cell : (3, 3) float64, Å
        Of the supercell, lower triangular.
    rotation : (3, 3) float64
        Turns positions of the run into this setting: new = old @ rotation.
    framework : (n_framework, 3) float64, Å
        In this setting.
    """

    numbers: NDArray[np.int32]
    charges: NDArray[np.float64]
    kinds: tuple[str, ...]
    cell: NDArray[np.float64]
    rotation: NDArray[np.float64]
    framework: NDArray[np.float64]

    @property
    def n_ions(self) -> int:
        """Atoms that stand for ions."""
        return len(self.numbers) - len(self.framework)

    def placed(self, ions: NDArray[np.float64]) -> NDArray[np.float64]:
        """Positions of all atoms, (m, n_atoms, 3), from those of the ions in the run, (m, n_ions, 3), Å."""
        frames = np.empty((len(ions), len(self.numbers), 3))
        frames[:, : self.n_ions] = ions @ self.rotation
        frames[:, self.n_ions :] = self.framework
        return frames


def atoms_of_run(trajectory: Trajectory, network: PoreNetwork | None) -> AtomsOfRun:
    """Put ions and framework together.

    Parameters
    ----------
    trajectory : Trajectory
    network : PoreNetwork or None
        Of the run; without it the ions are alone.
    """
    kinds = [trajectory.species_names[p] for p in trajectory.ion_species]
    numbers = [central_atom(kind) for kind in kinds]
    charges, framework = trajectory.charge[trajectory.ion_species], np.zeros((0, 3))
    cell, rotation = _lower_triangular(trajectory.cell)
    if network is not None:
        cells = cell_coordinates(trajectory.repeats)
        place = (cells[:, None, :] + network.framework_frac).reshape(-1, 3) @ network.cell
        framework = place @ rotation
        numbers += [atomic_numbers[symbol] for symbol in network.framework_symbols] * len(cells)
        kinds += ["framework"] * len(framework)
        charges = np.concatenate([charges, np.tile(network.framework_charges, len(cells))])
    return AtomsOfRun(np.array(numbers, np.int32), charges, tuple(kinds), cell, rotation, framework)


def central_atom(species: str) -> int:
    """Atomic number of an ion, of its central atom if it has several, 0 if the name spells no element.

    The first element in the name that is not one of H, C, O and F, else the first of these: N of Me2NH2+, P of PF6-.
    """
    for name, symbol in _CENTRE.items():
        if name in species:
            return int(atomic_numbers[symbol])
    formula = species.removeprefix("rigid-")
    found = [symbol for symbol in re.findall(r"[A-Z][a-z]?", formula) if symbol in chemical_symbols[1:]]
    for symbol in (*(s for s in found if s not in _LIGANDS), *found):
        return int(atomic_numbers[symbol])
    return 0


def _lower_triangular(cell: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Turn a cell so that a is along x and b in the xy plane; an unchanged one keeps its bits."""
    if not np.triu(cell, 1).any() and (np.diag(cell) > 0).all():
        return cell, np.eye(3)
    turned, rotation = Cell(cell).standard_form()
    return np.asarray(turned[:], np.float64), np.asarray(rotation.T, np.float64)
