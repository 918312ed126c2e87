"""Errors a user can mend, and how a line begins that warns of one that may be there."""

from __future__ import annotations

from typing import Literal

WARNING = "warning: "  # opens the lines of a provenance that come first and are not to be passed over

About = Literal[
    "",
    "charges",
    "charge_source",
    "net_charge",
    "balance_on",
    "missing_nodes",
    "missing_linkers",
    "defect_cell",
    "defect_seed",
]


class InputError(ValueError):
    """Something in the user's input is wrong.

    The message is one line that names the thing, what was expected and what was found; the
    command line prints it as it stands and exits with status 2.

    Parameters
    ----------
    message : str
    about : About
        Argument of `structures.cif.load_framework`, or part of `structures.defects.Defects`, that is to be changed,
        where it is not the file: a deck and the command line have names of their own for it.
    """

    about: About

    def __init__(self, message: str = "", *, about: About = "") -> None:
        super().__init__(message)
        self.about = about
