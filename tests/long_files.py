"""Task files of long runs, made without running them: many frames in little time, many samples, 10⁹ events."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
from gaussian_paths import gaussian_path

from kmc.trajectory import TaskRecord
from structures.hdf5 import _SEAL_LENGTH, seal

CHUNK = 2**20  # bytes


def lengthen_frames(path: Path, n_bytes: int, *, n_sites: int, n_ions: int) -> int:
    """Replace the frames of a task file by random ones that take `n_bytes` (16 per ion) before compression.

    One chunk is compressed and written many times over, so that this takes seconds. Returns the number of frames.
    """
    together = max(1, CHUNK // (16 * n_ions))
    n_frames = together * max(1, n_bytes // (16 * n_ions * together))
    rng = np.random.default_rng(1)
    site = np.array([rng.choice(n_sites, n_ions, replace=False) for _ in range(together)], np.int32)
    image = rng.integers(-3, 4, size=(together, n_ions, 3), dtype=np.int32)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - _SEAL_LENGTH)
    with h5py.File(path, "r+") as file:
        every = file["frames"].attrs["every"]
        del file["frames"]
        group = file.create_group("frames")
        group.attrs["every"] = every
        for name, values in (("site", site), ("image", image)):
            data = group.create_dataset(
                name,
                (n_frames, *values.shape[1:]),
                np.int32,
                chunks=values.shape,
                compression="gzip",
                compression_opts=4,
                shuffle=True,
            )
            data[:together] = values
            first = (0,) * values.ndim
            _, chunk = data.id.read_direct_chunk(first)
            for k in range(together, n_frames, together):
                data.id.write_direct_chunk((k, *first[1:]), chunk)
    seal(path)
    return n_frames


def long_record(record: TaskRecord, n_samples: int, replica: int, *, events: int = 10**9) -> TaskRecord:
    """The record of a run of so many events and samples; its ions diffuse and relax."""
    rng = np.random.default_rng([2, replica])
    step = float(record.time[1])
    n_species = len(record.species_names)
    paths = [
        gaussian_path(rng, n_samples, step, diffusion=1 / step, amplitude=(40.0,), rate=(0.2 / step,))
        for _ in range(n_species)
    ]
    time = step * np.arange(n_samples + 1)
    return replace(
        record,
        key=f"long_r{replica}",
        replica=replica,
        time=time,
        displacement=np.stack(paths, axis=1),
        events=np.linspace(0, events, n_samples + 1).astype(np.int64),
        energy=np.zeros(n_samples + 1),
    )
