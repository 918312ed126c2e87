"""PoreNetwork in an HDF5 file that is closed by the checksum of its bytes."""

from __future__ import annotations

import hashlib
from dataclasses import fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from lattice.network import PoreNetwork
from structures.errors import InputError
from structures.hdf5 import sealed_hdf5, whole_hdf5
from structures.species import Species
from structures.versions import program_versions

FORMAT = 2
_TEXT = ("framework_symbols", "site_label", "provenance")
_NAMES = ("name", "rate_model")
_SCALARS = ("framework_charge", "accessible_volume", "largest_cavity", "limiting_diameter")
_ARRAYS = tuple(f.name for f in fields(PoreNetwork) if f.name not in (*_TEXT, *_NAMES, *_SCALARS, "species"))


def content_hash(network: PoreNetwork) -> str:
    """SHA-256 of all fields, in hexadecimal."""
    digest = hashlib.sha256(f"PoreNetwork {FORMAT}".encode())
    for name in _ARRAYS:
        array = getattr(network, name)
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    plain = [*(getattr(network, name) for name in _NAMES), *(float(getattr(network, name)) for name in _SCALARS)]
    ions = [ion.to_text() for ion in network.species]
    text = [[str(line) for line in getattr(network, name)] for name in _TEXT]
    digest.update(repr((plain, ions, text)).encode())
    return digest.hexdigest()


def write_network(path: Path, network: PoreNetwork) -> None:
    """Write all fields and their hash; the file appears whole or not at all."""
    with whole_hdf5(path) as file:
        file.attrs["format"] = FORMAT
        file.attrs["content_hash"] = content_hash(network)
        for name, version in program_versions().items():
            file.attrs[f"version of {name}"] = version
        for name in (*_NAMES, *_SCALARS):
            file.attrs[name] = getattr(network, name)
        for name in _ARRAYS:
            file[name] = getattr(network, name)
        for name in _TEXT:
            file.create_dataset(name, data=list(getattr(network, name)), dtype=h5py.string_dtype())
        file.create_dataset("species", data=[ion.to_text() for ion in network.species], dtype=h5py.string_dtype())


def read_network(path: Path) -> PoreNetwork:
    """Read a network from a file that is as it was written.

    Raises
    ------
    ValueError
        If the file is not a network, is of another format, or is damaged.
    """
    try:
        with sealed_hdf5(path) as file:
            found = int(file.attrs.get("format", 0))
            if found != FORMAT:
                raise InputError(f"{path}: network file must have format {FORMAT}; got {found}")
            return _read(file)
    except (FileNotFoundError, InputError):
        raise
    except (OSError, KeyError, RuntimeError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path}: must be a network file of mofkmc; {str(error).partition(chr(10))[0]}") from error


def _read(file: Any) -> PoreNetwork:
    values: dict[str, Any] = {name: file[name][()] for name in _ARRAYS}
    values |= {name: tuple(file[name].asstr()[()]) for name in _TEXT}
    values |= {name: float(file.attrs[name]) for name in _SCALARS} | {name: str(file.attrs[name]) for name in _NAMES}
    return PoreNetwork(species=tuple(Species.from_text(text) for text in file["species"].asstr()[()]), **values)
