"""What `mofkmc check` prints: every value of the deck with its unit and meaning, and what it amounts to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from lattice.memory import available_memory
from lattice.network import PoreNetwork
from lattice.supercell import table_bytes
from runs.composition import Loading, molarity_line, rounding_remark
from runs.deck import Deck, field_extra
from runs.model import Model
from runs.network_tables import table

GIB = 2.0**30


def check_report(model: Model, threads: int) -> Iterator[RenderableType]:
    """Yield the deck, the ions of every loading, and the size of the calculation."""
    yield deck_table(model.file.deck)
    yield loading_part(model.loadings, model.network)
    yield from size_lines(model, threads)


def deck_table(deck: Deck) -> Table:
    """Every key with value, unit and meaning."""
    made = table("Deck", "<key", "<value", "<unit", "<meaning")
    for name in Deck.model_fields:
        value = getattr(deck, name)
        parts: Mapping[str, Any] = value if isinstance(value, dict) else {"": value}
        for part, model in parts.items():
            made.add_section()
            made.add_row(f"[bold]\\[{name}{f'.{part}' if part else ''}][/bold]")
            for row in _rows(model):
                made.add_row(*row)
    return made


def _rows(model: BaseModel) -> Iterator[tuple[str, str, str, str]]:
    for key, field in type(model).model_fields.items():
        value = getattr(model, key)
        if value is None:
            continue
        unit = field_extra(type(model), key).get("unit", "")
        defaulted = "" if key in model.model_fields_set else " (default)"
        yield key, _shown(value) + defaulted, unit, field.description or ""


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(_shown(item) for item in value)
    if isinstance(value, dict):
        return ", ".join(f"{name} {_shown(item)}" for name, item in value.items()) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def loading_part(loadings: tuple[Loading, ...], network: PoreNetwork) -> RenderableType:
    """Whole ions of every loading, and under them the volume that a molarity refers to."""
    first = loadings[0]
    names = [*first.counts, *first.background]
    unit = "mol/L" if first.name == "M" else "x"
    made = table("Ions in the supercell", unit, *names, "<remark")
    for loading in loadings:
        counts = [
            f"{count} (background)" if name in loading.background else f"{count}{_frozen(loading, name)}"
            for name, count in (*loading.counts.items(), *loading.background.items())
        ]
        made.add_row(f"{loading.value:.4f}", *counts, rounding_remark(loading))
    return Group(made, Text(molarity_line(network))) if first.name == "M" else made


def _frozen(loading: Loading, name: str) -> str:
    return " (frozen)" if name in loading.frozen else ""


def size_lines(model: Model, threads: int) -> Iterator[str]:
    """Sites, tasks and memory."""
    n1, n2, n3 = model.deck.lattice.repeats
    scan = model.deck.scan
    by_species = ", ".join(
        f"{species.name} {int((model.network.site_species == index).sum()) * n1 * n2 * n3}"
        for index, species in enumerate(model.network.species)
    )
    yield f"Sites in the supercell of {n1} x {n2} x {n3} cells: {model.n_sites} ({by_species})"
    yield (
        f"Tasks: {len(model.loadings)} loadings x {len(scan.temperatures)} temperatures x {scan.replicas} replicas = "
        f"{len(model.tasks)}, {model.deck.kmc.events:,} hops each, on {threads} threads"
    )
    one = table_bytes(model.network, model.deck.lattice.repeats)
    yield (
        f"Memory: Coulomb table {_size(one)}, as much again for each running task; "
        f"{_size(model.memory(threads))} together, {_size(available_memory())} available"
    )


def _size(n_bytes: float) -> str:
    return f"{n_bytes / GIB:.1f} GiB" if n_bytes >= GIB else f"{n_bytes / 2**20:.1f} MiB"
