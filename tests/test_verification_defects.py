"""Networks of crystals with defects: what symmetry and larger cells must not change."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lattice.builder import LandscapeSettings, build_network
from structures.cif import load_framework
from structures.defects import with_defects
from structures.framework import Framework
from structures.missing import Defects
from structures.species import SHIPPED_SPECIES

LI = SHIPPED_SPECIES["Li+"]
SETTINGS = LandscapeSettings(permittivity=10, spacing=0.3, persistence_kT=0, percolation_dimensions=1)


def without_symmetry(framework: Framework) -> Framework:
    return replace(framework, rotations=np.eye(3, dtype=np.int64)[None], translations=np.zeros((1, 3)))


@pytest.mark.validation
def test_the_symmetry_that_a_defect_leaves_changes_no_energy() -> None:
    """One node of the Ni-MOF's two missing: the network with the operations that are left, and with none."""
    framework = load_framework("ni_pacs_sym", net_charge=-2, cell="primitive")
    left = with_defects(framework, Defects(missing_nodes=0.5))
    assert len(left.rotations) > 1
    with_operations, plain = (build_network(f, [LI], SETTINGS) for f in (left, without_symmetry(left)))
    np.testing.assert_allclose(with_operations.percolation, plain.percolation, atol=2e-3)
    low = [np.sort(n.site_energy)[:20] for n in (with_operations, plain)]
    np.testing.assert_allclose(low[0], low[1], atol=1e-4)


@pytest.mark.validation
def test_a_larger_cell_without_defects_is_the_same_crystal() -> None:
    """MOF-5 in its primitive cell and in two of them: the same percolation energies, twice the sites."""
    framework = load_framework("mof5", net_charge=0, cell="primitive")
    one = build_network(framework, [LI], SETTINGS)
    two = build_network(with_defects(framework, Defects(cell=(2, 2, 2))), [LI], SETTINGS)
    np.testing.assert_allclose(two.percolation, one.percolation, atol=2e-3)
    assert two.n_sites == 8 * one.n_sites
    assert two.accessible_volume == pytest.approx(8 * one.accessible_volume, rel=0.01)
