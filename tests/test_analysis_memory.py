"""Frame files larger than the memory allowed: every analysis streams them."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from framed_run import CUBIC, write_framed_task
from long_files import lengthen_frames, long_record

from analysis.displacements import Displacements
from analysis.spectra import conductivity_spectrum
from analysis.transport import transport
from kmc.trajectory import read_task, write_task

MIB = 2**20
PLACES = 240 * MIB  # of sites and images; positions take half as much again
PROGRAM = Path(__file__).with_name("peak_memory.py")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A task with frames of 240 MiB, and its network."""
    folder = tmp_path_factory.mktemp("frames")
    path = write_framed_task(folder / "task.h5", counts={"Li+": 100}, n_samples=40)
    CUBIC.save(folder / "network.h5")
    n_frames = lengthen_frames(path, PLACES, n_sites=6**3, n_ions=100)
    assert n_frames * 100 * 16 > 0.95 * PLACES
    return path, folder / "network.h5"


@pytest.mark.parametrize(
    "name", ["radial distribution", "van Hove", pytest.param("H5MD", marks=pytest.mark.validation)]
)
def test_memory_does_not_grow_with_the_file(files, name):
    """The positions take 360 MiB; several blocks of 16 MiB are allowed."""
    call = [sys.executable, str(PROGRAM), *map(str, files), name]
    done = subprocess.run(call, capture_output=True, text=True, check=True)
    added, _, _ = map(float, done.stdout.split())
    assert added < 150 * MIB, f"{added / MIB:.0f} MiB"


def test_a_run_of_many_events_is_analysed_in_seconds(tmp_path):
    """10⁹ events, 40,000 samples: reading, transport coefficients and spectrum of 3 replicas."""
    first = read_task(write_framed_task(tmp_path / "task.h5"))
    paths = [tmp_path / f"{k}.h5" for k in range(3)]
    for k, path in enumerate(paths):
        write_task(path, long_record(first, 40_000, k))
    begin = time.process_time()
    data = Displacements.from_records([read_task(path) for path in paths])
    found = conductivity_spectrum(data)
    total = transport(data)
    seconds = time.process_time() - begin
    assert np.isfinite(found.dc.hi)
    assert total is not None
    assert seconds < 60
