"""Which rows of a table are for training, validation and test."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from aerun.core.errors import AerunError
from aerun.dataset.splits import Split, number_type, split, split_name
from aerun.dataset.tables.columns import Rows
from aerun.formats.date_words import seconds
from aerun.formats.frame import Frame, Values
from aerun.formats.problems import unclear

_NAMES = {"train": "training", "val": "validation", "test": "the test"}
Parts = tuple[Rows, Rows, Rows]

log = logging.getLogger("aerun")


@dataclass(frozen=True)
class Cut:
    """How rows are split, where that is not given: at random, or whole groups at random, or by time, the latest for the test.

    split: column that says train, val or test. group, time: columns. val, test: shares of the rows that are to be cut.
    Raises AerunError for shares that leave nothing, and for a group and a time at once.
    """

    split: str | None
    group: str | None
    time: str | None
    val: float
    test: float

    def __post_init__(self) -> None:
        if not (0 < self.val < 1 and 0 < self.test < 1 and self.val + self.test < 1):
            raise AerunError(
                f"dataset.val={self.val} dataset.test={self.test}: must be positive and leave some for training, such as 0.15."
            )
        if self.group is not None and self.time is not None:
            raise AerunError(f"dataset.group={self.group} dataset.time={self.time}: rows are split by one of the two.")

    def __call__(self, frame: Frame) -> Parts:
        """Return row numbers of the three parts. The second file of a frame, where it has one, is the test split."""
        given = self._given(frame)
        if "train" not in given:
            given["train"] = _without(len(frame), list(given.values()))
        wanted = [(part, share) for part, share in (("val", self.val), ("test", self.test)) if part not in given]
        parts = self._cut(frame, given["train"], [share for _, share in wanted])
        rows_of = {**given, "train": parts[0], **{part: rows for (part, _), rows in zip(wanted, parts[1:], strict=True)}}
        for part in ("train", "val", "test"):
            if not len(rows_of[part]):
                count = f"{len(frame)} row{'s'[: len(frame) != 1]}" + (self._groups(frame) if self.group else "")
                raise AerunError(f"{frame.file}: nothing is left for {_NAMES[part]}: {count}: too few for {self._spoken()}.")
        if self.group is not None:
            _refuse_straddling(frame, self.group, rows_of)
        return rows_of["train"], rows_of["val"], rows_of["test"]

    def _groups(self, frame: Frame) -> str:
        assert self.group is not None
        count = len(np.unique(frame.column("dataset.group", self.group).values))
        return f" in {count} group{'s'[: count != 1]}"

    def _spoken(self) -> str:
        return f"dataset.val={self.val} dataset.test={self.test}" + (f" dataset.group={self.group}" if self.group else "")

    def _given(self, frame: Frame) -> dict[str, Rows]:
        """Return parts that the files or a column name."""
        if len(frame.files) > 1:
            if self.split is not None:
                raise AerunError(
                    f"dataset.split={self.split} dataset.test_path={frame.files[1][0]}: one of the two says what is tested."
                )
            return {"test": np.arange(frame.files[0][1], len(frame))}
        if self.split is None:
            return {}
        column = frame.column("dataset.split", self.split).as_text()
        tags = ["" if np.isnan(v) else split_name(column.words[int(v)]) or "" for v in column.values]
        if "" in tags:
            row = tags.index("")
            word = "" if np.isnan(column.values[row]) else column.words[int(column.values[row])]
            raise AerunError(
                f"{frame.where(self.split, row)}: is none of train, val, test, and of their usual names: '{word}'."
            )
        for part in ("train", "test"):
            if part not in tags:
                raise AerunError(f"dataset.split={self.split}: no row of {frame.file} says {part}.")
        return {part: np.flatnonzero(np.array(tags) == part) for part in dict.fromkeys(tags)}

    def _cut(self, frame: Frame, rows: Rows, shares: Sequence[float]) -> list[Rows]:
        """Return `rows` without the shares, then one part a share, in the order val, test."""
        if not shares:
            return [rows]
        if self.group is not None:
            groups = frame.column("dataset.group", self.group).values
            if gone := int(np.isnan(groups).sum()):
                log.warning("dataset.group=%s: %d rows without a value are one group together.", self.group, gone)
            return _by_group(groups[rows], rows, shares)
        if self.time is not None:
            return _by_time(moments(frame, self.time)[rows], rows, shares)
        return [part.x.numpy() for part in split(Split(torch.from_numpy(rows), None), *shares)]


def _without(rows: int, taken: Sequence[Rows]) -> Rows:
    """Return the numbers of all rows but those taken."""
    numbers: Rows = torch.arange(rows, dtype=number_type(rows)).numpy()
    if not taken:
        return numbers
    left = np.ones(rows, dtype=np.bool_)
    for some in taken:
        left[some] = False
    return numbers[left]


def refuse_unused_split(frame: Frame, names: Sequence[str]) -> None:
    """Raise UnclearError for a feature whose words are train and test: nobody said whether they are the splits."""
    for name in names:
        column = frame.columns[name]
        if (
            column.kind == "text"
            and {"train", "test"} <= (parts := {split_name(w) for w in column.words})
            and None not in parts
        ):
            raise unclear(
                f"{frame.file}: the words of column '{name}' are names of splits: dataset.split={name} takes its rows so, "
                f"dataset.drop=[{name}] leaves it out, dataset.categorical=[{name}] makes it a feature.",
                split=name,
            )


def _by_group(groups: Values, rows: Rows, shares: Sequence[float]) -> list[Rows]:
    """Return whole groups in a random order: each share takes groups until it has its rows, and at least one."""
    _, code = np.unique(groups, return_inverse=True)  # a missing value is a group too
    sizes = np.bincount(code)
    order = list(_shuffled(len(sizes)))
    parts = []
    for share in shares:
        taken: list[int] = []
        while order and (not taken or sizes[taken].sum() < share * len(rows)):
            taken.append(order.pop())
        parts.append(rows[np.isin(code, taken)])
    return [rows[np.isin(code, order)], *parts]


def _shuffled(n: int) -> list[int]:
    shuffled: Tensor = split(Split(torch.arange(n), None))[0].x
    return [int(i) for i in shuffled]


def moments(frame: Frame, name: str) -> Values:
    """Return the column that `dataset.time` names as numbers. AerunError for a row without a time."""
    column = frame.column("dataset.time", name)
    values = column.values
    if column.kind == "text":
        times = [seconds(w) for w in column.words]
        values = np.array([np.nan if np.isnan(v) or times[int(v)] is None else times[int(v)] for v in column.values])
    if np.isnan(values).any():
        row = int(np.isnan(values).argmax())
        raise AerunError(f"{frame.where(name, row)}: no number and no date in ISO 8601: rows are ordered by this column.")
    return values


def _by_time(times: Values, rows: Rows, shares: Sequence[float]) -> list[Rows]:
    """Cut in order of time, the last share last; rows of one moment stay together."""
    order = np.argsort(times, kind="stable")
    later = times[order]
    cuts = np.cumsum([1 - sum(shares), *shares[:-1]]) * len(rows)
    places = [int(np.searchsorted(later, later[min(round(c), len(rows) - 1)])) for c in cuts]
    return [rows[part] for part in np.split(order, places)]


def _refuse_straddling(frame: Frame, name: str, parts: dict[str, Rows]) -> None:
    """Raise AerunError where a given split cuts a group."""
    column = frame.column("dataset.group", name).as_text()
    groups = {part: set(column.values[rows][~np.isnan(column.values[rows])].tolist()) for part, rows in parts.items()}
    for a, b in (("train", "val"), ("train", "test"), ("val", "test")):
        if shared := groups[a] & groups[b]:
            word = column.words[int(min(shared))]
            raise AerunError(f"dataset.group={name}: rows of '{word}' are in the {a} and the {b} split as they are given.")
