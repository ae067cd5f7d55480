"""Cells that travel from a file to an output as they are written."""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any

import numpy as np

from aerun.formats.frame import Words
from aerun.formats.plain_cells import Moment


def as_words(cells: Any) -> Words:
    """Return the cells of a column, of a text file or a typed container, as words (n,); empty for what is missing."""
    values: Iterable[Any] = cells.to_pylist() if hasattr(cells, "to_pylist") else cells
    return np.array([_word(cell) for cell in values], dtype=np.str_)


def _word(cell: Any) -> str:
    if isinstance(cell, str):
        return cell.strip()
    if cell is None or cell != cell:
        return ""
    if isinstance(cell, Moment):
        return datetime.fromtimestamp(cell.seconds, UTC).replace(tzinfo=None).isoformat()
    if isinstance(cell, date | datetime):
        return cell.isoformat()
    if isinstance(cell, np.datetime64):
        return str(cell)
    if isinstance(cell, float | np.floating) and float(cell).is_integer():
        return str(int(cell))
    return str(cell)
