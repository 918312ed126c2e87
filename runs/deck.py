"""The input deck: every key of a calculation with its unit, its range and its reason, as frozen tables."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError
from pydantic_core.core_schema import ValidationInfo

from structures.units import BOLTZMANN_SI, CELSIUS_ZERO, ELEMENTARY_CHARGE

Treatment = Literal["mobile", "frozen", "background"]

# Composition that the measured values of a material are about: kind, and the two ions in the order of the deck.
MEASURED_WITH = {"ni_mof": ("exchange", "Li+", "Me2NH2+"), "mof5": ("salt", "Li+", "PF6-")}

# What a number far outside its range was probably meant in: unit of the deck -> (other unit, factor, shift).
_LIKELY_UNITS: dict[str, tuple[tuple[str, float, float], ...]] = {
    "eV": (("meV", 1e-3, 0.0), ("K", BOLTZMANN_SI / ELEMENTARY_CHARGE, 0.0)),
    "Å": (("nm", 10.0, 0.0),),
    "K": (("°C", 1.0, CELSIUS_ZERO),),
    "1/s": (("THz", 1e12, 0.0),),
    "mol/L": (("mmol/L", 1e-3, 0.0),),
}


def key(description: str, *, unit: str = "", within: tuple[float, float] | None = None, default: Any = ...) -> Any:
    """Declare a key of the deck: its meaning, its unit and the closed range of its number or of each of its numbers."""
    return Field(default=default, description=description, json_schema_extra={"unit": unit, "within": within})  # type: ignore[dict-item]


class Table(BaseModel):
    """One table of the deck: unknown keys, wrong types and numbers outside their range are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @field_validator("*")
    @classmethod
    def _check_range(cls, value: Any, info: ValidationInfo) -> Any:
        extra = field_extra(cls, str(info.field_name))
        if extra.get("within") is not None:
            for where, number in _numbers(value):
                problem = _outside(number, extra["within"], extra["unit"])
                if problem:
                    raise PydanticCustomError("range", "{where}: {problem}", {"where": where, "problem": problem})
        return value


def field_extra(table: type[BaseModel], name: str) -> dict[str, Any]:
    """Return unit and range of one key, as `key` declared them."""
    extra = table.model_fields[name].json_schema_extra
    return dict(extra) if isinstance(extra, dict) else {}


def _numbers(value: Any) -> list[tuple[str, float]]:
    if isinstance(value, tuple):
        return [(f", item {i + 1}", v) for i, v in enumerate(value)]
    if isinstance(value, dict):
        return [(f" {name}", v) for name, v in value.items()]
    return [] if value is None else [("", value)]


def _outside(number: float, within: tuple[float, float], unit: str) -> str:
    low, high = within
    if low <= number <= high:
        return ""
    text = f"expected {low:g} to {high:g} {unit}".rstrip() + f", found {number:g}"
    for other, factor, shift in _LIKELY_UNITS.get(unit, ()):
        converted = number * factor + shift
        if low <= converted <= high:
            return f"{text}; {number:g} is probably {other}, write {converted:g} {unit}"
    return text


class Structure(Table):
    """The crystal: which file, which cell, which charges."""

    cif: str = key("CIF of the framework: a path from the deck's folder, or the name of a shipped one")
    cell: Literal["conventional", "primitive"] = key("cell that 'repeats' counts", default="conventional")
    net_charge: float = key("charge of the framework per formula unit", unit="e", within=(-10, 10), default=0.0)
    charges: dict[str, float] = key(
        "partial charge by atom class or element; empty: those of the CIF", unit="e", within=(-10, 10), default={}
    )


class SpeciesTable(Table):
    """An ion of the user, or the values that differ from a shipped one."""

    charge: float | None = key("charge", unit="e", within=(-4, 4), default=None)
    mass_amu: float | None = key("mass", unit="amu", within=(1, 1000), default=None)
    lj_epsilon_eV: float | None = key("Lennard-Jones well depth", unit="eV", within=(0, 0.1), default=None)  # noqa: N815
    lj_sigma_A: float | None = key("Lennard-Jones diameter", unit="Å", within=(0.5, 12), default=None)  # noqa: N815
    contact_radius_A: float | None = key(  # noqa: N815
        "two ions never come closer than the sum of these", unit="Å", within=(0.1, 8), default=None
    )
    source: str = key("where the numbers come from", default="deck")


class Landscape(Table):
    """How the energy of an ion in the pores is computed and turned into sites and hops."""

    permittivity: float = key("relative permittivity eps_r of everything but the explicit ions", within=(1, 100))
    spacing_A: float = key("largest step of the energy grid", unit="Å", within=(0.05, 0.5), default=0.2)  # noqa: N815
    cutoff_A: float = key("Lennard-Jones cut-off", unit="Å", within=(6, 30), default=12.0)  # noqa: N815
    merge_barrier_eV: float = key(  # noqa: N815
        "basins with a lower escape barrier become one site", unit="eV", within=(0, 0.5), default=0.05
    )
    percolation_dimensions: int = key("directions the network must connect", within=(1, 3), default=3)


class LatticeTable(Table):
    """The supercell of the simulation."""

    repeats: tuple[int, int, int] = key("cells along a, b and c", unit="cells", within=(1, 30))


class Exchange(Table):
    """Counter-ions of a charged framework, a fraction x of which has been replaced."""

    kind: Literal["exchange"] = key("counter-ions of a charged framework are exchanged")
    entering: str = key("the ion whose fraction among the counter-ions is x")
    leaving: str = key("the ion that it replaces")
    treatment: dict[str, Treatment] = key(
        "mobile (default), frozen, or background (smeared out), by species", default={}
    )

    @property
    def species(self) -> tuple[str, str]:
        """Both ions, the one that x counts first."""
        return self.entering, self.leaving


class Salt(Table):
    """A salt dissolved in the pores of a neutral framework, in the volume that a helium probe can occupy."""

    kind: Literal["salt"] = key("a salt is dissolved in the pores")
    cation: str = key("the positive ion")
    anion: str = key("the negative ion")
    treatment: dict[str, Treatment] = key(
        "mobile (default), frozen, or background (smeared out), by species", default={}
    )

    @property
    def species(self) -> tuple[str, str]:
        """Both ions, the cation first."""
        return self.cation, self.anion


class Kmc(Table):
    """The event loop."""

    attempt_frequency_Hz: float = key(  # noqa: N815
        "prefactor nu of every hop rate", unit="1/s", within=(1e9, 1e16), default=1e12
    )
    events: int = key("hops per task to aim at; fixes the simulated time", unit="hops", within=(1000, 1e11))
    separation_kT: float | None = key(  # noqa: N815
        "local hops are slowed to this much below the crossing of the crystal; left out: none is",
        unit="kT",
        within=(1, 100),
        default=None,
    )
    equilibration_sweeps: int = key(
        "Monte Carlo moves per ion before the clock starts", unit="moves/ion", within=(0, 1e7), default=200
    )
    samples: int = key("instants at which displacements are stored", unit="samples", within=(20, 1e6), default=400)


class Scan(Table):
    """Loadings, temperatures and repetitions: one task for each combination."""

    exchange_fractions: tuple[float, ...] | None = key("x of each loading", within=(0, 1), default=None)
    molarities_mol_per_L: tuple[float, ...] | None = key(  # noqa: N815
        "salt per litre of the pore volume that a helium probe can occupy",
        unit="mol/L",
        within=(1e-4, 30),
        default=None,
    )
    temperatures_C: tuple[float, ...] | None = key(  # noqa: N815
        "temperatures", unit="°C", within=(-220, 1200), default=None
    )
    temperatures_K: tuple[float, ...] | None = key("temperatures", unit="K", within=(50, 1500), default=None)  # noqa: N815
    replicas: int = key("independent repetitions; intervals come from them", unit="tasks", within=(2, 100_000))
    seed: int = key("every random number follows from it", within=(0, 2**62), default=1)

    @property
    def temperatures(self) -> tuple[float, ...]:
        """Temperatures in K, ascending."""
        if self.temperatures_K is not None:
            return tuple(sorted(self.temperatures_K))
        return tuple(sorted(round(t + CELSIUS_ZERO, 6) for t in self.temperatures_C or ()))

    @property
    def requested(self) -> tuple[float, ...]:
        """Loadings as the deck asks for them: exchange fractions or mol/L."""
        return self.exchange_fractions or self.molarities_mol_per_L or ()


class Output(Table):
    """What is written besides the tables."""

    plots: bool = key("write arrhenius.png, loading.png and network.png", default=True)
    compare_with: Literal["nothing", "ni_mof", "mof5"] = key(
        "material whose measured values are printed and plotted beside the computed ones", default="nothing"
    )
    frames_every: int = key(
        "keep the places of all ions at every so many samples; 0 keeps none", unit="samples", within=(0, 1e6), default=0
    )


class Deck(Table):
    """A whole calculation.

    Attributes
    ----------
    structure, species, landscape, lattice, composition, kmc, scan, output
        The tables of the file, in the order in which they act.
    """

    structure: Structure
    species: dict[str, SpeciesTable] = Field(default={})
    landscape: Landscape
    lattice: LatticeTable
    composition: Annotated[Exchange | Salt, Field(discriminator="kind")]
    kmc: Kmc
    scan: Scan
    output: Output = Output()

    def treatment(self, name: str) -> Treatment:
        """Whether ions of this species hop, stand still, or are smeared into the uniform background."""
        return self.composition.treatment.get(name, "mobile")
