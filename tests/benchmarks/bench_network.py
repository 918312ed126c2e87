"""Seconds and peak memory from a crystal to the pore network of its ions, each case in a fresh process on one core.

    python tests/benchmarks/bench_network.py [--runs 5] [--case "MOF-5, 424 atoms"]

The jitted functions are compiled beforehand; the cache of networks is not used. The last case has no symmetry: the
atoms of 2×2×2 cells of MOF-5, each moved a little at random. It takes minutes, and runs once unless named.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from ase import Atoms

from lattice.builder import LandscapeSettings, build_network
from runs.deck_file import read_deck
from runs.deck_species import deck_species
from runs.network_source import landscape_settings
from structures.cif import load_framework
from structures.framework import Framework
from structures.species import SHIPPED_SPECIES, Species

Case = tuple[Framework, list[Species], LandscapeSettings]
DECKS = Path(__file__).parents[2] / "runs" / "decks"


def ni_mof() -> Case:
    """Both ions of the shipped deck."""
    file = read_deck(DECKS / "ni_mof.toml")
    structure = file.deck.structure
    framework = load_framework(
        file.cif, charges=structure.charges, net_charge=structure.net_charge, cell=structure.cell
    )
    return framework, deck_species(file.deck), landscape_settings(file.deck)


def mof5() -> Case:
    """Lithium in the conventional cell."""
    file = read_deck(DECKS / "mof5.toml")
    framework = load_framework(file.cif, charges=file.deck.structure.charges, net_charge=0.0)
    return framework, [SHIPPED_SPECIES["Li+"]], LandscapeSettings(permittivity=10.0)


def large() -> Case:
    """Lithium in 2×2×2 cells of MOF-5 whose atoms were moved by 0.02 Å in every direction."""
    framework, ions, settings = mof5()
    charges = read_deck(DECKS / "mof5.toml").deck.structure.charges
    atoms = Atoms(framework.symbols, scaled_positions=framework.frac_coords, cell=framework.cell, pbc=True)
    atoms = atoms.repeat((2, 2, 2))
    atoms.positions += np.random.default_rng(0).normal(0.0, 0.02, atoms.positions.shape)
    return load_framework(atoms, charges=charges, net_charge=0.0), ions, settings


CASES: dict[str, Callable[[], Case]] = {
    "Ni-MOF, 180 atoms, both ions": ni_mof,
    "MOF-5, 424 atoms": mof5,
    "MOF-5, 3392 atoms without symmetry": large,
}


def build(name: str) -> None:
    """Build one network on one core and print seconds, MiB and the number of sites."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    start = time.perf_counter()
    framework, ions, settings = CASES[name]()
    network = build_network(framework, ions, settings)
    seconds = time.perf_counter() - start
    print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, network.n_sites)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--case", choices=CASES)
    parser.add_argument("--one", choices=CASES, help="build one network in this process")
    arguments = parser.parse_args()
    if arguments.one:
        build(arguments.one)
        return
    for name in [arguments.case] if arguments.case else CASES:
        command = [sys.executable, __file__, "--one", name]
        repeats = arguments.runs if arguments.case or CASES[name] is not large else 1
        subprocess.run([*command[:-1], next(iter(CASES))], check=True, capture_output=True)  # compiles
        runs = [
            [float(word) for word in subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()]
            for _ in range(repeats)
        ]
        seconds, memory = (statistics.median(run[k] for run in runs) for k in (0, 1))
        print(f"{name}: {runs[0][2]:.0f} sites, {seconds:.1f} s, {memory:.0f} MiB (median of {repeats})", flush=True)


if __name__ == "__main__":
    main()
