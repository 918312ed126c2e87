"""The Ewald potential against lattice sums known to twelve digits, VERIFICATION §1."""

import numpy as np
import pytest
from pymatgen.analysis.ewald import EwaldSummation
from pymatgen.core import Lattice as CrystalLattice
from pymatgen.core import Structure

from lattice import ewald
from lattice.ewald import EwaldPotential, coincident_pairs
from structures.errors import InputError
from structures.units import COULOMB

TRICLINIC = np.array([[5.1, 0.0, 0.0], [1.9, 6.3, 0.0], [-2.2, 1.4, 4.4]])


@pytest.mark.parametrize(
    ("point", "psi"),
    [
        ((0, 0, 0), -2.837297479481),
        ((1 / 2, 0, 0), -0.095932304940),
        ((1 / 2, 1 / 2, 0), -0.582521531544),
        ((1 / 2, 1 / 2, 1 / 2), -0.801935970028),
        ((1 / 4, 0, 0), 1.305934570507),
        ((1 / 3, 1 / 3, 1 / 3), -0.593485439181),
    ],
)
def test_potential_in_a_cube(point, psi):
    """psi scales as 1/L."""
    assert EwaldPotential(np.eye(3)).at(np.array([point]))[0] == pytest.approx(psi, abs=1e-12)
    assert EwaldPotential(7 * np.eye(3)).at(np.array([point]))[0] == pytest.approx(psi / 7, abs=1e-12)


@pytest.mark.parametrize(
    ("cations", "anions", "nearest", "madelung"),
    [
        ([(0, 0, 0), (0, 0.5, 0.5), (0.5, 0, 0.5), (0.5, 0.5, 0)], (0.5, 0.5, 0.5), 0.5, 1.747564594633),
        ([(0, 0, 0)], (0.5, 0.5, 0.5), np.sqrt(3) / 2, 1.762674773071),
        ([(0, 0, 0), (0, 0.5, 0.5), (0.5, 0, 0.5), (0.5, 0.5, 0)], (0.25, 0.25, 0.25), np.sqrt(3) / 4, 1.638055053389),
    ],
    ids=["NaCl", "CsCl", "zincblende"],
)
@pytest.mark.parametrize("repeats", [(1, 1, 1), (2, 1, 3)])
def test_madelung_constants(cations, anions, nearest, madelung, repeats):
    """Energy per ion pair is -M/r0, from the table of the cell and of any supercell."""
    frac = np.concatenate([cations, np.add(cations, anions)])
    charge = np.repeat([1.0, -1.0], len(cations))
    psi = EwaldPotential(5.0 * np.diag(repeats)).table(frac, repeats)
    energy = 0.5 * np.einsum("a,aijkb,b->", charge, psi, charge) / len(cations)
    assert energy == pytest.approx(-madelung / (5.0 * nearest), abs=1e-12)


def test_any_triclinic_cell_agrees_with_pymatgen():
    """Total energy of random neutral charges in a skewed cell, in eV."""
    rng = np.random.default_rng(5)
    frac, charge = rng.random((6, 3)), np.array([1.0, 2.0, -1.5, -0.5, 1.0, -2.0])
    psi = EwaldPotential(TRICLINIC).table(frac, (1, 1, 1))[:, 0, 0, 0, :]
    crystal = Structure(CrystalLattice(TRICLINIC), ["H"] * 6, frac, site_properties={"charge": charge})
    crystal.add_oxidation_state_by_site(charge.tolist())
    expected = EwaldSummation(crystal, acc_factor=20.0).total_energy
    assert 0.5 * charge @ psi @ charge * EwaldSummation.CONV_FACT == pytest.approx(expected, rel=1e-11)
    assert pytest.approx(EwaldSummation.CONV_FACT, rel=1e-8) == COULOMB


def test_the_table_is_the_potential_at_every_offset(monkeypatch):
    """psi[a, n, b] is psi at f_b + n - f_a; a pair the other way round has the same bits; threads change nothing."""
    repeats = (2, 3, 1)
    frac = np.random.default_rng(2).random((4, 3))
    potential = EwaldPotential(TRICLINIC * np.array(repeats)[:, None])
    monkeypatch.setattr(ewald, "available_cores", lambda: 2)
    psi = potential.table(frac, repeats)
    for n in np.ndindex(*repeats):
        back = tuple(-np.array(n) % repeats)
        for a in range(4):
            expected = potential.at((frac + n - frac[a]) / repeats)
            assert psi[(a, *n)] == pytest.approx(expected, abs=1e-12)
            assert (psi[(a, *n)] == psi[(slice(None), *back, a)]).all()
    monkeypatch.setattr(ewald, "available_cores", lambda: 1)
    assert (psi == potential.table(frac, repeats)).all()


def test_every_image_counts_in_a_long_thin_cell():
    """The potential does not depend on which of the equivalent cells describes the crystal."""
    skewed = np.array([[1.0, 0, 0], [3.0, 1.0, 0], [-2.0, 4.0, 1.0]])
    point = np.array([0.3, 0.1, 0.45])
    in_skewed = point @ np.linalg.inv(skewed)
    assert EwaldPotential(skewed).at(in_skewed[None])[0] == pytest.approx(
        EwaldPotential(np.eye(3)).at(point[None])[0], abs=1e-11
    )


def test_sites_that_coincide_lose_the_bare_coulomb_energy_of_their_pair():
    """Between sites 0.3 Å apart psi - 1/r is kept, which tends to psi(0) as they merge."""
    cell = 8.0 * np.eye(3)
    frac = np.array([[0.2, 0.2, 0.2], [0.2, 0.2, 0.2 + 0.3 / 8], [0.2, 0.2, 0.2]])
    potential = EwaldPotential(cell)
    psi = potential.table(frac, (1, 1, 1))[:, 0, 0, 0, :]
    assert psi[0, 1] == pytest.approx(potential.at(frac[1:2] - frac[0:1])[0] - 1 / 0.3, abs=1e-12)
    assert psi[0, 2] == pytest.approx(psi[0, 0], abs=1e-12)


def test_coincident_pairs_are_found_through_the_boundary():
    frac = np.array([[0.99, 0.5, 0.5], [0.01, 0.5, 0.5], [0.3, 0.5, 0.5]])
    found = {tuple(pair) for pair in coincident_pairs(frac, 5.0 * np.eye(3)).tolist()}
    assert found == {(0, 1, 1, 0, 0)}
    with pytest.raises(InputError, match="meets its"):
        coincident_pairs(frac, np.diag([0.4, 5.0, 5.0]))


def test_a_flat_cell_is_refused():
    with pytest.raises(ValueError, match="cell must span a volume"):
        EwaldPotential(np.array([[1.0, 0, 0], [0, 1.0, 0], [1.0, 1.0, 0]]))
