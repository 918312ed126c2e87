"""What a network owes to choices: the same percolation energies with other charges, or on other grids."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from rich.console import RenderableType

from analysis.network_orbits import SpeciesSummary, crossing_text, species_summaries
from lattice.builder import percolation_energies
from runs.deck import ChargeSource
from runs.network_output import NetworkResult
from runs.network_source import NetworkSource
from runs.text_tables import TextTable
from structures.errors import InputError
from structures.framework import Framework
from structures.species import Species

COARSE = 0.3  # Å, grid on which charge sets are compared: percolation energies to about 0.01 eV
SPACINGS = (1.5, 1.0, 0.75)  # of the grid, relative to the one asked for
TOLERANCE = 0.005  # eV, by which percolation energies of two grids may differ and still agree

CHARGE_SETS: dict[ChargeSource, str] = {"table": "table given", "cif": "of the CIF", "eqeq": "EQeq"}

Report = Callable[[str, float], None]


@dataclass(frozen=True, eq=False, slots=True)
class ChargeSet:
    """Percolation energies with one set of charges.

    Attributes
    ----------
    name : str
    energies : (n_species, 3) float64, eV
        Above the deepest point in 1, 2 and 3 directions.
    in_use : bool
        The network is built with these charges, and the energies are its own.
    fault : str
        Why there are no energies.
    """

    name: str
    energies: NDArray[np.float64]
    in_use: bool = False
    fault: str = ""


@dataclass(frozen=True, eq=False, slots=True)
class GridResult:
    """What the grid of one spacing gives for one ion.

    Attributes
    ----------
    species : str
    spacing : float, Å
    found : SpeciesSummary or None
    fault : str
        Why there is no network.
    """

    species: str
    spacing: float
    found: SpeciesSummary | None
    fault: str = ""


def charge_set_report(result: NetworkResult, report: Report) -> Iterator[RenderableType]:
    """Yield the percolation energies with every set of charges, where there is more than the one in use."""
    sets = charge_sets(result, report)
    if len(sets) > 1:
        yield charge_set_table(sets, result.source.species, result.source.settings.spacing)


def charge_sets(result: NetworkResult, report: Report) -> list[ChargeSet]:
    """Percolation energies with the table, the charges of the CIF, and EQeq, those of them that there are."""
    source, own = result.source, result.framework
    used = np.array([ion.crossing for ion in species_summaries(result.network)])
    wanted = [name for name in CHARGE_SETS if name != "table" or source.charges]
    found = []
    for n, name in enumerate(wanted):
        report(f"charges: {CHARGE_SETS[name]}", n / len(wanted))
        try:
            framework = source.framework(name)
        except InputError:
            continue  # the provenance of the framework says which sets there are
        if framework is not None and own is not None and np.array_equal(framework.charges, own.charges):
            found.append(ChargeSet(CHARGE_SETS[name], used, in_use=True))
        elif framework is not None:
            found.append(_compared(CHARGE_SETS[name], framework, source))
    report("charges", 1.0)
    if any(one.in_use for one in found):
        return found
    return [ChargeSet("table on top", used, in_use=True), *found]


def _compared(name: str, framework: Framework, source: NetworkSource) -> ChargeSet:
    settings = replace(source.settings, spacing=max(source.settings.spacing, COARSE))
    try:
        return ChargeSet(name, percolation_energies(framework, source.species, settings))
    except InputError as error:
        return ChargeSet(name, np.full((len(source.species), 3), np.nan), fault=str(error))


def charge_set_table(sets: list[ChargeSet], species: tuple[Species, ...], spacing: float) -> TextTable:
    """One row for each set of charges and ion."""
    made = TextTable(
        "What the choice of charges does: energy above the deepest point at which the crystal is crossed",
        ("<charges", "<species", "1D, eV", "2D, eV", "3D, eV"),
        keys=2,
    )
    for one in sets:
        made.add_section()
        for ion, levels in zip(species, one.energies.tolist(), strict=True):
            cells = ["failed"] if one.fault else map(crossing_text, levels)
            made.add_row(f"{one.name}, in use" if one.in_use else one.name, ion.name, *cells)
    caption = f"Not in use: on a grid of {max(spacing, COARSE):g} Å, without refinement, to about 0.01 eV."
    made.caption = " ".join([caption, *(f"{one.name}: {one.fault}." for one in sets if one.fault)])
    return made


def convergence_report(result: NetworkResult, report: Report) -> Iterator[RenderableType]:
    """Yield sites and percolation energies at three grid spacings, and whether they agree.

    Ions whose landscapes come from files are left out: those have grids of their own.
    """
    source = result.source
    grids = list(_grids(result, report))
    yield convergence_table(grids)
    yield agreement(grids)
    if source.cubes:
        yield f"Not compared: {', '.join(source.cubes)}, whose energies come from a file with a grid of its own."


def _grids(result: NetworkResult, report: Report) -> Iterator[GridResult]:
    source = result.source
    computed = [ion for ion in source.species if ion.name not in source.cubes]
    own = {ion.name: ion for ion in species_summaries(result.network)}
    spacings = [round(factor * source.settings.spacing, 6) for factor in SPACINGS]
    share = 1 / (len(computed) * len(spacings))
    for n, ion in enumerate(computed):
        for m, spacing in enumerate(spacings):
            if spacing == source.settings.spacing:
                yield GridResult(ion.name, spacing, own[ion.name])
                continue
            alone = replace(source, species=(ion,), settings=replace(source.settings, spacing=spacing), cubes={})
            done = (n * len(spacings) + m) * share
            try:
                network = alone.network(result.framework, partial(_part_of_grids, report, spacing, done, share))
            except InputError as error:
                yield GridResult(ion.name, spacing, None, str(error))
            else:
                yield GridResult(ion.name, spacing, species_summaries(network)[0])
    report("grids", 1.0)


def _part_of_grids(report: Report, spacing: float, done: float, share: float, what: str, fraction: float) -> None:
    report(f"grid of {spacing:g} Å, {what}", done + share * fraction)


def convergence_table(grids: Sequence[GridResult]) -> TextTable:
    """One row for each ion and grid."""
    made = TextTable(
        "Convergence with the energy grid",
        ("<species", "spacing, Å", "sites", "site orbits", "hops", "1D, eV", "2D, eV", "3D, eV"),
        keys=2,
    )
    for n, grid in enumerate(grids):
        if n and grid.species != grids[n - 1].species:
            made.add_section()
        cells = ["failed"]
        if grid.found is not None:
            numbers = (grid.found.sites, grid.found.site_orbits, grid.found.hops)
            cells = [*map(str, numbers), *map(crossing_text, grid.found.crossing)]
        made.add_row(grid.species, f"{grid.spacing:g}", *cells)
    made.caption = "1D, 2D, 3D: energy above the deepest site at which a path crosses the crystal."
    return made


def agreement(grids: Sequence[GridResult]) -> str:
    """Say whether every grid gives the sites and percolation energies of the finest one, within a tolerance.

    Parameters
    ----------
    grids : sequence of GridResult
        By ion, each from the coarsest to the finest grid, the one asked for in the middle.
    """
    _, asked, finest = sorted({grid.spacing for grid in grids}, reverse=True)
    best = {grid.species: grid for grid in grids if grid.spacing == finest}
    differing: dict[float, list[str]] = {}
    for grid in grids:
        differing.setdefault(grid.spacing, []).extend(_differences(grid, best[grid.species]))
    found = "; ".join(f"at {spacing:g} Å {', '.join(parts)}" for spacing, parts in differing.items() if parts)
    if not found:
        return f"All three grids agree: percolation energies within {1000 * TOLERANCE:g} meV, the same number of sites."
    if differing[finest]:
        return f"The grid asked for is not converged: {found}."
    verdict = f"The grid asked for is {'not converged' if differing[asked] else 'converged'}"
    advice = f"; use --spacing {finest:g} or finer" if differing[asked] else ""
    return f"{verdict}: compared with {finest:g} Å, {found}{advice}."


def _differences(grid: GridResult, finest: GridResult) -> Iterator[str]:
    if grid.found is None:
        yield grid.fault
        return
    if finest.found is None:
        return
    if grid.found.sites != finest.found.sites:
        yield f"{grid.species} has {grid.found.sites} sites instead of {finest.found.sites}"
    here, there = grid.found.crossing, finest.found.crossing
    if not np.allclose(here, there, rtol=0, atol=TOLERANCE, equal_nan=True):
        yield _crossing(grid.species, here, there)


def _crossing(name: str, here: NDArray[np.float64], there: NDArray[np.float64]) -> str:
    """Say how percolation energies of two grids differ; a direction may be crossed in one of them only."""
    if (np.isfinite(here) != np.isfinite(there)).any():
        n, finest = (int(np.isfinite(levels).sum()) for levels in (here, there))
        return f"{name} crosses in {n} instead of {finest} directions"
    return f"{name} crosses at an energy other by {1000 * float(np.nanmax(np.abs(here - there))):.0f} meV"
