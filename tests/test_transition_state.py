"""Partition functions, fluxes and rates of landscapes on which they are known."""

from dataclasses import replace

import numpy as np
import pytest
from test_verification_bond_valence import CELL, PNMA, BondValence
from wave_landscapes import CUBIC, ROTATED, SKEW, SimpleCubic, Waves, log_bessel, network

from lattice.basins import find_basins, find_faces, grid_stencil
from lattice.percolation import grid_percolation
from lattice.quadrature import aliasing, saddle_plane
from lattice.stationary import find_stationary_points
from lattice.symmetry import SpaceGroup
from lattice.transition_state import saddle_conductance, site_partition, thermal_flux
from structures.units import BOLTZMANN

TEMPERATURES = np.array([200.0, 300.0, 500.0])
BETA = 1.0 / (BOLTZMANN * TEMPERATURES)
LITHIUM = 6.94
OFF_GRID = (0.013, 0.0371, 0.0789)


def rates_of(landscape, *, model="flux_tst", temperatures=TEMPERATURES):
    """Stationary points, ln Z of the sites and ln Q of the levels."""
    basins, stationary = network(landscape)
    log_Z = site_partition(landscape, basins, stationary, temperatures, model=model)
    log_C = saddle_conductance(landscape, stationary, LITHIUM, temperatures, model=model)
    return stationary, log_Z, log_C - np.log(thermal_flux(LITHIUM, temperatures))


def test_thermal_flux_is_a_quarter_of_the_mean_speed():
    """<v> = sqrt(8 R T / pi M): 956.7 m/s for lithium of 6.94 g/mol at 300 K."""
    speed = np.sqrt(8 * 8.314462618 * 300 / (np.pi * 6.94e-3))
    np.testing.assert_allclose(thermal_flux(6.94, np.array([300.0])), speed / 4 * 1e10, rtol=1e-8)


STIFF = [(4.0, 0.15, 0.15), (7.0, 0.15, 0.15), (0.2, 4.0, 0.2)]  # one mode each
ANY_CELL = [
    *((A, cell, OFF_GRID) for A in [(1.0, 1.0, 1.0), (0.2, 0.05, 0.02)] for cell in (CUBIC, ROTATED, SKEW)),
    *((A, ROTATED, shift) for A in STIFF for shift in (OFF_GRID, (0.0, 0.0, 0.0))),
    (STIFF[0], SKEW, OFF_GRID),
]


@pytest.mark.parametrize(("amplitude", "multiple", "shift"), ANY_CELL)
def test_cosines_in_any_cell(amplitude, multiple, shift):
    """E = -Σ A cos(2 pi x/a): Z = a³ Π I0(A/kT), Q = a² exp(-A/kT) I0 I0 over the faces of the cubes, at 0.2 Å.

    Between barriers of 2 kT and 800 kT, with the minima on grid points or between them and the faces at any angle to
    the grid. One stiff mode at 45° is wrong on it by a difference of two of its waves, not by any of them alone.
    """
    landscape = SimpleCubic(amplitude, multiple=multiple, shift=shift)
    stationary, log_Z, log_Q = rates_of(landscape)
    wells = round(np.linalg.det(multiple))
    assert log_Z.shape == (wells, 3)
    np.testing.assert_allclose(log_Z, np.tile(landscape.log_partition(TEMPERATURES), (wells, 1)), atol=3e-3)
    assert len(log_Q) == 3 * wells
    for energy, found in zip(stationary.graph.level_energy, log_Q, strict=True):
        axis = int(np.argmin([abs(landscape.saddle_energy(k) - energy) for k in range(3)]))
        np.testing.assert_allclose(found, landscape.log_face(axis, TEMPERATURES), atol=1e-3)


@pytest.mark.parametrize("angle", [60.0, 90.0, 110.0])
def test_error_of_a_gaussian_on_a_grid(angle):
    """Σ h³ exp(-½ x H x/kT) over a grid with steps 0.2 Å at equal angles, against (2 pi kT)^(3/2) / sqrt(det H).

    The bound is met where the minimum lies on a grid point, and holds where it lies between them.
    """
    rng = np.random.default_rng(int(angle))
    c = np.cos(np.radians(angle))
    steps = 0.2 * np.linalg.cholesky(np.full((3, 3), c) + (1.0 - c) * np.eye(3))
    kT = BOLTZMANN * 200.0
    index = np.indices((41, 41, 41)).reshape(3, -1).T - 20
    for _ in range(8):
        axes = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        width = rng.uniform(0.05, 0.2, 3)
        hessian = axes * (kT / width**2) @ axes.T
        bound = aliasing(steps, hessian, kT)
        for shift in (np.zeros(3), rng.random(3)):
            x = (index + shift) @ steps
            total = np.exp(-0.5 / kT * np.einsum("mi,ij,mj->m", x, hessian, x)).sum() * np.linalg.det(steps)
            error = total / ((2.0 * np.pi) ** 1.5 * width.prod()) - 1.0
            assert abs(error) <= max(1.01 * bound, 1e-6)
            if not shift.any() and bound < 0.5:
                assert error == pytest.approx(bound, rel=1e-2, abs=1e-6)


def test_a_flat_minimum_is_not_for_the_grid():
    """A singular Hessian has no Gaussian."""
    assert aliasing(0.2 * np.eye(3), np.diag([1.0, 1.0, 0.0]), 0.02) == np.inf
    assert aliasing(0.2 * np.eye(3), np.diag([1.0, 1.0, -1.0]), 0.02) == np.inf


@pytest.mark.parametrize("shift", [0.0, 0.025], ids=["on grid points", "between grid points"])
def test_steep_wells(shift):
    """A width of 0.06 Å at 200 K: the sum over the grid of 0.2 Å alone is wrong by more than a factor of 2."""
    landscape = SimpleCubic((2.0, 2.0, 2.0), shift=(shift, shift, shift))
    _, log_Z, log_Q = rates_of(landscape)
    exact = landscape.log_partition(TEMPERATURES)
    np.testing.assert_allclose(log_Z[0], exact, atol=3e-3)
    np.testing.assert_allclose(log_Q, np.tile(landscape.log_face(0, TEMPERATURES), (3, 1)), atol=1e-3)
    naive = np.log(0.2**3 * np.exp(-(landscape.energy + 6.0) * BETA[0]).sum()) + 6.0 * BETA[0]
    assert abs(naive - exact[0]) > np.log(2.0)


def test_diffusivity_on_cosines():
    """One particle hopping between the wells: D = a² k, k = sqrt(kT/2 pi m) exp(-A/kT) / (a I0(A/kT))."""
    landscape = SimpleCubic((0.2, 0.1, 0.05), multiple=ROTATED, shift=OFF_GRID)
    basins, stationary = network(landscape)
    graph = stationary.graph.with_rates(
        site_partition(landscape, basins, stationary, TEMPERATURES, model="flux_tst"),
        saddle_conductance(landscape, stationary, LITHIUM, TEMPERATURES, model="flux_tst"),
    )
    for t, temperature in enumerate(TEMPERATURES):
        speed = float(thermal_flux(LITHIUM, TEMPERATURES[t : t + 1])[0])
        log_bessels = np.array([log_bessel(A, temperature) for A in landscape.amplitude])
        exact = landscape.a * speed * np.exp(-landscape.amplitude * BETA[t] - log_bessels)
        np.testing.assert_allclose(graph.diffusivity(landscape.cell, t), np.diag(exact), rtol=5e-3, atol=1e-6 * speed)


def test_friction_turns_the_rate_into_that_of_smoluchowski():
    """Lifson and Jackson (1962): D = kT/(m gamma) / I0(A/kT)² for motion under strong friction on -A cos(2 pi x/a).

    Kramers' transmission omega_b / gamma, with omega_b² = A (2 pi/a)²/m, brings the flux of TST to it up to the
    anharmonicity 1/(8 A/kT) of well and barrier: their ratio is exp(A/kT) / (I0(A/kT) sqrt(2 pi A/kT)).
    """
    landscape = SimpleCubic((0.5, 0.5, 0.5), shift=OFF_GRID)
    _, log_Z, log_Q = rates_of(landscape)
    barrier = 0.5 * BETA
    # in units of kT / (m gamma): a² k omega_b / gamma with omega_b = 2 pi sqrt(A/m) / a
    transition_state = landscape.a * np.exp(log_Q[0] - log_Z[0]) * np.sqrt(2 * np.pi * barrier)
    smoluchowski = np.exp(-2 * log_bessel(0.5, TEMPERATURES))
    np.testing.assert_allclose(transition_state / smoluchowski, 1.0, atol=1.5 / (8 * barrier).min())
    ratio = np.sqrt(2 * np.pi * barrier) * np.exp(log_bessel(0.5, TEMPERATURES) - barrier)
    np.testing.assert_allclose(transition_state / smoluchowski, ratio, rtol=5e-3)


@pytest.mark.parametrize("amplitude", [0.3, 0.02])
def test_a_face_ends_where_the_next_one_begins(amplitude):
    """A triangular lattice of wells: each face is an edge of a hexagon and ends at the maxima in its corners.

    Beyond them the plane of the saddle point runs through the next wells, which are lower than the saddle point.
    """
    a = 4.0
    cell = np.array([[a, 0, 0], [-a / 2, a * np.sqrt(0.75), 0], [0, 0, a]])
    height = 0.2
    waves = [[1, 0, 0], [0, 1, 0], [1, -1, 0], [0, 0, 1]]
    landscape = Waves(cell, waves, (amplitude, amplitude, amplitude, height), shift=OFF_GRID)
    stationary, log_Z, log_Q = rates_of(landscape)
    column = log_bessel(height, TEMPERATURES) + np.log(a)
    place = (np.arange(4000) + 0.5) / 4000 - 0.5
    along = np.array([0.5, 0.0, 0.0]) + place[:, None] * ([0.0, a / np.sqrt(3.0), 0.0] @ np.linalg.inv(cell))
    edge = landscape.derivatives(along + landscape.shift)[0] + height
    log_edge = np.log(a / np.sqrt(3.0) * np.exp(-np.outer(BETA, edge)).mean(axis=1))
    side = (np.arange(300) + 0.5) / 300
    f, g = (2 * np.pi * x for x in np.meshgrid(side, side))
    plane = -amplitude * (np.cos(f) + np.cos(g) + np.cos(f - g))
    area = a**2 * np.sqrt(0.75)
    log_well = np.log(area * np.array([np.exp(-beta * plane).mean() for beta in BETA]))
    np.testing.assert_allclose(log_Z[0], log_well + column, atol=5e-3)
    hexagon = np.abs(stationary.graph.level_energy - (amplitude - height)) < 1e-6
    assert hexagon.sum() == 3
    np.testing.assert_allclose(log_Q[hexagon], np.tile(log_edge + column, (3, 1)), atol=3e-3)


@pytest.mark.parametrize("scale", [1.0, 0.1])
def test_two_channels_of_one_face_share_it(scale):
    """A wall at x = 1/2 with two holes in each cell: together their planes carry the flux of all of it."""
    waves = [[1, 0, 0], [0, 2, 0], [1, 2, 0], [1, -2, 0], [0, 1, 0], [1, 1, 0], [1, -1, 0], [0, 0, 1]]
    amplitude = scale * np.array([1.25, 0.25, -0.125, -0.125, 0.1, 0.1, 0.1, 0.3])
    landscape = Waves(np.diag([5.0, 8.0, 5.0]), waves, amplitude, shift=OFF_GRID)
    stationary, _, log_Q = rates_of(landscape)
    on_wall = np.abs(stationary.saddle_frac[:, 0] - OFF_GRID[0] - 0.5) < 1e-3
    assert on_wall.sum() == 2
    side = (np.arange(150) + 0.5) / 150
    y, z = np.meshgrid(side, side)
    energy = landscape.derivatives(np.column_stack([np.full(y.size, OFF_GRID[0] + 0.5), y.ravel(), z.ravel()]))[0]
    whole = np.array([40.0 * np.exp(-beta * energy).mean() for beta in BETA])
    np.testing.assert_allclose(np.exp(log_Q[on_wall]).sum(axis=0), whole, rtol=1e-3)
    assert (np.exp(log_Q[on_wall]) / whole).min(axis=1).max() < 0.99


class BentChannel:
    """E = -½ x² + ½ K (r - R)² + B sin²(3 phi / 2) in polar coordinates around the x axis: three wells on a ring.

    Within the plane x = 0 the descent turns towards the nearest of phi = 0 and ±2 pi/3 wherever it starts.
    """

    cell, spacing, temperature, radius = 30.0 * np.eye(3), 0.2, 300.0, 1.5

    def __init__(self, stiffness, barrier):
        self.stiffness, self.barrier = stiffness, barrier

    def free_energy(self, frac, temperatures):
        return np.tile(self.derivatives(frac)[0], (len(temperatures), 1))

    def derivatives(self, frac):
        x, y, z = (np.asarray(frac) @ self.cell).T
        r, phi = np.hypot(y, z), np.arctan2(z, y)
        along = np.stack([np.zeros_like(r), y / r, z / r], axis=1)
        around = np.stack([np.zeros_like(r), -z / r, y / r], axis=1)
        pull = self.stiffness * (r - self.radius)
        slope = 1.5 * self.barrier * np.sin(3 * phi)
        bend = 4.5 * self.barrier * np.cos(3 * phi) / r**2 + pull / r
        energy = 0.5 * pull**2 / self.stiffness + self.barrier * np.sin(1.5 * phi) ** 2 - 0.5 * x**2
        gradient = pull[:, None] * along + (slope / r)[:, None] * around
        gradient[:, 0] = -x
        hessian = self.stiffness * np.einsum("mi,mj->mij", along, along)
        hessian += np.einsum("m,mi,mj->mij", bend, around, around)
        mixed = np.einsum("m,mi,mj->mij", -slope / r**2, along, around)
        hessian += mixed + mixed.swapaxes(1, 2)
        hessian[:, 0, 0] = -1.0
        return energy, gradient, hessian

    def flux(self, kT, depth):
        """The integral of exp(-E/kT) over a third of the plane, up to E = depth."""
        phi, r = np.meshgrid((np.arange(400) + 0.5) / 400 * np.pi / 3, (np.arange(3000) + 0.5) * 1e-3)
        energy = 0.5 * self.stiffness * (r - self.radius) ** 2 + self.barrier * np.sin(1.5 * phi) ** 2
        return 2e-3 * np.pi / 1200 * (r * np.exp(-energy / kT) * (energy < depth)).sum()


@pytest.mark.parametrize("lowest", [190.0, 200.0, 240.0, 290.0, 450.0])
@pytest.mark.parametrize(("stiffness", "barrier"), [(2.0, 0.012), (4.0, 0.1)])
def test_a_bent_valley_belongs_to_its_saddle_point_up_to_the_next_pass(stiffness, barrier, lowest):
    """Far along a narrow bent valley, whatever the lowest temperature and with it the step of the lattice."""
    channel = BentChannel(stiffness, barrier)
    temperatures = np.array([lowest, 470.0, 500.0])
    depth = 10.0 * BOLTZMANN * 500.0
    plane = saddle_plane(channel, np.array([0.0, 0.05, 0.0]), temperatures, depth=depth)
    found = plane.weight @ np.exp(-plane.exponent)
    exact = [channel.flux(BOLTZMANN * T, depth) for T in temperatures]
    np.testing.assert_allclose(found, exact, rtol=5e-3)


def test_harmonic_limit():
    """Vineyard's rate Π omega_min / Π omega_saddle / 2 pi follows from the Hessians; at 20 K the flux agrees."""
    cold = np.array([20.0, 40.0])
    landscape = SimpleCubic((1.0, 0.5, 0.25), shift=OFF_GRID)
    _, log_Z, log_Q = rates_of(landscape, temperatures=cold)
    _, harmonic_Z, harmonic_Q = rates_of(landscape, model="harmonic_tst", temperatures=cold)
    kT, stiffness = BOLTZMANN * cold, (2 * np.pi / 4.0) ** 2 * landscape.amplitude
    exact = 1.75 / kT + 1.5 * np.log(2 * np.pi * kT) - 0.5 * np.log(stiffness.prod())
    np.testing.assert_allclose(harmonic_Z[0], exact, atol=1e-9)
    # lowest saddle point: over the weakest cosine; the other two are its stable modes
    exact = 1.25 / kT + np.log(2 * np.pi * kT) - 0.5 * np.log(stiffness[:2].prod())
    np.testing.assert_allclose(harmonic_Q[0], exact, atol=1e-9)
    np.testing.assert_allclose(log_Z, harmonic_Z, atol=5e-3)
    np.testing.assert_allclose(log_Q, harmonic_Q, atol=3e-3)
    assert (np.abs(log_Z - harmonic_Z)[:, 1] > 1e-3).all()


class TwoOrientations:
    """Free energy -kT ln(½ exp(-U1/kT) + ½ exp(-U2/kT)) of an ion with two orientations on two cosine landscapes."""

    def __init__(self, one, other, temperature):
        self.both, self.temperature = (one, other), temperature
        self.cell, self.spacing = one.cell, one.spacing
        low, gap = np.minimum(one.energy, other.energy), np.abs(one.energy - other.energy)
        self.energy = low - BOLTZMANN * temperature * np.log(0.5 + 0.5 * np.exp(-gap / (BOLTZMANN * temperature)))

    def free_energy(self, frac, temperatures):
        return np.stack([TwoOrientations(*self.both, T).derivatives(frac)[0] for T in temperatures])

    def derivatives(self, frac):
        kT = BOLTZMANN * self.temperature
        energy, gradient, hessian = (np.stack(x) for x in zip(*(u.derivatives(frac) for u in self.both), strict=True))
        lowest = energy.min(axis=0)
        weight = 0.5 * np.exp(-(energy - lowest) / kT)
        free = lowest - kT * np.log(weight.sum(axis=0))
        weight /= weight.sum(axis=0)
        slope = np.einsum("om,omi->mi", weight, gradient)
        spread = gradient - slope
        bend = np.einsum("om,omij->mij", weight, hessian)
        return free, slope, bend - np.einsum("om,omi,omj->mij", weight, spread, spread) / kT


def test_free_energy_of_an_ion_with_orientations():
    """Z and Q of the free energy are the means of those of both orientations, at every temperature of the range.

    The grid holds it at 300 K only, which counts for no more than the points far above the minimum.
    """
    one, other = SimpleCubic((0.30, 0.2, 0.2), shift=OFF_GRID), SimpleCubic((0.27, 0.25, 0.2), shift=OFF_GRID)
    temperatures = np.linspace(200.0, 500.0, 7)
    _, log_Z, log_Q = rates_of(TwoOrientations(one, other, 300.0), temperatures=temperatures)
    exact = np.logaddexp(one.log_partition(temperatures), other.log_partition(temperatures)) - np.log(2)
    np.testing.assert_allclose(log_Z[0], exact, atol=2e-3)
    faces = [np.logaddexp(*(u.log_face(k, temperatures) for u in (one, other))) - np.log(2) for k in (2, 1, 0)]
    np.testing.assert_allclose(log_Q, faces, atol=1e-3)


@pytest.mark.parametrize("other", [(0.03, 0.015, 0.03), (0.02, 0.02, 0.03)], ids=["other depth", "equal depth"])
def test_free_energy_of_small_shallow_basins(other):
    """Wells 2 Å wide and 1 kT deep: most of Z lies where the basins meet, on planes at 45° to the grid.

    The second pair of landscapes has one energy in the minimum, so that F depends on the temperature only around it.
    """
    both = [SimpleCubic(A, a=2.0, multiple=ROTATED, shift=OFF_GRID) for A in ((0.02, 0.03, 0.02), other)]
    landscape = TwoOrientations(*both, 300.0)
    basins, stationary = network(landscape)
    log_Z = site_partition(landscape, basins, stationary, TEMPERATURES, model="flux_tst")
    exact = np.logaddexp(*(u.log_partition(TEMPERATURES) for u in both)) - np.log(2)
    np.testing.assert_allclose(log_Z, np.tile(exact, (2, 1)), atol=2e-3)


def test_equal_sites_have_equal_partition_functions():
    """Eight wells in one orbit, with minima on grid points or between them: the same number to the last bit."""
    halves = [[i, j, k] for i in (0, 0.5) for j in (0, 0.5) for k in (0, 0.5)]
    landscape = SimpleCubic((0.4, 0.2, 0.1), a=3.1, multiple=2 * CUBIC, shift=(0.495, 0.49, 0.0))
    basins, stationary = network(landscape, halves)
    log_Z = site_partition(landscape, basins, stationary, TEMPERATURES, model="flux_tst")
    assert log_Z.shape == (8, 3)
    np.testing.assert_array_equal(log_Z, np.tile(log_Z[0], (8, 1)))
    np.testing.assert_allclose(log_Z[0], landscape.log_partition(TEMPERATURES), atol=5e-3)


def test_a_site_that_the_grid_missed_is_harmonic():
    landscape = SimpleCubic((1.0, 1.0, 1.0), shift=OFF_GRID)
    basins, stationary = network(landscape)
    lost = replace(stationary, basin_site=np.full_like(stationary.basin_site, -1))
    notes = []
    flux = site_partition(landscape, basins, lost, TEMPERATURES, model="flux_tst", notes=notes)
    harmonic = site_partition(landscape, basins, lost, TEMPERATURES, model="harmonic_tst")
    np.testing.assert_array_equal(flux, harmonic)
    assert notes == ["minima that the grid does not have, taken as harmonic: 1 orbit"]


def test_a_minimum_in_the_basin_of_its_neighbour():
    """Two minima 0.6 Å apart, of which the grid gives the place of one to the other: their sum stays what it is.

    E = -A cos(x) + c cos(2 x) - B cos(y) - B cos(z) with c > A/4: Z is that of one well.
    """
    waves = [[1, 0, 0], [2, 0, 0], [0, 1, 0], [0, 0, 1]]
    landscape = Waves(4.0 * np.eye(3), waves, (0.6, -0.168, 2.0, 2.0), shift=(0.513, 0.5, 0.5))
    basins, stationary = network(landscape)
    assert stationary.graph.n_sites == 2
    x = 4.0 * (stationary.graph.frac[:, 0] - 0.513)
    assert abs(x[1] - x[0]) < 0.7
    place = (np.arange(4000) + 0.5) / 4000
    along = -0.6 * np.cos(2 * np.pi * place) + 0.168 * np.cos(4 * np.pi * place)
    exact = [np.log(64.0 * np.exp(-beta * along).mean()) for beta in BETA] + 2 * log_bessel(2.0, TEMPERATURES)
    near = np.abs(basins.frac(np.arange(basins.label.size))[:, 0] - 0.513) < 0.2
    for label in (basins.label, np.where(near & (basins.label == 0), 1, basins.label)):
        moved = replace(basins, label=label.astype(np.int32))
        notes = []
        log_Z = site_partition(landscape, moved, stationary, TEMPERATURES, model="flux_tst", notes=notes)
        np.testing.assert_allclose(np.logaddexp(*log_Z), exact, atol=1e-2)
        assert notes == []
    # where nothing around the minimum is left to it, the grid has the last word and the notes say so
    none = replace(basins, label=np.where(basins.label == 0, 1, basins.label).astype(np.int32))
    site_partition(landscape, none, stationary, TEMPERATURES, model="flux_tst", notes=notes)
    assert notes == ["minima that the grid does not have, taken as harmonic: 1 orbit"]


def test_flat_stationary_points_are_not_harmonic():
    """A (1 - cos x)² = A (3/2 - 2 cos x + ½ cos 2x) is flat at x = 0: the integral stays, and the notes say so."""
    waves = [[1, 0, 0], [2, 0, 0], [0, 1, 0], [0, 0, 1]]
    landscape = Waves(4.0 * np.eye(3), waves, (0.2, -0.05, 0.2, 0.2), shift=OFF_GRID)
    basins, stationary = network(landscape)
    notes = []
    log_Z = site_partition(landscape, basins, stationary, TEMPERATURES, model="harmonic_tst", notes=notes)
    place = (np.arange(4000) + 0.5) / 4000
    along = -0.2 * np.cos(2 * np.pi * place) + 0.05 * np.cos(4 * np.pi * place)
    exact = [np.log(64.0 * np.exp(-beta * along).mean()) for beta in BETA] + 2 * log_bessel(0.2, TEMPERATURES)
    np.testing.assert_allclose(log_Z[0], exact, atol=5e-3)
    assert notes == ["flat minima, integrated because they are not harmonic: 1 orbit"]
    saddle_conductance(landscape, stationary, LITHIUM, TEMPERATURES, model="harmonic_tst", notes=notes)
    assert "flat saddle points" in notes[-1]


@pytest.mark.parametrize("lowest", [2.0, 60.0])
def test_a_wide_range_of_temperatures(lowest):
    """Narrow lattices for the low temperatures reach only as high as these: in time, and exact at every one."""
    landscape = SimpleCubic((0.4, 0.3, 0.2), multiple=ROTATED, shift=OFF_GRID)
    temperatures = np.geomspace(lowest, 500.0, 12)
    basins, stationary = network(landscape)
    called = [0]
    original = landscape.derivatives

    def counted(frac):
        called[0] += len(frac)
        return original(frac)

    landscape.derivatives = counted
    log_Z = site_partition(landscape, basins, stationary, temperatures, model="flux_tst")
    np.testing.assert_allclose(log_Z[0], landscape.log_partition(temperatures), atol=3e-3)
    assert called[0] < 4e5


def test_a_contact_of_the_grid_stands_for_a_saddle_point():
    """Half a step off the ridge the plane lies lower by ½ K d², which the flux shows and nothing else."""
    landscape = SimpleCubic((0.1, 0.1, 0.1))
    _, stationary = network(landscape)
    moved = replace(stationary, saddle_frac=np.array([[0.525, 0.03, 0.02]]), saddle_refined=np.zeros(1, bool))
    log_C = saddle_conductance(landscape, moved, LITHIUM, TEMPERATURES, model="flux_tst")
    lower = 0.1 * (1.0 - np.cos(2 * np.pi * 0.025))
    expected = landscape.log_face(0, TEMPERATURES) + lower * BETA + np.log(thermal_flux(LITHIUM, TEMPERATURES))
    np.testing.assert_allclose(log_C[0], expected, atol=1e-3)


def test_plain_attempt_frequency():
    """Without the landscape's prefactors Z and C are Boltzmann factors of the minima and saddle points."""
    landscape = SimpleCubic((1.0, 0.5, 0.25))
    basins, stationary = network(landscape)
    model = "attempt_frequency"
    log_Z = site_partition(landscape, basins, stationary, TEMPERATURES, model=model)
    np.testing.assert_allclose(log_Z, 1.75 * BETA[None], rtol=1e-9)
    log_C = saddle_conductance(landscape, stationary, LITHIUM, TEMPERATURES, model=model)
    np.testing.assert_allclose(log_C, -np.outer([-1.25, -0.75, 0.25], BETA), rtol=1e-9)
    with pytest.raises(ValueError, match="model must be"):
        site_partition(landscape, basins, stationary, TEMPERATURES, model="arrhenius")


@pytest.mark.validation
@pytest.mark.parametrize("spacing", [0.3, 0.2])
def test_lithium_in_lifepo4(spacing):
    """Bond-valence energy: attempt frequency 3.78e12 /s at 300 K from either grid, 5 % above the harmonic one.

    The plain sum over the grid of 0.2 Å would be 28 % too large at 200 K, that of 0.3 Å three times.
    """
    potential = BondValence(spacing)
    potential.temperature = 300.0
    potential.free_energy = lambda frac, temperatures: np.tile(potential.derivatives(frac)[0], (len(temperatures), 1))
    stencil = grid_stencil(CELL, potential.energy.shape)
    ceiling = grid_percolation(potential.energy, stencil, below=potential.energy.min() + 5.0)[0] + 0.2
    basins = find_basins(potential.energy, stencil, below=ceiling)
    group = SpaceGroup.from_operations(CELL, *map(np.array, zip(*PNMA, strict=True)))
    stationary = find_stationary_points(potential, basins, find_faces(basins, stencil), group, below=ceiling)
    prefactor = {}
    for model in ("flux_tst", "harmonic_tst"):
        log_Z = site_partition(potential, basins, stationary, TEMPERATURES, model=model)[0]
        log_C = saddle_conductance(potential, stationary, LITHIUM, TEMPERATURES, model=model)[0]
        barrier = stationary.graph.level_energy[0] - stationary.graph.energy[0]
        prefactor[model] = np.exp(log_C - log_Z + barrier * BETA)[1]
    assert prefactor["flux_tst"] == pytest.approx(3.776e12, rel=2e-3)
    assert prefactor["harmonic_tst"] == pytest.approx(prefactor["flux_tst"], rel=0.06)
