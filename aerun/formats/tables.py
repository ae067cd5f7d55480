"""Tables in files: which reader a file needs, and from rows of cells to columns."""

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path

from aerun.core.errors import AerunError
from aerun.core.memory import refuse_beyond
from aerun.formats import binary_tables
from aerun.formats.column import Cells, is_number
from aerun.formats.frame import Frame
from aerun.formats.reading import Reading, checked_names
from aerun.formats.text_rows import Row, rows_of

_CHUNK = 65_536  # rows read at a time
TEXT = (".csv", ".tsv", ".txt", ".dat", ".data")
BINARY = (".parquet", ".pq", ".feather", ".arrow", ".xlsx")


def read_table(key: str, path: Path, reading: Reading) -> Frame:
    """The table in the file that the setting `key` names. AerunError names the line, row or column that is wrong."""
    if not path.is_file():
        raise AerunError(f"{key}={path}: {'is a folder; a table is one file' if path.is_dir() else 'no such file'}.")
    name = path.name.removesuffix(".gz")
    suffix = Path(name).suffix.lower()
    if suffix in (".npy", ".npz", ".safetensors"):
        raise AerunError(f"{key}={path}: holds arrays. Use dataset=array dataset.path={path}.")
    if suffix not in TEXT + BINARY or (suffix in BINARY and name != path.name):
        raise AerunError(
            f"{key}={path}: a table's name ends in {', '.join(TEXT)}, one of these and .gz, or {', '.join(BINARY)}."
        )
    try:
        return _read(path, suffix, reading)
    except OSError as e:
        raise AerunError(f"{key}={path}: cannot be read: {e.strerror or e}.") from e


def _read(path: Path, suffix: str, reading: Reading) -> Frame:
    if suffix in TEXT:
        return table_of(rows_of(path, reading.encoding, reading.delimiter), str(path), reading)
    if suffix == ".xlsx":
        return table_of(binary_tables.sheet(path), str(path), reading)
    return binary_tables.arrow(path, suffix, reading)


def table_of(rows: Iterable[Row], file: str, reading: Reading) -> Frame:
    """Rows of cells -> columns."""
    rows = iter(rows)
    first = next(rows, None)
    if first is None:
        raise AerunError(f"{file}: is empty.")
    headed = reading.header == "true" or (reading.header == "auto" and not all(is_number(cell) for cell in first[1]))
    names = [c.strip() for c in first[1]] if headed else [f"c{i + 1}" for i in range(len(first[1]))]
    names = checked_names(file, names, reading)
    columns = {n: Cells(file, n, n in reading.text) for n in names if n not in reading.drop}
    count, even = 0, _even(rows if headed else chain([first], rows), file, len(names))
    while chunk := list(islice(even, _CHUNK)):
        count += len(chunk)
        refuse_beyond(file, 12.0 * count * len(columns))  # 8 bytes a cell here, 4 as a sample
        for name, cells in zip(names, zip(*chunk, strict=True), strict=True):
            if name in columns:
                columns[name].add(cells)
    if not count:
        raise AerunError(f"{file}: has a header and no rows.")
    return Frame({n: c.column() for n, c in columns.items()}, ((file, count),))


def _even(rows: Iterable[Row], file: str, width: int) -> Iterator[list[str]]:
    for line, row in rows:
        if len(row) != width:
            raise AerunError(
                f"{file}, line {line}: {len(row)} fields, and {width} in the first line. Quote fields that hold the delimiter."
            )
        yield row
