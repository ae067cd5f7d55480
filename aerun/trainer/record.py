"""Hands what a run reports as it trains to its loggers: one row an epoch."""

from pytorch_lightning import Callback, LightningModule, Trainer

from aerun.logger.base import About
from aerun.logger.several import Loggers, default
from aerun.trainer.base import Job


class Recording(Callback):
    """Keeps the record of one run. closes: whether nothing is logged after training."""

    def __init__(self, loggers: Loggers, closes: bool) -> None:
        self.loggers, self.closes = loggers, closes

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.loggers.open(int(pl_module.steps))  # type: ignore[arg-type]

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.loggers.metrics([pl_module.metrics])  # type: ignore[list-item]

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.closes:
            self.loggers.close()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        if self.closes:
            self.loggers.close()


def loggers_of(job: Job) -> Loggers:
    """Return a job's loggers; metrics.csv and TensorBoard where it was not given any."""
    if job.loggers is not None:
        return job.loggers
    return Loggers(default(), About(job.folder, job.config, terms=job.autoencoder.keys(training=True)))
