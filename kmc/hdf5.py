"""HDF5 files of the engine: whole or not there at all, verified before they are read."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import h5py

from structures.errors import InputError
from structures.hdf5 import sealed_hdf5, whole_hdf5

FORMAT = 1


@contextlib.contextmanager
def create_file(path: str | Path) -> Iterator[h5py.File]:
    """Open a file for writing that appears under its name when the block ends, sealed, see `whole_hdf5`."""
    with whole_hdf5(path) as file:
        file.attrs["format"] = FORMAT
        yield file
        file.attrs["complete"] = True


@contextlib.contextmanager
def open_file(path: str | Path, what: str) -> Iterator[h5py.File]:
    """Open a file for reading after its seal has been verified.

    Parameters
    ----------
    path : str or Path
    what : str
        What the reader expects, for the error message.

    Raises
    ------
    InputError
        If the file is missing, damaged, unfinished or of another format, or if the block does not find what it expects.
    """
    try:
        with sealed_hdf5(path) as file:
            complete, number = file.attrs.get("complete", False), file.attrs.get("format", 0)
            if not complete or number != FORMAT:
                raise InputError(
                    f"{path}: {what} of format {FORMAT} was expected; found complete = {complete}, format = {number}"
                )
            yield file
    except InputError:
        raise
    except (AttributeError, KeyError, OSError, RuntimeError, TypeError, ValueError) as error:
        reason = (str(error).strip("'\"") or type(error).__name__).splitlines()[0]
        raise InputError(f"{path}: {what} was expected; it cannot be read ({reason})") from error
