"""A checkpoint exists from the first moment."""

from pathlib import Path

from pytorch_lightning import Callback, LightningModule, Trainer


class First(Callback):
    """Saves `last` before the first step, so that a run stopped in its first epoch resumes like any other."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not self.path.exists():
            trainer.save_checkpoint(self.path)
