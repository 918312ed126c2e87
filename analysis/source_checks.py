"""Where the two papers disagree with themselves, and what their printed numbers give when worked out again.

Nothing is corrected: the printed values stay as they are, and what cannot be decided from them is said to be so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import numpy as np

from analysis.elemental import surplus_carbon
from analysis.experiments import MeasuredConductivity, measured, measured_activation, section
from analysis.measured_cells import geometry
from structures.units import BOLTZMANN, CELSIUS_ZERO

if TYPE_CHECKING:
    import pandas as pd

Verdict = Literal["consistent", "inconsistent", "cannot be decided"]
LI = 6.94  # g/mol; IUPAC 2021, abridged, like those of the groups below
DIMETHYLAMMONIUM, DMF, BDC, NI, OXIDE = 46.09, 73.09, 164.12, 58.693, 15.999
TRIPYRIDYL = 310.36  # XN taken as 2,4,6-tri(4-pyridyl)pyridine, as in the shipped model of Ni-MOF
NI_PER_UNIT, CATIONS_PER_UNIT, DMF_PER_UNIT = 3.0, 2.0, 6.0
MOF5_DENSITY = 0.593  # g/cm³ of the empty crystal; Eddaoudi et al., Science 295, 469 (2002)
NEAR = 0.05  # relative, within which a value that was worked out again counts as the printed one


@dataclass(frozen=True, slots=True)
class SourceCheck:
    """One printed figure and what speaks for and against it.

    Attributes
    ----------
    material, quantity : str
    printed : str
        As the paper has it; all values where there are several.
    recomputed : str
        From other printed figures; empty where there are none.
    verdict : {"consistent", "inconsistent", "cannot be decided"}
    statement : str
    """

    material: str
    quantity: str
    printed: str
    recomputed: str
    verdict: Verdict
    statement: str


def source_checks() -> tuple[SourceCheck, ...]:
    """List all checks of both papers."""
    return (
        *_energies(),
        _aged(),
        *_composition(),
        _transference(),
        *_formulas(),
        _void(),
        _lfp(),
        *_elements(),
        *_capacities(),
        _liquid(),
    )


def source_table() -> pd.DataFrame:
    """Tabulate all checks: material, quantity, printed, recomputed, verdict, statement."""
    import pandas as pd

    return pd.DataFrame({name: getattr(one, name) for name in SourceCheck.__slots__} for one in source_checks())


def energies_from_printed(material: str = "ni_mof") -> pd.DataFrame:
    """Activation energies between every two neighbouring printed conductivities of a sample.

    Returns
    -------
    DataFrame
        sample, from (°C), to (°C), "E_a of ln sigma (eV)", as the paper defines it, and "E_a of ln sigma T (eV)", which
        is larger by k ln(T_2/T_1) / (1/T_1 - 1/T_2), about kT.
    """
    import pandas as pd

    rows = []
    points = measured(material)
    for sample in dict.fromkeys(p.sample for p in points):
        mine = sorted((p for p in points if p.sample == sample), key=lambda p: p.temperature)
        for first, last in pairwise(mine):
            rows.append({
                "sample": sample,
                "from (C)": round(first.temperature - CELSIUS_ZERO, 2),
                "to (C)": round(last.temperature - CELSIUS_ZERO, 2),
                "E_a of ln sigma (eV)": slope(first, last),
                "E_a of ln sigma T (eV)": slope(first, last, with_T=True),
            })  # fmt: skip
    return pd.DataFrame(rows)


def slope(first: MeasuredConductivity, last: MeasuredConductivity, *, with_T: bool = False) -> float:
    """E_a of sigma or sigma T = A exp(-E_a / kT) through two points, eV."""
    ratio = last.sigma / first.sigma * (last.temperature / first.temperature if with_T else 1.0)
    return float(BOLTZMANN * np.log(ratio) / (1 / first.temperature - 1 / last.temperature))


def li_mass_percent(exchange: float, dmf: float = DMF_PER_UNIT) -> float:
    """Percentage of Li in the mass of [(CH3)2NH2]2 [Ni3(mu3-O)(XN)(BDC)3] · n DMF, x of its cations Li+."""
    li = CATIONS_PER_UNIT * exchange
    framework = NI_PER_UNIT * NI + OXIDE + TRIPYRIDYL + 3 * BDC
    return 100 * li * LI / (framework + (CATIONS_PER_UNIT - li) * DIMETHYLAMMONIUM + li * LI + dmf * DMF)


def _energies() -> list[SourceCheck]:
    """E_a as printed beside the slope between the printed conductivities that lie in or nearest to the window."""
    points, made = measured("ni_mof"), []
    printed: dict[tuple[str, float, float], list[float]] = {}
    for one in measured_activation("ni_mof"):
        printed.setdefault((one.sample, one.lowest, one.highest), []).append(one.E_a)
    for (sample, low, high), values in printed.items():
        mine = sorted((p for p in points if p.sample == sample), key=lambda p: p.temperature)
        first, last = mine[:2] if low < CELSIUS_ZERO else mine[-2:]
        plain, with_T = slope(first, last), slope(first, last, with_T=True)
        found = [f"{value:g}" for value in values]
        span = f"{first.temperature - CELSIUS_ZERO:.0f} to {last.temperature - CELSIUS_ZERO:.0f} °C"
        same_window = low - 0.1 <= first.temperature and last.temperature <= high + 0.1
        near = [abs(plain - value) <= 0.005 + 1e-9 for value in values]
        made.append(
            SourceCheck(
                "ni_mof",
                f"E_a of {sample}, {low - CELSIUS_ZERO:.0f} to {high - CELSIUS_ZERO:.0f} °C",
                " (text) or ".join(found) + (" (Table 1) eV" if len(found) > 1 else " eV"),
                f"{plain:.3f} (ln sigma), {with_T:.3f} (ln sigma T) eV, {span}",
                "inconsistent" if len(values) > 1 else "consistent" if any(near) else "cannot be decided",
                _about_energy(sample, low, values, same_window=same_window, near=any(near)),
            )
        )
    return made


def _about_energy(sample: str, low: float, values: list[float], *, same_window: bool, near: bool) -> str:
    if len(values) > 1:
        return "text and Table 1 disagree; neither is the slope between the two printed conductivities in the window"
    if near:
        return "the printed conductivities give it"
    lines = []
    if sample == "Ni-MOF" and low < CELSIUS_ZERO:
        lines.append("the window begins at -40 °C, where the sample was damaged and no conductivity is given")
    if not same_window:
        lines.append("no two conductivities are printed inside the window; those recomputed reach up to 25 °C")
    return "; ".join(lines)


def _aged() -> SourceCheck:
    """-40 °C after 140 days."""
    of = {(p.sample, round(p.temperature - CELSIUS_ZERO)): p for p in measured("ni_mof")}
    fresh, aged = ({T: of[sample, T] for T in (-40, 25, 100)} for sample in ("Li@Ni-MOF-2", "Li@Ni-MOF-2-140d"))
    ratio = {T: aged[T].sigma / fresh[T].sigma for T in fresh}
    cold = slope(aged[-40], aged[25])
    tenfold = float(cold - BOLTZMANN * math.log(10) / (1 / aged[-40].temperature - 1 / aged[25].temperature))
    return SourceCheck(
        "ni_mof",
        "sigma of Li@Ni-MOF-2 after 140 days, -40 °C",
        f"{aged[-40].sigma:g} S/cm",
        ", ".join(f"{ratio[T]:.2f} of the fresh one at {T} °C" for T in ratio),
        "cannot be decided",
        f"E_a from -40 to 25 °C is {cold:.2f} eV after {slope(fresh[-40], fresh[25]):.2f} eV fresh, though 25 and 100 "
        f"°C hardly changed; a wrong exponent (ten times the value) would give {tenfold:.2f} eV. Exchange, t_Li and "
        "E_a of this sample are not given",
    )


def _composition() -> list[SourceCheck]:
    samples = {one["name"]: one for one in section("ni_mof")["sample"]}
    best = samples["Li@Ni-MOF-2"]
    x = best["li_per_ni"] * NI_PER_UNIT / CATIONS_PER_UNIT
    per_percent = x / best["li_mass_percent"]
    made = [
        SourceCheck(
            "ni_mof", "exchange of Li@Ni-MOF-2", f"Li/Ni {best['li_per_ni']:g}", f"x = 3/2 Li/Ni = {x:.4f}",
            _near(x, best["exchange"]), "two cations and three Ni in a formula unit",
        )
    ]  # fmt: skip
    for name in ("Li@Ni-MOF-1", "Li@Ni-MOF-3"):
        one = samples[name]
        found = one["li_mass_percent"] * per_percent
        made.append(
            SourceCheck(
                "ni_mof", f"exchange of {name}", f"{one['li_mass_percent']:g} % Li by mass", f"x = {found:.4f}",
                _near(found, one["exchange"]),
                "no Li/Ni is printed: x is not measured but in proportion to the mass percentages, from Li@Ni-MOF-2",
            )
        )  # fmt: skip
    full, empty = li_mass_percent(x), li_mass_percent(x, dmf=0.0)
    made.append(
        SourceCheck(
            "ni_mof", "Li by mass of Li@Ni-MOF-2", f"{best['li_mass_percent']:g} %",
            f"{full:.4f} % with 6 DMF, {empty:.4f} % without", _near(full, best["li_mass_percent"]),
            "of the formula with Li/Ni as printed and XN as tri(4-pyridyl)pyridine: what was analysed held its DMF",
        )
    )  # fmt: skip
    return made


def _transference() -> SourceCheck:
    samples = {one["name"]: one for one in section("ni_mof")["sample"]}
    return SourceCheck(
        "ni_mof", "t_Li of Ni-MOF", f"{samples['Ni-MOF']['t_Li']:g}", "0 from its counter-ions, none of which is Li+",
        "inconsistent",
        "as a property of the crystal: the Li+ that was measured came with the LiPF6 that the membrane was soaked in, "
        "and the other samples were soaked alike",
    )  # fmt: skip


def _formulas() -> list[SourceCheck]:
    membrane = section("ni_mof")["membrane"]
    return [
        SourceCheck(
            "ni_mof", "Bruce-Vincent-Evans formula", membrane["bruce_vincent_evans"], "", "cannot be decided",
            "the formula is the known one; currents and resistances are not printed, so that t_Li cannot be worked out "
            "again",
        ),
        SourceCheck(
            "ni_mof", "definition of E_a", membrane["activation_energy"], "", "consistent",
            "with R for E_a per mole, k for eV; of ln sigma and not of ln sigma T, which is some 0.03 eV more",
        ),
    ]  # fmt: skip


def _void() -> SourceCheck:
    return SourceCheck(
        "ni_mof", "one percentage with two values", "65.4 or 66 %", "", "cannot be decided",
        "the paper prints both; what they are of is not among the transcribed data",
    )  # fmt: skip


def _lfp() -> SourceCheck:
    cells = section("ni_mof")["cells"]
    first, rate = cells["LFP_initial_discharge_mAh_per_g"], cells["LFP_discharge_capacity_mAh_per_g"]["0.1C"]
    kept = cells["LFP_capacity_retention_150_cycles_percent"]
    return SourceCheck(
        "ni_mof", "discharge capacity of the LFP cell, 0.1C", f"{first:g} (cycling, first) or {rate:g} mAh/g (rates)",
        f"{first * kept / 100:.1f} mAh/g after 150 cycles from {kept:g} %", "inconsistent",
        f"two cells or a loss of {100 * (1 - rate / first):.0f} % between the two measurements",
    )  # fmt: skip


def _elements() -> list[SourceCheck]:
    percent = section("mof5")["eds_atomic_percent"]
    C, O, Zn = (percent[element] for element in ("C", "O", "Zn"))  # noqa: E741
    return [
        SourceCheck(
            "mof5", "C : O : Zn by EDS", f"{C} : {O} : {Zn} % and 18 : 5 : 1",
            f"{C / Zn:.3g} : {O / Zn:.3g} : 1, sum {C + O + Zn} %", _near(O / Zn, 5.0),
            "within the rounding of Zn (3.5 to 4.5 %) both ratios are possible",
        ),
        SourceCheck(
            "mof5", "missing nodes or excess linkers by EDS", f"C : O = {C / O:.2f} (3.6 in the rounded ratios)",
            "2 at most in any mixture of Zn4O and C8H4O4", "inconsistent",
            f"{100 * surplus_carbon(percent):.0f} % of the carbon can be of no linker: solvent, binder, grid or tape "
            "is in the signal, so that C : Zn and O : Zn give upper bounds of the defects only",
        ),
    ]  # fmt: skip


def _capacities() -> list[SourceCheck]:
    lto, graphite = section("mof5")["LTO_cell"], section("mof5")["graphite_cell"]
    rates, full = lto["discharge_capacity_mAh_per_g"], lto["C_rate_mA_per_g"]
    carbon = graphite["discharge_capacity_mAh_per_g"]
    return [
        SourceCheck(
            "mof5", "capacity of LTO, 0.2C", f"{rates['0.2C']:g} mAh/g", f"{full:g} mAh/g is 1C for one hour",
            "inconsistent",
            f"{100 * (rates['0.2C'] / full - 1):.0f} % more than Li4Ti5O12 is counted to hold: carbon in the "
            "electrode, its mass or a side reaction has a part in it",
        ),
        SourceCheck(
            "mof5", "capacity of LTO, 1C", f"{rates['1C']:g} (rates) or {lto['cycling_1C_mAh_per_g']['first']:g} mAh/g "
            "(cycling, first)", "", "inconsistent", "the scatter between cells is that large at least",
        ),
        SourceCheck(
            "mof5", "capacity of graphite, 1 A/g", f"{carbon['1.0A/g']:g} (rates) or "
            f"{graphite['cycling_1A_per_g_mAh_per_g']['first']:g} mAh/g (cycling, first)", "", "consistent", "",
        ),
    ]  # fmt: skip


def _liquid() -> SourceCheck:
    data = section("mof5")
    thickness, area = geometry("mof5")
    layer = thickness * area
    crystals = data["mof_mass_g"] / MOF5_DENSITY
    return SourceCheck(
        "mof5", "electrolyte in the layer", f"{data['electrolyte_volume_mL']:g} mL on {data['mof_mass_g']:g} g",
        f"layer of {layer:.4f} mL, {100 * crystals / layer:.0f} % of it crystals of {MOF5_DENSITY:g} g/cm³",
        "inconsistent",
        "as transport inside the crystals: there is more liquid than the whole layer has room for, so that liquid "
        "between the crystals conducts beside them",
    )  # fmt: skip


def _near(found: float, printed: float) -> Verdict:
    return "consistent" if abs(found / printed - 1) <= NEAR else "inconsistent"
