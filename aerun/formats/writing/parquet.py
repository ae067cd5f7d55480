"""Columns as parquet."""

from collections.abc import Mapping
from typing import Any, BinaryIO

from aerun.core.errors import AerunError
from aerun.formats.writing.base import Array, FileWriter, flattened


class Parquet(FileWriter):
    """One row a sample, one typed column an element: z1, z2, ... AerunError, before anything is computed, without pyarrow."""

    writer: Any = None

    def __init__(self, file: BinaryIO, about: Mapping[str, Any]) -> None:
        super().__init__(file, about)
        try:
            import pyarrow as pa  # here, because it is an extra
            import pyarrow.parquet as pq
        except ImportError as e:
            raise AerunError("parquet needs pyarrow, which is not installed: pip install 'aerun[data]'") from e
        self.pa, self.pq = pa, pq

    def add(self, arrays: Mapping[str, Array]) -> None:
        columns = flattened(arrays).items()
        table = self.pa.table({k: self.pa.array(v.tolist() if v.dtype.kind in "UO" else v) for k, v in columns})
        self.writer = self.writer or self.pq.ParquetWriter(self.file, table.schema)
        self.writer.write_table(table)

    def close(self) -> None:
        if self.writer is not None:
            self.writer.close()

    drop = close
