"""HDF5 files are there whole or not at all, and are opened only as they were written."""

import subprocess
import sys

import h5py
import numpy as np
import pytest

from structures.errors import InputError
from structures.hdf5 import seal, sealed_hdf5, whole_hdf5

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
        for opened in (sealed_hdf5, h5py.File):  # the seal is no obstacle to other programs
            with opened(path) as file:
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


@pytest.fixture
def numbers(tmp_path):
    """Small file with groups, packed and plain numbers, texts and attributes."""
    path = tmp_path / "numbers.h5"
    with whole_hdf5(path) as file:
        file["a"] = np.arange(20.0)
        file.create_dataset("group/packed", data=np.zeros((50, 3)), compression="gzip")
        file.create_dataset("text", data=["one", "two"], dtype=h5py.string_dtype())
        file["group"].attrs["x"] = 1.5
    return path


def damaged(whole, rng):
    """Bytes of a file with one or many of them flipped, a stretch lost, doubled or made zero, or the end missing."""
    first, last = sorted(rng.integers(0, len(whole), 2).tolist())
    match int(rng.integers(6)):
        case 0:
            return whole[:first] + bytes([whole[first] ^ 1 << rng.integers(8)]) + whole[first + 1 :]
        case 1:
            array = np.frombuffer(whole, np.uint8).copy()
            array[rng.integers(0, len(whole), 20)] ^= rng.integers(1, 256, 20, dtype=np.uint8)
            return array.tobytes()
        case 2:
            return whole[:first] + whole[last + 1 :]
        case 3:
            return whole[: last + 1] + whole[first:]
        case 4:
            return whole[:first] + b"\1" * (last + 1 - first) + whole[last + 1 :]
        case _:
            return whole[:first]


def test_what_is_damaged_is_refused_in_one_line_and_never_given_to_hdf5(numbers, monkeypatch):
    """HDF5 itself crashes the process or never returns on some of these."""
    whole, rng = numbers.read_bytes(), np.random.default_rng(0)

    def never(*_, **__):
        raise AssertionError("a damaged file was opened")

    monkeypatch.setattr(h5py, "File", never)
    for _ in range(500):
        numbers.write_bytes(damaged(whole, rng))
        with pytest.raises(InputError) as caught, sealed_hdf5(numbers):
            pass
        assert str(caught.value).startswith(f"{numbers}: must ")
        assert str(caught.value).endswith("; make it again")
        assert "\n" not in str(caught.value)


def test_a_file_changed_by_another_program_is_refused_until_it_is_sealed_again(numbers):
    with h5py.File(numbers, "r+") as file:
        file["a"][3] = 7.0
    with pytest.raises(InputError, match=r"numbers\.h5: must (match the|end in its) checksum"), sealed_hdf5(numbers):
        pass
    seal(numbers)
    with sealed_hdf5(numbers) as file:
        assert file["a"][3] == 7.0


def test_files_without_a_seal_are_refused(tmp_path):
    for content in (b"", b"x", b"y" * 1000):
        path = tmp_path / "other.h5"
        path.write_bytes(content)
        with pytest.raises(InputError, match="must end in its checksum; got none"), sealed_hdf5(path):
            pass
