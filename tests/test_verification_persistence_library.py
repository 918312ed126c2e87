"""Percolation and persistence of real landscapes are those of the persistence library gudhi on the same array."""

import numpy as np
import pytest
from cifs import MOF5 as DDEC
from persistence_library import compare_with_library
from test_verification_bond_valence import CELL, BondValence

from lattice.landscape import compute_landscape
from structures.cif import load_framework
from structures.species import SHIPPED_SPECIES


@pytest.mark.validation
@pytest.mark.sample
def test_lithium_in_mof5():
    """The grid is cubic: all three directions open together."""
    framework = load_framework("mof5", charges=DDEC, cell="primitive")
    landscape = compute_landscape(framework, SHIPPED_SPECIES["Li+"], permittivity=10.0, spacing=0.25)
    crossings, n_minima = compare_with_library(landscape.energy, landscape.cell, landscape.wall)
    assert np.ptp(crossings) == pytest.approx(0.0, abs=1e-9)
    assert n_minima > 24


@pytest.mark.validation
@pytest.mark.parametrize("spacing", [0.3, 0.2, 0.1])
def test_lithium_in_lifepo4(spacing):
    """The bond-valence energy of VERIFICATION §10: first along b, much later in the other directions."""
    potential = BondValence(spacing)
    crossings, n_minima = compare_with_library(potential.energy, CELL, potential.energy.max() + 1.0)
    assert crossings[1] - crossings[0] > 3.0
    assert n_minima >= 4
