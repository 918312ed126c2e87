"""One calculation at a time in a results folder: a file that names who works there, and its heartbeat."""

from __future__ import annotations

import json
import os
import platform
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from structures.errors import InputError
from structures.files import whole_file

LOCK = "run.lock"
_HEARTBEAT_SECONDS = 30.0
_SILENT_SECONDS = 300.0  # without a heartbeat a holder that cannot be looked at counts as dead
_UNWRITTEN_SECONDS = 2.0  # a file without a name in it is being written
_LOOK_SECONDS = 1.0  # between two looks for a sign of life
_JOBS = ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID")
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Holder:
    """Who works in a folder.

    Attributes
    ----------
    host : str
    pid : int
    machine : str
        What tells this host's processes from those of another one, also from those of before it started again, and of
        a container of the same name; empty where the system does not say.
    process_started : str
        Clock ticks since the machine started; tells a process from a later one of the same number.
    job : str
        Number of the batch job, or empty.
    since : str
        ISO date and time.
    token : str
        Of this lock alone.
    """

    host: str
    pid: int
    machine: str
    process_started: str
    job: str
    since: str
    token: str

    def __str__(self) -> str:
        job = f", job {self.job}" if self.job else ""
        return f"process {self.pid} on {self.host}{job}, since {self.since}"


class FolderLock:
    """The right of this process to write in a folder.

    Parameters
    ----------
    folder : Path
        Must exist when the lock is taken.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / LOCK

    def holder(self, *, look_only: bool = False) -> Holder | None:
        """Give the one who works in the folder; None if nobody does, or whoever did is dead.

        On this machine the process itself is looked for. Elsewhere a heartbeat is missing when the file's time differs
        by more than five minutes from that of a file written now, by the clock of the file system: a clock that is set
        back or forward while the holder lives is overtaken by the next heartbeat.

        Parameters
        ----------
        look_only : bool
            Write no file and go by the clock of this machine.
        """
        return self._alive(_holder_in(self.path), self.path, look_only=look_only)

    def _alive(self, found: Holder | None, path: Path, *, look_only: bool = False) -> Holder | None:
        """Return the holder that a file names if there is a process behind it."""
        silence = _silence if look_only else self._silence
        if found is None:
            young = path.exists() and silence(path) <= _UNWRITTEN_SECONDS
            return _UNKNOWN if young else None
        if _is_here(found):
            return found if _started(found.pid) == found.process_started else None
        return found if silence(path) <= _SILENT_SECONDS else None

    @contextmanager
    def held(self, say: Callable[[str], None], lost: Callable[[str], None]) -> Iterator[None]:
        """Hold the lock as long as the block lasts.

        Parameters
        ----------
        say : callable
            Told of a lock that a dead process left behind.
        lost : callable
            Told, from a thread, that another process has taken the lock over.

        Raises
        ------
        InputError
            If another process works in the folder; it is named.
        """
        mine = _this_process()
        self._take(mine, say)
        done = threading.Event()
        beating = threading.Thread(target=self._beat, args=(mine, done, lost), name="heartbeat", daemon=True)
        beating.start()
        try:
            yield
        finally:
            done.set()
            beating.join()
            if _holder_in(self.path) == mine:
                self.path.unlink(missing_ok=True)

    def refuse_other(self, say: Callable[[str], None]) -> None:
        """Refuse a folder in which another process works.

        A batch system may start a job again on other nodes as soon as it has killed it. A process of another machine is
        therefore given up only after minutes of silence, and refused to only after a sign of life.

        Parameters
        ----------
        say : callable
            Told of such a wait.

        Raises
        ------
        InputError
        """
        self._refuse(self.path, say)

    def _refuse(self, path: Path, say: Callable[[str], None]) -> None:
        """Refuse the lock in a file if there is a process behind it; wait where that can be told by waiting only."""
        holder = self._alive(_holder_in(path), path)
        if holder is None:
            return
        beat = _beat_in(path)
        if not _is_here(holder):
            say(
                f"{self.path.parent}: {holder} worked here, on another machine; waiting up to "
                f"{_SILENT_SECONDS / 60:.0f} min for a sign of life"
            )
            while holder is not None and _beat_in(path) == beat:
                time.sleep(_LOOK_SECONDS)
                holder = self._alive(_holder_in(path), path)
        if holder is not None:
            raise InputError(
                f"{self.path.parent}: expected a folder in which nothing else runs, found {holder} at work; wait for "
                f"its end or choose another --output (if it is dead, remove {self.path})"
            )

    def _take(self, mine: Holder, say: Callable[[str], None]) -> None:
        """Write the lock, in place of one that a dead process has left.

        Such a lock can be overtaken once: by the one who makes the file that is named after it. Whoever dies after that
        is overtaken in the same way.
        """
        while True:
            dead, path = [], self.path
            while path.exists():
                found = _holder_in(path)
                self._refuse(path, say)
                if found is not None or path.exists():  # not given back at this moment
                    dead.append(found)
                    path = self._heir(found)
            if _create(path, mine):
                if not dead:
                    return
                if _holder_in(self.path) == dead[0]:
                    break
                path.unlink(missing_ok=True)  # somebody has been through all this meanwhile
        with whole_file(self.path) as unfinished:
            unfinished.write_text(_text(mine), encoding="utf-8")
        for heir in map(self._heir, dead):
            heir.unlink(missing_ok=True)
        if dead[0] is not None:
            say(f"{self.path.parent}: {dead[0]} ended without a word; going on from what it left")

    def _heir(self, dead: Holder | None) -> Path:
        """File of the one who overtakes a lock."""
        return self.path.with_name(f".{LOCK}.{dead.token if dead else 'unreadable'}.part")

    def _beat(self, mine: Holder, done: threading.Event, lost: Callable[[str], None]) -> None:
        while not done.wait(_HEARTBEAT_SECONDS):
            found = _holder_in(self.path)
            if found != mine:
                lost(f"{self.path.parent} was taken over by {found}" if found else f"{self.path} was removed")
                return
            with suppress(OSError):  # the next one may succeed
                os.utime(self.path)

    def _silence(self, path: Path) -> float:
        """Seconds between the last heartbeat in a file and a file written now."""
        probe = path.with_name(f".{LOCK}.{secrets.token_hex(4)}.part")
        try:
            probe.touch()
            return abs(probe.stat().st_mtime - path.stat().st_mtime)
        except FileNotFoundError:
            return 0.0
        except OSError:
            return _silence(path)
        finally:
            with suppress(OSError):
                probe.unlink(missing_ok=True)


_UNKNOWN = Holder("an unknown host", 0, "", "", "", "just now", "")


def _is_here(holder: Holder) -> bool:
    """Whether a process can be looked for: it is of this machine and its set of process numbers."""
    return bool(holder.machine) and (holder.host, holder.machine) == (platform.node(), _machine())


def _beat_in(path: Path) -> tuple[Holder | None, float]:
    """Who holds a lock and the time of the last heartbeat; on a network a file's time is known once it was opened."""
    found = _holder_in(path)
    try:
        return found, path.stat().st_mtime
    except FileNotFoundError:
        return None, 0.0


def _silence(path: Path) -> float:
    """Seconds between the last heartbeat in a file and now, by the clock of this machine."""
    try:
        return abs(time.time() - path.stat().st_mtime)
    except FileNotFoundError:
        return 0.0


def _create(path: Path, holder: Holder) -> bool:
    """Write a lock unless there is one; it is there with its text or not at all, where the file system has links."""
    written = path.with_name(f".{LOCK}.{secrets.token_hex(4)}.part")
    try:
        _write_new(written, holder)
        try:
            os.link(written, path)
        except FileExistsError:
            raise
        except OSError:  # no links here
            _write_new(path, holder)
    except FileExistsError:
        return False
    finally:
        written.unlink(missing_ok=True)
    return True


def _write_new(path: Path, holder: Holder) -> None:
    with path.open("x", encoding="utf-8") as file:
        file.write(_text(holder))
        file.flush()
        os.fsync(file.fileno())


def _text(holder: Holder) -> str:
    return json.dumps(asdict(holder), indent=1) + "\n"


def _holder_in(path: Path) -> Holder | None:
    try:
        return Holder(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _this_process() -> Holder:
    return Holder(
        host=platform.node(),
        pid=os.getpid(),
        machine=_machine(),
        process_started=_started(os.getpid()),
        job=next((os.environ[name] for name in _JOBS if os.environ.get(name)), ""),
        since=datetime.now().astimezone().isoformat(timespec="seconds"),
        token=secrets.token_hex(8),
    )


def _machine() -> str:
    """Identity of the running system and of its set of process numbers; empty where there is no /proc."""
    try:
        started = (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{started} {(_PROC / 'self/ns/pid').readlink()}"
    except OSError:
        return ""


def _started(pid: int) -> str:
    """When a process of this machine started, in its own count; empty if there is none, or only its remains."""
    try:
        state, *rest = (_PROC / str(pid) / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if state in "ZX" else rest[18]
