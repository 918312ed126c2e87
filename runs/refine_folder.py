"""The folder of a refinement: what belongs to it, and its finished calculations, one small file each."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write
from numpy.typing import NDArray

from lattice.elastic_band import Band
from runs.faults import writing
from structures.errors import InputError
from structures.files import whole_file

_FORMAT = 2


@dataclass(frozen=True, slots=True)
class RefineFolder:
    """Where a refinement keeps its calculations and leaves its results.

    Attributes
    ----------
    path : Path
    force : bool
        Drop the calculations of an earlier refinement with other settings.
    """

    path: Path
    force: bool = False

    @property
    def network(self) -> Path:
        """The refined network."""
        return self.path / "network.h5"

    @property
    def settings(self) -> Path:
        """What all calculations in the folder have in common; marks the folder as ours."""
        return self.path / "refine.json"

    @property
    def traceback(self) -> Path:
        """Where the last error of the calculator is told in full."""
        return self.path / "calculator_error.txt"

    def check(self, settings: Mapping[str, str]) -> None:
        """Refuse a folder that is not ours, or holds calculations with other settings.

        Settings that only one side has are no difference.

        Raises
        ------
        InputError
        """
        if self.path.exists() and not self.path.is_dir():
            raise InputError(f"{self.path}: expected a folder for the results, found a file")
        found = self._stored()
        if found is None:
            if self.path.is_dir() and any(self.path.iterdir()):
                raise InputError(
                    f"{self.path}: expected a new folder or one of an earlier refinement, found another one; "
                    "choose another --output"
                )
            return
        other = [
            f"{name} {found[name]} in place of {settings[name]}"
            for name in found
            if settings.get(name, found[name]) != found[name]
        ]
        if other and not self.force:
            raise InputError(
                f"{self.path}: expected calculations with the same settings, found {'; '.join(other)}; "
                "give --force to drop them, or --output DIR"
            )

    def claim(self, settings: Mapping[str, str]) -> None:
        """Create the folder, drop calculations with other settings, and note the settings."""
        found = self._stored() or {}
        if any(settings.get(name, found[name]) != found[name] for name in found):
            for old in (*self.path.glob("parts/*.json"), *self.path.glob("structures/*.xyz"), self.network):
                old.unlink(missing_ok=True)
            found = {}
        for name in ("parts", "structures"):
            (self.path / name).mkdir(parents=True, exist_ok=True)
        self.write(self.settings, json.dumps({**found, **settings}, indent=1, ensure_ascii=False) + "\n")

    def write(self, path: Path, text: str) -> None:
        """Write a text that is there whole or not at all."""
        with writing(path), whole_file(path) as unfinished:
            unfinished.write_text(text, encoding="utf-8")

    def read_part(self, name: str) -> Band | None:
        """Return a finished calculation, None if there is none that can be read."""
        try:
            part = json.loads(self._part(name).read_text(encoding="utf-8"))
            if part["format"] != _FORMAT:
                return None
            positions, energies = (np.array(part[key], np.float64) for key in ("positions", "energies"))
            if positions.ndim != 3 or len(positions) != len(energies):
                return None
            force, hidden = float(part["force"]), float(part["hidden"])
            slack = None if part["slack"] is None else float(part["slack"])
            return Band(positions, energies, force, int(part["steps"]), int(part["calls"]), hidden, slack)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write_part(self, name: str, part: Band) -> None:
        """Keep a finished calculation; its positions are those of the atoms that may move."""
        numbers: dict[str, Any] = {
            "format": _FORMAT,
            "energies": part.energies.tolist(),
            "force": part.force,
            "steps": part.steps,
            "calls": part.calls,
            "hidden": part.hidden,
            "slack": part.slack,
            "positions": part.positions.tolist(),
        }
        self.write(self._part(name), json.dumps(numbers) + "\n")

    def write_structures(self, name: str, images: Sequence[Atoms], energies: NDArray[np.float64]) -> None:
        """Write structures with their energies (eV) as extended XYZ, for OVITO and ASE."""
        frames = []
        for image, energy in zip(images, energies, strict=True):
            frame = image.copy()
            frame.calc = SinglePointCalculator(frame, energy=float(energy))
            frames.append(frame)
        path = self.path / "structures" / f"{name}.xyz"
        with writing(path), whole_file(path) as unfinished:
            write(unfinished, frames, format="extxyz")

    def _part(self, name: str) -> Path:
        return self.path / "parts" / f"{name}.json"

    def _stored(self) -> dict[str, str] | None:
        try:
            found = json.loads(self.settings.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None
