"""The share of hops that go back at once, by orbit, at the end of a run."""

import io

import pytest
from rich.console import Console
from small_run import write_small_run

from analysis.campaign import open_run
from runs.deck_file import read_deck
from runs.flicker_table import flicker_part
from runs.job import run_job
from runs.run_request import RunRequest


def test_the_shares_are_those_of_the_files(tmp_path):
    file = read_deck(write_small_run(tmp_path))
    assert run_job(file, RunRequest(tmp_path / "out", quiet=True, tables=False)) == 0
    run = open_run(tmp_path / "out")
    console = Console(file=io.StringIO(), width=160)
    for part in flicker_part(run):
        console.print(part)
    shown = console.file.getvalue()
    events = sum(record.hop_orbit_events.sum() for record in run.records)
    returns = sum(record.hop_orbit_returns.sum() for record in run.records)
    assert f"{100 * returns / events:.0f} % of all hops went back at once" in shown
    orbit = run.records[0].hop_orbit_events.argmax()
    made = sum(record.hop_orbit_events[orbit] for record in run.records)
    back = sum(record.hop_orbit_returns[orbit] for record in run.records) / made
    line = next(line for line in shown.splitlines() if line.startswith("Li+"))
    assert float(line.split()[-5]) == pytest.approx(100 * made / events, abs=0.06)
    assert float(line.split()[-4]) == pytest.approx(100 * back, abs=0.51)
