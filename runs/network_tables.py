"""The pore network as printed tables: percolation, sites and hops by orbit, exclusions."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pandas as pd
from rich.console import RenderableType

from analysis.network_orbits import crossing_text
from lattice.assemble import WIDE
from lattice.network import PoreNetwork
from lattice.rate_models import RATE_MODELS
from lattice.screening import describe
from runs.network_frames import hop_frame, prefactor_name, site_frame, species_frame
from runs.text_tables import TextTable


def network_report(network: PoreNetwork, temperature: float) -> Iterator[RenderableType]:
    """Yield what is to be known of a network: percolation, sites, hops, exclusions.

    Parameters
    ----------
    network : PoreNetwork
    temperature : float, K
        Of the prefactors.
    """
    yield percolation_table(network)
    yield site_table(network, temperature)
    yield hop_table(network, temperature)
    yield exclusion_line(network)


def percolation_table(network: PoreNetwork) -> TextTable:
    """By species: sites, hops, and the energy above the deepest site at which a path crosses the crystal."""
    made = TextTable(
        f"Network of {network.name}, one cell of {network.volume:.0f} Å³ (eps_r {describe(network.permittivity)})",
        ("<species", "sites", "hops", "deepest site, eV", "1D, eV", "2D, eV", "3D, eV"),
    )
    for row in species_frame(network).itertuples(index=False):
        name, sites, hops, deepest, *levels = row
        made.add_row(
            name,
            str(sites),
            str(hops),
            f"{deepest:.3f}",
            *map(crossing_text, levels),
        )
    made.caption = (
        "1D, 2D, 3D: energy above the deepest site at which a path first crosses the crystal in so many directions. "
        f"{pore_line(network)}"
    )
    return made


def pore_line(network: PoreNetwork) -> str:
    """Largest and limiting cavity, where they are known, and the accessible volume."""
    diameters = (
        ("largest cavity", network.largest_cavity),
        ("largest sphere that can cross the crystal", network.limiting_diameter),
    )
    parts = [f"{name} {value:.1f} Å" for name, value in diameters if math.isfinite(value)]
    line = ", ".join([*parts, f"accessible volume {network.accessible_volume:.0f} Å³ per cell."])
    return line[0].upper() + line[1:]


def site_table(network: PoreNetwork, temperature: float) -> TextTable:
    """Sites by orbit: label, multiplicity, coordination, energy above the deepest of the species, width."""
    made = TextTable(
        "Sites",
        ("orbit", "<species", "<label", "per cell", "energy, eV", "above deepest, eV", "width, Å", "~coordination"),
        keys=3,
    )
    frame = site_frame(network, temperature)
    for row in frame.to_dict("records"):
        made.add_row(
            str(row["orbit"]), row["species"], row["label"], str(row["per cell"]),
            _marked(f"{row['energy (eV)']:.3f}", row["given by the user"]), f"{row['above deepest (eV)']:.3f}",
            f"{row['width (Å)']:.1f}{'w' if row['width (Å)'] > WIDE else ''}", row["coordination"],
        )  # fmt: skip
    wide = f"w: wider than {WIDE:g} Å, a flat region where hopping between sites is a coarse picture."
    notes = [wide] if (frame["width (Å)"] > WIDE).any() else []
    made.caption = " ".join([*notes, *_override_note(frame)])
    return made


def hop_table(network: PoreNetwork, temperature: float) -> TextTable:
    """Hops by orbit: ends, number, length, barrier and prefactor from each end."""
    frame = hop_frame(network, temperature)
    name, unit = prefactor_name(network, temperature)
    there, back = f"{name} ({unit})", f"back {name} ({unit})"
    same = np.allclose(frame[there].to_numpy(np.float64), frame[back].to_numpy(np.float64), rtol=5e-3)
    columns = ["orbit", "<species", "<from", "<to", "per cell", "length, Å", "barrier, eV", "back, eV"]
    columns += [f"prefactor, {unit}"] if same else [f"prefactor, {unit}", f"back, {unit}"]
    made = TextTable("Hops", tuple(columns), keys=4)
    for row in frame.to_dict("records"):
        given = row["given by the user"]
        made.add_row(
            str(row["orbit"]), row["species"], f"{row['from']} ({row['from orbit']})",
            f"{row['to']} ({row['to orbit']})", str(row["per cell"]), f"{row['length (Å)']:.2f}",
            _marked(f"{row['barrier (eV)']:.3f}", given), _marked(f"{row['back (eV)']:.3f}", given),
            *(_marked(f"{row[column]:.1e}", given) for column in ([there] if same else [there, back])),
        )  # fmt: skip
    rates = (
        f"Rate: prefactor x exp(-barrier / kT); prefactors at {temperature:.0f} K: {RATE_MODELS[network.rate_model]}."
    )
    made.caption = " ".join([rates, *_override_note(frame)])
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
    return f"\nExclusions per cell (pairs of sites that cannot both be occupied): {counts or 'none'}"


def _marked(text: str, overridden: bool) -> str:
    return f"{text}*" if overridden else text


def _override_note(frame: pd.DataFrame) -> list[str]:
    return ["* given by the user, not computed."] if frame["given by the user"].any() else []
