"""CIFs and crystals for tests: a small writer, a cubic net and hand-made variants."""

import numpy as np

# MOF-5: charges by class, Eddaoudi's coordinates are in the library
MOF5 = {
    "Zn": 0.957,
    "mu-O": -1.034,
    "carboxylate-O": -0.539,
    "carboxylate-C": 0.577,
    "C": -0.011,
    "C-H": -0.103,
    "H": 0.127,
}
CUBE = (3.9, 3.9, 3.9, 90, 90, 90)
# a cubic net of Zn-O edges, 1.95 Å: a framework in four atoms
NET = ("Zn1 Zn 0 0 0 1 . 0.6", "O1 O 0.5 0 0 1 . -0.2", "O2 O 0 0.5 0 1 . -0.2", "O3 O 0 0 0.5 1 . -0.2")
COLUMNS = "label type_symbol fract_x fract_y fract_z occupancy disorder_group charge"


def cif(atoms=NET, *, cell=CUBE, operations=("x,y,z",), head="", columns=COLUMNS, name="test"):
    """Text of a CIF; `operations` None leaves the list out."""
    lines = [f"data_{name}"]
    lines += [f"_cell_length_{key} {value}" for key, value in zip("abc", cell[:3], strict=True)]
    lines += [f"_cell_angle_{key} {value}" for key, value in zip(("alpha", "beta", "gamma"), cell[3:], strict=True)]
    lines += [head] if head else []
    if operations is not None:
        lines += ["loop_", "_symmetry_equiv_pos_as_xyz", *(f"'{operation}'" for operation in operations)]
    lines += ["loop_", *(f"_atom_site_{column}" for column in columns.split()), *atoms]
    return "\n".join(lines) + "\n"


def write(folder, text, name="test.cif"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def wide_net(cells=3):
    """The net with edges of -O-Zn- repeated, so that a cage of 3.9 Å times `cells` is open in the middle.

    Rows of atoms along the edges of a cube: the corner, then Zn and O in turn.
    """
    n = 2 * cells
    atoms = ["Zn1 Zn 0 0 0 1 . 0"]
    for axis in range(3):
        for k in range(1, n):
            xyz = ["0", "0", "0"]
            xyz[axis] = f"{k / n:.10f}"
            symbol = "O" if k % 2 else "Zn"
            atoms.append(f"{symbol}{axis}{k} {symbol} {' '.join(xyz)} 1 . 0")
    return tuple(atoms), (3.9 * cells,) * 3 + (90, 90, 90)


def same_framework(one, other, tolerance=1e-6):
    """Difference of two frameworks in words, empty if they are one: cell, atoms, charges, classes."""
    if len(one.symbols) != len(other.symbols):
        return f"{len(one.symbols)} and {len(other.symbols)} atoms"
    if np.abs(one.cell - other.cell).max() > tolerance:
        return f"cells differ by {np.abs(one.cell - other.cell).max():.2g} Å"
    if (one.formula_units, len(one.rotations)) != (other.formula_units, len(other.rotations)):
        return "formula units or operations differ"
    for key in sorted(set(zip(one.symbols, one.atom_classes, strict=True))):
        mine = [k for k, pair in enumerate(zip(one.symbols, one.atom_classes, strict=True)) if pair == key]
        theirs = [k for k, pair in enumerate(zip(other.symbols, other.atom_classes, strict=True)) if pair == key]
        if len(mine) != len(theirs):
            return f"{len(mine)} and {len(theirs)} atoms of class {key}"
        step = one.frac_coords[mine][:, None] - other.frac_coords[theirs]
        gap = np.linalg.norm((step - np.round(step)) @ one.cell, axis=-1)
        nearest = gap.argmin(axis=1)
        if gap.min(axis=1).max() > 10 * tolerance or len(set(nearest)) != len(mine):
            return f"atoms of class {key} differ by {gap.min(axis=1).max():.2g} Å"
        charge = np.abs(one.charges[mine] - other.charges[theirs][nearest]).max()
        if charge > 3 * tolerance:
            return f"charges of class {key} differ by {charge:.2g} e"
    return ""
