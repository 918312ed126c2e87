"""Missing nodes and linkers: what leaves, what its charge does, and which symmetry is left.

A node of MOF-5 has twelve bonds to carboxylate oxygens, a linker four to zinc; in Zn4O(bdc)3 a bond carries the same
charge from either side, so that what several missing neighbours leave behind adds up bond by bond.
"""

from __future__ import annotations

import numpy as np
import pytest
from published_frameworks import structure
from square_nets import square_nets

from structures.cif import load_framework
from structures.defects import chosen_pieces, removal_order, with_defects
from structures.errors import InputError
from structures.framework import Framework, repeated
from structures.missing import Defects
from structures.pieces import split

CHARGES = {
    "Zn": 0.957, "mu-O": -1.034, "carboxylate-O": -0.539, "carboxylate-C": 0.577, "C": -0.011, "C-H": -0.103,
    "H": 0.127,
}  # fmt: skip


@pytest.fixture(scope="module")
def mof5() -> Framework:
    return load_framework("mof5", charges=CHARGES, net_charge=0)


def matched(framework: Framework, perfect: Framework) -> np.ndarray:
    """Numbers that the atoms of a framework with defects have in the perfect one."""
    step = framework.frac_coords[:, None] - perfect.frac_coords[None]
    distance = np.linalg.norm((step - np.rint(step)) @ perfect.cell, axis=2)
    assert distance.min(axis=1).max() < 1e-9
    return distance.argmin(axis=1)


def test_one_missing_node_leaves_its_charge_on_the_twelve_oxygens_around_it(mof5: Framework) -> None:
    with_one = with_defects(mof5, Defects(missing_nodes=0.125))
    same = matched(with_one, mof5)
    missing = np.setdiff1d(np.arange(len(mof5.symbols)), same)
    assert sorted(mof5.symbols[i] for i in missing) == ["O", "Zn", "Zn", "Zn", "Zn"]
    change = with_one.charges - mof5.charges[same]
    touched = np.flatnonzero(np.abs(change) > 1e-9)
    assert {with_one.atom_classes[i] for i in touched} == {"carboxylate-O"}
    assert len(touched) == 12
    np.testing.assert_allclose(change[touched], mof5.charges[missing].sum() / 12, atol=1e-9)
    distance = with_one.frac_coords[touched] - mof5.frac_coords[missing[np.array(mof5.symbols)[missing] == "O"]]
    assert np.linalg.norm((distance - np.rint(distance)) @ mof5.cell, axis=1).max() < 3.4
    assert (with_one.formula_units, with_one.net_charge) == (8, 0.0)


def test_a_charged_framework_keeps_its_counter_ions() -> None:
    framework = load_framework("ni_pacs_sym", net_charge=-2)
    for defects in (Defects(0.25, seed=5), Defects(0, 0.3, (1, 2, 1)), Defects(0.25, 0.25, (2, 1, 1))):
        cells = int(np.prod(defects.cell))
        left = with_defects(framework, defects)
        assert left.net_charge == framework.net_charge * cells
        assert left.charges.sum() == pytest.approx(framework.net_charge * cells, abs=1e-9)
        assert left.formula_units == framework.formula_units * cells


def test_atoms_away_from_the_defects_keep_their_charges(mof5: Framework) -> None:
    whole = repeated(mof5, (2, 1, 1))
    left = with_defects(mof5, Defects(0.2, 0.1, (2, 1, 1), seed=2))
    same = matched(left, whole)
    gone = np.setdiff1d(np.arange(len(whole.symbols)), same)
    change = np.abs(left.charges - whole.charges[same])
    for atom in np.flatnonzero(change > 1e-6):
        step = left.frac_coords[atom] - whole.frac_coords[gone]
        assert np.linalg.norm((step - np.rint(step)) @ whole.cell, axis=1).min() < 2.3  # a bond to what is missing


def test_missing_neighbours_share_only_what_crosses_the_cut(mof5: Framework) -> None:
    """A missing linker between two missing nodes takes with it what they would have left on it, bond by bond."""
    pieces = split(mof5)
    left = with_defects(mof5, Defects(0.25, 0.25, seed=4))
    same = matched(left, mof5)
    there = np.zeros(len(pieces), bool)
    there[np.unique(pieces.of_atom[same])] = True
    a, b = pieces.of_atom[pieces.inner], pieces.of_atom[pieces.outer]
    bond = mof5.charges[pieces.of_atom == pieces.numbers("node")[0]].sum() / 12
    # a bond carries `bond` from the node's side and minus that from the linker's, up to rounding of the table
    node = np.array(pieces.kinds) == "node"
    expected = mof5.charges.copy()
    for k in np.flatnonzero(~there[a] & there[b]):
        expected[pieces.outer[k]] += bond if node[a[k]] else -bond
    np.testing.assert_allclose(left.charges, expected[same], atol=2e-3)


def test_linkers_between_missing_nodes_leave_with_the_guests(mof5: Framework) -> None:
    pieces, linkers_left = split(mof5), []
    for seed in range(8):
        left = with_defects(mof5, Defects(0.25, seed=seed))
        first, second = chosen_pieces(pieces, "node", Defects(0.25, seed=seed))
        oxides = [
            mof5.frac_coords[(pieces.of_atom == n) & (np.array(mof5.atom_classes) == "mu-O")][0]
            for n in (first, second)
        ]
        step = (oxides[0] - oxides[1]) * 2
        adjacent = np.abs(np.rint(step) % 2).sum() == 1
        linkers_left.append(left.symbols.count("C") // 8)
        # two nodes that are neighbours on a cubic net of two nodes along each axis are so on both sides
        assert linkers_left[-1] == (22 if adjacent else 24)
        assert any("2 linkers C8H4O4 no longer bonded" in line for line in left.provenance) == adjacent
    assert set(linkers_left) == {22, 24}


def test_a_crystal_that_falls_apart_is_refused(mof5: Framework) -> None:
    with pytest.raises(InputError, match=r"missing_nodes: expected a framework that stays bonded.*falls apart"):
        with_defects(mof5, Defects(0.8))


def test_seeds_repeat_differ_and_nest(mof5: Framework) -> None:
    """Nodes and linkers come from streams of their own: one choice does not move the other."""
    pieces = split(mof5)
    orders = [removal_order(pieces, "linker", seed).tolist() for seed in range(20)]
    assert orders[0] == removal_order(pieces, "linker", 0).tolist()
    assert len(set(map(tuple, orders))) == 20
    few, many = (set(chosen_pieces(pieces, "linker", Defects(0, f, seed=7)).tolist()) for f in (0.2, 0.6))
    assert few < many
    alone = chosen_pieces(pieces, "linker", Defects(0, 0.25, seed=3))
    assert (alone == chosen_pieces(pieces, "linker", Defects(0.5, 0.25, seed=3))).all()
    first = np.bincount([order[0] for order in orders], minlength=len(pieces))
    assert first.max() < 6  # 20 draws of 24: no favourite


def test_operations_that_are_left_map_the_crystal_onto_itself(mof5: Framework) -> None:
    """A node of MOF-5 has the symmetry -43m, of order 24; the charges that its absence leaves behind have it too."""
    left = with_defects(mof5, Defects(0.125))
    assert len(left.rotations) == 24
    for rotation, translation in zip(left.rotations, left.translations, strict=True):
        image = left.frac_coords @ rotation.T + translation
        step = image[:, None] - left.frac_coords[None]
        distance = np.linalg.norm((step - np.rint(step)) @ left.cell, axis=2)
        partner = distance.argmin(axis=1)
        assert distance.min(axis=1).max() < 1e-6
        np.testing.assert_allclose(left.charges[partner], left.charges, atol=1e-9)
        assert [left.symbols[i] for i in partner] == list(left.symbols)


def test_no_defects_in_a_larger_cell_are_the_perfect_crystal(mof5: Framework) -> None:
    assert with_defects(mof5, Defects()) is mof5
    small = load_framework("mof5", charges=CHARGES, net_charge=0, cell="primitive")
    larger = with_defects(small, Defects(cell=(2, 1, 1)))
    assert larger.volume == pytest.approx(2 * small.volume)
    assert (larger.formula_units, len(larger.symbols)) == (4, 212)
    whole = repeated(mof5, (2, 2, 2))
    assert len(whole.rotations) == 8 * 192
    rotation, translation = whole.rotations[777], whole.translations[777]
    image = whole.frac_coords[:50] @ rotation.T + translation
    step = image[:, None] - whole.frac_coords[None]
    assert np.linalg.norm((step - np.rint(step)) @ whole.cell, axis=2).min(axis=1).max() < 1e-6


def test_a_cell_of_two_along_one_axis_keeps_what_fits_it() -> None:
    """Doubling a leaves 4/mmm of m-3m, and twice the translations."""
    whole = repeated(load_framework("mof5"), (2, 1, 1))
    assert len(whole.rotations) == 2 * 192 // 3


@pytest.mark.parametrize(
    ("defects", "message"),
    [
        ({"missing_nodes": 1.0}, r"missing_nodes: expected a fraction.*got 1$"),
        ({"missing_linkers": -0.1}, r"missing_linkers: expected a fraction.*got -0.1"),
        ({"missing_nodes": float("nan")}, r"missing_nodes: expected a fraction"),
        ({"cell": (0, 1, 1)}, r"defect_cell: expected three whole numbers"),
        ({"seed": -1}, r"defect_seed: expected a whole number"),
        (
            {"missing_nodes": 0.05},
            r"missing_nodes: expected at least 1 of the 8 nodes in defect_cell 1 x 1 x 1 .* at least 2 cells",
        ),
        ({"missing_linkers": 0.99}, r"missing_linkers: expected linkers to be left over; 0.99 of 24"),
    ],
)
def test_fractions_that_make_no_sense_are_refused(mof5: Framework, defects: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        with_defects(mof5, Defects(**defects))  # type: ignore[arg-type]


def test_the_smallest_cell_that_is_named_is_enough(mof5: Framework) -> None:
    pieces = split(mof5)
    for fraction in (0.001, 0.01, 0.03, 0.06):
        with pytest.raises(InputError, match=r"at least (\d+) cells") as refused:
            chosen_pieces(pieces, "node", Defects(fraction))
        cells = int(str(refused.value).split("at least ")[-1].split()[0])
        assert np.floor(fraction * 8 * cells + 0.5) == 1
        assert np.floor(fraction * 8 * (cells - 1) + 0.5) == 0


def test_rods_are_refused_with_the_key() -> None:
    with pytest.raises(InputError, match=r"missing_linkers: .*endless rods") as refused:
        with_defects(load_framework(structure("MIL-53(Fe)")), Defects(0, 0.5))
    assert refused.value.about == "missing_linkers"


def test_a_net_that_is_lost_as_a_whole_leaves_its_charge_to_the_others() -> None:
    """Two layers without a bond between them: without its only node one is a molecule, and leaves."""
    nets = square_nets(2, (0.02, -0.01))
    left = with_defects(nets, Defects(missing_nodes=0.5))
    assert left.symbols.count("Zn") == left.symbols.count("Fe") == 1
    assert left.net_charge == nets.net_charge
    np.testing.assert_allclose(left.charges, nets.net_charge / len(left.symbols), atol=1e-12)
    assert any("of nets that are missing as a whole are spread over all atoms" in line for line in left.provenance)
