"""One fit by Lightning: batches, callbacks, checkpoints. The trainers say what is fitted, and in which order."""

import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from aerun.autoencoder import Autoencoder
from aerun.dataset.base import Split
from aerun.dataset.mapped import Mapped
from aerun.quiet import quiet_lightning
from aerun.trainer.backend import choose
from aerun.trainer.base import Fitted, Job, Trainer, has_batch_norm, reads_batches
from aerun.trainer.batches import Batches, rows_that_fit

if TYPE_CHECKING:
    from lightning_fabric.plugins import TorchCheckpointIO
    from pytorch_lightning import Callback
    from pytorch_lightning import Trainer as Lightning

log = logging.getLogger("aerun")

_STREAMED = 500_000  # elements of a validation batch from disk: what is made of it stays small beside dataset.memory


def fit(job: Job, settings: Trainer, resume: bool) -> Fitted:
    """Epochs of mini-batches over the training split, validation after each; `best` and `last` checkpoints in the folder."""
    with quiet_lightning():
        return _fit(job, settings, resume)


def _fit(job: Job, settings: Trainer, resume: bool) -> Fitted:
    from aerun.trainer.checkpoints import Whole, ended, read
    from aerun.trainer.lightning import Training
    from aerun.trainer.record import row_of

    device = device_of(settings)
    job.autoencoder.to(device).train()
    backend = choose(settings.backend, job.autoencoder, settings.batch_size, device)
    log.info("%s", backend)
    train, val = _batches(job, settings, device)
    module = Training(
        job.autoencoder,
        optimizer=job.optimizer,
        schedule=job.schedule,
        seed=job.seed,
        total=train.steps * settings.max_epochs,
        clip=settings.gradient_clip,
    )
    callbacks, best, last = _callbacks(job, settings, train)
    resume = resume and last.exists()
    if not (resume and ended(read(last), module.total)):
        trainer = lightning(settings, device, callbacks, Whole(), job.folder)
        trainer.fit(module, train, val, ckpt_path=last if resume else None, weights_only=True)
    end, found = read(last), read(best, "cpu")
    module.load_state_dict(found["state_dict"])
    job.autoencoder.to(device).eval()
    epoch = int(found["epoch"])
    return Fitted(backend, device, row_of(job.folder, epoch), epoch, int(end["epoch"]) + 1, float(end["seconds"]))


def lightning(
    settings: Trainer, device: torch.device, callbacks: Sequence["Callback"], files: "TorchCheckpointIO", folder: Path
) -> "Lightning":
    """Lightning's trainer: our callbacks and checkpoint files, and nothing of its own."""
    from pytorch_lightning import Trainer

    return Trainer(
        max_epochs=settings.max_epochs,
        accelerator={"cuda": "gpu"}.get(device.type, device.type),
        devices=1,
        precision=settings.precision,  # type: ignore[arg-type]
        callbacks=list(callbacks),
        plugins=[files],
        logger=False,
        default_root_dir=folder,
        num_sanity_val_steps=0,
        inference_mode=False,  # penalties on the Jacobian differentiate in validation too
        enable_progress_bar=False,
        enable_model_summary=False,
        deterministic=False,
        benchmark=False,
    )


def device_of(settings: Trainer) -> torch.device:
    """Where `trainer.accelerator` says that a run computes."""
    if settings.accelerator != "auto":
        return torch.device({"gpu": "cuda"}.get(settings.accelerator, settings.accelerator))
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def _batches(job: Job, settings: Trainer, device: torch.device) -> tuple[Batches, Batches]:
    size = min(settings.batch_size, len(job.data.train))
    full = reads_batches(job.autoencoder) or has_batch_norm(job.autoencoder)
    train = Batches(
        _on(job.data.train, device, settings.precision),
        batch_size=size,
        per_call=settings.steps_per_call,
        seed=job.seed,
        drop_last=full,
        limit=settings.limit_batches,
    )
    val = Batches(
        _on(job.data.val, device, settings.precision),
        batch_size=_val_rows(settings, job.autoencoder, job.data.val.x),
        per_call=1,
        seed=None,
        drop_last=False,
        limit=settings.limit_batches,
    )
    return train, val


def _val_rows(settings: Trainer, autoencoder: Autoencoder, x: torch.Tensor) -> int:
    """As many as fit; a batch statistic means something at the size of training only, in batches as equal as can be."""
    size, n = autoencoder.facts.size, len(x)
    rows = rows_that_fit(size, _STREAMED) if isinstance(x, Mapped) else rows_that_fit(size)
    if not reads_batches(autoencoder):
        return rows
    return math.ceil(n / math.ceil(n / min(rows, settings.batch_size)))


def _callbacks(job: Job, settings: Trainer, train: Batches) -> tuple[list["Callback"], Path, Path]:
    from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint

    from aerun.trainer.checkpoints import First, best_of
    from aerun.trainer.pictures import Pictures
    from aerun.trainer.progress import Progress
    from aerun.trainer.record import Record, Recording
    from aerun.trainer.returning import Returning

    where = job.folder / "checkpoints"
    record = Record(job.folder, job.config, job.autoencoder)
    pictures = Pictures(record, job.data.val, settings.max_epochs)
    callbacks: list[Callback] = [First(where / "last.ckpt"), Recording(record), pictures]
    if settings.progress:
        callbacks.append(Progress(settings.max_epochs, len(train), job.title))
    if isinstance(job.data.train.x, Mapped):
        callbacks.append(Returning())
    if settings.patience is not None:
        callbacks.append(EarlyStopping(settings.monitor, patience=settings.patience))
    callbacks += [
        best_of(where, settings.monitor),
        ModelCheckpoint(where, "last", save_on_train_epoch_end=True, enable_version_counter=False),
    ]
    return callbacks, where / "best.ckpt", where / "last.ckpt"


def _on(split: Split, device: torch.device, precision: str) -> torch.Tensor:
    """The samples on the compute device, bytes as bytes."""
    x = split.x
    if x.is_floating_point() or precision == "64-true":
        x = x.to(torch.float64 if precision == "64-true" else torch.float32)
    return x.to(device)
