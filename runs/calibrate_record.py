"""What a calibration has simulated so far, in a file that a kill leaves whole, so that the same command goes on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runs.calibrate_plan import CalibrationPlan
from runs.calibrate_points import Simulated
from runs.deck_changes import input_checksums, settings_checksum
from runs.faults import writing
from structures.errors import InputError
from structures.files import whole_file

RECORD = "points.json"
_TABLES = ("points.csv", "posterior.csv", "profile.csv", "parameters.csv", "targets.csv", "choices.csv")
_PICTURES = tuple(f"{name}.{form}" for name in ("profiles", "pairs", "targets") for form in ("png", "svg"))
FILES = (RECORD, *_TABLES, *_PICTURES, "calibrated.toml", "remarks.txt")


@dataclass(frozen=True, slots=True)
class ParameterSet:
    """One set of parameters.

    Attributes
    ----------
    choice : int
        Number of the combination of those that have only a few values.
    values : Mapping of str to float
        Of those that have a range.
    found : Simulated or None
        None as long as it has not been simulated.
    """

    choice: int
    values: Mapping[str, float]
    found: Simulated | None = None


def signature(plan: CalibrationPlan) -> str:
    """Checksum of everything that decides the numbers of a calibration."""
    deck = plan.file.deck
    said = {
        "settings": settings_checksum(deck),
        "scan": deck.scan.model_dump(mode="json", include={"replicas", "sigma_relative_error", "most_replicas"}),
        "temperatures": deck.scan.temperatures,
        "calibrate": plan.table.model_dump(mode="json", exclude={"target": {"__all__": {"exchange"}}}),  # in targets
        "targets": [asdict(target) for target in plan.targets],
        "points": plan.points,
        "inputs": input_checksums(plan.file),
    }
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def read_record(folder: Path, plan: CalibrationPlan, *, force: bool) -> list[ParameterSet]:
    """Read the sets of parameters of an earlier part of the calibration; none if there is no part, or `force`.

    Raises
    ------
    InputError
        If the folder holds something else, or the calibration of another deck.
    """
    path = folder / RECORD
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: expected a folder for the results, found a file")
    if not path.is_file():
        if folder.is_dir() and any(entry.suffix != ".part" and entry.name != "run.lock" for entry in folder.iterdir()):
            raise InputError(f"{folder}: expected a new folder, found one that holds something else; give --output DIR")
        return []
    if force:
        return []
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        sets = [_read_set(entry) for entry in content["sets"]]
        same = content["signature"] == signature(plan)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: expected the record of a calibration, found one that is damaged ({error})") from None
    if not same:
        raise InputError(
            f"{folder}: expected the calibration of this deck, found one with other values, targets or points; give "
            "--force to replace it, or --output DIR"
        )
    return sets


def write_record(folder: Path, plan: CalibrationPlan, sets: Sequence[ParameterSet]) -> None:
    """Write the sets of parameters with what they have given."""
    content = {"signature": signature(plan), "sets": [asdict(entry) for entry in sets]}
    with writing(folder / RECORD), whole_file(folder / RECORD) as unfinished:
        unfinished.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _read_set(entry: Mapping[str, Any]) -> ParameterSet:
    found = entry["found"]
    if found is not None:
        found = Simulated(
            tuple(map(float, found["log_sigma"])),
            tuple(map(float, found["error"])),
            tuple(tuple((float(x), float(w)) for x, w in parts) for parts in found["loadings"]),
            str(found["failed"]),
        )
    return ParameterSet(int(entry["choice"]), {str(k): float(v) for k, v in entry["values"].items()}, found)


def coordinates(plan: CalibrationPlan, sets: Sequence[ParameterSet]) -> NDArray[np.float64]:
    """Coordinates of sets of parameters in their ranges, (n, p)."""
    rows = [[float(r.coordinates(entry.values[r.key])) for r in plan.ranges] for entry in sets]
    return np.array(rows, dtype=np.float64).reshape(len(sets), len(plan.ranges))


def results(plan: CalibrationPlan, sets: Sequence[ParameterSet]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Ln sigma and its standard error at the targets, (n, n_targets) each; nan where there is none."""
    nothing = (float("nan"),) * len(plan.targets)
    logs = [nothing if entry.found is None else entry.found.log_sigma for entry in sets]
    errors = [nothing if entry.found is None else entry.found.error for entry in sets]
    shape = (len(sets), len(plan.targets))
    return np.array(logs, dtype=np.float64).reshape(shape), np.array(errors, dtype=np.float64).reshape(shape)
