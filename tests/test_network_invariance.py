"""The same crystal written down in another way has the same network: energies, orbits, and the D tensor turned along.

Energies are compared to 1e-6 eV; the diffusion tensor carries the errors of the integrals over basins and faces too,
which depend on where the grid lies.
"""

from dataclasses import replace

import numpy as np
import pytest
from landscapes import cubic_group
from scipy.spatial.transform import Rotation

from analysis.network_exact import single_particle_diffusivity
from lattice.builder import LandscapeSettings, build_network
from structures.framework import Framework
from structures.species import SHIPPED_SPECIES

LI = SHIPPED_SPECIES["Li+"]
SETTINGS = LandscapeSettings(permittivity=4.0, spacing=0.2, cutoff=9.0, persistence_kT=0.0, percolation_dimensions=1)
T = 300.0


def triclinic():
    """Two anions and two cations without any symmetry but the identity."""
    return Framework(
        name="triclinic",
        cell=np.array([[5.2, 0.0, 0.0], [0.7, 5.6, 0.0], [-0.4, 0.9, 6.1]]),
        symbols=("O", "O", "Zn", "O"),
        frac_coords=np.array([[0.0, 0.0, 0.0], [0.52, 0.08, 0.11], [0.07, 0.47, 0.93], [0.13, 0.05, 0.55]]),
        charges=np.array([-0.6, -0.5, 0.9, -0.8]),
        atom_classes=("O", "O", "Zn", "O"),
        formula_units=1,
        net_charge=-1.0,
        rotations=np.eye(3, dtype=int)[None],
        translations=np.zeros((1, 3)),
        provenance=(),
    )


def cubic():
    """A simple cubic array of anions with all 48 operations."""
    rotations, translations = cubic_group()
    return replace(
        triclinic(),
        cell=5.0 * np.eye(3),
        symbols=("O",),
        frac_coords=np.zeros((1, 3)),
        charges=np.array([-1.0]),
        atom_classes=("O",),
        rotations=rotations,
        translations=translations,
    )


def rotated(framework, turn):
    return replace(framework, cell=framework.cell @ turn.T)


def translated(framework, shift):
    moved = framework.translations + shift - framework.rotations @ shift
    return replace(framework, frac_coords=framework.frac_coords + shift, translations=moved)


def relabelled(framework, order):
    return replace(
        framework,
        symbols=tuple(framework.symbols[i] for i in order),
        frac_coords=framework.frac_coords[order],
        charges=framework.charges[order],
        atom_classes=tuple(framework.atom_classes[i] for i in order),
    )


def doubled(framework, axis):
    """Two cells along one axis as one, with the translation between them and the operations that keep the axis."""
    size = np.ones(3)
    size[axis] = 2.0
    half = np.eye(3)[axis] / 2.0
    keeps = np.abs(framework.rotations[:, axis, axis]) == 1
    rotations, translations = framework.rotations[keeps], framework.translations[keeps] / size
    frac = framework.frac_coords / size
    return replace(
        framework,
        cell=framework.cell * size[:, None],
        symbols=framework.symbols * 2,
        frac_coords=np.concatenate([frac, frac + half]),
        charges=np.tile(framework.charges, 2),
        atom_classes=framework.atom_classes * 2,
        formula_units=2,
        net_charge=2 * framework.net_charge,
        rotations=np.concatenate([rotations, rotations]),
        translations=np.concatenate([translations, translations + half]),
    )


def spectrum(network, cells):
    """Sites by energy and hops by saddle and length, each with its number per original cell."""
    lengths = np.round(np.linalg.norm(network.hop_vector, axis=1), 3)
    sites = np.sort(network.site_energy)[::cells]
    hops = np.array(sorted(zip(np.round(network.hop_saddle, 5), lengths, network.hop_saddle, strict=True)))[::cells]
    return sites, hops[:, 1], hops[:, 2], len(network.site_energy) / cells, len(network.hop_saddle) / cells


TURN = Rotation.from_euler("xyz", [0.3, -0.8, 1.1]).as_matrix()
WAYS = {
    "rotated": (lambda f: rotated(f, TURN), TURN, 1),
    "translated": (lambda f: translated(f, np.array([0.137, 0.291, 0.453])), np.eye(3), 1),
    "relabelled": (lambda f: relabelled(f, np.random.default_rng(1).permutation(len(f.symbols))), np.eye(3), 1),
    "doubled along a": (lambda f: doubled(f, 0), np.eye(3), 2),
    "doubled along c and rotated": (lambda f: rotated(doubled(f, 2), TURN), TURN, 2),
}


@pytest.fixture(scope="module", params=[triclinic, cubic], ids=lambda made: made.__name__)
def original(request):
    framework = request.param()
    return framework, build_network(framework, [LI], SETTINGS)


def assert_same(network, other, turn, cells, *, tolerance=0.005):
    """The same sites and hops per original cell, the same percolation, and the D tensor turned along."""
    sites, lengths, saddles, n_sites, n_hops = spectrum(network, 1)
    found = spectrum(other, cells)
    assert found[3:] == (n_sites, n_hops)
    np.testing.assert_allclose(found[0], sites, rtol=0, atol=1e-6)
    np.testing.assert_allclose(found[1], lengths, rtol=0, atol=2e-3)
    np.testing.assert_allclose(found[2], saddles, rtol=0, atol=1e-6)
    np.testing.assert_allclose(other.percolation, network.percolation, rtol=0, atol=1e-6)
    D = single_particle_diffusivity(network, 0, T, 1.0)
    turned = single_particle_diffusivity(other, 0, T, 1.0)
    np.testing.assert_allclose(turned, turn @ D @ turn.T, rtol=tolerance, atol=tolerance * np.abs(D).max())


@pytest.mark.parametrize("way", WAYS)
def test_the_network_does_not_depend_on_how_the_crystal_is_written(original, way):
    framework, network = original
    change, turn, cells = WAYS[way]
    other = build_network(change(framework), [LI], SETTINGS)
    if cells == 1 or len(framework.rotations) == 1:  # a doubled cube is a tetragonal cell: an orbit falls apart
        assert len(np.unique(other.site_orbit)) == len(np.unique(network.site_orbit))
    assert_same(network, other, turn, cells)


def test_short_lived_basins_go_however_the_crystal_is_written():
    """Of six basins one is eliminated and two are merged, in the cell and in two of them, turned and shifted."""
    settings = replace(SETTINGS, persistence_kT=2.5)
    network = build_network(triclinic(), [LI], settings)
    assert sum("eliminated by" in line for line in network.provenance) == 1
    assert sum("merged into" in line for line in network.provenance) == 2
    written = rotated(doubled(translated(triclinic(), np.array([0.137, 0.291, 0.453])), 2), TURN)
    assert_same(network, build_network(written, [LI], settings), TURN, 2)
