"""The pore network as one HTML page: a view to turn by hand, tables, and what was assumed.

The page holds its scripts and needs no network. Its view is a few hundred lines of WebGL 2 in `page/`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from ase.data import atomic_numbers, covalent_radii
from numpy.typing import NDArray

from analysis.drawn_framework import drawn_framework
from analysis.network_orbits import (
    HopOrbit,
    SiteOrbit,
    deepest_sites,
    display_temperature,
    hop_orbits,
    site_orbits,
)
from analysis.palette import BARRIERS, barrier_scale, element_colour, orbit_colour
from lattice.network import PoreNetwork
from lattice.screening import describe
from structures.crystal import formula
from structures.files import whole_file

PAGE = Path(__file__).parent / "page"
ATOM_SCALE = 0.3  # of the covalent radius
GIVEN = "†"
_RATE_MODELS = {
    "flux_tst": "flux transition state theory",
    "harmonic_tst": "harmonic transition state theory",
    "attempt_frequency": "in units of the attempt frequency ν",
}


def write_network_page(network: PoreNetwork, path: str | Path, *, temperature: float | None = None) -> None:
    """Write the page of a network, as a whole or not at all.

    Parameters
    ----------
    network : PoreNetwork
    path : str or Path
        An HTML file; its folder must be there.
    temperature : float, K, optional
        Of the prefactors; 298.15 K, or the nearest one at which they are known.

    Raises
    ------
    ValueError
        If the rates of the network are not known at the temperature.
    """
    page = network_page(network, temperature=temperature)
    with whole_file(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def network_page(network: PoreNetwork, *, temperature: float | None = None) -> str:
    """HTML of the page: everything it needs is inside. The parameters are those of `write_network_page`."""
    T = display_temperature(network) if temperature is None else temperature
    sites, hops = site_orbits(network), hop_orbits(network, T)
    names = ", ".join(species.name for species in network.species)
    scene = json.dumps(_scene(network, sites, hops, T), separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    values = {
        "title": escape(f"{network.name}: pore network"),
        "heading": escape(f"Pore network of {network.name}"),
        "summary": escape(_summary(network)),
        "description": escape(f"Framework of {network.name} with the sites and hops of {names} in one cell"),
        "style": _part("network.css"),
        "tables": "\n".join(_tables(network, sites, hops, T)),
        "provenance": "\n".join(f"<li>{escape(line)}</li>" for line in network.provenance),
        "scene": scene.replace("<", "\\u003c"),
        "renderer": _part("renderer.js"),
        "script": _part("network.js"),
    }
    first, *rest = _part("network.html").split("{{")
    pieces = (piece.partition("}}") for piece in rest)
    return first + "".join(values[name] + text for name, _, text in pieces)


def _part(name: str) -> str:
    return (PAGE / name).read_text(encoding="utf-8").strip()


def _summary(network: PoreNetwork) -> str:
    a, b, c = np.linalg.norm(network.cell, axis=1)
    what = f"{formula(network.framework_symbols)} in a cell" if network.framework_symbols else "Cell"
    parts = [
        f"{what} of {a:.2f} × {b:.2f} × {c:.2f} Å, {network.volume:.0f} Å³, eps_r {describe(network.permittivity)}"
    ]
    for name, value, unit in (
        ("largest cavity", network.largest_cavity, "Å"),
        ("largest sphere that can cross the crystal", network.limiting_diameter, "Å"),
        ("accessible volume", network.accessible_volume, "Å³"),
    ):
        if np.isfinite(value):
            parts.append(f"{name} {value:.{0 if unit == 'Å³' else 2}f} {unit}")
    return "; ".join(parts) + "."


# ---- scene


def _scene(network: PoreNetwork, sites: list[SiteOrbit], hops: list[HopOrbit], T: float) -> dict[str, Any]:
    """Everything the script draws; lengths in Å, energies in eV."""
    top, ticks = barrier_scale(max((hop.from_deeper for hop in hops), default=0.0))
    elements = sorted(set(network.framework_symbols), key=lambda symbol: -atomic_numbers[symbol])
    once = np.flatnonzero(network.hop_reverse > np.arange(len(network.hop_origin)))
    hops_by_number = {hop.orbit: k for k, hop in enumerate(hops)}
    sites_by_number = {site.orbit: k for k, site in enumerate(sites)}
    return {
        "cell": _rounded(network.cell, 5),
        "thickness": round(float(np.cbrt(network.volume)) / 20.0, 3),
        "elements": [
            [symbol, element_colour(symbol), round(ATOM_SCALE * float(covalent_radii[atomic_numbers[symbol]]), 3)]
            for symbol in elements
        ],
        **_atoms_and_bonds(network, elements),
        "species": [_species_entry(network, index, hops) for index in range(len(network.species))],
        "siteOrbits": [_site_entry(network, site) for site in sites],
        "hopOrbits": [_hop_entry(network, hop, sites, T) for hop in hops],
        "sites": {
            "place": _rounded((network.site_frac @ network.cell).ravel()),
            "orbit": [sites_by_number[int(orbit)] for orbit in network.site_orbit],
        },
        "hops": {
            "from": network.hop_origin[once].tolist(),
            "to": network.hop_target[once].tolist(),
            "image": network.hop_image[once].ravel().tolist(),
            "orbit": [hops_by_number[int(orbit)] for orbit in network.hop_orbit[once]],
        },
        "stops": list(BARRIERS),
        "top": top,
        "ticks": [f"{tick:.10g}" for tick in ticks],
    }


def _atoms_and_bonds(network: PoreNetwork, elements: list[str]) -> dict[str, Any]:
    """Atoms to draw, each with its half of all its bonds."""
    if not network.framework_symbols:
        return {
            "atoms": {"place": [], "element": [], "charge": [], "outside": []},
            "bonds": {"atom": [], "partner": [], "half": []},
        }
    drawn = drawn_framework(network)
    kind = np.array([elements.index(symbol) for symbol in network.framework_symbols])
    return {
        "atoms": {
            "place": _rounded(drawn.place.ravel()),
            "element": kind[drawn.atom].tolist(),
            "charge": _rounded(network.framework_charges[drawn.atom]),
            "outside": drawn.outside.astype(int).tolist(),
        },
        "bonds": {
            "atom": drawn.bond_copy.tolist(),
            "partner": kind[drawn.bond_partner].tolist(),
            "half": _rounded(drawn.bond_half.ravel()),
        },
    }


def _species_entry(network: PoreNetwork, index: int, hops: list[HopOrbit]) -> dict[str, Any]:
    species = network.species[index]
    saddles = [hop.saddle for hop in hops if hop.species == index]
    n_sites = int((network.site_species == index).sum())
    return {
        "name": species.name,
        "note": f"{n_sites} sites",
        "radius": round(float(np.clip(0.4 + 0.17 * species.contact_radius, 0.5, 0.8)), 3),
        "highest": round(max(saddles, default=0.0), 6),
        "crossing": [_number(level) for level in network.percolation[index] - deepest_sites(network)[index]],
    }


def _site_entry(network: PoreNetwork, site: SiteOrbit) -> dict[str, Any]:
    mark = GIVEN if site.overridden else ""
    lines = [
        f"{network.species[site.species].name} site: {site.label}",
        f"orbit {site.orbit}, {site.count} per cell",
        f"energy {site.energy:.3f} eV{mark}, {site.above_deepest:.3f} above the deepest",
        *([f"coordination: {site.coordination}"] if site.coordination else []),
        *([f"width {site.width:.1f} Å"] if np.isfinite(site.width) else []),
    ]
    return {
        "species": site.species,
        "colour": orbit_colour(site.orbit),
        "name": f"{site.label} ({site.orbit})",
        "note": f"{site.count} × {site.above_deepest:.3f}{mark}",
        "text": [*lines, *([f"{GIVEN} given by the user"] if mark else [])],
    }


def _hop_entry(network: PoreNetwork, hop: HopOrbit, sites: list[SiteOrbit], T: float) -> dict[str, Any]:
    mark = GIVEN if hop.overridden else ""
    number = {site.orbit: k for k, site in enumerate(sites)}
    ends = number[hop.origin], number[hop.target]
    here, there = (f"{sites[k].label} ({sites[k].orbit})" for k in ends)
    lines = [
        f"{network.species[hop.species].name} hop: {here} ⇄ {there}",
        f"orbit {hop.orbit}, {hop.count} per cell, {hop.length:.2f} Å",
        f"barrier {hop.barrier:.3f} eV{mark}, back {hop.back:.3f} eV{mark}",
        f"saddle {hop.saddle:.3f} eV above the deepest site",
        f"prefactor at {T:.0f} K {_prefactors(network, hop)}{mark}",
    ]
    return {
        "species": hop.species,
        "barrier": round(hop.from_deeper, 6),
        "saddle": round(hop.saddle, 6),
        "ends": ends,
        "name": f"{hop.origin} – {hop.target}",
        "note": f"{hop.length:.1f} · {hop.from_deeper:.3f}{mark}",
        "text": [*lines, *([f"{GIVEN} given by the user"] if mark else [])],
    }


def _prefactors(network: PoreNetwork, hop: HopOrbit) -> str:
    form = ".3g" if network.rate_model == "attempt_frequency" else ".2e"
    there, back = f"{hop.prefactor:{form}}", f"{hop.back_prefactor:{form}}"
    both = there if there == back else f"{there}, back {back}"
    return f"{both} {_prefactor_unit(network)}"


def _prefactor_unit(network: PoreNetwork) -> str:
    return "ν" if network.rate_model == "attempt_frequency" else "/s"


def _rounded(values: NDArray[np.float64], decimals: int = 3) -> list[Any]:
    return list((np.round(values, decimals) + 0.0).tolist())


def _number(value: float) -> float | None:
    return round(float(value), 6) if np.isfinite(value) else None


# ---- tables


def _tables(network: PoreNetwork, sites: list[SiteOrbit], hops: list[HopOrbit], T: float) -> list[str]:
    given = any(site.overridden for site in sites) or any(hop.overridden for hop in hops)
    made = [_percolation_table(network), _site_table(network, sites)]
    if hops:
        made.append(_hop_table(network, sites, hops, T))
    if given:
        made.append(f'<p class="note">{GIVEN} given by the user, not computed.</p>')
    return made


def _percolation_table(network: PoreNetwork) -> str:
    deepest = deepest_sites(network)
    rows = []
    for index, species in enumerate(network.species):
        mine = network.site_species == index
        levels = [f"{x:.3f}" if np.isfinite(x) else "never" for x in network.percolation[index] - deepest[index]]
        n_hops = int(mine[network.hop_origin].sum()) // 2
        rows.append([species.name, str(int(mine.sum())), str(n_hops), f"{deepest[index]:.3f}", *levels])
    return _table(
        "Percolation: energy above the deepest site at which a path first crosses the crystal",
        ["<species", "sites", "hops", "deepest site, eV", "in 1 direction, eV", "2, eV", "3, eV"],
        rows,
    )


def _site_table(network: PoreNetwork, sites: list[SiteOrbit]) -> str:
    rows = [
        [
            str(site.orbit), network.species[site.species].name, site.label, str(site.count),
            f"{site.energy:.3f}{GIVEN if site.overridden else ''}", f"{site.above_deepest:.3f}",
            f"{site.width:.1f}" if np.isfinite(site.width) else "–", site.coordination or "–",
        ]
        for site in sites
    ]  # fmt: skip
    columns = [
        "orbit", "<species", "<label", "per cell", "energy, eV", "above deepest, eV", "width, Å", "<coordination",
    ]  # fmt: skip
    return _table("Sites", columns, rows)


def _hop_table(network: PoreNetwork, sites: list[SiteOrbit], hops: list[HopOrbit], T: float) -> str:
    label = {site.orbit: f"{site.label} ({site.orbit})" for site in sites}
    form = ".3g" if network.rate_model == "attempt_frequency" else ".2e"
    rows = []
    for hop in hops:
        mark = GIVEN if hop.overridden else ""
        rows.append([
            str(hop.orbit), network.species[hop.species].name, label[hop.origin], label[hop.target], str(hop.count),
            f"{hop.length:.2f}", f"{hop.barrier:.3f}{mark}", f"{hop.back:.3f}{mark}",
            f"{hop.prefactor:{form}}{mark}", f"{hop.back_prefactor:{form}}{mark}",
        ])  # fmt: skip
    title = f"Hops; prefactors at {T:.0f} K, {_RATE_MODELS[network.rate_model]}"
    unit = _prefactor_unit(network)
    columns = [
        "orbit", "<species", "<from", "<to", "per cell", "length, Å", "barrier, eV", "back, eV",
        f"prefactor, {unit}", f"back, {unit}",
    ]  # fmt: skip
    return _table(title, columns, rows)


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """HTML of a table; a column whose name begins with "<" holds text, any other one numbers."""
    kinds = [' class="text"' if column.startswith("<") else "" for column in columns]
    head = "".join(
        f"<th{kind}>{escape(column.removeprefix('<'))}</th>" for kind, column in zip(kinds, columns, strict=True)
    )
    body = "\n".join(
        "<tr>" + "".join(f"<td{kind}>{escape(cell)}</td>" for kind, cell in zip(kinds, row, strict=True)) + "</tr>"
        for row in rows
    )
    return (
        f'<section><h2>{escape(title)}</h2>\n<div class="table"><table>\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody>\n</table></div></section>"
    )
