"""The steps that samples were cut from, where samples are windows of series, with what is known of each."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class RecordedSteps:
    """x (N, F): values as samples hold them, by series and time. first, count (p,): the pieces without a break.

    label (N,): the number of the class of each step, None where there is none.
    """

    x: Tensor
    first: NDArray[np.int64]
    count: NDArray[np.int64]
    label: NDArray[np.int64] | None = None

    @cached_property
    def piece(self) -> NDArray[np.int64]:
        """Return the number of the piece that each step is in, (N,), -1 where it is in none."""
        return numbered(len(self.x), self.first, self.count)


def numbered(steps: int, first: NDArray[np.int64], count: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the number of the piece that each of so many steps is in, -1 where it is in none."""
    number = np.full(steps, -1)
    for k, (at, length) in enumerate(zip(first.tolist(), count.tolist(), strict=True)):
        number[at : at + length] = k
    return number
