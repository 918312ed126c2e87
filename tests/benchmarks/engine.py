"""Events per second of one core, beside the time of one streaming pass over the sites: one table.

python -m tests.benchmarks.engine [--quick] [--output results/engine.csv]

Everything is built from what comes with the project. Every round measures the floor of a case and then the case, in CPU
time of the thread; events/s are the smallest, the median and the largest of the rounds, `ratio` the median over the
rounds of the time of an event over the time of the floor, so that it holds on a busy machine too.

floor            one read-modify-write pass over a float64 array with a value for every site, factor *= row
row floor        the same, with a row for the ion that comes and one for the ion that goes, drawn from the tables:
                 what every engine that keeps a value for every site must at least move through the caches
tables           bytes of all pair tables over those of the Coulomb table
B/(site+ion)     bytes of everything else (all bytes where there is no Coulomb table) over the number of sites and ions
exponent         of time ~ sites^exponent, fitted to all sizes of the cases with the same name
clipped          cost of clipping: extra time of an event where this share of the barriers is clipped
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numba import njit

from kmc.rates import open_hops
from kmc.simulation import Simulation
from kmc.streaming import Streaming
from lattice.network import PoreNetwork
from lattice.supercell import PairEnergies, replicate
from tests.benchmarks.cases import in_equilibrium, ni_mof, saddles_above_ends, scattered, simple_cubic

TEMPERATURE = 300.0  # K, of the simple cubic lattice
REPULSION = 0.05  # eV, of nearest neighbours
BACKGROUND, BOTH, SPARSE = "Ni-MOF, Li+, x = 0.5", "Ni-MOF, Li+ and Me2NH2+, x = 0.5", "Ni-MOF, Li+, x = 0.1"
HARD_CORE, NEIGHBOURS, MESHES = "sc, hard core, 10 %", "sc, nearest neighbours, 10 %", "sc, Coulomb on meshes, 2 %"
UNCLIPPED, CLIPPED = "Ni-MOF, no barrier clipped", "Ni-MOF, barriers clipped"
_ROWS = 4096  # drawn for the floor with rows


@dataclass(frozen=True, slots=True)
class Case:
    """One line of the table: cases with the same name are one scaling law."""

    name: str
    build: Callable[[], Simulation]


@dataclass(slots=True)
class Measured:
    """Seconds of an event and of both floors, round by round."""

    case: Case
    simulation: Simulation
    n_events: int
    event: list[float] = field(default_factory=list)
    floor: list[float] = field(default_factory=list)
    row_floor: list[float] = field(default_factory=list)


@njit(error_model="numpy", nogil=True)
def _stream(factor, row, n_passes):
    for _ in range(n_passes):
        for k in range(len(factor)):
            factor[k] *= row[k]


@njit(error_model="numpy", nogil=True)
def _stream_rows(factor, gain, loss, comes, goes):
    for p in range(len(comes)):
        onto, away = gain[comes[p]], loss[goes[p]]
        for k in range(len(factor)):
            factor[k] *= onto[k] * away[k]


def floor_time(n_sites: int, seconds: float) -> float:
    """Seconds of one read-modify-write pass over an array with a value for every site."""
    factor, row = np.ones(n_sites), np.ones(n_sites)
    n_passes = max(3, int(seconds / (2e-10 * n_sites)))
    _stream(factor, row, 1)
    begin = time.thread_time()
    _stream(factor, row, n_passes)
    return (time.thread_time() - begin) / n_passes


def row_floor_time(simulation: Simulation, seconds: float) -> float:
    """Seconds of one pass that multiplies by two rows of the tables; nan where there are none."""
    engine = simulation.engine
    if not isinstance(engine, Streaming) or engine.tables.interaction.gain.size == 0:
        return np.nan
    gain, loss = engine.tables.interaction.gain, engine.tables.interaction.loss
    factor = np.ones(gain.shape[1])
    rng = np.random.default_rng(1)
    n_pairs = min(_ROWS, max(2, int(seconds / (8e-10 * len(factor))))) // 2
    pairs = rng.integers(len(gain), size=(n_pairs, 2))
    comes, goes = pairs.ravel(), pairs[:, ::-1].ravel()  # every second pass undoes the one before: no overflow
    _stream_rows(factor, gain, loss, comes[:2], goes[:2])
    begin = time.thread_time()
    _stream_rows(factor, gain, loss, comes, goes)
    return (time.thread_time() - begin) / len(comes)


def measure(group: list[Case], rounds: int, seconds: float) -> list[Measured]:
    """Time some cases in turn, each beside its floors; about so many seconds an entry."""
    running = [_begin(case, seconds) for case in group]
    for _ in range(rounds):
        for one in running:
            one.floor.append(floor_time(one.simulation.lattice.n_sites, seconds / 4))
            one.row_floor.append(row_floor_time(one.simulation, seconds / 4))
            begin = time.thread_time()
            made = one.simulation.step(one.n_events)
            one.event.append((time.thread_time() - begin) / made)
    return running


def _begin(case: Case, seconds: float) -> Measured:
    """Build a case, compile and warm up, and find out how many events fill the time."""
    simulation = case.build()
    made, took = 0, 0.0
    simulation.step(10)
    while took < seconds / 4:
        begin = time.thread_time()
        made = simulation.step(max(2 * made, 200))
        took = time.thread_time() - begin
    return Measured(case, simulation, max(1, int(made * seconds / took)))


def exponents(measured: list[Measured]) -> dict[str, float]:
    """Slope of ln(time of an event) over ln(sites) by name; nan for fewer than 5 sizes."""
    found = {}
    for name in {one.case.name for one in measured}:
        sizes = [one for one in measured if one.case.name == name]
        found[name] = np.nan
        if len(sizes) >= 5:
            n_sites = np.log([one.simulation.lattice.n_sites for one in sizes])
            found[name] = float(np.polyfit(n_sites, np.log([np.median(one.event) for one in sizes]), 1)[0])
    return found


def held_arrays(held: Any) -> Iterator[np.ndarray]:
    """Every array in a tree of tuples, dataclasses and objects, as the memory that it is a view of."""
    if isinstance(held, np.ndarray):
        while isinstance(held.base, np.ndarray):
            held = held.base
        yield held
    elif isinstance(held, dict):
        yield from held_arrays(tuple(held.values()))
    elif isinstance(held, tuple | list):
        for part in held:
            yield from held_arrays(part)
    elif is_dataclass(held) and not isinstance(held, PoreNetwork | type):
        yield from held_arrays([getattr(held, f.name) for f in fields(held)])


def memory(simulation: Simulation) -> tuple[int, int, int]:
    """Bytes of the Coulomb table, of all pair tables with it, and of everything else that a simulation keeps."""
    arrays = {id(array): array for array in held_arrays([vars(simulation), vars(simulation.engine)])}
    everything = sum(array.nbytes for array in arrays.values())
    if not isinstance(simulation.engine, Streaming):
        return 0, 0, everything
    interaction = simulation.engine.tables.interaction
    code = simulation.engine.tables.changes.code
    tables = sum(table.nbytes for table in (interaction.energy, interaction.gain, interaction.loss, code))
    return interaction.energy.nbytes, tables, everything - tables


def clipped_share(simulation: Simulation) -> float:
    """Share of the open hops whose barrier is 0 or ΔE instead of E_KRA + ΔE/2."""
    lattice, conditions = simulation.lattice, simulation.conditions
    network, n = lattice.network, lattice.network.n_sites
    hops = open_hops(lattice, simulation.state, conditions)
    origin = np.searchsorted(lattice.hop_offset, hops.hop, side="right") - 1
    unit = np.searchsorted(network.hop_origin, origin % n) + hops.hop - lattice.hop_offset[origin]
    entropy = network.rates(conditions.temperature).free_energy - network.site_energy
    ends = network.hop_origin[unit], network.hop_target[unit]
    energy = hops.free_energy - entropy[ends[1]] + entropy[ends[0]]
    kra = network.hop_saddle[unit] - 0.5 * (network.site_energy[ends[0]] + network.site_energy[ends[1]])
    return float((np.abs(energy) > 2.0 * kra).mean())


def rows(measured: list[Measured]) -> list[dict[str, Any]]:
    """One row of the table for every case."""
    exponent, found = exponents(measured), []
    unclipped = {one.simulation.lattice.n_sites: one.event for one in measured if one.case.name == UNCLIPPED}
    for one in measured:
        simulation, event = one.simulation, np.array(one.event)
        n_sites, n_ions = simulation.lattice.n_sites, simulation.state.n_ions
        coulomb, tables, rest = memory(simulation)
        cost, share = np.nan, np.nan
        if one.case.name == CLIPPED:
            cost, share = float(np.median(event / unclipped[n_sites])) - 1.0, clipped_share(simulation)
        found.append(
            {
                "case": one.case.name,
                "sites": n_sites,
                "ions": n_ions,
                "events/s min": 1.0 / event.max(),
                "events/s median": 1.0 / float(np.median(event)),
                "events/s max": 1.0 / event.min(),
                "rounds": len(event),
                "floor µs": 1e6 * float(np.median(one.floor)),
                "ratio": float(np.median(event / one.floor)),
                "ratio to row floor": float(np.median(event / one.row_floor)),
                "memory MB": (tables + rest) / 1e6,
                "tables": tables / coulomb if coulomb else np.nan,
                "B/(site+ion)": rest / (n_sites + n_ions),
                "exponent": exponent[one.case.name],
                "clipped share": share,
                "clipped cost": cost,
            }
        )
    return found


def cubic(repeats: tuple[int, int, int], filling: float, kind: str) -> Simulation:
    """Ions at random places of the simple cubic lattice."""
    network = simple_cubic()
    if kind == NEIGHBOURS:
        pairs = PairEnergies.within(network, 3.01, lambda distance, charges: np.full_like(distance, REPULSION))
        lattice = replicate(network, repeats, interaction=pairs)
    else:
        lattice = replicate(network, repeats, interaction="untabulated coulomb" if kind == MESHES else None)
    state = scattered(lattice, [round(filling * lattice.n_sites)], np.random.default_rng(1))
    simulation = Simulation(lattice, state, temperature=TEMPERATURE)
    simulation.equilibrate(1 if kind == MESHES else 10)
    return simulation


def groups(quick: bool) -> list[list[Case]]:
    """Give the cases; those that are timed in turn are together."""
    network = cache(partial(ni_mof, spacing=0.4 if quick else None))

    def mof(name: str, n: int, share: float, *species: str) -> Case:
        return Case(name, lambda: in_equilibrium(replicate(network(*species), (n, n, n)), share))

    def clipping(name: str, n: int, height: float) -> Case:
        moved = partial(saddles_above_ends, height=height)
        return Case(name, lambda: in_equilibrium(replicate(moved(network("Li+")), (n, n, n)), 0.5))

    def sc(name: str, filling: float, repeats: tuple[int, int, int]) -> Case:
        return Case(name, lambda: cubic(repeats, filling, name))

    both = ("Li+", "Me2NH2+")
    background, explicit, sparse, clip = (2, 3, 4, 6, 8), (2, 3, 4, 5, 6), (4, 6, 8, 10, 12), (3, 6)
    short = [(10, 10, 10), (20, 20, 25), (30, 30, 34), (40, 50, 50), (60, 70, 72)]
    meshes = [(22, 22, 22), (30, 30, 30), (48, 48, 48), (64, 64, 64), (100, 100, 100)]
    if quick:
        background, explicit, sparse, clip = (1, 2, 3, 4, 5), (), (), (2,)
        short, meshes = [(n, n, n) for n in (4, 5, 6, 8, 10)], [(8, 8, 8)]
    found = [
        [mof(BACKGROUND, n, 0.5, "Li+") for n in background],
        [mof(BOTH, n, 0.5, *both) for n in explicit],
        [mof(SPARSE, n, 0.1, "Li+") for n in sparse],
        *([clipping(UNCLIPPED, n, 1.0), *(clipping(CLIPPED, n, above) for above in (0.05, 0.0))] for n in clip),
        [sc(HARD_CORE, 0.1, repeats) for repeats in short],
        [sc(NEIGHBOURS, 0.1, repeats) for repeats in short],
        [sc(MESHES, 0.02, repeats) for repeats in meshes],
    ]
    return [group for group in found if group]


def machine() -> str:
    """Processor and load of this machine."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    return f"{model}, {os.cpu_count()} cores, load {', '.join(f'{x:.1f}' for x in os.getloadavg())}"


def main() -> None:
    """Print the table and save it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small sizes and short rounds, to see that it works")
    parser.add_argument("--output", type=Path, default=Path("results/engine.csv"))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.5, help="of a round of a case")
    parser.add_argument("--only", default="", help="cases whose name contains this")
    options = parser.parse_args()
    rounds, seconds = (5, 0.005) if options.quick else (max(5, options.rounds), options.seconds)
    print(machine())
    found: list[dict[str, Any]] = []
    for group in groups(options.quick):
        if options.only in group[0].name:
            found += rows(measure(group, rounds, seconds))
            for row in found[-len(group) :]:
                print(f"  {row['case']}, {row['sites']} sites: {row['events/s median']:,.0f} events/s", flush=True)
    table = pd.DataFrame(found)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(options.output, index=False, float_format="%.5g")
    formats = {
        name: "{:,.0f}".format for name in ("sites", "ions", *(f"events/s {k}" for k in ("min", "median", "max")))
    }
    print(table.to_string(index=False, formatters=formats, float_format="{:.3g}".format, na_rep="-"))
    print(f"{machine()}; saved as {options.output}")


if __name__ == "__main__":
    main()
