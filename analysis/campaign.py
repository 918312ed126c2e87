"""A campaign: the task files of one deck, analysed together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from analysis import results, temperature_laws
from analysis.anisotropy import Anisotropy, anisotropy
from analysis.arrhenius import activation_energy
from analysis.csv_tables import write_csv
from analysis.displacements import Displacements
from analysis.drift_mobility import DriftMobility, drift_mobility
from analysis.frames import Trajectory
from analysis.impedance import Cell, Impedance, impedance
from analysis.loading import Optimum, optimum_loading
from analysis.network_exact import single_particle_diffusivity
from analysis.occupation import ROOM_TEMPERATURE, Occupation, occupation
from analysis.onsager import OnsagerMatrix, onsager_matrix
from analysis.ordered_fillings import OrderedFillings, fillings_of_run
from analysis.point import Point, transport_at
from analysis.radial_distribution import RadialDistribution, radial_distribution
from analysis.residence import HopCounts, Residence, hop_counts, residence
from analysis.results import Result
from analysis.spectra import Spectrum, conductivity_spectrum, instantaneous_conductivity
from analysis.temperature_laws import REFERENCE_C, Arrhenius
from analysis.transport import Transport, transport
from analysis.van_hove import VanHove, van_hove
from kmc.trajectory import TaskRecord, read_task
from lattice.network import PoreNetwork
from structures.errors import InputError
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
    points : tuple of Point
        The rows of `conductivity` with what fits take of them.
    """

    composition_name: str
    conductivity: pd.DataFrame
    activation: pd.DataFrame
    optimum: pd.DataFrame
    dilute: pd.DataFrame
    statements: tuple[str, ...]
    points: tuple[Point, ...] = ()

    @property
    def ions(self) -> tuple[str, ...]:
        """Names of the ions of which any loading has some."""
        counts = [name for name in self.conductivity.columns if name.startswith("n(")]
        return tuple(name[2:-1] for name in counts if (self.conductivity[name] > 0).any())

    def write_tables(self, folder: Path | str) -> None:
        """Write summary.csv, activation.csv and optimum.csv, each whole or not at all."""
        folder = Path(folder)
        for name, table in (
            ("summary.csv", self.conductivity),
            ("activation.csv", self.activation),
            ("optimum.csv", self.optimum),
        ):
            write_csv(folder / name, table)


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
    in_field : tuple of TaskRecord
        Complete tasks in an electric field, sorted by key; `records` are those without one.
    """

    folder: Path
    records: tuple[TaskRecord, ...]
    network: PoreNetwork | None
    deck: str
    statements: tuple[str, ...]
    in_field: tuple[TaskRecord, ...] = ()

    def analyse(self) -> Analysis:
        """Analyse all complete tasks; what was left out on reading is part of the statements."""
        return analyse(self.records, self.network, statements=self.statements)

    def conductivity(self) -> Result:
        """Conductivity at every loading and temperature."""
        return results.conductivity(self)

    def haven_ratio(self) -> Result:
        """Haven ratio at every loading and temperature."""
        return results.haven_ratio(self)

    def arrhenius(
        self, *, windows_C: Sequence[tuple[float, float]] = (), reference_C: float = REFERENCE_C
    ) -> Arrhenius:
        """Temperature dependence of every loading: one line, two with a break, VFT; E_a in windows of temperature."""
        return temperature_laws.arrhenius(
            results.analysis_of(self).points,
            self.records[0].composition_name,
            windows_C=windows_C,
            reference_C=reference_C,
        )

    def optimum(self) -> Result:
        """Best loading at every temperature."""
        return results.optimum(self)

    def ordered_fillings(self, temperature: float) -> OrderedFillings:
        """Find the loadings at which the ions order, with what speaks for it, at the temperature nearest to one in K.

        Raises
        ------
        InputError
            If the loadings allow no optimum.
        """
        return fillings_of_run(self, temperature)

    def transference(self) -> Result:
        """Transference numbers, electrical and steady-state, of every ion at every loading and temperature."""
        return results.transference(self)

    def onsager(self, loading: float, temperature: float) -> OnsagerMatrix:
        """Matrix sigma_ij of the loading and temperature (K) nearest to those given."""
        return onsager_matrix(self.displacements(loading, temperature))

    def transport(self, loading: float, temperature: float) -> Transport:
        """All transport coefficients of the loading and temperature (K) nearest to those given."""
        return transport(self.displacements(loading, temperature))

    def anisotropy(self, loading: float, temperature: float) -> Anisotropy:
        """Tensors of sigma, D_J and D* at the loading and temperature (K) nearest to those given."""
        return anisotropy(self.displacements(loading, temperature))

    def drift_mobility(
        self, loading: float, temperature: float, *, axis: Sequence[float] | None = None
    ) -> DriftMobility:
        """Response to the fields of the run at the loading and temperature (K) nearest to those given.

        Parameters
        ----------
        loading, temperature : float
        axis : (3,) sequence of float, optional
            Direction of the fields, where there are several.

        Raises
        ------
        InputError
            If the axis is no vector, the run has no task in a field, or fields along several axes and none is chosen.
        """
        if axis is not None and np.shape(axis) != (3,):
            raise InputError(f"axis: expected three components; found {axis!r}")
        free = self.displacements(loading, temperature)
        of_fields: dict[tuple[float, ...], list[TaskRecord]] = {}
        place = self.replicas(loading, temperature)[0]
        for record in self.in_field:
            same = (record.composition, record.temperature) == (place.composition, place.temperature)
            if same and (
                axis is None or np.allclose(np.cross(record.field / np.linalg.norm(record.field), axis), 0, atol=1e-6)
            ):
                of_fields.setdefault(tuple(record.field.tolist()), []).append(record)
        return drift_mobility([free, *(Displacements.from_records(records) for records in of_fields.values())])

    def displacements(self, loading: float, temperature: float) -> Displacements:
        """Displacements of the replicas at the loading and temperature (K) nearest to those given."""
        cell = None if self.network is None else self.network.cell
        return Displacements.from_records(self.replicas(loading, temperature), cell=cell)

    def replicas(self, loading: float, temperature: float) -> tuple[TaskRecord, ...]:
        """Tasks without a field at the loading and temperature (K) nearest to those given."""
        free = [record for record in self.records if not record.field.any()]
        x, T = min(
            ((r.composition, r.temperature) for r in free),
            key=lambda place: (abs(place[0] - loading), abs(place[1] - temperature)),
        )
        return tuple(record for record in free if (record.composition, record.temperature) == (x, T))

    def trajectories(self, loading: float, temperature: float) -> list[Trajectory]:
        """Frames of the replicas at the loading and temperature (K) nearest to those given.

        Raises
        ------
        InputError
            If the run kept no frames (`frames_every` in the deck), or its network is not known.
        """
        network, tasks = self._network(), self.replicas(loading, temperature)
        return [Trajectory.from_task(self.folder / "tasks" / f"{task.key}.h5", network) for task in tasks]

    def spectrum(
        self, loading: float | None = None, temperature: float | None = None, *, direction: ArrayLike | None = None
    ) -> Spectrum:
        """Conductivity against frequency at the loading and temperature (K) nearest to those given.

        Parameters
        ----------
        loading : float, optional
            By default that of the largest conductivity.
        temperature : float, K, optional
            By default room temperature.
        direction : (3,) array_like, optional
            Of the field; the mean of all directions by default.
        """
        T = ROOM_TEMPERATURE if temperature is None else temperature
        x = results.best_loading(self, T) if loading is None else loading
        tasks = self.replicas(x, T)
        most = float("nan") if self.network is None else instantaneous_conductivity(tasks, self.network)
        return conductivity_spectrum(self.displacements(x, T), direction=direction, high_frequency=most)

    def impedance(self, cell: Cell, loading: float | None = None, temperature: float | None = None) -> Impedance:
        """Impedance of a cell filled with the electrolyte, of the same loading and temperature (K) as `spectrum`."""
        return impedance(self.spectrum(loading, temperature), cell)

    def occupation(self) -> Occupation:
        """Occupation of the sites, by orbit."""
        return occupation(self.records, self._network())

    def residence(self) -> Residence:
        """How long ions stay on the sites, by orbit."""
        return residence(self.records, self._network())

    def hop_counts(self) -> HopCounts:
        """Hops by orbit, and how many of them went back at once."""
        return hop_counts(self.records, self._network())

    def radial_distribution(self, loading: float, temperature: float) -> RadialDistribution:
        """Pair correlations of the ions at the loading and temperature (K) nearest to those given, from frames."""
        return radial_distribution(self.trajectories(loading, temperature))

    def van_hove(self, loading: float, temperature: float) -> VanHove:
        """Distances that ions cover, at the loading and temperature (K) nearest to those given, from frames."""
        return van_hove(self.trajectories(loading, temperature))

    def _network(self) -> PoreNetwork:
        if self.network is None:
            raise InputError(f"{self.folder / 'network.h5'}: expected the pore network of the run; found none")
        return self.network


def open_run(folder: Path | str) -> Run:
    """Read a campaign's folder; task files that are incomplete or damaged are left out with a statement.

    Raises
    ------
    InputError
        If the folder does not exist, holds no complete task, or holds tasks of several runs.
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
    if not any(not record.field.any() for record in records):
        found = f"{len(statements)} unreadable" if statements else "none"
        raise InputError(f"{folder / 'tasks'}: expected complete task files; found {found}")
    refuse_mixed(records, folder / "tasks")
    network_file, deck_file = folder / "network.h5", folder / "deck.toml"
    network = None
    if network_file.is_file():
        try:
            network = PoreNetwork.load(network_file)
        except (OSError, KeyError, ValueError) as error:
            statements.append(f"network.h5 left out: {(str(error).splitlines() or ['unreadable'])[0]}")
    deck = deck_file.read_text(encoding="utf-8") if deck_file.is_file() else ""
    records.sort(key=lambda record: record.key)
    plain = tuple(record for record in records if not record.field.any())
    in_field = tuple(record for record in records if record.field.any())
    return Run(folder, plain, network, deck, tuple(statements), in_field)


def refuse_mixed(records: Sequence[TaskRecord], where: Path | str = "records") -> None:
    """Refuse tasks of several runs: their numbers belong to different orbits, settings or species.

    Parameters
    ----------
    records : sequence of TaskRecord
    where : Path or str
        Opens the message.

    Raises
    ------
    InputError
        With the first difference and a task of each kind.
    """
    for field in ("composition_name", "network_hash", "settings", "rate_model", "species_names"):
        of = {str(getattr(record, field)): record.key for record in records}
        if len(of) > 1:
            found = ", ".join(f"{value[:12]} ({key})" for value, key in sorted(of.items())[:3])
            raise InputError(f"{where}: expected the tasks of one run, all of one {field}; found {found}")


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
    refuse_mixed(records)
    name = records[0].composition_name
    said = list(statements)
    driven = [record for record in records if record.field.any()]
    if driven:
        said.append(f"{len(driven)} tasks under a field are in no table of equilibrium")
        records = [record for record in records if not record.field.any()]
    groups: dict[tuple[float, float], list[TaskRecord]] = {}
    for record in sorted(records, key=lambda r: (r.composition, r.temperature, r.replica)):
        replicas = groups.setdefault((record.composition, record.temperature), [])
        if replicas and replicas[-1].replica == record.replica and replicas[-1].seed == record.seed:
            said.append(f"{record.key} left out: a second file of replica {record.replica}")
        else:
            replicas.append(record)
    said += missing_conditions(name, list(groups))
    points = [transport_at(group, network) for group in groups.values()]
    for point in points:
        said += point.statements
    said += _anisotropy(points)
    activation = _activation_table(name, points, said)
    optimum = _optimum_table(name, points, said)
    dilute = _dilute_table(records, network)
    return Analysis(
        name, pd.DataFrame([p.row for p in points]), activation, optimum, dilute, tuple(said), tuple(points)
    )


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
        low, *_, high = sorted(point.axes_chi2, key=lambda axis: axis.value)
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
        try:
            found = optimum_at(at)
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


def optimum_at(points: Sequence[Point]) -> Optimum:
    """Find the optimum loading of the points of one temperature, ascending in composition.

    Raises
    ------
    ValueError
        As `optimum_loading`.
    """
    known = [p for p in points if np.isfinite(p.sigma.value)]
    floor = 1e-2 * min((p.sigma.value for p in known if p.sigma.value > 0), default=0.0)
    error = [p.sigma.log_error for p in known]
    typical = float(np.nanmedian(error)) if np.isfinite(error).any() else 1.0
    return optimum_loading(
        [p.composition for p in known],
        [p.sigma_replica if p.sigma.value > 0 else (floor,) for p in known],
        rng=np.random.default_rng([BOOTSTRAP_SEED, round(1e3 * points[0].temperature)]),
        relative_error=np.where(np.isfinite(error), error, typical),
    )


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
