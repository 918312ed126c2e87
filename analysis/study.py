"""Several runs of one question together: what each of them computes of a sample, pooled over realisations and draws.

A quantity is named as experiments name it: sigma at a temperature, E_a of ln sigma in a window of temperatures, the
transference number of a cell with electrodes that exchange one ion, the loading at which sigma is largest.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from analysis.arrhenius import MIN_TEMPERATURES, activation_energy
from analysis.campaign import Run
from analysis.experiments import NEAR_K, ROOM
from analysis.results import analysis_of
from analysis.statistics import LEVEL, Interval, normal_quantile, t_interval
from structures.units import CELSIUS_ZERO

NAN = float("nan")
NOTHING = Interval(NAN, NAN, NAN)
FEWEST_DRAWS = 3  # whose scatter tells anything
TELLING = 10.0  # largest over least value of an interval that tells anything
WINDOW_NEAR_K = 0.5  # from the end of a window at which a temperature counts as in it


@dataclass(frozen=True, order=True, slots=True)
class Asked:
    """A quantity that is asked of a run.

    Attributes
    ----------
    kind : {"sigma", "E_a", "t_Li", "x*"}
    low, high : float, K
        Temperature, or the window of temperatures.
    """

    kind: str
    low: float = ROOM
    high: float = ROOM

    @property
    def name(self) -> str:
        """In words, with the temperature in °C."""
        low, high = (f"{T - CELSIUS_ZERO:.0f}".replace("-", "−") for T in (self.low, self.high))
        return f"{self.kind}, {low} °C" if low == high else f"{self.kind}, {low} to {high} °C"

    @property
    def unit(self) -> str:
        """Unit of its value; empty for a plain number."""
        return {"sigma": "S/cm", "E_a": "eV"}.get(self.kind, "")

    @property
    def is_positive(self) -> bool:
        """Whether it is compared by its logarithm."""
        return self.kind == "sigma"

    @property
    def is_share(self) -> bool:
        """Whether it lies from 0 to 1."""
        return self.kind in ("t_Li", "x*")


@dataclass(frozen=True, eq=False, slots=True)
class StudiedRun:
    """One run of a study.

    Attributes
    ----------
    entry : str
        Name of the entry of the study that it belongs to.
    labels : Mapping of str to value
        What is varied in it.
    run : Run
    draw : int
        Number of the draw from the posterior of a calibration; 0 for the best values.
    calibrated : bool
    realisation : int
        Seed of its disorder; runs of one seed, as far as they are of one size, have the same pieces missing.
    """

    entry: str
    labels: Mapping[str, Any]
    run: Run
    draw: int = 0
    calibrated: bool = False
    realisation: int = 1


def computed(run: Run, asked: Asked, loading: float | None = None) -> Interval:
    """Compute a quantity at the loading of a run nearest to one; nan where the run does not hold it.

    Parameters
    ----------
    run : Run
    asked : Asked
    loading : float, optional
        By default the only one, or the first.
    """
    if asked.kind == "x*":
        return _optimum(run, asked)
    found = analysis_of(run)
    x = nearest_loading(run, loading)
    if asked.kind == "t_Li":
        return _transference(run, x, asked)
    at = [point for point in found.points if point.composition == x]
    if asked.kind == "sigma":
        near = [point for point in at if abs(point.temperature - asked.low) <= NEAR_K]
        return near[0].sigma if near else NOTHING
    inside = [p for p in at if asked.low - WINDOW_NEAR_K <= p.temperature <= asked.high + WINDOW_NEAR_K]
    try:
        fit = activation_energy([p.temperature for p in inside], [p.sigma for p in inside], dof=[p.dof for p in inside])
    except ValueError:
        return NOTHING
    return fit.E_a_ln_sigma


def nearest_loading(run: Run, loading: float | None = None) -> float:
    """Find the loading of a run nearest to one, the first by default."""
    known = sorted({point.composition for point in analysis_of(run).points})
    return known[0] if loading is None else min(known, key=lambda x: abs(x - loading))


def _optimum(run: Run, asked: Asked) -> Interval:
    row = _row_of_optimum(run, asked.low)
    if row is None:
        return NOTHING
    name = f"{analysis_of(run).composition_name}*"
    return Interval(*(round(float(row[f"{name}{end}"]), 9) for end in ("", " lo", " hi")))  # 0 of an interpolation too


def _row_of_optimum(run: Run, temperature: float) -> pd.Series | None:
    """Row of the table of optima at a temperature, K; None where there is none."""
    table = analysis_of(run).optimum
    near = table[(table["T (K)"] - temperature).abs() <= NEAR_K] if len(table) else table
    return None if near.empty else near.iloc[0]


def _transference(run: Run, x: float, asked: Asked) -> Interval:
    from analysis.transference import transference

    if not any(abs(record.temperature - asked.low) <= NEAR_K for record in run.records):
        return NOTHING
    data = run.displacements(x, asked.low)
    if not dict(zip(data.species_names, data.count, strict=True)).get("Li+"):
        return NOTHING  # no share of a current that is not there
    found = transference(data)
    return found.steady_state[found.species_names.index("Li+")]


def over_realisations(values: Sequence[Interval], asked: Asked) -> Interval:
    """Pool what realisations of the same disorder give: their mean, with Student's interval over the realisations.

    A single one keeps its own interval. Positive quantities are treated by their logarithms; where one is zero, as
    without a path, the mean is that of the values and the interval ends at zero. Intervals of shares end at 0 and 1.
    """
    found = _mean(values, positive=asked.is_positive)
    return Interval(found.value, *np.clip([found.lo, found.hi], 0.0, 1.0).tolist()) if asked.is_share else found


def _mean(values: Sequence[Interval], *, positive: bool) -> Interval:
    """Mean over realisations, of the logarithms where the values are positive, with Student's interval."""
    known = [value for value in values if math.isfinite(value.value)]
    if not known:
        return NOTHING
    if len(known) == 1:
        return known[0]
    plain = [value.value for value in known]
    if not positive:
        return t_interval(plain)
    if min(plain) > 0:
        found = t_interval(np.log(plain))
        return Interval(*(math.exp(end) for end in (found.value, found.lo, found.hi)))
    found = t_interval(plain)
    return Interval(found.value, max(found.lo, 0.0), found.hi)


def over_draws(best: Interval, draws: Sequence[Interval], asked: Asked) -> Interval:
    """Widen an interval by what parameters drawn from a posterior add.

    The half-widths of the best run and t s √(1 + 1/n) of n draws add up in square, t with n - 1 degrees of freedom,
    where s² is the scatter of the draws less the mean square of their own statistical errors, at least zero (the moment
    estimate of DerSimonian and Laird, Control. Clin. Trials 7, 177 (1986)). Fewer than 3 draws add nothing. Positive
    quantities are treated by their logarithms. The interval is never narrower than that of the best run, and ends where
    that one ends at zero.
    """
    usable = [draw for draw in draws if math.isfinite(draw.value) and (draw.value > 0 or not asked.is_positive)]
    if len(usable) < FEWEST_DRAWS or not math.isfinite(best.value) or (asked.is_positive and best.value <= 0):
        return best
    shape = math.log if asked.is_positive else float
    values = np.array([shape(draw.value) for draw in usable])
    errors = [draw.log_error if asked.is_positive else (draw.hi - draw.lo) / (2 * normal_quantile()) for draw in usable]
    own = np.nanmean(np.square(errors)) if np.isfinite(errors).any() else 0.0
    scatter = math.sqrt(max(0.0, float(values.var(ddof=1) - own)))
    added = float(stats.t.ppf(0.5 + LEVEL / 2, len(values) - 1)) * scatter * math.sqrt(1 + 1 / len(values))
    if asked.is_positive:
        down = math.log(best.value / best.lo) if best.lo > 0 else math.inf
        up = math.log(best.hi / best.value)
        return Interval(
            best.value, best.value * math.exp(-math.hypot(down, added)), best.value * math.exp(math.hypot(up, added))
        )
    ends = best.value - math.hypot(best.value - best.lo, added), best.value + math.hypot(best.hi - best.value, added)
    return Interval(best.value, *(np.clip(ends, 0.0, 1.0).tolist() if asked.is_share else ends))


def pooled(runs: Iterable[StudiedRun], asked: Asked, loading: float | None = None) -> Interval:
    """Compute a quantity of runs that differ in the seed of their disorder and in draws of parameters only."""
    by_draw: dict[int, list[Interval]] = {}
    for one in runs:
        by_draw.setdefault(one.draw, []).append(computed(one.run, asked, loading))
    best = over_realisations(by_draw.pop(0, []), asked)
    return over_draws(best, [over_realisations(values, asked) for values in by_draw.values()], asked)


def change_over_realisations(
    runs: Sequence[StudiedRun],
    against: Sequence[StudiedRun],
    value: Interval,
    reference: Interval,
    asked: Asked,
    loading: float | None = None,
) -> Interval:
    """Compare two sets of runs, realisation by realisation where there are several: both have the same pieces missing.

    The changes of single realisations are pooled as `over_realisations` does it, so that what realisations differ by
    drops out as far as it is the same on both sides. Without two of them, or where one has no change, as with a
    conductivity of zero, the pooled results `value` and `reference` are compared.
    """
    without = {one.realisation: one for one in against if not one.draw}
    pairs = [(one, without[one.realisation]) for one in runs if not one.draw and one.realisation in without]
    if len(pairs) >= 2:
        found = [change(computed(a.run, asked, loading), computed(b.run, asked, loading), asked) for a, b in pairs]
        if all(math.isfinite(one.value) for one in found):
            return _mean(found, positive=asked.is_positive)
    return change(value, reference, asked)


def groups(runs: Iterable[StudiedRun]) -> dict[tuple[str, tuple[tuple[str, str], ...]], list[StudiedRun]]:
    """Put together the runs that are pooled: those of one entry with the same labels."""
    found: dict[tuple[str, tuple[tuple[str, str], ...]], list[StudiedRun]] = {}
    for one in runs:
        labels = tuple((name, str(label)) for name, label in one.labels.items())
        found.setdefault((one.entry, labels), []).append(one)
    return found


def change(value: Interval, reference: Interval, asked: Asked) -> Interval:
    """Compare two independent results: their ratio where the quantity is positive, else their difference."""
    if not (math.isfinite(value.value) and math.isfinite(reference.value)):
        return NOTHING
    if asked.is_positive:
        if value.value <= 0 or reference.value <= 0:
            return NOTHING
        half = normal_quantile() * math.hypot(value.log_error, reference.log_error)
        ratio = value.value / reference.value
        return Interval(ratio, ratio * math.exp(-half), ratio * math.exp(half))
    lo = math.hypot(value.value - value.lo, reference.hi - reference.value)
    hi = math.hypot(value.hi - value.value, reference.value - reference.lo)
    difference = value.value - reference.value
    return Interval(difference, difference - lo, difference + hi)


def quantities_of(run: Run, windows: Sequence[tuple[float, float]] = ()) -> list[Asked]:
    """List what a run can be asked: sigma at every temperature, E_a over all and in windows (K), t_Li at 25 °C."""
    T = sorted({point.temperature for point in analysis_of(run).points})
    asked = [Asked("sigma", t, t) for t in T]
    for low, high in ((T[0], T[-1]), *windows):
        if sum(low - WINDOW_NEAR_K <= t <= high + WINDOW_NEAR_K for t in T) >= MIN_TEMPERATURES:
            asked.append(Asked("E_a", low, high))
    return [*asked, Asked("t_Li")]


def variation_table(
    runs: Iterable[StudiedRun], against: Sequence[StudiedRun], windows: Sequence[tuple[float, float]] = ()
) -> pd.DataFrame:
    """Tell what changes when one thing is varied.

    Parameters
    ----------
    runs : iterable of StudiedRun
    against : sequence of StudiedRun
        The runs without the change.
    windows : sequence of (float, float), K
        In which an activation energy is asked besides that over all temperatures.

    Returns
    -------
    DataFrame
        One row per variation, loading and quantity: what is varied, its value there, the quantity with its interval,
        the same without the change, the ratio or difference of both with its interval, and whether it tells them apart.
        With several loadings, the ratio of the conductivities at neighbouring ones is a quantity of the higher one.
    """
    rows = []
    asked = quantities_of(against[0].run, windows)
    loadings = sorted({point.composition for point in analysis_of(against[0].run).points})
    reference = {(x, one): pooled(against, one, x) for x in loadings for one in asked}
    for (_, labels), same in groups(runs).items():
        found = {(x, one): pooled(same, one, x) for x, one in reference}
        compared = []
        for (x, one), without in reference.items():
            moved = change_over_realisations(same, against, found[x, one], without, one, x)
            compared.append((x, one, one.name, one.unit, found[x, one], without, moved))
        room = Asked("sigma")
        for before, after in itertools.pairwise(loadings if room in asked else ()):
            step = change(found[after, room], found[before, room], room)
            without = change(reference[after, room], reference[before, room], room)
            name = f"sigma({after:.3g})/sigma({before:.3g})"
            compared.append((after, room, name, "", step, without, change(step, without, room)))
        for x, one, name, unit, value, without, moved in compared:
            if not math.isfinite(value.value) and not math.isfinite(without.value):
                continue
            same_as = 1.0 if one.is_positive else 0.0
            rows.append({
                "varied": ", ".join(name for name, _ in labels),
                "to": ", ".join(label for _, label in labels),
                "loading": x,
                "quantity": name,
                "unit": unit,
                **_ends("value", value),
                **_ends("without", without),
                "compared by": "ratio" if one.is_positive else "difference",
                **_ends("change", moved),
                "significant": moved.lo > same_as or moved.hi < same_as,
            })  # fmt: skip
    return pd.DataFrame(rows)


def significance_lines(table: pd.DataFrame) -> list[str]:
    """Say of every variation how many quantities it is known to change, and how many chance would.

    Two supercells, or two grids, agree where no more are than by chance.
    """
    lines = []
    for (varied, to), rows in table.groupby(["varied", "to"], sort=False):
        known = rows[np.isfinite(rows["change lo"]) & np.isfinite(rows["change hi"])]
        if len(known):
            lines.append(
                f"{varied} {to}: {int(known['significant'].sum())} of {len(known)} quantities, "
                f"{(1.0 - LEVEL) * len(known):.1f} expected by chance"
            )
    return lines


def scan_table(runs: Iterable[StudiedRun], temperature: float = ROOM, loadings: Sequence[float] = ()) -> pd.DataFrame:
    """Best loading of every scan, and how sharp its maximum is.

    Parameters
    ----------
    runs : iterable of StudiedRun
        Each with several loadings.
    temperature : float, K
    loadings : sequence of float
        In ascending order; sigma at each is divided by sigma at the one before, as far as the scans hold them.

    Returns
    -------
    DataFrame
        The labels of every scan, x* with its interval, whether it is a bound, sigma there, and the ratios.
    """
    rows = []
    for same in groups(runs).values():
        one = same[0]
        star = pooled(same, Asked("x*", temperature, temperature))
        row: dict[str, Any] = {**one.labels, **_ends("x*", star)}
        best = _row_of_optimum(one.run, temperature)
        row["bound"] = "" if best is None else str(best["edge"])
        row["sigma at x* (S/cm)"] = NAN if best is None else float(best["sigma (S/cm)"])
        asked = Asked("sigma", temperature, temperature)
        known = {x: nearest_loading(one.run, x) for x in loadings}
        for before, after in itertools.pairwise(loadings):
            ratio = NOTHING
            if known[before] != known[after]:
                ratio = change(pooled(same, asked, after), pooled(same, asked, before), asked)
            row |= _ends(f"sigma({after:g})/sigma({before:g})", ratio)
        rows.append(row)
    return pd.DataFrame(rows)


def curve_table(runs: Iterable[StudiedRun], temperature: float = ROOM) -> pd.DataFrame:
    """Give the conductivity at every loading of every scan at one temperature (K): labels, loading, sigma, lo, hi."""
    rows = []
    asked = Asked("sigma", temperature, temperature)
    for same in groups(runs).values():
        found = analysis_of(same[0].run)
        for x in sorted({point.composition for point in found.points}):
            value = pooled(same, asked, x)
            row = {**same[0].labels, found.composition_name: x, "sigma (S/cm)": value.value}
            rows.append({**row, "sigma lo (S/cm)": value.lo, "sigma hi (S/cm)": value.hi})
    return pd.DataFrame(rows)


def sharpness_lines(table: pd.DataFrame, measured: Mapping[float, float]) -> list[str]:
    """Say for every two neighbouring loadings whether any scan changes between them as the measured values do.

    An interval wider than a factor of 10 tells nothing, and a scan is like the measured maximum only if it is for every
    two loadings at once.

    Parameters
    ----------
    table : DataFrame
        Of `scan_table`, made with the measured loadings.
    measured : Mapping of float to float
        Conductivity by loading.
    """
    lines, like, open_ = [], np.ones(len(table), dtype=bool), np.ones(len(table), dtype=bool)
    labels = list(table.columns[: list(table.columns).index("x*")])
    for before, after in itertools.pairwise(sorted(measured)):
        name = f"sigma({after:g})/sigma({before:g})"
        if name not in table:
            continue
        wanted = measured[after] / measured[before]
        value, lo, hi = (table[f"{name}{end}"].to_numpy(dtype=np.float64) for end in ("", " lo", " hi"))
        with np.errstate(invalid="ignore", divide="ignore"):
            known = np.isfinite(lo) & np.isfinite(hi)
            wide = ~known | (hi / lo > TELLING)
            holds = known & ~wide & (lo <= wanted) & (wanted <= hi)
            excluded = known & ((wanted < lo) | (hi < wanted))
        like &= holds
        open_ &= ~excluded
        said = f"{name}: {wanted:.3g} measured; so in {holds.sum()} of {len(table)} scans, excluded in {excluded.sum()}"
        if known.any():
            rows = table.to_dict("records")
            nearest = int(
                np.nanargmin(np.where(known, np.abs(np.log(np.where(value > 0, value, np.nan) / wanted)), np.inf))
            )
            where = ", ".join(f"{label} {rows[nearest][label]}" for label in labels) or "the only scan"
            said += f"; nearest {value[nearest]:.3g} ({lo[nearest]:.3g} to {hi[nearest]:.3g}) with {where}"
        lines.append(said)
    if len(lines) > 1:
        lines.append(
            f"all of them at once: like the measured values in {like.sum()} scans, not excluded in {open_.sum()} of "
            f"{len(table)}"
        )
    return lines


def _ends(name: str, value: Interval) -> dict[str, float]:
    return {name: value.value, f"{name} lo": value.lo, f"{name} hi": value.hi}
