"""The pore network as tables: sites and hops by orbit, percolation, exclusions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from lattice.assemble import WIDE
from lattice.network import PoreNetwork

PIPED_WIDTH = 100


def output_console(*, stderr: bool = False) -> Console:
    """Return the console for tables or remarks: as wide as the terminal, 100 columns and no colour when piped.

    Tables never get less than these columns: a narrow terminal wraps their lines, but no number is cut off.
    """
    console = Console(stderr=stderr, highlight=False)
    if console.is_terminal and (stderr or console.width >= PIPED_WIDTH):
        return console
    return Console(stderr=stderr, highlight=False, width=PIPED_WIDTH)


def table(title: str, *columns: str) -> Table:
    """Start a table; a column whose name begins with "<" holds text, any other one numbers."""
    made = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        left = column.startswith("<")
        made.add_column(column.removeprefix("<"), justify="left" if left else "right", no_wrap=not left)
    return made


def listing(title: str, lines: Sequence[str]) -> Group:
    """Return a title and one indented line of text for each entry."""
    grid = Table.grid(padding=(0, 1))
    for line in lines:
        grid.add_row("-", Text(line))
    return Group(Text(f"\n{title}", style="bold"), grid)


def network_report(network: PoreNetwork) -> Iterator[RenderableType]:
    """Yield what is to be known of a network: percolation, sites, hops, exclusions."""
    yield percolation_table(network)
    yield site_table(network)
    if (network.site_width > WIDE).any():
        yield f"* wider than {WIDE:g} Å: a flat region, where hopping between sites is a coarse picture"
    yield hop_table(network)
    yield exclusion_line(network)


def percolation_table(network: PoreNetwork) -> Table:
    """By species: sites, hops, and the energy above the deepest site at which a path crosses the crystal."""
    made = table(
        f"Network of {network.name}, one cell of {network.volume:.0f} Å³ (eps_r {network.permittivity:g})",
        "<species", "sites", "hops", "deepest site, eV", "1D, eV", "2D, eV", "3D, eV",
    )  # fmt: skip
    for index, species in enumerate(network.species):
        mine = network.site_species == index
        deepest = float(network.site_energy[mine].min()) if mine.any() else np.nan
        hops = int(mine[network.hop_origin].sum()) // 2
        levels = [f"{level - deepest:.3f}" if np.isfinite(level) else "never" for level in network.percolation[index]]
        made.add_row(species.name, str(int(mine.sum())), str(hops), f"{deepest:.3f}", *levels)
    made.caption = (
        "1D, 2D, 3D: energy above the deepest site at which a path first crosses the crystal in so many directions. "
        f"Largest cavity {network.largest_cavity:.1f} Å, accessible volume {network.accessible_volume:.0f} Å³ per cell."
    )
    made.caption_justify = "left"
    return made


def site_table(network: PoreNetwork) -> Table:
    """Sites by orbit: label, multiplicity, energy above the deepest of the species, width."""
    made = table("Sites", "orbit", "<species", "<label", "per cell", "energy, eV", "above deepest, eV", "width, Å")
    for orbit in np.unique(network.site_orbit):
        members = np.flatnonzero(network.site_orbit == orbit)
        first = members[0]
        species = network.site_species[first]
        deepest = network.site_energy[network.site_species == species].min()
        energy, width = network.site_energy[first], network.site_width[first]
        made.add_row(
            str(orbit), network.species[species].name, network.site_label[first], str(len(members)),
            f"{energy:.3f}", f"{energy - deepest:.3f}", f"{width:.1f}{'*' if width > WIDE else ''}",
        )  # fmt: skip
    return made


def hop_table(network: PoreNetwork) -> Table:
    """Hops by orbit: ends, number, length, barrier from each end, and the factor on the attempt frequency."""
    weighted = (network.hop_weight != 1.0).any()
    columns = ["orbit", "<species", "<from", "<to", "per cell", "length, Å", "barrier, eV", "back, eV"]
    made = table("Hops", *columns, *(["nu ×"] if weighted else []))
    made.collapse_padding = True
    length = np.linalg.norm(network.hop_vector, axis=1)
    for orbit in np.unique(network.hop_orbit):
        members = np.flatnonzero(network.hop_orbit == orbit)
        ends = network.site_orbit[network.hop_origin[members]], network.site_orbit[network.hop_target[members]]
        hop = members[np.lexsort((ends[1], ends[0]))[0]]
        a, b = int(network.hop_origin[hop]), int(network.hop_target[hop])
        saddle = network.hop_saddle[hop]
        made.add_row(
            str(orbit), network.species[network.site_species[a]].name,
            _site_name(network, a), _site_name(network, b), str(len(members) // 2), f"{length[hop]:.2f}",
            f"{saddle - network.site_energy[a]:.3f}", f"{saddle - network.site_energy[b]:.3f}",
            *([f"{network.hop_weight[hop]:.2g}"] if weighted else []),
        )  # fmt: skip
    return made


def exclusion_line(network: PoreNetwork) -> str:
    """Pairs of sites in one cell that cannot be occupied together, by species."""
    names = [species.name for species in network.species]
    pairs = Counter(
        tuple(sorted((int(a), int(b))))
        for a, b in zip(
            network.site_species[network.exclusion_a], network.site_species[network.exclusion_b], strict=True
        )
    )
    counts = ", ".join(f"{names[a]} with {names[b]} {count // 2}" for (a, b), count in sorted(pairs.items()))
    return f"Exclusions per cell (pairs of sites that cannot both be occupied): {counts or 'none'}"


def _site_name(network: PoreNetwork, site: int) -> str:
    return f"{network.site_label[site]} ({network.site_orbit[site]})"
