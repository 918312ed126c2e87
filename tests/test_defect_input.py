"""Missing nodes and linkers as a deck and the command line ask for them, and what they say where that cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from decks import deck_of, faults

from runs.cli import main
from runs.model import build_model
from runs.network_request import NetworkRequest
from runs.network_source import source_of_deck, source_of_request
from runs.progress import silent
from structures.errors import InputError
from structures.missing import Defects

KEY = 'cell = "primitive"'
NEUTRAL = ("C = 0.06", "C = 0.0477")  # with it the charges sum to -2 e


def network(*options: str) -> Result:
    return CliRunner().invoke(main, ["network", "mof5", "--species", "Li+", *options])


def test_a_deck_takes_pieces_out_of_the_crystal(tmp_path: Path) -> None:
    text = f"{KEY}\nmissing_nodes = 0.25\nmissing_linkers = 0.1\ndefect_cell = [1, 1, 2]\ndefect_seed = 3"
    source = source_of_deck(deck_of(tmp_path, (KEY, text), NEUTRAL))
    assert source.defects == Defects(0.25, 0.1, (1, 1, 2), 3)
    framework, perfect = source.framework(), source_of_deck(deck_of(tmp_path, NEUTRAL)).framework()
    assert framework is not None
    assert perfect is not None
    assert framework.symbols.count("Ni") == 2 * perfect.symbols.count("Ni") - 3
    assert framework.net_charge == 2 * perfect.net_charge
    assert framework.formula_units == 2 * perfect.formula_units
    assert framework.volume == pytest.approx(2 * perfect.volume)


def test_the_command_line_asks_for_the_same(tmp_path: Path) -> None:
    request = NetworkRequest("mof5", ("Li+",), missing_nodes=0.1, defect_cell=(2, 1, 1), defect_seed=4)
    assert source_of_request(request).defects == Defects(0.1, 0.0, (2, 1, 1), 4)
    assert source_of_request(NetworkRequest("mof5", ("Li+",))).defects == Defects()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("missing_nodes = 1", "missing_nodes: expected a fraction of the nodes, from 0 to less than 1; got 1"),
        ("missing_linkers = -0.5", "missing_linkers: expected 0 to 1, found -0.5"),
        ("missing_nodes = 20", "missing_nodes: expected 0 to 1, found 20"),
        ("defect_cell = [0, 1, 1]", "defect_cell, item 1: expected 1 to 10 cells, found 0"),
        ("defect_cell = 2", "defect_cell: expected"),
        ("defect_seed = -1", "defect_seed: expected 0 to"),
    ],
)
def test_keys_out_of_range_are_refused_with_the_line(tmp_path: Path, text: str, message: str) -> None:
    found = faults(tmp_path, (KEY, f"{KEY}\n{text}"))
    assert len(found) == 1
    assert message in found[0]


def test_defects_of_a_cube_are_refused(tmp_path: Path) -> None:
    cube = "spacing_A = 0.2\n[landscape.cube]\n'Li+' = 'li.cube'\n"
    change = ("spacing_A = 0.2\npersistence_kT = 2.5", f"persistence_kT = 2.5\n{cube}")
    for text, key in (("missing_linkers = 0.2", "missing_linkers"), ("defect_cell = [2, 1, 1]", "defect_cell")):
        found = faults(tmp_path, (KEY, f"{KEY}\n{text}"), change)
        assert found == [
            f"deck.toml: [structure] {key}: expected no such key, because the cube of Li+ is of one cell of one crystal"
        ]


def test_defects_of_a_site_list_are_refused(tmp_path: Path) -> None:
    found = faults(tmp_path, ('cif = "ni_pacs_sym"', 'sites = "sites.yaml"\nmissing_nodes = 0.2'))
    assert any("missing_nodes: expected no such key, because sites gives the sites" in line for line in found)


def test_a_fraction_that_rounds_to_nothing_names_the_key_of_the_deck(tmp_path: Path) -> None:
    file = deck_of(tmp_path, (KEY, f"{KEY}\nmissing_nodes = 0.1"), NEUTRAL)
    with pytest.raises(InputError) as refused:
        build_model(file, silent)
    assert str(refused.value).startswith("deck.toml:5: [structure] missing_nodes: expected at least 1 of the 2 nodes")
    assert "at least 3 cells are needed" in str(refused.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ("--missing-nodes", "1.5"),
            "--missing-nodes: expected a fraction of the nodes, from 0 to less than 1; got 1.5",
        ),
        (("--missing-linkers", "nan"), "--missing-linkers: expected a fraction"),
        (("--missing-nodes", "0.01"), "--missing-nodes: expected at least 1 of the 8 nodes in --defect-cell 1 x 1 x 1"),
        (("--missing-nodes", "0.9"), "--missing-nodes: expected a framework that stays bonded"),
        (
            ("--missing-nodes", "0.2", "--defect-seed", "-3"),
            "--defect-seed: expected a whole number, 0 or more; got -3",
        ),
        (("--defect-cell", "2x2"), "expected three repeats such as 2x2x1"),
        (("--missing-nodes", "0.2", "--cube", "Li+=pyproject.toml"), "--cube: expected no missing pieces"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    options: tuple[str, ...], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pyproject.toml").write_text("")
    monkeypatch.chdir(tmp_path)
    result = network(*options)
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())


def test_the_command_tabulates_both_kinds_and_writes_them(tmp_path: Path) -> None:
    folder = tmp_path / "tables"
    words = ["defects", "mof5", "--fraction", "0.5", "--fraction", "0.25", "--defect-cell", "1x1x1"]
    result = CliRunner().invoke(main, [*words, "--realisations", "20", "--output", str(folder)])
    assert result.exit_code == 0, result.output
    said = " ".join(result.output.split())
    assert "Missing nodes of 8 nodes Zn4O, 24 linkers C8H4O4 in 1 x 1 x 1 cells, 20 realisations" in said
    assert "missing linkers: the crystal falls apart at a missing fraction of" in said
    for kind, numbers in (("nodes", ["2", "4"]), ("linkers", ["6", "12"])):
        rows = [line.split(",") for line in (folder / f"missing_{kind}.csv").read_text().splitlines()]
        assert rows[0][:3] == ["fraction", f"missing_{kind}", "of"]
        assert [row[1] for row in rows[1:]] == numbers


def test_the_command_refuses_rods(tmp_path: Path) -> None:
    from published_frameworks import structure

    path = tmp_path / "rods.cif"
    structure("MIL-53(Fe)").to(filename=str(path))
    result = CliRunner().invoke(main, ["defects", str(path)])
    assert result.exit_code == 2
    assert "expected nodes that end" in " ".join(result.output.split())
