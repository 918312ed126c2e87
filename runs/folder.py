"""The output folder: refused before anything is computed, replaced only when it is ours."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from runs.faults import writing
from structures.errors import InputError
from structures.files import whole_file
from structures.species import SHIPPED_SPECIES

_OURS = "# A copy of the input deck, kept by mofkmc beside its results.\n"
_FILES = ("network.h5", "summary.csv", "activation.csv", "optimum.csv", "remarks.txt")
_PLOTS = ("arrhenius.png", "loading.png", "network.png")
_NETWORK_FILES = (
    "network.h5",
    "network.cif",
    "network.xyz",
    "network.html",
    "network.png",
    "percolation.csv",
    "sites.csv",
    "hops.csv",
    "remarks.txt",
)


def cube_name(species: str) -> str:
    """File with the landscape of an ion."""
    return f"{species}.cube"


_CUBES = tuple(cube_name(name) for name in SHIPPED_SPECIES)


@dataclass(frozen=True, slots=True)
class ResultsFolder:
    """Where one calculation leaves its files.

    Attributes
    ----------
    path : Path
    force : bool
        Replace the results of an earlier calculation.
    """

    path: Path
    force: bool = False

    @property
    def deck(self) -> Path:
        """Copy of the input deck; its first line marks the folder as a results folder."""
        return self.path / "deck.toml"

    @property
    def network(self) -> Path:
        """The pore network."""
        return self.path / "network.h5"

    @property
    def remarks(self) -> Path:
        """What the tables leave out, and the assumptions."""
        return self.path / "remarks.txt"

    @property
    def tasks(self) -> Path:
        """Folder of the task files."""
        return self.path / "tasks"

    def task(self, key: str) -> Path:
        """File of one task."""
        return self.tasks / f"{key}.h5"

    def check_for_network(self) -> None:
        """Refuse the folder as `check` does, and also if it holds a run: a network never replaces that.

        Raises
        ------
        InputError
        """
        if self.deck.exists() or self.tasks.exists():
            raise InputError(f"{self.path}: expected a folder for a network, found a run; choose another --output")
        self.check()

    def check(self) -> None:
        """Refuse the folder if it is in use, is not ours to replace, or cannot be written; nothing is changed.

        Raises
        ------
        InputError
        """
        if self.path.exists() and not self.path.is_dir():
            raise InputError(f"{self.path}: expected a folder for the results, found a file")
        if self.path.is_dir() and any(self.path.iterdir()):
            if not self.force:
                raise InputError(
                    f"{self.path}: expected a new output folder, found one that is in use; "
                    "give --force to replace its results, or --output DIR"
                )
            if not self._is_ours():
                raise InputError(
                    f"{self.path}: --force replaces only results of mofkmc, found a folder without a deck.toml or "
                    "network.h5 that mofkmc wrote"
                )
        self._check_writable()

    def claim(self, deck_text: str | None) -> None:
        """Create the folder, remove the files of an earlier calculation, and leave the mark.

        Only files that mofkmc writes are removed; whatever else lies in the folder stays.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        for name in (*_FILES, *_PLOTS, *_NETWORK_FILES, *_CUBES, self.deck.name):
            (self.path / name).unlink(missing_ok=True)
        for old in self.tasks.glob("*.h5*"):
            old.unlink()
        for left in (*self.path.glob(".*.part"), *self.tasks.glob(".*.part")):
            left.unlink()  # of a run that was killed while it wrote
        if deck_text is not None:
            self.tasks.mkdir(exist_ok=True)
            _write(self.deck, _OURS + deck_text.removeprefix(_OURS))

    def write_remarks(self, lines: Iterable[str]) -> None:
        """Write what the tables leave out and the assumptions, one line each."""
        _write(self.remarks, "".join(f"{line}\n" for line in lines))

    def _is_ours(self) -> bool:
        if self.deck.is_file():
            return self.deck.read_bytes().startswith(_OURS.encode())
        names = {entry.name for entry in self.path.iterdir()}
        return self.network.name in names and names <= {*_NETWORK_FILES, *_CUBES}

    def _check_writable(self) -> None:
        existing = next(folder for folder in (self.path.absolute(), *self.path.absolute().parents) if folder.exists())
        try:
            if not existing.is_dir():
                raise NotADirectoryError(20, os.strerror(20))
            with tempfile.TemporaryFile(dir=existing):
                pass
        except OSError as error:
            raise InputError(
                f"{self.path}: expected a folder that can be written, found: {error.strerror} ({existing})"
            ) from None


def _write(path: Path, text: str) -> None:
    """Write a text that is there whole or not at all."""
    with writing(path), whole_file(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")
