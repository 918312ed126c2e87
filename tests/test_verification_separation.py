"""Raised local saddles and many ions: D_J of a small network of pairs of sites, by linear algebra.

D_J is a minimum over functions of the configuration of a form that is linear in the conductances p w, and raising a
saddle lowers conductances and leaves p alone. So D_J grows with the separation and never exceeds that of the network
as it is; what is missing is of the order of exp(-separation / kT).
"""

import numpy as np
import pytest
from exact import contact_pairs, master_equation, supercell
from lattices import APART, network_of

from lattice.separation import crossing_levels, separate
from structures.units import BOLTZMANN

REPULSION = 0.08  # eV between neighbours
IONS, REPEATS = 4, (2, 3, 1)


def pairs_of_sites():
    """Two sites per cell, 1 Å from all their neighbours; within a pair the saddle is 0.5 eV lower than elsewhere."""
    bonds = [(0, 1, (0, 0, 0)), (1, 0, (1, 0, 0)), (0, 0, (0, 1, 0)), (1, 1, (0, 1, 0))]
    frac = np.array([[0.0, 0.0, 0.0], [0.5, 0.0, 0.0]])
    return network_of(
        np.diag([2.0, 1.0, APART]),
        frac,
        bonds,
        site_energy=np.array([0.0, -0.06]),
        saddle=np.array([0.05, 0.55, 0.60, 0.60]),
    )


def four_ions(network, temperature):
    kT = BOLTZMANN * temperature
    cells = supercell(network, REPEATS, kT)
    return master_equation(cells, [(0, IONS)], pairs=contact_pairs(cells, 1.0, REPULSION / kT))


@pytest.mark.parametrize("temperature", [298.15, 373.15])
def test_many_ions_converge_with_the_separation(temperature):
    """D_J along x and y at 3, 5 and 8 kT: from below, in order, within 1 % at 8 kT (not yet at 3 kT)."""
    network = pairs_of_sites()
    kT = BOLTZMANN * temperature
    level = crossing_levels(network, -network.hop_saddle / kT)[network.hop_saddle < 0.1]
    np.testing.assert_allclose(level, -0.55 / kT)
    full = np.diag(four_ions(network, temperature).transport()[0])[:2]
    missing = []
    for separation in (3, 5, 8):
        slowed = separate(network, separation, temperature)
        missing.append(1 - np.diag(four_ions(slowed, temperature).transport()[0])[:2] / full)
    missing = np.array(missing)
    assert (np.diff(missing, axis=0) < 0).all()
    assert (missing > 0).all()
    assert (missing[0] > 0.01).all()
    assert (missing[2] < 0.01).all()
