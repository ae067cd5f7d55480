"""All parts trained together, end to end."""

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from aerun.autoencoder import Autoencoder
from aerun.checks import at_least, one_of
from aerun.dataset.base import Data, Split
from aerun.errors import AerunError
from aerun.quiet import quiet_lightning
from aerun.schedule.base import Schedule
from aerun.trainer.backend import BACKENDS, choose
from aerun.trainer.batches import Batches, rows_that_fit
from aerun.trainer.optimizer import Recipe

if TYPE_CHECKING:
    from pytorch_lightning import Callback

log = logging.getLogger("aerun")

_PRECISIONS = ("32-true", "64-true", "bf16-mixed")


@dataclass(frozen=True)
class Job:
    """What a trainer is given: a model, its data, how to descend, and where to write."""

    autoencoder: Autoencoder
    data: Data
    optimizer: Recipe
    schedule: Schedule
    seed: int
    folder: Path
    config: Mapping[str, Any]


@dataclass(frozen=True)
class Fitted:
    """What training says of itself; the autoencoder then holds the best weights. `metrics`: those of the best epoch."""

    backend: str
    device: torch.device
    metrics: dict[str, float]
    best_epoch: int
    epochs: int
    seconds: float


class Joint:
    """Epochs of mini-batches over the training split, validation after each; `best` and `last` checkpoints.

    `patience`: stop after so many epochs without a better `monitor` (null: never). `limit_batches`: at most so many
    batches an epoch (null: all). `steps_per_call`: optimizer steps in one call of Lightning.
    """

    def __init__(
        self,
        *,
        max_epochs: int,
        batch_size: int,
        precision: str | int,
        accelerator: str,
        backend: str,
        gradient_clip: float | None,
        patience: int | None,
        monitor: str,
        limit_batches: int | None,
        steps_per_call: int,
        progress: bool,
    ) -> None:
        self.max_epochs = int(at_least("trainer.max_epochs", max_epochs, 1))
        self.batch_size = int(at_least("trainer.batch_size", batch_size, 1))
        self.precision = one_of("trainer.precision", precision, _PRECISIONS)
        self.accelerator = one_of("trainer.accelerator", accelerator, ("auto", "cpu", "gpu", "mps"))
        self.backend = one_of("trainer.backend", backend, BACKENDS)
        self.gradient_clip = None if gradient_clip is None else at_least("trainer.gradient_clip", gradient_clip, 1e-12)
        self.patience = None if patience is None else int(at_least("trainer.patience", patience, 1))
        self.monitor = monitor
        self.limit_batches = None if limit_batches is None else int(at_least("trainer.limit_batches", limit_batches, 1))
        self.steps_per_call = int(at_least("trainer.steps_per_call", steps_per_call, 1))
        self.progress = progress

    def refuse(self, autoencoder: Autoencoder) -> None:
        """AerunError where this schedule cannot train this model."""
        known = [f"val/{k}" for k in [*autoencoder.keys(training=False), *autoencoder.watch_keys(), "mse"]]
        if self.monitor not in known:
            raise AerunError(f"trainer.monitor={self.monitor}: not logged; one of {', '.join(known)}.")
        if self.batch_size < 2 and (_reads_batches(autoencoder) or _has_batch_norm(autoencoder)):
            raise AerunError("trainer.batch_size=1: statistics of a batch (a regularizer's or batch norm's) need at least 2.")
        if self.accelerator == "gpu" and not torch.cuda.is_available():
            raise AerunError("trainer.accelerator=gpu: torch sees no GPU here. Use trainer.accelerator=auto.")

    def fit(self, job: Job, resume: bool) -> Fitted:
        """Train; leave the best weights in the autoencoder. Resumes from `last` where asked and present."""
        with quiet_lightning():
            return self._fit(job, resume)

    def _fit(self, job: Job, resume: bool) -> Fitted:
        from pytorch_lightning import Trainer

        from aerun.trainer.checkpoints import Whole, refuse_damaged
        from aerun.trainer.lightning import Training
        from aerun.trainer.record import row_of

        device = self._device()
        job.autoencoder.to(device)
        backend = choose(self.backend, job.autoencoder, self.batch_size, device)
        log.info("%s", backend)
        train, val = self._batches(job, device)
        module = Training(
            job.autoencoder,
            optimizer=job.optimizer,
            schedule=job.schedule,
            seed=job.seed,
            total=train.steps * self.max_epochs,
            clip=self.gradient_clip,
        )
        callbacks, best, last = self._callbacks(job, train)
        trainer = Trainer(
            max_epochs=self.max_epochs,
            accelerator={"cuda": "gpu"}.get(device.type, device.type),
            devices=1,
            precision=self.precision,  # type: ignore[arg-type]
            callbacks=callbacks,
            plugins=[Whole()],
            logger=False,
            default_root_dir=job.folder,
            num_sanity_val_steps=0,
            inference_mode=False,  # penalties on the Jacobian differentiate in validation too
            enable_progress_bar=False,
            enable_model_summary=False,
            deterministic=False,
            benchmark=False,
        )
        resume = resume and last.exists()
        if resume:
            refuse_damaged(last)
        trainer.fit(module, train, val, ckpt_path=last if resume else None, weights_only=True)
        found = torch.load(best, weights_only=True, map_location="cpu")
        module.load_state_dict(found["state_dict"])
        job.autoencoder.to(device).eval()
        return Fitted(
            backend, device, row_of(job.folder, int(found["epoch"])), int(found["epoch"]), trainer.current_epoch, module.seconds
        )

    def _device(self) -> torch.device:
        if self.accelerator != "auto":
            return torch.device({"gpu": "cuda"}.get(self.accelerator, self.accelerator))
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")

    def _batches(self, job: Job, device: torch.device) -> tuple[Batches, Batches]:
        size = min(self.batch_size, len(job.data.train))
        full = _reads_batches(job.autoencoder) or _has_batch_norm(job.autoencoder)
        train = Batches(
            _on(job.data.train, device, self.precision),
            batch_size=size,
            per_call=self.steps_per_call,
            seed=job.seed,
            drop_last=full,
            limit=self.limit_batches,
        )
        val = Batches(
            _on(job.data.val, device, self.precision),
            batch_size=self._val_rows(job.autoencoder, len(job.data.val)),
            per_call=1,
            seed=None,
            drop_last=False,
            limit=self.limit_batches,
        )
        return train, val

    def _val_rows(self, autoencoder: Autoencoder, n: int) -> int:
        """As many as fit; a batch statistic means something at the size of training only, in batches as equal as can be."""
        rows = rows_that_fit(autoencoder.facts.size)
        if not _reads_batches(autoencoder):
            return rows
        return math.ceil(n / math.ceil(n / min(rows, self.batch_size)))

    def _callbacks(self, job: Job, train: Batches) -> tuple[list["Callback"], Path, Path]:
        from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint

        from aerun.trainer.checkpoints import First
        from aerun.trainer.pictures import Pictures
        from aerun.trainer.progress import Progress
        from aerun.trainer.record import Record

        where = job.folder / "checkpoints"
        record = Record(job.folder, job.config, job.autoencoder)
        callbacks: list[Callback] = [First(where / "last.ckpt"), record, Pictures(record, job.data.val, self.max_epochs)]
        if self.progress:
            callbacks.append(Progress(self.max_epochs, len(train)))
        if self.patience is not None:
            callbacks.append(EarlyStopping(self.monitor, patience=self.patience))
        callbacks += [
            ModelCheckpoint(where, "best", monitor=self.monitor, enable_version_counter=False),
            ModelCheckpoint(where, "last", save_on_train_epoch_end=True, enable_version_counter=False),
        ]
        return callbacks, where / "best.ckpt", where / "last.ckpt"


def _on(split: Split, device: torch.device, precision: str) -> torch.Tensor:
    """The samples on the compute device, bytes as bytes."""
    x = split.x
    if x.is_floating_point() or precision == "64-true":
        x = x.to(torch.float64 if precision == "64-true" else torch.float32)
    return x.to(device)


def _reads_batches(autoencoder: Autoencoder) -> bool:
    return any(t.regularizer.batch_statistic for t in autoencoder.terms.values())


def _has_batch_norm(module: torch.nn.Module) -> bool:
    return any(isinstance(m, torch.nn.modules.batchnorm._BatchNorm) for m in module.modules())
