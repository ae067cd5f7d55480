"""`trainer.max_time`, and the moment at which a sweep whose time is up takes training back."""

import time
from collections.abc import Callable
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer

from aerun.core.errors import StoppedError
from aerun.core.exits import TIME_LIMIT
from aerun.trainer.length import over

_reserved: list[float] = []  # by time.time(): when training that goes on then is interrupted; the last counts


class TimeIsUpError(Exception):
    """The time of training ended within an epoch: what it had come to at the end of the one before stands."""


class TimeLimit(Callback):
    """Ends training before the epoch that would not end in time, which the last one tells; at a step where that was wrong.

    limit: seconds of training, those before an interruption included. A first epoch that takes longer is cut short and
    validated, so that there is something to stand; of a later one nothing is kept.
    """

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.began = 0.0

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.began = pl_module.spent()  # type: ignore[operator]

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        if pl_module.spent() < self.limit:  # type: ignore[operator]
            return
        if trainer.current_epoch:
            raise TimeIsUpError
        self._end(trainer, pl_module)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        now = pl_module.spent()  # type: ignore[operator]
        if over(now, now - self.began, self.limit):
            self._end(trainer, pl_module)

    def _end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        trainer.should_stop = True
        pl_module.out_of_time = True  # type: ignore[assignment]


class Reserved(Callback):
    """Interrupts training at a step once the moment has come that `interrupt_at` named, as a cluster's time limit does."""

    def __init__(self, at: float, now: Callable[[], float] = time.time) -> None:
        self.at, self.now = at, now

    def on_train_batch_end(self, *args: Any) -> None:
        if self.now() >= self.at:
            raise StoppedError(TIME_LIMIT)


def interrupt_at(moment: float | None) -> None:
    """Let training of this process be interrupted at this time.time(); None: not at all."""
    _reserved[:] = [] if moment is None else [moment]


def reserved() -> list[Callback]:
    """Return what interrupts training, where `interrupt_at` asked for it."""
    return [Reserved(moment) for moment in _reserved]
