"""One ion on a periodic network, VERIFICATION §4: D = ½ Σ p_i w_ij d dᵀ - Σ p_i b_i x_iᵀ with -W x = b.

The transient of one ion is that of a single cell, whatever the supercell. Blocks of six relaxation times leave e^-6 of
it, and what it adds up to is known: <Δr²>/2t = D + C/t.
"""

import numpy as np
import pytest
from exact import master_equation, supercell
from lattices import TEMPERATURE, chain, network_of
from replicas import assert_ladder, run_replicas, z_score

from lattice.builder import LandscapeSettings, cached_network
from lattice.separation import separate
from lattice.supercell import replicate
from structures.cif import load_framework
from structures.library import library_cif
from structures.species import SHIPPED_SPECIES
from structures.units import BOLTZMANN


def scores_of(network, repeats, *, n_blocks, seed, species=0, temperature=TEMPERATURE, interaction=None):
    """z of the diffusion tensor's diagonal where there is motion, and the exact tensor."""
    gas = master_equation(supercell(network, (1, 1, 1), BOLTZMANN * temperature), [(species, 1)])
    D, C = gas.transport()
    block = 6 * gas.relaxation_time()
    lattice = replicate(network, repeats, interaction=interaction)
    name = network.species[species].name
    found = run_replicas(lattice, {name: 1}, block=block, n_blocks=n_blocks, seed=seed, temperature=temperature)
    exact = np.diag(D + C / block)
    axes = np.flatnonzero(np.diag(D) > 1e-9 * D.max())
    return [z_score(found.tracer[:, 0, species, axis], exact[axis]) for axis in axes], D


def test_chain_of_random_barriers_and_depths():
    """D = L² / [(Σ p_i) (Σ 1/(p_i w_{i,i+1}))]."""
    rng = np.random.default_rng(4)
    energy, saddle = rng.uniform(0, 1.5, 6), rng.uniform(2, 4, 6)
    scores, D = scores_of(chain(energy, saddle), (2, 1, 1), n_blocks=800, seed=41)
    assert D[0, 0] == pytest.approx(36 / (np.exp(-energy).sum() * np.exp(saddle).sum()), rel=1e-9)
    assert_ladder(scores)


def test_random_barriers():
    """Equal sites: D = a² / <1/Γ>."""
    saddle = np.random.default_rng(5).uniform(0, 3, 8)
    scores, D = scores_of(chain(np.zeros(8), saddle), (2, 1, 1), n_blocks=800, seed=42)
    assert D[0, 0] == pytest.approx(1 / np.exp(saddle).mean(), rel=1e-9)
    assert_ladder(scores)


def test_random_traps():
    """Every hop starts with the depth of its own site: D = D0 / (1 - x + x exp(E/kT)) in any dimension."""
    points = [(i, j, k) for i in range(3) for j in range(3) for k in range(3)]
    number = {p: n for n, p in enumerate(points)}
    bonds = []
    for p in points:
        for axis in range(3):
            q = list(p)
            q[axis] += 1
            image = tuple(int(v == 3) for v in q)
            bonds.append((number[p], number[tuple(v % 3 for v in q)], image))
    deep = np.zeros(27)
    deep[np.random.default_rng(6).choice(27, 8, replace=False)] = -1.5
    network = network_of(3.0 * np.eye(3), np.array(points) / 3, bonds, site_energy=deep, saddle=0.0)
    scores, D = scores_of(network, (1, 1, 1), n_blocks=800, seed=43)
    np.testing.assert_allclose(D, np.eye(3) / (19 / 27 + 8 / 27 * np.exp(1.5)), atol=1e-12)
    assert_ladder(scores)


def test_anisotropic_network_in_a_triclinic_cell():
    cell = np.array([[4.0, 0.0, 0.0], [1.0, 5.0, 0.0], [-0.5, 1.5, 6.0]])
    frac = np.array([[0.1, 0.2, 0.3], [0.6, 0.5, 0.4], [0.3, 0.8, 0.9]])
    bonds = [
        (0, 1, (0, 0, 0)),
        (1, 0, (1, 0, 0)),
        (0, 2, (0, 0, -1)),
        (1, 2, (0, 0, 0)),
        (2, 0, (0, 1, 0)),
        (2, 2, (1, 0, 0)),
    ]
    network = network_of(
        cell, frac, bonds, site_energy=np.array([0.0, 0.5, 1.0]), saddle=np.array([1.5, 2.0, 2.5, 1.8, 3.0, 2.2])
    )
    scores, D = scores_of(network, (2, 2, 2), n_blocks=800, seed=44)
    assert (np.linalg.eigvalsh(D) > 0).all()
    assert_ladder(scores)


NI_MOF_CHARGES = {
    "Ni": 1.00,
    "mu-O": -0.95,
    "carboxylate-O": -0.55,
    "carboxylate-C": 0.57,
    "C": -0.016,
    "C-H": -0.10,
    "H": 0.12,
    "N": -0.30,
}


@pytest.fixture(scope="session")
def ni_mof(tmp_path_factory):
    """The Ni-MOF and the network of its two counter-ions, as the shipped deck has them but for the separation."""
    framework = load_framework(library_cif("ni_pacs_sym"), charges=NI_MOF_CHARGES, net_charge=-2, cell="primitive")
    ions = [SHIPPED_SPECIES["Li+"], SHIPPED_SPECIES["Me2NH2+"]]
    settings = LandscapeSettings(permittivity=10, temperatures=(233.15, 373.15))
    return framework, cached_network(framework, ions, settings, cache_dir=tmp_path_factory.mktemp("networks"))


@pytest.mark.parametrize(
    ("species", "n_blocks", "interaction", "temperature"),
    [
        pytest.param(0, 800, None, 373.15, id="Li"),
        pytest.param(0, 800, "coulomb", 373.15, id="Li-coulomb"),
        pytest.param(1, 40, None, 373.15, id="Me2NH2"),
        pytest.param(0, 3000, "coulomb", 233.15, id="Li-cold", marks=pytest.mark.validation),
        pytest.param(1, 200, "coulomb", 373.15, id="Me2NH2-coulomb", marks=pytest.mark.validation),
        pytest.param(1, 60, None, 298.15, id="Me2NH2-cold", marks=pytest.mark.validation),
    ],
)
def test_one_ion_in_the_ni_mof(ni_mof, species, n_blocks, interaction, temperature):
    """The network as built from the CIF; the Coulomb table must not act on an ion that is alone.

    No saddle is raised: Me2NH2+ makes 1449 hops in a relaxation time at 373.15 K, nearly all inside one cage.
    """
    _, network = ni_mof
    scores, D = scores_of(
        network,
        (2, 2, 2),
        n_blocks=n_blocks,
        seed=45,
        species=species,
        temperature=temperature,
        interaction=interaction,
    )
    assert np.linalg.eigvalsh(D).min() > 0
    assert_ladder(scores)


@pytest.mark.parametrize("separation", [None, 3])
def test_diffusion_in_the_ni_mof_has_the_symmetry_of_the_crystal(ni_mof, separation):
    framework, network = ni_mof
    kT = BOLTZMANN * 373.15
    if separation is not None:
        network = separate(network, separation, 373.15)
    for species in (0, 1):
        D, _ = master_equation(supercell(network, (1, 1, 1), kT), [(species, 1)]).transport()
        for rotation in framework.rotations:
            R = framework.cell.T @ rotation @ np.linalg.inv(framework.cell.T)
            np.testing.assert_allclose(R @ D @ R.T, D, atol=1e-6 * np.abs(D).max())
