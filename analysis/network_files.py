"""The pore network as files for other programs: CIF and extended XYZ, with the sites as dummy atoms.

Both hold the framework atoms of one cell first and then the sites, element X, in the order of the network.
"""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

import ase.io
import gemmi
import numpy as np
from ase import Atoms
from ase.data import atomic_numbers

from analysis.network_orbits import deepest_sites, hop_barriers
from lattice.network import PoreNetwork
from lattice.screening import describe
from structures.crystal import formula
from structures.files import whole_file

DUMMY = "X"
NO_ORBIT = -1  # of framework atoms
_PLAIN = str.maketrans("×–−·", "x--*")


def write_network_cif(network: PoreNetwork, path: str | Path) -> None:
    """Write framework and sites as one CIF in P1, for VESTA, OVITO, Mercury and the like.

    A site is a dummy atom X whose label names species and orbit, "Li_o2_17" for site 17; energies, labels and hops are
    in loops of their own, whose names begin with _mofkmc.

    Parameters
    ----------
    network : PoreNetwork
    path : str or Path
    """
    document = gemmi.cif.Document()
    block = document.add_new_block(re.sub(r"[^A-Za-z0-9._+-]", "_", network.name) or "network")
    for name, value in _cell_items(network).items():
        block.set_pair(name, gemmi.cif.quote(value))
    for loop in _loops(network):
        block.init_loop("", list(loop)).set_all_values([list(map(_value, column)) for column in loop.values()])
    with whole_file(path) as temporary:
        temporary.write_text(f"{_heading(network)}\n{document.as_string()}", encoding="utf-8")


def write_network_xyz(network: PoreNetwork, path: str | Path) -> None:
    """Write framework and sites as extended XYZ, for OVITO and ASE.

    Columns beyond the positions: `kind` ("framework" or the species), `label`, `orbit` (-1 for framework atoms),
    `site_energy` and `above_deepest` (eV, zero for framework atoms), `given_by_user` (an energy that was not computed),
    `initial_charges` (e, zero for sites).

    Parameters
    ----------
    network : PoreNetwork
    path : str or Path
    """
    n_atoms, n_sites = len(network.framework_symbols), network.n_sites
    atoms = Atoms(
        numbers=[*(atomic_numbers[symbol] for symbol in network.framework_symbols), *([0] * n_sites)],
        scaled_positions=np.concatenate([network.framework_frac, network.site_frac]),
        cell=network.cell,
        pbc=True,
        info={"network": network.name, "eps_r": describe(network.permittivity), "rate_model": network.rate_model},
    )
    above = network.site_energy - deepest_sites(network)[network.site_species]
    names = [_word(species.name) for species in network.species]
    kinds = [names[index] for index in network.site_species]
    labels = [_word(label) for label in network.site_label]
    for name, of_framework, of_sites in (
        ("kind", ["framework"] * n_atoms, kinds),
        ("label", list(network.framework_symbols), labels),
        ("orbit", np.full(n_atoms, NO_ORBIT), network.site_orbit),
        ("site_energy", np.zeros(n_atoms), network.site_energy),
        ("above_deepest", np.zeros(n_atoms), above),
        ("given_by_user", np.zeros(n_atoms, dtype=bool), network.site_overridden),
        ("initial_charges", network.framework_charges, np.zeros(n_sites)),
    ):
        atoms.new_array(name, np.concatenate([of_framework, of_sites]))
    with whole_file(path) as temporary:
        ase.io.write(temporary, atoms, format="extxyz")


def _heading(network: PoreNetwork) -> str:
    lines = (
        f"Pore network of {network.name}: framework, and sites as dummy atoms {DUMMY}; one cell, no symmetry applied.",
        "Energies in eV, lengths in angstrom. Hops are listed once for both directions.",
        *network.provenance,
    )
    return "\n".join("# " + " ".join(_ascii(line).split()) for line in lines)


def _loops(network: PoreNetwork) -> list[dict[str, list[str]]]:
    """Columns of each loop by name."""
    labels = site_names(network)
    loops = [{"_symmetry_equiv_pos_as_xyz": ["x, y, z"]}, _atoms(network, labels), _sites(network, labels)]
    return [*loops, _hops(network, labels)] if len(network.hop_origin) else loops


def site_names(network: PoreNetwork) -> list[str]:
    """Label of every site in the CIF: species, orbit, number."""
    names = [re.sub(r"[^A-Za-z0-9]", "", species.name) for species in network.species]
    if len(set(names)) < len(names):
        names = [f"{name}{k}" for k, name in enumerate(names)]
    return [
        f"{names[species]}_o{orbit}_{site}"
        for site, (species, orbit) in enumerate(zip(network.site_species, network.site_orbit, strict=True))
    ]


def _cell_items(network: PoreNetwork) -> dict[str, str]:
    a, b, c, alpha, beta, gamma = Atoms(cell=network.cell).cell.cellpar()
    return {
        "_symmetry_space_group_name_H-M": "P 1",
        "_symmetry_Int_Tables_number": "1",
        "_cell_length_a": f"{a:.8f}",
        "_cell_length_b": f"{b:.8f}",
        "_cell_length_c": f"{c:.8f}",
        "_cell_angle_alpha": f"{alpha:.8f}",
        "_cell_angle_beta": f"{beta:.8f}",
        "_cell_angle_gamma": f"{gamma:.8f}",
        "_cell_volume": f"{network.volume:.6f}",
        "_chemical_formula_sum": formula(network.framework_symbols) or "?",
    }


def _atoms(network: PoreNetwork, labels: list[str]) -> dict[str, list[str]]:
    count: dict[str, int] = {}
    of_framework = []
    for symbol in network.framework_symbols:
        count[symbol] = count.get(symbol, 0) + 1
        of_framework.append(f"{symbol}{count[symbol]}")
    frac = np.concatenate([network.framework_frac, network.site_frac])
    return {
        "_atom_site_label": [*of_framework, *labels],
        "_atom_site_type_symbol": [*network.framework_symbols, *([DUMMY] * network.n_sites)],
        **{f"_atom_site_fract_{x}": [f"{value:.8f}" for value in frac[:, k]] for k, x in enumerate("xyz")},
        "_atom_site_occupancy": ["1"] * len(frac),
        "_atom_site_charge": [*(f"{q:.6f}" for q in network.framework_charges), *(["."] * network.n_sites)],
    }


def _sites(network: PoreNetwork, labels: list[str]) -> dict[str, list[str]]:
    above = network.site_energy - deepest_sites(network)[network.site_species]
    return {
        "_mofkmc_site_label": labels,
        "_mofkmc_site_species": [_ascii(network.species[index].name) for index in network.site_species],
        "_mofkmc_site_orbit": [str(orbit) for orbit in network.site_orbit],
        "_mofkmc_site_environment": [_ascii(label) for label in network.site_label],
        "_mofkmc_site_energy_eV": [f"{energy:.6f}" for energy in network.site_energy],
        "_mofkmc_site_above_deepest_eV": [f"{energy:.6f}" for energy in above],
        "_mofkmc_site_given_by_user": ["yes" if given else "no" for given in network.site_overridden],
    }


def _hops(network: PoreNetwork, labels: list[str]) -> dict[str, list[str]]:
    once = np.flatnonzero(network.hop_reverse > np.arange(len(network.hop_origin)))
    length = np.linalg.norm(network.hop_vector, axis=1)
    barrier = hop_barriers(network)
    return {
        "_mofkmc_hop_label_1": [labels[site] for site in network.hop_origin[once]],
        "_mofkmc_hop_label_2": [labels[site] for site in network.hop_target[once]],
        **{f"_mofkmc_hop_cell_2_{x}": [str(n) for n in network.hop_image[once, k]] for k, x in enumerate("abc")},
        "_mofkmc_hop_orbit": [str(orbit) for orbit in network.hop_orbit[once]],
        "_mofkmc_hop_length": [f"{x:.4f}" for x in length[once]],
        "_mofkmc_hop_saddle_eV": [f"{energy:.6f}" for energy in network.hop_saddle[once]],
        "_mofkmc_hop_barrier_from_deeper_eV": [f"{energy:.6f}" for energy in barrier[once]],
        "_mofkmc_hop_given_by_user": ["yes" if given else "no" for given in network.hop_overridden[once]],
    }


def _word(text: str) -> str:
    """Text without white space, for a column of XYZ."""
    return "_".join(text.split()) or "-"


def _ascii(text: str) -> str:
    """Text in the characters that a CIF may hold."""
    plain = text.translate(_PLAIN)
    return unicodedata.normalize("NFKD", plain).encode("ascii", "ignore").decode("ascii")


def _value(text: str) -> str:
    """Text as a value of a CIF; a lone point, which means that there is none, stays."""
    return text if text == "." else str(gemmi.cif.quote(text))
