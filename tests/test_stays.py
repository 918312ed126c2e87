"""How long ions stay where: exact in time, by site of the network's cell, and what task files tell of it."""

import dataclasses

import h5py
import numpy as np
import pytest
from lattices import TEMPERATURE as UNIT_TEMPERATURE
from lattices import ring
from random_network import TEMPERATURE, random_network
from reference_kmc import reference_kmc

from kmc.placement import place_ions
from kmc.simulation import Simulation
from kmc.trajectory import (
    Checkpoint,
    TaskLabel,
    read_checkpoint,
    read_task,
    task_record,
    write_checkpoint,
    write_task,
)
from lattice.supercell import replicate
from structures.errors import InputError
from structures.hdf5 import seal

FIELD = (2e-3, -1e-3, 5e-4)
LATTICE = replicate(random_network(), (2, 1, 2))
LABEL = TaskLabel("task", 1, 0.5, "x", 0, "abc", "")


def start(frozen=()):
    state = place_ions(
        LATTICE, {"A+": 3, "B-": 2, "C2+": 1}, np.random.default_rng(4), temperature=TEMPERATURE, frozen=frozen
    )
    return Simulation(LATTICE, state, temperature=TEMPERATURE, field=FIELD)


def test_stays_and_departures_are_those_of_the_plain_reference():
    """After earlier hops, one species frozen: every interval between two events, in the ion numbers of each site."""
    simulation = start(frozen=("B-",))
    simulation.step(13)
    twin, until, n_sites = simulation.state.copy(), 6e-11, LATTICE.network.n_sites
    stay, departures = np.zeros(LATTICE.n_sites), np.zeros(n_sites, int)
    begin = now = twin.time
    for time, ion, site, hop, _ in reference_kmc(LATTICE, twin.copy(), simulation.conditions, 1000):
        stay[twin.ion_site] += min(time, begin + until) - now
        now = time
        if time > begin + until:
            break
        departures[LATTICE.network.hop_origin[hop]] += 1
        twin.ion_site[ion] = site
    samples = simulation.run(until, 5)
    assert 40 < departures.sum() == samples.events[-1] < 1000
    assert (samples.site_departures == departures).all()
    expected = stay.reshape(LATTICE.n_cells, n_sites).sum(axis=0) / until / LATTICE.n_cells
    assert samples.site_occupation == pytest.approx(expected, rel=1e-9)
    by_species = np.bincount(LATTICE.network.site_species, samples.site_occupation * LATTICE.n_cells)
    assert by_species == pytest.approx([3, 2, 1], rel=1e-9)


def test_ions_without_an_open_hop_stay_all_the_time():
    """A full ring: blocked from the start."""
    lattice = replicate(ring(), (4, 1, 1), interaction=None)
    state = place_ions(lattice, {"A": 4}, np.random.default_rng(1), temperature=UNIT_TEMPERATURE)
    samples = Simulation(lattice, state, temperature=UNIT_TEMPERATURE).run(3.0, 6)
    assert samples.blocked
    assert samples.site_occupation.tolist() == [1.0]
    assert samples.site_departures.tolist() == [0]


def test_a_second_run_counts_from_its_own_start():
    simulation = start()
    first, second = simulation.run(1e-11, 5), simulation.run(3e-11, 5)
    for samples in (first, second):
        assert samples.site_departures.sum() == samples.events[-1] > 0
        assert samples.site_occupation.sum() * LATTICE.n_cells == pytest.approx(6)


@pytest.fixture
def task(tmp_path):
    simulation = start()
    record = task_record(simulation, simulation.run(1e-11, 5), LABEL)
    write_task(tmp_path / "task.h5", record)
    return record, tmp_path / "task.h5"


def test_field_supercell_and_stays_are_in_the_file(task):
    record, path = task
    found = read_task(path)
    assert found.field.tolist() == list(FIELD)
    assert (found.cell == LATTICE.cell).all()
    assert (found.site_occupation == record.site_occupation).all()
    assert found.site_occupation.sum() > 0
    assert (found.site_departures == record.site_departures).all()


def test_a_file_of_before_these_were_kept_is_read(task):
    """It had no field; what is unknown is empty, and not zero."""
    record, path = task
    with h5py.File(path, "a") as file:
        del file.attrs["field"], file.attrs["cell"]
        del file["statistics/site_occupation"], file["statistics/site_departures"]
    seal(path)
    found = read_task(path)
    assert not found.field.any()
    assert not found.cell.any()
    assert found.site_occupation.shape == found.site_departures.shape == (0,)
    assert (found.displacement == record.displacement).all()


def test_stays_of_another_number_of_sites_are_refused(task):
    with pytest.raises(ValueError, match="site_departures must have shape"):
        dataclasses.replace(task[0], site_departures=np.zeros(3))


def test_a_checkpoint_of_before_is_refused_in_one_line(tmp_path):
    simulation, path = start(), tmp_path / "checkpoint.h5"
    sampler = simulation.begin(1e-11, 5)
    simulation.advance(sampler, 10)
    write_checkpoint(path, Checkpoint(LABEL, simulation.conditions, simulation.state, sampler))
    assert (read_checkpoint(path).sampler.arrival == sampler.arrival).all()
    with h5py.File(path, "a") as file:
        del file["sampler/arrival"]
    seal(path)
    with pytest.raises(InputError, match=r"the checkpoint of a run was expected; it cannot be read \(.*arrival.*\)$"):
        read_checkpoint(path)
