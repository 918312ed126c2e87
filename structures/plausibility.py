"""What a real framework has and a damaged file has not: bonds on every metal, room for every bond, a density.

Where no real crystal looks like that the structure is refused. Where real crystals sometimes do, a metal without its
solvent or a chain polymer, the user is warned: a list of atoms that was cut off, and solvent placed on the walls, look
the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from structures.crystal import ALKALI, Crystal, Pairs, bonds, density, is_metal, pairs_within
from structures.errors import WARNING, InputError
from structures.guests import Guest, guest_charge
from structures.hydrogens import open_carboxylates

NEAREST_ATOMS = 0.5  # Å; nothing in a crystal is closer, so such atoms are images of one
# shortest distances as parts of the sum of covalent radii
_MULTIPLE = 0.65  # bonds of metals that form multiple bonds: U=O 0.67, V=O 0.72, Mo-Mo 0.67
_METAL_BOND = 0.75  # other bonds to metals: Ce-O 0.78, Fe=O 0.83, Zn-O 0.96
_ORGANIC_BOND = 0.68  # between non-metals: triple bonds 0.77, badly refined ones 0.70
_METALS_APART = 0.8  # two metals: Hg-Hg 0.95, Rh-Rh 0.83
_MULTIPLE_BONDS = frozenset("Ti V Cr Mn Nb Mo Tc Ru Ta W Re Os Rh Pa U Np Pu Am".split())
_LINEAR = frozenset("Cu Ag Au Hg".split())  # with two neighbours as a rule
_FLAT = 357.0  # degrees around an atom with three bonds in one plane; 351 in a cyclopropane
_THIN, _EMPTY = 0.2, 0.08  # g/cm3; MOF-210 0.25, DUT-60 0.19, MOF-399 0.13


def refuse_overlaps(crystal: Crystal) -> None:
    """Refuse a crystal in which two atoms are nearer than any bond of their elements.

    Raises
    ------
    InputError
        With the labels of the pair that is most too near and its distance.
    """
    pairs = pairs_within(crystal, max(NEAREST_ATOMS, 2 * _METALS_APART * float(crystal.radii.max(initial=0.0))))
    if not len(pairs):
        return
    limit = _shortest_bond(crystal, pairs)
    k = int(np.argmin(pairs.distance / limit))
    if pairs.distance[k] < limit[k]:
        raise InputError(
            f"atoms {crystal.labels[pairs.a[k]]} and {crystal.labels[pairs.b[k]]} are {pairs.distance[k]:.3f} Å apart; "
            f"expected at least {limit[k]:.2f} Å between fully occupied atoms"
        )


def _shortest_bond(crystal: Crystal, pairs: Pairs) -> NDArray[np.float64]:
    """Smallest distance that the elements of each pair can have, (n_pairs,), Å; 0.5 Å with hydrogen."""
    metal, radii = crystal.metals, crystal.radii
    multiple = np.isin(crystal.symbols, list(_MULTIPLE_BONDS))
    hydrogen = np.array(crystal.symbols) == "H"
    a, b = pairs.a, pairs.b
    part = np.where(metal[a] | metal[b], _METAL_BOND, _ORGANIC_BOND)
    part = np.where(metal[a] & metal[b], _METALS_APART, part)
    part = np.where((multiple[a] & (multiple[b] | ~metal[b])) | (multiple[b] & ~metal[a]), _MULTIPLE, part)
    part = np.where(hydrogen[a] | hydrogen[b], 0.0, part)
    return np.asarray(np.maximum(part * (radii[a] + radii[b]), NEAREST_ATOMS))


def doubts(crystal: Crystal, directions: Sequence[int], guests: Sequence[Guest], n_added: int) -> list[str]:
    """Return warnings about a framework as it was read, before hydrogens were added.

    Parameters
    ----------
    crystal : Crystal
        The framework without guests.
    directions : sequence of int
        In how many directions each of its nets is bonded.
    guests : sequence of Guest
    n_added : int
        Hydrogens that were found to be missing and added.

    Raises
    ------
    InputError
        If a carbon has more than four bonds to non-metals, or the density is that of a gas.
    """
    bond = bonds(crystal)
    _refuse_crowded_carbon(crystal, bond)
    return [
        WARNING + text
        for text in (
            *_about_nets(directions),
            *_about_metals(crystal, bond),
            *_about_carbon(crystal, bond, n_added),
            *_about_carboxylates(crystal),
            *_about_density(crystal),
            *_about_guests(guests),
        )
    ]


def refuse_lost_atoms(crystal: Crystal, short: Mapping[str, str], beyond: float) -> None:
    """Refuse a framework that lacks atoms where its formula has more.

    A formula may count solvent that was not refined, so elements that are short alone prove nothing; neither does
    damage alone.

    Parameters
    ----------
    crystal : Crystal
        The framework without guests, before hydrogens were added.
    short : mapping of str to str
        Elements of which the cell holds fewer than the formula, in words.
    beyond : float
        Hydrogens that were added to carbon and that not even the formula has.

    Raises
    ------
    InputError
        With the counts and the damage.
    """
    of_framework = [text for symbol, text in short.items() if symbol in crystal.symbols]
    if not of_framework:
        return
    bond, symbols = bonds(crystal), np.array(crystal.symbols)
    carries = ((symbols[bond.a] == "C") & (symbols[bond.b] == "H")).any()
    damage = [*_about_metals(crystal, bond), *_about_carboxylates(crystal)]
    if beyond > 0.5 and carries:
        damage.append(f"{beyond:.5g} hydrogens more than the formula would have to be added")
    if damage:
        raise InputError(
            f"the list of atoms is not whole: it has {', '.join(of_framework)} of the formula, and {'; '.join(damage)}"
        )


def _refuse_crowded_carbon(crystal: Crystal, bond: Pairs) -> None:
    """Carbon has four bonds; in carboranes, whose boron does not count here, and to metals it may have more."""
    symbols = np.array(crystal.symbols)
    counted = ~crystal.metals & (symbols != "B")
    count = np.bincount(bond.a[counted[bond.b]], minlength=len(crystal))
    crowded = np.flatnonzero((symbols == "C") & (count > 4))
    if crowded.size:
        atom = int(crowded[0])
        mine = np.flatnonzero((bond.a == atom) & counted[bond.b])
        mine = mine[np.argsort(bond.distance[mine])]
        names = ", ".join(f"{crystal.labels[bond.b[k]]} {bond.distance[k]:.2f} Å" for k in mine)
        raise InputError(
            f"carbon {crystal.labels[atom]} must have at most four bonds; got {count[atom]} ({names}): solvent on the "
            "wall, or alternatives without occupancies"
        )


def _about_nets(directions: Sequence[int]) -> list[str]:
    if max(directions, default=3) > 1:
        return []
    return ["the framework is bonded in 1 direction only, as separate chains: its links may have been lost"]


def _about_metals(crystal: Crystal, bond: Pairs) -> list[str]:
    """Metals that lack neighbours."""
    count = np.bincount(bond.a, minlength=len(crystal))
    bare: Counter[str] = Counter()
    for atom in np.flatnonzero(crystal.metals):
        symbol = crystal.symbols[atom]
        least = 2 if symbol in _LINEAR else 3
        if count[atom] < least and symbol not in ALKALI:
            neighbours = "neighbour" if count[atom] == 1 else "neighbours"
            bare[f"{crystal.labels[atom]} with {count[atom]} {neighbours}"] += 1
    return [f"metals lack neighbours, solvent taken off or atoms lost: {_named(bare)}"] if bare else []


def _about_carbon(crystal: Crystal, bond: Pairs, n_added: int) -> list[str]:
    symbols = np.array(crystal.symbols)
    if not (symbols == "C").any():
        return ["the framework holds no carbon: no metal-organic framework"]
    texts = []
    carries = int(((symbols[bond.a] == "C") & (symbols[bond.b] == "H")).sum())
    if n_added and carries:
        texts.append(
            f"the file has hydrogens on carbon ({carries}) but {n_added} had to be added: beside them other atoms may "
            "be lost"
        )
    flat = _flat_with_a_fourth(crystal, bond)
    if flat:
        texts.append(f"flat carbon with a fourth neighbour, perhaps solvent on the wall: {_named(flat)}")
    return texts


def _about_carboxylates(crystal: Crystal) -> list[str]:
    found = Counter(open_carboxylates(crystal))
    return [f"carboxylate carbon that lacks an oxygen, or aldehyde without hydrogen: {_named(found)}"] if found else []


def _flat_with_a_fourth(crystal: Crystal, bond: Pairs) -> Counter[str]:
    """Carbon with three bonds in a plane and one more, by label."""
    organic = bond.select(~crystal.metals[bond.a] & ~crystal.metals[bond.b])
    order = np.argsort(organic.a, kind="stable")
    start = np.searchsorted(organic.a[order], np.arange(len(crystal) + 1))
    found: Counter[str] = Counter()
    for atom in np.flatnonzero((np.diff(start) == 4) & (np.array(crystal.symbols) == "C")):
        mine = order[start[atom] : start[atom + 1]]
        step = (crystal.frac_coords[organic.b[mine]] + organic.image[mine] - crystal.frac_coords[atom]) @ crystal.cell
        unit = step / np.linalg.norm(step, axis=1)[:, None]
        angle = np.degrees(np.arccos(np.clip(unit @ unit.T, -1, 1)))
        for extra in range(4):
            rest = [k for k in range(4) if k != extra]
            if sum(angle[i, j] for i in rest for j in rest if i < j) > _FLAT:
                length = organic.distance[mine[extra]]
                found[f"{crystal.labels[atom]}-{crystal.labels[organic.b[mine[extra]]]} {length:.2f} Å"] += 1
                break
    return found


def _about_density(crystal: Crystal) -> list[str]:
    found = density(crystal.cell, crystal.symbols)
    if found < _EMPTY:
        raise InputError(
            f"framework must have a density of at least {_EMPTY:g} g/cm3; got {found:.3f} g/cm3 from {len(crystal)} "
            "atoms: most of its atoms are missing"
        )
    return [f"density {found:.3f} g/cm3, less than nearly all frameworks have"] if found < _THIN else []


def _about_guests(guests: Iterable[Guest]) -> list[str]:
    """Pieces with metal that are no known ion: what is left of a cluster or a net whose links are lost."""
    pieces = [
        f"{guest.count:g} {guest.formula}"
        for guest in guests
        if "not in the table" in guest_charge(guest.formula)[1] and any(is_metal(s) for s in guest.elements)
    ]
    if not pieces:
        return []
    return [f"pieces with metal in the pores, complexes or parts of a broken net: {', '.join(pieces[:4])}"]


def _named(counts: Counter[str]) -> str:
    names = [f"{count} x {name}" for name, count in counts.items()]
    return ", ".join(names[:4]) + (f", ... ({counts.total()} atoms)" if len(names) > 4 else "")
