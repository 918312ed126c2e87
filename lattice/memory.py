"""How much memory this process may still take."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

_MEMBERSHIP = Path("/proc/self/cgroup")
_MEMINFO = Path("/proc/meminfo")
_GROUPS = Path("/sys/fs/cgroup")


def available_memory() -> int:
    """Memory that can be allocated now, bytes: what the machine has free, and what no container's limit forbids.

    Where the system tells neither, all there is; where it does not even tell that, no limit.
    """
    limits = [_physical_memory()]
    if _MEMINFO.exists():
        for line in _MEMINFO.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                limits.append(int(line.split()[1]) * 1024)
    limits += [limit - used for limit, used in _group_limits()]
    return max(0, min(limits))


def _physical_memory() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return sys.maxsize


def _group_limits() -> Iterator[tuple[int, int]]:
    """Yield limit and use, bytes, of every control group above this process, of version 2 and of version 1."""
    for line in _lines(_MEMBERSHIP):
        _, controllers, path = line.split(":", 2)
        if not controllers:
            names, root = ("memory.max", "memory.current", "inactive_file"), _GROUPS
        elif "memory" in controllers.split(","):
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            root = _GROUPS / "memory"
        else:
            continue
        group = root / path.lstrip("/")
        # inside a container the path may be the host's; what is mounted here then starts at the root
        for folder in (group, *group.parents):
            if folder != root and root not in folder.parents:
                break
            limit, used = _number(folder / names[0]), _number(folder / names[1])
            if limit is not None and used is not None:
                yield limit, used - _reclaimable(folder, names[2])


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []


def _number(path: Path) -> int | None:
    text = "".join(_lines(path)).strip()
    return int(text) if text.isdigit() else None


def _reclaimable(folder: Path, name: str) -> int:
    """Bytes of the file cache that the kernel gives back before it refuses an allocation."""
    for line in _lines(folder / "memory.stat"):
        key, _, value = line.partition(" ")
        if key == name:
            return int(value)
    return 0
