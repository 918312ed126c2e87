"""Mobile ions: charge, mass, Lennard-Jones bead and contact radius, each with its source."""

from __future__ import annotations

from dataclasses import dataclass

from structures.errors import InputError
from structures.units import BOLTZMANN, KCAL_PER_MOL


@dataclass(frozen=True, slots=True)
class Species:
    """An ion as one Lennard-Jones bead with a point charge.

    Attributes
    ----------
    name : str
    charge : float, e
    mass : float, amu
    lj_epsilon : float, eV
        Well depth; combined with the framework atoms' UFF values by Lorentz-Berthelot rules.
    lj_sigma : float, Å
    contact_radius : float, Å
        Two ions never come closer than the sum of their contact radii.
    source : str
        Where the numbers come from; printed with the results.

    Raises
    ------
    InputError
        If a charge is zero, or a mass, sigma or contact radius is not positive, or epsilon is negative.
    """

    name: str
    charge: float
    mass: float
    lj_epsilon: float
    lj_sigma: float
    contact_radius: float
    source: str

    def __post_init__(self) -> None:
        if self.charge == 0:
            raise InputError(f"species {self.name}: charge must not be zero")
        for field in ("mass", "lj_sigma", "contact_radius"):
            if getattr(self, field) <= 0:
                raise InputError(f"species {self.name}: {field} must be positive; got {getattr(self, field)}")
        if self.lj_epsilon < 0:
            raise InputError(f"species {self.name}: lj_epsilon must not be negative; got {self.lj_epsilon}")


_TWO_TO_SIXTH = 2.0 ** (1.0 / 6.0)

SHIPPED_SPECIES: dict[str, Species] = {
    species.name: species
    for species in (
        Species(
            name="Li+",
            charge=1.0,
            mass=6.94,
            lj_epsilon=0.025 * KCAL_PER_MOL,
            lj_sigma=2.451 / _TWO_TO_SIXTH,
            contact_radius=0.76,
            source="LJ: UFF, Rappé et al., J. Am. Chem. Soc. 114, 10024 (1992); "
            "radius: Shannon, Acta Cryst. A32, 751 (1976), CN 6",
        ),
        Species(
            name="Me2NH2+",
            charge=1.0,
            mass=46.09,
            lj_epsilon=237.1 * BOLTZMANN,
            lj_sigma=2 * 2.72 / _TWO_TO_SIXTH,
            contact_radius=2.72,
            source="one bead; effective radius 2.72 Å: Kieslich, Sun, Cheetham, Chem. Sci. 5, 4712 (2014); "
            "well depth of the isoelectronic propane: Poling, Prausnitz, O'Connell, "
            "Properties of Gases and Liquids (2001)",
        ),
        Species(
            name="PF6-",
            charge=-1.0,
            mass=144.96,
            lj_epsilon=222.1 * BOLTZMANN,
            lj_sigma=2 * 2.42 / _TWO_TO_SIXTH,
            contact_radius=2.42,
            source="one bead; thermochemical radius 2.42 Å: Roobottom, Jenkins, Passmore, Glasser, "
            "J. Chem. Educ. 76, 1570 (1999); "
            "well depth of the isoelectronic SF6: Poling, Prausnitz, O'Connell, Properties of Gases and Liquids (2001)",
        ),
    )
}
