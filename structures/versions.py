"""Versions of the programs that numbers depend on; every file tells them."""

from __future__ import annotations

import importlib.metadata
import platform
from functools import cache

_PACKAGES = ("mofkmc", "numpy", "numba", "h5py")


@cache
def program_versions() -> dict[str, str]:
    """Version of every program that the numbers depend on."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:  # run from a source tree
            found[name] = "not installed"
    return found
