"""Positions of the ions from a task file, block by block, or from anyone's arrays."""

import tracemalloc

import numpy as np
import pytest
from framed_run import CUBIC, SKEW, write_framed_task
from lattices import simple_cubic

import analysis.frames
from analysis.frames import Trajectory, same_kind
from kmc.trajectory import read_task
from lattice.network import PoreNetwork
from structures.errors import InputError

ARRAYS = {
    "time_step_s": 2e-9,
    "species": ["Li+", "PF6-", "Li+"],
    "charges": [1, -1, 1],
    "cell_A": np.eye(3) * 9,
    "temperature_K": 300,
}


@pytest.mark.parametrize("network", [CUBIC, SKEW])
def test_displacements_of_the_frames_are_those_that_the_engine_recorded(network, tmp_path):
    counts = None if network is CUBIC else {"Li+": 7}
    path = write_framed_task(tmp_path / "task.h5", network, (6, 5, 4), counts, every=3)
    record, found = read_task(path), Trajectory.from_task(path, network)
    place = found.positions()
    assert (found.n_frames, found.n_ions, found.time_step) == (21, len(place[0]), 1.5)
    assert (found.repeats, found.temperature) == ((6, 5, 4), record.temperature)
    assert found.volume == pytest.approx(record.volume)
    assert found.count.tolist() == record.species_count.tolist()
    summed = [(place - place[0])[:, found.ion_species == p].sum(axis=1) for p in range(len(record.species_names))]
    np.testing.assert_allclose(np.stack(summed, axis=1), record.displacement[::3], atol=1e-10)
    assert np.abs(place - place[0]).max() > 4, "unwrapped"


def test_blocks_of_any_length_hold_the_same(tmp_path):
    found = Trajectory.from_task(write_framed_task(tmp_path / "task.h5"), CUBIC)
    whole = found.positions()
    for together in (1, 7, 61, 1000):
        blocks = list(found.blocks(together))
        assert max(map(len, blocks)) == min(together, 61)
        np.testing.assert_array_equal(np.concatenate(blocks), whole)


def test_memory_is_that_of_a_block_whatever_the_length(tmp_path, monkeypatch):
    """A fortieth of all positions; the whole of them would be noticed."""
    path = write_framed_task(tmp_path / "task.h5", counts={"Li+": 100}, n_samples=8000, step=0.01)
    found = Trajectory.from_task(path, CUBIC)
    everything = 24 * found.n_frames * found.n_ions
    monkeypatch.setattr(analysis.frames, "BLOCK", everything // 40)
    tracemalloc.start()
    frames = sum(len(block) for block in found.blocks())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert frames == 8001
    assert peak < everything / 5


def test_a_file_of_before_the_supercell_was_kept_tells_it_by_its_deck(tmp_path, monkeypatch):
    path = write_framed_task(tmp_path / "task.h5")
    record = read_task(path)

    def old(deck):
        changes = {"cell": np.zeros((3, 3)), "deck": deck}
        fields = {name: getattr(record, name) for name in record.__slots__} | changes
        monkeypatch.setattr(analysis.frames, "read_task", lambda path: type(record)(**fields))
        return Trajectory.from_task(path, CUBIC)

    assert old("[lattice]\nrepeats = [6, 6, 6]\n").repeats == (6, 6, 6)
    for deck in ("", "[lattice]\nrepeats = [6, 6, 5]\n"):
        with pytest.raises(InputError, match=r"task.h5: expected whole cells of the network in 216 Å³; found"):
            old(deck)


def test_frames_of_another_network_are_refused(tmp_path):
    path = write_framed_task(tmp_path / "task.h5")
    with pytest.raises(InputError, match="must belong to network test lattice; it was computed with another one"):
        Trajectory.from_task(path, simple_cubic())


def test_arrays_of_anyone():
    place = np.random.default_rng(1).normal(size=(5, 3, 3))
    found = Trajectory.from_arrays(place, **ARRAYS)
    assert found.species_names == ("Li+", "PF6-")
    assert found.charge.tolist() == [1, -1]
    assert found.ion_species.tolist() == [0, 1, 0]
    np.testing.assert_array_equal(np.concatenate(list(found.blocks(2))), place)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"positions": np.full((5, 3, 3), np.nan)}, "positions must be finite"),
        ({"positions": np.zeros((5, 2, 3))}, "positions must have shape"),
        ({"positions": np.zeros((0, 3, 3))}, "found 0 frames"),
        ({"charges": [1, -1, 2]}, "expected one charge for all ions of a name"),
        ({"time_step_s": 0.0}, "positive numbers"),
        ({"cell_A": np.eye(2)}, "cell_A must have shape"),
    ],
)
def test_bad_arrays_are_refused_in_one_line(change, line):
    given = {"positions": np.zeros((5, 3, 3)), **ARRAYS, **change}
    with pytest.raises(InputError, match=line) as refused:
        Trajectory.from_arrays(given.pop("positions"), **given)
    assert "\n" not in str(refused.value)


def test_replicas_must_be_of_one_kind():
    place = np.zeros((5, 3, 3))
    one = Trajectory.from_arrays(place, **ARRAYS)
    assert same_kind([one, one]) is one
    with pytest.raises(InputError, match="arrays has another temperature"):
        same_kind([one, Trajectory.from_arrays(place, **{**ARRAYS, "temperature_K": 301})])
    with pytest.raises(InputError, match="expected at least one run with frames"):
        same_kind([])


def test_the_type_of_network_is_what_a_run_holds(tmp_path):
    """A network that was stored and read again has the same content."""
    CUBIC.save(tmp_path / "network.h5")
    path = write_framed_task(tmp_path / "task.h5")
    assert Trajectory.from_task(path, PoreNetwork.load(tmp_path / "network.h5")).n_frames == 61
