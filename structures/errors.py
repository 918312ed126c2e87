"""Errors a user can mend, and how a line begins that warns of one that may be there."""

from __future__ import annotations

WARNING = "warning: "  # opens the lines of a provenance that come first and are not to be passed over


class InputError(ValueError):
    """Something in the user's input is wrong.

    The message is one line that names the thing, what was expected and what was found; the
    command line prints it as it stands and exits with status 2.
    """
