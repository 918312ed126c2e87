"""Sections of the report: tables and pictures of one subject each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from analysis.campaign import Analysis
from analysis.experiments import comparison, measured_activation, paper, specimen
from analysis.page_numbers import fixed, of_row, powered, superscripts
from analysis.page_parts import Markup, html_picture, html_table
from analysis.plot_style import figure_bytes, new_axes
from analysis.plots import arrhenius, loading
from analysis.report_summary import NAME, reference_temperature
from analysis.transport_plots import compared, diffusion, haven
from structures.units import CELSIUS_ZERO

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDE, NARROW = (7.2, 4.4), (3.7, 3.6)  # inches


@dataclass(frozen=True, slots=True)
class Section:
    """Title, anchor, and content of a section; left out of the page without content."""

    title: str
    anchor: str
    html: str

    @property
    def short(self) -> str:
        """Title for the line of contents."""
        return self.title.partition(",")[0]


def picture(draw: Callable[[Axes], Axes], description: str, *, height: float = 1.0) -> str:
    """HTML of a picture, drawn for wide and for narrow screens."""
    drawn = [figure_bytes(draw(new_axes((w, h * height))).figure, "svg") for w, h in (WIDE, NARROW)]
    return html_picture(drawn[0], drawn[1], description)


def conductivity_section(analysis: Analysis) -> Section:
    """Sigma by loading and temperature."""
    name, rows = analysis.composition_name, _records(analysis.conductivity)
    temperatures = sorted({row["T (K)"] for row in rows})
    at = {(row[name], row["T (K)"]): row for row in rows}
    body = [[f"{x:.3f}", *(_sigma(at.get((x, T))) for T in temperatures)] for x in sorted({row[name] for row in rows})]
    table = html_table(
        "",
        [NAME.get(name, name), *(f"{T - CELSIUS_ZERO:.0f} °C" for T in temperatures)],
        body,
        note="σ in S/cm, mean over orientations, with its 95 % interval. ~ not converged: the remarks above say why, "
        "and what to add. summary.csv holds the components along x, y and z and of each ion.",
    )
    return Section("Conductivity", "conductivity", table)


def temperature_section(analysis: Analysis) -> Section:
    """Arrhenius picture and activation energies."""
    rows, name = _records(analysis.activation), analysis.composition_name
    if analysis.conductivity["T (K)"].nunique() < 2:
        return Section("Temperature", "temperature", "")
    drawn = picture(lambda ax: arrhenius(analysis, ax), "Arrhenius picture: σT against 1000/T for every loading")
    if not rows:
        return Section("Temperature", "temperature", drawn)
    body = [
        [
            f"{row[name]:.3f}",
            fixed(*of_row(row, "E_a", "eV")),
            fixed(*of_row(row, "E_a(ln sigma)", "eV")),
            str(row["temperatures"]),
            "yes" if row["straight"] else "no",
        ]
        for row in rows
    ]
    columns = [NAME.get(name, name), "E_a of ln(σT), eV", "E_a of ln σ, eV", "temperatures", "<straight in 1/T"]
    note = (
        "Experiments quote the slope of ln σ, which is lower by about kT. Where the points are not straight in 1/T the "
        "interval is widened by their scatter about the line."
    )
    return Section("Temperature", "temperature", drawn + html_table("", columns, body, note=note))


def loading_section(analysis: Analysis) -> Section:
    """Conductivity against the loading, and the best one at every temperature."""
    name, rows = analysis.composition_name, _records(analysis.optimum)
    if analysis.conductivity[name].nunique() < 2:
        return Section("Loading", "loading", "")
    drawn = picture(lambda ax: loading(analysis, ax), "Conductivity against the loading for every temperature")
    if not rows:
        return Section("Loading", "loading", drawn)
    body = [
        [
            f"{row['T (K)'] - CELSIUS_ZERO:.0f}",
            Markup(f"{row['edge']} {fixed(*of_row(row, f'{name}*'))}".strip()),
            powered(row["sigma (S/cm)"]),
            f"{100 * row['edge share']:.0f} %",
            row["maxima"],
            row["minima"] or "none",
            row["not below best"],
        ]
        for row in rows
    ]
    columns = [
        "T, °C", f"{name}*", "σ there, S/cm", "samples at the edge", "<all maxima", "<significant minima between",
        "<not significantly below the best",
    ]  # fmt: skip
    note = (
        "The interval is a bootstrap over replicas that repeats the choice of the maximum. “At least” and “at most”: the "
        "scan ends there, so that the number is a bound and not an optimum."
    )
    return Section("Loading, and the best one", "loading", drawn + html_table("", columns, body, note=note))


def transport_section(analysis: Analysis) -> Section:
    """Diffusivities and Haven ratios."""
    T, name = reference_temperature(analysis), analysis.composition_name
    rows = [row for row in _records(analysis.conductivity) if row["T (K)"] == T]
    ions = [key[2:-1] for key in rows[0] if key.startswith("n(")]
    body = [
        [
            f"{row[name]:.3f}",
            *(
                powered(*of_row(row, f"D*({ion})", "cm2/s"), converged=row[f"D*({ion}) converged"])
                if row[f"n({ion})"]
                else "no ion"
                for ion in ions
            ),
            powered(*of_row(row, "D_J", "cm2/s"), converged=row["converged"]),
            fixed(*of_row(row, "H_R"), digits=2, converged=row["H_R converged"]),
        ]
        for row in rows
    ]
    table = html_table(
        "",
        [NAME.get(name, name), *(Markup(f"D* of {superscripts(ion)}, cm²/s") for ion in ions), "D_J, cm²/s", "H_R"],
        body,
        note=f"At {T - CELSIUS_ZERO:.0f} °C. D*: tracer diffusivity. D_J: diffusivity of the charge, from σ by the "
        "Einstein relation. H_R: D*/D_J; for several ions σ from Nernst-Einstein over σ.",
    )
    drawn = ""
    if analysis.conductivity[name].nunique() > 1:
        drawn = picture(lambda ax: diffusion(analysis, T, ax), "Diffusivities against the loading")
        drawn += picture(lambda ax: haven(analysis, ax), "Haven ratio against the loading")
    return Section("Diffusion and Haven ratio", "transport", drawn + table)


def statistics_section(table: pd.DataFrame) -> Section:
    """Events, samples, correlation times and checks of drift."""
    name = str(table.columns[0])
    body = [
        [
            f"{row[name]:.3f}",
            f"{row['T (K)'] - CELSIUS_ZERO:.0f}",
            str(row["replicas"]),
            f"{row['samples']:,}",
            powered(row["time (s)"]),
            f"{row['events']:,}",
            f"{row['hops per ion']:,.0f}",
            f"{100 * row['back-hop share']:.0f} %",
            fixed(row["energy per ion (eV)"], digits=3),
            powered(row["energy correlation time (s)"]),
            fixed(row["energy drift (standard errors)"], digits=1),
            powered(row["largest recount difference (eV)"]),
        ]
        for row in _records(table)
    ]
    columns = [
        NAME.get(name, name), "T, °C", "replicas", "samples", "time each, s", "hops", "hops per ion", "back-hops",
        "energy per ion, eV", "its correlation time, s", "second − first half, σ", "recount, eV",
    ]  # fmt: skip
    made = html_table(
        "",
        columns,
        body,
        note="Back-hops undo the last hop of the same ion: flicker that moves nothing. Second − first half: change of "
        "the mean energy between the halves of the runs, in standard errors; beyond ±4 the runs had not come to "
        "equilibrium. Recount: largest difference between a site energy kept up to date hop by hop and its sum from "
        "scratch.",
    )
    total = int(table["events"].sum())
    lead = f"{total:,} hops in {int(table['replicas'].sum())} tasks."
    folded = f"<details><summary>{lead} Loading by loading</summary>{made}</details>"
    return Section("Statistics", "statistics", folded if len(table) > 12 else f"<p>{lead}</p>{made}")


def comparison_section(analysis: Analysis, material: str) -> Section:
    """Measured values beside computed ones."""
    table = comparison(material, analysis.conductivity)
    if not len(table):
        return Section("Experiment", "experiment", f"<p>{superscripts(paper(material))} gives no conductivity.</p>")
    body = [
        [
            row["sample"], fixed(row["x"]), f"{row['T (K)'] - CELSIUS_ZERO:.0f}", powered(row["measured (S/cm)"]),
            powered(row["computed (S/cm)"]),
            powered(row["computed/measured"], row["ratio lo"], row["ratio hi"]),
            fixed(row["z"], digits=1),
        ]
        for row in _records(table)
    ]  # fmt: skip
    columns = ["<sample", "x", "T, °C", "measured, S/cm", "computed, S/cm", "computed/measured", "z"]
    note = (
        f"{paper(material)}. Measured on {specimen(material) or 'what the paper says'}. Computed values are interpolated "
        "between the loadings and temperatures of the scan. z: logarithm of the ratio in standard errors of the "
        "simulation; it tells whether statistics alone could explain the difference. The model holds no salt that was "
        "soaked in and no solvent: a ratio near 1 is no validation."
    )
    made = html_table("", columns, body, note=note)
    if table["computed/measured"].notna().any():
        made = picture(lambda ax: compared(table, ax), "Computed over measured conductivities", height=0.75) + made
    return Section("Experiment", "experiment", made + _energies(analysis, material))


def _energies(analysis: Analysis, material: str) -> str:
    """Activation energies of the paper beside those of the nearest loading."""
    computed = _records(analysis.activation) if analysis.composition_name == "x" else []
    points = [point for point in measured_activation(material) if point.exchange is not None]
    if not computed or not points:
        return ""
    body = []
    for point in points:
        x = point.exchange or 0.0
        row = min(computed, key=lambda found: abs(found["x"] - x))
        window = f"{point.lowest - CELSIUS_ZERO:.0f} to {point.highest - CELSIUS_ZERO:.0f} °C"
        number = fixed(*of_row(row, "E_a(ln sigma)", "eV"))
        body.append([point.sample, window, f"{point.E_a:.2f}", number, f"{row['x']:.3f}"])
    columns = ["<sample", "<window", "measured E_a, eV", "computed E_a, eV", "at x"]
    return html_table(
        "", columns, body, note="Both from ln σ; computed: one line through all temperatures of the scan."
    )


def _sigma(row: dict[str, Any] | None) -> str:
    if row is None:
        return "no task"
    return powered(*of_row(row, "sigma", "S/cm"), converged=row["converged"])


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]
