"""Networks from explicit lists of sites and barriers, against closed forms of the diffusivity of one ion."""

from itertools import permutations

import numpy as np
import pytest

from analysis.network_exact import single_particle_diffusivity
from lattice.site_list import HopRule, SiteListSettings
from lattice.site_list_file import load_site_list
from structures.errors import InputError
from structures.framework import Framework
from structures.species import SHIPPED_SPECIES
from structures.units import BOLTZMANN

NU = 1e12
SETTINGS = SiteListSettings(permittivity=10.0, attempt_frequency=NU)
T = 300.0

CUBIC = """
name: simple cubic
cell_A: [4.0, 4.0, 4.0]
space_group: Pm-3m
framework_charge_e: -1
sites:
  - {label: A, species: Li+, frac: [0, 0, 0], energy_eV: -1.5}
hops:
  - {from: A, to: A, max_distance_A: 4.0, barrier_eV: 0.30, prefactor_Hz: 5.0e+12}
"""

OLIVINE = """
data_LiFePO4
_cell_length_a 10.332
_cell_length_b 6.010
_cell_length_c 4.692
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M 'P n m a'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Li1 Li 0 0 0 0.9
Fe1 Fe 0.2822 0.25 0.9747 1
P1 P 0.0948 0.25 0.4182 1
O1 O 0.0968 0.25 0.7428 1
O2 O 0.4571 0.25 0.2060 1
O3 O 0.1656 0.0465 0.2848 1
"""


def write(tmp_path, text, name="sites.yaml"):
    path = tmp_path / name
    path.write_text(text)
    return path


def load(tmp_path, text, **options):
    return load_site_list(write(tmp_path, text), SETTINGS, **options)


def rate(barrier, prefactor=NU):
    return prefactor * np.exp(-barrier / (BOLTZMANN * T))


def test_simple_cubic(tmp_path):
    """D = a² k in every direction, k the rate of one of the six hops."""
    network = load(tmp_path, CUBIC)
    D = single_particle_diffusivity(network, 0, T, NU)
    assert pytest.approx(4.0**2 * rate(0.30, 5e12) * np.eye(3), rel=1e-10, abs=1e-3) == D
    assert len(network.hop_origin) == 6
    assert network.percolation[0] == pytest.approx([-1.2] * 3)
    assert network.name == "simple cubic"
    assert network.framework_charge == -1.0
    assert network.rate_model == "attempt_frequency"
    assert network.permittivity.tolist() == (10.0 * np.eye(3)).tolist()


def test_sodium_sublattice_of_rock_salt(tmp_path):
    """Twelve hops of length d = a/sqrt(2): D = 12 d² k / 6 = 2 d² k."""
    text = """
cell_A: [5.64, 5.64, 5.64, 90, 90, 90]
space_group: 225
framework_charge_e: -4
sites: [{label: Na, species: Na+, frac: [0, 0, 0]}]
hops: [{max_distance_A: 4.2, barrier_eV: 0.7}]
"""
    sodium = type(SHIPPED_SPECIES["Li+"])("Na+", 1.0, 22.99, 0.0, 2.66, 1.02, "test")
    network = load(tmp_path, text, species=[sodium])
    D = single_particle_diffusivity(network, 0, T, NU)
    assert pytest.approx(5.64**2 * rate(0.7) * np.eye(3), rel=1e-10, abs=1e-12) == D
    assert (np.bincount(network.hop_origin) == 12).all()
    assert len(set(network.hop_orbit)) == 1


def test_octahedral_and_tetrahedral_sites_with_unlike_energies(tmp_path):
    """All saddles at S above octahedra at 0 and tetrahedra at 0.1 eV, no drift anywhere by symmetry:
    D = (d²/3) Σ C / Σ Z with the 32 hops of the cell, d = a sqrt(3)/4, 4 octahedra and 8 tetrahedra.
    """  # fmt: skip
    text = """
cell_A: [5.0, 5.0, 5.0]
space_group: Fm-3m
framework_charge_e: -4
sites:
  - {label: tet, species: Li+, frac: [0.25, 0.25, 0.25], energy_eV: 0.1}
  - {label: oct, species: Li+, frac: [0.5, 0.5, 0.5]}
hops:
  - {from: tet, to: oct, image: [0, 0, 0], barrier_eV: 0.25}
"""
    network = load(tmp_path, text)
    beta = 1 / (BOLTZMANN * T)
    d_square = 5.0**2 * 3 / 16
    expected = NU * d_square / 3 * 32 * np.exp(-0.35 * beta) / (4 + 8 * np.exp(-0.1 * beta))
    D = single_particle_diffusivity(network, 0, T, NU)
    assert pytest.approx(expected * np.eye(3), rel=1e-10, abs=1e-6) == D
    assert network.hop_saddle == pytest.approx(0.35)
    assert sorted(set(network.site_label)) == ["oct", "tet"]
    assert network.site_label.count("tet") == 8
    other = load(tmp_path, text.replace("image: [0, 0, 0]", "max_distance_A: 2.2").replace("from: tet, to: oct, ", ""))
    assert other.hop_saddle == pytest.approx(0.25)  # from the deeper end


def test_the_same_list_with_and_without_symmetry_is_the_same_network(tmp_path):
    """A 2 x 1 x 1 cell listed site by site has the D of the primitive cell with its space group."""
    plain = """
cell_A: [[8, 0, 0], [0, 4, 0], [0, 0, 4]]
framework_charge_e: -2
sites:
  - {label: A, species: Li+, frac: [0, 0, 0], energy_eV: -1.5}
  - {label: B, species: Li+, frac: [0.5, 1.0, -1.0], energy_eV: -1.5}
hops:
  - {from: A, to: A, image: [0, 1, 0], barrier_eV: 0.3, prefactor_Hz: 5.0e+12}
  - {from: A, to: A, image: [0, 0, -1], barrier_eV: 0.3, prefactor_Hz: 5.0e+12}
  - {from: B, to: B, max_distance_A: 4, saddle_eV: -1.2, prefactor_Hz: 5.0e+12}
  - {from: A, to: B, image: [0, -1, 1], barrier_eV: 0.3, prefactor_Hz: 5.0e+12}
  - {from: B, to: A, image: [1, 1, -1], barrier_eV: 0.3, prefactor_Hz: 5.0e+12}
"""
    listed, symmetric = load(tmp_path, plain), load(tmp_path, CUBIC)
    D = [single_particle_diffusivity(network, 0, T, NU) for network in (listed, symmetric)]
    assert pytest.approx(D[1], rel=1e-10, abs=1e-3) == D[0]
    assert np.linalg.norm(listed.hop_vector, axis=1) == pytest.approx(4.0)


def test_lithium_sites_of_a_cif(tmp_path):
    """Chains along b of the olivine: D_bb = (b/2)² k and nothing else; charge of the framework from the occupancies."""
    write(tmp_path, OLIVINE, "olivine.cif")
    text = """
cif: olivine.cif
mobile: {element: Li, species: Li+}
hops:
  - {from: Li1, to: Li1, max_distance_A: 3.1, barrier_eV: 0.27}
"""
    network = load(tmp_path, text)
    D = single_particle_diffusivity(network, 0, T, NU)
    assert pytest.approx(np.diag([0.0, (6.01 / 2) ** 2 * rate(0.27), 0.0]), rel=1e-10, abs=1e-6) == D
    assert network.percolation[0, 0] == pytest.approx(0.27)
    assert np.isnan(network.percolation[0, 1:]).all()
    assert network.framework_charge == -4.0
    assert "balances the 3.6 e of the mobile ions" in "\n".join(network.provenance)
    assert sorted(set(network.framework_symbols)) == ["Fe", "O", "P"]
    assert len(network.framework_symbols) == 24
    assert len(set(network.site_orbit)) == len(set(network.hop_orbit)) == 1


def test_the_sites_of_a_list_in_the_setting_of_a_cif(tmp_path):
    """Coordinates are those of the file; nothing is moved to another origin or axes."""
    write(tmp_path, OLIVINE, "olivine.cif")
    text = """
cif: olivine.cif
framework_charge_e: -4
sites: [{label: M1, species: Li+, frac: [0, 1, 0.5]}]
hops: [{from: M1, to: M1, image: [0, 1, 0], barrier_eV: 0.3}, {max_distance_A: 3.1, barrier_eV: 0.2}]
"""
    network = load(tmp_path, text)
    assert len(network.framework_symbols) == 28
    assert network.cell == pytest.approx(np.diag([10.332, 6.010, 4.692]))
    assert sorted(np.round(network.site_frac, 6).tolist()) == [[0, 0, 0.5], [0, 0.5, 0.5], [0.5, 0, 0], [0.5, 0.5, 0]]


def test_exclusions_follow_the_contact_radii(tmp_path):
    """Sites 1.2 Å apart exclude each other for Li+ with its radius of 0.76 Å."""
    text = """
cell_A: [6, 6, 6]
framework_charge_e: -1
sites:
  - {label: A, species: Li+, frac: [0, 0, 0]}
  - {label: B, species: Li+, frac: [0.2, 0, 0]}
hops: [{max_distance_A: 5.0, barrier_eV: 0.2}]
"""
    network = load(tmp_path, text)
    pairs = np.column_stack([network.exclusion_a, network.exclusion_b, network.exclusion_image])
    assert pairs.tolist() == [[0, 1, 0, 0, 0], [1, 0, 0, 0, 0]]
    assert len(network.hop_origin) == 4


def test_orbits_do_not_depend_on_the_representative_listed(tmp_path):
    """Any of the symmetric copies may be listed."""
    text = CUBIC.replace("frac: [0, 0, 0]", "frac: [0.25, 0.1, 0.1]").replace(
        "max_distance_A: 4.0", "max_distance_A: 2.0"
    )
    energies = set()
    for x, y, z in set(permutations(["-0.25", "0.1", "0.9"])):
        network = load(tmp_path, text.replace("[0.25, 0.1, 0.1]", f"[{x}, {y}, {z}]"))
        energies.add((network.n_sites, len(network.hop_origin), len(set(network.hop_orbit))))
    assert len(energies) == 1


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "barrier_eV: 0.30",
            "barier_eV: 0.30",
            r"sites.yaml, line 9: keys of hops\[1\] must be among .* did you mean barr",
        ),
        ("barrier_eV: 0.30", "barrier_eV: high", r"line 9: hops\[1\].barrier_eV must be a number; got high"),
        (
            "barrier_eV: 0.30",
            "barrier_eV: -0.3",
            r"line 9: hops\[1\] must have a barrier that is not negative; got -0.3",
        ),
        (
            "barrier_eV: 0.30",
            "barrier_eV: 0.3, saddle_eV: 1",
            r"line 9: hops\[1\] must have a barrier or a saddle; got both",
        ),
        (
            "barrier_eV: 0.30",
            "saddle_eV: -1.6",
            r"saddle of hops\[1\] must not lie below a site; got -1.6000 eV and site A at",
        ),
        (
            "max_distance_A: 4.0",
            "max_distance_A: 3.9",
            "must join two sites; got none at 0 to 3.9 Å, the nearest are at 4.0",
        ),
        ("max_distance_A: 4.0", "min_distance_A: 3", r"hops\[1\].max_distance_A must be a distance in Å beside"),
        ("max_distance_A: 4.0", "image: [0, 0, 0]", "got a site and itself"),
        ("max_distance_A: 4.0", "image: [0, 0.5, 0]", "image must be whole numbers"),
        ("max_distance_A: 4.0", "image: [0, 1, 0], max_distance_A: 4", "must have an image or a distance; got both"),
        ("to: A", "to: B", r"hops\[1\] must join sites among A; got B"),
        ("species: Li+", "species: Li", r"line 7: sites\[1\].species must be one of .*Li\+.*; got Li"),
        ("frac: [0, 0, 0]", "frac: [0, 0]", r"line 7: sites\[1\].frac must be 3 numbers; got 2 values"),
        ("frac: [0, 0, 0], ", "", r"line 7: sites\[1\].frac must be given; got nothing"),
        ("framework_charge_e: -1", "", "framework_charge_e must be the charge of the cell in e; got nothing"),
        ("space_group: Pm-3m", "space_group: Pm-4m", "space group must be one of the International Tables"),
        ("cell_A: [4.0, 4.0, 4.0]", "cell_A: [4.0, 4.0, 5.0]", "cell must fit its symmetry operations"),
        ("cell_A: [4.0, 4.0, 4.0]", "cif: none.cif", "sites.yaml, line 4: space_group must be left out beside a cif"),
        ("cell_A: [4.0, 4.0, 4.0]", "", "cell_A must be lattice parameters, or a cif instead; got neither"),
        (
            "sites:\n",
            "sites:\n  - {label: B, species: Li+, frac: [1, 0, 0.001]}\n",
            r"apart; got B and A 0.000 Å apart",
        ),
        ("hops:\n", "hops:\n  - {max_distance_A: 4, barrier_eV: 1}\n", r"A and A in both hops\[1\] and hops\[2\]"),
        ("hops:\n", "hops: [{\n", "sites.yaml, line 9: must be YAML"),
        (CUBIC, "- 1\n", "sites.yaml must hold keys such as sites and hops"),
    ],
)
def test_faults_are_named_with_file_line_and_key(tmp_path, old, new, message):
    with pytest.raises(InputError, match=message) as caught:
        load(tmp_path, CUBIC.replace(old, new))
    assert "\n" not in str(caught.value)


def test_a_missing_cif_or_element_is_named(tmp_path):
    text = "cif: olivine.cif\nmobile: {element: Na, species: Li+}\nhops: [{max_distance_A: 3, barrier_eV: 1}]\n"
    with pytest.raises(InputError, match="line 1: cif must be a file that can be read"):
        load(tmp_path, text)
    write(tmp_path, OLIVINE, "olivine.cif")
    with pytest.raises(
        InputError, match=r"mobile\.element must be one of the elements of olivine.cif, Fe, Li, O, P; got Na"
    ):
        load(tmp_path, text)


def test_a_cif_alone_and_an_ion_without_sites_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"olivine.cif has sites but no barriers; write a YAML file with cif: olivine"):
        load_site_list(write(tmp_path, OLIVINE, "olivine.cif"), SETTINGS)
    with pytest.raises(InputError, match=r"sites.yaml: PF6- must have sites; the list has those of Li\+"):
        load(tmp_path, CUBIC, species=[SHIPPED_SPECIES["Li+"], SHIPPED_SPECIES["PF6-"]])


def test_the_cell_and_charge_of_a_framework_in_place_of_a_cell(tmp_path):
    """Without cell and CIF the sites are in the framework's cell and follow its operations."""
    rotations = [np.eye(3), -np.eye(3)]
    framework = Framework(
        "host", 5.0 * np.eye(3), ("O",), [[0.5, 0.5, 0.5]], [-2.0], ("O",), 1, -2.0, rotations, np.zeros((2, 3)), ("x",)
    )
    text = """
sites: [{label: A, species: Li+, frac: [0.1, 0.2, 0.3]}]
hops: [{max_distance_A: 4.0, barrier_eV: 0.2}]
"""
    network = load(tmp_path, text, framework=framework)
    assert network.framework_charge == -2.0
    assert network.framework_charges.tolist() == [-2.0]
    assert network.site_frac[1] == pytest.approx([0.9, 0.8, 0.7])
    with pytest.raises(InputError, match="cell_A must be lattice parameters, or a cif instead; got neither"):
        load(tmp_path, text)


def test_a_rule_needs_one_of_each_alternative():
    with pytest.raises(InputError, match="rule must name both sites beside an image"):
        HopRule("rule", image=(0, 0, 1), barrier=0.1)
    with pytest.raises(InputError, match="ascending distances"):
        HopRule("rule", within=(3.0, 2.0), barrier=0.1)
    with pytest.raises(InputError, match="attempt_frequency must be positive"):
        SiteListSettings(10.0, attempt_frequency=0.0)
