"""Sites and saddles of an analytic surface, and first paths through a wall."""

from itertools import pairwise

import numpy as np
import pytest
from ase.build import fcc100
from ase.calculators.emt import EMT
from cosine_calculator import CosineCalculator

from lattice.atomistic import AtomisticCell
from lattice.elastic_band import SITE_KICK, Accuracy, find_saddle, kicked, relax_kicked, relax_site
from lattice.hop_path import first_path
from lattice.ion_atoms import GENERIC, IonAtoms, radii_of

LITHIUM = IonAtoms(("Li",), np.zeros((1, 3)), np.ones(1), "Li+")
FINE = Accuracy(0.003, 200)


def quiet(step: int, force: float) -> None:
    pass


def empty_cell(a: float) -> AtomisticCell:
    return AtomisticCell(np.diag([2 * a, a, a]), (1, 2, 2), (), np.zeros((0, 3)), np.zeros(0), LITHIUM, "ions")


@pytest.mark.parametrize(("bend", "B"), [(0.0, 0.0), (0.0, 0.1), (1.2, 0.1), (-1.2, 0.0)])
def test_minimum_and_saddle_in_closed_form(bend, B):
    """Barrier 2A + B + B²/8A from the deeper site, straight or along a valley that leaves the line by 1.2 Å."""
    A, a = 0.3, 4.0
    calculator, cell = CosineCalculator(A=A, B=B, a=a, bend=bend), empty_cell(a)
    ends = []
    for x in (0.0, a):
        ends.append(relax_kicked(cell, cell.structure([[x, 0.0, 0.0]]), calculator, FINE, quiet))
    assert [end.energies[0] for end in ends] == pytest.approx([-3 * A - B, -3 * A + B], abs=1e-4)
    images = first_path(cell, ends[0].positions[0], ends[1].positions[0], 5)
    band = find_saddle(images, (ends[0].energies[0], ends[1].energies[0]), lambda k: calculator, FINE, quiet)
    assert band.force <= FINE.fmax
    assert band.energies.max() - ends[0].energies[0] == pytest.approx(2 * A + B + B**2 / (8 * A), abs=1e-4)
    saddle = band.positions[band.top, -1]
    assert saddle[0] == pytest.approx(a / np.pi * np.arccos(-B / (4 * A)), abs=0.03)
    assert saddle[1] == pytest.approx(bend * np.sin(np.pi * saddle[0] / a) ** 2, abs=0.03)


def test_a_start_on_a_saddle_falls_into_a_minimum():
    """The middle between two minima is left although no force acts there."""
    cell, calculator = empty_cell(4.0), CosineCalculator(A=0.3)
    made = relax_kicked(cell, cell.structure([[2.0, 0.0, 0.0]]), calculator, FINE, quiet)
    assert made.energies[0] == pytest.approx(-0.9, abs=1e-4)
    assert made.slack is None


@pytest.mark.parametrize(("at", "steps"), [(0.0, 0), (-0.5, 1)])
def test_a_kick_is_no_result_where_fmax_is_coarse(at, steps):
    """Forces stay below A π/2 √3 = 0.03 eV/Å.

    From the minimum -3A the kick leads uphill and is taken back; from half an ångström before it the kick leads
    downhill, and at least one step follows.
    """
    cell, calculator = empty_cell(4.0), CosineCalculator(A=0.01)
    site = cell.structure(at * GENERIC[None])
    made = relax_kicked(cell, site, calculator, Accuracy(0.5, 200), quiet)
    lower = [site.copy(), site.copy()]
    lower[1].positions = kicked(cell, site.positions)
    for atoms in lower:
        atoms.calc = calculator
    if steps:
        assert made.energies[0] < lower[1].get_potential_energy() < lower[0].get_potential_energy()
    else:
        assert made.energies[0] == lower[0].get_potential_energy() < lower[1].get_potential_energy()
        np.testing.assert_array_equal(made.positions[0], site.positions)
    assert made.steps == 1
    assert made.slack == pytest.approx(np.linalg.norm(lower[1].get_forces()[-1]))


def test_a_calculator_without_any_force_is_no_relaxation():
    cell = empty_cell(4.0)
    assert relax_kicked(cell, cell.structure([[0.0, 0.0, 0.0]]), CosineCalculator(A=0.0), FINE, quiet).slack == 0.0


def test_a_relaxation_that_ends_above_its_site_starts_again_from_there():
    """With minima as close as the kick it lands in the next one, 2B higher."""
    cell, calculator = empty_cell(4.0), CosineCalculator(A=0.002, B=0.001, a=SITE_KICK * GENERIC[0])
    made = relax_kicked(cell, cell.structure([[0.0, 0.0, 0.0]]), calculator, FINE, quiet)
    assert made.energies[0] == pytest.approx(-0.007, abs=1e-9)
    assert made.slack is None


def test_the_straight_path_over_a_ridge_is_left():
    """On a band that is bent by symmetry to either side the straight path is a ridge: E = cos on a double valley."""

    class Ridge(CosineCalculator):
        def calculate(self, atoms=None, properties=("energy",), system_changes=()):
            super().calculate(atoms, properties, system_changes)
            x, y = self.atoms.positions[-1, :2]
            # along x the valley of cos splits into two at ± w(x): E = A (1 - cos kx) / 2 + c ((y² - w²)² - w⁴)
            k, c = 2 * np.pi / 4.0, 2.0
            w2 = 0.5 * (1 - np.cos(k * x))
            self.results["energy"] = 0.25 * (1 - np.cos(k * x)) + c * (y**2 - w2) ** 2 + 0.2 * c * w2
            self.results["energy"] += self.atoms.positions[-1, 2] ** 2
            slope_w2 = 0.5 * k * np.sin(k * x)
            force = np.zeros(3)
            force[0] = -(0.25 * k * np.sin(k * x) - 2 * c * (y**2 - w2) * slope_w2 + 0.2 * c * slope_w2)
            force[1] = -4 * c * (y**2 - w2) * y
            force[2] = -2 * self.atoms.positions[-1, 2]
            self.results["forces"][-1] = force

    cell = empty_cell(4.0)
    calculator = Ridge()
    images = first_path(cell, np.zeros((1, 3)), np.array([[4.0, 0.0, 0.0]]), 7)
    band = find_saddle(images, (0.0, 0.0), lambda k: calculator, Accuracy(0.005, 300), quiet)
    assert band.energies.max() == pytest.approx(0.5 + 0.4, abs=2e-3)  # on the ridge it would be 2 eV higher
    assert abs(band.positions[band.top, -1, 1]) == pytest.approx(1.0, abs=0.02)


class Dumbbell(CosineCalculator):
    """The cosine acts on the centre of two equal atoms that a spring keeps 1.1 Å apart."""

    def calculate(self, atoms=None, properties=("energy",), system_changes=()):
        centre = atoms.copy()
        centre.positions[-1] = atoms.positions.mean(axis=0)
        super().calculate(centre)
        bond = atoms.positions[1] - atoms.positions[0]
        length = np.linalg.norm(bond)
        pull = 10.0 * (length - 1.1) * bond / length
        forces = self.results["forces"][-1] / 2 + np.array([pull, -pull])
        self.results = {"energy": self.results["energy"] + 5.0 * (length - 1.1) ** 2, "forces": forces}


def test_a_molecular_ion_crosses_as_a_whole():
    """Barrier 2A of the centre; the bond of 1.1 Å, given as 1.2 Å, relaxes and stays so along the band."""
    nitrogen = IonAtoms(("N", "N"), np.array([[0.0, 0.0, 0.6], [0.0, 0.0, -0.6]]), np.array([0.5, 0.5]), "N2+")
    cell = AtomisticCell(4.0 * np.eye(3), (2, 2, 2), (), np.zeros((0, 3)), np.zeros(0), nitrogen, "ions")
    calculator = Dumbbell(A=0.3)
    site = relax_kicked(cell, cell.structure(nitrogen.positions), calculator, FINE, quiet)
    end = cell.translated(site.positions[0], (1, 0, 0))
    images = first_path(cell, site.positions[0], end, 5)
    band = find_saddle(images, (site.energies[0],) * 2, lambda k: calculator, FINE, quiet)
    assert band.force <= FINE.fmax
    assert band.energies.max() - site.energies[0] == pytest.approx(0.6, abs=1e-4)
    np.testing.assert_allclose(np.linalg.norm(band.positions[:, 1] - band.positions[:, 0], axis=1), 1.1, atol=2e-3)
    assert cell.ion.centre(band.positions[band.top]) == pytest.approx([2.0, 0.0, 0.0], abs=0.02)


def walled_cell(hole: float) -> AtomisticCell:
    """A carbon wall at x = 6 Å with atoms 1.5 Å apart, and a hole of 2.7 Å radius at y = z = `hole`."""
    side = 12.0
    grid = np.arange(8) * 1.5
    atoms = np.array([(6.0, y, z) for y in grid for z in grid])
    gap = atoms[:, 1:] - hole
    gap -= side * np.rint(gap / side)
    frac = atoms[np.linalg.norm(gap, axis=1) > 2.7] / side
    symbols = ("C",) * len(frac)
    return AtomisticCell(side * np.eye(3), (1, 1, 1), symbols, frac, np.zeros(len(frac)), LITHIUM, "ions")


@pytest.mark.parametrize("shift", [0.0, 2.0, 3.5])
def test_the_first_path_goes_through_the_hole_in_a_wall(shift):
    """The straight line hits the wall up to 3.5 √2 Å beside the hole; every image keeps 1.05 covalent contacts away."""
    cell = walled_cell(6.0)
    start, end = (cell.structure([[x, 6.0 + shift, 6.0 - shift]]).positions for x in (2.5, 9.5))
    images = first_path(cell, start, end, 5)
    path = np.array([image.positions[-1] for image in images])
    dense = np.concatenate([np.linspace(a, b, 20) for a, b in pairwise(path)])
    wall, names = cell.around(dense, 4.0)
    contact = np.linalg.norm(dense[:, None] - wall, axis=-1) / (LITHIUM.radii[0] + radii_of(names))
    assert contact.min() > 1.05
    np.testing.assert_allclose(path[[0, -1]], [start[-1], end[-1]])
    steps = np.linalg.norm(np.diff(path, axis=0), axis=1)
    assert steps.max() < 2.0


def test_a_path_across_the_cell_border_is_not_wrapped():
    cell = walled_cell(6.0)
    start = cell.structure([[9.5, 6.0, 6.0]]).positions
    end = cell.translated(cell.structure([[2.5, 6.0, 6.0]]).positions, (1, 0, 0))
    path = np.array([image.positions[-1] for image in first_path(cell, start, end, 3)])
    assert (np.diff(path[:, 0]) > 0).all()
    assert path[-1, 0] == pytest.approx(14.5)


def test_hydrogen_in_rigid_copper_by_effective_medium_theory():
    """From one octahedral hole of fcc copper to the next, by way of the tetrahedral hole between them.

    On the threefold axis through both holes the highest point lies in the triangle of copper atoms; three images alone
    would stop in the tetrahedral hole, which is a minimum 2 eV lower.
    """
    frac = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    a = 3.61
    hydrogen = IonAtoms(("H",), np.zeros((1, 3)), np.zeros(1), "H")
    cell = AtomisticCell(a * np.eye(3), (2, 2, 2), ("Cu",) * 4, frac, np.zeros(4), hydrogen, "ions")
    calculators = [EMT() for _ in range(20)]
    scan = []
    for x in np.linspace(0.25, 0.5, 101):
        atoms = cell.structure([[a * x] * 3])
        atoms.calc = calculators[0]
        scan.append(atoms.get_potential_energy())
    holes = np.array([[0.5, 0.5, 0.5], [0.5, 1.0, 1.0]]) * a
    images = first_path(cell, *(cell.structure([hole]).positions for hole in holes), 3)
    band = find_saddle(images, (scan[-1], scan[-1]), lambda k: calculators[k], Accuracy(0.05, 200), quiet)
    assert band.force <= 0.05
    assert band.energies.max() == pytest.approx(max(scan), abs=5e-3)
    assert max(scan) > scan[0] + 1.0


@pytest.mark.validation
def test_gold_on_aluminium_that_gives_way():
    """Au on Al(100) from hollow to hollow, all atoms free; by symmetry the saddle is the relaxed bridge position."""
    slab = fcc100("Al", (1, 1, 3), vacuum=6.0)
    side = slab.cell[0, 0]
    gold = IonAtoms(("Au",), np.zeros((1, 3)), np.zeros(1), "Au")
    cell = AtomisticCell(
        np.array(slab.cell.complete()), (2, 2, 1), ("Al",) * 3, slab.get_scaled_positions(), np.zeros(3), gold, "all"
    )
    calculators = [EMT() for _ in range(20)]
    hollow = slab.positions[-1] + np.array([side / 2, side / 2, 1.7])
    start, bridge = (cell.structure([place]) for place in (hollow, hollow + np.array([side / 2, 0.0, 0.3])))
    low = relax_kicked(cell, start, calculators[0], Accuracy(0.01, 300), quiet)
    high = relax_site(bridge, calculators[0], Accuracy(0.01, 300), quiet)
    assert low.force <= 0.01
    assert high.force <= 0.01
    end = cell.translated(low.positions[0], (1, 0, 0))
    images = first_path(cell, low.positions[0], end, 3)
    band = find_saddle(images, (low.energies[0],) * 2, lambda k: calculators[k], Accuracy(0.03, 300), quiet)
    assert band.force <= 0.03
    barrier = high.energies[0] - low.energies[0]
    assert 0.2 < barrier < 0.6
    assert band.energies.max() - low.energies[0] == pytest.approx(barrier, abs=5e-3)
