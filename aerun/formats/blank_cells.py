"""Rows and columns that hold nothing: blank lines of a sheet, what delimiters at the ends of lines leave."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from aerun.core.errors import AerunError
from aerun.core.text import counted

Row = tuple[int, list[Any]]  # line number, cells

log = logging.getLogger("aerun")


def tell_blank_rows(file: str, lines: Sequence[int]) -> None:
    """Log how many lines without any cell are left out, where there are some."""
    if lines:
        which = "is left out, in" if len(lines) == 1 else "are left out, the first in"
        log.warning("%s: %s %s line %d.", file, counted(len(lines), "blank row"), which, lines[0])


def blank_columns(names: Sequence[str], rows: Sequence[Sequence[str]]) -> frozenset[int]:
    """Return the places of columns that have no name, and no cell with something in it in `rows`."""
    nameless = [i for i, name in enumerate(names) if not name]
    return frozenset(i for i in nameless if not any(i < len(row) and row[i].strip() for row in rows))


def even_rows(rows: Iterable[Row], file: str, width: int, blank: frozenset[int], gone: Sequence[int]) -> Iterator[list[Any]]:
    """Yield rows of `width` cells without the columns at the places `blank`, and tell of blank rows; `gone`: lines that were.

    Raises AerunError for a row of another width, and for a cell in a column that was taken for blank.
    """
    kept, lines = [i for i in range(width) if i not in blank], list(gone)
    for line, row in rows:
        if len(row) != width:
            raise AerunError(
                f"{file}, line {line}: {len(row)} fields, and {width} in the first line. Quote fields that hold the delimiter."
            )
        if row[0] in ("", None) and is_blank(row):
            lines.append(line)
        elif blank:
            _refuse_filled(row, blank, f"{file}, line {line}")
            yield [row[i] for i in kept]
        else:
            yield row
    tell_blank_rows(file, lines)


def is_blank(row: Sequence[Any]) -> bool:
    """Return whether no cell of a row of several holds anything; the empty cell of a single column is a missing value."""
    return len(row) > 1 and all(c in ("", None) for c in row)


def _refuse_filled(row: Sequence[Any], blank: frozenset[int], where: str) -> None:
    if full := [i for i in sorted(blank) if row[i] not in (None, "")]:
        raise AerunError(f"{where}: '{row[full[0]]}' stands in column {full[0] + 1}, which has no name. Name it.")
