"""What `mofkmc network` was asked for, filled up with what comes with the program."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from lattice.builder import LandscapeSettings
from lattice.network import ATTEMPT_FREQUENCY
from runs.deck import ChargeSource, RateModel
from runs.deck_file import SHIPPED_DECKS, read_deck
from runs.network_source import NetworkSource
from structures.errors import InputError
from structures.library import LIBRARY, library_cif
from structures.species import SHIPPED_SPECIES, Species

EPS_R = 10.0
ROOM_TEMPERATURE = 298.15  # K
TEMPERATURES = (200.0, 500.0)  # K, range of the rates in the file
_FORMULA_SUM = re.compile(r"^_chemical_formula_sum\s+'([^']+)'", re.MULTILINE)
_SITE_LISTS = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class NetworkRequest:
    """What was asked for; None stands for the default.

    Attributes
    ----------
    cif : str
        CIF, name of a shipped structure, or YAML file with sites and hops.
    species : tuple of str
    charges : Mapping of str to float, e
    charge_source : {"auto", "table", "cif", "eqeq"}
    eps_r : float, tuple, nested tuple or None
    net_charge : float or None, e per formula unit
    cell : "conventional", "primitive" or None
    spacing : float, Å
    persistence_kT : float
    rates : str
        Rate model.
    temperature : float, K
        Of the prefactors that are printed.
    orientations : int or None
    cubes : Mapping of str to Path
        Landscape of a species from a file.
    converge, charge_sets : bool
        Compare grids; compare sets of charges.
    """

    cif: str
    species: tuple[str, ...]
    charges: Mapping[str, float] = field(default_factory=dict)
    charge_source: ChargeSource = "auto"
    eps_r: float | tuple[float, ...] | tuple[tuple[float, ...], ...] | None = None
    net_charge: float | None = None
    cell: Literal["conventional", "primitive"] | None = None
    spacing: float = 0.2
    persistence_kT: float = 2.5  # noqa: N815
    rates: RateModel = "flux_tst"
    temperature: float = ROOM_TEMPERATURE
    orientations: int | None = None
    cubes: Mapping[str, Path] = field(default_factory=dict)
    converge: bool = False
    charge_sets: bool = True

    @property
    def is_site_list(self) -> bool:
        """Whether the file lists sites and hops."""
        return Path(self.cif).suffix.lower() in _SITE_LISTS

    @property
    def name(self) -> str:
        """Name of the default folder of results."""
        return f"{Path(self.cif).stem}_network"


def source_of_request(request: NetworkRequest) -> NetworkSource:
    """Return everything that decides the network; every direction that is crossed is enough.

    Raises
    ------
    InputError
        If an ion is not shipped or named twice, or a cube is for another ion.
    """
    for name in request.cubes:
        if name not in request.species:
            raise InputError(f"--cube: expected one of {', '.join(request.species)}, found {name}")
    if request.is_site_list and request.cubes:
        raise InputError(f"--cube: expected none, because {request.cif} gives sites and hops")
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
        species=chosen_species(request.species),
        settings=settings,
        attempt_frequency=ATTEMPT_FREQUENCY if plain else None,
        cif=None if request.is_site_list else request.cif,
        charges=request.charges,
        charge_source=request.charge_source,
        net_charge=request.net_charge,
        cell=request.cell or "conventional",
        sites=Path(request.cif) if request.is_site_list else None,
        cubes=request.cubes,
    )


def chosen_species(names: tuple[str, ...]) -> tuple[Species, ...]:
    """Return the shipped ions of these names.

    Raises
    ------
    InputError
        If one is not shipped or is named twice.
    """
    for name in names:
        if name not in SHIPPED_SPECIES:
            known = ", ".join(SHIPPED_SPECIES)
            raise InputError(f"--species: expected one of {known}, found {name}; other ions are defined in a deck")
    if len(set(names)) < len(names):
        raise InputError(f"--species: expected different ions, found {', '.join(names)}")
    return tuple(SHIPPED_SPECIES[name] for name in names)


def with_defaults(request: NetworkRequest) -> tuple[NetworkRequest, tuple[str, ...]]:
    """Fill what was not given from the shipped deck of this compound, and say so."""
    name = _library_name(request.cif)
    if not name:
        return request, ()
    decks = (read_deck(path) for path in sorted(SHIPPED_DECKS.glob("*.toml")))
    file = next((file for file in decks if _formula(file.deck.structure.cif or "") == _formula(name)), None)
    if file is None:
        return request, ()
    structure = file.deck.structure
    missing = {
        "charges": not request.charges and request.charge_source in ("auto", "table"),
        "net charge": request.net_charge is None,
        "cell": request.cell is None,
    }
    filled = replace(
        request,
        charges=structure.charges if missing["charges"] else request.charges,
        net_charge=structure.net_charge if request.net_charge is None else request.net_charge,
        cell=request.cell or structure.cell,
    )
    taken = ", ".join(what for what, absent in missing.items() if absent)
    return filled, (f"{taken} as in the shipped deck {file.name}",) if taken else ()


def _library_name(cif: str) -> str:
    """Name of the shipped structure that is meant, by name or as an unchanged copy of its file; else empty."""
    if cif in LIBRARY and not Path(cif).is_file():
        return cif
    path = Path(cif)
    if path.stem in LIBRARY and path.is_file() and path.read_bytes() == library_cif(path.stem).read_bytes():
        return path.stem
    return ""


def _formula(name: str) -> dict[str, int]:
    """Smallest whole-number ratio of the elements that a shipped CIF states, the same for all forms of a compound."""
    if name not in LIBRARY:
        return {}
    stated = _FORMULA_SUM.search(library_cif(name).read_text(encoding="utf-8"))
    counts = {
        symbol: int(number or 1) for symbol, number in re.findall(r"([A-Z][a-z]?)(\d*)", stated[1] if stated else "")
    }
    unit = math.gcd(*counts.values())
    return {symbol: number // unit for symbol, number in counts.items()}
