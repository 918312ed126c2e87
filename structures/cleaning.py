"""What belongs to the framework: guests and counter-ions are taken out, disorder is resolved, overlaps are refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from structures.crystal import ALKALI, Crystal, Pairs, bonds, connected, formula, is_metal, nets, pairs_within
from structures.disorder import Occupation, overlapping, resolve_disorder
from structures.errors import WARNING, InputError
from structures.guests import Guest, guest_charge
from structures.hydrogens import open_valences
from structures.plausibility import refuse_overlaps

_SKELETON = 0.1  # of the atoms of an element of the skeleton; more is another compound
_ONE_SHARE = 0.02  # atoms of one molecule differ by less in occupancy
_WHOLE = 0.05  # a number of atoms this close to a whole one is whole


class OnlyMoleculesError(InputError):
    """Nothing is bonded through the crystal."""

    def __init__(self, guests: Sequence[Guest]) -> None:
        found = ", ".join(f"{guest.count:g} {guest.formula}" for guest in guests[:6]) or "nothing"
        super().__init__(f"structure must hold a framework bonded through the crystal; found only molecules: {found}")


@dataclass(frozen=True, eq=False, slots=True)
class Cleaned:
    """An ordered framework and what was taken out of it.

    Attributes
    ----------
    crystal : Crystal
    guests : tuple of Guest
    directions : tuple of int
        In how many directions each net of the framework is bonded, ascending.
    lines : tuple of str
        Every choice, for the provenance.
    chosen : bool
        Whether an ordering of framework atoms was chosen, which lowers the symmetry.
    bared : bool
        Whether hydrogens of disordered atoms were left out, to be put back by geometry.
    """

    crystal: Crystal
    guests: tuple[Guest, ...]
    directions: tuple[int, ...]
    lines: tuple[str, ...]
    chosen: bool
    bared: bool


def clean(crystal: Crystal, occupation: Occupation) -> Cleaned:
    """Take out guests, choose one arrangement of what is disordered in the rest, refuse atoms that overlap.

    Atoms that have no chain of bonds through the crystal even with all alternatives present belong to guests in every
    arrangement; they leave first, so that unruly solvent never stands in the way of a good framework.

    Raises
    ------
    InputError
        If nothing is bonded through the crystal, or atoms of the framework overlap.
    """
    bond = _possible_bonds(crystal, occupation)
    rank = _periodicity(len(crystal), bond)
    loose, lines = _loose_alkali(crystal, bond, rank)
    if loose.any():
        rank = _periodicity(len(crystal), bond.select(~loose[bond.a] & ~loose[bond.b]))
    free = np.flatnonzero(rank == 0)
    guests, guest_lines = _count_guests(crystal.select(free), occupation.select(free))
    if len(free) == len(crystal):
        raise OnlyMoleculesError(guests)

    bound = np.flatnonzero(rank > 0)
    content, inside = crystal.select(bound), occupation.select(bound)
    kept, choices = _resolve(content, inside)
    ordered = content.select(kept)
    choices += _compare_content(content, inside, kept)
    refuse_overlaps(ordered)
    in_net, freed, directions = _split_components(ordered)
    choices += tuple(_open_fragments(ordered.select(~in_net)))
    guests = _merged((*guests, *freed))
    return Cleaned(
        crystal=ordered.select(in_net),
        guests=guests,
        directions=directions,
        lines=(
            *lines,
            *choices,
            *guest_lines,
            *(f"guests removed from the cell: {g.count:g} {g.formula}" for g in guests),
            _nets_line(directions),
        ),
        chosen=bool((inside.partial[kept] & in_net).any()),
        bared=_is_bared(content, inside, kept),
    )


def _resolve(crystal: Crystal, occupation: Occupation) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
    """Resolve disorder; where that leaves heavy atoms over, once more without hydrogens that are only sometimes there.

    Refinements place such hydrogens at averaged positions that belong to no arrangement of the atoms that carry them;
    they can be put back afterwards.
    """
    hydrogen = occupation.partial & (np.array(crystal.symbols) == "H")
    heavy = np.flatnonzero(~hydrogen)
    failed: InputError | None = None
    try:
        kept, lines = resolve_disorder(crystal, occupation)
        if not hydrogen.any() or _misfit(crystal, occupation, kept) <= 0.5:
            return kept, lines
    except InputError as error:
        if not hydrogen.any():
            raise
        failed = error
    again = np.zeros(len(crystal), dtype=np.bool_)
    try:
        again[heavy], more = resolve_disorder(crystal.select(heavy), occupation.select(heavy))
    except InputError:
        if failed is not None:
            raise failed from None
        return kept, lines
    if failed is None and _misfit(crystal, occupation, kept) <= _misfit(crystal, occupation, again):
        return kept, lines
    names = ", ".join(dict.fromkeys(np.array(crystal.labels)[hydrogen]))
    return again, (*more, f"disorder: hydrogens {names} fit no arrangement; left out, to be put back by geometry")


def _is_bared(crystal: Crystal, occupation: Occupation, kept: NDArray[np.bool_]) -> bool:
    """Whether there are hydrogens that are only sometimes there, and none was kept."""
    hydrogen = occupation.partial & (np.array(crystal.symbols) == "H")
    return bool(hydrogen.any() and not (hydrogen & kept).any())


def _misfit(crystal: Crystal, occupation: Occupation, kept: NDArray[np.bool_]) -> float:
    """Heavy atoms kept beyond or below the sum of occupancies, added up over the elements."""
    symbols, surplus = np.array(crystal.symbols), kept - occupation.occupancy
    return sum(abs(float(surplus[symbols == symbol].sum())) for symbol in set(crystal.symbols) - {"H"})


def _compare_content(crystal: Crystal, occupation: Occupation, kept: NDArray[np.bool_]) -> tuple[str, ...]:
    """Say if the arrangement has other atoms than the occupancies add up to; refuse if its skeleton has.

    Raises
    ------
    InputError
        If more than a tenth of the carbon, the nitrogen or a metal is missing or too much.
    """
    symbols, lines = np.array(crystal.symbols), []
    for symbol in sorted(set(crystal.symbols) - ({"H"} if _is_bared(crystal, occupation, kept) else set())):
        mine = symbols == symbol
        mean, found = float(occupation.occupancy[mine].sum()), int(kept[mine].sum())
        if abs(found - mean) <= 0.5:
            continue
        lines.append(f"{found} {symbol} kept where the occupancies add up to {mean:.4g}")
        if abs(found - mean) > _SKELETON * mean and (symbol in ("C", "N") or is_metal(symbol)):
            names = ", ".join(dict.fromkeys(np.array(crystal.labels)[mine & occupation.partial])) or "none"
            raise InputError(
                f"disorder of {names[:80]} cannot be resolved: {lines[-1]} in the cell; expected disorder groups and "
                "occupancies of whole molecules"
            )
    return (f"{WARNING}disorder: {'; '.join(lines)}",) if lines else ()


def _possible_bonds(crystal: Crystal, occupation: Occupation) -> Pairs:
    """Bonds of all atoms, alternatives of one assembly never with each other."""
    bond = bonds(crystal)
    assembly, group = np.array(occupation.assembly), np.array(occupation.group)
    a, b = bond.a, bond.b
    return bond.select(~((assembly[a] == assembly[b]) & (group[a] != group[b]) & (group[a] != "") & (group[b] != "")))


def _periodicity(n_atoms: int, bond: Pairs) -> NDArray[np.int64]:
    """Directions in which the component of every atom is bonded to its own images, (n_atoms,), 0 to 3."""
    found = nets(n_atoms, bond.a, bond.b, bond.image)
    return np.asarray(found.directions[found.part])


def _loose_alkali(crystal: Crystal, bond: Pairs, rank: NDArray[np.int64]) -> tuple[NDArray[np.bool_], list[str]]:
    """Alkali ions on the walls of a framework that holds together without them in as many directions."""
    alkali = np.isin(crystal.symbols, list(ALKALI))
    at_wall = alkali & (rank > 0)
    if not at_wall.any():
        return at_wall, []
    without = _periodicity(len(crystal), bond.select(~alkali[bond.a] & ~alkali[bond.b]))
    if not (rank[~alkali] > 0).any() or (without[~alkali] != rank[~alkali]).any():
        return np.zeros_like(at_wall), []
    near = bond.select(at_wall[bond.a])
    k = int(np.argmin(near.distance))
    symbols = ", ".join(sorted({crystal.symbols[i] for i in np.flatnonzero(at_wall)}))
    return at_wall, [
        f"{symbols} taken as guests: the framework holds together without them (nearest "
        f"{crystal.labels[near.a[k]]}-{crystal.labels[near.b[k]]} {near.distance[k]:.3f} Å)"
    ]


def _split_components(crystal: Crystal) -> tuple[NDArray[np.bool_], list[Guest], tuple[int, ...]]:
    """Atoms of the framework, guests that the choice of an arrangement has freed, and the directions of the nets."""
    bond = bonds(crystal)
    rank = _periodicity(len(crystal), bond)
    component = connected(len(crystal), bond.a, bond.b)
    if not rank.any():
        raise OnlyMoleculesError(_molecules(crystal))
    nets = sorted(int(rank[component == number][0]) for number in np.unique(component[rank > 0]))
    return rank > 0, _molecules(crystal.select(rank == 0)), tuple(nets)


def _nets_line(directions: tuple[int, ...]) -> str:
    nets = Counter(directions)
    text = ", ".join(f"{count} bonded in {r} direction{'s' if r > 1 else ''}" for r, count in nets.items())
    return f"nets in the cell: {text}"


def _molecules(crystal: Crystal) -> list[Guest]:
    """Return formula and number of the bonded components."""
    if not len(crystal):
        return []
    bond = bonds(crystal)
    component = connected(len(crystal), bond.a, bond.b)
    symbols = np.array(crystal.symbols)
    order = np.argsort(component, kind="stable")
    pieces = np.split(symbols[order], np.flatnonzero(np.diff(component[order])) + 1)
    return [Guest(name, count) for name, count in sorted(Counter(formula(piece) for piece in pieces).items())]


def _open_fragments(crystal: Crystal) -> list[str]:
    """Warn of pieces that are no known molecule, carry hydrogens and yet lack bonds: what is left of a linker."""
    bond, open_atoms = bonds(crystal), open_valences(crystal)
    component, symbols = connected(len(crystal), bond.a, bond.b), np.array(crystal.symbols)
    found: Counter[str] = Counter()
    for number in np.unique(component[open_atoms]):
        name = formula(symbols[component == number])
        if "H" in symbols[component == number] and "not in the table" in guest_charge(name)[1]:
            found[name] += 1
    if not found:
        return []
    names = ", ".join(f"{n} {name}" for name, n in list(found.items())[:4])
    return [f"{WARNING}guests with open valences, part of the framework's linker?: {names}; atoms may be lost"]


def _merged(guests: tuple[Guest, ...]) -> tuple[Guest, ...]:
    total: dict[str, float] = {}
    for guest in guests:
        total[guest.formula] = total.get(guest.formula, 0.0) + guest.count
    return tuple(Guest(name, round(count, 6)) for name, count in sorted(total.items()))


def _count_guests(crystal: Crystal, occupation: Occupation) -> tuple[tuple[Guest, ...], list[str]]:
    """Molecules of one arrangement of the guests; their mean content where none can be found."""
    if not len(crystal):
        return (), []
    counted, shares = _by_occupancy(crystal, occupation)
    rest = np.flatnonzero(~counted)
    crystal, occupation = crystal.select(rest), occupation.select(rest)
    names = ", ".join(f"{guest.count:g} {guest.formula}" for guest in shares)
    remarks = [f"guests, disorder: counted by their occupancies: {names}"] if shares else []
    try:
        kept, lines = resolve_disorder(crystal, occupation, symmetric=False)
    except InputError as error:
        remarks.append(f"guests are too disordered to count molecules: {error}")
        return _merged((*shares, *_mean_content(crystal, occupation))), remarks
    remarks += [f"guests, {line}" for line in lines]
    total = float(occupation.occupancy.sum())
    if abs(total - kept.sum()) > max(0.5, 0.02 * total):
        remarks.append(f"occupancies of the other guests add up to {total:.4g} atoms; counted: {kept.sum()}")
    left = crystal.select(kept)
    return _merged((*shares, *_molecules(left))), [*remarks, *_open_fragments(left)]


def _by_occupancy(crystal: Crystal, occupation: Occupation) -> tuple[NDArray[np.bool_], tuple[Guest, ...]]:
    """Guests that no arrangement of one cell shows as often as they are there: their atoms, and their mean number.

    These are molecules in nobody's way that are only sometimes there, and places of one element that together hold no
    whole number of atoms. A quarter of an ion on each of four places far apart is one charge.
    """
    bond, pairs = _possible_bonds(crystal, occupation), pairs_within(crystal, 2 * float(crystal.radii.max(initial=0.0)))
    clash = pairs.select(overlapping(crystal, pairs))
    cluster = connected(len(crystal), np.append(bond.a, clash.a), np.append(bond.b, clash.b))
    crowded = np.isin(cluster, cluster[clash.a])
    counted = occupation.partial & np.array([not group for group in occupation.group], dtype=np.bool_)
    guests = []
    for number in np.unique(cluster[counted]):
        atoms = np.flatnonzero(cluster == number)
        share = occupation.occupancy[atoms]
        elements = {crystal.symbols[i] for i in atoms}
        whole = abs(share.sum() - round(share.sum())) < _WHOLE
        if counted[atoms].all() and not crowded[atoms].any() and np.ptp(share) < _ONE_SHARE:
            guests.append(Guest(formula(crystal.symbols[i] for i in atoms), float(share.mean())))
        elif counted[atoms].all() and len(elements) == 1 and not whole:
            guests.append(Guest(elements.pop(), float(share.sum())))
        else:
            counted[atoms] = False
    return counted, tuple(Guest(g.formula, round(g.count, 4)) for g in _merged(tuple(guests)))


def _mean_content(crystal: Crystal, occupation: Occupation) -> tuple[Guest, ...]:
    """Guests as components where nothing is shared, else atom by atom, with the sum of their occupancies."""
    bond = bonds(crystal)
    component = connected(len(crystal), bond.a, bond.b)
    content: dict[str, float] = {}
    for number in np.unique(component):
        atoms = np.flatnonzero(component == number)
        if not occupation.partial[atoms].any():
            name = formula(crystal.symbols[i] for i in atoms)
            content[name] = content.get(name, 0.0) + 1.0
            continue
        for atom in atoms:
            symbol = crystal.symbols[atom]
            content[symbol] = content.get(symbol, 0.0) + float(occupation.occupancy[atom])
    return tuple(Guest(name, round(count, 3)) for name, count in sorted(content.items()))
