"""A file is there whole or not at all."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from structures.files import whole_file


def test_the_file_appears_when_the_block_ends_and_replaces_the_old_one(tmp_path):
    path = tmp_path / "table.csv"
    for text in ("old", "new"):
        before = path.read_text() if path.exists() else None
        with whole_file(path) as temporary:
            temporary.write_text(text)
            assert temporary.parent == tmp_path
            assert (path.read_text() if path.exists() else None) == before
        assert path.read_text() == text
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "table.csv"
    path.write_text("old")

    def write_half():
        with whole_file(path) as temporary:
            temporary.write_text("ne")
            raise error

    with pytest.raises(error):
        write_half()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_noticed_before_the_old_file_goes(tmp_path, monkeypatch):
    path = tmp_path / "table.csv"
    path.write_text("old")

    def full_disk(_):
        raise OSError("no space left on device")

    monkeypatch.setattr("structures.files.os.fsync", full_disk)
    with pytest.raises(OSError, match="no space"), whole_file(path) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_two_threads_that_write_the_same_file_do_not_meet(tmp_path):
    """One of the two texts is there at the end, whole."""
    together = Barrier(2)

    def write(text):
        with whole_file(tmp_path / "table.csv") as temporary:
            together.wait(timeout=10)
            temporary.write_text(text)
            together.wait(timeout=10)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, ("a" * 1000, "b" * 1000)))
    assert (tmp_path / "table.csv").read_text() in ("a" * 1000, "b" * 1000)
    assert len(list(tmp_path.iterdir())) == 1
