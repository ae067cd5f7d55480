"""Layer by layer from the input inwards, then all together."""

import logging
from copy import copy
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from aerun.autoencoder import Autoencoder
from aerun.compose import option, options
from aerun.core.checks import at_least
from aerun.core.errors import AerunError
from aerun.core.memory import rows_that_fit
from aerun.dataset.splits import Data, Split
from aerun.parts import Corruption
from aerun.runs import files
from aerun.runs.checkpoint import BEST, read, weights_of
from aerun.runs.folder import Folder
from aerun.runs.identity import refuse_foreign
from aerun.settings.auto import AUTO
from aerun.trainer.base import Fitted, Job, Trainer
from aerun.trainer.batches import mix
from aerun.trainer.fit import fit
from aerun.trainer.layer import layer

log = logging.getLogger("aerun")


class Stacked(Trainer):
    """Greedy layer-wise training, then fine-tuning of the whole objective for `max_epochs`.

    For l = 1 .. L: h_{l-1} of all samples is computed by the trained and now fixed layers below, clean and in eval mode; layer
    l and its mirror image learn h_{l-1} -> h_l -> h_{l-1} for `layer_epochs`, by the model's loss for l = 1, by bce where the
    layer below ends in a sigmoid, else by mse. The model's corruption is applied to h_{l-1}, so that a denoising model becomes
    a stacked denoising one; its regularizers act in fine-tuning only. Every layer has a folder phases/layer_l with its own
    metrics, events and checkpoints; a run resumes inside any of them.

    Raises AerunError for archs without layers, for encoders that see a mask and for corruptions that hidden layers cannot have.
    Hinton & Salakhutdinov 2006, https://doi.org/10.1126/science.1127647; Bengio et al. 2007,
    https://papers.nips.cc/paper/3048; with corruption: Vincent et al. 2010, https://jmlr.org/papers/v11/vincent10a.html
    """

    def __init__(self, *, layer_epochs: int, **common: Any) -> None:
        super().__init__(**common)
        self.layer_epochs = int(at_least("trainer.layer_epochs", layer_epochs, 1))

    def refuse(self, autoencoder: Autoencoder) -> None:
        super().refuse(autoencoder)
        if self.devices > 1:
            raise AerunError(f"trainer.devices={self.devices}: trainer=stacked trains on one. Use trainer=joint.")
        if self.max_time is not None:
            raise AerunError(
                "trainer.max_time: ends one training, and trainer=stacked has one for each layer. Use trainer=joint."
            )
        if autoencoder.preparation.told is not None:
            raise AerunError(
                "trainer=stacked trains layer by layer, which has no way to tell them dataset.condition. Use trainer=joint."
            )
        if not autoencoder.arch.levels or autoencoder.arch.sees_mask:
            raise AerunError(
                f"trainer=stacked trains layer by layer, which model/arch={option(autoencoder.arch)} "
                f"{'with a mask as input ' if autoencoder.arch.sees_mask else ''}has no way to. Use trainer=joint."
            )
        if not autoencoder.corruption.elementwise:
            fit = [name for name, cls in options("corruption").items() if issubclass(cls, Corruption) and cls.elementwise]
            raise AerunError(
                f"trainer=stacked corrupts hidden layers too, where model/corruption={option(autoencoder.corruption)} means "
                f"nothing. Use one of {', '.join(fit)}, or trainer=joint."
            )

    def fit(self, job: Job, resume: bool) -> Fitted:
        data = job.data
        if job.callbacks:
            log.warning("callbacks: called in fine-tuning, when all layers train together, not while each trains alone")
        for number in range(1, len(job.autoencoder.arch.levels) + 1):
            model = layer(job.autoencoder, number)
            phase = replace(
                job,
                autoencoder=model,
                data=data,
                seed=mix(job.seed, number, 3),
                folder=files.make_folder(job.folder, f"phases/layer_{number}"),
                config=None,
                callbacks=(),
                pause=None,
                loggers=job.loggers and job.loggers.phase(job.folder / f"phases/layer_{number}", model.keys(training=True)),
                title=f"layer {number}/{len(job.autoencoder.arch.levels)}  ",
            )
            self._phase(phase, resume)
            data = _represented(model, data)
        return fit(job, self, resume)

    def _phase(self, job: Job, resume: bool) -> None:
        """Train one layer, or load it from its folder where that is complete."""
        folder = Folder(job.folder)
        if resume and folder.read().get("status") == "completed":
            refuse_foreign(read(job.folder, BEST, "meta"), job.identity, job.folder / BEST)
            job.autoencoder.load_state_dict(weights_of(job.folder, "best"))
            return
        settings = copy(self)
        settings.max_epochs, settings.monitor = self.layer_epochs, "val/loss"
        if self.asked_patience == AUTO:  # the layers' epochs were typed
            settings.length = replace(self.length, patience=None)
        fitted = fit(job, settings, resume)
        log.info("%s%d epochs, val/loss %.6g", job.title, fitted.epochs, fitted.metrics["val/loss"])
        folder.results({"status": "completed", **fitted.metrics})


def _represented(model: Autoencoder, data: Data) -> Data:
    """Return the data that the next layer reads: the clean features of every sample."""
    return Data(*(Split(_features(model, split.x), split.y, split.w) for split in (data.train, data.val, data.test)))


@torch.no_grad()
def _features(model: Autoencoder, stored: Tensor) -> Tensor:
    like = next(model.parameters())
    model.eval()
    parts = stored.to(like.device).split(rows_that_fit(model.facts.size))
    return torch.cat([model.arch.encode(model.units(part).to(like.dtype)) for part in parts])
