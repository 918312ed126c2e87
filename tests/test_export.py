"""Frames in other formats: what is in the files, without the programs that read them."""

import ase.io
import h5py
import numpy as np
import pytest
from framed_run import CUBIC, SKEW, write_framed_task
from random_network import random_network
from scipy.spatial.distance import pdist

from analysis.atoms_of_run import atoms_of_run, central_atom
from analysis.exchange_formats import FORMATS, export_frames, largest_step
from analysis.frames import Trajectory
from analysis.h5md import write_h5md
from structures.errors import InputError
from structures.hdf5 import sealed_hdf5


@pytest.fixture
def task(tmp_path):
    return write_framed_task(tmp_path / "x0.50_r0.h5", n_samples=20, step=2e-9)


@pytest.mark.parametrize(
    ("species", "symbol"),
    [
        ("Li+", 3), ("Me2NH2+", 7), ("rigid-Me2NH2+", 7), ("PF6-", 15), ("rigid-PF6-", 15), ("BF4-", 5), ("NH4+", 7),
        ("TFSI-", 7), ("ClO4-", 17), ("OH-", 8), ("H+", 1), ("Zn2+", 30), ("A", 0), ("ion 1", 0),
    ],
)  # fmt: skip
def test_an_ion_stands_as_its_central_atom(species, symbol):
    assert central_atom(species) == symbol


@pytest.mark.parametrize("network", [SKEW, CUBIC])
def test_turning_into_a_lower_triangular_cell_keeps_all_distances(network, tmp_path):
    counts = {"Li+": 9}
    path = write_framed_task(tmp_path / "task.h5", network, (5, 4, 6), counts, n_samples=10)
    run = Trajectory.from_task(path, network)
    atoms = atoms_of_run(run, network)
    assert not np.triu(atoms.cell, 1).any()
    assert (np.diag(atoms.cell) > 0).all()
    assert atoms.cell @ atoms.cell.T == pytest.approx(run.cell @ run.cell.T)
    place, old = atoms.placed(run.positions()), run.positions()
    assert (atoms.n_ions, len(atoms.numbers), atoms.kinds[8:10]) == (9, 9 + 240, ("Li+", "framework"))
    assert pdist(place[7, :9]) == pytest.approx(pdist(old[7]))
    inside = place[0, 9:] @ np.linalg.inv(atoms.cell)
    expected = old[3] @ np.linalg.inv(run.cell), place[3, :9] @ np.linalg.inv(atoms.cell)
    assert expected[0] == pytest.approx(expected[1], abs=1e-12)
    assert ((inside > -1e-9) & (inside < 1)).all()
    if network is CUBIC:
        assert (place[:, :9] == old).all()


def test_h5md_has_the_layout_that_readers_expect(task, tmp_path):
    run = Trajectory.from_task(task, CUBIC)
    write_h5md(tmp_path / "out.h5md", run, CUBIC)
    with sealed_hdf5(tmp_path / "out.h5md") as file:
        assert file["h5md"].attrs["version"].tolist() == [1, 1]
        assert file["h5md/author"].attrs["name"] == file["h5md/creator"].attrs["name"] == "mofkmc"
        group = file["particles/trajectory"]
        assert group["box"].attrs["dimension"] == 3
        assert list(group["box"].attrs["boundary"]) == ["periodic"] * 3
        n_atoms = 17 + 2 * 216
        for name, shape in (("box/edges", (3, 3)), ("species", ()), ("charge", ()), ("id", ()), ("image", (3,))):
            at = (n_atoms,) if name != "box/edges" else ()
            assert group[name]["value"].shape == (21, *at, *shape)
            for shared in ("step", "time"):
                assert group[name][shared] == group["position"][shared], "a hard link"
        position = group["position"]
        assert position["step"][...].tolist() == list(range(21))
        assert position["time"][...] == pytest.approx(2e3 * np.arange(21))
        assert position["time"].attrs["unit"] == "ps"
        assert position["value"].attrs["unit"] == group["box/edges/value"].attrs["unit"] == "Angstrom"
        assert h5py.check_string_dtype(position["value"].attrs.get_id("unit").dtype).length is None
        np.testing.assert_array_equal(position["value"][:, :17], run.positions())
        assert (position["value"][5, 17:] == position["value"][0, 17:]).all()
        assert group["species/value"][3, [0, 12, 17, 18]].tolist() == [3, 7, 8, 6]
        assert group["charge/value"][3, [0, 12, 17, 18]] == pytest.approx([1, 1, -0.6, 0.1])
        assert not group["image/value"][...].any()
        assert "observables" not in file
        assert file["kmc/kind"].asstr()[[0, 12, 17]].tolist() == ["Li+", "rigid-Me2NH2+", "framework"]
        assert file["kmc"].attrs["task"] == "x0.50_r0"


def test_frames_are_written_in_any_blocks(task, tmp_path, monkeypatch):
    run = Trajectory.from_task(task, CUBIC)
    write_h5md(tmp_path / "whole.h5md", run, CUBIC)
    monkeypatch.setattr("analysis.h5md._CHUNK", 24 * 449 * 4)
    write_h5md(tmp_path / "parts.h5md", run, CUBIC)
    with h5py.File(tmp_path / "whole.h5md") as whole, h5py.File(tmp_path / "parts.h5md") as parts:
        assert parts["particles/trajectory/position/value"].chunks == (4, 449, 3)
        for name in ("position", "box/edges", "species"):
            key = f"particles/trajectory/{name}/value"
            np.testing.assert_array_equal(whole[key][...], parts[key][...])


def test_extended_xyz_is_read_by_ase(task, tmp_path):
    path = export_frames(task, CUBIC, tmp_path, "xyz").path
    assert path == tmp_path / "x0.50_r0.xyz"
    frames, run = ase.io.read(path, index=":"), Trajectory.from_task(task, CUBIC).positions()
    assert len(frames) == 21
    assert frames[4].positions[:17] == pytest.approx(run[4], abs=1e-6)
    assert frames[4].cell[:] == pytest.approx(np.eye(3) * 6)
    assert frames[4].pbc.all()
    assert frames[4].info == {"Time": pytest.approx(8e3), "temperature": pytest.approx(11604.5, rel=1e-4)}
    assert frames[4].get_chemical_symbols()[11:19] == ["Li", "N", "N", "N", "N", "N", "O", "C"]
    assert frames[4].arrays["kind"][[0, 12, 17]].tolist() == ["Li+", "rigid-Me2NH2+", "framework"]
    assert frames[4].arrays["id"].tolist() == list(range(449))


def test_displacement_arrays(task, tmp_path):
    found, run = (
        np.load(export_frames(task, CUBIC, tmp_path, "npz").path),
        Trajectory.from_task(task, CUBIC).positions(),
    )
    assert found["displacements"].shape == (449, 20, 3)
    np.testing.assert_allclose(np.swapaxes(found["displacements"][:17], 0, 1), run[1:] - run[0])
    assert not found["displacements"][17:].any()
    assert float(found["time_step"]) == pytest.approx(2e6)
    assert found["kind"][[0, 12, 17]].tolist() == ["Li+", "rigid-Me2NH2+", "framework"]


@pytest.mark.parametrize("form", FORMATS)
def test_ions_alone_if_the_framework_is_not_wanted(task, tmp_path, form):
    path = export_frames(task, CUBIC, tmp_path, form, framework=False).path
    if form == "xyz":
        assert len(ase.io.read(path)) == 17
    elif form == "npz":
        assert len(np.load(path)["numbers"]) == 17
    else:
        with h5py.File(path) as file:
            assert file["particles/trajectory/position/value"].shape == (21, 17, 3)


def test_what_cannot_be_exported_is_refused_and_leaves_nothing(task, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(InputError, match="format: expected one of h5md, xyz, npz; found pdb"):
        export_frames(task, CUBIC, out, "pdb")
    with pytest.raises(InputError, match="must belong to network random"):
        export_frames(task, random_network(), out, "h5md")
    content = task.read_bytes()
    for form in FORMATS:
        task.write_bytes(content[: len(content) // 2])
        with pytest.raises(InputError, match="must end in its checksum"):
            export_frames(task, CUBIC, out, form)
    assert list(out.iterdir()) == []


@pytest.mark.parametrize("form", FORMATS)
def test_a_task_without_frames_is_refused(tmp_path, form):
    path = write_framed_task(tmp_path / "task.h5", every=0)
    with pytest.raises(InputError, match="the file of a finished task with frames was expected"):
        export_frames(path, CUBIC, tmp_path, form)


def test_steps_that_others_would_fold_are_said(tmp_path):
    """In a box of 6 Å: half of it or more between two frames."""
    often = write_framed_task(tmp_path / "often.h5", step=0.02, n_samples=50)
    seldom = write_framed_task(tmp_path / "seldom.h5", step=8.0, n_samples=50)
    assert export_frames(often, CUBIC, tmp_path, "npz").statements == ()
    made = export_frames(seldom, CUBIC, tmp_path, "npz")
    assert (made.frames, made.ions) == (51, 17)
    (line,) = made.statements
    place = Trajectory.from_task(seldom, CUBIC).positions()
    share = np.abs(np.diff(place, axis=0)).max() / 6
    assert share > 0.5
    assert line.startswith(f"seldom: an ion moves by {share:.2g} times the width of the supercell between two frames")


def test_the_largest_step_is_found_between_blocks_too(monkeypatch):
    place = np.zeros((9, 2, 3))
    place[4:, 1, 2] = 3.0
    run = Trajectory.from_arrays(
        place, time_step_s=1.0, species=["A", "A"], charges=[1, 1], cell_A=np.eye(3) * 10, temperature_K=300
    )
    for size in (1, 2, 4, 100):
        monkeypatch.setattr("analysis.frames.BLOCK", 24 * 2 * size)
        assert largest_step(run) == pytest.approx(0.3)
