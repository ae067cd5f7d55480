"""Keeps the memory of training bounded where samples are read from disk."""

from pytorch_lightning import Callback, LightningModule, Trainer

from aerun.core.memory import trim_heap
from aerun.trainer.backend import return_freed_memory


class TrimMemoryCallback(Callback):
    """Gives freed memory back to the system before and after each validation, and at once behind training.

    The allocator would keep it to the end.
    """

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        trim_heap()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        trim_heap()

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        return_freed_memory()
        trim_heap()
