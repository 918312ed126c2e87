"""Ions onto sites: Boltzmann's weight, exclusions, the densest packing."""

import numpy as np
import pytest
from lattices import TEMPERATURE as UNIT_TEMPERATURE
from lattices import chain, square

from kmc.placement import place_ions
from kmc.rates import exclusion_counts
from lattice.supercell import replicate
from structures.errors import InputError


def crowded_square():
    """4 x 4 sites on which nearest neighbours exclude each other: at most eight ions, in two ways."""
    images = np.array([(1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0)])
    network = square()
    fields = {name: getattr(network, name) for name in network.__dataclass_fields__}
    fields |= {"exclusion_a": np.zeros(4), "exclusion_b": np.zeros(4), "exclusion_image": images}
    return replicate(type(network)(**fields), (4, 4, 1), interaction=None)


def test_the_densest_packing_is_found_and_more_is_refused():
    lattice = crowded_square()
    for seed in range(20):
        state = place_ions(lattice, {"A": 8}, np.random.default_rng(seed), temperature=300.0)
        assert (state.blocked == exclusion_counts(lattice, state.ion_site)).all()
        assert (state.blocked[state.ion_site] == 1).all()
    with pytest.raises(InputError, match=r"no room for 9 ions.*at most 8 were placed"):
        place_ions(lattice, {"A": 9}, np.random.default_rng(0), temperature=300.0)


@pytest.mark.parametrize(
    ("counts", "text"),
    [
        ({"A": 17}, "more ions than sites: 17 A on 16 sites"),
        ({"B": 1}, "species must be one of A; got B"),
        ({"A": -1}, "number of A must be a whole number from 0; got -1"),
        ({"A": 1.5}, "number of A must be a whole number"),
    ],
)
def test_numbers_of_ions_that_make_no_sense(counts, text):
    with pytest.raises(InputError, match=text):
        place_ions(crowded_square(), counts, np.random.default_rng(0), temperature=300.0)


def test_a_single_ion_is_placed_with_boltzmanns_weight():
    """Two points 1 kT apart: occupied as 1 to 1/e."""
    lattice = replicate(chain(np.array([0.0, 1.0]), np.array([2.0, 2.0])), (1, 1, 1), interaction=None)
    rng = np.random.default_rng(5)
    upper = sum(place_ions(lattice, {"A": 1}, rng, temperature=UNIT_TEMPERATURE).ion_site[0] for _ in range(3000))
    p = 1 / (1 + np.e)
    assert abs(upper - 3000 * p) < 4 * np.sqrt(3000 * p * (1 - p))
