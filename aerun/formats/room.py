"""Where the columns of a large table are: in memory, or in a file without a name that ends with them."""

import mmap
import os
from pathlib import Path

import numpy as np

from aerun.core.cache import refuse_full
from aerun.formats.frame import Values
from aerun.formats.spool import nameless_file, refusal, write_at


class Room:
    """Places for columns of `rows` 64-bit numbers, filled from the top."""

    def __init__(self, rows: int) -> None:
        self.rows = rows

    def column(self, place: int) -> "Place":
        """Return the place of the numbered column."""
        return Place(np.empty(self.rows))


class DiskRoom(Room):
    """The same on disk: written with no memory but that of the piece, mapped when it is read."""

    def __init__(self, where: str, rows: int, columns: int, folder: Path) -> None:
        super().__init__(rows)
        step = mmap.ALLOCATIONGRANULARITY
        self.each = -(-8 * rows // step) * step
        refuse_full(folder, self.each * columns, f"{where}: its columns", "Name another place with dataset.cache=DIR.")
        self.number, self.folder = nameless_file(folder), folder
        try:
            os.ftruncate(self.number, self.each * columns)
        except OSError as e:
            raise refusal(folder, e) from e

    def column(self, place: int) -> "Place":
        """Return the place of the numbered column, which reads and writes the file."""
        return DiskPlace(self, place * self.each)

    def __del__(self) -> None:
        if hasattr(self, "number"):
            os.close(self.number)


class Place:
    """A column in memory."""

    def __init__(self, array: Values) -> None:
        self.array, self.filled = array, 0

    def add(self, values: Values) -> None:
        """Take the next values."""
        self.array[self.filled : self.filled + len(values)] = values
        self.filled += len(values)

    def values(self) -> Values:
        """Return what was taken."""
        return self.array[: self.filled]


class DiskPlace(Place):
    """A column in a file."""

    def __init__(self, room: DiskRoom, offset: int) -> None:
        self.room, self.offset, self.filled = room, offset, 0

    def add(self, values: Values) -> None:
        """Take the next values."""
        try:
            write_at(self.room.number, values, self.offset + 8 * self.filled)
        except OSError as e:
            raise refusal(self.room.folder, e) from e
        self.filled += len(values)

    def values(self) -> Values:
        """Return what was taken, mapped."""
        if not self.filled:
            return np.empty(0)
        part = mmap.mmap(self.room.number, 8 * self.filled, access=mmap.ACCESS_COPY, offset=self.offset)
        return np.frombuffer(part, dtype=np.float64)
