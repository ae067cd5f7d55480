"""Samples on disk as a tensor, with bounded resident memory."""

import mmap
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from aerun.core.memory import trim_heap
from aerun.dataset.splits import number_type

_SOME = 16_000_000  # bytes of rows that statistics are computed from
_STEP = 16_000_000  # bytes that are looked at in one piece


class Mapped(Tensor):
    """A tensor (n, *S) on disk. Rows that are taken by number or by slice are read into a plain tensor.

    As a tensor it is a mapping of the file, so that whatever else is done with it is right too; but pages of a mapping count
    as this process's memory until the system wants them back. Reading rows instead leaves nothing behind but the rows
    themselves, and is faster for rows in random order. `split` yields its parts one after the other, and behind the last one
    returns the memory that was freed: results that are kept lie between parts that are not, and would hold these.
    """

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]  # results are plain tensors
    file: "RowFile"
    first: int  # byte of the file at which row 0 begins

    def index_select(self, dim: int, index: Tensor) -> Tensor:
        if dim != 0:
            return super().index_select(dim, index)
        return self._read([(row, 1) for row in index.tolist()])

    def __getitem__(self, index: Any) -> Tensor:
        if not isinstance(index, slice):
            return super().__getitem__(index)
        first, last, step = index.indices(len(self))
        return self._read([(first, last - first)]) if step == 1 and last > first else super().__getitem__(index)

    def split(self, rows: int, dim: int = 0) -> Iterator[Tensor]:  # type: ignore[override]
        for first in range(0, len(self), rows):
            yield self[first : first + rows]
        trim_heap()

    def aminmax(self) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        count, each = self.stride(0) * len(self), self.element_size()
        buffer = torch.empty(min(_STEP // each, count), dtype=self.dtype)  # one for all: many would leave holes in the heap
        extremes = []
        for first in range(0, count, len(buffer)):
            part = buffer[: count - first]
            self.file.read(writable(part), self.first + each * first)
            extremes.append(torch.stack(part.aminmax()))
        low, high = torch.stack(extremes).unbind(1)
        return low.amin(), high.amax()

    def to(self, *args: Any, **kwargs: Any) -> Tensor:
        moved = super().to(*args, **kwargs)
        return self if moved.data_ptr() == self.data_ptr() else moved

    def _read(self, runs: list[tuple[int, int]]) -> Tensor:
        """Return the runs of rows (first, number), one behind the other."""
        size, n = self.stride(0) * self.element_size(), len(self)
        rows = torch.empty(sum(number for _, number in runs), *self.shape[1:], dtype=self.dtype)
        into, at = writable(rows), 0
        for row, number in runs:
            if not 0 <= row <= n - number:
                raise IndexError(f"row {row} of {n}")
            self.file.read(into[at : at + number * size], self.first + row * size)
            at += number * size
        return rows


class RowFile:
    """An open file that is closed with its last user."""

    def __init__(self, path: Path) -> None:
        self.path, self.number = path, os.open(path, os.O_RDONLY)

    def read(self, into: memoryview, offset: int) -> None:
        """Fill `into` with the bytes from `offset` on. Raises OSError where the file ends before."""
        while into:
            got = os.preadv(self.number, [into], offset)
            if not got:
                raise OSError(f"{self.path} has become shorter while it was read")
            into, offset = into[got:], offset + got

    def __del__(self, close: Callable[[int], None] = os.close) -> None:  # at the end of a program `os` is gone
        close(self.number)


def writable(x: Tensor) -> memoryview:
    """Return the bytes of a contiguous tensor, as a writable view."""
    flat: Any = x.flatten().numpy()
    return memoryview(flat).cast("B")


def mapped(path: Path, shape: tuple[int, ...], rows: tuple[int, ...], dtype: torch.dtype = torch.uint8) -> list[Tensor]:
    """Return a file's numbers as consecutive tensors (n, *shape), n in `rows`. Writing to them does not change the file."""
    file = RowFile(path)
    whole = torch.frombuffer(mmap.mmap(file.number, 0, access=mmap.ACCESS_COPY), dtype=dtype).view(-1, *shape)
    parts = [part.as_subclass(Mapped) for part in whole.split(list(rows))]
    for part in parts:
        part.file, part.first = file, part.storage_offset() * part.element_size()
    return list(parts)


def sample_rows(x: Tensor) -> Tensor:
    """Return the rows of x (n, *S) that statistics are computed from: all, or for a tensor on disk 16 MB of random ones."""
    if not isinstance(x, Mapped):
        return x
    rows = max(1, _SOME // (x.stride(0) * x.element_size()))
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0), dtype=number_type(len(x)))
    return x.index_select(0, order[:rows].sort().values)
