"""From a deck to everything that is fixed before the first random number: network, loadings, tasks, memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lattice.near_pairs import PairOverride
from lattice.network import PoreNetwork
from lattice.supercell import Coulomb, memory_of_tables
from runs.composition import Loading, loadings
from runs.deck import MESHES_FROM, Deck
from runs.deck_file import DeckFile
from runs.plan import Condition, Task, plan_conditions, plan_tasks
from runs.progress import Reporter, part_of
from structures.errors import InputError
from structures.framework import Framework

if TYPE_CHECKING:
    from runs.network_source import NetworkSource


@dataclass(frozen=True, eq=False, slots=True)
class Model:
    """A deck made concrete.

    Attributes
    ----------
    file : DeckFile
    framework : Framework or None
        None where the deck lists its sites.
    network : PoreNetwork
    loadings : tuple of Loading
    conditions : tuple of Condition
    tasks : tuple of Task
    """

    file: DeckFile
    framework: Framework | None
    network: PoreNetwork
    loadings: tuple[Loading, ...]
    conditions: tuple[Condition, ...]
    tasks: tuple[Task, ...]

    @property
    def deck(self) -> Deck:
        """The deck's tables."""
        return self.file.deck

    @property
    def pair_overrides(self) -> tuple[PairOverride, ...]:
        """Energies of near pairs that the deck gives."""
        return tuple(PairOverride(pair.species, pair.below_A, pair.energy_eV) for pair in self.deck.pair)

    @property
    def material(self) -> str:
        """Whose measured values the results are compared with; empty for none."""
        return "" if self.deck.output.compare_with == "nothing" else self.deck.output.compare_with

    @property
    def n_sites(self) -> int:
        """Sites in the supercell."""
        n1, n2, n3 = self.deck.lattice.repeats
        return self.network.n_sites * n1 * n2 * n3

    @property
    def on_meshes(self) -> bool:
        """Whether the Coulomb energies of the ions come from meshes instead of a table."""
        energies, large = self.deck.kmc.energies, self.n_sites >= MESHES_FROM
        wanted = energies == "meshes" or (energies == "auto" and large and not self.deck.kmc.superbasins)
        return wanted and self.deck.interactions.coulomb

    @property
    def interaction(self) -> Coulomb | None:
        """What `lattice.supercell.replicate` is asked for; None where the ions do not feel each other's charge."""
        if not self.deck.interactions.coulomb:
            return None
        return "untabulated coulomb" if self.on_meshes else "coulomb"

    @property
    def most_tasks(self) -> int:
        """Tasks that there are at most after all rounds."""
        scan, fields = self.deck.scan, len(self.deck.scan.fields_V_per_cm)
        conditions = (len(self.loadings) + scan.further_loadings) * len(scan.temperatures)
        return max(len(self.tasks), conditions * (scan.ceiling + fields * scan.replicas))

    def simultaneous(self, threads: int) -> int:
        """Tasks that run at the same time on so many threads."""
        return min(threads, self.most_tasks)

    def memory(self, threads: int) -> int:
        """Bytes that the Coulomb table and the factors of all simultaneous tasks need; none without a table."""
        if self.interaction != "coulomb":
            return 0
        return memory_of_tables(self.network, self.deck.lattice.repeats, self.simultaneous(threads))


def build_model(file: DeckFile, report: Reporter, *, kept: PoreNetwork | None = None) -> Model:
    """Load the framework, find or fetch its network, and round the loadings to whole ions.

    Parameters
    ----------
    file : DeckFile
    report : Reporter
    kept : PoreNetwork, optional
        That of an earlier part of the same calculation.

    Raises
    ------
    InputError
        For everything in the deck or the CIF that cannot be simulated; each line begins with the name of the deck.
    """
    from runs.network_source import source_of_deck

    deck = file.deck
    with faults_of(file):
        source = source_of_deck(file)
        framework = _framework(source)
        network = kept or source.network(framework, part_of(report, "Pore network"))
        found = loadings(deck, network)
        conditions = plan_conditions(found, deck.scan)
    return Model(file, framework, network, found, conditions, plan_tasks(conditions, deck.scan.replicas))


def _framework(source: NetworkSource) -> Framework | None:
    from runs.network_source import fault_with_key

    try:
        return source.framework()
    except InputError as error:
        raise InputError(fault_with_key(error)) from None


@contextmanager
def faults_of(file: DeckFile) -> Iterator[None]:
    """Begin every line of an error of input with the name of the deck and the line of the key that it names.

    Raises
    ------
    InputError
    """
    try:
        yield
    except InputError as error:
        ours = f"{file.path.name}:"
        lines = [line if line.startswith(ours) else file.located([line]) for line in str(error).split("\n")]
        raise InputError("\n".join(lines)) from None
