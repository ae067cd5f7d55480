"""Sheets of xlsx files, and what they say beside their cells: hidden rows and columns, formulas without a value."""

import logging
import re
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import IO, Any

from aerun.core.errors import AerunError
from aerun.core.memory import refuse_beyond
from aerun.formats.blank_cells import tell_blank_rows
from aerun.formats.optional import needed

_BLOCK = 1 << 20  # bytes of a sheet that are looked at at a time
_HIDDEN = {what: re.compile(rb"<" + what.encode() + rb"\b[^>]*\bhidden=\"(?:1|true)\"") for what in ("row", "col")}
_UNCOMPUTED = re.compile(rb"<c r=\"([A-Z]+\d+)\"(?![^>]*t=\"str\")[^>]*>\s*<f[^<]*(?:</f>|/>)\s*(?:<v\s*/>|<v>\s*</v>)?\s*</c>")
_PLACES = re.compile(rb"<row\b[^>]*?\br=\"(\d+)\"|<c\b[^>]*?\br=\"([A-Z]+)(\d+)\"")

_Place = tuple[int, tuple[int, bytes]]  # row, and column by the number of its letters and by these
_FIRST: _Place = (0, (0, b""))
_NOUNS = {"row": "rows", "col": "columns or ranges of them"}

log = logging.getLogger("aerun")


def sheet(path: Path) -> Iterator[tuple[int, list[Any]]]:
    """Yield the rows of the first sheet of an xlsx file that is shown and has cells: line number, and cells as they are typed.

    What the sheet declares as its extent is not believed. Raises AerunError for formulas that no program has computed.
    """
    openpyxl = needed("openpyxl", path)
    try:
        with zipfile.ZipFile(path) as packed:
            refuse_beyond(str(path), sum(part.file_size for part in packed.infolist()))
        with closing(openpyxl.load_workbook(path, read_only=True, data_only=True)) as book:
            if not book.worksheets:
                raise AerunError(f"{path}: has no sheet.")
            chosen = _chosen(path, book.worksheets)
            _look_beside(path, chosen)
            with closing(chosen.iter_rows(values_only=True)) as rows:
                yield from _wide(path, rows)
    except AerunError:
        raise
    except MemoryError as e:
        raise AerunError(f"{path}: does not fit into memory.") from e
    except Exception as e:  # openpyxl and what it calls let through whatever a damaged file makes them do
        raise AerunError(
            f"{path}: not an xlsx file, or damaged: {(str(e) or type(e).__name__).splitlines()[0].rstrip('.')}."
        ) from e


def _chosen(path: Path, sheets: list[Any]) -> Any:
    """Return the first sheet that is shown and holds a cell, else the first. A choice among several is told."""
    for each in sheets:
        each.reset_dimensions()
    shown = [s for s in sheets if s.sheet_state == "visible"]
    chosen = next((s for s in shown if _holds_cells(s)), sheets[0])
    if len(sheets) > 1:
        which = "the first" if chosen is sheets[0] else "the first that is shown and not empty"
        log.warning("%s has %d sheets; %s, '%s', is read.", path, len(sheets), which, chosen.title)
    return chosen


def _holds_cells(one: Any) -> bool:
    with closing(one.iter_rows(values_only=True)) as rows:
        return any(v not in (None, "") for row in rows for v in row)


def _look_beside(path: Path, one: Any) -> None:
    """Log how many rows and columns are hidden, which are read all the same.

    Raises AerunError for formulas without a value, and for rows or cells out of their order, which openpyxl loses.
    """
    counts, last = dict.fromkeys(_HIDDEN, 0), _FIRST
    with zipfile.ZipFile(path) as packed, packed.open(one._worksheet_path) as file:
        for part in _parts(file):
            last = _in_order(path, part, last)
            for what, pattern in _HIDDEN.items():
                counts[what] += len(pattern.findall(part))
            if b"<f" in part and (cell := _UNCOMPUTED.search(part)):
                raise AerunError(
                    f"{path}: cell {cell[1].decode()} holds a formula without its value: no program has computed it yet. Open "
                    "the file in a spreadsheet program and save it, or save its values."
                )
    if any(counts.values()):
        hidden = " and ".join(f"{count} {_NOUNS[what]}" for what, count in counts.items() if count)
        log.warning("%s: hidden in the sheet '%s', and read all the same: %s.", path, one.title, hidden)


def _in_order(path: Path, part: bytes, last: _Place) -> _Place:
    """Return the place of the last cell of a part. Raise AerunError for a row or a cell that stands behind a later one."""
    line, column = last
    for row, letters, of_row in _PLACES.findall(part):
        number = int(row or of_row)
        place = (len(letters), letters)
        if number < line or (number == line and place <= column):
            what = f"row {number}" if row else f"cell {letters.decode()}{number}"
            raise AerunError(
                f"{path}: {what} stands behind a later one: damaged. Open the file in a spreadsheet program and save it."
            )
        line, column = number, place
    return line, column


def _parts(file: IO[bytes]) -> Iterator[bytes]:
    """Yield the bytes of a sheet in parts that end with a row."""
    rest = b""
    while block := file.read(_BLOCK):
        whole, end, rest = (rest + block).rpartition(b"</row>")
        if end:
            yield whole + end
    yield rest


def _wide(path: Path, rows: Iterator[tuple[Any, ...]]) -> Iterator[tuple[int, list[Any]]]:
    """Yield rows with some cell, all at least as wide as the widest before them; blank ones between them are told."""
    width, last, gone = 0, 0, list[int]()
    for line, cells in enumerate(rows, 1):
        ends = [i for i, v in enumerate(cells, 1) if v not in (None, "")]
        if ends:
            width = max(width, ends[-1])
            gone += range(last + 1, line) if last else ()
            last = line
            yield line, (list(cells) + [None] * width)[:width]
    tell_blank_rows(str(path), gone)
