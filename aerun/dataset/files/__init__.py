"""Small data sets that ship with aerun. Where they come from and on what terms: NOTICE."""

from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent


def read(name: str) -> dict[str, Any]:
    """Return the arrays in the file `name` of this folder."""
    with np.load(HERE / name) as arrays:
        return dict(arrays)
