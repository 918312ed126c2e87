"""What stands in the pores: molecules and ions by formula, and the charge they leave behind."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import ceil, floor

from structures.errors import WARNING

# charge by formula in Hill order; single metal atoms of one common charge included
IONS: Mapping[str, int] = {
    **dict.fromkeys(("Li", "Na", "K", "Rb", "Cs", "Ag", "Tl"), 1),
    **dict.fromkeys(("Mg", "Ca", "Sr", "Ba", "Zn", "Cd"), 2),
    **dict.fromkeys(("Al", "Ga", "In", "Sc", "Y", "La", "Pr", "Nd", "Sm", "Gd", "Tb", "Dy", "Ho", "Er", "Lu"), 3),
    "H4N": 1,  # ammonium
    "CH6N": 1,  # methylammonium
    "C2H8N": 1,  # dimethylammonium; ethylammonium
    "C3H10N": 1,  # trimethylammonium
    "C4H12N": 1,  # tetramethylammonium; diethylammonium
    "C6H16N": 1,  # triethylammonium
    "C8H20N": 1,  # tetraethylammonium
    "C12H28N": 1,
    "C16H36N": 1,
    "C3H5N2": 1,  # imidazolium
    "C5H6N": 1,  # pyridinium
    "CH6N3": 1,  # guanidinium
    "C24H20P": 1,  # tetraphenylphosphonium
    "C2H10N2": 2,  # ethylenediammonium
    "C4H12N2": 2,  # piperazinium
    "H3O": 1,
    "H5O2": 1,
    **dict.fromkeys(("F", "Cl", "Br", "I", "HO", "NO3", "NO2", "BF4", "F6P", "ClO4", "CHO2", "CNS", "N3",
                     "AsF6", "F6Sb", "CF3O3S", "C2H3O2", "C2F6NO4S2", "HO4S", "I3"), -1),
    **dict.fromkeys(("O4S", "CO3", "F6Si", "F6Ti", "F6Ge", "F6Zr", "Cl4Zn", "Cl4Co", "Cl4Cu"), -2),
    "O4P": -3,
}  # fmt: skip

# neutral molecules whose formula is enough to know them
MOLECULES = frozenset(
    "H2O H2 N2 O2 CO CO2 CH4 C2H2 C2H4 C2H6 C3H8 H3N He Ne Ar Kr Xe I2 Br2 Cl2 O2S "
    "CH4O C2H6O C3H8O C4H10O C4H8O C4H8O2 C2H3N C3H6O C3H7NO C4H9NO C5H11NO C5H9NO C2H6OS "
    "CH3NO C2H5NO CHCl3 CH2Cl2 CCl4 C6H6 C6H12 C6H14 C7H8 C8H10 C6H5Cl C5H5N C2H4O2 CH2O2 C2H7N C6H15N "
    "C3H4N2 C8H11N".split()
)

# ions, and molecules, that a refinement without hydrogens leaves as these atoms
_WITHOUT_HYDROGENS = {
    "O": "water (or hydroxide, hydronium) without hydrogens",
    "N": "ammonia or ammonium without hydrogens",
    "CN": "methylamine, methylammonium or cyanide",
    "C2N": "dimethylammonium, dimethylamine or acetonitrile without hydrogens",
    "C3N": "trimethylammonium or trimethylamine without hydrogens",
    "C4N": "tetramethylammonium, diethylammonium or diethylamine without hydrogens",
    "C6N": "triethylammonium or triethylamine without hydrogens",
    "C8N": "tetraethylammonium without hydrogens",
    "C5N": "pyridine or pyridinium without hydrogens",
    "C2N2": "ethylenediamine or its cations without hydrogens",
    "C4N2": "piperazine or its cations without hydrogens",
    "C3N2": "imidazole or imidazolium without hydrogens",
    "CO2": "carbon dioxide, or formic acid or formate without hydrogens",
    "C2O2": "acetic acid or acetate without hydrogens",
}
_NEUTRAL_WITHOUT_HYDROGENS = frozenset("O CO C2O C3O C4O C4O2 C3NO C4NO C5NO C2OS C C2 C3 C6 C7 C8 CCl3 CCl2".split())
_CERTAIN_WITHOUT_HYDROGENS = {"C8N": 1}
_COUNTED_WITH_DOUBT = {
    "HO": "hydroxide, or water that lacks a hydrogen",
    "I": "iodide, or iodine that is disordered",
    "NO2": "nitrite, or nitrogen dioxide",
}


@dataclass(frozen=True, slots=True)
class Guest:
    """A kind of molecule or ion that was taken out.

    Attributes
    ----------
    formula : str
        Hill order.
    count : float
        In the cell; not whole where disorder leaves it open.
    """

    formula: str
    count: float

    @property
    def elements(self) -> frozenset[str]:
        """Symbols in the formula."""
        return frozenset(re.findall("[A-Z][a-z]?", self.formula))


def guest_charge(name: str) -> tuple[int, str]:
    """Charge of a guest by its formula, and what is doubtful about it, empty if nothing is."""
    if name in IONS:
        return IONS[name], _COUNTED_WITH_DOUBT.get(name, "")
    if name in MOLECULES and name not in _WITHOUT_HYDROGENS:
        return 0, ""
    if name in _CERTAIN_WITHOUT_HYDROGENS:
        return _CERTAIN_WITHOUT_HYDROGENS[name], ""
    if name in _WITHOUT_HYDROGENS:
        return 0, _WITHOUT_HYDROGENS[name]
    if name in _NEUTRAL_WITHOUT_HYDROGENS:
        return 0, ""
    return _aqua_ion(name) or (0, "not in the table of ions and molecules")


def _aqua_ion(name: str) -> tuple[int, str] | None:
    """Charge of a metal ion that carries water only, with or without its hydrogens."""
    counts = {symbol: int(number or 1) for symbol, number in re.findall(r"([A-Z][a-z]?)(\d*)", name)}
    oxygen, hydrogen = counts.pop("O", 0), counts.pop("H", 0)
    if not oxygen or hydrogen not in (0, 2 * oxygen) or len(counts) != 1:
        return None
    ((metal, number),) = counts.items()
    if number != 1 or IONS.get(metal, 0) <= 0:
        return None
    return IONS[metal], "" if hydrogen else f"{metal} ion with {oxygen} waters (or hydroxides) without hydrogens"


def charge_of_guests(guests: Iterable[Guest], formula_units: int) -> tuple[float, list[str]]:
    """Net charge that the guests leave on one formula unit of the framework, with lines for the provenance.

    Parameters
    ----------
    guests : iterable of Guest
    formula_units : int
        Of the framework in the same cell.

    Returns
    -------
    net_charge : float, e
        Minus the charge of the guests, per formula unit.
    lines : list of str
    """
    lines, charged, doubtful, total = [], [], [], 0.0
    for guest in guests:
        charge, doubt = guest_charge(guest.formula)
        total += charge * guest.count
        if charge:
            charged.append(f"{guest.count:g} {guest.formula} ({charge:+d})")
        if doubt:
            doubtful.append(f"{guest.formula} as {f'{charge:+d} e' if charge else 'neutral'} ({doubt})")
    net = -total / formula_units + 0.0
    if charged:
        lines.append(
            f"charged guests removed: {', '.join(charged)}; they leave {net:g} e on each of {formula_units} formula "
            "units of the framework"
        )
        if abs(net - round(net)) > 1e-6:
            whole = {floor(net), ceil(net)} if abs(net - floor(net) - 0.5) < 1e-6 else {round(net)}
            nearest = " or ".join(f"{charge:g}" for charge in sorted(whole))
            lines.append(
                f"{WARNING}this is no whole charge per formula unit ({net:g} e, nearest {nearest}): give net_charge if "
                "it is wrong"
            )
    if doubtful:
        lines.append(f"guests of doubtful charge: {'; '.join(doubtful)}; give net_charge if this is wrong")
    return net, lines
