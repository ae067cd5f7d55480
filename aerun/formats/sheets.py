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
        raise AerunError(f"{path}: not an xlsx file, or damaged: {(str(e) or type(e).__name__).splitlines()[0]}.") from e


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
    """Log how many rows and columns are hidden, which are read all the same. Raise AerunError for formulas without a value."""
    counts = dict.fromkeys(_HIDDEN, 0)
    with zipfile.ZipFile(path) as packed, packed.open(one._worksheet_path) as file:
        for part in _parts(file):
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
