"""Places of the ions in the file of a task: written in chunks of frames, read whole or in blocks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from kmc.hdf5 import open_file
from kmc.sampling import Frames

_FRAMED = "the file of a finished task with frames"
_CHUNK = 2**20  # bytes


def write_frames(group: h5py.Group, frames: Frames) -> None:
    """Write frames into an empty group, in chunks of whole frames."""
    group.attrs["every"] = frames.every
    for name in ("site", "image"):
        array = getattr(frames, name)
        together = max(1, min(len(array), _CHUNK // max(1, array[:1].nbytes)))
        chunks = (together, *array.shape[1:]) if array.size else None
        group.create_dataset(name, data=array, chunks=chunks, compression="gzip", compression_opts=4, shuffle=True)


def read_frames(path: str | Path) -> Frames:
    """Read the stored places of all ions.

    Raises
    ------
    InputError
        As `kmc.trajectory.read_task`, or if the file holds no frames.
    """
    with open_file(path, _FRAMED) as file:
        group = file["frames"]
        return Frames(int(group.attrs["every"]), group["site"][...], group["image"][...])


def frame_shape(path: str | Path) -> tuple[int, int, int]:
    """Read how many frames of how many ions a file holds, and at every how many samples one was kept.

    Raises
    ------
    InputError
        As `read_frames`.
    """
    with open_file(path, _FRAMED) as file:
        group = file["frames"]
        return *group["site"].shape, int(group.attrs["every"])


def stream_frames(path: str | Path, together: int) -> Iterator[tuple[NDArray[np.int32], NDArray[np.int32]]]:
    """Give sites (m, n_ions) and images (m, n_ions, 3) of at most so many frames at a time; only these are in memory.

    Raises
    ------
    InputError
        As `read_frames`.
    """
    with open_file(path, _FRAMED) as file:
        site, image = file["frames/site"], file["frames/image"]
        for first in range(0, len(site), together):
            yield site[first : first + together], image[first : first + together]
