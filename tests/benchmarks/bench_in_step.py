"""Does it pay to share one event of a large lattice among threads? Exact, and the same bits for any number of them.

python tests/benchmarks/bench_in_step.py results/ni_mof/network.h5 [--repeats 4 6 9 13] [--threads 2 4]

The whole event loop, in bursts of some milliseconds, of which the best one counts: on a busy machine it takes luck that
all cores are free for so long. SITES_PER_THREAD of kmc/crew.py is chosen by these numbers.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from cases import scattered

from kmc import crew
from kmc.simulation import Simulation
from lattice.network import PoreNetwork
from lattice.supercell import Lattice, replicate

_BURST_SECONDS = 0.005


def simulation_of(lattice: Lattice, threads: int) -> Simulation:
    """Two ions of each of the first two species in every cell, at random; on so many threads without exception."""
    counts = [2 * lattice.n_cells] * 2
    state = scattered(lattice, counts, np.random.default_rng(1))
    simulation = Simulation(lattice, state, temperature=298.15, threads=lambda: threads)
    simulation.engine._crew._kernels_left = 10**9  # type: ignore[union-attr]
    return simulation


def main() -> None:
    """Print one line per supercell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network")
    parser.add_argument("--repeats", type=int, nargs="+", default=[4, 6, 9, 13])
    parser.add_argument("--threads", type=int, nargs="+", default=[2])
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args()
    crew.SITES_PER_THREAD = 1
    network = PoreNetwork.load(options.network)
    for n in options.repeats:
        flat = np.zeros((network.n_sites, n, n, n, network.n_sites))  # the time does not depend on the energies
        lattice = replicate(network, (n, n, n), share=lambda build, flat=flat: {"dense": flat})
        simulations = {threads: simulation_of(lattice, threads) for threads in (1, *options.threads)}
        best = dict.fromkeys(simulations, np.inf)
        n_events = max(5, int(_BURST_SECONDS / (5e-9 * lattice.n_sites)))
        end = time.perf_counter() + options.seconds
        while time.perf_counter() < end:
            for threads, simulation in simulations.items():
                sampler = simulation._sampler(np.zeros(0))
                last = int(simulation.engine.events[0]) + n_events
                begin = time.perf_counter()
                simulation.engine.advance(sampler, last, simulation.state.rng)
                assert simulation.engine.events[0] == last
                best[threads] = min(best[threads], (time.perf_counter() - begin) / n_events)
        alone = simulations.pop(1)
        for other in simulations.values():
            assert (other.state.site_factor == alone.state.site_factor).all()
            assert (other.state.ion_site == alone.state.ion_site).all()
        faster = ", ".join(f"on {k} threads {best[1] / best[k]:.2f} times as fast" for k in simulations)
        print(
            f"{lattice.n_sites} sites, {alone.state.n_ions} ions: {1e6 * best[1]:.1f} µs an event, {faster}", flush=True
        )


if __name__ == "__main__":
    main()
