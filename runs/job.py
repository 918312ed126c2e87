"""A deck from reading to results, stage by stage: what `mofkmc run` and `mofkmc check` do."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from rich.console import Console

from analysis.campaign import Analysis, open_run
from kmc.placement import place_ions
from lattice.supercell import Lattice, replicate
from runs.assumptions import assumptions, footnotes
from runs.check_tables import check_report, loading_part
from runs.deck_file import DeckFile
from runs.exit_status import COMPLETE, INCOMPLETE, INTERRUPTED
from runs.faults import writing
from runs.folder import ResultsFolder
from runs.model import Model, build_model, faults_of
from runs.network_tables import network_report
from runs.progress import Reporter, reporter
from runs.result_tables import result_report
from runs.schedule import Outcome, run_all
from runs.seeds import stream
from runs.task import Setting, run_task, simulated_time
from runs.text_tables import output_console
from structures.errors import InputError


def check_job(file: DeckFile, *, threads: int) -> None:
    """Print what a deck asks for and run nothing; the network is built if the cache does not hold it."""
    console = output_console()
    with reporter(output_console(stderr=True)) as report:
        model = build_model(file, report)
    for part in check_report(model, threads):
        console.print(part)
    build_lattice(model, threads)


def run_job(file: DeckFile, folder: ResultsFolder, *, threads: int) -> int:
    """Compute, analyse, print and write a whole deck.

    Returns
    -------
    int
        Exit status: 0 all tasks done, 1 some failed, 130 interrupted.
    """
    console, remarks = output_console(), output_console(stderr=True)
    with reporter(remarks) as report:
        model = build_model(file, report)
        lattice = build_lattice(model, threads)
    for part in network_report(model.network, model.deck.scan.temperatures[0]):
        console.print(part)
    console.print(loading_part(model.loadings, model.network))

    try:
        folder.claim(file.text)
        with writing(folder.network):
            model.network.save(folder.network)
        with reporter(remarks) as report:
            outcome = simulate(model, lattice, folder, threads=threads, report=report)
        for line in failure_lines(outcome.failures):
            remarks.print(line, markup=False, soft_wrap=True)
        if outcome.results and not outcome.interrupted:
            present(model, folder, console)
    except KeyboardInterrupt:
        outcome = Outcome(interrupted=True)
    if outcome.interrupted:
        remarks.print(_kept(model, folder), markup=False, soft_wrap=True)
        return INTERRUPTED
    return INCOMPLETE if outcome.failures else COMPLETE


def build_lattice(model: Model, threads: int) -> Lattice:
    """Tabulate the interactions of the supercell, and make sure that the ions of every loading find room in it.

    Raises
    ------
    InputError
        If the tables of all simultaneous tasks do not fit in memory, an ion meets its own exclusion image, or the ions
        find no room.
    """
    with faults_of(model.file.path.name):
        lattice = replicate(
            model.network,
            model.deck.lattice.repeats,
            pair_overrides=model.pair_overrides,
            tasks=model.simultaneous(threads),
        )
        for loading in model.loadings:
            rng = stream(model.deck.scan.seed, f"room for {loading.key}")
            try:
                place_ions(lattice, loading.counts, rng, temperature=model.deck.scan.temperatures[-1])
            except InputError as error:
                raise InputError(f"[scan] {loading.name} = {loading.value:g}: {error}") from None
    return lattice


def simulate(model: Model, lattice: Lattice, folder: ResultsFolder, *, threads: int, report: Reporter) -> Outcome[Path]:
    """Run all tasks: first the simulated time of every condition, then every replica; both on all threads."""
    setting = Setting(model.file, lattice, model.network.content_hash)
    pilots = {condition.key: partial(simulated_time, setting, condition) for condition in model.conditions}
    times = run_all(pilots, threads=threads, stage="Choosing simulated times", report=report)
    outcome: Outcome[Path] = Outcome(failures=dict(times.failures), interrupted=times.interrupted)
    if times.interrupted:
        return outcome
    jobs = {
        task.key: partial(run_task, setting, task, times.results[task.condition.key], folder.task(task.key))
        for task in model.tasks
        if task.condition.key in times.results
    }
    if jobs:
        done = run_all(jobs, threads=threads, stage=f"Kinetic Monte Carlo, {len(jobs)} tasks", report=report)
        outcome = Outcome(done.results, {**outcome.failures, **done.failures}, done.interrupted)
    return outcome


def present(model: Model, folder: ResultsFolder, console: Console) -> None:
    """Analyse the task files; write the tables, print them, and draw the plots, so that nothing computed is lost."""
    run = open_run(folder.path)
    analysis = run.analyse()
    assumed = assumptions(model, run.records)
    try:
        with writing(folder.path):
            analysis.write_tables(folder.path)
        folder.write_remarks((*analysis.statements, *assumed.lines))
    finally:  # a full disk is no reason not to show the results
        for part in result_report(analysis, model, assumed):
            console.print(part)
    written = ["deck.toml", "network.h5", f"tasks/ ({len(run.records)} files)", "summary.csv", "activation.csv"]
    written += ["optimum.csv", folder.remarks.name]
    if model.deck.output.plots:
        written += write_plots(analysis, model, folder)
    console.print(f"\nWritten to {folder.path}: {', '.join(written)}", markup=False)


def write_plots(analysis: Analysis, model: Model, folder: ResultsFolder) -> list[str]:
    """Draw conductivity against temperature and loading, and the network; return the names of the files."""
    from analysis.plots import save_arrhenius, save_loading, save_network

    material = model.deck.output.compare_with
    footnote = footnotes(model)
    with writing(folder.path):
        save_arrhenius(analysis, folder.path / "arrhenius.png", footnote=footnote)
        save_loading(
            analysis,
            folder.path / "loading.png",
            material=None if material == "nothing" else material,
            footnote=footnote,
        )
        save_network(model.network, folder.path / "network.png", footnote=footnote)
    return ["arrhenius.png", "loading.png", "network.png"]


def failure_lines(failures: Mapping[str, str]) -> list[str]:
    """Name the failed tasks, those of one reason in one line."""
    by_reason: dict[str, list[str]] = {}
    for key, reason in failures.items():
        by_reason.setdefault(reason, []).append(key)
    lines = []
    for reason, keys in by_reason.items():
        others = f" and {len(keys) - 1} others" if len(keys) > 1 else ""
        lines.append(f"mofkmc: {keys[0]}{others} failed: {reason}")
    return lines


def _kept(model: Model, folder: ResultsFolder) -> str:
    done, planned = len(list(folder.tasks.glob("*.h5"))), len(model.tasks)
    rest = "; unfinished ones left nothing" if done < planned else ""
    return f"mofkmc: interrupted; {done} of {planned} tasks are finished and stay readable in {folder.tasks}{rest}"
