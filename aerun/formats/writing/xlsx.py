"""Columns as a sheet of xlsx."""

import math
import re
from collections.abc import Mapping
from typing import Any, BinaryIO

from aerun.core.errors import AerunError
from aerun.formats.writing.base import Array, FileWriter, flattened

_ROWS, _COLUMNS = 1_048_576, 16_384  # that a sheet holds
_UNWRITABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")  # XML has no way to write them


class Xlsx(FileWriter):
    """One row a sample, one column an element: z1, z2, ... Words stay words, also those that begin as a formula does."""

    def __init__(self, file: BinaryIO, about: Mapping[str, Any]) -> None:
        super().__init__(file, about)
        try:
            import openpyxl  # here, because it is an extra
            from openpyxl.cell import WriteOnlyCell
        except ImportError as e:
            raise AerunError("xlsx needs openpyxl, which is not installed: pip install 'aerun[data]'") from e
        self.book = openpyxl.Workbook(write_only=True)
        self.sheet = self.book.create_sheet("aerun")
        self.sheet.freeze_panes = "A2"
        self.cell = WriteOnlyCell
        self.rows = 0

    def add(self, arrays: Mapping[str, Array]) -> None:
        columns = flattened(arrays)
        if not self.rows:
            self._row(list(columns))
        for row in zip(*(values.tolist() for values in columns.values()), strict=True):
            self._row(row)

    def _row(self, values: Any) -> None:
        self.rows += 1
        if self.rows > _ROWS or len(values) > _COLUMNS:
            raise AerunError(f"a sheet of xlsx holds {_ROWS:,} rows and {_COLUMNS:,} columns: use csv, npz or parquet.")
        self.sheet.append([self._cell(v) for v in values])

    def _cell(self, value: Any) -> Any:
        if isinstance(value, bool):
            return int(value)
        if isinstance(value, float) and not math.isfinite(value):
            return None if math.isnan(value) else str(value)
        if not isinstance(value, str):
            return value
        if _UNWRITABLE.search(value):
            raise AerunError(f"xlsx holds no control characters, as in {value!r}: use csv, npz or parquet.")
        cell = self.cell(self.sheet, value)
        cell.data_type = "s"
        return cell

    def close(self) -> None:
        self.book.save(self.file)

    def drop(self) -> None:
        self.sheet.close()
