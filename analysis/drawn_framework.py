"""The atoms and bonds of a framework as a picture shows them: one cell, no molecule cut in two."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from lattice.network import PoreNetwork
from structures.crystal import Crystal, Pairs, bonds, is_metal

ON_FACE = 0.05  # Å, what is so near a face of the cell is drawn on the opposite one as well


@dataclass(frozen=True, eq=False, slots=True)
class DrawnFramework:
    """Atoms to draw, each with its own half of every bond that it has.

    Attributes
    ----------
    atom : (n_copies,) int64
        Number of the atom in the cell.
    place : (n_copies, 3) float64, Å
    outside : (n_copies,) bool
        Whether it lies beyond the faces of the cell.
    bond_copy : (n_halves,) int64
        Drawn atom at which the half bond begins.
    bond_partner : (n_halves,) int64
        Number of the atom at the other end of the bond, whether it is drawn or not.
    bond_half : (n_halves, 3) float64, Å
        From the drawn atom to the middle of the bond.
    """

    atom: NDArray[np.int64]
    place: NDArray[np.float64]
    outside: NDArray[np.bool_]
    bond_copy: NDArray[np.int64]
    bond_partner: NDArray[np.int64]
    bond_half: NDArray[np.float64]


def drawn_framework(network: PoreNetwork) -> DrawnFramework:
    """Framework of one cell with whole linkers.

    Atoms that are bonded to each other without a metal in between are a molecule, drawn whole wherever its centre is in
    the cell or on one of its faces. Where such bonds go on for ever the atoms count one by one.

    Parameters
    ----------
    network : PoreNetwork
        With at least one framework atom.
    """
    n_atoms = len(network.framework_symbols)
    crystal = Crystal(
        network.cell, network.framework_frac, network.framework_symbols, ("",) * n_atoms, network.framework_charges
    )
    found = bonds(crystal)
    order = np.argsort(found.a, kind="stable")
    pairs = Pairs(found.a[order], found.b[order], found.image[order], found.distance[order])
    start = np.searchsorted(pairs.a, np.arange(n_atoms + 1))
    molecule, image = _molecules(crystal, pairs, start)

    unwrapped = crystal.frac_coords + image
    size = np.bincount(molecule)
    centre = np.stack([np.bincount(molecule, unwrapped[:, k]) / size for k in range(3)], axis=1)
    margin = ON_FACE / np.linalg.norm(crystal.cell, axis=1)
    home = np.floor(centre + margin)
    inside = centre - home
    atom, place = [], []
    for shift in product((0, 1), repeat=3):
        here = np.flatnonzero((inside < margin)[:, np.array(shift, bool)].all(axis=1)[molecule])
        atom.append(here)
        place.append(unwrapped[here] - home[molecule[here]] + shift)
    drawn, frac = np.concatenate(atom), np.concatenate(place)
    outside = ((frac < -margin) | (frac > 1.0 + margin)).any(axis=1)

    half = 0.5 * (crystal.frac_coords[pairs.b] + pairs.image - crystal.frac_coords[pairs.a]) @ crystal.cell
    copy = np.repeat(np.arange(len(drawn)), np.diff(start)[drawn])
    bond = np.concatenate([np.arange(start[a], start[a + 1]) for a in drawn])
    return DrawnFramework(drawn, frac @ crystal.cell, outside, copy, pairs.b[bond], half[bond])


def _molecules(crystal: Crystal, pairs: Pairs, start: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Molecule of every atom, (n_atoms,), and the lattice translation that makes it whole, (n_atoms, 3)."""
    n_atoms = len(crystal)
    metal = np.array([is_metal(symbol) for symbol in crystal.symbols])
    molecule, image = np.full(n_atoms, -1), np.zeros((n_atoms, 3), np.int64)
    n_molecules = 0
    for first in range(n_atoms):
        if molecule[first] >= 0:
            continue
        molecule[first] = n_molecules
        members, endless = [first], False
        for a in members:
            for bond in range(start[a], start[a + 1]) if not metal[a] else ():
                b = int(pairs.b[bond])
                shift = image[a] + pairs.image[bond]
                if metal[b]:
                    continue
                if molecule[b] < 0:
                    molecule[b], image[b] = n_molecules, shift
                    members.append(b)
                endless |= bool((image[b] != shift).any())
        if endless:
            molecule[members] = n_molecules + np.arange(len(members))
            image[members] = 0
        n_molecules += len(members) if endless else 1
    return molecule, image
