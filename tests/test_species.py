"""Mobile ions: shipped values against their force fields, shapes against bond lengths and angles, refusals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from structures.errors import InputError
from structures.species import SHIPPED_SPECIES, Bead, Species
from structures.units import KCAL_PER_MOL

ASKED_FOR = "Li+ Na+ K+ Mg2+ Zn2+ NH4+ Me2NH2+ rigid-Me2NH2+ PF6- rigid-PF6- BF4- TFSI-".split()


def positions(name):
    return np.array([bead.position for bead in SHIPPED_SPECIES[name].beads])


def angle(points, a, b, c):
    u, v = points[a] - points[b], points[c] - points[b]
    return np.degrees(np.arccos(u @ v / np.linalg.norm(u) / np.linalg.norm(v)))


@pytest.mark.parametrize("name", ASKED_FOR)
def test_every_shipped_ion_is_sourced_neutral_in_sum_and_survives_a_file(name):
    ion = SHIPPED_SPECIES[name]
    assert sum(bead.charge for bead in ion.beads) == pytest.approx(ion.charge, abs=1e-12)
    assert ion.charge == (2 if "2+" in name and "NH2" not in name else 1 if name.endswith("+") else -1)
    assert "(1" in ion.source or "(2" in ion.source  # a year
    assert Species.from_text(ion.to_text()) == ion
    assert hash(Species.from_text(ion.to_text())) == hash(ion)


def test_metals_are_those_of_uff_and_shannon():
    """UFF table 1 (Rappé 1992): x_I and D_I; Shannon (1976), coordination number 6."""
    table = {
        "Na+": (2.983, 0.030, 1.02),
        "K+": (3.812, 0.035, 1.38),
        "Mg2+": (3.021, 0.111, 0.72),
        "Zn2+": (2.763, 0.124, 0.74),
    }
    for name, (distance, depth, radius) in table.items():
        ion = SHIPPED_SPECIES[name]
        assert ion.lj_sigma * 2 ** (1 / 6) == pytest.approx(distance)
        assert ion.lj_epsilon == pytest.approx(depth * KCAL_PER_MOL)
        assert ion.contact_radius == radius


def test_octahedron_and_tetrahedra():
    fluorine = positions("rigid-PF6-")[1:]
    assert np.linalg.norm(fluorine, axis=1) == pytest.approx(1.606)
    assert np.sort(np.round((fluorine @ fluorine.T / 1.606**2)[0], 9)).tolist() == [-1, 0, 0, 0, 0, 1]
    for name, bond in (("BF4-", 1.394), ("NH4+", 1.010)):
        outer = positions(name)[1:]
        assert np.linalg.norm(outer, axis=1) == pytest.approx(bond)
        assert np.sort((outer @ outer.T / bond**2)[0])[:3] == pytest.approx(-1 / 3)


def test_dimethylammonium():
    points = positions("rigid-Me2NH2+")
    assert np.linalg.norm(points[1:] - points[0], axis=1) == pytest.approx([1.471, 1.471, 1.010, 1.010])
    assert angle(points, 1, 0, 2) == pytest.approx(113.0)
    assert angle(points, 3, 0, 4) == pytest.approx(109.5)
    assert np.abs(np.array([14.007, 15.035, 15.035, 1.008, 1.008]) @ points).max() < 1e-12


def test_bistriflimide_has_the_angles_that_were_not_put_in():
    """Built from lengths and angles of the force field; its O-S-O and F-C-F angles, 118.5° and 107.1°, must follow."""
    points = positions("TFSI-")
    assert [bead.name for bead in SHIPPED_SPECIES["TFSI-"].beads] == ["N", *(["S", "O", "O", "C", "F", "F", "F"] * 2)]
    assert angle(points, 1, 0, 8) == pytest.approx(125.6)
    assert angle(points, 2, 1, 3) == pytest.approx(118.5, abs=0.3)
    assert angle(points, 5, 4, 6) == pytest.approx(107.1, abs=0.1)
    turned = points[[0, *range(8, 15), *range(1, 8)]] * (-1, -1, 1)
    assert turned == pytest.approx(points, abs=1e-12)  # the twofold axis


def test_one_bead_by_two_numbers():
    ion = Species("X+", 1.0, 10.0, lj_epsilon=0.01, lj_sigma=3.0, contact_radius=1.0, source="test")
    assert ion.beads == (Bead("X+", (0.0, 0.0, 0.0), 1.0, 0.01, 3.0),)
    assert (ion.lj_epsilon, ion.lj_sigma, ion.diameter) == (0.01, 3.0, 3.0)
    changed = replace(ion, lj_sigma=4.0, charge=2.0)
    assert (changed.lj_epsilon, changed.lj_sigma, changed.beads[0].charge) == (0.01, 4.0, 2.0)


def test_width_of_a_molecule():
    ion = SHIPPED_SPECIES["rigid-PF6-"]
    assert ion.diameter == pytest.approx(2 * 1.606 + 3.12)


BEAD = Bead("A", (0.0, 0.0, 1.0), 0.5, 0.01, 3.0)
BASIC = {"name": "X+", "charge": 1.0, "mass": 1.0, "contact_radius": 1.0, "source": "test"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lj_epsilon": 0.1}, r"X\+: beads or lj_epsilon and lj_sigma must be given"),
        ({"lj_epsilon": 0.1, "lj_sigma": 3.0, "charge": 0.0}, "charge must not be zero"),
        ({"lj_epsilon": 0.1, "lj_sigma": 3.0, "mass": 0.0}, "mass must be positive; got 0"),
        ({"lj_epsilon": -0.1, "lj_sigma": 3.0}, "lj_epsilon must not be negative; got -0.1"),
        ({"lj_epsilon": 0.1, "lj_sigma": float("nan")}, "lj_sigma must be positive; got nan"),
        ({"lj_epsilon": 0.0, "lj_sigma": 0.0}, "lj_sigma must be positive; got 0"),
        ({"lj_epsilon": 0.1, "lj_sigma": 3.0, "contact_radius": -1.0}, "contact_radius must be positive; got -1.0"),
        ({"beads": [BEAD]}, "position of a single bead must be 0 0 0"),
        ({"beads": [BEAD, replace(BEAD, charge=0.4)]}, "charges of the beads must sum to 1 e; got 0.9"),
        ({"beads": [BEAD, BEAD], "lj_sigma": 2.0}, "lj_sigma must be given bead by bead; it has 2 beads"),
        ({"beads": [BEAD, replace(BEAD, lj_sigma=0.0)]}, "bead A: lj_sigma must be positive; got 0"),
        ({"beads": [BEAD, replace(BEAD, position=(0.0, float("inf"), 0.0))]}, "position must be 3 numbers"),
    ],
)
def test_what_is_no_ion(change, message):
    with pytest.raises(InputError, match=message):
        Species(**(BASIC | change))


def test_a_molecule_has_no_single_diameter():
    with pytest.raises(InputError, match="BF4- has 5 beads; each has its own Lennard-Jones terms"):
        _ = SHIPPED_SPECIES["BF4-"].lj_sigma
