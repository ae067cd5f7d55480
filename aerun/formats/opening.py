"""The first rows of a table: what stands before it, the names of its columns, and what is under them and is no row."""

import logging
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from operator import length_hint
from typing import Any

from aerun.core.errors import AerunError
from aerun.formats.blank_cells import Row, blank_columns, even_rows, is_blank
from aerun.formats.header import is_headed, is_units, lines_before, refuse_two_headers
from aerun.formats.reading import Reading, checked_names
from aerun.formats.text_blocks import Block
from aerun.formats.text_rows import Rows

_HEAD = 64  # rows that the header is looked for in

log = logging.getLogger("aerun")


@dataclass(frozen=True)
class Head:
    """names: of all columns, in order."""

    names: list[str]


class Body(Iterator[list[Any]]):
    """The rows below a head, one by one or, where `rows` has them so, many at a time as columns. below: those that come first.

    blank: the places of columns that are left out. gone: lines that were. See `even_rows`.
    """

    def __init__(
        self, below: Sequence[Row], rows: Iterator[Row], file: str, width: int, blank: frozenset[int], gone: Sequence[int]
    ) -> None:
        self.width, self.whole = width, not blank
        self._below, self._rows = iter(below), rows
        self._even = even_rows(chain(self._below, rows), file, width, blank, gone)
        self._left: Block | None = None

    def __next__(self) -> list[Any]:
        return next(self._even)

    def block(self, numbers: Collection[int], missing: Collection[str], most: int | None = None) -> Block | None:
        """Return the next rows, at most so many, as columns, see `text_rows.Rows.block`; None: they come one by one."""
        if not self.whole or not isinstance(self._rows, Rows) or length_hint(self._below):
            return None
        block = self._left or self._rows.block(self.width, numbers, missing)
        self._left = None
        if block is not None and most is not None and len(block) > most:
            self._left = block.part(most, None)
            block = block.part(0, most)
        return block


def opened(rows: Iterable[Row], file: str, reading: Reading) -> tuple[Head, Body, Reading]:
    """Return the names, the rows below them, and the reading with its header decided."""
    rows = iter(rows)
    head = list(islice(rows, _HEAD))
    first, auto = [row for row in head if not is_blank(row[1])], reading.skip == "auto"
    if not first:
        raise AerunError(f"{file}: is empty.")
    words = [[_word(c) for c in cells] for _, cells in first]
    before = lines_before(words) if auto else 0
    if before:
        log.warning("%s: %d lines before the table are left out ('%s').", file, before, " ".join(words[0]).strip()[:60])
        reading = replace(reading, skip=str(before))
    first, words = first[before:], words[before:]
    reading = replace(reading, header=_header(file, words, reading))
    headed = reading.header == "true"
    names, below = _names(words[0], headed), first[headed:]
    if headed and auto and is_units(words[1:], reading.missing):
        refuse_two_headers(file, words[0], words[1], reading.missing)
        log.warning("%s: the line under the header is left out ('%s'): units, not values.", file, " ".join(words[1])[:60])
        below = below[1:]
    blank = blank_columns(names, words[1:]) if headed else frozenset()
    if blank:
        log.warning("%s: %d columns without a name and without a cell are left out.", file, len(blank))
    named, reading = checked_names(file, [n for i, n in enumerate(names) if i not in blank], reading)
    gone = [line for line, row in head if is_blank(row)]
    return Head(named), Body(below, rows, file, len(names), blank, gone), reading


def _header(file: str, words: Sequence[Sequence[str]], reading: Reading) -> str:
    """Return whether the first row names the columns, as the setting `header` has it or as the rows show."""
    if reading.header != "auto":
        return reading.header
    top = [w.lstrip("# ") if i == 0 else w for i, w in enumerate(words[0])]
    return str(is_headed(file, top, words[1:], reading.missing)).lower()


def _names(first: Sequence[str], headed: bool) -> list[str]:
    if not headed:
        return [f"c{i}" for i in range(1, len(first) + 1)]
    names = [c.strip() for c in first]
    return [names[0].lstrip("# ") if names[0].startswith("#") else names[0], *names[1:]]


def _word(cell: Any) -> str:
    return cell if isinstance(cell, str) else "" if cell is None else str(cell)
