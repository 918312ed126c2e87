"""What is asked to be missing in a framework, checked without reading one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from structures.errors import About, InputError

Kind = Literal["node", "linker", "ligand"]
KEYS: dict[Kind, About] = {"node": "missing_nodes", "linker": "missing_linkers"}


@dataclass(frozen=True, slots=True)
class Defects:
    """What is missing in a framework.

    Attributes
    ----------
    missing_nodes, missing_linkers : float
        Fractions of the nodes and of the linkers, at least 0 and less than 1.
    cell : (int, int, int)
        Cells of the perfect crystal along a, b and c in which the choice is made.
    seed : int
        Of the choice. Of one seed a larger fraction takes out what a smaller one does, and more.

    Raises
    ------
    InputError
        If a number is out of range.
    """

    missing_nodes: float = 0.0
    missing_linkers: float = 0.0
    cell: tuple[int, int, int] = (1, 1, 1)
    seed: int = 1

    def __post_init__(self) -> None:
        for kind, key in KEYS.items():
            if not 0 <= self.fraction(kind) < 1:
                raise InputError(
                    f"{key}: expected a fraction of the {kind}s, from 0 to less than 1; got {self.fraction(kind):g}",
                    about=key,
                )
        if len(self.cell) != 3 or min(self.cell) < 1:
            raise InputError(f"defect_cell: expected three whole numbers above 0; got {self.cell}", about="defect_cell")
        if self.seed < 0:
            raise InputError(f"defect_seed: expected a whole number, 0 or more; got {self.seed}", about="defect_seed")

    def fraction(self, kind: Kind) -> float:
        """Fraction of the pieces of one kind that is missing."""
        return self.missing_nodes if kind == "node" else self.missing_linkers

    @property
    def any(self) -> bool:
        """Whether anything is missing."""
        return self.missing_nodes > 0 or self.missing_linkers > 0
