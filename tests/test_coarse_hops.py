"""Hops that are no rare jumps between sites are counted by orbit and by event."""

from dataclasses import replace

import numpy as np
import pytest
from lattices import chain, ion

from runs.coarse_hops import coarse_hop_line
from structures.units import BOLTZMANN

NOTHING = np.zeros(0, np.int64)


def two_bonds(saddle, *, stretched=1.0):
    """Two points in a cell, an orbit for each of the two bonds between them and their images, for two ions."""
    network = chain(np.array([0.0, 0.1]), np.array(saddle), species=(ion("Li+"), ion("PF6-", -1.0)))
    return replace(network, cell=stretched * network.cell)


def test_high_barriers_and_short_hops_are_not_mentioned():
    assert coarse_hop_line(two_bonds([1.0, 1.0]), 300.0, NOTHING) == ""


@pytest.mark.parametrize(("barrier", "found"), [(1.9, True), (2.1, False)])
def test_a_barrier_counts_from_its_higher_end(barrier, found):
    """0.1 eV + 1.9 kT above the deep site is 1.9 kT above the shallow one, from which the ion returns at once."""
    line = coarse_hop_line(two_bonds([0.1 + barrier * BOLTZMANN * 373.15, 1.0]), 373.15, NOTHING)
    assert ("over less than 2 kT from the higher end at 100 °C: Li+ 1 of 2 orbits, PF6- 1 of 2 orbits" in line) is found


def test_shares_are_of_the_hops_of_the_species():
    """Orbits 0 and 1 are those of Li+: 30 of 40 hops over the low one; PF6- made 0 of 5."""
    line = coarse_hop_line(two_bonds([0.11, 1.0]), 373.15, np.array([30, 10, 0, 5]))
    assert line.endswith("Li+ 1 of 2 orbits (75.0 % of its hops), PF6- 1 of 2 orbits (0.0 % of its hops)")


def test_long_hops_are_counted():
    line = coarse_hop_line(two_bonds([1.0, 1.0], stretched=6.0), 300.0, NOTHING)
    assert line == "warning: hopping is a coarse picture of hops longer than 5 Å: Li+ 2 of 2 orbits, PF6- 2 of 2 orbits"
