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


def is_parquet(path: Path) -> bool:
    """Return whether a file is parquet by its name."""
    return path.suffix.lower() in (".parquet", ".pq")


def heads(path: Path) -> tuple[dict[str, str], int]:
    """Return the columns of a file with Arrow's words for their types, and the number of rows. Nothing else is read."""
    with _in_words(f"{path}: not a {path.suffix.lower().removeprefix('.')} file, or"), _file(path) as file:
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


def release() -> None:
    """Return what Arrow and the C library have freed to the system."""
    needed("pyarrow", Path()).default_memory_pool().release_unused()
    trim_heap()


def _parts(path: Path, file: Any, columns: Sequence[str]) -> Iterator[tuple[str, Any]]:
    rows = max(1, min(_ROWS, _CELLS // max(1, len(columns))))
    if is_parquet(path):
        for group in range(file.metadata.num_row_groups):
            where = f"{path}, row group {group + 1}"
            for batch in _each(where, partial(file.iter_batches, rows, row_groups=[group], columns=list(columns))):
                yield where, batch
        return
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
    with _in_words(f"{where}:"):
        for batch in make():
            batch.validate(full=True)
            yield batch


@contextmanager
def _in_words(where: str) -> Iterator[None]:
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
    with _in_words(f"{path}: not a {path.suffix.lower().removeprefix('.')} file, or"):
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
