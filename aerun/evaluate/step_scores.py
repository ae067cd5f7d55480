"""The score of a single step of a series: one rule for what a run writes down and for `aerun score`."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aerun.autoencoder import Autoencoder
from aerun.core.memory import rows_that_fit
from aerun.dataset.recorded_steps import RecordedSteps
from aerun.dataset.sequences.windows import covering, cut, pieces
from aerun.evaluate.scores import errors, weight
from aerun.trained import Trained

Values = NDArray[np.float64]
Numbers = NDArray[np.int64]
Errors = Callable[[Autoencoder, Tensor], tuple[Values, Values]]  # see `own_errors`


class Cover:
    """Means over the windows that cover a step, for N steps of F channels in a row. count (N,): how many cover it."""

    def __init__(self, steps: int, channels: int) -> None:
        self.count = np.zeros(steps, dtype=np.int64)
        self._total = np.zeros((steps, channels))

    def add(self, first: Numbers, values: Values) -> None:
        """Take the values (n, T, F) of windows whose first steps are `first` (n,), no two of them the same."""
        apart = np.unique(np.diff(first))
        for step in range(values.shape[1]):
            even = slice(first[0] + step, first[-1] + step + 1, apart[0]) if len(apart) == 1 and apart[0] > 0 else first + step
            self._total[even] += values[:, step]
            self.count[even] += 1

    def mean(self) -> Values:
        """Return the means (N, F), NaN where no window covers a step."""
        return np.where(self.count[:, None] > 0, self._total / np.maximum(self.count, 1)[:, None], np.nan)


@dataclass(frozen=True)
class Way:
    """How steps are scored. smooth: the mean of so many scores in a row. online: from a step and those before it alone.

    centre: by the window around a step alone. Else all windows that cover a step judge it, and the mean is around it.
    """

    smooth: int = 1
    online: bool = False
    centre: bool = False

    @property
    def plain(self) -> bool:
        """Return whether it is the way in which runs write scores of steps down."""
        return self == Way()

    @property
    def reach(self) -> tuple[int, int]:
        """Return how many steps before and behind one its score is a mean with."""
        behind = self.smooth - 1 if self.online else self.smooth // 2
        return behind, self.smooth - 1 - behind

    def starts(self, first: Numbers, count: Numbers, window: int, stride: int) -> tuple[Numbers, Numbers]:
        """Return `windows.covering` of pieces; online a window ends at each step."""
        return covering(first, count, window, 1 if self.each else stride)

    @property
    def each(self) -> bool:
        """Return whether each step has a window of its own."""
        return self.online or self.centre

    def kept(self, first: Numbers, values: Values) -> tuple[Numbers, Values]:
        """Return of what windows say (n, T, F) what counts, and the first steps that it is of: one step, or all."""
        if not self.each:
            return first, values
        place = values.shape[1] - 1 if self.online else values.shape[1] // 2
        return first + place, values[:, place : place + 1]

    def smoothed(self, score: Values, piece: Numbers) -> Values:
        """Return the mean of scores (N,) over steps of the same piece (N,), cut short at its ends; NaN stays NaN."""
        if self.smooth == 1 or not len(score):
            return score
        at, known = np.arange(len(score)), ~np.isnan(score)
        new = np.flatnonzero(np.diff(piece, prepend=piece[:1] - 1))
        ends = np.append(new[1:], len(score))
        which = np.searchsorted(new, at, side="right") - 1
        behind, ahead = self.reach
        low, high = np.maximum(at - behind, new[which]), np.minimum(at + ahead + 1, ends[which])
        total, number = (np.concatenate([[0], np.cumsum(v)]) for v in (np.where(known, score, 0.0), known))
        mean = (total[high] - total[low]) / np.maximum(number[high] - number[low], 1)
        return np.where(known, mean, np.nan)


@torch.inference_mode()
def own_errors(model: Autoencoder, stored: Tensor) -> tuple[Values, Values]:
    """Return the squared error of each element of windows (n, T, F), and 1 where the element is seen, else 0.

    Where the model's numbers overflow the error is infinite: no such step is ordinary.
    """
    error = errors(model, stored).double()
    seen = torch.ones_like(error) * weight(model, stored, error)
    return torch.where(error.isnan(), torch.inf, error).cpu().numpy(), seen.cpu().numpy()


@dataclass(frozen=True)
class NormalSteps:
    """score (n,): of the steps that validation windows cover, by time. piece (n,): the number of the run each is in."""

    score: Values
    piece: Numbers

    def blocks(self, window: int) -> Values:
        """Return the highest score of each stretch of `window` steps in a row; what is left of a run is in none."""
        new = np.flatnonzero(np.diff(self.piece, prepend=self.piece[:1] - 1))
        runs = np.split(self.score, new[1:])
        return np.concatenate([run[: len(run) // window * window].reshape(-1, window).max(1) for run in runs])


def validation_steps(trained: Trained, way: Way, judge: Errors = own_errors) -> NormalSteps | None:
    """Return the scores of single steps of the validation windows; None where samples are no windows of series.

    A step that several windows share is judged by all of them, as `aerun score` does.
    """
    first = trained.dataset.validation_starts()
    if first is None or not len(first) or len(first) != len(trained.data.val) or trained.autoencoder.facts.ragged:
        return None
    first = first - first.min()
    steps, channels = trained.autoencoder.facts.stored
    windows = _windows(trained, way, first)
    score, covered = _means(trained.exact, windows, way, judge, (int(first.max()) + steps, channels))
    piece = np.cumsum(np.diff(covered, prepend=False))
    return NormalSteps(way.smoothed(score, piece)[covered], piece[covered])


def covered_steps(trained: Trained, way: Way, recorded: RecordedSteps, stride: int, judge: Errors = own_errors) -> Values:
    """Return the scores (N,) of recorded steps by the windows that cover each, as `aerun score` does; NaN where none does."""
    window = trained.autoencoder.facts.stored[0]
    score = np.full(len(recorded.x), np.nan)
    for starts in way.starts(recorded.first, recorded.count, window, stride):
        size = (len(score), recorded.x.shape[1])
        found, covered = _means(trained.exact, _cuts(trained, recorded.x, starts), way, judge, size)
        score = np.where(np.isnan(score) & covered, found, score)
    return way.smoothed(score, recorded.piece)


def _means(
    model: Autoencoder, windows: Iterator[tuple[Numbers, Tensor]], way: Way, judge: Errors, size: tuple[int, int]
) -> tuple[Values, NDArray[np.bool_]]:
    """Return the scores of size[0] steps by windows and their first steps, and which steps one of them covers."""
    errors, seen = Cover(*size), Cover(size[0], 1)
    for part, stored in windows:
        error, weight = judge(model, stored)
        errors.add(*way.kept(part, error))
        seen.add(*way.kept(part, weight.sum(2, keepdims=True)))
    return errors.mean().sum(1) / np.maximum(seen.mean()[:, 0], 1), errors.count > 0


def _cuts(trained: Trained, x: Tensor, starts: Numbers) -> Iterator[tuple[Numbers, Tensor]]:
    """Yield windows that begin at `starts` (n,), stored, and where they begin."""
    facts = trained.autoencoder.facts
    steps, rows = np.arange(facts.stored[0]), rows_that_fit(facts.size)
    for at in range(0, len(starts), rows):
        part = starts[at : at + rows]
        yield part, x[torch.from_numpy(part[:, None] + steps)].to(trained.device)


def _windows(trained: Trained, way: Way, first: Numbers) -> Iterator[tuple[Numbers, Tensor]]:
    """Yield the validation windows, stored, and their first steps; online one ends at each step, as when scores are asked for.

    What is told of a window is known of those that were cut alone, which judge then.
    """
    val, facts = trained.data.val, trained.autoencoder.facts
    steps, rows = facts.stored[0], rows_that_fit(facts.size)
    if not way.each or facts.told:
        parts = (first[at : at + rows] for at in range(0, len(first), rows))
        yield from zip(parts, trained.stored_batches(val, rows), strict=True)
        return
    x = torch.empty(int(first.max()) + steps, *val.x.shape[2:], dtype=val.x.dtype)
    covered = np.zeros(len(x), dtype=bool)
    for at, window in zip(first.tolist(), val.x, strict=True):
        x[at : at + steps], covered[at : at + steps] = window, True
    yield from _cuts(trained, x, cut(*pieces(np.zeros(len(x), dtype=bool), covered), steps, 1).first)
