"""Where a pore network comes from: a CIF with charges and a landscape, or a list of sites; and numbers of the user."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lattice.builder import LandscapeSettings, cached_network
from lattice.exclusions import without_contacts
from lattice.network import ATTEMPT_FREQUENCY, PoreNetwork
from lattice.overrides import HopOverride, SiteOverride, override_network
from lattice.scaled_rates import scale_rates
from lattice.site_list import SiteListSettings
from lattice.site_list_file import load_site_list
from runs.deck import ChargeSource, Deck
from runs.deck_checks import defects_of
from runs.deck_file import DeckFile
from runs.deck_species import deck_species
from runs.network_request import NetworkRequest
from structures.cif import load_framework
from structures.defects import with_defects
from structures.errors import About, InputError
from structures.framework import Framework
from structures.missing import Defects
from structures.species import SHIPPED_SPECIES, Species

EPS_R = 10.0  # where nothing is said
TEMPERATURES = (200.0, 500.0)  # K, range of the rates of a network without a deck

# key of [structure] and option of the command line, by what a fault of the framework is about
NAMES: dict[About, tuple[str, str]] = {
    "": ("cif", ""),
    "charges": ("charges", "--charge"),
    "charge_source": ("charge_source", "--charges"),
    "net_charge": ("net_charge", "--net-charge"),
    "balance_on": ("balance_on", "balance_on"),
    "missing_nodes": ("missing_nodes", "--missing-nodes"),
    "missing_linkers": ("missing_linkers", "--missing-linkers"),
    "defect_cell": ("defect_cell", "--defect-cell"),
    "defect_seed": ("defect_seed", "--defect-seed"),
}

Progress = Callable[[str, float], None]


@dataclass(frozen=True, eq=False, slots=True)
class NetworkSource:
    """Everything that decides a pore network.

    Attributes
    ----------
    species : tuple of Species
    settings : LandscapeSettings
    attempt_frequency : float or None, 1/s
        Of the runs; None where prefactors come from the landscape.
    of_ions : Mapping of str to float
        Attempt frequencies, 1/s, or friction factors of single ions, where they differ from that of the runs.
    contacts : bool
        Whether ions keep to their contact radii.
    cif : str or None
        Path, or name of a shipped structure; None where the list of sites has its own cell.
    charges : Mapping of str to float, e
    charge_source : {"auto", "table", "cif", "eqeq"}
    net_charge : float or None, e per formula unit
    balance_on : str or None
        Atoms that take up what the charges lack of it.
    cell : {"conventional", "primitive"}
    defects : Defects
        Missing nodes and linkers.
    sites : Path or None
        Site list in place of a landscape.
    cubes : Mapping of str to Path
        Files with the landscape of a species.
    overrides : tuple of SiteOverride and HopOverride
    """

    species: tuple[Species, ...]
    settings: LandscapeSettings
    attempt_frequency: float | None = None
    of_ions: Mapping[str, float] = field(default_factory=dict)
    contacts: bool = True
    cif: str | None = None
    charges: Mapping[str, float] = field(default_factory=dict)
    charge_source: ChargeSource = "auto"
    net_charge: float | None = None
    balance_on: str | None = None
    cell: Literal["conventional", "primitive"] = "conventional"
    defects: Defects = field(default_factory=Defects)
    sites: Path | None = None
    cubes: Mapping[str, Path] = field(default_factory=dict)
    overrides: tuple[SiteOverride | HopOverride, ...] = ()

    def framework(self, charge_source: ChargeSource | None = None) -> Framework | None:
        """Load the framework and take out what is missing; None where the list of sites has its own cell.

        Parameters
        ----------
        charge_source : optional
            In place of the own one; "cif" and "eqeq" then leave out the table of charges.

        Raises
        ------
        InputError
            If the file, the charges, the net charge or the defects are wrong.
        """
        if self.cif is None:
            return None
        alone = charge_source in ("cif", "eqeq")
        perfect = load_framework(
            self.cif,
            charges=None if alone else self.charges or None,
            charge_source=charge_source or self.charge_source,
            net_charge=self.net_charge,
            balance_on=self.balance_on,
            cell=self.cell,
        )
        return with_defects(perfect, self.defects)

    def network(
        self,
        framework: Framework | None,
        progress: Progress,
        energies: dict[str, NDArray[np.float64]] | None = None,
    ) -> PoreNetwork:
        """Find or fetch the network, and put the user's numbers in it.

        Parameters
        ----------
        framework : Framework or None
            As `framework` gave it.
        progress : callable (what, fraction done)
        energies : dict, optional
            Takes up the landscapes that had to be computed, see `lattice.builder.build_network`.

        Raises
        ------
        InputError
            If an ion does not fit or does not cross the crystal, or an override names nothing.
        """
        if self.sites is not None:
            network = load_site_list(self.sites, self._list_settings(), species=self.species, framework=framework)
        elif framework is not None:
            network = cached_network(
                framework, self.species, self.settings, cubes=self.cubes, energies=energies, progress=progress
            )
            if (frequency := self.attempt_frequency) is not None:
                relative = {name: nu / frequency for name, nu in self.of_ions.items()}
                network = scale_rates(network, relative, what=f"attempt frequency over {frequency:g} /s")
        else:
            raise InputError("expected a CIF or a list of sites, found neither")
        network = override_network(network, self.overrides, attempt_frequency=self.attempt_frequency)
        if self.attempt_frequency is None:
            network = scale_rates(network, self.of_ions, what="friction factor")
        return network if self.contacts else without_contacts(network)

    def _list_settings(self) -> SiteListSettings:
        frequency = ATTEMPT_FREQUENCY if self.attempt_frequency is None else self.attempt_frequency
        return SiteListSettings(self.settings.permittivity, frequency, self.settings.temperatures, self.of_ions)


def source_of_request(request: NetworkRequest) -> NetworkSource:
    """Return everything that decides the network; every direction that is crossed is enough."""
    plain = request.is_site_list or request.rates == "attempt_frequency"
    settings = LandscapeSettings(
        permittivity=EPS_R if request.eps_r is None else request.eps_r,
        spacing=request.spacing,
        persistence_kT=request.persistence_kT,
        temperatures=(min(TEMPERATURES[0], request.temperature), max(TEMPERATURES[1], request.temperature)),
        rate_model=request.rates,
        percolation_dimensions=1,
        **({} if request.orientations is None else {"orientations": request.orientations}),
    )
    return NetworkSource(
        species=tuple(SHIPPED_SPECIES[name] for name in request.species),
        settings=settings,
        attempt_frequency=ATTEMPT_FREQUENCY if plain else None,
        cif=None if request.is_site_list else request.cif,
        charges=request.charges,
        charge_source=request.charge_source,
        net_charge=request.net_charge,
        cell=request.cell or "conventional",
        defects=request.defects,
        sites=Path(request.cif) if request.is_site_list else None,
        cubes=request.cubes,
    )


def source_of_deck(file: DeckFile) -> NetworkSource:
    """Return what a deck says of its network, with all paths from the deck's folder."""
    deck = file.deck
    structure = deck.structure
    return NetworkSource(
        species=deck_species(deck),
        settings=landscape_settings(deck),
        attempt_frequency=deck.rates.factor if deck.rates.model == "attempt_frequency" else None,
        of_ions=deck.rates.of_ions,
        contacts=deck.interactions.exclusions,
        cif=None if structure.cif is None else file.cif,
        charges=structure.charges,
        charge_source=structure.charge_source,
        net_charge=structure.net_charge,
        balance_on=structure.balance_on,
        cell=structure.cell,
        defects=defects_of(deck),
        sites=None if structure.sites is None else file.beside(structure.sites),
        cubes={name: file.beside(given) for name, given in deck.landscape.cube.items()},
        overrides=(
            *(SiteOverride(site.species, site.energy_eV, site.orbit, site.label) for site in deck.override.site),
            *(
                HopOverride(hop.species, hop.orbit, hop.labels, hop.barrier_eV, hop.prefactor_Hz)
                for hop in deck.override.hop
            ),
        ),
    )


def landscape_settings(deck: Deck) -> LandscapeSettings:
    """Return the settings of the network builder as the deck gives them."""
    table = deck.landscape
    return LandscapeSettings(
        permittivity=table.permittivity,
        spacing=table.spacing_A,
        cutoff=table.cutoff_A,
        persistence_kT=table.persistence_kT,
        temperatures=(deck.scan.temperatures[0], deck.scan.temperatures[-1]),
        rate_model=deck.rates.model,
        percolation_dimensions=table.percolation_dimensions,
        **({} if table.orientations is None else {"orientations": table.orientations}),
    )


def fault_with_key(error: InputError) -> str:
    """Begin a fault of the framework with the key of [structure] that it is about."""
    said, key = str(error), NAMES[error.about][0]
    return f"[structure] {said}" if error.about and said.startswith(key) else f"[structure] {key}: {said}"


def fault_with_option(error: InputError) -> str:
    """Say a fault of the framework in the options of the command line."""
    said = str(error).removeprefix(f"{NAMES[error.about][0]}: ").removeprefix("charges: ")
    for about in ("charge_source", "net_charge", "defect_cell"):
        key, option = NAMES[about]
        said = re.sub(rf'\b{key} = "(\w+)"', rf"{option} \1", said)
        said = re.sub(rf"\b{key}\b", option, said)
    option = NAMES[error.about][1]
    return said if said.startswith(option) else f"{option}: {said}"
