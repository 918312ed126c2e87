"""The command `mofkmc cells`: its options, and separators of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runs.cli_options import positive_option

if TYPE_CHECKING:
    from analysis.statistics import Interval


def interval_option(ctx: click.Context, parameter: click.Parameter, text: str | None) -> Interval | None:
    """Read VALUE or VALUE,LO,HI.

    Raises
    ------
    click.BadParameter
    """
    import math

    from analysis.statistics import Interval

    if text is None:
        return None
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 3) or not all(map(math.isfinite, numbers)):
        raise click.BadParameter(
            f"expected VALUE or VALUE,LO,HI such as 1.3e-3,1.1e-3,1.5e-3, found {text!r}", ctx, parameter
        )
    value, lo, hi = numbers if len(numbers) == 3 else (numbers[0], math.nan, math.nan)
    if not value > 0 or lo > value or hi < value:
        raise click.BadParameter(
            f"expected a value above 0{' within its interval' if len(numbers) == 3 else ''}, found {text!r}",
            ctx,
            parameter,
        )
    return Interval(value, lo, hi)


@click.command()
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option("--sigma", callback=interval_option, metavar="S/cm", help="Conductivity: VALUE or VALUE,LO,HI (95 %).")
@click.option("--t-li", callback=interval_option, metavar="T", help="Transference number of Li+, likewise.")
@click.option("--salt-mol-per-L", type=float, callback=positive_option, help="Dissolved 1:1 salt that polarises.")
@click.option("--D-salt", "D_salt", callback=interval_option, metavar="cm2/s", help="Its diffusivity, likewise.")
@click.option("--D-li", "D_li", type=float, callback=positive_option, help="Or that of both ions, cm2/s: of Li+ ...")
@click.option("--D-anion", "D_anion", type=float, callback=positive_option, help="... and of the anion.")
@click.option(
    "--exchange",
    type=click.FloatRange(0, 1, min_open=True),
    help="Instead of a salt: share of Li+ among the counter-ions of a fixed charge.",
)
@click.option("--counter-ions-mol-per-L", type=float, callback=positive_option, help="All of these, for times.")
@click.option("--thickness-um", type=float, callback=positive_option, help="Of the separator; default: --experiment's.")
@click.option("--area-cm2", type=float, callback=positive_option, help="Default: that of --experiment, else 1.")
@click.option("--porosity", type=click.FloatRange(0, 1, min_open=True), help="If sigma and D are those in its pores.")
@click.option("--tortuosity", type=click.FloatRange(min=1), help="Likewise; factor by which D is lower.")
@click.option("--loading", type=float, help="Of FOLDER: exchange fraction or molarity; default: the best conducting.")
@click.option("--temperature-C", "celsius", type=click.FloatRange(-150, 500), default=25, show_default=True)
@click.option(
    "--current-mA-per-cm2",
    "currents",
    type=float,
    callback=lambda ctx, parameter, values: tuple(positive_option(ctx, parameter, value) for value in values),
    multiple=True,
    help="Current density; can be given several times.",
)
@click.option(
    "--experiment", default="", help="ni_mof or mof5: geometry and measured cells; default: what FOLDER names."
)
@click.option("--sample", default="", help="Of --experiment: sigma and t_Li as they were measured.")
@click.option(
    "--areal-mAh-per-cm2",
    "areal",
    type=float,
    callback=lambda ctx, parameter, values: tuple(positive_option(ctx, parameter, value) for value in values),
    multiple=True,
    help="Areal capacity of the electrodes, which is not printed; several times; default 0.1 to 5.",
)
@click.option("--output", type=click.Path(path_type=Path), help="Folder of tables and picture; default: FOLDER.")
def cells(folder: Path | None, **options: Any) -> None:
    """Tell what a separator's ion transport costs a cell, and from which current on it limits.

    Ohmic drop, concentration polarisation, limiting current and Sand's time of a slab of separator, with intervals;
    sigma, t and the salt diffusivity come from the options or from FOLDER, the results of a run. With --experiment they
    are put beside the cells of the papers: overpotential, and capacity against rate. No interface, electrode or
    degradation is modelled. Writes cells.csv, cells.png and, with rates, cells_rates.csv and cells_onset.csv.

    \b
    Examples:
      mofkmc cells --sigma 1.28e-3 --t-li 0.76 --thickness-um 300 --salt-mol-per-L 1 --current-mA-per-cm2 0.1
      mofkmc cells --sigma 1.3e-3,1.1e-3,1.5e-3 --t-li 0.7,0.6,0.8 --exchange 0.076 --thickness-um 300
      mofkmc cells --sigma 1e-3 --t-li 0.4 --salt-mol-per-L 1 --experiment mof5 --areal-mAh-per-cm2 0.5
      mofkmc cells --experiment ni_mof --sample Li@Ni-MOF-2
      mofkmc cells results/mof5 --loading 1 --experiment mof5 --areal-mAh-per-cm2 0.5
      mofkmc cells results/mof5 --loading 1 --thickness-um 1000 --porosity 0.5 --tortuosity 2
    """  # noqa: D301
    from runs.cells_job import CellsRequest, cells_job

    cells_job(CellsRequest(folder=folder, **options))
