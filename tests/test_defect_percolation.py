"""When a framework that loses nodes or linkers falls apart.

On the primitive cubic net of MOF-5 missing nodes are site percolation and missing linkers bond percolation, whose
thresholds are known: p_c = 0.3116077(2) and 0.24881182(10), so that 0.6884 of the nodes or 0.7512 of the linkers may be
missing; J. Wang et al., Phys. Rev. E 87, 052107 (2013).
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from analysis.defect_percolation import percolation_of_defects, percolation_of_pieces, quantile_interval
from structures.cif import load_framework
from structures.defects import chosen_pieces, nets_of_pieces, with_defects
from structures.errors import InputError
from structures.framework import Framework
from structures.missing import Defects, Kind
from structures.pieces import Pieces, repeated_pieces, split

SITE, BOND = 1 - 0.3116077, 1 - 0.24881182
EXACT: dict[Kind, float] = {"node": SITE, "linker": BOND}


@pytest.fixture(scope="module")
def framework() -> Framework:
    return load_framework("mof5", cell="primitive")


def cubic_net(length: int) -> Pieces:
    """Nodes on a simple cubic lattice with straight linkers between them, one atom each."""
    ends = [(0, k, (0, 0, 0)) for k in (1, 2, 3)] + [(k, 0, tuple(np.eye(3, dtype=int)[k - 1])) for k in (1, 2, 3)]
    bonds = ends + [(b, a, tuple(-x for x in image)) for a, b, image in ends]
    inner, outer, shift = (np.array(column, dtype=np.int64) for column in zip(*bonds, strict=True))
    kinds: tuple[Kind, ...] = ("node", "linker", "linker", "linker")
    one = Pieces(np.arange(4), np.zeros((4, 3), np.int64), kinds, ("Zn", "C", "C", "C"), inner, outer, shift)
    return repeated_pieces(one, (length,) * 3)


@pytest.mark.parametrize("kind", ["node", "linker"])
def test_small_cells_fall_apart_near_the_threshold_of_the_infinite_net(kind: Kind) -> None:
    """4 x 4 x 4 nodes: corrections of the finite size are within 0.01, those of 60 realisations within the interval."""
    found = percolation_of_pieces(cubic_net(4), kind, [0.5], (4, 4, 4), range(60))
    threshold = found.threshold()
    assert threshold.lo - 0.01 < EXACT[kind] < threshold.hi + 0.01
    assert threshold.hi - threshold.lo < 0.07
    # the other kind is far outside
    other = EXACT["linker" if kind == "node" else "node"]
    assert not threshold.lo - 0.01 < other < threshold.hi + 0.01


@pytest.mark.validation
@pytest.mark.parametrize("kind", ["node", "linker"])
def test_thresholds_are_those_of_percolation_theory(kind: Kind) -> None:
    """Growing cells approach p_c within their errors; the spread of single cells shrinks as L^(-1/nu), nu = 0.8764."""
    lengths, numbers = (4, 8, 16), (800, 300, 40)
    spread = []
    for length, number in zip(lengths, numbers, strict=True):
        found = percolation_of_pieces(cubic_net(length), kind, [0.5], (length,) * 3, range(number))
        spread.append(float(np.std(found.apart_at)))
        error = spread[-1] * 1.25 / math.sqrt(number)  # of a quantile near the middle of a normal distribution
        correction = 0.5 * length ** (-1.141 - 1.2)  # 1/nu and the leading correction
        step = 1.0 / found.n_pieces
        assert abs(found.threshold().value - EXACT[kind]) < 4 * error + correction + step
    slope = np.polyfit(np.log(lengths), np.log(spread), 1)[0]
    assert slope == pytest.approx(-1.141, abs=0.3)


@pytest.mark.parametrize("kind", ["node", "linker"])
def test_one_pass_gives_what_each_fraction_gives_alone(kind: Kind, framework: Framework) -> None:
    """Directions and sizes of the union-find against a walk through what is left, for every number of pieces."""
    cell = (2, 2, 1)
    pieces = repeated_pieces(split(framework), cell)
    found = percolation_of_defects(framework, kind, [0.5], cell, [3, 4])
    atoms = np.bincount(pieces.of_atom)
    for row, seed in enumerate((3, 4)):
        for missing in range(1, found.n_pieces):
            fraction = {"node": (missing / found.n_pieces, 0.0), "linker": (0.0, missing / found.n_pieces)}[kind]
            there = np.ones(len(pieces), bool)
            there[chosen_pieces(pieces, kind, Defects(*fraction, cell, seed))] = False
            assert there.sum() == len(pieces) - missing
            left = nets_of_pieces(pieces, there)
            assert found.directions[row, missing] == left.directions.max()
            sizes = np.bincount(left.part[there], atoms[there])
            assert found.largest[row, missing] == pytest.approx(sizes.max() / sizes.sum())


def test_realisations_are_those_of_the_crystal_with_defects(framework: Framework) -> None:
    """What `with_defects` refuses as fallen apart is what the graph finds without a direction."""
    cell = (2, 2, 2)
    found = percolation_of_defects(framework, "node", [0.5], cell, range(12))
    assert found.n_pieces == 16
    ways = found.directions[:, 11].tolist()
    assert {0, 1} <= set(ways)
    for n in set(ways):
        defects = Defects(11 / 16, cell=cell, seed=ways.index(n))
        if n:
            lines = with_defects(framework, defects).provenance
            (line,) = (line for line in lines if "defects: what is left" in line)
            assert f"bonded in {n} direction" in line
            assert line.startswith("warning: ") == (n < 3)
        else:
            with pytest.raises(InputError, match="falls apart"):
                with_defects(framework, defects)


def test_table_has_intervals_and_the_statement_the_threshold(framework: Framework) -> None:
    found = percolation_of_defects(framework, "node", [0, 0.13, 0.7, 1], (2, 4, 4), range(20))
    frame = found.to_frame()
    assert frame["missing_nodes"].tolist() == [0, 8, 45, 64]
    assert frame["of"].tolist() == [64] * 4
    assert frame["bonded_3D"].tolist()[0] == 1
    assert frame["bonded_1D"].tolist()[-1] == 0
    assert (frame["bonded_1D"] >= frame["bonded_3D"]).all()
    assert (frame["bonded_1D_lo"] <= frame["bonded_1D"] + 1e-12).all()
    assert (frame["largest_share"].diff().dropna() < 0).all()
    assert frame["largest_share"].iloc[0] == 1
    assert found.pieces == "64 nodes Zn4O, 192 linkers C8H4O4"
    assert f"{found.threshold().value:.3f}" in found.statement


def test_the_interval_of_a_quantile_covers_it() -> None:
    """Nominal 95 %, discrete and thus conservative: 400 samples of 50 exponential numbers."""
    rng = np.random.default_rng(1)
    exact = -math.log(1 - 0.54)
    found = [quantile_interval(rng.exponential(size=50), 0.54) for _ in range(400)]
    assert 0.93 < np.mean([one.lo <= exact <= one.hi for one in found]) < 0.99
    assert math.isnan(quantile_interval(np.arange(3.0), 0.54).lo)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("node", [1.2], (1, 1, 1), [1]), "fractions: expected numbers from 0 to 1"),
        (("node", [0.2], (1, 1, 1), []), "seeds: expected at least one"),
        (("ligand", [0.2], (1, 1, 1), [1]), "expected ligands in the framework; found 2 nodes"),
    ],
)
def test_questions_that_make_no_sense_are_refused(arguments: tuple, message: str, framework: Framework) -> None:
    with pytest.raises(InputError, match=message):
        percolation_of_defects(framework, *arguments)
