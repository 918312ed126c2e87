"""Site lists in YAML, with or without a CIF beside them.

A list that stands for itself (Li⁺ on a simple cubic lattice; lengths in Å, energies in eV, prefactors in 1/s):

    name: simple cubic
    cell_A: [4.0, 4.0, 4.0]          # a, b, c; or a, b, c, alpha, beta, gamma; or three vectors
    space_group: Pm-3m               # symbol or number; without it every site of the cell is listed
    framework_charge_e: -1           # of the cell
    sites:
      - {label: A, species: Li+, frac: [0, 0, 0], energy_eV: 0.0}
    hops:
      - {from: A, to: A, max_distance_A: 4.0, barrier_eV: 0.30, prefactor_Hz: 5.0e+12}

The same with the cell and the symmetry of a CIF, whose lithium atoms are the sites under their labels:

    cif: LiFePO4.cif                 # in the folder of this file; coordinates are those of the CIF, unchanged
    mobile: {element: Li, species: Li+}   # energy_eV: one number, or one for every label; 0 without it
    hops:
      - {from: Li1, to: Li1, image: [0, 1, 0], barrier_eV: 0.27}

A CIF with `sites` instead of `mobile` gives cell, symmetry and atoms alone. A hop joins two sites `from` one label `to`
another (any, if left out) either between min_distance_A and max_distance_A, or from the first site as listed to the
second one in the cell `image`, with all symmetric copies of that pair; it has barrier_eV, counted from `from` if the
labels differ and from the deeper end otherwise, or saddle_eV. framework_charge_e may be left out where a CIF gives
occupancies: it then balances the mobile ions of the CIF.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError, YAMLWarning

from lattice.network import PoreNetwork
from lattice.site_list import HopRule, ListedSite, SiteList, SiteListSettings, network_from_sites
from lattice.site_list_keys import Entry
from lattice.symmetry import SpaceGroup
from structures.cif_atoms import read_cell, read_sites
from structures.cif_symmetry import Operations, read_operations, symmetric_cell
from structures.cif_text import Block, read_block
from structures.errors import InputError
from structures.framework import Framework
from structures.sites import Site, check_cell, expand
from structures.species import SHIPPED_SPECIES, Species

_TOP = ("name", "cell_A", "space_group", "cif", "framework_charge_e", "sites", "mobile", "hops")
_SITE = ("label", "species", "frac", "energy_eV")
_HOP = ("from", "to", "image", "min_distance_A", "max_distance_A", "barrier_eV", "saddle_eV", "prefactor_Hz")
_MOBILE = ("element", "species", "energy_eV")


def load_site_list(
    path: str | Path,
    settings: SiteListSettings,
    *,
    species: Sequence[Species] = (),
    framework: Framework | None = None,
) -> PoreNetwork:
    """Pore network of a YAML file of sites and hops.

    Parameters
    ----------
    path : path
    settings : SiteListSettings
    species : sequence of Species
        Ions that must have sites, in the order they shall have in the network. The list may hold shipped ones beside.
    framework : Framework, optional
        Cell, symmetry, atoms and charge where the file names neither a cell nor a CIF.

    Raises
    ------
    InputError
        With file, line, key, what was expected and what was found.
    """
    source = Path(path)
    known = {ion.name: ion for ion in species} | {n: s for n, s in SHIPPED_SPECIES.items() if n not in _names(species)}
    top = _read_yaml(source)
    top.only(_TOP)
    host = _host(top, source, framework)
    sites, balance = _sites(top, host, known)
    for ion in species:
        if all(site.species != ion.name for site in sites):
            found = ", ".join(sorted({site.species for site in sites})) or "none"
            raise InputError(f"{source.name}: {ion.name} must have sites; the list has those of {found}")
    hops = tuple(_hop(entry) for entry in top.entries("hops"))
    charge, line = _framework_charge(top, host, balance)
    listed = SiteList(
        name=top.text("name") if top.has("name") else host.name,
        source=source.name,
        group=host.group,
        sites=sites,
        hops=hops,
        framework_charge=charge,
        framework_symbols=host.symbols,
        framework_frac=host.frac,
        framework_charges=host.charges,
        provenance=(*host.lines, line),
    )
    return network_from_sites(listed, list(known.values()), settings)


def _names(species: Sequence[Species]) -> set[str]:
    return {ion.name for ion in species}


def _read_yaml(source: Path) -> Entry:
    if source.suffix.lower() == ".cif":
        raise InputError(
            f"{source.name} has sites but no barriers; write a YAML file with cif: {source.name}, mobile: and hops:"
        )
    try:
        text = source.read_bytes().decode("utf-8-sig")
        with warnings.catch_warnings():
            warnings.simplefilter("error", YAMLWarning)
            content = YAML(typ="rt", pure=True).load(text)
    except OSError as error:
        raise InputError(f"{source.name} cannot be opened: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{source.name} must be text in UTF-8; byte {error.start} is not") from error
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark is not None else 1
        problem = " ".join(str(error.problem or error).split())[:120]
        raise InputError(f"{source.name}, line {line}: must be YAML; {problem}") from error
    except (YAMLError, YAMLWarning, ValueError, TypeError, RecursionError) as error:
        raise InputError(f"{source.name} must be YAML; {' '.join(str(error).split())[:160]}") from error
    if not isinstance(content, CommentedMap):
        raise InputError(f"{source.name} must hold keys such as sites and hops; got {type(content).__name__}")
    return Entry(source.name, "", content)


@dataclass(frozen=True, eq=False, slots=True)
class _Host:
    """Where the sites are: cell, symmetry, and the atoms that stay."""

    name: str
    group: SpaceGroup
    symbols: tuple[str, ...]
    frac: NDArray[np.float64]
    charges: NDArray[np.float64]
    charge: float | None
    mobile: tuple[Site, ...]
    lines: tuple[str, ...]


def _host(top: Entry, source: Path, framework: Framework | None) -> _Host:
    if top.has("cif") and top.has("cell_A"):
        raise top.fault("cell_A", "left out beside a cif, which has its own cell", "both")
    if top.has("cif"):
        return _host_of_cif(top, source)
    if top.has("mobile"):
        raise top.fault("cif", "the name of the CIF with the mobile sites", "nothing")
    if top.has("cell_A"):
        return _host_of_cell(top, source)
    if framework is None:
        raise top.fault("cell_A", "lattice parameters, or a cif instead", "neither")
    return _Host(
        name=framework.name,
        group=SpaceGroup.of(framework),
        symbols=framework.symbols,
        frac=framework.frac_coords,
        charges=framework.charges,
        charge=framework.net_charge,
        mobile=(),
        lines=framework.provenance,
    )


def _host_of_cell(top: Entry, source: Path) -> _Host:
    """Cell from its parameters or vectors, symmetry from the name or number of a space group."""
    rows = top.sequence("cell_A")
    if len(rows) == 3 and all(isinstance(row, CommentedSeq) for row in rows):
        cell = np.array([top.numbers_in("cell_A", row, 3) for row in rows])
    else:
        values = top.numbers_in("cell_A", rows, 6 if len(rows) > 3 else 3)
        tags = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
        parameters = zip(tags, (*values, 90.0, 90.0, 90.0), strict=False)
        cell = read_cell(Block(source.name, "", {f"_cell_{tag}": (repr(value),) for tag, value in parameters}))
    check_cell(source.name, cell)
    values_of = {}
    if top.has("space_group"):
        key = "_symmetry_int_tables_number" if top.is_whole("space_group") else "_symmetry_space_group_name_h-m"
        values_of = {key: (top.text("space_group"),)}
    operations = read_operations(Block(source.name, "", values_of), cell)[0]
    cell, lines = symmetric_cell(source.name, cell, operations)
    said = f"space group {top.text('space_group')}" if values_of else "no symmetry"
    nothing = np.zeros((0, 3))
    return _Host(
        name=source.stem,
        group=_group(cell, operations),
        symbols=(),
        frac=nothing,
        charges=np.zeros(0),
        charge=None,
        mobile=(),
        lines=(f"cell given in {source.name}, {said}, {len(operations)} operations", *lines),
    )


def _host_of_cif(top: Entry, source: Path) -> _Host:
    """Cell, symmetry and atoms of a CIF in its own setting; the mobile ones apart."""
    path = source.parent / top.text("cif")
    if top.has("space_group"):
        raise top.fault("space_group", "left out beside a cif, which has its own symmetry", "both")
    try:
        block, lines = read_block(path.name, path.read_bytes())
    except OSError as error:
        raise top.fault("cif", "a file that can be read", f"{path} ({error.strerror})") from error
    cell = read_cell(block)
    check_cell(path.name, cell)
    sites, remarks = read_sites(block)
    element = top.entry("mobile").text("element") if top.has("mobile") else ""
    mobile = tuple(site for site in sites if site.symbol == element)
    if element and not mobile:
        found = ", ".join(sorted({site.symbol for site in sites}))
        raise top.entry("mobile").fault("element", f"one of the elements of {path.name}, {found}", element)
    rest = [site for site in sites if site.symbol != element]
    crystals = []
    for candidate in read_operations(block, cell):
        fitted, strained = symmetric_cell(path.name, cell, candidate)
        crystals.append((expand(path.name, fitted, rest or mobile, candidate)[0], candidate, strained))
    # of two choices of origin the right one puts the atoms on special positions
    crystal, operations, strained = min(crystals, key=lambda found: len(found[0].symbols))
    atoms = crystal.symbols if rest else ()
    return _Host(
        name=path.stem,
        group=_group(crystal.cell, operations),
        symbols=atoms,
        frac=crystal.frac_coords[: len(atoms)],
        charges=np.zeros(len(atoms)),
        charge=None,
        mobile=mobile,
        lines=(f"structure: {path.name}, as it is", *lines, *remarks, *operations.lines, *strained),
    )


def _group(cell: NDArray[np.float64], operations: Operations) -> SpaceGroup:
    return SpaceGroup.from_operations(cell, np.rint(operations.rotations).astype(np.int64), operations.translations)


def _framework_charge(top: Entry, host: _Host, mobile: float | None) -> tuple[float, str]:
    """Charge of the cell, e, and where it comes from; `mobile` is the charge of the mobile ions of a CIF."""
    if top.has("framework_charge_e"):
        charge = top.number("framework_charge_e")
        return charge, f"framework charge {charge:g} e per cell, given"
    if host.charge is not None:
        return host.charge, f"framework charge {host.charge:g} e per cell, that of {host.name}"
    if mobile is None:
        raise top.fault("framework_charge_e", "the charge of the cell in e", "nothing")
    charge = -float(np.rint(mobile))
    return charge, f"framework charge {charge:g} e per cell, balances the {mobile:g} e of the mobile ions of the CIF"


def _sites(top: Entry, host: _Host, species: Mapping[str, Species]) -> tuple[tuple[ListedSite, ...], float | None]:
    """Sites of the list or of the CIF, and the charge of the latter by their occupancies, e."""
    if host.mobile and top.has("sites"):
        raise top.fault("sites", "left out beside mobile, which takes the sites from the CIF", "both")
    if not host.mobile:
        return tuple(_site(entry, species) for entry in top.entries("sites")), None
    entry = top.entry("mobile")
    entry.only(_MOBILE)
    ion = _known_species(entry, species)
    energies = entry.value("energy_eV") if entry.has("energy_eV") else 0.0
    table = entry.entry("energy_eV") if isinstance(energies, CommentedMap) else None
    labels = _distinct_labels(host.mobile)
    if table is not None:
        table.only(labels)
    listed = []
    for site, label in zip(host.mobile, labels, strict=True):
        energy = entry.number("energy_eV", 0.0) if table is None else table.number(label)
        listed.append(ListedSite(label, ion.name, site.frac, energy))
    count = [len(host.group.symmetrise(np.array(site.frac))[1]) for site in host.mobile]
    return tuple(listed), ion.charge * sum(site.occupancy * n for site, n in zip(host.mobile, count, strict=True))


def _distinct_labels(sites: Sequence[Site]) -> tuple[str, ...]:
    """Labels of the CIF; a repeated one gets a number."""
    seen: dict[str, int] = {}
    labels = []
    for site in sites:
        seen[site.label] = seen.get(site.label, 0) + 1
        labels.append(site.label if seen[site.label] == 1 else f"{site.label} ({seen[site.label]})")
    return tuple(labels)


def _site(entry: Entry, species: Mapping[str, Species]) -> ListedSite:
    entry.only(_SITE)
    ion = _known_species(entry, species)
    x, y, z = entry.numbers("frac", 3)
    label, energy = entry.text("label"), entry.number("energy_eV", 0.0)
    return entry.blamed(lambda: ListedSite(label, ion.name, (x, y, z), energy))


def _known_species(entry: Entry, species: Mapping[str, Species]) -> Species:
    name = entry.text("species")
    if name not in species:
        raise entry.fault("species", f"one of {', '.join(species)}", name)
    return species[name]


def _hop(entry: Entry) -> HopRule:
    entry.only(_HOP)
    image, within = None, None
    if entry.has("image"):
        u, v, w = entry.whole_numbers("image", 3)
        image = (u, v, w)
    if entry.has("max_distance_A"):
        within = (entry.number("min_distance_A", 0.0), entry.number("max_distance_A"))
    elif entry.has("min_distance_A"):
        raise entry.fault("max_distance_A", "a distance in Å beside min_distance_A", "nothing")
    optional: dict[str, Any] = {
        name: entry.number(key) if entry.has(key) else None
        for name, key in (("barrier", "barrier_eV"), ("saddle", "saddle_eV"), ("prefactor", "prefactor_Hz"))
    }
    ends = tuple(entry.text(key) if entry.has(key) else None for key in ("from", "to"))
    return entry.blamed(lambda: HopRule(entry.where, (ends[0], ends[1]), image, within, **optional))
