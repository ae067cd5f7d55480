"""Hands what a run reports as it trains to its loggers: one row an epoch."""

import time
from collections.abc import Mapping

from pytorch_lightning import Callback, LightningModule, Trainer

from aerun.core.signals import whole
from aerun.logger.several import Loggers
from aerun.trainer.saved import HELD, write_at_end


class Recording(Callback):
    """Keeps the record of one run. closes: whether nothing is logged after training.

    waits: whether rows may wait in memory for up to half a second, as checkpoints do; they are written before these.
    """

    def __init__(self, loggers: Loggers, closes: bool, waits: bool = False) -> None:
        self.loggers, self.closes, self.waits = loggers, closes, waits
        self.rows = list[Mapping[str, float]]()
        self.next = 0.0  # when they are written

    def write(self) -> None:
        """Write the rows that wait."""
        if self.rows:
            with whole():  # else a signal in the middle has the same rows written again
                self.loggers.metrics(self.rows)
                self.rows = []
            self.next = time.monotonic() + HELD

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.loggers.open(int(pl_module.steps))  # type: ignore[arg-type]

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.rows.append(pl_module.metrics)  # type: ignore[arg-type]
        if not self.waits or time.monotonic() >= self.next:
            self.write()

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.write()
        if self.closes:
            self.loggers.close()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        write_at_end(self.write)
        if self.closes:
            self.loggers.close()
