"""From result files to transport coefficients with intervals, plots and the comparison with experiment.

`from analysis import open_run, Displacements` is all that a notebook needs; both are imported when they are asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.campaign import Run, open_run
    from analysis.displacements import Displacements

__all__ = ["Displacements", "Run", "open_run"]

_MODULE_OF = {"open_run": "analysis.campaign", "Run": "analysis.campaign", "Displacements": "analysis.displacements"}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'analysis' has no attribute {name!r}")
    return getattr(import_module(_MODULE_OF[name]), name)
