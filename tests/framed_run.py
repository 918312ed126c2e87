"""Task files with frames: ions that hop freely on a textbook lattice, with an atom of the framework in every cell."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from lattices import TEMPERATURE, body_centred, ion, simple_cubic

from kmc.placement import place_ions
from kmc.simulation import Simulation
from kmc.trajectory import TaskLabel, task_record, write_task
from lattice.network import PoreNetwork
from lattice.supercell import replicate


def with_framework(network: PoreNetwork) -> PoreNetwork:
    """The same network with an oxygen and a carbon atom in its cell."""
    return replace(
        network,
        framework_symbols=("O", "C"),
        framework_frac=np.array([[0.5, 0.5, 0.5], [0.5, 0.25, 0.5]]),
        framework_charges=np.array([-0.6, 0.1]),
    )


CUBIC = with_framework(simple_cubic(species=(ion("Li+"), ion("rigid-Me2NH2+")), rates=(1.0, 0.5)))
SKEW = with_framework(body_centred(species=(ion("Li+"),)))  # a cell that is not lower triangular


def write_framed_task(
    path: Path,
    network: PoreNetwork = CUBIC,
    repeats: tuple[int, int, int] = (6, 6, 6),
    counts: dict[str, int] | None = None,
    *,
    seed: int = 1,
    step: float = 0.5,
    n_samples: int = 60,
    every: int = 1,
    rate: float = 1.0,
) -> Path:
    """Simulate without interaction at `rate`, 1/s, a sample every `step` s, a frame at every so many of them."""
    lattice = replicate(network, repeats, interaction=None)
    state = place_ions(
        lattice, counts or {"Li+": 12, "rigid-Me2NH2+": 5}, np.random.default_rng(seed), temperature=TEMPERATURE
    )
    simulation = Simulation(lattice, state, temperature=TEMPERATURE, attempt_frequency=rate)
    samples = simulation.run(step * n_samples, n_samples, frame_every=every)
    label = TaskLabel(path.stem, seed, 0.5, "x", seed, network.content_hash, "")
    write_task(path, task_record(simulation, samples, label), frames=samples.frames)
    return path
