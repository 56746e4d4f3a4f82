"""The notebook runs from its first cell to its last, with a picture for every step that has one."""

from pathlib import Path

import nbformat
import pytest

NOTEBOOK = Path(__file__).parents[2] / "notebooks/predict.ipynb"


def pictures(cell):
    return [output for output in cell.outputs if "image/png" in output.get("data", {})]


def test_the_notebook_runs_where_the_demo_has_run(world):
    nbclient = pytest.importorskip("nbclient")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    place = world.folder.parents[1] / "notebooks"  # beside results/demo, as in a clone
    place.mkdir()
    nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(place)}}).execute()
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert len(cells) == 10
    assert "TRAINED ON SYNTHETIC FACES" in cells[1].outputs[0].text
    assert [len(pictures(cell)) for cell in cells] == [0, 0, *[1] * 8]


def test_the_notebook_is_kept_without_outputs():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert [cell.outputs for cell in notebook.cells if cell.cell_type == "code"] == [[]] * 10
    assert NOTEBOOK.stat().st_size < 20_000
