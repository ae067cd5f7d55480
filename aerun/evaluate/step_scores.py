"""The score of a single step of a series: one rule for what a run writes down and for `aerun score`."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aerun.autoencoder import Autoencoder
from aerun.dataset.sequences.windows import covering
from aerun.evaluate.scores import errors, weight

Values = NDArray[np.float64]
Numbers = NDArray[np.int64]


class Cover:
    """Means over the windows that cover a step, for N steps of F channels in a row. count (N,): how many cover it."""

    def __init__(self, steps: int, channels: int) -> None:
        self.count = np.zeros(steps, dtype=np.int64)
        self._total = np.zeros((steps, channels))

    def add(self, first: Numbers, values: Values) -> None:
        """Take the values (n, T, F) of windows whose first steps are `first` (n,)."""
        at = first[:, None] + np.arange(values.shape[1])
        np.add.at(self._total, at, values)
        np.add.at(self.count, at, 1)

    def mean(self) -> Values:
        """Return the means (N, F), NaN where no window covers a step."""
        return np.where(self.count[:, None] > 0, self._total / np.maximum(self.count, 1)[:, None], np.nan)


@dataclass(frozen=True)
class Way:
    """How steps are scored. smooth: the mean of so many scores in a row. online: from a step and those before it alone.

    Else windows on both sides of a step judge it, and the mean is around it.
    """

    smooth: int = 1
    online: bool = False

    @property
    def plain(self) -> bool:
        """Return whether it is the way in which runs write scores of steps down."""
        return self == Way()

    def starts(self, first: Numbers, count: Numbers, window: int, stride: int) -> tuple[Numbers, Numbers]:
        """Return `windows.covering` of pieces; online a window ends at each step."""
        return covering(first, count, window, 1 if self.online else stride)

    def kept(self, first: Numbers, values: Values) -> tuple[Numbers, Values]:
        """Return of what windows say (n, T, F) what counts, and the first steps that it is of: online their last step alone."""
        return (first + values.shape[1] - 1, values[:, -1:]) if self.online else (first, values)

    def smoothed(self, score: Values, piece: Numbers) -> Values:
        """Return the mean of scores (N,) over steps of the same piece (N,), cut short at its ends; NaN stays NaN."""
        if self.smooth == 1 or not len(score):
            return score
        at, known = np.arange(len(score)), ~np.isnan(score)
        new = np.flatnonzero(np.diff(piece, prepend=piece[:1] - 1))
        ends = np.append(new[1:], len(score))
        which = np.searchsorted(new, at, side="right") - 1
        behind = self.smooth - 1 if self.online else self.smooth // 2
        ahead = self.smooth - 1 - behind
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
