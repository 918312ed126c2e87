"""From a CIF file, or a structure in memory, to a framework."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from ase.geometry import cell_to_cellpar
from numpy.typing import NDArray

from structures.charges import ChargeSource, assign_charges, atom_classes
from structures.cleaning import Cleaned, OnlyMoleculesError, clean
from structures.crystal import Crystal, density, formula, pairs_within
from structures.errors import WARNING, InputError
from structures.framework import Framework
from structures.guests import Guest, charge_of_guests
from structures.hydrogens import add_hydrogens
from structures.plausibility import doubts, refuse_lost_atoms
from structures.source import Content, Source, read_contents
from structures.symmetry import CellChoice, SymmetricCrystal, equivalent_atoms, symmetrise
from structures.vacancies import missing_partners

_MAX_NET_CHARGE = 100.0  # e per formula unit; beyond it is a slip of the pen


def load_framework(
    source: Source,
    *,
    charges: Mapping[str, float] | None = None,
    charge_source: ChargeSource = "auto",
    net_charge: float | None = None,
    balance_on: str | None = None,
    cell: Literal["conventional", "primitive"] = "conventional",
) -> Framework:
    """Clean, ordered, charged framework of a structure.

    Parameters
    ----------
    source : str, Path, pymatgen Structure or ASE Atoms
        A CIF file, the name of a shipped structure, or a structure in memory.
    charges : mapping of str to float, e, optional
        By atom label, class or element.
    charge_source : {"auto", "table", "cif", "eqeq"}
        "auto" takes `charges` if given, else those of the CIF if non-zero and consistent, else EQeq.
    net_charge : float, e, optional
        Of one formula unit, the smallest whole-number ratio of the elements. Without it, minus the charge of the ions
        that were taken out of the pores.
    balance_on : str, optional
        Label, class or element of the atoms, or "all", that take up what charges of a table or file lack of the net
        charge.
    cell : {"conventional", "primitive"}
        Standard cell of the space group, a along x and b in the xy plane. Where an ordering of framework atoms was
        chosen the cell of the file stands for the conventional one, because the lower symmetry of the ordering would
        ask for a larger cell.

    Raises
    ------
    InputError
        If the source cannot be read, atoms overlap, no framework is found, or the charges do not fit.
    """
    if cell not in ("conventional", "primitive"):
        raise InputError(f"cell must be conventional or primitive; got {cell}")
    content, cleaned = _first_framework(source)
    crystal, hydrogens = add_hydrogens(cleaned.crystal)
    warnings = _doubts(content, cleaned, len(crystal) - len(cleaned.crystal))
    formula_units = math.gcd(*Counter(crystal.symbols).values())
    net, ions = _net_charge(net_charge, cleaned.guests, formula_units)

    classes = atom_classes(crystal)
    orbits = equivalent_atoms(crystal.cell, crystal.frac_coords, _numbered(crystal.symbols))
    try:
        assigned = assign_charges(
            crystal,
            classes,
            orbits,
            formula_units,
            table=charges,
            source=charge_source,
            net_charge=net,
            balance_on=balance_on,
        )
    except InputError as error:
        if net_charge is None and net:
            raise InputError(f"{error} ({ions[0]}; give net_charge to change this)", about=error.about) from error
        raise
    values = (float(q) for q in np.round(assigned.charges, 6))
    atoms = list(zip(crystal.symbols, classes, values, strict=True))
    choice: CellChoice = "given" if cell == "conventional" and cleaned.chosen else cell
    symmetric = symmetrise(crystal.cell, crystal.frac_coords, _numbered(atoms), choice=choice)
    provenance = [
        *content.lines,
        *warnings,
        *cleaned.lines,
        *hydrogens,
        *ions,
        *assigned.lines,
        f"charge sets that could be had: {', '.join(assigned.available) or 'none'}",
        _nearest(crystal),
        *_new_axes(crystal, symmetric),
    ]
    provenance[1:] = sorted(provenance[1:], key=lambda line: not line.startswith(WARNING))
    return _assemble(content.name, symmetric, atoms, net, provenance)


def _first_framework(source: Source) -> tuple[Content, Cleaned]:
    """Content of a source and its framework; a block of molecules alone gives way to the next one."""
    refused: InputError | None = None
    for content in read_contents(source):
        try:
            return content, clean(content.crystal, content.occupation)
        except OnlyMoleculesError as error:
            refused = refused or InputError(f"{content.name}: {error}{_why_no_net(content)}")
        except InputError as error:
            raise InputError(f"{content.name}: {error}") from error
    raise refused or InputError("structure must hold a crystal; found none")


def _why_no_net(content: Content) -> str:
    """Return what in reading the file may have broken the net, in words that follow the refusal."""
    texts = ("atoms without coordinates left out", "the file gives no symmetry at all", "are not in its list",
             "cut off after")  # fmt: skip
    why = [line.removeprefix(WARNING) for line in content.lines[1:] if any(text in line for text in texts)]
    if content.stated.short:
        why.append(f"the formula of the file has more atoms (the list has {', '.join(content.stated.short.values())})")
        why += ["operations of symmetry were lost: the file gives none but the identity"] if content.one_by_one else []
    return f"; perhaps because: {'; '.join(why)}" if why else ""


def _doubts(content: Content, cleaned: Cleaned, n_added: int) -> list[str]:
    """Warnings of a framework that may not be whole."""
    n_added = 0 if cleaned.bared else n_added
    try:
        refuse_lost_atoms(cleaned.crystal, content.stated.short, n_added - max(content.stated.spare_hydrogens, 0.0))
        warnings = doubts(cleaned.crystal, cleaned.directions, cleaned.guests, n_added)
    except InputError as error:
        raise InputError(f"{content.name}: {error}") from error
    if content.one_by_one and not cleaned.chosen:
        warnings += missing_partners(cleaned.crystal)
    return warnings


def _net_charge(given: float | None, guests: tuple[Guest, ...], formula_units: int) -> tuple[float, list[str]]:
    """Net charge of a formula unit and why."""
    counted, lines = charge_of_guests(guests, formula_units)
    if given is None:
        why = "from the guests removed" if counted else "no charged guest was found: assumed neutral"
        return counted, [*lines, f"net charge of the framework {counted:g} e per formula unit, {why}"]
    if not math.isfinite(given) or abs(given) > _MAX_NET_CHARGE:
        raise InputError(f"net_charge must be a charge in e per formula unit; got {given}", about="net_charge")
    lines = [line for line in lines if not line.startswith(WARNING)]
    lines.append(f"net charge of the framework {given:g} e per formula unit, as given")
    if abs(given - counted) > 1e-6 and counted:
        lines.append(f"the guests removed would leave {counted:g} e per formula unit, not the {given:g} e given")
    return given, lines


def _assemble(
    name: str,
    symmetric: SymmetricCrystal,
    atoms: list[tuple[str, str, float]],
    net_charge: float,
    provenance: list[str],
) -> Framework:
    """Framework of a standardised cell; its kinds number the distinct entries of `atoms` in sorted order."""
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
    """Cell, formula and density, for the provenance."""
    a, b, c, alpha, beta, gamma = cell_to_cellpar(symmetric.cell)
    unit = [s for symbol, n in Counter(symbols).items() for s in [symbol] * (n // formula_units)]
    return [
        f"cell: a {a:.4f}, b {b:.4f}, c {c:.4f} Å, alpha {alpha:.2f}, beta {beta:.2f}, gamma {gamma:.2f}°, "
        f"space group {symmetric.space_group}, {len(symmetric.rotations)} operations",
        f"content: {len(symbols)} atoms, {formula_units} x {formula(unit)}, "
        f"density {density(symmetric.cell, symbols):.4f} g/cm3",
    ]


def _new_axes(crystal: Crystal, symmetric: SymmetricCrystal) -> list[str]:
    """Tell that the cell is not the one of the input: repeats, tensors and coordinates count along the new axes."""
    before, after = (np.linalg.norm(cell, axis=1) for cell in (crystal.cell, symmetric.cell))
    if np.allclose(before, after, atol=0.01):
        return []
    a, b, c = before
    return [
        f"axes: the input has a {a:.4f}, b {b:.4f}, c {c:.4f} Å; the cell below is the one used, with its a along x "
        "and b in the xy plane: repeats, tensors of eps_r and coordinates count along it"
    ]


def _nearest(crystal: Crystal) -> str:
    """Smallest distance between atoms of the framework, with their labels."""
    pairs = pairs_within(crystal, 3.0)
    if not len(pairs):
        return "nearest atoms of the framework: none within 3 Å"
    k = int(np.argmin(pairs.distance))
    a, b = crystal.labels[pairs.a[k]], crystal.labels[pairs.b[k]]
    return f"nearest atoms of the framework: {a}-{b} {pairs.distance[k]:.3f} Å"


def _numbered(values: Any) -> NDArray[np.int64]:
    """Return the number of every value among the sorted distinct ones."""
    index = {value: number for number, value in enumerate(sorted(set(values)))}
    return np.array([index[value] for value in values], dtype=np.int64)
