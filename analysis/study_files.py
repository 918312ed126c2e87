"""The tables of a finished study, read back from its folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from structures.errors import InputError

ABOUT = "about.json"
SHIPPED = Path(__file__).parent / "reference" / "papers"


@dataclass(frozen=True, eq=False, slots=True)
class StudyTables:
    """What a study came to.

    Attributes
    ----------
    folder : Path
    about : str
        Title, whether it was quick, and the version that computed it.
    tables : dict of str to DataFrame
        By the names of the CSV files: "samples", those of the entries, "<entry>_curves" of scans, "cells_...".
    """

    folder: Path
    about: str
    tables: dict[str, pd.DataFrame]

    def __getitem__(self, name: str) -> pd.DataFrame:
        """Return a table.

        Raises
        ------
        InputError
            If the study has none of this name.
        """
        if name not in self.tables:
            raise InputError(f"{self.folder}: expected one of {', '.join(self.tables)}; found {name}")
        return self.tables[name]


def open_study(folder: Path | str = SHIPPED) -> StudyTables:
    """Read the tables of a study.

    Parameters
    ----------
    folder : path
        Of `mofkmc run` with a study; by default that of the two papers as it was computed when this version was made.

    Raises
    ------
    InputError
        If the folder holds no finished study.
    """
    folder = Path(folder)
    try:
        said = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        about = f"{said['title']}{', quick: wide intervals' if said['quick'] else ''}; computed with {said['version']}"
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(f"{folder}: expected a finished study with {ABOUT}; found none") from None
    tables = {path.stem: pd.read_csv(path) for path in sorted(folder.glob("*.csv"))}
    return StudyTables(folder, about, tables)
