"""Sections of the report: tables and pictures of one subject each."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from analysis.arrhenius import MIN_FOR_BREAK, MIN_TEMPERATURES
from analysis.campaign import Analysis
from analysis.experiments import compared_transference, comparison, paper, specimen
from analysis.measured_energies import measured_energies
from analysis.ordered_fillings import OrderedFillings
from analysis.page_numbers import celsius, fixed, of_row, powered, seconds, superscripts
from analysis.page_parts import Markup, html_list, html_picture, html_table
from analysis.plot_style import figure_bytes, new_axes
from analysis.plots import arrhenius, loading
from analysis.report_summary import NAME, reference_temperature
from analysis.temperature_laws import Arrhenius
from analysis.transport_plots import compared, diffusion, haven
from structures.units import CELSIUS_ZERO

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FITTED_NEAR = 0.1  # °C, between a measurement and the name of it that something was fitted to
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
        [NAME.get(name, name), *(f"{celsius(T)} °C" for T in temperatures)],
        body,
        note="σ in S/cm, mean over orientations, with its 95 % interval. ~ not converged: the remarks above say why, "
        "and what to add. summary.csv holds the components along x, y and z and of each ion.",
    )
    return Section("Conductivity", "conductivity", table)


def temperature_section(analysis: Analysis, laws: Arrhenius) -> Section:
    """Arrhenius picture, activation energies, the law that describes each loading best, and windows of temperature."""
    name = analysis.composition_name
    if analysis.conductivity["T (K)"].nunique() < 2:
        return Section("Temperature", "temperature", "")
    drawn = picture(lambda ax: arrhenius(analysis, ax), "Arrhenius picture: σT against 1000/T for every loading")
    body = []
    for x, fit in zip(laws.composition, laws.fits, strict=True):
        if fit.activation is None or fit.preferred is None:
            body.append([f"{x:.3f}", "–", "–", str(len(fit.temperature)), "too few temperatures with an interval", "–"])
            continue
        E_a, plain, there = fit.activation.E_a, fit.activation.E_a_ln_sigma, fit.sigma_reference
        straight = "" if fit.activation.straight else ", not straight"
        body.append([
            f"{x:.3f}", fixed(E_a.value, E_a.lo, E_a.hi), fixed(plain.value, plain.lo, plain.hi),
            str(len(fit.temperature)), f"{fit.preferred.name}{straight}", powered(there.value, there.lo, there.hi),
        ])  # fmt: skip
    reference = celsius(laws.fits[0].reference)
    columns = [
        NAME.get(name, name), "E_a of ln(σT), eV", "E_a of ln σ, eV", "temperatures", "<best law",
        f"σ at {reference} °C by it, S/cm",
    ]  # fmt: skip
    note = (
        "Experiments quote the slope of ln σ, which is lower by about kT. Best law: the simplest one whose AICc is "
        "within 2 of the least, of one line, two lines with a break, and Vogel-Fulcher-Tammann. E_a and prefactor "
        "compensate each other: compare σ at one temperature, not prefactors."
    )
    made = drawn + html_table("", columns, body, note=note)
    return Section("Temperature", "temperature", made + _lacking(laws) + _windows(laws, name))


def _lacking(laws: Arrhenius) -> str:
    """Say what the temperatures are too few for."""
    most = max(len(fit.temperature) for fit in laws.fits)
    if most >= MIN_FOR_BREAK:
        return ""
    line = (
        f"No loading has more than {most} temperatures with an interval of σ: two lines with a break cannot be fitted, "
        f"which takes {MIN_FOR_BREAK}, so that nothing here speaks for or against a break."
    )
    return f'<p class="note">{line}</p>'


def _windows(laws: Arrhenius, name: str) -> str:
    """E_a in windows of temperature."""
    rows = _records(laws.windows_frame())
    if not rows:
        return ""
    spans = sorted({(row["T low (K)"], row["T high (K)"]) for row in rows})
    at = {(row[name], row["T low (K)"], row["T high (K)"]): row for row in rows}
    body = [
        [f"{x:.3f}", *(fixed(*of_row(at.get((x, *span), {}), "E_a(ln sigma)", "eV")) for span in spans)]
        for x in sorted({row[name] for row in rows})
    ]
    columns = [NAME.get(name, name), *(f"{celsius(low)} to {celsius(high)} °C, eV" for low, high in spans)]
    note = "E_a of ln σ in windows of temperature, as the experiments give them."
    two = {(row["T low (K)"], row["T high (K)"]) for row in rows if row["temperatures"] < MIN_TEMPERATURES}
    if two:
        which = " and ".join(f"{celsius(low)} to {celsius(high)} °C" for low, high in sorted(two))
        note += f" From two temperatures only in {which}: a line goes through any two points, so that none is tested."
    return html_table("", columns, body, note=note)


def loading_section(analysis: Analysis, order: OrderedFillings | None = None) -> Section:
    """Conductivity against the loading, the best one at every temperature, and where the ions order."""
    name, rows = analysis.composition_name, _records(analysis.optimum)
    if analysis.conductivity[name].nunique() < 2:
        return Section("Loading", "loading", "")
    drawn = picture(lambda ax: loading(analysis, ax), "Conductivity against the loading for every temperature")
    if not rows:
        return Section("Loading", "loading", drawn)
    body = [
        [
            celsius(row["T (K)"]),
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
        "The interval is a bootstrap over replicas that repeats the choice of the maximum. “At least” and “at most”: "
        "the scan ends there, so that the number is a bound and not an optimum."
    )
    made = drawn + html_table("", columns, body, note=note) + ("" if order is None else _ordered(order, name))
    return Section("Loading, and the best one", "loading", made)


def _ordered(order: OrderedFillings, name: str) -> str:
    """List the loadings with signs of order, or say that there is none."""
    where = f"{NAME.get(name, name)} = "
    lines = [f"{where}{filling.loading:.3g}: {'; '.join(filling.signs)}" for filling in order.fillings]
    lines += [line for line in order.statements if "without" in line]
    none = (
        f"No sign of order at any loading at {celsius(order.temperature)} °C: no deep minimum of σ, no orbit full "
        "while others are empty, no superlattice peak."
    )
    found = html_list(lines) if order.fillings else f'<p class="note">{none}</p>{html_list(lines) if lines else ""}'
    return f"<h3>Ordered fillings</h3>{found}"


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
        note=f"At {celsius(T)} °C. D*: tracer diffusivity. D_J: diffusivity of the charge, from σ by the "
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
            celsius(row["T (K)"]),
            str(row["replicas"]),
            f"{row['samples']:,}",
            seconds(row["time (s)"]),
            f"{row['events']:,}",
            f"{row['hops per ion']:,.0f}",
            f"{100 * row['back-hop share']:.0f} %",
            fixed(row["energy per ion (eV)"], digits=3),
            seconds(row["energy correlation time (s)"]),
            fixed(row["energy drift (standard errors)"], digits=1),
            powered(row["largest recount difference (eV)"]),
        ]
        for row in _records(table)
    ]
    columns = [
        NAME.get(name, name), "T, °C", "replicas", "samples", "time each", "hops", "hops per ion", "back-hops",
        "energy per ion, eV", "its correlation time", "second − first half, σ", "recount, eV",
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


def comparison_section(
    analysis: Analysis,
    material: str,
    laws: Arrhenius,
    transference: pd.DataFrame,
    *,
    fitted: Sequence[tuple[str, float]] = (),
) -> Section:
    """Measured values beside computed ones; those that something was fitted to are marked."""
    table = comparison(material, analysis.conductivity)
    if not len(table):
        return Section("Experiment", "experiment", f"<p>{superscripts(paper(material))} gives no conductivity.</p>")
    body = [
        [
            row["sample"] + (f" (x of {row['x of']} assumed)" if row["x of"] else ""), celsius(row["T (K)"]),
            powered(row["computed/measured"], row["ratio lo"], row["ratio hi"]), fixed(row["z"], digits=1),
            powered(row["measured (S/cm)"]), powered(row["computed (S/cm)"]), fixed(row["x"]),
            _standing(row, fitted),
        ]
        for row in _records(table)
    ]  # fmt: skip
    columns = ["<sample", "T, °C", "computed/measured", "z", "measured, S/cm", "computed, S/cm", "x", "<standing"]
    note = (
        f"{paper(material)}. Measured on {specimen(material) or 'what the paper says'}. Computed values are "
        "interpolated between the loadings and temperatures of the scan. z: logarithm of the ratio in standard errors "
        "of the simulation; it tells whether statistics alone could explain the difference. The model holds "
        f"{', '.join(analysis.ions)}, no other salt and no solvent: a ratio near 1 is no validation."
    )
    made = html_table("", columns, body, note=note)
    if table["computed/measured"].notna().any():
        made = picture(lambda ax: compared(table, ax), "Computed over measured conductivities", height=0.75) + made
    return Section(
        "Experiment", "experiment", made + _energies(laws, material) + transference_comparison(transference, material)
    )


def _standing(row: Mapping[str, Any], fitted: Sequence[tuple[str, float]]) -> str:
    """Whether a computed value was fitted to the measured one or is predicted."""
    same = (row["sample"] == name and abs(row["T (K)"] - CELSIUS_ZERO - T) < FITTED_NEAR for name, T in fitted)
    return "calibrated" if any(same) else "predicted"


def _energies(laws: Arrhenius, material: str) -> str:
    """Activation energies of the paper, from its printed conductivities, and computed between the same temperatures."""
    rows = _records(measured_energies(material, laws if laws.composition_name == "x" else None))
    if not rows:
        return ""
    body = [
        [
            row["sample"], row["window (C)"].replace("-", "−"), row["printed E_a (eV)"],
            fixed(row["E_a from printed sigma (eV)"]),
            fixed(row["computed E_a (eV)"], row["computed lo (eV)"], row["computed hi (eV)"]),
            f"{celsius(row['computed from (K)'])} to {celsius(row['computed to (K)'])}"
            if math.isfinite(row["computed from (K)"]) else "",
        ]
        for row in rows
    ]  # fmt: skip
    columns = ["<sample", "<window, °C", "E_a printed, eV", "from printed σ", "computed", "computed at, °C"]
    note = (
        "All from ln σ. Printed: as the paper states it, from all points of its curves. The other two: between the "
        "same two temperatures, those of the printed conductivities in the window; where there are no two of these, "
        "the computed one is of all temperatures of the run in the window."
    )
    return html_table("", columns, body, note=note)


def transference_comparison(table: pd.DataFrame, material: str) -> str:
    """Measured transference numbers of Li+ beside computed ones."""
    rows = _records(compared_transference(material, table))
    if not rows:
        return ""
    body = [
        [
            row["sample"], fixed(row["measured t"], digits=2),
            fixed(row["computed t"], row["computed t lo"], row["computed t hi"], digits=2), fixed(row["z"], digits=1),
            fixed(row["x"]), celsius(row["T (K)"]),
        ]
        for row in rows
    ]  # fmt: skip
    columns = ["<sample", "t of Li⁺ measured", "computed, steady state", "z", "at x", "T, °C"]
    return html_table("", columns, body)


def _sigma(row: dict[str, Any] | None) -> str:
    if row is None:
        return "no task"
    return powered(*of_row(row, "sigma", "S/cm"), converged=row["converged"])


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]
