"""The user's folder of networks built before, each under the checksum of everything it was built from."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import astuple, fields
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from lattice.network import PoreNetwork
from structures.framework import Framework
from structures.species import Species

_STRUCTURES = ("checks.py", "crystal.py", "framework.py", "ion_shapes.py", "species.py", "units.py")
_LIBRARIES = ("ase", "numba", "numpy", "scipy", "spglib")


def load_cached(path: Path) -> PoreNetwork | None:
    """Network in a cache file, or None if there is none or it is damaged."""
    with suppress(ValueError, OSError):
        return PoreNetwork.load(path)
    return None


def store(path: Path, network: PoreNetwork) -> None:
    """Write a network to the cache, if it can be written."""
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        network.save(path)


def default_cache_dir() -> Path:
    """$MOFKMC_CACHE, else the platform's folder for caches."""
    if override := os.environ.get("MOFKMC_CACHE"):
        return Path(override)
    if sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    elif sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", str(Path.home() / "AppData" / "Local")))
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME", "") or Path.home() / ".cache")
    return base / "mofkmc"


def cache_file(
    folder: Path,
    framework: Framework,
    species: Sequence[Species],
    settings: Any,
    cubes: Mapping[str, str | Path] = MappingProxyType({}),
) -> Path:
    """File named after framework, species, settings (a dataclass), cube files, code and libraries: all that matters."""
    digest = hashlib.sha256()
    here = Path(__file__).parent
    for source in (*sorted(here.glob("*.py")), *(here.parent / "structures" / name for name in _STRUCTURES)):
        digest.update(source.read_bytes())
    digest.update(repr([(name, version(name)) for name in _LIBRARIES]).encode())
    for field in fields(framework):
        value = getattr(framework, field.name)
        digest.update(field.name.encode())
        digest.update(np.ascontiguousarray(value).tobytes() if isinstance(value, np.ndarray) else repr(value).encode())
    digest.update(repr((tuple(ion.to_text() for ion in species), astuple(settings))).encode())
    for name, cube in sorted(cubes.items()):
        digest.update(f"{name} {Path(cube).name} {hashlib.sha256(Path(cube).read_bytes()).hexdigest()}".encode())
    return folder / f"network-{digest.hexdigest()[:32]}.h5"
