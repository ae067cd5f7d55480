"""Pictures of the same validation samples, drawn as training goes."""

import torch
from pytorch_lightning import Callback, LightningModule, Trainer

from aerun.autoencoder import Autoencoder
from aerun.dataset.splits import Split
from aerun.pictures import reconstructions
from aerun.trainer.record import Record


class Pictures(Callback):
    """Fixed validation samples and their reconstructions, after epochs 1, 2, 5, 10, 20, ... and the last."""

    def __init__(self, record: Record, val: Split, epochs: int) -> None:
        self.record, self.epochs = record, epochs
        self.stored = reconstructions.samples(val)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        done = trainer.current_epoch + 1
        if not (_round(done) or done == self.epochs):
            return
        model: Autoencoder = pl_module.autoencoder  # type: ignore[assignment]
        if model.facts.kind == "image" and self.record.writer is not None:
            was = model.training
            model.eval()
            with torch.random.fork_rng(devices=[]):
                picture = reconstructions.page(model, self.stored.to(pl_module.device))
            model.train(was)
            self.record.writer.add_image("reconstructions", picture, pl_module.steps, dataformats="HWC")


def _round(n: int) -> bool:
    """Return whether n is one of 1, 2, 5, 10, 20, 50, ..."""
    while n % 10 == 0:
        n //= 10
    return n in (1, 2, 5)
