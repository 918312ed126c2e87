"""Symmetry operations of a CIF: as listed, or from a Hall symbol, a name or a number."""

from __future__ import annotations

from dataclasses import dataclass

import gemmi
import numpy as np
from ase.geometry import cell_to_cellpar
from numpy.typing import NDArray

from structures.cif_text import Block
from structures.errors import WARNING, InputError

MAX_OPERATIONS = 192  # of a conventional cell; a larger group repeats a smaller cell, or is no group
_MAX_STRAIN = 2e-3  # between the cell and its image under an operation; rounded lengths stay below
_ROUNDED = 2e-5
_XYZ = ("_space_group_symop_operation_xyz", "_symmetry_equiv_pos_as_xyz")
_HALL = ("_space_group_name_hall", "_symmetry_space_group_name_hall")
_NAME = ("_space_group_name_h-m_alt", "_symmetry_space_group_name_h-m", "_space_group_name_h-m")
_NUMBER = ("_space_group_it_number", "_symmetry_int_tables_number")


@dataclass(frozen=True, eq=False, slots=True)
class Operations:
    """A complete group x' = R x + t in the setting of a cell; the identity comes first.

    Attributes
    ----------
    rotations : (n, 3, 3) float64
    translations : (n, 3) float64
    lines : tuple of str
        Where they come from, for the provenance.
    assumed : bool
        Whether the file says nothing about its symmetry.
    """

    rotations: NDArray[np.float64]
    translations: NDArray[np.float64]
    lines: tuple[str, ...]
    assumed: bool = False

    def __len__(self) -> int:
        return len(self.rotations)


def read_operations(block: Block, cell: NDArray[np.float64]) -> tuple[Operations, ...]:
    """Return the symmetry that a block gives, several candidates where it leaves the choice of origin open.

    Parameters
    ----------
    block : Block
    cell : (3, 3) float64, Å
        Tells hexagonal from rhombohedral axes.

    Raises
    ------
    InputError
        If an operation cannot be read, or none is listed and the name of the space group is unknown or that of another
        one than its number.
    """
    named, said = _named_groups(block, cell)
    listed = [value for value in block.column(*_XYZ) if value]
    if listed:
        return (_listed(block.file, listed, named, said),)
    if not named:
        if said:
            raise InputError(
                f"{block.file}: the space group must be one of the International Tables when no operations are "
                f"listed; got {said}"
            )
        return (_operations(gemmi.GroupOps([gemmi.Op()]), ["the file gives no symmetry at all: P 1 assumed"], True),)
    number = block.first(*_NUMBER)
    if number.isdigit() and int(number) != named[0].number:
        raise InputError(
            f"{block.file} must give name and number of one space group when no operations are listed; got {said}"
        )
    return tuple(
        _operations(group.operations(), [f"no operations in the file: those of {group.xhm()} from {said}"])
        for group in named
    )


def _named_groups(block: Block, cell: NDArray[np.float64]) -> tuple[list[gemmi.SpaceGroup], str]:
    """Space groups that the Hall symbol, name or number of the file may mean, and what it says in words."""
    *_, alpha, _, gamma = (float(x) for x in cell_to_cellpar(cell))
    hall, name, number = block.first(*_HALL), block.first(*_NAME), block.first(*_NUMBER)
    said = ", ".join(f"{what} {value}" for what, value in (("Hall", hall), ("name", name), ("number", number)) if value)
    if hall:
        try:
            group = gemmi.find_spacegroup_by_ops(gemmi.symops_from_hall(hall))
        except (ValueError, RuntimeError):
            group = None
        if group is not None:
            return [group], said
    group = gemmi.find_spacegroup_by_name(name, alpha, gamma) if name else None
    if group is None and number.isdigit() and 1 <= int(number) <= 230:
        group = gemmi.find_spacegroup_by_number(int(number))
        group = gemmi.find_spacegroup_by_name(group.hm, alpha, gamma)
        name = ""
    if group is None:
        return [], said
    if group.ext in "12" and ":" not in name:  # two choices of origin
        choices = [g for g in gemmi.spacegroup_table() if g.hm == group.hm and g.ext in ("1", "2")]
        return sorted(choices, key=lambda g: str(g.ext), reverse=True), said
    return [group], said


def _listed(file: str, listed: list[str], named: list[gemmi.SpaceGroup], said: str) -> Operations:
    if len(listed) > 4 * MAX_OPERATIONS:
        raise InputError(f"{file} must list at most {MAX_OPERATIONS} symmetry operations; got {len(listed)}")
    operations = [_operation(file, text) for text in listed]
    distinct = {op.wrap().triplet() for op in operations}
    group = _completed([gemmi.Op(), *operations])
    if group is None:
        raise InputError(
            f"{file}: the symmetry operations must form a group of at most {MAX_OPERATIONS}; they make more"
        )
    lines = []
    if len(group) != len(distinct):
        lines.append(f"the file lists {len(distinct)} of the {len(group)} operations of its group; the rest was added")
    if len(group) == 1:
        lines.append("the CIF has no symmetry operations besides the identity")
    if said and not any(len(g.operations()) == len(group) and _same_type(group, g) for g in named):
        lines.append(
            f"{WARNING}the file names its space group ({said}) but lists operations of another; the list counts"
        )
    return _operations(group, lines)


def _completed(operations: list[gemmi.Op]) -> gemmi.GroupOps | None:
    """Group that operations generate, None if it has too many elements."""
    found = {op.wrap().triplet(): op.wrap() for op in operations}
    fresh = list(found.values())
    while fresh:
        products = {}
        for one in fresh:
            for other in list(found.values()):
                for product in (one.combine(other).wrap(), other.combine(one).wrap()):
                    if product.triplet() not in found:
                        products[product.triplet()] = product
            if len(found) + len(products) > MAX_OPERATIONS:
                return None
        found |= products
        fresh = list(products.values())
    return gemmi.GroupOps(list(found.values()))


def _same_type(group: gemmi.GroupOps, named: gemmi.SpaceGroup) -> bool:
    """Whether operations belong to the space group type of a name; an unusual setting is given the benefit of doubt."""
    found = gemmi.find_spacegroup_by_ops(group)
    return found is None or found.number == named.number


def _operation(file: str, text: str) -> gemmi.Op:
    try:
        operation = gemmi.Op(text.strip().strip("'\"").replace(" ", ""))
    except (ValueError, RuntimeError) as error:
        raise InputError(f"{file}: a symmetry operation must look like x,y,z; got {text[:60]}") from error
    rotation = np.array(operation.rot) / 24.0
    if abs(abs(np.linalg.det(rotation)) - 1.0) > 1e-6 or np.abs(rotation).max() > 1:
        raise InputError(f"{file}: a symmetry operation must be a rotation or its inverse; got {text[:60]}")
    return operation


def _operations(group: gemmi.GroupOps, lines: list[str], assumed: bool = False) -> Operations:
    operations = sorted((op.wrap() for op in group), key=lambda op: (op.triplet() != "x,y,z", op.triplet()))
    return Operations(
        rotations=np.array([op.rot for op in operations]) / 24.0,
        translations=np.array([op.tran for op in operations]) / 24.0,
        lines=tuple(lines),
        assumed=assumed,
    )


def symmetric_cell(
    file: str, cell: NDArray[np.float64], operations: Operations
) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Return a cell that every operation maps onto itself, and a line if it had to change.

    Raises
    ------
    InputError
        If an operation strains the cell by more than 0.2 %: axes and operations do not belong together.
    """
    metric = cell @ cell.T
    images = operations.rotations.transpose(0, 2, 1) @ metric @ operations.rotations
    inverse = np.linalg.inv(cell)
    strain = np.abs(inverse @ (images - metric) @ inverse.T).max() / 2
    if strain > _MAX_STRAIN:
        found = ", ".join(f"{value:g}" for value in np.round(cell_to_cellpar(cell), 4))
        raise InputError(
            f"{file}: the cell must fit its symmetry operations; {found} (a, b, c, alpha, beta, gamma) is strained by "
            f"{100 * strain:.2g} %"
        )
    if strain < _ROUNDED:
        return cell, ()
    averaged = np.linalg.cholesky(images.mean(axis=0))
    lengths = np.linalg.norm(averaged, axis=1)
    text = ", ".join(f"{value:.4f}" for value in lengths)
    return averaged, (f"the cell misses its symmetry by {100 * strain:.2g} %: made symmetric, a, b, c = {text} Å",)
