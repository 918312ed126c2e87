"""What `mofkmc cells` does: a separator from options or a run, its losses as tables and a picture."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from analysis.csv_tables import write_csv
from analysis.experiments import ROOM, materials, paper
from analysis.measured_cells import (
    AREAL_MAH_PER_CM2,
    MeasuredCell,
    geometry,
    largest_loadings,
    measured_cells,
    measured_separator,
    onset_table,
    overpotential_shares,
    rate_table,
)
from analysis.separators import Separator, characteristics, loss_table
from analysis.statistics import Interval
from runs.faults import writing
from runs.text_tables import TextTable, listing, output_console
from structures.errors import InputError
from structures.units import CELSIUS_ZERO

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import RenderableType

    from analysis.campaign import Run

NAN = float("nan")
FOOTNOTE = 115  # characters in a line under the picture
SHOWN = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)  # mA/cm², where none are asked for


@dataclass(frozen=True, slots=True)
class CellsRequest:
    """Options of the command; None and empty for those that are not given."""

    folder: Path | None = None
    sigma: Interval | None = None
    t_li: Interval | None = None
    salt_mol_per_l: float | None = None
    D_salt: Interval | None = None
    D_li: float | None = None
    D_anion: float | None = None
    exchange: float | None = None
    counter_ions_mol_per_l: float | None = None
    thickness_um: float | None = None
    area_cm2: float | None = None
    porosity: float | None = None
    tortuosity: float | None = None
    loading: float | None = None
    celsius: float = 25.0
    currents: tuple[float, ...] = ()
    experiment: str = ""
    sample: str = ""
    areal: tuple[float, ...] = ()
    output: Path | None = None


def cells_job(request: CellsRequest) -> None:
    """Print and write what a separator costs.

    Parameters
    ----------
    request : CellsRequest

    Raises
    ------
    InputError
        If options lack or contradict each other, or the folder holds no finished run.
    """
    request, run = _completed(request)
    separator = _separator(request, run)
    currents = request.currents or SHOWN
    losses = loss_table(separator, currents)
    tables = {"cells.csv": losses}
    console = output_console()
    for piece in (_facts(separator), _losses(losses)):
        console.print(piece)
    if request.experiment:
        for piece in _beside(request, separator, tables):
            console.print(piece)
    console.print(listing("Assumed", separator.assumptions))
    from runs.analyse_job import writable_folder

    target = writable_folder(request.output or request.folder or Path("results") / "cells")
    with writing(target):
        for name, table in tables.items():
            write_csv(target / name, table)
        _picture(separator, target)
    console.print(f"\nWritten to {target}: {', '.join((*tables, 'cells.png'))}", markup=False)


def _completed(request: CellsRequest) -> tuple[CellsRequest, Run | None]:
    """Open the run, and take material and geometry from what there is.

    Raises
    ------
    InputError
    """
    run, given = None, request.experiment
    if request.folder is not None:
        from runs.opened_run import open_results

        opened = open_results(request.folder)
        run, request = opened.run, replace(request, experiment=given or opened.material)
    if request.experiment and request.experiment not in materials():
        raise InputError(f"--experiment: expected one of {', '.join(materials())}, found {request.experiment}")
    thickness, area = geometry(request.experiment) if request.experiment else (NAN, 1.0)
    thickness_um = request.thickness_um or thickness * 1e4
    if math.isnan(thickness_um):
        raise InputError("--thickness-um: expected the thickness of the separator, or an --experiment that has one; "
                         "found neither")  # fmt: skip
    return replace(request, thickness_um=thickness_um, area_cm2=request.area_cm2 or area), run


def _separator(request: CellsRequest, run: Run | None) -> Separator:
    """Separator of a run, of a measured sample or of the options alone.

    Raises
    ------
    InputError
    """
    size: dict[str, Any] = {
        "thickness_cm": (request.thickness_um or NAN) * 1e-4,
        "area_cm2": request.area_cm2,
        "porosity": request.porosity or 1.0,
        "tortuosity": request.tortuosity or 1.0,
    }
    T = CELSIUS_ZERO + request.celsius
    numbers = {"--sigma": request.sigma, "--t-li": request.t_li}
    if run is not None:
        _refuse_both("FOLDER", {**numbers, "--sample": request.sample or None, **_of_salt(request)})
        from analysis.results import best_loading
        from analysis.separators_of_run import separator_of_run

        loading = best_loading(run, T) if request.loading is None else request.loading
        return separator_of_run(run, loading, T, **size)
    if request.loading is not None:
        raise InputError("--loading: expected the FOLDER of a run with it, found none")
    if request.sample:
        _refuse_both("--sample", {**numbers, "--exchange": request.exchange, "--loading": request.loading})
        if not request.experiment:
            raise InputError(f"--sample: expected an --experiment that it belongs to, found none for {request.sample}")
        if abs(T - ROOM) > 0.01:
            raise InputError(f"--temperature-C: expected 25 with --sample, found {request.celsius:g}")
        found = measured_separator(request.experiment, request.sample, request.salt_mol_per_l)
        X = request.counter_ions_mol_per_l
        return replace(found, D_salt=_diffusivity(request), counter_ions_mol_per_L=X, **size)
    sigma, t = request.sigma, request.t_li
    if sigma is None or t is None:
        lacking = " and ".join(name for name, value in numbers.items() if value is None)
        raise InputError(f"{lacking}: expected a value, or the FOLDER of a run, or --sample; found none")
    return Separator(
        sigma=sigma,
        t_Li=t,
        salt_mol_per_L=request.salt_mol_per_l,
        D_salt=_diffusivity(request),
        exchange=request.exchange,
        T=T,
        counter_ions_mol_per_L=request.counter_ions_mol_per_l,
        label="as given",
        origin=("sigma, t_Li and what else is known of the ions as given",),
        **size,
    )


def _of_salt(request: CellsRequest) -> dict[str, object]:
    return {
        "--salt-mol-per-L": request.salt_mol_per_l,
        "--D-salt": request.D_salt,
        "--D-li": request.D_li,
        "--D-anion": request.D_anion,
        "--exchange": request.exchange,
        "--counter-ions-mol-per-L": request.counter_ions_mol_per_l,
    }


def _refuse_both(first: str, others: Mapping[str, object]) -> None:
    """Refuse options that another one makes meaningless.

    Raises
    ------
    InputError
    """
    for name, value in others.items():
        if value is not None:
            raise InputError(f"{name}: expected none with {first}, which brings it, found one")


def _diffusivity(request: CellsRequest) -> Interval | None:
    """Salt diffusivity of the options; None for that of Nernst and Einstein.

    Raises
    ------
    InputError
    """
    from analysis.cells import ambipolar_diffusivity

    ions = (request.D_li, request.D_anion)
    given = [name for name, value in (("--D-salt", request.D_salt), ("--D-li", ions[0]), ("--D-anion", ions[1]))
             if value is not None]  # fmt: skip
    if not given:
        return None
    if request.salt_mol_per_l is None:
        raise InputError(f"{given[0]}: expected --salt-mol-per-L with it, found none")
    if request.D_salt is not None:
        if len(given) > 1:
            raise InputError(f"--D-salt: expected it or both of --D-li and --D-anion, found it with {given[1]}")
        return request.D_salt
    if len(given) == 1:
        raise InputError(f"{given[0]}: expected both of --D-li and --D-anion, found one")
    return Interval(float(ambipolar_diffusivity(ions[0] or NAN, ions[1] or NAN)), NAN, NAN)


def _facts(separator: Separator) -> RenderableType:
    """List what does not depend on the current."""
    made = TextTable(
        f"Separator of {separator.thickness_cm * 1e4:g} µm and {separator.area_cm2:.3g} cm²"
        + (f", {separator.label}" if separator.label else ""),
        ("<quantity", "value", "+interval"),
    )
    numbers = {"sigma (S/cm)": separator.sigma, "t_Li": separator.t_Li, **characteristics(separator)}
    for name, number in numbers.items():
        made.add_row(name, _number(number.value), _ends(number))
    made.caption = f"what polarises: {separator.kind}"
    return made


def _losses(table: pd.DataFrame) -> RenderableType:
    made = TextTable(
        "Voltage lost in the separator",
        ("i, mA/cm²", "i/i_lim", "ohmic, mV", "+interval", "concentration, mV", "+interval", "steady, mV", "+interval",
         "Sand, s", "runs dry after, s", "+interval"),
    )  # fmt: skip
    for row in table.to_dict("records"):
        made.add_row(
            f"{row['i (mA/cm2)']:g}", _number(row["i / i_lim"]),
            *_pair(row, "ohmic", "mV"), *_pair(row, "concentration", "mV"), *_pair(row, "steady", "mV"),
            _number(row["Sand time (s)"]), *_pair(row, "transition time", "s"),
        )  # fmt: skip
    made.caption = (
        "ohmic: at the start; concentration: what the gradient adds until it stands. inf: no steady state; never"
    )
    return made


def _beside(request: CellsRequest, separator: Separator, tables: dict[str, pd.DataFrame]) -> Iterator[RenderableType]:
    """Cells of the paper beside it, and their tables into `tables`."""
    import pandas as pd

    material = request.experiment
    try:
        shares = overpotential_shares(material, () if request.sample else (separator,))
    except InputError:
        shares = pd.DataFrame()
    if len(shares):
        tables["cells_overpotential.csv"] = shares
        yield shares_part(shares, paper(material))
    cells = measured_cells(material)
    areal = request.areal or AREAL_MAH_PER_CM2
    if cells:
        tables["cells_rates.csv"] = pd.concat([rate_table(cell, separator, areal) for cell in cells])
        tables["cells_onset.csv"] = pd.concat([onset_table(cell, separator, areal) for cell in cells])
        tables["cells_loadings.csv"] = pd.concat([largest_loadings(cell, separator) for cell in cells])
    for cell in cells:
        yield _rates(cell, tables["cells_rates.csv"])
        yield _onset(cell, tables["cells_onset.csv"])
        if tables["cells_loadings.csv"]["areal at most (mAh/cm2)"].notna().any():
            yield _loadings(cell, tables["cells_loadings.csv"])


def shares_part(table: pd.DataFrame, source: str) -> RenderableType:
    """Shares of a measured overpotential, of `analysis.measured_cells.overpotential_shares`."""
    first = table.iloc[0]
    made = TextTable(
        f"Share of the {first['measured (mV)']:g} mV measured at {first['i (mA/cm2)']:g} mA/cm² in a symmetric Li cell",
        (
            "<separator",
            "<polarises",
            "ohmic, mV",
            "concentration, mV",
            "ohmic, %",
            "steady, %",
            "+interval",
            "rest, mV",
        ),
        keys=2,
    )
    for row in table.to_dict("records"):
        share = Interval(*(100 * row[f"steady share{end}"] for end in ("", " lo", " hi")))
        made.add_row(
            str(row["separator"]), str(row["polarises"]), _number(row["ohmic (mV)"]),
            _number(row["concentration (mV)"]),
            _number(100 * row["ohmic share"]), _number(share.value), _ends(share), _number(row["rest (mV)"]),
        )  # fmt: skip
    made.caption = f"{source}. rest: interfaces, charge transfer and contacts, which are not modelled"
    return made


def _rates(cell: MeasuredCell, table: pd.DataFrame) -> RenderableType:
    made = TextTable(
        f"{cell.name}: what gets through {cell.thickness_cm * 10:g} mm at the printed rates",
        ("mAh/cm²", "<rate", "i, mA/cm²", "i/i_lim", "ohmic, mV", "runs dry after, s", "discharge, s",
         "measured, mAh/g", "at most through, mAh/g", "+interval", "share of loss", "+interval"),
        keys=2,
    )  # fmt: skip
    previous = None
    for row in table[table["cell"] == cell.name].to_dict("records"):
        if previous not in (None, row["areal (mAh/cm2)"]):
            made.add_section()
        made.add_row(
            f"{row['areal (mAh/cm2)']:g}" if previous != row["areal (mAh/cm2)"] else "", str(row["rate"]),
            _number(row["i (mA/cm2)"]), _number(row["i / i_lim"]), _number(row["ohmic (mV)"]),
            _number(row["transition time (s)"]), _number(row["discharge (s)"]), _number(row["measured (mAh/g)"]),
            _number(row["transport (mAh/g)"]) + ("" if row["loading possible"] else "!"),
            _ends(_of(row, "transport", "mAh/g")), *_pair(row, "share of loss", ""),
        )  # fmt: skip
        previous = row["areal (mAh/cm2)"]
    made.caption = (
        "areal capacity: that of the slowest rate; the loading is not printed. Share of the measured loss that "
        "depletion alone makes; voltage lost comes on top where the window ends. ! less than measured: such a loading "
        "is excluded"
    )
    return made


def _onset(cell: MeasuredCell, table: pd.DataFrame) -> RenderableType:
    made = TextTable(
        f"{cell.name}: rate from which the separator alone limits, in units of {cell.rates[0].name}",
        ("mAh/cm²", "no steady state", "+mA/g", "+interval", "capacity lost", "+mA/g", "+interval"),
    )
    for row in table[table["cell"] == cell.name].to_dict("records"):
        made.add_row(
            f"{row['areal (mAh/cm2)']:g}",
            _number(row["no steady state / slowest"]), *_pair(row, "no steady state", "mA/g"),
            _number(row["capacity lost / slowest"]), *_pair(row, "capacity lost", "mA/g"),
        )  # fmt: skip
    return made


def _loadings(cell: MeasuredCell, table: pd.DataFrame) -> RenderableType:
    made = TextTable(
        f"{cell.name}: loading above which the measured capacity could not have passed",
        ("<rate", "mAh/cm²", "+interval", "mg/cm²"),
    )
    for row in table[table["cell"] == cell.name].to_dict("records"):
        made.add_row(str(row["rate"]), *_pair(row, "areal at most", "mAh/cm2"), _number(row["mg/cm2 at most"]))
    return made


def _picture(separator: Separator, target: Path) -> None:
    from analysis.cell_plots import draw_losses
    from analysis.plot_style import save_figure

    lines = [part for line in separator.assumptions for part in wrap(line, FOOTNOTE)]
    save_figure(draw_losses(separator).figure, target / "cells.png", lines)


def _of(row: Mapping[Any, Any], name: str, unit: str) -> Interval:
    names = (f"{text} ({unit})" if unit else text for text in (name, f"{name} lo", f"{name} hi"))
    return Interval(*(float(row[key]) for key in names))


def _pair(row: Mapping[Any, Any], name: str, unit: str) -> tuple[str, str]:
    found = _of(row, name, unit)
    return _number(found.value), _ends(found)


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.3g}"


def _ends(number: Interval) -> str:
    return "" if math.isnan(number.lo) else f"{_number(number.lo)} - {_number(number.hi)}"
