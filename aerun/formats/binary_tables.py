"""Tables in parquet, feather and xlsx files, where what reads them is installed."""

import logging
import zipfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from aerun.core.errors import AerunError
from aerun.core.memory import refuse_beyond
from aerun.formats.column import MISSING, finite
from aerun.formats.frame import Column, Frame, moved
from aerun.formats.reading import Reading, checked_names
from aerun.formats.text_rows import Row

log = logging.getLogger("aerun")


def needed(module: str, path: Path) -> Any:
    """An optional module, else AerunError that says how to get it."""
    try:
        return import_module(module)
    except ImportError as e:
        package = module.partition(".")[0]
        raise AerunError(f"{path}: reading it needs {package}, which is not installed: pip install 'aerun[data]'") from e


def sheet(path: Path) -> Iterator[Row]:
    """Rows of the first sheet of an xlsx file, as text."""
    openpyxl = needed("openpyxl", path)
    try:
        with zipfile.ZipFile(path) as packed:
            refuse_beyond(str(path), sum(part.file_size for part in packed.infolist()))
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except (zipfile.BadZipFile, KeyError, ValueError) as e:
        raise AerunError(f"{path}: not an xlsx file, or damaged: {e}.") from e
    if len(book.worksheets) > 1:
        log.warning("%s has %d sheets; the first, '%s', is read.", path, len(book.worksheets), book.worksheets[0].title)
    width = 0
    for line, cells in enumerate(book.worksheets[0].iter_rows(values_only=True), 1):
        found = [_cell(v) for v in cells]
        if not any(found):
            continue
        width = width or max(i for i, v in enumerate(found, 1) if v)
        yield line, (found + [""] * width)[: max(width, max(i for i, v in enumerate(found, 1) if v))]


def _cell(value: Any) -> str:
    """A cell of a sheet as text: dates in ISO 8601, nothing as the empty word."""
    if value is None:
        return ""
    return str(value.isoformat()) if type(value).__name__ in ("datetime", "date") else str(value)


def arrow(path: Path, suffix: str, reading: Reading) -> Frame:
    """A parquet or feather file."""
    pa = needed("pyarrow", path)
    try:
        table = _parquet(path) if suffix in (".parquet", ".pq") else _feather(path)
    except (pa.ArrowException, OSError) as e:
        raise AerunError(f"{path}: not a {suffix.removeprefix('.')} file, or damaged: {str(e).splitlines()[0]}") from e
    given = [str(n) for n in table.column_names]
    names = checked_names(str(path), ["" if n.startswith("__index_level_") else n for n in given], reading)  # pandas' index
    kept = {n: c for n, c in zip(names, table.columns, strict=True) if n not in reading.drop}
    if not table.num_rows:
        raise AerunError(f"{path}: has no rows.")
    columns = {n: _column(pa, str(path), n, values) for n, values in kept.items()}
    columns = {n: c.as_text() if n in reading.text else c for n, c in columns.items()}
    return Frame(columns, ((str(path), table.num_rows),))


def _parquet(path: Path) -> Any:
    file = needed("pyarrow.parquet", path).ParquetFile(path, page_checksum_verification=True)
    refuse_beyond(str(path), 20.0 * file.metadata.num_rows * file.metadata.num_columns)
    return file.read()


def _feather(path: Path) -> Any:
    pa = needed("pyarrow", path)
    with pa.memory_map(str(path)) as source:
        file = pa.ipc.open_file(source)
        batches = []
        for i in range(file.num_record_batches):
            batches.append(file.get_batch(i))
            refuse_beyond(str(path), 20.0 * sum(b.num_rows for b in batches) * len(file.schema))
        return pa.Table.from_batches(batches, file.schema)


def _column(pa: Any, file: str, name: str, values: Any) -> Column:
    """A column of Arrow's as one of ours."""
    t, is_ = values.type, pa.types
    if is_.is_dictionary(t):
        return _column(pa, file, name, values.cast(t.value_type))
    if is_.is_timestamp(t) or is_.is_date(t):
        moments = values.cast(pa.timestamp("us", tz=t.tz if is_.is_timestamp(t) else None)).cast(pa.int64())
        return Column("date", _doubles(pa, moments) / 1e6)
    if is_.is_string(t) or is_.is_large_string(t):
        return _text(values.combine_chunks().dictionary_encode())
    if is_.is_null(t) or is_.is_boolean(t) or is_.is_integer(t) or is_.is_floating(t) or is_.is_decimal(t):
        return Column("number", finite(file, name, _doubles(pa, values)))
    raise AerunError(
        f"{file}: column '{name}' holds {t}: neither numbers, dates nor text. dataset.drop=[{name}] leaves it out."
    )


def _doubles(pa: Any, values: Any) -> Any:
    """As float64, NaN where there is no value."""
    whole = values.cast(pa.uint8()) if pa.types.is_boolean(values.type) else values
    return np.array(whole.cast(pa.float64(), safe=False).to_numpy(), dtype=np.float64)


def _text(encoded: Any) -> Column:
    words = [str(w).strip() for w in encoded.dictionary.to_pylist()]
    known = {w: place for place, w in enumerate(dict.fromkeys(w for w in words if w.lower() not in MISSING))}
    places = np.array(encoded.indices.to_numpy(zero_copy_only=False), dtype=np.float64)
    to = [known.get(w, -1) for w in words]
    values = moved(places, to)
    return Column("text", np.where(values < 0, np.nan, values), tuple(known))
