"""Run lattice_mc or kMCpy on the simple cubic lattice, in an environment where they are installed and mofkmc is not.

python other_codes.py lattice_mc|kmcpy; a line of JSON comes in with {"edge", "occupied", "repulsion"} (sites along each
axis, cell coordinates of the ions, eV), then for every line with a number of seconds a line of JSON goes out with
{"hops", "seconds", "time"}: hops made, CPU seconds they took, physical seconds.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from itertools import product
from typing import Any

Jump = Callable[[], float]  # makes one hop and gives the physical time so far


def of_lattice_mc(problem: dict[str, Any]) -> Jump:
    """Nearest-neighbour repulsion, rates 1e13 /s min(1, exp(-ΔE/kT)) at 298 K: the numbers are fixed there."""
    from lattice_mc import atom, init_lattice, simulation, species

    n, run = problem["edge"], simulation.Simulation()
    run.lattice = init_lattice.cubic_lattice(n, n, n, 1.0)
    run.lattice.set_nn_energy(problem["repulsion"])
    run.setup_lookup_table()
    sites = {site.number: site for site in run.lattice.sites}
    numbers = [1 + x + n * (y + n * z) for x, y, z in problem["occupied"]]
    run.atoms = species.Species([atom.Atom(initial_site=sites[number]) for number in numbers])
    run.number_of_atoms = run.lattice.number_of_occupied_sites = len(numbers)

    def jump() -> float:
        run.lattice.jump()
        return float(run.lattice.time)

    return jump


def of_kmcpy(problem: dict[str, Any]) -> Jump:
    """Nothing but exclusion, one barrier for all hops: 1e13 /s at the barrier 0."""
    import numpy as np
    from kmcpy.event import Event, EventLib, HopStateLookup
    from kmcpy.models import LocalBarrierModel
    from kmcpy.simulator.config import RuntimeConfig
    from kmcpy.simulator.kmc import KMC
    from kmcpy.simulator.state import State

    class Config:
        runtime_config = RuntimeConfig(temperature=298.0, attempt_frequency=1e13)

    n, events = problem["edge"], EventLib()

    def number(x: int, y: int, z: int) -> int:
        return (x % n * n + y % n) * n + z % n

    for x, y, z in product(range(n), repeat=3):
        for there in ((x + 1, y, z), (x, y + 1, z), (x, y, z + 1)):
            events.add_event(Event((number(x, y, z), number(*there)), ()))
    events.generate_event_dependencies()
    occupations = [1] * n**3  # of the states (ion, vacancy)
    for place in problem["occupied"]:
        occupations[number(*place)] = 0
    codes = HopStateLookup(np.zeros(n**3, np.int64), np.ones(n**3, np.int64))
    model = LocalBarrierModel.constant_barrier(0.0)
    run = KMC(None, model, events, Config, State(occupations), codes)
    run.rng = np.random.default_rng(1)

    def jump() -> float:
        event, waiting = run.propose(run.event_lib.events)
        run.update(event, waiting)
        return float(run.simulation_state.time)

    return jump


def rounds(jump: Jump) -> Iterator[dict[str, float]]:
    """Hop for as long as each line says, at least five times."""
    for line in sys.stdin:
        hops, first, last = 0, None, 0.0
        begin = time.thread_time()
        while hops < 5 or time.thread_time() - begin < float(line):
            last = jump()
            first = last if first is None else first
            hops += 1
        yield {"hops": hops - 1, "seconds": (time.thread_time() - begin) * (hops - 1) / hops, "time": last - first}


def main() -> None:
    """Answer line by line; what the codes print goes to the standard error."""
    warnings.simplefilter("ignore")
    answers = sys.stdout
    with redirect_stdout(sys.stderr):
        jump = {"lattice_mc": of_lattice_mc, "kmcpy": of_kmcpy}[sys.argv[1]](json.loads(sys.stdin.readline()))
        jump()
        print(json.dumps("ready"), file=answers, flush=True)
        for answer in rounds(jump):
            print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
