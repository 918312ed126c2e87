"""Elemental ratios of nodes Zn4O and linkers C8H4O4: forwards, backwards, and where there is no way back."""

import numpy as np
import pytest

from analysis.elemental import composition, elemental_table, implied_defects, linkers_per_node, surplus_carbon
from structures.errors import InputError

PRINTED = {"C": 72.0, "O": 23.0, "Zn": 4.0}


def test_ideal_formula():
    assert composition() == {"Zn": 4.0, "O": 13.0, "C": 24.0}


@pytest.mark.parametrize(("nodes", "linkers"), [(0.0, 0.0), (0.3, 0.0), (0.3, 0.1), (0.0, -0.5), (0.9, 0.0)])
def test_every_ratio_of_a_true_mixture_gives_the_same_linkers_per_node(nodes, linkers):
    made = composition(nodes, linkers)
    assert made["C"] / made["O"] < 2
    for above, below in (("C", "Zn"), ("O", "Zn"), ("C", "O")):
        found = linkers_per_node(above, below, made[above] / made[below])
        assert found == pytest.approx((1 - linkers) / (1 - nodes))


def test_printed_percentages_contradict_each_other_as_defects():
    """C : Zn = 18 takes 2/3 of the nodes away, O : Zn = 5.75 takes 5/11; C : O = 3.13 has no solution."""
    carbon, oxygen, both = implied_defects(PRINTED)
    assert carbon.missing_nodes.value == pytest.approx(2 / 3)
    assert carbon.excess_linkers.value == pytest.approx(2)
    assert oxygen.missing_nodes.value == pytest.approx(5 / 11)
    assert oxygen.missing_nodes.lo < 5 / 11 < oxygen.missing_nodes.hi < carbon.missing_nodes.hi
    assert np.isnan(both.missing_nodes.value)
    assert "no mixture" in both.statement
    assert "upper bound" in carbon.statement


def test_carbon_that_no_linker_brings():
    """Oxygen 23 - 1 of the node leaves 5.5 linkers with 44 of the 72 carbons."""
    assert surplus_carbon(PRINTED) == pytest.approx(28 / 72)
    assert surplus_carbon(composition(0.4, 0.1)) == pytest.approx(0)


def test_table_of_the_paper():
    table = elemental_table().set_index("ratio")
    assert table["ideal"].to_dict() == pytest.approx({"C : Zn": 6.0, "O : Zn": 3.25, "C : O": 24 / 13})
    assert table["simulate"].to_dict() == {"C : Zn": True, "O : Zn": True, "C : O": False}
    with pytest.raises(InputError, match="eds_atomic_percent"):
        elemental_table("ni_mof")


@pytest.mark.parametrize("wrong", [{"C": 72.0, "O": 23.0}, {"C": 72.0, "O": 23.0, "Zn": 0.0}])
def test_percentages_that_lack(wrong):
    with pytest.raises(InputError, match="Zn: expected its atomic percentage"):
        implied_defects(wrong)
