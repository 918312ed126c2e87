"""Tables at a few temperatures and the polynomial between them."""

import numpy as np
import pytest

from lattice.temperatures import interpolate, temperature_nodes
from structures.errors import InputError
from structures.units import BOLTZMANN


@pytest.mark.parametrize(
    ("lowest", "highest", "error"), [(233.0, 373.0, 1e-6), (100.0, 1000.0, 1e-4), (50.0, 1500.0, 1e-4)]
)
def test_two_channels_between_the_nodes(lowest, highest, error):
    """ln(1 + 1e5 exp(-0.3 eV/kT)): two channels in parallel that change places within the range."""

    def exact(T):
        return np.logaddexp(0.0, np.log(1e5) - 0.3 / (BOLTZMANN * T))

    nodes = temperature_nodes(lowest, highest)
    assert (np.diff(nodes) > 0).all()
    assert (nodes[0], nodes[-1]) == (lowest, highest)
    T = np.linspace(lowest, highest, 300)
    found = np.array([interpolate(nodes, exact(nodes)[None], t)[0] for t in T])
    assert np.abs(found - exact(T)).max() < error


def test_energies_are_exact_and_nodes_give_their_own_values():
    """-E/kT is a polynomial of the first degree."""
    nodes = temperature_nodes(200.0, 500.0)
    values = -np.outer([0.1, 2.0], 1 / (BOLTZMANN * nodes))
    np.testing.assert_allclose(
        interpolate(nodes, values, 298.15), -np.array([0.1, 2.0]) / (BOLTZMANN * 298.15), rtol=1e-13
    )
    np.testing.assert_array_equal(interpolate(nodes, values, nodes[3]), values[:, 3])


def test_one_temperature_becomes_a_range():
    nodes = temperature_nodes(300.0, 300.0)
    assert (nodes[0], nodes[-1]) == (pytest.approx(270.0), pytest.approx(330.0))


def test_outside_is_refused():
    nodes = temperature_nodes(200.0, 500.0)
    with pytest.raises(InputError, match="temperature must be within those of the network, 200 to 500 K; got 600 K"):
        interpolate(nodes, nodes[None], 600.0)
    with pytest.raises(ValueError, match="positive and ascending; got 400 to 300 K"):
        temperature_nodes(400.0, 300.0)
