"""What every trainer receives, what it returns and which settings it has."""

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch

from aerun.autoencoder import Autoencoder
from aerun.compose import option
from aerun.core.checks import at_least, integer, one_of
from aerun.core.durations import seconds_of
from aerun.core.errors import AerunError
from aerun.dataset.splits import Data
from aerun.logger.several import Loggers
from aerun.schedule.base import Schedule
from aerun.settings.auto import AUTO
from aerun.settings.synonyms import own_value
from aerun.trainer.backend import BACKENDS
from aerun.trainer.batches import steps_of
from aerun.trainer.length import Length, length_of, patience_of
from aerun.trainer.optimizer import Recipe

if TYPE_CHECKING:
    from pytorch_lightning import Callback

_PROCESSES = 16  # on a CPU of fewer cores
_PRECISIONS = ("32-true", "64-true", "bf16-mixed")
_ALSO = {"32": "32-true", "64": "64-true", "bf16": "bf16-mixed"}  # Lightning's short forms.


@dataclass(frozen=True)
class Job:
    """What a trainer receives: a model, its data, how to descend, and where to write."""

    autoencoder: Autoencoder
    data: Data
    optimizer: Recipe
    schedule: Schedule
    seed: int
    folder: Path
    config: Mapping[str, Any] | None  # None for a phase, which is not compared with whole runs.
    title: str = ""  # It is shown before the bar.
    identity: str = ""  # written into its checkpoints; see `aerun.runs.identity`
    loggers: Loggers | None = None
    callbacks: "Sequence[Callback]" = ()  # of the user's own
    watching: "Sequence[Callback]" = ()  # of aerun's own, last of all: they measure, and change nothing
    drawn: bool = True  # whether reconstructions are drawn as it trains
    pause: int | None = None  # after so many epochs it stops for now, as what `resume` goes on with; its schedule is the whole
    trusted: Sequence[str] | None = None  # the only modules whose classes a further process may build from the folder's config


@dataclass(frozen=True)
class Fitted:
    """What training reports; the autoencoder then has the best weights. `metrics`: those of the best epoch.

    `fused`: number of runs that were trained as one with it, itself among them. `paused`: it stopped for now, see `Job.pause`.
    `out_of_time`: trainer.max_time ended it.
    """

    backend: str
    device: torch.device
    metrics: dict[str, float]
    best_epoch: int
    epochs: int
    seconds: float
    fused: int = 1
    paused: bool = False
    out_of_time: bool = False


class Trainer(ABC):
    """Settings that every trainer has.

    `max_epochs`, `max_steps`: how long to train, see `set_length`; null: as long as the data set says, or as its rows need.
    `patience`: end after so many epochs without a better `monitor` (null: never; auto: see `patience_of` where the length is
    of the data's choosing and the objective `steady`, else never). `max_time`: end after so many seconds of training, with the
    best epoch so far (null: never). `limit_batches`: at most so many batches an epoch (null:
    all); `same_batches`: the same ones in each. `accumulate`: parts of a batch whose gradients are computed one after another
    and added before the step. `steps_per_call`: optimizer steps in one call of Lightning. `devices`: processes that train one
    model, each on its share of every batch. `save_every`: seconds from one written checkpoint to the next.
    """

    def __init__(
        self,
        *,
        max_epochs: int | None,
        max_steps: int | None,
        max_time: str | float | None,
        batch_size: int,
        precision: str | int,
        accelerator: str,
        devices: int,
        backend: str,
        gradient_clip: float | None,
        patience: int | str | None,
        monitor: str,
        limit_batches: int | None,
        same_batches: bool,
        accumulate: int,
        steps_per_call: int,
        save_every: float,
        progress: bool,
    ) -> None:
        self.asked_epochs = None if max_epochs is None else int(at_least("trainer.max_epochs", max_epochs, 1))
        self.max_steps = None if max_steps is None else int(at_least("trainer.max_steps", max_steps, 1))
        self.max_time = None if max_time is None else seconds_of("trainer.max_time", max_time)
        self.asked_patience = _patience(patience)
        self.enough: int | None = None  # epochs, as measured for the data set
        epochs = self.asked_epochs or 0
        self.length = Length(epochs, 0, "not settled", self._patience_of(epochs, steady=True))
        self.max_epochs = self.length.epochs
        self.batch_size = int(at_least("trainer.batch_size", batch_size, 1))
        self.precision = _precision(str(precision))
        if named := own_value("trainer.accelerator", accelerator):
            raise AerunError(f"trainer.accelerator={accelerator}: aerun calls it {named}, as in trainer.accelerator={named}.")
        self.accelerator = one_of("trainer.accelerator", accelerator, ("auto", "cpu", "gpu", "mps"))
        self.devices = integer("trainer.devices", devices, 1)
        self.backend = one_of("trainer.backend", backend, BACKENDS)
        self.gradient_clip = None if gradient_clip is None else at_least("trainer.gradient_clip", gradient_clip, 1e-12)
        self.monitor = monitor
        self.limit_batches = None if limit_batches is None else int(at_least("trainer.limit_batches", limit_batches, 1))
        self.same_batches = same_batches
        self.accumulate = integer("trainer.accumulate", accumulate, 1)
        self.steps_per_call = int(at_least("trainer.steps_per_call", steps_per_call, 1))
        self.save_every = at_least("trainer.save_every", save_every, 0)
        self.progress = progress

    def set_length(self, autoencoder: Autoencoder, rows: int, planned: int | None = None) -> Length:
        """Settle how many epochs a model is trained on so many rows, and return it; see `length_of`.

        planned: the epochs that a run which goes on was begun with, where its settings do not say.
        """
        size = min(self.batch_size, rows)
        batches = steps_of(rows, size, needs_whole_batches(autoencoder), self.limit_batches)
        self.length = length_of(self.asked_epochs, self.max_steps, self.enough, batches)
        if planned is not None and self.asked_epochs is None:
            self.length = Length(planned, batches, "as when it began")
        self.length = replace(self.length, patience=self._patience_of(self.length.epochs, autoencoder.steady))
        self.max_epochs = self.length.epochs
        return self.length

    @property
    def patience(self) -> int | None:
        """Return after how many epochs without a better `monitor` training ends; None: never."""
        return self.length.patience

    def _patience_of(self, epochs: int, steady: bool) -> int | None:
        if not isinstance(self.asked_patience, str):
            return self.asked_patience
        return patience_of(epochs) if steady and self.asked_epochs is None and self.max_steps is None else None

    def refuse(self, autoencoder: Autoencoder) -> None:
        """Raise AerunError where this schedule cannot train this model."""
        figures = [f"val/{k}" for k in [*autoencoder.keys(training=False), *autoencoder.watch_keys(), "mse"]]
        if self.monitor not in figures:
            raise AerunError(f"trainer.monitor={self.monitor}: not logged; one of {', '.join(figures)}.")
        if self.batch_size < 2 and needs_whole_batches(autoencoder):
            raise AerunError("trainer.batch_size=1: statistics of a batch (a regularizer's or batch norm's) need at least 2.")
        if self.accelerator == "gpu" and not torch.cuda.is_available():
            raise AerunError("trainer.accelerator=gpu: torch sees no GPU here. Use trainer.accelerator=auto.")
        if self.devices > 1:
            self._refuse_devices(autoencoder)
        if self.devices > 1 and self.max_time is not None:
            raise AerunError(
                "trainer.max_time: each process has a clock of its own. Use trainer.devices=1, or trainer.max_steps."
            )
        if self.accumulate > 1 and (guilty := batch_readers(autoencoder)):
            raise AerunError(
                f"trainer.accumulate={self.accumulate}: each pass sees a part of a batch only, and {guilty[0]} needs the "
                "whole. Use trainer.accumulate=1."
            )

    def _refuse_devices(self, autoencoder: Autoencoder) -> None:
        """Raise AerunError where several processes would not train the same model as one, or do not have a device each."""
        devices, kind = f"trainer.devices={self.devices}", self.device_type()
        guilty = batch_readers(autoencoder)
        if guilty:
            raise AerunError(
                f"{devices}: each process sees its share of a batch only, and {guilty[0]} needs the whole. "
                "Use trainer.devices=1."
            )
        most = max(_PROCESSES, os.cpu_count() or 1)
        if kind == "cpu" and self.devices > most:
            raise AerunError(f"{devices}: at most {most} processes train one model on this machine's CPU.")
        gpus = torch.cuda.device_count() if kind == "cuda" else 1
        if kind != "cpu" and gpus < self.devices:
            raise AerunError(
                f"{devices}: torch sees {gpus} GPU{'s' * (gpus != 1)} here. Use trainer.devices={gpus}, or "
                "trainer.accelerator=cpu for processes on the CPU."
            )

    def refuse_weights(self, autoencoder: Autoencoder) -> None:
        """Raise AerunError where weights of samples cannot be kept to.

        Parts that read a batch as a whole do not know whose part of it is whose, and several processes share out a batch by
        its number of samples.
        """
        if guilty := batch_readers(autoencoder):
            raise AerunError(
                f"weights of samples: {guilty[0]} reads each batch as a whole, so that no sample in it can count more than "
                "another. Leave the weights out, or choose another one."
            )
        if self.devices > 1:
            raise AerunError(f"trainer.devices={self.devices}: weights of samples are kept to on one. Use trainer.devices=1.")

    def device_type(self) -> str:
        """Return the kind of device that trains."""
        if self.accelerator != "auto":
            return {"gpu": "cuda"}.get(self.accelerator, self.accelerator)
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"

    @abstractmethod
    def fit(self, job: Job, resume: bool) -> Fitted:
        """Train the model and leave its best weights in the autoencoder.

        resume: go on from the last checkpoint where there is one.
        """


def _patience(value: int | str | None) -> int | Literal["auto"] | None:
    """Return the patience as typed. Raises AerunError for a word other than auto."""
    if value == AUTO:
        return "auto"
    if isinstance(value, str):
        raise AerunError(f"trainer.patience={value}: must be auto, a number of epochs, or null (never).")
    return None if value is None else int(at_least("trainer.patience", value, 1))


def _precision(word: str) -> str:
    """Return the precision by its long name. Raises AerunError for one that is not supported."""
    if word.startswith(("16", "fp16")):
        raise AerunError(
            f"trainer.precision={word}: losses that are summed over a sample overflow in half precision. Use "
            "trainer.precision=bf16-mixed."
        )
    return one_of("trainer.precision", _ALSO.get(word, word), _PRECISIONS)


def reads_batches(autoencoder: Autoencoder) -> bool:
    """Return whether the objective has a statistic of a whole batch."""
    return any(t.regularizer.batch_statistic for t in autoencoder.terms.values())


def needs_whole_batches(autoencoder: Autoencoder) -> bool:
    """Return whether a smaller last batch of an epoch is left out, since statistics are taken over a batch."""
    return reads_batches(autoencoder) or has_batch_norm(autoencoder)


def batch_readers(autoencoder: Autoencoder) -> list[str]:
    """Return the names of those parts of a model that would differ on a part of a batch.

    These are statistics of the batch, figures that follow it, and opponents that learn from it.
    """
    terms = [
        f"regularizer={k}"
        for k, t in autoencoder.terms.items()
        if t.regularizer.batch_statistic or t.regularizer.follows_batches or k in autoencoder.opposed()
    ]
    parts = {"model/bottleneck": autoencoder.bottleneck, "model/loss": autoencoder.loss}
    following = [f"{room}={option(part)}" for room, part in parts.items() if part.follows_batches]
    return [*terms, *following, *(["batch norm"] if has_batch_norm(autoencoder) else [])]


def has_batch_norm(module: torch.nn.Module) -> bool:
    """Return whether any layer normalizes over the batch."""
    return any(isinstance(m, torch.nn.modules.batchnorm._BatchNorm) for m in module.modules())
