"""Charge equilibration: closed forms for pairs and ionic crystals, invariances, and the charges of another program.

The energy is sum_i (chi_i Q_i + J_i Q_i²/2) + K/2 sum_ij Q_i Q_j [1/R + o(R)], K = 1.2 k/2; see structures/eqeq.py. In
the minimum the slope, chi_i + J_i Q_i + K sum_j gamma_ij Q_j, is the same on every atom.
"""

from __future__ import annotations

import importlib.util
import json
import math
from pathlib import Path

import numpy as np
import pytest
from published_frameworks import FRAMEWORKS, crystal_of, primitive, recorded, structure
from pymatgen.core import Lattice, Structure

from lattice.ewald import EwaldPotential
from structures import eqeq
from structures.cif import load_framework
from structures.crystal import Crystal
from structures.eqeq import elements_without_parameters, eqeq_charges
from structures.eqeq_parameters import EQEQ_PARAMETERS
from structures.errors import InputError
from structures.units import COULOMB

K = 1.2 * COULOMB / 2


def chi_and_hardness(symbol):
    centre, low, high = EQEQ_PARAMETERS[symbol]
    return (low + high) / 2 - centre * (high - low), high - low


def bracket(R, hardness_1, hardness_2):
    a = math.sqrt(hardness_1 * hardness_2) / COULOMB
    return 1 / R + math.exp(-((a * R) ** 2)) * (2 * a - a * a * R - 1 / R)


def atoms_in(cell, frac, symbols):
    return Crystal(
        np.asarray(cell, float), np.asarray(frac, float), tuple(symbols), tuple(symbols), np.zeros(len(symbols))
    )


def each_alone(crystal):
    return np.arange(len(crystal))


@pytest.fixture(scope="module")
def mil53():
    return crystal_of(primitive("MIL-53(Fe)"))


def test_parameters_of_the_paper():
    """Zn around +2: hardness I3 - I2 = 21.76 eV; H takes -2 eV for its electron affinity, hence hardness 15.6 eV."""
    assert EQEQ_PARAMETERS["Zn"] == (2, 17.96439, 39.7233)
    assert chi_and_hardness("H") == pytest.approx((5.799, 15.598), abs=1e-3)
    centres = {
        symbol: EQEQ_PARAMETERS[symbol][0] for symbol in ("Mg", "V", "Co", "Ni", "Cu", "Zn", "Zr", "C", "O", "N")
    }
    assert centres == {"Mg": 2, "V": 4, "Co": 2, "Ni": 2, "Cu": 2, "Zn": 2, "Zr": 4, "C": 0, "O": 0, "N": 0}
    assert all(high > low for _, low, high in EQEQ_PARAMETERS.values())
    assert elements_without_parameters(("C", "Cf", "Es", "Cf")) == ("Cf", "Es")


@pytest.mark.parametrize("R", [0.75, 1.3, 3.0])
def test_two_atoms_alone(R):
    """q = (chi_2 - chi_1) / (J_1 + J_2 - 2 K [1/R + o(R) + 2 pi R²/3V]) on atom 1, minus that on atom 2.

    The last term is the field of the dipole's images in a cube of volume V, with conducting surroundings; the next one
    is of the order of R⁴/L⁵.
    """
    L = 40.0
    crystal = atoms_in(np.eye(3) * L, [[0, 0, 0], [R / L, 0, 0]], ("H", "F"))
    (chi_1, J_1), (chi_2, J_2) = chi_and_hardness("H"), chi_and_hardness("F")
    exact = (chi_2 - chi_1) / (J_1 + J_2 - 2 * K * (bracket(R, J_1, J_2) + 2 * math.pi * R**2 / 3 / L**3))
    assert eqeq_charges(crystal, each_alone(crystal), 0.0) == pytest.approx([exact, -exact], rel=3e-6)


def test_two_atoms_at_one_point():
    """The bracket goes to 2 a, so that K times it is lambda sqrt(J_1 J_2) however near the atoms are."""
    crystal = atoms_in(np.eye(3) * 40, [[0, 0, 0], [1e-5 / 40, 0, 0]], ("H", "Mg"))
    (chi_1, J_1), (chi_2, J_2) = chi_and_hardness("H"), chi_and_hardness("Mg")
    exact = (chi_2 - chi_1) / (J_1 + J_2 - 2 * 1.2 * math.sqrt(J_1 * J_2))
    assert eqeq_charges(crystal, each_alone(crystal), 0.0)[0] == pytest.approx(exact, rel=1e-4)


@pytest.mark.parametrize(
    ("madelung", "cell", "anion"),
    [
        (1.747564594633, np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]) * 9.0, 9.0),
        (1.762674773071, np.eye(3) * 9.0 * 2 / math.sqrt(3), 9.0),
    ],
)
def test_ionic_crystal(madelung, cell, anion):
    """Rock salt and caesium chloride of Mg and F too wide to overlap: q = (chi_F - chi_Mg)/(J_Mg + J_F - 2 K M/R)."""
    crystal = atoms_in(cell, [[0, 0, 0], [0.5, 0.5, 0.5]], ("Mg", "F"))
    (chi_1, J_1), (chi_2, J_2) = chi_and_hardness("Mg"), chi_and_hardness("F")
    exact = (chi_2 - chi_1) / (J_1 + J_2 - 2 * K * madelung / anion)
    assert eqeq_charges(crystal, each_alone(crystal), 0.0) == pytest.approx([exact, -exact], abs=1e-9)


def test_one_element_shares_the_charge_evenly():
    """Silicon: equal atoms, equal charges, whatever the total."""
    crystal = atoms_in(np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]) * 2.715, [[0, 0, 0], [0.25] * 3], ("Si", "Si"))
    assert eqeq_charges(crystal, each_alone(crystal), -0.5) == pytest.approx([-0.25, -0.25], abs=1e-12)


@pytest.mark.parametrize("total", [0.0, -1.5])
def test_slope_is_the_same_on_every_atom(mil53, total):
    """The condition of the minimum, with 1/R from the Ewald potential of the hop energies and o(R) summed directly."""
    crystal, _ = mil53
    charges = eqeq_charges(crystal, each_alone(crystal), total)
    potential = EwaldPotential(crystal.cell)
    step = crystal.frac_coords[:, None] - crystal.frac_coords[None]
    gamma = potential.at(step.reshape(-1, 3)).reshape(len(crystal), -1)
    chi, J = np.array([chi_and_hardness(symbol) for symbol in crystal.symbols]).T
    a = np.sqrt(np.outer(J, J)) / COULOMB
    for image in np.ndindex(5, 5, 5):
        R = np.linalg.norm((step + np.array(image) - 2) @ crystal.cell, axis=2)
        apart = np.where(R > 1e-6, R, 1.0)
        gamma += np.where(R > 1e-6, np.exp(-((a * R) ** 2)) * (2 * a - a**2 * R - 1 / apart), 0.0)
    slope = chi + J * charges + K * gamma @ charges
    assert charges.sum() == pytest.approx(total, abs=1e-12)
    assert np.ptp(slope) < 1e-7


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_charges_of_another_program(name):
    """Frameworks of Zn, Cu, Mg, Zr and Fe as pyeqeq has them when its sums converge, to the last digit recorded."""
    crystal, rows = crystal_of(structure(name))
    assert eqeq_charges(crystal, rows, 0.0) == pytest.approx(recorded(name, rows), abs=0.0005)


@pytest.mark.parametrize("name", ["MOF-5", "Mg-MOF-74"])
def test_equivalent_atoms_get_equal_charges_of_themselves(name):
    """Solved for every atom on its own the orbits come out equal, and as when they are held equal."""
    crystal, rows = crystal_of(primitive(name))
    alone, together = eqeq_charges(crystal, each_alone(crystal), 0.0), eqeq_charges(crystal, rows, 0.0)
    assert alone == pytest.approx(together, abs=1e-8)
    assert all(len(set(together[rows == row])) == 1 for row in rows)


def test_charges_follow_the_crystal_not_its_cell(mil53):
    """Neither another origin, a rotation, an equivalent cell, a supercell nor the order of the atoms moves a charge."""
    crystal, rows = mil53
    charges = eqeq_charges(crystal, rows, -1.0)
    rng = np.random.default_rng(3)
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    moved = atoms_in(crystal.cell @ rotation, crystal.frac_coords + np.array([0.37, -1.21, 0.05]), crystal.symbols)
    assert eqeq_charges(moved, rows, -1.0) == pytest.approx(charges, abs=1e-9)
    skew = np.array([[1, 0, 0], [2, 1, 0], [-1, 1, 1]])
    skewed = atoms_in(skew @ crystal.cell, crystal.frac_coords @ np.linalg.inv(skew), crystal.symbols)
    assert eqeq_charges(skewed, rows, -1.0) == pytest.approx(charges, abs=1e-8)
    double = np.concatenate([crystal.frac_coords, crystal.frac_coords + np.array([1, 0, 0])]) / [2, 1, 1]
    larger = atoms_in(np.diag([2, 1, 1]) @ crystal.cell, double, crystal.symbols * 2)
    assert eqeq_charges(larger, each_alone(larger), -2.0) == pytest.approx(np.tile(charges, 2), abs=1e-8)
    order = rng.permutation(len(crystal))
    shuffled = atoms_in(crystal.cell, crystal.frac_coords[order], [crystal.symbols[i] for i in order])
    assert eqeq_charges(shuffled, rows[order], -1.0) == pytest.approx(charges[order], abs=1e-12)


def test_split_of_the_sums_moves_no_charge(mil53, monkeypatch):
    """Where the Ewald sums are split is a choice, also with a neutralising background."""
    crystal, rows = mil53
    charges = eqeq_charges(crystal, rows, -2.0)
    for cutoff in (9.0, 14.0):
        monkeypatch.setattr(eqeq, "_best_cutoff", lambda *_, cutoff=cutoff: cutoff)
        assert eqeq_charges(crystal, rows, -2.0) == pytest.approx(charges, abs=1e-8)


def test_net_charge_is_shared_linearly(mil53):
    """The equations are linear: half the net charge moves every atom half as far; here all atoms take a part of it."""
    crystal, rows = mil53
    neutral, half, full = (eqeq_charges(crystal, rows, total) for total in (0.0, -1.0, -2.0))
    assert full + neutral == pytest.approx(2 * half, abs=1e-12)
    assert (full < half).all()
    assert (half < neutral).all()


def test_given_charges_stay_and_the_others_equilibrate(mil53):
    """Charges given as they come out anyway change nothing; others stay as given and the sum is kept."""
    crystal, rows = mil53
    free = eqeq_charges(crystal, rows, -1.0)
    iron = np.array(crystal.symbols) == "Fe"
    assert eqeq_charges(crystal, rows, -1.0, fixed=np.where(iron, free, np.nan)) == pytest.approx(free, abs=1e-10)
    charges = eqeq_charges(crystal, rows, -1.0, fixed=np.where(iron, 0.8, np.nan))
    assert (charges[iron] == 0.8).all()
    assert charges.sum() == pytest.approx(-1.0, abs=1e-12)
    near = rows == 1  # the hydroxide between two Fe
    assert (charges[near] > free[near]).all()
    with pytest.raises(InputError, match=r"every atom has one and they sum to 9 e; expected -1 e"):
        eqeq_charges(crystal, rows, -1.0, fixed=np.full(len(crystal), 0.25))


def test_what_cannot_be_equilibrated_is_refused(mil53, monkeypatch):
    """An element without data; too many unknowns; soft atoms 0.1 Å apart, whose charges would grow without limit."""
    crystal, rows = mil53
    with pytest.raises(InputError, match="ionization energies; found Cf"):
        eqeq_charges(atoms_in(np.eye(3) * 9, [[0, 0, 0]], ("Cf",)), np.zeros(1, np.int64), 0.0)
    monkeypatch.setattr(eqeq, "MAX_UNKNOWNS", 9)
    with pytest.raises(InputError, match="at most 9 symmetry-distinct atoms; found 10"):
        eqeq_charges(crystal, rows, 0.0)
    near = atoms_in(np.eye(3) * 20, [[0, 0, 0], [0.005, 0, 0]], ("S", "Se"))
    with pytest.raises(InputError, match="no minimum"):
        eqeq_charges(near, each_alone(near), 0.0)


def pyeqeq_charges(made, path):
    """Charges from pyeqeq's compiled part; its settings are raised until the sums converge.

    From Python 3.11 on its 0.0.10 builds only with a newer pybind11 than it asks for.
    """
    module = pytest.importorskip("pyeqeq_eqeq")
    data = Path(importlib.util.find_spec("pyeqeq").submodule_search_locations[0]) / "data"
    keys = [f"_cell_length_{n} {v:.8f}" for n, v in zip("abc", made.lattice.abc, strict=True)]
    names = ("alpha", "beta", "gamma")
    keys += [f"_cell_angle_{n} {v:.8f}" for n, v in zip(names, made.lattice.angles, strict=True)]
    columns = ["label", "type_symbol", "fract_x", "fract_y", "fract_z"]
    rows = [f"{s.specie} {s.specie} " + " ".join(f"{x:.8f}" for x in s.frac_coords % 1) for s in made]
    lines = ["data_x", *keys, "loop_", "_symmetry_equiv_pos_as_xyz", "  'x, y, z'"]
    path.write_text("\n".join([*lines, "loop_", *(f"_atom_site_{name}" for name in columns), *rows, ""]))
    cells = 5 if min(made.lattice.abc) < 9 else 4
    files = str(data / "ionizationdata.dat"), str(data / "chargecenters.dat")
    return np.array(json.loads(module.run(str(path), "json", 1.2, -2.0, 6, "ewald", cells, 6, 6.0, *files)))


@pytest.mark.validation
@pytest.mark.parametrize("name", [*FRAMEWORKS, "strained", "ni_pacs_sym"])
def test_against_pyeqeq(name, tmp_path):
    """Every atom within 0.002 e; "strained" is MIL-53(Fe) without any symmetry in a triclinic cell."""
    if name == "ni_pacs_sym":
        loaded = load_framework(name, cell="primitive")
        row = {"row": list(range(len(loaded.symbols)))}
        made = Structure(Lattice(loaded.cell), loaded.symbols, loaded.frac_coords, site_properties=row)
    elif name == "strained":
        whole = primitive("MIL-53(Fe)")
        lattice = Lattice(
            whole.lattice.matrix @ (np.eye(3) + np.array([[0.02, 0.03, -0.01], [0, -0.01, 0.02], [0, 0, 0.01]]))
        )
        made = Structure(lattice, whole.species, whole.frac_coords, site_properties={"row": list(range(len(whole)))})
        made.perturb(0.05, seed=1)
    else:
        made = primitive(name)
    crystal, rows = crystal_of(made)
    assert eqeq_charges(crystal, rows, 0.0) == pytest.approx(pyeqeq_charges(made, tmp_path / "x.cif"), abs=0.002)
