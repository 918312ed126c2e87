"""Checkpoints of one task: the last and the one before it, so that one of them is whole at any moment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from runs.faults import writing
from structures.errors import InputError

if TYPE_CHECKING:
    from kmc.trajectory import Checkpoint, TaskLabel

FOLDER = "checkpoints"


@dataclass(slots=True)
class Checkpoints:
    """Two files that are written in turn: while one is being replaced the other is there.

    Attributes
    ----------
    folder : Path
        Made when it is needed.
    label : TaskLabel
        Of the task; checkpoints of another one are not used.
    say : callable
        Told of checkpoints that cannot be used.
    """

    folder: Path
    label: TaskLabel
    say: Callable[[str], None]
    _turn: int = field(default=0)

    @property
    def files(self) -> tuple[Path, Path]:
        """Both files, whether they are there or not."""
        return checkpoint_files(self.folder, self.label.key)

    def newest(self) -> Checkpoint | None:
        """Read the one that is farther, which no clock decides; None if there is none that can be used."""
        from kmc.trajectory import read_checkpoint

        found: list[tuple[int, Checkpoint]] = []
        faults = []
        for number, path in enumerate(self.files):
            if path.exists():
                try:
                    checkpoint = read_checkpoint(path)
                    if difference := self.label.difference(checkpoint.label):
                        raise InputError(f"{path}: {difference}")
                except InputError as error:
                    faults.append(f"{error}; set aside as {set_aside(path).name}")
                else:
                    found.append((number, checkpoint))
        for fault in faults:
            self.say(f"{fault}, {'going on from the one before it' if found else 'the task begins again'}")
        if not found:
            return None
        last, newest = max(found, key=lambda entry: _progress(entry[1]))
        self._turn = 1 - last
        return newest

    def keep(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint in place of the older of the two.

        Raises
        ------
        OSError
            If it cannot be written; the newer one is as it was.
        """
        from kmc.trajectory import write_checkpoint

        path = self.files[self._turn]
        with writing(path):
            self.folder.mkdir(exist_ok=True)
            write_checkpoint(path, checkpoint)
        self._turn = 1 - self._turn

    def remove(self) -> None:
        """Remove both; their task is finished."""
        for path in self.files:
            path.unlink(missing_ok=True)


def checkpoint_files(folder: Path, key: str) -> tuple[Path, Path]:
    """Both checkpoints of a task, which are written in turn, in the folder of all checkpoints."""
    return folder / f"{key}.h5", folder / f"{key}-1.h5"


def set_aside(path: Path) -> Path:
    """Give a file that cannot be used a name under which nothing looks for it, and return that."""
    aside, number = path.with_name(f"{path.name}.damaged"), 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{path.name}.damaged-{number}")
    path.rename(aside)
    return aside


def _progress(checkpoint: Checkpoint) -> tuple[int, int]:
    return int(checkpoint.sampler.next_sample[0]), checkpoint.state.n_events
