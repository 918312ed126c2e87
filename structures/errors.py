"""Errors a user can mend."""

from __future__ import annotations


class InputError(ValueError):
    """Something in the user's input is wrong.

    The message is one line that names the thing, what was expected and what was found; the
    command line prints it as it stands and exits with status 2.
    """
