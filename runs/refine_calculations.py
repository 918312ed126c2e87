"""The relaxations and bands of a refinement, each kept as soon as it is finished."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from lattice.calculator import CalculatorError, CalculatorSource
from lattice.elastic_band import HIDDEN, SITE_KICK, Accuracy, Band, find_saddle, relax_kicked
from lattice.hop_path import first_path
from lattice.ion_atoms import radii_of, roomiest_orientation
from lattice.network import PoreNetwork
from runs.progress import Reporter
from runs.refine_folder import RefineFolder
from runs.refine_plan import RefineRequest, SpeciesPlan
from structures.errors import InputError

LONGEST_MOVE = 2.0  # Å that an ion may relax away from its site, or the width of the site
COARSE = "fmax is too coarse for this calculator"
_STAGE = "Refinement"
_AROUND = 6.0  # Å within which framework atoms decide on the first orientation of an ion


@dataclass(frozen=True, eq=False, slots=True)
class Outcome:
    """What became of one calculation.

    Attributes
    ----------
    part : Band or None
        All positions; None if there is no result.
    moved : float, Å
        Of the ion from its site; nan for a hop.
    problem : str
        Why the old value stays; empty if the new one counts.
    remark : str
        Why the new value says little; empty if it does not.
    """

    part: Band | None
    moved: float = np.nan
    problem: str = ""
    remark: str = ""


@dataclass(eq=False, slots=True)
class Calculations:
    """Runs what is missing of a refinement.

    Attributes
    ----------
    network : PoreNetwork
    plans : tuple of SpeciesPlan
    request : RefineRequest
    source : CalculatorSource
    folder : RefineFolder
    report : Reporter
    """

    network: PoreNetwork
    plans: tuple[SpeciesPlan, ...]
    request: RefineRequest
    source: CalculatorSource
    folder: RefineFolder
    report: Reporter
    _done: int = 0
    _worked: bool = False
    sites: dict[int, Outcome] = field(default_factory=dict)
    hops: dict[int, Outcome] = field(default_factory=dict)

    def run(self) -> None:
        """Fill `sites` and `hops`, from the folder or by calculation.

        Raises
        ------
        InputError
            If the very first calculation fails: then the calculator does not work at all.
        """
        for kind, number, plan in self._tasks():
            if kind == "site":
                self.sites[number] = self._site(plan, number)
            else:
                self.hops[number] = self._hop(plan, number)
            self._done += 1
            self.report(_STAGE, self._done / self._total)

    def _tasks(self) -> Iterator[tuple[str, int, SpeciesPlan]]:
        for plan in self.plans:
            yield from (("site", site, plan) for site in plan.sites)
            yield from (("hop", hop, plan) for hop in plan.hops)

    @property
    def _total(self) -> int:
        return sum(len(plan.sites) + len(plan.hops) for plan in self.plans)

    def _site(self, plan: SpeciesPlan, site: int) -> Outcome:
        name, cell = f"site-{site}", plan.cell
        known = self._known(plan, name, 1)
        if known is not None and known.slack is not None and known.slack > self.request.fmax:
            known = None  # finished with a coarser fmax as soon as it began
        if known is None or self._worth_going_on(known):
            start = cell.structure(self._first_atoms(plan, site))
            calculator = self.source.make(0, self.folder.path / "work" / name)
            try:
                made = relax_kicked(cell, start, calculator, self._left(known), self._step(name), known)
            except CalculatorError as error:
                return Outcome(known, problem=self._failed(name, error))
            known = self._keep(plan, name, made, known)
        self._worked = True
        moved, nearer = self._whereabouts(plan, site, known.positions[0])
        coarse = ""
        if known.slack is not None:
            coarse = f"{COARSE}: {SITE_KICK:g} Å off the site the largest force is {known.slack:.2g} eV/Å"
        return Outcome(known, moved, self._unfinished(known) or nearer, coarse)

    def _hop(self, plan: SpeciesPlan, hop: int) -> Outcome:
        name, cell = f"hop-{hop}", plan.cell
        ends = [self.sites[int(end[hop])] for end in (self.network.hop_origin, self.network.hop_target)]
        first, last = (end.part for end in ends)
        bad = next((end.problem for end in ends if end.problem), "")
        if bad or first is None or last is None:
            return Outcome(None, problem=f"an end has no new energy ({bad})")
        known = self._known(plan, name, self.request.images + 2)
        end = cell.translated(last.positions[0], self.network.hop_image[hop])
        if known is not None and np.abs(known.positions[[0, -1]] - [first.positions[0], end]).max() > SITE_KICK:
            known = None  # the ends were relaxed again, and elsewhere
        if known is None or self._worth_going_on(known):
            if known is None:
                images = first_path(cell, first.positions[0], end, self.request.images)
            else:
                known.positions[[0, -1]] = first.positions[0], end
                images = [cell.structure(p[cell.n_framework :], p[: cell.n_framework]) for p in known.positions]
            work = self.folder.path / "work" / name
            energies = float(first.energies[0]), float(last.energies[0])
            try:
                made = find_saddle(
                    images,
                    energies,
                    lambda k: self.source.make(k, work / f"image-{k}"),
                    self._left(known),
                    self._step(name),
                )
            except CalculatorError as error:
                return Outcome(known, problem=self._failed(name, error))
            known = self._keep(plan, name, made, known)
        return Outcome(known, problem=self._unfinished(known), remark="" if known.steps else f"{COARSE}: no step made")

    def _first_atoms(self, plan: SpeciesPlan, site: int) -> NDArray[np.float64]:
        centre = self.network.site_frac[site] @ self.network.cell
        wall, names = plan.cell.around(centre, _AROUND)
        return roomiest_orientation(plan.cell.ion, centre, wall, radii_of(names))

    def _known(self, plan: SpeciesPlan, name: str, least_images: int) -> Band | None:
        """Return a finished calculation with all its positions."""
        part = self.folder.read_part(name)
        if part is None or part.positions.shape[1:] != (len(plan.cell.free), 3) or len(part.energies) < least_images:
            return None
        return replace(part, positions=plan.cell.expanded(part.positions))

    def _keep(self, plan: SpeciesPlan, name: str, made: Band, earlier: Band | None) -> Band:
        cell = plan.cell
        if earlier is not None:
            made = replace(made, steps=made.steps + earlier.steps, calls=made.calls + earlier.calls)
        self.folder.write_part(name, replace(made, positions=made.positions[:, cell.free]))
        images = [cell.structure(p[cell.n_framework :], p[: cell.n_framework]) for p in made.positions]
        self.folder.write_structures(name, images, made.energies)
        return made

    def _worth_going_on(self, part: Band) -> bool:
        return part.force > self.request.fmax and part.steps < self.request.steps

    def _left(self, part: Band | None) -> Accuracy:
        done = part.steps if part is not None else 0
        return Accuracy(self.request.fmax, self.request.steps - done)

    def _unfinished(self, part: Band) -> str:
        if part.force > self.request.fmax:
            return f"force {part.force:.2g} eV/Å after {part.steps} steps"
        if part.hidden > HIDDEN:
            return f"the path seems to rise by {part.hidden:.2g} eV between images; give more --images"
        return ""

    def _failed(self, name: str, error: CalculatorError) -> str:
        self.folder.write(self.folder.traceback, f"{name}\n{''.join(traceback.format_exception(error))}")
        if not self._worked:
            raise InputError(
                f"--calculator {self.source.path}:{self.source.name}: expected energies and forces of the first "
                f"structure, found that {error}; see {self.folder.traceback}"
            ) from None
        return str(error)

    def _step(self, name: str) -> Callable[[int, float], None]:
        def show(step: int, force: float) -> None:
            self.report(_STAGE, self._done / self._total, f"{name}, step {step}, {force:.2g} eV/Å")

        return show

    def _whereabouts(self, plan: SpeciesPlan, site: int, positions: NDArray[np.float64]) -> tuple[float, str]:
        """Distance of the relaxed ion from its site, and what is wrong with its place."""
        network = self.network
        centre = plan.cell.centre(positions)
        own = float(np.linalg.norm(centre - network.site_frac[site] @ network.cell))
        others = np.flatnonzero(network.site_species == plan.species)
        gap = network.site_frac[others] - centre @ np.linalg.inv(network.cell)
        images = np.array(list(product((-1, 0, 1), repeat=3)))
        distance = np.linalg.norm(((gap - np.rint(gap))[:, None] + images) @ network.cell, axis=-1).min(axis=1)
        nearest = int(others[distance.argmin()])
        if distance.min() < own - 1e-3:
            return own, f"left its basin: moved {own:.1f} Å, nearest is {network.site_label[nearest]} (site {nearest})"
        if own > max(LONGEST_MOVE, float(network.site_width[site])):
            return own, f"left its basin: moved {own:.1f} Å"
        return own, ""
