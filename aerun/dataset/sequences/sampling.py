"""From recordings to samples: which split a step is in, where a recording breaks, and what lies between."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import torch
from numpy.typing import NDArray

from aerun.core.errors import AerunError
from aerun.dataset.labels import Labels, by_class, by_flag
from aerun.dataset.sequences import clock, recorded, windows
from aerun.dataset.sequences.recorded import Recorded
from aerun.dataset.sequences.series_files import SPLIT
from aerun.dataset.sequences.windows import Flags, Numbers, Windows
from aerun.dataset.splits import Data, Split
from aerun.dataset.tables.partition import Cut, moments
from aerun.formats.frame import Column, Frame, Values

_PARTS = ("training", "validation", "test")

log = logging.getLogger("aerun")


@dataclass(frozen=True)
class SeriesFacts:
    """What was read, as samples (n, T, F), NaN behind the last step of those that are shorter."""

    data: Data
    features: tuple[str, ...]
    classes: tuple[str, ...]
    ragged: bool


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
class Sampling:
    """The settings of `Series` by their names; keep: gaps in time are no breaks. path, test_path: for messages. zone: of times
    without an offset.
    """

    path: Path
    test_path: Path | None
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

    def __call__(self, found: Recorded, tests: int) -> SeriesFacts:
        """Return samples of what was found; the last `tests` rows are of the test file."""
        label = self.label or found.label if self.anomaly is None else None
        features = self.features(found, label)
        steps = self._steps(found, tests, features, label)
        x, cut = self._windows(found, steps, features)
        return self._samples(x, steps, cut, features)

    def features(self, found: Recorded, label: str | None) -> tuple[str, ...]:
        """Return the columns that are features: all that no setting names. AerunError for none, and for one of words."""
        used = {*self.roles, label, SPLIT}
        features = tuple(name for name in found.frame.columns if name not in used)
        if not features:
            raise AerunError(f"{self.path}: no column is left to train on.")
        for name in features:
            recorded.refuse_words(found.where, name, found.frame.columns[name])
        return features

    def of_others(self, found: Recorded, features: Sequence[str], longest: int, window: int | None) -> NDArray[np.float32]:
        """Return samples (n, longest, F) of other recordings, cut as these settings say, none of which is left for a test."""
        for name in features:
            recorded.refuse_words(found.where, name, found.frame.columns[name])
        here = replace(self, window=window)
        steps = here._ordered(found, features, None, np.zeros(len(found.frame), dtype=np.int64), *here._order(found))
        x, cut = here._windows(found, steps, features)
        if len(cut.count) and cut.count.max() > longest:
            raise AerunError(f"{self.path}: a series of {cut.count.max()} steps, and the longest of training had {longest}.")
        if not len(cut.first):
            raise AerunError(f"{self.path}: no series is as long as the {longest} steps of a sample.")
        return windows.gathered(str(self.path), x.astype(np.float32), cut, longest)

    def _windows(self, found: Recorded, steps: Steps, features: Sequence[str]) -> tuple[Values, Windows]:
        change = self._breaks(found, steps)
        x = self._present(found, steps, features, change)
        first, count = windows.pieces(change, np.isfinite(x).min(axis=1))
        cut = windows.cut(first, count, self.window, self.stride)
        if cut.short:
            words = "dataset=series: %d of %d pieces without a break have less than dataset.window=%d steps and are left out."
            log.warning(words, cut.short, len(first), self.window)
        return x, cut

    def _steps(self, found: Recorded, tests: int, features: Sequence[str], label: str | None) -> Steps:
        frame = found.frame
        labels = by_flag(frame, self.anomaly) if self.anomaly is not None else None if label is None else by_class(frame, label)
        part = np.zeros(len(frame), dtype=np.int64)
        time, order = self._order(found)
        for k, rows in enumerate(self._cut(found, tests, time)):
            part[rows] = k
        return self._ordered(found, features, labels, part, time, order)

    def _order(self, found: Recorded) -> tuple[Values | None, Numbers]:
        """Return times, and rows by series and time. AerunError where two steps of a series are of the same moment."""
        time = self._time(found)
        order = np.lexsort((np.arange(len(found.frame)) if time is None else time, found.series))
        if time is not None:
            self._refuse_repeated(found, time, order)
        return time, order

    def _ordered(
        self,
        found: Recorded,
        features: Sequence[str],
        labels: Labels | None,
        part: Numbers,
        time: Values | None,
        order: Numbers,
    ) -> Steps:
        frame = found.frame
        return Steps(
            np.stack([frame.columns[n].values for n in features], 1)[order],
            found.series[order],
            part[order],
            None if time is None else time[order],
            None if labels is None else Labels(labels.codes[torch.from_numpy(order)], labels.names),
            order,
        )

    def _time(self, found: Recorded) -> Values | None:
        if self.time is None:
            return None
        times = moments(found.frame, self.time)
        local = clock.is_local(found.frame.columns[self.time])
        return times if self.zone is None else clock.in_zone(times, local, found.series, self.zone)

    def _refuse_repeated(self, found: Recorded, time: Values, order: Numbers) -> None:
        again = windows.repeated(time[order], found.series[order])
        if not len(again):
            return
        assert self.time is not None
        rows = order[again]
        where = f"{found.where(self.time, int(rows[0]))}: another step is of the same moment"
        if self.zone is None and clock.is_local(found.frame.columns[self.time])[rows].all() and clock.set_back(time[rows]):
            raise AerunError(
                f"{where}, as where clocks are set back at the end of summer time. Whose clock is it? "
                "dataset.zone=Europe/Berlin (or another zone) tells the hours apart; so do offsets in the file, such as +02:00."
            )
        raise AerunError(f"{where}. Which column tells series apart? dataset.group=NAME.")

    def _cut(self, found: Recorded, tests: int, time: Values | None) -> Sequence[Numbers]:
        """Return rows of the three splits."""
        rows, groups = len(found.frame), len(np.unique(found.group[: len(found.group) - tests]))
        folders = SPLIT in found.frame.columns
        split = SPLIT if folders else self.split
        by_time = self.by == "time" or (self.by == "auto" and groups == 1 and not folders)
        columns = {name: found.frame.columns[name] for name in (split,) if name in found.frame.columns}
        if split is not None and split not in columns:
            found.frame.column("dataset.split", split)
        title = str(self.path)
        files = ((title, rows - tests), (str(self.test_path), tests)) if tests else ((title, rows),)
        if by_time:
            columns["time"] = Column("number", _shares(found.series) if time is None else time)
            return replace(self.cut, split=split, time="time")(Frame(columns, files))
        needed = 3 if not tests and split is None else 1
        if groups < needed:
            raise AerunError(f"{title}: only {groups} series, to be split into three. dataset.by=time splits each by its time.")
        columns["series"] = Column("number", found.group.astype(np.float64))
        return replace(self.cut, split=split, group="series")(Frame(columns, files))

    def _breaks(self, found: Recorded, steps: Steps) -> Flags:
        """Return true where a step does not go on from the one before it."""
        change = np.ones(len(steps.row), dtype=bool)
        change[1:] = (np.diff(steps.series) != 0) | (np.diff(steps.part) != 0)
        if steps.time is None or self.time is None:
            return change
        gaps = windows.gaps(steps.time, steps.series)
        if gaps.after.any():
            rule = "samples may span them" if self.keep else "no sample spans one (dataset.gaps=keep lets it)"
            words = (
                "dataset=series: %d of %d steps come after a gap of more than 1.5 usual steps (%g), the longest %g at %s: %s."
            )
            place = found.where(self.time, int(steps.row[gaps.worst]))
            log.warning(words, int(gaps.after.sum()), len(change), gaps.usual, gaps.longest, place, rule)
        return change if self.keep else change | gaps.after

    def _present(self, found: Recorded, steps: Steps, features: Sequence[str], change: Flags) -> Values:
        """Return the values, what is missing filled in where that was asked for."""
        gone = np.isnan(steps.x)
        if not gone.any() or self.missing == "cut":
            return steps.x
        for i, name in enumerate(features):
            if self.missing == "refuse" and gone[:, i].any():
                windows.refuse_missing(gone[:, i], found.where(name, int(steps.row[gone[:, i].argmax()])))
        x = windows.filled(steps.x, change, self.missing)
        log.warning("dataset=series: %d missing values are filled in (dataset.missing=%s).", int(gone.sum()), self.missing)
        return x

    def _samples(self, x: Values, steps: Steps, cut: Windows, features: tuple[str, ...]) -> SeriesFacts:
        longest = int(cut.count.max()) if len(cut.count) else 0
        y = None
        if steps.labels is not None and len(cut.first):
            y = windows.classes(steps.labels.codes.numpy(), cut, 1 if self.anomaly is not None else None)
        parts = []
        for k, name in enumerate(_PARTS):
            rows = np.flatnonzero(steps.part[cut.first] == k)
            if not len(rows):
                here = int((steps.part == k).sum())
                size = f"dataset.window={self.window} steps" if self.window else "any step"
                raise AerunError(f"{self.path}: the {name} split, {here} steps, holds no sample of {size}.")
            chosen = Windows(cut.first[rows], cut.count[rows], 0)
            samples = windows.gathered(str(self.path), x.astype(np.float32), chosen, longest)
            parts.append(Split(torch.from_numpy(samples), None if y is None else torch.from_numpy(y[rows])))
        classes = () if steps.labels is None else steps.labels.names
        return SeriesFacts(Data(*parts), features, classes, ragged=bool((cut.count < longest).any()))


def _shares(series: Numbers) -> Values:
    """Return how far on in its series each row is, 0 to 1, in the order of the rows."""
    order = np.argsort(series, kind="stable")
    _, first, sizes = np.unique(series[order], return_index=True, return_counts=True)
    found = np.empty(len(series))
    found[order] = (np.arange(len(series)) - np.repeat(first, sizes)) / np.repeat(sizes, sizes)
    return found
