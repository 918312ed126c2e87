"""`mofkmc network`: the pore network of a framework without a deck, printed, compared and written."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from rich.console import Console, RenderableType

from lattice.cube import check_cube
from runs.assumptions import heading, is_about_charges, network_assumptions
from runs.folder import ResultsFolder
from runs.network_comparison import charge_set_report, convergence_report
from runs.network_output import NetworkResult, write_network_files
from runs.network_request import NetworkRequest, with_defaults
from runs.network_source import NetworkSource, fault_with_option, source_of_request
from runs.network_tables import network_report
from runs.progress import Reporter, part_of, reporter
from runs.text_tables import listing, output_console
from structures.errors import InputError
from structures.framework import Framework


def network_job(request: NetworkRequest, folder: ResultsFolder) -> None:
    """Build or fetch the network, print it with what it rests on, write it to a folder, and then compare."""
    request, remarks = with_defaults(request)
    source = source_of_request(request)
    console, remark_console = output_console(), output_console(stderr=True)
    framework = _framework(source)
    for part in structure_report(framework, remarks):
        console.print(part)
    energies: dict[str, NDArray[np.float64]] = {}
    with reporter(remark_console) as report:
        network = source.network(framework, part_of(report, "Pore network"), energies)
    result = NetworkResult(source, framework, network, energies)
    for part in network_report(network, request.temperature):
        console.print(part)
    groups, log = network_assumptions(network, framework)
    for name in ("landscape", "rates"):
        if groups[name]:
            console.print(listing(heading(name), groups[name]))
    lines = [f"{group}: {line}" for group, found in groups.items() for line in found]
    with reporter(remark_console) as report:
        written = write_network_files(
            result, folder, temperature=request.temperature,
            remarks=(*lines, *(f"network: {line}" for line in (*log, *remarks))), progress=part_of(report, "Files"),
        )  # fmt: skip
    _say_written(console, folder, written)
    with reporter(remark_console) as report:
        for part in comparisons(request, result, report):
            console.print(part)


def _framework(source: NetworkSource) -> Framework | None:
    """Load the framework, and make sure that the cubes fit it before anything is printed or computed."""
    try:
        framework = source.framework()
    except InputError as error:
        raise InputError(fault_with_option(error)) from None
    if framework is not None:
        for name, path in source.cubes.items():
            try:
                check_cube(path, framework)
            except InputError as error:
                raise InputError(f"--cube {name}: {error}") from None
    return framework


def structure_report(framework: Framework | None, remarks: tuple[str, ...]) -> Iterator[RenderableType]:
    """Yield what was removed or chosen in the file, and where the charges come from."""
    if framework is None:
        return
    charges = [line for line in framework.provenance if is_about_charges(line)]
    yield listing("Structure", [line for line in framework.provenance if not is_about_charges(line)])
    yield listing("Charges", [*charges, *remarks])


def comparisons(request: NetworkRequest, result: NetworkResult, report: Reporter) -> Iterator[RenderableType]:
    """Yield the percolation energies with other charges, and on other grids if asked for."""
    if request.charge_sets and result.framework is not None and not (result.source.cubes or result.source.sites):
        yield from charge_set_report(result, part_of(report, "Sets of charges"))
    if request.converge:
        yield from convergence_report(result, part_of(report, "Convergence"))


def _say_written(console: Console, folder: ResultsFolder, names: list[str]) -> None:
    console.print(f"\nWritten to {folder.path}: {', '.join(names)}", markup=False)
