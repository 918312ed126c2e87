"""The pore network as one HTML page: a view to turn by hand, tables, and what was assumed.

The page holds its scripts and needs no network. Its view is a few hundred lines of WebGL 2 in `page/`.
"""

from __future__ import annotations

import json
from html import escape
from pathlib import Path

import numpy as np

from analysis.network_orbits import display_temperature, hop_orbits, site_orbits
from analysis.network_page_scene import scene
from analysis.network_page_tables import tables
from analysis.page_parts import filled, part
from lattice.network import PoreNetwork
from lattice.screening import describe
from structures.crystal import formula
from structures.files import whole_file


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
    view, script = network_view(network, T)
    values = {
        "title": escape(f"{network.name}: pore network"),
        "heading": escape(f"Pore network of {network.name}"),
        "summary": escape(network_summary(network)),
        "style": part("network.css"),
        "view": view,
        "tables": "\n".join(tables(network, site_orbits(network), hop_orbits(network, T), T)),
        "provenance": "\n".join(f"<li>{escape(line)}</li>" for line in network.provenance),
        "script": script,
    }
    return filled("network.html", values)


def network_view(network: PoreNetwork, T: float) -> tuple[str, str]:
    """HTML of the view that can be turned, and the script elements that draw it; prefactors at T in K."""
    names = ", ".join(species.name for species in network.species)
    drawn = json.dumps(
        scene(network, site_orbits(network), hop_orbits(network, T), T),
        separators=(",", ":"), allow_nan=False, ensure_ascii=False,
    )  # fmt: skip
    view = filled(
        "view.html",
        {"description": escape(f"Framework of {network.name} with the sites and hops of {names} in one cell")},
    )
    script = filled(
        "view_script.html",
        {
            "scene": drawn.replace("<", "\\u003c"),
            "renderer": part("renderer.js"),
            "script": part("network.js"),
        },
    )
    return view, script


def network_summary(network: PoreNetwork) -> str:
    """Say what the framework is and how large its cell and its pores are."""
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
