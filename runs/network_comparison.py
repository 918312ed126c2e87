"""What a network owes to choices: the same percolation energies with other charges, or on other grids."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from rich.console import RenderableType

from lattice.builder import percolation_energies
from lattice.network import PoreNetwork
from runs.deck import ChargeSource
from runs.network_source import NetworkSource
from runs.text_tables import TextTable
from structures.errors import InputError
from structures.framework import Framework
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
        Above the deepest point of the grid in 1, 2 and 3 directions; empty if the charges cannot be had.
    reason : str
        Why they cannot be had.
    """

    name: str
    energies: NDArray[np.float64]
    reason: str = ""


def charge_sets(source: NetworkSource, report: Callable[[str, float], None]) -> list[ChargeSet]:
    """Percolation energies with the table, the charges of the CIF, and EQeq, those of them that there are."""
    settings = replace(source.settings, spacing=max(source.settings.spacing, COARSE))
    wanted = [name for name in CHARGE_SETS if name != "table" or source.charges]
    found = []
    for n, name in enumerate(wanted):
        report(f"charges: {CHARGE_SETS[name]}", n / len(wanted))
        try:
            framework = source.framework(name)
        except InputError as error:
            found.append(ChargeSet(CHARGE_SETS[name], np.zeros((0, 3)), str(error)))
            continue
        if framework is not None:
            found.append(ChargeSet(CHARGE_SETS[name], percolation_energies(framework, source.species, settings)))
    report("charges", 1.0)
    return found


def charge_set_table(sets: list[ChargeSet], species: tuple[Species, ...], spacing: float) -> TextTable:
    """One row for each set of charges and ion."""
    made = TextTable(
        "What the choice of charges does: energy above the deepest point at which the crystal is crossed",
        ("<charges", "<species", "1D, eV", "2D, eV", "3D, eV"),
        keys=2,
    )
    missing = []
    for one in sets:
        if one.reason:
            missing.append(f"Charges {one.name}: not available, {one.reason}.")
            continue
        made.add_section()
        for ion, levels in zip(species, one.energies.tolist(), strict=True):
            made.add_row(one.name, ion.name, *map(_level, levels))
    grid = f"Grid of {max(spacing, COARSE):g} Å, without refinement: to about 0.01 eV."
    made.caption = "\n".join([grid, *missing])
    return made


def _level(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else "never"


def convergence_report(
    source: NetworkSource, framework: Framework | None, report: Callable[[str, float], None]
) -> Iterator[RenderableType]:
    """Yield sites and percolation energies at three grid spacings, and whether they agree."""
    spacings = [round(factor * source.settings.spacing, 6) for factor in SPACINGS]
    networks = []
    for n, spacing in enumerate(spacings):
        report(f"grid of {spacing:g} Å", n / len(spacings))
        finer = replace(source, settings=replace(source.settings, spacing=spacing))
        networks.append(finer.network(framework, lambda detail, fraction: None))
    report("grids", 1.0)
    yield convergence_table(spacings, networks)
    yield agreement(spacings, networks)


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
    finest = networks[-1]
    differing = [f"{spacing:g} Å ({what})" for spacing, what in _differences(spacings, networks)]
    scale = f"percolation energies within {1000 * TOLERANCE:g} meV and the same number of sites"
    if not differing:
        return f"All three grids agree: {scale}."
    chosen = any(text.startswith(f"{spacings[1]:g} Å") for text in differing)
    verdict = "The grid asked for is not converged" if chosen else "The grid asked for is converged"
    advice = f"; use --spacing {spacings[-1]:g} or finer" if chosen else ""
    found = "; ".join(differing)
    return f"{verdict}: expected {scale} as at {spacings[-1]:g} Å ({finest.n_sites}), not so at {found}{advice}."


def _differences(spacings: list[float], networks: list[PoreNetwork]) -> Iterator[tuple[float, str]]:
    finest = networks[-1]
    for spacing, network in zip(spacings[:-1], networks[:-1], strict=True):
        parts = []
        for index, species in enumerate(finest.species):
            n_here, n_finest = (int((net.site_species == index).sum()) for net in (network, finest))
            if n_here != n_finest:
                parts.append(f"{species.name} {n_here} sites instead of {n_finest}")
            here, there = (_above_deepest(net, index) for net in (network, finest))
            if not np.allclose(here, there, rtol=0, atol=TOLERANCE, equal_nan=True):
                parts.append(f"{species.name} crossing by {1000 * float(np.nanmax(np.abs(here - there))):.0f} meV")
        if parts:
            yield spacing, ", ".join(parts)


def _above_deepest(network: PoreNetwork, index: int) -> NDArray[np.float64]:
    return np.asarray(network.percolation[index] - network.site_energy[network.site_species == index].min())
