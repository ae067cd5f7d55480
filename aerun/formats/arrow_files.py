"""Tables of Arrow's kind piece by piece: row groups of parquet, batches of feather, arrow and HuggingFace's files."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from aerun.core.errors import AerunError
from aerun.core.memory import refuse_beyond, trim_heap
from aerun.formats.limits import typed_size
from aerun.formats.optional import needed
from aerun.formats.reading import duplicates

SUFFIXES = (".parquet", ".pq", ".feather", ".arrow")
_ROWS = 65_536  # of a piece at most
_CELLS = 2_000_000  # of a piece, about
_BUFFER = 65_536  # bytes of each column that are read at a time: without, it is all of a row group
_TOGETHER = 8_000_000  # bytes of a row group whose columns are read together: all of their dictionaries are held


def is_parquet(path: Path) -> bool:
    """Return whether a file is parquet by its name."""
    return path.suffix.lower() in (".parquet", ".pq")


def heads(path: Path) -> tuple[dict[str, str], int]:
    """Return the columns of a file with Arrow's words for their types, and the number of rows. Nothing else is read."""
    with in_words(f"{path}: not a {path.suffix.lower().removeprefix('.')} file, or"), _file(path) as file:
        if is_parquet(path):
            schema, rows = file.schema_arrow, file.metadata.num_rows
        elif hasattr(file, "num_record_batches"):
            schema = file.schema
            rows = sum(file.get_batch(i).num_rows for i in range(file.num_record_batches))
        else:
            schema = file.schema
            rows = sum(batch.num_rows for batch in file)
    if twice := duplicates(field.name for field in schema):
        raise AerunError(f"{path}: two columns are named '{twice[0]}'.")
    return {field.name: str(field.type) for field in schema}, rows


def whole(path: Path) -> Any:
    """Return a file as one table, refused where it does not fit into memory."""
    pa = needed("pyarrow", path)
    columns, rows = heads(path)
    refuse_beyond(str(path), typed_size(rows, len(columns)))
    parts = [table for _, table in batches(path, list(columns))]
    return pa.concat_tables(parts) if parts else pa.table({name: [] for name in columns})


def batches(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """Yield the columns in tables of at most 65,536 rows and about two million cells, each with words that say where it is."""
    pa = needed("pyarrow", path)
    with _file(path) as file:
        for where, batch in _parts(path, file, columns):
            table = pa.Table.from_batches([batch]) if isinstance(batch, pa.RecordBatch) else batch
            table = table.select(list(columns))
            yield where, named_classes(table)


def columns_in_turn(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, int, Any]]:
    """Yield all cells in tables of some of the columns each: words that say where it is, the number of its first row, it.

    A row group of parquet comes a few columns after the other, about 8 MB of it at a time: of all columns at once it would be
    held as a whole, however few rows are taken.
    """
    pa = needed("pyarrow", path)
    if not is_parquet(path):
        start = 0
        for where, table in batches(path, columns):
            yield where, start, table
            start += table.num_rows
        return
    with _file(path) as file:
        start = 0
        for number in range(file.metadata.num_row_groups):
            for some in _together(file.metadata.row_group(number), columns):
                row = start
                for where, batch in _of_group(path, file, number, some):
                    yield where, row, named_classes(pa.Table.from_batches([batch]).select(some))
                    row += batch.num_rows
            start += file.metadata.row_group(number).num_rows


def _together(group: Any, columns: Sequence[str]) -> list[list[str]]:
    """Return the columns in lists, of each of which the row group holds at most about 8 MB."""
    sizes = dict.fromkeys(columns, 0)
    for i in range(group.num_columns):
        chunk = group.column(i)
        name = chunk.path_in_schema
        while name not in sizes and "." in name:  # a field of a column of records
            name = name.rpartition(".")[0]
        if name in sizes:
            sizes[name] += chunk.total_uncompressed_size
    lists, taken = list[list[str]]([[]]), 0
    for name, size in sizes.items():
        if lists[-1] and taken + size > _TOGETHER:
            lists.append([])
            taken = 0
        lists[-1].append(name)
        taken += size
    return lists


def release() -> None:
    """Return what Arrow and the C library have freed to the system."""
    needed("pyarrow", Path()).default_memory_pool().release_unused()
    trim_heap()


def _of_group(path: Path, file: Any, number: int, columns: Sequence[str]) -> Iterator[tuple[str, Any]]:
    where = f"{path}, row group {number + 1}"
    make = partial(file.iter_batches, _rows(columns), row_groups=[number], columns=list(columns))
    for batch in _each(where, make):
        yield where, batch


def _rows(columns: Sequence[str]) -> int:
    return max(1, min(_ROWS, _CELLS // max(1, len(columns))))


def _parts(path: Path, file: Any, columns: Sequence[str]) -> Iterator[tuple[str, Any]]:
    if is_parquet(path):
        for number in range(file.metadata.num_row_groups):
            yield from _of_group(path, file, number, columns)
        return
    rows = _rows(columns)
    if hasattr(file, "num_record_batches"):
        for i in range(file.num_record_batches):
            where = f"{path}, batch {i + 1}"
            for batch in _each(where, partial(_one, file, i)):
                yield from _slices(where, batch, rows)
        return
    for batch in _each(str(path), lambda: iter(file)):
        yield from _slices(str(path), batch, rows)


def _one(file: Any, number: int) -> Iterator[Any]:
    yield file.get_batch(number)


def _slices(where: str, batch: Any, rows: int) -> Iterator[tuple[str, Any]]:
    for first in range(0, batch.num_rows, rows):
        yield where, batch.slice(first, rows)


def _each(where: str, make: Callable[[], Iterator[Any]]) -> Iterator[Any]:
    """Yield checked batches. AerunError, with the words `where`, for damaged ones."""
    with in_words(f"{where}:"):
        for batch in make():
            batch.validate(full=True)
            yield batch


@contextmanager
def in_words(where: str) -> Iterator[None]:
    """Raise AerunError for what Arrow says of damaged bytes."""
    pa = needed("pyarrow", where.partition(":")[0])
    try:
        yield
    except AerunError:
        raise
    except (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError) as e:
        raise AerunError(f"{where} damaged: {(str(e) or type(e).__name__).splitlines()[0]}") from e


def _file(path: Path) -> Any:
    """Open a file of any of the kinds; an arrow file may also be a stream, as HuggingFace writes it."""
    pa = needed("pyarrow", path)
    with in_words(f"{path}: not a {path.suffix.lower().removeprefix('.')} file, or"):
        if is_parquet(path):
            return needed("pyarrow.parquet", path).ParquetFile(path, buffer_size=_BUFFER, page_checksum_verification=True)
        source = pa.memory_map(str(path))
        whole = source.read(6) == b"ARROW1"
        source.seek(0)
        return pa.ipc.open_file(source) if whole else pa.ipc.open_stream(source)


def class_columns(path: Path) -> list[str]:
    """Return the columns of a file whose numbers HuggingFace's notes name as classes."""
    with _file(path) as file:
        return list(_class_names(file.schema_arrow if is_parquet(path) else file.schema))


def named_classes(table: Any) -> Any:
    """Return a table in which HuggingFace's numbers of classes are the names that the file's own notes give them."""
    for name, words in _class_names(table.schema).items():
        if name not in table.column_names:
            continue
        pa = needed("pyarrow", name)
        at, column = table.column_names.index(name), table.column(name)
        named = [None if v is None or not 0 <= v < len(words) else words[v] for v in column.to_pylist()]
        table = table.set_column(at, name, pa.array(named, pa.string()).dictionary_encode())
    return table


def _class_names(schema: Any) -> dict[str, list[str]]:
    notes = getattr(schema, "metadata", None) or {}
    try:
        features = json.loads(notes.get(b"huggingface", b"{}"))["info"]["features"]
        return {
            str(name): [str(n) for n in about["names"]]
            for name, about in features.items()
            if isinstance(about, dict) and about.get("_type") == "ClassLabel" and isinstance(about.get("names"), list)
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}
