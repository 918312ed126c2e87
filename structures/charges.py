"""Partial charges of the framework: chemical classes, charge tables, charges of the file or of EQeq, the net charge."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from structures.crystal import Crystal, bonds, is_metal
from structures.eqeq import elements_without_parameters, eqeq_charges
from structures.eqeq_parameters import EQEQ_PARAMETERS
from structures.errors import InputError

ChargeSource = Literal["auto", "table", "cif", "eqeq"]
_IN_WORDS = {"cif": "the CIF", "eqeq": "EQeq"}
MAX_SPREAD = 0.02  # e, between equivalent atoms of a file with rounded charges
MAX_RESIDUAL = 0.1  # e per formula unit; a larger misfit is a wrong table or a wrong net charge, not rounding
DOUBTFUL_CHARGE = 2.5  # e; EQeq gives Zr 3.2 e in UiO-66; Martin-Noble et al., J. Chem. Theory Comput. 11, 3364 (2015)
MAX_SHIFT = 0.05  # e per atom, of the atoms that make up for the ones a table overrides


@dataclass(frozen=True, eq=False, slots=True)
class ChargeAssignment:
    """Charges of the atoms of a cell and where they come from.

    Attributes
    ----------
    charges : (n_atoms,) float64, e
        They sum to the net charge; equal on equivalent atoms unless a table parts them.
    source : str
        "table", "cif", "eqeq", "cif with table" or "eqeq with table".
    lines : tuple of str
        What was done and why, for the provenance.
    available : tuple of str
        Which of "table", "cif" and "eqeq" can be had for this crystal.
    """

    charges: NDArray[np.float64]
    source: str
    lines: tuple[str, ...]
    available: tuple[str, ...]


def assign_charges(
    crystal: Crystal,
    classes: Sequence[str],
    orbits: NDArray[np.int64],
    formula_units: int,
    *,
    table: Mapping[str, float] | None,
    source: ChargeSource,
    net_charge: float,
    balance_on: str | None = None,
) -> ChargeAssignment:
    """Charges of every atom from a table, from the CIF or from charge equilibration.

    Parameters
    ----------
    crystal : Crystal
    classes : (n_atoms,) sequence of str
        Of `atom_classes`.
    orbits : (n_atoms,) int64
        Atoms equivalent by symmetry share a number.
    formula_units : int
        In the cell.
    table : mapping of str to float, e, optional
        By atom label, class or element; a label beats a class, a class an element.
    source : {"auto", "table", "cif", "eqeq"}
        "auto" takes the table if there is one, else the charges of the CIF if they are non-zero and consistent, else
        EQeq. With "cif" and "eqeq" a table overrides the atoms that it names: EQeq equilibrates the others around them,
        charges of a CIF are shifted evenly on the others.
    net_charge : float, e
        Of one formula unit.
    balance_on : str, optional
        Label, class or element of the atoms that take up evenly, whatever it is, what charges of a table or file lack
        of the net charge; "all" for all atoms. Without it at most 0.1 e per formula unit is spread over all atoms.

    Raises
    ------
    InputError
        If the source does not exist for this crystal, the table misses an atom or names none, or the charges do not sum
        to the net charge.
    """
    if source not in get_args(ChargeSource):
        known = ", ".join(get_args(ChargeSource))
        raise InputError(f"charge_source must be one of {known}; got {source}", about="charge_source")
    given = charges_from_table(table, classes, crystal.symbols, crystal.labels) if table else None
    takers = _atoms_named(balance_on, classes, crystal)
    objection = why_not_the_file(crystal, orbits, net_charge if takers is None else None, formula_units)
    unknown = elements_without_parameters(crystal.symbols)
    usable = {"table": given is not None and not np.isnan(given).any(), "cif": not objection, "eqeq": not unknown}
    available = tuple(name for name, there in usable.items() if there)
    lines = []
    chosen: str = source
    if source == "auto":
        chosen = "table" if given is not None else "cif" if not objection else "eqeq"
        if chosen == "eqeq":
            lines.append(f"charges of the CIF were not used: {objection}")
    if chosen != "table" and usable["table"]:
        lines.append(f"the table gives every atom a charge: nothing is taken from {_IN_WORDS[source]}")
        chosen = "table"
    if chosen == "table":
        charges, line = _from_table_alone(given, classes, net_charge, formula_units, takers)
    elif chosen == "cif":
        charges, line = _from_file(crystal, orbits, given, net_charge, formula_units, takers)
    else:
        charges, line = _from_eqeq(crystal, orbits, given, net_charge * formula_units)
    if chosen != "table" and given is not None:
        chosen += " with table"
        lines.append(f"the table overrides the charges of {(~np.isnan(given)).sum()} of {len(given)} atoms")
    return ChargeAssignment(charges, chosen, (*lines, line), available)


def _atoms_named(name: str | None, classes: Sequence[str], crystal: Crystal) -> NDArray[np.bool_] | None:
    """Atoms of a label, class or element, or all of them, (n_atoms,) bool; None for no name."""
    if name is None:
        return None
    if name == "all":
        return np.ones(len(classes), bool)
    try:
        found = charges_from_table({name: 0.0}, classes, crystal.symbols, crystal.labels)
    except InputError as error:
        raise InputError(str(error).replace("charges", "balance_on", 1), about="balance_on") from None
    return np.asarray(~np.isnan(found))


def _from_table_alone(
    given: NDArray[np.float64] | None,
    classes: Sequence[str],
    net_charge: float,
    formula_units: int,
    takers: NDArray[np.bool_] | None,
) -> tuple[NDArray[np.float64], str]:
    if given is None:
        raise InputError('charge_source = "table": expected a table of charges; found none', about="charge_source")
    gaps = Counter(name for name, gap in zip(classes, np.isnan(given), strict=True) if gap)
    if gaps:
        name, count = gaps.most_common(1)[0]
        atoms = "1 atom" if count == 1 else f"{count} atoms"
        raise InputError(
            f"charges: expected a value for every atom class; found none for {name} ({atoms}): add it, or take EQeq "
            '(charge_source = "eqeq") for the atoms that the table leaves out',
            about="charges",
        )
    balanced, line = balance(given, net_charge, formula_units, takers=takers)
    return balanced, f"charges from the table given; {line}"


def _from_file(
    crystal: Crystal,
    orbits: NDArray[np.int64],
    given: NDArray[np.float64] | None,
    net_charge: float,
    formula_units: int,
    takers: NDArray[np.bool_] | None,
) -> tuple[NDArray[np.float64], str]:
    free = given is not None or takers is not None
    objection = why_not_the_file(crystal, orbits, None if free else net_charge, formula_units)
    if objection:
        raise InputError(
            f'charge_source = "cif": the charges of the CIF cannot be used: {objection}', about="charge_source"
        )
    origin = "charges from _atom_site_charge of the CIF"
    charges = charges_from_file(crystal, orbits)
    if given is None:
        balanced, line = balance(charges, net_charge, formula_units, takers=takers)
        return balanced, f"{origin}; {line}"
    named = ~np.isnan(given)
    charges[named] = given[named]
    others = int((~named).sum())
    total = float(charges.sum())
    shift = (net_charge * formula_units - total) / others
    if abs(shift) > MAX_SHIFT:
        raise InputError(
            f"charges: those of the CIF with the table on top sum to {total / formula_units:.3f} e per formula unit, "
            f"expected {net_charge:g} e; the {others} atoms that the table leaves out would shift by {shift:+.3f} e "
            f"each, at most {MAX_SHIFT} e is accepted: change the table or the net charge",
            about="charges",
        )
    charges[~named] += shift
    return charges, f"{origin}; the {others} atoms that the table leaves out shifted by {shift:+.5f} e each"


def _from_eqeq(
    crystal: Crystal, orbits: NDArray[np.int64], given: NDArray[np.float64] | None, total: float
) -> tuple[NDArray[np.float64], str]:
    charges = eqeq_charges(crystal, orbits, total, fixed=given)
    centres = {symbol: EQEQ_PARAMETERS[symbol][0] for symbol in sorted(set(crystal.symbols))}
    named = ", ".join(f"{symbol} +{centre}" for symbol, centre in centres.items() if centre)
    low, high = int(charges.argmin()), int(charges.argmax())
    high_one = charges[high] > DOUBTFUL_CHARGE
    line = (
        "charges from EQeq (Wilmer, Kim, Snurr, J. Phys. Chem. Lett. 3, 2506 (2012))"
        + (f", charge centres {named}" if named else "")
        + (", neutralising background" if abs(total) > 1e-9 else "")
        + f"; from {charges[low]:.3f} e ({crystal.labels[low]}) to {charges[high]:.3f} e ({crystal.labels[high]})"
        + ("; so high a charge is a known weakness of EQeq for metals in high oxidation states" if high_one else "")
    )
    return charges, line


def why_not_the_file(crystal: Crystal, orbits: NDArray[np.int64], net_charge: float | None, formula_units: int) -> str:
    """Reason why the charges of the CIF cannot be used, empty when they can.

    They must not all be zero, sum to the net charge (where one is given) within 0.1 e per formula unit, and agree
    within 0.02 e on atoms that are equivalent by symmetry.
    """
    charges = crystal.charges
    if not charges.any():
        return "there are none (_atom_site_charge is missing or zero)"
    total = float(charges.sum()) / formula_units
    if net_charge is not None and abs(total - net_charge) > MAX_RESIDUAL * (1 + 1e-9):
        return f"they sum to {round(total, 3) + 0.0:.3f} e per formula unit; expected the net charge, {net_charge:g} e"
    for orbit in np.unique(orbits):
        members = np.flatnonzero(orbits == orbit)
        low, high = members[charges[members].argmin()], members[charges[members].argmax()]
        if charges[high] - charges[low] > MAX_SPREAD:
            return (
                f"{charges[low]:g} e on {crystal.labels[low]} and {charges[high]:g} e on {crystal.labels[high]}, which "
                "are equivalent by symmetry; expected equal charges"
            )
    return ""


def atom_classes(crystal: Crystal) -> tuple[str, ...]:
    """Chemical role of every atom, from its bonds through the periodic images.

    Returns
    -------
    tuple of str, (n_atoms,)
        "mu-O" is an O on three metals or more; "carboxylate-C" a C with two O, and these O are "carboxylate-O";
        "C-H" a C with an H. Everything else has its element's symbol.
    """
    bond = bonds(crystal)
    neighbours: list[list[int]] = [[] for _ in crystal.symbols]
    for a, b in zip(bond.a, bond.b, strict=True):
        neighbours[a].append(int(b))
    around = [Counter(crystal.symbols[j] for j in near) for near in neighbours]
    classes = list(crystal.symbols)
    for atom, symbol in enumerate(crystal.symbols):
        if symbol == "O" and sum(n for other, n in around[atom].items() if is_metal(other)) >= 3:
            classes[atom] = "mu-O"
        elif symbol == "C" and around[atom]["O"] == 2:
            classes[atom] = "carboxylate-C"
        elif symbol == "C" and around[atom]["H"]:
            classes[atom] = "C-H"
    for atom, symbol in enumerate(crystal.symbols):
        if symbol == "O" and any(classes[j] == "carboxylate-C" for j in neighbours[atom]):
            classes[atom] = "carboxylate-O"
    return tuple(classes)


def charges_from_table(
    table: Mapping[str, float], classes: Sequence[str], symbols: Sequence[str], labels: Sequence[str]
) -> NDArray[np.float64]:
    """Charge that a table gives every atom: by its label, else by its class, else by its element.

    Parameters
    ----------
    table : mapping of str to float, e
        A key that is a class or an element of this crystal means that, also where atoms are labelled so.
    classes, symbols, labels : (n_atoms,) sequence of str

    Returns
    -------
    (n_atoms,) float64, e
        nan where the table has nothing.

    Raises
    ------
    InputError
        If a key matches no atom or a charge is not finite.
    """
    roles = {*classes, *symbols}
    for key, charge in table.items():
        if key not in roles and key not in labels:
            near = get_close_matches(key, sorted({*roles, *labels}), n=1, cutoff=0.3)
            hint = f", nearest {near[0]}" if near else ""
            raise InputError(
                f"charges: {key} matches no atom; expected one of {', '.join(sorted(roles))} or an atom label{hint}",
                about="charges",
            )
        if not math.isfinite(charge):
            raise InputError(f"charges: {key} must be a finite number of e; got {charge}", about="charges")
    by_label = {key: charge for key, charge in table.items() if key not in roles}
    return np.array(
        [
            by_label.get(label, table.get(role, table.get(symbol, math.nan)))
            for label, role, symbol in zip(labels, classes, symbols, strict=True)
        ]
    )


def charges_from_file(crystal: Crystal, orbits: NDArray[np.int64]) -> NDArray[np.float64]:
    """Charges that the CIF gives, made equal on equivalent atoms where they differ by rounding only.

    Parameters
    ----------
    crystal : Crystal
    orbits : (n_atoms,) int64
        Atoms equivalent by symmetry share a number.
    """
    charges = crystal.charges.copy()
    for orbit in np.unique(orbits):
        members = orbits == orbit
        if np.ptp(charges[members]) <= MAX_SPREAD:
            charges[members] = charges[members].mean()
    return charges


def balance(
    charges: NDArray[np.float64],
    net_charge: float,
    formula_units: int = 1,
    *,
    takers: NDArray[np.bool_] | None = None,
) -> tuple[NDArray[np.float64], str]:
    """Charges that sum to the net charge exactly: a residual of rounding is spread evenly over all atoms.

    Parameters
    ----------
    charges : (n_atoms,) float64, e
    net_charge : float, e
        Of one formula unit.
    formula_units : int
        In the cell of these atoms.
    takers : (n_atoms,) bool, optional
        Atoms that take up the residual instead, however large it is.

    Returns
    -------
    charges : (n_atoms,) float64, e
    line : str
        What was done, for the provenance.

    Raises
    ------
    InputError
        If the residual exceeds 0.1 e per formula unit and no atoms are there to take it up.
    """
    total = float(charges.sum()) / formula_units
    sums = f"they sum to {total:.4f} e per formula unit, expected {net_charge:g} e"
    if takers is not None:
        shift = (net_charge - total) * formula_units / int(takers.sum())
        line = f"{sums}: the {takers.sum()} atoms of balance_on shifted by {shift:+.5f} e each"
        return charges + shift * takers, line
    if not abs(net_charge - total) <= MAX_RESIDUAL * (1 + 1e-9):
        raise InputError(
            f"net charge of a formula unit: expected {net_charge:g} e; the charges sum to {total:.3f} e and at most "
            f"{MAX_RESIDUAL} e is spread over the atoms: change the charges or the net charge",
            about="net_charge",
        )
    shift = (net_charge - total) * formula_units / len(charges)
    balanced = charges + shift
    line = f"{sums}: shifted by {shift:+.5f} e per atom"
    return balanced, line
