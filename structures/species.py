"""Mobile ions: charge, mass, Lennard-Jones beads and contact radius, each with its source."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from numpy.typing import ArrayLike

from structures.errors import InputError
from structures.ion_shapes import bent_with_two, bistriflimide, centred, octahedral, tetrahedral
from structures.units import BOLTZMANN, CALORIE, KCAL_PER_MOL

_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class Bead:
    """One interaction site of a rigid ion.

    Attributes
    ----------
    name : str
        Element or name.
    position : (x, y, z), Å
        From the centre of mass of the ion.
    charge : float, e
    lj_epsilon : float, eV
        Well depth; combined with the framework atoms' UFF values by Lorentz-Berthelot rules.
    lj_sigma : float, Å
        May be zero for a bead without Lennard-Jones terms, the hydrogen of OPLS for one.
    """

    name: str
    position: tuple[float, float, float]
    charge: float
    lj_epsilon: float
    lj_sigma: float


@dataclass(frozen=True, slots=True, init=False)
class Species:
    """A rigid ion of one or several Lennard-Jones beads with point charges.

    An ion of one bead is given by `lj_epsilon` and `lj_sigma`, one of several by `beads`. Given both, as
    `dataclasses.replace` does, the two numbers replace those of the one bead.

    Attributes
    ----------
    name : str
    charge : float, e
    mass : float, amu
    contact_radius : float, Å
        Two ions never come closer than the sum of their contact radii.
    source : str
        Where the numbers come from; printed with the results.
    beads : tuple of Bead
        A single one lies at the origin and carries the charge of the ion.

    Raises
    ------
    InputError
        If a charge is zero, a mass, sigma or contact radius is not positive, epsilon is negative, or the beads do not
        fit the ion.
    """

    name: str
    charge: float
    mass: float
    contact_radius: float
    source: str
    beads: tuple[Bead, ...]

    def __init__(
        self,
        name: str,
        charge: float,
        mass: float,
        lj_epsilon: float | None = None,
        lj_sigma: float | None = None,
        contact_radius: float = 0.0,
        source: str = "",
        beads: Sequence[Bead] = (),
    ) -> None:
        shape = tuple(beads)
        given = {"lj_epsilon": lj_epsilon, "lj_sigma": lj_sigma}
        changes = {key: float(value) for key, value in given.items() if value is not None}
        if len(shape) > 1 and changes:
            raise InputError(
                f"species {name}: {', '.join(changes)} must be given bead by bead; it has {len(shape)} beads"
            )
        if not shape and len(changes) < 2:
            raise InputError(f"species {name}: beads or lj_epsilon and lj_sigma must be given; got neither")
        if len(shape) <= 1:
            first = shape[0] if shape else Bead(name, (0.0, 0.0, 0.0), charge, 0.0, 1.0)
            epsilon, sigma = changes.get("lj_epsilon", first.lj_epsilon), changes.get("lj_sigma", first.lj_sigma)
            shape = (replace(first, charge=float(charge), lj_epsilon=epsilon, lj_sigma=sigma),)
        values = {"name": name, "charge": float(charge), "mass": float(mass), "contact_radius": float(contact_radius)}
        for field, value in (*values.items(), ("source", source), ("beads", shape)):
            object.__setattr__(self, field, value)
        self._check()

    def _check(self) -> None:
        if not (math.isfinite(self.charge) and self.charge != 0):
            raise InputError(f"species {self.name}: charge must not be zero; got {self.charge:g}")
        for field in ("mass", "contact_radius"):
            value = getattr(self, field)
            if not 0 < value < math.inf:
                raise InputError(f"species {self.name}: {field} must be positive; got {value}")
        for bead in self.beads:
            where = f"species {self.name}:" if len(self.beads) == 1 else f"species {self.name}, bead {bead.name}:"
            if not 0 <= bead.lj_epsilon < math.inf:
                raise InputError(f"{where} lj_epsilon must not be negative; got {bead.lj_epsilon}")
            if not 0 <= bead.lj_sigma < math.inf or (bead.lj_sigma == 0 and bead.lj_epsilon > 0):
                raise InputError(f"{where} lj_sigma must be positive; got {bead.lj_sigma}")
            if len(bead.position) != 3 or not all(math.isfinite(x) for x in (*bead.position, bead.charge)):
                raise InputError(f"{where} position must be 3 numbers, charge one; got {bead.position}, {bead.charge}")
        if all(bead.lj_sigma == 0 for bead in self.beads):
            raise InputError(f"species {self.name}: lj_sigma must be positive; got 0")
        if len(self.beads) == 1 and any(self.beads[0].position):
            raise InputError(
                f"species {self.name}: position of a single bead must be 0 0 0; got {self.beads[0].position}"
            )
        total = sum(bead.charge for bead in self.beads)
        if abs(total - self.charge) > _ROUNDING:
            raise InputError(f"species {self.name}: charges of the beads must sum to {self.charge:g} e; got {total:g}")

    @property
    def lj_epsilon(self) -> float:
        """Well depth of an ion of one bead, eV.

        Raises
        ------
        InputError
            If the ion has several beads, here as in `lj_sigma`.
        """
        return self._single().lj_epsilon

    @property
    def lj_sigma(self) -> float:
        """Lennard-Jones diameter of an ion of one bead, Å."""
        return self._single().lj_sigma

    @property
    def diameter(self) -> float:
        """Width across the farthest bead, 2 max(|position| + sigma/2), Å; sigma for one bead."""
        return max(2.0 * math.hypot(*bead.position) + bead.lj_sigma for bead in self.beads)

    def _single(self) -> Bead:
        if len(self.beads) > 1:
            raise InputError(f"species {self.name} has {len(self.beads)} beads; each has its own Lennard-Jones terms")
        return self.beads[0]

    def to_text(self) -> str:
        """All fields as one line of JSON; `from_text` gives an equal species."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_text(cls, text: str) -> Species:
        """Species of `to_text`."""
        fields = json.loads(text)
        beads = [Bead(**{**bead, "position": tuple(bead["position"])}) for bead in fields.pop("beads")]
        return cls(**fields, beads=beads)


_TWO_TO_SIXTH = 2.0 ** (1.0 / 6.0)
_KJ_PER_MOL = KCAL_PER_MOL / CALORIE
_UFF = "LJ: UFF, Rappé et al., J. Am. Chem. Soc. 114, 10024 (1992)"
_SHANNON = "radius: Shannon, Acta Cryst. A32, 751 (1976), CN 6"


def _metal(name: str, charge: float, mass: float, uff: tuple[float, float], radius: float) -> Species:
    """Metal ion with the UFF distance (Å) and depth (kcal/mol) of its element."""
    return Species(
        name=name,
        charge=charge,
        mass=mass,
        lj_epsilon=uff[1] * KCAL_PER_MOL,
        lj_sigma=uff[0] / _TWO_TO_SIXTH,
        contact_radius=radius,
        source=f"{_UFF}; {_SHANNON}",
    )


# kind of bead: (mass in amu, charge in e, well depth in kJ/mol, sigma in Å)
_KINDS = {
    "PF6-": {"P": (30.974, 1.34, 0.8368, 3.74), "F": (18.998, -0.39, 0.2552, 3.12)},
    "BF4-": {"B": (10.811, 0.96, 0.3975, 3.58), "F": (18.998, -0.49, 0.2552, 3.12)},
    "TFSI-": {
        "N": (14.007, -0.66, 0.71128, 3.25),
        "S": (32.06, 1.02, 1.046, 3.55),
        "O": (15.999, -0.53, 0.87864, 2.96),
        "C": (12.011, 0.35, 0.27614, 3.50),
        "F": (18.998, -0.16, 0.22175, 2.95),
    },
    "NH4+": {"N": (14.007, -0.40, 0.71128, 3.25), "H": (1.008, 0.35, 0.0, 0.0)},
    "Me2NH2+": {
        "N": (14.007, -0.20, 0.71128, 3.25),
        "CH3": (15.035, 0.29, 0.7322, 3.905),
        "H": (1.008, 0.31, 0.0, 0.0),
    },
}
_CLP = "LJ, charges, bonds: Canongia Lopes, Deschamps, Pádua, J. Phys. Chem. B 108, 2038 (2004)"
_TFSI_HALF = ("S", "O", "O", "C", "F", "F", "F")


def _rigid(
    name: str, ion: str, charge: float, names: Sequence[str], positions: ArrayLike, radius: float, source: str
) -> Species:
    """Ion of several beads of the kinds of `ion`, moved to its centre of mass."""
    kinds = [_KINDS[ion][bead] for bead in names]
    places = centred(positions, [mass for mass, *_ in kinds])
    beads = [
        Bead(bead, (float(x), float(y), float(z)), q, depth * _KJ_PER_MOL, sigma)
        for bead, (x, y, z), (_, q, depth, sigma) in zip(names, places, kinds, strict=True)
    ]
    return Species(name, charge, sum(k[0] for k in kinds), contact_radius=radius, source=source, beads=beads)


SHIPPED_SPECIES: dict[str, Species] = {
    species.name: species
    for species in (
        _metal("Li+", 1.0, 6.94, (2.451, 0.025), 0.76),
        _metal("Na+", 1.0, 22.990, (2.983, 0.030), 1.02),
        _metal("K+", 1.0, 39.098, (3.812, 0.035), 1.38),
        _metal("Mg2+", 2.0, 24.305, (3.021, 0.111), 0.72),
        _metal("Zn2+", 2.0, 65.38, (2.763, 0.124), 0.74),
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
        _rigid(
            "rigid-Me2NH2+",
            "Me2NH2+",
            1.0,
            ("N", "CH3", "CH3", "H", "H"),
            bent_with_two(1.471, 113.0, 1.010, 109.5),
            2.72,
            "5 beads; N, H and charges: OPLS-AA secondary ammonium, methyl hydrogen summed into carbon: "
            "Rizzo, Jorgensen, J. Am. Chem. Soc. 121, 4827 (1999); "
            "CH3: Jorgensen, Madura, Swenson, J. Am. Chem. Soc. 106, 6638 (1984); "
            "N-C 1.471 Å, N-H 1.010 Å, C-N-C 113.0°, H-N-H 109.5°; "
            "radius 2.72 Å: Kieslich, Sun, Cheetham, Chem. Sci. 5, 4712 (2014)",
        ),
        _rigid(
            "NH4+",
            "NH4+",
            1.0,
            ("N", "H", "H", "H", "H"),
            tetrahedral(1.010),
            1.46,
            "5 beads; LJ, charges: Jorgensen, Gao, J. Phys. Chem. 90, 2174 (1986); N-H 1.010 Å; "
            "radius 1.46 Å: Kieslich, Sun, Cheetham, Chem. Sci. 5, 4712 (2014)",
        ),
        _rigid(
            "rigid-PF6-",
            "PF6-",
            -1.0,
            ("P", *"FFFFFF"),
            octahedral(1.606),
            2.42,
            f"7 beads; {_CLP}, after Kaminski, Jorgensen, J. Chem. Soc. Perkin Trans. 2, 2365 (1999); P-F 1.606 Å; "
            "radius 2.42 Å: Roobottom et al., J. Chem. Educ. 76, 1570 (1999)",
        ),
        _rigid(
            "BF4-",
            "BF4-",
            -1.0,
            ("B", *"FFFF"),
            tetrahedral(1.394),
            2.05,
            f"5 beads; {_CLP}; B-F 1.394 Å; radius 2.05 Å: Roobottom et al., J. Chem. Educ. 76, 1570 (1999)",
        ),
        _rigid(
            "TFSI-",
            "TFSI-",
            -1.0,
            ("N", *_TFSI_HALF, *_TFSI_HALF),
            bistriflimide(),
            3.25,
            "15 beads, trans conformer; LJ, charges, bonds, angles: Canongia Lopes, Pádua, "
            "J. Phys. Chem. B 108, 16893 (2004); radius 3.25 Å: Ue, J. Electrochem. Soc. 141, 3336 (1994)",
        ),
    )
}
