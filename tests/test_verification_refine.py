"""The landscape as a calculator: relaxations and bands must find the network's own site energies and saddles."""

import numpy as np
import pytest
from ase.calculators.calculator import Calculator, all_changes

from lattice.builder import LandscapeSettings, build_network
from lattice.landscape import Landscape, compute_landscape
from runs.deck_file import SHIPPED_DECKS, read_deck
from runs.progress import Reporter
from runs.refine_calculations import Calculations
from runs.refine_folder import RefineFolder
from runs.refine_plan import RefineRequest, plan_refinement
from runs.refine_values import refined_network
from structures.cif import load_framework
from structures.species import SHIPPED_SPECIES


class LandscapeCalculator(Calculator):
    """The energy that the network was made from, acting on the last atom."""

    implemented_properties = ["energy", "forces"]  # noqa: RUF012

    def __init__(self, landscape: Landscape):
        super().__init__()
        self.landscape = landscape
        self.to_frac = np.linalg.inv(landscape.cell)

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        energy, gradient, _ = self.landscape.derivatives(self.atoms.positions[-1:] @ self.to_frac)
        forces = np.zeros((len(self.atoms), 3))
        forces[-1] = -gradient[0]
        self.results = {"energy": float(energy[0]), "forces": forces}


class Source:
    """One calculator for all images."""

    path, name = "landscape", "calculator"

    def __init__(self, calculator: Calculator):
        self.calculator = calculator

    def make(self, slot, directory):
        return self.calculator


def silent(stage: str, fraction: float, detail: str = "") -> None:
    pass


@pytest.mark.validation
@pytest.mark.parametrize("ion", ["Li+", "Me2NH2+"])
def test_every_saddle_of_the_nickel_framework_is_found_again(tmp_path, ion):
    """All sites and hops within 5 meV, the hops of 5 to 11 Å that go round a linker as well.

    Started from nothing but the two ends: neither the grid nor the saddle positions are known to the band.
    """
    structure = read_deck(SHIPPED_DECKS / "ni_mof.toml").deck.structure
    framework = load_framework(
        structure.cif, charges=structure.charges, net_charge=structure.net_charge, cell=structure.cell
    )
    species = SHIPPED_SPECIES[ion]
    network = build_network(framework, [species], LandscapeSettings(permittivity=10.0))
    landscape = compute_landscape(framework, species, permittivity=10.0)
    (tmp_path / "bead.xyz").write_text("1\none bead\nAr 0 0 0\n")
    request = RefineRequest(
        tmp_path / "network.h5", "landscape", ion_atoms={ion: tmp_path / "bead.xyz"}, fmax=0.02, steps=300
    )
    plans = plan_refinement(network, request)
    folder = RefineFolder(tmp_path / "refined")
    folder.claim({})
    report: Reporter = silent
    calculations = Calculations(network, plans, request, Source(LandscapeCalculator(landscape)), folder, report)
    calculations.run()
    refinement = refined_network(network, calculations, ())
    assert [orbit.remark for orbit in (*refinement.sites, *refinement.hops) if not orbit.refined] == []
    for orbit in (*refinement.sites, *refinement.hops):
        assert orbit.new == pytest.approx(orbit.old, abs=5e-3), orbit
    assert refinement.complete
