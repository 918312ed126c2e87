"""Space group of a clean crystal, and positions that obey it to machine precision."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import spglib
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from structures.crystal import wrap
from structures.errors import InputError
from structures.setting import choose_setting

SYMMETRY_PRECISION = 0.01  # Å
_TRANSLATION_STEP = 24  # translations of space groups in standard settings are multiples of 1/24 at the finest

# primitive axes in the columns, in the conventional ones, as spglib has them
_PRIMITIVE_AXES = {
    "A": ((1, 0, 0), (0, 1 / 2, 1 / 2), (0, -1 / 2, 1 / 2)),
    "C": ((1 / 2, 1 / 2, 0), (-1 / 2, 1 / 2, 0), (0, 0, 1)),
    "F": ((0, 1 / 2, 1 / 2), (1 / 2, 0, 1 / 2), (1 / 2, 1 / 2, 0)),
    "I": ((-1 / 2, 1 / 2, 1 / 2), (1 / 2, -1 / 2, 1 / 2), (1 / 2, 1 / 2, -1 / 2)),
    "R": ((2 / 3, -1 / 3, -1 / 3), (1 / 3, 1 / 3, -2 / 3), (1 / 3, 1 / 3, 1 / 3)),
}

CellChoice = Literal["conventional", "primitive", "given"]


@dataclass(frozen=True, eq=False, slots=True)
class SymmetricCrystal:
    """A cell in a standard orientation whose operations map its atoms exactly.

    Attributes
    ----------
    cell : (3, 3) float64, Å
        a along x, b in the xy plane.
    frac_coords : (n_atoms, 3) float64, in [0, 1)
    kinds : (n_atoms,) int64
    rotations : (n_operations, 3, 3) int64
    translations : (n_operations, 3) float64
    space_group : str
    """

    cell: NDArray[np.float64]
    frac_coords: NDArray[np.float64]
    kinds: NDArray[np.int64]
    rotations: NDArray[np.int64]
    translations: NDArray[np.float64]
    space_group: str


def _search(function: Callable[..., Any], *args: Any, **settings: Any) -> Any:
    """Call spglib; its two ways to fail, None and an exception, become one error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            found = function(*args, symprec=SYMMETRY_PRECISION, **settings)
        except Exception as error:
            raise InputError(f"symmetry of the structure cannot be determined: {error}") from error
    if found is None:
        raise InputError(f"symmetry of the structure cannot be determined within {SYMMETRY_PRECISION} Å")
    return found


def _dataset(cell: NDArray[np.float64], frac: NDArray[np.float64], kinds: NDArray[np.int64]) -> Any:
    return _search(spglib.get_symmetry_dataset, (cell, frac, kinds))


def equivalent_atoms(
    cell: NDArray[np.float64], frac_coords: NDArray[np.float64], kinds: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Orbit of every atom under the space group, (n_atoms,)."""
    return np.asarray(_dataset(cell, frac_coords, kinds).equivalent_atoms, dtype=np.int64)


def symmetrise(
    cell: NDArray[np.float64], frac_coords: NDArray[np.float64], kinds: NDArray[np.int64], *, choice: CellChoice
) -> SymmetricCrystal:
    """Bring a crystal to the chosen cell and average its atoms over the operations of its space group.

    Parameters
    ----------
    cell : (3, 3) float64, Å
    frac_coords : (n_atoms, 3) float64
    kinds : (n_atoms,) int64
        Only atoms of one kind are equivalent.
    choice : {"conventional", "primitive", "given"}
        The standard cells of spglib (Togo, Shinohara, Tanaka, Sci. Technol. Adv. Mater. Meth. 4, 2384822 (2024)) in the
        setting of `choose_setting`, so that one crystal ends in one cell however it is written; or the cell as it is
        with the origin moved to the standard one.

    Raises
    ------
    InputError
        If no space group is found.
    """
    if choice == "given":
        dataset = _dataset(cell, frac_coords, kinds)
        frac = frac_coords + np.linalg.solve(dataset.transformation_matrix, dataset.origin_shift)
        return _averaged(cell, frac, np.asarray(kinds, dtype=np.int64))
    cell, frac, kinds = _search(spglib.standardize_cell, (cell, frac_coords, kinds))
    standard = _averaged(np.asarray(cell), np.asarray(frac), np.asarray(kinds, dtype=np.int64))
    cell, frac = choose_setting(
        standard.cell, standard.frac_coords, standard.kinds, standard.rotations, standard.translations
    )
    order = np.lexsort((*np.round(frac, 6).T[::-1], standard.kinds))
    standard = replace(
        standard, cell=_average_cell(cell, standard.rotations), frac_coords=frac[order], kinds=standard.kinds[order]
    )
    chosen = standard if choice == "conventional" else _primitive(standard)
    _require_closed(chosen)
    return chosen


def _require_closed(crystal: SymmetricCrystal) -> None:
    """Refuse a crystal that its own operations do not map onto itself."""
    for kind in np.unique(crystal.kinds):
        here = crystal.frac_coords[crystal.kinds == kind]
        tree = cKDTree(wrap(here), boxsize=1.0)
        for rotation, translation in zip(crystal.rotations, crystal.translations, strict=True):
            distance = tree.query(wrap(here @ rotation.T + translation))[0]
            if distance.max() > 1e-4:
                raise InputError(
                    f"symmetry operations of {crystal.space_group} must map the structure onto itself; an atom misses "
                    f"by {distance.max():.4f} of the cell: please report this structure"
                )


def _averaged(cell: NDArray[np.float64], frac: NDArray[np.float64], kinds: NDArray[np.int64]) -> SymmetricCrystal:
    """Find the operations of a cell with the standard origin, and average cell and positions over them."""
    dataset = _dataset(cell, frac, kinds)
    rotations = np.asarray(dataset.rotations, dtype=np.int64)
    translations = np.round(np.asarray(dataset.translations) * _TRANSLATION_STEP) / _TRANSLATION_STEP
    if np.abs(translations - dataset.translations).max() > 2 * SYMMETRY_PRECISION / np.linalg.norm(cell, axis=1).min():
        raise InputError("structure must have its symmetry elements at rational positions; found others")
    return SymmetricCrystal(
        cell=_average_cell(cell, rotations),
        frac_coords=_average_positions(frac, kinds, rotations, translations),
        kinds=kinds,
        rotations=rotations,
        translations=translations % 1.0,
        space_group=f"{dataset.international} ({dataset.number})",
    )


def _primitive(crystal: SymmetricCrystal) -> SymmetricCrystal:
    """Primitive cell by the standard axes of each centring, positions in its columns."""
    axes = _PRIMITIVE_AXES.get(crystal.space_group[0])
    if axes is None:
        return crystal
    basis = np.array(axes)
    to_new = np.linalg.inv(basis)
    frac = wrap(crystal.frac_coords @ to_new.T)
    first: list[int] = []
    for kind in np.unique(crystal.kinds):
        members = np.flatnonzero(crystal.kinds == kind)
        tree = cKDTree(frac[members], boxsize=1.0)
        lowest = [min(near) for near in tree.query_ball_point(frac[members], 1e-6)]
        first += [int(members[k]) for k in sorted(set(lowest))]
    rotations = np.rint(to_new @ crystal.rotations @ basis).astype(np.int64)
    translations = wrap(crystal.translations @ to_new.T)
    keys = np.hstack([rotations.reshape(-1, 9), np.round(translations * _TRANSLATION_STEP).astype(np.int64)])
    index = np.sort(np.unique(keys, axis=0, return_index=True)[1])
    return SymmetricCrystal(
        cell=_average_cell(basis.T @ crystal.cell, rotations[index]),
        frac_coords=frac[first],
        kinds=crystal.kinds[first],
        rotations=rotations[index],
        translations=np.round(translations[index] * _TRANSLATION_STEP) / _TRANSLATION_STEP % 1.0,
        space_group=crystal.space_group,
    )


def _average_cell(cell: NDArray[np.float64], rotations: NDArray[np.int64]) -> NDArray[np.float64]:
    """Lattice vectors whose metric every rotation leaves as it is."""
    metric = np.mean([r.T @ cell @ cell.T @ r for r in rotations], axis=0)
    averaged = np.linalg.cholesky(metric)
    averaged[np.abs(averaged) < 1e-10] = 0.0
    return np.asarray(averaged)


def _average_positions(
    frac: NDArray[np.float64],
    kinds: NDArray[np.int64],
    rotations: NDArray[np.int64],
    translations: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Mean, for every atom, of the places to which the operations take the atoms that land on it."""
    total = np.zeros_like(frac)
    for kind in np.unique(kinds):
        members = np.flatnonzero(kinds == kind)
        here = wrap(frac[members])
        tree = cKDTree(here, boxsize=1.0)
        for rotation, translation in zip(rotations, translations, strict=True):
            image = wrap(here @ rotation.T + translation)
            target = tree.query(image)[1]
            step = image - here[target]
            np.add.at(total, members[target], here[target] + step - np.round(step))
    return wrap(total / len(rotations))
