"""What one analysis of a frame file adds to the memory of a process; run as a program.

python peak_memory.py TASK NETWORK NAME prints bytes and seconds of CPU, with NAME one of WORK.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path

from analysis.exchange_formats import largest_step
from analysis.frames import Trajectory
from analysis.h5md import write_h5md
from analysis.radial_distribution import radial_distribution
from analysis.van_hove import van_hove
from lattice.network import PoreNetwork


def exported(trajectory: Trajectory) -> None:
    """Write H5MD next to nothing."""
    with tempfile.TemporaryDirectory() as folder:
        write_h5md(Path(folder) / "all.h5md", trajectory)


WORK = {
    "stream": largest_step,
    "radial distribution": lambda t: radial_distribution([t]),
    "van Hove": lambda t: van_hove([t]),
    "H5MD": exported,
}


def peak() -> int:
    """Most memory that the process has held so far, bytes."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> None:
    """Print what was added since the imports, the total, and the CPU time."""
    task, network, name = sys.argv[1:]
    pores = PoreNetwork.load(network)
    before, begin = peak(), time.process_time()
    WORK[name](Trajectory.from_task(task, pores))
    print(peak() - before, peak(), time.process_time() - begin)


if __name__ == "__main__":
    main()
