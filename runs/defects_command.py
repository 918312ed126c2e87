"""The command `mofkmc defects`: how many nodes or linkers a framework can lose before it falls apart."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runs.cli_options import repeats_option

if TYPE_CHECKING:
    from analysis.defect_percolation import DefectPercolation
    from analysis.statistics import Interval
    from runs.text_tables import TextTable

_DIRECTIONS = (1, 3)
_FRACTIONS = (0.0, 0.125, 0.25, 0.5, 0.6, 0.65, 0.7, 0.75, 0.8)


@click.command()
@click.argument("cif")
@click.option(
    "--missing", type=click.Choice(["nodes", "linkers"]), multiple=True, help="Which pieces; default both, apart."
)
@click.option("--fraction", "fractions", type=click.FloatRange(0, 1), multiple=True, help="Can be given several times.")
@click.option(
    "--defect-cell",
    "cell",
    callback=repeats_option,
    metavar="2x2x1",
    default="3x3x3",
    show_default=True,
    help="Cells of the perfect crystal in which the missing pieces are chosen.",
)
@click.option(
    "--realisations",
    type=click.IntRange(2, 100_000),
    default=100,
    show_default=True,
    help="Seeds 1, 2, ... of which each is a crystal of its own.",
)
@click.option("--output", type=click.Path(path_type=Path), help="Folder for the tables as CSV.")
def defects(
    cif: str,
    missing: tuple[str, ...],
    fractions: tuple[float, ...],
    cell: tuple[int, int, int],
    realisations: int,
    output: Path | None,
) -> None:
    """Take nodes or linkers out of a framework at random, and see when it falls apart; no energies are computed.

    \b
    Examples:
      mofkmc defects mof5
      mofkmc defects my.cif --missing nodes --fraction 0.1 --fraction 0.2 --defect-cell 4x4x4
      mofkmc network my.cif --species Li+ --missing-nodes 0.2 --defect-seed 3    what that does to an ion
    """  # noqa: D301
    from analysis.csv_tables import write_csv
    from analysis.defect_percolation import percolation_of_defects
    from runs.text_tables import output_console
    from structures.cif import load_framework

    console, framework = output_console(), load_framework(cif)
    for kind in ("node", "linker"):
        if missing and f"{kind}s" not in missing:
            continue
        asked = sorted(set(fractions)) or _FRACTIONS
        found = percolation_of_defects(framework, kind, asked, cell, range(1, realisations + 1))
        console.print(_table(found))
        console.print(f"\n{found.statement}.", markup=False)
        if output is not None:
            output.mkdir(parents=True, exist_ok=True)
            write_csv(output / f"missing_{kind}s.csv", found.to_frame())


def _table(found: DefectPercolation) -> TextTable:
    from runs.text_tables import TextTable

    size = " x ".join(map(str, found.cell))
    headings = ("missing", "of", "largest piece", "+interval")
    bonded = [heading for n in _DIRECTIONS for heading in (f"bonded {n}D", "+interval")]
    table = TextTable(
        f"Missing {found.kind}s of {found.pieces} in {size} cells, {len(found.seeds)} realisations",
        (*headings, *bonded),
        keys=2,
        caption="Largest piece: its share of the atoms that are left. Bonded: share of the realisations in which what "
        "is left is bonded through the crystal in so many directions or more. Intervals: 95 %.",
    )
    columns = [found.largest_share(), *(found.bonded(n) for n in _DIRECTIONS)]
    for row, number in enumerate(found.missing):
        cells = [cell for column in columns for cell in _cells(column[row])]
        table.add_row(f"{number}", f"{found.n_pieces}", *cells)
    return table


def _cells(value: Interval) -> Iterator[str]:
    yield f"{value.value:.3f}"
    yield f"{min(max(value.lo, 0), 1):.3f} - {min(value.hi, 1):.3f}"
