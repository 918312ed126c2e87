"""Whole runs whose Coulomb energies come from meshes: same bits for any threads, energies checked and said."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from small_run import digests, write_small_run

from kmc.trajectory import read_task
from runs.cli import main
from runs.deck import MESHES_FROM
from runs.deck_file import read_deck
from runs.model import build_model
from runs.progress import silent

MESHES = ("events = 20_000", 'events = 3_000\nenergies = "meshes"')


def run(*arguments):
    result = CliRunner().invoke(main, ["run", *arguments])
    assert result.exit_code == 0, result.output
    return result


def test_a_run_on_meshes_has_the_same_bits_for_any_threads_and_says_what_its_energies_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    deck = str(write_small_run(tmp_path, MESHES))
    one = run(deck, "--output", "one", "--threads", "1")
    run(deck, "--output", "two", "--threads", "2")
    assert digests(Path("one")) == digests(Path("two"))
    assert "within 1e-4 eV of the full Ewald" in " ".join(one.stdout.split())
    for path in Path("one/tasks").glob("*.h5"):
        assert 0.0 < read_task(path).drift < 1e-4


@pytest.mark.parametrize(("energies", "expected"), [("auto", False), ("table", False), ("meshes", True)])
def test_the_deck_decides_where_energies_come_from(energies, expected, tmp_path):
    path = write_small_run(tmp_path, ("events = 20_000", f'events = 20_000\nenergies = "{energies}"'))
    model = build_model(read_deck(path), silent)
    assert model.n_sites < MESHES_FROM
    assert model.on_meshes is expected
    assert (model.memory(2) == 0) is expected


def test_large_supercells_take_meshes_by_themselves(tmp_path):
    path = write_small_run(tmp_path, ("repeats = [2, 2, 2]", "repeats = [20, 20, 20]"))
    assert build_model(read_deck(path), silent).on_meshes
