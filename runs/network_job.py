"""`mofkmc network`: the pore network of a framework without a deck."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from lattice.builder import LandscapeSettings, cached_network
from runs.deck_file import SHIPPED_DECKS, read_deck
from runs.faults import writing
from runs.folder import ResultsFolder
from runs.network_tables import listing, network_report, output_console
from runs.progress import part_of, reporter
from structures.cif import load_framework
from structures.errors import InputError
from structures.library import LIBRARY, library_cif
from structures.species import SHIPPED_SPECIES, Species

EPS_R = 10.0
_FORMULA_SUM = re.compile(r"^_chemical_formula_sum\s+'([^']+)'", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class NetworkRequest:
    """What was asked for; None stands for the default.

    Attributes
    ----------
    cif : str
        File, or name of a shipped structure.
    species : tuple of str
    charges : Mapping of str to float, e
    eps_r : float or None
    net_charge : float or None, e per formula unit
    cell : "conventional", "primitive" or None
    spacing : float, Å
    """

    cif: str
    species: tuple[str, ...]
    charges: Mapping[str, float] = field(default_factory=dict)
    eps_r: float | None = None
    net_charge: float | None = None
    cell: Literal["conventional", "primitive"] | None = None
    spacing: float = 0.2


def network_job(request: NetworkRequest, folder: ResultsFolder | None) -> None:
    """Build or fetch the network, print it, and write it if a folder is given."""
    species = chosen_species(request.species)
    request, remarks = with_defaults(request)
    console, remark_console = output_console(), output_console(stderr=True)
    framework = load_framework(
        request.cif,
        charges=request.charges or None,
        net_charge=request.net_charge or 0.0,
        cell=request.cell or "conventional",
    )
    settings = LandscapeSettings(permittivity=request.eps_r or EPS_R, spacing=request.spacing)
    with reporter(remark_console) as report:
        network = cached_network(framework, species, settings, progress=part_of(report, "Pore network"))
    for part in network_report(network):
        console.print(part)
    console.print(listing("Assumptions", (*network.provenance, *remarks)))
    if folder is not None:
        from analysis.plots import save_network

        folder.claim(None)
        with writing(folder.path):
            network.save(folder.network)
            save_network(network, folder.path / "network.png")
        console.print(f"\nWritten to {folder.path}: network.h5, network.png")


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
    file = next((file for file in decks if _formula(file.deck.structure.cif) == _formula(name)), None)
    if file is None:
        return request, ()
    structure = file.deck.structure
    missing = {
        "charges": not request.charges,
        "net charge": request.net_charge is None,
        "cell": request.cell is None,
    }
    filled = replace(
        request,
        charges=request.charges or structure.charges,
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
    stated = _FORMULA_SUM.search(library_cif(name).read_text(encoding="utf-8"))
    counts = {
        symbol: int(number or 1) for symbol, number in re.findall(r"([A-Z][a-z]?)(\d*)", stated[1] if stated else "")
    }
    unit = math.gcd(*counts.values())
    return {symbol: number // unit for symbol, number in counts.items()}
