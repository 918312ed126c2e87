"""The results as tables: conductivity, optimum loading, measured values beside computed ones, assumptions."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from analysis.campaign import Analysis
from analysis.experiments import comparison, measured_activation, paper, specimen
from analysis.network_exact import single_particle_diffusivity
from kmc.trajectory import TaskRecord
from lattice.separation import separate
from runs.coarse_hops import coarse_hop_line
from runs.composition import molarity_line
from runs.deck import Salt
from runs.model import Model
from runs.network_tables import listing, table
from structures.units import BOLTZMANN, CELSIUS_ZERO

MOST_STATEMENTS = 12
FEW_POINTS = 3
Row = Mapping[str, Any]


def result_report(analysis: Analysis, model: Model, assumed: Sequence[str]) -> Iterator[RenderableType]:
    """Yield all tables of a calculation, and under them what they rest on (`assumptions`)."""
    yield conductivity_table(analysis)
    if len(analysis.dilute):
        yield dilute_table(analysis)
    yield optimum_part(analysis)
    material = model.deck.output.compare_with
    if material != "nothing":
        yield from comparison_part(material, analysis)
    yield statement_part(analysis.statements)
    yield listing("Assumptions (nothing is calibrated to a measurement)", assumed)


def conductivity_table(analysis: Analysis) -> Table:
    """Sigma, Haven ratio and activation energy of every loading and temperature."""
    name = analysis.composition_name
    made = table(
        "Conductivity with 95 % intervals",
        heading(name), "T, °C", "sigma, S/cm", "interval", "H_R", "interval", "E_a, eV", "interval",
    )  # fmt: skip
    made.collapse_padding = True
    rows = _records(analysis.conductivity)
    activation = {row[name]: row for row in _records(analysis.activation)}
    previous = None
    for row in rows:
        loading = row[name]
        first = loading != previous
        if first and previous is not None:
            made.add_section()
        E_a = activation.get(loading) if first else None
        made.add_row(
            f"{loading:.3f}" if first else "",
            f"{row['T (K)'] - CELSIUS_ZERO:.0f}",
            _marked(_power(row["sigma (S/cm)"]), row["converged"]),
            _range(row["sigma lo (S/cm)"], row["sigma hi (S/cm)"], _power),
            _marked(_plain(row["H_R"]), row["H_R converged"]),
            _range(row["H_R lo"], row["H_R hi"], _plain),
            _milli(E_a["E_a (eV)"]) if E_a else "",
            _range(E_a["E_a lo (eV)"], E_a["E_a hi (eV)"], _milli) if E_a else "",
        )
        previous = loading
    made.caption = (
        "sigma: mean over orientations. E_a from ln(sigma T) against 1/kT; H_R = D*/D_J. ~ not converged, see below."
    )
    made.caption_justify = "left"
    return made


def dilute_table(analysis: Analysis) -> Table:
    """One ion alone on the network, exact, beside D* of the loading with the fewest ions of its kind."""
    name = analysis.composition_name
    made = table(
        "Diffusivity, cm²/s: one ion alone on the network (exact) beside the simulation with the fewest of its kind",
        "<species", "T, °C", "alone", "D*", "interval", heading(name), "ions",
    )  # fmt: skip
    rows = _records(analysis.conductivity)
    names = list(dict.fromkeys(analysis.dilute["species"]))
    previous = None
    for exact in sorted(_records(analysis.dilute), key=lambda row: names.index(row["species"])):
        ion, T = exact["species"], exact["T (K)"]
        with_ion = [row for row in rows if row["T (K)"] == T and row.get(f"n({ion})", 0) > 0]
        fewest = min(with_ion, key=lambda row: row[f"n({ion})"], default=None)
        if previous not in (None, ion):
            made.add_section()
        beside = ("", "", "", "")
        if fewest is not None:
            D = f"D*({ion})"
            beside = (
                _marked(_power(fewest[f"{D} (cm2/s)"]), fewest[f"{D} converged"]),
                _range(fewest[f"{D} lo (cm2/s)"], fewest[f"{D} hi (cm2/s)"], _power),
                f"{fewest[name]:.3f}",
                str(int(fewest[f"n({ion})"])),
            )
        made.add_row(ion if ion != previous else "", f"{T - CELSIUS_ZERO:.0f}", _power(exact["D (cm2/s)"]), *beside)
        previous = ion
    made.caption = (
        "The ion alone finds every site free. D* differs from it, by orders of magnitude where sites are scarce, "
        "because all other ions crowd it, block its way and repel it, also where few are of its kind. ~ not converged."
    )
    made.caption_justify = "left"
    return made


def optimum_part(analysis: Analysis) -> RenderableType:
    """Give the best loading at every temperature, all other maxima, and whether the scan ends before them."""
    name = analysis.composition_name
    if not len(analysis.optimum):
        return Text("Optimum loading: none, see the remarks below")
    made = table(
        "Optimum loading with 95 % interval",
        "T, °C", f"{name}*", "interval", "sigma, S/cm", "<all maxima", "<not significantly below the best",
    )  # fmt: skip
    edges, unsure = [], []
    for row in _records(analysis.optimum):
        celsius = f"{row['T (K)'] - CELSIUS_ZERO:.0f}"
        made.add_row(
            celsius,
            f"{row[f'{name}*']:.3f}",
            _range(row[f"{name}* lo"], row[f"{name}* hi"], lambda v: f"{v:.3f}"),
            _power(row["sigma (S/cm)"]),
            str(row["maxima"]),
            str(row["not below best"]),
        )
        if row["edge"]:
            edges.append(f"{celsius} °C ({row['edge']} {row[f'{name}*']:.3g})")
        elif row["near edge"]:
            unsure.append(f"{celsius} °C ({100 * row['edge share']:.0f} % of the bootstrap samples)")
    lines = [f"At the edge of the scan, a bound and not an optimum: {', '.join(edges)}."] if edges else []
    if unsure:
        lines.append(f"Possibly at the edge of the scan: {', '.join(unsure)}.")
    made.caption = " ".join(lines) or "No optimum lies at the edge of the scan."
    made.caption_justify = "left"
    return made


def comparison_part(material: str, analysis: Analysis) -> Iterator[RenderableType]:
    """Measured conductivities and activation energies beside computed ones; nothing is fitted to them."""
    found = _records(comparison(material, analysis.conductivity))
    if not found:
        yield Text(f"Comparison: {paper(material)} gives no conductivity of this material")
        return
    made = table(
        "Measured beside computed (not calibrated)",
        "<sample", "x", "T, °C", "measured, S/cm", "computed, S/cm", "computed/measured",
    )  # fmt: skip
    for row in found:
        made.add_row(
            row["sample"], _plain(row["x"], 3), f"{row['T (K)'] - CELSIUS_ZERO:.0f}", _power(row["measured (S/cm)"]),
            _power(row["computed (S/cm)"]), _plain(row["computed/measured"]),
        )  # fmt: skip
    made.caption = f"{paper(material)}; computed values interpolated between the loadings and temperatures of the scan"
    made.caption_justify = "left"
    yield made
    energies = table(
        "Activation energy from ln sigma, as the paper defines it",
        "<sample", "x", "<range, °C", "measured, eV", "computed, eV", "interval", "at x",
    )  # fmt: skip
    computed = _records(analysis.activation) if analysis.composition_name == "x" else []
    for point in measured_activation(material):
        x = point.exchange
        nearest = min(computed, key=lambda row: abs(row["x"] - x)) if computed and x is not None else None
        energies.add_row(
            point.sample, "" if x is None else f"{x:.3f}",
            f"{point.lowest - CELSIUS_ZERO:.0f} to {point.highest - CELSIUS_ZERO:.0f}", f"{point.E_a:.2f}",
            *(
                ("", "", "")
                if nearest is None
                else (
                    _milli(nearest["E_a(ln sigma) (eV)"]),
                    _range(nearest["E_a(ln sigma) lo (eV)"], nearest["E_a(ln sigma) hi (eV)"], _milli),
                    f"{nearest['x']:.3f}",
                )
            ),
        )  # fmt: skip
    energies.caption = "computed: one line through all temperatures of the scan"
    energies.caption_justify = "left"
    yield energies
    yield Text(
        f"measured on {specimen(material)}; the model has no soaked-in salt or solvent, "
        "so a ratio near 1 is no validation"
    )


def statement_part(statements: Sequence[str]) -> RenderableType:
    """List what the tables leave out and why; what is said of many points becomes one line with their number."""
    if not statements:
        return Text("")
    subjects = [statement.split(": ")[1] if statement.count(": ") > 1 else statement for statement in statements]
    points = Counter(subjects)
    lines = [
        statement
        if points[subject] <= FEW_POINTS
        else f"{subject} at {points[subject]} points; remarks.txt has them with their reasons"
        for subject, statement in zip(subjects, statements, strict=True)
    ]
    shown = list(dict.fromkeys(lines))
    if len(shown) > MOST_STATEMENTS:
        shown[MOST_STATEMENTS:] = [f"{len(shown) - MOST_STATEMENTS} more in remarks.txt"]
    return listing("Remarks", shown)


def assumptions(model: Model, records: Sequence[TaskRecord]) -> list[str]:
    """One line for every choice behind the numbers: structure, charges, screening, ions, rates, scope."""
    deck = model.deck
    lines = list(model.network.provenance)
    charges = ", ".join(f"{name} {value:+g}" for name, value in deck.structure.charges.items()) or "those of the CIF"
    lines.append(f"charges, e: {charges}; net charge {deck.structure.net_charge:+g} per formula unit")
    lines.append(
        f"eps_r = {deck.landscape.permittivity:g} screens all Coulomb energies, of the framework and between ions alike"
    )
    lines.append(", ".join(f"{name} is {deck.treatment(name)}" for name in deck.composition.species))
    lines.append(supercell_line(model))
    if isinstance(deck.composition, Salt):
        lines.append(molarity_line(model.network))
    lines.append(f"attempt frequency {deck.kmc.attempt_frequency_Hz:g} /s for every hop; sigma is proportional to it")
    events = np.sum([record.hop_orbit_events for record in records], axis=0, dtype=np.int64).reshape(-1)
    coarse = coarse_hop_line(model.network, deck.scan.temperatures[-1], events)
    lines += [line for line in (separation_line(model), coarse) if line]
    lines.append("ion transport inside one perfect crystal: no grain boundaries, no interfaces, no motion of solvent")
    return list(dict.fromkeys(lines))


def supercell_line(model: Model) -> str:
    """Say how large the simulated crystal is; periodic images of few ions in a narrow one falsify all results."""
    repeats, network = model.deck.lattice.repeats, model.network
    cell = network.cell * np.array(repeats)[:, None]
    width = 1 / np.linalg.norm(np.linalg.inv(cell), axis=0).max()
    ions = sorted(sum(loading.counts.values()) for loading in model.loadings)
    numbers = f"{ions[0]} to {ions[-1]}" if ions[0] < ions[-1] else f"{ions[0]}"
    return (
        f"supercell of {' x '.join(map(str, repeats))} cells, {width:.0f} Å across at its narrowest, {numbers} ions; "
        "what a larger one would change is not assessed: repeat one loading with more cells"
    )


def separation_line(model: Model) -> str:
    """Say how far local hops were slowed down, and what that does to one ion alone on the network, exactly."""
    separation, network = model.deck.kmc.separation_kT, model.network
    if separation is None:
        return ""
    loss = 0.0
    for T in model.deck.scan.temperatures:
        slowed = separate(network, separation * BOLTZMANN * T)
        for n in range(len(network.species)):
            D = [np.trace(single_particle_diffusivity(pores, n, T)) for pores in (slowed, network)]
            loss = max(loss, abs(D[0] / D[1] - 1))
    return (
        f"local hops are slowed down to {separation:g} kT below the crossing of the crystal; equilibrium stays exact; "
        f"the diffusivity of one ion alone changes by {100 * loss:.1f} % at most; with many ions the change is larger "
        "and not bounded: repeat one loading without separation_kT to see it"
    )


def footnotes(model: Model) -> list[str]:
    """Return the assumptions that belong under every picture, short."""
    deck = model.deck
    structure = f"{model.network.name}, charges and eps_r = {deck.landscape.permittivity:g} assumed"
    return [
        f"kinetic Monte Carlo, {structure}, attempt frequency {deck.kmc.attempt_frequency_Hz:g} /s; not calibrated",
    ]


def heading(name: str) -> str:
    """Column heading of the loading."""
    return "mol/L" if name == "M" else name


def _records(frame: pd.DataFrame) -> list[Row]:
    return [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]


def _marked(text: str, converged: bool) -> str:
    return text if converged or not text else f"{text}~"


def _power(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.2e}"


def _plain(value: float, digits: int = 2) -> str:
    return "" if math.isnan(value) else f"{value:.{digits}f}" if abs(value) < 100 else f"{value:.1e}"


def _milli(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.3f}"


def _range(low: float, high: float, shape: Any) -> str:
    return "" if math.isnan(low) or math.isnan(high) else f"{shape(low)} - {shape(high)}"
