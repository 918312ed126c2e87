"""The tables of a study: samples, best loadings, what each assumption is worth, defects; printed and written."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from rich.console import RenderableType
from rich.text import Text

from analysis.campaign import open_run
from analysis.csv_tables import write_csv
from analysis.experiments import ROOM, measured_at, paper
from analysis.plot_style import save_figure
from analysis.results import analysis_of
from analysis.study import (
    Asked,
    StudiedRun,
    curve_table,
    groups,
    pooled,
    scan_table,
    sharpness_lines,
    significance_lines,
    variation_table,
)
from analysis.study_cells import cell_tables, separators
from analysis.study_markdown import samples_markdown, steps_markdown
from analysis.study_samples import CALIBRATED, exchange_of, sample_table
from analysis.study_steps import step_table
from runs.assumptions import GROUPS
from runs.cells_job import shares_part
from runs.faults import writing
from runs.progress import Reporter, silent
from runs.result_tables import records
from runs.study import Member, StudyFile
from runs.text_tables import TextTable, listing
from structures.errors import InputError
from structures.units import CELSIUS_ZERO

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from analysis.separators import Separator


@dataclass(frozen=True, eq=False, slots=True)
class StudyResults:
    """What the runs of a study have come to.

    Attributes
    ----------
    samples : DataFrame
        Measured values beside computed ones, see `analysis.study_samples.sample_table`.
    scans, curves, variations, defects : dict of str to DataFrame
        By the name of the entry.
    cells : dict of str to dict of str to DataFrame
        By material: "overpotential" and "rates", see `analysis.study_cells.cell_tables`.
    steps : DataFrame
        From sample to sample, see `analysis.study_steps.step_table`.
    missing : tuple of str
        Runs that are not in the tables, and why.
    """

    samples: pd.DataFrame
    scans: dict[str, pd.DataFrame]
    curves: dict[str, pd.DataFrame]
    variations: dict[str, pd.DataFrame]
    defects: dict[str, pd.DataFrame]
    cells: dict[str, dict[str, pd.DataFrame]]
    steps: pd.DataFrame
    missing: tuple[str, ...]

    def write(self, folder: Path, material: str) -> tuple[str, ...]:
        """Write every table as CSV and draw it; return the names of the files."""
        tables: dict[str, pd.DataFrame] = {"samples": self.samples, "steps": self.steps}
        tables |= {**self.scans, **self.variations, **self.defects}
        tables |= {f"{name}_curves": table for name, table in self.curves.items()}
        for of_cells, found in self.cells.items():
            tables |= {f"cells_{of_cells}_{what}": table for what, table in found.items()}
        written = []
        with writing(folder):
            for name, table in tables.items():
                if len(table):
                    write_csv(folder / f"{name}.csv", table)
                    written.append(f"{name}.csv")
            for name, page in (
                ("samples", samples_markdown(self.samples)),
                ("steps", steps_markdown(self.steps)),
            ):
                if f"{name}.csv" in written:
                    (folder / f"{name}.md").write_text(page, encoding="utf-8")
                    written.append(f"{name}.md")
            for name, axes in self._pictures(material):
                save_figure(axes.figure, folder / f"{name}.png")
                written.append(f"{name}.png")
        return tuple(written)

    def _pictures(self, material: str) -> Iterator[tuple[str, Axes]]:
        from analysis import study_plots

        for name, table in self.scans.items():
            yield name, study_plots.scan_panels(self.curves[name], material=material)
            labels = list(table.columns[: list(table.columns).index("x*")])
            if len(labels) == 2:
                yield f"{name}_map", study_plots.optimum_map(table, labels[0], labels[1])
        for name, table in self.variations.items():
            quantities = [q for q in dict.fromkeys(table["quantity"]) if q == Asked("sigma").name]
            for quantity in quantities:
                yield name, study_plots.changes(table, quantity)


def study_results(
    study: StudyFile,
    folder: Path,
    members: Sequence[Member],
    reasons: Mapping[str, str],
    targets: Sequence[tuple[str, float]],
    report: Reporter = silent,
) -> StudyResults:
    """Analyse the runs of a study.

    Parameters
    ----------
    study : StudyFile
    folder : Path
        In which every run has its own.
    members : sequence of Member
    reasons : Mapping of str to str
        Why a run is not complete, by its name.
    targets : sequence of (str, float)
        Sample and temperature, °C, of every conductivity that a calibration was fitted to.
    report : Reporter
        Told of the progress.
    """
    runs: dict[str, list[StudiedRun]] = {}
    missing = [f"{name}: {reason}" for name, reason in reasons.items()]
    for n, member in enumerate(members):
        report("analysis", n / len(members), member.name)
        try:
            run = open_run(folder / member.name)
            analysis_of(run)
        except InputError as error:
            if member.name not in reasons:
                missing.append(f"{member.name}: {error}")
            continue
        one = StudiedRun(member.run.name, member.labels, run, member.draw, member.is_calibrated, member.realisation)
        runs.setdefault(member.run.name, []).append(one)
    report("analysis", 1.0)
    entries = [entry for entry in study.tables.run if entry.name in runs]
    windows = {
        member.run.name: [(low + CELSIUS_ZERO, high + CELSIUS_ZERO) for low, high in member.file.deck.output.windows_C]
        for member in members
    }
    variations = {
        entry.name: variation_table(runs[entry.name], runs[entry.against], windows[entry.against])
        for entry in entries
        if entry.role == "variation" and entry.against in runs
    }
    missing += [
        f"{entry.name}: nothing to compare with, {entry.against} is not there"
        for entry in entries
        if entry.role == "variation" and entry.against not in runs
    ]
    loadings = list(measured_at(study.material))
    of_cells: dict[str, list[Separator]] = {}
    for entry in entries:
        if entry.cells:
            exchange = exchange_of(entry.cells, entry.sample) if entry.sample else None
            made, without = separators(entry.cells, runs[entry.name], exchange)
            of_cells.setdefault(entry.cells, []).extend(made)
            missing += without
    samples = [(entry.sample, entry.note, runs[entry.name]) for entry in entries if entry.role == "sample"]
    framework = {member.run.name: _framework(member) for member in members}
    sampled = {framework[entry.name] for entry in entries if entry.role == "sample"}
    of_samples = [table for name, table in variations.items() if framework[name] in sampled]
    return StudyResults(
        samples=sample_table(study.material, samples, targets, of_samples),
        scans={e.name: scan_table(runs[e.name], loadings=loadings) for e in entries if e.role == "scan"},
        curves={entry.name: curve_table(runs[entry.name]) for entry in entries if entry.role == "scan"},
        variations=variations,
        defects={e.name: defect_table(runs[e.name]) for e in entries if e.role == "defects"},
        cells={name: cell_tables(name, found) for name, found in of_cells.items()},
        steps=step_table(study.material, samples) if samples else pd.DataFrame(),
        missing=tuple(missing),
    )


def defect_table(runs: Sequence[StudiedRun]) -> pd.DataFrame:
    """Conductivity of every loading and temperature against what is missing, over the realisations."""
    rows = []
    for same in groups(runs).values():
        found = analysis_of(same[0].run)
        for x in sorted({point.composition for point in found.points}):
            for T in sorted({point.temperature for point in found.points}):
                value = pooled(same, Asked("sigma", T, T), x)
                rows.append({
                    **same[0].labels,
                    found.composition_name: x,
                    "T (K)": T,
                    "sigma (S/cm)": value.value,
                    "sigma lo (S/cm)": value.lo,
                    "sigma hi (S/cm)": value.hi,
                    "realisations": len(same),
                })  # fmt: skip
    return pd.DataFrame(rows)


def study_report(study: StudyFile, results: StudyResults, *, quick: bool) -> Iterator[RenderableType]:
    """Yield all tables of a study."""
    mark = "; quick: few replicas and variations, wide intervals" if quick else ""
    yield Text(f"\n{study.tables.study.title}{mark}", style="bold underline")
    if len(results.samples):
        yield samples_part(results.samples)
    if len(results.steps):
        yield steps_part(results.steps)
    known = measured_at(study.material)
    for name, table in results.scans.items():
        yield scan_part(name, table)
        if lines := sharpness_lines(table, known):
            yield listing(f"{name}: is any of them as sharp as the measured maximum?", lines)
    for name, table in results.variations.items():
        yield variation_part(name, table)
        if lines := significance_lines(table):
            yield listing(f"{name}: how many quantities are known to change?", lines)
    for name, table in results.defects.items():
        yield defect_part(name, table)
    for name, tables in results.cells.items():
        if "overpotential" in tables:
            yield shares_part(tables["overpotential"], paper(name))
        if "rates" in tables:
            yield rates_part(name, tables["rates"])
    if results.missing:
        yield listing("Not in the tables", results.missing)


def common_assumptions(folder: Path, members: Sequence[Member]) -> Iterator[RenderableType]:
    """Yield what all runs on the same structure rest on; what differs stands in the remarks.txt of each."""
    lines: dict[str, list[list[str]]] = {}
    for member in members:
        remarks = folder / member.name / "remarks.txt"
        if remarks.is_file():
            said = remarks.read_text(encoding="utf-8").splitlines()
            own = [line for line in said if line.startswith(tuple(f"{group}: " for group in GROUPS))]
            lines.setdefault(_framework(member), []).append(own)
    for name, of_runs in lines.items():
        common = [line for line in of_runs[0] if all(line in own for own in of_runs[1:])]
        runs = "the run" if len(of_runs) == 1 else f"all {len(of_runs)} runs"
        yield listing(f"Assumptions of {runs} on {name}; more in the remarks.txt of each", common)


def _framework(member: Member) -> str:
    structure = member.file.deck.structure
    return structure.cif or structure.sites or ""


def samples_part(table: pd.DataFrame) -> TextTable:
    """Measured values beside computed ones."""
    made = TextTable(
        "Measured and computed, 95 % intervals",
        ("<sample", "<quantity", "measured", "computed", "+interval", "<", "<agrees", "~why"),
        keys=2,
    )
    previous = None
    for row in records(table):
        note = row["note"] if isinstance(row["note"], str) else ""
        sample = f"{row['sample']}, x {row['x']:.4f}{f', {note}' if note else ''}"
        if previous not in (None, sample):
            made.add_section()
        made.add_row(
            sample if sample != previous else "",
            row["quantity"],
            _number(row["measured"]),
            _number(row["computed"]),
            _interval(row["computed lo"], row["computed hi"]),
            row["status"],
            row["agrees"],
            row["why"],
        )
        previous = sample
    made.caption = (
        f"x: as simulated, in whole ions. {CALIBRATED}: the parameters were fitted to this value; everything else is "
        "predicted. Intervals: statistics and, where there are draws, parameters of the fit; not what the model lacks."
    )
    return made


def steps_part(table: pd.DataFrame) -> TextTable:
    """Ratios of the conductivities of neighbouring samples."""
    made = TextTable(
        "From sample to sample at 25 °C, with the same parameters on both sides",
        ("<from", "<to", "measured", "computed", "+interval", "+of a further set", "least", "most", "sets"),
        keys=2,
    )
    for row in records(table):
        made.add_row(
            f"{row['from']}, x {row['x from']:.4f}",
            f"{row['to']}, x {row['x to']:.4f}",
            _number(row["measured"]),
            _number(row["computed"]),
            _interval(row["computed lo"], row["computed hi"]),
            _interval(row["next lo"], row["next hi"]),
            _number(row["lowest"]),
            _number(row["highest"]),
            str(row["sets"]),
        )
    made.caption = (
        "Geometric mean over the sets of parameters, the best one and the draws; the scatter holds statistics and "
        "parameters."
    )
    return made


def scan_part(name: str, table: pd.DataFrame) -> TextTable:
    """Best loadings and how sharp the maxima are."""
    ratios = [c for c in table.columns if re.fullmatch(r"sigma\(.*\)/sigma\([^)]*\)", c)]
    labels = list(table.columns[: list(table.columns).index("x*")])
    short = [ratio.replace("sigma", "σ") for ratio in ratios]
    heads = [text for one in short for text in (one, "+interval")]
    made = TextTable(
        f"{name}: the best loading at {ROOM - CELSIUS_ZERO:.0f} °C",
        (*(f"<{label}" for label in labels), "x*", "+interval", "<", "sigma there, S/cm", *heads),
        keys=max(1, len(labels)),
    )
    for row in records(table):
        made.add_row(
            *(str(row[label]) for label in labels),
            _number(row["x*"]),
            _interval(row["x* lo"], row["x* hi"]),
            "bound" if row["bound"] else "",
            _number(row["sigma at x* (S/cm)"]),
            *(text for r in ratios for text in (_number(row[r]), _interval(row[f"{r} lo"], row[f"{r} hi"]))),
        )
    made.caption = (
        "bound: sigma is largest at an end of the scan, which is no optimum. Loadings are rounded to whole ions. "
        "Intervals are statistical, at one set of parameters; what was fitted is not fitted again where something else "
        "is varied."
    )
    return made


def variation_part(name: str, table: pd.DataFrame) -> TextTable:
    """Show what changes with each assumption."""
    made = TextTable(
        f"{name}: what changes",
        ("<varied", "<to", "loading", "<quantity", "value", "+interval", "change", "+interval"),
        keys=2,
    )
    previous = None
    for row in records(table):
        place = row["varied"], row["to"]
        if previous not in (None, place):
            made.add_section()
        sign = "× " if row["compared by"] == "ratio" else ""
        made.add_row(
            row["varied"] if place != previous else "",
            row["to"] if place != previous else "",
            f"{row['loading']:.3g}",
            row["quantity"],
            _number(row["value"]),
            _interval(row["value lo"], row["value hi"]),
            sign + _number(row["change"]) + (" *" if row["significant"] else ""),
            _interval(row["change lo"], row["change hi"]),
        )
        previous = place
    made.caption = (
        "change: ratio (×) of conductivities, difference of energies and of transference numbers. * The 95 % interval "
        "tells it apart from none. One thing at a time; what was fitted is not fitted again."
    )
    return made


def defect_part(name: str, table: pd.DataFrame) -> TextTable:
    """Conductivity against what is missing."""
    end = list(table.columns).index("T (K)")
    labels = list(table.columns[: end - 1])
    loading = str(table.columns[end - 1])
    made = TextTable(
        f"{name}: sigma over realisations of the defects",
        (*(f"<{label}" for label in labels), loading, "T, °C", "sigma, S/cm", "+interval", "realisations"),
        keys=len(labels) + 1,
    )
    for row in records(table):
        made.add_row(
            *(str(row[label]) for label in labels),
            f"{row[loading]:.3g}",
            f"{row['T (K)'] - CELSIUS_ZERO:.0f}",
            _number(row["sigma (S/cm)"]),
            _interval(row["sigma lo (S/cm)"], row["sigma hi (S/cm)"]),
            str(row["realisations"]),
        )
    return made


def rates_part(name: str, table: pd.DataFrame) -> TextTable:
    """Show what of the capacity that is lost at the fastest printed rate depletion of the separator can account for."""
    made = TextTable(
        f"{name}: what the separator lets through at the fastest printed rates",
        (
            "<separator",
            "<cell",
            "mAh/cm²",
            "<rate",
            "ohmic, mV",
            "+interval",
            "share of the lost capacity",
            "+interval",
        ),
        keys=2,
    )
    for _, rates in table.groupby(["separator", "cell", "areal (mAh/cm2)"], sort=False):
        row = {str(name): value for name, value in rates.iloc[-1].items()}
        made.add_row(
            str(row["separator"]),
            str(row["cell"]),
            f"{row['areal (mAh/cm2)']:g}",
            str(row["rate"]),
            _number(row["ohmic (mV)"]),
            _interval(row["ohmic lo (mV)"], row["ohmic hi (mV)"]),
            *(
                (_number(row["share of loss"]), _interval(row["share of loss lo"], row["share of loss hi"]))
                if not row["transport hi (mAh/g)"] < row["measured (mAh/g)"]
                else (
                    f"none: at most {_number(row['transport (mAh/g)'])} of",
                    f"{_number(row['measured (mAh/g)'])} mAh/g",
                )
            ),
        )
    made.caption = (
        "The papers print no loading of the electrodes: two are assumed. Share: depletion of Li+ alone; what the ohmic "
        "drop takes from the voltage of the discharge comes on top and is not modelled. none: such a separator passes "
        "less than was measured, so that the model or this loading is wrong."
    )
    return made


def _number(value: float) -> str:
    return "-" if not math.isfinite(value) else f"{value:.3g}"


def _interval(lo: float, hi: float) -> str:
    return f"({_number(lo)} to {_number(hi)})" if math.isfinite(lo) or math.isfinite(hi) else ""
