"""What a refinement asks for, and which relaxations and bands that makes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from lattice.atomistic import AtomisticCell, Relax, Repeats, fewest_repeats
from lattice.calculator import CalculatorSource
from lattice.ion_atoms import ion_atoms
from lattice.network import PoreNetwork
from structures.errors import InputError


@dataclass(frozen=True, slots=True)
class RefineRequest:
    """What was asked for.

    Attributes
    ----------
    network : Path
        File of a network.
    calculator : str
        FILE.py:NAME.
    output : Path or None
        Default: the folder `refined` beside the network.
    force : bool
        Drop earlier calculations with other settings.
    species : tuple of str
        Ions to refine; all if empty.
    ion_atoms : Mapping of str to Path
        Files with the atoms of an ion.
    relax : "ions" or "all"
    images : int
        Between the ends of a band, at least.
    fmax : float, eV/Å
    steps : int
    image_distance : float, Å
        At least, between periodic images of the ion.
    supercell : tuple of 3 int, optional
        In place of the one that follows from the distance.
    dry_run : bool
        Only list the calculations.
    """

    network: Path
    calculator: str
    output: Path | None = None
    force: bool = False
    species: tuple[str, ...] = ()
    ion_atoms: Mapping[str, Path] = field(default_factory=dict)
    relax: Relax = "ions"
    images: int = 5
    fmax: float = 0.02
    steps: int = 200
    image_distance: float = 8.0
    supercell: Repeats | None = None
    dry_run: bool = False


@dataclass(frozen=True, eq=False, slots=True)
class SpeciesPlan:
    """The calculations for one ion.

    Attributes
    ----------
    species : int
        Index in the network.
    cell : AtomisticCell
    sites : tuple of int
        Sites to relax: one of each orbit, and those at the far ends of the bands.
    hops : tuple of int
        One of each orbit.
    """

    species: int
    cell: AtomisticCell
    sites: tuple[int, ...]
    hops: tuple[int, ...]


def plan_refinement(network: PoreNetwork, request: RefineRequest) -> tuple[SpeciesPlan, ...]:
    """Choose supercell, sites and hops for every ion asked for.

    Raises
    ------
    InputError
        If the network has no framework or no such ion, or nothing says which atoms one has.
    """
    if not network.framework_symbols:
        raise InputError(
            f"{request.network}: expected a network with framework atoms, found none: a calculator would see the ion "
            "alone; in the site list give the cif in place of cell_A"
        )
    names = [species.name for species in network.species]
    for option, asked in (("--species", request.species), ("--ion-atoms", request.ion_atoms)):
        for name in asked:
            if name not in names:
                raise InputError(f"{option}: expected an ion of the network, {' or '.join(names)}; found {name}")
    repeats = request.supercell or fewest_repeats(network.cell, request.image_distance)
    plans = []
    for index, species in enumerate(network.species):
        if request.species and species.name not in request.species:
            continue
        atoms = ion_atoms(species, request.ion_atoms.get(species.name))
        sites, hops = representatives(network, index)
        plans.append(SpeciesPlan(index, AtomisticCell.of_network(network, atoms, repeats, request.relax), sites, hops))
    return tuple(plans)


def representatives(network: PoreNetwork, species: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Pick one site of each orbit and one hop of each orbit, so that few further sites are ends of hops.

    Returns
    -------
    sites, hops : tuple of int
        The sites of the orbits first, then the other ends.
    """
    mine = network.site_species == species
    sites = [int(np.flatnonzero(mine & (network.site_orbit == o))[0]) for o in np.unique(network.site_orbit[mine])]
    hops = []
    of_species = mine[network.hop_origin]
    for orbit in np.unique(network.hop_orbit[of_species]):
        members = np.flatnonzero(of_species & (network.hop_orbit == orbit))
        known = np.isin(network.hop_origin[members], sites).astype(int) + np.isin(network.hop_target[members], sites)
        hop = int(members[known.argmax()])
        hops.append(hop)
        for site in (int(network.hop_origin[hop]), int(network.hop_target[hop])):
            if site not in sites:
                sites.append(site)
    return tuple(sites), tuple(hops)


def settings_of(
    network: PoreNetwork, source: CalculatorSource, plans: tuple[SpeciesPlan, ...], relax: Relax
) -> dict[str, str]:
    """Everything that a finished calculation depends on, apart from its own accuracy and number of images."""
    settings = {
        "network": f"{network.name} {network.content_hash[:16]}",
        "calculator": f"{source.path.name}:{source.name} {source.sha256[:16]}",
        "relax": relax,
    }
    for plan in plans:
        settings["supercell"] = "x".join(str(n) for n in plan.cell.repeats)
        ion = plan.cell.ion
        places = hashlib.sha256(np.round(ion.positions, 6).tobytes()).hexdigest()[:16]
        settings[f"atoms of {network.species[plan.species].name}"] = f"{''.join(ion.symbols)} {places}"
    return settings


def plan_lines(network: PoreNetwork, plans: tuple[SpeciesPlan, ...], request: RefineRequest) -> Iterator[str]:
    """Yield what is going to be computed, and in which cell."""
    for plan in plans:
        name, cell = network.species[plan.species].name, plan.cell
        orbits = len(set(network.site_orbit[list(plan.sites)].tolist()))
        extra = len(plan.sites) - orbits
        yield (
            f"{name}: {orbits} kinds of site and {len(plan.hops)} kinds of hop"
            + (f", {extra} further sites at the ends of hops" if extra else "")
        )
        yield cell.ion.source
        yield (
            f"supercell {'x'.join(str(n) for n in cell.repeats)}, {cell.n_atoms} atoms with one {name}; "
            + ("the ion relaxes in a rigid framework" if request.relax == "ions" else "all atoms relax in a fixed cell")
        )
        if abs(cell.total_charge) > 1e-6:
            yield (
                f"this supercell carries {cell.total_charge:+.3g} e (in info['charge']): how that is compensated is up "
                "to the calculator, and only differences between places of one ion are used"
            )
