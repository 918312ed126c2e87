"""HDF5 files that appear whole or not at all, closed by a checksum that is verified before they are opened.

The last line of a file is a seal, the SHA-256 of all bytes before it. HDF5 looks at nothing behind the end that its
header states, so every other program opens the file as it is. A damaged one can crash HDF5, or never lets it
return.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
from collections.abc import Iterator
from pathlib import Path

import h5py

from structures.errors import InputError
from structures.files import whole_file

_MARK = b"\nmofkmc sha256 "
_SEAL_LENGTH = len(_MARK) + 65
_CHUNK = 1 << 20


@contextlib.contextmanager
def whole_hdf5(path: str | Path) -> Iterator[h5py.File]:
    """Open a file for writing that appears under its name when the block ends, sealed, see `whole_file`.

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
        image = io.BytesIO()
        with h5py.File(image, "w") as file:
            yield file
        temporary.write_bytes(image.getbuffer())
        seal(temporary)


def seal(path: str | Path) -> None:
    """Add the checksum of a file's bytes at its end."""
    with Path(path).open("r+b") as file:
        file.write(_seal_of(file, file.seek(0, os.SEEK_END)))


@contextlib.contextmanager
def sealed_hdf5(path: str | Path) -> Iterator[h5py.File]:
    """Open a file of `whole_hdf5` for reading after its seal has been verified.

    Raises
    ------
    InputError
        If the bytes do not match the seal, or there is none.
    OSError
        If it cannot be read.
    """
    with Path(path).open("rb") as stream:
        length = max(0, stream.seek(0, os.SEEK_END) - _SEAL_LENGTH)
        stream.seek(length)
        found = stream.read()
        if not found.startswith(_MARK):
            raise InputError(
                f"{path}: must end in its checksum; got none: it is cut off, of another program or of an older "
                "version; make it again"
            )
        if found != _seal_of(stream, length):
            raise InputError(
                f"{path}: must match the checksum at its end; it was changed or damaged after it was written; "
                "make it again"
            )
    with h5py.File(path, "r") as file:
        yield file


def _seal_of(file: io.BufferedIOBase, length: int) -> bytes:
    """Seal of the first `length` bytes of an open file, whose position is there afterwards."""
    digest = hashlib.sha256()
    file.seek(0)
    while length > 0:
        part = file.read(min(length, _CHUNK))
        digest.update(part)
        length -= len(part)
    return _MARK + digest.hexdigest().encode() + b"\n"
