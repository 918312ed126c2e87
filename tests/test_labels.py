"""What sites are called, and what coordinates them."""

import numpy as np
import pytest

from lattice.labels import site_coordination, site_labels
from lattice.symmetry import SpaceGroup
from structures.framework import Framework
from structures.species import SHIPPED_SPECIES

SIDE = 20.0
CENTRE = np.full((1, 3), 0.5)
LI, PF6 = SHIPPED_SPECIES["Li+"], SHIPPED_SPECIES["PF6-"]
AXES = np.concatenate([np.eye(3), -np.eye(3)])


def framework(atoms, side=SIDE, charged=True):
    """Atoms (symbol, place in Å from the middle of the cell, charge)."""
    symbols, places, charges = zip(*atoms, strict=True)
    frac = np.array(places, float) / side + 0.5
    q = np.array(charges, float) * charged
    return Framework(
        "made for a test", side * np.eye(3), symbols, frac, q, symbols, 1, float(q.sum()), [np.eye(3)], [[0, 0, 0]], ()
    )


def label(atoms, species=LI, at=(0.0, 0.0, 0.0)):
    made = framework(atoms)
    return site_labels(made, np.array([at]) / SIDE + 0.5, species, SpaceGroup.of(made))[0]


def around(symbol, distance, directions=AXES, charge=-1.0):
    return [(symbol, distance * np.asarray(d), charge) for d in directions]


def benzene(height):
    angle = np.arange(6) * np.pi / 3
    ring = np.column_stack([np.cos(angle), np.sin(angle), np.zeros(6)])
    return [("C", 1.39 * d - [0, 0, height], -0.1) for d in ring] + [
        ("H", 2.48 * d - [0, 0, height], 0.1) for d in ring
    ]


@pytest.mark.parametrize(
    ("atoms", "text"),
    [
        (around("O", 2.1), "6 O at 2.10 Å"),
        (around("O", 2.0, AXES[[0, 1, 3, 4]]) + around("N", 2.4, AXES[[2, 5]]), "4 O at 2.00 Å, 2 N at 2.40 Å"),
        (around("F", 1.9, AXES[:1]) + around("F", 1.92, AXES[1:2]) + around("F", 2.2, AXES[3:4]),
         "2 F at 1.91 Å, 1 F at 2.20 Å"),
        (around("O", 2.0, AXES[:2]) + around("O", 2.7, AXES[2:]), "2 O at 2.00 Å"),
        (around("Zn", 1.5, charge=2.0) + around("S", 2.5), "6 S at 2.50 Å"),
        (around("O", 4.6), "none within 4.5 Å"),
    ],
    ids=["octahedron", "mixed", "like distances", "second shell", "metals repel", "nothing near"],
)  # fmt: skip
def test_the_first_shell_of_atoms_that_attract(atoms, text):
    assert site_coordination(framework(atoms), CENTRE) == [text]
    assert site_coordination(framework(atoms, charged=False), CENTRE) == [text]


def test_an_anion_is_coordinated_by_the_positive_atoms():
    atoms = around("Zn", 2.4, AXES[:2], charge=2.0) + around("O", 2.0, AXES[3:5])
    assert site_coordination(framework(atoms), CENTRE, charge=-1.0) == ["2 Zn at 2.40 Å"]
    assert site_coordination(framework(atoms, charged=False), CENTRE, charge=-1.0) == ["2 Zn at 2.40 Å"]


def test_every_image_of_an_atom_counts():
    """The centre of a cube of side 4 Å has its eight corners, all images of one atom, at 2 sqrt(3) Å."""
    cubic = framework([("O", (2.0, 2.0, 2.0), -1.0)], side=4.0)
    assert site_coordination(cubic, np.array([[0.5, 0.5, 0.5], [0.5, 0.5, 1.0]])) == ["8 O at 3.46 Å", "4 O at 2.83 Å"]


def test_a_metal_is_open_where_no_ligand_stands():
    """Square-pyramidal zinc 2.5 Å below an anion is open towards it; turned over it is not."""
    zinc = ("Zn", (0.0, 0.0, -2.5), 2.0)
    base = [("O", np.array(d) * 2.0 + (0, 0, -2.5), -0.4) for d in AXES[[0, 1, 3, 4]]]
    apex = [("O", np.array(d) * 2.0 + (0, 0, -2.5), -0.4) for d in ((0, 0, -1.0),)]
    assert label([zinc, *base, *apex], PF6) == "open Zn"
    shield = [("O", (0.6, 0.0, -1.2), -0.4)]
    assert label([zinc, *base, *shield], PF6) == "Zn"


def test_the_face_of_a_ring_and_its_edge():
    assert label(benzene(2.4)) == "aromatic ring"
    assert label(benzene(0.0), at=(3.0, 1.7, 0.0)) == "C"


@pytest.mark.parametrize(
    ("neighbours", "symbol", "name"),
    [
        ([("H", (0.6, 0.0, -2.8), 0.4), ("H", (-0.6, 0.0, -2.8), 0.4)], "O", "water-O"),
        ([("H", (0.6, 0.0, -2.8), 0.4)], "O", "hydroxyl-O"),
        ([("P", (0.0, 0.0, -3.6), 1.0)], "O", "phosphonate-O"),
        ([("Zr", (1.4, 0.0, -3.4), 2.0), ("Zr", (-1.4, 0.0, -3.4), 2.0)], "O", "mu2-O"),
        ([("C", (0.0, 0.0, -3.3), 0.1)], "N", "cyano-N"),
        ([("H", (0.0, 0.6, -2.8), 0.3), ("C", (0.0, 0.0, -3.6), 0.1)], "N", "amine-N"),
        ([("Zn", (0.0, 0.0, -4.4), 1.0)], "Cl", "Cl"),
        ([("C", (0.0, 0.0, -3.9), 0.1)], "S", "S"),
    ],
)
def test_donor_atoms_are_named_by_what_they_are_bonded_to(neighbours, symbol, name):
    assert label([(symbol, (0.0, 0.0, -2.2), -0.8), *neighbours]) == name


def test_where_nothing_attracts():
    corner = [("H", (0.0, 0.0, -3.0), 0.1)]
    assert label(corner) == "near H"
    assert label([("O", (9.0, 9.0, 9.0), -1.0)]) == "pore"
