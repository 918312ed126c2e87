"""The command line: a deck into results, results into tables, pages and files, and a CIF into a network."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from runs.calibrate_command import calibrate
from runs.cells_command import cells
from runs.cli_options import (
    extend_option,
    positive_option,
    set_option,
    time_option,
)
from runs.defects_command import defects
from runs.exit_status import INTERRUPTED, REFUSED
from runs.faults import fault_line
from runs.named_deck import named_deck
from runs.network_commands import network, refine
from structures.errors import InputError

# Packages that take a second to import are imported inside the commands: help and wrong options answer at once.


class Refusal(click.ClickException):
    """A mistake in the input, one line for each fault, exit status 2."""

    exit_code = REFUSED

    def show(self, file: Any = None) -> None:
        """Print the lines on stderr."""
        for line in self.message.splitlines():
            click.echo(f"mofkmc: {line}", file=file or sys.stderr)


class Program(click.Group):
    """The command group; turns what a user can mend into one line and a status."""

    def main(self, *arguments: Any, **extra: Any) -> Any:
        """Run the program as one of the processes that a launcher has started, or as the only one."""
        from runs.ranks import ending_together

        with ending_together():
            return super().main(*arguments, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command.

        Raises
        ------
        Refusal
            In place of an InputError, of a file that cannot be read or written, or of memory that is not there.
        """
        try:
            return super().invoke(ctx)
        except InputError as error:
            raise Refusal(str(error)) from None
        except BrokenPipeError:
            raise  # the reader of our output has gone; click ends without a word
        except click.UsageError:
            from runs.ranks import speaks

            if speaks():
                raise
            ctx.exit(REFUSED)  # all processes have the same options; one of them says it
        except (OSError, MemoryError) as error:
            raise Refusal(fault_line(error)) from None
        except KeyboardInterrupt:
            click.echo("mofkmc: interrupted", err=True)
            ctx.exit(INTERRUPTED)


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="mofkmc", prog_name="mofkmc")
def main() -> None:
    """Ion transport in metal-organic frameworks: from a CIF to conductivity, E_a and the best loading.

    \b
    Examples:
      mofkmc init ni_mof > my.toml     a deck to start from
      mofkmc plan my.toml              tasks, memory, storage and time that it asks for, before running it
      mofkmc run my.toml               run it; results in results/my
      mpirun -n 64 mofkmc run my.toml  on a cluster; the same command again goes on after a time limit or a crash
      mofkmc status results/my         how far it is, and the results so far
      mofkmc report results/my         one HTML page of it, to look at and to send
      mofkmc network my.cif --species Li+ --eps-r 10
    """  # noqa: D301


@main.command()
@click.argument("deck")
@click.option("--output", type=click.Path(path_type=Path), help="Folder of the results; default results/<deck name>.")
@click.option("--force", is_flag=True, help="Replace the results that an earlier run left in that folder.")
@click.option(
    "--fork",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder for a deck that has changed; what stays valid of the earlier results is taken over.",
)
@click.option(
    "--extend",
    multiple=True,
    callback=extend_option,
    metavar="KEY=NUMBERS",
    help="More replicas, loadings or temperatures than the deck has; nothing is computed again.",
)
@set_option
@click.option("--quick", is_flag=True, help="Of a study: with the few replicas and variations that it gives for that.")
@click.option(
    "--time-limit",
    "time_limit_s",
    callback=time_option,
    metavar="HH:MM:SS",
    help="Keep all states and end after this wall time; default: what the batch system allows.",
)
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    help="Tasks at a time on each rank; those without one share the events of large lattices; default: all cores.",
)
@click.option("--quiet", "-q", is_flag=True, help="Print results, warnings and failures only.")
@click.option("--verbose", "-v", is_flag=True, help="Print a line whenever a task begins, ends or keeps its state.")
def run(
    deck: str,
    output: Path | None,
    extend: dict[str, tuple[float, ...]],
    values: dict[str, Any],
    quick: bool,
    **options: Any,
) -> None:
    """Run a whole calculation: network, kinetic Monte Carlo, conductivity, plots.

    DECK is a TOML file, or the name of a deck that comes with mofkmc (ni_mof, mof5). After an interruption of any kind
    the same command goes on where it stopped. Ranks, threads and interruptions change no number. A study, such as
    papers, is a file that names several decks and what is varied in them.

    \b
    Examples:
      mofkmc run ni_mof
      mofkmc run my_deck.toml --output results/try2
      mofkmc run my_deck.toml --extend replicas=16
      mofkmc run ni_mof --set landscape.permittivity=5 --output results/eps5
      mpirun -n 64 mofkmc run my_deck.toml --threads 1 --time-limit 23:50:00
      mofkmc run papers --quick
    """  # noqa: D301
    from runs.ranks import find_ranks
    from runs.run_request import RunRequest
    from runs.study import study_named

    ranks = find_ranks()
    study = ranks.on_first(lambda: study_named(deck))
    if study is not None:
        if extend or values or options["fork"]:
            raise InputError(f"{deck}: expected no --extend, --set or --fork with a study; change the study")
        from runs.study_job import study_job

        folder = Path("results") / f"{study.path.stem}{'_quick' if quick else ''}"
        status = study_job(study, RunRequest(output=output or folder, **options), quick=quick)
        if status:
            sys.exit(status)
        return
    if quick:
        raise InputError(f"--quick: expected a study, a file with a table [study], found the deck {deck}")
    file = ranks.on_first(lambda: named_deck(deck, extend, values))

    request = RunRequest(output=output or Path("results") / file.name, extend=extend, **options)

    from runs.job import run_job

    status = run_job(file, request)
    if status:
        sys.exit(status)


@main.command()
@click.argument("deck")
@click.option("--threads", type=click.IntRange(min=1), help="Tasks at a time that the memory is counted for.")
@click.option("--no-trial", is_flag=True, help="Run no trials; leaves out how well sigma will be known.")
@set_option
def check(deck: str, threads: int | None, no_trial: bool, values: dict[str, Any]) -> None:
    """Validate a deck; print every value with its unit, sites, ions, tasks, memory, and how well sigma will be known.

    Of a study all decks are checked, and what each asks for is printed.

    The pore network is taken from the cache, or built if it is not there yet: sites and ions depend on it. How well
    sigma will be known comes from trials: the simulations of up to 5 loadings and temperatures are set up and run for
    one second in all, and nothing of them is kept.

    \b
    Examples:
      mofkmc check ni_mof
      mofkmc check my_deck.toml --no-trial
    """  # noqa: D301
    from runs.study import study_named

    if (study := study_named(deck)) is not None:
        from runs.study import study_part
        from runs.text_tables import output_console

        output_console().print(study_part(study))
        return
    file = named_deck(deck, values=values)

    from runs.job import check_job
    from structures.cores import available_cores

    check_job(file, threads=threads or available_cores(), trial=not no_trial)


@main.command()
@click.argument("deck")
@click.option("--ranks", type=click.IntRange(min=1), default=1, show_default=True, help="Processes of mpirun.")
@click.option("--threads", type=click.IntRange(min=1), help="Tasks at a time on each of them; default: all cores here.")
@set_option
def plan(deck: str, ranks: int, threads: int | None, values: dict[str, Any]) -> None:
    """Tell what a deck will take: tasks, memory of a rank, storage, and the time on so many ranks.

    The time comes from some seconds of simulation on this machine. What the settings would waste is said, too.

    \b
    Examples:
      mofkmc plan ni_mof
      mofkmc plan my_deck.toml --ranks 64 --threads 1
    """  # noqa: D301
    file = named_deck(deck, values=values)

    from runs.plan_job import plan_job
    from structures.cores import available_cores

    plan_job(file, ranks=ranks, threads=threads or available_cores())


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--brief", is_flag=True, help="Leave out the results so far.")
def status(folder: Path, brief: bool) -> None:
    """Tell how far a run is: done, under way, failed, time left, and the results so far; of a study, how many runs.

    FOLDER is that of the results. It is only read, from any machine that sees it, while the run goes on or afterwards.

    \b
    Examples:
      mofkmc status results/ni_mof
      mofkmc status results/ni_mof --brief
    """  # noqa: D301
    from runs.status_job import status_job
    from runs.study_job import study_status

    if not study_status(folder):
        status_job(folder, brief=brief)


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--output", type=click.Path(path_type=Path), help="Folder for what is written; default: FOLDER itself.")
@click.option("--no-plots", is_flag=True, help="Leave out the pictures.")
def analyse(folder: Path, output: Path | None, no_plots: bool) -> None:
    """Analyse a run again from its files: tables, remarks and pictures.

    FOLDER is that of the results; tasks that are finished are enough. Writes summary.csv (one row for each loading and
    temperature, units in the column names), activation.csv, optimum.csv, statistics.csv, remarks.txt, and every picture
    as PNG and SVG.

    \b
    Examples:
      mofkmc analyse results/ni_mof
      mofkmc analyse results/ni_mof --output somewhere_else --no-plots
    """  # noqa: D301
    from runs.analyse_job import analyse_job

    analyse_job(folder, output=output, plots=not no_plots)


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--output", type=click.Path(path_type=Path), help="HTML file; default: report.html in FOLDER.")
@click.option("--experiment", default="", help="Measured values to compare with; default: those the deck names.")
@click.option("--thickness-cm", type=float, callback=positive_option, help="Of the impedance's cell; default 0.03.")
@click.option("--area-cm2", type=float, callback=positive_option, help="Of each of its electrodes; default 1.")
@click.option("--eps-inf", type=float, callback=positive_option, help="Permittivity without ions; default: the deck's.")
@click.option(
    "--electrode-F-per-cm2",
    "capacitance_F_per_cm2",
    type=float,
    callback=positive_option,
    help="Capacitance of each of two blocking electrodes; default: electrodes that do not block.",
)
def report(folder: Path, output: Path | None, experiment: str, **cell: float | None) -> None:
    """Write the results of a run as one HTML page: numbers with intervals, pictures, network, assumptions.

    The page needs no network and no other file; it can be read on a phone and sent by mail.

    \b
    Examples:
      mofkmc report results/ni_mof
      mofkmc report results/ni_mof --output ni_mof.html --experiment my_pellets.toml
      mofkmc report results/ni_mof --thickness-cm 0.05 --area-cm2 0.785 --electrode-F-per-cm2 1e-5
    """  # noqa: D301
    from runs.report_job import report_job

    given = {name: value for name, value in cell.items() if value is not None}
    report_job(folder, output=output, experiment=experiment, cell=given)


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--experiment",
    default="",
    help="ni_mof, mof5, or a TOML file of measured values; default: what the deck names.",
)
@click.option("--csv", type=click.Path(path_type=Path), help="File for the conductivities.")
def compare(folder: Path, experiment: str, csv: Path | None) -> None:
    """Put measured values beside computed ones: ratios with intervals, and z-scores. Nothing is fitted.

    \b
    Examples:
      mofkmc compare results/ni_mof --experiment ni_mof
      mofkmc compare results/ni_mof --experiment my_pellets.toml --csv comparison.csv
    """  # noqa: D301
    from runs.compare_job import compare_job

    compare_job(folder, experiment=experiment, csv=csv)


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "form",
    type=click.Choice(["h5md", "xyz", "npz"]),
    default="h5md",
    show_default=True,
    help="H5MD 1.1 (MDAnalysis, ASE, kinisi), extended XYZ (OVITO, ASE), or NumPy arrays (pymatgen).",
)
@click.option("--task", "tasks", multiple=True, help="Key of a task; can be given several times; default: all.")
@click.option("--output", type=click.Path(path_type=Path), help="Folder of the files; default: in FOLDER.")
@click.option("--ions-only", is_flag=True, help="Leave out the atoms of the framework.")
def export(folder: Path, form: str, tasks: tuple[str, ...], output: Path | None, ions_only: bool) -> None:
    """Write the frames of a run for other programs, one file for each task.

    Frames are there if the deck asked for them: [output] frames_every.

    \b
    Examples:
      mofkmc export results/ni_mof --format h5md
      mofkmc export results/ni_mof --format xyz --task x0.5000_T298.15K_r00
    """  # noqa: D301
    from runs.export_job import export_job

    export_job(folder, form, output=output, tasks=tasks, framework=not ions_only)


@main.command()
@click.argument("template", required=False)
@click.option("--every-key", is_flag=True, help="Of a deck: also the keys that it leaves out, as comments.")
def init(template: str | None, every_key: bool) -> None:
    """Print a file to start from: a deck (ni_mof, mof5) or a script for a batch system (slurm, slurm_array, pbs, lsf).

    \b
    Examples:
      mofkmc init ni_mof > my_deck.toml
      mofkmc init mof5 --every-key > my_deck.toml
      mofkmc init slurm > slurm.sh; sbatch slurm.sh my_deck.toml
    """  # noqa: D301
    from runs.init_job import batch_script, batch_scripts, deck_template, templates

    decks, scripts = templates(), batch_scripts()
    if template in scripts and not every_key:
        click.echo(batch_script(template), nl=False)
    elif template in decks:
        click.echo(deck_template(template, every_key=every_key), nl=False)
    else:
        expected = ", ".join(decks if every_key else (*decks, *scripts))
        raise InputError(f"init: expected one of {expected}, found {template or 'none'}")


for command in (calibrate, cells, defects, network, refine):
    main.add_command(command)


if __name__ == "__main__":
    main()
