"""What `mofkmc check` prints: every value of the deck with its unit and meaning, and what it amounts to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import BaseModel
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.text import Text

from lattice.memory import available_memory
from lattice.network import PoreNetwork
from lattice.screening import describe
from lattice.supercell import table_bytes
from runs.assumptions import rates_line
from runs.composition import Loading, molarity_line, rounding_remark, uptake_line
from runs.deck import Deck
from runs.deck_keys import field_extra
from runs.model import Model
from runs.network_source import landscape_settings
from runs.network_tables import percolation_table
from runs.text_tables import TextTable, listing
from structures.species import Species
from structures.units import BOLTZMANN, CELSIUS_ZERO

GIB = 2.0**30


def check_report(model: Model, threads: int) -> Iterator[RenderableType]:
    """Yield the deck, the ions, the network, the ions of every loading, and the size of the calculation."""
    deck = model.file.deck
    yield deck_table(deck)
    yield ion_table(model.network.species)
    yield listing("Network", tuple(network_lines(model)))
    yield percolation_table(model.network)
    yield loading_part(model.loadings, model.network, uptake_line(deck, model.network))
    yield listing("Size", tuple(size_lines(model, threads)))


def deck_table(deck: Deck) -> TextTable:
    """Every key with value, unit and meaning."""
    made = TextTable("Deck", ("<key", "~value", "<unit", "~meaning"))
    for heading, part in _parts(deck):
        made.add_section()
        made.add_row(f"[bold]{escape(heading)}[/bold]")
        for row in _rows(part):
            made.add_row(*row)
    return made


def _parts(deck: Deck) -> Iterator[tuple[str, BaseModel]]:
    """Tables of the deck under the headings that they have in the file."""
    for name in Deck.model_fields:
        value = getattr(deck, name)
        if isinstance(value, dict):
            for part, table in value.items():
                yield from _with_lists(f'{name}."{part}"', table)
        elif isinstance(value, tuple):
            yield from ((f"[[{name}]]", table) for table in value)
        elif value is not None:
            yield from _with_lists(name, value)


def _with_lists(name: str, table: BaseModel) -> Iterator[tuple[str, BaseModel]]:
    """Yield a table, unless it has no keys but lists of tables, and these."""
    if name != "override":
        yield f"[{name}]", table
    for part in type(table).model_fields:
        if _is_list_of_tables(inner := getattr(table, part)):
            yield from ((f"[[{name}.{part}]]", one) for one in inner)


def _rows(model: BaseModel) -> Iterator[tuple[str, str, str, str]]:
    for key, field in type(model).model_fields.items():
        value = getattr(model, key)
        if value is None or _is_list_of_tables(value):
            continue
        unit = field_extra(type(model), key).get("unit", "")
        defaulted = "" if key in model.model_fields_set else " (default)"
        yield key, escape(_shown(value)) + defaulted, unit, escape(field.description or "")


def _is_list_of_tables(value: Any) -> bool:
    return isinstance(value, tuple) and any(isinstance(item, BaseModel) for item in value)


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(f"({_shown(item)})" if isinstance(item, tuple | BaseModel) else _shown(item) for item in value)
    if isinstance(value, BaseModel):
        given = {name: getattr(value, name) for name in type(value).model_fields}
        return ", ".join(f"{name} {_shown(inner)}" for name, inner in given.items() if inner is not None)
    if isinstance(value, dict):
        return ", ".join(f"{name} {_shown(item)}" for name, item in value.items()) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def ion_table(ions: Sequence[Species]) -> TextTable:
    """Charge, mass, size and every bead of each ion, with the source of the numbers below."""
    made = TextTable(
        "Ions",
        (
            "<ion", "charge, e", "mass, amu", "contact radius, Å", "<bead", "at x, y, z, Å", "+charge, e",
            "LJ epsilon, eV", "+sigma, Å",
        ),
    )  # fmt: skip
    for ion in ions:
        made.add_section()
        head = (ion.name, f"{ion.charge:+g}", f"{ion.mass:g}", f"{ion.contact_radius:g}")
        for n, bead in enumerate(ion.beads):
            place = ", ".join(f"{x:.3f}" for x in bead.position)
            made.add_row(
                *(("", "", "", "") if n else head), bead.name, place, f"{bead.charge:+.4g}", f"{bead.lj_epsilon:.5f}",
                f"{bead.lj_sigma:.4f}",
            )  # fmt: skip
    made.caption = "\n".join(f"{ion.name}: {ion.source}" for ion in ions)
    return made


def network_lines(model: Model) -> Iterator[str]:
    """Say what the network is built with."""
    deck, settings = model.deck, landscape_settings(model.deck)
    coldest, hottest = settings.temperatures
    if deck.structure.sites is not None:
        yield f"sites and hops from {deck.structure.sites}"
    else:
        for name in deck.composition.species:
            cube = deck.landscape.cube.get(name)
            yield f"{name}: energies from {cube}" if cube else f"{name}: energies computed on a grid"
        yield f"grid of {settings.spacing:g} Å or less, Lennard-Jones cut-off {settings.cutoff:g} Å"
    yield f"eps_r {describe(settings.permittivity)}"
    yield (
        f"basins that an ion leaves over less than {settings.persistence_kT:g} kT at {coldest - CELSIUS_ZERO:.0f} °C "
        f"({settings.persistence_kT * BOLTZMANN * coldest:.3f} eV) are no sites of their own"
    )
    yield f"rates between {coldest - CELSIUS_ZERO:.0f} and {hottest - CELSIUS_ZERO:.0f} °C: {rates_line(deck)}"


def loading_part(loadings: tuple[Loading, ...], network: PoreNetwork, uptake: str = "") -> RenderableType:
    """Whole ions of every loading, and under them the salt taken up and the volume that a molarity refers to."""
    first = loadings[0]
    names = [*first.counts, *first.background]
    unit = "mol/L" if first.name == "M" else "x"
    made = TextTable("Ions in the supercell", (unit, *names, "~remark"))
    for loading in loadings:
        counts = [
            f"{count} (background)" if name in loading.background else f"{count}{_frozen(loading, name)}"
            for name, count in (*loading.counts.items(), *loading.background.items())
        ]
        made.add_row(f"{loading.value:.4f}", *counts, rounding_remark(loading))
    if not (uptake or first.name == "M"):
        return made
    return Group(made, *(Text(line) for line in (uptake, molarity_line(network)) if line))


def _frozen(loading: Loading, name: str) -> str:
    return " (frozen)" if name in loading.frozen else ""


def size_lines(model: Model, threads: int) -> Iterator[str]:
    """Sites, tasks and memory."""
    n1, n2, n3 = model.deck.lattice.repeats
    by_species = ", ".join(
        f"{species.name} {int((model.network.site_species == index).sum()) * n1 * n2 * n3}"
        for index, species in enumerate(model.network.species)
    )
    yield f"Sites in the supercell of {n1} x {n2} x {n3} cells: {model.n_sites} ({by_species})"
    first, *others = task_lines(model)
    yield f"Tasks: {first}, on {threads} threads"
    yield from others
    if model.interaction is None:
        yield "Energies: each ion with the framework alone, [interactions] coulomb = false"
        return
    one = table_bytes(model.network, model.deck.lattice.repeats)
    if model.on_meshes:
        yield "Energies: from meshes, without a table of pairs; those of hops within 1e-4 eV of the full Ewald sum"
        return
    yield (
        f"Memory: Coulomb table {_size(one)}, for each running task twice as much and up to a byte for every two hops, "
        "and every site and cell; "
        f"{_size(model.memory(threads))} together, {_size(available_memory())} available"
    )


def task_lines(model: Model) -> Iterator[str]:
    """Say how many tasks there are, and how many more the rounds may add."""
    scan = model.deck.scan
    n = len(scan.fields_V_per_cm)
    fields = f" x (1 + {n} {'field' if n == 1 else 'fields'})" if n else ""
    yield (
        f"{_count(len(model.loadings), 'loading')} x {_count(len(scan.temperatures), 'temperature')}{fields} x "
        f"{scan.replicas} replicas = "
        f"{len(model.tasks):,}, {model.deck.kmc.events:,} hops each"
    )
    added = []
    if scan.sigma_relative_error is not None:
        added.append(f"replicas until sigma is known to {100 * scan.sigma_relative_error:g} %, {scan.ceiling} at most")
    if scan.further_loadings:
        added.append(f"loadings where the largest sigma may be, {scan.further_loadings} at most")
    if added:
        yield f"Added in rounds: {'; '.join(added)}: {model.most_tasks:,} tasks at most"


def _size(n_bytes: float) -> str:
    return f"{n_bytes / GIB:.1f} GiB" if n_bytes >= GIB else f"{n_bytes / 2**20:.1f} MiB"


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
