"""Tables as CSV files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from structures.files import whole_file

if TYPE_CHECKING:
    import pandas as pd


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table with six digits a number; the file appears whole or not at all."""
    with whole_file(path) as unfinished:
        table.to_csv(unfinished, index=False, float_format="%.6g")
