"""A whole calculation that takes a second: ions of two kinds on listed sites, four tasks."""

from __future__ import annotations

import hashlib
from pathlib import Path

import h5py
import numpy as np
from decks import changed

SITES = """
name: body-centred cubic
cell_A: [12.0, 12.0, 12.0]
space_group: Im-3m
framework_charge_e: -1
sites:
  - {label: A, species: Li+, frac: [0, 0, 0], energy_eV: -1.5}
  - {label: B, species: Me2NH2+, frac: [0.5, 0, 0], energy_eV: -1.0}
hops:
  - {from: A, to: A, max_distance_A: 10.5, barrier_eV: 0.20}
  - {from: B, to: B, max_distance_A: 6.5, barrier_eV: 0.25}
"""

SMALL_DECK = """
[structure]
sites = "sites.yaml"
[landscape]
permittivity = 30
[rates]
model = "attempt_frequency"
attempt_frequency_Hz = 1e12
[lattice]
repeats = [2, 2, 2]
[composition]
kind = "exchange"
entering = "Li+"
leaving = "Me2NH2+"
[kmc]
events = 20_000
equilibration_sweeps = 20
samples = 100
[scan]
exchange_fractions = [0.5, 1]
temperatures_K = [300]
replicas = 2
[output]
plots = false
"""


def write_small_run(folder: Path, *changes: tuple[str, str]) -> Path:
    """Write the deck with some changes, and its sites, into a folder."""
    (folder / "sites.yaml").write_text(SITES, encoding="utf-8")
    path = folder / "deck.toml"
    path.write_text(changed(*changes, text=SMALL_DECK), encoding="utf-8")
    return path


def digests(folder: Path, *, deck: bool = True) -> dict[str, str]:
    """Hash of every number and text in every task file, but for where and how long it was computed.

    Without the text of the deck tasks of an extended calculation are like those of a larger one.
    """
    found = {}
    for path in sorted((folder / "tasks").glob("*.h5")):
        digest = hashlib.sha256()

        def add(name: str, item: h5py.Group | h5py.Dataset, digest=digest) -> None:
            digest.update(name.encode())
            for key, value in sorted(item.attrs.items()) if name != "provenance" else ():
                if key == "deck" and not deck:
                    continue
                digest.update(f"{key}={value!r}".encode())
            if isinstance(item, h5py.Dataset):
                digest.update(np.asarray(item[()]).tobytes() if item.dtype.kind != "O" else repr(item[()]).encode())

        with h5py.File(path) as file:
            add("", file)
            file.visititems(add)
        found[path.name] = digest.hexdigest()
    return found
