"""Up and down once, by cosines."""

import math

from aerun.core.checks import at_least, within
from aerun.schedule.base import Schedule


class OneCycle(Schedule):
    """From 1 / start_div up to 1 over the first `peak` share of steps, then down to 1 / end_div. The lr set is the peak.

    Smith & Topin 2017, https://arxiv.org/abs/1708.07120. Momentum is left alone.
    """

    def __init__(self, *, peak: float, start_div: float, end_div: float) -> None:
        self.peak = within("schedule.peak", peak, 0, 1)
        self.start = 1 / at_least("schedule.start_div", start_div, 1)
        self.end = 1 / at_least("schedule.end_div", end_div, 1)

    def factor(self, step: int, total: int) -> float:
        top = self.peak * (total - 1)
        if step < top:
            return _between(self.start, 1.0, step / top)
        return _between(1.0, self.end, (step - top) / max(1e-9, total - 1 - top))


def _between(a: float, b: float, progress: float) -> float:
    return b + (a - b) * (1 + math.cos(math.pi * min(1.0, progress))) / 2
