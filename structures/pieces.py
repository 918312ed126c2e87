"""The building blocks of a framework: nodes of metal, and the linkers between them.

A node is a group of metals with the inorganic atoms on them: non-metals, carbon excepted, whose neighbours are metals
and hydrogens alone (oxide, hydroxide, water, halide). Metals belong to one node where an atom bridges them, or where
two linkers do over two or three atoms each, as the carboxylates of a paddle wheel do. What remains falls apart into
linkers, and ligands that hang on one node only. A metal that a single linker holds, as a porphyrin does, is part of it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from ase.formula import Formula
from numpy.typing import NDArray

from structures.crystal import Crystal, Nets, Pairs, bonds, formula, nets
from structures.errors import InputError
from structures.framework import Framework
from structures.missing import Kind

_BRIDGES = 2  # linkers that make one node of two metals which no atom bridges
_ATOM = (-1,)  # stands for a bridge of one atom

Step = tuple[int, int, int]


@dataclass(frozen=True, eq=False, slots=True)
class Pieces:
    """Nodes, linkers and ligands of a framework, and the bonds between them.

    Attributes
    ----------
    of_atom : (n_atoms,) int64
        Piece of every atom.
    cell_of_atom : (n_atoms, 3) int64
        Cell in which an atom of the piece in the home cell lies.
    kinds : (n_pieces,) tuple of {"node", "linker", "ligand"}
    formulas : (n_pieces,) tuple of str
    inner, outer : (n_bonds,) int64
        Atoms of the bonds between pieces, each bond in both directions.
    shift : (n_bonds, 3) int64
        Cell of the piece of `outer` when that of `inner` is in the home cell.
    """

    of_atom: NDArray[np.int64]
    cell_of_atom: NDArray[np.int64]
    kinds: tuple[Kind, ...]
    formulas: tuple[str, ...]
    inner: NDArray[np.int64]
    outer: NDArray[np.int64]
    shift: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.kinds)

    def numbers(self, kind: Kind) -> NDArray[np.int64]:
        """Numbers of the pieces of one kind."""
        return np.flatnonzero(np.array(self.kinds) == kind)

    def counted(self, pieces: NDArray[np.int64] | None = None) -> str:
        """Say how many pieces of each kind and formula there are, "8 nodes Zn4O, 24 linkers C8H4O4"."""
        numbers = range(len(self)) if pieces is None else pieces
        counts = Counter((self.kinds[n], self.formulas[n]) for n in numbers)
        order: tuple[Kind, ...] = ("node", "linker", "ligand")
        return ", ".join(
            f"{n} {kind}{'' if n == 1 else 's'} {name}"
            for (kind, name), n in sorted(counts.items(), key=lambda item: (order.index(item[0][0]), item[0][1]))
        )


def split(framework: Framework) -> Pieces:
    """Take a framework apart into nodes and linkers.

    Raises
    ------
    InputError
        If there is no metal, or nodes or linkers are bonded to their own images and have no end.
    """
    crystal = Crystal(framework.cell, framework.frac_coords, framework.symbols, framework.symbols, framework.charges)
    if not crystal.metals.any():
        raise InputError(f"{framework.name}: expected metals, which make the nodes; found {formula(crystal.symbols)}")
    bond = bonds(crystal)
    inorganic = _inorganic(crystal, bond)
    organic = bond.select(~inorganic[bond.a] & ~inorganic[bond.b])
    linker = nets(len(crystal), organic.a, organic.b, organic.image)
    if linker.directions.any():
        raise _endless(framework.name, "linkers", crystal, linker.directions[linker.part] > 0, linker.directions)
    whole = nets(len(crystal), *_joins(crystal, bond, inorganic, linker))
    of_node = inorganic & (whole.directions[whole.part] > 0)
    if of_node.any():
        raise _endless(framework.name, "nodes", crystal, of_node, whole.directions)
    return _assemble(crystal, bond, inorganic, whole)


def repeated_pieces(pieces: Pieces, repeats: tuple[int, int, int]) -> Pieces:
    """Return the pieces of the cell that `structures.framework.repeated` makes, without looking at atoms again.

    Parameters
    ----------
    pieces : Pieces
    repeats : tuple of 3 int
        Cells along a, b and c.
    """
    n = np.array(repeats)
    cells = np.array(list(product(*(range(k) for k in repeats))))

    def copies(numbers: NDArray[np.int64], moved: NDArray[np.int64]) -> NDArray[np.int64]:
        """Numbers, (n_numbers * n_cells,), of what lies `moved` away from each cell."""
        place = (cells + moved[:, None]) % n
        within = (place[..., 0] * n[1] + place[..., 1]) * n[2] + place[..., 2]
        return np.asarray((numbers[:, None] * len(cells) + within).reshape(-1))

    inner, outer = pieces.inner, pieces.outer
    # where a piece of a bond lies is where its first cell does; its atom may lie in the next one
    ends = pieces.shift + pieces.cell_of_atom[outer]
    return Pieces(
        of_atom=copies(pieces.of_atom, -pieces.cell_of_atom),
        cell_of_atom=_beyond(pieces.cell_of_atom, cells, n),
        kinds=tuple(kind for kind in pieces.kinds for _ in cells),
        formulas=tuple(name for name in pieces.formulas for _ in cells),
        inner=copies(inner, pieces.cell_of_atom[inner]),
        outer=copies(outer, ends),
        shift=((cells + pieces.shift[:, None]) // n).reshape(-1, 3),
    )


def _beyond(moved: NDArray[np.int64], cells: NDArray[np.int64], n: NDArray[np.int64]) -> NDArray[np.int64]:
    """Cell of every copy of an atom of a piece that begins in the home cell of the larger lattice."""
    begins = (cells - moved[:, None]) % n
    return np.asarray(((begins + moved[:, None]) // n).reshape(-1, 3))


def _inorganic(crystal: Crystal, bond: Pairs) -> NDArray[np.bool_]:
    """Atoms of the nodes: metals, what is bonded to metals and hydrogens alone, and the hydrogens on that."""
    symbols, metal = np.array(crystal.symbols), crystal.metals
    n_atoms = len(crystal)
    hydrogen, carbon = symbols == "H", symbols == "C"
    to_metal = np.bincount(bond.a, metal[bond.b], n_atoms) > 0
    to_others = np.bincount(bond.a, ~(metal | hydrogen)[bond.b], n_atoms) > 0
    bridge = ~metal & ~hydrogen & ~carbon & to_metal & ~to_others
    to_linker = np.bincount(bond.a, ~(metal | bridge)[bond.b], n_atoms) > 0
    bonded = np.bincount(bond.a, minlength=n_atoms) > 0
    return np.asarray(metal | bridge | (hydrogen & bonded & ~to_linker))


def _joins(
    crystal: Crystal, bond: Pairs, inorganic: NDArray[np.bool_], linker: Nets
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Edges that hold the pieces together, in both directions: bonds within, and bridges between metals."""
    same = inorganic[bond.a] == inorganic[bond.b]
    bridges = [
        (first, second, step)
        for (first, second, step), over in _bridges(crystal, bond, inorganic, linker).items()
        if len(over) >= _BRIDGES or _ATOM in over
    ]
    first = np.array([edge[0] for edge in bridges], dtype=np.int64)
    second = np.array([edge[1] for edge in bridges], dtype=np.int64)
    step = np.array([edge[2] for edge in bridges], dtype=np.int64).reshape(-1, 3)
    return (
        np.concatenate([bond.a[same], first]),
        np.concatenate([bond.b[same], second]),
        np.concatenate([bond.image[same], step]),
    )


def _bridges(
    crystal: Crystal, bond: Pairs, inorganic: NDArray[np.bool_], linker: Nets
) -> dict[tuple[int, int, Step], set[tuple[int, ...]]]:
    """Collect, by two metals and the cell of the second, the copies of linkers, or `_ATOM`, that bridge them."""
    metal = crystal.metals
    holds = bond.select(~inorganic[bond.a] & metal[bond.b])
    metals_of: dict[int, list[tuple[int, NDArray[np.int64]]]] = defaultdict(list)
    for atom, held, image in zip(holds.a.tolist(), holds.b.tolist(), holds.image, strict=True):
        metals_of[atom].append((held, image))
    found: dict[tuple[int, int, Step], set[tuple[int, ...]]] = defaultdict(set)
    for atom, near in _neighbourhoods(bond, inorganic, list(metals_of)):
        for other, cell in near:
            for first, here in metals_of[atom]:
                copy = (int(linker.part[atom]), *(-here - linker.offset[atom]).tolist())
                for second, there in metals_of.get(other, ()):
                    x, y, z = (cell + there - here).tolist()
                    if first != second or (x, y, z) != (0, 0, 0):
                        found[first, second, (x, y, z)].add(_ATOM if other == atom and not cell.any() else copy)
    return found


def _neighbourhoods(
    bond: Pairs, inorganic: NDArray[np.bool_], atoms: list[int]
) -> Iterator[tuple[int, list[tuple[int, NDArray[np.int64]]]]]:
    """Yield each atom with the organic atoms up to two bonds away and their cells, itself included."""
    within = bond.select(~inorganic[bond.a] & ~inorganic[bond.b])
    order = np.argsort(within.a, kind="stable")
    start = np.searchsorted(within.a[order], np.arange(len(inorganic) + 1))
    target, image = within.b[order].tolist(), within.image[order]

    def steps(atom: int, cell: NDArray[np.int64]) -> list[tuple[int, NDArray[np.int64]]]:
        return [(target[k], cell + image[k]) for k in range(start[atom], start[atom + 1])]

    for atom in atoms:
        home = np.zeros(3, np.int64)
        near = steps(atom, home)
        reached = [(atom, home), *near, *(far for one in near for far in steps(*one))]
        yield atom, list({(other, *cell.tolist()): (other, cell) for other, cell in reached}.values())


def _endless(
    name: str, what: str, crystal: Crystal, atoms: NDArray[np.bool_], directions: NDArray[np.int64]
) -> InputError:
    """Return the refusal of pieces that have no end."""
    shape = {1: "rods", 2: "sheets", 3: "nets"}[int(directions.max())]
    symbols = ", ".join(sorted(set(np.array(crystal.symbols)[atoms])))
    return InputError(
        f"{name}: expected {what} that end, so that one of them can be missing; its {what} ({symbols}) are endless "
        f"{shape}"
    )


def _assemble(crystal: Crystal, bond: Pairs, inorganic: NDArray[np.bool_], whole: Nets) -> Pieces:
    """Return the pieces, numbered, with metals that one linker holds in it, and the bonds between them."""
    part, offset, is_node = _with_held_metals(bond, inorganic, whole)
    numbers, of_atom = np.unique(part, return_inverse=True)
    node = is_node[numbers]
    between = of_atom[bond.a] != of_atom[bond.b]
    shift = offset[bond.a] + bond.image - offset[bond.b]
    across = bond.select(between | shift.any(axis=1))
    shift = shift[between | shift.any(axis=1)]
    ends = np.unique(np.column_stack([of_atom[across.a], of_atom[across.b], shift]), axis=0)
    neighbours = np.bincount(ends[:, 0], minlength=len(numbers))
    kinds: list[Kind] = [
        "node" if metallic else "linker" if n > 1 else "ligand" for metallic, n in zip(node, neighbours, strict=True)
    ]
    symbols = np.array(crystal.symbols)
    formulas = [_named(symbols[of_atom == n].tolist(), kind) for n, kind in enumerate(kinds)]
    return Pieces(of_atom.astype(np.int64), offset, tuple(kinds), tuple(formulas), across.a, across.b, shift)


def _with_held_metals(
    bond: Pairs, inorganic: NDArray[np.bool_], whole: Nets
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Part and offset of every atom with nodes that one copy of one linker holds in it, and which parts are nodes."""
    part, offset = whole.part.copy(), whole.offset.copy()
    is_node = np.zeros(len(whole.directions), np.bool_)
    is_node[part[inorganic]] = True
    held = bond.select(inorganic[bond.a] & ~inorganic[bond.b])
    copies = np.column_stack([part[held.a], part[held.b], offset[held.a] + held.image - offset[held.b]])
    copies = np.unique(copies, axis=0)
    for node, number in Counter(copies[:, 0].tolist()).items():
        if number == 1 and np.bincount(part[held.a])[node] > _BRIDGES:
            _, linker, *cell = copies[copies[:, 0] == node][0]
            mine = part == node
            offset[mine] -= np.array(cell)
            part[mine], is_node[node] = linker, False
    return part, offset, is_node


def _named(symbols: list[str], kind: Kind) -> str:
    return str(Formula.from_list(symbols).format("metal" if kind == "node" else "hill"))
