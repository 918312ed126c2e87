"""The command that fits numbers of a deck to measurements."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from runs.cli_options import set_option, time_option
from runs.named_deck import named_deck


@click.command()
@click.argument("deck")
@click.option("--output", type=click.Path(path_type=Path), help="Folder; default results/<deck name>_calibration.")
@click.option("--force", is_flag=True, help="Replace an earlier calibration in that folder.")
@click.option("--quick", is_flag=True, help="Fewer and shorter simulations: to try a deck out, not to be reported.")
@set_option
@click.option(
    "--time-limit",
    "time_limit_s",
    callback=time_option,
    metavar="HH:MM:SS",
    help="Keep all states and end after this wall time.",
)
@click.option("--threads", type=click.IntRange(min=1), help="Tasks at a time on each rank; default: all cores.")
@click.option("--quiet", "-q", is_flag=True, help="Print results, warnings and failures only.")
def calibrate(deck: str, output: Path | None, values: dict[str, Any], **options: Any) -> None:
    """Fit numbers of a deck to measured conductivities, and say what the measurements leave open.

    DECK has a table [calibrate] with what is fitted to what, as the shipped deck ni_mof_calibration. Its sets of
    parameters are ordinary runs; after an interruption the same command goes on. Writes tables, draws from the
    posterior, pictures, and calibrated.toml: the deck with the most likely values, which every later result is marked
    with. What the measurements do not fix is said to be not identified.

    \b
    Examples:
      mofkmc calibrate ni_mof_calibration --quick
      mofkmc calibrate my_deck.toml --output results/fit
      mofkmc run results/fit/calibrated.toml
    """  # noqa: D301
    from runs.ranks import find_ranks

    file = find_ranks().on_first(lambda: named_deck(deck, values=values))

    from runs.calibrate_job import CalibrateRequest, calibrate_job

    ending = "_calibration_quick" if options["quick"] else "_calibration"
    folder = output or Path("results") / (file.name.removesuffix("_calibration") + ending)
    if status := calibrate_job(file, CalibrateRequest(output=folder, **options)):
        sys.exit(status)
