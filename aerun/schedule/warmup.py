"""Linear warm-up, then constant."""

from aerun.core.checks import within
from aerun.schedule.base import Schedule, ramp


class Warmup(Schedule):
    """factor = (step + 1) / (w + 1) for the first w = warmup * total steps, then 1."""

    def __init__(self, *, warmup: float) -> None:
        self.warmup = within("schedule.warmup", warmup, 0, 1)

    def factor(self, step: int, total: int) -> float:
        return ramp(step, total, self.warmup)[0]
