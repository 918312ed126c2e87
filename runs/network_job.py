"""`mofkmc network`: the pore network of a framework without a deck, printed, compared and written."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console, RenderableType

from runs.assumptions import is_about_charges, network_assumptions
from runs.folder import ResultsFolder
from runs.network_comparison import charge_set_table, charge_sets, convergence_report
from runs.network_output import write_network_files
from runs.network_request import NetworkRequest, source_of_request, with_defaults
from runs.network_source import NetworkSource
from runs.network_tables import network_report
from runs.progress import Reporter, part_of, reporter
from runs.text_tables import listing, output_console
from structures.framework import Framework


def network_job(request: NetworkRequest, folder: ResultsFolder) -> None:
    """Build or fetch the network, print it with what it rests on, and write it to a folder."""
    request, remarks = with_defaults(request)
    source = source_of_request(request)
    console, remark_console = output_console(), output_console(stderr=True)
    framework = source.framework()
    for part in structure_report(framework, remarks):
        console.print(part)
    with reporter(remark_console) as report:
        network = source.network(framework, part_of(report, "Pore network"))
    for part in network_report(network, request.temperature):
        console.print(part)
    with reporter(remark_console) as report:
        for part in comparisons(request, source, framework, report):
            console.print(part)
    groups, log = network_assumptions(network, framework)
    for name in ("landscape", "rates"):
        if groups[name]:
            console.print(listing(name.capitalize(), groups[name]))
    lines = [f"{group}: {line}" for group, found in groups.items() for line in found]
    with reporter(remark_console) as report:
        written = write_network_files(
            network, source, framework, folder, temperature=request.temperature,
            remarks=(*lines, *(f"network: {line}" for line in (*log, *remarks))), progress=part_of(report, "Files"),
        )  # fmt: skip
    _say_written(console, folder, written)


def structure_report(framework: Framework | None, remarks: tuple[str, ...]) -> Iterator[RenderableType]:
    """Yield what was removed or chosen in the file, and where the charges come from."""
    if framework is None:
        return
    charges = [line for line in framework.provenance if is_about_charges(line)]
    yield listing("Structure", [line for line in framework.provenance if not is_about_charges(line)])
    yield listing("Charges", [*charges, *remarks])


def comparisons(
    request: NetworkRequest, source: NetworkSource, framework: Framework | None, report: Reporter
) -> Iterator[RenderableType]:
    """Yield the percolation energies with other charges, and on other grids if asked for."""
    if request.charge_sets and framework is not None and not source.cubes and source.sites is None:
        sets = charge_sets(source, part_of(report, "Sets of charges"))
        yield charge_set_table(sets, source.species, source.settings.spacing)
    if request.converge:
        yield from convergence_report(source, framework, part_of(report, "Convergence"))


def _say_written(console: Console, folder: ResultsFolder, names: list[str]) -> None:
    console.print(f"\nWritten to {folder.path}: {', '.join(names)}", markup=False)
