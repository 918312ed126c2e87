"""CPU seconds and peak memory from a crystal to the pore network of its ions, each case in a fresh process on one core.

    python tests/benchmarks/bench_network.py [--runs 5] [--case "MOF-5, 424 atoms"]

Beside them the time of the energy grids, computed once more, and its floor: the bare 12-6 terms of every grid point
with the atoms within the cut-off, without symmetry, charges, distances, orientations or the shift at the cut-off. The
jitted functions are compiled beforehand; the cache of networks is not used. The last case has no symmetry: the atoms of
2×2×2 cells of MOF-5, each moved a little at random. It takes minutes, and runs once unless named. A case over its
limits ends the program with status 1.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from ase import Atoms
from numba import njit

from lattice.builder import LandscapeSettings, build_network, ion_landscape
from lattice.field_grid import grid_shape
from runs.deck_file import read_deck
from runs.deck_species import deck_species
from runs.network_source import landscape_settings
from structures.cif import load_framework
from structures.framework import Framework
from structures.species import SHIPPED_SPECIES, Species

Crystal = tuple[Framework, list[Species], LandscapeSettings]
DECKS = Path(__file__).parents[2] / "runs" / "decks"
WARM_UP = 0.5  # Å, grid on which everything is compiled
PAIRS = 2e8  # over which the floor is timed


@dataclass(frozen=True, slots=True)
class Case:
    """A crystal, and what its network may cost at most.

    Attributes
    ----------
    crystal : callable
    seconds : float
        CPU time.
    megabytes : float
        Peak resident memory, 1e6 bytes.
    long : bool
        Runs once, and is compiled with another case.
    """

    crystal: Callable[[], Crystal]
    seconds: float = math.inf
    megabytes: float = math.inf
    long: bool = False


def ni_mof() -> Crystal:
    """Both ions of the shipped deck."""
    file = read_deck(DECKS / "ni_mof.toml")
    structure = file.deck.structure
    framework = load_framework(
        file.cif, charges=structure.charges, net_charge=structure.net_charge, cell=structure.cell
    )
    return framework, deck_species(file.deck), landscape_settings(file.deck)


def mof5() -> Crystal:
    """Lithium in the conventional cell."""
    file = read_deck(DECKS / "mof5.toml")
    framework = load_framework(file.cif, charges=file.deck.structure.charges, net_charge=0.0)
    return framework, [SHIPPED_SPECIES["Li+"]], LandscapeSettings(permittivity=10.0)


def rigid() -> Crystal:
    """A rigid ion of seven beads, over all its orientations, in the primitive cell."""
    file = read_deck(DECKS / "mof5.toml")
    framework = load_framework(file.cif, charges=file.deck.structure.charges, net_charge=0.0, cell="primitive")
    return framework, [SHIPPED_SPECIES["rigid-PF6-"]], LandscapeSettings(permittivity=10.0)


def large() -> Crystal:
    """Lithium in 2×2×2 cells of MOF-5 whose atoms were moved by 0.02 Å in every direction."""
    framework, ions, settings = mof5()
    charges = read_deck(DECKS / "mof5.toml").deck.structure.charges
    atoms = Atoms(framework.symbols, scaled_positions=framework.frac_coords, cell=framework.cell, pbc=True)
    atoms = atoms.repeat((2, 2, 2))
    atoms.positions += np.random.default_rng(0).normal(0.0, 0.02, atoms.positions.shape)
    return load_framework(atoms, charges=charges, net_charge=0.0), ions, settings


CASES: dict[str, Case] = {
    "Ni-MOF, 180 atoms, both ions": Case(ni_mof),
    "MOF-5, 106 atoms, rigid PF6-": Case(rigid),
    "MOF-5, 424 atoms": Case(mof5, seconds=40.0, megabytes=1000.0),
    "MOF-5, 3392 atoms without symmetry": Case(large, seconds=900.0, megabytes=4000.0, long=True),
}


@njit(error_model="numpy", nogil=True)
def _pair_terms(square, energy, rounds):
    for _ in range(rounds):
        for m in range(len(square)):
            inverse = 1.0 / square[m]
            i6 = inverse * inverse * inverse
            energy[m] += (i6 - 1.0) * i6


def pair_time() -> float:
    """CPU seconds of one 12-6 term in a vectorised loop over r² that are at hand in the nearest cache."""
    square, energy = np.linspace(1.0, 144.0, 1024), np.zeros(1024)
    _pair_terms(square, energy, 1)
    rounds = int(PAIRS / len(square))
    begin = time.process_time()
    _pair_terms(square, energy, rounds)
    return (time.process_time() - begin) / (rounds * len(square))


def pairs_of_grid(framework: Framework, settings: LandscapeSettings) -> float:
    """Points of the full grid times atoms within the cut-off of a point, on average."""
    density = len(framework.symbols) / framework.volume
    return math.prod(grid_shape(framework, settings.spacing)) * density * 4.0 / 3.0 * math.pi * settings.cutoff**3


def build(name: str, spacing: float | None) -> None:
    """Build one network on one core and print what it cost."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    begin = time.process_time()
    framework, ions, settings = CASES[name].crystal()
    if spacing is not None:
        settings = replace(settings, spacing=spacing)
    network = build_network(framework, ions, settings)
    cost = {
        "seconds": time.process_time() - begin,
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6,
        "sites": network.n_sites,
    }
    begin = time.process_time()
    for ion in ions:
        ion_landscape(framework, ion, settings)
    cost["grid"] = time.process_time() - begin
    cost["floor"] = pair_time() * pairs_of_grid(framework, settings) * len(ions)
    print(json.dumps(cost))


def measured(name: str, *options: str) -> dict[str, float]:
    """What one build cost in a process of its own."""
    command = [sys.executable, __file__, "--one", name, *options]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def over_limits(name: str, cost: dict[str, float]) -> list[str]:
    """Say what is more than the case may cost."""
    case = CASES[name]
    limits = (("seconds", case.seconds, "s"), ("megabytes", case.megabytes, "MB"))
    return [
        f"{name}: expected at most {limit:.0f} {unit}, found {cost[key]:.0f} {unit}"
        for key, limit, unit in limits
        if cost[key] > limit
    ]


def main() -> None:
    """Print one line per case."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--case", choices=CASES)
    parser.add_argument("--one", choices=CASES, help="build one network in this process")
    parser.add_argument("--spacing", type=float, help="of the grid of --one, Å")
    arguments = parser.parse_args()
    if arguments.one:
        build(arguments.one, arguments.spacing)
        return
    faults = []
    for name in [arguments.case] if arguments.case else CASES:
        measured("MOF-5, 424 atoms" if CASES[name].long else name, "--spacing", str(WARM_UP))
        repeats = 1 if CASES[name].long and not arguments.case else arguments.runs
        runs = [measured(name) for _ in range(repeats)]
        cost = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        print(
            f"{name}: {cost['sites']:.0f} sites, {cost['seconds']:.1f} s CPU, {cost['megabytes']:.0f} MB; energy grid "
            f"{cost['grid']:.2f} s, {cost['grid'] / cost['floor']:.1f} times the floor of {cost['floor']:.2f} s "
            f"(median of {repeats})",
            flush=True,
        )
        faults += over_limits(name, cost)
    if faults:
        sys.exit("\n".join(faults))


if __name__ == "__main__":
    main()
