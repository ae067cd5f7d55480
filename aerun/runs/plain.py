"""Plain data out of a run's files, which may be a stranger's: bounded in size, depth and number before they take memory.

Files are opened by `aerun.runs.files`. What is beyond a bound is refused in words.
"""

import csv
import io
import json
import math
import os
import struct
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn, TypeVar

from aerun.core.errors import AerunError
from aerun.runs import files

if TYPE_CHECKING:
    from numpy.typing import NDArray

DEPTH = 40  # At most so many tables are inside each other.
_ITEMS = 1_000_000  # The most items of a JSON file; each takes about 100 bytes of memory.
_JSON = 16 * files.MEGABYTE
ARRAYS = 64 * files.MEGABYTE
_CSV, _LINE = 32 * files.MEGABYTE, files.MEGABYTE
_ROWS, _COLUMNS = 200_000, 500  # Limits of metrics.csv, which has a row an epoch.
_PNG, _SIDE = 2 * files.MEGABYTE, 16_384  # Limits of a picture: its bytes, and the pixels of a side.
_SIGNATURE = b"\x89PNG\r\n\x1a\n"

Value = TypeVar("Value")


def line_of(e: BaseException) -> str:
    """Return an error's first line, and the next where that ends in a colon."""
    first, *rest = [line.strip() for line in (str(e).strip() or type(e).__name__).splitlines()]
    return (f"{first} {rest[0]}" if first.endswith(":") and rest else first).rstrip(".")


def refuse_damaged(folder: Path, name: str, why: str) -> NoReturn:
    """Raise AerunError that says what is wrong with a file."""
    raise AerunError(f"{folder / name}: damaged: {why}.")


# -- JSON ------------------------------------------------------------------------------------------------------------


def json_table(folder: Path, name: str) -> dict[str, Any]:
    """Return the table that a JSON file holds, {} where the file is not there or is no JSON.

    Raises AerunError for a file beyond the bounds.
    """
    try:
        content = files.read(folder, name, _JSON)
        if sum(map(content.count, (b",", b"[", b"{"))) > _ITEMS:
            raise AerunError(f"{folder / name}: holds more than {_ITEMS:,} values; it is not read.")
        table = json.loads(content)
    except (FileNotFoundError, NotADirectoryError, ValueError, RecursionError):
        return {}
    if not isinstance(table, dict):
        return {}
    if _deep(table):
        raise AerunError(f"{folder / name}: has tables in tables more than {DEPTH} deep; it is not read.")
    return table


def _deep(table: Any) -> bool:
    level = [table]
    for _ in range(DEPTH):
        level = [v for node in level for v in (node.values() if isinstance(node, dict) else node) if isinstance(v, dict | list)]
        if not level:
            return False
    return True


# -- arrays ----------------------------------------------------------------------------------------------------------


def array(folder: Path, name: str, limit: int = ARRAYS) -> "NDArray[Any]":
    """Return the array of an npy file.

    Raises FileNotFoundError where it is not there, AerunError where it is damaged.
    """
    with files.opened(folder, name, limit) as file:
        try:
            return _array(file, os.fstat(file.fileno()).st_size)
        except (ValueError, OSError, EOFError, MemoryError) as e:
            refuse_damaged(folder, name, line_of(e))


def arrays(folder: Path, name: str, limit: int = ARRAYS) -> "dict[str, NDArray[Any]]":
    """Return the arrays of an npz file by name.

    Raises FileNotFoundError where it is not there, AerunError where it is damaged.
    """
    with files.opened(folder, name, limit) as file:
        try:
            refuse_crowded(file)
            with zipfile.ZipFile(file) as packed:
                parts = packed.infolist()
                if sum(part.file_size for part in parts) > limit:
                    raise ValueError(f"it unpacks to more than {limit:,} bytes")
                by_name = {}
                for part in parts:
                    with packed.open(part) as member:
                        content = member.read(part.file_size + 1)
                    by_name[part.filename.removesuffix(".npy")] = _array(io.BytesIO(content), len(content))
                return by_name
        except AerunError:
            raise
        except Exception as e:  # A damaged archive raises errors of many kinds.
            refuse_damaged(folder, name, line_of(e))


def _array(file: BinaryIO, size: int) -> "NDArray[Any]":
    """Return the array of an npy file of `size` bytes, whose header may promise no more than these hold."""
    # Deferred: reading a table of JSON, as for a list of runs, does without numpy.
    import numpy as np

    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    if dtype.hasobject or dtype.kind not in "biuf":
        raise ValueError("it holds Python objects, which are never loaded" if dtype.hasobject else f"it holds {dtype}")
    if math.prod(shape) * dtype.itemsize > size:
        raise ValueError(f"its header promises an array of shape {shape}, more than the file holds")
    file.seek(0)
    values: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    return values


# -- archives --------------------------------------------------------------------------------------------------------

_END, _END64, _MEMBERS = b"PK\5\6", b"PK\6\6", 100_000


def refuse_crowded(file: BinaryIO) -> None:
    """Raise ValueError where an archive lists more members than any of aerun's, before the list is read."""
    end = file.seek(0, 2)
    file.seek(max(0, end - (1 << 16) - 98))
    tail = file.read()
    file.seek(0)
    at = len(tail) - 22 if tail[-22:].startswith(_END) else tail.rfind(_END)
    if at < 0:
        raise ValueError("not an archive, or cut short")
    count, listed = struct.unpack_from("<HI", tail, at + 10)
    if (count == 0xFFFF or listed == 0xFFFFFFFF) and tail[max(0, at - 76) :].startswith(_END64):
        count, listed = struct.unpack_from("<QQ", tail, at - 76 + 32)
    if count > _MEMBERS or listed > 200 * _MEMBERS:
        raise ValueError(f"it lists more than {_MEMBERS:,} members")


# -- metrics.csv -----------------------------------------------------------------------------------------------------


def rows(folder: Path, name: str = "metrics.csv") -> Iterator[dict[str, str]]:
    """Yield the rows of a csv file one by one, none where it is not there. Raises AerunError where it is damaged."""
    try:
        file = files.opened(folder, name, _CSV)
    except FileNotFoundError:
        return
    with file:
        reader = csv.DictReader(_lines(file, folder / name))
        try:
            if len(reader.fieldnames or ()) > _COLUMNS:
                raise AerunError(f"{folder / name}: has more than {_COLUMNS} columns; it is not read.")
            for number, row in enumerate(reader):
                if number >= _ROWS:
                    raise AerunError(f"{folder / name}: has more than {_ROWS:,} rows; it is not read.")
                if None in row or None in row.values():  # The row is longer, or shorter, than the head.
                    refuse_damaged(folder, name, f"line {reader.line_num} has other columns than its head")
                yield row
        except csv.Error as e:
            refuse_damaged(folder, name, line_of(e))


def _lines(file: BinaryIO, where: Path) -> Iterator[str]:
    while line := file.readline(_LINE):
        if len(line) == _LINE:
            raise AerunError(f"{where}: has a line of more than {_LINE:,} bytes; it is not read.")
        yield line.decode("utf-8", "replace")


def numbers(folder: Path, row: Mapping[str, str], *columns: str) -> dict[str, float]:
    """Return a row of metrics.csv as numbers.

    Raises AerunError where a value is none, and where one of `columns` is missing.
    """
    if missing := [c for c in columns if c not in row]:
        refuse_damaged(folder, "metrics.csv", f"it has no column {missing[0]}")
    try:
        return {k: float(v) for k, v in row.items()}
    except ValueError as e:
        refuse_damaged(folder, "metrics.csv", line_of(e))


# -- pictures --------------------------------------------------------------------------------------------------------


def picture(folder: Path, name: str) -> bytes:
    """Return the bytes of a PNG file; b"" where there is none, or where a page would not show it.

    A page shows no other kind of file and none that is too large.
    """
    try:
        content = files.read(folder, name, _PNG)
    except FileNotFoundError:
        return b""
    if not content.startswith(_SIGNATURE) or content[12:16] != b"IHDR" or len(content) < 33:
        return b""
    return content if max(struct.unpack_from(">II", content, 16)) <= _SIDE else b""
