"""Drift in a uniform field, VERIFICATION §7: Γ₊/Γ₋ = exp((qE·d - ΔE)/kT)."""

import numpy as np
import pytest
from exact import contact_pairs, master_equation, supercell
from lattices import BARRIER, TEMPERATURE, ion, ring, square
from replicas import assert_ladder, run_replicas, z_score

from kmc.placement import place_ions
from kmc.simulation import Simulation
from lattice.supercell import PairEnergies, replicate

NU = np.exp(BARRIER)


def test_rate_of_leaving_a_site():
    """One ion on a ring: exp(ε/2) forwards and exp(-ε/2) backwards."""
    lattice = replicate(ring(saddle=BARRIER), (5, 1, 1), interaction=None)
    state = place_ions(lattice, {"A": 1}, np.random.default_rng(0), temperature=TEMPERATURE)
    simulation = Simulation(lattice, state, temperature=TEMPERATURE, attempt_frequency=NU, field=(1.3, 0.0, 0.0))
    assert simulation.mover_rates()[1] == pytest.approx(2 * np.cosh(0.65), rel=1e-12)


@pytest.mark.parametrize(("charge", "field"), [(1.0, 0.3), (1.0, 2.0), (-1.0, 2.0)])
def test_hard_core_drift(charge, field):
    """v = 2 sinh(ε/2) W for any ε, because every configuration stays equally likely."""
    lattice = replicate(square(saddle=BARRIER, species=[ion("A", charge)]), (4, 4, 1), interaction=None)
    found = run_replicas(lattice, {"A": 4}, block=10.0, n_blocks=200, seed=70, nu=NU, field=field)
    scores = [
        z_score(found.velocity[:, 0, 0] / 4, charge * 2 * np.sinh(field / 2) * 12 / 15),
        z_score(found.velocity[:, 0, 1] / 4, 0.0),
    ]
    assert_ladder(scores)


@pytest.mark.parametrize("field", [0.1, 1.5])
def test_drift_mobility_of_an_interacting_gas(field):
    """u = 2, 4×4, n = 4: v/ε is D_J (Einstein-Helfand) within 0.06 % at ε = 0.1, and larger in a strong field."""
    network = square(saddle=BARRIER)
    cells = supercell(network, (4, 4, 1))
    gas = master_equation(
        cells, [(0, 4)], pairs=contact_pairs(cells, 1.0, 2.0), nu=NU, force=np.array([field, 0.0, 0.0])
    )
    repulsion = PairEnergies.within(network, 1.01, lambda distance, charges: 2.0 + 0.0 * distance)
    lattice = replicate(network, (4, 4, 1), interaction=repulsion)
    found = run_replicas(lattice, {"A": 4}, block=10.0, n_blocks=500, seed=71, nu=NU, field=field)
    mobility = found.velocity[:, 0, 0] / 4 / field
    assert abs(z_score(mobility, gas.drift()[0, 0] / 4 / field)) < 4
    if field == 0.1:
        assert abs(z_score(mobility, 0.61360133)) < 4
        assert abs(z_score(mobility, 0.8)) > 4
