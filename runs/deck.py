"""The input deck: every key of a calculation with its unit, its range and its reason, as frozen tables."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from lattice.network import ATTEMPT_FREQUENCY
from lattice.rate_models import RateModel
from runs.deck_calibrate import Calibrate, Calibrated
from runs.deck_keys import NumberByIon, Permittivity, Table, Vector, Whole, key, outside
from structures.units import CELSIUS_ZERO

MESHES_FROM = 50_000  # sites of the supercell; measured, see tests/benchmarks/engine.py
Treatment = Literal["mobile", "frozen", "background"]
FieldAxis = Literal["a", "b", "c", "x", "y", "z"]
ChargeSource = Literal["auto", "table", "cif", "eqeq"]
_CEILING = 10  # replicas of a condition over those of the deck, where it names no ceiling
_REFINE_LOADINGS = 6
_TREATMENT = (
    "by species: mobile (default); frozen: brought to equilibrium with all others at the temperature of the run, in "
    "every replica anew, and pinned there; background: smeared out, its charge spread evenly over the crystal"
)


class Structure(Table):
    """The crystal: which file, which cell, which charges."""

    cif: str | None = key(
        "CIF of the framework: a path from the deck's folder, or the name of a shipped one; needed unless sites have a "
        "cell of their own",
        default=None,
    )
    cell: Literal["conventional", "primitive"] = key("cell that 'repeats' counts", default="conventional")
    net_charge: float | None = key(
        "charge of the framework per formula unit; left out: that of the charged guests removed, else 0",
        unit="e",
        within=(-10, 10),
        default=None,
    )
    balance_on: str | None = key(
        'label, class or element of the atoms, or "all", that take up evenly what the charges of a table or CIF lack '
        'of net_charge, such as "mu-O" for the protons of hydroxides; left out: all, no more than 0.1 e per formula '
        "unit",
        default=None,
    )
    charge_source: ChargeSource = key(
        "partial charges from the table, the CIF or EQeq; auto: the first of them that there is", default="auto"
    )
    charges: dict[str, float] = key(
        "partial charge by atom label, class or element", unit="e", within=(-10, 10), default={}
    )
    sites: str | None = key(
        "YAML file with sites and hops in place of a computed landscape; it may name a CIF that holds the mobile ions",
        default=None,
    )
    missing_nodes: float = key(
        "fraction of the nodes (metals with the oxide, hydroxide or halide on them) that is missing, chosen at random "
        "in a defect_cell and rounded to whole ones; below 1",
        within=(0, 1),
        default=0.0,
    )
    missing_linkers: float = key(
        "fraction of the linkers between the nodes that is missing, likewise; below 1", within=(0, 1), default=0.0
    )
    defect_cell: tuple[Whole, Whole, Whole] = key(
        "cells of the perfect crystal in which the missing pieces are chosen; 'repeats' counts these larger cells",
        unit="cells",
        within=(1, 10),
        default=(1, 1, 1),
    )
    defect_seed: Whole = key(
        "which pieces are missing follows from it; other seeds are other realisations, and a larger fraction of one "
        "seed takes out what a smaller one does, and more",
        within=(0, 2**62),
        default=1,
    )


class Bead(Table):
    """One interaction centre of an ion, at a fixed place in it."""

    name: str = key("element or name of the bead")
    position_A: Vector = key("place relative to the centre of mass", unit="Å", within=(-20, 20))  # noqa: N815
    charge: float = key("charge", unit="e", within=(-4, 4))
    lj_epsilon_eV: float = key("Lennard-Jones well depth", unit="eV", within=(0, 0.1))  # noqa: N815
    lj_sigma_A: float = key("Lennard-Jones diameter; 0 for none", unit="Å", within=(0, 12))  # noqa: N815

    @field_validator("lj_sigma_A")
    @classmethod
    def _check_diameter(cls, value: float) -> float:
        if problem := value and outside(value, (0.5, 12), "Å"):
            raise PydanticCustomError("range", "{problem}", {"problem": f": {problem}"})
        return value


class SpeciesTable(Table):
    """An ion of the user, or the values that differ from a shipped one."""

    charge: float | None = key("charge", unit="e", within=(-4, 4), default=None)
    mass_amu: float | None = key("mass", unit="amu", within=(1, 1000), default=None)
    lj_epsilon_eV: float | None = key("Lennard-Jones well depth", unit="eV", within=(0, 0.1), default=None)  # noqa: N815
    lj_sigma_A: float | None = key("Lennard-Jones diameter", unit="Å", within=(0.5, 12), default=None)  # noqa: N815
    beads: tuple[Bead, ...] | None = key(
        "interaction centres of a rigid ion, in place of one at its centre", default=None
    )
    contact_radius_A: float | None = key(  # noqa: N815
        "two ions never come closer than the sum of these; does not follow lj_sigma_A",
        unit="Å",
        within=(0.1, 8),
        default=None,
    )
    size_factor: float | None = key(
        "size of the whole ion over that of its other values: multiplies Lennard-Jones diameters, places of beads and "
        "contact radius alike; left out: 1",
        within=(0.7, 1.3),
        default=None,
    )
    source: str = key("where the numbers come from", default="deck")


class Landscape(Table):
    """How the energy of an ion in the pores is computed and turned into sites and hops."""

    permittivity: Permittivity = key(
        "relative permittivity eps_r of everything but the explicit ions: a number, 3 along x, y, z, or a 3 x 3 tensor"
    )
    spacing_A: float = key("largest step of the energy grid", unit="Å", within=(0.05, 0.5), default=0.2)  # noqa: N815
    cutoff_A: float = key("Lennard-Jones cut-off", unit="Å", within=(6, 30), default=12.0)  # noqa: N815
    persistence_kT: float = key(  # noqa: N815
        "basins with a lower escape barrier at the lowest temperature are no sites of their own",
        unit="kT",
        within=(0, 20),
        default=2.5,
    )
    percolation_dimensions: Whole = key(
        "directions in which every ion must be able to cross the crystal; 0 accepts one that is shut in, as a result: "
        "its sigma is 0",
        within=(0, 3),
        default=3,
    )
    orientations: Whole | None = key(
        "orientations over which an ion of several beads is averaged; left out: 600, more for long ions",
        within=(1, 100_000),
        default=None,
    )
    cube: dict[str, str] = key("Gaussian cube with the energy of a species, in place of a computed one", default={})


class Rates(Table):
    """Where the prefactors of the hop rates come from."""

    model: RateModel = key(
        "flux_tst and harmonic_tst: from the landscape and the mass of the ion; attempt_frequency: one for every hop",
        default="flux_tst",
    )
    friction: NumberByIon | None = key(
        "factor on every rate of transition-state theory, for crossings that return: a number, or a table by ion, "
        '{"Li+" = 1, "Me2NH2+" = 0.01}, in which those left out have 1; left out: 1. Above 1 it is no friction: it '
        "mends prefactors that are too low",
        within=(1e-6, 1e3),
        default=None,
    )
    attempt_frequency_Hz: NumberByIon | None = key(  # noqa: N815
        "prefactor nu of every hop rate, for the model attempt_frequency: a number, or a table by ion, in which those "
        "left out have 1e12; left out: 1e12",
        unit="1/s",
        within=(1e9, 1e16),
        default=None,
    )

    @property
    def factor(self) -> float:
        """What all rates of the network are multiplied with: an attempt frequency in 1/s, or a friction factor."""
        relative = self.model == "attempt_frequency"
        given, usual = (self.attempt_frequency_Hz, ATTEMPT_FREQUENCY) if relative else (self.friction, 1.0)
        return usual if given is None or isinstance(given, dict) else given

    @property
    def of_ions(self) -> dict[str, float]:
        """Attempt frequencies in 1/s or friction factors by ion; empty where one number holds for all."""
        given = self.attempt_frequency_Hz if self.model == "attempt_frequency" else self.friction
        return given if isinstance(given, dict) else {}


class SiteOverride(Table):
    """An energy of the user for the sites of one orbit or label."""

    species: str = key("ion whose sites are meant")
    orbit: Whole | None = key("number of the site orbit, as printed with the network", within=(0, 1e6), default=None)
    label: str | None = key("label of the sites, as printed with the network", default=None)
    energy_eV: float = key("energy of the site", unit="eV", within=(-100, 100))  # noqa: N815


class HopOverride(Table):
    """A barrier or prefactor of the user for the hops of one orbit, or between sites of two labels."""

    species: str = key("ion whose hops are meant")
    orbit: Whole | None = key("number of the hop orbit, as printed with the network", within=(0, 1e6), default=None)
    labels: tuple[str, str] | None = key(
        "labels of the two ends, first the one from which the barrier counts", default=None
    )
    barrier_eV: float | None = key(  # noqa: N815
        "barrier from the first label, or from the deeper end of an orbit", unit="eV", within=(0, 20), default=None
    )
    prefactor_Hz: float | None = key(  # noqa: N815
        "prefactor of the rate, geometric mean of both ways", unit="1/s", within=(1, 1e16), default=None
    )


class Override(Table):
    """Numbers of the user in place of computed ones; they are marked in every output."""

    site: tuple[SiteOverride, ...] = key("energies of sites", default=())
    hop: tuple[HopOverride, ...] = key("barriers and prefactors of hops", default=())


class PairTable(Table):
    """An energy of the user for two ions closer than a distance."""

    species: tuple[str, str] = key("the two ions")
    below_A: float = key("distance below which the energy holds", unit="Å", within=(0.1, 30))  # noqa: N815
    energy_eV: float = key("energy of the pair, Coulomb included", unit="eV", within=(-100, 100))  # noqa: N815


class Interactions(Table):
    """What the ions do to each other; switched off one by one it shows what each is responsible for."""

    coulomb: bool = key(
        "Coulomb energies between the ions; false: each feels the framework, whose charges are neutralised by a "
        "uniform background, and no other ion",
        default=True,
    )
    exclusions: bool = key(
        "no two ions nearer than the sum of their contact radii; false: one ion per site is all that is left of it",
        default=True,
    )


class LatticeTable(Table):
    """The supercell of the simulation."""

    repeats: tuple[Whole, Whole, Whole] = key("cells along a, b and c", unit="cells", within=(1, 30))


class Uptake(Table):
    """Salt of the entering ion that the pores hold besides the counter-ions."""

    anion: str = key("the ion of opposite charge that the entering ion comes with")
    mol_per_L: float = key(  # noqa: N815
        "formula units of the salt per litre of the pore volume that a helium probe can occupy in the empty framework, "
        "rounded to whole ones in the supercell",
        unit="mol/L",
        within=(0, 30),
    )


class Exchange(Table):
    """Counter-ions of a charged framework, a fraction x of which has been replaced."""

    kind: Literal["exchange"] = key("counter-ions of a charged framework are exchanged")
    entering: str = key("the ion whose fraction among the counter-ions is x")
    leaving: str = key("the ion that it replaces")
    uptake: Uptake | None = key(
        'salt that the pores have taken up, { anion = "PF6-", mol_per_L = 1.0 }: that much of the entering ion and the '
        "anion on top of the counter-ions, in the pore volume that a helium probe can occupy; x still counts the "
        "counter-ions alone",
        default=None,
    )
    treatment: dict[str, Treatment] = key(_TREATMENT, default={})

    @property
    def species(self) -> tuple[str, ...]:
        """All ions, the one that x counts first, then the one that it replaces, then the anion of a salt."""
        return (self.entering, self.leaving, *((self.uptake.anion,) if self.uptake else ()))


class Salt(Table):
    """A salt dissolved in the pores of a neutral framework, in the volume that a helium probe can occupy."""

    kind: Literal["salt"] = key("a salt is dissolved in the pores")
    cation: str = key("the positive ion")
    anion: str = key("the negative ion")
    treatment: dict[str, Treatment] = key(_TREATMENT, default={})

    @property
    def species(self) -> tuple[str, ...]:
        """Both ions, the cation first."""
        return self.cation, self.anion


class Kmc(Table):
    """The event loop."""

    events: Whole = key("hops per task to aim at; fixes the simulated time", unit="hops", within=(1000, 1e11))
    energies: Literal["auto", "table", "meshes"] = key(
        "Coulomb energies of the ions: from a 'table', exact to rounding, or from 'meshes', with those of hops within "
        f"1e-4 eV of the full sum and a cost that does not grow with the supercell; 'auto': meshes from {MESHES_FROM} "
        "sites on",
        default="auto",
    )
    separation_kT: float | None = key(  # noqa: N815
        "local hops are slowed to this much below the crossing of the crystal; left out: none is",
        unit="kT",
        within=(1, 100),
        default=None,
    )
    superbasins: bool = key(
        "pass over hops to and fro inside sets of configurations that are rarely left, by their exact solution: the "
        "dynamics stays exact for any interaction. It gains for single ions, or ions without Coulomb energies among "
        "them; with many charged ions usually nothing. Keeps the energy table at any size",
        default=False,
    )
    equilibration_sweeps: Whole = key(
        "Monte Carlo moves per ion before the clock starts", unit="moves/ion", within=(0, 1e7), default=200
    )
    samples: Whole = key("instants at which displacements are stored", unit="samples", within=(20, 1e6), default=400)


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
    fields_V_per_cm: tuple[float, ...] = key(  # noqa: N815
        "uniform electric fields, in each of which every loading and temperature is run too, for drift mobilities",
        unit="V/cm",
        within=(1, 1e9),
        default=(),
    )
    field_along: FieldAxis = key(
        "direction of these fields: that of a lattice vector, or Cartesian (a along x, b in the xy plane)", default="a"
    )
    replicas: Whole = key("independent repetitions of each task; intervals come from them", within=(2, 100_000))
    sigma_relative_error: float | None = key(
        "relative standard error of sigma that every loading and temperature is to reach, by as many more replicas as "
        "that takes; the 95 % interval reaches about twice as far to either side",
        within=(0.005, 1),
        default=None,
    )
    most_replicas: Whole | None = key(
        "replicas that sigma_relative_error may come to; left out: 10 times replicas",
        within=(2, 1_000_000),
        default=None,
    )
    refine: bool = key(
        "run further loadings where the largest sigma may be, two at a time, until refine_loadings of them are there",
        default=False,
    )
    refine_loadings: Whole | None = key(
        "loadings that refine may add; left out: 6", unit="loadings", within=(1, 1000), default=None
    )
    seed: Whole = key("every random number follows from it", within=(0, 2**62), default=1)

    @property
    def temperatures(self) -> tuple[float, ...]:
        """Temperatures in K, ascending."""
        if self.temperatures_K is not None:
            return tuple(sorted(self.temperatures_K))
        return tuple(sorted(round(t + CELSIUS_ZERO, 6) for t in self.temperatures_C or ()))

    @property
    def ceiling(self) -> int:
        """Most replicas of a condition."""
        if self.sigma_relative_error is None:
            return self.replicas
        return _CEILING * self.replicas if self.most_replicas is None else self.most_replicas

    @property
    def further_loadings(self) -> int:
        """Most loadings that are added to those of the deck."""
        return (_REFINE_LOADINGS if self.refine_loadings is None else self.refine_loadings) if self.refine else 0

    @property
    def requested(self) -> tuple[float, ...]:
        """Loadings as the deck asks for them: exchange fractions or mol/L."""
        return self.exchange_fractions or self.molarities_mol_per_L or ()


class Output(Table):
    """What is written besides the tables, and how often."""

    plots: bool = key("write arrhenius.png, loading.png and network.png", default=True)
    compare_with: Literal["nothing", "ni_mof", "mof5"] = key(
        "material whose measured values are printed and plotted beside the computed ones", default="nothing"
    )
    windows_C: tuple[tuple[float, float], ...] = key(  # noqa: N815
        "windows of temperature, as pairs, in each of which an activation energy is fitted too", unit="°C", default=()
    )
    frames_every: Whole = key(
        "keep the places of all ions at every so many samples; 0 keeps none", unit="samples", within=(0, 1e6), default=0
    )
    checkpoint_minutes: float = key(
        "wall time after which a running task keeps its state again, for a restart",
        unit="min",
        within=(0.001, 1440),
        default=5.0,
    )


class Deck(Table):
    """A whole calculation.

    Attributes
    ----------
    structure, species, landscape, rates, override, interactions, pair, lattice, composition, kmc, scan, output
        The tables of the file, in the order in which they act.
    calibrate, calibrated
        What is to be fitted to measurements, and what has been.
    """

    structure: Structure
    species: dict[str, SpeciesTable] = Field(default={})
    landscape: Landscape
    rates: Rates = Rates()
    override: Override = Override()
    interactions: Interactions = Interactions()
    pair: tuple[PairTable, ...] = ()
    lattice: LatticeTable
    composition: Annotated[Exchange | Salt, Field(discriminator="kind")]
    kmc: Kmc
    scan: Scan
    output: Output = Output()
    calibrate: Calibrate | None = None
    calibrated: Calibrated | None = None

    def treatment(self, name: str) -> Treatment:
        """Whether ions of this species hop, stand still, or are smeared into the uniform background."""
        return self.composition.treatment.get(name, "mobile")
