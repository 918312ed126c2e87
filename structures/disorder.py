"""One ordered arrangement out of a crystal with partial occupancies.

Refinements average over arrangements: a position is shared by alternatives with occupancies below one. Atoms that
belong together (bonded, same disorder group) form a part; parts that overlap, or that are alternatives of one disorder
assembly in the same place, exclude each other. Exclusion groups whose expected content is not a whole number (an N
that sits at one of three places of a ring) are joined with their nearest symmetric copies until it is. In each cluster
the arrangement that comes closest to the expected content is chosen; of several equals the least crowded, then the one
that keeps most of the symmetry together with what was chosen before, then the first.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from structures.crystal import BOND_TOLERANCE, Crystal, Pairs, bonded, bonds, connected, pairs_within
from structures.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

JOIN_DISTANCE = 4.0  # Å; copies farther apart are not places of one molecule's disorder
FULL_OCCUPANCY = 0.999
_WHOLE = 0.1  # an expected content this close to a whole number is one
_SAME_LENGTH = 0.02  # Å
_ONE_PLACE = 0.5  # Å
_SURE = 0.1  # Å beyond the sum of covalent radii: certainly a bond
_MAX_CHOICES = 500
_MAX_EXACT = 14  # parts of a cluster that are searched completely


@dataclass(frozen=True, eq=False, slots=True)
class Occupation:
    """What a CIF says about the occupancy of its sites, for every atom of the expanded cell.

    Attributes
    ----------
    occupancy : (n_atoms,) float64
    assembly, group : (n_atoms,) tuple of str
        Disorder assembly and group, empty if none.
    site : (n_atoms,) int64
        Row of the CIF; symmetric copies share it.
    images : (n_operations, n_atoms) int64
        Where each symmetry operation of the CIF takes each atom; the first operation is the identity.
    """

    occupancy: NDArray[np.float64]
    assembly: tuple[str, ...]
    group: tuple[str, ...]
    site: NDArray[np.int64]
    images: NDArray[np.int64]

    def select(self, atoms: NDArray[np.int64]) -> Occupation:
        """Return the occupation of some of the atoms, a set that the operations map onto itself."""
        number = np.full(len(self.occupancy), -1)
        number[atoms] = np.arange(len(atoms))
        return Occupation(
            occupancy=self.occupancy[atoms],
            assembly=tuple(self.assembly[i] for i in atoms),
            group=tuple(self.group[i] for i in atoms),
            site=self.site[atoms],
            images=number[self.images[:, atoms]],
        )

    @property
    def partial(self) -> NDArray[np.bool_]:
        """Atoms that are only sometimes there, (n_atoms,)."""
        return (self.occupancy < FULL_OCCUPANCY) | np.array([bool(g) for g in self.group], dtype=np.bool_)


@dataclass(frozen=True, slots=True)
class _Part:
    """Atoms that are there together or not at all."""

    atoms: tuple[int, ...]
    kind: tuple[int, ...]
    occupancy: float
    family: tuple[str, str]  # assembly and group; "" for an element that stands in for another


_Pattern = tuple[tuple[int, ...], tuple[float, ...], tuple[tuple[str, str], ...], bytes]
_Known = dict[_Pattern, list[tuple[int, ...]]]


def resolve_disorder(
    crystal: Crystal, occupation: Occupation, *, symmetric: bool = True
) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
    """Choose the atoms of one ordered arrangement.

    Parameters
    ----------
    crystal : Crystal
    occupation : Occupation
    symmetric : bool
        Whether to look for the arrangement that keeps most of the symmetry; otherwise the first one will do.

    Returns
    -------
    kept : (n_atoms,) bool
    lines : tuple of str
        What was chosen, for the provenance.

    Raises
    ------
    InputError
        If two atoms of the arrangement still overlap, with their labels and distance.
    """
    partial = occupation.partial
    kept = ~partial
    if not partial.any():
        return kept, ()
    pairs = pairs_within(crystal, max(JOIN_DISTANCE, 2 * float(crystal.radii.max()) + BOND_TOLERANCE))
    among = pairs.select(partial[pairs.a] & partial[pairs.b])
    clash = overlapping(crystal, among)
    parts = _find_parts(crystal, occupation, among, clash)
    part_of = np.full(len(crystal), -1)
    for number, part in enumerate(parts):
        part_of[list(part.atoms)] = number
    conflicts = _find_conflicts(occupation, crystal, among, clash, part_of)
    cluster = _find_clusters(parts, conflicts, among, part_of)

    state = np.full(len(crystal), -1)  # 1 kept, 0 dropped, -1 ordered or undecided
    lines = []
    known: _Known = {}
    for number in range(int(cluster.max()) + 1):
        members = [int(i) for i in np.flatnonzero(cluster == number)]
        found = _arrangements(members, parts, conflicts, known)
        choices = found[: _MAX_CHOICES if symmetric else 1]
        outcomes = [_with_choice(state, members, choice, parts) for choice in choices]
        near = among.select(np.isin(part_of[among.a], members) | np.isin(part_of[among.b], members))
        best = _best(outcomes, near, part_of, occupation.images)
        state = outcomes[best]
        lines.append(_describe(crystal, members, choices[best], parts, len(found)))
    kept |= state == 1
    _refuse_overlap(crystal, pairs, kept, partial)
    _refuse_crowding(crystal, kept)
    return kept, (*_summary(lines), f"disorder: {int(kept.sum())} of {len(crystal)} atom positions kept")


def overlapping(crystal: Crystal, pairs: Pairs) -> NDArray[np.bool_]:
    """Whether the atoms of a pair are too near to be there both, even if bonded."""
    radii = crystal.radii
    hydrogen = np.array([symbol == "H" for symbol in crystal.symbols])
    limit = np.maximum(0.75 * (radii[pairs.a] + radii[pairs.b]), 0.8)
    limit[hydrogen[pairs.a] & hydrogen[pairs.b]] = 1.2
    return np.asarray(pairs.distance < limit)


def _best(
    outcomes: Sequence[NDArray[np.int64]], pairs: Pairs, part_of: NDArray[np.int64], images: NDArray[np.int64]
) -> int:
    """Index of the least crowded outcome; of equals the one with most symmetry, then the first."""
    if len(outcomes) == 1:
        return 0
    crowding = [_crowding(state, pairs, part_of) for state in outcomes]
    ties = [k for k, value in enumerate(crowding) if value == min(crowding)]
    return max(ties, key=lambda k: (_surviving_operations(outcomes[k], images), -k)) if len(ties) > 1 else ties[0]


def _crowding(state: NDArray[np.int64], pairs: Pairs, part_of: NDArray[np.int64]) -> float:
    """Sum of d^-6 between kept atoms of different parts, Å^-6, coarse enough to leave only near neighbours."""
    between = (state[pairs.a] == 1) & (state[pairs.b] == 1) & (part_of[pairs.a] != part_of[pairs.b])
    return round(float((pairs.distance[between] ** -6.0).sum()), 3)


def _find_parts(crystal: Crystal, occupation: Occupation, pairs: Pairs, overlapping: NDArray[np.bool_]) -> list[_Part]:
    """Bonded atoms of one disorder group.

    Where copies overlap or crowd, only short bonds count; where they still do, of bonds to several alternatives in one
    place only the shortest; where they still do, only bonds between atoms that one symmetry operation makes.
    """
    n_atoms = len(crystal)
    key = np.unique(
        [f"{a}|{g}|{'' if g else round(o, 2)}" for a, g, o in zip(occupation.assembly, occupation.group,
                                                                 occupation.occupancy, strict=True)],
        return_inverse=True,
    )[1]  # fmt: skip
    linked = (key[pairs.a] == key[pairs.b]) & bonded(crystal, pairs) & ~overlapping
    component = connected(n_atoms, pairs.a[linked], pairs.b[linked])
    first = np.unique(occupation.site, return_index=True)[1][np.unique(occupation.site, return_inverse=True)[1]]
    images = occupation.images
    short = pairs.distance < crystal.radii[pairs.a] + crystal.radii[pairs.b] + _SURE
    together = ((images[:, first[pairs.a]] == pairs.a) & (images[:, first[pairs.b]] == pairs.b)).any(axis=0)
    nearest = short & ~_second_choice(pairs, short & linked, overlapping)
    for sure in (short, nearest, together):
        crowded = np.bincount(pairs.a[linked], minlength=n_atoms) > 4
        clash = pairs.a[overlapping & (component[pairs.a] == component[pairs.b])]
        torn = np.union1d(component[clash], component[crowded])
        linked &= sure | ~np.isin(component[pairs.a], torn)
        component = connected(n_atoms, pairs.a[linked], pairs.b[linked])
    parts = []
    exchanged = _exchanged(crystal, pairs)
    members = np.flatnonzero(occupation.partial)
    members = members[np.argsort(component[members], kind="stable")]
    for atoms in np.split(members, np.flatnonzero(np.diff(component[members])) + 1):
        kind = tuple(sorted(int(s) for s in occupation.site[atoms]))
        labels = {(occupation.assembly[i], occupation.group[i]) for i in atoms if not exchanged[i]}
        family = labels.pop() if len(labels) == 1 else ("", "")
        parts.append(_Part(tuple(int(i) for i in atoms), kind, float(occupation.occupancy[atoms].mean()), family))
    return parts


def _exchanged(crystal: Crystal, pairs: Pairs) -> NDArray[np.bool_]:
    """Atoms in whose place another element may be, (n_atoms,): substitution, which each place has for itself."""
    symbols = np.array(crystal.symbols)
    a, b = pairs.a, pairs.b
    other = (symbols[a] != symbols[b]) & (symbols[a] != "H") & (symbols[b] != "H") & (pairs.distance < _ONE_PLACE)
    exchanged = np.zeros(len(crystal), dtype=np.bool_)
    exchanged[a[other]] = True
    near = (crystal.radii[a] + crystal.radii[b] + 0.1 > pairs.distance) & exchanged[a] & (symbols[b] == "H")
    exchanged[b[near]] = True
    return exchanged


def _second_choice(pairs: Pairs, linked: NDArray[np.bool_], overlapping: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Bonds for which an atom has a shorter one to another alternative in the same place, either way."""
    rivals = {(int(a), int(b)) for a, b in zip(pairs.a[overlapping], pairs.b[overlapping], strict=True)}
    bonds_of: dict[int, list[tuple[float, int]]] = {}
    for k in np.flatnonzero(linked):
        bonds_of.setdefault(int(pairs.a[k]), []).append((float(pairs.distance[k]), int(pairs.b[k])))
    second = {
        (a, b)
        for a, mine in bonds_of.items()
        for length, b in mine
        if any(other < length - _SAME_LENGTH and (b, c) in rivals for other, c in mine)
    }
    return np.array([(a, b) in second or (b, a) in second for a, b in zip(pairs.a.tolist(), pairs.b.tolist(),
                                                                         strict=True)], dtype=np.bool_)  # fmt: skip


def _find_conflicts(
    occupation: Occupation,
    crystal: Crystal,
    pairs: Pairs,
    overlapping: NDArray[np.bool_],
    part_of: NDArray[np.int64],
) -> NDArray[np.bool_]:
    """Which parts exclude each other, (n_parts, n_parts)."""
    n_parts = int(part_of.max()) + 1
    assembly, group = np.array(occupation.assembly), np.array(occupation.group)
    alternatives = (assembly[pairs.a] == assembly[pairs.b]) & (group[pairs.a] != group[pairs.b])
    alternatives &= (group[pairs.a] != "") & (group[pairs.b] != "") & bonded(crystal, pairs)
    clash = overlapping | alternatives
    conflicts = np.zeros((n_parts, n_parts), dtype=np.bool_)
    conflicts[part_of[pairs.a[clash]], part_of[pairs.b[clash]]] = True
    same = np.flatnonzero(clash & (part_of[pairs.a] == part_of[pairs.b]))
    if same.size:
        raise _overlap_error(crystal, pairs, int(same[0]))
    return conflicts


def _expected(members: Sequence[int], parts: Sequence[_Part]) -> dict[tuple[int, ...], float]:
    """Mean number of parts of each kind among the members."""
    content: dict[tuple[int, ...], float] = {}
    for i in members:
        content[parts[i].kind] = content.get(parts[i].kind, 0.0) + parts[i].occupancy
    return content


def _find_clusters(
    parts: Sequence[_Part], conflicts: NDArray[np.bool_], pairs: Pairs, part_of: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Cluster of every part: exclusion groups, joined with near copies until their content is whole."""
    a, b = (np.asarray(index, np.int64) for index in np.nonzero(conflicts))
    cluster = connected(len(parts), a, b)
    part_a, part_b = part_of[pairs.a], part_of[pairs.b]
    shell = np.round(pairs.distance / 0.05).astype(int)
    for radius in np.unique(shell[pairs.distance <= JOIN_DISTANCE]):
        broken, content = [], []
        for number in range(int(cluster.max()) + 1):
            expected = _expected([int(i) for i in np.flatnonzero(cluster == number)], parts)
            broken.append(any(abs(n - round(n)) > _WHOLE for n in expected.values()))
            content.append(frozenset(expected))
        if not any(broken):
            break
        near = shell == radius
        links = [
            (i, j)
            for i, j in zip(part_a[near], part_b[near], strict=True)
            if broken[cluster[i]] and broken[cluster[j]] and content[cluster[i]] == content[cluster[j]]
        ]
        if links:
            more = np.array(links, dtype=np.int64)
            a, b = np.append(a, more[:, 0]), np.append(b, more[:, 1])
            cluster = connected(len(parts), a, b)
    return cluster


def _arrangements(
    members: Sequence[int], parts: Sequence[_Part], conflicts: NDArray[np.bool_], known: _Known
) -> list[tuple[int, ...]]:
    """Return sets of compatible parts closest to the expected number of parts, then of parts of each kind.

    The number comes first, then that groups are not mixed: halves of one molecule at 60 and 40 % are two parts of one
    group, not one of each. What was found for a cluster serves for its copies through `known`, modified in place.
    """
    expected = _expected(members, parts)
    order = sorted(members, key=lambda i: (-parts[i].occupancy, i))
    if len(order) > _MAX_EXACT:
        return [_greedy(order, expected, parts, conflicts)]
    kinds = tuple(expected)
    pattern = (
        tuple(kinds.index(parts[i].kind) for i in order),
        tuple(round(parts[i].occupancy, 6) for i in order),
        tuple(parts[i].family for i in order),
        conflicts[np.ix_(order, order)].tobytes(),
    )
    if pattern not in known:
        known[pattern] = _search(pattern[0], pattern[2], tuple(expected.values()), conflicts[np.ix_(order, order)])
    return [tuple(order[k] for k in chosen) for chosen in known[pattern]]


def _search(
    kind: tuple[int, ...],
    family: tuple[tuple[str, str], ...],
    expected: tuple[float, ...],
    conflicts: NDArray[np.bool_],
) -> list[tuple[int, ...]]:
    """All best sets of compatible parts of one cluster; parts by their place in it."""
    clashes = [sum(1 << int(j) for j in np.flatnonzero(row)) for row in conflicts]
    sizes = Counter(name for name in family if name[1])
    whole = round(sum(expected)) in sizes.values()  # else a group is no arrangement: 3 of its 4 places are taken
    found: list[tuple[tuple[float, int, float, int], tuple[int, ...]]] = []

    def grow(position: int, chosen: tuple[int, ...], taken: int) -> None:
        if position == len(kind):
            found.append((misfit(chosen), chosen))
            return
        if not clashes[position] & taken:
            grow(position + 1, (*chosen, position), taken | 1 << position)
        grow(position + 1, chosen, taken)

    def misfit(chosen: tuple[int, ...]) -> tuple[float, int, float, int]:
        content = Counter(kind[k] for k in chosen)
        groups = {family[k] for k in chosen if family[k][1]} if whole else set()
        mixed = len(groups) - len({assembly for assembly, _ in groups})
        number = round(abs(len(chosen) - sum(expected)), 2)
        return number, mixed, round(sum(abs(content[k] - n) for k, n in enumerate(expected)), 2), -len(chosen)

    grow(0, (), 0)
    best = min(cost for cost, _ in found)
    return [chosen for cost, chosen in found if cost == best]


def _greedy(
    order: Sequence[int],
    expected: dict[tuple[int, ...], float],
    parts: Sequence[_Part],
    conflicts: NDArray[np.bool_],
) -> tuple[int, ...]:
    """Compatible parts in falling occupancy, up to the expected content."""
    chosen: list[int] = []
    content: Counter[tuple[int, ...]] = Counter()
    for part in order:
        kind = parts[part].kind
        room = content[kind] < math.ceil(expected[kind] - _WHOLE) and len(chosen) + 0.5 <= sum(expected.values())
        if room and not conflicts[part, chosen].any():
            chosen.append(part)
            content[kind] += 1
    return tuple(chosen)


def _with_choice(
    state: NDArray[np.int64], members: Sequence[int], choice: Sequence[int], parts: Sequence[_Part]
) -> NDArray[np.int64]:
    decided = state.copy()
    for i in members:
        decided[list(parts[i].atoms)] = int(i in choice)
    return decided


def _surviving_operations(state: NDArray[np.int64], images: NDArray[np.int64]) -> int:
    """Operations of the average structure that the arrangement does not contradict so far."""
    image = state[images]
    return int(((image == state) | (image == -1) | (state == -1)).all(axis=1).sum())


def _describe(
    crystal: Crystal, members: Sequence[int], choice: Sequence[int], parts: Sequence[_Part], n_choices: int
) -> tuple[str, str]:
    """Names of the alternatives, and the chosen places."""

    def name(i: int) -> str:
        return "+".join(dict.fromkeys(crystal.labels[atom] for atom in parts[i].atoms))

    alternatives = " / ".join(dict.fromkeys(name(i) for i in members))
    if n_choices > 1:
        alternatives += f", one of {n_choices} equal arrangements"
    rarest = sorted(choice, key=lambda i: (parts[i].occupancy, i))[:1]
    places = "".join(
        "{} at ({:.4f} {:.4f} {:.4f})".format(name(i), *crystal.frac_coords[parts[i].atoms[0]]) for i in rarest
    )
    return alternatives, places or "nothing kept"


def _summary(lines: Sequence[tuple[str, str]]) -> list[str]:
    """One line for clusters with the same alternatives."""
    places: dict[str, list[str]] = {}
    for alternatives, place in lines:
        places.setdefault(alternatives, []).append(place)
    return [
        f"disorder: {len(chosen)} x {alternatives}; chosen: " + "; ".join(chosen[:4])
        + ("; ..." if len(chosen) > 4 else "")
        for alternatives, chosen in places.items()
    ]  # fmt: skip


def _overlap_error(crystal: Crystal, pairs: Pairs, k: int) -> InputError:
    a, b = crystal.labels[pairs.a[k]], crystal.labels[pairs.b[k]]
    return InputError(
        f"disorder of {a} and {b} cannot be resolved: they would be {pairs.distance[k]:.3f} Å apart; "
        "expected alternatives with disorder groups or occupancies that tell them apart"
    )


def _refuse_overlap(crystal: Crystal, pairs: Pairs, kept: NDArray[np.bool_], partial: NDArray[np.bool_]) -> None:
    clash = overlapping(crystal, pairs) & kept[pairs.a] & kept[pairs.b] & (partial[pairs.a] | partial[pairs.b])
    if clash.any():
        nearest = np.flatnonzero(clash)[np.argmin(pairs.distance[clash])]
        raise _overlap_error(crystal, pairs, int(nearest))


def _refuse_crowding(crystal: Crystal, kept: NDArray[np.bool_]) -> None:
    """Refuse C and N with more than four non-metal neighbours: two alternatives were taken for one part."""
    ordered = crystal.select(kept)
    bond = bonds(ordered)
    organic = ~ordered.metals
    count = np.bincount(bond.a[organic[bond.b]], minlength=len(ordered))
    crowded = np.flatnonzero((count > 4) & np.isin(ordered.symbols, ("C", "N")))
    if crowded.size:
        atom = int(crowded[0])
        near = (bond.a == atom) & organic[bond.b]
        names = ", ".join(sorted({ordered.labels[b] for b in bond.b[near]}))
        raise InputError(
            f"disorder around {ordered.labels[atom]} cannot be resolved: it would be bonded to {count[atom]} atoms "
            f"({names}); expected disorder groups that tell the alternatives apart"
        )
