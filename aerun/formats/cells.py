"""Guarding words in the cells of text tables that a spreadsheet would take for a formula."""

import re
from collections.abc import Iterable

_FORMULA = re.compile(r"'*[=+\-@\t\r\n]")  # with apostrophes in front, so that reading gives back what was written


def guarded(cell: str) -> str:
    """Return the words of a cell with an apostrophe in front where a spreadsheet would run them. Numbers stay as they are."""
    return f"'{cell}" if _runs(cell) else cell


def unguarded(cells: Iterable[str]) -> list[str]:
    """Return the cells of a row without the apostrophes of `guarded`."""
    return [cell[1:] if cell[:1] == "'" and _runs(cell[1:]) else cell for cell in cells]


def _runs(cell: str) -> bool:
    if not _FORMULA.match(cell):
        return False
    try:
        float(cell)
    except ValueError:
        return True
    return cell[:1] in "\t\r\n"
