"""Pictures of the same validation samples, drawn as training goes."""

import torch
from pytorch_lightning import Callback, LightningModule, Trainer

from aerun import pictures
from aerun.autoencoder import Autoencoder
from aerun.dataset.splits import Split
from aerun.logger.several import Loggers
from aerun.pictures import reconstructions


class Pictures(Callback):
    """Fixed validation samples and their reconstructions, after epochs 1, 2, 5, 10, 20, ... and the last.

    Nothing is drawn where no logger takes pictures.
    """

    def __init__(self, loggers: Loggers, val: Split, epochs: int) -> None:
        self.loggers, self.epochs = loggers, epochs
        self.stored = reconstructions.samples(val)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        done = trainer.current_epoch + 1
        if not is_drawn(done, self.epochs) or not self.loggers.wants_pictures:
            return
        self.draw(pl_module.autoencoder, done)  # type: ignore[arg-type]

    def draw(self, model: Autoencoder, done: int) -> None:
        """Draw the reconstructions of images after so many epochs."""
        if model.facts.kind == "image":
            was = model.training
            model.eval()
            with torch.random.fork_rng(devices=[]):
                picture = reconstructions.page(model, self.stored.to(next(model.parameters()).device))
            model.train(was)
            self.loggers.picture("reconstructions", picture, pictures.summary("reconstructions"), done)


def is_drawn(n: int, epochs: int) -> bool:
    """Return whether reconstructions are drawn after n of so many epochs: n is one of 1, 2, 5, 10, 20, 50, ..., or the last."""
    if n == epochs:
        return True
    while n % 10 == 0:
        n //= 10
    return n in (1, 2, 5)
