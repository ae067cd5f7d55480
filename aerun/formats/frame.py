"""A table as it stands in its file, before anything is learned from it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from aerun.core.errors import AerunError, nearest
from aerun.formats.arrays import forget, is_mapped
from aerun.formats.number_words import matching
from aerun.formats.packed import Packed
from aerun.formats.reading import Reading

Values = NDArray[np.float64]
Words = NDArray[np.str_]
_MANY = 100_000  # values of a column, from which on they are packed


class Column:
    """values (n,), NaN where missing: numbers; seconds since 1970 UTC (kind date); places in `words` (kind text).

    Many values are kept packed, and made anew where they are asked for, unless they are mapped from a file.
    """

    def __init__(self, kind: str, values: Values, words: tuple[str, ...] = ()) -> None:
        self.kind, self.words = kind, words
        self._kept: Values | Packed = values if len(values) < _MANY or is_mapped(values) else Packed(values)

    @property
    def values(self) -> Values:
        """Return the values (n,), float64."""
        return self._kept.values() if isinstance(self._kept, Packed) else self._kept

    def __len__(self) -> int:
        return len(self._kept)

    def part(self, rows: slice) -> "Column":
        """Return the same column of these rows alone."""
        kept = self._kept
        return Column(self.kind, kept.values(rows) if isinstance(kept, Packed) else kept[rows], self.words)

    @property
    def mapped(self) -> bool:
        """Return whether the values are in a file, and read where they are needed."""
        return not isinstance(self._kept, Packed) and is_mapped(self._kept)

    def forget(self) -> None:
        """Release the memory of what was read of mapped values."""
        if not isinstance(self._kept, Packed):
            forget(self._kept)

    def as_text(self) -> "Column":
        """Return the same column, its numbers as words."""
        if self.kind == "text":
            return self
        own = self.values
        present = ~np.isnan(own)
        numbers, places = np.unique(own[present], return_inverse=True)
        values = np.full(len(own), np.nan)
        values[present] = places
        return Column("text", values, tuple(repr(int(v)) if v == int(v) else repr(float(v)) for v in numbers))


@dataclass(frozen=True)
class Frame:
    """Columns by name, and the file or the two files, each with its number of rows, that they were read from.

    reading: how, with all that was decided; None of what is no file's table. carried: cells (n,) of columns as they are
    written, see `Reading`. parts: the same as `files`, where one of these is several; names: what the parts are called among
    the others.
    """

    columns: dict[str, Column]
    files: tuple[tuple[str, int], ...]
    reading: Reading | None = None
    carried: dict[str, Words] = field(default_factory=dict)
    parts: tuple[tuple[str, int], ...] = ()
    names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return sum(rows for _, rows in self.files)

    @property
    def file(self) -> str:
        """Return the (first) file's name."""
        return self.files[0][0]

    def part(self, rows: slice, file: str) -> "Frame":
        """Return these rows alone, as those of `file`."""
        count = len(range(len(self))[rows])
        columns = {n: c.part(rows) for n, c in self.columns.items()}
        return Frame(columns, ((file, count),), self.reading, {n: words[rows] for n, words in self.carried.items()})

    def written(self, name: str) -> Words | None:
        """Return the cells (n,) of a column as words, empty where missing; None where there is no such column."""
        if name in self.carried or name not in self.columns:
            return self.carried.get(name)
        column = self.columns[name].as_text()
        words, values = np.array([*column.words, ""]), column.values
        return words[np.where(np.isnan(values), len(column.words), values).astype(np.int64)]

    def where(self, name: str, row: int) -> str:
        """Return FILE: column 'NAME', row N, as people count."""
        file, number = place_in(self.parts or self.files, row)
        return f"{file}: column '{name}', row {number}"

    def column(self, key: str, name: str) -> Column:
        """Return the column that the setting `key` names, else AerunError."""
        return self.columns[self.name(key, name)]

    def name(self, key: str, name: str) -> str:
        """Return the name of the column that the setting `key` means (3 may be typed for 3.0), else AerunError."""
        column = matching(name, list(self.columns))
        if column is None:
            known = list(self.columns)
            shown = ", ".join(known[:20]) + (", ..." if len(known) > 20 else "")
            raise AerunError(f"{key}={name}: {self.file} has no such column{nearest(str(name), known)}; it has {shown}.")
        return column


def place_in(files: Sequence[tuple[str, int]], row: int) -> tuple[str, int]:
    """Return the file that a row (from 0) of several files is in, and its number there, from 1."""
    ends = list(accumulate(rows for _, rows in files))
    place = next(i for i, end in enumerate(ends) if row < end)
    return files[place][0], row - ends[place] + files[place][1] + 1


def join_frames(first: Frame, second: Frame) -> Frame:
    """Return the rows of both, by the names of their columns. AerunError where they do not have the same."""
    for here, there in ((first, second), (second, first)):
        for name in here.columns:
            if name not in there.columns:
                raise AerunError(
                    f"{there.file}: has no column '{name}', which {here.file} has. Both need the same; see dataset.drop."
                )
    columns = {name: _appended(name, first, second) for name in first.columns}
    carried = {n: np.concatenate([first.carried[n], second.carried[n]]) for n in first.carried if n in second.carried}
    parts = (*(first.parts or first.files), *(second.parts or second.files)) if first.parts or second.parts else ()
    return Frame(columns, (*first.files, *second.files), first.reading, carried, parts=parts)


def _appended(name: str, first: Frame, second: Frame) -> Column:
    a, b = first.columns[name], second.columns[name]
    if a.kind != b.kind:
        empty = [c for c in (a, b) if np.isnan(c.values).all()]
        if not empty:
            raise AerunError(
                f"column '{name}' holds {_PLURAL[a.kind]} in {first.file} and {_PLURAL[b.kind]} in {second.file}. Mend one, or "
                f"dataset.categorical=[{name}]."
            )
        a, b = (Column(b.kind, a.values, b.words), b) if empty[0] is a else (a, Column(a.kind, b.values, a.words))
    words = {word: place for place, word in enumerate(dict.fromkeys((*a.words, *b.words)))}
    return Column(a.kind, np.concatenate([_places(a, words), _places(b, words)]), tuple(words))


_PLURAL = {"number": "numbers", "date": "dates", "text": "text"}


def _places(column: Column, words: dict[str, int]) -> Values:
    """Return a text column's values as places in other words; numbers and dates as they are."""
    return column.values if column.kind != "text" else moved(column.values, [words[w] for w in column.words])


def moved(values: Values, to: Sequence[float]) -> Values:
    """Return places in one list of words as places in another, word by word; NaN stays."""
    table = np.array([*to, np.nan], dtype=np.float64)
    return table[np.where(np.isnan(values), len(to), values).astype(np.int64)]
