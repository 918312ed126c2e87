"""What `Run.conductivity()` and its kin return: numbers with intervals, as a table and as a picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.statistics import Interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from analysis.campaign import Analysis, Run


@dataclass(frozen=True, eq=False, slots=True)
class Result:
    """One quantity of a campaign at all its settings.

    Attributes
    ----------
    name : str
        Of the quantity, with its unit.
    value : (n_settings,) float64
    interval : tuple of Interval
        95 %, in the order of the values; without ends where the data carry none.
    statements : tuple of str
        What is not converged or left out, why, and what to add.
    """

    name: str
    value: NDArray[np.float64]
    interval: tuple[Interval, ...]
    statements: tuple[str, ...]
    _table: pd.DataFrame
    _draw: Callable[[Axes | None], Axes]

    def to_frame(self) -> pd.DataFrame:
        """Return one row per setting, units in the column names."""
        return self._table.copy()

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw on the axes given, or on new ones."""
        return self._draw(ax)

    def __repr__(self) -> str:
        return f"{self.name}\n{self._table.to_string(index=False, max_rows=30)}"


@lru_cache(maxsize=512)  # a study asks all of its runs in turn, again and again
def analysis_of(run: Run) -> Analysis:
    """Analyse a run once; the files that it was opened from are not looked at again."""
    return run.analyse()


def best_loading(run: Run, temperature: float) -> float:
    """Give the loading of the scan with the largest conductivity at the temperature nearest to one in K.

    Loadings without a conductivity count only where none has one.
    """
    table = analysis_of(run).conductivity
    T = min(table["T (K)"].unique(), key=lambda t: abs(t - temperature))
    at = table[table["T (K)"] == T]
    moved = at[at["sigma (S/cm)"] > 0]
    return float((at if moved.empty else moved).sort_values("sigma (S/cm)").iloc[-1].iloc[0])


def conductivity(run: Run) -> Result:
    """Conductivity at every loading and temperature; the picture shows it against the loading."""
    from analysis.plots import loading

    found = analysis_of(run)
    name = found.composition_name
    table = _columns(found.conductivity, (name, "T (K)"), "sigma", "(S/cm)", ("converged", "blocks", "dof", "replicas"))
    return _result(found, table, "sigma (S/cm)", lambda ax: loading(found, ax), about=("sigma",))


def haven_ratio(run: Run) -> Result:
    """Haven ratio H_R = sigma_NE / sigma, that is D*/D_J for one kind of ion, at every loading and temperature."""
    from analysis.transport_plots import haven

    found = analysis_of(run)
    table = _columns(found.conductivity, (found.composition_name, "T (K)"), "H_R", "", ("H_R converged",))
    return _result(found, table, "H_R", lambda ax: haven(found, ax), about=("D*", "sigma"))


def optimum(run: Run) -> Result:
    """Give the loading of the largest conductivity at every temperature, and all maxima."""
    from analysis.plots import loading

    found = analysis_of(run)
    star = f"{found.composition_name}*"
    return _result(found, found.optimum, star, lambda ax: loading(found, ax), about=("optimum", "maxima", "ordered"))


@lru_cache(maxsize=4)
def transference(run: Run) -> Result:
    """Electrical and steady-state transference numbers of all ions at every loading and temperature."""
    from analysis.transference import transference as of
    from analysis.transport_plots import transference as draw

    found = analysis_of(run)
    name, tables, said = found.composition_name, [], list[str]()
    for point in found.points:
        one = of(run.displacements(point.composition, point.temperature))
        frame = one.to_frame()
        frame.insert(0, "T (K)", point.temperature)
        frame.insert(0, name, point.composition)
        tables.append(frame)
        said += [line for line in one.statements if line not in said]
    table = pd.concat(tables, ignore_index=True)
    rows = table[["t", "t lo", "t hi"]].to_numpy(dtype=np.float64)
    value = rows[:, 0].copy()
    value.flags.writeable = False
    interval = tuple(Interval(*map(float, row)) for row in rows)
    return Result("t", value, interval, tuple(said), table, lambda ax: draw(table, name, ax=ax))


def _columns(table: pd.DataFrame, keys: tuple[str, ...], name: str, unit: str, rest: tuple[str, ...]) -> pd.DataFrame:
    """Keys, a quantity with the ends of its interval, and other columns as far as they are there."""
    wanted = [f"{text} {unit}".strip() for text in (name, f"{name} lo", f"{name} hi")]
    return table[[column for column in (*keys, *wanted, *rest) if column in table]]


def _result(
    analysis: Analysis, table: pd.DataFrame, name: str, draw: Callable[[Axes | None], Axes], *, about: tuple[str, ...]
) -> Result:
    first, _, unit = name.partition(" ")
    ends = [f"{first} {end} {unit}".strip() for end in ("lo", "hi")]
    if table.empty:
        rows = np.zeros((0, 3))
    else:
        rows = table[[name, *ends]].to_numpy(dtype=np.float64)
    value = rows[:, 0].copy()
    value.flags.writeable = False
    said = tuple(line for line in analysis.statements if any(word in line for word in about))
    return Result(name, value, tuple(Interval(*map(float, row)) for row in rows), said, table, draw)
