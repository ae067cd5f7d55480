"""Rows of text files with a delimiter."""

import csv
import logging
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from operator import length_hint
from pathlib import Path

from aerun.core.errors import AerunError
from aerun.formats.cells import unguarded
from aerun.formats.compressed import bare_suffix
from aerun.formats.problems import unclear
from aerun.formats.text_blocks import Block, by_columns, is_plain
from aerun.formats.text_lines import Lines, lines_of

__all__ = ["Row", "TextTable", "lines_of", "rows_of", "sniffed", "spelt", "text_table"]

log = logging.getLogger("aerun")

_PEEK = 64  # lines looked at first
_SEPARATE = ("\t", ";", "|")  # seldom in cells, so that they go before the comma, which may be a decimal sign
_SAID = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)  # as Excel reads and writes it
_DECIMAL = re.compile(r"[+-]?\d+,\d+\s*")
_SPOKEN = {"tab": "\t", "\\t": "\t", "space": " "}

Row = tuple[int, list[str]]  # line number, cells


@dataclass(frozen=True)
class TextTable:
    """rows: of a text file, blank lines left out. delimiter, encoding: those that the file turned out to have."""

    rows: "Rows"
    delimiter: str
    encoding: str


def rows_of(path: Path, encoding: str, delimiter: str, skip: int = 0) -> "Rows":
    """Return the rows of `text_table` alone."""
    return text_table(path, encoding, delimiter, skip).rows


def text_table(
    path: Path, encoding: str, delimiter: str, skip: int = 0, usual: str = "", given: Iterator[str] | None = None
) -> TextTable:
    """Return the rows of a text file (unpacked where its name says that it is packed) behind its first `skip` lines.

    usual: the delimiter of the run's own files; where `delimiter` is auto and this one cuts the lines evenly, it is taken, and
    where it does not, it is told which one is. given: the lines, where they are read already. AerunError names the line.
    """
    decoded: list[str] = []
    lines = lines_of(path, encoding, decoded.append) if given is None else given
    for _ in islice(lines, skip):
        pass
    head = list(islice(lines, _PEEK))
    if not skip and head and (said := _SAID.fullmatch(head[0])):
        log.warning("%s: its first line, %s, says where it is cut, and is left out.", path, head[0].strip())
        skip, head = 1, head[1:]
        delimiter = said[1] if delimiter == "auto" else delimiter
    if delimiter == "auto":
        chosen = _delimiter(path, head, usual)
    else:
        chosen = _SPOKEN.get(delimiter, delimiter)
        _refuse_delimiter(path, head, chosen, delimiter)
    return TextTable(Rows(path, head, lines, chosen, skip), chosen, decoded[0] if decoded else encoding)


def _delimiter(path: Path, head: list[str], usual: str) -> str:
    """Return the delimiter of a file whose first lines are `head`."""
    if bare_suffix(path) == ".tsv":
        return "\t"
    if usual and _even(_widths(head[:-1] if len(head) == _PEEK else head, usual)):
        return usual
    chosen = sniffed(head)
    if chosen == "," and not usual and _may_be_one_column(head):
        raise unclear(
            f"{path}: all lines below '{head[0].strip()}' are two whole numbers with a comma between them: "
            "dataset.delimiter=';' reads one column with a decimal comma, dataset.skip=1 leaves that line out.",
            delimiter=";",
        )
    if usual and chosen != usual and _even(_widths(head, chosen)):
        log.warning("%s: is cut at %s, where the run's own file was cut at %s.", path, spelt(chosen), spelt(usual))
    return chosen


def _may_be_one_column(head: list[str]) -> bool:
    """Return whether a name stands above numbers with a decimal comma, or a title above two columns of whole numbers."""
    if not head:
        return False
    body = [line for line in head[1:] if line.strip()]
    named = head[0].strip() and "," not in head[0] and not head[0].startswith("#")
    return bool(named and len(body) > 1 and all(map(_DECIMAL.fullmatch, body)))


def spelt(delimiter: str) -> str:
    """Return a delimiter in words that can be seen."""
    return next((word for word, sign in _SPOKEN.items() if sign == delimiter), f"'{delimiter}'")


class Rows(Iterator[Row]):
    """The rows of a text file one by one, blank lines left out, or many at a time as columns.

    head: its first lines, which `lines` go on with. skip: lines before them.
    """

    def __init__(self, path: Path, head: Sequence[str], lines: Iterator[str], delimiter: str, skip: int) -> None:
        self.path, self.delimiter, self.skip = path, delimiter, skip
        self._head, self._lines = iter(head), lines
        self._reader = csv.reader(chain(self._head, lines), delimiter=delimiter, skipinitialspace=True)

    def __next__(self) -> Row:
        try:
            row = next(self._reader)
            while not row:
                row = next(self._reader)
        except csv.Error as e:
            raise AerunError(f"{self.path}, line {self._reader.line_num + self.skip}: {str(e).rstrip('.?')}.") from e
        return self._reader.line_num + self.skip, unguarded(row) if "'" in "".join(row) else row

    def block(self, width: int, numbers: Collection[int], missing: Collection[str]) -> Block | None:
        """Return the next rows, all of `width` cells, see `by_columns`; None where they have to be had one by one."""
        if not isinstance(self._lines, Lines) or length_hint(self._head):
            return None
        text = self._lines.text()
        plain = text.replace("\r\n", "\n")
        plain += "" if plain.endswith("\n") or not plain else "\n"
        block = by_columns(plain, self.delimiter, width, numbers, missing) if is_plain(plain, self.delimiter, width) else None
        if block is None:
            self._lines.give_back(text)
        else:
            self.skip += len(block)
        return block


def sniffed(lines: list[str]) -> str:
    """Return the delimiter that cuts the lines, or all behind the first few, into equally many fields.

    Tab, semicolon and bar go before the comma, the comma before the space. Where none cuts evenly it is the one that cuts the
    first line most.
    """
    widths = {d: _widths(lines, d) for d in (*_SEPARATE, ",", " ")}
    whole = {d: sizes[:-1] if len(lines) == _PEEK else sizes for d, sizes in widths.items()}  # the last may be cut in a quote
    for evenly in (_even, _even_behind_titles):
        even = [d for d, sizes in whole.items() if evenly(sizes)]
        separate = [d for d in even if d in _SEPARATE]
        if separate:
            return max(separate, key=lambda d: whole[d][-1])
        if even:
            return even[0]
    return max((",", *_SEPARATE), key=lambda d: widths[d][0] if widths[d] else 0)


def _even(widths: list[int]) -> bool:
    return len(set(widths)) == 1 and widths[0] > 1


def _even_behind_titles(widths: list[int]) -> bool:
    """Return whether all but some narrower lines at the start are equally wide."""
    if len(widths) < 3:
        return False
    width, count = Counter(widths).most_common(1)[0]
    return width > 1 and count >= len(widths) / 2 and set(widths[-count:]) == {width} and max(widths) == width


def _widths(lines: list[str], delimiter: str) -> list[int]:
    try:
        return [len(row) for row in csv.reader(lines, delimiter=delimiter, skipinitialspace=True) if row]
    except csv.Error:
        return []


def _refuse_delimiter(path: Path, lines: list[str], delimiter: str, typed: str) -> None:
    if len(delimiter) != 1 or delimiter in '\r\n"':
        raise AerunError(f"dataset.delimiter={typed}: must be auto, tab, space or one character.")
    better = sniffed(lines)
    if set(_widths(lines, delimiter)) == {1} and _widths(lines, better)[:1] not in ([1], []):
        raise AerunError(
            f"dataset.delimiter={typed}: not in the first line of {path} outside of quotes; '{better}' cuts it into fields. "
            "Try auto."
        )
