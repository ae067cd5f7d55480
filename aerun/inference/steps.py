"""Series step by step: the windows that cover a step judge it, each by its own error there."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from aerun.dataset.recorded_steps import numbered
from aerun.dataset.sequences.sampling import Opened
from aerun.dataset.sequences.windows import Windows, most_frequent
from aerun.dataset.telling import LABEL
from aerun.evaluate.step_scores import Cover, Way, own_errors
from aerun.formats.frame import Values, Words

if TYPE_CHECKING:
    from aerun.inference.runner import Runner


@dataclass(frozen=True)
class StepScores:
    """score (N,), errors (N, F) and, where asked for, expected values in own units, by series and time; NaN: not covered."""

    score: Values
    errors: Values
    expected: Values | None


@dataclass
class StepSeries:
    """The steps of a file, the first steps of the windows that cover them, and the columns that travel, by the file's rows.

    tails: windows that end pieces, see `windows.covering`. time, group: the columns of that name, where settings name any.
    label: of each step (N,), by series and time, where the file says it. known, ready: the rows from which on, and before
    which, it is asked for; the others are there for windows that cover these. dropped: rows of the file before the first one.
    judged: what the model says of them. merge, least: which alarms are one event, see `events.events_of`. blocks: see
    `Calibration`.
    """

    file: str
    opened: Opened
    channels: tuple[str, ...]
    starts: NDArray[np.int64]
    tails: NDArray[np.int64]
    beside: dict[str, Words]
    time: str | None
    group: str | None
    label: Words | None = None
    known: int = 0
    ready: int | None = None
    dropped: int = 0
    judged: StepScores | None = None
    merge: int = 1
    least: int = 1
    blocks: Values | None = None

    def __len__(self) -> int:
        return len(range(len(self.opened.x))[self.rows])

    @property
    def rows(self) -> slice:
        """Return which rows are asked for."""
        return slice(self.known, self.ready)

    def in_file(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return values (N, ...) by series and time in the order of the file's rows, of those that are asked for."""
        ordered = np.empty_like(values)
        ordered[self.opened.row] = values
        return ordered[self.rows]

    def settled(self, way: Way, window: int, stride: int, fills: bool) -> tuple[int, int]:
        """Return how many rows have a score that no later row changes, and from which row on rows are still needed.

        Of a piece that goes on, steps before the first window that is not whole are settled, and with smoothed scores those as
        far before as the mean looks ahead; the next step needs the rows from the first window on that covers it, and the steps
        that its mean looks back to. fills: whether values that are missing may turn out to be filled in.
        """
        behind, ahead = way.reach
        step, n = 1 if way.each else min(stride, window), len(self.opened.x)
        usable = np.flatnonzero(self.piece >= 0)
        end, keep = int(usable[-1]) + 1 if len(usable) else 0, None
        settled = np.arange(n) < (end if fills else n)
        for first, count in zip(self.opened.first, self.opened.count, strict=True):
            if first + count == (end if fills else n):  # it may go on
                whole = max(0, ((count - window) // step + 1) * step - ahead) if count >= window else 0
                settled[first + whole :] = False
                keep = int(first) + max(0, -(-(whole - behind - window + 1) // step) * step)
        in_file = replace(self, known=0, ready=None).in_file(settled)
        ready = n if in_file.all() else int(in_file.argmin())
        return ready, ready if keep is None else min(keep, ready)

    def at_ends(self, window: int) -> int:
        """Return how many steps only windows that end pieces cover."""
        covered = np.zeros(len(self.opened.x) + 1, dtype=np.int64)
        np.add.at(covered, self.starts, 1)
        np.add.at(covered, self.starts + window, -1)
        bare = (covered[:-1].cumsum() == 0) & np.isin(self.opened.row, np.arange(len(self.opened.x))[self.rows])
        return int(sum(bare[first : first + window].sum() for first in self.tails))

    @cached_property
    def piece(self) -> NDArray[np.int64]:
        """Return the number of the piece without a break that each step is in, (N,), -1 where it is in none."""
        return numbered(len(self.opened.x), self.opened.first, self.opened.count)

    @cached_property
    def step(self) -> NDArray[np.int64]:
        """Return which step of its series each is, (N,), from 1."""
        series = self.opened.series
        start = np.flatnonzero(np.diff(series, prepend=series[:1] - 1))
        return np.arange(len(series)) - np.repeat(start, np.diff([*start, len(series)])) + 1 + self.dropped

    @cached_property
    def names(self) -> Words:
        """Return the name of the series that each step is of, (N,): its group, or a number from 1."""
        words = self.beside.get(self.group) if self.group is not None else None
        if words is not None:
            return words[self.opened.row]
        return (np.unique(self.opened.series, return_inverse=True)[1] + 1).astype(np.str_)

    @cached_property
    def moments(self) -> Words:
        """Return when each step is, (N,), as the file writes it; without a column of times the number of the step."""
        words = self.beside.get(self.time) if self.time is not None else None
        return self.step.astype(np.str_) if words is None else words[self.opened.row]

    def places(self) -> dict[str, NDArray[Any]]:
        """Return columns by the file's rows that say which step it is, where no column that travels does."""
        columns: dict[str, NDArray[Any]] = {}
        if self.opened.recording.whole and self.group is None:
            columns["series"] = self.in_file(self.names)
        if self.time is None or self.time not in self.beside:
            columns["step"] = self.in_file(self.step)
        return columns


def judge(
    model: "Runner",
    x: NDArray[np.float32],
    starts: NDArray[np.int64],
    tails: NDArray[np.int64],
    label: Words | None = None,
    piece: NDArray[np.int64] | None = None,
    expects: bool = False,
) -> StepScores:
    """Return the scores of all steps: e_t = mean over the windows that cover t of the mean squared error of step t itself.

    x (N, F): series one behind the other. starts: the first steps of windows. tails: of those that end pieces; they judge only
    steps that no other window covers, for they lie elsewhere than those that the model was trained on and that thresholds come
    from. label (N,): of the steps, for a model that is told it. piece (N,): the number of the piece of each step, within which
    scores are smoothed, see `Way`; None: they are not. expects: with what is expected. NaN where no window covers a step.
    """
    score, errors, expected = _covered(model, x, starts, label, expects)
    if len(tails):
        bare = np.isnan(score)
        more = _covered(model, x, tails, label, expects)
        score = np.where(bare, more[0], score)
        errors[bare] = more[1][bare]
        if expected is not None and more[2] is not None:
            expected[bare] = more[2][bare]
    return StepScores(score if piece is None else model.way.smoothed(score, piece), errors, expected)


def _covered(
    model: "Runner", x: NDArray[np.float32], starts: NDArray[np.int64], label: Words | None, expects: bool
) -> tuple[Values, Values, Values | None]:
    """Return scores (N,), errors and, where asked for, expected values (N, F) by these windows; NaN where none covers."""
    errors, expected, seen = Cover(*x.shape), Cover(*x.shape) if expects else None, Cover(len(x), 1)
    steps = np.arange(model.facts.stored[0])
    for first in range(0, len(starts), model.rows):
        part = starts[first : first + model.rows]
        stored = torch.from_numpy(x[part[:, None] + steps])
        if model.facts.told:
            cut = Windows(part, np.full(len(part), len(steps)), 0)
            form = model.form if label is None else model.form.of_file({LABEL: most_frequent(label, cut)})
            stored, _ = form.to_stored(stored.numpy())
        error, weight = own_errors(model.exact, stored.to(model.device))
        errors.add(*model.way.kept(part, error))
        seen.add(*model.way.kept(part, weight.sum(2, keepdims=True)))
        if expected is not None:
            expected.add(*model.way.kept(part, model.rebuilt(stored).double().numpy()))
    mean = errors.mean()
    return mean.sum(1) / np.maximum(seen.mean()[:, 0], 1), mean, None if expected is None else expected.mean()
