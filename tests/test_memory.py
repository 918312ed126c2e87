"""Memory that a control group leaves, in trees of files like those of the kernel."""

import os
import sys

import pytest

from lattice import memory

GIB = 2**30


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine of 64 GiB with 60 GiB free, and its control groups: text of /proc/self/cgroup, files by name."""

    def make(membership, files):
        (tmp_path / "meminfo").write_text(f"MemTotal: 1 kB\nMemAvailable:   {60 * GIB // 1024} kB\n")
        (tmp_path / "membership").write_text(membership)
        for name, text in files.items():
            path = tmp_path / "groups" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{text}\n")
        monkeypatch.setattr(memory, "_MEMBERSHIP", tmp_path / "membership")
        monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "meminfo")
        monkeypatch.setattr(memory, "_GROUPS", tmp_path / "groups")
        monkeypatch.setattr(memory, "_physical_memory", lambda: 64 * GIB)

    return make


def test_what_a_group_uses_is_not_available(machine):
    """8 GiB allowed, 3 GiB used of which 1 GiB is file cache that can be dropped."""
    files = {"memory.max": 8 * GIB, "memory.current": 3 * GIB, "memory.stat": f"anon 5\ninactive_file {GIB}"}
    machine("0::/\n", files)
    assert memory.available_memory() == 6 * GIB


def test_the_tightest_group_above_the_process_counts(machine):
    """A batch job limits the job, not the step; the root has no files at all."""
    machine(
        "0::/slurm/job7/step0\n",
        {
            "slurm/job7/step0/memory.max": "max", "slurm/job7/step0/memory.current": GIB,
            "slurm/job7/memory.max": 4 * GIB, "slurm/job7/memory.current": 2 * GIB,
            "slurm/memory.max": 32 * GIB, "slurm/memory.current": 2 * GIB,
        },
    )  # fmt: skip
    assert memory.available_memory() == 2 * GIB


@pytest.mark.parametrize("path", ["/job", "/docker/1234"])
def test_groups_of_version_1(machine, path):
    """The second path is the host's, which the container does not see: its own limit lies at the root."""
    here = "memory/job" if path == "/job" else "memory"
    files = {f"{here}/memory.limit_in_bytes": 8 * GIB, f"{here}/memory.usage_in_bytes": 5 * GIB}
    files[f"{here}/memory.stat"] = f"total_inactive_file {GIB}"
    machine(f"12:cpu,memory:{path}\n3:pids:/\n0::/\n", files)
    assert memory.available_memory() == 4 * GIB


def test_without_limits_it_is_what_the_machine_has_free(machine):
    machine("", {})
    assert memory.available_memory() == 60 * GIB


def test_a_system_that_tells_nothing_has_no_limit(machine, monkeypatch, tmp_path):
    machine("", {})
    monkeypatch.undo()
    for name in ("_MEMBERSHIP", "_MEMINFO", "_GROUPS"):
        monkeypatch.setattr(memory, name, tmp_path / "nothing")
    monkeypatch.delattr(os, "sysconf")
    assert memory.available_memory() == sys.maxsize
