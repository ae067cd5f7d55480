"""Tables in files: which reader a file needs, and from rows of cells to columns."""

import logging
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

from aerun.core.errors import AerunError
from aerun.core.memory import refuse_beyond, trim_heap
from aerun.formats import arrow_files, binary_tables
from aerun.formats.carried import as_words
from aerun.formats.column import Cells
from aerun.formats.compact_dates import are_compact_dates
from aerun.formats.compressed import PACKED, bare_suffix, packing
from aerun.formats.frame import Column, Frame
from aerun.formats.header import refuse_nothing
from aerun.formats.json_rows import SUFFIXES as JSON
from aerun.formats.json_rows import json_rows, json_stream
from aerun.formats.limits import SAMPLE, Limits
from aerun.formats.meaning import column_of, style_of
from aerun.formats.number_words import is_number
from aerun.formats.opening import Body, Head, opened
from aerun.formats.problems import Problem, UnclearError
from aerun.formats.reading import Reading, checked_names, without_marks
from aerun.formats.room import DiskRoom
from aerun.formats.sheets import sheet
from aerun.formats.spool import Spool
from aerun.formats.text_blocks import Block
from aerun.formats.text_lines import lines_of
from aerun.formats.text_rows import Row, text_table

_CHUNK = 32_768  # rows read at a time, at most
_CELLS = 500_000  # cells read at a time: as Python's words they take some 50 MB
_KEPT = 16_000_000  # freed bytes that may wait for their next use
TEXT = (".csv", ".tsv", ".txt", ".dat", ".data", *JSON)
BINARY = (*arrow_files.SUFFIXES, ".xlsx")

log = logging.getLogger("aerun")


def read_table(key: str, path: Path, reading: Reading, bounds: Limits | None = None) -> Frame:
    """Return the table in the file that the setting `key` names. AerunError names the line, row or column that is wrong.

    bounds: how much rows of cells may take; what is beyond is kept on disk.
    """
    return _of_file(key, path, reading, partial(_read, bounds))


def table_pieces(key: str, path: Path, reading: Reading, rows: int) -> Iterator[Frame]:
    """Yield the table of a file in pieces of `rows` rows, each decided by the formats that `reading` knows.

    Errors as for `read_table`; a text file may also be standard input.
    """
    piped = is_stream(path)
    if not piped and bare_suffix(path) not in (*TEXT, ".xlsx"):
        yield read_table(key, path, reading)
        return
    typed = is_typed(path)
    head, body, reading = _of_file(key, path, reading, begun, piped)
    first = 1
    try:
        while True:
            where = str(path) if first == 1 else f"{path}, from row {first} on"
            columns = _gathered(where, head, body, reading, typed, rows=rows)
            if not columns.count:
                break
            yield columns.frame()
            first += columns.count
    except OSError as e:
        raise AerunError(f"{key}={path}: cannot be read: {e.strerror or e}.") from e
    refuse_nothing(str(path), first - 1)


def _of_file(key: str, path: Path, reading: Reading, read: Callable[[Path, str, Reading], Any], piped: bool = False) -> Any:
    """Return `read` of a file of a kind that is known. AerunError for others, and where the system refuses it."""
    if not path.is_file() and not piped:
        raise AerunError(f"{key}={path}: {'is a folder; a table is one file' if path.is_dir() else 'no such file'}.")
    suffix = bare_suffix(path)
    if suffix in (".npy", ".npz", ".safetensors", ".h5", ".hdf5"):
        raise AerunError(f"{key}={path}: holds arrays. Use dataset=array dataset.path={path}.")
    if not piped and (suffix not in TEXT + BINARY or (suffix in BINARY and packing(path))):
        packed = f"one of these and {', '.join(PACKED)}"
        raise AerunError(f"{key}={path}: a table's name ends in {', '.join(TEXT)}, {packed}, or {', '.join(BINARY)}.")
    try:
        return read(path, suffix, reading)
    except OSError as e:
        raise AerunError(f"{key}={path}: cannot be read: {e.strerror or e}.") from e


def is_stream(path: Path) -> bool:
    """Return whether a path is no file but what another program writes: standard input, a pipe, <(...) of a shell."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return path.name == "stdin" or stat.S_ISFIFO(mode) or stat.S_ISCHR(mode) or stat.S_ISSOCK(mode)


def is_typed(path: Path) -> bool:
    """Return whether the cells of a file that is read row by row say themselves whether they are numbers."""
    return bare_suffix(path) in (".xlsx", *JSON)


def _rows(path: Path, suffix: str, reading: Reading, given: Iterator[str] | None) -> tuple[Iterator[Row], Reading]:
    """Return the rows of a file, and the reading with its delimiter and its encoding decided."""
    skip = 0 if reading.skip == "auto" else int(reading.skip)
    if suffix == ".xlsx":
        return islice(sheet(path), skip, None), reading
    table = text_table(path, reading.encoding, reading.delimiter, skip, reading.usual, given)
    return table.rows, replace(reading, delimiter=table.delimiter, decoded=table.encoding)


def _read(bounds: Limits | None, path: Path, suffix: str, reading: Reading) -> Frame:
    if suffix in TEXT or suffix == ".xlsx":
        head, body, reading = begun(path, suffix, reading)
        return columns_of(str(path), head, body, reading, is_typed(path), bounds)
    return from_arrow(arrow_files.whole(path), str(path), reading)


def columns_of(file: str, head: Head, body: Iterator[list[Any]], reading: Reading, typed: bool, bounds: Limits | None) -> Frame:
    """Return rows of cells below their head as columns, on disk where they take more than `bounds` allows.

    typed: numbers are numbers, and no words in which a decimal sign is to be told.
    """
    gathered = _gathered(file, head, body, reading, typed, bounds)
    refuse_nothing(file, gathered.count)
    return gathered.frame()


def from_arrow(table: Any, file: str, reading: Reading) -> Frame:
    """Return a table of Arrow's as ours; words in it are read as the cells of a text file are."""
    heads = [str(n) for n in table.column_names]
    names, reading = checked_names(file, ["" if n.startswith("__index_level_") else n for n in heads], reading)  # pandas' index
    if not table.num_rows:
        raise AerunError(f"{file}: has no rows.")
    columns = dict(zip(names, table.columns, strict=True))
    return _decided(file, table.num_rows, reading, names, lambda n: columns[n])


def from_columns(columns: dict[str, Any], file: str, rows: int, reading: Reading) -> Frame:
    """Return columns in memory as a table: arrays, series and lists of numbers, words and dates, typed as they come."""
    names, reading = checked_names(file, list(columns), reading)
    return _decided(file, rows, reading, names, lambda n: columns[n])


def _decided(file: str, rows: int, reading: Reading, names: Sequence[str], get: Callable[[str], Any]) -> Frame:
    """Return columns that a typed container holds: numbers, dates and truth values as they are, words by what they mean."""
    plain: dict[str, Column] = {}
    worded: dict[str, Cells] = {}
    wanted = [n for n in names if reading.wants(n)]
    for name in wanted:
        values = get(name)
        column = binary_tables.typed_column(file, name, values, reading.keeps_digits(name))
        if isinstance(column, Column):
            plain[name] = column
        else:
            cells = cells_for(file, name, reading)
            if not cells.format and binary_tables.is_categorical(values):
                cells.format = "text"
            cells.add(column)
            worded[name] = cells
    columns, reading = by_meaning(file, worded, reading)
    formats = {n: c.kind for n, c in plain.items()} | dict(reading.formats)
    plain = {n: _unmarked(c, reading) for n, c in plain.items()}
    together = {n: plain[n] if n in plain else columns[n] for n in wanted}
    carried = {n: as_words(get(n)) for n in _carried(names, reading)}
    return Frame(together, ((file, rows),), replace(reading, formats=formats), carried)


def _carried(names: Sequence[str], reading: Reading) -> list[str]:
    """Return the columns whose cells are kept as they are written, in the order of the file."""
    return [n for n in names if n in reading.carried]


def begun(path: Path, suffix: str, reading: Reading) -> tuple[Head, Iterator[list[Any]], Reading]:
    """Return the names and the rows of a file of cells, and the reading with what its first lines decide."""
    if suffix in JSON and not is_stream(path):
        names, records, reading = json_rows(path, replace(reading, header="true"))
        return Head(names), records, reading
    given = None
    if is_stream(path):
        lines = lines_of(path, reading.encoding)
        first = next(lines, "")
        given = chain([first] if first else [], lines)
        if first.lstrip().startswith(("{", "[{")) or first.strip() == "[":
            names, records, reading = json_stream(path, given, replace(reading, header="true"))
            return Head(names), records, reading
    rows, reading = _rows(path, suffix, reading, given)
    return opened(rows, str(path), reading)


def cells_for(file: str, name: str, reading: Reading) -> Cells:
    """Return a column to which cells are added, with what is known of it."""
    known = "text" if name in reading.text else reading.formats.get(name, "")
    return Cells(file, name, known, reading.decimal, reading.missing, reading.may_be_codes(name), reading.dates)


@dataclass
class _Gathered:
    """The columns of so many rows, as far as they were read, and the cells of those that are kept as they are written."""

    file: str
    reading: Reading
    columns: dict[str, Cells]
    kept: dict[str, list[Any]]
    count: int = 0
    spool: Spool | None = None

    def frame(self) -> Frame:
        """Return them as a table."""
        if self.spool is not None:
            room = DiskRoom(self.file, self.count, len(self.columns), self.spool.folder)
            for i, cells in enumerate(self.columns.values()):
                cells.place = room.column(i)
        converted, reading = by_meaning(self.file, self.columns, self.reading)
        if self.spool is not None:
            trim_heap()
        return Frame(converted, ((self.file, self.count),), reading, {n: as_words(cells) for n, cells in self.kept.items()})

    def add(self, names: Sequence[str], chunk: Block | list[list[Any]]) -> None:
        """Take rows."""
        _add(self.columns, names, chunk)
        for name, cells in self.kept.items():
            place = names.index(name)
            cells.extend(chunk.columns[place] if isinstance(chunk, Block) else (row[place] for row in chunk))
        self.count += len(chunk)


def _gathered(
    file: str,
    head: Head,
    body: Iterator[list[Any]],
    reading: Reading,
    typed: bool,
    bounds: Limits | None = None,
    rows: int | None = None,
) -> _Gathered:
    """Return all rows of a body, or the next `rows`."""
    wanted = [n for n in head.names if reading.wants(n)]
    kept: dict[str, list[Any]] = {n: [] for n in _carried(head.names, reading)}
    found = _Gathered(file, reading, {n: cells_for(file, n, reading) for n in wanted}, kept)
    while (rows is None or found.count < rows) and len(chunk := _chunk(head.names, body, found, rows)):
        refuse_beyond(file, _size(found.columns, 0 if found.spool else found.count + len(chunk)))
        first = not found.count
        found.add(head.names, chunk)
        if first and not typed and reading.decimal == "auto" and _shows_comma(list(found.columns.values())):
            found.reading = replace(reading, decimal=",")  # from now on read as numbers at once, and not as words first
            found.columns = {n: cells_for(file, n, found.reading) for n in wanted}
            _add(found.columns, head.names, chunk)
        if bounds is not None and found.spool is None and _size(found.columns, found.count) > bounds.memory:
            found.spool = Spool(bounds.folder)
            for cells in found.columns.values():
                cells.move_to(found.spool)
    return found


def _chunk(names: Sequence[str], body: Iterator[list[Any]], found: _Gathered, rows: int | None) -> Block | list[list[Any]]:
    """Return the next rows, where it can be as columns: behind the first ones of a file nothing is known of."""
    most = max(1, min(_CHUNK, _CELLS // max(1, len(names))))
    left = most if rows is None else rows - found.count
    known = found.reading.decimal != "auto" or (rows is None and found.count > 0)
    if known and isinstance(body, Body):
        plain = {n for n, cells in found.columns.items() if cells.holds_numbers and n not in found.kept}
        block = body.block({i for i, n in enumerate(names) if n in plain}, found.reading.missing, rows and left)
        if block is not None:
            return block
    return list(islice(body, min(most, left)))


def _size(columns: dict[str, Cells], rows: int) -> float:
    """Return what columns take in memory, with so many rows of samples."""
    return sum(c.nbytes for c in columns.values()) + float(SAMPLE) * rows * len(columns)


def _add(columns: dict[str, Cells], names: Sequence[str], chunk: Block | list[list[Any]]) -> None:
    cells_of = chunk.columns if isinstance(chunk, Block) else zip(*chunk, strict=True)
    for name, cells in zip(names, cells_of, strict=True):
        if name in columns:
            columns[name].add(cells)


def _shows_comma(columns: Sequence[Cells]) -> bool:
    try:
        return style_of(columns, "auto", "dmy").decimal == ","
    except UnclearError:
        return False


def _unmarked(column: Column, reading: Reading) -> Column:
    """Return a column of numbers without those that stand for no value."""
    if column.kind != "number" or not any(map(is_number, reading.missing)):
        return column
    return Column("number", without_marks(column.values, reading.missing))


def by_meaning(file: str, columns: dict[str, Cells], reading: Reading) -> tuple[dict[str, Column], Reading]:
    """Return columns by what all their cells mean, and the reading with that.

    Raises UnclearError, which names every column that is unclear.
    """
    style = style_of(list(columns.values()), reading.decimal, reading.dates)
    converted: dict[str, Column] = {}
    formats: dict[str, str] = {}
    problems: list[Problem] = []
    freed = 0
    for name in list(columns):
        freed += columns[name].nbytes
        try:
            converted[name], formats[name] = column_of(columns.pop(name), style)
        except UnclearError as e:
            problems += e.problems
        if freed > _KEPT:  # the pieces of which columns were made are small, and stay with the process otherwise
            trim_heap()
            freed = 0
    if problems:
        raise UnclearError(problems)
    for name, column in converted.items():
        if not reading.formats and column.kind == "number" and are_compact_dates(column.values):
            words = "%s: column '%s' is read as numbers; if it holds days, as YYYYMMDD, write them as YYYY-MM-DD."
            log.warning(words, file, name)
    return converted, replace(
        reading, decimal=style.decimal, dates=style.order or reading.dates, formats={**reading.formats, **formats}
    )
