"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import platform
import threading
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Write a file that nobody ever sees half-written, not even after a power cut.

    What the caller writes under the temporary name is synchronised to disk and renamed, which replaces an older file in
    one step. After an error the temporary file is gone and an older file is as it was.

    Parameters
    ----------
    path : str or Path
        Its folder must be there.

    Yields
    ------
    Path
        Temporary name in the same folder, another one for every host, process and thread. It ends in `.part`, so a
        writer that goes by the ending must be told the format.
    """
    path = Path(path)
    writer = f"{platform.node()}-{os.getpid()}-{threading.get_ident()}"
    temporary = path.with_name(f".{path.name}.{writer}.part")
    try:
        yield temporary
        _synchronise(temporary)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if hasattr(os, "O_DIRECTORY"):  # elsewhere a folder cannot be opened
        _synchronise(path.parent)


def _synchronise(path: Path) -> None:
    """Wait until a file or a folder is on disk."""
    descriptor = os.open(path, os.O_RDWR if path.is_file() else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
