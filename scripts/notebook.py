"""Run docs/notebook.ipynb from its first cell to its last, and save it with what it said.

    python scripts/notebook.py [PATH]

Temporary folders are written as runs, so that two runs of the same code differ by their figures alone.
"""

import re
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[1] / "docs" / "notebook.ipynb"
_PLACES = re.compile(rf"{re.escape(tempfile.gettempdir())}/tmp\w+")


def executed(path: Path) -> nbformat.NotebookNode:
    """Return the notebook with the outputs of a run of now. Raises CellExecutionError where a cell fails."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=300, kernel_name="python3", record_timing=False).execute()
    return notebook


if __name__ == "__main__":
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else NOTEBOOK
    path.write_text(_PLACES.sub("runs", nbformat.writes(executed(path))) + "\n")
