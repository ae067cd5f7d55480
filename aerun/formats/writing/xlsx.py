"""Columns as a sheet of an xlsx file."""

import math
from collections.abc import Mapping
from typing import Any, BinaryIO

from aerun.core.errors import AerunError
from aerun.formats.writing.base import Array, FileWriter, flattened

_ROWS, _COLUMNS = 1_048_576, 16_384  # that a sheet may have


class Xlsx(FileWriter):
    """One row a sample, one column an element: z1, z2, ...; numbers are numbers, NaN is an empty cell.

    Words are text cells, which a spreadsheet shows as they are: none is a formula. Raises AerunError for control characters,
    which such a file cannot hold.
    """

    def __init__(self, file: BinaryIO, about: Mapping[str, Any]) -> None:
        super().__init__(file, about)
        try:
            from openpyxl import Workbook  # here, because it is an extra
        except ImportError as e:
            raise AerunError("xlsx needs openpyxl, which is not installed: pip install 'aerun[data]'") from e
        self.book = Workbook(write_only=True)
        self.sheet = self.book.create_sheet()
        self.rows = 0

    def add(self, arrays: Mapping[str, Array]) -> None:
        columns = flattened(arrays)
        if not self.rows:
            self._append(list(columns))
        rows = len(next(iter(columns.values()), ()))
        if self.rows + rows > _ROWS or len(columns) > _COLUMNS:
            raise AerunError(f"a sheet of an xlsx file holds {_ROWS:,} rows and {_COLUMNS:,} columns: use csv or parquet.")
        for row in zip(*(_values(v) for v in columns.values()), strict=True):
            self._append(row)

    def _append(self, row: Any) -> None:
        self.sheet.append([self._cell(value) if isinstance(value, str) else value for value in row])
        self.rows += 1

    def _cell(self, word: str) -> Any:
        from openpyxl.cell import WriteOnlyCell
        from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

        if ILLEGAL_CHARACTERS_RE.search(word):
            raise AerunError(f"xlsx holds no control characters, as in {word!r}: use csv, npz or parquet.")
        cell = WriteOnlyCell(self.sheet, word)
        cell.data_type = "s"  # a word that begins with = would be a formula
        return cell

    def close(self) -> None:
        self.book.save(self.file)

    def drop(self) -> None:
        self.sheet.close()


def _values(values: Array) -> list[Any]:
    """Return numbers with the digits that csv gives them, None for NaN, a word for what is infinite, and words."""
    if values.dtype.kind == "f":
        numbers = [float(str(v)) for v in values] if values.dtype.itemsize <= 4 else values.tolist()
        return [v if math.isfinite(v) else None if math.isnan(v) else str(v) for v in numbers]
    return [int(v) for v in values] if values.dtype.kind == "b" else list(values.tolist())
