"""Raising local saddles leaves the crossings alone and changes the diffusivity by a known small share."""

from dataclasses import replace

import numpy as np
import pytest
from lattices import attempt_frequency_rates, square

from analysis.network_exact import single_particle_diffusivity
from lattice.network import PoreNetwork
from lattice.separation import crossing_levels, separate
from structures.species import SHIPPED_SPECIES
from structures.units import BOLTZMANN

T = 300.0
KT = BOLTZMANN * T


def pairs_on_a_line() -> PoreNetwork:
    """A chain of pairs of sites: within a pair the saddle is 0.3 eV below the one between pairs."""
    line = square()
    return replace(
        line,
        species=(SHIPPED_SPECIES["Li+"],),
        site_species=np.zeros(2, np.int32),
        site_frac=np.array([[0.3, 0.5, 0.5], [0.6, 0.5, 0.5]]),
        site_energy=np.full(2, -0.2),
        site_orbit=np.zeros(2, np.int32),
        site_label=("A", "A"),
        site_width=np.ones(2),
        **attempt_frequency_rates(np.full(2, -0.2), np.array([-0.1, 0.2, -0.1, 0.2])),
        hop_origin=np.array([0, 0, 1, 1]),
        hop_target=np.array([1, 1, 0, 0]),
        hop_image=np.array([[0, 0, 0], [-1, 0, 0], [0, 0, 0], [1, 0, 0]]),
        hop_saddle=np.array([-0.1, 0.2, -0.1, 0.2]),
        hop_orbit=np.array([0, 1, 0, 1]),
        hop_reverse=np.array([2, 3, 0, 1]),
        percolation=np.array([[0.2, np.nan, np.nan]]),
    )


def test_only_local_hops_are_slowed():
    network = pairs_on_a_line()
    np.testing.assert_allclose(crossing_levels(network, -network.hop_saddle / KT), -0.2 / KT)
    slowed = separate(network, 0.15 / KT, T)
    np.testing.assert_allclose(slowed.hop_saddle, [0.05, 0.2, 0.05, 0.2])
    np.testing.assert_allclose(slowed.rates(T).prefactor, 1.0)
    np.testing.assert_array_equal(separate(network, 0.31 / KT, T).hop_saddle, network.hop_saddle)


@pytest.mark.parametrize("separation", [2, 3, 5])
def test_diffusivity_on_a_chain_of_pairs(separation):
    """On a chain D = L²/[Σp Σ 1/(p w)] (VERIFICATION §4): with equal sites the times of both hops add.

    The crossing takes 1/w, a local hop exp(-separation/kT)/w instead of exp(-0.3 eV/kT)/w.
    """
    network = pairs_on_a_line()
    D = [single_particle_diffusivity(pores, 0, T)[0, 0] for pores in (separate(network, separation, T), network)]
    slow, fast = np.exp(-separation), np.exp(-0.3 / KT)
    assert D[0] / D[1] == pytest.approx((1 + fast) / (1 + slow), rel=1e-10)


def test_a_separation_that_is_not_positive_is_refused():
    with pytest.raises(ValueError, match="separation must be positive; got 0 kT"):
        separate(pairs_on_a_line(), 0.0, T)
