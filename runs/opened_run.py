"""The folder of a run, opened to be looked at again: its files, its deck, and what its numbers rest on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from analysis.campaign import Run, open_run
from kmc.trajectory import read_provenance
from lattice.network import PoreNetwork
from runs.assumptions import Assumptions, assumptions, is_about_charges
from runs.composition import loadings
from runs.deck_changes import settings_checksum
from runs.deck_file import DeckError, read_deck
from runs.folder import ResultsFolder
from runs.model import Model
from runs.plan import plan_conditions, plan_tasks
from runs.rounds import grown, growth_of, precision_lines
from structures.errors import InputError

_FIRST_OF_LANDSCAPE = ("landscape of ", "sites and hops: ", "cell given in ")
PACKAGES = ("mofkmc", "numpy", "numba", "h5py", "python")


@dataclass(frozen=True, eq=False, slots=True)
class OpenedRun:
    """A run and what its deck says of it.

    Attributes
    ----------
    folder : ResultsFolder
    run : Run
    model : Model or None
        Without its framework; None where deck or network cannot be read.
    assumed : Assumptions
    precision : tuple of str
        What the rounds of a run that extends itself have come to.
    progress : str
        What of the run is missing; empty if nothing is.
    """

    folder: ResultsFolder
    run: Run
    model: Model | None
    assumed: Assumptions
    precision: tuple[str, ...]
    progress: str

    @property
    def material(self) -> str:
        """Whose measured values the deck compares with; empty for none."""
        return self.model.material if self.model else ""

    @property
    def windows_C(self) -> tuple[tuple[float, float], ...]:  # noqa: N802
        """Windows of temperature that the deck asks for, °C."""
        return self.model.deck.output.windows_C if self.model else ()

    @property
    def provenance(self) -> tuple[str, ...]:
        """Versions, seed and checksums from which the same numbers can be computed again."""
        first = self.run.records[0]
        found = read_provenance(self.folder.task(first.key)) if self.folder.task(first.key).is_file() else {}
        versions = ", ".join(f"{name} {found[name]}" for name in PACKAGES if name in found)
        return (
            *((f"computed with {versions}",) if versions else ()),
            f"seed {first.seed}; every task has its own random stream, named by its key: the same deck gives the same "
            "bits on any number of ranks and threads",
            f"pore network {first.network_hash[:16]}, settings {first.settings[:16] or 'unknown'} (sha256)",
        )


def open_results(path: Path) -> OpenedRun:
    """Open the folder of a run; nothing in it is changed.

    Raises
    ------
    InputError
        If it holds no finished task.
    """
    folder, run = ResultsFolder(path), open_run(path)
    try:
        model, precision = _model(folder, run.network)
    except InputError as error:
        reason = f"the deck in the folder is not used: {str(error).splitlines()[0]}"
        return OpenedRun(folder, run, None, Assumptions({}, ()), (), reason)
    planned = {task.key for task in model.tasks}
    finished = {record.key for record in (*run.records, *run.in_field)}
    lines = []
    if planned - finished:
        going = "; it is still running" if folder.lock.holder(look_only=True) else ""
        lines.append(f"{len(planned & finished):,} of {len(planned):,} tasks are finished{going}")
    if strange := finished - planned:
        lines.append(f"{len(strange):,} task files belong to no task of the deck, such as {sorted(strange)[0]}")
    return OpenedRun(folder, run, model, _assumed(model, run), precision, "; ".join(lines))


def _model(folder: ResultsFolder, network: PoreNetwork | None) -> tuple[Model, tuple[str, ...]]:
    """Make the deck of a folder concrete with the network in it; no structure file is looked for.

    Raises
    ------
    InputError
        If one of both cannot be read.
    """
    if not folder.deck.is_file():
        raise InputError(f"{folder.deck}: expected the deck of a run, found none")
    if network is None:
        raise InputError(f"{folder.network}: expected the pore network of a run, found none that can be read")
    try:
        file = read_deck(folder.deck)
    except DeckError as error:
        raise InputError(str(error)) from None
    scan = file.deck.scan
    growth = growth_of(folder.read_rounds(settings_checksum(file.deck), network.content_hash))
    found = loadings(file.deck, network)
    conditions = plan_conditions(found, scan)
    model = Model(file, None, network, found, conditions, plan_tasks(conditions, scan.replicas))
    return grown(model, growth), tuple(precision_lines(growth, scan))


def _assumed(model: Model, run: Run) -> Assumptions:
    """Assumptions by group; the lines about the framework are those before the first one about a landscape."""
    found = assumptions(model, run.records)
    if model.deck.structure.cif is None:
        return found
    provenance = model.network.provenance
    first = next((n for n, line in enumerate(provenance) if line.startswith(_FIRST_OF_LANDSCAPE)), 0)
    of_framework = provenance[:first]
    groups: dict[str, tuple[str, ...]] = {
        name: tuple(line for line in lines if line not in of_framework) for name, lines in found.groups.items()
    }
    for line in of_framework:
        name = "charges" if is_about_charges(line) else "structure"
        groups[name] = (*groups[name], line)
    return replace(found, groups=groups)
