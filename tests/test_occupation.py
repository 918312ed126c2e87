"""Occupation, residence and hop counts against what is exact for one ion alone; files that do not tell."""

import dataclasses

import numpy as np
import pytest
from lattices import TEMPERATURE, chain, ring
from scipy import stats

from analysis.occupation import occupation
from analysis.residence import hop_counts, residence
from analysis.statistics import Interval
from kmc.placement import place_ions
from kmc.simulation import Simulation
from kmc.trajectory import TaskLabel, task_record
from lattice.supercell import replicate
from structures.errors import InputError

ENERGY = np.array([0.0, 0.7, 1.5])  # kT
SADDLE = np.array([2.0, 2.4, 1.9])
CHAIN = chain(ENERGY, SADDLE)


def records(network, counts, until, *, replicas=12, repeats=(2, 1, 1), temperature=TEMPERATURE, composition=0.5):
    found = []
    for k in range(replicas):
        lattice, rng = replicate(network, repeats, interaction=None), np.random.default_rng([7, k])
        state = place_ions(lattice, counts, rng, temperature=temperature)
        simulation = Simulation(lattice, state, temperature=temperature, attempt_frequency=1.0)
        simulation.equilibrate(100)
        label = TaskLabel(f"t{k}", 1, composition, "x", k, network.content_hash, "")
        found.append(task_record(simulation, simulation.run(until, 20), label))
    return found


@pytest.fixture(scope="module")
def alone():
    return records(CHAIN, {"A": 1}, 2000.0)


def deviation(interval, exact, n):
    """In standard errors of Student's interval."""
    half = (interval.hi - interval.lo) / 2
    return (interval.value - exact) / (half / stats.t.ppf(0.975, n - 1))


def test_one_ion_alone_is_where_boltzmann_puts_it(alone):
    found = occupation(alone, CHAIN)
    weight = np.exp(-ENERGY)
    exact = weight / weight.sum()
    assert found.value * 2 == pytest.approx(exact, rel=0.1)
    for row, p in zip(found.orbits, exact, strict=True):
        assert row.alone == pytest.approx(p)
        assert abs(deviation(row.share, p, 12)) < 4
        assert row.share.value == pytest.approx(2 * row.occupation.value)
        assert 0 < row.share.lo < row.share.hi < 1
    assert sum(row.share.value for row in found.orbits) == pytest.approx(1)


def test_one_ion_alone_stays_for_the_inverse_of_its_rates(alone):
    found = residence(alone, CHAIN)
    for site, row in enumerate(found.orbits):
        exact = 1 / np.exp(ENERGY[site] - SADDLE[[site, site - 1]]).sum()
        assert abs(deviation(row.time, exact, 12)) < 4
        assert row.departures == sum(r.site_departures[site] for r in alone) > 300
    assert sum(row.departures for row in found.orbits) == sum(r.events[-1] for r in alone)


def test_every_second_hop_of_one_ion_on_a_ring_goes_back():
    found = hop_counts(records(ring(), {"A": 1}, 400.0, repeats=(5, 1, 1)), ring())
    (row,) = found.orbits
    assert row.hops > 3000
    assert abs(deviation(row.back, 0.5, 12)) < 4
    assert abs(deviation(row.rate, 2.0, 12)) < 4
    assert (row.share, row.length, row.ends) == (1.0, pytest.approx(1.0), ("point (0)", "point (0)"))


def test_tables_and_pictures_say_their_units():
    """Two loadings at two temperatures."""
    made = [
        record
        for x, n in ((0.25, 1), (0.75, 3))
        for T in (TEMPERATURE, 1.2 * TEMPERATURE)
        for record in records(CHAIN, {"A": n}, 30.0, replicas=2, temperature=T, composition=x)
    ]
    for found, column in (
        (occupation(made, CHAIN), "occupation"),
        (residence(made, CHAIN), "residence time (s)"),
        (hop_counts(made, CHAIN), "back-hop share"),
    ):
        table = found.to_frame()
        assert len(table) == 12
        assert {"x", "T (K)", "species", column, "replicas"} <= set(table)
        np.testing.assert_array_equal(table[column], found.value)
        assert [found.interval[0].lo, found.interval[0].hi] == pytest.approx(
            table.filter(regex=f"^{column.split(' (')[0]} (lo|hi)").iloc[0].tolist()
        )
        ax = found.plot()
        assert ax.get_xlabel()
    assert len(occupation(made, CHAIN).at(0.7, 1.1 * TEMPERATURE)) == 3
    assert {row.composition for row in occupation(made, CHAIN).at(0.7, 0.0)} == {0.75}


def test_what_never_left_has_a_lower_bound_and_what_never_was_has_none(alone):
    """Departures of a Poisson process: none in a time s excludes means below s / 3.69 at 97.5 %."""
    n = len(alone[0].site_departures)
    still = dataclasses.replace(
        alone[0], site_departures=np.zeros(n, int), site_occupation=np.array([0.5, 0.0, 0.0]), replica=0
    )
    first, second, _ = residence([still], CHAIN).orbits
    assert first.time.value == first.time.hi == np.inf
    assert first.time.lo == pytest.approx(2000.0 / -np.log(0.025))
    assert np.isnan([second.time.value, second.time.lo, second.time.hi]).all()
    four = dataclasses.replace(still, site_departures=np.array([4, 0, 0]))
    assert residence([four], CHAIN).orbits[0].time == Interval(
        500.0,
        pytest.approx(2000 / (stats.chi2.ppf(0.975, 10) / 2)),
        pytest.approx(2000 / (stats.chi2.ppf(0.025, 8) / 2)),
    )


def test_one_replica_has_no_interval_of_its_occupation(alone):
    row = occupation(alone[:1], CHAIN).orbits[0]
    assert np.isnan([row.occupation.lo, row.occupation.hi]).all()
    assert row.occupation.value > 0


def test_a_kind_without_ions_takes_no_share():
    made = records(CHAIN, {"A": 1}, 5.0, replicas=2)
    none = [dataclasses.replace(r, species_count=np.zeros(1), site_occupation=np.zeros(3)) for r in made]
    assert np.isnan([row.share.value for row in occupation(none, CHAIN).orbits]).all()
    assert residence(none, CHAIN).orbits == ()
    assert hop_counts(none, CHAIN).orbits == ()


def test_files_that_do_not_tell_are_left_out_and_said(alone):
    old = dataclasses.replace(alone[0], site_occupation=np.zeros(0), site_departures=np.zeros(0, int))
    found = occupation([old, *alone[1:]], CHAIN)
    assert found.orbits[0].replicas == 11
    assert found.statements == ("1 tasks of an older version do not tell where ions stayed",)
    for estimate in (occupation, residence):
        with pytest.raises(InputError, match="found files of an older version; run them again"):
            estimate([old], CHAIN)
        with pytest.raises(InputError, match="found no task"):
            estimate([], CHAIN)
        with pytest.raises(InputError, match="t0: expected the 1 sites of network test lattice; found 3"):
            estimate(alone, ring())
    with pytest.raises(InputError, match="t0: expected the 1 hop orbits of network test lattice; found 3"):
        hop_counts(alone, ring())
    with pytest.raises(InputError, match="at least one complete task"):
        hop_counts([], CHAIN)
