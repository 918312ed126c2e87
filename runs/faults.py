"""What went wrong outside of the program, in one line: which file, and why."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Name the file in every error of the system: a full disk does not say which file it had no room for.

    Raises
    ------
    OSError
        With number, reason and file name.
    """
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error


def fault_line(error: OSError | MemoryError) -> str:
    """Return file and reason of an error of the system."""
    if isinstance(error, MemoryError):
        return f"not enough memory: {error}".removesuffix(": ").splitlines()[0]
    reason = error.strerror or str(error) or type(error).__name__
    file = error.filename2 or error.filename
    return (f"{file}: {reason}" if file else reason).splitlines()[0]


def unreadable(path: Path) -> str:
    """Say why a file cannot be read: "no such file", "a folder", or the reason of the system; empty if it can."""
    if path.is_dir():
        return "a folder"
    try:
        with path.open("rb"):
            return ""
    except FileNotFoundError:
        return "no such file"
    except OSError as error:
        return fault_reason(error)


def fault_reason(error: OSError) -> str:
    """Return the reason of an error of the system as part of a sentence."""
    text = error.strerror or str(error) or type(error).__name__
    return text[:1].lower() + text[1:]
