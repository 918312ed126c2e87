"""HDF5 files of the engine: whole or not there at all, with a checksum over everything in them."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from structures.errors import InputError
from structures.hdf5 import whole_hdf5

FORMAT = 1


@contextlib.contextmanager
def create_file(path: str | Path) -> Iterator[h5py.File]:
    """Open a file for writing that appears under its name when the block ends, sealed by its checksum."""
    with whole_hdf5(path) as file:
        file.attrs["format"] = FORMAT
        yield file
        file.attrs["checksum"] = checksum(file)
        file.attrs["complete"] = True


@contextlib.contextmanager
def open_file(path: str | Path, what: str) -> Iterator[h5py.File]:
    """Open a file for reading after its checksum has been verified.

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
        with h5py.File(path, "r") as file:
            complete, number = file.attrs.get("complete", False), file.attrs.get("format", 0)
            if not complete or number != FORMAT:
                raise InputError(
                    f"{path}: {what} of format {FORMAT} was expected; found complete = {complete}, format = {number}"
                )
            if checksum(file) != file.attrs["checksum"]:
                raise InputError(f"{path}: {what} was expected; its contents do not match their checksum")
            yield file
    except InputError:
        raise
    except (AttributeError, KeyError, OSError, RuntimeError, TypeError, ValueError) as error:
        reason = (str(error).strip("'\"") or type(error).__name__).splitlines()[0]
        raise InputError(f"{path}: {what} was expected; it cannot be read ({reason})") from error


def checksum(file: h5py.File) -> str:
    """SHA-256 of names, types, shapes and contents of all datasets and attributes, in hexadecimal."""
    items: dict[str, Any] = {"": file}
    file.visititems(items.__setitem__)
    digest = hashlib.sha256()
    for name in sorted(items):
        item = items[name]
        if isinstance(item, h5py.Dataset):
            _add(digest, name, item[...])
        for key in sorted(item.attrs):
            if (name, key) not in (("", "checksum"), ("", "complete")):
                _add(digest, f"{name}@{key}", np.asarray(item.attrs[key]))
    return digest.hexdigest()


def _add(digest: Any, name: str, array: Any) -> None:
    text = array.dtype.kind in "OU"
    data = repr([v.decode() if isinstance(v, bytes) else str(v) for v in array.ravel()]).encode() if text else b""
    digest.update(f"{name} {'text' if text else array.dtype.str} {array.shape} ".encode())
    digest.update(data or np.ascontiguousarray(array))
