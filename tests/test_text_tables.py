"""Tables fit the terminal: what does not fit beside goes below, and every number is there once."""

import io

import pytest
from rich.console import Console

from runs.text_tables import TextTable


def printed(table: TextTable, width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    console.print(table)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def long_table() -> TextTable:
    made = TextTable("Sites", ("orbit", "<label", *(f"quantity {n}, eV" for n in range(9))), keys=2)
    for row in range(3):
        made.add_row(str(row), "carboxylate-O", *(f"{row}.{n}17" for n in range(9)))
    made.caption = "The caption is a whole sentence that may be longer than the terminal is wide."
    return made


@pytest.mark.parametrize("width", [40, 60, 80, 100, 250])
def test_no_line_is_wider_than_the_terminal_and_no_number_is_lost(width):
    """27 numbers, each once; the keys stand in every part."""
    lines = printed(long_table(), width)
    assert max(len(line) for line in lines) <= width
    words = " ".join(lines).split()
    for row in range(3):
        assert [f"{row}.{n}17" for n in range(9)] == [
            word for word in words if word.endswith("17") and word[0] == str(row)
        ]
    parts = words.count("orbit")
    assert words.count("carboxylate-O") == 3 * parts
    assert parts == 1 if width == 250 else parts > 1


def test_a_number_is_not_parted_from_its_interval():
    made = TextTable("sigma", ("x", "T, °C", "sigma, S/cm", "+interval", "H_R", "+interval"), keys=2)
    made.add_row("0.5", "25", "1.00e-04", "0.90e-04 - 1.10e-04", "0.5", "0.4 - 0.6")
    lines = printed(made, 50)
    assert any("1.00e-04" in line and "0.90e-04 - 1.10e-04" in line for line in lines)
    assert any("0.4 - 0.6" in line and " 0.5 " in line and "1.00e-04" not in line for line in lines)


def test_sentences_are_wrapped_and_not_moved_below():
    made = TextTable("Deck", ("<key", "~meaning"))
    made.add_row("spacing_A", "largest step of the energy grid that the program may take in any direction")
    lines = printed(made, 50)
    assert max(map(len, lines)) <= 50
    assert sum("meaning" in line for line in lines) == 1
    assert "largest step" in " ".join(lines)


def test_sections_stand_apart():
    made = TextTable("T", ("a", "b"))
    for value in ("1", "2"):
        made.add_section()
        made.add_row(value, value)
    assert printed(made, 50)[-3:] == ["1  1", "", "2  2"]
