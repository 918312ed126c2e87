"""The crystal structures that come with the program."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

from structures.errors import InputError

_FOLDER = Path(__file__).parent / "library"
LIBRARY = tuple(sorted(path.stem for path in _FOLDER.glob("*.cif")))


def library_cif(name: str) -> Path:
    """File of a shipped structure.

    Parameters
    ----------
    name : str
        "mof5", "ni_pacs_sym" or "ni_pacs_disordered".

    Raises
    ------
    InputError
        If there is no structure of that name, with the nearest one.
    """
    if name not in LIBRARY:
        near = get_close_matches(name, LIBRARY, n=1)
        hint = f" (nearest: {near[0]})" if near else ""
        raise InputError(f"library structure must be one of {', '.join(LIBRARY)}; got {name}{hint}")
    return _FOLDER / f"{name}.cif"
