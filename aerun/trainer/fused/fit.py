"""One fit of several runs by Lightning."""

import logging
from collections.abc import Sequence

import torch
from torch import nn

from aerun.core.logs import quiet_lightning
from aerun.dataset.storage.mapped import Mapped
from aerun.parts import weights
from aerun.runs.checkpoint import read
from aerun.runs.identity import refuse_foreign
from aerun.trainer.backend import choose
from aerun.trainer.base import Job, Trainer, has_batch_norm
from aerun.trainer.batches import Batches, mix
from aerun.trainer.fit import batches, device_of, lightning
from aerun.trainer.fused.agreement import disagreement
from aerun.trainer.fused.batches import Together
from aerun.trainer.fused.descent import ELEMENTWISE, Descent, order
from aerun.trainer.fused.draws import Streams
from aerun.trainer.fused.files import MemberFiles, Saving, load, together
from aerun.trainer.fused.member import Member
from aerun.trainer.fused.members import Members
from aerun.trainer.fused.training import FusedTraining
from aerun.trainer.joint import Joint
from aerun.trainer.progress import Progress

log = logging.getLogger("aerun")

_WORTH = 26e6  # multiply-adds x 2 of all layers and a batch; beyond, little is gained (measured: 0.2 at 2e6, 0.5 to 0.8 there)


def unsupported_reason(job: Job, settings: Trainer) -> str:
    """Return why runs like this one gain nothing from being trained as one, or cannot be; empty where they can."""
    if job.callbacks:
        return "callbacks are called for one model at a time"
    model, modules = job.autoencoder, list(job.autoencoder.modules())
    work = 2.0 * settings.batch_size * sum(w.numel() for w in weights(modules) if w.ndim == 2)
    if not isinstance(settings, Joint) or job.optimizer.cls not in ELEMENTWISE:
        return "only trainer=joint with optimizer=adam, adamw or sgd"
    if job.data.train.w is not None:
        return "not with weights of samples"
    if settings.precision == "bf16-mixed" or isinstance(job.data.train.x, Mapped):
        return "only full precision, and data that fit in memory"
    if settings.accumulate > 1:
        return "not with trainer.accumulate"
    if model.opposed() or has_batch_norm(model):
        return "not with an opponent or batch norm"
    if any(isinstance(m, nn.RNNBase | nn.modules.conv._ConvNd) for m in modules) or model.facts.ragged:
        return "only fully connected models: convolutions and recurrent layers are faster one by one"
    if work > _WORTH:
        return f"too large to gain: {work / 1e6:.0f} MFLOP a batch, up to {_WORTH / 1e6:.0f} do"
    return ""


def equivalence_error(jobs: Sequence[Job], settings: Trainer) -> str:
    """Return why these runs cannot be trained as one, tried on their first batch; empty where they can.

    Their models are started but not trained.
    """
    device = device_of(settings)
    _ready(jobs, settings, device)
    if len({tuple(p.ndim for p in job.autoencoder.parameters()) for job in jobs}) > 1:
        return "their weights have other dimensions"
    members = Members([job.autoencoder for job in jobs], Streams(device))
    calls = Together(batches(jobs[0], settings, device)[0], lambda: [job.seed for job in jobs])
    first, template = next(iter(calls))[0], jobs[0].autoencoder
    x, seen = calls.samples(first, template.units), calls.seen(first, template)
    return disagreement(members, x, [mix(job.seed, 0, 0) for job in jobs], seen)


def fit(jobs: Sequence[Job], settings: Trainer, resume: bool) -> list[Exception | None]:
    """Train all runs to their ends, and return for each the error that ended it, or None.

    Each run's checkpoints, metrics.csv and events are left in its folder. With `resume` all go on from their last checkpoints,
    which are of one epoch.
    """
    with quiet_lightning():
        return _fit(jobs, settings, resume)


def _fit(jobs: Sequence[Job], settings: Trainer, resume: bool) -> list[Exception | None]:
    numbers = order([job.optimizer for job in jobs])
    runs = [Member(jobs[i], settings) for i in numbers]
    device = device_of(settings)
    _ready(jobs, settings, device)
    checkpoints = [read(run.job.folder) for run in runs] if resume else []
    for run, checkpoint in zip(runs, checkpoints, strict=False):
        refuse_foreign(checkpoint, run.job.identity, run.last_path)
        load(run.job.autoencoder, checkpoint["state_dict"])
        run.restore(checkpoint)
    training, val = _training(runs, settings, device)
    if checkpoints:
        states = [checkpoint["optimizer_states"][0] for checkpoint in checkpoints]
        training.descent.place(together(runs[0].job.optimizer, runs[0].job.autoencoder, states))
        training.without = training.descent.stateless()
    _run(training, val, settings, device, resume)
    errors = {id(run.job): run.error for run in runs}
    return [errors[id(job)] for job in jobs]


def _ready(jobs: Sequence[Job], settings: Trainer, device: torch.device) -> None:
    for job in jobs:
        job.autoencoder.to(device, torch.float64 if settings.precision == "64-true" else None).train()
    log.info("%s", choose(settings.backend, jobs[0].autoencoder.busy_modules(), settings.batch_size, device))


def _training(runs: list[Member], settings: Trainer, device: torch.device) -> tuple[FusedTraining, Batches]:
    """Return the module that Lightning trains, and the batches that it is validated on."""
    members = Members([run.job.autoencoder for run in runs], Streams(device))
    alone, val = batches(runs[0].job, settings, device)
    calls = Together(alone, lambda: [runs[n].job.seed for n in members.numbers])
    descent = Descent(members, [run.job.optimizer for run in runs])
    return FusedTraining(descent, runs, calls, alone.steps * settings.max_epochs, settings.gradient_clip), val


def _run(training: FusedTraining, val: Batches, settings: Trainer, device: torch.device, resume: bool) -> None:
    first, files = training.runs[0], MemberFiles(training)
    title, early = f"{len(training.runs)} jobs as one: ", settings.patience is not None
    shown = [Progress(settings.max_epochs, len(training.batches), title, early)] if settings.progress else []
    trainer = lightning(settings, device, [*shown, Saving(files, settings.save_every)], files, first.job.folder)
    trainer.fit(training, training.batches, val, ckpt_path=first.last_path if resume else None, weights_only=True)
