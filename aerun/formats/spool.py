"""Arrays that wait on disk, in a file without a name that ends with the process."""

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aerun.core.errors import AerunError


def nameless_file(folder: Path) -> int:
    """Open a file for reading and writing that no other process sees. AerunError where the folder does not take it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".columns-") as file:
            return os.dup(file.fileno())
    except OSError as e:
        raise refusal(folder, e) from e


def refusal(folder: Path, e: OSError) -> AerunError:
    """Return what to say where a folder does not take columns."""
    return AerunError(f"cannot keep columns in {folder} (dataset.cache): {e.strerror or e}.")


def write_at(number: int, array: NDArray[Any], at: int) -> int:
    """Write an array's bytes at a place of an open file, and return the place behind them."""
    left = memoryview(np.ascontiguousarray(array).data).cast("B")
    while left:
        done = os.pwrite(number, left, at)
        left, at = left[done:], at + done
    return at


class Spool:
    """Arrays (n,), one behind the other in a file."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.number, self.end = folder, nameless_file(folder), 0

    def add(self, array: NDArray[Any]) -> "Spooled":
        """Take an array. AerunError where the disk is full."""
        start = self.end
        try:
            self.end = write_at(self.number, array, start)
        except OSError as e:
            raise refusal(self.folder, e) from e
        return Spooled(self, start, len(array), array.dtype)

    def __del__(self) -> None:
        if hasattr(self, "number"):
            os.close(self.number)


class Spooled:
    """An array in a `Spool`. A slice of it is read into memory."""

    __slots__ = ("dtype", "rows", "spool", "start")  # there are many of them
    nbytes = 0  # in memory

    def __init__(self, spool: Spool, start: int, rows: int, dtype: np.dtype[Any]) -> None:
        self.spool, self.start, self.rows, self.dtype = spool, start, rows, dtype

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        first, last, _ = rows.indices(self.rows)
        size = self.dtype.itemsize
        data = os.pread(self.spool.number, max(0, last - first) * size, self.start + first * size)
        return np.frombuffer(data, self.dtype)
