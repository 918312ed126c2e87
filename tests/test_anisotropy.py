"""Tensors of walks whose covariance is known, in Cartesian components and along the axes of an oblique crystal."""

import numpy as np
import pytest

from analysis.anisotropy import anisotropy
from analysis.displacements import Displacements
from structures.units import conductivity_S_per_cm

# Å² per step: D* of independent ions, and so D_J
D = np.array([[2.0, 0.5, 0.0], [0.5, 1.0, -0.2], [0.0, -0.2, 0.5]])
CELL = np.array([[10.0, 0.0, 0.0], [-5.0, 8.660254037844386, 0.0], [0.0, 3.0, 9.0]])
STEP, VOLUME, T, N = 1e-9, 1.0e4, 300.0, 6
COMPONENTS = ("xx", "yy", "zz", "yz", "xz", "xy", "a", "b", "c")


def data(run=0, n_replicas=4, n_steps=500, cell=CELL, scale=1.0):
    rng = np.random.default_rng([71, run])
    steps = rng.normal(size=(n_replicas, n_steps, N, 3)) @ np.linalg.cholesky(2 * D).T * scale
    start = rng.uniform(0, 10, size=(n_replicas, 1, N, 3))
    positions = start + np.concatenate([np.zeros((n_replicas, 1, N, 3)), np.cumsum(steps, axis=1)], axis=1)
    return Displacements.from_arrays(
        positions,
        time_step_s=STEP,
        species=["Li+"] * N,
        charges={"Li+": 1},
        volume_A3=VOLUME,
        temperature_K=T,
        cell=cell,
    )


def exact():
    axes = CELL / np.linalg.norm(CELL, axis=1, keepdims=True)
    tensor = [D[0, 0], D[1, 1], D[2, 2], D[1, 2], D[0, 2], D[0, 1], *np.einsum("na,ab,nb->n", axes, D, axes)]
    return np.array(tensor) / STEP * 1e-16  # cm²/s


def test_tensors_of_a_long_walk():
    """Independent ions: D_J = D*, sigma = n D_J e² / V kT; a along x."""
    found = anisotropy(data(n_steps=4000, n_replicas=8))
    assert found.components == COMPONENTS
    tracer = np.array([c.value for c in found.tracer_diffusivity["Li+"]])
    assert np.allclose(tracer, exact(), atol=0.04 * exact().max())
    charge = np.array([c.value for c in found.charge_diffusivity])
    assert np.allclose(charge, exact(), atol=0.25 * exact().max())
    sigma = np.array([c.value for c in found.sigma])
    assert np.allclose(sigma, N * charge / 1e-16 * conductivity_S_per_cm(1.0, VOLUME, T))
    assert found.sigma[6].value == pytest.approx(found.sigma[0].value)
    frame = found.to_frame()
    assert frame["component"].tolist() == list(COMPONENTS)
    assert found.plot().get_ylabel() == "σ  (S / cm)"


def covered(n_runs):
    inside = np.zeros((2, 9))
    for run in range(n_runs):
        found = anisotropy(data(run))
        for k, tensor in enumerate((found.charge_diffusivity, found.tracer_diffusivity["Li+"])):
            inside[k] += [c.lo <= truth <= c.hi for c, truth in zip(tensor, exact(), strict=True)]
    return inside / n_runs


def test_intervals_cover():
    """30 runs at 95 %: a share below 0.76 has a chance below 1e-4."""
    assert covered(30).min() > 0.76


@pytest.mark.validation
def test_coverage_on_many_runs():
    shares = covered(300)
    assert shares.min() >= 0.92, shares


def test_without_a_cell_there_are_no_crystal_axes():
    assert anisotropy(data(cell=None)).components == COMPONENTS[:6]


def test_cross_terms_that_no_file_holds_are_said_and_not_needed_along_x():
    full = data()
    values = {name: getattr(full, name) for name in full.__slots__}
    found = anisotropy(Displacements(**(values | {"msd_cross": None})))
    tracer = dict(zip(found.components, found.tracer_diffusivity["Li+"], strict=True))
    assert tracer["a"].value == pytest.approx(tracer["xx"].value)
    assert np.isnan(tracer["b"].value)
    assert any("cross terms are not in the files" in line for line in found.statements)


def test_nothing_moved_is_zero():
    found = anisotropy(data(scale=0.0))
    assert all(c.value == 0 for c in found.sigma)
    assert all(c.value == 0 for c in found.tracer_diffusivity["Li+"])
