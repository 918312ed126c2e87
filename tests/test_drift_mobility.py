"""Drift in a field of the engine against exact values, and the test of linearity (VERIFICATION §7)."""

from dataclasses import dataclass

import numpy as np
import pytest
from lattices import BARRIER, TEMPERATURE, ion, square

from analysis.displacements import Displacements
from analysis.drift_mobility import drift_mobility
from kmc.placement import place_ions
from kmc.simulation import Simulation
from lattice.supercell import PairEnergies, replicate
from structures.errors import InputError

NU = np.exp(BARRIER)
IN_FREE_SPACE = 1e-16  # cm²/(V s) for 1 Å²/(V s)


@dataclass(frozen=True)
class Gas:
    """4 ions on 4×4 sites; kT = 1 eV, so that a field of 1 V/Å is one kT per hop."""

    repulsion: float = 0.0
    charge: float = 1.0
    time: float = 1500.0

    def run(self, field, n_replicas=8, seed=1):
        network = square(saddle=BARRIER, species=[ion("A", self.charge)])
        pairs = None
        if self.repulsion:
            pairs = PairEnergies.within(network, 1.01, lambda distance, charges: self.repulsion + 0.0 * distance)
        lattice = replicate(network, (4, 4, 1), interaction=pairs)
        found = []
        for stream in np.random.SeedSequence(seed).spawn(n_replicas):
            state = place_ions(lattice, {"A": 4}, np.random.default_rng(stream), temperature=TEMPERATURE)
            simulation = Simulation(
                lattice, state, temperature=TEMPERATURE, attempt_frequency=NU, field=(field, 0.0, 0.0)
            )
            simulation.equilibrate(100)
            found.append(simulation.run(self.time, 300))
        return Displacements(
            species_names=("A",),
            charge=np.array([self.charge]),
            count=np.array([4]),
            mobile=np.array([True]),
            volume=lattice.volume,
            temperature=TEMPERATURE,
            time=tuple(s.time for s in found),
            collective=tuple(s.displacement for s in found),
            lag=tuple(s.lag for s in found),
            msd=tuple(s.msd for s in found),
            blocked=(False,) * n_replicas,
            cell=None,
            field=np.array([field, 0.0, 0.0]),
        )


@pytest.mark.parametrize("charge", [1.0, -1.0])
def test_hard_core_gas(charge):
    """u = 2 sinh(ε/2) W / E exactly, against the field for negative ions; without a field the same as at small ε."""
    gas = Gas(charge=charge)
    found = drift_mobility([gas.run(0.4, seed=2), gas.run(0.0, n_replicas=40, seed=3)])
    assert found.strength.tolist() == [0.0, 0.4]
    for E, (u,) in zip((1e-6, 0.4), found.mobility, strict=True):
        exact = charge * 2 * np.sinh(E / 2) / E * 12 / 15 * IN_FREE_SPACE
        half = (u.hi - u.lo) / 2
        assert abs(u.value - exact) < 2.6 * half  # 4 standard errors and more, as Student's t of 8 replicas is wide
        assert half < 0.3 * abs(exact)
    assert found.linear
    assert found.to_frame()["E (V/cm)"].tolist() == [0.0, pytest.approx(4e7)]
    assert found.plot().get_xlabel() == "E  (V / cm)"


@pytest.mark.validation
def test_interacting_gas():
    """u = 2 kT: v/ε = 0.61360133 at ε = 0.1, and D_J/kT = 0.61327831 without a field, with conductivities to match."""
    gas = Gas(repulsion=2.0, time=3000.0)
    found = drift_mobility([gas.run(0.1, 100, seed=4), gas.run(0.0, 100, seed=5)])
    for exact, (u,), sigma in zip((0.61327831, 0.61360133), found.mobility, found.sigma, strict=True):
        error = (u.hi - u.lo) / 2 / 1.98
        assert abs(u.value / IN_FREE_SPACE - exact) < 4 * error / IN_FREE_SPACE
        assert error < 0.11 * u.value
        # n e u / V: 4 ions in 16 cells of 5 Å³
        assert sigma.value == pytest.approx(4 * 1.602176634e-19 * u.value / (80 * 1e-24), rel=1e-9)
    assert found.linear


def test_a_strong_field_is_not_linear():
    """ε = 4: 2 sinh(2)/4 = 1.81 times the mobility of ε = 0.4."""
    gas = Gas()
    found = drift_mobility([gas.run(4.0, seed=6), gas.run(0.4, seed=7)])
    assert not found.linear
    assert any("response not linear" in line for line in found.statements)


def test_one_strength_says_what_it_lacks():
    found = drift_mobility([Gas(time=100.0).run(0.4, n_replicas=1)])
    assert not found.linear
    assert np.isnan(found.sigma[0].hi)
    assert any("linearity not checked: add" in line for line in found.statements)


def test_runs_that_do_not_belong_together_are_refused():
    one = Gas(time=100.0).run(0.4, n_replicas=1)
    values = {name: getattr(one, name) for name in one.__slots__}
    across = Displacements(**(values | {"field": np.array([0.0, 0.4, 0.0])}))
    warm = Displacements(**(values | {"temperature": 300.0}))
    still = Displacements(**(values | {"field": np.zeros(3)}))
    for data, message in (([one, across], "along one axis"), ([one, warm], "one temperature"), ([still], "found none")):
        with pytest.raises(InputError, match=message):
            drift_mobility(data)
