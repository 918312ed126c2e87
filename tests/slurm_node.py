"""A Slurm cluster of one node, this machine, for as long as a test lasts; needs slurmctld, slurmd, munged and root."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "scontrol", "sinfo", "srun")
_START_SECONDS = 30.0


def missing() -> str:
    """What this machine lacks for a cluster of its own; empty if nothing."""
    absent = [name for name in PROGRAMS if program(name) is None]
    return f"no {', '.join(absent)}" if absent else "" if os.geteuid() == 0 else "not root"


def program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


@dataclass(frozen=True)
class Node:
    """A running cluster.

    Attributes
    ----------
    environment : Mapping
        What its commands need.
    logs : Path
    """

    environment: Mapping[str, str]
    logs: Path

    def call(self, *command: object) -> str:
        """Run a Slurm command and return what it prints."""
        done = subprocess.run(
            [*map(str, command)], env=dict(self.environment), capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout

    def state(self, job: str) -> str:
        """State of a job: PENDING, RUNNING, COMPLETED, ..."""
        shown = self.call("scontrol", "-o", "show", "job", job)
        return next(part.partition("=")[2] for part in shown.split() if part.startswith("JobState="))

    def wait(self, job: str, seconds: float) -> str:
        """Wait until a job neither waits nor runs, and return its state."""
        deadline = time.monotonic() + seconds
        while (state := self.state(job)) in ("PENDING", "RUNNING", "COMPLETING", "CONFIGURING"):
            assert time.monotonic() < deadline, self.call("scontrol", "show", "job", job)
            time.sleep(0.5)
        return state


@contextmanager
def one_node() -> Iterator[Node]:
    """Start munge, the controller and the node; end them at the end of the block."""
    folder = Path(tempfile.mkdtemp(prefix="slurm"))  # short: the names of sockets are limited to 100 characters
    folder.chmod(0o755)
    started: list[subprocess.Popen[bytes]] = []
    try:
        started.append(_munge(folder))
        _configure(folder)
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("SLURM", "PMI", "OMPI"))},
            "SLURM_CONF": str(folder / "slurm.conf"),
            "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}:/usr/sbin",
        }
        node = Node(environment, folder)
        for name in ("slurmctld", "slurmd"):
            with (folder / f"{name}.out").open("wb") as out:
                command = [program(name) or name, "-D", *(["-i"] if name == "slurmctld" else [])]
                started.append(subprocess.Popen(command, env=environment, stdout=out, stderr=out))
        _until_idle(node)
        yield node
    finally:
        for process in reversed(started):
            process.terminate()
        for process in reversed(started):
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _munge(folder: Path) -> subprocess.Popen[bytes]:
    place = folder / "munge"
    place.mkdir(mode=0o711)
    key = place / "key"
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o400)
    files = [f"--{name}={place / name}" for name in ("socket", "pid-file", "log-file", "seed-file")]
    command = [program("munged") or "munged", "--foreground", "--force", f"--key-file={key}", *files]
    with (folder / "munged.out").open("wb") as out:
        started = subprocess.Popen(command, stdout=out, stderr=out)
    _until((place / "socket").exists, "munged", folder)
    return started


def _configure(folder: Path) -> None:
    """Write slurm.conf; MPICH names shared memory by the job: what a killed one has left must not fit a later one."""
    host, (ctld, node) = socket.gethostname().partition(".")[0], _free_ports()
    for name in ("state", "spool"):
        (folder / name).mkdir()
    (folder / "slurm.conf").write_text(
        f"""ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge/socket,cred_expire=5
SlurmctldPort={ctld}
SlurmdPort={node}
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
FirstJobId={secrets.randbelow(10**6) + 1}
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/builtin
ReturnToService=2
SlurmdParameters=config_overrides
KillWait=5
NodeName={host} NodeAddr=127.0.0.1 CPUs={max(2, os.cpu_count() or 1)} State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO
"""
    )


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


def _until_idle(node: Node) -> None:
    def is_idle() -> bool:
        done = subprocess.run(
            ["sinfo", "-h", "-o", "%t"], env=dict(node.environment), capture_output=True, text=True, timeout=30
        )
        return done.stdout.strip().startswith("idle")

    _until(is_idle, "slurm", node.logs)


def _until(ready: object, what: str, folder: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not ready():  # type: ignore[operator]
        if time.monotonic() > deadline:
            logs = "\n".join(f"{path.name}:\n{path.read_text()[-2000:]}" for path in sorted(folder.glob("*.[lo]*")))
            raise TimeoutError(f"{what} did not start within {_START_SECONDS:g} s\n{logs}")
        time.sleep(0.1)
