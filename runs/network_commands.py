"""The commands about pore networks: found in a framework, and refined by a calculator."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from lattice.rate_models import RATE_MODELS
from runs.cli_options import (
    charge_option,
    defect_options,
    file_option,
    permittivity_option,
    repeats_option,
)


@click.command()
@click.argument("cif")
@click.option("--species", multiple=True, required=True, help="Ion such as Li+ or PF6-; can be given several times.")
@click.option("--output", type=click.Path(path_type=Path), help="Folder of the files; default results/<CIF>_network.")
@click.option("--force", is_flag=True, help="Replace a network that is already in that folder.")
@click.option(
    "--eps-r",
    callback=permittivity_option,
    metavar="E or EX,EY,EZ",
    help="Relative permittivity; 3 numbers for x, y, z, or the 9 of a tensor; default 10.",
)
@click.option("--net-charge", type=click.FloatRange(-10, 10), help="Charge of the framework per formula unit, e.")
@click.option("--cell", type=click.Choice(["conventional", "primitive"]), help="Default conventional.")
@click.option(
    "--charges",
    "charge_source",
    type=click.Choice(["auto", "table", "cif", "eqeq"]),
    help="Where charges come from; auto: --charge if given, else the CIF, else EQeq.",
)
@click.option(
    "--charge",
    "charges",
    multiple=True,
    callback=charge_option,
    metavar="CLASS=E",
    help="Partial charge by atom label, class or element; can be given several times.",
)
@click.option("--spacing", type=click.FloatRange(0.05, 0.5), help="Largest step of the energy grid, Å; default 0.2.")
@click.option(
    "--persistence-kT",
    "persistence_kT",
    type=click.FloatRange(0, 20),
    help="Basins left over fewer kT are no sites of their own; default 2.5.",
)
@click.option(
    "--rates",
    type=click.Choice(list(RATE_MODELS)),
    help="Where prefactors come from; default flux_tst.",
)
@click.option("--temperature", type=click.FloatRange(50, 1500), help="Of the prefactors printed, K; default 298.15.")
@click.option("--orientations", type=click.IntRange(1, 100_000), help="Over which an ion of several beads is averaged.")
@click.option(
    "--cube",
    "cubes",
    multiple=True,
    callback=file_option,
    metavar="ION=FILE",
    help="Gaussian cube with the energy of an ion, in place of a computed one.",
)
@defect_options
@click.option("--converge", is_flag=True, help="Compare three grid spacings.")
@click.option("--no-charge-sets", is_flag=True, help="Leave out the comparison of sets of charges.")
def network(cif: str, output: Path | None, force: bool, no_charge_sets: bool, **options: Any) -> None:
    """Find sites, hops and barriers of ions in a framework, and stop there.

    CIF is a file, the name of a shipped structure (mof5, ni_pacs_sym, ni_pacs_disordered), or a YAML file that lists
    sites and hops. For a shipped structure the charges, the net charge and the cell are those of the shipped deck that
    uses it, unless options say otherwise.

    \b
    Examples:
      mofkmc network my.cif --species Li+ --eps-r 10
      mofkmc network my.cif --species Li+ --species PF6- --charges eqeq --converge
      mofkmc network my.cif --species Na+ --charge Zn=0.96 --charge O=-0.6 --charge C=0.1 --charge H=0.1
      mofkmc network ni_pacs_sym --species Li+ --eps-r 10,10,6 --output results/anisotropic
      mofkmc network mof5 --species Li+ --missing-nodes 0.125 --defect-seed 3
    """  # noqa: D301
    from runs.network_request import NetworkRequest, check_request

    given = {name: value for name, value in options.items() if value is not None}
    request = NetworkRequest(cif=cif, charge_sets=not no_charge_sets, **given)
    check_request(request)

    from runs.folder import ResultsFolder

    folder = ResultsFolder(output or Path("results") / request.name, force)
    folder.check_for_network()

    from runs.network_job import network_job

    network_job(request, folder)


@click.command()
@click.argument("network", type=click.Path(path_type=Path))
@click.option(
    "--calculator",
    required=True,
    metavar="FILE.py:NAME",
    help="An ASE calculator, or a function that returns a fresh one.",
)
@click.option(
    "--output", type=click.Path(path_type=Path), help="Folder of the results; default: refined, beside NETWORK."
)
@click.option("--force", is_flag=True, help="Drop what an earlier refinement with other settings left in that folder.")
@click.option("--species", multiple=True, help="Refine only this ion; can be given several times.")
@click.option(
    "--ion-atoms",
    "ion_atoms",
    multiple=True,
    callback=file_option,
    metavar="ION=FILE",
    help="Atoms of a molecular ion, any format that ASE reads.",
)
@click.option(
    "--relax",
    type=click.Choice(["ions", "all"]),
    default="ions",
    show_default=True,
    help="What moves: the ion in a rigid framework, or every atom.",
)
@click.option(
    "--images",
    type=click.IntRange(1, 31),
    default=5,
    show_default=True,
    help="Moving images of a hop, at least; one for each 1.5 Å of its path.",
)
@click.option(
    "--fmax",
    type=click.FloatRange(0.0001, 1.0),
    default=0.02,
    show_default=True,
    help="Largest force that counts as relaxed, eV/Å.",
)
@click.option("--steps", type=click.IntRange(min=1), default=200, show_default=True, help="Steps per calculation.")
@click.option(
    "--image-distance",
    type=click.FloatRange(1.0, 50.0),
    default=8.0,
    show_default=True,
    help="Least distance between periodic images of the ion, Å.",
)
@click.option(
    "--supercell", callback=repeats_option, metavar="AxBxC", help="Repeats of the cell; default: by that distance."
)
@click.option("--dry-run", is_flag=True, help="List the calculations and their size; compute nothing.")
def refine(network: Path, output: Path | None, species: tuple[str, ...], **options: Any) -> None:
    """Replace site energies and barriers by those of any ASE calculator: DFT, machine-learned or classical.

    One relaxation for each kind of site and one climbing-image nudged elastic band for each kind of hop. A finished
    calculation is kept: after an interruption the same command goes on where it stopped.

    \b
    Examples:
      mofkmc refine network.h5 --calculator mace.py:calculator
      mofkmc refine network.h5 --calculator vasp.py:dft --fmax 0.05 --output refined_pbe
      mofkmc refine network.h5 --calculator mace.py:calculator --ion-atoms Me2NH2+=dimethylammonium.xyz
    """  # noqa: D301
    from runs.refine_job import RefineRequest, refine_job

    status = refine_job(RefineRequest(network=network, output=output, species=species, **options))
    if status:
        sys.exit(status)
