"""The file of a task: what goes in comes out, bit for bit, and what is not whole is refused."""

import dataclasses

import h5py
import numpy as np
import pytest
from random_network import TEMPERATURE, random_network

import kmc.simulation
import kmc.trajectory
from kmc.frames import frame_shape, read_frames, stream_frames
from kmc.placement import place_ions
from kmc.simulation import Simulation
from kmc.trajectory import (
    Checkpoint,
    Provenance,
    TaskLabel,
    read_checkpoint,
    read_label,
    read_progress,
    read_provenance,
    read_state,
    read_task,
    task_record,
    write_checkpoint,
    write_task,
)
from lattice.supercell import replicate
from structures.errors import InputError
from structures.hdf5 import seal

LABEL = TaskLabel(
    key="x0.50_T300_r2",
    seed=7,
    composition=0.5,
    composition_name="x",
    replica=2,
    network_hash="abc",
    deck="a = 1\n",
    settings="def",
)
LATTICE = replicate(random_network(), (2, 1, 2))


@pytest.fixture
def finished():
    """A short simulation with a frozen species and one without ions, its samples and its record."""
    rng = np.random.default_rng(9)
    state = place_ions(LATTICE, {"A+": 3, "B-": 2}, rng, temperature=TEMPERATURE, frozen=("B-",))
    simulation = Simulation(LATTICE, state, temperature=TEMPERATURE, attempt_frequency=2e12)
    samples = simulation.run(1e-10, 40, frame_every=10)
    return simulation, samples, task_record(simulation, samples, LABEL)


def test_a_record_comes_back_as_it_was(finished, tmp_path):
    _, samples, record = finished
    write_task(tmp_path / "task.h5", record)
    found = read_task(tmp_path / "task.h5")
    for field in dataclasses.fields(record):
        np.testing.assert_array_equal(getattr(found, field.name), getattr(record, field.name), err_msg=field.name)
    assert found.species_names == ("A+", "B-", "C2+")
    assert found.species_count.tolist() == [3, 2, 0]
    assert found.species_mobile.tolist() == [True, False, True]
    assert found.volume == pytest.approx(4 * LATTICE.network.volume)
    assert (found.temperature, found.attempt_frequency) == (TEMPERATURE, 2e12)
    np.testing.assert_array_equal(found.permittivity, 60 * np.eye(3))
    assert found.events[-1] == samples.hop_orbit_events.sum() > 0
    assert (found.displacement[:, 1:] == 0).all()
    assert [path.name for path in tmp_path.iterdir()] == ["task.h5"]


def test_a_task_says_which_it_is_and_where_it_was_computed(finished, tmp_path):
    """The label alone tells a file of another task, of another network or of other settings."""
    _, _, record = finished
    write_task(tmp_path / "task.h5", record, provenance=Provenance(12.5, 3, hosts=2, ranks=4, threads=8))
    assert read_label(tmp_path / "task.h5") == LABEL
    found = read_provenance(tmp_path / "task.h5")
    assert {name: found[name] for name in ("seconds", "parts", "hosts", "ranks", "threads")} == {
        "seconds": 12.5,
        "parts": 3,
        "hosts": 2,
        "ranks": 4,
        "threads": 8,
    }
    assert found["numpy"] == np.__version__
    assert {"python", "mofkmc", "numba", "h5py"} <= found.keys()
    assert LABEL.difference(dataclasses.replace(LABEL, deck="a = 1 # a remark")) == ""
    for change in ({"key": "x"}, {"seed": 8}, {"network_hash": "abd"}, {"settings": ""}, {"composition": 0.25}):
        (name,) = change
        assert LABEL.difference(dataclasses.replace(LABEL, **change)).startswith(f"{name} {getattr(LABEL, name)} was ")


def test_a_simulation_goes_on_from_the_file_with_the_same_bits(finished, tmp_path):
    simulation, _, record = finished
    write_task(tmp_path / "task.h5", record, state=simulation.state)
    resumed = Simulation(
        LATTICE, read_state(tmp_path / "task.h5"), temperature=TEMPERATURE, attempt_frequency=2e12
    )  # fmt: skip
    here, there = simulation.run(5e-11, 10), resumed.run(5e-11, 10)
    for field in ("displacement", "events", "energy", "msd", "hop_orbit_returns"):
        np.testing.assert_array_equal(getattr(here, field), getattr(there, field), err_msg=field)
    assert simulation.state.rng.random() == resumed.state.rng.random()
    for name, array in simulation.state.arrays().items():
        assert array.dtype == resumed.state.arrays()[name].dtype
        np.testing.assert_array_equal(array, resumed.state.arrays()[name], err_msg=name)


def test_frames_are_kept_only_if_asked_for(finished, tmp_path):
    _, samples, record = finished
    write_task(tmp_path / "with.h5", record, frames=samples.frames)
    write_task(tmp_path / "without.h5", record)
    frames = read_frames(tmp_path / "with.h5")
    assert (frames.every, frames.site.shape) == (10, (5, 5))
    np.testing.assert_array_equal(frames.site, samples.frames.site)
    np.testing.assert_array_equal(frames.image, samples.frames.image)
    assert frame_shape(tmp_path / "with.h5") == (5, 5, 10)
    blocks = list(stream_frames(tmp_path / "with.h5", 2))
    assert [len(site) for site, _ in blocks] == [2, 2, 1]
    np.testing.assert_array_equal(np.concatenate([site for site, _ in blocks]), frames.site)
    np.testing.assert_array_equal(np.concatenate([image for _, image in blocks]), frames.image)
    for read, what in (
        (read_frames, "the file of a finished task with frames"),
        (frame_shape, "the file of a finished task with frames"),
        (read_state, "the file of a finished task with its state"),
        (read_checkpoint, "the checkpoint of a run"),
    ):
        with pytest.raises(InputError, match=rf"without\.h5: {what} was expected; it cannot be read"):
            read(tmp_path / "without.h5")


def test_a_file_that_is_not_whole_is_refused(finished, tmp_path):
    _, _, record = finished
    path = tmp_path / "task.h5"
    with pytest.raises(InputError, match="the file of a finished task was expected; it cannot be read"):
        read_task(path)
    write_task(path, record)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="must end in its checksum"):
        read_task(path)
    path.write_bytes(whole)
    with h5py.File(path, "a") as file:
        file.attrs["complete"] = False
    seal(path)
    with pytest.raises(InputError, match="of format 1 was expected; found complete = False"):
        read_task(path)


@pytest.mark.parametrize(
    ("name", "reader"),
    [
        ("species", read_task),
        ("samples/energy", read_task),
        ("@temperature", read_task),
        ("statistics@drift", read_task),
        ("state/occupant", read_state),
        ("state@generator", read_state),
        ("frames/site", read_frames),
    ],
)
def test_a_file_with_something_missing_is_refused_by_its_name(finished, tmp_path, name, reader):
    """By the reader that looks for it, where the checksum fits."""
    simulation, samples, record = finished
    path = tmp_path / "task.h5"
    write_task(path, record, state=simulation.state, frames=samples.frames)
    with h5py.File(path, "a") as file:
        group, _, attribute = name.partition("@")
        if attribute:
            del file[group or "/"].attrs[attribute]
        else:
            del file[name]
    seal(path)
    with pytest.raises(InputError, match=r"task\.h5: the file of a finished task.*it cannot be read \("):
        reader(path)


def test_one_wrong_bit_is_noticed(finished, tmp_path):
    _, _, record = finished
    path = tmp_path / "task.h5"
    write_task(path, record)
    with h5py.File(path, "a") as file:
        energy = file["samples/energy"][...]
        energy[7] = np.nextafter(energy[7], 1.0)
        file["samples/energy"][...] = energy
    for read in (read_task, read_state, read_frames):
        with pytest.raises(InputError, match=r"task\.h5: must .* checksum"):
            read(path)


@pytest.mark.parametrize("interaction", ["coulomb", None])
def test_a_run_stopped_anywhere_goes_on_from_its_checkpoint_with_the_same_bits(interaction, tmp_path):
    """Stopped five times, each time written, read and taken further in a fresh simulation, after an earlier run.

    The finished task file is that of a run that nothing interrupted, every dataset and attribute of it.
    """
    lattice = replicate(random_network(), (2, 1, 2), interaction=interaction)
    options = {"temperature": TEMPERATURE, "field": (1e-3, 0.0, 0.0), "recount_every": 41}

    def start():
        rng = np.random.default_rng(5)
        state = place_ions(lattice, {"A+": 3, "B-": 3}, rng, temperature=TEMPERATURE)
        simulation = Simulation(lattice, state, **options)
        simulation.step(25)
        return simulation

    def finish(simulation, samples, path):
        write_task(path, task_record(simulation, samples, LABEL), state=simulation.state, frames=samples.frames)
        return contents(path)

    whole, simulation = start(), start()
    expected = finish(whole, whole.run(2e-10, 60, frame_every=7), tmp_path / "whole.h5")
    sampler, stops = simulation.begin(2e-10, 60, frame_every=7), []
    for n_events in (0, 1, 30, 41, 60):
        assert not simulation.advance(sampler, n_events)
        stops.append(int(sampler.next_sample[0]))
        given = Checkpoint(LABEL, simulation.conditions, simulation.state, sampler, seconds=1.5, parts=3)
        write_checkpoint(tmp_path / "checkpoint.h5", given)
        found = read_checkpoint(tmp_path / "checkpoint.h5")
        assert (found.label, found.seconds, found.parts) == (LABEL, 1.5, 3)
        assert found.conditions.temperature == TEMPERATURE
        assert (found.conditions.field == options["field"]).all()
        made = simulation.state.n_events - 25
        assert read_progress(tmp_path / "checkpoint.h5") == (stops[-1] / 61, made, 1.5)
        sampler = found.sampler
        simulation = Simulation(lattice, found.state, **options)
    assert simulation.advance(sampler)
    assert simulation.advance(sampler)
    found = finish(simulation, simulation.finish(sampler), tmp_path / "parts.h5")
    assert 0 < stops[2] < stops[3] < stops[4] < 60
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


@pytest.mark.parametrize("samples", [1, 3])
def test_neither_the_length_of_kernels_nor_their_samples_change_a_bit(samples, tmp_path, monkeypatch):
    """A run in one kernel, and one whose kernels end after so many samples or 7 hops."""

    def finish(name):
        rng = np.random.default_rng(5)
        state = place_ions(LATTICE, {"A+": 3, "B-": 3}, rng, temperature=TEMPERATURE)
        simulation = Simulation(LATTICE, state, temperature=TEMPERATURE)
        measured = simulation.run(2e-10, 600)
        write_task(tmp_path / name, task_record(simulation, measured, LABEL), state=simulation.state)
        return contents(tmp_path / name)

    monkeypatch.setattr("kmc.simulation._SAMPLES", 1000)
    monkeypatch.setattr("kmc.simulation._Pace.moves", lambda self: 10**6)
    expected = finish("one.h5")
    monkeypatch.setattr("kmc.simulation._SAMPLES", samples)
    monkeypatch.setattr("kmc.simulation._Pace.moves", lambda self: 7)
    found = finish("many.h5")
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


@pytest.mark.parametrize("cost", [1e-6, 3e-3])
def test_kernels_return_in_time_whatever_a_hop_costs(finished, monkeypatch, cost):
    """The clock goes by the moves made: every kernel takes at most 0.1 s, and soon nearly as much."""
    simulation, clock, took = finished[0], [0.0], []

    class Clock:
        monotonic = staticmethod(lambda: clock[0])

    def advance(tables, ions, sampler, last_event, rng, team):
        took.append(cost * (last_event - int(ions.events[0])))
        clock[0] += took[-1]
        ions.events[0] = last_event
        return 1

    monkeypatch.setattr(kmc.simulation, "time", Clock)
    monkeypatch.setattr(kmc.simulation.kernels, "advance", advance)
    assert not simulation.advance(simulation.begin(1.0, 5), seconds=2.0)
    assert max(took) <= 0.1
    assert 2.0 <= clock[0] <= 2.1
    assert min(took[10:-1]) > 0.09
    assert not simulation.advance(simulation.begin(1.0, 5), seconds=0.0)
    assert clock[0] > 2.0, "one kernel at least"


def contents(path):
    """Every dataset and attribute of a file."""
    found = {}

    def visit(name, item):
        found.update({f"{name}@{key}": value for key, value in item.attrs.items()})
        if isinstance(item, h5py.Dataset):
            found[name] = item[...]

    with h5py.File(path) as file:
        visit("", file)
        file.visititems(visit)
    return found


@pytest.mark.parametrize("bits", [np.random.PCG64, np.random.Philox, np.random.SFC64, np.random.MT19937])
def test_every_generator_of_numpy_comes_back(finished, tmp_path, bits):
    simulation, _, record = finished
    state = simulation.state.copy()
    state.rng = np.random.Generator(bits(3))
    write_task(tmp_path / "task.h5", record, state=state)
    assert (read_state(tmp_path / "task.h5").rng.random(700) == state.rng.random(700)).all()


def test_a_writer_that_fails_leaves_the_old_file_and_nothing_else(finished, tmp_path, monkeypatch):
    _, _, record = finished
    path = tmp_path / "task.h5"
    write_task(path, record)
    before = path.read_bytes()

    def full_disk(group, state):
        raise OSError("no space left on device")

    monkeypatch.setattr(kmc.trajectory, "_write_state", full_disk)
    with pytest.raises(OSError, match="no space left"):
        write_task(path, record, state=finished[0].state)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["task.h5"]


def test_a_record_checks_its_shapes(finished):
    with pytest.raises(ValueError, match=r"energy must have shape \(41,\); got \(40,\)"):
        dataclasses.replace(finished[2], energy=finished[2].energy[1:])
    with pytest.raises(ValueError, match="msd must have shape"):
        dataclasses.replace(finished[2], msd=finished[2].msd[1:])
