"""Warm-up, then half a cosine down."""

import math

from aerun.core.checks import within
from aerun.schedule.base import Schedule, ramp


class Cosine(Schedule):
    """factor = final + (1 - final) (1 + cos(pi p)) / 2, p in [0, 1) the progress after a linear warm-up.

    Loshchilov & Hutter 2016, https://arxiv.org/abs/1608.03983, without restarts.
    """

    def __init__(self, *, warmup: float, final: float) -> None:
        self.warmup = within("schedule.warmup", warmup, 0, 1)
        self.final = within("schedule.final", final, 0, 1)

    def factor(self, step: int, total: int) -> float:
        rise, progress = ramp(step, total, self.warmup)
        return rise * (self.final + (1 - self.final) * (1 + math.cos(math.pi * progress)) / 2)
