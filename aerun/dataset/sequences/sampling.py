"""From recordings to samples: which split a step is in, where a recording breaks, and what lies between."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import torch
from numpy.typing import NDArray

from aerun.core.errors import AerunError
from aerun.core.text import counted
from aerun.dataset.labels import Labels, by_class, by_flag
from aerun.dataset.recorded_steps import RecordedSteps
from aerun.dataset.sequences import clock, recorded, windows
from aerun.dataset.sequences.recorded import Recorded
from aerun.dataset.sequences.series_files import SPLIT
from aerun.dataset.sequences.windows import Flags, Numbers, Windows
from aerun.dataset.splits import Data, Split
from aerun.dataset.tables.partition import Cut, moments
from aerun.formats.frame import Column, Frame, Values, Words
from aerun.formats.reading import Reading

_PARTS = ("training", "validation", "test")
_FEW_SERIES = 9  # of which a test split holds one
_FEW = 20  # training samples, too few to learn from

log = logging.getLogger("aerun")


@dataclass(frozen=True)
class SeriesFacts:
    """The samples that were read, (n, T, F), with NaN behind the last step of those that are shorter."""

    data: Data
    features: tuple[str, ...]
    classes: tuple[str, ...]
    ragged: bool
    reading: Reading | None = None  # how their (first) file was read, where it was a table
    files: tuple[Path, ...] = ()
    val_first: Numbers | None = None  # the first step of each validation sample, counted through all steps
    test_steps: RecordedSteps | None = None
    uneven: float = 0.0  # the share of steps that come much earlier or later than usual, where it is more than a few


GAPS = ("fill", "keep")  # values of `dataset.missing` with which samples lack values, as rows of tables do


@dataclass(frozen=True)
class Steps:
    """All steps by series and time: values (N, F), series, part (0, 1, 2), time, class, and their rows in the files."""

    x: Values
    series: Numbers
    part: Numbers
    time: Values | None
    labels: Labels | None
    row: Numbers


@dataclass(frozen=True)
class Opened:
    """The steps of a recording by series and time, and the pieces of them without a break: first (p,) and count (p,).

    x (N, F): values, filled in as the settings say. series, row (N,): of each step its series and its row in the file.
    """

    recording: Recorded
    x: NDArray[np.float32]
    series: Numbers
    row: Numbers
    time: Values | None
    first: Numbers
    count: Numbers

    def words(self, name: str | None) -> Words | None:
        """Return a column of the file as words, of each step (N,); None where there is none."""
        words = None if name is None else self.recording.frame.written(name)
        return None if words is None else words[self.row]


@dataclass(frozen=True)
class Sampling:
    """The settings of `Series` by their names, and how they cut a recording into samples.

    keep: gaps in time are no breaks. path, test_path: for messages. zone: of times without an offset.
    """

    path: str
    test_path: str
    time: str | None
    label: str | None
    anomaly: str | None
    split: str | None
    roles: tuple[str, ...]
    window: int | None
    stride: int
    keep: bool
    missing: str
    by: str
    cut: Cut
    zone: ZoneInfo | None = None
    irregular: bool = False
    carry: bool = False

    def __call__(self, recording: Recorded, tests: int) -> SeriesFacts:
        """Return the samples of a recording whose last `tests` rows are of the test file."""
        label = self.label or recording.label if self.anomaly is None else None
        features = self.features(recording, label)
        steps = self._steps(recording, tests, features, label)
        x, first, count = self._pieces(recording, steps, features)
        if self.window is None and len(np.unique(count)) > 1:
            first, count = self._ended(x, first, count)
        cut = windows.cut(first, count, self.window, self.stride)
        self._tell_short(cut, len(first))
        uneven = 0.0 if steps.time is None or self.irregular else windows.uneven(steps.time, first, count)
        read = replace(self._samples(x, steps, cut, features), test_steps=_tested(x, steps, first, count), uneven=uneven)
        if self.window is None and len(read.data.train) < _FEW:
            few = counted(len(read.data.train), "training sample")
            log.warning("dataset=series: only %s, each a series without a break; dataset.window=STEPS cuts windows.", few)
        return replace(read, reading=recording.frame.reading, files=tuple(Path(p) for p, _ in recording.frame.files))

    def features(self, recording: Recorded, label: str | None) -> tuple[str, ...]:
        """Return the columns that are features: all that no setting names.

        Raises AerunError where there are none, and where one does not hold numbers.
        """
        used = {*self.roles, label, SPLIT}
        features = tuple(name for name in recording.frame.columns if name not in used)
        if not features:
            raise AerunError(f"{self.path}: no column is left to train on.")
        for name in features:
            recorded.refuse_words(recording.where, name, recording.frame.columns[name])
        return features

    def of_others(
        self, recording: Recorded, features: Sequence[str], longest: int, window: int | None
    ) -> tuple[NDArray[np.float32], Windows, Opened]:
        """Return samples (n, longest, F) of another recording, cut as these settings say; no part is held out for a test.

        Beside them stand the steps that they were cut from, and where.

        Raises AerunError where a feature does not hold numbers, where a series is longer than `longest`, and where none is long
        enough.
        """
        read = self.opened(recording, features, window)
        if window is None:
            first, count = self._ended(read.x, read.first, read.count)
            read = replace(read, first=first, count=count)
        cut = windows.cut(read.first, read.count, window, self.stride)
        self._tell_short(cut, len(read.first))
        if len(cut.count) and cut.count.max() > longest:
            raise AerunError(f"{self.path}: a series of {cut.count.max()} steps, and the longest of training had {longest}.")
        if not len(cut.first):
            raise AerunError(f"{self.path}: no series is as long as the {longest} steps of a sample.")
        return windows.gathered(self.path, read.x, cut, longest), cut, read

    def opened(self, recording: Recorded, features: Sequence[str], window: int | None) -> Opened:
        """Return the steps of another recording, and the pieces of it that samples may be cut from.

        Raises AerunError where a feature does not hold numbers.
        """
        for name in features:
            recorded.refuse_words(recording.where, name, recording.frame.columns[name])
        here = replace(self, window=window)
        part = np.zeros(len(recording.frame), dtype=np.int64)
        steps = here._ordered(recording, features, None, part, *here._order(recording))
        x, first, count = here._pieces(recording, steps, features)
        return Opened(recording, x.astype(np.float32), steps.series, steps.row, steps.time, first, count)

    def _ended(self, x: NDArray[np.floating[Any]], first: Numbers, count: Numbers) -> tuple[Numbers, Numbers]:
        """Return the pieces up to their last steps that hold any value: what stands behind them is no step, which is told."""
        ended = windows.ends(x, first, count)
        if lost := int((count - ended).sum()):
            empty = int((ended == 0).sum())
            words = "dataset=series: %d steps without any value at the ends of series are left out%s."
            log.warning(words, lost, f", {empty} series without any value with them" if empty else "")
        return first[ended > 0], ended[ended > 0]

    def _tell_short(self, cut: Windows, pieces: int) -> None:
        if cut.short:
            words = "dataset=series: %d of %d pieces without a break have less than dataset.window=%d steps and are left out."
            log.warning(words, cut.short, pieces, self.window)

    def _pieces(self, recording: Recorded, steps: Steps, features: Sequence[str]) -> tuple[Values, Numbers, Numbers]:
        """Return the values, and the first steps and lengths of pieces without a break and without values that are missing."""
        change = self._breaks(recording, steps)
        x = self._present(recording, steps, features, change)
        usable = np.ones(len(x), dtype=bool) if self.missing in GAPS else np.isfinite(x).min(axis=1)
        return x, *windows.pieces(change, usable)

    def _steps(self, recording: Recorded, tests: int, features: Sequence[str], label: str | None) -> Steps:
        frame = recording.frame
        labels = by_flag(frame, self.anomaly) if self.anomaly is not None else None if label is None else by_class(frame, label)
        part = np.zeros(len(frame), dtype=np.int64)
        time, order = self._order(recording)
        for k, rows in enumerate(self._cut(recording, tests, time)):
            part[rows] = k
        return self._ordered(recording, features, labels, part, time, order)

    def _order(self, recording: Recorded) -> tuple[Values | None, Numbers]:
        """Return the times, and the rows by series and time. Raise AerunError where two steps of a series share a moment."""
        time = self._time(recording)
        order = np.lexsort((np.arange(len(recording.frame)) if time is None else time, recording.series))
        if time is not None:
            self._refuse_repeated(recording, time, order)
        return time, order

    def _ordered(
        self,
        recording: Recorded,
        features: Sequence[str],
        labels: Labels | None,
        part: Numbers,
        time: Values | None,
        order: Numbers,
    ) -> Steps:
        frame = recording.frame
        columns = [frame.columns[n].values[order] for n in features]
        if self.irregular and time is not None:
            columns.append(windows.since(time[order], recording.series[order]))
        return Steps(
            np.stack(columns, 1),
            recording.series[order],
            part[order],
            None if time is None else time[order],
            None if labels is None else Labels(labels.codes[torch.from_numpy(order)], labels.names),
            order,
        )

    def _time(self, recording: Recorded) -> Values | None:
        if self.time is None:
            return None
        times = moments(recording.frame, self.time)
        local = clock.is_local(recording.frame.columns[self.time])
        if self.zone is None:
            return times
        utc = clock.in_zone(times, local, recording.series, self.zone)
        if len(skipped := np.flatnonzero(np.isnan(utc))):
            where = recording.where(self.time, int(skipped[0]))
            raise AerunError(
                f"{where}: the clock of {self.zone.key} is set forward over this time ({len(skipped)} in all). "
                "Name the zone of these times, or leave dataset.zone out where they are UTC."
            )
        return utc

    def _refuse_repeated(self, recording: Recorded, time: Values, order: Numbers) -> None:
        again = windows.repeated(time[order], recording.series[order])
        if not len(again):
            return
        assert self.time is not None
        rows = order[again]
        where = f"{recording.where(self.time, int(rows[0]))}: another step is of the same moment"
        before = order[again - 1]
        if all(np.array_equal(c.values[rows], c.values[before], equal_nan=True) for c in recording.frame.columns.values()):
            raise AerunError(f"{where} and the same values: {len(rows)} rows stand there twice. Leave out the second ones.")
        if clock.is_local(recording.frame.columns[self.time])[rows].all() and clock.set_back(time[rows]):
            if self.zone is not None:
                key = self.zone.key
                raise AerunError(
                    f"{where}, where the clock of {key} is not set back. Is it another zone's? dataset.zone={key}."
                )
            raise AerunError(
                f"{where}, as where clocks are set back at the end of summer time. Whose clock is it? "
                "dataset.zone=Europe/Berlin (or another zone) tells the hours apart; so do offsets in the file, such as +02:00."
            )
        raise AerunError(f"{where}. Which column tells series apart? dataset.group=NAME.")

    def _cut(self, recording: Recorded, tests: int, time: Values | None) -> Sequence[Numbers]:
        """Return the rows of the three splits."""
        rows, groups = len(recording.frame), len(np.unique(recording.group[: len(recording.group) - tests]))
        folders = SPLIT in recording.frame.columns
        split = SPLIT if folders else self.split
        by_time = self.by == "time" or (self.by == "auto" and groups == 1 and not folders)
        columns = {name: recording.frame.columns[name] for name in (split,) if name in recording.frame.columns}
        if split is not None and split not in columns:
            recording.frame.column("dataset.split", split)
        title = self.path
        files = ((title, rows - tests), (self.test_path, tests)) if tests else ((title, rows),)
        if by_time:
            columns["time"] = Column("number", _shares(recording.series) if time is None else time)
            return replace(self.cut, split=split, time="time")(Frame(columns, files))
        needed = 3 if not tests and split is None else 1
        if groups < needed:
            raise AerunError(f"{title}: only {groups} series, to be split into three. dataset.by=time splits each by its time.")
        if self.by == "auto" and needed == 3 and groups <= _FEW_SERIES:
            words = (
                "%d series are split whole: some are for training, others for validation and test alone (dataset.by=series)."
            )
            log.warning(f"{title}: {words} dataset.by=time splits each by its time instead.", groups)
        columns["series"] = Column("number", recording.group.astype(np.float64))
        return replace(self.cut, split=split, group="series")(Frame(columns, files))

    def _breaks(self, recording: Recorded, steps: Steps) -> Flags:
        """Return flags (N,), True where a step does not go on from the one before it."""
        change = np.ones(len(steps.row), dtype=bool)
        change[1:] = (np.diff(steps.series) != 0) | (np.diff(steps.part) != 0)
        if steps.time is None or self.time is None:
            return change
        gaps = windows.gaps(steps.time, steps.series)
        if gaps.after.any():
            rule = "samples may span them" if self.keep else "no sample spans one (dataset.gaps=keep lets it)"
            words = "dataset=series: %d of %d steps %s after a gap of more than 1.5 usual steps (%s), the longest %s at %s: %s."
            count = int(gaps.after.sum())
            place = recording.where(self.time, int(steps.row[gaps.worst]))
            dated = recording.frame.columns[self.time].kind == "date"
            spans = [str(timedelta(seconds=v)) if dated else f"{v:g}" for v in (gaps.usual, gaps.longest)]
            log.warning(words, count, len(change), "comes" if count == 1 else "come", *spans, place, rule)
        return change if self.keep else change | gaps.after

    def _present(self, recording: Recorded, steps: Steps, features: Sequence[str], change: Flags) -> Values:
        """Return the values, with the missing ones filled in where `dataset.missing` asks for it."""
        gone = np.isnan(steps.x)
        if not gone.any() or self.missing == "cut":
            return steps.x
        if self.missing in GAPS:
            kept = "read as the last value before" if self.carry else "read as the mean of training"
            what = "read as the median of training" if self.missing == "fill" else kept
            log.warning("dataset=series: %d values are missing, %s (dataset.missing=%s).", int(gone.sum()), what, self.missing)
            return steps.x
        for i, name in enumerate(features):
            if self.missing == "refuse" and gone[:, i].any():
                windows.refuse_missing(gone[:, i], recording.where(name, int(steps.row[gone[:, i].argmax()])))
        x = windows.filled(steps.x, change, self.missing)
        log.warning("dataset=series: %d missing values are filled in (dataset.missing=%s).", int(gone.sum()), self.missing)
        return x

    def _samples(self, x: Values, steps: Steps, cut: Windows, features: tuple[str, ...]) -> SeriesFacts:
        longest = int(cut.count.max()) if len(cut.count) else 0
        y = None
        if steps.labels is not None and len(cut.first):
            y = windows.classes(steps.labels.codes.numpy(), cut, 1 if self.anomaly is not None else None)
        parts, val = list[Split](), np.zeros(0, dtype=np.int64)
        for k, name in enumerate(_PARTS):
            rows = np.flatnonzero(steps.part[cut.first] == k)
            if not len(rows):
                here = int((steps.part == k).sum())
                size = f"dataset.window={self.window} steps" if self.window else "any step"
                raise AerunError(f"{self.path}: the {name} split, {here} steps, holds no sample of {size}.")
            chosen = Windows(cut.first[rows], cut.count[rows], 0)
            val = chosen.first if name == "validation" else val
            samples = windows.gathered(self.path, x.astype(np.float32), chosen, longest)
            parts.append(Split(torch.from_numpy(samples), None if y is None else torch.from_numpy(y[rows])))
        classes = () if steps.labels is None else steps.labels.names
        return SeriesFacts(Data(*parts), features, classes, bool((cut.count < longest).any()), val_first=val)


def _tested(x: Values, steps: Steps, first: Numbers, count: Numbers) -> RecordedSteps:
    """Return the steps of the test split."""
    mine = np.flatnonzero(steps.part == _PARTS.index("test"))
    place = np.full(len(x), -1)
    place[mine] = np.arange(len(mine))
    here = place[first] >= 0
    label = None if steps.labels is None else steps.labels.codes.numpy()[mine]
    return RecordedSteps(torch.from_numpy(x[mine].astype(np.float32)), place[first[here]], count[here], label)


def _shares(series: Numbers) -> Values:
    """Return how far on in its series each row is, from 0 to 1, in the order of the rows."""
    order = np.argsort(series, kind="stable")
    _, first, sizes = np.unique(series[order], return_index=True, return_counts=True)
    progress = np.empty(len(series))
    progress[order] = (np.arange(len(series)) - np.repeat(first, sizes)) / np.repeat(sizes, sizes)
    return progress
