"""The report of a run: one HTML page that holds everything and fetches nothing.

Each section shows numbers with their intervals, and says why a number is there or is not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

import pandas as pd

from analysis.campaign import Analysis, Run
from analysis.impedance import Cell
from analysis.network_orbits import display_temperature, hop_orbits, site_orbits
from analysis.network_page import network_summary, network_view
from analysis.network_page_tables import tables
from analysis.ordered_fillings import OrderedFillings
from analysis.page_parts import Markup, filled, html_list, part
from analysis.percolating_path import percolating_paths
from analysis.report_ions import happened_section, transference_section
from analysis.report_sections import (
    Section,
    comparison_section,
    conductivity_section,
    loading_section,
    picture,
    statistics_section,
    temperature_section,
    transport_section,
)
from analysis.report_spectra import cell_of, spectrum_section
from analysis.report_summary import reference_temperature, summary_cards
from analysis.results import analysis_of
from analysis.run_statistics import run_statistics, statistics_statements
from lattice.network import PoreNetwork
from structures.files import whole_file


@dataclass(frozen=True, eq=False, slots=True)
class ReportContext:
    """What a report needs besides the files of the run.

    Attributes
    ----------
    title : str
        What was calculated.
    subtitle : str
    assumptions : Mapping of str to sequence of str
        Lines by group.
    progress : str
        What of the run is missing; empty if it is complete.
    material : str
        Whose measured values are compared, see `analysis.experiments.measured`; empty for none.
    windows_C : sequence of (float, float), °C
        In which E_a is fitted on its own.
    cell : Cell, optional
        Between two electrodes, for the impedance; 300 µm and 1 cm² by default.
    provenance : sequence of str
        Versions, seed, checksums: from what the numbers can be computed again.
    calibration : str
        What is fitted to measurements, in a few words.
    fitted : sequence of (str, float)
        Sample and temperature, °C, of every measurement that something is fitted to.
    """

    title: str
    subtitle: str = ""
    assumptions: Mapping[str, Sequence[str]] = field(default_factory=dict)
    progress: str = ""
    material: str = ""
    windows_C: Sequence[tuple[float, float]] = ((-40.0, 10.0), (10.0, 100.0))  # noqa: N815
    cell: Cell | None = None
    provenance: Sequence[str] = ()
    calibration: str = "nothing is calibrated to a measurement"
    fitted: Sequence[tuple[str, float]] = ()


def write_report(run: Run, path: str | Path, context: ReportContext) -> None:
    """Write the report of a run, as a whole or not at all."""
    page = report_page(run, context)
    with whole_file(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def report_page(run: Run, context: ReportContext) -> str:
    """HTML of the report: everything it needs is inside."""
    analysis = analysis_of(run)
    statistics = run_statistics(run.records)
    said = (*analysis.statements, *statistics_statements(statistics))
    sections, script = _sections(run, analysis, statistics, context)
    return filled(
        "report.html",
        {
            "title": escape(context.title),
            "heading": escape(context.title),
            "subtitle": escape(context.subtitle),
            "style": part("network.css") + "\n" + part("report.css"),
            "cards": summary_cards(analysis, context.material),
            "caution": _caution(analysis, said, context),
            "contents": "\n".join(f'<a href="#{s.anchor}">{escape(s.short)}</a>' for s in sections),
            "sections": "\n".join(
                f'<section class="part" id="{s.anchor}">\n<h2>{escape(s.title)}</h2>\n{s.html}\n</section>'
                for s in sections
            ),
            "script": script,
        },
    )


def _sections(
    run: Run, analysis: Analysis, statistics: pd.DataFrame, context: ReportContext
) -> tuple[list[Section], str]:
    """All sections that the run has something for, and the script of the network's view."""
    laws = run.arrhenius(windows_C=context.windows_C)
    found = [
        conductivity_section(analysis),
        temperature_section(analysis, laws),
        loading_section(analysis, _order(run)),
        transport_section(analysis),
        transference_section(run),
    ]
    script = ""
    if run.network is not None:
        view, script = network_view(run.network, display_temperature(run.network))
        T = display_temperature(run.network)
        detail = "\n".join(tables(run.network, site_orbits(run.network), hop_orbits(run.network, T), T))
        lead = f'<p class="note">{escape(network_summary(run.network))}</p>'
        folded = f"<details><summary>Sites, hops and percolation as tables</summary>\n{detail}\n</details>"
        found.append(Section("Pore network", "network", f"{lead}\n{view}\n{_paths(run.network)}\n{folded}"))
    found.append(spectrum_section(run, cell_of(run, context.cell)))
    found.append(happened_section(run))
    found.append(statistics_section(statistics))
    if context.material:
        t = run.transference().to_frame()
        found.append(comparison_section(analysis, context.material, laws, t, fitted=context.fitted))
    found.append(_assumptions(run, context))
    return [section for section in found if section.html], script


def _order(run: Run) -> OrderedFillings | None:
    """Signs of order at the reference temperature; None where the loadings allow no optimum."""
    try:
        return run.ordered_fillings(reference_temperature(analysis_of(run)))
    except ValueError:
        return None


def _paths(network: PoreNetwork) -> str:
    """Energy along the easiest path of every ion that crosses the crystal in a further direction."""
    drawn = []
    for index, ion in enumerate(network.species):
        title = f"Easiest path of {ion.name} through the crystal"
        drawn += [picture(path.plot, title, height=0.8) for path in percolating_paths(network, index)[:1]]
    return "\n".join(drawn)


def _caution(analysis: Analysis, said: Sequence[str], context: ReportContext) -> str:
    """Say what to read before the numbers: what is missing, what is not converged, and where the reasons stand."""
    lines: list[str] = [context.progress] if context.progress else []
    table = analysis.conductivity
    loose = int((~table["converged"]).sum())
    if loose:
        lines.append(f"{loose} of {len(table)} conductivities are not converged; they are marked ~ and hollow.")
    lines.append(f"All intervals are 95 % and hold statistical error only; {context.calibration}.")
    if said:
        count = f"{len(said)} remarks" if len(said) > 1 else "1 remark"
        folded = f"<details><summary>{count}: what is not converged or left out, and why</summary>{html_list(said)}"
        return html_list(lines) + f"{folded}</details>"
    return html_list(lines)


def _assumptions(run: Run, context: ReportContext) -> Section:
    """Choices by group, the deck, and what is needed to compute the same again."""
    pieces = [
        f"<h3>{escape(group[:1].upper() + group[1:])}</h3>\n{html_list(lines)}"
        for group, lines in context.assumptions.items()
        if lines
    ]
    if run.network is not None and not pieces:
        pieces.append(html_list(run.network.provenance))
    if context.provenance:
        pieces.append(f"<h3>To compute the same again</h3>\n{html_list(context.provenance)}")
    if run.deck:
        pieces.append(f"<details><summary>The deck</summary><pre>{escape(run.deck)}</pre></details>")
    return Section("Assumptions", "assumptions", Markup("\n".join(pieces)))
