"""Seconds and peak memory from a CIF to the pore network of its ions, each framework in a fresh process.

    python tests/benchmarks/bench_network.py [--runs 5]

The jitted functions are compiled beforehand; the cache of networks is not used.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

from lattice.builder import build_network
from runs.deck_file import deck_species, read_deck
from runs.model import landscape_settings
from structures.cif import load_framework


def build(deck_path: str) -> None:
    """Build one network and print seconds and MiB."""
    file = read_deck(Path(deck_path))
    deck = file.deck
    start = time.perf_counter()
    framework = load_framework(
        file.cif, charges=deck.structure.charges, net_charge=deck.structure.net_charge, cell=deck.structure.cell
    )
    network = build_network(framework, deck_species(deck), landscape_settings(deck))
    seconds = time.perf_counter() - start
    print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, network.n_sites)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--one", metavar="DECK", help="build one network in this process")
    arguments = parser.parse_args()
    if arguments.one:
        build(arguments.one)
        return
    decks = Path(__file__).parents[2] / "runs" / "decks"
    for name in ("ni_mof", "mof5"):
        command = [sys.executable, __file__, "--one", str(decks / f"{name}.toml")]
        runs = [
            [float(word) for word in subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()]
            for _ in range(arguments.runs + 1)
        ][1:]
        seconds, memory = (statistics.median(run[k] for run in runs) for k in (0, 1))
        print(f"{name}: both ions, {runs[0][2]:.0f} sites, {seconds:.1f} s, {memory:.0f} MiB (median of {len(runs)})")


if __name__ == "__main__":
    main()
