"""Published frameworks by their asymmetric units, with the EQeq charges that another program gives them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Lattice, Structure
from pymatgen.symmetry.groups import SpaceGroup

from structures.crystal import Crystal


@dataclass(frozen=True, slots=True)
class Unit:
    """Space group, cell (Å, degrees) and asymmetric unit: element, fractional position, EQeq charge.

    The charges are those of pyeqeq 0.0.10 for the primitive cell, with sums that converge (Ewald splitting 6 Å, 9³ or
    11³ cells, 13³ waves). Its own settings, 50 Å and 5³ cells, do not: the charge of Cu in HKUST-1 is off by 0.2 e.
    """

    group: str
    cell: tuple[float, ...]
    atoms: tuple[tuple[str, float, float, float, float], ...]


FRAMEWORKS = {
    # Eddaoudi et al., Science 295, 469 (2002)
    "MOF-5": Unit(
        "Fm-3m",
        (25.832, 25.832, 25.832, 90, 90, 90),
        (
            ("Zn", 0.29340, 0.20660, 0.20660, 1.2115),
            ("O", 0.25000, 0.25000, 0.25000, -0.9673),
            ("O", 0.28190, 0.21810, 0.13400, -0.4820),
            ("C", 0.25000, 0.25000, 0.11130, 0.3212),
            ("C", 0.25000, 0.25000, 0.05380, -0.0644),
            ("C", 0.28290, 0.21710, 0.02690, -0.0234),
            ("H", 0.30490, 0.19510, 0.04480, 0.0538),
        ),
    ),
    # Chui et al., Science 283, 1148 (1999)
    "HKUST-1": Unit(
        "Fm-3m",
        (26.343, 26.343, 26.343, 90, 90, 90),
        (
            ("Cu", 0.2853, 0.2853, 0.0, 0.9086),
            ("O", 0.3166, 0.2431, 0.9478, -0.4108),
            ("C", 0.2968, 0.2032, 0.9313, 0.3810),
            ("C", 0.3220, 0.1780, 0.8870, -0.1210),
            ("C", 0.3655, 0.1994, 0.8655, 0.0651),
            ("H", 0.3802, 0.2280, 0.8802, 0.0421),
        ),
    ),
    # Yazaydin et al., J. Am. Chem. Soc. 131, 18198 (2009)
    "Mg-MOF-74": Unit(
        "R-3",
        (25.8765, 25.8765, 6.7856, 90, 90, 120),
        (
            ("Mg", 0.64159, 0.68514, 0.47189, 1.4743),
            ("O", 0.96943, 0.29776, 0.36038, -0.7275),
            ("O", 0.92763, 0.23048, 0.61020, -0.5259),
            ("O", 0.25494, 0.94205, 0.67383, -0.6607),
            ("C", 0.92667, 0.24580, 0.42703, 0.4255),
            ("C", 0.87918, 0.20711, 0.29083, -0.2008),
            ("C", 0.21254, 0.88926, 0.75490, 0.2261),
            ("C", 0.16630, 0.84759, 0.63558, -0.0740),
            ("H", 0.16529, 0.85803, 0.47918, 0.0630),
        ),
    ),
    # Redfern et al., Chem. Mater. 32, 5864 (2020)
    "UiO-66": Unit(
        "F-43m",
        (20.72120505, 20.72120505, 20.72120505, 90, 90, 90),
        (
            ("C", 0.005973982, -0.297280042, 0.202719958, -0.1324),
            ("C", 0.006291501, -0.185054233, 0.232332731, 0.0110),
            ("C", -0.003950121, 0.151964040, 0.348035960, 0.5186),
            ("H", -0.094041102, 0.094041102, -0.405958898, 0.3087),
            ("H", 0.006184847, 0.220094468, -0.134042979, 0.0393),
            ("O", 0.002485966, 0.329432038, -0.093962323, -0.6702),
            ("O", 0.450653227, 0.049346773, -0.049346773, -1.3785),
            ("O", -0.067211127, 0.432788873, -0.067211127, -1.1984),
            ("Zr", 0.0, 0.379754907, 0.0, 3.2194),
        ),
    ),
    # Millange et al., Chem. Commun. 4732 (2008); the primitive cell is triclinic in shape
    "MIL-53(Fe)": Unit(
        "C2/c",
        (21.2693, 6.7589, 6.8838, 90, 114.625, 90),
        (
            ("Fe", 0.0, 0.0, 0.0, 1.2657),
            ("O", 0.0, -0.1338, 0.7500, -0.4299),
            ("O", 0.4364, 0.2927, 0.3046, -0.4013),
            ("O", 0.4147, 0.3510, -0.0250, -0.4064),
            ("C", 0.3191, 0.2783, 0.0550, -0.0909),
            ("C", 0.2967, 0.2256, 0.2078, -0.0091),
            ("C", 0.2276, 0.1973, 0.1528, -0.0068),
            ("C", 0.3942, 0.3090, 0.1148, 0.3906),
            ("H", 0.3302, 0.2081, 0.3565, 0.0559),
            ("H", 0.2116, 0.1595, 0.2621, 0.0500),
        ),
    ),
}


@cache
def operations(group: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    found = list(SpaceGroup(group).symmetry_ops)
    return np.array([op.rotation_matrix for op in found]), np.array([op.translation_vector for op in found])


@cache
def structure(name: str) -> Structure:
    """Conventional cell; the site property "row" numbers the rows of the asymmetric unit."""
    unit = FRAMEWORKS[name]
    rotations, translations = operations(unit.group)
    symbols, frac, rows = [], [], []
    for row, (symbol, *position, _) in enumerate(unit.atoms):
        images = rotations @ position + translations
        step = images[:, None] - images[None]
        same = (np.abs(step - np.rint(step)) < 1e-4).all(axis=2)
        copies = images[np.unique(same.argmax(axis=1))] % 1.0
        symbols += [symbol] * len(copies)
        rows += [row] * len(copies)
        frac += list(copies)
    return Structure(Lattice.from_parameters(*unit.cell), symbols, frac, site_properties={"row": rows})


@cache
def primitive(name: str) -> Structure:
    return structure(name).get_primitive_structure(use_site_props=True)


def crystal_of(made: Structure) -> tuple[Crystal, NDArray[np.int64]]:
    """Crystal labelled Zn0, O1 ... by the rows of the asymmetric unit, and these rows as orbits."""
    rows = np.array(made.site_properties["row"], dtype=np.int64)
    symbols = tuple(site.specie.symbol for site in made)
    labels = tuple(f"{symbol}{row}" for symbol, row in zip(symbols, rows, strict=True))
    return Crystal(np.array(made.lattice.matrix), made.frac_coords, symbols, labels, np.zeros(len(made))), rows


def recorded(name: str, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Charges of pyeqeq for atoms of the rows given, e."""
    return np.array([row[4] for row in FRAMEWORKS[name].atoms])[rows]
