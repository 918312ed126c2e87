"""Relaxed sites and the saddle between them on the energy surface of an ASE calculator.

Saddles are found by the climbing-image nudged elastic band: Henkelman, Uberuaga, Jónsson, J. Chem. Phys. 113, 9901
(2000), with the tangent of Henkelman and Jónsson, J. Chem. Phys. 113, 9978 (2000).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.mep import NEB
from ase.optimize import FIRE, LBFGS
from numpy.typing import NDArray

from lattice.atomistic import AtomisticCell
from lattice.calculator import Recorded
from lattice.ion_atoms import GENERIC

SITE_KICK = 0.1  # Å: a start on a symmetry element would stay there even if it is a saddle
SPRING = 0.1  # eV/Å²
ROUGH = 0.1  # eV/Å; below it, or 3 fmax, the highest image begins to climb

HIDDEN = 0.02  # eV that the path may rise between two images above the highest one
_DOUBLINGS = 2

Report = Callable[[int, float], None]  # step, largest force


@dataclass(frozen=True, slots=True)
class Accuracy:
    """When a calculation is finished.

    Attributes
    ----------
    fmax : float, eV/Å
        Largest force on any atom that counts as none.
    steps : int
        Steps after which it is given up.
    """

    fmax: float
    steps: int


@dataclass(frozen=True, eq=False, slots=True)
class Band:
    """Structures from minimum to minimum, or one relaxed structure.

    Attributes
    ----------
    positions : (n_images, n_atoms, 3) float64, Å
    energies : (n_images,) float64, eV
        On the calculator's scale.
    force : float, eV/Å
        Largest force left; for a band without its part along the path.
    steps : int
    calls : int
        Energy and force calculations made.
    hidden : float, eV
        Energy by which the path seems to rise between images above the highest one.
    slack : float or None, eV/Å
        Largest force at the kicked start of a site where that did not exceed fmax, so that the relaxation says little.
    """

    positions: NDArray[np.float64]
    energies: NDArray[np.float64]
    force: float
    steps: int
    calls: int
    hidden: float = 0.0
    slack: float | None = None

    @property
    def top(self) -> int:
        """Number of the highest image."""
        return int(self.energies.argmax())

    @property
    def valleys(self) -> int:
        """Images in the middle that lie lower than both neighbours: minima that the path passes."""
        middle = self.energies[1:-1]
        return int(((middle < self.energies[:-2]) & (middle < self.energies[2:])).sum())


def relax_kicked(
    cell: AtomisticCell,
    site: Atoms,
    calculator: Any,
    accuracy: Accuracy,
    report: Report,
    earlier: Band | None = None,
) -> Band:
    """Relax a site from beside its symmetry elements, and from the site itself if that ends above it.

    Parameters
    ----------
    cell : AtomisticCell
    site : Atoms
        The ion on its site.
    calculator : ASE calculator
    accuracy : Accuracy
    report : Report
    earlier : Band, optional
        A relaxation of this site that is gone on with.

    Raises
    ------
    CalculatorError
        From the calculator.
    """
    start, unmoved = site.copy(), site.copy()
    start.positions = kicked(cell, site.positions) if earlier is None else earlier.positions[0]
    unmoved.calc = Recorded(calculator)
    energy = unmoved.get_potential_energy()
    made = relax_site(start, calculator, accuracy, report, at_least=1 if earlier is None else 0)
    slack = made.slack if earlier is None else earlier.slack
    calls, steps = made.calls + unmoved.calc.calls, made.steps
    if made.force <= accuracy.fmax and made.energies[0] > energy:
        made = relax_site(site, calculator, replace(accuracy, steps=accuracy.steps - steps), report)
        calls, steps = calls + made.calls, steps + made.steps
    return replace(made, calls=calls, steps=steps, slack=slack)


def relax_site(start: Atoms, calculator: Any, accuracy: Accuracy, report: Report, at_least: int = 0) -> Band:
    """Relax one structure, by `at_least` steps also where no force exceeds fmax.

    Raises
    ------
    CalculatorError
        From the calculator.
    """
    atoms = start.copy()
    atoms.calc = Recorded(calculator)
    force = _largest(atoms)
    slack = force if force <= accuracy.fmax else None
    steps = _optimise(atoms, LBFGS, 0.0, range(min(at_least, accuracy.steps) if slack is not None else 0), report)
    steps = _optimise(atoms, LBFGS, accuracy.fmax, range(steps, max(steps, accuracy.steps // 2)), report)
    steps = _optimise(atoms, FIRE, accuracy.fmax, range(steps, accuracy.steps), report)
    energy = np.array([atoms.get_potential_energy()])
    return Band(atoms.get_positions()[None], energy, _largest(atoms), steps, atoms.calc.calls, slack=slack)


def kicked(cell: AtomisticCell, positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Positions (n_atoms, 3) with the ion shifted off every symmetry element."""
    moved = positions.copy()
    moved[cell.n_framework :] += SITE_KICK * GENERIC
    return moved


def find_saddle(
    images: Sequence[Atoms],
    end_energies: tuple[float, float],
    calculator: Callable[[int], Any],
    accuracy: Accuracy,
    report: Report,
) -> Band:
    """Relax a band between two minima and let its highest image climb to the saddle.

    If the forces tell that the energy rises by more than 0.02 eV above the highest image somewhere between two images,
    the number of images is doubled, twice at most.

    Parameters
    ----------
    images : sequence of Atoms
        Both relaxed ends and what lies between them.
    end_energies : tuple of 2 float, eV
    calculator : callable
        Calculator of an image, given its number; one calculator may serve several.
    accuracy : Accuracy
    report : Report

    Raises
    ------
    CalculatorError
        From a calculator.
    """
    band, calls, steps = list(images), 0, 0
    for _ in range(_DOUBLINGS + 1):
        left = Accuracy(accuracy.fmax, accuracy.steps - steps)
        path = _relaxed_band(band, end_energies, calculator, left, report)
        calls, steps = calls + path.calls, steps + path.steps
        if path.hidden <= HIDDEN or path.force > accuracy.fmax or steps >= accuracy.steps:
            break
        band = _with_midpoints(images[0], path.positions)
    return replace(path, calls=calls, steps=steps)


def _relaxed_band(
    images: Sequence[Atoms],
    end_energies: tuple[float, float],
    calculator: Callable[[int], Any],
    accuracy: Accuracy,
    report: Report,
) -> Band:
    band = [image.copy() for image in images]
    for number, image in enumerate(band[1:-1], 1):
        image.calc = Recorded(calculator(number))
    for image, energy in ((band[0], end_energies[0]), (band[-1], end_energies[1])):
        image.calc = SinglePointCalculator(image, energy=energy, forces=np.zeros((len(image), 3)))
    neb = NEB(band, k=SPRING, method="improvedtangent")
    rough, half = max(ROUGH, 3 * accuracy.fmax), accuracy.steps // 2
    steps = _optimise(neb, LBFGS, rough, range(half // 2), report)
    neb.climb = True
    steps = _optimise(neb, LBFGS, accuracy.fmax, range(steps, half), report)
    if _largest(neb) > accuracy.fmax:
        neb.climb = False
        neb.set_positions(np.concatenate([image.positions for image in images[1:-1]]))
        steps = _optimise(neb, FIRE, rough, range(steps, steps + (accuracy.steps - steps) // 2), report)
        neb.climb = True
        steps = _optimise(neb, FIRE, accuracy.fmax, range(steps, accuracy.steps), report)
    force = _largest(neb)
    positions = np.array([image.get_positions() for image in band])
    hidden = _rise_between(positions, neb.energies, neb.real_forces)
    calls = sum(image.calc.calls for image in band[1:-1])
    return Band(positions, neb.energies, force, steps, calls, hidden)


def _rise_between(positions: NDArray[np.float64], energies: NDArray[np.float64], forces: NDArray[np.float64]) -> float:
    """By how much cubic curves through energies and forces of neighbouring images exceed the highest image, eV."""
    step = np.diff(positions, axis=0)
    slope = [-(f * step).sum(axis=(1, 2)) for f in (forces[:-1], forces[1:])]
    t = np.linspace(0.0, 1.0, 21)[:, None]
    curve = (
        (1 + 2 * t) * (1 - t) ** 2 * energies[:-1]
        + t * (1 - t) ** 2 * slope[0]
        + t**2 * (3 - 2 * t) * energies[1:]
        - t**2 * (1 - t) * slope[1]
    )
    return float(curve.max() - energies.max())


def _with_midpoints(template: Atoms, positions: NDArray[np.float64]) -> list[Atoms]:
    """Images (n_images, n_atoms, 3) with one more between any two."""
    dense = np.repeat(positions, 2, axis=0)[:-1]
    dense[1::2] = 0.5 * (positions[:-1] + positions[1:])
    images = []
    for places in dense:
        image = template.copy()
        image.positions = places
        images.append(image)
    return images


def _optimise(system: Any, method: Any, fmax: float, steps: range, report: Report) -> int:
    """Move atoms or a band until no force exceeds fmax, numbering the steps; return the number of the last one.

    L-BFGS needs half the calculations of FIRE (measured on 19 hops in a framework) but may run away from a bad start;
    FIRE follows where it did not arrive, for a band from the first path.
    """
    if not len(steps):
        return steps.start
    with method(system, logfile=None) as optimiser:
        for _ in optimiser.irun(fmax=fmax, steps=len(steps)):
            report(steps.start + optimiser.nsteps, _largest(system))
        return int(steps.start + optimiser.nsteps)


def _largest(system: Any) -> float:
    """Largest force on an atom, eV/Å."""
    return float(np.linalg.norm(system.get_forces(), axis=1).max(initial=0.0))
