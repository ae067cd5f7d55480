"""Validation after every epoch, of data that are held in memory."""

from pytorch_lightning import Callback, LightningModule, Trainer

from aerun.dataset.storage.mapped import Mapped
from aerun.trainer.base import Job
from aerun.trainer.batches import Batches
from aerun.trainer.ranks import Ranks


class Validation(Callback):
    """Has the module validate itself, before the callbacks that read its figures."""

    def __init__(self, batches: Batches) -> None:
        self.batches = batches

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        pl_module.validate(self.batches)  # type: ignore[operator]


def by_itself(job: Job, ranks: Ranks) -> bool:
    """Return whether a module validates itself: Lightning's loop is for hooks of the user's own, further ranks and disks."""
    return not job.callbacks and ranks.number == 1 and not isinstance(job.data.train.x, Mapped)
