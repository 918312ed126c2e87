"""What a network owes to choices: the same percolation energies with other charges, or on other grids."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from rich.console import RenderableType

from lattice.builder import percolation_energies
from lattice.network import PoreNetwork
from runs.deck import ChargeSource
from runs.network_output import NetworkResult
from runs.text_tables import TextTable
from structures.errors import InputError
from structures.species import Species

COARSE = 0.3  # Å, grid on which charge sets are compared: percolation energies to about 0.01 eV
SPACINGS = (1.5, 1.0, 0.75)  # of the grid, relative to the one asked for
TOLERANCE = 0.005  # eV, by which percolation energies of two grids may differ and still agree

CHARGE_SETS: dict[ChargeSource, str] = {"table": "table given", "cif": "of the CIF", "eqeq": "EQeq"}


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
    """

    name: str
    energies: NDArray[np.float64]
    in_use: bool = False


def charge_set_report(result: NetworkResult, report: Callable[[str, float], None]) -> Iterator[RenderableType]:
    """Yield the percolation energies with every set of charges, where there is more than the one in use."""
    sets = charge_sets(result, report)
    if len(sets) > 1:
        yield charge_set_table(sets, result.source.species, result.source.settings.spacing)


def charge_sets(result: NetworkResult, report: Callable[[str, float], None]) -> list[ChargeSet]:
    """Percolation energies with the table, the charges of the CIF, and EQeq, those of them that there are."""
    source, own = result.source, result.framework
    settings = replace(source.settings, spacing=max(source.settings.spacing, COARSE))
    used = np.array([_above_deepest(result.network, index) for index in range(len(source.species))])
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
            found.append(ChargeSet(CHARGE_SETS[name], percolation_energies(framework, source.species, settings)))
    report("charges", 1.0)
    if any(one.in_use for one in found):
        return found
    return [ChargeSet("table on top", used, in_use=True), *found]


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
            made.add_row(f"{one.name}, in use" if one.in_use else one.name, ion.name, *map(_level, levels))
    made.caption = f"Not in use: on a grid of {max(spacing, COARSE):g} Å, without refinement, to about 0.01 eV."
    return made


def _level(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else "never"


def convergence_report(result: NetworkResult, report: Callable[[str, float], None]) -> Iterator[RenderableType]:
    """Yield sites and percolation energies at three grid spacings, and whether they agree."""
    source = result.source
    spacings = [round(factor * source.settings.spacing, 6) for factor in SPACINGS]
    networks = []
    for n, spacing in enumerate(spacings):
        if spacing == source.settings.spacing:
            networks.append(result.network)
            continue
        share = 1 / len(spacings)
        finer = replace(source, settings=replace(source.settings, spacing=spacing))
        networks.append(finer.network(result.framework, partial(_part_of_grids, report, spacing, n * share, share)))
    report("grids", 1.0)
    yield convergence_table(spacings, networks)
    yield agreement(spacings, networks)


def _part_of_grids(
    report: Callable[[str, float], None], spacing: float, done: float, share: float, what: str, fraction: float
) -> None:
    report(f"grid of {spacing:g} Å, {what}", done + share * fraction)


def convergence_table(spacings: list[float], networks: list[PoreNetwork]) -> TextTable:
    """One row for each ion and grid."""
    made = TextTable(
        "Convergence with the energy grid",
        ("<species", "spacing, Å", "sites", "site orbits", "hops", "1D, eV", "2D, eV", "3D, eV"),
        keys=2,
    )
    for index, species in enumerate(networks[0].species):
        made.add_section()
        for spacing, network in zip(spacings, networks, strict=True):
            mine = network.site_species == index
            levels = network.percolation[index] - network.site_energy[mine].min()
            made.add_row(
                species.name, f"{spacing:g}", str(int(mine.sum())), str(len(np.unique(network.site_orbit[mine]))),
                str(int(mine[network.hop_origin].sum()) // 2), *map(_level, levels.tolist()),
            )  # fmt: skip
    made.caption = "1D, 2D, 3D: energy above the deepest site at which a path crosses the crystal."
    return made


def agreement(spacings: list[float], networks: list[PoreNetwork]) -> str:
    """Say whether every grid gives the sites and percolation energies of the finest one, within a tolerance."""
    differing = dict(_differences(spacings, networks))
    if not differing:
        return f"All three grids agree: percolation energies within {1000 * TOLERANCE:g} meV, the same number of sites."
    chosen = spacings[1] in differing
    verdict = f"The grid asked for is {'not converged' if chosen else 'converged'}"
    advice = f"; use --spacing {spacings[-1]:g} or finer" if chosen else ""
    found = "; ".join(f"at {spacing:g} Å {what}" for spacing, what in differing.items())
    return f"{verdict}: compared with {spacings[-1]:g} Å, {found}{advice}."


def _differences(spacings: list[float], networks: list[PoreNetwork]) -> Iterator[tuple[float, str]]:
    finest = networks[-1]
    for spacing, network in zip(spacings[:-1], networks[:-1], strict=True):
        parts = []
        for index, species in enumerate(finest.species):
            n_here, n_finest = (int((net.site_species == index).sum()) for net in (network, finest))
            if n_here != n_finest:
                parts.append(f"{species.name} has {n_here} sites instead of {n_finest}")
            here, there = (_above_deepest(net, index) for net in (network, finest))
            if not np.allclose(here, there, rtol=0, atol=TOLERANCE, equal_nan=True):
                parts.append(_crossing(species.name, here, there))
        if parts:
            yield spacing, ", ".join(parts)


def _above_deepest(network: PoreNetwork, index: int) -> NDArray[np.float64]:
    return np.asarray(network.percolation[index] - network.site_energy[network.site_species == index].min())


def _crossing(name: str, here: NDArray[np.float64], there: NDArray[np.float64]) -> str:
    """Say how percolation energies of two grids differ; a direction may be crossed in one of them only."""
    if (np.isfinite(here) != np.isfinite(there)).any():
        n, finest = (int(np.isfinite(levels).sum()) for levels in (here, there))
        return f"{name} crosses in {n} instead of {finest} directions"
    return f"{name} crosses at an energy other by {1000 * float(np.nanmax(np.abs(here - there))):.0f} meV"
