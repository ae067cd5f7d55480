"""The same learning rate throughout."""

from aerun.schedule.base import Schedule


class Constant(Schedule):
    """factor = 1."""

    def factor(self, step: int, total: int) -> float:
        return 1.0
