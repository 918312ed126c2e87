"""CIF and extended XYZ of a network: other programs read the same atoms and sites."""

from dataclasses import replace

import ase.io
import numpy as np
import pytest
from frameworks import framed_network
from pymatgen.io.cif import CifFile, CifParser

from analysis.network_files import site_names, write_network_cif, write_network_xyz
from lattice.network import PoreNetwork

CELL = np.array([[11.3, 0.0, 0.0], [-3.1, 9.2, 0.0], [1.4, 2.3, 10.7]])  # triclinic


@pytest.fixture(scope="module")
def pores() -> PoreNetwork:
    frac = np.array([[0.13, 0.52, 0.49], [0.97, 0.51, 0.53], [0.84, 0.48, 0.47], [0.71, 0.55, 0.46]])
    return framed_network(cell=CELL, framework_frac=frac, name="Zn MOF (α)", provenance=("eps_r 10, cut-off 12 Å × 2",))


def all_frac(network: PoreNetwork) -> np.ndarray:
    return np.concatenate([network.framework_frac, network.site_frac])


def test_ase_reads_the_cif(pores, tmp_path):
    write_network_cif(pores, tmp_path / "n.cif")
    atoms = ase.io.read(tmp_path / "n.cif")
    assert atoms.get_chemical_symbols() == [*pores.framework_symbols, *["X"] * pores.n_sites]
    np.testing.assert_allclose(atoms.get_scaled_positions(wrap=False), all_frac(pores), atol=1e-7)
    np.testing.assert_allclose(atoms.cell.cellpar(), ase.Atoms(cell=CELL).cell.cellpar(), atol=1e-7)


@pytest.mark.filterwarnings("ignore:.*X.* is not a valid Element")
def test_pymatgen_reads_the_cif(pores, tmp_path):
    write_network_cif(pores, tmp_path / "n.cif")
    structure = CifParser(tmp_path / "n.cif").parse_structures(primitive=False, check_occu=False)[0]
    assert len(structure) == len(all_frac(pores))
    for frac in all_frac(pores):
        gap = structure.frac_coords - frac
        assert np.abs(gap - np.rint(gap)).max(axis=1).min() < 1e-6
    assert sum(site.specie.symbol == "X" for site in structure) == pores.n_sites


def test_cif_says_what_the_sites_and_hops_are(pores, tmp_path):
    write_network_cif(pores, tmp_path / "n.cif")
    text = (tmp_path / "n.cif").read_bytes()
    assert max(text) < 128, "a CIF holds ASCII"
    assert b"eps_r 10, cut-off 12 A x 2" in text
    (block,) = CifFile.from_str(text.decode()).data.values()
    labels = block["_atom_site_label"]
    assert len(set(labels)) == len(labels)
    assert block["_mofkmc_site_label"] == labels[-pores.n_sites :] == site_names(pores)
    assert labels[-pores.n_sites] == "Li_o0_0"
    assert block["_mofkmc_site_environment"] == list(pores.site_label)
    np.testing.assert_allclose(np.array(block["_mofkmc_site_energy_eV"], float), pores.site_energy, atol=1e-6)
    assert len(block["_mofkmc_hop_label_1"]) == len(pores.hop_origin) // 2
    number = {label: k for k, label in enumerate(site_names(pores))}
    a, b = ([number[label] for label in block[f"_mofkmc_hop_label_{n}"]] for n in (1, 2))
    image = np.array([block[f"_mofkmc_hop_cell_2_{x}"] for x in "abc"], float).T
    length = np.linalg.norm((pores.site_frac[b] + image - pores.site_frac[a]) @ CELL, axis=1)
    np.testing.assert_allclose(np.array(block["_mofkmc_hop_length"], float), length, atol=1e-4)
    np.testing.assert_allclose(
        np.array(block["_mofkmc_hop_barrier_from_deeper_eV"], float), [0.2, 0.3, 0.3, 0.3] * 2, atol=1e-6
    )


def test_ions_of_like_names_have_labels_of_their_own(pores):
    first, second = pores.species
    like = replace(pores, species=(replace(first, name="X+"), replace(second, name="X-")))
    assert len(set(site_names(like))) == pores.n_sites


def test_ase_reads_the_xyz(pores, tmp_path):
    write_network_xyz(pores, tmp_path / "n.xyz")
    atoms = ase.io.read(tmp_path / "n.xyz")
    np.testing.assert_allclose(atoms.positions, all_frac(pores) @ CELL, atol=1e-7)
    np.testing.assert_allclose(atoms.cell, CELL, atol=1e-12)
    assert atoms.pbc.all()
    n_atoms = len(pores.framework_symbols)
    assert atoms.get_chemical_symbols()[n_atoms:] == ["X"] * pores.n_sites
    assert atoms.arrays["kind"].tolist() == ["framework"] * n_atoms + ["Li+", "Li+", "Me2NH2+", "Me2NH2+"]
    assert atoms.arrays["label"][n_atoms:].tolist() == ["carboxylate-O", "near_C-H", "cage_centre", "pore"]
    assert atoms.arrays["orbit"].tolist() == [-1] * n_atoms + [0, 1, 2, 3]
    np.testing.assert_allclose(atoms.arrays["site_energy"][n_atoms:], pores.site_energy)
    np.testing.assert_allclose(atoms.get_initial_charges()[:n_atoms], pores.framework_charges)
    assert not atoms.arrays["given_by_user"].any()
    write_network_xyz(replace(pores, site_overridden=np.array([False, True, False, False])), tmp_path / "n.xyz")
    assert (
        ase.io.read(tmp_path / "n.xyz").arrays["given_by_user"].tolist()
        == [False] * (n_atoms + 1) + [True] + [False] * 2
    )


@pytest.mark.parametrize("write", [write_network_cif, write_network_xyz])
def test_a_network_without_hops_or_framework_is_written_too(write, pores, tmp_path):
    none = np.zeros(0, int)
    bare = replace(
        pores, framework_symbols=(), framework_frac=np.zeros((0, 3)), framework_charges=np.zeros(0),
        **{name: getattr(pores, name)[none] for name in (
            "hop_origin", "hop_target", "hop_image", "hop_saddle", "hop_orbit", "hop_reverse", "hop_overridden",
            "hop_log_conductance",
        )},
    )  # fmt: skip
    path = tmp_path / ("n.cif" if write is write_network_cif else "n.xyz")
    write(bare, path)
    assert len(ase.io.read(path)) == pores.n_sites
    assert [found.name for found in tmp_path.iterdir()] == [path.name]
