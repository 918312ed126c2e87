"""Charges of the framework: which of table, CIF and EQeq is taken, why, and that they sum to the net charge.

The crystal of most tests is ReO3-like, one Zn and three O per cell (all O equivalent), so that sums can be seen.
"""

from __future__ import annotations

import numpy as np
import pytest
from published_frameworks import crystal_of, primitive

from structures.charges import assign_charges, atom_classes, charges_from_table
from structures.crystal import Crystal
from structures.errors import InputError

ORBITS = np.array([0, 1, 1, 1])


def net(charges=(0.0, 0.0, 0.0, 0.0), labels=("Zn1", "O1", "O2", "O3"), symbols=("Zn", "O", "O", "O")):
    frac = [[0, 0, 0], [0.5, 0, 0], [0, 0.5, 0], [0, 0, 0.5]]
    return Crystal(np.eye(3) * 3.9, np.array(frac), symbols, labels, np.array(charges))


def assign(crystal, *, table=None, source="auto", net_charge=0.0, orbits=ORBITS):
    return assign_charges(
        crystal, crystal.symbols, orbits, 1, table=table, source=source, net_charge=net_charge
    )  # fmt: skip


@pytest.fixture(scope="module")
def mof5():
    crystal, rows = crystal_of(primitive("MOF-5"))
    return crystal, atom_classes(crystal), rows


def test_the_first_of_table_file_and_equilibration():
    """A table beats the CIF, the CIF beats EQeq; "available" lists what there is."""
    table = {"Zn": 0.9, "O": -0.3}
    given = assign(net((0.6, -0.2, -0.2, -0.2)), table=table)
    assert (given.source, given.available) == ("table", ("table", "cif", "eqeq"))
    assert given.charges == pytest.approx([0.9, -0.3, -0.3, -0.3])
    read = assign(net((0.6, -0.2, -0.2, -0.2)))
    assert (read.source, read.available) == ("cif", ("cif", "eqeq"))
    assert read.charges == pytest.approx([0.6, -0.2, -0.2, -0.2])
    computed = assign(net())
    assert (computed.source, computed.available) == ("eqeq", ("eqeq",))
    assert computed.lines[0].startswith("charges of the CIF were not used: there are none (_atom_site_charge is")
    assert computed.lines[1].startswith("charges from EQeq (Wilmer, Kim, Snurr")
    assert "charge centres Zn +2; from" in computed.lines[1]
    assert computed.charges[0] > 0 > computed.charges[1] == computed.charges[2] == computed.charges[3]
    assert computed.charges.sum() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("charges", "net_charge", "reason"),
    [
        ((0.6, -0.2, -0.2, -0.2), -1.0, r"they sum to 0\.000 e per formula unit; expected the net charge, -1 e"),
        ((0.6, -0.1, -0.2, -0.3), 0.0, r"-0\.3 e on O3 and -0\.1 e on O1, which are equivalent by symmetry"),
    ],
)
def test_inconsistent_charges_of_the_file_are_not_used(charges, net_charge, reason):
    """On their own they are left aside with the reason; asked for by name they are refused with it."""
    made = assign(net(charges), net_charge=net_charge)
    assert (made.source, made.available) == ("eqeq", ("eqeq",))
    assert made.charges.sum() == pytest.approx(net_charge, abs=1e-12)
    with pytest.raises(InputError, match=r'^charge_source = "cif": the charges of the CIF cannot be used: ' + reason):
        assign(net(charges), net_charge=net_charge, source="cif")


def test_rounding_of_the_file_is_taken_out():
    """O charges that differ by 0.01 e become their mean, and the residual of 0.03 e goes to all four atoms."""
    made = assign(net((0.63, -0.195, -0.2, -0.205)))
    assert made.source == "cif"
    assert made.charges == pytest.approx([0.6225, -0.2075, -0.2075, -0.2075])
    assert "shifted by -0.00750 e per atom" in made.lines[0]


def test_label_beats_class_beats_element():
    classes, symbols, labels = ("mu-O", "mu-O", "O", "Zn"), ("O", "O", "O", "Zn"), ("O1", "O2", "O3", "Zn1")
    table = {"O": -1.0, "mu-O": -2.0, "O2": -3.0}
    found = charges_from_table(table, classes, symbols, labels)
    assert found == pytest.approx([-2.0, -3.0, -1.0, np.nan], nan_ok=True)


@pytest.mark.parametrize(("source", "charges"), [("table", (0.0,) * 4), ("cif", (0.9, -0.3, -0.3, -0.3))])
def test_named_atoms_take_up_what_the_charges_lack(source, charges):
    """A net charge of +1 on three O, +1/3 each: as protons on them would; without a name it is refused."""
    table = {"Zn": 0.9, "O": -0.3} if source == "table" else None
    options = {"table": table, "source": source, "net_charge": 1.0}
    crystal = net(charges)
    made = assign_charges(crystal, crystal.symbols, ORBITS, 1, balance_on="O", **options)
    assert made.charges == pytest.approx([0.9, 1 / 30, 1 / 30, 1 / 30])
    assert "expected 1 e: the 3 atoms of balance_on shifted by +0.33333 e each" in made.lines[-1]
    everywhere = assign_charges(crystal, crystal.symbols, ORBITS, 1, balance_on="all", **options)
    assert everywhere.charges == pytest.approx([1.15, -0.05, -0.05, -0.05])
    with pytest.raises(InputError):
        assign(crystal, **options)
    with pytest.raises(InputError, match=r"balance_on: N matches no atom; expected one of O, Zn") as caught:
        assign_charges(crystal, crystal.symbols, ORBITS, 1, balance_on="N", **options)
    assert caught.value.about == "balance_on"


def test_equilibration_leaves_nothing_to_be_taken_up():
    crystal = net()
    plain, named = (
        assign_charges(crystal, crystal.symbols, ORBITS, 1, table=None, source="eqeq", net_charge=-1.0, balance_on=name)
        for name in (None, "O")
    )
    np.testing.assert_array_equal(named.charges, plain.charges)


def test_an_element_is_an_element_where_atoms_are_labelled_so():
    """In a file that labels all oxygens "O" the key O does not overrule the class."""
    found = charges_from_table({"O": -1.0, "mu-O": -2.0}, ("mu-O", "O"), ("O", "O"), ("O", "O"))
    assert found == pytest.approx([-2.0, -1.0])


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"Zn": 0.9, "O11": -0.3}, r"O11 matches no atom; expected one of O, Zn or an atom label, nearest O1"),
        ({"Zn": 0.9, "O": float("nan")}, "O must be a finite number of e; got nan"),
        ({"Zn": 0.9}, r'found none for O \(3 atoms\): add it, or take EQeq \(charge_source = "eqeq"\)'),
        ({"Zn": 0.9, "O": -0.1}, r"formula unit: expected 0 e; the charges sum to 0\.600 e"),
    ],
)
def test_wrong_tables_are_refused(table, message):
    for source in ("auto", "table"):
        with pytest.raises(InputError, match=message):
            assign(net(), table=table, source=source)


def test_unknown_or_absent_sources_are_refused():
    with pytest.raises(InputError, match=r"charge_source must be one of auto, table, cif, eqeq; got ddec"):
        assign(net(), source="ddec")
    with pytest.raises(InputError, match=r'"table": expected a table of charges; found none'):
        assign(net(), source="table")
    with pytest.raises(
        InputError, match=r'charge_source = "cif": the charges of the CIF cannot be used: there are none'
    ):
        assign(net(), source="cif")
    with pytest.raises(
        InputError, match=r'charge_source = "cif": the charges of the CIF cannot be used: there are none'
    ):
        assign(net(), source="cif", table={"Zn": 0.6})
    with pytest.raises(InputError, match=r"EQeq charges: .* found Cf"):
        assign(net(symbols=("Cf", "O", "O", "O"), labels=("Cf1", "O1", "O2", "O3")))


def test_table_on_top_of_the_file():
    """Zn goes from 0.6 to 0.66 e; the three O take -0.02 e each. A shift of -0.2 e each is refused."""
    crystal = net((0.6, -0.2, -0.2, -0.2))
    made = assign(crystal, source="cif", table={"Zn1": 0.66})
    assert made.source == "cif with table"
    assert made.charges == pytest.approx([0.66, -0.22, -0.22, -0.22])
    assert made.lines[0] == "the table overrides the charges of 1 of 4 atoms"
    assert "the 3 atoms that the table leaves out shifted by -0.02000 e each" in made.lines[1]
    with pytest.raises(InputError, match=r"sum to 0\.600 e .* expected 0 e; the 3 atoms .* shift by -0\.200 e"):
        assign(crystal, source="cif", table={"Zn": 1.2})


@pytest.mark.parametrize(("source", "words"), [("cif", "the CIF"), ("eqeq", "EQeq")])
def test_table_for_every_atom_leaves_nothing_to_the_source(source, words):
    """A residual of 0.02 e is spread as for the table alone, and the line says that the source was not needed."""
    made = assign(net((0.6, -0.2, -0.2, -0.2)), source=source, table={"Zn": 0.92, "O": -0.3})
    assert made.source == "table"
    assert made.charges == pytest.approx([0.915, -0.305, -0.305, -0.305])
    assert made.lines[0] == f"the table gives every atom a charge: nothing is taken from {words}"


def test_table_on_top_of_equilibration(mof5):
    """Atoms that the table leaves out are equilibrated around those it gives; Z = 2 in the primitive cell."""
    crystal, classes, rows = mof5
    settings = {"source": "eqeq", "net_charge": 0.0}
    made = assign_charges(crystal, classes, rows, 2, table={"Zn": 0.957, "mu-O": -1.034}, **settings)
    plain = assign_charges(crystal, classes, rows, 2, table=None, **settings)
    assert (made.source, made.available) == ("eqeq with table", ("eqeq",))
    assert made.lines[0] == "the table overrides the charges of 10 of 106 atoms"
    of = {name: made.charges[[role == name for role in classes]] for name in set(classes)}
    assert (of["Zn"] == 0.957).all()
    assert (of["mu-O"] == -1.034).all()
    assert np.ptp(of["carboxylate-O"]) == 0
    oxygen = [role == "carboxylate-O" for role in classes]
    assert made.charges[oxygen].mean() > plain.charges[oxygen].mean()  # less charge on Zn, less on the O around it
    assert made.charges.sum() == pytest.approx(0, abs=1e-12)


def test_charges_of_mof5(mof5):
    """EQeq as in the trial of METHODS.md §1."""
    crystal, classes, rows = mof5
    made = assign_charges(crystal, classes, rows, 2, table=None, source="auto", net_charge=0.0)
    expected = {
        "Zn": 1.211, "mu-O": -0.967, "carboxylate-O": -0.482, "carboxylate-C": 0.321, "C": -0.064, "C-H": -0.023,
        "H": 0.054,
    }  # fmt: skip
    assert made.charges == pytest.approx([expected[role] for role in classes], abs=0.002)


def test_net_charge_is_that_of_a_formula_unit(mof5):
    """-1 e for each of the two formula units of the cell, on a neutralising background that the lines mention."""
    crystal, classes, rows = mof5
    made = assign_charges(crystal, classes, rows, 2, table=None, source="eqeq", net_charge=-1.0)
    assert made.charges.sum() == pytest.approx(-2.0, abs=1e-12)
    assert "neutralising background" in made.lines[0]


def test_doubtful_charges_are_marked():
    """Zr of UiO-66 gets 3.2 e, which the line calls a known weakness."""
    crystal, rows = crystal_of(primitive("UiO-66"))
    made = assign_charges(crystal, crystal.symbols, rows, 1, table=None, source="eqeq", net_charge=0.0)
    assert "3.219 e (Zr8); so high a charge is a known weakness of EQeq" in made.lines[0]
