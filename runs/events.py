"""What happens in a run, one JSON object a line: written by every rank into a file of its own, read by other programs.

Every line has `time` (UTC, ISO 8601), `event`, `rank`, `host`; what else there is depends on the event:

=============  ==========================================================================================
run            ranks, threads (of this rank), pid, version; the first line of every call
started        task
checkpoint     task, fraction (0 to 1)
finished       task, seconds since it started
failed         task, seconds, reason
stopped        task, seconds: it was under way when the run had to end
progress       stage, fraction (0 to 1) of all ranks; from the first rank, every `PROGRESS_SECONDS`
stop           reason; the run ends early, the same command goes on
end            status (exit status of the program)
=============  ==========================================================================================
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from runs.progress import Reporter
from structures.versions import program_versions

PROGRESS_SECONDS = 10.0
_ENDS = ("finished", "failed", "stopped")


def events_file(folder: Path, rank: int = 0) -> Path:
    """File of one rank: events.jsonl of the first, events.rank03.jsonl and so on of the others."""
    return folder / ("events.jsonl" if rank == 0 else f"events.rank{rank:02d}.jsonl")


def events_files(folder: Path) -> list[Path]:
    """Files of all ranks that have ever written into this folder."""
    return sorted(folder.glob("events*.jsonl"))


class EventLog:
    """The events of one rank, appended to those of earlier calls; any thread may write.

    A log that cannot be written, on a full disk say, is no reason to stop: it says so once, in `fault`, and ends.

    Parameters
    ----------
    folder : Path
        Of the results; it must be there.
    rank : int

    Attributes
    ----------
    fault : str
        Why the log has ended early; empty as long as it goes on.
    """

    def __init__(self, folder: Path, rank: int = 0) -> None:
        self.fault = ""
        self._rank, self._host = rank, socket.gethostname()
        self._lock = threading.Lock()
        self._file: TextIO | None = None
        self._started: dict[str, float] = {}
        path = events_file(folder, rank)
        try:
            torn = path.exists() and path.stat().st_size > 0 and _last_byte(path) != b"\n"
            self._file = path.open("a", encoding="utf-8")
            if torn:  # by a kill in the middle of a line
                self._file.write("\n")
        except OSError as error:
            self._end(error)

    def __call__(self, event: str, task: str = "", reason: str = "", **values: Any) -> None:
        """Write one line; a text that is empty is left out."""
        texts = {name: text for name, text in (("task", task), ("reason", reason)) if text}
        if event == "started":
            self._started[task] = time.monotonic()
        elif event in _ENDS and task in self._started:
            values["seconds"] = round(time.monotonic() - self._started.pop(task), 3)
        now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        line = json.dumps(
            {"time": now, "event": event, "rank": self._rank, "host": self._host, **texts, **values}, ensure_ascii=False
        )
        with self._lock:
            if self._file is None:
                return
            try:
                self._file.write(line + "\n")
                self._file.flush()
            except OSError as error:
                self._end(error)

    def begin(self, *, ranks: int, threads: int) -> None:
        """Write the first line of a call."""
        self("run", ranks=ranks, threads=threads, pid=os.getpid(), version=program_versions()["mofkmc"])

    def following(self, report: Reporter) -> Reporter:
        """Return the reporter that also writes how far a stage has come, now and then."""
        spoken: dict[str, float] = {}

        def speak(stage: str, fraction: float, detail: str = "") -> None:
            report(stage, fraction, detail)
            now = time.monotonic()
            last = spoken.get(stage)
            if last is None or now - last >= PROGRESS_SECONDS or fraction >= 1.0:
                spoken[stage] = now
                self("progress", stage=stage, fraction=round(fraction, 6))

        return speak

    def close(self) -> None:
        """End the log."""
        with self._lock:
            if self._file is not None:
                file, self._file = self._file, None
                try:
                    file.close()
                except OSError as error:
                    self.fault = self.fault or str(error)

    def __enter__(self) -> EventLog:
        """Return the log itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the log."""
        self.close()

    def _end(self, error: OSError) -> None:
        self.fault = error.strerror or str(error)
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):  # what is left in its buffer finds no room either
                file.close()


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a log.

    Attributes
    ----------
    time : float, s
        Since 1970.
    name : str
    rank : int
    task : str
        Empty where the event is not about one.
    values : dict
        Everything else.
    """

    time: float
    name: str
    rank: int
    task: str
    values: dict[str, Any]


def read_events(folder: Path) -> list[Event]:
    """Events of all ranks and all calls by time; lines that are not whole, as a kill leaves them, are left out.

    Those of one rank stay in the order of its file, also where its clock was set back.
    """
    return sorted((event for path in events_files(folder) for event in _events(path)), key=lambda event: event.time)


def _events(path: Path) -> Iterator[Event]:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return
    latest = 0.0
    for line in text.split("\n"):
        try:
            found = json.loads(line)
            latest = max(latest, datetime.fromisoformat(found.pop("time")).timestamp())
            yield Event(
                time=latest,
                name=str(found.pop("event")),
                rank=int(found.pop("rank")),
                task=str(found.pop("task", "")),
                values=found,
            )
        except (AttributeError, KeyError, TypeError, ValueError):
            continue


def _last_byte(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1)
