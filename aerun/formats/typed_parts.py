"""Tables of Arrow's kind in several files, or in one that is larger than memory, as one table: batch by batch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from aerun.core.errors import AerunError
from aerun.core.memory import refuse_beyond
from aerun.formats import arrow_files
from aerun.formats.binary_tables import is_categorical, typed_column
from aerun.formats.carried import as_words
from aerun.formats.column import Cells
from aerun.formats.frame import Column, Frame, Words
from aerun.formats.limits import KEPT, SAMPLE, WORD, Limits
from aerun.formats.reading import Reading, checked_names, without_marks
from aerun.formats.room import DiskRoom, Room
from aerun.formats.tables import by_meaning, cells_for

_PLURAL = {"number": "numbers", "date": "dates", "truth": "truth values", "words": "words"}


@dataclass(frozen=True)
class Part:
    """A file, its name among the others, and the words that its folders and its name give to each of its rows, by column."""

    path: Path
    name: str
    constants: Mapping[str, str] = field(default_factory=dict)


def typed_parts(label: str, parts: Sequence[Part], reading: Reading, limits: Limits) -> Frame:
    """Return the rows of all parts, columns by name, in the order of the first part.

    Every part has the same columns, and each column is of one kind in all. AerunError names the part, and the row group or
    batch of it, that is not so or is damaged.
    """
    names, counts = _same_columns(parts)
    shown = ["" if n.startswith("__index_level_") else n for n in names]  # pandas' index
    constants = [n for n in parts[0].constants if n not in names]
    known, reading = checked_names(label, [*shown, *constants], reading)
    if not (rows := sum(counts)):
        raise AerunError(f"{label}: has no rows.")
    wanted = [n for n in known if reading.wants(n)]
    room = Room(rows)
    if (KEPT + SAMPLE) * rows * len(wanted) > limits.memory:
        room = DiskRoom(label, rows, len(wanted), limits.folder)
    table = _Table(label, reading, room, {n: i for i, n in enumerate(wanted)})
    kept = {*wanted, *(reading.carried & set(known))}
    own = {n: title for n, title in zip(known, names, strict=False) if n in kept}
    start = 0
    for part, count in zip(parts, counts, strict=True):
        for where, first, batch in arrow_files.columns_in_turn(part.path, list(own.values())):
            values = {n: batch.column(title) for n, title in own.items() if title in batch.column_names}
            if not own or next(iter(own)) in values:
                values |= {n: [part.constants[n]] * batch.num_rows for n in constants if n in kept}
            table.add(f"{where}, from row {start + first + 1} of all on", values)
        start += count
    files = tuple((str(p.path), n) for p, n in zip(parts, counts, strict=True))
    if isinstance(room, DiskRoom):
        arrow_files.release()
    return replace(table.frame(known, rows, files), names=tuple(p.name for p in parts))


def _same_columns(parts: Sequence[Part]) -> tuple[list[str], list[int]]:
    """Return the columns of all parts, and the rows of each. AerunError where a part has others than the first."""
    first: dict[str, str] = {}
    counts = []
    for part in parts:
        columns, rows = arrow_files.heads(part.path)
        counts.append(rows)
        first = first or columns
        refuse_other_columns(str(parts[0].path), list(first), str(part.path), list(columns))
    return list(first), counts


def refuse_other_columns(file: str, names: Sequence[str], other: str, its: Sequence[str]) -> None:
    """Raise AerunError where the columns of two parts of one table are not the same."""
    for here, there, lacks, has in ((names, set(its), other, file), (its, set(names), file, other)):
        for name in here:
            if name not in there:
                raise AerunError(
                    f"{lacks}: has no column '{name}', which {has} has. All parts need the same; see dataset.drop."
                )


@dataclass
class _Table:
    label: str
    reading: Reading
    room: Room
    places: Mapping[str, int]
    columns: "dict[str, _Growing]" = field(default_factory=dict)
    carried: dict[str, list[Words]] = field(default_factory=dict)

    def add(self, where: str, values: Mapping[str, Any]) -> None:
        """Take the next rows of some of the columns."""
        for name in (n for n in self.places if n in values):
            if name not in self.columns:
                self.columns[name] = _Growing(self.label, name, self.reading, self.room, self.places[name])
            self.columns[name].add(where, values[name])
        for name in self.reading.carried & set(values):
            self.carried.setdefault(name, []).append(as_words(values[name]))
        words = sum(len(c.cells.words) for c in self.columns.values() if c.cells is not None)
        refuse_beyond(self.label, float(WORD) * words)

    def frame(self, names: Sequence[str], rows: int, files: tuple[tuple[str, int], ...]) -> Frame:
        """Return what was taken, with the meaning of words decided by all of them."""
        worded = {n: c.cells for n, c in self.columns.items() if c.cells is not None}
        plain = {n: c.column() for n, c in self.columns.items() if c.cells is None}
        meant, reading = by_meaning(self.label, worded, self.reading)
        formats = {n: c.kind for n, c in plain.items()} | dict(reading.formats)
        columns = {n: plain[n] if n in plain else meant[n] for n in self.places}
        carried = {n: np.concatenate(self.carried[n]) for n in names if n in self.carried}
        return Frame(columns, ((self.label, rows),), replace(reading, formats=formats), carried, files)


class _Growing:
    """A column to which batches are added. Until a value is there, its kind is not known."""

    def __init__(self, label: str, name: str, reading: Reading, room: Room, place: int) -> None:
        self.label, self.name, self.reading, self.kind = label, name, reading, ""
        self.numbers, self.first = room.column(place), ""
        self.cells: Cells | None = None

    def add(self, where: str, values: Any) -> None:
        """Take the next values. AerunError where they are of another kind than those before."""
        column = typed_column(where, self.name, values, self.reading.keeps_digits(self.name))
        kind = _kind(column)
        if self.cells is not None and kind == "number" and self.kind == "codes":
            column, kind = _digits(column), "words"  # type: ignore[arg-type]
        if kind and self.kind == "number" and kind == "words" and _is_whole(values):
            self._turn_into_words()
        if kind and self.kind and kind != (self.kind if self.kind != "codes" else "words"):
            raise AerunError(
                f"{where}: column '{self.name}' holds {_PLURAL[kind]}, and {_PLURAL[self.kind]} in {self.first}. Mend one, or "
                f"dataset.drop=[{self.name}]."
            )
        self.kind, self.first = self.kind or kind, self.first or where
        if not kind:
            column = Column("number", np.full(len(values), np.nan))
        if isinstance(column, Column) and self.cells is None:
            own = column.values
            self.numbers.add(without_marks(own, self.reading.missing) if column.kind == "number" else own)
            return
        self._worded(values).add([None] * len(column.values) if isinstance(column, Column) else column)

    def _worded(self, values: Any) -> Cells:
        """Return the cells of words; those that were missing so far are missing there too."""
        if self.cells is None:
            self.cells = cells_for(self.label, self.name, self.reading)
            if not self.cells.format and is_categorical(values):
                self.cells.format = "text"
            if self.numbers.filled:
                self.cells.add([None] * self.numbers.filled)
        return self.cells

    def _turn_into_words(self) -> None:
        """Make words of whole numbers, all exact so far, because larger ones follow that numbers would not keep."""
        cells, self.kind = cells_for(self.label, self.name, self.reading), "codes"
        cells.add(_digits(Column("number", self.numbers.values())))
        self.cells = cells

    def column(self) -> Column:
        """Return the column of a kind that its container names."""
        values = self.numbers.values()
        if self.kind == "truth":
            return Column("text", values, ("False", "True"))
        return Column(self.kind or "number", values)


def _kind(column: Column | list[Any]) -> str:
    """Return number, date, truth or words; nothing for values that are all missing."""
    if isinstance(column, list):
        return "words" if any(v is not None for v in column) else ""
    if np.isnan(column.values).all():
        return ""
    return "truth" if column.kind == "text" else column.kind


def _is_whole(values: Any) -> bool:
    """Return whether the container types values as whole numbers."""
    return str(getattr(values, "type", "")).startswith(("int", "uint"))


def _digits(column: Column) -> list[str | None]:
    return [None if np.isnan(v) else str(int(v)) for v in column.values]
