"""The base class of all schedules."""

from abc import ABC, abstractmethod


class Schedule(ABC):
    """lr(step) = base lr * factor(step, total), for step = 0 .. total - 1."""

    @abstractmethod
    def factor(self, step: int, total: int) -> float:
        """Return the factor of the base learning rate at `step` of `total`."""


def ramp(step: int, total: int, share: float) -> tuple[float, float]:
    """Return (factor, progress) of a linear warm-up over the first `share` of training, both in [0, 1].

    progress: how far the rest of training has come.
    """
    first = round(share * total)
    if step < first:
        return (step + 1) / (first + 1), 0.0
    return 1.0, (step - first) / max(1, total - first)
