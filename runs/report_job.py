"""What `mofkmc report` does: one HTML page of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runs.assumptions import variations
from runs.calibrated import calibration_statement, fitted_measurements
from runs.faults import writing
from runs.opened_run import OpenedRun, open_results
from structures.errors import InputError
from structures.units import CELSIUS_ZERO

if TYPE_CHECKING:
    from analysis.report import ReportContext


def report_job(
    path: Path, *, output: Path | None = None, experiment: str = "", cell: Mapping[str, float] | None = None
) -> None:
    """Write the report of a run.

    Parameters
    ----------
    path : Path
        Folder of the run.
    output : Path, optional
        Of the page; report.html in the folder of the run by default.
    experiment : str
        Measured values to compare with, see `analysis.experiments.measured`; those of the deck by default.
    cell : Mapping of str to float, optional
        Fields of `analysis.impedance.Cell` that differ from those of the default cell.

    Raises
    ------
    InputError
        If the folder holds no finished task, or the page cannot be where it is asked for.
    """
    from analysis.experiments import measured
    from analysis.report import write_report
    from analysis.report_spectra import cell_of

    page = output or path / "report.html"
    if page.is_dir():
        raise InputError(f"{page}: expected the name of an HTML file, found a folder")
    if output is not None and not page.absolute().parent.is_dir():
        raise InputError(f"{page}: expected a file in a folder that exists, found no {page.parent}")
    if experiment:
        measured(experiment)
    opened = open_results(path)
    with writing(page):
        context = replace(context_of(opened, experiment), cell=replace(cell_of(opened.run, None), **(cell or {})))
        write_report(opened.run, page, context)
    click.echo(f"Written: {page} ({page.stat().st_size / 1e6:.1f} MB, needs no network)")


def context_of(opened: OpenedRun, experiment: str = "") -> ReportContext:
    """Everything about a run that its report needs besides the numbers."""
    from analysis.measured_energies import PAPER_WINDOWS_C
    from analysis.report import ReportContext

    groups = dict(opened.assumed.groups)
    if opened.assumed.log:
        groups["how the network was simplified"] = opened.assumed.log
    if opened.precision:
        groups["rounds"] = opened.precision
    return ReportContext(
        title=f"Ion transport in {opened.run.network.name}" if opened.run.network else "Ion transport",
        subtitle=_subtitle(opened),
        assumptions=groups,
        progress=opened.progress,
        material=experiment or opened.material,
        windows_C=opened.windows_C or PAPER_WINDOWS_C[:2],
        provenance=opened.provenance,
        calibration=calibration_statement(opened.assumed.calibrated),
        fitted=fitted_measurements(opened.assumed.calibrated),
    )


def _subtitle(opened: OpenedRun) -> str:
    """Say what was scanned."""
    records = opened.run.records
    first = records[0]
    ions = [name for name, charge in zip(first.species_names, first.species_charge, strict=True) if charge]
    loadings = len({record.composition for record in records})
    warm = sorted({record.temperature - CELSIUS_ZERO for record in records})
    span = f"{warm[0]:.0f} to {warm[-1]:.0f} °C" if len(warm) > 1 else f"{warm[0]:.0f} °C"
    several = f"{loadings} loadings" if loadings > 1 else "1 loading"
    named = " and ".join(part for part in (", ".join(ions[:-1]), *ions[-1:]) if part)
    said = "".join(f"; {text}" for text in (variations(opened.model.deck) if opened.model else ()))
    return (
        f"{named}, {several}, {span.replace('-', '−')}, {len(records)} independent tasks "
        f"of kinetic Monte Carlo{said}; {opened.folder.path.name}"
    )
