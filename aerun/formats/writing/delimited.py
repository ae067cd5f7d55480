"""Columns as csv or tsv, in a file or on standard output."""

import csv
import io
import sys
from collections.abc import Mapping
from typing import Any, BinaryIO, TextIO

import numpy as np

from aerun.core.streams import refuse_no_reader
from aerun.formats.cells import guarded
from aerun.formats.writing.base import Array, Writer, flattened


class Delimited(Writer):
    """One line a sample, one column an element: z1, z2, ...

    about: `tab` instead of the comma; `raw`, words as they are: else those that a spreadsheet would run are `guarded`.
    file: None for standard output.
    """

    def __init__(self, file: BinaryIO | None, about: Mapping[str, Any]) -> None:
        super().__init__(about)
        self.wrapped = None if file is None else io.TextIOWrapper(file, encoding="utf-8", newline="")
        out: TextIO = sys.stdout if self.wrapped is None else self.wrapped
        self.writer = csv.writer(out, delimiter="\t" if about.get("tab") else ",", lineterminator="\n")
        self.begun = False

    def add(self, arrays: Mapping[str, Array]) -> None:
        columns, raw = flattened(arrays), bool(self.about.get("raw"))
        if not self.begun:
            self.writer.writerow(columns if raw else map(guarded, columns))
            self.begun = True
        self.writer.writerows(zip(*(_cells(v, raw) for v in columns.values()), strict=True))
        if self.wrapped is None:
            refuse_no_reader()

    def flush(self) -> None:
        if self.wrapped is not None:
            self.wrapped.flush()

    def close(self) -> None:
        if self.wrapped is not None:
            self.wrapped.detach()  # written out; who opened the file closes it


def _cells(values: Array, raw: bool) -> list[Any]:
    """Return numbers as short as they can be without loss, an empty cell for NaN, and words guarded unless `raw`."""
    if values.dtype.kind == "f":
        cells: list[Any] = values.tolist() if values.dtype.itemsize > 4 else [str(v) for v in values]
        for i in np.flatnonzero(np.isnan(values)).tolist():
            cells[i] = ""
        return cells
    if values.dtype.kind == "b":
        return list(values.astype(np.int8).tolist())
    cells = values.tolist()
    if values.dtype.kind not in "UO" or raw:
        return cells
    safe = {v: guarded(v) for v in {v for v in cells if isinstance(v, str)}}
    return [safe[v] if isinstance(v, str) else v for v in cells]
