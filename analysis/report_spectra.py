"""Section of the report about frequency: conductivity, and the impedance of a cell filled with the electrolyte."""

from __future__ import annotations

from dataclasses import replace

from analysis.campaign import Run
from analysis.impedance import Cell, impedance
from analysis.page_numbers import celsius, powered, superscripts
from analysis.page_parts import Markup, html_list
from analysis.report_sections import Section, picture
from analysis.report_summary import NAME, best_row, reference_temperature
from analysis.results import analysis_of
from structures.errors import InputError


def spectrum_section(run: Run, cell: Cell) -> Section:
    """Spectrum and impedance at the best loading and room temperature."""
    analysis = analysis_of(run)
    T, name = reference_temperature(analysis), analysis.composition_name
    best = best_row(analysis, T)
    if best is None:
        return Section("Spectrum", "spectrum", "")
    where = f"{NAME.get(name, name)} = {best[name]:.3g}, {celsius(T)} °C"
    try:
        spectrum = run.spectrum(float(best[name]), T)
    except InputError as error:
        return Section("Spectrum", "spectrum", f'<p class="note">{superscripts(str(error))}</p>')
    dc = powered(spectrum.dc.value, spectrum.dc.lo, spectrum.dc.hi, converged=spectrum.converged)
    pieces = [picture(spectrum.plot, f"Conductivity against frequency at {where}")]
    lines: list[str] = [
        Markup(
            f"Limit at zero frequency at {where}: {dc} S/cm, from the fit of the whole spectrum; it obeys the "
            "relations of Kramers and Kronig."
        )
    ]
    if spectrum.dc.value > 0:
        found = impedance(spectrum, cell)
        pieces.append(picture(found.plot, f"Nyquist plot of a cell at {where}"))
        pieces.append(picture(found.plot_bode, f"Bode plot of a cell at {where}"))
        lines.append(
            Markup(
                f"Cell: {cell.description}. R<sub>b</sub> read from the plot: {powered(found.R_bulk)} Ω, so "
                f"l/(R<sub>b</sub>S) = {powered(found.sigma)} S/cm. Grain boundaries and interfaces, which a measured "
                "cell has, are not in it."
            )
        )
        if found.apex_statement:
            lines.append(Markup(f"<b>{superscripts(found.apex_statement[:1].upper() + found.apex_statement[1:])}.</b>"))
        lines += [line for line in found.statements if line not in spectrum.statements]
    lines += list(spectrum.statements)
    return Section("Spectrum", "spectrum", "\n".join(pieces) + html_list(lines))


def cell_of(run: Run, given: Cell | None) -> Cell:
    """Return the cell that was asked for, or one of 300 µm and 1 cm² with the permittivity of the model."""
    if given is not None:
        return given
    plain = Cell(thickness_cm=0.03, area_cm2=1.0, eps_inf=10.0)
    eps_r = float(run.records[0].permittivity.trace()) / 3
    return replace(plain, eps_inf=max(eps_r, 1.0))
