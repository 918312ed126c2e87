"""Measured cells beside separators as the runs of a study describe them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from analysis.experiments import ROOM
from analysis.measured_cells import geometry, measured_cells, overpotential_shares, rate_table
from analysis.separators import Separator
from analysis.separators_of_run import separator_of_run
from analysis.study import Asked, StudiedRun, groups, nearest_loading, pooled
from structures.errors import InputError

AREAL_MAH_PER_CM2 = (0.5, 2.0)  # thin and usual electrodes; the papers print no loading


def separators(
    material: str, runs: Sequence[StudiedRun], loading: float | None = None
) -> tuple[list[Separator], list[str]]:
    """Return a separator of the measured geometry for every run at room temperature; realisations and draws are pooled.

    Returns
    -------
    list of Separator
    list of str
        Runs that make none, and why.
    """
    thickness, area = geometry(material)
    found, reasons = [], []
    for (entry, labels), same in groups(runs).items():
        name = " ".join([entry, *(f"{what} {value}" for what, value in labels)])
        one = same[0].run
        try:
            made = separator_of_run(one, nearest_loading(one, loading), ROOM, thickness_cm=thickness, area_cm2=area)
        except InputError as error:
            reasons.append(f"{name}, as a separator: {error}")
            continue
        sigma, t = (pooled(same, Asked(kind), nearest_loading(one, loading)) for kind in ("sigma", "t_Li"))
        if len(same) > 1:
            made = replace(made, sigma=sigma, t_Li=t if 0 < t.value < 1 else made.t_Li)
        found.append(replace(made, label=name))
    return found, reasons


def cell_tables(material: str, found: Sequence[Separator]) -> dict[str, pd.DataFrame]:
    """Put separators beside the measured cells of a material.

    Returns
    -------
    dict of str to DataFrame
        "overpotential" of a symmetric Li cell and "rates" of discharges, see `analysis.measured_cells`; what the
        material has.
    """
    tables = {}
    try:
        tables["overpotential"] = overpotential_shares(material, found)
    except InputError:  # no such cell
        pass
    rates = []
    for cell in measured_cells(material):
        for one in found:
            table = rate_table(cell, one, AREAL_MAH_PER_CM2)
            table.insert(0, "separator", one.label)
            rates.append(table)
    if rates:
        tables["rates"] = pd.concat(rates, ignore_index=True)
    return tables
