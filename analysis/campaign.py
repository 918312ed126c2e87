"""A campaign: the task files of one deck, analysed together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from analysis import results
from analysis.arrhenius import activation_energy
from analysis.loading import optimum_loading
from analysis.network_exact import single_particle_diffusivity
from analysis.point import Point, transport_at
from analysis.results import Result
from kmc.trajectory import TaskRecord, read_task
from lattice.network import PoreNetwork
from structures.errors import InputError
from structures.files import whole_file
from structures.units import CM2_PER_A2

BOOTSTRAP_SEED = 20250


@dataclass(frozen=True, eq=False, slots=True)
class Analysis:
    """Transport coefficients of a campaign; units are in the column names.

    Attributes
    ----------
    composition_name : str
        "x" (exchange fraction) or "M" (molarity); the first column of every table.
    conductivity : DataFrame
        One row per composition and temperature: sigma, the mean over orientations, with its interval, in total and of
        each species alone, sigma along the Cartesian axes (a along x, b in the xy plane), correlations between
        species, D* and D_J, Haven ratio, what of these is converged, blocks, replicas, events.
    activation : DataFrame
        One row per composition with enough temperatures: E_a of ln(sigma T) and of ln sigma, with intervals.
    optimum : DataFrame
        One row per temperature with enough compositions: the best loading with its interval, all maxima, edge flags.
    dilute : DataFrame
        Diffusivity of one ion alone, exact, per species and temperature; empty without a network.
    statements : tuple of str
        What the tables leave out and why; one printable line each.
    """

    composition_name: str
    conductivity: pd.DataFrame
    activation: pd.DataFrame
    optimum: pd.DataFrame
    dilute: pd.DataFrame
    statements: tuple[str, ...]

    def write_tables(self, folder: Path | str) -> None:
        """Write summary.csv, activation.csv and optimum.csv, each whole or not at all."""
        folder = Path(folder)
        for name, table in (
            ("summary.csv", self.conductivity),
            ("activation.csv", self.activation),
            ("optimum.csv", self.optimum),
        ):
            with whole_file(folder / name) as unfinished:
                table.to_csv(unfinished, index=False, float_format="%.6g")


@dataclass(frozen=True, eq=False, slots=True)
class Run:
    """The files of a campaign as they are on disk.

    Attributes
    ----------
    folder : Path
    records : tuple of TaskRecord
        Complete tasks, sorted by key.
    network : PoreNetwork or None
    deck : str
        TOML text; empty if the folder holds none.
    statements : tuple of str
        Files that were left out and why.
    """

    folder: Path
    records: tuple[TaskRecord, ...]
    network: PoreNetwork | None
    deck: str
    statements: tuple[str, ...]

    def analyse(self) -> Analysis:
        """Analyse all complete tasks; what was left out on reading is part of the statements."""
        return analyse(self.records, self.network, statements=self.statements)

    def conductivity(self) -> Result:
        """Conductivity at every loading and temperature."""
        return results.conductivity(self)

    def haven_ratio(self) -> Result:
        """Haven ratio at every loading and temperature."""
        return results.haven_ratio(self)

    def arrhenius(self) -> Result:
        """Activation energy of every loading."""
        return results.arrhenius(self)

    def optimum(self) -> Result:
        """Best loading at every temperature."""
        return results.optimum(self)


def open_run(folder: Path | str) -> Run:
    """Read a campaign's folder; task files that are incomplete or damaged are left out with a statement.

    Raises
    ------
    InputError
        If the folder does not exist or holds no complete task.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: expected the folder of a run; found none")
    records, statements = [], []
    for path in sorted((folder / "tasks").glob("*.h5")):
        try:
            records.append(read_task(path))
        except (OSError, KeyError, ValueError, RuntimeError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            statements.append(f"{path.name} left out: {reason}")
    if not records:
        found = f"{len(statements)} unreadable" if statements else "none"
        raise InputError(f"{folder / 'tasks'}: expected complete task files; found {found}")
    network_file, deck_file = folder / "network.h5", folder / "deck.toml"
    network = None
    if network_file.is_file():
        try:
            network = PoreNetwork.load(network_file)
        except (OSError, KeyError, ValueError) as error:
            statements.append(f"network.h5 left out: {(str(error).splitlines() or ['unreadable'])[0]}")
    deck = deck_file.read_text(encoding="utf-8") if deck_file.is_file() else ""
    return Run(folder, tuple(sorted(records, key=lambda r: r.key)), network, deck, tuple(statements))


def analyse(
    records: Sequence[TaskRecord], network: PoreNetwork | None = None, *, statements: Sequence[str] = ()
) -> Analysis:
    """Compute conductivity, activation energies and the optimum loading of a set of tasks.

    Parameters
    ----------
    records : sequence of TaskRecord
        Tasks of one deck. Those that agree in composition and temperature are replicas of each other.
    network : PoreNetwork, optional
        Adds the exact diffusivity of one ion alone.
    statements : sequence of str
        Printed before those of the analysis.

    Raises
    ------
    InputError
        If there is no record, or the records are of several runs.
    """
    if not records:
        raise InputError("records: expected at least one complete task; found none")
    for field in ("composition_name", "network_hash", "settings", "rate_model", "species_names"):
        of = {str(getattr(record, field)): record.key for record in records}
        if len(of) > 1:
            found = ", ".join(f"{value[:12]} ({key})" for value, key in sorted(of.items())[:3])
            raise InputError(f"records: expected the tasks of one run, all of one {field}; found {found}")
    name = records[0].composition_name
    said = list(statements)
    groups: dict[tuple[float, float], list[TaskRecord]] = {}
    for record in sorted(records, key=lambda r: (r.composition, r.temperature, r.replica)):
        replicas = groups.setdefault((record.composition, record.temperature), [])
        if replicas and replicas[-1].replica == record.replica and replicas[-1].seed == record.seed:
            said.append(f"{record.key} left out: a second file of replica {record.replica}")
        else:
            replicas.append(record)
    said += missing_conditions(name, list(groups))
    points = [transport_at(group) for group in groups.values()]
    for point in points:
        said += point.statements
    said += _anisotropy(points)
    activation = _activation_table(name, points, said)
    optimum = _optimum_table(name, points, said)
    dilute = _dilute_table(records, network)
    return Analysis(name, pd.DataFrame([p.row for p in points]), activation, optimum, dilute, tuple(said))


def missing_conditions(name: str, found: Sequence[tuple[float, float]]) -> list[str]:
    """Say which temperatures are missing at some loadings; `found` holds pairs of loading and temperature."""
    temperatures, there = sorted({T for _, T in found}), set(found)
    missing: dict[tuple[float, ...], list[float]] = {}
    for loading in sorted({loading for loading, _ in found}):
        if absent := tuple(T for T in temperatures if (loading, T) not in there):
            missing.setdefault(absent, []).append(loading)
    return [
        f"no finished task at {_listed(absent)} K for {name} = {_listed(loadings)}"
        for absent, loadings in missing.items()
    ]


def _listed(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def _anisotropy(points: Sequence[Point]) -> list[str]:
    """Say how much sigma depends on the direction, over the points where it does by more than its intervals allow.

    The three pairs of axes of all points are tested together (Bonferroni).
    """
    critical = float(stats.norm.isf(0.05 / (6 * len(points))))
    ratios = []
    for point in points:
        low, *_, high = sorted(point.sigma_axes, key=lambda axis: axis.value)
        error = float(np.hypot(low.log_error, high.log_error))
        if np.isfinite(error):
            apart = bool(np.log(high.value / low.value) > critical * error)
        else:
            apart = high.lo > (low.hi if np.isfinite(low.hi) else low.value)
        if apart:
            ratios.append(high.value / low.value if low.value > 0 else np.inf)
    if not ratios:
        return []
    extent = f"{min(ratios):.3g}" if len(ratios) == 1 else f"{min(ratios):.3g} to {max(ratios):.3g}"
    return [
        f"sigma is the mean over orientations; its largest Cartesian component exceeds the smallest {extent} fold "
        f"at {len(ratios)} of {len(points)} points, see sigma_xx, sigma_yy, sigma_zz in summary.csv"
    ]


def _activation_table(name: str, points: Sequence[Point], said: list[str]) -> pd.DataFrame:
    """One row per composition whose temperatures allow an activation energy."""
    rows = []
    for composition in sorted({p.composition for p in points}):
        at = [p for p in points if p.composition == composition]
        try:
            fit = activation_energy([p.temperature for p in at], [p.sigma for p in at], dof=[p.dof for p in at])
        except ValueError as error:
            said.append(f"{name} = {composition:g}: no E_a: {error}")
            continue
        if not fit.straight:
            said.append(f"{name} = {composition:g}: ln(sigma T) is not straight in 1/T within its intervals")
        row = {name: composition}
        for column, E_a in (("E_a", fit.E_a), ("E_a(ln sigma)", fit.E_a_ln_sigma)):
            row |= {f"{column} (eV)": E_a.value, f"{column} lo (eV)": E_a.lo, f"{column} hi (eV)": E_a.hi}
        rows.append(
            row
            | {
                "ln A (S K/cm)": fit.log_prefactor,
                "temperatures": fit.n_temperatures,
                "chi2": fit.chi2,
                "straight": fit.straight,
            }
        )
    return pd.DataFrame(rows)


def _optimum_table(name: str, points: Sequence[Point], said: list[str]) -> pd.DataFrame:
    """One row per temperature whose compositions allow an optimum."""
    rows = []
    for temperature in sorted({p.temperature for p in points}):
        at = sorted((p for p in points if p.temperature == temperature), key=lambda p: p.composition)
        known = [p for p in at if np.isfinite(p.sigma.value)]
        floor = 1e-2 * min((p.sigma.value for p in known if p.sigma.value > 0), default=0.0)
        sigma = [p.sigma_replica if p.sigma.value > 0 else (floor,) for p in known]
        error = [p.sigma.log_error for p in known]
        typical = float(np.nanmedian(error)) if np.isfinite(error).any() else 1.0
        try:
            found = optimum_loading(
                [p.composition for p in known],
                sigma,
                rng=np.random.default_rng([BOOTSTRAP_SEED, round(1e3 * temperature)]),
                relative_error=np.where(np.isfinite(error), error, typical),
            )
        except ValueError as problem:
            said.append(f"{temperature:g} K: no optimum: {problem}")
            continue
        rows.append(
            {
                "T (K)": temperature,
                f"{name}*": found.loading.value,
                f"{name}* lo": found.loading.lo,
                f"{name}* hi": found.loading.hi,
                "sigma (S/cm)": max(m.sigma for m in found.maxima),
                "edge": found.edge,
                "edge share": found.edge_share,
                "near edge": found.near_edge,
                "maxima": "; ".join(f"{m.edge} {m.loading:.3g}".strip() for m in found.maxima),
                "minima": "; ".join(f"{m:.3g}" for m in found.minima),
                "not below best": "; ".join(f"{x:.3g}" for x in found.best_set),
            }
        )
    return pd.DataFrame(rows)


def _dilute_table(records: Sequence[TaskRecord], network: PoreNetwork | None) -> pd.DataFrame:
    """Exact diffusivity of one ion alone, per species and temperature."""
    if network is None:
        return pd.DataFrame()
    frequency = records[0].attempt_frequency
    rows = []
    for temperature in sorted({r.temperature for r in records}):
        for index, species in enumerate(network.species):
            D = single_particle_diffusivity(network, index, temperature, frequency) * CM2_PER_A2
            axes = {f"D_{axis} (cm2/s)": float(D[k, k]) for k, axis in enumerate(("xx", "yy", "zz"))}
            mean = {"D (cm2/s)": float(np.trace(D)) / 3}
            rows.append({"species": species.name, "T (K)": temperature, **mean, **axes})
    return pd.DataFrame(rows)
