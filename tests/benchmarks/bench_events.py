"""Events per second of one core, beside the time of one streaming pass over the site factors.

    python tests/benchmarks/bench_events.py [NETWORK.h5] [--repeats 3 6] [--temperature 298.15]

Without a network file: 47 random sites in the volume of a Ni-MOF cell, about ten hops each, two species, two ions of
each per cell.
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
from structures.species import SHIPPED_SPECIES


def synthetic_network(rng: np.random.Generator) -> PoreNetwork:
    """Random sites in a hexagonal cell, 1.5 or 2.5 Å apart by species; hops to neighbours, contact exclusions."""
    cell = np.array([[22.0, 0.0, 0.0], [-11.0, 19.05, 0.0], [0.0, 0.0, 6.7]])
    species = (SHIPPED_SPECIES["Li+"], SHIPPED_SPECIES["Me2NH2+"])
    numbers, shortest, longest, contact = (35, 12), (1.5, 2.5), (6.2, 9.0), (1.52, 3.0)
    frac, site_species, links = [], [], []
    for p, number in enumerate(numbers):
        mine: list[np.ndarray] = []
        while len(mine) < number:
            trial = rng.random(3)
            if all(_distances(trial, f, cell).min() > shortest[p] for f in mine):
                mine.append(trial)
        first = len(frac)
        for i, f in enumerate(mine):
            for j, g in enumerate(mine):
                for image, d in zip(_IMAGES, _distances(f, g, cell), strict=True):
                    if 0 < d < longest[p]:
                        links.append((first + i, first + j, *image, d))
        frac += mine
        site_species += [p] * number
    links = sorted(links)
    index = {link[:5]: k for k, link in enumerate(links)}
    reverse = [index[(b, a, -x, -y, -z)] for a, b, x, y, z, _ in links]
    energy = rng.uniform(0.0, 0.08, len(frac))
    saddle = np.array([0.10 + 0.02 * link[5] for link in links])
    excluded = [
        (i, j, *image)
        for i in range(len(frac))
        for j in range(len(frac))
        for image, d in zip(_IMAGES, _distances(frac[i], frac[j], cell), strict=True)
        if (i != j or d > 0) and d < 0.5 * (contact[site_species[i]] + contact[site_species[j]])
    ]
    table, walls = np.array(links), np.array(excluded).reshape(-1, 5)
    return PoreNetwork(
        name="synthetic", cell=cell, framework_charge=-4.0, permittivity=10.0, species=species,
        site_species=np.array(site_species), site_frac=np.array(frac), site_energy=energy,
        site_orbit=np.arange(len(frac)), site_label=("",) * len(frac), site_width=np.zeros(len(frac)),
        basin_offset=np.arange(len(frac) + 1), basin_energy=energy,
        hop_origin=table[:, 0], hop_target=table[:, 1], hop_image=table[:, 2:5],
        hop_saddle=np.maximum(saddle, saddle[reverse]), hop_weight=np.ones(len(links)),
        hop_orbit=np.minimum(np.arange(len(links)), reverse), hop_reverse=np.array(reverse),
        exclusion_a=walls[:, 0], exclusion_b=walls[:, 1], exclusion_image=walls[:, 2:5],
        percolation=np.zeros((2, 3)), accessible_volume=1000.0, largest_cavity=8.0, provenance=("synthetic",),
    )  # fmt: skip


_IMAGES = [(x, y, z) for x in (-1, 0, 1) for y in (-1, 0, 1) for z in (-2, -1, 0, 1, 2)]


def _distances(a: np.ndarray, b: np.ndarray, cell: np.ndarray) -> np.ndarray:
    return np.linalg.norm((b - a + np.array(_IMAGES)) @ cell, axis=1)


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
    parser.add_argument("network", nargs="?")
    parser.add_argument("--repeats", type=int, nargs="+", default=[3, 6])
    parser.add_argument("--temperature", type=float, default=298.15)
    parser.add_argument("--seconds", type=float, default=3.0)
    options = parser.parse_args()
    rng = np.random.default_rng(1)
    network = PoreNetwork.load(options.network) if options.network else synthetic_network(rng)
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
