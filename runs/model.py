"""From a deck to everything that is fixed before the first random number: network, loadings, tasks, memory."""

from __future__ import annotations

from dataclasses import dataclass

from lattice.builder import LandscapeSettings, cached_network
from lattice.network import PoreNetwork
from lattice.supercell import table_bytes
from runs.composition import Loading, loadings
from runs.deck import Deck
from runs.deck_file import DeckFile, deck_species
from runs.plan import Condition, Task, plan_conditions, plan_tasks
from runs.progress import Reporter, part_of
from structures.cif import load_framework
from structures.framework import Framework


@dataclass(frozen=True, eq=False, slots=True)
class Model:
    """A deck made concrete.

    Attributes
    ----------
    file : DeckFile
    framework : Framework
    network : PoreNetwork
    loadings : tuple of Loading
    conditions : tuple of Condition
    tasks : tuple of Task
    """

    file: DeckFile
    framework: Framework
    network: PoreNetwork
    loadings: tuple[Loading, ...]
    conditions: tuple[Condition, ...]
    tasks: tuple[Task, ...]

    @property
    def deck(self) -> Deck:
        """The deck's tables."""
        return self.file.deck

    @property
    def n_sites(self) -> int:
        """Sites in the supercell."""
        n1, n2, n3 = self.deck.lattice.repeats
        return self.network.n_sites * n1 * n2 * n3

    def simultaneous(self, threads: int) -> int:
        """Tasks that run at the same time on so many threads."""
        return min(threads, len(self.tasks))

    def memory(self, threads: int) -> int:
        """Bytes that the Coulomb table and the factors of all simultaneous tasks need."""
        return table_bytes(self.network, self.deck.lattice.repeats) * (1 + self.simultaneous(threads))


def build_model(file: DeckFile, report: Reporter) -> Model:
    """Load the framework, find or fetch its network, and round the loadings to whole ions.

    Raises
    ------
    InputError
        For everything in the deck or the CIF that cannot be simulated.
    """
    deck = file.deck
    framework = load_framework(
        file.cif,
        charges=deck.structure.charges or None,
        net_charge=deck.structure.net_charge,
        cell=deck.structure.cell,
    )
    network = cached_network(
        framework, deck_species(deck), landscape_settings(deck), progress=part_of(report, "Pore network")
    )
    found = loadings(deck, network)
    conditions = plan_conditions(found, deck.scan)
    return Model(file, framework, network, found, conditions, plan_tasks(conditions, deck.scan.replicas))


def landscape_settings(deck: Deck) -> LandscapeSettings:
    """Return the settings of the network builder as the deck gives them."""
    table = deck.landscape
    return LandscapeSettings(
        permittivity=table.permittivity,
        spacing=table.spacing_A,
        cutoff=table.cutoff_A,
        merge_barrier=table.merge_barrier_eV,
        percolation_dimensions=table.percolation_dimensions,
    )
