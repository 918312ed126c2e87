"""Hops per second of the multilevel engine against the number of sites at a fixed density of ions, beside streaming.

python tests/benchmarks/bench_multilevel.py [--edges 22 30 48 64 100] [--streaming 22 30 48]
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from kmc.simulation import Simulation
from kmc.state import State
from lattice.network import PoreNetwork
from lattice.supercell import Lattice, replicate
from structures.species import Species

FILLING, TEMPERATURE, SPACING, PERMITTIVITY, BARRIER = 0.02, 300.0, 3.0, 10.0, 0.3


def simple_cubic() -> PoreNetwork:
    """One species of charge +1 that hops between nearest neighbours of a simple cubic lattice."""
    images = np.concatenate([np.eye(3, dtype=int), -np.eye(3, dtype=int)])
    temperatures = np.array([200.0, 20000.0])
    beta = 11604.518 / temperatures
    return PoreNetwork(
        name="simple cubic", cell=SPACING * np.eye(3), framework_symbols=(), framework_frac=np.zeros((0, 3)),
        framework_charges=np.zeros(0), framework_charge=0.0, permittivity=np.float64(PERMITTIVITY),
        species=(Species("A+", 1.0, mass=7.0, lj_epsilon=0.0, lj_sigma=1.0, contact_radius=0.1, source="benchmark"),),
        site_species=np.zeros(1), site_frac=np.zeros((1, 3)), site_energy=np.zeros(1), site_orbit=np.zeros(1),
        site_label=("point",), site_width=np.zeros(1), site_overridden=np.zeros(1, bool),
        site_log_partition=np.zeros((1, 2)), hop_origin=np.zeros(6), hop_target=np.zeros(6), hop_image=images,
        hop_saddle=np.full(6, BARRIER), hop_overridden=np.zeros(6, bool),
        hop_log_conductance=np.tile(-BARRIER * beta, (6, 1)), hop_orbit=np.zeros(6),
        hop_reverse=np.array([3, 4, 5, 0, 1, 2]), exclusion_a=np.zeros(0), exclusion_b=np.zeros(0),
        exclusion_image=np.zeros((0, 3)), rate_model="attempt_frequency", temperatures=temperatures,
        percolation=np.zeros((1, 3)), accessible_volume=SPACING**3, largest_cavity=1.0, limiting_diameter=1.0,
        provenance=("benchmark",),
    )  # fmt: skip


def scattered(lattice: Lattice, rng: np.random.Generator) -> State:
    """Ions on random sites; placing them one by one with their energies would take long in large supercells."""
    n = round(FILLING * lattice.n_sites)
    site = np.sort(rng.choice(lattice.n_sites, n, replace=False)).astype(np.int32)
    occupant, blocked = np.full(lattice.n_sites, -1, np.int32), np.zeros(lattice.n_sites, np.int16)
    occupant[site], blocked[site] = np.arange(n), 1
    return State(
        occupant=occupant, blocked=blocked, ion_species=np.zeros(n, np.int32), mobile=np.ones(n, bool), ion_site=site,
        ion_image=np.zeros((n, 3), np.int32), ion_last_hop=np.full(n, -1, np.int32), site_factor=np.zeros(0),
        reference=np.zeros(1), time=0.0, next_time=np.nan, n_events=0, rng=rng,
    )  # fmt: skip


def speed(simulation: Simulation, n_events: int, rounds: int = 15) -> tuple[float, float]:
    """Hops per second of CPU time: best and median of so many rounds."""
    simulation.equilibrate(1)
    simulation.step(n_events)
    took = []
    for _ in range(rounds):
        begin = time.thread_time()
        simulation.step(n_events)
        took.append((time.thread_time() - begin) / n_events)
    return 1.0 / min(took), 1.0 / float(np.median(took))


def main() -> None:
    """Print one line per size and engine."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--edges", type=int, nargs="*", default=[22, 30, 48, 64, 100])
    parser.add_argument("--streaming", type=int, nargs="*", default=[22, 30, 48])
    options = parser.parse_args()
    network = simple_cubic()
    for n in options.streaming:
        lattice = replicate(network, (n, n, n))
        exact = Simulation(lattice, scattered(lattice, np.random.default_rng(1)), temperature=TEMPERATURE)
        best, median = speed(exact, max(100, 20_000_000 // lattice.n_sites))
        print(f"streaming  {lattice.n_sites:8d} sites: {best:8,.0f} hops/s best, {median:8,.0f} median", flush=True)
    for n in options.edges:
        lattice = replicate(network, (n, n, n), interaction="untabulated coulomb")
        begin = time.thread_time()
        far = Simulation(lattice, scattered(lattice, np.random.default_rng(1)), temperature=TEMPERATURE)
        setup = time.thread_time() - begin
        best, median = speed(far, 1000)
        found, events = far.engine.check(), int(far.state.n_events)
        per_hop = {name: round(count / events, 2) for name, count in far.engine.counters.items()}
        print(
            f"multilevel {lattice.n_sites:8d} sites: {best:8,.0f} hops/s best, {median:8,.0f} median; set up in "
            f"{setup:.1f} s; error of hop energies {found.rms:.1e} eV rms, {found.worst:.1e} worst; per hop {per_hop}",
            flush=True,
        )


if __name__ == "__main__":
    main()
