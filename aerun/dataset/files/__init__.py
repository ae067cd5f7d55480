"""Small data sets that ship with aerun. Where they come from and on what terms: NOTICE."""

from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent


def read(name: str) -> dict[str, Any]:
    """Return the arrays of a file beside this one."""
    with np.load(HERE / name) as found:
        return dict(found)
