"""What `mofkmc compare` does: measured values beside computed ones."""

from __future__ import annotations

from pathlib import Path

from analysis.campaign import open_run
from analysis.csv_tables import write_csv
from analysis.experiments import comparison, materials, measured
from analysis.results import analysis_of
from runs.calibrated import calibrated_of, with_standing
from runs.faults import writing
from runs.opened_run import open_results
from runs.result_tables import comparison_part
from runs.source_tables import measured_part, source_part
from runs.text_tables import output_console
from structures.errors import InputError


def compare_job(path: Path, *, experiment: str = "", csv: Path | None = None) -> None:
    """Print measured conductivities, activation energies and transference numbers beside computed ones.

    Parameters
    ----------
    path : Path
        Folder of the run.
    experiment : str
        A material with measured values, or a TOML file of them; that of the deck by default.
    csv : Path, optional
        File for the conductivities.

    Raises
    ------
    InputError
        If there is nothing to compare with, or nothing finished.
    """
    if experiment:
        measured(experiment)
        run = open_run(path)
        calibrated = calibrated_of(run.deck)
    else:
        opened = open_results(path)
        run, experiment, calibrated = opened.run, opened.material, opened.assumed.calibrated
        if not experiment:
            known = ", ".join(materials())
            raise InputError(f"--experiment: expected one of {known}, or a TOML file; the deck of {path} names none")
    analysis = analysis_of(run)
    table = with_standing(comparison(experiment, analysis.conductivity), calibrated)
    if csv is not None:
        with writing(csv):
            write_csv(csv, table)
    console = output_console()
    if table.empty:
        console.print(measured_part(experiment))
    for piece in (*comparison_part(experiment, analysis, run, calibrated=calibrated), *source_part(experiment)):
        console.print(piece)
    if csv is not None:
        console.print(f"\nWritten: {csv}", markup=False)
