"""One fit by Lightning: batches, callbacks, checkpoints. The trainers say what is fitted, and in which order."""

import logging
import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from aerun.autoencoder import Autoencoder
from aerun.core.errors import AerunError
from aerun.core.logs import quiet_lightning
from aerun.core.memory import rows_that_fit
from aerun.dataset.splits import Split
from aerun.dataset.storage.mapped import Mapped
from aerun.logger.rows import row_of
from aerun.runs import files
from aerun.runs.checkpoint import BEST, FOLDER, LAST, read
from aerun.runs.identity import refuse_foreign
from aerun.trainer.backend import choose, few_threads
from aerun.trainer.base import Fitted, Job, Trainer, needs_whole_batches, reads_batches
from aerun.trainer.batches import Batches, Known, steps_of
from aerun.trainer.launcher import join_ranks, launch_ranks
from aerun.trainer.length import over
from aerun.trainer.ranks import Ranks
from aerun.trainer.saved import ended

if TYPE_CHECKING:
    from lightning_fabric.plugins import TorchCheckpointIO
    from pytorch_lightning import Callback
    from pytorch_lightning import Trainer as Lightning

    from aerun.trainer.lightning import Training

log = logging.getLogger("aerun")

_ALONE = Ranks()
_PREFIX = "autoencoder."  # of names in a checkpoint
_STREAMED = 500_000  # Elements of a validation batch from disk, which stay few beside dataset.memory.


def fit(job: Job, settings: Trainer, resume: bool) -> Fitted:
    """Train for epochs of mini-batches over the training split, with validation after each.

    Leaves `best` and `last` checkpoints in the folder and the best weights in the autoencoder.
    """
    device = device_of(settings)
    # This comes before a checkpoint is read into it, which would be rounded otherwise.
    job.autoencoder.to(device, torch.float64 if settings.precision == "64-true" else None).train()
    total = _steps(job, settings) * settings.max_epochs
    files.make_folder(job.folder, FOLDER)
    resume = resume and files.exists(job.folder, LAST)
    before = read(job.folder, LAST, "meta") if resume else {}
    if resume:
        refuse_foreign(before, job.identity, job.folder / LAST)
        _refuse_other(before["state_dict"], job.autoencoder, job.folder / LAST)
        resume = not _cut_short(before, total // settings.max_epochs, settings)
    lifted = settings.patience is None and not job.callbacks
    with few_threads(job.autoencoder.busy_modules(), settings.batch_size, device) as words:
        done = resume and (ended(before, total, lifted) or _paused(before, job.pause) or _time_is_up(before, settings))
        backend = _backend(job, settings, Ranks(0, settings.devices)) if done else _trained(job, settings, resume)
    end, best = before if done else read(job.folder, LAST, "meta"), read(job.folder, BEST)
    refuse_foreign(best, job.identity, job.folder / BEST)
    job.autoencoder.load_state_dict({k.removeprefix(_PREFIX): v for k, v in best["state_dict"].items()})
    job.autoencoder.to(device).eval()
    epoch = int(best["epoch"])
    row, paused = row_of(job.folder, epoch), not ended(end, total) and _paused(end, job.pause)
    late = settings.max_time is not None and int(end["steps"]) < total and not paused and not end.get("ended")
    return Fitted(backend + words, device, row, epoch, int(end["epoch"]) + 1, float(end["seconds"]), end["fused"], paused, late)


def _paused(checkpoint: Mapping[str, Any], epochs: int | None) -> bool:
    """Return whether training has come as far as it should for now."""
    return epochs is not None and checkpoint["steps"] > 0 and int(checkpoint["epoch"]) + 1 >= epochs


def _cut_short(checkpoint: Mapping[str, Any], batches: int, settings: Trainer) -> bool:
    """Return whether trainer.max_time ended training within its first epoch and now gives it longer: it begins anew."""
    steps, limit = int(checkpoint["steps"]), settings.max_time
    if not 0 < steps < batches or (limit is not None and checkpoint["seconds"] >= limit):
        return False
    log.warning("trainer.max_time had ended this run within its first epoch: it is trained anew")
    return True


def _time_is_up(checkpoint: Mapping[str, Any], settings: Trainer) -> bool:
    """Return whether trainer.max_time leaves no time for another epoch that takes as long as those before."""
    epochs, seconds = int(checkpoint["epoch"]) + 1, float(checkpoint["seconds"])
    return bool(checkpoint["steps"]) and over(seconds, seconds / epochs, settings.max_time)


def _trained(job: Job, settings: Trainer, resume: bool) -> str:
    """Train by Lightning, whose import a run that is trained already does without; return what multiplies."""
    with quiet_lightning():
        ready = _ready(job, settings, Ranks(0, settings.devices))
        with _others(job, ready, resume):
            _descend(job, settings, ready, resume)
    return ready.backend


def _refuse_other(state_dict: Mapping[str, torch.Tensor], model: Autoencoder, where: Path) -> None:
    """Raise AerunError where a checkpoint is not of this model."""
    own = {f"{_PREFIX}{k}": v for k, v in model.state_dict().items()}
    ours = {k: getattr(v, "shape", None) for k, v in own.items() if not k.endswith("_extra_state")}
    theirs = {k: getattr(v, "shape", None) for k, v in state_dict.items() if not k.endswith("_extra_state")}
    if ours != theirs:
        other = next(k for k in (*ours, *theirs) if ours.get(k) != theirs.get(k)).removeprefix(_PREFIX)
        raise AerunError(f"{where}: cannot be read as this run's weights: {other} is another one in the model of config.yaml.")


def run_rank(job: Job, settings: Trainer, resume: bool, ranks: Ranks, meeting: Path) -> None:
    """Do a further rank's part of `fit`: it trains, and neither decides nor writes. The ranks meet at `meeting`."""
    with quiet_lightning():
        ready = _ready(job, settings, ranks)
        with join_ranks(ranks, ready.device, meeting):
            _descend(job, settings, ready, resume)


class _Ready(NamedTuple):
    device: torch.device
    backend: str
    train: Batches
    val: Batches
    module: "Training"


def _ready(job: Job, settings: Trainer, ranks: Ranks) -> _Ready:
    # Deferred: the verbs need no Lightning.
    from aerun.trainer.lightning import Training

    device = device_of(settings, ranks.rank)
    # This comes before a checkpoint is read into it, which would be rounded otherwise.
    job.autoencoder.to(device, torch.float64 if settings.precision == "64-true" else None).train()
    backend = _backend(job, settings, ranks)
    train, val = batches(job, settings, device, ranks)
    module = Training(
        job.autoencoder,
        optimizer=job.optimizer,
        schedule=job.schedule,
        seed=job.seed,
        total=train.steps * settings.max_epochs,
        clip=settings.gradient_clip,
        accumulate=settings.accumulate,
        ranks=ranks,
    )
    return _Ready(device, backend, train, val, module)


def _backend(job: Job, settings: Trainer, ranks: Ranks) -> str:
    """Return in words what multiplies matrices, which is chosen here."""
    share, device = math.ceil(settings.batch_size / ranks.number), device_of(settings, ranks.rank)
    backend = choose(settings.backend, job.autoencoder.busy_modules(), share, device)
    if ranks.number > 1:
        backend += f"; {ranks.number} processes, each with its share of a batch"
    log.info("%s", backend)
    return backend


def _others(job: Job, ready: _Ready, resume: bool) -> AbstractContextManager[None]:
    """Return a context in which the further ranks, where there are any, are at work."""
    if ready.module.ranks.number == 1:
        return nullcontext()
    return launch_ranks(job, ready.module.ranks, ready.device, resume)


def _descend(job: Job, settings: Trainer, ready: _Ready, resume: bool) -> None:
    # Deferred: the verbs need no Lightning.
    from aerun.trainer.callbacks import callbacks
    from aerun.trainer.checkpoints import Begun, Delayed
    from aerun.trainer.time_limit import TimeIsUpError
    from aerun.trainer.validation import by_itself

    ranks = ready.module.ranks
    ranks.level(job.autoencoder)
    begun, kept = Begun(), Delayed(job.folder, job.identity, settings.patience is not None or bool(job.callbacks))
    own_callbacks = [*callbacks(job, settings, len(ready.train), ready.val, ranks, kept), begun]
    validates = not by_itself(job, ranks)
    trainer = lightning(settings, ready.device, own_callbacks, kept, job.folder, ranks.rank, validates)
    if job.callbacks:
        _make_ready(trainer, job, ready.module)
    before = job.folder / LAST if resume else None
    with suppress(TimeIsUpError), begun.restoring(job.folder / LAST) if resume else nullcontext():
        trainer.fit(ready.module, ready.train, ready.val, ckpt_path=before, weights_only=True)


def _make_ready(trainer: "Lightning", job: Job, module: "Training") -> None:
    """Let callbacks of the user's own log where the run does, and name the one that raises."""
    # deferred: only where there are such callbacks
    from aerun.trainer.own_callbacks import OwnFigures, name_errors
    from aerun.trainer.told import loggers_of

    name_errors(job.callbacks, lambda: int(module.steps) > 0)
    if not module.ranks.rank:
        trainer.logger = OwnFigures(loggers_of(job), trainer)


def _strategy(device: torch.device, rank: int) -> Any:
    """Return Lightning's strategy: a further rank is not the first process, which callbacks may ask."""
    if not rank:
        return "auto"
    # deferred: only in a further rank
    from aerun.trainer.own_callbacks import OfRank, be_rank

    be_rank(rank)
    return OfRank(device=device)


def lightning(
    settings: Trainer,
    device: torch.device,
    callbacks: Sequence["Callback"],
    files: "TorchCheckpointIO",
    folder: Path,
    rank: int = 0,
    validates: bool = True,
) -> "Lightning":
    """Return Lightning's trainer with our callbacks and checkpoint files, nothing of its own. validates: whether it does."""
    from lightning_fabric.utilities import registry
    from pytorch_lightning import Trainer
    from pytorch_lightning.callbacks import Checkpoint
    from pytorch_lightning.plugins.environments import LightningEnvironment

    registry.entry_points = _entry_points  # type: ignore[assignment]
    return Trainer(
        max_epochs=settings.max_epochs,
        accelerator={"cuda": "gpu"}.get(device.type, device.type),
        devices=1 if device.index is None else [device.index],
        precision=settings.precision,  # type: ignore[arg-type]
        callbacks=list(callbacks),
        strategy=_strategy(device, rank),
        plugins=[files, LightningEnvironment()],  # In a job of Slurm's the launcher requeues it, not Lightning.
        logger=False,
        enable_checkpointing=any(isinstance(c, Checkpoint) for c in callbacks),
        default_root_dir=folder,
        num_sanity_val_steps=0,
        limit_val_batches=None if validates else 0,
        inference_mode=False,  # Penalties on the Jacobian differentiate in validation too.
        enable_progress_bar=False,
        enable_model_summary=False,
        deterministic=False,
        benchmark=False,
    )


@cache
def _entry_points(group: str) -> Any:
    """Return what packages offer Lightning, which looks through all that are installed for every trainer."""
    return entry_points(group=group)


def device_of(settings: Trainer, rank: int = 0) -> torch.device:
    """Return the device on which `trainer.accelerator` places a run; each of several ranks has a GPU of its own."""
    kind = settings.device_type()
    return torch.device(kind, rank) if kind == "cuda" and settings.devices > 1 else torch.device(kind)


def _steps(job: Job, settings: Trainer) -> int:
    """Return the steps of an epoch."""
    rows = len(job.data.train)
    return steps_of(rows, min(settings.batch_size, rows), needs_whole_batches(job.autoencoder), settings.limit_batches)


def batches(job: Job, settings: Trainer, device: torch.device, ranks: Ranks = _ALONE) -> tuple[Batches, Batches]:
    """Return the batches of training and those of validation."""
    size = min(settings.batch_size, len(job.data.train))
    train = Batches(
        _on(job.data.train, device, settings.precision),
        batch_size=size,
        per_call=settings.steps_per_call,
        seed=job.seed,
        drop_last=needs_whole_batches(job.autoencoder),
        limit=settings.limit_batches,
        ranks=ranks,
        weights=_weights(job.data.train, device, settings.precision),
        same=settings.same_batches,
        known=_known(job),
    )
    val = Batches(
        _on(job.data.val, device, settings.precision),
        batch_size=_val_rows(settings, job.autoencoder, job.data.val.x),
        per_call=1,
        seed=None,
        drop_last=False,
        limit=settings.limit_batches,
        ranks=ranks,
        weights=_weights(job.data.val, device, settings.precision),
    )
    return train, val


def _known(job: Job) -> Known | None:
    """Return the samples whose class is known, where a term asks for more of them than there are; None elsewhere."""
    model, told = job.autoencoder, job.autoencoder.preparation.told
    share = model.known_share
    if told is None or not share:
        return None
    rows = (~told.unknown(model.facts.conditions(job.data.train.x))).nonzero().flatten().cpu()
    return Known(rows, share) if 0 < len(rows) < share * len(job.data.train) else None


def _weights(split: Split, device: torch.device, precision: str) -> torch.Tensor | None:
    """Return the weights of a split's samples, of mean 1: equal ones leave the objective as it is."""
    if split.w is None:
        return None
    w = split.w.double() / split.w.double().mean()
    return w.to(torch.float64 if precision == "64-true" else torch.float32).to(device)


def _val_rows(settings: Trainer, autoencoder: Autoencoder, x: torch.Tensor) -> int:
    """Return the rows of a validation batch: as many as fit into memory.

    A statistic of the batch means something at the size of training batches only: then they are no larger, and as equal as can
    be.
    """
    size, n = autoencoder.facts.size, len(x)
    # Several ranks deal out the same batches, though one may find less free memory than another and read from disk.
    rows = rows_that_fit(size, _STREAMED) if isinstance(x, Mapped) or settings.devices > 1 else rows_that_fit(size)
    if not reads_batches(autoencoder):
        return rows
    return math.ceil(n / math.ceil(n / min(rows, settings.batch_size)))


def _on(split: Split, device: torch.device, precision: str) -> torch.Tensor:
    """Return the samples on the compute device, bytes as bytes."""
    x = split.x
    if x.is_floating_point() or precision == "64-true":
        x = x.to(torch.float64 if precision == "64-true" else torch.float32)
    return x.to(device)
