"""The results as tables: conductivity, optimum loading, measured values beside computed ones, assumptions."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd
from rich.console import RenderableType
from rich.text import Text

from analysis.campaign import Analysis, Run
from analysis.experiments import compared_transference, comparison, paper, specimen
from runs.assumptions import Assumptions
from runs.calibrated import calibration_statement, with_standing
from runs.deck_calibrate import Calibrated
from runs.text_tables import TextTable, listing
from structures.units import CELSIUS_ZERO

MOST_STATEMENTS = 12
FEW_POINTS = 3
Row = Mapping[str, Any]


def result_report(
    analysis: Analysis,
    assumed: Assumptions,
    *,
    material: str = "",
    statements: Sequence[str] | None = None,
) -> Iterator[RenderableType]:
    """Yield all tables of a calculation, and under them what they rest on.

    Parameters
    ----------
    analysis : Analysis
    assumed : Assumptions
    material : str
        Whose measured values are put beside the computed ones; empty for none.
    statements : sequence of str, optional
        What the tables leave out and why; those of the analysis by default.
    """
    yield conductivity_table(analysis)
    if len(analysis.dilute):
        yield dilute_table(analysis)
    yield optimum_part(analysis)
    if material:
        yield from comparison_part(material, analysis, calibrated=assumed.calibrated)
    yield statement_part(analysis.statements if statements is None else statements)
    yield from assumed.report()


def conductivity_table(analysis: Analysis) -> TextTable:
    """Sigma, Haven ratio and activation energy of every loading and temperature."""
    name = analysis.composition_name
    made = TextTable(
        "Conductivity with 95 % intervals",
        (heading(name), "T, °C", "sigma, S/cm", "+interval", "H_R", "+interval", "E_a, eV", "+interval"),
        keys=2,
    )
    rows = records(analysis.conductivity)
    activation = {row[name]: row for row in records(analysis.activation)}
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
    return made


def dilute_table(analysis: Analysis) -> TextTable:
    """One ion alone on the network, exact, beside D* of the loading with the fewest ions of its kind."""
    name = analysis.composition_name
    made = TextTable(
        "Diffusivity, cm²/s: one ion alone on the network (exact) beside the simulation with the fewest of its kind",
        ("<species", "T, °C", "alone", "D*", "+interval", f"+{heading(name)}", "+ions"),
        keys=2,
    )
    rows = records(analysis.conductivity)
    names = list(dict.fromkeys(analysis.dilute["species"]))
    previous = None
    for exact in sorted(records(analysis.dilute), key=lambda row: names.index(row["species"])):
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
    return made


def optimum_part(analysis: Analysis) -> RenderableType:
    """Give the best loading at every temperature, all other maxima, and whether the scan ends before them."""
    name = analysis.composition_name
    if not len(analysis.optimum):
        return Text("Optimum loading: none, see the remarks below")
    made = TextTable(
        "Optimum loading with 95 % interval",
        ("T, °C", f"{name}*", "+interval", "sigma, S/cm", "~all maxima", "~not significantly below the best"),
    )
    edges, unsure = [], []
    for row in records(analysis.optimum):
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
    return made


def comparison_part(
    material: str, analysis: Analysis, run: Run | None = None, *, calibrated: Calibrated | None = None
) -> Iterator[RenderableType]:
    """Measured conductivities and activation energies beside computed ones, each marked if it was fitted to.

    With the run itself also transference numbers, which take its files.
    """
    found = records(with_standing(comparison(material, analysis.conductivity), calibrated))
    if not found:
        yield Text(f"Comparison: {paper(material)} gives no conductivity of this material")
        return
    made = TextTable(
        f"Measured beside computed ({'not calibrated' if calibrated is None else 'calibrated where marked'})",
        ("<sample", "x", "T, °C", "measured, S/cm", "computed, S/cm", "ratio", "+interval", "+z", "<+standing"),
        keys=3,
    )
    for row in found:
        made.add_row(
            row["sample"] + "*" * bool(row["x of"]), _plain(row["x"], 3), f"{row['T (K)'] - CELSIUS_ZERO:.0f}",
            _power(row["measured (S/cm)"]), _power(row["computed (S/cm)"]), _two(row["computed/measured"]),
            _range(row["ratio lo"], row["ratio hi"], _two), _plain(row["z"], 1), row["standing"],
        )  # fmt: skip
    made.caption = (
        f"{paper(material)}; computed values interpolated between the loadings and temperatures of the scan. "
        "ratio: computed/measured; z: its logarithm in standard errors of the simulation"
    )
    for of in sorted({row["x of"] for row in found} - {""}):
        made.caption += f"; * x of {of} assumed"
    if calibrated is not None:
        made.caption += f". {calibration_statement(calibrated)}"
    yield made
    yield from _energies(material, analysis)
    if run is not None:
        yield from _transference(material, run)
    yield Text(
        f"measured on {specimen(material)}; the model holds {', '.join(analysis.ions)}, no other salt and no "
        "solvent, so a ratio near 1 is no validation"
    )


def _energies(material: str, analysis: Analysis) -> Iterator[RenderableType]:
    """Activation energies between the same two temperatures, as the printed conductivities give them."""
    from analysis.measured_energies import PAPER_WINDOWS_C, measured_energies
    from analysis.temperature_laws import arrhenius

    known = analysis.composition_name == "x" and analysis.points
    laws = arrhenius(analysis.points, "x", windows_C=PAPER_WINDOWS_C) if known else None
    rows = records(measured_energies(material, laws))
    if not rows:
        return
    made = TextTable(
        "Activation energy of ln sigma, eV, between two printed conductivities",
        ("<sample", "<window, °C", "printed", "from printed sigma", "computed", "+interval", "+at, °C"),
        keys=2,
    )
    for row in rows:
        made.add_row(
            row["sample"], row["window (C)"], row["printed E_a (eV)"], _milli(row["E_a from printed sigma (eV)"]),
            _milli(row["computed E_a (eV)"]),
            _range(row["computed lo (eV)"], row["computed hi (eV)"], _milli),
            _span(row["computed from (K)"], row["computed to (K)"]),
        )  # fmt: skip
    made.caption = (
        "printed: as the paper states it, from all points of its curves; computed: between the temperatures of the "
        "printed conductivities, at the same x; where there are no two of them, of all temperatures in the window"
    )
    yield made


def _transference(material: str, run: Run) -> Iterator[RenderableType]:
    """Transference numbers of Li+."""
    rows = records(compared_transference(material, run.transference().to_frame()))
    if not rows:
        return
    made = TextTable(
        "Transference number of Li+, steady state (Bruce, Vincent, Evans)",
        ("<sample", "measured", "computed", "+interval", "+z", "at x", "+T, °C"),
    )
    for row in rows:
        made.add_row(
            row["sample"], _plain(row["measured t"]), _plain(row["computed t"]),
            _range(row["computed t lo"], row["computed t hi"], _plain), _plain(row["z"], 1), f"{row['x']:.3f}",
            f"{row['T (K)'] - CELSIUS_ZERO:.0f}",
        )  # fmt: skip
    yield made


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


def heading(name: str) -> str:
    """Column heading of the loading."""
    return "mol/L" if name == "M" else name


def records(frame: pd.DataFrame) -> list[Row]:
    """Rows of a table by the names of its columns."""
    return [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]


def _marked(text: str, converged: bool) -> str:
    return text if converged or not text else f"{text}~"


def _power(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.2e}"


def _plain(value: float, digits: int = 2) -> str:
    return "" if math.isnan(value) else f"{value:.{digits}f}" if abs(value) < 100 else f"{value:.1e}"


def _two(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.2g}"


def _milli(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.3f}"


def _span(low: float, high: float) -> str:
    """Temperatures in K as °C."""
    return "" if math.isnan(low) else f"{low - CELSIUS_ZERO:.0f} to {high - CELSIUS_ZERO:.0f}"


def _range(low: float, high: float, shape: Any) -> str:
    return "" if math.isnan(low) or math.isnan(high) else f"{shape(low)} - {shape(high)}"
