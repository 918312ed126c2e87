"""The framework: a clean, ordered, charged crystal without guests."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from structures.checks import as_array


@dataclass(frozen=True, eq=False, slots=True)
class Framework:
    """Atoms of one cell of an ordered porous crystal with their partial charges and symmetry.

    Attributes
    ----------
    name : str
    cell : (3, 3) float64, Å
        Lattice vectors in rows.
    symbols : (n_atoms,) tuple of str
    frac_coords : (n_atoms, 3) float64
    charges : (n_atoms,) float64, e
    atom_classes : (n_atoms,) tuple of str
        Chemical role of each atom ("carboxylate-O", "mu-O", "Ni"): key of a charge table, source of site labels.
    formula_units : int
        Formula units in this cell.
    net_charge : float, e
        Of this cell; `charges` sum to it.
    rotations : (n_operations, 3, 3) int64
        Point parts of the space group in fractional coordinates, x' = R x + t, centring translations included.
    translations : (n_operations, 3) float64
    provenance : tuple of str
        File, its sha256, and every choice made on the way; one printable line each.

    Raises
    ------
    ValueError
        If a shape is wrong or the charges do not sum to `net_charge` within 1e-6 e.
    """

    name: str
    cell: NDArray[np.float64]
    symbols: tuple[str, ...]
    frac_coords: NDArray[np.float64]
    charges: NDArray[np.float64]
    atom_classes: tuple[str, ...]
    formula_units: int
    net_charge: float
    rotations: NDArray[np.int64]
    translations: NDArray[np.float64]
    provenance: tuple[str, ...]

    def __post_init__(self) -> None:
        n_atoms, n_operations = len(self.symbols), len(self.rotations)
        for name, dtype, shape in (
            ("cell", np.float64, (3, 3)),
            ("frac_coords", np.float64, (n_atoms, 3)),
            ("charges", np.float64, (n_atoms,)),
            ("rotations", np.int64, (n_operations, 3, 3)),
            ("translations", np.float64, (n_operations, 3)),
        ):
            object.__setattr__(self, name, as_array(getattr(self, name), name, dtype, shape))
        if len(self.atom_classes) != n_atoms:
            raise ValueError(f"atom_classes must have length {n_atoms}; got {len(self.atom_classes)}")
        if self.formula_units < 1:
            raise ValueError(f"formula_units must be at least 1; got {self.formula_units}")
        total = float(self.charges.sum())
        if abs(total - self.net_charge) > 1e-6:
            raise ValueError(f"charges must sum to net_charge = {self.net_charge:g} e; got {total:.6f} e")

    @property
    def volume(self) -> float:
        """Volume of the cell, Å³."""
        return float(abs(np.linalg.det(self.cell)))


def repeated(framework: Framework, repeats: tuple[int, int, int]) -> Framework:
    """Return the same crystal in a larger cell, with the operations that the larger lattice leaves it.

    Parameters
    ----------
    framework : Framework
    repeats : tuple of 3 int
        Cells along a, b and c.
    """
    n = np.array(repeats)
    if (n == 1).all():
        return framework
    cells = np.array(list(product(*(range(k) for k in repeats))))
    turned = framework.rotations * n / n[:, None]  # x' = N^-1 R N x
    fits = (np.abs(turned - np.rint(turned)) < 1e-9).all(axis=(1, 2))
    rotations = np.repeat(np.rint(turned[fits]).astype(np.int64), len(cells), axis=0)
    shifts = (framework.translations[fits][:, None] + cells) / n
    frac = (framework.frac_coords[:, None] + cells) / n
    return replace(
        framework,
        cell=framework.cell * n[:, None],
        symbols=tuple(symbol for symbol in framework.symbols for _ in cells),
        frac_coords=frac.reshape(-1, 3),
        charges=np.repeat(framework.charges, len(cells)),
        atom_classes=tuple(name for name in framework.atom_classes for _ in cells),
        formula_units=framework.formula_units * len(cells),
        net_charge=framework.net_charge * len(cells),
        rotations=rotations,
        translations=shifts.reshape(-1, 3),
        provenance=(*framework.provenance, f"cell repeated {' x '.join(map(str, repeats))} times"),
    )
