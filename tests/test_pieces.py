"""Frameworks taken apart: nodes, linkers and their bonds are those that chemists draw.

MOF-5 is a primitive cubic net of octahedral Zn4O nodes and straight linkers, ZIF-8 a sodalite net of single tetrahedral
metals, HKUST-1 one of Cu2 paddle wheels and triangles, UiO-66 a face-centred cubic net with twelve linkers at a node.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from published_frameworks import Unit, operations, structure
from pymatgen.core import Lattice, Structure
from square_nets import square_nets

from structures.cif import load_framework
from structures.crystal import nets
from structures.errors import InputError
from structures.framework import Framework, repeated
from structures.pieces import Pieces, repeated_pieces, split

# Park et al., Proc. Natl. Acad. Sci. USA 103, 10186 (2006); the hydrogens of the methyl group, which turns, left out
ZIF_8 = Unit(
    "I-43m",
    (16.991, 16.991, 16.991, 90, 90, 90),
    (
        ("Zn", 0.5, 0.0, 0.75, 0.0),
        ("N", 0.40973, 0.96832, 0.68278, 0.0),
        ("C", 0.37705, 0.0079, 0.62295, 0.0),
        ("C", 0.36851, 0.89914, 0.6875, 0.0),
        ("C", 0.4061, 0.0855, 0.5939, 0.0),
        ("H", 0.3777, 0.8589, 0.7234, 0.0),
    ),
)


def zif_8() -> Framework:
    rotations, translations = operations(ZIF_8.group)
    symbols, frac = [], []
    for symbol, *place, _ in ZIF_8.atoms:
        images = (rotations @ place + translations) % 1.0
        step = images[:, None] - images[None]
        same = (np.abs(step - np.rint(step)) < 1e-3).all(axis=2)
        copies = images[np.unique(same.argmax(axis=1))]
        symbols += [symbol] * len(copies)
        frac += list(copies)
    return load_framework(Structure(Lattice.from_parameters(*ZIF_8.cell), symbols, frac))


def bonds_of(pieces: Pieces) -> Counter[tuple[str, int]]:
    """Number of pieces by kind and number of bonds to others."""
    number = np.bincount(pieces.of_atom[pieces.inner], minlength=len(pieces))
    return Counter(zip(pieces.kinds, number.tolist(), strict=True))


@pytest.mark.parametrize(
    ("name", "cell", "said", "bonds"),
    [
        ("mof5", "conventional", "8 nodes Zn4O, 24 linkers C8H4O4", {("node", 12): 8, ("linker", 4): 24}),
        ("mof5", "primitive", "2 nodes Zn4O, 6 linkers C8H4O4", {("node", 12): 2, ("linker", 4): 6}),
        (
            "ni_pacs_sym",
            "primitive",
            "2 nodes Ni3O, 2 linkers C20H14N4, 6 linkers C8H4O4",
            {("node", 15): 2, ("linker", 3): 2, ("linker", 4): 6},
        ),
        ("HKUST-1", "primitive", "6 nodes Cu2, 8 linkers C9H3O6", {("node", 8): 6, ("linker", 6): 8}),
        ("UiO-66", "primitive", "1 node Zr6H4O8, 6 linkers C8H4O4", {("node", 24): 1, ("linker", 4): 6}),
    ],
)
def test_nodes_and_linkers_are_those_of_the_textbook(
    name: str, cell: str, said: str, bonds: dict[tuple[str, int], int]
) -> None:
    source = name if name[0].islower() else structure(name)
    pieces = split(load_framework(source, cell=cell))  # type: ignore[arg-type]
    assert pieces.counted() == said
    assert bonds_of(pieces) == bonds


def test_an_imidazolate_does_not_make_one_node_of_two_metals() -> None:
    pieces = split(zif_8())
    assert pieces.counted().startswith("12 nodes Zn, 24 linkers C4H")
    assert bonds_of(pieces) == {("node", 4): 12, ("linker", 2): 24}


@pytest.mark.parametrize("name", ["Mg-MOF-74", "MIL-53(Fe)"])
def test_rods_are_refused(name: str) -> None:
    with pytest.raises(InputError, match=r"expected nodes that end.*endless rods"):
        split(load_framework(structure(name)))


def test_a_framework_without_metal_is_refused() -> None:
    framework = load_framework("mof5", cell="primitive")
    carbon = Framework(
        name="carbon", cell=framework.cell, symbols=("C",) * 2, frac_coords=framework.frac_coords[:2],
        charges=np.zeros(2), atom_classes=("C",) * 2, formula_units=1, net_charge=0.0,
        rotations=np.eye(3, dtype=np.int64)[None], translations=np.zeros((1, 3)), provenance=(),
    )  # fmt: skip
    with pytest.raises(InputError, match="expected metals"):
        split(carbon)


def test_pieces_of_a_larger_cell_are_those_of_a_smaller_one() -> None:
    """Also where a piece touches its own images, as the single node of the primitive cell of UiO-66 does."""
    small = load_framework(structure("UiO-66"), cell="primitive")
    one, many = split(small), split(repeated(small, (2, 1, 3)))
    assert bonds_of(many) == {key: 6 * n for key, n in bonds_of(one).items()}
    assert Counter(many.formulas) == {key: 6 * n for key, n in Counter(one.formulas).items()}


def test_bonds_between_pieces_go_both_ways_and_around_the_cell() -> None:
    pieces = split(load_framework("mof5", cell="primitive"))
    ways = Counter(zip(pieces.inner.tolist(), pieces.outer.tolist(), map(tuple, pieces.shift.tolist()), strict=True))
    back = Counter(zip(pieces.outer.tolist(), pieces.inner.tolist(), map(tuple, (-pieces.shift).tolist()), strict=True))
    assert ways == back
    found = nets(len(pieces), pieces.of_atom[pieces.inner], pieces.of_atom[pieces.outer], pieces.shift)
    assert found.directions.tolist() == [3]


@pytest.mark.parametrize(
    ("edges", "directions"),
    [
        ([(0, 1, (0, 0, 0))], [0]),
        ([(0, 1, (0, 0, 0)), (1, 0, (1, 0, 0))], [1]),
        ([(0, 0, (1, 0, 0)), (1, 1, (0, 1, 0)), (1, 1, (0, 0, 1))], [1, 2]),
        ([(0, 1, (1, 0, 0)), (1, 0, (-1, 0, 0))], [0]),
    ],
)
def test_directions_are_those_in_which_a_part_meets_its_images(
    edges: list[tuple[int, int, tuple[int, int, int]]], directions: list[int]
) -> None:
    both = [*edges, *((b, a, tuple(-x for x in image)) for a, b, image in edges)]
    a, b, image = (np.array(column, dtype=np.int64) for column in zip(*both, strict=True))
    assert nets(2, a, b, image).directions.tolist() == directions


@pytest.mark.parametrize("name", ["UiO-66", "HKUST-1"])
def test_repeated_pieces_are_those_of_the_repeated_crystal(name: str) -> None:
    """Atom by atom and bond by bond, though numbered in another order."""
    small = load_framework(structure(name), cell="primitive")
    repeats = (2, 1, 3)
    quick, slow = repeated_pieces(split(small), repeats), split(repeated(small, repeats))
    number = dict(zip(quick.of_atom.tolist(), slow.of_atom.tolist(), strict=True))
    assert [number[n] for n in quick.of_atom.tolist()] == slow.of_atom.tolist()
    assert all(quick.kinds[a] == slow.kinds[b] and quick.formulas[a] == slow.formulas[b] for a, b in number.items())
    bonds_found = [set(zip(p.inner.tolist(), p.outer.tolist(), strict=True)) for p in (quick, slow)]
    assert bonds_found[0] == bonds_found[1]
    # cells are counted from another atom of a piece: all walks around the crystal must agree
    for p in (quick, slow):
        found = nets(len(p), p.of_atom[p.inner], p.of_atom[p.outer], p.shift)
        assert found.directions.tolist() == [3]
    start = {a: int(np.flatnonzero(quick.of_atom == a)[0]) for a in number}
    moved = np.array([slow.cell_of_atom[start[a]] - quick.cell_of_atom[start[a]] for a in range(len(quick))])
    rows = {
        (i, o): tuple(s) for i, o, s in zip(slow.inner.tolist(), slow.outer.tolist(), slow.shift.tolist(), strict=True)
    }
    for i, o, s in zip(quick.inner.tolist(), quick.outer.tolist(), quick.shift, strict=True):
        a, b = quick.of_atom[i], quick.of_atom[o]
        assert rows[i, o] == tuple(s + moved[a] - moved[b])


def test_a_metal_that_one_linker_holds_is_part_of_it() -> None:
    pieces = split(square_nets(1, (0.0,)))
    assert pieces.counted() == "1 node Zn, 1 linker C8FeN4O4"
    assert bonds_of(pieces) == {("node", 4): 1, ("linker", 4): 1}
    found = nets(len(pieces), pieces.of_atom[pieces.inner], pieces.of_atom[pieces.outer], pieces.shift)
    assert found.directions.tolist() == [2]
