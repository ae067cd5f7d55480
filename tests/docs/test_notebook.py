"""docs/notebook.ipynb: it runs from its first cell to its last, and holds the outputs of a run."""

import json
import os
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[2] / "docs" / "notebook.ipynb"


def cells(kind):
    return [c for c in json.loads(NOTEBOOK.read_text())["cells"] if c["cell_type"] == kind]


def test_it_is_small_and_holds_what_its_cells_said():
    assert NOTEBOOK.stat().st_size < 500_000
    code = cells("code")
    assert [c["execution_count"] for c in code] == list(range(1, len(code) + 1)), "run whole, in order"
    outputs = [o for c in code for o in c["outputs"]]
    assert not any(o["output_type"] == "error" for o in outputs)
    assert " object at 0x" not in json.dumps(outputs)
    assert sum("image/png" in o.get("data", {}) for o in outputs) >= 3
    assert any("<polyline" in "".join(o.get("data", {}).get("text/html", "")) for o in outputs)


@pytest.mark.slow
def test_it_runs_to_its_end(monkeypatch, tmp_path):
    client, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(NOTEBOOK.parents[1]), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # as the other tests, which share the cores with it
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client.NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": tmp_path}}).execute()
    last = notebook.cells[-1].outputs[-1]["data"]["text/plain"]
    assert {"row0007", "row0042"} <= set(eval(last)), "both broken rows are found"
