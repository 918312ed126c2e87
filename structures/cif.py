"""From a CIF file to a framework."""

from __future__ import annotations

import hashlib
import math
import warnings
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from ase.data import atomic_masses, atomic_numbers
from numpy.typing import NDArray

from structures.charges import atom_classes, balance, charges_from_file, charges_from_table
from structures.cleaning import refuse_overlaps, remove_guests
from structures.crystal import Crystal, formula, pairs_within
from structures.disorder import Occupation, resolve_disorder
from structures.errors import InputError
from structures.framework import Framework
from structures.library import LIBRARY, library_cif
from structures.symmetry import CellChoice, SymmetricCrystal, equivalent_atoms, symmetrise
from structures.units import AVOGADRO

SAME_PLACE = 0.05  # Å; images nearer than this are one atom on a special position, written with few decimals


def load_framework(
    path: str | Path,
    *,
    charges: Mapping[str, float] | None = None,
    net_charge: float = 0.0,
    cell: Literal["conventional", "primitive"] = "conventional",
) -> Framework:
    """Clean, ordered, charged framework of a CIF.

    Parameters
    ----------
    path : str or Path
        A CIF file, or the name of a shipped structure.
    charges : mapping of str to float, e, optional
        By atom class or element; without it, the charges of the CIF.
    net_charge : float, e
        Of one formula unit, the smallest whole-number ratio of the elements.
    cell : {"conventional", "primitive"}
        Standard cell of the space group, a along x and b in the xy plane. Where an ordering of framework atoms was
        chosen the cell of the file stands for the conventional one, because the lower symmetry of the ordering would
        ask for a larger cell.

    Raises
    ------
    InputError
        If the file cannot be read, atoms overlap, no framework is found, or the charges do not fit.
    """
    if cell not in ("conventional", "primitive"):
        raise InputError(f"cell must be conventional or primitive; got {cell}")
    source = _find(path)
    raw, text = _read_text(source)
    content = _parse(source.name, text)
    provenance = [f"structure: {source.name}, sha256 {hashlib.sha256(raw).hexdigest()}", *content.remarks]

    kept, lines = resolve_disorder(content.crystal, content.occupation)
    ordered = content.crystal.select(kept)
    refuse_overlaps(ordered)
    crystal, guests = remove_guests(ordered)
    provenance += [*lines, *guests]

    classes = atom_classes(crystal)
    if charges is not None:
        given, origin = charges_from_table(charges, classes, crystal.symbols), "the table given"
    else:
        orbits = equivalent_atoms(crystal.cell, crystal.frac_coords, _numbered(crystal.symbols))
        given, origin = charges_from_file(crystal, orbits), "_atom_site_charge of the CIF"
    formula_units = math.gcd(*Counter(crystal.symbols).values())
    balanced, line = balance(given, net_charge, formula_units)
    provenance += [f"charges from {origin}; {line}", f"net charge {net_charge:g} e per formula unit"]

    atoms = list(zip(crystal.symbols, classes, (float(q) for q in np.round(balanced, 6)), strict=True))
    kinds = _numbered(atoms)
    uncertain = {content.crystal.labels[i] for i in np.flatnonzero(content.occupation.partial)}
    choice: CellChoice = "given" if cell == "conventional" and uncertain & set(crystal.labels) else cell
    symmetric = symmetrise(crystal.cell, crystal.frac_coords, kinds, choice=choice)
    return _assemble(source.stem, symmetric, atoms, net_charge, provenance)


def _assemble(
    name: str,
    symmetric: SymmetricCrystal,
    atoms: list[tuple[str, str, float]],
    net_charge: float,
    provenance: list[str],
) -> Framework:
    """Framework of a standardised cell; `kinds` number the distinct entries of `atoms` in sorted order."""
    distinct = sorted(set(atoms))
    symbols = tuple(distinct[kind][0] for kind in symmetric.kinds)
    charges = np.array([distinct[kind][2] for kind in symmetric.kinds])
    formula_units = math.gcd(*Counter(symbols).values())
    charges += (net_charge * formula_units - charges.sum()) / len(charges)
    return Framework(
        name=name,
        cell=symmetric.cell,
        symbols=symbols,
        frac_coords=symmetric.frac_coords,
        charges=charges,
        atom_classes=tuple(distinct[kind][1] for kind in symmetric.kinds),
        formula_units=formula_units,
        net_charge=net_charge * formula_units,
        rotations=symmetric.rotations,
        translations=symmetric.translations,
        provenance=(*provenance, *_describe(symmetric, symbols, formula_units)),
    )


def _describe(symmetric: SymmetricCrystal, symbols: tuple[str, ...], formula_units: int) -> list[str]:
    """Cell, formula, density and nearest atoms, for the provenance."""
    lengths = np.linalg.norm(symmetric.cell, axis=1)
    cosines = [symmetric.cell[i] @ symmetric.cell[j] / (lengths[i] * lengths[j]) for i, j in ((1, 2), (0, 2), (0, 1))]
    a, b, c = lengths
    alpha, beta, gamma = np.degrees(np.arccos(cosines))
    volume = float(np.linalg.det(symmetric.cell))
    mass = sum(float(atomic_masses[atomic_numbers[symbol]]) for symbol in symbols)
    crystal = Crystal(symmetric.cell, symmetric.frac_coords, symbols, symbols, np.zeros(len(symbols)))
    pairs = pairs_within(crystal, 3.0)
    nearest = ""
    if len(pairs):
        k = int(np.argmin(pairs.distance))
        nearest = f", nearest atoms {symbols[pairs.a[k]]}-{symbols[pairs.b[k]]} {pairs.distance[k]:.3f} Å"
    unit = [s for symbol, n in Counter(symbols).items() for s in [symbol] * (n // formula_units)]
    return [
        f"cell: a {a:.4f}, b {b:.4f}, c {c:.4f} Å, alpha {alpha:.2f}, beta {beta:.2f}, gamma {gamma:.2f}°, "
        f"space group {symmetric.space_group}, {len(symmetric.rotations)} operations",
        f"content: {len(symbols)} atoms, {formula_units} x {formula(unit)}, "
        f"density {mass / volume / AVOGADRO * 1e24:.4f} g/cm3{nearest}",
    ]


def _numbered(values: Any) -> NDArray[np.int64]:
    """Return the number of every value among the sorted distinct ones."""
    index = {value: number for number, value in enumerate(sorted(set(values)))}
    return np.array([index[value] for value in values], dtype=np.int64)


@dataclass(frozen=True, eq=False, slots=True)
class _CifContent:
    crystal: Crystal
    occupation: Occupation
    remarks: tuple[str, ...]


def _find(path: str | Path) -> Path:
    source = Path(path)
    if source.is_file():
        return source
    if str(path) in LIBRARY:
        return library_cif(str(path))
    if source.is_dir():
        raise InputError(f"structure must be a CIF file; {source} is a folder")
    raise InputError(f"structure must be a CIF file or one of {', '.join(LIBRARY)}; {source} does not exist")


def _read_text(source: Path) -> tuple[bytes, str]:
    try:
        raw = source.read_bytes()
    except OSError as error:
        raise InputError(f"{source.name} cannot be opened: {error.strerror}") from error
    text = raw.decode("utf-8-sig", errors="replace")
    if not text.strip():
        raise InputError(f"{source.name} must hold a crystal structure; the file is empty")
    return raw, text


def _parse(name: str, text: str) -> _CifContent:
    """Read and expand the first block with atoms; every failure of the reader becomes one line."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from pymatgen.io.cif import CifFile, CifParser

            blocks = [b for b in CifFile.from_str(text).data.values() if b.data.get("_atom_site_fract_x")]
            if not blocks:
                raise InputError(f"{name} must hold a block with fractional atom coordinates; found none")
            parser = CifParser.from_str(text)
            lattice = parser.get_lattice(blocks[0])
            operations = parser.get_symops(blocks[0])
        if lattice is None:
            raise InputError(f"{name} must give the lattice parameters; found none")
        if min(lattice.abc) <= 0 or not math.isfinite(lattice.volume) or lattice.volume < 1e-3:
            found = ", ".join(f"{value:g}" for value in lattice.parameters)
            raise InputError(f"{name} must give a cell with positive lengths and a volume; got {found}")
        rotations = np.array([op.rotation_matrix for op in operations])
        translations = np.array([op.translation_vector for op in operations])
        data = dict(blocks[0].data)
        rows = _atom_rows(name, data)
        if not rows:
            raise InputError(f"{name} must hold atoms; found none")
        crystal, occupation, doubled = _expand(np.array(lattice.matrix), rows, rotations, translations)
    except InputError:
        raise
    except Exception as error:  # the reader fails in many ways on broken text
        reason = " ".join(str(error).split()) or "no reason given"
        raise InputError(f"{name} cannot be read as a CIF: {reason[:160]}") from error
    remarks = [f"block {blocks[0].header} of {len(blocks)} with atoms"] if len(blocks) > 1 else []
    if len(rotations) == 1:
        remarks.append("the CIF has no symmetry operations besides the identity")
    if doubled:
        remarks.append(f"{doubled} atoms listed twice by the CIF were taken once")
    method = data.get("_audit_creation_method")
    if method:
        remarks.append("origin: " + " ".join((method if isinstance(method, str) else " ".join(method)).split()))
    return _CifContent(crystal, occupation, tuple(remarks))


@dataclass(frozen=True, slots=True)
class _Row:
    """One line of the atom loop."""

    label: str
    symbol: str
    frac: tuple[float, float, float]
    occupancy: float
    charge: float
    assembly: str
    group: str


def _atom_rows(name: str, data: Mapping[str, Any]) -> list[_Row]:
    n_rows = len(data["_atom_site_fract_x"])

    def column(key: str, default: str) -> list[str]:
        values = data.get(f"_atom_site_{key}") or [default] * n_rows
        if len(values) != n_rows:
            raise InputError(f"{name}: _atom_site_{key} must have {n_rows} entries; got {len(values)}")
        return [default if value in (".", "?", "") else str(value) for value in values]

    def number(text: str, what: str, label: str) -> float:
        try:
            value = float(text.split("(")[0])
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise InputError(f"{name}: {what} of atom {label} must be a number; got {text}")
        return value

    labels = column("label", "")
    symbols = column("type_symbol", "")
    rows = []
    columns = zip(
        labels,
        symbols,
        *(column(f"fract_{axis}", "?") for axis in "xyz"),
        column("occupancy", "1"),
        column("charge", "0"),
        column("disorder_assembly", ""),
        column("disorder_group", ""),
        column("calc_flag", ""),
        strict=True,
    )
    for label, symbol, x, y, z, occupancy, charge, assembly, group, flag in columns:
        if flag == "dum":
            continue
        row = _Row(
            label=label or symbol,
            symbol=_element(name, symbol or label, label or symbol),
            frac=(number(x, "x", label), number(y, "y", label), number(z, "z", label)),
            occupancy=number(occupancy, "occupancy", label),
            charge=number(charge, "charge", label),
            assembly=assembly,
            group=group,
        )
        if not 0 <= row.occupancy <= 1.001:
            raise InputError(f"{name}: occupancy of atom {label} must lie in [0, 1]; got {row.occupancy:g}")
        if row.occupancy > 0:
            rows.append(row)
    if not rows:
        raise InputError(f"{name} must hold atoms; found none")
    return rows


def _element(name: str, text: str, label: str) -> str:
    letters = ""
    for character in text:
        if not character.isalpha():
            break
        letters += character
    for candidate in (letters[:2].capitalize(), letters[:1].upper()):
        if candidate == "D":
            return "H"
        if atomic_numbers.get(candidate, 0) > 0:
            return candidate
    raise InputError(f"{name}: atom {label} must have an element symbol; got {text or 'nothing'}")


def _expand(
    cell: NDArray[np.float64],
    rows: list[_Row],
    rotations: NDArray[np.float64],
    translations: NDArray[np.float64],
) -> tuple[Crystal, Occupation, int]:
    """All atoms of the cell: each row moved onto its special position, then copied by the operations."""
    frac = np.empty((0, 3))
    images = np.empty((len(rotations), 0), dtype=np.int64)
    site: list[int] = []
    doubled = 0
    for number, row in enumerate(rows):
        position = np.array(row.frac)
        step = rotations @ position + translations - position
        step -= np.round(step)
        fixed = np.linalg.norm(step @ cell, axis=1) < SAME_PLACE
        position = position + step[fixed].mean(axis=0)
        twins = [k for k, s in enumerate(site) if rows[s].symbol == row.symbol and not _is_partial(rows[s])]
        if twins and not _is_partial(row) and _distances(cell, position, frac[twins]).min() < SAME_PLACE:
            doubled += 1
            continue
        copies = (rotations @ position + translations) % 1.0
        orbit: list[NDArray[np.float64]] = []
        for copy in copies:
            if not orbit or _distances(cell, copy, np.array(orbit)).min() >= SAME_PLACE:
                orbit.append(copy)
        images = np.hstack([images, _orbit_images(cell, np.array(orbit), rotations, translations) + len(frac)])
        frac = np.vstack([frac, orbit])
        site += [number] * len(orbit)
    crystal = Crystal(
        cell=cell,
        frac_coords=frac,
        symbols=tuple(rows[s].symbol for s in site),
        labels=tuple(rows[s].label for s in site),
        charges=np.array([rows[s].charge for s in site]),
    )
    occupation = Occupation(
        occupancy=np.array([rows[s].occupancy for s in site]),
        assembly=tuple(rows[s].assembly for s in site),
        group=tuple(rows[s].group for s in site),
        site=np.array(site, dtype=np.int64),
        images=images,
    )
    return crystal, occupation, doubled


def _is_partial(row: _Row) -> bool:
    return row.occupancy < 0.999 or bool(row.group)


def _distances(
    cell: NDArray[np.float64], point: NDArray[np.float64], others: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Distances, Å, to the image nearest in fractional coordinates; exact for the short ones that matter here."""
    step = others - point
    step -= np.round(step)
    return np.asarray(np.linalg.norm(step @ cell, axis=-1))


def _orbit_images(
    cell: NDArray[np.float64],
    orbit: NDArray[np.float64],
    rotations: NDArray[np.float64],
    translations: NDArray[np.float64],
) -> NDArray[np.int64]:
    """Atom of the orbit that each operation takes each atom to, (n_operations, n_orbit)."""
    moved = np.einsum("gij,kj->gki", rotations, orbit) + translations[:, None]
    return np.array([np.argmin(_distances(cell, points[:, None], orbit), axis=1) for points in moved])
