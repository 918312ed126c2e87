"""What README.md says of the papers is what the shipped tables say."""

from pathlib import Path

import pytest

from analysis.study_files import open_study
from analysis.study_markdown import samples_markdown, steps_markdown

README = Path(__file__).parents[1] / "README.md"


def cells(page):
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if line.startswith("|")]


@pytest.mark.skipif(not README.is_file(), reason="a wheel has no README")
@pytest.mark.parametrize(("table", "markdown"), [("samples", samples_markdown), ("steps", steps_markdown)])
def test_every_row_is_one_of_the_shipped_table(table, markdown):
    """Rows may be left out, but none that disagrees; a sample is named in its first row only."""
    head, _, *rows = cells(markdown(open_study()[table]))
    text = README.read_text(encoding="utf-8").splitlines()
    start = next(n for n, line in enumerate(text) if cells(line) == [head])
    end = next(n for n in range(start, len(text)) if not text[n].startswith("|"))
    shown = cells("\n".join(text[start + 2 : end]))
    assert len(shown) > 2
    for row in shown:
        assert row[1:] in [known[1:] for known in rows], row
    if "agrees" in head:
        at = head.index("agrees")
        assert [row[1:] for row in rows if row[at] == "no"] == [row[1:] for row in shown if row[at] == "no"]
