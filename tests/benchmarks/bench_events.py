"""Events per second of one core, beside the time of one streaming pass over the site factors.

python tests/benchmarks/bench_events.py results/ni_mof/network.h5 [--repeats 3 6] [--temperature 298.15]
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from numba import njit

from kmc.placement import place_ions
from kmc.simulation import Simulation
from lattice.network import PoreNetwork
from lattice.supercell import Lattice, replicate


@njit(error_model="numpy", nogil=True)
def _stream(factor, row, n_passes):
    for _ in range(n_passes):
        for k in range(len(factor)):
            factor[k] *= row[k]


def floor_time(n_sites: int, n_passes: int = 20_000) -> float:
    """Seconds of one read-modify-write pass over an array with a value for every site."""
    factor, row = np.ones(n_sites), np.ones(n_sites)
    _stream(factor, row, 1)
    begin = time.perf_counter()
    _stream(factor, row, n_passes)
    return (time.perf_counter() - begin) / n_passes


def simulation_of(lattice: Lattice, temperature: float, rng: np.random.Generator) -> Simulation:
    """Place half Li+, half Me2NH2+ (or the first two species) to balance the framework, and let them relax."""
    per_cell = max(1, round(abs(lattice.network.framework_charge) / 2))
    names = [species.name for species in lattice.network.species[:2]]
    counts = dict.fromkeys(names, per_cell * lattice.n_cells)
    simulation = Simulation(lattice, place_ions(lattice, counts, rng, temperature=temperature), temperature=temperature)
    simulation.equilibrate(50)
    return simulation


def main() -> None:
    """Print one line per supercell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network")
    parser.add_argument("--repeats", type=int, nargs="+", default=[3, 6])
    parser.add_argument("--temperature", type=float, default=298.15)
    parser.add_argument("--seconds", type=float, default=3.0)
    options = parser.parse_args()
    rng = np.random.default_rng(1)
    network = PoreNetwork.load(options.network)
    print(f"{network.name}: {network.n_sites} sites and {len(network.hop_origin)} hops per cell")
    for n in options.repeats:
        begin = time.perf_counter()
        lattice = replicate(network, (n, n, n))
        table = time.perf_counter() - begin
        simulation = simulation_of(lattice, options.temperature, rng)
        simulation.step(100)
        events, spent = 0, 0.0
        best = 0.0
        while spent < options.seconds:
            begin = time.perf_counter()
            made = simulation.step(5_000)
            took = time.perf_counter() - begin
            best = max(best, made / took)
            events, spent = events + made, spent + took
        one_pass = floor_time(lattice.n_sites)
        print(
            f"{n}x{n}x{n}: {lattice.n_sites} sites, {simulation.state.n_ions} ions, table in {table:.2f} s: "
            f"{events / spent:,.0f} events/s (best {best:,.0f}); one pass {one_pass * 1e6:.2f} µs, "
            f"so {spent / events / one_pass:.1f} passes per event; drift {simulation.drift():.1e} eV"
        )


if __name__ == "__main__":
    main()
