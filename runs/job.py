"""A deck from reading to results, stage by stage: what `mofkmc run` and `mofkmc check` do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console, RenderableType

from kmc.placement import place_ions
from lattice.supercell import Lattice, replicate
from runs.deck_changes import settings_checksum
from runs.deck_file import DeckFile
from runs.exit_status import COMPLETE, INCOMPLETE, INTERRUPTED
from runs.faults import writing
from runs.folder import ResultsFolder
from runs.job_reports import JobReports
from runs.model import Model, build_model, faults_of
from runs.plan import Task, without_field
from runs.progress import reporter
from runs.ranks import Ranks, find_ranks
from runs.rounds import grown, growth_of, has_rounds, next_growth, precision_lines, round_line
from runs.run_request import RunRequest
from runs.schedule import INTERRUPTED_BY_USER, Outcome, run_all
from runs.seeds import stream
from runs.signals import StopRequest, stop_by_signals, time_left
from runs.task import Setting, Workplace, run_task, simulated_time
from runs.text_tables import listing, output_console
from structures.errors import InputError

if TYPE_CHECKING:
    from analysis.campaign import Analysis
    from analysis.point import Point

# Tables and analysis need packages that take seconds to import; only the first of a thousand ranks does.

_CHECK_SECONDS = 1.0  # of all trials of a deck together


@dataclass(frozen=True, eq=False, slots=True)
class Job:
    """One call of `mofkmc run`.

    Attributes
    ----------
    file : DeckFile
    request : RunRequest
    folder : ResultsFolder
    ranks : Ranks
    stop : StopRequest
    reports : JobReports
    """

    file: DeckFile
    request: RunRequest
    folder: ResultsFolder
    ranks: Ranks
    stop: StopRequest
    reports: JobReports

    @property
    def threads(self) -> int:
        """Tasks at a time on this rank."""
        return self.request.threads or self.ranks.cores


def check_job(file: DeckFile, *, threads: int, trial: bool = True) -> None:
    """Print what a deck asks for and, unless there is to be no trial, how well sigma will be known.

    The network is built if the cache does not hold it.
    """
    from runs.check_tables import check_report

    console = output_console()
    with reporter(output_console(stderr=True)) as report:
        model = build_model(file, report)
    for part in check_report(model, threads):
        console.print(part)
    if trial:
        _print_precision(file, model, threads)


def _print_precision(file: DeckFile, model: Model, threads: int) -> None:
    """Tell from trials of a second in all how well sigma will be known."""
    from runs.planned_precision import planned_precision, precision_part
    from runs.trial_run import some_conditions, try_conditions

    setting = Setting(file, build_lattice(model, threads), model.network.content_hash)
    chosen = some_conditions(without_field(model.conditions))
    output_console(stderr=True).print(
        f"Trials of {len(chosen)} loadings and temperatures: {_CHECK_SECONDS:g} s in all, and the time to set them up "
        "(--no-trial leaves them out)"
    )
    with reporter(output_console(stderr=True)) as report:
        trials = try_conditions(setting, chosen, report, seconds=_CHECK_SECONDS)
        found = planned_precision(setting, trials)
    output_console().print(precision_part(found, file.deck.scan.sigma_relative_error, file.deck.scan.ceiling))


def run_job(file: DeckFile, request: RunRequest) -> int:
    """Compute, analyse, print and write a whole deck, or what is still missing of it.

    Returns
    -------
    int
        Exit status: 0 all tasks done, or stopped and ready to go on; 1 some failed; 130 interrupted.

    Raises
    ------
    InputError
        As `whole_run`.
    """
    return exit_status(whole_run(file, request))


def whole_run(file: DeckFile, request: RunRequest) -> Outcome[Path]:
    """Run a deck from its network to its tables, and tell what became of its tasks.

    Every process that a launcher has started calls this; the first one alone prints, and writes what is of no task.

    Raises
    ------
    InputError
        If the deck cannot be run, or its folder is in use, cannot be written or holds something else.
    """
    ranks, stop = find_ranks(), StopRequest(*time_left(request.time_limit_s))
    reports = JobReports(request, ranks)
    folder = ResultsFolder(request.fork or request.output, request.force)
    job, alone = Job(file, request, folder, ranks, stop, reports), False
    with stop_by_signals(stop, at_once=True), ExitStack() as held:
        try:
            model, lattice = build(job)
            reports.show(lambda: begin_report(model))
            setting = Setting(model.file, lattice, model.network.content_hash)
            ranks.on_first(lambda: take_folder(job, model, setting, held))
            reports.open_log(folder, job.threads, held)
            with stop_by_signals(stop, at_once=False):
                model, outcome = simulate(job, model, setting)
            for line in failure_lines(outcome.failures):
                reports.say_once(line)
            if ranks.is_first and not outcome.interrupted and any(folder.tasks.glob("*.h5")):
                present(model, folder, reports.console)
        except KeyboardInterrupt:  # where nothing is half done
            outcome, alone = Outcome(interrupted=True, reason=stop.reason() or INTERRUPTED_BY_USER), True
        if outcome.interrupted:
            reports.say_once(kept_line(outcome.reason, folder))
        reports.end(outcome.reason, exit_status(outcome))
    if alone:
        ranks.abandon(exit_status(outcome))  # the other ranks may wait for this one
    return outcome


def build(job: Job) -> tuple[Model, Lattice]:
    """Decide whether the folder is begun or continued, and make the deck concrete: network, tasks, interactions.

    Raises
    ------
    InputError
        For everything in deck, CIF or folder that is in the way.
    """
    folder, ranks = job.folder, job.ranks
    if job.request.fork is not None:
        ranks.on_first(lambda: folder.check_for_fork(ResultsFolder(job.request.output)))
    ranks.on_first(lambda: folder.check(job.reports.say))
    beginning = ranks.on_first(lambda: folder.decide(job.file, job.request.extend))
    # further temperatures can change the network, which is then not the one of the tasks that are there: refused
    same = beginning.continued and not any(key.startswith("temperatures") for key in beginning.extended)
    with job.reports.progress() as report:

        def load() -> Model:
            kept = folder.read_network(job.reports.say) if same else None
            return build_model(beginning.file, report, kept=kept)

        model = ranks.on_first(load)
        lattice = ranks.together(lambda: build_lattice(model, job.threads, ranks))
    return model, lattice


def build_lattice(model: Model, threads: int, ranks: Ranks | None = None) -> Lattice:
    """Tabulate the interactions of the supercell, and make sure that the ions of every loading find room in it.

    Raises
    ------
    InputError
        If the tables of all simultaneous tasks do not fit in memory, an ion meets its own exclusion image, or the ions
        find no room.
    """
    ranks = ranks or Ranks()
    with faults_of(model.file):
        lattice = replicate(
            model.network,
            model.deck.lattice.repeats,
            interaction=model.interaction,
            pair_overrides=model.pair_overrides,
            tasks=model.simultaneous(threads * ranks.on_node),
            share=ranks.shared,
        )
        for loading in model.loadings if ranks.is_first else ():
            rng = stream(model.deck.scan.seed, f"room for {loading.key}")
            try:
                place_ions(lattice, loading.counts, rng, temperature=model.deck.scan.temperatures[-1])
            except InputError as error:
                raise InputError(f"[scan] {loading.name} = {loading.value:g}: {error}") from None
    return lattice


def take_folder(job: Job, model: Model, setting: Setting, held: ExitStack) -> None:
    """Lock the folder until the end of the run, and put deck and network in it, and what a fork takes over.

    Raises
    ------
    InputError
        If another process was faster.
    """
    folder, request = job.folder, job.request
    folder.path.mkdir(parents=True, exist_ok=True)
    held.enter_context(folder.lock.held(job.reports.say, job.stop.ask))
    folder.begin(folder.decide(job.file, request.extend), setting.network_hash)
    with writing(folder.network):
        model.network.save(folder.network)
    take_from_fork(job, setting, model.tasks)


def take_from_fork(job: Job, setting: Setting, tasks: Sequence[Task]) -> None:
    """Copy what is the same in the folder that this one was forked from, if it was."""
    if job.request.fork is not None:
        labels = [setting.label(task) for task in tasks]
        taken = job.folder.take_over(ResultsFolder(job.request.output), labels)
        job.reports.note(f"{job.folder.path}: {taken} of {len(labels)} tasks taken over from {job.request.output}")


def simulate(job: Job, model: Model, setting: Setting) -> tuple[Model, Outcome[Path]]:
    """Run the tasks of the deck, then round by round those that the results ask for.

    Returns
    -------
    Model
        With what the rounds have added.
    Outcome
        Of all rounds.
    """
    ranks, folder, of = job.ranks, job.folder, (setting.settings, setting.network_hash)
    rounds = has_rounds(model.deck.scan)
    growth = growth_of(ranks.on_first(lambda: folder.read_rounds(*of)) if rounds else {})
    model = grown(model, growth)
    tasks = unfinished(job, setting, model.tasks)
    if len(tasks) < len(model.tasks):
        done = len(model.tasks) - len(tasks)
        job.reports.note(f"{folder.path}: going on, {done} of {len(model.tasks)} tasks are finished")
    outcome = run_tasks(job, setting, tasks, stage="Kinetic Monte Carlo")
    points: dict[str, Point] = {}
    while rounds and not outcome.interrupted:
        growth, points = next_growth(model, setting, growth, points, folder, ranks)
        ranks.on_first(partial(folder.write_rounds, growth.record(), *of))
        larger = grown(model, growth)
        before = {task.key for task in model.tasks}
        added = [task for task in larger.tasks if task.key not in before]
        if not added:
            break
        job.reports.note(round_line(model, larger, growth))
        ranks.on_first(partial(take_from_fork, job, setting, added))
        further = run_tasks(job, setting, unfinished(job, setting, added), stage="Further tasks")
        further.failures = {**outcome.failures, **further.failures}
        model, outcome = larger, further
    return model, outcome


def run_tasks(job: Job, setting: Setting, tasks: Sequence[Task], *, stage: str) -> Outcome[Path]:
    """Run tasks: first the simulated time of their conditions, then every replica."""
    hosts, reports = len(job.ranks.hosts), job.reports
    workplace = Workplace(job.folder, reports.say, reports.checkpoint, hosts, job.ranks.size, job.threads)
    times, chosen = simulated_times(job, setting, tasks)
    if chosen.interrupted:
        return Outcome(failures=chosen.failures, interrupted=True, reason=chosen.reason)
    jobs = {
        task.key: partial(run_task, setting, task, times[task.condition.key], workplace)
        for task in tasks
        if task.condition.key in times
    }
    if not jobs:
        return Outcome(failures=chosen.failures)
    with reports.progress() as report:
        outcome = run_all(
            jobs,
            threads=job.threads,
            stage=f"{stage}, {len(jobs)} tasks",
            report=report,
            ranks=job.ranks,
            stop_reason=job.stop.reason,
            tell=reports.task,
        )
    outcome.failures = {**chosen.failures, **outcome.failures}
    return outcome


def unfinished(job: Job, setting: Setting, tasks: Sequence[Task]) -> list[Task]:
    """Tasks without a file that can be used, first replicas first and of each replica those with most ions.

    So an interrupted run is a coarser whole, and no long task is left for the end. The ranks share the files that have
    to be looked at.
    """
    mine = []
    for task in tasks[job.ranks.rank :: job.ranks.size]:
        label = setting.label(task)
        if job.folder.is_finished(label, job.reports.say):
            mine.append(task.key)
            job.folder.checkpoints(label, job.reports.say).remove()
    finished = {key for keys in job.ranks.gather_all(mine) for key in keys}
    missing = [task for task in tasks if task.key not in finished]
    return sorted(missing, key=lambda task: (task.replica, -sum(task.condition.loading.counts.values())))


def simulated_times(job: Job, setting: Setting, tasks: Sequence[Task]) -> tuple[dict[str, float], Outcome[float]]:
    """Give the simulated time of every condition, s, as an earlier part of the calculation chose it, or choose it."""
    ranks, of = job.ranks, (setting.settings, setting.network_hash)
    times = ranks.on_first(lambda: job.folder.read_times(*of))
    conditions = {task.condition.key: task.condition for task in tasks if task.condition.key not in times}
    if not conditions:
        return times, Outcome()
    with job.reports.progress() as report:
        outcome = run_all(
            {key: partial(simulated_time, setting, condition) for key, condition in conditions.items()},
            threads=job.threads,
            stage="Choosing simulated times",
            report=report,
            ranks=ranks,
            stop_reason=job.stop.reason,
        )
    for chosen in ranks.gather_all(outcome.results):
        times |= chosen
    ranks.on_first(lambda: job.folder.write_times(times, *of))
    return times, outcome


def begin_report(model: Model) -> Iterator[RenderableType]:
    """Yield what is known before the first task: network, and ions of every loading."""
    from runs.check_tables import loading_part
    from runs.composition import uptake_line
    from runs.network_tables import network_report

    yield from network_report(model.network, model.deck.scan.temperatures[0])
    yield loading_part(model.loadings, model.network, uptake_line(model.deck, model.network))


def present(model: Model, folder: ResultsFolder, console: Console) -> None:
    """Analyse the task files; write the tables, print them, and draw the plots, so that nothing computed is lost."""
    from analysis.campaign import open_run
    from runs.assumptions import assumptions
    from runs.flicker_table import flicker_part
    from runs.result_tables import result_report
    from runs.window_tables import windows_part

    run = open_run(folder.path)
    analysis = run.analyse()
    assumed = assumptions(model, run.records)
    added = growth_of(folder.read_rounds(settings_checksum(model.deck), model.network.content_hash))
    precision = tuple(precision_lines(added, model.deck.scan))
    try:
        with writing(folder.path):
            analysis.write_tables(folder.path)
        folder.write_remarks((*analysis.statements, *precision, *assumed.lines))
    finally:  # a full disk is no reason not to show the results
        for part in result_report(analysis, assumed, material=model.material):
            console.print(part)
        for part in (*windows_part(analysis, model.deck.output.windows_C), *flicker_part(run)):
            console.print(part)
        if precision:
            console.print(listing("Rounds", precision))
    n_files = len(run.records) + len(run.in_field)
    written = ["deck.toml", "network.h5", f"tasks/ ({n_files} files)", "summary.csv", "activation.csv"]
    written += ["optimum.csv", folder.remarks.name]
    if model.deck.output.plots:
        written += write_plots(analysis, model, folder)
    console.print(f"\nWritten to {folder.path}: {', '.join(written)}", markup=False)


def write_plots(analysis: Analysis, model: Model, folder: ResultsFolder) -> list[str]:
    """Draw conductivity against temperature and loading, and the network; return the names of the files."""
    from analysis.plots import save_arrhenius, save_loading, save_network
    from runs.assumptions import footnotes

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
        lines.append(f"{keys[0]}{others} failed: {reason}")
    return lines


def kept_line(reason: str, folder: ResultsFolder) -> str:
    """Say why the run has ended early, what there is, and how to go on."""
    done, kept = len(list(folder.tasks.glob("*.h5"))), len(folder.tasks_with_checkpoint())
    finished = "1 task is finished and stays" if done == 1 else f"{done} tasks are finished and stay"
    there = f"{finished} readable in {folder.tasks}" if done else "no task is finished" if kept else "no task has begun"
    others = f", {kept}{' more' if done else ''} {'goes' if kept == 1 else 'go'} on from a checkpoint" if kept else ""
    return f"{reason}; {there}{others}: resume with the same command"


def exit_status(outcome: Outcome[Path]) -> int:
    """Status of the program after the tasks."""
    if outcome.reason == INTERRUPTED_BY_USER:
        return INTERRUPTED
    return INCOMPLETE if outcome.failures else COMPLETE
