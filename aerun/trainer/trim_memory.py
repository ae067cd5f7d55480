"""Training on samples that are read from disk keeps to its memory."""

from pytorch_lightning import Callback, LightningModule, Trainer

from aerun.core.memory import trim_heap


class TrimMemoryCallback(Callback):
    """Freed memory goes back to the system before and after each validation; the allocator would keep it to the end."""

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        trim_heap()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        trim_heap()
