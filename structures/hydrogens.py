"""Hydrogens that a refinement left out: put where carbon or nitrogen clearly lacks one, reported elsewhere.

Bond lengths are the means of neutron diffraction, C-H 1.089 and N-H 1.015 Å: Allen and Bruno, Acta Cryst. B 66 (2010)
380. What is clear: aromatic and other sp2 C-H, CH2 and CH3 of tetrahedral carbon, N-H of an amide, NH2 on an sp2
carbon. Whether an oxygen or a free azole carries one is chemistry that the positions do not tell.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from structures.crystal import Crystal, bonds, is_metal, pairs_within

C_H = 1.089  # Å
N_H = 1.015
_CROWDED = 1.1  # Å; a hydrogen nearer than this to another atom is not put there
_SINGLE = {"C": 1.53, "N": 1.47, "O": 1.43, "S": 1.82}  # Å, of a tetrahedral carbon
_LOST_OXYGEN = "carboxylate carbon that lacks an oxygen"
_CONJUGATED, _SATURATED = -0.08, -0.06  # Å, bond length against the single bond

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Atom:
    """An atom with its bonded neighbours."""

    symbol: str
    neighbours: tuple[int, ...]
    symbols: tuple[str, ...]
    steps: Vector = field(repr=False)

    @property
    def lengths(self) -> Vector:
        return np.asarray(np.linalg.norm(self.steps, axis=1), dtype=np.float64)

    @property
    def directions(self) -> Vector:
        return np.asarray(self.steps / self.lengths[:, None])

    @property
    def excess(self) -> Vector:
        """Bond lengths against single bonds, Å."""
        return np.asarray(self.lengths - [_SINGLE.get(symbol, 1.6) for symbol in self.symbols])


@dataclass(frozen=True, slots=True)
class _Missing:
    """Directions of the missing hydrogens, or why they are not clear."""

    kind: str
    directions: Vector | None = None


def add_hydrogens(crystal: Crystal) -> tuple[Crystal, tuple[str, ...]]:
    """Crystal with the hydrogens that are clearly missing, and a line for what was added or stays in doubt.

    Charges of the file are dropped where hydrogens are added: they are those of other atoms.

    Parameters
    ----------
    crystal : Crystal
        An ordered framework without guests.

    Returns
    -------
    crystal : Crystal
        New atoms at the end, labelled "H(C3)" after their carbon.
    lines : tuple of str
    """
    atoms = _atoms(crystal)
    found = {i: missing for i in range(len(atoms)) if (missing := _missing(i, atoms)) is not None}
    to_frac = np.linalg.inv(crystal.cell)
    parents, frac = [], []
    for i, missing in found.items():
        if missing.directions is not None:
            length = C_H if crystal.symbols[i] == "C" else N_H
            parents += [i] * len(missing.directions)
            frac += list(crystal.frac_coords[i] + length * missing.directions @ to_frac)
    crowded = _crowded(crystal, parents, frac)
    kept = [k for k, parent in enumerate(parents) if parent not in crowded]
    lines = _lines(crystal, found, crowded)
    if not kept:
        return crystal, tuple(lines)
    if crystal.charges.any():
        lines.append("charges of the CIF were dropped: they are those of atoms without these hydrogens")
    names = tuple(f"H({crystal.labels[parents[k]]})" for k in kept)
    return (
        Crystal(
            cell=crystal.cell,
            frac_coords=np.vstack([crystal.frac_coords, np.array([frac[k] for k in kept]) % 1.0]),
            symbols=(*crystal.symbols, *("H" for _ in kept)),
            labels=(*crystal.labels, *names),
            charges=np.zeros(len(crystal) + len(kept)),
        ),
        tuple(lines),
    )


def open_carboxylates(crystal: Crystal) -> tuple[str, ...]:
    """Labels of carbons between a carbon and the O of a metal and nothing else: part of their carboxylate is lost."""
    atoms = _atoms(crystal)
    return tuple(label for label, atom in zip(crystal.labels, atoms, strict=True) if _lacks_oxygen(atom, atoms))


def open_valences(crystal: Crystal) -> NDArray[np.bool_]:
    """Carbons that lack a bond to something, by their other bonds, (n_atoms,)."""
    atoms = _atoms(crystal)
    return np.array([atom.symbol == "C" and _missing(i, atoms) is not None for i, atom in enumerate(atoms)], dtype=bool)


def _atoms(crystal: Crystal) -> list[_Atom]:
    bond = bonds(crystal)
    steps = (crystal.frac_coords[bond.b] + bond.image - crystal.frac_coords[bond.a]) @ crystal.cell
    order = np.lexsort((np.round(bond.distance, 4), bond.a))
    start = np.searchsorted(bond.a[order], np.arange(len(crystal) + 1))
    atoms = []
    for i, symbol in enumerate(crystal.symbols):
        mine = order[start[i] : start[i + 1]]
        near = tuple(int(b) for b in bond.b[mine])
        atoms.append(_Atom(symbol, near, tuple(crystal.symbols[b] for b in near), steps[mine]))
    return atoms


def _missing(i: int, atoms: list[_Atom]) -> _Missing | None:
    """Return what an atom lacks, None if nothing."""
    atom = atoms[i]
    metals = sum(is_metal(symbol) for symbol in atom.symbols)
    if atom.symbol == "O":
        return _oxygen(atom, metals)
    if atom.symbol not in ("C", "N") or "H" in atom.symbols:
        return None
    if atom.symbol == "C":
        return None if metals else _carbon(atom, atoms)
    return _nitrogen(i, atom, atoms, metals)


def _carbon(atom: _Atom, atoms: list[_Atom]) -> _Missing | None:
    count = len(atom.neighbours)
    if _lacks_oxygen(atom, atoms):
        return _Missing(_LOST_OXYGEN)
    if count == 1:
        return _end_carbon(atom, atoms)
    if count == 2:
        u, v = atom.directions
        angle = float(np.degrees(np.arccos(np.clip(u @ v, -1, 1))))
        if angle > 160:
            return None
        if 98 < angle < 140 and atom.excess.min() < _CONJUGATED:
            return _Missing("sp2 C-H", _unit(-(u + v))[None])
        if 98 < angle < 120 and atom.excess.min() > _SATURATED:
            bisector, normal = _unit(-(u + v)), _unit(np.cross(u, v))
            half = np.radians(109.47 / 2)
            return _Missing("CH2", np.array([np.cos(half) * bisector + s * np.sin(half) * normal for s in (1, -1)]))
        return _Missing("carbon with two neighbours of unclear hybridisation")
    if count == 3:
        u, v, w = atom.directions
        total = sum(float(np.degrees(np.arccos(np.clip(a @ b, -1, 1)))) for a, b in ((u, v), (v, w), (u, w)))
        if total < 338 and atom.excess.min() > _CONJUGATED:
            return _Missing("tetrahedral C-H", _unit(-(u + v + w))[None])
        return None if total > 348 else _Missing("carbon with three neighbours of unclear hybridisation")
    return None if count > 3 else _Missing("carbon without neighbours")


def _lacks_oxygen(atom: _Atom, atoms: list[_Atom]) -> bool:
    """Whether a carbon has only another carbon and, at the length of a carboxylate, the O of a metal."""
    if atom.symbol != "C" or sorted(atom.symbols) != ["C", "O"]:
        return False
    oxygen = atom.symbols.index("O")
    on_metal = any(is_metal(symbol) for symbol in atoms[atom.neighbours[oxygen]].symbols)
    return bool(on_metal and atom.excess[oxygen] < _CONJUGATED)


def _end_carbon(atom: _Atom, atoms: list[_Atom]) -> _Missing | None:
    u = atom.directions[0]
    if atom.lengths[0] < 1.25:
        return None if atom.symbols[0] in ("N", "O") else _Missing("alkyne C-H", -u[None])
    aside = _aside(u, atoms[atom.neighbours[0]])
    if atom.excess[0] > -0.07 and aside is not None:
        around = np.cross(u, aside)
        turns = np.radians([180.0, 300.0, 60.0])
        azimuth = np.cos(turns)[:, None] * aside + np.sin(turns)[:, None] * around
        return _Missing("CH3", -u / 3 + np.sqrt(8) / 3 * azimuth)
    return _Missing("terminal carbon of unclear hybridisation")


def _nitrogen(i: int, atom: _Atom, atoms: list[_Atom], metals: int) -> _Missing | None:
    count = len(atom.neighbours)
    if metals:
        return (
            _Missing("nitrogen on a metal, amine or amide") if count - metals == 1 and _single_to_carbon(atom) else None
        )
    if count == 1 and atom.symbols[0] == "C" and atom.lengths[0] > 1.30:
        parent = atoms[atom.neighbours[0]]
        aside = _aside(atom.directions[0], parent)
        if len(parent.neighbours) == 3 and aside is not None:
            u = atom.directions[0]
            return _Missing("NH2", np.array([-u / 2 + s * np.sqrt(3) / 2 * aside for s in (1, -1)]))
        return _Missing("amine or ammonium nitrogen")
    if count == 2:
        ring = _ring_size(i, atoms)
        if ring == 5:
            return _Missing("nitrogen of a five-membered ring without metal or hydrogen")
        if ring == 0 and atom.symbols == ("C", "C") and atom.lengths.min() > 1.31:
            u, v = atom.directions
            return _Missing("N-H", _unit(-(u + v))[None])
    return None


def _single_to_carbon(atom: _Atom) -> bool:
    return any(s == "C" and length > 1.30 for s, length in zip(atom.symbols, atom.lengths, strict=True))


def _oxygen(atom: _Atom, metals: int) -> _Missing | None:
    if "H" in atom.symbols:
        return None
    if len(atom.neighbours) == 1:
        if metals:
            return _Missing("terminal O on a metal: oxide, hydroxide or water")
        if atom.symbols[0] == "C" and atom.lengths[0] > 1.30:
            return _Missing("O on a carbon at the length of a single bond: O- or OH")
    if metals == len(atom.neighbours) and metals in (2, 3):
        return _Missing(f"mu{metals}-O: oxide, hydroxide or water")
    return None


def _aside(u: Vector, parent: _Atom) -> Vector | None:
    """Direction, normal to the bond u, of the nearest other neighbour of its far end."""
    for direction in parent.directions:
        side = direction - (direction @ u) * u
        if direction @ u > -0.95 and np.linalg.norm(side) > 0.3:
            return _unit(side)
    return None


def _ring_size(i: int, atoms: list[_Atom]) -> int:
    """Members of the smallest ring through an atom with two neighbours, 0 if it has more than six."""
    first, last = atoms[i].neighbours[:2]
    shell, seen = {first}, {first, i}
    for size in range(3, 7):
        shell = {b for a in shell for b in atoms[a].neighbours if b not in seen and not is_metal(atoms[b].symbol)}
        if last in shell:
            return size
        seen |= shell
    return 0


def _crowded(crystal: Crystal, parents: list[int], frac: list[Vector]) -> set[int]:
    """Atoms whose hydrogens would run into something."""
    if not parents:
        return set()
    n_atoms = len(crystal)
    symbols = (*crystal.symbols, *("H" for _ in parents))
    both = Crystal(crystal.cell, np.vstack([crystal.frac_coords, frac]), symbols, symbols, np.zeros(len(symbols)))
    pairs = pairs_within(both, _CROWDED)
    owner = np.array([*range(n_atoms), *parents])
    clash = (pairs.a >= n_atoms) & (owner[pairs.a] != owner[pairs.b])
    return {int(owner[a]) for a in pairs.a[clash]}


def _lines(crystal: Crystal, found: dict[int, _Missing], crowded: set[int]) -> list[str]:
    added: Counter[str] = Counter()
    doubt: dict[str, list[str]] = {}
    for i, missing in found.items():
        if missing.directions is None:
            doubt.setdefault(missing.kind, []).append(crystal.labels[i])
        elif i in crowded:
            doubt.setdefault(f"no room for {missing.kind}", []).append(crystal.labels[i])
        else:
            added[f"{missing.kind} on {crystal.labels[i]}"] += len(missing.directions)
    lines = []
    if added:
        names = [f"{count} as {kind}" for kind, count in added.items()]
        more = f" and {len(names) - 6} more kinds" if len(names) > 6 else ""
        lines.append(f"missing hydrogens added: {added.total()} ({', '.join(names[:6])}{more}; C-H {C_H}, N-H {N_H} Å)")
    for kind, labels in doubt.items():
        where = ", ".join(f"{n} {label}" for label, n in list(Counter(labels).items())[:4])
        lines.append(f"hydrogens in doubt, none added: {kind} ({where}{', ...' if len(set(labels)) > 4 else ''})")
    return lines


def _unit(vector: Vector) -> Vector:
    return np.asarray(vector / np.linalg.norm(vector))
