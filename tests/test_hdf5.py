"""HDF5 files are there whole or not at all."""

import subprocess
import sys

import h5py
import numpy as np
import pytest

from structures.hdf5 import whole_hdf5

pytest.importorskip("resource")

FULL_DISK = """
import resource, sys
import numpy as np
from structures.hdf5 import whole_hdf5

resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
for attempt in range(2):
    try:
        with whole_hdf5(sys.argv[1]) as file:
            for name in "abc":
                file[name] = np.zeros(10_000)
    except OSError as error:
        print(error.strerror)
"""


def test_what_is_written_is_read_and_nothing_else_is_left(tmp_path):
    path = tmp_path / "numbers.h5"
    for value in (1.0, 2.0):
        with whole_hdf5(path) as file:
            file["a"] = np.full(1000, value)
            file.attrs["complete"] = True
        with h5py.File(path) as file:
            assert (file["a"][...] == value).all()
            assert file.attrs["complete"]
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_an_error_and_not_the_end_of_the_process(tmp_path):
    """A limit on the size of files stands for it; in a process of its own, which would crash or print a page."""
    path = tmp_path / "numbers.h5"
    path.write_bytes(b"old")
    environment = {"PYTHONPATH": ":".join(part for part in sys.path if part)}
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(path)], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["File too large"] * 2
    assert done.stderr == ""
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
