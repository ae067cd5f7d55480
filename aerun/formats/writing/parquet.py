"""Columns as parquet."""

from collections.abc import Mapping
from typing import Any

from aerun.core.errors import AerunError
from aerun.formats.writing.base import Array, FileWriter, flattened


class Parquet(FileWriter):
    """One row a sample, one typed column an element: z1, z2, ..."""

    writer: Any = None

    def add(self, arrays: Mapping[str, Array]) -> None:
        try:
            import pyarrow as pa  # here, because it is an extra
            import pyarrow.parquet as pq
        except ImportError as e:
            raise AerunError("parquet needs pyarrow, which is not installed: pip install 'aerun[data]'") from e
        table = pa.table({k: pa.array(v.tolist() if v.dtype.kind in "UO" else v) for k, v in flattened(arrays).items()})
        self.writer = self.writer or pq.ParquetWriter(self.file, table.schema)
        self.writer.write_table(table)

    def close(self) -> None:
        if self.writer is not None:
            self.writer.close()

    drop = close
