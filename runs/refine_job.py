"""`mofkmc refine`: site energies and barriers from any ASE calculator, one calculation for each orbit."""

from __future__ import annotations

from pathlib import Path

from lattice.calculator import load_calculator
from lattice.network import PoreNetwork
from runs.exit_status import COMPLETE, INCOMPLETE, INTERRUPTED
from runs.faults import writing
from runs.progress import reporter
from runs.refine_calculations import Calculations
from runs.refine_folder import RefineFolder
from runs.refine_plan import RefineRequest, plan_lines, plan_refinement, settings_of
from runs.refine_tables import hops_csv, refinement_report, sites_csv
from runs.refine_values import refined_network
from runs.text_tables import listing, output_console
from structures.errors import InputError

_HDF5 = b"\x89HDF\r\n\x1a\n"  # signature at the beginning of each such file

__all__ = ["RefineRequest", "refine_job"]


def refine_job(request: RefineRequest) -> int:
    """Compute what is missing, print old and new values, write the refined network.

    Returns
    -------
    int
        Exit status: incomplete if any calculation failed and its old value stays, or interrupted.

    Raises
    ------
    InputError
        If the network, the calculator, the ions or the output folder are not usable.
    """
    console, remarks = output_console(), output_console(stderr=True)
    network = _load(request.network)
    folder = RefineFolder(request.output or request.network.parent / "refined", request.force)
    plans = plan_refinement(network, request)
    source = load_calculator(request.calculator)
    settings = settings_of(network, source, plans, request.relax)
    folder.check(settings)
    lines = tuple(plan_lines(network, plans, request))
    console.print(listing(f"Refinement of {network.name} with {source.path.name}:{source.name}", lines))
    if request.dry_run:
        return COMPLETE

    with writing(folder.path):
        folder.claim(settings)
    try:
        with reporter(remarks) as report:
            calculations = Calculations(network, plans, request, source, folder, report)
            calculations.run()
    except KeyboardInterrupt:
        line = f"mofkmc: interrupted; what is finished is kept in {folder.path}: the same command goes on from there"
        remarks.print(line, markup=False, soft_wrap=True)
        return INTERRUPTED

    accuracy = (
        f"refine: energies by {source.path.name}:{source.name} (sha256 {source.sha256[:16]}), relaxed sites and "
        f"climbing-image nudged elastic bands, largest force {request.fmax:g} eV/Å; prefactors and widths as before; "
        "the lowest refined site of each ion keeps its energy"
    )
    refinement = refined_network(network, calculations, (accuracy, *(f"refine: {line}" for line in lines)))
    for part in refinement_report(refinement):
        console.print(part)
    with writing(folder.path):
        refinement.new.save(folder.network)
    folder.write(folder.path / "sites.csv", sites_csv(refinement))
    folder.write(folder.path / "hops.csv", hops_csv(refinement))
    console.print(f"\nWritten to {folder.path}: network.h5, sites.csv, hops.csv, structures")
    if refinement.complete:
        return COMPLETE
    failed = sum(not orbit.refined for orbit in (*refinement.sites, *refinement.hops))
    console.print(
        f"{failed} of {len(refinement.sites) + len(refinement.hops)} old values stay: the remarks say why. The same "
        "command tries again what raised an error; --steps and a larger number goes on with what did not converge."
    )
    return INCOMPLETE


def _load(path: Path) -> PoreNetwork:
    expected = f"{path}: expected the network.h5 of `mofkmc network` or `mofkmc run`, found"
    try:
        if path.is_file():
            with path.open("rb") as file:
                if file.read(len(_HDF5)) != _HDF5:
                    raise InputError(f"{expected} another kind of file (its first bytes are not those of HDF5)")
        return PoreNetwork.load(path)
    except FileNotFoundError:
        raise InputError(f"{expected} no file") from None
    except ValueError as error:
        raise InputError(str(error).splitlines()[0]) from None
    except OSError as error:
        raise InputError(f"{expected} that it cannot be read: {(error.strerror or str(error)).lower()}") from None
