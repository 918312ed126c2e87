"""Tables of the page of a pore network, in HTML."""

from __future__ import annotations

import numpy as np

from analysis.network_orbits import GIVEN, HopOrbit, SiteOrbit, crossing_text, species_summaries
from analysis.page_parts import html_table
from lattice.network import PoreNetwork
from lattice.rate_models import RATE_MODELS


def tables(network: PoreNetwork, sites: list[SiteOrbit], hops: list[HopOrbit], T: float) -> list[str]:
    """HTML of percolation, sites and hops; prefactors at T in K."""
    given = any(site.overridden for site in sites) or any(hop.overridden for hop in hops)
    made = [_percolation_table(network), _site_table(network, sites)]
    if hops:
        made.append(_hop_table(network, sites, hops, T))
    if given:
        made.append(f'<p class="note">{GIVEN} given by the user, not computed.</p>')
    return made


def _percolation_table(network: PoreNetwork) -> str:
    rows = [
        [ion.name, str(ion.sites), str(ion.hops), f"{ion.deepest:.3f}", *map(crossing_text, ion.crossing)]
        for ion in species_summaries(network)
    ]
    return html_table(
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
    return html_table("Sites", columns, rows)


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
    title = f"Hops; prefactors at {T:.0f} K, {RATE_MODELS[network.rate_model]}"
    unit = _prefactor_unit(network)
    columns = [
        "orbit", "<species", "<from", "<to", "per cell", "length, Å", "barrier, eV", "back, eV",
        f"prefactor, {unit}", f"back, {unit}",
    ]  # fmt: skip
    return html_table(title, columns, rows)


def both_prefactors(network: PoreNetwork, hop: HopOrbit) -> str:
    """Prefactors there and back with their unit, one number where they are equal."""
    form = ".3g" if network.rate_model == "attempt_frequency" else ".2e"
    there, back = f"{hop.prefactor:{form}}", f"{hop.back_prefactor:{form}}"
    both = there if there == back else f"{there}, back {back}"
    return f"{both} {_prefactor_unit(network)}"


def _prefactor_unit(network: PoreNetwork) -> str:
    return "ν" if network.rate_model == "attempt_frequency" else "/s"
