"""What went wrong outside of the program, in one line: which file, and why."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_ERRNO = re.compile(r"errno = (\d+), error message = '([^']*)'")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Name the file in every error of the system: a full disk does not, and HDF5 hides the reason in a long text.

    Raises
    ------
    OSError
        With number, reason and file name.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        found = _ERRNO.search(str(error))
        if isinstance(error, OSError) and error.errno is not None and error.strerror and not found:
            raise OSError(error.errno, error.strerror, str(path)) from error
        if found:
            raise OSError(int(found[1]), found[2], str(path)) from error
        raise


def fault_line(error: OSError | MemoryError) -> str:
    """Return file and reason of an error of the system."""
    if isinstance(error, MemoryError):
        return f"not enough memory: {error}".removesuffix(": ").splitlines()[0]
    reason = error.strerror or str(error) or type(error).__name__
    file = error.filename2 or error.filename
    return (f"{file}: {reason}" if file else reason).splitlines()[0]
