"""Frames as H5MD 1.1, which MDAnalysis, ASE (through znh5md) and kinisi open.

P. de Buyl, P. H. Colberg, F. Höfling, Comput. Phys. Commun. 185, 1546 (2014); https://www.nongnu.org/h5md.
"""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from analysis.atoms_of_run import AtomsOfRun, atoms_of_run
from analysis.frames import Trajectory
from lattice.network import PoreNetwork
from structures.files import whole_file
from structures.hdf5 import seal
from structures.versions import program_versions

PICOSECONDS = 1e12  # in a second
_CHUNK = 2**20  # bytes


def write_h5md(path: str | Path, trajectory: Trajectory, network: PoreNetwork | None = None) -> None:
    """Write all frames of a run, block by block.

    Positions are unwrapped, in Å, `image` is therefore zero; time is in ps. Ions come first, then the atoms of the
    framework, which programs that subtract a drift need. Cells are lower triangular; where that of the network is not,
    everything is turned. What H5MD has no place for is in /kmc: kinds of the atoms, temperature, name of the task.

    Parameters
    ----------
    path : str or Path
    trajectory : Trajectory
    network : PoreNetwork, optional
        Of the run, for the framework.

    Raises
    ------
    InputError
        If the frames cannot be read.
    OSError
        If the file cannot be written; an older one is as it was.
    """
    atoms = atoms_of_run(trajectory, network)
    with whole_file(path) as temporary:
        with h5py.File(temporary, "w") as file:
            _write_head(file, atoms, trajectory)
            position = _write_particles(file.create_group("particles/trajectory"), atoms, trajectory)
            first = 0
            together = max(1, position.chunks[0])
            for block in trajectory.blocks(together):
                position[first : first + len(block)] = atoms.placed(block)
                first += len(block)
        seal(temporary)


def _write_head(file: h5py.File, atoms: AtomsOfRun, trajectory: Trajectory) -> None:
    head = file.create_group("h5md")
    head.attrs["version"] = np.array([1, 1], np.int32)
    head.create_group("author").attrs["name"] = "mofkmc"
    creator = head.create_group("creator")
    creator.attrs["name"] = "mofkmc"
    creator.attrs["version"] = program_versions()["mofkmc"]
    ours = file.create_group("kmc")
    ours.attrs["task"] = trajectory.name
    ours.attrs["temperature"] = trajectory.temperature
    ours.attrs["ions"] = atoms.n_ions
    ours.create_dataset("kind", data=np.array(atoms.kinds, dtype=object), dtype=h5py.string_dtype())


def _write_particles(group: h5py.Group, atoms: AtomsOfRun, trajectory: Trajectory) -> h5py.Dataset:
    """Write all but the positions, whose dataset is returned."""
    n_frames, n_atoms = trajectory.n_frames, len(atoms.numbers)
    position = group.create_group("position")
    position["step"] = np.arange(n_frames, dtype=np.int64)
    position["time"] = np.arange(n_frames) * (trajectory.time_step * PICOSECONDS)
    position["time"].attrs["unit"] = "ps"
    together = max(1, min(n_frames, _CHUNK // (24 * n_atoms)))
    values = position.create_dataset(
        "value",
        (n_frames, n_atoms, 3),
        np.float64,
        chunks=(together, n_atoms, 3),
        compression="gzip",
        compression_opts=4,
    )
    values.attrs["unit"] = "Angstrom"
    box = group.create_group("box")
    box.attrs["dimension"] = 3
    box.attrs["boundary"] = ["periodic"] * 3
    edges = _constant(box, "edges", atoms.cell, position)
    edges.attrs["unit"] = "Angstrom"
    _constant(group, "species", atoms.numbers, position)
    _constant(group, "charge", atoms.charges, position).attrs["unit"] = "e"
    _constant(group, "id", np.arange(n_atoms, dtype=np.int32), position)
    _constant(group, "image", np.zeros((n_atoms, 3), np.int32), position)
    return values


def _constant(group: h5py.Group, name: str, value: NDArray[np.generic], position: h5py.Group) -> h5py.Dataset:
    """Write what never changes as often as there are frames, which most readers expect."""
    element = group.create_group(name)
    element["step"], element["time"] = position["step"], position["time"]
    n_frames = len(position["step"])
    together = max(1, min(n_frames, _CHUNK // max(1, value.nbytes)))
    dataset = element.create_dataset(
        "value",
        (n_frames, *value.shape),
        value.dtype,
        chunks=(together, *value.shape),
        compression="gzip",
        compression_opts=4,
        shuffle=True,
    )
    for first in range(0, n_frames, together):
        dataset[first : first + together] = np.broadcast_to(value, (min(together, n_frames - first), *value.shape))
    return dataset
