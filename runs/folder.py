"""The output folder: refused before anything is computed, continued or replaced only when it is ours."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runs import checkpoint
from runs.checkpoint import Checkpoints, set_aside
from runs.deck_changes import difference_lines, differences, input_checksums, is_part_of
from runs.deck_extension import no_smaller
from runs.deck_file import DeckError, DeckFile, read_deck
from runs.faults import writing
from runs.lock import LOCK, FolderLock
from structures.errors import InputError
from structures.files import whole_file
from structures.species import SHIPPED_SPECIES

if TYPE_CHECKING:
    from kmc.trajectory import TaskLabel
    from lattice.network import PoreNetwork

# The files of tasks need numba: what reads them is imported where it is called, so that a folder is refused at once.

_OURS = "# A copy of the input deck, kept by mofkmc beside its results.\n"
_RECORDS = ("begun.json", "times.json", "rounds.json")
_TABLES = ("summary", "activation", "optimum", "statistics", "transference", "laws", "hops", "occupation", "residence")
_FILES = (*_RECORDS, "network.h5", "remarks.txt", "report.html", *(f"{name}.csv" for name in _TABLES))
_PICTURES = ("arrhenius", "loading", "network", "diffusion", "haven", "transference", "comparison")
_PLOTS = tuple(f"{name}.{form}" for name in _PICTURES for form in ("png", "svg"))
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
class Beginning:
    """How a calculation begins.

    Attributes
    ----------
    file : DeckFile
        The deck to run.
    continued : bool
        Whether the folder holds a part of it.
    extended : tuple of str
        Keys of [scan] that ask for more than at first.
    """

    file: DeckFile
    continued: bool
    extended: tuple[str, ...] = ()


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
    def begun(self) -> Path:
        """Checksums of what the calculation was begun with: network and input files."""
        return self.path / "begun.json"

    @property
    def times(self) -> Path:
        """Simulated time of every condition, so that it is chosen once."""
        return self.path / "times.json"

    @property
    def rounds(self) -> Path:
        """What the run has added to the tasks of its deck, see `runs.rounds`."""
        return self.path / "rounds.json"

    @property
    def lock(self) -> FolderLock:
        """The right to write in the folder."""
        return FolderLock(self.path)

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

    def checkpoints(self, label: TaskLabel, say: Callable[[str], None]) -> Checkpoints:
        """Checkpoints of one task."""
        return Checkpoints(self.path / checkpoint.FOLDER, label, say)

    def check_for_network(self) -> None:
        """Refuse the folder as `check` does, and also if it holds a run: a network never replaces that.

        Raises
        ------
        InputError
        """
        if self.deck.exists() or self.tasks.exists():
            raise InputError(f"{self.path}: expected a folder for a network, found a run; choose another --output")
        self._check_place()
        if self._entries() and not self.force:
            raise InputError(self._in_use())

    def check(self, say: Callable[[str], None]) -> None:
        """Refuse the folder if another process works in it, is not ours, or cannot be written; nothing is changed.

        Parameters
        ----------
        say : callable
            Told if it takes minutes to see whether that process lives.

        Raises
        ------
        InputError
        """
        self._check_place()
        if self._entries() and not self.force and not self._is_run():
            raise InputError(self._in_use())
        self.lock.refuse_other(say)

    def decide(self, file: DeckFile, extend: Collection[str] = ()) -> Beginning:
        """Decide whether the calculation in the folder is continued, and with which deck; nothing is changed.

        It is continued by the deck that it was begun with. Keys that no number depends on, remarks and spaces make no
        difference. What was once extended goes on as it was extended, and can be extended further.

        Parameters
        ----------
        file : DeckFile
        extend : collection of str
            Keys of [scan] that may ask for more tasks than before.

        Raises
        ------
        InputError
            If deck or input files have changed; every difference is shown.
        """
        if self.force or not self._is_run():
            return Beginning(file, False, tuple(extend))
        try:
            stored = read_deck(self.deck)
        except DeckError as error:
            raise InputError(
                f"{self.path}: expected the deck of an earlier calculation, found one that this version cannot read: "
                f"{str(error).splitlines()[0]}; choose another --output, or --force to replace its results"
            ) from None
        begun = _read_json(self.begun)
        extended = tuple(begun.get("extended", ()))
        if extend:
            file = no_smaller(file, stored.deck, extended)
        changes = differences(stored.deck, file.deck)
        added = {f"scan.{key}" for key in extend}
        if not changes:
            found = Beginning(file, True, extended)
        elif changes.keys() <= {f"scan.{key}" for key in extended} and is_part_of(file.deck, stored.deck):
            found = Beginning(replace(file, text=stored.text.removeprefix(_OURS), deck=stored.deck), True, extended)
        elif changes.keys() <= added and is_part_of(stored.deck, file.deck):
            found = Beginning(file, True, tuple(dict.fromkeys((*extended, *extend))))
        else:
            raise InputError(self._changed(difference_lines(changes), is_part_of(stored.deck, file.deck)))
        before, now = begun.get("inputs", {}), input_checksums(file)
        if other := [key for key in before if before[key] != now.get(key)]:
            lines = [f"{key}: sha256 {before[key][:12]}... before, {now.get(key, 'none')[:12]}... now" for key in other]
            raise InputError(self._changed(lines, False))
        return found

    def begin(self, beginning: Beginning, network_hash: str) -> None:
        """Make the folder ready for the tasks: a new one is claimed, an earlier one cleared of what a kill left over.

        Raises
        ------
        InputError
            If the network is another one than before.
        """
        file = beginning.file
        if beginning.continued:
            before = _read_json(self.begun).get("network", network_hash)
            if before != network_hash:
                lines = [f"pore network: sha256 {before[:12]}... before, {network_hash[:12]}... now"]
                raise InputError(self._changed(lines, False))
            self._clear_scraps()
            self.tasks.mkdir(exist_ok=True)
            _write(self.deck, _OURS + file.text.removeprefix(_OURS))
        else:
            self.claim(file.text)
        record = {"network": network_hash, "inputs": input_checksums(file), "extended": beginning.extended}
        _write(self.begun, json.dumps(record, indent=1) + "\n")

    def claim(self, deck_text: str | None) -> None:
        """Create the folder, remove the files of an earlier calculation, and leave the mark.

        Only files that mofkmc writes are removed; whatever else lies in the folder stays. The mark comes first and goes
        last: a folder that a kill leaves is still ours.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        if deck_text is not None:
            _write(self.deck, _OURS + deck_text.removeprefix(_OURS))
        for name in (*_FILES, *_PLOTS, *_NETWORK_FILES, *_CUBES):
            (self.path / name).unlink(missing_ok=True)
        for folder in (self.tasks, self.path / checkpoint.FOLDER):
            for old in folder.glob("*.h5*"):
                old.unlink()
        for log in self.path.glob("events*.jsonl"):
            log.unlink()
        self._clear_scraps()
        if deck_text is None:
            self.deck.unlink(missing_ok=True)
        else:
            self.tasks.mkdir(exist_ok=True)

    def check_for_fork(self, source: ResultsFolder) -> None:
        """Refuse to fork what is no run, or into the same folder.

        Raises
        ------
        InputError
        """
        if not source._is_run():
            raise InputError(f"--fork: expected the results of a run in {source.path}, found none")
        if self.path.absolute() == source.path.absolute():
            raise InputError(f"--fork: expected another folder than that of the run, found {self.path}")

    def take_over(self, source: ResultsFolder, labels: Iterable[TaskLabel]) -> int:
        """Copy the finished tasks of another folder that are the same, and the simulated times; return how many.

        A task is the same if key, seed, network and all values of the deck are that decide its numbers.
        """
        from kmc.trajectory import read_label

        taken = 0
        for label in labels:
            there, here = source.task(label.key), self.task(label.key)
            with suppress(InputError, FileNotFoundError):
                if not here.exists() and not label.difference(read_label(there)):
                    with writing(here), whole_file(here) as unfinished:
                        shutil.copyfile(there, unfinished)
                    taken += 1
            of = label.settings, label.network_hash
            if not self.times.exists() and (times := source.read_times(*of)):
                self.write_times(times, *of)
        return taken

    def tasks_with_checkpoint(self) -> set[str]:
        """Keys of the tasks that go on from a checkpoint."""
        folder = self.path / checkpoint.FOLDER
        return {path.stem.removesuffix("-1") for path in folder.glob("*.h5")}

    def is_finished(self, label: TaskLabel, say: Callable[[str], None]) -> bool:
        """Whether the file of a task is there; one that is damaged or of another task is set aside."""
        from kmc.trajectory import read_label

        path = self.task(label.key)
        if not path.exists():
            return False
        try:
            if difference := label.difference(read_label(path)):
                raise InputError(f"{path}: {difference}")
        except InputError as error:
            say(f"{error}; set aside as {set_aside(path).name}, the task is computed again")
            return False
        return True

    def read_network(self, say: Callable[[str], None]) -> PoreNetwork | None:
        """Read the network of an earlier part of the calculation; None if there is none that can be used."""
        from lattice.network import PoreNetwork

        if not self.network.exists():
            return None
        try:
            return PoreNetwork.load(self.network)
        except (InputError, OSError) as error:
            say(f"{error}; the network is built again")
            return None

    def read_times(self, settings: str, network_hash: str) -> dict[str, float]:
        """Read the simulated times chosen before, s; none if they are of other settings or damaged."""
        return _read_sealed(self.times, "times", settings, network_hash)

    def write_times(self, times: Mapping[str, float], settings: str, network_hash: str) -> None:
        """Write the simulated times, s, every bit of them."""
        _write_sealed(self.times, "times", times, settings, network_hash)

    def read_rounds(self, settings: str, network_hash: str) -> dict[str, Any]:
        """Read what the rounds have added; nothing if it is of other settings or damaged."""
        return _read_sealed(self.rounds, "added", settings, network_hash)

    def write_rounds(self, added: Mapping[str, Any], settings: str, network_hash: str) -> None:
        """Write what the rounds have added."""
        _write_sealed(self.rounds, "added", added, settings, network_hash)

    def write_remarks(self, lines: Iterable[str]) -> None:
        """Write what the tables leave out and the assumptions, one line each."""
        _write(self.remarks, "".join(f"{line}\n" for line in lines))

    def _entries(self) -> set[str]:
        """Names in the folder, but for those that a kill can leave in a new one."""
        if not self.path.is_dir():
            return set()
        return {entry.name for entry in self.path.iterdir() if entry.name != LOCK and entry.suffix != ".part"}

    def _is_run(self) -> bool:
        return self.deck.is_file() and self.deck.read_bytes().startswith(_OURS.encode())

    def _is_ours(self) -> bool:
        if self.deck.is_file():
            return self._is_run()
        names = self._entries()
        return self.network.name in names and names <= {*_NETWORK_FILES, *_CUBES}

    def _check_place(self) -> None:
        if self.path.exists() and not self.path.is_dir():
            raise InputError(f"{self.path}: expected a folder for the results, found a file")
        if self._entries() and self.force and not self._is_ours():
            raise InputError(
                f"{self.path}: --force replaces only results of mofkmc, found a folder without a deck.toml or "
                "network.h5 that mofkmc wrote"
            )
        self._check_writable()

    def _in_use(self) -> str:
        return (
            f"{self.path}: expected a new output folder, found one that is in use; "
            "give --force to replace its results, or --output DIR"
        )

    def _changed(self, lines: Iterable[str], can_extend: bool) -> str:
        extend = "--extend to add these tasks, " if can_extend else ""
        return "\n".join(
            (
                f"{self.path}: expected what its calculation was begun with, found a change",
                *(f"  {line}" for line in lines),
                f"give {extend}--fork DIR to begin another folder with what is the same taken over, --output DIR, or "
                "--force to replace the results",
            )
        )

    def _clear_scraps(self) -> None:
        """Remove what a process that was killed while it wrote has left."""
        for folder in (self.path, self.tasks, self.path / checkpoint.FOLDER):
            for left in folder.glob(".*.part"):
                left.unlink(missing_ok=True)

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


def _read_json(path: Path) -> dict[str, Any]:
    """Read a record; empty if there is none that can be read."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _read_sealed(path: Path, name: str, settings: str, network_hash: str) -> dict[str, Any]:
    """Read what `_write_sealed` wrote; empty if it is of other settings, damaged or not there."""
    found = _read_json(path)
    values = found.get(name, {})
    same = (found.get("settings"), found.get("network")) == (settings, network_hash)
    return values if same and isinstance(values, dict) and found.get("sha256") == _checksum(values) else {}


def _write_sealed(path: Path, name: str, values: Mapping[str, Any], settings: str, network_hash: str) -> None:
    """Write values of a calculation with their checksum."""
    record = {"settings": settings, "network": network_hash, name: dict(values), "sha256": _checksum(values)}
    _write(path, json.dumps(record, indent=1) + "\n")


def _checksum(values: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(dict(values), sort_keys=True).encode()).hexdigest()
