"""What `mofkmc network` was asked for, filled up with what comes with the program."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

from lattice.rate_models import RateModel
from runs.deck import ChargeSource
from runs.deck_file import read_deck, shipped_decks
from runs.faults import unreadable
from structures.errors import InputError
from structures.library import LIBRARY, library_cif
from structures.missing import Defects
from structures.species import SHIPPED_SPECIES

ROOM_TEMPERATURE = 298.15  # K
_FORMULA_SUM = re.compile(r"^_chemical_formula_sum\s+'([^']+)'", re.MULTILINE)
_SITE_LISTS = (".yaml", ".yml")
_OF_A_LANDSCAPE = {
    "charges": "--charge",
    "charge_source": "--charges",
    "net_charge": "--net-charge",
    "cell": "--cell",
    "spacing": "--spacing",
    "persistence_kT": "--persistence-kT",
    "rates": "--rates",
    "orientations": "--orientations",
    "cubes": "--cube",
    "converge": "--converge",
    "missing_nodes": "--missing-nodes",
    "missing_linkers": "--missing-linkers",
    "defect_cell": "--defect-cell",
    "defect_seed": "--defect-seed",
}


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
    missing_nodes, missing_linkers, defect_cell, defect_seed : see `structures.defects.Defects`
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
    missing_nodes: float = 0.0
    missing_linkers: float = 0.0
    defect_cell: tuple[int, int, int] = (1, 1, 1)
    defect_seed: int = 1

    @property
    def defects(self) -> Defects:
        """What is missing in the crystal.

        Raises
        ------
        InputError
        """
        return Defects(self.missing_nodes, self.missing_linkers, self.defect_cell, self.defect_seed)

    @property
    def is_site_list(self) -> bool:
        """Whether the file lists sites and hops."""
        return Path(self.cif).suffix.lower() in _SITE_LISTS

    @property
    def name(self) -> str:
        """Name of the default folder of results."""
        return f"{Path(self.cif).stem}_network"


def check_request(request: NetworkRequest) -> None:
    """Refuse what needs no more than a look at names and files.

    Raises
    ------
    InputError
        If a file is not there, an ion is not shipped or named twice, a cube is for another ion, or grids are to be
        compared and none is computed.
    """
    _check_structure(request.cif)
    for name in request.species:
        if name not in SHIPPED_SPECIES:
            known = ", ".join(SHIPPED_SPECIES)
            raise InputError(f"--species: expected one of {known}, found {name}; other ions are defined in a deck")
    if len(set(request.species)) < len(request.species):
        raise InputError(f"--species: expected different ions, found {', '.join(request.species)}")
    if request.is_site_list:
        _refuse_for_site_list(request)
    _check_defects(request)
    for name, path in request.cubes.items():
        if name not in request.species:
            raise InputError(f"--cube: expected one of {', '.join(request.species)}, found {name}")
        if fault := unreadable(path):
            raise InputError(f"--cube {name}: expected a Gaussian cube file, found {fault}: {path}")
    if request.converge and set(request.cubes) >= set(request.species):
        raise InputError(
            "--converge: expected an ion whose energies are computed on grids of several spacings, found --cube for "
            f"{', '.join(request.species)}"
        )


def _check_defects(request: NetworkRequest) -> None:
    try:
        missing = request.defects
    except InputError as error:
        raise InputError(_OF_A_LANDSCAPE[error.about] + str(error).removeprefix(error.about)) from None
    if request.cubes and missing != Defects(seed=missing.seed):
        raise InputError("--cube: expected no missing pieces and no --defect-cell, because a cube is of one crystal")


def _refuse_for_site_list(request: NetworkRequest) -> None:
    """Refuse options that would ask for a landscape, rather than pass over them."""
    for one in fields(request):
        if one.name not in _OF_A_LANDSCAPE:
            continue
        value = getattr(request, one.name)
        default = one.default_factory() if one.default_factory is not MISSING else one.default
        if value != default and value != "attempt_frequency":
            option = _OF_A_LANDSCAPE[one.name]
            raise InputError(f"{option}: expected no such option, because {request.cif} gives sites and hops")


def _check_structure(given: str) -> None:
    path = Path(given)
    if given in LIBRARY and not path.exists():
        return
    fault = unreadable(path)
    if not fault:
        return
    beside = [entry.name for entry in path.parent.glob("*") if entry.suffix.lower() in (".cif", *_SITE_LISTS)]
    near = get_close_matches(path.name, [*beside, *LIBRARY], n=1)
    hint = f"; did you mean {path.with_name(near[0]) if near[0] in beside else near[0]}?" if near else ""
    raise InputError(
        f"{given}: expected a CIF, a YAML list of sites or the name of a shipped structure ({', '.join(LIBRARY)}), "
        f"found {fault}{hint}"
    )


def with_defaults(request: NetworkRequest) -> tuple[NetworkRequest, tuple[str, ...]]:
    """Fill what was not given from the shipped deck of this compound, and say so."""
    name = _library_name(request.cif)
    if not name:
        return request, ()
    decks = map(read_deck, shipped_decks())
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
