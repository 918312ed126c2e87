"""The pore network by orbits as pandas tables: what is printed and written to CSV files alike."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.network_orbits import deepest_sites, hop_orbits, site_orbits
from lattice.network import PoreNetwork


def species_frame(network: PoreNetwork) -> pd.DataFrame:
    """By species: sites, hops, and the energy above the deepest site at which a path crosses the crystal."""
    deepest = deepest_sites(network).tolist()
    rows = []
    for index, species in enumerate(network.species):
        mine = network.site_species == index
        levels = (network.percolation[index] - deepest[index]).tolist()
        rows.append(
            {
                "species": species.name,
                "sites per cell": int(mine.sum()),
                "hops per cell": int(mine[network.hop_origin].sum()) // 2,
                "deepest site (eV)": deepest[index],
                **{f"{n}D (eV)": level for n, level in enumerate(levels, 1)},
            }
        )
    return pd.DataFrame(rows)


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
    name = prefactor_name(network, temperature)
    return pd.DataFrame(
        {
            "orbit": hop.orbit,
            "species": network.species[hop.species].name,
            "from orbit": hop.origin,
            "from": label[hop.origin],
            "to orbit": hop.target,
            "to": label[hop.target],
            "per cell": hop.count,
            "length (Å)": hop.length,
            "barrier (eV)": hop.barrier,
            "back (eV)": hop.back,
            name: hop.prefactor,
            f"back {name}": hop.back_prefactor,
            "given by the user": hop.overridden,
        }
        for hop in hop_orbits(network, temperature)
    )


def prefactor_name(network: PoreNetwork, temperature: float) -> str:
    """Heading of the prefactors with their unit."""
    unit = "nu" if network.rate_model == "attempt_frequency" else "1/s"
    return f"prefactor at {temperature:g} K ({unit})"
