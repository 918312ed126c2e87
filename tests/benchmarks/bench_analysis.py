"""Time and memory of the analysis of long runs: a frame file streamed, task files of 10⁹ events.

python tests/benchmarks/bench_analysis.py [--gigabytes 10] [--samples 100000] [--folder FOLDER]

The frames are made up, one chunk of random places written over and over; sizes are those before compression.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTS))

from framed_run import CUBIC, write_framed_task  # noqa: E402
from long_files import lengthen_frames, long_record  # noqa: E402
from peak_memory import WORK  # noqa: E402

from analysis.displacements import Displacements  # noqa: E402
from analysis.spectra import conductivity_spectrum  # noqa: E402
from analysis.transport import transport  # noqa: E402
from kmc.trajectory import read_task, write_task  # noqa: E402

REPLICAS = 3
IONS = 100


def frames(folder: Path, gigabytes: float) -> None:
    """Stream one frame file through every analysis, each in a process of its own."""
    task = write_framed_task(folder / "task.h5", counts={"Li+": IONS}, n_samples=40)
    CUBIC.save(folder / "network.h5")
    n_frames = lengthen_frames(task, round(gigabytes * 1e9), n_sites=6**3, n_ions=IONS)
    size = n_frames * IONS * 16 / 1e9
    print(f"{n_frames:,} frames of {IONS} ions, {size:.1f} GB of places, {task.stat().st_size / 1e9:.2f} GB on disk")
    for name in WORK:
        call = [sys.executable, str(TESTS / "peak_memory.py"), str(task), str(folder / "network.h5"), name]
        done = subprocess.run(call, capture_output=True, text=True, check=True)
        added, total, seconds = map(float, done.stdout.split())
        print(
            f"  {name:20s} {seconds:7.1f} s CPU   peak {total / 1e6:5.0f} MB, {added / 1e6:5.0f} MB above the imports"
        )


def events(folder: Path, n_samples: int) -> None:
    """Read task files of 10⁹ events and analyse them."""
    first = read_task(write_framed_task(folder / "short.h5"))
    paths = [folder / f"long{k}.h5" for k in range(REPLICAS)]
    for k, path in enumerate(paths):
        write_task(path, long_record(first, n_samples, k))
    begin = time.process_time()
    data = Displacements.from_records([read_task(path) for path in paths])
    read = time.process_time()
    transport(data)
    coefficients = time.process_time()
    conductivity_spectrum(data)
    spectrum = time.process_time()
    size = sum(path.stat().st_size for path in paths) / 1e6
    print(
        f"{REPLICAS} replicas of 10⁹ events, {n_samples:,} samples, {size:.0f} MB; CPU: read {read - begin:.1f} s, "
        f"transport coefficients {coefficients - read:.1f} s, spectrum with interval {spectrum - coefficients:.1f} s"
    )


def main() -> None:
    """Print one line per analysis."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=1.0)
    parser.add_argument("--samples", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, help="for the files, which are removed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        events(Path(folder), options.samples)
        frames(Path(folder), options.gigabytes)


if __name__ == "__main__":
    main()
