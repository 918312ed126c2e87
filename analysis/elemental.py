"""What an elemental analysis says about missing nodes and linkers of Zn4O(bdc)3, and what it cannot.

A node brings Zn4O, a linker C8H4O4. With fractions n of the nodes and l of the linkers missing (negative for an excess)

    Zn : O : C = 4 (1 - n) : (1 - n) + 12 (1 - l) : 24 (1 - l),

so that C : Zn and O : Zn depend on r = (1 - l) / (1 - n) alone and C : O never exceeds the 2 of the linker.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

from analysis.experiments import section
from analysis.statistics import Interval
from structures.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

ZN_PER_NODE, O_PER_NODE = 4.0, 1.0
C_PER_LINKER, O_PER_LINKER = 8.0, 4.0
LINKERS_PER_NODE = 3.0
HALF_DIGIT = 0.5  # of a whole percentage


@dataclass(frozen=True, slots=True)
class Implied:
    """Defects that one ratio of elements alone would take.

    Attributes
    ----------
    ratio : str
        "C : Zn".
    found : Interval
        With what the rounding of the percentages allows.
    ideal : float
    linkers_per_node : Interval
        Relative to the ideal three; nan where none is possible.
    missing_nodes : Interval
        Fraction of the nodes if all linkers are there.
    excess_linkers : Interval
        Linkers beyond the ideal, as a fraction of them, if all nodes are there.
    statement : str
    """

    ratio: str
    found: Interval
    ideal: float
    linkers_per_node: Interval
    missing_nodes: Interval
    excess_linkers: Interval
    statement: str


def composition(missing_nodes: float = 0.0, missing_linkers: float = 0.0) -> dict[str, float]:
    """Atoms per ideal formula unit Zn4O(bdc)3, without H.

    Parameters
    ----------
    missing_nodes, missing_linkers : float
        Fractions; negative for an excess.
    """
    nodes, linkers = 1 - missing_nodes, LINKERS_PER_NODE * (1 - missing_linkers)
    return {
        "Zn": ZN_PER_NODE * nodes,
        "O": O_PER_NODE * nodes + O_PER_LINKER * linkers,
        "C": C_PER_LINKER * linkers,
    }


def implied_defects(atomic_percent: dict[str, float], rounding: float = HALF_DIGIT) -> tuple[Implied, ...]:
    """Defect fractions that each ratio of elements alone would imply, and whether any mixture has it.

    Parameters
    ----------
    atomic_percent : dict of str to float
        Of C, O and Zn.
    rounding : float
        Half of the last printed digit. The intervals hold rounding alone: the systematic errors of energy-dispersive
        X-ray spectra for light elements are larger and are not printed.

    Raises
    ------
    InputError
        If one of the three is missing or not positive.
    """
    for element in ("C", "O", "Zn"):
        given = atomic_percent.get(element)
        if not isinstance(given, float | int) or not given > 0:
            raise InputError(f"{element}: expected its atomic percentage, above 0; found {given!r}")
    ideal = composition()
    found = []
    for above, below in (("C", "Zn"), ("O", "Zn"), ("C", "O")):
        ends = [
            (atomic_percent[above] + a * rounding) / max(atomic_percent[below] + b * rounding, 1e-9)
            for a, b in product((-1, 1), repeat=2)
        ]
        value = Interval(atomic_percent[above] / atomic_percent[below], min(ends), max(ends))
        r = Interval(*(linkers_per_node(above, below, end) for end in (value.value, value.lo, value.hi)))
        name = f"{above} : {below}"
        found.append(
            Implied(
                name, value, ideal[above] / ideal[below], r,
                Interval(*(1 - 1 / end if end > 0 else float("nan") for end in (r.value, r.lo, r.hi))),
                Interval(*(end - 1 for end in (r.value, r.lo, r.hi))),
                _statement(name, value, r),
            )
        )  # fmt: skip
    return tuple(found)


def linkers_per_node(above: str, below: str, ratio: float) -> float:
    """Linkers per node relative to the ideal three that a ratio of elements takes; nan where no mixture has it."""
    nan = float("nan")
    if (above, below) == ("C", "Zn"):
        return ratio * ZN_PER_NODE / (C_PER_LINKER * LINKERS_PER_NODE)
    if (above, below) == ("O", "Zn"):
        r = (ratio * ZN_PER_NODE - O_PER_NODE) / (O_PER_LINKER * LINKERS_PER_NODE)
        return r if r >= 0 else nan
    if (above, below) == ("C", "O"):
        left = C_PER_LINKER - ratio * O_PER_LINKER
        return ratio * O_PER_NODE / (left * LINKERS_PER_NODE) if left > 0 else nan
    raise ValueError(f"expected C and Zn, O and Zn or C and O; got {above} and {below}")


def surplus_carbon(atomic_percent: dict[str, float]) -> float:
    """Share of the carbon that no linker can bring, once all oxygen beside the nodes' is that of linkers."""
    nodes = atomic_percent["Zn"] / ZN_PER_NODE
    of_linkers = (atomic_percent["O"] - O_PER_NODE * nodes) * C_PER_LINKER / O_PER_LINKER
    return 1 - of_linkers / atomic_percent["C"]


def elemental_table(material: str = "mof5") -> pd.DataFrame:
    """Ratios of the printed percentages, what each alone would take, and what may be said of it.

    Returns
    -------
    DataFrame
        ratio, ideal, found with lo and hi, "missing nodes" with lo and hi (all linkers there), "excess linkers"
        likewise (all nodes there), "simulate": whether a deck may take the interval as its range of defect fractions,
        statement.

    Raises
    ------
    InputError
        If the data of the material hold no percentages.
    """
    import pandas as pd

    from analysis.transport import with_ends

    percent = section(material).get("eds_atomic_percent")
    if not isinstance(percent, dict):
        raise InputError(f"{material}: expected eds_atomic_percent in its data; found none")
    rows = []
    for one in implied_defects(percent):
        row: dict[str, object] = {"ratio": one.ratio, "ideal": one.ideal}
        row |= with_ends("found", "", one.found)
        row |= with_ends("missing nodes", "", one.missing_nodes) | with_ends("excess linkers", "", one.excess_linkers)
        rows.append(row | {"simulate": one.missing_nodes.value >= 0, "statement": one.statement})
    return pd.DataFrame(rows)


def _statement(name: str, value: Interval, r: Interval) -> str:
    if name == "C : O":
        if value.lo > C_PER_LINKER / O_PER_LINKER:
            return (f"{value.value:.3g} exceeds the 2 of the linker alone, also with rounding ({value.lo:.3g}): no "
                    "mixture of nodes and linkers has it; carbon from elsewhere is in the signal")  # fmt: skip
        return "a mixture of nodes and linkers may have it"
    also = "any carbon" if name.startswith("C") else "any oxygen of solvent, water or salt"
    return (f"{r.value:.3g} times the ideal linkers per node if {also} from elsewhere is left out: an upper bound of "
            "the defects")  # fmt: skip
