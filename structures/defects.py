"""Missing nodes and linkers: which pieces of a framework are taken out at random, and what that leaves behind."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from structures.crystal import Nets, connected, density, formula, nets, wrap
from structures.errors import WARNING, About, InputError
from structures.framework import Framework, repeated
from structures.missing import KEYS, Defects, Kind
from structures.pieces import Pieces, repeated_pieces, split

_SAME = 0.02  # Å between an atom and the image of another under an operation of the perfect crystal
_STREAMS: dict[Kind, int] = {"node": 0, "linker": 1}  # of random numbers, so that neither choice depends on the other


def with_defects(framework: Framework, defects: Defects) -> Framework:
    """Take pieces out of a framework, and what holds to nothing without them.

    The partial charge of a piece that is taken out stays in the crystal, as protons on carboxylates and hydroxide,
    formate or water on open metals leave it there on average: each of its bonds to an atom that stays keeps an equal
    share of it there. The shares of its bonds to other pieces that are taken out, which cancel where all connections
    are alike, stay spread over the atoms around. So the charge of the cell does not change, and neither do its
    formula units, which count those of the perfect crystal. The other charges are not computed again: the effect of a
    defect stays where it is.

    Parts of what is left that are not bonded through the crystal, a linker without a node for instance, leave with the
    guests. Operations of symmetry that map the defects onto themselves are kept.

    Raises
    ------
    InputError
        If the fractions round to nothing or to everything, no crystal is left, or nodes or linkers have no end.
    """
    whole = repeated(framework, defects.cell)
    if not defects.any:
        return whole
    try:
        pieces = repeated_pieces(split(framework), defects.cell)
    except InputError as error:
        about = KEYS["node" if defects.missing_nodes else "linker"]
        raise InputError(f"{about}: {error}", about=about) from None
    chosen = np.concatenate([chosen_pieces(pieces, kind, defects) for kind in KEYS])
    there = np.ones(len(pieces), np.bool_)
    there[chosen] = False
    left = nets_of_pieces(pieces, there)
    through = there & (left.directions[left.part] > 0)
    atoms = np.bincount(pieces.of_atom, minlength=len(pieces))
    largest = np.bincount(left.part, np.where(there, atoms, 0)).max(initial=0.0) / max(1, int(atoms[there].sum()))
    if not through.any():
        raise InputError(
            f"{_about(defects)}: expected a framework that stays bonded through the crystal; without "
            f"{pieces.counted(chosen)} it falls apart, the largest piece has {100 * largest:.0f} % of the atoms left",
            about=_about(defects),
        )
    charges, line = _compensated(whole, pieces, through)
    kept = np.flatnonzero(through[pieces.of_atom])
    fragments = np.flatnonzero(there & ~through)
    symbols = tuple(whole.symbols[i] for i in kept)
    operations = _operations_left(whole, kept)
    lost = _Loss(pieces, chosen, fragments, sorted({int(n) for n in left.directions[left.part[through]]}), largest)
    return replace(
        whole,
        name=f"{framework.name} with {pieces.counted(chosen)} missing",
        symbols=symbols,
        frac_coords=whole.frac_coords[kept],
        charges=charges[kept],
        atom_classes=tuple(whole.atom_classes[i] for i in kept),
        rotations=whole.rotations[operations],
        translations=whole.translations[operations],
        provenance=(
            *whole.provenance,
            *lost.lines(defects),
            line,
            f"content with defects: {len(symbols)} of {len(whole.symbols)} atoms, {formula(symbols)}, density "
            f"{density(whole.cell, symbols):.4f} g/cm3, {int(operations.sum())} of {len(operations)} operations of "
            "symmetry; formula units stay those of the perfect crystal",
        ),
    )


def chosen_pieces(pieces: Pieces, kind: Kind, defects: Defects) -> NDArray[np.int64]:
    """Numbers of the pieces of one kind that are missing, chosen at random, ascending.

    Raises
    ------
    InputError
        If there are none of this kind, or the fraction rounds to none or to all of them.
    """
    fraction, all_of_kind, key = defects.fraction(kind), pieces.numbers(kind), KEYS[kind]
    if fraction == 0:
        return np.empty(0, np.int64)
    number = math.floor(fraction * len(all_of_kind) + 0.5)
    cells, total = math.prod(defects.cell), len(all_of_kind)
    size = " x ".join(map(str, defects.cell))
    if not total:
        raise InputError(f"{key}: expected {kind}s in the framework; found {pieces.counted()}", about=key)
    if number == 0:
        needed = math.ceil(0.5 * cells / (fraction * total) - 1e-9)
        raise InputError(
            f"{key}: expected at least 1 of the {total} {kind}s in defect_cell {size} to be missing; {fraction:g} of "
            f"them rounds to none: at least {needed} cells are needed, or a fraction of {0.5 / total:.3g} or more",
            about=key,
        )
    if number == total:
        raise InputError(
            f"{key}: expected {kind}s to be left over; {fraction:g} of {total} in defect_cell {size} rounds to all of "
            "them: take a larger defect_cell or a smaller fraction",
            about=key,
        )
    return np.sort(removal_order(pieces, kind, defects.seed)[:number])


def removal_order(pieces: Pieces, kind: Kind, seed: int) -> NDArray[np.int64]:
    """Numbers of all pieces of one kind in the random order in which one seed takes them out."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_STREAMS[kind],)))
    return rng.permutation(pieces.numbers(kind))


def nets_of_pieces(pieces: Pieces, there: NDArray[np.bool_]) -> Nets:
    """Find the connected parts of the pieces that are there; every missing one is a part of its own without bonds."""
    a, b = pieces.of_atom[pieces.inner], pieces.of_atom[pieces.outer]
    both = there[a] & there[b]
    return nets(len(pieces), a[both], b[both], pieces.shift[both])


def _about(defects: Defects) -> About:
    return KEYS["node" if defects.missing_nodes >= defects.missing_linkers else "linker"]


@dataclass(frozen=True, eq=False, slots=True)
class _Loss:
    """What was taken out, in numbers of pieces, and what is left."""

    pieces: Pieces
    chosen: NDArray[np.int64]
    fragments: NDArray[np.int64]
    directions: list[int]
    largest: float

    def lines(self, defects: Defects) -> Iterator[str]:
        size = " x ".join(map(str, defects.cell))
        yield f"pieces of the framework in defect_cell {size}: {self.pieces.counted()}"
        kinds = np.array(self.pieces.kinds)
        taken = Counter(kinds[self.chosen].tolist())
        for kind in KEYS:
            total = len(self.pieces.numbers(kind))
            if taken[kind]:
                share, asked = taken[kind] / total, defects.fraction(kind)
                rounded = "" if abs(share - asked) < 1e-9 else f", rounded from {asked:g}"
                yield (
                    f"defects: {taken[kind]} of {total} {kind}s missing, a fraction of {share:.4g}{rounded}, chosen at "
                    f"random by seed {defects.seed}: one realisation of many"
                )
        if len(self.fragments):
            loose = self.pieces.counted(self.fragments)
            yield f"defects: {loose} no longer bonded through the crystal, removed as guests"
        ways = " and ".join(f"{n} direction{'' if n == 1 else 's'}" for n in self.directions)
        weaker = self.directions != sorted(set(nets_of_pieces(self.pieces, np.ones(len(kinds), np.bool_)).directions))
        yield (
            f"{WARNING if weaker else ''}defects: what is left of the framework is bonded in {ways}; its largest piece "
            f"had {100 * self.largest:.1f} % of the atoms before loose fragments left"
        )


def _compensated(framework: Framework, pieces: Pieces, through: NDArray[np.bool_]) -> tuple[NDArray[np.float64], str]:
    """Give charges with those of the missing pieces on the atoms they were bound to, and say what was done."""
    charges = framework.charges.copy()
    a, b = pieces.of_atom[pieces.inner], pieces.of_atom[pieces.outer]
    of_piece = np.bincount(pieces.of_atom, charges, len(pieces))
    per_bond = of_piece / np.maximum(np.bincount(a, minlength=len(pieces)), 1)
    cut = ~through[a] & through[b]
    np.add.at(charges, pieces.outer[cut], per_bond[a[cut]])
    # shares that would fall on other missing pieces stay with the group of missing pieces, and pass to the atoms around
    inside = ~through[a] & ~through[b]
    group = connected(len(pieces), a[inside], b[inside])
    rest = np.bincount(group[a[inside]], per_bond[a[inside]], len(pieces))
    n_cut = np.bincount(group[a[cut]], minlength=len(pieces))
    np.add.at(charges, pieces.outer[cut], (rest / np.maximum(n_cut, 1))[group[a[cut]]])
    touched = np.unique(pieces.outer[cut])
    kept = through[pieces.of_atom]
    nets_lost = ~through & (n_cut[group] == 0)
    lone = float(of_piece[nets_lost].sum())
    charges[kept] += lone / kept.sum()
    change = charges - framework.charges
    most = f"{change[touched].min():+.3f} to {change[touched].max():+.3f}" if len(touched) else "0"
    apart = f"; {lone:+.3f} e of nets that are missing as a whole are spread over all atoms" if nets_lost.any() else ""
    return charges, (
        f"charges at the defects: the partial charge of what is missing ({of_piece[~through].sum():+.3f} e) stays in "
        f"equal shares at its cut bonds, {most} e on {len(touched)} atoms, as protons on carboxylates and hydroxide, "
        f"formate or water on open metals leave it on average; all other charges are those of the perfect crystal, not "
        f"computed again; the cell keeps its net charge of {framework.net_charge:g} e and its counter-ions{apart}"
    )


def _operations_left(framework: Framework, kept: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Operations of the perfect crystal that map the atoms that are missing onto each other, (n_operations,)."""
    missing = np.ones(len(framework.symbols), np.bool_)
    missing[kept] = False
    frac = framework.frac_coords[missing]
    tree, cell = cKDTree(wrap(frac), boxsize=1.0), framework.cell
    found = np.zeros(len(framework.rotations), np.bool_)
    for n, (rotation, translation) in enumerate(zip(framework.rotations, framework.translations, strict=True)):
        image = wrap(frac @ rotation.T + translation)
        step = image - frac[tree.query(image)[1]]
        found[n] = (np.linalg.norm((step - np.rint(step)) @ cell, axis=1) < _SAME).all()
    return found
