"""The pause of a training that goes on later as if there had been none."""

from typing import Any, cast

from pytorch_lightning import Callback, LightningModule, Trainer


class Pausing(Callback):
    """Stops training for now after so many epochs. It comes after what may end it for good, and before what saves its state."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.current_epoch + 1 < self.epochs or trainer.should_stop or trainer.current_epoch + 1 == trainer.max_epochs:
            return
        cast(Any, pl_module).paused = True
        trainer.should_stop = True
