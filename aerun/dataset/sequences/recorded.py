"""Recordings as they stand in files of several layouts, all as one table: a row is a step of a series."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from aerun.core.errors import AerunError
from aerun.formats.frame import Column, Frame, Values, join_frames

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Recorded:
    """Recordings as one table whose rows are steps.

    series, group (N,): which series a row is of, and which series stay together when they are split. whole: the file holds
    whole series, so that a row has no number there. label: the column of classes that the layout itself names.
    """

    frame: Frame
    series: Numbers
    group: Numbers
    whole: bool
    label: str | None = None

    def where(self, name: str, row: int) -> str:
        """Return the place of a step as people find it in the file."""
        if not self.whole:
            return self.frame.where(name, row)
        ends = np.cumsum([rows for _, rows in self.frame.files])
        at = int(np.searchsorted(ends, row, side="right"))
        start = int(ends[at - 1]) if at else 0
        number = len(np.unique(self.series[start : row + 1]))
        step = row - int(np.searchsorted(self.series, self.series[row])) + 1
        return f"{self.frame.files[at][0]}: series {number}, step {step} of '{name}'"


def behind(past: Recorded, recording: Recorded) -> Recorded:
    """Return the steps of one series and its next ones as one recording."""
    frame = join_frames(past.frame, recording.frame)
    return replace(long(replace(frame, files=((past.frame.file, len(frame)),)), None), whole=recording.whole)


def long(frame: Frame, group: str | None) -> Recorded:
    """Return the recordings in a table whose rows are steps: one series, or one for each value of the column `group`."""
    series = np.zeros(len(frame), dtype=np.int64)
    if group is not None:
        column = frame.column("dataset.group", group).as_text()
        gone = np.isnan(column.values)
        if gone.any():
            raise AerunError(f"{frame.where(group, int(gone.argmax()))}: is empty, so that the step belongs to no series.")
        series = column.values.astype(np.int64)
    return Recorded(frame, series, series, whole=False)


def wide(frame: Frame, group: str | None, roles: Sequence[str]) -> Recorded:
    """Return the recordings in a table whose rows are series.

    The columns `roles` are about a whole series; all others are its steps, in order.
    """
    names = [n for n in frame.columns if n not in roles]
    for name in names:
        refuse_words(frame.where, name, frame.columns[name])
    if not names:
        raise AerunError(f"{frame.file}: no column is left to be steps.")
    values = np.stack([frame.columns[n].values for n in names], 1)
    whole = melted([row[:, None] for row in values], {n: frame.columns[n] for n in roles}, frame.file, group)
    carried = {n: words[whole.series] for n, words in frame.carried.items()}
    return replace(whole, frame=replace(whole.frame, reading=frame.reading, carried=carried))


def melted(
    series: Sequence[Values], about: dict[str, Column], file: str, group: str | None, label: str | None = None
) -> Recorded:
    """Return a table of steps from whole series (T, F) and columns (n,) about them.

    Missing steps at the end of a series are cut off.
    """
    kept = [_without_end(values) for values in series]
    for number, values in enumerate(kept, 1):
        if not len(values):
            raise AerunError(f"{file}: series {number} has no value.")
    lengths = [len(values) for values in kept]
    x = np.concatenate(kept)
    columns = {f"f{i}": Column("number", x[:, i - 1]) for i in range(1, x.shape[1] + 1)}
    for name, column in about.items():
        columns[name] = Column(column.kind, np.repeat(column.values, lengths), column.words)
    ids = np.repeat(np.arange(len(kept)), lengths)
    frame = Frame(columns, ((file, len(x)),))
    return Recorded(frame, ids, ids if group is None else long(frame, group).series, whole=True, label=label)


def _without_end(values: Values) -> Values:
    there = np.flatnonzero(~np.isnan(values).all(1))
    return values[: int(there[-1]) + 1] if len(there) else values[:0]


def together(parts: Sequence[Recorded]) -> Recorded:
    """Join several files, as if their series had different names. Raise AerunError where their columns differ."""
    merged = list(parts)
    while len(merged) > 1:  # pairs of equal length, so that no row is copied often
        pairs = [merged[i : i + 2] for i in range(0, len(merged), 2)]
        merged = [_both(*pair) if len(pair) == 2 else pair[0] for pair in pairs]
    return merged[0]


def _both(a: Recorded, b: Recorded) -> Recorded:
    if a.whole != b.whole or a.label != b.label:
        raise AerunError(f"{b.frame.file}: is of another layout than {a.frame.file}.")
    series = np.concatenate([a.series, b.series + a.series.max() + 1])
    group = np.concatenate([a.group, b.group + a.group.max() + 1])
    return Recorded(join_frames(a.frame, b.frame), series, group, a.whole, a.label)


def refuse_words(where: Callable[[str, int], str], name: str, column: Column) -> None:
    """Raise AerunError where the column of a feature does not hold numbers."""
    if column.kind != "number":
        row = int((~np.isnan(column.values)).argmax())
        what = f"'{column.words[int(column.values[row])]}'" if column.kind == "text" and column.words else "a date"
        roles = ("time", "group", "label", "id") if column.kind == "date" else ("group", "label", "id", "time")
        named = [f"dataset.{role}={name}" for role in roles]
        raise AerunError(
            f"{where(name, row)}: {what} is not a number, and series are of numbers. Say what it is: "
            f"{', '.join(named[:-1])} or {named[-1]}; or dataset.drop=[{name}] leaves it out."
        )
