"""What `mofkmc analyse` does: everything again from the files of a run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.csv_tables import write_csv
from analysis.results import analysis_of
from analysis.run_statistics import run_statistics, statistics_statements
from runs.assumptions import footnotes
from runs.faults import writing
from runs.flicker_table import flicker_part
from runs.folder import ResultsFolder
from runs.opened_run import OpenedRun, open_results
from runs.result_tables import result_report
from runs.text_tables import output_console
from runs.window_tables import windows_part
from structures.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from analysis.campaign import Run


def analyse_job(path: Path, *, output: Path | None = None, plots: bool = True) -> None:
    """Print the tables of a run, and write them, the remarks and the pictures.

    Parameters
    ----------
    path : Path
        Folder of the run.
    output : Path, optional
        Where to write; the folder of the run by default.
    plots : bool

    Raises
    ------
    InputError
        If the folder holds no finished task, or files of several runs, or nothing can be written.
    """
    opened, console = open_results(path), output_console()
    target = writable_folder(output or path)
    analysis = analysis_of(opened.run)
    statistics = run_statistics(opened.run.records)
    said = (*analysis.statements, *statistics_statements(statistics))
    if opened.progress:
        output_console(stderr=True).print(f"mofkmc: {opened.progress}", markup=False, soft_wrap=True)
    written = ["summary.csv", "activation.csv", "optimum.csv", "remarks.txt"]
    with writing(target):
        analysis.write_tables(target)
        for name, table in (("statistics.csv", statistics), *_further(opened.run)):
            written.append(name)
            write_csv(target / name, table)
    ResultsFolder(target).write_remarks((*said, *opened.precision, *opened.assumed.lines))
    for piece in result_report(analysis, opened.assumed, material=opened.material, statements=said):
        console.print(piece)
    for part in (*windows_part(analysis, opened.windows_C), *flicker_part(opened.run)):
        console.print(part)
    if plots:
        written += _pictures(opened, target)
    console.print(f"\nWritten to {target}: {', '.join(written)}", markup=False)


def _further(run: Run) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield name and table of what the files tell besides conductivities."""
    yield "transference.csv", run.transference().to_frame()
    yield "laws.csv", run.arrhenius().laws_frame()
    if run.network is None:
        return
    yield "hops.csv", run.hop_counts().to_frame()
    with suppress(InputError):  # files of older versions do not tell
        yield "occupation.csv", run.occupation().to_frame()
        yield "residence.csv", run.residence().to_frame()


def writable_folder(path: Path) -> Path:
    """Make a folder for results unless it is there.

    Raises
    ------
    InputError
        If there is a file in its place.
    """
    if path.exists() and not path.is_dir():
        raise InputError(f"{path}: expected a folder for the results, found a file")
    with writing(path):
        path.mkdir(parents=True, exist_ok=True)
    return path


def _pictures(opened: OpenedRun, target: Path) -> list[str]:
    from analysis.campaign_figures import save_campaign_figures  # takes a second

    footnote = footnotes(opened.model) if opened.model else []
    with writing(target):
        return save_campaign_figures(
            target,
            analysis_of(opened.run),
            opened.run.network,
            material=opened.material,
            transference=opened.run.transference().to_frame(),
            footnote=footnote,
        )
