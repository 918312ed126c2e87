"""Square nets of zinc and rings that hold an iron atom between four nitrogens, as porphyrins do, layer on layer."""

from __future__ import annotations

import numpy as np

from structures.framework import Framework

_QUARTER = (("N", 2.0, 0.0), ("C", 2.2, 1.3), ("C", 1.3, 2.2), ("O", 3.2, 2.2))
_TURN = np.array([[0.0, 1.0], [-1.0, 0.0]])


def square_nets(layers: int, charges: tuple[float, ...]) -> Framework:
    """Layers 6 Å apart without a bond between them; the atoms of each have one charge, e."""
    symbols, places = ["Fe", "Zn"], [(0.0, 0.0), (4.6, 3.6)]
    for k in range(4):
        symbols += [symbol for symbol, *_ in _QUARTER]
        places += [tuple(np.array(place) @ np.linalg.matrix_power(_TURN, k)) for _, *place in _QUARTER]
    cell = np.array([[8.2, -1.0, 0.0], [1.0, 8.2, 0.0], [0.0, 0.0, 6.0 * layers]])
    flat = np.column_stack([places, np.zeros(len(places))]) @ np.linalg.inv(cell) % 1.0
    frac = np.concatenate([flat + np.array([0.0, 0.0, n / layers]) for n in range(layers)])
    names, of_atoms = tuple(symbols * layers), np.repeat(charges, len(symbols))
    return Framework(
        name="nets", cell=cell, symbols=names, frac_coords=frac, charges=of_atoms, atom_classes=names,
        formula_units=layers, net_charge=float(of_atoms.sum()), rotations=np.eye(3, dtype=np.int64)[None],
        translations=np.zeros((1, 3)), provenance=(),
    )  # fmt: skip
