"""How many threads this process may keep busy."""

from __future__ import annotations

import os


def available_cores() -> int:
    """Return the number of cores this process may use: those a scheduler or `taskset` left it, not all there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
