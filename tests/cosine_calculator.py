"""An ASE calculator whose minima and saddles are known in closed form, and the network that belongs to it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from ase.calculators.calculator import Calculator, all_changes
from lattices import ion, network_of

from lattice.network import PoreNetwork


class CosineCalculator(Calculator):
    """E = -A (cos kx' + cos ky' + cos kz) - B cos(kx/2) of the last atom, k = 2 pi / a; the other atoms feel nothing.

    With `bend` the valley along x is a curve: y' = y - bend sin²(pi x / a), which changes no minimum and no saddle.
    Minima: -3A - B at x = 0, -3A + B at x = a. Saddles: 2A above both ends along y and z; along x where
    cos(kx/2) = -B/4A, at -A + B²/8A.
    """

    implemented_properties = ["energy", "forces"]  # noqa: RUF012

    def __init__(self, A=0.3, B=0.0, a=4.0, bend=0.0, log: Path | None = None):
        super().__init__()
        self.A, self.B, self.a, self.bend, self.log = A, B, a, bend, log

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        if self.log is not None:
            with self.log.open("a") as file:
                file.write("x\n")
        point, k, A, B = self.atoms.positions[-1], 2 * np.pi / self.a, self.A, self.B
        half = k * point[0] / 2
        curved = point - [0.0, self.bend * np.sin(half) ** 2, 0.0]
        gradient = A * k * np.sin(k * curved)
        gradient[0] += B * k / 2 * np.sin(half) - gradient[1] * self.bend * k / 2 * np.sin(2 * half)
        forces = np.zeros((len(self.atoms), 3))
        forces[-1] = -gradient
        energy = -A * np.cos(k * curved).sum() - B * np.cos(half)
        self.results = {"energy": float(energy), "forces": forces}


def two_site_network(a: float = 4.0) -> PoreNetwork:
    """Li+ at x = 0 and x = a of a cell 2a long with a helium wall atom, with energies that are all wrong."""
    bonds = [(0, 1, (0, 0, 0)), (1, 0, (1, 0, 0)), *((s, s, v) for s in (0, 1) for v in ((0, 1, 0), (0, 0, 1)))]
    empty = network_of(
        np.diag([2 * a, a, a]), np.array([[0.0, 0, 0], [0.5, 0, 0]]), bonds,
        site_energy=[-1.0, -1.2], saddle=[0.3, 0.35, 0.4, 0.5, 0.1, 0.2], species=(ion("Li+"),),
    )  # fmt: skip
    return replace(
        empty, framework_symbols=("He",), framework_frac=np.array([[0.25, 0.5, 0.5]]), framework_charges=np.zeros(1)
    )


CALCULATOR = """
from pathlib import Path
from cosine_calculator import CosineCalculator
calculator = CosineCalculator(A={A}, B={B}, log=Path({log!r}))
def fresh():
    return CosineCalculator(A={A}, B={B}, log=Path({log!r}))
"""


def calculator_file(folder: Path, A: float = 0.3, B: float = 0.05) -> Path:
    """A Python file with a calculator and a function that returns one; both log their calls in folder/calls."""
    path = folder / "cosine.py"
    path.write_text(CALCULATOR.format(A=A, B=B, log=str(folder / "calls")))
    return path
