"""Kill a run again and again, and let it go on; a process of its own, as small_run.py is read by the tests.

    python kill_runs.py DECK FOLDER KILLS SEED

All is imported and compiled once; every attempt is a fork. Half of the kills come at a random moment of a run, the
others while a file is being written. At the end a line of JSON tells how often what was killed.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np
from small_run import digests

import kmc.simulation
from kmc.trajectory import read_provenance
from runs.cli import main

CHECKPOINT_SECONDS = 0.01


def attempt(deck: str, folder: Path) -> int:
    """Begin or continue the run in a fork and return its process number."""
    pid = os.fork()
    if pid:
        return pid
    status = 99
    try:
        with (folder.parent / "said.txt").open("a") as said:
            os.dup2(said.fileno(), 1)
            os.dup2(said.fileno(), 2)
        main(["run", deck, "--output", str(folder), "--threads", "2"], standalone_mode=False)
        status = 0
    except SystemExit as end:
        status = int(end.code or 0)
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", flush=True)
    finally:
        sys.stdout.flush()
        os._exit(status)


def writing(folder: Path) -> bool:
    """Whether a file is being written."""
    return any(True for place in (folder, folder / "tasks", folder / "checkpoints") for _ in place.glob(".*.part"))


def ended_badly(status: int, folder: Path) -> str:
    """Say how a run ended that should have been complete, and its last words."""
    said = (folder.parent / "said.txt").read_text()
    return f"the run ended with status {os.waitstatus_to_exitcode(status)}: {said[-2000:]}"


def run_and_kill(deck: str, folder: Path, seconds: float, rng: np.random.Generator) -> str:
    """Run until a random moment, or from then on until a file is being written; "" if the run ends before."""
    in_write, pid = bool(rng.integers(2)), attempt(deck, folder)
    moment = time.monotonic() + seconds * rng.random()
    while True:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            if status:
                raise RuntimeError(ended_badly(status, folder))
            return ""
        if time.monotonic() >= moment and (not in_write or writing(folder)):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return "write" if in_write else "moment"
        time.sleep(0.0002)


def finish(deck: str, folder: Path) -> float:
    """Run to the end; return the seconds that takes."""
    begun = time.monotonic()
    _, status = os.waitpid(attempt(deck, folder), 0)
    if status:
        raise RuntimeError(ended_badly(status, folder))
    return time.monotonic() - begun


def keep_often() -> None:
    """Let runs write a checkpoint every few kernels."""
    advance = kmc.simulation.Simulation.advance

    def shortly(self, sampler, n_events=None, *, seconds=np.inf, progress=None):
        return advance(self, sampler, n_events, seconds=min(seconds, CHECKPOINT_SECONDS), progress=progress)

    kmc.simulation._KERNEL_SECONDS = CHECKPOINT_SECONDS / 2
    kmc.simulation.Simulation.advance = shortly


def kill_and_go_on(deck: str, folder: Path, kills: int, seed: int) -> dict[str, object]:
    """Kill runs so often, each in a folder of its own until it is complete; compare them with an undisturbed one."""
    rng, found = np.random.default_rng(seed), {"write": 0, "moment": 0, "rounds": 0}
    main(["run", deck, "--output", str(folder / "whole"), "--threads", "1"], standalone_mode=False)
    while threading.active_count() > 1:
        time.sleep(0.01)
    expected = digests(folder / "whole")
    keep_often()
    seconds = finish(deck, folder / "often")
    done = [folder / "often"]
    while found["write"] + found["moment"] < kills:
        here = folder / f"round{len(done)}"
        while found["write"] + found["moment"] < kills and (what := run_and_kill(deck, here, seconds, rng)):
            found[what] += 1
        finish(deck, here)
        done.append(here)
    left = [
        str(path)
        for here in done
        for path in here.rglob("*")
        if path.suffix == ".part" or path.parent.name == "checkpoints"
    ]
    return found | {
        "rounds": len(done) - 1,
        "identical": all(digests(here) == expected for here in done),
        "left": left,
        "continued": sum(read_provenance(path)["parts"] - 1 for here in done for path in here.glob("tasks/*.h5")),
        "seconds": seconds,
    }


if __name__ == "__main__":
    result = kill_and_go_on(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
    print("\n" + json.dumps(result))
