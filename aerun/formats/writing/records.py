"""Columns as records in JSON, one a line, in a file or on standard output."""

import io
import json
import math
import sys
from collections.abc import Mapping
from typing import Any, BinaryIO, TextIO

from aerun.core.streams import refuse_no_reader
from aerun.formats.writing.base import Array, Writer, flattened


class Records(Writer):
    """One record a sample, one key an element: z1, z2, ... NaN is null, and what is infinite the word inf or -inf.

    file: None for standard output.
    """

    def __init__(self, file: BinaryIO | None, about: Mapping[str, Any]) -> None:
        super().__init__(about)
        self.wrapped = None if file is None else io.TextIOWrapper(file, encoding="utf-8", newline="")
        self.out: TextIO = sys.stdout if self.wrapped is None else self.wrapped

    def add(self, arrays: Mapping[str, Array]) -> None:
        columns = flattened(arrays)
        cells = [_cells(v) for v in columns.values()]
        for row in zip(*cells, strict=True):
            self.out.write(f"{json.dumps(dict(zip(columns, row, strict=True)), ensure_ascii=False)}\n")
        if self.wrapped is None:
            refuse_no_reader()

    def close(self) -> None:
        if self.wrapped is not None:
            self.wrapped.detach()  # written out; who opened the file closes it


def _cells(values: Array) -> list[Any]:
    """Return values as JSON has them, numbers as short as they can be without loss."""
    if values.dtype.kind != "f":
        return list(values.tolist())
    exact = values.tolist() if values.dtype.itemsize > 4 else [float(str(v)) for v in values]
    return [None if math.isnan(v) else str(v) if math.isinf(v) else v for v in exact]
