"""The atoms of a mobile ion, for energies that come from atoms and not from beads."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase.build import molecule
from ase.data import atomic_masses, atomic_numbers, covalent_radii
from ase.io import read
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from structures.checks import as_array
from structures.errors import InputError
from structures.species import SHIPPED_SPECIES, Species

_CHARGE = re.compile(r"\d*[+-]+$")
_RIGID = "rigid-"
_ELEMENTS = frozenset(atomic_numbers) - {"X"}
_ORIENTATIONS = 240
_SEED = 1
_NH_BOND = 1.03  # Å

GENERIC = np.array([0.5257, 0.3249, 0.7861])  # a unit vector on no symmetry element of any crystal


@dataclass(frozen=True, eq=False, slots=True)
class IonAtoms:
    """An ion as atoms around its centre of mass.

    Attributes
    ----------
    symbols : (n_atoms,) tuple of str
    positions : (n_atoms, 3) float64, Å
        Relative to the centre of mass.
    charges : (n_atoms,) float64, e
        They sum to the charge of the ion.
    source : str
        Where the geometry comes from; printed with the results.
    """

    symbols: tuple[str, ...]
    positions: NDArray[np.float64]
    charges: NDArray[np.float64]
    source: str

    def __post_init__(self) -> None:
        n_atoms = len(self.symbols)
        for name, shape in (("positions", (n_atoms, 3)), ("charges", (n_atoms,))):
            object.__setattr__(self, name, as_array(getattr(self, name), name, np.float64, shape))

    def __len__(self) -> int:
        return len(self.symbols)

    @property
    def masses(self) -> NDArray[np.float64]:
        """Atomic masses, (n_atoms,), amu."""
        return np.array([atomic_masses[atomic_numbers[symbol]] for symbol in self.symbols])

    @property
    def radii(self) -> NDArray[np.float64]:
        """Covalent radii, (n_atoms,), Å."""
        return radii_of(self.symbols)

    @property
    def girth(self) -> float:
        """Radius of gyration and mean covalent radius together, Å: how much room the ion needs on its way."""
        return float(np.sqrt((self.positions**2).sum(axis=1).mean()) + self.radii.mean())

    def centre(self, positions: NDArray[np.float64]) -> NDArray[np.float64]:
        """Centre of mass of (..., n_atoms, 3) positions, (..., 3), Å."""
        return np.asarray(np.average(positions, axis=-2, weights=self.masses))


def radii_of(symbols: tuple[str, ...]) -> NDArray[np.float64]:
    """Covalent radii, (n,), Å; Cordero et al., Dalton Trans. 2832 (2008)."""
    return np.array([covalent_radii[atomic_numbers[symbol]] for symbol in symbols], dtype=np.float64)


def ion_atoms(species: Species, file: Path | None = None) -> IonAtoms:
    """Find the atoms of an ion: in a file, in its beads if each is an element, or in its name if it is one atom.

    Parameters
    ----------
    species : Species
    file : Path, optional
        Any format that ASE reads, with the atoms of one ion.

    Raises
    ------
    InputError
        If nothing says which atoms the ion has, or the file cannot be read.
    """
    if file is not None:
        return _from_file(species, file)
    plain = species.name.removeprefix(_RIGID)
    element = _CHARGE.sub("", plain)
    if len(species.beads) == 1 and element in _ELEMENTS:
        return IonAtoms((element,), np.zeros((1, 3)), np.array([species.charge]), f"{species.name}: one atom")
    if plain == "Me2NH2+":
        return _dimethylammonium(species)
    shape = SHIPPED_SPECIES.get(_RIGID + plain, species) if len(species.beads) == 1 else species
    names = tuple(bead.name for bead in shape.beads)
    if len(names) > 1 and all(name in _ELEMENTS for name in names):
        positions = np.array([bead.position for bead in shape.beads], dtype=np.float64)
        charges = np.array([bead.charge for bead in shape.beads], dtype=np.float64)
        return _centred(names, positions, charges, f"{species.name}: {len(names)} atoms, those of the rigid ion")
    raise InputError(
        f"{species.name}: expected an ion whose atoms are known, found {len(names)} bead(s) named {', '.join(names)}; "
        f"give them with --ion-atoms {species.name}=FILE.xyz, or refine other ions with --species"
    )


def _from_file(species: Species, file: Path) -> IonAtoms:
    try:
        atoms = read(file)
    except FileNotFoundError:
        raise InputError(f"--ion-atoms {species.name}: {file} does not exist") from None
    except Exception as error:
        text = str(error).strip().splitlines() or [""]
        raise InputError(
            f"--ion-atoms {species.name}: expected a file that ASE reads such as XYZ, found that {file} raises "
            f"{type(error).__name__}: {text[0]}"
        ) from None
    if len(atoms) == 0:
        raise InputError(f"--ion-atoms {species.name}: expected the atoms of one ion in {file}, found none")
    charges = np.full(len(atoms), species.charge / len(atoms))
    source = f"{species.name}: {atoms.get_chemical_formula()} of {file}"
    return _centred(tuple(atoms.get_chemical_symbols()), atoms.get_positions(), charges, source)


def _dimethylammonium(species: Species) -> IonAtoms:
    """Dimethylamine of the G2 set with a proton where its lone pair is; the calculator relaxes it."""
    amine = molecule("C2H6NH")
    nitrogen = amine.get_chemical_symbols().index("N")
    bonds = amine.positions - amine.positions[nitrogen]
    length = np.linalg.norm(bonds, axis=1)
    bonded = (length > 0) & (length < 1.6)
    opposite = -(bonds[bonded] / length[bonded, None]).sum(axis=0)
    proton = amine.positions[nitrogen] + _NH_BOND * opposite / np.linalg.norm(opposite)
    symbols = (*amine.get_chemical_symbols(), "H")
    positions = np.concatenate([amine.positions, proton[None]])
    source = f"{species.name}: 11 atoms, dimethylamine (G2 geometry) and a proton"
    return _centred(symbols, positions, np.full(len(symbols), species.charge / len(symbols)), source)


def _centred(
    symbols: tuple[str, ...], positions: NDArray[np.float64], charges: NDArray[np.float64], source: str
) -> IonAtoms:
    raw = IonAtoms(symbols, positions, charges, source)
    return IonAtoms(symbols, positions - raw.centre(raw.positions), charges, source)


def roomiest_orientation(
    ion: IonAtoms, centre: NDArray[np.float64], wall: NDArray[np.float64], wall_radii: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Turn an ion about its centre so that it keeps clear of the framework.

    Of 240 fixed random orientations the one is taken whose closest contact, in units of the sum of covalent radii, is
    the widest.

    Parameters
    ----------
    centre : (3,) float64, Å
    wall : (n_wall, 3) float64, Å
        Framework atoms around the centre, periodic images included.
    wall_radii : (n_wall,) float64, Å

    Returns
    -------
    (n_atoms, 3) float64, Å
        Positions of the atoms.
    """
    if len(ion) == 1 or len(wall) == 0:
        return np.asarray(centre + ion.positions)
    turns = Rotation.random(_ORIENTATIONS, np.random.default_rng(_SEED)).as_matrix()
    turned = centre + np.einsum("nij,aj->nai", turns, ion.positions)
    distance = np.linalg.norm(turned[:, :, None, :] - wall, axis=-1)
    contact = (distance / (ion.radii[:, None] + wall_radii)).min(axis=(1, 2))
    return np.asarray(turned[contact.argmax()])
