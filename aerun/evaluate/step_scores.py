"""The score of a single step of a series: one rule for what a run writes down and for `aerun score`."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aerun.autoencoder import Autoencoder
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


@torch.inference_mode()
def own_errors(model: Autoencoder, stored: Tensor) -> tuple[Values, Values]:
    """Return the squared error of each element of windows (n, T, F), and 1 where the element is seen, else 0.

    Where the model's numbers overflow the error is infinite: no such step is ordinary.
    """
    error = errors(model, stored).double()
    seen = torch.ones_like(error) * weight(model, stored, error)
    return torch.where(error.isnan(), torch.inf, error).cpu().numpy(), seen.cpu().numpy()
