"""The notebooks run from their first cell to their last, and what they assert is so."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

import analysis

FOLDER = Path(analysis.__file__).parent / "notebooks"

pytestmark = pytest.mark.filterwarnings("ignore")  # of the machinery of notebooks


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.ipynb")), ids=lambda path: path.stem)
def test_notebook_runs(path, tmp_path):
    book = nbformat.read(path, as_version=4)
    NotebookClient(book, timeout=300, kernel_name="python3", resources={"metadata": {"path": tmp_path}}).execute()
    for cell in book.cells:
        assert not any(output.output_type == "error" for output in cell.get("outputs", ()))


def test_there_are_four():
    assert len(list(FOLDER.glob("*.ipynb"))) == 4
