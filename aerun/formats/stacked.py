"""Arrays in several files as one: their rows follow each other, file by file."""

from collections.abc import Callable, Sequence
from itertools import accumulate
from pathlib import Path

import numpy as np

from aerun.core.errors import AerunError
from aerun.core.memory import available_memory
from aerun.formats.arrays import forget, is_mapped
from aerun.formats.copied import Array, Pieces, gathered, identity
from aerun.formats.found import Found
from aerun.formats.limits import Limits


def stacked(
    files: Found, read: Callable[[Path], Array], about: object = None, bounds: Limits | None = None
) -> tuple[Array, tuple[int, ...]]:
    """Return the rows of all files, and how many are of each; a file alone is given as it is read.

    Where all rows take more than half of the free memory, or than `bounds` allows, the files are read one by one, twice,
    and the rows are mapped from a file in the cache. about: what else than the files says which arrays are meant. AerunError
    names the file whose rows are of another shape or type than those of the first one.
    """
    if files.alone:
        array = read(files.files[0])
        return array, (array.shape or (0,))[:1]
    limit, taken, kept = available_memory() // 2 if bounds is None else bounds.memory / 2, 0, list[Array | None]()
    heads = list[tuple[tuple[int, ...], np.dtype[np.generic]]]()
    for path in files.files:
        array = read(path)
        heads.append((array.shape, array.dtype))
        _refuse_other(files.files, heads)
        taken += 0 if is_mapped(array) else array.nbytes
        kept = [*kept, array] if taken <= limit else [None] * len(heads)
    counts = [shape[0] for shape, _ in heads]
    shape = (sum(counts), *heads[0][0][1:])
    if heads[0][1].kind == "U":  # words: as long as the longest of all
        return np.concatenate([read(p) if a is None else a for p, a in zip(files.files, kept, strict=True)]), tuple(counts)
    parts = _Parts(files.files, counts, kept, read)
    names = tuple(identity(p) for p in files.files)
    return gathered(Pieces(files.label, shape, heads[0][1], parts, (names, about)), bounds), tuple(counts)


class _Parts:
    """The rows of all files by their numbers, asked for from front to back; a file is let go of behind its last row."""

    def __init__(
        self, files: Sequence[Path], counts: Sequence[int], kept: list[Array | None], read: Callable[[Path], Array]
    ) -> None:
        self.files, self.kept, self.read = files, kept, read
        self.starts, self.ends = [0, *accumulate(counts)][:-1], list(accumulate(counts))

    def __call__(self, first: int, last: int) -> Array:
        rows = [
            self._rows(i, max(first, start) - start, min(last, end) - start)
            for i, (start, end) in enumerate(zip(self.starts, self.ends, strict=True))
            if start < last and first < end
        ]
        return rows[0] if len(rows) == 1 else np.concatenate(rows)

    def _rows(self, number: int, first: int, last: int) -> Array:
        array = self.kept[number]
        if array is None:
            array = self.kept[number] = self.read(self.files[number])
        rows = np.array(array[first:last])
        forget(array)
        if self.starts[number] + last == self.ends[number]:
            self.kept[number] = None
        return rows


def _refuse_other(files: Sequence[Path], heads: Sequence[tuple[tuple[int, ...], np.dtype[np.generic]]]) -> None:
    """Raise AerunError where the last array read has no rows, or others than the first one."""
    (first, kind), (shape, own) = heads[0], heads[-1]
    path = files[len(heads) - 1]
    if not shape:
        raise AerunError(f"{path}: a single number; a part of several has rows.")
    if shape[1:] != first[1:] or (own != kind and {own.kind, kind.kind} != {"U"}):
        mine, others = (f"{k} of shape ({', '.join(map(str, ('n', *s[1:])))})" for s, k in ((shape, own), (first, kind)))
        raise AerunError(f"{path}: holds {mine}, and the first part, {files[0]}, {others}: parts are alike.")
