"""The command line: `mofkmc run`, `mofkmc network`, `mofkmc check`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from runs.exit_status import INTERRUPTED, REFUSED
from runs.faults import fault_line
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
      mofkmc check ni_mof              what a shipped deck asks for, without running it
      mofkmc run ni_mof                run it; results in results/ni_mof
      mofkmc network my.cif --species Li+ --charge Zn=0.96 ...
    """  # noqa: D301


@main.command()
@click.argument("deck")
@click.option("--output", type=click.Path(path_type=Path), help="Folder of the results; default results/<deck name>.")
@click.option("--force", is_flag=True, help="Replace the results that an earlier run left in that folder.")
@click.option("--threads", type=click.IntRange(min=1), help="Tasks at a time; default: all cores. Changes no number.")
def run(deck: str, output: Path | None, force: bool, threads: int | None) -> None:
    """Run a whole calculation: network, kinetic Monte Carlo, conductivity, plots.

    DECK is a TOML file, or the name of a deck that comes with mofkmc (ni_mof, mof5).

    \b
    Examples:
      mofkmc run ni_mof
      mofkmc run my_deck.toml --output results/try2
      mofkmc run my_deck.toml --force --threads 2
    """  # noqa: D301
    from runs.deck_file import find_deck, read_deck
    from runs.folder import ResultsFolder
    from structures.cores import available_cores

    path, remark = find_deck(deck)
    file = read_deck(path)
    folder = ResultsFolder(output or Path("results") / file.name, force)
    folder.check()
    if remark:
        click.echo(f"mofkmc: {remark}", err=True)

    from runs.job import run_job

    status = run_job(file, folder, threads=threads or available_cores())
    if status:
        sys.exit(status)


@main.command()
@click.argument("deck")
@click.option("--threads", type=click.IntRange(min=1), help="Tasks at a time that the memory is counted for.")
def check(deck: str, threads: int | None) -> None:
    """Validate a deck; print every value with its unit, sites, ions, tasks and memory; run nothing.

    The pore network is taken from the cache, or built if it is not there yet: sites and ions depend on it.

    \b
    Examples:
      mofkmc check ni_mof
      mofkmc check my_deck.toml
    """  # noqa: D301
    from runs.deck_file import find_deck, read_deck
    from structures.cores import available_cores

    path, remark = find_deck(deck)
    file = read_deck(path)
    if remark:
        click.echo(f"mofkmc: {remark}", err=True)

    from runs.job import check_job

    check_job(file, threads=threads or available_cores())


def _charge(ctx: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, float]:
    charges = {}
    for text in values:
        name, _, number = text.rpartition("=")
        try:
            charges[name] = float(number)
        except ValueError:
            name = ""
        if not name:
            raise click.BadParameter(f"expected CLASS=CHARGE in e such as Ni=1.2, found {text!r}", ctx, parameter)
    return charges


@main.command()
@click.argument("cif")
@click.option("--species", multiple=True, required=True, help="Ion: Li+, Me2NH2+ or PF6-; can be given several times.")
@click.option("--output", type=click.Path(path_type=Path), help="Folder for network.h5 and network.png.")
@click.option("--force", is_flag=True, help="Replace a network that is already in that folder.")
@click.option("--eps-r", type=click.FloatRange(1, 100), help="Relative permittivity; default 10.")
@click.option("--net-charge", type=click.FloatRange(-10, 10), help="Charge per formula unit, e; default 0.")
@click.option("--cell", type=click.Choice(["conventional", "primitive"]), help="Default conventional.")
@click.option(
    "--charge", "charges", multiple=True, callback=_charge, metavar="CLASS=E",
    help="Partial charge by atom class or element; default: those of the CIF.",
)  # fmt: skip
@click.option("--spacing", type=click.FloatRange(0.05, 0.5), help="Largest step of the energy grid, Å; default 0.2.")
def network(
    cif: str, species: tuple[str, ...], output: Path | None, force: bool, charges: dict[str, float], **options: Any
) -> None:
    """Find sites, hops and barriers of ions in a framework, and stop there.

    CIF is a file, or the name of a shipped structure (mof5, ni_pacs_sym, ni_pacs_disordered). For a shipped structure
    the charges, the net charge and the cell are those of the shipped deck that uses it, unless options say otherwise.

    \b
    Examples:
      mofkmc network ni_pacs_sym --species Li+ --species Me2NH2+
      mofkmc network mof5 --species Li+ --eps-r 5 --output results/mof5_eps5
      mofkmc network my.cif --species Li+ --charge Zn=0.96 --charge O=-0.6 --charge C=0.1 --charge H=0.1
    """  # noqa: D301
    from runs.folder import ResultsFolder

    folder = None if output is None else ResultsFolder(output, force)
    if folder is not None:
        folder.check_for_network()

    from runs.network_job import NetworkRequest, network_job

    given = {name: value for name, value in options.items() if value is not None}
    network_job(NetworkRequest(cif=cif, species=species, charges=charges, **given), folder)


if __name__ == "__main__":
    main()
