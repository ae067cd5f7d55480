"""Rows of text files with a delimiter."""

import csv
from collections import Counter
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

from aerun.core.errors import AerunError
from aerun.formats.cells import unguarded
from aerun.formats.text_lines import lines_of

__all__ = ["Row", "lines_of", "rows_of", "sniffed"]

_PEEK = 64  # lines looked at first
_SEPARATE = ("\t", ";", "|")  # seldom in cells, so that they go before the comma, which may be a decimal sign
_SPOKEN = {"tab": "\t", "\\t": "\t", "space": " "}

Row = tuple[int, list[str]]  # line number, cells


def rows_of(path: Path, encoding: str, delimiter: str, skip: int = 0) -> Iterator[Row]:
    """Yield the rows of a text file (unpacked where its name ends in .gz) behind its first `skip` lines, blank lines left out.

    AerunError names the line.
    """
    lines = lines_of(path, encoding)
    for _ in islice(lines, skip):
        pass
    head = list(islice(lines, _PEEK))
    if delimiter == "auto":
        chosen = "\t" if path.name.removesuffix(".gz").lower().endswith(".tsv") else sniffed(head)
    else:
        chosen = _SPOKEN.get(delimiter, delimiter)
        _refuse_delimiter(path, head, chosen, delimiter)
    reader = csv.reader(chain(head, lines), delimiter=chosen, skipinitialspace=True)
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as e:
            raise AerunError(f"{path}, line {reader.line_num + skip}: {str(e).rstrip('.?')}.") from e
        if row:
            yield reader.line_num + skip, unguarded(row)


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
