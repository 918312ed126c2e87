"""HDF5 files that appear whole or not at all, also where the disk fills up."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import h5py

from structures.files import whole_file


@contextlib.contextmanager
def whole_hdf5(path: str | Path) -> Iterator[h5py.File]:
    """Open a file for writing that appears under its name when the block ends, see `whole_file`.

    It is made in memory and written as plain bytes at the end: HDF5 that meets a full disk cannot close the file,
    prints a page of errors and brings the process down, and with it all that runs beside.

    Parameters
    ----------
    path : str or Path
        Its folder must be there.

    Raises
    ------
    OSError
        If it cannot be written; an older file is as it was.
    """
    with whole_file(path) as temporary:
        with h5py.File(temporary, "w", driver="core", backing_store=False) as file:
            yield file
            file.flush()
            image = file.id.get_file_image()
        temporary.write_bytes(image)
