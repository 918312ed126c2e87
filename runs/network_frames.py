"""The pore network by orbits as pandas tables: what is printed and written to CSV files alike."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.network_orbits import hop_orbits, site_orbits, species_summaries
from lattice.network import PoreNetwork


def species_frame(network: PoreNetwork) -> pd.DataFrame:
    """By species: sites, hops, and the energy above the deepest site at which a path crosses the crystal."""
    return pd.DataFrame(
        {
            "species": ion.name,
            "sites per cell": ion.sites,
            "hops per cell": ion.hops,
            "deepest site (eV)": ion.deepest,
            **{f"{n}D (eV)": level for n, level in enumerate(ion.crossing.tolist(), 1)},
        }
        for ion in species_summaries(network)
    )


def site_frame(network: PoreNetwork, temperature: float) -> pd.DataFrame:
    """Sites by orbit, one row for each: label, multiplicity, surroundings, energies, width, a place.

    Parameters
    ----------
    network : PoreNetwork
    temperature : float, K
        Of the free energies.
    """
    free_energy = network.rates(temperature).free_energy
    first = {
        int(orbit): int(site) for orbit, site in zip(*np.unique(network.site_orbit, return_index=True), strict=True)
    }
    rows = []
    for site in site_orbits(network):
        x, y, z = network.site_frac[first[site.orbit]].tolist()
        rows.append(
            {
                "orbit": site.orbit,
                "species": network.species[site.species].name,
                "label": site.label,
                "per cell": site.count,
                "coordination": site.coordination,
                "energy (eV)": site.energy,
                "above deepest (eV)": site.above_deepest,
                f"-kT ln Z at {temperature:g} K (eV)": float(free_energy[first[site.orbit]]),
                "width (Å)": site.width,
                "given by the user": site.overridden,
                "x": x,
                "y": y,
                "z": z,
            }
        )
    return pd.DataFrame(rows)


def hop_frame(network: PoreNetwork, temperature: float) -> pd.DataFrame:
    """Hops by orbit, one row for each: ends, number, length, barrier and prefactor from either end.

    Parameters
    ----------
    network : PoreNetwork
    temperature : float, K
        Of the prefactors.
    """
    label = dict(zip(network.site_orbit.tolist(), network.site_label, strict=True))
    name, unit = prefactor_name(network, temperature)
    columns = (
        "orbit", "species", "from orbit", "from", "to orbit", "to", "per cell", "length (Å)", "barrier (eV)",
        "back (eV)", f"{name} ({unit})", f"back {name} ({unit})", "given by the user",
    )  # fmt: skip
    rows = [
        (
            hop.orbit, network.species[hop.species].name, hop.origin, label[hop.origin], hop.target, label[hop.target],
            hop.count, hop.length, hop.barrier, hop.back, hop.prefactor, hop.back_prefactor, hop.overridden,
        )
        for hop in hop_orbits(network, temperature)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def prefactor_name(network: PoreNetwork, temperature: float) -> tuple[str, str]:
    """Name of the prefactors, and their unit."""
    return f"prefactor at {temperature:g} K", "nu" if network.rate_model == "attempt_frequency" else "1/s"
