"""The same physical problem on lattice_mc, on kMCpy and on us, in turn on the same core: accepted hops per second.

python -m tests.benchmarks.beside_others [--edges 10 20] [--rounds 5] [--seconds 2] [--environment FOLDER]

Each code is installed from the package registry into an environment of its own, thrown away at the end unless a folder
is named. The lattice is simple cubic and 10 % filled; all begin with the same configuration, which we have brought to
equilibrium.

lattice_mc  repulsion between nearest neighbours, rates 1e13 /s min(1, exp(-ΔE/kT)) at 298 K, which are fixed there
kMCpy       exclusion alone, one rate: its wheel and its source distribution bring no files of its NaSICON model, and
            a barrier that depends on the neighbourhood of both ends is none of the models that need no fitted files

The hops per second of physical time and ion are printed beside, with the error of their counting (one standard
deviation): they show that the problem is the same.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from kmc.simulation import Simulation
from lattice.supercell import PairEnergies, cell_coordinates, replicate
from tests.benchmarks.cases import scattered, simple_cubic

PACKAGES = {"lattice_mc": "lattice_mc==1.0.4", "kmcpy": "kmcpy==0.3.0"}
TEMPERATURE, FREQUENCY, FILLING = 298.0, 1e13, 0.1
REPULSION = {"lattice_mc": 0.05, "kmcpy": 0.0}  # eV; without one there is nothing but exclusion


@dataclass(slots=True)
class Timed:
    """Hops, CPU seconds and physical seconds, round by round."""

    hops: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    time: list[float] = field(default_factory=list)

    def add(self, hops: int, seconds: float, time: float) -> None:
        """Take up one round."""
        self.hops.append(hops)
        self.seconds.append(seconds)
        self.time.append(time)

    @property
    def speed(self) -> float:
        """Median of the rounds, hops per CPU second."""
        return float(np.median(np.array(self.hops) / self.seconds))

    def described(self, n_ions: int) -> str:
        """Speed, and rate of one ion with the error of counting."""
        speeds, rate = np.array(self.hops) / self.seconds, sum(self.hops) / sum(self.time) / n_ions
        error = rate / np.sqrt(sum(self.hops))
        return (
            f"{self.speed:13,.0f} hops/s ({speeds.min():,.0f} to {speeds.max():,.0f}), "
            f"rate of an ion {rate / FREQUENCY:.4f} ± {error / FREQUENCY:.4f} nu"
        )


def make_environment(folder: Path, package: str) -> Path:
    """Make a virtual environment, with uv if there is one, and install a package there; gives its Python.

    Raises
    ------
    subprocess.CalledProcessError
        If that fails, with what the installer said in `stderr`.
    """
    python, uv = folder / "bin" / "python", shutil.which("uv")
    if not python.exists():
        make = [uv, "venv", "--quiet", "--python", sys.executable] if uv else [sys.executable, "-m", "venv"]
        subprocess.run([*make, str(folder)], check=True, capture_output=True, text=True)
    install = [uv, "pip", "install", "-p", str(python)] if uv else [str(python), "-m", "pip", "install"]
    subprocess.run([*install, "--quiet", package], check=True, capture_output=True, text=True)
    return python


def ours(edge: int, repulsion: float) -> Simulation:
    """Our simulation of the same problem, in equilibrium."""
    network = simple_cubic(0.0)
    pairs = PairEnergies.within(network, 3.01, lambda distance, charges: np.full_like(distance, repulsion))
    lattice = replicate(network, (edge, edge, edge), interaction=pairs if repulsion else None)
    state = scattered(lattice, [round(FILLING * lattice.n_sites)], np.random.default_rng(1))
    simulation = Simulation(lattice, state, temperature=TEMPERATURE, attempt_frequency=FREQUENCY)
    simulation.equilibrate(100)
    return simulation


def our_round(simulation: Simulation, n_events: int, timed: Timed) -> None:
    """Make so many hops."""
    first, begin = simulation.state.time, time.thread_time()
    made = simulation.step(n_events)
    timed.add(made, time.thread_time() - begin, simulation.state.time - first)


def compare(python: Path, code: str, edge: int, rounds: int, seconds: float) -> None:
    """Time one code and ours in turn, and print a line for each."""
    simulation = ours(edge, REPULSION[code])
    places = cell_coordinates(simulation.lattice.repeats)[simulation.state.ion_site]
    problem = {"edge": edge, "occupied": places.tolist(), "repulsion": REPULSION[code]}
    call = [str(python), str(Path(__file__).with_name("other_codes.py")), code]
    title = f"{'repulsion' if REPULSION[code] else 'hard core'}, {edge}³ sites, {simulation.state.n_ions} ions"
    theirs, mine = Timed(), Timed()
    our_round(simulation, 1000, Timed())
    our_round(simulation, 20_000, probe := Timed())
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(call, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True) as other,
    ):
        assert other.stdin is not None
        assert other.stdout is not None
        try:
            print(json.dumps(problem), file=other.stdin, flush=True)
            ready = other.stdout.readline()
            for _ in range(rounds if ready else 0):
                print(seconds, file=other.stdin, flush=True)
                theirs.add(**json.loads(other.stdout.readline()))
                our_round(simulation, int(seconds * probe.speed), mine)
            other.stdin.close()
        except (BrokenPipeError, json.JSONDecodeError):
            ready = ""
        if not ready:
            errors.seek(0)
            last = errors.read().strip().splitlines()[-1:] or ["no message"]
            print(f"{title}: {code} does not run here: {last[0]}", flush=True)
            return
    print(f"{title}: we are {mine.speed / theirs.speed:,.0f} times as fast")
    for name, timed in ((code, theirs), ("mofkmc", mine)):
        print(f"  {name:10s} {timed.described(simulation.state.n_ions)}", flush=True)


def main() -> None:
    """Install the others and print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--edges", type=int, nargs="+", default=[10, 20], help="sites along each axis")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of a round")
    parser.add_argument("--environment", type=Path, help="kept, and used again if it is there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for code, package in PACKAGES.items():
            try:
                python = make_environment((options.environment or Path(folder)) / code, package)
            except subprocess.CalledProcessError as error:
                print(f"{package} cannot be installed here: {error.stderr.strip().splitlines()[-1]}", flush=True)
                continue
            for edge in options.edges:
                compare(python, code, edge, options.rounds, options.seconds)


if __name__ == "__main__":
    main()
