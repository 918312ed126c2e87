"""Names of sites from the framework atoms around them."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

from lattice.symmetry import SpaceGroup
from structures.framework import Framework
from structures.species import Species

COORDINATION = 3.5  # Å, farthest neighbour of a small ion
GAP = 2.0  # Å, added to the contact radius of a large ion
CENTRE_ORDER = 4  # operations that leave a cage centre where it is


def site_labels(
    framework: Framework, frac: NDArray[np.float64], species: Species, group: SpaceGroup
) -> tuple[str, ...]:
    """Class of the nearest framework atom that attracts the ion.

    Atoms count up to 3.5 Å, or 2 Å beyond the contact radius of a large ion. Where none of opposite charge is so near,
    the nearest atom names the site ("near C-H"); without any it is in the "pore", or at a "cage centre" if at least
    four symmetry operations leave it in place.

    Parameters
    ----------
    framework : Framework
    frac : (n_sites, 3) float64
    species : Species
    group : SpaceGroup
    """
    reach = max(COORDINATION, species.contact_radius + GAP)
    attracts = framework.charges * species.charge < 0
    labels = []
    for point in frac:
        distance = nearest_distances(framework, point)
        best = np.where(attracts, distance, np.inf)
        if best.min(initial=np.inf) <= reach:
            labels.append(framework.atom_classes[int(best.argmin())])
        elif distance.min(initial=np.inf) <= reach:
            labels.append(f"near {framework.atom_classes[int(distance.argmin())]}")
        else:
            fixed = group.distance(group.images(point) - point) < 0.1
            labels.append("cage centre" if fixed.sum() >= CENTRE_ORDER else "pore")
    return tuple(labels)


def nearest_distances(framework: Framework, point: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance from a fractional point to the nearest periodic image of every atom, (n_atoms,), Å.

    Exact up to half of the smallest height of the cell in any cell whose basis is reduced.
    """
    gap = framework.frac_coords - point
    gap -= np.rint(gap)
    shifts = np.array(list(product((-1, 0, 1), repeat=3)))
    return np.asarray(np.linalg.norm((gap[:, None] + shifts) @ framework.cell, axis=2).min(axis=1))
