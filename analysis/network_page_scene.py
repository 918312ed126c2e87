"""What the page of a pore network draws: atoms, bonds, sites and hops with their captions, as plain JSON values."""

from __future__ import annotations

from typing import Any

import numpy as np
from ase.data import atomic_numbers, covalent_radii
from numpy.typing import NDArray

from analysis.drawn_framework import drawn_framework
from analysis.network_orbits import GIVEN, HopOrbit, SiteOrbit, SpeciesSummary, species_summaries
from analysis.network_page_tables import both_prefactors
from analysis.palette import BARRIERS, barrier_scale, element_colour, orbit_colour
from lattice.network import PoreNetwork

ATOM_SCALE = 0.3  # of the covalent radius


def scene(network: PoreNetwork, sites: list[SiteOrbit], hops: list[HopOrbit], T: float) -> dict[str, Any]:
    """Everything the script draws; lengths in Å, energies in eV, prefactors at T in K."""
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
        "species": [_species_entry(network, n, ion, hops) for n, ion in enumerate(species_summaries(network))],
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


def _species_entry(network: PoreNetwork, index: int, ion: SpeciesSummary, hops: list[HopOrbit]) -> dict[str, Any]:
    saddles = [hop.saddle for hop in hops if hop.species == index]
    return {
        "name": ion.name,
        "note": f"{ion.sites} sites",
        "radius": round(float(np.clip(0.4 + 0.17 * network.species[index].contact_radius, 0.5, 0.8)), 3),
        "highest": round(max(saddles, default=0.0), 6),
        "crossing": [_number(level) for level in ion.crossing],
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
        f"prefactor at {T:.0f} K {both_prefactors(network, hop)}{mark}",
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


def _rounded(values: NDArray[np.float64], decimals: int = 3) -> list[Any]:
    return list((np.round(values, decimals) + 0.0).tolist())


def _number(value: float) -> float | None:
    return round(float(value), 6) if np.isfinite(value) else None
