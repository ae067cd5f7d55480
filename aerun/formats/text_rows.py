"""Rows of text files with a delimiter."""

import codecs
import csv
import gzip
import zlib
from collections.abc import Callable, Iterator
from itertools import chain, islice
from pathlib import Path

from aerun.core.errors import AerunError

_LINE, _PEEK = 16 << 20, 64  # bytes of a line at most; lines looked at first
_DELIMITERS = (",", ";", "\t", "|")
_SPOKEN = {"tab": "\t", "\\t": "\t", "space": " "}

Row = tuple[int, list[str]]  # line number, cells


def rows_of(path: Path, encoding: str, delimiter: str) -> Iterator[Row]:
    """Rows of a text file (unpacked where its name ends in .gz), blank lines left out. AerunError names the line."""
    lines = lines_of(path, encoding)
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
            raise AerunError(f"{path}, line {reader.line_num}: {str(e).rstrip('.?')}.") from e
        if row:
            yield reader.line_num, row


def sniffed(lines: list[str]) -> str:
    """The delimiter that cuts the lines into equally many fields, as many as can be; else the one that cuts the first most."""
    widths = {d: _widths(lines, d) for d in (*_DELIMITERS, " ")}
    whole = {d: found[:-1] if len(lines) == _PEEK else found for d, found in widths.items()}  # the last may be cut in a quote
    even = [d for d, found in whole.items() if len(set(found)) == 1 and found[0] > 1]
    if even == [" "]:
        return " "
    return max([d for d in even if d != " "] or _DELIMITERS, key=lambda d: widths[d][0] if widths[d] else 0)


def _widths(lines: list[str], delimiter: str) -> list[int]:
    try:
        return [len(row) for row in csv.reader(lines, delimiter=delimiter, skipinitialspace=True) if row]
    except csv.Error:
        return []


def _refuse_delimiter(path: Path, lines: list[str], delimiter: str, typed: str) -> None:
    if len(delimiter) != 1 or delimiter in '\r\n"':
        raise AerunError(f"dataset.delimiter={typed}: must be auto, tab, space or one character.")
    better = sniffed(lines)
    if _widths(lines, delimiter)[:1] == [1] and _widths(lines, better)[:1] not in ([1], []):
        raise AerunError(
            f"dataset.delimiter={typed}: not in the first line of {path} outside of quotes; '{better}' cuts it into fields. "
            "Try auto."
        )


def lines_of(path: Path, encoding: str) -> Iterator[str]:
    """Decoded lines of a file or of what it unpacks to, each of bounded length."""
    _refuse_encoding(encoding)
    number = 0
    opened: Callable[..., gzip.GzipFile] = gzip.open if path.name.endswith(".gz") else open  # type: ignore[assignment]
    with opened(path, "rb") as f:
        try:
            while line := f.readline(_LINE):
                number += 1
                if len(line) == _LINE:
                    raise AerunError(f"{path}, line {number}: longer than {_LINE >> 20} MiB: not a table.")
                yield line.decode("utf-8-sig" if number == 1 and encoding == "utf-8" else encoding)
        except UnicodeDecodeError as e:
            raise AerunError(
                f"{path}, line {number}: not {encoding} text ({e.reason} at byte {e.start}). Save it as UTF-8, or try "
                "dataset.encoding=cp1252."
            ) from e
        except (gzip.BadGzipFile, EOFError, zlib.error) as e:
            raise AerunError(f"{path}: truncated or damaged after line {number}: {str(e).rstrip('.')}.") from e


def _refuse_encoding(encoding: str) -> None:
    try:
        plain = codecs.lookup(encoding).name and "a\n".encode(encoding) == b"a\n"
    except (LookupError, UnicodeError) as e:
        raise AerunError(f"dataset.encoding={encoding}: no such encoding; such as utf-8, cp1252, latin-1.") from e
    if not plain:
        raise AerunError(f"dataset.encoding={encoding}: lines cannot be told apart in it; save the file as UTF-8.")
