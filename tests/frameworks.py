"""Small frameworks, and small pore networks with a framework around them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from landscapes import cubic_group
from lattices import ion, network_of

from lattice.network import PoreNetwork
from structures.framework import Framework

SIDE = 10.0  # Å
# a zinc atom, and a C-C-O piece of linker that crosses the face x = 0; far from the sites
SYMBOLS = ("Zn", "O", "C", "C")
PLACES = np.array([[1.9, 8.5, 8.0], [0.0, 8.5, 8.0], [-1.3, 8.5, 8.0], [-2.7, 8.5, 8.0]])


def framed_network(**changes: object) -> PoreNetwork:
    """Two ions with two sites each in a cubic cell of 10 Å, hops of two barriers inside it and out of it."""
    frac = np.array([[0.23, 0.31, 0.27], [0.71, 0.52, 0.44]])
    bonds = [(0, 1, (0, 0, 0)), (0, 1, (-1, 0, 0)), (0, 1, (0, -1, 0)), (0, 1, (0, 0, -1))]
    network = network_of(
        SIDE * np.eye(3), frac, bonds,
        site_energy=np.array([0.0, 0.1]), saddle=np.array([0.2, 0.3, 0.3, 0.3]), species=(ion("Li+"), ion("Me2NH2+")),
    )  # fmt: skip
    framework = {
        "framework_symbols": SYMBOLS,
        "framework_frac": PLACES / SIDE % 1.0,
        "framework_charges": np.array([1.0, -0.8, 0.1, -0.3]),
        "site_frac": network.site_frac + np.repeat([[0.0, 0.0, 0.0], [0.03, 0.11, 0.05]], 2, axis=0),
        "site_label": ("carboxylate-O", "near C-H", "cage centre", "pore"),
        "percolation": np.array([[0.3, 0.3, 0.3], [0.3, 0.3, np.nan]]),
    }
    return replace(network, **(framework | changes))


def oxide(**changes: object) -> Framework:
    """Simple cubic array of positive atoms, 5 Å apart: a lithium ion sits in the middle of the cube."""
    rotations, translations = cubic_group()
    fields = {
        "name": "oxide",
        "cell": 5.0 * np.eye(3),
        "symbols": ("O",),
        "frac_coords": np.zeros((1, 3)),
        "charges": np.ones(1),
        "atom_classes": ("O",),
        "formula_units": 1,
        "net_charge": 1.0,
        "rotations": rotations,
        "translations": translations,
        "provenance": ("made for a test",),
    }
    return Framework(**fields | changes)
