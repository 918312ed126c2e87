"""What `mofkmc run` was asked for besides the deck: where results go, what is added, when to stop, how much to say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class RunRequest:
    """The options of one call.

    Attributes
    ----------
    output : Path
        Folder of the results.
    force : bool
        Replace the results of an earlier calculation.
    fork : Path or None
        Folder for the calculation of a deck that has changed; the one of the earlier deck stays as it is.
    extend : Mapping of str to tuple of float
        What was added to the deck's [scan], see `runs.deck_extension`; the deck that is run has it already.
    threads : int or None
        Tasks at a time on each rank; None: as many as there are cores for this rank.
    time_limit_s : float or None, s
        Wall time after which the run keeps its state and ends.
    quiet : bool
        Print results, warnings and failures, and nothing while waiting.
    verbose : bool
        Print a line for every task that begins, ends or keeps its state.
    tables : bool
        Print the network and the results; they are written in any case.
    """

    output: Path
    force: bool = False
    fork: Path | None = None
    extend: Mapping[str, tuple[float, ...]] = field(default_factory=lambda: MappingProxyType({}))
    threads: int | None = None
    time_limit_s: float | None = None
    quiet: bool = False
    verbose: bool = False
    tables: bool = True
