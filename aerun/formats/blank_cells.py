"""Rows and columns that hold nothing: blank lines of a sheet, what delimiters at the ends of lines leave."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from aerun.core.errors import AerunError

Row = tuple[int, list[Any]]  # line number, cells

log = logging.getLogger("aerun")


def without_blank_rows(rows: Iterable[Row], file: str, sheet: bool) -> Iterator[Row]:
    """Yield the rows that hold something; the others are counted and told.

    Those before and behind all others in a sheet are none of its rows, as a sheet has no end.
    """
    count = pending = place = 0
    begun = False
    for line, row in rows:
        if any(row) or any(c not in (None, "") for c in row):
            count, pending, begun = count + pending, 0, True
            yield line, row
        elif begun:
            place = place or line
            pending += 1
    count += 0 if sheet else pending
    if count:
        log.warning("%s: %d blank rows are left out, the first in line %d.", file, count, place)


def blank_columns(names: Sequence[str], rows: Sequence[Sequence[str]]) -> frozenset[int]:
    """Return the places of columns that have no name, and no cell with something in it in `rows`."""
    nameless = [i for i, name in enumerate(names) if not name]
    return frozenset(i for i in nameless if not any(i < len(row) and row[i].strip() for row in rows))


def even_rows(rows: Iterable[Row], file: str, width: int, blank: frozenset[int]) -> Iterator[list[Any]]:
    """Yield rows of `width` cells without the columns at the places `blank`.

    Raises AerunError for a row of another width, and for a cell in a column that was taken for blank.
    """
    kept = [i for i in range(width) if i not in blank]
    for line, row in rows:
        if len(row) != width:
            raise AerunError(
                f"{file}, line {line}: {len(row)} fields, and {width} in the first line. Quote fields that hold the delimiter."
            )
        if not blank:
            yield row
            continue
        if full := [i for i in sorted(blank) if row[i] not in (None, "")]:
            raise AerunError(
                f"{file}, line {line}: '{row[full[0]]}' stands in column {full[0] + 1}, which has no name. Name it."
            )
        yield [row[i] for i in kept]
